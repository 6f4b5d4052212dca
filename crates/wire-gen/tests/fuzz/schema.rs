//! The descriptors of the messages that are fuzzed.

use std::fs;
use std::sync::LazyLock;

use crake_wire_gen::Config;
use prost_reflect::MessageDescriptor;

pub static EVERY: LazyLock<MessageDescriptor> =
    LazyLock::new(|| message(include_str!("../proto/every.proto"), "test.every.Every"));
pub static OBJECT: LazyLock<MessageDescriptor> =
    LazyLock::new(|| message(include_str!("../proto/bulk.proto"), "bulk.Object"));
pub static FOLDER: LazyLock<MessageDescriptor> =
    LazyLock::new(|| message(include_str!("../proto/example.proto"), "example.Folder"));

/// One of these, which the first byte of an input chooses, and the rest of it.
pub fn chosen(input: &[u8]) -> Option<(&'static MessageDescriptor, &[u8])> {
    let (which, rest) = input.split_first()?;
    Some(([&*EVERY, &*OBJECT, &*FOLDER][usize::from(*which) % 3], rest))
}

fn message(source: &str, name: &str) -> MessageDescriptor {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("t.proto"), source).expect("a file in it");
    let protos = Config::new().file("t.proto").include(folder.path()).load();
    protos
        .expect("it is sound")
        .message(name)
        .expect("it is declared")
}
