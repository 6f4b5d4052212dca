//! Answers: at once, or later.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crake_mem::Sga;
use crake_wire::Encode;

use crate::header::{Header, Kind};
use crate::limits::Limits;
use crate::link::Link;
use crate::payload::Payload;
use crate::service::{BATCH_MAX, Head, Request};
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
}

#[derive(Default)]
struct Deferred {
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
}

impl Answers {
    pub(crate) fn new(link: Link, limits: Limits) -> Answers {
        Answers {
            link,
            limits: Cell::new(limits),
            deferred: RefCell::default(),
        }
    }

    /// How many answers are still to be given.
    pub(crate) fn deferred(&self) -> usize {
        self.deferred.borrow().requests.len()
    }

    /// The caller of `id` no longer wants the answer. One that was given already is on its way.
    pub(crate) fn cancel(&self, id: u32) {
        for request in &mut self.deferred.borrow_mut().requests {
            request.cancelled |= request.id == id;
        }
    }

    /// No answer can be sent any more.
    pub(crate) fn end(&self) {
        self.deferred.borrow_mut().ended = true;
    }

    fn defer(&self, id: u32) -> u64 {
        let mut deferred = self.deferred.borrow_mut();
        deferred.sequence += 1;
        let sequence = deferred.sequence;
        deferred.requests.push(DeferredRequest {
            id,
            sequence,
            cancelled: false,
        });
        sequence
    }

    /// Takes a deferred request out; true if its answer can still be sent.
    fn settle(&self, sequence: u64) -> bool {
        let mut deferred = self.deferred.borrow_mut();
        deferred.requests.retain(|request| request.sequence != sequence);
        !deferred.ended
    }

    fn is_cancelled(&self, sequence: u64) -> bool {
        let deferred = self.deferred.borrow();
        let mut requests = deferred.requests.iter();
        deferred.ended || requests.any(|request| request.sequence == sequence && request.cancelled)
    }

    #[inline(always)]
    fn send<M: Encode + ?Sized>(&self, id: u32, message: &M) {
        if M::GATHERS {
            return self.send_gathered(id, message);
        }
        let len = message.encoded_len();
        if len > self.limits.get().message_max as usize {
            return self.fail(id, Status::TOO_LARGE, "the answer is over the limit on messages");
        }
        self.link.count();
        let header = Header::new(Kind::Reply, id, Status::OK.0, len);
        self.link.outbox.borrow_mut().frame(&header, message);
    }

    #[inline(never)]
    fn send_gathered(&self, id: u32, message: &(impl Encode + ?Sized)) {
        let limits = self.limits.get();
        let plan = {
            let mut outbox = self.link.outbox.borrow_mut();
            outbox.plan(message, limits.message_max as usize)
        };
        let len = plan.message_len();
        if len > limits.message_max as usize || plan.gathered_len() > limits.payload_max as usize {
            return self.fail(id, Status::TOO_LARGE, "the answer is over a limit");
        }
        self.link.count();
        let mut header = Header::new(Kind::Reply, id, Status::OK.0, len);
        header.payload_len = plan.gathered_len() as u32;
        self.link.outbox.borrow_mut().gathered(&header, message, plan);
    }

    fn send_with(&self, id: u32, message: &(impl Encode + ?Sized), payload: Sga) {
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
}

/// Takes the answers to a batch of requests.
pub struct Replies<'a> {
    answers: &'a Rc<Answers>,
    /// Bit i: request i of the batch is answered, or will be by a responder.
    answered: u64,
}

const _: () = assert!(BATCH_MAX == u64::BITS as usize);

impl<'a> Replies<'a> {
    pub(crate) fn new(answers: &'a Rc<Answers>) -> Replies<'a> {
        Replies { answers, answered: 0 }
    }

    /// Answers with a message. What it has gathered goes out from where it lies, in the place of a payload.
    ///
    /// # Panics
    /// Like the other methods: if the request was answered before.
    #[inline(always)]
    pub fn send(&mut self, request: &Request<'_>, message: &(impl Encode + ?Sized)) {
        self.mark(request);
        self.answers.send(request.head.id, message);
    }

    /// Answers with a message, all of which is copied, and bytes that go out from where they are. Those of an [`Extent`](crake_mem::Extent) are
    /// read when the transport takes them, which may be after this call.
    pub fn send_with(
        &mut self,
        request: &Request<'_>,
        message: &(impl Encode + ?Sized),
        payload: impl Into<Sga>,
    ) {
        self.mark(request);
        self.answers.send_with(request.head.id, message, payload.into());
    }

    /// Answers that it was not done. Of `detail`, for people, at most 512 bytes are sent.
    pub fn fail(&mut self, request: &Request<'_>, status: Status, detail: &str) {
        self.mark(request);
        self.answers.fail(request.head.id, status, detail);
    }

    /// Promises an answer.
    pub fn later(&mut self, request: &Request<'_>) -> Responder {
        self.mark(request);
        let sequence = self.answers.defer(request.head.id);
        Responder {
            answers: self.answers.clone(),
            id: request.head.id,
            sequence,
            is_settled: false,
        }
    }

    #[inline]
    fn mark(&mut self, request: &Request<'_>) {
        let bit = 1 << request.index;
        assert!(self.answered & bit == 0, "a request was answered twice");
        self.answered |= bit;
    }

    /// Fails the requests that the service passed over.
    pub(crate) fn complete(self, requests: &[Request<'_>]) {
        if self.answered.count_ones() as usize == requests.len() {
            return;
        }
        for request in requests {
            if self.answered >> request.index & 1 == 0 {
                let detail = "the service gave no answer";
                self.answers.fail(request.head.id, Status::INTERNAL, detail);
            }
        }
    }
}

/// Answers one request from any task of the runtime. Dropped without an answer, it fails the call with
/// [`Status::INTERNAL`]. Answers that are given in one turn of the runtime go out together.
#[must_use = "dropping it fails the call"]
pub struct Responder {
    answers: Rc<Answers>,
    id: u32,
    sequence: u64,
    is_settled: bool,
}

impl Responder {
    /// Answers with a message. What it has gathered goes out from where it lies, in the place of a payload.
    pub fn send(self, message: &(impl Encode + ?Sized)) {
        self.settle(|answers, id| answers.send(id, message));
    }

    /// Answers with a message, all of which is copied, and bytes that go out from where they are.
    pub fn send_with(self, message: &(impl Encode + ?Sized), payload: impl Into<Sga>) {
        self.settle(|answers, id| answers.send_with(id, message, payload.into()));
    }

    /// Answers that it was not done.
    pub fn fail(self, status: Status, detail: &str) {
        self.settle(|answers, id| answers.fail(id, status, detail));
    }

    /// Serves the request again, whose message was kept: `serve` answers it, or promises to, as when it arrived. It has no payload any more.
    pub fn serve_again(
        self,
        method: u16,
        message: &[u8],
        serve: impl FnOnce(&Request<'_>, &mut Replies<'_>),
    ) {
        let answers = self.answers.clone();
        let head = Head {
            id: self.id,
            method,
            payload_len: 0,
        };
        self.settle(|_, _| {
            let request = Request {
                head,
                message,
                payload: Payload::None,
                index: 0,
            };
            let mut replies = Replies::new(&answers);
            serve(&request, &mut replies);
            replies.complete(&[request]);
        });
    }

    /// Whether nobody waits for the answer any more: the caller cancelled, or its connection is gone. An answer is
    /// allowed, and useless.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.answers.is_cancelled(self.sequence)
    }

    fn settle(mut self, answer: impl FnOnce(&Answers, u32)) {
        self.is_settled = true;
        if self.answers.settle(self.sequence) {
            answer(&self.answers, self.id);
            self.answers.link.signal.raise();
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        if !self.is_settled && self.answers.settle(self.sequence) {
            let detail = "the service dropped the request";
            self.answers.fail(self.id, Status::INTERNAL, detail);
            self.answers.link.signal.raise();
        }
    }
}

impl std::fmt::Debug for Responder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Responder").field("id", &self.id).finish()
    }
}
