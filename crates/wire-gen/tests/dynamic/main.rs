//! Messages by descriptors: the same bytes as generated code, every kind and label, and hostile bytes.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod checks;
mod generated;
mod hostile;
mod shapes;

/// What the other tests hold equal to the compiler's output.
#[allow(dead_code)]
mod every {
    include!("../golden/every.rs");
}

/// Reads all of a message by generated code.
#[path = "../messages/read.rs"]
mod read;

/// Messages of any content.
#[path = "../messages/sample.rs"]
mod sample;

use std::fs;
use std::path::Path;

use crake_wire_gen::{Config, Protos};
use prost_reflect::{DynamicMessage, MessageDescriptor};

/// One of the files of `tests/proto`.
fn protos(name: &str) -> Protos {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/proto");
    let config = Config::new().file(format!("{name}.proto")).include(folder);
    config.load().expect("the file is sound")
}

/// The message `M` of a schema that is written here.
fn message_of(body: &str) -> MessageDescriptor {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(
        folder.path().join("t.proto"),
        format!("syntax = \"proto3\";\n{body}"),
    )
    .expect("a file in it");
    let protos = Config::new().file("t.proto").include(folder.path()).load();
    protos.expect("it is sound").message("M").expect("it has an M")
}

fn from_json(descriptor: &MessageDescriptor, json: &str) -> DynamicMessage {
    DynamicMessage::deserialize(descriptor.clone(), &mut serde_json::Deserializer::from_str(json))
        .expect(json)
}

/// The words that a line of slots and pointers is made of, as bytes.
fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A slot that points at payload.
fn pointer(size_or_count: u32, offset: u32) -> u64 {
    u64::from(size_or_count) | u64::from(offset) << 32
}
