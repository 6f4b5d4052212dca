//! A message as a type, for code over any message.

use crate::{Encode, View};

/// A message, whatever its struct borrows and its view lies in: what code over any message needs, such as that of services.
/// `wire-gen` writes the implementations, for the structs.
pub trait MessageType {
    /// What is written.
    type Value<'a>: Encode;

    /// What it is read as: where it lies in one piece or, if it was compiled with `gathered`, with bytes beside it.
    type View<'a>: View<'a>;
}
