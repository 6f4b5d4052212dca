//! Removal of trees by and by, so that a large one does not keep everybody waiting.
//!
//! What is to go has lost its name already. No path leads there, and no id does: a node that is below such a tree is as good as
//! gone. Its records are freed in slices.

use std::collections::{BTreeSet, VecDeque};

use super::command::{Failure, NodeId};
use super::jobs::JobState;
use super::namespace::{Namespace, ROOT};
use super::quota::Amount;
use super::records::Place;
use super::slab::NONE;

/// Steps of one slice: some hundred microseconds.
const SLICE_STEPS: usize = 1024;
/// From one slice to the next.
const SLICE_EVERY_NS: u64 = 1_000_000;

/// Trees that are being removed, the first one first.
#[derive(Debug, Default, Hash)]
pub(super) struct Removals {
    queue: VecDeque<Removal>,
    /// Of all that are in the queue.
    tops: BTreeSet<u32>,
    /// When the next slice is due, if there is anything to remove.
    due_ns: u64,
}

/// A tree, which is its top's record and what is below. It is taken down from its leaves; in between, it is a tree.
#[derive(Debug, Hash)]
struct Removal {
    top: u32,
    /// Everything before it, in order of names, is gone.
    at: u32,
    job: u32,
}

impl Removals {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When the next slice is due.
    #[inline]
    pub(super) fn next_timeout_ns(&self) -> Option<u64> {
        (!self.queue.is_empty()).then_some(self.due_ns)
    }

    pub(super) fn is_top(&self, index: u32) -> bool {
        self.tops.contains(&index)
    }

    pub(super) fn tops(&self) -> usize {
        self.tops.len()
    }
}

impl Namespace {
    /// Has a tree removed that is in no container: the directory of a job.
    pub(super) fn doom(&mut self, top: u32, job: u32) {
        // Who looks upwards ends at the root, as everywhere.
        self.nodes.records.at_mut(top).parent = ROOT;
        if self.removals.is_empty() {
            self.removals.due_ns = self.now.mono_ns;
        }
        self.removals.queue.push_back(Removal { top, at: top, job });
        self.removals.tops.insert(top);
    }

    /// Whether a node is in a tree that is being removed.
    #[inline]
    pub(super) fn is_doomed(&self, index: u32) -> bool {
        !self.removals.is_empty() && self.is_in_doomed_tree(index)
    }

    #[cold]
    fn is_in_doomed_tree(&self, mut index: u32) -> bool {
        loop {
            let parent = self.nodes.records.at(index).parent;
            if parent == ROOT {
                return self.removals.is_top(index);
            }
            index = parent;
        }
    }

    /// The index of a node that exists and is not about to go.
    #[inline]
    pub(super) fn find_live(&self, id: NodeId) -> Result<u32, Failure> {
        let found = self.nodes.records.find(id);
        found
            .filter(|&index| !self.is_doomed(index))
            .ok_or(Failure::NotFound)
    }

    /// Removes a slice if one is due.
    #[inline]
    pub(super) fn remove_due(&mut self) {
        if !self.removals.is_empty() && self.now.mono_ns >= self.removals.due_ns {
            self.removals.due_ns = self.now.mono_ns.saturating_add(SLICE_EVERY_NS);
            self.remove_slice();
        }
    }

    /// Takes some steps of what there is to remove.
    pub(super) fn remove_slice(&mut self) {
        for _ in 0..SLICE_STEPS {
            let Some(removal) = self.removals.queue.front() else {
                return;
            };
            let (top, at, job) = (removal.top, removal.at, removal.job);
            match self.remove_step(top, at, job) {
                Some(next) => self.removals.queue[0].at = next,
                None => {
                    self.removals.queue.pop_front();
                    self.removals.tops.remove(&top);
                    self.jobs.forget(job);
                }
            }
        }
    }

    /// One step: gives up a value on its way, removes a node, or goes down into a container. Says where to go on, if
    /// anything is left.
    fn remove_step(&mut self, top: u32, at: u32, job: u32) -> Option<u32> {
        debug_assert_eq!(self.jobs.all[job].state, JobState::Ending);
        if let Some((_, &hold)) = self.jobs.all[job].puts.first_key_value() {
            let held = self.sessions.release(hold);
            self.jobs.note_ended(hold);
            self.give_up(held);
            return Some(at);
        }
        if let Some(child) = self.nodes.first_child(at) {
            if self.nodes.first_child(child).is_some() {
                return Some(child);
            }
            self.index
                .remove(self.hasher.tag(at, self.nodes.name(child)), child);
            self.nodes.remove_child(at, child);
            self.remove_doomed(child, job);
            return Some(at);
        }
        if at != top {
            return Some(self.nodes.records.at(at).parent);
        }
        self.tell_gone(top);
        self.strip_container(top);
        self.nodes.remove(top);
        None
    }

    /// Frees a node without entries that is in no container.
    fn remove_doomed(&mut self, index: u32, job: u32) {
        if let Some(file) = self.nodes.file(index)
            && file.writer != NONE
        {
            self.jobs.note_ended(self.sessions.id_at(file.writer));
        }
        self.tell_gone(index);
        let bytes = self.strip(index);
        self.strip_container(index);
        self.nodes.remove(index);
        self.give_back(Some(job), Amount { bytes, nodes: 1 });
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
