//! A hint to the processor.

/// Asks the processor to load the cache line at the start of `target`, and goes on without waiting.
///
/// Only a hint: it changes no state that a program can see. Does nothing where there is no such instruction.
#[inline(always)]
pub fn prefetch_read<T: ?Sized>(target: &T) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let address = std::ptr::from_ref(target).cast::<i8>();
        // SAFETY: prefetching neither reads nor faults, whatever the address; SSE is part of x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address) };
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    {
        let address = std::ptr::from_ref(target).cast::<u8>();
        // SAFETY: `prfm` neither reads nor faults, whatever the address, and touches no register or flag.
        unsafe {
            std::arch::asm!("prfm pldl1keep, [{}]", in(reg) address, options(nostack, readonly, preserves_flags))
        };
    }
    #[cfg(any(miri, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
    let _ = target;
}
