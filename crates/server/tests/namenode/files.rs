//! Files: create, allocate, publish, seal, append, replace.

use crake_server::namenode::command::{Create, Kind};
use crake_server::namenode::{Command, Failure};

use crate::world::{A, B, MIB, ROOT, World, lengths};

const REPLACE: Create<'_> = Create {
    path: "/f",
    kind: Kind::File,
    replace: true,
    ..DEFAULT
};
const DEFAULT: Create<'_> = Create {
    branch: None,
    spread: false,
    base: ROOT,
    path: "",
    kind: Kind::Directory,
    parents: false,
    replace: false,
    existing_ok: false,
    storage_class: 0,
    location_class: 0,
    size_hint: 0,
    ttl_ns: 0,
};

/// In Crail each directory, and each empty file, took a block of 1 MiB.
#[test]
fn what_is_empty_takes_no_block() {
    let mut world = World::with_memory(1);
    for n in 0..100 {
        world.directory(&format!("/d{n}"));
        world.written(&format!("/f{n}"), 0);
    }
    assert_eq!(world.used(), 0);
    // A block that was allotted and not used goes when the file is sealed.
    let file = world.file("/g");
    world.allocate(&file, 0, 1).unwrap();
    assert_eq!(world.used(), 4096);
    world.publish(&file, 0, true).unwrap();
    assert_eq!(world.used(), 0);
}

/// In Crail a value of 4 bytes took 1 MiB.
#[test]
fn small_files_take_small_blocks() {
    let mut world = World::with_memory(64);
    for (size, taken) in [
        (1, 4096),
        (4096, 4096),
        (4097, 8192),
        (40_000, 65_536),
        (70_000, 131_072),
    ] {
        let before = world.used();
        world.written(&format!("/f{size}"), size);
        assert_eq!(world.used() - before, taken, "{size} bytes");
    }
    let before = world.used();
    world.written("/large", 10 * MIB);
    assert_eq!(world.used() - before, 10 * MIB);
}

#[test]
fn the_first_blocks_come_with_a_file_of_known_size() {
    let mut world = World::with_memory(4);
    let file = world
        .create(Create {
            path: "/f",
            kind: Kind::File,
            size_hint: 70_000,
            ..DEFAULT
        })
        .unwrap();
    assert_eq!(lengths(&file.blocks), [65_536, 65_536]);
    assert_eq!(file.node.capacity, 131_072);
    let node = world.publish(&file, 70_000, true).unwrap();
    assert_eq!((node.size, node.capacity, node.open), (70_000, 131_072, false));
}

#[test]
fn blocks_come_up_to_what_is_wanted_and_64_at_a_time() {
    let mut world = World::with_memory(200);
    let file = world.file("/f");
    let blocks = world.allocate(&file, 0, 100 * MIB).unwrap();
    assert_eq!(
        (blocks.len(), lengths(&blocks).iter().sum::<u64>()),
        (64, 64 * MIB)
    );
    let rest = world.allocate(&file, 64 * MIB, 36 * MIB).unwrap();
    assert_eq!((rest.len(), rest[0].offset), (36, 64 * MIB));
    assert_eq!(world.allocate(&file, 100 * MIB, 0).unwrap().len(), 1);
}

#[test]
fn an_allocation_asked_for_again_gives_the_same_blocks() {
    let mut world = World::with_memory(8);
    let file = world.file("/f");
    let first = world.allocate(&file, 0, 3 * MIB).unwrap();
    assert_eq!(world.allocate(&file, 0, 3 * MIB).unwrap(), first);
    assert_eq!(world.allocate(&file, MIB, 1).unwrap(), first[1..]);
    assert_eq!(world.used(), 3 * MIB);
    assert_eq!(world.allocate(&file, 3 * MIB + 1, 1), Err(Failure::TooLong));
}

#[test]
fn an_absurd_size_is_no_harm() {
    let mut world = World::with_memory(2);
    let file = world.file("/f");
    assert_eq!(world.allocate(&file, 0, u64::MAX).unwrap().len(), 2);
    assert_eq!(world.allocate(&file, 2 * MIB, u64::MAX), Err(Failure::TooLong));
    assert_eq!(world.publish(&file, u64::MAX, false), Err(Failure::TooLong));
}

#[test]
fn the_published_size_only_grows_and_stays_below_capacity() {
    let mut world = World::with_memory(4);
    let file = world.file("/f");
    world.allocate(&file, 0, 4096).unwrap();
    assert_eq!(world.publish(&file, 100, false).unwrap().size, 100);
    assert_eq!(world.publish(&file, 50, false).unwrap().size, 100);
    assert_eq!(world.publish(&file, 4097, false), Err(Failure::TooLong));
    assert_eq!(world.publish(&file, 4096, true).unwrap().size, 4096);
    assert_eq!(world.publish(&file, 4096, true), Err(Failure::LeaseLost));
}

/// In Crail a reader without a token could make the namenode allocate.
#[test]
fn readers_see_published_blocks_and_cannot_write() {
    let mut world = World::with_memory(8);
    let file = world.file("/f");
    let written = world.allocate(&file, 0, 4 * MIB).unwrap();
    assert_eq!(world.blocks(file.node.id, 0, 0).unwrap(), []);
    world.publish(&file, MIB + 1, false).unwrap();
    let read = world.blocks(file.node.id, 0, 0).unwrap();
    assert_eq!(lengths(&read), [MIB, MIB]);
    assert_eq!(world.blocks(file.node.id, MIB, 0).unwrap(), read[1..]);
    assert_eq!(world.blocks(file.node.id, MIB - 1, 1).unwrap(), read[..1]);
    assert_eq!(world.blocks(file.node.id, u64::MAX, 0).unwrap(), []);
    assert_eq!(world.first_blocks("/f"), read);
    let rights = |handles: &[u8]| handles[24];
    assert_eq!((rights(written[0].handles()), rights(read[0].handles())), (3, 1));
    assert_ne!(written[0].handles()[32..], read[0].handles()[32..]);
    assert_eq!(written[0].handles()[..24], read[0].handles()[..24]);
}

#[test]
fn sealing_frees_what_was_not_published() {
    let mut world = World::with_memory(8);
    let file = world.file("/f");
    world.allocate(&file, 0, 5 * MIB).unwrap();
    world.publish(&file, 2 * MIB, true).unwrap();
    assert_eq!(world.used(), 2 * MIB);
    assert_eq!(world.lookup("/f").unwrap().capacity, 2 * MIB);
}

/// In Crail only the process that made a file could ever write it.
#[test]
fn anyone_may_append_when_nobody_writes() {
    let mut world = World::with_memory(4);
    let first = world.file("/f");
    world.allocate(&first, 0, 4096).unwrap();
    world.publish(&first, 1000, false).unwrap();
    assert_eq!(world.append(B, "/f").unwrap_err(), Failure::LeaseHeld);
    assert_eq!(world.append(A, "/f").unwrap_err(), Failure::LeaseHeld);
    world.publish(&first, 1000, true).unwrap();
    let second = world.append(B, "/f").unwrap();
    assert_eq!(lengths(&second.blocks), [4096]);
    assert_eq!(
        (second.node.id, second.node.size, second.node.open),
        (first.node.id, 1000, true)
    );
    assert_eq!(world.publish(&first, 2000, false), Err(Failure::LeaseLost));
    assert_eq!(world.publish_as(B, &second, 4096, true).unwrap().size, 4096);
    // A last block without room does not come.
    assert_eq!(world.append(B, "/f").unwrap().blocks, []);
}

#[test]
fn only_files_are_appended_to() {
    let mut world = World::new();
    world.make("/t", Kind::Table).unwrap();
    world.put(b"k", b"v", Default::default()).unwrap();
    assert_eq!(world.append(A, "/").unwrap_err(), Failure::IsADirectory);
    assert_eq!(world.append(A, "/t").unwrap_err(), Failure::IsADirectory);
    assert_eq!(world.append(A, "/t/k").unwrap_err(), Failure::WrongKind);
    assert_eq!(world.append(A, "/x").unwrap_err(), Failure::NotFound);
    assert_eq!(world.blocks(ROOT, 0, 0), Err(Failure::IsADirectory));
}

#[test]
fn a_replaced_file_is_another_and_its_writer_is_told() {
    let mut world = World::with_memory(4);
    let old = world.file("/f");
    world.allocate(&old, 0, MIB).unwrap();
    let new = world.create(REPLACE).unwrap();
    assert_ne!(new.node.id, old.node.id);
    assert_eq!((new.node.size, new.node.capacity), (0, 0));
    assert_eq!(world.used(), 0);
    assert_eq!(world.allocate(&old, MIB, 1), Err(Failure::NotFound));
    assert_eq!(world.publish(&old, 0, true), Err(Failure::NotFound));
    world.publish(&new, 0, true).unwrap();
    assert_eq!(world.names("/"), ["f"]);
}

#[test]
fn a_deleted_file_frees_its_blocks_at_once() {
    let mut world = World::with_memory(4);
    let file = world.file("/f");
    world.allocate(&file, 0, 2 * MIB).unwrap();
    world.publish(&file, 5, false).unwrap();
    world.delete("/f", false).unwrap();
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
    assert_eq!(world.publish(&file, 6, false), Err(Failure::NotFound));
    assert_eq!(world.blocks(file.node.id, 0, 0), Err(Failure::NotFound));
}

/// In Crail a create without room left a node behind that had no block.
#[test]
fn a_create_without_room_leaves_nothing_behind() {
    let mut world = World::with_memory(1);
    let kept = world.written("/f", MIB);
    let hinted = Create {
        path: "/a/g",
        kind: Kind::File,
        parents: true,
        size_hint: 1,
        ..DEFAULT
    };
    assert_eq!(world.create(hinted).unwrap_err(), Failure::NoSpace);
    assert_eq!(
        world
            .create(Create {
                size_hint: 1,
                ..REPLACE
            })
            .unwrap_err(),
        Failure::NoSpace
    );
    assert_eq!(world.names("/"), ["f"]);
    assert_eq!(world.lookup("/f").unwrap(), kept);
    assert_eq!(world.usage(|usage| usage.leases), 0);
    // Without a size there is nothing to run out of.
    let file = world.file("/h");
    assert_eq!(world.allocate(&file, 0, 1), Err(Failure::NoSpace));
    world.delete("/f", false).unwrap();
    world.allocate(&file, 0, 1).unwrap();
}

#[test]
fn an_append_without_a_free_lease_changes_nothing() {
    let limits = crake_server::namenode::Config {
        leases_per_session_max: 1,
        ..Default::default()
    };
    let mut world = World::with(limits);
    world.written("/f", 0);
    world.file("/g");
    assert_eq!(world.append(A, "/f").unwrap_err(), Failure::Full);
    assert_eq!(world.make("/h", Kind::File).unwrap_err(), Failure::Full);
    world
        .open(
            B,
            Command::Append {
                base: ROOT,
                path: "/f",
            },
        )
        .unwrap();
}
