//! Many puts in one command, each for itself.

use crake_server::namenode::command::{Condition, KEYS_MAX, Kind, PutItem};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, ROOT, World};

use Condition::{Always, IfAbsent, IfVersion};

fn with_table(mut world: World) -> World {
    world.make("/t", Kind::Table).unwrap();
    world
}

fn item<'a>(key: &'a [u8], value: &'a [u8], condition: Condition) -> PutItem<'a> {
    PutItem {
        key,
        value,
        condition,
        ttl_ns: 0,
    }
}

impl World {
    fn multi_put(&mut self, path: &str, items: &[PutItem<'_>]) -> Result<Vec<Result<u64, Failure>>, Failure> {
        let table = ROOT;
        self.run(A, Command::MultiPut { table, path, items }, |reply| match reply {
            Reply::Outcomes(outcomes) => outcomes.to_vec(),
            other => panic!("{other:?}"),
        })
    }
}

#[test]
fn each_has_its_own_condition_and_outcome() {
    let mut world = with_table(World::new());
    world.put(b"there", b"1", Always).unwrap();
    let items = [
        item(b"there", b"2", IfAbsent),
        item(b"there", b"3", IfVersion(1)),
        item(b"there", b"4", IfVersion(1)),
        item(b"new", b"5", IfAbsent),
        item(b"", b"6", Always),
        item(&[0; 256], b"7", Always),
        item(b"large", &[0; 1025], Always),
        item(b"new", b"8", Always),
    ];
    let expected = [
        Err(Failure::AlreadyExists),
        Ok(2),
        Err(Failure::VersionMismatch),
        Ok(3),
        Err(Failure::InvalidName),
        Err(Failure::TooLong),
        Err(Failure::TooLong),
        Ok(4),
    ];
    assert_eq!(world.multi_put("/t", &items).unwrap(), expected);
    assert_eq!(world.get(b"there").unwrap().inline, b"3");
    assert_eq!(world.get(b"new").unwrap().inline, b"8");
    assert_eq!(world.lookup("/t").unwrap().size, 2);
}

#[test]
fn as_many_as_there_is_room_for_are_put() {
    let mut world = with_table(World::with(Config {
        nodes_max: 4,
        ..Config::default()
    }));
    let items = [
        item(b"a", b"", Always),
        item(b"b", b"", Always),
        item(b"c", b"", Always),
        item(b"a", b"2", Always),
    ];
    let expected = [Ok(1), Ok(2), Err(Failure::Full), Ok(3)];
    assert_eq!(world.multi_put("/t", &items).unwrap(), expected);
}

#[test]
fn a_command_that_fails_as_a_whole_has_put_nothing() {
    let mut world = with_table(World::new());
    let items = vec![item(b"k", b"v", Always); KEYS_MAX + 1];
    assert_eq!(world.multi_put("/t", &items), Err(Failure::TooLong));
    assert_eq!(world.multi_put("/", &items[..1]), Err(Failure::WrongKind));
    assert_eq!(world.multi_put("/x", &items[..1]), Err(Failure::NotFound));
    assert_eq!(world.lookup("/t").unwrap().size, 0);
    assert_eq!(world.multi_put("/t", &items[1..]).unwrap().last(), Some(&Ok(128)));
    assert_eq!(world.multi_put("/t", &[]).unwrap(), []);
}
