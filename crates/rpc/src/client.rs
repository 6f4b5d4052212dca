//! The calling side.

use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Error, Memory, Runtime, Stream, Time};
use crake_wire::Encode;

use crate::call::{Call, CallOptions};
use crate::connection::{Connection, Start};
use crate::handshake::{ClientId, Hello, Versions, Welcome};
use crate::header::Kind;
use crate::limits::Limits;
use crate::link::{FirstFrame, FirstFrameError, Link};
use crate::stream::ReplyStream;
use crate::violation::{Reason, Violation};

/// What a client connects with.
#[derive(Clone, Copy, Debug)]
pub struct ClientConfig {
    /// Who it is.
    pub client: ClientId,
    /// What it is, for the service to interpret.
    pub role: u8,
    /// What it is ready to hold at most.
    pub limits: Limits,
    /// How long connecting may take, handshake included.
    pub connect_timeout: Duration,
    /// How long a call may take that does not say otherwise.
    pub call_timeout: Duration,
    /// Calls that may wait for a credit.
    pub queue_max: usize,
    /// From where on bytes of its messages go out from where they lie, of messages that gather.
    pub gather: crake_wire::Limits,
}

impl Default for ClientConfig {
    /// Client 0 in role 0, default limits, 10 s to connect, 30 s for a call, 1,024 calls that wait.
    fn default() -> ClientConfig {
        ClientConfig {
            client: ClientId::default(),
            role: 0,
            limits: Limits::default(),
            connect_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
            queue_max: 1024,
            gather: crake_wire::Limits::default(),
        }
    }
}

/// Why there is no connection. No call was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The transport found nobody, or lost them.
    #[error("cannot connect: {0}")]
    Transport(#[from] Error),
    /// The server does not want this client, or speaks another version.
    #[error("the server refused the connection: {0}")]
    Refused(Reason),
    /// Whoever is there does not keep to the protocol.
    #[error("the server broke the protocol: {0}")]
    Protocol(Violation),
    /// No answer in time.
    #[error("no answer in time")]
    TimedOut,
}

impl ConnectError {
    /// Whether another try, later, may succeed with nothing changed on this side.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            ConnectError::Transport(error) => !matches!(error, Error::Invalid(_)),
            ConnectError::TimedOut => true,
            ConnectError::Refused(reason) => {
                matches!(reason.code, Reason::SHUTTING_DOWN | Reason::TOO_MANY_CONNECTIONS)
            }
            ConnectError::Protocol(_) => false,
        }
    }
}

impl From<Violation> for ConnectError {
    fn from(violation: Violation) -> ConnectError {
        ConnectError::Protocol(violation)
    }
}

/// A connection to a server. Clones share it. It closes when all clones, and all calls made through them, are dropped.
pub struct Client {
    connection: Option<Rc<Connection>>,
}

impl Client {
    /// Connects and introduces itself.
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(
        runtime: &Runtime,
        address: &Address,
        config: ClientConfig,
    ) -> Result<Client, ConnectError> {
        let deadline = runtime.now() + config.connect_timeout;
        let connection = runtime
            .timeout(deadline, connect(runtime, address, &config))
            .await;
        connection
            .unwrap_or(Err(ConnectError::TimedOut))
            .map(|connection| Client {
                connection: Some(connection),
            })
    }

    /// Calls `method`. The message is encoded before this returns; it leaves, together with all that is called in the
    /// same turn of the runtime, when the connection's task runs next, or with [`Client::flush`]. When no credit
    /// is left the call waits for one, in order. What the message has gathered goes out from where it lies, in the place of
    /// a payload; with one in the options all of the message is copied.
    #[inline(always)]
    pub fn call(&self, method: u16, message: &(impl Encode + ?Sized), options: CallOptions) -> Call {
        self.connection().call(method, message, options)
    }

    /// Calls a method whose answer comes in parts. A timeout is how long the caller waits for each part; a deadline is that
    /// of the whole stream. A place for the payload of the answer is not used.
    pub fn stream(&self, method: u16, message: &(impl Encode + ?Sized), options: CallOptions) -> ReplyStream {
        self.connection().stream(method, message, options)
    }

    /// [`Client::call`] with a deadline and no other option: the quickest way to make a small call.
    #[inline(always)]
    pub fn call_until(&self, method: u16, message: &(impl Encode + ?Sized), deadline: Time) -> Call {
        self.connection().call_until(method, message, deadline)
    }

    /// Sends what was called so far, now.
    pub fn flush(&self) {
        self.connection().flush();
    }

    /// The limits that were agreed.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.connection().limits()
    }

    /// Whether calls can be made: not when the connection was lost or closed. It does not come back.
    #[must_use]
    #[inline]
    pub fn is_connected(&self) -> bool {
        !self.connection().has_ended()
    }

    /// The memory that the server shares with clients of its machine, if this is one.
    #[must_use]
    pub fn memory(&self) -> Option<Memory> {
        self.connection().memory()
    }

    /// Ends the connection, also for all clones. Calls under way are lost.
    pub fn close(&self) {
        self.connection().close();
    }

    #[inline]
    fn connection(&self) -> &Rc<Connection> {
        self.connection.as_ref().expect("it is there until drop")
    }
}

impl Clone for Client {
    fn clone(&self) -> Client {
        Client {
            connection: self.connection.clone(),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.let_go();
        }
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("is_connected", &self.is_connected())
            .finish()
    }
}

async fn connect(
    runtime: &Runtime,
    address: &Address,
    config: &ClientConfig,
) -> Result<Rc<Connection>, ConnectError> {
    let stream = open(runtime, address).await?;
    let link = Link::new(stream, runtime.pool(), config.gather);
    let hello = Hello {
        versions: Versions::OURS,
        role: config.role,
        limits: config.limits.clamped(),
        client: config.client,
    };
    link.add_handshake(Kind::Hello, &hello.encode());
    // The server may have refused before it read anything: its answer says more than the error.
    let sent = link.flush();
    let first = match (link.first_frame().await, sent) {
        (Ok(first), _) => first,
        (Err(FirstFrameError::Foreign), _) => return Err(Violation::WrongMagic.into()),
        (Err(FirstFrameError::Gone), Err(error)) => return Err(error.into()),
        (Err(FirstFrameError::Gone), Ok(())) => return Err(Error::Reset.into()),
    };
    let welcome = read_welcome(&first, &hello)?;
    Ok(Connection::start(Start {
        runtime: runtime.clone(),
        link,
        limits: welcome.limits,
        timeout: config.call_timeout,
        queue_max: config.queue_max,
        rest: first.rest,
    }))
}

/// A stream to an address; of a host's name, to the first of its addresses that takes it.
async fn open(runtime: &Runtime, address: &Address) -> Result<Stream, Error> {
    if !matches!(address, Address::Host(_)) {
        return runtime.connect(address).await;
    }
    let mut outcome = Err(Error::NoSuchHost);
    for address in runtime.look_up(address).await? {
        outcome = runtime.connect(&address).await;
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn read_welcome(first: &FirstFrame, hello: &Hello) -> Result<Welcome, ConnectError> {
    match first.header.kind {
        Kind::Welcome => Ok(Welcome::decode(&first.message, hello)?),
        Kind::Refuse => Err(ConnectError::Refused(Reason::received(
            first.header.code,
            &first.message,
        ))),
        _ => Err(Violation::UnexpectedFrame.into()),
    }
}
