//! Blocks that clients of the same machine write in place.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use common::{
    Fixture, MIB, TRANSPORTS, Transport, open_file, pattern, read_block, read_file, write_block, write_file,
};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_mem::Buf;
use crake_rpc::{CallError, CallOptions, Client, Reply, Status};
use crake_server::LocalWrite;
use crake_store::Store;
use crake_store::protocol::Code;
use crake_store::protocol::datanode::{LandedRequest, ReserveRequest, datanode as method};
use crake_store::protocol::tier::{BLOCKS, RESERVATIONS_MAX};
use rustix::process::{Pid, Signal, kill_process};

/// The transports that lead to the datanode's memory.
const SHARING: [Transport; 2] = [Transport::Local, Transport::Shm];

/// One datanode of so many MiB that lets its clients write.
fn cluster(transport: Transport, mib: u64) -> Fixture {
    Fixture::with(transport, 1, |_, datanode| {
        datanode.dram_bytes = mib * MIB;
        datanode.local_write = LocalWrite::Map;
    })
}

#[test]
fn bytes_are_written_in_place_where_that_is_possible_and_by_request_elsewhere() {
    for transport in TRANSPORTS {
        let cluster = cluster(transport, 64);
        let (store, other) = (cluster.store(), cluster.store());
        let bytes = pattern(5 * MIB as usize + 12_345, 7);
        cluster.run(async {
            // There is a connection from now on.
            write_file(&store, "/first", b"small").await.unwrap();
            assert_eq!(store.stats().written_in_place, 0);
            for number in 0..3 {
                write_file(&store, &format!("/{number}"), &bytes).await.unwrap();
            }
            let written = store.stats().written_in_place;
            assert_eq!(
                written > 0,
                SHARING.contains(&transport),
                "{written} over {transport:?}"
            );
            for number in 0..3 {
                // The first read of a store is by request, later ones are in place.
                assert!(read_file(&other, &format!("/{number}")).await.unwrap() == bytes);
                assert!(read_file(&store, &format!("/{number}")).await.unwrap() == bytes);
            }
        });
        cluster.until("nothing is under way", || {
            cluster.datanodes[0].status().under_way == 0
        });
        cluster.check();
    }
}

#[test]
fn a_datanode_that_does_not_offer_it_is_asked_for_each_write() {
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        let bytes = pattern(3 * MIB as usize, 3);
        cluster.run(async {
            for _ in 0..2 {
                write_file(&store, "/f", &bytes).await.unwrap();
                store.delete("/f", false).await.unwrap();
            }
        });
        assert_eq!(store.stats().written_in_place, 0);
        let datanode = cluster.datanode_client(0, 1);
        assert!(!datanode.memory().unwrap().window(BLOCKS).unwrap().is_writable());
        let refused = cluster.run(reserve(&datanode, 1, &[0; 48], 0..10));
        assert_eq!(status(refused), Status::BAD_REQUEST, "{transport:?}");
    }
}

async fn reserve(
    client: &Client,
    reservation: u32,
    handle: &[u8],
    range: std::ops::Range<u32>,
) -> Result<Reply, CallError> {
    let request = ReserveRequest {
        handle,
        offset: range.start,
        length: range.end.wrapping_sub(range.start),
        reservation,
    };
    client.call(method::RESERVE, &request, CallOptions::new()).await
}

async fn landed(client: &Client, reservation: u32, given_up: bool) -> Result<Reply, CallError> {
    let request = LandedRequest {
        reservation,
        given_up,
    };
    client.call(method::LANDED, &request, CallOptions::new()).await
}

/// Writes as one who has reserved it does, or as one who has not.
fn put(client: &Client, at: u64, bytes: &[u8]) {
    let memory = client.memory().unwrap();
    let window = memory.window(BLOCKS).unwrap();
    window.write_segment(at as usize, &Buf::copy_from_slice(bytes).into());
}

fn status<T>(result: Result<T, CallError>) -> Status {
    match result {
        Err(CallError::Failed { status, .. }) => status,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

fn code<T>(result: Result<T, CallError>) -> Code {
    Code::from_number(status(result).0).unwrap()
}

#[test]
fn what_has_landed_can_be_read_and_what_has_not_cannot() {
    for transport in SHARING {
        let cluster = cluster(transport, 1);
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let datanode = cluster.datanode_client(0, 1);
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            let bytes = pattern(300_000, 1);
            reserve(&datanode, 1, &file.handle, 0..100_000).await.unwrap();
            reserve(&datanode, 2, &file.handle, 200_000..300_000)
                .await
                .unwrap();
            put(&datanode, 0, &bytes[..100_000]);
            let read = read_block(&datanode, &file.handle, 0, 10).await;
            assert_eq!(code(read), Code::Unwritten, "it has not landed");
            landed(&datanode, 1, false).await.unwrap();
            put(&datanode, 200_000, &bytes[200_000..]);
            landed(&datanode, 2, false).await.unwrap();
            let read = read_block(&datanode, &file.handle, 0, 100_000).await.unwrap();
            assert!(read == bytes[..100_000]);
            let hole = read_block(&datanode, &file.handle, 99_999, 2).await;
            assert_eq!(code(hole), Code::Unwritten);
            let read = read_block(&datanode, &file.handle, 200_000, 100_000)
                .await
                .unwrap();
            assert!(read == bytes[200_000..]);

            // What was given up has not landed, and is free for others.
            reserve(&datanode, 3, &file.handle, 100_000..200_000)
                .await
                .unwrap();
            put(&datanode, 100_000, &[0xee; 50_000]);
            let busy = reserve(&datanode, 4, &file.handle, 150_000..160_000).await;
            assert_eq!(status(busy), Status::OVERLOADED);
            landed(&datanode, 3, true).await.unwrap();
            let read = read_block(&datanode, &file.handle, 100_000, 1).await;
            assert_eq!(code(read), Code::Unwritten, "it was given up");
            write_block(&datanode, &file.handle, 100_000, &bytes[100_000..200_000])
                .await
                .unwrap();
            let read = read_block(&datanode, &file.handle, 0, 300_000).await.unwrap();
            assert!(read == bytes);
            let over = reserve(&datanode, 5, &file.handle, 0..10_000).await;
            assert_eq!(status(over), Status::OVERLOADED, "what is written stays as it is");
        });
        assert_eq!(cluster.datanodes[0].status().under_way, 0);
    }
}

#[test]
fn a_reservation_is_checked_as_a_write_is() {
    for transport in SHARING {
        let cluster = cluster(transport, 1);
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let datanode = cluster.datanode_client(0, 1);
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            let mut forged = file.handle.clone();
            forged[47] ^= 1;
            assert_eq!(code(reserve(&datanode, 1, &forged, 0..10).await), Code::Forged);
            assert_eq!(code(reserve(&datanode, 1, &[], 0..10).await), Code::Forged);
            let end = file.length;
            for range in [
                0..0,
                5..5,
                end..end + 1,
                0..end + 1,
                u32::MAX..u32::MAX,
                1..u32::MAX,
                end - 1..u32::MAX,
            ] {
                let refused = reserve(&datanode, 1, &file.handle, range.clone()).await;
                assert_eq!(code(refused), Code::OutOfRange, "{range:?}");
            }
            for given_up in [false, true] {
                assert_eq!(status(landed(&datanode, 1, given_up).await), Status::BAD_REQUEST);
            }
            reserve(&datanode, u32::MAX, &file.handle, 0..10).await.unwrap();
            let again = reserve(&datanode, u32::MAX, &file.handle, 10..20).await;
            assert_eq!(status(again), Status::BAD_REQUEST, "the number is in use");
            landed(&datanode, u32::MAX, false).await.unwrap();
            assert_eq!(
                status(landed(&datanode, u32::MAX, false).await),
                Status::BAD_REQUEST
            );
        });
    }
    let cluster = cluster(Transport::Tcp, 1);
    let namenode = cluster.client(&cluster.namenode_address(), 1);
    let datanode = cluster.datanode_client(0, 1);
    cluster.run(async {
        let file = open_file(&namenode, "/f", MIB).await;
        let refused = reserve(&datanode, 1, &file.handle, 0..10).await;
        assert_eq!(
            status(refused),
            Status::BAD_REQUEST,
            "who has no memory reserves none"
        );
    });
}

#[test]
fn who_reserves_and_never_writes_keeps_little_from_others() {
    for transport in SHARING {
        let cluster = cluster(transport, 8);
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let (idle, other) = (cluster.datanode_client(0, 1), cluster.datanode_client(0, 2));
        let store = cluster.store();
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            let range = |number: usize| number as u32 * 100..number as u32 * 100 + 100;
            for number in 0..RESERVATIONS_MAX {
                reserve(&idle, number as u32, &file.handle, range(number))
                    .await
                    .unwrap();
            }
            let refused = reserve(&idle, 1000, &file.handle, range(RESERVATIONS_MAX)).await;
            assert_eq!(status(refused), Status::OVERLOADED);
            reserve(&other, 0, &file.handle, range(RESERVATIONS_MAX))
                .await
                .unwrap();
            landed(&other, 0, false).await.unwrap();
            let bytes = pattern(4 * MIB as usize, 2);
            write_file(&store, "/mine", &bytes).await.unwrap();
            assert!(read_file(&store, "/mine").await.unwrap() == bytes);
        });
        assert_eq!(cluster.datanodes[0].status().under_way, RESERVATIONS_MAX);
        drop(idle);
        cluster.until("it is gone", || cluster.datanodes[0].status().under_way == 0);
    }
}

#[test]
fn a_writer_whose_block_was_given_away_meanwhile_is_refused_and_does_no_harm() {
    for transport in SHARING {
        let cluster = cluster(transport, 1);
        let store = cluster.store();
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let (first, second) = (cluster.datanode_client(0, 1), cluster.datanode_client(0, 2));
        cluster.run(async {
            let old = open_file(&namenode, "/old", MIB).await;
            reserve(&first, 1, &old.handle, 0..500_000).await.unwrap();
            put(&first, 0, &[1; 250_000]);
            store.delete("/old", false).await.unwrap();
            let new = open_file(&namenode, "/new", MIB).await;
            let refused = reserve(&second, 1, &new.handle, 0..500_000).await;
            assert_eq!(status(refused), Status::OVERLOADED, "somebody writes there");
            let bytes = pattern(500_000, 9);
            let writing = write_block(&second, &new.handle, 0, &bytes);
            let ending = async {
                cluster.runtime.sleep(Duration::from_millis(50)).await;
                put(&first, 250_000, &[1; 250_000]);
                let refused = landed(&first, 1, false).await;
                assert_eq!(code(refused), Code::Stale, "{transport:?}");
            };
            let ending = cluster
                .runtime
                .timeout(cluster.runtime.now() + Duration::from_secs(20), ending);
            let (written, ended) = both(writing, ending).await;
            written.unwrap();
            ended.unwrap();
            let back = read_block(&second, &new.handle, 0, 500_000).await.unwrap();
            assert!(back == bytes, "foreign bytes over {transport:?}");
            let beyond = read_block(&second, &new.handle, 0, 500_001).await;
            assert_eq!(code(beyond), Code::Unwritten);
        });
        assert_eq!(cluster.datanodes[0].status().under_way, 0);
    }
}

async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (Box::pin(one), Box::pin(other));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(value) = one.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = other.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready((first, second)),
            (one, other) => {
                (first, second) = (one, other);
                Poll::Pending
            }
        }
    })
    .await
}

/// To cut a client off proves nothing about what it writes.
#[test]
fn what_a_client_may_still_be_writing_is_nobody_elses() {
    for transport in SHARING {
        let cluster = cluster(transport, 1);
        let store = cluster.store();
        let namenode = cluster.client(&cluster.namenode_address(), 1);
        let (stopped, other) = (cluster.datanode_client(0, 1), cluster.datanode_client(0, 2));
        cluster.run(async {
            let memory = stopped.memory().unwrap();
            let hold = memory.hold().unwrap();
            let old = open_file(&namenode, "/old", MIB).await;
            reserve(&stopped, 1, &old.handle, 0..500_000).await.unwrap();
            store.delete("/old", false).await.unwrap();
            let new = open_file(&namenode, "/new", MIB).await;
            let begun = Instant::now();
            let refused = write_block(&other, &new.handle, 0, &[2; 100_000]).await;
            assert_eq!(status(refused), Status::OVERLOADED, "{transport:?}");
            let waited = begun.elapsed();
            assert!(
                (Duration::from_secs(1)..Duration::from_secs(9)).contains(&waited),
                "{waited:?}"
            );
            assert!(!stopped.is_connected(), "it was cut off");
            // What is behind it, and other blocks' bytes, are as ever.
            write_block(&other, &new.handle, 500_000, &[3; 100_000])
                .await
                .unwrap();
            // It is continued, and comes to its end.
            let window = memory.window(BLOCKS).unwrap();
            window.write_segment(0, &Buf::from_vec(vec![1; 500_000]).into());
            drop(hold);
            assert!(memory.hold().is_none(), "nothing new begins");
            write_block(&other, &new.handle, 0, &[2; 500_000]).await.unwrap();
            let back = read_block(&other, &new.handle, 0, 600_000).await.unwrap();
            assert!(back[..500_000].iter().all(|byte| *byte == 2) && back[500_000..] == [3; 100_000]);
        });
        assert_eq!(cluster.datanodes[0].status().under_way, 0);
    }
}

#[test]
fn a_write_that_is_given_up_gives_up_what_it_had_reserved() {
    for transport in SHARING {
        let cluster = cluster(transport, 16);
        let store = cluster.store();
        cluster.run(async {
            write_file(&store, "/first", b"small").await.unwrap();
            for turns in 0..20 {
                let file = store
                    .create(&format!("/{turns}"), crake_store::Node::File)
                    .await
                    .unwrap();
                let writer = file.writer().unwrap();
                drop(writer.write(Buf::from_vec(vec![7; 500_000])));
                for _ in 0..turns {
                    cluster.runtime.turn();
                }
                store.delete(&format!("/{turns}"), false).await.unwrap();
                drop(writer);
            }
        });
        cluster.until("all has ended", || cluster.datanodes[0].status().under_way == 0);
        let bytes = pattern(15 * MIB as usize, 1);
        cluster.run(write_file(&store, "/all", &bytes)).unwrap();
        assert!(cluster.run(read_file(&store, "/all")).unwrap() == bytes);
    }
}

/// The process that [`stopped_and_killed_clients_do_no_harm`] starts, again and again, stops and kills.
const WRITER: &str = "CRAKE_TEST_WRITER";

/// How many of them.
const KILLED: u32 = 150;

/// Runs as a test of its own, but does nothing unless it was started to be killed.
#[test]
fn writes_until_it_is_killed() {
    let Ok(address) = std::env::var(WRITER) else {
        return;
    };
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    runtime.block_on(write_for_ever(&runtime, &address.parse().unwrap()));
}

/// Writes files that its parent removes, or itself.
async fn write_for_ever(runtime: &Runtime, address: &Address) {
    let store = Store::attach(runtime, address).await.unwrap();
    let bytes = vec![0xee; 3 * MIB as usize];
    for number in 0u64.. {
        let path = format!("/theirs-{}-{number}", std::process::id());
        // Its file may be gone at any time, and there may be no room.
        let _ = write_file(&store, &path, &bytes).await;
        let _ = store.delete(&path, false).await;
        if number == 0 {
            println!("writes");
        }
    }
}

struct Writer {
    process: Child,
}

impl Writer {
    fn start(cluster: &Fixture) -> Writer {
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["writes_until_it_is_killed", "--exact", "--nocapture"])
            .env(WRITER, cluster.namenode_address().to_string())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Writer { process }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Removes what the other writes, and writes there.
async fn write_over(store: &Store, number: u64) {
    for entry in store.list_page("/", "", "", 0).await.unwrap().entries {
        if entry.name.starts_with("theirs") {
            // It may be gone already.
            let _ = store.delete(&format!("/{}", entry.name), false).await;
        }
    }
    let (path, bytes) = (format!("/{number}"), pattern(2 * MIB as usize, number));
    // While somebody is stopped there may be no room, or bytes that may not be written.
    if write_file(store, &path, &bytes).await.is_ok() {
        for _ in 0..3 {
            let back = read_file(store, &path).await.unwrap();
            assert!(back == bytes, "file {number} has foreign bytes");
        }
    }
    let _ = store.delete(&path, false).await;
}

#[test]
fn stopped_and_killed_clients_do_no_harm() {
    let cluster = Fixture::with(Transport::Shm, 1, |namenode, datanode| {
        namenode.lease = Duration::from_secs(1);
        datanode.dram_bytes = 6 * MIB;
        datanode.local_write = LocalWrite::Map;
    });
    let store = cluster.store();
    let mut number = 0;
    for round in 0..KILLED {
        let writer = Writer::start(&cluster);
        let until = |milliseconds: u64| {
            let time = cluster.runtime.random() % (milliseconds * 1000);
            Instant::now() + Duration::from_micros(time)
        };
        let stopped_at = until(40);
        while Instant::now() < stopped_at {
            number += 1;
            cluster.run(write_over(&store, number));
        }
        if round % 2 == 0 {
            writer.signal(Signal::STOP);
            let goes_on_at = until(40);
            while Instant::now() < goes_on_at {
                number += 1;
                cluster.run(write_over(&store, number));
            }
            writer.signal(Signal::CONT);
            cluster.pause(Duration::from_millis(1));
        }
        drop(writer);
    }
    println!("{number} files beside {KILLED} clients");
    cluster.until("nothing is under way any more", || {
        cluster.datanodes[0].status().under_way == 0
    });
    cluster.run(async {
        for entry in store.list_page("/", "", "", 0).await.unwrap().entries {
            store.delete(&format!("/{}", entry.name), false).await.unwrap();
        }
    });
    cluster.until("their files' leases end", || {
        cluster.run(store.usage()).unwrap().used == 0
    });
    let bytes = pattern(6 * MIB as usize, 1);
    cluster.run(write_file(&store, "/all", &bytes)).unwrap();
    assert!(cluster.run(read_file(&store, "/all")).unwrap() == bytes);
    cluster.check();
}
