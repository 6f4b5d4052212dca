//! Clients that write into blocks by themselves, in memory that is shared with them, and whether they may still be at it.
//!
//! A client asks for a place, copies, and says that the bytes have landed. No time limit and no end of a connection proves that a
//! client which was stopped in the middle does not go on when it is continued. So what it has reserved is its own until it
//! says otherwise, or until the machine says that it is gone.

use std::collections::BTreeMap;

use crake_datapath::Held;
use crake_store::canary::{Canary, planted};
use crake_store::protocol::tier::RESERVATIONS_MAX;

/// Open reservations of all clients together: what clients that never end can keep from others of this, they have from the ring.
const ALL_MAX: usize = 1024;

/// A client with open reservations.
struct Reserver {
    held: Held,
    open: usize,
    /// Its connection is gone, so it can say nothing any more.
    is_closed: bool,
}

/// All of them, by their connections.
#[derive(Default)]
pub(crate) struct Reservers {
    by_peer: BTreeMap<u64, Reserver>,
    open: usize,
    closed: usize,
}

impl Reservers {
    /// Whether this client may have one more.
    pub(crate) fn has_room(&self, peer: u64) -> bool {
        let own = self.by_peer.get(&peer).map_or(0, |reserver| reserver.open);
        own < RESERVATIONS_MAX && self.open < ALL_MAX
    }

    /// One more is open.
    pub(crate) fn add(&mut self, peer: u64, held: &Held) {
        let reserver = self.by_peer.entry(peer).or_insert_with(|| Reserver {
            held: held.clone(),
            open: 0,
            is_closed: false,
        });
        reserver.open += 1;
        self.open += 1;
    }

    /// One has ended.
    pub(crate) fn end(&mut self, peer: u64) {
        let Some(reserver) = self.by_peer.get_mut(&peer) else {
            return;
        };
        reserver.open -= 1;
        self.open -= 1;
        if reserver.open == 0 {
            self.by_peer.remove(&peer);
        }
    }

    /// A connection is gone, whoever closed it.
    pub(crate) fn close(&mut self, peer: u64) {
        if let Some(reserver) = self.by_peer.get_mut(&peer) {
            reserver.is_closed = true;
            self.closed += 1;
        }
    }

    /// Whether the connection of this client is gone, and the client, as far as is known, is not.
    pub(crate) fn is_closed(&self, peer: u64) -> bool {
        self.closed > 0 && self.by_peer.get(&peer).is_some_and(|reserver| reserver.is_closed)
    }

    /// Whether there is any such client.
    pub(crate) fn has_closed(&self) -> bool {
        self.closed > 0
    }

    /// Forgets those that are gone, and calls `found` with each.
    pub(crate) fn sweep(&mut self, mut found: impl FnMut(u64)) {
        if self.closed == 0 {
            return;
        }
        self.by_peer.retain(|peer, reserver| {
            let is_over =
                reserver.is_closed && (reserver.held.is_over() || planted(Canary::FreeReservationsOnCutOff));
            if is_over {
                self.open -= reserver.open;
                self.closed -= 1;
                found(*peer);
            }
            !is_over
        });
    }
}
