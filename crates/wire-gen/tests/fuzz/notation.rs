//! Messages in JSON and in Protobuf's text format, to bytes.
//!
//! Input: a byte that chooses a type; one that chooses the notation; the text.

use crake_wire_gen::dynamic::{DEPTH_MAX, decode, encode, text_depth};
use prost_reflect::{DynamicMessage, MessageDescriptor, ReflectMessage, Value};

use crate::schema;

/// What a message can be written down in.
#[derive(Clone, Copy)]
pub enum Notation {
    /// proto3's JSON.
    Json,
    /// Protobuf's text format.
    Text,
}

/// Reads a message, writes it, and reads it again.
pub fn run(input: &[u8]) {
    let Some((descriptor, [which, text @ ..])) = schema::chosen(input) else {
        return;
    };
    let notation = if which % 2 == 0 {
        Notation::Json
    } else {
        Notation::Text
    };
    let Ok(text) = str::from_utf8(text) else {
        return;
    };
    let Some(message) = notation.read(descriptor, text) else {
        return;
    };
    // What is too deep is refused.
    let Ok(bytes) = encode(&message) else {
        return;
    };
    let read = decode(descriptor, &bytes).expect("it was just written");
    assert_eq!(encode(&read).as_ref(), Ok(&bytes));
    // A field that is there with its default, though it is not `optional`, is not one of another message.
    let mut expected = message;
    fill_fixed(&mut expected);
    assert_eq!(json(&read), json(&expected));
}

/// Gives fixed messages the messages in them, which are there whether they were set or not.
fn fill_fixed(message: &mut DynamicMessage) {
    let descriptor = message.descriptor();
    let is_fixed = is_fixed(&descriptor);
    for field in descriptor.fields() {
        let is_inside = is_fixed && field.kind().as_message().is_some();
        if is_inside || message.has_field(&field) {
            fill_value(message.get_field_mut(&field));
        }
    }
}

fn fill_value(value: &mut Value) {
    match value {
        Value::Message(message) => fill_fixed(message),
        Value::List(values) => values.iter_mut().for_each(fill_value),
        Value::Map(entries) => entries.values_mut().for_each(fill_value),
        _ => {}
    }
}

fn is_fixed(message: &MessageDescriptor) -> bool {
    let option = message.parent_pool().get_extension_by_name("crake.fixed");
    option.is_some_and(|option| message.options().get_extension(&option).as_bool() == Some(true))
}

impl Notation {
    /// A message written down, if it can be.
    pub fn show(self, message: &DynamicMessage) -> Option<String> {
        match self {
            // The shortest digits of this number are those of a larger one, which is none of 32 bits: it is not read again.
            Self::Json if message.fields().any(|(_, value)| has_widest(value)) => None,
            Self::Json => serde_json::to_string(message).ok(),
            Self::Text => Some(message.to_text_format()),
        }
    }

    /// The message of this type that a text is, if it is one.
    pub fn read(self, descriptor: &MessageDescriptor, text: &str) -> Option<DynamicMessage> {
        match self {
            Self::Json => {
                DynamicMessage::deserialize(descriptor.clone(), &mut serde_json::Deserializer::from_str(text))
                    .ok()
            }
            Self::Text if text_depth(text) >= DEPTH_MAX => None,
            Self::Text => DynamicMessage::parse_text_format(descriptor.clone(), text).ok(),
        }
    }
}

/// Keys of maps come in any order, but not here.
fn json(message: &DynamicMessage) -> Option<serde_json::Value> {
    serde_json::to_value(message).ok()
}

/// Whether a message is written down with all that it has: there is one NaN only, and no -0.0 where zero is left out, and what is of some types is shown in
/// a form of its own.
pub fn keeps_all(message: &DynamicMessage) -> bool {
    let descriptor = message.descriptor();
    // `DynamicMessage::fields` would leave out -0.0.
    let mut fields = descriptor
        .fields()
        .filter(|field| !field.supports_presence() || message.has_field(field));
    !has_own_form(descriptor.full_name())
        && is_sound_time(message)
        && fields.all(|field| {
            let kind = field.kind();
            let is_null = kind.as_enum().is_some_and(|kind| has_own_form(kind.full_name()));
            !is_null && value_keeps_all(&message.get_field(&field))
        })
}

fn value_keeps_all(value: &Value) -> bool {
    match value {
        Value::F32(number) => !number.is_nan() && number.to_bits() != 1 << 31,
        Value::F64(number) => !number.is_nan() && number.to_bits() != 1 << 63,
        Value::Message(message) => keeps_all(message),
        Value::List(values) => values.iter().all(value_keeps_all),
        Value::Map(entries) => entries.values().all(value_keeps_all),
        _ => true,
    }
}

/// Whether this is no time, or one in the only form that its notation has: in others the nanoseconds may be those of other seconds.
fn is_sound_time(message: &DynamicMessage) -> bool {
    let descriptor = message.descriptor();
    let number = |field: &str| {
        let value = message.get_field_by_name(field)?;
        value.as_i64().or_else(|| value.as_i32().map(i64::from))
    };
    let second = 1_000_000_000;
    match (descriptor.full_name(), number("seconds"), number("nanos")) {
        ("google.protobuf.Timestamp", _, Some(nanos)) => (0..second).contains(&nanos),
        ("google.protobuf.Duration", Some(seconds), Some(nanos)) => {
            nanos.abs() < second && seconds.signum() * nanos.signum() >= 0
        }
        _ => true,
    }
}

/// Whether there is the largest number of 32 bits, or the smallest.
fn has_widest(value: &Value) -> bool {
    match value {
        Value::F32(number) => number.abs() == f32::MAX,
        Value::Message(message) => message.fields().any(|(_, value)| has_widest(value)),
        Value::List(values) => values.iter().any(has_widest),
        Value::Map(entries) => entries.values().any(has_widest),
        _ => false,
    }
}

fn has_own_form(full_name: &str) -> bool {
    let name = full_name.strip_prefix("google.protobuf.");
    name.is_some_and(|name| ["Any", "FieldMask", "NullValue", "Value"].contains(&name))
}
