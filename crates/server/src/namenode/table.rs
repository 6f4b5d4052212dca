//! Tables: put, get and remove of keys.

use super::blocks::SLOT_BYTES;
use super::command::{
    BLOCKS_MAX, Condition, Failure, Happened, KEYS_MAX, Kind, NodeId, PageItem, PendingId, Put, PutItem,
    Reply, SessionId, Values,
};
use super::file::file_data_mut;
use super::names::{Name, check_key};
use super::namespace::Namespace;
use super::quota::{Amount, block_bytes, put_amount};
use super::records::{Place, TAIL_BYTES};
use super::sessions::{Held, PendingPut};

/// What a value takes on the wire beside its bytes, at most: place in a list (8), bitmap and slots (72), padding (8).
pub(super) const VALUE_BYTES: usize = 88;
/// A block: place in a list (8), bitmap and slots (40), handle (48), padding (8).
pub(super) const BLOCK_BYTES: usize = 104;
/// Blocks that come with each value of a page; the rest is asked for by its node.
const PAGE_VALUE_BLOCKS: usize = 4;
/// Bytes of a large value at most: its blocks come in one reply.
pub(super) const VALUE_BYTES_MAX: u64 = BLOCKS_MAX as u64 * SLOT_BYTES;

impl Namespace {
    pub(super) fn table(&self, base: NodeId, path: &str) -> Result<u32, Failure> {
        let index = self.resolve(base, path)?;
        (self.kind(index) == Kind::Table)
            .then_some(index)
            .ok_or(Failure::WrongKind)
    }

    /// The key's node, if its version is what the condition says.
    fn check_condition(&self, table: u32, key: &[u8], condition: Condition) -> Result<Option<u32>, Failure> {
        let node = self.child(table, key);
        self.check_absent(table, key, node)?;
        let version = node.map_or(0, |index| self.nodes.records.at(index).location_or_version);
        match condition {
            Condition::IfAbsent if version != 0 => Err(Failure::AlreadyExists),
            Condition::IfVersion(expected) if version != expected => Err(Failure::VersionMismatch),
            _ => Ok(node),
        }
    }

    pub(super) fn put(&mut self, session: SessionId, request: &Put<'_>) -> Result<Reply<'_>, Failure> {
        let table = self.table(request.table, request.path)?;
        check_key(request.key)?;
        if request.large {
            return self.put_large(session, table, request);
        }
        let item = PutItem {
            key: request.key,
            value: request.value,
            condition: request.condition,
            ttl_ns: request.ttl_ns,
        };
        Ok(Reply::Put {
            version: self.put_inline(table, &item)?,
            pending: PendingId(0),
            blocks: &[],
        })
    }

    /// Refuses a value of so many bytes in the place of one, or of none, if the table's job may not have it.
    pub(super) fn check_value_quota(
        &mut self,
        table: u32,
        node: Option<u32>,
        bytes: u64,
    ) -> Result<(), Failure> {
        let job = self.job_of(table);
        if job.is_none() {
            return Ok(());
        }
        let less = node.map_or(Amount::default(), |index| self.amount_of(index));
        self.check_quota(job, less, Amount { bytes, nodes: 1 })
    }

    /// Gives a key that may be one a small value.
    fn put_inline(&mut self, table: u32, item: &PutItem<'_>) -> Result<u64, Failure> {
        if item.value.len() > self.config.inline_value_max as usize {
            return Err(Failure::TooLong);
        }
        let node = self.check_condition(table, item.key, item.condition)?;
        if node.is_none() {
            self.reserve_nodes(1)?;
        }
        self.check_value_quota(table, node, item.value.len() as u64)?;
        let (index, version) = self.node_for_value(table, item.key, node);
        self.set_inline_value(index, item.value);
        self.live_for(index, item.ttl_ns);
        self.tell(Happened::Put, index);
        Ok(version)
    }

    /// Each item as a put of its own: one that is refused has changed nothing, and those behind it are put all the same.
    pub(super) fn multi_put(
        &mut self,
        base: NodeId,
        path: &str,
        items: &[PutItem<'_>],
    ) -> Result<Reply<'_>, Failure> {
        let table = self.table(base, path)?;
        if items.len() > KEYS_MAX {
            return Err(Failure::TooLong);
        }
        self.outcomes.clear();
        for item in items {
            let outcome = check_key(item.key).and_then(|()| self.put_inline(table, item));
            self.outcomes.push(outcome);
        }
        Ok(Reply::Outcomes(&self.outcomes))
    }

    /// The node that a new value of a key goes to, with its version and no bytes.
    pub(super) fn node_for_value(&mut self, table: u32, key: &[u8], node: Option<u32>) -> (u32, u64) {
        let index = match node {
            // Who has handles of these blocks must not take the new value's for more of them.
            Some(index) if self.nodes.records.at(index).place == Place::Blocks => {
                let created_ns = self.nodes.records.at(index).created_ns;
                let index = self.supersede(index);
                self.nodes.records.at_mut(index).created_ns = created_ns;
                index
            }
            Some(index) => index,
            None => self.make(table, key, Kind::KeyValue),
        };
        let floor = self.nodes.version_floor;
        let container = self.nodes.container_mut(table);
        container.version = container.version.max(floor) + 1;
        let (version, wall_ns) = (container.version, self.now.wall_ns);
        let record = self.nodes.records.at_mut(index);
        record.location_or_version = version;
        record.modified_ns = wall_ns;
        (index, version)
    }

    /// Stores a value behind the key if there is room, else by itself.
    pub(super) fn set_inline_value(&mut self, index: u32, value: &[u8]) {
        let record = self.nodes.records.at(index);
        let (place, extra) = (record.place, record.extra);
        if place == Place::Heap && self.nodes.values[extra].len() == value.len() {
            self.nodes.values[extra].copy_from_slice(value);
            return;
        }
        self.empty(index);
        let room = TAIL_BYTES - self.nodes.records.at(index).name_room();
        let heap = (value.len() > room).then(|| self.nodes.values.insert(value.into()));
        self.charge(self.job_of(index), Amount::bytes(value.len() as u64));
        let record = self.nodes.records.at_mut(index);
        record.size = value.len() as u64;
        if let Some(number) = heap {
            record.place = Place::Heap;
            record.extra = number;
        } else {
            record.place = Place::Tail;
            let start = record.name_room();
            record.tail[start..start + value.len()].copy_from_slice(value);
        }
    }

    /// Takes everything that the commit will need: blocks, a hold, a node.
    fn put_large(&mut self, session: SessionId, table: u32, request: &Put<'_>) -> Result<Reply<'_>, Failure> {
        self.key_node(table, request.key)?;
        self.reserve_nodes(1)?;
        self.sessions.reserve(session)?;
        self.taken.clear();
        self.blocks.clear();
        let job = self.job_of(table);
        let least = Amount {
            bytes: request.size,
            nodes: 1,
        };
        self.check_quota(job, Amount::default(), least)?;
        if request.size > 0 {
            self.take_value_blocks(table, request.size)?;
        }
        let put = PendingPut {
            table: self.nodes.id(table),
            key: Name::new(request.key),
            condition: request.condition,
            size: request.size,
            job: self.charge_put(job, block_bytes(&self.taken)),
            ttl_ns: request.ttl_ns,
            extents: self.taken.drain(..).collect(),
        };
        let charged = put.job;
        let pending = self
            .sessions
            .hold(session, self.now.mono_ns, Held::Put(Box::new(put)));
        self.note_put(charged, pending);
        Ok(Reply::Put {
            version: 0,
            pending: PendingId(pending),
            blocks: &self.blocks,
        })
    }

    fn take_value_blocks(&mut self, table: u32, size: u64) -> Result<(), Failure> {
        if size > VALUE_BYTES_MAX {
            return Err(Failure::TooLong);
        }
        let record = self.nodes.records.at(table);
        let class = (u32::from(record.storage_class), record.location_or_version);
        let room = self.room(self.job_of(table), 0);
        self.jobs.refused = None;
        if self.take_blocks(class, 0, size, room)? >= size {
            return Ok(());
        }
        self.untake_blocks();
        match self.jobs.refused {
            Some(_) => Err(Failure::QuotaExceeded),
            None => Err(Failure::NoSpace),
        }
    }

    pub(super) fn put_commit(
        &mut self,
        session: SessionId,
        pending: PendingId,
        abort: bool,
    ) -> Result<Reply<'_>, Failure> {
        let Some(Held::Put(put)) = self.sessions.held(pending.0, session) else {
            return Err(self.jobs.why_lost(pending.0, Failure::LeaseLost));
        };
        if abort {
            let held = self.sessions.release(pending.0);
            self.give_up(held);
            return Ok(Reply::Put {
                version: 0,
                pending: PendingId(0),
                blocks: &[],
            });
        }
        let table = self.live_table(put)?;
        let node = self.check_condition(table, put.key.as_bytes(), put.condition)?;
        let (less, more) = (
            node.map_or(Amount::default(), |index| self.amount_of(index)),
            put_amount(put),
        );
        let job = self.job_of(table);
        if put.job.map(|(job, _)| job) != job.map(|number| self.jobs.all[number].id) {
            self.check_quota(job, less, more)?;
        }
        let Held::Put(put) = self.sessions.release(pending.0) else {
            unreachable!("it was a put above")
        };
        self.give_back_put(&put);
        let (index, version) = self.node_for_value(table, put.key.as_bytes(), node);
        self.empty(index);
        self.charge(job, Amount::bytes(more.bytes));
        self.nodes.records.at_mut(index).size = put.size;
        file_data_mut(&mut self.nodes, index).extents = put.extents.into();
        self.live_for(index, put.ttl_ns);
        self.tell(Happened::Put, index);
        Ok(Reply::Put {
            version,
            pending: PendingId(0),
            blocks: &[],
        })
    }

    /// The table of a value on its way.
    fn live_table(&self, put: &PendingPut) -> Result<u32, Failure> {
        let table = self.nodes.records.find(put.table).ok_or(Failure::NotFound)?;
        match self.why_gone(table) {
            Some(failure) => Err(failure),
            None => Ok(table),
        }
    }

    pub(super) fn get(&mut self, base: NodeId, path: &str, key: &[u8]) -> Result<Reply<'_>, Failure> {
        let node = self.find_key(base, path, key)?;
        Ok(Reply::Value(self.value(node)))
    }

    pub(super) fn find_key(&self, base: NodeId, path: &str, key: &[u8]) -> Result<Option<u32>, Failure> {
        let table = self.table(base, path)?;
        check_key(key)?;
        self.key_node(table, key)
    }

    pub(super) fn multi_get(
        &mut self,
        base: NodeId,
        path: &str,
        keys: &[&[u8]],
    ) -> Result<Reply<'_>, Failure> {
        let table = self.table(base, path)?;
        if keys.len() > KEYS_MAX {
            return Err(Failure::TooLong);
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        self.page.clear();
        self.blocks.clear();
        let mut room = self.config.page_bytes_max as usize;
        for key in keys {
            let record = self.key_node(table, key)?;
            let item = self.page_item(record, true);
            let bytes = self.value_bytes(&item);
            if bytes > room {
                break;
            }
            room -= bytes;
            self.page.push(item);
        }
        Ok(Reply::Values(Values {
            nodes: &self.nodes,
            blocks: &self.blocks,
            page: self.page.iter(),
        }))
    }

    pub(super) fn page_item(&mut self, record: Option<u32>, with_value: bool) -> PageItem {
        let blocks = match record {
            Some(index) if with_value => self.collect_blocks(index, 0, PAGE_VALUE_BLOCKS),
            _ => Default::default(),
        };
        PageItem { record, blocks }
    }

    /// What a value takes on the wire at most.
    pub(super) fn value_bytes(&self, item: &PageItem) -> usize {
        let inline = item
            .record
            .map_or(0, |index| self.nodes.inline_value(index).len());
        VALUE_BYTES + inline + (item.blocks.end - item.blocks.start) as usize * BLOCK_BYTES
    }

    pub(super) fn remove_key(
        &mut self,
        base: NodeId,
        path: &str,
        key: &[u8],
        condition: Condition,
    ) -> Result<Reply<'_>, Failure> {
        let table = self.table(base, path)?;
        check_key(key)?;
        let node = self.check_condition(table, key, condition)?;
        if let Some(index) = node {
            self.tell(Happened::Deleted, index);
            self.unlink(index);
            self.free_tree(index);
        }
        Ok(Reply::Removed {
            removed: node.is_some(),
        })
    }
}
