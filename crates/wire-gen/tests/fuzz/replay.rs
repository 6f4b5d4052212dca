//! What was found to be worth keeping, on a compiler of every day.

use crate::corpus::replay;
use crate::{by_descriptor, compiler, gathered, notation, views};

#[test]
fn views_are_harmless() {
    replay(include_str!("corpus/views.hex"), views::run);
}

#[test]
fn gathered_frames_are_harmless() {
    replay(include_str!("corpus/gathered.hex"), gathered::run);
}

#[test]
fn messages_by_descriptors_are_harmless() {
    replay(include_str!("corpus/by_descriptor.hex"), by_descriptor::run);
}

#[test]
fn messages_in_json_and_text_are_harmless() {
    replay(include_str!("corpus/notation.hex"), notation::run);
}

#[test]
fn the_compiler_is_harmless() {
    let mut compiled = 0;
    replay(include_str!("corpus/compiler.hex"), |input| {
        compiled += u32::from(!compiler::run(input).is_empty());
    });
    assert!(compiled > 10, "only {compiled} were compiled");
}
