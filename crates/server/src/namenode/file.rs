//! Files: blocks, the writer's lease, what is published.

use crake_store::canary::{Canary, planted};

use super::blocks::{Class, Extent, Issued};
use super::command::{BLOCKS_MAX, Failure, Happened, Kind, LeaseId, NodeId, Reply, SessionId};
use super::datanodes::{Rights, Wish};
use super::namespace::Namespace;
use super::nodes::{BlockSpan, FileData};
use super::quota::{Amount, Room, block_bytes};
use super::records::Place;
use super::sessions::Held;
use super::slab::NONE;

/// Blocks that come with a node that is looked up.
pub(super) const FIRST_BLOCKS: usize = 16;

impl Namespace {
    // Blocks.

    /// Takes blocks for the bytes from `capacity` on: as many as there are and have room, up to `want` bytes and
    /// [`BLOCKS_MAX`] blocks, and at least one. They wait in `taken`, with their handles in the reply's blocks.
    pub(super) fn take_blocks(
        &mut self,
        class: (u32, u64),
        capacity: u64,
        want: u64,
        mut room: Room,
    ) -> Result<u64, Failure> {
        let (storage_class, location_class) = class;
        let (mut offset, mut left) = (capacity, want.max(1));
        self.taken.clear();
        self.blocks.clear();
        while left > 0 && self.taken.len() < BLOCKS_MAX {
            let wish = Wish {
                class: Class::fitting(offset, left).within(room.bytes),
                storage_class,
                location_class,
                bytes_max: room.bytes,
            };
            let block = match self.issue_within(wish, room) {
                Ok(block) => block,
                Err(_) if !self.taken.is_empty() => break,
                Err(failure) => return Err(failure),
            };
            let extent = Extent {
                offset,
                length: block.class.bytes() as u32,
                block,
            };
            self.blocks.push(self.registry.block(&extent, Rights::ReadWrite));
            offset += u64::from(extent.length);
            left = left.saturating_sub(u64::from(extent.length));
            room.bytes -= extent.block.class.bytes();
            self.taken.push(extent);
        }
        Ok(offset - capacity)
    }

    /// A block for which there is room. Where only larger ones are free, there is no space: the quota would allow what was wished.
    fn issue_within(&mut self, wish: Wish, room: Room) -> Result<Issued, Failure> {
        if wish.class.bytes() > room.bytes {
            return Err(self.no_room(room, wish.class.bytes()));
        }
        self.registry.issue(wish)
    }

    /// Gives back what [`Self::take_blocks`] took.
    pub(super) fn untake_blocks(&mut self) {
        // Their generations and turns are used up all the same.
        self.journal.stir();
        self.taken
            .drain(..)
            .for_each(|extent| self.registry.release(&extent.block));
        self.blocks.clear();
    }

    /// Makes the taken blocks those of a file, behind the ones it has.
    pub(super) fn append_taken(&mut self, index: u32) {
        if self.taken.is_empty() {
            return;
        }
        let bytes = block_bytes(&self.taken);
        self.charge(self.job_of(index), Amount::bytes(bytes));
        let file = file_data_mut(&mut self.nodes, index);
        // A file of one block has room for just that in itself; a longer list doubles.
        file.extents.extend(self.taken.drain(..));
    }

    /// Fills the reply's blocks with those of a file that hold published bytes, from the one with `offset` on.
    pub(super) fn collect_blocks(&mut self, index: u32, offset: u64, limit: usize) -> BlockSpan {
        let start = self.blocks.len() as u32;
        let size = self.nodes.records.at(index).size;
        if let Some(file) = self.nodes.file(index) {
            let published = published(&file.extents, size, offset, limit);
            let blocks = published.map(|extent| self.registry.block(extent, Rights::Read));
            self.blocks.extend(blocks);
        }
        BlockSpan {
            start,
            end: self.blocks.len() as u32,
        }
    }

    pub(super) fn blocks_of(&mut self, node: NodeId, offset: u64, limit: u32) -> Result<Reply<'_>, Failure> {
        let limit = if limit == 0 {
            BLOCKS_MAX
        } else {
            (limit as usize).min(BLOCKS_MAX)
        };
        self.blocks.clear();
        let Some(index) = self.find_node(node).or_else(|| self.buried_pinned(node)) else {
            return self.blocks_of_remains(node, offset, limit);
        };
        if self.kind(index).is_container() {
            return Err(Failure::IsADirectory);
        }
        self.collect_blocks(index, offset, limit);
        Ok(self.blocks_reply(index))
    }

    /// A file that is no more and not yet freed, for those who look at it still.
    #[cold]
    pub(super) fn buried_pinned(&self, node: NodeId) -> Option<u32> {
        let index = self.nodes.records.find(node)?;
        self.pins.is_pinned(node).then_some(index)
    }

    /// The same of a file that is no more, for those who look at it still.
    #[cold]
    fn blocks_of_remains(&mut self, node: NodeId, offset: u64, limit: usize) -> Result<Reply<'_>, Failure> {
        let (node, extents) = self.pins.remains(node).ok_or(Failure::NotFound)?;
        let published = published(extents, node.size, offset, limit);
        let blocks = published.map(|extent| self.registry.block(extent, Rights::Read));
        self.blocks.extend(blocks);
        Ok(Reply::Blocks {
            node,
            blocks: &self.blocks,
        })
    }

    fn blocks_reply(&self, index: u32) -> Reply<'_> {
        Reply::Blocks {
            node: self.attributes(index),
            blocks: &self.blocks,
        }
    }

    // The writer.

    /// Gives a session the lease of a file without a writer, with the blocks taken before. There must be room for it.
    pub(super) fn begin_writing(&mut self, session: SessionId, index: u32) -> LeaseId {
        let id = self.nodes.id(index);
        let lease = self.sessions.hold(session, self.now.mono_ns, Held::Writer(id));
        file_data_mut(&mut self.nodes, index).writer = super::sessions::index_of(lease);
        self.append_taken(index);
        LeaseId(lease)
    }

    pub(super) fn append(
        &mut self,
        session: SessionId,
        base: NodeId,
        path: &str,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        match self.kind(index) {
            Kind::File => {}
            Kind::KeyValue => return Err(Failure::WrongKind),
            Kind::Directory | Kind::Multifile | Kind::Table => return Err(Failure::IsADirectory),
        }
        let is_written = self.nodes.file(index).is_some_and(|file| file.writer != NONE);
        if is_written && !planted(Canary::LeaseTwice) {
            return Err(Failure::LeaseHeld);
        }
        self.sessions.reserve(session)?;
        self.taken.clear();
        self.blocks.clear();
        self.offer_last_block(index);
        let lease = self.begin_writing(session, index);
        Ok(self.opened(index, lease))
    }

    /// Adds the last block to the reply if more can be written into it; if its datanode is gone, nothing will be.
    fn offer_last_block(&mut self, index: u32) {
        let size = self.nodes.records.at(index).size;
        let Some(last) = self.nodes.file(index).and_then(|file| file.extents.last()) else {
            return;
        };
        if !self.registry.is_there(&last.block) {
            self.cut_last_block(index);
        } else if last.offset + u64::from(last.length) > size {
            self.blocks.push(self.registry.block(last, Rights::ReadWrite));
        }
    }

    /// Makes the last block end where the published bytes do.
    fn cut_last_block(&mut self, index: u32) {
        let size = self.nodes.records.at(index).size;
        if let Some(last) = file_data_mut(&mut self.nodes, index).extents.last_mut() {
            last.length = last.length.min((size - last.offset) as u32);
        }
    }

    /// The file that a session may write with this lease.
    fn writable(&self, session: SessionId, (node, lease): (NodeId, LeaseId)) -> Result<u32, Failure> {
        let Some(index) = self.nodes.records.find(node) else {
            return Err(self.jobs.why_lost(lease.0, Failure::NotFound));
        };
        if let Some(failure) = self.why_gone(index) {
            return Err(failure);
        }
        match self.sessions.held(lease.0, session) {
            Some(Held::Writer(file)) if *file == node => Ok(index),
            _ => Err(self.jobs.why_lost(lease.0, Failure::LeaseLost)),
        }
    }

    pub(super) fn allocate(
        &mut self,
        session: SessionId,
        writer: (NodeId, LeaseId),
        offset: u64,
        want: u64,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.writable(session, writer)?;
        let file = self
            .nodes
            .file(index)
            .expect("a file that is written has its data");
        let capacity = file.capacity();
        if offset > capacity {
            return Err(Failure::TooLong);
        }
        if offset < capacity {
            self.repeat_blocks(index, offset);
            return Ok(self.blocks_reply(index));
        }
        if capacity.checked_add(want).is_none() {
            return Err(Failure::TooLong);
        }
        let record = self.nodes.records.at(index);
        let class = (u32::from(record.storage_class), record.location_or_version);
        let room = self.room(self.job_of(index), 0);
        self.take_blocks(class, capacity, want, room)?;
        self.append_taken(index);
        Ok(self.blocks_reply(index))
    }

    /// The writer has not heard of these blocks: the answer that had them was lost.
    fn repeat_blocks(&mut self, index: u32, offset: u64) {
        self.blocks.clear();
        let file = self
            .nodes
            .file(index)
            .expect("a file that is written has its data");
        let unheard = file
            .extents
            .iter()
            .skip_while(|extent| extent.offset + u64::from(extent.length) <= offset);
        let blocks = unheard
            .take(BLOCKS_MAX)
            .map(|extent| self.registry.block(extent, Rights::ReadWrite));
        self.blocks.extend(blocks);
    }

    pub(super) fn publish(
        &mut self,
        session: SessionId,
        writer: (NodeId, LeaseId),
        size: u64,
        seal: bool,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.writable(session, writer)?;
        let capacity = self.nodes.file(index).map_or(0, FileData::capacity);
        if size > capacity {
            return Err(Failure::TooLong);
        }
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        if size > record.size {
            record.size = size;
            record.modified_ns = wall_ns;
            self.tell(Happened::Grew, index);
        }
        if seal {
            self.sessions.release(writer.1.0);
            self.end_writing(index);
        }
        Ok(self.node_reply(index))
    }

    /// The file stays as it was published last; what is behind goes.
    fn end_writing(&mut self, index: u32) {
        let record = self.nodes.records.at_mut(index);
        let (size, extra) = (record.size, record.extra);
        let file = &mut self.nodes.files[extra];
        file.writer = NONE;
        let used = file.extents.partition_point(|extent| extent.offset < size);
        let unused = block_bytes(&file.extents[used..]);
        file.extents
            .drain(used..)
            .for_each(|unused| self.registry.release(&unused.block));
        if file.extents.is_empty() {
            self.nodes.files.remove(extra);
            record.place = Place::Nowhere;
            record.extra = NONE;
        } else if file.extents.spilled() {
            file.extents.shrink_to_fit();
        }
        self.give_back(self.job_of(index), Amount::bytes(unused));
        self.tell(Happened::Sealed, index);
    }

    /// Ends a lease whose session is silent. It may still be writing: what it writes from now on must not get between
    /// the bytes of a later writer, so the last block is not filled up any more.
    pub(super) fn expire_writer(&mut self, index: u32) {
        if planted(Canary::SealAbovePublished) {
            let capacity = self.nodes.file(index).map_or(0, FileData::capacity);
            self.nodes.records.at_mut(index).size = capacity;
        }
        self.end_writing(index);
        if self.nodes.file(index).is_some() {
            self.cut_last_block(index);
        }
    }
}

/// The blocks below a file's size, from the one that holds `offset` on.
fn published(extents: &[Extent], size: u64, offset: u64, limit: usize) -> impl Iterator<Item = &Extent> {
    let first = extents.partition_point(|extent| extent.offset + u64::from(extent.length) <= offset);
    let published = extents[first..]
        .iter()
        .take_while(move |extent| extent.offset < size);
    published.take(limit)
}

/// The data of a file, made if it has none.
pub(super) fn file_data_mut(nodes: &mut super::nodes::Nodes, index: u32) -> &mut FileData {
    let record = nodes.records.at_mut(index);
    if record.place != Place::Blocks {
        debug_assert!(record.extra == NONE);
        record.place = Place::Blocks;
        record.extra = nodes.files.insert(FileData::default());
    }
    &mut nodes.files[record.extra]
}
