//! The blocks of a tier: who may touch which bytes, and which bytes mean something. The rules are those of the module
//! above.

use std::ops::Range;

use crake_datapath::{Held, Shared};
use crake_mem::{Extent, Segment, Sga};
use crake_store::canary::{Canary, planted};
use crake_store::protocol::{Code, Handle};

use super::UNIT_BYTES;
use super::flights::{Flights, Name, Receive};
use super::generations::{Age, Generations};
use super::reservations::Reservers;
use super::tier::Tier;
use super::written::{TooFragmented, Written};
use crate::mac::Signer;

/// From this size on a payload goes straight into its block. A smaller one has mostly come with its header already
/// and is copied once in either case.
const DIRECT_MIN_BYTES: u32 = 8 * 1024;

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// No namenode has given this datanode a number yet.
    Unregistered,
    /// The handle does not permit it.
    Denied(Code),
    /// One more hole between written ranges does not fit into the tables.
    TooFragmented,
    /// Bytes that are written already, or in use, cannot be reserved.
    NotFree,
    /// This client, or all together, have as many reservations as there may be.
    TooManyReservations,
    /// The client has an open reservation of this number.
    ReservationExists,
    /// The client has no open reservation of this number.
    NoReservation,
    /// Somebody whose connection is gone may still be writing there.
    Held,
}

impl From<TooFragmented> for Refusal {
    fn from(_: TooFragmented) -> Refusal {
        Refusal::TooFragmented
    }
}

/// Who the datanode is to its namenode: what handles must name.
pub(crate) struct Identity {
    pub(crate) datanode: u32,
    pub(crate) incarnation: u64,
    /// The namenode's own.
    pub(crate) namenode: u64,
    pub(crate) signer: Signer,
}

/// A range of a block that a checked handle gives access to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Access {
    incarnation: u64,
    generation: u32,
    head: usize,
    units: usize,
    start: u32,
    end: u32,
}

impl Access {
    /// Where the range lies in the tier.
    pub(crate) fn bytes(&self) -> Range<u64> {
        let block = self.head as u64 * UNIT_BYTES;
        block + u64::from(self.start)..block + u64::from(self.end)
    }

    fn units(&self) -> Range<usize> {
        self.head..self.head + self.units
    }

    fn range(&self) -> Range<u32> {
        self.start..self.end
    }
}

/// The state of all blocks of one tier.
pub(crate) struct Blocks {
    tier: Tier,
    identity: Option<Identity>,
    /// The incarnation that the tables are of, also before the namenode has given it an identity again.
    life: Option<u64>,
    /// Of the namenode before this one: tells its handles from forged ones.
    previous: Option<Signer>,
    generations: Generations,
    written: Written,
    flights: Flights<Access>,
    reservers: Reservers,
}

impl Blocks {
    pub(crate) fn new(mut tier: Tier) -> Blocks {
        let units = (tier.len_bytes() / UNIT_BYTES) as usize;
        let recovered = tier.take_recovered();
        let published = tier.published();
        let life = recovered.as_ref().map(|recovered| recovered.life.incarnation);
        let (generations, written) = match recovered {
            None => (Generations::new(units, published), Written::new(units, published)),
            Some(recovered) => (
                Generations::of(recovered.generations, published),
                Written::of(recovered.spans, recovered.fragments, published),
            ),
        };
        Blocks {
            identity: None,
            life,
            previous: None,
            generations,
            written,
            flights: Flights::new(tier.len_bytes()),
            reservers: Reservers::default(),
            tier,
        }
    }

    pub(crate) fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Takes an identity. With a new incarnation all blocks are forgotten; payloads that are still arriving for the
    /// old one are received to their end and then refused.
    pub(crate) fn identify(&mut self, identity: Identity) {
        let old = self.identity.take();
        if self.life != Some(identity.incarnation) {
            let units = (self.tier.len_bytes() / UNIT_BYTES) as usize;
            let published = self.tier.published();
            published.begin(identity.datanode, identity.incarnation, identity.namenode);
            self.life = Some(identity.incarnation);
            self.generations = Generations::new(units, published);
            self.written = Written::new(units, published);
            self.previous = old.map(|old| old.signer).or(self.previous.take());
        }
        self.identity = Some(identity);
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.tier.len_bytes()
    }

    /// What clients of this machine may use in place.
    pub(crate) fn shared(&self) -> [Shared; 2] {
        self.tier.shared()
    }

    /// Blocks with bytes in them, and these bytes.
    pub(crate) fn written(&self) -> (u64, u64) {
        (self.written.blocks(), self.written.bytes())
    }

    /// Receives and sends that are under way.
    pub(crate) fn under_way(&mut self) -> usize {
        self.sweep();
        self.flights.len()
    }

    /// Checks a handle and a range of its block: MAC, datanode and incarnation, generation, range, rights. A newer generation
    /// than the newest seen is taken over.
    pub(crate) fn access(
        &mut self,
        handle: &[u8],
        right: u32,
        offset: u32,
        len: u32,
    ) -> Result<Access, Refusal> {
        let identity = self.identity.as_ref().ok_or(Refusal::Unregistered)?;
        let handle = Handle::parse(handle).ok_or(Refusal::Denied(Code::Forged))?;
        if !identity.signer.accepts(handle) {
            let before = self
                .previous
                .as_ref()
                .is_some_and(|previous| previous.accepts(handle));
            return Err(Refusal::Denied(if before { Code::Stale } else { Code::Forged }));
        }
        if handle.reserved.get() != 0 {
            return Err(Refusal::Denied(Code::Forged));
        }
        let this_life = handle.incarnation.get() == identity.incarnation || planted(Canary::StaleIncarnation);
        if handle.datanode.get() != identity.datanode || !this_life {
            return Err(Refusal::Denied(Code::Stale));
        }
        let units = self.units_of(handle)?;
        let age = self.age(units.clone(), handle.generation.get());
        if age == Age::Old {
            return Err(Refusal::Denied(Code::Stale));
        }
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= handle.len_bytes.get());
        let end = end.ok_or(Refusal::Denied(Code::OutOfRange))?;
        if !handle.permits(right) {
            return Err(Refusal::Denied(Code::NoRight));
        }
        if age == Age::New {
            // In this order, so that a process that ends in between leaves no bytes of before in the new generation.
            self.written.forget(units.clone());
            self.generations.raise(units.clone(), handle.generation.get());
        }
        Ok(Access {
            incarnation: identity.incarnation,
            generation: handle.generation.get(),
            head: units.start,
            units: units.len(),
            start: offset,
            end,
        })
    }

    /// The bytes of `access` to be sent to `peer`, where they lie.
    pub(crate) fn read(&mut self, peer: u64, access: &Access) -> Result<Segment, Refusal> {
        if !self.written.covers(access.head, access.range()) {
            return Err(Refusal::Denied(Code::Unwritten));
        }
        let extent = self.tier.extent(access.bytes());
        Ok(self.flights.send(peer, access.bytes(), &extent))
    }

    /// Whether the first `len` bytes of the handle's block are written.
    pub(crate) fn check(&mut self, handle: &[u8], len: u32) -> Result<(), Refusal> {
        let access = self.access(handle, Handle::READ, 0, len)?;
        let is_written = self.written.covers(access.head, access.range());
        is_written.then_some(()).ok_or(Refusal::Denied(Code::Unwritten))
    }

    /// Whether a payload may be received straight into its place. Fails if it could not be marked as written.
    pub(crate) fn may_land(&mut self, access: &Access) -> Result<bool, Refusal> {
        if !self.written.has_room(access.head, access.range()) {
            return Err(Refusal::TooFragmented);
        }
        Ok(access.end - access.start >= DIRECT_MIN_BYTES && self.is_free(access))
    }

    /// Whether nobody can see what becomes of these bytes, and nobody uses them.
    fn is_free(&mut self, access: &Access) -> bool {
        !self.written.touches(access.head, access.range()) && !self.flights.any_in(&access.bytes())
    }

    /// Where the payload of this request lands, which [`may_land`](Self::may_land) allowed. The bytes are busy until
    /// [`landed`](Self::landed) or [`closed`](Self::closed).
    pub(crate) fn land(&mut self, peer: u64, request: u32, access: Access) -> Extent {
        self.flights.start_receive(Receive {
            peer,
            name: Name::Payload(request),
            bytes: access.bytes(),
            access,
        });
        self.tier.extent(access.bytes())
    }

    /// All of a payload is in its place: it counts as written, unless its block has been issued anew since.
    /// `None` if nothing was to land for this request.
    pub(crate) fn landed(&mut self, peer: u64, request: u32) -> Option<Result<(), Refusal>> {
        let receive = self.flights.finish_receive(peer, Name::Payload(request))?;
        Some(self.commit(&receive.access))
    }

    /// Lets a peer write these bytes by itself. They are busy until [`reservation_ended`](Self::reservation_ended), or until `held` is
    /// over after [`closed`](Self::closed).
    pub(crate) fn reserve(
        &mut self,
        peer: u64,
        number: u32,
        held: &Held,
        access: Access,
    ) -> Result<(), Refusal> {
        let name = Name::Reservation(number);
        if access.start == access.end {
            return Err(Refusal::Denied(Code::OutOfRange));
        }
        if self.flights.is_receiving(peer, name) {
            return Err(Refusal::ReservationExists);
        }
        if !self.reservers.has_room(peer) {
            return Err(Refusal::TooManyReservations);
        }
        if !self.written.has_room(access.head, access.range()) {
            return Err(Refusal::TooFragmented);
        }
        if !self.is_free(&access) {
            return Err(Refusal::NotFree);
        }
        self.reservers.add(peer, held);
        self.flights.start_receive(Receive {
            peer,
            name,
            bytes: access.bytes(),
            access,
        });
        Ok(())
    }

    /// The peer writes nothing any more under this reservation. If it says that all bytes are there, they count as written, unless their
    /// block has been issued anew since.
    pub(crate) fn reservation_ended(
        &mut self,
        peer: u64,
        number: u32,
        is_landed: bool,
    ) -> Result<(), Refusal> {
        let receive = self.flights.finish_receive(peer, Name::Reservation(number));
        let receive = receive.ok_or(Refusal::NoReservation)?;
        self.reservers.end(peer);
        match is_landed {
            true => self.commit(&receive.access),
            false => Ok(()),
        }
    }

    /// The connection is gone: nothing comes over it any more, and half a payload does not count. What its peer has reserved is busy until
    /// that is gone, too.
    pub(crate) fn closed(&mut self, peer: u64) {
        self.flights.drop_payloads(peer);
        self.reservers.close(peer);
        self.sweep();
    }

    /// Whether some client's connection is gone and the client, as far as is known, is not.
    pub(crate) fn has_closed_reservers(&self) -> bool {
        self.reservers.has_closed()
    }

    /// Ends what clients had reserved that are gone by now.
    pub(crate) fn sweep(&mut self) {
        self.reservers.sweep(|peer| self.flights.drop_reservations(peer));
    }

    /// Copies a whole payload into its place. `Ok(false)` if the bytes are busy: nothing was done.
    pub(crate) fn store(&mut self, access: &Access, payload: &Sga) -> Result<bool, Refusal> {
        if access.start == access.end {
            return Ok(true);
        }
        self.check_current(access)?;
        if !self.written.has_room(access.head, access.range()) {
            return Err(Refusal::TooFragmented);
        }
        if self.flights.any_in(&access.bytes()) {
            return Ok(false);
        }
        self.tier.extent(access.bytes()).write_sga(0, payload);
        self.commit(access)?;
        Ok(true)
    }

    /// Calls `found` with each connection that keeps the bytes of `access` busy.
    pub(crate) fn holders(&mut self, access: &Access, mut found: impl FnMut(u64)) {
        self.flights.each_in(&access.bytes(), |peer| {
            if !self.reservers.is_closed(peer) {
                found(peer);
            }
        });
    }

    /// Whether somebody may be writing any bytes of `access` whose connection is gone.
    pub(crate) fn is_held(&mut self, access: &Access) -> bool {
        let mut is_held = false;
        self.flights
            .each_in(&access.bytes(), |peer| is_held |= self.reservers.is_closed(peer));
        is_held
    }

    fn commit(&mut self, access: &Access) -> Result<(), Refusal> {
        self.check_current(access)?;
        Ok(self.written.insert(access.head, access.range())?)
    }

    /// Whether the block is still the one that `access` was given for.
    fn check_current(&self, access: &Access) -> Result<(), Refusal> {
        let same_life = self
            .identity
            .as_ref()
            .is_some_and(|identity| identity.incarnation == access.incarnation);
        if same_life && self.age(access.units(), access.generation) == Age::Current {
            Ok(())
        } else {
            Err(Refusal::Denied(Code::Stale))
        }
    }

    fn age(&self, units: Range<usize>, generation: u32) -> Age {
        match self.generations.age(units, generation) {
            Age::Old if planted(Canary::SkipGenerationCheck) => Age::Current,
            age => age,
        }
    }

    /// The units of the handle's block. Blocks begin at multiples of their size and have one of three sizes: a
    /// handle that says otherwise is signed, but not by a namenode of this protocol.
    fn units_of(&self, handle: &Handle) -> Result<Range<usize>, Refusal> {
        let units = handle.len_bytes.get() as usize / UNIT_BYTES as usize;
        let head = handle.unit.get() as usize;
        let whole = u64::from(handle.len_bytes.get()).is_multiple_of(UNIT_BYTES)
            && super::BLOCK_UNITS.contains(&units);
        let inside = handle.offset_bytes() + u64::from(handle.len_bytes.get()) <= self.tier.len_bytes();
        if whole && inside && head.is_multiple_of(units) {
            Ok(head..head + units)
        } else {
            Err(Refusal::Denied(Code::OutOfRange))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datanode::tier::{LocalWrite, Memory};
    use crake_datapath::{Address, Listener, Runtime, RuntimeConfig, Stream};
    use crake_mem::{Buf, HugePages, Region};
    use zerocopy::{FromZeros, IntoBytes};

    const SECRET: [u8; 16] = *b"0123456789abcdef";
    const BLOCK: u32 = 64 * 1024;
    const HALF: u32 = BLOCK / 2;

    fn identity(incarnation: u64) -> Identity {
        Identity {
            datanode: 3,
            incarnation,
            namenode: 5,
            signer: Signer::new(&SECRET),
        }
    }

    fn blocks() -> Blocks {
        let mut blocks = Blocks::new(Tier::new(2 << 20, Memory::OnDemand, LocalWrite::Ring).unwrap());
        blocks.identify(identity(1));
        blocks
    }

    fn handle_with(change: impl FnOnce(&mut Handle)) -> Vec<u8> {
        let mut handle = Handle::new_zeroed();
        handle.datanode.set(3);
        handle.incarnation.set(1);
        handle.len_bytes.set(BLOCK);
        handle.generation.set(1);
        handle.rights.set(Handle::READ | Handle::WRITE);
        change(&mut handle);
        Signer::new(&SECRET).sign(&mut handle);
        handle.as_bytes().to_vec()
    }

    fn handle(generation: u32) -> Vec<u8> {
        handle_with(|handle| handle.generation.set(generation))
    }

    fn denied<T>(result: Result<T, Refusal>) -> Code {
        match result {
            Err(Refusal::Denied(code)) => code,
            Err(other) => panic!("{other:?}"),
            Ok(_) => panic!("it was granted"),
        }
    }

    fn put(blocks: &mut Blocks, handle: &[u8], offset: u32, bytes: &[u8]) -> Result<bool, Refusal> {
        let access = blocks.access(handle, Handle::WRITE, offset, bytes.len() as u32)?;
        blocks.store(&access, &Sga::from(Buf::copy_from_slice(bytes)))
    }

    fn read(blocks: &mut Blocks, handle: &[u8], offset: u32, len: u32) -> Result<Segment, Refusal> {
        let access = blocks.access(handle, Handle::READ, offset, len)?;
        blocks.read(9, &access)
    }

    fn bytes_of(blocks: &mut Blocks, handle: &[u8], offset: u32, len: u32) -> Vec<u8> {
        read(blocks, handle, offset, len).unwrap().to_vec()
    }

    #[test]
    fn nothing_is_served_before_registration() {
        let mut blocks = Blocks::new(Tier::new(1 << 20, Memory::OnDemand, LocalWrite::Ring).unwrap());
        assert_eq!(
            read(&mut blocks, &handle(1), 0, 0).unwrap_err(),
            Refusal::Unregistered
        );
    }

    #[test]
    fn checks_come_in_their_order() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(5), 0, b"x").unwrap();
        let wrong = |upto: usize| {
            handle_with(|handle| {
                handle.generation.set(if upto < 2 { 5 } else { 4 });
                handle.incarnation.set(if upto < 3 { 1 } else { 2 });
                handle.rights.set(0);
            })
        };
        let mut forged = wrong(3);
        forged[47] ^= 1;
        assert_eq!(
            denied(blocks.access(&forged, Handle::READ, BLOCK, 1)),
            Code::Forged
        );
        assert_eq!(
            denied(blocks.access(&wrong(3), Handle::READ, BLOCK, 1)),
            Code::Stale
        );
        assert_eq!(
            denied(blocks.access(&wrong(2), Handle::READ, BLOCK, 1)),
            Code::Stale
        );
        assert_eq!(
            denied(blocks.access(&wrong(1), Handle::READ, BLOCK, 1)),
            Code::OutOfRange
        );
        assert_eq!(
            denied(blocks.access(&wrong(1), Handle::READ, 0, 1)),
            Code::NoRight
        );
        assert_eq!(denied(read(&mut blocks, &handle(5), 0, 2)), Code::Unwritten);
        assert_eq!(bytes_of(&mut blocks, &handle(5), 0, 1), b"x");
    }

    #[test]
    fn a_handle_of_another_datanode_is_stale_and_a_cut_one_forged() {
        let mut blocks = blocks();
        let other = handle_with(|handle| handle.datanode.set(4));
        assert_eq!(denied(read(&mut blocks, &other, 0, 0)), Code::Stale);
        assert_eq!(denied(read(&mut blocks, &handle(1)[..47], 0, 0)), Code::Forged);
        assert_eq!(denied(read(&mut blocks, &[], 0, 0)), Code::Forged);
    }

    #[test]
    fn a_signed_handle_cannot_leave_the_tier_or_its_grid() {
        let mut blocks = blocks();
        for (unit, len_bytes) in [
            (512, 4096),
            (u32::MAX, 4096),
            (u32::MAX - 255, 1 << 20),
            (1, BLOCK),
            (0, 0),
            (0, 4097),
            (0, 8192),
            (0, u32::MAX),
        ] {
            let bad = handle_with(|handle| {
                handle.unit.set(unit);
                handle.len_bytes.set(len_bytes);
            });
            assert_eq!(
                denied(read(&mut blocks, &bad, 0, 0)),
                Code::OutOfRange,
                "{unit} {len_bytes}"
            );
        }
    }

    #[test]
    fn ranges_end_with_the_block() {
        let mut blocks = blocks();
        for (offset, len) in [
            (0, BLOCK + 1),
            (BLOCK, 1),
            (u32::MAX, 1),
            (1, u32::MAX),
            (BLOCK + 1, 0),
        ] {
            assert_eq!(
                denied(blocks.access(&handle(1), Handle::READ, offset, len)),
                Code::OutOfRange
            );
        }
        assert!(blocks.access(&handle(1), Handle::READ, BLOCK, 0).is_ok());
    }

    #[test]
    fn a_newer_handle_ends_the_older_ones_and_what_they_wrote() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, b"old").unwrap();
        assert_eq!(denied(read(&mut blocks, &handle(2), 0, 3)), Code::Unwritten);
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 3)), Code::Stale);
        assert_eq!(denied(put(&mut blocks, &handle(1), 0, b"late")), Code::Stale);
        assert_eq!(blocks.written(), (0, 0));
    }

    #[test]
    fn one_newer_unit_ends_the_larger_block_around_it() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, b"old").unwrap();
        let inside = handle_with(|handle| {
            handle.unit.set(5);
            handle.len_bytes.set(4096);
            handle.generation.set(2);
        });
        put(&mut blocks, &inside, 0, b"new").unwrap();
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 3)), Code::Stale);
        assert_eq!(bytes_of(&mut blocks, &inside, 0, 3), b"new");
    }

    #[test]
    fn a_payload_counts_when_all_of_it_is_there() {
        let mut blocks = blocks();
        let access = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        assert!(blocks.may_land(&access).unwrap());
        let place = blocks.land(1, 1, access);
        place.fill(.., 7);
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 1)), Code::Unwritten);
        assert_eq!(blocks.landed(1, 1), Some(Ok(())));
        assert_eq!(bytes_of(&mut blocks, &handle(1), 0, HALF), vec![7; HALF as usize]);
        assert_eq!(blocks.landed(1, 1), None);
    }

    #[test]
    fn half_a_payload_of_a_lost_connection_is_not_readable_and_not_in_the_way() {
        let mut blocks = blocks();
        let access = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        blocks.land(1, 1, access).slice(0..100).fill(.., 7);
        blocks.closed(1);
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 1)), Code::Unwritten);
        assert!(blocks.may_land(&access).unwrap());
        assert_eq!(blocks.under_way(), 0);
    }

    #[test]
    fn what_overwrites_is_not_received_in_place() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, &[1; 100]).unwrap();
        let over = blocks.access(&handle(1), Handle::WRITE, 99, HALF).unwrap();
        assert!(!blocks.may_land(&over).unwrap());
        let beside = blocks.access(&handle(1), Handle::WRITE, 100, HALF).unwrap();
        assert!(blocks.may_land(&beside).unwrap());
    }

    #[test]
    fn two_writers_of_the_same_bytes_do_not_mix() {
        let mut blocks = blocks();
        let first = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        let place = blocks.land(1, 1, first);
        let second = blocks.access(&handle(1), Handle::WRITE, HALF - 1, HALF).unwrap();
        assert!(
            !blocks.may_land(&second).unwrap(),
            "the second one goes to pool memory"
        );
        let payload = Sga::from(Buf::from_vec(vec![2; HALF as usize]));
        assert_eq!(
            blocks.store(&second, &payload),
            Ok(false),
            "and waits for the first one"
        );
        place.fill(.., 1);
        blocks.landed(1, 1).unwrap().unwrap();
        assert_eq!(blocks.store(&second, &payload), Ok(true));
        let expected = [vec![1; HALF as usize - 1], vec![2; HALF as usize]].concat();
        assert_eq!(bytes_of(&mut blocks, &handle(1), 0, BLOCK - 1), expected);
    }

    #[test]
    fn an_older_payload_that_is_still_arriving_never_lands_on_a_newer_one() {
        let mut blocks = blocks();
        let old = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        let place = blocks.land(1, 1, old);
        place.slice(0..100).fill(.., 1);

        assert_eq!(
            put(&mut blocks, &handle(2), 0, b"new"),
            Ok(false),
            "the newer one waits"
        );
        let mut holders = Vec::new();
        let new = blocks.access(&handle(2), Handle::WRITE, 0, 3).unwrap();
        blocks.holders(&new, |peer| holders.push(peer));
        assert_eq!(holders, [1]);

        place.slice(100..).fill(.., 1);
        assert_eq!(
            blocks.landed(1, 1),
            Some(Err(Refusal::Denied(Code::Stale))),
            "the older one is refused"
        );
        assert_eq!(denied(read(&mut blocks, &handle(2), 0, 1)), Code::Unwritten);
        assert_eq!(put(&mut blocks, &handle(2), 0, b"new"), Ok(true));
        assert_eq!(bytes_of(&mut blocks, &handle(2), 0, 3), b"new");
    }

    /// What a client keeps as long as it may be writing, and what the datanode sees of it.
    fn hold() -> (Runtime, Listener, Stream, Held) {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let address = Address::Local("blocks".into());
        let listener = runtime.listen(&address).unwrap();
        let region = Region::anonymous(4096, HugePages::Never).unwrap();
        listener.share(&[Shared::to_write(&region)]);
        let (client, held) = runtime.block_on(async {
            let client = runtime.connect(&address).await.unwrap();
            (client, listener.accept().await.unwrap().held().unwrap())
        });
        (runtime, listener, client, held)
    }

    #[test]
    fn what_was_reserved_counts_when_it_has_landed() {
        let (_runtime, _listener, _client, held) = hold();
        let mut blocks = blocks();
        let access = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        blocks.reserve(1, 7, &held, access).unwrap();
        assert_eq!(
            blocks.reserve(1, 7, &held, access),
            Err(Refusal::ReservationExists)
        );
        assert_eq!(blocks.reserve(2, 7, &held, access), Err(Refusal::NotFree));
        assert_eq!(put(&mut blocks, &handle(1), 10, b"x"), Ok(false), "it is busy");
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 1)), Code::Unwritten);
        assert_eq!(
            blocks.reservation_ended(2, 7, true),
            Err(Refusal::NoReservation),
            "it is another's"
        );
        assert_eq!(blocks.landed(1, 7), None, "it is no request");
        assert_eq!(blocks.reservation_ended(1, 7, true), Ok(()));
        assert!(read(&mut blocks, &handle(1), 0, HALF).is_ok());
        assert_eq!(blocks.reservation_ended(1, 7, true), Err(Refusal::NoReservation));
        assert_eq!(
            blocks.reserve(1, 7, &held, access),
            Err(Refusal::NotFree),
            "it is written"
        );
    }

    #[test]
    fn what_has_landed_in_a_block_that_is_somebody_elses_does_not_count() {
        let (_runtime, _listener, _client, held) = hold();
        for new in [false, true] {
            let mut blocks = blocks();
            let access = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
            blocks.reserve(1, 7, &held, access).unwrap();
            match new {
                true => blocks.identify(identity(2)),
                false => assert_eq!(put(&mut blocks, &handle(2), 0, b"new"), Ok(false)),
            }
            let refused = Err(Refusal::Denied(Code::Stale));
            assert_eq!(blocks.reservation_ended(1, 7, true), refused);
            assert_eq!((blocks.written(), blocks.under_way()), ((0, 0), 0));
        }
    }

    #[test]
    fn what_was_reserved_is_busy_until_its_client_is_gone() {
        let (_runtime, _listener, client, held) = hold();
        let mut blocks = blocks();
        let access = blocks.access(&handle(1), Handle::WRITE, 0, HALF).unwrap();
        blocks.reserve(1, 7, &held, access).unwrap();
        blocks.closed(1);
        let new = blocks.access(&handle(2), Handle::WRITE, 0, HALF).unwrap();
        assert!(blocks.has_closed_reservers() && blocks.is_held(&new));
        assert_eq!(put(&mut blocks, &handle(2), 0, b"new"), Ok(false));
        blocks.holders(&new, |peer| panic!("{peer} cannot be cut off"));
        assert_eq!(blocks.under_way(), 1);
        drop(client);
        blocks.sweep();
        assert!(!blocks.has_closed_reservers() && !blocks.is_held(&new));
        assert_eq!(put(&mut blocks, &handle(2), 0, b"new"), Ok(true));
        assert_eq!(blocks.under_way(), 0);
    }

    #[test]
    fn clients_have_so_many_reservations_and_no_more() {
        let (_runtime, _listener, _client, held) = hold();
        let mut blocks = blocks();
        let mut reserve = |peer: u64, number: u32| {
            let at = (peer as u32 * 64 + number) * 4;
            let access = blocks.access(&handle(1), Handle::WRITE, at, 1).unwrap();
            let result = blocks.reserve(peer, number, &held, access);
            (result, blocks.under_way())
        };
        for peer in 0..16 {
            for number in 0..64 {
                let under_way = peer as usize * 64 + number as usize + 1;
                assert_eq!(reserve(peer, number), (Ok(()), under_way));
            }
            let refused = (Err(Refusal::TooManyReservations), (peer as usize + 1) * 64);
            assert_eq!(reserve(peer, 64), refused);
        }
        assert_eq!(reserve(100, 0).0, Err(Refusal::TooManyReservations));
        blocks.reservation_ended(3, 3, false).unwrap();
        assert_eq!(blocks.under_way(), 1023);
    }

    #[test]
    fn bytes_of_a_queued_reply_are_not_overwritten() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, b"first").unwrap();
        let queued = read(&mut blocks, &handle(1), 0, 5).unwrap();
        assert_eq!(
            put(&mut blocks, &handle(1), 4, b"again"),
            Ok(false),
            "in the same generation"
        );
        assert_eq!(
            put(&mut blocks, &handle(2), 0, b"newer"),
            Ok(false),
            "and in the next"
        );
        assert_eq!(queued.to_vec(), b"first");
        drop(queued);
        assert_eq!(put(&mut blocks, &handle(2), 0, b"newer"), Ok(true));
    }

    #[test]
    fn a_reader_does_not_hold_up_an_append_behind_it() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, b"first").unwrap();
        let _queued = read(&mut blocks, &handle(1), 0, 5).unwrap();
        assert_eq!(put(&mut blocks, &handle(1), 5, b"second"), Ok(true));
        let behind = blocks.access(&handle(1), Handle::WRITE, 11, HALF).unwrap();
        assert!(blocks.may_land(&behind).unwrap());
    }

    #[test]
    fn a_new_incarnation_forgets_all_and_refuses_what_was_on_its_way() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(7), 0, b"before").unwrap();
        let on_its_way = blocks.access(&handle(7), Handle::WRITE, HALF, HALF).unwrap();
        blocks.land(1, 1, on_its_way);
        blocks.identify(identity(2));
        assert_eq!(denied(read(&mut blocks, &handle(7), 0, 1)), Code::Stale);
        assert_eq!(blocks.landed(1, 1), Some(Err(Refusal::Denied(Code::Stale))));
        let fresh = handle_with(|handle| handle.incarnation.set(2));
        assert_eq!(denied(read(&mut blocks, &fresh, 0, 1)), Code::Unwritten);
    }

    #[test]
    fn handles_of_the_namenode_before_are_stale_and_not_forged() {
        let mut blocks = blocks();
        let signer = Signer::new(b"another secret!!");
        blocks.identify(Identity {
            datanode: 1,
            incarnation: 2,
            namenode: 5,
            signer,
        });
        assert_eq!(denied(read(&mut blocks, &handle(1), 0, 0)), Code::Stale);
        let mut forged = handle(1);
        forged[47] ^= 1;
        assert_eq!(denied(read(&mut blocks, &forged, 0, 0)), Code::Forged);
    }

    #[test]
    fn the_same_incarnation_keeps_its_blocks() {
        let mut blocks = blocks();
        put(&mut blocks, &handle(1), 0, b"kept").unwrap();
        blocks.identify(identity(1));
        assert_eq!(bytes_of(&mut blocks, &handle(1), 0, 4), b"kept");
    }

    #[test]
    fn a_write_that_would_leave_too_many_holes_is_refused_before_it_is_received() {
        let mut blocks = blocks();
        let mut hole = 0;
        while put(&mut blocks, &handle(1), hole * 2, b"x").is_ok() {
            hole += 1;
        }
        assert_eq!(
            put(&mut blocks, &handle(1), hole * 2, b"x"),
            Err(Refusal::TooFragmented)
        );
        let access = blocks
            .access(&handle(1), Handle::WRITE, BLOCK - HALF, HALF - 1)
            .unwrap();
        assert_eq!(blocks.may_land(&access), Err(Refusal::TooFragmented));
        assert_eq!(
            put(&mut blocks, &handle(1), 1, b"x"),
            Ok(true),
            "a hole may be filled"
        );
    }
}
