//! Registered memory: regions, pools, reference-counted buffers, scatter-gather lists, rings.
//!
//! Everything that Crake sends, receives or stores lies in memory of this crate, so that a byte is
//! copied only where a layer says so. Nothing here does I/O and nothing here is a general allocator.
//!
//! * [`Region`]: memory in one piece: anonymous, a memfd that other processes can map, or the allocator's.
//! * [`Window`]: the memory of a region that somebody else has made and writes, to be read; if its maker lets us, to be written, too.
//! * [`Extent`]: a place in a region that bytes may be received into, at any time.
//! * [`Pool`]: buffers of one size; [`BufMut`] is one while it is written, [`Buf`] after that.
//! * [`Arena`]: small bytes, many to a buffer, each a `Buf` of its own.
//! * [`Segment`]: bytes to send, which are either a `Buf` or a place in a region; [`Sga`]: a list of them.
//! * [`Loan`]: sends from a place in a region and knows when that is over.
//! * [`from_utf8`]: the text of a name. [`copy_slice`]: many bytes to any place.
//! * [`ring`]: items from one thread to another. [`pipe`]: bytes from one process to another, through a region that both map.
//!   Nothing else here crosses threads.
//!
//! # Bytes that stand still and bytes that move
//!
//! The kernel, a device, or another task may write into an [`Extent`] while a reply that points at the same
//! bytes is still queued. A `&[u8]` over such bytes would be undefined behaviour: Rust lets the
//! compiler assume that what a shared reference points at does not change. So the two kinds of
//! memory are two kinds of type, and safe code cannot mix them up:
//!
//! * A [`Buf`] never changes after [`BufMut::freeze`]: its memory belongs to a pool, a `Vec` or the binary, and no
//!   `Extent` reaches it. It dereferences to `&[u8]`.
//! * An [`Extent`], and a [`Segment`] made of one, never gives out a reference. Bytes go in and out by copies
//!   through raw pointers (`read`, `write`, `copy_to`) and by system calls that are given the address.
//!
//! One type stands between them: [`Pinned`] bytes of a [`Window`], of which the region's owner has promised that nobody writes
//! them. To believe that is `unsafe`.
//!
//! What follows: no other `&[u8]` over a region's bytes exists in safe code, so no write can invalidate one; two
//! copies cannot overlap in time, because a `Region` stays on its thread. Another process that
//! maps the same memfd can write at any time: then a copy may see bytes of before and after, and whoever
//! shares the memory needs a protocol that detects this (generations), but there is still no reference
//! about which the compiler could conclude anything.
//!
//! # Invariants
//!
//! * All handles except the ring's are bound to one thread (`!Send`); counts are plain integers.
//! * Memory of a pool or a region is returned when its last handle is dropped, in any order of drops.
//! * Every byte that a safe method shows was initialised; what a fresh `BufMut` holds is otherwise unspecified.
//! * Nothing but growing a pool (and making a region, a `Vec` buffer, or a list of more than
//!   four segments) allocates.
//!
//! ```
//! use crake_mem::{HugePages, Pool, PoolConfig, Region, Sga};
//!
//! let pool = Pool::new(PoolConfig { buffer_bytes: 4096, headroom_bytes: 64, buffers_max: 8 });
//! let mut message = pool.take().expect("a new pool has buffers");
//! message.push_slice(b"payload of ");
//! message.prepend(4).copy_from_slice(b"HEAD");
//!
//! let block = Region::anonymous(4096, HugePages::Never)?.extent(0..5);
//! block.write(0, b"block");
//!
//! let mut list = Sga::from(message.freeze());
//! list.push(block);
//! assert_eq!(list.concat(), b"HEADpayload of block");
//! list.advance(4);
//! assert_eq!(list.len_bytes(), 16);
//! # Ok::<(), crake_mem::RegionError>(())
//! ```

mod arena;
mod buf;
mod copy;
mod extent;
mod header;
mod loan;
pub mod pipe;
mod pool;
mod prefetch;
mod region;
pub mod ring;
mod segment;
mod sga;
mod text;

pub use arena::Arena;
pub use buf::{Buf, BufMut};
pub use copy::copy_slice;
pub use extent::Extent;
pub use loan::Loan;
pub use pool::{Pool, PoolConfig};
pub use prefetch::prefetch_read;
pub use region::{HugePages, Pinned, Region, RegionError, Window};
pub use segment::Segment;
pub use sga::Sga;
pub use text::from_utf8;

use std::ops::{Bound, Range, RangeBounds};

/// Resolves `range` against a length. Panics as slice indexing does.
#[inline]
fn resolve(range: impl RangeBounds<usize>, len: usize) -> Range<usize> {
    let start = match range.start_bound() {
        Bound::Included(&at) => at,
        Bound::Excluded(&at) => at.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(&at) => at.saturating_add(1),
        Bound::Excluded(&at) => at,
        Bound::Unbounded => len,
    };
    assert!(start <= end && end <= len, "range {start}..{end} of {len} bytes");
    start..end
}
