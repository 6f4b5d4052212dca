//! What was found to be worth keeping, on a compiler of every day.

use std::panic::{self, AssertUnwindSafe};

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

/// Runs a target with each line of a corpus.
fn replay(corpus: &str, mut target: impl FnMut(&[u8])) {
    let mut failed = Vec::new();
    let mut count = 0;
    for (index, line) in corpus.lines().enumerate() {
        let input = bytes(line);
        // What it says is printed as it fails.
        if panic::catch_unwind(AssertUnwindSafe(|| target(&input))).is_err() {
            failed.push(index + 1);
        }
        count += 1;
    }
    assert!(count > 50, "only {count} inputs");
    assert!(failed.is_empty(), "lines {failed:?} of the corpus");
}

fn bytes(line: &str) -> Vec<u8> {
    let (digits, []) = line.as_bytes().as_chunks::<2>() else {
        panic!("an odd number of digits: {line}");
    };
    let byte = |digits: &[u8; 2]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    digits.iter().map(byte).collect()
}
