//! A client's conversation with the namenode: one identity, one connection at a time, the leases that it holds.
//!
//! A connection begins at an address that the caller gave. There the namenode says where else it is, and if one of these is
//! better, the connection moves there; one that broke begins anew. Of a namespace with several partitions there is a session with
//! each: its connection begins where the others say that the partition is, and whoever answers must be that one.

use std::cell::{Cell, Ref, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Address, Runtime, Time};
use crake_rpc::{Client, ClientConfig, ClientId, ConnectError};

use crate::answers::MappedAnswers;
use crate::buffered::Slices;
use crate::datanodes::Datanodes;
use crate::failure::Pause;
use crate::link::Link;
use crate::operation::{Renew, Renewed};
use crate::partitions::Partitions;
use crate::path::{self, Choice, Hindrance, Missed, PeerPath, Site};
use crate::pending::Pending;
use crate::protocol::namenode::{RenewRequest, namenode as method};
use crate::protocol::role;
use crate::stats::{OperationKind, Stats};
use crate::view::Pins;
use crate::watch::Watches;
use crate::{ConnectOptions, Error, Transport, failure, this_host};

/// What is said with one partition of the namenode, which is all of it if there is one.
pub struct Session {
    partitions: Rc<Partitions>,
    /// Which partition it is.
    number: Cell<u16>,
    runtime: Runtime,
    /// How long an operation may take, as it is added to times.
    deadline_ns: u64,
    /// The address where the connection of now began, or the last one did.
    current: RefCell<Option<Address>>,
    /// Where it goes; while there is none, where it will begin.
    route: RefCell<Rc<Route>>,
    link: Rc<Link<MappedAnswers>>,
    leases: Leases,
    pins: Pins,
    watches: Watches,
}

/// What is read in place.
#[derive(Default)]
pub(crate) struct InPlace {
    /// Bytes since the runtime had its turn.
    bytes: Cell<usize>,
    /// Of datanodes' blocks.
    reads: Timed,
    /// Of the namenode's answers.
    answers: Timed,
}

/// Operations so short that not each is timed.
#[derive(Default)]
struct Timed {
    /// Small ones since one was timed.
    untimed: Cell<u32>,
    /// What the last one that was timed took.
    latency_ns: Cell<u64>,
}

impl InPlace {
    #[inline]
    fn timed(&self, kind: OperationKind) -> &Timed {
        match kind {
            OperationKind::Read => &self.reads,
            _ => &self.answers,
        }
    }
}

/// A way to the namenode.
struct Route {
    address: Address,
    /// The namenode as errors name it.
    peer: Rc<str>,
    hindrance: Option<Hindrance>,
}

impl Route {
    /// `peer` is who is there, as [`Session::peer_at`] says it.
    fn new(address: Address, peer: &str, hindrance: Option<Hindrance>) -> Rc<Route> {
        Rc::new(Route {
            peer: peer.into(),
            address,
            hindrance,
        })
    }
}

/// How many leases are held, and how long the namenode keeps them without being reminded.
struct Leases {
    held: Cell<usize>,
    renewing: Cell<bool>,
    duration: Cell<Duration>,
}

/// Operations that may wait for their turn on one connection; more than that are sent again a little later.
const QUEUE_MAX: usize = 16 * 1024;

/// So much is read in place in one turn of the runtime: well below a millisecond.
const IN_PLACE_BYTES_MAX: usize = 1 << 20;

/// From this size on each read in place is timed; of smaller ones, one in so many.
const IN_PLACE_TIMED_BYTES: usize = 64 << 10;
const IN_PLACE_TIMED_EVERY: u32 = 16;
/// The same of answers, which take less.
const ANSWERS_TIMED_EVERY: u32 = 64;

/// As long as the runtime has turned so lately, the end of a connection would have been seen.
const KNOWN_FOR: Duration = Duration::from_millis(50);

/// What a read in place takes apart from its bytes, as if it were bytes.
const IN_PLACE_READ_BYTES: usize = 4 << 10;

/// So many partitions are tried at a time to learn where one is that cannot be reached; at the next attempt it may be others.
const OTHERS_ASKED_MAX: usize = 3;

/// Of a namenode that does not say.
const LEASE: Duration = Duration::from_secs(10);

impl Session {
    /// Without a connection.
    pub(crate) fn new(partitions: &Rc<Partitions>, number: u16) -> Rc<Session> {
        let first = partitions.addresses()[0].clone();
        let session = Session {
            number: Cell::new(number),
            runtime: partitions.runtime.clone(),
            deadline_ns: (Time(0) + partitions.options.deadline).0,
            current: RefCell::default(),
            route: RefCell::new(Route::new(first, "namenode", None)),
            link: Rc::default(),
            leases: Leases {
                held: Cell::new(0),
                renewing: Cell::new(false),
                duration: Cell::new(LEASE),
            },
            pins: Pins::default(),
            watches: Watches::default(),
            partitions: partitions.clone(),
        };
        session.route_to(session.candidates()[0].clone(), None);
        Rc::new(session)
    }

    /// What it shares with the sessions of the other partitions.
    #[inline]
    pub(crate) fn partitions(&self) -> &Rc<Partitions> {
        &self.partitions
    }

    /// Which partition it is with: 0 if there is one.
    #[inline]
    pub(crate) fn number(&self) -> u16 {
        self.number.get()
    }

    /// The first session of a store finds out with whom it is.
    pub(crate) fn set_number(&self, number: u16) {
        self.number.set(number);
        let route = self.route.borrow().clone();
        self.route_to(route.address.clone(), route.hindrance.clone());
    }

    /// Whether the namespace has other partitions, too.
    #[inline]
    pub(crate) fn is_one_of_many(&self) -> bool {
        self.partitions.is_many()
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn options(&self) -> &ConnectOptions {
        &self.partitions.options
    }

    /// When an operation that starts now must have ended.
    #[inline]
    pub(crate) fn deadline_of(&self, started: Time) -> Time {
        Time(started.0.saturating_add(self.deadline_ns))
    }

    pub(crate) fn client(&self) -> ClientId {
        self.partitions.client
    }

    pub(crate) fn datanodes(&self) -> &Datanodes {
        &self.partitions.datanodes
    }

    pub(crate) fn slices(&self) -> &Slices {
        &self.partitions.slices
    }

    pub(crate) fn pins(&self) -> &Pins {
        &self.pins
    }

    pub(crate) fn watches(&self) -> &Watches {
        &self.watches
    }

    /// The namenode as errors name it.
    pub(crate) fn peer(&self) -> Rc<str> {
        self.route.borrow().peer.clone()
    }

    /// Where the namenode is.
    pub(crate) fn address(&self) -> Address {
        self.route.borrow().address.clone()
    }

    /// The way of the connection, if there is one.
    pub(crate) fn path(&self) -> Option<PeerPath> {
        let route = self.route.borrow();
        self.link.is_live().then(|| PeerPath {
            datanode: None,
            address: route.address.clone(),
            hindrance: route.hindrance.clone(),
            partition: self.number(),
        })
    }

    fn route_to(&self, address: Address, hindrance: Option<Hindrance>) {
        let peer = self.peer_at(&address);
        self.route.replace(Route::new(address, &peer, hindrance));
    }

    /// The namenode as errors name it when it is looked for at an address.
    fn peer_at(&self, address: &Address) -> String {
        match self.is_one_of_many() {
            false => format!("namenode {address}"),
            true => format!("namenode {address} (partition {})", self.number()),
        }
    }

    /// Where a server of this host is, seen from here.
    pub(crate) fn site(&self, host: &str) -> Site {
        match host {
            "" => Site::Unknown,
            host if host == self.partitions.host.get_or_init(this_host) => Site::Here,
            _ => Site::Elsewhere,
        }
    }

    /// A server offered a better way to this host that could not be taken. Said once for each.
    pub(crate) fn tell_fallback(&self, datanode: Option<u32>, address: &Address, hindrance: &Hindrance) {
        let partition = match datanode {
            None => self.number(),
            Some(_) => 0,
        };
        if self.partitions.told.borrow_mut().insert((datanode, partition)) {
            let path = PeerPath {
                datanode,
                address: address.clone(),
                hindrance: Some(hindrance.clone()),
                partition,
            };
            tracing::warn!(
                "{path}: a better way was offered and could not be taken; transport=tcp has it not tried"
            );
        }
    }

    pub(crate) fn pause(&self) -> Pause {
        Pause::new(&self.runtime)
    }

    /// The connection, which may have ended, if there is one.
    #[inline]
    pub(crate) fn client_now(&self) -> Option<Ref<'_, Client>> {
        self.link.client_now()
    }

    /// The answers that a namenode of this machine shares, if it is known to be there.
    #[inline]
    pub(crate) fn answers(&self, now: Time) -> Option<Ref<'_, Rc<MappedAnswers>>> {
        let answers = self.link.mapped(now)?;
        (self.runtime.since_turn() <= KNOWN_FOR).then_some(answers)
    }

    /// The connection; makes one, trying all addresses in turn until the deadline.
    pub(crate) async fn connected(self: &Rc<Self>, deadline: Time) -> Result<Client, Error> {
        let mut pause = self.pause();
        let mut last = None;
        loop {
            let attempt = self.link.connected(&self.runtime, || self.clone().attempt());
            let error = match self.runtime.timeout(deadline, attempt).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => error,
                // What an attempt before has met says more.
                Err(_) => return Err(last.unwrap_or_else(|| self.not_connected("no connection in time"))),
            };
            // Whoever refused this client once will do so again.
            if matches!(error, Error::Refused { .. }) || !pause.wait(deadline).await {
                return Err(error);
            }
            last = Some(error);
        }
    }

    /// A call of `started` was not answered in time.
    pub(crate) fn suspect(&self, started: Time) {
        self.link.suspect(started);
    }

    /// The connection of a store that is just made: one attempt, for a wrong address should be told at once.
    pub(crate) async fn connect_once(self: &Rc<Self>) -> Result<Client, Error> {
        self.link
            .connected(&self.runtime, || self.clone().attempt())
            .await
    }

    /// Tries each address once. A partition that was started again may be elsewhere: the others know.
    async fn attempt(self: Rc<Self>) -> Result<Client, Error> {
        let known = self.partitions.addresses_of(self.number());
        let outcome = self.try_in_turn().await;
        if outcome.is_ok() || !self.is_one_of_many() {
            return outcome;
        }
        self.ask_others().await;
        match self.partitions.addresses_of(self.number()) == known {
            true => outcome,
            false => self.try_in_turn().await,
        }
    }

    async fn try_in_turn(&self) -> Result<Client, Error> {
        let candidates = self.candidates();
        self.route_to(candidates[0].clone(), None);
        let mut outcome = Err(self.not_connected("it has no address"));
        for (nth, address) in candidates.into_iter().enumerate() {
            match self.begin_at(&address).await {
                Ok(client) => {
                    *self.current.borrow_mut() = Some(address);
                    return Ok(client);
                }
                // Where another partition was found, this one was hardly to be expected.
                Err(error) if nth > 0 && is_another(&error) => {}
                Err(error) => outcome = Err(error),
            }
        }
        outcome
    }

    /// The addresses where the namenode may be, the last good one first; never none. One of several partitions is where the others say
    /// that it is; the caller's addresses may lead to it, too, or to others that know.
    fn candidates(&self) -> Vec<Address> {
        let mut addresses = match self.is_one_of_many() {
            true => self.partitions.addresses_of(self.number()),
            false => Vec::new(),
        };
        for address in self.partitions.addresses() {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        let current = self.current.borrow();
        let good = addresses
            .iter()
            .position(|address| current.as_ref() == Some(address));
        addresses.rotate_left(good.unwrap_or(0));
        addresses
    }

    /// Has another partition say where all are: one with which there is a connection, or one that can be reached.
    async fn ask_others(&self) {
        for other in self.partitions.begun() {
            let client = other.client_now().as_deref().cloned();
            let live = client.filter(|client| other.number() != self.number() && client.is_connected());
            if let Some(client) = live
                && self.ask_namenode(&client).await.is_ok()
            {
                return;
            }
        }
        for address in self.partitions.addresses_beside(self.number(), OTHERS_ASKED_MAX) {
            if let Ok(client) = self.connect(&address).await
                && self.ask_namenode(&client).await.is_ok()
            {
                return;
            }
        }
    }

    /// One attempt at an address, and from there at better ones.
    async fn begin_at(&self, address: &Address) -> Result<Client, Error> {
        let peer = self.peer_at(address);
        let client = self.connect(address).await;
        let client = client.map_err(|error| connect_failure(&error, &peer))?;
        let (transport, is_many) = (self.options().transport, self.is_one_of_many());
        let is_to_move = seeks_better(transport, address);
        let stays = |hindrance| Route::new(address.clone(), &peer, hindrance);
        let (client, route) = if !is_to_move && !is_many {
            (client, stays(hindrance_by_choice(address)))
        } else {
            match self.ask_namenode(&client).await {
                Ok(known) if is_many && known.partition != self.number() => return Err(another(&peer)),
                Ok(known) => {
                    self.set_lease(known.lease_ms);
                    match is_to_move {
                        true => self.move_on(client, address, &known).await?,
                        false => (client, stays(hindrance_by_choice(address))),
                    }
                }
                Err(missed) if transport == Transport::Auto && !is_many => {
                    let hindrance = Hindrance::Failed(missed.to_string().into());
                    (client, stays(Some(hindrance)))
                }
                Err(missed) => return Err(missed_namenode(&missed, &peer)),
            }
        };
        self.route.replace(route);
        Ok(client)
    }

    /// Moves a connection to the best way that the namenode offers; it stays where it is if there is no better one. What
    /// the caller demands must be there.
    async fn move_on(
        &self,
        client: Client,
        address: &Address,
        known: &Renewed,
    ) -> Result<(Client, Rc<Route>), Error> {
        let transport = self.options().transport;
        let is_demanded = transport != Transport::Auto;
        let site = self.site(&known.host);
        let mut choice = Choice::of(&known.endpoints, site, address, transport);
        // Of a namenode that does not say where it is, the caller's address is the best guess.
        let may_move = site == Site::Here || is_demanded;
        choice
            .addresses
            .retain(|other| may_move && path::rank(other) < path::rank(address));
        let is_it = async |client: &Client| match self.ask_namenode(client).await? {
            Renewed { incarnation, .. } if incarnation == known.incarnation => Ok(()),
            _ => Err(Missed::Stranger),
        };
        let (found, tried) = self.first_of(&choice.addresses, is_it).await;
        let (client, reached) = found.unwrap_or((client, address.clone()));
        let failed = path::better_that_failed(&reached, &tried);
        if is_demanded && !path::permits(transport, &reached) {
            return Err(demand_failure(
                &self.peer_at(address),
                transport,
                failed,
                &choice.lack,
            ));
        }
        if let Some(failed) = &failed {
            self.tell_fallback(None, &reached, failed);
        }
        let hindrance = choice.hindrance(&reached, &tried);
        let peer = self.peer_at(&reached);
        Ok((client, Route::new(reached, &peer, hindrance)))
    }

    /// Who the namenode is, and where it and all partitions are; a sign of life of this client, too.
    async fn ask_namenode(&self, client: &Client) -> Result<Renewed, Missed> {
        let deadline = self.runtime.now() + self.options().connect_deadline;
        let reply = client
            .call_until(method::RENEW, &RenewRequest {}, deadline)
            .await?;
        let known = Renewed::read(&reply.message)?;
        self.partitions.note(&known);
        Ok(known)
    }

    /// Tries addresses in turn, up to one where the right server answers; gives it, and what came of those before.
    pub(crate) async fn first_of(
        &self,
        addresses: &[Address],
        is_it: impl AsyncFn(&Client) -> Result<(), Missed>,
    ) -> (Option<(Client, Address)>, Vec<(Address, Missed)>) {
        let mut tried = Vec::new();
        for address in addresses {
            let missed = match self.connect(address).await {
                Ok(client) => match is_it(&client).await {
                    Ok(()) => return (Some((client, address.clone())), tried),
                    Err(missed) => missed,
                },
                Err(error) => error.into(),
            };
            tried.push((address.clone(), missed));
        }
        (None, tried)
    }

    /// One attempt to connect to a server.
    async fn connect(&self, address: &Address) -> Result<Client, ConnectError> {
        let config = ClientConfig {
            client: self.client(),
            role: role::CLIENT,
            connect_timeout: self.options().connect_deadline,
            queue_max: QUEUE_MAX,
            ..ClientConfig::default()
        };
        let client = Client::connect(&self.runtime, address, config).await?;
        self.partitions.stats.borrow_mut().connects += 1;
        Ok(client)
    }

    fn not_connected(&self, detail: &str) -> Error {
        Error::Unavailable {
            peer: (*self.peer()).into(),
            may_have_run: false,
            detail: detail.into(),
        }
    }

    /// When a read in place of `len` bytes begins, if it is to be timed: a small one takes hardly longer than to read the clock twice, so
    /// of these one in some stands for the others.
    #[inline]
    pub(crate) fn time_in_place(&self, kind: OperationKind, len: usize) -> Option<Time> {
        let timed = self.partitions.in_place.timed(kind);
        let untimed = timed.untimed.get() + 1;
        let every = match kind {
            OperationKind::Read => IN_PLACE_TIMED_EVERY,
            _ => ANSWERS_TIMED_EVERY,
        };
        let is_due = len >= IN_PLACE_TIMED_BYTES || untimed >= every;
        timed.untimed.set(if is_due { 0 } else { untimed });
        is_due.then(|| self.runtime.now_exact())
    }

    /// Notes that `len` bytes were read in place, and says whether the reader is to let the runtime turn. Such a read waits for nothing,
    /// so that a loop of them would never let it: neither would leases be renewed, nor would the end of a server be seen.
    #[inline]
    pub(crate) fn note_in_place(&self, kind: OperationKind, len: usize, begun: Option<Time>) -> bool {
        let latency_ns = &self.partitions.in_place.timed(kind).latency_ns;
        if let Some(begun) = begun {
            let latency = self.runtime.now_exact() - begun;
            latency_ns.set(latency.as_nanos() as u64);
        }
        let bytes = self.partitions.in_place.bytes.get() + len + IN_PLACE_READ_BYTES;
        let is_due = bytes >= IN_PLACE_BYTES_MAX;
        self.partitions.in_place.bytes.set(if is_due { 0 } else { bytes });
        let mut stats = self.partitions.stats.borrow_mut();
        match kind {
            OperationKind::Read => stats.in_place += 1,
            _ => stats.found += 1,
        }
        stats.done(kind, len, latency_ns.get());
        is_due
    }

    /// An answer was found in the namenode's memory that is counted like one that came.
    pub(crate) fn note_found(&self) {
        self.partitions.stats.borrow_mut().found += 1;
    }

    pub(crate) fn count_written_in_place(&self) {
        self.partitions.stats.borrow_mut().written_in_place += 1;
    }

    #[inline]
    pub(crate) fn count(&self, kind: OperationKind, bytes: usize, started: Time) {
        let latency_ns = self.runtime.now().0.saturating_sub(started.0);
        self.partitions.stats.borrow_mut().done(kind, bytes, latency_ns);
    }

    pub(crate) fn count_failure(&self, kind: OperationKind) {
        self.partitions.stats.borrow_mut().failed(kind);
    }

    pub(crate) fn count_repeat(&self) {
        self.partitions.stats.borrow_mut().repeats += 1;
    }

    pub(crate) fn stats(&self) -> Stats {
        self.partitions.stats.borrow_mut().up_to_now()
    }

    /// Takes note of how long leases last.
    pub(crate) fn set_lease(&self, lease_ms: u64) {
        if lease_ms > 0 {
            self.leases.duration.set(Duration::from_millis(lease_ms));
        }
    }

    /// Keeps this client's leases as long as the guard lives.
    pub(crate) fn hold_lease(self: &Rc<Self>) -> LeaseGuard {
        self.leases.held.set(self.leases.held.get() + 1);
        if !self.leases.renewing.replace(true) {
            self.runtime.spawn(renew(Rc::downgrade(self))).detach();
        }
        LeaseGuard {
            session: self.clone(),
        }
    }
}

/// A lease that is renewed until this is dropped.
pub(crate) struct LeaseGuard {
    session: Rc<Session>,
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        let held = &self.session.leases.held;
        held.set(held.get() - 1);
    }
}

/// Reminds the namenode of this client three times per lease, until no lease is held. After a failure sooner: an attempt
/// took its time already.
async fn renew(session: Weak<Session>) {
    let mut part = 3;
    loop {
        let Some((runtime, lease)) = session
            .upgrade()
            .map(|session| (session.runtime.clone(), session.leases.duration.get()))
        else {
            return;
        };
        runtime.sleep(lease / part).await;
        let Some(session) = session.upgrade() else { return };
        if session.leases.held.get() == 0 {
            session.leases.renewing.set(false);
            return;
        }
        match Pending::start_within(&session, Renew, lease / 3).await {
            Ok(renewed) => {
                session.set_lease(renewed.lease_ms);
                session.partitions.note(&renewed);
                part = 3;
            }
            Err(error) => {
                tracing::warn!(%error, "leases could not be renewed");
                part = 20;
            }
        }
    }
}

/// Whether a connection that began at `address` moves on, if it can.
fn seeks_better(transport: Transport, address: &Address) -> bool {
    match transport {
        Transport::Auto | Transport::Shm => !path::is_best(address),
        Transport::Unix => matches!(address, Address::Tcp(_) | Address::Host(_)),
        Transport::Tcp => false,
    }
}

/// Why a connection stays at an address that the caller chose to have it stay at.
fn hindrance_by_choice(address: &Address) -> Option<Hindrance> {
    (!path::is_best(address)).then_some(Hindrance::Disabled)
}

/// At an address is another partition than the one that was looked for.
fn another(peer: &str) -> Error {
    Error::Unavailable {
        peer: peer.into(),
        may_have_run: false,
        detail: ANOTHER.into(),
    }
}

const ANOTHER: &str = "another partition answers there";

fn is_another(error: &Error) -> bool {
    matches!(error, Error::Unavailable { detail, .. } if **detail == *ANOTHER)
}

/// The caller demands a transport that does not lead to the namenode `peer`.
fn demand_failure(peer: &str, transport: Transport, failed: Option<Hindrance>, lack: &Hindrance) -> Error {
    let peer = peer.into();
    let asked = format!("transport={transport} is asked for, and");
    match failed {
        Some(failed @ Hindrance::Failed(_)) => Error::Unavailable {
            peer,
            may_have_run: false,
            detail: format!("{asked} it {failed}").into(),
        },
        failed => Error::Refused {
            peer,
            detail: match failed.as_ref().unwrap_or(lack) {
                Hindrance::OtherHost => format!("{asked} it is on another host, or does not say on which"),
                Hindrance::OtherUser => format!("{asked} it belongs to another user"),
                _ => format!("{asked} it does not offer that"),
            }
            .into(),
        },
    }
}

/// A connection was made, and who is there does not behave as a namenode does.
fn missed_namenode(missed: &Missed, peer: &str) -> Error {
    match missed {
        Missed::Silent(error) => not_a_namenode(failure::of_connection(error, peer)),
        missed => Error::protocol(peer, missed),
    }
}

/// Whoever does not know the first method that every namenode has is something else.
pub(crate) fn not_a_namenode(error: Error) -> Error {
    match error {
        Error::Protocol { peer, .. } => Error::Refused {
            peer,
            detail: "it is a Crake server, but not a namenode".into(),
        },
        other => other,
    }
}

/// Says who is at fault when an address does not lead to the server `peer`.
pub(crate) fn missed_failure(missed: &Missed, peer: &str) -> Error {
    match missed {
        Missed::NotConnected(error) => connect_failure(error, peer),
        Missed::Silent(error) => failure::of_connection(error, peer),
        other => Error::Unavailable {
            peer: peer.into(),
            may_have_run: false,
            detail: other.to_string().into(),
        },
    }
}

/// Says who is at fault when a connection does not come about.
fn connect_failure(error: &ConnectError, peer: &str) -> Error {
    let peer = Box::<str>::from(peer);
    match error {
        ConnectError::TimedOut => Error::TimedOut {
            peer,
            may_have_run: false,
        },
        ConnectError::Transport(error) => Error::Unavailable {
            peer,
            may_have_run: false,
            detail: error.to_string().into(),
        },
        ConnectError::Refused(reason) if error.is_retryable() => Error::Unavailable {
            peer,
            may_have_run: false,
            detail: reason.to_string().into(),
        },
        ConnectError::Refused(reason) => Error::Refused {
            peer,
            detail: reason.to_string().into(),
        },
        ConnectError::Protocol(violation) => {
            let detail = format!("this is not a Crake server, or a broken one ({violation})");
            Error::Refused {
                peer,
                detail: detail.into(),
            }
        }
    }
}
