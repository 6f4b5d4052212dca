//! The memory that a datanode gives to the cluster.

use std::ops::Range;
use std::rc::Rc;

use crake_datapath::{Runtime, Shared};
use crake_mem::{Extent, HugePages, Region, RegionError};

use super::UNIT_BYTES;
use super::persist::{self, Found, Life, PersistConfig, Recovered};
use super::published::Published;
use crate::StartError;

/// Tiers are multiples of the largest block.
const BLOCK_MAX_BYTES: u64 = 1 << 20;
/// Largest tier: a unit's number is 32 bits, and 2^32 units of 4 KiB are 16 TiB.
const TIER_MAX_BYTES: u64 = 1 << 44;

/// When the tier's memory is taken from the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Memory {
    /// All of it at start: a machine that has too little says so then, and no access fails later.
    #[default]
    AtStart,
    /// The same, and clients of this machine can map it to read blocks in place: through `shm://` addresses.
    AtStartShared,
    /// Page by page, at the first write. A machine that runs out kills a process at that time. For tests and
    /// simulations whose tiers stay nearly empty.
    OnDemand,
}

/// How clients of this user on this machine write into blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LocalWrite {
    /// By request: their bytes come through the ring that carries all else, and are received into place.
    #[default]
    Ring,
    /// By themselves: they map the blocks to write, and put their bytes into place by one copy. They are trusted to write where they have asked
    /// to, and nowhere else.
    Map,
}

/// Why a tier could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TierError {
    /// Not a multiple of 1 MiB, or none, or more than 16 TiB.
    #[error("a tier of {0} bytes: it must be a multiple of 1 MiB, at least 1 MiB and at most 16 TiB")]
    Size(u64),
    /// The machine has not this much to give.
    #[error("the tier's memory: {0}")]
    Region(#[from] RegionError),
}

/// DRAM, addressed by a byte's place in it. One region, so that the machine is asked for the whole before
/// any of it is taken.
#[derive(Debug)]
pub(crate) struct Tier {
    region: Rc<Region>,
    published: Published,
    local_write: LocalWrite,
    kept: Option<Kept>,
}

/// What was in the directory of a tier that outlives its process.
#[derive(Debug)]
struct Kept {
    name: String,
    found: Found,
    recovered: Option<Recovered>,
}

impl Tier {
    /// Maps `len_bytes` bytes, on huge pages where the kernel grants them.
    pub(crate) fn new(len_bytes: u64, memory: Memory, local_write: LocalWrite) -> Result<Tier, TierError> {
        check_size(len_bytes)?;
        let (len, units) = (len_bytes as usize, (len_bytes / UNIT_BYTES) as usize);
        let region = match memory {
            Memory::AtStart => Region::anonymous(len, HugePages::Try)?,
            Memory::AtStartShared => Region::memfd("crake-blocks", len, HugePages::Try)?,
            // A huge page would take 2 MiB for the first byte.
            Memory::OnDemand => Region::anonymous(len, HugePages::Never)?,
        };
        if memory != Memory::OnDemand {
            region.prefault()?;
        }
        match local_write {
            LocalWrite::Ring => region.close_file()?,
            LocalWrite::Map => region.open_file()?,
        }
        let published = Published::new(units, memory == Memory::AtStartShared)?;
        Ok(Tier {
            region,
            published,
            local_write,
            kept: None,
        })
    }

    /// One in a directory: that of the datanode that had it before, with its blocks, or a new one.
    pub(crate) fn keep(
        runtime: &Runtime,
        config: &PersistConfig,
        len_bytes: u64,
        name: &str,
    ) -> Result<Tier, StartError> {
        check_size(len_bytes)?;
        let opened = persist::open(runtime, config, len_bytes, name)?;
        Ok(Tier {
            published: Published::kept(opened.table, (len_bytes / UNIT_BYTES) as usize, opened.ledger),
            region: opened.blocks,
            // What a client of before was stopped in would go on in the next life, and nobody would know of it.
            local_write: LocalWrite::Ring,
            kept: Some(Kept {
                found: match &opened.recovered {
                    Some(recovered) => recovered.found(),
                    None if opened.is_other_boot => Found::OtherBoot,
                    None => Found::Nothing,
                },
                name: opened.name,
                recovered: opened.recovered,
            }),
        })
    }

    /// The name that the datanode of its directory has, and what was there.
    pub(crate) fn kept(&self) -> Option<(&str, Found)> {
        self.kept.as_ref().map(|kept| (kept.name.as_str(), kept.found))
    }

    /// The life to go on with.
    pub(crate) fn life(&self) -> Option<Life> {
        let recovered = self.kept.as_ref()?.recovered.as_ref()?;
        Some(recovered.life)
    }

    /// The blocks to go on with, once.
    pub(crate) fn take_recovered(&mut self) -> Option<Recovered> {
        self.kept.as_mut()?.recovered.take()
    }

    /// What clients of this machine may use in place, in the order of their keys. What the table says is the datanode's alone.
    pub(crate) fn shared(&self) -> [Shared; 2] {
        let blocks = match self.local_write {
            LocalWrite::Ring => Shared::to_read(&self.region),
            LocalWrite::Map => Shared::to_write(&self.region),
        };
        [Shared::to_read(self.published.table()), blocks]
    }

    /// The table of what its blocks are.
    pub(crate) fn published(&self) -> &Published {
        &self.published
    }

    /// Bytes of the tier.
    pub(crate) fn len_bytes(&self) -> u64 {
        self.region.len_bytes() as u64
    }

    /// The place of `bytes`, which the caller knows to be in the tier.
    pub(crate) fn extent(&self, bytes: Range<u64>) -> Extent {
        self.region.extent(bytes.start as usize..bytes.end as usize)
    }
}

fn check_size(len_bytes: u64) -> Result<(), TierError> {
    let is_possible =
        len_bytes != 0 && len_bytes.is_multiple_of(BLOCK_MAX_BYTES) && len_bytes <= TIER_MAX_BYTES;
    is_possible.then_some(()).ok_or(TierError::Size(len_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_blocks_do_not_divide_is_refused() {
        for len_bytes in [0, 1, 4096, (1 << 20) + 4096, TIER_MAX_BYTES + BLOCK_MAX_BYTES] {
            assert!(
                matches!(
                    Tier::new(len_bytes, Memory::OnDemand, LocalWrite::Ring),
                    Err(TierError::Size(_))
                ),
                "{len_bytes}"
            );
        }
    }

    #[test]
    fn more_than_the_machine_has_is_an_error_at_start() {
        assert!(matches!(
            Tier::new(TIER_MAX_BYTES, Memory::AtStart, LocalWrite::Ring),
            Err(TierError::Region(_))
        ));
    }

    #[test]
    fn promised_memory_can_be_written_to_the_last_byte() {
        for (memory, local_write) in [
            (Memory::AtStart, LocalWrite::Ring),
            (Memory::AtStartShared, LocalWrite::Ring),
            (Memory::AtStartShared, LocalWrite::Map),
        ] {
            let tier = Tier::new(2 << 20, memory, local_write).unwrap();
            tier.extent((2 << 20) - 4..2 << 20).write(0, b"last");
            assert_eq!(tier.extent((2 << 20) - 4..2 << 20).to_vec(), b"last");
        }
    }
}
