//! The answers of a server's connection: how they are put on their way, and those that are yet to come.

use std::cell::{Cell, RefCell};
use std::num::NonZeroU8;
use std::task::{Context, Poll, Waker};

use crake_mem::Sga;
use crake_wire::Encode;
use smallvec::SmallVec;

use crate::header::{Header, Kind};
use crate::limits::Limits;
use crate::link::Link;
use crate::responder::StreamError;
use crate::status::Status;
use crate::violation::cut_text;

/// Longest detail of a failure that is sent, in bytes; a longer one is cut.
const DETAIL_BYTES_MAX: usize = 512;

/// What a connection of a server shares with the answers that are yet to come.
pub(crate) struct Answers {
    pub link: Link,
    /// This side's own until the handshake is done.
    pub limits: Cell<Limits>,
    deferred: RefCell<Deferred>,
    /// Some stream waits until what is sent has left.
    wants_room: Cell<bool>,
}

#[derive(Default)]
struct Deferred {
    /// In the order of their sequence numbers.
    requests: Vec<DeferredRequest>,
    /// Distinguishes two requests for which a client used the same id.
    sequence: u64,
    /// The connection is over.
    ended: bool,
}

struct DeferredRequest {
    id: u32,
    sequence: u64,
    cancelled: bool,
    is_stream: bool,
    /// Of a stream: how many parts the caller takes now.
    window: u32,
    /// Of a stream that waits.
    waker: Option<Waker>,
}

/// What is to be sent is over a limit.
#[derive(Debug)]
pub(crate) struct TooLarge;

impl Answers {
    pub(crate) fn new(link: Link, limits: Limits) -> Answers {
        Answers {
            link,
            limits: Cell::new(limits),
            deferred: RefCell::default(),
            wants_room: Cell::new(false),
        }
    }

    #[inline(always)]
    pub(crate) fn send<M: Encode + ?Sized>(&self, id: u32, message: &M) {
        if self.put(Kind::Reply, id, message).is_err() {
            self.fail(id, Status::TOO_LARGE, "the answer is over a limit");
        }
    }

    /// Puts a reply, or a part of one, into the outbox.
    #[inline(always)]
    fn put<M: Encode + ?Sized>(&self, kind: Kind, id: u32, message: &M) -> Result<(), TooLarge> {
        if M::GATHERS {
            return self.put_gathered(kind, id, message);
        }
        let len = message.encoded_len();
        if len > self.limits.get().message_max as usize {
            return Err(TooLarge);
        }
        self.count(kind);
        let header = Header::new(kind, id, Status::OK.0, len);
        self.link.outbox.borrow_mut().frame(&header, message);
        Ok(())
    }

    #[inline(never)]
    fn put_gathered(&self, kind: Kind, id: u32, message: &(impl Encode + ?Sized)) -> Result<(), TooLarge> {
        let limits = self.limits.get();
        let plan = {
            let mut outbox = self.link.outbox.borrow_mut();
            outbox.plan(message, limits.message_max as usize)
        };
        let len = plan.message_len();
        if len > limits.message_max as usize || plan.gathered_len() > limits.payload_max as usize {
            return Err(TooLarge);
        }
        self.count(kind);
        let mut header = Header::new(kind, id, Status::OK.0, len);
        header.payload_len = plan.gathered_len() as u32;
        self.link.outbox.borrow_mut().gathered(&header, message, plan);
        Ok(())
    }

    /// A reply gives its request's credit back, a part does not.
    #[inline(always)]
    fn count(&self, kind: Kind) {
        if kind == Kind::Reply {
            self.link.count();
        }
    }

    pub(crate) fn send_with(&self, id: u32, message: &(impl Encode + ?Sized), payload: Sga) {
        let payload_len = payload.len_bytes();
        if payload_len == 0 {
            return self.send(id, message);
        }
        let len = message.encoded_len();
        if len > self.limits.get().message_max as usize
            || payload_len > self.limits.get().payload_max as usize
        {
            return self.fail(id, Status::TOO_LARGE, "the answer is over a limit");
        }
        self.link.count();
        let mut header = Header::new(Kind::Reply, id, Status::OK.0, len);
        header.payload_len = payload_len as u32;
        let mut outbox = self.link.outbox.borrow_mut();
        outbox.frame(&header, message);
        outbox.payload(payload);
    }

    pub(crate) fn fail(&self, id: u32, status: Status, detail: &str) {
        // A failure that says "ok" would be taken for an answer.
        let status = if status.is_ok() { Status::INTERNAL } else { status };
        let detail = cut_text(detail, DETAIL_BYTES_MAX).as_bytes();
        self.link.count();
        let header = Header::new(Kind::Reply, id, status.0, detail.len());
        self.link.outbox.borrow_mut().frame_of_bytes(&header, detail);
    }

    /// Ends a stream in good order.
    pub(crate) fn end_stream(&self, id: u32) {
        self.link.count();
        let header = Header::new(Kind::Reply, id, Status::OK.0, 0);
        self.link.outbox.borrow_mut().frame_of_bytes(&header, &[]);
    }
}

/// Answers that are yet to come.
impl Answers {
    /// How many answers are still to be given.
    pub(crate) fn deferred(&self) -> usize {
        self.deferred.borrow().requests.len()
    }

    /// Takes the number under which the request is known until it is settled; of a stream with the parts that are granted.
    pub(crate) fn defer(&self, id: u32, window: Option<NonZeroU8>) -> u64 {
        let mut deferred = self.deferred.borrow_mut();
        deferred.sequence += 1;
        let sequence = deferred.sequence;
        deferred.requests.push(DeferredRequest {
            id,
            sequence,
            cancelled: false,
            is_stream: window.is_some(),
            window: window.map_or(0, |window| window.get().into()),
            waker: None,
        });
        sequence
    }

    /// Takes a deferred request out; true if its answer can still be sent.
    pub(crate) fn settle(&self, sequence: u64) -> bool {
        let mut deferred = self.deferred.borrow_mut();
        let Some(index) = deferred.index(sequence) else {
            return false;
        };
        deferred.requests.remove(index);
        !deferred.ended
    }

    pub(crate) fn is_cancelled(&self, sequence: u64) -> bool {
        let deferred = self.deferred.borrow();
        let request = deferred.index(sequence).map(|index| &deferred.requests[index]);
        deferred.ended || request.is_none_or(|request| request.cancelled)
    }

    /// The caller of `id` no longer wants the answer. One that was given already is on its way.
    pub(crate) fn cancel(&self, id: u32) {
        self.wake_all(|request| {
            let is_meant = request.id == id;
            request.cancelled |= is_meant;
            is_meant
        });
    }

    /// The caller of `id` takes so many more parts. Who grants more than is sent grants it to itself: what is sent at once
    /// is bounded by what the stream takes.
    pub(crate) fn grant(&self, id: u32, parts: u16) {
        self.wake_all(|request| {
            let is_meant = request.id == id;
            if is_meant {
                request.window = request.window.saturating_add(parts.into());
            }
            is_meant
        });
    }

    /// What was sent may have left: streams that wait for that go on.
    #[inline]
    pub(crate) fn offer_room(&self) {
        if self.wants_room.get() && self.has_room() {
            self.wants_room.set(false);
            self.wake_all(|_| true);
        }
    }

    /// The streams under way get no further and are not answered, as what a broken connection leaves.
    pub(crate) fn break_off_streams(&self) {
        self.wake_all(|request| request.is_stream);
        self.deferred
            .borrow_mut()
            .requests
            .retain(|request| !request.is_stream);
    }

    /// No answer can be sent any more.
    pub(crate) fn end(&self) {
        self.deferred.borrow_mut().ended = true;
        self.wake_all(|_| true);
    }

    /// Ready when a part can be sent.
    pub(crate) fn poll_part(&self, sequence: u64, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        let mut deferred = self.deferred.borrow_mut();
        let Some(request) = deferred.open(sequence) else {
            return Poll::Ready(Err(StreamError::Cancelled));
        };
        let has_room = self.has_room();
        if request.window > 0 && has_room {
            return Poll::Ready(Ok(()));
        }
        request.waker = Some(cx.waker().clone());
        if !has_room {
            self.wants_room.set(true);
        }
        Poll::Pending
    }

    /// Sends a part, for which there is room.
    pub(crate) fn send_part(
        &self,
        sequence: u64,
        message: &(impl Encode + ?Sized),
    ) -> Result<(), StreamError> {
        let id = {
            let mut deferred = self.deferred.borrow_mut();
            let request = deferred.open(sequence).ok_or(StreamError::Cancelled)?;
            request.window -= 1;
            request.id
        };
        self.put(Kind::Part, id, message)
            .map_err(|TooLarge| StreamError::TooLarge)?;
        self.link.signal.raise();
        Ok(())
    }

    /// Whether more can be put behind what is to be sent: a peer that does not read makes nothing grow.
    fn has_room(&self) -> bool {
        !self.link.outbox.borrow().is_heavy() && !self.link.is_holding()
    }

    fn wake_all(&self, mut is_meant: impl FnMut(&mut DeferredRequest) -> bool) {
        let mut wakers: SmallVec<[Waker; 4]> = SmallVec::new();
        for request in &mut self.deferred.borrow_mut().requests {
            if is_meant(request) {
                wakers.extend(request.waker.take());
            }
        }
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl Deferred {
    fn index(&self, sequence: u64) -> Option<usize> {
        self.requests
            .binary_search_by_key(&sequence, |request| request.sequence)
            .ok()
    }

    /// The request if an answer to it is of use.
    fn open(&mut self, sequence: u64) -> Option<&mut DeferredRequest> {
        let index = self.index(sequence).filter(|_| !self.ended)?;
        Some(&mut self.requests[index]).filter(|request| !request.cancelled)
    }
}
