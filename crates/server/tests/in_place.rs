//! Blocks that clients of the same machine read in place.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use common::{Fixture, MIB, TRANSPORTS, Transport, open_file, pattern, read_file, write_block, write_file};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_store::{Error, Store};

/// The transports that lead to the datanode's memory.
const SHARING: [Transport; 2] = [Transport::Local, Transport::Shm];

#[test]
fn bytes_are_read_in_place_where_that_is_possible_and_by_request_elsewhere() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        let bytes = pattern(5 * MIB as usize + 12_345, 7);
        cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            let before = store.stats().in_place;
            // The writer has connected to both datanodes.
            assert!(read_file(&store, "/f").await.unwrap() == bytes, "{transport:?}");
            let reader = store.open("/f").await.unwrap().reader().unwrap();
            for at in [0, 1, 4095, 65_535, MIB as usize - 1, bytes.len() - 1] {
                let back = reader.read_to_vec(at as u64, 70_000).await.unwrap();
                let end = bytes.len().min(at + 70_000);
                assert!(back == bytes[at..end], "at {at} over {transport:?}");
            }
            let in_place = store.stats().in_place - before;
            assert_eq!(
                in_place > 0,
                SHARING.contains(&transport),
                "{in_place} over {transport:?}"
            );
        });
    }
}

#[test]
fn a_client_that_comes_later_reads_in_place_from_its_second_read_on() {
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let (writer, reader) = (cluster.store(), cluster.store());
        cluster.run(async {
            write_file(&writer, "/f", b"some bytes").await.unwrap();
            for _ in 0..3 {
                assert_eq!(read_file(&reader, "/f").await.unwrap(), b"some bytes");
            }
            assert_eq!(reader.stats().in_place, 2, "{transport:?}");
        });
    }
}

#[test]
fn a_block_that_was_issued_anew_is_not_read_by_those_who_had_it() {
    for transport in SHARING {
        let cluster = Fixture::with(transport, 1, |_, datanode| datanode.dram_bytes = MIB);
        let store = cluster.store();
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let datanode = cluster.datanode_client(0, 1);
        cluster.run(async {
            let old = pattern(MIB as usize, 1);
            write_file(&store, "/old", &old).await.unwrap();
            let reader = store.open("/old").await.unwrap().reader().unwrap();
            assert!(reader.read_to_vec(0, old.len()).await.unwrap() == old);
            store.delete("/old", false).await.unwrap();
            // Nobody has the block yet.
            assert!(reader.read_to_vec(4096, 4096).await.unwrap() == old[4096..8192]);

            let new = open_file(&namenode, "/new", MIB).await;
            write_block(&datanode, &new.handle, 0, &[9; 8192]).await.unwrap();
            for at in [0, 4096, 8192, 500_000] {
                let error = reader.read_to_vec(at, 4096).await.unwrap_err();
                assert!(
                    matches!(error, Error::NotFound { .. } | Error::BlockLost { .. }),
                    "{error} over {transport:?}"
                );
            }
        });
    }
}

#[test]
fn a_small_block_in_the_place_of_a_large_one_hides_what_it_covers_and_no_more() {
    for transport in SHARING {
        let cluster = Fixture::with(transport, 1, |_, datanode| datanode.dram_bytes = MIB);
        let store = cluster.store();
        cluster.run(async {
            let old = pattern(MIB as usize, 2);
            write_file(&store, "/old", &old).await.unwrap();
            let reader = store.open("/old").await.unwrap().reader().unwrap();
            assert!(reader.read_to_vec(0, 10).await.unwrap() == old[..10]);
            store.delete("/old", false).await.unwrap();
            write_file(&store, "/small", &[7; 4096]).await.unwrap();
            for at in (0..MIB).step_by(65_536) {
                match reader.read_to_vec(at, 4096).await {
                    Ok(bytes) => assert!(
                        bytes == old[at as usize..at as usize + 4096],
                        "foreign bytes at {at}"
                    ),
                    Err(error) => assert!(
                        matches!(error, Error::NotFound { .. } | Error::BlockLost { .. }),
                        "{error}"
                    ),
                }
            }
        });
    }
}

#[test]
fn what_is_written_with_holes_is_read_by_request() {
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let datanode = cluster.datanode_client(0, 1);
        let store = cluster.store();
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            write_block(&datanode, &file.handle, 0, &[1; 100]).await.unwrap();
            write_block(&datanode, &file.handle, 200, &[3; 100])
                .await
                .unwrap();
            let publish = crake_store::protocol::namenode::PublishRequest {
                node: file.node,
                lease: file.lease,
                size: 300,
                seal: true,
            };
            let method = crake_store::protocol::namenode::namenode::PUBLISH;
            let options = crake_rpc::CallOptions::new();
            namenode.call(method, &publish, options).await.unwrap();
            write_file(&store, "/other", b"so that there is a connection")
                .await
                .unwrap();

            let reader = store.open("/f").await.unwrap().reader().unwrap();
            let before = store.stats().in_place;
            assert_eq!(reader.read_to_vec(200, 100).await.unwrap(), [3; 100]);
            assert!(
                reader.read_to_vec(50, 100).await.is_err(),
                "the hole has no bytes"
            );
            assert_eq!(store.stats().in_place, before, "{transport:?}");
            write_block(&datanode, &file.handle, 100, &[2; 100])
                .await
                .unwrap();
            assert_eq!(
                reader.read_to_vec(150, 100).await.unwrap(),
                [[2; 50], [3; 50]].concat()
            );
            assert_eq!(store.stats().in_place, before + 1, "{transport:?}");
        });
    }
}

#[test]
fn the_end_of_a_datanode_is_seen_by_who_reads_in_place_and_does_nothing_else() {
    for transport in SHARING {
        let mut cluster = Fixture::with(transport, 1, |namenode, _| {
            namenode.heartbeat_timeout = Duration::from_millis(300);
        });
        let store = cluster.store();
        let bytes = pattern(MIB as usize, 4);
        let reader = cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            store.open("/f").await.unwrap().reader().unwrap()
        });
        drop(cluster.datanodes.pop());
        let gone = Instant::now();
        cluster.run(async {
            loop {
                match reader.read_to_vec(0, 4096).await {
                    Ok(back) => assert!(back == bytes[..4096]),
                    Err(error) => {
                        assert!(matches!(error, Error::BlockLost { .. }), "{error}");
                        break;
                    }
                }
            }
        });
        assert!(
            gone.elapsed() < Duration::from_secs(2),
            "{:?} over {transport:?}",
            gone.elapsed()
        );
    }
}

/// Bytes of file number `number`, wherever they are read.
fn mark(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(MIB as usize / 8)
}

/// One thread serves, and gives the same few blocks to one file after the other; another reads in place all the while. So the
/// checks of a read meet every step of an overwriting, on two cores.
#[test]
fn no_reader_sees_foreign_bytes_while_blocks_change_hands() {
    let is_over = AtomicBool::new(false);
    let newest = AtomicU64::new(0);
    let (tell, told) = mpsc::channel::<Address>();
    std::thread::scope(|threads| {
        threads.spawn(|| {
            let cluster = Fixture::with(Transport::Shm, 1, |_, datanode| datanode.dram_bytes = 2 * MIB);
            let store = cluster.store();
            tell.send(cluster.namenode_address()).unwrap();
            let until = Instant::now() + Duration::from_secs(3);
            let mut number = 0;
            while Instant::now() < until {
                number += 1;
                cluster
                    .run(write_file(&store, &format!("/{number}"), &mark(number)))
                    .unwrap();
                newest.store(number, Ordering::Release);
                cluster.pause(Duration::from_micros(200));
                cluster.run(store.delete(&format!("/{number}"), false)).unwrap();
            }
            is_over.store(true, Ordering::Release);
            // Calls of the reader that are under way are answered.
            cluster.pause(Duration::from_millis(100));
            assert!(number > 20, "only {number} files");
        });
        let address = told.recv().unwrap();
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let (whole, refused, in_place) = runtime.block_on(read_while(&runtime, &address, &newest, &is_over));
        println!("{whole} reads were whole, {in_place} in place; {refused} were refused");
        assert!(
            in_place > 100 && refused > 0,
            "{in_place} in place, {refused} refused"
        );
    });
}

async fn read_while(
    runtime: &Runtime,
    address: &Address,
    newest: &AtomicU64,
    is_over: &AtomicBool,
) -> (u64, u64, u64) {
    let store = Store::attach(runtime, address).await.unwrap();
    let (mut whole, mut refused) = (0, 0);
    while !is_over.load(Ordering::Acquire) {
        let number = newest.load(Ordering::Acquire);
        let Ok(file) = store.open(&format!("/{number}")).await else {
            runtime.sleep(Duration::from_micros(20)).await;
            continue;
        };
        let reader = file.reader().unwrap();
        for _ in 0..50 {
            match reader.read_to_vec(0, MIB as usize).await {
                Ok(bytes) => {
                    assert!(bytes == mark(number), "file {number} has foreign bytes");
                    whole += 1;
                }
                Err(_) => {
                    refused += 1;
                    break;
                }
            }
        }
    }
    (whole, refused, store.stats().in_place)
}
