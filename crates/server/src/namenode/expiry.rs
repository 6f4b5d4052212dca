//! Time to live: nodes that are removed when they are due, with all below them.
//!
//! What is due is not found any more from that moment on, by whatever way. It is removed in slices: however much is due at once, no
//! command waits for more than one slice. In between, who finds something looks whether it still lives; while nothing is due, as
//! nearly always, that costs one look at a flag.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use crake_store::canary::{Canary, planted};

use super::command::{Failure, Happened, NodeId, Now, Reply};
use super::namespace::{Namespace, ROOT};
use super::records::Place;
use super::removal::Owner;
use super::state::{Input, Malformed, State};

/// Indexes of nodes are below this.
const NODES_END: u32 = 1 << 31;
/// Entries of a container that are due and not yet removed, which one command passes over.
const PASSED_MAX: usize = 16 * 1024;

impl Namespace {
    /// Gives a node so long to live from now on, or, with 0, no end.
    pub(super) fn set_ttl(
        &mut self,
        base: NodeId,
        path: &str,
        key: &[u8],
        ttl_ns: u64,
    ) -> Result<Reply<'_>, Failure> {
        let index = match key {
            [] => self.resolve(base, path)?,
            key => self.find_key(base, path, key)?.ok_or(Failure::NotFound)?,
        };
        if index == ROOT {
            return Err(Failure::RootIsFixed);
        }
        self.check_unfixed(index)?;
        self.check_made(index)?;
        self.live_for(index, ttl_ns);
        Ok(self.node_reply(index))
    }

    /// The same of a node at hand.
    #[inline]
    pub(super) fn live_for(&mut self, index: u32, ttl_ns: u64) {
        if ttl_ns > 0 || self.nodes.deadlines.of(index).is_some() {
            self.change_deadline(index, ttl_ns);
        }
    }

    #[cold]
    fn change_deadline(&mut self, index: u32, ttl_ns: u64) {
        let deadline_ns = (ttl_ns > 0).then(|| self.now.mono_ns.saturating_add(ttl_ns));
        self.nodes.deadlines.set(index, deadline_ns);
        if self.kind(index).is_container() {
            // What is below it ends with it.
            self.changes.of_everything();
        }
        self.changes.of_node(index);
    }

    /// Takes a node that is due out of its container; it is freed, with all below it, bit by bit.
    pub(super) fn expire_node(&mut self, index: u32) {
        // What is being removed already goes with its tree.
        if self.owner_of_doomed(index).is_some() {
            self.nodes.deadlines.set(index, None);
            return;
        }
        let owner = self.job_of(index).map_or(Owner::Nobody, Owner::Job);
        self.tell(Happened::Deleted, index);
        self.unlink(index);
        self.doom(index, owner);
    }

    /// When the next slice is due, or the next node.
    pub(super) fn next_expiry_ns(&self) -> Option<u64> {
        match self.leftovers {
            true => Some(self.removals.due_ns()),
            false => self.nodes.deadlines.first_ns(),
        }
    }

    /// Whether a node is there until somebody removes it: neither it nor one that it is below has an end.
    pub(super) fn is_lasting(&self, mut index: u32) -> bool {
        while !self.nodes.deadlines.is_empty() && index != ROOT {
            if self.nodes.deadlines.of(index).is_some() {
                return false;
            }
            index = self.nodes.records.at(index).parent;
        }
        true
    }

    /// Whether a container has no entries but such as are due. Of a table that has keys elsewhere, too, that is not known here.
    pub(super) fn is_vacant(&self, index: u32) -> Result<bool, Failure> {
        let record = self.nodes.records.at(index);
        if record.place == Place::Spread {
            return Ok(false);
        }
        if record.size == 0 || !self.leftovers {
            return Ok(record.size == 0);
        }
        let mut passed = Passed::default();
        let mut is_vacant = true;
        self.nodes.visit(index, &[], &[], |_, child| {
            is_vacant = self.nodes.deadlines.is_due(child);
            is_vacant && passed.one_more()
        });
        passed.outcome().map(|()| is_vacant)
    }
}

/// How many entries a command has passed over because they are due: if they are too many, it is to come again, when they are removed.
#[derive(Default)]
pub(super) struct Passed {
    count: usize,
}

impl Passed {
    /// Counts one; says whether the command may go on.
    pub(super) fn one_more(&mut self) -> bool {
        self.count += 1;
        self.count < PASSED_MAX
    }

    pub(super) fn outcome(&self) -> Result<(), Failure> {
        (self.count < PASSED_MAX).then_some(()).ok_or(Failure::Busy)
    }
}

/// Whether what was found stays until somebody removes it: nobody is to believe an answer about anything else later.
#[derive(Clone, Copy)]
pub struct Stay<'a> {
    namespace: &'a Namespace,
    index: Option<u32>,
}

impl<'a> Stay<'a> {
    #[inline]
    pub(super) fn of(namespace: &'a Namespace, index: Option<u32>) -> Self {
        Self { namespace, index }
    }

    /// Neither it nor one that it is below has an end.
    pub fn is_lasting(&self) -> bool {
        self.index.is_some_and(|index| self.namespace.is_lasting(index))
    }
}

/// When nodes are due, for those that have an end.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    /// A bit for each record, so that to look whether it has an end costs as good as nothing.
    mortal: Vec<u64>,
    by_node: BTreeMap<u32, u64>,
    queue: BTreeSet<(u64, u32)>,
    now: Now,
}

impl Deadlines {
    pub(super) fn look_at(&mut self, now: Now) {
        self.now = now;
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    #[inline]
    fn is_mortal(&self, index: u32) -> bool {
        let word = self.mortal.get(index as usize / 64).copied().unwrap_or(0);
        word >> (index % 64) & 1 != 0
    }

    /// When a node is due, in nanoseconds of [`Now::mono_ns`].
    #[inline]
    pub(super) fn of(&self, index: u32) -> Option<u64> {
        match self.is_mortal(index) {
            true => self.by_node.get(&index).copied(),
            false => None,
        }
    }

    /// The same by the wall clock; 0 if it has no end.
    #[inline]
    pub(super) fn wall_ns(&self, index: u32) -> u64 {
        self.of(index).map_or(0, |deadline_ns| {
            let left_ns = deadline_ns.saturating_sub(self.now.mono_ns);
            self.now.wall_ns.saturating_add(left_ns)
        })
    }

    #[inline]
    pub(super) fn is_due(&self, index: u32) -> bool {
        self.of(index)
            .is_some_and(|deadline_ns| deadline_ns <= self.present_ns())
    }

    fn present_ns(&self) -> u64 {
        match planted(Canary::ExpireLate) {
            true => self.now.mono_ns.saturating_sub(1_000_000_000),
            false => self.now.mono_ns,
        }
    }

    pub(super) fn set(&mut self, index: u32, deadline_ns: Option<u64>) {
        if self.is_mortal(index)
            && let Some(before_ns) = self.by_node.remove(&index)
        {
            self.queue.remove(&(before_ns, index));
            self.mortal[index as usize / 64] &= !(1 << (index % 64));
        }
        let Some(deadline_ns) = deadline_ns else { return };
        let word = index as usize / 64;
        if word >= self.mortal.len() {
            self.mortal.resize(word + 1, 0);
        }
        self.mortal[word] |= 1 << (index % 64);
        self.by_node.insert(index, deadline_ns);
        self.queue.insert((deadline_ns, index));
    }

    #[inline]
    pub(super) fn first_ns(&self) -> Option<u64> {
        self.queue.first().map(|&(deadline_ns, _)| deadline_ns)
    }

    /// The node that is due first, if it is.
    #[inline]
    pub(super) fn due(&self) -> Option<u32> {
        let &(deadline_ns, index) = self.queue.first()?;
        (deadline_ns <= self.present_ns()).then_some(index)
    }

    /// Checks that each deadline is in the queue, and that its node, which `exists`, is marked.
    pub(super) fn check(&self, exists: impl Fn(u32) -> bool) -> Result<(), String> {
        for (&index, &deadline_ns) in &self.by_node {
            if !exists(index) || !self.is_mortal(index) || !self.queue.contains(&(deadline_ns, index)) {
                return Err(format!(
                    "the deadline of node {index} is not marked, queued or wanted"
                ));
            }
        }
        let marked: u32 = self.mortal.iter().map(|word| word.count_ones()).sum();
        match (marked as usize, self.queue.len()) == (self.by_node.len(), self.by_node.len()) {
            true => Ok(()),
            false => Err("marks or places in the queue without a deadline".into()),
        }
    }
}

impl State for Deadlines {
    fn save(&self, out: &mut Vec<u8>) {
        self.by_node.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let mut deadlines = Deadlines::default();
        for (index, deadline_ns) in BTreeMap::<u32, u64>::load(input)? {
            if index >= NODES_END {
                return Err(Malformed("a node that cannot be has an end"));
            }
            deadlines.set(index, Some(deadline_ns));
        }
        Ok(deadlines)
    }
}

impl Hash for Deadlines {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.by_node.hash(state);
    }
}
