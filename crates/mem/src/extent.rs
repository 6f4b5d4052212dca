//! A place in a region.

use std::fmt;
use std::ops::RangeBounds;
use std::ptr::NonNull;
use std::rc::Rc;

use crate::copy::copy_anywhere;
use crate::region::Region;
use crate::segment::Segment;
use crate::sga::Sga;

/// A place in a [`Region`] that bytes can be received into or sent from. Clones are the same place.
///
/// Never gives out a reference to its bytes, because the kernel may write there while any handle exists: see the
/// crate's documentation.
#[derive(Clone)]
pub struct Extent {
    region: Rc<Region>,
    // `data` and `len_bytes` bytes after it lie within the region's mapping.
    data: NonNull<u8>,
    len_bytes: usize,
}

impl Extent {
    /// # Safety
    ///
    /// `len_bytes` bytes from `data` on lie within the mapping of `region`.
    pub(crate) unsafe fn from_parts(region: Rc<Region>, data: NonNull<u8>, len_bytes: usize) -> Self {
        Self {
            region,
            data,
            len_bytes,
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

    /// The region that it is a place of.
    pub fn region(&self) -> &Rc<Region> {
        &self.region
    }

    /// Its first byte.
    #[inline]
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.data
    }

    /// Its first byte's place in the region.
    pub fn offset(&self) -> usize {
        self.data.as_ptr().addr() - self.region.base().as_ptr().addr()
    }

    /// A part of it: the same memory.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..len`.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Extent {
        let range = crate::resolve(range, self.len_bytes);
        Extent {
            region: self.region.clone(),
            data: self.at(range.start),
            len_bytes: range.len(),
        }
    }

    /// Copies `bytes` to offset `at`.
    ///
    /// # Panics
    ///
    /// If `at + bytes.len() > len`.
    #[inline]
    pub fn write(&self, at: usize, bytes: &[u8]) {
        self.check(at, bytes.len());
        // SAFETY: checked to lie within the mapping; no reference to a region's bytes exists, so `bytes` is elsewhere.
        unsafe { copy_anywhere(bytes.as_ptr(), self.at(at).as_ptr(), bytes.len()) };
    }

    /// Copies all bytes of `segment` to offset `at`, also if the two overlap.
    ///
    /// # Panics
    ///
    /// If `at + segment.len() > len`.
    #[inline]
    pub fn write_segment(&self, at: usize, segment: &Segment) {
        self.check(at, segment.len());
        let (from, to) = (segment.as_ptr(), self.at(at).as_ptr());
        match from.addr().abs_diff(to.addr()) < segment.len() {
            // SAFETY: checked to lie within the mapping, and the segment keeps its own bytes valid; `copy` allows overlap.
            true => unsafe { std::ptr::copy(from, to, segment.len()) },
            // SAFETY: the same, and they are apart.
            false => unsafe { copy_anywhere(from, to, segment.len()) },
        }
    }

    /// Copies all bytes of `list` to offset `at`.
    ///
    /// # Panics
    ///
    /// If `at + list.len_bytes() > len`.
    pub fn write_sga(&self, at: usize, list: &Sga) {
        self.check(at, list.len_bytes());
        let mut at = at;
        for segment in list.segments() {
            self.write_segment(at, segment);
            at += segment.len();
        }
    }

    /// Copies the bytes from offset `at` on into `out`.
    ///
    /// # Panics
    ///
    /// If `at + out.len() > len`.
    #[inline]
    pub fn read(&self, at: usize, out: &mut [u8]) {
        self.check(at, out.len());
        // SAFETY: checked to lie within the mapping; no reference to a region's bytes exists, so `out` is elsewhere.
        unsafe { copy_anywhere(self.at(at).as_ptr(), out.as_mut_ptr(), out.len()) };
    }

    /// Sets every byte of `range` to `value`.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..len`.
    pub fn fill(&self, range: impl RangeBounds<usize>, value: u8) {
        let range = crate::resolve(range, self.len_bytes);
        // SAFETY: the range lies within the mapping, to whose bytes no reference exists.
        unsafe { std::ptr::write_bytes(self.at(range.start).as_ptr(), value, range.len()) };
    }

    /// A copy of its bytes as they are now.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.len_bytes];
        self.read(0, &mut bytes);
        bytes
    }

    /// Its bytes as something to send: no copy, no allocation. The region lives at least as long. What is sent
    /// are the bytes at the time at which the kernel or the receiver copies them.
    #[inline]
    pub fn segment(&self) -> Segment {
        let header = Region::retain_header(&self.region);
        // SAFETY: the bytes lie in the region's mapping, whose header now counts the segment.
        unsafe { Segment::from_parts(self.data, self.len_bytes, header) }
    }

    /// Where the bytes are. For system calls and devices: valid for reads and writes of [`len`](Self::len) bytes while
    /// this extent lives. No reference may be made of it that lives across another use of the memory.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.data.as_ptr()
    }

    #[inline]
    fn check(&self, at: usize, len_bytes: usize) {
        let fits = at <= self.len_bytes && len_bytes <= self.len_bytes - at;
        assert!(
            fits,
            "{len_bytes} bytes at {at} of an extent of {}",
            self.len_bytes
        );
    }

    /// `at` must have been checked to be at most `len_bytes`.
    #[inline]
    fn at(&self, at: usize) -> NonNull<u8> {
        debug_assert!(at <= self.len_bytes);
        // SAFETY: callers checked `at`, so the result is in the mapping or at its end.
        unsafe { self.data.add(at) }
    }
}

impl fmt::Debug for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extent({} bytes at {})", self.len_bytes, self.offset())
    }
}
