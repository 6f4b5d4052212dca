//! Calls of a typed service, as the caller sees them.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crake_mem::Buf;
use crake_wire::{MessageType, WireError};

use super::{View, must_be_joined, parse, parse_whole};
use crate::call::CallError;
use crate::payload::Payload;
use crate::stream::ReplyStream;

/// A call under way: a future of its answer. Dropped before that, it is cancelled.
#[derive(Debug)]
#[must_use = "a call is cancelled when it is dropped"]
pub struct Call<M> {
    call: crate::Call,
    message: PhantomData<fn() -> M>,
}

/// An answer, or a part of one.
pub struct Reply<M> {
    reply: crate::Reply,
    message: PhantomData<fn() -> M>,
}

/// The parts of an answer, in order. Dropped before the end, the call is cancelled.
#[derive(Debug)]
#[must_use = "the call is cancelled when it is dropped"]
pub struct Stream<M> {
    stream: ReplyStream,
    message: PhantomData<fn() -> M>,
}

impl<M> Call<M> {
    /// A call of a method that answers with this message.
    #[inline]
    pub fn new(call: crate::Call) -> Call<M> {
        Call {
            call,
            message: PhantomData,
        }
    }
}

impl<M: MessageType> Future for Call<M> {
    type Output = Result<Reply<M>, CallError>;

    /// # Panics
    /// If polled after it gave its result.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(Pin::new(&mut self.call).poll(cx))?;
        Poll::Ready(Ok(Reply::new(reply)))
    }
}

impl<M: MessageType> Stream<M> {
    /// A call of a method that answers with any number of this message.
    pub fn new(stream: ReplyStream) -> Stream<M> {
        Stream {
            stream,
            message: PhantomData,
        }
    }

    /// The next part; `None` when there are no more. An error is the last that is given.
    pub async fn next(&mut self) -> Option<Result<Reply<M>, CallError>> {
        let part = self.stream.next().await?;
        Some(part.map(Reply::new))
    }
}

impl<M: MessageType> Reply<M> {
    fn new(mut reply: crate::Reply) -> Reply<M> {
        // Its sender gathers, and this side does not.
        if must_be_joined::<M>(reply.frame()) {
            reply.message = Buf::from_vec(reply.frame().to_vec());
            reply.payload = Payload::None;
        }
        Reply {
            reply,
            message: PhantomData,
        }
    }

    /// The message, where it was received.
    ///
    /// # Errors
    /// When its head is malformed.
    #[inline]
    pub fn view(&self) -> Result<View<'_, M>, WireError> {
        parse::<M>(self.reply.frame()).unwrap_or_else(|| parse_whole::<M>(&self.reply.message))
    }

    /// The bytes.
    #[must_use]
    pub fn into_inner(self) -> crate::Reply {
        self.reply
    }
}

impl<M> fmt::Debug for Reply<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reply.fmt(f)
    }
}
