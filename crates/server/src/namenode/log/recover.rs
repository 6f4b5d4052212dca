//! Reading a log: the newest snapshot, and the records after it. Nothing is changed here.

use crake_datapath::Files;

use super::super::config::Config;
use super::super::namespace::Namespace;
use super::error::LogError;
use super::header::{Header, Names, SegmentHeader, SnapshotHeader, segment_name, snapshot_name};
use super::record::{BODY_BYTES_MAX, HEAD_BYTES, Record, checksum_of};
use super::replay::ReplayError;

/// What a log has.
pub(super) struct Recovered {
    pub(super) namespace: Namespace,
    pub(super) identity: Identity,
    /// The number of the last record, 0 if there is none.
    pub(super) sequence: u64,
    /// How many were done again.
    pub(super) replayed: u64,
    /// Where the log breaks off, if it does not end with a whole record.
    pub(super) torn: Option<Torn>,
    /// Of the last segment, if there is one: in which life of the host it was written, and whether answers waited for the device.
    pub(super) last: Option<(u64, bool)>,
}

/// Who a log belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Identity {
    /// The same in all files.
    pub(super) cluster: u128,
    /// What the namespace was made with.
    pub(super) origin: Config,
}

/// The end of a log that was being written when its writer died.
#[derive(Clone, Debug)]
pub(super) struct Torn {
    pub(super) file: String,
    /// So much of it is whole; 0 if even its header is not.
    pub(super) whole_bytes: u64,
    /// And so much is cut.
    pub(super) cut_bytes: u64,
    /// Later files, which go as well.
    pub(super) later: Vec<String>,
}

/// Which part of a log is read, and where.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Segments from this number on are left out.
    pub(super) before: u64,
    /// Of the host now: if it has been started since, what was not synced may be missing. 0: not known.
    pub(super) boot: u64,
}

/// Reads a log. Gives nothing if there is none.
pub(super) fn recover(files: &dyn Files, part: Part) -> Result<Option<Recovered>, LogError> {
    let names = files
        .names()
        .map_err(|error| LogError::file("the list of files", error))?;
    let mut names = Names::of(&names);
    names.segments.retain(|&first| first < part.before);
    let mut first_error = None;
    // If a snapshot cannot be read, an older one, or the beginning, may still be there with all that followed.
    let candidates = names
        .snapshots
        .iter()
        .rev()
        .map(|&sequence| Some(sequence))
        .chain([None]);
    for snapshot in candidates {
        match recover_from(files, part, snapshot, &names.segments) {
            Ok(recovered) => return Ok(recovered),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.expect("there is at least one candidate"))
}

fn recover_from(
    files: &dyn Files,
    part: Part,
    snapshot: Option<u64>,
    segments: &[u64],
) -> Result<Option<Recovered>, LogError> {
    let recovered = match snapshot {
        Some(sequence) => Some(read_snapshot(files, sequence)?),
        None => read_origin(files, segments)?,
    };
    let Some(recovered) = recovered else {
        return Ok(None);
    };
    // A segment whose successor begins within the snapshot has nothing new.
    let next = recovered.sequence + 1;
    let begin = segments.partition_point(|&first| first <= next).saturating_sub(1);
    let mut reading = Reading {
        files,
        part,
        segments: &segments[begin.min(segments.len())..],
        recovered,
    };
    reading.read_segments()?;
    Ok(Some(reading.recovered))
}

fn read(files: &dyn Files, name: &str) -> Result<Vec<u8>, LogError> {
    files.read(name).map_err(|error| LogError::file(name, error))
}

fn read_snapshot(files: &dyn Files, sequence: u64) -> Result<Recovered, LogError> {
    let name = snapshot_name(sequence);
    let bytes = read(files, &name)?;
    let header = SnapshotHeader::decode(&name, &bytes)?;
    let body = &bytes[SnapshotHeader::len()..];
    let damaged = |what: &dyn ToString| LogError::damaged(&name, SnapshotHeader::len(), what.to_string());
    if body.len() as u64 != header.body_len || checksum_of(body) != header.body_sum {
        return Err(damaged(&"the checksum of its body is wrong"));
    }
    if header.sequence != sequence {
        return Err(damaged(&"its name is another's"));
    }
    Ok(Recovered {
        namespace: Namespace::load(body, header.now()).map_err(|what| damaged(&what))?,
        identity: Identity {
            cluster: header.cluster,
            origin: header.origin,
        },
        sequence,
        replayed: 0,
        torn: None,
        last: None,
    })
}

/// The empty namespace that a log began with. Nothing if its first file was never finished.
fn read_origin(files: &dyn Files, segments: &[u64]) -> Result<Option<Recovered>, LogError> {
    let Some(&first) = segments.first() else {
        return Ok(None);
    };
    let name = segment_name(first);
    if first > 1 {
        return Err(LogError::Missing {
            from: 1,
            to: first - 1,
            file: name,
        });
    }
    let bytes = read(files, &name)?;
    if bytes.len() < SegmentHeader::len() && segments.len() == 1 {
        return Ok(None);
    }
    let header = SegmentHeader::decode(&name, &bytes)?;
    if !header.origin.is_sound() {
        return Err(LogError::damaged(&name, 0, "limits that no namenode has"));
    }
    Ok(Some(Recovered {
        namespace: Namespace::new(header.origin),
        identity: Identity {
            cluster: header.cluster,
            origin: header.origin,
        },
        sequence: 0,
        replayed: 0,
        torn: None,
        last: None,
    }))
}

struct Reading<'f> {
    files: &'f dyn Files,
    part: Part,
    segments: &'f [u64],
    recovered: Recovered,
}

impl Reading<'_> {
    fn read_segments(&mut self) -> Result<(), LogError> {
        for at in 0..self.segments.len() {
            let name = segment_name(self.segments[at]);
            let bytes = read(self.files, &name)?;
            let is_last = at + 1 == self.segments.len();
            if bytes.len() < SegmentHeader::len() && is_last {
                self.tear(&name, 0, bytes.len(), at);
                return Ok(());
            }
            let header = self.check_header(&name, self.segments[at], &bytes)?;
            self.recovered.last = Some((header.boot, header.is_sync));
            if !self.read_records(&name, &header, &bytes, at)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn check_header(&self, name: &str, first: u64, bytes: &[u8]) -> Result<SegmentHeader, LogError> {
        let header = SegmentHeader::decode(name, bytes)?;
        if header.cluster != self.recovered.identity.cluster {
            return Err(LogError::OtherCluster { file: name.into() });
        }
        if header.first != first {
            return Err(LogError::damaged(name, 0, "its name is another's"));
        }
        let next = self.recovered.sequence + 1;
        if first > next {
            return Err(LogError::Missing {
                from: next,
                to: first - 1,
                file: name.into(),
            });
        }
        Ok(header)
    }

    /// Does the records of a segment again; false if the log ends within it.
    fn read_records(
        &mut self,
        name: &str,
        header: &SegmentHeader,
        bytes: &[u8],
        number: usize,
    ) -> Result<bool, LogError> {
        let (mut at, mut expected) = (SegmentHeader::len(), header.first);
        while at < bytes.len() {
            let (record, len) = match Record::read(&bytes[at..]) {
                Ok((record, len)) if record.head.sequence == expected => (record, len),
                Ok(_) => {
                    return Err(LogError::damaged(
                        name,
                        at,
                        "the number of a record is not the next one",
                    ));
                }
                Err(what) => {
                    let is_torn = self.may_be_torn(header, &bytes[at..], expected, number)?;
                    if !is_torn {
                        return Err(LogError::damaged(name, at, what));
                    }
                    self.tear(name, at, bytes.len() - at, number);
                    return Ok(false);
                }
            };
            if expected > self.recovered.sequence {
                self.redo(name, at, &record)?;
            }
            at += len;
            expected += 1;
        }
        Ok(true)
    }

    fn redo(&mut self, name: &str, at: usize, record: &Record<'_>) -> Result<(), LogError> {
        let sequence = record.head.sequence;
        let done = self.recovered.namespace.replay(record);
        done.map_err(|error| match error {
            ReplayError::Malformed(what) => LogError::damaged(name, at, what),
            ReplayError::Diverged => LogError::Diverged {
                file: name.into(),
                sequence,
                offset: at as u64,
            },
        })?;
        self.recovered.sequence = sequence;
        self.recovered.replayed += 1;
        Ok(())
    }

    fn tear(&mut self, name: &str, whole: usize, cut: usize, number: usize) {
        self.recovered.torn = Some(Torn {
            file: name.into(),
            whole_bytes: whole as u64,
            cut_bytes: cut as u64,
            later: self.segments[number + 1..]
                .iter()
                .map(|&first| segment_name(first))
                .collect(),
        });
    }

    /// Whether bytes that are no record may be what a crash has left, and nothing that was whole once.
    ///
    /// A process dies within its last write, so nothing follows on that. When a machine dies, of all that it was not asked to sync any part may be
    /// missing; but each record says what was synced before it was written.
    fn may_be_torn(
        &self,
        header: &SegmentHeader,
        rest: &[u8],
        expected: u64,
        number: usize,
    ) -> Result<bool, LogError> {
        let later = &self.segments[number + 1..];
        let is_other_boot = header.boot != 0 && self.part.boot != 0 && header.boot != self.part.boot;
        if !is_other_boot {
            return Ok(later.is_empty() && synced_behind(rest, expected).is_none());
        }
        let mut synced = synced_behind(rest, expected);
        for &first in later {
            let bytes = read(self.files, &segment_name(first))?;
            synced = synced.max(synced_behind(&bytes, expected));
        }
        Ok(synced.is_none_or(|synced| synced < expected))
    }
}

/// The highest number that a record somewhere in these bytes knew to be synced; nothing if there is no record after `expected`.
fn synced_behind(bytes: &[u8], expected: u64) -> Option<u64> {
    let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("it has 8 bytes"));
    let records = (0..bytes.len().saturating_sub(HEAD_BYTES - 1)).filter_map(|at| {
        // The checksum only where it is worth its while.
        let is_plausible = number(at) >> 32 <= BODY_BYTES_MAX as u64 && number(at + 8) > expected;
        let record = is_plausible.then(|| Record::read(&bytes[at..]).ok())?;
        record.map(|(record, _)| record.head.durable)
    });
    records.max()
}
