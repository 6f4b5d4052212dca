//! Accepts clients and serves them, each in a task of its own.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crake_datapath::{Address, Error, Listener, Runtime, Stream, Task};

use crate::answers::Answers;
use crate::header::Kind;
use crate::limits::Limits;
use crate::link::Link;
use crate::service::Service;
use crate::session;
use crate::violation::Reason;

/// After an error of accepting, the next try comes after this.
const ACCEPT_RETRY: Duration = Duration::from_millis(10);

/// What a server is started with.
#[derive(Clone, Copy, Debug)]
pub struct ServerConfig {
    /// What each connection may hold at most.
    pub limits: Limits,
    /// A client that comes when there are this many is refused.
    pub connections_max: usize,
    /// How long a client may take to introduce itself.
    pub handshake_timeout: Duration,
    /// How long a connection that the server ends may take to read why.
    pub linger: Duration,
    /// From where on bytes of its answers go out from where they lie, of messages that gather.
    pub gather: crake_wire::Limits,
}

impl Default for ServerConfig {
    /// Default limits, 65,536 connections, 10 s, 1 s.
    fn default() -> ServerConfig {
        ServerConfig {
            limits: Limits::default(),
            connections_max: 65_536,
            handshake_timeout: Duration::from_secs(10),
            linger: Duration::from_secs(1),
            gather: crake_wire::Limits::default(),
        }
    }
}

/// A listening server. Dropped, it stops and closes its connections as soon as its tasks run; [`Server::shutdown`] is
/// the way that loses nothing.
pub struct Server {
    registry: Rc<Registry>,
    accepting: Cell<Option<Task<()>>>,
    local_address: Address,
}

impl Server {
    /// Listens at `address` and serves whoever connects.
    ///
    /// # Errors
    /// Of [`Runtime::listen`].
    pub fn bind<S: Service>(
        runtime: &Runtime,
        address: &Address,
        config: ServerConfig,
        service: Rc<RefCell<S>>,
    ) -> Result<Server, Error> {
        Server::serve(runtime, runtime.listen(address)?, config, service)
    }

    /// Serves whoever connects to a listener.
    ///
    /// # Errors
    /// Of [`Listener::local_address`].
    pub fn serve<S: Service>(
        runtime: &Runtime,
        listener: Listener,
        config: ServerConfig,
        service: Rc<RefCell<S>>,
    ) -> Result<Server, Error> {
        let local_address = listener.local_address()?;
        let registry = Rc::new(Registry::new(config));
        let accepting = runtime.spawn(accept(runtime.clone(), listener, registry.clone(), service));
        Ok(Server {
            registry,
            accepting: Cell::new(Some(accepting)),
            local_address,
        })
    }

    /// Where it listens; with the port that was chosen if port 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> &Address {
        &self.local_address
    }

    /// How many clients are connected.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.registry.sessions.borrow().len()
    }

    /// Ends the connection that a [`Peer`](crate::Peer) of this number came over, at once: nothing that was not sent
    /// goes out any more, and nothing is written any more to the place of a payload. The service is told as of any
    /// connection that is over. Nothing happens if there is none.
    pub fn cut_off(&self, connection: u64) {
        if let Some(session) = self.registry.sessions.borrow().get(&connection) {
            session.answers.link.abort();
            session.answers.link.signal.raise();
        }
    }

    /// Stops in good order: accepts no more clients, reads no more requests, answers those that were read, and tells each
    /// client which these are. Done when all are gone. An answer that a service owes keeps it waiting.
    pub async fn shutdown(&self) {
        drop(self.accepting.take());
        self.registry.is_closing.set(true);
        for session in self.registry.sessions.borrow().values() {
            session.answers.link.signal.raise();
        }
        poll_fn(|cx| self.registry.poll_empty(cx)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.accepting.take());
        // Each task that is dropped looks into the registry.
        let sessions = std::mem::take(&mut *self.registry.sessions.borrow_mut());
        drop(sessions);
    }
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("address", &self.local_address)
            .field("connections", &self.connections())
            .finish()
    }
}

/// The connections of a server.
pub(crate) struct Registry {
    pub config: ServerConfig,
    /// Sessions end when they see this; they are woken for it.
    pub is_closing: Cell<bool>,
    sessions: RefCell<BTreeMap<u64, SessionEntry>>,
    /// Who waits for the last session to be gone.
    waiting: RefCell<Vec<Waker>>,
    last_id: Cell<u64>,
}

struct SessionEntry {
    task: Task<()>,
    answers: Rc<Answers>,
}

impl Registry {
    fn new(config: ServerConfig) -> Registry {
        Registry {
            config,
            is_closing: Cell::new(false),
            sessions: RefCell::default(),
            waiting: RefCell::default(),
            last_id: Cell::new(0),
        }
    }

    /// Called by the session itself when it ends.
    pub(crate) fn remove(&self, id: u64) {
        let entry = self.sessions.borrow_mut().remove(&id);
        if let Some(entry) = entry {
            entry.task.detach();
        }
        if self.sessions.borrow().is_empty() {
            self.waiting.take().into_iter().for_each(Waker::wake);
        }
    }

    fn poll_empty(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.sessions.borrow().is_empty() {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

async fn accept<S: Service>(
    runtime: Runtime,
    listener: Listener,
    registry: Rc<Registry>,
    service: Rc<RefCell<S>>,
) {
    loop {
        match listener.accept().await {
            Ok(stream) => admit(&runtime, stream, &registry, &service),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                runtime.sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Starts the session of a client, or refuses it when there are too many.
fn admit<S: Service>(runtime: &Runtime, stream: Stream, registry: &Rc<Registry>, service: &Rc<RefCell<S>>) {
    let link = Link::new(stream, runtime.pool(), registry.config.gather);
    if registry.sessions.borrow().len() >= registry.config.connections_max {
        let reason = Reason::new(
            Reason::TOO_MANY_CONNECTIONS,
            "the server has too many connections",
        );
        link.add_farewell(Kind::Refuse, 0, &reason);
        // The stream sends it after it is dropped; if that fails, the client finds itself disconnected just the same.
        let _ = link.flush();
        return;
    }
    let id = registry.last_id.get() + 1;
    registry.last_id.set(id);
    let answers = Rc::new(Answers::new(link, registry.config.limits.clamped()));
    let session = session::serve(
        runtime.clone(),
        registry.clone(),
        service.clone(),
        answers.clone(),
        id,
    );
    let task = runtime.spawn(session);
    registry
        .sessions
        .borrow_mut()
        .insert(id, SessionEntry { task, answers });
}
