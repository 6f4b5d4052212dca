//! Watches: who asked for it is told what happens to nodes and their entries. Multifiles that get no more parts.

use crake_server::namenode::command::{Condition, Create, Happened, Kind, NodeId, SessionId};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, B, MIB, ROOT, SECOND, World};

/// What a session is told: what happened, to which name, and the size then.
type Told = (Happened, String, u64);

/// A watch, by the session that has it.
struct Watch {
    session: SessionId,
    id: u64,
    watcher: u64,
    after: u64,
}

/// One answer.
struct Answer {
    sequence: u64,
    lost: bool,
    known: bool,
    events: Vec<(u64, u64, Told)>,
}

fn watch(world: &mut World, session: SessionId, path: &str) -> Result<Watch, Failure> {
    let (base, command) = (ROOT, path.trim_start_matches('/'));
    let command = Command::Watch { base, path: command };
    world.run(session, command, |reply| match reply {
        Reply::Watched { watch, watcher, .. } => Watch {
            session,
            id: watch,
            watcher,
            after: 0,
        },
        other => panic!("{other:?}"),
    })
}

impl Watch {
    fn ask(&self, world: &mut World) -> Answer {
        let command = Command::Events {
            watcher: self.watcher,
            after: self.after,
        };
        let answer = world.run(self.session, command, |reply| match reply {
            Reply::Events(list) => Answer {
                sequence: list.sequence,
                lost: list.lost,
                known: list.is_known,
                events: list
                    .events
                    .map(|event| {
                        let name = String::from_utf8_lossy(event.name).into_owned();
                        (
                            event.sequence,
                            event.watch,
                            (event.happened, name, event.node.size),
                        )
                    })
                    .collect(),
            },
            other => panic!("{other:?}"),
        });
        answer.unwrap()
    }

    /// What was not told before.
    fn told(&mut self, world: &mut World) -> Vec<Told> {
        let answer = self.ask(world);
        assert!(answer.known && !answer.lost);
        self.after = answer.sequence;
        answer.events.into_iter().map(|(_, _, told)| told).collect()
    }
}

fn told(happened: Happened, name: &str, size: u64) -> Told {
    (happened, name.into(), size)
}

#[test]
fn an_answer_that_was_lost_is_given_again_until_it_has_arrived() {
    let mut world = World::new();
    world.directory("/d");
    let mut watched = watch(&mut world, A, "/d").unwrap();
    assert!(watched.told(&mut world).is_empty());
    world.directory("/d/x");
    world.directory("/d/y");
    let first = watched.ask(&mut world);
    assert_eq!(first.events.len(), 2);
    assert_eq!(watched.ask(&mut world).events, first.events);
    watched.after = first.events[0].0;
    assert_eq!(watched.ask(&mut world).events, first.events[1..]);
    watched.after = first.sequence;
    assert!(watched.told(&mut world).is_empty());
}

#[test]
fn a_file_that_grows_in_small_steps_is_told_by_its_last_size_but_not_over_what_was_told() {
    let mut world = World::with_memory(4);
    world.directory("/d");
    let mut watched = watch(&mut world, A, "/d").unwrap();
    let file = world.file("/d/f");
    world.allocate(&file, 0, MIB).unwrap();
    for size in 1..=100 {
        world.publish(&file, size, false).unwrap();
    }
    let answer = watched.ask(&mut world);
    assert_eq!(
        answer.events.iter().map(|(_, _, told)| told).collect::<Vec<_>>(),
        [&told(Happened::Created, "f", 0), &told(Happened::Grew, "f", 100)]
    );
    // The answer may be lost, or not: the next growth has a number of its own.
    world.publish(&file, 200, false).unwrap();
    watched.after = answer.sequence;
    assert_eq!(watched.told(&mut world), [told(Happened::Grew, "f", 200)]);
    world.publish(&file, 300, true).unwrap();
    assert_eq!(
        watched.told(&mut world),
        [told(Happened::Grew, "f", 300), told(Happened::Sealed, "f", 300)]
    );
}

#[test]
fn a_writer_that_falls_silent_seals_for_who_watches() {
    let mut world = World::with_memory(4);
    let file = world.file("/f");
    world.allocate(&file, 0, MIB).unwrap();
    world.publish(&file, 7, false).unwrap();
    let mut watched = watch(&mut world, B, "/f").unwrap();
    for _ in 0..12 {
        world.pass(SECOND);
        watched.ask(&mut world);
    }
    assert_eq!(watched.told(&mut world), [told(Happened::Sealed, "", 7)]);
}

#[test]
fn a_node_that_is_gone_is_told_once_and_not_watched_any_more() {
    let mut world = World::with_memory(4);
    world.directory("/d");
    world.directory("/d/e");
    world.written("/d/e/f", 5);
    let mut deep = watch(&mut world, A, "/d/e/f").unwrap();
    let mut above = watch(&mut world, B, "/d").unwrap();
    world.delete("/d/e", true).unwrap();
    assert_eq!(deep.told(&mut world), [told(Happened::Deleted, "", 5)]);
    assert_eq!(above.told(&mut world), [told(Happened::Deleted, "e", 1)]);
    // Another node of the same name, perhaps in the same record, is another's affair.
    world.directory("/d/e");
    world.written("/d/e/f", 5);
    assert!(deep.told(&mut world).is_empty());
}

#[test]
fn a_file_that_is_replaced_is_another() {
    let mut world = World::with_memory(4);
    world.written("/f", 5);
    let mut file = watch(&mut world, A, "/f").unwrap();
    let mut root = watch(&mut world, B, "/").unwrap();
    let replace = Create {
        path: "f",
        kind: Kind::File,
        replace: true,
        ..Create::default()
    };
    world.create(replace).unwrap();
    assert_eq!(file.told(&mut world), [told(Happened::Deleted, "", 5)]);
    assert_eq!(
        root.told(&mut world),
        [told(Happened::Deleted, "f", 5), told(Happened::Created, "f", 0)]
    );
    world.written("/g", 3);
    root.told(&mut world);
    world.rename("/g", "/f").unwrap();
    assert_eq!(
        root.told(&mut world),
        [
            told(Happened::Deleted, "f", 0),
            told(Happened::Deleted, "g", 3),
            told(Happened::Created, "f", 3)
        ]
    );
}

#[test]
fn keys_are_told_with_their_values() {
    let mut world = World::with_memory(4);
    world.make("/t", Kind::Table).unwrap();
    let mut table = watch(&mut world, A, "/t").unwrap();
    world.put(b"k", b"123", Condition::Always).unwrap();
    world.put(b"k", b"", Condition::Always).unwrap();
    world.put(b"k", b"1", Condition::IfAbsent).unwrap_err();
    world.remove(b"k", Condition::Always).unwrap();
    assert_eq!(
        table.told(&mut world),
        [
            told(Happened::Put, "k", 3),
            told(Happened::Put, "k", 0),
            told(Happened::Deleted, "k", 0)
        ]
    );
}

#[test]
fn who_does_not_ask_is_forgotten_and_a_watcher_is_not_taken_for_another() {
    let mut world = World::new();
    let mut watched = watch(&mut world, A, "/").unwrap();
    world.directory("/a");
    world.pass(11 * SECOND);
    assert!(!watched.ask(&mut world).known);
    let again = watch(&mut world, A, "/").unwrap();
    assert_ne!(again.watcher, watched.watcher);
    assert_ne!(again.id, watched.id);
    assert!(
        !watched.ask(&mut world).known,
        "by its old number it would take new events for seen"
    );
    watched.watcher = again.watcher;
    world.directory("/b");
    assert_eq!(watched.told(&mut world), [told(Happened::Created, "b", 0)]);
}

#[test]
fn a_watch_that_is_ended_tells_nothing_and_another_sessions_cannot_be() {
    let mut world = World::new();
    let mut kept = watch(&mut world, A, "/").unwrap();
    let ended = watch(&mut world, A, "/").unwrap();
    world.directory("/x");
    for (session, watch) in [(B, kept.id), (A, ended.id), (A, 999)] {
        let unwatched = world.run(session, Command::Unwatch { watch }, |reply| {
            matches!(reply, Reply::Unwatched)
        });
        assert!(unwatched.unwrap());
    }
    world.directory("/y");
    let answer = kept.ask(&mut world);
    assert!(answer.events.iter().all(|(_, watch, _)| *watch == kept.id));
    assert_eq!(
        kept.told(&mut world),
        [told(Happened::Created, "x", 0), told(Happened::Created, "y", 0)]
    );
}

#[test]
fn too_many_events_are_lost_and_said_to_be() {
    let mut world = World::new();
    world.make("/table", Kind::Table).unwrap();
    let mut table = watch(&mut world, A, "/table").unwrap();
    for number in 0..5000_u32 {
        let put = Command::Put(crake_server::namenode::command::Put {
            table: ROOT,
            path: "table",
            key: &number.to_be_bytes(),
            ..Default::default()
        });
        world.namespace.apply(world.now, B, &put).unwrap();
    }
    let answer = table.ask(&mut world);
    assert!(answer.lost && answer.events.len() <= 904);
    table.after = answer.sequence;
    // Said once it has arrived, it is not said again.
    while let Answer {
        lost: false,
        sequence,
        ..
    } = table.ask(&mut world)
    {
        if sequence == table.after {
            return;
        }
        table.after = sequence;
    }
    panic!("it is said again");
}

#[test]
fn watches_and_watchers_have_limits() {
    let mut world = World::with(Config {
        sessions_max: 1,
        watches_per_session_max: 2,
        ..Config::default()
    });
    assert!(watch(&mut world, A, "/").is_ok());
    assert!(watch(&mut world, A, "/").is_ok());
    assert_eq!(watch(&mut world, A, "/").err(), Some(Failure::Full));
    assert_eq!(watch(&mut world, B, "/").err(), Some(Failure::Full));
    assert_eq!(watch(&mut world, A, "/none").err(), Some(Failure::NotFound));
}

fn seal(world: &mut World, path: &str) -> Result<bool, Failure> {
    let base = ROOT;
    let path = path.trim_start_matches('/');
    world.run(A, Command::Seal { base, path }, |reply| match reply {
        Reply::Node { node, .. } => node.open,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_sealed_multifile_gets_no_more_parts_and_keeps_those_it_has() {
    let mut world = World::with_memory(4);
    world.make("/m", Kind::Multifile).unwrap();
    assert!(world.lookup("/m").unwrap().open);
    let part = world.file("/m/a");
    world.written("/b", 3);
    let mut watched = watch(&mut world, A, "/m").unwrap();
    assert_eq!(seal(&mut world, "/m"), Ok(false));
    assert_eq!(seal(&mut world, "/m"), Ok(false), "again");
    assert!(!world.lookup("/m").unwrap().open);
    let create = Create {
        path: "m/c",
        kind: Kind::File,
        ..Create::default()
    };
    assert_eq!(world.create(create).err(), Some(Failure::Sealed));
    assert_eq!(world.rename("/b", "/m/b").err(), Some(Failure::Sealed));
    world.allocate(&part, 0, MIB).unwrap();
    world.publish(&part, 9, true).unwrap();
    assert_eq!(
        watched.told(&mut world),
        [
            told(Happened::Sealed, "", 1),
            told(Happened::Grew, "a", 9),
            told(Happened::Sealed, "a", 9)
        ]
    );
    world.rename("/m/a", "/a").unwrap();
    assert_eq!(world.lookup("/m").unwrap().size, 0);
    world.delete("/m", false).unwrap();
    for path in ["/", "/a"] {
        assert_eq!(seal(&mut world, path), Err(Failure::WrongKind));
    }
}

#[test]
fn a_listing_with_blocks_has_those_of_each_file_and_is_cut_where_a_message_would_be_too_long() {
    let mut world = World::with_memory(1024);
    world.make("/m", Kind::Multifile).unwrap();
    for number in 0..70 {
        world.written(&format!("/m/{number:02}"), number % 20 * MIB);
    }
    let (mut after, mut seen) = (String::new(), 0);
    loop {
        let list = Command::List {
            base: NodeId::ROOT,
            path: "m",
            prefix: &[],
            after: after.as_bytes(),
            limit: 0,
            blocks: true,
        };
        let (page, more) = world
            .run(A, list, |reply| match reply {
                Reply::List { entries, more, .. } => {
                    let entries = entries.map(|entry| {
                        let name = String::from_utf8(entry.name.to_vec()).unwrap();
                        (name, entry.node.size, entry.blocks.len())
                    });
                    (entries.collect::<Vec<_>>(), more)
                }
                other => panic!("{other:?}"),
            })
            .unwrap();
        for (name, size, blocks) in &page {
            assert_eq!(*name, format!("{seen:02}"));
            assert_eq!(*size, seen % 20 * MIB);
            assert_eq!(*blocks as u64, (seen % 20).min(16), "the first blocks of {name}");
            seen += 1;
        }
        after = page.last().unwrap().0.clone();
        if !more {
            break;
        }
        assert!(page.len() < 70);
    }
    assert_eq!(seen, 70);
}

#[test]
fn what_ends_by_itself_is_told_like_what_is_deleted_and_so_is_what_is_below() {
    let mut world = World::new();
    world.directory("/d");
    let create = |path, ttl_ns| Create {
        path,
        kind: Kind::Directory,
        ttl_ns,
        ..Create::default()
    };
    world.create(create("/d/x", SECOND)).unwrap();
    world.create(create("/d/x/below", 0)).unwrap();
    let mut above = watch(&mut world, A, "/d").unwrap();
    let mut below = watch(&mut world, B, "/d/x/below").unwrap();
    world.pass(SECOND);
    world.pass(SECOND);
    assert_eq!(above.told(&mut world), [told(Happened::Deleted, "x", 1)]);
    assert_eq!(below.told(&mut world), [told(Happened::Deleted, "", 0)]);
}
