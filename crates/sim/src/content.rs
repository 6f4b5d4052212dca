//! Bytes that tell whose they are: every stretch of data that a simulated client writes follows from a tag that is
//! used once and from the offset at which it lies. So a byte that is foreign, stale, torn, shifted or never written
//! does not match what the reader expects, whatever else happened.

/// Names one stretch of written data; never used twice in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub u64);

/// The first place where bytes differ from what was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// Offset in the file or value.
    pub offset: u64,
    /// What should be there.
    pub expected: u8,
    /// What is there.
    pub found: u8,
}

/// Fills `out` with the bytes of `tag` from `offset` on.
pub fn fill(tag: Tag, offset: u64, out: &mut [u8]) {
    for (byte, at) in out.iter_mut().zip(offset..) {
        *byte = byte_at(tag, at);
    }
}

/// The bytes of `tag` from `offset` on.
pub fn bytes(tag: Tag, offset: u64, len: usize) -> Vec<u8> {
    let mut out = vec![0; len];
    fill(tag, offset, &mut out);
    out
}

/// Compares `found` with the bytes of `tag` from `offset` on.
pub fn verify(tag: Tag, offset: u64, found: &[u8]) -> Result<(), Mismatch> {
    for (&found, at) in found.iter().zip(offset..) {
        let expected = byte_at(tag, at);
        if found != expected {
            return Err(Mismatch {
                offset: at,
                expected,
                found,
            });
        }
    }
    Ok(())
}

/// Eight bytes share one mixed word, so that checking costs little.
fn byte_at(tag: Tag, offset: u64) -> u8 {
    let word = mix(tag.0.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (offset / 8));
    word.to_le_bytes()[(offset % 8) as usize]
}

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
pub fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_the_same_alone_and_within_the_whole() {
        let whole = bytes(Tag(7), 0, 100);
        assert_eq!(bytes(Tag(7), 13, 40), whole[13..53]);
        assert_eq!(verify(Tag(7), 13, &whole[13..53]), Ok(()));
    }

    #[test]
    fn foreign_shifted_and_zero_bytes_are_seen() {
        let whole = bytes(Tag(7), 0, 64);
        assert!(verify(Tag(8), 0, &whole).is_err());
        assert!(verify(Tag(7), 1, &whole).is_err());
        assert!(verify(Tag(7), 0, &[0; 64]).is_err());
    }

    #[test]
    fn the_first_difference_is_named() {
        let mut whole = bytes(Tag(7), 100, 64);
        whole[20] ^= 1;
        let mismatch = verify(Tag(7), 100, &whole).unwrap_err();
        assert_eq!(mismatch.offset, 120);
        assert_eq!(mismatch.found, mismatch.expected ^ 1);
    }
}
