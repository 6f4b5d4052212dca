//! What a .proto file says, checked and with Rust's names: all that the emitter needs.

use std::collections::{BTreeMap, BTreeSet};

mod check;
mod fields;
mod fixed;
mod source;
mod types;
pub(crate) mod well_known;

pub(crate) use check::check;

use crate::name;

/// The highest field number: what sixteen words of bitmap tell of.
pub const FIELD_NUMBER_MAX: u32 = 63 * 16;

/// What the user wants, see `Config`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'s> {
    /// Packages to Rust paths.
    pub paths: &'s BTreeMap<String, String>,
    /// Full names of messages.
    pub inlined: &'s BTreeSet<String>,
    pub gathers: bool,
    /// Whether services have stubs.
    pub stubs: bool,
}

/// One package.
#[derive(Debug)]
pub(crate) struct Schema {
    pub package: String,
    /// The files that it comes from.
    pub files: Vec<String>,
    pub enums: Vec<Enum>,
    pub fixed: Vec<Fixed>,
    pub messages: Vec<Message>,
    pub services: Vec<Service>,
}

#[derive(Debug)]
pub(crate) struct Enum {
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    /// The first one is zero, the default.
    pub values: Vec<Value>,
    pub aliases: Vec<Alias>,
}

#[derive(Debug)]
pub(crate) struct Value {
    pub name: String,
    pub docs: Vec<String>,
    pub number: i32,
}

/// Another name for a value.
#[derive(Debug)]
pub(crate) struct Alias {
    /// The name of a constant.
    pub name: String,
    pub docs: Vec<String>,
    /// The value's name.
    pub of: String,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    /// In the order of their numbers.
    pub fields: Vec<Field>,
    pub oneofs: Vec<Oneof>,
    /// Whether the struct needs a lifetime.
    pub borrows: bool,
    /// Whether it is put together wherever it is sent from.
    pub is_inlined: bool,
    /// Whether its bytes and strings need not be copied.
    pub gathers: bool,
    /// Whether it can contain itself.
    pub in_circle: bool,
}

#[derive(Debug)]
pub(crate) struct Field {
    /// A Rust identifier, raw where it must be.
    pub name: String,
    pub docs: Vec<String>,
    pub number: u32,
    pub label: Label,
    pub kind: Kind,
    /// The index of the oneof that it is a member of.
    pub oneof: Option<usize>,
}

/// A fixed message.
#[derive(Debug)]
pub(crate) struct Fixed {
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    /// In the order of their numbers, each with where it begins.
    pub fields: Vec<(usize, Field)>,
    pub bytes: usize,
    /// Whether it is put together wherever it is sent from.
    pub is_inlined: bool,
}

/// Fields of which at most one is there.
#[derive(Debug)]
pub(crate) struct Oneof {
    /// A Rust identifier, raw where it must be.
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    /// The name of the Rust enum.
    pub type_name: String,
    pub docs: Vec<String>,
    /// Whether the enum needs a lifetime.
    pub borrows: bool,
}

/// What is one field in Rust.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Item<'m> {
    Field(&'m Field),
    Oneof(&'m Oneof),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Singular,
    Optional,
    Repeated,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A Rust integer type.
    Integer(&'static str),
    /// A Rust floating-point type.
    Float(&'static str),
    Bool,
    /// The Rust path of the enum.
    Enum(String),
    String,
    Bytes,
    Message {
        /// The Rust path.
        path: String,
        /// Whether its struct has a lifetime.
        borrows: bool,
        /// Whether it can contain the message whose field this is.
        in_circle: bool,
    },
    /// A fixed message.
    Fixed {
        /// The Rust path.
        path: String,
        bytes: usize,
    },
    /// With the label of a list: a list of entries.
    Map {
        key: Box<Kind>,
        value: Box<Kind>,
    },
}

#[derive(Debug)]
pub(crate) struct Service {
    /// The module's name.
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    pub methods: Vec<Method>,
    /// Whether there are stubs for both sides.
    pub has_stubs: bool,
}

#[derive(Debug)]
pub(crate) struct Method {
    /// The constant's name.
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    pub number: u16,
    /// The name of the Rust function.
    pub function: String,
    pub request: MethodMessage,
    pub reply: MethodMessage,
    /// Whether the reply is any number of messages.
    pub streams: bool,
}

/// What a method takes or gives.
#[derive(Debug)]
pub(crate) struct MethodMessage {
    /// The Rust path, seen from the package's module.
    pub path: String,
    /// Whether its struct has a lifetime.
    pub borrows: bool,
}

impl Message {
    /// Words of bitmap that the schema's fields need.
    pub(crate) fn words(&self) -> u32 {
        self.fields.last().map_or(1, |field| field.number.div_ceil(63))
    }

    /// The Rust fields in the order of their numbers; a oneof has that of its lowest member.
    pub(crate) fn items(&self) -> impl Iterator<Item = Item<'_>> {
        let mut seen = vec![false; self.oneofs.len()];
        self.fields.iter().filter_map(move |field| match field.oneof {
            None => Some(Item::Field(field)),
            Some(oneof) => {
                (!std::mem::replace(&mut seen[oneof], true)).then(|| Item::Oneof(&self.oneofs[oneof]))
            }
        })
    }

    /// The members of a oneof in the order of their numbers.
    pub(crate) fn members(&self, oneof: &Oneof) -> impl Iterator<Item = &Field> {
        self.fields.iter().filter(|field| {
            self.oneof_of(field)
                .is_some_and(|other| other.type_name == oneof.type_name)
        })
    }

    /// The oneof that a field is a member of.
    pub(crate) fn oneof_of(&self, field: &Field) -> Option<&Oneof> {
        field.oneof.map(|oneof| &self.oneofs[oneof])
    }
}

impl Field {
    /// The name as the .proto file has it.
    pub(crate) fn shown_name(&self) -> &str {
        self.name.trim_start_matches("r#")
    }

    /// Of a string: the getter of its bytes.
    pub(crate) fn bytes_getter(&self) -> Option<String> {
        let is_one_string =
            self.kind == Kind::String && self.label != Label::Repeated && self.oneof.is_none();
        is_one_string.then(|| format!("{}_bytes", self.shown_name()))
    }

    /// Of a member of a oneof: its variant.
    pub(crate) fn variant(&self) -> String {
        let variant = name::type_name(self.shown_name());
        if variant == "Self" { variant + "_" } else { variant }
    }
}

impl Kind {
    /// Whether its struct field borrows, when it is neither a list nor a map.
    pub(crate) fn borrows(&self) -> bool {
        match self {
            Kind::Integer(_) | Kind::Float(_) | Kind::Bool | Kind::Enum(_) | Kind::Fixed { .. } => false,
            Kind::Message {
                borrows, in_circle, ..
            } => *borrows || *in_circle,
            Kind::String | Kind::Bytes | Kind::Map { .. } => true,
        }
    }
}
