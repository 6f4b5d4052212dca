//! `crake bench raw` with its real second process.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::process::Command;
use std::thread;

use serde_json::Value;

/// Runs three repetitions and gives the rows; the last one is the summary.
fn bench_raw(transport: &str, count: u64, in_flight: u64) -> Vec<Value> {
    rows(
        transport,
        &["-k", &count.to_string(), "-b", &in_flight.to_string()],
    )
}

fn rows(transport: &str, arguments: &[&str]) -> Vec<Value> {
    let output = Command::new(env!("CARGO_BIN_EXE_crake"))
        .args([
            "bench",
            "raw",
            "--transport",
            transport,
            "--repetitions",
            "3",
            "--json",
        ])
        .args(arguments)
        .output()
        .unwrap();
    let (text, errors) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8_lossy(&output.stderr),
    );
    assert!(output.status.success(), "{errors}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn has_two_cores() -> bool {
    let enough = thread::available_parallelism().is_ok_and(|cores| cores.get() >= 2);
    if !enough {
        eprintln!("skipped: a benchmark needs two cores");
    }
    enough
}

fn check_rows(rows: &[Value], transport: &str, in_flight: u64) {
    assert!(rows.len() >= 4, "{rows:?}");
    for row in rows {
        assert_eq!(
            (&row["bench"], &row["transport"]),
            (&"raw".into(), &transport.into())
        );
        assert_eq!(
            (&row["size"], &row["in_flight"], &row["count"]),
            (&64.into(), &in_flight.into(), &1000.into())
        );
        for field in [
            "ops_per_s",
            "bytes_per_s",
            "p50_ns",
            "p99_ns",
            "p999_ns",
            "max_ns",
            "raw_ops_per_s",
            "raw_p50_ns",
            "ratio",
        ] {
            assert!(row[field].as_f64().unwrap() > 0.0, "{field} of {row}");
        }
        assert!(row["near"].is_boolean() && row["shielded"].is_boolean(), "{row}");
        assert!(row["p50_ns"].as_u64() <= row["p99_ns"].as_u64(), "{row}");
        assert!(row["p999_ns"].as_u64() <= row["max_ns"].as_u64(), "{row}");
        let bytes = row["ops_per_s"].as_f64().unwrap() * 64.0;
        assert!(
            (row["bytes_per_s"].as_f64().unwrap() / bytes - 1.0).abs() < 1e-9,
            "{row}"
        );
    }
    let (last, repetitions) = rows.split_last().unwrap();
    assert_eq!(
        (&last["summary"], &last["repetitions"]),
        (&true.into(), &3.into())
    );
    assert!(
        repetitions
            .iter()
            .all(|row| row["repetition"].is_u64() && row["summary"].is_null())
    );
}

#[test]
fn each_transport_gives_a_row_per_repetition_and_a_summary() {
    if has_two_cores() {
        for transport in ["unix", "tcp", "shm", "embedded"] {
            check_rows(&bench_raw(transport, 1000, 1), transport, 1);
        }
    }
}

#[test]
fn copies_give_a_figure_for_either_way_and_the_faster_counts() {
    if !has_two_cores() {
        return;
    }
    for (transport, in_flight) in [("shm", "1"), ("embedded", "4")] {
        let rows = rows(
            transport,
            &["--shape", "copy", "-s", "64KiB", "-k", "100", "-b", in_flight],
        );
        let (summary, repetitions) = rows.split_last().unwrap();
        for row in &rows {
            let rate = |field: &str| row[field].as_f64().unwrap();
            let ways = [
                rate("raw_memcpy_bytes_per_s"),
                rate("raw_nontemporal_bytes_per_s"),
            ];
            assert!(ways[0] > 0.0 && ways[1] > 0.0, "{row}");
            let (raw, faster) = (rate("raw_bytes_per_s"), ways[0].max(ways[1]));
            // The median of the faster ones is not the faster of the medians.
            assert!(row == summary || (raw / faster - 1.0).abs() < 1e-9, "{row}");
        }
        assert!(repetitions.len() >= 3, "{rows:?}");
    }
}

#[test]
fn more_in_flight_is_more_operations() {
    if has_two_cores() {
        let one = bench_raw("unix", 20_000, 1);
        let many = bench_raw("unix", 20_000, 128);
        let rate = |rows: &[Value]| rows.last().unwrap()["raw_ops_per_s"].as_f64().unwrap();
        assert!(
            rate(&many) > 4.0 * rate(&one),
            "{} and {}",
            rate(&many),
            rate(&one)
        );
    }
}
