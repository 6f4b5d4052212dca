//! Records: what happened to a namespace, one after the other (`docs/format/log.md`).

use crc_fast::{CrcAlgorithm, checksum};

use super::super::command::Now;
use super::super::state::{Input, Malformed, State};

/// Bytes before the body.
pub(super) const HEAD_BYTES: usize = 48;
/// Bytes of a body at most: above the longest names, paths and values that a command may have.
pub(super) const BODY_BYTES_MAX: usize = 64 << 10;

/// What stands before the body of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    /// One more than that of the record before; the first is 1.
    pub(super) sequence: u64,
    /// The namespace's time when it happened.
    pub(super) now: Now,
    /// The records up to this one were known to be on the device when this was written.
    pub(super) durable: u64,
    /// A hash of what was answered, for who does it again to compare.
    pub(super) outcome: u32,
    /// What the body is.
    pub(super) kind: u16,
}

/// A record in a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    pub(super) head: Head,
    pub(super) body: &'a [u8],
}

/// The checksum of all but itself.
pub(super) fn checksum_of(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

/// Fills in the head of the record that begins at `start` and ends where `bytes` do.
pub(super) fn finish(head: &Head, start: usize, bytes: &mut [u8]) {
    let record = &mut bytes[start..];
    let body_len = record.len() - HEAD_BYTES;
    debug_assert!(body_len <= BODY_BYTES_MAX);
    record[4..8].copy_from_slice(&(body_len as u32).to_le_bytes());
    let times = [head.sequence, head.now.mono_ns, head.now.wall_ns, head.durable];
    for (at, number) in (8..).step_by(8).zip(times) {
        record[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
    record[40..44].copy_from_slice(&head.outcome.to_le_bytes());
    record[44..46].copy_from_slice(&head.kind.to_le_bytes());
    record[46..48].fill(0);
    let sum = checksum_of(&record[4..]);
    record[..4].copy_from_slice(&sum.to_le_bytes());
}

impl<'a> Record<'a> {
    /// The record at the front of `bytes`, and how many of these it has.
    pub(super) fn read(bytes: &'a [u8]) -> Result<(Record<'a>, usize), Malformed> {
        let mut input = Input::new(bytes);
        let sum = u32::load(&mut input)?;
        let body_len = u32::load(&mut input)? as usize;
        if body_len > BODY_BYTES_MAX {
            return Err(Malformed("a record is longer than any can be"));
        }
        let len = HEAD_BYTES + body_len;
        let whole = bytes.get(..len).ok_or(Malformed("it ends within a record"))?;
        if checksum_of(&whole[4..]) != sum {
            return Err(Malformed("a checksum is wrong"));
        }
        let head = Head {
            sequence: State::load(&mut input)?,
            now: Now {
                mono_ns: State::load(&mut input)?,
                wall_ns: State::load(&mut input)?,
            },
            durable: State::load(&mut input)?,
            outcome: State::load(&mut input)?,
            kind: State::load(&mut input)?,
        };
        let body = &whole[HEAD_BYTES..];
        Ok((Record { head, body }, len))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(body: &[u8]) -> Vec<u8> {
        let head = Head {
            sequence: 7,
            now: Now {
                mono_ns: 1,
                wall_ns: 2,
            },
            durable: 3,
            outcome: 4,
            kind: 5,
        };
        let mut bytes = vec![0xee; HEAD_BYTES];
        bytes.extend_from_slice(body);
        finish(&head, 0, &mut bytes);
        bytes
    }

    /// The bytes that docs/format/log.md shows.
    #[test]
    fn a_record_has_the_bytes_that_the_format_says() {
        let bytes = record(b"ab");
        assert_eq!(bytes.len(), 50);
        assert_eq!(bytes[..4], checksum_of(&bytes[4..]).to_le_bytes());
        assert_eq!(bytes[4..8], [2, 0, 0, 0]);
        for (at, value) in [(8, 7), (16, 1), (24, 2), (32, 3)] {
            assert_eq!(bytes[at..at + 8], u64::to_le_bytes(value));
        }
        assert_eq!(bytes[40..50], [4, 0, 0, 0, 5, 0, 0, 0, b'a', b'b']);
        // CRC-32C of "123456789", as RFC 3720 and others have it.
        assert_eq!(checksum_of(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn no_other_byte_and_no_cut_goes_unnoticed() {
        let bytes = record(b"some body");
        let (read, len) = Record::read(&bytes).unwrap();
        assert_eq!(
            (read.head.sequence, read.body, len),
            (7, &b"some body"[..], bytes.len())
        );
        for at in 0..bytes.len() {
            assert!(Record::read(&bytes[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut other = bytes.clone();
                other[at] ^= 1 << bit;
                assert!(Record::read(&other).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
