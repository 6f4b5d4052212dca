//! What can be wrong with the bytes of a message.

use thiserror::Error;

/// The bytes do not hold the message that the reader asked for.
///
/// It is always the writer of the message who is at fault, and a reader that trusts its peer less after one of these
/// is right: no encoder of this project writes such bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// The bitmap, or the slots that it announces, pass the end of their message.
    #[error("a message ends before its last slot")]
    Truncated,
    /// A string, bytes, message or list lies, in part or whole, beyond the end of the frame.
    #[error("a field points beyond the end of the frame")]
    OutOfFrame,
    /// A fixed message has another number of bytes than its type; the writer's schema is another one.
    #[error("a fixed message is not of the size of its type")]
    WrongSize,
    /// A bool is neither 0 nor 1.
    #[error("a bool is neither 0 nor 1")]
    NotBool,
    /// An enum has a value that the reader's schema does not know; the writer's schema may be newer.
    #[error("{0} is not a value of this enum")]
    UnknownEnum(i32),
    /// In a message that can contain itself, something lies outside of the message that points at it, or over something
    /// else.
    #[error("what a message points at lies outside of it, or over something else")]
    NotNested,
    /// Messages lie within each other more than [`NESTING_MAX`](crate::NESTING_MAX) levels deep.
    #[error("messages lie within each other too deep")]
    TooDeep,
    /// A string is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
}
