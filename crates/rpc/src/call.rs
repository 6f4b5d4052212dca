//! A call as its caller sees it: options, the future, and how it ends.

use std::future::Future;
use std::num::NonZeroU8;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::{Buf, Extent, Sga};
use crake_wire::Gathered;

use crate::connection::Connection;
use crate::payload::Payload;
use crate::slots::{CallId, Next};
use crate::status::Status;
use crate::violation::Violation;

/// What a call carries beside its message, and how long it may take.
#[derive(Debug, Default)]
pub struct CallOptions {
    pub(crate) deadline: Deadline,
    pub(crate) payload: Option<Sga>,
    pub(crate) into: Option<Extent>,
    pub(crate) window: Option<NonZeroU8>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Deadline {
    /// The client's own.
    #[default]
    Default,
    After(Duration),
    At(Time),
}

impl CallOptions {
    /// No payload, answer's payload into receive buffers, the client's timeout.
    #[inline]
    #[must_use]
    pub fn new() -> CallOptions {
        CallOptions::default()
    }

    /// Ends the call with [`CallError::TimedOut`] this long after it was made.
    #[inline]
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> CallOptions {
        self.deadline = Deadline::After(timeout);
        self
    }

    /// Ends the call with [`CallError::TimedOut`] at this time; [`Time::NEVER`] is never.
    #[inline]
    #[must_use]
    pub fn deadline(mut self, deadline: Time) -> CallOptions {
        self.deadline = Deadline::At(deadline);
        self
    }

    /// Bytes that go out behind the message from where they are. They must stand still until the answer is there.
    #[inline]
    #[must_use]
    pub fn payload(mut self, payload: impl Into<Sga>) -> CallOptions {
        self.payload = Some(payload.into());
        self
    }

    /// Where the answer's payload goes: its front is filled, and [`Payload::Placed`] says how far. A longer payload ends
    /// the connection. Once the call has ended or was dropped nothing is written there any more.
    #[inline]
    #[must_use]
    pub fn into(mut self, extent: Extent) -> CallOptions {
        self.into = Some(extent);
        self
    }

    /// Of a stream: how many parts of the answer may be under way, or be there and not be taken, at once. Another one has the
    /// server wait until half of them were taken. 16 if nothing is said; each holds what it was received in.
    #[inline]
    #[must_use]
    pub fn window(mut self, parts: NonZeroU8) -> CallOptions {
        self.window = Some(parts);
        self
    }

    /// Whether there is no more to the call than its message.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.payload.is_none() && self.into.is_none()
    }
}

/// The answer to a call.
#[derive(Debug)]
pub struct Reply {
    /// The message, in the buffer in which it was received.
    pub message: Buf,
    /// The bytes beside it.
    pub payload: Payload,
}

impl Reply {
    /// The message with what its sender gathered: for views of messages whose bytes were not all copied.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> Gathered<'_> {
        self.payload.frame(&self.message)
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The server answered that it did not do it.
    #[error("{status}{}{detail}", if detail.is_empty() { "" } else { ": " })]
    Failed {
        /// Why, as a number.
        status: Status,
        /// Why, for people. May be empty.
        detail: Box<str>,
    },
    /// The connection ended before the answer came.
    #[error("connection lost; {}", ran(*.may_have_run))]
    Lost {
        /// Whether the server may have run the call.
        may_have_run: bool,
    },
    /// The deadline passed before the answer came.
    #[error("timed out; {}", ran(*.may_have_run))]
    TimedOut {
        /// Whether the server may have run the call, or may yet.
        may_have_run: bool,
    },
    /// The caller cancelled it. The server may have run it.
    #[error("cancelled")]
    Cancelled,
    /// The message or payload is over the connection's limits. Nothing was sent.
    #[error("message or payload over the connection's limit")]
    TooLarge,
    /// As many calls as allowed wait for credits already. Nothing was sent.
    #[error("too many calls wait on this connection")]
    QueueFull,
    /// The server broke the protocol; the connection is closed. The server may have run the call.
    #[error("the server broke the protocol: {0}")]
    Protocol(Violation),
}

fn ran(may_have_run: bool) -> &'static str {
    match may_have_run {
        true => "the call may have run",
        false => "the call did not run",
    }
}

impl CallError {
    /// Whether the server may have run the call, so that only an idempotent one may be repeated.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        match self {
            CallError::Failed { status, .. } => !status.is_retryable(),
            CallError::Lost { may_have_run } | CallError::TimedOut { may_have_run } => *may_have_run,
            CallError::Cancelled | CallError::Protocol(_) => true,
            CallError::TooLarge | CallError::QueueFull => false,
        }
    }

    /// Whether the same call may be repeated whatever its method: it did not run, and may succeed another time.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            CallError::Failed { status, .. } => status.is_retryable(),
            CallError::Lost { may_have_run } | CallError::TimedOut { may_have_run } => !may_have_run,
            CallError::QueueFull => true,
            CallError::Cancelled | CallError::TooLarge | CallError::Protocol(_) => false,
        }
    }

    /// The server's status, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<Status> {
        match self {
            CallError::Failed { status, .. } => Some(*status),
            _ => None,
        }
    }
}

/// A call under way: a future of its answer. Dropped before that, it is cancelled: the server is told, and a late
/// answer is thrown away. It goes out even if nobody polls it.
#[must_use = "a call is cancelled when it is dropped"]
pub struct Call {
    state: CallState,
    /// While it is in a slot.
    id: CallId,
}

enum CallState {
    InSlot(Rc<Connection>),
    /// Before it was sent. In a box, so that all other calls are small to move.
    Failed(Box<CallError>),
    Taken,
}

impl Call {
    #[inline]
    pub(crate) fn in_slot(connection: Rc<Connection>, id: CallId) -> Call {
        Call {
            state: CallState::InSlot(connection),
            id,
        }
    }

    #[cold]
    pub(crate) fn failed(error: CallError) -> Call {
        Call {
            state: CallState::Failed(Box::new(error)),
            id: CallId::NONE,
        }
    }

    /// The result if it is there. Does not drive the runtime. Gives it once.
    pub fn try_wait(&mut self) -> Option<Result<Reply, CallError>> {
        let result = match &self.state {
            CallState::InSlot(connection) => connection.try_take(self.id)?,
            CallState::Failed(error) => Err((**error).clone()),
            CallState::Taken => return None,
        };
        self.set_taken();
        Some(result)
    }

    /// The answer if it is there and is a message alone, as most are. Else `None`, and nothing has changed: then poll. The
    /// quickest way for who has polled before, or is about to.
    // Always, so that the message is in registers.
    #[inline(always)]
    pub fn try_message(&mut self) -> Option<Buf> {
        let CallState::InSlot(connection) = &self.state else {
            return None;
        };
        let message = connection.take_message(self.id)?;
        self.set_taken();
        Some(message)
    }

    /// What comes next if the answer is a stream. After [`Next::End`] the call is taken.
    pub(crate) fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Next>> {
        let next = match &self.state {
            CallState::InSlot(connection) => ready!(connection.poll_part(self.id, cx)),
            CallState::Failed(_) => Next::End(Err(self.take_failure())),
            CallState::Taken => return Poll::Ready(None),
        };
        if matches!(next, Next::End(_)) {
            self.set_taken();
        }
        Poll::Ready(Some(next))
    }

    /// Forgets the connection without giving up the call, which has ended.
    #[inline(always)]
    fn set_taken(&mut self) {
        if let CallState::InSlot(connection) = std::mem::replace(&mut self.state, CallState::Taken) {
            connection.let_go();
        }
    }

    /// The result of a call that was never sent.
    #[cold]
    fn take_failure(&mut self) -> CallError {
        match std::mem::replace(&mut self.state, CallState::Taken) {
            CallState::Failed(error) => *error,
            _ => panic!("a call was polled after it gave its result"),
        }
    }
}

impl Future for Call {
    type Output = Result<Reply, CallError>;

    /// # Panics
    /// If polled after it gave its result.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(message) = self.try_message() {
            let payload = Payload::None;
            return Poll::Ready(Ok(Reply { message, payload }));
        }
        let CallState::InSlot(connection) = &self.state else {
            return Poll::Ready(Err(self.take_failure()));
        };
        let result = connection.poll_call(self.id, cx);
        if result.is_ready() {
            self.set_taken();
        }
        result
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        if let CallState::InSlot(connection) = &self.state {
            connection.detach(self.id);
            self.set_taken();
        }
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.state {
            CallState::InSlot(_) => write!(f, "Call({:#x})", self.id.to_wire()),
            CallState::Failed(error) => write!(f, "Call(failed: {error})"),
            CallState::Taken => write!(f, "Call(taken)"),
        }
    }
}
