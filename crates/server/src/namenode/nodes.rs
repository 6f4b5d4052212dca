//! All nodes: their records, and what does not fit there.

use std::ops::Range;

use crake_store::protocol::words::is_same;
use smallvec::SmallVec;

use super::blocks::Extent;
use super::children::Children;
use super::command::{Attributes, Block, Kind, NodeId, Value};
use super::expiry::Deadlines;
use super::records::{Place, Record, Records, TAIL_BYTES};
use super::slab::{NONE, Slab};
use super::state::fields;

/// What a container needs beyond its record, from its first entry on.
#[derive(Debug, Default, Hash)]
pub(super) struct Container {
    /// Index of each entry's record, in the order of names.
    pub(super) children: Children,
    /// Of a table: the highest version given, so that a key that was removed and put again has a new one.
    pub(super) version: u64,
}

/// What a file or value needs beyond its record while it has blocks or a writer.
#[derive(Debug, Hash)]
pub(super) struct FileData {
    /// In order, without gaps.
    pub(super) extents: SmallVec<[Extent; 1]>,
    /// Number of the hold of its writer, or [`NONE`].
    pub(super) writer: u32,
}

impl Default for FileData {
    fn default() -> Self {
        Self {
            extents: SmallVec::new(),
            writer: NONE,
        }
    }
}

impl FileData {
    /// Bytes in its blocks.
    pub(super) fn capacity(&self) -> u64 {
        self.extents
            .last()
            .map_or(0, |last| last.offset + u64::from(last.length))
    }
}

/// Some of the blocks of a reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct BlockSpan {
    pub(super) start: u32,
    pub(super) end: u32,
}

impl BlockSpan {
    pub(super) fn of(self, blocks: &[Block]) -> &[Block] {
        &blocks[Range {
            start: self.start as usize,
            end: self.end as usize,
        }]
    }
}

/// All nodes.
pub(super) struct Nodes {
    pub(super) records: Records,
    pub(super) containers: Slab<Container>,
    pub(super) files: Slab<FileData>,
    pub(super) values: Slab<Box<[u8]>>,
    pub(super) long_names: Slab<Box<[u8]>>,
    pub(super) deadlines: Deadlines,
    /// Versions of keys are above this.
    pub(super) version_floor: u64,
}

fields!(Container { children, version });
fields!(FileData { extents, writer });
fields!(Nodes {
    records,
    containers,
    files,
    values,
    long_names,
    deadlines,
    version_floor
});

impl Nodes {
    pub(super) fn new() -> Self {
        Self {
            records: Records::new(),
            containers: Slab::default(),
            files: Slab::default(),
            values: Slab::default(),
            long_names: Slab::default(),
            deadlines: Deadlines::default(),
            version_floor: 0,
        }
    }

    /// Ids of nodes and versions of keys go on this much above those before.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.records.leave_gap(gap);
        let versions = self.containers.iter().map(|(_, container)| container.version);
        let highest = versions.fold(self.version_floor, u64::max);
        self.version_floor = highest + u64::from(gap);
    }

    pub(super) fn id(&self, index: u32) -> NodeId {
        NodeId::new(index, self.records.at(index).generation)
    }

    pub(super) fn name(&self, index: u32) -> &[u8] {
        name_of(self.records.at(index), &self.long_names)
    }

    /// The name of a record, if it is where the record says: in what was read of a file it may not be.
    pub(super) fn find_name<'a>(&'a self, record: &'a Record) -> Option<&'a [u8]> {
        let is_there =
            usize::from(record.name_len) <= TAIL_BYTES || self.long_names.get(record.long_name()).is_some();
        is_there.then(|| name_of(record, &self.long_names))
    }

    /// Whether the record at `index` is the entry `name` of `parent`.
    #[inline]
    pub(super) fn is_entry(&self, index: u32, parent: u32, name: &[u8]) -> bool {
        let record = self.records.at(index);
        record.parent == parent
            && usize::from(record.name_len) == name.len()
            && is_same(name_of(record, &self.long_names), name)
    }

    /// Gives a record without a value its (other) name.
    pub(super) fn set_name(&mut self, index: u32, name: &[u8]) {
        self.drop_long_name(index);
        let number = (name.len() > TAIL_BYTES).then(|| self.long_names.insert(name.into()));
        let record = self.records.at_mut(index);
        record.name_len = name.len() as u8;
        match number {
            Some(number) => record.tail[..4].copy_from_slice(&number.to_le_bytes()),
            None => record.tail[..name.len()].copy_from_slice(name),
        }
    }

    fn drop_long_name(&mut self, index: u32) {
        let record = self.records.at_mut(index);
        if usize::from(record.name_len) > TAIL_BYTES {
            let number = record.long_name();
            record.name_len = 0;
            self.long_names.remove(number);
        }
    }

    /// Frees a record and its name. What else it had must be gone.
    pub(super) fn remove(&mut self, index: u32) {
        debug_assert_eq!(self.records.at(index).extra, NONE);
        self.drop_long_name(index);
        self.deadlines.set(index, None);
        self.records.remove(index);
    }

    // Always, like `value`: lookups and gets put together where they send from what these find.
    #[inline(always)]
    pub(super) fn attributes(&self, index: u32) -> Attributes {
        let record = self.records.at(index);
        let file = self.file(index);
        let is_value = record.kind == Some(Kind::KeyValue);
        Attributes {
            id: NodeId::new(index, record.generation),
            kind: record.kind(),
            size: record.size,
            modified_ns: record.modified_ns,
            created_ns: record.created_ns,
            version: if is_value { record.location_or_version } else { 0 },
            storage_class: u32::from(record.storage_class),
            location_class: if is_value { 0 } else { record.location_or_version },
            replicas: 1,
            open: match record.kind {
                Some(Kind::Multifile) => record.place != Place::Sealed,
                _ => file.is_some_and(|file| file.writer != NONE),
            },
            capacity: file.map_or(0, FileData::capacity),
            expires_ns: self.deadlines.wall_ns(index),
        }
    }

    /// The file data of a record that has some.
    #[inline]
    pub(super) fn file(&self, index: u32) -> Option<&FileData> {
        let record = self.records.at(index);
        (record.place == Place::Blocks).then(|| &self.files[record.extra])
    }

    /// The value of a record that is kept here; empty if it is not.
    #[inline]
    pub(super) fn inline_value(&self, index: u32) -> &[u8] {
        let record = self.records.at(index);
        match record.place {
            Place::Tail => &record.tail[record.name_room()..][..record.size as usize],
            Place::Heap => &self.values[record.extra],
            Place::Nowhere | Place::Blocks | Place::Sealed | Place::Elsewhere | Place::Spread => &[],
        }
    }

    #[inline(always)]
    pub(super) fn value<'a>(&'a self, index: u32, blocks: &'a [Block]) -> Value<'a> {
        let record = self.records.at(index);
        Value {
            found: true,
            version: record.location_or_version,
            size: record.size,
            inline_value: self.inline_value(index),
            blocks,
            modified_ns: record.modified_ns,
            node: NodeId::new(index, record.generation),
            expires_ns: self.deadlines.wall_ns(index),
        }
    }
}

/// The name of a record.
#[inline]
pub(super) fn name_of<'a>(record: &'a Record, long_names: &'a Slab<Box<[u8]>>) -> &'a [u8] {
    let len = usize::from(record.name_len);
    if len <= TAIL_BYTES {
        &record.tail[..len]
    } else {
        &long_names[record.long_name()]
    }
}
