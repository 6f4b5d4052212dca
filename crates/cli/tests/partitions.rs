//! Namespaces of several partitions: in one process and in several.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;
use support::{Server, command, contents, eventually, noise, stderr, text, was_killed};
use tempfile::tempdir;

fn datanode(namenode: &Server) -> Server {
    Server::start(&[
        "datanode",
        "--namenode",
        namenode.url(),
        "--listen",
        "127.0.0.1:0",
        "--dram",
        "64MiB",
    ])
}

/// So many ports in a row that nobody has at the moment.
fn free_ports(count: u16) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < u16::MAX - count && (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}

#[test]
fn a_namenode_with_several_cores_is_one_namespace_and_goes_on_after_a_kill() {
    let folder = tempdir().unwrap();
    let port = free_ports(3);
    let listen = format!("127.0.0.1:{port}");
    let log = folder.path().join("log");
    let arguments = [
        "namenode",
        "--listen",
        &listen,
        "--cores",
        "3",
        "--log",
        text(&log),
    ];
    let mut first = Server::start(&arguments);
    assert_eq!(first.row["partitions"], serde_json::json!([0, 1, 2]));
    let _datanode = datanode(&first);

    let source = folder.path().join("source");
    for at in 0..12 {
        let below = source.join(format!("d{at}/e/f"));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("file"), noise(50_000 + at, at as u64)).unwrap();
    }
    first.ok(&["fs", "put", "-r", text(&source), "/"]);
    let homes: std::collections::BTreeSet<_> = (0..12)
        .map(|at| {
            let path = format!("/source/d{at}");
            let row = first.rows(&["fs", "stat", &path]).swap_remove(0);
            row["partition"].as_u64().unwrap_or(0)
        })
        .collect();
    assert!(homes.len() > 1, "all is at {homes:?}");
    first.process.signal(Signal::KILL);
    assert!(was_killed(first.process.wait()));

    let second = Server::start(&arguments);
    eventually("the datanode is there again", || {
        second
            .crake(&["fs", "cat", "/source/d0/e/f/file"])
            .status
            .success()
    });
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    second.ok(&["fs", "get", "-r", "/source", text(&target)]);
    assert_eq!(contents(&target.join("source")), contents(&source));
    second.ok(&["fs", "rm", "-r", "/source"]);
    assert_eq!(second.ok(&["fs", "ls", "/"]), "");
}

#[test]
fn several_processes_are_one_namespace() {
    let ports = [free_ports(2), free_ports(2)];
    let peers = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let start = |at: usize| {
        let listen = format!("127.0.0.1:{}", ports[at]);
        Server::start(&["namenode", "--listen", &listen, "--cores", "2", "--peers", &peers])
    };
    let (first, second) = (start(0), start(1));
    assert_eq!(first.row["partitions"], serde_json::json!([0, 1]));
    assert_eq!(second.row["partitions"], serde_json::json!([2, 3]));
    for at in 0..10 {
        let path = format!("/d{at}");
        [&first, &second][at % 2].ok(&["fs", "mkdir", &path]);
    }
    assert_eq!(first.ok(&["fs", "ls", "/"]), second.ok(&["fs", "ls", "/"]));
    assert_eq!(first.ok(&["fs", "ls", "/"]).lines().count(), 10);
}

#[test]
fn partitions_that_cannot_be_are_told() {
    let refused = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        stderr(&output)
    };
    let any = refused(&["namenode", "--listen", "0.0.0.0:9060", "--cores", "2"]);
    assert!(any.contains("--peers"), "{any}");
    let stranger = refused(&[
        "namenode",
        "--listen",
        "127.0.0.1:9060",
        "--peers",
        "127.0.0.1:9070,127.0.0.1:9080",
    ]);
    assert!(stranger.contains("--peers"), "{stranger}");
    refused(&["namenode", "--cores", "0"]);
}
