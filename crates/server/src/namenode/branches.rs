//! Containers whose entry is at one partition and which are at another: docs/partitions.md.
//!
//! The partition of the directory has a link: a record with the name and the kind, and [`Place::Elsewhere`]. The home has a branch: a
//! container in no container of its own.

use std::collections::BTreeMap;

use crake_store::protocol::words::mix;

use super::command::{Create, Failure, Happened, Kind, LeaseId, NodeId, Reply};
use super::errands::{Errand, ErrandName};
use super::jobs::JOBS_NAME;
use super::names::check_name;
use super::namespace::{Namespace, ROOT, Target};
use super::records::Place;
use super::removal::Owner;
use super::state::{Input, Malformed, State, fields};

/// Containers that have so few names become branches by themselves.
const SPREAD_LEVELS: u32 = 2;

/// What a container hangs on that is no entry of a container here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Branch {
    /// The partition of its directory.
    pub(super) partition: u16,
    /// Names from the root to it, when it was made.
    level: u32,
    /// Whether it is an entry there. Before, nobody has heard of it.
    is_linked: bool,
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
    is_linked
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

    /// The records of links, and what they lead to.
    pub(super) fn all_links(&self) -> impl Iterator<Item = (u32, Link)> {
        self.links.iter().map(|(&index, &link)| (index, link))
    }

    /// Whether there is a link to this.
    pub(super) fn has_link(&self, link: Link) -> bool {
        self.by_link.contains_key(&link)
    }

    /// What the link with this record leads to.
    pub(super) fn link_at(&self, index: u32) -> Option<Link> {
        self.links.get(&index).copied()
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
        u64::from(self.nodes.records.len()) - self.branches.links() as u64 - unused_root
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
    fn is_job_tree(&self, target: &Target<'_>) -> bool {
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

    /// Names from the root to a container.
    fn level(&self, mut index: u32) -> u32 {
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
        self.live_for(index, request.ttl_ns);
        let branch = Branch {
            partition: home.partition,
            level: home.level,
            is_linked: false,
        };
        self.branches.branches.insert(index, branch);
        let id = self.nodes.id(index);
        let errand = Errand::Link {
            directory: request.base,
            name: ErrandName::new(name),
            kind: request.kind,
            branch: id,
        };
        self.errands.send(home.partition, errand);
        self.blocks.clear();
        Ok(self.opened(index, LeaseId(0)))
    }

    /// What came of the link that a branch was to have.
    pub(super) fn branch_linked(&mut self, branch: NodeId, is_linked: bool) {
        // It may be due by now, and have been removed.
        let Some(index) = self.nodes.records.find(branch) else {
            return;
        };
        let Some(known) = self.branches.branches.get_mut(&index) else {
            return;
        };
        known.is_linked = is_linked;
        if !is_linked {
            self.drop_branch(index);
        }
    }

    /// A branch is no entry any more: all of it goes, by and by.
    fn drop_branch(&mut self, index: u32) {
        self.branches.branches.remove(&index);
        self.forget_ways();
        self.doom(index, Owner::Nobody);
    }

    /// The same, at the word of its directory's partition; nothing if it is gone already.
    pub(super) fn drop_branch_of(&mut self, partition: u16, branch: NodeId) {
        if let Some(index) = self.nodes.records.find(branch)
            && self
                .branches
                .branches
                .get(&index)
                .is_some_and(|known| known.partition == partition)
        {
            self.drop_branch(index);
        }
    }

    /// A branch that somebody removes here: its directory's partition is told. Nothing of another node.
    pub(super) fn unlink_branch(&mut self, index: u32) -> bool {
        let Some(branch) = self.branches.branches.remove(&index) else {
            return false;
        };
        let id = self.nodes.id(index);
        self.errands.send(branch.partition, Errand::Unlink { branch: id });
        true
    }

    /// Makes the entry of a branch of another partition. A second time, nothing.
    pub(super) fn add_link(
        &mut self,
        link: Link,
        (directory, name, kind): (NodeId, &[u8], Kind),
    ) -> Result<(), Failure> {
        let parent = self.start(directory)?;
        if self.branches.by_link.contains_key(&link) {
            return Ok(());
        }
        check_name(name)?;
        if !kind.is_container() || self.kind(parent) == Kind::Table {
            return Err(Failure::WrongKind);
        }
        self.check_entry(parent, kind)?;
        if self.child(parent, name).is_some() {
            return Err(Failure::AlreadyExists);
        }
        if self.job_of(parent).is_some() {
            return Err(Failure::CrossPartition);
        }
        self.reserve_nodes(1)?;
        let index = self.nodes.records.insert(kind);
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        record.created_ns = wall_ns;
        record.modified_ns = wall_ns;
        record.place = Place::Elsewhere;
        self.link(parent, name, index);
        self.branches.links.insert(index, link);
        self.branches.by_link.insert(link, index);
        self.tell(Happened::Created, index);
        Ok(())
    }

    /// Whether a link that was to be made was made.
    pub(super) fn find_link(&self, link: Link) -> Result<(), Failure> {
        let is_there = self.branches.by_link.contains_key(&link);
        is_there.then_some(()).ok_or(Failure::AlreadyExists)
    }

    /// Removes the entry of a branch that is gone. A second time, nothing.
    pub(super) fn remove_link(&mut self, link: Link) {
        let Some(&index) = self.branches.by_link.get(&link) else {
            return;
        };
        self.forget_link(index);
        // What is in a tree that is being removed goes with it.
        if self.owner_of_doomed(index).is_none() {
            self.tell(Happened::Deleted, index);
            self.unlink(index);
            self.tell_gone(index);
            self.nodes.remove(index);
        }
    }

    /// A link's record is about to be no more; the branch goes, too, unless it was forgotten before.
    #[cold]
    pub(super) fn release_link(&mut self, index: u32) {
        if let Some(link) = self.forget_link(index) {
            let errand = Errand::Drop { branch: link.branch };
            self.errands.send(link.partition, errand);
        }
    }

    fn forget_link(&mut self, index: u32) -> Option<Link> {
        let link = self.branches.links.remove(&index)?;
        self.branches.by_link.remove(&link);
        Some(link)
    }

    /// Another life of a partition has begun: what hangs on the one before is gone.
    pub(super) fn lose_partner(&mut self, partition: u16) {
        let lost = |link: &&Link| link.partition == partition;
        let links: Vec<Link> = self.branches.by_link.keys().filter(lost).copied().collect();
        links.into_iter().for_each(|link| self.remove_link(link));
        let branches = self.branches.branches.iter();
        let branches = branches.filter(|(_, branch)| branch.partition == partition);
        let branches: Vec<u32> = branches.map(|(&index, _)| index).collect();
        branches.into_iter().for_each(|index| self.drop_branch(index));
    }

    /// What a container hangs on here: a branch, or the root. Containers below the same one cannot come to lie below each other unnoticed.
    fn trunk(&self, mut index: u32) -> u32 {
        while index != ROOT && !self.branches.is_branch(index) {
            index = self.nodes.records.at(index).parent;
        }
        index
    }

    /// Refuses a move that no partition can do alone.
    pub(super) fn check_trunks(&self, index: u32, target: &Target<'_>) -> Result<(), Failure> {
        if self.is_alone() {
            return Ok(());
        }
        let is_link = |index: u32| self.nodes.records.at(index).place == Place::Elsewhere;
        let parent = self.nodes.records.at(index).parent;
        let stays = !self.kind(index).is_container() || self.trunk(parent) == self.trunk(target.parent);
        let into_job = self.job_of(target.parent).is_some() && self.has_link_within(index);
        let over_link = target.node.is_some_and(is_link);
        match self.branches.is_branch(index) || !stays || into_job || over_link {
            true => Err(Failure::CrossPartition),
            false => Ok(()),
        }
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
        let is_container = |index: u32| records.at(index).kind.is_some_and(Kind::is_container);
        for &index in self.branches.branches.keys() {
            if !is_container(index) || records.at(index).parent != ROOT {
                return Err(format!("branch {index} is no container apart"));
            }
        }
        for (&index, link) in &self.branches.links {
            let is_link = is_container(index) && records.at(index).place == Place::Elsewhere;
            if !is_link || self.branches.by_link.get(link) != Some(&index) {
                return Err(format!("link {index} to {link:?} is none"));
            }
        }
        match self.branches.links.len() == self.branches.by_link.len() {
            true => Ok(()),
            false => Err("two links to one branch".into()),
        }
    }

    /// Whether an entry's container is at another partition.
    #[inline]
    pub(super) fn is_link(&self, index: u32) -> bool {
        self.nodes.records.at(index).place == Place::Elsewhere
    }
}
