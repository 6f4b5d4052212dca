//! Places where streams arrive.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::address::Address;
use crate::driver::ListenerDevice;
use crate::error::Error;
use crate::memory::{SHARED_MAX, Shared};
use crate::op::{Kind, Op, OpId, Value};
use crate::reactor::Core;
use crate::slab::Key;
use crate::stream::Stream;

/// How long accepting rests after the system was out of descriptors.
const EXHAUSTED_REST: Duration = Duration::from_millis(20);

/// Accepts streams at an address. Dropping it stops listening; streams that were accepted go on.
pub struct Listener {
    core: Rc<Core>,
    state: Rc<ListenerState>,
}

impl Listener {
    pub(crate) fn new(core: Rc<Core>, state: Rc<ListenerState>) -> Listener {
        Listener { core, state }
    }

    /// The next stream that arrives. While the process is out of descriptors, streams wait.
    pub fn accept(&self) -> Op<Stream> {
        let op = self.core.ops.start(Kind::Accept, self.state.key());
        self.state.waiting.borrow_mut().push_back(op);
        if self.state.ready.get() || !self.state.unclaimed.borrow().is_empty() {
            self.state.accept(&self.core);
        }
        Op::waiting(&self.core, op)
    }

    /// Lets all clients that connect from now on use these regions, as [`Stream::memory`]; false if this transport has no way to
    /// them.
    ///
    /// # Panics
    /// If they are more than 4.
    pub fn share(&self, regions: &[Shared]) -> bool {
        assert!(regions.len() <= SHARED_MAX, "a listener shares up to 4 regions");
        self.state.device.share(regions)
    }

    /// The address, with the port that the system chose if port 0 was asked for.
    pub fn local_address(&self) -> Result<Address, Error> {
        self.state.device.local_address()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.state.close(&self.core);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("address", &self.local_address().ok())
            .finish()
    }
}

pub(crate) struct ListenerState {
    device: Box<dyn ListenerDevice>,
    key: Cell<Key>,
    waiting: RefCell<VecDeque<OpId>>,
    /// Accepted for operations that were dropped before they saw it.
    unclaimed: RefCell<VecDeque<Stream>>,
    /// There may be something to accept: not since the device said that there was not.
    ready: Cell<bool>,
    resting: Cell<bool>,
}

impl ListenerState {
    pub(crate) fn new(device: Box<dyn ListenerDevice>) -> ListenerState {
        ListenerState {
            device,
            key: Cell::new(Key {
                index: u32::MAX,
                generation: 0,
            }),
            waiting: RefCell::new(VecDeque::new()),
            unclaimed: RefCell::new(VecDeque::new()),
            ready: Cell::new(true),
            resting: Cell::new(false),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.key.get()
    }

    pub(crate) fn attach(&self, key: Key) -> Result<(), Error> {
        self.key.set(key);
        self.device.attach(key.into())
    }

    pub(crate) fn on_event(&self, core: &Rc<Core>) -> bool {
        self.ready.set(true);
        self.accept(core)
    }

    /// Ends the rest after exhaustion.
    pub(crate) fn retry(&self, core: &Rc<Core>) -> bool {
        self.resting.set(false);
        self.on_event(core)
    }

    /// Serves waiting accepts while streams arrive; true if one did.
    fn accept(&self, core: &Rc<Core>) -> bool {
        let mut progress = false;
        while !self.waiting.borrow().is_empty() {
            let Some(result) = self.next(core) else { break };
            let Some(op) = self.waiting.borrow_mut().pop_front() else {
                break;
            };
            core.complete(op, result.map(Value::Stream));
            progress = true;
        }
        progress
    }

    fn next(&self, core: &Rc<Core>) -> Option<Result<Stream, Error>> {
        if let Some(stream) = self.unclaimed.borrow_mut().pop_front() {
            return Some(Ok(stream));
        }
        if self.resting.get() {
            return None;
        }
        match self.device.accept() {
            Poll::Ready(Err(Error::Exhausted)) => {
                self.rest(core);
                None
            }
            Poll::Ready(Err(error)) => Some(Err(error)),
            Poll::Ready(Ok(device)) => Some(core.adopt(device)),
            Poll::Pending => {
                self.ready.set(false);
                None
            }
        }
    }

    fn rest(&self, core: &Rc<Core>) {
        tracing::warn!(rest = ?EXHAUSTED_REST, "out of descriptors: new connections wait");
        self.resting.set(true);
        core.retry_later(self.key(), Some(EXHAUSTED_REST));
    }

    pub(crate) fn unclaim(&self, stream: Stream) {
        self.unclaimed.borrow_mut().push_back(stream);
    }

    pub(crate) fn forget(&self, op: OpId) {
        self.waiting.borrow_mut().retain(|waiting| *waiting != op);
    }

    pub(crate) fn close(&self, core: &Rc<Core>) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for op in waiting {
            core.complete(op, Err(Error::Closed));
        }
        let unclaimed = std::mem::take(&mut *self.unclaimed.borrow_mut());
        drop(unclaimed);
        core.release(self.key());
    }
}
