//! What must be so of any bytes that are read by descriptors.

use bumpalo::Bump;
use crake_wire::{Encode, WireError};
use crake_wire_gen::dynamic::{Malformed, decode, encode};
use prost_reflect::{DynamicMessage, MessageDescriptor, Value};

use crate::{every, read};

/// How many values there are, each byte of a string or bytes being one.
fn values(message: &DynamicMessage) -> usize {
    1 + message.fields().map(|(_, value)| values_in(value)).sum::<usize>()
}

fn values_in(value: &Value) -> usize {
    match value {
        Value::Message(message) => values(message),
        Value::List(list) => list.iter().map(values_in).sum(),
        Value::Map(map) => map.values().map(|value| 1 + values_in(value)).sum(),
        Value::String(text) => 1 + text.len(),
        Value::Bytes(bytes) => 1 + bytes.len(),
        _ => 1,
    }
}

/// What comes out is in proportion, and can be written and read again.
pub fn assert_harmless(descriptor: &MessageDescriptor, frame: &[u8]) {
    let Ok(message) = decode(descriptor, frame) else {
        return;
    };
    assert!(
        values(&message) <= 8 * frame.len(),
        "{} of {}",
        values(&message),
        frame.len()
    );
    let again = encode(&message).expect("what was read can be written");
    let read = decode(descriptor, &again).unwrap();
    assert_eq!(encode(&read).unwrap(), again);
}

/// What generated code reads to the end is read here, too, and nothing else; both write it as the same bytes. But for two things: a number that an
/// enum does not name is none there, and who reads all of a frame there counts for himself how much that is.
pub fn assert_agree(every: &MessageDescriptor, frame: &[u8]) {
    let by_descriptor = decode(every, frame);
    if matches!(&by_descriptor, Err(error) if error.reason() == Malformed::TooMuch) {
        return;
    }
    let arena = Bump::new();
    let generated = every::EveryView::parse(frame).and_then(|view| read::every(&view, &arena));
    match (generated, by_descriptor) {
        (Ok(generated), Ok(by_descriptor)) => {
            let again = decode(every, &generated.encode_to_vec()).expect("generated code has written it");
            assert_eq!(encode(&again), encode(&by_descriptor));
        }
        (Err(_), Err(_)) | (Err(WireError::UnknownEnum(_)), Ok(_)) => {}
        (generated, by_descriptor) => panic!("{generated:?} and {by_descriptor:?}"),
    }
}
