//! From bytes to a message.

use std::collections::HashMap;

use crake_wire::WireError;
use prost_reflect::bytes::Bytes;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};
use thiserror::Error;

use super::circle::Circles;
use super::fixed::{self, FixedTypes};
use super::located::Located;
use super::slot::{self, FIELDS_PER_WORD, MORE, SLOT_BYTES, size_and_offset};
use super::{Depth, FIXED_OUTERMOST, unsupported, unsupported_field};

/// How often all bytes of a frame may be read. What a writer made is read once; more is for payload that several fields share.
/// Without a limit, lists that overlap could make a small frame a message of any size.
const READS_MAX: usize = 4;

/// A message of this type, from the bytes of `frame`.
///
/// Fields that the type does not know are passed over, and so is what follows the message. Of several members of a oneof the one with
/// the lowest number counts, of equal keys of a map the last entry, and an enum may have a number that its type does not name.
/// Everything that the type knows is read: the first error ends it.
///
/// Time and memory are proportional to the length of `frame`, whatever is in it.
///
/// # Errors
///
/// When `frame` does not hold such a message, or when the type cannot lie in bytes (its file is not proto3, or a field's number is
/// above [`FIELD_NUMBER_MAX`](crate::FIELD_NUMBER_MAX), or it is fixed and lies in other messages only).
pub fn decode(descriptor: &MessageDescriptor, frame: &[u8]) -> Result<DynamicMessage, DecodeError> {
    let mut decoder = Decoder {
        frame,
        unread_bytes: frame.len().saturating_mul(READS_MAX),
        circles: Circles::default(),
        fixed: FixedTypes::default(),
    };
    if decoder.fixed_bytes(descriptor)?.is_some() {
        return Err(Malformed::Unsupported(FIXED_OUTERMOST).into());
    }
    decoder.message(descriptor, 0..frame.len(), Depth::OUTERMOST)
}

/// Bytes that are not the message that was asked for.
pub type DecodeError = Located<Malformed>;

/// What is wrong with them. But for the last one, the writer of the message is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Malformed {
    /// What a reader of generated code would find, too.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// So many fields point at the same bytes that the message would be far larger than its frame.
    #[error("fields point at the same bytes again and again")]
    TooMuch,
    /// The schema is not one of this format.
    #[error("messages of this type are not carried: {0}")]
    Unsupported(&'static str),
}

impl<R: Into<Malformed>> From<R> for DecodeError {
    fn from(reason: R) -> Self {
        Self::outermost(reason.into())
    }
}

/// Words of a bitmap, or slots.
type Units<'f> = &'f [[u8; SLOT_BYTES]];

/// A range of the frame's bytes.
type Extent = std::ops::Range<usize>;

struct Decoder<'f> {
    frame: &'f [u8],
    /// How many bytes may still be read, however often each of them was.
    unread_bytes: usize,
    circles: Circles,
    fixed: FixedTypes,
}

/// The message that is being read.
struct Level<'d> {
    descriptor: &'d MessageDescriptor,
    depth: Depth,
    /// Of a message of a circle: where nothing lies so far of what it holds.
    free: Option<Extent>,
}

impl<'f> Decoder<'f> {
    fn message(
        &mut self,
        descriptor: &MessageDescriptor,
        extent: Extent,
        depth: Depth,
    ) -> Result<DynamicMessage, DecodeError> {
        if let Some(why) = unsupported(descriptor) {
            return Err(Malformed::Unsupported(why).into());
        }
        let (words, slots) = self.head(extent.clone())?;
        let head_bytes = (words.len() + slots.len()) * SLOT_BYTES;
        let is_in_circle = self.circles.has(descriptor);
        let mut level = Level {
            descriptor,
            depth,
            free: is_in_circle.then_some(extent.start + head_bytes..extent.end),
        };
        let mut message = DynamicMessage::new(descriptor.clone());
        for (number, slot) in numbers(words).zip(slots) {
            let Some(field) = descriptor.get_field(number) else {
                continue;
            };
            let slot = u64::from_le_bytes(*slot);
            if another_counts(&message, &field) {
                self.pass_over(&mut level, &field, slot)
                    .map_err(|error| DecodeError::from(error).within_field(&field))?;
                continue;
            }
            let value = self
                .field(&mut level, &field, slot)
                .map_err(|error| error.within_field(&field))?;
            message.set_field(&field, value);
        }
        Ok(message)
    }

    /// The words of a message's bitmap, and its slots.
    fn head(&mut self, extent: Extent) -> Result<(Units<'f>, Units<'f>), Malformed> {
        let (units, _) = self.frame[extent].as_chunks::<SLOT_BYTES>();
        let mut words = 0;
        let mut slots = 0;
        loop {
            let word = u64::from_le_bytes(*units.get(words).ok_or(WireError::Truncated)?);
            words += 1;
            slots += (word & !MORE).count_ones() as usize;
            if word & MORE == 0 {
                break;
            }
        }
        let (words, rest) = units.split_at(words);
        let slots = rest.get(..slots).ok_or(WireError::Truncated)?;
        self.charge((words.len() + slots.len()) * SLOT_BYTES)?;
        Ok((words, slots))
    }

    fn field(
        &mut self,
        level: &mut Level<'_>,
        field: &FieldDescriptor,
        slot: u64,
    ) -> Result<Value, DecodeError> {
        if let Some(why) = unsupported_field(field) {
            return Err(Malformed::Unsupported(why).into());
        }
        let kind = field.kind();
        match &kind {
            Kind::Message(entry) if field.is_map() => self.map(level, entry, slot),
            _ if field.is_list() => self.list(level, &kind, slot),
            _ => self.value(level, &kind, slot),
        }
    }

    /// A value by its slot, which may be one of a message, an element of a list, or one of the two of an entry.
    fn value(&mut self, level: &mut Level<'_>, kind: &Kind, slot: u64) -> Result<Value, DecodeError> {
        if let Some(scalar) = slot::value(kind, slot) {
            return Ok(scalar?);
        }
        let (size, offset) = size_and_offset(slot);
        let mut bytes = self.pointed(level, size, offset)?;
        match kind {
            Kind::Message(inner) if let Some(expected) = self.fixed_bytes(inner)? => {
                self.charge(size)?;
                if size != expected {
                    return Err(WireError::WrongSize.into());
                }
                Ok(Value::Message(fixed::read(inner, &mut bytes)))
            }
            Kind::Message(inner) => {
                let depth = self.depth_within(level, inner)?;
                Ok(Value::Message(self.message(
                    inner,
                    offset..offset + size,
                    depth,
                )?))
            }
            Kind::String => {
                self.charge(size)?;
                let text = str::from_utf8(bytes).map_err(|_| WireError::NotUtf8)?;
                Ok(Value::String(text.to_owned()))
            }
            _ => {
                self.charge(size)?;
                Ok(Value::Bytes(Bytes::copy_from_slice(bytes)))
            }
        }
    }

    fn list(&mut self, level: &mut Level<'_>, kind: &Kind, slot: u64) -> Result<Value, DecodeError> {
        if let Kind::Message(inner) = kind
            && let Some(element_bytes) = self.fixed_bytes(inner)?
        {
            let mut table = self.table(level, slot, element_bytes)?;
            let count = table.len() / element_bytes;
            let values = (0..count).map(|_| Value::Message(fixed::read(inner, &mut table)));
            return Ok(Value::List(values.collect()));
        }
        let element_bytes = slot::element_bytes(kind);
        let table = self.table(level, slot, element_bytes)?;
        let mut values = Vec::with_capacity(table.len() / element_bytes);
        for (index, element) in table.chunks_exact(element_bytes).enumerate() {
            let value = self
                .value(level, kind, slot::of_element(element))
                .map_err(|error| error.within_element(index))?;
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn map(
        &mut self,
        level: &mut Level<'_>,
        entry: &MessageDescriptor,
        slot: u64,
    ) -> Result<Value, DecodeError> {
        let (key_kind, value_kind) = (
            entry.map_entry_key_field().kind(),
            entry.map_entry_value_field().kind(),
        );
        let table = self.table(level, slot, 2 * SLOT_BYTES)?;
        let mut entries = HashMap::with_capacity(table.len() / (2 * SLOT_BYTES));
        for (index, slots) in table.chunks_exact(2 * SLOT_BYTES).enumerate() {
            let (key, value) = slots.split_at(SLOT_BYTES);
            let key = self
                .value(level, &key_kind, slot::of_element(key))
                .map_err(|error| error.within_element(index))?
                .into_map_key()
                .expect("the parser refuses keys of other types");
            let value = self
                .map_value(level, &value_kind, slot::of_element(value))
                .map_err(|error| error.within_entry(&key))?;
            entries.insert(key, value);
        }
        Ok(Value::Map(entries))
    }

    /// An entry has no bitmap: a slot of zeros is the default there, of a message the empty one.
    fn map_value(&mut self, level: &mut Level<'_>, kind: &Kind, slot: u64) -> Result<Value, DecodeError> {
        match kind {
            Kind::Message(inner) if slot == 0 => {
                self.depth_within(level, inner)?;
                Ok(Value::Message(DynamicMessage::new(inner.clone())))
            }
            _ => self.value(level, kind, slot),
        }
    }

    /// The table that a slot points at.
    fn table(
        &mut self,
        level: &mut Level<'_>,
        slot: u64,
        element_bytes: usize,
    ) -> Result<&'f [u8], Malformed> {
        let (count, offset) = size_and_offset(slot);
        let size = count.checked_mul(element_bytes).ok_or(WireError::OutOfFrame)?;
        let table = self.pointed(level, size, offset)?;
        self.charge(size)?;
        Ok(table)
    }

    /// A member of a oneof that does not count. Of a message of a circle, it has its place in the order.
    fn pass_over(
        &mut self,
        level: &mut Level<'_>,
        field: &FieldDescriptor,
        slot: u64,
    ) -> Result<(), Malformed> {
        let is_pointer = slot::value(&field.kind(), slot).is_none();
        let (size, offset) = size_and_offset(slot);
        if is_pointer && size > 0 && level.free.is_some() {
            self.pointed(level, size, offset)?;
        }
        Ok(())
    }

    /// What a message points at. That of a circle is held to the order: it lies within the message, behind its head and what it has pointed at
    /// before. What is empty lies nowhere.
    fn pointed(&self, level: &mut Level<'_>, size: usize, offset: usize) -> Result<&'f [u8], Malformed> {
        // In two steps, so that no sum can overflow.
        let there = self.frame.get(offset..).and_then(|rest| rest.get(..size));
        let bytes = there.ok_or(WireError::OutOfFrame)?;
        if let Some(free) = level.free.as_mut().filter(|_| size > 0) {
            if offset < free.start || offset + size > free.end {
                return Err(WireError::NotNested.into());
            }
            free.start = offset + size;
        }
        Ok(bytes)
    }

    /// The bytes of a message of this type, if it is fixed.
    fn fixed_bytes(&mut self, message: &MessageDescriptor) -> Result<Option<usize>, Malformed> {
        self.fixed.bytes(message).map_err(Malformed::Unsupported)
    }

    fn depth_within(&mut self, level: &Level<'_>, inner: &MessageDescriptor) -> Result<Depth, Malformed> {
        let depth = level.depth.within(&mut self.circles, level.descriptor, inner);
        Ok(depth.ok_or(WireError::TooDeep)?)
    }

    fn charge(&mut self, bytes: usize) -> Result<(), Malformed> {
        self.unread_bytes = self.unread_bytes.checked_sub(bytes).ok_or(Malformed::TooMuch)?;
        Ok(())
    }
}

/// Whether the message has another member of the field's oneof already. (An `optional` field has a oneof of its own.)
fn another_counts(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let oneof = field.containing_oneof();
    oneof.is_some_and(|oneof| oneof.fields().any(|member| message.has_field(&member)))
}

/// The field numbers that a bitmap tells of, in order.
fn numbers(words: Units<'_>) -> impl Iterator<Item = u32> {
    // A frame would have to be of 2³⁷ bytes to have a word that no number reaches.
    let words = (0..u32::MAX / FIELDS_PER_WORD).zip(words);
    words.flat_map(|(index, word)| {
        let word = u64::from_le_bytes(*word);
        let bits = (0..FIELDS_PER_WORD).filter(move |bit| word >> bit & 1 == 1);
        bits.map(move |bit| index * FIELDS_PER_WORD + bit + 1)
    })
}
