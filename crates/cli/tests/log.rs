//! Namenodes with a log, as processes that are killed.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use crake_store::blocking::Store;
use crake_store::{Error, Node};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};
use support::{Process, Server, command, eventually, noise, stderr, text};
use tempfile::tempdir;

/// A namenode at this port (0 takes any), with its log here.
fn namenode(log: &Path, durability: &str, port: u16, more: &[&str]) -> Server {
    let listen = format!("127.0.0.1:{port}");
    let own = [
        "namenode",
        "--listen",
        &listen,
        "--log",
        text(log),
        "--durability",
        durability,
    ];
    Server::start(&[&own, more].concat())
}

fn port(namenode: &Server) -> u16 {
    namenode.url().rsplit(':').next().unwrap().parse().unwrap()
}

/// What a client was told that it is done.
enum Done {
    /// The value of a key; a greater one may have been on its way.
    Put(u64, u64),
    /// A file of so many bytes of noise.
    File(String, u64),
    Renamed(String, String),
    Deleted(String),
}

/// Changes all kinds of things, one after the other, until the namenode is gone.
fn change(url: &str, round: u64, client: u64, done: &Sender<Done>) -> Result<(), Error> {
    // It is not there any more: not to be waited for.
    let store = Store::connect(&format!("{url}?deadline=300ms&connect_deadline=300ms"))?;
    let table = store.table("/t")?;
    let (mut number, tell) = (0_u64, |what| done.send(what).unwrap());
    loop {
        number += 1;
        let key = client * 100 + number % 50;
        let value = (round << 32) | number;
        table.put(&key.to_le_bytes(), &value.to_le_bytes())?;
        tell(Done::Put(key, value));
        if number % 7 == 0 {
            let path = format!("/d/{round}-{client}-{number}");
            let mut writer = store.create(&path, Node::File)?.writer()?;
            writer.write_all(&noise(9_000, number)).map_err(of_io)?;
            writer.close()?;
            tell(Done::File(path.clone(), number));
            if number % 21 == 0 {
                let to = format!("{path}-moved");
                store.rename(&path, &to)?;
                tell(Done::Renamed(path, to));
            } else if number % 35 == 0 {
                store.delete(&path, false)?;
                tell(Done::Deleted(path));
            }
        }
    }
}

fn of_io(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => panic!("{error}"),
    }
}

/// All that was acknowledged is there; what was on its way may be.
fn assert_there(store: &Store, done: &Receiver<Done>) -> usize {
    let done = done.try_iter().collect::<Vec<_>>();
    let mut values = std::collections::BTreeMap::new();
    let mut files = std::collections::BTreeMap::new();
    for what in &done {
        match what {
            Done::Put(key, value) => drop(values.insert(*key, *value)),
            Done::File(path, seed) => drop(files.insert(path.clone(), *seed)),
            Done::Renamed(from, to) => {
                let seed = files.remove(from).unwrap();
                files.insert(to.clone(), seed);
            }
            Done::Deleted(path) => drop(files.remove(path)),
        }
    }
    let table = store.table("/t").unwrap();
    for (key, value) in values {
        let there = table.get(&key.to_le_bytes()).unwrap().expect("the key is there");
        let there = u64::from_le_bytes(there[..].try_into().unwrap());
        assert!(
            there >= value,
            "key {key} has {there:#x}, and {value:#x} was acknowledged"
        );
    }
    for (path, seed) in files {
        let found = [path.clone(), format!("{path}-moved")]
            .into_iter()
            .find(|path| store.exists(path).unwrap());
        // A client that was going to move or delete it may have done so without hearing of it.
        let Some(found) = found else {
            assert_eq!(seed % 35, 0, "{path} is gone");
            continue;
        };
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut store.open(&found).unwrap().reader().unwrap(), &mut bytes).unwrap();
        assert!(bytes == noise(9_000, seed), "{found} has other bytes");
    }
    done.len()
}

fn killed_under_load(durability: &str) {
    let folder = tempdir().unwrap();
    let log = folder.path().join("log");
    let first = namenode(&log, durability, 0, &["--set", "namenode.log_segment=4MiB"]);
    let port = port(&first);
    let url = first.url().to_owned();
    let _datanode = first.datanode(&["--dram", "160MiB"]);
    let store = Store::connect(&url).unwrap();
    store.make_table("/t", false).unwrap();
    store.make_dir("/d", false).unwrap();
    // Open all the time: its lease and its blocks outlive each namenode.
    let mut writer = store.create("/long", Node::File).unwrap().writer().unwrap();
    let (mut long, mut namenode_now, mut acknowledged) = (Vec::new(), first, 0);
    for round in 1..=4_u64 {
        let (tell, done) = channel();
        let clients = (0..2).map(|client| {
            let (url, tell) = (url.clone(), tell.clone());
            thread::spawn(move || change(&url, round, client, &tell).unwrap_err())
        });
        let clients = clients.collect::<Vec<_>>();
        thread::sleep(Duration::from_millis(150 + 90 * round));
        namenode_now.kill();
        for client in clients {
            let error = client.join().unwrap();
            assert!(
                error.may_have_run() || matches!(error, Error::Unavailable { .. }),
                "{error}"
            );
        }
        namenode_now = namenode(&log, durability, port, &["--set", "namenode.log_segment=4MiB"]);
        let found = &namenode_now.row["log"];
        assert_eq!(found["may_miss_some"], false, "{found}");
        acknowledged += assert_there(&store, &done);
        let more = noise(30_000, round);
        writer.write_all(&more).unwrap();
        writer.flush().unwrap();
        writer.publish().unwrap();
        long.extend_from_slice(&more);
    }
    writer.close().unwrap();
    assert!(acknowledged > 200, "only {acknowledged} changes");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut store.open("/long").unwrap().reader().unwrap(), &mut bytes).unwrap();
    assert!(
        bytes == long,
        "the file that was written over all restarts has other bytes"
    );
    let usage = store.usage().unwrap();
    assert_eq!(usage.datanodes.len(), 1);
}

#[test]
fn what_was_acknowledged_is_there_after_the_namenode_was_killed() {
    killed_under_load("async");
}

#[test]
fn and_also_if_answers_wait_for_the_device() {
    killed_under_load("sync");
}

#[test]
fn a_namenode_goes_on_after_it_was_ended_and_says_what_it_found() {
    let folder = tempdir().unwrap();
    let log = folder.path().join("log");
    let mut first = namenode(&log, "async", 0, &[]);
    assert_eq!(first.row["log"]["nodes"], 1);
    first.ok(&["fs", "mkdir", "-p", "/a/b"]);
    first.process.signal(Signal::TERM);
    assert_eq!(first.process.wait().code(), Some(0));
    let second = namenode(&log, "sync", 0, &[]);
    assert_eq!(second.row["log"]["nodes"], 3);
    assert_eq!(second.row["log"]["cut_bytes"], 0);
    assert!(second.ok(&["fs", "ls", "/a"]).contains('b'));
}

#[test]
fn a_log_has_one_namenode() {
    let folder = tempdir().unwrap();
    let _first = namenode(folder.path(), "async", 0, &[]);
    let second = command(&[
        "namenode",
        "--listen",
        "127.0.0.1:0",
        "--log",
        text(folder.path()),
    ]);
    let output = { second }.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let says = stderr(&output);
    assert!(
        says.contains("somebody else uses the directory") && says.contains("--log DIR"),
        "{says}"
    );
}

#[test]
fn damage_is_told_with_its_place_and_nothing_is_changed() {
    let folder = tempdir().unwrap();
    let first = namenode(folder.path(), "async", 0, &[]);
    (0..5).for_each(|number| drop(first.ok(&["fs", "mkdir", &format!("/{number}")])));
    first.kill();
    let file = folder.path().join("log-00000000000000000001");
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(&file, &bytes).unwrap();
    let output = command(&[
        "namenode",
        "--listen",
        "127.0.0.1:0",
        "--log",
        text(folder.path()),
    ])
    .output()
    .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let says = stderr(&output);
    assert!(
        says.contains("log-00000000000000000001 is damaged at byte"),
        "{says}"
    );
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[test]
fn durability_needs_a_log() {
    let output = command(&["namenode", "--listen", "127.0.0.1:0", "--durability", "sync"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--log DIR"));
    let mut none = Server::start(&["namenode", "--listen", "127.0.0.1:0", "--durability", "none"]);
    assert!(none.row.get("log").is_none());
    none.process.signal(Signal::TERM);
    assert_eq!(none.process.wait().code(), Some(0));
}

fn limit_files(process: &mut Process, bytes: Option<u64>) {
    let limit = Rlimit {
        current: bytes,
        maximum: None,
    };
    let pid = Pid::from_child(process.child());
    prlimit(Some(pid), Resource::Fsize, limit).unwrap();
}

/// A limit on the size of files is what a full disk is, and needs no disk of its own.
#[test]
fn with_a_full_disk_everything_is_read_and_nothing_changed_until_there_is_room() {
    let folder = tempdir().unwrap();
    let mut namenode_now = namenode(folder.path(), "async", 0, &["--set", "namenode.log_segment=4MiB"]);
    let url = namenode_now.url().to_owned();
    let store = Store::connect(&url).unwrap();
    // So long that to delete it takes a longer record than to make a small directory.
    let path = format!("/{}", "t".repeat(200));
    let table = store.make_table(&path, false).unwrap();
    limit_files(&mut namenode_now.process, Some((4 << 20) - 4096));
    let put = |number: u64| table.put(&number.to_le_bytes(), &[7; 1024]);
    let refused = (0..10_000).find_map(|number| put(number).err().map(|error| (number, error)));
    let (count, error) = refused.expect("a segment is full at some time");
    assert!(matches!(error, Error::LogFull { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("the disk with the namenode's log is full"),
        "{error}"
    );
    // What is smaller fits for a while.
    let refused = (0..100).find_map(|number| store.make_dir(&format!("/small-{number}"), false).err());
    assert!(matches!(refused, Some(Error::LogFull { .. })), "{refused:?}");
    assert!(matches!(store.delete(&path, true), Err(Error::LogFull { .. })));
    for number in (0..count).step_by(97) {
        assert!(table.get(&number.to_le_bytes()).unwrap().is_some());
    }
    limit_files(&mut namenode_now.process, None);
    eventually("there is room again", || put(count).is_ok());
    store.make_dir("/d", false).unwrap();
    let port = port(&namenode_now);
    namenode_now.kill();
    let _again = namenode(folder.path(), "async", port, &[]);
    assert!(table.get(&count.to_le_bytes()).unwrap().is_some() && store.exists("/d").unwrap());
}

/// More than a few segments: a snapshot takes the place of those that are full while everything goes on.
#[test]
fn a_log_does_not_grow_for_ever() {
    let folder = tempdir().unwrap();
    let first = namenode(folder.path(), "async", 0, &["--set", "namenode.log_segment=4MiB"]);
    let port = port(&first);
    let store = Store::connect(first.url()).unwrap();
    let table = store.make_table("/t", false).unwrap();
    let is_over = AtomicBool::new(false);
    let mut number = 0_u64;
    let names = || {
        let names = fs::read_dir(folder.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name != "lock").collect::<Vec<_>>()
    };
    eventually("the first segment is gone", || {
        for _ in 0..500 {
            table
                .put(&(number % 300).to_le_bytes(), &number.to_le_bytes().repeat(128))
                .unwrap();
            number += 1;
        }
        !names().iter().any(|name| name == "log-00000000000000000001")
    });
    is_over.store(true, Ordering::Relaxed);
    first.kill();
    let again = namenode(folder.path(), "async", port, &[]);
    assert!(
        again.row["log"]["replayed"].as_u64().unwrap() < number,
        "{}",
        again.row
    );
    for key in 0..300_u64 {
        let there = table.get(&key.to_le_bytes()).unwrap().unwrap();
        assert_eq!(u64::from_le_bytes(there[..8].try_into().unwrap()) % 300, key);
    }
    eventually("all that is older is gone", || {
        names().iter().filter(|name| name.starts_with("snap")).count() == 1
    });
}
