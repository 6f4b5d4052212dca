//! Fixed messages by their descriptors: which messages are, and how their bytes lie.

use prost_reflect::{FieldDescriptor, FileDescriptor, Kind, MessageDescriptor};

use crate::dynamic::slot;

/// The option that makes a message fixed, as `proto/crake/wire.proto` declares it.
const OPTION: &str = "crake.fixed";
const OPTION_NUMBER: u32 = 52725;

/// The most bytes of one: it is a value that programs copy.
const BYTES_MAX: usize = 65_536;
/// The most that lie within each other, the outermost one counted.
const DEPTH_MAX: usize = 16;

/// Whether a message says that it is fixed.
pub(crate) fn is_fixed(message: &MessageDescriptor) -> bool {
    let option = message
        .parent_pool()
        .get_extension_by_name(OPTION)
        .filter(|option| {
            option.number() == OPTION_NUMBER
                && option.containing_message().full_name() == "google.protobuf.MessageOptions"
        });
    option.is_some_and(|option| message.options().get_extension(&option).as_bool() == Some(true))
}

/// How the bytes of a fixed message lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Where each field begins, in the order of their numbers.
    pub starts: Vec<usize>,
    pub bytes: usize,
}

/// A message that cannot be fixed, though it, or the one that it lies in, says so.
#[derive(Debug)]
pub(crate) struct Refused {
    /// Where the reason stands.
    pub file: FileDescriptor,
    pub path: Vec<i32>,
    /// And what to do instead.
    pub why: &'static str,
}

impl Refused {
    fn message(message: &MessageDescriptor, why: &'static str) -> Self {
        Self {
            file: message.parent_file(),
            path: message.path().to_vec(),
            why,
        }
    }

    fn field(field: &FieldDescriptor, why: &'static str) -> Self {
        Self {
            file: field.parent_file(),
            path: field.path().to_vec(),
            why,
        }
    }
}

/// The layout of a message that says that it is fixed.
pub(crate) fn layout(message: &MessageDescriptor) -> Result<Layout, Refused> {
    layout_within(message, &mut Vec::new())
}

/// `around` are the names of those that it lies in.
fn layout_within(message: &MessageDescriptor, around: &mut Vec<String>) -> Result<Layout, Refused> {
    if around.len() == DEPTH_MAX {
        let why = "more than 16 fixed messages lie within each other: put the fields of one into another";
        return Err(Refused::message(message, why));
    }
    if message.fields().len() == 0 {
        let why = "a fixed message has at least one field: declare a number, or leave the option out";
        return Err(Refused::message(message, why));
    }
    around.push(message.full_name().to_owned());
    let (mut starts, mut bytes) = (Vec::new(), 0);
    for field in message.fields() {
        starts.push(bytes);
        bytes += field_bytes(&field, around)?;
        if bytes > BYTES_MAX {
            let why = "a fixed message has at most 65536 bytes: make a list of smaller ones";
            return Err(Refused::field(&field, why));
        }
    }
    around.pop();
    Ok(Layout { starts, bytes })
}

fn field_bytes(field: &FieldDescriptor, around: &mut Vec<String>) -> Result<usize, Refused> {
    if let Some(why) = label_refused(field) {
        return Err(Refused::field(field, why));
    }
    let why = match field.kind() {
        Kind::Message(inner) if around.iter().any(|name| name == inner.full_name()) => {
            "a fixed message cannot contain itself: use a message without the option"
        }
        Kind::Message(inner) if is_fixed(&inner) => return Ok(layout_within(&inner, around)?.bytes),
        Kind::Message(_) => {
            "only fixed messages lie in a fixed message: say `option (crake.fixed) = true;` there, too, or leave it out here"
        }
        Kind::Bool => "not every byte is a bool, so none is in a fixed message: use uint32, 0 or 1",
        Kind::Enum(_) => {
            "not every number is a value of an enum, so none is in a fixed message: use int32, and convert what is read"
        }
        Kind::String | Kind::Bytes => {
            "a fixed message has no strings or bytes, which have any size: leave the option out, or put the field into the \
             message around it"
        }
        number => return Ok(slot::element_bytes(&number)),
    };
    Err(Refused::field(field, why))
}

/// Each field of a fixed message is there, and once.
fn label_refused(field: &FieldDescriptor) -> Option<&'static str> {
    if field.is_list() || field.is_map() {
        return Some(
            "a fixed message has no lists or maps, which have any size: declare a field for each element, or put the list \
             into the message around it",
        );
    }
    let is_message = matches!(field.kind(), Kind::Message(_));
    match field.containing_oneof() {
        Some(oneof) if !oneof.is_synthetic() => {
            Some("all fields of a fixed message are there: declare them without a oneof")
        }
        // A message has presence by itself.
        None if is_message || !field.supports_presence() => None,
        _ => Some(
            "all fields of a fixed message are there: leave `optional` out, and choose a number for what is not set",
        ),
    }
}
