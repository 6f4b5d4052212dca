//! Real processes of `crake`, which end with the test that started them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]
#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::{TempDir, tempdir};

/// Nothing here takes this long, however busy the machine is.
pub const SOON: Duration = Duration::from_secs(30);

/// The binary, without what the environment of the test may hold.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crake"));
    clean(&mut command).args(arguments);
    command
}

/// Takes the settings of the test's own environment away, and keeps sockets out of the user's own directory.
pub fn clean(command: &mut Command) -> &mut Command {
    for name in ["CRAKE_URL", "CRAKE_CONFIG", "CRAKE_LOG", "CRAKE_SHM"] {
        command.env_remove(name);
    }
    command.env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"))
}

/// A process that is killed when this is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    pub fn start(command: &mut Command) -> Process {
        Process {
            child: command.spawn().unwrap(),
        }
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// How it ended; a failure if it does not.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the process does not end");
            thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server that said where it is.
pub struct Server {
    pub process: Process,
    /// The line that it said.
    pub row: Value,
}

impl Server {
    /// Starts `crake ARGUMENTS --json` and waits for its line.
    pub fn start(arguments: &[&str]) -> Server {
        Server::spawn(&mut command(arguments))
    }

    /// The same of a command that a test has prepared.
    pub fn spawn(command: &mut Command) -> Server {
        let mut process = Process::start(command.arg("--json").stdin(Stdio::null()).stdout(Stdio::piped()));
        let mut line = String::new();
        let stdout = process.child().stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{command:?} ended: {}", process.wait());
        Server {
            process,
            row: serde_json::from_str(&line).unwrap(),
        }
    }

    /// A namenode of several partitions in one process, at ports from this one on, with a log for each.
    pub fn partitions(cores: u16, port: u16, log: &Path) -> Server {
        Server::spawn(&mut Server::partitions_command(cores, port, log))
    }

    /// The command for that.
    pub fn partitions_command(cores: u16, port: u16, log: &Path) -> Command {
        let listen = format!("127.0.0.1:{port}");
        let cores = cores.to_string();
        let own = ["namenode", "--listen", &listen, "--cores", &cores, "--log"];
        let mut command = command(&own);
        command.arg(log);
        command
    }

    /// A cluster with so many datanodes at free ports.
    pub fn up(datanodes: u32) -> Server {
        let datanodes = datanodes.to_string();
        Server::start(&[
            "up",
            "--listen",
            "127.0.0.1:0",
            "--datanodes",
            &datanodes,
            "--dram",
            "160MiB",
        ])
    }

    /// A datanode of this namenode at a free port.
    pub fn datanode(&self, more: &[&str]) -> Server {
        let own = ["datanode", "--namenode", self.url(), "--listen", "127.0.0.1:0"];
        Server::start(&[&own, more].concat())
    }

    /// Ends it without a warning.
    pub fn kill(mut self) {
        self.process.signal(Signal::KILL);
        assert!(was_killed(self.process.wait()));
    }

    pub fn url(&self) -> &str {
        self.row["url"].as_str().unwrap()
    }

    /// A command against this cluster.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(arguments);
        command.args(["--url", self.url()]);
        command
    }

    /// Runs a command against this cluster to its end.
    pub fn crake(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same for one that must succeed; gives its output.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.crake(arguments);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{arguments:?}: {}",
            stderr(&output)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same for one that must fail with exit code 1; gives what it says.
    pub fn fails(&self, arguments: &[&str]) -> String {
        let output = self.crake(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
        stderr(&output)
    }

    /// Its JSON lines.
    pub fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        rows(&self.ok(&[arguments, &["--json"]].concat()))
    }
}

pub fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Waits until something holds.
pub fn eventually(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within(SOON, holds), "it did not happen: {what}");
}

fn holds_within(time: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + time;
    while Instant::now() < deadline {
        if holds() {
            return true;
        }
        thread::sleep(Duration::from_millis(1));
    }
    false
}

/// Bytes without a pattern that chunks or blocks could hide in.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Content of a file, of which a failed assertion shows the length only.
#[derive(PartialEq, Eq)]
pub struct Bytes(pub Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// All that is below a folder: `None` for a directory, the bytes of a file.
pub fn contents(root: &Path) -> BTreeMap<PathBuf, Option<Bytes>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![root.to_path_buf()];
    while let Some(directory) = todo.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            let below = path.strip_prefix(root).unwrap().to_path_buf();
            if path.is_dir() {
                found.insert(below, None);
                todo.push(path);
            } else {
                found.insert(below, Some(Bytes(fs::read(&path).unwrap())));
            }
        }
    }
    found
}

/// A path as an argument.
pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder in memory, if there is one: where datanodes are to keep their blocks.
pub fn folder_in_memory() -> TempDir {
    let in_memory = tempfile::Builder::new()
        .prefix("crake-test-")
        .tempdir_in("/dev/shm");
    in_memory.unwrap_or_else(|_| tempdir().unwrap())
}

/// So many ports in a row that nobody has at the moment.
pub fn free_ports(count: u16) -> u16 {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if first < u16::MAX - count && (first..first + count).all(is_free) {
            return first;
        }
    }
    panic!("no {count} free ports in a row");
}

/// Whether a signal, and not `exit`, ended a process.
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal().is_some()
}
