//! Ordered streams of bytes over any device: who waits for what, and in which order.

mod closed;
mod receive;
mod send;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use crake_mem::{Buf, BufMut, Extent, Sga};

use crate::address::Address;
use crate::driver::{Event, PeerProcess, StreamDevice};
use crate::error::Error;
use crate::memory::{Held, Memory};
use crate::op::{Op, OpId, Value};
use crate::reactor::Core;
use crate::slab::Key;
use crate::time::Time;

use closed::ClosedDevice;

/// Takes what a stream receives where it is received: before any task runs, and without an operation that ends.
///
/// See [`Stream::set_intake`].
pub trait Intake {
    /// Takes bytes that came while a [`pop`](Stream::pop) waits for them, never none; the pop then waits on. Bytes that are
    /// given back end the pop, as if there were no intake.
    fn take(&self, bytes: Buf) -> Option<Buf>;
}

/// One end of a connection: ordered bytes both ways.
///
/// Methods take `&self`, so that a reader and a writer can share it by `Rc`. Dropping it ends
/// what waits to be received with [`Error::Closed`]; bytes that were pushed are still sent, for
/// at most [`LINGER`](crate::LINGER).
pub struct Stream {
    core: Rc<Core>,
    state: Rc<StreamState>,
}

impl Stream {
    pub(crate) fn new(core: Rc<Core>, state: Rc<StreamState>) -> Stream {
        Stream { core, state }
    }

    /// Sends bytes, in order of the calls. Starts at once and is done when the device has taken
    /// all of them, so that the buffers may be used again.
    pub fn push(&self, bytes: Sga) -> Op<()> {
        self.state.push(&self.core, bytes)
    }

    /// Sends what the device takes of `bytes` at once, and says how much. Nothing if something is on its way before it, or if
    /// the device does not copy what it sends: then [`push`](Stream::push) does it.
    pub fn push_now(&self, bytes: &[u8]) -> Result<usize, Error> {
        self.state.push_now(bytes)
    }

    /// Receives what comes next, as much as there is; an empty buffer when the peer has
    /// finished. Takes a buffer of the runtime's pool only when there is something to receive.
    /// Several may wait; they are served in order.
    pub fn pop(&self) -> Op<Buf> {
        self.state.pop(&self.core)
    }

    /// Receives straight into `target` and is done when that is full, or the peer has finished:
    /// the count says. Nobody should read the target meanwhile.
    pub fn pop_into(&self, target: Extent) -> Op<usize> {
        if target.is_empty() {
            return Op::ready(Ok(0));
        }
        self.state
            .pop_into(&self.core, Destination::Extent { target, filled: 0 })
    }

    /// Receives into the spare room of `target` and gives it back when that is full, or shorter if the peer
    /// has finished.
    pub fn pop_into_buf(&self, target: BufMut) -> Op<BufMut> {
        if target.spare() == 0 {
            return Op::ready(Ok(target));
        }
        let start = target.len();
        self.state
            .pop_into(&self.core, Destination::Buffer { target, start })
    }

    /// From now on a `pop` receives about `bytes_max` at most, which is at least one. For who knows that a large payload
    /// follows a small head: what the head's receive does not take, [`pop_into`](Stream::pop_into) can put where it belongs.
    pub fn set_receive_max(&self, bytes_max: usize) {
        self.state.receive_max.set(bytes_max.max(1));
    }

    /// From now on shows `intake` what is received for a `pop` that waits, once in each turn of the runtime; what comes for
    /// other operations, the end of the stream and errors it does not see. Nothing is shown once it is dropped: the
    /// stream does not keep it.
    pub fn set_intake(&self, intake: Weak<dyn Intake>) {
        self.state.incoming.borrow_mut().intake = Some(intake);
    }

    /// Ends sending once everything pushed is sent: the peer then receives an end. Receiving goes on.
    pub fn finish(&self) -> Result<(), Error> {
        self.state.finish()
    }

    /// Closes both ways, as dropping does, while others may still hold this stream.
    pub fn close(&self) {
        self.state.close(&self.core);
    }

    /// Closes both ways and gives up what was not sent: when this returns, the buffers of all pushes may be
    /// used again.
    pub fn abort(&self) {
        self.state.abort(&self.core);
    }

    /// The address of this end.
    pub fn local_address(&self) -> Result<Address, Error> {
        self.state.device.borrow().local_address()
    }

    /// The address of the other end.
    pub fn peer_address(&self) -> Result<Address, Error> {
        self.state.device.borrow().peer_address()
    }

    /// The process at the other end: Unix sockets only.
    pub fn peer_process(&self) -> Result<PeerProcess, Error> {
        self.state.device.borrow().peer_process()
    }

    /// The memory that the server shares, if this is a client's end and has a way to it.
    pub fn memory(&self) -> Option<Memory> {
        self.state.device.borrow().memory()
    }

    /// What the client at the other end still has of memory that is shared for writing; `None` if it was given none, or if this is a client's
    /// end.
    pub fn held(&self) -> Option<Held> {
        self.state.device.borrow().held()
    }

    /// Bytes that were pushed and not yet taken by the device.
    pub fn unsent_bytes(&self) -> usize {
        self.state.outgoing.borrow().bytes.len_bytes()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.state.close(&self.core);
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("peer", &self.peer_address().ok())
            .finish()
    }
}

/// What a stream is, apart from its handle: the device and the operations that wait for it.
pub(crate) struct StreamState {
    /// Closed when the stream is: then [`ClosedDevice`] stands here.
    device: RefCell<Box<dyn StreamDevice>>,
    is_polled: bool,
    short_means_empty: bool,
    key: Cell<Key>,
    /// The `connect` that waits for this stream.
    connecting: Cell<Option<OpId>>,
    incoming: RefCell<Incoming>,
    /// The device may have something to receive: not since it said that it had not.
    readable: Cell<bool>,
    /// The most that one receive into a buffer of the pool takes.
    receive_max: Cell<usize>,
    /// There is an end or an error to be received, so an empty receive buffer proves nothing.
    hung_up: Cell<bool>,
    outgoing: RefCell<Outgoing>,
    /// The device takes no more until it says so.
    blocked: Cell<bool>,
    closed: Cell<bool>,
    /// Last time that something was received: see `Core::poll_hot`.
    pub(crate) active_at: Cell<Time>,
    pub(crate) is_hot: Cell<bool>,
    /// How often it got on while it was hot and watched.
    hot_turns: Cell<u32>,
    /// The device reports events.
    watched: Cell<bool>,
}

/// A hot stream is not watched any more after it got on so often: to stop and to begin again costs a good
/// part of a
/// round trip.
const WATCHED_TURNS: u32 = 16;

struct Incoming {
    waiting: VecDeque<Pop>,
    /// Received for operations that were dropped before they saw it, with the order of receiving.
    unread: VecDeque<(u64, Buf)>,
    /// Counts what was received.
    sequence: u64,
    /// Why nothing more comes.
    failed: Option<Error>,
    intake: Option<Weak<dyn Intake>>,
}

struct Pop {
    op: OpId,
    destination: Destination,
}

enum Destination {
    /// A buffer of the pool.
    Pool,
    Extent {
        target: Extent,
        filled: usize,
    },
    /// Filled from `start` on so far.
    Buffer {
        target: BufMut,
        start: usize,
    },
}

struct Outgoing {
    bytes: Sga,
    /// How many bytes were ever pushed, and how many of them left, for the pushes that wait.
    pushed: u64,
    sent: u64,
    waiting: VecDeque<Push>,
    /// `finish` was asked for.
    finishing: bool,
    finished: bool,
    /// Why nothing more goes.
    failed: Option<Error>,
}

struct Push {
    op: OpId,
    /// Where its queued bytes begin and end, counted as `Outgoing::pushed` is.
    start: u64,
    end: u64,
    /// Some of its bytes left before the others were queued.
    started: bool,
}

impl StreamState {
    pub(crate) fn new(device: Box<dyn StreamDevice>) -> StreamState {
        StreamState {
            is_polled: device.is_polled(),
            short_means_empty: device.short_means_empty(),
            device: RefCell::new(device),
            key: Cell::new(Key {
                index: u32::MAX,
                generation: 0,
            }),
            connecting: Cell::new(None),
            incoming: RefCell::new(Incoming {
                waiting: VecDeque::new(),
                unread: VecDeque::new(),
                sequence: 0,
                failed: None,
                intake: None,
            }),
            readable: Cell::new(true),
            receive_max: Cell::new(usize::MAX),
            hung_up: Cell::new(false),
            outgoing: RefCell::new(Outgoing {
                bytes: Sga::new(),
                pushed: 0,
                sent: 0,
                waiting: VecDeque::new(),
                finishing: false,
                finished: false,
                failed: None,
            }),
            blocked: Cell::new(false),
            closed: Cell::new(false),
            active_at: Cell::new(Time(0)),
            is_hot: Cell::new(false),
            hot_turns: Cell::new(0),
            watched: Cell::new(true),
        }
    }

    pub(crate) fn key(&self) -> Key {
        self.key.get()
    }

    pub(crate) fn attach(&self, key: Key) -> Result<(), Error> {
        self.key.set(key);
        self.device.borrow().attach(key.into())
    }

    /// Whether a device that was asked to connect has done so.
    pub(crate) fn connected(&self) -> Poll<Result<(), Error>> {
        self.device.borrow().connected()
    }

    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.device.borrow().retry_after()
    }

    pub(crate) fn set_connecting(&self, op: OpId) {
        self.connecting.set(Some(op));
    }

    /// Whether each turn should ask the device.
    pub(crate) fn can_be_hot(&self) -> bool {
        self.is_polled && !self.closed.get()
    }

    pub(crate) fn wants_to_receive(&self) -> bool {
        !self.incoming.borrow().waiting.is_empty()
    }

    /// Whether the device reports events.
    #[inline]
    pub(crate) fn is_watched(&self) -> bool {
        self.watched.get()
    }

    /// Got on while hot: before long events are of no use.
    #[inline]
    pub(crate) fn note_hot_progress(&self) {
        if !self.watched.get() {
            return;
        }
        self.hot_turns.set(self.hot_turns.get() + 1);
        if self.hot_turns.get() >= WATCHED_TURNS {
            self.watched.set(self.device.borrow().watch(false).is_err());
        }
    }

    /// Makes the device report events, as it must when nobody asks it.
    pub(crate) fn watch(&self, core: &Rc<Core>) {
        self.hot_turns.set(0);
        if self.watched.replace(true) {
            return;
        }
        let watched = self.device.borrow().watch(true);
        if let Err(error) = watched {
            self.fail(core, error);
        }
    }

    /// The device is of no use any more.
    fn fail(&self, core: &Rc<Core>, error: Error) {
        self.note_failed(&error);
        let waiting = std::mem::take(&mut self.incoming.borrow_mut().waiting);
        for pop in waiting {
            core.complete(pop.op, Err(error.clone()));
        }
        self.fail_pushes(core, error);
    }

    /// Acts on what the device reports; true if an operation got on.
    pub(crate) fn on_event(self: &Rc<Self>, core: &Rc<Core>, event: Event) -> bool {
        if self.connecting.get().is_some() {
            return self.connect(core);
        }
        let mut progress = false;
        if event.readable || event.hung_up {
            self.readable.set(true);
            self.hung_up.set(self.hung_up.get() || event.hung_up);
            // A hot stream is asked in each turn anyway.
            progress |= !self.is_hot.get() && self.receive_arrived(core);
        }
        if event.writable || event.hung_up {
            self.blocked.set(false);
            progress |= self.send(core);
        }
        progress
    }

    /// Asks how connecting went; true if that is decided.
    pub(crate) fn connect(self: &Rc<Self>, core: &Rc<Core>) -> bool {
        let Some(op) = self.connecting.get() else {
            return false;
        };
        let Poll::Ready(result) = self.connected() else {
            core.retry_later(self.key(), self.retry_after());
            return false;
        };
        self.connecting.set(None);
        match result {
            Ok(()) => {
                let stream = Stream::new(core.clone(), self.clone());
                core.complete(op, Ok(Value::Stream(stream)));
            }
            Err(error) => {
                self.close(core);
                core.complete(op, Err(error));
            }
        }
        true
    }

    /// Takes back what a `pop` had received when it was dropped, so that the next one gets it.
    pub(crate) fn unreceive(&self, sequence: u64, bytes: Buf) {
        if self.closed.get() {
            return;
        }
        let mut incoming = self.incoming.borrow_mut();
        let place = incoming.unread.partition_point(|(other, _)| *other < sequence);
        incoming.unread.insert(place, (sequence, bytes));
    }

    pub(crate) fn close(&self, core: &Rc<Core>) {
        if self.closed.replace(true) {
            return;
        }
        let waiting = {
            let mut incoming = self.incoming.borrow_mut();
            incoming.failed.get_or_insert(Error::Closed);
            incoming.unread.clear();
            std::mem::take(&mut incoming.waiting)
        };
        for pop in waiting {
            core.complete(pop.op, Err(Error::Closed));
        }
        let lingers = {
            let mut outgoing = self.outgoing.borrow_mut();
            let lingers = !outgoing.bytes.is_empty();
            outgoing.failed.get_or_insert(Error::Closed);
            lingers
        };
        if lingers {
            core.linger(self.key())
        } else {
            self.release(core)
        }
    }

    /// Leaves the runtime and closes the device, whoever still holds the stream.
    pub(crate) fn release(&self, core: &Rc<Core>) {
        core.release(self.key());
        let device = self.device.replace(Box::new(ClosedDevice));
        drop(device);
    }

    /// Closes without lingering, and takes back what the device has not delivered.
    fn abort(&self, core: &Rc<Core>) {
        self.device.borrow().abort();
        self.shut_down(core);
    }

    /// Closes without lingering.
    pub(crate) fn shut_down(&self, core: &Rc<Core>) {
        self.fail_pushes(core, Error::Closed);
        self.close(core);
    }

    /// Gives up what close() left to be sent.
    pub(crate) fn give_up(&self, core: &Rc<Core>) {
        self.fail_pushes(core, Error::Closed);
        self.release(core);
    }
}
