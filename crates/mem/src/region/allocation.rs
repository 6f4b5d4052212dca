//! Memory of the allocator.

use std::alloc::Layout;
use std::ptr::NonNull;

use rustix::io::Errno;

use super::RegionError;
use super::available::check_available;

/// What the allocator gives anyway: for more it would clear large blocks itself, which the kernel gives cleared.
const ALIGNMENT_BYTES: usize = 16;

/// No page is smaller.
const PAGE_BYTES_MIN: usize = 4096;

/// Zeroed memory, given back when dropped.
pub(super) struct Allocation {
    base: NonNull<u8>,
    layout: Layout,
}

impl Allocation {
    pub(super) fn new(len_bytes: usize) -> Result<Self, RegionError> {
        if len_bytes == 0 {
            return Err(RegionError::Empty);
        }
        let too_much = || RegionError::refused("alloc")(Errno::NOMEM);
        let layout = Layout::from_size_align(len_bytes, ALIGNMENT_BYTES).map_err(|_| too_much())?;
        // SAFETY: the layout has a size.
        let base = unsafe { std::alloc::alloc_zeroed(layout) };
        Ok(Self {
            base: NonNull::new(base).ok_or_else(too_much)?,
            layout,
        })
    }

    /// Touches every page: the allocator may have had only a promise of the kernel.
    pub(super) fn prefault(&self) -> Result<(), RegionError> {
        check_available(self.layout.size())?;
        for at in (0..self.layout.size()).step_by(PAGE_BYTES_MIN) {
            // SAFETY: `at` is less than the size.
            let byte = unsafe { self.base.add(at) };
            // SAFETY: within the allocation, initialised.
            let value = unsafe { byte.read_volatile() };
            // SAFETY: within the allocation, and no reference to it exists. The value stays as it is.
            unsafe { byte.write_volatile(value) };
        }
        Ok(())
    }

    pub(super) fn base(&self) -> NonNull<u8> {
        self.base
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nothing points there any more.
        unsafe { std::alloc::dealloc(self.base.as_ptr(), self.layout) };
    }
}
