//! Messages by descriptors: from bytes, and to text.
//!
//! Input: a byte that chooses a type, and the frame.

use crake_wire_gen::dynamic::{decode, encode};

use crate::notation::{self, Notation};
use crate::{checks, counting, schema};

/// Bytes that are asked for at most for each byte of a frame: the smallest message has 8, and is a map of its fields with room for some. Each byte
/// may be read four times.
const ALLOCATED_PER_BYTE: usize = 1000;
/// And for what is known of the schema.
const ALLOCATED: usize = 64 * 1024;

/// Reads a message, writes it, and shows it in both notations.
pub fn run(input: &[u8]) {
    let Some((descriptor, frame)) = schema::chosen(input) else {
        return;
    };
    let before = counting::allocated_bytes();
    let read = decode(descriptor, frame);
    let allocated = counting::allocated_bytes() - before;
    assert!(
        allocated <= ALLOCATED + ALLOCATED_PER_BYTE * frame.len(),
        "{allocated} bytes for {}",
        frame.len()
    );
    let Ok(message) = read else {
        return;
    };
    checks::assert_harmless(descriptor, frame);
    for notation in [Notation::Json, Notation::Text] {
        // JSON has no times beyond its years, for example.
        let Some(shown) = notation.show(&message) else {
            continue;
        };
        let read = notation.read(descriptor, &shown);
        let read = read.unwrap_or_else(|| panic!("{shown} is not read again"));
        let once = encode(&read).expect("it was read from bytes");
        let shown_again = notation.show(&read).expect("it was just shown");
        let twice = notation
            .read(descriptor, &shown_again)
            .expect("it was just shown");
        assert_eq!(encode(&twice), Ok(once), "{shown}");
        if notation::keeps_all(&message) {
            assert_eq!(encode(&read), encode(&message), "{shown}");
        }
    }
}
