//! `crake bench` of each operation, against a cluster that it starts itself and against one that runs already.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use serde_json::Value;

const KINDS: [&str; 18] = [
    "write",
    "write-async",
    "read-sequential",
    "read-sequential-async",
    "read-random",
    "put-file",
    "view",
    "create-file",
    "create-file-async",
    "get-file",
    "get-file-async",
    "put-key",
    "get-key",
    "get-key-async",
    "put-keys",
    "scan-table",
    "enumerate-dir",
    "rpc",
];

fn bench(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_crake"))
        .args(["bench", "--repetitions", "1", "--json"])
        .args(arguments)
        .output()
        .unwrap()
}

/// The last row, which must be the summary of what was asked for.
fn summary(arguments: &[&str]) -> Value {
    let output = bench(arguments);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let row: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&row["bench"], &row["summary"]),
        (&arguments[0].into(), &true.into())
    );
    for path in row["paths"].as_array().unwrap() {
        let transport = if row["transport"] == "embedded" {
            "local"
        } else {
            row["transport"].as_str().unwrap()
        };
        assert_eq!(path["transport"], transport, "{row}");
    }
    assert_eq!(row["paths"][0]["peer"], "namenode", "{row}");
    for field in [
        "ops_per_s",
        "bytes_per_s",
        "p50_ns",
        "max_ns",
        "raw_ops_per_s",
        "ratio",
        "rate_ratio",
    ] {
        assert!(row[field].as_f64().unwrap() > 0.0, "{field} of {row}");
    }
    row
}

fn has_two_cores() -> bool {
    let enough = thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    if !enough {
        eprintln!("skipped: a benchmark needs two cores");
    }
    enough
}

#[test]
fn every_operation_runs_against_a_cluster_of_its_own() {
    if has_two_cores() {
        for (kind, transport) in KINDS.iter().flat_map(|kind| [(kind, "unix"), (kind, "shm")]) {
            let row = summary(&few(kind, transport));
            assert_eq!(
                (&row["transport"], &row["count"]),
                (&transport.into(), &30.into())
            );
            check_copies(&row);
            check_views(&row);
        }
    }
}

#[test]
fn messages_are_sent_both_ways() {
    if !has_two_cores() {
        return;
    }
    for transport in ["tcp", "unix", "shm"] {
        let output = bench(&["wire", "--transport", transport, "-k", "20"]);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let rows: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let (verdict, sizes) = rows.split_last().unwrap();
        assert_eq!(sizes.len(), 9, "{text}");
        for row in sizes {
            assert_eq!(row["transport"], transport);
            assert!(row["copied_ns"].as_f64().unwrap() > 0.0 && row["gathered_ns"].as_f64().unwrap() > 0.0);
        }
        let found = &verdict["gather_min"];
        assert!(
            found.is_null() || sizes.iter().any(|row| row["size"] == *found),
            "{verdict}"
        );
    }
    let refused = bench(&["wire", "--transport", "embedded"]);
    assert_eq!(refused.status.code(), Some(2));
}

/// Thirty operations, of files that are not as large as usual.
fn few<'a>(kind: &'a str, transport: &'a str) -> Vec<&'a str> {
    let mut arguments = vec![kind, "--transport", transport, "-k", "30"];
    if ["put-file", "view"].contains(&kind) {
        arguments.extend(["-s", "3MiB"]);
    }
    arguments
}

/// A row of views, and no other, says whether they were in place, which they are where client and datanode share memory.
fn check_views(row: &Value) {
    let expected = match row["bench"].as_str().unwrap() {
        "view" => (row["transport"] != "unix").into(),
        _ => Value::Null,
    };
    assert_eq!(row["in_place"], expected, "{row}");
}

/// Where client and datanode share memory, reads and writes of files are measured beside both ways to copy; nothing else is.
fn check_copies(row: &Value) {
    const COPIED: [&str; 6] = [
        "write",
        "write-async",
        "read-sequential",
        "read-sequential-async",
        "read-random",
        "put-file",
    ];
    let is_copied = COPIED.contains(&row["bench"].as_str().unwrap()) && row["transport"] != "unix";
    for field in ["raw_memcpy_bytes_per_s", "raw_nontemporal_bytes_per_s"] {
        assert_eq!(
            row[field].as_f64().is_some_and(|rate| rate > 0.0),
            is_copied,
            "{row}"
        );
    }
}

#[test]
fn every_operation_runs_within_the_process() {
    if has_two_cores() {
        for kind in KINDS {
            let row = summary(&few(kind, "embedded"));
            assert_eq!(row["transport"], "embedded");
            check_copies(&row);
            check_views(&row);
        }
    }
}

#[test]
fn a_cluster_of_its_own_has_a_log_if_that_is_asked_for_and_leaves_nothing() {
    if !has_two_cores() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let bench = |transport: &str, durability: &str, temporary: &Path| {
        Command::new(env!("CARGO_BIN_EXE_crake"))
            .args([
                "bench",
                "create-file-async",
                "-k",
                "300",
                "-b",
                "8",
                "--repetitions",
                "1",
                "--json",
            ])
            .args(["--transport", transport, "--durability", durability])
            // What the settings say is for other clusters than this one.
            .env("CRAKE_NAMENODE_LOG", folder.path().join("not-this"))
            .env("TMPDIR", temporary)
            .output()
            .unwrap()
    };
    for (transport, durability) in [("embedded", "async"), ("tcp", "sync"), ("tcp", "none")] {
        let output = bench(transport, durability, folder.path());
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{transport} {durability}: {errors}");
        let text = String::from_utf8(output.stdout).unwrap();
        let row: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        assert_eq!(row["durability"], durability);
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            0,
            "{transport} {durability}"
        );
    }
    let nowhere = folder.path().join("missing");
    assert!(bench("embedded", "none", &nowhere).status.success());
    let output = bench("embedded", "async", &nowhere);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("a directory for the log"));
}

#[test]
fn durability_is_of_a_cluster_of_its_own() {
    if has_two_cores() {
        let output = bench(&["rpc", "--url", "crake://127.0.0.1:1", "--durability", "async"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains("--durability"));
    }
}

#[test]
fn buffered_streams_and_many_clients_and_files_are_measured() {
    if has_two_cores() {
        let small = ["-s", "1KiB", "--buffered", "-k", "2048", "--transport", "unix"];
        for kind in ["write", "read-sequential"] {
            let row = summary(&[&[kind][..], &small].concat());
            assert_eq!((&row["size"], &row["buffered"]), (&1024.into(), &true.into()));
            assert_eq!(row["ratio"], row["rate_ratio"]);
        }
        let row = summary(&[
            "get-file-async",
            "--clients",
            "3",
            "--files",
            "500",
            "--directories",
            "7",
            "-k",
            "900",
        ]);
        assert_eq!((&row["clients"], &row["in_flight"]), (&3.into(), &128.into()));
    }
}

/// The cluster is on this host and could be reached through shared memory: what is measured is what was asked for.
#[test]
fn tcp_is_measured_when_it_is_asked_for() {
    if has_two_cores() {
        let row = summary(&["get-key", "-k", "30", "--transport", "tcp"]);
        assert_eq!(row["transport"], "tcp");
        assert_eq!(row["paths"].as_array().unwrap().len(), 2, "{row}");
    }
}

/// A running `crake up`, killed when dropped.
struct Up {
    child: Child,
    row: Value,
}

impl Up {
    fn start(arguments: &[&str], runtime_directory: &Path) -> Up {
        let mut child = Command::new(env!("CARGO_BIN_EXE_crake"))
            .args(["up", "--json"])
            .args(arguments)
            .env("XDG_RUNTIME_DIR", runtime_directory)
            .env_remove("CRAKE_SHM")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        Up {
            child,
            row: serde_json::from_str(&line).unwrap(),
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_running_cluster_is_used_and_left_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:0,unix://{}/socket", folder.path().display());
    let up = Up::start(
        &["--listen", &listen, "--datanodes", "2", "--dram", "64MiB"],
        folder.path(),
    );
    assert_eq!(up.row["dram_bytes"], 128 << 20);
    assert_eq!(up.row["datanodes"].as_array().unwrap().len(), 2);
    if has_two_cores() {
        for url in [
            up.row["url"].as_str().unwrap(),
            up.row["namenode"][1].as_str().unwrap(),
        ] {
            let measured = |options: &str| {
                let url = format!("{url}{options}");
                let row = summary(&["get-key", "--url", &url, "-k", "30"]);
                assert_eq!(row["paths"].as_array().unwrap().len(), 3);
                row["transport"].as_str().unwrap().to_owned()
            };
            assert_eq!(measured(""), "shm");
            assert_eq!(measured("?transport=shm"), "shm");
            assert_eq!(measured("?transport=unix"), "unix");
        }
        let tcp = format!("{}?transport=tcp", up.row["url"].as_str().unwrap());
        assert_eq!(
            summary(&["get-key", "--url", &tcp, "-k", "30"])["transport"],
            "tcp"
        );
    }
}

#[test]
fn no_cluster_there_is_a_clear_error() {
    if has_two_cores() {
        let output = bench(&["rpc", "--url", "crake://127.0.0.1:1"]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains("127.0.0.1:1"), "{errors}");
    }
}

#[test]
fn a_port_that_is_taken_is_a_clear_error() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for role in ["up", "namenode"] {
        let output = Command::new(env!("CARGO_BIN_EXE_crake"))
            .args([role, "--listen", &address, "--shm", "off"])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(&address), "{errors}");
    }
}
