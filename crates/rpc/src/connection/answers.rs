//! Answers on their way in.

use std::task::Waker;

use crake_datapath::Intake;
use crake_mem::{Buf, Extent, Pool};

use super::{Connection, End, State};
use crate::call::{CallError, Reply};
use crate::header::{HEADER_BYTES, Header, Kind};
use crate::limits::FrameLimits;
use crate::payload::{Landing, Payload};
use crate::reader::{Straddle, take_frame, take_plain_frame};
use crate::slots::{CallId, Destination};
use crate::status::Status;
use crate::violation::{Reason, Violation};

#[derive(Default)]
pub(super) struct Inbound {
    straddle: Straddle,
    pub(super) arriving: Option<Arriving>,
}

/// An answer, or a part of one, whose payload has not come whole.
pub(super) struct Arriving {
    pub(super) id: CallId,
    is_part: bool,
    status: Status,
    message: Buf,
    pub(super) landing: Landing,
}

/// Answers are taken where they are received. The task does what has to wait: payloads, a server that does not read, the
/// end.
impl Intake for Connection {
    fn take(&self, bytes: Buf) -> Option<Buf> {
        if self.state.borrow().is_over() {
            return Some(bytes);
        }
        let result = self.receive(&bytes);
        let vacant = self.state.borrow().inbound.vacant();
        let needs_task = vacant.is_some() || !self.link.outbox.borrow().is_empty();
        let placed = vacant.map_or(Ok(()), |vacant| self.link.place(vacant));
        let found = result.err().or(placed.err().map(End::from));
        if needs_task || found.is_some() {
            self.link.signal.raise();
        }
        if found.is_some() {
            self.state.borrow_mut().found = found;
        }
        None
    }
}

impl Connection {
    /// Takes one receive.
    pub(super) fn receive(&self, buf: &Buf) -> Result<(), End> {
        let mut state = self.state.borrow_mut();
        let result = state.receive(buf, &self.limits.into(), self.runtime.pool());
        self.link.expect_head(state.inbound.expected_head());
        self.admit(&mut state);
        drop(state);
        self.wake();
        result
    }

    pub(super) fn receive_placed(&self, count: usize) -> Result<(), End> {
        let mut state = self.state.borrow_mut();
        let Some(arriving) = &mut state.inbound.arriving else {
            return Ok(());
        };
        arriving.landing.filled(count);
        if !arriving.landing.is_complete() {
            return Err(End::Lost);
        }
        state.finish_arriving()?;
        self.admit(&mut state);
        drop(state);
        self.wake();
        Ok(())
    }

    /// Encodes queued calls for which there are credits now.
    #[inline]
    fn admit(&self, state: &mut State) {
        while state.credits > 0
            && let Some(queued) = state.queue.pop_front()
        {
            state.credits -= 1;
            state.slots.encoded(queued.id, self.link.count());
            let mut outbox = self.link.outbox.borrow_mut();
            outbox.encoded(&queued.head);
            if !queued.payload.is_empty() {
                outbox.payload(queued.payload);
            }
        }
    }
}

impl State {
    fn receive(&mut self, buf: &Buf, limits: &FrameLimits, pool: &Pool) -> Result<(), End> {
        let mut input: &[u8] = buf;
        self.take_payload(buf, &mut input)?;
        if !self.inbound.straddle.is_empty() {
            self.join(buf, &mut input, limits, pool)?;
        }
        while self.inbound.arriving.is_none() {
            self.receive_plain(buf, &mut input, limits)?;
            if input.is_empty() {
                break;
            }
            let Some(frame) = take_frame(&mut input, limits)? else {
                self.inbound.straddle.keep(input);
                break;
            };
            let end = buf.len() - input.len();
            let message = || buf.slice(end - frame.message.len()..end);
            self.on_frame(frame.header, frame.message, message, pool)?;
            self.take_payload(buf, &mut input)?;
        }
        Ok(())
    }

    /// Takes the answers in front that say ok and are a message alone: as a rule all that came.
    fn receive_plain(&mut self, buf: &Buf, input: &mut &[u8], limits: &FrameLimits) -> Result<(), Violation> {
        let mut rest = *input;
        while let Some(frame) = take_plain_frame(&mut rest, Kind::Reply, limits)
            && frame.header.code == Status::OK.0
        {
            *input = rest;
            let end = buf.len() - rest.len();
            let message = buf.slice(end - frame.message.len()..end);
            self.answer_message(CallId::from_wire(frame.header.id), message)?;
        }
        Ok(())
    }

    /// Completes the frame that the last receive cut.
    fn join(&mut self, buf: &Buf, input: &mut &[u8], limits: &FrameLimits, pool: &Pool) -> Result<(), End> {
        let mut straddle = std::mem::take(&mut self.inbound.straddle);
        let joined = match straddle.fill(input, limits)? {
            Some(frame) => {
                let message = || copy(frame.message, pool);
                self.on_frame(frame.header, frame.message, message, pool)?;
                true
            }
            None => false,
        };
        if joined {
            straddle.clear();
        }
        self.inbound.straddle = straddle;
        self.take_payload(buf, input)
    }

    fn on_frame(
        &mut self,
        header: Header,
        bytes: &[u8],
        message: impl FnOnce() -> Buf,
        pool: &Pool,
    ) -> Result<(), End> {
        match header.kind {
            Kind::Reply => self.on_reply(header, bytes, message, pool),
            Kind::Part => self.on_part(header, message, pool),
            Kind::Goodbye => Err(End::Goodbye {
                reason: Reason::received(header.code, bytes),
                requests_read: header.id,
            }),
            _ => Err(Violation::UnexpectedFrame.into()),
        }
    }

    #[inline]
    fn on_reply(
        &mut self,
        header: Header,
        bytes: &[u8],
        message: impl FnOnce() -> Buf,
        pool: &Pool,
    ) -> Result<(), End> {
        let id = CallId::from_wire(header.id);
        let status = Status(header.code);
        if header.payload_len > 0 {
            let landing = self.landing(id, status, header.payload_len as usize, pool)?;
            self.inbound.arriving = Some(Arriving {
                id,
                is_part: false,
                status,
                message: message(),
                landing,
            });
            return Ok(());
        }
        let result = match status.is_ok() {
            true => Ok(Reply {
                message: message(),
                payload: Payload::None,
            }),
            false => Err(failed(status, bytes)),
        };
        self.answer(id, result)
    }

    fn on_part(&mut self, header: Header, message: impl FnOnce() -> Buf, pool: &Pool) -> Result<(), End> {
        let id = CallId::from_wire(header.id);
        let is_wanted = matches!(self.slots.begin_part(id)?, Destination::Pool);
        match header.payload_len as usize {
            0 if !is_wanted => Ok(()),
            0 => self.add_part(id, message(), Payload::None),
            len => {
                let landing = if is_wanted {
                    Landing::in_pool(pool, len)
                } else {
                    Landing::nowhere(len)
                };
                self.inbound.arriving = Some(Arriving {
                    id,
                    is_part: true,
                    status: Status::OK,
                    message: message(),
                    landing,
                });
                Ok(())
            }
        }
    }

    fn landing(&mut self, id: CallId, status: Status, len: usize, pool: &Pool) -> Result<Landing, Violation> {
        Ok(match self.slots.destination(id)? {
            _ if !status.is_ok() => Landing::nowhere(len),
            Destination::Extent(extent) if extent.len() < len => return Err(Violation::PayloadTooLong),
            Destination::Extent(extent) => Landing::in_extent(&extent, len),
            Destination::Pool => Landing::in_pool(pool, len),
            Destination::Nowhere => Landing::nowhere(len),
        })
    }

    /// Takes bytes of the payload that is arriving, if one is.
    #[inline]
    fn take_payload(&mut self, buf: &Buf, input: &mut &[u8]) -> Result<(), End> {
        let Some(arriving) = &mut self.inbound.arriving else {
            return Ok(());
        };
        arriving.landing.take(buf, input);
        match arriving.landing.is_complete() {
            true => self.finish_arriving(),
            false => Ok(()),
        }
    }

    fn finish_arriving(&mut self) -> Result<(), End> {
        let Some(arriving) = self.inbound.arriving.take() else {
            return Ok(());
        };
        if arriving.is_part {
            return self.add_part(arriving.id, arriving.message, arriving.landing.finish());
        }
        let result = match arriving.status.is_ok() {
            true => Ok(Reply {
                message: arriving.message,
                payload: arriving.landing.finish(),
            }),
            false => Err(failed(arriving.status, &arriving.message)),
        };
        self.answer(arriving.id, result)
    }

    fn add_part(&mut self, id: CallId, message: Buf, payload: Payload) -> Result<(), End> {
        let waker = self.slots.add_part(id, Reply { message, payload })?;
        self.woke(waker);
        Ok(())
    }

    fn answer(&mut self, id: CallId, result: Result<Reply, CallError>) -> Result<(), End> {
        let waker = self.slots.answer(id, result)?;
        self.answered(waker);
        Ok(())
    }

    #[inline]
    fn answer_message(&mut self, id: CallId, message: Buf) -> Result<(), Violation> {
        let waker = self.slots.answer_message(id, message)?;
        self.answered(waker);
        Ok(())
    }

    #[inline]
    fn answered(&mut self, waker: Option<Waker>) {
        self.credits += 1;
        self.woke(waker);
    }

    #[inline]
    fn woke(&mut self, waker: Option<Waker>) {
        if let Some(waker) = waker {
            // One task that waits for many calls is woken once.
            if !self.woken.last().is_some_and(|last| last.will_wake(&waker)) {
                self.woken.push(waker);
            }
        }
    }
}

impl Inbound {
    pub(super) fn vacant(&self) -> Option<Extent> {
        self.arriving.as_ref()?.landing.vacant()
    }

    /// Length of the head before a large payload that is arriving.
    #[inline]
    fn expected_head(&self) -> Option<usize> {
        let arriving = self.arriving.as_ref()?;
        let head_len = HEADER_BYTES + arriving.message.len();
        arriving.landing.is_large().then_some(head_len)
    }
}

#[cold]
fn failed(status: Status, detail: &[u8]) -> CallError {
    CallError::Failed {
        status,
        detail: String::from_utf8_lossy(detail).into(),
    }
}

/// A message that lay in two receives, in one buffer.
fn copy(message: &[u8], pool: &Pool) -> Buf {
    match pool.take() {
        Some(mut buf) if buf.spare() >= message.len() => {
            buf.push_slice(message);
            buf.freeze()
        }
        _ => Buf::copy_from_slice(message),
    }
}
