//! Names and paths.

use crake_server::namenode::Failure;
use crake_server::namenode::command::{Create, Kind, NodeId};

use crate::world::{ROOT, World};

#[test]
fn names_that_are_none_are_refused_wherever_they_stand() {
    let mut world = World::new();
    for path in ["/.", "/..", "/a\0b", "/./x", "/../x"] {
        let request = Create {
            path,
            kind: Kind::Directory,
            parents: true,
            ..Create::default()
        };
        assert_eq!(world.create(request).unwrap_err(), Failure::InvalidName, "{path}");
        assert_eq!(world.lookup(path), Err(Failure::InvalidName), "{path}");
    }
    world.directory("/d");
    assert_eq!(world.rename("/d", "/.."), Err(Failure::InvalidName));
    let request = Create {
        path: "/n/..",
        kind: Kind::Directory,
        parents: true,
        ..Create::default()
    };
    assert_eq!(world.create(request).unwrap_err(), Failure::InvalidName);
}

#[test]
fn names_have_up_to_255_bytes_and_paths_up_to_4096() {
    let mut world = World::new();
    for len in [1, 15, 16, 17, 79, 80, 81, 254, 255] {
        let path = format!("/{}", "n".repeat(len));
        let node = world.file(&path).node;
        assert_eq!(world.lookup(&path).unwrap().id, node.id);
    }
    assert_eq!(world.names("/").len(), 9);
    let long = format!("/{}", "n".repeat(256));
    assert_eq!(world.make(&long, Kind::File).unwrap_err(), Failure::TooLong);
    assert_eq!(world.lookup(&long), Err(Failure::TooLong));
    assert_eq!(world.lookup(&"/".repeat(4096)).unwrap().id, ROOT);
    assert_eq!(world.lookup(&"/".repeat(4097)), Err(Failure::TooLong));
}

#[test]
fn slashes_in_front_behind_and_in_a_row_count_as_one() {
    let mut world = World::new();
    world.directory("//a/");
    let node = world.file("a///f").node;
    assert_eq!(world.lookup("/a/f").unwrap().id, node.id);
    assert_eq!(world.lookup("").unwrap().id, ROOT);
    assert_eq!(world.lookup("/").unwrap().id, ROOT);
}

#[test]
fn a_slash_behind_means_a_container() {
    let mut world = World::new();
    world.file("/f");
    assert_eq!(world.lookup("/f/"), Err(Failure::NotADirectory));
    assert_eq!(world.delete("/f/", false), Err(Failure::NotADirectory));
    assert_eq!(world.rename("/f", "/g/"), Err(Failure::NotADirectory));
    assert_eq!(world.make("/g/", Kind::File).unwrap_err(), Failure::IsADirectory);
    assert_eq!(world.names("/"), ["f"]);
}

#[test]
fn a_path_starts_from_any_node() {
    let mut world = World::new();
    let a = world.directory("/a").id;
    let request = Create {
        base: a,
        path: "b",
        kind: Kind::Directory,
        ..Create::default()
    };
    let b = world.create(request).unwrap().node.id;
    assert_eq!(world.lookup("/a/b").unwrap().id, b);
    assert_eq!(world.lookup_from(b, "").unwrap().id, b);
    assert_eq!(world.lookup_from(NodeId(77), "b"), Err(Failure::NotFound));
    world.delete("/a", true).unwrap();
    assert_eq!(world.lookup_from(a, ""), Err(Failure::NotFound));
}

#[test]
fn a_file_on_the_way_is_no_directory() {
    let mut world = World::new();
    world.file("/f");
    assert_eq!(world.lookup("/f/x"), Err(Failure::NotADirectory));
    let request = Create {
        path: "/f/x/y",
        kind: Kind::File,
        parents: true,
        ..Create::default()
    };
    assert_eq!(world.create(request).unwrap_err(), Failure::NotADirectory);
    assert_eq!(world.page("/f", "", "", 0).unwrap_err(), Failure::NotADirectory);
}

/// Crail kept 32-bit hashes of names, and took "Aa" for "BB".
#[test]
fn names_that_collide_in_crail_are_two_names_here() {
    let mut world = World::new();
    let first = world.directory("/Aa").id;
    let second = world.directory("/BB").id;
    assert_ne!(first, second);
    assert_eq!(world.lookup("/Aa").unwrap().id, first);
    assert_eq!(world.names("/"), ["Aa", "BB"]);
}

/// Crail refused paths of more than 15 names.
#[test]
fn a_tree_may_be_as_deep_as_a_path_and_deeper() {
    let mut world = World::new();
    let path = "/d".repeat(2000);
    let request = Create {
        path: &path,
        kind: Kind::Directory,
        parents: true,
        ..Create::default()
    };
    let bottom = world.create(request).unwrap().node.id;
    let request = Create {
        base: bottom,
        ..request
    };
    let deeper = world.create(request).unwrap().node.id;
    assert_eq!(world.lookup_from(bottom, &path).unwrap().id, deeper);
    assert_eq!(world.delete("/d", true), Ok(4000));
    assert_eq!(world.names("/"), [""; 0]);
}
