//! Slices for messages that were read: a message borrows the slices of what is in it, and somebody has to have them.

use std::alloc::{Layout, dealloc};
use std::cell::RefCell;

thread_local! {
    /// What is to be freed, if anything is.
    static LENT: RefCell<Option<Vec<(*mut u8, Layout)>>> = const { RefCell::new(None) };
}

/// A slice of these values, for as long as it is wanted: it is leaked. A test can afford that; what reads millions of messages does it
/// in [`until_done`].
pub fn lend<'a, T: Copy>(values: Vec<T>) -> &'a [T] {
    let slice: &'a mut [T] = Box::leak(values.into_boxed_slice());
    let layout = Layout::for_value(slice);
    if layout.size() > 0 {
        LENT.with_borrow_mut(|lent| {
            if let Some(lent) = lent {
                lent.push((slice.as_mut_ptr().cast(), layout));
            }
        });
    }
    slice
}

/// Runs `work`, and frees what was lent meanwhile on this thread.
///
/// # Safety
///
/// Nothing that was lent by `work` may be looked at when it is done.
#[allow(dead_code, reason = "few tests read millions of messages")]
pub unsafe fn until_done<R: 'static>(work: impl FnOnce() -> R) -> R {
    LENT.replace(Some(Vec::new()));
    let result = work();
    for (at, layout) in LENT.take().into_iter().flatten() {
        // SAFETY: a box of this layout was leaked there, its values need no drop (they are `Copy`), and the caller says that nobody
        // looks at them any more.
        unsafe { dealloc(at, layout) };
    }
    result
}
