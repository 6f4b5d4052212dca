//! Which transport a store takes to each server, what it says of it, and what it does when the best one fails.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::fs;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use common::{MIB, pattern, read_file, write_file};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_server::{Cluster, ClusterConfig, Datanode, DatanodeConfig, Memory, Namenode, NamenodeConfig};
use crake_store::{Error, Hindrance, Store, this_host};
use tempfile::TempDir;

/// A namenode and a datanode at a TCP port, and at what else a test wants, told to be on some host.
struct Home {
    runtime: Runtime,
    dir: TempDir,
    host: String,
    kinds: &'static [&'static str],
    namenode: Option<Namenode>,
    datanode: Option<Datanode>,
    port: Address,
    lives: usize,
}

impl Home {
    fn new(kinds: &'static [&'static str], host: &str) -> Home {
        let mut home = Home {
            runtime: Runtime::new(RuntimeConfig::default()).unwrap(),
            dir: TempDir::new().unwrap(),
            host: host.into(),
            kinds,
            namenode: None,
            datanode: None,
            port: "tcp://127.0.0.1:0".parse().unwrap(),
            lives: 0,
        };
        home.start_namenode();
        home.start_datanode();
        home
    }

    /// The port, and the sockets of this life.
    fn listen(&self, port: &Address, name: &str) -> Vec<Address> {
        let sockets = self
            .kinds
            .iter()
            .map(|kind| format!("{kind}://{}", self.socket(name, kind).display()));
        let sockets = sockets.map(|text| text.parse().unwrap());
        [port.clone()].into_iter().chain(sockets).collect()
    }

    fn socket(&self, name: &str, kind: &str) -> PathBuf {
        self.dir.path().join(format!("{name}-{}.{kind}", self.lives))
    }

    fn start_namenode(&mut self) {
        let config = NamenodeConfig {
            listen: self.listen(&self.port, "namenode"),
            host: self.host.clone(),
            ..NamenodeConfig::default()
        };
        let namenode = Namenode::start(&self.runtime, config).unwrap();
        self.port = namenode.listening().swap_remove(0);
        self.namenode = Some(namenode);
    }

    fn start_datanode(&mut self) {
        let config = DatanodeConfig {
            namenode: vec![self.port.clone()],
            listen: self.listen(&"tcp://127.0.0.1:0".parse().unwrap(), "datanode"),
            host: self.host.clone(),
            dram_bytes: 64 * MIB,
            memory: Memory::OnDemand,
            ..DatanodeConfig::default()
        };
        let datanode = Datanode::start(&self.runtime, config).unwrap();
        self.run(datanode.registered());
        self.datanode = Some(datanode);
    }

    fn stop(&mut self) {
        self.datanode = None;
        self.namenode = None;
        self.run(self.runtime.sleep(Duration::from_millis(2)));
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + Duration::from_secs(30);
        let result = self.runtime.block_on(self.runtime.timeout(deadline, future));
        result.expect("it ends in time")
    }

    fn try_connect(&self, options: &str) -> Result<Store, Error> {
        let url = format!("{}{options}", self.port);
        self.run(Store::connect(&self.runtime, &url))
    }

    fn connect(&self, options: &str) -> Store {
        self.try_connect(options).unwrap()
    }

    /// Of the namenode and of the datanode, after some bytes went there and back.
    fn paths(&self, store: &Store) -> [(&'static str, Option<Hindrance>); 2] {
        self.run(async {
            let bytes = pattern(100_000, 7);
            write_file(store, "/f", &bytes).await.unwrap();
            assert!(read_file(store, "/f").await.unwrap() == bytes);
            store.delete("/f", false).await.unwrap();
        });
        let paths = store.paths();
        let peers = paths.iter().map(|path| path.datanode).collect::<Vec<_>>();
        assert_eq!(peers, [None, Some(1)], "{paths:?}");
        assert_eq!(store.namenode(), paths[0].address);
        [0, 1].map(|at| (paths[at].transport(), paths[at].hindrance.clone()))
    }
}

const BOTH: &[&str] = &["unix", "shm"];

fn both(transport: &'static str, hindrance: Option<Hindrance>) -> [(&'static str, Option<Hindrance>); 2] {
    [(transport, hindrance.clone()), (transport, hindrance)]
}

#[test]
fn on_one_host_shared_memory_is_taken_wherever_the_url_leads() {
    let home = Home::new(BOTH, &this_host());
    assert_eq!(home.paths(&home.connect("")), both("shm", None));
    for address in home.namenode.as_ref().unwrap().listening() {
        let store = home.run(Store::attach(&home.runtime, &address)).unwrap();
        assert_eq!(home.paths(&store), both("shm", None), "{address}");
    }
}

#[test]
fn without_shared_memory_the_socket_of_the_host_is_next_and_then_the_port() {
    let home = Home::new(&["unix"], &this_host());
    let not_offered = Some(Hindrance::NotOffered);
    assert_eq!(home.paths(&home.connect("")), both("unix", not_offered.clone()));
    let home = Home::new(&[], &this_host());
    assert_eq!(home.paths(&home.connect("")), both("tcp", not_offered));
}

#[test]
fn a_server_of_another_host_is_reached_by_its_port() {
    let home = Home::new(BOTH, "another life of another kernel");
    assert_eq!(
        home.paths(&home.connect("")),
        both("tcp", Some(Hindrance::OtherHost))
    );
}

/// As before servers told where they are: a socket may be tried if the namenode is at this machine's loopback address, and
/// the kind of its connection comes first.
#[test]
fn a_server_that_does_not_say_where_it_is_is_reached_as_its_namenode_is() {
    let home = Home::new(BOTH, "");
    let elsewhere = Some(Hindrance::OtherHost);
    assert_eq!(home.paths(&home.connect("")), both("tcp", elsewhere));
}

#[test]
fn the_transport_of_the_url_is_kept_to_by_all_connections() {
    let home = Home::new(BOTH, &this_host());
    let disabled = Some(Hindrance::Disabled);
    for (transport, hindrance) in [("tcp", disabled.clone()), ("unix", disabled), ("shm", None)] {
        let store = home.connect(&format!("?transport={transport}"));
        assert_eq!(home.paths(&store), both(transport, hindrance));
    }
}

#[test]
fn a_transport_that_is_not_there_is_an_error_that_says_why() {
    let refusal = |home: &Home, options| match home.try_connect(options) {
        Err(Error::Refused { peer, detail }) => {
            assert_eq!(*peer, format!("namenode {}", home.port));
            detail.to_string()
        }
        other => panic!("{other:?}"),
    };
    let home = Home::new(&["unix"], &this_host());
    let said = refusal(&home, "?transport=shm");
    assert_eq!(said, "transport=shm is asked for, and it does not offer that");
    let home = Home::new(BOTH, "another life of another kernel");
    for options in ["?transport=shm", "?transport=unix"] {
        let said = refusal(&home, options);
        assert!(said.contains("is on another host"), "{said}");
    }
    let home = Home::new(BOTH, &this_host());
    fs::remove_file(home.socket("namenode", "shm")).unwrap();
    match home.try_connect("?transport=shm") {
        Err(error @ Error::Unavailable { .. }) => {
            assert!(error.to_string().contains("nobody listens"), "{error}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_that_leads_nowhere_is_remembered_and_the_next_best_way_serves() {
    let home = Home::new(BOTH, &this_host());
    for name in ["namenode", "datanode"] {
        fs::remove_file(home.socket(name, "shm")).unwrap();
    }
    let paths = home.paths(&home.connect(""));
    for ((transport, hindrance), name) in paths.into_iter().zip(["namenode", "datanode"]) {
        assert_eq!(transport, "unix");
        let Some(Hindrance::Failed(why)) = hindrance else {
            panic!("{hindrance:?}");
        };
        let socket = format!("shm://{}", home.socket(name, "shm").display());
        assert!(
            why.starts_with(&socket) && why.contains("nobody listens"),
            "{why}"
        );
    }
}

/// A path may be another server's in another container, or after a while.
#[test]
fn a_path_that_leads_to_another_server_is_not_taken() {
    let (home, other) = (
        Home::new(&["shm"], &this_host()),
        Home::new(&["shm"], &this_host()),
    );
    for name in ["namenode", "datanode"] {
        let (path, stranger) = (home.socket(name, "shm"), other.socket(name, "shm"));
        fs::remove_file(&path).unwrap();
        fs::rename(&stranger, &path).unwrap();
    }
    // Both are served by this thread.
    let turning = other.runtime.clone();
    let clock = home.runtime.clone();
    let other_serves = home.runtime.spawn(async move {
        loop {
            turning.turn();
            clock.sleep(Duration::from_micros(100)).await;
        }
    });
    let store = home.connect("");
    home.run(store.path_to(1)).unwrap();
    drop(other_serves);
    for path in store.paths() {
        let Some(Hindrance::Failed(why)) = &path.hindrance else {
            panic!("{path}");
        };
        assert!(
            path.transport() == "tcp" && why.contains("another server"),
            "{path}"
        );
    }
}

/// Something else listens there: nothing that is said makes sense.
#[test]
fn a_path_that_leads_to_something_else_is_not_taken() {
    let home = Home::new(&["shm"], &this_host());
    let path = home.socket("namenode", "shm");
    fs::remove_file(&path).unwrap();
    let stranger = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || drop(stranger.accept()));
    let paths = home.paths(&home.connect(""));
    server.join().unwrap();
    assert!(
        matches!(&paths[0], ("tcp", Some(Hindrance::Failed(_)))),
        "{paths:?}"
    );
    assert_eq!(paths[1], ("shm", None));
}

/// Who never answers there costs an attempt to connect and no more.
#[test]
fn a_path_where_nobody_answers_is_given_up_in_time() {
    let home = Home::new(&["shm"], &this_host());
    let path = home.socket("namenode", "shm");
    fs::remove_file(&path).unwrap();
    let _silent = UnixListener::bind(&path).unwrap();
    let paths = home.paths(&home.connect("?connect_deadline=100ms"));
    let Some(Hindrance::Failed(why)) = &paths[0].1 else {
        panic!("{paths:?}");
    };
    assert!(paths[0].0 == "tcp" && why.contains("no answer in time"), "{why}");
    assert_eq!(paths[1], ("shm", None));
}

#[test]
fn after_a_restart_the_same_store_comes_back_to_shared_memory() {
    let mut home = Home::new(&["shm"], &this_host());
    let store = home.connect("");
    assert_eq!(home.paths(&store), both("shm", None));
    for _ in 0..2 {
        home.stop();
        assert_eq!(store.paths(), []);
        // Other paths, as a process of another number has them.
        home.lives += 1;
        home.start_namenode();
        home.start_datanode();
        assert_eq!(home.paths(&store), both("shm", None));
        let socket = home.socket("namenode", "shm");
        assert_eq!(store.namenode(), Address::Shm(socket));
    }
}

#[test]
fn a_restarted_server_without_shared_memory_is_reached_by_its_port() {
    let mut home = Home::new(&["shm"], &this_host());
    let store = home.connect("");
    assert_eq!(home.paths(&store), both("shm", None));
    home.stop();
    home.kinds = &[];
    home.start_namenode();
    home.start_datanode();
    assert_eq!(home.paths(&store), both("tcp", Some(Hindrance::NotOffered)));
}

#[test]
fn what_does_not_leave_the_process_has_no_better_way() {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let cluster = Cluster::start(
        &runtime,
        ClusterConfig {
            datanodes: 2,
            ..ClusterConfig::default()
        },
    )
    .unwrap();
    runtime.block_on(async {
        cluster.ready().await;
        let store = cluster.store(&runtime).await.unwrap();
        assert_eq!(store.paths().len(), 1);
        for datanode in [1, 2] {
            let path = store.path_to(datanode).await.unwrap();
            assert_eq!(path.to_string(), format!("datanode {datanode} in process"));
        }
        let paths = store.paths();
        assert_eq!(paths.len(), 3);
        for path in paths {
            assert_eq!((path.transport(), path.hindrance), ("local", None));
        }
        let nobody = store.path_to(3).await;
        assert!(matches!(nobody, Err(Error::Unavailable { .. })), "{nobody:?}");
    });
}
