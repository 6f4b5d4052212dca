//! What a namenode shares with clients of its machine, so that they find answers without asking (`docs/format/answers.md`).
//!
//! One region: numbers that change when something changes, an index, and a ring of answers that were given before. A reader looks
//! an answer up, copies it, and looks whether what it is about has changed since.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use super::words::{fold, is_same, mix};

/// Key of the region among those that a namenode shares.
pub const ANSWERS: usize = 0;

/// The first bytes of the region, as a little-endian number: `CRAKEANS`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"CRAKEANS");
/// Of this layout.
pub const VERSION: u32 = 1;

/// Places in the head of the region.
pub const MAGIC_AT: usize = 0;
/// Place of [`VERSION`].
pub const VERSION_AT: usize = 8;
/// Place of the number of lines in the ring.
pub const LINES_AT: usize = 16;
/// Place of the epoch: of another one no answer holds.
pub const EPOCH_AT: usize = 128;
/// Place of the position up to which the ring is, or is being, written.
pub const HEAD_AT: usize = 256;

/// Answers lie at multiples of this.
pub const LINE_BYTES: usize = 64;
/// An answer with its key and its head, at most.
pub const ENTRY_BYTES_MAX: usize = 2048;

/// Smallest ring, and largest: positions have 48 bits, in lines.
const LINES_MIN: u64 = 1 << 10;
const LINES_MAX: u64 = 1 << 30;

/// The head of the region: a page.
const HEAD_BYTES: usize = 4096;
/// An answer takes about so many lines, and has a place in the index and a number of its own.
const LINES_PER_ANSWER: u64 = 4;

/// Where things are in a region with a ring of so many lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    lines: u64,
}

impl Layout {
    /// With a ring of about `bytes`: it has a power of two of lines.
    pub fn of_bytes(bytes: u64) -> Layout {
        let lines = (bytes / LINE_BYTES as u64).clamp(LINES_MIN, LINES_MAX);
        Layout {
            lines: 1 << lines.ilog2(),
        }
    }

    /// With a ring of `lines`, if there can be such a one.
    pub fn of_lines(lines: u64) -> Option<Layout> {
        let is_possible = lines.is_power_of_two() && (LINES_MIN..=LINES_MAX).contains(&lines);
        is_possible.then_some(Layout { lines })
    }

    /// Lines of the ring.
    pub fn lines(&self) -> u64 {
        self.lines
    }

    fn answers(&self) -> usize {
        (self.lines / LINES_PER_ANSWER) as usize
    }

    /// Where the number is that changes with a node, given any number of the node's that never changes.
    #[inline]
    pub fn change_at(&self, node: u32) -> usize {
        HEAD_BYTES + 8 * (node as usize & (self.answers() - 1))
    }

    /// Where the two places are, side by side, that an answer with this hash may have in the index.
    #[inline]
    pub fn places_at(&self, hash: u64) -> usize {
        HEAD_BYTES + 8 * self.answers() + 16 * (hash as usize & (self.answers() - 1))
    }

    /// Where a position of the ring is.
    #[inline]
    pub fn ring_at(&self, position: u64) -> usize {
        HEAD_BYTES + 24 * self.answers() + LINE_BYTES * (position & (self.lines - 1)) as usize
    }

    /// Size of the region: behind the ring it has room for an answer, so that a reader may copy more than there is.
    pub fn len_bytes(&self) -> usize {
        self.ring_at(0) + LINE_BYTES * self.lines as usize + ENTRY_BYTES_MAX
    }
}

/// A place in the index: where an answer begins, and a part of its hash. 0 if there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry(pub u64);

impl Entry {
    const TAG_BITS: u32 = 16;

    /// For an answer at `position` of the ring.
    #[inline]
    pub fn new(position: u64, hash: u64) -> Entry {
        Entry(position << Entry::TAG_BITS | Entry::tag(hash))
    }

    /// Whether the answer with this hash may be there.
    #[inline]
    pub fn may_be(self, hash: u64) -> bool {
        self.0 & ((1 << Entry::TAG_BITS) - 1) == Entry::tag(hash)
    }

    /// In lines, counted on from the first that was ever written.
    #[inline]
    pub fn position(self) -> u64 {
        self.0 >> Entry::TAG_BITS
    }

    /// Of the bits that do not choose the place; not 0.
    #[inline]
    fn tag(hash: u64) -> u64 {
        hash >> (u64::BITS - Entry::TAG_BITS) | 1
    }
}

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// The namenode's method.
    pub method: u16,
    /// Whatever else makes a difference.
    pub flags: u16,
    /// The node that the path starts from.
    pub base: u64,
    /// As it is sent.
    pub path: &'a [u8],
    /// Of a table's value.
    pub key: &'a [u8],
}

impl Key<'_> {
    /// The same for client and namenode. Whoever makes keys collide gains nothing but requests.
    #[inline(always)]
    pub fn hash(&self) -> u64 {
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let what = u64::from(self.method) << 48 | u64::from(self.flags) << 32;
        let lengths = (self.path.len() as u64) << 16 | self.key.len() as u64;
        let state = mix(mix(self.base ^ (what | lengths), self.path, ODD), self.key, ODD);
        fold(state, ODD)
    }
}

/// What is before the path, the key and the answer's message.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct EntryHead {
    /// Of the key.
    pub hash: U64,
    /// When it was given.
    pub epoch: U64,
    /// The number at [`Layout::change_at`] when it was given.
    pub change: U64,
    /// What the answer is about: for [`Layout::change_at`].
    pub node: U32,
    /// Of the key.
    pub method: U16,
    /// Of the key.
    pub flags: U16,
    /// Of the key.
    pub base: U64,
    /// Bytes of the path.
    pub path_len: U16,
    /// Bytes of the key within a table.
    pub key_len: U16,
    /// Bytes of the answer's message.
    pub message_len: U32,
}

/// Bytes of an [`EntryHead`].
pub const ENTRY_HEAD_BYTES: usize = size_of::<EntryHead>();

impl EntryHead {
    /// Where the message is in the entry, if it is the answer to `key` as far as the head tells.
    #[inline(always)]
    pub fn message_of(&self, hash: u64, key: &Key<'_>) -> Option<std::ops::Range<usize>> {
        let is_it = self.hash.get() == hash
            && self.method.get() == key.method
            && self.flags.get() == key.flags
            && self.base.get() == key.base
            && usize::from(self.path_len.get()) == key.path.len()
            && usize::from(self.key_len.get()) == key.key.len();
        let start = ENTRY_HEAD_BYTES + key.path.len() + key.key.len();
        let end = start.checked_add(self.message_len.get() as usize)?;
        (is_it && end <= ENTRY_BYTES_MAX).then_some(start..end)
    }
}

/// Whether the entry has this key's path and key; the head has told that their lengths are the same.
#[inline(always)]
pub fn has_names(entry: &[u8], key: &Key<'_>) -> bool {
    let Some(names) = entry.get(ENTRY_HEAD_BYTES..ENTRY_HEAD_BYTES + key.path.len() + key.key.len()) else {
        return false;
    };
    let (path, in_table) = names.split_at(key.path.len());
    is_same(path, key.path) && is_same(in_table, key.key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_format_text() {
        let layout = Layout::of_bytes(64 << 10);
        assert_eq!((layout.lines(), layout.answers()), (1024, 256));
        assert_eq!((layout.change_at(0), layout.change_at(257)), (4096, 4104));
        assert_eq!((layout.places_at(0), layout.places_at(258)), (6144, 6176));
        assert_eq!((layout.ring_at(0), layout.ring_at(1025)), (10_240, 10_304));
        assert_eq!(layout.len_bytes(), 10_240 + 65_536 + 2048);
        assert_eq!(layout.ring_at(0) % LINE_BYTES, 0);
        assert_eq!(MAGIC.to_le_bytes(), *b"CRAKEANS");
        assert_eq!(ENTRY_HEAD_BYTES, 48);
    }

    #[test]
    fn rings_have_a_power_of_two_of_lines() {
        assert_eq!(Layout::of_bytes(0).lines(), LINES_MIN);
        assert_eq!(Layout::of_bytes(u64::MAX).lines(), LINES_MAX);
        assert_eq!(Layout::of_bytes(100 << 10).lines(), 1024);
        assert_eq!(Layout::of_lines(1024), Some(Layout::of_bytes(64 << 10)));
        for lines in [0, 512, 1025, 1 << 31, u64::MAX] {
            assert_eq!(Layout::of_lines(lines), None, "{lines}");
        }
    }

    #[test]
    fn an_entry_of_the_index_knows_its_position_and_some_of_its_hash() {
        let entry = Entry::new(0x1234_5678_9abc, 0xfedc_0000_0000_0000);
        assert_eq!(entry.position(), 0x1234_5678_9abc);
        assert!(entry.may_be(0xfedc_1111_1111_1111));
        assert!(!entry.may_be(0x0edc_0000_0000_0000));
        assert!(!Entry(0).may_be(0));
    }

    #[test]
    fn keys_that_differ_in_anything_have_other_hashes() {
        let key = Key {
            method: 3,
            flags: 0,
            base: 7,
            path: b"a/b",
            key: b"c",
        };
        let others = [
            Key { method: 4, ..key },
            Key { flags: 1, ..key },
            Key { base: 8, ..key },
            Key { path: b"a/c", ..key },
            Key {
                path: b"a/bc",
                key: b"",
                ..key
            },
            Key {
                path: b"a/",
                key: b"bc",
                ..key
            },
            Key { key: b"d", ..key },
        ];
        for other in others {
            assert_ne!(key.hash(), other.hash(), "{other:?}");
        }
    }

    #[test]
    fn a_head_is_that_of_one_key() {
        let key = Key {
            method: 3,
            flags: 1,
            base: 7,
            path: b"a/b",
            key: b"c",
        };
        let hash = key.hash();
        let head = EntryHead {
            hash: hash.into(),
            epoch: 1.into(),
            change: 2.into(),
            node: 5.into(),
            method: 3.into(),
            flags: 1.into(),
            base: 7.into(),
            path_len: 3.into(),
            key_len: 1.into(),
            message_len: 10.into(),
        };
        assert_eq!(head.message_of(hash, &key), Some(52..62));
        assert_eq!(head.message_of(hash ^ 1, &key), None);
        assert_eq!(head.message_of(hash, &Key { base: 8, ..key }), None);
        for message_len in [ENTRY_BYTES_MAX as u32 - 51, u32::MAX] {
            let head = EntryHead {
                message_len: message_len.into(),
                ..head
            };
            assert_eq!(head.message_of(hash, &key), None, "{message_len}");
        }
        let entry = [head.as_bytes(), b"a/bc"].concat();
        assert!(has_names(&entry, &key));
        assert!(!has_names(&entry, &Key { key: b"d", ..key }));
        assert!(!has_names(&entry[..51], &key));
    }
}
