//! Memory in one piece.

mod allocation;
mod available;
#[cfg(not(miri))]
mod file;
mod mapping;
#[cfg_attr(miri, expect(dead_code, reason = "Miri has no huge pages"))]
mod transparent;
mod window;

use std::io;
use std::ops::RangeBounds;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::extent::Extent;
use crate::header::{Header, Owner};
use allocation::Allocation;
use mapping::Mapping;

pub use window::{Pinned, Window};

/// Whether to ask for huge pages. They are never required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HugePages {
    /// Reserved ones (`MAP_HUGETLB`) if the system has enough of them for all, else transparent ones, else none. Shared memory is made of
    /// transparent ones at once (`MADV_COLLAPSE`), whatever the system's switches say.
    Try,
    /// Pages of the usual size.
    Never,
}

/// Why a region could not be had. In each case the machine is at fault, or asked for too much: nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum RegionError {
    /// A region of no bytes.
    #[error("a region needs at least one byte")]
    Empty,
    /// More than the machine, or this process's control group, has left.
    #[error("a region of {wanted_bytes} bytes, but only {available_bytes} bytes of memory are available")]
    NoMemory {
        /// Size asked for.
        wanted_bytes: u64,
        /// What could be had, by the kernel's estimate.
        available_bytes: u64,
    },
    /// The kernel refused: a resource limit, or something that it cannot do.
    #[error("{call}: {source}")]
    Refused {
        /// The system call.
        call: &'static str,
        /// Its error.
        source: io::Error,
    },
}

impl RegionError {
    fn refused(call: &'static str) -> impl FnOnce(rustix::io::Errno) -> Self {
        move |errno| Self::Refused {
            call,
            source: errno.into(),
        }
    }
}

/// Memory in one piece, zeroed at first, until the last handle on any part of it is dropped.
pub struct Region {
    // Counts the segments over this region; see `retain_header`.
    header: Header,
    memory: Memory,
    len_bytes: usize,
    huge: bool,
    fd: Option<OwnedFd>,
}

impl Region {
    /// Memory of this process alone.
    ///
    /// The kernel refuses what is more than a resource limit allows. It gives pages when they are touched first, and may kill a
    /// process of its choice if there are none: to know before, call [`prefault`](Self::prefault).
    pub fn anonymous(len_bytes: usize, huge_pages: HugePages) -> Result<Rc<Self>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let (memory, huge) = Memory::anonymous(len_bytes, huge_pages)?;
        Ok(Self::new(memory, len_bytes, huge, None))
    }

    /// Memory of this process alone, from the allocator: for a place that is needed for one operation, such as the target of one read.
    ///
    /// Small ones cost no system call, and are zeroed here and now. All else is as with [`anonymous`](Self::anonymous).
    pub fn allocated(len_bytes: usize) -> Result<Rc<Self>, RegionError> {
        Ok(Self::new(
            Memory::Allocated(Allocation::new(len_bytes)?),
            len_bytes,
            false,
            None,
        ))
    }

    /// Memory that other processes can map by its descriptor. `name` is only seen in `/proc`.
    ///
    /// All of it is there when this returns, and the file is sealed: nobody can make it shorter, so that
    /// no access fails later.
    pub fn memfd(name: &str, len_bytes: usize, huge_pages: HugePages) -> Result<Rc<Self>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let (mapping, huge, fd) = Mapping::memfd(name, len_bytes, huge_pages)?;
        Ok(Self::new(Memory::Mapped(mapping), len_bytes, huge, Some(fd)))
    }

    /// The memory of a file of the file system: what is written there outlives this process. A new file, which is empty, becomes `len_bytes` long; one
    /// that is there must be so.
    ///
    /// All room for it is taken when this returns, or there is no region. Whoever cuts the file short ends all who have mapped it; so it is to be one
    /// that nobody else may write. `to_share` is the same file opened to read only: [`as_fd`](Self::as_fd), for who is to map it by
    /// [`Window::map`].
    pub fn file(fd: &OwnedFd, to_share: OwnedFd, len_bytes: usize) -> Result<Rc<Self>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let (mapping, huge) = Mapping::file(fd, len_bytes)?;
        Ok(Self::new(
            Memory::Mapped(mapping),
            len_bytes,
            huge,
            Some(to_share),
        ))
    }

    /// The memory of a file that somebody else made as [`memfd`](Self::memfd) does, and says is of `len_bytes`. Refused if it is not, or may become
    /// shorter.
    pub fn map(fd: OwnedFd, len_bytes: usize) -> Result<Rc<Self>, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let mapping = Mapping::shared(&fd, len_bytes)?;
        Ok(Self::new(Memory::Mapped(mapping), len_bytes, false, Some(fd)))
    }

    /// From now on nobody else can map the file to write, nor take pages out of it: who has mapped it can touch all of it at
    /// any time, whatever the others do.
    pub fn close_file(&self) -> Result<(), RegionError> {
        match &self.fd {
            Some(fd) => mapping::close(fd),
            None => Ok(()),
        }
    }

    /// From now on whoever is handed the file can map it to write ([`Window::map_writable`]), and nobody can change that: neither its
    /// length nor its seals.
    ///
    /// They can also take pages out of it. That is not noticed as long as the machine has memory: new pages take their place, zeroed, when
    /// they are touched. So this is for processes that are trusted not to.
    pub fn open_file(&self) -> Result<(), RegionError> {
        match &self.fd {
            Some(fd) => mapping::open(fd),
            None => Ok(()),
        }
    }

    fn new(memory: Memory, len_bytes: usize, huge: bool, fd: Option<OwnedFd>) -> Rc<Self> {
        let owner = Owner::Region(std::cell::Cell::new(std::ptr::null()));
        let header = Header::new(memory.base(), len_bytes, owner);
        Rc::new(Self {
            header,
            memory,
            len_bytes,
            huge,
            fd,
        })
    }

    /// Its size, as asked for.
    #[inline]
    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// Whether the kernel agreed to huge pages: reserved ones, or transparent ones as far as it has them when pages are touched.
    pub fn huge(&self) -> bool {
        self.huge
    }

    /// Its file, to hand to other processes; `None` for anonymous memory.
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        self.fd.as_ref().map(AsFd::as_fd)
    }

    /// A place in it. Extents may overlap: they are places, not owners.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..len_bytes`.
    pub fn extent(self: &Rc<Self>, range: impl RangeBounds<usize>) -> Extent {
        let range = crate::resolve(range, self.len_bytes);
        // SAFETY: the start is within the mapping or at its end.
        let data = unsafe { self.memory.base().add(range.start) };
        // SAFETY: the range was checked against the mapping's length.
        unsafe { Extent::from_parts(self.clone(), data, range.len()) }
    }

    /// Writes a number that others who have mapped the region read with [`Window::load_u32`]: what was written before it is there
    /// when they see it.
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 4, or its number is not within the region.
    #[inline]
    pub fn store_u32(&self, at: usize, number: u32) {
        let place = self.number(at, size_of::<u32>());
        // SAFETY: checked to be aligned and within the mapping; a number that is stored atomically on one side is loaded so on the
        // other, and no reference to a region's bytes exists.
        let place = unsafe { AtomicU32::from_ptr(place.cast()) };
        place.store(number, Ordering::Release);
    }

    /// The same for [`Window::load_u64`].
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 8, or its number is not within the region.
    #[inline]
    pub fn store_u64(&self, at: usize, number: u64) {
        let place = self.number(at, size_of::<u64>());
        // SAFETY: as for `store_u32`.
        let place = unsafe { AtomicU64::from_ptr(place.cast()) };
        place.store(number, Ordering::Release);
    }

    /// The number at this place.
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 4, or its number is not within the region.
    #[inline]
    pub fn load_u32(&self, at: usize) -> u32 {
        let place = self.number(at, size_of::<u32>());
        // SAFETY: as for `store_u32`.
        let place = unsafe { AtomicU32::from_ptr(place.cast()) };
        place.load(Ordering::Acquire)
    }

    /// The number at this place.
    ///
    /// # Panics
    ///
    /// If `at` is no multiple of 8, or its number is not within the region.
    #[inline]
    pub fn load_u64(&self, at: usize) -> u64 {
        let place = self.number(at, size_of::<u64>());
        // SAFETY: as for `store_u32`.
        let place = unsafe { AtomicU64::from_ptr(place.cast()) };
        place.load(Ordering::Acquire)
    }

    /// Who sees anything that is written after this sees the numbers that were stored before it.
    #[inline]
    pub fn order_stores(&self) {
        std::sync::atomic::fence(Ordering::Release);
    }

    #[inline]
    fn number(&self, at: usize, size: usize) -> *mut u8 {
        let fits = at.is_multiple_of(size) && at < self.len_bytes && size <= self.len_bytes - at;
        assert!(
            fits,
            "a number of {size} bytes at {at} of a region of {}",
            self.len_bytes
        );
        // SAFETY: just checked to be within the mapping.
        unsafe { self.base().add(at) }.as_ptr()
    }

    /// Makes every page present now: an error instead of a killed process, and no page fault later.
    pub fn prefault(&self) -> Result<(), RegionError> {
        match &self.memory {
            Memory::Mapped(mapping) => mapping.prefault(),
            Memory::Allocated(allocation) => allocation.prefault(),
        }
    }

    #[inline]
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.memory.base()
    }

    /// Adds a reference to the header inside the region. The first takes a count of the `Rc`, so that
    /// the header keeps the region; the last gives it back.
    #[inline]
    pub(crate) fn retain_header(this: &Rc<Self>) -> NonNull<Header> {
        if this.header.references() == 0
            && let Owner::Region(kept) = &this.header.owner
        {
            kept.set(Rc::into_raw(this.clone()));
        }
        this.header.retain();
        NonNull::from(&this.header)
    }
}

/// Where the bytes come from.
enum Memory {
    Mapped(Mapping),
    Allocated(Allocation),
}

impl Memory {
    #[cfg(not(miri))]
    fn anonymous(len_bytes: usize, huge_pages: HugePages) -> Result<(Self, bool), RegionError> {
        let (mapping, huge) = Mapping::anonymous(len_bytes, huge_pages)?;
        Ok((Self::Mapped(mapping), huge))
    }

    /// Miri knows no `madvise`; the allocator's memory is as good to it.
    #[cfg(miri)]
    fn anonymous(len_bytes: usize, _: HugePages) -> Result<(Self, bool), RegionError> {
        Ok((Self::Allocated(Allocation::new(len_bytes)?), false))
    }

    #[inline]
    fn base(&self) -> NonNull<u8> {
        match self {
            Memory::Mapped(mapping) => mapping.base(),
            Memory::Allocated(allocation) => allocation.base(),
        }
    }
}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match (&self.memory, &self.fd) {
            (Memory::Allocated(_), _) => "allocated",
            (Memory::Mapped(_), Some(_)) => "file",
            (Memory::Mapped(_), None) => "anonymous",
        };
        write!(f, "Region({} bytes, {kind}, huge: {})", self.len_bytes, self.huge)
    }
}
