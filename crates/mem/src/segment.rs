//! Bytes to send: what a scatter-gather list is made of.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::RangeBounds;
use std::ptr::NonNull;

use crate::buf::Buf;
use crate::copy::copy_anywhere;
use crate::extent::Extent;
use crate::header::{self, Header, Owner};

/// A counted piece of memory to be read from: a [`Buf`], or a place in a [`Region`](crate::Region)
/// that may be written while this exists (see the crate's documentation).
///
/// It keeps the memory alive and does not copy. Cloning and slicing cost a few instructions.
/// There is no way to a `&[u8]` unless the bytes stand still: [`as_buf`](Self::as_buf).
pub struct Segment {
    // `data` is valid for reads of `len_bytes` initialised bytes while a reference on `header` is held
    // (for ever, if there is no header). Unless it lies in a region (`Owner::Region`, `Owner::Loan`) those bytes do not change.
    data: NonNull<u8>,
    len_bytes: usize,
    header: Option<NonNull<Header>>,
}

impl Segment {
    /// No bytes.
    #[inline]
    pub const fn empty() -> Self {
        Self {
            data: NonNull::dangling(),
            len_bytes: 0,
            header: None,
        }
    }

    #[inline]
    pub(crate) const fn from_static(bytes: &'static [u8]) -> Self {
        // A shared reference is never null; `NonNull::from` is not const.
        let data = NonNull::new(bytes.as_ptr().cast_mut()).expect("a slice's pointer is never null");
        Self {
            data,
            len_bytes: bytes.len(),
            header: None,
        }
    }

    /// Takes over one reference on `header`.
    ///
    /// # Safety
    ///
    /// `data` is valid for reads of `len_bytes` initialised bytes while `header` has references, the caller owns
    /// one of these, and unless the header is a region's the bytes do not change meanwhile.
    #[inline]
    pub(crate) unsafe fn from_parts(data: NonNull<u8>, len_bytes: usize, header: NonNull<Header>) -> Self {
        Self {
            data,
            len_bytes,
            header: Some(header),
        }
    }

    /// Number of bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Where the bytes are. For system calls and devices: valid for reads of [`len`](Self::len) bytes while this segment
    /// lives, and not null even if it is empty. A reference made of it must not outlive the call for which it is made.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.data.as_ptr()
    }

    /// The same bytes as a [`Buf`], or `None` if they lie in a region and may change.
    #[inline]
    pub fn as_buf(&self) -> Option<&Buf> {
        // The cast is sound: `Buf` is `repr(transparent)` over `Segment` and adds only that the bytes stand still.
        // SAFETY: as said; the lifetime is that of `self`.
        (!self.may_change()).then(|| unsafe { &*std::ptr::from_ref(self).cast::<Buf>() })
    }

    /// The bytes as they are now, in a [`Buf`]: itself if they cannot change, else a copy in new memory.
    pub fn to_buf(&self) -> Buf {
        self.as_buf()
            .map_or_else(|| Buf::from_vec(self.to_vec()), Buf::clone)
    }

    /// A copy of the bytes as they are now.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len_bytes];
        self.copy_to(&mut bytes);
        bytes
    }

    /// Copies the bytes as they are now.
    ///
    /// # Panics
    ///
    /// If `out` has another length.
    #[inline]
    pub fn copy_to(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len_bytes, "the target has the segment's length");
        // SAFETY: valid for reads, see the field; `out` is an exclusive reference, and nobody can have one
        // to bytes that a segment shows, so the two do not overlap.
        unsafe { copy_anywhere(self.data.as_ptr(), out.as_mut_ptr(), self.len_bytes) };
    }

    /// A part of it: the same memory.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..len`.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Segment {
        let range = crate::resolve(range, self.len_bytes);
        let mut part = self.clone();
        part.len_bytes = range.len();
        // SAFETY: `range.start <= len_bytes`, so the result is in the allocation or at its end.
        part.data = unsafe { part.data.add(range.start) };
        part
    }

    /// Cuts off and returns the first `n` bytes; `self` keeps the rest.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Segment {
        let front = self.slice(..n);
        self.advance(n);
        front
    }

    /// Cuts off and returns everything from `n` on; `self` keeps the first `n` bytes.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn split_off(&mut self, n: usize) -> Segment {
        let back = self.slice(n..);
        self.len_bytes = n;
        back
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len_bytes, "advance by {n} of {} bytes", self.len_bytes);
        // SAFETY: `n <= len_bytes`, so the result is in the allocation or at its end.
        self.data = unsafe { self.data.add(n) };
        self.len_bytes -= n;
    }

    /// Drops all but the first `n` bytes; does nothing if there are fewer.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        self.len_bytes = self.len_bytes.min(n);
    }

    #[inline]
    pub(crate) fn header(&self) -> Option<&Header> {
        // SAFETY: this segment holds a reference, so the header is alive, and only its cells are ever written.
        self.header.map(|header| unsafe { header.as_ref() })
    }

    /// The parts, with the reference on the header now the caller's.
    #[inline]
    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize, Option<NonNull<Header>>) {
        let this = ManuallyDrop::new(self);
        (this.data, this.len_bytes, this.header)
    }

    #[inline]
    fn may_change(&self) -> bool {
        matches!(
            self.header(),
            Some(Header {
                owner: Owner::Region(_) | Owner::Loan(_),
                ..
            })
        )
    }
}

impl Clone for Segment {
    #[inline]
    fn clone(&self) -> Self {
        if let Some(header) = self.header() {
            header.retain();
        }
        Self {
            data: self.data,
            len_bytes: self.len_bytes,
            header: self.header,
        }
    }
}

impl Drop for Segment {
    #[inline]
    fn drop(&mut self) {
        if let Some(header) = self.header {
            // SAFETY: this segment owns one reference, and is gone after this.
            unsafe { header::release(header) };
        }
    }
}

impl Default for Segment {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Buf> for Segment {
    #[inline]
    fn from(buf: Buf) -> Self {
        buf.into_segment()
    }
}

impl From<Extent> for Segment {
    #[inline]
    fn from(extent: Extent) -> Self {
        extent.segment()
    }
}

impl From<&Extent> for Segment {
    #[inline]
    fn from(extent: &Extent) -> Self {
        extent.segment()
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_buf() {
            Some(buf) => buf.fmt(f),
            None => write!(f, "Segment({} bytes of a region)", self.len_bytes),
        }
    }
}
