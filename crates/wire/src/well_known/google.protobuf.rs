// Compiled by crake-wire-gen from google/protobuf/any.proto, google/protobuf/duration.proto, google/protobuf/empty.proto, google/protobuf/field_mask.proto, google/protobuf/struct.proto, google/protobuf/timestamp.proto, google/protobuf/wrappers.proto. Do not edit.

/// The one value of JSON's `null`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum NullValue {
    /// `null`.
    #[default]
    NullValue = 0,
}

impl TryFrom<i32> for NullValue {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::NullValue),
            _ => Err(::crake_wire::WireError::UnknownEnum(number)),
        }
    }
}

impl ::crake_wire::Scalar for NullValue {
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

impl<F> ::crake_wire::Element<'_, F> for NullValue {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: F, raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

impl<F> ::crake_wire::InEntry<'_, F> for NullValue {
    #[inline]
    fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::Scalar>::from_slot(slot)
    }
}

/// A message of any type, and which.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Any<'a> {
    /// Names the type: what stands behind the last `/` is its full name, `type.googleapis.com/crake.namenode.Node` for example.
    pub type_url: &'a str,
    /// The message, as the format of its writer has it: this one, if a writer of this project put it in.
    pub value: &'a [u8],
}

impl Any<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.type_url.is_empty())
            .with::<2>(!self.value.is_empty())
    }
}

impl ::crake_wire::Encode for Any<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.type_url.len()
            + self.value.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Any<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.type_url.is_empty() {
            head.put(writer.bytes(self.type_url.as_bytes()));
        }
        if !self.value.is_empty() {
            head.put(writer.bytes(self.value));
        }
    }
}

/// Reads the message [`Any`] where it lies.
#[derive(Clone, Copy)]
pub struct AnyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> AnyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> AnyView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> AnyView<'a, F> {
    /// Names the type: what stands behind the last `/` is its full name, `type.googleapis.com/crake.namenode.Node` for example.
    #[inline]
    pub fn type_url(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `type_url`, which may not be UTF-8.
    #[inline]
    pub fn type_url_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }

    /// The message, as the format of its writer has it: this one, if a writer of this project put it in.
    #[inline]
    pub fn value(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for AnyView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for AnyView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("AnyView")
            .field("type_url", &self.type_url())
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for Any<'_> {
    type Value<'a> = Any<'a>;
    type View<'a> = AnyView<'a>;
}

/// A span of time, signed, of at most about 10,000 years. It converts from and, unless negative, to the one of `core`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Duration {
    /// From -315,576,000,000 to 315,576,000,000.
    pub seconds: i64,
    /// From -999,999,999 to 999,999,999, of the same sign as the seconds unless these are 0.
    pub nanos: i32,
}

impl Duration {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.seconds != 0)
            .with::<2>(self.nanos != 0)
    }
}

impl ::crake_wire::Encode for Duration {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Duration {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.seconds != 0 {
            head.put_scalar(self.seconds);
        }
        if self.nanos != 0 {
            head.put_scalar(self.nanos);
        }
    }
}

/// Reads the message [`Duration`] where it lies.
#[derive(Clone, Copy)]
pub struct DurationView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> DurationView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> DurationView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> DurationView<'a, F> {
    /// From -315,576,000,000 to 315,576,000,000.
    #[inline]
    pub fn seconds(&self) -> i64 {
        self.reader.scalar::<i64, 1>()
    }

    /// From -999,999,999 to 999,999,999, of the same sign as the seconds unless these are 0.
    #[inline]
    pub fn nanos(&self) -> i32 {
        self.reader.scalar::<i32, 2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for DurationView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<DurationView<'a, F>> for Duration {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: DurationView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            seconds: fields.scalar::<i64, 0, 1>(),
            nanos: fields.scalar::<i32, 1, 2>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for DurationView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("DurationView")
            .field("seconds", &self.seconds())
            .field("nanos", &self.nanos())
            .finish()
    }
}

impl ::crake_wire::MessageType for Duration {
    type Value<'a> = Duration;
    type View<'a> = DurationView<'a>;
}

/// Nothing: what a method takes that needs no request, or gives that has no answer.
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

/// A choice of fields of some message.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FieldMask<'a> {
    /// Names of fields, of nested ones with their way: `node.modified_ns`.
    pub paths: &'a [&'a str],
}

impl FieldMask<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.paths.is_empty())
    }
}

impl ::crake_wire::Encode for FieldMask<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + ::crake_wire::blobs_bytes(self.paths)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for FieldMask<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.paths.is_empty() {
            head.put(writer.blobs(self.paths));
        }
    }
}

/// Reads the message [`FieldMask`] where it lies.
#[derive(Clone, Copy)]
pub struct FieldMaskView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> FieldMaskView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> FieldMaskView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> FieldMaskView<'a, F> {
    /// Names of fields, of nested ones with their way: `node.modified_ns`.
    #[inline]
    pub fn paths(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for FieldMaskView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for FieldMaskView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("FieldMaskView")
            .field("paths", &self.paths())
            .finish()
    }
}

impl ::crake_wire::MessageType for FieldMask<'_> {
    type Value<'a> = FieldMask<'a>;
    type View<'a> = FieldMaskView<'a>;
}

/// An object as JSON has it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Struct<'a> {
    /// The members by their names.
    pub fields: &'a [(&'a str, Value<'a>)],
}

impl Struct<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.fields.is_empty())
    }
}

impl Struct<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + ::crake_wire::map_bytes(self.fields, |value| value.len(), |value| value.len_at(::crake_wire::below(depth)))
    }
}

impl ::crake_wire::Encode for Struct<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Struct<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if !self.fields.is_empty() {
            head.put(writer.map(self.fields, |writer, value| writer.blob_in_entry(value.as_bytes()), |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
    }
}

impl ::crake_wire::Message for Struct<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// Reads the message [`Struct`] where it lies.
#[derive(Clone, Copy)]
pub struct StructView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> StructView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> StructView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> StructView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Map { key: true, value: true }),
    ];

    /// The members by their names.
    #[inline]
    pub fn fields(&self) -> Result<::crake_wire::Map<'a, F::Text, ValueView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.nested_map::<F::Text, ValueView<'a, F>, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for StructView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for StructView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("StructView")
            .field("fields", &self.fields())
            .finish()
    }
}

impl ::crake_wire::MessageType for Struct<'_> {
    type Value<'a> = Struct<'a>;
    type View<'a> = StructView<'a>;
}

/// A value as JSON has it. One where nothing is set is an error of who wrote it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Value<'a> {
    /// One of `kind`, or none.
    pub kind: Option<ValueKind<'a>>,
}

impl Value<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(matches!(self.kind, Some(ValueKind::NullValue(_))))
            .with::<2>(matches!(self.kind, Some(ValueKind::NumberValue(_))))
            .with::<3>(matches!(self.kind, Some(ValueKind::StringValue(_))))
            .with::<4>(matches!(self.kind, Some(ValueKind::BoolValue(_))))
            .with::<5>(matches!(self.kind, Some(ValueKind::StructValue(_))))
            .with::<6>(matches!(self.kind, Some(ValueKind::ListValue(_))))
    }
}

impl Value<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + match &self.kind {
                Some(ValueKind::StringValue(value)) => value.len(),
                Some(ValueKind::StructValue(value)) => value.len_at(::crake_wire::below(depth)),
                Some(ValueKind::ListValue(value)) => value.len_at(::crake_wire::below(depth)),
                _ => 0,
            }
    }
}

impl ::crake_wire::Encode for Value<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Value<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if let Some(ValueKind::NullValue(value)) = self.kind {
            head.put_scalar(value);
        }
        if let Some(ValueKind::NumberValue(value)) = self.kind {
            head.put_scalar(value);
        }
        if let Some(ValueKind::StringValue(value)) = self.kind {
            head.put(writer.bytes(value.as_bytes()));
        }
        if let Some(ValueKind::BoolValue(value)) = self.kind {
            head.put_scalar(value);
        }
        if let Some(ValueKind::StructValue(value)) = &self.kind {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
        if let Some(ValueKind::ListValue(value)) = &self.kind {
            head.put(writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth))));
        }
    }
}

impl ::crake_wire::Message for Value<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// What `kind` of [`Value`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ValueKind<'a> {
    /// `null`.
    NullValue(NullValue),
    /// A number. JSON has none that are not finite.
    NumberValue(f64),
    /// A string.
    StringValue(&'a str),
    /// `true` or `false`.
    BoolValue(bool),
    /// An object.
    StructValue(&'a Struct<'a>),
    /// An array.
    ListValue(&'a ListValue<'a>),
}

/// What [`ValueKind`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ValueKindView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// `null`.
    NullValue(NullValue),
    /// A number. JSON has none that are not finite.
    NumberValue(f64),
    /// A string.
    StringValue(F::Text),
    /// `true` or `false`.
    BoolValue(bool),
    /// An object.
    StructValue(StructView<'a, F>),
    /// An array.
    ListValue(ListValueView<'a, F>),
}

/// Reads the message [`Value`] where it lies.
#[derive(Clone, Copy)]
pub struct ValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> ValueView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ValueView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (3, ::crake_wire::Shape::Packed(1)),
        (5, ::crake_wire::Shape::Packed(1)),
        (6, ::crake_wire::Shape::Packed(1)),
    ];

    /// One of `kind`, or none.
    #[inline]
    pub fn kind(&self) -> Result<Option<ValueKindView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_scalar::<NullValue, 1>().transpose()? {
            return Ok(Some(ValueKindView::NullValue(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<f64, 2>() {
            return Ok(Some(ValueKindView::NumberValue(value)));
        }
        if let Some(value) = self.reader.optional_string::<3>()? {
            return Ok(Some(ValueKindView::StringValue(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<bool, 4>().transpose()? {
            return Ok(Some(ValueKindView::BoolValue(value)));
        }
        if let Some(value) = self.reader.nested::<StructView<'a, F>, 5>()? {
            return Ok(Some(ValueKindView::StructValue(value)));
        }
        if let Some(value) = self.reader.nested::<ListValueView<'a, F>, 6>()? {
            return Ok(Some(ValueKindView::ListValue(value)));
        }
        Ok(None)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ValueView")
            .field("kind", &self.kind())
            .finish()
    }
}

impl ::crake_wire::MessageType for Value<'_> {
    type Value<'a> = Value<'a>;
    type View<'a> = ValueView<'a>;
}

/// An array as JSON has it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ListValue<'a> {
    /// The elements.
    pub values: &'a [Value<'a>],
}

impl ListValue<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.values.is_empty())
    }
}

impl ListValue<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + ::crake_wire::table_bytes(self.values, |value| value.len_at(::crake_wire::below(depth)))
    }
}

impl ::crake_wire::Encode for ListValue<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ListValue<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if !self.values.is_empty() {
            head.put(writer.table(self.values, |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
    }
}

impl ::crake_wire::Message for ListValue<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// Reads the message [`ListValue`] where it lies.
#[derive(Clone, Copy)]
pub struct ListValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> ListValueView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ListValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ListValueView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Table),
    ];

    /// The elements.
    #[inline]
    pub fn values(&self) -> Result<::crake_wire::NestedList<'a, ValueView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested_list::<ValueView<'a, F>, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ListValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ListValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ListValueView")
            .field("values", &self.values())
            .finish()
    }
}

impl ::crake_wire::MessageType for ListValue<'_> {
    type Value<'a> = ListValue<'a>;
    type View<'a> = ListValueView<'a>;
}

/// A point in time, from the year 1 to the end of 9999, of UTC without leap seconds. It converts from and to `SystemTime`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Timestamp {
    /// Since 1970-01-01T00:00:00Z: from -62,135,596,800 to 253,402,300,799.
    pub seconds: i64,
    /// From 0 to 999,999,999, forwards in time, before 1970 too.
    pub nanos: i32,
}

impl Timestamp {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.seconds != 0)
            .with::<2>(self.nanos != 0)
    }
}

impl ::crake_wire::Encode for Timestamp {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Timestamp {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.seconds != 0 {
            head.put_scalar(self.seconds);
        }
        if self.nanos != 0 {
            head.put_scalar(self.nanos);
        }
    }
}

/// Reads the message [`Timestamp`] where it lies.
#[derive(Clone, Copy)]
pub struct TimestampView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> TimestampView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> TimestampView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> TimestampView<'a, F> {
    /// Since 1970-01-01T00:00:00Z: from -62,135,596,800 to 253,402,300,799.
    #[inline]
    pub fn seconds(&self) -> i64 {
        self.reader.scalar::<i64, 1>()
    }

    /// From 0 to 999,999,999, forwards in time, before 1970 too.
    #[inline]
    pub fn nanos(&self) -> i32 {
        self.reader.scalar::<i32, 2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for TimestampView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<TimestampView<'a, F>> for Timestamp {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: TimestampView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            seconds: fields.scalar::<i64, 0, 1>(),
            nanos: fields.scalar::<i32, 1, 2>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for TimestampView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("TimestampView")
            .field("seconds", &self.seconds())
            .field("nanos", &self.nanos())
            .finish()
    }
}

impl ::crake_wire::MessageType for Timestamp {
    type Value<'a> = Timestamp;
    type View<'a> = TimestampView<'a>;
}

/// A `double` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DoubleValue {
    /// The value.
    pub value: f64,
}

impl DoubleValue {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value.to_bits() != 0)
    }
}

impl ::crake_wire::Encode for DoubleValue {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for DoubleValue {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value.to_bits() != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`DoubleValue`] where it lies.
#[derive(Clone, Copy)]
pub struct DoubleValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> DoubleValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> DoubleValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> DoubleValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> f64 {
        self.reader.scalar::<f64, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for DoubleValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<DoubleValueView<'a, F>> for DoubleValue {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: DoubleValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<f64, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for DoubleValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("DoubleValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for DoubleValue {
    type Value<'a> = DoubleValue;
    type View<'a> = DoubleValueView<'a>;
}

/// A `float` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FloatValue {
    /// The value.
    pub value: f32,
}

impl FloatValue {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value.to_bits() != 0)
    }
}

impl ::crake_wire::Encode for FloatValue {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for FloatValue {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value.to_bits() != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`FloatValue`] where it lies.
#[derive(Clone, Copy)]
pub struct FloatValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> FloatValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> FloatValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> FloatValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> f32 {
        self.reader.scalar::<f32, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for FloatValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<FloatValueView<'a, F>> for FloatValue {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: FloatValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<f32, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for FloatValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("FloatValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for FloatValue {
    type Value<'a> = FloatValue;
    type View<'a> = FloatValueView<'a>;
}

/// A `int64` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Int64Value {
    /// The value.
    pub value: i64,
}

impl Int64Value {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value != 0)
    }
}

impl ::crake_wire::Encode for Int64Value {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Int64Value {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`Int64Value`] where it lies.
#[derive(Clone, Copy)]
pub struct Int64ValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> Int64ValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> Int64ValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> Int64ValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> i64 {
        self.reader.scalar::<i64, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for Int64ValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<Int64ValueView<'a, F>> for Int64Value {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: Int64ValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<i64, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for Int64ValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("Int64ValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for Int64Value {
    type Value<'a> = Int64Value;
    type View<'a> = Int64ValueView<'a>;
}

/// A `uint64` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UInt64Value {
    /// The value.
    pub value: u64,
}

impl UInt64Value {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value != 0)
    }
}

impl ::crake_wire::Encode for UInt64Value {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for UInt64Value {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`UInt64Value`] where it lies.
#[derive(Clone, Copy)]
pub struct UInt64ValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> UInt64ValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> UInt64ValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> UInt64ValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for UInt64ValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<UInt64ValueView<'a, F>> for UInt64Value {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: UInt64ValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<u64, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for UInt64ValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("UInt64ValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for UInt64Value {
    type Value<'a> = UInt64Value;
    type View<'a> = UInt64ValueView<'a>;
}

/// A `int32` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Int32Value {
    /// The value.
    pub value: i32,
}

impl Int32Value {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value != 0)
    }
}

impl ::crake_wire::Encode for Int32Value {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Int32Value {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`Int32Value`] where it lies.
#[derive(Clone, Copy)]
pub struct Int32ValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> Int32ValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> Int32ValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> Int32ValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> i32 {
        self.reader.scalar::<i32, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for Int32ValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<Int32ValueView<'a, F>> for Int32Value {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: Int32ValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<i32, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for Int32ValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("Int32ValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for Int32Value {
    type Value<'a> = Int32Value;
    type View<'a> = Int32ValueView<'a>;
}

/// A `uint32` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UInt32Value {
    /// The value.
    pub value: u32,
}

impl UInt32Value {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value != 0)
    }
}

impl ::crake_wire::Encode for UInt32Value {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for UInt32Value {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value != 0 {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`UInt32Value`] where it lies.
#[derive(Clone, Copy)]
pub struct UInt32ValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> UInt32ValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> UInt32ValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> UInt32ValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for UInt32ValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<UInt32ValueView<'a, F>> for UInt32Value {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: UInt32ValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<u32, 0, 1>(),
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for UInt32ValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("UInt32ValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for UInt32Value {
    type Value<'a> = UInt32Value;
    type View<'a> = UInt32ValueView<'a>;
}

/// A `bool` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BoolValue {
    /// The value.
    pub value: bool,
}

impl BoolValue {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.value)
    }
}

impl ::crake_wire::Encode for BoolValue {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for BoolValue {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.value {
            head.put_scalar(self.value);
        }
    }
}

/// Reads the message [`BoolValue`] where it lies.
#[derive(Clone, Copy)]
pub struct BoolValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> BoolValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> BoolValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> BoolValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for BoolValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> TryFrom<BoolValueView<'a, F>> for BoolValue {
    type Error = ::crake_wire::WireError;

    /// Reads all fields in one pass: less work than by their getters.
    #[inline(always)]
    fn try_from(view: BoolValueView<'a, F>) -> Result<Self, ::crake_wire::WireError> {
        let mut fields = view.reader.fields();
        Ok(Self {
            value: fields.scalar::<bool, 0, 1>()?,
        })
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for BoolValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BoolValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for BoolValue {
    type Value<'a> = BoolValue;
    type View<'a> = BoolValueView<'a>;
}

/// A `string` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StringValue<'a> {
    /// The value.
    pub value: &'a str,
}

impl StringValue<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.value.is_empty())
    }
}

impl ::crake_wire::Encode for StringValue<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.value.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for StringValue<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.value.is_empty() {
            head.put(writer.bytes(self.value.as_bytes()));
        }
    }
}

/// Reads the message [`StringValue`] where it lies.
#[derive(Clone, Copy)]
pub struct StringValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> StringValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> StringValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> StringValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `value`, which may not be UTF-8.
    #[inline]
    pub fn value_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for StringValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for StringValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("StringValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for StringValue<'_> {
    type Value<'a> = StringValue<'a>;
    type View<'a> = StringValueView<'a>;
}

/// A `bytes` that may be absent where a field of the type itself could not say so. `optional` does the same for less.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct BytesValue<'a> {
    /// The value.
    pub value: &'a [u8],
}

impl BytesValue<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.value.is_empty())
    }
}

impl ::crake_wire::Encode for BytesValue<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.value.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for BytesValue<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.value.is_empty() {
            head.put(writer.bytes(self.value));
        }
    }
}

/// Reads the message [`BytesValue`] where it lies.
#[derive(Clone, Copy)]
pub struct BytesValueView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> BytesValueView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> BytesValueView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> BytesValueView<'a, F> {
    /// The value.
    #[inline]
    pub fn value(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for BytesValueView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for BytesValueView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BytesValueView")
            .field("value", &self.value())
            .finish()
    }
}

impl ::crake_wire::MessageType for BytesValue<'_> {
    type Value<'a> = BytesValue<'a>;
    type View<'a> = BytesValueView<'a>;
}
