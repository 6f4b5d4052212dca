//! Every role is killed again and again while clients change things; what they were told is done is there in the end.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::env;
use std::io::{Read, Write};
use std::process::Stdio;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crake_store::blocking::Store;
use crake_store::{Error, Node};
use support::{Process, Server, command, eventually, folder_in_memory, free_ports, noise, text};
use tempfile::{TempDir, tempdir};

/// Seconds of the loop, if not said otherwise by [`SECONDS_VARIABLE`].
const SECONDS: u64 = 20;
const SECONDS_VARIABLE: &str = "CRAKE_KILLS_SECONDS";
const CLIENTS: u64 = 3;
const SIZES: [usize; 5] = [0, 300, 5_000, 70_000, 1_200_000];
/// More names are not left to stand: the tier is small.
const NAMES_MAX: usize = 40;
/// Below this number of a client's steps, nothing has come about.
const STEPS_MIN: u64 = 20;

/// What a client knows of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// A file of so many bytes of the noise of its seed.
    File(usize, u64),
    Gone,
    /// It was not heard what came of the last change.
    InDoubt,
}

/// A client's own names, below its own directory, and the keys of its own table.
struct Client {
    number: u64,
    files: BTreeMap<String, Known>,
    /// The last value of each key that was acknowledged: what was tried later is greater.
    keys: BTreeMap<u64, u64>,
    /// Names that there may be, the oldest first.
    names: VecDeque<String>,
    steps: u64,
}

impl Client {
    fn new(number: u64) -> Client {
        Client {
            number,
            files: BTreeMap::new(),
            keys: BTreeMap::new(),
            names: VecDeque::new(),
            steps: 0,
        }
    }

    fn settle_in(&self, store: &Store) {
        for below in ["a", "b"] {
            store
                .make_dir(&format!("/c{}/{below}", self.number), true)
                .unwrap();
        }
        store.make_table(&format!("/t{}", self.number), false).unwrap();
    }

    fn work(mut self, url: &str, is_begun: &Barrier, is_over: &AtomicBool) -> Client {
        let store = &Store::connect(&format!("{url}?deadline=1s")).unwrap();
        is_begun.wait();
        while !is_over.load(Ordering::Relaxed) {
            let step = self.steps;
            self.put(store, step);
            let below = ["a", "b"][step as usize % 2];
            let path = format!("/c{}/{below}/{step}", self.number);
            self.write(store, &path, SIZES[step as usize % SIZES.len()]);
            match step % 4 {
                1 => self.delete(store, &path),
                // From one partition to another, as a rule.
                2 => self.rename(store, &path, &format!("/c{}/b/{step}-moved", self.number)),
                _ => {}
            }
            self.steps += 1;
            while self.names.len() > NAMES_MAX
                && let Some(oldest) = self.names.pop_front()
            {
                self.delete(store, &oldest);
            }
        }
        self
    }

    fn put(&mut self, store: &Store, step: u64) {
        let key = step % 50;
        let table = match store.table(&format!("/t{}", self.number)) {
            Ok(table) => table,
            Err(error) => return allow(&error),
        };
        match table.put(&key.to_le_bytes(), &step.to_le_bytes()) {
            Ok(_) => drop(self.keys.insert(key, step)),
            Err(error) => allow(&error),
        }
    }

    fn write(&mut self, store: &Store, path: &str, len: usize) {
        let seed = self.number << 32 | self.steps;
        let write = || {
            let mut writer = store.create(path, Node::File)?.writer()?;
            writer
                .write_all(&noise(len, seed))
                .and_then(|()| writer.flush())
                .map_err(|error| error.downcast::<Error>().unwrap())?;
            writer.close()
        };
        let outcome = write();
        self.note(path, outcome, Known::File(len, seed));
    }

    fn delete(&mut self, store: &Store, path: &str) {
        if self.files[path] == Known::Gone {
            return;
        }
        let outcome = store.delete(path, false);
        self.note(path, outcome, Known::Gone);
    }

    fn rename(&mut self, store: &Store, from: &str, to: &str) {
        let file = self.files[from];
        let outcome = store.rename(from, to);
        let moved = match outcome {
            Ok(_) => file,
            Err(_) => Known::InDoubt,
        };
        self.files.insert(to.to_owned(), moved);
        self.names.push_back(to.to_owned());
        self.note(from, outcome, Known::Gone);
    }

    fn note<T>(&mut self, path: &str, outcome: Result<T, Error>, done: Known) {
        let is_known = !matches!(self.files.get(path), Some(Known::InDoubt));
        let known = match outcome {
            Ok(_) if is_known => done,
            Ok(_) => Known::InDoubt,
            Err(error) => {
                // What was in doubt may not be there, or be half written.
                if is_known {
                    allow(&error);
                }
                Known::InDoubt
            }
        };
        if self.files.insert(path.to_owned(), known).is_none() {
            self.names.push_back(path.to_owned());
        }
    }

    /// All that was acknowledged is there.
    fn check(&self, store: &Store) {
        for (path, known) in &self.files {
            match *known {
                Known::InDoubt => {}
                Known::Gone => assert!(!store.exists(path).unwrap(), "{path} was deleted"),
                Known::File(len, seed) => {
                    let mut bytes = Vec::new();
                    let file = store.open(path).unwrap_or_else(|error| panic!("{error}"));
                    file.reader().unwrap().read_to_end(&mut bytes).unwrap();
                    assert!(bytes == noise(len, seed), "{path} has other bytes");
                }
            }
        }
        let table = store.table(&format!("/t{}", self.number)).unwrap();
        for (key, acknowledged) in &self.keys {
            let value = table.get(&key.to_le_bytes()).unwrap().expect("the key is there");
            let value = u64::from_le_bytes(value[..].try_into().unwrap());
            assert!(value >= *acknowledged && value % 50 == *key, "key {key}: {value}");
        }
    }
}

/// Errors that somebody's death is a reason for. Datanodes keep their blocks, so bytes are no more lost than names.
fn allow(error: &Error) {
    let is_allowed = matches!(
        error,
        Error::Unavailable { .. } | Error::TimedOut { .. } | Error::LeaseLost { .. }
    );
    assert!(is_allowed, "{error:?}");
}

/// Two namenodes with two partitions each, two datanodes, and a client that does nothing but write.
struct Cluster {
    folders: (TempDir, TempDir),
    ports: [u16; 2],
    peers: String,
    namenodes: [Option<Server>; 2],
    datanodes: [Option<Server>; 2],
    victim: Option<Process>,
    victims: u32,
}

/// Of each namenode.
const CORES: u16 = 2;

impl Cluster {
    fn start() -> Cluster {
        let ports = [(); 2].map(|()| free_ports(CORES));
        let peers = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
        let mut cluster = Cluster {
            folders: (tempdir().unwrap(), folder_in_memory()),
            ports,
            peers,
            namenodes: [None, None],
            datanodes: [None, None],
            victim: None,
            victims: 0,
        };
        for number in 0..2 {
            cluster.start_namenode(number);
        }
        for number in 0..2 {
            cluster.start_datanode(number);
        }
        cluster.start_victim();
        cluster
    }

    fn start_namenode(&mut self, number: usize) {
        let log = self.folders.0.path().join(format!("log{number}"));
        let listen = format!("127.0.0.1:{}", self.ports[number]);
        let cores = CORES.to_string();
        let arguments: &[&str] = &[
            "namenode",
            "--listen",
            &listen,
            "--cores",
            &cores,
            "--peers",
            &self.peers,
            "--log",
            text(&log),
            "--durability",
            "sync",
            "--set",
            "namenode.log_segment=4MiB",
        ];
        self.namenodes[number] = Some(Server::start(arguments));
    }

    fn start_datanode(&mut self, number: usize) {
        let blocks = self.folders.1.path().join(format!("blocks{number}"));
        let name = format!("d{number}");
        let arguments: &[&str] = &["--dram", "160MiB", "--name", &name, "--persist", text(&blocks)];
        let url = self.url();
        let own = ["datanode", "--namenode", &url, "--listen", "127.0.0.1:0"];
        self.datanodes[number] = Some(Server::start(&[&own, arguments].concat()));
    }

    /// Writes a file that has no end, as a process.
    fn start_victim(&mut self) {
        self.victims += 1;
        let path = format!("/victim{}", self.victims);
        let mut put = command(&["fs", "put", "-", &path, "--url", &self.url()]);
        put.stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut process = Process::start(&mut put);
        let mut stdin = process.child().stdin.take().unwrap();
        thread::spawn(move || {
            while stdin.write_all(&noise(3_000, 1)).is_ok() {
                thread::sleep(Duration::from_millis(5));
            }
        });
        self.victim = Some(process);
    }

    fn url(&self) -> String {
        format!("crake://127.0.0.1:{}", self.ports[0])
    }

    /// Kills one of them, and starts it again after a while.
    fn kill(&mut self, role: usize, away: Duration) {
        match role {
            0 | 1 => self.namenodes[role].take().unwrap().kill(),
            2 | 3 => self.datanodes[role - 2].take().unwrap().kill(),
            // It is killed when it is dropped.
            _ => drop(self.victim.take()),
        }
        thread::sleep(away);
        match role {
            0 | 1 => self.start_namenode(role),
            2 | 3 => self.start_datanode(role - 2),
            _ => self.start_victim(),
        }
    }
}

const ROLES: usize = 5;

#[test]
fn what_was_acknowledged_is_there_however_often_everybody_is_killed() {
    let seconds = env::var(SECONDS_VARIABLE).map_or(SECONDS, |seconds| seconds.parse().unwrap());
    let mut cluster = Cluster::start();
    let url = cluster.url();
    let store = Store::connect(&url).unwrap();
    let clients: Vec<Client> = (0..CLIENTS).map(Client::new).collect();
    clients.iter().for_each(|client| client.settle_in(&store));
    let (is_begun, is_over) = (Barrier::new(clients.len() + 1), AtomicBool::new(false));
    let clients = thread::scope(|scope| {
        let working = clients
            .into_iter()
            .map(|client| scope.spawn(|| client.work(&url, &is_begun, &is_over)));
        let working: Vec<_> = working.collect();
        is_begun.wait();
        let end = Instant::now() + Duration::from_secs(seconds);
        let mut kills = 0;
        while Instant::now() < end || kills < 2 * ROLES {
            let away = Duration::from_millis([0, 20, 300][kills % 3]);
            cluster.kill(kills % ROLES, away);
            kills += 1;
            thread::sleep(Duration::from_millis(50 + 70 * (kills as u64 % 7)));
        }
        is_over.store(true, Ordering::Relaxed);
        eprintln!("{kills} kills");
        let worked = working.into_iter().map(|client| client.join().unwrap());
        worked.collect::<Vec<_>>()
    });
    drop(cluster.victim.take());
    eventually("both datanodes are there", || is_whole(&store));
    for client in &clients {
        assert!(client.steps >= STEPS_MIN, "only {} steps", client.steps);
        client.check(&store);
    }
    let steps: u64 = clients.iter().map(|client| client.steps).sum();
    let in_doubt = clients.iter().flat_map(|client| client.files.values());
    let in_doubt = in_doubt.filter(|known| **known == Known::InDoubt).count();
    eprintln!("{steps} steps, {in_doubt} files in doubt");
    assert_nothing_leaks(&store, &clients);
}

fn is_whole(store: &Store) -> bool {
    store
        .datanodes()
        .is_ok_and(|datanodes| datanodes.iter().filter(|datanode| datanode.alive).count() == 2)
}

/// When all is deleted, nothing is left of it: no node, no block, and, once they have run out, no leases of those who died.
fn assert_nothing_leaks(store: &Store, clients: &[Client]) {
    for client in clients {
        store.delete(&format!("/c{}", client.number), true).unwrap();
        store.delete(&format!("/t{}", client.number), true).unwrap();
    }
    let left: Vec<_> = store.list("/").map(|entry| entry.unwrap().name).collect();
    for name in left {
        assert!(name.starts_with("victim"), "{name}");
        store.delete(&format!("/{name}"), false).unwrap();
    }
    eventually("nothing is left", || {
        let usage = store.usage().unwrap();
        usage.nodes == 1 && usage.used == 0 && usage.leases == 0
    });
}
