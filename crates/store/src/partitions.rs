//! The partitions of a namespace as one store sees them: a session with each, and what these share.
//!
//! A [`Session`] is the conversation with one partition, and holds what all of them share; from here sessions are only known, not held.
//! Who holds them is the store ([`Kept`]), and whatever lives at a partition: a file keeps its own session when the store is gone.

mod referrals;
mod way;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Address, Runtime, Time};
use crake_mem::Arena;
use crake_rpc::ClientId;

use crate::buffered::Slices;
use crate::datanodes::Datanodes;
use crate::operation::Renewed;
use crate::path;
use crate::protocol::Referral;
use crate::session::{InPlace, Session};
use crate::stats::Stats;
use crate::{ConnectOptions, Error};

use referrals::{Led, Referrals};
pub(crate) use way::{Branch, Spot, Way, directory_of, has_names_behind, name_until};

/// What the sessions of one store share.
pub(crate) struct Partitions {
    pub(crate) runtime: Runtime,
    pub(crate) options: ConnectOptions,
    /// Stays the same over reconnects, and is the same at all partitions: leases belong to it.
    pub(crate) client: ClientId,
    /// Of this process; read when a server says which is its own.
    pub(crate) host: OnceCell<String>,
    /// Servers of which it was told that a better way could not be taken: datanodes, and partitions of the namenode.
    pub(crate) told: RefCell<BTreeSet<(Option<u32>, u16)>>,
    pub(crate) datanodes: Datanodes,
    pub(crate) slices: Slices,
    /// Small values that were found in a namenode's memory lie here for those who asked.
    pub(crate) values: RefCell<Arena>,
    pub(crate) stats: RefCell<Stats>,
    pub(crate) in_place: InPlace,
    /// Of the URL.
    addresses: Vec<Address>,
    is_many: Cell<bool>,
    /// Where each partition is, by its number, as they say themselves: addresses joined by commas. Empty if there is one.
    map: RefCell<Vec<String>>,
    sessions: RefCell<Vec<Weak<Session>>>,
    kept: RefCell<Weak<Kept>>,
    start: Cell<Start>,
    referrals: RefCell<Referrals>,
}

/// The sessions of a store, as long as there is one.
#[derive(Default)]
pub(crate) struct Kept {
    sessions: RefCell<Vec<Rc<Session>>>,
}

/// Where the paths of a store start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Start {
    pub(crate) partition: u16,
    /// The directory there; 0 is the root.
    pub(crate) base: u64,
}

/// A namespace has no more partitions than this.
const PARTITIONS_MAX: usize = 1024;

/// Of each partition, so many addresses count.
const ADDRESSES_MAX: usize = 8;

/// Nothing is believed for longer than this without asking, whatever a partition says.
const BELIEVED_MAX: Duration = Duration::from_secs(60);

/// The time since the runtime's last turn is known up to this.
const TURN_ERROR: Duration = Duration::from_millis(10);

impl Partitions {
    pub(crate) fn new(runtime: &Runtime, options: ConnectOptions) -> Result<Rc<Partitions>, Error> {
        let addresses = options.resolve()?;
        let client = u128::from(runtime.random()) << 64 | u128::from(runtime.random());
        Ok(Rc::new(Partitions {
            runtime: runtime.clone(),
            client: ClientId(client),
            host: OnceCell::new(),
            told: RefCell::default(),
            datanodes: Datanodes::default(),
            slices: Slices::new(options.slice_bytes),
            values: RefCell::new(Arena::new(runtime.pool(), runtime.pool().capacity() / 2)),
            stats: RefCell::default(),
            in_place: InPlace::default(),
            addresses,
            is_many: Cell::new(false),
            map: RefCell::default(),
            sessions: RefCell::default(),
            kept: RefCell::default(),
            start: Cell::default(),
            referrals: RefCell::default(),
            options,
        }))
    }

    /// Has new sessions held, beside those that there are.
    pub(crate) fn keep(&self, first: &Rc<Session>) -> Rc<Kept> {
        let kept = Rc::new(Kept::default());
        kept.sessions.borrow_mut().push(first.clone());
        *self.kept.borrow_mut() = Rc::downgrade(&kept);
        kept
    }

    /// Whether the namespace has several partitions.
    #[inline]
    pub(crate) fn is_many(&self) -> bool {
        self.is_many.get()
    }

    /// The addresses of the URL.
    pub(crate) fn addresses(&self) -> &[Address] {
        &self.addresses
    }

    pub(crate) fn start(&self) -> Start {
        self.start.get()
    }

    /// Has paths start elsewhere from now on.
    pub(crate) fn set_start(&self, start: Start) {
        if self.start.replace(start) != start {
            *self.referrals.borrow_mut() = Referrals::default();
        }
    }

    /// The session with the partition where paths start.
    pub(crate) fn start_session(self: &Rc<Self>) -> Rc<Session> {
        self.session(self.start.get().partition)
            .expect("the map only grows, and it had this one when the store was made")
    }

    /// The first session has found out with which partition it is, and what others there are.
    pub(crate) fn begin(&self, session: &Rc<Session>, known: &Renewed) -> Result<(), Error> {
        if known.partitions.len() < 2 {
            self.sessions.borrow_mut().push(Rc::downgrade(session));
            return Ok(());
        }
        if !is_sound(known) {
            return Err(Error::Protocol {
                peer: (*session.peer()).into(),
                may_have_run: false,
                detail: "it does not say which of how many partitions it is".into(),
            });
        }
        self.is_many.set(true);
        session.set_number(known.partition);
        self.note(known);
        self.sessions.borrow_mut()[usize::from(known.partition)] = Rc::downgrade(session);
        Ok(())
    }

    /// Takes note of where a partition says that all are. How many there are never changes: what says otherwise is of another namespace.
    pub(crate) fn note(&self, known: &Renewed) {
        let mut map = self.map.borrow_mut();
        let is_first = map.is_empty();
        if !self.is_many() || !is_sound(known) || !(is_first || map.len() == known.partitions.len()) {
            return;
        }
        if *map != known.partitions {
            map.clone_from(&known.partitions);
        }
        let mut sessions = self.sessions.borrow_mut();
        sessions.resize_with(map.len(), Weak::new);
    }

    /// Where a partition is, as others say; those that mean something here. `beside` is where the caller's own way leads.
    pub(crate) fn addresses_of(&self, partition: u16) -> Vec<Address> {
        let map = self.map.borrow();
        let text = map.get(usize::from(partition)).map_or("", String::as_str);
        let addresses = text.split(',').filter_map(|address| Address::named(address).ok());
        let from = &self.addresses[0];
        addresses
            .filter(|address| path::is_reachable(address, path::Site::Unknown, from))
            .take(ADDRESSES_MAX)
            .collect()
    }

    /// Where up to so many other partitions are, one after the other from any one on.
    pub(crate) fn addresses_beside(&self, partition: u16, max: usize) -> Vec<Address> {
        let count = self.map.borrow().len() as u64;
        let from = self.runtime.random() % count.max(1);
        let others = (0..count).map(|at| ((from + at) % count) as u16);
        let others = others.filter(|&other| other != partition).take(max);
        others.flat_map(|other| self.addresses_of(other)).collect()
    }

    /// The session with a partition; begins one if there is none. `None` if there is no such partition.
    pub(crate) fn session(self: &Rc<Self>, partition: u16) -> Option<Rc<Session>> {
        let mut sessions = self.sessions.borrow_mut();
        let place = sessions.get_mut(usize::from(partition))?;
        if let Some(session) = place.upgrade() {
            return Some(session);
        }
        let session = Session::new(self, partition);
        *place = Rc::downgrade(&session);
        if let Some(kept) = self.kept.borrow().upgrade() {
            kept.sessions.borrow_mut().push(session.clone());
        }
        Some(session)
    }

    /// Sessions with all partitions, in the order of their numbers.
    pub(crate) fn all(self: &Rc<Self>) -> Vec<Rc<Session>> {
        let count = self.sessions.borrow().len() as u16;
        (0..count)
            .filter_map(|partition| self.session(partition))
            .collect()
    }

    /// The sessions that there are, in the order of their numbers.
    pub(crate) fn begun(&self) -> Vec<Rc<Session>> {
        let sessions = self.sessions.borrow();
        sessions.iter().filter_map(Weak::upgrade).collect()
    }

    /// Where the longest beginning of a path leads that is remembered and surely believed still.
    pub(crate) fn lead(&self, path: &str) -> Option<Led> {
        // The runtime's time stands still between its turns.
        let now = self.runtime.now() + self.runtime.since_turn() + TURN_ERROR;
        self.referrals.borrow_mut().find(path, now)
    }

    /// Until when what has led along `prefix` is believed; `None` if it is not any more.
    pub(crate) fn believed_until(&self, prefix: &str) -> Option<Time> {
        self.referrals.borrow().until(prefix)
    }

    /// Remembers a referral of a request of `sent` for what `prefix` begins, but not longer than `limit`. Gives until when.
    pub(crate) fn remember(&self, prefix: &str, referral: &Referral, sent: Time, limit: Time) -> Time {
        let lease = Duration::from_millis(referral.lease_ms.into()).min(BELIEVED_MAX);
        let until = (sent + lease).min(limit);
        if until > self.runtime.now() {
            let led = (referral.partition, referral.node);
            self.referrals.borrow_mut().remember(prefix, led, until);
        }
        until
    }

    pub(crate) fn forget(&self, prefix: &str) {
        self.referrals.borrow_mut().forget(prefix);
    }
}

/// Whether it is one of several partitions.
fn is_sound(known: &Renewed) -> bool {
    let count = known.partitions.len();
    (2..=PARTITIONS_MAX).contains(&count) && usize::from(known.partition) < count
}
