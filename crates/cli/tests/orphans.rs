//! What partitions have of one another that does not match: told and mended by `crake fsck`.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;
use support::{Server, eventually, free_ports, rows};
use tempfile::tempdir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

fn stop(server: &mut Server) {
    server.process.signal(Signal::TERM);
    assert!(server.process.wait().success());
}

/// The rows of problems, and the summary.
fn checked(server: &Server, flags: &[&str], code: i32) -> (Vec<Value>, Value) {
    let output = server.crake(&[&["fsck", "--json"], flags].concat());
    assert_eq!(output.status.code(), Some(code), "{}", support::stderr(&output));
    let mut rows = rows(&String::from_utf8(output.stdout).unwrap());
    let summary = rows.pop().unwrap()["summary"].take();
    rows.retain(|row| row.get("problem").is_some());
    (rows, summary)
}

fn has(rows: &[Value], problem: &str, partition: u16, name: &str) -> bool {
    rows.iter().any(|row| {
        row["problem"] == problem
            && row["partition"] == partition
            && row["name"].as_str().unwrap_or("") == name
    })
}

/// Partition 1 goes on with an older copy of its log, which it is not to be given: it has what was removed since, and has not what was made.
#[test]
fn what_an_older_log_has_broken_is_told_and_mended() {
    let folder = tempdir().unwrap();
    let (port, log) = (free_ports(2), folder.path().join("log"));
    let (own, older) = (log.join("partition1"), folder.path().join("older"));
    let mut first = Server::partitions(2, port, &log);
    let names = |prefix: &str| (0..8).map(|at| format!("/{prefix}{at}")).collect::<Vec<_>>();
    let at_one = |server: &Server, names: &[String]| -> Vec<String> {
        let is_there = |name: &&String| server.rows(&["fs", "stat", name])[0]["partition"] == 1;
        names.iter().filter(is_there).cloned().collect()
    };
    for name in names("old") {
        first.ok(&["fs", "mkdir", &name]);
    }
    for name in names("table") {
        first.ok(&["kv", "create", &name]);
    }
    let table = at_one(&first, &names("table")).swap_remove(0);
    stop(&mut first);
    copy(&own, &older);

    let mut second = Server::partitions(2, port, &log);
    let removed = at_one(&second, &names("old"));
    for name in &removed {
        second.ok(&["fs", "rm", "-r", name]);
    }
    for name in names("new") {
        second.ok(&["fs", "mkdir", &name]);
    }
    let made = at_one(&second, &names("new"));
    second.ok(&["fs", "rm", "-r", &table]);
    assert!(!removed.is_empty() && !made.is_empty());
    assert_eq!(checked(&second, &[], 0).0, Vec::<Value>::new());
    stop(&mut second);
    fs::remove_dir_all(&own).unwrap();
    copy(&older, &own);

    let mut third = Server::partitions(2, port, &log);
    let (rows, summary) = checked(&third, &[], 1);
    assert_eq!(summary["broken_ties"], rows.len());
    for name in &removed {
        assert!(has(&rows, "orphan", 1, &name[1..]), "{name}: {rows:?}");
    }
    for name in &made {
        assert!(has(&rows, "dangling", 0, &name[1..]), "{name}: {rows:?}");
    }
    for problem in ["orphan", "lacks_keys"] {
        assert!(has(&rows, problem, 1, &table[1..]), "{problem}: {rows:?}");
    }
    let path_of = |path: &str| third.crake(&["fsck", "--remove-orphans", path]).status.code();
    assert_eq!(path_of("/old0"), Some(2));

    // A table that has lost keys goes with its name, or with what it was in.
    eventually("all is mended", || {
        third.crake(&["fsck", "--repair"]).status.success()
    });
    stop(&mut third);
    let third = Server::partitions(2, port, &log);
    let (rows, summary) = checked(&third, &[], 0);
    assert_eq!((rows.len(), &summary["broken_ties"]), (0, &Value::from(0)));
    // Names that led to nothing are free again.
    for name in &made {
        third.ok(&["fs", "mkdir", name]);
    }
}
