//! What processes do that may have less of something than they want: a clear error, or a way without it. Never a signal.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use support::{Process, Server, clean, command, noise, stderr, text};
use tempfile::tempdir;

/// The binary in a shell that does something to itself first.
fn after(preparation: &str, arguments: &[&str]) -> Command {
    let mut shell = Command::new("sh");
    let script = format!("{preparation} && exec \"$0\" \"$@\"");
    clean(&mut shell)
        .args(["-c", &script, env!("CARGO_BIN_EXE_crake")])
        .args(arguments);
    shell
}

/// What `crake up` with so much memory says as it gives up at its start.
fn refused(preparation: &str, dram: &str, shm: &str) -> String {
    let up = ["up", "--listen", "127.0.0.1:0", "--dram", dram, "--shm", shm];
    let mut up = Process::start(after(preparation, &up).stderr(Stdio::piped()));
    let status = up.wait();
    let mut said = String::new();
    let stderr = up.child().stderr.as_mut().unwrap();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

#[test]
fn a_tier_that_there_are_no_addresses_for_is_an_error_at_start() {
    for shm in ["on", "off"] {
        let said = refused("ulimit -v 2000000", "4GiB", shm);
        assert!(
            said.contains("tier's memory") && said.contains("Cannot allocate memory"),
            "{said}"
        );
    }
}

#[test]
fn a_client_that_cannot_map_the_blocks_asks_for_them() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, noise(3_000_000, 1)).unwrap();
    let cluster = Server::start(&["up", "--listen", "127.0.0.1:0", "--dram", "1GiB", "--shm", "on"]);
    cluster.ok(&["fs", "put", text(&path), "/f"]);
    let cat = ["fs", "cat", "/f", "--url", cluster.url()];
    let output = after("ulimit -v 1000000", &cat).output().unwrap();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(
        output.stdout == noise(3_000_000, 1),
        "{} bytes",
        output.stdout.len()
    );
    assert_eq!(said.matches("cannot be used in place").count(), 1, "{said}");
}

#[test]
fn a_client_with_few_descriptors_works_or_says_so() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, noise(100_000, 1)).unwrap();
    let cluster = Server::start(&["up", "--listen", "127.0.0.1:0", "--dram", "8MiB", "--shm", "on"]);
    cluster.ok(&["fs", "put", text(&path), "/f"]);
    let mut failed = 0;
    for descriptors in 6..24 {
        let cat = ["fs", "cat", "/f", "--url", cluster.url()];
        let output = after(&format!("ulimit -n {descriptors}"), &cat).output().unwrap();
        let said = stderr(&output);
        match output.status.code() {
            Some(0) => assert!(output.stdout == noise(100_000, 1), "{descriptors}: {said}"),
            Some(1) => {
                assert!(
                    said.contains("descriptors") || said.contains("open files"),
                    "{descriptors}: {said}"
                );
                failed += 1;
            }
            _ => panic!("{descriptors} descriptors: {:?}, {said}", output.status),
        }
    }
    assert!((1..18).contains(&failed), "{failed} failed");
}

/// A control group that is removed when this is dropped.
struct Group(PathBuf);

impl Group {
    /// Of a machine whose control groups (v2) limit memory, and for a user who may make some.
    fn new(memory_max: &str) -> Option<Group> {
        let root = Path::new("/sys/fs/cgroup");
        let controllers = fs::read_to_string(root.join("cgroup.subtree_control")).ok()?;
        if !controllers.split_whitespace().any(|name| name == "memory") {
            return None;
        }
        let path = root.join(format!("crake-test-{}", std::process::id()));
        fs::create_dir(&path).ok()?;
        let group = Group(path);
        let is_limited = fs::write(group.0.join("memory.max"), memory_max).is_ok();
        is_limited.then_some(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

#[test]
fn a_tier_that_the_control_group_does_not_allow_is_an_error_at_start() {
    let Some(group) = Group::new("134217728") else {
        eprintln!("SKIPPED: control groups (v2) that limit memory cannot be made here");
        return;
    };
    let join = format!("echo $$ > {}", group.0.join("cgroup.procs").display());
    for shm in ["on", "off"] {
        let said = refused(&join, "256MiB", shm);
        assert!(said.contains("bytes of memory are available"), "{said}");
    }
}

#[test]
fn what_a_limit_leaves_is_enough_for_a_small_tier() {
    let mut limited = after(
        "ulimit -v 2000000",
        &["up", "--listen", "127.0.0.1:0", "--dram", "64MiB"],
    );
    let cluster = Server::spawn(&mut limited);
    assert_eq!(cluster.row["dram_bytes"], 64 << 20);
    assert_eq!(
        command(&["fs", "ls", "/", "--url", cluster.url()])
            .status()
            .unwrap()
            .code(),
        Some(0)
    );
}
