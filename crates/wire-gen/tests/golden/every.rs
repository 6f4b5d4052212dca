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

impl Colour {
    /// as `RED`
    pub const CRIMSON: Self = Self::Red;
    /// Another name of [`Colour::None`].
    pub const BLACK: Self = Self::None;
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

impl<F> ::crake_wire::Element<'_, F> for Colour {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: F, raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

impl<F> ::crake_wire::InEntry<'_, F> for Colour {
    #[inline]
    fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::Scalar>::from_slot(slot)
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

impl<F> ::crake_wire::Element<'_, F> for InnerLeafSide {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: F, raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

impl<F> ::crake_wire::InEntry<'_, F> for InnerLeafSide {
    #[inline]
    fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::Scalar>::from_slot(slot)
    }
}

/// A place in space, \<fixed\>.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// Field 1.
    pub x: f32,
    /// Field 2.
    pub y: f32,
    /// Upwards.
    pub z: f32,
}

impl ::crake_wire::Fixed for Point {
    type Raw = [u8; 12];

    #[inline]
    fn read(raw: &[u8; 12]) -> Self {
        Self {
            x: ::crake_wire::fixed_field::<_, 0, _>(raw),
            y: ::crake_wire::fixed_field::<_, 4, _>(raw),
            z: ::crake_wire::fixed_field::<_, 8, _>(raw),
        }
    }

    #[inline]
    fn write(&self, raw: &mut [u8; 12]) {
        ::crake_wire::put_fixed_field::<_, 0, _>(raw, &self.x);
        ::crake_wire::put_fixed_field::<_, 4, _>(raw, &self.y);
        ::crake_wire::put_fixed_field::<_, 8, _>(raw, &self.z);
    }
}

impl<F> ::crake_wire::Element<'_, F> for Point {
    type Raw = [u8; 12];
    type Item = Self;

    #[inline]
    fn read(_: F, raw: &[u8; 12]) -> Self {
        ::crake_wire::Fixed::read(raw)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for Point {
    #[inline]
    fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::Fixed::in_entry(frame, slot)
    }
}

/// Every kind of number, and one fixed message in another; declared in no order.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Numbers {
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
    /// Field 100.
    pub point: Point,
}

impl ::crake_wire::Fixed for Numbers {
    type Raw = [u8; 84];

    #[inline]
    fn read(raw: &[u8; 84]) -> Self {
        Self {
            unsigned32: ::crake_wire::fixed_field::<_, 0, _>(raw),
            unsigned64: ::crake_wire::fixed_field::<_, 4, _>(raw),
            signed32: ::crake_wire::fixed_field::<_, 12, _>(raw),
            signed64: ::crake_wire::fixed_field::<_, 16, _>(raw),
            zigzag32: ::crake_wire::fixed_field::<_, 24, _>(raw),
            zigzag64: ::crake_wire::fixed_field::<_, 28, _>(raw),
            fixed_unsigned32: ::crake_wire::fixed_field::<_, 36, _>(raw),
            fixed_unsigned64: ::crake_wire::fixed_field::<_, 40, _>(raw),
            fixed_signed32: ::crake_wire::fixed_field::<_, 48, _>(raw),
            fixed_signed64: ::crake_wire::fixed_field::<_, 52, _>(raw),
            single: ::crake_wire::fixed_field::<_, 60, _>(raw),
            twice: ::crake_wire::fixed_field::<_, 64, _>(raw),
            point: ::crake_wire::fixed_field::<_, 72, _>(raw),
        }
    }

    #[inline]
    fn write(&self, raw: &mut [u8; 84]) {
        ::crake_wire::put_fixed_field::<_, 0, _>(raw, &self.unsigned32);
        ::crake_wire::put_fixed_field::<_, 4, _>(raw, &self.unsigned64);
        ::crake_wire::put_fixed_field::<_, 12, _>(raw, &self.signed32);
        ::crake_wire::put_fixed_field::<_, 16, _>(raw, &self.signed64);
        ::crake_wire::put_fixed_field::<_, 24, _>(raw, &self.zigzag32);
        ::crake_wire::put_fixed_field::<_, 28, _>(raw, &self.zigzag64);
        ::crake_wire::put_fixed_field::<_, 36, _>(raw, &self.fixed_unsigned32);
        ::crake_wire::put_fixed_field::<_, 40, _>(raw, &self.fixed_unsigned64);
        ::crake_wire::put_fixed_field::<_, 48, _>(raw, &self.fixed_signed32);
        ::crake_wire::put_fixed_field::<_, 52, _>(raw, &self.fixed_signed64);
        ::crake_wire::put_fixed_field::<_, 60, _>(raw, &self.single);
        ::crake_wire::put_fixed_field::<_, 64, _>(raw, &self.twice);
        ::crake_wire::put_fixed_field::<_, 72, _>(raw, &self.point);
    }
}

impl<F> ::crake_wire::Element<'_, F> for Numbers {
    type Raw = [u8; 84];
    type Item = Self;

    #[inline]
    fn read(_: F, raw: &[u8; 84]) -> Self {
        ::crake_wire::Fixed::read(raw)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for Numbers {
    #[inline]
    fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::Fixed::in_entry(frame, slot)
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct OneView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> OneView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> OneView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> OneView<'a, F> {
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
    pub fn text(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<15>()
    }

    /// The bytes of `text`, which may not be UTF-8.
    #[inline]
    pub fn text_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<Option<InnerView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<InnerView<'a, F>, 17>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for OneView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for OneView<'a, F> {
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

impl ::crake_wire::MessageType for One<'_> {
    type Value<'a> = One<'a>;
    type View<'a> = OneView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct MaybeView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> MaybeView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> MaybeView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> MaybeView<'a, F> {
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
    pub fn text(&self) -> Result<Option<F::Text>, ::crake_wire::WireError> {
        self.reader.optional_string::<15>()
    }

    /// The bytes of `text`, which may not be UTF-8.
    #[inline]
    pub fn text_bytes(&self) -> Result<Option<F::Bytes>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<Option<F::Bytes>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<Option<InnerView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<InnerView<'a, F>, 17>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for MaybeView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for MaybeView<'a, F> {
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

impl ::crake_wire::MessageType for Maybe<'_> {
    type Value<'a> = Maybe<'a>;
    type View<'a> = MaybeView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct ManyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> ManyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ManyView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ManyView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn unsigned32(&self) -> Result<::crake_wire::List<'a, u32, F>, ::crake_wire::WireError> {
        self.reader.list::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn unsigned64(&self) -> Result<::crake_wire::List<'a, u64, F>, ::crake_wire::WireError> {
        self.reader.list::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn signed32(&self) -> Result<::crake_wire::List<'a, i32, F>, ::crake_wire::WireError> {
        self.reader.list::<i32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn signed64(&self) -> Result<::crake_wire::List<'a, i64, F>, ::crake_wire::WireError> {
        self.reader.list::<i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn zigzag32(&self) -> Result<::crake_wire::List<'a, i32, F>, ::crake_wire::WireError> {
        self.reader.list::<i32, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn zigzag64(&self) -> Result<::crake_wire::List<'a, i64, F>, ::crake_wire::WireError> {
        self.reader.list::<i64, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn fixed_unsigned32(&self) -> Result<::crake_wire::List<'a, u32, F>, ::crake_wire::WireError> {
        self.reader.list::<u32, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn fixed_unsigned64(&self) -> Result<::crake_wire::List<'a, u64, F>, ::crake_wire::WireError> {
        self.reader.list::<u64, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn fixed_signed32(&self) -> Result<::crake_wire::List<'a, i32, F>, ::crake_wire::WireError> {
        self.reader.list::<i32, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn fixed_signed64(&self) -> Result<::crake_wire::List<'a, i64, F>, ::crake_wire::WireError> {
        self.reader.list::<i64, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn single(&self) -> Result<::crake_wire::List<'a, f32, F>, ::crake_wire::WireError> {
        self.reader.list::<f32, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn twice(&self) -> Result<::crake_wire::List<'a, f64, F>, ::crake_wire::WireError> {
        self.reader.list::<f64, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flag(&self) -> Result<::crake_wire::List<'a, bool, F>, ::crake_wire::WireError> {
        self.reader.list::<bool, 13>()
    }

    /// Field 14.
    #[inline]
    pub fn colour(&self) -> Result<::crake_wire::List<'a, Colour, F>, ::crake_wire::WireError> {
        self.reader.list::<Colour, 14>()
    }

    /// Field 15.
    #[inline]
    pub fn text(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<::crake_wire::List<'a, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Bytes, 16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<::crake_wire::List<'a, InnerView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<InnerView<'a, F>, 17>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ManyView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ManyView<'a, F> {
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

impl ::crake_wire::MessageType for Many<'_> {
    type Value<'a> = Many<'a>;
    type View<'a> = ManyView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct InnerView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> InnerView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> InnerView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> InnerView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn leaf(&self) -> Result<Option<InnerLeafView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<InnerLeafView<'a, F>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn name(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<2>()
    }

    /// The bytes of `name`, which may not be UTF-8.
    #[inline]
    pub fn name_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn leaves(&self) -> Result<::crake_wire::List<'a, InnerLeafView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<InnerLeafView<'a, F>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn parts(&self) -> Result<::crake_wire::List<'a, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Bytes, 4>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for InnerView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for InnerView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("InnerView")
            .field("leaf", &self.leaf())
            .field("name", &self.name())
            .field("leaves", &self.leaves())
            .field("parts", &self.parts())
            .finish()
    }
}

impl ::crake_wire::MessageType for Inner<'_> {
    type Value<'a> = Inner<'a>;
    type View<'a> = InnerView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct InnerLeafView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> InnerLeafView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> InnerLeafView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> InnerLeafView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn data(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn numbers(&self) -> Result<::crake_wire::List<'a, u32, F>, ::crake_wire::WireError> {
        self.reader.list::<u32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn side(&self) -> Result<InnerLeafSide, ::crake_wire::WireError> {
        self.reader.scalar::<InnerLeafSide, 4>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for InnerLeafView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for InnerLeafView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("InnerLeafView")
            .field("id", &self.id())
            .field("data", &self.data())
            .field("numbers", &self.numbers())
            .field("side", &self.side())
            .finish()
    }
}

impl ::crake_wire::MessageType for InnerLeaf<'_> {
    type Value<'a> = InnerLeaf<'a>;
    type View<'a> = InnerLeafView<'a>;
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
    /// Field 1008.
    pub end: &'a str,
}

impl Sparse<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<16> {
        ::crake_wire::Present::none()
            .with::<1>(self.first != 0)
            .with::<63>(self.end_of_one != 0)
            .with::<64>(!self.start_of_two.is_empty())
            .with::<126>(self.end_of_two != 0)
            .with::<127>(!self.start_of_three.is_empty())
            .with::<252>(self.last)
            .with::<1008>(!self.end.is_empty())
    }
}

impl ::crake_wire::Encode for Sparse<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.start_of_two.len()
            + ::crake_wire::scalars_bytes(self.start_of_three)
            + self.end.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Sparse<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
        if !self.end.is_empty() {
            head.put(writer.bytes(self.end.as_bytes()));
        }
    }
}

/// Reads the message [`Sparse`] where it lies.
#[derive(Clone, Copy)]
pub struct SparseView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 16, F>,
}

impl<'a> SparseView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> SparseView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> SparseView<'a, F> {
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
    pub fn start_of_two(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<64>()
    }

    /// The bytes of `start_of_two`, which may not be UTF-8.
    #[inline]
    pub fn start_of_two_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<64>()
    }

    /// Field 126.
    #[inline]
    pub fn end_of_two(&self) -> u64 {
        self.reader.scalar::<u64, 126>()
    }

    /// Field 127.
    #[inline]
    pub fn start_of_three(&self) -> Result<::crake_wire::List<'a, u64, F>, ::crake_wire::WireError> {
        self.reader.list::<u64, 127>()
    }

    /// Field 252.
    #[inline]
    pub fn last(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 252>()
    }

    /// Field 1008.
    #[inline]
    pub fn end(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1008>()
    }

    /// The bytes of `end`, which may not be UTF-8.
    #[inline]
    pub fn end_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1008>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for SparseView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for SparseView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("SparseView")
            .field("first", &self.first())
            .field("end_of_one", &self.end_of_one())
            .field("start_of_two", &self.start_of_two())
            .field("end_of_two", &self.end_of_two())
            .field("start_of_three", &self.start_of_three())
            .field("last", &self.last())
            .field("end", &self.end())
            .finish()
    }
}

impl ::crake_wire::MessageType for Sparse<'_> {
    type Value<'a> = Sparse<'a>;
    type View<'a> = SparseView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct FlatView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 2, F>,
}

impl<'a> FlatView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> FlatView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> FlatView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for FlatView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<FlatView<'a, F>> for Flat {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: FlatView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for FlatView<'a, F> {
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

impl ::crake_wire::MessageType for Flat {
    type Value<'a> = Flat;
    type View<'a> = FlatView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        writer.head(::crake_wire::Present::<1>::none());
    }
}

/// Reads the message [`Empty`] where it lies.
#[derive(Clone, Copy)]
pub struct EmptyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    _reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> EmptyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> EmptyView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for EmptyView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { _reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { _reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for EmptyView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("EmptyView")
            .finish()
    }
}

impl ::crake_wire::MessageType for Empty {
    type Value<'a> = Empty;
    type View<'a> = EmptyView<'a>;
}

/// Every kind of key, and every kind of value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Maps<'a> {
    /// Field 1.
    pub unsigned32: &'a [(u32, u32)],
    /// Field 2.
    pub unsigned64: &'a [(u64, u64)],
    /// Field 3.
    pub signed32: &'a [(i32, i32)],
    /// Field 4.
    pub signed64: &'a [(i64, i64)],
    /// Field 5.
    pub zigzag32: &'a [(i32, i32)],
    /// Field 6.
    pub zigzag64: &'a [(i64, i64)],
    /// Field 7.
    pub fixed_unsigned32: &'a [(u32, u32)],
    /// Field 8.
    pub fixed_unsigned64: &'a [(u64, u64)],
    /// Field 9.
    pub fixed_signed32: &'a [(i32, i32)],
    /// Field 10.
    pub fixed_signed64: &'a [(i64, i64)],
    /// Field 11.
    pub single: &'a [(bool, f32)],
    /// Field 12.
    pub twice: &'a [(&'a str, f64)],
    /// Field 13.
    pub flag: &'a [(u32, bool)],
    /// Field 14.
    pub colour: &'a [(&'a str, Colour)],
    /// Field 15.
    pub text: &'a [(&'a str, &'a str)],
    /// Field 16.
    pub data: &'a [(&'a str, &'a [u8])],
    /// Field 17.
    pub inner: &'a [(i64, Inner<'a>)],
}

impl Maps<'_> {
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

impl ::crake_wire::Encode for Maps<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + ::crake_wire::map_bytes(self.unsigned32, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.unsigned64, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.signed32, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.signed64, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.zigzag32, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.zigzag64, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.fixed_unsigned32, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.fixed_unsigned64, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.fixed_signed32, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.fixed_signed64, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.single, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.twice, |value| value.len(), |_| 0)
            + ::crake_wire::map_bytes(self.flag, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.colour, |value| value.len(), |_| 0)
            + ::crake_wire::map_bytes(self.text, |value| value.len(), |value| value.len())
            + ::crake_wire::map_bytes(self.data, |value| value.len(), |value| value.len())
            + ::crake_wire::map_bytes(self.inner, |_| 0, ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Maps<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.unsigned32.is_empty() {
            head.put(writer.map(self.unsigned32, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.unsigned64.is_empty() {
            head.put(writer.map(self.unsigned64, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.signed32.is_empty() {
            head.put(writer.map(self.signed32, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.signed64.is_empty() {
            head.put(writer.map(self.signed64, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.zigzag32.is_empty() {
            head.put(writer.map(self.zigzag32, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.zigzag64.is_empty() {
            head.put(writer.map(self.zigzag64, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.fixed_unsigned32.is_empty() {
            head.put(writer.map(self.fixed_unsigned32, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.fixed_unsigned64.is_empty() {
            head.put(writer.map(self.fixed_unsigned64, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.fixed_signed32.is_empty() {
            head.put(writer.map(self.fixed_signed32, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.fixed_signed64.is_empty() {
            head.put(writer.map(self.fixed_signed64, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.single.is_empty() {
            head.put(writer.map(self.single, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.twice.is_empty() {
            head.put(writer.map(self.twice, |writer, value| writer.blob_in_entry(value.as_bytes()), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.flag.is_empty() {
            head.put(writer.map(self.flag, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.colour.is_empty() {
            head.put(writer.map(self.colour, |writer, value| writer.blob_in_entry(value.as_bytes()), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.text.is_empty() {
            head.put(writer.map(self.text, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.blob_in_entry(value.as_bytes())));
        }
        if !self.data.is_empty() {
            head.put(writer.map(self.data, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.blob_in_entry(value)));
        }
        if !self.inner.is_empty() {
            head.put(writer.map(self.inner, |_, value| ::crake_wire::Scalar::to_slot(*value), |writer, value| writer.message(value)));
        }
    }
}

/// Reads the message [`Maps`] where it lies.
#[derive(Clone, Copy)]
pub struct MapsView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> MapsView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> MapsView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> MapsView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn unsigned32(&self) -> Result<::crake_wire::Map<'a, u32, u32, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn unsigned64(&self) -> Result<::crake_wire::Map<'a, u64, u64, F>, ::crake_wire::WireError> {
        self.reader.map::<u64, u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn signed32(&self) -> Result<::crake_wire::Map<'a, i32, i32, F>, ::crake_wire::WireError> {
        self.reader.map::<i32, i32, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn signed64(&self) -> Result<::crake_wire::Map<'a, i64, i64, F>, ::crake_wire::WireError> {
        self.reader.map::<i64, i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn zigzag32(&self) -> Result<::crake_wire::Map<'a, i32, i32, F>, ::crake_wire::WireError> {
        self.reader.map::<i32, i32, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn zigzag64(&self) -> Result<::crake_wire::Map<'a, i64, i64, F>, ::crake_wire::WireError> {
        self.reader.map::<i64, i64, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn fixed_unsigned32(&self) -> Result<::crake_wire::Map<'a, u32, u32, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, u32, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn fixed_unsigned64(&self) -> Result<::crake_wire::Map<'a, u64, u64, F>, ::crake_wire::WireError> {
        self.reader.map::<u64, u64, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn fixed_signed32(&self) -> Result<::crake_wire::Map<'a, i32, i32, F>, ::crake_wire::WireError> {
        self.reader.map::<i32, i32, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn fixed_signed64(&self) -> Result<::crake_wire::Map<'a, i64, i64, F>, ::crake_wire::WireError> {
        self.reader.map::<i64, i64, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn single(&self) -> Result<::crake_wire::Map<'a, bool, f32, F>, ::crake_wire::WireError> {
        self.reader.map::<bool, f32, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn twice(&self) -> Result<::crake_wire::Map<'a, F::Text, f64, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, f64, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flag(&self) -> Result<::crake_wire::Map<'a, u32, bool, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, bool, 13>()
    }

    /// Field 14.
    #[inline]
    pub fn colour(&self) -> Result<::crake_wire::Map<'a, F::Text, Colour, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, Colour, 14>()
    }

    /// Field 15.
    #[inline]
    pub fn text(&self) -> Result<::crake_wire::Map<'a, F::Text, F::Text, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, F::Text, 15>()
    }

    /// Field 16.
    #[inline]
    pub fn data(&self) -> Result<::crake_wire::Map<'a, F::Text, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, F::Bytes, 16>()
    }

    /// Field 17.
    #[inline]
    pub fn inner(&self) -> Result<::crake_wire::Map<'a, i64, InnerView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<i64, InnerView<'a, F>, 17>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for MapsView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for MapsView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("MapsView")
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

impl ::crake_wire::MessageType for Maps<'_> {
    type Value<'a> = Maps<'a>;
    type View<'a> = MapsView<'a>;
}

/// The message `Choice`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Choice<'a> {
    /// Field 1.
    pub before: u32,
    /// What it is about.
    pub body: Option<ChoiceBody<'a>>,
    /// Field 16.
    pub between: &'a str,
    /// One of `type`, or none.
    pub r#type: Option<ChoiceType>,
    /// Field 22.
    pub after: Option<u32>,
}

impl Choice<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<2> {
        ::crake_wire::Present::none()
            .with::<1>(self.before != 0)
            .with::<2>(matches!(self.body, Some(ChoiceBody::Unsigned32(_))))
            .with::<3>(matches!(self.body, Some(ChoiceBody::Unsigned64(_))))
            .with::<4>(matches!(self.body, Some(ChoiceBody::Signed32(_))))
            .with::<5>(matches!(self.body, Some(ChoiceBody::Signed64(_))))
            .with::<6>(matches!(self.body, Some(ChoiceBody::Zigzag32(_))))
            .with::<7>(matches!(self.body, Some(ChoiceBody::Zigzag64(_))))
            .with::<8>(matches!(self.body, Some(ChoiceBody::FixedUnsigned32(_))))
            .with::<9>(matches!(self.body, Some(ChoiceBody::FixedUnsigned64(_))))
            .with::<10>(matches!(self.body, Some(ChoiceBody::FixedSigned32(_))))
            .with::<11>(matches!(self.body, Some(ChoiceBody::FixedSigned64(_))))
            .with::<12>(matches!(self.body, Some(ChoiceBody::Single(_))))
            .with::<13>(matches!(self.body, Some(ChoiceBody::Twice(_))))
            .with::<14>(matches!(self.body, Some(ChoiceBody::Flag(_))))
            .with::<15>(matches!(self.body, Some(ChoiceBody::Colour(_))))
            .with::<16>(!self.between.is_empty())
            .with::<17>(matches!(self.body, Some(ChoiceBody::Text(_))))
            .with::<18>(matches!(self.body, Some(ChoiceBody::Data(_))))
            .with::<19>(matches!(self.body, Some(ChoiceBody::Inner(_))))
            .with::<20>(matches!(self.r#type, Some(ChoiceType::Yes(_))))
            .with::<21>(matches!(self.r#type, Some(ChoiceType::SoMany(_))))
            .with::<22>(self.after.is_some())
            .with::<70>(matches!(self.body, Some(ChoiceBody::Self_(_))))
    }
}

impl ::crake_wire::Encode for Choice<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + match &self.body {
                Some(ChoiceBody::Text(value)) => value.len(),
                Some(ChoiceBody::Data(value)) => value.len(),
                Some(ChoiceBody::Inner(value)) => ::crake_wire::Encode::encoded_len(value),
                Some(ChoiceBody::Self_(value)) => ::crake_wire::Encode::encoded_len(value),
                _ => 0,
            }
            + self.between.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Choice<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.before != 0 {
            head.put_scalar(self.before);
        }
        if let Some(ChoiceBody::Unsigned32(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Unsigned64(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Signed32(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Signed64(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Zigzag32(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Zigzag64(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::FixedUnsigned32(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::FixedUnsigned64(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::FixedSigned32(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::FixedSigned64(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Single(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Twice(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Flag(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Colour(value)) = self.body {
            head.put_scalar(value);
        }
        if !self.between.is_empty() {
            head.put(writer.bytes(self.between.as_bytes()));
        }
        if let Some(ChoiceBody::Text(value)) = self.body {
            head.put(writer.bytes(value.as_bytes()));
        }
        if let Some(ChoiceBody::Data(value)) = self.body {
            head.put(writer.bytes(value));
        }
        if let Some(ChoiceBody::Inner(value)) = &self.body {
            head.put(writer.message(value));
        }
        if let Some(ChoiceType::Yes(value)) = self.r#type {
            head.put_scalar(value);
        }
        if let Some(ChoiceType::SoMany(value)) = self.r#type {
            head.put_scalar(value);
        }
        if let Some(value) = self.after {
            head.put_scalar(value);
        }
        if let Some(ChoiceBody::Self_(value)) = &self.body {
            head.put(writer.message(value));
        }
    }
}

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ChoiceBody<'a> {
    /// Field 2.
    Unsigned32(u32),
    /// Field 3.
    Unsigned64(u64),
    /// Field 4.
    Signed32(i32),
    /// Field 5.
    Signed64(i64),
    /// Field 6.
    Zigzag32(i32),
    /// Field 7.
    Zigzag64(i64),
    /// With a comment of its own.
    FixedUnsigned32(u32),
    /// Field 9.
    FixedUnsigned64(u64),
    /// Field 10.
    FixedSigned32(i32),
    /// Field 11.
    FixedSigned64(i64),
    /// Field 12.
    Single(f32),
    /// Field 13.
    Twice(f64),
    /// Field 14.
    Flag(bool),
    /// Field 15.
    Colour(Colour),
    /// Field 17.
    Text(&'a str),
    /// Field 18.
    Data(&'a [u8]),
    /// Field 19.
    Inner(Inner<'a>),
    /// Field 70.
    Self_(Empty),
}

/// What [`ChoiceBody`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ChoiceBodyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 2.
    Unsigned32(u32),
    /// Field 3.
    Unsigned64(u64),
    /// Field 4.
    Signed32(i32),
    /// Field 5.
    Signed64(i64),
    /// Field 6.
    Zigzag32(i32),
    /// Field 7.
    Zigzag64(i64),
    /// With a comment of its own.
    FixedUnsigned32(u32),
    /// Field 9.
    FixedUnsigned64(u64),
    /// Field 10.
    FixedSigned32(i32),
    /// Field 11.
    FixedSigned64(i64),
    /// Field 12.
    Single(f32),
    /// Field 13.
    Twice(f64),
    /// Field 14.
    Flag(bool),
    /// Field 15.
    Colour(Colour),
    /// Field 17.
    Text(F::Text),
    /// Field 18.
    Data(F::Bytes),
    /// Field 19.
    Inner(InnerView<'a, F>),
    /// Field 70.
    Self_(EmptyView<'a, F>),
}

/// What `type` of [`Choice`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ChoiceType {
    /// Field 20.
    Yes(bool),
    /// Field 21.
    SoMany(i32),
}

/// What [`ChoiceType`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ChoiceTypeView {
    /// Field 20.
    Yes(bool),
    /// Field 21.
    SoMany(i32),
}

/// Reads the message [`Choice`] where it lies.
#[derive(Clone, Copy)]
pub struct ChoiceView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 2, F>,
}

impl<'a> ChoiceView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ChoiceView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ChoiceView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn before(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }

    /// What it is about.
    #[inline]
    pub fn body(&self) -> Result<Option<ChoiceBodyView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_scalar::<u32, 2>() {
            return Ok(Some(ChoiceBodyView::Unsigned32(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u64, 3>() {
            return Ok(Some(ChoiceBodyView::Unsigned64(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i32, 4>() {
            return Ok(Some(ChoiceBodyView::Signed32(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i64, 5>() {
            return Ok(Some(ChoiceBodyView::Signed64(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i32, 6>() {
            return Ok(Some(ChoiceBodyView::Zigzag32(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i64, 7>() {
            return Ok(Some(ChoiceBodyView::Zigzag64(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u32, 8>() {
            return Ok(Some(ChoiceBodyView::FixedUnsigned32(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u64, 9>() {
            return Ok(Some(ChoiceBodyView::FixedUnsigned64(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i32, 10>() {
            return Ok(Some(ChoiceBodyView::FixedSigned32(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i64, 11>() {
            return Ok(Some(ChoiceBodyView::FixedSigned64(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<f32, 12>() {
            return Ok(Some(ChoiceBodyView::Single(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<f64, 13>() {
            return Ok(Some(ChoiceBodyView::Twice(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<bool, 14>().transpose()? {
            return Ok(Some(ChoiceBodyView::Flag(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<Colour, 15>().transpose()? {
            return Ok(Some(ChoiceBodyView::Colour(value)));
        }
        if let Some(value) = self.reader.optional_string::<17>()? {
            return Ok(Some(ChoiceBodyView::Text(value)));
        }
        if let Some(value) = self.reader.optional_bytes::<18>()? {
            return Ok(Some(ChoiceBodyView::Data(value)));
        }
        if let Some(value) = self.reader.message::<InnerView<'a, F>, 19>()? {
            return Ok(Some(ChoiceBodyView::Inner(value)));
        }
        if let Some(value) = self.reader.message::<EmptyView<'a, F>, 70>()? {
            return Ok(Some(ChoiceBodyView::Self_(value)));
        }
        Ok(None)
    }

    /// Field 16.
    #[inline]
    pub fn between(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<16>()
    }

    /// The bytes of `between`, which may not be UTF-8.
    #[inline]
    pub fn between_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<16>()
    }

    /// One of `type`, or none.
    #[inline]
    pub fn r#type(&self) -> Result<Option<ChoiceTypeView>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_scalar::<bool, 20>().transpose()? {
            return Ok(Some(ChoiceTypeView::Yes(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<i32, 21>() {
            return Ok(Some(ChoiceTypeView::SoMany(value)));
        }
        Ok(None)
    }

    /// Field 22.
    #[inline]
    pub fn after(&self) -> Option<u32> {
        self.reader.optional_scalar::<u32, 22>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ChoiceView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ChoiceView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ChoiceView")
            .field("before", &self.before())
            .field("body", &self.body())
            .field("between", &self.between())
            .field("type", &self.r#type())
            .field("after", &self.after())
            .finish()
    }
}

impl ::crake_wire::MessageType for Choice<'_> {
    type Value<'a> = Choice<'a>;
    type View<'a> = ChoiceView<'a>;
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
    /// Field 6.
    pub maps: Option<Maps<'a>>,
    /// Field 7.
    pub choices: &'a [Choice<'a>],
    /// Field 8.
    pub tree: Option<Tree<'a>>,
    /// Field 9.
    pub known: Option<Known<'a>>,
    /// Field 10.
    pub shapes: Option<Shapes<'a>>,
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
            .with::<6>(self.maps.is_some())
            .with::<7>(!self.choices.is_empty())
            .with::<8>(self.tree.is_some())
            .with::<9>(self.known.is_some())
            .with::<10>(self.shapes.is_some())
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
            + self.maps.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.choices)
            + self.tree.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.known.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.shapes.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Every<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
        if let Some(value) = &self.maps {
            head.put(writer.message(value));
        }
        if !self.choices.is_empty() {
            head.put(writer.messages(self.choices));
        }
        if let Some(value) = &self.tree {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.known {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.shapes {
            head.put(writer.message(value));
        }
    }
}

/// Reads the message [`Every`] where it lies.
#[derive(Clone, Copy)]
pub struct EveryView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> EveryView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> EveryView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> EveryView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn one(&self) -> Result<Option<OneView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<OneView<'a, F>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn maybe(&self) -> Result<Option<MaybeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<MaybeView<'a, F>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn many(&self) -> Result<Option<ManyView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<ManyView<'a, F>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn sparse(&self) -> Result<Option<SparseView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<SparseView<'a, F>, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn empty(&self) -> Result<Option<EmptyView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<EmptyView<'a, F>, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn maps(&self) -> Result<Option<MapsView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<MapsView<'a, F>, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn choices(&self) -> Result<::crake_wire::List<'a, ChoiceView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<ChoiceView<'a, F>, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn tree(&self) -> Result<Option<TreeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<TreeView<'a, F>, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn known(&self) -> Result<Option<KnownView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<KnownView<'a, F>, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn shapes(&self) -> Result<Option<ShapesView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<ShapesView<'a, F>, 10>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for EveryView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for EveryView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("EveryView")
            .field("one", &self.one())
            .field("maybe", &self.maybe())
            .field("many", &self.many())
            .field("sparse", &self.sparse())
            .field("empty", &self.empty())
            .field("maps", &self.maps())
            .field("choices", &self.choices())
            .field("tree", &self.tree())
            .field("known", &self.known())
            .field("shapes", &self.shapes())
            .finish()
    }
}

impl ::crake_wire::MessageType for Every<'_> {
    type Value<'a> = Every<'a>;
    type View<'a> = EveryView<'a>;
}

/// What docs/wire.md shows.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Mesh<'a> {
    /// Field 1.
    pub name: &'a str,
    /// Field 2.
    pub points: &'a [Point],
}

impl Mesh<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.name.is_empty())
            .with::<2>(!self.points.is_empty())
    }
}

impl ::crake_wire::Encode for Mesh<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.name.len()
            + ::crake_wire::fixed_bytes(self.points)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Mesh<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.name.is_empty() {
            head.put(writer.bytes(self.name.as_bytes()));
        }
        if !self.points.is_empty() {
            head.put(writer.fixed_list(self.points));
        }
    }
}

/// Reads the message [`Mesh`] where it lies.
#[derive(Clone, Copy)]
pub struct MeshView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> MeshView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> MeshView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> MeshView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn name(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `name`, which may not be UTF-8.
    #[inline]
    pub fn name_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }

    /// Field 2.
    #[inline]
    pub fn points(&self) -> Result<::crake_wire::List<'a, Point, F>, ::crake_wire::WireError> {
        self.reader.list::<Point, 2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for MeshView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for MeshView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("MeshView")
            .field("name", &self.name())
            .field("points", &self.points())
            .finish()
    }
}

impl ::crake_wire::MessageType for Mesh<'_> {
    type Value<'a> = Mesh<'a>;
    type View<'a> = MeshView<'a>;
}

/// Fixed messages under every label.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Shapes<'a> {
    /// Field 1.
    pub point: Option<Point>,
    /// Field 2.
    pub maybe: Option<Point>,
    /// Field 3.
    pub points: &'a [Point],
    /// Field 4.
    pub named: &'a [(&'a str, Point)],
    /// One of `which`, or none.
    pub which: Option<ShapesWhich>,
    /// Field 8.
    pub numbers: Option<Numbers>,
    /// Field 9.
    pub many: &'a [Numbers],
    /// Field 10.
    pub by_number: &'a [(u32, Numbers)],
}

impl Shapes<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.point.is_some())
            .with::<2>(self.maybe.is_some())
            .with::<3>(!self.points.is_empty())
            .with::<4>(!self.named.is_empty())
            .with::<5>(matches!(self.which, Some(ShapesWhich::One(_))))
            .with::<6>(matches!(self.which, Some(ShapesWhich::Other(_))))
            .with::<7>(matches!(self.which, Some(ShapesWhich::Neither(_))))
            .with::<8>(self.numbers.is_some())
            .with::<9>(!self.many.is_empty())
            .with::<10>(!self.by_number.is_empty())
    }
}

impl ::crake_wire::Encode for Shapes<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + ::crake_wire::fixed_bytes(self.point.as_slice())
            + ::crake_wire::fixed_bytes(self.maybe.as_slice())
            + ::crake_wire::fixed_bytes(self.points)
            + ::crake_wire::map_bytes(self.named, |value| value.len(), |value| ::crake_wire::fixed_bytes(::core::slice::from_ref(value)))
            + match &self.which {
                Some(ShapesWhich::One(value)) => ::crake_wire::fixed_bytes(::core::slice::from_ref(value)),
                Some(ShapesWhich::Other(value)) => ::crake_wire::fixed_bytes(::core::slice::from_ref(value)),
                _ => 0,
            }
            + ::crake_wire::fixed_bytes(self.numbers.as_slice())
            + ::crake_wire::fixed_bytes(self.many)
            + ::crake_wire::map_bytes(self.by_number, |_| 0, |value| ::crake_wire::fixed_bytes(::core::slice::from_ref(value)))
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Shapes<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.point {
            head.put(writer.fixed(value));
        }
        if let Some(value) = &self.maybe {
            head.put(writer.fixed(value));
        }
        if !self.points.is_empty() {
            head.put(writer.fixed_list(self.points));
        }
        if !self.named.is_empty() {
            head.put(writer.map(self.named, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.fixed(value)));
        }
        if let Some(ShapesWhich::One(value)) = &self.which {
            head.put(writer.fixed(value));
        }
        if let Some(ShapesWhich::Other(value)) = &self.which {
            head.put(writer.fixed(value));
        }
        if let Some(ShapesWhich::Neither(value)) = self.which {
            head.put_scalar(value);
        }
        if let Some(value) = &self.numbers {
            head.put(writer.fixed(value));
        }
        if !self.many.is_empty() {
            head.put(writer.fixed_list(self.many));
        }
        if !self.by_number.is_empty() {
            head.put(writer.map(self.by_number, |_, value| ::crake_wire::Scalar::to_slot(*value), |writer, value| writer.fixed(value)));
        }
    }
}

/// What `which` of [`Shapes`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ShapesWhich {
    /// Field 5.
    One(Point),
    /// Field 6.
    Other(Numbers),
    /// Field 7.
    Neither(u32),
}

/// What [`ShapesWhich`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ShapesWhichView {
    /// Field 5.
    One(Point),
    /// Field 6.
    Other(Numbers),
    /// Field 7.
    Neither(u32),
}

/// Reads the message [`Shapes`] where it lies.
#[derive(Clone, Copy)]
pub struct ShapesView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> ShapesView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ShapesView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ShapesView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn point(&self) -> Result<Option<Point>, ::crake_wire::WireError> {
        self.reader.fixed::<Point, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn maybe(&self) -> Result<Option<Point>, ::crake_wire::WireError> {
        self.reader.fixed::<Point, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn points(&self) -> Result<::crake_wire::List<'a, Point, F>, ::crake_wire::WireError> {
        self.reader.list::<Point, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn named(&self) -> Result<::crake_wire::Map<'a, F::Text, Point, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, Point, 4>()
    }

    /// One of `which`, or none.
    #[inline]
    pub fn which(&self) -> Result<Option<ShapesWhichView>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.fixed::<Point, 5>()? {
            return Ok(Some(ShapesWhichView::One(value)));
        }
        if let Some(value) = self.reader.fixed::<Numbers, 6>()? {
            return Ok(Some(ShapesWhichView::Other(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u32, 7>() {
            return Ok(Some(ShapesWhichView::Neither(value)));
        }
        Ok(None)
    }

    /// Field 8.
    #[inline]
    pub fn numbers(&self) -> Result<Option<Numbers>, ::crake_wire::WireError> {
        self.reader.fixed::<Numbers, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn many(&self) -> Result<::crake_wire::List<'a, Numbers, F>, ::crake_wire::WireError> {
        self.reader.list::<Numbers, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn by_number(&self) -> Result<::crake_wire::Map<'a, u32, Numbers, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, Numbers, 10>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ShapesView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ShapesView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ShapesView")
            .field("point", &self.point())
            .field("maybe", &self.maybe())
            .field("points", &self.points())
            .field("named", &self.named())
            .field("which", &self.which())
            .field("numbers", &self.numbers())
            .field("many", &self.many())
            .field("by_number", &self.by_number())
            .finish()
    }
}

impl ::crake_wire::MessageType for Shapes<'_> {
    type Value<'a> = Shapes<'a>;
    type View<'a> = ShapesView<'a>;
}

/// Types of Protobuf's own files, which need no setting.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Known<'a> {
    /// Field 1.
    pub at: Option<::crake_wire::well_known::Timestamp>,
    /// Field 2.
    pub took: &'a [::crake_wire::well_known::Duration],
    /// Field 3.
    pub any: Option<::crake_wire::well_known::Any<'a>>,
    /// Field 4.
    pub values: &'a [(&'a str, ::crake_wire::well_known::Value<'a>)],
    /// One of `which`, or none.
    pub which: Option<KnownWhich<'a>>,
    /// Field 8.
    pub mask: Option<::crake_wire::well_known::FieldMask<'a>>,
    /// Field 9.
    pub text: Option<::crake_wire::well_known::StringValue<'a>>,
    /// Field 10.
    pub numbers: &'a [::crake_wire::well_known::Int64Value],
}

impl Known<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.at.is_some())
            .with::<2>(!self.took.is_empty())
            .with::<3>(self.any.is_some())
            .with::<4>(!self.values.is_empty())
            .with::<5>(matches!(self.which, Some(KnownWhich::Object(_))))
            .with::<6>(matches!(self.which, Some(KnownWhich::Nothing(_))))
            .with::<7>(matches!(self.which, Some(KnownWhich::Empty(_))))
            .with::<8>(self.mask.is_some())
            .with::<9>(self.text.is_some())
            .with::<10>(!self.numbers.is_empty())
    }
}

impl ::crake_wire::Encode for Known<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.at.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.took)
            + self.any.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::map_bytes(self.values, |value| value.len(), ::crake_wire::Encode::encoded_len)
            + match &self.which {
                Some(KnownWhich::Object(value)) => ::crake_wire::Encode::encoded_len(value),
                Some(KnownWhich::Empty(value)) => ::crake_wire::Encode::encoded_len(value),
                _ => 0,
            }
            + self.mask.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.text.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.numbers)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Known<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.at {
            head.put(writer.message(value));
        }
        if !self.took.is_empty() {
            head.put(writer.messages(self.took));
        }
        if let Some(value) = &self.any {
            head.put(writer.message(value));
        }
        if !self.values.is_empty() {
            head.put(writer.map(self.values, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message(value)));
        }
        if let Some(KnownWhich::Object(value)) = &self.which {
            head.put(writer.message(value));
        }
        if let Some(KnownWhich::Nothing(value)) = self.which {
            head.put_scalar(value);
        }
        if let Some(KnownWhich::Empty(value)) = &self.which {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.mask {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.text {
            head.put(writer.message(value));
        }
        if !self.numbers.is_empty() {
            head.put(writer.messages(self.numbers));
        }
    }
}

/// What `which` of [`Known`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum KnownWhich<'a> {
    /// Field 5.
    Object(::crake_wire::well_known::Struct<'a>),
    /// Field 6.
    Nothing(::crake_wire::well_known::NullValue),
    /// Field 7.
    Empty(::crake_wire::well_known::Empty),
}

/// What [`KnownWhich`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum KnownWhichView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 5.
    Object(::crake_wire::well_known::StructView<'a, F>),
    /// Field 6.
    Nothing(::crake_wire::well_known::NullValue),
    /// Field 7.
    Empty(::crake_wire::well_known::EmptyView<'a, F>),
}

/// Reads the message [`Known`] where it lies.
#[derive(Clone, Copy)]
pub struct KnownView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> KnownView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> KnownView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> KnownView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn at(&self) -> Result<Option<::crake_wire::well_known::TimestampView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<::crake_wire::well_known::TimestampView<'a, F>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn took(&self) -> Result<::crake_wire::List<'a, ::crake_wire::well_known::DurationView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<::crake_wire::well_known::DurationView<'a, F>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn any(&self) -> Result<Option<::crake_wire::well_known::AnyView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<::crake_wire::well_known::AnyView<'a, F>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn values(&self) -> Result<::crake_wire::Map<'a, F::Text, ::crake_wire::well_known::ValueView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, ::crake_wire::well_known::ValueView<'a, F>, 4>()
    }

    /// One of `which`, or none.
    #[inline]
    pub fn which(&self) -> Result<Option<KnownWhichView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.message::<::crake_wire::well_known::StructView<'a, F>, 5>()? {
            return Ok(Some(KnownWhichView::Object(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<::crake_wire::well_known::NullValue, 6>().transpose()? {
            return Ok(Some(KnownWhichView::Nothing(value)));
        }
        if let Some(value) = self.reader.message::<::crake_wire::well_known::EmptyView<'a, F>, 7>()? {
            return Ok(Some(KnownWhichView::Empty(value)));
        }
        Ok(None)
    }

    /// Field 8.
    #[inline]
    pub fn mask(&self) -> Result<Option<::crake_wire::well_known::FieldMaskView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<::crake_wire::well_known::FieldMaskView<'a, F>, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn text(&self) -> Result<Option<::crake_wire::well_known::StringValueView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<::crake_wire::well_known::StringValueView<'a, F>, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn numbers(&self) -> Result<::crake_wire::List<'a, ::crake_wire::well_known::Int64ValueView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<::crake_wire::well_known::Int64ValueView<'a, F>, 10>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for KnownView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for KnownView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("KnownView")
            .field("at", &self.at())
            .field("took", &self.took())
            .field("any", &self.any())
            .field("values", &self.values())
            .field("which", &self.which())
            .field("mask", &self.mask())
            .field("text", &self.text())
            .field("numbers", &self.numbers())
            .finish()
    }
}

impl ::crake_wire::MessageType for Known<'_> {
    type Value<'a> = Known<'a>;
    type View<'a> = KnownView<'a>;
}

/// A message that contains itself in every way.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Tree<'a> {
    /// Field 1.
    pub name: &'a str,
    /// Field 2.
    pub first: Option<&'a Tree<'a>>,
    /// Field 3.
    pub children: &'a [Tree<'a>],
    /// Field 4.
    pub named: &'a [(&'a str, Tree<'a>)],
    /// One of `next`, or none.
    pub next: Option<TreeNext<'a>>,
    /// Field 8.
    pub numbers: &'a [u32],
    /// Field 9.
    pub labels: &'a [&'a str],
    /// Field 10.
    pub data: &'a [u8],
    /// Field 11.
    pub inner: Option<Inner<'a>>,
    /// Field 12.
    pub parts: &'a [(u32, &'a [u8])],
    /// Field 13.
    pub flags: &'a [bool],
    /// Field 14.
    pub id: u64,
    /// Field 15.
    pub place: Option<Point>,
    /// Field 16.
    pub outline: &'a [Point],
    /// Field 17.
    pub corners: &'a [(u32, Point)],
}

impl Tree<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.name.is_empty())
            .with::<2>(self.first.is_some())
            .with::<3>(!self.children.is_empty())
            .with::<4>(!self.named.is_empty())
            .with::<5>(matches!(self.next, Some(TreeNext::Left(_))))
            .with::<6>(matches!(self.next, Some(TreeNext::Branch(_))))
            .with::<7>(matches!(self.next, Some(TreeNext::Leaf(_))))
            .with::<8>(!self.numbers.is_empty())
            .with::<9>(!self.labels.is_empty())
            .with::<10>(!self.data.is_empty())
            .with::<11>(self.inner.is_some())
            .with::<12>(!self.parts.is_empty())
            .with::<13>(!self.flags.is_empty())
            .with::<14>(self.id != 0)
            .with::<15>(self.place.is_some())
            .with::<16>(!self.outline.is_empty())
            .with::<17>(!self.corners.is_empty())
    }
}

impl Tree<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + self.name.len()
            + self.first.map_or(0, |value| value.len_at(::crake_wire::below(depth)))
            + ::crake_wire::table_bytes(self.children, |value| value.len_at(::crake_wire::below(depth)))
            + ::crake_wire::map_bytes(self.named, |value| value.len(), |value| value.len_at(::crake_wire::below(depth)))
            + match &self.next {
                Some(TreeNext::Left(value)) => value.len_at(::crake_wire::below(depth)),
                Some(TreeNext::Branch(value)) => value.len_at(::crake_wire::below(depth)),
                _ => 0,
            }
            + ::crake_wire::scalars_bytes(self.numbers)
            + ::crake_wire::blobs_bytes(self.labels)
            + self.data.len()
            + self.inner.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::map_bytes(self.parts, |_| 0, |value| value.len())
            + ::crake_wire::scalars_bytes(self.flags)
            + ::crake_wire::fixed_bytes(self.place.as_slice())
            + ::crake_wire::fixed_bytes(self.outline)
            + ::crake_wire::map_bytes(self.corners, |_| 0, |value| ::crake_wire::fixed_bytes(::core::slice::from_ref(value)))
    }
}

impl ::crake_wire::Encode for Tree<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Tree<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if !self.name.is_empty() {
            head.put(writer.bytes(self.name.as_bytes()));
        }
        if let Some(value) = &self.first {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if !self.children.is_empty() {
            head.put(writer.table(self.children, |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
        if !self.named.is_empty() {
            head.put(writer.map(self.named, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
        if let Some(TreeNext::Left(value)) = &self.next {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if let Some(TreeNext::Branch(value)) = &self.next {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if let Some(TreeNext::Leaf(value)) = self.next {
            head.put_scalar(value);
        }
        if !self.numbers.is_empty() {
            head.put(writer.scalars(self.numbers));
        }
        if !self.labels.is_empty() {
            head.put(writer.blobs(self.labels));
        }
        if !self.data.is_empty() {
            head.put(writer.bytes(self.data));
        }
        if let Some(value) = &self.inner {
            head.put(writer.message(value));
        }
        if !self.parts.is_empty() {
            head.put(writer.map(self.parts, |_, value| ::crake_wire::Scalar::to_slot(*value), |writer, value| writer.blob_in_entry(value)));
        }
        if !self.flags.is_empty() {
            head.put(writer.scalars(self.flags));
        }
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if let Some(value) = &self.place {
            head.put(writer.fixed(value));
        }
        if !self.outline.is_empty() {
            head.put(writer.fixed_list(self.outline));
        }
        if !self.corners.is_empty() {
            head.put(writer.map(self.corners, |_, value| ::crake_wire::Scalar::to_slot(*value), |writer, value| writer.fixed(value)));
        }
    }
}

impl ::crake_wire::Message for Tree<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// What `next` of [`Tree`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum TreeNext<'a> {
    /// Field 5.
    Left(&'a Tree<'a>),
    /// Field 6.
    Branch(&'a Branch<'a>),
    /// Field 7.
    Leaf(u32),
}

/// What [`TreeNext`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum TreeNextView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 5.
    Left(TreeView<'a, F>),
    /// Field 6.
    Branch(BranchView<'a, F>),
    /// Field 7.
    Leaf(u32),
}

/// Reads the message [`Tree`] where it lies.
#[derive(Clone, Copy)]
pub struct TreeView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> TreeView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> TreeView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> TreeView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Packed(1)),
        (2, ::crake_wire::Shape::Packed(1)),
        (3, ::crake_wire::Shape::Table),
        (4, ::crake_wire::Shape::Map { key: true, value: true }),
        (5, ::crake_wire::Shape::Packed(1)),
        (6, ::crake_wire::Shape::Packed(1)),
        (8, ::crake_wire::Shape::Packed(4)),
        (9, ::crake_wire::Shape::Table),
        (10, ::crake_wire::Shape::Packed(1)),
        (11, ::crake_wire::Shape::Packed(1)),
        (12, ::crake_wire::Shape::Map { key: false, value: true }),
        (13, ::crake_wire::Shape::Packed(1)),
        (15, ::crake_wire::Shape::Packed(1)),
        (16, ::crake_wire::Shape::Packed(12)),
        (17, ::crake_wire::Shape::Map { key: false, value: true }),
    ];

    /// Field 1.
    #[inline]
    pub fn name(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `name`, which may not be UTF-8.
    #[inline]
    pub fn name_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }

    /// Field 2.
    #[inline]
    pub fn first(&self) -> Result<Option<TreeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested::<TreeView<'a, F>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn children(&self) -> Result<::crake_wire::NestedList<'a, TreeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested_list::<TreeView<'a, F>, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn named(&self) -> Result<::crake_wire::Map<'a, F::Text, TreeView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.nested_map::<F::Text, TreeView<'a, F>, 4>()
    }

    /// One of `next`, or none.
    #[inline]
    pub fn next(&self) -> Result<Option<TreeNextView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.nested::<TreeView<'a, F>, 5>()? {
            return Ok(Some(TreeNextView::Left(value)));
        }
        if let Some(value) = self.reader.nested::<BranchView<'a, F>, 6>()? {
            return Ok(Some(TreeNextView::Branch(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u32, 7>() {
            return Ok(Some(TreeNextView::Leaf(value)));
        }
        Ok(None)
    }

    /// Field 8.
    #[inline]
    pub fn numbers(&self) -> Result<::crake_wire::List<'a, u32, F>, ::crake_wire::WireError> {
        self.reader.list::<u32, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn labels(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn data(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<10>()
    }

    /// Field 11.
    #[inline]
    pub fn inner(&self) -> Result<Option<InnerView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<InnerView<'a, F>, 11>()
    }

    /// Field 12.
    #[inline]
    pub fn parts(&self) -> Result<::crake_wire::Map<'a, u32, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, F::Bytes, 12>()
    }

    /// Field 13.
    #[inline]
    pub fn flags(&self) -> Result<::crake_wire::List<'a, bool, F>, ::crake_wire::WireError> {
        self.reader.list::<bool, 13>()
    }

    /// Field 14.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 14>()
    }

    /// Field 15.
    #[inline]
    pub fn place(&self) -> Result<Option<Point>, ::crake_wire::WireError> {
        self.reader.fixed::<Point, 15>()
    }

    /// Field 16.
    #[inline]
    pub fn outline(&self) -> Result<::crake_wire::List<'a, Point, F>, ::crake_wire::WireError> {
        self.reader.list::<Point, 16>()
    }

    /// Field 17.
    #[inline]
    pub fn corners(&self) -> Result<::crake_wire::Map<'a, u32, Point, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, Point, 17>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for TreeView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::StrictReader::parse(frame, Self::POINTERS)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::View>::nested_at(frame, pointer, 0)
    }

    #[inline]
    fn nested_at(frame: F, pointer: u64, depth: u32) -> Result<Self, ::crake_wire::WireError> {
        let reader = ::crake_wire::StrictReader::nested_at(frame, pointer, depth, Self::POINTERS)?;
        Ok(Self { reader })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for TreeView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("TreeView")
            .field("name", &self.name())
            .field("first", &self.first())
            .field("children", &self.children())
            .field("named", &self.named())
            .field("next", &self.next())
            .field("numbers", &self.numbers())
            .field("labels", &self.labels())
            .field("data", &self.data())
            .field("inner", &self.inner())
            .field("parts", &self.parts())
            .field("flags", &self.flags())
            .field("id", &self.id())
            .field("place", &self.place())
            .field("outline", &self.outline())
            .field("corners", &self.corners())
            .finish()
    }
}

impl ::crake_wire::MessageType for Tree<'_> {
    type Value<'a> = Tree<'a>;
    type View<'a> = TreeView<'a>;
}

/// A message that contains itself by another, and messages of another circle.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Branch<'a> {
    /// Field 1.
    pub tree: Option<&'a Tree<'a>>,
    /// Field 2.
    pub other: Option<&'a Branch<'a>>,
    /// Field 3.
    pub colours: &'a [(u32, Colour)],
    /// Field 4.
    pub values: &'a [(&'a str, ::crake_wire::well_known::Value<'a>)],
    /// Field 5.
    pub lists: &'a [::crake_wire::well_known::ListValue<'a>],
    /// Field 6.
    pub object: Option<::crake_wire::well_known::Struct<'a>>,
}

impl Branch<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.tree.is_some())
            .with::<2>(self.other.is_some())
            .with::<3>(!self.colours.is_empty())
            .with::<4>(!self.values.is_empty())
            .with::<5>(!self.lists.is_empty())
            .with::<6>(self.object.is_some())
    }
}

impl Branch<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + self.tree.map_or(0, |value| value.len_at(::crake_wire::below(depth)))
            + self.other.map_or(0, |value| value.len_at(::crake_wire::below(depth)))
            + ::crake_wire::map_bytes(self.colours, |_| 0, |_| 0)
            + ::crake_wire::map_bytes(self.values, |value| value.len(), ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.lists)
            + self.object.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
    }
}

impl ::crake_wire::Encode for Branch<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Branch<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.tree {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if let Some(value) = &self.other {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if !self.colours.is_empty() {
            head.put(writer.map(self.colours, |_, value| ::crake_wire::Scalar::to_slot(*value), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if !self.values.is_empty() {
            head.put(writer.map(self.values, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message(value)));
        }
        if !self.lists.is_empty() {
            head.put(writer.messages(self.lists));
        }
        if let Some(value) = &self.object {
            head.put(writer.message(value));
        }
    }
}

impl ::crake_wire::Message for Branch<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// Reads the message [`Branch`] where it lies.
#[derive(Clone, Copy)]
pub struct BranchView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> BranchView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> BranchView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> BranchView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Packed(1)),
        (2, ::crake_wire::Shape::Packed(1)),
        (3, ::crake_wire::Shape::Map { key: false, value: false }),
        (4, ::crake_wire::Shape::Map { key: true, value: true }),
        (5, ::crake_wire::Shape::Table),
        (6, ::crake_wire::Shape::Packed(1)),
    ];

    /// Field 1.
    #[inline]
    pub fn tree(&self) -> Result<Option<TreeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested::<TreeView<'a, F>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn other(&self) -> Result<Option<BranchView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested::<BranchView<'a, F>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn colours(&self) -> Result<::crake_wire::Map<'a, u32, Colour, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, Colour, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn values(&self) -> Result<::crake_wire::Map<'a, F::Text, ::crake_wire::well_known::ValueView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, ::crake_wire::well_known::ValueView<'a, F>, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn lists(&self) -> Result<::crake_wire::List<'a, ::crake_wire::well_known::ListValueView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<::crake_wire::well_known::ListValueView<'a, F>, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn object(&self) -> Result<Option<::crake_wire::well_known::StructView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<::crake_wire::well_known::StructView<'a, F>, 6>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for BranchView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::StrictReader::parse(frame, Self::POINTERS)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::View>::nested_at(frame, pointer, 0)
    }

    #[inline]
    fn nested_at(frame: F, pointer: u64, depth: u32) -> Result<Self, ::crake_wire::WireError> {
        let reader = ::crake_wire::StrictReader::nested_at(frame, pointer, depth, Self::POINTERS)?;
        Ok(Self { reader })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for BranchView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BranchView")
            .field("tree", &self.tree())
            .field("other", &self.other())
            .field("colours", &self.colours())
            .field("values", &self.values())
            .field("lists", &self.lists())
            .field("object", &self.object())
            .finish()
    }
}

impl ::crake_wire::MessageType for Branch<'_> {
    type Value<'a> = Branch<'a>;
    type View<'a> = BranchView<'a>;
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
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
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
pub struct NamesView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> NamesView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> NamesView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> NamesView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for NamesView<'a, F> {
    type Frame = F;

    #[inline]
    fn parse(frame: F) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::parse(frame)? })
    }

    #[inline]
    fn nested(frame: F, pointer: u64) -> Result<Self, ::crake_wire::WireError> {
        Ok(Self { reader: ::crake_wire::Reader::nested(frame, pointer)? })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<NamesView<'a, F>> for Names {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: NamesView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            r#type: fields.scalar::<u32, 0, 1>(),
            self_: fields.scalar::<u32, 1, 2>(),
            parse_: fields.scalar::<u32, 2, 3>(),
            camel_case: fields.scalar::<u32, 3, 4>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for NamesView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("NamesView")
            .field("type", &self.r#type())
            .field("self_", &self.self_())
            .field("parse_", &self.parse_())
            .field("camel_case", &self.camel_case())
            .finish()
    }
}

impl ::crake_wire::MessageType for Names {
    type Value<'a> = Names;
    type View<'a> = NamesView<'a>;
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

    /// [`Empty`](::crake_wire::well_known::Empty) to [`Timestamp`](::crake_wire::well_known::Timestamp).
    pub const WHAT_TIME: u16 = 3;

    /// What a method is called, for people; `unknown` when there is none of this number.
    #[must_use]
    pub const fn name(method: u16) -> &'static str {
        match method {
            ECHO => "Echo",
            DO_NOTHING => "DoNothing",
            WHAT_TIME => "WhatTime",
            _ => "unknown",
        }
    }
}
