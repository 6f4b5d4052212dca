//! Copies that are faster than that of the C library for what they are for.

use std::ptr;

/// What is copied by [`copy_pieces`] at once: so little glibc copies by vectors, and some KiB and more by `rep movsb`.
const PIECE_BYTES: usize = 2048;

/// Where a target begins less than so many bytes behind its source, pages left aside, `rep movsb` takes up to 28 times as long
/// as vectors do on some processors (`cargo bench -p crake-mem --bench costs`): it waits for its own stores, which look like what it
/// is about to read. Elsewhere it is as fast or faster.
const NEAR_BYTES: usize = 512;

/// As `to.copy_from_slice(from)`, for slices that may be long and lie anywhere.
///
/// # Panics
/// If the slices have different lengths.
#[inline]
pub fn copy_slice(from: &[u8], to: &mut [u8]) {
    assert_eq!(from.len(), to.len(), "both slices have one length");
    // SAFETY: both are slices of this length.
    unsafe { copy_anywhere(from.as_ptr(), to.as_mut_ptr(), from.len()) };
}

/// Copies `len_bytes` bytes by what is quick for these two places.
///
/// # Safety
///
/// As of [`ptr::copy`], but that of two places that overlap nobody may look at what was copied.
#[inline]
pub(crate) unsafe fn copy_anywhere(from: *const u8, to: *mut u8, len_bytes: usize) {
    let behind = to.addr().wrapping_sub(from.addr()) % PAGE_BYTES;
    match len_bytes <= PIECE_BYTES || behind == 0 || behind >= NEAR_BYTES {
        // SAFETY: the caller promises the same.
        true => unsafe { ptr::copy(from, to, len_bytes) },
        // SAFETY: the caller promises the same.
        false => unsafe { copy_pieces(from, to, len_bytes) },
    }
}

const PAGE_BYTES: usize = 4096;

/// Copies `len_bytes` bytes by vectors, wherever the two places lie: what another core has just written is read up to twice as fast so
/// (docs/performance.md, Messages).
///
/// # Safety
///
/// As of [`copy_anywhere`].
pub(crate) unsafe fn copy_pieces(from: *const u8, to: *mut u8, len_bytes: usize) {
    for at in (0..len_bytes).step_by(PIECE_BYTES) {
        let count = PIECE_BYTES.min(len_bytes - at);
        // SAFETY: the caller promises both to be valid up to `len_bytes`.
        unsafe { ptr::copy(from.wrapping_add(at), to.wrapping_add(at), count) };
    }
}

/// Copies `len_bytes` bytes by stores that pass the caches: for more than they hold, or for bytes that another core is going to read.
///
/// Where there are no such stores it is a copy like any other. It has ended when this returns, for other processors, too.
///
/// # Safety
///
/// `from` is valid for reads and `to` for writes of `len_bytes` bytes, and the two do not overlap. Others may write at `from` meanwhile: then
/// what is copied may be of before and of after.
#[inline]
pub(crate) unsafe fn copy_streaming(from: *const u8, to: *mut u8, len_bytes: usize) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: the caller promises the same.
    unsafe {
        lines::copy(from, to, len_bytes)
    };
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    // SAFETY: the caller promises the same.
    unsafe {
        std::ptr::copy_nonoverlapping(from, to, len_bytes)
    };
}

#[cfg(all(target_arch = "x86_64", not(miri)))]
mod lines {
    use std::arch::x86_64::{
        __m128i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm_sfence, _mm_stream_si128,
    };
    use std::ptr::copy_nonoverlapping;

    const LINE_BYTES: usize = 64;

    /// So far ahead of the copy its source is asked for. 512 and 2048 are no faster, nothing at all is slower by a tenth to a fifth; registers
    /// of 32 bytes are no faster either.
    const AHEAD_BYTES: usize = 1024;

    /// The registers of a line.
    const LANES: [usize; 4] = [0, 16, 32, 48];

    /// # Safety
    ///
    /// As of [`copy_streaming`](super::copy_streaming).
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len_bytes: usize) {
        // Only whole lines can pass the caches at full speed.
        let head = to.align_offset(LINE_BYTES).min(len_bytes);
        let lines = (len_bytes - head) / LINE_BYTES;
        let tail = head + lines * LINE_BYTES;
        // SAFETY: at most `len_bytes`, for which the caller promises both to be valid, and apart.
        unsafe { copy_nonoverlapping(from, to, head) };
        for at in (head..tail.min(head + AHEAD_BYTES)).step_by(LINE_BYTES) {
            prefetch(from.wrapping_add(at));
        }
        for at in (head..tail).step_by(LINE_BYTES) {
            // What lies behind the end is not asked for: a short copy would wait for memory that it does not need.
            if at + AHEAD_BYTES < tail {
                prefetch(from.wrapping_add(at + AHEAD_BYTES));
            }
            // SAFETY: the line lies before `tail`, and `to + at` is a multiple of its size.
            unsafe { copy_line(from.wrapping_add(at), to.wrapping_add(at)) };
        }
        // SAFETY: what is left up to `len_bytes`.
        unsafe { copy_nonoverlapping(from.wrapping_add(tail), to.wrapping_add(tail), len_bytes - tail) };
        // SAFETY: stores that pass the caches are not in order with later ones until this; SSE is part of x86_64.
        unsafe { _mm_sfence() };
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        // SAFETY: prefetching neither reads nor faults, whatever the address; SSE is part of x86_64.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
    }

    /// # Safety
    ///
    /// `from` is valid for reads, and `to` for writes, of a line; `to` is a multiple of 16.
    #[inline(always)]
    unsafe fn copy_line(from: *const u8, to: *mut u8) {
        let lanes = LANES.map(|at| {
            let lane: *const __m128i = from.wrapping_add(at).cast();
            // SAFETY: within the line, which the caller promises to be readable, at any address.
            unsafe { _mm_loadu_si128(lane) }
        });
        for (at, bytes) in LANES.into_iter().zip(lanes) {
            // SAFETY: within the line, which the caller promises to be writable, at a multiple of 16.
            unsafe { _mm_stream_si128(to.wrapping_add(at).cast(), bytes) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_every_length_is_copied() {
        let source: Vec<u8> = (0..10_000).map(|at| (at * 7 + at / 251) as u8).collect();
        for len in (0..100).chain([2047, 2048, 2049, 4095, 4096, 4097, 9_999]) {
            let mut target = vec![0xee; len + 2];
            copy_slice(&source[1..len + 1], &mut target[1..len + 1]);
            assert_eq!((target[0], target[len + 1]), (0xee, 0xee));
            assert!(target[1..len + 1] == source[1..len + 1], "{len}");
        }
        // Wherever the two lie: this far apart, pages left aside.
        for behind in [0, 1, 7, 32, 511, 512, 4095] {
            let mut target = vec![0xee; 2 * PAGE_BYTES + 9_000];
            let start = (source.as_ptr().addr() + behind).wrapping_sub(target.as_ptr().addr()) % PAGE_BYTES;
            copy_slice(&source[..9_000], &mut target[start..start + 9_000]);
            assert!(target[start..start + 9_000] == source[..9_000], "{behind}");
            assert!(target[start + 9_000..].iter().all(|&byte| byte == 0xee));
        }
    }

    /// Copies so many bytes between places that are so far from a cache line's start, and looks at every byte, and at those around.
    fn check(from_at: usize, to_at: usize, len_bytes: usize) {
        const AROUND: usize = 64;
        let source: Vec<u8> = (0..from_at + len_bytes)
            .map(|at| (at * 7 + at / 251) as u8)
            .collect();
        let mut target = vec![0xee; AROUND + to_at + len_bytes + AROUND];
        let start = AROUND + to_at;
        let from = source[from_at..].as_ptr();
        let to = target[start..].as_mut_ptr();
        // SAFETY: both are as long as that, and of two allocations.
        unsafe { copy_streaming(from, to, len_bytes) };
        let what = (from_at, to_at, len_bytes);
        assert!(target[..start].iter().all(|&byte| byte == 0xee), "{what:?}");
        assert_eq!(target[start..start + len_bytes], source[from_at..], "{what:?}");
        assert!(
            target[start + len_bytes..].iter().all(|&byte| byte == 0xee),
            "{what:?}"
        );
    }

    #[test]
    fn every_short_length_at_every_alignment() {
        // Miri takes the portable way, whatever the alignment.
        let step = if cfg!(miri) { 37 } else { 1 };
        for to_at in (0..64).step_by(step) {
            for len_bytes in (0..=300).step_by(step) {
                check(to_at * 5 % 64, to_at, len_bytes);
            }
        }
        for from_at in (0..64).step_by(step) {
            check(from_at, 0, 300);
            check(from_at, 1, 300);
        }
    }

    #[test]
    fn long_lengths() {
        for len_bytes in [4095, 4096, 4097, 65_536 + 17] {
            for at in [0, 1, 31, 63] {
                check(at, 0, len_bytes);
                check(0, at, len_bytes);
            }
        }
        #[cfg(not(miri))]
        check(3, 5, (4 << 20) + 1);
    }
}
