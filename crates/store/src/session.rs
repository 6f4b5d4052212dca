//! A client's conversation with the namenode: one identity, one connection at a time, the leases that it holds.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Address, Runtime, Time};
use crake_rpc::{Client, ClientConfig, ClientId, ConnectError};

use crate::buffered::Slices;
use crate::datanodes::Datanodes;
use crate::failure::Pause;
use crate::link::Link;
use crate::operation::Renew;
use crate::pending::Pending;
use crate::protocol::role;
use crate::stats::{OperationKind, Stats};
use crate::view::Pins;
use crate::{ConnectOptions, Error};

/// What all handles of one [`crate::Store`] share.
pub struct Session {
    runtime: Runtime,
    options: ConnectOptions,
    /// How long an operation may take, as it is added to times.
    deadline_ns: u64,
    /// Stays the same over reconnects: leases belong to it.
    client: ClientId,
    addresses: Vec<Address>,
    /// Where the connection of now goes, or the last one went.
    current: Cell<usize>,
    peers: Vec<Box<str>>,
    link: Rc<Link>,
    base: OnceCell<u64>,
    leases: Leases,
    datanodes: Datanodes,
    slices: Slices,
    pins: Pins,
    stats: RefCell<Stats>,
    /// Read in place since the runtime had its turn.
    in_place_bytes: Cell<usize>,
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
            peers: addresses
                .iter()
                .map(|address| format!("namenode {address}").into())
                .collect(),
            addresses,
            current: Cell::new(0),
            link: Rc::default(),
            base: OnceCell::new(),
            leases: Leases {
                held: Cell::new(0),
                renewing: Cell::new(false),
                duration: Cell::new(LEASE),
            },
            datanodes: Datanodes::default(),
            slices: Slices::new(options.slice_bytes),
            pins: Pins::default(),
            deadline_ns: (Time(0) + options.deadline).0,
            stats: RefCell::default(),
            in_place_bytes: Cell::new(0),
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

    /// The namenode as errors name it.
    pub(crate) fn peer(&self) -> &str {
        &self.peers[self.current.get()]
    }

    /// Where the namenode is.
    pub(crate) fn address(&self) -> &Address {
        &self.addresses[self.current.get()]
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
        let mut outcome = Err(self.not_connected("it has no address"));
        for nth in 0..self.addresses.len() {
            let at = (self.current.get() + nth) % self.addresses.len();
            outcome = self.connect(&self.addresses[at], &self.peers[at]).await;
            if outcome.is_ok() {
                self.current.set(at);
                break;
            }
        }
        outcome
    }

    /// One attempt to connect to the server `peer` at `address`.
    pub(crate) async fn connect(&self, address: &Address, peer: &str) -> Result<Client, Error> {
        let config = ClientConfig {
            client: self.client,
            role: role::CLIENT,
            connect_timeout: self.options.connect_deadline,
            queue_max: QUEUE_MAX,
            ..ClientConfig::default()
        };
        let client = Client::connect(&self.runtime, address, config).await;
        let client = client.map_err(|error| connect_failure(&error, peer))?;
        self.stats.borrow_mut().connects += 1;
        Ok(client)
    }

    fn not_connected(&self, detail: &str) -> Error {
        Error::Unavailable {
            peer: self.peer().into(),
            may_have_run: false,
            detail: detail.into(),
        }
    }

    /// Notes that `len` bytes were read in place, and says whether the reader is to let the runtime turn. Such a read waits for nothing,
    /// so that a loop of them would never let it: neither would leases be renewed, nor would the end of a datanode be seen.
    #[inline]
    pub(crate) fn note_in_place(&self, len: usize) -> bool {
        self.stats.borrow_mut().in_place += 1;
        let bytes = self.in_place_bytes.get() + len + IN_PLACE_READ_BYTES;
        let is_due = bytes >= IN_PLACE_BYTES_MAX;
        self.in_place_bytes.set(if is_due { 0 } else { bytes });
        is_due
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
            Ok(lease_ms) => {
                session.set_lease(lease_ms);
                part = 3;
            }
            Err(error) => {
                tracing::warn!(%error, "leases could not be renewed");
                part = 20;
            }
        }
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
