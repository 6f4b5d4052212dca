//! Namenodes that are started again with their log, on one runtime with datanodes and clients that stay.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::time::Duration;

use common::{Fixture, TRANSPORTS, Transport, open_file, pattern, read_file, write_file};
use crake_mem::Buf;
use crake_server::namenode::log::{Durability, LogConfig, LogError};
use crake_server::{Datanode, Namenode, NamenodeConfig, Registration, StartError};
use crake_store::{Error, Node};
use tempfile::TempDir;

fn incarnation(datanode: &Datanode) -> (u64, u64) {
    match datanode.status().registration {
        Registration::Registered {
            incarnation,
            namenode,
            ..
        } => (incarnation, namenode),
        searching => panic!("{searching:?}"),
    }
}

/// Datanodes notice a namenode that was away at their next heartbeat.
fn settle(cluster: &Fixture) {
    cluster.pause(HEARTBEAT_TIMEOUT / 4);
    cluster.await_registrations();
}

const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(2);

fn logged(transport: Transport, durability: Durability) -> (Fixture, TempDir) {
    let folder = TempDir::new().unwrap();
    let log = LogConfig {
        host: "this host".into(),
        ..LogConfig::new(folder.path().join("log"), durability)
    };
    let cluster = Fixture::with(transport, 2, |namenode, _| {
        namenode.log = Some(log);
        namenode.heartbeat_timeout = HEARTBEAT_TIMEOUT;
    });
    (cluster, folder)
}

#[test]
fn everything_is_there_again_and_datanodes_keep_their_blocks() {
    for durability in [Durability::Async, Durability::Sync] {
        for transport in TRANSPORTS {
            let (mut cluster, _folder) = logged(transport, durability);
            let store = cluster.store();
            let bytes = pattern(5 << 20, 3);
            cluster.run(async {
                store.make_dir("/a/b", true).await.unwrap();
                write_file(&store, "/a/file", &bytes).await.unwrap();
                store.rename("/a/file", "/a/b/file").await.unwrap();
                write_file(&store, "/gone", &bytes[..5000]).await.unwrap();
                store.delete("/gone", false).await.unwrap();
                let table = store.make_table("/t", false).await.unwrap();
                table.put(b"small", b"value").await.unwrap();
                table.put(b"large", &bytes[..50_000]).await.unwrap();
                table.put(b"small", b"other").await.unwrap();
            });
            let before: Vec<_> = cluster.datanodes.iter().map(incarnation).collect();
            for round in 0..3 {
                cluster.stop_namenode();
                cluster.start_namenode();
                cluster.run(async {
                    assert!(read_file(&store, "/a/b/file").await.unwrap() == bytes);
                    assert!(!store.exists("/gone").await.unwrap());
                    let table = store.table("/t").await.unwrap();
                    assert_eq!(&table.get(b"small").await.unwrap().unwrap()[..], b"other");
                    assert!(table.get(b"large").await.unwrap().unwrap()[..] == bytes[..50_000]);
                    write_file(&store, &format!("/new-{round}"), &bytes[..70_000])
                        .await
                        .unwrap();
                });
                cluster.namenode.as_ref().unwrap().check().unwrap();
            }
            settle(&cluster);
            cluster.check();
            let after: Vec<_> = cluster.datanodes.iter().map(incarnation).collect();
            assert_eq!(after, before, "the same lives of datanodes and of the namenode");
        }
    }
}

#[test]
fn an_open_writer_and_its_lease_outlive_the_namenode() {
    let (mut cluster, _folder) = logged(Transport::Tcp, Durability::Async);
    let store = cluster.store();
    let bytes = pattern(3 << 20, 4);
    let (first, second) = bytes.split_at(1 << 20);
    let writer = cluster.run(async {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::copy_from_slice(first)).await.unwrap();
        writer.publish().await.unwrap();
        writer
    });
    cluster.stop_namenode();
    cluster.start_namenode();
    cluster.run(async {
        let other = store.append("/f").await.err().unwrap();
        assert!(matches!(other, Error::LeaseHeld { .. }), "{other}");
        writer.write(Buf::copy_from_slice(second)).await.unwrap();
        writer.close().await.unwrap();
        assert!(read_file(&store, "/f").await.unwrap() == bytes);
    });
    settle(&cluster);
    cluster.check();
}

/// Each restart gives them the time of a lease, for nobody could renew; then they end, and that is in the log, too.
#[test]
fn leases_of_clients_that_are_gone_end_after_a_restart() {
    let (mut cluster, _folder) = logged(Transport::Tcp, Durability::Async);
    let leases = |cluster: &Fixture| cluster.namenode.as_ref().unwrap().status().leases;
    let client = cluster.client(&cluster.namenode_address(), 7);
    cluster.run(open_file(&client, "/f", 5000));
    drop(client);
    cluster.namenode_config.lease = Duration::from_millis(400);
    for _ in 0..2 {
        cluster.stop_namenode();
        cluster.start_namenode();
        cluster.pause(Duration::from_millis(100));
        assert_eq!(leases(&cluster), 1);
    }
    cluster.until("the lease ends", || leases(&cluster) == 0);
    cluster.stop_namenode();
    cluster.start_namenode();
    assert_eq!(leases(&cluster), 0);
    cluster.namenode.as_ref().unwrap().check().unwrap();
}

#[test]
fn a_namenode_with_other_limits_goes_on_with_what_there_is() {
    let (mut cluster, _folder) = logged(Transport::Tcp, Durability::Async);
    let store = cluster.store();
    cluster.run(async {
        store.make_dir("/1", false).await.unwrap();
        store.make_dir("/2", false).await.unwrap();
    });
    cluster.namenode_config.nodes_max = 3;
    for _ in 0..2 {
        cluster.stop_namenode();
        cluster.start_namenode();
        let refused = cluster.run(store.make_dir("/3", false));
        assert!(matches!(refused, Err(Error::Full { .. })), "{refused:?}");
    }
    cluster.namenode_config.nodes_max = 4;
    cluster.stop_namenode();
    cluster.start_namenode();
    cluster.run(store.make_dir("/3", false)).unwrap();
    settle(&cluster);
    cluster.check();
}

#[test]
fn a_directory_that_is_in_use_or_cannot_be_made_is_told() {
    let (cluster, folder) = logged(Transport::Tcp, Durability::Async);
    let second = NamenodeConfig {
        listen: vec!["tcp://127.0.0.1:0".parse().unwrap()],
        ..cluster.namenode_config.clone()
    };
    let error = Namenode::start(&cluster.runtime, second.clone()).unwrap_err();
    let StartError::Log(LogError::Directory { error, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!(error, crake_datapath::Error::Locked);
    std::fs::write(folder.path().join("file"), b"").unwrap();
    let third = NamenodeConfig {
        log: Some(LogConfig::new(folder.path().join("file/log"), Durability::Sync)),
        ..second
    };
    let error = Namenode::start(&cluster.runtime, third).unwrap_err();
    assert!(error.to_string().contains("file/log"), "{error}");
}
