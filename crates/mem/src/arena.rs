//! Small bytes that share buffers.

use std::fmt;
use std::ptr::NonNull;

use crate::buf::{Buf, BufMut};
use crate::copy::copy_slice;
use crate::header::{self, Header};
use crate::pool::Pool;
use crate::segment::Segment;

/// Copies small bytes one behind the other into buffers of a pool, and gives each copy out as a [`Buf`] of its own: without
/// an allocation for each, which costs several times the copy.
///
/// As any part of a buffer, each keeps the whole of it in use. When all that was given out of the last buffer is dropped,
/// that one is filled from its start again: it is warm.
///
/// ```
/// use crake_mem::{Arena, Pool, PoolConfig};
///
/// let pool = Pool::new(PoolConfig { buffer_bytes: 4096, headroom_bytes: 0, buffers_max: 8 });
/// let mut arena = Arena::new(&pool, 4);
/// let words = ["one", "two"].map(|word| arena.copy(word.as_bytes()).expect("there is room"));
/// assert_eq!(&words[1][..], b"two");
/// assert_eq!(pool.in_use(), 1);
/// ```
pub struct Arena {
    pool: Pool,
    in_use_max: usize,
    page: Option<Page>,
}

/// The buffer that is filled.
struct Page {
    // One reference is the page's own. `start .. start + capacity_bytes` is initialised memory of the buffer; what of it was
    // given out lies before `start + used_bytes`, and nobody else uses the rest.
    header: NonNull<Header>,
    start: NonNull<u8>,
    capacity_bytes: usize,
    used_bytes: usize,
}

impl Arena {
    /// One that takes a buffer only while fewer than `in_use_max` of the pool are in use, so that what is kept of small
    /// bytes does not starve whoever needs buffers to receive in.
    pub fn new(pool: &Pool, in_use_max: usize) -> Arena {
        Arena {
            pool: pool.clone(),
            in_use_max,
            page: None,
        }
    }

    /// A copy of `bytes`, or `None` if they are larger than a buffer of the pool, or it has none for this.
    #[inline]
    pub fn copy(&mut self, bytes: &[u8]) -> Option<Buf> {
        if let Some(page) = &mut self.page
            && let Some(copy) = page.copy(bytes)
        {
            return Some(copy);
        }
        self.copy_to_next(bytes)
    }

    #[cold]
    fn copy_to_next(&mut self, bytes: &[u8]) -> Option<Buf> {
        let fits = bytes.len() <= self.pool.config().buffer_bytes;
        if !fits || self.pool.in_use() >= self.in_use_max {
            return None;
        }
        let page = self.page.insert(Page::new(self.pool.take()?));
        page.copy(bytes)
    }
}

impl Page {
    fn new(buffer: BufMut) -> Page {
        let capacity_bytes = buffer.capacity();
        let (start, _, header) = buffer.freeze().into_segment().into_parts();
        Page {
            header: header.expect("a buffer of a pool is counted"),
            start,
            capacity_bytes,
            used_bytes: 0,
        }
    }

    #[inline]
    fn copy(&mut self, bytes: &[u8]) -> Option<Buf> {
        // SAFETY: the page has a reference, so the header is alive, and only its cells are ever written.
        let header = unsafe { self.header.as_ref() };
        if header.references() == 1 {
            self.used_bytes = 0;
        }
        if bytes.len() > self.capacity_bytes - self.used_bytes {
            return None;
        }
        // SAFETY: within the buffer.
        let place = unsafe { self.start.add(self.used_bytes) };
        // SAFETY: initialised, and nobody uses it: what was given out lies before, or is dropped.
        let target = unsafe { std::slice::from_raw_parts_mut(place.as_ptr(), bytes.len()) };
        copy_slice(bytes, target);
        self.used_bytes += bytes.len();
        header.retain();
        // SAFETY: initialised and in the buffer, of which the new reference is the segment's.
        let copy = unsafe { Segment::from_parts(place, bytes.len(), self.header) };
        // SAFETY: not written again until that reference is given up.
        Some(unsafe { Buf::from_segment(copy) })
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: this page owns one reference, and is gone after this.
        unsafe { header::release(self.header) };
    }
}

impl fmt::Debug for Arena {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let used_bytes = self.page.as_ref().map_or(0, |page| page.used_bytes);
        write!(f, "Arena({used_bytes} bytes of its buffer used)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PoolConfig;

    fn pool() -> Pool {
        Pool::new(PoolConfig {
            buffer_bytes: 100,
            headroom_bytes: 28,
            buffers_max: 4,
        })
    }

    #[test]
    fn copies_lie_in_one_buffer_and_stand_still() {
        let pool = pool();
        let mut arena = Arena::new(&pool, 4);
        let copies: Vec<Buf> = (0..10u8)
            .map(|number| arena.copy(&[number; 10]).unwrap())
            .collect();
        assert_eq!(pool.in_use(), 1);
        assert!((0..10u8).zip(&copies).all(|(number, copy)| *copy == [number; 10]));
    }

    #[test]
    fn a_buffer_that_all_was_dropped_of_is_filled_again() {
        let pool = pool();
        let mut arena = Arena::new(&pool, 4);
        let first = arena.copy(&[1; 60]).unwrap();
        let place = first.as_ptr();
        let rest = first.slice(50..);
        drop(first);
        // A part of it is left.
        let second = arena.copy(&[2; 60]).unwrap();
        assert_eq!((pool.in_use(), &rest[..]), (2, &[1; 10][..]));
        drop((rest, second));
        assert_eq!(pool.in_use(), 1);
        let third = arena.copy(&[3; 60]).unwrap();
        assert_ne!(third.as_ptr(), place, "the buffer that was left is the pool's");
        drop(third);
        let place = arena.copy(&[4; 60]).unwrap().as_ptr();
        assert_eq!(arena.copy(&[5; 60]).unwrap().as_ptr(), place);
    }

    #[test]
    fn takes_no_more_buffers_than_it_may_nor_larger_bytes_than_one_has() {
        let pool = pool();
        let mut arena = Arena::new(&pool, 2);
        assert!(arena.copy(&[0; 101]).is_none());
        let _kept = [arena.copy(&[1; 80]).unwrap(), arena.copy(&[2; 80]).unwrap()];
        assert!(arena.copy(&[3; 80]).is_none());
        assert_eq!(
            arena.copy(&[4; 20]).unwrap(),
            [4; 20],
            "what is left of a buffer is used"
        );
        let _others = [pool.take().unwrap(), pool.take().unwrap()];
        assert!(Arena::new(&pool, 9).copy(b"x").is_none(), "the pool has no more");
    }

    #[test]
    fn copies_outlive_the_arena_and_cannot_be_written() {
        let (pool, last) = {
            let pool = pool();
            let mut arena = Arena::new(&pool, 4);
            let copies = [arena.copy(b"abc").unwrap(), arena.copy(b"defg").unwrap()];
            let [first, second] = copies;
            let first = first.try_mut().unwrap_err();
            drop(arena);
            // Two readers are left, then one.
            let first = first.try_mut().unwrap_err();
            assert_eq!(second, *b"defg");
            drop(second);
            let mut writable = first.try_mut().unwrap();
            writable.push_slice(b"xy");
            assert_eq!(&writable[..], b"abcxy");
            (pool, writable.freeze())
        };
        drop(pool);
        assert_eq!(last, *b"abcxy");
    }

    #[test]
    fn nothing_is_copied_to_no_place() {
        let mut arena = Arena::new(&pool(), 4);
        assert!(arena.copy(b"").unwrap().is_empty());
    }
}
