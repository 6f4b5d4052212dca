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

fn used(cluster: &Fixture) -> u64 {
    cluster.run(cluster.store().usage()).unwrap().used
}

#[test]
fn a_view_shows_the_bytes_wherever_they_are() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        let bytes = pattern(7 * MIB as usize + 4321, 9);
        cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            let reader = store.open("/f").await.unwrap().reader().unwrap();
            let view = reader.view().await.unwrap();
            assert_eq!(view.size(), bytes.len() as u64);
            let all = view.all().await.unwrap();
            assert!(all.to_vec() == bytes && all.is_held(), "{transport:?}");
            assert_eq!(all.is_in_place(), SHARING.contains(&transport), "{transport:?}");
            assert!(all.slices().len() > 1, "two datanodes have parts of it");
            for range in [0..1, 5000..70_000, (MIB - 1)..(MIB + 1), 0..0] {
                let part = reader.read_view(range.clone()).await.unwrap();
                let expected = &bytes[range.start as usize..range.end as usize];
                assert!(part.to_vec() == expected, "{range:?} over {transport:?}");
                assert_eq!(
                    (part.len(), part.is_empty()),
                    (expected.len() as u64, range.is_empty())
                );
            }
            let beyond = reader.read_view(7 * MIB + 4300..u64::MAX).await.unwrap();
            assert_eq!(beyond.as_slice().unwrap(), &bytes[7 * MIB as usize + 4300..]);
            assert!(reader.read_view(8 * MIB..9 * MIB).await.unwrap().is_empty());
        });
    }
}

/// From opening a file to its first byte in place: the middle one of some times.
async fn first_byte_after(cluster: &Fixture, store: &Store, path: &str) -> Duration {
    let mut times = Vec::new();
    for _ in 0..101 {
        let begun = cluster.runtime.now_exact();
        let view = store
            .open(path)
            .await
            .unwrap()
            .reader()
            .unwrap()
            .view()
            .await
            .unwrap();
        let first = view.range(0..1).await.unwrap();
        assert_eq!(first.as_slice(), Some(&[7][..]));
        times.push(cluster.runtime.now_exact() - begun);
    }
    times.sort_unstable();
    times[times.len() / 2]
}

#[test]
fn the_first_byte_of_a_view_does_not_wait_for_the_others() {
    let cluster = Fixture::with(Transport::Shm, 1, |_, datanode| datanode.dram_bytes = 128 * MIB);
    let store = cluster.store();
    cluster.run(async {
        write_file(&store, "/small", &[7; 4096]).await.unwrap();
        write_file(&store, "/large", &vec![7; 100 * MIB as usize])
            .await
            .unwrap();
        let small = first_byte_after(&cluster, &store, "/small").await;
        let large = first_byte_after(&cluster, &store, "/large").await;
        println!("{small:?} of 4 KiB, {large:?} of 100 MiB");
        // The large one's reply has 16 blocks, the small one's one. A preempted thread may take longer.
        assert!(
            large < small * 10 + Duration::from_millis(1),
            "{large:?} after {small:?}"
        );
    });
}

#[test]
fn what_is_viewed_stands_still_whatever_becomes_of_the_file() {
    for transport in TRANSPORTS {
        let cluster = Fixture::with(transport, 1, |_, datanode| datanode.dram_bytes = 4 * MIB);
        let store = cluster.store();
        let bytes = pattern(2 * MIB as usize, 5);
        cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            let view = store
                .open("/f")
                .await
                .unwrap()
                .reader()
                .unwrap()
                .view()
                .await
                .unwrap();
            let first = view.range(0..MIB).await.unwrap();
            store.delete("/f", false).await.unwrap();
            // The rest of the room is given away twice over.
            for round in 0..4 {
                write_file(&store, "/other", &vec![round; 2 * MIB as usize])
                    .await
                    .unwrap();
                store.delete("/other", false).await.unwrap();
            }
            assert!(
                write_file(&store, "/large", &vec![1; 3 * MIB as usize])
                    .await
                    .is_err(),
                "{transport:?}"
            );
            store.delete("/large", false).await.unwrap();
            assert!(
                first.is_held() && first.to_vec() == bytes[..MIB as usize],
                "{transport:?}"
            );
            // Also what was not looked for before the file was removed.
            let second = view.range(MIB..2 * MIB).await.unwrap();
            assert!(second.to_vec() == bytes[MIB as usize..], "{transport:?}");
            drop((view, first));
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            assert!(second.is_held(), "a part of a view holds all of it");
        });
        cluster.settle();
        cluster.check();
        assert_eq!(used(&cluster), 0, "all is free again over {transport:?}");
        cluster
            .run(write_file(&store, "/all", &vec![2; 4 * MIB as usize]))
            .unwrap();
    }
}

#[test]
fn a_client_that_falls_silent_loses_what_it_has_pinned() {
    let cluster = Fixture::with(Transport::Local, 1, |namenode, datanode| {
        namenode.lease = Duration::from_millis(300);
        datanode.dram_bytes = MIB;
    });
    let other = cluster.store();
    let bytes = pattern(MIB as usize, 6);
    cluster.run(write_file(&other, "/f", &bytes)).unwrap();
    // By the bare protocol: a store of this runtime would renew.
    let namenode = cluster.client(&cluster.namenode_address(), 77);
    let node = cluster.run(other.lookup("/f")).unwrap().id;
    let pin = crake_store::protocol::namenode::PinRequest { node };
    let method = crake_store::protocol::namenode::namenode::PIN;
    let reply = cluster.run(async { namenode.call(method, &pin, crake_rpc::CallOptions::new()).await });
    assert!(reply.is_ok());
    let reader = cluster.run(other.open("/f")).unwrap().reader().unwrap();
    cluster.run(other.delete("/f", false)).unwrap();
    assert_eq!(used(&cluster), MIB, "it is pinned");
    cluster.until("the pin ends", || used(&cluster) == 0);
    cluster.check();
    // Whoever held a view would be told by the table that its block was given away.
    cluster
        .run(write_file(&other, "/g", &vec![1; MIB as usize]))
        .unwrap();
    assert!(cluster.run(reader.read_to_vec(0, 10)).is_err());
}

#[test]
fn a_view_that_nobody_waited_for_pins_nothing() {
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            write_file(&store, "/f", &[5; 70_000]).await.unwrap();
            let reader = store.open("/f").await.unwrap().reader().unwrap();
            for _ in 0..3 {
                // Asked for, and given up before the answer is there.
                let mut view = Box::pin(reader.view());
                let first =
                    std::future::poll_fn(|context| std::task::Poll::Ready(view.as_mut().poll(context)));
                assert!(first.await.is_pending());
                drop(view);
            }
            let kept = reader.view().await.unwrap();
            let mut given_up = Box::pin(reader.view());
            let first =
                std::future::poll_fn(|context| std::task::Poll::Ready(given_up.as_mut().poll(context)));
            assert!(first.await.is_pending());
            drop(given_up);
            store.delete("/f", false).await.unwrap();
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            let all = kept.all().await.unwrap();
            assert!(all.is_held() && all.to_vec() == [5; 70_000], "{transport:?}");
            // The reader of a pinned file can have another view of it after its end, as long as one is held.
            assert!(reader.view().await.is_ok());
            drop((kept, all));
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            let gone = reader.view().await.unwrap_err();
            assert!(matches!(gone, Error::NotFound { .. }), "{gone}");
            let usage = store.usage().await.unwrap();
            assert_eq!((usage.used, usage.leases), (0, 0), "{transport:?}");
        });
    }
}

#[test]
fn who_is_told_that_a_block_was_given_away_can_know_it() {
    let mut cluster = Fixture::new(Transport::Shm, 1);
    let store = cluster.store();
    let view = cluster.run(async {
        write_file(&store, "/f", &[3; 100_000]).await.unwrap();
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        reader.read_view(0..100_000).await.unwrap()
    });
    assert!(view.is_held() && view.is_in_place());
    // A namenode that begins anew knows nothing of pins: the datanode begins a new life, too.
    cluster.stop_namenode();
    cluster.start_namenode();
    cluster.until("the view is lost", || !view.is_held());
    assert_eq!(
        view.len(),
        100_000,
        "its bytes can be read, if they mean nothing any more"
    );
    assert_eq!(view.to_vec().len(), 100_000);
}

#[test]
fn a_view_outlives_its_datanode() {
    for transport in SHARING {
        let mut cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        let bytes = pattern(3 * MIB as usize, 8);
        let view = cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            let reader = store.open("/f").await.unwrap().reader().unwrap();
            reader.read_view(0..3 * MIB).await.unwrap()
        });
        drop(cluster.datanodes.pop());
        cluster.settle();
        assert!(view.to_vec() == bytes && view.is_held(), "{transport:?}");
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

/// The process that [`killed_clients_leave_nothing_behind`] starts, again and again, and kills.
const LOOKER: &str = "CRAKE_TEST_LOOKER";

/// How many of them.
const KILLED: u32 = 1000;

/// How many files there are at a time.
const KEPT: u64 = 3;

/// Runs as a test of its own, but does nothing unless it was started to be killed.
#[test]
fn looks_until_it_is_killed() {
    let Ok(address) = std::env::var(LOOKER) else {
        return;
    };
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    runtime.block_on(look(&runtime, &address.parse().unwrap()));
}

/// Takes views of the newest files, holds some of them, and checks each byte twice. Aborts, which its parent sees, if one is wrong.
async fn look(runtime: &Runtime, address: &Address) {
    let store = Store::attach(runtime, address).await.unwrap();
    let mut held = Vec::new();
    loop {
        let Ok(page) = store.list_page("/", "", "", 0).await else {
            continue;
        };
        for entry in page.entries {
            let number = entry.name.parse::<u64>().unwrap();
            let Ok(file) = store.open(&entry.name).await else {
                continue;
            };
            let Ok(view) = file.reader().unwrap().read_view(0..MIB).await else {
                continue;
            };
            if view.len() == MIB && view.to_vec() != mark(number) {
                std::process::abort();
            }
            held.push((number, view));
            if held.len() > 3 {
                let (number, view) = held.remove(0);
                if view.len() == MIB && view.to_vec() != mark(number) && view.is_held() {
                    std::process::abort();
                }
            }
        }
    }
}

#[test]
fn killed_clients_leave_nothing_behind() {
    let cluster = Fixture::with(Transport::Shm, 1, |namenode, datanode| {
        namenode.lease = Duration::from_secs(1);
        datanode.dram_bytes = 32 * MIB;
    });
    let store = cluster.store();
    let looker = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["looks_until_it_is_killed", "--exact", "--nocapture"])
            .env(LOOKER, cluster.namenode_address().to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let mut number = 0;
    for round in 0..KILLED {
        let mut client = looker();
        let dies_at = Instant::now() + Duration::from_micros(cluster.runtime.random() % 20_000);
        while Instant::now() < dies_at {
            number += 1;
            // While the dead hold their views there may be no room.
            let _ = cluster.run(write_file(&store, &format!("/{number}"), &mark(number)));
            if number > KEPT {
                cluster
                    .run(store.delete(&format!("/{}", number - KEPT), false))
                    .unwrap();
            }
        }
        client.kill().unwrap();
        let end = client.wait().unwrap();
        let signal = std::os::unix::process::ExitStatusExt::signal(&end);
        assert_eq!(
            signal,
            Some(9),
            "client {round} saw foreign bytes, or failed: {end}"
        );
    }
    let pinned = used(&cluster);
    for kept in number - KEPT + 1..=number {
        cluster.run(store.delete(&format!("/{kept}"), false)).unwrap();
    }
    println!("{number} files; {pinned} bytes were in use at the end");
    cluster.until("their pins end with their leases", || used(&cluster) == 0);
    cluster.check();
    assert_eq!(cluster.datanodes[0].status().under_way, 0);
    cluster
        .run(write_file(&store, "/all", &vec![1; 32 * MIB as usize]))
        .unwrap();
}
