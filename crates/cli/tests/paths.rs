//! Which transport commands and stores take to servers that run as processes of this machine, and what they say of it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crake_store::{Node, PeerPath, blocking};
use rustix::process::{Signal, geteuid};
use serde_json::Value;
use support::{Server, command, noise, stderr, text};
use tempfile::{TempDir, tempdir};

/// A runtime directory, and a file of some bytes for the store.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Place {
        let place = Place {
            folder: tempdir().unwrap(),
        };
        fs::create_dir(place.runtime()).unwrap();
        fs::set_permissions(place.runtime(), Permissions::from_mode(0o700)).unwrap();
        fs::write(place.file(), noise(100_000, 1)).unwrap();
        place
    }

    fn runtime(&self) -> PathBuf {
        self.folder.path().join("run")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("file")
    }

    fn up(&self, listen: &str, more: &[&str]) -> Server {
        Server::spawn(&mut self.command(&["up", "--listen", listen, "--dram", "64MiB"], more))
    }

    fn command(&self, arguments: &[&str], more: &[&str]) -> Command {
        let mut command = command(arguments);
        command.args(more).env("XDG_RUNTIME_DIR", self.runtime());
        command
    }

    /// The sockets that servers have here.
    fn sockets(&self) -> Vec<String> {
        let entries = fs::read_dir(self.runtime().join("crake"));
        let names = entries.unwrap().map(|entry| entry.unwrap().file_name());
        let mut names = names.map(|name| name.into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        names
    }
}

/// Stores the file, reads it back, and gives what `crake fs stat` says of the ways: to the namenode and to the datanode.
fn paths(place: &Place, cluster: &Server, options: &str) -> Vec<Value> {
    let url = format!("{}{options}", cluster.url());
    let run = |arguments: &[&str]| {
        let output = command(arguments).args(["--url", &url]).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        output.stdout
    };
    run(&["fs", "put", text(&place.file()), "/f"]);
    assert!(run(&["fs", "cat", "/f"]) == noise(100_000, 1));
    let row: Value = serde_json::from_slice(&run(&["fs", "stat", "/f", "--json"])).unwrap();
    let paths = row["paths"].as_array().unwrap().clone();
    let said = String::from_utf8(run(&["fs", "stat", "/f"])).unwrap();
    for path in &paths {
        let reached = format!(
            "reached   {} by {}",
            path["peer"].as_str().unwrap(),
            path["address"].as_str().unwrap()
        );
        assert!(said.contains(&reached), "{said}");
    }
    let peers = paths.iter().map(|path| &path["peer"]).collect::<Vec<_>>();
    assert_eq!(peers, ["namenode", "datanode 1"]);
    paths
}

fn assert_all(paths: &[Value], transport: &str, hindrance: Option<&str>) {
    for path in paths {
        let told = (path["transport"].as_str(), path["hindrance"].as_str());
        assert_eq!(told, (Some(transport), hindrance), "{path}");
    }
}

#[test]
fn shared_memory_is_taken_without_being_asked_for_and_leaves_no_socket() {
    let place = Place::new();
    let mut cluster = place.up("127.0.0.1:0", &[]);
    assert!(cluster.url().starts_with("crake://127.0.0.1:"));
    let paths = paths(&place, &cluster, "");
    assert_all(&paths, "shm", None);
    let sockets = place.sockets();
    assert_eq!(sockets.len(), 2, "{sockets:?}");
    for (path, socket) in paths.iter().rev().zip(sockets) {
        let path_of = format!("shm://{}", place.runtime().join("crake").join(socket).display());
        assert_eq!(path["address"], path_of);
    }
    cluster.process.signal(Signal::TERM);
    assert_eq!(cluster.process.wait().code(), Some(0));
    assert_eq!(place.sockets(), [""; 0]);
}

#[test]
fn a_namenode_and_a_datanode_of_their_own_offer_it_each() {
    let place = Place::new();
    let namenode = Server::spawn(&mut place.command(&["namenode", "--listen", "127.0.0.1:0"], &[]));
    let listen = ["datanode", "--listen", "127.0.0.1:0", "--dram", "64MiB"];
    let datanode = Server::spawn(&mut place.command(&listen, &["--namenode", namenode.url()]));
    assert_eq!(datanode.row["advertised"].as_array().unwrap().len(), 2);
    assert_all(&paths(&place, &namenode, ""), "shm", None);
}

#[test]
fn the_url_may_say_otherwise() {
    let place = Place::new();
    let cluster = place.up("127.0.0.1:0", &[]);
    assert_all(
        &paths(&place, &cluster, "?transport=tcp"),
        "tcp",
        Some("disabled"),
    );
    assert_all(&paths(&place, &cluster, "?transport=shm"), "shm", None);
    let url = format!("{}?transport=unix", cluster.url());
    let refused = command(&["fs", "ls", "--url", &url]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let said = stderr(&refused);
    assert!(
        said.contains("transport=unix is asked for, and it does not offer that"),
        "{said}"
    );
}

#[test]
fn servers_may_be_told_to_offer_none() {
    let place = Place::new();
    let cluster = place.up("127.0.0.1:0", &["--shm", "off"]);
    assert_all(&paths(&place, &cluster, ""), "tcp", Some("not offered"));
    let unix = place.folder.path().join("unix");
    let cluster = place.up(&format!("unix://{}", unix.display()), &["--shm", "off"]);
    assert_all(&paths(&place, &cluster, ""), "unix", Some("not offered"));
    assert!(!place.runtime().join("crake").exists());
    let url = format!("{}?transport=shm", cluster.url());
    let refused = command(&["fs", "ls", "--url", &url]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
}

#[test]
fn a_datanode_may_let_its_clients_write_by_themselves() {
    let place = Place::new();
    let cluster = place.up("127.0.0.1:0", &["--local-write", "map"]);
    assert_all(&paths(&place, &cluster, ""), "shm", None);
    let store = blocking::Store::connect(cluster.url()).unwrap();
    let bytes = noise(3_000_000, 2);
    for name in ["/first", "/second"] {
        let mut writer = store.create(name, Node::File).unwrap().writer().unwrap();
        writer.write_all(&bytes).unwrap();
        writer.close().unwrap();
    }
    assert!(store.stats().written_in_place > 0);
    let cat = command(&["fs", "cat", "/second", "--url", cluster.url()])
        .output()
        .unwrap();
    assert!(cat.stdout == bytes, "{}", stderr(&cat));
    let wrong = place
        .command(&["up", "--local-write", "both"], &[])
        .output()
        .unwrap();
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
    assert!(stderr(&wrong).contains("ring, map"), "{}", stderr(&wrong));
}

#[test]
fn a_server_at_a_unix_socket_offers_it_and_one_that_has_it_adds_none() {
    let place = Place::new();
    let path = |name| place.folder.path().join(name);
    let cluster = place.up(&format!("unix://{}", path("unix").display()), &[]);
    assert_eq!(cluster.row["namenode"].as_array().unwrap().len(), 2);
    assert_all(&paths(&place, &cluster, ""), "shm", None);
    assert_all(
        &paths(&place, &cluster, "?transport=unix"),
        "unix",
        Some("disabled"),
    );
    let cluster = place.up(&format!("shm://{}", path("shm").display()), &[]);
    assert_eq!(cluster.row["namenode"].as_array().unwrap().len(), 1);
    assert_all(&paths(&place, &cluster, ""), "shm", None);
}

#[test]
fn without_a_directory_of_its_own_a_server_goes_without_aloud() {
    let unusable: [fn(&Path); 2] = [
        |directory| fs::write(directory, "").unwrap(),
        |directory| {
            fs::create_dir(directory).unwrap();
            fs::set_permissions(directory, Permissions::from_mode(0o777)).unwrap();
        },
    ];
    for make in unusable {
        let place = Place::new();
        make(&place.runtime().join("crake"));
        let mut command = place.command(&["up", "--listen", "127.0.0.1:0"], &["--datanodes", "1"]);
        let log = fs::File::create(place.folder.path().join("log")).unwrap();
        let cluster = Server::spawn(command.args(["--dram", "64MiB"]).stderr(Stdio::from(log)));
        assert_all(&paths(&place, &cluster, ""), "tcp", Some("not offered"));
        let said = fs::read_to_string(place.folder.path().join("log")).unwrap();
        assert_eq!(said.matches("no shared memory is offered").count(), 1, "{said}");
        assert!(said.contains(text(&place.runtime().join("crake"))), "{said}");
    }
}

#[test]
fn a_socket_that_is_gone_is_told_once_and_the_port_serves() {
    let place = Place::new();
    let cluster = place.up("127.0.0.1:0", &[]);
    for socket in place.sockets() {
        fs::remove_file(place.runtime().join("crake").join(socket)).unwrap();
    }
    for path in paths(&place, &cluster, "") {
        let hindrance = path["hindrance"].as_str().unwrap();
        assert_eq!(path["transport"], "tcp");
        assert!(
            hindrance.starts_with("failed, shm://") && hindrance.contains("nobody listens"),
            "{hindrance}"
        );
    }
    let output = cluster.crake(&["fs", "cat", "/f"]);
    let said = stderr(&output);
    assert_eq!(said.lines().count(), 2, "once for each server: {said}");
    for peer in ["namenode by tcp://", "datanode 1 by tcp://"] {
        assert!(
            said.contains(peer) && said.contains("could not be taken"),
            "{said}"
        );
    }
    let quiet = format!("{}?transport=tcp", cluster.url());
    let quiet = command(&["fs", "cat", "/f", "--url", &quiet]).output().unwrap();
    assert_eq!(stderr(&quiet), "");
}

#[test]
fn another_users_programs_are_served_at_the_port() {
    if !geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let nobody = |arguments: &[&str]| command(arguments).uid(65534).output();
    if !nobody(&["--version"]).is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: another user may not run this build");
        return;
    }
    let place = Place::new();
    let cluster = place.up("127.0.0.1:0", &[]);
    cluster.ok(&["fs", "put", text(&place.file()), "/f"]);
    let stat = || {
        let output = nobody(&["fs", "stat", "/f", "--json", "--url", cluster.url()]).unwrap();
        let row: Value = serde_json::from_slice(&output.stdout).unwrap();
        row["paths"].as_array().unwrap().clone()
    };
    // The directory keeps it out, and if it did not the servers would.
    assert_all(&stat(), "tcp", Some("other user"));
    let everyone = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o777)).unwrap();
    let directory = place.runtime().join("crake");
    for path in [place.folder.path(), &place.runtime(), &directory] {
        everyone(path);
    }
    for socket in place.sockets() {
        everyone(&directory.join(socket));
    }
    assert_all(&stat(), "tcp", Some("other user"));
}

fn kinds(paths: &[PeerPath]) -> Vec<&'static str> {
    paths.iter().map(PeerPath::transport).collect()
}

#[test]
fn a_store_comes_back_to_shared_memory_after_its_cluster_was_killed() {
    let place = Place::new();
    let mut cluster = place.up("127.0.0.1:0", &[]);
    let url = cluster.url().to_owned();
    let store = blocking::Store::connect(&format!("{url}?deadline=2s")).unwrap();
    assert_eq!(kinds(&store.paths()), ["shm"]);
    let first = store.paths();
    cluster.process.signal(Signal::KILL);
    cluster.process.wait();
    let left = place.sockets();
    assert_eq!(left.len(), 2);
    assert!(store.lookup("/").is_err(), "nobody is there");
    assert_eq!(store.paths(), []);

    // Beside a port that is named, its datanode would take the usual one, which may be somebody else's.
    let any_port = ["--set", "datanode.listen=127.0.0.1:0"];
    let again = place.up(url.strip_prefix("crake://").unwrap(), &any_port);
    assert_eq!(again.url(), url);
    assert!(store.lookup("/").is_ok());
    store.path_to(1).unwrap();
    assert_eq!(kinds(&store.paths()), ["shm", "shm"]);
    assert_ne!(store.paths()[0], first[0], "another socket");
    let sockets = place.sockets();
    assert_eq!(sockets.len(), 2);
    assert!(
        sockets.iter().all(|socket| !left.contains(socket)),
        "what the killed one left is removed"
    );
}
