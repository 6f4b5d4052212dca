//! Where another partition goes on with a path, and for how long clients may go by that: docs/partitions.md.
//!
//! No part of the state: who starts again with a log waits for as long as what an earlier life has said may be believed.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crake_store::canary::{Canary, planted};
use crake_store::protocol::{Referral, Which};

use super::branches::Home;
use super::command::{Failure, NodeId};
use super::namespace::{Namespace, ROOT};

/// For so long a referral is believed: the longest that a directory that was gone through has to wait for its new name, and the shortest
/// time in which each client asks again for each.
const LEASE_MS: u32 = 200;
const LEASE_NS: u64 = LEASE_MS as u64 * 1_000_000;
/// A rename that has to wait keeps others from going through there so much longer, to come again: more than a client pauses.
const HOLD_NS: u64 = 1_000_000_000;
/// Containers of which it is noted until when they are gone through; above, those of earlier times are forgotten.
const NOTED_MAX: usize = 4096;

/// Who may be on the way where.
#[derive(Debug, Default)]
pub(super) struct Referrals {
    /// Until when clients may go through a container without asking, by its record.
    given: RefCell<BTreeMap<u32, u64>>,
    /// Containers that wait for that to end, so that they can get another name; until when nobody is referred through them.
    held: RefCell<BTreeMap<u32, u64>>,
    /// Until when clients may go by what an earlier life has said.
    unknown_until_ns: u64,
    latest: Cell<Option<Referral>>,
}

impl Referrals {
    /// Notes where another partition goes on with what is refused for that.
    pub(super) fn say(&self, referral: Referral) -> Failure {
        self.latest.set(Some(referral));
        Failure::Elsewhere
    }
}

impl Namespace {
    /// The referral that the latest command was refused with, if it was [`Failure::Elsewhere`].
    pub fn take_referral(&mut self) -> Option<Referral> {
        self.referrals.latest.take()
    }

    /// What is said of a path that leads through a link, or to it, with its first bytes.
    #[cold]
    pub(super) fn refer(&self, link: u32, consumed: usize) -> Failure {
        let Some(known) = self.branches.link_at(link) else {
            // It is being removed.
            return Failure::NotFound;
        };
        if self.is_withheld(link) {
            return Failure::Busy;
        }
        let now_ns = self.now.mono_ns;
        let is_held = |index: &u32| {
            let until_ns = self.referrals.held.borrow().get(index).copied();
            until_ns.is_some_and(|until_ns| now_ns < until_ns)
        };
        if self.upwards(link).any(|index| is_held(&index)) {
            return Failure::Busy;
        }
        let mut given = self.referrals.given.borrow_mut();
        if given.len() >= NOTED_MAX {
            given.retain(|_, until_ns| now_ns < *until_ns);
        }
        for index in self.upwards(link) {
            given.insert(index, now_ns + LEASE_NS);
        }
        self.referrals.latest.set(Some(Referral {
            which: Which::First,
            partition: known.partition,
            node: known.branch.0,
            consumed: consumed as u32,
            lease_ms: LEASE_MS,
            level: 0,
        }));
        Failure::Elsewhere
    }

    /// Partition 0 has the root.
    #[cold]
    pub(super) fn refer_to_root(&self) -> Failure {
        self.referrals.latest.set(Some(Referral {
            which: Which::First,
            partition: 0,
            node: NodeId::ROOT.0,
            consumed: 0,
            lease_ms: 0,
            level: 0,
        }));
        Failure::Elsewhere
    }

    /// A container is to be made at its home; the first bytes of the path lead to it.
    #[cold]
    pub(super) fn refer_home(&self, home: Home, directory: u32, consumed: usize) -> Failure {
        self.referrals.latest.set(Some(Referral {
            which: Which::First,
            partition: home.partition,
            node: self.nodes.id(directory).0,
            consumed: consumed as u32,
            lease_ms: 0,
            level: home.level,
        }));
        Failure::Elsewhere
    }

    /// The same failure, if it is one, about the second path of a request.
    pub(super) fn of_second(&self, failure: Failure) -> Failure {
        if let (Failure::Elsewhere, Some(referral)) = (failure, self.referrals.latest.take()) {
            self.referrals.latest.set(Some(Referral {
                which: Which::Second,
                ..referral
            }));
        }
        failure
    }

    /// Refuses as long as somebody may go through a container without asking; from now on nobody begins to.
    pub(super) fn await_referrals(&mut self, index: u32) -> Result<(), Failure> {
        if self.is_alone() || !(self.kind(index).is_container() || self.is_link(index)) {
            return Ok(());
        }
        let referrals = &mut self.referrals;
        let given_ns = referrals.given.get_mut().get(&index).copied().unwrap_or(0);
        let until_ns = given_ns.max(referrals.unknown_until_ns);
        let held = referrals.held.get_mut();
        held.retain(|_, until_ns| self.now.mono_ns < *until_ns);
        if self.now.mono_ns < until_ns && !planted(Canary::RenameEarly) {
            held.insert(index, until_ns + HOLD_NS);
            return Err(Failure::Busy);
        }
        held.remove(&index);
        Ok(())
    }

    /// The same of what is about to be replaced: only links lead anywhere that others could find afterwards.
    pub(super) fn await_referrals_to(&mut self, replaced: u32) -> Result<(), Failure> {
        match self.is_link(replaced) {
            true => self.await_referrals(replaced),
            false => Ok(()),
        }
    }

    /// Clients may go by what was said before now.
    pub(super) fn outlast_referrals(&mut self) {
        if !self.is_alone() {
            self.referrals.unknown_until_ns = self.now.mono_ns + LEASE_NS;
        }
    }

    /// A node and all containers that it is below, here.
    fn upwards(&self, index: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(Some(index), |&at| {
            let parent = self.nodes.records.at(at).parent;
            (parent != ROOT).then_some(parent)
        })
    }
}
