//! What one small request costs, client and server together, over a local pair in one thread: no system call, no other
//! core. Nanoseconds are for orientation; `valgrind --tool=callgrind` gives instruction counts that repeat.
//!
//! `cargo bench -p crake-server --bench requests [-- [NAME] [COUNT]]`: `lookup` in one directory, `spread` over a
//! thousand, `get` of a small value, `echo`.

#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;
use std::time::Instant;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_server::{Cluster, ClusterConfig};
use crake_store::{Error, Node, Store};

/// Requests under way at a time.
const IN_FLIGHT: usize = 128;
/// Files and keys that there are.
const NAMES: usize = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let wanted = arguments
        .iter()
        .find(|argument| argument.parse::<usize>().is_err());
    let count = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(300_000);
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let cluster = Cluster::start(&runtime, ClusterConfig::default()).unwrap();
    runtime.block_on(cluster.ready());
    let store = runtime
        .block_on(Store::attach(&runtime, &cluster.address()))
        .unwrap();
    let is_wanted = |name: &str| wanted.is_none_or(|wanted| wanted == name);
    if is_wanted("lookup") {
        report("lookup", count, || {
            runtime.block_on(lookups(&store, count, |_| "directory".into()))
        });
    }
    if is_wanted("spread") {
        report("spread", count, || {
            runtime.block_on(lookups(&store, count, |number| format!("directory{number:04}")))
        });
    }
    if is_wanted("get") {
        report("get", count, || runtime.block_on(gets(&store, count)));
    }
    if is_wanted("echo") {
        report("echo", count, || runtime.block_on(echoes(&store, count)));
    }
}

fn report(name: &str, count: usize, run: impl FnOnce() -> Result<u128, Error>) {
    let elapsed_ns = run().unwrap();
    println!(
        "{name:<8} {:7.1} ns each, {IN_FLIGHT} in flight",
        elapsed_ns as f64 / count as f64
    );
}

/// Of as many files, each in the directory that is named by its number.
async fn lookups(store: &Store, count: usize, directory: impl Fn(usize) -> String) -> Result<u128, Error> {
    let names: Vec<String> = (0..NAMES)
        .map(|number| format!("/bench/{}/file{number:09}", directory(number)))
        .collect();
    for name in &names {
        store
            .create(name, crake_store::CreateOptions::from(Node::File).parents())
            .await?
            .close()
            .await?;
    }
    keep_in_flight(count, |number| store.lookup(&names[number % NAMES])).await
}

async fn gets(store: &Store, count: usize) -> Result<u128, Error> {
    let table = store.make_table("/table", true).await?;
    let keys: Vec<String> = (0..NAMES).map(|number| format!("key{number:09}")).collect();
    for key in &keys {
        table.put(key.as_bytes(), &[7; 64]).await?;
    }
    keep_in_flight(count, |number| table.get(keys[number % NAMES].as_bytes())).await
}

async fn echoes(store: &Store, count: usize) -> Result<u128, Error> {
    keep_in_flight(count, |_| store.echo(&[7; 32])).await
}

async fn keep_in_flight<T, F>(count: usize, mut start: impl FnMut(usize) -> F) -> Result<u128, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let started = Instant::now();
    let mut under_way: VecDeque<F> = (0..IN_FLIGHT).map(&mut start).collect();
    for number in IN_FLIGHT..count + IN_FLIGHT {
        under_way.pop_front().expect("some are under way").await?;
        if number < count {
            under_way.push_back(start(number));
        }
    }
    Ok(started.elapsed().as_nanos())
}
