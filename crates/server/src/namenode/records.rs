//! Nodes as fixed records of 128 bytes, in chunks that never move.

use super::answers::Changes;
use super::command::{Kind, NodeId};
use super::slab::NONE;
use super::state::{Input, Malformed, State, choices, fields};

/// Bytes of a record that hold its name, and after it a small value.
pub(super) const TAIL_BYTES: usize = 80;
/// 128 KiB a chunk: growing costs the same at any size.
const CHUNK: usize = 1024;

/// A node. What a lookup of a name of up to 16 bytes reads is in the first cache line.
#[derive(Clone, Copy, Debug, Hash)]
#[repr(C, align(64))]
pub(super) struct Record {
    /// Index of the container. Of a free record: the next free one.
    pub(super) parent: u32,
    pub(super) generation: u32,
    /// Number in `Nodes::containers`, `files` or `values`, or [`NONE`].
    pub(super) extra: u32,
    pub(super) kind: Option<Kind>,
    pub(super) name_len: u8,
    pub(super) storage_class: u8,
    pub(super) place: Place,
    /// Bytes published, or entries.
    pub(super) size: u64,
    pub(super) modified_ns: u64,
    pub(super) created_ns: u64,
    /// Location class of what may hold blocks by itself; of a key's value its version.
    pub(super) location_or_version: u64,
    /// The name, or the number of a long one in `Nodes::long_names`; then the value if it is [`Place::Tail`].
    pub(super) tail: [u8; TAIL_BYTES],
}

/// Where the bytes of a file or value are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    /// There are none, or it is a container; `extra` is the container's.
    Nowhere,
    /// After the name, in the record.
    Tail,
    /// In the namenode; `extra` is the value's.
    Heap,
    /// In blocks, now or soon; `extra` is the file's.
    Blocks,
    /// It is a multifile that gets no more parts; `extra` is the container's.
    Sealed,
    /// It is an entry whose container another partition has.
    Elsewhere,
    /// It is a table, or a shard of one, whose keys are at all partitions; `extra` is the container's.
    Spread,
}

choices!(Place {
    Nowhere,
    Tail,
    Heap,
    Blocks,
    Sealed,
    Elsewhere,
    Spread
});
fields!(Record {
    parent,
    generation,
    extra,
    kind,
    name_len,
    storage_class,
    place,
    size,
    modified_ns,
    created_ns,
    location_or_version,
    tail,
});

impl Record {
    const FREE: Self = Self {
        parent: NONE,
        generation: 0,
        extra: NONE,
        kind: None,
        name_len: 0,
        storage_class: 0,
        place: Place::Nowhere,
        size: 0,
        modified_ns: 0,
        created_ns: 0,
        location_or_version: 0,
        tail: [0; TAIL_BYTES],
    };

    #[inline]
    pub(super) fn kind(&self) -> Kind {
        self.kind.expect("a record in use has a kind")
    }

    /// Bytes of the tail that the name takes.
    #[inline]
    pub(super) fn name_room(&self) -> usize {
        let len = usize::from(self.name_len);
        if len <= TAIL_BYTES { len } else { size_of::<u32>() }
    }

    /// The name and, right behind it, the value, if both are in the record.
    #[inline]
    pub(super) fn named_value(&self) -> Option<&[u8]> {
        let name_len = usize::from(self.name_len);
        let is_here = self.place == Place::Tail && name_len <= TAIL_BYTES;
        is_here.then(|| &self.tail[..name_len + self.size as usize])
    }

    #[inline]
    pub(super) fn long_name(&self) -> u32 {
        let [a, b, c, d, ..] = self.tail;
        u32::from_le_bytes([a, b, c, d])
    }
}

/// All records. An index is used again after its record was freed, with a higher generation.
pub(super) struct Records {
    /// Told of each record that is touched.
    pub(super) changes: Changes,
    chunks: Vec<Box<[Record; CHUNK]>>,
    free_head: u32,
    /// Records ever used: those from here on are fresh.
    fresh: u32,
    len: u32,
    /// No record gets a generation below this.
    floor: u32,
}

impl Records {
    pub(super) fn new() -> Self {
        Self {
            changes: Changes::default(),
            chunks: Vec::new(),
            free_head: NONE,
            fresh: 0,
            len: 0,
            floor: 0,
        }
    }

    /// Records in use.
    pub(super) fn len(&self) -> u32 {
        self.len
    }

    /// Makes a record of this kind; the caller fills in the rest.
    pub(super) fn insert(&mut self, kind: Kind) -> u32 {
        let index = self.take_free();
        self.len += 1;
        let floor = self.floor;
        let record = self.at_mut(index);
        *record = Record {
            kind: Some(kind),
            generation: record.generation.max(floor),
            ..Record::FREE
        };
        index
    }

    /// The generation after this one.
    pub(super) fn generation_after(&self, generation: u32) -> u32 {
        (generation + 1).max(self.floor)
    }

    /// Ids of nodes go on this much above those before, as far as there are such.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        let highest = (0..self.fresh).map(|index| self.at(index).generation).max();
        let highest = highest.unwrap_or(0).max(self.floor);
        self.floor = highest.saturating_add(gap).min(u32::MAX - 1);
    }

    fn take_free(&mut self) -> u32 {
        if self.free_head != NONE {
            let index = self.free_head;
            self.free_head = self.at(index).parent;
            return index;
        }
        let index = self.fresh;
        assert!(index < NONE - 1, "the limit on nodes is below 2^32");
        if index as usize == self.chunks.len() * CHUNK {
            self.chunks.push(new_chunk());
        }
        self.fresh += 1;
        index
    }

    /// Frees a record. One whose generations are used up stays free for ever, so that no id comes twice.
    pub(super) fn remove(&mut self, index: u32) {
        let next_free = self.free_head;
        self.len -= 1;
        let record = self.at_mut(index);
        let generation = record.generation;
        *record = Record {
            generation,
            ..Record::FREE
        };
        if generation < u32::MAX {
            record.generation = generation + 1;
            record.parent = next_free;
            self.free_head = index;
        }
    }

    #[inline]
    pub(super) fn at(&self, index: u32) -> &Record {
        &self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    #[inline]
    pub(super) fn at_mut(&mut self, index: u32) -> &mut Record {
        self.changes.of_node(index);
        &mut self.chunks[index as usize / CHUNK][index as usize % CHUNK]
    }

    /// The index of a node if it still exists.
    #[inline]
    pub(super) fn find(&self, id: NodeId) -> Option<u32> {
        let index = id.index();
        if index >= self.fresh {
            return None;
        }
        let record = self.at(index);
        (record.generation == id.generation() && record.kind.is_some()).then_some(index)
    }

    /// Records in use, by index.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Record)> {
        let places = self.places_from(0);
        places.filter(|(_, record)| record.kind.is_some())
    }

    /// All places for records that were ever used, from this one on; some have none now.
    pub(super) fn places_from(&self, first: u32) -> impl Iterator<Item = (u32, &Record)> {
        (first..self.fresh).map(|index| (index, self.at(index)))
    }
}

/// All that were ever used, also the free ones: their generations count, and their order is that in which they are used again.
impl State for Records {
    fn save(&self, out: &mut Vec<u8>) {
        (self.free_head, self.len).save(out);
        (self.fresh, self.floor).save(out);
        (0..self.fresh).for_each(|index| self.at(index).save(out));
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let (free_head, len) = State::load(input)?;
        let (fresh, floor) = State::load(input)?;
        let mut records = Self {
            free_head,
            len,
            floor,
            ..Self::new()
        };
        for index in 0..fresh {
            let record = Record::load(input)?;
            if index as usize == records.chunks.len() * CHUNK {
                records.chunks.push(new_chunk());
            }
            *records.at_mut(index) = record;
        }
        records.fresh = fresh;
        Ok(records)
    }
}

fn new_chunk() -> Box<[Record; CHUNK]> {
    vec![Record::FREE; CHUNK]
        .into_boxed_slice()
        .try_into()
        .expect("the length is CHUNK")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_two_cache_lines() {
        assert_eq!(size_of::<Record>(), 128);
        assert_eq!(std::mem::offset_of!(Record, tail), 48);
    }

    #[test]
    fn an_id_never_comes_twice() {
        let mut records = Records::new();
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..5 {
            let indexes: Vec<u32> = (0..2000).map(|_| records.insert(Kind::File)).collect();
            for &index in &indexes {
                assert!(
                    seen.insert(NodeId::new(index, records.at(index).generation)),
                    "round {round}"
                );
            }
            for &index in &indexes {
                records.remove(index);
            }
        }
        assert_eq!(records.len(), 0);
        assert!(seen.iter().all(|&id| records.find(id).is_none()));
    }

    #[test]
    fn a_record_whose_generations_are_used_up_retires() {
        let mut records = Records::new();
        let index = records.insert(Kind::File);
        records.at_mut(index).generation = u32::MAX;
        records.remove(index);
        assert_eq!(records.find(NodeId::new(index, u32::MAX)), None);
        assert_ne!(records.insert(Kind::File), index);
    }
}
