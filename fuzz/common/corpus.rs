//! A corpus that is replayed: inputs as lines of hexadecimal digits.

use std::panic::{self, AssertUnwindSafe};

/// Runs a target with each line of a corpus.
pub fn replay(corpus: &str, mut target: impl FnMut(&[u8])) {
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
