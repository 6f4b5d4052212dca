//! Streams of the store against real servers, over each transport.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::collections::VecDeque;
use std::io::{Read, Seek, SeekFrom, Write};

use common::{Fixture, MIB, TRANSPORTS, Transport, pattern, read_file, write_file};
use crake_mem::{Buf, HugePages, Region};
use crake_store::{ConnectOptions, Error, Node, OperationKind, Store, blocking};

#[test]
fn blocking_streams_are_read_write_and_seek() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = blocking::Store::over(cluster.store());
        let bytes = pattern(3 * MIB as usize + 77, 1);
        let mut writer = store.create("/f", Node::File).unwrap().writer().unwrap();
        for piece in bytes.chunks(1000) {
            writer.write_all(piece).unwrap();
        }
        assert_eq!(writer.close().unwrap().size, bytes.len() as u64);

        let mut reader = store.open("/f").unwrap().reader().unwrap();
        let mut back = Vec::new();
        reader.read_to_end(&mut back).unwrap();
        assert!(back == bytes, "{transport:?}");
        for at in [0, 5, MIB as usize - 1, 2 * MIB as usize, 17] {
            reader.seek(SeekFrom::Start(at as u64)).unwrap();
            let mut out = [0; 100];
            reader.read_exact(&mut out).unwrap();
            assert_eq!(out[..], bytes[at..at + 100]);
            assert_eq!(reader.stream_position().unwrap(), at as u64 + 100);
        }
        reader.seek(SeekFrom::End(-10)).unwrap();
        back.clear();
        reader.read_to_end(&mut back).unwrap();
        assert_eq!(back, bytes[bytes.len() - 10..]);
        assert!(reader.seek(SeekFrom::Current(-1 << 40)).is_err());
        drop((reader, writer_dropped_half_way(&store)));
        assert_eq!(store.lookup("/half").unwrap().size, 300);
        cluster.check();
    }
}

/// A writer that is dropped closes its file.
fn writer_dropped_half_way(store: &blocking::Store) {
    let mut writer = store.create("/half", Node::File).unwrap().writer().unwrap();
    writer.write_all(&[1; 300]).unwrap();
}

#[test]
fn many_writes_and_reads_in_flight_keep_their_places() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        let bytes = pattern(20 * MIB as usize, 3);
        cluster.run(async {
            let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
            let (mut at, mut len) = (0, 1);
            while at < bytes.len() {
                len = (len * 31 + 7) % 700_000;
                let end = (at + len).min(bytes.len());
                drop(writer.write(Buf::copy_from_slice(&bytes[at..end])));
                at = end;
            }
            assert_eq!(writer.close().await.unwrap().size, bytes.len() as u64);

            let reader = store.open("/f").await.unwrap().reader().unwrap();
            let mut reads = VecDeque::new();
            for number in 0..200_usize {
                let at = number.wrapping_mul(7_654_321) % bytes.len();
                let target = Region::anonymous(50_000, HugePages::Never).unwrap().extent(..);
                reads.push_back((at, target.clone(), reader.read(at as u64, target)));
            }
            // The last ones first: none depends on another being waited for.
            while let Some((at, target, read)) = reads.pop_back() {
                let count = read.await.unwrap();
                assert_eq!(count, 50_000.min(bytes.len() - at));
                assert!(
                    target.slice(..count).to_vec() == bytes[at..at + count],
                    "{at} over {transport:?}"
                );
            }
        });
        cluster.check();
    }
}

#[test]
fn a_file_grows_in_sizes_of_blocks_that_fit() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        for (size, most) in [(1, 4 << 10), (4096, 4 << 10), (60_000, 128 << 10), (500_000, MIB)] {
            let path = format!("/{size}");
            write_file(&store, &path, &pattern(size, 1)).await.unwrap();
            let capacity = store.lookup(&path).await.unwrap().capacity;
            assert!(capacity <= most, "{size} bytes take {capacity}");
        }
    });
}

#[test]
fn appending_goes_on_where_the_last_writer_stopped() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let (store, other) = (cluster.store(), cluster.store());
        let mut expected = Vec::new();
        cluster.run(async {
            write_file(&store, "/log", b"").await.unwrap();
            for round in 0..20_usize {
                let piece = pattern(round * round * 317, round as u64);
                let writer = store.append("/log").await.unwrap();
                assert_eq!(writer.position(), expected.len() as u64);
                let held = other.append("/log").await;
                assert_eq!(held.err(), Some(Error::LeaseHeld { path: "/log".into() }));
                writer.write(Buf::copy_from_slice(&piece)).await.unwrap();
                writer.close().await.unwrap();
                expected.extend(piece);
                assert!(
                    read_file(&other, "/log").await.unwrap() == expected,
                    "{round} over {transport:?}"
                );
            }
        });
        cluster.check();
    }
}

#[test]
fn a_reader_follows_a_writer() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let (store, other) = (cluster.store(), cluster.store());
        let bytes = pattern(300_000, 9);
        cluster.run(async {
            let mut writer = store
                .create("/f", Node::File)
                .await
                .unwrap()
                .buffered_writer()
                .unwrap();
            let mut reader = other.open("/f").await.unwrap().buffered_reader().unwrap();
            let (mut seen, mut out) = (Vec::<u8>::new(), vec![0; 10_000]);
            for piece in bytes.chunks(7777) {
                writer.write(piece).await.unwrap();
                let published = writer.publish().await.unwrap().size as usize;
                while seen.len() < published {
                    let count = reader.read(&mut out).await.unwrap();
                    assert!(count > 0, "{published} bytes are published, {} seen", seen.len());
                    seen.extend(&out[..count]);
                }
                assert_eq!(
                    reader.read(&mut out).await.unwrap(),
                    0,
                    "nothing more is published"
                );
            }
            writer.close().await.unwrap();
        });
        // Equal also where blocks of different sizes meet.
        let seen = cluster.run(read_file(&other, "/f"));
        assert!(seen.unwrap() == bytes, "{transport:?}");
    }
}

#[test]
fn a_full_cluster_keeps_what_was_written_and_takes_more_when_there_is_room() {
    for transport in TRANSPORTS {
        let cluster = Fixture::with(transport, 1, |_, datanode| datanode.dram_bytes = 8 * MIB);
        let store = cluster.store();
        let bytes = pattern(10 * MIB as usize, 4);
        cluster.run(async {
            let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
            let write = writer.write(Buf::from_vec(bytes.clone()));
            assert!(matches!(write.await, Err(Error::NoSpace { .. })));
            assert!(matches!(writer.close().await, Err(Error::NoSpace { .. })));
            let size = store.lookup("/f").await.unwrap().size as usize;
            assert!(size > 7 * MIB as usize, "{size}");
            assert!(read_file(&store, "/f").await.unwrap() == bytes[..size]);

            store.delete("/f", false).await.unwrap();
            write_file(&store, "/f", &bytes[..4 * MIB as usize])
                .await
                .unwrap();
            assert!(read_file(&store, "/f").await.unwrap() == bytes[..4 * MIB as usize]);
        });
        cluster.check();
    }
}

#[test]
fn paths_start_at_the_base_of_the_url() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        store.make_dir("/jobs/one", true).await.unwrap();
        let options = ConnectOptions {
            base: "jobs/one".into(),
            ..ConnectOptions::to(&cluster.namenode_address())
        };
        let based = Store::connect_with(&cluster.runtime, options.clone())
            .await
            .unwrap();
        write_file(&based, "/f", b"below").await.unwrap();
        assert_eq!(read_file(&store, "/jobs/one/f").await.unwrap(), b"below");
        assert_eq!(based.list("/").next().await.unwrap().unwrap().name, "f");
        // The base is a directory, not a name: it may be moved.
        store.rename("/jobs", "/done").await.unwrap();
        assert_eq!(read_file(&based, "f").await.unwrap(), b"below");

        let wrong = ConnectOptions {
            base: "nowhere".into(),
            ..options
        };
        let error = Store::connect_with(&cluster.runtime, wrong).await.unwrap_err();
        assert_eq!(
            error,
            Error::NotFound {
                path: "nowhere".into()
            }
        );
    });
}

#[test]
fn a_file_that_is_replaced_while_it_is_read_never_shows_other_bytes() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        write_file(&store, "/f", &[1; 100_000]).await.unwrap();
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        assert_eq!(reader.read_to_vec(0, 10).await.unwrap(), [1; 10]);
        store.delete("/f", false).await.unwrap();
        for number in 0..20 {
            write_file(&store, &format!("/other-{number}"), &[2; 100_000])
                .await
                .unwrap();
        }
        match reader.read_to_vec(0, 100_000).await {
            Ok(bytes) => assert!(bytes.iter().all(|byte| *byte == 1), "another file's bytes"),
            Err(error) => assert_eq!(error, Error::NotFound { path: "/f".into() }),
        }
    });
}

#[test]
fn statistics_count_what_was_done() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        write_file(&store, "/f", &pattern(100_000, 1)).await.unwrap();
        read_file(&store, "/f").await.unwrap();
        assert!(store.lookup("/nothing").await.is_err());
    });
    let stats = store.stats();
    assert_eq!(stats.kind(OperationKind::Write).bytes, 100_000);
    assert_eq!(stats.kind(OperationKind::Read).bytes, 100_000);
    assert_eq!(stats.kind(OperationKind::Create).done, 1);
    assert_eq!(stats.kind(OperationKind::Lookup).failed, 1);
    assert!(stats.kind(OperationKind::Create).latency_max() > std::time::Duration::ZERO);
    assert_eq!(stats.repeats, 0);
    assert!(stats.to_string().lines().any(|row| row.starts_with("write ")));
}
