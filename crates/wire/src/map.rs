//! Maps: a table of entries, each the slot of a key and the slot of a value.

use std::marker::PhantomData;
use std::{fmt, slice};

use crate::encode::pointer;
use crate::layout::SLOT_BYTES;
use crate::reader::{pointed, size_and_offset};
use crate::{Beside, Frame, Gathered, Payload, Raw, Scalar, Text, View, WireError, Writer};

/// Bytes of an entry of a map's table.
pub(crate) const ENTRY_BYTES: usize = 2 * SLOT_BYTES;

/// What reads as a message without fields.
const EMPTY_MESSAGE: &[u8] = &[0; SLOT_BYTES];

/// What a key or a value of a [`Map`] in a frame `F` can be.
pub trait InEntry<'a, F = &'a [u8]>: Sized {
    /// Reads what a slot in an entry says. `depth` is what [`View::nested_at`] takes.
    fn read(frame: F, slot: u64, depth: u32) -> Result<Self, WireError>;
}

/// What a key of a [`Map`] can be.
pub trait Key<'a, F = &'a [u8]>: InEntry<'a, F> {
    /// What an entry is looked for by.
    type Sought: ?Sized;

    /// Whether a slot in an entry says `sought`.
    fn is(frame: F, slot: u64, sought: &Self::Sought) -> Result<bool, WireError>;
}

/// A map read where it lies: its entries in the order in which they were written. Its length is believed only as far as
/// the frame holds as many entries; each entry is checked where it is read.
pub struct Map<'a, K, V, F = &'a [u8]> {
    frame: F,
    rest: slice::Iter<'a, [u8; ENTRY_BYTES]>,
    depth: u32,
    read_as: PhantomData<(K, V)>,
}

impl<'a, F: Frame<'a>, K: Key<'a, F>, V: InEntry<'a, F>> Map<'a, K, V, F> {
    /// The map that `pointer`, the slot of a message in `frame`, tells of.
    pub(crate) fn new(frame: F, pointer: u64, depth: u32) -> Result<Self, WireError> {
        let (count, offset) = size_and_offset(pointer);
        let there = Raw::chunks(frame.head().get(offset..).ok_or(WireError::OutOfFrame)?);
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

impl<'a, F: Frame<'a>, K: Key<'a, F>, V: InEntry<'a, F>> Iterator for Map<'a, K, V, F> {
    type Item = Result<(K, V), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.rest.next().map(|entry| self.entry(entry))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<'a, F: Frame<'a>, K: Key<'a, F>, V: InEntry<'a, F>> DoubleEndedIterator for Map<'a, K, V, F> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.rest.next_back().map(|entry| self.entry(entry))
    }
}

impl<'a, F: Frame<'a>, K: Key<'a, F>, V: InEntry<'a, F>> ExactSizeIterator for Map<'a, K, V, F> {}

impl<K, V, F: Copy> Clone for Map<'_, K, V, F> {
    fn clone(&self) -> Self {
        Self {
            rest: self.rest.clone(),
            ..*self
        }
    }
}

/// As a map, with an error in the place of an entry that cannot be read.
impl<'a, F, K, V> fmt::Debug for Map<'a, K, V, F>
where
    F: Frame<'a>,
    K: Key<'a, F> + fmt::Debug,
    V: InEntry<'a, F> + fmt::Debug,
{
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
        impl<'a, F> Key<'a, F> for $type {
            type Sought = $type;

            fn is(frame: F, slot: u64, sought: &$type) -> Result<bool, WireError> {
                Ok(<Self as InEntry<'a, F>>::read(frame, slot, 0)? == *sought)
            }
        }
    )*};
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl<F> InEntry<'_, F> for $type {
            fn read(_: F, slot: u64, _: u32) -> Result<Self, WireError> {
                Ok(<$type>::from_slot(slot))
            }
        }
    )*};
}

number!(u64 i64 u32 i32 f64 f32);
scalar_key!(u64 i64 u32 i32 bool);

impl<F> InEntry<'_, F> for bool {
    fn read(_: F, slot: u64, _: u32) -> Result<Self, WireError> {
        bool::from_slot(slot)
    }
}

macro_rules! blob {
    ($frame:ty: $bytes:ty, $text:ty) => {
        impl<'a> InEntry<'a, $frame> for $bytes {
            fn read(frame: $frame, slot: u64, _: u32) -> Result<Self, WireError> {
                frame.bytes(slot)
            }
        }

        impl<'a> InEntry<'a, $frame> for $text {
            fn read(frame: $frame, slot: u64, _: u32) -> Result<Self, WireError> {
                frame.text(slot)
            }
        }
    };
}

blob!(&'a [u8]: &'a [u8], &'a str);
blob!(Gathered<'a>: Payload<'a>, Text<'a>);

/// By its bytes: what is equal to a string is UTF-8.
impl<'a> Key<'a> for &'a str {
    type Sought = str;

    fn is(frame: &'a [u8], slot: u64, sought: &str) -> Result<bool, WireError> {
        Ok(pointed(frame, slot)? == sought.as_bytes())
    }
}

impl<'a> Key<'a, Gathered<'a>> for Text<'a> {
    type Sought = str;

    fn is(frame: Gathered<'a>, slot: u64, sought: &str) -> Result<bool, WireError> {
        Ok(frame.bytes(slot)? == *sought.as_bytes())
    }
}

/// No bitmap says whether an entry's value is there: a slot of zeros is the default, of a message one without fields.
impl<'a, V: View<'a>> InEntry<'a, V::Frame> for V {
    fn read(frame: V::Frame, slot: u64, depth: u32) -> Result<Self, WireError> {
        if slot == 0 {
            return V::parse(Frame::whole(EMPTY_MESSAGE));
        }
        V::nested_at(frame, slot, depth)
    }
}

impl<B: Beside> Writer<'_, B> {
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

    /// The same of what need not be copied.
    pub fn payload_in_entry<'p>(&mut self, bytes: impl Into<Payload<'p>>) -> u64 {
        let bytes = bytes.into();
        if bytes.is_empty() { 0 } else { self.payload(bytes) }
    }
}

/// The payload of a map, in bytes: its table and, by `key` and `value`, what its entries point at.
pub fn map_bytes<K, V>(entries: &[(K, V)], key: impl Fn(&K) -> usize, value: impl Fn(&V) -> usize) -> usize {
    let payload = entries.iter().map(|entry| key(&entry.0) + value(&entry.1));
    entries.len() * ENTRY_BYTES + payload.sum::<usize>()
}
