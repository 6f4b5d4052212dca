//! `crake fsck` of clusters that have lost something.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::Write;
use std::path::Path;

use crake_datapath::{Runtime, RuntimeConfig};
use crake_store::Node;
use crake_store::blocking::Store;
use rustix::process::Signal;
use serde_json::Value;
use support::{Server, command, eventually, noise, rows, stderr, text, was_killed};
use tempfile::tempdir;

fn namenode() -> Server {
    Server::start(&["namenode", "--listen", "127.0.0.1:0"])
}

fn datanode(namenode: &Server, name: &str, more: &[&str]) -> Server {
    let own = ["--dram", "16MiB", "--name", name];
    namenode.datanode(&[&own, more].concat())
}

fn kill(mut server: Server) {
    server.process.signal(Signal::KILL);
    assert!(was_killed(server.process.wait()));
}

fn put(store: &Store, path: &str, bytes: &[u8]) {
    let mut writer = store.create(path, Node::File).unwrap().writer().unwrap();
    writer.write_all(bytes).unwrap();
    writer.close().unwrap();
}

/// Its exit code and its lines, the last of which is the summary.
fn fsck(namenode: &Server, more: &[&str]) -> (i32, Vec<Value>, Value) {
    let output = namenode.crake(&[&["fsck", "--json"], more].concat());
    let mut lines = rows(&String::from_utf8(output.stdout.clone()).unwrap());
    let summary = lines.pop().unwrap_or_else(|| panic!("{}", stderr(&output)));
    (output.status.code().unwrap(), lines, summary["summary"].clone())
}

fn said<'a>(lines: &'a [Value], problem: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["problem"] == problem).collect()
}

/// Files, values and parts; what is small lies in no block.
fn fill(store: &Store) {
    store.make_dir("/d/e", true).unwrap();
    put(store, "/d/e/f", &noise(300_000, 1));
    put(store, "/empty", b"");
    let table = store.make_table("/t", false).unwrap();
    table.put(b"small", b"value").unwrap();
    table.put(b"large\xff", &noise(100_000, 2)).unwrap();
    store.make_multifile("/m", false).unwrap();
    put(store, "/m/part", &noise(5_000, 3));
}

#[test]
fn of_a_cluster_that_has_everything_nothing_is_wrong() {
    let namenode = namenode();
    let _datanode = datanode(&namenode, "d", &[]);
    let store = Store::connect(namenode.url()).unwrap();
    fill(&store);
    let (code, lines, summary) = fsck(&namenode, &[]);
    assert_eq!((code, lines.len()), (0, 0), "{lines:?}");
    assert_eq!((&summary["checked"], &summary["damaged"]), (&3.into(), &0.into()));
    assert_eq!(summary["allotted"], summary["used"]);
    let says = namenode.ok(&["fsck", "/d"]);
    assert!(
        says.contains("1 files and values") && says.contains("nothing is wrong"),
        "{says}"
    );
}

/// A file that somebody writes has blocks without bytes, and those that come and go are no problem.
#[test]
fn clients_may_go_on() {
    let namenode = namenode();
    let _datanode = datanode(&namenode, "d", &[]);
    let store = Store::connect(namenode.url()).unwrap();
    let mut writer = store.create("/open", Node::File).unwrap().writer().unwrap();
    writer.write_all(&noise(700_000, 1)).unwrap();
    let url = namenode.url().to_owned();
    let busy = std::thread::spawn(move || {
        let store = Store::connect(&url).unwrap();
        for number in 0..150 {
            put(&store, "/f", &noise(200_000, number));
            store.delete("/f", false).unwrap();
        }
    });
    while !busy.is_finished() {
        let (code, lines, _) = fsck(&namenode, &["--repair"]);
        assert_eq!((code, lines.len()), (0, 0), "{lines:?}");
    }
    busy.join().unwrap();
    writer.close().unwrap();
}

#[test]
fn what_is_lost_is_told_and_removed_if_it_is_to_be() {
    let namenode = namenode();
    let first = datanode(&namenode, "d", &[]);
    let store = Store::connect(namenode.url()).unwrap();
    fill(&store);
    kill(first);
    let _second = datanode(&namenode, "d", &[]);
    put(&store, "/new", &noise(50_000, 4));
    let (code, lines, summary) = fsck(&namenode, &[]);
    assert_eq!(code, 1);
    let lost = said(&lines, "lost");
    assert_eq!((lost.len(), lines.len()), (3, 3), "{lines:?}");
    let file = lost.iter().find(|line| line["path"] == "/d/e/f").unwrap();
    assert_eq!((&file["offset"], &file["bytes"]), (&0.into(), &300_000.into()));
    let value = lost.iter().find(|line| line["path"] == "/t").unwrap();
    assert_eq!(
        (&value["key"], &value["bytes"]),
        (&"large\\xff".into(), &100_000.into())
    );
    assert_eq!(summary["lost_bytes"], 405_000);
    assert!(store.exists("/d/e/f").unwrap(), "it only looks");
    let output = namenode.crake(&["fsck", "--remove-lost"]);
    assert_eq!(output.status.code(), Some(0));
    let says = String::from_utf8(output.stdout).unwrap();
    assert!(
        says.contains("/d/e/f: bytes 0 to 300000 are lost with their datanode"),
        "{says}"
    );
    assert!(
        says.contains("/t key large\\xff: removed") && says.contains("3 removed"),
        "{says}"
    );
    let (code, lines, summary) = fsck(&namenode, &[]);
    assert_eq!(
        (code, lines.len(), &summary["checked"]),
        (0, 0, &1.into()),
        "{lines:?}"
    );
    let table = store.table("/t").unwrap();
    assert!(table.get(b"small").unwrap().is_some() && table.get(b"large\xff").unwrap().is_none());
    assert!(store.exists("/new").unwrap() && store.exists("/empty").unwrap());
}

#[test]
fn what_is_away_is_not_removed_and_may_come_back() {
    let folder = tempdir().unwrap();
    let namenode = namenode();
    let persist = ["--persist", text(folder.path())];
    let first = datanode(&namenode, "d", &persist);
    let store = Store::connect(namenode.url()).unwrap();
    fill(&store);
    kill(first);
    let (code, lines, summary) = fsck(&namenode, &["--remove-lost"]);
    assert_eq!((code, said(&lines, "away").len()), (1, 3), "{lines:?}");
    assert_eq!(
        (&summary["away_bytes"], &summary["removed"]),
        (&405_000.into(), &0.into())
    );
    eventually("the namenode finds it silent", || {
        let (code, lines, _) = fsck(&namenode, &["/empty"]);
        code == 1 && said(&lines, "silent").iter().any(|line| line["name"] == "d")
    });
    let _second = datanode(&namenode, "d", &persist);
    let (code, lines, _) = fsck(&namenode, &[]);
    assert_eq!((code, lines.len()), (0, 0), "{lines:?}");
}

/// Has a datanode that is not running forget a unit, as `docs/format/persist.md` has it.
fn forget(directory: &Path, unit: usize) {
    const UNITS: usize = (16 << 20) / 4096;
    let zero = |file: &str, at: usize, len: usize| {
        let path = directory.join(file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[at..at + len].fill(0);
        fs::write(&path, bytes).unwrap();
    };
    zero("table", 4096 + 4 * unit, 4);
    zero("table", 4096 + 4 * UNITS + 8 * unit, 8);
    zero("ledger", 4096 + 8 * unit, 8);
    // The last step would be done again.
    zero("ledger", 1024 + 32, 8);
}

#[test]
fn what_a_datanode_does_not_have_is_missing() {
    let folder = tempdir().unwrap();
    let namenode = namenode();
    let persist = ["--persist", text(folder.path())];
    let first = datanode(&namenode, "d", &persist);
    let store = Store::connect(namenode.url()).unwrap();
    put(&store, "/f", &noise(3_000_000, 1));
    put(&store, "/g", &noise(3_000_000, 2));
    kill(first);
    // The second block of 1 MiB.
    forget(folder.path(), 256);
    let _second = datanode(&namenode, "d", &persist);
    let (code, lines, summary) = fsck(&namenode, &[]);
    let missing = said(&lines, "missing");
    assert_eq!((code, missing.len(), lines.len()), (1, 1, 1), "{lines:?}");
    assert_eq!(
        (&missing[0]["datanode"], &missing[0]["path"]),
        (&1.into(), &"/f".into())
    );
    assert_eq!(summary["missing_bytes"], missing[0]["bytes"]);
    let says = namenode.fails(&["fs", "cat", "/f"]);
    assert!(says.contains("/f: bytes"), "{says}");
    let (code, _, summary) = fsck(&namenode, &["--remove-lost"]);
    assert_eq!((code, &summary["removed"]), (0, &1.into()));
    assert!(!store.exists("/f").unwrap() && store.exists("/g").unwrap());
}

fn held<'a>(lines: &'a [Value], by: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["held"] == by).collect()
}

/// A file that is no more and is looked at, and a value whose bytes are on their way: their blocks have no name, and are told with who has them.
#[test]
fn what_is_in_use_without_a_name_is_told_by_its_place_and_holder() {
    let namenode = namenode();
    let datanode = datanode(&namenode, "d", &[]);
    let store = Store::connect(namenode.url()).unwrap();
    store.make_table("/t", false).unwrap();
    let table = store.lookup("/t").unwrap().id;
    put(&store, "/f", &noise(100_000, 1));
    let node = store.lookup("/f").unwrap().id;
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let view = runtime.block_on(async {
        let looking = crake_store::Store::connect(&runtime, namenode.url())
            .await
            .unwrap();
        let reader = looking.open("/f").await.unwrap().reader().unwrap();
        let view = reader.view().await.unwrap();
        looking.delete("/f", false).await.unwrap();
        let (code, lines, summary) = fsck(&namenode, &[]);
        let held = held(&lines, "view");
        assert_eq!((code, held.len(), lines.len()), (0, 2, 2), "{lines:?}");
        for line in held {
            assert_eq!((&line["node"], &line["datanode"]), (&node.into(), &1.into()));
            let [slot, unit] = ["slot", "unit"].map(|key| line[key].as_u64().unwrap());
            assert_eq!((slot, &line["bytes"]), (unit / 256, &65536.into()));
        }
        assert_eq!(
            (&summary["held_blocks"], &summary["held_bytes"]),
            (&2.into(), &131072.into())
        );
        assert_eq!(
            (&summary["used"], &summary["leaked_blocks"]),
            (&131072.into(), &0.into())
        );
        view
    });
    drop((view, runtime));
    eventually("nobody looks at it any more", || {
        fsck(&namenode, &[]).1.is_empty()
    });
    datanode.process.signal(Signal::STOP);
    let url = namenode.url().to_owned();
    let putting = std::thread::spawn(move || {
        let store = Store::connect(&url).unwrap();
        store.table("/t").unwrap().put(b"k\xff", &noise(5000, 2)).unwrap();
    });
    eventually("the value is on its way", || {
        let (code, lines, _) = fsck(&namenode, &["--remove-lost"]);
        let held = held(&lines, "put");
        code == 0
            && held.len() == 2
            && held
                .iter()
                .all(|line| line["node"] == table && line["name"] == "k\\xff")
    });
    let says = namenode.ok(&["fsck"]);
    let line = format!("4096 bytes of a value on its way into table {table}, key k\\xff (partition 0)");
    assert!(
        says.contains("datanode 1 slot 0 unit 0: ") && says.contains(&line),
        "{says}"
    );
    assert!(
        says.contains("8192 of them in 2 blocks without a name that somebody has"),
        "{says}"
    );
    datanode.process.signal(Signal::CONT);
    putting.join().unwrap();
    let (code, lines, summary) = fsck(&namenode, &[]);
    assert_eq!(
        (code, lines.len(), &summary["checked"]),
        (0, 0, &1.into()),
        "{lines:?}"
    );
}

/// Leaks are found by looking at the whole namespace.
#[test]
fn blocks_of_a_part_of_the_namespace_are_not_freed() {
    let namenode = namenode();
    let _datanode = datanode(&namenode, "d", &[]);
    let store = Store::connect(namenode.url()).unwrap();
    fill(&store);
    let output = namenode.crake(&["fsck", "/d", "--free-leaked"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("--free-leaked is for the whole namespace"));
    for more in [&["--free-leaked"][..], &["--repair"], &["/d", "--repair"]] {
        let (code, lines, summary) = fsck(&namenode, more);
        assert_eq!((code, lines.len()), (0, 0), "{lines:?}");
        let counts = ["leaked_blocks", "freed_blocks", "changed_blocks", "owned_blocks"];
        assert!(counts.iter().all(|count| summary[*count] == 0), "{summary}");
    }
}

#[test]
fn without_a_cluster_nothing_is_checked() {
    let output = command(&["fsck", "--namenode", "crake://127.0.0.1:1"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
    let namenode = namenode();
    let output = namenode.crake(&["fsck", "/not/there"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
}
