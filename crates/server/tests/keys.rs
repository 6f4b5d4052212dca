//! Keys over a live cluster: many put at once, numbers that are added to, on each transport.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::time::{Duration, Instant};

use common::{Fixture, TRANSPORTS, pattern};
use crake_store::{Condition, CreateOptions, Error, KeyRange, Node, OperationKind, PutEntry, PutOptions};

#[test]
fn many_small_values_take_few_requests_and_large_ones_their_own() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            let table = store.make_table("/t", true).await.unwrap();
            let keys: Vec<String> = (0..1000).map(|number| format!("key{number:04}")).collect();
            let values: Vec<Vec<u8>> = (0..1000)
                .map(|number| match number {
                    500 => pattern(100_000, 3),
                    number => pattern(number % 70, number as u64),
                })
                .collect();
            let entries: Vec<PutEntry<'_>> = keys
                .iter()
                .zip(&values)
                .map(|(key, value)| PutEntry {
                    key: key.as_bytes(),
                    value,
                    condition: Condition::IfAbsent,
                    ttl: None,
                })
                .collect();
            let outcomes = table.multi_put(&entries).await;
            let versions: Vec<u64> = outcomes.into_iter().map(Result::unwrap).collect();
            assert!(versions.is_sorted() && versions.len() == 1000);
            let requests = store.stats().kind(OperationKind::MultiPut).done;
            assert!((8..=9).contains(&requests), "{requests}");
            let keys: Vec<&[u8]> = keys.iter().map(String::as_bytes).collect();
            let found = table.multi_get(&keys).await.unwrap();
            for (found, (value, version)) in found.iter().zip(values.iter().zip(versions)) {
                let found = found.as_ref().unwrap();
                assert!(found[..] == value[..] && found.version == version);
            }
            let again = table.multi_put(&entries[499..502]).await;
            assert!(again.iter().all(
                |outcome| matches!(outcome, Err(Error::AlreadyExists { path }) if path.starts_with("/t[key0"))
            ));
        });
    }
}

#[test]
fn one_refused_put_of_several_keeps_no_other_from_being_put() {
    let cluster = Fixture::new(TRANSPORTS[0], 1);
    let store = cluster.store();
    cluster.run(async {
        let table = store.make_table("/t", true).await.unwrap();
        let put = |key, condition| PutEntry {
            key,
            value: b"v",
            condition,
            ttl: None,
        };
        let outcomes = table
            .multi_put(&[
                put(b"a", Condition::IfVersion(7)),
                put(b"b", Condition::Always),
                put(b"", Condition::Always),
                put(b"b", Condition::IfVersion(1)),
            ])
            .await;
        assert!(matches!(outcomes[0], Err(Error::VersionMismatch { .. })));
        assert_eq!(outcomes[1], Ok(1));
        assert!(matches!(outcomes[2], Err(Error::InvalidName { .. })));
        assert_eq!(outcomes[3], Ok(2));
        assert_eq!(table.multi_put(&[]).await, []);
        store.delete("/t", true).await.unwrap();
        let outcomes = table.multi_put(&[put(b"a", Condition::Always); 300]).await;
        assert_eq!(outcomes.len(), 300);
        assert!(
            outcomes
                .iter()
                .all(|outcome| matches!(outcome, Err(Error::NotFound { .. })))
        );
    });
}

#[test]
fn clients_that_add_to_one_number_lose_nothing() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            let table = store.make_table("/t", true).await.unwrap();
            let adding: Vec<_> = (1..=100).map(|delta| table.add(b"sum", delta)).collect();
            let mut sums = Vec::new();
            for add in adding {
                sums.push(add.await.unwrap());
            }
            assert_eq!((sums.is_sorted(), sums[99]), (true, 5050));
            assert_eq!(table.add(b"sum", -6000).await.unwrap(), -950);
            assert_eq!(&table.get(b"sum").await.unwrap().unwrap()[..], b"-950");
            table.put(b"name", b"alice").await.unwrap();
            assert!(matches!(
                table.add(b"name", 1).await,
                Err(Error::NotANumber { .. })
            ));
            table.put(b"full", i64::MIN.to_string().as_bytes()).await.unwrap();
            assert!(matches!(
                table.add(b"full", -1).await,
                Err(Error::Overflow { .. })
            ));
        });
    }
}

#[test]
fn what_has_a_time_to_live_is_gone_when_it_is_due() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            let ttl = Duration::from_millis(300);
            let table = store.make_table("/t", true).await.unwrap();
            let mortal = PutOptions {
                ttl: Some(ttl),
                ..PutOptions::default()
            };
            table.put_when(b"small", b"v", mortal).await.unwrap();
            let large = pattern(100_000, 1);
            table.put_when(b"large", &large, mortal).await.unwrap();
            table.put(b"stays", b"v").await.unwrap();
            table.put(b"later", b"v").await.unwrap();
            let options = CreateOptions::from(Node::Directory).ttl(ttl);
            store.create("/d", options).await.unwrap();
            store.create("/d/below", Node::Directory).await.unwrap();
            let mut writer = store
                .create("/d/below/f", Node::File)
                .await
                .unwrap()
                .buffered_writer()
                .unwrap();
            writer.write(&pattern(3 << 20, 2)).await.unwrap();
            let begun = Instant::now();
            let expires_ns = table.set_ttl(b"later", Some(ttl)).await.unwrap().expires_ns;
            let modified_ns = table.get(b"later").await.unwrap().unwrap().modified_ns;
            assert!(expires_ns > modified_ns && expires_ns < modified_ns + 60_000_000_000);
            // Again and again, so that an answer that must not be kept would be.
            let mut last_seen = begun;
            while table.get(b"later").await.unwrap().is_some() {
                last_seen = Instant::now();
                for path in ["/d", "/d/below"] {
                    let _ = store.lookup(path).await;
                }
                for _ in 0..10 {
                    let _ = table.get(b"small").await.unwrap();
                }
            }
            // The namenode's time is that of its last turn.
            let lived = last_seen.duration_since(begun);
            assert!(
                lived > ttl - Duration::from_millis(50) && lived < ttl + Duration::from_millis(200),
                "{lived:?} over {transport:?}"
            );
            for key in [&b"small"[..], b"large", b"later"] {
                assert!(table.get(key).await.unwrap().is_none());
            }
            assert_eq!(
                table.keys_page(KeyRange::ALL, 0).await.unwrap().entries,
                [b"stays"]
            );
            for path in ["/d", "/d/below", "/d/below/f"] {
                assert!(
                    matches!(store.lookup(path).await, Err(Error::NotFound { .. })),
                    "{path}"
                );
            }
            let told = async {
                writer.write(&pattern(3 << 20, 2)).await?;
                writer.close().await
            };
            let told = told.await;
            assert!(
                matches!(told, Err(Error::NotFound { .. } | Error::LeaseLost { .. })),
                "{told:?}"
            );
        });
        cluster.until("everything that was due is removed", || {
            let usage = cluster.within(Duration::from_secs(5), async { store.usage().await.unwrap() });
            (usage.nodes, usage.used, usage.leases) == (3, 0, 0)
        });
        cluster.check();
    }
}
