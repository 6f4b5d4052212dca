//! Datanodes: registration, heartbeats, loss and return.

use crake_server::namenode::command::{Datanode, Register};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, MIB, SECOND, World};

const NAMENODE: u64 = 42;

fn world() -> World {
    World::with(Config {
        incarnation: NAMENODE,
        seed: 5,
        ..Config::default()
    })
}

fn request(incarnation: u64, namenode: u64) -> Register<'static> {
    Register {
        name: "d",
        incarnation,
        namenode,
        capacity: 4 * MIB,
        endpoints: &["tcp://h:1"],
        ..Register::default()
    }
}

/// The number and the secret, unless the datanode has to begin anew.
fn register(world: &mut World, request: Register<'_>) -> Option<(u32, [u8; 16])> {
    let take = |reply: Reply<'_>| match reply {
        Reply::Registered {
            datanode,
            secret,
            namenode,
            heartbeat_ms,
            reset: false,
        } => {
            assert_eq!((namenode, heartbeat_ms), (NAMENODE, 1000));
            Some((datanode, secret))
        }
        Reply::Registered {
            datanode: 0,
            secret: [0, ..],
            reset: true,
            ..
        } => None,
        other => panic!("{other:?}"),
    };
    world.run(A, Command::Register(request), take).unwrap()
}

fn is_lost(world: &mut World, path: &str) -> bool {
    let blocks = world.first_blocks(path);
    assert!(!blocks.is_empty());
    blocks[0].lost
}

#[test]
fn without_datanodes_there_is_no_block_and_everything_else_goes_on() {
    let mut world = world();
    let file = world.file("/f");
    assert_eq!(world.allocate(&file, 0, 1), Err(Failure::NoDatanodes));
    world.publish(&file, 0, true).unwrap();
    assert_eq!(world.names("/"), ["f"]);
}

#[test]
fn a_silent_datanode_s_blocks_are_lost_until_it_is_heard_again() {
    let mut world = world();
    let (id, _) = register(&mut world, request(1, 0)).unwrap();
    world.written("/f", MIB);
    world.pass(4 * SECOND);
    assert!(world.heartbeat(id, 1));
    world.pass(5 * SECOND - 1);
    assert!(!is_lost(&mut world, "/f"));
    assert_eq!(world.namespace.next_timeout(), Some(9 * SECOND));
    world.pass(1);
    assert!(is_lost(&mut world, "/f"));
    assert_eq!(world.space(), (0, 0));
    let file = world.file("/g");
    assert_eq!(world.allocate(&file, 0, 1), Err(Failure::NoDatanodes));
    // Its handles are still right: it may be reached by others.
    assert_eq!(world.first_blocks("/f")[0].handles().len(), 48);
    assert!(world.heartbeat(id, 1));
    assert!(!is_lost(&mut world, "/f"));
    assert_eq!(world.space(), (4 * MIB, MIB));
    world.allocate(&file, 0, 1).unwrap();
}

/// In Crail a restarted datanode's files went on pointing at its fresh, zeroed memory.
#[test]
fn blocks_of_an_earlier_life_are_lost_for_good_and_occupy_nothing() {
    let mut world = world();
    let (id, secret) = register(&mut world, request(1, 0)).unwrap();
    world.written("/old", 3 * MIB);
    let open = world.file("/open");
    world.allocate(&open, 0, 4096).unwrap();
    world.publish(&open, 10, false).unwrap();
    let (again, other_secret) = register(&mut world, request(2, 0)).unwrap();
    assert_eq!(again, id);
    assert_eq!(other_secret, secret);
    assert_eq!(world.space(), (4 * MIB, 0));
    assert!(is_lost(&mut world, "/old") && is_lost(&mut world, "/open"));
    assert_eq!(world.first_blocks("/old")[0].handles(), [0; 0]);
    assert!(!world.heartbeat(id, 1));
    world.written("/new", 4 * MIB);
    assert!(!is_lost(&mut world, "/new"));
    // What is lost can still be listed, written on, renamed and deleted.
    assert_eq!(world.names("/"), ["new", "old", "open"]);
    assert_eq!(world.lookup("/old").unwrap().size, 3 * MIB);
    world.rename("/old", "/older").unwrap();
    world.delete("/older", false).unwrap();
    world.publish(&open, 10, true).unwrap();
    world.delete("/open", false).unwrap();
    assert_eq!(world.used(), 4 * MIB);
}

#[test]
fn an_append_does_not_go_to_a_block_that_is_lost() {
    let mut world = world();
    register(&mut world, request(1, 0)).unwrap();
    world.written("/f", 100);
    register(&mut world, request(2, 0)).unwrap();
    let file = world.append(A, "/f").unwrap();
    assert_eq!((file.blocks.len(), file.node.capacity), (0, 100));
    assert_eq!(world.allocate(&file, 100, 1).unwrap()[0].offset, 100);
    world.publish(&file, 101, true).unwrap();
    let blocks = world.first_blocks("/f");
    assert_eq!(
        blocks.iter().map(|block| block.lost).collect::<Vec<_>>(),
        [true, false]
    );
}

#[test]
fn registering_again_in_the_same_life_keeps_everything() {
    let mut world = world();
    let first = register(&mut world, request(1, 0)).unwrap();
    world.written("/f", MIB);
    world.pass(20 * SECOND);
    assert_eq!(register(&mut world, request(1, NAMENODE)), Some(first));
    assert!(!is_lost(&mut world, "/f"));
    assert_eq!(register(&mut world, request(1, 0)), Some(first));
    let moved = Register {
        endpoints: &["tcp://new:1", "unix:///s"],
        ..request(1, NAMENODE)
    };
    register(&mut world, moved).unwrap();
    let endpoints = world.datanodes(&[], |datanode| datanode.endpoints.to_vec());
    assert_eq!(endpoints, [["tcp://new:1".into(), "unix:///s".into()]]);
}

/// Crail's datanodes went on with their heartbeats after the namenode had restarted and did not know them.
#[test]
fn a_datanode_of_another_namenode_life_begins_anew() {
    let mut world = world();
    assert!(!world.heartbeat(1, 1));
    assert_eq!(register(&mut world, request(1, NAMENODE - 1)), None);
    assert_eq!(register(&mut world, request(1, NAMENODE)), None);
    assert_eq!(world.datanodes(&[], |_| ()).len(), 0);
    let (id, _) = register(&mut world, request(2, 0)).unwrap();
    // Blocks that are ours, but of another life of it, or of another size.
    assert_eq!(register(&mut world, request(3, NAMENODE)), None);
    assert_eq!(
        register(
            &mut world,
            Register {
                capacity: MIB,
                ..request(2, NAMENODE)
            }
        ),
        None
    );
    assert!(world.heartbeat(id, 2) && !world.heartbeat(id, 3) && !world.heartbeat(0, 2));
}

/// One secret for all lives of a datanode: it tells a handle of an earlier one from a forged one.
#[test]
fn secrets_follow_from_the_seed_and_are_each_datanode_s_own() {
    let secret = |seed, name, incarnation| {
        let mut world = World::with(Config {
            incarnation: NAMENODE,
            seed,
            ..Config::default()
        });
        register(&mut world, request(1, 0)).unwrap();
        register(
            &mut world,
            Register {
                name,
                ..request(incarnation, 0)
            },
        )
        .unwrap()
        .1
    };
    assert_eq!(secret(1, "d", 1), secret(1, "d", 2));
    assert_ne!(secret(1, "d", 1), secret(1, "e", 1));
    assert_ne!(secret(1, "d", 1), secret(2, "d", 1));
}

#[test]
fn handles_are_signed_with_the_datanode_s_secret() {
    let mut world = world();
    let (id, secret) = register(&mut world, request(77, 0)).unwrap();
    let file = world.file("/f");
    let block = &world.allocate(&file, 0, 1).unwrap()[0];
    let handle = crake_store::protocol::Handle::parse(block.handles()).unwrap();
    assert!(crake_server::mac::Signer::new(&secret).accepts(handle));
    assert_eq!(
        (
            handle.datanode.get(),
            handle.incarnation.get(),
            handle.len_bytes.get()
        ),
        (id, 77, 4096)
    );
}

#[test]
fn the_limit_on_datanodes_counts_those_that_have_something() {
    let mut world = World::with(Config {
        incarnation: NAMENODE,
        datanodes_max: 2,
        ..Config::default()
    });
    let named = |name| Register {
        name,
        ..request(1, 0)
    };
    register(&mut world, named("a")).unwrap();
    world.written("/f", 4 * MIB);
    register(&mut world, named("b")).unwrap();
    assert_eq!(
        world.run(A, Command::Register(named("c")), |_| ()),
        Err(Failure::Full)
    );
    world.pass(5 * SECOND);
    // Both are silent; the one without blocks makes place.
    let (id, _) = register(&mut world, named("c")).unwrap();
    assert_eq!(id, 2);
    assert_eq!(
        world.datanodes(&[], |datanode| datanode.name.to_owned()),
        ["a", "c"]
    );
    assert_eq!(
        world.run(A, Command::Register(named("b")), |_| ()),
        Err(Failure::Full)
    );
    assert!(world.heartbeat(1, 1));
}

#[test]
fn a_registration_that_is_too_long_or_has_no_name_is_refused() {
    let mut world = world();
    let long = &"x".repeat(256)[..];
    let (named, reached_at) = (
        |name| Register {
            name,
            ..request(1, 0)
        },
        |endpoints| Register {
            endpoints,
            ..request(1, 0)
        },
    );
    let on = |host| Register {
        host,
        ..request(1, 0)
    };
    for (request, failure) in [
        (named(""), Failure::InvalidName),
        (named(long), Failure::TooLong),
        (reached_at(&[long]), Failure::TooLong),
        (reached_at(&["x"; 9]), Failure::TooLong),
        (on(long), Failure::TooLong),
    ] {
        assert_eq!(world.run(A, Command::Register(request), |_| ()), Err(failure));
    }
}

#[test]
fn datanodes_are_described_as_they_registered() {
    let mut world = world();
    let request = Register {
        location_class: 9,
        host: "here",
        capacity: 2 * MIB + 5,
        ..request(1, 0)
    };
    let (id, _) = register(&mut world, request).unwrap();
    world.written("/f", 1);
    let describe = |datanode: Datanode<'_>| {
        assert_eq!(
            (datanode.id, datanode.incarnation, datanode.name, datanode.alive),
            (1, 1, "d", true)
        );
        assert_eq!(
            (datanode.host, &datanode.endpoints),
            ("here", &&["tcp://h:1".into()][..])
        );
        (datanode.location_class, datanode.capacity, datanode.used)
    };
    assert_eq!(world.datanodes(&[], describe), [(9, 2 * MIB, 4096)]);
    assert_eq!(world.datanodes(&[5, id, 0, id], describe).len(), 2);
}

#[test]
fn a_claim_of_everything_is_no_harm() {
    let mut world = world();
    register(
        &mut world,
        Register {
            capacity: u64::MAX,
            ..request(1, 0)
        },
    )
    .unwrap();
    world.written("/f", MIB);
    assert_eq!(world.used(), MIB);
    assert!(world.space().0 < 1 << 45);
}

impl World {
    fn datanodes<T>(&mut self, ids: &[u32], take: impl FnMut(Datanode<'_>) -> T) -> Vec<T> {
        self.run(A, Command::Datanodes { ids }, |reply| match reply {
            Reply::Datanodes(datanodes) => datanodes.map(take).collect(),
            other => panic!("{other:?}"),
        })
        .unwrap()
    }
}
