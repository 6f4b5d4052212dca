// Compiled by crake-wire-gen from old.proto. Do not edit.

/// The enum `State`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum State {
    /// Value 0.
    #[default]
    New = 0,
    /// Value 1.
    Open = 1,
}

impl TryFrom<i32> for State {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::New),
            1 => Ok(Self::Open),
            _ => Err(::crake_wire::WireError::UnknownEnum(number)),
        }
    }
}

impl ::crake_wire::Scalar for State {
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

impl<F> ::crake_wire::Element<'_, F> for State {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: F, raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

impl<F> ::crake_wire::InEntry<'_, F> for State {
    #[inline]
    fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::Scalar>::from_slot(slot)
    }
}

/// The message `Record`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Record<'a> {
    /// Field 2.
    pub id: u64,
    /// Field 3.
    pub size: u32,
    /// Field 5.
    pub owner: &'a str,
    /// Field 7.
    pub state: State,
    /// Field 8.
    pub parts: &'a [Part<'a>],
    /// Field 9.
    pub tail: &'a [u8],
    /// Field 10.
    pub code: Option<u32>,
    /// Field 11.
    pub reason: Option<&'a str>,
    /// Field 12.
    pub index: &'a [(&'a str, Part<'a>)],
}

impl Record<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<2>(self.id != 0)
            .with::<3>(self.size != 0)
            .with::<5>(!self.owner.is_empty())
            .with::<7>(self.state as i32 != 0)
            .with::<8>(!self.parts.is_empty())
            .with::<9>(!self.tail.is_empty())
            .with::<10>(self.code.is_some())
            .with::<11>(self.reason.is_some())
            .with::<12>(!self.index.is_empty())
    }
}

impl ::crake_wire::Encode for Record<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.owner.len()
            + ::crake_wire::messages_bytes(self.parts)
            + self.tail.len()
            + self.reason.map_or(0, str::len)
            + ::crake_wire::map_bytes(self.index, |value| value.len(), ::crake_wire::Encode::encoded_len)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Record<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if self.size != 0 {
            head.put_scalar(self.size);
        }
        if !self.owner.is_empty() {
            head.put(writer.bytes(self.owner.as_bytes()));
        }
        if self.state as i32 != 0 {
            head.put_scalar(self.state);
        }
        if !self.parts.is_empty() {
            head.put(writer.messages(self.parts));
        }
        if !self.tail.is_empty() {
            head.put(writer.bytes(self.tail));
        }
        if let Some(value) = self.code {
            head.put_scalar(value);
        }
        if let Some(value) = self.reason {
            head.put(writer.bytes(value.as_bytes()));
        }
        if !self.index.is_empty() {
            head.put(writer.map(self.index, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message(value)));
        }
    }
}

/// Reads the message [`Record`] where it lies.
#[derive(Clone, Copy)]
pub struct RecordView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> RecordView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> RecordView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> RecordView<'a, F> {
    /// Field 2.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn size(&self) -> u32 {
        self.reader.scalar::<u32, 3>()
    }

    /// Field 5.
    #[inline]
    pub fn owner(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<5>()
    }

    /// The bytes of `owner`, which may not be UTF-8.
    #[inline]
    pub fn owner_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<5>()
    }

    /// Field 7.
    #[inline]
    pub fn state(&self) -> Result<State, ::crake_wire::WireError> {
        self.reader.scalar::<State, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn parts(&self) -> Result<::crake_wire::List<'a, PartView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<PartView<'a, F>, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn tail(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<9>()
    }

    /// Field 10.
    #[inline]
    pub fn code(&self) -> Option<u32> {
        self.reader.optional_scalar::<u32, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn reason(&self) -> Result<Option<F::Text>, ::crake_wire::WireError> {
        self.reader.optional_string::<11>()
    }

    /// The bytes of `reason`, which may not be UTF-8.
    #[inline]
    pub fn reason_bytes(&self) -> Result<Option<F::Bytes>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<11>()
    }

    /// Field 12.
    #[inline]
    pub fn index(&self) -> Result<::crake_wire::Map<'a, F::Text, PartView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, PartView<'a, F>, 12>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for RecordView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for RecordView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("RecordView")
            .field("id", &self.id())
            .field("size", &self.size())
            .field("owner", &self.owner())
            .field("state", &self.state())
            .field("parts", &self.parts())
            .field("tail", &self.tail())
            .field("code", &self.code())
            .field("reason", &self.reason())
            .field("index", &self.index())
            .finish()
    }
}

impl ::crake_wire::MessageType for Record<'_> {
    type Value<'a> = Record<'a>;
    type View<'a> = RecordView<'a>;
}

/// The message `Part`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Part<'a> {
    /// Field 2.
    pub name: &'a str,
}

impl Part<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<2>(!self.name.is_empty())
    }
}

impl ::crake_wire::Encode for Part<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.name.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Part<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.name.is_empty() {
            head.put(writer.bytes(self.name.as_bytes()));
        }
    }
}

/// Reads the message [`Part`] where it lies.
#[derive(Clone, Copy)]
pub struct PartView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> PartView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> PartView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> PartView<'a, F> {
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
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for PartView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for PartView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PartView")
            .field("name", &self.name())
            .finish()
    }
}

impl ::crake_wire::MessageType for Part<'_> {
    type Value<'a> = Part<'a>;
    type View<'a> = PartView<'a>;
}
