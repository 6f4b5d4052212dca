//! Buffers of one size, given out and taken back without allocation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr::NonNull;
use std::rc::Rc;

use crate::buf::BufMut;
use crate::header::{Header, Owner};
use crate::region::{HugePages, Region};

/// Memory is added in steps of about this much: one huge page.
const CHUNK_BYTES: usize = 2 << 20;

/// Buffers begin on a cache line of their own.
const ALIGNMENT_BYTES: usize = 64;

/// What a [`Pool`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolConfig {
    /// Bytes that fit into a buffer as it is taken.
    pub buffer_bytes: usize,
    /// Bytes that can be put before them.
    pub headroom_bytes: usize,
    /// The most buffers that may be in use at once.
    pub buffers_max: usize,
}

/// A source of buffers with a limit. Clones are the same pool.
///
/// Starts without memory and grows by chunks of about 2 MiB when it is used; it does not shrink, and lives until the
/// last handle *and* the last buffer are gone. The buffer given back last is given out first: it is warm.
#[derive(Clone)]
pub struct Pool {
    shared: Rc<Shared>,
}

pub(crate) struct Shared {
    config: PoolConfig,
    stride_bytes: usize,
    free: Cell<Option<NonNull<Header>>>,
    // While buffers are in use they own, all together, one count of the pool's `Rc`.
    in_use: Cell<usize>,
    capacity: Cell<usize>,
    chunks: RefCell<Vec<Chunk>>,
}

/// Memory for some buffers, and their headers. Both stay where they are until the pool is dropped.
struct Chunk {
    _memory: Rc<Region>,
    headers: NonNull<[Header]>,
}

impl Pool {
    /// A pool without memory yet.
    ///
    /// # Panics
    ///
    /// If a buffer with its headroom would be empty, or larger than the address space.
    pub fn new(config: PoolConfig) -> Self {
        let used_bytes = config
            .buffer_bytes
            .checked_add(config.headroom_bytes)
            .expect("a buffer fits the address space");
        assert!(used_bytes > 0, "a pool of buffers without bytes");
        let stride_bytes = used_bytes
            .checked_next_multiple_of(ALIGNMENT_BYTES)
            .expect("a buffer fits the address space");
        let shared = Shared {
            config,
            stride_bytes,
            free: Cell::new(None),
            in_use: Cell::new(0),
            capacity: Cell::new(0),
            chunks: RefCell::new(Vec::new()),
        };
        Self {
            shared: Rc::new(shared),
        }
    }

    /// An empty buffer, or `None` if all are in use or the system has no memory for more: push back, and try
    /// again when one was dropped.
    #[inline]
    pub fn take(&self) -> Option<BufMut> {
        let shared = &*self.shared;
        let header = match shared.free.get() {
            Some(header) => header,
            None => self.grow()?,
        };
        // SAFETY: headers on the free list are alive as long as the pool.
        let free = unsafe { header.as_ref() };
        shared.free.set(free.next_free.get());
        free.set_references(1);
        self.count_one_more();
        // SAFETY: the one reference is the new owner's; a buffer has at least its headroom; its memory began zeroed,
        // and is on the free list because nobody uses it.
        Some(unsafe { BufMut::from_header(header, shared.config.headroom_bytes) })
    }

    /// Buffers that are out now.
    #[inline]
    pub fn in_use(&self) -> usize {
        self.shared.in_use.get()
    }

    /// The most buffers that may be out at once: the configured limit.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.config.buffers_max
    }

    /// Whether [`take`](Self::take) would fail for the limit's sake.
    #[inline]
    pub fn is_exhausted(&self) -> bool {
        self.in_use() == self.capacity()
    }

    /// What it was made with.
    pub fn config(&self) -> PoolConfig {
        self.shared.config
    }

    #[inline]
    fn count_one_more(&self) {
        let in_use = self.shared.in_use.get();
        self.shared.in_use.set(in_use + 1);
        if in_use == 0 {
            // Taken back in `give_back`, when the last buffer comes home.
            let _ = Rc::into_raw(self.shared.clone());
        }
    }

    /// Adds a chunk, whose buffers are now the free list; returns the first.
    #[cold]
    fn grow(&self) -> Option<NonNull<Header>> {
        let shared = &*self.shared;
        let left = shared.config.buffers_max - shared.capacity.get();
        let count = (CHUNK_BYTES / shared.stride_bytes).max(1).min(left);
        if count == 0 {
            return None;
        }
        let memory = Region::anonymous(
            chunk_bytes(count.checked_mul(shared.stride_bytes)?),
            HugePages::Try,
        )
        .ok()?;
        // Now, where it can fail, rather than at the first touch, where it would kill.
        memory.prefault().ok()?;
        let chunk = Chunk::new(memory, count, shared.stride_bytes, Rc::as_ptr(&self.shared));
        shared.free.set(chunk.link());
        shared.chunks.borrow_mut().push(chunk);
        shared.capacity.set(shared.capacity.get() + count);
        shared.free.get()
    }
}

impl Shared {
    /// Takes back a buffer that nobody uses any more.
    ///
    /// # Safety
    ///
    /// `header` is one of the buffers of `shared` and was in use until now.
    #[inline]
    pub(crate) unsafe fn give_back(shared: *const Shared, header: NonNull<Header>) {
        // SAFETY: the buffer kept its pool alive until now.
        let pool = unsafe { &*shared };
        // SAFETY: headers live as long as their pool.
        unsafe { header.as_ref() }.next_free.set(pool.free.get());
        pool.free.set(Some(header));
        let left = pool.in_use.get() - 1;
        pool.in_use.set(left);
        if left == 0 {
            // May drop the pool. SAFETY: `count_one_more` gave this count to the buffers in use.
            drop(unsafe { Rc::from_raw(shared) });
        }
    }
}

impl Chunk {
    fn new(memory: Rc<Region>, count: usize, stride_bytes: usize, pool: *const Shared) -> Self {
        let header = |index: usize| {
            // SAFETY: the region has `count * stride_bytes` bytes, and `index < count`.
            let base = unsafe { memory.base().add(index * stride_bytes) };
            Header::new(base, stride_bytes, Owner::Pool(pool))
        };
        let headers: Box<[Header]> = (0..count).map(header).collect();
        // A raw pointer from here on: a `Box` claims to be the only way to its contents whenever it is moved.
        Self {
            headers: NonNull::from(Box::leak(headers)),
            _memory: memory,
        }
    }

    /// Chains the headers in order and returns the first.
    fn link(&self) -> Option<NonNull<Header>> {
        let first = self.headers.cast::<Header>();
        for index in 1..self.headers.len() {
            // SAFETY: `index` is less than the number of headers.
            let next = unsafe { first.add(index) };
            // SAFETY: as above.
            let previous = unsafe { first.add(index - 1) };
            // SAFETY: alive, and of the header only the cell is written.
            unsafe { previous.as_ref() }.next_free.set(Some(next));
        }
        Some(first)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: leaked in `new`; the pool is dropped only when none of its buffers is in use.
        drop(unsafe { Box::from_raw(self.headers.as_ptr()) });
    }
}

/// What is asked for to get `used_bytes`: whole huge pages if most of them is used.
fn chunk_bytes(used_bytes: usize) -> usize {
    let whole = used_bytes
        .checked_next_multiple_of(CHUNK_BYTES)
        .unwrap_or(used_bytes);
    if whole - used_bytes <= whole / 4 {
        whole
    } else {
        used_bytes
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Pool({} of {} buffers of {} bytes in use)",
            self.in_use(),
            self.capacity(),
            self.shared.config.buffer_bytes
        )
    }
}
