//! What the pages in docs/ say about this repository is so.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_test_that_a_page_names_is_there() {
    let page = fs::read_to_string(root().join("docs/coming-from-crail.md")).unwrap();
    let rows = page.lines().filter(|line| line.matches('|').count() == 4);
    let named: BTreeSet<&str> = rows
        .filter_map(|row| row.trim_end_matches('|').rsplit('|').next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 40, "the page names only {}", named.len());
    let sources = sources();
    for name in named {
        let is_there = sources.iter().any(|source| is_test(source, name));
        assert!(is_there, "there is no test `{name}`");
    }
}

/// Whether a function of this name is marked as a test, or is one of a `proptest!`, and is not left out.
fn is_test(source: &str, name: &str) -> bool {
    let Some(at) = source.find(&format!("fn {name}(")) else {
        return false;
    };
    let above = source[..at].trim_end().lines().rev().map(str::trim);
    let attributes: Vec<&str> = above.take_while(|line| line.starts_with('#')).collect();
    attributes.contains(&"#[test]") && !attributes.iter().any(|line| line.starts_with("#[ignore"))
}

#[test]
fn every_page_that_is_named_is_there() {
    let mut texts = files(&root().join("docs"), "md");
    texts.extend(["README.md", "ARCHITECTURE.md"].map(|name| root().join(name)));
    texts.extend(files(&root().join("crates"), "rs"));
    let mut named = 0;
    for text in &texts {
        for page in pages_in(&fs::read_to_string(text).unwrap()) {
            assert!(root().join(page).exists(), "{} names {page}", text.display());
            named += 1;
        }
    }
    assert!(named > 50, "only {named} pages are named");
}

fn pages_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("docs/").filter_map(|(at, _)| {
        let page = text[at..]
            .split(|c: char| c.is_whitespace() || "`),;:|\"*".contains(c))
            .next()?;
        page.trim_end_matches('.')
            .ends_with(".md")
            .then(|| page.trim_end_matches('.'))
    })
}

fn sources() -> Vec<String> {
    let files = files(&root().join("crates"), "rs");
    files
        .iter()
        .map(|file| fs::read_to_string(file).unwrap())
        .collect()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
