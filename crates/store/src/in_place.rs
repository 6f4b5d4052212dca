//! Blocks of a datanode on this machine, used in place: read one-sidedly, without a request; written, where the datanode permits it, between
//! two small ones.
//!
//! `docs/format/tier.md` says what is there and in which order it is looked at. Whenever something is not as it should be, the
//! datanode is asked in the ordinary way: what it answers counts.

use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

use crake_datapath::{Memory, Runtime, Time};
use crake_mem::{Extent, Pinned, Sga, Window};
use crake_rpc::{Call, CallError, Client};
use zerocopy::IntoBytes;

use crate::canary::{Canary, planted};
use crate::link::Mapped;
use crate::protocol::Handle;
use crate::protocol::datanode::{LandedRequest, ReserveRequest, datanode as method};
use crate::protocol::tier::{
    BLOCKS, DATANODE_AT, INCARNATION_AT, Layout, MAGIC, MAGIC_AT, RESERVATIONS_MAX, Span, TABLE, UNITS_AT,
    VERSION, VERSION_AT,
};

/// What a datanode of this machine shares.
pub(crate) struct MappedTier {
    memory: Memory,
    table: Rc<Window>,
    blocks: Rc<Window>,
    layout: Layout,
    units: usize,
    /// Number of the next reservation.
    next_reservation: Cell<u32>,
    /// How many are open.
    reservations: Cell<usize>,
}

/// From this size on bytes are written in place: two requests more cost as much as the copies of fewer bytes that they save.
const WRITE_MIN_BYTES: usize = 32 * 1024;

/// From this size on they go past the caches: 1 MiB took two thirds of the time of a memcpy. What is less may be read soon.
const STREAMED_MIN_BYTES: usize = 128 * 1024;

/// In a simulation a writer is stopped now and then, for so many of the longest steps.
const STOPPED_STEPS_MAX: u64 = 80;
/// Of so many pauses one is such.
const STOPPED_EVERY: u64 = 16;

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
            next_reservation: Cell::new(0),
            reservations: Cell::new(0),
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

    /// Whether so many bytes are to be written in place.
    pub(crate) fn takes_write(&self, len: usize) -> bool {
        // In a simulation it is not about time.
        let len_min = if self.is_stepwise() { 1 } else { WRITE_MIN_BYTES };
        self.blocks.is_writable() && len >= len_min && self.reservations.get() < RESERVATIONS_MAX
    }

    /// Puts bytes, which are not none, into a block from `offset` on. `client` is the connection that this memory came with. False if they are
    /// not known to be there: then the datanode is to be asked to take them.
    pub(crate) async fn write(
        self: Rc<Self>,
        (runtime, client): (Runtime, Client),
        handle: Handle,
        offset: u32,
        bytes: Sga,
        deadline: Time,
    ) -> bool {
        let start = handle.offset_bytes() as usize + offset as usize;
        if start + bytes.len_bytes() > self.blocks.len_bytes() {
            return false;
        }
        // Before the datanode hears of it: from then on it must see that somebody may be writing.
        let Some(hold) = self.memory.hold() else {
            return false;
        };
        let reservation = Reservation::new(&self, (&runtime, &client), deadline);
        if !reservation.ask(&handle, offset, bytes.len_bytes()).await {
            return false;
        }
        match self.is_stepwise() {
            true => self.copy_stepwise(&runtime, start, bytes).await,
            false => self.copy(start, &bytes),
        }
        drop(hold);
        reservation.landed().await
    }

    fn copy(&self, start: usize, bytes: &Sga) {
        let mut at = start;
        for segment in bytes.segments() {
            match segment.len() >= STREAMED_MIN_BYTES {
                true => self.blocks.write_segment_streaming(at, segment),
                false => self.blocks.write_segment(at, segment),
            }
            at += segment.len();
        }
    }

    /// The same with pauses in which others act, some of them as long as if this process had been stopped.
    async fn copy_stepwise(&self, runtime: &Runtime, start: usize, mut bytes: Sga) {
        let first = bytes.split_to(bytes.len_bytes() / 2);
        self.pause_to_write(runtime).await;
        self.copy(start, &first);
        self.pause_to_write(runtime).await;
        self.copy(start + first.len_bytes(), &bytes);
        self.pause_to_write(runtime).await;
    }

    async fn pause_to_write(&self, runtime: &Runtime) {
        self.memory.pause(runtime).await;
        if let Some(step_max) = self.memory.step_max()
            && runtime.random().is_multiple_of(STOPPED_EVERY)
        {
            let steps = runtime.random() % STOPPED_STEPS_MAX;
            runtime.sleep(step_max * steps as u32).await;
        }
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

/// A range of a block that the datanode keeps for this client; given up when it is dropped.
struct Reservation<'t> {
    tier: &'t MappedTier,
    runtime: &'t Runtime,
    client: &'t Client,
    number: u32,
    deadline: Time,
    /// The datanode may have it in its books.
    is_open: Cell<bool>,
}

impl<'t> Reservation<'t> {
    fn new(
        tier: &'t MappedTier,
        (runtime, client): (&'t Runtime, &'t Client),
        deadline: Time,
    ) -> Reservation<'t> {
        let number = tier.next_reservation.get();
        tier.next_reservation.set(number.wrapping_add(1));
        tier.reservations.set(tier.reservations.get() + 1);
        Reservation {
            tier,
            runtime,
            client,
            number,
            deadline,
            is_open: Cell::new(true),
        }
    }

    /// Whether the datanode agrees.
    async fn ask(&self, handle: &Handle, offset: u32, len: usize) -> bool {
        let request = ReserveRequest {
            handle: handle.as_bytes(),
            offset,
            length: len as u32,
            reservation: self.number,
        };
        let reply = self
            .client
            .call_until(method::RESERVE, &request, self.deadline)
            .await;
        // Else it may have been heard.
        let is_refused = matches!(reply, Err(CallError::Failed { .. } | CallError::Lost { .. }));
        self.is_open.set(!is_refused);
        reply.is_ok()
    }

    /// Says that all bytes are there: whether they count.
    async fn landed(self) -> bool {
        let reply = self.end(false).await;
        // Else it may not have been heard.
        let is_heard = matches!(
            reply,
            Ok(_) | Err(CallError::Failed { .. } | CallError::Lost { .. })
        );
        self.is_open.set(!is_heard);
        reply.is_ok()
    }

    fn end(&self, given_up: bool) -> Call {
        let request = LandedRequest {
            reservation: self.number,
            given_up,
        };
        let call = self.client.call_until(method::LANDED, &request, self.deadline);
        // Others copy next, perhaps for long.
        self.client.flush();
        call
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.tier.reservations.set(self.tier.reservations.get() - 1);
        if self.is_open.get() && self.client.is_connected() {
            let call = self.end(true);
            let given_up = async {
                // If it fails, the connection has, or is about to be suspected.
                let _ = call.await;
            };
            self.runtime.spawn(given_up).detach();
        }
    }
}
