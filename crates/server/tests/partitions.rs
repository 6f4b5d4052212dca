//! Several partitions over connections: one namespace, also when some of them are away.

#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use common::{pattern, read_file, write_file};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_rpc::{CallError, CallOptions, Client, ClientConfig, ClientId, Status};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::{Datanode, DatanodeConfig, Memory, Namenode, NamenodeConfig};
use crake_store::protocol::namenode::{
    Errand, ErrandKind, ErrandsRequest, RenameRequest, namenode as method,
};
use crake_store::protocol::{Code, role};
use crake_store::{ConnectOptions, CreateOptions, Error, Node, Store};
use tempfile::TempDir;

/// Partitions and a datanode, each of which may be stopped and started again.
struct Several {
    runtime: Runtime,
    addresses: Vec<Vec<Address>>,
    namenodes: Vec<Option<Namenode>>,
    datanode: Datanode,
    logs: Option<TempDir>,
}

impl Several {
    fn new(count: usize) -> Several {
        Several::start(count, None)
    }

    fn with_logs(count: usize) -> Several {
        Several::start(count, Some(TempDir::new().unwrap()))
    }

    fn start(count: usize, logs: Option<TempDir>) -> Several {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let name = format!("several-{:016x}", runtime.random());
        let addresses: Vec<Vec<Address>> = (0..count)
            .map(|partition| vec![Address::Local(format!("{name}-{partition}"))])
            .collect();
        let namenodes = (0..count)
            .map(|partition| {
                let config = namenode_config(&addresses, partition, logs.as_ref());
                Some(Namenode::start(&runtime, config).unwrap())
            })
            .collect();
        let datanode = DatanodeConfig {
            namenode: addresses[0].clone(),
            listen: vec![Address::Local(format!("{name}-datanode"))],
            name: "datanode".into(),
            memory: Memory::OnDemand,
            dram_bytes: 64 << 20,
            ..DatanodeConfig::default()
        };
        let datanode = Datanode::start(&runtime, datanode).unwrap();
        runtime.block_on(datanode.registered());
        Several {
            runtime,
            addresses,
            namenodes,
            datanode,
            logs,
        }
    }

    fn stop(&mut self, partition: usize) {
        self.namenodes[partition] = None;
        self.pause(2);
    }

    fn start_again(&mut self, partition: usize) {
        let config = namenode_config(&self.addresses, partition, self.logs.as_ref());
        self.namenodes[partition] = Some(Namenode::start(&self.runtime, config).unwrap());
    }

    fn pause(&self, ms: u64) {
        self.runtime
            .block_on(self.runtime.sleep(Duration::from_millis(ms)));
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + Duration::from_secs(60);
        let done = self.runtime.block_on(self.runtime.timeout(deadline, future));
        done.expect("it ends in time")
    }

    fn store(&self) -> Store {
        self.store_with(Duration::from_secs(20))
    }

    fn store_with(&self, deadline: Duration) -> Store {
        let mut options = ConnectOptions::to(&self.addresses[0][0]);
        options.deadline = deadline;
        self.run(Store::connect_with(&self.runtime, options)).unwrap()
    }

    /// A connection to a partition, in some role.
    fn client(&self, partition: usize, role: u8) -> Client {
        let config = ClientConfig {
            client: ClientId(7),
            role,
            ..ClientConfig::default()
        };
        let address = &self.addresses[partition][0];
        self.run(Client::connect(&self.runtime, address, config)).unwrap()
    }

    /// Looks for contradictions in all partitions.
    fn check(&self) {
        for namenode in self.namenodes.iter().flatten() {
            namenode.check().unwrap();
        }
        assert!(
            self.datanode.status().registration
                != crake_server::Registration::Searching { error: String::new() }
        );
    }
}

fn namenode_config(addresses: &[Vec<Address>], partition: usize, logs: Option<&TempDir>) -> NamenodeConfig {
    NamenodeConfig {
        listen: addresses[partition].clone(),
        partition: partition as u16,
        partitions: addresses.to_vec(),
        log: logs
            .map(|folder| LogConfig::new(folder.path(), Durability::Async).of_partition(partition as u16)),
        ..NamenodeConfig::default()
    }
}

async fn names(store: &Store, path: &str) -> Vec<String> {
    let mut listing = store.list(path);
    let mut names = Vec::new();
    while let Some(entry) = listing.next().await.unwrap() {
        names.push(entry.name.to_string());
    }
    names
}

/// A directory of the root that another partition has.
async fn branch(store: &Store, but: u16) -> (String, u16) {
    for number in 0.. {
        let path = format!("/branch{number}");
        let made = store.make_dir(&path, false).await.unwrap();
        if made.partition != but {
            return (path, made.partition);
        }
    }
    unreachable!("half of all names are elsewhere")
}

#[test]
fn several_partitions_are_one_namespace() {
    let cluster = Several::new(3);
    let (one, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        let mut homes = std::collections::BTreeSet::new();
        for at in 0..30 {
            let made = one.make_dir(&format!("/d{at:02}/e/f"), true).await.unwrap();
            homes.insert(made.partition);
        }
        assert_eq!(homes.len(), 3, "every partition has its share");
        let expected: Vec<_> = (0..30).map(|at| format!("d{at:02}")).collect();
        assert_eq!(names(&other, "/").await, expected);
        for at in 0..30 {
            let path = format!("/d{at:02}/e/f/file");
            write_file(&one, &path, &pattern(100_000, at)).await.unwrap();
            assert_eq!(read_file(&other, &path).await.unwrap(), pattern(100_000, at));
            let table = one.make_table(&format!("/d{at:02}/t"), false).await.unwrap();
            table.put(b"key", b"value").await.unwrap();
            let table = other.table(&format!("/d{at:02}/t")).await.unwrap();
            assert_eq!(&table.get(b"key").await.unwrap().unwrap()[..], b"value");
        }
        // Root, 30 times: three directories, a file, a table and a key.
        assert_eq!(one.usage().await.unwrap().nodes, 1 + 30 * 6);
        let again = other.make_dir("/d03", false).await.unwrap_err();
        assert_eq!(again, Error::AlreadyExists { path: "/d03".into() });
        assert_eq!(
            other.delete("/d03", false).await.unwrap_err(),
            Error::NotEmpty { path: "/d03".into() }
        );
        for at in 0..30 {
            other.delete(&format!("/d{at:02}"), true).await.unwrap();
            assert!(!one.exists(&format!("/d{at:02}/e/f/file")).await.unwrap());
        }
        assert!(names(&one, "/").await.is_empty());
    });
    cluster.pause(50);
    cluster.check();
    cluster.run(async {
        let usage = one.usage().await.unwrap();
        assert_eq!((usage.nodes, usage.used), (1, 0), "nothing is left anywhere");
    });
}

#[test]
fn of_two_who_make_the_same_directory_one_does() {
    let cluster = Several::new(4);
    let (one, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        for at in 0..50 {
            let path = format!("/d{at}");
            let (first, second) = (
                one.create(&path, Node::Directory),
                other.create(&path, Node::Directory),
            );
            let made = [first.await.is_ok(), second.await.is_ok()];
            assert!(made[0] != made[1], "{path}: {made:?}");
            assert_eq!(
                one.lookup(&path).await.unwrap(),
                other.lookup(&path).await.unwrap()
            );
        }
        assert_eq!(names(&one, "/").await.len(), 50);
    });
    cluster.pause(50);
    cluster.check();
    assert_eq!(cluster.run(one.usage()).unwrap().nodes, 51);
}

#[test]
fn nobody_finds_anything_under_the_old_name_after_a_rename() {
    let cluster = Several::new(3);
    let (mover, reader) = (cluster.store(), cluster.store());
    cluster.run(async {
        let (path, _) = branch(&mover, 0).await;
        write_file(&mover, &format!("{path}/file"), b"content")
            .await
            .unwrap();
        let (mut old, mut new) = (path, "/renamed0".to_owned());
        for round in 1..6 {
            // It knows the way now, and could take it without asking.
            assert_eq!(
                read_file(&reader, &format!("{old}/file")).await.unwrap(),
                b"content"
            );
            mover.rename(&old, &new).await.unwrap();
            let found = reader.lookup(&format!("{old}/file")).await;
            assert_eq!(
                found.unwrap_err(),
                Error::NotFound {
                    path: format!("{old}/file").into()
                }
            );
            assert_eq!(
                read_file(&reader, &format!("{new}/file")).await.unwrap(),
                b"content"
            );
            (old, new) = (new, format!("/renamed{round}"));
        }
    });
    cluster.check();
}

/// The branches below it are told after the answer: nobody is led to them any more by then.
#[test]
fn nobody_finds_anything_below_a_directory_that_was_removed() {
    let cluster = Several::new(3);
    let (store, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        let spread = CreateOptions {
            spread: true,
            ..CreateOptions::from(Node::Directory).parents()
        };
        for number in 0..8 {
            let top = format!("/tree/{number}");
            let below = format!("{top}/below/deep");
            store.create(&below, spread).await.unwrap();
            assert!(other.exists(&below).await.unwrap());
            store.delete(&top, true).await.unwrap();
            assert!(!other.exists(&below).await.unwrap(), "{below}");
        }
    });
    cluster.check();
}

/// Directories of the root, one at each partition.
async fn directories(store: &Store, count: u16) -> Vec<String> {
    let mut found = vec![None; usize::from(count)];
    for number in 0.. {
        let path = format!("/at{number}");
        let made = store.make_dir(&path, false).await.unwrap();
        found[usize::from(made.partition)].get_or_insert(path);
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.into_iter().flatten().collect()
}

/// Each of some files and directories goes from partition to partition and back, and is what it was.
#[test]
fn what_gets_a_name_at_another_partition_stays_what_it_is() {
    let cluster = Several::new(3);
    let (one, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        let at = directories(&one, 3).await;
        let nodes = one.usage().await.unwrap().nodes;
        write_file(&one, &format!("{}/file", at[0]), &pattern(300_000, 1))
            .await
            .unwrap();
        let below = format!("{}/sub/deep/below", at[0]);
        one.make_dir(&format!("{}/sub/deep", at[0]), true).await.unwrap();
        write_file(&one, &below, &pattern(2000, 2)).await.unwrap();
        let mut before = at[0].clone();
        for next in [&at[1], &at[2], &at[1], &at[0]] {
            let file = one.lookup(&format!("{before}/file")).await.unwrap();
            for name in ["file", "sub"] {
                let (from, to) = (format!("{before}/{name}"), format!("{next}/{name}"));
                let moved = one.rename(&from, &to).await.unwrap();
                let found = other.lookup(&to).await.unwrap();
                assert_eq!(
                    (moved.id, moved.partition, moved.size),
                    (found.id, found.partition, found.size)
                );
                assert!(!other.exists(&from).await.unwrap(), "{from}");
                assert!(!names(&other, &before).await.contains(&name.to_owned()));
            }
            let found = other.lookup(&format!("{next}/file")).await.unwrap();
            assert_eq!((found.id, found.partition), (file.id, file.partition));
            assert_eq!(names(&other, next).await, ["file", "sub"]);
            assert_eq!(
                read_file(&other, &format!("{next}/file")).await.unwrap(),
                pattern(300_000, 1)
            );
            let below = format!("{next}/sub/deep/below");
            assert_eq!(read_file(&other, &below).await.unwrap(), pattern(2000, 2));
            before.clone_from(next);
        }
        assert_eq!(one.usage().await.unwrap().nodes, nodes + 4);
        for path in &at {
            one.delete(path, true).await.unwrap();
        }
    });
    cluster.pause(50);
    cluster.check();
    cluster.run(async { assert_eq!(one.usage().await.unwrap().used, 0, "nothing is left anywhere") });
}

/// The partition of the new name is away while a file gets it: who looks at the old one waits, and it is done when that is back, whoever is started
/// again meanwhile.
#[test]
fn a_rename_is_done_when_the_other_partition_comes_back() {
    let mut cluster = Several::with_logs(3);
    let (hasty, patient) = (cluster.store_with(Duration::from_millis(300)), cluster.store());
    let at = cluster.run(directories(&hasty, 3));
    let (from, to) = (format!("{}/file", at[1]), format!("{}/file", at[2]));
    let made = cluster.run(async {
        let file = hasty.create(&from, Node::File).await.unwrap();
        let made = file.close().await.unwrap();
        (made.partition, made.id)
    });
    let [from_base, to_base] = [1, 2].map(|partition: usize| {
        let found = cluster.run(hasty.lookup(&at[partition])).unwrap();
        assert_eq!(usize::from(found.partition), partition);
        found.id
    });
    cluster.stop(2);
    let request = RenameRequest {
        from_base,
        from: "file",
        to_base,
        to: "file",
        no_replace: false,
        to_partition: 3,
    };
    let client = cluster.client(1, role::CLIENT);
    let renaming = client.call(method::RENAME, &request, CallOptions::new());
    let renaming = cluster.runtime.spawn(renaming);
    cluster.pause(50);
    cluster.run(async {
        let held = hasty.lookup(&from).await.unwrap_err();
        assert!(matches!(held, Error::Busy { .. }), "{held:?}");
        let text = held.to_string();
        assert!(
            text.starts_with(&format!("{from}: the namenode is busy")),
            "{text}"
        );
    });
    // Whoever has asked for it hears nothing more.
    cluster.stop(1);
    assert!(cluster.run(renaming).is_err());
    cluster.start_again(1);
    cluster.pause(50);
    cluster.start_again(2);
    cluster.run(async {
        let deadline = cluster.runtime.now_exact() + Duration::from_secs(10);
        while !patient.exists(&to).await.unwrap() {
            assert!(cluster.runtime.now_exact() < deadline, "it is not done");
            cluster.runtime.sleep(Duration::from_millis(5)).await;
        }
        assert!(!patient.exists(&from).await.unwrap());
        let moved = patient.lookup(&to).await.unwrap();
        assert_eq!((moved.partition, moved.id), made);
    });
    cluster.check();
}

#[test]
fn a_partition_that_is_away_is_named_and_the_others_go_on() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store_with(Duration::from_millis(400));
    let (path, home) = cluster.run(branch(&store, 0));
    cluster.run(async { store.make_dir(&format!("{path}/x/below"), true).await.unwrap() });
    cluster.stop(usize::from(home));
    cluster.run(async {
        let missing = store.lookup(&path).await.unwrap_err();
        assert!(
            missing.to_string().contains(&format!("partition {home}")),
            "{missing}"
        );
        store.create("/file-at-the-root", Node::File).await.unwrap();
    });
    cluster.start_again(usize::from(home));
    cluster.run(async {
        assert!(store.exists(&path).await.unwrap(), "it goes on where it was");
    });
    cluster.check();
}

/// Who knew it at its old address, and has no connection to anybody, asks whom it can reach.
#[test]
fn a_partition_that_is_at_another_address_is_found_by_way_of_the_others() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store_with(Duration::from_secs(5));
    let (path, _) = cluster.run(branch(&store, 0));
    (0..3).for_each(|partition| cluster.stop(partition));
    let moved = format!("{}-moved", cluster.addresses[0][0]);
    cluster.addresses[0] = vec![moved.parse().unwrap()];
    (0..3).for_each(|partition| cluster.start_again(partition));
    cluster.run(async {
        let names = names(&store, "/").await;
        assert!(names.iter().any(|name| path.ends_with(name)), "{names:?}");
        store.create("/file-at-the-root", Node::File).await.unwrap();
    });
}

/// The directory's partition goes away while its entries are made and removed; what was answered holds, and all is done when it is back.
#[test]
fn errands_are_done_when_a_partition_comes_back() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store_with(Duration::from_millis(300));
    let mut branches = Vec::new();
    cluster.run(async {
        for at in 0..20 {
            branches.push((
                format!("/d{at}"),
                store.make_dir(&format!("/d{at}"), false).await.unwrap(),
            ));
        }
    });
    branches.retain(|(_, made)| made.partition != 0);
    // The way there is remembered for a little while.
    cluster.run(async {
        for (path, _) in &branches {
            store.lookup(path).await.unwrap();
        }
    });
    cluster.stop(0);
    cluster.run(async {
        for (path, _) in &branches {
            // It is gone at its home, and the answer waits for the one who has the name.
            let deleted = store.delete(path, true).await.unwrap_err();
            assert!(
                matches!(deleted, Error::TimedOut { .. } | Error::Unavailable { .. }),
                "{deleted:?}"
            );
        }
    });
    cluster.start_again(0);
    cluster.pause(1200);
    let store = cluster.store();
    cluster.run(async {
        let left = names(&store, "/").await;
        for (path, _) in &branches {
            let is_listed = left.contains(&path[1..].to_owned());
            assert_eq!(store.exists(path).await.unwrap(), is_listed, "{path}");
            if !is_listed {
                store.make_dir(path, false).await.unwrap();
            }
        }
    });
    cluster.check();
}

#[test]
fn what_hangs_on_a_partition_that_is_lost_is_gone() {
    let mut cluster = Several::new(3);
    let store = cluster.store();
    let (path, home) = cluster.run(branch(&store, 0));
    cluster.stop(usize::from(home));
    cluster.start_again(usize::from(home));
    cluster.pause(1200);
    cluster.run(async {
        assert!(!store.exists(&path).await.unwrap(), "its partition began anew");
        assert!(!names(&store, "/").await.contains(&path[1..].to_owned()));
        store.make_dir(&path, false).await.unwrap();
        assert!(store.exists(&path).await.unwrap());
    });
    cluster.check();
}

#[test]
fn only_partitions_do_errands_and_only_sound_ones() {
    let cluster = Several::new(2);
    let connect = |role| cluster.client(0, role);
    let errand = Errand {
        errand: ErrandKind::Link,
        name: b"x",
        branch: 1,
        ..Errand::default()
    };
    let request = |partition, errands| ErrandsRequest {
        partition,
        incarnation: 0,
        known: 0,
        first: 1,
        errands,
        done: 0,
    };
    let status = |role, request: ErrandsRequest<'_>| {
        let client = connect(role);
        let outcome = cluster.run(client.call(method::ERRANDS, &request, CallOptions::new()));
        match outcome {
            Ok(_) => Status::OK,
            Err(CallError::Failed { status, .. }) => status,
            Err(other) => panic!("{other:?}"),
        }
    };
    let errands = [errand];
    assert_eq!(status(role::CLIENT, request(1, &errands)), Status::UNAUTHORIZED);
    assert_eq!(status(role::DATANODE, request(1, &errands)), Status::UNAUTHORIZED);
    for partition in [0, 2, 70_000] {
        let refused = status(role::NAMENODE, request(partition, &errands));
        assert_eq!(refused.0, Code::NotFound.number(), "partition {partition}");
    }
    // Of another life than this one, nothing is done.
    assert_eq!(status(role::NAMENODE, request(1, &errands)), Status::OK);
    let store = cluster.store();
    assert!(cluster.run(names(&store, "/")).is_empty());
    cluster.check();
}

/// Keys of a table that are there, of so many.
async fn keys_there(store: &Store, path: &str, count: u32) -> Result<usize, Error> {
    let table = store.table(path).await?;
    let mut there = 0;
    for at in 0..count {
        there += usize::from(table.get(&at.to_le_bytes()).await?.is_some());
    }
    assert_eq!(table.attributes().await?.size, there as u64);
    Ok(there)
}

async fn fill(store: &Store, path: &str, count: u32) {
    let table = store.make_table(path, false).await.unwrap();
    for at in 0..count {
        table.put(&at.to_le_bytes(), b"value").await.unwrap();
    }
}

#[test]
fn the_keys_of_a_table_are_there_again_with_the_logs() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store();
    cluster.run(fill(&store, "/t", 100));
    for partition in 0..3 {
        cluster.stop(partition);
        cluster.start_again(partition);
        let there = cluster.run(keys_there(&store, "/t", 100));
        assert_eq!(there, Ok(100), "partition {partition} came back");
    }
    cluster.run(async { store.delete("/t", true).await.unwrap() });
    cluster.pause(50);
    assert_eq!(cluster.run(store.usage()).unwrap().nodes, 1);
    cluster.check();
}

#[test]
fn a_table_is_gone_as_a_whole_when_a_partition_has_lost_its_keys() {
    for lost in 1..3 {
        let mut cluster = Several::new(3);
        let store = cluster.store();
        cluster.run(fill(&store, "/t", 60));
        let held = cluster.run(store.table("/t")).unwrap();
        cluster.stop(lost);
        cluster.start_again(lost);
        cluster.pause(1200);
        cluster.run(async {
            assert!(!store.exists("/t").await.unwrap(), "without partition {lost}");
            for at in 0..60_u32 {
                let error = held.get(&at.to_le_bytes()).await.unwrap_err();
                assert!(matches!(error, Error::NotFound { .. }), "{error}");
            }
            fill(&store, "/t", 60).await;
            assert_eq!(keys_there(&store, "/t", 60).await, Ok(60));
        });
        cluster.check();
    }
}

#[test]
fn a_table_that_cannot_be_made_everywhere_is_made_nowhere() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store_with(Duration::from_millis(700));
    // Its home and its directory are there, and one more partition is not.
    let (path, home) = cluster.run(branch(&store, 0));
    cluster.run(async { store.delete(&path, true).await.unwrap() });
    let away = 3 - usize::from(home);
    cluster.stop(away);
    cluster.run(async {
        let error = store.make_table(&path, false).await.err().unwrap();
        let is_expected = matches!(
            error,
            Error::TimedOut { .. } | Error::Unavailable { .. } | Error::Busy { .. }
        );
        assert!(is_expected, "{error:?}");
    });
    cluster.pause(2500);
    assert!(!cluster.run(store.exists(&path)).unwrap());
    let patient = cluster.store_with(Duration::from_secs(3));
    let refused = cluster.run(patient.make_table(&path, false)).err().unwrap();
    let is_expected = matches!(refused, Error::TimedOut { .. } | Error::Busy { .. });
    assert!(is_expected, "{refused:?}");
    // The last attempt ends by itself: who was not answered may have been heard.
    cluster.pause(2200);
    cluster.start_again(away);
    cluster.pause(1200);
    assert!(!cluster.run(store.exists(&path)).unwrap());
    assert_eq!(
        cluster.run(store.usage()).unwrap().nodes,
        1,
        "nothing is left behind"
    );
    cluster.run(fill(&store, &path, 60));
    assert_eq!(cluster.run(keys_there(&store, &path, 60)), Ok(60));
    cluster.check();
}

#[test]
fn a_table_is_removed_also_if_a_partition_is_away() {
    let mut cluster = Several::with_logs(3);
    let store = cluster.store_with(Duration::from_millis(400));
    cluster.run(fill(&store, "/t", 60));
    let home = cluster.run(store.lookup("/t")).unwrap().partition;
    let away = if home == 2 { 1 } else { 2 };
    cluster.stop(away);
    cluster.run(async {
        let error = store.delete("/t", true).await.unwrap_err();
        assert!(matches!(error, Error::TimedOut { .. }), "{error:?}");
        assert!(!store.exists("/t").await.unwrap());
    });
    cluster.start_again(away);
    cluster.pause(1200);
    assert_eq!(cluster.run(store.usage()).unwrap().nodes, 1);
    cluster.check();
}
