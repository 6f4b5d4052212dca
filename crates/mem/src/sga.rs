//! Scatter-gather lists.

use std::fmt;

use smallvec::SmallVec;

use crate::buf::Buf;
use crate::extent::Extent;
use crate::segment::Segment;

/// Segments that are held without allocation.
const INLINE_SEGMENTS: usize = 4;

/// Removed segments are left in place, empty, until there are this many and they are the greater part.
const SPENT_SEGMENTS_MIN: usize = 32;

/// A scatter-gather list: bytes in pieces, in order, to be sent as one. Up to four pieces are kept without allocation.
///
/// No piece is empty, so that a list of `n` segments fills exactly `n` entries of an I/O vector.
#[derive(Clone, Default)]
pub struct Sga {
    // `list[..spent]` are empty segments that hold nothing, left over from what was sent; the others are not empty.
    list: SmallVec<[Segment; INLINE_SEGMENTS]>,
    spent: usize,
    // Sum over the segments.
    len_bytes: usize,
}

impl Sga {
    /// No bytes.
    #[inline]
    pub fn new() -> Self {
        Self {
            list: SmallVec::new(),
            spent: 0,
            len_bytes: 0,
        }
    }

    /// Number of bytes.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether there are no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// The pieces, in order, none of them empty.
    #[inline]
    pub fn segments(&self) -> &[Segment] {
        &self.list[self.spent..]
    }

    /// Appends a [`Buf`], an [`Extent`] or a [`Segment`]; an empty one is dropped at once.
    #[inline]
    pub fn push(&mut self, segment: impl Into<Segment>) {
        let segment = segment.into();
        if !segment.is_empty() {
            self.len_bytes += segment.len();
            self.list.push(segment);
        }
    }

    /// Appends all pieces of `other`, in order.
    #[inline]
    pub fn append(&mut self, other: Sga) {
        if self.is_empty() {
            *self = other;
        } else {
            self.len_bytes += other.len_bytes;
            self.list.extend(other.list.into_iter().skip(other.spent));
        }
    }

    /// Drops the first `n` bytes, and every piece that has no others.
    ///
    /// # Panics
    ///
    /// If `n > len_bytes`.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len_bytes, "advance by {n} of {} bytes", self.len_bytes);
        if n == self.len_bytes {
            self.clear();
        } else {
            self.advance_within(n);
        }
    }

    /// Cuts off and returns the first `n` bytes; `self` keeps the rest.
    ///
    /// # Panics
    ///
    /// If `n > len_bytes`.
    pub fn split_to(&mut self, n: usize) -> Sga {
        assert!(n <= self.len_bytes, "split at {n} of {} bytes", self.len_bytes);
        if n == self.len_bytes {
            return std::mem::take(self);
        }
        let mut front = Sga::new();
        self.len_bytes -= n;
        while front.len_bytes < n {
            front.push(self.take_first(n - front.len_bytes));
        }
        self.reclaim();
        front
    }

    /// Drops everything.
    #[inline]
    pub fn clear(&mut self) {
        self.list.clear();
        self.spent = 0;
        self.len_bytes = 0;
    }

    /// A copy of all bytes as they are now.
    pub fn concat(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len_bytes];
        self.copy_to(&mut bytes);
        bytes
    }

    /// Copies all bytes as they are now.
    ///
    /// # Panics
    ///
    /// If `out` has another length.
    pub fn copy_to(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len_bytes, "the target has the list's length");
        let mut rest = out;
        for segment in self.segments() {
            let (place, after) = rest.split_at_mut(segment.len());
            segment.copy_to(place);
            rest = after;
        }
    }

    /// `n` is less than `len_bytes`, so some piece is left.
    #[inline]
    fn advance_within(&mut self, n: usize) {
        self.len_bytes -= n;
        let mut left = n;
        loop {
            let first = &mut self.list[self.spent];
            if left < first.len() {
                first.advance(left);
                break;
            }
            left -= first.len();
            *first = Segment::empty();
            self.spent += 1;
        }
        self.reclaim();
    }

    /// Takes up to `max` bytes out of the first piece. The caller accounts for them.
    fn take_first(&mut self, max: usize) -> Segment {
        let first = &mut self.list[self.spent];
        if max < first.len() {
            return first.split_to(max);
        }
        self.spent += 1;
        std::mem::take(first)
    }

    /// Moves the pieces to the front once at least as many are spent: a constant cost per piece.
    #[inline]
    fn reclaim(&mut self) {
        if self.spent >= SPENT_SEGMENTS_MIN && self.spent * 2 >= self.list.len() {
            self.list.drain(..self.spent);
            self.spent = 0;
        }
    }
}

impl<S: Into<Segment>> Extend<S> for Sga {
    fn extend<I: IntoIterator<Item = S>>(&mut self, segments: I) {
        segments.into_iter().for_each(|segment| self.push(segment));
    }
}

impl<S: Into<Segment>> FromIterator<S> for Sga {
    fn from_iter<I: IntoIterator<Item = S>>(segments: I) -> Self {
        let mut list = Sga::new();
        list.extend(segments);
        list
    }
}

impl From<Segment> for Sga {
    #[inline]
    fn from(segment: Segment) -> Self {
        let mut list = Sga::new();
        list.push(segment);
        list
    }
}

impl From<Buf> for Sga {
    #[inline]
    fn from(buf: Buf) -> Self {
        Sga::from(buf.into_segment())
    }
}

impl From<Extent> for Sga {
    #[inline]
    fn from(extent: Extent) -> Self {
        Sga::from(extent.segment())
    }
}

impl fmt::Debug for Sga {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.segments()).finish()
    }
}
