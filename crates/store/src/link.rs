//! A connection to one server that is made when it is needed, and made anew when it broke.

use std::cell::{Cell, Ref, RefCell};
use std::future::Future;
use std::rc::Rc;

use crake_datapath::{Runtime, Time};
use crake_rpc::Client;

use crate::Error;
use crate::signal::Signal;

/// What a server of this machine shares, as its clients see it.
pub(crate) trait Mapped: Sized {
    /// What the server at the other end shares, if it is this, in a layout that is known here.
    fn of(client: &Client) -> Option<Self>;
}

/// At most one connection, shared by all who ask for it, and at most one attempt to make it at a time.
pub(crate) struct Link<M> {
    client: RefCell<Option<Client>>,
    /// What its server shares with this process.
    mapped: RefCell<Option<Rc<M>>>,
    attempting: Cell<bool>,
    /// Why the last attempt failed.
    failure: RefCell<Option<Error>>,
    attempt_ended: Signal,
    established: Cell<Time>,
    used: Cell<Time>,
}

impl<M> Default for Link<M> {
    fn default() -> Self {
        Link {
            client: RefCell::default(),
            mapped: RefCell::default(),
            attempting: Cell::default(),
            failure: RefCell::default(),
            attempt_ended: Signal::default(),
            established: Cell::default(),
            used: Cell::default(),
        }
    }
}

impl<M: Mapped + 'static> Link<M> {
    /// The connection, which may have ended, if there is one.
    #[inline]
    pub(crate) fn client_now(&self) -> Ref<'_, Option<Client>> {
        self.client.borrow()
    }

    /// The connection, if there is a live one.
    #[inline]
    pub(crate) fn ready(&self, now: Time) -> Option<Client> {
        let client = self.client.borrow();
        let client = client.as_ref().filter(|client| client.is_connected())?;
        self.used.set(now);
        Some(client.clone())
    }

    /// What the server shares with this process, as long as there is a live connection to it.
    #[inline]
    pub(crate) fn mapped(&self, now: Time) -> Option<Rc<M>> {
        let mapped = self.mapped.borrow();
        let mapped = mapped.as_ref()?;
        let client = self.client.borrow();
        client.as_ref().filter(|client| client.is_connected())?;
        self.used.set(now);
        Some(mapped.clone())
    }

    /// Whether there is a live connection.
    pub(crate) fn is_live(&self) -> bool {
        self.client.borrow().as_ref().is_some_and(Client::is_connected)
    }

    /// The connection; `connect` makes one if there is none and nobody is at it.
    ///
    /// The attempt runs as a task of its own, so that it serves the others when this caller gives up.
    pub(crate) async fn connected<F>(
        self: &Rc<Self>,
        runtime: &Runtime,
        connect: impl FnOnce() -> F,
    ) -> Result<Client, Error>
    where
        F: Future<Output = Result<Client, Error>> + 'static,
    {
        if let Some(client) = self.ready(runtime.now()) {
            return Ok(client);
        }
        let ended = self.attempt_ended.changed();
        if !self.attempting.replace(true) {
            let (link, runtime_of, attempt) = (self.clone(), runtime.clone(), connect());
            let task = async move {
                let outcome = attempt.await;
                link.end(outcome, runtime_of.now());
            };
            runtime.spawn(task).detach();
        }
        ended.await;
        match self.ready(runtime.now()) {
            Some(client) => Ok(client),
            None => Err(self.failure.borrow().clone().unwrap_or_else(closed_at_once)),
        }
    }

    /// A call of `started` was not answered in time: the way to the server may be broken without a word. Calls under way
    /// keep the connection, the next one makes another.
    pub(crate) fn suspect(&self, started: Time) {
        if started >= self.established.get() {
            *self.client.borrow_mut() = None;
        }
    }

    fn end(&self, outcome: Result<Client, Error>, now: Time) {
        self.attempting.set(false);
        match outcome {
            Ok(client) => {
                *self.failure.borrow_mut() = None;
                self.established.set(now);
                *self.mapped.borrow_mut() = M::of(&client).map(Rc::new);
                *self.client.borrow_mut() = Some(client);
            }
            Err(error) => *self.failure.borrow_mut() = Some(error),
        }
        self.attempt_ended.notify();
    }

    /// Whether it was not used since `time`, and nobody is making it.
    pub(crate) fn is_idle_since(&self, time: Time) -> bool {
        !self.attempting.get() && self.used.get() < time
    }
}

/// The connection was made, and was gone before its first user looked.
fn closed_at_once() -> Error {
    Error::Unavailable {
        peer: "server".into(),
        may_have_run: false,
        detail: "it closed the new connection at once".into(),
    }
}
