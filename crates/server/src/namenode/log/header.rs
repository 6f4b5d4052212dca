//! What segments and snapshots begin with, and how they are called (`docs/format/log.md`).

use super::super::command::Now;
use super::super::config::Config;
use super::super::state::{Input, Malformed, State, fields};
use super::error::LogError;
use super::record::checksum_of;

/// The version of the format that is written, and the only one that is read.
pub(super) const VERSION: u32 = 5;

const SEGMENT_MAGIC: [u8; 8] = *b"CRAKELOG";
const SNAPSHOT_MAGIC: [u8; 8] = *b"CRAKESNP";
/// Magic, version, checksum.
const FRONT_BYTES: usize = 16;

/// Of a segment: records that follow on each other.
#[derive(Clone, Copy, Debug)]
pub(super) struct SegmentHeader {
    /// The same in all files of a log.
    pub(super) cluster: u128,
    /// The number of its first record.
    pub(super) first: u64,
    /// A number of the host since it was started last; 0 if that is not known.
    pub(super) boot: u64,
    /// Whether answers waited for the device.
    pub(super) is_sync: bool,
    /// What the namespace was made with before its first record.
    pub(super) origin: Config,
}

fields!(SegmentHeader {
    cluster,
    first,
    boot,
    is_sync,
    origin
});

/// Of a snapshot: all that its body was before it became a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct SnapshotHeader {
    /// The same in all files of a log.
    pub(super) cluster: u128,
    /// The last record that is in it.
    pub(super) sequence: u64,
    /// The time of that record.
    pub(super) mono_ns: u64,
    pub(super) wall_ns: u64,
    /// What the namespace was made with before its first record.
    pub(super) origin: Config,
    /// Bytes behind the header.
    pub(super) body_len: u64,
    /// Their checksum.
    pub(super) body_sum: u32,
}

fields!(SnapshotHeader {
    cluster,
    sequence,
    mono_ns,
    wall_ns,
    origin,
    body_len,
    body_sum
});

impl SnapshotHeader {
    pub(super) fn now(&self) -> Now {
        Now {
            mono_ns: self.mono_ns,
            wall_ns: self.wall_ns,
        }
    }
}

/// A header that a file begins with.
pub(super) trait Header: State {
    const MAGIC: [u8; 8];

    /// Its bytes.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Self::MAGIC.to_vec();
        VERSION.save(&mut bytes);
        0_u32.save(&mut bytes);
        self.save(&mut bytes);
        let sum = checksum_of(&bytes[FRONT_BYTES..]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// How many these are.
    fn len() -> usize;

    /// Reads the front of a file.
    fn decode(file: &str, bytes: &[u8]) -> Result<Self, LogError> {
        let malformed = |what: Malformed| LogError::damaged(file, 0, what);
        let header = bytes.get(..Self::len());
        let header = header.ok_or_else(|| malformed(Malformed("it ends within its header")))?;
        let mut input = Input::new(header);
        let magic = <[u8; 8]>::load(&mut input).map_err(malformed)?;
        let version = u32::load(&mut input).map_err(malformed)?;
        let sum = u32::load(&mut input).map_err(malformed)?;
        if magic != Self::MAGIC {
            return Err(malformed(Malformed("this is no file of a log")));
        }
        if version != VERSION {
            return Err(LogError::Version {
                file: file.into(),
                version,
                known: VERSION,
            });
        }
        if checksum_of(&header[FRONT_BYTES..]) != sum {
            return Err(malformed(Malformed("the checksum of its header is wrong")));
        }
        Self::load(&mut input).map_err(malformed)
    }
}

/// Of a [`Config`].
const CONFIG_BYTES: usize = 16 + 8 + 7 * 4 + 2 * 8 + 4 + 2 * 2;

impl Header for SegmentHeader {
    const MAGIC: [u8; 8] = SEGMENT_MAGIC;

    fn len() -> usize {
        FRONT_BYTES + 16 + 8 + 8 + 1 + CONFIG_BYTES
    }
}

impl Header for SnapshotHeader {
    const MAGIC: [u8; 8] = SNAPSHOT_MAGIC;

    fn len() -> usize {
        FRONT_BYTES + 16 + 8 + 8 + 8 + CONFIG_BYTES + 8 + 4
    }
}

/// A snapshot before it is whole.
pub(super) const UNFINISHED: &str = "snapshot.new";

/// The name of the segment whose first record has this number.
pub(super) fn segment_name(first: u64) -> String {
    format!("log-{first:020}")
}

/// The name of the snapshot that ends with this record.
pub(super) fn snapshot_name(sequence: u64) -> String {
    format!("snapshot-{sequence:020}")
}

/// The files of a log, in order of their numbers.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) segments: Vec<u64>,
    pub(super) snapshots: Vec<u64>,
}

impl Names {
    /// Leaves out what is no file of a log.
    pub(super) fn of(names: &[String]) -> Names {
        let numbers = |prefix: &str| {
            let numbers = names.iter().filter_map(|name| {
                let digits = name.strip_prefix(prefix)?;
                (digits.len() == 20).then(|| digits.parse::<u64>().ok())?
            });
            let mut numbers = numbers.collect::<Vec<_>>();
            numbers.sort_unstable();
            numbers
        };
        Names {
            segments: numbers("log-"),
            snapshots: numbers("snapshot-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_lengths_that_the_format_says() {
        let segment = SegmentHeader {
            cluster: 1,
            first: 2,
            boot: 3,
            is_sync: true,
            origin: Config::default(),
        };
        let snapshot = SnapshotHeader {
            cluster: 1,
            sequence: 2,
            mono_ns: 3,
            wall_ns: 4,
            origin: Config::default(),
            body_len: 5,
            body_sum: 6,
        };
        assert_eq!((segment.encode().len(), SegmentHeader::len()), (125, 125));
        assert_eq!((snapshot.encode().len(), SnapshotHeader::len()), (144, 144));
        assert_eq!(SegmentHeader::decode("f", &segment.encode()).unwrap().first, 2);
        assert_eq!(
            SnapshotHeader::decode("f", &snapshot.encode()).unwrap().body_sum,
            6
        );
    }

    #[test]
    fn a_later_version_and_other_files_are_told_apart() {
        let header = SegmentHeader {
            cluster: 1,
            first: 2,
            boot: 3,
            is_sync: false,
            origin: Config::default(),
        };
        let mut later = header.encode();
        later[8] = VERSION as u8 + 1;
        let error = SegmentHeader::decode("f", &later).unwrap_err();
        assert!(
            matches!(error, LogError::Version { version, .. } if version == VERSION + 1),
            "{error}"
        );
        assert!(SnapshotHeader::decode("f", &[header.encode(), vec![0; 99]].concat()).is_err());
        for at in 12..header.encode().len() {
            let mut other = header.encode();
            other[at] ^= 1;
            assert!(SegmentHeader::decode("f", &other).is_err(), "byte {at}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        let names = [
            segment_name(7),
            snapshot_name(6),
            segment_name(1),
            UNFINISHED.into(),
            "log-x".into(),
        ];
        let names = Names::of(&names);
        assert_eq!((names.segments, names.snapshots), (vec![1, 7], vec![6]));
    }
}
