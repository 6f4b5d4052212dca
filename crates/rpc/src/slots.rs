//! The calls of one connection: who waits for which answer.
//!
//! A call lives in a slot of a slab. Its id on the wire is the slot's number and, above that, the slot's generation, so
//! that an answer to an earlier call of the same slot is not taken for this one's. The peer answers each request exactly
//! once, also a cancelled one: a slot is free again when its answer has come and its caller has let go of it.

use std::task::{Context, Poll, Waker};

use crake_datapath::Time;
use crake_mem::{Buf, Extent};

use crate::call::{CallError, Reply};
use crate::parts::Parts;
use crate::payload::Payload;
use crate::violation::Violation;

/// Names a call on its connection.
// As wide as a register, though it has 32 bits: a call would be written in narrower pieces than it is read in when moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallId(u64);

impl CallId {
    /// Of no call in particular.
    pub(crate) const NONE: CallId = CallId::from_wire(u32::MAX);

    const INDEX_BITS: u32 = 16;

    #[inline]
    pub(crate) const fn from_wire(id: u32) -> CallId {
        CallId(id as u64)
    }

    #[inline]
    pub(crate) const fn to_wire(self) -> u32 {
        self.0 as u32
    }

    #[inline]
    fn new(index: usize, generation: u16) -> CallId {
        CallId(u64::from(generation) << CallId::INDEX_BITS | index as u64)
    }

    #[inline]
    fn index(self) -> usize {
        (self.0 & ((1 << CallId::INDEX_BITS) - 1)) as usize
    }

    #[inline]
    fn generation(self) -> u16 {
        (self.0 >> CallId::INDEX_BITS) as u16
    }
}

/// Most calls that a connection holds, answered ones that nobody has looked at included.
pub(crate) const SLOTS_MAX: usize = 1 << CallId::INDEX_BITS;

/// How far a call's request has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It waits for a credit.
    Queued,
    /// It was encoded as the connection's request of this number, counting from 1 and wrapping.
    Encoded(u32),
    /// Its answer has come, or will not.
    Answered,
}

/// Its fields are written one by one: a whole value that is made elsewhere and moved here stalls the processor, which
/// reads it back in larger pieces than it was written in.
struct Slot {
    generation: u16,
    state: State,
    progress: Progress,
    deadline: Time,
    /// Of who waits for the answer.
    waker: Option<Waker>,
    /// Empty unless the state is [`State::Message`].
    message: Buf,
    /// Where the answer's payload goes, if the caller named a place.
    into: Option<Extent>,
    /// There if the state is [`State::Done`].
    result: Option<Result<Reply, CallError>>,
    /// Of a call whose answer is a stream, as long as its caller is there and has not seen the end.
    parts: Option<Box<Parts>>,
}

/// What a caller gets of a stream.
#[derive(Debug)]
pub(crate) enum Next {
    /// A part, and how many more are to be granted to the server.
    Part(Reply, Option<u16>),
    /// The answer that ends it.
    End(Result<Reply, CallError>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free {
        next: Option<u16>,
    },
    Waiting,
    /// Done, and all that came is a message: what nearly every call ends with.
    Message,
    Done,
    /// The caller is gone, the answer has yet to come.
    Detached,
}

impl Slot {
    fn wait(&mut self, cx: &mut Context<'_>) {
        match &self.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => self.waker = Some(cx.waker().clone()),
        }
    }

    /// Ends the call for its caller. Gives the caller's waker.
    fn end(&mut self, result: Result<Reply, CallError>) -> Option<Waker> {
        self.state = State::Done;
        self.result = Some(result);
        self.into = None;
        self.waker.take()
    }

    /// Of a stream whose caller has not taken what came: it is not the server that is late.
    fn spare_the_server(&mut self, now: Time) {
        if let Some(parts) = &self.parts
            && parts.is_behind()
            && let Some(patience) = parts.patience
        {
            self.deadline = now + patience;
        }
    }

    /// The caller is gone, and all that was kept for it.
    fn forget_caller(&mut self) {
        self.state = State::Detached;
        self.waker = None;
        self.message = Buf::new();
        self.into = None;
        self.result = None;
        self.parts = None;
    }
}

/// What becomes of the payload of an answer.
#[derive(Debug)]
pub(crate) enum Destination {
    Extent(Extent),
    Pool,
    Nowhere,
}

/// What has to be done about a call that its caller gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detached {
    /// Nothing: its answer was there.
    Nothing,
    /// Its request was sent: tell the server.
    Cancel,
    /// Its request waits for a credit: take it out of the queue.
    Unqueue,
}

#[derive(Default)]
pub(crate) struct Slots {
    slots: Vec<Slot>,
    free: Option<u16>,
    /// No deadline is before this. Not raised when a call ends, so the earliest one may be later.
    earliest: Option<Time>,
}

impl Slots {
    /// Takes a slot; `None` if there are [`SLOTS_MAX`] calls.
    #[inline(always)]
    pub(crate) fn insert(&mut self, deadline: Time, into: Option<Extent>) -> Option<CallId> {
        if deadline < self.earliest() {
            self.earliest = Some(deadline);
        }
        let index = self.free.or_else(|| self.grow())?;
        let slot = &mut self.slots[usize::from(index)];
        let State::Free { next } = slot.state else {
            unreachable!("the free list holds free slots");
        };
        self.free = next;
        let generation = slot.generation.wrapping_add(1);
        slot.generation = generation;
        slot.state = State::Waiting;
        slot.progress = Progress::Queued;
        slot.deadline = deadline;
        if into.is_some() {
            slot.into = into;
        }
        Some(CallId::new(usize::from(index), generation))
    }

    /// Makes a slot that there was not yet, and is free.
    #[cold]
    fn grow(&mut self) -> Option<u16> {
        let index = self.slots.len();
        if index == SLOTS_MAX {
            return None;
        }
        self.slots.push(Slot {
            // Its first call has generation 0.
            generation: u16::MAX,
            state: State::Free { next: None },
            progress: Progress::Answered,
            deadline: Time::NEVER,
            waker: None,
            message: Buf::new(),
            into: None,
            result: None,
            parts: None,
        });
        Some(index as u16)
    }

    /// Notes that the request of a call that waits was encoded as number `order`.
    #[inline]
    pub(crate) fn encoded(&mut self, id: CallId, order: u32) {
        self.slots[id.index()].progress = Progress::Encoded(order);
    }

    /// The answer to a call that was just inserted is a stream.
    pub(crate) fn set_parts(&mut self, id: CallId, parts: Parts) {
        self.slots[id.index()].parts = Some(Box::new(parts));
    }

    /// A part of the answer to `id` begins to arrive. Gives where its payload goes.
    pub(crate) fn begin_part(&mut self, id: CallId) -> Result<Destination, Violation> {
        let slot = self.outstanding(id)?;
        match (&mut slot.parts, slot.state) {
            (Some(parts), state) => {
                parts.begin()?;
                let is_wanted = state == State::Waiting;
                Ok(if is_wanted {
                    Destination::Pool
                } else {
                    Destination::Nowhere
                })
            }
            (None, State::Detached) => Ok(Destination::Nowhere),
            (None, _) => Err(Violation::UngrantedPart),
        }
    }

    /// A part that began is there. Gives the waker of who waits for it.
    pub(crate) fn add_part(&mut self, id: CallId, part: Reply) -> Result<Option<Waker>, Violation> {
        let slot = self.outstanding(id)?;
        let Some(parts) = slot.parts.as_mut().filter(|_| slot.state == State::Waiting) else {
            return Ok(None);
        };
        parts.push(part);
        Ok(slot.waker.take())
    }

    /// Gives what comes next of a stream if it is there, else keeps the waker. After [`Next::End`] the slot is not the
    /// caller's any more.
    pub(crate) fn poll_part(&mut self, id: CallId, cx: &mut Context<'_>, now: Time) -> Poll<Next> {
        let slot = &mut self.slots[id.index()];
        let is_waiting = slot.state == State::Waiting;
        if let Some(parts) = &mut slot.parts
            && let Some(part) = parts.take()
        {
            let grant = if is_waiting { parts.grant() } else { None };
            if let Some(patience) = parts.patience {
                // Later than it was, so that no deadline is before the earliest one.
                slot.deadline = now + patience;
            }
            return Poll::Ready(Next::Part(part, grant));
        }
        if is_waiting {
            slot.wait(cx);
            return Poll::Pending;
        }
        slot.parts = None;
        Poll::Ready(Next::End(self.take_done(id)))
    }

    /// Where the payload of the answer to `id` goes. An answer to a call that was not sent is a violation.
    pub(crate) fn destination(&mut self, id: CallId) -> Result<Destination, Violation> {
        let slot = self.outstanding(id)?;
        Ok(match (slot.state, &slot.into) {
            (State::Waiting, Some(extent)) => Destination::Extent(extent.clone()),
            (State::Waiting, None) => Destination::Pool,
            _ => Destination::Nowhere,
        })
    }

    /// Notes an answer that is a message. Gives the waker of who waits for it.
    #[inline]
    pub(crate) fn answer_message(&mut self, id: CallId, message: Buf) -> Result<Option<Waker>, Violation> {
        let slot = self.outstanding(id)?;
        if slot.state != State::Waiting || slot.into.is_some() {
            let payload = Payload::None;
            return self.answer(id, Ok(Reply { message, payload }));
        }
        slot.progress = Progress::Answered;
        slot.state = State::Message;
        slot.message = message;
        Ok(slot.waker.take())
    }

    /// Notes any other answer. Gives the waker of who waits for it.
    pub(crate) fn answer(
        &mut self,
        id: CallId,
        result: Result<Reply, CallError>,
    ) -> Result<Option<Waker>, Violation> {
        let slot = self.outstanding(id)?;
        slot.progress = Progress::Answered;
        match slot.state {
            State::Waiting => Ok(slot.end(result)),
            // Ended by its deadline; the caller has not looked yet.
            State::Done | State::Message => Ok(None),
            State::Detached | State::Free { .. } => {
                self.release(id.index());
                Ok(None)
            }
        }
    }

    /// Gives the answer if it is there and is a message alone.
    // Always, so that the message is not put together more than once.
    #[inline(always)]
    pub(crate) fn take_message(&mut self, id: CallId) -> Option<Buf> {
        let slot = &mut self.slots[id.index()];
        if slot.state != State::Message {
            return None;
        }
        let message = std::mem::take(&mut slot.message);
        // Free at once, because only an answer makes it so.
        slot.state = State::Free { next: self.free };
        self.free = Some(id.index() as u16);
        Some(message)
    }

    /// Gives the result if it is there, else keeps the waker.
    #[inline]
    pub(crate) fn poll(&mut self, id: CallId, cx: &mut Context<'_>) -> Poll<Result<Reply, CallError>> {
        let slot = &mut self.slots[id.index()];
        if slot.state == State::Waiting {
            slot.wait(cx);
            return Poll::Pending;
        }
        Poll::Ready(self.take_done(id))
    }

    /// Gives the result if it is there.
    pub(crate) fn try_take(&mut self, id: CallId) -> Option<Result<Reply, CallError>> {
        let is_waiting = self.slots[id.index()].state == State::Waiting;
        (!is_waiting).then(|| self.take_done(id))
    }

    #[inline(never)]
    fn take_done(&mut self, id: CallId) -> Result<Reply, CallError> {
        if let Some(message) = self.take_message(id) {
            let payload = Payload::None;
            return Ok(Reply { message, payload });
        }
        let slot = &mut self.slots[id.index()];
        let result = slot.result.take();
        match slot.progress {
            Progress::Answered => self.release(id.index()),
            _ => slot.state = State::Detached,
        }
        result.expect("a call is waited for until it is done, and then taken once")
    }

    /// The caller is gone.
    pub(crate) fn detach(&mut self, id: CallId) -> Detached {
        let Some(slot) = self.slot(id) else {
            return Detached::Nothing;
        };
        let was_waiting = slot.state == State::Waiting;
        slot.forget_caller();
        match slot.progress {
            Progress::Encoded(_) if was_waiting => Detached::Cancel,
            // Its deadline passed, and the server was told then.
            Progress::Encoded(_) => Detached::Nothing,
            Progress::Queued => {
                self.release(id.index());
                Detached::Unqueue
            }
            Progress::Answered => {
                self.release(id.index());
                Detached::Nothing
            }
        }
    }

    /// No deadline is before this.
    #[inline]
    pub(crate) fn earliest(&self) -> Time {
        self.earliest.unwrap_or(Time::NEVER)
    }

    /// Ends the calls whose deadline has come. Hands `ended` each one's id, how far it had got, and its waker.
    pub(crate) fn expire(&mut self, now: Time, mut ended: impl FnMut(CallId, Progress, Option<Waker>)) {
        let mut earliest = Time::NEVER;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            if slot.state != State::Waiting {
                continue;
            }
            if slot.deadline <= now {
                slot.spare_the_server(now);
            }
            if slot.deadline > now {
                earliest = earliest.min(slot.deadline);
                continue;
            }
            let progress = slot.progress;
            let may_have_run = progress != Progress::Queued;
            let waker = slot.end(Err(CallError::TimedOut { may_have_run }));
            if progress == Progress::Queued {
                slot.progress = Progress::Answered;
            }
            ended(CallId::new(index, slot.generation), progress, waker);
        }
        self.earliest = Some(earliest);
    }

    /// Ends all calls: no answer will come any more. `error` is told how far each had got.
    pub(crate) fn fail_all(
        &mut self,
        mut error: impl FnMut(Progress) -> CallError,
        mut woken: impl FnMut(Waker),
    ) {
        for index in 0..self.slots.len() {
            let slot = &mut self.slots[index];
            match slot.state {
                State::Waiting => {
                    let waker = slot.end(Err(error(slot.progress)));
                    slot.progress = Progress::Answered;
                    waker.into_iter().for_each(&mut woken);
                }
                State::Done | State::Message => slot.progress = Progress::Answered,
                State::Detached => self.release(index),
                State::Free { .. } => {}
            }
        }
    }

    /// How many slots are taken.
    #[cfg(test)]
    fn len(&self) -> usize {
        let is_taken = |slot: &&Slot| !matches!(slot.state, State::Free { .. });
        self.slots.iter().filter(is_taken).count()
    }

    #[inline]
    fn slot(&mut self, id: CallId) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(id.index())?;
        (slot.generation == id.generation()).then_some(slot)
    }

    /// The slot of a call that was sent and not answered.
    #[inline]
    fn outstanding(&mut self, id: CallId) -> Result<&mut Slot, Violation> {
        match self.slot(id) {
            Some(slot) if matches!(slot.progress, Progress::Encoded(_)) => Ok(slot),
            _ => Err(Violation::UnknownReply),
        }
    }

    #[inline]
    fn release(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        slot.progress = Progress::Answered;
        slot.state = State::Free { next: self.free };
        self.free = Some(index as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> Result<Reply, CallError> {
        Ok(Reply {
            message: Buf::from_static(b""),
            payload: Payload::None,
        })
    }

    fn sent(slots: &mut Slots, deadline: Time) -> CallId {
        let id = slots.insert(deadline, None).unwrap();
        slots.encoded(id, 1);
        id
    }

    #[test]
    fn a_slot_is_used_again_under_another_id() {
        let mut slots = Slots::default();
        let first = sent(&mut slots, Time::NEVER);
        assert!(slots.try_take(first).is_none());
        slots.answer(first, reply()).unwrap();
        assert_eq!(slots.len(), 1, "the caller has not looked");
        assert!(slots.try_take(first).unwrap().is_ok());
        assert_eq!(slots.len(), 0);
        let second = sent(&mut slots, Time::NEVER);
        assert_eq!((first.index(), second.index()), (0, 0));
        assert_eq!(slots.answer(first, reply()).unwrap_err(), Violation::UnknownReply);
        assert!(slots.answer(second, reply()).is_ok());
        assert_eq!(
            slots.answer(second, reply()).unwrap_err(),
            Violation::UnknownReply
        );
    }

    #[test]
    fn a_message_is_taken_once_whichever_way_and_frees_its_slot() {
        let mut slots = Slots::default();
        let message = || Buf::from_static(b"answer");
        let first = sent(&mut slots, Time::NEVER);
        assert!(slots.take_message(first).is_none());
        slots.answer_message(first, message()).unwrap();
        assert_eq!(slots.take_message(first), Some(message()));
        assert_eq!(slots.len(), 0);
        let second = sent(&mut slots, Time::NEVER);
        assert!(
            slots.take_message(second).is_none(),
            "what the slot held before is gone"
        );
        slots.answer_message(second, message()).unwrap();
        assert_eq!(slots.try_take(second).unwrap().unwrap().message, message());
        let third = sent(&mut slots, Time::NEVER);
        slots.answer_message(third, message()).unwrap();
        assert_eq!(slots.detach(third), Detached::Nothing);
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn the_generation_wraps() {
        let mut slots = Slots::default();
        for round in 0..=u32::from(u16::MAX) + 1 {
            let id = sent(&mut slots, Time::NEVER);
            assert_eq!(id.to_wire() >> 16, round & 0xffff);
            slots.answer(id, reply()).unwrap();
            assert!(slots.try_take(id).is_some());
        }
    }

    #[test]
    fn an_answer_to_a_queued_or_unknown_call_is_a_violation() {
        let mut slots = Slots::default();
        let queued = slots.insert(Time::NEVER, None).unwrap();
        for id in [queued, CallId(1), CallId(1 << 16), CallId::NONE] {
            assert_eq!(slots.answer(id, reply()).unwrap_err(), Violation::UnknownReply);
            assert_eq!(slots.destination(id).unwrap_err(), Violation::UnknownReply);
        }
    }

    #[test]
    fn a_slot_stays_taken_until_the_answer_to_a_dropped_call_has_come() {
        let mut slots = Slots::default();
        let id = sent(&mut slots, Time::NEVER);
        assert_eq!(slots.detach(id), Detached::Cancel);
        assert_eq!(slots.len(), 1);
        assert!(matches!(slots.destination(id), Ok(Destination::Nowhere)));
        assert!(slots.answer(id, reply()).unwrap().is_none());
        assert_eq!(slots.len(), 0);
        let queued = slots.insert(Time::NEVER, None).unwrap();
        assert_eq!(slots.detach(queued), Detached::Unqueue);
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn deadlines_end_calls_once_and_the_late_answer_frees_the_slot() {
        let mut slots = Slots::default();
        let early = sent(&mut slots, Time(10));
        let late = sent(&mut slots, Time(20));
        let queued = slots.insert(Time(10), None).unwrap();
        assert_eq!(slots.earliest(), Time(10));
        let mut ended = Vec::new();
        slots.expire(Time(10), |id, progress, _| ended.push((id, progress)));
        assert_eq!(ended, [(early, Progress::Encoded(1)), (queued, Progress::Queued)]);
        assert_eq!(slots.earliest(), Time(20));
        let timed_out = |may_have_run| Some(CallError::TimedOut { may_have_run });
        assert_eq!(slots.try_take(early).unwrap().err(), timed_out(true));
        assert_eq!(slots.try_take(queued).unwrap().err(), timed_out(false));
        assert_eq!(slots.len(), 2, "one waits, one is still to be answered");
        assert!(slots.answer(early, reply()).unwrap().is_none());
        assert!(slots.answer(late, reply()).is_ok());
        assert!(slots.try_take(late).unwrap().is_ok());
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn a_lost_connection_ends_every_call_and_frees_what_nobody_waits_for() {
        let mut slots = Slots::default();
        let waiting = sent(&mut slots, Time::NEVER);
        let dropped = sent(&mut slots, Time::NEVER);
        slots.detach(dropped);
        let lost = |_| CallError::Lost { may_have_run: true };
        slots.fail_all(lost, |_| panic!("nobody was polled"));
        assert_eq!(slots.len(), 1);
        assert_eq!(
            slots.try_take(waiting).unwrap().unwrap_err(),
            lost(Progress::Answered)
        );
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn there_are_no_more_slots_than_ids() {
        let mut slots = Slots::default();
        for _ in 0..SLOTS_MAX {
            assert!(slots.insert(Time::NEVER, None).is_some());
        }
        assert!(slots.insert(Time::NEVER, None).is_none());
    }
}
