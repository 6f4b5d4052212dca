//! A client's connection: what it is. Calls go out, answers come in, and a task does what has to wait.

mod answers;
mod calls;
mod task;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use crake_datapath::{Error, Memory, Runtime};
use crake_mem::{Buf, Sga};

use crate::call::CallError;
use crate::limits::Limits;
use crate::link::Link;
use crate::slots::{CallId, Progress, Slots};
use crate::violation::{Reason, Violation};
use answers::Inbound;

/// What a client, its calls and its task share.
pub(crate) struct Connection {
    runtime: Runtime,
    link: Link,
    limits: Limits,
    /// Of calls that say nothing else. In nanoseconds, so that a call has no more to do than an addition.
    timeout_ns: u64,
    queue_max: usize,
    state: RefCell<State>,
    /// Nobody but the task is left.
    deserted: Cell<bool>,
}

struct State {
    slots: Slots,
    credits: u32,
    /// Calls that wait for a credit, in order.
    queue: VecDeque<Queued>,
    /// Why the connection is over, if it is.
    ended: Option<End>,
    /// Why the task has to end it, if that was found out where an answer was received.
    found: Option<End>,
    inbound: Inbound,
    /// Who is to be woken once the state is no longer borrowed.
    woken: Vec<Waker>,
}

struct Queued {
    id: CallId,
    head: Vec<u8>,
    payload: Sga,
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All clients and calls were dropped, or the client was closed.
    Closed,
    /// The stream ended or failed.
    Lost,
    /// The server said goodbye; it read this many requests.
    Goodbye { reason: Reason, requests_read: u32 },
    /// The server broke the protocol.
    Violation(Violation),
}

impl From<Error> for End {
    fn from(_: Error) -> End {
        End::Lost
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> End {
        End::Violation(violation)
    }
}

/// What a new connection starts from, the handshake done.
pub(crate) struct Start {
    pub runtime: Runtime,
    pub link: Link,
    pub limits: Limits,
    pub timeout: Duration,
    pub queue_max: usize,
    /// Received behind the handshake.
    pub rest: Buf,
}

impl Connection {
    /// Starts the connection's task.
    pub(crate) fn start(start: Start) -> Rc<Connection> {
        let connection = Rc::new(Connection {
            link: start.link,
            limits: start.limits,
            timeout_ns: u64::try_from(start.timeout.as_nanos()).unwrap_or(u64::MAX),
            queue_max: start.queue_max,
            state: RefCell::new(State {
                slots: Slots::default(),
                credits: start.limits.credits,
                queue: VecDeque::new(),
                ended: None,
                found: None,
                inbound: Inbound::default(),
                woken: Vec::new(),
            }),
            deserted: Cell::new(false),
            runtime: start.runtime,
        });
        let task = connection.clone().run(start.rest);
        connection.runtime.spawn(task).detach();
        connection
    }

    pub(crate) fn memory(&self) -> Option<Memory> {
        self.link.memory()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits
    }

    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.state.borrow().ended.is_some()
    }

    /// Ends the connection; calls under way are lost.
    pub(crate) fn close(&self) {
        self.deserted.set(true);
        self.link.signal.raise();
    }

    /// Wakes those who wait for what came. Nothing may be borrowed.
    #[inline]
    fn wake(&self) {
        let mut state = self.state.borrow_mut();
        match state.woken.len() {
            0 => {}
            1 => {
                let only = state.woken.pop();
                drop(state);
                only.into_iter().for_each(Waker::wake);
            }
            _ => {
                let mut woken = std::mem::take(&mut state.woken);
                drop(state);
                woken.drain(..).for_each(Waker::wake);
                self.state.borrow_mut().woken = woken;
            }
        }
    }

    /// Called by each client and call before it drops its reference. The task has the last one.
    #[inline]
    pub(crate) fn let_go(self: Rc<Self>) {
        if Rc::strong_count(&self) == 2 {
            self.close();
        }
    }
}

impl State {
    /// Whether answers that come are not taken any more.
    #[inline]
    fn is_over(&self) -> bool {
        self.ended.is_some() || self.found.is_some()
    }

    /// Whether a call need not wait for a credit.
    #[inline]
    fn may_send(&self) -> bool {
        self.credits > 0 && self.queue.is_empty() && self.ended.is_none()
    }
}

impl End {
    /// What becomes of a call that had got this far, when the stream was given `handed` calls.
    fn error(&self, progress: Progress, handed: u32) -> CallError {
        let Progress::Encoded(order) = progress else {
            return CallError::Lost { may_have_run: false };
        };
        let was_handed = !is_after(order, handed);
        match self {
            End::Violation(violation) if was_handed => CallError::Protocol(*violation),
            End::Goodbye { requests_read, .. } => CallError::Lost {
                may_have_run: was_handed && !is_after(order, *requests_read),
            },
            _ => CallError::Lost {
                may_have_run: was_handed,
            },
        }
    }
}

/// Whether `number` comes after `other` in a count that wraps.
fn is_after(number: u32, other: u32) -> bool {
    number != other && number.wrapping_sub(other) < 1 << 31
}
