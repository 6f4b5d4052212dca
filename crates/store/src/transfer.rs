//! Bytes on their way between this client and one block.
//!
//! The common case is one call, sent at once. What goes wrong takes the slow way: a transfer names its range, so it may
//! be repeated, and between two attempts the namenode is asked what became of the block.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use smallvec::SmallVec;

use crake_datapath::Time;
use crake_mem::{Extent, Sga};
use crake_rpc::{Call, CallError, CallOptions, Client, Payload, Reply};

use crate::Error;
use crate::background::Background;
use crate::block::Block;
use crate::datanodes::{self, Datanodes};
use crate::failure;
use crate::in_place::MappedTier;
use crate::protocol::datanode::{ReadRequest, WriteRequest, datanode as method};
use crate::protocol::{Code, Handle};
use crate::session::Session;
use crate::stats::OperationKind;
use zerocopy::IntoBytes;

/// Whose bytes they are: knows what became of a block.
pub(crate) trait Holder: 'static {
    /// The conversation with the namenode.
    fn session(&self) -> &Rc<Session>;
    /// The file or value, as errors name it.
    fn name(&self) -> Box<str>;
    /// The block to try next after one that did not serve: with other handles, or the same if nothing is known to
    /// be wrong with it. An error if the bytes are gone.
    fn look_again(
        self: Rc<Self>,
        tried: Block,
        why: Tried,
        deadline: Time,
    ) -> impl Future<Output = Result<Block, Error>>;
}

/// Why a block is looked up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tried {
    /// Its datanode does not accept the handle, or does not have the bytes.
    Stale,
    /// Its datanode cannot be reached.
    Unreachable,
}

/// The bytes of a transfer and their direction.
#[derive(Clone)]
pub(crate) enum Bytes {
    /// To the block, to all its replicas.
    Write(Sga),
    /// From the block, from any of its replicas.
    Read(Extent),
}

impl Bytes {
    fn len(&self) -> usize {
        match self {
            Bytes::Write(list) => list.len_bytes(),
            Bytes::Read(extent) => extent.len(),
        }
    }

    fn kind(&self) -> OperationKind {
        match self {
            Bytes::Write(_) => OperationKind::Write,
            Bytes::Read(_) => OperationKind::Read,
        }
    }

    /// The handles to use: all for a write, for a read the one that `turn` chooses.
    fn handles<'b>(&self, block: &'b Block, turn: usize) -> &'b [Handle] {
        match self {
            Bytes::Write(_) => &block.handles,
            Bytes::Read(_) => std::slice::from_ref(&block.handles[turn % block.handles.len()]),
        }
    }

    fn send(&self, client: &Client, handle: &Handle, offset: u32, deadline: Time) -> Call {
        let options = CallOptions::new().deadline(deadline);
        let handle = handle.as_bytes();
        match self {
            Bytes::Write(list) => {
                let request = WriteRequest { handle, offset };
                client.call(method::WRITE, &request, options.payload(list.clone()))
            }
            Bytes::Read(extent) => {
                let request = ReadRequest {
                    handle,
                    offset,
                    length: extent.len() as u32,
                };
                client.call(method::READ, &request, options.into(extent.clone()))
            }
        }
    }

    /// Whether a reply to a read brought all that was asked for.
    fn is_complete(&self, reply: &Reply) -> bool {
        match (self, &reply.payload) {
            (Bytes::Write(_), _) => true,
            (Bytes::Read(extent), Payload::Placed(placed)) => placed.len() == extent.len(),
            (Bytes::Read(extent), _) => extent.is_empty(),
        }
    }
}

/// A transfer in flight: a future of its end.
pub(crate) struct Transfer<H: Holder> {
    range: Range<H>,
    started: Time,
    state: State,
}

/// What is transferred.
struct Range<H: Holder> {
    holder: Rc<H>,
    block: Block,
    /// Within the file.
    offset: u64,
    bytes: Bytes,
    deadline: Time,
}

impl<H: Holder> Clone for Range<H> {
    fn clone(&self) -> Self {
        Range {
            holder: self.holder.clone(),
            block: self.block.clone(),
            offset: self.offset,
            bytes: self.bytes.clone(),
            deadline: self.deadline,
        }
    }
}

enum State {
    /// Read in place, and done.
    Read,
    /// The same, and the runtime is to turn before the caller goes on.
    ReadAndRest,
    /// Being read in place, with others acting meanwhile; false if the datanode has to be asked.
    Reading(Background<bool>),
    /// Being written in place; false if the datanode has to be asked.
    Writing(Background<bool>),
    /// Written in place.
    Written,
    Calling(SmallVec<[(u32, Call); 1]>),
    Repeating(Background<Result<(), Error>>),
}

/// Why an attempt did not succeed, by what is to be done about it.
enum Failure {
    Again(Tried, Error),
    Final(Error),
}

impl<H: Holder> Transfer<H> {
    /// Sends, or asks for, the bytes of a block from byte `offset` of the file on; they must lie within the block.
    pub(crate) fn start(holder: &Rc<H>, block: Block, offset: u64, bytes: Bytes) -> Transfer<H> {
        let session = holder.session();
        let started = session.runtime().now();
        let deadline = started + session.options().deadline;
        let range = Range {
            holder: holder.clone(),
            block,
            offset,
            bytes,
            deadline,
        };
        let in_place = match &range.bytes {
            Bytes::Read(target) => range.read_in_place(target, started),
            Bytes::Write(list) => range.write_in_place(list, started),
        };
        let state = in_place.unwrap_or_else(|| range.ask(started));
        Transfer {
            range,
            started,
            state,
        }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let failed = match &mut self.state {
                State::Read | State::Written => return Poll::Ready(Ok(())),
                State::ReadAndRest => {
                    self.state = State::Read;
                    context.waker().wake_by_ref();
                    return Poll::Pending;
                }
                State::Reading(reading) => {
                    self.state = match ready!(Pin::new(reading).poll(context)) {
                        true => {
                            let (session, len) = (self.range.holder.session(), self.range.bytes.len());
                            session.note_in_place(OperationKind::Read, len, Some(self.started));
                            State::Read
                        }
                        false => self.range.ask(self.started),
                    };
                    continue;
                }
                State::Writing(writing) => {
                    self.state = match ready!(Pin::new(writing).poll(context)) {
                        true => {
                            self.range.holder.session().count_written_in_place();
                            State::Written
                        }
                        false => self.range.ask(self.started),
                    };
                    continue;
                }
                State::Calling(calls) => match ready!(poll_calls(calls, &self.range.bytes, context)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(failed) => failed,
                },
                State::Repeating(repeating) => return Pin::new(repeating).poll(context),
            };
            self.state = State::repeating(&self.range, self.started, Some(failed));
        }
    }
}

impl<H: Holder> Future for Transfer<H> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let result = ready!(self.poll_end(context));
        let (session, bytes) = (self.range.holder.session(), &self.range.bytes);
        match &result {
            // It was counted when it was done.
            Ok(()) if matches!(self.state, State::Read) => {}
            Ok(()) => session.count(bytes.kind(), bytes.len(), self.started),
            Err(_) => session.count_failure(bytes.kind()),
        }
        Poll::Ready(result)
    }
}

/// Polls the calls to all replicas, last first.
fn poll_calls(
    calls: &mut SmallVec<[(u32, Call); 1]>,
    bytes: &Bytes,
    context: &mut Context<'_>,
) -> Poll<Result<(), Failure>> {
    while let Some((datanode, call)) = calls.last_mut() {
        let reply = ready!(Pin::new(call).poll(context));
        if let Err(failed) = judge(*datanode, bytes, reply) {
            return Poll::Ready(Err(failed));
        }
        calls.pop();
    }
    Poll::Ready(Ok(()))
}

impl State {
    #[cold]
    fn repeating<H: Holder>(range: &Range<H>, started: Time, failed: Option<Failure>) -> State {
        let runtime = range.holder.session().runtime();
        State::Repeating(Background::start(runtime, repeat(range.clone(), started, failed)))
    }
}

/// The handle by which a block is read.
#[inline]
fn readable(block: &Block) -> Option<&Handle> {
    block.handles.first().filter(|_| !block.lost)
}

/// Reads bytes of a block from its byte `offset` on from the memory of a datanode of this machine, and says whether the runtime is to turn before
/// the caller goes on. `None` if there is no such way, or not without waiting, or if the datanode has to say what is the matter.
#[inline]
pub(crate) fn read_at_once(
    session: &Session,
    block: &Block,
    offset: u32,
    target: &Extent,
    now: Time,
) -> Option<bool> {
    let handle = readable(block).filter(|_| !target.is_empty())?;
    let tier = session.datanodes().tier(handle.datanode.get(), now)?;
    let begun = session.time_in_place(OperationKind::Read, target.len());
    let is_read = !tier.is_stepwise() && tier.read(handle, offset, target);
    is_read.then(|| session.note_in_place(OperationKind::Read, target.len(), begun))
}

impl<H: Holder> Range<H> {
    /// Where the range starts within its block.
    fn within(&self) -> u32 {
        (self.offset - self.block.offset) as u32
    }

    /// One attempt ends at the latest here, so that there is time to ask the namenode about a silent datanode.
    fn attempt_deadline(&self) -> Time {
        let session = self.holder.session();
        (session.runtime().now() + session.options().deadline / 3).min(self.deadline)
    }

    /// Reads from the memory of a datanode of this machine. `None` if there is no such way, or if the datanode has to say what is the
    /// matter.
    fn read_in_place(&self, target: &Extent, started: Time) -> Option<State> {
        let session = self.holder.session();
        if let Some(rests) = read_at_once(session, &self.block, self.within(), target, started) {
            return Some(if rests { State::ReadAndRest } else { State::Read });
        }
        let handle = readable(&self.block)?;
        let tier = session.datanodes().tier(handle.datanode.get(), started)?;
        tier.is_stepwise()
            .then(|| State::Reading(self.read_stepwise(tier, *handle, target.clone())))
    }

    fn read_stepwise(&self, tier: Rc<MappedTier>, handle: Handle, target: Extent) -> Background<bool> {
        let (runtime, offset) = (self.holder.session().runtime().clone(), self.within());
        let reading = runtime.clone();
        Background::start(&runtime, async move {
            tier.read_stepwise(&reading, &handle, offset, &target).await
        })
    }

    /// Writes to the memory of a datanode of this machine. `None` if there is no such way, or it is not the best one.
    fn write_in_place(&self, list: &Sga, started: Time) -> Option<State> {
        let [handle] = &self.block.handles[..] else {
            return None;
        };
        let session = self.holder.session();
        let datanode = handle.datanode.get();
        let tier = session
            .datanodes()
            .tier(datanode, started)
            .filter(|tier| !self.block.lost && tier.takes_write(list.len_bytes()))?;
        let connection = (
            session.runtime().clone(),
            session.datanodes().ready(datanode, started)?,
        );
        let writing = tier.write(
            connection,
            *handle,
            self.within(),
            list.clone(),
            self.attempt_deadline(),
        );
        Some(State::Writing(Background::start(session.runtime(), writing)))
    }

    /// Begins with a request to each datanode concerned.
    fn ask(&self, started: Time) -> State {
        match self.send_if_connected() {
            Some(calls) => State::Calling(calls),
            None => State::repeating(self, started, None),
        }
    }

    /// Sends to all datanodes concerned if there is a connection to each; a lost block has none.
    fn send_if_connected(&self) -> Option<SmallVec<[(u32, Call); 1]>> {
        if self.block.lost {
            return None;
        }
        let session = self.holder.session();
        let now = session.runtime().now();
        let mut calls = SmallVec::new();
        for handle in self.bytes.handles(&self.block, 0) {
            let datanode = handle.datanode.get();
            let client = session.datanodes().ready(datanode, now)?;
            calls.push((
                datanode,
                self.bytes
                    .send(&client, handle, self.within(), self.attempt_deadline()),
            ));
        }
        Some(calls)
    }

    /// Connects where needed, and transfers to or from all datanodes concerned.
    async fn attempt(&self, turn: usize) -> Result<(), Failure> {
        if self.block.lost {
            return Err(Failure::Final(self.lost()));
        }
        let deadline = self.attempt_deadline();
        let mut calls = SmallVec::<[(u32, Call); 1]>::new();
        for handle in self.bytes.handles(&self.block, turn) {
            let datanode = handle.datanode.get();
            let client = Datanodes::connected(self.holder.session(), datanode, deadline)
                .await
                .map_err(|error| Failure::Again(Tried::Unreachable, error))?;
            calls.push((
                datanode,
                self.bytes.send(&client, handle, self.within(), deadline),
            ));
        }
        for (datanode, call) in calls {
            judge(datanode, &self.bytes, call.await)?;
        }
        Ok(())
    }

    /// A call of `started` was not answered in time by one of the block's datanodes.
    fn suspect(&self, started: Time) {
        for handle in &self.block.handles {
            let datanodes = self.holder.session().datanodes();
            datanodes.suspect(handle.datanode.get(), started);
        }
    }

    fn lost(&self) -> Error {
        Error::BlockLost {
            path: self.holder.name(),
            offset: self.offset,
            len: self.bytes.len() as u64,
        }
    }
}

/// Tries until it succeeds, the bytes are known to be lost, or the deadline is over.
async fn repeat<H: Holder>(
    mut range: Range<H>,
    mut started: Time,
    mut failed: Option<Failure>,
) -> Result<(), Error> {
    let session = range.holder.session().clone();
    let mut pause = session.pause();
    let mut stale = 0;
    for turn in 0.. {
        if let Some(failed) = failed.take() {
            let (why, error) = match failed {
                Failure::Final(error) => return Err(error),
                Failure::Again(why, error) => (why, error),
            };
            if matches!(error, Error::TimedOut { .. }) {
                range.suspect(started);
            }
            // A block can move once under a reader; twice means that what the namenode says is not so.
            stale += usize::from(why == Tried::Stale);
            if stale > 1 {
                return Err(range.lost());
            }
            if why == Tried::Unreachable && !pause.wait(range.deadline).await {
                return Err(error);
            }
            let again = range
                .holder
                .clone()
                .look_again(range.block.clone(), why, range.deadline);
            range.block = again.await?;
            session.count_repeat();
        }
        started = session.runtime().now();
        match range.attempt(turn).await {
            Ok(()) => return Ok(()),
            Err(error) => failed = Some(error),
        }
    }
    unreachable!("the loop ends by returning")
}

/// Sorts what a datanode answered by what is to be done about it.
fn judge(datanode: u32, bytes: &Bytes, reply: Result<Reply, CallError>) -> Result<(), Failure> {
    let peer = || datanodes::peer(datanode);
    let error = match reply {
        Ok(reply) if bytes.is_complete(&reply) => return Ok(()),
        Ok(_) => {
            let what = "it sent another number of bytes than asked for";
            return Err(Failure::Final(Error::protocol(peer(), what)));
        }
        Err(error) => error,
    };
    let again = match &error {
        CallError::Failed { status, .. } => match Code::from_number(status.0) {
            Some(Code::Stale | Code::Forged | Code::Unwritten) => Some(Tried::Stale),
            _ => status.is_retryable().then_some(Tried::Unreachable),
        },
        CallError::Lost { .. } | CallError::TimedOut { .. } | CallError::QueueFull => {
            Some(Tried::Unreachable)
        }
        _ => None,
    };
    let told = failure::of_connection(&error, &peer());
    Err(match again {
        Some(why) => Failure::Again(why, told),
        None => Failure::Final(told),
    })
}
