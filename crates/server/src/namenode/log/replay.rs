//! Doing again what a log says.

use super::super::branches::Branches;
use super::super::command::{Now, SessionId};
use super::super::config::Config;
use super::super::datanodes::{Limits, Registry};
use super::super::errands::Errands;
use super::super::jobs::Jobs;
use super::super::moves::Moves;
use super::super::namespace::{Namespace, ROOT};
use super::super::nodes::Nodes;
use super::super::pins::Pins;
use super::super::removal::Removals;
use super::super::sessions::Sessions;
use super::super::state::{Input, Malformed, State};
use super::super::watches::Watches;
use super::command::{self, Entry, Event};
use super::outcome;
use super::record::Record;

/// After a loss, all that is given out only once is this far above what is known to have been given out: more than a namenode gives
/// out between two writes to the device.
const GAP: u32 = 1 << 20;

/// Why a record cannot be done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// Its bytes are not a record.
    #[error("{0}")]
    Malformed(#[from] Malformed),
    /// What it does now is not what it did then: the log and the state before it do not belong together, or the program has changed.
    #[error("doing it again gives another result than the first time")]
    Diverged,
}

impl Namespace {
    /// Has all changes taken down from now on.
    pub fn keep_journal(&mut self, journal: &super::Journal) {
        self.journal = journal.clone();
    }

    /// Does one record again.
    pub(super) fn replay(&mut self, record: &Record<'_>) -> Result<(), ReplayError> {
        self.now.mono_ns = self.now.mono_ns.max(record.head.now.mono_ns);
        self.now.wall_ns = record.head.now.wall_ns;
        self.look_at_time();
        let mut lists = command::Lists::default();
        match command::load(record.head.kind, record.body, &mut lists)? {
            Entry::Command(session, command) => {
                let result = self.execute(session, &command);
                let is_same = outcome::of(&result) == record.head.outcome;
                is_same.then_some(()).ok_or(ReplayError::Diverged)
            }
            Entry::Event(event) => self.happen(event).ok_or(ReplayError::Diverged),
            Entry::Limits(config) if !config.is_sound() => {
                Err(Malformed("limits that no namenode has").into())
            }
            Entry::Limits(config) => {
                self.limit(&config);
                Ok(())
            }
        }
    }

    /// Does what no command does. Nothing if there is no such session or datanode.
    pub(in crate::namenode) fn happen(&mut self, event: Event) -> Option<()> {
        match event {
            Event::SessionEnded(session) => self.end_session(session),
            Event::DatanodeSilent(id) => self.registry.set_alive(id, false, self.now.mono_ns),
            Event::DatanodeHeard(id) => self.registry.set_alive(id, true, self.now.mono_ns),
            Event::SliceRemoved => {
                self.remove_slice();
                Some(())
            }
            Event::Gap => {
                self.leave_gap();
                Some(())
            }
        }
    }

    fn end_session(&mut self, session: SessionId) -> Option<()> {
        if !self.sessions.is_there(session) {
            return None;
        }
        while let Some(held) = self.sessions.end(session) {
            self.give_up(held);
        }
        Some(())
    }

    fn leave_gap(&mut self) {
        self.nodes.leave_gap(GAP);
        self.sessions.leave_gap(GAP);
        self.registry.leave_gap(GAP);
        self.jobs.leave_gap(GAP);
        self.moves.leave_gap(GAP);
        self.errands.leave_gap(GAP, self.config.others());
        self.give_up_lost_lock();
        self.forget_loans();
    }

    /// Other limits from now on, also for leases: all sessions begin one. Who it is stays.
    fn limit(&mut self, config: &Config) {
        self.config = Config {
            seed: self.config.seed,
            incarnation: self.config.incarnation,
            partition: self.config.partition,
            partitions: self.config.partitions,
            ..*config
        };
        self.sessions.limit(config, self.now.mono_ns);
        self.watches = Watches::new(config.watches());
        self.registry
            .limit(config.datanodes_max, config.heartbeat_timeout_ns);
    }

    /// A namenode goes on with what a log has: with these limits, from `now` on. All sessions begin a lease and all datanodes are
    /// heard of, for nobody could say anything in the meantime. `is_whole`: nothing can be missing at the end of the log.
    pub(super) fn go_on(&mut self, now: Now, config: &Config, is_whole: bool) {
        self.now.mono_ns = self.now.mono_ns.max(now.mono_ns);
        self.now.wall_ns = now.wall_ns;
        if !is_whole {
            // There is room for this: the segment is new.
            let _ = self.journal.event(self.now, Event::Gap);
            self.leave_gap();
        }
        self.journal.limits(self.now, config);
        self.limit(config);
        self.outlast_referrals();
        self.registry.hear_all(self.now.mono_ns);
    }

    /// Writes down all that outlives a namenode. Two namespaces with the same records have the same bytes.
    pub fn save(&self, out: &mut Vec<u8>) {
        self.config.save(out);
        self.nodes.save(out);
        self.registry.save(out);
        self.sessions.save(out);
        self.pins.save(out);
        self.jobs.save(out);
        self.removals.save(out);
        self.branches.save(out);
        self.shards.save(out);
        self.errands.save(out);
        self.moves.save(out);
        self.lending.save(out);
        self.borrowing.save(out);
    }

    /// Reads that again.
    ///
    /// # Errors
    /// The bytes are not what was saved. What contradicts itself may be a panic later: a checksum is for who keeps them.
    pub fn load(bytes: &[u8], now: Now) -> Result<Namespace, Malformed> {
        let mut input = Input::new(bytes);
        let config = Config::load(&mut input)?;
        if !config.is_sound() {
            return Err(Malformed("limits that no namenode has"));
        }
        let limits = Limits {
            datanodes_max: config.datanodes_max,
            heartbeat_timeout_ns: config.heartbeat_timeout_ns,
            namenode: config.incarnation,
            seed: config.seed,
            partition: config.partition,
        };
        let mut namespace = Namespace::new(config);
        namespace.now = now;
        namespace.nodes = Nodes::load(&mut input)?;
        namespace.registry = Registry::load(limits, now.mono_ns, &mut input)?;
        namespace.sessions = Sessions::load(&namespace.config, now.mono_ns, &mut input)?;
        namespace.pins = Pins::load(&mut input)?;
        namespace.jobs = Jobs::load(&mut input)?;
        namespace.removals = Removals::load(&mut input)?;
        namespace.branches = Branches::load(&mut input)?;
        namespace.shards = State::load(&mut input)?;
        namespace.errands = Errands::load(&mut input)?;
        namespace.moves = Moves::load(&mut input)?;
        namespace.lending = State::load(&mut input)?;
        namespace.borrowing = State::load(&mut input)?;
        input.end()?;
        namespace.look_at_time();
        namespace.index_all()?;
        Ok(namespace)
    }

    /// Finds all nodes by their names.
    fn index_all(&mut self) -> Result<(), Malformed> {
        for (index, record) in self.nodes.records.iter() {
            // What is being removed has lost its name, a branch has it elsewhere, and a shard has none.
            if index != ROOT && !self.removals.is_top(index) && !self.is_apart(index) {
                let name = self
                    .nodes
                    .find_name(record)
                    .ok_or(Malformed("a node without its name"))?;
                self.index.insert(self.hasher.tag(record.parent, name), index);
            }
        }
        Ok(())
    }
}

/// Does all records in `bytes` again, each of which must be whole. For tests, and whoever keeps records by themselves.
///
/// # Errors
/// Where a record begins that is malformed, or gives another result than the first time.
pub fn replay_all(namespace: &mut Namespace, bytes: &[u8]) -> Result<(), (usize, ReplayError)> {
    let mut at = 0;
    while at < bytes.len() {
        let (record, len) = Record::read(&bytes[at..]).map_err(|error| (at, error.into()))?;
        namespace.replay(&record).map_err(|error| (at, error))?;
        at += len;
    }
    Ok(())
}
