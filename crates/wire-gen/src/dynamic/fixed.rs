//! Fixed messages: their numbers one after the other.

use std::collections::HashMap;

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage, Value};

use super::slot;
use crate::fixed::{is_fixed, layout};

/// What was found out about which messages are fixed so far.
#[derive(Debug, Default)]
pub(super) struct FixedTypes {
    /// By full names: the bytes of a fixed message, or why it cannot be one; none for any other.
    known: HashMap<String, Option<Result<usize, &'static str>>>,
}

impl FixedTypes {
    /// The bytes of a message of this type if it is fixed; or why it cannot be, though it says so.
    pub(super) fn bytes(&mut self, message: &MessageDescriptor) -> Result<Option<usize>, &'static str> {
        if let Some(known) = self.known.get(message.full_name()) {
            return known.transpose();
        }
        let bytes = is_fixed(message).then(|| match layout(message) {
            Ok(layout) => Ok(layout.bytes),
            Err(refused) => Err(refused.why),
        });
        self.known.insert(message.full_name().to_owned(), bytes);
        bytes.transpose()
    }
}

/// The message that `bytes` begin with, which then begin behind it. There are as many as [`FixedTypes::bytes`] says.
pub(super) fn read(descriptor: &MessageDescriptor, bytes: &mut &[u8]) -> DynamicMessage {
    let mut message = DynamicMessage::new(descriptor.clone());
    for field in descriptor.fields() {
        match field.kind() {
            Kind::Message(inner) => message.set_field(&field, Value::Message(read(&inner, bytes))),
            kind => {
                if let Some(number) = number(&kind, bytes) {
                    message.set_field(&field, number);
                }
            }
        }
    }
    message
}

/// None for what is default, which a message does not keep.
fn number(kind: &Kind, bytes: &mut &[u8]) -> Option<Value> {
    let (raw, rest) = bytes.split_at(slot::element_bytes(kind));
    *bytes = rest;
    let slot = slot::of_element(raw);
    let number = slot::value(kind, slot)
        .expect("what is no message in a fixed one is a number")
        .expect("all bits are a number");
    (slot != 0).then_some(number)
}

/// Appends a message.
pub(super) fn write(message: &DynamicMessage, out: &mut Vec<u8>) {
    for field in message.descriptor().fields() {
        match message.get_field(&field).as_ref() {
            Value::Message(inner) => write(inner, out),
            number => {
                let slot = slot::of_value(number).expect("what is no message in a fixed one is a number");
                out.extend_from_slice(&slot.to_le_bytes()[..slot::element_bytes(&field.kind())]);
            }
        }
    }
}
