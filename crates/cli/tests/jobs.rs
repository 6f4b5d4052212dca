//! `crake job`: commands as jobs, and what is left of them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod support;

use std::fs;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use support::{Process, Server, eventually, noise, rows, stderr, text};
use tempfile::{TempDir, tempdir};

/// How long a lease lives, and what is granted beyond it.
const LEASE: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(2);

/// Runs a shell script as a job; `crake` in it is the binary.
fn job(cluster: &Server, options: &[&str], script: &str) -> Output {
    let script = with_crake(script);
    let shell = ["--", "sh", "-c", &script];
    // The URL comes before the command, behind which everything is the command's.
    let url = ["--url", cluster.url()];
    let arguments = [&["job", "run"], &url[..], options, &shell].concat();
    support::command(&arguments).output().unwrap()
}

fn with_crake(script: &str) -> String {
    format!(
        "crake() {{ '{}' \"$@\"; }}\n{script}",
        env!("CARGO_BIN_EXE_crake")
    )
}

/// A job whose script has said, in a file, that it runs.
struct Running {
    process: Process,
    dir: TempDir,
}

impl Running {
    fn start(cluster: &Server, script: &str) -> Running {
        let dir = tempdir().unwrap();
        let script = with_crake(&script.replace("HERE", text(dir.path())));
        let arguments = ["job", "run", "--url", cluster.url(), "--", "sh", "-c", &script];
        let process = Process::start(support::command(&arguments).stdin(Stdio::null()));
        let running = Running { process, dir };
        eventually("the command runs", || running.said("runs").is_some());
        running
    }

    fn said(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.dir.path().join(name))
            .ok()
            .filter(|text| text.ends_with('\n'))
    }
}

fn ids(cluster: &Server) -> Vec<u64> {
    let rows = cluster.rows(&["job", "ls"]);
    rows.iter().map(|row| row["job"].as_u64().unwrap()).collect()
}

/// Nodes and bytes in use, as `du` of the root says.
fn left(cluster: &Server) -> String {
    cluster.ok(&["fs", "ls", "/jobs"])
}

fn big_file(dir: &Path) -> String {
    let path = dir.join("big");
    fs::write(&path, noise(2_000_000, 1)).unwrap();
    text(&path).into()
}

#[test]
fn a_command_finds_its_directory_and_leaves_nothing_but_what_is_kept() {
    let cluster = Server::up(1);
    let script = "echo $CRAKE_URL $CRAKE_JOB $CRAKE_JOB_DIR
        echo one | crake fs put - $CRAKE_JOB_DIR/a && crake fs mkdir $CRAKE_JOB_DIR/d || exit 9
        crake fs put - $CRAKE_JOB_DIR/d/b < /dev/null; crake job ls --json >&2";
    let ran = job(
        &cluster,
        &[
            "--name", "test", "--keep", "a=/out/a", "--keep", "d", "--quota", "1MiB", "--json",
        ],
        script,
    );
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let said = String::from_utf8(ran.stdout.clone()).unwrap();
    let (first, rest) = said.split_once('\n').unwrap();
    assert_eq!(first, format!("{} 1 /jobs/1", cluster.url()));
    let row = json!({"job": 1, "name": "test", "exit_code": 0, "kept": ["/out/a", "/kept/1/d"]});
    assert_eq!(rows(rest), [row]);
    let inside = stderr(&ran);
    let inside = &rows(inside.lines().find(|line| line.starts_with('{')).unwrap())[0];
    assert_eq!(
        (
            &inside["used_nodes"],
            &inside["used_bytes"],
            &inside["quota_bytes"],
            &inside["quota_nodes"]
        ),
        (&json!(3), &json!(4096), &json!(1 << 20), &json!(null))
    );
    assert_eq!(cluster.ok(&["fs", "cat", "/out/a"]), "one\n");
    assert_eq!(cluster.ok(&["fs", "ls", "/kept/1/d"]), "b\n");
    assert_eq!(left(&cluster), "");
    eventually("the job is gone", || ids(&cluster).is_empty());
}

#[test]
fn exit_codes_are_those_of_the_command_and_failures_keep_nothing() {
    let cluster = Server::up(1);
    let put = "echo x | crake fs put - $CRAKE_JOB_DIR/a";
    let failed = job(&cluster, &["--keep", "a=/a"], &format!("{put}; exit 7"));
    assert_eq!((failed.status.code(), stderr(&failed)), (Some(7), String::new()));
    assert!(cluster.fails(&["fs", "stat", "/a"]).contains("not found"));
    let kept = job(
        &cluster,
        &["--keep", "a=/a", "--keep-always"],
        &format!("{put}; exit 7"),
    );
    assert_eq!(kept.status.code(), Some(7));
    assert_eq!(cluster.ok(&["fs", "cat", "/a"]), "x\n");
    let killed = job(&cluster, &[], "kill -9 $$");
    assert_eq!(killed.status.code(), Some(128 + 9));
    let missing = job(&cluster, &["--keep", "b"], "true");
    assert_eq!(missing.status.code(), Some(1));
    assert!(
        stderr(&missing).contains("/b could not be kept"),
        "{}",
        stderr(&missing)
    );
    let in_the_way = job(&cluster, &["--keep", "a=/a"], "touch /nowhere/never");
    assert_eq!(in_the_way.status.code(), Some(1));
    assert!(
        stderr(&in_the_way).contains("--keep replaces nothing"),
        "{}",
        stderr(&in_the_way)
    );
    let url = ["--url", cluster.url()];
    let code = |arguments: &[&str]| {
        let arguments = [&["job", "run"], &url[..], arguments].concat();
        support::command(&arguments).output().unwrap().status.code()
    };
    assert_eq!(code(&["--", "/no/such/command"]), Some(127));
    assert_eq!(code(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(code(&[]), Some(2));
    assert_eq!(code(&["--keep", "=/a", "--", "true"]), Some(2));
    assert_eq!(code(&["--quota", "much", "--", "true"]), Some(2));
    assert_eq!(left(&cluster), "");
}

#[test]
fn a_command_is_told_what_its_quota_refuses() {
    let cluster = Server::up(1);
    let dir = tempdir().unwrap();
    let big = big_file(dir.path());
    let put = format!("crake fs put {big} $CRAKE_JOB_DIR/a");
    let ran = job(&cluster, &["--quota", "1MiB"], &put);
    assert_eq!(ran.status.code(), Some(1));
    let said = stderr(&ran);
    assert!(
        said.contains("quota exceeded (job 1 uses") && said.contains("of 1048576 bytes"),
        "{said}"
    );
    let ran = job(&cluster, &["--quota", "2MiB"], &put);
    assert_eq!(ran.status.code(), Some(0), "{}", stderr(&ran));
    let ran = job(
        &cluster,
        &["--nodes", "2"],
        "for i in 1 2 3; do crake fs mkdir $CRAKE_JOB_DIR/$i; done",
    );
    assert!(
        stderr(&ran).contains("/3: quota exceeded (job 3 uses 2 of 2 nodes, 1 more"),
        "{}",
        stderr(&ran)
    );
}

#[test]
fn signals_go_to_the_command_and_then_nothing_is_left() {
    let cluster = Server::up(1);
    let script =
        "trap 'echo > HERE/told; exit 5' TERM; echo x | crake fs put - $CRAKE_JOB_DIR/a; echo > HERE/runs
        while true; do sleep 0.02; done";
    let mut running = Running::start(&cluster, script);
    assert_eq!(left(&cluster), format!("{}\n", ids(&cluster)[0]));
    running.process.signal(Signal::TERM);
    assert_eq!(running.process.wait().code(), Some(5));
    assert!(running.said("told").is_some());
    assert_eq!(left(&cluster), "");
}

#[test]
fn a_job_that_is_killed_takes_its_command_along() {
    let cluster = Server::up(1);
    let mut running = Running::start(
        &cluster,
        "echo x | crake fs put - $CRAKE_JOB_DIR/a; echo > HERE/runs; exec sleep 600",
    );
    let id = ids(&cluster)[0].to_string();
    let killed = cluster.rows(&["job", "kill", &id]);
    assert_eq!(
        (&killed[0]["state"], &killed[0]["name"]),
        (&json!("ending"), &json!("sh"))
    );
    assert_eq!(running.process.wait().code(), Some(128 + 15));
    assert_eq!(left(&cluster), "");
    assert!(
        cluster
            .fails(&["job", "kill", &id])
            .contains(&format!("job {id}: not found"))
    );
}

#[test]
fn what_a_killed_owner_had_is_gone_within_the_lease() {
    let cluster = Server::up(1);
    let dir = tempdir().unwrap();
    let script = format!(
        "trap 'echo > HERE/told; exit' TERM; crake fs put {} $CRAKE_JOB_DIR/a; echo > HERE/runs
        while true; do sleep 0.02; done",
        big_file(dir.path())
    );
    let mut running = Running::start(&cluster, &script);
    let used = || {
        cluster
            .rows(&["job", "ls"])
            .iter()
            .map(|row| row["used_bytes"].as_u64().unwrap())
            .sum::<u64>()
    };
    assert_eq!(used(), 2 << 20);
    running.process.signal(Signal::KILL);
    let killed = Instant::now();
    running.process.wait();
    eventually("the command is told", || running.said("told").is_some());
    assert!(killed.elapsed() < GRACE, "{:?}", killed.elapsed());
    eventually("the job is gone", || ids(&cluster).is_empty());
    assert!(killed.elapsed() < LEASE + GRACE, "{:?}", killed.elapsed());
    assert_eq!((left(&cluster), used()), (String::new(), 0));
}

#[test]
fn top_shows_what_jobs_have_and_how_fast_it_grows() {
    let cluster = Server::up(1);
    let script = "echo > HERE/runs; i=0
        while true; do i=$((i+1)); crake fs mkdir $CRAKE_JOB_DIR/$i; done";
    let mut running = Running::start(&cluster, script);
    let top = &cluster.rows(&["job", "top", "--once", "--every", "0.5"])[0];
    assert!(top["nodes_per_second"].as_f64().unwrap() > 0.0, "{top}");
    assert_eq!(top["bytes_per_second"], json!(0.0));
    let shown = cluster.ok(&["job", "top", "--once", "--every", "0.05"]);
    assert!(shown.contains("nodes/s") && shown.contains("running"), "{shown}");
    assert!(cluster.ok(&["job", "ls"]).contains("sh"));
    running.process.signal(Signal::TERM);
    running.process.wait();
    let left = cluster.rows(&["job", "top", "--once", "--every", "0.05"]);
    assert!(left.is_empty(), "{left:?}");
    let url = ["job", "top", "--every", "0", "--url", cluster.url()];
    assert_eq!(support::command(&url).output().unwrap().status.code(), Some(2));
}
