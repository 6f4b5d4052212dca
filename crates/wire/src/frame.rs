//! Where a received message lies: in one piece, or with what was gathered beside it.

use std::fmt::Debug;

use crake_mem::Buf;

use crate::reader::{pointed, size_and_offset, utf8};
use crate::{Element, InEntry, Key, Payload, Text, WireError};

/// A message and what it points at, and so what its fields read as.
pub trait Frame<'a>: Copy + Debug + 'a {
    /// What a `bytes` field reads as.
    type Bytes: Element<'a, Self, Raw = [u8; 8], Item = Result<Self::Bytes, WireError>>
        + InEntry<'a, Self>
        + Copy
        + Debug;
    /// What a `string` field reads as.
    type Text: Element<'a, Self, Raw = [u8; 8], Item = Result<Self::Text, WireError>>
        + Key<'a, Self, Sought = str>
        + Copy
        + Debug;

    /// A message with nothing beside it.
    fn whole(message: &'a [u8]) -> Self;

    /// A message with what was received beside it; `None` if that has to be joined to it first.
    fn received(frame: Gathered<'a>) -> Option<Self>;

    /// Whether what lies so many bytes behind the message's beginning is not in its first piece, and need not be.
    fn is_beside(self, offset: usize) -> bool;

    /// The piece that the message begins with: all of its heads and lists lie there.
    fn head(self) -> &'a [u8];

    /// The bytes that a slot tells of.
    ///
    /// # Errors
    ///
    /// [`WireError::OutOfFrame`].
    fn bytes(self, pointer: u64) -> Result<Self::Bytes, WireError>;

    /// The string that a slot tells of.
    ///
    /// # Errors
    ///
    /// [`WireError::OutOfFrame`]; [`WireError::NotUtf8`] where that is looked at here.
    fn text(self, pointer: u64) -> Result<Self::Text, WireError>;
}

/// All in one piece.
impl<'a> Frame<'a> for &'a [u8] {
    type Bytes = &'a [u8];
    type Text = &'a str;

    #[inline]
    fn whole(message: &'a [u8]) -> Self {
        message
    }

    #[inline]
    fn received(frame: Gathered<'a>) -> Option<Self> {
        frame.beside.is_empty().then_some(frame.message)
    }

    #[inline]
    fn is_beside(self, _: usize) -> bool {
        false
    }

    #[inline]
    fn head(self) -> &'a [u8] {
        self
    }

    #[inline]
    fn bytes(self, pointer: u64) -> Result<&'a [u8], WireError> {
        pointed(self, pointer)
    }

    #[inline]
    fn text(self, pointer: u64) -> Result<&'a str, WireError> {
        utf8(pointed(self, pointer)?)
    }
}

/// A message in one piece, and behind it what was gathered, in as many buffers as it came in.
///
/// A field lies wholly in the message or wholly behind it: where a buffer behind it ends means nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gathered<'a> {
    message: &'a [u8],
    beside: &'a [Buf],
    /// Bytes in `beside`.
    beside_len: usize,
}

impl<'a> Gathered<'a> {
    /// The message, and what goes on where it ends.
    #[inline]
    #[must_use]
    pub fn new(message: &'a [u8], beside: &'a [Buf]) -> Self {
        Self::with_len(message, beside, beside.iter().map(|buf| buf.len()).sum())
    }

    /// The same where it is known how many bytes the buffers hold, as it is where they were received: nothing has to be
    /// counted, however many there are. Of a wrong number fields that lie in several buffers are read shorter than they say.
    #[inline]
    #[must_use]
    pub fn with_len(message: &'a [u8], beside: &'a [Buf], beside_len: usize) -> Self {
        debug_assert_eq!(beside_len, beside.iter().map(|buf| buf.len()).sum::<usize>());
        Self {
            message,
            beside,
            beside_len,
        }
    }

    /// A copy of all of it in one piece.
    #[must_use]
    pub fn to_vec(self) -> Vec<u8> {
        let mut joined = self.message.to_vec();
        for buf in self.beside {
            joined.extend_from_slice(buf);
        }
        joined
    }
}

impl<'a> From<&'a [u8]> for Gathered<'a> {
    #[inline]
    fn from(message: &'a [u8]) -> Self {
        Self::new(message, &[])
    }
}

impl<'a> Frame<'a> for Gathered<'a> {
    type Bytes = Payload<'a>;
    type Text = Text<'a>;

    #[inline]
    fn whole(message: &'a [u8]) -> Self {
        message.into()
    }

    #[inline]
    fn received(frame: Gathered<'a>) -> Option<Self> {
        Some(frame)
    }

    #[inline]
    fn is_beside(self, offset: usize) -> bool {
        offset >= self.message.len()
    }

    #[inline]
    fn head(self) -> &'a [u8] {
        self.message
    }

    #[inline]
    fn bytes(self, pointer: u64) -> Result<Payload<'a>, WireError> {
        let (size, offset) = size_and_offset(pointer);
        if !self.is_beside(offset) || size == 0 {
            return pointed(self.message, pointer).map(Payload::from);
        }
        let skip = offset - self.message.len();
        Payload::within(self.beside, self.beside_len, skip, size).ok_or(WireError::OutOfFrame)
    }

    #[inline]
    fn text(self, pointer: u64) -> Result<Text<'a>, WireError> {
        self.bytes(pointer).map(Text::from)
    }
}
