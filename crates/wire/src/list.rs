//! Reading a list: its extent is checked once, each element where it is asked for.

use std::{fmt, slice};

use crate::reader::size_and_offset;
use crate::{Frame, Gathered, Payload, Raw, Scalar, Text, View, WireError};

/// What a [`List`] in a frame `F` can be a list of.
pub trait Element<'a, F = &'a [u8]> {
    /// One element as it lies in the frame.
    type Raw: Raw;
    /// What reading gives: a `Result` where not every pattern of bits is a value.
    type Item;

    /// Reads one element of a list in `frame`.
    fn read(frame: F, raw: &Self::Raw) -> Self::Item;
}

/// A list read where it lies, from front, back or by index. Its length is believed only as far as the frame holds as
/// many elements.
pub struct List<'a, T: Element<'a, F>, F: Frame<'a> = &'a [u8]> {
    frame: F,
    rest: slice::Iter<'a, T::Raw>,
}

impl<'a, F: Frame<'a>, T: Element<'a, F>> List<'a, T, F> {
    /// The list that `pointer`, the slot of a message in `frame`, tells of.
    #[inline]
    pub(crate) fn new(frame: F, pointer: u64) -> Result<Self, WireError> {
        let (count, offset) = size_and_offset(pointer);
        let there = T::Raw::chunks(frame.head().get(offset..).ok_or(WireError::OutOfFrame)?);
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

impl<'a, F: Frame<'a>, T: Element<'a, F>> Iterator for List<'a, T, F> {
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

impl<'a, F: Frame<'a>, T: Element<'a, F>> DoubleEndedIterator for List<'a, T, F> {
    #[inline]
    fn next_back(&mut self) -> Option<T::Item> {
        self.rest.next_back().map(|raw| T::read(self.frame, raw))
    }
}

impl<'a, F: Frame<'a>, T: Element<'a, F>> ExactSizeIterator for List<'a, T, F> {}

impl<'a, F: Frame<'a>, T: Element<'a, F>> Clone for List<'a, T, F> {
    fn clone(&self) -> Self {
        Self {
            frame: self.frame,
            rest: self.rest.clone(),
        }
    }
}

impl<'a, F: Frame<'a>, T: Element<'a, F, Item: fmt::Debug>> fmt::Debug for List<'a, T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

macro_rules! packed {
    ($($type:ty)*) => {$(
        impl<F> Element<'_, F> for $type {
            type Raw = <$type as Scalar>::Raw;
            type Item = <$type as Scalar>::Read;

            #[inline]
            fn read(_: F, raw: &Self::Raw) -> Self::Item {
                <$type>::from_raw(*raw)
            }
        }
    )*};
}

packed!(u64 i64 f64 u32 i32 f32 bool);

macro_rules! blob {
    ($frame:ty: $($type:ty, $read:ident)*) => {$(
        impl<'a> Element<'a, $frame> for $type {
            type Raw = [u8; 8];
            type Item = Result<$type, WireError>;

            #[inline]
            fn read(frame: $frame, raw: &[u8; 8]) -> Self::Item {
                frame.$read(u64::from_le_bytes(*raw))
            }
        }
    )*};
}

blob!(&'a [u8]: &'a [u8], bytes &'a str, text);
blob!(Gathered<'a>: Payload<'a>, bytes Text<'a>, text);

impl<'a, V: View<'a>> Element<'a, V::Frame> for V {
    type Raw = [u8; 8];
    type Item = Result<V, WireError>;

    #[inline]
    fn read(frame: V::Frame, raw: &[u8; 8]) -> Self::Item {
        V::nested(frame, u64::from_le_bytes(*raw))
    }
}
