//! A simulated node's view of the network, as a [`Driver`] and its devices.

use std::any::Any;
use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crake_mem::{Buf, Pool, Segment};

use super::connection::{ConnectionId, Phase, Side, front};
use super::disk::SimFiles;
use super::kept::SimKept;
use super::state::{Place, State, is_alive};
use crate::address::Address;
use crate::driver::{Attention, Driver, Event, ListenerDevice, StreamDevice, Target, Token};
use crate::error::Error;
use crate::executor::Alarm;
use crate::files::Files;
use crate::kept::KeptMemory;
use crate::memory::{Held, Memory, Shared};
use crate::time::{Time, WallTime};

/// What a device takes for a write at most.
const DISK_DELAY_MAX: Duration = Duration::from_millis(20);

/// One life of one node.
pub(super) struct NodeDriver {
    pub(super) state: Rc<RefCell<State>>,
    pub(super) place: Place,
}

impl Driver for NodeDriver {
    fn now(&self) -> Time {
        self.state.borrow().now
    }

    fn wall(&self) -> WallTime {
        self.state.borrow().wall(self.place.node)
    }

    fn poll(&self, _now: Time, _attention: Attention, events: &mut Vec<Event>) {
        let mut state = self.state.borrow_mut();
        if !is_alive(&state.nodes, self.place) {
            return;
        }
        if let Some(node) = state.nodes.get_mut(&self.place.node) {
            events.append(&mut node.events);
        }
    }

    fn park(&self, _until: Option<Time>, _events: &mut Vec<Event>) {
        panic!("a simulated runtime has only its own view of time: let its Network turn it, not `block_on`");
    }

    fn alarm(&self) -> Alarm {
        Arc::new(|| ())
    }

    fn files(&self, directory: &Path) -> Result<Arc<dyn Files>, Error> {
        let disk = self.state.borrow_mut().disk(self.place.node);
        Ok(Arc::new(SimFiles::open(&disk, &directory.to_string_lossy())?))
    }

    fn kept_memory(&self, directory: &Path) -> Result<Rc<dyn KeptMemory>, Error> {
        let directory = directory.to_string_lossy().into_owned();
        Ok(Rc::new(SimKept::open(&self.state, self.place, directory)?))
    }

    fn background_delay(&self) -> Option<Duration> {
        let state = self.state.borrow();
        let delay_ns = state.random.below(DISK_DELAY_MAX.as_nanos() as u64);
        Some(Duration::from_nanos(delay_ns))
    }

    fn listen(&self, address: &Address) -> Result<Box<dyn ListenerDevice>, Error> {
        let Address::Sim { node, port } = *address else {
            return Err(Error::Invalid(
                "a simulated node listens at sim:// addresses only",
            ));
        };
        if node != self.place.node {
            return Err(Error::Invalid("a simulated node listens at its own address only"));
        }
        let port = self.state.borrow_mut().listen(self.place, port)?;
        Ok(Box::new(SimListener {
            state: self.state.clone(),
            place: self.place,
            port,
        }))
    }

    fn connect(&self, address: &Address) -> Result<Box<dyn StreamDevice>, Error> {
        let Address::Sim { node, port } = *address else {
            return Err(Error::Invalid(
                "a simulated node connects to sim:// addresses only",
            ));
        };
        let tie: Rc<dyn Any> = Rc::new(());
        let id = self
            .state
            .borrow_mut()
            .connect(self.place, (node, port), Rc::downgrade(&tie));
        let remote = Address::Sim { node, port };
        Ok(Box::new(SimStream {
            state: self.state.clone(),
            place: self.place,
            id,
            side: Side::Client,
            _tie: Some(tie),
            // A client has no port of its own; nothing connects to it.
            local: Address::Sim {
                node: self.place.node,
                port: 0,
            },
            remote,
        }))
    }
}

struct SimListener {
    state: Rc<RefCell<State>>,
    place: Place,
    port: u16,
}

impl ListenerDevice for SimListener {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.state
            .borrow_mut()
            .attach_listener(self.place, self.port, token);
        Ok(())
    }

    fn accept(&self) -> Poll<Result<Box<dyn StreamDevice>, Error>> {
        let mut state = self.state.borrow_mut();
        let Some(id) = state.accept(self.place, self.port) else {
            return Poll::Pending;
        };
        let client = state
            .connection(id)
            .map(|connection| connection.place(Side::Client).node);
        let remote = Address::Sim {
            node: client.unwrap_or_default(),
            port: 0,
        };
        let local = self.local_address()?;
        let state = self.state.clone();
        Poll::Ready(Ok(Box::new(SimStream {
            state,
            place: self.place,
            id,
            side: Side::Server,
            _tie: None,
            local,
            remote,
        })))
    }

    fn share(&self, regions: &[Shared]) -> bool {
        self.state.borrow_mut().share(self.place, self.port, regions)
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(Address::Sim {
            node: self.place.node,
            port: self.port,
        })
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.state.borrow_mut().stop_listening(self.place, self.port);
    }
}

struct SimStream {
    state: Rc<RefCell<State>>,
    place: Place,
    id: ConnectionId,
    side: Side,
    /// A client's: what its holds keep, too.
    _tie: Option<Rc<dyn Any>>,
    local: Address,
    remote: Address,
}

impl SimStream {
    /// Receives at most `len_max` bytes through `write`; zero is the end.
    fn take(&self, len_max: usize, write: impl FnMut(&[u8])) -> Poll<Result<usize, Error>> {
        let mut state = self.state.borrow_mut();
        if !is_alive(&state.nodes, self.place) {
            return Poll::Ready(Err(Error::Reset));
        }
        let Some(connection) = state.connection(self.id) else {
            return Poll::Ready(Err(Error::Reset));
        };
        let end = connection.end(self.side);
        let taken = end.take(len_max, write);
        if taken > 0 {
            state.received(self.id, self.side);
            return Poll::Ready(Ok(taken));
        }
        match (end.reset, end.finished) {
            (true, _) => Poll::Ready(Err(Error::Reset)),
            (false, true) => Poll::Ready(Ok(0)),
            (false, false) => Poll::Pending,
        }
    }

    fn has_something(&self) -> bool {
        let mut state = self.state.borrow_mut();
        state
            .connection(self.id)
            .is_some_and(|connection| !connection.end(self.side).inbox.is_empty())
    }
}

impl StreamDevice for SimStream {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.state.borrow_mut().attach(self.id, self.side, token);
        Ok(())
    }

    fn connected(&self) -> Poll<Result<(), Error>> {
        let mut state = self.state.borrow_mut();
        match state
            .connection(self.id)
            .map(|connection| connection.phase.clone())
        {
            Some(Phase::Connecting) => Poll::Pending,
            Some(Phase::Established) => Poll::Ready(Ok(())),
            Some(Phase::Failed(error)) => Poll::Ready(Err(error)),
            None => Poll::Ready(Err(Error::Reset)),
        }
    }

    fn send(&self, segments: &[Segment]) -> Poll<Result<usize, Error>> {
        let mut state = self.state.borrow_mut();
        if !is_alive(&state.nodes, self.place) {
            return Poll::Ready(Err(Error::Reset));
        }
        let room = match state.room(self.id, self.side) {
            Ok(Some(room)) => room,
            Ok(None) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(error)),
        };
        let count = room.min(segments.iter().map(Segment::len).sum());
        state.send(self.id, self.side, front(segments, count));
        Poll::Ready(Ok(count))
    }

    fn receive(&self, pool: &Pool, bytes_max: usize) -> Poll<Result<Buf, Error>> {
        if !self.has_something() {
            return self
                .take(0, |_| ())
                .map(|result| result.map(|_| Buf::from_vec(Vec::new())));
        }
        let Some(mut buffer) = pool.take() else {
            return Poll::Ready(Err(Error::Exhausted));
        };
        let len_max = buffer.spare().min(bytes_max);
        self.take(len_max, |bytes| buffer.push_slice(bytes))
            .map(|result| result.map(|_| buffer.freeze()))
    }

    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        let len_max = target.len();
        self.take(len_max, |bytes| {
            target.write(bytes);
        })
    }

    fn finish(&self) -> Result<(), Error> {
        self.state.borrow_mut().finish(self.id, self.side);
        Ok(())
    }

    fn memory(&self) -> Option<Memory> {
        let mut state = self.state.borrow_mut();
        let connection = state.connection(self.id)?;
        (self.side == Side::Client)
            .then(|| connection.memory.clone())
            .flatten()
    }

    fn held(&self) -> Option<Held> {
        let mut state = self.state.borrow_mut();
        let connection = state.connection(self.id)?;
        (self.side == Side::Server)
            .then(|| connection.held.clone())
            .flatten()
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(self.local.clone())
    }

    fn peer_address(&self) -> Result<Address, Error> {
        Ok(self.remote.clone())
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let mut state = self.state.borrow_mut();
        if is_alive(&state.nodes, self.place) {
            state.close(self.id, self.side);
        }
    }
}
