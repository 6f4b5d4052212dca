// Compiled by crake-wire-gen from every.proto. Do not edit.

/// Says `what` a thing looks like; see \[nothing\] and \<nobody\>.
///
///    An indented line is text too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Colour {
    /// Value 0.
    #[default]
    None = 0,
    /// Value 1.
    Red = 1,
    /// negative
    DeepGreen = -7,
    /// Value 2147483647.
    Blue = 2147483647,
}

impl TryFrom<i32> for Colour {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Red),
            -7 => Ok(Self::DeepGreen),
            2147483647 => Ok(Self::Blue),
            _ => Err(::crake_wire::WireError::UnknownEnum(number)),
        }
    }
}

impl ::crake_wire::Scalar for Colour {
    type Raw = [u8; 4];
    type Read = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn to_slot(self) -> u64 {
        ::crake_wire::Scalar::to_slot(self as i32)
    }

    #[inline]
    fn from_slot(slot: u64) -> Result<Self, ::crake_wire::WireError> {
        <i32 as ::crake_wire::Scalar>::from_slot(slot).try_into()
    }

    #[inline]
    fn to_raw(self) -> [u8; 4] {
        (self as i32).to_le_bytes()
    }

    #[inline]
    fn from_raw(raw: [u8; 4]) -> Result<Self, ::crake_wire::WireError> {
        i32::from_le_bytes(raw).try_into()
    }
}

impl ::crake_wire::Element<'_> for Colour {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: &[u8], raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

/// The enum `Side`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum InnerLeafSide {
    /// Value 0.
    #[default]
    Unknown = 0,
    /// Value 1.
    Left = 1,
    /// Value 2.
    Right = 2,
}

impl TryFrom<i32> for InnerLeafSide {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::Unknown),
            1 => Ok(Self::Left),
            2 => Ok(Self::Right),
            _ => Err(::crake_wire::WireError::UnknownEnum(number)),
        }
    }
}

impl ::crake_wire::Scalar for InnerLeafSide {
    type Raw = [u8; 4];
    type Read = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn to_slot(self) -> u64 {
        ::crake_wire::Scalar::to_slot(self as i32)
    }

    #[inline]
    fn from_slot(slot: u64) -> Result<Self, ::crake_wire::WireError> {
        <i32 as ::crake_wire::Scalar>::from_slot(slot).try_into()
    }

    #[inline]
    fn to_raw(self) -> [u8; 4] {
        (self as i32).to_le_bytes()
    }

    #[inline]
    fn from_raw(raw: [u8; 4]) -> Result<Self, ::crake_wire::WireError> {
        i32::from_le_bytes(raw).try_into()
    }
}

impl ::crake_wire::Element<'_> for InnerLeafSide {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: &[u8], raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

/// The message `One`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct One<'a> {
    /// Field 1.
    pub unsigned32: u32,
    /// Field 2.
    pub unsigned64: u64,
    /// Field 3.
    pub signed32: i32,
    /// Field 4.
    pub signed64: i64,
    /// Field 5.
    pub zigzag32: i32,
    /// Field 6.
    pub zigzag64: i64,
    /// Field 7.
    pub fixed_unsigned32: u32,
    /// Field 8.
    pub fixed_unsigned64: u64,
    /// Field 9.
    pub fixed_signed32: i32,
    /// Field 10.
    pub fixed_signed64: i64,
    /// Field 11.
    pub single: f32,
    /// Field 12.
    pub twice: f64,
    /// Field 13.
    pub flag: bool,
    /// Field 14.
    pub colour: Colour,
    /// Field 15.
    pub text: &'a str,
    /// Field 16.
    pub data: &'a [u8],
    /// Field 17.
    pub inner: Option<Inner<'a>>,
}

impl One<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.unsigned32 != 0)
            .with::<2>(self.unsigned64 != 0)
            .with::<3>(self.signed32 != 0)
            .with::<4>(self.signed64 != 0)
            .with::<5>(self.zigzag32 != 0)
            .with::<6>(self.zigzag64 != 0)
            .with::<7>(self.fixed_unsigned32 != 0)
            .with::<8>(self.fixed_unsigned64 != 0)
            .with::<9>(self.fixed_signed32 != 0)
            .with::<10>(self.fixed_signed64 != 0)
            .with::<11>(self.single.to_bits() != 0)
            .with::<12>(self.twice.to_bits() != 0)
            .with::<13>(self.flag)
            .with::<14>(self.colour as i32 != 0)
            .with::<15>(!self.text.is_empty())
            .with::<16>(!self.data.is_empty())
            .with::<17>(self.inner.is_some())
    }
}

impl ::crake_wire::Encode for One<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.text.len()
            + self.data.len()
            + self.inner.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for One<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if self.unsigned32 != 0 {
            head.put_scalar(self.unsigned32);
        }
        if self.unsigned64 != 0 {
            head.put_scalar(self.unsigned64);
        }
        if self.signed32 != 0 {
            head.put_scalar(self.signed32);
        }
        if self.signed64 != 0 {
            head.put_scalar(self.signed64);
        }
        if self.zigzag32 != 0 {
            head.put_scalar(self.zigzag32);
        }
        if self.zigzag64 != 0 {
            head.put_scalar(self.zigzag64);
        }
        if self.fixed_unsigned32 != 0 {
            head.put_scalar(self.fixed_unsigned32);
        }
        if self.fixed_unsigned64 != 0 {
            head.put_scalar(self.fixed_unsigned64);
        }
        if self.fixed_signed32 != 0 {
            head.put_scalar(self.fixed_signed32);
        }
        if self.fixed_signed64 != 0 {
            head.put_scalar(self.fixed_signed64);
        }
        if self.single.to_bits() != 0 {
            head.put_scalar(self.single);
        }
        if self.twice.to_bits() != 0 {
            head.put_scalar(self.twice);
        }
        if self.flag {
            head.put_scalar(self.flag);
        }
        if self.colour as i32 != 0 {
            head.put_scalar(self.colour);
        }
        if !self.text.is_empty() {
            head.put(writer.bytes(self.text.as_bytes()));
        }
        if !self.data.is_empty() {
            head.put(writer.bytes(self.data));
        }
        if let Some(value) = &self.inner {
            head.put(writer.message(value));
        }
    }
}

/// Reads the message [`One`] where it lies.
#[derive(Clone, Copy)]
pub struct OneView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> OneView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn unsigned32(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn unsigned64(&self) -> u64 {
        self.reader.scalar::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn signed32(&self) -> i32 {
        self.reader.scalar::<i32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn signed64(&self) -> i64 {
        self.reader.scalar::<i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn zigzag32(&self) -> i32 {
        self.reader.scalar::<i32, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn zigzag64(&self) -> i64 {
        self.reader.scalar::<i64, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn fixed_unsigned32(&self) -> u32 {
        self.reader.scalar::<u32, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn fixed_unsigned64(&self) -> u64 {
        self.reader.scalar::<u64, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn fixed_signed32(&self) -> i32 {
        self.reader.scalar::<i32, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn fixed_signed64(&self) -> i64 {
        self.reader.scalar::<i64, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn single(&self) -> f32 {
        self.reader.scalar::<f32, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn twice(&self) -> f64 {
        self.reader.scalar::<f64, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flag(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 13>()
    }

    /// Field 14.
    #[inline]
    pub fn colour(&self) -> Result<Colour, ::crake_wire::WireError> {
        self.reader.scalar::<Colour, 14>()
    }

    /// Field 15.
    #[inline]
    pub fn text(&self) -> Result<&'a str, ::crake_wire::WireError> {
        self.reader.string::<15>()
    }

    /// The bytes of `text`, which may not be UTF-8.
    #[inline]
    pub fn text_bytes(&self) -> Result<&'a [u8], ::crake_wire::WireError> {
        self.reader.bytes::<15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<&'a [u8], ::crake_wire::WireError> {
        self.reader.bytes::<16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<Option<InnerView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<InnerView<'a>, 17>()
    }
}

impl<'a> ::crake_wire::View<'a> for OneView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for OneView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("OneView")
            .field("unsigned32", &self.unsigned32())
            .field("unsigned64", &self.unsigned64())
            .field("signed32", &self.signed32())
            .field("signed64", &self.signed64())
            .field("zigzag32", &self.zigzag32())
            .field("zigzag64", &self.zigzag64())
            .field("fixed_unsigned32", &self.fixed_unsigned32())
            .field("fixed_unsigned64", &self.fixed_unsigned64())
            .field("fixed_signed32", &self.fixed_signed32())
            .field("fixed_signed64", &self.fixed_signed64())
            .field("single", &self.single())
            .field("twice", &self.twice())
            .field("flag", &self.flag())
            .field("colour", &self.colour())
            .field("text", &self.text())
            .field("data", &self.data())
            .field("inner", &self.inner())
            .finish()
    }
}

/// The message `Maybe`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Maybe<'a> {
    /// Field 1.
    pub unsigned32: Option<u32>,
    /// Field 2.
    pub unsigned64: Option<u64>,
    /// Field 3.
    pub signed32: Option<i32>,
    /// Field 4.
    pub signed64: Option<i64>,
    /// Field 5.
    pub zigzag32: Option<i32>,
    /// Field 6.
    pub zigzag64: Option<i64>,
    /// Field 7.
    pub fixed_unsigned32: Option<u32>,
    /// Field 8.
    pub fixed_unsigned64: Option<u64>,
    /// Field 9.
    pub fixed_signed32: Option<i32>,
    /// Field 10.
    pub fixed_signed64: Option<i64>,
    /// Field 11.
    pub single: Option<f32>,
    /// Field 12.
    pub twice: Option<f64>,
    /// Field 13.
    pub flag: Option<bool>,
    /// Field 14.
    pub colour: Option<Colour>,
    /// Field 15.
    pub text: Option<&'a str>,
    /// Field 16.
    pub data: Option<&'a [u8]>,
    /// Field 17.
    pub inner: Option<Inner<'a>>,
}

impl Maybe<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.unsigned32.is_some())
            .with::<2>(self.unsigned64.is_some())
            .with::<3>(self.signed32.is_some())
            .with::<4>(self.signed64.is_some())
            .with::<5>(self.zigzag32.is_some())
            .with::<6>(self.zigzag64.is_some())
            .with::<7>(self.fixed_unsigned32.is_some())
            .with::<8>(self.fixed_unsigned64.is_some())
            .with::<9>(self.fixed_signed32.is_some())
            .with::<10>(self.fixed_signed64.is_some())
            .with::<11>(self.single.is_some())
            .with::<12>(self.twice.is_some())
            .with::<13>(self.flag.is_some())
            .with::<14>(self.colour.is_some())
            .with::<15>(self.text.is_some())
            .with::<16>(self.data.is_some())
            .with::<17>(self.inner.is_some())
    }
}

impl ::crake_wire::Encode for Maybe<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.text.map_or(0, str::len)
            + self.data.map_or(0, <[u8]>::len)
            + self.inner.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Maybe<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if let Some(value) = self.unsigned32 {
            head.put_scalar(value);
        }
        if let Some(value) = self.unsigned64 {
            head.put_scalar(value);
        }
        if let Some(value) = self.signed32 {
            head.put_scalar(value);
        }
        if let Some(value) = self.signed64 {
            head.put_scalar(value);
        }
        if let Some(value) = self.zigzag32 {
            head.put_scalar(value);
        }
        if let Some(value) = self.zigzag64 {
            head.put_scalar(value);
        }
        if let Some(value) = self.fixed_unsigned32 {
            head.put_scalar(value);
        }
        if let Some(value) = self.fixed_unsigned64 {
            head.put_scalar(value);
        }
        if let Some(value) = self.fixed_signed32 {
            head.put_scalar(value);
        }
        if let Some(value) = self.fixed_signed64 {
            head.put_scalar(value);
        }
        if let Some(value) = self.single {
            head.put_scalar(value);
        }
        if let Some(value) = self.twice {
            head.put_scalar(value);
        }
        if let Some(value) = self.flag {
            head.put_scalar(value);
        }
        if let Some(value) = self.colour {
            head.put_scalar(value);
        }
        if let Some(value) = self.text {
            head.put(writer.bytes(value.as_bytes()));
        }
        if let Some(value) = self.data {
            head.put(writer.bytes(value));
        }
        if let Some(value) = &self.inner {
            head.put(writer.message(value));
        }
    }
}

/// Reads the message [`Maybe`] where it lies.
#[derive(Clone, Copy)]
pub struct MaybeView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> MaybeView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn unsigned32(&self) -> Option<u32> {
        self.reader.optional_scalar::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn unsigned64(&self) -> Option<u64> {
        self.reader.optional_scalar::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn signed32(&self) -> Option<i32> {
        self.reader.optional_scalar::<i32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn signed64(&self) -> Option<i64> {
        self.reader.optional_scalar::<i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn zigzag32(&self) -> Option<i32> {
        self.reader.optional_scalar::<i32, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn zigzag64(&self) -> Option<i64> {
        self.reader.optional_scalar::<i64, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn fixed_unsigned32(&self) -> Option<u32> {
        self.reader.optional_scalar::<u32, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn fixed_unsigned64(&self) -> Option<u64> {
        self.reader.optional_scalar::<u64, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn fixed_signed32(&self) -> Option<i32> {
        self.reader.optional_scalar::<i32, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn fixed_signed64(&self) -> Option<i64> {
        self.reader.optional_scalar::<i64, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn single(&self) -> Option<f32> {
        self.reader.optional_scalar::<f32, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn twice(&self) -> Option<f64> {
        self.reader.optional_scalar::<f64, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flag(&self) -> Result<Option<bool>, ::crake_wire::WireError> {
        self.reader.optional_scalar::<bool, 13>().transpose()
    }

    /// Field 14.
    #[inline]
    pub fn colour(&self) -> Result<Option<Colour>, ::crake_wire::WireError> {
        self.reader.optional_scalar::<Colour, 14>().transpose()
    }

    /// Field 15.
    #[inline]
    pub fn text(&self) -> Result<Option<&'a str>, ::crake_wire::WireError> {
        self.reader.optional_string::<15>()
    }

    /// The bytes of `text`, which may not be UTF-8.
    #[inline]
    pub fn text_bytes(&self) -> Result<Option<&'a [u8]>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<Option<&'a [u8]>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<Option<InnerView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<InnerView<'a>, 17>()
    }
}

impl<'a> ::crake_wire::View<'a> for MaybeView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for MaybeView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("MaybeView")
            .field("unsigned32", &self.unsigned32())
            .field("unsigned64", &self.unsigned64())
            .field("signed32", &self.signed32())
            .field("signed64", &self.signed64())
            .field("zigzag32", &self.zigzag32())
            .field("zigzag64", &self.zigzag64())
            .field("fixed_unsigned32", &self.fixed_unsigned32())
            .field("fixed_unsigned64", &self.fixed_unsigned64())
            .field("fixed_signed32", &self.fixed_signed32())
            .field("fixed_signed64", &self.fixed_signed64())
            .field("single", &self.single())
            .field("twice", &self.twice())
            .field("flag", &self.flag())
            .field("colour", &self.colour())
            .field("text", &self.text())
            .field("data", &self.data())
            .field("inner", &self.inner())
            .finish()
    }
}

/// The message `Many`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Many<'a> {
    /// Field 1.
    pub unsigned32: &'a [u32],
    /// Field 2.
    pub unsigned64: &'a [u64],
    /// Field 3.
    pub signed32: &'a [i32],
    /// Field 4.
    pub signed64: &'a [i64],
    /// Field 5.
    pub zigzag32: &'a [i32],
    /// Field 6.
    pub zigzag64: &'a [i64],
    /// Field 7.
    pub fixed_unsigned32: &'a [u32],
    /// Field 8.
    pub fixed_unsigned64: &'a [u64],
    /// Field 9.
    pub fixed_signed32: &'a [i32],
    /// Field 10.
    pub fixed_signed64: &'a [i64],
    /// Field 11.
    pub single: &'a [f32],
    /// Field 12.
    pub twice: &'a [f64],
    /// Field 13.
    pub flag: &'a [bool],
    /// Field 14.
    pub colour: &'a [Colour],
    /// Field 15.
    pub text: &'a [&'a str],
    /// Field 16.
    pub data: &'a [&'a [u8]],
    /// Field 17.
    pub inner: &'a [Inner<'a>],
}

impl Many<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.unsigned32.is_empty())
            .with::<2>(!self.unsigned64.is_empty())
            .with::<3>(!self.signed32.is_empty())
            .with::<4>(!self.signed64.is_empty())
            .with::<5>(!self.zigzag32.is_empty())
            .with::<6>(!self.zigzag64.is_empty())
            .with::<7>(!self.fixed_unsigned32.is_empty())
            .with::<8>(!self.fixed_unsigned64.is_empty())
            .with::<9>(!self.fixed_signed32.is_empty())
            .with::<10>(!self.fixed_signed64.is_empty())
            .with::<11>(!self.single.is_empty())
            .with::<12>(!self.twice.is_empty())
            .with::<13>(!self.flag.is_empty())
            .with::<14>(!self.colour.is_empty())
            .with::<15>(!self.text.is_empty())
            .with::<16>(!self.data.is_empty())
            .with::<17>(!self.inner.is_empty())
    }
}

impl ::crake_wire::Encode for Many<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + ::crake_wire::scalars_bytes(self.unsigned32)
            + ::crake_wire::scalars_bytes(self.unsigned64)
            + ::crake_wire::scalars_bytes(self.signed32)
            + ::crake_wire::scalars_bytes(self.signed64)
            + ::crake_wire::scalars_bytes(self.zigzag32)
            + ::crake_wire::scalars_bytes(self.zigzag64)
            + ::crake_wire::scalars_bytes(self.fixed_unsigned32)
            + ::crake_wire::scalars_bytes(self.fixed_unsigned64)
            + ::crake_wire::scalars_bytes(self.fixed_signed32)
            + ::crake_wire::scalars_bytes(self.fixed_signed64)
            + ::crake_wire::scalars_bytes(self.single)
            + ::crake_wire::scalars_bytes(self.twice)
            + ::crake_wire::scalars_bytes(self.flag)
            + ::crake_wire::scalars_bytes(self.colour)
            + ::crake_wire::blobs_bytes(self.text)
            + ::crake_wire::blobs_bytes(self.data)
            + ::crake_wire::messages_bytes(self.inner)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Many<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if !self.unsigned32.is_empty() {
            head.put(writer.scalars(self.unsigned32));
        }
        if !self.unsigned64.is_empty() {
            head.put(writer.scalars(self.unsigned64));
        }
        if !self.signed32.is_empty() {
            head.put(writer.scalars(self.signed32));
        }
        if !self.signed64.is_empty() {
            head.put(writer.scalars(self.signed64));
        }
        if !self.zigzag32.is_empty() {
            head.put(writer.scalars(self.zigzag32));
        }
        if !self.zigzag64.is_empty() {
            head.put(writer.scalars(self.zigzag64));
        }
        if !self.fixed_unsigned32.is_empty() {
            head.put(writer.scalars(self.fixed_unsigned32));
        }
        if !self.fixed_unsigned64.is_empty() {
            head.put(writer.scalars(self.fixed_unsigned64));
        }
        if !self.fixed_signed32.is_empty() {
            head.put(writer.scalars(self.fixed_signed32));
        }
        if !self.fixed_signed64.is_empty() {
            head.put(writer.scalars(self.fixed_signed64));
        }
        if !self.single.is_empty() {
            head.put(writer.scalars(self.single));
        }
        if !self.twice.is_empty() {
            head.put(writer.scalars(self.twice));
        }
        if !self.flag.is_empty() {
            head.put(writer.scalars(self.flag));
        }
        if !self.colour.is_empty() {
            head.put(writer.scalars(self.colour));
        }
        if !self.text.is_empty() {
            head.put(writer.blobs(self.text));
        }
        if !self.data.is_empty() {
            head.put(writer.blobs(self.data));
        }
        if !self.inner.is_empty() {
            head.put(writer.messages(self.inner));
        }
    }
}

/// Reads the message [`Many`] where it lies.
#[derive(Clone, Copy)]
pub struct ManyView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> ManyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn unsigned32(&self) -> Result<::crake_wire::List<'a, u32>, ::crake_wire::WireError> {
        self.reader.list::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn unsigned64(&self) -> Result<::crake_wire::List<'a, u64>, ::crake_wire::WireError> {
        self.reader.list::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn signed32(&self) -> Result<::crake_wire::List<'a, i32>, ::crake_wire::WireError> {
        self.reader.list::<i32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn signed64(&self) -> Result<::crake_wire::List<'a, i64>, ::crake_wire::WireError> {
        self.reader.list::<i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn zigzag32(&self) -> Result<::crake_wire::List<'a, i32>, ::crake_wire::WireError> {
        self.reader.list::<i32, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn zigzag64(&self) -> Result<::crake_wire::List<'a, i64>, ::crake_wire::WireError> {
        self.reader.list::<i64, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn fixed_unsigned32(&self) -> Result<::crake_wire::List<'a, u32>, ::crake_wire::WireError> {
        self.reader.list::<u32, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn fixed_unsigned64(&self) -> Result<::crake_wire::List<'a, u64>, ::crake_wire::WireError> {
        self.reader.list::<u64, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn fixed_signed32(&self) -> Result<::crake_wire::List<'a, i32>, ::crake_wire::WireError> {
        self.reader.list::<i32, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn fixed_signed64(&self) -> Result<::crake_wire::List<'a, i64>, ::crake_wire::WireError> {
        self.reader.list::<i64, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn single(&self) -> Result<::crake_wire::List<'a, f32>, ::crake_wire::WireError> {
        self.reader.list::<f32, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn twice(&self) -> Result<::crake_wire::List<'a, f64>, ::crake_wire::WireError> {
        self.reader.list::<f64, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flag(&self) -> Result<::crake_wire::List<'a, bool>, ::crake_wire::WireError> {
        self.reader.list::<bool, 13>()
    }

    /// Field 14.
    #[inline]
    pub fn colour(&self) -> Result<::crake_wire::List<'a, Colour>, ::crake_wire::WireError> {
        self.reader.list::<Colour, 14>()
    }

    /// Field 15.
    #[inline]
    pub fn text(&self) -> Result<::crake_wire::List<'a, &'a str>, ::crake_wire::WireError> {
        self.reader.list::<&'a str, 15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<::crake_wire::List<'a, &'a [u8]>, ::crake_wire::WireError> {
        self.reader.list::<&'a [u8], 16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<::crake_wire::List<'a, InnerView<'a>>, ::crake_wire::WireError> {
        self.reader.list::<InnerView<'a>, 17>()
    }
}

impl<'a> ::crake_wire::View<'a> for ManyView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for ManyView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ManyView")
            .field("unsigned32", &self.unsigned32())
            .field("unsigned64", &self.unsigned64())
            .field("signed32", &self.signed32())
            .field("signed64", &self.signed64())
            .field("zigzag32", &self.zigzag32())
            .field("zigzag64", &self.zigzag64())
            .field("fixed_unsigned32", &self.fixed_unsigned32())
            .field("fixed_unsigned64", &self.fixed_unsigned64())
            .field("fixed_signed32", &self.fixed_signed32())
            .field("fixed_signed64", &self.fixed_signed64())
            .field("single", &self.single())
            .field("twice", &self.twice())
            .field("flag", &self.flag())
            .field("colour", &self.colour())
            .field("text", &self.text())
            .field("data", &self.data())
            .field("inner", &self.inner())
            .finish()
    }
}

/// A message with messages within.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Inner<'a> {
    /// Field 1.
    pub leaf: Option<InnerLeaf<'a>>,
    /// Field 2.
    pub name: &'a str,
    /// Field 3.
    pub leaves: &'a [InnerLeaf<'a>],
    /// Field 4.
    pub parts: &'a [&'a [u8]],
}

impl Inner<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.leaf.is_some())
            .with::<2>(!self.name.is_empty())
            .with::<3>(!self.leaves.is_empty())
            .with::<4>(!self.parts.is_empty())
    }
}

impl ::crake_wire::Encode for Inner<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.leaf.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.name.len()
            + ::crake_wire::messages_bytes(self.leaves)
            + ::crake_wire::blobs_bytes(self.parts)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Inner<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.leaf {
            head.put(writer.message(value));
        }
        if !self.name.is_empty() {
            head.put(writer.bytes(self.name.as_bytes()));
        }
        if !self.leaves.is_empty() {
            head.put(writer.messages(self.leaves));
        }
        if !self.parts.is_empty() {
            head.put(writer.blobs(self.parts));
        }
    }
}

/// Reads the message [`Inner`] where it lies.
#[derive(Clone, Copy)]
pub struct InnerView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> InnerView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn leaf(&self) -> Result<Option<InnerLeafView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<InnerLeafView<'a>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn name(&self) -> Result<&'a str, ::crake_wire::WireError> {
        self.reader.string::<2>()
    }

    /// The bytes of `name`, which may not be UTF-8.
    #[inline]
    pub fn name_bytes(&self) -> Result<&'a [u8], ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn leaves(&self) -> Result<::crake_wire::List<'a, InnerLeafView<'a>>, ::crake_wire::WireError> {
        self.reader.list::<InnerLeafView<'a>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn parts(&self) -> Result<::crake_wire::List<'a, &'a [u8]>, ::crake_wire::WireError> {
        self.reader.list::<&'a [u8], 4>()
    }
}

impl<'a> ::crake_wire::View<'a> for InnerView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for InnerView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("InnerView")
            .field("leaf", &self.leaf())
            .field("name", &self.name())
            .field("leaves", &self.leaves())
            .field("parts", &self.parts())
            .finish()
    }
}

/// The message `Leaf`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct InnerLeaf<'a> {
    /// Field 1.
    pub id: u64,
    /// Field 2.
    pub data: &'a [u8],
    /// Field 3.
    pub numbers: &'a [u32],
    /// Field 4.
    pub side: InnerLeafSide,
}

impl InnerLeaf<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.id != 0)
            .with::<2>(!self.data.is_empty())
            .with::<3>(!self.numbers.is_empty())
            .with::<4>(self.side as i32 != 0)
    }
}

impl ::crake_wire::Encode for InnerLeaf<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.data.len()
            + ::crake_wire::scalars_bytes(self.numbers)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for InnerLeaf<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if !self.data.is_empty() {
            head.put(writer.bytes(self.data));
        }
        if !self.numbers.is_empty() {
            head.put(writer.scalars(self.numbers));
        }
        if self.side as i32 != 0 {
            head.put_scalar(self.side);
        }
    }
}

/// Reads the message [`InnerLeaf`] where it lies.
#[derive(Clone, Copy)]
pub struct InnerLeafView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> InnerLeafView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn data(&self) -> Result<&'a [u8], ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn numbers(&self) -> Result<::crake_wire::List<'a, u32>, ::crake_wire::WireError> {
        self.reader.list::<u32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn side(&self) -> Result<InnerLeafSide, ::crake_wire::WireError> {
        self.reader.scalar::<InnerLeafSide, 4>()
    }
}

impl<'a> ::crake_wire::View<'a> for InnerLeafView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for InnerLeafView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("InnerLeafView")
            .field("id", &self.id())
            .field("data", &self.data())
            .field("numbers", &self.numbers())
            .field("side", &self.side())
            .finish()
    }
}

/// Field numbers at the edges of the words of the bitmap, in no order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Sparse<'a> {
    /// Field 1.
    pub first: u32,
    /// Field 63.
    pub end_of_one: u32,
    /// Field 64.
    pub start_of_two: &'a str,
    /// Field 126.
    pub end_of_two: u64,
    /// Field 127.
    pub start_of_three: &'a [u64],
    /// Field 252.
    pub last: bool,
}

impl Sparse<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<4> {
        ::crake_wire::Present::none()
            .with::<1>(self.first != 0)
            .with::<63>(self.end_of_one != 0)
            .with::<64>(!self.start_of_two.is_empty())
            .with::<126>(self.end_of_two != 0)
            .with::<127>(!self.start_of_three.is_empty())
            .with::<252>(self.last)
    }
}

impl ::crake_wire::Encode for Sparse<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.start_of_two.len()
            + ::crake_wire::scalars_bytes(self.start_of_three)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Sparse<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if self.first != 0 {
            head.put_scalar(self.first);
        }
        if self.end_of_one != 0 {
            head.put_scalar(self.end_of_one);
        }
        if !self.start_of_two.is_empty() {
            head.put(writer.bytes(self.start_of_two.as_bytes()));
        }
        if self.end_of_two != 0 {
            head.put_scalar(self.end_of_two);
        }
        if !self.start_of_three.is_empty() {
            head.put(writer.scalars(self.start_of_three));
        }
        if self.last {
            head.put_scalar(self.last);
        }
    }
}

/// Reads the message [`Sparse`] where it lies.
#[derive(Clone, Copy)]
pub struct SparseView<'a> {
    reader: ::crake_wire::Reader<'a, 4>,
}

impl<'a> SparseView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn first(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }

    /// Field 63.
    #[inline]
    pub fn end_of_one(&self) -> u32 {
        self.reader.scalar::<u32, 63>()
    }

    /// Field 64.
    #[inline]
    pub fn start_of_two(&self) -> Result<&'a str, ::crake_wire::WireError> {
        self.reader.string::<64>()
    }

    /// The bytes of `start_of_two`, which may not be UTF-8.
    #[inline]
    pub fn start_of_two_bytes(&self) -> Result<&'a [u8], ::crake_wire::WireError> {
        self.reader.bytes::<64>()
    }

    /// Field 126.
    #[inline]
    pub fn end_of_two(&self) -> u64 {
        self.reader.scalar::<u64, 126>()
    }

    /// Field 127.
    #[inline]
    pub fn start_of_three(&self) -> Result<::crake_wire::List<'a, u64>, ::crake_wire::WireError> {
        self.reader.list::<u64, 127>()
    }

    /// Field 252.
    #[inline]
    pub fn last(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 252>()
    }
}

impl<'a> ::crake_wire::View<'a> for SparseView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for SparseView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("SparseView")
            .field("first", &self.first())
            .field("end_of_one", &self.end_of_one())
            .field("start_of_two", &self.start_of_two())
            .field("end_of_two", &self.end_of_two())
            .field("start_of_three", &self.start_of_three())
            .field("last", &self.last())
            .finish()
    }
}

/// Nothing but scalars, with numbers left out.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Flat {
    /// Field 2.
    pub first: u32,
    /// Field 3.
    pub flag: bool,
    /// Field 5.
    pub colour: Colour,
    /// Field 62.
    pub signed: i32,
    /// Field 63.
    pub twice: f64,
    /// Field 66.
    pub last: u64,
}

impl Flat {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<2> {
        ::crake_wire::Present::none()
            .with::<2>(self.first != 0)
            .with::<3>(self.flag)
            .with::<5>(self.colour as i32 != 0)
            .with::<62>(self.signed != 0)
            .with::<63>(self.twice.to_bits() != 0)
            .with::<66>(self.last != 0)
    }
}

impl ::crake_wire::Encode for Flat {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Flat {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if self.first != 0 {
            head.put_scalar(self.first);
        }
        if self.flag {
            head.put_scalar(self.flag);
        }
        if self.colour as i32 != 0 {
            head.put_scalar(self.colour);
        }
        if self.signed != 0 {
            head.put_scalar(self.signed);
        }
        if self.twice.to_bits() != 0 {
            head.put_scalar(self.twice);
        }
        if self.last != 0 {
            head.put_scalar(self.last);
        }
    }
}

/// Reads the message [`Flat`] where it lies.
#[derive(Clone, Copy)]
pub struct FlatView<'a> {
    reader: ::crake_wire::Reader<'a, 2>,
}

impl<'a> FlatView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 2.
    #[inline]
    pub fn first(&self) -> u32 {
        self.reader.scalar::<u32, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn flag(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 3>()
    }

    /// Field 5.
    #[inline]
    pub fn colour(&self) -> Result<Colour, ::crake_wire::WireError> {
        self.reader.scalar::<Colour, 5>()
    }

    /// Field 62.
    #[inline]
    pub fn signed(&self) -> i32 {
        self.reader.scalar::<i32, 62>()
    }

    /// Field 63.
    #[inline]
    pub fn twice(&self) -> f64 {
        self.reader.scalar::<f64, 63>()
    }

    /// Field 66.
    #[inline]
    pub fn last(&self) -> u64 {
        self.reader.scalar::<u64, 66>()
    }
}

impl<'a> ::crake_wire::View<'a> for FlatView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl TryFrom<FlatView<'_>> for Flat {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: FlatView<'_>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            first: fields.scalar::<u32, 0, 2>(),
            flag: fields.scalar::<bool, 2, 3>()?,
            colour: fields.scalar::<Colour, 3, 5>()?,
            signed: fields.scalar::<i32, 5, 62>(),
            twice: fields.scalar::<f64, 62, 63>(),
            last: fields.scalar::<u64, 63, 66>(),
        })
    }
}

impl ::core::fmt::Debug for FlatView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("FlatView")
            .field("first", &self.first())
            .field("flag", &self.flag())
            .field("colour", &self.colour())
            .field("signed", &self.signed())
            .field("twice", &self.twice())
            .field("last", &self.last())
            .finish()
    }
}

/// The message `Empty`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Empty {}

impl ::crake_wire::Encode for Empty {
    #[inline]
    fn encoded_len(&self) -> usize {
        ::crake_wire::Present::<1>::none().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Empty {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        writer.head(::crake_wire::Present::<1>::none());
    }
}

/// Reads the message [`Empty`] where it lies.
#[derive(Clone, Copy)]
pub struct EmptyView<'a> {
    _reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> EmptyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { _reader: ::crake_wire::Reader::parse(frame)? })
    }
}

impl<'a> ::crake_wire::View<'a> for EmptyView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { _reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for EmptyView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("EmptyView")
            .finish()
    }
}

/// The message `Every`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Every<'a> {
    /// Field 1.
    pub one: Option<One<'a>>,
    /// Field 2.
    pub maybe: Option<Maybe<'a>>,
    /// Field 3.
    pub many: Option<Many<'a>>,
    /// Field 4.
    pub sparse: Option<Sparse<'a>>,
    /// Field 5.
    pub empty: Option<Empty>,
}

impl Every<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.one.is_some())
            .with::<2>(self.maybe.is_some())
            .with::<3>(self.many.is_some())
            .with::<4>(self.sparse.is_some())
            .with::<5>(self.empty.is_some())
    }
}

impl ::crake_wire::Encode for Every<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.one.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.maybe.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.many.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.sparse.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.empty.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Every<'_> {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.one {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.maybe {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.many {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.sparse {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.empty {
            head.put(writer.message(value));
        }
    }
}

/// Reads the message [`Every`] where it lies.
#[derive(Clone, Copy)]
pub struct EveryView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> EveryView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn one(&self) -> Result<Option<OneView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<OneView<'a>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn maybe(&self) -> Result<Option<MaybeView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<MaybeView<'a>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn many(&self) -> Result<Option<ManyView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<ManyView<'a>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn sparse(&self) -> Result<Option<SparseView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<SparseView<'a>, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn empty(&self) -> Result<Option<EmptyView<'a>>, ::crake_wire::WireError> {
        self.reader.message::<EmptyView<'a>, 5>()
    }
}

impl<'a> ::crake_wire::View<'a> for EveryView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl ::core::fmt::Debug for EveryView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("EveryView")
            .field("one", &self.one())
            .field("maybe", &self.maybe())
            .field("many", &self.many())
            .field("sparse", &self.sparse())
            .field("empty", &self.empty())
            .finish()
    }
}

/// Names that Rust keeps for itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Names {
    /// Field 1.
    pub r#type: u32,
    /// Field 2.
    pub self_: u32,
    /// Field 3.
    pub parse_: u32,
    /// Field 4.
    pub camel_case: u32,
}

impl Names {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.r#type != 0)
            .with::<2>(self.self_ != 0)
            .with::<3>(self.parse_ != 0)
            .with::<4>(self.camel_case != 0)
    }
}

impl ::crake_wire::Encode for Names {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Names {
    #[inline]
    fn write(&self, writer: &mut ::crake_wire::Writer<'_>) {
        let mut head = writer.head(self.present());
        if self.r#type != 0 {
            head.put_scalar(self.r#type);
        }
        if self.self_ != 0 {
            head.put_scalar(self.self_);
        }
        if self.parse_ != 0 {
            head.put_scalar(self.parse_);
        }
        if self.camel_case != 0 {
            head.put_scalar(self.camel_case);
        }
    }
}

/// Reads the message [`Names`] where it lies.
#[derive(Clone, Copy)]
pub struct NamesView<'a> {
    reader: ::crake_wire::Reader<'a, 1>,
}

impl<'a> NamesView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    /// Field 1.
    #[inline]
    pub fn r#type(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn self_(&self) -> u32 {
        self.reader.scalar::<u32, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn parse_(&self) -> u32 {
        self.reader.scalar::<u32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn camel_case(&self) -> u32 {
        self.reader.scalar::<u32, 4>()
    }
}

impl<'a> ::crake_wire::View<'a> for NamesView<'a> {
    #[inline]
    fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        Self::parse(frame)
    }

    #[inline]
    fn nested(frame: &'a [u8], pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl TryFrom<NamesView<'_>> for Names {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: NamesView<'_>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            r#type: fields.scalar::<u32, 0, 1>(),
            self_: fields.scalar::<u32, 1, 2>(),
            parse_: fields.scalar::<u32, 2, 3>(),
            camel_case: fields.scalar::<u32, 3, 4>(),
        })
    }
}

impl ::core::fmt::Debug for NamesView<'_> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("NamesView")
            .field("type", &self.r#type())
            .field("self_", &self.self_())
            .field("parse_", &self.parse_())
            .field("camel_case", &self.camel_case())
            .finish()
    }
}

/// What one may ask.
#[allow(clippy::module_inception, reason = "a package and its service often have one name")]
pub mod questions {
    /// Gives back what it got.
    ///
    /// [`Every`](super::Every) to [`Every`](super::Every).
    pub const ECHO: u16 = 1;

    /// [`Empty`](super::Empty) to [`InnerLeaf`](super::InnerLeaf).
    pub const DO_NOTHING: u16 = 2;

    /// What a method is called, for people; `unknown` when there is none of this number.
    #[must_use]
    pub const fn name(method: u16) -> &'static str {
        match method {
            ECHO => "Echo",
            DO_NOTHING => "DoNothing",
            _ => "unknown",
        }
    }
}
