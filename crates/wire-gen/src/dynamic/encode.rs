//! From a message to bytes.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, FieldDescriptor, MapKey, MessageDescriptor, ReflectMessage, Value};
use thiserror::Error;

use super::circle::Circles;
use super::fixed::{self, FixedTypes};
use super::located::Located;
use super::slot::{self, FIELDS_PER_WORD, MORE, SLOT_BYTES};
use super::{Depth, FIXED_OUTERMOST, unsupported, unsupported_field};

/// The bytes of a message: those that generated code writes, and the same for equal messages. The entries of a map are written in the
/// order of their keys.
///
/// What the message has of fields that its type does not know, and of extensions, is left out.
///
/// # Errors
///
/// When the message would be of more than `u32::MAX` bytes, or deeper than [`DEPTH_MAX`](super::DEPTH_MAX) or, in a circle,
/// [`NESTING_MAX`](crake_wire::NESTING_MAX), or when its type cannot lie in bytes (its
/// file is not proto3, or a field's number is above [`FIELD_NUMBER_MAX`](crate::FIELD_NUMBER_MAX), or it is fixed and lies in other
/// messages only).
///
/// # Panics
///
/// When a list was given values of several kinds, past the checks of `DynamicMessage::set_field`.
pub fn encode(message: &DynamicMessage) -> Result<Vec<u8>, EncodeError> {
    let mut encoder = Encoder {
        out: Vec::new(),
        circles: Circles::default(),
        fixed: FixedTypes::default(),
    };
    if encoder.is_fixed(&message.descriptor())? {
        return Err(Unwritable::Unsupported(FIXED_OUTERMOST).into());
    }
    encoder.message(message, Depth::OUTERMOST)?;
    if u32::try_from(encoder.out.len()).is_err() {
        return Err(Unwritable::TooLong.into());
    }
    Ok(encoder.out)
}

/// A message that has no bytes in this format.
pub type EncodeError = Located<Unwritable>;

/// Why it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Unwritable {
    /// It is longer than an offset reaches.
    #[error("the message is longer than {} bytes", u32::MAX)]
    TooLong,
    /// Messages lie within each other deeper than readers go.
    #[error("messages lie within each other too deep")]
    TooDeep,
    /// The schema is not one of this format.
    #[error("messages of this type are not carried: {0}")]
    Unsupported(&'static str),
}

impl From<Unwritable> for EncodeError {
    fn from(reason: Unwritable) -> Self {
        Self::outermost(reason)
    }
}

struct Encoder {
    out: Vec<u8>,
    circles: Circles,
    fixed: FixedTypes,
}

/// The message that is being written.
struct Level<'d> {
    descriptor: &'d MessageDescriptor,
    depth: Depth,
}

impl Encoder {
    /// Appends a message: its head, with slots that are filled as the payload behind it is written.
    fn message(&mut self, message: &DynamicMessage, depth: Depth) -> Result<(), EncodeError> {
        let descriptor = message.descriptor();
        if let Some(why) = unsupported(&descriptor) {
            return Err(Unwritable::Unsupported(why).into());
        }
        let fields: Vec<FieldDescriptor> = descriptor
            .fields()
            .filter(|field| is_present(message, field))
            .collect();
        if let Some((field, why)) = fields
            .iter()
            .find_map(|field| Some((field, unsupported_field(field)?)))
        {
            return Err(EncodeError::from(Unwritable::Unsupported(why)).within_field(field));
        }
        self.out.extend(bitmap(&fields));
        let level = Level {
            descriptor: &descriptor,
            depth,
        };
        let mut at = self.reserve(fields.len() * SLOT_BYTES);
        for field in &fields {
            let slot = self
                .value(&message.get_field(field), &level)
                .map_err(|error| error.within_field(field))?;
            at = self.fill(at, slot);
        }
        Ok(())
    }

    /// Appends the payload of a value, if it has any, and gives its slot.
    fn value(&mut self, value: &Value, level: &Level<'_>) -> Result<u64, EncodeError> {
        if let Some(slot) = slot::of_value(value) {
            return Ok(slot);
        }
        let start = self.out.len();
        let size_or_count = match value {
            Value::String(text) => self.bytes(text.as_bytes()),
            Value::Bytes(bytes) => self.bytes(bytes),
            Value::List(values) => {
                self.list(values, level)?;
                values.len()
            }
            Value::Map(entries) => {
                self.map(entries, level)?;
                entries.len()
            }
            Value::Message(message) if self.is_fixed(&message.descriptor())? => {
                fixed::write(message, &mut self.out);
                self.out.len() - start
            }
            Value::Message(message) => {
                let depth = level
                    .depth
                    .within(&mut self.circles, level.descriptor, &message.descriptor());
                self.message(message, depth.ok_or(Unwritable::TooDeep)?)?;
                self.out.len() - start
            }
            _ => unreachable!("every scalar has a slot"),
        };
        Ok(pointer(size_or_count, start)?)
    }

    fn bytes(&mut self, bytes: &[u8]) -> usize {
        self.out.extend_from_slice(bytes);
        bytes.len()
    }

    /// Scalars and fixed messages one after the other; of others first a table of pointers, then what they point at.
    fn list(&mut self, values: &[Value], level: &Level<'_>) -> Result<(), EncodeError> {
        if let Some(Value::Message(first)) = values.first()
            && self.is_fixed(&first.descriptor())?
        {
            for value in values {
                let message = value
                    .as_message()
                    .expect("the elements of a list are of one kind");
                fixed::write(message, &mut self.out);
            }
            return Ok(());
        }
        let is_scalar = values
            .first()
            .is_some_and(|value| slot::of_value(value).is_some());
        if is_scalar {
            for value in values {
                let slot = slot::of_value(value).expect("the elements of a list are of one kind");
                self.out
                    .extend_from_slice(&slot.to_le_bytes()[..element_bytes(value)]);
            }
            return Ok(());
        }
        let mut at = self.reserve(values.len() * SLOT_BYTES);
        for (index, value) in values.iter().enumerate() {
            let slot = self
                .value(value, level)
                .map_err(|error| error.within_element(index))?;
            at = self.fill(at, slot);
        }
        Ok(())
    }

    fn map(&mut self, entries: &HashMap<MapKey, Value>, level: &Level<'_>) -> Result<(), EncodeError> {
        let mut sorted: Vec<(&MapKey, &Value)> = entries.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let mut at = self.reserve(sorted.len() * 2 * SLOT_BYTES);
        for (key, value) in sorted {
            let slot = self.in_entry(&Value::from(key.clone()), level)?;
            at = self.fill(at, slot);
            let slot = self
                .in_entry(value, level)
                .map_err(|error| error.within_entry(key))?;
            at = self.fill(at, slot);
        }
        Ok(())
    }

    /// What is empty is a slot of zeros in an entry, but for a message.
    fn in_entry(&mut self, value: &Value, level: &Level<'_>) -> Result<u64, EncodeError> {
        match value {
            Value::String(text) if text.is_empty() => Ok(0),
            Value::Bytes(bytes) if bytes.is_empty() => Ok(0),
            _ => self.value(value, level),
        }
    }

    fn is_fixed(&mut self, message: &MessageDescriptor) -> Result<bool, Unwritable> {
        let bytes = self.fixed.bytes(message).map_err(Unwritable::Unsupported)?;
        Ok(bytes.is_some())
    }

    /// Appends zeros, and gives where they begin.
    fn reserve(&mut self, bytes: usize) -> usize {
        let at = self.out.len();
        self.out.resize(at + bytes, 0);
        at
    }

    /// Fills a slot that was reserved, and gives where the next one begins.
    fn fill(&mut self, at: usize, slot: u64) -> usize {
        self.out[at..at + SLOT_BYTES].copy_from_slice(&slot.to_le_bytes());
        at + SLOT_BYTES
    }
}

/// What is default is not there, unless it has presence and was set. Floats count by their bits, so -0.0 is there.
fn is_present(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    if field.supports_presence() {
        return message.has_field(field);
    }
    match message.get_field(field).as_ref() {
        Value::String(text) => !text.is_empty(),
        Value::Bytes(bytes) => !bytes.is_empty(),
        Value::List(values) => !values.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        scalar => slot::of_value(scalar) != Some(0),
    }
}

/// The words that say which fields are there: up to the last one that says anything, and at least one.
fn bitmap(fields: &[FieldDescriptor]) -> Vec<u8> {
    let bit = |field: &FieldDescriptor| {
        let bit = field.number() - 1;
        ((bit / FIELDS_PER_WORD) as usize, bit % FIELDS_PER_WORD)
    };
    let last = fields.last().map_or(0, |field| bit(field).0);
    let mut words = vec![MORE; last];
    words.push(0);
    for (word, bit) in fields.iter().map(bit) {
        words[word] |= 1 << bit;
    }
    words.into_iter().flat_map(u64::to_le_bytes).collect()
}

/// Bytes of a scalar in a list.
fn element_bytes(value: &Value) -> usize {
    match value {
        Value::Bool(_) => 1,
        Value::U32(_) | Value::I32(_) | Value::F32(_) | Value::EnumNumber(_) => 4,
        _ => SLOT_BYTES,
    }
}

/// What points at payload. Its end is what an offset has to reach.
fn pointer(size_or_count: usize, offset: usize) -> Result<u64, Unwritable> {
    let part = |number: usize| u32::try_from(number).map_err(|_| Unwritable::TooLong);
    Ok(u64::from(part(size_or_count)?) | u64::from(part(offset)?) << 32)
}
