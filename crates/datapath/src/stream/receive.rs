//! Receiving: pops are served in order, into buffers of the pool or into places of their own.

use std::rc::{Rc, Weak};
use std::task::Poll;

use crake_mem::{Buf, BufMut, Extent};

use super::{Destination, Incoming, Pop, StreamState};
use crate::driver::Target;
use crate::error::Error;
use crate::op::{Kind, Op, OpId, Outcome, Value};
use crate::reactor::Core;

impl StreamState {
    pub(super) fn pop(self: &Rc<Self>, core: &Rc<Core>) -> Op<Buf> {
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

    pub(super) fn pop_into<T: Outcome>(self: &Rc<Self>, core: &Rc<Core>, destination: Destination) -> Op<T> {
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

    /// Receives because something may have arrived; true if it had. The intake sees it first, but not what is behind it, so
    /// that a peer that never pauses does not keep the thread to itself.
    #[inline]
    pub(crate) fn receive_arrived(self: &Rc<Self>, core: &Rc<Core>) -> bool {
        if !self.incoming.borrow().is_for_intake() {
            return self.receive(core);
        }
        let received = self.device.borrow().receive(&core.pool, self.receive_max.get());
        match received {
            Poll::Pending => {
                self.readable.set(false);
                return false;
            }
            Poll::Ready(Ok(bytes)) => {
                self.note_received(bytes.len(), core.buffer_bytes.min(self.receive_max.get()));
                let declined = self.offer(bytes);
                if declined.is_none() && !self.readable.get() {
                    return true;
                }
                if let Some(bytes) = declined {
                    self.unreceive(0, bytes);
                }
            }
            Poll::Ready(Err(Error::Exhausted)) => {
                core.starve(self.key());
                return false;
            }
            Poll::Ready(Err(error)) => self.note_failed(&error),
        }
        self.receive(core);
        true
    }

    /// Shows the intake what came, unless it is the end.
    #[inline]
    fn offer(&self, bytes: Buf) -> Option<Buf> {
        let intake = self.incoming.borrow().intake.as_ref().and_then(Weak::upgrade);
        match intake {
            Some(intake) if !bytes.is_empty() => intake.take(bytes),
            _ => Some(bytes),
        }
    }

    /// Serves waiting pops in order while there is something; true if there was.
    fn receive(self: &Rc<Self>, core: &Rc<Core>) -> bool {
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
        let received = self.device.borrow().receive(&core.pool, self.receive_max.get());
        match &received {
            Poll::Ready(Ok(bytes)) => {
                self.note_received(bytes.len(), core.buffer_bytes.min(self.receive_max.get()))
            }
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

    /// A receive that filled less than it could has emptied a device that says so, unless an end or an error is behind it.
    /// Not asking again saves a system call; a new arrival makes a new event.
    #[inline]
    fn note_received(&self, count: usize, asked: usize) {
        if self.short_means_empty && count < asked && !self.hung_up.get() {
            self.readable.set(false);
        }
    }

    pub(super) fn note_failed(&self, error: &Error) {
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

impl Incoming {
    /// Whether what comes next is for a pop, and there is an intake to see it before.
    #[inline]
    fn is_for_intake(&self) -> bool {
        let is_pop = |pop: &Pop| matches!(pop.destination, Destination::Pool);
        self.intake.is_some()
            && self.waiting.front().is_some_and(is_pop)
            && self.unread.is_empty()
            && self.failed.is_none()
    }
}

enum Served {
    /// The operation is over.
    Done(OpId, Result<Value, Error>),
    /// Some bytes came, and it waits for more.
    Part,
    Nothing,
}
