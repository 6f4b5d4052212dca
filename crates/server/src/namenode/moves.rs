//! Nodes that get a name at another partition, or in another branch: docs/partitions.md.
//!
//! Nothing is copied. The node stays where it is, at its *home*, and becomes a branch if it was none; its old entry goes, and a link is made
//! at the partition of the new directory. Three partitions take part, some of which may be the same:
//!
//! - That of the old entry has the move ([`Moves`]), and from its begin to its end everybody who asks for that entry, or for a list
//!   in which it would be, is told to come again.
//! - The home asks for the new entry, and knows what came of it ([`Branch::moving`](super::branches::Branch)).
//! - That of the new entry makes it, or refuses. This is the moment.
//!
//! So whoever looks at the two names one after the other finds what they can find of a rename that takes no time. Who has found the node under its new
//! name looks after the moment: under the old one it is not there any more, or nobody says anything before that is so. Who has found
//! nothing under the old name looks after the end of the move, so after the moment: the new name is there.
//!
//! A container that comes below another branch, or another partition's, waits for its turn first, and for the word of all partitions that lie
//! above its new place that it is not there itself ([`super::trunks`]).

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crake_store::canary::{Canary, planted};

use super::branches::{Branch, Link};
use super::command::{Failure, Happened, Kind, NodeId, Reply};
use super::errands::{Errand, ErrandName};
use super::names::{PathNames, check_name};
use super::namespace::{Namespace, ROOT};
use super::quota::Amount;
use super::records::Place;
use super::state::{Input, Malformed, State, choices, fields};

/// Moves from one partition at a time.
const MOVES_MAX: usize = 4096;

/// The entry that a node is to become.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Whose directory it is.
    pub partition: u16,
    /// The directory's id there.
    pub directory: NodeId,
    /// 1 to 255 bytes.
    pub name: ErrandName,
    /// What is there already is replaced, as rename(2) does.
    pub replace: bool,
}

fields!(Destination {
    partition,
    directory,
    name,
    replace
});

/// The entries of this partition that are about to be somewhere else.
#[derive(Debug, Default)]
pub(super) struct Moves {
    /// By the records of the entries, which are links: of nodes that are here, too.
    by_entry: BTreeMap<u32, Move>,
    /// The one of them that is a container and changes its branch: there is one at a time.
    container: Option<u32>,
    /// Number of the latest.
    begun: u64,
    /// At partition 0: whose container changes its branch, of all partitions.
    pub(super) lock: Option<(u16, u64)>,
    /// What follows is no part of what outlives a namenode. The one that the latest command has begun.
    latest: Option<u64>,
    /// Those whose end somebody waits for.
    awaited: BTreeSet<u64>,
    /// The last one that ended; and all that somebody waits for.
    last_ended: Option<Ended>,
    ended: Vec<Ended>,
}

/// A move, and why it was refused, if it was.
pub(super) type Ended = (u64, Option<Failure>);

#[derive(Debug, Hash)]
pub(super) struct Move {
    pub(super) number: u64,
    pub(super) destination: Destination,
    pub(super) stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Of a container: waits for its turn.
    Locking,
    /// Of a container: waits to hear that it may be there.
    Tracing,
    /// The new entry is asked for.
    Asking,
}

choices!(Stage {
    Locking,
    Tracing,
    Asking
});
fields!(Move {
    number,
    destination,
    stage
});

impl State for Moves {
    fn save(&self, out: &mut Vec<u8>) {
        self.by_entry.save(out);
        self.container.save(out);
        self.begun.save(out);
        self.lock.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            by_entry: State::load(input)?,
            container: State::load(input)?,
            begun: State::load(input)?,
            lock: State::load(input)?,
            ..Self::default()
        })
    }
}

impl Hash for Moves {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.by_entry, self.container, self.begun, self.lock).hash(state);
    }
}

impl Moves {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_entry.is_empty()
    }

    #[inline]
    pub(super) fn is_moving(&self, entry: u32) -> bool {
        !self.is_empty() && self.by_entry.contains_key(&entry)
    }

    /// The entries that move.
    pub(super) fn entries(&self) -> impl Iterator<Item = u32> {
        self.by_entry.keys().copied()
    }

    /// The container that changes its branch, with its entry.
    pub(super) fn container(&mut self) -> Option<(u32, &mut Move)> {
        let entry = self.container?;
        Some((entry, self.by_entry.get_mut(&entry)?))
    }

    /// Nobody waits for what was begun before.
    pub(super) fn forget_latest(&mut self) {
        self.latest = None;
    }

    /// The move that the latest command has begun and not ended; from now on somebody waits for its end.
    pub(super) fn await_latest(&mut self) -> Option<u64> {
        let number = self.latest.take()?;
        self.awaited.insert(number);
        Some(number)
    }

    /// Those that have ended, of which somebody waits for that.
    pub(super) fn take_ended(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.ended)
    }

    /// Numbers go on this much above those before.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.begun += u64::from(gap);
    }

    fn report(&mut self, ended: Ended) {
        self.last_ended = Some(ended);
        if self.awaited.remove(&ended.0) {
            self.ended.push(ended);
        }
    }
}

impl Namespace {
    /// The number of the rename that the latest command has begun, if it goes on; from now on somebody waits for its end.
    pub fn await_move(&mut self) -> Option<u64> {
        self.moves.await_latest()
    }

    /// Renames that have ended and that somebody waits for, by their numbers, with why they were refused, if they were.
    pub fn take_ended_moves(&mut self) -> Vec<(u64, Option<Failure>)> {
        self.moves.take_ended()
    }

    /// Gives a node a name in a directory of another partition.
    pub(super) fn rename_to(
        &mut self,
        from: (NodeId, &str),
        partition: u16,
        (directory, path): (NodeId, &str),
        no_replace: bool,
    ) -> Result<Reply<'_>, Failure> {
        if partition == self.config.partition {
            return self.rename(from, (directory, path), no_replace);
        }
        if partition >= self.config.partitions {
            return Err(Failure::NotFound);
        }
        let index = self.walk(from.0, from.1)?.node.ok_or(Failure::NotFound)?;
        self.check_trailing_slash(index, from.1)?;
        if index == ROOT {
            return Err(Failure::RootIsFixed);
        }
        self.check_mover(index, path)?;
        let destination = Destination {
            partition,
            directory,
            name: ErrandName::new(only_name(path)?),
            replace: !no_replace,
        };
        self.begin_move(index, destination)
    }

    /// Has an entry become another one. The answer is the node as it is now; unless [`Moves::await_latest`] says that the move goes on, it has
    /// been done.
    pub(super) fn begin_move(&mut self, index: u32, destination: Destination) -> Result<Reply<'_>, Failure> {
        let entry = self.take_hold(index, destination)?;
        let link = self
            .branches
            .link_at(entry)
            .expect("an entry that moves is a link");
        match self.kind(entry).is_container() {
            true => self.ask_for_lock(entry),
            false => self.ask_for_entry(entry),
        }
        if !self.moves.is_moving(entry)
            && let Some((_, Some(failure))) = self.moves.last_ended
        {
            // It is where it was, under other numbers.
            self.journal.stir();
            return Err(failure);
        }
        self.moves.latest = self.moves.by_entry.get(&entry).map(|known| known.number);
        let shown = match link.partition == self.config.partition {
            true => self.nodes.records.find(link.branch).unwrap_or(entry),
            false => entry,
        };
        Ok(self.node_reply(shown))
    }

    /// From now on nobody hears anything of this entry. Gives its record, which is a link.
    fn take_hold(&mut self, index: u32, destination: Destination) -> Result<u32, Failure> {
        self.check_link(index)?;
        self.check_unfixed(index)?;
        let is_container = self.kind(index).is_container();
        if self.moves.by_entry.len() >= MOVES_MAX || (is_container && self.moves.container.is_some()) {
            return Err(Failure::Busy);
        }
        let home = match self.branches.link_at(index) {
            Some(link) => link.partition,
            None => self.config.partition,
        };
        for partition in [0, home, destination.partition] {
            self.errands.reserve(partition)?;
        }
        let job = self.job_of(index);
        let moved = self.check_crossing(index, (job, None), None)?;
        let is_link = self.is_link(index);
        if !is_link {
            self.reserve_nodes(1)?;
        }
        self.await_referrals(index)?;
        let entry = match is_link {
            true => index,
            false => self.detach(index),
        };
        self.give_back(job, moved);
        // The entry itself still counts.
        self.charge(job, Amount::nodes(1));
        self.moves.begun += 1;
        let number = self.moves.begun;
        let known = Move {
            number,
            destination,
            stage: Stage::Asking,
        };
        self.moves.by_entry.insert(entry, known);
        if is_container {
            self.moves.container = Some(entry);
        }
        Ok(entry)
    }

    /// Makes a node of this partition a branch of it, and puts a link in its place.
    fn detach(&mut self, index: u32) -> u32 {
        let kind = self.kind(index);
        let level = self.level(index);
        let link = Link {
            partition: self.config.partition,
            branch: self.nodes.id(index),
        };
        let (modified_ns, created_ns) = {
            let record = self.nodes.records.at(index);
            (record.modified_ns, record.created_ns)
        };
        let entry = self.nodes.records.insert(kind);
        let record = self.nodes.records.at_mut(entry);
        record.modified_ns = modified_ns;
        record.created_ns = created_ns;
        record.place = Place::Elsewhere;
        self.stand_in(index, entry);
        // Who looks upwards ends at the root, as everywhere.
        self.nodes.records.at_mut(index).parent = ROOT;
        self.branches.insert(index, Branch::here(link.partition, level));
        self.branches.insert_link(entry, link);
        entry
    }

    /// Puts another record, which has no name, into the place of an entry. Nobody notices but who knows the record.
    fn stand_in(&mut self, index: u32, other: u32) {
        if self.kind(index).is_container() {
            self.forget_ways();
        }
        let parent = self.nodes.records.at(index).parent;
        let name = self.nodes.name(index).to_vec();
        let tag = self.hasher.tag(parent, &name);
        self.index.remove(tag, index);
        self.nodes.remove_child(parent, index);
        self.nodes.set_name(other, &name);
        self.nodes.records.at_mut(other).parent = parent;
        self.index.insert(tag, other);
        self.nodes.add_child(parent, &name, other);
    }

    /// Asks for the new entry, or makes it if it is to be here.
    pub(super) fn ask_for_entry(&mut self, entry: u32) {
        let Some(known) = self.moves.by_entry.get_mut(&entry) else {
            return;
        };
        known.stage = Stage::Asking;
        let destination = known.destination.clone();
        let Link { partition, branch } = self.branches.link_at(entry).expect("it moves");
        let own = self.config.partition;
        let refused = if destination.partition == own {
            self.move_here(entry, &destination).err()
        } else if partition == own {
            match self.move_branch(own, branch, &destination) {
                Ok(()) => return,
                Err(failure) => Some(failure),
            }
        } else {
            let errand = Errand::Move { branch, destination };
            return self.errands.send(partition, errand);
        };
        self.end_move(entry, refused);
    }

    /// Makes an entry another one of this partition. It is a container, so it takes the name of no link that anybody may go by.
    fn move_here(&mut self, entry: u32, destination: &Destination) -> Result<(), Failure> {
        let link = self.branches.link_at(entry).expect("it moves");
        let is_here = link.partition == self.config.partition;
        let place = self.check_place(self.kind(entry), destination, is_here)?;
        if is_here {
            self.remove_link_entry(entry);
            let index = self.nodes.records.find(link.branch);
            let index = index.expect("its entry would have gone with it");
            self.branches.remove(index);
            self.put_into_place(index, place, destination);
        } else {
            self.tell(Happened::Deleted, entry);
            self.unlink(entry);
            self.put_into_place(entry, place, destination);
        }
        Ok(())
    }

    /// The end of a move: the old entry is gone, or, if it was refused, is as it was.
    pub(super) fn end_move(&mut self, entry: u32, refused: Option<Failure>) {
        let Some(destination) = self.forget_move(entry, refused) else {
            return;
        };
        let Some(link) = self.branches.link_at(entry) else {
            return;
        };
        let own = self.config.partition;
        match refused {
            // What was moved within this partition is where it is to be.
            None if destination.partition == own => {}
            None => self.remove_link_entry(entry),
            Some(_) if link.partition == own => self.put_back(entry, link),
            Some(_) => {}
        }
    }

    /// Whatever becomes of the entry, it does not move any more. Says where to it did.
    pub(super) fn forget_move(&mut self, entry: u32, refused: Option<Failure>) -> Option<Destination> {
        let known = self.moves.by_entry.remove(&entry)?;
        if self.moves.container == Some(entry) {
            self.moves.container = None;
            self.give_up_lock(known.number);
        }
        self.moves.report((known.number, refused));
        Some(known.destination)
    }

    /// A node of this partition is an entry again as it was before.
    fn put_back(&mut self, entry: u32, link: Link) {
        let job = self.job_charged(entry);
        self.give_back(job, Amount::nodes(1));
        self.branches.forget_link(entry);
        let index = self.nodes.records.find(link.branch);
        let index = index.expect("its entry would have gone with it");
        self.branches.remove(index);
        self.stand_in(entry, index);
        self.nodes.remove(entry);
        if job.is_some() {
            let back = self.amount_of_all(index);
            self.charge(job, back);
        }
    }

    /// What came of a move whose home is elsewhere, or here.
    pub(super) fn moved(&mut self, link: Link, refused: Option<Failure>) {
        if let Some(entry) = self.branches.entry_of(link)
            && let Some(known) = self.moves.by_entry.get(&entry)
            && known.stage == Stage::Asking
        {
            self.end_move(entry, refused);
        }
    }

    // The home.

    /// Has a branch of this partition, whose entry is at `from`, become an entry elsewhere. If that is here it is done at once.
    pub(super) fn move_branch(
        &mut self,
        from: u16,
        branch: NodeId,
        destination: &Destination,
    ) -> Result<(), Failure> {
        let index = self.find_node(branch).ok_or(Failure::NotFound)?;
        let known = self.branches.branch_at(index).ok_or(Failure::NotFound)?;
        if known.moving.is_some() {
            return Err(Failure::Busy);
        }
        let to = destination.partition;
        if known.partition != from || to >= self.config.partitions {
            return Err(Failure::NotFound);
        }
        if to == self.config.partition {
            let place = self.check_place(self.kind(index), destination, true)?;
            self.branches.remove(index);
            if self.kind(index).is_container() {
                self.forget_ways();
            }
            self.put_into_place(index, place, destination);
            return Ok(());
        }
        self.errands.reserve(to)?;
        self.branches.set_moving(index, to);
        let errand = Errand::Link {
            destination: destination.clone(),
            kind: self.kind(index),
            branch,
        };
        self.errands.send(to, errand);
        Ok(())
    }

    /// Tells the partition of a branch's old entry what came of its move.
    pub(super) fn tell_moved(&mut self, partition: u16, branch: NodeId, refused: Option<Failure>) {
        match partition == self.config.partition {
            true => self.moved(Link { partition, branch }, refused),
            false => self.errands.send(partition, Errand::Moved { branch, refused }),
        }
    }

    // The new entry.

    /// Whether a node may become this entry: of a link, or, if it is itself here, of a node. Gives the directory, and what is to be replaced.
    pub(super) fn check_place(
        &self,
        kind: Kind,
        destination: &Destination,
        is_here: bool,
    ) -> Result<(u32, Option<u32>), Failure> {
        let parent = self.directory_here(destination.directory)?;
        let name = destination.name.as_bytes();
        check_name(name)?;
        if !self.kind(parent).is_container() {
            return Err(Failure::NotADirectory);
        }
        let replaced = self.child(parent, name);
        match replaced {
            Some(_) if !destination.replace => return Err(Failure::AlreadyExists),
            Some(replaced) => {
                self.check_unfixed(replaced)?;
                self.check_replaced(kind, replaced)?;
            }
            None => self.check_entry(parent, kind)?,
        }
        let takes = is_here || self.takes_links(parent, name);
        if self.job_of(parent).is_some() || !takes {
            return Err(Failure::CrossPartition);
        }
        Ok((parent, replaced))
    }

    /// Refuses as long as somebody may go by what is to be replaced, without asking.
    pub(super) fn await_place(&mut self, destination: &Destination) -> Result<(), Failure> {
        let parent = self.directory_here(destination.directory);
        let replaced = parent
            .ok()
            .and_then(|parent| self.child(parent, destination.name.as_bytes()));
        match replaced {
            Some(replaced) if destination.replace => self.await_referrals_to(replaced),
            _ => Ok(()),
        }
    }

    /// A directory of this partition.
    pub(super) fn directory_here(&self, directory: NodeId) -> Result<u32, Failure> {
        match directory {
            NodeId::ROOT if self.config.partition != 0 => Err(Failure::NotFound),
            directory => self.start(directory),
        }
    }

    /// Makes a record without a name an entry; what [`Self::check_place`] found there goes.
    pub(super) fn put_into_place(
        &mut self,
        index: u32,
        (parent, replaced): (u32, Option<u32>),
        destination: &Destination,
    ) {
        if let Some(replaced) = replaced {
            self.replace(replaced);
        }
        self.link(parent, destination.name.as_bytes(), index);
        self.tell(Happened::Created, index);
    }

    /// Removes what another node takes the name of.
    pub(super) fn replace(&mut self, replaced: u32) {
        self.tell(Happened::Deleted, replaced);
        self.unlink(replaced);
        self.free_tree(replaced);
    }

    // Who asks meanwhile.

    /// Whether nobody is to hear anything of an entry.
    #[inline]
    pub(super) fn is_withheld(&self, entry: u32) -> bool {
        self.moves.is_moving(entry) && !planted(Canary::RenameBothNames)
    }

    /// Refuses as long as something moves that is an entry of this container, or of one below it.
    pub(super) fn check_still(&self, top: u32) -> Result<(), Failure> {
        let moves_within = |entry: u32| self.is_within(entry, top);
        match self.moves.entries().any(moves_within) {
            true => Err(Failure::Busy),
            false => Ok(()),
        }
    }

    /// A tree is going to be removed: what has not been asked for elsewhere goes with it.
    pub(super) fn end_moves_within(&mut self, top: u32) {
        let is_early = |known: &Move| known.stage != Stage::Asking;
        let early = self.moves.by_entry.iter().filter(|(_, known)| is_early(known));
        let within = early
            .map(|(&entry, _)| entry)
            .filter(|&entry| self.is_within(entry, top));
        let within: Vec<u32> = within.collect();
        within
            .into_iter()
            .for_each(|entry| self.end_move(entry, Some(Failure::NotFound)));
    }

    /// Looks for contradictions in what moves.
    pub(super) fn check_moves(&self) -> Result<(), String> {
        let own = self.config.partition;
        for (&entry, known) in &self.moves.by_entry {
            let Some(link) = self.branches.link_at(entry) else {
                return Err(format!("{known:?} of entry {entry}, which is no link"));
            };
            let is_own = link.partition == own;
            let branch = self
                .nodes
                .records
                .find(link.branch)
                .and_then(|index| self.branches.branch_at(index));
            let asks = known.stage == Stage::Asking;
            let asked = branch.is_some_and(|branch| {
                let to = asks.then_some(known.destination.partition);
                branch.partition == own && branch.moving == to
            });
            if is_own && !asked {
                return Err(format!("{known:?} of a node here that is {branch:?}"));
            }
            if known.number > self.moves.begun {
                return Err(format!("{known:?} was not begun"));
            }
        }
        let container = self
            .moves
            .entries()
            .find(|&entry| self.kind(entry).is_container());
        match container == self.moves.container {
            true => Ok(()),
            false => Err(format!(
                "{container:?} moves, and {:?} is known",
                self.moves.container
            )),
        }
    }
}

/// The name in a path that has no other.
fn only_name(path: &str) -> Result<&[u8], Failure> {
    let mut names = PathNames::new(path.as_bytes())?;
    let name = names.next().ok_or(Failure::InvalidName)?;
    check_name(name)?;
    match names.is_empty() {
        true => Ok(name),
        false => Err(Failure::NotFound),
    }
}
