//! Memory that somebody else has made.

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
use crate::segment::Segment;

/// The memory of a region, to be read: that of another process, or of this one. One that its maker has left open can be written, too.
///
/// Whoever made the region, and whoever else may write it, does so at any time. What is copied out may be of before and of after; to know that it is whole,
/// look before and after at a number that the writer changes ([`load_u32`](Self::load_u32), [`load_u64`](Self::load_u64)).
/// Nothing that the other process does makes an access fail; a region in a file of the file system must not be cut short by this user, who alone can.
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
    is_writable: bool,
    _memory: Memory,
}

enum Memory {
    Mapped(#[expect(dead_code, reason = "unmaps when it is dropped")] Mapping),
    Own(#[expect(dead_code, reason = "keeps the region")] Rc<Region>),
}

impl Window {
    /// Maps the first `len_bytes` of a file that its maker has closed: see [`Region::close_file`]. Refused if it is shorter, or if
    /// anybody could take pages out of it. A file of the file system ([`Region::file`]) has no way to be closed: it must be this user's, nobody else may
    /// write it, and it was opened to read only.
    pub fn map(fd: OwnedFd, len_bytes: usize) -> Result<Rc<Window>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let mapping = Mapping::read_only(&fd, len_bytes)?;
        Ok(Rc::new(Window {
            base: mapping.base(),
            len_bytes,
            is_writable: false,
            _memory: Memory::Mapped(mapping),
        }))
    }

    /// Maps the first `len_bytes` of a file that its maker has left open, to be read and written: see [`Region::open_file`]. Refused if it is
    /// shorter, or if anybody could make it so.
    ///
    /// What others who may write it do can make an access fail, and kill this process, if the machine has no memory left besides: they are
    /// trusted not to take pages out of it.
    pub fn map_writable(fd: OwnedFd, len_bytes: usize) -> Result<Rc<Window>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let mapping = Mapping::writable(&fd, len_bytes)?;
        Ok(Rc::new(Window {
            base: mapping.base(),
            len_bytes,
            is_writable: true,
            _memory: Memory::Mapped(mapping),
        }))
    }

    /// A region of this process.
    pub fn of(region: &Rc<Region>) -> Rc<Window> {
        Window::of_own(region, false)
    }

    /// The same to be written, too.
    pub fn writable_of(region: &Rc<Region>) -> Rc<Window> {
        Window::of_own(region, true)
    }

    fn of_own(region: &Rc<Region>, is_writable: bool) -> Rc<Window> {
        Rc::new(Window {
            base: region.base(),
            len_bytes: region.len_bytes(),
            is_writable,
            _memory: Memory::Own(region.clone()),
        })
    }

    /// Whether it may be written.
    #[inline]
    pub fn is_writable(&self) -> bool {
        self.is_writable
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
        if range.start + size_of::<u32>() == range.end {
            return self.load_u32(range.start) == number;
        }
        self.all_of_several_u32(range, number)
    }

    fn all_of_several_u32(&self, range: Range<usize>, number: u32) -> bool {
        const SIDE_BY_SIDE: usize = 64;
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

    /// Copies all bytes of `segment` to offset `at`.
    ///
    /// Nobody may rely meanwhile on what was there: that nobody does, and that nobody else writes there, is between the writers of the region
    /// and those who read it.
    ///
    /// # Panics
    ///
    /// If the window is not writable, or if the bytes do not all lie within it.
    #[inline]
    pub fn write_segment(&self, at: usize, segment: &Segment) {
        let to = self.target(at, segment.len());
        // SAFETY: `to` is checked to be writable for this length, and the segment keeps its own bytes valid; one of this very region may overlap,
        // which `copy` allows.
        unsafe { std::ptr::copy(segment.as_ptr(), to, segment.len()) };
        fence(Ordering::Release);
    }

    /// The same by stores that pass the caches, where there are such: for bytes that this core does not read soon.
    ///
    /// # Panics
    ///
    /// If the window is not writable, or if the bytes do not all lie within it.
    #[inline]
    pub fn write_segment_streaming(&self, at: usize, segment: &Segment) {
        let (from, to) = (segment.as_ptr(), self.target(at, segment.len()));
        if from.addr().abs_diff(to.addr()) < segment.len() {
            return self.write_segment(at, segment);
        }
        // SAFETY: `to` is checked to be writable for this length, and the segment keeps its own bytes valid; that they do not overlap was just
        // checked.
        unsafe { copy_streaming(from, to, segment.len()) };
        fence(Ordering::Release);
    }

    /// Where so many bytes may be written: the mapping permits it, as only a writable window is mapped so.
    #[inline]
    fn target(&self, at: usize, len_bytes: usize) -> *mut u8 {
        assert!(self.is_writable, "a window that may only be read");
        self.check(at, len_bytes);
        self.at(at).as_ptr()
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
    use crate::{Buf, HugePages};

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
    fn what_is_written_is_seen_by_the_region_and_by_other_windows() {
        let region = Region::anonymous(8192, HugePages::Never).unwrap();
        let (writer, reader) = (Window::writable_of(&region), Window::of(&region));
        assert!(writer.is_writable() && !reader.is_writable());
        let bytes: Vec<u8> = (0..5000).map(|at| (at % 251) as u8).collect();
        for write in [Window::write_segment, Window::write_segment_streaming] {
            region.extent(..).fill(.., 0);
            write(&writer, 3000, &Buf::copy_from_slice(&bytes).into());
            assert_eq!(region.extent(3000..8000).to_vec(), bytes);
            let copy = Region::allocated(8192).unwrap().extent(..);
            reader.copy_to(0, &copy);
            assert_eq!(copy.slice(3000..8000).to_vec(), bytes);
            let around = [copy.slice(..3000).to_vec(), copy.slice(8000..).to_vec()].concat();
            assert!(around.iter().all(|byte| *byte == 0));
            // Bytes of the same region, that lie partly where they go.
            write(&writer, 3100, &region.extent(3000..8000).segment());
            assert_eq!(region.extent(3100..8100).to_vec(), bytes);
        }
    }

    #[test]
    #[should_panic(expected = "may only be read")]
    fn what_was_mapped_to_be_read_is_not_written() {
        let window = Window::of(&Region::anonymous(4096, HugePages::Never).unwrap());
        window.write_segment(0, &Buf::from_static(b"x").into());
    }

    #[test]
    #[should_panic(expected = "of a window of 4096")]
    fn nothing_is_written_beyond_its_end() {
        let window = Window::writable_of(&Region::anonymous(4096, HugePages::Never).unwrap());
        window.write_segment(4000, &Buf::from_static(&[0; 97]).into());
    }

    #[test]
    #[cfg(not(miri))]
    fn only_a_file_that_was_left_open_is_mapped_to_write() {
        let made = || Region::memfd("window", 4096, HugePages::Never).unwrap();
        let file = |region: &Region| region.as_fd().unwrap().try_clone_to_owned().unwrap();
        let (open, closed) = (made(), made());
        assert!(
            Window::map_writable(file(&open), 4096).is_err(),
            "its seals may change"
        );
        open.open_file().unwrap();
        closed.close_file().unwrap();
        assert!(Window::map_writable(file(&closed), 4096).is_err());
        assert!(Window::map(file(&open), 4096).is_err(), "it may lose pages");
        assert!(
            open.close_file().is_err() && closed.open_file().is_err(),
            "it is settled"
        );
        assert!(
            Window::map_writable(file(&open), 8192).is_err(),
            "longer than the file"
        );
        let [one, other] = [(); 2].map(|()| Window::map_writable(file(&open), 4096).unwrap());
        one.write_segment(10, &Buf::from_static(b"here").into());
        open.extent(20..24).write(0, b"back");
        let copy = Region::allocated(14).unwrap().extent(..);
        other.copy_to(10, &copy);
        assert_eq!(copy.to_vec(), b"here\0\0\0\0\0\0back");
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
