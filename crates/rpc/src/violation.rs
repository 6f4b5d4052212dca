//! What a peer did that the protocol does not allow.

use std::fmt;

/// A broken rule of the frame format, the handshake or the limits. Its number is the reason code of the `refuse` or
/// `goodbye` frame that tells the peer; the connection ends with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Violation {
    /// The first frame does not begin with this protocol's magic.
    WrongMagic = 1,
    /// No version is spoken by both sides.
    UnknownVersion = 2,
    /// The handshake's body is shorter than its fields, or holds limits that nobody can keep.
    MalformedHandshake = 3,
    /// The peer did not finish its handshake in time.
    HandshakeTimeout = 4,
    /// A frame kind that is not in the format.
    UnknownKind = 5,
    /// A window on a frame that has none.
    UnexpectedWindow = 6,
    /// A frame that this side of a connection may not send, or not now.
    UnexpectedFrame = 7,
    /// A payload on a frame that has none.
    UnexpectedPayload = 8,
    /// A message over the negotiated limit.
    MessageTooLong = 9,
    /// A payload over the negotiated limit, or longer than the place that the caller gave for it.
    PayloadTooLong = 10,
    /// More requests outstanding than credits.
    CreditsExceeded = 11,
    /// An answer to a call that is not outstanding.
    UnknownReply = 12,
    /// A part of an answer that the caller did not grant.
    UngrantedPart = 13,
}

impl Violation {
    pub(crate) const fn number(self) -> u16 {
        self as u16
    }

    /// The rule, in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Violation::WrongMagic => "this is not the Crake RPC protocol",
            Violation::UnknownVersion => "no common protocol version",
            Violation::MalformedHandshake => "malformed handshake",
            Violation::HandshakeTimeout => "the handshake took too long",
            Violation::UnknownKind => "unknown frame kind",
            Violation::UnexpectedWindow => "a window on a frame that has none",
            Violation::UnexpectedFrame => "unexpected frame",
            Violation::UnexpectedPayload => "a payload on a frame that has none",
            Violation::MessageTooLong => "a message over the limit",
            Violation::PayloadTooLong => "a payload over the limit",
            Violation::CreditsExceeded => "more requests outstanding than credits",
            Violation::UnknownReply => "an answer to a call that is not outstanding",
            Violation::UngrantedPart => "a part of an answer that was not granted",
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// Why a side ends a connection: the code of its `refuse` or `goodbye` frame, with a text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Below 100 the number of a [`Violation`], else one of the constants here.
    pub code: u16,
    /// For people; at most [`Reason::TEXT_MAX`] bytes cross the wire.
    pub text: String,
}

impl Reason {
    /// The side goes away in good order.
    pub const SHUTTING_DOWN: u16 = 100;
    /// The server holds as many connections as it may.
    pub const TOO_MANY_CONNECTIONS: u16 = 101;
    /// The service does not want this client.
    pub const NOT_WELCOME: u16 = 102;

    /// Longest text that is sent, in bytes; a longer one is cut.
    pub const TEXT_MAX: usize = 512;

    pub(crate) fn new(code: u16, text: impl Into<String>) -> Reason {
        Reason {
            code,
            text: text.into(),
        }
    }

    /// What the peer said, read from its frame: bytes that are not UTF-8 are shown as replacement characters.
    pub(crate) fn received(code: u16, text: &[u8]) -> Reason {
        let text = &text[..text.len().min(Reason::TEXT_MAX)];
        Reason::new(code, String::from_utf8_lossy(text))
    }

    /// The text as it is sent.
    pub(crate) fn text_bytes(&self) -> &[u8] {
        cut_text(&self.text, Reason::TEXT_MAX).as_bytes()
    }
}

impl From<Violation> for Reason {
    fn from(violation: Violation) -> Reason {
        Reason::new(violation.number(), violation.text())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.text, self.code)
    }
}

/// The longest prefix of `text` that has at most `bytes_max` bytes and ends between two characters.
pub(crate) fn cut_text(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut_text("añb", 2), "a");
        assert_eq!(cut_text("añb", 3), "añ");
        assert_eq!(cut_text("añb", 9), "añb");
    }

    #[test]
    fn a_reason_that_is_not_text_is_still_shown() {
        let reason = Reason::received(7, b"\xffno");
        assert_eq!(reason.to_string(), "\u{fffd}no (code 7)");
        assert_eq!(Reason::received(7, &[b'x'; 2000]).text.len(), 512);
    }
}
