//! Create, list and delete.

use crake_server::namenode::command::{Create, Kind, Put};
use crake_server::namenode::{Command, Config, Failure};

use crate::world::{A, ROOT, World};

#[test]
fn parents_are_made_when_asked_for_only() {
    let mut world = World::new();
    let request = Create {
        path: "/a/b/c",
        kind: Kind::File,
        ..Create::default()
    };
    assert_eq!(world.create(request).unwrap_err(), Failure::NotFound);
    world
        .create(Create {
            parents: true,
            ..request
        })
        .unwrap();
    assert_eq!(world.lookup("/a/b").unwrap().kind, Kind::Directory);
    assert_eq!(world.usage(|usage| usage.nodes), 4);
}

#[test]
fn what_exists_is_refused_unless_said_otherwise() {
    let mut world = World::new();
    let old = world.directory("/d").id;
    world.file("/d/f");
    let again = |path, kind| Create {
        path,
        kind,
        ..Create::default()
    };
    for kind in [Kind::Directory, Kind::File, Kind::Table, Kind::Multifile] {
        assert_eq!(
            world.create(again("/d", kind)).unwrap_err(),
            Failure::AlreadyExists
        );
        let ok = Create {
            existing_ok: true,
            ..again("/d/f", kind)
        };
        assert_eq!(world.create(ok).unwrap_err(), Failure::AlreadyExists);
    }
    let ok = Create {
        existing_ok: true,
        ..again("/d", Kind::Directory)
    };
    assert_eq!(world.create(ok).unwrap().node.id, old);
    let other = Create {
        existing_ok: true,
        ..again("/d", Kind::Table)
    };
    assert_eq!(world.create(other).unwrap_err(), Failure::AlreadyExists);
    let over = Create {
        replace: true,
        ..again("/d", Kind::File)
    };
    assert_eq!(world.create(over).unwrap_err(), Failure::IsADirectory);
    let root = Create {
        replace: true,
        ..again("/", Kind::File)
    };
    assert_eq!(world.create(root).unwrap_err(), Failure::IsADirectory);
}

#[test]
fn containers_take_their_kinds_only() {
    let mut world = World::new();
    world.make("/t", Kind::Table).unwrap();
    world.make("/m", Kind::Multifile).unwrap();
    world.file("/m/part");
    for kind in [
        Kind::Directory,
        Kind::File,
        Kind::Table,
        Kind::Multifile,
        Kind::KeyValue,
    ] {
        assert_eq!(world.make("/t/x", kind).unwrap_err(), Failure::WrongKind);
    }
    for kind in [Kind::Directory, Kind::Table, Kind::Multifile, Kind::KeyValue] {
        assert_eq!(world.make("/m/x", kind).unwrap_err(), Failure::WrongKind);
    }
    assert_eq!(world.make("/x", Kind::KeyValue).unwrap_err(), Failure::WrongKind);
    let below = Create {
        path: "/t/x/y",
        kind: Kind::File,
        parents: true,
        ..Create::default()
    };
    assert_eq!(world.create(below).unwrap_err(), Failure::WrongKind);
    let put = Put {
        path: "/m",
        key: b"k",
        ..Put::default()
    };
    assert_eq!(world.run(A, Command::Put(put), |_| ()), Err(Failure::WrongKind));
}

#[test]
fn a_listing_is_ordered_paged_and_filtered() {
    let mut world = World::new();
    for name in ["b", "a", "ab", "abc", "B", "ä", "b1", "b2", "c"] {
        world.directory(&format!("/{name}"));
    }
    assert_eq!(
        world.names("/"),
        ["B", "a", "ab", "abc", "b", "b1", "b2", "c", "ä"]
    );
    assert_eq!(
        world.page("/", "", "", 3).unwrap(),
        (vec!["B".into(), "a".into(), "ab".into()], true)
    );
    assert_eq!(
        world.page("/", "", "b2", 3).unwrap(),
        (vec!["c".into(), "ä".into()], false)
    );
    assert_eq!(world.page("/", "ab", "", 1).unwrap(), (vec!["ab".into()], true));
    assert_eq!(
        world.page("/", "ab", "ab", 1).unwrap(),
        (vec!["abc".into()], false)
    );
    assert_eq!(world.page("/", "b", "Z", 0).unwrap().0, ["b", "b1", "b2"]);
    assert_eq!(world.page("/", "b", "c", 0).unwrap(), (vec![], false));
    assert_eq!(world.page("/", "x", "", 0).unwrap(), (vec![], false));
    assert_eq!(world.page("/c", "", "", 0).unwrap(), (vec![], false));
}

#[test]
fn a_page_fits_into_a_message_and_pages_join_without_gaps() {
    let mut world = World::new();
    let names: Vec<String> = (0..700)
        .map(|n| format!("{n:04}{}", "x".repeat(n % 250)))
        .collect();
    for name in &names {
        world.directory(&format!("/{name}"));
    }
    let (mut seen, mut after) = (Vec::new(), String::new());
    loop {
        let (page, more) = world.page("/", "", &after, 0).unwrap();
        let bytes: usize = page.iter().map(|name| name.len() + 128).sum();
        assert!(!page.is_empty() && page.len() <= 512 && bytes <= 60 * 1024);
        after = page.last().unwrap().clone();
        seen.extend(page);
        if !more {
            break;
        }
    }
    assert_eq!(seen, names);
}

/// In Crail a listing had what was deleted and replaced, for ever.
#[test]
fn a_listing_has_no_traces_of_what_was() {
    let mut world = World::new();
    world.make("/t", Kind::Table).unwrap();
    for round in 0..3 {
        world.put(b"key", &[round], Default::default()).unwrap();
        world.file("/f");
        world.rename("/f", "/g").unwrap();
        assert_eq!(world.names("/"), ["g", "t"]);
        assert_eq!(world.names("/t"), ["key"]);
        world.delete("/g", false).unwrap();
    }
    assert_eq!(world.names("/"), ["t"]);
    assert_eq!(world.lookup("/t").unwrap().size, 1);
}

/// Crail's namenode ignored the flag and destroyed the tree.
#[test]
fn a_container_with_entries_is_deleted_recursively_only() {
    let mut world = World::new();
    world.directory("/d");
    world.make("/d/t", Kind::Table).unwrap();
    world.put_at("/d/t", b"k");
    assert_eq!(world.delete("/d", false), Err(Failure::NotEmpty));
    assert_eq!(world.delete("/d/t", false), Err(Failure::NotEmpty));
    assert_eq!(world.delete("/d", true), Ok(3));
    assert_eq!(world.lookup("/d"), Err(Failure::NotFound));
    assert_eq!(world.delete("/d", true), Err(Failure::NotFound));
    world.directory("/e");
    assert_eq!(world.delete("/e", false), Ok(1));
}

#[test]
fn the_root_stays() {
    let mut world = World::new();
    world.directory("/d");
    assert_eq!(world.delete("/", true), Err(Failure::RootIsFixed));
    assert_eq!(world.rename("/", "/d/x"), Err(Failure::RootIsFixed));
    assert_eq!(world.rename("/d", "/"), Err(Failure::RootIsFixed));
}

#[test]
fn an_id_is_gone_with_its_node_for_ever() {
    let mut world = World::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let file = world.file("/f");
        assert!(seen.insert(file.node.id));
        world.delete("/f", false).unwrap();
        assert_eq!(world.blocks(file.node.id, 0, 0), Err(Failure::NotFound));
    }
}

#[test]
fn the_limit_on_nodes_holds_for_all_that_makes_some() {
    let mut world = World::with(Config {
        nodes_max: 5,
        ..Config::default()
    });
    world.register("datanode", 1, 8 << 20);
    world.make("/t", Kind::Table).unwrap();
    world.put(b"k", b"v", Default::default()).unwrap();
    world.file("/f");
    let deep = Create {
        path: "/a/b",
        kind: Kind::Directory,
        parents: true,
        ..Create::default()
    };
    assert_eq!(world.create(deep).unwrap_err(), Failure::Full);
    // A large value on its way has its node already.
    let (pending, _) = world.put_large(b"l", 1, Default::default()).unwrap();
    assert_eq!(world.put(b"m", b"v", Default::default()), Err(Failure::Full));
    assert_eq!(world.make("/d", Kind::Directory).unwrap_err(), Failure::Full);
    world.put(b"k", b"w", Default::default()).unwrap();
    world
        .create(Create {
            path: "/f",
            kind: Kind::File,
            replace: true,
            ..Create::default()
        })
        .unwrap();
    world.commit(pending, false).unwrap();
    assert_eq!(world.usage(|usage| usage.nodes), 5);
    world.delete("/f", false).unwrap();
    world.directory("/d");
}

#[test]
fn attributes_say_what_was_asked_for_and_when() {
    let mut world = World::with_memory(4);
    let request = Create {
        path: "/f",
        kind: Kind::File,
        storage_class: 3,
        location_class: 99,
        size_hint: 10,
        ..Create::default()
    };
    let file = world.create(request).unwrap();
    let born = world.now.wall_ns;
    let node = file.node;
    assert_eq!(
        (node.storage_class, node.location_class, node.replicas),
        (3, 99, 1)
    );
    assert_eq!(
        (node.size, node.capacity, node.open, node.version),
        (0, 4096, true, 0)
    );
    world.pass(1000);
    let node = world.publish(&file, 10, true).unwrap();
    assert_eq!(
        (node.created_ns, node.modified_ns, node.size, node.open),
        (born, born + 1000, 10, false)
    );
    assert_eq!(world.lookup("/").unwrap().size, 1);
    world.pass(1000);
    world.delete("/f", false).unwrap();
    assert_eq!(world.lookup("/").unwrap().modified_ns, born + 2000);
}

impl World {
    fn put_at(&mut self, path: &str, key: &[u8]) {
        self.run(
            A,
            Command::Put(Put {
                table: ROOT,
                path,
                key,
                ..Put::default()
            }),
            |_| (),
        )
        .unwrap();
    }
}
