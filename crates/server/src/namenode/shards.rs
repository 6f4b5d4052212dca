//! Tables whose keys are spread over all partitions by their hash: docs/partitions.md.
//!
//! The home of the table has its name and one shard, which is the table itself. Each other partition has a shard that is in no
//! container, and hangs on the table. Which node is the shard at which partition never changes in the life of a table.

use std::collections::BTreeMap;

use crake_store::protocol::shards::shard_of;
use crake_store::protocol::{Referral, Which};

use super::command::{Create, Failure, Kind, NodeId, Reply};
use super::errands::Errand;
use super::namespace::{Namespace, ROOT, Target};
use super::records::Place;
use super::removal::Owner;
use super::state::{Input, Malformed, State, fields};

/// A table that has not got all its shards in this time is given up: a partition is away.
const MAKING_NS: u64 = 2_000_000_000;

/// The id of a shard that is not known yet: that of the root, which is no table.
const UNKNOWN: NodeId = NodeId::ROOT;

/// Whether a shard of a table is there already.
pub(super) fn is_known(shard: NodeId) -> bool {
    shard != UNKNOWN
}

/// What is spread, by the records here.
#[derive(Debug, Default, Hash)]
pub(super) struct Shards {
    /// Tables whose home is here.
    tables: BTreeMap<u32, Spread>,
    /// Shards of tables whose home is another partition.
    shards: BTreeMap<u32, Origin>,
    /// The records of those.
    by_origin: BTreeMap<Origin, u32>,
}

/// Where the keys of a table are.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Spread {
    /// The shard at each partition.
    shards: Vec<NodeId>,
    /// How long the table is to live from when all are there; 0 is without end.
    ttl_ns: u64,
}

/// The table that a shard is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Origin {
    /// The partition of the table.
    pub(super) home: u16,
    /// Its id there.
    pub(super) table: NodeId,
}

fields!(Spread { shards, ttl_ns });
fields!(Origin { home, table });

impl State for Shards {
    fn save(&self, out: &mut Vec<u8>) {
        self.tables.save(out);
        self.shards.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let tables = State::load(input)?;
        let shards = BTreeMap::<u32, Origin>::load(input)?;
        let by_origin = shards.iter().map(|(&index, &origin)| (origin, index)).collect();
        Ok(Self {
            tables,
            shards,
            by_origin,
        })
    }
}

impl Spread {
    /// Whether all shards are there.
    fn is_whole(&self) -> bool {
        !self.shards.contains(&UNKNOWN)
    }
}

impl Shards {
    /// Whether a record is a shard of another partition's table.
    #[inline]
    pub(super) fn is_shard(&self, index: u32) -> bool {
        !self.shards.is_empty() && self.shards.contains_key(&index)
    }

    /// Shards of other partitions' tables.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// The records of tables whose home is here, and their shards.
    pub(super) fn all_tables(&self) -> impl Iterator<Item = (u32, &[NodeId])> {
        self.tables_from(0)
    }

    /// Those from this one on, in order.
    pub(super) fn tables_from(&self, first: u32) -> impl Iterator<Item = (u32, &[NodeId])> {
        let tables = self.tables.range(first..);
        tables.map(|(&index, spread)| (index, &spread.shards[..]))
    }

    /// The records of shards of other partitions' tables.
    pub(super) fn all_shards(&self) -> impl Iterator<Item = (u32, Origin)> {
        self.shards_from(0)
    }

    /// Those from this one on, in order.
    pub(super) fn shards_from(&self, first: u32) -> impl Iterator<Item = (u32, Origin)> {
        self.shards
            .range(first..)
            .map(|(&index, &origin)| (index, origin))
    }

    /// The shard at each partition of a table whose home is here; none of any other node.
    ///
    /// # Errors
    /// [`Failure::Busy`] while some are still to be made.
    pub(super) fn of_table(&self, index: u32) -> Result<&[NodeId], Failure> {
        match self.tables.get(&index) {
            None => Ok(&[]),
            Some(spread) if spread.is_whole() => Ok(&spread.shards),
            Some(_) => Err(Failure::Busy),
        }
    }
}

impl Namespace {
    /// Whether a new node has its keys at all partitions: a table that counts towards no job's quota.
    pub(super) fn is_to_spread(&self, kind: Kind, target: &Target<'_>) -> bool {
        !self.is_alone() && kind == Kind::Table && !self.is_job_tree(target)
    }

    /// Refuses if a partition has too much to do already to make a shard, too.
    pub(super) fn reserve_shards(&self) -> Result<(), Failure> {
        self.config.others().try_for_each(|to| self.errands.reserve(to))
    }

    /// Has the shards of a new table made. Until all are there it is there only for a while.
    pub(super) fn spread(&mut self, index: u32, request: &Create<'_>) {
        let table = self.nodes.id(index);
        let mut shards = vec![UNKNOWN; usize::from(self.config.partitions)];
        shards[usize::from(self.config.partition)] = table;
        let spread = Spread {
            shards,
            ttl_ns: request.ttl_ns,
        };
        self.shards.tables.insert(index, spread);
        self.nodes.records.at_mut(index).place = Place::Spread;
        for to in self.config.others() {
            let errand = Errand::Shard {
                table,
                storage_class: request.storage_class,
                location_class: request.location_class,
            };
            self.errands.send(to, errand);
        }
    }

    /// From when on a new node lives how long.
    #[inline]
    pub(super) fn begin_life(&mut self, index: u32, ttl_ns: u64) {
        match self.nodes.records.at(index).place {
            Place::Spread => self.live_for(index, MAKING_NS),
            _ => self.live_for(index, ttl_ns),
        }
    }

    /// What came of a shard that another partition was to make; without a node, it was refused.
    pub(super) fn shard_made(&mut self, table: NodeId, partition: u16, shard: Option<NodeId>) {
        let Some(index) = self.nodes.records.find(table) else {
            return;
        };
        let Some(spread) = self.shards.tables.get_mut(&index) else {
            return;
        };
        // What is due has been told to be gone.
        if self.nodes.deadlines.is_due(index) {
            return;
        }
        match shard {
            Some(shard) if shard != UNKNOWN => {
                spread.shards[usize::from(partition)] = shard;
                if spread.is_whole() {
                    let ttl_ns = spread.ttl_ns;
                    self.live_for(index, ttl_ns);
                }
            }
            _ => self.expire_node(index),
        }
    }

    /// Whether a table has got all that it is to have, and is there.
    pub(super) fn is_made(&self, table: NodeId) -> bool {
        self.find_node(table)
            .is_some_and(|index| self.shards.of_table(index).is_ok())
    }

    /// Whether a table is given up, or removed, so that nothing will come of it any more.
    pub(super) fn is_given_up(&self, table: NodeId) -> bool {
        self.find_node(table).is_none()
    }

    /// Refuses to do with a table what there is no telling it yet how.
    pub(super) fn check_made(&self, index: u32) -> Result<(), Failure> {
        match self.nodes.records.at(index).place {
            Place::Spread => self.shards.of_table(index).map(drop),
            _ => Ok(()),
        }
    }

    /// Makes a shard of another partition's table. A second time, nothing.
    pub(super) fn add_shard(
        &mut self,
        origin: Origin,
        (storage_class, location_class): (u32, u64),
    ) -> Result<(), Failure> {
        if self.shards.by_origin.contains_key(&origin) {
            return Ok(());
        }
        let storage_class = u8::try_from(storage_class).map_err(|_| Failure::TooLong)?;
        self.reserve_nodes(1)?;
        let index = self.nodes.records.insert(Kind::Table);
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        record.created_ns = wall_ns;
        record.modified_ns = wall_ns;
        // Who looks upwards ends at the root, as everywhere.
        record.parent = ROOT;
        record.place = Place::Spread;
        record.storage_class = storage_class;
        record.location_or_version = location_class;
        self.shards.shards.insert(index, origin);
        self.shards.by_origin.insert(origin, index);
        Ok(())
    }

    /// The shard here of another partition's table.
    pub(super) fn find_shard(&self, origin: Origin) -> Option<NodeId> {
        let index = self.shards.by_origin.get(&origin)?;
        Some(self.nodes.id(*index))
    }

    /// What is answered to who has asked for a shard; if it is gone already, that it is there no more.
    pub(super) fn made_shard(&self, home: u16, table: NodeId) -> Result<Reply<'static>, Failure> {
        let node = self.find_shard(Origin { home, table });
        node.map(|node| Reply::Made { node }).ok_or(Failure::NotFound)
    }

    /// The table of a shard is gone: nobody finds a key in it from now on. A second time, nothing.
    pub(super) fn drop_shard(&mut self, origin: Origin) {
        if let Some(&index) = self.shards.by_origin.get(&origin) {
            self.remove_shard(index);
        }
    }

    /// The same of a shard that is there.
    pub(super) fn remove_shard(&mut self, index: u32) {
        self.forget_ways();
        self.doom(index, Owner::Nobody);
    }

    /// A table, or shard, is about to be no more: what it has at other partitions goes, too.
    #[cold]
    pub(super) fn release_shards(&mut self, index: u32) {
        self.nodes.records.at_mut(index).place = Place::Nowhere;
        if let Some(origin) = self.shards.shards.remove(&index) {
            self.shards.by_origin.remove(&origin);
        }
        if self.shards.tables.remove(&index).is_some() {
            let table = self.nodes.id(index);
            for to in self.config.others() {
                self.errands.send(to, Errand::DropShard { table });
            }
        }
    }

    /// Another life of a partition has begun. Its tables are gone, and so are those that have lost their shard there.
    pub(super) fn lose_shards(&mut self, partition: u16) {
        let shards = &self.shards.by_origin;
        let lost = shards.keys().filter(|origin| origin.home == partition);
        let lost: Vec<Origin> = lost.copied().collect();
        lost.into_iter().for_each(|origin| self.drop_shard(origin));
        let tables: Vec<u32> = self.shards.tables.keys().copied().collect();
        tables.into_iter().for_each(|table| self.expire_node(table));
    }

    /// The node of a key, if there is one; refused if it would be elsewhere.
    #[inline]
    pub(super) fn key_node(&self, table: u32, key: &[u8]) -> Result<Option<u32>, Failure> {
        let node = self.child(table, key);
        self.check_absent(table, key, node)?;
        Ok(node)
    }

    /// Refuses a key that has no node here if it would have it elsewhere.
    #[inline(always)]
    pub(super) fn check_absent(&self, table: u32, key: &[u8], node: Option<u32>) -> Result<(), Failure> {
        match node {
            None if self.is_spread(table) => self.check_shard(table, key),
            _ => Ok(()),
        }
    }

    /// Whether the keys of a table are at several partitions.
    #[inline]
    pub(super) fn is_spread(&self, table: u32) -> bool {
        self.nodes.records.at(table).place == Place::Spread
    }

    /// Refuses a key that another shard has.
    #[cold]
    fn check_shard(&self, index: u32, key: &[u8]) -> Result<(), Failure> {
        let partition = shard_of(key, self.config.partitions);
        if partition == self.config.partition {
            return Ok(());
        }
        Err(match self.shards.of_table(index)?.get(usize::from(partition)) {
            Some(&shard) => self.refer_to_shard(partition, shard),
            None => self.refer_to_table(index),
        })
    }

    /// Refuses to do with a shard what is done with its table.
    pub(super) fn check_no_shard(&self, index: u32) -> Result<(), Failure> {
        match self.shards.is_shard(index) {
            true => Err(self.refer_to_table(index)),
            false => Ok(()),
        }
    }

    /// Where the table of a shard is.
    #[cold]
    fn refer_to_table(&self, shard: u32) -> Failure {
        match self.shards.shards.get(&shard) {
            Some(&Origin { home, table }) => self.refer_to_shard(home, table),
            // It is being removed.
            None => Failure::NotFound,
        }
    }

    /// It is the key that leads there, no part of a path.
    fn refer_to_shard(&self, partition: u16, shard: NodeId) -> Failure {
        self.referrals.say(Referral {
            which: Which::First,
            partition,
            node: shard.0,
            consumed: 0,
            lease_ms: 0,
            level: 0,
        })
    }

    /// Whether a node, or one below it, is a table whose keys are at several partitions.
    pub(super) fn has_spread_within(&self, top: u32) -> bool {
        let mut tables = self.shards.tables.keys();
        tables.any(|&table| self.is_within(table, top))
    }

    /// A table with its shards.
    pub(super) fn open_table(&self, base: NodeId, path: &str) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        self.check_no_shard(index)?;
        Ok(Reply::Table {
            node: self.attributes(index),
            shards: self.shards.of_table(index)?,
        })
    }

    /// Looks for contradictions in what is spread.
    pub(super) fn check_shards(&self) -> Result<(), String> {
        let records = &self.nodes.records;
        let is_table = |index: u32| {
            let record = records.at(index);
            record.kind == Some(Kind::Table) && record.place == Place::Spread
        };
        for (&index, spread) in &self.shards.tables {
            let own = spread.shards.get(usize::from(self.config.partition));
            let is_sound = own == Some(&self.nodes.id(index))
                && spread.shards.len() == usize::from(self.config.partitions)
                && (spread.is_whole() || self.nodes.deadlines.of(index).is_some());
            if !is_table(index) || !is_sound {
                return Err(format!("table {index} is not spread as {spread:?}"));
            }
        }
        for (&index, origin) in &self.shards.shards {
            let is_known = self.shards.by_origin.get(origin) == Some(&index);
            if !is_table(index) || !is_known || records.at(index).parent != ROOT {
                return Err(format!("shard {index} is none of {origin:?}"));
            }
        }
        let known = self.shards.tables.len() + self.shards.shards.len();
        let spread = records.iter().filter(|(_, record)| record.place == Place::Spread);
        match (known, self.shards.by_origin.len()) == (spread.count(), self.shards.shards.len()) {
            true => Ok(()),
            false => Err("tables that are spread and nobody knows where".into()),
        }
    }
}
