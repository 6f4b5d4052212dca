//! A client's conversation with the namenode: one identity, one connection at a time, the leases that it holds.
//!
//! A connection begins at an address that the caller gave. There the namenode says where else it is, and if one of these is
//! better, the connection moves there; one that broke begins anew.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::collections::BTreeSet;
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
use crate::path::{self, Choice, Hindrance, Missed, PeerPath, Site};
use crate::pending::Pending;
use crate::protocol::namenode::{RenewRequest, namenode as method};
use crate::protocol::role;
use crate::stats::{OperationKind, Stats};
use crate::view::Pins;
use crate::watch::Watches;
use crate::{ConnectOptions, Error, Transport, failure, this_host};

/// What all handles of one [`crate::Store`] share.
pub struct Session {
    runtime: Runtime,
    options: ConnectOptions,
    /// How long an operation may take, as it is added to times.
    deadline_ns: u64,
    /// Stays the same over reconnects: leases belong to it.
    client: ClientId,
    addresses: Vec<Address>,
    /// The address where the connection of now began, or the last one did.
    current: Cell<usize>,
    /// Where it goes; while there is none, where it will begin.
    route: RefCell<Rc<Route>>,
    link: Rc<Link<MappedAnswers>>,
    /// Of this process; read when a server says which is its own.
    host: OnceCell<String>,
    /// Servers of which it was told that a better way could not be taken: datanodes, and `None` for the namenode.
    told: RefCell<BTreeSet<Option<u32>>>,
    base: OnceCell<u64>,
    leases: Leases,
    datanodes: Datanodes,
    slices: Slices,
    pins: Pins,
    watches: Watches,
    stats: RefCell<Stats>,
    in_place: InPlace,
}

/// What is read in place.
#[derive(Default)]
struct InPlace {
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
    fn new(address: Address, hindrance: Option<Hindrance>) -> Rc<Route> {
        Rc::new(Route {
            peer: namenode_at(&address).into(),
            address,
            hindrance,
        })
    }
}

fn namenode_at(address: &Address) -> String {
    format!("namenode {address}")
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

/// Of a namenode that does not say.
const LEASE: Duration = Duration::from_secs(10);

impl Session {
    pub(crate) fn new(runtime: &Runtime, options: ConnectOptions) -> Result<Rc<Session>, Error> {
        let addresses = options.resolve()?;
        let client = u128::from(runtime.random()) << 64 | u128::from(runtime.random());
        Ok(Rc::new(Session {
            runtime: runtime.clone(),
            client: ClientId(client),
            route: RefCell::new(Route::new(addresses[0].clone(), None)),
            addresses,
            current: Cell::new(0),
            link: Rc::default(),
            host: OnceCell::new(),
            told: RefCell::default(),
            base: OnceCell::new(),
            leases: Leases {
                held: Cell::new(0),
                renewing: Cell::new(false),
                duration: Cell::new(LEASE),
            },
            datanodes: Datanodes::default(),
            slices: Slices::new(options.slice_bytes),
            pins: Pins::default(),
            watches: Watches::default(),
            deadline_ns: (Time(0) + options.deadline).0,
            stats: RefCell::default(),
            in_place: InPlace::default(),
            options,
        }))
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn options(&self) -> &ConnectOptions {
        &self.options
    }

    /// When an operation that starts now must have ended.
    #[inline]
    pub(crate) fn deadline_of(&self, started: Time) -> Time {
        Time(started.0.saturating_add(self.deadline_ns))
    }

    pub(crate) fn client(&self) -> ClientId {
        self.client
    }

    pub(crate) fn datanodes(&self) -> &Datanodes {
        &self.datanodes
    }

    pub(crate) fn slices(&self) -> &Slices {
        &self.slices
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

    /// The ways of all connections that there are.
    pub(crate) fn paths(&self) -> Vec<PeerPath> {
        let route = self.route.borrow();
        let namenode = self.link.is_live().then(|| PeerPath {
            datanode: None,
            address: route.address.clone(),
            hindrance: route.hindrance.clone(),
        });
        namenode.into_iter().chain(self.datanodes.paths()).collect()
    }

    /// Where a server of this host is, seen from here.
    pub(crate) fn site(&self, host: &str) -> Site {
        match host {
            "" => Site::Unknown,
            host if host == self.host.get_or_init(this_host) => Site::Here,
            _ => Site::Elsewhere,
        }
    }

    /// A server offered a better way to this host that could not be taken. Said once for each.
    pub(crate) fn tell_fallback(&self, datanode: Option<u32>, address: &Address, hindrance: &Hindrance) {
        if self.told.borrow_mut().insert(datanode) {
            let path = PeerPath {
                datanode,
                address: address.clone(),
                hindrance: Some(hindrance.clone()),
            };
            tracing::warn!(
                "{path}: a better way was offered and could not be taken; transport=tcp has it not tried"
            );
        }
    }

    /// The directory that paths start from; 0 is the root.
    #[inline]
    pub(crate) fn base(&self) -> u64 {
        self.base.get().copied().unwrap_or(0)
    }

    pub(crate) fn set_base(&self, id: u64) {
        // Set once, while the store is made.
        let _ = self.base.set(id);
    }

    pub(crate) fn pause(&self) -> Pause {
        Pause::new(&self.runtime)
    }

    /// The connection, which may have ended, if there is one.
    #[inline]
    pub(crate) fn client_now(&self) -> Ref<'_, Option<Client>> {
        self.link.client_now()
    }

    /// The answers that a namenode of this machine shares, if it is known to be there.
    #[inline]
    pub(crate) fn answers(&self, now: Time) -> Option<Rc<MappedAnswers>> {
        let answers = self.link.mapped(now)?;
        (self.runtime.since_turn() <= KNOWN_FOR).then_some(answers)
    }

    /// The connection; makes one, trying all addresses in turn until the deadline.
    pub(crate) async fn connected(self: &Rc<Self>, deadline: Time) -> Result<Client, Error> {
        let mut pause = self.pause();
        loop {
            let attempt = self.link.connected(&self.runtime, || self.clone().attempt());
            let error = match self.runtime.timeout(deadline, attempt).await {
                Ok(Ok(client)) => return Ok(client),
                Ok(Err(error)) => error,
                Err(_) => return Err(self.not_connected("no connection in time")),
            };
            // Whoever refused this client once will do so again.
            if matches!(error, Error::Refused { .. }) || !pause.wait(deadline).await {
                return Err(error);
            }
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

    /// Tries each address once, the last good one first.
    async fn attempt(self: Rc<Self>) -> Result<Client, Error> {
        let first = self.current.get();
        self.route
            .replace(Route::new(self.addresses[first].clone(), None));
        let mut outcome = Err(self.not_connected("it has no address"));
        for nth in 0..self.addresses.len() {
            let at = (first + nth) % self.addresses.len();
            outcome = self.begin_at(&self.addresses[at]).await;
            if outcome.is_ok() {
                self.current.set(at);
                break;
            }
        }
        outcome
    }

    /// One attempt at an address that the caller gave, and from there at better ones.
    async fn begin_at(&self, address: &Address) -> Result<Client, Error> {
        let peer = namenode_at(address);
        let client = self.connect(address).await;
        let client = client.map_err(|error| connect_failure(&error, &peer))?;
        let transport = self.options.transport;
        let (client, route) = if !seeks_better(transport, address) {
            let hindrance = (!path::is_best(address)).then_some(Hindrance::Disabled);
            (client, Route::new(address.clone(), hindrance))
        } else {
            match self.ask_namenode(&client).await {
                Ok(known) => self.move_on(client, address, &known).await?,
                Err(missed) if transport == Transport::Auto => {
                    let hindrance = Hindrance::Failed(missed.to_string().into());
                    (client, Route::new(address.clone(), Some(hindrance)))
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
        let transport = self.options.transport;
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
            return Err(demand_failure(address, transport, failed, &choice.lack));
        }
        if let Some(failed) = &failed {
            self.tell_fallback(None, &reached, failed);
        }
        let hindrance = choice.hindrance(&reached, &tried);
        Ok((client, Route::new(reached, hindrance)))
    }

    /// Who the namenode is and where; a sign of life of this client, too.
    async fn ask_namenode(&self, client: &Client) -> Result<Renewed, Missed> {
        let deadline = self.runtime.now() + self.options.connect_deadline;
        let reply = client
            .call_until(method::RENEW, &RenewRequest {}, deadline)
            .await?;
        Ok(Renewed::read(&reply.message)?)
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
            client: self.client,
            role: role::CLIENT,
            connect_timeout: self.options.connect_deadline,
            queue_max: QUEUE_MAX,
            ..ClientConfig::default()
        };
        let client = Client::connect(&self.runtime, address, config).await?;
        self.stats.borrow_mut().connects += 1;
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
        let timed = self.in_place.timed(kind);
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
        let latency_ns = &self.in_place.timed(kind).latency_ns;
        if let Some(begun) = begun {
            let latency = self.runtime.now_exact() - begun;
            latency_ns.set(latency.as_nanos() as u64);
        }
        let bytes = self.in_place.bytes.get() + len + IN_PLACE_READ_BYTES;
        let is_due = bytes >= IN_PLACE_BYTES_MAX;
        self.in_place.bytes.set(if is_due { 0 } else { bytes });
        let mut stats = self.stats.borrow_mut();
        match kind {
            OperationKind::Read => stats.in_place += 1,
            _ => stats.found += 1,
        }
        stats.done(kind, len, latency_ns.get());
        is_due
    }

    /// An answer was found in the namenode's memory that is counted like one that came.
    pub(crate) fn note_found(&self) {
        self.stats.borrow_mut().found += 1;
    }

    pub(crate) fn count_written_in_place(&self) {
        self.stats.borrow_mut().written_in_place += 1;
    }

    #[inline]
    pub(crate) fn count(&self, kind: OperationKind, bytes: usize, started: Time) {
        let latency_ns = self.runtime.now().0.saturating_sub(started.0);
        self.stats.borrow_mut().done(kind, bytes, latency_ns);
    }

    pub(crate) fn count_failure(&self, kind: OperationKind) {
        self.stats.borrow_mut().failed(kind);
    }

    pub(crate) fn count_repeat(&self) {
        self.stats.borrow_mut().repeats += 1;
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats.borrow_mut().up_to_now()
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
        Transport::Unix => matches!(address, Address::Tcp(_)),
        Transport::Tcp => false,
    }
}

/// The caller demands a transport that does not lead to the namenode.
fn demand_failure(
    address: &Address,
    transport: Transport,
    failed: Option<Hindrance>,
    lack: &Hindrance,
) -> Error {
    let peer = namenode_at(address).into();
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
