//! Who is told what happens to which nodes (`docs/format/events.md`).
//!
//! No part of the state: what is watched is forgotten with this process, and with a client that asks for no events for
//! the time of a lease.

use std::collections::{BTreeMap, VecDeque};

use crake_store::canary::{Canary, planted};
use smallvec::SmallVec;

use super::command::{Attributes, Event, EventList, Failure, Happened, NodeId, Now, SessionId};
use super::names::Name;

/// Events of one client that wait to be asked for; with more of them it is told that some are lost.
const EVENTS_MAX: usize = 4096;
/// Events of one reply at most.
const PAGE_MAX: usize = 512;
/// What an event takes on the wire beside its name: place in a list (8), bitmap and slots (72), padding (8).
const EVENT_BYTES: usize = 88;

/// Limits of what may be watched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) sessions_max: u32,
    pub(super) watches_per_session_max: u32,
    pub(super) page_bytes_max: u32,
    /// A client that asks for nothing for so long is forgotten.
    pub(super) silence_max_ns: u64,
}

/// All watches of all clients.
#[derive(Debug)]
pub(super) struct Watches {
    limits: Limits,
    sessions: BTreeMap<SessionId, Watcher>,
    by_node: BTreeMap<NodeId, SmallVec<[(SessionId, u64); 1]>>,
    last_id: u64,
    /// Sessions with something to tell that were not told so yet.
    ready: Vec<SessionId>,
    /// Nobody is to be forgotten before.
    quiet_until_ns: u64,
}

/// A client that watches something.
#[derive(Debug)]
struct Watcher {
    /// The time when it became one, so that it is not taken for one of before, or of another namenode.
    number: u64,
    nodes: BTreeMap<u64, NodeId>,
    events: VecDeque<Queued>,
    /// Of the last event; those that are lost have one together.
    sequence: u64,
    /// Up to this it was told: these events stand still.
    told: u64,
    lost_at: u64,
    seen_ns: u64,
    is_ready: bool,
}

#[derive(Debug)]
struct Queued {
    sequence: u64,
    watch: u64,
    happened: Happened,
    name: Name,
    node: Attributes,
}

impl Watches {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            sessions: BTreeMap::new(),
            by_node: BTreeMap::new(),
            last_id: 0,
            ready: Vec::new(),
            quiet_until_ns: 0,
        }
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// Begins a watch; gives its number, which never comes twice, and that of the watcher.
    pub(super) fn begin(
        &mut self,
        session: SessionId,
        node: NodeId,
        now: Now,
    ) -> Result<(u64, u64), Failure> {
        let is_known = self.sessions.contains_key(&session);
        if !is_known && self.sessions.len() >= self.limits.sessions_max as usize {
            return Err(Failure::Full);
        }
        let watcher = self.sessions.entry(session).or_insert_with(|| Watcher::new(now));
        if watcher.nodes.len() >= self.limits.watches_per_session_max as usize {
            return Err(Failure::Full);
        }
        watcher.seen_ns = now.mono_ns;
        self.last_id += 1;
        watcher.nodes.insert(self.last_id, node);
        self.by_node
            .entry(node)
            .or_default()
            .push((session, self.last_id));
        Ok((self.last_id, watcher.number))
    }

    /// Ends a watch, if there is one of this number.
    pub(super) fn end(&mut self, session: SessionId, watch: u64) {
        let Some(watcher) = self.sessions.get_mut(&session) else {
            return;
        };
        watcher.events.retain(|event| event.watch != watch);
        if let Some(node) = watcher.nodes.remove(&watch) {
            forget(&mut self.by_node, node, watch);
        }
    }

    /// The events after `after` of a session; those up to it have arrived and are forgotten.
    pub(super) fn events(
        &mut self,
        (session, number): (SessionId, u64),
        after: u64,
        now_ns: u64,
    ) -> EventList<'_> {
        let watcher = self.sessions.get_mut(&session);
        let Some(watcher) = watcher.filter(|watcher| watcher.number == number) else {
            return EventList::default();
        };
        watcher.seen_ns = now_ns;
        let arrived = match planted(Canary::ForgetToldEvents) {
            true => after.max(watcher.told),
            false => after,
        };
        while watcher
            .events
            .front()
            .is_some_and(|event| event.sequence <= arrived)
        {
            watcher.events.pop_front();
        }
        let mut room = self.limits.page_bytes_max as usize;
        let fits = |event: &&Queued| {
            let bytes = EVENT_BYTES + event.name.as_bytes().len();
            room = room.saturating_sub(bytes);
            room > 0
        };
        let count = watcher.events.iter().take(PAGE_MAX).take_while(fits).count();
        let lost = watcher.lost_at > after;
        watcher.told = match count {
            0 => watcher.sequence.max(watcher.told),
            count => watcher.events[count - 1].sequence,
        };
        EventList {
            sequence: watcher.told,
            lost,
            is_known: true,
            events: Events {
                queue: watcher.events.range(..count),
            },
        }
    }

    /// Tells who watches `node` what happened to it, or to its entry `name`.
    pub(super) fn tell(&mut self, node: NodeId, name: &[u8], happened: Happened, about: &Attributes) {
        let Some(watching) = self.by_node.get(&node) else {
            return;
        };
        for &(session, watch) in watching {
            let watcher = self.sessions.get_mut(&session).expect("who watches is known");
            watcher.note(watch, name, happened, about);
            if !watcher.is_ready {
                watcher.is_ready = true;
                self.ready.push(session);
            }
        }
    }

    /// A node is no more: tells who watches it, for the last time.
    pub(super) fn gone(&mut self, about: &Attributes) {
        self.tell(about.id, &[], Happened::Deleted, about);
        for (session, watch) in self.by_node.remove(&about.id).into_iter().flatten() {
            if let Some(watcher) = self.sessions.get_mut(&session) {
                watcher.nodes.remove(&watch);
            }
        }
    }

    /// A session that has something to be told since it was told last.
    #[inline]
    pub(super) fn next_ready(&mut self) -> Option<SessionId> {
        let session = self.ready.pop()?;
        if let Some(watcher) = self.sessions.get_mut(&session) {
            watcher.is_ready = false;
        }
        Some(session)
    }

    /// Forgets clients that are silent; looks for them a few times in the time that they may be.
    #[inline]
    pub(super) fn expire(&mut self, now_ns: u64) {
        if !self.sessions.is_empty() && now_ns >= self.quiet_until_ns {
            self.quiet_until_ns = now_ns.saturating_add(self.limits.silence_max_ns / 4);
            self.forget_silent(now_ns);
        }
    }

    fn forget_silent(&mut self, now_ns: u64) {
        let (silence_max_ns, by_node) = (self.limits.silence_max_ns, &mut self.by_node);
        self.sessions.retain(|_, watcher| {
            let is_alive = watcher.seen_ns.saturating_add(silence_max_ns) > now_ns;
            if !is_alive {
                for (&watch, &node) in &watcher.nodes {
                    forget(by_node, node, watch);
                }
            }
            is_alive
        });
    }

    /// A client is there, though it asks nothing: its question waits.
    pub(super) fn keep(&mut self, session: SessionId, now_ns: u64) {
        if let Some(watcher) = self.sessions.get_mut(&session) {
            watcher.seen_ns = watcher.seen_ns.max(now_ns);
        }
    }
}

fn forget(by_node: &mut BTreeMap<NodeId, SmallVec<[(SessionId, u64); 1]>>, node: NodeId, watch: u64) {
    if let Some(watching) = by_node.get_mut(&node) {
        watching.retain(|(_, other)| *other != watch);
        if watching.is_empty() {
            by_node.remove(&node);
        }
    }
}

impl Watcher {
    fn new(now: Now) -> Self {
        Self {
            number: now.wall_ns.max(1),
            nodes: BTreeMap::new(),
            events: VecDeque::new(),
            sequence: 0,
            told: 0,
            lost_at: 0,
            seen_ns: now.mono_ns,
            is_ready: false,
        }
    }

    fn note(&mut self, watch: u64, name: &[u8], happened: Happened, about: &Attributes) {
        self.sequence += 1;
        let sequence = self.sequence;
        // Of a file that grows in small steps the last one is enough, as long as nobody has heard of the one before.
        if happened == Happened::Grew
            && let Some(last) = self.events.back_mut()
            && (last.watch, last.happened, last.node.id) == (watch, Happened::Grew, about.id)
            && last.sequence > self.told
        {
            (last.sequence, last.node) = (sequence, *about);
            return;
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.clear();
            self.lost_at = sequence;
            return;
        }
        self.events.push_back(Queued {
            sequence,
            watch,
            happened,
            name: Name::new(name),
            node: *about,
        });
    }
}

/// The events of a reply.
#[derive(Clone, Debug, Default)]
pub struct Events<'a> {
    queue: std::collections::vec_deque::Iter<'a, Queued>,
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        let event = self.queue.next()?;
        Some(Event {
            sequence: event.sequence,
            watch: event.watch,
            happened: event.happened,
            name: event.name.as_bytes(),
            node: event.node,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.queue.size_hint()
    }
}

impl ExactSizeIterator for Events<'_> {}
