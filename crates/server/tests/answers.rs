//! Answers of a namenode that clients of its machine find without asking.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::time::Duration;

use common::{Fixture, TRANSPORTS, Transport, pattern, read_file, write_file};
use crake_store::{Error, Node, Store};

/// The transports that lead to the namenode's memory.
const SHARING: [Transport; 2] = [Transport::Local, Transport::Shm];

/// So often something is asked before its answer is written down.
const ASKED_BEFORE: u64 = 2;

#[test]
fn what_is_asked_again_and_again_is_found_where_that_is_possible() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            store.make_dir("/d", false).await.unwrap();
            write_file(&store, "/d/f", b"some bytes").await.unwrap();
            let table = store.make_table("/t", false).await.unwrap();
            table.put(b"key", b"value").await.unwrap();
            let found = store.stats().found;
            let attributes = store.lookup("/d/f").await.unwrap();
            for _ in 1..1000 {
                assert_eq!(store.lookup("/d/f").await.unwrap(), attributes);
                assert_eq!(store.open("/d/f").await.unwrap().attributes(), attributes);
                let value = table.get(b"key").await.unwrap().unwrap();
                assert_eq!((&value.data[..], value.version), (&b"value"[..], 1));
            }
            let expected = match SHARING.contains(&transport) {
                true => 3 * (999 - ASKED_BEFORE) + 1,
                false => 0,
            };
            assert_eq!(store.stats().found - found, expected, "{transport:?}");
            assert_eq!(read_file(&store, "/d/f").await.unwrap(), b"some bytes");
        });
        cluster.namenode.as_ref().unwrap().check().unwrap();
    }
}

#[test]
fn many_names_are_found_as_well() {
    const NAMES: usize = 1000;
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            let names: Vec<String> = (0..NAMES).map(|number| format!("/d/file{number:06}")).collect();
            store.make_dir("/d", false).await.unwrap();
            for name in &names {
                write_file(&store, name, b"").await.unwrap();
            }
            for _ in 0..10 {
                for name in &names {
                    store.lookup(name).await.unwrap();
                }
            }
            let found = store.stats().found;
            for name in &names {
                store.lookup(name).await.unwrap();
            }
            let found = store.stats().found - found;
            assert!(found > NAMES as u64 * 99 / 100, "{found} over {transport:?}");
        });
        cluster.namenode.as_ref().unwrap().check().unwrap();
    }
}

#[test]
fn an_answer_that_no_longer_holds_is_not_found() {
    for transport in SHARING {
        let cluster = Fixture::new(transport, 1);
        let (store, other) = (cluster.store(), cluster.store());
        cluster.run(async {
            store.make_dir("/d/e", true).await.unwrap();
            write_file(&store, "/d/e/f", b"first").await.unwrap();
            let table = store.make_table("/t", false).await.unwrap();
            table.put(b"key", b"one").await.unwrap();
            let (own, others) = (&store, &other);
            let known = async || {
                for _ in 0..4 {
                    own.lookup("/d/e/f").await.unwrap();
                    own.open("/d/e/f").await.unwrap();
                    table.get(b"key").await.unwrap().unwrap();
                }
            };
            let is_gone = async |path: &str| matches!(own.lookup(path).await, Err(Error::NotFound { .. }));

            known().await;
            let writer = others.append("/d/e/f").await.unwrap();
            assert!(own.lookup("/d/e/f").await.unwrap().open);
            known().await;
            writer
                .write(crake_mem::Buf::copy_from_slice(b" and more"))
                .await
                .unwrap();
            writer.close().await.unwrap();
            assert_eq!(own.lookup("/d/e/f").await.unwrap().size, 14);
            assert_eq!(read_file(own, "/d/e/f").await.unwrap(), b"first and more");

            known().await;
            let their_table = others.table("/t").await.unwrap();
            their_table.put(b"key", b"two").await.unwrap();
            assert_eq!(&table.get(b"key").await.unwrap().unwrap().data[..], b"two");
            known().await;
            their_table.remove(b"key").await.unwrap();
            assert!(table.get(b"key").await.unwrap().is_none());
            their_table.put(b"key", b"three").await.unwrap();
            assert_eq!(&table.get(b"key").await.unwrap().unwrap().data[..], b"three");

            known().await;
            others.rename("/d/e/f", "/d/e/g").await.unwrap();
            assert!(is_gone("/d/e/f").await);
            others.rename("/d/e/g", "/d/e/f").await.unwrap();
            known().await;
            others.rename("/d", "/moved").await.unwrap();
            assert!(is_gone("/d/e/f").await && is_gone("/d/e").await);
            others.rename("/moved", "/d").await.unwrap();
            known().await;
            let before = own.lookup("/d/e/f").await.unwrap().id;
            write_file(others, "/other", b"another").await.unwrap();
            others.rename("/other", "/d/e/f").await.unwrap();
            let after = own.lookup("/d/e/f").await.unwrap();
            assert!(after.id != before && after.size == 7, "{transport:?}");
            assert_eq!(read_file(own, "/d/e/f").await.unwrap(), b"another");
            known().await;
            others.delete("/d", true).await.unwrap();
            assert!(is_gone("/d/e/f").await && is_gone("/d").await);
            others.make_dir("/d/e/f", true).await.unwrap();
            assert_eq!(own.lookup("/d/e/f").await.unwrap().kind, Node::Directory);
        });
        cluster.namenode.as_ref().unwrap().check().unwrap();
    }
}

#[test]
fn the_loss_of_a_datanode_is_seen_by_who_opens_a_file() {
    for transport in SHARING {
        let mut cluster = Fixture::with(transport, 1, |namenode, _| {
            namenode.heartbeat_timeout = Duration::from_millis(50);
        });
        let store = cluster.store();
        cluster.run(async {
            write_file(&store, "/f", &pattern(100_000, 1)).await.unwrap();
            for _ in 0..5 {
                store.open("/f").await.unwrap();
            }
        });
        cluster.datanodes.clear();
        cluster.run(async {
            let runtime = store.runtime().clone();
            let lost = async {
                while store
                    .open("/f")
                    .await
                    .unwrap()
                    .reader()
                    .unwrap()
                    .read_to_vec(0, 10)
                    .await
                    .is_ok()
                {
                    runtime.sleep(Duration::from_millis(5)).await;
                }
            };
            runtime
                .timeout(runtime.now() + Duration::from_secs(5), lost)
                .await
                .unwrap();
        });
        cluster.namenode.as_ref().unwrap().check().unwrap();
    }
}

#[test]
fn a_namenode_that_has_ended_is_not_believed() {
    for transport in SHARING {
        let mut cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            for number in 0..10 {
                let name = format!("/f{number}");
                write_file(&store, &name, b"bytes").await.unwrap();
                for _ in 0..3 {
                    store.lookup(&name).await.unwrap();
                }
            }
        });
        cluster.stop_namenode();
        cluster.start_namenode();
        cluster.run(async {
            for number in 0..10 {
                let found = store.lookup(&format!("/f{number}")).await;
                assert!(
                    matches!(found, Err(Error::NotFound { .. })),
                    "{found:?} over {transport:?}"
                );
            }
        });
    }
}

/// Without a turn of the runtime the end of the namenode is not seen, so after a while nothing is found any more.
#[test]
fn who_has_not_looked_at_its_connections_for_long_asks() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        store.make_dir("/d", false).await.unwrap();
        for _ in 0..5 {
            store.lookup("/d").await.unwrap();
        }
        let found = store.stats().found;
        store.lookup("/d").await.unwrap();
        assert_eq!(store.stats().found, found + 1);
        std::thread::sleep(Duration::from_millis(100));
        store.lookup("/d").await.unwrap();
        assert_eq!(store.stats().found, found + 1);
        store.lookup("/d").await.unwrap();
        assert_eq!(store.stats().found, found + 2);
    });
}

/// Any series of changes, with everything looked at again and again in between; the namenode compares what can be found with what it would
/// answer.
#[test]
fn what_can_be_found_is_always_what_would_be_answered() {
    const NUMBERS: u64 = 36;
    let cluster = Fixture::with(Transport::Local, 2, |namenode, _| {
        namenode.answers_bytes = 64 << 10
    });
    let (store, other) = (cluster.store(), cluster.store());
    let mut random = 1_u64;
    let mut below = |limit: u64| {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % limit
    };
    let path = |number: u64| {
        let (n, m, l) = (number / 3 % 3, number / 9 % 2, number / 18);
        match number % 3 {
            0 => format!("/n{n}"),
            1 => format!("/n{n}/m{m}"),
            _ => format!("/n{n}/m{m}/l{l}"),
        }
    };
    let mut found = 0;
    for round in 0..1000 {
        let (one, two) = (path(below(NUMBERS)), path(below(NUMBERS)));
        let (what, amount) = (below(9), below(3000));
        cluster.run(async {
            // Most of these are refused in some state or other.
            let _ = match what {
                0 => write_file(&other, &one, &vec![7; amount as usize * 10]).await,
                1 | 2 => other.make_dir(&one, true).await.map(drop),
                3 => other.rename(&one, &two).await.map(drop),
                4 => other.delete(&one, amount < 500).await.map(drop),
                5 => append(&other, &one).await,
                6 | 7 => put(&other, &one, &vec![1; amount as usize % 1500]).await,
                _ => remove(&other, &one).await,
            };
            for number in 0..NUMBERS {
                for _ in 0..2 {
                    let _ = store.lookup(&path(number)).await;
                }
                let _ = store.open(&path(number)).await;
                if let Ok(table) = store.table(&path(number)).await {
                    let _ = table.get(b"key").await;
                }
            }
        });
        found = store.stats().found;
        let checked = cluster.namenode.as_ref().unwrap().check();
        assert_eq!(checked, Ok(()), "round {round}: {what} of {one}, {two}");
    }
    assert!(found > 3_000, "{found}");
}

async fn append(store: &Store, path: &str) -> Result<(), Error> {
    let writer = store.append(path).await?;
    writer.write(crake_mem::Buf::copy_from_slice(&[3; 700])).await?;
    writer.close().await.map(drop)
}

async fn put(store: &Store, path: &str, value: &[u8]) -> Result<(), Error> {
    store.make_table(path, true).await.map(drop).ok();
    store.table(path).await?.put(b"key", value).await.map(drop)
}

async fn remove(store: &Store, path: &str) -> Result<(), Error> {
    store.table(path).await?.remove(b"key").await.map(drop)
}
