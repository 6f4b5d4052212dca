//! The mapping itself: what is asked of the kernel, and in which order.

#[cfg(not(miri))]
pub(super) use kernel::{Mapping, close, open};
#[cfg(miri)]
pub(super) use none::{Mapping, close, open};

#[cfg(not(miri))]
mod kernel {
    use std::ffi::{c_int, c_void};
    use std::ops::Range;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
    use std::ptr::NonNull;

    use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags};
    use rustix::io::Errno;
    use rustix::mm::{Advice, MapFlags, ProtFlags};

    use crate::region::available::check_available;
    use crate::region::file;
    use crate::region::transparent::Transparent;
    use crate::region::{HugePages, RegionError};

    /// Size and alignment of a huge page, on all processors that Crake runs on with 4 KiB pages.
    const HUGE_PAGE_BYTES: usize = 2 << 20;

    /// madvise(2): from Linux 6.1 on. Neither rustix nor every C library's headers have it.
    const MADV_COLLAPSE: c_int = 25;

    /// A range of addresses of this process, unmapped when dropped.
    pub(in crate::region) struct Mapping {
        base: NonNull<u8>,
        mapped_bytes: usize,
        /// Up to the end of the page with the last byte: beyond it a file may have nothing.
        used_bytes: usize,
        /// The machine has given all of its memory already.
        is_taken: bool,
    }

    impl Mapping {
        /// Private memory, and whether the kernel agreed to huge pages.
        pub(in crate::region) fn anonymous(
            len_bytes: usize,
            pages: HugePages,
        ) -> Result<(Self, bool), RegionError> {
            if wants_huge(len_bytes, pages)
                && let Some(mapping) = Self::anonymous_reserved(len_bytes)
            {
                return Ok((mapping, true));
            }
            let mapping = Self::address_space(len_bytes, pages)?;
            mapping
                .replace(read_write(), MapFlags::PRIVATE, None)
                .map_err(RegionError::refused("mmap"))?;
            let huge = wants_huge(len_bytes, pages) && mapping.advise_huge(Transparent::Anonymous);
            Ok((mapping, huge))
        }

        /// Shared memory of a new file that cannot become shorter; whether the kernel agreed to huge pages.
        pub(in crate::region) fn memfd(
            name: &str,
            len_bytes: usize,
            pages: HugePages,
        ) -> Result<(Self, bool, OwnedFd), RegionError> {
            check_file_limit(len_bytes)?;
            if wants_huge(len_bytes, pages)
                && let Some((mapping, fd)) = Self::memfd_reserved(name, len_bytes)
            {
                return Ok((mapping, true, fd));
            }
            check_available(len_bytes)?;
            let fd = new_memfd(name, MemfdFlags::empty()).map_err(RegionError::refused("memfd_create"))?;
            rustix::fs::ftruncate(&fd, len_bytes as u64).map_err(RegionError::refused("ftruncate"))?;
            let mut mapping = Self::address_space(len_bytes, pages)?;
            mapping
                .replace(read_write(), MapFlags::SHARED, Some(fd.as_fd()))
                .map_err(RegionError::refused("mmap"))?;
            let huge = wants_huge(len_bytes, pages) && mapping.make_huge(len_bytes);
            rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, len_bytes as u64)
                .map_err(RegionError::refused("fallocate"))?;
            mapping.is_taken = true;
            seal(&fd)?;
            Ok((mapping, huge, fd))
        }

        /// A file of the file system, with room for all of its bytes taken; whether the kernel agreed to huge pages.
        pub(in crate::region) fn file(fd: &OwnedFd, len_bytes: usize) -> Result<(Self, bool), RegionError> {
            check_file_limit(len_bytes)?;
            let is_in_memory = file::is_in_memory(fd)?;
            if is_in_memory {
                check_available(file::missing_bytes(fd, len_bytes)?)?;
            }
            file::take_room(fd, len_bytes)?;
            let mut mapping = Self::address_space(len_bytes, HugePages::Try)?;
            mapping
                .replace(read_write(), MapFlags::SHARED, Some(fd.as_fd()))
                .map_err(RegionError::refused("mmap"))?;
            mapping.is_taken = true;
            // What lies on a device is read when it is touched; to make all of it present would read it, and write it back.
            let huge = is_in_memory && wants_huge(len_bytes, HugePages::Try) && mapping.make_huge(len_bytes);
            if is_in_memory {
                mapping.populate()?;
            }
            Ok((mapping, huge))
        }

        /// Somebody else's file, which must be as [`memfd`](Self::memfd) makes it.
        pub(in crate::region) fn shared(fd: &OwnedFd, len_bytes: usize) -> Result<Self, RegionError> {
            check_file(fd, len_bytes, SealFlags::SHRINK)?;
            let mapping = Self::address_space(len_bytes, HugePages::Try)?;
            mapping
                .replace(read_write(), MapFlags::SHARED, Some(fd.as_fd()))
                .map_err(RegionError::refused("mmap"))?;
            // Pages that its maker did not allocate, or took out again, are allocated here, or this fails.
            mapping.populate()?;
            Ok(mapping)
        }

        /// Somebody else's file to be read, if nothing that others do can take pages out of it.
        pub(in crate::region) fn read_only(fd: &OwnedFd, len_bytes: usize) -> Result<Self, RegionError> {
            if !file::is_own_to_read(fd, len_bytes) {
                check_file(
                    fd,
                    len_bytes,
                    SealFlags::SHRINK | SealFlags::FUTURE_WRITE | SealFlags::SEAL,
                )?;
            }
            let mapping = Self::address_space(len_bytes, HugePages::Try)?;
            mapping
                .replace(ProtFlags::READ, MapFlags::SHARED, Some(fd.as_fd()))
                .map_err(RegionError::refused("mmap"))?;
            Ok(mapping)
        }

        /// Somebody else's file to be read and written, if its length is settled, and if nobody can keep it from being mapped so. Who may
        /// write it may take pages out of it, too.
        pub(in crate::region) fn writable(fd: &OwnedFd, len_bytes: usize) -> Result<Self, RegionError> {
            check_file(
                fd,
                len_bytes,
                SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
            )?;
            let mapping = Self::address_space(len_bytes, HugePages::Try)?;
            mapping
                .replace(read_write(), MapFlags::SHARED, Some(fd.as_fd()))
                .map_err(RegionError::refused("mmap"))?;
            Ok(mapping)
        }

        pub(in crate::region) fn base(&self) -> NonNull<u8> {
            self.base
        }

        pub(in crate::region) fn prefault(&self) -> Result<(), RegionError> {
            if !self.is_taken {
                check_available(self.used_bytes)?;
            }
            self.populate()
        }

        /// Reserved huge pages, or `None` if there are not enough of them.
        fn anonymous_reserved(len_bytes: usize) -> Option<Self> {
            let mapped_bytes = len_bytes.checked_next_multiple_of(HUGE_PAGE_BYTES)?;
            let flags = MapFlags::PRIVATE | MapFlags::HUGETLB | MapFlags::HUGE_2MB;
            // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
            let base = unsafe {
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), mapped_bytes, read_write(), flags)
            };
            let mapping = Self {
                base: NonNull::new(base.ok()?)?.cast(),
                mapped_bytes,
                used_bytes: mapped_bytes,
                is_taken: true,
            };
            // Reserved is not yet granted: a control group may refuse at first touch, and that would kill.
            mapping.populate().ok()?;
            Some(mapping)
        }

        /// As above, for a file.
        fn memfd_reserved(name: &str, len_bytes: usize) -> Option<(Self, OwnedFd)> {
            let mapped_bytes = len_bytes.checked_next_multiple_of(HUGE_PAGE_BYTES)?;
            let fd = new_memfd(name, MemfdFlags::HUGETLB | MemfdFlags::HUGE_2MB).ok()?;
            rustix::fs::ftruncate(&fd, mapped_bytes as u64).ok()?;
            rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, mapped_bytes as u64).ok()?;
            seal(&fd).ok()?;
            // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
            let base = unsafe {
                rustix::mm::mmap(
                    std::ptr::null_mut(),
                    mapped_bytes,
                    read_write(),
                    MapFlags::SHARED,
                    &fd,
                    0,
                )
            };
            let mapping = Self {
                base: NonNull::new(base.ok()?)?.cast(),
                mapped_bytes,
                used_bytes: mapped_bytes,
                is_taken: true,
            };
            mapping.populate().ok()?;
            Some((mapping, fd))
        }

        /// Addresses without memory, so aligned that huge pages can take their place.
        fn address_space(len_bytes: usize, pages: HugePages) -> Result<Self, RegionError> {
            let alignment = if wants_huge(len_bytes, pages) {
                HUGE_PAGE_BYTES
            } else {
                rustix::param::page_size()
            };
            let too_much = || RegionError::refused("mmap")(Errno::NOMEM);
            let mapped_bytes = len_bytes
                .checked_next_multiple_of(alignment)
                .ok_or_else(too_much)?;
            // The kernel aligns to pages by itself.
            let slack_bytes = alignment - rustix::param::page_size();
            let reserved_bytes = mapped_bytes.checked_add(slack_bytes).ok_or_else(too_much)?;
            let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
            // SAFETY: a new mapping at an address of the kernel's choice touches no existing memory.
            let start = unsafe {
                rustix::mm::mmap_anonymous(std::ptr::null_mut(), reserved_bytes, ProtFlags::empty(), flags)
            };
            let start = start.map_err(RegionError::refused("mmap"))?.cast::<u8>();
            let before = start.align_offset(alignment);
            // SAFETY: `before` is at most the slack, by which the reservation is too long.
            let base = unsafe { start.add(before) };
            // SAFETY: `mapped_bytes` from there is still within the reservation.
            let end = unsafe { base.add(mapped_bytes) };
            unmap(start, before);
            unmap(end, slack_bytes - before);
            Ok(Self {
                base: NonNull::new(base).ok_or_else(too_much)?,
                mapped_bytes,
                used_bytes: len_bytes.next_multiple_of(rustix::param::page_size()),
                is_taken: false,
            })
        }

        /// Puts zeroed memory or a file's bytes at these addresses.
        fn replace(
            &self,
            access: ProtFlags,
            flags: MapFlags,
            fd: Option<BorrowedFd<'_>>,
        ) -> Result<(), Errno> {
            let (base, flags) = (self.base.as_ptr().cast::<c_void>(), flags | MapFlags::FIXED);
            match fd {
                // SAFETY: these addresses are ours, and nothing points there yet.
                Some(fd) => unsafe { rustix::mm::mmap(base, self.mapped_bytes, access, flags, fd, 0) }?,
                // SAFETY: as above.
                None => unsafe { rustix::mm::mmap_anonymous(base, self.mapped_bytes, access, flags) }?,
            };
            Ok(())
        }

        /// Whether the kernel will use transparent huge pages: it takes the advice even where they are switched off.
        fn advise_huge(&self, kind: Transparent) -> bool {
            kind.is_enabled() && self.advise(0..self.mapped_bytes, Advice::LinuxHugepage).is_ok()
        }

        /// Gives a new file huge pages as far as there are such: all of it but an end that does not fill one. Says whether that is so, or the kernel
        /// agreed to try.
        fn make_huge(&self, len_bytes: usize) -> bool {
            let is_advised = self.advise_huge(Transparent::Shared);
            let whole_bytes = len_bytes - len_bytes % HUGE_PAGE_BYTES;
            let is_collapsed =
                self.begin_huge_pages(whole_bytes).is_ok() && self.collapse(whole_bytes).is_ok();
            is_collapsed || is_advised
        }

        /// Makes the first page of each huge one present: where there is nothing at all the kernel collapses nothing, and where there is
        /// everything it copies.
        fn begin_huge_pages(&self, len_bytes: usize) -> Result<(), Errno> {
            let mut starts = (0..len_bytes).step_by(HUGE_PAGE_BYTES);
            starts.try_for_each(|at| self.populate_range(at..at + rustix::param::page_size()))
        }

        /// Puts huge pages in the place of small ones here and now, whatever the system's switches say. One call for all: each waits for what
        /// other processors have put aside.
        fn collapse(&self, len_bytes: usize) -> Result<(), Errno> {
            debug_assert!(len_bytes <= self.mapped_bytes);
            // SAFETY: the addresses are ours, and what the memory holds does not change.
            match unsafe { libc::madvise(self.base.as_ptr().cast(), len_bytes, MADV_COLLAPSE) } {
                0 => Ok(()),
                _ => Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::INVAL)),
            }
        }

        fn advise(&self, range: Range<usize>, advice: Advice) -> Result<(), Errno> {
            debug_assert!(range.end <= self.mapped_bytes);
            // SAFETY: the range is within the mapping.
            let start = unsafe { self.base.add(range.start) };
            // SAFETY: the addresses are ours; the advices used here do not change what the memory holds.
            unsafe { rustix::mm::madvise(start.as_ptr().cast(), range.len(), advice) }
        }

        /// Makes all pages present.
        fn populate(&self) -> Result<(), RegionError> {
            self.populate_range(0..self.used_bytes)
                .map_err(RegionError::refused("madvise(MADV_POPULATE_WRITE)"))
        }

        /// Unlike touching them this fails with an error. Linux 5.14 or later.
        fn populate_range(&self, range: Range<usize>) -> Result<(), Errno> {
            loop {
                match self.advise(range.clone(), Advice::LinuxPopulateWrite) {
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    result => return result,
                }
            }
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            unmap(self.base.as_ptr(), self.mapped_bytes);
        }
    }

    fn wants_huge(len_bytes: usize, pages: HugePages) -> bool {
        pages == HugePages::Try && len_bytes >= HUGE_PAGE_BYTES
    }

    fn read_write() -> ProtFlags {
        ProtFlags::READ | ProtFlags::WRITE
    }

    fn new_memfd(name: &str, flags: MemfdFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::memfd_create(name, flags | MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
    }

    fn seal(fd: &OwnedFd) -> Result<(), RegionError> {
        add_seals(fd, SealFlags::SHRINK | SealFlags::GROW)
    }

    /// Linux 5.1 or later. Seals that are there already may be added again, unless adding was sealed, too.
    pub(in crate::region) fn close(fd: &OwnedFd) -> Result<(), RegionError> {
        let closed = SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        match rustix::fs::fcntl_get_seals(fd) {
            Ok(seals) if seals.contains(closed) => Ok(()),
            _ => add_seals(fd, closed),
        }
    }

    /// As [`close`], for a file that others may map to write.
    pub(in crate::region) fn open(fd: &OwnedFd) -> Result<(), RegionError> {
        add_seals(fd, SealFlags::SEAL)
    }

    fn add_seals(fd: &OwnedFd, seals: SealFlags) -> Result<(), RegionError> {
        rustix::fs::fcntl_add_seals(fd, seals).map_err(RegionError::refused("fcntl(F_ADD_SEALS)"))
    }

    /// Refuses a file that is too short, or lacks one of the seals.
    fn check_file(fd: &OwnedFd, len_bytes: usize, wanted: SealFlags) -> Result<(), RegionError> {
        let seals = rustix::fs::fcntl_get_seals(fd).map_err(RegionError::refused("fcntl(F_GET_SEALS)"))?;
        let file_bytes = rustix::fs::fstat(fd)
            .map_err(RegionError::refused("fstat"))?
            .st_size;
        let is_whole = u64::try_from(file_bytes).is_ok_and(|file_bytes| file_bytes >= len_bytes as u64);
        match is_whole && seals.contains(wanted) {
            true => Ok(()),
            false => Err(RegionError::refused(
                "mapping a file that is too short or may become so",
            )(Errno::INVAL)),
        }
    }

    /// A file longer than the limit would be answered with a signal that kills.
    fn check_file_limit(len_bytes: usize) -> Result<(), RegionError> {
        match rustix::process::getrlimit(rustix::process::Resource::Fsize).current {
            Some(limit) if (len_bytes as u64) > limit => {
                Err(RegionError::refused("RLIMIT_FSIZE")(Errno::FBIG))
            }
            _ => Ok(()),
        }
    }

    fn unmap(start: *mut u8, len_bytes: usize) {
        if len_bytes > 0 {
            // SAFETY: callers pass addresses that they mapped and that nothing points to any more.
            let result = unsafe { rustix::mm::munmap(start.cast(), len_bytes) };
            debug_assert!(result.is_ok(), "munmap of our own range: {result:?}");
        }
    }
}

/// Miri knows neither `madvise` nor memfds.
#[cfg(miri)]
mod none {
    use std::os::fd::OwnedFd;
    use std::ptr::NonNull;

    use crate::region::{HugePages, RegionError};

    pub(in crate::region) enum Mapping {}

    impl Mapping {
        pub(in crate::region) fn memfd(
            _: &str,
            _: usize,
            _: HugePages,
        ) -> Result<(Self, bool, OwnedFd), RegionError> {
            Err(RegionError::refused("memfd_create")(rustix::io::Errno::NOSYS))
        }

        pub(in crate::region) fn file(_: &OwnedFd, _: usize) -> Result<(Self, bool), RegionError> {
            Err(RegionError::refused("mmap")(rustix::io::Errno::NOSYS))
        }

        pub(in crate::region) fn shared(_: &OwnedFd, _: usize) -> Result<Self, RegionError> {
            Err(RegionError::refused("mmap")(rustix::io::Errno::NOSYS))
        }

        pub(in crate::region) fn read_only(_: &OwnedFd, _: usize) -> Result<Self, RegionError> {
            Err(RegionError::refused("mmap")(rustix::io::Errno::NOSYS))
        }

        pub(in crate::region) fn writable(_: &OwnedFd, _: usize) -> Result<Self, RegionError> {
            Err(RegionError::refused("mmap")(rustix::io::Errno::NOSYS))
        }

        pub(in crate::region) fn base(&self) -> NonNull<u8> {
            match *self {}
        }

        pub(in crate::region) fn prefault(&self) -> Result<(), RegionError> {
            match *self {}
        }
    }

    pub(in crate::region) fn close(_: &OwnedFd) -> Result<(), RegionError> {
        Err(RegionError::refused("fcntl(F_ADD_SEALS)")(
            rustix::io::Errno::NOSYS,
        ))
    }

    pub(in crate::region) fn open(_: &OwnedFd) -> Result<(), RegionError> {
        Err(RegionError::refused("fcntl(F_ADD_SEALS)")(
            rustix::io::Errno::NOSYS,
        ))
    }
}
