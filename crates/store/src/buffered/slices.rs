//! The memory of buffered streams, kept for the next stream when one is closed.

use std::cell::RefCell;

use crake_mem::{Extent, HugePages, Pool, PoolConfig, Region, RegionError};

/// Slices that no stream uses at the moment.
pub(crate) struct Slices {
    slice_bytes: usize,
    /// To write from: a pool gets a slice back only when nothing will read it any more.
    pools: RefCell<Vec<Pool>>,
    /// To read into.
    extents: RefCell<Vec<Extent>>,
}

/// More than so many pools, and so many extents, are given back to the system.
const KEPT_MAX: usize = 8;

impl Slices {
    pub(crate) fn new(slice_bytes: usize) -> Slices {
        Slices {
            slice_bytes,
            pools: RefCell::default(),
            extents: RefCell::default(),
        }
    }

    /// Slices to write from, `slices` of them at most.
    pub(crate) fn take_pool(&self, slices: usize) -> Pool {
        self.pools.borrow_mut().pop().unwrap_or_else(|| {
            Pool::new(PoolConfig {
                buffer_bytes: self.slice_bytes,
                headroom_bytes: 0,
                buffers_max: slices.max(1),
            })
        })
    }

    pub(crate) fn give_back_pool(&self, pool: Pool) {
        let mut pools = self.pools.borrow_mut();
        if pool.in_use() == 0 && pools.len() < KEPT_MAX {
            pools.push(pool);
        }
    }

    /// A slice to read into.
    pub(crate) fn take_extent(&self) -> Result<Extent, RegionError> {
        match self.extents.borrow_mut().pop() {
            Some(extent) => Ok(extent),
            None => {
                let region = Region::anonymous(self.slice_bytes, HugePages::Never)?;
                Ok(region.extent(..self.slice_bytes))
            }
        }
    }

    pub(crate) fn give_back_extent(&self, extent: Extent) {
        let mut extents = self.extents.borrow_mut();
        if extents.len() < KEPT_MAX {
            extents.push(extent);
        }
    }
}
