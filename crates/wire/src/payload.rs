//! What a `bytes` or `string` field holds where it need not lie in the message: bytes that are copied when the message is
//! written, or sent and read where they are.

use std::borrow::Cow;
use std::{fmt, slice};

use crake_mem::{Buf, Sga};

use crate::WireError;
use crate::reader::utf8;

/// The bytes of a field, wherever they lie. As what is written and as what is read it is the same, so that a field which
/// was received can be sent on without being touched.
///
/// What borrows a slice is copied into the message. What borrows a [`Buf`] may be *gathered* instead: the message only
/// points at it, and it goes out from where it is, if it is large enough for that ([`Limits`](crate::Limits)).
///
/// ```
/// use crake_mem::Buf;
/// use crake_wire::Payload;
///
/// let copied = Payload::from(b"small");
/// let image = Buf::from_vec(vec![7; 4096]);
/// let pointed_at = Payload::from(&image);
/// let first_half = Payload::part(&image, 0..2048);
/// assert_eq!((copied.len(), pointed_at.len(), first_half.len()), (5, 4096, 2048));
/// assert_eq!(first_half.as_slice(), Some(&image[..2048]));
/// ```
#[derive(Clone, Copy)]
pub struct Payload<'a>(Place<'a>);

#[derive(Clone, Copy)]
enum Place<'a> {
    /// Memory that nobody counts.
    Slice(&'a [u8]),
    /// A part of a buffer.
    Held { bytes: &'a [u8], by: &'a Buf },
    /// `len` bytes in more than one buffer: from `skip` of the first to somewhere in another one.
    Spread {
        bufs: &'a [Buf],
        skip: usize,
        len: usize,
    },
}

impl<'a> Payload<'a> {
    /// A part of a buffer.
    ///
    /// # Panics
    ///
    /// If the range is not within the buffer.
    #[must_use]
    pub fn part(buf: &'a Buf, range: std::ops::Range<usize>) -> Self {
        Self(Place::Held {
            bytes: &buf[range],
            by: buf,
        })
    }

    /// `len` bytes of the `held` that `bufs` hold one after the other, from `skip` on; none if they are not so many.
    // Apart, so that what lies in the message is read without it.
    #[inline(never)]
    pub(crate) fn within(mut bufs: &'a [Buf], held: usize, mut skip: usize, len: usize) -> Option<Self> {
        if skip.checked_add(len).is_none_or(|end| end > held) {
            return None;
        }
        while let [first, rest @ ..] = bufs
            && skip >= first.len()
        {
            skip -= first.len();
            bufs = rest;
        }
        let first = bufs.first()?;
        if let Some(bytes) = first[skip..].get(..len) {
            return Some(Self(Place::Held { bytes, by: first }));
        }
        Some(Self(Place::Spread { bufs, skip, len }))
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        match self.0 {
            Place::Slice(bytes) | Place::Held { bytes, .. } => bytes.len(),
            Place::Spread { len, .. } => len,
        }
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes, if they lie in one piece. What was received lies in several only where it was longer than a receive buffer.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> Option<&'a [u8]> {
        match self.0 {
            Place::Slice(bytes) | Place::Held { bytes, .. } => Some(bytes),
            Place::Spread { .. } => None,
        }
    }

    /// The bytes in one piece: copied only where they lie in several.
    #[must_use]
    pub fn to_slice(&self) -> Cow<'a, [u8]> {
        self.as_slice()
            .map_or_else(|| Cow::Owned(self.to_vec()), Cow::Borrowed)
    }

    /// The pieces, in order.
    #[must_use]
    pub fn pieces(&self) -> Pieces<'a> {
        match self.0 {
            Place::Slice(bytes) | Place::Held { bytes, .. } => Pieces {
                first: bytes,
                more: [].iter(),
                left: bytes.len(),
            },
            Place::Spread { bufs, skip, len } => Pieces {
                first: &bufs[0][skip..],
                more: bufs[1..].iter(),
                left: len,
            },
        }
    }

    /// A copy of the bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            bytes.extend_from_slice(piece);
        }
        bytes
    }

    /// Copies the bytes.
    ///
    /// # Panics
    ///
    /// If `out` has another length.
    #[inline]
    pub fn copy_to(&self, out: &mut [u8]) {
        assert_eq!(out.len(), self.len(), "the target has the payload's length");
        if let Some(bytes) = self.as_slice() {
            return crake_mem::copy_slice(bytes, out);
        }
        let mut rest = out;
        for piece in self.pieces() {
            let (place, after) = rest.split_at_mut(piece.len());
            crake_mem::copy_slice(piece, place);
            rest = after;
        }
    }

    /// The bytes for as long as somebody wants them: what lies in buffers stays there and is counted, what borrows a slice
    /// is copied.
    #[must_use]
    pub fn to_sga(&self) -> Sga {
        let mut list = Sga::new();
        self.push_to(&mut list);
        list
    }

    pub(crate) fn push_to(&self, list: &mut Sga) {
        match self.0 {
            Place::Slice(bytes) => list.push(Buf::copy_from_slice(bytes)),
            Place::Held { bytes, by } => {
                let start = bytes.as_ptr().addr() - by.as_ptr().addr();
                list.push(by.slice(start..start + bytes.len()));
            }
            Place::Spread { bufs, skip, len } => {
                let (mut start, mut left) = (skip, len);
                for buf in &bufs[..counted(bufs, skip + len)] {
                    let taken = left.min(buf.len() - start);
                    list.push(buf.slice(start..start + taken));
                    (start, left) = (0, left - taken);
                }
            }
        }
    }

    /// In how many counted pieces it lies; none if nobody counts it.
    #[inline]
    pub(crate) fn counted_pieces(&self) -> usize {
        match self.0 {
            Place::Slice(_) => 0,
            Place::Held { .. } => 1,
            Place::Spread { bufs, skip, len } => counted(bufs, skip + len),
        }
    }
}

/// In how many of the buffers their first `len` bytes lie.
fn counted(bufs: &[Buf], len: usize) -> usize {
    let mut missing = len;
    let lies_on = bufs.iter().take_while(|buf| {
        let is_missing = missing > 0;
        missing = missing.saturating_sub(buf.len());
        is_missing
    });
    lies_on.count()
}

/// See [`Payload::pieces`].
#[derive(Clone, Debug)]
pub struct Pieces<'a> {
    first: &'a [u8],
    more: slice::Iter<'a, Buf>,
    left: usize,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let piece = &self.first[..self.first.len().min(self.left)];
        self.left -= piece.len();
        match self.more.next() {
            Some(buf) => self.first = buf,
            None => self.left = 0,
        }
        Some(piece)
    }
}

impl Default for Payload<'_> {
    #[inline]
    fn default() -> Self {
        Self(Place::Slice(&[]))
    }
}

impl<'a> From<&'a [u8]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8]) -> Self {
        Self(Place::Slice(bytes))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a [u8; N]) -> Self {
        Self(Place::Slice(bytes))
    }
}

impl<'a> From<&'a Vec<u8>> for Payload<'a> {
    #[inline]
    fn from(bytes: &'a Vec<u8>) -> Self {
        Self(Place::Slice(bytes))
    }
}

impl<'a> From<&'a Buf> for Payload<'a> {
    #[inline]
    fn from(buf: &'a Buf) -> Self {
        Self(Place::Held { bytes: buf, by: buf })
    }
}

/// Equal bytes, wherever they lie.
impl PartialEq for Payload<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self.as_slice(), other.as_slice()) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => self.len() == other.len() && self.pieces().flatten().eq(other.pieces().flatten()),
        }
    }
}

impl Eq for Payload<'_> {}

impl PartialEq<[u8]> for Payload<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        *self == Payload::from(other)
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.pieces().flatten()).finish()
    }
}

/// The bytes of a string field, wherever they lie: UTF-8 if the peer is right, which is looked at where they are read as such.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Text<'a>(Payload<'a>);

impl<'a> Text<'a> {
    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text in one piece: copied only where it lies in several.
    ///
    /// # Errors
    ///
    /// [`WireError::NotUtf8`].
    #[inline]
    pub fn to_str(&self) -> Result<Cow<'a, str>, WireError> {
        match self.0.as_slice() {
            Some(bytes) => utf8(bytes).map(Cow::Borrowed),
            None => self.joined().map(Cow::Owned),
        }
    }

    #[cold]
    fn joined(&self) -> Result<String, WireError> {
        String::from_utf8(self.0.to_vec()).map_err(|_| WireError::NotUtf8)
    }

    /// The bytes, which may not be UTF-8.
    #[inline]
    #[must_use]
    pub fn as_payload(&self) -> Payload<'a> {
        self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    #[inline]
    fn from(text: &'a str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl<'a> From<&'a String> for Text<'a> {
    #[inline]
    fn from(text: &'a String) -> Self {
        Self(text.as_bytes().into())
    }
}

/// Of what should be UTF-8: it is not looked at here.
impl<'a> From<Payload<'a>> for Text<'a> {
    #[inline]
    fn from(bytes: Payload<'a>) -> Self {
        Self(bytes)
    }
}

/// Of what should be UTF-8: it is not looked at here.
impl<'a> From<&'a Buf> for Text<'a> {
    #[inline]
    fn from(buf: &'a Buf) -> Self {
        Self(buf.into())
    }
}

impl<'a> From<Text<'a>> for Payload<'a> {
    #[inline]
    fn from(text: Text<'a>) -> Self {
        text.0
    }
}

impl PartialEq<str> for Text<'_> {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other.as_bytes()
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&String::from_utf8_lossy(&self.0.to_slice()), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bufs() -> Vec<Buf> {
        [&b"abc"[..], b"", b"defg", b"h"]
            .into_iter()
            .map(Buf::copy_from_slice)
            .collect()
    }

    #[test]
    fn every_range_of_several_buffers_is_found_and_no_other() {
        let (bufs, whole) = (bufs(), b"abcdefgh");
        for skip in 0..=9 {
            for len in 1..=9 {
                let found = Payload::within(&bufs, 8, skip, len);
                let expected = whole.get(skip..).and_then(|rest| rest.get(..len));
                assert_eq!(
                    found.map(|payload| payload.to_vec()).as_deref(),
                    expected,
                    "{skip} {len}"
                );
                let Some(payload) = found else { continue };
                assert_eq!(payload.len(), len);
                assert_eq!(payload.to_sga().concat(), payload.to_vec());
                assert_eq!(
                    Some(payload.to_sga().segments().len()),
                    Some(payload.pieces().filter(|piece| !piece.is_empty()).count())
                );
                assert_eq!(payload, Payload::from(&whole[skip..skip + len]));
                let mut out = vec![0; len];
                payload.copy_to(&mut out);
                assert_eq!(out, payload.to_vec());
            }
        }
    }

    #[test]
    fn buffers_that_hold_less_than_was_said_are_read_to_their_end() {
        let payload = Payload::within(&bufs(), 20, 1, 19).map(|payload| payload.to_vec());
        assert_eq!(payload.as_deref(), Some(&b"bcdefgh"[..]));
        assert!(Payload::within(&bufs(), 20, 9, 1).is_none());
    }

    #[test]
    fn what_lies_in_a_buffer_is_passed_on_without_a_copy() {
        let buf = Buf::copy_from_slice(b"0123456789");
        let list = Payload::part(&buf, 2..5).to_sga();
        assert_eq!(list.segments()[0].as_ptr(), buf[2..].as_ptr());
        assert_eq!(list.concat(), b"234");
    }

    #[test]
    fn a_text_is_looked_at_when_it_is_read() {
        let bufs = ["gr", "ü", "n"].map(|piece| Buf::copy_from_slice(piece.as_bytes()));
        let text = Text::from(Payload::within(&bufs, 5, 0, 5).unwrap());
        assert_eq!(text.to_str(), Ok(Cow::Borrowed("grün")));
        assert_eq!(text, *"grün");
        let cut = Text::from(Payload::within(&bufs, 5, 0, 3).unwrap());
        assert_eq!(cut.to_str(), Err(WireError::NotUtf8));
        assert_eq!(
            Text::from(Payload::from(&[0xff])).to_str(),
            Err(WireError::NotUtf8)
        );
    }
}
