//! Counters: numbers that are added to where they are.

use crake_server::namenode::command::{Condition, Kind};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, ROOT, World};

use Condition::{Always, IfVersion};

fn table() -> World {
    let mut world = World::with_memory(16);
    world.make("/t", Kind::Table).unwrap();
    world
}

impl World {
    /// The number and its version.
    fn add(&mut self, key: &[u8], delta: i64) -> Result<(i64, u64), Failure> {
        let command = Command::Add {
            table: ROOT,
            path: "/t",
            key,
            delta,
        };
        self.run(A, command, |reply| match reply {
            Reply::Added { value, version } => (value, version),
            other => panic!("{other:?}"),
        })
    }
}

#[test]
fn what_is_added_adds_up_from_nothing() {
    let mut world = table();
    assert_eq!(world.add(b"k", 5), Ok((5, 1)));
    assert_eq!(world.add(b"k", -12), Ok((-7, 2)));
    assert_eq!(world.add(b"k", 0), Ok((-7, 3)));
    assert_eq!(world.get(b"k").unwrap().inline, b"-7");
    assert_eq!(world.add(b"other", 0), Ok((0, 4)));
    assert_eq!(world.lookup("/t").unwrap().size, 2);
}

#[test]
fn a_number_is_a_value_like_any_other() {
    let mut world = table();
    world.put(b"k", b"41", Always).unwrap();
    assert_eq!(world.add(b"k", 1), Ok((42, 2)));
    assert_eq!(world.put(b"k", b"0", IfVersion(1)), Err(Failure::VersionMismatch));
    assert_eq!(world.put(b"k", b"0", IfVersion(2)), Ok(3));
    assert_eq!(world.remove(b"k", Always), Ok(true));
    assert_eq!(world.add(b"k", 1), Ok((1, 4)));
}

#[test]
fn what_is_no_number_stays_as_it_is() {
    let mut world = table();
    for value in [&b"one"[..], b"", b"1.5", &[b'1'; 500]] {
        world.put(b"k", value, Always).unwrap();
        assert_eq!(world.add(b"k", 1), Err(Failure::NotANumber));
        assert_eq!(world.get(b"k").unwrap().inline, value);
    }
    let (pending, _) = world.put_large(b"k", 2, Always).unwrap();
    world.commit(pending, false).unwrap();
    assert_eq!(world.add(b"k", 1), Err(Failure::NotANumber));
    assert_eq!(world.get(b"k").unwrap().size, 2);
}

#[test]
fn a_number_that_would_be_too_large_stays_as_it_is() {
    let mut world = table();
    assert_eq!(world.add(b"k", i64::MAX), Ok((i64::MAX, 1)));
    assert_eq!(world.add(b"k", 1), Err(Failure::Overflow));
    assert_eq!(world.add(b"k", i64::MIN), Ok((-1, 2)));
    assert_eq!(world.add(b"k", i64::MIN), Err(Failure::Overflow));
    assert_eq!(world.get(b"k").unwrap().inline, b"-1");
}

#[test]
fn only_keys_of_tables_are_counters() {
    let mut world = table();
    world.directory("/d");
    for (path, failure) in [("/d", Failure::WrongKind), ("/x", Failure::NotFound)] {
        let command = Command::Add {
            table: ROOT,
            path,
            key: b"k",
            delta: 1,
        };
        assert_eq!(world.run(A, command, |_| ()), Err(failure));
    }
    assert_eq!(world.add(b"", 1), Err(Failure::InvalidName));
    assert_eq!(world.add(&[0; 256], 1), Err(Failure::TooLong));
}

#[test]
fn a_counter_for_which_there_is_no_room_is_not_made() {
    let mut world = World::with(Config {
        nodes_max: 3,
        ..Config::default()
    });
    world.make("/t", Kind::Table).unwrap();
    world.add(b"a", 1).unwrap();
    assert_eq!(world.add(b"b", 1), Err(Failure::Full));
    assert_eq!(world.add(b"a", 1), Ok((2, 2)));
}
