//! Bytes in, frames out: the receiving half of the format, without I/O.
//!
//! A receive holds any piece of the peer's bytes. Frames that lie whole in it are read where they are by
//! [`take_frame`]; a frame whose header and message are cut by the end of a receive waits in a [`Straddle`]. So the only
//! bytes that are copied are those of the one frame per receive that straddles its end, and a connection on which
//! nothing is half received holds nothing.

use crate::header::{HEADER_BYTES, Header, Kind};
use crate::limits::FrameLimits;
use crate::violation::Violation;

/// A frame whose header and message are there. Its payload, if it has one, follows in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub header: Header,
    pub message: &'a [u8],
}

/// Takes a frame from the front of `input`. `None`: header or message are not whole, and `input` is unchanged.
#[inline]
pub(crate) fn take_frame<'a>(
    input: &mut &'a [u8],
    limits: &FrameLimits,
) -> Result<Option<Frame<'a>>, Violation> {
    let Some(header) = Header::decode(input)? else {
        return Ok(None);
    };
    limits.check(&header)?;
    let Some((head, rest)) = input.split_at_checked(header.head_len()) else {
        return Ok(None);
    };
    *input = rest;
    let message = &head[HEADER_BYTES..];
    Ok(Some(Frame { header, message }))
}

/// Takes a frame of this kind that has no payload. `None` for any other, and for one that is cut or breaks a rule, which
/// [`take_frame`] then looks at. Nearly all frames are taken here, in a third of its instructions.
#[inline]
pub(crate) fn take_plain_frame<'a>(
    input: &mut &'a [u8],
    kind: Kind,
    limits: &FrameLimits,
) -> Option<Frame<'a>> {
    let (head, rest) = input.split_first_chunk()?;
    let header = Header::decode_plain(head, kind)?;
    if header.message_len > limits.message_max {
        return None;
    }
    let (message, rest) = rest.split_at_checked(header.message_len as usize)?;
    *input = rest;
    Some(Frame { header, message })
}

/// The front of a frame whose rest has not come yet: at most header and message.
///
/// It grows with what was received and not with what a header promises, so a peer that announces much and sends
/// little costs little.
#[derive(Debug, Default)]
pub(crate) struct Straddle {
    bytes: Vec<u8>,
}

impl Straddle {
    /// A buffer of this size is kept for the next frame; a larger one goes back when its frame is done.
    const KEPT_BYTES_MAX: usize = 256;

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Keeps the end of a receive, which is less than a frame.
    pub(crate) fn keep(&mut self, rest: &[u8]) {
        debug_assert!(self.is_empty());
        self.bytes.extend_from_slice(rest);
    }

    /// Moves bytes from the front of `input` until the frame is whole. The frame stays here until [`Straddle::clear`].
    pub(crate) fn fill(
        &mut self,
        input: &mut &[u8],
        limits: &FrameLimits,
    ) -> Result<Option<Frame<'_>>, Violation> {
        self.fill_to(HEADER_BYTES, input);
        if let Some(header) = Header::decode(&self.bytes)? {
            limits.check(&header)?;
            self.fill_to(header.head_len(), input);
        }
        take_frame(&mut self.bytes.as_slice(), limits)
    }

    /// Forgets the frame.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > Straddle::KEPT_BYTES_MAX {
            self.bytes = Vec::new();
        }
    }

    fn fill_to(&mut self, len: usize, input: &mut &[u8]) {
        let missing = len.saturating_sub(self.bytes.len());
        let (taken, rest) = input.split_at(missing.min(input.len()));
        self.bytes.extend_from_slice(taken);
        *input = rest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: FrameLimits = FrameLimits {
        message_max: 2000,
        payload_max: 500,
    };

    /// What a reader saw: header and message of each frame, and the bytes of its payload.
    type Seen = Vec<(Header, Vec<u8>, Vec<u8>)>;

    /// Reads frames from chunks as a connection does.
    #[derive(Default)]
    struct Reader {
        straddle: Straddle,
        payload_missing: usize,
        seen: Seen,
    }

    impl Reader {
        fn receive(&mut self, mut input: &[u8]) -> Result<(), Violation> {
            self.take_payload(&mut input);
            if !self.straddle.is_empty() {
                let Some(frame) = self.straddle.fill(&mut input, &LIMITS)? else {
                    return Ok(());
                };
                self.seen.push((frame.header, frame.message.to_vec(), Vec::new()));
                self.payload_missing = frame.header.payload_len as usize;
                self.straddle.clear();
                self.take_payload(&mut input);
            }
            while self.payload_missing == 0 {
                let plain = take_plain_frame(&mut input, Kind::Request, &LIMITS);
                let Some(frame) =
                    plain.map_or_else(|| take_frame(&mut input, &LIMITS), |frame| Ok(Some(frame)))?
                else {
                    self.straddle.keep(input);
                    break;
                };
                self.seen.push((frame.header, frame.message.to_vec(), Vec::new()));
                self.payload_missing = frame.header.payload_len as usize;
                self.take_payload(&mut input);
            }
            Ok(())
        }

        fn take_payload(&mut self, input: &mut &[u8]) {
            let (taken, rest) = input.split_at(self.payload_missing.min(input.len()));
            if let Some((_, _, payload)) = self.seen.last_mut() {
                payload.extend_from_slice(taken);
            }
            self.payload_missing -= taken.len();
            *input = rest;
        }
    }

    fn frames() -> impl Strategy<Value = Seen> {
        let bytes = |max| prop::collection::vec(any::<u8>(), 0..max);
        let frame = (any::<u32>(), any::<u16>(), any::<bool>(), bytes(2000), bytes(500));
        let frame = frame.prop_map(|(id, code, request, message, payload)| {
            let kind = if request { Kind::Request } else { Kind::Reply };
            let mut header = Header::new(kind, id, code, message.len());
            header.payload_len = payload.len() as u32;
            (header, message, payload)
        });
        prop::collection::vec(frame, 0..12)
    }

    fn encode(frames: &Seen) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (header, message, payload) in frames {
            let mut head = [0; HEADER_BYTES];
            header.encode(&mut head);
            bytes.extend_from_slice(&head);
            bytes.extend_from_slice(message);
            bytes.extend_from_slice(payload);
        }
        bytes
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            frames in frames(),
            cuts in prop::collection::vec(1usize..3000, 1..60),
        ) {
            let bytes = encode(&frames);
            let mut rest = bytes.as_slice();
            let mut reader = Reader::default();
            let mut cuts = cuts.iter().cycle();
            while !rest.is_empty() {
                let cut = cuts.next().copied().unwrap_or(1).min(rest.len());
                let (chunk, after) = rest.split_at(cut);
                reader.receive(chunk).unwrap();
                rest = after;
            }
            prop_assert_eq!(reader.seen, frames);
            prop_assert!(reader.straddle.is_empty());
        }

        #[test]
        fn random_bytes_end_in_frames_or_a_violation_and_hold_no_more_than_came(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..40),
        ) {
            let mut reader = Reader::default();
            let mut received = 0;
            for chunk in &chunks {
                received += chunk.len();
                if reader.receive(chunk).is_err() {
                    break;
                }
                // A vector grows by doubling.
                let held = reader.straddle.bytes.capacity();
                prop_assert!(held <= (2 * received).max(Straddle::KEPT_BYTES_MAX));
                prop_assert!(held <= 2 * (HEADER_BYTES + LIMITS.message_max as usize));
            }
        }
    }

    #[test]
    fn lengths_over_the_limit_are_found_before_their_bytes_come() {
        let read = |message_len, payload_len| {
            let mut header = Header::new(Kind::Request, 1, 1, message_len);
            header.payload_len = payload_len;
            let mut bytes = [0; HEADER_BYTES];
            header.encode(&mut bytes);
            let mut straddle = Straddle::default();
            straddle.keep(&bytes[..3]);
            let joined = straddle.fill(&mut &bytes[3..], &LIMITS).map(|_| ());
            assert_eq!(take_frame(&mut bytes.as_slice(), &LIMITS).map(|_| ()), joined);
            joined
        };
        assert_eq!(read(2000, 500), Ok(()));
        assert_eq!(read(2001, 0), Err(Violation::MessageTooLong));
        assert_eq!(read(u32::MAX as usize, 0), Err(Violation::MessageTooLong));
        assert_eq!(read(0, 501), Err(Violation::PayloadTooLong));
    }

    #[test]
    fn a_large_straddling_frame_leaves_nothing_behind() {
        let mut bytes = vec![7; HEADER_BYTES + 2000];
        Header::new(Kind::Request, 1, 1, 2000).encode(&mut bytes);
        let mut straddle = Straddle::default();
        straddle.keep(&bytes[..100]);
        let mut input = &bytes[100..];
        assert!(straddle.fill(&mut input, &LIMITS).unwrap().is_some());
        assert!(input.is_empty());
        straddle.clear();
        assert_eq!(straddle.bytes.capacity(), 0);
    }
}
