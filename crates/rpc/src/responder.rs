//! Answers that come later, from any task of the runtime: whole, or in parts.

use std::future::poll_fn;
use std::num::NonZeroU8;
use std::rc::Rc;
use std::task::{Context, Poll};

use crake_mem::Sga;
use crake_wire::Encode;

use crate::answers::Answers;
use crate::payload::Payload;
use crate::replies::Replies;
use crate::service::{Head, Request};
use crate::status::Status;

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
    pub(crate) fn new(answers: &Rc<Answers>, id: u32, window: Option<NonZeroU8>) -> Responder {
        Responder {
            sequence: answers.defer(id, window),
            answers: answers.clone(),
            id,
            is_settled: false,
        }
    }

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
            window: 0,
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

/// Answers one request in parts, from any task of the runtime: as many as the caller takes, each when there is room for it.
/// Dropped before [`end`](StreamResponder::end), it fails the call with [`Status::INTERNAL`] behind the parts that were sent.
#[must_use = "dropping it fails the call"]
#[derive(Debug)]
pub struct StreamResponder {
    /// Until the stream is over.
    responder: Option<Responder>,
}

/// Why no part can be sent any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// The caller no longer wants it, or its connection is over: there is nothing left to be done.
    #[error("nobody waits for the rest of the stream")]
    Cancelled,
    /// The message is over the connection's limits. The call has failed with [`Status::TOO_LARGE`].
    #[error("a part of the stream is over the connection's limits")]
    TooLarge,
}

impl StreamResponder {
    pub(crate) fn new(responder: Option<Responder>) -> StreamResponder {
        StreamResponder { responder }
    }

    /// Sends a part when there is room for it. What it has gathered goes out from where it lies.
    ///
    /// # Errors
    /// When the stream is over: see [`StreamError`].
    pub async fn send(&mut self, message: &(impl Encode + ?Sized)) -> Result<(), StreamError> {
        self.reserve().await?.send(message)
    }

    /// Waits for room for a part, which can then be made and sent without waiting.
    ///
    /// # Errors
    /// When the stream is over.
    pub async fn reserve(&mut self) -> Result<Permit<'_>, StreamError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        Ok(Permit { stream: self })
    }

    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        match &self.responder {
            Some(responder) => responder.answers.poll_part(responder.sequence, cx),
            None => Poll::Ready(Err(StreamError::Cancelled)),
        }
    }

    /// Tells the caller that all parts were sent.
    pub fn end(mut self) {
        if let Some(responder) = self.responder.take() {
            responder.settle(|answers, id| answers.end_stream(id));
        }
    }

    /// Tells the caller that there are no more parts, and why.
    pub fn fail(mut self, status: Status, detail: &str) {
        if let Some(responder) = self.responder.take() {
            responder.fail(status, detail);
        }
    }

    /// Whether nobody waits for more: the caller cancelled, its connection is gone, or it did not ask for parts.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.responder.as_ref().is_none_or(Responder::is_cancelled)
    }
}

/// Room for a part of an answer.
#[derive(Debug)]
pub struct Permit<'a> {
    stream: &'a mut StreamResponder,
}

impl Permit<'_> {
    /// Sends the part. What it has gathered goes out from where it lies.
    ///
    /// # Errors
    /// When it is over the connection's limits, and when the stream ended meanwhile.
    pub fn send(self, message: &(impl Encode + ?Sized)) -> Result<(), StreamError> {
        let responder = self.stream.responder.as_ref().ok_or(StreamError::Cancelled)?;
        let result = responder.answers.send_part(responder.sequence, message);
        if result == Err(StreamError::TooLarge)
            && let Some(responder) = self.stream.responder.take()
        {
            responder.fail(Status::TOO_LARGE, "a part of the answer is over a limit");
        }
        result
    }
}
