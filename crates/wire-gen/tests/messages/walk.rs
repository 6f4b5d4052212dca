//! Reads all of a message, by every accessor, and looks where it lies.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::ops::Range;

use crake_wire::well_known::{
    self, AnyView, DurationView, FieldMaskView, Int64ValueView, ListValueView, NullValue, StringValueView,
    StructView, TimestampView, ValueKindView, ValueView,
};
use crake_wire::{Element, InEntry, Key, List, Map, NestedList, Payload, Text, View, WireError};

use crate::{bulk, every, example};

/// A frame under attack, and how much of it a reader may still look at: lists that overlap can make the walk, though not
/// the memory, grow with the square of the frame.
pub struct Frame {
    /// The addresses of its pieces, the message's own being the first.
    pieces: Vec<Range<usize>>,
    len_bytes: usize,
    steps_left: Cell<u32>,
    /// How many values could not be read.
    errors: Cell<u32>,
    /// How many messages of circles there were.
    circular: Cell<usize>,
    /// What was read, as one number.
    read: Cell<u64>,
}

impl Frame {
    /// A frame of these pieces: the message, and what was gathered.
    pub fn new<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let pieces: Vec<Range<usize>> = pieces.into_iter().map(addresses).collect();
        Self {
            len_bytes: pieces.iter().map(Range::len).sum(),
            pieces,
            steps_left: Cell::new(10_000),
            errors: Cell::new(0),
            circular: Cell::new(0),
            // As FNV-1a begins.
            read: Cell::new(0xcbf2_9ce4_8422_2325),
        }
    }

    /// How many values could not be read.
    pub fn errors(&self) -> u32 {
        self.errors.get()
    }

    /// How many messages of circles there were.
    pub fn circular(&self) -> usize {
        self.circular.get()
    }

    /// What was read, and in which order, as one number: two walks that read the same have the same.
    pub fn read(&self) -> u64 {
        self.read.get()
    }

    /// Whether the walk came to its end.
    pub fn is_done(&self) -> bool {
        self.steps_left.get() > 0
    }

    pub fn holds(&self, part: &[u8]) {
        let part = addresses(part);
        let within = |piece: &Range<usize>| piece.start <= part.start && part.end <= piece.end;
        assert!(
            // No byte is in any frame: that of a message that an entry of a map has none of, for example.
            part.is_empty() || self.pieces.iter().any(within),
            "bytes that are not in the frame"
        );
    }

    /// Notes bytes that lie in these pieces: where one ends makes no difference.
    fn note<'p>(&self, pieces: impl Iterator<Item = &'p [u8]>) {
        let mut len = 0;
        for piece in pieces {
            self.holds(piece);
            self.hash(piece);
            len += piece.len();
        }
        self.hash(&len.to_le_bytes());
        let steps = u32::try_from(len / 64).expect("a frame is shorter");
        self.steps_left.update(|left| left.saturating_sub(steps));
    }

    fn fail(&self, error: WireError) {
        self.errors.update(|errors| errors + 1);
        self.note_value(&error);
    }

    fn note_value(&self, value: &impl fmt::Debug) {
        write!(Noted(self), "{value:?};").expect("nothing fails that writes here");
    }

    fn hash(&self, bytes: &[u8]) {
        let prime = 0x0100_0000_01b3;
        let hash = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(prime);
        self.read.set(bytes.iter().fold(self.read.get(), hash));
    }

    fn may_go_on(&self) -> bool {
        self.steps_left.update(|left| left.saturating_sub(1));
        self.is_done()
    }
}

fn addresses(part: &[u8]) -> Range<usize> {
    let range = part.as_ptr_range();
    range.start.addr()..range.end.addr()
}

/// What was formatted is noted, without an allocation.
struct Noted<'f>(&'f Frame);

impl Write for Noted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.hash(text.as_bytes());
        Ok(())
    }
}

/// Reads all that there is, and looks where it lies.
pub trait Walk {
    fn walk(&self, frame: &Frame);
}

impl Walk for &[u8] {
    fn walk(&self, frame: &Frame) {
        frame.note([*self].into_iter());
    }
}

impl Walk for &str {
    fn walk(&self, frame: &Frame) {
        assert!(str::from_utf8(self.as_bytes()).is_ok());
        self.as_bytes().walk(frame);
    }
}

impl Walk for Payload<'_> {
    fn walk(&self, frame: &Frame) {
        assert_eq!(self.len(), self.pieces().map(<[u8]>::len).sum::<usize>());
        frame.note(self.pieces());
    }
}

/// As a `&str`, but that it may turn out here that it is none.
impl Walk for Text<'_> {
    fn walk(&self, frame: &Frame) {
        match self.to_str() {
            Ok(text) => {
                assert_eq!(text.len(), self.len());
                self.as_payload().walk(frame);
            }
            Err(error) => frame.fail(error),
        }
    }
}

impl<T: Walk> Walk for Option<T> {
    fn walk(&self, frame: &Frame) {
        frame.note_value(&self.is_some());
        self.iter().for_each(|value| value.walk(frame));
    }
}

impl<T: Walk> Walk for Result<T, WireError> {
    fn walk(&self, frame: &Frame) {
        match self {
            Ok(value) => value.walk(frame),
            Err(error) => frame.fail(*error),
        }
    }
}

impl<'a, F: crake_wire::Frame<'a>, T: Element<'a, F, Item: Walk>> Walk for List<'a, T, F> {
    fn walk(&self, frame: &Frame) {
        assert!(self.len() <= frame.len_bytes, "more elements than bytes");
        frame.note_value(&self.len());
        let mut count = 0;
        for element in self.clone() {
            if !frame.may_go_on() {
                return;
            }
            element.walk(frame);
            count += 1;
        }
        assert_eq!(count, self.len());
        assert!(self.get(self.len()).is_none());
        assert_eq!(self.clone().next_back().is_none(), self.is_empty());
    }
}

impl<'a, F, K, V> Walk for Map<'a, K, V, F>
where
    F: crake_wire::Frame<'a>,
    K: Key<'a, F> + Walk,
    V: InEntry<'a, F> + Walk,
{
    fn walk(&self, frame: &Frame) {
        assert!(
            self.len() <= frame.len_bytes / 16,
            "more entries than bytes for them"
        );
        frame.note_value(&self.len());
        for entry in self.clone() {
            if !frame.may_go_on() {
                return;
            }
            entry.walk(frame);
        }
        assert!(self.clone().nth(self.len()).is_none());
        assert_eq!(self.clone().next_back().is_none(), self.is_empty());
    }
}

impl<K: Walk, V: Walk> Walk for (K, V) {
    fn walk(&self, frame: &Frame) {
        self.0.walk(frame);
        self.1.walk(frame);
    }
}

impl<'a, V: View<'a> + Walk> Walk for NestedList<'a, V> {
    fn walk(&self, frame: &Frame) {
        assert!(
            self.len() <= frame.len_bytes / 8,
            "more messages than bytes for their pointers"
        );
        frame.note_value(&self.len());
        for message in self.clone() {
            if !frame.may_go_on() {
                return;
            }
            message.walk(frame);
        }
        assert!(self.get(self.len()).is_none());
        assert_eq!(self.clone().next_back().is_none(), self.is_empty());
    }
}

macro_rules! walk_values {
    ($($type:ty)*) => {$(
        impl Walk for $type {
            fn walk(&self, frame: &Frame) {
                frame.note_value(self);
            }
        }
    )*};
}

/// Of a view: what its accessors give. Of what has a text, its bytes, too.
macro_rules! walk_fields {
    ($($view:ident)::+: $($field:ident)*) => {
        impl<'a, F> Walk for $($view)::+<'a, F>
        where
            F: crake_wire::Frame<'a, Bytes: Walk, Text: Walk>,
        {
            fn walk(&self, frame: &Frame) {
                $(self.$field().walk(frame);)*
                let _ = frame;
            }
        }
    };
}

/// The same of a message that can contain itself.
macro_rules! walk_circular {
    ($($view:ident)::+: $($field:ident)*) => {
        impl<'a, F> Walk for $($view)::+<'a, F>
        where
            F: crake_wire::Frame<'a, Bytes: Walk, Text: Walk>,
        {
            fn walk(&self, frame: &Frame) {
                frame.circular.update(|count| count + 1);
                $(self.$field().walk(frame);)*
            }
        }
    };
}

macro_rules! walk_variants {
    ($($view:ident)::+, of numbers alone: $($variant:ident)*) => {
        impl Walk for $($view)::+ {
            fn walk(&self, frame: &Frame) {
                match self {
                    $(Self::$variant(value) => {
                        frame.note_value(&stringify!($variant));
                        value.walk(frame);
                    })*
                }
            }
        }
    };
    ($($view:ident)::+: $($variant:ident)*) => {
        impl<'a, F> Walk for $($view)::+<'a, F>
        where
            F: crake_wire::Frame<'a, Bytes: Walk, Text: Walk>,
        {
            fn walk(&self, frame: &Frame) {
                match self {
                    $(Self::$variant(value) => {
                        frame.note_value(&stringify!($variant));
                        value.walk(frame);
                    })*
                }
            }
        }
    };
}

walk_values!(u32 u64 i32 i64 f32 f64 bool every::Colour every::InnerLeafSide every::Point every::Numbers example::Kind
    example::Point example::Span bulk::Place);
walk_fields!(every::OneView: unsigned32 unsigned64 signed32 signed64 zigzag32 zigzag64 fixed_unsigned32
    fixed_unsigned64 fixed_signed32 fixed_signed64 single twice flag colour text data inner text_bytes);
walk_fields!(every::MaybeView: unsigned32 unsigned64 signed32 signed64 zigzag32 zigzag64 fixed_unsigned32
    fixed_unsigned64 fixed_signed32 fixed_signed64 single twice flag colour text data inner text_bytes);
walk_fields!(every::ManyView: unsigned32 unsigned64 signed32 signed64 zigzag32 zigzag64 fixed_unsigned32
    fixed_unsigned64 fixed_signed32 fixed_signed64 single twice flag colour text data inner);
walk_fields!(every::InnerView: leaf name leaves parts name_bytes);
walk_fields!(every::InnerLeafView: id data numbers side);
walk_fields!(every::SparseView: last first end_of_one start_of_two end_of_two start_of_three end end_bytes);
walk_fields!(every::EmptyView:);
walk_fields!(every::EveryView: one maybe many sparse empty maps choices tree known shapes);
walk_fields!(every::ShapesView: point maybe points named which numbers many by_number);
walk_variants!(every::ShapesWhichView, of numbers alone: One Other Neither);
walk_fields!(every::MapsView: unsigned32 unsigned64 signed32 signed64 zigzag32 zigzag64 fixed_unsigned32
    fixed_unsigned64 fixed_signed32 fixed_signed64 single twice flag colour text data inner);
walk_fields!(every::ChoiceView: before body between r#type after between_bytes);
walk_variants!(every::ChoiceBodyView: Unsigned32 Unsigned64 Signed32 Signed64 Zigzag32 Zigzag64 FixedUnsigned32
    FixedUnsigned64 FixedSigned32 FixedSigned64 Single Twice Flag Colour Text Data Inner Self_);
walk_variants!(every::ChoiceTypeView, of numbers alone: Yes SoMany);
walk_circular!(every::TreeView: name first children named next numbers labels data inner parts flags id name_bytes
    place outline corners);
walk_variants!(every::TreeNextView: Left Branch Leaf);
walk_circular!(every::BranchView: tree other colours values lists object);
walk_fields!(example::AttributesView: id kind size modified_ns storage_class);
walk_fields!(example::BlockView: offset length handle);
walk_fields!(example::LookupReplyView: node blocks inline_value replicas hosts);
walk_fields!(example::LookupRequestView: base path blocks path_bytes);

walk_fields!(example::OutlineView: points longest);
walk_circular!(example::FolderView: sizes owner below);
walk_variants!(example::FolderOwnerView: User Job);
walk_fields!(bulk::ObjectView: key key_bytes value extra note note_bytes parts labels meta metas version named numbered body tree
    place places placed);
walk_variants!(bulk::ObjectBodyView: Image Text Other Number);
walk_fields!(bulk::MetaView: id data);
walk_circular!(bulk::NodeView: name name_bytes value children);

walk_values!(NullValue);
walk_fields!(every::KnownView: at took any values which mask text numbers);
walk_variants!(every::KnownWhichView: Object Nothing Empty);
walk_fields!(TimestampView: seconds nanos);
walk_fields!(DurationView: seconds nanos);
walk_fields!(AnyView: type_url value type_url_bytes);
walk_fields!(well_known::EmptyView:);
walk_fields!(FieldMaskView: paths);
walk_fields!(StringValueView: value value_bytes);
walk_fields!(Int64ValueView: value);
walk_circular!(StructView: fields);
walk_circular!(ListValueView: values);
walk_circular!(ValueView: kind);
walk_variants!(ValueKindView: NullValue NumberValue StringValue BoolValue StructValue ListValue);
