// Compiled by crake-wire-gen from new.proto. Do not edit.

/// The enum `State`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum State {
    /// Value 0.
    #[default]
    New = 0,
    /// Value 1.
    Open = 1,
    /// Value 2.
    Sealed = 2,
}

impl TryFrom<i32> for State {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::New),
            1 => Ok(Self::Open),
            2 => Ok(Self::Sealed),
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
    /// Field 1.
    pub kind: &'a str,
    /// Field 2.
    pub id: u64,
    /// Field 3.
    pub size: u64,
    /// Field 4.
    pub marks: &'a [u64],
    /// Field 7.
    pub state: State,
    /// Field 8.
    pub parts: &'a [Part<'a>],
    /// Field 9.
    pub tail: &'a [u8],
    /// One of `end`, or none.
    pub end: Option<RecordEnd<'a>>,
    /// Field 12.
    pub index: &'a [(&'a str, Part<'a>)],
    /// Field 64.
    pub main: Option<Part<'a>>,
    /// Field 200.
    pub note: &'a str,
}

impl Record<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<4> {
        ::crake_wire::Present::none()
            .with::<1>(!self.kind.is_empty())
            .with::<2>(self.id != 0)
            .with::<3>(self.size != 0)
            .with::<4>(!self.marks.is_empty())
            .with::<7>(self.state as i32 != 0)
            .with::<8>(!self.parts.is_empty())
            .with::<9>(!self.tail.is_empty())
            .with::<10>(matches!(self.end, Some(RecordEnd::Code(_))))
            .with::<11>(matches!(self.end, Some(RecordEnd::Reason(_))))
            .with::<12>(!self.index.is_empty())
            .with::<13>(matches!(self.end, Some(RecordEnd::Lost(_))))
            .with::<64>(self.main.is_some())
            .with::<200>(!self.note.is_empty())
    }
}

impl ::crake_wire::Encode for Record<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.kind.len()
            + ::crake_wire::scalars_bytes(self.marks)
            + ::crake_wire::messages_bytes(self.parts)
            + self.tail.len()
            + match &self.end {
                Some(RecordEnd::Reason(value)) => value.len(),
                _ => 0,
            }
            + ::crake_wire::map_bytes(self.index, |value| value.len(), ::crake_wire::Encode::encoded_len)
            + self.main.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + self.note.len()
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
        if !self.kind.is_empty() {
            head.put(writer.bytes(self.kind.as_bytes()));
        }
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if self.size != 0 {
            head.put_scalar(self.size);
        }
        if !self.marks.is_empty() {
            head.put(writer.scalars(self.marks));
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
        if let Some(RecordEnd::Code(value)) = self.end {
            head.put_scalar(value);
        }
        if let Some(RecordEnd::Reason(value)) = self.end {
            head.put(writer.bytes(value.as_bytes()));
        }
        if !self.index.is_empty() {
            head.put(writer.map(self.index, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message(value)));
        }
        if let Some(RecordEnd::Lost(value)) = self.end {
            head.put_scalar(value);
        }
        if let Some(value) = &self.main {
            head.put(writer.message(value));
        }
        if !self.note.is_empty() {
            head.put(writer.bytes(self.note.as_bytes()));
        }
    }
}

/// What `end` of [`Record`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum RecordEnd<'a> {
    /// Field 10.
    Code(u32),
    /// Field 11.
    Reason(&'a str),
    /// Field 13.
    Lost(bool),
}

/// What [`RecordEnd`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum RecordEndView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 10.
    Code(u32),
    /// Field 11.
    Reason(F::Text),
    /// Field 13.
    Lost(bool),
}

/// Reads the message [`Record`] where it lies.
#[derive(Clone, Copy)]
pub struct RecordView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 4, F>,
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
    /// Field 1.
    #[inline]
    pub fn kind(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `kind`, which may not be UTF-8.
    #[inline]
    pub fn kind_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }

    /// Field 2.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn size(&self) -> u64 {
        self.reader.scalar::<u64, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn marks(&self) -> Result<::crake_wire::List<'a, u64, F>, ::crake_wire::WireError> {
        self.reader.list::<u64, 4>()
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

    /// One of `end`, or none.
    #[inline]
    pub fn end(&self) -> Result<Option<RecordEndView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_scalar::<u32, 10>() {
            return Ok(Some(RecordEndView::Code(value)));
        }
        if let Some(value) = self.reader.optional_string::<11>()? {
            return Ok(Some(RecordEndView::Reason(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<bool, 13>().transpose()? {
            return Ok(Some(RecordEndView::Lost(value)));
        }
        Ok(None)
    }

    /// Field 12.
    #[inline]
    pub fn index(&self) -> Result<::crake_wire::Map<'a, F::Text, PartView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, PartView<'a, F>, 12>()
    }

    /// Field 64.
    #[inline]
    pub fn main(&self) -> Result<Option<PartView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<PartView<'a, F>, 64>()
    }

    /// Field 200.
    #[inline]
    pub fn note(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<200>()
    }

    /// The bytes of `note`, which may not be UTF-8.
    #[inline]
    pub fn note_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<200>()
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
            .field("kind", &self.kind())
            .field("id", &self.id())
            .field("size", &self.size())
            .field("marks", &self.marks())
            .field("state", &self.state())
            .field("parts", &self.parts())
            .field("tail", &self.tail())
            .field("end", &self.end())
            .field("index", &self.index())
            .field("main", &self.main())
            .field("note", &self.note())
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
    /// Field 1.
    pub number: u64,
    /// Field 2.
    pub name: &'a str,
    /// Field 3.
    pub labels: &'a [&'a str],
    /// Field 4.
    pub below: &'a [Part<'a>],
}

impl Part<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.number != 0)
            .with::<2>(!self.name.is_empty())
            .with::<3>(!self.labels.is_empty())
            .with::<4>(!self.below.is_empty())
    }
}

impl Part<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + self.name.len()
            + ::crake_wire::blobs_bytes(self.labels)
            + ::crake_wire::table_bytes(self.below, |value| value.len_at(::crake_wire::below(depth)))
    }
}

impl ::crake_wire::Encode for Part<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Part<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if self.number != 0 {
            head.put_scalar(self.number);
        }
        if !self.name.is_empty() {
            head.put(writer.bytes(self.name.as_bytes()));
        }
        if !self.labels.is_empty() {
            head.put(writer.blobs(self.labels));
        }
        if !self.below.is_empty() {
            head.put(writer.table(self.below, |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
    }
}

impl ::crake_wire::Message for Part<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// Reads the message [`Part`] where it lies.
#[derive(Clone, Copy)]
pub struct PartView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> PartView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
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
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (2, ::crake_wire::Shape::Packed(1)),
        (3, ::crake_wire::Shape::Table),
        (4, ::crake_wire::Shape::Table),
    ];

    /// Field 1.
    #[inline]
    pub fn number(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
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
    pub fn labels(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn below(&self) -> Result<::crake_wire::NestedList<'a, PartView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested_list::<PartView<'a, F>, 4>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for PartView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for PartView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("PartView")
            .field("number", &self.number())
            .field("name", &self.name())
            .field("labels", &self.labels())
            .field("below", &self.below())
            .finish()
    }
}

impl ::crake_wire::MessageType for Part<'_> {
    type Value<'a> = Part<'a>;
    type View<'a> = PartView<'a>;
}
