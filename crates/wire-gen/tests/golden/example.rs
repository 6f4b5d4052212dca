// Compiled by crake-wire-gen from example.proto. Do not edit.

/// The enum `Kind`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i32)]
pub enum Kind {
    /// Value 0.
    #[default]
    None = 0,
    /// Value 1.
    Directory = 1,
    /// Value 2.
    File = 2,
}

impl TryFrom<i32> for Kind {
    type Error = ::crake_wire::WireError;

    #[inline]
    fn try_from(number: i32) -> Result<Self, ::crake_wire::WireError> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Directory),
            2 => Ok(Self::File),
            _ => Err(::crake_wire::WireError::UnknownEnum(number)),
        }
    }
}

impl ::crake_wire::Scalar for Kind {
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

impl<F> ::crake_wire::Element<'_, F> for Kind {
    type Raw = [u8; 4];
    type Item = Result<Self, ::crake_wire::WireError>;

    #[inline]
    fn read(_: F, raw: &[u8; 4]) -> Self::Item {
        <Self as ::crake_wire::Scalar>::from_raw(*raw)
    }
}

impl<F> ::crake_wire::InEntry<'_, F> for Kind {
    #[inline]
    fn read(_: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        <Self as ::crake_wire::Scalar>::from_slot(slot)
    }
}

/// The fixed message `Point`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Point {
    /// Field 1.
    pub x: f32,
    /// Field 2.
    pub y: f32,
}

impl ::crake_wire::Fixed for Point {
    type Raw = [u8; 8];

    #[inline]
    fn read(raw: &[u8; 8]) -> Self {
        Self {
            x: ::crake_wire::fixed_field::<_, 0, _>(raw),
            y: ::crake_wire::fixed_field::<_, 4, _>(raw),
        }
    }

    #[inline]
    fn write(&self, raw: &mut [u8; 8]) {
        ::crake_wire::put_fixed_field::<_, 0, _>(raw, &self.x);
        ::crake_wire::put_fixed_field::<_, 4, _>(raw, &self.y);
    }
}

impl<F> ::crake_wire::Element<'_, F> for Point {
    type Raw = [u8; 8];
    type Item = Self;

    #[inline]
    fn read(_: F, raw: &[u8; 8]) -> Self {
        ::crake_wire::Fixed::read(raw)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for Point {
    #[inline]
    fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::Fixed::in_entry(frame, slot)
    }
}

/// The fixed message `Span`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Span {
    /// Field 1.
    pub from: Point,
    /// Field 2.
    pub id: u64,
    /// Field 3.
    pub to: Point,
}

impl ::crake_wire::Fixed for Span {
    type Raw = [u8; 24];

    #[inline]
    fn read(raw: &[u8; 24]) -> Self {
        Self {
            from: ::crake_wire::fixed_field::<_, 0, _>(raw),
            id: ::crake_wire::fixed_field::<_, 8, _>(raw),
            to: ::crake_wire::fixed_field::<_, 16, _>(raw),
        }
    }

    #[inline]
    fn write(&self, raw: &mut [u8; 24]) {
        ::crake_wire::put_fixed_field::<_, 0, _>(raw, &self.from);
        ::crake_wire::put_fixed_field::<_, 8, _>(raw, &self.id);
        ::crake_wire::put_fixed_field::<_, 16, _>(raw, &self.to);
    }
}

impl<F> ::crake_wire::Element<'_, F> for Span {
    type Raw = [u8; 24];
    type Item = Self;

    #[inline]
    fn read(_: F, raw: &[u8; 24]) -> Self {
        ::crake_wire::Fixed::read(raw)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for Span {
    #[inline]
    fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::Fixed::in_entry(frame, slot)
    }
}

/// The message `LookupRequest`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LookupRequest<'a> {
    /// Field 1.
    pub base: u64,
    /// Field 2.
    pub path: &'a str,
    /// Field 3.
    pub blocks: bool,
}

impl LookupRequest<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.base != 0)
            .with::<2>(!self.path.is_empty())
            .with::<3>(self.blocks)
    }
}

impl ::crake_wire::Encode for LookupRequest<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.path.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for LookupRequest<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.base != 0 {
            head.put_scalar(self.base);
        }
        if !self.path.is_empty() {
            head.put(writer.bytes(self.path.as_bytes()));
        }
        if self.blocks {
            head.put_scalar(self.blocks);
        }
    }
}

/// Reads the message [`LookupRequest`] where it lies.
#[derive(Clone, Copy)]
pub struct LookupRequestView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> LookupRequestView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> LookupRequestView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> LookupRequestView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn base(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn path(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<2>()
    }

    /// The bytes of `path`, which may not be UTF-8.
    #[inline]
    pub fn path_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn blocks(&self) -> Result<bool, ::crake_wire::WireError> {
        self.reader.scalar::<bool, 3>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for LookupRequestView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for LookupRequestView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LookupRequestView")
            .field("base", &self.base())
            .field("path", &self.path())
            .field("blocks", &self.blocks())
            .finish()
    }
}

impl ::crake_wire::MessageType for LookupRequest<'_> {
    type Value<'a> = LookupRequest<'a>;
    type View<'a> = LookupRequestView<'a>;
}

/// The message `Attributes`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Attributes {
    /// Field 1.
    pub id: u64,
    /// Field 2.
    pub kind: Kind,
    /// Field 3.
    pub size: u64,
    /// Field 4.
    pub modified_ns: i64,
    /// Field 5.
    pub storage_class: Option<u32>,
}

impl Attributes {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.id != 0)
            .with::<2>(self.kind as i32 != 0)
            .with::<3>(self.size != 0)
            .with::<4>(self.modified_ns != 0)
            .with::<5>(self.storage_class.is_some())
    }
}

impl ::crake_wire::Encode for Attributes {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Attributes {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if self.kind as i32 != 0 {
            head.put_scalar(self.kind);
        }
        if self.size != 0 {
            head.put_scalar(self.size);
        }
        if self.modified_ns != 0 {
            head.put_scalar(self.modified_ns);
        }
        if let Some(value) = self.storage_class {
            head.put_scalar(value);
        }
    }
}

/// Reads the message [`Attributes`] where it lies.
#[derive(Clone, Copy)]
pub struct AttributesView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> AttributesView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> AttributesView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> AttributesView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn id(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn kind(&self) -> Result<Kind, ::crake_wire::WireError> {
        self.reader.scalar::<Kind, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn size(&self) -> u64 {
        self.reader.scalar::<u64, 3>()
    }

    /// Field 4.
    #[inline]
    pub fn modified_ns(&self) -> i64 {
        self.reader.scalar::<i64, 4>()
    }

    /// Field 5.
    #[inline]
    pub fn storage_class(&self) -> Option<u32> {
        self.reader.optional_scalar::<u32, 5>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for AttributesView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for AttributesView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("AttributesView")
            .field("id", &self.id())
            .field("kind", &self.kind())
            .field("size", &self.size())
            .field("modified_ns", &self.modified_ns())
            .field("storage_class", &self.storage_class())
            .finish()
    }
}

impl ::crake_wire::MessageType for Attributes {
    type Value<'a> = Attributes;
    type View<'a> = AttributesView<'a>;
}

/// The message `Block`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Block<'a> {
    /// Field 1.
    pub offset: u64,
    /// Field 2.
    pub length: u32,
    /// Field 3.
    pub handle: &'a [u8],
}

impl Block<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.offset != 0)
            .with::<2>(self.length != 0)
            .with::<3>(!self.handle.is_empty())
    }
}

impl ::crake_wire::Encode for Block<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.handle.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Block<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.offset != 0 {
            head.put_scalar(self.offset);
        }
        if self.length != 0 {
            head.put_scalar(self.length);
        }
        if !self.handle.is_empty() {
            head.put(writer.bytes(self.handle));
        }
    }
}

/// Reads the message [`Block`] where it lies.
#[derive(Clone, Copy)]
pub struct BlockView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> BlockView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> BlockView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> BlockView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.reader.scalar::<u64, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn length(&self) -> u32 {
        self.reader.scalar::<u32, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn handle(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<3>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for BlockView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for BlockView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("BlockView")
            .field("offset", &self.offset())
            .field("length", &self.length())
            .field("handle", &self.handle())
            .finish()
    }
}

impl ::crake_wire::MessageType for Block<'_> {
    type Value<'a> = Block<'a>;
    type View<'a> = BlockView<'a>;
}

/// The message `LookupReply`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LookupReply<'a> {
    /// Field 1.
    pub node: Option<Attributes>,
    /// Field 2.
    pub blocks: &'a [Block<'a>],
    /// Field 3.
    pub inline_value: &'a [u8],
    /// Field 4.
    pub replicas: &'a [u32],
    /// Field 70.
    pub hosts: &'a [&'a str],
}

impl LookupReply<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<2> {
        ::crake_wire::Present::none()
            .with::<1>(self.node.is_some())
            .with::<2>(!self.blocks.is_empty())
            .with::<3>(!self.inline_value.is_empty())
            .with::<4>(!self.replicas.is_empty())
            .with::<70>(!self.hosts.is_empty())
    }
}

impl ::crake_wire::Encode for LookupReply<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.node.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.blocks)
            + self.inline_value.len()
            + ::crake_wire::scalars_bytes(self.replicas)
            + ::crake_wire::blobs_bytes(self.hosts)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for LookupReply<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if let Some(value) = &self.node {
            head.put(writer.message(value));
        }
        if !self.blocks.is_empty() {
            head.put(writer.messages(self.blocks));
        }
        if !self.inline_value.is_empty() {
            head.put(writer.bytes(self.inline_value));
        }
        if !self.replicas.is_empty() {
            head.put(writer.scalars(self.replicas));
        }
        if !self.hosts.is_empty() {
            head.put(writer.blobs(self.hosts));
        }
    }
}

/// Reads the message [`LookupReply`] where it lies.
#[derive(Clone, Copy)]
pub struct LookupReplyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 2, F>,
}

impl<'a> LookupReplyView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> LookupReplyView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> LookupReplyView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn node(&self) -> Result<Option<AttributesView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<AttributesView<'a, F>, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn blocks(&self) -> Result<::crake_wire::List<'a, BlockView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<BlockView<'a, F>, 2>()
    }

    /// Field 3.
    #[inline]
    pub fn inline_value(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<3>()
    }

    /// Field 4.
    #[inline]
    pub fn replicas(&self) -> Result<::crake_wire::List<'a, u32, F>, ::crake_wire::WireError> {
        self.reader.list::<u32, 4>()
    }

    /// Field 70.
    #[inline]
    pub fn hosts(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 70>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for LookupReplyView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for LookupReplyView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("LookupReplyView")
            .field("node", &self.node())
            .field("blocks", &self.blocks())
            .field("inline_value", &self.inline_value())
            .field("replicas", &self.replicas())
            .field("hosts", &self.hosts())
            .finish()
    }
}

impl ::crake_wire::MessageType for LookupReply<'_> {
    type Value<'a> = LookupReply<'a>;
    type View<'a> = LookupReplyView<'a>;
}

/// The message `Folder`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Folder<'a> {
    /// Field 1.
    pub sizes: &'a [(&'a str, u64)],
    /// One of `owner`, or none.
    pub owner: Option<FolderOwner<'a>>,
    /// Field 4.
    pub below: &'a [Folder<'a>],
}

impl Folder<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.sizes.is_empty())
            .with::<2>(matches!(self.owner, Some(FolderOwner::User(_))))
            .with::<3>(matches!(self.owner, Some(FolderOwner::Job(_))))
            .with::<4>(!self.below.is_empty())
    }
}

impl Folder<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + ::crake_wire::map_bytes(self.sizes, |value| value.len(), |_| 0)
            + match &self.owner {
                Some(FolderOwner::User(value)) => value.len(),
                _ => 0,
            }
            + ::crake_wire::table_bytes(self.below, |value| value.len_at(::crake_wire::below(depth)))
    }
}

impl ::crake_wire::Encode for Folder<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl Folder<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if !self.sizes.is_empty() {
            head.put(writer.map(self.sizes, |writer, value| writer.blob_in_entry(value.as_bytes()), |_, value| ::crake_wire::Scalar::to_slot(*value)));
        }
        if let Some(FolderOwner::User(value)) = self.owner {
            head.put(writer.bytes(value.as_bytes()));
        }
        if let Some(FolderOwner::Job(value)) = self.owner {
            head.put_scalar(value);
        }
        if !self.below.is_empty() {
            head.put(writer.table(self.below, |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
    }
}

impl ::crake_wire::Message for Folder<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// What `owner` of [`Folder`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum FolderOwner<'a> {
    /// Field 2.
    User(&'a str),
    /// Field 3.
    Job(u32),
}

/// What [`FolderOwner`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum FolderOwnerView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 2.
    User(F::Text),
    /// Field 3.
    Job(u32),
}

/// Reads the message [`Folder`] where it lies.
#[derive(Clone, Copy)]
pub struct FolderView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> FolderView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> FolderView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> FolderView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Map { key: true, value: false }),
        (2, ::crake_wire::Shape::Packed(1)),
        (4, ::crake_wire::Shape::Table),
    ];

    /// Field 1.
    #[inline]
    pub fn sizes(&self) -> Result<::crake_wire::Map<'a, F::Text, u64, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, u64, 1>()
    }

    /// One of `owner`, or none.
    #[inline]
    pub fn owner(&self) -> Result<Option<FolderOwnerView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_string::<2>()? {
            return Ok(Some(FolderOwnerView::User(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u32, 3>() {
            return Ok(Some(FolderOwnerView::Job(value)));
        }
        Ok(None)
    }

    /// Field 4.
    #[inline]
    pub fn below(&self) -> Result<::crake_wire::NestedList<'a, FolderView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested_list::<FolderView<'a, F>, 4>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for FolderView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for FolderView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("FolderView")
            .field("sizes", &self.sizes())
            .field("owner", &self.owner())
            .field("below", &self.below())
            .finish()
    }
}

impl ::crake_wire::MessageType for Folder<'_> {
    type Value<'a> = Folder<'a>;
    type View<'a> = FolderView<'a>;
}

/// The message `Outline`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outline<'a> {
    /// Field 1.
    pub points: &'a [Point],
    /// Field 2.
    pub longest: Option<Span>,
}

impl Outline<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.points.is_empty())
            .with::<2>(self.longest.is_some())
    }
}

impl ::crake_wire::Encode for Outline<'_> {
    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + ::crake_wire::fixed_bytes(self.points)
            + ::crake_wire::fixed_bytes(self.longest.as_slice())
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }
}

impl ::crake_wire::Message for Outline<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.points.is_empty() {
            head.put(writer.fixed_list(self.points));
        }
        if let Some(value) = &self.longest {
            head.put(writer.fixed(value));
        }
    }
}

/// Reads the message [`Outline`] where it lies.
#[derive(Clone, Copy)]
pub struct OutlineView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> OutlineView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> OutlineView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> OutlineView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn points(&self) -> Result<::crake_wire::List<'a, Point, F>, ::crake_wire::WireError> {
        self.reader.list::<Point, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn longest(&self) -> Result<Option<Span>, ::crake_wire::WireError> {
        self.reader.fixed::<Span, 2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for OutlineView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for OutlineView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("OutlineView")
            .field("points", &self.points())
            .field("longest", &self.longest())
            .finish()
    }
}

impl ::crake_wire::MessageType for Outline<'_> {
    type Value<'a> = Outline<'a>;
    type View<'a> = OutlineView<'a>;
}
