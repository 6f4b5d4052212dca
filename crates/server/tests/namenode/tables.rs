//! Tables: put, get, multi-get, remove, scan, large values.

use crake_server::namenode::command::{Condition, KEYS_MAX, Kind, PendingId, Put, Scan};
use crake_server::namenode::{Command, Config, Failure, Reply};
use crake_store::protocol::scan::HEAD_BYTES;

use crate::world::{A, B, Got, MIB, ROOT, SECOND, World, lengths};

use Condition::{Always, IfAbsent, IfVersion};

fn table() -> World {
    with_table(World::with_memory(16))
}

fn with_table(mut world: World) -> World {
    world.make("/t", Kind::Table).unwrap();
    world
}

#[test]
fn the_last_put_wins() {
    let mut world = table();
    assert_eq!(world.put(b"k", b"one", Always), Ok(1));
    assert_eq!(world.put(b"k", b"two", Always), Ok(2));
    let got = world.get(b"k").unwrap();
    assert_eq!(
        (got.inline.as_slice(), got.version, got.size),
        (&b"two"[..], 2, 3)
    );
    assert_eq!(world.get(b"l").unwrap(), Got::default());
    assert_eq!(world.lookup("/t").unwrap().size, 1);
}

#[test]
fn values_of_every_inline_size_come_back() {
    let mut world = table();
    for key_len in [1, 16, 79, 80, 81, 255] {
        let key = vec![b'k'; key_len];
        for len in [0, 1, 24, 25, 64, 65, 79, 80, 1023, 1024, 1024, 3, 1024, 0] {
            let value: Vec<u8> = (0..len).map(|n| n as u8).collect();
            world.put(&key, &value, Always).unwrap();
            assert_eq!(world.get(&key).unwrap().inline, value);
        }
    }
    assert_eq!(world.put(b"k", &[0; 1025], Always), Err(Failure::TooLong));
    assert_eq!(world.used(), 0);
}

#[test]
fn conditions_are_kept() {
    let mut world = table();
    assert_eq!(world.put(b"k", b"v", IfVersion(1)), Err(Failure::VersionMismatch));
    assert_eq!(world.put(b"k", b"v", IfAbsent), Ok(1));
    assert_eq!(world.put(b"k", b"w", IfAbsent), Err(Failure::AlreadyExists));
    assert_eq!(world.put(b"k", b"w", IfVersion(2)), Err(Failure::VersionMismatch));
    assert_eq!(world.put(b"k", b"w", IfVersion(0)), Err(Failure::VersionMismatch));
    assert_eq!(world.put(b"k", b"w", IfVersion(1)), Ok(2));
    assert_eq!(world.remove(b"k", IfVersion(1)), Err(Failure::VersionMismatch));
    assert_eq!(world.remove(b"k", IfAbsent), Err(Failure::AlreadyExists));
    assert_eq!(world.remove(b"k", IfVersion(2)), Ok(true));
    assert_eq!(world.remove(b"k", Always), Ok(false));
    assert_eq!(world.remove(b"k", IfVersion(2)), Err(Failure::VersionMismatch));
    // The version of an absent key is 0.
    assert_eq!(world.put(b"k", b"v", IfVersion(0)), Ok(3));
}

#[test]
fn a_version_never_comes_twice_also_when_the_table_was_empty_in_between() {
    let mut world = table();
    assert_eq!(world.put(b"k", b"v", Always), Ok(1));
    world.remove(b"k", Always).unwrap();
    assert_eq!(world.names("/t"), [""; 0]);
    assert_eq!(world.put(b"k", b"v", Always), Ok(2));
    assert_eq!(world.put(b"l", b"v", Always), Ok(3));
    world.delete("/t/k", false).unwrap();
    assert_eq!(world.put(b"k", b"v", Always), Ok(4));
}

/// Crail's tables knew keys by a 32-bit hash: a put could replace another key.
#[test]
fn keys_that_collide_in_crail_are_two_keys_here() {
    let mut world = table();
    world.put(b"Aa", b"1", Always).unwrap();
    world.put(b"BB", b"2", Always).unwrap();
    assert_eq!(world.get(b"Aa").unwrap().inline, b"1");
    assert_eq!(world.get(b"BB").unwrap().inline, b"2");
}

#[test]
fn keys_are_any_bytes() {
    let mut world = table();
    let keys: [&[u8]; 5] = [b"/", b"\0", b".", b"..", &[0xff; 255]];
    for key in keys {
        world.put(key, key, Always).unwrap();
    }
    for key in keys {
        assert_eq!(world.get(key).unwrap().inline, key);
    }
    assert_eq!(world.put(b"", b"", Always), Err(Failure::InvalidName));
    assert_eq!(world.get(&[0; 256]), Err(Failure::TooLong));
    assert_eq!(world.scan("", "", 0, false).0.len(), 5);
}

#[test]
fn keys_belong_to_tables() {
    let mut world = table();
    world.directory("/d");
    for (path, failure) in [
        ("/d", Failure::WrongKind),
        ("/x", Failure::NotFound),
        ("/", Failure::WrongKind),
    ] {
        let key = b"k";
        let put = Command::Put(Put {
            path,
            key,
            ..Put::default()
        });
        let get = Command::Get {
            table: ROOT,
            path,
            key,
        };
        let keys: &[&[u8]] = &[key];
        let multi_get = Command::MultiGet {
            table: ROOT,
            path,
            keys,
        };
        let remove = Command::Remove {
            table: ROOT,
            path,
            key,
            condition: Always,
        };
        let scan = Command::Scan(Scan {
            path,
            ..Scan::default()
        });
        for command in [put, get, multi_get, remove, scan] {
            assert_eq!(world.run(A, command, |_| ()), Err(failure), "{command:?}");
        }
    }
}

#[test]
fn multi_get_answers_in_the_order_of_the_keys() {
    let mut world = table();
    world.put(b"a", b"1", Always).unwrap();
    world.put(b"b", b"2", Always).unwrap();
    let values = world.multi_get(&[b"b", b"x", b"a", b"b"]).unwrap();
    let inline: Vec<&[u8]> = values.iter().map(|value| value.inline.as_slice()).collect();
    assert_eq!(inline, [&b"2"[..], b"", b"1", b"2"]);
    assert_eq!(
        values.iter().map(|value| value.found).collect::<Vec<_>>(),
        [true, false, true, true]
    );
    assert_eq!(world.multi_get(&[b"a", b""]), Err(Failure::InvalidName));
    assert_eq!(world.multi_get(&[&b"a"[..]; KEYS_MAX + 1]), Err(Failure::TooLong));
}

#[test]
fn multi_get_gives_as_many_as_fit() {
    let mut world = table();
    world.put(b"a", &[1; 1024], Always).unwrap();
    let values = world.multi_get(&[&b"a"[..]; KEYS_MAX]).unwrap();
    assert!(values.len() > 40 && values.len() * 1024 < 60 * 1024);
}

#[test]
fn a_scan_is_ordered_paged_and_filtered() {
    let mut world = table();
    for key in ["b", "a", "ab", "b\0", "c"] {
        world.put(key.as_bytes(), key.as_bytes(), Always).unwrap();
    }
    let (all, more) = world.scan("", "", 0, false);
    assert_eq!(
        all.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(),
        ["a", "ab", "b", "b\0", "c"]
    );
    assert!(!more && all.iter().all(|(key, value)| key.as_bytes() == value.inline));
    let (page, more) = world.scan("", "ab", 2, false);
    assert_eq!((page[0].0.as_str(), page[1].0.as_str(), more), ("b", "b\0", true));
    let (page, more) = world.scan("b", "b", 2, true);
    assert_eq!((page.len(), page[0].0.as_str(), more), (1, "b\0", false));
    assert_eq!((page[0].1.inline.len(), page[0].1.size), (0, 2));
}

#[test]
fn a_scan_s_pages_fit_and_join_without_gaps() {
    let mut world = table();
    let keys: Vec<String> = (0..300).map(|n| format!("{n:05}")).collect();
    for key in &keys {
        world
            .put(key.as_bytes(), &vec![7; key.len() * 150], Always)
            .unwrap();
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (page, more) = world.scan("", &after, 0, false);
        let bytes: usize = page
            .iter()
            .map(|(key, value)| HEAD_BYTES + key.len() + value.inline.len())
            .sum();
        assert!(!page.is_empty() && bytes <= 60 * 1024);
        seen.extend(page.into_iter().map(|(key, _)| key));
        after = seen.last().unwrap().clone();
        if !more {
            break;
        }
    }
    assert_eq!(seen, keys);
}

#[test]
fn a_large_value_is_seen_with_its_commit() {
    let mut world = table();
    let before = world.put(b"k", b"small", Always).unwrap();
    let (pending, blocks) = world.put_large(b"k", 100_000, Always).unwrap();
    assert!(lengths(&blocks).iter().sum::<u64>() >= 100_000);
    assert_eq!(world.get(b"k").unwrap().inline, b"small");
    assert_eq!(world.commit(pending, false), Ok(before + 1));
    let got = world.get(b"k").unwrap();
    assert_eq!(
        (got.size, got.inline.len(), got.blocks.len()),
        (100_000, 0, blocks.len())
    );
    assert_eq!(world.commit(pending, false), Err(Failure::LeaseLost));
    world.put(b"k", b"small again", Always).unwrap();
    assert_eq!(world.used(), 0);
}

#[test]
fn the_last_commit_wins() {
    let mut world = table();
    let (first, _) = world.put_large(b"k", 1, Always).unwrap();
    let (second, _) = world.put_large(b"k", 2, Always).unwrap();
    assert_eq!(world.commit(second, false), Ok(1));
    assert_eq!(world.commit(first, false), Ok(2));
    assert_eq!((world.get(b"k").unwrap().size, world.used()), (1, 4096));
}

#[test]
fn another_value_with_blocks_is_another_node() {
    let mut world = table();
    let mut nodes = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let (pending, _) = world.put_large(b"k", 2 * MIB, Always).unwrap();
        world.commit(pending, false).unwrap();
        let got = world.get(b"k").unwrap();
        assert!(nodes.insert(got.node));
        assert_eq!(world.blocks(got.node, 0, 0).unwrap(), got.blocks);
        world.put(b"k", b"", Always).unwrap();
        assert_eq!(world.blocks(got.node, 0, 0), Err(Failure::NotFound));
    }
}

#[test]
fn the_condition_of_a_large_value_is_checked_at_its_commit() {
    let mut world = table();
    let (pending, _) = world.put_large(b"k", 10, IfAbsent).unwrap();
    world.put(b"k", b"", Always).unwrap();
    assert_eq!(world.commit(pending, false), Err(Failure::AlreadyExists));
    assert_eq!(world.get(b"k").unwrap().version, 1);
    world.commit(pending, true).unwrap();
    assert_eq!(world.used(), 0);
    let (pending, _) = world.put_large(b"k", 10, IfVersion(1)).unwrap();
    assert_eq!(world.commit(pending, false), Ok(2));
}

#[test]
fn a_large_value_given_up_or_left_frees_its_blocks() {
    let mut world = table();
    let (pending, _) = world.put_large(b"k", MIB, Always).unwrap();
    assert_eq!(world.commit_as_b(pending), Err(Failure::LeaseLost));
    world.commit(pending, true).unwrap();
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
    let (pending, _) = world.put_large(b"k", MIB, Always).unwrap();
    world.pass(4 * SECOND);
    world
        .namespace
        .apply(
            world.now,
            B,
            &Command::Heartbeat {
                datanode: 1,
                incarnation: 1,
            },
        )
        .unwrap();
    world.pass(4 * SECOND);
    world
        .namespace
        .apply(
            world.now,
            B,
            &Command::Heartbeat {
                datanode: 1,
                incarnation: 1,
            },
        )
        .unwrap();
    world.pass(2 * SECOND);
    assert_eq!(world.used(), 0);
    assert_eq!(world.commit(pending, false), Err(Failure::LeaseLost));
}

#[test]
fn a_commit_into_a_table_that_is_gone_finds_nothing() {
    let mut world = table();
    let (pending, _) = world.put_large(b"k", MIB, Always).unwrap();
    world.delete("/t", true).unwrap();
    world.make("/t", Kind::Table).unwrap();
    assert_eq!(world.commit(pending, false), Err(Failure::NotFound));
    world.commit(pending, true).unwrap();
    assert_eq!(world.used(), 0);
}

#[test]
fn a_large_value_without_room_takes_nothing() {
    let mut world = with_table(World::with_memory(2));
    let large = |size| {
        Command::Put(Put {
            path: "/t",
            key: b"k",
            size,
            large: true,
            ..Put::default()
        })
    };
    for (size, failure) in [
        (3 * MIB, Failure::NoSpace),
        (65 * MIB, Failure::TooLong),
        (u64::MAX, Failure::TooLong),
    ] {
        assert_eq!(
            world.namespace.apply(world.now, A, &large(size)).unwrap_err(),
            failure
        );
        world.check();
        assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
    }
    world.put_large(b"k", 2 * MIB, Always).unwrap();
    let mut world = with_table(World::new());
    assert_eq!(
        world.put_large(b"k", 1, Always).unwrap_err(),
        Failure::NoDatanodes
    );
    let (pending, _) = world.put_large(b"k", 0, Always).unwrap();
    world.commit(pending, false).unwrap();
    assert_eq!(world.get(b"k").unwrap().size, 0);
}

#[test]
fn many_large_values_in_a_page_come_with_their_first_blocks() {
    let mut world = with_table(World::with_memory(400));
    for n in 0..60 {
        let (pending, _) = world
            .put_large(format!("{n:03}").as_bytes(), 6 * MIB, Always)
            .unwrap();
        world.commit(pending, false).unwrap();
    }
    let (page, more) = world.scan("", "", 0, false);
    assert!(
        !more
            && page
                .iter()
                .all(|(_, value)| value.blocks.len() == 4 && value.size == 6 * MIB)
    );
    assert_eq!(world.blocks(page[7].1.node, 4 * MIB, 0).unwrap().len(), 2);
}

#[test]
fn the_inline_limit_is_configured() {
    let mut world = with_table(World::with(Config {
        inline_value_max: 10,
        ..Config::default()
    }));
    world.put(b"k", &[0; 10], Always).unwrap();
    assert_eq!(world.put(b"k", &[0; 11], Always), Err(Failure::TooLong));
}

impl World {
    fn commit_as_b(&mut self, pending: PendingId) -> Result<(), Failure> {
        self.run(
            B,
            Command::PutCommit {
                pending,
                abort: false,
            },
            |_| (),
        )
    }

    fn multi_get(&mut self, keys: &[&[u8]]) -> Result<Vec<Got>, Failure> {
        self.run(
            A,
            Command::MultiGet {
                table: ROOT,
                path: "/t",
                keys,
            },
            |reply| match reply {
                Reply::Values(values) => values.map(|value| Got::new(&value)).collect(),
                other => panic!("{other:?}"),
            },
        )
    }

    fn scan(&mut self, prefix: &str, after: &str, limit: u32, keys_only: bool) -> (Vec<(String, Got)>, bool) {
        let scan = Scan {
            prefix: prefix.as_bytes(),
            after: after.as_bytes(),
            limit,
            keys_only,
            ..Scan::default()
        };
        self.scan_with(scan)
    }

    /// The keys of a page as they are, and whether there are more.
    pub fn scan_bytes(&mut self, scan: Scan<'_>) -> (Vec<Vec<u8>>, bool) {
        let command = Command::Scan(Scan { path: "/t", ..scan });
        let take = |reply: Reply<'_>| match reply {
            Reply::Scan { entries, more } => (entries.map(|entry| entry.key.to_vec()).collect(), more),
            other => panic!("{other:?}"),
        };
        self.run(A, command, take).unwrap()
    }

    pub fn scan_with(&mut self, scan: Scan<'_>) -> (Vec<(String, Got)>, bool) {
        let command = Command::Scan(Scan { path: "/t", ..scan });
        let take = |reply: Reply<'_>| match reply {
            Reply::Scan { entries, more } => {
                let name = |key: &[u8]| String::from_utf8_lossy(key).into_owned();
                (
                    entries
                        .map(|entry| (name(entry.key), Got::new(&entry.value)))
                        .collect(),
                    more,
                )
            }
            other => panic!("{other:?}"),
        };
        self.run(A, command, take).unwrap()
    }
}
