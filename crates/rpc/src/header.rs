//! The 16 bytes at the head of every frame.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::violation::Violation;

/// Length of a header in bytes.
pub(crate) const HEADER_BYTES: usize = size_of::<WireHeader>();

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The client's first frame.
    Hello = 0,
    /// The server's first frame: the client may call.
    Welcome = 1,
    /// The server's only frame: the client may not call.
    Refuse = 2,
    /// A call.
    Request = 3,
    /// The answer to a call.
    Reply = 4,
    /// The caller no longer wants the answer.
    Cancel = 5,
    /// The sender's last frame, with the reason.
    Goodbye = 6,
    /// A part of the answer to a call that asked for a stream.
    Part = 7,
    /// The caller takes more parts.
    Grant = 8,
}

impl Kind {
    const fn from_number(number: u8) -> Option<Kind> {
        Some(match number {
            0 => Kind::Hello,
            1 => Kind::Welcome,
            2 => Kind::Refuse,
            3 => Kind::Request,
            4 => Kind::Reply,
            5 => Kind::Cancel,
            6 => Kind::Goodbye,
            7 => Kind::Part,
            8 => Kind::Grant,
            _ => return None,
        })
    }

    /// Only calls and what answers them carry a payload.
    const fn may_carry_payload(self) -> bool {
        matches!(self, Kind::Request | Kind::Reply | Kind::Part)
    }
}

/// A header whose kind and window have been checked. Its lengths have not: see [`crate::limits::FrameLimits`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub message_len: u32,
    pub payload_len: u32,
    pub id: u32,
    /// Method of a request, status of a reply, reason of a refusal or goodbye, parts of a grant; 0 elsewhere.
    pub code: u16,
    pub kind: Kind,
    /// Of a request: how many parts the caller takes before it grants more; 0 if it wants one answer. 0 elsewhere.
    pub window: u8,
}

impl Header {
    /// A header of a frame without payload.
    pub(crate) const fn new(kind: Kind, id: u32, code: u16, message_len: usize) -> Header {
        Header {
            message_len: message_len as u32,
            payload_len: 0,
            id,
            code,
            kind,
            window: 0,
        }
    }

    /// Writes the header at the head of `out`.
    ///
    /// # Panics
    /// If `out` is shorter than a header.
    #[inline]
    pub(crate) fn encode(&self, out: &mut [u8]) {
        let lengths = u64::from(self.message_len) | u64::from(self.payload_len) << 32;
        let rest = u64::from(self.id)
            | u64::from(self.code) << 32
            | u64::from(self.kind as u8) << 48
            | u64::from(self.window) << 56;
        out[..8].copy_from_slice(&lengths.to_le_bytes());
        out[8..HEADER_BYTES].copy_from_slice(&rest.to_le_bytes());
    }

    /// Reads a header from the head of `bytes`: `None` if they are too few.
    #[inline]
    pub(crate) fn decode(bytes: &[u8]) -> Result<Option<Header>, Violation> {
        let Ok((wire, _)) = WireHeader::ref_from_prefix(bytes) else {
            return Ok(None);
        };
        let kind = Kind::from_number(wire.kind).ok_or(Violation::UnknownKind)?;
        if wire.window != 0 && kind != Kind::Request {
            return Err(Violation::UnexpectedWindow);
        }
        let payload_len = wire.payload_len.get();
        if payload_len != 0 && !kind.may_carry_payload() {
            return Err(Violation::UnexpectedPayload);
        }
        Ok(Some(Header {
            message_len: wire.message_len.get(),
            payload_len,
            id: wire.id.get(),
            code: wire.code.get(),
            kind,
            window: wire.window,
        }))
    }

    /// Reads a header that is of this kind, without window and payload; anything else is left to [`Header::decode`].
    #[inline]
    pub(crate) fn decode_plain(bytes: &[u8; HEADER_BYTES], kind: Kind) -> Option<Header> {
        let bits = u128::from_le_bytes(*bytes);
        let (lengths, rest) = (bits as u64, (bits >> 64) as u64);
        let is_plain = lengths >> 32 == 0 && rest >> 48 == kind as u64;
        is_plain.then_some(Header {
            message_len: lengths as u32,
            payload_len: 0,
            id: rest as u32,
            code: (rest >> 32) as u16,
            kind,
            window: 0,
        })
    }

    /// Length of header and message in bytes: what must lie together before the frame can be looked at.
    pub(crate) const fn head_len(&self) -> usize {
        HEADER_BYTES + self.message_len as usize
    }
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct WireHeader {
    message_len: U32,
    payload_len: U32,
    id: U32,
    code: U16,
    kind: u8,
    window: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of `docs/format/rpc.md`, section "Header".
    const EXAMPLE: [u8; 16] = [0x18, 0, 0, 0, 0, 0x10, 0, 0, 0x2a, 0, 1, 0, 0x02, 0, 0x03, 0];

    #[test]
    fn bytes_are_those_of_the_format_text() {
        let header = Header {
            message_len: 24,
            payload_len: 4096,
            id: 0x0001_002a,
            code: 2,
            kind: Kind::Request,
            window: 0,
        };
        let mut bytes = [0xff; 16];
        header.encode(&mut bytes);
        assert_eq!(bytes, EXAMPLE);
        assert_eq!(Header::decode(&bytes), Ok(Some(header)));
    }

    #[test]
    fn a_plain_header_is_read_the_same_both_ways_and_no_other_is_read_as_plain() {
        let bytes = |payload_len, kind| {
            let mut header = Header::new(kind, 0xfedc_ba98, 0x7654, 0x8000_0001);
            header.payload_len = payload_len;
            let mut bytes = [0xff; 16];
            header.encode(&mut bytes);
            (header, bytes)
        };
        let (header, plain) = bytes(0, Kind::Reply);
        assert_eq!(Header::decode_plain(&plain, Kind::Reply), Some(header));
        assert_eq!(Header::decode(&plain), Ok(Some(header)));
        assert_eq!(Header::decode_plain(&plain, Kind::Request), None);
        for payload_len in [1, 1 << 31] {
            assert_eq!(
                Header::decode_plain(&bytes(payload_len, Kind::Reply).1, Kind::Reply),
                None
            );
        }
        for flag in 0..8 {
            let mut flagged = plain;
            flagged[15] = 1 << flag;
            assert_eq!(Header::decode_plain(&flagged, Kind::Reply), None);
        }
    }

    #[test]
    fn fifteen_bytes_are_not_yet_a_header() {
        assert_eq!(Header::decode(&EXAMPLE[..15]), Ok(None));
    }

    #[test]
    fn unknown_kinds_and_windows_and_payloads_where_there_are_none_are_violations() {
        let with = |at: usize, byte: u8| {
            let mut bytes = EXAMPLE;
            bytes[at] = byte;
            Header::decode(&bytes)
        };
        for kind in 9..=255 {
            assert_eq!(with(14, kind), Err(Violation::UnknownKind));
        }
        for window in 1..=255 {
            assert_eq!(with(15, window).map(|header| header.unwrap().window), Ok(window));
        }
        for kind in [0, 1, 2, 4, 5, 6, 7, 8] {
            let mut bytes = EXAMPLE;
            bytes[14..].copy_from_slice(&[kind, 1]);
            assert_eq!(Header::decode(&bytes), Err(Violation::UnexpectedWindow));
        }
        for kind in [0, 1, 2, 5, 6, 8] {
            assert_eq!(with(14, kind), Err(Violation::UnexpectedPayload));
        }
        assert!(with(14, 4).is_ok() && with(14, 7).is_ok());
    }
}
