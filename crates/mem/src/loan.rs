//! Sending from a region, and knowing when it is over.

use std::cell::Cell;
use std::fmt;
use std::ptr::NonNull;

use crate::extent::Extent;
use crate::header::{self, Header, Owner};
use crate::segment::Segment;

/// Lends a place of a region to be sent from, and knows whether it came back.
///
/// A [`Segment`] made by [`Extent::segment`] says nothing to anybody when it is dropped. Who wants to write to the bytes again
/// lends them instead: when [`is_home`](Self::is_home) says so, the segment and everything that was cloned or cut from it
/// are gone, and nothing will read these bytes any more. A loan can be lent again and again, without allocation.
///
/// ```
/// use crake_mem::{HugePages, Loan, Region};
///
/// let block = Region::anonymous(4096, HugePages::Never)?.extent(0..5);
/// let loan = Loan::new();
/// let segment = loan.lend(&block);
/// let part = segment.slice(1..3);
/// drop(segment);
/// assert!(!loan.is_home());
/// drop(part);
/// assert!(loan.is_home());
/// # Ok::<(), crake_mem::RegionError>(())
/// ```
pub struct Loan {
    // Boxed, and alive while this holds one of its references.
    header: NonNull<Header>,
}

impl Loan {
    /// One that has lent nothing.
    pub fn new() -> Loan {
        let header = Header::new(NonNull::dangling(), 0, Owner::Loan(Cell::new(None)));
        header.set_references(1);
        Loan {
            header: NonNull::from(Box::leak(Box::new(header))),
        }
    }

    /// The bytes of `extent` as something to send: no copy, no allocation. The region lives at least as long.
    ///
    /// # Panics
    ///
    /// If what was lent before is not home.
    #[inline]
    pub fn lend(&self, extent: &Extent) -> Segment {
        assert!(self.is_home(), "a loan is lent once at a time");
        let header = self.header();
        if let Owner::Loan(region) = &header.owner {
            region.set(Some(extent.region().clone()));
        }
        header.retain();
        let data = NonNull::new(extent.as_mut_ptr()).expect("an extent's pointer is never null");
        // SAFETY: the header keeps the region, and so the extent's bytes, until it is home again; it counts the segment.
        unsafe { Segment::from_parts(data, extent.len(), self.header) }
    }

    /// Whether nothing of what was lent is left.
    #[inline]
    pub fn is_home(&self) -> bool {
        self.header().references() == 1
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: this loan holds a reference, so the header is alive, and only its cells are ever written.
        unsafe { self.header.as_ref() }
    }
}

impl Default for Loan {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        // SAFETY: this loan owns one reference, and is gone after this.
        unsafe { header::release(self.header) };
    }
}

impl fmt::Debug for Loan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Loan(home: {})", self.is_home())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HugePages, Region, Sga};

    #[test]
    fn is_home_when_everything_cut_from_it_is_gone() {
        let region = Region::anonymous(4096, HugePages::Never).unwrap();
        region.extent(..).write(0, b"abcdef");
        let loan = Loan::new();
        let mut list = Sga::from(loan.lend(&region.extent(0..6)));
        let rest = list.split_to(2);
        assert_eq!((rest.concat(), list.concat()), (b"ab".to_vec(), b"cdef".to_vec()));
        drop(rest);
        assert!(!loan.is_home());
        list.advance(4);
        assert!(loan.is_home());
    }

    #[test]
    fn the_segment_outlives_loan_and_region() {
        let loan = Loan::new();
        let segment = {
            let region = Region::anonymous(4096, HugePages::Never).unwrap();
            region.extent(..).write(0, b"kept");
            loan.lend(&region.extent(0..4))
        };
        drop(loan);
        assert_eq!(segment.to_vec(), b"kept");
    }

    #[test]
    fn is_lent_again_from_another_region() {
        let loan = Loan::new();
        for byte in [1, 2] {
            let region = Region::anonymous(4096, HugePages::Never).unwrap();
            region.extent(..).fill(.., byte);
            assert_eq!(loan.lend(&region.extent(0..1)).to_vec(), [byte]);
        }
    }

    #[test]
    #[should_panic(expected = "once at a time")]
    fn is_not_lent_twice_at_once() {
        let extent = Region::anonymous(4096, HugePages::Never).unwrap().extent(..);
        let loan = Loan::new();
        let _first = loan.lend(&extent);
        let _second = loan.lend(&extent);
    }

    #[test]
    fn its_bytes_are_not_a_buf() {
        let extent = Region::anonymous(4096, HugePages::Never).unwrap().extent(..);
        assert!(Loan::new().lend(&extent).as_buf().is_none());
    }
}
