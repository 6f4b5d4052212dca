//! Records and what they give when they are done again.

use crake_server::namenode::command::{Amount, Create, JobCreate, JobId, Kind, Put, PutItem};
use crake_server::namenode::log::{Journal, ReplayError, replay_all};
use crake_server::namenode::{Command, Config, Failure, Namespace};

use crate::world::{A, B, MIB, ROOT, SECOND, World};

/// A world whose records are kept.
fn recorded() -> (World, Journal) {
    let mut world = World::new();
    let journal = Journal::new(0, usize::MAX);
    world.namespace.keep_journal(&journal);
    (world, journal)
}

fn records(journal: &Journal) -> Vec<u8> {
    journal.drain(<[u8]>::to_vec).unwrap_or_default()
}

fn saved(namespace: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    namespace.save(&mut bytes);
    bytes
}

fn assert_replays(world: &World, records: &[u8]) {
    let mut replayed = Namespace::new(Config::default());
    assert_eq!(replay_all(&mut replayed, records), Ok(()));
    assert!(saved(&replayed) == saved(&world.namespace), "another state");
}

#[test]
fn what_reads_or_fails_or_only_says_that_somebody_lives_is_no_record() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 8 * MIB);
    world.directory("/d");
    assert!(!records(&journal).is_empty());
    world.lookup("/d").unwrap();
    world.names("/");
    world.lookup("/none").unwrap_err();
    world.make("/d", Kind::Directory).unwrap_err();
    assert!(world.heartbeat(1, 1));
    world.namespace.apply(world.now, B, &Command::Renew).unwrap();
    assert_eq!(journal.sequence(), 2);
    assert_eq!(records(&journal), []);
}

#[test]
fn what_time_brings_about_happens_where_it_happened() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 8 * MIB);
    let file = world.file("/f");
    world.allocate(&file, 0, MIB).unwrap();
    // Renewals are no records: on replay nothing says that this session lived for so long.
    for _ in 0..30 {
        world.pass(SECOND);
        world.heartbeat(1, 1);
        world.namespace.apply(world.now, A, &Command::Renew).unwrap();
    }
    world.publish(&file, 7, false).unwrap();
    // The datanode falls silent first, then the writer; then the datanode is heard again.
    world.pass(6 * SECOND);
    world.pass(5 * SECOND);
    assert_eq!(world.space().0, 0);
    world.heartbeat(1, 1);
    assert_eq!(world.space().0, 8 * MIB);
    let again = world.append(B, "/f").unwrap();
    assert_ne!(again.lease, file.lease);
    assert_replays(&world, &records(&journal));
}

/// A value for which there is not room enough uses up generations before that shows.
#[test]
fn what_a_refused_command_has_used_up_is_used_up_again() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 2 * MIB);
    world.make("/t", Kind::Table).unwrap();
    let large = Command::Put(Put {
        path: "/t",
        key: b"k",
        size: 3 * MIB,
        large: true,
        ..Put::default()
    });
    let refused = world.namespace.apply(world.now, A, &large).map(drop);
    assert_eq!(refused, Err(Failure::NoSpace));
    let file = world.file("/f");
    world.allocate(&file, 0, MIB).unwrap();
    assert_replays(&world, &records(&journal));
}

#[test]
fn a_sealed_multifile_and_a_long_name_are_the_same_again() {
    let (mut world, journal) = recorded();
    world.make("/m", Kind::Multifile).unwrap();
    world.directory(&format!("/{}", "n".repeat(200)));
    let seal = Command::Seal {
        base: ROOT,
        path: "/m",
    };
    world.namespace.apply(world.now, A, &seal).map(drop).unwrap();
    let before = records(&journal);
    assert_replays(&world, &before);
    let mut loaded = Namespace::load(&saved(&world.namespace), world.now).unwrap();
    let part = Command::Create(Create {
        path: "/m/part",
        kind: Kind::File,
        ..Create::default()
    });
    let refused = loaded.apply(world.now, A, &part).map(drop);
    assert_eq!(refused, Err(Failure::Sealed));
}

fn create(path: &str, size_hint: u64) -> Command<'_> {
    Command::Create(Create {
        path,
        kind: Kind::File,
        size_hint,
        ..Create::default()
    })
}

/// With a quota that refuses blocks after some were taken, a value on its way, a removal that takes several slices, and a job
/// that ends with its session; and all of that also from each state on the way.
#[test]
fn jobs_are_the_same_again() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 64 * MIB);
    let job = |bytes| {
        let quota = Amount { bytes, nodes: 0 };
        Command::JobCreate(JobCreate { name: "job", quota })
    };
    let mut states = Vec::new();
    let mut all = Vec::new();
    let mut step = |world: &mut World, session, command: &Command<'_>| {
        let done = world.namespace.apply(world.now, session, command).is_ok();
        journal.drain(|bytes| all.extend_from_slice(bytes));
        states.push((saved(&world.namespace), all.len()));
        world.check();
        done
    };
    assert!(step(&mut world, A, &job(MIB)) && step(&mut world, B, &job(0)));
    assert!(step(&mut world, A, &create("/jobs/1/f", 500_000)));
    // What the job may have is taken, and no more.
    step(&mut world, A, &create("/jobs/1/g", 700_000));
    assert!(!step(&mut world, A, &create("/jobs/1/h", 700_000)));
    let table = Create {
        path: "/jobs/2/t",
        kind: Kind::Table,
        ..Create::default()
    };
    assert!(step(&mut world, B, &Command::Create(table)));
    let large = Put {
        path: "/jobs/2/t",
        key: b"k",
        size: 3 * MIB,
        large: true,
        ..Put::default()
    };
    assert!(step(&mut world, B, &Command::Put(large)));
    for number in 0..3000 {
        let path = format!("/jobs/2/file-{number}");
        world.namespace.apply(world.now, B, &create(&path, 0)).unwrap();
    }
    let end = Command::JobEnd {
        job: JobId(2),
        kill: true,
    };
    assert!(step(&mut world, A, &end));
    // Slice by slice; then the other one's session is silent, too.
    for _ in 0..8 {
        world.now.mono_ns += 2_000_000;
        assert!(step(&mut world, A, &Command::Renew));
    }
    world.now.mono_ns += 60 * SECOND;
    for _ in 0..3 {
        world.now.mono_ns += 2_000_000;
        assert!(step(&mut world, B, &Command::Renew));
    }
    assert_eq!((world.used(), world.names("/jobs")), (0, vec![]));
    assert_replays(&world, &all);
    for (state, from) in states {
        let mut loaded = Namespace::load(&state, world.now).unwrap();
        loaded.check().unwrap();
        assert_eq!(replay_all(&mut loaded, &all[from..]), Ok(()));
        assert!(saved(&loaded) == saved(&world.namespace), "another state");
    }
}

#[test]
fn records_of_another_history_are_noticed() {
    let (mut world, journal) = recorded();
    world.directory("/a");
    let first = records(&journal);
    world.directory("/b");
    let second = records(&journal);
    let mut replayed = Namespace::new(Config::default());
    assert_eq!(
        replay_all(&mut replayed, &second),
        Err((0, ReplayError::Diverged))
    );
    let mut replayed = Namespace::new(Config::default());
    let both = [&first[..], &first].concat();
    assert_eq!(
        replay_all(&mut replayed, &both),
        Err((first.len(), ReplayError::Diverged))
    );
}

#[test]
fn without_room_for_its_record_nothing_changes_and_everything_is_read() {
    let (mut world, journal) = recorded();
    world.directory("/d");
    let before = journal.sequence();
    journal.set_room(1 << 20);
    let create = Command::Create(Create {
        path: "/e",
        ..Create::default()
    });
    let refused = world.namespace.apply(world.now, A, &create).map(drop);
    assert_eq!(refused, Err(Failure::LogFull));
    assert_eq!(world.names("/"), ["d"]);
    assert_eq!(journal.sequence(), before);
    journal.set_room(2 << 20);
    world.namespace.apply(world.now, A, &create).unwrap();
    assert_eq!(world.names("/"), ["d", "e"]);
}

#[test]
fn what_time_brings_about_waits_for_room() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 8 * MIB);
    let file = world.file("/f");
    records(&journal);
    journal.set_room(0);
    world.pass(60 * SECOND);
    let appended = |world: &mut World| {
        let append = Command::Append {
            base: ROOT,
            path: "/f",
        };
        world.namespace.apply(world.now, B, &append).map(drop)
    };
    // Without room nobody may begin to write either way; whose lease it is shows only in what is counted.
    assert_eq!(appended(&mut world), Err(Failure::LogFull));
    assert_eq!(world.namespace.next_timeout(), Some(10 * SECOND));
    journal.set_room(usize::MAX);
    world.pass(SECOND);
    assert_eq!(world.publish(&file, 0, true), Err(Failure::LeaseLost));
    assert_eq!(world.space().0, 0);
    assert_eq!(journal.sequence(), 4);
}

/// Ends of nodes, what is due and not yet removed, and names that are taken again: also from each state on the way.
#[test]
fn ends_numbers_and_many_puts_are_the_same_again() {
    let (mut world, journal) = recorded();
    world.register("datanode", 1, 64 * MIB);
    world.make("/t", Kind::Table).unwrap();
    let (mut states, mut all) = (Vec::new(), Vec::new());
    let items = (0..100_u8).map(|key| [key]).collect::<Vec<_>>();
    let items = items.iter().map(|key| PutItem {
        key,
        value: b"41",
        ttl_ns: u64::from(key[0] % 3) * SECOND,
        ..PutItem::default()
    });
    let items = items.collect::<Vec<_>>();
    let add = |delta| Command::Add {
        table: ROOT,
        path: "/t",
        key: &[0],
        delta,
    };
    let timed = |path, kind, seconds: u64| {
        Command::Create(Create {
            path,
            kind,
            ttl_ns: seconds * SECOND,
            parents: true,
            ..Create::default()
        })
    };
    let commands = [
        Command::MultiPut {
            table: ROOT,
            path: "/t",
            items: &items,
        },
        add(1),
        timed("/d", Kind::Directory, 2),
        timed("/d/e/f", Kind::File, 0),
        timed("/g", Kind::File, 1),
        // Before and after the first of them is due.
        timed("/g", Kind::File, 5),
        timed("/g", Kind::File, 5),
        add(-100),
        Command::SetTtl {
            base: ROOT,
            path: "/g",
            key: &[],
            ttl_ns: 7 * SECOND,
        },
        timed("/d/late", Kind::File, 0),
        timed("/d/e", Kind::Directory, 0),
    ];
    for command in &commands {
        // What is due is removed in the meantime, or found to be due by the command.
        world.now.mono_ns += SECOND / 3;
        world.now.wall_ns += SECOND / 3;
        let _ = world.namespace.apply(world.now, A, command);
        journal.drain(|bytes| all.extend_from_slice(bytes));
        states.push((saved(&world.namespace), world.now, all.len()));
        world.check();
    }
    assert_replays(&world, &all);
    for (state, now, at) in states {
        let mut loaded = Namespace::load(&state, now).unwrap();
        replay_all(&mut loaded, &all[at..]).unwrap();
        assert!(saved(&loaded) == saved(&world.namespace), "from byte {at} on");
    }
}
