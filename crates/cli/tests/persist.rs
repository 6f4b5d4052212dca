//! Datanodes that keep their blocks, as processes that are killed.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use crake_store::blocking::Store;
use crake_store::{Error, Node};
use support::{Server, command, folder_in_memory, noise, stderr, text};
use tempfile::tempdir;

fn namenode(more: &[&str]) -> Server {
    let own = ["namenode", "--listen", "127.0.0.1:0"];
    Server::start(&[&own, more].concat())
}

fn arguments<'a>(namenode: &'a str, directory: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let own = [
        "datanode",
        "--namenode",
        namenode,
        "--listen",
        "127.0.0.1:0",
        "--persist",
        text(directory),
    ];
    match more.contains(&"--dram") {
        true => [&own[..], more].concat(),
        false => [&own[..], &["--dram", "64MiB"], more].concat(),
    }
}

fn datanode(namenode: &Server, directory: &Path, more: &[&str]) -> Server {
    Server::start(&arguments(namenode.url(), directory, more))
}

/// What a datanode says that does not start.
fn refused(namenode: &Server, directory: &Path, more: &[&str]) -> String {
    let output = command(&arguments(namenode.url(), directory, more))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    stderr(&output)
}

fn put(store: &Store, path: &str, bytes: &[u8]) -> Result<(), Error> {
    let mut writer = store.create(path, Node::File)?.writer()?;
    let wrote = writer.write_all(bytes).and_then(|()| writer.flush());
    wrote.map_err(|error| error.downcast::<Error>().unwrap())?;
    writer.close().map(drop)
}

fn get(store: &Store, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut reader = store.open(path).unwrap().reader().unwrap();
    reader.read_to_end(&mut bytes).unwrap();
    bytes
}

/// So many files of a client stand at a time; a multiple of 3.
const FILES_MAX: u64 = 15;

/// Makes files of all sizes until the datanode is gone, and tells of each that was closed.
fn write_files(url: &str, client: u64, done: &Sender<(String, usize, u64)>) -> Error {
    // Long enough for the datanode to be away a while, but not for ever.
    let store = Store::connect(&format!("{url}&deadline=500ms")).unwrap();
    for number in 0.. {
        let len = [3, 4096, 9_000, 70_000, 400_000, 2_000_000][number as usize % 6];
        let (path, seed) = (format!("/{client}-{number}"), client * 1000 + number);
        match put(&store, &path, &noise(len, seed)) {
            Ok(()) => done.send((path, len, seed)).unwrap(),
            Err(error) => return error,
        }
        if number % 3 == 2 {
            // What is written over what was there before.
            store.delete(&format!("/{client}-{}", number - 2), false).unwrap();
        }
        // However fast it goes, the tier does not become full. A third of them are gone already.
        if number >= FILES_MAX && number % 3 > 0 {
            let oldest = number - FILES_MAX;
            store.delete(&format!("/{client}-{oldest}"), false).unwrap();
        }
    }
    unreachable!("it goes on until it fails")
}

fn killed_under_load(transport: &str) {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let url = format!("{}?transport={transport}", namenode.url());
    let store = Store::connect(&url).unwrap();
    let mut now = datanode(&namenode, folder.path(), &[]);
    let mut long = Vec::new();
    let mut writer = store.create("/long", Node::File).unwrap().writer().unwrap();
    let mut checked = 0;
    for round in 0..4_u64 {
        let (tell, done) = channel();
        let clients = (0..2).map(|client| {
            let (url, tell) = (url.clone(), tell.clone());
            thread::spawn(move || write_files(&url, 10 * round + client, &tell))
        });
        let clients = clients.collect::<Vec<_>>();
        thread::sleep(Duration::from_millis(100 + 60 * round));
        now.kill();
        for client in clients {
            let error = client.join().unwrap();
            let is_away = matches!(
                error,
                Error::Unavailable { .. }
                    | Error::TimedOut { .. }
                    | Error::BlockLost { .. }
                    | Error::NoSpace { .. }
            );
            assert!(is_away, "{error}");
        }
        now = datanode(&namenode, folder.path(), &[]);
        assert!(now.row["kept"]["blocks"].as_u64().unwrap() > 0, "{}", now.row);
        for (path, len, seed) in done.try_iter() {
            if store.exists(&path).unwrap() {
                assert!(get(&store, &path) == noise(len, seed), "{path} has other bytes");
                checked += 1;
            }
        }
        let more = noise(30_000, round);
        writer.write_all(&more).unwrap();
        writer.flush().unwrap();
        writer.publish().unwrap();
        long.extend_from_slice(&more);
        assert!(get(&store, "/long") == long, "round {round}");
        let names = store
            .list("/")
            .map(|entry| entry.unwrap().name)
            .collect::<Vec<_>>();
        for name in names.iter().filter(|name| *name != "long") {
            // A client that was cut off may have had it open, and been forgotten meanwhile.
            store.delete(&format!("/{name}"), false).unwrap();
        }
    }
    writer.close().unwrap();
    assert!(get(&store, "/long") == long);
    assert!(checked > 40, "only {checked} files");
    assert_eq!(store.usage().unwrap().datanodes.len(), 1, "it is the same one");
}

#[test]
fn what_was_closed_is_there_after_the_datanode_was_killed() {
    killed_under_load("tcp");
}

#[test]
fn and_also_through_shared_memory() {
    killed_under_load("auto");
}

#[test]
fn a_client_that_has_the_memory_reads_on_while_nobody_serves() {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let first = datanode(&namenode, folder.path(), &[]);
    let store = Store::connect(namenode.url()).unwrap();
    let bytes = noise(900_000, 1);
    put(&store, "/f", &bytes).unwrap();
    let file = store.open("/f").unwrap();
    let read = |store: &Store| get(store, "/f");
    assert!(read(&store) == bytes);
    let in_place = store.stats().in_place;
    assert!(in_place > 0, "a file of the file system is mapped by clients");
    first.kill();
    let _second = datanode(&namenode, folder.path(), &[]);
    assert!(read(&store) == bytes);
    put(&store, "/g", &noise(900_000, 2)).unwrap();
    assert!(get(&store, "/g") == noise(900_000, 2) && read(&store) == bytes);
    assert!(store.stats().in_place > in_place);
    drop(file);
}

#[test]
fn both_servers_may_be_killed() {
    let (folder, log) = (folder_in_memory(), tempdir().unwrap());
    let with_log = ["--log", text(log.path())];
    let first = namenode(&with_log);
    let first_datanode = datanode(&first, folder.path(), &[]);
    let bytes = noise(3_000_000, 3);
    put(&Store::connect(first.url()).unwrap(), "/f", &bytes).unwrap();
    first.kill();
    first_datanode.kill();
    let second = namenode(&with_log);
    let _datanode = datanode(&second, folder.path(), &[]);
    assert!(get(&Store::connect(second.url()).unwrap(), "/f") == bytes);
}

#[test]
fn a_whole_cluster_goes_on() {
    let (folder, log) = (folder_in_memory(), tempdir().unwrap());
    let up = || {
        Server::start(&[
            "up",
            "--listen",
            "127.0.0.1:0",
            "--datanodes",
            "2",
            "--dram",
            "32MiB",
            "--log",
            text(log.path()),
            "--persist",
            text(folder.path()),
        ])
    };
    let first = up();
    assert_eq!(first.row["kept"]["blocks"], 0);
    let bytes = noise(5_000_000, 4);
    put(&Store::connect(first.url()).unwrap(), "/f", &bytes).unwrap();
    first.kill();
    let second = up();
    assert_eq!(second.row["kept"]["bytes"], 5_000_000, "{}", second.row);
    assert!(get(&Store::connect(second.url()).unwrap(), "/f") == bytes);
    assert!(folder.path().join("datanode1").join("blocks").exists());
}

#[test]
fn without_a_directory_blocks_are_lost_and_said_to_be() {
    let namenode = namenode(&[]);
    let start = || {
        Server::start(&[
            "datanode",
            "--namenode",
            namenode.url(),
            "--listen",
            "127.0.0.1:0",
            "--name",
            "d",
            "--dram",
            "16MiB",
        ])
    };
    let first = start();
    assert!(first.row.get("kept").is_none());
    let store = Store::connect(namenode.url()).unwrap();
    put(&store, "/f", &noise(100_000, 1)).unwrap();
    first.kill();
    let _second = start();
    let says = namenode.fails(&["fs", "cat", "/f"]);
    assert!(
        says.contains("/f: bytes 0 to") && says.contains("lost with their datanode"),
        "{says}"
    );
}

/// The namenode has no log, so after its restart nobody knows whose the blocks are.
#[test]
fn blocks_that_no_namenode_knows_are_given_up() {
    let folder = folder_in_memory();
    let first = namenode(&[]);
    let datanode_now = datanode(&first, folder.path(), &[]);
    put(&Store::connect(first.url()).unwrap(), "/f", &noise(100_000, 1)).unwrap();
    datanode_now.kill();
    let second = namenode(&[]);
    let kept = datanode(&second, folder.path(), &[]);
    assert_eq!(kept.row["kept"]["bytes"], 100_000);
    let store = Store::connect(second.url()).unwrap();
    assert!(!store.exists("/f").unwrap());
    put(&store, "/g", &noise(50_000, 2)).unwrap();
    kept.kill();
    let again = datanode(&second, folder.path(), &[]);
    assert_eq!(again.row["kept"]["bytes"], 50_000);
    assert!(get(&store, "/g") == noise(50_000, 2));
}

#[test]
fn a_directory_has_one_datanode_of_one_size_and_name() {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let first = datanode(&namenode, folder.path(), &["--name", "one"]);
    let says = refused(&namenode, folder.path(), &[]);
    assert!(
        says.contains("somebody else uses the directory") && says.contains("--persist DIR"),
        "{says}"
    );
    first.kill();
    let says = refused(&namenode, folder.path(), &["--dram", "32MiB"]);
    assert!(
        says.contains("67108864") && says.contains("33554432") && says.contains("--dram SIZE"),
        "{says}"
    );
    let says = refused(&namenode, folder.path(), &["--name", "two"]);
    assert!(says.contains("`one`") && says.contains("`two`"), "{says}");
    let says = refused(&namenode, folder.path(), &["--local-write", "map"]);
    assert!(says.contains("local_write ring"), "{says}");
    let _again = datanode(&namenode, folder.path(), &["--name", "one"]);
}

#[test]
fn damage_is_told_with_its_place_and_nothing_is_changed() {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let first = datanode(&namenode, folder.path(), &[]);
    put(&Store::connect(namenode.url()).unwrap(), "/f", &noise(100_000, 1)).unwrap();
    first.kill();
    let ledger = folder.path().join("ledger");
    let good = fs::read(&ledger).unwrap();
    let with = |at: usize, bit: u8| {
        let mut bytes = good.clone();
        bytes[at] ^= bit;
        fs::write(&ledger, &bytes).unwrap();
        let says = refused(&namenode, folder.path(), &[]);
        assert!(fs::read(&ledger).unwrap() == bytes, "it was changed");
        says
    };
    let says = with(4096 + 8 * 3 + 1, 4);
    assert!(says.contains("ledger is damaged at byte 4120"), "{says}");
    let says = with(16, 1);
    assert!(says.contains("ledger is damaged at byte 16"), "{says}");
    let says = with(513, 1);
    assert!(says.contains("ledger is damaged at byte 512"), "{says}");
    let says = with(8, 2);
    assert!(
        says.contains("ledger has version 3") && says.contains("knows version 1"),
        "{says}"
    );
    let says = with(0, 1);
    assert!(says.contains("ledger is not that of a datanode"), "{says}");
    fs::write(&ledger, &good).unwrap();
    fs::rename(folder.path().join("blocks"), folder.path().join("away")).unwrap();
    let says = refused(&namenode, folder.path(), &[]);
    assert!(says.contains("blocks is missing"), "{says}");
    fs::rename(folder.path().join("away"), folder.path().join("blocks")).unwrap();
    let again = datanode(&namenode, folder.path(), &[]);
    assert_eq!(again.row["kept"]["bytes"], 100_000);
}

/// Of a machine that has ended nobody knows what reached the device.
#[test]
fn blocks_of_an_earlier_life_of_the_machine_are_not_believed() {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let first = datanode(&namenode, folder.path(), &["--name", "d"]);
    let store = Store::connect(namenode.url()).unwrap();
    put(&store, "/f", &noise(100_000, 1)).unwrap();
    first.kill();
    let ledger = folder.path().join("ledger");
    let mut bytes = fs::read(&ledger).unwrap();
    set_boot(&mut bytes, 12345);
    fs::write(&ledger, &bytes).unwrap();
    let second = datanode(&namenode, folder.path(), &[]);
    assert_eq!(
        (&second.row["kept"]["bytes"], &second.row["kept"]["emptied"]),
        (&0.into(), &1.into())
    );
    let says = namenode.fails(&["fs", "cat", "/f"]);
    assert!(says.contains("lost with their datanode"), "{says}");
}

/// As `docs/format/persist.md` has it.
fn set_boot(ledger: &mut [u8], boot: u64) {
    ledger[512 + 24..512 + 32].copy_from_slice(&boot.to_le_bytes());
    let mut sum = u64::from_le_bytes(*b"CRAKELED");
    for word in ledger[512..512 + 32].chunks_exact(8) {
        sum = (sum ^ u64::from_le_bytes(word.try_into().unwrap())).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^= sum >> 32;
    }
    ledger[512 + 32..512 + 40].copy_from_slice(&(sum | 1).to_le_bytes());
}

/// A limit on the size of files is what a full disk is, and needs no disk of its own.
#[test]
fn without_room_it_does_not_start_and_leaves_nothing() {
    let folder = folder_in_memory();
    let namenode = namenode(&[]);
    let arguments = arguments(namenode.url(), folder.path(), &[]);
    let program = env!("CARGO_BIN_EXE_crake");
    let script = format!("ulimit -f 20000; exec {program} {}", arguments.join(" "));
    let mut shell = std::process::Command::new("sh");
    let output = support::clean(shell.args(["-c", &script])).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let says = stderr(&output);
    assert!(
        says.contains("blocks: ") && says.contains("a directory with more room"),
        "{says}"
    );
    let left = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["lock"]);
    let _with_room = datanode(&namenode, folder.path(), &[]);
}
