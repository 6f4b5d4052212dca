//! Where blocks come from: classes of sizes, tiers and places, and that none is anybody's twice.

use std::collections::BTreeMap;

use crake_server::namenode::Failure;
use crake_server::namenode::command::{Block, Create, Kind, Register};

use crate::world::{MIB, World};

fn datanode_of(block: &Block) -> u32 {
    u32::from_le_bytes(block.handles()[8..12].try_into().unwrap())
}

#[test]
fn space_is_not_stranded_by_small_files() {
    let mut world = World::with_memory(2);
    // Small files all over both slots; then only large ones, then small ones again.
    for n in 0..512 {
        world.written(&format!("/small-{n}"), 4000);
    }
    assert_eq!(world.used(), 2 * MIB);
    let file = world.file("/large");
    assert_eq!(world.allocate(&file, 0, MIB), Err(Failure::NoSpace));
    for n in 0..512 {
        world.delete(&format!("/small-{n}"), false).unwrap();
    }
    assert_eq!(world.allocate(&file, 0, 2 * MIB).unwrap().len(), 2);
    world.delete("/large", false).unwrap();
    world.written("/small", 1);
    assert_eq!(world.used(), 4096);
}

#[test]
fn the_last_free_bytes_are_used_in_whatever_size_they_are() {
    let mut world = World::with_memory(1);
    world.written("/small", 4096);
    let file = world.file("/f");
    let mut capacity = 0;
    while let Ok(blocks) = world.allocate(&file, capacity, MIB) {
        capacity += blocks.iter().map(|block| u64::from(block.length)).sum::<u64>();
    }
    assert_eq!(capacity, MIB - 4096);
    // What was written stays readable.
    world.publish(&file, capacity, true).unwrap();
    assert_eq!(world.used(), MIB);
}

#[test]
fn no_block_is_issued_twice_in_the_same_life() {
    let mut world = World::with_memory(1);
    let mut newest = BTreeMap::new();
    for round in 0..40_u64 {
        let file = world.file("/f");
        let blocks = world
            .allocate(&file, 0, [1, 100_000, MIB][round as usize % 3])
            .unwrap();
        for block in blocks {
            let field = |at: usize| u32::from_le_bytes(block.handles()[at..at + 4].try_into().unwrap());
            let (unit, units, generation) = (field(12), field(16) / 4096, field(20));
            for unit in unit..unit + units {
                assert!(
                    newest
                        .insert(unit, generation)
                        .is_none_or(|older| older < generation)
                );
            }
        }
        world.delete("/f", false).unwrap();
    }
}

#[test]
fn datanodes_take_turns() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.register(name, 1, 4 * MIB);
    }
    let file = world.file("/f");
    let blocks = world.allocate(&file, 0, 12 * MIB).unwrap();
    let mut counts = BTreeMap::new();
    blocks
        .iter()
        .for_each(|block| *counts.entry(datanode_of(block)).or_insert(0) += 1);
    assert_eq!(counts, BTreeMap::from([(1, 4), (2, 4), (3, 4)]));
    assert_ne!(datanode_of(&blocks[0]), datanode_of(&blocks[1]));
}

fn placed(world: &mut World, path: &str, storage_class: u32, location_class: u64) -> u32 {
    let kind = Kind::File;
    let request = Create {
        path,
        kind,
        storage_class,
        location_class,
        size_hint: MIB,
        ..Create::default()
    };
    datanode_of(&world.create(request).unwrap().blocks[0])
}

#[test]
fn a_faster_tier_fills_before_the_next() {
    let mut world = World::new();
    let tier = |name, storage_class| Register {
        name,
        incarnation: 1,
        capacity: 2 * MIB,
        storage_class,
        ..Register::default()
    };
    let flash = world.register_with(tier("flash", 1));
    let disk = world.register_with(tier("disk", 5));
    let dram = world.register_with(tier("dram", 0));
    assert_eq!(placed(&mut world, "/pinned", 1, 0), flash);
    assert_eq!(placed(&mut world, "/slow", 2, 0), disk);
    let order: Vec<u32> = (0..4)
        .map(|n| placed(&mut world, &format!("/{n}"), 0, 0))
        .collect();
    assert_eq!(order, [dram, dram, flash, disk]);
    world.delete("/0", false).unwrap();
    // Nothing slower is left, so something faster is given.
    assert_eq!(placed(&mut world, "/5", 5, 0), dram);
    let request = Create {
        path: "/6",
        kind: Kind::File,
        size_hint: 1,
        ..Create::default()
    };
    assert_eq!(world.create(request).unwrap_err(), Failure::NoSpace);
}

/// In Crail the affinity did not work for half of all hosts: those whose hash was negative.
#[test]
fn a_location_is_preferred_and_not_required() {
    let mut world = World::new();
    let place = |name, location_class| Register {
        name,
        incarnation: 1,
        capacity: 2 * MIB,
        location_class,
        ..Register::default()
    };
    let other = world.register_with(place("other", 1));
    let wanted = world.register_with(place("wanted", u64::MAX));
    let order: Vec<u32> = (0..4)
        .map(|n| placed(&mut world, &format!("/{n}"), 0, u64::MAX))
        .collect();
    assert_eq!(order, [wanted, wanted, other, other]);
}
