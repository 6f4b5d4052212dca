//! The task of a client's connection: deadlines, sending, what is not taken where it is received, the end.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use crake_datapath::{Error, Intake, Sleep, Time};
use crake_mem::Buf;

use super::{Connection, End, State};
use crate::header::Kind;
use crate::link::Received;
use crate::slots::Progress;

/// Deadlines are looked at when the clock passes a multiple of this: 1 ms.
const DEADLINE_STEP_NS: u64 = 1_000_000;

/// How long a server that broke the protocol may take to read that it did.
const FAREWELL: Duration = Duration::from_millis(100);

impl Connection {
    pub(super) async fn run(self: Rc<Self>, rest: Buf) {
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
