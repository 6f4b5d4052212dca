//! A client's connection: calls out, answers in, deadlines.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crake_datapath::{Error, Intake, Memory, Runtime, Sleep, Time};
use crake_mem::{Buf, Extent, Pool, Sga};
use crake_wire::Encode;

use crate::call::{Call, CallError, CallOptions, Deadline, Reply};
use crate::header::{HEADER_BYTES, Header, Kind};
use crate::limits::{FrameLimits, Limits};
use crate::link::{Link, Received};
use crate::payload::{Landing, Payload};
use crate::reader::{Straddle, take_frame, take_plain_frame};
use crate::slots::{CallId, Destination, Detached, Progress, Slots};
use crate::status::Status;
use crate::violation::{Reason, Violation};

/// Deadlines are looked at when the clock passes a multiple of this: 1 ms.
const DEADLINE_STEP_NS: u64 = 1_000_000;

/// How long a server that broke the protocol may take to read that it did.
const FAREWELL: Duration = Duration::from_millis(100);

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

#[derive(Default)]
struct Inbound {
    straddle: Straddle,
    arriving: Option<Arriving>,
}

/// An answer whose payload has not come whole.
struct Arriving {
    id: CallId,
    status: Status,
    message: Buf,
    landing: Landing,
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

    pub(crate) fn end(&self) -> Option<End> {
        self.state.borrow().ended.clone()
    }

    /// Ends the connection; calls under way are lost.
    pub(crate) fn close(&self) {
        self.deserted.set(true);
        self.link.signal.raise();
    }

    /// Called by each client and call before it drops its reference. The task has the last one.
    #[inline]
    pub(crate) fn let_go(self: Rc<Self>) {
        if Rc::strong_count(&self) == 2 {
            self.close();
        }
    }
}

/// Calls.
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
            false => self.call_with(method, message, options),
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
        self.call_with(method, message, CallOptions::new().deadline(deadline))
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

    /// Any call, the long way.
    #[inline(never)]
    fn call_with<M: Encode + ?Sized>(
        self: &Rc<Self>,
        method: u16,
        message: &M,
        options: CallOptions,
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

    fn add_cancel(&self, id: CallId) {
        let header = Header::new(Kind::Cancel, id.to_wire(), 0, 0);
        self.link.outbox.borrow_mut().frame_of_bytes(&header, &[]);
        self.link.signal.raise();
    }

    /// Sees to it that nothing is written any more to the place that the caller of `id` gave.
    fn stop_landing(&self, inbound: &mut Inbound, id: CallId) {
        let Some(arriving) = inbound.arriving.as_mut().filter(|arriving| arriving.id == id) else {
            return;
        };
        if let Some(Ok(count)) = self.link.stop_placing() {
            arriving.landing.filled(count);
        }
        arriving.landing.abandon();
    }
}

/// The task.
impl Connection {
    async fn run(self: Rc<Self>, rest: Buf) {
        let result = self.receive(&rest);
        self.link.set_intake(Rc::downgrade(&self) as Weak<dyn Intake>);
        // It is a part of a receive buffer, also when it is empty.
        drop(rest);
        let end = match result {
            Ok(()) => self.serve().await,
            Err(end) => end,
        };
        self.fail_calls(&end);
        if let End::Violation(violation) = end {
            let reason = violation.into();
            let farewell = self
                .link
                .say_farewell(&self.runtime, FAREWELL, Kind::Goodbye, 0, &reason);
            // In a box, so that no connection keeps room for it.
            Box::pin(farewell).await;
        }
        self.link.close();
    }

    async fn serve(&self) -> End {
        let mut timer = None;
        poll_fn(|cx| match self.turn(&mut timer, cx) {
            Ok(()) => Poll::Pending,
            Err(end) => Poll::Ready(end),
        })
        .await
    }

    /// All that can be done now: ends calls whose time is up, sends, receives. Sends once more if answers that
    /// came gave credits to queued calls.
    fn turn(&self, timer: &mut Option<(Time, Sleep)>, cx: &mut Context<'_>) -> Result<(), End> {
        self.link.signal.listen(cx);
        if let Some(end) = self.state.borrow_mut().found.take() {
            return Err(end);
        }
        if self.deserted.get() {
            return Err(End::Closed);
        }
        loop {
            self.check_deadlines(timer, cx);
            if let Poll::Ready(Err(error)) = self.link.poll_sent(cx) {
                return Err(self.end_of_broken_stream(error, cx));
            }
            if self.poll_receive(cx)?.is_pending() {
                return Ok(());
            }
        }
    }

    #[inline]
    fn poll_receive(&self, cx: &mut Context<'_>) -> Result<Poll<()>, End> {
        let vacant = || self.state.borrow().inbound.vacant();
        match self.link.poll_receive(vacant, cx) {
            Poll::Pending => return Ok(Poll::Pending),
            Poll::Ready(Err(_)) => return Err(End::Lost),
            Poll::Ready(Ok(Received::Bytes(buf))) if buf.is_empty() => return Err(End::Lost),
            Poll::Ready(Ok(Received::Bytes(buf))) => self.receive(&buf)?,
            Poll::Ready(Ok(Received::Placed(count))) => self.receive_placed(count)?,
        }
        Ok(Poll::Ready(()))
    }

    /// Sending failed: the server may have said why before it went.
    fn end_of_broken_stream(&self, error: Error, cx: &mut Context<'_>) -> End {
        let mut end = End::from(error);
        while let Poll::Ready(received) = self.link.poll_receive(|| None, cx) {
            let Ok(Received::Bytes(buf)) = received else { break };
            if buf.is_empty() {
                break;
            }
            if let Err(said) = self.receive(&buf) {
                end = said;
                break;
            }
        }
        end
    }

    fn check_deadlines(&self, timer: &mut Option<(Time, Sleep)>, cx: &mut Context<'_>) {
        loop {
            let earliest = self.state.borrow().slots.earliest();
            if earliest <= self.runtime.now() {
                self.expire();
                continue;
            }
            if earliest == Time::NEVER {
                return;
            }
            let due = Time(
                (earliest.0 / DEADLINE_STEP_NS)
                    .saturating_add(1)
                    .saturating_mul(DEADLINE_STEP_NS),
            );
            if timer.as_ref().is_none_or(|(at, _)| *at > due) {
                *timer = Some((due, self.runtime.sleep_until(due)));
            }
            let Some((_, sleep)) = timer else { return };
            match Pin::new(sleep).poll(cx) {
                Poll::Pending => return,
                Poll::Ready(()) => *timer = None,
            }
        }
    }

    fn expire(&self) {
        let mut state = self.state.borrow_mut();
        let State {
            slots,
            queue,
            inbound,
            woken,
            ..
        } = &mut *state;
        slots.expire(self.runtime.now(), |id, progress, waker| {
            woken.extend(waker);
            match progress {
                Progress::Encoded(_) => {
                    self.stop_landing(inbound, id);
                    self.add_cancel(id);
                }
                _ => queue.retain(|queued| queued.id != id),
            }
        });
        drop(state);
        self.wake();
    }

    fn wake(&self) {
        let mut woken = std::mem::take(&mut self.state.borrow_mut().woken);
        woken.drain(..).for_each(Waker::wake);
        self.state.borrow_mut().woken = woken;
    }

    fn fail_calls(&self, end: &End) {
        let handed = self.link.handed();
        let mut state = self.state.borrow_mut();
        let State {
            slots,
            woken,
            queue,
            inbound,
            ended,
            ..
        } = &mut *state;
        if let Some(arriving) = &inbound.arriving {
            let id = arriving.id;
            self.stop_landing(inbound, id);
        }
        let error = |progress| end.error(progress, handed);
        slots.fail_all(error, |waker| woken.push(waker));
        *ended = Some(end.clone());
        let queued = std::mem::take(queue);
        drop(state);
        // What the queue held is dropped when nothing is borrowed.
        drop(queued);
        self.wake();
    }
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
        self.state.borrow_mut().found = found;
        None
    }
}

/// Answers.
impl Connection {
    /// Takes one receive.
    fn receive(&self, buf: &Buf) -> Result<(), End> {
        let mut state = self.state.borrow_mut();
        let result = state.receive(buf, &self.limits.into(), self.runtime.pool());
        self.link.expect_head(state.inbound.expected_head());
        self.admit(&mut state);
        drop(state);
        self.wake();
        result
    }

    fn receive_placed(&self, count: usize) -> Result<(), End> {
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
        let result = match arriving.status.is_ok() {
            true => Ok(Reply {
                message: arriving.message,
                payload: arriving.landing.finish(),
            }),
            false => Err(failed(arriving.status, &arriving.message)),
        };
        self.answer(arriving.id, result)
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
        if let Some(waker) = waker {
            // One task that waits for many calls is woken once.
            if !self.woken.last().is_some_and(|last| last.will_wake(&waker)) {
                self.woken.push(waker);
            }
        }
    }
}

impl Inbound {
    fn vacant(&self) -> Option<Extent> {
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
