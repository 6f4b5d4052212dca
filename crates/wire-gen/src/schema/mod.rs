//! What a .proto file says, checked and with Rust's names: all that the emitter needs.

mod check;
mod source;
mod types;

pub(crate) use check::check;

/// The highest field number: what four words of bitmap tell of.
pub const FIELD_NUMBER_MAX: u32 = 63 * 4;

/// One package.
#[derive(Debug)]
pub(crate) struct Schema {
    pub package: String,
    /// The files that it comes from.
    pub files: Vec<String>,
    pub enums: Vec<Enum>,
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
}

#[derive(Debug)]
pub(crate) struct Value {
    pub name: String,
    pub docs: Vec<String>,
    pub number: i32,
}

#[derive(Debug)]
pub(crate) struct Message {
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    /// In the order of their numbers.
    pub fields: Vec<Field>,
    /// Whether the struct needs a lifetime.
    pub borrows: bool,
    /// Whether it is put together wherever it is sent from.
    pub is_inlined: bool,
}

#[derive(Debug)]
pub(crate) struct Field {
    /// A Rust identifier, raw where it must be.
    pub name: String,
    pub docs: Vec<String>,
    pub number: u32,
    pub label: Label,
    pub kind: Kind,
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
    /// The Rust path of the message, and whether its struct has a lifetime.
    Message {
        path: String,
        borrows: bool,
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
}

#[derive(Debug)]
pub(crate) struct Method {
    /// The constant's name.
    pub name: String,
    /// The name in the .proto file.
    pub proto_name: String,
    pub docs: Vec<String>,
    pub number: u16,
    /// Rust paths, seen from the package's module.
    pub request: String,
    pub reply: String,
}

impl Message {
    /// Words of bitmap that the schema's fields need.
    pub(crate) fn words(&self) -> u32 {
        self.fields.last().map_or(1, |field| field.number.div_ceil(63))
    }
}

impl Field {
    /// The name as the .proto file has it.
    pub(crate) fn shown_name(&self) -> &str {
        self.name.trim_start_matches("r#")
    }

    /// Of a string: the getter of its bytes.
    pub(crate) fn bytes_getter(&self) -> Option<String> {
        let is_one_string = self.kind == Kind::String && self.label != Label::Repeated;
        is_one_string.then(|| format!("{}_bytes", self.shown_name()))
    }
}
