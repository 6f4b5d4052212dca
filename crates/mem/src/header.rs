//! The count and the owner behind every counted piece of memory.

use std::cell::Cell;
use std::ptr::NonNull;
use std::rc::Rc;

use crate::pool;
use crate::region::Region;

/// One per pool buffer (allocated with the pool's chunk), per `Vec` (boxed), and per region (inside it).
///
/// A cache line of its own: the counts of two buffers that are in use at once never share one.
#[repr(align(64))]
pub(crate) struct Header {
    /// Handles on this memory. 64 bits cannot overflow by counting, even if handles are leaked in a loop.
    references: Cell<u64>,
    base: NonNull<u8>,
    capacity_bytes: usize,
    pub(crate) owner: Owner,
    /// The next free buffer, while this one is free.
    pub(crate) next_free: Cell<Option<NonNull<Header>>>,
}

/// Who takes the memory back when the last handle goes.
pub(crate) enum Owner {
    /// The pool whose chunk this buffer is part of.
    Pool(*const pool::Shared),
    /// This header is a `Box` of its own, and `base` came from a `Vec` of this capacity.
    Vec { vec_capacity: usize },
    /// The region that contains this header. While there are references they own one count of its `Rc`,
    /// kept here as the pointer of `Rc::into_raw`.
    Region(Cell<*const Region>),
    /// This header is a `Box` of its own, made by a [`Loan`](crate::Loan), and keeps the region that was lent from last.
    Loan(Cell<Option<Rc<Region>>>),
}

impl Header {
    pub(crate) fn new(base: NonNull<u8>, capacity_bytes: usize, owner: Owner) -> Self {
        Self {
            references: Cell::new(0),
            base,
            capacity_bytes,
            owner,
            next_free: Cell::new(None),
        }
    }

    /// A boxed header for the bytes of `vec`, with one reference.
    pub(crate) fn for_vec(vec: Vec<u8>) -> NonNull<Header> {
        let mut vec = std::mem::ManuallyDrop::new(vec);
        let vec_capacity = vec.capacity();
        // A pointer of the whole vector, not of its slice, so that it may free the whole.
        let base = NonNull::new(vec.as_mut_ptr()).expect("a Vec's pointer is never null");
        let header = Header::new(base, vec.len(), Owner::Vec { vec_capacity });
        header.references.set(1);
        NonNull::from(Box::leak(Box::new(header)))
    }

    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn capacity_bytes(&self) -> usize {
        self.capacity_bytes
    }

    #[inline]
    pub(crate) fn references(&self) -> u64 {
        self.references.get()
    }

    #[inline]
    pub(crate) fn set_references(&self, count: u64) {
        self.references.set(count);
    }

    #[inline]
    pub(crate) fn retain(&self) {
        self.references.set(self.references.get() + 1);
    }
}

/// Gives up one reference, and the memory with the last one.
///
/// # Safety
///
/// `header` is alive, the caller owns one of its references and does not use it afterwards.
#[inline]
pub(crate) unsafe fn release(header: NonNull<Header>) {
    // SAFETY: alive, as the caller promises; the reference ends before anything is freed.
    let references = unsafe { &header.as_ref().references };
    let left = references.get() - 1;
    references.set(left);
    if left == 0 {
        // SAFETY: alive, and this was the last reference.
        unsafe { give_back(header) };
    }
}

/// # Safety
///
/// `header` is alive and nobody has a reference to it any more.
#[inline(never)]
unsafe fn give_back(header: NonNull<Header>) {
    // Copied out, so that no Rust reference into the header exists while its owner may be freed.
    enum Last {
        Pool(*const pool::Shared),
        Vec(usize),
        Region(*const Region),
        Loan,
    }
    // SAFETY: alive, as the caller promises.
    let last = match unsafe { &header.as_ref().owner } {
        Owner::Pool(pool) => Last::Pool(*pool),
        Owner::Vec { vec_capacity } => Last::Vec(*vec_capacity),
        Owner::Region(region) => Last::Region(region.get()),
        Owner::Loan(_) => Last::Loan,
    };
    match last {
        // SAFETY: a buffer in use keeps its pool alive, and this buffer just went out of use.
        Last::Pool(pool) => unsafe { pool::Shared::give_back(pool, header) },
        // SAFETY: the header was leaked by `for_vec`, and no handle is left.
        Last::Vec(vec_capacity) => unsafe { free_vec(header, vec_capacity) },
        // SAFETY: the first reference stored what `Rc::into_raw` gave.
        Last::Region(region) => drop(unsafe { Rc::from_raw(region) }),
        // SAFETY: the loan leaked this very box, and no handle is left.
        Last::Loan => drop(unsafe { Box::from_raw(header.as_ptr()) }),
    }
}

/// # Safety
///
/// `header` came from [`Header::for_vec`] with this capacity, and nobody uses it any more.
unsafe fn free_vec(header: NonNull<Header>, vec_capacity: usize) {
    // SAFETY: `for_vec` leaked this very box.
    let header = unsafe { Box::from_raw(header.as_ptr()) };
    // SAFETY: `for_vec` took these parts from a `Vec<u8>`; the bytes up to its length were initialised.
    drop(unsafe { Vec::from_raw_parts(header.base.as_ptr(), 0, vec_capacity) });
}
