//! Clients of a namespace with several partitions: it is like one with a single partition, wherever things are.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in functions marked as tests"
)]

use std::collections::BTreeMap;
use std::time::Duration;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::{Buf, Region};
use crake_server::{Cluster, ClusterConfig};
use crake_store::{
    Condition, ConnectOptions, CreateOptions, Error, Happened, JobOptions, KeyRange, Node, PutEntry, Store,
    Table,
};

/// As many that some of eight names are sure to be apart.
const PARTITIONS: u16 = 4;
const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

struct World {
    runtime: Runtime,
    cluster: Cluster,
}

impl World {
    fn new() -> World {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let config = ClusterConfig {
            partitions: PARTITIONS,
            ..ClusterConfig::default()
        };
        let cluster = Cluster::start(&runtime, config).unwrap();
        runtime.block_on(cluster.ready());
        World { runtime, cluster }
    }

    async fn store(&self) -> Store {
        Store::attach(&self.runtime, &self.cluster.address())
            .await
            .unwrap()
    }

    fn run<T>(&self, test: impl AsyncFnOnce(Store) -> T) -> T {
        self.runtime.block_on(async {
            let store = self.store().await;
            let deadline = self.runtime.now_exact() + Duration::from_secs(60);
            let ended = self.runtime.timeout(deadline, test(store)).await;
            ended.expect("the test ends in time")
        })
    }
}

/// A directory with each name, by its path; with another one in it.
async fn directories(store: &Store) -> Vec<String> {
    let mut paths = Vec::new();
    for name in NAMES {
        let path = format!("/{name}");
        store.make_dir(&format!("{path}/sub"), true).await.unwrap();
        paths.push(path);
    }
    paths
}

/// Two of these that are at the same partition, and two that are not.
async fn pairs(store: &Store, paths: &[String]) -> ([String; 2], [String; 2]) {
    let mut partitions = Vec::new();
    for path in paths {
        partitions.push(store.lookup(path).await.unwrap().partition);
    }
    let pair = |wanted: bool| {
        let all = (0..paths.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
        let mut fitting = all.filter(|&(one, other)| (partitions[one] == partitions[other]) == wanted);
        let (one, other) = fitting.next().expect("eight names at four partitions");
        [paths[one].clone(), paths[other].clone()]
    };
    (pair(true), pair(false))
}

/// An empty file.
async fn make_file(store: &Store, path: &str) {
    let file = store.create(path, Node::File).await.unwrap();
    file.close().await.unwrap();
}

#[test]
fn directories_are_spread_and_found_by_everybody() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let others = world.store().await;
        let mut partitions = Vec::new();
        for path in &paths {
            let sub = format!("{path}/sub");
            let (seen, also) = (
                store.lookup(&sub).await.unwrap(),
                others.lookup(&sub).await.unwrap(),
            );
            assert_eq!((seen.id, seen.partition), (also.id, also.partition));
            assert_eq!(seen.kind, Node::Directory);
            let again = store.make_dir(&sub, true).await.unwrap();
            assert_eq!((again.id, again.partition), (seen.id, seen.partition));
            let error = store.make_dir(&sub, false).await.unwrap_err();
            assert_eq!(error, Error::AlreadyExists { path: sub.into() });
            partitions.push(seen.partition);
        }
        partitions.sort_unstable();
        partitions.dedup();
        assert!(partitions.len() > 1, "{partitions:?}");
        let mut listing = others.list("/");
        let mut names = Vec::new();
        while let Some(entry) = listing.next().await.unwrap() {
            let found = others.lookup(&entry.name).await.unwrap();
            assert_eq!(entry.attributes, found);
            names.push(entry.name);
        }
        assert_eq!(names, NAMES);
        // The root, the directories, and one in each.
        assert_eq!(store.usage().await.unwrap().nodes, 17);
    });
}

#[test]
fn what_is_removed_is_gone_for_everybody_who_was_led_there() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let others = world.store().await;
        for path in &paths {
            let sub = format!("{path}/sub");
            others.lookup(&sub).await.unwrap();
            assert!(matches!(
                store.delete(path, false).await,
                Err(Error::NotEmpty { .. })
            ));
            store.delete(path, true).await.unwrap();
            assert!(!others.exists(&sub).await.unwrap());
            // Another one of the same name is found at once.
            let made = store.make_dir(&sub, true).await.unwrap();
            let found = others.lookup(&sub).await.unwrap();
            assert_eq!((found.id, found.partition), (made.id, made.partition));
        }
    });
}

#[test]
fn renames_move_within_a_partition_and_to_another() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        for [from, to] in <[_; 2]>::from(pairs(&store, &paths).await) {
            let (from, to) = (format!("{from}/file"), format!("{to}/moved"));
            make_file(&store, &from).await;
            let moved = store.rename(&from, &to).await.unwrap();
            assert_eq!(store.lookup(&to).await.unwrap(), moved);
            assert!(!store.exists(&from).await.unwrap());
            let error = store.rename(&to, "/nowhere/moved").await.unwrap_err();
            assert!(matches!(error, Error::NotFound { .. }), "{error}");
            make_file(&store, &from).await;
            let error = store.rename_new(&from, &to).await.unwrap_err();
            assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            let new = store.rename(&from, &to).await.unwrap();
            assert_ne!((new.partition, new.id), (moved.partition, moved.id));
            assert_eq!(store.lookup(&to).await.unwrap(), new);
            store.delete(&to, false).await.unwrap();
        }
    });
}

/// A file whose name is at another partition than itself is one like any other.
#[test]
fn a_file_elsewhere_is_used_by_its_name() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let (_, [from, to]) = pairs(&store, &paths).await;
        let (old, name) = (format!("{from}/file"), format!("{to}/file"));
        let before = store.usage().await.unwrap();
        let writer = store.create(&old, Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::copy_from_slice(b"one ")).await.unwrap();
        // Its writer does not notice.
        store.rename(&old, &name).await.unwrap();
        let others = world.store().await;
        let mut follower = others.open(&name).await.unwrap().reader().unwrap().follow(0);
        let mut watch = others.watch(&name).await.unwrap();
        writer.write(Buf::copy_from_slice(b"two ")).await.unwrap();
        writer.publish().await.unwrap();
        assert_eq!(watch.next().await.unwrap().happened, Happened::Grew);
        writer.close().await.unwrap();
        let target = Region::allocated(100).unwrap().extent(..100);
        let mut read = 0;
        while let count @ 1.. = follower.read(target.slice(read..)).await.unwrap() {
            read += count;
        }
        assert_eq!(target.slice(..read).to_vec(), b"one two ");
        let writer = others.append(&name).await.unwrap();
        writer.write(Buf::copy_from_slice(b"three")).await.unwrap();
        writer.close().await.unwrap();
        let reader = store.open(&name).await.unwrap().reader().unwrap();
        assert_eq!(reader.read_to_vec(0, 13).await.unwrap(), b"one two three");
        let checked = store.open(&name).await.unwrap().check().await.unwrap();
        assert_eq!((checked.damages.len(), checked.blocks), (0, 1));
        let page = others.list_page(&to, "", "", 0).await.unwrap();
        let entry = page.entries.iter().find(|entry| entry.name == "file").unwrap();
        assert_eq!(entry.attributes, store.lookup(&name).await.unwrap());
        assert_eq!(entry.attributes.size, 13);
        // Replaced by a new one, by name: whoever was led to the one before finds the new one.
        let created = store
            .create(&name, CreateOptions::from(Node::File).replace())
            .await
            .unwrap();
        let new = created.close().await.unwrap();
        assert_eq!(others.lookup(&name).await.unwrap(), new);
        assert_eq!(new.size, 0);
        // It ends by itself.
        make_file(&store, &old).await;
        store.rename(&old, &name).await.unwrap();
        store
            .set_ttl(&name, Some(Duration::from_millis(20)))
            .await
            .unwrap();
        world.runtime.sleep(Duration::from_millis(60)).await;
        assert!(!others.exists(&name).await.unwrap());
        world.runtime.sleep(Duration::from_millis(60)).await;
        let after = store.usage().await.unwrap();
        assert_eq!((before.nodes, before.used), (after.nodes, after.used));
    });
}

#[test]
fn a_directory_does_not_come_below_itself_by_way_of_another_partition() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let (_, [one, other]) = pairs(&store, &paths).await;
        let inner = format!("{other}/inner");
        store.rename(&one, &inner).await.unwrap();
        for into in [format!("{inner}/sub/x"), format!("{inner}/x")] {
            let error = store.rename(&other, &into).await.unwrap_err();
            assert!(matches!(error, Error::Cycle { .. }), "{into}: {error}");
        }
        // And both ways at once, many times.
        for round in 0..10 {
            let (one, other) = (format!("/one{round}"), format!("/other{round}"));
            store.make_dir(&one, true).await.unwrap();
            store.make_dir(&other, true).await.unwrap();
            // What was removed the last time is gone by and by.
            world.runtime.sleep(Duration::from_millis(30)).await;
            let nodes = store.usage().await.unwrap().nodes;
            let (into_other, into_one) = (format!("{other}/x"), format!("{one}/y"));
            let first = store.rename(&one, &into_other);
            let second = store.rename(&other, &into_one);
            let moved = [first.await.is_ok(), second.await.is_ok()];
            assert!(moved[0] != moved[1], "{moved:?}");
            assert_eq!(store.usage().await.unwrap().nodes, nodes);
            let top = if moved[0] { &other } else { &one };
            store.delete(top, true).await.unwrap();
        }
    });
}

#[test]
fn nobody_finds_anything_under_the_old_name_after_a_rename() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let others = world.store().await;
        for path in &paths {
            let sub = format!("{path}/sub");
            let before = others.lookup(&sub).await.unwrap();
            let renamed = format!("{path}-renamed");
            let moved = store.rename(path, &renamed).await.unwrap();
            assert!(!others.exists(&sub).await.unwrap(), "{path}");
            assert_eq!(store.lookup(&renamed).await.unwrap(), moved);
            assert_eq!(others.lookup(&format!("{renamed}/sub")).await.unwrap(), before);
        }
    });
}

#[test]
fn tables_and_multifiles_work_wherever_they_are() {
    let world = World::new();
    world.run(async |store| {
        for path in directories(&store).await {
            let name = format!("{path}/table");
            store.make_table(&name, true).await.unwrap();
            let table = store.table(&name).await.unwrap();
            table.put(b"key", b"1").await.unwrap();
            assert_eq!(table.get(b"key").await.unwrap().unwrap()[..], *b"1");
            assert_eq!(table.add(b"key", 2).await.unwrap(), 3);
            let name = format!("{path}/parts");
            let parts = store.make_multifile(&name, true).await.unwrap();
            for part in ["1", "2"] {
                let part = parts.create(part, Node::File).await.unwrap();
                part.close().await.unwrap();
            }
            store.multifile(&name).await.unwrap().seal().await.unwrap();
            let names = parts.parts().await.unwrap().into_iter().map(|part| part.name);
            assert_eq!(names.collect::<Vec<_>>(), ["1", "2"]);
            let error = parts.create("3", Node::File).await.err().unwrap();
            assert!(matches!(error, Error::Sealed { .. }), "{error}");
        }
    });
}

#[test]
fn what_happens_at_any_partition_is_told() {
    let world = World::new();
    world.run(async |store| {
        for path in directories(&store).await {
            let mut watch = store.watch(&path).await.unwrap();
            let options = CreateOptions::from(Node::File);
            store
                .create(&format!("{path}/new"), options)
                .await
                .unwrap()
                .close()
                .await
                .unwrap();
            let event = watch.next().await.unwrap();
            assert_eq!(
                (event.happened, event.name.as_slice()),
                (Happened::Created, &b"new"[..])
            );
        }
    });
}

#[test]
fn jobs_and_bases_are_where_they_belong() {
    let world = World::new();
    world.run(async |store| {
        let paths = directories(&store).await;
        let job = store.job(JobOptions::default()).await.unwrap();
        let name = format!("{}/deep/file", job.directory());
        let made = store
            .create(&name, CreateOptions::from(Node::File).parents())
            .await
            .unwrap();
        assert_eq!(made.attributes().partition, 0);
        made.close().await.unwrap();
        for path in &paths {
            let options = ConnectOptions {
                base: path.trim_start_matches('/').into(),
                ..ConnectOptions::to(&world.cluster.address())
            };
            let within = Store::connect_with(&world.runtime, options).await.unwrap();
            assert_eq!(
                within.lookup("sub").await.unwrap(),
                store.lookup(&format!("{path}/sub")).await.unwrap()
            );
            assert_eq!(within.jobs().await.unwrap().len(), 1);
        }
        job.end().await.unwrap();
        assert!(!store.exists(&name).await.unwrap());
    });
}

/// Many clients make the same directories at the same time: there is one of each, and all have the same.
#[test]
fn a_directory_that_many_make_at_once_is_one() {
    let world = World::new();
    world.run(async |_| {
        for round in 0..5 {
            let mut making = Vec::new();
            for _ in 0..6 {
                let store = world.store().await;
                let path = format!("/round{round}/sub/deeper");
                let made = async move { store.make_dir(&path, true).await };
                making.push(world.runtime.spawn(made));
            }
            let mut seen = Vec::new();
            for made in making {
                let made = made.await.unwrap();
                seen.push((made.partition, made.id));
            }
            seen.dedup();
            assert_eq!(seen.len(), 1, "{seen:?}");
        }
    });
}

/// A table with so many keys, and what is in it.
async fn filled(store: &Store, path: &str, count: u32) -> (Table, BTreeMap<Vec<u8>, Vec<u8>>) {
    let table = store.make_table(path, true).await.unwrap();
    let keys = (0..count).map(|at| {
        let key = format!("key{:05}", at * 7919 % 100_000).into_bytes();
        (key, vec![at as u8; at as usize % 40])
    });
    let model: BTreeMap<_, _> = keys.collect();
    let entry = |(key, value): (&'_ Vec<u8>, &'_ Vec<u8>)| (key.clone(), value.clone());
    let owned: Vec<_> = model.iter().map(entry).collect();
    let entries = owned.iter().map(|(key, value)| PutEntry {
        key,
        value,
        ..PutEntry::default()
    });
    let outcomes = table.multi_put(&entries.collect::<Vec<_>>()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    (table, model)
}

/// What a scan of the model gives.
fn scan_of(model: &BTreeMap<Vec<u8>, Vec<u8>>, range: KeyRange<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let is_within = |key: &[u8]| {
        key.starts_with(range.prefix)
            && key >= range.from
            && (range.after.is_empty() || key > range.after)
            && (range.until.is_empty() || key < range.until)
    };
    let found = model.iter().filter(|(key, _)| is_within(key));
    let mut found: Vec<_> = found.map(|(key, value)| (key.clone(), value.clone())).collect();
    if range.reverse {
        found.reverse();
    }
    found
}

#[test]
fn scans_give_the_keys_of_all_partitions_in_order() {
    let world = World::new();
    world.run(async |store| {
        let (table, model) = filled(&store, "/d/t", 3000).await;
        let other = world.store().await.table("/d/t").await.unwrap();
        let ranges = [
            KeyRange::ALL,
            KeyRange::prefix(b"key0"),
            KeyRange::prefix(b"key99999x"),
            KeyRange::ALL.from(b"key30000").until(b"key70000"),
            KeyRange::prefix(b"key").after(b"key50000"),
        ];
        for range in ranges.into_iter().flat_map(|range| [range, range.reversed()]) {
            let expected = scan_of(&model, range);
            let mut scan = table.scan(range);
            let mut found = Vec::new();
            while let Some(entry) = scan.next().await.unwrap() {
                found.push((entry.key.to_vec(), entry.value.to_vec()));
            }
            assert!(
                found == expected,
                "{range:?}: {} of {}",
                found.len(),
                expected.len()
            );
            for limit in [1, 7, 600, 0] {
                let page = other.scan_page(range, limit).await.unwrap();
                let keys: Vec<_> = page.iter().map(|entry| entry.key.to_vec()).collect();
                let most = if limit == 0 {
                    expected.len()
                } else {
                    limit as usize
                };
                assert!(keys.len() <= most && (keys.len() == most.min(expected.len()) || page.more()));
                assert!(
                    keys.iter()
                        .eq(expected.iter().map(|(key, _)| key).take(keys.len()))
                );
                assert_eq!(page.more(), keys.len() < expected.len(), "{range:?} {limit}");
            }
            // Page by page.
            let (mut keys, mut last, mut more) = (Vec::new(), Vec::new(), true);
            while more {
                let range = if last.is_empty() {
                    range
                } else {
                    range.behind(&last)
                };
                let page = other.keys_page(range, 100).await.unwrap();
                keys.extend(page.entries.iter().cloned());
                more = page.more;
                last = page.entries.last().cloned().unwrap_or_default();
            }
            assert!(keys.iter().eq(expected.iter().map(|(key, _)| key)));
        }
    });
}

#[test]
fn keys_are_found_counted_and_removed_wherever_they_are() {
    let world = World::new();
    world.run(async |store| {
        let (table, mut model) = filled(&store, "/t", 800).await;
        // The root, the table, its keys.
        assert_eq!(store.usage().await.unwrap().nodes, 2 + model.len() as u64);
        assert_eq!(table.attributes().await.unwrap().size, model.len() as u64);
        assert_eq!(store.attributes("/t").await.unwrap().size, model.len() as u64);
        assert_eq!(store.attributes("/t").await.unwrap().id, table.id());
        let keys: Vec<&[u8]> = model.keys().map(Vec::as_slice).chain([&b"none"[..]]).collect();
        let values = table.multi_get(&keys).await.unwrap();
        for (key, value) in keys.iter().zip(values) {
            assert_eq!(value.map(|value| value.to_vec()), model.get(*key).cloned());
        }
        let (mut listing, mut names) = (store.list("/t"), Vec::new());
        while let Some(entry) = listing.next().await.unwrap() {
            names.push(entry.name.into_bytes());
        }
        assert!(names.iter().eq(model.keys()));
        let page = store.list_page("/t", "key0", "key00500", 5).await.unwrap();
        let page: Vec<_> = page
            .entries
            .into_iter()
            .map(|entry| entry.name.into_bytes())
            .collect();
        let range = KeyRange::prefix(b"key0").after(b"key00500");
        assert!(
            page.iter()
                .eq(scan_of(&model, range).iter().map(|(key, _)| key).take(5))
        );
        for key in model.keys().step_by(3).cloned().collect::<Vec<_>>() {
            assert!(table.remove(&key).await.unwrap());
            assert!(!table.remove(&key).await.unwrap());
            model.remove(&key);
        }
        assert_eq!(table.attributes().await.unwrap().size, model.len() as u64);
        let error = store.delete("/t", false).await.unwrap_err();
        assert_eq!(error, Error::NotEmpty { path: "/t".into() });
        for key in model.keys() {
            assert!(table.remove(key).await.unwrap());
        }
        store.delete("/t", false).await.unwrap();
        assert!(!store.exists("/t").await.unwrap());
        assert_eq!(store.usage().await.unwrap().nodes, 1);
    });
}

#[test]
fn conditions_counters_and_many_puts_hold_at_every_partition() {
    let world = World::new();
    world.run(async |store| {
        let table = store.make_table("/t", false).await.unwrap();
        for at in 0..20 {
            let key = format!("key{at}").into_bytes();
            let version = table.put_if_absent(&key, b"1").await.unwrap();
            assert!(matches!(
                table.put_if_absent(&key, b"2").await,
                Err(Error::AlreadyExists { .. })
            ));
            let later = table.put_if_version(&key, b"5", version).await.unwrap();
            assert!(later > version);
            let refused = table.put_if_version(&key, b"6", version).await;
            assert!(matches!(refused, Err(Error::VersionMismatch { .. })));
            assert_eq!(table.add(&key, 10).await.unwrap(), 15);
            table
                .set_ttl(&key, Some(Duration::from_secs(3600)))
                .await
                .unwrap();
            assert!(table.get(&key).await.unwrap().unwrap().expires_ns > 0);
        }
        let keys: Vec<_> = (0..40).map(|at| format!("key{at}").into_bytes()).collect();
        let entries = keys.iter().map(|key| PutEntry {
            key,
            value: b"new",
            condition: Condition::IfAbsent,
            ttl: None,
        });
        let outcomes = table.multi_put(&entries.collect::<Vec<_>>()).await;
        for (at, outcome) in outcomes.iter().enumerate() {
            assert_eq!(outcome.is_ok(), at >= 20, "{outcome:?}");
        }
        // Of one key, the last one wins, and a large one among them goes its own way.
        let large = vec![7; 100_000];
        let entries = [&b"first"[..], &large, b"last"].map(|value| PutEntry {
            key: b"same",
            value,
            ..PutEntry::default()
        });
        let outcomes = table.multi_put(&entries).await;
        assert!(
            outcomes.is_sorted_by_key(|outcome| *outcome.as_ref().unwrap()),
            "{outcomes:?}"
        );
        assert_eq!(table.get(b"same").await.unwrap().unwrap()[..], *b"last");
    });
}

/// Keys that are there all the time come once, and in order, whatever others come and go meanwhile.
#[test]
fn scans_and_puts_at_the_same_time() {
    let world = World::new();
    world.run(async |store| {
        let (table, model) = filled(&store, "/t", 2000).await;
        let putting = {
            let table = world.store().await.table("/t").await.unwrap();
            let runtime = world.runtime.clone();
            world.runtime.spawn(async move {
                for at in 0.. {
                    let key = format!("key{:05}x", runtime.random() % 100_000).into_bytes();
                    let done = match at % 3 {
                        0 => table.remove(&key).await.map(drop),
                        _ => table.put(&key, b"x").await.map(drop),
                    };
                    done.unwrap();
                }
            })
        };
        for range in [KeyRange::ALL, KeyRange::ALL.reversed()].repeat(4) {
            let (mut scan, mut found) = (table.scan(range), Vec::new());
            while let Some(entry) = scan.next().await.unwrap() {
                found.push(entry.key.to_vec());
            }
            if range.reverse {
                found.reverse();
            }
            assert!(found.is_sorted_by(|one, next| one < next));
            found.retain(|key| !key.ends_with(b"x"));
            assert!(
                found.iter().eq(model.keys()),
                "{} of {}",
                found.len(),
                model.len()
            );
        }
        drop(putting);
    });
}

#[test]
fn after_a_table_is_deleted_nobody_finds_a_key_of_it() {
    let world = World::new();
    world.run(async |store| {
        for path in ["/t", "/tree/below/t"] {
            let (_, model) = filled(&store, path, 8000).await;
            let table = world.store().await.table(path).await.unwrap();
            let mut scan = table.scan(KeyRange::ALL);
            scan.next().await.unwrap();
            let top = if path == "/t" { "/t" } else { "/tree" };
            store.delete(top, true).await.unwrap();
            if path == "/t" {
                for key in model.keys().take(50) {
                    let error = table.get(key).await.unwrap_err();
                    assert!(matches!(error, Error::NotFound { .. }), "{error}");
                    assert!(table.put(key, b"").await.is_err());
                }
            }
            let error = loop {
                match scan.next().await {
                    Ok(Some(_)) => {}
                    other => break other.map(drop),
                }
            };
            assert!(matches!(error, Err(Error::NotFound { .. })), "{error:?}");
            // Another one of the same name has nothing of it.
            let again = store.make_table(path, true).await.unwrap();
            assert_eq!(again.attributes().await.unwrap().size, 0);
        }
    });
}

#[test]
fn a_watch_of_a_table_tells_of_keys_at_all_partitions() {
    let world = World::new();
    world.run(async |store| {
        let table = store.make_table("/d/t", true).await.unwrap();
        let mut watch = store.watch("/d/t").await.unwrap();
        let mut keys: Vec<_> = (0..30).map(|at| format!("key{at:02}").into_bytes()).collect();
        for key in &keys {
            table.put(key, b"value").await.unwrap();
        }
        let mut told = Vec::new();
        for _ in &keys {
            let event = watch.next().await.unwrap();
            assert_eq!(event.happened, Happened::Put);
            told.push(event.name);
        }
        told.sort();
        keys.sort();
        assert_eq!(told, keys);
        table.remove(b"key00").await.unwrap();
        store.delete("/d/t", true).await.unwrap();
        let mut last = Vec::new();
        while let Some(event) = watch.next().await {
            last.push((event.happened, event.name));
        }
        assert_eq!(last.last(), Some(&(Happened::Deleted, Vec::new())));
        assert!(last.contains(&(Happened::Deleted, b"key00".to_vec())), "{last:?}");
    });
}

#[test]
fn large_values_are_scanned_and_checked_wherever_they_are() {
    let world = World::new();
    world.run(async |store| {
        let table = store.make_table("/t", false).await.unwrap();
        let value = |at: u8| vec![at; 20_000 + usize::from(at)];
        for at in 0..24 {
            table.put(&[b'k', at], &value(at)).await.unwrap();
            table.put(&[b's', at], &[at]).await.unwrap();
        }
        let mut scan = table.scan(KeyRange::ALL);
        for at in 0..24 {
            let entry = scan.next().await.unwrap().unwrap();
            assert_eq!((entry.key, entry.value), (&[b'k', at][..], &value(at)[..]));
        }
        let page = table
            .scan_page(KeyRange::prefix(b"k").reversed(), 5)
            .await
            .unwrap();
        assert!(page.iter().map(|entry| entry.key[1]).eq((19..24).rev()));
        let (mut checked, mut after) = (Vec::new(), Some(Vec::new()));
        while let Some(key) = after.take() {
            let (values, last) = table.check_page(&key).await.unwrap();
            checked.extend(values);
            after = last;
        }
        assert_eq!(checked.len(), 24);
        assert!(checked.iter().all(|(_, checked)| checked.damages.is_empty()));
        assert!(checked.iter().map(|(key, _)| key[1]).eq(0..24));
        store.delete("/t", true).await.unwrap();
        world.runtime.sleep(Duration::from_millis(50)).await;
        assert_eq!(store.usage().await.unwrap().used, 0);
    });
}

/// Many steps across partitions are under way, and none of them is taken for something broken.
#[test]
fn partitions_agree_while_much_goes_on_between_them() {
    World::new().run(async |store| {
        let paths = directories(&store).await;
        store.make_table("/table", false).await.unwrap();
        let is_done = std::rc::Rc::new(std::cell::Cell::new(false));
        let worker = {
            let (store, is_done, paths) = (store.clone(), is_done.clone(), paths.clone());
            store.clone().runtime().spawn(async move {
                for round in 0..40 {
                    let from = &paths[round % paths.len()];
                    let to = &paths[(round * 3 + 1) % paths.len()];
                    let (made, moved) = (format!("{from}/sub/x{round}"), format!("{to}/y{round}"));
                    store.make_dir(&format!("{made}/below"), true).await.unwrap();
                    store.rename(&made, &moved).await.unwrap();
                    let table = format!("/table{round}");
                    store.make_table(&table, false).await.unwrap();
                    store.delete(&table, true).await.unwrap();
                    store.delete(&moved, true).await.unwrap();
                }
                is_done.set(true);
            })
        };
        let mut looked = 0;
        while !is_done.get() {
            assert_eq!(store.broken_ties().await.unwrap(), []);
            looked += 1;
        }
        worker.await;
        assert!(looked > 3, "looked {looked} times only");
        assert_eq!(store.broken_ties().await.unwrap(), []);
    });
}
