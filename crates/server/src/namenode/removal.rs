//! Removal of trees by and by, so that a large one does not keep everybody waiting.
//!
//! What is to go has lost its name already. No path leads there, and no id does: a node that is below such a tree is as good as
//! gone. Its records are freed in slices.

use std::collections::{BTreeMap, VecDeque};

use super::command::{Failure, NodeId};
use super::jobs::JobState;
use super::log::Event;
use super::namespace::{Namespace, ROOT};
use super::quota::Amount;
use super::records::Place;
use super::slab::NONE;
use super::state::{Input, Malformed, State, fields};

/// Steps of one slice: some hundred microseconds.
const SLICE_STEPS: usize = 1024;
/// From one slice to the next at least, so that others have their turn.
const SLICE_EVERY_NS: u64 = 1_000_000;

/// Trees that are being removed, the first one first.
#[derive(Debug, Default, Hash)]
pub(super) struct Removals {
    queue: VecDeque<Removal>,
    /// Of all that are in the queue.
    tops: BTreeMap<u32, Owner>,
    /// When the next slice may be.
    due_ns: u64,
}

/// A tree, which is its top's record and what is below. It is taken down from its leaves; in between, it is a tree.
#[derive(Debug, Hash)]
struct Removal {
    top: u32,
    /// Everything before it, in order of names, is gone.
    at: u32,
}

/// To whose use a tree counts until it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    /// No job's.
    Nobody,
    /// A job's, which goes on without it.
    Job(u32),
    /// A job's that has ended: when the tree is gone, nothing is left of the job.
    EndedJob(u32),
}

impl Owner {
    fn job(self) -> Option<u32> {
        match self {
            Owner::Nobody => None,
            Owner::Job(number) | Owner::EndedJob(number) => Some(number),
        }
    }
}

fields!(Removal { top, at });

impl State for Owner {
    fn save(&self, out: &mut Vec<u8>) {
        match *self {
            Owner::Nobody => 0_u8.save(out),
            Owner::Job(number) => {
                1_u8.save(out);
                number.save(out);
            }
            Owner::EndedJob(number) => {
                2_u8.save(out);
                number.save(out);
            }
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match u8::load(input)? {
            0 => Ok(Owner::Nobody),
            1 => State::load(input).map(Owner::Job),
            2 => State::load(input).map(Owner::EndedJob),
            _ => Err(Malformed("a tree is nobody's and no job's")),
        }
    }
}

/// When the next slice is due is no part of what outlives a namenode: it is due at once.
impl State for Removals {
    fn save(&self, out: &mut Vec<u8>) {
        self.queue.save(out);
        self.tops.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            queue: State::load(input)?,
            tops: State::load(input)?,
            due_ns: 0,
        })
    }
}

impl Removals {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next slice may be.
    #[inline]
    pub(super) fn due_ns(&self) -> u64 {
        self.due_ns
    }

    pub(super) fn is_top(&self, index: u32) -> bool {
        self.tops.contains_key(&index)
    }

    pub(super) fn tops(&self) -> usize {
        self.tops.len()
    }
}

impl Namespace {
    /// Has a tree removed that is in no container.
    pub(super) fn doom(&mut self, top: u32, owner: Owner) {
        self.end_moves_within(top);
        // Who looks upwards ends at the root, as everywhere.
        self.nodes.records.at_mut(top).parent = ROOT;
        self.nodes.deadlines.set(top, None);
        if self.is_spread(top) {
            self.release_shards(top);
        }
        self.removals.queue.push_back(Removal { top, at: top });
        self.removals.tops.insert(top, owner);
        self.leftovers = true;
    }

    /// Whose a node is that is in a tree that is being removed.
    pub(super) fn owner_of_doomed(&self, mut index: u32) -> Option<Owner> {
        if self.removals.is_empty() || index == ROOT {
            return None;
        }
        loop {
            let parent = self.nodes.records.at(index).parent;
            if parent == ROOT {
                return self.removals.tops.get(&index).copied();
            }
            index = parent;
        }
    }

    /// Why a node that is there must not be used any more, if it must not.
    #[inline]
    pub(super) fn why_gone(&self, index: u32) -> Option<Failure> {
        if !self.leftovers || self.lives(index) {
            return None;
        }
        Some(match self.owner_of_doomed(index) {
            Some(Owner::EndedJob(_)) => Failure::JobEnded,
            _ => Failure::NotFound,
        })
    }

    /// The job to whose use a node counts.
    pub(super) fn job_charged(&self, index: u32) -> Option<u32> {
        match self.owner_of_doomed(index) {
            Some(owner) => owner.job(),
            None => self.job_of(index),
        }
    }

    /// The index of a node that exists, lives, and is not about to go.
    #[inline]
    pub(super) fn find_node(&self, id: NodeId) -> Option<u32> {
        let index = self.nodes.records.find(id)?;
        (!self.leftovers || self.lives(index)).then_some(index)
    }

    /// Whether neither a node nor one that it is below is due or being removed.
    #[cold]
    pub(super) fn lives(&self, mut index: u32) -> bool {
        while index != ROOT {
            if self.nodes.deadlines.is_due(index) {
                return false;
            }
            let parent = self.nodes.records.at(index).parent;
            if parent == ROOT {
                return !self.removals.is_top(index);
            }
            index = parent;
        }
        true
    }

    /// Removes a slice of what is due and of what is being removed, if it is time for one.
    pub(super) fn remove_due(&mut self) {
        self.look_at_time();
        if self.leftovers && self.now.mono_ns >= self.removals.due_ns {
            self.removals.due_ns = self.now.mono_ns.saturating_add(SLICE_EVERY_NS);
            if self.journal.event(self.now, Event::SliceRemoved) {
                self.remove_slice();
            }
        }
    }

    /// Sees what is due at the present time.
    #[inline]
    pub(super) fn look_at_time(&mut self) {
        self.nodes.deadlines.look_at(self.now);
        self.leftovers = self.nodes.deadlines.due().is_some() || !self.removals.is_empty();
    }

    /// Takes some steps of what there is to remove.
    #[cold]
    pub(super) fn remove_slice(&mut self) {
        for _ in 0..SLICE_STEPS {
            let due = self.nodes.deadlines.due();
            if let Some(index) = due {
                self.expire_node(index);
            }
            if !self.remove_some() && due.is_none() {
                break;
            }
        }
        self.look_at_time();
    }

    /// One step of what there is to remove; false if there is nothing.
    pub(super) fn remove_some(&mut self) -> bool {
        let Some(&Removal { top, at }) = self.removals.queue.front() else {
            return false;
        };
        let owner = self.removals.tops[&top];
        match self.remove_step(top, at, owner) {
            Some(next) => self.removals.queue[0].at = next,
            None => {
                self.removals.queue.pop_front();
                self.removals.tops.remove(&top);
                if let Owner::EndedJob(number) = owner {
                    self.jobs.forget(number);
                }
            }
        }
        true
    }

    /// One step: gives up a value on its way, removes a node, or goes down into a container. Says where to go on, if
    /// anything is left.
    fn remove_step(&mut self, top: u32, at: u32, owner: Owner) -> Option<u32> {
        if let Owner::EndedJob(number) = owner
            && self.give_up_put(number)
        {
            return Some(at);
        }
        if let Some(child) = self.nodes.first_child(at) {
            if self.nodes.first_child(child).is_some() {
                return Some(child);
            }
            self.index
                .remove(self.hasher.tag(at, self.nodes.name(child)), child);
            self.nodes.remove_child(at, child);
            self.remove_doomed(child, owner);
            return Some(at);
        }
        if at != top {
            return Some(self.nodes.records.at(at).parent);
        }
        match owner {
            // The directory of a job is not counted.
            Owner::EndedJob(_) => {
                self.tell_gone(top);
                self.strip_container(top);
                self.nodes.remove(top);
            }
            owner => self.remove_doomed(top, owner),
        }
        None
    }

    /// Gives up a large value on its way to a job that has ended; false if there is none.
    fn give_up_put(&mut self, number: u32) -> bool {
        debug_assert_eq!(self.jobs.all[number].state, JobState::Ending);
        let Some((_, &hold)) = self.jobs.all[number].puts.first_key_value() else {
            return false;
        };
        let held = self.sessions.release(hold);
        self.jobs.note_ended(hold);
        self.give_up(held);
        true
    }

    /// Frees a node without entries that is in no container.
    fn remove_doomed(&mut self, index: u32, owner: Owner) {
        if let Some(file) = self.nodes.file(index)
            && file.writer != NONE
            && matches!(owner, Owner::EndedJob(_))
        {
            self.jobs.note_ended(self.sessions.id_at(file.writer));
        }
        self.tell_gone(index);
        let bytes = self.strip(index);
        self.strip_container(index);
        self.nodes.remove(index);
        self.give_back(owner.job(), Amount { bytes, nodes: 1 });
    }

    /// Takes away what an empty container has: a table's versions.
    fn strip_container(&mut self, index: u32) {
        drop(self.nodes.take_children(index));
        debug_assert!(matches!(
            self.nodes.records.at(index).place,
            Place::Nowhere | Place::Sealed
        ));
    }
}
