//! A call whose answer comes in parts, as its caller sees it.

use std::future::poll_fn;
use std::num::NonZeroU8;
use std::task::{Context, Poll};

use crate::call::{Call, CallError, Reply};
use crate::slots::Next;

/// Parts that may be under way if the caller does not say how many.
pub(crate) const WINDOW_DEFAULT: NonZeroU8 = NonZeroU8::new(16).expect("16 is not 0");

/// The parts of an answer, in order, each a message with what it gathered. Dropped before the end, the call is cancelled.
///
/// A caller that takes no parts has the server wait ([`CallOptions::window`](crate::CallOptions::window)).
#[derive(Debug)]
#[must_use = "the call is cancelled when it is dropped"]
pub struct ReplyStream {
    call: Call,
}

impl ReplyStream {
    pub(crate) fn new(call: Call) -> ReplyStream {
        ReplyStream { call }
    }

    /// The next part; `None` when there are no more. What came before an error is given before it, and the error is the
    /// last that is given.
    pub async fn next(&mut self) -> Option<Result<Reply, CallError>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// The same, for futures written by hand.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Reply, CallError>>> {
        self.call.poll_part(cx).map(|next| match next? {
            Next::Part(part, _) => Some(Ok(part)),
            // A service that has one answer gives it as any other: then it is the only part.
            Next::End(Ok(last)) if last.message.is_empty() && last.payload.is_empty() => None,
            Next::End(result) => Some(result),
        })
    }
}
