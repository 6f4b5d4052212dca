//! Namespaces of several partitions: in one process and in several.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use support::{Server, command, contents, eventually, free_ports, noise, stderr, text, was_killed};
use tempfile::tempdir;

#[test]
fn a_namenode_with_several_cores_is_one_namespace_and_goes_on_after_a_kill() {
    let folder = tempdir().unwrap();
    let (port, log) = (free_ports(3), folder.path().join("log"));
    let mut first = Server::partitions(3, port, &log);
    assert_eq!(first.row["partitions"], serde_json::json!([0, 1, 2]));
    let _datanode = first.datanode(&["--dram", "64MiB"]);

    let source = folder.path().join("source");
    for at in 0..12 {
        let below = source.join(format!("d{at}/e/f"));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join("file"), noise(50_000 + at, at as u64)).unwrap();
    }
    first.ok(&["fs", "put", "-r", text(&source), "/"]);
    let homes: std::collections::BTreeSet<_> = (0..12)
        .map(|at| {
            let path = format!("/source/d{at}");
            let row = first.rows(&["fs", "stat", &path]).swap_remove(0);
            row["partition"].as_u64().unwrap_or(0)
        })
        .collect();
    assert!(homes.len() > 1, "all is at {homes:?}");
    first.process.signal(Signal::KILL);
    assert!(was_killed(first.process.wait()));

    let second = Server::partitions(3, port, &log);
    eventually("the datanode is there again", || {
        second
            .crake(&["fs", "cat", "/source/d0/e/f/file"])
            .status
            .success()
    });
    let target = folder.path().join("target");
    fs::create_dir(&target).unwrap();
    second.ok(&["fs", "get", "-r", "/source", text(&target)]);
    assert_eq!(contents(&target.join("source")), contents(&source));
    second.ok(&["fs", "rm", "-r", "/source"]);
    assert_eq!(second.ok(&["fs", "ls", "/"]), "");
}

/// `mv` between directories wherever they are, with everything that asks for what was moved.
#[test]
fn what_is_moved_to_another_partition_is_found_there() {
    let folder = tempdir().unwrap();
    let (port, log) = (free_ports(3), folder.path().join("log"));
    let mut first = Server::partitions(3, port, &log);
    let datanode = first.datanode(&["--dram", "64MiB"]);
    let source = folder.path().join("source");
    fs::write(&source, noise(50_000, 1)).unwrap();
    let paths: Vec<_> = (0..6).map(|at| format!("/d{at}")).collect();
    for path in &paths {
        first.ok(&["fs", "mkdir", path]);
    }
    first.ok(&["fs", "put", text(&source), "/d0/file"]);
    first.ok(&["fs", "mkdir", "-p", "/d0/sub/deep"]);
    first.ok(&["fs", "put", text(&source), "/d0/sub/deep/file"]);
    let before = first.rows(&["fs", "stat", "/d0/file"]).swap_remove(0);
    for pair in paths.windows(2) {
        for name in ["file", "sub"] {
            let [from, to] = [&pair[0], &pair[1]].map(|path| format!("{path}/{name}"));
            first.ok(&["fs", "mv", &from, &to]);
            assert!(!first.crake(&["fs", "stat", &from]).status.success(), "{from}");
        }
        assert_eq!(first.ok(&["fs", "ls", &pair[0]]), "");
    }
    let below = "/d5/sub/deep";
    let output = first.crake(&["fs", "mv", "/d5", &format!("{below}/x")]);
    assert!(stderr(&output).contains("below itself"), "{}", stderr(&output));
    let after = first.rows(&["fs", "stat", "/d5/file"]).swap_remove(0);
    for field in ["id", "partition", "size", "blocks"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let fsck = first.ok(&["fsck", "/"]);
    drop(datanode);
    first.process.signal(Signal::KILL);
    assert!(was_killed(first.process.wait()));
    let second = Server::partitions(3, port, &log);
    assert_eq!(second.ok(&["fs", "ls", "/d5"]).lines().count(), 2, "{fsck}");
    // Without a datanode, the blocks of the file that is elsewhere are missing, too.
    eventually("the datanode is missed", || {
        !second.crake(&["fsck", "/d5"]).status.success()
    });
    second.ok(&["fs", "rm", "-r", "/d5"]);
    let names = second.ok(&["fs", "ls", "/"]);
    assert_eq!(names.lines().count(), 5, "{names}");
}

/// The keys of a table are at all three, and it is one table for whoever looks at it.
#[test]
fn a_table_is_one_wherever_its_keys_are() {
    let listen = format!("127.0.0.1:{}", free_ports(3));
    let server = Server::start(&["namenode", "--listen", &listen, "--cores", "3"]);
    let _datanode = server.datanode(&["--dram", "64MiB"]);
    let folder = tempdir().unwrap();
    let lines: String = (0..1200).map(|at| format!("key{at:04}\tvalue{at}\n")).collect();
    let file = folder.path().join("lines");
    fs::write(&file, &lines).unwrap();
    server.ok(&["kv", "create", "/t"]);
    server.ok(&["kv", "load", "/t", text(&file)]);
    assert_eq!(server.ok(&["kv", "scan", "/t", "--values"]), lines);
    let reversed: String = lines.lines().rev().map(|line| format!("{line}\n")).collect();
    assert_eq!(
        server.ok(&["kv", "scan", "/t", "--values", "--reverse"]),
        reversed
    );
    let some = server.ok(&[
        "kv", "scan", "/t", "--from", "key0100", "--until", "key0900", "--limit", "3",
    ]);
    assert_eq!(some, "key0100\nkey0101\nkey0102\n");
    for at in [0, 7, 1199] {
        let (key, value) = (format!("key{at:04}"), format!("value{at}"));
        assert_eq!(server.ok(&["kv", "get", "/t", &key]), value);
    }
    let listed = server.ok(&["fs", "ls", "/t"]);
    assert_eq!(listed.lines().count(), 1200);
    assert!(listed.lines().is_sorted());
    assert_eq!(server.rows(&["fs", "stat", "/t"])[0]["size"], 1200);
    assert_eq!(server.rows(&["fs", "ls", "/"])[0]["size"], 1200);
    server.ok(&["kv", "del", "/t", "key0000", "key0001", "key0002"]);
    for number in 1..4 {
        assert_eq!(server.ok(&["kv", "add", "/t", "visits"]), format!("{number}\n"));
    }
    assert_eq!(server.rows(&["fs", "stat", "/t"])[0]["size"], 1198);
    fs::write(&file, noise(300_000, 1)).unwrap();
    let stored = command(&["kv", "put", "/t", "large", "-", "--url", server.url()])
        .stdin(fs::File::open(&file).unwrap())
        .output()
        .unwrap();
    assert!(stored.status.success(), "{}", stderr(&stored));
    assert!(server.ok(&["fsck", "/"]).contains("nothing is wrong"));
    let refused = server.crake(&["fs", "rm", "/t"]);
    assert!(!refused.status.success());
    server.ok(&["fs", "rm", "-r", "/t"]);
    assert_eq!(server.ok(&["fs", "ls", "/"]), "");
}

#[test]
fn several_processes_are_one_namespace() {
    let ports = [free_ports(2), free_ports(2)];
    let peers = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
    let start = |at: usize| {
        let listen = format!("127.0.0.1:{}", ports[at]);
        Server::start(&["namenode", "--listen", &listen, "--cores", "2", "--peers", &peers])
    };
    let (first, second) = (start(0), start(1));
    assert_eq!(first.row["partitions"], serde_json::json!([0, 1]));
    assert_eq!(second.row["partitions"], serde_json::json!([2, 3]));
    for at in 0..10 {
        let path = format!("/d{at}");
        [&first, &second][at % 2].ok(&["fs", "mkdir", &path]);
    }
    assert_eq!(first.ok(&["fs", "ls", "/"]), second.ok(&["fs", "ls", "/"]));
    assert_eq!(first.ok(&["fs", "ls", "/"]).lines().count(), 10);
}

/// Peers by the names of their hosts: partitions and clients look them up when they connect. One whose name nobody knows is away, and is named.
#[test]
fn peers_have_names() {
    let ports = [free_ports(2), free_ports(2)];
    let peers = format!("localhost:{},localhost:{}", ports[0], ports[1]);
    let start = |at: usize, peers: &str| {
        let listen = format!("127.0.0.1:{}", ports[at]);
        Server::start(&["namenode", "--listen", &listen, "--cores", "2", "--peers", peers])
    };
    let (first, second) = (start(0, &peers), start(1, &peers));
    for at in 0..10 {
        [&first, &second][at % 2].ok(&["fs", "mkdir", &format!("/d{at}")]);
    }
    assert_eq!(first.ok(&["fs", "ls", "/"]), second.ok(&["fs", "ls", "/"]));
    let homes: std::collections::BTreeSet<_> = (0..10)
        .map(|at| {
            first.rows(&["fs", "stat", &format!("/d{at}")])[0]["partition"]
                .as_u64()
                .unwrap_or(0)
        })
        .collect();
    assert!(homes.iter().any(|home| *home > 1), "all is at {homes:?}");
    let by_tcp = format!("{}?transport=tcp", first.url());
    for at in 0..10 {
        let output = command(&["fs", "stat", &format!("/d{at}"), "--url", &by_tcp])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    drop((first, second));

    let peers = format!("127.0.0.1:{},no-such-host.invalid:9060", ports[0]);
    let alone = start(0, &peers);
    let began = Instant::now();
    let url = format!("{}?deadline=1s", alone.url());
    let made: Vec<_> = (0..10)
        .map(|at| {
            command(&["fs", "mkdir", &format!("/d{at}"), "--url", &url])
                .output()
                .unwrap()
        })
        .collect();
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(made.iter().any(|output| output.status.success()));
    let failed = made.iter().filter(|output| !output.status.success());
    let says: Vec<_> = failed.map(stderr).collect();
    assert!(
        says.iter().all(|says| says.contains("no-such-host.invalid:906")),
        "{says:?}"
    );
    assert!(says.iter().any(|says| says.contains("no such host")), "{says:?}");
}

#[test]
fn partitions_that_cannot_be_are_told() {
    let refused = |arguments: &[&str]| {
        let output = command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        stderr(&output)
    };
    let any = refused(&["namenode", "--listen", "0.0.0.0:9060", "--cores", "2"]);
    assert!(any.contains("--peers"), "{any}");
    let stranger = refused(&[
        "namenode",
        "--listen",
        "127.0.0.1:9060",
        "--peers",
        "127.0.0.1:9070,127.0.0.1:9080",
    ]);
    assert!(stranger.contains("--peers"), "{stranger}");
    refused(&["namenode", "--cores", "0"]);
}

/// All in one process: three partitions in as many threads, and two datanodes beside the first.
#[test]
fn a_whole_cluster_of_several_partitions_is_one_command() {
    let folder = tempdir().unwrap();
    let log = folder.path().join("log");
    let listen = format!("127.0.0.1:{}", free_ports(3));
    let start = || {
        Server::start(&[
            "up",
            "--cores",
            "3",
            "--datanodes",
            "2",
            "--dram",
            "64MiB",
            "--listen",
            &listen,
            "--log",
            text(&log),
            "--set",
            "datanode.listen=127.0.0.1:0",
        ])
    };
    let mut first = start();
    assert_eq!(first.row["partitions"], serde_json::json!([0, 1, 2]));
    let listening = first.row["namenode"].as_array().unwrap().iter();
    let tcp: Vec<_> = listening
        .filter_map(|one| one.as_str().unwrap().strip_prefix("tcp://"))
        .collect();
    assert_eq!(tcp.len(), 3, "{tcp:?}");
    assert_eq!(first.row["datanodes"].as_array().unwrap().len(), 2);
    let source = folder.path().join("source");
    fs::write(&source, noise(300_000, 1)).unwrap();
    let mut homes = std::collections::BTreeSet::new();
    for at in 0..12 {
        let path = format!("/d{at}/file");
        first.ok(&["fs", "mkdir", &format!("/d{at}")]);
        first.ok(&["fs", "put", text(&source), &path]);
        let row = first.rows(&["fs", "stat", &format!("/d{at}")]).swap_remove(0);
        homes.insert(row["partition"].as_u64().unwrap_or(0));
    }
    assert_eq!(homes, [0, 1, 2].into());
    // Each partition is where it says, and only those of the first two levels have to be found.
    for address in &tcp {
        let output = command(&["fs", "ls", "/", "--url", &format!("crake://{address}")])
            .output()
            .unwrap();
        assert_eq!(
            String::from_utf8(output.stdout).unwrap().lines().count(),
            12,
            "{address}"
        );
    }
    let fsck = first.ok(&["fsck"]);
    assert!(
        fsck.starts_with("12 files and values") && fsck.contains("nothing is wrong"),
        "{fsck}"
    );
    let bench = ["bench", "get-file", "--repetitions", "1", "-k", "30"];
    if std::thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2) {
        let row = first.rows(&bench).pop().unwrap();
        assert!(row["ops_per_s"].as_f64().unwrap() > 0.0, "{row}");
    }
    first.process.signal(Signal::TERM);
    assert!(first.process.wait().success());
    // The names are there again from three logs; the blocks went with their datanodes.
    let second = start();
    assert!(
        second.row["log"]["nodes"]
            .as_u64()
            .is_some_and(|nodes| nodes > 24),
        "{}",
        second.row
    );
    assert_eq!(second.ok(&["fs", "ls", "/"]).lines().count(), 12);
    // Until each partition has heard that the datanodes began anew, their blocks are away.
    eventually("what is lost is removed", || {
        second.crake(&["fsck", "--remove-lost"]).status.success()
    });
    second.ok(&["fs", "put", text(&source), "/d0/again"]);
    assert_eq!(
        second.crake(&["fs", "cat", "/d0/again"]).stdout,
        fs::read(&source).unwrap()
    );
}

#[test]
fn several_partitions_say_where_they_are_reached() {
    let output = command(&["up", "--cores", "2", "--listen", "0.0.0.0:0", "--dram", "4MiB"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(stderr(&output).contains("any address"), "{}", stderr(&output));
}
