//! What one small request costs, client and server together, over a local pair in one thread: no system call, no other
//! core. Nanoseconds are for orientation; `valgrind --tool=callgrind` gives instruction counts that repeat.
//!
//! `cargo bench -p crake-server --bench requests [-- [NAME] [COUNT [IN_FLIGHT]]]`: `lookup` in one directory, `spread`
//! over a thousand, `led`: in one at another partition than the root, `get` of a small value, `scan` of pages of 128 small values, `puts` of 128 of them at once, `echo`, and
//! `write-file` and `read-file`: files of 4 KiB from beginning to end, and `found` and `found-get`: lookups and gets that are no requests, because their answers lie in the namenode's memory.

#![allow(clippy::unwrap_used)]

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::{Buf, HugePages, Region};
use crake_server::{Cluster, ClusterConfig, NamenodeConfig};
use crake_store::{CreateOptions, Error, KeyRange, Node, PutEntry, Store, Table};

/// How many requests, and how many of them under way at a time.
#[derive(Clone, Copy)]
struct Load {
    count: usize,
    in_flight: usize,
}

/// Keys of a page, or of a request.
const PAGE: usize = 128;
/// Files and keys that there are.
const NAMES: usize = 1_000;
const FILE_BYTES: usize = 4 << 10;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wanted = arguments
        .iter()
        .find(|argument| argument.parse::<usize>().is_err());
    let mut numbers = arguments.iter().filter_map(|argument| argument.parse().ok());
    let load = Load {
        count: numbers.next().unwrap_or(300_000),
        in_flight: numbers.next().unwrap_or(128),
    };
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    // What clients find by themselves is no request.
    let (_cluster, store) = start(&runtime, 0, 1);
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    if is_wanted("lookup") {
        report("lookup", load, || {
            runtime.block_on(lookups(&store, load, |_| "directory".into()))
        });
    }
    if is_wanted("spread") {
        report("spread", load, || {
            runtime.block_on(lookups(&store, load, |number| format!("directory{number:04}")))
        });
    }
    if is_wanted("led") {
        let (_cluster, store) = start(&runtime, 0, 2);
        report("led", load, || runtime.block_on(led(&store, load)));
    }
    if is_wanted("get") {
        report("get", load, || runtime.block_on(gets(&store, load)));
    }
    if is_wanted("write-file") {
        report("write-file", load, || runtime.block_on(written(&store, load)));
    }
    if is_wanted("read-file") {
        report("read-file", load, || runtime.block_on(read(&store, load)));
    }
    let pages = Load {
        count: load.count.div_ceil(PAGE),
        in_flight: load.in_flight.div_ceil(32),
    };
    if is_wanted("scan") {
        report("scan", pages, || runtime.block_on(scans(&store, pages)));
    }
    if is_wanted("puts") {
        report("puts", pages, || runtime.block_on(puts(&store, pages)));
    }
    if is_wanted("echo") {
        report("echo", load, || runtime.block_on(echoes(&store, load)));
    }
    let answers_bytes = NamenodeConfig::default().answers_bytes;
    if is_wanted("found") {
        let (_cluster, store) = start(&runtime, answers_bytes, 1);
        report("found", load, || {
            runtime.block_on(lookups(&store, load, |_| "directory".into()))
        });
    }
    if is_wanted("found-get") {
        let (_cluster, store) = start(&runtime, answers_bytes, 1);
        report("found-get", load, || runtime.block_on(gets(&store, load)));
    }
}

fn start(runtime: &Runtime, answers_bytes: u64, partitions: u16) -> (Cluster, Store) {
    let config = ClusterConfig {
        partitions,
        namenode: NamenodeConfig {
            answers_bytes,
            ..NamenodeConfig::default()
        },
        ..ClusterConfig::default()
    };
    let cluster = Cluster::start(runtime, config).unwrap();
    runtime.block_on(cluster.ready());
    let store = runtime.block_on(Store::attach(runtime, &cluster.address()));
    (cluster, store.unwrap())
}

fn report(name: &str, load: Load, run: impl FnOnce() -> Result<u128, Error>) {
    let elapsed_ns = run().unwrap();
    println!(
        "{name:<10} {:7.1} ns each, {} in flight",
        elapsed_ns as f64 / load.count as f64,
        load.in_flight
    );
}

/// Of as many files, each in the directory that is named by its number.
async fn lookups(store: &Store, load: Load, directory: impl Fn(usize) -> String) -> Result<u128, Error> {
    let names: Vec<String> = (0..NAMES)
        .map(|number| format!("/bench/{}/file{number:09}", directory(number)))
        .collect();
    for name in &names {
        store
            .create(name, CreateOptions::from(Node::File).parents())
            .await?
            .close()
            .await?;
    }
    keep_in_flight(load, |number| store.lookup(&names[number % NAMES])).await
}

/// The same where clients are led by what they remember of referrals.
async fn led(store: &Store, load: Load) -> Result<u128, Error> {
    for number in 0.. {
        let name = format!("directory{number}");
        let directory = store.make_dir(&format!("/bench/{name}"), true).await?;
        if directory.partition > 0 {
            return lookups(store, load, |_| name.clone()).await;
        }
    }
    unreachable!("half of all names are at the other partition")
}

async fn gets(store: &Store, load: Load) -> Result<u128, Error> {
    let table = store.make_table("/table", true).await?;
    let keys: Vec<String> = (0..NAMES).map(|number| format!("key{number:09}")).collect();
    for key in &keys {
        table.put(key.as_bytes(), &[7; 64]).await?;
    }
    keep_in_flight(load, |number| table.get(keys[number % NAMES].as_bytes())).await
}

/// Files of [`FILE_BYTES`], made, written and closed, each in the place of an earlier one.
async fn written(store: &Store, load: Load) -> Result<u128, Error> {
    let names = file_names();
    keep_in_flight(load, |number| write_file(store, &names[number % NAMES])).await
}

async fn read(store: &Store, load: Load) -> Result<u128, Error> {
    let names = file_names();
    for name in &names {
        write_file(store, name).await?;
    }
    let targets = Region::anonymous(NAMES * FILE_BYTES, HugePages::Try).unwrap();
    keep_in_flight(load, |number| {
        let (name, at) = (&names[number % NAMES], number % NAMES * FILE_BYTES);
        let target = targets.extent(at..at + FILE_BYTES);
        async move { store.open(name).await?.reader()?.read(0, target).await }
    })
    .await
}

fn file_names() -> Vec<String> {
    (0..NAMES).map(|number| format!("/file{number:09}")).collect()
}

async fn write_file(store: &Store, name: &str) -> Result<(), Error> {
    let options = CreateOptions {
        size_hint: FILE_BYTES as u64,
        ..CreateOptions::from(Node::File).replace()
    };
    let writer = store.create(name, options).await?.writer()?;
    // Waited for by the end.
    drop(writer.write(Buf::from_static(&[7; FILE_BYTES])));
    writer.close().await?;
    Ok(())
}

async fn make_keys(store: &Store) -> Result<(Table, Vec<String>), Error> {
    let table = store.make_table("/pages", true).await?;
    let keys: Vec<String> = (0..NAMES).map(|number| format!("key{number:09}")).collect();
    for key in &keys {
        table.put(key.as_bytes(), &[7; 64]).await?;
    }
    Ok((table, keys))
}

async fn scans(store: &Store, load: Load) -> Result<u128, Error> {
    let (table, keys) = make_keys(store).await?;
    let range = |number: usize| KeyRange::ALL.from(keys[number * PAGE % (NAMES - PAGE)].as_bytes());
    let value_bytes = async |page: crake_store::ScanPage<'_>| -> Result<usize, Error> {
        Ok(page.await?.iter().map(|entry| entry.value.len()).sum())
    };
    keep_in_flight(load, |number| {
        value_bytes(table.scan_page(range(number), PAGE as u32))
    })
    .await
}

async fn puts(store: &Store, load: Load) -> Result<u128, Error> {
    let (table, keys) = make_keys(store).await?;
    let entries: Vec<PutEntry<'_>> = keys
        .iter()
        .map(|key| PutEntry {
            key: key.as_bytes(),
            value: &[7; 64],
            ..PutEntry::default()
        })
        .collect();
    let started = Instant::now();
    for number in 0..load.count {
        let first = number * PAGE % (NAMES - PAGE);
        for outcome in table.multi_put(&entries[first..first + PAGE]).await {
            outcome?;
        }
    }
    Ok(started.elapsed().as_nanos())
}

async fn echoes(store: &Store, load: Load) -> Result<u128, Error> {
    keep_in_flight(load, |_| store.echo(&[7; 32])).await
}

/// Each future stays where it was made: to move one costs as much as a good part of a request.
async fn keep_in_flight<T, F>(load: Load, mut start: impl FnMut(usize) -> F) -> Result<u128, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let count = load.count;
    let in_flight = load.in_flight.clamp(1, count.max(1));
    let started = Instant::now();
    let mut under_way: Vec<Pin<Box<Option<F>>>> = (0..in_flight)
        .map(|number| Box::pin(Some(start(number))))
        .collect();
    for number in 0..count {
        let oldest = &mut under_way[number % in_flight];
        poll_fn(|cx| oldest.as_mut().as_pin_mut().expect("it is under way").poll(cx)).await?;
        let next = number + in_flight;
        oldest.as_mut().set((next < count).then(|| start(next)));
    }
    Ok(started.elapsed().as_nanos())
}
