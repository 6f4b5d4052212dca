//! The network's state and what happens in it. Nothing here turns a runtime.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Weak;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::connection::{Connection, ConnectionId, Phase, Side};
use super::disk::Disk;
use super::kept::Kept;
use super::network::{NodeId, SimConfig};
use crate::driver::{Event, Token};
use crate::error::Error;
use crate::memory::{Memory, Shared};
use crate::random::Random;
use crate::time::{Time, WallTime};

/// A node in one of its lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) incarnation: u32,
}

pub(super) struct State {
    pub(super) config: SimConfig,
    pub(super) now: Time,
    pub(super) random: Random,
    trace: u64,
    sequence: u64,
    connections_made: ConnectionId,
    pub(super) nodes: BTreeMap<NodeId, Node>,
    connections: BTreeMap<ConnectionId, Connection>,
    listeners: BTreeMap<(NodeId, u16), Listener>,
    /// What will happen, by time and then by order of being decided.
    future: BTreeMap<(Time, u64), Happening>,
    /// What waits for a partition to heal.
    held: Vec<Happening>,
    partitions: BTreeSet<(NodeId, NodeId)>,
}

#[derive(Default)]
pub(super) struct Node {
    pub(super) incarnation: u32,
    pub(super) alive: bool,
    /// For devices of the living incarnation.
    pub(super) events: Vec<Event>,
    /// What this node's wall clock is ahead of the time since the start.
    pub(super) wall_offset_ns: u64,
    /// Added to everything that arrives here.
    pub(super) slowness: Duration,
    pub(super) disk: Arc<Mutex<Disk>>,
    pub(super) kept: Kept,
}

struct Listener {
    incarnation: u32,
    token: Option<Token>,
    backlog: VecDeque<ConnectionId>,
    memory: Option<Memory>,
    /// Whether some of it may be written.
    is_writable: bool,
}

enum Happening {
    Arrive {
        connection: ConnectionId,
        side: Side,
        bytes: Vec<u8>,
    },
    Finish {
        connection: ConnectionId,
        side: Side,
    },
    Reset {
        connection: ConnectionId,
        side: Side,
    },
    ConnectRequest {
        connection: ConnectionId,
    },
    ConnectAnswer {
        connection: ConnectionId,
        result: Result<(), Error>,
    },
}

impl Happening {
    fn connection(&self) -> ConnectionId {
        match *self {
            Happening::Arrive { connection, .. }
            | Happening::Finish { connection, .. }
            | Happening::Reset { connection, .. }
            | Happening::ConnectRequest { connection }
            | Happening::ConnectAnswer { connection, .. } => connection,
        }
    }

    /// Tells kinds apart in the trace.
    fn number(&self) -> u64 {
        match self {
            Happening::Arrive { bytes, .. } => 8 + bytes.len() as u64,
            Happening::Finish { .. } => 1,
            Happening::Reset { .. } => 2,
            Happening::ConnectRequest { .. } => 3,
            Happening::ConnectAnswer { .. } => 4,
        }
    }
}

impl State {
    pub(super) fn new(seed: u64, config: SimConfig) -> State {
        State {
            config,
            now: Time(0),
            random: Random::new(seed),
            trace: 0,
            sequence: 0,
            connections_made: 0,
            nodes: BTreeMap::new(),
            connections: BTreeMap::new(),
            listeners: BTreeMap::new(),
            future: BTreeMap::new(),
            held: Vec::new(),
            partitions: BTreeSet::new(),
        }
    }

    pub(super) fn trace(&self) -> u64 {
        self.trace
    }

    /// Folds a fact into the trace.
    pub(super) fn note(&mut self, what: u64) {
        self.trace = Random::new(self.trace ^ what).next();
    }

    pub(super) fn wall(&self, node: NodeId) -> WallTime {
        let offset_ns = self.nodes.get(&node).map_or(0, |node| node.wall_offset_ns);
        WallTime(self.now.0.saturating_add(offset_ns))
    }

    /// What a node keeps over its crashes.
    pub(super) fn disk(&mut self, node: NodeId) -> Arc<Mutex<Disk>> {
        self.nodes.entry(node).or_default().disk.clone()
    }

    /// The memory that a node keeps over its crashes.
    pub(super) fn kept(&mut self, node: NodeId) -> &mut Kept {
        &mut self.nodes.entry(node).or_default().kept
    }

    pub(super) fn next_happening(&self) -> Option<Time> {
        self.future.keys().next().map(|&(time, _)| time)
    }

    /// Lets everything happen that is due; true if anything did.
    pub(super) fn happen(&mut self) -> bool {
        let mut happened = false;
        while let Some(entry) = self
            .future
            .first_entry()
            .filter(|entry| entry.key().0 <= self.now)
        {
            let happening = entry.remove();
            self.take_place(happening);
            happened = true;
        }
        happened
    }

    fn take_place(&mut self, happening: Happening) {
        if self.is_cut(happening.connection()) {
            self.held.push(happening);
            return;
        }
        self.note(self.now.0 ^ happening.connection() << 40 ^ happening.number());
        match happening {
            Happening::Arrive {
                connection,
                side,
                bytes,
            } => self.arrive(connection, side, bytes),
            Happening::Finish { connection, side } => self.end(connection, side, |end| end.finished = true),
            Happening::Reset { connection, side } => self.end(connection, side, |end| end.reset = true),
            Happening::ConnectRequest { connection } => self.connect_request(connection),
            Happening::ConnectAnswer { connection, result } => self.connect_answer(connection, result),
        }
    }

    /// Whether a partition lies between the ends of a connection.
    fn is_cut(&mut self, connection: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(&connection) else {
            return false;
        };
        let [a, b] = [Side::Client, Side::Server].map(|side| connection.place(side).node);
        self.partitions.contains(&(a.min(b), a.max(b)))
    }

    fn arrive(&mut self, id: ConnectionId, side: Side, bytes: Vec<u8>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(side);
        if end.closed || !is_alive(&self.nodes, end.place) {
            // A host answers bytes for a connection that it does not know with a reset.
            self.schedule_reset(id, side.other());
            return;
        }
        end.inbox.push_back(bytes);
        self.report(id, side, true, false);
    }

    fn end(&mut self, id: ConnectionId, side: Side, change: impl FnOnce(&mut super::connection::End)) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        change(connection.end(side));
        self.report(id, side, true, true);
        self.forget_if_over(id);
    }

    fn connect_request(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let (server, port) = (connection.place(Side::Server).node, connection.port);
        let incarnation = self
            .nodes
            .get(&server)
            .filter(|node| node.alive)
            .map(|node| node.incarnation);
        let listener = self.listeners.get_mut(&(server, port));
        let listener = listener.filter(|listener| Some(listener.incarnation) == incarnation);
        let (result, waiting, memory, is_writable) = match listener {
            Some(listener) if listener.backlog.len() < self.config.backlog => {
                listener.backlog.push_back(id);
                (
                    Ok(()),
                    listener.token,
                    listener.memory.clone(),
                    listener.is_writable,
                )
            }
            _ => (Err(Error::Refused), None, None, false),
        };
        let memory = memory.filter(|_| self.random.chance(self.config.shared_per_mille));
        if let (Some(incarnation), Some(connection)) = (incarnation, self.connections.get_mut(&id)) {
            connection.end(Side::Server).place.incarnation = incarnation;
            connection.share(memory, is_writable);
        }
        if let (Some(token), Some(node)) = (waiting, self.nodes.get_mut(&server)) {
            node.events.push(Event::readable(token));
        }
        let delay = self.delay(server);
        self.schedule(
            delay,
            Happening::ConnectAnswer {
                connection: id,
                result,
            },
        );
    }

    fn connect_answer(&mut self, id: ConnectionId, result: Result<(), Error>) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.phase = result.map_or_else(Phase::Failed, |()| Phase::Established);
        self.report(id, Side::Client, true, true);
    }

    /// Tells a living device that it may get on.
    fn report(&mut self, id: ConnectionId, side: Side, readable: bool, writable: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(side);
        let (Some(token), place) = (end.token, end.place) else {
            return;
        };
        let hung_up = end.finished || end.reset;
        if is_alive(&self.nodes, place)
            && let Some(node) = self.nodes.get_mut(&place.node)
        {
            node.events.push(Event {
                token,
                readable,
                writable,
                hung_up,
            });
        }
    }

    fn delay(&mut self, to: NodeId) -> Duration {
        let slowness = self.nodes.get(&to).map_or(Duration::ZERO, |node| node.slowness);
        let (shortest, longest) = self.config.delay;
        slowness + self.random.duration(shortest, longest)
    }

    fn schedule(&mut self, delay: Duration, happening: Happening) {
        let time = self.now + delay;
        self.schedule_at(time, happening);
    }

    fn schedule_at(&mut self, time: Time, happening: Happening) {
        self.sequence += 1;
        self.future.insert((time, self.sequence), happening);
    }

    /// Sends something to one end, after everything that was sent there before.
    fn schedule_to(&mut self, id: ConnectionId, side: Side, happening: Happening) {
        let Some(node) = self
            .connections
            .get(&id)
            .map(|connection| connection.place(side).node)
        else {
            return;
        };
        let delay = self.delay(node);
        let arrival = self.now + delay;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(side);
        end.last_arrival = end.last_arrival.max(arrival);
        let arrival = end.last_arrival;
        self.schedule_at(arrival, happening);
    }

    fn schedule_reset(&mut self, id: ConnectionId, side: Side) {
        self.schedule_to(id, side, Happening::Reset { connection: id, side });
    }

    fn forget_if_over(&mut self, id: ConnectionId) {
        if self.connections.get(&id).is_some_and(Connection::is_over) {
            self.connections.remove(&id);
        }
    }
}

/// What devices ask.
impl State {
    /// Connects. The tie is what the client's end has, and who writes to memory that it is given.
    pub(super) fn connect(
        &mut self,
        client: Place,
        (server, port): (NodeId, u16),
        tie: Weak<dyn Any>,
    ) -> ConnectionId {
        self.connections_made += 1;
        let id = self.connections_made;
        self.connections
            .insert(id, Connection::new(client, (server, port), tie));
        let delay = self.delay(server);
        self.schedule(delay, Happening::ConnectRequest { connection: id });
        id
    }

    pub(super) fn listen(&mut self, place: Place, port: u16) -> Result<u16, Error> {
        let port = if port == 0 {
            self.free_port(place.node)
        } else {
            port
        };
        let taken = self.listeners.get(&(place.node, port));
        if taken.is_some_and(|listener| listener.incarnation == place.incarnation) {
            return Err(Error::AddressInUse);
        }
        let listener = Listener {
            incarnation: place.incarnation,
            token: None,
            backlog: VecDeque::new(),
            memory: None,
            is_writable: false,
        };
        self.listeners.insert((place.node, port), listener);
        Ok(port)
    }

    fn free_port(&self, node: NodeId) -> u16 {
        let is_free = |port: &u16| !self.listeners.contains_key(&(node, *port));
        (49_152..=u16::MAX)
            .find(is_free)
            .expect("a simulated node listens at few ports")
    }

    pub(super) fn attach_listener(&mut self, place: Place, port: u16, token: Token) {
        let Some(listener) = self.listener(place, port) else {
            return;
        };
        listener.token = Some(token);
        let waiting = !listener.backlog.is_empty();
        if let Some(node) = self.nodes.get_mut(&place.node).filter(|_| waiting) {
            node.events.push(Event::readable(token));
        }
    }

    /// What all that connect from now on may read, and perhaps write.
    pub(super) fn share(&mut self, place: Place, port: u16, regions: &[Shared]) -> bool {
        let memory = Memory::of_shared(regions).stepwise(self.config.step_max);
        let Some(listener) = self.listener(place, port) else {
            return false;
        };
        listener.memory = Some(memory);
        listener.is_writable = regions.iter().any(Shared::is_writable);
        true
    }

    pub(super) fn accept(&mut self, place: Place, port: u16) -> Option<ConnectionId> {
        self.listener(place, port)?.backlog.pop_front()
    }

    pub(super) fn stop_listening(&mut self, place: Place, port: u16) {
        if self.listener(place, port).is_none() {
            return;
        }
        let Some(listener) = self.listeners.remove(&(place.node, port)) else {
            return;
        };
        for id in listener.backlog {
            self.close(id, Side::Server);
        }
    }

    fn listener(&mut self, place: Place, port: u16) -> Option<&mut Listener> {
        let listener = self.listeners.get_mut(&(place.node, port))?;
        (listener.incarnation == place.incarnation).then_some(listener)
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id)
    }

    pub(super) fn attach(&mut self, id: ConnectionId, side: Side, token: Token) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end(side).token = Some(token);
            self.report(id, side, true, true);
        }
    }

    /// How many bytes the side may send now; `None` while there is no room.
    pub(super) fn room(&mut self, id: ConnectionId, side: Side) -> Result<Option<usize>, Error> {
        let window = self.config.window_bytes;
        let connection = self.connections.get_mut(&id).ok_or(Error::Reset)?;
        if connection.end(side).reset {
            return Err(Error::Reset);
        }
        let peer = connection.end(side.other());
        peer.peer_waits = peer.unread_bytes >= window;
        Ok((!peer.peer_waits).then(|| window - peer.unread_bytes))
    }

    /// Sends bytes on their way, sometimes in pieces.
    pub(super) fn send(&mut self, id: ConnectionId, from: Side, mut bytes: Vec<u8>) {
        let to = from.other();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.end(to).unread_bytes += bytes.len();
        }
        while bytes.len() > 1 && self.random.chance(self.config.cut_per_mille) {
            let cut = 1 + self.random.below(bytes.len() as u64 - 1) as usize;
            let rest = bytes.split_off(cut);
            self.schedule_to(
                id,
                to,
                Happening::Arrive {
                    connection: id,
                    side: to,
                    bytes,
                },
            );
            bytes = rest;
        }
        self.schedule_to(
            id,
            to,
            Happening::Arrive {
                connection: id,
                side: to,
                bytes,
            },
        );
    }

    pub(super) fn finish(&mut self, id: ConnectionId, from: Side) {
        let side = from.other();
        self.schedule_to(id, side, Happening::Finish { connection: id, side });
    }

    /// The side received something: the other one may have room again.
    pub(super) fn received(&mut self, id: ConnectionId, side: Side) {
        let window = self.config.window_bytes;
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(side);
        if end.peer_waits && end.unread_bytes < window {
            end.peer_waits = false;
            self.report(id, side.other(), false, true);
        }
    }

    /// The side dropped its device: the peer sees an end, or, if something was not read, a reset, as with TCP.
    pub(super) fn close(&mut self, id: ConnectionId, side: Side) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        let end = connection.end(side);
        end.closed = true;
        let unread = !end.inbox.is_empty();
        end.inbox.clear();
        end.token = None;
        let other = side.other();
        let happening = match unread {
            true => Happening::Reset {
                connection: id,
                side: other,
            },
            false => Happening::Finish {
                connection: id,
                side: other,
            },
        };
        self.schedule_to(id, other, happening);
        self.forget_if_over(id);
    }
}

/// Faults.
impl State {
    pub(super) fn partition(&mut self, a: NodeId, b: NodeId) {
        self.note(10);
        self.partitions.insert((a.min(b), a.max(b)));
    }

    pub(super) fn heal(&mut self, a: NodeId, b: NodeId) {
        self.note(11);
        self.partitions.remove(&(a.min(b), a.max(b)));
        // What was held keeps its order, and stays behind nothing that is sent from now on.
        let held = std::mem::take(&mut self.held);
        for happening in held {
            if self.is_cut(happening.connection()) {
                self.held.push(happening);
            } else {
                self.take_place(happening);
            }
        }
    }

    pub(super) fn partitions(&self) -> Vec<(NodeId, NodeId)> {
        self.partitions.iter().copied().collect()
    }

    /// Resets the connections that `which` names, at both ends and at once; what is under way is lost.
    pub(super) fn reset(&mut self, which: impl Fn(&Connection) -> bool) {
        let ids: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| which(connection))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.note(12 ^ id << 8);
            self.drop_under_way(id);
            let keeps_arrived = self.random.chance(500);
            for side in [Side::Client, Side::Server] {
                self.break_end(id, side, keeps_arrived);
            }
            self.forget_if_over(id);
        }
    }

    fn break_end(&mut self, id: ConnectionId, side: Side, keeps_arrived: bool) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.phase == Phase::Connecting {
            connection.phase = Phase::Failed(Error::Reset);
        }
        let end = connection.end(side);
        end.reset = true;
        if !keeps_arrived {
            end.inbox.clear();
            end.unread_bytes = 0;
        }
        self.report(id, side, true, true);
    }

    fn drop_under_way(&mut self, id: ConnectionId) {
        self.future.retain(|_, happening| happening.connection() != id);
        self.held.retain(|happening| happening.connection() != id);
    }

    /// Ends the life of a node: its listeners and its ends of connections are gone.
    pub(super) fn kill(&mut self, node: NodeId) {
        self.note(13 ^ u64::from(node) << 8);
        if let Some(state) = self.nodes.get_mut(&node) {
            state.alive = false;
            state.events.clear();
        }
        self.listeners.retain(|&(at, _), _| at != node);
        for connection in self.connections.values_mut() {
            for side in [Side::Client, Side::Server] {
                if connection.place(side).node == node {
                    let end = connection.end(side);
                    end.closed = true;
                    end.token = None;
                }
            }
        }
        self.connections.retain(|_, connection| !connection.is_over());
    }
}

pub(super) fn is_alive(nodes: &BTreeMap<NodeId, Node>, place: Place) -> bool {
    nodes
        .get(&place.node)
        .is_some_and(|node| node.alive && node.incarnation == place.incarnation)
}
