//! Calls on their way out.

use std::num::NonZeroU8;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::Buf;
use crake_wire::Encode;

use super::answers::Inbound;
use super::{Connection, Queued};
use crate::call::{Call, CallError, CallOptions, Deadline, Reply};
use crate::header::{HEADER_BYTES, Header, Kind};
use crate::parts::Parts;
use crate::slots::{CallId, Detached, Next};
use crate::stream::{ReplyStream, WINDOW_DEFAULT};

impl Connection {
    /// Any call.
    // Always, so that plain options are never built.
    #[inline(always)]
    pub(crate) fn call<M: Encode + ?Sized>(
        self: &Rc<Self>,
        method: u16,
        message: &M,
        options: CallOptions,
    ) -> Call {
        match options.is_plain() && !M::GATHERS {
            true => self.call_until(method, message, self.deadline(options.deadline)),
            false => self.call_with(method, message, options, None),
        }
    }

    /// A call that is no more than its message.
    // Always, so that the call is put together where it is kept.
    #[inline(always)]
    pub(crate) fn call_until<M: Encode + ?Sized>(
        self: &Rc<Self>,
        method: u16,
        message: &M,
        deadline: Time,
    ) -> Call {
        if M::GATHERS {
            return self.call_in_turn(method, message, deadline);
        }
        match self.call_now(method, message, deadline) {
            Some(id) => Call::in_slot(self.clone(), id),
            None => self.call_in_turn(method, message, deadline),
        }
    }

    /// The same if it has to wait for its turn, is refused, or is sent from several places.
    #[cold]
    fn call_in_turn(self: &Rc<Self>, method: u16, message: &(impl Encode + ?Sized), deadline: Time) -> Call {
        self.call_with(method, message, CallOptions::new().deadline(deadline), None)
    }

    /// The same if it can be sent at once.
    #[inline]
    fn call_now(&self, method: u16, message: &(impl Encode + ?Sized), deadline: Time) -> Option<CallId> {
        let message_len = message.encoded_len();
        let mut state = self.state.borrow_mut();
        if message_len > self.limits.message_max as usize || !state.may_send() {
            return None;
        }
        let id = state.slots.insert(deadline, None)?;
        state.credits -= 1;
        state.slots.encoded(id, self.link.count());
        let header = Header::new(Kind::Request, id.to_wire(), method, message_len);
        self.link.outbox.borrow_mut().frame(&header, message);
        self.link.signal.raise();
        Some(id)
    }

    /// A call whose answer is a stream.
    pub(crate) fn stream(
        self: &Rc<Self>,
        method: u16,
        message: &(impl Encode + ?Sized),
        mut options: CallOptions,
    ) -> ReplyStream {
        let window = options.window.unwrap_or(WINDOW_DEFAULT);
        // Each part has its own buffers.
        options.into = None;
        ReplyStream::new(self.call_with(method, message, options, Some(window)))
    }

    /// Any call, the long way.
    #[inline(never)]
    fn call_with<M: Encode + ?Sized>(
        self: &Rc<Self>,
        method: u16,
        message: &M,
        options: CallOptions,
        window: Option<NonZeroU8>,
    ) -> Call {
        let mut payload = options.payload.unwrap_or_default();
        // What is gathered takes the place of the payload.
        let plan = (M::GATHERS && payload.is_empty()).then(|| {
            let message_max = self.limits.message_max as usize;
            self.link.outbox.borrow_mut().plan(message, message_max)
        });
        let message_len = plan.map_or_else(|| message.encoded_len(), |plan| plan.message_len());
        let payload_len = payload.len_bytes() + plan.map_or(0, |plan| plan.gathered_len());
        if message_len > self.limits.message_max as usize || payload_len > self.limits.payload_max as usize {
            return Call::failed(CallError::TooLarge);
        }
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if state.ended.is_some() {
            return Call::failed(CallError::Lost { may_have_run: false });
        }
        let has_credit = state.may_send();
        if !has_credit && state.queue.len() >= self.queue_max {
            return Call::failed(CallError::QueueFull);
        }
        let deadline = self.deadline(options.deadline);
        let Some(id) = state.slots.insert(deadline, options.into) else {
            return Call::failed(CallError::QueueFull);
        };
        let mut header = Header::new(Kind::Request, id.to_wire(), method, message_len);
        header.payload_len = payload_len as u32;
        if let Some(window) = window {
            header.window = window.get();
            let patience = self.patience(options.deadline);
            state.slots.set_parts(id, Parts::new(header.window, patience));
        }
        if has_credit {
            state.credits -= 1;
            state.slots.encoded(id, self.link.count());
            let mut outbox = self.link.outbox.borrow_mut();
            match plan {
                Some(plan) => outbox.gathered(&header, message, plan),
                None => outbox.frame(&header, message),
            }
            if !payload.is_empty() {
                outbox.payload(payload);
            }
        } else {
            let mut head = vec![0; header.head_len()];
            header.encode(&mut head);
            match plan {
                Some(plan) => message.encode_gathered(&mut head[HEADER_BYTES..], plan, &mut payload),
                None => message.encode(&mut head[HEADER_BYTES..]),
            }
            state.queue.push_back(Queued { id, head, payload });
        }
        self.link.signal.raise();
        Call::in_slot(self.clone(), id)
    }

    #[inline]
    fn deadline(&self, deadline: Deadline) -> Time {
        match deadline {
            Deadline::Default => Time(self.runtime.now().0.saturating_add(self.timeout_ns)),
            Deadline::After(timeout) => self.runtime.now() + timeout,
            Deadline::At(time) => time,
        }
    }

    /// How long the next part of a stream may take.
    fn patience(&self, deadline: Deadline) -> Option<Duration> {
        match deadline {
            Deadline::Default => Some(Duration::from_nanos(self.timeout_ns)),
            Deadline::After(timeout) => Some(timeout),
            Deadline::At(_) => None,
        }
    }

    /// Who waits for the only call under way has it sent now. Others go out together when the task runs: there is an answer
    /// under way that keeps the server busy meanwhile, as with Nagle's algorithm.
    #[inline]
    pub(crate) fn poll_call(&self, id: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, CallError>> {
        let mut state = self.state.borrow_mut();
        let result = state.slots.poll(id, cx);
        if result.is_pending() && state.credits + 1 == self.limits.credits {
            drop(state);
            self.flush();
        }
        result
    }

    /// The same for the next part of a stream.
    pub(crate) fn poll_part(&self, id: CallId, cx: &mut Context<'_>) -> Poll<Next> {
        let mut state = self.state.borrow_mut();
        let next = state.slots.poll_part(id, cx, self.runtime.now());
        let is_only = state.credits + 1 == self.limits.credits;
        drop(state);
        match &next {
            Poll::Pending if is_only => self.flush(),
            Poll::Ready(Next::Part(_, Some(grant))) => self.add_grant(id, *grant),
            _ => {}
        }
        next
    }

    #[inline(always)]
    pub(crate) fn take_message(&self, id: CallId) -> Option<Buf> {
        self.state.borrow_mut().slots.take_message(id)
    }

    pub(crate) fn try_take(&self, id: CallId) -> Option<Result<Reply, CallError>> {
        self.state.borrow_mut().slots.try_take(id)
    }

    /// A caller gives its call up.
    pub(crate) fn detach(&self, id: CallId) {
        let mut state = self.state.borrow_mut();
        match state.slots.detach(id) {
            Detached::Nothing => {}
            Detached::Unqueue => state.queue.retain(|queued| queued.id != id),
            Detached::Cancel => {
                self.stop_landing(&mut state.inbound, id);
                self.add_cancel(id);
            }
        }
    }

    /// Gives what was called so far to the stream now, without waiting for the task's turn. An error shows in the calls.
    pub(crate) fn flush(&self) {
        // The task finds the same error when it receives.
        let _ = self.link.flush();
    }

    pub(super) fn add_cancel(&self, id: CallId) {
        let header = Header::new(Kind::Cancel, id.to_wire(), 0, 0);
        self.link.outbox.borrow_mut().frame_of_bytes(&header, &[]);
        self.link.signal.raise();
    }

    fn add_grant(&self, id: CallId, parts: u16) {
        let header = Header::new(Kind::Grant, id.to_wire(), parts, 0);
        self.link.outbox.borrow_mut().frame_of_bytes(&header, &[]);
        self.link.signal.raise();
    }

    /// Sees to it that nothing is written any more to the place that the caller of `id` gave.
    pub(super) fn stop_landing(&self, inbound: &mut Inbound, id: CallId) {
        let Some(arriving) = inbound.arriving.as_mut().filter(|arriving| arriving.id == id) else {
            return;
        };
        if let Some(Ok(count)) = self.link.stop_placing() {
            arriving.landing.filled(count);
        }
        arriving.landing.abandon();
    }
}
