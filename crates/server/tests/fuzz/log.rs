//! A log, and what is in it: files that are not what was written, and records and states with checksums that are right.
//!
//! Input: a byte that says which of these, and a [`Script`] of what is made of a log that a namenode has written.

use std::cell::OnceCell;
use std::ops::Range;
use std::path::Path;

use crake_server::namenode::log::{LogError, ReplayError, replay_all};
use crake_server::namenode::{Config, Namespace, Now};
use crake_server::{Namenode, NamenodeConfig, StartError};
use crc_fast::{CrcAlgorithm, checksum};

use crate::namenode;
use crate::script::Script;
use crate::world::World;

const SEGMENT_HEADER_BYTES: usize = 125;
const RECORD_HEAD_BYTES: usize = 48;
/// Where the numbers are of a segment's first record and of a record, and the origin of a log.
const FIRST_AT: usize = 32;
const SEQUENCE_AT: usize = 8;
const ORIGIN_AT: usize = 49;

/// Reads what a script makes of a log: an error that says where, or what is read contradicts itself nowhere and is read again as it
/// was.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let what = script.byte() % 4;
    SAMPLE.with(|sample| {
        let sample = sample.get_or_init(Sample::new);
        match what {
            0 => load(sample, &mut script),
            1 => replay(sample, &mut script),
            _ => open(sample, &mut script),
        }
    });
}

thread_local! {
    static SAMPLE: OnceCell<Sample> = const { OnceCell::new() };
}

/// A log as it was written.
struct Sample {
    config: NamenodeConfig,
    segment: Vec<u8>,
    /// Its records, without the header.
    records: Vec<Range<usize>>,
    /// What it is when all is done again.
    state: Vec<u8>,
    snapshot: Vec<u8>,
}

impl Sample {
    fn new() -> Sample {
        let (config, segment) = namenode::written();
        let records = records(&segment);
        let mut namespace = Namespace::new(origin(&segment));
        let done = replay_all(&mut namespace, &segment[SEGMENT_HEADER_BYTES..]);
        assert_eq!(done, Ok(()));
        let state = saved(&namespace);
        Sample {
            snapshot: snapshot(&segment, records.len() as u64, &state),
            config,
            segment,
            records,
            state,
        }
    }
}

fn records(segment: &[u8]) -> Vec<Range<usize>> {
    let mut records = Vec::new();
    let mut at = SEGMENT_HEADER_BYTES;
    while let Some(head) = segment.get(at..at + RECORD_HEAD_BYTES) {
        let body_len = u32::from_le_bytes(head[4..8].try_into().unwrap()) as usize;
        let end = at + RECORD_HEAD_BYTES + body_len;
        if end > segment.len() {
            break;
        }
        records.push(at..end);
        at = end;
    }
    records
}

/// What a log began with, as its first segment says (`docs/format/log.md`).
fn origin(segment: &[u8]) -> Config {
    let mut at = ORIGIN_AT;
    let mut next = |len: usize| {
        let mut number = [0; 16];
        number[..len].copy_from_slice(&segment[at..at + len]);
        at += len;
        u128::from_le_bytes(number)
    };
    Config {
        seed: next(16),
        incarnation: next(8) as u64,
        nodes_max: next(4) as u32,
        sessions_max: next(4) as u32,
        leases_per_session_max: next(4) as u32,
        watches_per_session_max: next(4) as u32,
        datanodes_max: next(4) as u32,
        inline_value_max: next(4) as u32,
        page_bytes_max: next(4) as u32,
        lease_ns: next(8) as u64,
        heartbeat_timeout_ns: next(8) as u64,
        jobs_max: next(4) as u32,
        partition: next(2) as u16,
        partitions: next(2) as u16,
    }
}

/// A file of this state, which is that of a log after so many records.
fn snapshot(segment: &[u8], sequence: u64, state: &[u8]) -> Vec<u8> {
    let mut bytes = b"CRAKESNP".to_vec();
    bytes.extend_from_slice(&segment[8..32]);
    for number in [sequence, 0, 0] {
        bytes.extend(number.to_le_bytes());
    }
    bytes.extend_from_slice(&segment[ORIGIN_AT..SEGMENT_HEADER_BYTES]);
    bytes.extend((state.len() as u64).to_le_bytes());
    bytes.extend(sum(state).to_le_bytes());
    let header_sum = sum(&bytes[16..]);
    bytes[12..16].copy_from_slice(&header_sum.to_le_bytes());
    bytes.extend_from_slice(state);
    bytes
}

fn sum(bytes: &[u8]) -> u32 {
    checksum(CrcAlgorithm::Crc32Iscsi, bytes) as u32
}

fn saved(namespace: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    namespace.save(&mut bytes);
    bytes
}

/// A state whose checksum was right is read, or it is not one.
fn load(sample: &Sample, script: &mut Script<'_>) {
    let state = edited(&sample.state, script);
    let Ok(namespace) = Namespace::load(&state, Now::default()) else {
        return;
    };
    let first = saved(&namespace);
    let again = Namespace::load(&first, Now::default()).expect("it was written just now");
    assert!(saved(&again) == first, "another state was read than was written");
}

/// Records whose checksums are right are done again, or are none; what they do is what commands may do.
fn replay(sample: &Sample, script: &mut Script<'_>) {
    let mut namespace = Namespace::load(&sample.state, Now::default()).unwrap();
    let (mut mono_ns, mut sequence) = (0_u64, sample.records.len() as u64);
    while let Some(step) = script.step() {
        sequence += 1;
        mono_ns += u64::from(step) << 28;
        let at = usize::from(script.byte()) % sample.records.len();
        let mut record = edited(&sample.segment[sample.records[at].clone()], script);
        record.resize(record.len().max(RECORD_HEAD_BYTES), 0);
        for (at, number) in [(SEQUENCE_AT, sequence), (16, mono_ns), (24, mono_ns)] {
            record[at..at + 8].copy_from_slice(&number.to_le_bytes());
        }
        if let kind @ 1.. = script.byte() % 32 {
            let kind = match kind {
                ..24 => kind,
                31 => 24,
                event => event + 76,
            };
            record[44..46].copy_from_slice(&u16::from(kind).to_le_bytes());
        }
        finish(&mut record);
        match replay_all(&mut namespace, &record) {
            Ok(()) | Err((0, ReplayError::Malformed(_) | ReplayError::Diverged)) => {}
            Err((at, error)) => panic!("{error} at {at}, of one record"),
        }
        namespace.check().unwrap();
    }
    let first = saved(&namespace);
    let again = Namespace::load(&first, Now::default()).expect("it was written just now");
    again.check().unwrap();
    assert!(saved(&again) == first, "another state was read than was written");
}

/// Length and checksum of a record as they are to be.
fn finish(record: &mut [u8]) {
    let body_len = (record.len() - RECORD_HEAD_BYTES) as u32;
    record[4..8].copy_from_slice(&body_len.to_le_bytes());
    let sum = sum(&record[4..]);
    record[..4].copy_from_slice(&sum.to_le_bytes());
}

/// A namenode begins with files that are not what was written.
fn open(sample: &Sample, script: &mut Script<'_>) {
    let world = World::fresh(256 << 10);
    let mut lens = Vec::new();
    {
        let files = world.runtime.files(Path::new("/log")).unwrap();
        for _ in 0..=script.byte() % 3 {
            let (name, bytes) = file(sample, script);
            files.create(&name, 0).unwrap().append(&bytes).unwrap();
            lens.push((name, bytes.len() as u64));
        }
    }
    let start = || Namenode::start(&world.runtime, sample.config.clone());
    let nodes = match start() {
        Ok(namenode) => {
            namenode.check().unwrap();
            namenode.status().nodes
        }
        Err(StartError::Log(LogError::Damaged { file, offset, .. })) => {
            let len = lens.iter().rfind(|(name, _)| *name == file).unwrap().1;
            assert!(offset <= len, "damage at {offset} of {len} bytes");
            return;
        }
        Err(StartError::Log(_)) => return,
        Err(error) => panic!("{error}"),
    };
    world.settle();
    let again = start().expect("it has begun with this log before");
    again.check().unwrap();
    assert_eq!(again.status().nodes, nodes);
}

/// A segment or a snapshot under some name.
fn file(sample: &Sample, script: &mut Script<'_>) -> (String, Vec<u8>) {
    let (kind, number) = (script.byte(), u64::from(script.byte()) % 16);
    match kind % 4 {
        0 => {
            let bytes = edited(&sample.snapshot, script);
            let number = if number == 0 {
                sample.records.len() as u64
            } else {
                number
            };
            (format!("snapshot-{number:020}"), bytes)
        }
        // All of it, or the records from some number on.
        _ => {
            let first = number.clamp(1, sample.records.len() as u64);
            let from = sample.records[first as usize - 1].start;
            let mut bytes = sample.segment[..SEGMENT_HEADER_BYTES].to_vec();
            bytes[FIRST_AT..FIRST_AT + 8].copy_from_slice(&first.to_le_bytes());
            bytes.extend_from_slice(&sample.segment[from..]);
            bytes = edited(&bytes, script);
            if kind >= 128 {
                mend_sums(&mut bytes);
            } else {
                mend_header(&mut bytes);
            }
            (format!("log-{first:020}"), bytes)
        }
    }
}

fn mend_sums(segment: &mut [u8]) {
    mend_header(segment);
    for record in records(segment) {
        finish(&mut segment[record]);
    }
}

fn mend_header(segment: &mut [u8]) {
    if segment.len() >= SEGMENT_HEADER_BYTES {
        let sum = sum(&segment[16..SEGMENT_HEADER_BYTES]);
        segment[12..16].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Some bytes are others, are left out, or are added.
fn edited(bytes: &[u8], script: &mut Script<'_>) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for _ in 0..script.byte() % 5 {
        let at = usize::from(script.short()) % (bytes.len() + 1);
        match script.byte() {
            0 => bytes.truncate(at),
            1 => {
                let len = usize::from(script.byte());
                let added = script.bytes(len).to_vec();
                bytes.splice(at..at, added);
            }
            2 => {
                let end = bytes.len().min(at + usize::from(script.byte()));
                bytes.drain(at..end);
            }
            // What is there once more.
            3 => {
                let end = bytes.len().min(at + script.len());
                bytes.extend_from_within(at..end);
            }
            other => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = if other == 4 {
                        script.byte()
                    } else {
                        *byte ^ 1 << (other % 8)
                    };
                }
            }
        }
    }
    bytes
}
