//! Blocks of a datanode on this machine, read in place: one-sidedly, without a request.
//!
//! `docs/format/tier.md` says what is there and in which order it is looked at. Whenever something is not as it should be, the
//! datanode is asked in the ordinary way: what it answers counts.

use std::ops::Range;
use std::rc::Rc;

use crake_datapath::{Memory, Runtime};
use crake_mem::{Extent, Pinned, Window};
use crake_rpc::Client;

use crate::canary::{Canary, planted};
use crate::link::Mapped;
use crate::protocol::Handle;
use crate::protocol::tier::{
    BLOCKS, DATANODE_AT, INCARNATION_AT, Layout, MAGIC, MAGIC_AT, Span, TABLE, UNITS_AT, VERSION, VERSION_AT,
};

/// What a datanode of this machine shares.
pub(crate) struct MappedTier {
    memory: Memory,
    table: Rc<Window>,
    blocks: Rc<Window>,
    layout: Layout,
    units: usize,
}

/// Where the bytes of a read lie, as the table says before they are copied.
pub(crate) struct Place {
    /// In the blocks.
    start: usize,
    /// The first unit of the block.
    head: usize,
    /// The units that the read touches.
    touched: Range<usize>,
}

impl Place {
    /// In the blocks.
    pub(crate) fn start(&self) -> usize {
        self.start
    }
}

impl Mapped for MappedTier {
    fn of(client: &Client) -> Option<MappedTier> {
        MappedTier::new(&client.memory()?)
    }
}

impl MappedTier {
    fn new(memory: &Memory) -> Option<MappedTier> {
        let (table, blocks) = (memory.window(TABLE)?.clone(), memory.window(BLOCKS)?.clone());
        if table.len_bytes() < Layout::new(0).len_bytes() {
            return None;
        }
        let units = usize::try_from(table.load_u64(UNITS_AT)).ok()?;
        let is_known = table.load_u64(MAGIC_AT) == MAGIC
            && table.load_u32(VERSION_AT) == VERSION
            && units == blocks.len_bytes() / Handle::UNIT_BYTES as usize
            && Layout::new(units).len_bytes() <= table.len_bytes();
        is_known.then(|| MappedTier {
            memory: memory.clone(),
            table,
            blocks,
            layout: Layout::new(units),
            units,
        })
    }

    /// Whether others act between the steps of a read only while it waits: then [`read_stepwise`](Self::read_stepwise) is to be used.
    #[inline]
    pub(crate) fn is_stepwise(&self) -> bool {
        self.memory.step_max().is_some()
    }

    /// Copies the bytes of a block from `offset` on over all of `target`, which is not empty. False if what was copied, if anything
    /// was, may be something else.
    #[inline]
    pub(crate) fn read(&self, handle: &Handle, offset: u32, target: &Extent) -> bool {
        let Some(place) = self.look(handle, offset, target.len()) else {
            return false;
        };
        self.blocks.copy_to(place.start, target);
        self.is_still(handle, &place)
    }

    /// The same with pauses in which others act.
    pub(crate) async fn read_stepwise(
        &self,
        runtime: &Runtime,
        handle: &Handle,
        offset: u32,
        target: &Extent,
    ) -> bool {
        let Some(place) = self.look(handle, offset, target.len()) else {
            return false;
        };
        let half = target.len() / 2;
        self.memory.pause(runtime).await;
        self.blocks.copy_to(place.start, &target.slice(..half));
        self.memory.pause(runtime).await;
        self.blocks.copy_to(place.start + half, &target.slice(half..));
        self.memory.pause(runtime).await;
        self.is_still(handle, &place)
    }

    /// Where the bytes of a block from `offset` on lie, if the table says that they are there.
    pub(crate) fn place(&self, handle: &Handle, offset: u32, len: usize) -> Option<Place> {
        self.look(handle, offset, len)
    }

    /// Bytes in place, of blocks that the namenode keeps as they are: they are pinned, and were before they were looked for.
    pub(crate) fn pinned(&self, range: Range<usize>) -> Option<Pinned> {
        self.memory.pinned(BLOCKS, range)
    }

    /// What has to be so before the bytes are copied.
    #[inline]
    fn look(&self, handle: &Handle, offset: u32, len: usize) -> Option<Place> {
        let unit_bytes = Handle::UNIT_BYTES as usize;
        let range = offset..offset.checked_add(u32::try_from(len).ok()?)?;
        let head = handle.unit.get() as usize;
        let touched =
            head + range.start as usize / unit_bytes..head + (range.end as usize).div_ceil(unit_bytes);
        let is_inside = range.end <= handle.len_bytes.get() && touched.end <= self.units;
        let place = Place {
            start: head * unit_bytes + range.start as usize,
            head,
            touched,
        };
        let is_there = is_inside
            && handle.permits(Handle::READ)
            && self.is_current(handle, &place)
            && Span(self.table.load_u64(self.layout.span_at(head))).covers(&range);
        is_there.then_some(place)
    }

    /// Whether it is so after they were copied, too.
    #[inline]
    fn is_still(&self, handle: &Handle, place: &Place) -> bool {
        self.is_current(handle, place) || planted(Canary::SkipSecondLook)
    }

    /// Whether this life of the block is the newest. With the first unit, all that the block's span can mean is of this life.
    #[inline]
    pub(crate) fn is_current(&self, handle: &Handle, place: &Place) -> bool {
        let generation = handle.generation.get();
        let generations = |units| self.table.all_u32(self.layout.generations_at(units), generation);
        self.table.load_u64(INCARNATION_AT) == handle.incarnation.get()
            && self.table.load_u32(DATANODE_AT) == handle.datanode.get()
            && generations(place.head..place.head + 1)
            && generations(place.touched.clone())
    }
}
