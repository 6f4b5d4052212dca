//! Sending: pushes leave in order, gathered when they had to wait.

use std::rc::Rc;
use std::task::Poll;

use crake_mem::Sga;

use super::{Push, StreamState};
use crate::error::Error;
use crate::op::{Kind, Op, OpId, Value};
use crate::reactor::Core;

impl StreamState {
    pub(super) fn push(&self, core: &Rc<Core>, mut bytes: Sga) -> Op<()> {
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

    #[inline]
    pub(super) fn push_now(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut outgoing = self.outgoing.borrow_mut();
        if outgoing.failed.is_some() || outgoing.finishing || !outgoing.bytes.is_empty() || self.blocked.get()
        {
            return Ok(0);
        }
        match self.device.borrow().send_copied(bytes) {
            Poll::Ready(Ok(count)) => Ok(count),
            Poll::Ready(Err(error)) => {
                outgoing.failed = Some(error.clone());
                Err(error)
            }
            Poll::Pending => Ok(0),
        }
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

    /// Tries to send although nothing said that the device takes more: for streams that are asked in each
    /// turn.
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

    pub(super) fn fail_pushes(&self, core: &Rc<Core>, error: Error) {
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

    pub(super) fn finish(&self) -> Result<(), Error> {
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
