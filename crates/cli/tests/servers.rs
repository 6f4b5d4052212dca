//! Servers as processes: how they start, what they say when they cannot, how they end, and what happens when one is killed.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::Signal;
use support::{
    Process, Server, clean, command, contents, eventually, free_ports, noise, stderr, text, was_killed,
};
use tempfile::tempdir;

#[test]
fn up_serves_at_tcp_and_unix_and_ends_in_good_order() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = tempdir().unwrap();
        let socket = folder.path().join("crake.sock");
        let mut cluster = Server::start(&[
            "up",
            "--listen",
            "127.0.0.1:0",
            "--unix",
            text(&socket),
            "--datanodes",
            "2",
            "--dram",
            "8MiB",
        ]);
        let unix = cluster.row["namenode"][1].as_str().unwrap().to_owned();
        assert_eq!(unix, format!("unix://{}", socket.display()));
        assert_eq!(cluster.row["datanodes"].as_array().unwrap().len(), 2);
        assert_eq!(cluster.row["dram_bytes"], 16 << 20);
        fs::write(folder.path().join("file"), noise(100_000, 1)).unwrap();
        cluster.ok(&["fs", "put", text(&folder.path().join("file")), "/f"]);
        let over_unix = command(&["fs", "cat", "/f", "--url", &unix]).output().unwrap();
        assert_eq!(over_unix.stdout, noise(100_000, 1));
        cluster.process.signal(signal);
        assert_eq!(cluster.process.wait().code(), Some(0));
        assert_eq!(contents(folder.path()).len(), 1, "sockets were left");
    }
}

#[test]
fn a_cluster_says_in_one_line_how_to_use_it() {
    let mut up = command(&["up", "--listen", "127.0.0.1:0", "--dram", "4MiB"]);
    let mut up = Process::start(up.stdout(Stdio::piped()));
    let mut text = [0; 512];
    let count = up.child().stdout.as_mut().unwrap().read(&mut text).unwrap();
    let line = String::from_utf8_lossy(&text[..count]).into_owned();
    assert_eq!(line.lines().count(), 1, "{line}");
    let url = line
        .split_whitespace()
        .find(|word| word.starts_with("CRAKE_URL=crake://"))
        .unwrap();
    let shown = command(&["fs", "ls", "-l", "/"])
        .env("CRAKE_URL", url.strip_prefix("CRAKE_URL=").unwrap())
        .output()
        .unwrap();
    assert_eq!(shown.status.code(), Some(0), "{}", stderr(&shown));
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for role in [&["up", "--dram", "4MiB"][..], &["namenode"]] {
        let output = command(role).args(["--listen", &address]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&address) && said.contains("in use") && said.contains("--listen"),
            "{said}"
        );
    }
    let folder = tempdir().unwrap();
    let socket = folder.path().join("s");
    let listen = format!("unix://{}", socket.display());
    let first = Server::start(&["namenode", "--listen", &listen]);
    let second = command(&["namenode", "--listen", &listen]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains(text(&socket)), "{}", stderr(&second));
    assert_eq!(first.ok(&["fs", "ls"]), "", "the first one serves on");
}

#[test]
fn a_cluster_is_reached_through_shared_memory_and_leaves_no_socket() {
    let folder = tempdir().unwrap();
    let listen = format!("shm://{}", folder.path().join("shm").display());
    let mut cluster = Server::start(&["up", "--dram", "64MiB", "--listen", &listen]);
    assert_eq!(cluster.url(), listen);
    let bytes = noise(5_000_000, 1);
    fs::write(folder.path().join("file"), &bytes).unwrap();
    cluster.ok(&["fs", "put", text(&folder.path().join("file")), "/f"]);
    assert!(cluster.crake(&["fs", "cat", "/f"]).stdout == bytes);
    cluster.ok(&["kv", "put", "/t", "key", "value", "--create"]);
    assert_eq!(cluster.ok(&["kv", "get", "/t", "key"]).trim_end(), "value");
    cluster.process.signal(Signal::TERM);
    assert_eq!(cluster.process.wait().code(), Some(0));
    assert_eq!(contents(folder.path()).len(), 1, "sockets were left");
}

#[test]
fn memory_that_is_not_there_is_an_error_at_start() {
    let output = command(&["up", "--listen", "127.0.0.1:0", "--dram", "15TiB"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--dram"), "{}", stderr(&output));
}

#[test]
fn nobody_at_the_address_is_told_at_once() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("crake://{free}");
    for arguments in [
        &["fs", "ls"][..],
        &["kv", "get", "/t", "k"],
        &["fs", "get", "/a", "/tmp"],
    ] {
        let output = command(arguments).args(["--url", &url]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&free.to_string()) && said.contains("nobody listens"),
            "{said}"
        );
    }
}

/// A server of another kind, which answers everything with an error of its own.
fn stranger() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Whoever connects may be gone before it is answered.
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    address
}

#[test]
fn a_server_of_another_kind_is_recognised() {
    let stranger = stranger();
    let url = format!("crake://{stranger}");
    for arguments in [
        &["fs", "ls"][..],
        &["datanode", "--listen", "127.0.0.1:0", "--dram", "4MiB"],
    ] {
        let output = command(arguments).args(["--url", &url]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains(&stranger) && said.contains("not a Crake server"),
            "{said}"
        );
    }
    let cluster = Server::up(1);
    let datanode = cluster.row["datanodes"][0][0].as_str().unwrap();
    for arguments in [
        &["fs", "ls"][..],
        &["datanode", "--listen", "127.0.0.1:0", "--dram", "4MiB"],
    ] {
        let output = command(arguments).args(["--url", datanode]).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("not a namenode"), "{said}");
    }
}

/// A namenode and two datanodes in processes of their own.
fn separate() -> (Server, Vec<Server>) {
    let namenode = Server::start(&["namenode", "--listen", "127.0.0.1:0"]);
    let datanodes = (0..2).map(|number| {
        let name = format!("store{number}");
        Server::start(&[
            "datanode",
            "--namenode",
            namenode.url(),
            "--listen",
            "127.0.0.1:0",
            "--dram",
            "64MiB",
            "--name",
            &name,
        ])
    });
    let datanodes = datanodes.collect();
    (namenode, datanodes)
}

fn files(folder: &Path, count: u64, len: usize) {
    fs::create_dir(folder).unwrap();
    for number in 0..count {
        fs::write(folder.join(number.to_string()), noise(len, number)).unwrap();
    }
}

#[test]
fn a_datanode_that_is_killed_costs_its_own_files_only() {
    let (namenode, mut datanodes) = separate();
    let folder = tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    // Each fills one block, so that each lies on one datanode.
    files(&source, 40, 1 << 20);
    namenode.ok(&["fs", "put", "-r", text(&source), "/t"]);
    let mut stat = vec!["fs".to_owned(), "stat".to_owned()];
    stat.extend((0..40).map(|number| format!("/t/{number}")));
    let stat = namenode.rows(&stat.iter().map(String::as_str).collect::<Vec<_>>());
    let lost: Vec<&str> = stat
        .iter()
        .filter(|row| row["blocks"].to_string().contains("store1"))
        .map(|row| row["path"].as_str().unwrap())
        .collect();
    assert!((1..40).contains(&lost.len()), "{lost:?}");

    let killed = &mut datanodes[1].process;
    killed.signal(Signal::KILL);
    assert!(was_killed(killed.wait()));
    let said = namenode.fails(&["fs", "get", "-r", "/t", text(&target)]);
    assert_eq!(said.lines().count(), lost.len(), "{said}");
    for path in &lost {
        let named = said.lines().any(|line| line.contains(&format!("{path}: ")));
        assert!(named, "{path} is not in {said}");
    }
    let whole = contents(&target);
    assert_eq!(whole.len(), 40 - lost.len());
    for (name, bytes) in whole {
        assert!(bytes.unwrap().0 == fs::read(source.join(name)).unwrap());
    }
}

#[test]
fn a_datanode_that_is_killed_during_get_ends_it_with_an_error() {
    let (namenode, mut datanodes) = separate();
    let folder = tempdir().unwrap();
    let (source, target) = (folder.path().join("source"), folder.path().join("target"));
    files(&source, 2, 40 << 20);
    namenode.ok(&["fs", "put", "-r", text(&source), "/t"]);
    fs::create_dir(&target).unwrap();
    let mut get = namenode.command(&["fs", "get", "-r", "/t", text(&target)]);
    let mut get = Process::start(get.stderr(std::process::Stdio::piped()));
    eventually("a partial file", || !contents(&target).is_empty());
    datanodes[0].process.signal(Signal::KILL);
    datanodes[0].process.wait();
    assert_eq!(get.wait().code(), Some(1));
    let mut said = String::new();
    get.child()
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(said.contains("/t/0: ") || said.contains("/t/1: "), "{said}");
    for (name, bytes) in contents(&target) {
        let is_whole =
            bytes.is_none_or(|bytes| bytes.0 == fs::read(source.join(name.file_name().unwrap())).unwrap());
        assert!(is_whole, "{name:?} is there and not whole");
    }
}

#[test]
fn a_namenode_that_restarts_is_empty_and_takes_its_datanodes_back() {
    let (mut namenode, _datanodes) = separate();
    let folder = tempdir().unwrap();
    files(&folder.path().join("source"), 3, 5000);
    let source = folder.path().join("source");
    let inside = format!("{}/.", text(&source));
    namenode.ok(&["fs", "put", "-r", &inside, "/t"]);
    let listen = namenode.row["listen"][0].as_str().unwrap().to_owned();
    namenode.process.signal(Signal::KILL);
    namenode.process.wait();
    let said = namenode.fails(&["fs", "ls"]);
    assert!(said.contains("is not available"), "{said}");
    let namenode = Server::start(&["namenode", "--listen", &listen]);
    assert_eq!(namenode.ok(&["fs", "ls"]), "");
    eventually("a put", || {
        namenode
            .crake(&["fs", "put", "-r", &inside, "/again"])
            .status
            .success()
    });
    namenode.ok(&["fs", "get", "-r", "/again", text(&folder.path().join("back"))]);
    assert_eq!(contents(&folder.path().join("back")), contents(&source));
}

/// A command in a world of its own in which this file says where names lead; nothing if there can be no such world.
fn with_hosts(hosts: &Path) -> Option<Command> {
    let script = "mount --bind \"$0\" /etc/hosts && exec \"$@\"";
    let unshared = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", script]);
        clean(&mut command).arg(hosts).arg(program);
        command
    };
    let is_there = unshared("true")
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    is_there.then(|| unshared(env!("CARGO_BIN_EXE_crake")))
}

#[test]
fn a_namenode_is_found_where_its_name_leads_to_by_now() {
    let folder = tempdir().unwrap();
    let (hosts, log) = (folder.path().join("hosts"), folder.path().join("log"));
    fs::write(&hosts, "127.0.0.1 the-namenode\n").unwrap();
    let Some(mut datanode) = with_hosts(&hosts) else {
        eprintln!("skipped: only root can give a process other names of hosts, with unshare and mount");
        return;
    };
    let port = free_ports(1);
    let start = |host: &str| {
        let listen = format!("{host}:{port}");
        Server::start(&["namenode", "--listen", &listen, "--log", text(&log)])
    };
    let mut namenode = start("127.0.0.1");
    let url = format!("crake://the-namenode:{port}");
    let _datanode = Server::spawn(datanode.args(["datanode", "--namenode", &url, "--listen", "127.0.0.1:0"]));
    fs::write(folder.path().join("file"), noise(100_000, 1)).unwrap();
    namenode.ok(&["fs", "put", text(&folder.path().join("file")), "/f"]);

    namenode.process.signal(Signal::TERM);
    assert!(namenode.process.wait().success());
    fs::write(&hosts, "127.0.0.2 the-namenode\n").unwrap();
    let moved = start("127.0.0.2");
    eventually("the datanode is there", || {
        let datanodes = moved.crake(&["fs", "put", text(&folder.path().join("file")), "/g"]);
        let _ = moved.crake(&["fs", "rm", "/g"]);
        datanodes.status.success()
    });
    assert_eq!(moved.crake(&["fs", "cat", "/f"]).stdout, noise(100_000, 1));
}
