//! Short texts, eight bytes at a time: most names and paths are so short that to call the C library's functions takes longer.

/// The bytes of the tail, and of what is before it if that saves looking at each.
#[inline]
pub fn last_word(name: &[u8], tail: &[u8]) -> u64 {
    if let Some(word) = name.last_chunk::<8>() {
        return u64::from_le_bytes(*word);
    }
    if let (Some(front), Some(back)) = (tail.first_chunk::<4>(), tail.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*front)) << 32 | u64::from(u32::from_le_bytes(*back));
    }
    tail.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
}

/// Whether two names or paths are the same.
#[inline(always)]
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (words, tail) = one.as_chunks::<8>();
    let (other_words, other_tail) = other.as_chunks::<8>();
    words
        .iter()
        .zip(other_words)
        .all(|(word, other)| u64::from_le_bytes(*word) == u64::from_le_bytes(*other))
        && (tail.is_empty() || last_word(one, tail) == last_word(other, other_tail))
}

/// The two halves of a product as one: each bit depends on many of both factors.
#[inline]
pub fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    product as u64 ^ (product >> 64) as u64
}

/// Mixes a text into a hash.
#[inline]
pub fn mix(mut state: u64, text: &[u8], factor: u64) -> u64 {
    let (words, tail) = text.as_chunks::<8>();
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), factor);
    }
    if !tail.is_empty() {
        state = fold(state ^ last_word(text, tail), factor);
    }
    state
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_same_if_all_their_bytes_are() {
        for len in 0..40 {
            let name: Vec<u8> = (0..len).collect();
            assert!(is_same(&name, &name.clone()), "{len}");
            for at in 0..usize::from(len) {
                let mut other = name.clone();
                other[at] ^= 0x80;
                assert!(!is_same(&name, &other), "{len} {at}");
            }
            let longer = [&name[..], b"x"].concat();
            assert!(!is_same(&name, &longer) && !is_same(&longer, &name), "{len}");
        }
    }
}
