//! Scalars as they lie in slots and in lists, by kinds that are known only when the program runs.

use crake_wire::{Scalar, WireError};
use prost_reflect::{Kind, Value};

/// Bytes of a slot, of a word of the bitmap, and of a pointer.
pub(super) const SLOT_BYTES: usize = 8;

/// Fields that one word of the bitmap tells of.
pub(super) const FIELDS_PER_WORD: u32 = 63;
/// The bit that says that another word follows.
pub(super) const MORE: u64 = 1 << FIELDS_PER_WORD;

/// The value in a slot; none if what lies there is a pointer.
pub(super) fn value(kind: &Kind, slot: u64) -> Option<Result<Value, WireError>> {
    Some(Ok(match kind {
        Kind::Uint32 | Kind::Fixed32 => Value::U32(u32::from_slot(slot)),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::from_slot(slot)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(i32::from_slot(slot)),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::from_slot(slot)),
        Kind::Float => Value::F32(f32::from_slot(slot)),
        Kind::Double => Value::F64(f64::from_slot(slot)),
        Kind::Enum(_) => Value::EnumNumber(i32::from_slot(slot)),
        Kind::Bool => return Some(bool::from_slot(slot).map(Value::Bool)),
        Kind::String | Kind::Bytes | Kind::Message(_) => return None,
    }))
}

/// The slot of a value; none if it needs a pointer.
pub(super) fn of_value(value: &Value) -> Option<u64> {
    Some(match *value {
        Value::U32(value) => value.to_slot(),
        Value::U64(value) => value.to_slot(),
        Value::I32(value) | Value::EnumNumber(value) => value.to_slot(),
        Value::I64(value) => value.to_slot(),
        Value::F32(value) => value.to_slot(),
        Value::F64(value) => value.to_slot(),
        Value::Bool(value) => value.to_slot(),
        Value::String(_) | Value::Bytes(_) | Value::Message(_) | Value::List(_) | Value::Map(_) => {
            return None;
        }
    })
}

/// The bytes of an element of a list. The slot of a scalar begins with them.
pub(crate) fn element_bytes(kind: &Kind) -> usize {
    match kind {
        Kind::Bool => 1,
        Kind::Uint32
        | Kind::Fixed32
        | Kind::Int32
        | Kind::Sint32
        | Kind::Sfixed32
        | Kind::Float
        | Kind::Enum(_) => 4,
        Kind::Uint64
        | Kind::Fixed64
        | Kind::Int64
        | Kind::Sint64
        | Kind::Sfixed64
        | Kind::Double
        | Kind::String
        | Kind::Bytes
        | Kind::Message(_) => SLOT_BYTES,
    }
}

/// An element of a list, widened to a slot: bits above the value's own width are not looked at.
pub(super) fn of_element(element: &[u8]) -> u64 {
    let mut slot = [0; SLOT_BYTES];
    slot[..element.len()].copy_from_slice(element);
    u64::from_le_bytes(slot)
}

/// Splits what points at payload into size (or count) and offset.
pub(super) fn size_and_offset(pointer: u64) -> (usize, usize) {
    (pointer as u32 as usize, (pointer >> 32) as usize)
}
