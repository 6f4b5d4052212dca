//! Reads in batches answer as single ones do.

use crake_server::namenode::command::{Condition, Kind};
use crake_server::namenode::{Command, Failure, READS_MAX, Read, Reply};

use crate::world::{A, MIB, ROOT, World};

#[test]
fn a_batch_answers_as_the_single_commands_do() {
    let mut world = World::with_memory(8);
    world.directory("/d");
    let base = world.directory("/d/e").id;
    let gone = world.directory("/gone").id;
    world.delete("/gone", false).unwrap();
    world.written("/d/e/f", 2 * MIB);
    let long = "l".repeat(200);
    world.written(&format!("/d/{long}"), 0);
    world.make("/t", Kind::Table).unwrap();
    world.put(b"k", b"value", Condition::Always).unwrap();
    let (pending, _) = world.put_large(b"big", 100, Condition::Always).unwrap();
    world.commit(pending, false).unwrap();

    let long_path = format!("d/{long}");
    let too_long = "x".repeat(4097);
    let paths = [
        "", "/", "/d", "/d/", "/d/e/f", "/d/e/f/", "/d/e/f/g", "/x", "/x/y", "/d/..", "/t/k", "f", "/t/big",
    ];
    let paths: Vec<&[u8]> = paths
        .into_iter()
        .chain([long_path.as_str(), too_long.as_str()])
        .map(str::as_bytes)
        .collect();
    let mut reads = Vec::new();
    for base in [ROOT, base, gone] {
        for &path in &paths {
            reads.push(Read::Lookup {
                base,
                path,
                blocks: false,
            });
            reads.push(Read::Lookup {
                base,
                path,
                blocks: true,
            });
            for key in [&b"k"[..], b"big", b"none", b"", &[0; 256]] {
                reads.push(Read::Get {
                    table: base,
                    path,
                    key,
                });
                reads.push(Read::Get {
                    table: base,
                    path: b"/t",
                    key,
                });
            }
        }
    }
    assert!(reads.len() > 2 * 64);
    let expected: Vec<String> = reads
        .iter()
        .map(|read| format!("{:?}", single(&mut world, read)))
        .collect();
    let mut answered = Vec::new();
    let mut take = |index, reply: Result<Reply<'_>, Failure>| {
        assert_eq!(index, answered.len());
        answered.push(format!("{:?}", reply.map(|reply| format!("{reply:?}"))));
    };
    let asked: Vec<(usize, Read<'_>)> = reads.iter().copied().enumerate().collect();
    for batch in asked.chunks(READS_MAX) {
        world
            .namespace
            .read_batch(world.now, batch.iter().copied(), &mut take);
    }
    assert_eq!(answered.len(), expected.len());
    for (read, (answered, expected)) in reads.iter().zip(answered.iter().zip(&expected)) {
        assert_eq!(answered, expected, "{read:?}");
    }
    for failure in ["NotFound", "NotADirectory", "InvalidName", "TooLong", "WrongKind"] {
        assert!(
            expected.iter().any(|reply| reply == &format!("Err({failure})")),
            "{failure}"
        );
    }
}

fn single(world: &mut World, read: &Read<'_>) -> Result<String, Failure> {
    let text = |path| str::from_utf8(path).unwrap();
    let command = match *read {
        Read::Lookup { base, path, blocks } => Command::Lookup {
            base,
            path: text(path),
            blocks,
        },
        Read::Get { table, path, key } => Command::Get {
            table,
            path: text(path),
            key,
        },
    };
    world.run(A, command, |reply: Reply<'_>| format!("{reply:?}"))
}

#[test]
fn a_batch_ends_leases_that_are_due() {
    let mut world = World::new();
    world.file("/f");
    world.now.mono_ns += 10_000_000_000;
    let read = Read::Lookup {
        base: ROOT,
        path: b"/f",
        blocks: false,
    };
    let mut answers = 0;
    let mut take = |(), reply: Result<Reply<'_>, Failure>| {
        assert!(matches!(reply, Ok(Reply::Node { node, .. }) if !node.open));
        answers += 1;
    };
    world.namespace.read_batch(world.now, [((), read)], &mut take);
    assert_eq!(answers, 1);
}

#[test]
fn a_path_that_was_looked_up_does_not_outlive_its_directories() {
    let mut world = World::new();
    world.directory("/a");
    world.directory("/a/b");
    let old = world.written("/a/b/f", 0).id;
    let lookup = |world: &mut World, base, path: &str| {
        let read = Read::Lookup {
            base,
            path: path.as_bytes(),
            blocks: false,
        };
        // Once to learn the way, once by it.
        let mut found = [None; 2];
        let mut take = |at: usize, reply: Result<Reply<'_>, Failure>| {
            found[at] = Some(reply.map(|reply| match reply {
                Reply::Node { node, .. } => node.id,
                other => panic!("{other:?}"),
            }));
        };
        for at in 0..2 {
            world.namespace.read_batch(world.now, [(at, read)], &mut take);
        }
        world.check();
        assert_eq!(found[0], found[1]);
        found[0].unwrap()
    };
    for path in ["a/b/f", "a//b/f", "/a/b/f"] {
        assert_eq!(lookup(&mut world, ROOT, path), Ok(old));
        assert_eq!(lookup(&mut world, ROOT, path), Ok(old));
    }
    world.rename("/a", "/c").unwrap();
    assert_eq!(lookup(&mut world, ROOT, "a/b/f"), Err(Failure::NotFound));
    let base = world.directory("/a").id;
    assert_eq!(lookup(&mut world, ROOT, "c/b/f"), Ok(old));
    world.directory("/a/b");
    let new = world.written("/a/b/f", 0).id;
    assert_eq!(lookup(&mut world, ROOT, "a/b/f"), Ok(new));
    assert_eq!(lookup(&mut world, base, "b/f"), Ok(new));
    world.delete("/a", true).unwrap();
    assert_eq!(lookup(&mut world, base, "b/f"), Err(Failure::NotFound));
    assert_eq!(lookup(&mut world, ROOT, "a/b/f"), Err(Failure::NotFound));
    assert_eq!(lookup(&mut world, ROOT, "c/b/f"), Ok(old));
}

/// Names of nodes are checked when they are made, keys of tables are not: a lookup must not find those by bytes.
#[test]
fn a_path_that_is_not_utf8_leads_nowhere() {
    let mut world = World::new();
    world.directory("/d");
    world.make("/t", Kind::Table).unwrap();
    world.put(b"\xff", b"value", Condition::Always).unwrap();
    world.put(b"k", b"value", Condition::Always).unwrap();
    let is_found = |world: &mut World, path: &[u8]| {
        let read = Read::Lookup {
            base: ROOT,
            path,
            blocks: false,
        };
        let mut found = None;
        let mut take = |(), reply: Result<Reply<'_>, Failure>| found = Some(reply.map(drop));
        world.namespace.read_batch(world.now, [((), read)], &mut take);
        found.unwrap()
    };
    // Twice: the first lookup that succeeds may teach a shortcut.
    for _ in 0..2 {
        assert_eq!(is_found(&mut world, b"t/k"), Ok(()));
        for path in [&b"\xff"[..], b"d/\xff", b"t/\xff", b"\xff/k"] {
            assert_eq!(is_found(&mut world, path), Err(Failure::NotFound), "{path:?}");
        }
    }
}
