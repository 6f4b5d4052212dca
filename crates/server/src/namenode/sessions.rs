//! Sessions, and what they hold: leases to write files, and large values that are not committed.

use std::collections::{BTreeMap, BTreeSet};

use super::blocks::Extent;
use super::command::{Condition, Failure, NodeId, SessionId};
use super::names::Name;
use super::slab::{NONE, Slab};

/// What a session may hold.
#[derive(Debug, Hash)]
pub(super) enum Held {
    /// The right to write a file.
    Writer(NodeId),
    /// A large value on its way into a table.
    Put(Box<PendingPut>),
}

/// A value that becomes visible with its commit.
#[derive(Debug, Hash)]
pub(super) struct PendingPut {
    pub(super) table: NodeId,
    pub(super) key: Name,
    pub(super) condition: Condition,
    pub(super) size: u64,
    pub(super) extents: Vec<Extent>,
}

#[derive(Debug, Hash)]
struct Hold {
    generation: u32,
    session: u32,
    /// In the list of its session.
    previous: u32,
    next: u32,
    held: Held,
}

#[derive(Debug, Hash)]
struct Session {
    id: SessionId,
    deadline_ns: u64,
    first: u32,
    holds: u32,
}

/// A session is here as long as it holds something, so that one which only reads costs nothing.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions_max: u32,
    holds_max: u32,
    lease_ns: u64,
    by_id: BTreeMap<SessionId, u32>,
    sessions: Slab<Session>,
    holds: Slab<Hold>,
    /// Of the next hold, so that no id comes twice: an index is used 2^32 times at least before one does.
    generation: u32,
    /// (time, session): a session is in here once, at a time not after its deadline.
    deadlines: BTreeSet<(u64, u32)>,
    pending: u32,
}

impl Sessions {
    pub(super) fn new(sessions_max: u32, holds_max: u32, lease_ns: u64) -> Self {
        Self {
            sessions_max,
            holds_max,
            lease_ns,
            by_id: BTreeMap::new(),
            sessions: Slab::default(),
            holds: Slab::default(),
            generation: 0,
            deadlines: BTreeSet::new(),
            pending: 0,
        }
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn holds(&self) -> usize {
        self.holds.len()
    }
}
