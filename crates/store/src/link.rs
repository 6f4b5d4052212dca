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
    current: RefCell<Option<Connected<M>>>,
    attempting: Cell<bool>,
    /// Why the last attempt failed.
    failure: RefCell<Option<Error>>,
    attempt_ended: Signal,
    established: Cell<Time>,
    used: Cell<Time>,
}

/// A connection that was made, and may have ended.
struct Connected<M> {
    client: Client,
    /// What the server shares with this process.
    mapped: Option<Rc<M>>,
}

impl<M> Default for Link<M> {
    fn default() -> Self {
        Link {
            current: RefCell::default(),
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
    pub(crate) fn client_now(&self) -> Option<Ref<'_, Client>> {
        let current = Ref::filter_map(self.current.borrow(), Option::as_ref).ok()?;
        Some(Ref::map(current, |current| &current.client))
    }

    #[inline]
    fn live(&self) -> Option<Ref<'_, Connected<M>>> {
        let current = Ref::filter_map(self.current.borrow(), Option::as_ref).ok()?;
        current.client.is_connected().then_some(current)
    }

    /// The connection, if there is a live one.
    #[inline]
    pub(crate) fn ready(&self, now: Time) -> Option<Client> {
        let current = self.live()?;
        self.used.set(now);
        Some(current.client.clone())
    }

    /// What the server shares with this process, as long as there is a live connection to it.
    #[inline]
    pub(crate) fn mapped(&self, now: Time) -> Option<Ref<'_, Rc<M>>> {
        let mapped = Ref::filter_map(self.live()?, |current| current.mapped.as_ref()).ok()?;
        self.used.set(now);
        Some(mapped)
    }

    /// Whether there is a live connection.
    pub(crate) fn is_live(&self) -> bool {
        self.live().is_some()
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
            *self.current.borrow_mut() = None;
        }
    }

    fn end(&self, outcome: Result<Client, Error>, now: Time) {
        self.attempting.set(false);
        match outcome {
            Ok(client) => {
                *self.failure.borrow_mut() = None;
                self.established.set(now);
                let mapped = M::of(&client).map(Rc::new);
                *self.current.borrow_mut() = Some(Connected { client, mapped });
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
