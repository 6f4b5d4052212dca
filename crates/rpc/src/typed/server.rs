//! The methods of a typed service, as who serves them sees it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use crake_wire::{MessageType, WireError};

use super::{View, parse, parse_whole};
use crate::replies::Replies;
use crate::responder::StreamError;
use crate::service::{Peer, Request};
use crate::status::Status;

/// What a method gives back: that it has answered or will, or why the call fails.
pub type Outcome = Result<Answered, Failure>;

/// A request was answered, or will be.
#[derive(Debug)]
#[must_use = "a method gives it back"]
pub struct Answered(());

/// Why a call fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// For the caller's program.
    pub status: Status,
    /// For people; at most 512 bytes of it are sent.
    pub detail: Cow<'static, str>,
}

impl Failure {
    /// With this status and text.
    pub fn new(status: Status, detail: impl Into<Cow<'static, str>>) -> Failure {
        Failure {
            status,
            detail: detail.into(),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Failure {
        Failure::new(status, "")
    }
}

/// What cannot be read of a request is its caller's fault.
impl From<WireError> for Failure {
    #[cold]
    fn from(error: WireError) -> Failure {
        Failure::new(Status::BAD_REQUEST, error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.detail {
            "" => self.status.fmt(f),
            detail => write!(f, "{}: {detail}", self.status),
        }
    }
}

impl std::error::Error for Failure {}

/// A request on its way to its method: for the code that `crake-wire-gen` writes.
#[derive(Clone, Copy)]
pub struct Incoming<'a> {
    peer: &'a Peer,
    request: &'a Request<'a>,
    replies: &'a Replies<'a>,
}

impl<'a> Incoming<'a> {
    /// A request that is not answered yet.
    #[inline]
    pub fn new(peer: &'a Peer, request: &'a Request<'a>, replies: &'a Replies<'a>) -> Incoming<'a> {
        Incoming {
            peer,
            request,
            replies,
        }
    }

    /// Runs a method that answers with one message.
    #[inline]
    pub fn answer<Q: MessageType, R: MessageType>(
        self,
        method: impl FnOnce(View<'_, Q>, Answer<'_, R>) -> Outcome,
    ) {
        let answer = Answer {
            incoming: self,
            message: PhantomData,
        };
        self.run::<Q>(|request| method(request, answer));
    }

    /// Runs a method that answers with any number of messages.
    #[inline]
    pub fn stream<Q: MessageType, R: MessageType>(
        self,
        method: impl FnOnce(View<'_, Q>, Parts<'_, R>) -> Outcome,
    ) {
        let parts = Parts {
            incoming: self,
            message: PhantomData,
        };
        self.run::<Q>(|request| method(request, parts));
    }

    /// Fails the call: there is no such method.
    #[cold]
    pub fn unknown(self) {
        self.replies.fail(self.request, Status::UNKNOWN_METHOD, "");
    }

    #[inline]
    fn run<Q: MessageType>(self, method: impl FnOnce(View<'_, Q>) -> Outcome) {
        let frame = self.request.frame();
        let outcome = match parse::<Q>(frame) {
            Some(request) => request.map_err(Failure::from).and_then(method),
            // Its sender gathers, and this side does not.
            None => {
                let joined = frame.to_vec();
                parse_whole::<Q>(&joined).map_err(Failure::from).and_then(method)
            }
        };
        if let Err(failure) = outcome {
            self.fail(&failure);
        }
    }

    #[cold]
    fn fail(self, failure: &Failure) {
        // A method may answer and then find an error, which its caller need not be told.
        if !self.replies.is_answered(self.request) {
            self.replies.fail(self.request, failure.status, &failure.detail);
        }
    }
}

/// Takes the answer of a method.
#[must_use = "a request has to be answered"]
pub struct Answer<'a, M> {
    incoming: Incoming<'a>,
    message: PhantomData<fn(M)>,
}

impl<M: MessageType> Answer<'_, M> {
    /// Answers with this message. What it has gathered goes out from where it lies. Never an error: so it can be the last
    /// line of a method.
    #[inline]
    pub fn send(self, message: &M::Value<'_>) -> Outcome {
        self.incoming.replies.send(self.incoming.request, message);
        Ok(Answered(()))
    }

    /// Promises an answer, from any task of the runtime.
    pub fn later(self) -> (Responder<M>, Answered) {
        let responder = Responder {
            responder: self.incoming.replies.later(self.incoming.request),
            message: PhantomData,
        };
        (responder, Answered(()))
    }

    /// Who asks.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.incoming.peer
    }
}

/// Takes the answer of a method that is any number of messages.
#[must_use = "a request has to be answered"]
pub struct Parts<'a, M> {
    incoming: Incoming<'a>,
    message: PhantomData<fn(M)>,
}

impl<M: MessageType> Parts<'_, M> {
    /// Opens the stream, to be filled by any task of the runtime.
    pub fn open(self) -> (StreamResponder<M>, Answered) {
        let stream = StreamResponder {
            stream: self.incoming.replies.stream(self.incoming.request),
            message: PhantomData,
        };
        (stream, Answered(()))
    }

    /// Who asks.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        self.incoming.peer
    }
}

/// Answers one request from any task of the runtime. Dropped without an answer, it fails the call.
#[must_use = "dropping it fails the call"]
#[derive(Debug)]
pub struct Responder<M> {
    responder: crate::Responder,
    message: PhantomData<fn(M)>,
}

impl<M: MessageType> Responder<M> {
    /// Answers with this message.
    pub fn send(self, message: &M::Value<'_>) {
        self.responder.send(message);
    }

    /// Answers that it was not done.
    pub fn fail(self, failure: impl Into<Failure>) {
        let failure = failure.into();
        self.responder.fail(failure.status, &failure.detail);
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.responder.is_cancelled()
    }
}

/// Answers one request in parts, from any task of the runtime. Dropped before its end, it fails the call behind the parts that
/// were sent.
#[must_use = "dropping it fails the call"]
#[derive(Debug)]
pub struct StreamResponder<M> {
    stream: crate::StreamResponder,
    message: PhantomData<fn(M)>,
}

impl<M: MessageType> StreamResponder<M> {
    /// Sends a part when there is room for it, and the caller wants it.
    ///
    /// # Errors
    /// When the stream is over: see [`StreamError`].
    pub async fn send(&mut self, message: &M::Value<'_>) -> Result<(), StreamError> {
        self.stream.send(message).await
    }

    /// Waits for room for a part, which can then be made and sent without waiting.
    ///
    /// # Errors
    /// When the stream is over.
    pub async fn reserve(&mut self) -> Result<Permit<'_, M>, StreamError> {
        Ok(Permit {
            permit: self.stream.reserve().await?,
            message: PhantomData,
        })
    }

    /// Tells the caller that all parts were sent.
    pub fn end(self) {
        self.stream.end();
    }

    /// Tells the caller that there are no more parts, and why.
    pub fn fail(self, failure: impl Into<Failure>) {
        let failure = failure.into();
        self.stream.fail(failure.status, &failure.detail);
    }

    /// Whether nobody waits for more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stream.is_cancelled()
    }
}

/// Room for a part of an answer.
#[derive(Debug)]
pub struct Permit<'a, M> {
    permit: crate::Permit<'a>,
    message: PhantomData<fn(M)>,
}

impl<M: MessageType> Permit<'_, M> {
    /// Sends the part.
    ///
    /// # Errors
    /// When it is over the connection's limits, and when the stream ended meanwhile.
    pub fn send(self, message: &M::Value<'_>) -> Result<(), StreamError> {
        self.permit.send(message)
    }
}
