//! Ordered streams of bytes over any device: who waits for what, and in which order.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crake_mem::{Buf, BufMut, Extent, Pool, Segment, Sga};

use crate::address::Address;
use crate::driver::{Event, PeerProcess, StreamDevice, Target, Token};
use crate::error::Error;
use crate::op::{Kind, Op, OpId, Value};
use crate::runtime::Core;
use crate::slab::Key;
use crate::time::Time;

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

    /// Ends sending once everything pushed is sent: the peer then receives an end. Receiving goes on.
    pub fn finish(&self) -> Result<(), Error> {
        self.state.finish()
    }

    /// Closes both ways, as dropping does, while others may still hold this stream.
    pub fn close(&self) {
        self.state.close(&self.core);
    }

    /// Closes both ways and gives up what was not sent: when this returns, the buffers of all pushes may be used again.
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
    key: Cell<Key>,
    /// The `connect` that waits for this stream.
    connecting: Cell<Option<OpId>>,
    incoming: RefCell<Incoming>,
    /// The device may have something to receive: not since it said that it had not.
    readable: Cell<bool>,
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

/// A hot stream is not watched any more after it got on so often: to stop and to begin again costs a good part of a
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
            }),
            readable: Cell::new(true),
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
            progress |= !self.is_hot.get() && self.receive(core);
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

/// Receiving.
impl StreamState {
    fn pop(self: &Rc<Self>, core: &Rc<Core>) -> Op<Buf> {
        let may_have_some = {
            let mut incoming = self.incoming.borrow_mut();
            if incoming.waiting.is_empty() {
                if let Some((_, bytes)) = incoming.unread.pop_front() {
                    return Op::ready(Ok(bytes));
                }
                if let Some(error) = &incoming.failed {
                    return Op::ready(Err(error.clone()));
                }
            }
            incoming.waiting.is_empty() && self.readable.get()
        };
        if may_have_some && let Poll::Ready(result) = self.receive_some(core) {
            if result != Err(Error::Exhausted) {
                return Op::ready(result);
            }
            core.starve(self.key());
        }
        Op::waiting(core, self.wait_to_receive(core, Destination::Pool))
    }

    fn pop_into<T: crate::op::Outcome>(self: &Rc<Self>, core: &Rc<Core>, destination: Destination) -> Op<T> {
        let op = self.wait_to_receive(core, destination);
        if self.readable.get() || !self.incoming.borrow().unread.is_empty() || self.has_failed() {
            self.receive(core);
        }
        Op::waiting(core, op)
    }

    fn has_failed(&self) -> bool {
        self.incoming.borrow().failed.is_some()
    }

    fn wait_to_receive(&self, core: &Rc<Core>, destination: Destination) -> OpId {
        let op = core.ops.start(Kind::Pop, self.key());
        self.incoming
            .borrow_mut()
            .waiting
            .push_back(Pop { op, destination });
        op
    }

    /// Serves waiting pops in order while there is something; true if there was.
    #[inline]
    pub(crate) fn receive(self: &Rc<Self>, core: &Rc<Core>) -> bool {
        let mut progress = false;
        while let Some(first) = self.first_waiting() {
            match self.serve(core, first) {
                Served::Done(op, result) => {
                    progress = true;
                    core.complete(op, result);
                }
                Served::Part => progress = true,
                Served::Nothing => break,
            }
        }
        progress
    }

    #[inline]
    fn first_waiting(&self) -> Option<Pop> {
        self.incoming.borrow_mut().waiting.pop_front()
    }

    /// Serves a pop that was taken from the front of the queue, or puts it back.
    fn serve(self: &Rc<Self>, core: &Rc<Core>, pop: Pop) -> Served {
        let Pop { op, destination } = pop;
        match destination {
            Destination::Pool => self.serve_from_pool(core, op),
            Destination::Extent { target, filled } => self.serve_extent(op, target, filled),
            Destination::Buffer { target, start } => self.serve_buffer(op, target, start),
        }
    }

    fn put_back(&self, op: OpId, destination: Destination) {
        self.incoming
            .borrow_mut()
            .waiting
            .push_front(Pop { op, destination });
    }

    #[inline]
    fn serve_from_pool(self: &Rc<Self>, core: &Rc<Core>, op: OpId) -> Served {
        match self.receive_some(core) {
            Poll::Ready(Err(Error::Exhausted)) => {
                core.starve(self.key());
                self.put_back(op, Destination::Pool);
                Served::Nothing
            }
            Poll::Ready(result) => {
                Served::Done(op, result.map(|bytes| Value::Buf(bytes, self.next_sequence())))
            }
            Poll::Pending => {
                self.put_back(op, Destination::Pool);
                Served::Nothing
            }
        }
    }

    fn serve_extent(&self, op: OpId, target: Extent, filled: usize) -> Served {
        let rest = target.slice(filled..);
        match self.receive_into(&mut Target::extent(&rest)) {
            Poll::Ready(Ok(count)) if count > 0 && count < rest.len() => {
                self.put_back(
                    op,
                    Destination::Extent {
                        target,
                        filled: filled + count,
                    },
                );
                Served::Part
            }
            Poll::Ready(result) => Served::Done(op, result.map(|count| Value::Count(filled + count))),
            Poll::Pending => {
                self.put_back(op, Destination::Extent { target, filled });
                Served::Nothing
            }
        }
    }

    fn serve_buffer(&self, op: OpId, mut target: BufMut, start: usize) -> Served {
        let received = self.receive_into(&mut Target::slice(target.spare_mut()));
        if let Poll::Ready(Ok(count)) = received {
            target.advance(count);
        }
        match received {
            Poll::Ready(Ok(count)) if count > 0 && target.spare() > 0 => {
                self.put_back(op, Destination::Buffer { target, start });
                Served::Part
            }
            Poll::Ready(result) => {
                let done = |_| Value::BufMut(target, start, self.next_sequence());
                Served::Done(op, result.map(done))
            }
            Poll::Pending => {
                self.put_back(op, Destination::Buffer { target, start });
                Served::Nothing
            }
        }
    }

    /// The next bytes: what was taken back, else what the device has.
    #[inline]
    fn receive_some(&self, core: &Rc<Core>) -> Poll<Result<Buf, Error>> {
        if let Some(result) = self.take_unread() {
            return Poll::Ready(result);
        }
        let received = self.device.borrow().receive(&core.pool);
        match &received {
            Poll::Ready(Ok(bytes)) => self.note_received(bytes.len(), core.buffer_bytes),
            Poll::Ready(Err(Error::Exhausted)) => {}
            Poll::Ready(Err(error)) => self.note_failed(error),
            Poll::Pending => self.readable.set(false),
        }
        received
    }

    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        if let Some(unread) = self.take_unread() {
            return Poll::Ready(unread.map(|bytes| self.copy_unread(bytes, target)));
        }
        let len_bytes = target.len();
        let received = self.device.borrow().receive_into(target);
        match &received {
            Poll::Ready(Ok(count)) => self.note_received(*count, len_bytes),
            Poll::Ready(Err(error)) => self.note_failed(error),
            Poll::Pending => self.readable.set(false),
        }
        received
    }

    fn next_sequence(&self) -> u64 {
        let mut incoming = self.incoming.borrow_mut();
        incoming.sequence += 1;
        incoming.sequence
    }

    #[inline]
    fn take_unread(&self) -> Option<Result<Buf, Error>> {
        let mut incoming = self.incoming.borrow_mut();
        if let Some((_, bytes)) = incoming.unread.pop_front() {
            return Some(Ok(bytes));
        }
        incoming.failed.clone().map(Err)
    }

    fn copy_unread(&self, mut bytes: Buf, target: &mut Target<'_>) -> usize {
        let count = target.write(&bytes);
        bytes.advance(count);
        if !bytes.is_empty() {
            self.incoming.borrow_mut().unread.push_front((0, bytes));
        }
        count
    }

    /// A receive that filled less than it could have emptied the device, unless an end or an error is behind it.
    /// Not asking again saves a system call; a new arrival makes a new event.
    #[inline]
    fn note_received(&self, count: usize, asked: usize) {
        if self.is_polled && count < asked && !self.hung_up.get() {
            self.readable.set(false);
        }
    }

    fn note_failed(&self, error: &Error) {
        self.incoming
            .borrow_mut()
            .failed
            .get_or_insert_with(|| error.clone());
    }

    /// Takes a waiting pop out of the queue. What it had received so far stays for the next one.
    pub(crate) fn forget_pop(&self, op: OpId) {
        let mut incoming = self.incoming.borrow_mut();
        let Some(place) = incoming.waiting.iter().position(|pop| pop.op == op) else {
            return;
        };
        let Some(pop) = incoming.waiting.remove(place) else {
            return;
        };
        let received = match pop.destination {
            Destination::Pool => return,
            Destination::Extent { target, filled } => target.slice(..filled).to_vec(),
            Destination::Buffer { target, start } => target[start..].to_vec(),
        };
        if !received.is_empty() {
            // Only the first in the queue can have received a part, and everything unread before.
            incoming.unread.push_front((0, Buf::from_vec(received)));
        }
    }
}

enum Served {
    /// The operation is over.
    Done(OpId, Result<Value, Error>),
    /// Some bytes came, and it waits for more.
    Part,
    Nothing,
}

/// Sending.
impl StreamState {
    fn push(&self, core: &Rc<Core>, mut bytes: Sga) -> Op<()> {
        let mut outgoing = self.outgoing.borrow_mut();
        if let Some(error) = &outgoing.failed {
            return Op::ready(Err(error.clone()));
        }
        if outgoing.finishing {
            return Op::ready(Err(Error::Invalid("push after finish")));
        }
        let len_bytes = bytes.len_bytes();
        if outgoing.bytes.is_empty() && !self.blocked.get() {
            match self.send_now(&mut bytes) {
                Ok(()) if bytes.is_empty() => return Op::ready(Ok(())),
                Ok(()) => {}
                Err(error) => {
                    outgoing.failed = Some(error.clone());
                    return Op::ready(Err(error));
                }
            }
        }
        let op = core.ops.start(Kind::Push, self.key());
        let start = outgoing.pushed;
        outgoing.pushed += bytes.len_bytes() as u64;
        let end = outgoing.pushed;
        let started = bytes.len_bytes() < len_bytes;
        outgoing.bytes.append(bytes);
        outgoing.waiting.push_back(Push {
            op,
            start,
            end,
            started,
        });
        Op::waiting(core, op)
    }

    /// Hands over what the device takes; the rest stays in `bytes`, then the device is blocked.
    #[inline]
    fn send_now(&self, bytes: &mut Sga) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.device.borrow().send(bytes.segments()) {
                Poll::Ready(count) => bytes.advance(count?),
                Poll::Pending => {
                    self.blocked.set(true);
                    break;
                }
            }
        }
        Ok(())
    }

    /// Sends what waits; true if some of it left.
    pub(crate) fn send(&self, core: &Rc<Core>) -> bool {
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.bytes.is_empty() || self.blocked.get() {
            return false;
        }
        let before = outgoing.bytes.len_bytes();
        let result = self.send_now(&mut outgoing.bytes);
        let count = before - outgoing.bytes.len_bytes();
        outgoing.sent += count as u64;
        drop(outgoing);
        self.complete_pushes(core);
        match result {
            Err(error) => self.fail_pushes(core, error),
            Ok(()) if self.outgoing.borrow().bytes.is_empty() => self.after_last_byte(core),
            Ok(()) => {}
        }
        count > 0
    }

    /// Tries to send although nothing said that the device takes more: for streams that are asked in each turn.
    #[inline]
    pub(crate) fn send_again(&self, core: &Rc<Core>) -> bool {
        self.blocked.replace(false) && self.send(core)
    }

    fn complete_pushes(&self, core: &Rc<Core>) {
        while let Some(op) = self.next_sent_push() {
            core.complete(op, Ok(Value::Nothing));
        }
    }

    fn next_sent_push(&self) -> Option<OpId> {
        let mut outgoing = self.outgoing.borrow_mut();
        let sent = outgoing.sent;
        outgoing
            .waiting
            .pop_front_if(|push| push.end <= sent)
            .map(|push| push.op)
    }

    fn after_last_byte(&self, core: &Rc<Core>) {
        if self.closed.get() {
            self.release(core);
        } else if self.outgoing.borrow().finishing {
            // A failure shows when the peer's side is received.
            let _ = self.finish_device();
        }
    }

    fn fail_pushes(&self, core: &Rc<Core>, error: Error) {
        let waiting = {
            let mut outgoing = self.outgoing.borrow_mut();
            outgoing.failed = Some(error.clone());
            outgoing.bytes.clear();
            std::mem::take(&mut outgoing.waiting)
        };
        for push in waiting {
            core.complete(push.op, Err(error.clone()));
        }
        if self.closed.get() {
            self.release(core);
        }
    }

    fn finish(&self) -> Result<(), Error> {
        let unsent = {
            let mut outgoing = self.outgoing.borrow_mut();
            if let Some(error) = &outgoing.failed {
                return Err(error.clone());
            }
            outgoing.finishing = true;
            !outgoing.bytes.is_empty()
        };
        if unsent { Ok(()) } else { self.finish_device() }
    }

    fn finish_device(&self) -> Result<(), Error> {
        if std::mem::replace(&mut self.outgoing.borrow_mut().finished, true) {
            return Ok(());
        }
        self.device.borrow().finish()
    }

    /// Takes back a push of which nothing has left; false if something has.
    pub(crate) fn withdraw_push(&self, op: OpId) -> bool {
        let mut outgoing = self.outgoing.borrow_mut();
        let sent = outgoing.sent;
        let Some(place) = outgoing.waiting.iter().position(|push| push.op == op) else {
            return false;
        };
        let (start, end) = (outgoing.waiting[place].start, outgoing.waiting[place].end);
        if start < sent || outgoing.waiting[place].started {
            return false;
        }
        let len_bytes = end - start;
        let before = outgoing.bytes.split_to((start - sent) as usize);
        let mut rest = std::mem::replace(&mut outgoing.bytes, before);
        rest.advance(len_bytes as usize);
        outgoing.bytes.append(rest);
        outgoing.pushed -= len_bytes;
        outgoing.waiting.remove(place);
        for push in outgoing.waiting.iter_mut().skip(place) {
            push.start -= len_bytes;
            push.end -= len_bytes;
        }
        true
    }
}

/// What a stream has after it was closed.
struct ClosedDevice;

impl StreamDevice for ClosedDevice {
    fn attach(&self, _token: Token) -> Result<(), Error> {
        Err(Error::Closed)
    }

    fn connected(&self) -> Poll<Result<(), Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn send(&self, _segments: &[Segment]) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn receive(&self, _pool: &Pool) -> Poll<Result<Buf, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn receive_into(&self, _target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        Poll::Ready(Err(Error::Closed))
    }

    fn finish(&self) -> Result<(), Error> {
        Err(Error::Closed)
    }

    fn local_address(&self) -> Result<Address, Error> {
        Err(Error::Closed)
    }

    fn peer_address(&self) -> Result<Address, Error> {
        Err(Error::Closed)
    }
}
