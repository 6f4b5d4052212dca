//! One simulated connection: what is under way, and what has arrived.

use std::any::Any;
use std::collections::VecDeque;
use std::rc::Weak;

use crake_mem::Segment;

use super::network::NodeId;
use super::state::Place;
use crate::driver::Token;
use crate::error::Error;
use crate::memory::{Held, Memory};
use crate::time::Time;

/// Names a connection; counted from 1 in order of connecting.
pub(super) type ConnectionId = u64;

/// The two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    Client,
    Server,
}

impl Side {
    pub(super) fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Whether an attempt to connect has been answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Connecting,
    Established,
    Failed(Error),
}

pub(super) struct Connection {
    pub(super) phase: Phase,
    pub(super) port: u16,
    /// What the listener shared when it heard of this client.
    pub(super) memory: Option<Memory>,
    /// What the client has of it.
    pub(super) held: Option<Held>,
    tie: Weak<dyn Any>,
    ends: [End; 2],
}

/// What one side sees.
pub(super) struct End {
    /// The node and its incarnation; a later incarnation knows nothing of this connection.
    pub(super) place: Place,
    pub(super) token: Option<Token>,
    /// Arrived, in order.
    pub(super) inbox: VecDeque<Vec<u8>>,
    /// Bytes sent to this end that it has not yet received: the peer may send while this is below the window.
    pub(super) unread_bytes: usize,
    /// The peer's end has arrived, after everything in the inbox.
    pub(super) finished: bool,
    /// The connection broke, as seen from here; the inbox goes first.
    pub(super) reset: bool,
    /// This side dropped its device.
    pub(super) closed: bool,
    /// The other side waits for room.
    pub(super) peer_waits: bool,
    /// When the last thing sent to this end arrives: nothing overtakes it.
    pub(super) last_arrival: Time,
}

impl Connection {
    pub(super) fn new(client: Place, (server, port): (NodeId, u16), tie: Weak<dyn Any>) -> Connection {
        let server = Place {
            node: server,
            incarnation: 0,
        };
        Connection {
            phase: Phase::Connecting,
            port,
            memory: None,
            held: None,
            tie,
            ends: [End::new(client), End::new(server)],
        }
    }

    /// Gives the client what it may read, and perhaps write.
    pub(super) fn share(&mut self, memory: Option<Memory>, is_writable: bool) {
        self.memory = memory.map(|memory| memory.tied_to(self.tie.clone()));
        let is_held = is_writable && self.memory.is_some();
        self.held = is_held.then(|| Held::by_neighbour(self.tie.clone()));
    }

    pub(super) fn end(&mut self, side: Side) -> &mut End {
        &mut self.ends[side as usize]
    }

    pub(super) fn place(&self, side: Side) -> Place {
        self.ends[side as usize].place
    }

    /// Whether it goes between the two nodes, in either direction.
    pub(super) fn is_between(&self, a: NodeId, b: NodeId) -> bool {
        let nodes = self.ends.each_ref().map(|end| end.place.node);
        nodes == [a, b] || nodes == [b, a]
    }

    pub(super) fn has_node(&self, node: NodeId) -> bool {
        self.ends.iter().any(|end| end.place.node == node)
    }

    /// Nobody holds either end any more.
    pub(super) fn is_over(&self) -> bool {
        self.ends
            .iter()
            .all(|end| end.closed || end.reset && end.token.is_none())
    }
}

impl End {
    fn new(place: Place) -> End {
        End {
            place,
            token: None,
            inbox: VecDeque::new(),
            unread_bytes: 0,
            finished: false,
            reset: false,
            closed: false,
            peer_waits: false,
            last_arrival: Time(0),
        }
    }

    /// Moves what has arrived to the front of `target` and says how much it was.
    pub(super) fn take(&mut self, len_max: usize, mut write: impl FnMut(&[u8])) -> usize {
        let mut taken = 0;
        while taken < len_max {
            let Some(mut piece) = self.inbox.pop_front() else {
                break;
            };
            let count = piece.len().min(len_max - taken);
            write(&piece[..count]);
            taken += count;
            if count < piece.len() {
                self.inbox.push_front(piece.split_off(count));
            }
        }
        self.unread_bytes -= taken;
        taken
    }
}

/// Copies the first `count` bytes of `segments`.
pub(super) fn front(segments: &[Segment], count: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(count);
    for segment in segments {
        let part = segment.len().min(count - bytes.len());
        bytes.extend_from_slice(&segment.slice(..part).to_vec());
    }
    bytes
}
