//! Sessions, and what they hold: leases to write files, large values that are not committed, and pins.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use super::blocks::Extent;
use super::command::{Condition, Failure, NodeId, SessionId};
use super::config::Config;
use super::jobs::JobId;
use super::names::Name;
use super::slab::{NONE, Slab};
use super::state::{Input, Malformed, State, fields};

/// What a session may hold.
#[derive(Debug, Hash)]
pub(super) enum Held {
    /// The right to write a file.
    Writer(NodeId),
    /// A large value on its way into a table.
    Put(Box<PendingPut>),
    /// The bytes of a file, by this session, to look at them in place.
    Pin(NodeId, SessionId),
    /// A job that runs.
    Job(JobId),
}

/// A value that becomes visible with its commit.
#[derive(Debug, Hash)]
pub(super) struct PendingPut {
    pub(super) table: NodeId,
    pub(super) key: Name,
    pub(super) condition: Condition,
    pub(super) size: u64,
    pub(super) ttl_ns: u64,
    pub(super) extents: Vec<Extent>,
    /// The job in whose directory the table was, and its number there: the value counts as that job's.
    pub(super) job: Option<(JobId, u64)>,
}

#[derive(Debug, Hash)]
struct Hold {
    serial: u64,
    session: u32,
    /// In the list of its session.
    previous: u32,
    next: u32,
    held: Held,
}

fields!(PendingPut {
    table,
    key,
    condition,
    size,
    ttl_ns,
    extents,
    job
});
fields!(Hold {
    serial,
    session,
    previous,
    next,
    held
});

impl State for Held {
    fn save(&self, out: &mut Vec<u8>) {
        match self {
            Held::Writer(node) => {
                0_u8.save(out);
                node.save(out);
            }
            Held::Put(put) => {
                1_u8.save(out);
                put.save(out);
            }
            Held::Pin(node, session) => {
                2_u8.save(out);
                (*node, *session).save(out);
            }
            Held::Job(job) => {
                3_u8.save(out);
                job.save(out);
            }
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match u8::load(input)? {
            0 => State::load(input).map(Held::Writer),
            1 => State::load(input).map(Held::Put),
            2 => State::load(input).map(|(node, session)| Held::Pin(node, session)),
            3 => State::load(input).map(Held::Job),
            _ => Err(Malformed("there is no such thing to hold")),
        }
    }
}

/// Without its deadline, which is no part of what outlives a namenode: all sessions begin a lease when it starts.
impl State for Session {
    fn save(&self, out: &mut Vec<u8>) {
        self.id.save(out);
        (self.first, self.holds).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let id = State::load(input)?;
        let (first, holds) = State::load(input)?;
        Ok(Self {
            id,
            deadline_ns: 0,
            queued_ns: 0,
            first,
            holds,
        })
    }
}

#[derive(Debug, Hash)]
struct Session {
    id: SessionId,
    deadline_ns: u64,
    /// Where it is in the queue.
    queued_ns: u64,
    /// Its last hold, from which its others are linked.
    first: u32,
    holds: u32,
}

/// A session is here from its first hold on until it was silent for the time of a lease, so one that only reads costs
/// nothing.
#[derive(Debug)]
pub(super) struct Sessions {
    sessions_max: u32,
    holds_per_session_max: u32,
    lease_ns: u64,
    by_id: BTreeMap<SessionId, u32>,
    sessions: Slab<Session>,
    holds: Slab<Hold>,
    /// Of the latest hold, so that no id comes twice.
    serial: u64,
    /// (time, session): each session is in here once, at a time not after its deadline.
    queue: BTreeSet<(u64, u32)>,
    /// The session asked for last.
    recent: Option<(SessionId, u32)>,
    puts: u32,
}

/// An id of a hold is its serial number and, in the low bits, its index.
const INDEX_BITS: u32 = 24;
const INDEX_MASK: u64 = (1 << INDEX_BITS) - 1;

/// The index of the hold with this id.
pub(super) fn index_of(id: u64) -> u32 {
    (id & INDEX_MASK) as u32
}

impl Sessions {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            sessions_max: config.sessions_max,
            holds_per_session_max: config.leases_per_session_max,
            lease_ns: config.lease_ns,
            by_id: BTreeMap::new(),
            sessions: Slab::default(),
            holds: Slab::default(),
            serial: 0,
            queue: BTreeSet::new(),
            recent: None,
            puts: 0,
        }
    }

    pub(super) fn sessions(&self) -> usize {
        self.sessions.len()
    }

    pub(super) fn holds(&self) -> usize {
        self.holds.len()
    }

    /// Large values on their way.
    pub(super) fn puts(&self) -> u32 {
        self.puts
    }

    fn find(&mut self, id: SessionId) -> Option<u32> {
        if self.recent.is_none_or(|(recent, _)| recent != id) {
            self.recent = Some((id, *self.by_id.get(&id)?));
        }
        self.recent.map(|(_, index)| index)
    }

    /// A sign of life.
    pub(super) fn renew(&mut self, id: SessionId, now_ns: u64) {
        if let Some(index) = self.find(id) {
            self.sessions[index].deadline_ns = now_ns.saturating_add(self.lease_ns);
        }
    }

    /// Refuses if a session may not hold one thing more. After this, [`Self::hold`] cannot fail.
    pub(super) fn reserve(&mut self, id: SessionId) -> Result<(), Failure> {
        let full = match self.find(id) {
            Some(index) => self.sessions[index].holds >= self.holds_per_session_max,
            None => self.sessions.len() >= self.sessions_max as usize,
        };
        if full || self.holds.len() as u64 >= INDEX_MASK {
            Err(Failure::Full)
        } else {
            Ok(())
        }
    }

    /// Gives a session something to hold, until it is released or the session falls silent.
    pub(super) fn hold(&mut self, id: SessionId, now_ns: u64, held: Held) -> u64 {
        let session = self.find(id).unwrap_or_else(|| self.begin(id, now_ns));
        self.puts += u32::from(matches!(held, Held::Put(_)));
        self.serial += 1;
        let next = self.sessions[session].first;
        let hold = Hold {
            serial: self.serial,
            session,
            previous: NONE,
            next,
            held,
        };
        let index = self.holds.insert(hold);
        if next != NONE {
            self.holds[next].previous = index;
        }
        self.sessions[session].first = index;
        self.sessions[session].holds += 1;
        self.serial << INDEX_BITS | u64::from(index)
    }

    fn begin(&mut self, id: SessionId, now_ns: u64) -> u32 {
        let deadline_ns = now_ns.saturating_add(self.lease_ns);
        let index = self.sessions.insert(Session {
            id,
            deadline_ns,
            queued_ns: deadline_ns,
            first: NONE,
            holds: 0,
        });
        self.by_id.insert(id, index);
        self.queue.insert((deadline_ns, index));
        index
    }

    /// What `id` stands for, if `session` holds it.
    pub(super) fn held(&self, id: u64, session: SessionId) -> Option<&Held> {
        let hold = self.holds.get(index_of(id))?;
        let is_it = hold.serial == id >> INDEX_BITS && self.sessions[hold.session].id == session;
        is_it.then_some(&hold.held)
    }

    /// The id of the hold at an index that is taken.
    pub(super) fn id_at(&self, index: u32) -> u64 {
        self.holds[index].serial << INDEX_BITS | u64::from(index)
    }

    /// Ends a hold, which must be there.
    pub(super) fn release(&mut self, id: u64) -> Held {
        self.release_at(index_of(id))
    }

    /// Ends the hold at an index that is taken.
    pub(super) fn release_at(&mut self, index: u32) -> Held {
        let hold = self.holds.remove(index);
        match hold.previous {
            NONE => self.sessions[hold.session].first = hold.next,
            previous => self.holds[previous].next = hold.next,
        }
        if hold.next != NONE {
            self.holds[hold.next].previous = hold.previous;
        }
        self.sessions[hold.session].holds -= 1;
        self.puts -= u32::from(matches!(hold.held, Held::Put(_)));
        hold.held
    }

    /// Not later than a session ends.
    pub(super) fn next_timeout_ns(&self) -> Option<u64> {
        self.queue.first().map(|&(at_ns, _)| at_ns)
    }

    /// A session that has fallen silent, if there is one.
    pub(super) fn silent(&mut self, now_ns: u64) -> Option<SessionId> {
        while let Some(&(at_ns, index)) = self.queue.first() {
            if at_ns > now_ns {
                return None;
            }
            let session = &mut self.sessions[index];
            if session.deadline_ns <= now_ns {
                return Some(session.id);
            }
            session.queued_ns = session.deadline_ns;
            let renewed = (session.queued_ns, index);
            self.queue.pop_first();
            self.queue.insert(renewed);
        }
        None
    }

    /// Something that a session which has ended held. To be called until there is none; then the session is no more.
    pub(super) fn end(&mut self, id: SessionId) -> Option<Held> {
        let index = *self.by_id.get(&id)?;
        let first = self.sessions[index].first;
        if first != NONE {
            return Some(self.release_at(first));
        }
        let session = self.sessions.remove(index);
        self.by_id.remove(&id);
        self.queue.remove(&(session.queued_ns, index));
        self.recent = None;
        None
    }

    /// Writes down what outlives a namenode.
    pub(super) fn save(&self, out: &mut Vec<u8>) {
        self.sessions.save(out);
        self.holds.save(out);
        self.serial.save(out);
        self.puts.save(out);
    }

    /// Reads that again; all sessions begin a lease.
    pub(super) fn load(config: &Config, now_ns: u64, input: &mut Input<'_>) -> Result<Self, Malformed> {
        let mut sessions = Self {
            sessions: State::load(input)?,
            holds: State::load(input)?,
            serial: State::load(input)?,
            puts: State::load(input)?,
            ..Self::new(config)
        };
        sessions.by_id = sessions
            .sessions
            .iter()
            .map(|(index, session)| (session.id, index))
            .collect();
        sessions.begin_leases(now_ns);
        Ok(sessions)
    }

    /// All sessions live from now on for the time of a lease.
    fn begin_leases(&mut self, now_ns: u64) {
        let deadline_ns = now_ns.saturating_add(self.lease_ns);
        self.queue = self.by_id.values().map(|&index| (deadline_ns, index)).collect();
        for &index in self.by_id.values() {
            let session = &mut self.sessions[index];
            (session.deadline_ns, session.queued_ns) = (deadline_ns, deadline_ns);
        }
    }

    /// Ids of holds go on this much above those before.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.serial += u64::from(gap);
    }

    /// Whether it holds something, or has held something and not been silent since.
    pub(super) fn is_there(&self, id: SessionId) -> bool {
        self.by_id.contains_key(&id)
    }

    /// Other limits from now on. What was queued by a longer lease would be found too late: all sessions begin a new one.
    pub(super) fn limit(&mut self, config: &Config, now_ns: u64) {
        self.sessions_max = config.sessions_max;
        self.holds_per_session_max = config.leases_per_session_max;
        self.lease_ns = config.lease_ns;
        self.begin_leases(now_ns);
    }

    /// Each hold: its index and what is held.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Held)> {
        self.holds.iter().map(|(index, hold)| (index, &hold.held))
    }

    pub(super) fn fingerprint(&self, state: &mut impl Hasher) {
        self.by_id.hash(state);
        self.sessions.hash(state);
        self.holds.hash(state);
        self.queue.hash(state);
        (self.serial, self.puts).hash(state);
    }

    /// Checks that each hold is in the list of its session, and each session in the queue.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut holds = 0;
        for (index, session) in self.sessions.iter() {
            let (mut at, mut count) = (session.first, 0);
            while at != NONE {
                if self.holds[at].session != index {
                    return Err(format!("hold {at} is in the list of another session"));
                }
                at = self.holds[at].next;
                count += 1;
            }
            let is_queued =
                self.queue.contains(&(session.queued_ns, index)) && session.queued_ns <= session.deadline_ns;
            if count != session.holds || !is_queued || self.by_id.get(&session.id) != Some(&index) {
                return Err(format!("session {index} is counted, queued or named wrongly"));
            }
            holds += count as usize;
        }
        let puts = self
            .iter()
            .filter(|(_, held)| matches!(held, Held::Put(_)))
            .count();
        let counts = (holds, puts, self.by_id.len(), self.queue.len());
        let expected = (
            self.holds.len(),
            self.puts as usize,
            self.sessions.len(),
            self.sessions.len(),
        );
        (counts == expected)
            .then_some(())
            .ok_or_else(|| format!("sessions: {counts:?} instead of {expected:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SessionId = SessionId(1);
    const B: SessionId = SessionId(2);

    fn sessions() -> Sessions {
        let limits = Config {
            sessions_max: 2,
            leases_per_session_max: 3,
            lease_ns: 10,
            ..Config::default()
        };
        Sessions::new(&limits)
    }

    fn writer(node: u64) -> Held {
        Held::Writer(NodeId(node))
    }

    fn expired(sessions: &mut Sessions, now_ns: u64) -> Vec<u64> {
        let mut nodes = Vec::new();
        while let Some(silent) = sessions.silent(now_ns) {
            while let Some(held) = sessions.end(silent) {
                match held {
                    Held::Writer(node) => nodes.push(node.0),
                    Held::Put(_) | Held::Pin(..) | Held::Job(_) => unreachable!("there are writers only"),
                }
            }
        }
        sessions.check().unwrap();
        nodes
    }

    #[test]
    fn what_a_silent_session_held_is_found_once() {
        let mut sessions = sessions();
        sessions.hold(A, 0, writer(1));
        sessions.hold(A, 1, writer(2));
        sessions.hold(B, 5, writer(3));
        assert_eq!(sessions.next_timeout_ns(), Some(10));
        assert_eq!(expired(&mut sessions, 9), [0; 0]);
        assert_eq!(expired(&mut sessions, 10), [2, 1]);
        assert_eq!(expired(&mut sessions, 10), [0; 0]);
        assert_eq!(expired(&mut sessions, 15), [3]);
        assert_eq!(
            (sessions.sessions(), sessions.holds(), sessions.next_timeout_ns()),
            (0, 0, None)
        );
    }

    #[test]
    fn a_renewed_session_lives_on() {
        let mut sessions = sessions();
        sessions.hold(A, 0, writer(1));
        sessions.renew(A, 9);
        sessions.renew(B, 9);
        assert_eq!(expired(&mut sessions, 18), [0; 0]);
        assert_eq!(sessions.next_timeout_ns(), Some(19));
        assert_eq!(expired(&mut sessions, 19), [1]);
    }

    #[test]
    fn limits_are_kept() {
        let mut sessions = sessions();
        for node in 0..3 {
            assert_eq!(sessions.reserve(A), Ok(()));
            sessions.hold(A, 0, writer(node));
        }
        assert_eq!(sessions.reserve(A), Err(Failure::Full));
        sessions.hold(B, 0, writer(9));
        assert_eq!(sessions.reserve(SessionId(3)), Err(Failure::Full));
        assert_eq!(expired(&mut sessions, 10).len(), 4);
        assert_eq!(sessions.reserve(SessionId(3)), Ok(()));
    }

    #[test]
    fn an_id_is_good_once_and_for_its_holder_only() {
        let mut sessions = sessions();
        let first = sessions.hold(A, 0, writer(1));
        assert!(sessions.held(first, A).is_some());
        assert!(sessions.held(first, B).is_none());
        assert!(sessions.held(first + 1, A).is_none());
        sessions.release(first);
        let second = sessions.hold(A, 0, writer(2));
        assert_ne!(first, second);
        assert!(sessions.held(first, A).is_none());
        sessions.check().unwrap();
    }
}
