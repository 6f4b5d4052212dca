//! Multifiles, files that are followed while they grow, and watches, through a whole cluster, over each transport.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use common::{Fixture, TRANSPORTS, Transport, open_file, pattern, write_block, write_file};
use crake_datapath::Task;
use crake_mem::Region;
use crake_rpc::CallOptions;
use crake_store::protocol::namenode::{PublishRequest, namenode as method};
use crake_store::{Error, Event, Happened, Multifile, Node, OperationKind, Parts, Store};

const MIB: usize = 1 << 20;

/// Reads all of a multifile through a buffered stream.
async fn read_parts(multifile: &Multifile, parts: Parts) -> Result<Vec<u8>, Error> {
    let mut reader = multifile.buffered_reader(parts, 4);
    let (mut all, mut piece) = (Vec::new(), vec![0; 100_000]);
    loop {
        match reader.read(&mut piece).await? {
            0 => return Ok(all),
            count => all.extend_from_slice(&piece[..count]),
        }
    }
}

async fn write_part(multifile: &Multifile, name: &str, bytes: &[u8]) {
    let mut out = multifile
        .create(name, Node::File)
        .await
        .unwrap()
        .buffered_writer()
        .unwrap();
    out.write(bytes).await.unwrap();
    out.close().await.unwrap();
}

#[test]
fn parts_written_at_the_same_time_come_back_as_one_stream_in_the_order_of_their_names() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let stores = [cluster.store(), cluster.store(), cluster.store()];
        cluster.run(async {
            let multifile = stores[0].make_multifile("/a/m", true).await.unwrap();
            let sizes = [MIB + 17, 0, 3, 4096, 2 * MIB, 100_000, 1, 0, 70_000];
            let parts = (0..sizes.len()).map(|at| pattern(sizes[at], at as u64));
            let parts = parts.collect::<Vec<_>>();
            let writers = stores.iter().enumerate().map(|(writer, store)| {
                let parts = &parts;
                async move {
                    let multifile = store.multifile("/a/m").await.unwrap();
                    // Each from its last to its first: the order in which they are made does not count.
                    for at in (0..parts.len()).rev().filter(|at| at % 3 == writer) {
                        write_part(&multifile, &format!("part-{at:03}"), &parts[at]).await;
                    }
                }
            });
            join_all(writers).await;
            let whole = parts.concat();
            assert!(read_parts(&multifile, Parts::SealedSoFar).await.unwrap() == whole);
            multifile.seal().await.unwrap();
            assert!(read_parts(&multifile, Parts::All).await.unwrap() == whole);
            let names = multifile.parts().await.unwrap();
            assert_eq!(names.len(), sizes.len());

            let reader = multifile.reader(Parts::All);
            assert_eq!(reader.size().await.unwrap(), whole.len() as u64);
            for (offset, len) in [(0, 10), (MIB + 10, 20), (MIB, 3 * MIB), (whole.len() - 5, 100)] {
                let target = Region::allocated(len).unwrap().extent(..len);
                let count = reader.read(offset as u64, target.clone()).await.unwrap();
                assert_eq!(count, len.min(whole.len() - offset));
                assert!(
                    target.slice(..count).to_vec() == whole[offset..offset + count],
                    "at {offset}"
                );
            }
            let beyond = Region::allocated(10).unwrap().extent(..10);
            assert_eq!(reader.read(1 << 40, beyond).await.unwrap(), 0);
        });
        cluster.check();
    }
}

/// Starts a task, and says whether it has ended.
fn start<T: 'static>(
    cluster: &Fixture,
    future: impl Future<Output = T> + 'static,
) -> (Task<T>, Rc<Cell<bool>>) {
    let ended = Rc::new(Cell::new(false));
    let flag = ended.clone();
    let task = cluster.runtime.spawn(async move {
        let result = future.await;
        flag.set(true);
        result
    });
    (task, ended)
}

/// Waits for all of them, in turn; each goes on by itself only while it is polled.
async fn join_all(futures: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut all: Vec<_> = futures.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        all.retain_mut(|future| future.as_mut().poll(context).is_pending());
        match all.is_empty() {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
}

#[test]
fn thousands_of_parts_are_looked_up_by_pages() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        let multifile = store.make_multifile("/m", false).await.unwrap();
        let mut whole = Vec::new();
        for at in 0..3000_u64 {
            let bytes = pattern(at as usize % 50, at);
            write_part(&multifile, &format!("{at:05}"), &bytes).await;
            whole.extend(bytes);
        }
        multifile.seal().await.unwrap();
        let lists = |store: &Store| store.stats().kind(OperationKind::List).done;
        let before = lists(&store);
        assert!(read_parts(&multifile, Parts::All).await.unwrap() == whole);
        let pages = lists(&store) - before;
        assert!(pages < 30, "{pages} pages for 3,000 parts");
    });
}

#[test]
fn what_is_sealed_so_far_is_read_without_waiting_and_the_rest_is_waited_for() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let (writer, reader) = (cluster.store(), cluster.store());
        cluster.run(async {
            let multifile = writer.make_multifile("/m", false).await.unwrap();
            write_part(&multifile, "1", b"one ").await;
            let mut second = multifile
                .create("2", Node::File)
                .await
                .unwrap()
                .buffered_writer()
                .unwrap();
            second.write(b"two ").await.unwrap();
            second.publish().await.unwrap();
            write_part(&multifile, "3", b"three").await;
            let seen = reader.multifile("/m").await.unwrap();
            assert_eq!(read_parts(&seen, Parts::SealedSoFar).await.unwrap(), b"one three");

            let waiting = seen.clone();
            let (all, ended) = start(&cluster, async move { read_parts(&waiting, Parts::All).await });
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            assert!(!ended.get(), "more parts may come");
            multifile.seal().await.unwrap();
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            assert!(!ended.get(), "a part is still written");
            second.write(b"2 ").await.unwrap();
            second.close().await.unwrap();
            assert_eq!(all.await.unwrap(), b"one two 2 three");

            let refused = multifile.create("4", Node::File).await.unwrap_err();
            assert_eq!(refused, Error::Sealed { path: "/m/4".into() });
            assert!(!writer.lookup("/m").await.unwrap().open);
            // Parts may go, and what has gone is not read.
            writer.delete("/m/2", false).await.unwrap();
            assert_eq!(read_parts(&seen, Parts::All).await.unwrap(), b"one three");
        });
        cluster.check();
    }
}

#[test]
fn a_part_whose_writer_dies_counts_as_far_as_it_was_published() {
    let cluster = Fixture::with(Transport::Local, 1, |namenode, _| {
        namenode.lease = Duration::from_millis(300);
    });
    let store = cluster.store();
    let namenode = cluster.client(&cluster.namenode_address(), 7);
    let datanode = cluster.datanode_client(0, 7);
    cluster.run(async {
        let multifile = store.make_multifile("/m", false).await.unwrap();
        // A session that renews nothing: what it does is done by hand.
        let part = open_file(&namenode, "m/part", 9).await;
        write_block(&datanode, &part.handle, 0, b"half done")
            .await
            .unwrap();
        let publish = PublishRequest {
            node: part.node,
            lease: part.lease,
            size: 4,
            seal: false,
        };
        namenode
            .call(method::PUBLISH, &publish, CallOptions::new())
            .await
            .unwrap();
        multifile.seal().await.unwrap();
        assert_eq!(read_parts(&multifile, Parts::All).await.unwrap(), b"half");
    });
}

#[test]
fn a_file_is_followed_as_it_grows_until_it_is_sealed() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let (writer, reader) = (cluster.store(), cluster.store());
        cluster.run(async {
            let mut out = writer
                .create("/log", Node::File)
                .await
                .unwrap()
                .buffered_writer()
                .unwrap();
            let whole = pattern(3 * MIB, 1);
            let mut follower = reader.open("/log").await.unwrap().reader().unwrap().follow(0);
            let (following, ended) = start(&cluster, async move {
                let mut seen = Vec::new();
                let target = Region::allocated(200_000).unwrap().extent(..200_000);
                loop {
                    match follower.read(target.clone()).await.unwrap() {
                        0 => return seen,
                        count => seen.extend(target.slice(..count).to_vec()),
                    }
                }
            });
            for piece in whole.chunks(77_777) {
                out.write(piece).await.unwrap();
                out.publish().await.unwrap();
            }
            cluster.runtime.sleep(Duration::from_millis(5)).await;
            assert!(!ended.get());
            out.close().await.unwrap();
            assert!(following.await == whole);
            let asked = reader.stats().kind(OperationKind::Blocks).done;
            let published = whole.len().div_ceil(77_777) as u64;
            assert!(
                asked <= published + 2,
                "{asked} questions, {published} publications"
            );
        });
        cluster.check();
    }
}

#[test]
fn who_follows_a_file_that_is_deleted_or_replaced_is_told() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let (writer, reader) = (cluster.store(), cluster.store());
    cluster.run(async {
        for replace in [false, true] {
            let out = writer.create("/f", Node::File).await.unwrap();
            let mut follower = reader.open("/f").await.unwrap().reader().unwrap().follow(0);
            let following = cluster.runtime.spawn(async move {
                let target = Region::allocated(10).unwrap().extent(..10);
                follower.read(target).await
            });
            cluster.runtime.sleep(Duration::from_millis(20)).await;
            if replace {
                write_file(&writer, "/g", b"other").await.unwrap();
                writer.rename("/g", "/f").await.unwrap();
            } else {
                writer.delete("/f", false).await.unwrap();
            }
            assert_eq!(
                following.await.unwrap_err(),
                Error::NotFound { path: "/f".into() }
            );
            drop(out);
            let _ = writer.delete("/f", false).await;
        }
    });
}

/// What happened, and to whom.
async fn next(watch: &mut crake_store::Watch) -> (Happened, String) {
    let event = watch.next().await.unwrap();
    (event.happened, event.name_lossy().into_owned())
}

#[test]
fn a_directory_that_is_watched_tells_what_comes_grows_and_goes() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let (writer, watcher) = (cluster.store(), cluster.store());
        cluster.run(async {
            writer.make_dir("/d/sub", true).await.unwrap();
            let mut watch = watcher.watch("/d").await.unwrap();
            assert_eq!(watch.attributes().size, 1);
            write_file(&writer, "/d/f", b"hello").await.unwrap();
            writer.rename("/d/f", "/d/g").await.unwrap();
            writer.rename("/d/g", "/elsewhere").await.unwrap();
            writer.make_dir("/d/sub/deeper", false).await.unwrap();
            writer.delete("/d/sub", true).await.unwrap();
            let expected = [
                (Happened::Created, "f"),
                (Happened::Grew, "f"),
                (Happened::Sealed, "f"),
                (Happened::Deleted, "f"),
                (Happened::Created, "g"),
                (Happened::Deleted, "g"),
                (Happened::Deleted, "sub"),
            ];
            for (happened, name) in expected {
                assert_eq!(next(&mut watch).await, (happened, name.into()), "{transport:?}");
            }
            writer.delete("/d", true).await.unwrap();
            assert_eq!(next(&mut watch).await, (Happened::Deleted, String::new()));
            assert_eq!(watch.next().await, None);
        });
    }
}

#[test]
fn a_table_that_is_watched_tells_keys_and_versions() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let (writer, watcher) = (cluster.store(), cluster.store());
    cluster.run(async {
        let table = writer.make_table("/t", false).await.unwrap();
        let mut watch = watcher.watch("/t").await.unwrap();
        let first = table.put(b"k", b"1").await.unwrap();
        let second = table.put(b"k", &vec![2; 100_000]).await.unwrap();
        table.remove(b"k").await.unwrap();
        let events = [
            watch.next().await.unwrap(),
            watch.next().await.unwrap(),
            watch.next().await.unwrap(),
        ];
        let told = events.map(|event| (event.happened, event.size, event.version));
        assert_eq!(
            told,
            [
                (Happened::Put, 1, first),
                (Happened::Put, 100_000, second),
                (Happened::Deleted, 100_000, second)
            ]
        );
    });
}

#[test]
fn a_thousand_watches_share_one_question_and_end_with_their_handles() {
    let cluster = Fixture::new(Transport::Unix, 1);
    let (writer, watcher) = (cluster.store(), cluster.store());
    cluster.run(async {
        let mut watches = Vec::new();
        for at in 0..1000 {
            let path = format!("/d{at}");
            writer.make_dir(&path, false).await.unwrap();
            watches.push(watcher.watch(&path).await.unwrap());
        }
        for at in (0..1000).rev() {
            writer.make_dir(&format!("/d{at}/x"), false).await.unwrap();
        }
        for watch in &mut watches {
            assert_eq!(next(watch).await, (Happened::Created, "x".into()));
        }
        drop(watches);
        // Nothing waits any more: the session can go.
        let usage = || cluster.runtime.usage().tasks;
        let tasks = usage();
        drop(watcher);
        cluster.runtime.sleep(Duration::from_millis(50)).await;
        assert!(usage() < tasks, "{} tasks are left of {tasks}", usage());
    });
}

#[test]
fn watches_go_on_after_the_namenode_forgot_them() {
    let mut cluster = Fixture::new(Transport::Tcp, 1);
    let (writer, watcher) = (cluster.store(), cluster.store());
    let mut watch = cluster.run(async {
        writer.make_dir("/d", false).await.unwrap();
        watcher.watch("/d").await.unwrap()
    });
    // Another life of the namenode knows neither the watch nor the directory.
    cluster.stop_namenode();
    cluster.start_namenode();
    cluster.run(async {
        let mut events = Vec::new();
        while let Some(Event { happened, .. }) = watch.next().await {
            events.push(happened);
        }
        assert_eq!(events, [Happened::Deleted]);
    });
}

#[test]
fn a_watcher_that_does_not_look_is_told_that_it_lost_something() {
    let cluster = Fixture::new(Transport::Local, 1);
    let (writer, watcher) = (cluster.store(), cluster.store());
    cluster.run(async {
        let table = writer.make_table("/t", false).await.unwrap();
        let mut watch = watcher.watch("/t").await.unwrap();
        for number in 0..40_000_u32 {
            table.put(&number.to_le_bytes(), b"").await.unwrap();
        }
        let (mut lost, mut last) = (0, None);
        while last != Some(39_999_u32.to_le_bytes().to_vec()) {
            let event = watch.next().await.unwrap();
            match event.happened {
                Happened::Lost => lost += 1,
                _ => last = Some(event.name),
            }
        }
        assert!(lost > 0);
    });
}
