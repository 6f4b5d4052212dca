//! The direct stream into a file.
//!
//! A task of the stream's own moves what was handed in: it asks for blocks ahead of the bytes, sends ranges to
//! datanodes up to the stream's limit, and knows up to where everything is acknowledged. Callers only wait for that
//! mark, so a wait that is given up leaves nothing undone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crake_datapath::Time;
use crake_mem::Sga;

use crate::Error;
use crate::block::{Block, Blocks};
use crate::canary::{Canary, planted};
use crate::file::{FileCore, Lease};
use crate::node::Attributes;
use crate::operation::{Allocate, Publish};
use crate::pending::Pending;
use crate::session::{LeaseGuard, Session};
use crate::signal::Signal;
use crate::transfer::{Bytes, Holder, Transfer, Tried};

/// Appends to a file, any number of writes in flight.
///
/// What is handed in is sent from where it lies. Other clients see it when it is published; nothing is published
/// before all bytes below it are acknowledged. When a write fails (no space, a datanode lost), the bytes in front
/// of it stay, later ones are refused, and [`Writer::close`] publishes what is there and gives the error.
///
/// Dropping it closes it in the background: what was handed in is still written and the file is sealed.
pub struct Writer {
    stream: Rc<Stream>,
}

impl Writer {
    pub(crate) fn new(file: Rc<FileCore>, lease: Lease) -> Writer {
        let stream = Stream::new(file, lease);
        let driver = Driver {
            stream: stream.clone(),
        };
        stream.session().runtime().spawn(driver).detach();
        Writer { stream }
    }

    /// Appends bytes; the future is done when they are acknowledged. They are written whether anybody waits for that or
    /// not: sent when the runtime turns next, as far as the stream's limit allows. Small pieces handed in between two
    /// turns go out together.
    ///
    /// Memory that may change (a place in a region) must not be changed before the list is dropped by the stream, which
    /// can be after the acknowledgement if a connection was lost: lend it ([`crake_mem::Loan`]).
    pub fn write(&self, bytes: impl Into<Sga>) -> Write {
        let end = self.stream.hand_in(bytes.into());
        Write {
            stream: self.stream.clone(),
            end,
        }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.stream.state.borrow().end
    }

    /// Up to where everything is acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.stream.state.borrow().acknowledged
    }

    /// Whether something is not acknowledged.
    pub(crate) fn is_busy(&self) -> bool {
        let state = self.stream.state.borrow();
        state.acknowledged < state.end
    }

    /// Waits until everything handed in so far is acknowledged.
    pub fn flush(&self) -> Write {
        Write {
            stream: self.stream.clone(),
            end: self.position(),
        }
    }

    /// Waits until everything handed in so far is acknowledged, then makes it visible to readers.
    pub async fn publish(&self) -> Result<Attributes, Error> {
        let end = self.position();
        if !planted(Canary::PublishEarly) {
            self.flush().await?;
        }
        let attributes = Pending::start(self.stream.session(), self.stream.publish(end, false)).await?;
        self.stream.file.set_attributes(attributes);
        Ok(attributes)
    }

    /// Waits until more is acknowledged than now; `false`, at once, if everything is.
    pub(crate) async fn progressed(&self) -> Result<bool, Error> {
        let progress = self.stream.progress.changed();
        {
            let state = self.stream.state.borrow();
            if let Some(failure) = &state.failure {
                return Err(failure.error.clone());
            }
            if state.acknowledged == state.end {
                return Ok(false);
            }
        }
        progress.await;
        Ok(true)
    }

    /// Waits until everything is acknowledged, publishes it, and gives up the right to write. If something could not
    /// be written, what is in front of it is published, and the error is given.
    pub async fn close(self) -> Result<Attributes, Error> {
        self.stream.close();
        loop {
            let progress = self.stream.progress.changed();
            if let Some(outcome) = self.stream.state.borrow().closed.clone() {
                return outcome;
            }
            progress.await;
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.stream.close();
    }
}

/// A write in flight: a future of its acknowledgement. Dropping it leaves the write in flight.
#[must_use = "an error shows only to those who wait"]
pub struct Write {
    stream: Rc<Stream>,
    end: u64,
}

impl Write {
    /// Whether it was acknowledged; does not wait. The runtime must be turned for that to happen.
    pub fn try_wait(&self) -> Option<Result<(), Error>> {
        let state = self.stream.state.borrow();
        if state.acknowledged >= self.end {
            return Some(Ok(()));
        }
        let failure = state.failure.as_ref().filter(|failure| failure.from < self.end);
        failure.map(|failure| Err(failure.error.clone()))
    }
}

impl Future for Write {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.try_wait() {
            Some(result) => Poll::Ready(result),
            None => {
                self.stream.progress.watch(context);
                Poll::Pending
            }
        }
    }
}

/// What the writer's handles and its task share.
struct Stream {
    file: Rc<FileCore>,
    written: Rc<Written>,
    lease: u64,
    state: RefCell<State>,
    /// Someone may have got further.
    progress: Signal,
    /// Of the driver, to tell it that there is something to do.
    driver: Cell<Option<Waker>>,
}

struct State {
    /// Handed in and not sent.
    queue: Sga,
    /// Where the queue starts in the file, and where it ends.
    queued_from: u64,
    end: u64,
    /// Sent and not acknowledged, in order.
    in_flight: VecDeque<InFlight>,
    in_flight_bytes: usize,
    /// Everything below is acknowledged.
    acknowledged: u64,
    /// The blocks from `queued_from` on.
    blocks: VecDeque<Block>,
    /// Where the last block that was allotted ends.
    capacity: u64,
    allocating: Option<Pending<'static, Allocate>>,
    /// Allocating ahead of need failed; when the blocks are needed it is tried again.
    allocate_when_needed: bool,
    failure: Option<Failure>,
    closing: bool,
    sealing: Option<Sealing>,
    closed: Option<Result<Attributes, Error>>,
    guard: Option<LeaseGuard>,
}

/// Nothing from byte `from` on can be written any more.
struct Failure {
    from: u64,
    error: Error,
}

type Sealing = Pin<Box<dyn Future<Output = Result<Attributes, Error>>>>;

struct InFlight {
    start: u64,
    len: usize,
    transfer: Transfer<Written>,
    done: bool,
}

/// Drives a stream until it is closed.
struct Driver {
    stream: Rc<Stream>,
}

impl Future for Driver {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.stream.drive(context)
    }
}

/// One call carries at most this much, so that the first bytes of a large write are on their way early.
const CALL_BYTES_MAX: usize = 1 << 20;

/// Blocks for this much are asked for at once by a stream that has come so far.
const AHEAD_BYTES_MAX: u64 = 8 << 20;

impl Stream {
    fn new(file: Rc<FileCore>, lease: Lease) -> Rc<Stream> {
        let start = file.size();
        let capacity = lease.blocks.last().map_or(start, Block::end).max(start);
        Rc::new(Stream {
            written: Rc::new(Written {
                file: file.clone(),
                lease: lease.id,
            }),
            lease: lease.id,
            state: RefCell::new(State {
                queue: Sga::new(),
                queued_from: start,
                end: start,
                in_flight: VecDeque::new(),
                in_flight_bytes: 0,
                acknowledged: start,
                blocks: lease
                    .blocks
                    .into_iter()
                    .filter(|block| block.end() > start)
                    .collect(),
                capacity,
                allocating: None,
                allocate_when_needed: false,
                failure: None,
                closing: false,
                sealing: None,
                closed: None,
                guard: Some(lease.guard),
            }),
            progress: Signal::default(),
            driver: Cell::new(None),
            file,
        })
    }

    fn session(&self) -> &Rc<Session> {
        self.file.session()
    }

    /// Queues bytes; gives where they end.
    fn hand_in(self: &Rc<Self>, bytes: Sga) -> u64 {
        let mut state = self.state.borrow_mut();
        state.end += bytes.len_bytes() as u64;
        let end = state.end;
        // What follows a failed write can never be published.
        if state.failure.is_none() && !state.closing {
            state.queue.append(bytes);
        }
        drop(state);
        self.wake_driver();
        end
    }

    fn close(&self) {
        self.state.borrow_mut().closing = true;
        self.wake_driver();
    }

    fn wake_driver(&self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    fn publish(&self, size: u64, seal: bool) -> Publish {
        Publish {
            path: self.file.path().clone(),
            node: self.file.id(),
            lease: self.lease,
            size,
            seal,
        }
    }

    /// Does all that can be done now; ready when the stream is closed.
    fn drive(self: &Rc<Self>, context: &mut Context<'_>) -> Poll<()> {
        self.driver.set(Some(context.waker().clone()));
        let mut state = self.state.borrow_mut();
        let before = state.progress();
        state.poll_in_flight(context);
        loop {
            self.send(&mut state);
            self.allocate(&mut state);
            if !state.poll_allocation(context) {
                break;
            }
        }
        // New transfers must be polled once to have this task woken at their end.
        state.poll_in_flight(context);
        let closed = self.poll_close(&mut state, context);
        let after = state.progress();
        drop(state);
        if before != after || closed.is_ready() {
            self.progress.notify();
        }
        closed
    }

    /// Sends what is queued as far as blocks are known and the limit allows.
    fn send(self: &Rc<Self>, state: &mut State) {
        let limit = self.session().options().in_flight_bytes_max;
        while !state.queue.is_empty() && state.in_flight_bytes < limit {
            let Some(block) = state
                .blocks
                .front()
                .filter(|block| block.contains(state.queued_from))
            else {
                break;
            };
            let block = block.clone();
            let room = (block.end() - state.queued_from).min(CALL_BYTES_MAX as u64) as usize;
            let bytes = state.queue.split_to(room.min(state.queue.len_bytes()));
            self.send_one(state, block, bytes);
        }
    }

    fn send_one(self: &Rc<Self>, state: &mut State, block: Block, bytes: Sga) {
        let (offset, len) = (state.queued_from, bytes.len_bytes());
        let holder = self.written.clone();
        let end_of_block = block.end();
        let transfer = Transfer::start(&holder, block, offset, Bytes::Write(bytes));
        state.queued_from += len as u64;
        state.in_flight_bytes += len;
        state.in_flight.push_back(InFlight {
            start: offset,
            len,
            transfer,
            done: false,
        });
        if state.queued_from == end_of_block {
            state.blocks.pop_front();
        }
    }

    /// Asks for more blocks when those known will not do, or are about to be used up.
    fn allocate(&self, state: &mut State) {
        if state.failure.is_some() || state.allocating.is_some() {
            return;
        }
        let missing = state.end.saturating_sub(state.capacity);
        let want_bytes = missing.max(state.ahead_bytes());
        if want_bytes == 0 {
            return;
        }
        let request = Allocate {
            path: self.file.path().clone(),
            node: self.file.id(),
            lease: self.lease,
            offset: state.capacity,
            want_bytes,
        };
        state.allocating = Some(Pending::start(self.session(), request));
    }

    /// When closing and all is done: seals. Ready when that is over.
    fn poll_close(self: &Rc<Self>, state: &mut State, context: &mut Context<'_>) -> Poll<()> {
        if !state.closing || !state.queue.is_empty() || !state.in_flight.is_empty() {
            return Poll::Pending;
        }
        let sealed = state.acknowledged;
        let sealing = state
            .sealing
            .get_or_insert_with(|| Box::pin(self.clone().seal(sealed)));
        let Poll::Ready(outcome) = sealing.as_mut().poll(context) else {
            return Poll::Pending;
        };
        if let Err(error) = &outcome {
            tracing::debug!(path = %self.file.path(), %error, "not sealed; the lease will run out");
        }
        state.sealing = None;
        state.allocating = None;
        state.guard = None;
        state.closed = Some(match state.failure.take() {
            Some(failure) => Err(failure.error),
            None => outcome,
        });
        Poll::Ready(())
    }

    /// Publishes and ends the lease.
    async fn seal(self: Rc<Self>, size: u64) -> Result<Attributes, Error> {
        let result = match Pending::start(self.session(), self.publish(size, true)).await {
            // The answer to an earlier attempt may have been lost on its way: then the file is as it should be.
            Err(Error::LeaseLost { .. }) => self.sealed_already(size).await,
            result => result,
        };
        if let Ok(attributes) = &result {
            self.file.set_attributes(*attributes);
        }
        result
    }

    async fn sealed_already(&self, size: u64) -> Result<Attributes, Error> {
        let lost = || Error::LeaseLost {
            path: (**self.file.path()).into(),
        };
        let attributes = self
            .file
            .refresh(self.file.deadline())
            .await
            .map_err(|_| lost())?;
        if attributes.open || attributes.size != size {
            Err(lost())
        } else {
            Ok(attributes)
        }
    }
}

impl State {
    /// What those who wait look at.
    fn progress(&self) -> (u64, Option<u64>) {
        (
            self.acknowledged,
            self.failure.as_ref().map(|failure| failure.from),
        )
    }

    /// How much to ask for ahead of need: as much as was written, up to a limit, when less than half of that is left. So
    /// small files take one small block, and large ones ask seldom.
    fn ahead_bytes(&self) -> u64 {
        let left = self.capacity.saturating_sub(self.end);
        let ahead = self.end.min(AHEAD_BYTES_MAX);
        let wanted = left < ahead / 2 && !self.closing && !self.allocate_when_needed;
        if wanted { ahead } else { 0 }
    }

    /// Looks which transfers have ended, and how far everything is acknowledged.
    fn poll_in_flight(&mut self, context: &mut Context<'_>) {
        let mut failure = None;
        for part in self.in_flight.iter_mut().filter(|part| !part.done) {
            match Pin::new(&mut part.transfer).poll(context) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => part.done = true,
                Poll::Ready(Err(error)) => {
                    failure = Some((part.start, error));
                    break;
                }
            }
        }
        if let Some((from, error)) = failure {
            self.fail(from, error);
        }
        while self.in_flight.front().is_some_and(|part| part.done) {
            let part = self.in_flight.pop_front().expect("there is a front");
            self.in_flight_bytes -= part.len;
            self.acknowledged = part.start + part.len as u64;
        }
    }

    /// Gives up what is at `from` and behind it; what is in front of it goes on. An earlier failure was further behind.
    fn fail(&mut self, from: u64, error: Error) {
        let keep = self.in_flight.iter().take_while(|part| part.start < from).count();
        self.in_flight.truncate(keep);
        self.in_flight_bytes = self.in_flight.iter().map(|part| part.len).sum();
        let queued = from
            .saturating_sub(self.queued_from)
            .min(self.queue.len_bytes() as u64);
        self.queue = self.queue.split_to(queued as usize);
        self.failure = Some(Failure { from, error });
    }

    /// Whether blocks have come, so that there is more to send.
    fn poll_allocation(&mut self, context: &mut Context<'_>) -> bool {
        let Some(allocating) = &mut self.allocating else {
            return false;
        };
        let Poll::Ready(outcome) = Pin::new(allocating).poll(context) else {
            return false;
        };
        self.allocating = None;
        let needed = self.end > self.capacity && self.failure.is_none();
        match outcome {
            Ok(blocks) => {
                if !self.add_blocks(blocks) && needed {
                    self.fail(self.capacity, no_blocks());
                }
            }
            Err(error) if needed => self.fail(self.capacity, error),
            Err(_) => self.allocate_when_needed = true,
        }
        true
    }

    /// Whether there are blocks now that were not there before.
    fn add_blocks(&mut self, blocks: Blocks) -> bool {
        let before = self.capacity;
        for block in blocks {
            // A repeated request may bring what is known already.
            if block.offset == self.capacity {
                self.capacity = block.end();
                self.blocks.push_back(block);
            }
        }
        self.allocate_when_needed = self.capacity == before;
        !self.allocate_when_needed
    }
}

fn no_blocks() -> Error {
    Error::protocol(
        "namenode",
        "it allotted no block that follows the last one, and gave no reason",
    )
}

/// A file as its writer's transfers see it.
struct Written {
    file: Rc<FileCore>,
    lease: u64,
}

impl Holder for Written {
    fn session(&self) -> &Rc<Session> {
        self.file.session()
    }

    fn name(&self) -> Box<str> {
        self.file.name()
    }

    /// Asks for the block once more, as a writer that did not hear of it. A stale handle means that the block's
    /// datanode began anew: what was written there is lost.
    async fn look_again(self: Rc<Self>, tried: Block, why: Tried, deadline: Time) -> Result<Block, Error> {
        let request = Allocate {
            path: self.file.path().clone(),
            node: self.file.id(),
            lease: self.lease,
            offset: tried.offset,
            want_bytes: 1,
        };
        let limit = deadline - self.session().runtime().now();
        let blocks = Pending::start_within(self.session(), request, limit).await?;
        let lost = blocks
            .iter()
            .any(|block| block.lost && block.contains(tried.offset));
        Ok(Block {
            lost: lost || why == Tried::Stale,
            ..tried
        })
    }
}
