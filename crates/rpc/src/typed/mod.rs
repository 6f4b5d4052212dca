//! Services and calls with messages instead of bytes: what the code stands on that `crake-wire-gen` writes for a `service` of a
//! .proto file (`Config::services`).
//!
//! For each service it writes a trait with a function for each method, which a server implements, and a client with the same
//! functions. This is what they take and give. `docs/services.md` is the guide.
//!
//! A method gets its request as a view, where it was received, and something to answer with, which it must use: an
//! [`Outcome`] without an error is only had by answering or by promising to. A method whose reply is a `stream` answers in
//! parts.
//!
//! Messages are parsed before a method sees them, their fields when it reads them; an error of either fails the call with
//! [`Status::BAD_REQUEST`](crate::Status::BAD_REQUEST) by `?`.

mod client;
mod server;

use crake_wire::{Frame, Gathered, MessageType, View as _, WireError};

pub use client::{Call, Reply, Stream};
pub use server::{Answer, Answered, Failure, Incoming, Outcome, Parts, Permit, Responder, StreamResponder};

/// What a message is read as.
pub type View<'a, M> = <M as MessageType>::View<'a>;

/// What it lies in then.
type FrameOf<'a, M> = <View<'a, M> as crake_wire::View<'a>>::Frame;

/// Whether what came beside a message has to be joined to it before it can be read.
fn must_be_joined<M: MessageType>(frame: Gathered<'_>) -> bool {
    FrameOf::<M>::received(frame).is_none()
}

/// The view of a message as it was received; `None` if what came beside it has to be joined to it first.
fn parse<M: MessageType>(frame: Gathered<'_>) -> Option<Result<View<'_, M>, WireError>> {
    FrameOf::<M>::received(frame).map(View::<M>::parse)
}

/// The same of a message that lies in one piece.
fn parse_whole<M: MessageType>(message: &[u8]) -> Result<View<'_, M>, WireError> {
    View::<M>::parse(FrameOf::<M>::whole(message))
}
