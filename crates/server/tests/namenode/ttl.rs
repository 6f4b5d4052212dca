//! Time to live: what is due is not found, and is removed bit by bit.

use crake_server::namenode::command::{Condition, Create, Kind, NodeId, Put, PutItem, Scan};
use crake_server::namenode::{Command, Config, Failure, Namespace, Read, Reply};

use crate::world::{A, B, MIB, ROOT, SECOND, World};

use Condition::{Always, IfAbsent, IfVersion};

const MS: u64 = SECOND / 1000;

impl World {
    fn make_for(&mut self, path: &str, kind: Kind, ttl_ns: u64) -> crate::world::Opened {
        self.create(Create {
            path,
            kind,
            parents: true,
            ttl_ns,
            ..Create::default()
        })
        .unwrap()
    }

    fn set_ttl(&mut self, path: &str, key: &[u8], ttl_ns: u64) -> Result<u64, Failure> {
        let command = Command::SetTtl {
            base: ROOT,
            path,
            key,
            ttl_ns,
        };
        self.run(A, command, |reply| match reply {
            Reply::Node { node, .. } => node.expires_ns,
            other => panic!("{other:?}"),
        })
    }

    fn put_for(&mut self, key: &[u8], value: &[u8], ttl_ns: u64) -> Result<u64, Failure> {
        let put = Put {
            path: "/t",
            key,
            value,
            ttl_ns,
            ..Put::default()
        };
        self.run(A, Command::Put(put), |reply| match reply {
            Reply::Put { version, .. } => version,
            other => panic!("{other:?}"),
        })
    }

    fn keys(&mut self) -> Vec<Vec<u8>> {
        let (keys, more) = self.scan_bytes(Scan::default());
        assert!(!more);
        keys
    }

    /// Goes on without a check after each step, which would take long.
    fn pass_unchecked(&mut self, nanoseconds: u64) {
        self.now.mono_ns += nanoseconds;
        self.now.wall_ns += nanoseconds;
        self.namespace.advance(self.now);
    }

    fn nodes(&mut self) -> u64 {
        self.usage(|usage| usage.nodes)
    }
}

fn table() -> World {
    let mut world = World::with_memory(16);
    world.make("/t", Kind::Table).unwrap();
    world
}

#[test]
fn every_kind_of_node_ends_when_it_is_due() {
    for kind in [Kind::Directory, Kind::File, Kind::Multifile, Kind::Table] {
        let mut world = World::new();
        let node = world.make_for("/d/x", kind, 5 * SECOND).node;
        assert_eq!(node.expires_ns, world.now.wall_ns + 5 * SECOND);
        world.pass(5 * SECOND - 1);
        assert_eq!(world.lookup("/d/x").unwrap().id, node.id);
        world.pass(1);
        assert_eq!(world.lookup("/d/x"), Err(Failure::NotFound));
        assert_eq!(world.lookup_from(node.id, ""), Err(Failure::NotFound));
        assert_eq!(world.names("/d"), [""; 0]);
        assert_eq!(world.nodes(), 2, "it is removed");
        assert_ne!(world.make("/d/x", kind).unwrap().node.id, node.id);
    }
}

#[test]
fn a_key_ends_and_begins_anew_with_a_higher_version() {
    let mut world = table();
    world.put_for(b"k", b"v", SECOND).unwrap();
    world.put_for(b"l", b"w", 0).unwrap();
    world.pass(SECOND - 1);
    assert!(world.get(b"k").unwrap().found);
    world.pass(1);
    assert!(!world.get(b"k").unwrap().found);
    assert_eq!(world.keys(), [b"l"]);
    assert_eq!(world.put(b"k", b"v", IfVersion(1)), Err(Failure::VersionMismatch));
    assert_eq!(world.put(b"k", b"v", IfAbsent), Ok(3));
    world.pass(10 * SECOND);
    assert!(world.get(b"k").unwrap().found, "a put without an end has none");
}

#[test]
fn a_put_decides_anew_and_an_addition_does_not() {
    let mut world = table();
    world.put_for(b"k", b"1", SECOND).unwrap();
    world.put_for(b"k", b"2", 3 * SECOND).unwrap();
    world.pass(2 * SECOND);
    assert!(world.get(b"k").unwrap().found);
    world.put(b"k", b"3", Always).unwrap();
    world.pass(2 * SECOND);
    assert!(world.get(b"k").unwrap().found);
    world.put_for(b"k", b"4", SECOND).unwrap();
    let add = Command::Add {
        table: ROOT,
        path: "/t",
        key: b"k",
        delta: 1,
    };
    world.run(A, add, |_| ()).unwrap();
    world.pass(SECOND);
    assert!(!world.get(b"k").unwrap().found, "a counter ends as it was to");
    world
        .run(A, add, |reply| {
            assert!(matches!(reply, Reply::Added { value: 1, .. }))
        })
        .unwrap();
}

#[test]
fn an_end_is_set_moved_and_taken_back() {
    let mut world = table();
    world.file("/f");
    let due_ns = world.now.wall_ns + SECOND;
    assert_eq!(world.set_ttl("/f", b"", SECOND), Ok(due_ns));
    assert_eq!(world.lookup("/f").unwrap().expires_ns, due_ns);
    assert_eq!(world.set_ttl("/f", b"", 3 * SECOND), Ok(due_ns + 2 * SECOND));
    world.pass(2 * SECOND);
    assert_eq!(world.set_ttl("/f", b"", 0), Ok(0));
    world.pass(9 * SECOND);
    world.lookup("/f").unwrap();
    world.put(b"/k", b"v", Always).unwrap();
    world.set_ttl("/t", b"/k", SECOND).unwrap();
    world.set_ttl("/t", b"", 60 * SECOND).unwrap();
    world.pass(SECOND);
    assert!(!world.get(b"/k").unwrap().found);
    assert_eq!(world.set_ttl("/t", b"/k", SECOND), Err(Failure::NotFound));
    assert_eq!(world.set_ttl("/", b"", SECOND), Err(Failure::RootIsFixed));
    assert_eq!(world.set_ttl("/x", b"", SECOND), Err(Failure::NotFound));
    assert_eq!(world.set_ttl("/f", b"k", SECOND), Err(Failure::WrongKind));
    world.set_ttl("/f", b"", u64::MAX).unwrap();
    world.pass(60 * SECOND);
    assert_eq!(world.names("/"), ["f"]);
}

#[test]
fn what_is_below_goes_too_by_whatever_way_it_is_looked_for() {
    let mut world = World::with_memory(16);
    world.make_for("/d", Kind::Directory, SECOND);
    let below = world.make_for("/d/e", Kind::Directory, 0).node.id;
    let file = world.written("/d/e/f", 5000);
    let table = world.make_for("/d/t", Kind::Table, 0).node.id;
    let key = Command::Put(Put {
        table,
        key: b"k",
        ..Put::default()
    });
    world.run(A, key, |_| ()).unwrap();
    world.lookup("/d/e/f").unwrap();
    world.pass(SECOND);
    assert_eq!(world.lookup("/d/e/f"), Err(Failure::NotFound));
    assert_eq!(world.lookup_from(below, "f"), Err(Failure::NotFound));
    assert_eq!(world.blocks(file.id, 0, 0), Err(Failure::NotFound));
    let get = Command::Get {
        table,
        path: "",
        key: b"k",
    };
    assert_eq!(world.run(A, get, |_| ()), Err(Failure::NotFound));
    assert_eq!(world.run(A, key, |_| ()), Err(Failure::NotFound));
    assert_eq!((world.nodes(), world.used()), (1, 0));
}

#[test]
fn a_writer_whose_file_is_due_loses_its_lease() {
    let mut world = World::with_memory(16);
    let file = world.make_for("/f", Kind::File, SECOND);
    world.allocate(&file, 0, MIB).unwrap();
    world.publish(&file, 100, false).unwrap();
    world.pass(SECOND);
    assert_eq!(world.allocate(&file, MIB, MIB), Err(Failure::NotFound));
    assert_eq!(world.publish(&file, 200, true), Err(Failure::NotFound));
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
}

#[test]
fn the_bytes_of_a_file_that_is_looked_at_stay_until_nobody_looks() {
    let mut world = World::with_memory(16);
    let file = world.written("/f", 5000);
    world.open(B, Command::Pin { node: file.id }).unwrap();
    world.set_ttl("/f", b"", SECOND).unwrap();
    world.pass(SECOND);
    assert_eq!(world.lookup("/f"), Err(Failure::NotFound));
    assert!(!world.blocks(file.id, 0, 0).unwrap().is_empty());
    world.open(B, Command::Pin { node: file.id }).unwrap();
    assert_eq!(
        world.open(A, Command::Pin { node: file.id }).map(|_| ()),
        Err(Failure::NotFound)
    );
    assert_ne!(world.used(), 0);
    for _ in 0..2 {
        world.heartbeat(1, 1);
        world.pass(4 * SECOND);
    }
    world.heartbeat(1, 1);
    world.pass(4 * SECOND);
    assert_eq!(world.used(), 0, "the one who looked is silent");
}

#[test]
fn a_large_value_lives_from_its_commit_on() {
    let mut world = table();
    let put = Put {
        path: "/t",
        key: b"k",
        large: true,
        size: MIB,
        ttl_ns: 2 * SECOND,
        ..Put::default()
    };
    let pending = world
        .run(A, Command::Put(put), |reply| match reply {
            Reply::Put { pending, .. } => pending,
            other => panic!("{other:?}"),
        })
        .unwrap();
    world.pass(SECOND);
    world.commit(pending, false).unwrap();
    world.pass(2 * SECOND - 1);
    assert_eq!(world.get(b"k").unwrap().size, MIB);
    world.pass(1);
    assert_eq!((world.get(b"k").unwrap().found, world.used()), (false, 0));
}

#[test]
fn a_moved_node_takes_its_end_along_and_a_replacement_has_its_own() {
    let mut world = World::new();
    world.make_for("/a", Kind::Directory, SECOND);
    world.make_for("/a/f", Kind::Directory, 0);
    world.rename("/a/f", "/f").unwrap();
    world.rename("/a", "/b").unwrap();
    world.make_for("/file", Kind::File, SECOND);
    let replace = Create {
        path: "/file",
        kind: Kind::File,
        replace: true,
        ..Create::default()
    };
    assert_eq!(world.create(replace).unwrap().node.expires_ns, 0);
    let container = Create {
        path: "/f",
        kind: Kind::Directory,
        existing_ok: true,
        ttl_ns: SECOND,
        ..Create::default()
    };
    assert_eq!(
        world.create(container).unwrap().node.expires_ns,
        0,
        "it was there"
    );
    world.pass(SECOND);
    assert_eq!(world.names("/"), ["f", "file"]);
}

#[test]
fn a_time_step_over_many_ends_removes_them_all() {
    let mut world = table();
    for number in 1..=60_u64 {
        world
            .put_for(format!("{number:02}").as_bytes(), b"", number * SECOND)
            .unwrap();
    }
    world.pass(30 * SECOND);
    assert_eq!(world.keys().len(), 30);
    // The clock never goes back.
    world.now.mono_ns -= 30 * SECOND;
    assert_eq!(world.keys().len(), 30);
    world.now.mono_ns += 10_000 * SECOND;
    assert_eq!(world.keys(), [b""; 0]);
}

#[test]
fn what_is_due_next_is_told() {
    let mut world = table();
    let before = world.namespace.next_timeout();
    world.put_for(b"k", b"", 70 * MS).unwrap();
    assert_eq!(world.namespace.next_timeout(), Some(world.now.mono_ns + 70 * MS));
    world.pass(70 * MS);
    world.pass(MS);
    world.pass(MS);
    assert_eq!(world.namespace.next_timeout(), before);
}

/// Keys that are all due at once: more than a slice removes.
fn crowd(count: u64) -> World {
    let mut world = World::with(Config {
        lease_ns: 1_000_000 * SECOND,
        ..Config::default()
    });
    world.make("/t", Kind::Table).unwrap();
    let keys: Vec<String> = (0..count).map(|number| format!("{number:06}")).collect();
    for keys in keys.chunks(128) {
        let items: Vec<PutItem<'_>> = keys
            .iter()
            .map(|key| PutItem {
                key: key.as_bytes(),
                value: b"v",
                ttl_ns: SECOND,
                ..PutItem::default()
            })
            .collect();
        let command = Command::MultiPut {
            table: ROOT,
            path: "/t",
            items: &items,
        };
        world.namespace.apply(world.now, A, &command).unwrap();
    }
    world
}

#[test]
fn what_is_due_is_not_found_before_it_is_removed() {
    let mut world = crowd(10_000);
    world.put(b"last", b"v", Always).unwrap();
    world.put(b"009999", b"v", Always).unwrap();
    world.pass(SECOND);
    let left = world.nodes();
    assert!(left > 5_000, "removed bit by bit, {left} are left");
    // All at one time, so that nothing more is removed.
    assert!(!world.get(b"009000").unwrap().found);
    assert!(world.get(b"009999").unwrap().found);
    assert_eq!(world.lookup("/t/008000"), Err(Failure::NotFound));
    assert_eq!(world.keys(), [&b"009999"[..], b"last"]);
    let reverse = Scan {
        reverse: true,
        ..Scan::default()
    };
    assert_eq!(world.scan_bytes(reverse).0, [&b"last"[..], b"009999"]);
    assert_eq!(world.names("/t"), ["009999", "last"]);
    let command = Command::MultiGet {
        table: ROOT,
        path: "/t",
        keys: &[b"009000", b"009999"],
    };
    world
        .run(A, command, |reply| match reply {
            Reply::Values(values) => {
                assert_eq!(values.map(|value| value.found).collect::<Vec<_>>(), [false, true]);
            }
            other => panic!("{other:?}"),
        })
        .unwrap();
    let mut found = Vec::new();
    let read = |key| Read::Get {
        table: ROOT,
        path: b"t",
        key,
    };
    let reads = [(0, read(&b"009000"[..])), (1, read(b"009999"))];
    let mut note = |number: u8, reply: Result<Reply<'_>, Failure>| match reply {
        Ok(Reply::Value(value)) => found.push((number, value.found)),
        other => panic!("{other:?}"),
    };
    world.namespace.read_batch(world.now, reads, &mut note);
    assert_eq!(found, [(0, false), (1, true)]);
    assert_eq!(world.remove(b"009001", Always), Ok(false));
    assert_eq!(world.nodes(), left);
    // Its place may be taken before it is gone.
    assert_eq!(world.put(b"009002", b"new", IfAbsent), Ok(10_003));
    world.pass(MS);
    for _ in 0..40 {
        world.pass_unchecked(MS);
    }
    world.check();
    assert_eq!(world.keys(), [&b"009002"[..], b"009999", b"last"]);
    assert_eq!(world.nodes(), 5);
}

#[test]
fn a_container_with_nothing_but_what_is_due_is_empty() {
    let mut world = crowd(5_000);
    world.pass(SECOND);
    assert!(world.nodes() > 3_000);
    world.make("/other", Kind::Table).unwrap();
    world.rename("/other", "/t").unwrap();
    world.put(b"k", b"v", Always).unwrap();
    assert_eq!(world.delete("/t", false), Err(Failure::NotEmpty));
    let mut world = crowd(5_000);
    world.pass(SECOND);
    world.delete("/t", false).unwrap();
    for _ in 0..5 {
        world.pass(MS);
    }
    assert_eq!(world.nodes(), 1);
    let mut world = crowd(5_000);
    world.put(b"k", b"v", Always).unwrap();
    world.pass(SECOND);
    assert_eq!(world.delete("/t", false), Err(Failure::NotEmpty));
}

#[test]
fn no_command_passes_over_more_than_it_may() {
    let mut world = crowd(40_000);
    world.pass(SECOND);
    let list = Command::List {
        base: ROOT,
        path: "/t",
        prefix: b"",
        after: b"",
        limit: 0,
        blocks: false,
    };
    let scan = Command::Scan(Scan {
        path: "/t",
        ..Scan::default()
    });
    let delete = Command::Delete {
        base: ROOT,
        path: "/t",
        recursive: false,
    };
    for command in [list, scan, delete] {
        assert_eq!(world.run(A, command, |_| ()), Err(Failure::Busy));
    }
    for _ in 0..100 {
        world.pass_unchecked(MS);
    }
    assert_eq!(world.keys(), [b""; 0]);
    world.run(A, list, |_| ()).unwrap();
}

/// Directories within directories, with files and tables: nothing of it is found from the moment that the top is due, whatever
/// is freed already.
#[test]
fn a_huge_tree_vanishes_at_once_and_is_freed_bit_by_bit() {
    let mut world = World::with_memory(64);
    world.make_for("/top", Kind::Directory, SECOND);
    let mut ids: Vec<NodeId> = Vec::new();
    for number in 0..3_000 {
        let path = format!("/top/{}/{}/f{number}", number % 7, number % 70);
        let file = world
            .namespace
            .apply(
                world.now,
                A,
                &Command::Create(Create {
                    path: &path,
                    kind: Kind::File,
                    parents: true,
                    size_hint: u64::from(number % 100 == 0),
                    ttl_ns: SECOND * (number % 3),
                    ..Create::default()
                }),
            )
            .map(|reply| match reply {
                Reply::Opened { node, .. } => node.id,
                other => panic!("{other:?}"),
            });
        ids.push(file.unwrap());
    }
    world.check();
    let all = world.nodes();
    world.pass(SECOND);
    let mut left = world.nodes();
    assert!(left > 1 && left < all, "{left} of {all}");
    let mut slices = 0;
    while left > 1 {
        assert_eq!(world.lookup("/top"), Err(Failure::NotFound));
        for id in ids.iter().step_by(97) {
            assert_eq!(world.lookup_from(*id, ""), Err(Failure::NotFound));
        }
        // Names are free at once.
        world.make("/top", Kind::Directory).unwrap();
        world.delete("/top", false).unwrap();
        world.pass(MS);
        assert!(world.nodes() < left);
        left = world.nodes();
        slices += 1;
    }
    assert!(slices > 2);
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
}

#[test]
fn the_same_times_give_the_same_state() {
    let run = || {
        let mut world = crowd(3_000);
        for step in [SECOND, 1, MS, MS / 2, MS / 2, 7 * MS] {
            world.pass_unchecked(step);
        }
        world.namespace.fingerprint()
    };
    assert_eq!(run(), run());
    let _: fn(&Namespace) -> u64 = Namespace::fingerprint;
}
