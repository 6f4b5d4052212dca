//! Pins: the bytes of a file that somebody looks at stay where they are.

use crake_server::namenode::command::{Block, Condition, Create, Kind, LeaseId, NodeId, SessionId};
use crake_server::namenode::{Command, Config, Failure, Reply};

use crate::world::{A, B, MIB, SECOND, World};

fn pin(world: &mut World, session: SessionId, node: NodeId) -> Result<(LeaseId, Vec<Block>), Failure> {
    let opened = world.open(session, Command::Pin { node })?;
    Ok((opened.lease, world.blocks(node, 0, 0)?))
}

fn unpin(world: &mut World, session: SessionId, pin: LeaseId) {
    let unpinned = world.run(session, Command::Unpin { pin }, |reply| {
        matches!(reply, Reply::Unpinned)
    });
    assert!(unpinned.unwrap());
}

#[test]
fn blocks_of_a_pinned_file_outlive_it() {
    let mut world = World::with_memory(4);
    let file = world.written("/f", 2 * MIB);
    let (held, blocks) = pin(&mut world, A, file.id).unwrap();
    let before = world.used();
    world.delete("/f", false).unwrap();
    assert_eq!(
        (world.used(), world.lookup("/f")),
        (before, Err(Failure::NotFound))
    );
    assert_eq!(
        world.blocks(file.id, 0, 0).unwrap(),
        blocks,
        "they can still be asked for"
    );
    let behind = blocks.last().unwrap().offset;
    assert_eq!(
        world.blocks(file.id, behind, 0).unwrap(),
        blocks[blocks.len() - 1..]
    );
    assert_eq!(
        pin(&mut world, B, file.id),
        Err(Failure::NotFound),
        "but not be pinned anew"
    );
    let (again, _) = pin(&mut world, A, file.id).unwrap();
    unpin(&mut world, A, held);
    assert_eq!(world.used(), before, "who has it pinned may make sure of it");
    unpin(&mut world, A, again);
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
    assert_eq!(
        pin(&mut world, A, file.id),
        Err(Failure::NotFound),
        "it has not any more"
    );
    assert_eq!(world.blocks(file.id, 0, 0), Err(Failure::NotFound));
}

#[test]
fn a_file_or_value_that_replaces_a_pinned_one_has_blocks_of_its_own() {
    let mut world = World::with_memory(8);
    let old = world.written("/f", MIB);
    let (held, blocks) = pin(&mut world, A, old.id).unwrap();
    let replace = Create {
        path: "/f",
        kind: Kind::File,
        replace: true,
        size_hint: MIB,
        ..Create::default()
    };
    let new = world.create(replace).unwrap();
    assert_ne!(new.node.id, old.id);
    assert!(
        new.blocks
            .iter()
            .all(|block| !blocks.iter().any(|old| old.handles() == block.handles()))
    );
    world.publish(&new, 5, true).unwrap();
    world.written("/g", MIB);
    world.rename("/g", "/f").unwrap();
    assert_eq!(world.blocks(old.id, 0, 0).unwrap(), blocks);
    unpin(&mut world, A, held);
    assert_eq!(world.used(), MIB);

    world.make("/t", Kind::Table).unwrap();
    let (pending, _) = world.put_large(b"k", MIB, Condition::Always).unwrap();
    world.commit(pending, false).unwrap();
    let value = world.get(b"k").unwrap();
    let (held, blocks) = pin(&mut world, A, value.node).unwrap();
    world.put(b"k", b"small", Condition::Always).unwrap();
    assert_eq!(world.blocks(value.node, 0, 0).unwrap(), blocks);
    unpin(&mut world, A, held);
    assert_eq!(world.used(), MIB);
}

#[test]
fn the_last_of_several_sessions_frees_the_blocks() {
    let mut world = World::with_memory(4);
    let file = world.written("/f", MIB);
    let (of_a, _) = pin(&mut world, A, file.id).unwrap();
    let (of_b, _) = pin(&mut world, B, file.id).unwrap();
    world.delete("/f", false).unwrap();
    unpin(&mut world, A, of_a);
    assert_eq!(world.used(), MIB);
    // Neither a pin that has ended nor that of another session ends anything.
    unpin(&mut world, A, of_a);
    unpin(&mut world, A, of_b);
    unpin(&mut world, A, LeaseId(0));
    assert_eq!(world.used(), MIB);
    unpin(&mut world, B, of_b);
    assert_eq!(world.used(), 0);
}

#[test]
fn who_asks_again_has_one_pin_and_only_its_last_id_counts() {
    let mut world = World::with_memory(4);
    let file = world.written("/f", MIB);
    let (lost, _) = pin(&mut world, A, file.id).unwrap();
    let (last, _) = pin(&mut world, A, file.id).unwrap();
    assert_eq!(world.usage(|usage| usage.leases), 1);
    world.delete("/f", false).unwrap();
    unpin(&mut world, A, lost);
    assert_eq!(world.used(), MIB);
    unpin(&mut world, A, last);
    assert_eq!(world.used(), 0);
}

#[test]
fn a_silent_session_loses_its_pins() {
    let mut world = World::with_memory(4);
    let file = world.written("/f", MIB);
    pin(&mut world, B, file.id).unwrap();
    world.delete("/f", false).unwrap();
    world.pass(9 * SECOND);
    let heartbeat = Command::Heartbeat {
        datanode: 1,
        incarnation: 1,
    };
    world.namespace.apply(world.now, B, &heartbeat).unwrap();
    assert_eq!(world.used(), MIB);
    world.pass(SECOND);
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
}

#[test]
fn a_pinned_file_can_be_written_on() {
    let mut world = World::with_memory(8);
    let file = world.written("/f", 100);
    let (held, blocks) = pin(&mut world, B, file.id).unwrap();
    let writer = world.append(A, "/f").unwrap();
    world.allocate(&writer, 4096, MIB).unwrap();
    world.publish(&writer, MIB, true).unwrap();
    assert_eq!(
        world.blocks(file.id, 0, 1).unwrap()[0].handles(),
        blocks[0].handles()
    );
    world.delete("/f", false).unwrap();
    assert_eq!(
        world.blocks(file.id, 0, 1).unwrap()[0].handles(),
        blocks[0].handles()
    );
    unpin(&mut world, B, held);
    assert_eq!(world.used(), 0);
}

#[test]
fn containers_are_not_pinned_and_a_session_pins_so_many_and_no_more() {
    let mut world = World::with(Config {
        leases_per_session_max: 2,
        ..Config::default()
    });
    let directory = world.directory("/d");
    assert_eq!(pin(&mut world, A, directory.id), Err(Failure::IsADirectory));
    let files = ["/1", "/2", "/3"].map(|path| world.written(path, 0).id);
    pin(&mut world, A, files[0]).unwrap();
    pin(&mut world, A, files[1]).unwrap();
    assert_eq!(pin(&mut world, A, files[2]), Err(Failure::Full));
    pin(&mut world, A, files[1]).unwrap();
}
