//! Reading a list: its extent is checked once, each element where it is asked for.

use std::{fmt, slice};

use crate::reader::{pointed, size_and_offset, utf8};
use crate::{Raw, Scalar, View, WireError};

/// What a [`List`] can be a list of.
pub trait Element<'a> {
    /// One element as it lies in the frame.
    type Raw: Raw;
    /// What reading gives: a `Result` where not every pattern of bits is a value.
    type Item;

    /// Reads one element of a list in `frame`.
    fn read(frame: &'a [u8], raw: &Self::Raw) -> Self::Item;
}

/// A list read where it lies, from front, back or by index. Its length is believed only as far as the frame holds as
/// many elements.
pub struct List<'a, T: Element<'a>> {
    frame: &'a [u8],
    rest: slice::Iter<'a, T::Raw>,
}

impl<'a, T: Element<'a>> List<'a, T> {
    /// The list that `pointer`, the slot of a message in `frame`, tells of.
    #[inline]
    pub(crate) fn new(frame: &'a [u8], pointer: u64) -> Result<Self, WireError> {
        let (count, offset) = size_and_offset(pointer);
        let there = T::Raw::chunks(frame.get(offset..).ok_or(WireError::OutOfFrame)?);
        let rest = there.get(..count).ok_or(WireError::OutOfFrame)?.iter();
        Ok(Self { frame, rest })
    }

    /// Element `index` of those that are left.
    #[inline]
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T::Item> {
        self.rest
            .as_slice()
            .get(index)
            .map(|raw| T::read(self.frame, raw))
    }

    /// Whether no element is left.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rest.as_slice().is_empty()
    }
}

impl<'a, T: Element<'a>> Iterator for List<'a, T> {
    type Item = T::Item;

    #[inline]
    fn next(&mut self) -> Option<T::Item> {
        self.rest.next().map(|raw| T::read(self.frame, raw))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<T::Item> {
        self.rest.nth(n).map(|raw| T::read(self.frame, raw))
    }
}

impl<'a, T: Element<'a>> DoubleEndedIterator for List<'a, T> {
    #[inline]
    fn next_back(&mut self) -> Option<T::Item> {
        self.rest.next_back().map(|raw| T::read(self.frame, raw))
    }
}

impl<'a, T: Element<'a>> ExactSizeIterator for List<'a, T> {}

impl<'a, T: Element<'a>> Clone for List<'a, T> {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame,
            rest: self.rest.clone(),
        }
    }
}

impl<'a, T: Element<'a, Item: fmt::Debug>> fmt::Debug for List<'a, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

macro_rules! packed {
    ($($type:ty)*) => {$(
        impl Element<'_> for $type {
            type Raw = <$type as Scalar>::Raw;
            type Item = <$type as Scalar>::Read;

            #[inline]
            fn read(_: &[u8], raw: &Self::Raw) -> Self::Item {
                <$type>::from_raw(*raw)
            }
        }
    )*};
}

packed!(u64 i64 f64 u32 i32 f32 bool);

impl<'a> Element<'a> for &'a [u8] {
    type Raw = [u8; 8];
    type Item = Result<&'a [u8], WireError>;

    #[inline]
    fn read(frame: &'a [u8], raw: &[u8; 8]) -> Self::Item {
        pointed(frame, u64::from_le_bytes(*raw))
    }
}

impl<'a> Element<'a> for &'a str {
    type Raw = [u8; 8];
    type Item = Result<&'a str, WireError>;

    #[inline]
    fn read(frame: &'a [u8], raw: &[u8; 8]) -> Self::Item {
        utf8(pointed(frame, u64::from_le_bytes(*raw))?)
    }
}

impl<'a, V: View<'a>> Element<'a> for V {
    type Raw = [u8; 8];
    type Item = Result<V, WireError>;

    #[inline]
    fn read(frame: &'a [u8], raw: &[u8; 8]) -> Self::Item {
        V::nested(frame, u64::from_le_bytes(*raw))
    }
}
