//! ARCHITECTURE.md is true: the edges between the crates are those that it draws, and each
//! dependency from outside has its reason in it.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn every_edge_between_crates_is_drawn() {
    let drawn = drawn_edges(&architecture());
    let edges = workspace_edges(&metadata());
    assert!(
        edges.len() >= 9,
        "cargo metadata names only {} crates",
        edges.len()
    );
    for (name, uses) in &edges {
        let allowed = drawn
            .get(name)
            .unwrap_or_else(|| panic!("ARCHITECTURE.md does not draw `{name}`"));
        for used in uses {
            assert!(
                allowed.contains(used),
                "`{name}` uses `{used}`, which ARCHITECTURE.md does not draw"
            );
        }
    }
}

#[test]
fn a_crate_may_use_only_those_above_it() {
    let text = architecture();
    let order: Vec<String> = drawing(&text)
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    for (name, uses) in drawn_edges(&text) {
        let own = order.iter().position(|crate_name| *crate_name == name).unwrap();
        for used in uses {
            let other = order.iter().position(|crate_name| *crate_name == used);
            assert!(
                other.is_some_and(|other| other < own),
                "`{name}` is drawn using `{used}`, which is not above it"
            );
        }
    }
}

#[test]
fn each_outside_dependency_has_its_reason() {
    let text = architecture();
    for (package, dependency) in outside_dependencies(&metadata()) {
        let row = format!("| `{dependency}` |");
        assert!(
            text.contains(&row),
            "`{package}` depends on `{dependency}`, for which ARCHITECTURE.md gives no reason"
        );
    }
}

#[test]
fn unsafe_code_is_forbidden_outside_mem_and_datapath() {
    for name in ["wire", "wire-gen", "rpc", "store", "server", "sim", "cli"] {
        let source = root().join("crates").join(name).join("src");
        let root_file = ["lib.rs", "main.rs"]
            .map(|file| source.join(file))
            .into_iter()
            .find(|file| file.exists());
        let text = std::fs::read_to_string(root_file.expect("each crate has a root file")).unwrap();
        assert!(
            text.contains("#![forbid(unsafe_code)]"),
            "crates/{name} does not forbid unsafe code"
        );
    }
}

/// Bugs that can be planted are the simulator's; what is shipped is compiled without them.
#[test]
fn the_binary_has_no_canary() {
    let features = |package: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "-p", package, "-e", "features", "--offline"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(features("crake-cli").contains("crake-store"));
    assert!(!features("crake-cli").contains("canary"));
    assert!(
        features("crake-sim").contains("canary"),
        "it would show if it were there"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .unwrap()
        .to_owned()
}

fn architecture() -> String {
    std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The lines of the drawing below its heading.
fn drawing(text: &str) -> impl Iterator<Item = &str> {
    let start = text
        .find("crate      may use\n")
        .expect("the drawing has its heading");
    text[start..]
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with("```"))
}

fn drawn_edges(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    drawing(text)
        .map(|line| {
            let line = line.replace(['(', ')'], " ");
            let mut words = line
                .split_whitespace()
                .filter(|word| !["builds", "with"].contains(word))
                .map(str::to_owned);
            (words.next().unwrap(), words.collect())
        })
        .collect()
}

fn packages(metadata: &Value) -> impl Iterator<Item = (&str, &Vec<Value>)> {
    metadata["packages"].as_array().unwrap().iter().map(|package| {
        (
            package["name"].as_str().unwrap(),
            package["dependencies"].as_array().unwrap(),
        )
    })
}

fn workspace_edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    packages(metadata)
        .filter_map(|(name, dependencies)| {
            let names = dependencies
                .iter()
                .filter(|dependency| dependency["kind"] != "dev");
            let uses = names.filter_map(|dependency| dependency["name"].as_str()?.strip_prefix("crake-"));
            Some((
                name.strip_prefix("crake-")?.to_owned(),
                uses.map(str::to_owned).collect(),
            ))
        })
        .collect()
}

fn outside_dependencies(metadata: &Value) -> BTreeSet<(String, String)> {
    packages(metadata)
        .flat_map(|(package, dependencies)| {
            let names = dependencies
                .iter()
                .filter_map(|dependency| dependency["name"].as_str());
            names
                .filter(|name| !name.starts_with("crake-"))
                .map(move |name| (package.to_owned(), name.to_owned()))
        })
        .collect()
}
