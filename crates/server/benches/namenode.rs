//! Nanoseconds per operation of the namespace alone, with 1,000 and with 1 M nodes.
//!
//! `cargo bench -p crake-server --bench namenode [FILTER]`. Absolute times are those of the machine and the moment: rows
//! of one run may be compared, runs may not. Operations are timed in slices of some hundred; the figure is the lower
//! decile of the slices' times, so that what else the machine does counts for little.

use std::hint::black_box;
use std::time::Instant;

use crake_server::namenode::command::{Create, Kind, NodeId, Now, Put, SessionId};
use crake_server::namenode::{Command, Config, Failure, Namespace, READS_MAX, Read, Reply};

const REPETITIONS: usize = 5;
const OPERATIONS: usize = 20_000;
const SLICE: usize = 256;
const BATCH: usize = READS_MAX;
const SESSION: SessionId = SessionId(1);
const VALUE: [u8; 64] = [7; 64];

fn main() {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let mut table = Table {
        filter,
        rows: Vec::new(),
    };
    for (nodes, directories) in [(1_000, 1), (1_000_000, 1_000)] {
        measure_files(&mut table, nodes, directories);
    }
    for nodes in [1_000, 1_000_000] {
        measure_one_directory(&mut table, nodes);
        measure_table(&mut table, nodes);
    }
    table.print();
}

/// Lookups of `/dir-0000/file-000000` among so many files.
fn measure_files(table: &mut Table, files: usize, directories: usize) {
    if !table.wants(&["lookup", "lookup-batch", "lookup-missing"]) {
        return;
    }
    let mut world = World::new();
    let path = |file: usize| format!("/dir-{:04}/file-{:06}", file % directories, file / directories);
    (0..directories).for_each(|directory| world.create(&format!("/dir-{directory:04}"), Kind::Directory));
    (0..files).for_each(|file| world.create_sealed(&path(file)));
    let mut random = Random(1);
    let paths: Vec<String> = (0..OPERATIONS).map(|_| path(random.below(files))).collect();
    table.measure("lookup", files, &paths, |paths| {
        for path in paths {
            black_box(world.apply(&Command::Lookup {
                base: NodeId::ROOT,
                path,
                blocks: false,
            }));
        }
    });
    let reads: Vec<Read<'_>> = paths
        .iter()
        .map(|path| Read::Lookup {
            base: NodeId::ROOT,
            path: path.as_bytes(),
            blocks: false,
        })
        .collect();
    table.measure("lookup-batch", files, &reads, |reads| world.read(reads));
    let missing: Vec<String> = paths.iter().map(|path| format!("{path}.no")).collect();
    table.measure("lookup-missing", files, &missing, |paths| {
        for path in paths {
            let command = Command::Lookup {
                base: NodeId::ROOT,
                path,
                blocks: false,
            };
            let reply = black_box(world.namespace.apply(Now::default(), SESSION, &command));
            assert!(reply.is_err(), "nothing has this name");
        }
    });
}

/// What grows with the number of entries of one container.
fn measure_one_directory(table: &mut Table, entries: usize) {
    if !table.wants(&["create-next", "create-random", "list-page", "rename", "delete"]) {
        return;
    }
    let mut world = World::new();
    world.create("/d", Kind::Directory);
    // Random order of names, and a gap behind each for the names that are measured.
    let mut order: Vec<usize> = (0..entries).collect();
    Random(2).shuffle(&mut order);
    order
        .iter()
        .for_each(|entry| world.create_sealed(&format!("/d/file-{entry:07}")));
    let mut random = Random(3);
    let next: Vec<String> = (0..OPERATIONS).map(|n| format!("/d/new-{n:07}")).collect();
    let anywhere: Vec<String> = (0..OPERATIONS)
        .map(|n| format!("/d/file-{:07}-{n}", random.below(entries)))
        .collect();
    for (name, paths) in [("create-next", &next), ("create-random", &anywhere)] {
        table.measure_with_reset(
            name,
            (entries, paths),
            &mut world,
            |world, paths| paths.iter().for_each(|path| world.create(path, Kind::Multifile)),
            |world, paths| paths.iter().for_each(|path| world.delete(path)),
        );
    }
    let after: Vec<String> = (0..OPERATIONS)
        .map(|_| format!("file-{:07}", random.below((entries - SLICE).max(1))))
        .collect();
    table.measure("list-page of 256", entries, &after, |after| {
        for after in after.iter().step_by(SLICE) {
            let (path, after) = ("/d", after.as_bytes());
            let command = Command::List {
                base: NodeId::ROOT,
                path,
                prefix: b"",
                after,
                limit: SLICE as u32,
                blocks: false,
            };
            let Ok(Reply::List { entries, .. }) = world.namespace.apply(Now::default(), SESSION, &command)
            else {
                panic!("no list")
            };
            entries.for_each(|entry| {
                black_box(entry);
            });
        }
    });
}

fn measure_table(table: &mut Table, keys: usize) {
    if !table.wants(&["put-new", "put-again", "get", "get-batch", "scan-page"]) {
        return;
    }
    let mut world = World::new();
    world.create("/t", Kind::Table);
    let key = |key: usize| format!("user-{key:09}").into_bytes();
    let mut order: Vec<usize> = (0..keys).collect();
    Random(4).shuffle(&mut order);
    order.iter().for_each(|&number| world.put(&key(number)));
    let mut random = Random(5);
    let some: Vec<Vec<u8>> = (0..OPERATIONS).map(|_| key(random.below(keys))).collect();
    let new: Vec<Vec<u8>> = (0..OPERATIONS)
        .map(|n| [key(random.below(keys)), key(n)].concat())
        .collect();
    table.measure_with_reset(
        "put-new 64 B",
        (keys, &new),
        &mut world,
        |world, new| new.iter().for_each(|key| world.put(key)),
        |world, new| new.iter().for_each(|key| world.remove(key)),
    );
    table.measure("put-again 64 B", keys, &some, |some| {
        some.iter().for_each(|key| world.put(key))
    });
    table.measure("get 64 B", keys, &some, |some| {
        for key in some {
            black_box(world.apply(&Command::Get {
                table: NodeId::ROOT,
                path: "/t",
                key,
            }));
        }
    });
    let reads: Vec<Read<'_>> = some
        .iter()
        .map(|key| Read::Get {
            table: NodeId::ROOT,
            path: b"/t",
            key,
        })
        .collect();
    table.measure("get-batch 64 B", keys, &reads, |reads| world.read(reads));
}

struct World {
    namespace: Namespace,
}

impl World {
    fn new() -> Self {
        Self {
            namespace: Namespace::new(Config {
                seed: 1,
                ..Config::default()
            }),
        }
    }

    fn apply<'a>(&'a mut self, command: &Command<'a>) -> Reply<'a> {
        self.namespace
            .apply(Now::default(), SESSION, command)
            .expect("the operation is right")
    }

    fn create(&mut self, path: &str, kind: Kind) {
        self.apply(&Command::Create(Create {
            path,
            kind,
            ..Create::default()
        }));
    }

    fn create_sealed(&mut self, path: &str) {
        let command = Command::Create(Create {
            path,
            kind: Kind::File,
            ..Create::default()
        });
        let Reply::Opened { node, lease, .. } = self.apply(&command) else {
            panic!("not opened")
        };
        let node = node.id;
        self.apply(&Command::Publish {
            node,
            lease,
            size: 0,
            seal: true,
        });
    }

    fn delete(&mut self, path: &str) {
        self.apply(&Command::Delete {
            base: NodeId::ROOT,
            path,
            recursive: false,
        });
    }

    fn put(&mut self, key: &[u8]) {
        self.apply(&Command::Put(Put {
            path: "/t",
            key,
            value: &VALUE,
            ..Put::default()
        }));
    }

    fn remove(&mut self, key: &[u8]) {
        let condition = Default::default();
        self.apply(&Command::Remove {
            table: NodeId::ROOT,
            path: "/t",
            key,
            condition,
        });
    }

    fn read(&mut self, reads: &[Read<'_>]) {
        for batch in reads.chunks(BATCH) {
            let mut take = |(), reply: Result<Reply<'_>, Failure>| {
                black_box(reply.expect("it is there"));
            };
            let reads = batch.iter().map(|&read| ((), read));
            self.namespace.read_batch(Now::default(), reads, &mut take);
        }
    }
}

struct Table {
    filter: String,
    rows: Vec<(String, usize, f64)>,
}

impl Table {
    fn wants(&self, names: &[&str]) -> bool {
        names.iter().any(|name| name.contains(&self.filter))
    }

    fn measure<T>(&mut self, name: &str, nodes: usize, operations: &[T], mut run: impl FnMut(&[T])) {
        self.measure_with_reset(
            name,
            (nodes, operations),
            &mut (),
            |(), slice| run(slice),
            |(), _| (),
        );
    }

    fn measure_with_reset<W, T>(
        &mut self,
        name: &str,
        (nodes, operations): (usize, &[T]),
        world: &mut W,
        mut run: impl FnMut(&mut W, &[T]),
        mut reset: impl FnMut(&mut W, &[T]),
    ) {
        if !name.contains(&self.filter) {
            return;
        }
        let mut times = Vec::new();
        for _ in 0..REPETITIONS {
            for slice in operations.chunks_exact(SLICE) {
                let start = Instant::now();
                run(world, slice);
                times.push(start.elapsed().as_nanos() as f64 / SLICE as f64);
                reset(world, slice);
            }
        }
        times.sort_unstable_by(f64::total_cmp);
        self.rows.push((name.into(), nodes, times[times.len() / 10]));
    }

    fn print(&self) {
        println!(
            "{:<32}{:>12}{:>12}{:>8}",
            "operation", "1,000 ns", "1 M ns", "ratio"
        );
        for (name, _, small) in self.rows.iter().filter(|row| row.1 == 1_000) {
            let large = self.rows.iter().find(|row| row.0 == *name && row.1 == 1_000_000);
            let large = large.map_or(f64::NAN, |row| row.2);
            println!("{name:<32}{small:>12.1}{large:>12.1}{:>8.2}", large / small);
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn shuffle(&mut self, items: &mut [usize]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
