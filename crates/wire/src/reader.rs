//! Reading one message: its head is checked once, each field where it is asked for.

use std::slice;

use crate::layout::{FIELDS_PER_WORD, Known, MORE, SLOT_BYTES};
use crate::{Element, Fixed, Frame, InEntry, Key, List, Map, Scalar, WireError};

/// A message read where it lies. `wire-gen` writes the implementations, each with a getter for every field.
///
/// A view borrows the frame and allocates nothing. Reading is lazy: nested messages and lists are checked when they are
/// asked for, one level at a time.
pub trait View<'a>: Sized {
    /// What it lies in.
    type Frame: Frame<'a>;

    /// Checks the head of the outermost message; `frame` starts with it.
    fn parse(frame: Self::Frame) -> Result<Self, WireError>;

    /// Checks the head of a nested message, which a slot or table entry of `frame` points at.
    fn nested(frame: Self::Frame, pointer: u64) -> Result<Self, WireError>;

    /// As [`nested`](View::nested), `depth` levels within messages of the same circle. Only messages that can contain
    /// themselves count the levels.
    #[inline]
    fn nested_at(frame: Self::Frame, pointer: u64, depth: u32) -> Result<Self, WireError> {
        let _ = depth;
        Self::nested(frame, pointer)
    }
}

/// The head of a message whose field numbers, as far as the schema goes, fit `W` words of bitmap.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a, const W: usize, F = &'a [u8]> {
    /// The outermost message: what offsets count from.
    pub(crate) frame: F,
    pub(crate) slots: &'a [[u8; SLOT_BYTES]],
    pub(crate) known: Known<W>,
}

impl<'a, const W: usize, F: Frame<'a>> Reader<'a, W, F> {
    /// As [`View::parse`].
    #[inline]
    pub fn parse(frame: F) -> Result<Self, WireError> {
        Self::head(frame, frame.head())
    }

    /// As [`View::nested`].
    #[inline]
    pub fn nested(frame: F, pointer: u64) -> Result<Self, WireError> {
        Self::head(frame, pointed(frame.head(), pointer)?)
    }

    /// `message` starts with the head. Words past `W` tell of fields that this schema does not know: their bits are
    /// skipped, their slots come last.
    #[inline]
    fn head(frame: F, message: &'a [u8]) -> Result<Self, WireError> {
        let (units, _) = message.as_chunks::<SLOT_BYTES>();
        let mut known = Known { words: [0; W] };
        let mut words = 0;
        let mut slots = 0;
        loop {
            let word = u64::from_le_bytes(*units.get(words).ok_or(WireError::Truncated)?);
            if let Some(known) = known.words.get_mut(words) {
                *known = word & !MORE;
            }
            words += 1;
            slots += (word & !MORE).count_ones() as usize;
            if word & MORE == 0 {
                break;
            }
        }
        let slots = units[words..].get(..slots).ok_or(WireError::Truncated)?;
        Ok(Self { frame, slots, known })
    }

    /// A field that is inline in its slot; its default when absent.
    #[inline]
    pub fn scalar<T: Scalar, const FIELD: u32>(&self) -> T::Read {
        T::from_slot(self.slot_or_zero::<FIELD>())
    }

    /// An `optional` field that is inline in its slot.
    #[inline]
    pub fn optional_scalar<T: Scalar, const FIELD: u32>(&self) -> Option<T::Read> {
        self.slot::<FIELD>().map(T::from_slot)
    }

    /// Bytes; empty when absent.
    #[inline]
    pub fn bytes<const FIELD: u32>(&self) -> Result<F::Bytes, WireError> {
        self.frame.bytes(self.slot_or_zero::<FIELD>())
    }

    /// `optional` bytes.
    #[inline]
    pub fn optional_bytes<const FIELD: u32>(&self) -> Result<Option<F::Bytes>, WireError> {
        self.slot::<FIELD>()
            .map(|pointer| self.frame.bytes(pointer))
            .transpose()
    }

    /// A string; empty when absent.
    #[inline]
    pub fn string<const FIELD: u32>(&self) -> Result<F::Text, WireError> {
        self.frame.text(self.slot_or_zero::<FIELD>())
    }

    /// An `optional` string.
    #[inline]
    pub fn optional_string<const FIELD: u32>(&self) -> Result<Option<F::Text>, WireError> {
        self.slot::<FIELD>()
            .map(|pointer| self.frame.text(pointer))
            .transpose()
    }

    /// A nested message.
    #[inline]
    pub fn message<V: View<'a, Frame = F>, const FIELD: u32>(&self) -> Result<Option<V>, WireError> {
        self.slot::<FIELD>()
            .map(|pointer| V::nested(self.frame, pointer))
            .transpose()
    }

    /// A fixed message.
    #[inline]
    pub fn fixed<T: Fixed, const FIELD: u32>(&self) -> Result<Option<T>, WireError> {
        self.slot::<FIELD>()
            .map(|pointer| T::pointed(self.frame, pointer))
            .transpose()
    }

    /// All fields in turn.
    #[inline]
    #[must_use]
    pub fn fields(&self) -> Fields<'a, W> {
        Fields {
            slots: self.slots.iter(),
            known: self.known,
        }
    }

    /// A list; empty when absent.
    #[inline]
    pub fn list<T: Element<'a, F>, const FIELD: u32>(&self) -> Result<List<'a, T, F>, WireError> {
        List::new(self.frame, self.slot_or_zero::<FIELD>())
    }

    /// A map; empty when absent.
    #[inline]
    pub fn map<K, V, const FIELD: u32>(&self) -> Result<Map<'a, K, V, F>, WireError>
    where
        K: Key<'a, F>,
        V: InEntry<'a, F>,
    {
        Map::new(self.frame, self.slot_or_zero::<FIELD>(), 0)
    }

    /// What an absent field reads as is, for every type, what a slot of zeros reads as.
    #[inline]
    pub(crate) fn slot_or_zero<const FIELD: u32>(&self) -> u64 {
        self.slot::<FIELD>().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn slot<const FIELD: u32>(&self) -> Option<u64> {
        let slot = self.slots.get(self.known.slot_of::<FIELD>()?)?;
        Some(u64::from_le_bytes(*slot))
    }
}

/// The fields of a message in the order of their numbers: who reads them all need not count, for each, those before it.
#[derive(Debug, Clone)]
pub struct Fields<'a, const W: usize> {
    /// From the next field on that was not asked for.
    slots: slice::Iter<'a, [u8; SLOT_BYTES]>,
    known: Known<W>,
}

impl<const W: usize> Fields<'_, W> {
    /// A field that is inline in its slot; its default when absent. `AFTER` is the field that was asked for before it, 0
    /// if it is the first.
    #[inline]
    pub fn scalar<T: Scalar, const AFTER: u32, const FIELD: u32>(&mut self) -> T::Read {
        for _ in 0..self.known.count_between::<AFTER, FIELD>() {
            self.slots.next();
        }
        let mut slot = 0;
        if self.known.has::<FIELD>()
            && let Some(bytes) = self.slots.next()
        {
            slot = u64::from_le_bytes(*bytes);
        }
        T::from_slot(slot)
    }
}

/// Splits what points at payload into size (or count) and offset.
#[inline]
pub(crate) fn size_and_offset(pointer: u64) -> (usize, usize) {
    (pointer as u32 as usize, (pointer >> 32) as usize)
}

/// The bytes that `pointer` tells of. Taken in two steps, so that no sum can overflow on any platform.
#[inline]
pub(crate) fn pointed(frame: &[u8], pointer: u64) -> Result<&[u8], WireError> {
    let (size, offset) = size_and_offset(pointer);
    frame
        .get(offset..)
        .and_then(|rest| rest.get(..size))
        .ok_or(WireError::OutOfFrame)
}

#[inline]
pub(crate) fn utf8(bytes: &[u8]) -> Result<&str, WireError> {
    crake_mem::from_utf8(bytes).map_err(|_| WireError::NotUtf8)
}

// A word of the bitmap has one bit that is not a field's.
const _: () = assert!(FIELDS_PER_WORD + 1 == u64::BITS);
