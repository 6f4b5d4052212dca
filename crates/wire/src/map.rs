//! Maps: a table of entries, each the slot of a key and the slot of a value.

use std::marker::PhantomData;
use std::{fmt, slice};

use crate::encode::pointer;
use crate::layout::SLOT_BYTES;
use crate::reader::{pointed, size_and_offset, utf8};
use crate::{Raw, Scalar, View, WireError, Writer};

/// Bytes of an entry of a map's table.
pub(crate) const ENTRY_BYTES: usize = 2 * SLOT_BYTES;

/// What reads as a message without fields.
const EMPTY_MESSAGE: &[u8] = &[0; SLOT_BYTES];

/// What a key or a value of a [`Map`] can be.
pub trait InEntry<'a>: Sized {
    /// Reads what a slot in an entry says. `depth` is what [`View::nested_at`] takes.
    fn read(frame: &'a [u8], slot: u64, depth: u32) -> Result<Self, WireError>;
}

/// What a key of a [`Map`] can be.
pub trait Key<'a>: InEntry<'a> {
    /// What an entry is looked for by.
    type Sought: ?Sized;

    /// Whether a slot in an entry says `sought`.
    fn is(frame: &'a [u8], slot: u64, sought: &Self::Sought) -> Result<bool, WireError>;
}

/// A map read where it lies: its entries in the order in which they were written. Its length is believed only as far as
/// the frame holds as many entries; each entry is checked where it is read.
pub struct Map<'a, K, V> {
    frame: &'a [u8],
    rest: slice::Iter<'a, [u8; ENTRY_BYTES]>,
    depth: u32,
    read_as: PhantomData<(K, V)>,
}

impl<'a, K: Key<'a>, V: InEntry<'a>> Map<'a, K, V> {
    /// The map that `pointer`, the slot of a message in `frame`, tells of.
    pub(crate) fn new(frame: &'a [u8], pointer: u64, depth: u32) -> Result<Self, WireError> {
        let (count, offset) = size_and_offset(pointer);
        let there = Raw::chunks(frame.get(offset..).ok_or(WireError::OutOfFrame)?);
        let rest = there.get(..count).ok_or(WireError::OutOfFrame)?.iter();
        Ok(Self {
            frame,
            rest,
            depth,
            read_as: PhantomData,
        })
    }

    /// The value of a key among the entries that are left. Of entries with the same key the last one counts. This looks
    /// at one entry after the other: who looks for many keys in a long map makes an index of it.
    ///
    /// # Errors
    ///
    /// When the value cannot be read, or a key that it had to look at.
    pub fn get(&self, key: &K::Sought) -> Result<Option<V>, WireError> {
        for entry in self.rest.as_slice().iter().rev() {
            let (slot, value) = slots(entry);
            if K::is(self.frame, slot, key)? {
                return V::read(self.frame, value, self.depth).map(Some);
            }
        }
        Ok(None)
    }

    /// Whether no entry is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.as_slice().is_empty()
    }

    fn entry(&self, entry: &[u8; ENTRY_BYTES]) -> Result<(K, V), WireError> {
        let (key, value) = slots(entry);
        let key = K::read(self.frame, key, self.depth)?;
        Ok((key, V::read(self.frame, value, self.depth)?))
    }
}

impl<'a, K: Key<'a>, V: InEntry<'a>> Iterator for Map<'a, K, V> {
    type Item = Result<(K, V), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next().map(|entry| self.entry(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<'a, K: Key<'a>, V: InEntry<'a>> DoubleEndedIterator for Map<'a, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rest.next_back().map(|entry| self.entry(entry))
    }
}

impl<'a, K: Key<'a>, V: InEntry<'a>> ExactSizeIterator for Map<'a, K, V> {}

impl<K, V> Clone for Map<'_, K, V> {
    fn clone(&self) -> Self {
        Self {
            rest: self.rest.clone(),
            ..*self
        }
    }
}

/// As a map, with an error in the place of an entry that cannot be read.
impl<'a, K: Key<'a> + fmt::Debug, V: InEntry<'a> + fmt::Debug> fmt::Debug for Map<'a, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for entry in self.clone() {
            match entry {
                Ok((key, value)) => map.entry(&key, &value),
                Err(error) => map.entry(&format_args!("_"), &error),
            };
        }
        map.finish()
    }
}

/// The slots of a key and its value.
pub(crate) fn slots(entry: &[u8; ENTRY_BYTES]) -> (u64, u64) {
    let both = u128::from_le_bytes(*entry);
    (both as u64, (both >> 64) as u64)
}

macro_rules! scalar_key {
    ($($type:ty)*) => {$(
        impl<'a> Key<'a> for $type {
            type Sought = $type;

            fn is(frame: &'a [u8], slot: u64, sought: &$type) -> Result<bool, WireError> {
                Ok(Self::read(frame, slot, 0)? == *sought)
            }
        }
    )*};
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl InEntry<'_> for $type {
            fn read(_: &[u8], slot: u64, _: u32) -> Result<Self, WireError> {
                Ok(<$type>::from_slot(slot))
            }
        }
    )*};
}

number!(u64 i64 u32 i32 f64 f32);
scalar_key!(u64 i64 u32 i32 bool);

impl InEntry<'_> for bool {
    fn read(_: &[u8], slot: u64, _: u32) -> Result<Self, WireError> {
        bool::from_slot(slot)
    }
}

impl<'a> InEntry<'a> for &'a [u8] {
    fn read(frame: &'a [u8], slot: u64, _: u32) -> Result<Self, WireError> {
        pointed(frame, slot)
    }
}

impl<'a> InEntry<'a> for &'a str {
    fn read(frame: &'a [u8], slot: u64, _: u32) -> Result<Self, WireError> {
        utf8(pointed(frame, slot)?)
    }
}

/// By its bytes: what is equal to a string is UTF-8.
impl<'a> Key<'a> for &'a str {
    type Sought = str;

    fn is(frame: &'a [u8], slot: u64, sought: &str) -> Result<bool, WireError> {
        Ok(pointed(frame, slot)? == sought.as_bytes())
    }
}

/// No bitmap says whether an entry's value is there: a slot of zeros is the default, of a message one without fields.
impl<'a, V: View<'a>> InEntry<'a> for V {
    fn read(frame: &'a [u8], slot: u64, depth: u32) -> Result<Self, WireError> {
        if slot == 0 {
            return V::parse(EMPTY_MESSAGE);
        }
        V::nested_at(frame, slot, depth)
    }
}

impl Writer<'_> {
    /// Appends a map: a table, then what its entries point at. `key` and `value` append the payload of one, if it has
    /// any, and give its slot; they do not write anything for what is default.
    pub fn map<K, V>(
        &mut self,
        entries: &[(K, V)],
        key: impl Fn(&mut Self, &K) -> u64,
        value: impl Fn(&mut Self, &V) -> u64,
    ) -> u64 {
        let slot = pointer(entries.len(), self.offset);
        let table: &mut [[u8; ENTRY_BYTES]] = Raw::chunks_mut(self.take(entries.len() * ENTRY_BYTES));
        for (place, entry) in table.iter_mut().zip(entries) {
            let key = key(self, &entry.0);
            let value = value(self, &entry.1);
            *place = (u128::from(value) << 64 | u128::from(key)).to_le_bytes();
        }
        slot
    }

    /// Appends a string or bytes of an entry. Empty ones are the default: a slot of zeros.
    pub fn blob_in_entry(&mut self, bytes: &[u8]) -> u64 {
        if bytes.is_empty() { 0 } else { self.bytes(bytes) }
    }
}

/// The payload of a map, in bytes: its table and, by `key` and `value`, what its entries point at.
pub fn map_bytes<K, V>(entries: &[(K, V)], key: impl Fn(&K) -> usize, value: impl Fn(&V) -> usize) -> usize {
    let payload = entries.iter().map(|entry| key(&entry.0) + value(&entry.1));
    entries.len() * ENTRY_BYTES + payload.sum::<usize>()
}
