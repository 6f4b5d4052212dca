//! What partitions have of one another that does not match: told and mended by `crake fsck`.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::Value;
use support::{Process, Server, eventually, free_ports, rows};
use tempfile::tempdir;

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Puts a copy of a log in its place.
fn put_back(copied: &Path, log: &Path) {
    fs::remove_dir_all(log).unwrap();
    copy(copied, log);
}

/// Has a log say that it was written before the machine crashed (`docs/format/log.md`): its end may be missing.
fn as_before_a_crash(log: &Path) {
    let files = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path());
    let is_segment = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("log-");
    for path in files.filter(is_segment) {
        let mut bytes = fs::read(&path).unwrap();
        bytes[40] ^= 1;
        let sum = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &bytes[16..125]);
        bytes[12..16].copy_from_slice(&u32::try_from(sum).unwrap().to_le_bytes());
        fs::write(&path, bytes).unwrap();
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

/// The machine of partition 1 has crashed, and the end of its log was not on the device: it has what was removed since, and has not what was made.
#[test]
fn what_a_lost_end_of_a_log_has_broken_is_told_and_mended() {
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
    for name in names("keys") {
        second.ok(&["kv", "create", &name]);
    }
    let keys = at_one(&second, &names("keys"));
    assert!(!keys.is_empty() && !removed.is_empty() && !made.is_empty());
    assert_eq!(checked(&second, &[], 0).0, Vec::<Value>::new());
    stop(&mut second);
    put_back(&older, &own);
    as_before_a_crash(&own);

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
    for name in &keys {
        assert!(has(&rows, "dangling", 0, &name[1..]), "{name}: {rows:?}");
    }
    let orphan_keys = rows.iter().filter(|row| row["problem"] == "orphan_keys");
    assert_eq!(orphan_keys.count(), keys.len(), "{rows:?}");
    let path_of = |path: &str| third.crake(&["fsck", "--remove-orphans", path]).status.code();
    assert_eq!(path_of("/old0"), Some(2));

    // A table that has lost keys has others, and goes by its name.
    let lacking = names("keys").into_iter().filter(|name| !keys.contains(name));
    for name in lacking {
        assert!(has(&rows, "lacks_keys", 0, &name[1..]), "{name}: {rows:?}");
        third.ok(&["fs", "rm", "-r", &name]);
    }
    eventually("all is mended", || {
        third.crake(&["fsck", "--repair"]).status.success()
    });
    stop(&mut third);
    let third = Server::partitions(2, port, &log);
    let (rows, summary) = checked(&third, &[], 0);
    assert_eq!((rows.len(), &summary["broken_ties"]), (0, &Value::from(0)));
    // Names that led to nothing are free again.
    for name in made.iter().chain(&keys) {
        third.ok(&["fs", "mkdir", name]);
    }
}

/// Nobody has crashed: somebody has put an older copy of a log in its place. Ids would be given a second time.
#[test]
fn an_older_log_is_refused_when_another_partition_knows_of_a_later_one() {
    let folder = tempdir().unwrap();
    let (port, log) = (free_ports(2), folder.path().join("log"));
    let names = |server: &Server| server.rows(&["fs", "ls", "/"]).len();
    let mut first = Server::partitions(2, port, &log);
    first.ok(&["fs", "mkdir", "/a"]);
    stop(&mut first);
    for partition in [1, 0] {
        let own = log.join(format!("partition{partition}"));
        let (older, newer) = (folder.path().join("older"), folder.path().join("newer"));
        copy(&own, &older);
        let mut server = Server::partitions(2, port, &log);
        let before = names(&server);
        for name in 0..8 {
            server.ok(&["fs", "mkdir", &format!("/{partition}{name}")]);
        }
        stop(&mut server);
        copy(&own, &newer);
        put_back(&older, &own);

        let said = folder.path().join("said");
        let mut command = Server::partitions_command(2, port, &log);
        command.stderr(fs::File::create(&said).unwrap());
        let mut refused = Process::start(&mut command);
        assert_eq!(refused.wait().code(), Some(1));
        let said = fs::read_to_string(said).unwrap();
        let other = 1 - partition;
        let wanted = format!("the log is older than what partition {other} knows of it");
        assert!(said.contains(&wanted), "{said}");

        // With the right one all is as it was.
        put_back(&newer, &own);
        let mut server = Server::partitions(2, port, &log);
        assert_eq!(names(&server), before + 8);
        assert_eq!(checked(&server, &[], 0).0, Vec::<Value>::new());
        stop(&mut server);
        [older, newer]
            .iter()
            .for_each(|copied| fs::remove_dir_all(copied).unwrap());
    }
    // Without any it begins anew, and the other knows that.
    fs::remove_dir_all(log.join("partition1")).unwrap();
    let server = Server::partitions(2, port, &log);
    eventually("what it had is gone", || names(&server) < 9);
    server.ok(&["fs", "mkdir", "/anew"]);
    eventually("they agree", || server.crake(&["fsck"]).status.success());
}
