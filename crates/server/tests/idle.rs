//! Many clients that do nothing.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Instant;

use common::raw::Raw;
use common::{Fixture, Transport, pattern, read_file, write_file};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const CONNECTIONS: usize = 10_000;
/// Connecting at one time.
const TOGETHER: usize = 50;
/// What either process needs beside the connections.
const OTHER_DESCRIPTORS: u64 = 200;
/// Memory of the server for an idle connection, its sockets in the kernel not counted.
const BYTES_MAX: usize = 8 * 1024;
/// Tells this program that it is the one with the clients, and where the namenode is.
const CLIENTS_OF: &str = "CRAKE_TEST_IDLE_CLIENTS_OF";

#[test]
fn ten_thousand_idle_connections_cost_little_and_hold_up_nobody() {
    if !raise_descriptor_limit(CONNECTIONS as u64 + OTHER_DESCRIPTORS) {
        eprintln!("SKIPPED: this needs {CONNECTIONS} descriptors and the limit cannot be raised");
        return;
    }
    // The clients are a process of their own: both together would need twice as many descriptors.
    match std::env::var(CLIENTS_OF) {
        Ok(address) => be_the_clients(&address),
        Err(_) => be_the_server(),
    }
}

fn be_the_server() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let store = cluster.store();
    cluster
        .run(write_file(&store, "/f", &pattern(100_000, 1)))
        .unwrap();
    let resident_before = resident_bytes();
    let mut clients = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "ten_thousand_idle_connections_cost_little_and_hold_up_nobody",
            "--nocapture",
        ])
        .env(CLIENTS_OF, cluster.namenode_address().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let started = Instant::now();
    let namenode = cluster.namenode.as_ref().unwrap();
    let all = CONNECTIONS + 2;
    cluster.until("all are connected", || namenode.status().connections >= all);

    let each = resident_bytes().saturating_sub(resident_before) / CONNECTIONS;
    eprintln!(
        "{CONNECTIONS} connections in {:.1} s, {each} bytes each",
        started.elapsed().as_secs_f64()
    );
    assert!(each < BYTES_MAX, "{each} bytes for an idle connection");
    assert!(
        cluster.runtime.usage().buffers < 64,
        "an idle connection holds no buffer"
    );
    cluster.run(async {
        for _ in 0..100 {
            assert!(read_file(&store, "/f").await.unwrap() == pattern(100_000, 1));
        }
    });
    assert_eq!(namenode.status().connections, all, "nobody was dropped");

    // The end of its input tells the other process to leave.
    drop(clients.stdin.take());
    cluster.until("all are gone", || namenode.status().connections == 2);
    assert!(clients.wait().unwrap().success());
}

fn be_the_clients(address: &str) {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let address: Address = address.parse().unwrap();
    // Many at once, for each takes some round trips.
    let connecting = (0..TOGETHER).map(|first| {
        let (runtime, address) = (runtime.clone(), address.clone());
        let clients = (first..CONNECTIONS).step_by(TOGETHER);
        runtime.clone().spawn(async move {
            let mut connections = Vec::new();
            for client in clients {
                connections.push(Raw::connect(&runtime, &address, client as u128).await);
            }
            connections
        })
    });
    let connecting = connecting.collect::<Vec<_>>();
    let connections = runtime.block_on(async {
        let mut connections = Vec::new();
        for task in connecting {
            connections.extend(task.await);
        }
        connections
    });
    // Until the server's process closes the pipe.
    let _ = BufReader::new(std::io::stdin()).read_line(&mut String::new());
    drop(connections);
    let _ = std::io::stderr().flush();
}

fn raise_descriptor_limit(needed: u64) -> bool {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return true;
    }
    let maximum = limit.maximum.map(|maximum| maximum.max(needed));
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(needed),
            maximum,
        },
    )
    .is_ok()
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}
