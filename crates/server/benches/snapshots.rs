//! What is noticed of a snapshot by who is served meanwhile: lookups one by one, and a few puts that fill the log, while a namespace of a
//! million nodes is written down beside the loop.
//!
//! `cargo bench -p crake-server --bench snapshots [-- NODES]`. Times are those of the machine and the moment: the longest lookups while no
//! snapshot is made stand beside those while one is.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use crake_datapath::{Runtime, RuntimeConfig};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::{Cluster, ClusterConfig, NamenodeConfig};
use crake_store::{Condition, PutEntry, Store, Table};

const NODES: usize = 1_000_000;
/// Keys of one request.
const BATCH: usize = 100;
/// So many lookups for each put.
const LOOKUPS: usize = 20;
const SNAPSHOTS: usize = 5;

fn main() {
    let nodes = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse().ok());
    let nodes = nodes.unwrap_or(NODES);
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let config = ClusterConfig {
        namenode: NamenodeConfig {
            answers_bytes: 0,
            nodes_max: u32::try_from(2 * nodes + 1_000).unwrap(),
            log: Some(LogConfig {
                segment_bytes: 8 << 20,
                ..LogConfig::new(folder.path(), Durability::Async)
            }),
            ..NamenodeConfig::default()
        },
        ..ClusterConfig::default()
    };
    let cluster = Cluster::start(&runtime, config).unwrap();
    runtime.block_on(cluster.ready());
    let store = runtime
        .block_on(Store::attach(&runtime, &cluster.address()))
        .unwrap();
    runtime.block_on(run(&store, nodes, folder.path()));
}

async fn run(store: &Store, nodes: usize, folder: &Path) {
    let table = store.make_table("/t", true).await.unwrap();
    let keys: Vec<String> = (0..nodes).map(|number| format!("key{number:09}")).collect();
    for keys in keys.chunks(BATCH) {
        put(&table, keys, &[7; 64]).await;
    }
    await_quiet(store, folder).await;
    let mut idle = Times::default();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        idle.look(store).await;
    }
    idle.report("no snapshot");
    let (mut during, mut lasted) = (Times::default(), Vec::new());
    for _ in 0..SNAPSHOTS {
        // One that follows on another waits for a second.
        store.runtime().sleep(Duration::from_millis(1_100)).await;
        let time = through_snapshot(store, &table, &keys, folder, &mut during).await;
        lasted.push(time);
    }
    during.report("while one is made");
    lasted.sort_unstable();
    let (shortest, longest) = (lasted[0], lasted[SNAPSHOTS - 1]);
    println!(
        "{SNAPSHOTS} snapshots of {nodes} nodes: there {shortest:.2?} to {longest:.2?} after a segment was full"
    );
}

async fn put(table: &Table, keys: &[String], value: &[u8]) {
    let entries: Vec<PutEntry<'_>> = keys
        .iter()
        .map(|key| PutEntry {
            key: key.as_bytes(),
            value,
            condition: Condition::Always,
            ttl: None,
        })
        .collect();
    for outcome in table.multi_put(&entries).await {
        outcome.unwrap();
    }
}

/// Fills a segment, and looks things up from then on until there is a snapshot. Gives how long that took, from when it was begun.
async fn through_snapshot(
    store: &Store,
    table: &Table,
    keys: &[String],
    folder: &Path,
    times: &mut Times,
) -> Duration {
    let before = newest(folder, "snapshot-");
    let mut keys = keys.iter().cycle();
    let segment = newest(folder, "log-");
    while newest(folder, "log-") == segment {
        let key = keys.next().unwrap();
        table.put(key.as_bytes(), &[7; 1_000]).await.unwrap();
    }
    let begun = Instant::now();
    while newest(folder, "snapshot-") == before {
        for _ in 0..LOOKUPS {
            times.look(store).await;
        }
        let key = keys.next().unwrap();
        table.put(key.as_bytes(), &[7; 64]).await.unwrap();
    }
    begun.elapsed()
}

/// Waits until no snapshot is made any more.
async fn await_quiet(store: &Store, folder: &Path) {
    let mut since = (Instant::now(), newest(folder, "snapshot-"));
    while since.0.elapsed() < Duration::from_secs(10) {
        store.runtime().sleep(Duration::from_millis(100)).await;
        let now = newest(folder, "snapshot-");
        if now != since.1 {
            since = (Instant::now(), now);
        }
    }
}

/// The last name with this beginning; none is before all.
fn newest(folder: &Path, prefix: &str) -> Option<String> {
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let names = names.filter_map(|name| name.into_string().ok());
    names
        .filter(|name| name.starts_with(prefix) && !name.ends_with("new"))
        .max()
}

/// How long lookups took.
#[derive(Default)]
struct Times {
    each: Vec<Duration>,
}

impl Times {
    async fn look(&mut self, store: &Store) {
        let begun = Instant::now();
        store.lookup("/t").await.unwrap();
        self.each.push(begun.elapsed());
    }

    fn report(&mut self, when: &str) {
        self.each.sort_unstable();
        let count = self.each.len();
        let part = |per_million: usize| self.each[(count - 1) * per_million / 1_000_000];
        println!(
            "{when:>20}: {count} lookups, median {:.1?}, 99.9 % {:.1?}, 99.999 % {:.1?}, longest {:.1?}",
            part(500_000),
            part(999_000),
            part(999_990),
            part(1_000_000)
        );
    }
}
