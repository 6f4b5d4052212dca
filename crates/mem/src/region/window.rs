//! Memory that somebody else writes.

use std::fmt;
use std::ops::{Deref, Range};
use std::os::fd::OwnedFd;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::mapping::Mapping;
use super::{Region, RegionError};
use crate::copy::copy_streaming;
use crate::extent::Extent;

/// The memory of a region, to be read: that of another process, or of this one.
///
/// Whoever made the region may write to it at any time. What is copied out may be of before and of after; to know that it is whole,
/// look before and after at a number that the writer changes ([`load_u32`](Self::load_u32), [`load_u64`](Self::load_u64)).
/// Nothing that the other process does makes an access fail.
///
/// ```
/// use crake_mem::{HugePages, Region, Window};
///
/// let region = Region::memfd("example", 4096, HugePages::Never)?;
/// region.close_file()?;
/// let file = region.as_fd().expect("a memfd has one").try_clone_to_owned().expect("a descriptor is free");
/// let window = Window::map(file, 4096)?;
/// region.extent(8..13).write(0, b"bytes");
/// region.store_u64(0, 1);
/// assert_eq!(window.load_u64(0), 1);
/// let copy = Region::allocated(5)?.extent(..);
/// window.copy_to(8, &copy);
/// assert_eq!(copy.to_vec(), b"bytes");
/// # Ok::<(), crake_mem::RegionError>(())
/// ```
pub struct Window {
    // Of `len_bytes` bytes, mapped as long as `memory` is there.
    base: NonNull<u8>,
    len_bytes: usize,
    _memory: Memory,
}

enum Memory {
    Mapped(#[expect(dead_code, reason = "unmaps when it is dropped")] Mapping),
    Own(#[expect(dead_code, reason = "keeps the region")] Rc<Region>),
}

impl Window {
    /// Maps the first `len_bytes` of a file that its maker has closed: see [`Region::close_file`]. Refused if it is shorter, or if
    /// anybody could take pages out of it.
    pub fn map(fd: OwnedFd, len_bytes: usize) -> Result<Rc<Window>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let mapping = Mapping::read_only(&fd, len_bytes)?;
        Ok(Rc::new(Window {
            base: mapping.base(),
            len_bytes,
            _memory: Memory::Mapped(mapping),
        }))
    }

    /// A region of this process.
    pub fn of(region: &Rc<Region>) -> Rc<Window> {
        Rc::new(Window {
            base: region.base(),
            len_bytes: region.len_bytes(),
            _memory: Memory::Own(region.clone()),
        })
    }

    /// Its size.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// A number that its owner stores with [`Region::store_u32`]; what the owner wrote before it is seen by what is read after this.
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 4, or its number is not within the window.
    #[inline]
    pub fn load_u32(&self, at: usize) -> u32 {
        // SAFETY: checked to be aligned and within the mapping, which is readable; see `Region::store_u32`.
        let place = unsafe { AtomicU32::from_ptr(self.number(at, size_of::<u32>()).cast()) };
        place.load(Ordering::Acquire)
    }

    /// The same for [`Region::store_u64`].
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 8, or its number is not within the window.
    #[inline]
    pub fn load_u64(&self, at: usize) -> u64 {
        // SAFETY: as for `load_u32`.
        let place = unsafe { AtomicU64::from_ptr(self.number(at, size_of::<u64>()).cast()) };
        place.load(Ordering::Acquire)
    }

    /// Whether all numbers that lie side by side in `range`, as [`load_u32`](Self::load_u32) reads them, are this one.
    ///
    /// # Panics
    ///
    /// If the range is not within the window, or does not begin and end at multiples of 4.
    #[inline]
    pub fn all_u32(&self, range: Range<usize>, number: u32) -> bool {
        const SIDE_BY_SIDE: usize = 64;
        if range.start + size_of::<u32>() == range.end {
            return self.load_u32(range.start) == number;
        }
        let mut copy = [0u32; SIDE_BY_SIDE];
        let mut same = true;
        let mut at = range.start;
        while at < range.end {
            let count = SIDE_BY_SIDE.min((range.end - at) / size_of::<u32>());
            assert!(count > 0, "numbers of 4 bytes each");
            self.check(at, count * size_of::<u32>());
            // SAFETY: checked to lie within the mapping; `copy` is our own and large enough.
            unsafe { std::ptr::copy_nonoverlapping(self.at(at).cast().as_ptr(), copy.as_mut_ptr(), count) };
            same &= copy[..count]
                .iter()
                .fold(0, |differ, one| differ | (one ^ number))
                == 0;
            at += count * size_of::<u32>();
        }
        fence(Ordering::Acquire);
        same
    }

    /// Copies the bytes from offset `at` on over all of `target`. Numbers that are loaded after this are as new as what was copied.
    ///
    /// # Panics
    ///
    /// If they are not all within the window.
    #[inline]
    pub fn copy_to(&self, at: usize, target: &Extent) {
        self.check(at, target.len());
        // SAFETY: checked to lie within the mapping; a target in this very region may overlap, which `copy` allows.
        unsafe { std::ptr::copy(self.at(at).as_ptr(), target.as_mut_ptr(), target.len()) };
        fence(Ordering::Acquire);
    }

    /// Copies the bytes from offset `at` on over all of `target`, otherwise as [`copy_to`](Self::copy_to).
    ///
    /// # Panics
    ///
    /// If they are not all within the window.
    #[inline(always)]
    pub fn copy_out(&self, at: usize, target: &mut [u8]) {
        self.check(at, target.len());
        // SAFETY: checked to lie within the mapping; no reference to a region's bytes exists, so `target` is elsewhere.
        unsafe { std::ptr::copy_nonoverlapping(self.at(at).as_ptr(), target.as_mut_ptr(), target.len()) };
        fence(Ordering::Acquire);
    }

    /// The bytes of a range, in place.
    ///
    /// # Safety
    ///
    /// As long as what this returns is used, nobody writes these bytes: the region's owner has promised it.
    ///
    /// # Panics
    ///
    /// If the range is not within the window.
    pub unsafe fn pinned(self: &Rc<Self>, range: Range<usize>) -> Pinned {
        self.check(range.start, range.len());
        Pinned {
            data: self.at(range.start),
            len_bytes: range.len(),
            _window: self.clone(),
        }
    }

    /// The same by stores that pass the caches, where there are such: for more than the caches hold, or for a target that this core does not
    /// read soon.
    ///
    /// # Panics
    ///
    /// If they are not all within the window.
    #[inline]
    pub fn copy_to_streaming(&self, at: usize, target: &Extent) {
        self.check(at, target.len());
        let (from, to) = (self.at(at).as_ptr(), target.as_mut_ptr());
        if from.addr().abs_diff(to.addr()) < target.len() {
            return self.copy_to(at, target);
        }
        // SAFETY: checked to lie within the mapping, and not to overlap; who writes there meanwhile is the owner, as the type says.
        unsafe { copy_streaming(from, to, target.len()) };
        fence(Ordering::Acquire);
    }

    #[inline]
    fn number(&self, at: usize, size: usize) -> *mut u8 {
        self.check(at, size);
        assert!(at.is_multiple_of(size), "a number of {size} bytes at {at}");
        self.at(at).as_ptr()
    }

    #[inline]
    fn check(&self, at: usize, len_bytes: usize) {
        let fits = at <= self.len_bytes && len_bytes <= self.len_bytes - at;
        if !fits {
            self.refuse(at, len_bytes);
        }
    }

    #[cold]
    fn refuse(&self, at: usize, len_bytes: usize) -> ! {
        panic!("{len_bytes} bytes at {at} of a window of {}", self.len_bytes)
    }

    /// `at` must have been checked to be at most `len_bytes`.
    #[inline]
    fn at(&self, at: usize) -> NonNull<u8> {
        // SAFETY: callers checked `at`, so the result is in the mapping or at its end.
        unsafe { self.base.add(at) }
    }
}

/// Bytes of a [`Window`] that nobody writes. They stay mapped as long as this lives.
pub struct Pinned {
    // `len_bytes` bytes from here lie in the window's mapping, and do not change: see `Window::pinned`.
    data: NonNull<u8>,
    len_bytes: usize,
    _window: Rc<Window>,
}

impl Deref for Pinned {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: see the field.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len_bytes) }
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pinned({} bytes)", self.len_bytes)
    }
}

impl fmt::Debug for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Window({} bytes)", self.len_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::HugePages;

    #[test]
    fn shows_what_its_owner_writes_in_this_process() {
        let region = Region::anonymous(8192, HugePages::Never).unwrap();
        let window = Window::of(&region);
        region.store_u32(4096, 7);
        region.store_u32(4100, 7);
        assert_eq!(window.load_u32(4096), 7);
        assert!(window.all_u32(4096..4104, 7) && !window.all_u32(4096..4108, 7));
        region.extent(10..14).write(0, b"here");
        let copy = Region::allocated(4).unwrap().extent(..);
        window.copy_to(10, &copy);
        assert_eq!(copy.to_vec(), b"here");
        copy.write(0, b"gone");
        window.copy_to_streaming(10, &copy);
        assert_eq!(copy.to_vec(), b"here");
        let mut out = [0; 4];
        window.copy_out(10, &mut out);
        assert_eq!(&out, b"here");
    }

    #[test]
    fn both_copies_may_overlap_what_they_copy() {
        let bytes: Vec<u8> = (0..4096).map(|at| (at % 251) as u8).collect();
        for copy in [Window::copy_to, Window::copy_to_streaming] {
            for to in [0, 1, 64, 100, 200, 1000] {
                let region = Region::anonymous(4096, HugePages::Never).unwrap();
                region.extent(..).write(0, &bytes);
                let target = region.extent(to..to + 1000);
                copy(&Window::of(&region), 100, &target);
                assert_eq!(target.to_vec(), bytes[100..1100], "{to}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "of a window of 4096")]
    fn nothing_is_copied_from_beyond_its_end() {
        let window = Window::of(&Region::anonymous(4096, HugePages::Never).unwrap());
        window.copy_to_streaming(4000, &Region::allocated(97).unwrap().extent(..));
    }

    #[test]
    fn pinned_bytes_outlive_the_handles_on_their_region() {
        let region = Region::anonymous(4096, HugePages::Never).unwrap();
        region.extent(100..104).write(0, b"here");
        let window = Window::of(&region);
        // SAFETY: nobody writes there any more.
        let pinned = unsafe { window.pinned(100..104) };
        drop((window, region));
        assert_eq!(&pinned[..], b"here");
    }

    #[test]
    fn all_numbers_of_a_long_range_count() {
        let region = Region::anonymous(4096, HugePages::Never).unwrap();
        let window = Window::of(&region);
        for at in (0..4096).step_by(4) {
            region.store_u32(at, 9);
        }
        assert!(window.all_u32(0..4096, 9));
        for at in [0, 252, 256, 1000, 4092] {
            region.store_u32(at, 8);
            assert!(!window.all_u32(0..4096, 9), "{at}");
            region.store_u32(at, 9);
        }
    }

    #[test]
    #[cfg(not(miri))]
    fn a_file_that_may_lose_pages_is_refused() {
        let region = Region::memfd("window", 4096, HugePages::Never).unwrap();
        let file = |region: &Region| region.as_fd().unwrap().try_clone_to_owned().unwrap();
        assert!(Window::map(file(&region), 4096).is_err(), "not closed yet");
        region.close_file().unwrap();
        assert!(Window::map(file(&region), 4096).is_ok());
        assert!(Window::map(file(&region), 8192).is_err(), "longer than the file");
        assert!(matches!(Window::map(file(&region), 0), Err(RegionError::Empty)));
    }

    #[test]
    #[should_panic(expected = "of a window of 4096")]
    fn nothing_is_read_beyond_its_end() {
        let window = Window::of(&Region::anonymous(4096, HugePages::Never).unwrap());
        window.load_u64(4096);
    }

    #[test]
    #[should_panic(expected = "of a region of 4096")]
    fn numbers_lie_at_multiples_of_their_size() {
        Region::anonymous(4096, HugePages::Never).unwrap().store_u64(4, 1);
    }
}
