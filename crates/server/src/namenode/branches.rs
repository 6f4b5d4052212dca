//! Nodes whose entry is at one partition and which are at another: docs/partitions.md.
//!
//! The partition of the directory has a link: a record with the name and the kind, and [`Place::Elsewhere`]. The home has a branch: a
//! node in no container of its own. While a node moves, both may be at one partition ([`super::moves`]).

use std::collections::BTreeMap;

use crake_store::canary::{Canary, planted};
use crake_store::protocol::words::mix;

use super::command::{Create, Failure, Happened, Kind, LeaseId, NodeId, Reply};
use super::errands::{Errand, ErrandName};
use super::jobs::JOBS_NAME;
use super::moves::Destination;
use super::names::check_name;
use super::namespace::{Namespace, ROOT, Target};
use super::quota::Amount;
use super::records::Place;
use super::removal::Owner;
use super::state::{Input, Malformed, State, fields};

/// Containers that have so few names become branches by themselves.
const SPREAD_LEVELS: u32 = 2;

/// What a node hangs on that is no entry of a container here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Branch {
    /// The partition of its directory; this one, while it moves away from here.
    pub(super) partition: u16,
    /// Names from the root to it, when it became one.
    level: u32,
    /// Whether it is an entry there. Before, nobody has heard of it.
    pub(super) is_linked: bool,
    /// Which partition is asked to make it an entry there instead.
    pub(super) moving: Option<u16>,
}

impl Branch {
    /// Of a node that has a link at this partition, too.
    pub(super) fn here(partition: u16, level: u32) -> Branch {
        Branch {
            partition,
            level,
            is_linked: true,
            moving: None,
        }
    }
}

/// What an entry is at another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Link {
    pub(super) partition: u16,
    pub(super) branch: NodeId,
}

/// The branches and links of a partition, by their records.
#[derive(Debug, Default, Hash)]
pub(super) struct Branches {
    branches: BTreeMap<u32, Branch>,
    links: BTreeMap<u32, Link>,
    /// The records of links.
    by_link: BTreeMap<Link, u32>,
}

fields!(Branch {
    partition,
    level,
    is_linked,
    moving
});
fields!(Link { partition, branch });
fields!(Home { partition, level });

impl State for Branches {
    fn save(&self, out: &mut Vec<u8>) {
        self.branches.save(out);
        self.links.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let branches = State::load(input)?;
        let links = BTreeMap::<u32, Link>::load(input)?;
        let by_link = links.iter().map(|(&index, &link)| (link, index)).collect();
        Ok(Self {
            branches,
            links,
            by_link,
        })
    }
}

impl Link {
    /// As it is said to clients: the partition's number and 1.
    pub(super) fn elsewhere(self) -> u32 {
        u32::from(self.partition) + 1
    }
}

impl Branches {
    pub(super) fn is_branch(&self, index: u32) -> bool {
        self.branches.contains_key(&index)
    }

    pub(super) fn branches(&self) -> usize {
        self.branches.len()
    }

    pub(super) fn links(&self) -> usize {
        self.links.len()
    }

    /// The records of branches, and of which partition's directories they are entries; nothing of one that is none yet.
    pub(super) fn all_branches(&self) -> impl Iterator<Item = (u32, Option<u16>)> {
        let partition = |branch: &Branch| branch.is_linked.then_some(branch.partition);
        self.branches
            .iter()
            .map(move |(&index, branch)| (index, partition(branch)))
    }

    /// The records of branches from this one on, in order.
    pub(super) fn branches_from(&self, first: u32) -> impl Iterator<Item = (u32, Branch)> {
        self.branches
            .range(first..)
            .map(|(&index, &branch)| (index, branch))
    }

    /// Those of links, and what they lead to.
    pub(super) fn links_from(&self, first: u32) -> impl Iterator<Item = (u32, Link)> {
        self.links.range(first..).map(|(&index, &link)| (index, link))
    }

    /// The records of links, and what they lead to.
    pub(super) fn all_links(&self) -> impl Iterator<Item = (u32, Link)> {
        self.links_from(0)
    }

    /// Whether there is a link to this.
    pub(super) fn has_link(&self, link: Link) -> bool {
        self.by_link.contains_key(&link)
    }

    /// What the link with this record leads to.
    pub(super) fn link_at(&self, index: u32) -> Option<Link> {
        self.links.get(&index).copied()
    }

    /// The record of a link.
    pub(super) fn entry_of(&self, link: Link) -> Option<u32> {
        self.by_link.get(&link).copied()
    }

    /// What a branch hangs on.
    pub(super) fn branch_at(&self, index: u32) -> Option<Branch> {
        self.branches.get(&index).copied()
    }

    pub(super) fn insert(&mut self, index: u32, branch: Branch) {
        self.branches.insert(index, branch);
    }

    /// Another partition is asked to make a branch an entry there.
    pub(super) fn set_moving(&mut self, index: u32, to: u16) {
        if let Some(known) = self.branches.get_mut(&index) {
            known.moving = Some(to);
        }
    }

    pub(super) fn remove(&mut self, index: u32) {
        self.branches.remove(&index);
    }

    pub(super) fn insert_link(&mut self, entry: u32, link: Link) {
        self.links.insert(entry, link);
        self.by_link.insert(link, entry);
    }

    pub(super) fn forget_link(&mut self, entry: u32) -> Option<Link> {
        let link = self.links.remove(&entry)?;
        self.by_link.remove(&link);
        Some(link)
    }
}

/// Where a container is to be that there is not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// Which partition.
    pub partition: u16,
    /// Names from the root to it.
    pub level: u32,
}

impl Namespace {
    /// Nodes that no other partition counts.
    pub(super) fn own_nodes(&self) -> u64 {
        // Of all roots there is one in the namespace.
        let unused_root = u64::from(self.config.partition != 0);
        let counted_elsewhere = self.branches.links() + self.shards.shards();
        u64::from(self.nodes.records.len()) - counted_elsewhere as u64 - unused_root
    }

    /// Whether a node is an entry of no container here, although it is not being removed.
    pub(super) fn is_apart(&self, index: u32) -> bool {
        self.branches.is_branch(index) || self.shards.is_shard(index)
    }

    /// Whether this is the only partition.
    #[inline]
    pub(super) fn is_alone(&self) -> bool {
        self.config.partitions <= 1
    }

    /// Where the first container is to be that a request makes, if it is to be made apart from the others: at another partition, or here because
    /// the next one is to be at another.
    pub(super) fn home_of_first(&self, request: &Create<'_>, target: &Target<'_>) -> Option<Home> {
        if self.is_alone() || self.is_job_tree(target) {
            return None;
        }
        let above = self.level(target.parent);
        let mut parent_name = self.nodes.name(target.parent);
        let (mut name, mut rest) = (target.name, target.rest);
        let mut is_first = true;
        for level in above + 1.. {
            let next = rest.next();
            let is_container = next.is_some() || request.kind.is_container();
            let is_spread = level <= SPREAD_LEVELS || (next.is_none() && request.spread);
            if is_container && is_spread {
                let home = self.home(parent_name, name);
                if is_first && home != self.config.partition {
                    return Some(Home {
                        partition: home,
                        level,
                    });
                }
                if home != self.config.partition {
                    return Some(Home {
                        partition: self.config.partition,
                        level: above + 1,
                    });
                }
            }
            (parent_name, name) = (name, next?);
            is_first = false;
        }
        unreachable!("a path has an end")
    }

    /// The quota of a job is counted at one place.
    pub(super) fn is_job_tree(&self, target: &Target<'_>) -> bool {
        let mut at = target.parent;
        if at == ROOT {
            return target.name == JOBS_NAME;
        }
        loop {
            let parent = self.nodes.records.at(at).parent;
            if parent == ROOT {
                return !self.branches.is_branch(at) && self.nodes.name(at) == JOBS_NAME;
            }
            at = parent;
        }
    }

    /// Names from the root to a node.
    pub(super) fn level(&self, mut index: u32) -> u32 {
        let mut below = 0;
        while index != ROOT {
            if let Some(branch) = self.branches.branches.get(&index) {
                return branch.level + below;
            }
            below += 1;
            index = self.nodes.records.at(index).parent;
        }
        below
    }

    /// The same at all partitions, whatever the seed.
    fn home(&self, parent_name: &[u8], name: &[u8]) -> u16 {
        const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
        let hash = mix(mix(1, parent_name, FACTOR), name, FACTOR).wrapping_mul(FACTOR);
        ((hash >> 32) % u64::from(self.config.partitions)) as u16
    }

    /// Makes a branch, and has its directory's partition told.
    pub(super) fn create_branch(&mut self, request: &Create<'_>, home: Home) -> Result<Reply<'_>, Failure> {
        let name = request.path.as_bytes();
        check_name(name)?;
        if !request.kind.is_container() || home.partition >= self.config.partitions {
            return Err(Failure::WrongKind);
        }
        self.reserve_nodes(1)?;
        self.errands.reserve(home.partition)?;
        let is_to_spread = request.kind == Kind::Table;
        if is_to_spread {
            self.reserve_shards()?;
        }
        let index = self.nodes.records.insert(request.kind);
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        record.created_ns = wall_ns;
        record.modified_ns = wall_ns;
        // Who looks upwards ends at the root, as everywhere.
        record.parent = ROOT;
        record.storage_class = request.storage_class as u8;
        record.location_or_version = request.location_class;
        self.nodes.set_name(index, name);
        if is_to_spread {
            self.spread(index, request);
        }
        self.begin_life(index, request.ttl_ns);
        let branch = Branch {
            partition: home.partition,
            level: home.level,
            is_linked: false,
            moving: None,
        };
        self.branches.branches.insert(index, branch);
        let id = self.nodes.id(index);
        let errand = Errand::Link {
            destination: Destination {
                partition: home.partition,
                directory: request.base,
                name: ErrandName::new(name),
                replace: false,
            },
            kind: request.kind,
            branch: id,
        };
        self.errands.send(home.partition, errand);
        self.blocks.clear();
        Ok(self.opened(index, LeaseId(0)))
    }

    /// What came of the link at a partition that a branch was to have.
    pub(super) fn branch_linked(&mut self, at: u16, branch: NodeId, refused: Option<Failure>) {
        // It may be due by now, and have been removed.
        let Some(index) = self.nodes.records.find(branch) else {
            return;
        };
        let Some(known) = self.branches.branches.get_mut(&index) else {
            return;
        };
        let before = known.partition;
        if known.moving == Some(at) {
            known.moving = None;
            if refused.is_none() {
                known.partition = at;
                known.is_linked = true;
            }
            self.tell_moved(before, branch, refused);
        } else if before == at {
            known.is_linked = refused.is_none();
            if refused.is_some() {
                self.drop_branch(index);
            }
        }
    }

    /// A branch is no entry any more: all of it goes, by and by.
    fn drop_branch(&mut self, index: u32) {
        self.branches.remove(index);
        self.forget_ways();
        self.doom(index, Owner::Nobody);
    }

    /// The same, at the word of its directory's partition; nothing if it is gone already.
    pub(super) fn drop_branch_of(&mut self, partition: u16, branch: NodeId) {
        let Some(index) = self.nodes.records.find(branch) else {
            return;
        };
        let Some(known) = self.branches.branches.get_mut(&index) else {
            return;
        };
        match (known.partition == partition, known.moving) {
            (true, None) => self.drop_branch(index),
            // It has lost the old entry, and may have the new one.
            (true, Some(to)) => {
                *known = Branch {
                    partition: to,
                    is_linked: false,
                    moving: None,
                    ..*known
                }
            }
            // It has had the new entry, which is gone before this was heard.
            (false, moving) if moving == Some(partition) => {
                let before = known.partition;
                self.drop_branch(index);
                self.tell_moved(before, branch, None);
            }
            (false, _) => {}
        }
    }

    /// A branch that is removed here: its directory's partition is told. Nothing of another node.
    pub(super) fn unlink_branch(&mut self, index: u32) -> bool {
        let Some(known) = self.branches.branches.remove(&index) else {
            return false;
        };
        let branch = self.nodes.id(index);
        for partition in [Some(known.partition), known.moving].into_iter().flatten() {
            match partition == self.config.partition {
                true => self.remove_link(Link { partition, branch }),
                false if planted(Canary::ForgetUnlink) => {}
                false => self.errands.send(partition, Errand::Unlink { branch }),
            }
        }
        true
    }

    /// Refuses to remove a branch of which it is not known where it is an entry.
    pub(super) fn check_settled(&self, index: u32) -> Result<(), Failure> {
        let own = self.config.partition;
        let known = self.branches.branch_at(index);
        match known.is_some_and(|known| known.moving.is_some() || known.partition == own) {
            true => Err(Failure::Busy),
            false => Ok(()),
        }
    }

    /// Makes the entry of a branch of another partition.
    pub(super) fn add_link(
        &mut self,
        link: Link,
        kind: Kind,
        destination: &Destination,
    ) -> Result<(), Failure> {
        if self.branches.by_link.contains_key(&link) {
            return Err(Failure::AlreadyExists);
        }
        if kind == Kind::KeyValue {
            return Err(Failure::WrongKind);
        }
        let place = self.check_place(kind, destination, false)?;
        self.reserve_nodes(1)?;
        let index = self.nodes.records.insert(kind);
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        record.created_ns = wall_ns;
        record.modified_ns = wall_ns;
        record.place = Place::Elsewhere;
        self.branches.insert_link(index, link);
        self.put_into_place(index, place, destination);
        Ok(())
    }

    /// Removes the entry of a branch that is gone. A second time, nothing.
    pub(super) fn remove_link(&mut self, link: Link) {
        if let Some(entry) = self.branches.entry_of(link) {
            self.forget_move(entry, Some(Failure::NotFound));
            self.remove_link_entry(entry);
        }
    }

    /// Removes the entry that a link is, whatever becomes of the branch.
    pub(super) fn remove_link_entry(&mut self, entry: u32) {
        self.branches.forget_link(entry);
        // What is in a tree that is being removed goes with it.
        if self.owner_of_doomed(entry).is_none() {
            self.tell(Happened::Deleted, entry);
            self.give_back(self.job_of(entry), Amount::nodes(1));
            self.unlink(entry);
            self.tell_gone(entry);
            self.nodes.remove(entry);
        }
    }

    /// A link's record is about to be no more; the branch goes, too, unless it was forgotten before.
    #[cold]
    pub(super) fn release_link(&mut self, entry: u32) {
        self.forget_move(entry, Some(Failure::NotFound));
        if let Some(Link { partition, branch }) = self.branches.forget_link(entry) {
            match partition == self.config.partition {
                true => self.drop_branch_of(partition, branch),
                false => self.errands.send(partition, Errand::Drop { branch }),
            }
        }
    }

    /// Another life of a partition has begun: what hangs on the one before is gone.
    pub(super) fn lose_partner(&mut self, partition: u16) {
        self.lose_trunks(partition);
        let lost = |link: &&Link| link.partition == partition;
        let links: Vec<Link> = self.branches.by_link.keys().filter(lost).copied().collect();
        links.into_iter().for_each(|link| self.remove_link(link));
        let is_lost = |known: &Branch| known.partition == partition || known.moving == Some(partition);
        let branches = self.branches.branches.iter();
        let branches = branches.filter(|(_, known)| is_lost(known));
        let branches: Vec<u32> = branches.map(|(&index, _)| index).collect();
        for index in branches {
            let branch = self.nodes.id(index);
            match self.branches.branch_at(index) {
                Some(known) if known.moving == Some(partition) => {
                    self.branch_linked(partition, branch, Some(Failure::NotFound));
                }
                _ => self.drop_branch_of(partition, branch),
            }
        }
        self.lose_shards(partition);
    }

    /// Refuses another name for what has none here, for what moves already, and, of links, in the tree of a job.
    pub(super) fn check_link(&self, index: u32) -> Result<(), Failure> {
        if self.branches.is_branch(index) {
            return Err(Failure::CrossPartition);
        }
        match self.moves.is_moving(index) {
            true => Err(Failure::Busy),
            false => Ok(()),
        }
    }

    /// Refuses a new name within this partition that a node cannot have.
    pub(super) fn check_links(&self, index: u32, target: &Target<'_>) -> Result<(), Failure> {
        if self.is_alone() {
            return Ok(());
        }
        self.check_link(index)?;
        if let Some(replaced) = target.node {
            self.check_link(replaced)?;
        }
        let is_elsewhere = || self.has_link_within(index) || self.has_spread_within(index);
        let into_job = self.job_of(target.parent).is_some() && is_elsewhere();
        let takes_links = self.takes_links(target.parent, target.name);
        match into_job || (self.is_link(index) && !takes_links) {
            true => Err(Failure::CrossPartition),
            false => Ok(()),
        }
    }

    /// Whether an entry with this name may be a link: the quota of a job is counted at one place, and parts of a multifile are read at one.
    pub(super) fn takes_links(&self, parent: u32, name: &[u8]) -> bool {
        let is_jobs = parent == ROOT && name == JOBS_NAME;
        !is_jobs && self.kind(parent) != Kind::Multifile
    }

    fn has_link_within(&self, top: u32) -> bool {
        let mut links = self.branches.links.keys();
        links.any(|&link| self.is_within(link, top))
    }

    /// What was remembered of ways to containers, here and by clients, does not hold any more.
    pub(super) fn forget_ways(&mut self) {
        self.shortcuts.forget();
        self.changes.of_everything();
    }

    /// Looks for contradictions in branches and links.
    pub(super) fn check_branches(&self) -> Result<(), String> {
        let records = &self.nodes.records;
        for (&index, known) in &self.branches.branches {
            if records.at(index).kind.is_none() || records.at(index).parent != ROOT {
                return Err(format!("branch {index} is no node apart"));
            }
            let link = Link {
                partition: known.partition,
                branch: self.nodes.id(index),
            };
            if known.partition == self.config.partition && self.branches.entry_of(link).is_none() {
                return Err(format!("branch {index} of this partition has no entry"));
            }
        }
        for (&index, link) in &self.branches.links {
            let is_link = records.at(index).kind.is_some() && records.at(index).place == Place::Elsewhere;
            if !is_link || self.branches.by_link.get(link) != Some(&index) {
                return Err(format!("link {index} to {link:?} is none"));
            }
            if link.partition == self.config.partition && !self.moves.is_moving(index) {
                return Err(format!("link {index} leads to this partition, and does not move"));
            }
        }
        match self.branches.links.len() == self.branches.by_link.len() {
            true => Ok(()),
            false => Err("two links to one branch".into()),
        }
    }

    /// Whether an entry's node is at another partition.
    #[inline]
    pub(super) fn is_link(&self, index: u32) -> bool {
        self.nodes.records.at(index).place == Place::Elsewhere
    }
}
