//! Logs that are cut, damaged, or not what they should be, on the disk of a simulated node.

use std::path::Path;
use std::sync::Arc;

use crake_datapath::sim::{Crash, Network, SimConfig};
use crake_datapath::{Error, Files, Runtime};

use super::super::command::{
    Command, Condition, Create, Failure, Kind, NodeId, Now, Put, Register, SessionId,
};
use super::super::config::Config;
use super::super::namespace::Namespace;
use super::super::slab::Slab;
use super::LogError;
use super::header::{Header, Names, SegmentHeader, segment_name};
use super::journal::Journal;
use super::record::{HEAD_BYTES, Record};
use super::replay::{ReplayError, replay_all};
use super::writer::{Durability, Log, LogConfig, Opened};

const SESSION: SessionId = SessionId(5);

/// A directory of a simulated disk, and what is opened there.
struct Place {
    network: Network,
    runtime: Runtime,
    config: LogConfig,
}

struct Open {
    log: Log,
    namespace: Namespace,
    opened: Opened,
    first: u64,
    /// Names are made of it: they differ from those of before.
    steps: u64,
}

impl Place {
    fn new(durability: Durability) -> Place {
        let network = Network::new(1, SimConfig::default());
        Place {
            runtime: network.runtime(1),
            network,
            config: LogConfig {
                host: "this host".into(),
                ..LogConfig::new("/log", durability)
            },
        }
    }

    fn files(&self, directory: &str) -> Arc<dyn Files> {
        self.runtime.files(Path::new(directory)).unwrap()
    }

    fn open(&self, directory: &str) -> Result<Open, LogError> {
        let fresh = Config {
            seed: 77,
            ..Config::default()
        };
        let (log, namespace, opened) =
            Log::open(self.files(directory), &self.config, fresh, 4711, Now::default())?;
        Ok(Open {
            first: namespace.journal.sequence(),
            steps: namespace.journal.sequence(),
            log,
            namespace,
            opened,
        })
    }

    /// A directory with the same files, of which one is another.
    fn copy(&self, from: &str, to: &str, changed: &str, bytes: &[u8]) {
        let (from, to) = (self.files(from), self.files(to));
        for name in from.names().unwrap() {
            let content = if name == changed {
                bytes.to_vec()
            } else {
                from.read(&name).unwrap()
            };
            to.create(&name, 0).unwrap().append(&content).unwrap();
        }
    }

    fn contents(&self, directory: &str) -> Vec<(String, Vec<u8>)> {
        let files = self.files(directory);
        let names = files.names().unwrap().into_iter();
        names
            .map(|name| (name.clone(), files.read(&name).unwrap()))
            .collect()
    }
}

impl Open {
    /// Some command, each of which changes something.
    fn step(&mut self) {
        let now = Now {
            mono_ns: self.steps * 1000,
            wall_ns: self.steps * 1000,
        };
        let name = format!("/d/entry-{}", self.steps);
        let key = self.steps.to_le_bytes();
        let command = match (self.steps - self.first) % 4 {
            0 => Command::Register(Register {
                name: "datanode",
                incarnation: 1,
                capacity: 64 << 20,
                endpoints: &["tcp://10.0.0.1:1"],
                ..Register::default()
            }),
            1 => Command::Create(Create {
                path: &name,
                kind: Kind::File,
                parents: true,
                replace: true,
                // Not so many that the datanode is full.
                size_hint: if self.steps < 1000 { 5000 } else { 0 },
                ..Create::default()
            }),
            2 => Command::Create(Create {
                path: "/t",
                kind: Kind::Table,
                existing_ok: true,
                ..Create::default()
            }),
            _ => Command::Put(Put {
                table: NodeId::ROOT,
                path: "/t",
                key: &key,
                value: &[7; 30],
                condition: Condition::Always,
                ..Put::default()
            }),
        };
        self.namespace.apply(now, SESSION, &command).map(drop).unwrap();
        self.log.commit();
        self.steps += 1;
    }

    fn saved(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.namespace.save(&mut bytes);
        bytes
    }
}

/// Where the records of a segment begin.
fn starts(bytes: &[u8]) -> Vec<usize> {
    let mut at = SegmentHeader::len();
    let mut starts = Vec::new();
    while at < bytes.len() {
        starts.push(at);
        at += Record::read(&bytes[at..]).unwrap().1;
    }
    starts
}

/// A log of one segment, its bytes, and the state after each of its records.
fn log_of(place: &Place, steps: usize) -> (String, Vec<u8>, Vec<Vec<u8>>) {
    let mut open = place.open("/log").unwrap();
    let mut states = vec![open.saved()];
    for _ in 0..steps {
        open.step();
        states.push(open.saved());
    }
    drop(open);
    let name = segment_name(1);
    let bytes = place.files("/log").read(&name).unwrap();
    // The first record has the limits.
    assert_eq!(starts(&bytes).len(), steps + 1);
    (name, bytes, states)
}

#[test]
fn a_log_that_ends_anywhere_has_all_its_whole_records() {
    let place = Place::new(Durability::Async);
    let (name, bytes, states) = log_of(&place, 9);
    let starts = starts(&bytes);
    for len in SegmentHeader::len()..=bytes.len() {
        let directory = format!("/cut-{len}");
        place.copy("/log", &directory, &name, &bytes[..len]);
        let open = place.open(&directory).unwrap();
        let ends = starts[1..].iter().copied().chain([bytes.len()]);
        let whole = ends.filter(|&end| end <= len).count();
        assert_eq!(open.opened.replayed, whole as u64, "cut at {len}");
        if whole > 0 {
            assert!(open.saved() == states[whole - 1], "cut at {len}");
        }
        let end = if whole == 0 {
            SegmentHeader::len()
        } else {
            starts.get(whole).copied().unwrap_or(bytes.len())
        };
        let cut = (len > end).then(|| (name.clone(), (len - end) as u64));
        assert_eq!(open.opened.cut, cut, "cut at {len}");
        assert!(!open.opened.may_miss_some);
        drop(open);
        // What was cut is gone, and what comes after it is found.
        let again = place.open(&directory).unwrap();
        assert_eq!(
            (again.opened.cut.as_ref(), again.opened.replayed),
            (None, whole as u64 + 1)
        );
    }
}

#[test]
fn a_log_that_was_never_finished_begins_anew() {
    let place = Place::new(Durability::Sync);
    let (name, bytes, _) = log_of(&place, 0);
    for len in 0..SegmentHeader::len() {
        let directory = format!("/cut-{len}");
        place.copy("/log", &directory, &name, &bytes[..len]);
        assert_eq!(place.open(&directory).unwrap().opened.nodes, 1);
    }
}

#[test]
fn a_byte_that_is_another_is_found_and_nothing_is_changed() {
    let place = Place::new(Durability::Async);
    let (name, bytes, states) = log_of(&place, 5);
    let starts = starts(&bytes);
    let last = *starts.last().unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        let directory = format!("/flip-{at}");
        place.copy("/log", &directory, &name, &other);
        let before = place.contents(&directory);
        let record = starts
            .iter()
            .rev()
            .find(|&&start| start <= at)
            .copied()
            .unwrap_or(0);
        match place.open(&directory) {
            // Nothing follows on the last record: it may have been on its way when its writer died.
            Ok(open) if at >= last => assert!(open.saved() == states[states.len() - 2]),
            Ok(_) => panic!("byte {at} was believed"),
            Err(LogError::Damaged { file, offset, .. }) => {
                assert_eq!((&file, offset), (&name, record as u64), "byte {at}");
                assert!(place.contents(&directory) == before, "byte {at}");
            }
            Err(LogError::Version { .. }) => assert!((8..12).contains(&at)),
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn records_that_are_missing_or_come_twice_are_found() {
    let place = Place::new(Durability::Async);
    let (name, bytes, _) = log_of(&place, 5);
    let starts = starts(&bytes);
    let without = [&bytes[..starts[2]], &bytes[starts[3]..]].concat();
    place.copy("/log", "/without", &name, &without);
    let error = place.open("/without").err().unwrap();
    assert!(
        matches!(error, LogError::Damaged { offset, .. } if offset == starts[2] as u64),
        "{error}"
    );
    let twice = [&bytes[..starts[3]], &bytes[starts[2]..]].concat();
    place.copy("/log", "/twice", &name, &twice);
    assert!(matches!(place.open("/twice"), Err(LogError::Damaged { .. })));
}

/// Three segments, of which the second is not there, is another log's, or ends too early.
#[test]
fn segments_that_do_not_follow_on_each_other_are_found() {
    let place = Place::new(Durability::Async);
    for _ in 0..3 {
        let mut open = place.open("/log").unwrap();
        (0..3).for_each(|_| open.step());
    }
    let names = Names::of(&place.files("/log").names().unwrap());
    assert_eq!(names.segments, [1, 5, 9]);
    assert_eq!(place.open("/log").unwrap().opened.replayed, 12);
    let second = place.files("/log").read(&segment_name(5)).unwrap();

    place.copy("/log", "/gap", "", &[]);
    place.files("/gap").remove(&segment_name(5)).unwrap();
    let error = place.open("/gap").err().unwrap();
    assert_eq!(
        error.to_string(),
        format!(
            "records 5 to 8 of the log are missing: they belong before {}",
            segment_name(9)
        )
    );
    place.files("/gap").remove(&segment_name(1)).unwrap();
    assert!(matches!(
        place.open("/gap"),
        Err(LogError::Missing { from: 1, to: 8, .. })
    ));

    let other = SegmentHeader {
        cluster: 4712,
        ..SegmentHeader::decode("f", &second).unwrap()
    };
    let other = [&other.encode(), &second[SegmentHeader::len()..]].concat();
    place.copy("/log", "/other", &segment_name(5), &other);
    assert!(matches!(place.open("/other"), Err(LogError::OtherCluster { .. })));

    for len in [
        second.len() - 1,
        second.len() - HEAD_BYTES,
        SegmentHeader::len(),
        5,
    ] {
        let directory = format!("/short-{len}");
        place.copy("/log", &directory, &segment_name(5), &second[..len]);
        let error = place.open(&directory).err().unwrap();
        assert!(
            matches!(error, LogError::Damaged { .. } | LogError::Missing { .. }),
            "{len}: {error}"
        );
    }
}

#[test]
fn a_directory_has_one_log() {
    let place = Place::new(Durability::Async);
    let _open = place.open("/log").unwrap();
    let second = place.runtime.files(Path::new("/log"));
    assert_eq!(second.err(), Some(Error::Locked));
}

/// With each crash of the machine some of what was not synced is gone. What is given out only once is above all that was given out.
#[test]
fn after_a_loss_nothing_is_given_out_again() {
    let mut place = Place::new(Durability::Async);
    let mut ids = std::collections::BTreeSet::new();
    for life in 0..20 {
        let mut open = place.open("/log").unwrap();
        assert_eq!(open.opened.may_miss_some, life > 0);
        for _ in 0..3 {
            let create = Command::Create(Create {
                path: "/f",
                kind: Kind::File,
                replace: true,
                ..Create::default()
            });
            let reply = open.namespace.apply(Now::default(), SESSION, &create).unwrap();
            let super::super::command::Reply::Opened { node, lease, .. } = reply else {
                panic!("{reply:?}")
            };
            assert!(ids.insert(node.id.0) && ids.insert(lease.0 << 1), "life {life}");
            open.log.commit();
        }
        drop(open);
        place.network.crash(1, Crash::Machine);
        place.runtime = place.network.runtime(1);
        place.config.host = format!("host {life}");
    }
}

#[test]
fn what_was_synced_is_there_after_any_crash() {
    let mut place = Place::new(Durability::Sync);
    for life in 0..20_usize {
        let mut open = place.open("/log").unwrap();
        assert!(!open.opened.may_miss_some);
        (0..5).for_each(|_| open.step());
        let job = open.log.begin_sync().unwrap();
        job.run().unwrap();
        let saved = open.saved();
        let sequence = job.upto();
        drop(job);
        // These may be there, or some of them.
        (0..life % 4).for_each(|_| open.step());
        drop(open);
        place.network.crash(1, Crash::Machine);
        place.runtime = place.network.runtime(1);
        place.config.host = format!("host {life}");
        let again = place.open("/log").unwrap();
        // And one for the limits.
        let more = again.log.gate().is_open();
        assert!(more && again.opened.replayed >= sequence, "life {life}");
        if again.opened.replayed == sequence {
            assert!(again.saved() == saved, "life {life}");
        }
    }
}

/// What a process has written and not waited for is there for the next one, which builds on it: it must not go any more.
#[test]
fn what_was_read_again_is_there_after_any_crash() {
    let mut place = Place::new(Durability::Sync);
    for life in 0..20 {
        let mut open = place.open("/log").unwrap();
        (0..3).for_each(|_| open.step());
        drop(open);
        let crash = if life % 3 == 2 {
            Crash::Machine
        } else {
            Crash::Process
        };
        place.network.crash(1, crash);
        place.runtime = place.network.runtime(1);
        if crash == Crash::Machine {
            place.config.host = format!("host {life}");
        }
    }
}

/// The last record of a segment is damaged, and a later one says that it had been synced.
#[test]
fn damage_is_no_torn_end_if_it_was_synced() {
    let mut place = Place::new(Durability::Async);
    let mut open = place.open("/log").unwrap();
    (0..4).for_each(|_| open.step());
    let job = open.log.begin_sync().unwrap();
    let synced = job.run();
    open.log.synced(job.upto(), synced);
    drop(job);
    (0..2).for_each(|_| open.step());
    drop(open);
    let name = segment_name(1);
    let bytes = place.files("/log").read(&name).unwrap();
    let starts = starts(&bytes);
    place.config.host = "another life of the host".into();
    for (number, is_torn) in [(3, false), (4, false), (5, true), (6, true)] {
        let mut other = bytes.clone();
        other[starts[number] + 50] ^= 1;
        let directory = format!("/flip-{number}");
        place.copy("/log", &directory, &name, &other);
        match place.open(&directory) {
            Ok(open) => assert!(
                is_torn && open.opened.replayed == number as u64,
                "record {number}"
            ),
            Err(error) => assert!(!is_torn, "record {number}: {error}"),
        }
    }
}

/// Segments so small that they are finished soon.
#[test]
fn snapshots_take_the_place_of_finished_segments() {
    let mut place = Place::new(Durability::Async);
    place.config.segment_bytes = super::SEGMENT_BYTES_MIN;
    let mut open = place.open("/log").unwrap();
    let mut made = 0;
    for round in 0..4 {
        while open.log.begin_snapshot().is_none_or(|job| {
            assert!(job().unwrap().is_some());
            made += 1;
            false
        }) {
            (0..100).for_each(|_| open.step());
        }
        let names = Names::of(&open.log.names());
        assert_eq!(
            (names.snapshots.len(), names.segments.len()),
            (1, 1),
            "round {round}"
        );
    }
    assert_eq!(made, 4);
    let (saved, sequence) = (open.saved(), open.namespace.journal.sequence());
    drop(open);
    let again = place.open("/log").unwrap();
    assert!(again.saved() == saved);
    assert!(
        again.opened.replayed < sequence / 2,
        "{} of {sequence}",
        again.opened.replayed
    );
    again.namespace.check().unwrap();
    drop(again);

    // A snapshot that is damaged anywhere is not believed.
    let files = place.files("/log");
    let name = files
        .names()
        .unwrap()
        .into_iter()
        .find(|name| name.starts_with("snapshot-"))
        .unwrap();
    let bytes = files.read(&name).unwrap();
    drop(files);
    for at in (0..bytes.len()).step_by(bytes.len() / 40) {
        let mut other = bytes.clone();
        other[at] ^= 2;
        let directory = format!("/flip-{at}");
        place.copy("/log", &directory, &name, &other);
        let error = place.open(&directory).err().unwrap();
        let names_it = error.to_string().contains(&name);
        assert!(names_it, "byte {at}: {error}");
    }
}

/// Each append may stop anywhere; then nothing is acknowledged, and what is there afterwards is what was there before or with it.
#[test]
fn an_append_that_stops_anywhere_is_noticed_and_undone() {
    let mut place = Place::new(Durability::Async);
    for bytes in (0..400).step_by(7) {
        let directory = format!("/torn-{bytes}");
        let mut open = place.open(&directory).unwrap();
        place.network.tear_append(1, bytes);
        let mut states = vec![open.saved()];
        while open.log.failure().is_none() {
            open.step();
            states.push(open.saved());
        }
        assert!(!open.log.gate().is_open(), "nothing is answered");
        drop(open);
        place.network.crash(1, Crash::Process);
        place.runtime = place.network.runtime(1);
        let again = place.open(&directory).unwrap();
        let at = states.iter().position(|state| *state == again.saved()).unwrap();
        assert!(at + 2 >= states.len(), "{at} of {}", states.len());
    }
}

/// With them a state would be written down that cannot be read again.
#[test]
fn limits_that_no_namenode_has_are_no_record() {
    let journal = Journal::new(0, usize::MAX);
    let unsound = Config {
        page_bytes_max: 1,
        ..Config::default()
    };
    journal.limits(Now::default(), &unsound);
    let records = journal.drain(<[u8]>::to_vec).unwrap();
    let mut namespace = Namespace::new(Config::default());
    let refused = replay_all(&mut namespace, &records);
    assert!(
        matches!(refused, Err((0, ReplayError::Malformed(_)))),
        "{refused:?}"
    );
}

/// A namenode is started with room for fewer nodes than it has: they stay, and no others come until some are gone.
#[test]
fn what_is_there_stays_under_lower_limits() {
    let (now, journal) = (Now::default(), Journal::new(0, usize::MAX));
    let mut namespace = Namespace::new(Config::default());
    let make = |namespace: &mut Namespace, path| {
        let create = Command::Create(Create {
            path,
            ..Create::default()
        });
        namespace.apply(now, SESSION, &create).map(drop)
    };
    for path in ["a", "b", "c"] {
        make(&mut namespace, path).unwrap();
    }
    let fewer = Config {
        nodes_max: 3,
        ..Config::default()
    };
    journal.limits(now, &fewer);
    let records = journal.drain(<[u8]>::to_vec).unwrap();
    replay_all(&mut namespace, &records).unwrap();
    namespace.check().unwrap();
    assert_eq!(make(&mut namespace, "d"), Err(Failure::Full));
    for path in ["a", "b"] {
        let delete = Command::Delete {
            base: NodeId::ROOT,
            path,
            recursive: false,
        };
        namespace.apply(now, SESSION, &delete).map(drop).unwrap();
    }
    assert_eq!(make(&mut namespace, "d"), Ok(()));
    assert_eq!(make(&mut namespace, "e"), Err(Failure::Full));
}

#[test]
fn a_node_whose_name_is_not_there_is_no_state() {
    let mut namespace = Namespace::new(Config::default());
    let create = Create {
        path: &"n".repeat(200),
        kind: Kind::Directory,
        ..Create::default()
    };
    namespace
        .apply(Now::default(), SESSION, &Command::Create(create))
        .map(drop)
        .unwrap();
    let load = |namespace: &Namespace| {
        let mut bytes = Vec::new();
        namespace.save(&mut bytes);
        Namespace::load(&bytes, Now::default()).map(drop)
    };
    assert!(load(&namespace).is_ok());
    namespace.nodes.long_names = Slab::default();
    assert!(load(&namespace).is_err());
}
