//! What a journal costs a namespace, how fast its records are done again, and how large and fast a snapshot is.
//!
//! `cargo bench -p crake-server --bench log`. Absolute times are those of the machine and the moment; the best of some repetitions counts.

use std::time::{Duration, Instant};

use crake_server::namenode::command::{Create, Kind, NodeId, Now, Put, Reply, SessionId};
use crake_server::namenode::log::{Journal, replay_all};
use crake_server::namenode::{Command, Config, Namespace};

const REPETITIONS: usize = 5;
/// Files, each made and sealed; and as many keys.
const FILES: usize = 200_000;
const COMMANDS: usize = 3 * FILES;
const SESSION: SessionId = SessionId(1);

fn main() {
    let plain = best(|| fill(None).0);
    let (_, _, records) = fill(Some(Journal::new(0, usize::MAX)));
    let journaled = best(|| fill(Some(Journal::new(0, usize::MAX))).0);
    let replayed = best(|| timed(|| replay(&records)).0);
    let (_, namespace) = timed(|| replay(&records));
    let mut state = Vec::new();
    namespace.save(&mut state);
    let saved = best(|| {
        timed(|| {
            let mut bytes = Vec::with_capacity(state.len());
            namespace.save(&mut bytes);
            bytes
        })
        .0
    });
    let loaded = best(|| timed(|| Namespace::load(&state, Now::default()).is_ok()).0);
    println!("{COMMANDS} commands: create, seal, put of 64 bytes");
    report("without a journal", plain, COMMANDS);
    report("with one", journaled, COMMANDS);
    report("done again", replayed, COMMANDS);
    println!("  a record has {} bytes", records.len() / COMMANDS);
    report("snapshot saved, by node", saved, 2 * FILES);
    report("snapshot loaded, by node", loaded, 2 * FILES);
    println!("  a node has {} bytes in a snapshot", state.len() / (2 * FILES));
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..REPETITIONS).map(|_| run()).min().unwrap_or_default()
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begun = Instant::now();
    let result = work();
    (begun.elapsed(), result)
}

fn report(what: &str, time: Duration, count: usize) {
    let each_ns = time.as_nanos() as f64 / count as f64;
    println!("{what:>26} {each_ns:8.0} ns each, {:5.2} M/s", 1e3 / each_ns);
}

fn replay(records: &[u8]) -> Namespace {
    let mut namespace = Namespace::new(Config::default());
    replay_all(&mut namespace, records).expect("they are what was recorded");
    namespace
}

/// Fills a namespace; gives the time that it took, and the records.
fn fill(journal: Option<Journal>) -> (Duration, Namespace, Vec<u8>) {
    let mut namespace = Namespace::new(Config::default());
    if let Some(journal) = &journal {
        namespace.keep_journal(journal);
    }
    let mut records = Vec::with_capacity(if journal.is_some() { COMMANDS * 160 } else { 0 });
    let now = Now::default();
    let mut apply = |namespace: &mut Namespace, command: &Command<'_>| {
        let opened = match namespace.apply(now, SESSION, command) {
            Ok(Reply::Opened { node, lease, .. }) => (node.id, lease),
            Ok(_) => Default::default(),
            Err(failure) => panic!("{command:?}: {failure}"),
        };
        if let Some(journal) = &journal {
            journal.drain(|bytes| records.extend_from_slice(bytes));
        }
        opened
    };
    let table = Create {
        path: "/t",
        kind: Kind::Table,
        ..Create::default()
    };
    apply(&mut namespace, &Command::Create(table));
    let names = (0..FILES)
        .map(|file| format!("/file-{file:06}"))
        .collect::<Vec<_>>();
    let begun = Instant::now();
    for name in &names {
        let create = Create {
            path: name,
            kind: Kind::File,
            ..Create::default()
        };
        let (node, lease) = apply(&mut namespace, &Command::Create(create));
        let seal = Command::Publish {
            node,
            lease,
            size: 0,
            seal: true,
        };
        apply(&mut namespace, &seal);
        let put = Put {
            table: NodeId::ROOT,
            path: "/t",
            key: name.as_bytes(),
            value: &[7; 64],
            ..Put::default()
        };
        apply(&mut namespace, &Command::Put(put));
    }
    let time = begun.elapsed();
    (time, namespace, records)
}
