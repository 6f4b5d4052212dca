//! Names and paths: what is allowed, how a path falls into names, how they are hashed and ordered.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use crake_store::protocol::words::{fold, mix};

use super::command::Failure;

/// Bytes of a name or key at most.
pub const NAME_BYTES_MAX: usize = 255;
/// Bytes of a path at most.
pub const PATH_BYTES_MAX: usize = 4096;

/// Refuses what can be no name of a node.
pub(super) fn check_name(name: &[u8]) -> Result<(), Failure> {
    if name.len() > NAME_BYTES_MAX {
        return Err(Failure::TooLong);
    }
    if matches!(name, b"" | b"." | b"..") || name.iter().any(|byte| matches!(byte, 0 | b'/')) {
        return Err(Failure::InvalidName);
    }
    Ok(())
}

/// Refuses what can be no key of a table.
#[inline]
pub(super) fn check_key(key: &[u8]) -> Result<(), Failure> {
    match key.len() {
        0 => Err(Failure::InvalidName),
        1..=NAME_BYTES_MAX => Ok(()),
        _ => Err(Failure::TooLong),
    }
}

/// The names of a path, one after the other. Slashes in front, behind and in a row count as one.
///
/// Bytes: that a path is UTF-8 is for its reader to check, and needs no check where its names are found to be there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathNames<'a> {
    rest: &'a [u8],
}

impl<'a> PathNames<'a> {
    #[inline]
    pub(super) fn new(path: &'a [u8]) -> Result<Self, Failure> {
        if path.len() > PATH_BYTES_MAX {
            return Err(Failure::TooLong);
        }
        Ok(Self {
            rest: trim_slashes(path),
        })
    }

    /// No more than one name, which is not empty and has no slash.
    #[inline]
    pub(super) fn one(name: &'a [u8]) -> Self {
        Self { rest: name }
    }

    /// Whether there are no more names.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

impl<'a> Iterator for PathNames<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (name, rest) = self.rest.split_at(find_slash(self.rest));
        self.rest = trim_slashes(rest);
        Some(name)
    }
}

/// Bytes of a path up to the end of one of its names.
pub(super) fn end_of(path: &str, name: &[u8]) -> usize {
    name.as_ptr().addr() - path.as_ptr().addr() + name.len()
}

#[inline]
fn trim_slashes(mut path: &[u8]) -> &[u8] {
    while let [b'/', rest @ ..] = path {
        path = rest;
    }
    path
}

/// Where the first slash is, or the end. Eight bytes a step: the name is found in less time than a byte loop needs.
#[inline]
fn find_slash(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let zero_where_slash = u64::from_le_bytes(*word) ^ (ONES * b'/' as u64);
        // A bit above the first slash may be wrong, by the borrow; the first one is right.
        let found = zero_where_slash.wrapping_sub(ONES) & !zero_where_slash & HIGHS;
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let scanned = words.len() * 8;
    scanned + tail.iter().position(|&byte| byte == b'/').unwrap_or(tail.len())
}

/// Where the last slash is, if there is one. Eight bytes a step, as [`find_slash`].
#[inline]
pub(super) fn find_last_slash(bytes: &[u8]) -> Option<usize> {
    let (front, words) = bytes.as_rchunks::<8>();
    for (index, word) in words.iter().enumerate().rev() {
        let zero_where_slash = u64::from_le_bytes(*word) ^ (ONES * b'/' as u64);
        // Exact for each byte: the sum of its low seven bits cannot carry into the next.
        let found = !(((zero_where_slash & !HIGHS) + !HIGHS) | zero_where_slash | !HIGHS);
        if found != 0 {
            return Some(front.len() + index * 8 + found.ilog2() as usize / 8);
        }
    }
    front.iter().rposition(|&byte| byte == b'/')
}

/// A one, and the highest bit, in each byte of a word.
const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Hashes names with a key, so that nobody outside can choose names that collide.
///
/// It is the folded multiplication of wyhash: each eight bytes are mixed in, and the two halves of a 128-bit product
/// become one.
#[derive(Clone, Copy, Debug)]
pub(super) struct NameHasher {
    keys: [u64; 3],
}

impl NameHasher {
    pub(super) fn new(seed: u128) -> Self {
        let (low, high) = (seed as u64, (seed >> 64) as u64);
        // Odd constants of random bits (the fraction of pi), for seeds that have few.
        let first = fold(low ^ 0x243f_6a88_85a3_08d3, high ^ 0x1319_8a2e_0370_7345);
        let second = fold(first ^ 0xa409_3822_299f_31d1, low ^ 0x082e_fa98_ec4e_6c89);
        let third = fold(second ^ 0x4528_21e6_38d0_1377, high ^ 0xbe54_66cf_34e9_0c6d);
        Self {
            keys: [first, second | 1, third],
        }
    }

    /// The tag of `name` in the container at index `parent`. Any 32 bits are as good as any others of these.
    #[inline]
    pub(super) fn tag(&self, parent: u32, name: &[u8]) -> u32 {
        let [first, second, third] = self.keys;
        let state = first ^ (u64::from(parent) << 32 | name.len() as u64);
        let mixed = fold(mix(state, name, second) ^ third, second);
        (mixed >> 32) as u32 ^ mixed as u32
    }
}

/// Bytes that a [`Name`] has room for in itself.
const INLINE_BYTES: usize = 22;

/// A name or key that owns its bytes: 24 bytes, and no others if it is short. Ordered by its bytes.
#[derive(Clone)]
pub(super) enum Name {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

const _: () = assert!(size_of::<Name>() == 24);

impl Name {
    pub(super) fn new(name: &[u8]) -> Self {
        if name.len() > INLINE_BYTES {
            return Self::Heap(name.into());
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..name.len()].copy_from_slice(name);
        Self::Inline {
            len: name.len() as u8,
            bytes,
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl std::fmt::Debug for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.as_bytes().escape_ascii())
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_slash_is_found_wherever_it_is() {
        // 0xae and 0x30 differ from a slash by what a borrow or carry from a neighbour would hide.
        for filler in [b'a', 0xae, 0x30, 0xaf, 0xff, 0] {
            for len in 0..40 {
                let mut bytes = vec![filler; len];
                assert_eq!(find_last_slash(&bytes), None, "{filler:#x} {len}");
                for at in 0..len {
                    bytes[at] = b'/';
                    assert_eq!(find_last_slash(&bytes), Some(at), "{filler:#x} {len}");
                }
            }
        }
    }

    fn names(path: &str) -> Vec<&str> {
        let names = PathNames::new(path.as_bytes()).unwrap();
        names.map(|name| str::from_utf8(name).unwrap()).collect()
    }

    #[test]
    fn slashes_count_as_one() {
        assert_eq!(names("/a//bc/"), ["a", "bc"]);
        assert_eq!(names("a"), ["a"]);
        assert_eq!(names("abcdefgh/ijklmnopq/r"), ["abcdefgh", "ijklmnopq", "r"]);
        assert!(names("").is_empty() && names("///").is_empty());
    }

    #[test]
    fn a_slash_is_found_at_every_place() {
        for len in 0..40 {
            let mut bytes = vec![b'.'; len];
            assert_eq!(find_slash(&bytes), len);
            for at in (0..len).rev() {
                bytes[at] = b'/';
                assert_eq!(find_slash(&bytes), at);
            }
        }
        // Bytes that differ from a slash in the lowest or highest bit only.
        assert_eq!(find_slash(b"...0\xaf0./"), 7);
    }

    #[test]
    fn names_that_are_none_are_refused() {
        for name in ["", ".", "..", "a/b", "a\0"] {
            assert_eq!(check_name(name.as_bytes()), Err(Failure::InvalidName), "{name:?}");
        }
        assert_eq!(check_name(&[b'x'; 256]), Err(Failure::TooLong));
        for name in ["...", ".a", "ä", &"x".repeat(255)] {
            assert_eq!(check_name(name.as_bytes()), Ok(()));
        }
        assert_eq!(check_key(b""), Err(Failure::InvalidName));
        assert_eq!(check_key(&[0; 256]), Err(Failure::TooLong));
        assert_eq!(check_key(b"/\0"), Ok(()));
        assert!(matches!(PathNames::new(&[b'x'; 4097]), Err(Failure::TooLong)));
        assert!(PathNames::new(&[b'x'; 4096]).is_ok());
    }

    #[test]
    fn tags_are_spread_and_depend_on_key_parent_and_every_byte() {
        let hasher = NameHasher::new(1);
        let mut tags: Vec<u32> = (0..100_000)
            .map(|n| hasher.tag(n % 7, format!("file-{n:06}").as_bytes()))
            .collect();
        tags.sort_unstable();
        tags.dedup();
        // Of 100,000 random tags of 32 bits, about 1.2 are doubles.
        assert!(tags.len() > 99_980);
        assert_ne!(hasher.tag(0, b"a"), NameHasher::new(2).tag(0, b"a"));
        assert_ne!(hasher.tag(0, b"a"), hasher.tag(1, b"a"));
        for len in 1..40 {
            let name = vec![7; len];
            for at in 0..len {
                let mut other = name.clone();
                other[at] ^= 1;
                assert_ne!(hasher.tag(0, &name), hasher.tag(0, &other), "byte {at} of {len}");
            }
            assert_ne!(hasher.tag(0, &name), hasher.tag(0, &name[1..]));
        }
    }

    /// Crail told names apart by Java's 32-bit string hash, for which these are the same.
    #[test]
    fn names_with_the_same_java_hash_are_not_the_same() {
        let hasher = NameHasher::new(0);
        assert_ne!(hasher.tag(0, b"Aa"), hasher.tag(0, b"BB"));
        assert_ne!(Name::new(b"Aa"), Name::new(b"BB"));
    }

    #[test]
    fn short_and_long_names_are_in_one_order() {
        let mut sorted: Vec<Name> = (0..60)
            .map(|len| Name::new(&vec![b'a' + (len % 3) as u8; len]))
            .collect();
        let mut plain: Vec<Vec<u8>> = sorted.iter().map(|name| name.as_bytes().to_vec()).collect();
        sorted.sort();
        plain.sort();
        assert!(
            sorted
                .iter()
                .map(Name::as_bytes)
                .eq(plain.iter().map(Vec::as_slice))
        );
    }
}
