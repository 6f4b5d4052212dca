//! The types of `google.protobuf` that `crake-wire` has: compiled from the files in `proto/`, whose declarations are those of
//! Protobuf's own files and whose comments are ours.
//!
//! `CRAKE_UPDATE_GOLDEN=1 cargo test -p crake-wire-gen --test well_known` writes them anew. This test is built with the library
//! that it writes a part of: after a change that the old text does not compile with, leave `well_known` out of `crake-wire`
//! while this runs.

use std::path::Path;
use std::{env, fs};

use crake_wire_gen::Config;
use prost_types::{DescriptorProto, EnumDescriptorProto};

const FILES: [&str; 7] = [
    "any",
    "duration",
    "empty",
    "field_mask",
    "struct",
    "timestamp",
    "wrappers",
];

fn paths() -> impl Iterator<Item = String> {
    FILES.iter().map(|file| format!("google/protobuf/{file}.proto"))
}

fn here(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

#[test]
fn what_the_library_has_is_what_the_compiler_writes() {
    let config = paths().fold(Config::new().include(here("proto")), Config::file);
    let [module] = &config.compile().unwrap()[..] else {
        panic!("one package")
    };
    let path = here("../wire/src/well_known/google.protobuf.rs");
    if env::var_os("CRAKE_UPDATE_GOLDEN").is_some() {
        fs::write(&path, &module.text).unwrap();
    }
    assert_eq!(module.package, "google.protobuf");
    assert!(
        fs::read_to_string(&path).unwrap() == module.text,
        "{} differs from the output: see tests/well_known.rs for how to update it",
        path.display()
    );
}

/// The parser has Protobuf's own files built in.
#[test]
fn the_declarations_are_those_of_protobuf() {
    let declarations =
        |includes: &[std::path::PathBuf]| -> Vec<(Vec<DescriptorProto>, Vec<EnumDescriptorProto>)> {
            let files = protox::compile(paths(), includes).unwrap().file;
            files
                .into_iter()
                .map(|file| (file.message_type, file.enum_type))
                .collect()
        };
    let ours = declarations(&[here("proto")]);
    assert_eq!(ours, declarations(&[]));
    let messages: usize = ours.iter().map(|(messages, _)| messages.len()).sum();
    assert_eq!((ours.len(), messages), (7, 1 + 1 + 1 + 1 + 3 + 1 + 9));
}
