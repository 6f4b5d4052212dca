//! Leases: who may write, for how long, and what is left behind.

use crake_server::namenode::command::{Kind, LeaseId};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, B, MIB, Opened, SECOND, World, lengths};

#[test]
fn a_silent_writer_s_file_is_sealed_as_it_was_published() {
    let mut world = World::with_memory(8);
    let file = world.file("/f");
    world.allocate(&file, 0, 3 * MIB).unwrap();
    world.publish(&file, 100, false).unwrap();
    // The datanode lives on, the writer is not heard of.
    for _ in 0..9 {
        world.pass(SECOND);
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
    }
    assert!(world.namespace.next_timeout().unwrap() <= 10 * SECOND);
    world.pass(SECOND);
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (MIB, 0));
    let node = world.lookup("/f").unwrap();
    assert_eq!((node.size, node.open), (100, false));
    assert_eq!(world.publish(&file, 200, true), Err(Failure::LeaseLost));
    assert_eq!(world.allocate(&file, MIB, 1), Err(Failure::LeaseLost));
}

#[test]
fn a_lease_lives_as_long_as_its_session_writes_anything_or_renews() {
    let mut world = World::new();
    let file = world.file("/f");
    for round in 0..20 {
        world.pass(6 * SECOND);
        if round % 2 == 0 {
            world.namespace.apply(world.now, A, &Command::Renew).unwrap();
        } else {
            let path = &format!("/d{round}");
            let base = crate::world::ROOT;
            world
                .namespace
                .apply(
                    world.now,
                    A,
                    &Command::Delete {
                        base,
                        path,
                        recursive: false,
                    },
                )
                .unwrap_err();
        }
    }
    world.publish(&file, 0, true).unwrap();
    let renewed = world.namespace.apply(world.now, A, &Command::Renew).unwrap();
    assert!(matches!(renewed, Reply::Renewed { lease_ms: 10_000, .. }));
}

#[test]
fn reading_does_not_keep_a_lease_and_others_cannot_renew_it() {
    let mut world = World::new();
    let file = world.file("/f");
    for _ in 0..3 {
        world.pass(4 * SECOND);
        let (base, path) = (crate::world::ROOT, "/f");
        world
            .namespace
            .apply(
                world.now,
                A,
                &Command::Lookup {
                    base,
                    path,
                    blocks: true,
                },
            )
            .unwrap();
        world.namespace.apply(world.now, B, &Command::Renew).unwrap();
    }
    assert_eq!(world.publish(&file, 0, true), Err(Failure::LeaseLost));
}

/// Crail reset a file's token for whoever asked, and asked for no token that was still good.
#[test]
fn a_lease_is_good_for_its_file_and_its_session_only() {
    let mut world = World::with_memory(4);
    let file = world.file("/f");
    let other = world.file("/g");
    let swapped = Opened {
        lease: other.lease,
        ..file.clone()
    };
    let invented = Opened {
        lease: LeaseId(0),
        ..file.clone()
    };
    for wrong in [&swapped, &invented] {
        assert_eq!(world.publish(wrong, 0, true), Err(Failure::LeaseLost));
        assert_eq!(world.allocate(wrong, 0, 1), Err(Failure::LeaseLost));
    }
    assert_eq!(world.publish_as(B, &file, 0, true), Err(Failure::LeaseLost));
    world.publish(&file, 0, true).unwrap();
    world.publish(&other, 0, true).unwrap();
}

/// Whoever lost a lease may not know yet, and still have writes under way to the last block.
#[test]
fn what_an_expired_writer_still_sends_lands_in_nobody_s_bytes() {
    let mut world = World::new();
    let file = world.file("/f");
    world.register("datanode", 1, 4 * MIB);
    let old = world.allocate(&file, 0, 4096).unwrap();
    world.publish(&file, 100, false).unwrap();
    world.pass(3 * SECOND);
    world.heartbeat(1, 1);
    world.pass(4 * SECOND);
    world.heartbeat_quietly(1, 1);
    world.pass(4 * SECOND);
    world.heartbeat_quietly(1, 1);
    world.pass(3 * SECOND);
    let second = world.append(B, "/f").unwrap();
    assert_eq!(second.blocks, []);
    assert_eq!(second.node.capacity, 100);
    let command = Command::Allocate {
        node: second.node.id,
        lease: second.lease,
        offset: 100,
        want: 50,
    };
    let new = world.run(B, command, |reply| match reply {
        Reply::Blocks { blocks, .. } => blocks.to_vec(),
        other => panic!("{other:?}"),
    });
    let new = new.unwrap();
    assert_eq!((new[0].offset, new[0].length), (100, 4096));
    assert_ne!(new[0].handles()[12..16], old[0].handles()[12..16]);
    world.publish_as(B, &second, 150, true).unwrap();
    assert_eq!(lengths(&world.first_blocks("/f")), [100, 4096]);
    world.delete("/f", false).unwrap();
    assert_eq!(world.used(), 0);
}

#[test]
fn limits_on_sessions_hold_and_make_room_again() {
    let mut world = World::with(Config {
        sessions_max: 1,
        ..Config::default()
    });
    let file = world.file("/f");
    let create = crake_server::namenode::command::Create {
        path: "/g",
        kind: Kind::File,
        ..Default::default()
    };
    assert_eq!(world.open(B, Command::Create(create)).unwrap_err(), Failure::Full);
    world.publish(&file, 0, true).unwrap();
    world.pass(10 * SECOND);
    world.open(B, Command::Create(create)).unwrap();
}

#[test]
fn a_clock_that_steps_back_ends_no_lease_early_and_none_late() {
    let mut world = World::new();
    world.now.mono_ns = 100 * SECOND;
    let file = world.file("/f");
    world.now.mono_ns = 50 * SECOND;
    world.publish(&file, 0, false).unwrap();
    world.now.mono_ns = 109 * SECOND;
    world.namespace.advance(world.now);
    assert!(world.lookup("/f").unwrap().open);
    world.now.mono_ns = 120 * SECOND;
    assert!(!world.lookup_quietly("/f").open);
}

impl World {
    /// Without the renewal that `run` does.
    fn heartbeat_quietly(&mut self, datanode: u32, incarnation: u64) {
        self.namespace
            .apply(
                self.now,
                B,
                &Command::Heartbeat {
                    datanode,
                    incarnation,
                },
            )
            .unwrap();
    }

    fn lookup_quietly(&mut self, path: &str) -> crake_server::namenode::command::Attributes {
        let command = Command::Lookup {
            base: crate::world::ROOT,
            path,
            blocks: false,
        };
        match self.namespace.apply(self.now, B, &command).unwrap() {
            Reply::Node { node, .. } => node,
            other => panic!("{other:?}"),
        }
    }
}
