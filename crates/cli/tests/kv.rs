//! `crake kv` and `crake demo`.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use rustix::process::Signal;
use support::{Process, Server, command, noise, rows, stderr, text};
use tempfile::tempdir;

#[test]
fn values_are_put_got_and_removed() {
    let cluster = Server::up(1);
    assert!(
        cluster
            .fails(&["kv", "put", "/t", "a", "1"])
            .contains("kv create /t")
    );
    cluster.ok(&["kv", "put", "--create", "/app/t", "a", "1"]);
    cluster.ok(&["kv", "create", "/app/t"]);
    assert_eq!(cluster.ok(&["kv", "get", "/app/t", "a"]), "1");
    assert!(
        cluster
            .fails(&["kv", "put", "--if-absent", "/app/t", "a", "2"])
            .contains("already exists")
    );
    let version = cluster.rows(&["kv", "get", "/app/t", "a"])[0]["version"].to_string();
    let put = |value| cluster.crake(&["kv", "put", "--if-version", &version, "/app/t", "a", value]);
    assert!(put("2").status.success());
    assert_eq!(put("3").status.code(), Some(1), "its version has changed");
    assert_eq!(cluster.ok(&["kv", "get", "/app/t", "a"]), "2");
    let said = cluster.fails(&["kv", "del", "/app/t", "a", "b"]);
    assert_eq!(said, "crake: /app/t: no value for b\n");
    assert!(
        cluster
            .fails(&["kv", "get", "/app/t", "a"])
            .contains("no value for a")
    );
    cluster.ok(&["fs", "rm", "-r", "/app/t"]);
    assert!(cluster.fails(&["kv", "scan", "/app/t"]).contains("not found"));
    assert!(cluster.fails(&["kv", "get", "/app", "a"]).contains("not a table"));
}

#[test]
fn values_come_from_standard_input_in_any_size() {
    let cluster = Server::up(2);
    cluster.ok(&["kv", "create", "/t"]);
    for len in [0, 10, 100_000, 3_000_001] {
        let value = noise(len, 3);
        let mut put = Process::start(
            cluster
                .command(&["kv", "put", "/t", "k", "-"])
                .stdin(Stdio::piped()),
        );
        put.child().stdin.take().unwrap().write_all(&value).unwrap();
        assert!(put.wait().success());
        assert_eq!(cluster.crake(&["kv", "get", "/t", "k"]).stdout, value);
    }
}

#[test]
fn scans_are_ordered_and_cut_where_they_were_asked_to() {
    let cluster = Server::up(1);
    cluster.ok(&["kv", "create", "/t"]);
    for key in ["b2", "a", "b1", "c", "b\t3"] {
        cluster.ok(&["kv", "put", "/t", key, &format!("is {key}")]);
    }
    assert_eq!(cluster.ok(&["kv", "scan", "/t"]), "a\nb\\t3\nb1\nb2\nc\n");
    assert_eq!(
        cluster.ok(&["kv", "scan", "/t", "--prefix", "b", "--after", "b1"]),
        "b2\n"
    );
    assert_eq!(
        cluster.ok(&["kv", "scan", "/t", "--limit", "1", "--values"]),
        "a\tis a\n"
    );
    let scan = |bounds: &[&str]| cluster.ok(&[&["kv", "scan", "/t"], bounds].concat());
    assert_eq!(scan(&["--from", "b1", "--until", "c"]), "b1\nb2\n");
    assert_eq!(scan(&["--reverse", "--limit", "2", "--keys-only"]), "c\nb2\n");
    assert_eq!(
        scan(&["-r", "--prefix", "b", "--until", "b2", "--values"]),
        "b1\tis b1\nb\\t3\tis b\\t3\n"
    );
    let rows = cluster.rows(&["kv", "scan", "/t", "--values", "--prefix", "b"]);
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[0]["key"], &rows[0]["value"]),
        (&"b\t3".into(), &"is b\t3".into())
    );
}

#[test]
fn a_key_is_removed_only_if_it_has_the_version_that_was_meant() {
    let cluster = Server::up(1);
    cluster.ok(&["kv", "put", "--create", "/t", "a", "1"]);
    cluster.ok(&["kv", "put", "/t", "a", "2"]);
    let said = cluster.fails(&["kv", "del", "--if-version", "1", "/t", "a"]);
    assert!(said.contains("another version"), "{said}");
    assert_eq!(cluster.ok(&["kv", "get", "/t", "a"]), "2");
    cluster.ok(&["kv", "del", "--if-version", "2", "/t", "a"]);
    let two = cluster.crake(&["kv", "del", "--if-version", "2", "/t", "a", "b"]);
    assert_eq!(two.status.code(), Some(2));
}

#[test]
fn what_is_scanned_is_loaded_again() {
    let cluster = Server::up(1);
    cluster.ok(&["kv", "create", "/t"]);
    let folder = tempdir().unwrap();
    let file = folder.path().join("lines");
    let mut lines: String = (0..3000).map(|n| format!("key{n:05}\tvalue \\t{n}\n")).collect();
    // Too large for a request of many, and no newline at the end.
    lines += &format!("large\t{}", "x".repeat(100_000));
    fs::write(&file, &lines).unwrap();
    let file = file.to_str().unwrap();
    cluster.ok(&["kv", "load", "/t", file]);
    assert_eq!(cluster.ok(&["kv", "get", "/t", "key00007"]), "value \t7");
    let scanned = cluster.ok(&["kv", "scan", "/t", "--values"]);
    assert_eq!(scanned, lines.clone() + "\n");
    let mut load = Process::start(
        cluster
            .command(&["kv", "load", "--create", "/copy"])
            .stdin(Stdio::piped()),
    );
    load.child()
        .stdin
        .take()
        .unwrap()
        .write_all(scanned.as_bytes())
        .unwrap();
    assert!(load.wait().success());
    assert_eq!(cluster.ok(&["kv", "scan", "/copy", "--values"]), scanned);
    fs::write(file, "key00001\tx\nnew\t1\nno tab\n\tno key\nnewer\t2\n").unwrap();
    let said = cluster.fails(&["kv", "load", "--if-absent", "/t", file]);
    assert!(said.contains("line 1: /t[key00001]: already exists"), "{said}");
    assert!(
        said.contains("line 3: no tab") && said.contains("line 4: /t[]: not allowed"),
        "{said}"
    );
    assert_eq!(cluster.ok(&["kv", "get", "/t", "newer"]), "2");
    assert_eq!(cluster.ok(&["kv", "get", "/t", "key00001"]), "value \t1");
}

#[test]
fn what_has_a_time_to_live_is_shown_and_removed() {
    let cluster = Server::up(1);
    cluster.ok(&["kv", "create", "/t"]);
    cluster.ok(&["kv", "put", "--ttl", "1s", "/t", "a", "1"]);
    cluster.ok(&["kv", "put", "--ttl", "1h", "/t", "b", "1"]);
    cluster.ok(&["kv", "put", "/t", "c", "1"]);
    cluster.ok(&["kv", "ttl", "1s", "/t", "c"]);
    cluster.ok(&["kv", "put", "--ttl", "1s", "/t", "d", "1"]);
    cluster.ok(&["kv", "ttl", "none", "/t", "d"]);
    let of = |key| cluster.rows(&["kv", "get", "/t", key])[0]["expires_ns"].as_u64();
    assert!(of("b").is_some() && of("d").is_none());
    cluster.ok(&["fs", "mkdir", "--ttl", "1s", "/gone"]);
    cluster.ok(&["fs", "mkdir", "-p", "/gone/below"]);
    cluster.ok(&["fs", "mkdir", "/kept"]);
    cluster.ok(&["fs", "ttl", "2h", "/kept"]);
    let folder = tempdir().unwrap();
    let file = folder.path().join("f");
    fs::write(&file, "bytes").unwrap();
    cluster.ok(&["fs", "put", "--ttl", "1s", file.to_str().unwrap(), "/f"]);
    assert!(cluster.ok(&["fs", "stat", "/kept"]).contains("expires   20"));
    let listed = cluster.ok(&["fs", "ls", "-l", "/"]);
    assert!(
        listed.contains("kept (expires 20") && listed.lines().any(|line| line.ends_with(" t")),
        "{listed}"
    );
    let rows = cluster.rows(&["fs", "ls", "/"]);
    let kept = rows.iter().find(|row| row["path"] == "/kept").unwrap();
    assert!(kept["expires_ns"].as_u64() > kept["created_ns"].as_u64());
    thread::sleep(std::time::Duration::from_millis(1_300));
    assert_eq!(cluster.ok(&["kv", "scan", "/t"]), "b\nd\n");
    assert_eq!(cluster.ok(&["fs", "ls", "/"]), "kept\nt\n");
    assert!(
        cluster
            .fails(&["fs", "stat", "/gone/below"])
            .contains("not found")
    );
    assert!(
        cluster
            .fails(&["kv", "ttl", "1s", "/t", "a"])
            .contains("no value for a")
    );
    let wrong = cluster.crake(&["fs", "ttl", "soon", "/kept"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("500ms"), "{}", stderr(&wrong));
}

#[test]
fn numbers_are_added_to() {
    let cluster = Server::up(1);
    assert_eq!(cluster.ok(&["kv", "add", "--create", "/c", "visits"]), "1\n");
    assert_eq!(cluster.ok(&["kv", "add", "/c", "visits", "41"]), "42\n");
    assert_eq!(cluster.ok(&["kv", "add", "/c", "visits", "-50"]), "-8\n");
    assert_eq!(cluster.ok(&["kv", "get", "/c", "visits"]), "-8");
    let rows = cluster.rows(&["kv", "add", "/c", "visits"]);
    assert_eq!(
        (&rows[0]["key"], &rows[0]["number"]),
        (&"visits".into(), &(-7).into())
    );
    cluster.ok(&["kv", "put", "/c", "name", "alice"]);
    assert!(
        cluster
            .fails(&["kv", "add", "/c", "name"])
            .contains("not a number")
    );
    assert_eq!(cluster.ok(&["kv", "get", "/c", "name"]), "alice");
    cluster.ok(&["kv", "put", "/c", "full", &i64::MAX.to_string()]);
    assert!(cluster.fails(&["kv", "add", "/c", "full"]).contains("too large"));
    assert!(
        cluster
            .fails(&["kv", "add", "/none", "k"])
            .contains("kv create /none")
    );
}

/// What the demo says of a folder, as JSON.
fn demo(arguments: &[&str]) -> Vec<serde_json::Value> {
    let folder = tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    for number in 0..50 {
        fs::write(
            folder.path().join(format!("below/{number}")),
            noise(number * 1000, number as u64),
        )
        .unwrap();
    }
    fs::write(folder.path().join("large"), noise(3 << 20, 9)).unwrap();
    let output = command(&["demo", text(folder.path()), "--keys", "2000", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    rows(&String::from_utf8(output.stdout).unwrap())
}

#[test]
fn the_demo_compares_a_folder_and_shows_what_it_measured() {
    let by_process = match thread::available_parallelism() {
        Ok(cores) if cores.get() >= 2 => "shm",
        _ => "local",
    };
    for (arguments, transport) in [(&[][..], by_process), (&["--embedded"], "local")] {
        let rows = demo(arguments);
        let (summary, steps) = rows.split_last().unwrap();
        assert_eq!(
            (&summary["identical"], &summary["files"], &summary["keys"]),
            (&true.into(), &51.into(), &2000.into())
        );
        let job = &summary["job"];
        assert!(
            job["refused_bytes"] == 262_144 && job["removed_seconds"].as_f64() > Some(0.0),
            "{summary}"
        );
        let multifile = &summary["multifile"];
        assert!(
            multifile["writers"] == 4 && multifile["parts"] == 16 && multifile["bytes"] == 4_800_000,
            "{summary}"
        );
        let paths = summary["paths"].as_array().unwrap();
        assert_eq!(paths.len(), 3, "{summary}");
        assert!(
            paths.iter().all(|path| path["transport"] == transport),
            "{summary}"
        );
        let names: Vec<_> = steps.iter().map(|row| row["step"].as_str().unwrap()).collect();
        assert_eq!(names, ["store", "list", "read back", "put", "get", "scan"]);
        for step in steps {
            let number = |field: &str| step[field].as_f64().unwrap();
            assert!(number("seconds") > 0.0 && number("raw_seconds") > 0.0, "{step}");
            // What one process has just written another reads out of the caches, which the raw copy is too large for.
            assert!(
                transport == "shm" || number("ratio") < 1.0,
                "faster than memory: {step}"
            );
        }
    }
}

#[test]
fn the_demo_refuses_a_folder_without_files() {
    let empty = tempdir().unwrap();
    let output = command(&["demo", text(empty.path())]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(text(empty.path())),
        "{}",
        stderr(&output)
    );
}

#[test]
fn an_interrupted_demo_leaves_nothing() {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("file"), noise(1 << 20, 1)).unwrap();
    let sockets = tempdir().unwrap();
    // So many keys that it is still at work when it is told to end.
    let mut demo = command(&["demo", text(folder.path()), "--keys", "1000000000", "--json"]);
    demo.env("TMPDIR", sockets.path()).stdout(Stdio::piped());
    let mut demo = Process::start(&mut demo);
    let mut line = String::new();
    // Kept until the end: it goes on to tell of its steps.
    let mut stdout = BufReader::new(demo.child().stdout.take().unwrap());
    stdout.read_line(&mut line).unwrap();
    assert!(line.contains("store"), "{line}");
    let cluster = children(demo.child().id());
    demo.signal(Signal::INT);
    assert_eq!(demo.wait().code(), Some(130));
    assert_eq!(fs::read_dir(sockets.path()).unwrap().count(), 0);
    for process in cluster {
        assert!(
            !Path::new(&format!("/proc/{process}")).exists(),
            "process {process} goes on"
        );
    }
}

/// The processes that a process has started.
fn children(process: u32) -> Vec<u32> {
    let listed = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    listed
        .split_whitespace()
        .map(|child| child.parse().unwrap())
        .collect()
}
