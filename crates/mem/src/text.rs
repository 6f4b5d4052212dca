//! Bytes as text.

use std::str::{self, Utf8Error};

/// As [`str::from_utf8`], for text that is short and nearly always ASCII, such as names: that looks at bytes one by one up to
/// the next whole word, and a name has hardly more.
///
/// # Errors
/// Where the bytes are not UTF-8.
#[inline]
pub fn from_utf8(bytes: &[u8]) -> Result<&str, Utf8Error> {
    if is_ascii(bytes) {
        // SAFETY: ASCII is UTF-8.
        return Ok(unsafe { str::from_utf8_unchecked(bytes) });
    }
    str::from_utf8(bytes)
}

/// Eight bytes at a time; the last eight may overlap those before.
#[inline]
fn is_ascii(bytes: &[u8]) -> bool {
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut seen = words
        .iter()
        .fold(0, |seen, word| seen | u64::from_le_bytes(*word));
    seen |= match bytes.last_chunk::<8>() {
        Some(last) => u64::from_le_bytes(*last),
        None => rest.iter().fold(0, |seen, &byte| seen << 8 | u64::from(byte)),
    };
    seen & HIGH == 0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_says_what_the_standard_library_says(bytes in prop::collection::vec(prop_oneof![4 => 0..0x80_u8, 1 => any::<u8>()], 0..80)) {
            prop_assert_eq!(from_utf8(&bytes), str::from_utf8(&bytes));
        }

        #[test]
        fn text_of_any_language_is_text(text in ".{0,40}") {
            prop_assert_eq!(from_utf8(text.as_bytes()), Ok(&*text));
        }
    }

    #[test]
    fn one_high_byte_anywhere_is_seen() {
        for len in 0..70 {
            let bytes = vec![b'a'; len];
            assert!(is_ascii(&bytes));
            for at in 0..len {
                let mut bytes = bytes.clone();
                bytes[at] |= 0x80;
                assert!(!is_ascii(&bytes), "at {at} of {len}");
            }
        }
    }
}
