//! The binary as a user meets it: exit codes, streams, JSON lines.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::process::{Command, Output};

use serde_json::Value;

fn crake(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_crake"));
    command.args(arguments);
    for name in [
        "CRAKE_URL",
        "CRAKE_CONFIG",
        "CRAKE_BENCH_REPETITIONS",
        "CRAKE_LOG",
    ] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn rows(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_wrong() {
    for (arguments, word) in [
        (&["nonsense"][..], "nonsense"),
        (&["bench", "raw", "--transport", "pigeon"], "pigeon"),
        (&["bench", "raw", "-s", "12parsecs"], "parsecs"),
        (&["bench", "raw", "-s", "0"], "size"),
        (
            &["config", "--print", "--set", "urk=crake://a:1"],
            "the nearest is `url`",
        ),
        (&["config", "--print", "--url", "ftp://a"], "unknown scheme ftp"),
        (
            &["config", "--print", "--config", "/nonexistent.toml"],
            "/nonexistent.toml",
        ),
    ] {
        let output = crake(arguments);
        assert_eq!(
            output.status.code(),
            Some(2),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(word),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn config_prints_every_setting_with_its_origin() {
    let output = crake(&["config", "--print", "--json", "--url", "crake://elsewhere:1"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&output);
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
    assert_eq!(
        (&row("url")["value"], &row("url")["origin"]),
        (&"crake://elsewhere:1".into(), &"flag --url".into())
    );
    assert_eq!(row("bench.repetitions")["origin"], "default");
    assert_eq!(row("bench.repetitions")["variable"], "CRAKE_BENCH_REPETITIONS");
}
