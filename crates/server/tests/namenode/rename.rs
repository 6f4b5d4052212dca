//! Rename, as rename(2) has it.

use crake_server::namenode::Failure;
use crake_server::namenode::command::Kind;

use crate::world::{A, ROOT, World};

#[test]
fn onto_itself_changes_nothing() {
    let mut world = World::new();
    let node = world.file("/f").node;
    let before = world.namespace.fingerprint();
    assert_eq!(world.rename("/f", "//f").unwrap(), node);
    assert_eq!(world.namespace.fingerprint(), before);
    assert_eq!(world.rename_with("/f", "/f", true), Err(Failure::AlreadyExists));
}

#[test]
fn a_file_replaces_a_file_and_frees_its_blocks() {
    let mut world = World::with_memory(4);
    let moved = world.written("/a", 4096);
    let replaced = world.written("/b", 100_000);
    assert_eq!(world.rename_with("/a", "/b", true), Err(Failure::AlreadyExists));
    assert_eq!(world.rename("/a", "/b").unwrap().id, moved.id);
    assert_eq!(world.names("/"), ["b"]);
    assert_eq!(world.used(), 4096);
    assert_eq!(world.blocks(replaced.id, 0, 0), Err(Failure::NotFound));
    assert_eq!(world.blocks(moved.id, 0, 0).unwrap().len(), 1);
}

#[test]
fn a_directory_replaces_an_empty_directory_only() {
    let mut world = World::new();
    let moved = world.directory("/a").id;
    world.file("/a/f");
    world.directory("/empty");
    world.directory("/full");
    world.file("/full/g");
    world.make("/table", Kind::Table).unwrap();
    assert_eq!(world.rename("/a", "/full"), Err(Failure::NotEmpty));
    assert_eq!(world.rename("/a", "/table"), Err(Failure::WrongKind));
    assert_eq!(world.rename("/a", "/empty").unwrap().id, moved);
    assert_eq!(world.names("/"), ["empty", "full", "table"]);
    assert_eq!(world.names("/empty"), ["f"]);
}

#[test]
fn files_and_directories_do_not_replace_each_other() {
    let mut world = World::new();
    world.file("/f");
    world.directory("/d");
    assert_eq!(world.rename("/d", "/f"), Err(Failure::NotADirectory));
    assert_eq!(world.rename("/f", "/d"), Err(Failure::IsADirectory));
    assert_eq!(world.rename("/x", "/y"), Err(Failure::NotFound));
    assert_eq!(world.rename("/f", "/x/y"), Err(Failure::NotFound));
    assert_eq!(world.rename("/f", "/x/y/z"), Err(Failure::NotFound));
    assert_eq!(world.rename("/d", "/f/x"), Err(Failure::NotADirectory));
}

/// Crail's rename of /a to /a/b made a cycle that nobody could reach.
#[test]
fn into_its_own_subtree_is_refused() {
    let mut world = World::new();
    world.directory("/a");
    world.directory("/a/b");
    world.directory("/a/b/c");
    assert_eq!(world.rename("/a", "/a/b/x"), Err(Failure::Cycle));
    assert_eq!(world.rename("/a", "/a/x"), Err(Failure::Cycle));
    assert_eq!(world.rename("/a", "/a/b/c"), Err(Failure::Cycle));
    assert_eq!(world.rename("/a/b", "/a"), Err(Failure::NotEmpty));
    world.rename("/a/b/c", "/a/c").unwrap();
    world.rename("/a/b", "/a/c/b").unwrap();
    assert_eq!(world.names("/a/c"), ["b"]);
}

/// Crail moved the source into an existing directory, under that directory's name.
#[test]
fn an_existing_directory_is_not_moved_into() {
    let mut world = World::new();
    world.directory("/a");
    world.directory("/b");
    world.rename("/a", "/b").unwrap();
    assert_eq!((world.names("/"), world.names("/b")), (vec!["b".into()], vec![]));
}

#[test]
fn what_is_below_moves_along_and_ids_stay() {
    let mut world = World::new();
    world.directory("/a");
    world.directory("/a/b");
    let file = world.file("/a/b/f");
    world.directory("/z");
    world.rename("/a", "/z/y").unwrap();
    assert_eq!(world.lookup("/z/y/b/f").unwrap().id, file.node.id);
    assert_eq!(world.lookup("/a/b/f"), Err(Failure::NotFound));
    world.publish(&file, 0, true).unwrap();
}

#[test]
fn short_names_become_long_and_back() {
    let mut world = World::new();
    let id = world.file("/f").node.id;
    let long = format!("/{}", "l".repeat(200));
    world.rename("/f", &long).unwrap();
    assert_eq!(world.lookup(&long).unwrap().id, id);
    world.rename(&long, "/g").unwrap();
    assert_eq!(world.names("/"), ["g"]);
}

#[test]
fn keys_stay_in_their_table() {
    let mut world = World::new();
    world.make("/t", Kind::Table).unwrap();
    world.put(b"k", b"v", Default::default()).unwrap();
    world.file("/f");
    world.directory("/d");
    assert_eq!(world.rename("/t/k", "/k"), Err(Failure::WrongKind));
    assert_eq!(world.rename("/t/k", "/t/l"), Err(Failure::WrongKind));
    assert_eq!(world.rename("/f", "/t/f"), Err(Failure::WrongKind));
    assert_eq!(world.rename("/f", "/t/k"), Err(Failure::WrongKind));
    assert_eq!(world.rename("/d", "/t/d"), Err(Failure::WrongKind));
}

#[test]
fn an_open_file_is_moved_and_an_open_file_is_replaced() {
    let mut world = World::new();
    let moved = world.file("/a");
    let replaced = world.file("/b");
    world.rename("/a", "/b").unwrap();
    assert_eq!(world.publish(&replaced, 0, false), Err(Failure::NotFound));
    assert_eq!(world.publish(&moved, 0, true).unwrap().id, moved.node.id);
    assert_eq!(world.usage(|usage| usage.leases), 0);
}

#[test]
fn the_target_may_be_named_by_its_id() {
    let mut world = World::new();
    let moved = world.directory("/a").id;
    let replaced = world.directory("/b").id;
    let command = crake_server::namenode::Command::Rename {
        from_base: moved,
        from: "",
        to_base: replaced,
        to: "",
        no_replace: false,
    };
    world.run(A, command, |_| ()).unwrap();
    assert_eq!(world.names("/"), ["b"]);
    assert_eq!(world.lookup_from(ROOT, "/b").unwrap().id, moved);
}
