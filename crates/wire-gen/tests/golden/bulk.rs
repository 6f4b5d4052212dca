// Compiled by crake-wire-gen from bulk.proto. Do not edit.

/// The fixed message `Place`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Place {
    /// Field 1.
    pub longitude: f64,
    /// Field 2.
    pub latitude: f64,
    /// Field 3.
    pub level: u32,
}

impl ::crake_wire::Fixed for Place {
    type Raw = [u8; 20];

    #[inline]
    fn read(raw: &[u8; 20]) -> Self {
        Self {
            longitude: ::crake_wire::fixed_field::<_, 0, _>(raw),
            latitude: ::crake_wire::fixed_field::<_, 8, _>(raw),
            level: ::crake_wire::fixed_field::<_, 16, _>(raw),
        }
    }

    #[inline]
    fn write(&self, raw: &mut [u8; 20]) {
        ::crake_wire::put_fixed_field::<_, 0, _>(raw, &self.longitude);
        ::crake_wire::put_fixed_field::<_, 8, _>(raw, &self.latitude);
        ::crake_wire::put_fixed_field::<_, 16, _>(raw, &self.level);
    }
}

impl<F> ::crake_wire::Element<'_, F> for Place {
    type Raw = [u8; 20];
    type Item = Self;

    #[inline]
    fn read(_: F, raw: &[u8; 20]) -> Self {
        ::crake_wire::Fixed::read(raw)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::InEntry<'a, F> for Place {
    #[inline]
    fn read(frame: F, slot: u64, _: u32) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::Fixed::in_entry(frame, slot)
    }
}

/// The message `Object`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Object<'a> {
    /// Field 1.
    pub key: ::crake_wire::Text<'a>,
    /// Field 2.
    pub value: ::crake_wire::Payload<'a>,
    /// Field 3.
    pub extra: Option<::crake_wire::Payload<'a>>,
    /// Field 4.
    pub note: Option<::crake_wire::Text<'a>>,
    /// Field 5.
    pub parts: &'a [::crake_wire::Payload<'a>],
    /// Field 6.
    pub labels: &'a [::crake_wire::Text<'a>],
    /// Field 7.
    pub meta: Option<Meta<'a>>,
    /// Field 8.
    pub metas: &'a [Meta<'a>],
    /// Field 9.
    pub version: u64,
    /// Field 10.
    pub named: &'a [(::crake_wire::Text<'a>, ::crake_wire::Payload<'a>)],
    /// Field 11.
    pub numbered: &'a [(u32, Meta<'a>)],
    /// One of `body`, or none.
    pub body: Option<ObjectBody<'a>>,
    /// Field 16.
    pub tree: Option<Node<'a>>,
    /// Field 17.
    pub place: Option<Place>,
    /// Field 18.
    pub places: &'a [Place],
    /// Field 19.
    pub placed: &'a [(::crake_wire::Text<'a>, Place)],
}

impl Object<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.key.is_empty())
            .with::<2>(!self.value.is_empty())
            .with::<3>(self.extra.is_some())
            .with::<4>(self.note.is_some())
            .with::<5>(!self.parts.is_empty())
            .with::<6>(!self.labels.is_empty())
            .with::<7>(self.meta.is_some())
            .with::<8>(!self.metas.is_empty())
            .with::<9>(self.version != 0)
            .with::<10>(!self.named.is_empty())
            .with::<11>(!self.numbered.is_empty())
            .with::<12>(matches!(self.body, Some(ObjectBody::Image(_))))
            .with::<13>(matches!(self.body, Some(ObjectBody::Text(_))))
            .with::<14>(matches!(self.body, Some(ObjectBody::Other(_))))
            .with::<15>(matches!(self.body, Some(ObjectBody::Number(_))))
            .with::<16>(self.tree.is_some())
            .with::<17>(self.place.is_some())
            .with::<18>(!self.places.is_empty())
            .with::<19>(!self.placed.is_empty())
    }
}

impl ::crake_wire::Encode for Object<'_> {
    const GATHERS: bool = true;

    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.key.len()
            + self.value.len()
            + self.extra.map_or(0, |value| value.len())
            + self.note.map_or(0, |value| value.len())
            + ::crake_wire::payloads_bytes(self.parts)
            + ::crake_wire::payloads_bytes(self.labels)
            + self.meta.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::messages_bytes(self.metas)
            + ::crake_wire::map_bytes(self.named, |value| value.len(), |value| value.len())
            + ::crake_wire::map_bytes(self.numbered, |_| 0, ::crake_wire::Encode::encoded_len)
            + match &self.body {
                Some(ObjectBody::Image(value)) => value.len(),
                Some(ObjectBody::Text(value)) => value.len(),
                Some(ObjectBody::Other(value)) => ::crake_wire::Encode::encoded_len(value),
                _ => 0,
            }
            + self.tree.as_ref().map_or(0, ::crake_wire::Encode::encoded_len)
            + ::crake_wire::fixed_bytes(self.place.as_slice())
            + ::crake_wire::fixed_bytes(self.places)
            + ::crake_wire::map_bytes(self.placed, |value| value.len(), |value| ::crake_wire::fixed_bytes(::core::slice::from_ref(value)))
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }

    #[inline]
    fn survey(&self, survey: &mut ::crake_wire::Survey<'_>) {
        survey.payload(self.key);
        survey.payload(self.value);
        if let Some(value) = &self.extra {
            survey.payload(*value);
        }
        if let Some(value) = &self.note {
            survey.payload(*value);
        }
        survey.payloads(self.parts);
        survey.payloads(self.labels);
        if let Some(value) = &self.meta {
            ::crake_wire::Encode::survey(value, survey);
        }
        survey.messages(self.metas);
        for (key, value) in self.named {
            survey.payload(*key);
            survey.payload(*value);
        }
        for (_, value) in self.numbered {
            ::crake_wire::Encode::survey(value, survey);
        }
        if let Some(ObjectBody::Image(value)) = &self.body {
            survey.payload(*value);
        }
        if let Some(ObjectBody::Text(value)) = &self.body {
            survey.payload(*value);
        }
        if let Some(ObjectBody::Other(value)) = &self.body {
            ::crake_wire::Encode::survey(value, survey);
        }
        if let Some(value) = &self.tree {
            ::crake_wire::Encode::survey(value, survey);
        }
        for (key, _) in self.placed {
            survey.payload(*key);
        }
    }

    #[inline]
    fn encode_gathered(&self, out: &mut [u8], plan: ::crake_wire::Plan, beside: &mut ::crake_wire::Sga) {
        ::crake_wire::Writer::gathered(out, self, plan, beside);
    }
}

impl ::crake_wire::Message for Object<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.key.is_empty() {
            head.put(writer.payload(self.key));
        }
        if !self.value.is_empty() {
            head.put(writer.payload(self.value));
        }
        if let Some(value) = self.extra {
            head.put(writer.payload(value));
        }
        if let Some(value) = self.note {
            head.put(writer.payload(value));
        }
        if !self.parts.is_empty() {
            head.put(writer.payloads(self.parts));
        }
        if !self.labels.is_empty() {
            head.put(writer.payloads(self.labels));
        }
        if let Some(value) = &self.meta {
            head.put(writer.message(value));
        }
        if !self.metas.is_empty() {
            head.put(writer.messages(self.metas));
        }
        if self.version != 0 {
            head.put_scalar(self.version);
        }
        if !self.named.is_empty() {
            head.put(writer.map(self.named, |writer, value| writer.payload_in_entry(*value), |writer, value| writer.payload_in_entry(*value)));
        }
        if !self.numbered.is_empty() {
            head.put(writer.map(self.numbered, |_, value| ::crake_wire::Scalar::to_slot(*value), |writer, value| writer.message(value)));
        }
        if let Some(ObjectBody::Image(value)) = self.body {
            head.put(writer.payload(value));
        }
        if let Some(ObjectBody::Text(value)) = self.body {
            head.put(writer.payload(value));
        }
        if let Some(ObjectBody::Other(value)) = &self.body {
            head.put(writer.message(value));
        }
        if let Some(ObjectBody::Number(value)) = self.body {
            head.put_scalar(value);
        }
        if let Some(value) = &self.tree {
            head.put(writer.message(value));
        }
        if let Some(value) = &self.place {
            head.put(writer.fixed(value));
        }
        if !self.places.is_empty() {
            head.put(writer.fixed_list(self.places));
        }
        if !self.placed.is_empty() {
            head.put(writer.map(self.placed, |writer, value| writer.payload_in_entry(*value), |writer, value| writer.fixed(value)));
        }
    }
}

/// What `body` of [`Object`] can be.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ObjectBody<'a> {
    /// Field 12.
    Image(::crake_wire::Payload<'a>),
    /// Field 13.
    Text(::crake_wire::Text<'a>),
    /// Field 14.
    Other(Meta<'a>),
    /// Field 15.
    Number(u32),
}

/// What [`ObjectBody`] reads as.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::enum_variant_names, clippy::large_enum_variant, reason = "as the schema has it")]
pub enum ObjectBodyView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    /// Field 12.
    Image(F::Bytes),
    /// Field 13.
    Text(F::Text),
    /// Field 14.
    Other(MetaView<'a, F>),
    /// Field 15.
    Number(u32),
}

/// Reads the message [`Object`] where it lies.
#[derive(Clone, Copy)]
pub struct ObjectView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> ObjectView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> ObjectView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ObjectView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn key(&self) -> Result<F::Text, ::crake_wire::WireError> {
        self.reader.string::<1>()
    }

    /// The bytes of `key`, which may not be UTF-8.
    #[inline]
    pub fn key_bytes(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<1>()
    }

    /// Field 2.
    #[inline]
    pub fn value(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn extra(&self) -> Result<Option<F::Bytes>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<3>()
    }

    /// Field 4.
    #[inline]
    pub fn note(&self) -> Result<Option<F::Text>, ::crake_wire::WireError> {
        self.reader.optional_string::<4>()
    }

    /// The bytes of `note`, which may not be UTF-8.
    #[inline]
    pub fn note_bytes(&self) -> Result<Option<F::Bytes>, ::crake_wire::WireError> {
        self.reader.optional_bytes::<4>()
    }

    /// Field 5.
    #[inline]
    pub fn parts(&self) -> Result<::crake_wire::List<'a, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Bytes, 5>()
    }

    /// Field 6.
    #[inline]
    pub fn labels(&self) -> Result<::crake_wire::List<'a, F::Text, F>, ::crake_wire::WireError> {
        self.reader.list::<F::Text, 6>()
    }

    /// Field 7.
    #[inline]
    pub fn meta(&self) -> Result<Option<MetaView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<MetaView<'a, F>, 7>()
    }

    /// Field 8.
    #[inline]
    pub fn metas(&self) -> Result<::crake_wire::List<'a, MetaView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.list::<MetaView<'a, F>, 8>()
    }

    /// Field 9.
    #[inline]
    pub fn version(&self) -> u64 {
        self.reader.scalar::<u64, 9>()
    }

    /// Field 10.
    #[inline]
    pub fn named(&self) -> Result<::crake_wire::Map<'a, F::Text, F::Bytes, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, F::Bytes, 10>()
    }

    /// Field 11.
    #[inline]
    pub fn numbered(&self) -> Result<::crake_wire::Map<'a, u32, MetaView<'a, F>, F>, ::crake_wire::WireError> {
        self.reader.map::<u32, MetaView<'a, F>, 11>()
    }

    /// One of `body`, or none.
    #[inline]
    pub fn body(&self) -> Result<Option<ObjectBodyView<'a, F>>, ::crake_wire::WireError> {
        if let Some(value) = self.reader.optional_bytes::<12>()? {
            return Ok(Some(ObjectBodyView::Image(value)));
        }
        if let Some(value) = self.reader.optional_string::<13>()? {
            return Ok(Some(ObjectBodyView::Text(value)));
        }
        if let Some(value) = self.reader.message::<MetaView<'a, F>, 14>()? {
            return Ok(Some(ObjectBodyView::Other(value)));
        }
        if let Some(value) = self.reader.optional_scalar::<u32, 15>() {
            return Ok(Some(ObjectBodyView::Number(value)));
        }
        Ok(None)
    }

    /// Field 16.
    #[inline]
    pub fn tree(&self) -> Result<Option<NodeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.message::<NodeView<'a, F>, 16>()
    }

    /// Field 17.
    #[inline]
    pub fn place(&self) -> Result<Option<Place>, ::crake_wire::WireError> {
        self.reader.fixed::<Place, 17>()
    }

    /// Field 18.
    #[inline]
    pub fn places(&self) -> Result<::crake_wire::List<'a, Place, F>, ::crake_wire::WireError> {
        self.reader.list::<Place, 18>()
    }

    /// Field 19.
    #[inline]
    pub fn placed(&self) -> Result<::crake_wire::Map<'a, F::Text, Place, F>, ::crake_wire::WireError> {
        self.reader.map::<F::Text, Place, 19>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for ObjectView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for ObjectView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("ObjectView")
            .field("key", &self.key())
            .field("value", &self.value())
            .field("extra", &self.extra())
            .field("note", &self.note())
            .field("parts", &self.parts())
            .field("labels", &self.labels())
            .field("meta", &self.meta())
            .field("metas", &self.metas())
            .field("version", &self.version())
            .field("named", &self.named())
            .field("numbered", &self.numbered())
            .field("body", &self.body())
            .field("tree", &self.tree())
            .field("place", &self.place())
            .field("places", &self.places())
            .field("placed", &self.placed())
            .finish()
    }
}

impl ::crake_wire::MessageType for Object<'_> {
    type Value<'a> = Object<'a>;
    type View<'a> = ObjectView<'a, ::crake_wire::Gathered<'a>>;
}

/// The message `Meta`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Meta<'a> {
    /// Field 1.
    pub id: u32,
    /// Field 2.
    pub data: ::crake_wire::Payload<'a>,
}

impl Meta<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(self.id != 0)
            .with::<2>(!self.data.is_empty())
    }
}

impl ::crake_wire::Encode for Meta<'_> {
    const GATHERS: bool = true;

    #[inline]
    fn encoded_len(&self) -> usize {
        self.present().head_bytes()
            + self.data.len()
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }

    #[inline]
    fn survey(&self, survey: &mut ::crake_wire::Survey<'_>) {
        survey.payload(self.data);
    }

    #[inline]
    fn encode_gathered(&self, out: &mut [u8], plan: ::crake_wire::Plan, beside: &mut ::crake_wire::Sga) {
        ::crake_wire::Writer::gathered(out, self, plan, beside);
    }
}

impl ::crake_wire::Message for Meta<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if self.id != 0 {
            head.put_scalar(self.id);
        }
        if !self.data.is_empty() {
            head.put(writer.payload(self.data));
        }
    }
}

/// Reads the message [`Meta`] where it lies.
#[derive(Clone, Copy)]
pub struct MetaView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::Reader<'a, 1, F>,
}

impl<'a> MetaView<'a> {
    /// Checks the head of the message that `frame` starts with. Each getter checks what it reads.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> MetaView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> MetaView<'a, F> {
    /// Field 1.
    #[inline]
    pub fn id(&self) -> u32 {
        self.reader.scalar::<u32, 1>()
    }

    /// Field 2.
    #[inline]
    pub fn data(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for MetaView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for MetaView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("MetaView")
            .field("id", &self.id())
            .field("data", &self.data())
            .finish()
    }
}

impl ::crake_wire::MessageType for Meta<'_> {
    type Value<'a> = Meta<'a>;
    type View<'a> = MetaView<'a, ::crake_wire::Gathered<'a>>;
}

/// The message `Node`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Node<'a> {
    /// Field 1.
    pub name: ::crake_wire::Text<'a>,
    /// Field 2.
    pub value: ::crake_wire::Payload<'a>,
    /// Field 3.
    pub children: &'a [Node<'a>],
}

impl Node<'_> {
    /// The fields that are there: what is default is not.
    #[inline]
    fn present(&self) -> ::crake_wire::Present<1> {
        ::crake_wire::Present::none()
            .with::<1>(!self.name.is_empty())
            .with::<2>(!self.value.is_empty())
            .with::<3>(!self.children.is_empty())
    }
}

impl Node<'_> {
    /// The bytes of the message, so many levels within messages that it can lie in.
    fn len_at(&self, depth: u32) -> usize {
        self.present().head_bytes()
            + self.name.len()
            + self.value.len()
            + ::crake_wire::table_bytes(self.children, |value| value.len_at(::crake_wire::below(depth)))
    }
}

impl ::crake_wire::Encode for Node<'_> {
    const GATHERS: bool = true;

    #[inline]
    fn encoded_len(&self) -> usize {
        self.len_at(0)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        ::crake_wire::Writer::frame(out, self);
    }

    #[inline]
    fn survey(&self, survey: &mut ::crake_wire::Survey<'_>) {
        survey.payload(self.name);
        survey.payload(self.value);
        survey.messages(self.children);
    }

    #[inline]
    fn encode_gathered(&self, out: &mut [u8], plan: ::crake_wire::Plan, beside: &mut ::crake_wire::Sga) {
        ::crake_wire::Writer::gathered(out, self, plan, beside);
    }
}

impl Node<'_> {
    /// Writes the message, so many levels within messages that it can lie in.
    fn write_at<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>, depth: u32) {
        let mut head = writer.head(self.present());
        if !self.name.is_empty() {
            head.put(writer.payload(self.name));
        }
        if !self.value.is_empty() {
            head.put(writer.payload(self.value));
        }
        if !self.children.is_empty() {
            head.put(writer.table(self.children, |writer, value| writer.message_with(|writer| value.write_at(writer, ::crake_wire::below(depth)))));
        }
    }
}

impl ::crake_wire::Message for Node<'_> {
    #[inline]
    fn write<B: ::crake_wire::Beside>(&self, writer: &mut ::crake_wire::Writer<'_, B>) {
        self.write_at(writer, 0);
    }
}

/// Reads the message [`Node`] where it lies.
#[derive(Clone, Copy)]
pub struct NodeView<'a, F: ::crake_wire::Frame<'a> = &'a [u8]> {
    reader: ::crake_wire::StrictReader<'a, 1, F>,
}

impl<'a> NodeView<'a> {
    /// Checks the head of the message that `frame` starts with, and that all it points at lies in order.
    #[inline]
    pub fn parse(frame: &'a [u8]) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a> NodeView<'a, ::crake_wire::Gathered<'a>> {
    /// The same of a message that was received with bytes beside it.
    #[inline]
    pub fn parse_gathered(frame: ::crake_wire::Gathered<'a>) -> Result<Self, ::crake_wire::WireError> {
        ::crake_wire::View::parse(frame)
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> NodeView<'a, F> {
    /// The fields that are pointers, and at what.
    const POINTERS: &'static [(u32, ::crake_wire::Shape)] = &[
        (1, ::crake_wire::Shape::Packed(1)),
        (2, ::crake_wire::Shape::Packed(1)),
        (3, ::crake_wire::Shape::Table),
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
    pub fn value(&self) -> Result<F::Bytes, ::crake_wire::WireError> {
        self.reader.bytes::<2>()
    }

    /// Field 3.
    #[inline]
    pub fn children(&self) -> Result<::crake_wire::NestedList<'a, NodeView<'a, F>>, ::crake_wire::WireError> {
        self.reader.nested_list::<NodeView<'a, F>, 3>()
    }
}

impl<'a, F: ::crake_wire::Frame<'a>> ::crake_wire::View<'a> for NodeView<'a, F> {
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

impl<'a, F: ::crake_wire::Frame<'a>> ::core::fmt::Debug for NodeView<'a, F> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        f.debug_struct("NodeView")
            .field("name", &self.name())
            .field("value", &self.value())
            .field("children", &self.children())
            .finish()
    }
}

impl ::crake_wire::MessageType for Node<'_> {
    type Value<'a> = Node<'a>;
    type View<'a> = NodeView<'a, ::crake_wire::Gathered<'a>>;
}
