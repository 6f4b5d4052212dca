//! What takes the answers to a batch of requests.

use std::cell::Cell;
use std::num::NonZeroU8;
use std::rc::Rc;

use crake_mem::Sga;
use crake_wire::Encode;

use crate::answers::Answers;
use crate::responder::{Responder, StreamResponder};
use crate::service::{BATCH_MAX, Request};
use crate::status::Status;

/// Takes the answers to a batch of requests.
pub struct Replies<'a> {
    answers: &'a Rc<Answers>,
    /// Bit i: request i of the batch is answered, or will be by a responder.
    answered: Cell<u64>,
}

const _: () = assert!(BATCH_MAX == u64::BITS as usize);

impl<'a> Replies<'a> {
    pub(crate) fn new(answers: &'a Rc<Answers>) -> Replies<'a> {
        Replies {
            answers,
            answered: Cell::new(0),
        }
    }

    /// Answers with a message. What it has gathered goes out from where it lies, in the place of a payload.
    ///
    /// # Panics
    /// Like the other methods: if the request was answered before.
    #[inline(always)]
    pub fn send(&self, request: &Request<'_>, message: &(impl Encode + ?Sized)) {
        self.mark(request);
        self.answers.send(request.head.id, message);
    }

    /// Answers with a message, all of which is copied, and bytes that go out from where they are. Those of an [`Extent`](crake_mem::Extent) are
    /// read when the transport takes them, which may be after this call.
    pub fn send_with(
        &self,
        request: &Request<'_>,
        message: &(impl Encode + ?Sized),
        payload: impl Into<Sga>,
    ) {
        self.mark(request);
        self.answers.send_with(request.head.id, message, payload.into());
    }

    /// Answers that it was not done. Of `detail`, for people, at most 512 bytes are sent.
    pub fn fail(&self, request: &Request<'_>, status: Status, detail: &str) {
        self.mark(request);
        self.answers.fail(request.head.id, status, detail);
    }

    /// Promises an answer.
    pub fn later(&self, request: &Request<'_>) -> Responder {
        self.mark(request);
        Responder::new(self.answers, request.head.id, None)
    }

    /// Promises an answer in parts. A call that did not ask for one fails with [`Status::BAD_REQUEST`], and what this gives is at
    /// its end.
    pub fn stream(&self, request: &Request<'_>) -> StreamResponder {
        self.mark(request);
        let window = NonZeroU8::new(request.head.window);
        if window.is_none() {
            let detail = "this method answers in parts, and the call asked for one answer";
            self.answers.fail(request.head.id, Status::BAD_REQUEST, detail);
        }
        StreamResponder::new(window.map(|_| Responder::new(self.answers, request.head.id, window)))
    }

    #[inline]
    fn mark(&self, request: &Request<'_>) {
        assert!(!self.is_answered(request), "a request was answered twice");
        self.answered.set(self.answered.get() | 1 << request.index);
    }

    /// Whether the request is answered, or will be by a responder.
    #[inline]
    pub(crate) fn is_answered(&self, request: &Request<'_>) -> bool {
        self.answered.get() >> request.index & 1 == 1
    }

    /// Fails the requests that the service passed over.
    pub(crate) fn complete(self, requests: &[Request<'_>]) {
        if self.answered.get().count_ones() as usize == requests.len() {
            return;
        }
        for request in requests {
            if !self.is_answered(request) {
                let detail = "the service gave no answer";
                self.answers.fail(request.head.id, Status::INTERNAL, detail);
            }
        }
    }
}
