//! Types, by how they lie in bytes.

use prost_reflect::{FieldDescriptor, Kind};

/// Where values of a type lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Where {
    /// In a slot of their own: widened to 8 bytes.
    Slot,
    /// In a list, one after the other.
    List,
}

/// Types that lie in bytes in one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Unsigned32,
    Unsigned64,
    Signed32,
    Signed64,
    Enum,
    Float,
    Double,
    Bool,
    String,
    Bytes,
    Message,
}

impl Class {
    fn of(kind: &Kind) -> Self {
        match kind {
            Kind::Uint32 | Kind::Fixed32 => Self::Unsigned32,
            Kind::Uint64 | Kind::Fixed64 => Self::Unsigned64,
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Self::Signed32,
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Self::Signed64,
            Kind::Enum(_) => Self::Enum,
            Kind::Float => Self::Float,
            Kind::Double => Self::Double,
            Kind::Bool => Self::Bool,
            Kind::String => Self::String,
            Kind::Bytes => Self::Bytes,
            Kind::Message(_) => Self::Message,
        }
    }
}

/// Why one type cannot stand for another; none if it can. Two messages can, and two enums: they are compared by what they declare.
pub(super) fn difference(old: &Kind, new: &Kind, lies: Where) -> Option<&'static str> {
    use Class::{Bytes, Enum, Signed32, Signed64, String, Unsigned32, Unsigned64};
    match (Class::of(old), Class::of(new)) {
        (old, new) if old == new => None,
        (Enum, Signed32) => None,
        (Unsigned32, Unsigned64) | (Signed32 | Enum, Signed64) if lies == Where::Slot => None,
        (Unsigned32, Unsigned64)
        | (Unsigned64, Unsigned32)
        | (Signed32 | Enum, Signed64)
        | (Signed64, Signed32 | Enum)
            if lies == Where::List =>
        {
            Some("an element of the list has 4 bytes on one side and 8 on the other")
        }
        (Signed32 | Signed64, Enum) => {
            Some("new programs refuse numbers of old ones that the enum does not name")
        }
        (Unsigned64, Unsigned32) | (Signed64, Signed32) => Some(
            "new programs see only the low bits of a value of old ones that is too large for the new type",
        ),
        (String, Bytes) => Some("old programs refuse bytes of new ones that are not UTF-8"),
        (Bytes, String) => Some("new programs refuse bytes of old ones that are not UTF-8"),
        _ => Some("each side reads the bytes of one type as those of another"),
    }
}

/// The type of a field as a .proto file has it: `uint32`, `repeated Block`, `map<string, bytes>`.
pub(super) fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            // A kind's Debug is its name in a .proto file.
            format!("map<{:?}, {:?}>", key.kind(), value.kind())
        }
        kind if field.is_list() => format!("repeated {kind:?}"),
        kind => format!("{kind:?}"),
    }
}
