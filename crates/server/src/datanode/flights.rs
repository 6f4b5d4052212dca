//! Which bytes of the tier are being received into or sent from at this moment.
//!
//! A payload is received straight into its block and sent straight from it, so both go on after the request was
//! looked at, for as long as the peer takes. Nobody else may write these bytes until then: what is sent would be
//! torn, and what is received would end up in a block that has meanwhile become somebody else's.

use std::ops::Range;

use crake_mem::{Extent, Loan, Segment};

/// Bytes that share one counter. Operations on other grains need not be looked at.
const GRAIN_BYTES: u64 = 64 * 1024;

/// What comes into a block, as its peer names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Name {
    /// The payload of this request, over the connection.
    Payload(u32),
    /// What the peer writes by itself, under this reservation.
    Reservation(u32),
}

/// Bytes on their way into a block.
#[derive(Debug, Clone)]
pub(crate) struct Receive<T> {
    pub(crate) peer: u64,
    pub(crate) name: Name,
    pub(crate) bytes: Range<u64>,
    /// What its owner needs to know when it is complete.
    pub(crate) access: T,
}

struct Send {
    peer: u64,
    bytes: Range<u64>,
    loan: Loan,
}

/// All operations that are under way, with their exact bytes.
pub(crate) struct Flights<T> {
    receives: Vec<Receive<T>>,
    sends: Vec<Send>,
    /// Loans that came home, to be lent again: no allocation per read.
    idle: Vec<Loan>,
    /// The next send to be asked whether it is over.
    sweep: usize,
    /// Operations that touch each grain: most questions end here.
    grains: Vec<u32>,
}

impl<T> Flights<T> {
    pub(crate) fn new(tier_bytes: u64) -> Flights<T> {
        let grains = tier_bytes.div_ceil(GRAIN_BYTES) as usize;
        Flights {
            receives: Vec::new(),
            sends: Vec::new(),
            idle: Vec::new(),
            sweep: 0,
            grains: vec![0; grains],
        }
    }

    /// Lends `extent`, which is `bytes` of the tier, until the segment and its clones are dropped.
    pub(crate) fn send(&mut self, peer: u64, bytes: Range<u64>, extent: &Extent) -> Segment {
        // Two are asked for one that is added, so the finished ones never outnumber the others for long.
        self.sweep_one();
        self.sweep_one();
        let loan = self.idle.pop().unwrap_or_default();
        let segment = loan.lend(extent);
        self.count(&bytes, true);
        self.sends.push(Send { peer, bytes, loan });
        segment
    }

    /// Notes that a payload is about to land in `receive.bytes`.
    pub(crate) fn start_receive(&mut self, receive: Receive<T>) {
        self.count(&receive.bytes, true);
        self.receives.push(receive);
    }

    /// A receive is over: all of it is there, or nothing more comes.
    pub(crate) fn finish_receive(&mut self, peer: u64, name: Name) -> Option<Receive<T>> {
        let at = self.find_receive(peer, name)?;
        let receive = self.receives.swap_remove(at);
        self.count(&receive.bytes, false);
        Some(receive)
    }

    /// Whether this is under way.
    pub(crate) fn is_receiving(&self, peer: u64, name: Name) -> bool {
        self.find_receive(peer, name).is_some()
    }

    /// The connection is gone, and with it what was still to be received over it.
    pub(crate) fn drop_payloads(&mut self, peer: u64) {
        self.drop_receives(peer, |name| matches!(name, Name::Payload(_)));
    }

    /// The peer is gone, and writes nothing any more.
    pub(crate) fn drop_reservations(&mut self, peer: u64) {
        self.drop_receives(peer, |name| matches!(name, Name::Reservation(_)));
    }

    fn find_receive(&self, peer: u64, name: Name) -> Option<usize> {
        self.receives
            .iter()
            .position(|receive| receive.peer == peer && receive.name == name)
    }

    fn drop_receives(&mut self, peer: u64, which: impl Fn(Name) -> bool) {
        let is_one = |receive: &Receive<T>| receive.peer == peer && which(receive.name);
        while let Some(at) = self.receives.iter().position(is_one) {
            let receive = self.receives.swap_remove(at);
            self.count(&receive.bytes, false);
        }
    }

    /// Whether any of `bytes` is under way.
    pub(crate) fn any_in(&mut self, bytes: &Range<u64>) -> bool {
        let mut any = false;
        self.each_in(bytes, |_| any = true);
        any
    }

    /// Calls `found` with the connection of each operation that holds any of `bytes`.
    pub(crate) fn each_in(&mut self, bytes: &Range<u64>, mut found: impl FnMut(u64)) {
        if self.grains[grains_of(bytes)].iter().all(|count| *count == 0) {
            return;
        }
        for receive in self
            .receives
            .iter()
            .filter(|receive| overlap(&receive.bytes, bytes))
        {
            found(receive.peer);
        }
        let mut at = 0;
        while at < self.sends.len() {
            if !overlap(&self.sends[at].bytes, bytes) {
                at += 1;
            } else if self.sends[at].loan.is_home() {
                self.retire(at);
            } else {
                found(self.sends[at].peer);
                at += 1;
            }
        }
    }

    /// Operations that are under way.
    pub(crate) fn len(&mut self) -> usize {
        for at in (0..self.sends.len()).rev() {
            if self.sends[at].loan.is_home() {
                self.retire(at);
            }
        }
        self.receives.len() + self.sends.len()
    }

    fn sweep_one(&mut self) {
        if self.sweep >= self.sends.len() {
            self.sweep = 0;
        }
        match self.sends.get(self.sweep) {
            Some(send) if send.loan.is_home() => self.retire(self.sweep),
            _ => self.sweep += 1,
        }
    }

    fn retire(&mut self, at: usize) {
        let send = self.sends.swap_remove(at);
        self.count(&send.bytes, false);
        self.idle.push(send.loan);
    }

    fn count(&mut self, bytes: &Range<u64>, more: bool) {
        for grain in &mut self.grains[grains_of(bytes)] {
            if more { *grain += 1 } else { *grain -= 1 }
        }
    }
}

fn grains_of(bytes: &Range<u64>) -> Range<usize> {
    (bytes.start / GRAIN_BYTES) as usize..bytes.end.div_ceil(GRAIN_BYTES) as usize
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crake_mem::{HugePages, Region};

    const TIER_BYTES: u64 = 1 << 20;

    fn extent() -> Extent {
        Region::anonymous(4096, HugePages::Never).unwrap().extent(0..4096)
    }

    fn receive(peer: u64, request: u32, bytes: Range<u64>) -> Receive<()> {
        Receive {
            peer,
            name: Name::Payload(request),
            bytes,
            access: (),
        }
    }

    #[test]
    fn bytes_are_busy_while_a_segment_of_them_lives() {
        let mut flights = Flights::<()>::new(TIER_BYTES);
        let segment = flights.send(1, 4096..8192, &extent());
        let part = segment.slice(10..20);
        assert!(
            flights.any_in(&(8191..8192)) && !flights.any_in(&(8192..9000)) && !flights.any_in(&(0..4096))
        );
        drop(segment);
        assert!(flights.any_in(&(4096..4097)), "a part of it is still to be sent");
        drop(part);
        assert!(!flights.any_in(&(4096..4097)));
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn bytes_are_busy_until_their_payload_is_complete_or_its_connection_gone() {
        let mut flights = Flights::new(TIER_BYTES);
        flights.start_receive(receive(1, 7, 0..100));
        flights.start_receive(receive(2, 7, 100..200));
        assert!(flights.finish_receive(1, Name::Payload(8)).is_none());
        assert!(flights.finish_receive(1, Name::Reservation(7)).is_none());
        assert_eq!(flights.finish_receive(1, Name::Payload(7)).unwrap().bytes, 0..100);
        assert!(!flights.any_in(&(0..100)) && flights.any_in(&(0..101)));
        flights.drop_payloads(2);
        assert!(!flights.any_in(&(0..TIER_BYTES)));
    }

    #[test]
    fn the_end_of_a_connection_is_not_the_end_of_what_its_peer_writes_by_itself() {
        let mut flights = Flights::new(TIER_BYTES);
        flights.start_receive(receive(1, 7, 0..100));
        flights.start_receive(Receive {
            name: Name::Reservation(7),
            ..receive(1, 0, 100..200)
        });
        flights.drop_payloads(1);
        assert!(!flights.any_in(&(0..100)) && flights.any_in(&(100..200)));
        flights.drop_reservations(2);
        assert!(flights.is_receiving(1, Name::Reservation(7)));
        flights.drop_reservations(1);
        assert!(!flights.any_in(&(0..TIER_BYTES)));
    }

    #[test]
    fn holders_are_named() {
        let mut flights = Flights::new(TIER_BYTES);
        flights.start_receive(receive(1, 1, 0..100));
        let _segment = flights.send(2, 50..60, &extent().slice(0..10));
        let _other = flights.send(3, 90_000..90_010, &extent().slice(0..10));
        let mut holders = Vec::new();
        flights.each_in(&(55..56), |peer| holders.push(peer));
        assert_eq!(holders, [1, 2]);
    }

    #[test]
    fn finished_sends_do_not_pile_up_behind_a_slow_one() {
        let mut flights = Flights::<()>::new(TIER_BYTES);
        let slow = flights.send(1, 0..10, &extent().slice(0..10));
        for _ in 0..1000 {
            drop(flights.send(2, 0..10, &extent().slice(0..10)));
        }
        assert!(flights.sends.len() <= 4, "{} are kept", flights.sends.len());
        assert_eq!(flights.len(), 1);
        assert!(flights.any_in(&(0..10)));
        drop(slow);
        assert!(!flights.any_in(&(0..10)));
    }
}
