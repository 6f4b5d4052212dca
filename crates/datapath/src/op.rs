//! Operations under way: what a caller waits for.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crake_mem::{Buf, BufMut};

use crate::error::Error;
use crate::reactor::Core;
use crate::slab::{Key, Slab};
use crate::stream::Stream;
use crate::time::Time;
use crate::timer::TimerId;

/// An operation on a queue that was started: a future of its result.
///
/// It makes progress whether it is polled or not. Dropping a `pop`, `accept` or `connect` cancels it, and
/// what had arrived
/// for it is there for the next one. Dropping a `push` lets its bytes go on, since the peer
/// needs whole messages.
#[must_use = "dropping a pop, accept or connect cancels it"]
pub struct Op<T: Outcome> {
    state: State<T>,
}

enum State<T> {
    /// Done at once, or taken from its slot. `None` after it was given out.
    Done(Option<Result<T, Error>>),
    Waiting(Rc<Core>, OpId),
}

impl<T: Outcome> Unpin for Op<T> {}

impl<T: Outcome> Op<T> {
    pub(crate) fn ready(result: Result<T, Error>) -> Op<T> {
        Op {
            state: State::Done(Some(result)),
        }
    }

    pub(crate) fn waiting(core: &Rc<Core>, id: OpId) -> Op<T> {
        Op {
            state: State::Waiting(core.clone(), id),
        }
    }

    /// The result if it is there; gives it out once. Does not turn the runtime.
    ///
    /// # Panics
    /// If the result was given out before.
    pub fn try_wait(&mut self) -> Option<Result<T, Error>> {
        if let State::Waiting(core, id) = &self.state {
            let result = core.ops.take(*id)?;
            self.state = State::Done(Some(result.and_then(T::from_value)));
        }
        let State::Done(result) = &mut self.state else {
            return None;
        };
        Some(
            result
                .take()
                .expect("the result of an operation is given out once"),
        )
    }

    /// Whether a result is there to be taken.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Done(result) => result.is_some(),
            State::Waiting(core, id) => core.ops.is_done(*id),
        }
    }

    /// Makes the operation end with [`Error::Cancelled`]; false if it cannot be stopped any more,
    /// because it is done or, for a push, because the stream has taken some of its bytes.
    pub fn cancel(&mut self) -> bool {
        match &self.state {
            State::Done(_) => false,
            State::Waiting(core, id) => core.stop(*id, Error::Cancelled),
        }
    }

    /// Makes the operation end with [`Error::TimedOut`] if it is not done by `deadline`. Bytes of a push
    /// that the stream has begun to
    /// send go on, so after a push that timed out a stream is of no use but to be closed.
    pub fn deadline(self, deadline: Time) -> Op<T> {
        if let State::Waiting(core, id) = &self.state {
            core.set_deadline(*id, deadline);
        }
        self
    }
}

impl<T: Outcome> Future for Op<T> {
    type Output = Result<T, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::Waiting(core, id) = &self.state {
            let Some(result) = core.ops.take_or_wait(*id, context.waker()) else {
                return Poll::Pending;
            };
            self.state = State::Done(None);
            return Poll::Ready(result.and_then(T::from_value));
        }
        let State::Done(result) = &mut self.state else {
            return Poll::Pending;
        };
        Poll::Ready(
            result
                .take()
                .expect("the result of an operation is given out once"),
        )
    }
}

impl<T: Outcome> Drop for Op<T> {
    fn drop(&mut self) {
        if let State::Waiting(core, id) = &self.state {
            core.abandon(*id);
        }
    }
}

impl<T: Outcome> fmt::Debug for Op<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Op").field("done", &self.is_done()).finish()
    }
}

/// What an operation can give.
pub trait Outcome: Sized + sealed::FromValue {}

impl<T: sealed::FromValue> Outcome for T {}

/// The result of any operation, as its slot keeps it.
pub enum Value {
    #[doc(hidden)]
    Nothing,
    /// With the order of receiving.
    #[doc(hidden)]
    Buf(Buf, u64),
    #[doc(hidden)]
    Count(usize),
    /// With where the received bytes begin, and the order of receiving.
    #[doc(hidden)]
    BufMut(BufMut, usize, u64),
    #[doc(hidden)]
    Stream(Stream),
}

mod sealed {
    use super::{Error, Value};

    pub trait FromValue: Sized {
        fn from_value(value: Value) -> Result<Self, Error>;
    }
}

macro_rules! outcome {
    ($type:ty, $pattern:pat => $value:expr) => {
        impl sealed::FromValue for $type {
            #[inline]
            fn from_value(value: Value) -> Result<$type, Error> {
                match value {
                    $pattern => Ok($value),
                    _ => unreachable!("a slot keeps the type of its operation"),
                }
            }
        }
    };
}

outcome!((), Value::Nothing => ());
outcome!(Buf, Value::Buf(buf, _) => buf);
outcome!(usize, Value::Count(count) => count);
outcome!(BufMut, Value::BufMut(buffer, ..) => buffer);
outcome!(Stream, Value::Stream(stream) => stream);

/// Names an operation that did not end at once.
pub(crate) type OpId = Key;

/// What an operation does, which decides how it is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Push,
    Pop,
    Accept,
    Connect,
}

struct Slot {
    kind: Kind,
    port: Key,
    timer: Option<TimerId>,
    state: SlotState,
}

enum SlotState {
    Waiting(Option<Waker>),
    Done(Result<Value, Error>),
}

/// An operation that left before its result was taken.
pub(crate) struct Abandoned {
    pub(crate) kind: Kind,
    pub(crate) port: Key,
    pub(crate) timer: Option<TimerId>,
    pub(crate) result: Option<Result<Value, Error>>,
}

/// The slots of operations under way.
pub(crate) struct Ops {
    slots: RefCell<Slab<Slot>>,
}

impl Ops {
    pub(crate) fn new() -> Ops {
        Ops {
            slots: RefCell::new(Slab::new()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.borrow().len()
    }

    pub(crate) fn start(&self, kind: Kind, port: Key) -> OpId {
        let state = SlotState::Waiting(None);
        self.slots.borrow_mut().insert(Slot {
            kind,
            port,
            timer: None,
            state,
        })
    }

    /// Ends an operation and wakes who waits for it; gives back its timer to be cancelled. The result of one
    /// that was abandoned is dropped.
    #[inline]
    pub(crate) fn complete(&self, id: OpId, result: Result<Value, Error>) -> Option<TimerId> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(id)?;
        let timer = slot.timer.take();
        let SlotState::Waiting(waker) = &mut slot.state else {
            return timer;
        };
        let waker = waker.take();
        slot.state = SlotState::Done(result);
        drop(slots);
        if let Some(waker) = waker {
            waker.wake();
        }
        timer
    }

    pub(crate) fn is_done(&self, id: OpId) -> bool {
        matches!(
            self.slots.borrow().get(id),
            Some(Slot {
                state: SlotState::Done(_),
                ..
            })
        )
    }

    /// Kind and port of an operation that is not done.
    pub(crate) fn waiting(&self, id: OpId) -> Option<(Kind, Key)> {
        match self.slots.borrow().get(id)? {
            Slot {
                kind,
                port,
                state: SlotState::Waiting(_),
                ..
            } => Some((*kind, *port)),
            _ => None,
        }
    }

    /// Replaces the timer, giving back the old one.
    pub(crate) fn set_timer(&self, id: OpId, timer: Option<TimerId>) -> Option<TimerId> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(id)?;
        std::mem::replace(&mut slot.timer, timer)
    }

    fn take(&self, id: OpId) -> Option<Result<Value, Error>> {
        let mut slots = self.slots.borrow_mut();
        if !matches!(slots.get(id)?.state, SlotState::Done(_)) {
            return None;
        }
        match slots.remove(id)?.state {
            SlotState::Done(result) => Some(result),
            SlotState::Waiting(_) => None,
        }
    }

    #[inline]
    fn take_or_wait(&self, id: OpId, waker: &Waker) -> Option<Result<Value, Error>> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut(id).expect("a waiting operation has a slot");
        if let SlotState::Waiting(waiting) = &mut slot.state {
            match waiting {
                Some(old) if old.will_wake(waker) => {}
                _ => *waiting = Some(waker.clone()),
            }
            return None;
        }
        match slots.remove(id)?.state {
            SlotState::Done(result) => Some(result),
            SlotState::Waiting(_) => None,
        }
    }

    pub(crate) fn abandon(&self, id: OpId) -> Option<Abandoned> {
        let slot = self.slots.borrow_mut().remove(id)?;
        let result = match slot.state {
            SlotState::Done(result) => Some(result),
            SlotState::Waiting(_) => None,
        };
        Some(Abandoned {
            kind: slot.kind,
            port: slot.port,
            timer: slot.timer,
            result,
        })
    }
}
