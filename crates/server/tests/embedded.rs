//! A cluster inside the process.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::io::{Read, Write};

use crake_server::{ClusterConfig, Embedded};
use crake_store::blocking::Store;
use crake_store::{Error, Node};

#[test]
fn a_store_brings_its_cluster_along() {
    let store = Store::embedded().unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at * 7 % 251) as u8).collect();
    let mut out = store.create("/f", Node::File).unwrap().writer().unwrap();
    out.write_all(&bytes).unwrap();
    out.close().unwrap();
    let mut back = Vec::new();
    store
        .open("/f")
        .unwrap()
        .reader()
        .unwrap()
        .read_to_end(&mut back)
        .unwrap();
    assert!(back == bytes);
    assert!(matches!(store.lookup("/g"), Err(Error::NotFound { .. })));
}

#[test]
fn two_embedded_stores_do_not_meet() {
    let (one, other) = (Store::embedded().unwrap(), Store::embedded().unwrap());
    one.make_dir("/d", false).unwrap();
    assert!(one.exists("/d").unwrap());
    assert!(!other.exists("/d").unwrap());
}

#[test]
fn an_embedded_cluster_goes_with_its_store_and_leaves_nothing_behind() {
    let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let mapped = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmSize:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    let cycle = || {
        let store = Store::embedded_with(ClusterConfig {
            datanodes: 3,
            ..ClusterConfig::default()
        })
        .unwrap();
        let mut out = store.create("/f", Node::File).unwrap().writer().unwrap();
        out.write_all(&[7; 100_000]).unwrap();
        // Neither the writer nor the store is closed in good order.
    };
    cycle();
    let (descriptors_before, mapped_before) = (descriptors(), mapped());
    (0..10).for_each(|_| cycle());
    // Other tests of this process come and go meanwhile: a leak would show as 10 runtimes and 30 GiB.
    assert!(
        descriptors() < descriptors_before + 10,
        "{} descriptors",
        descriptors()
    );
    assert!(
        mapped() < mapped_before + 10 * 1024,
        "{} MiB are mapped",
        mapped()
    );
}

#[test]
fn a_view_within_the_process_copies_nothing_and_outlives_its_file() {
    let store = Store::embedded().unwrap();
    let bytes: Vec<u8> = (0..3_000_000u32).map(|at| (at % 253) as u8).collect();
    let mut out = store.create("/f", Node::File).unwrap().writer().unwrap();
    out.write_all(&bytes).unwrap();
    out.close().unwrap();
    let view = store.open("/f").unwrap().read_view(1000..2_500_000).unwrap();
    store.delete("/f", false).unwrap();
    assert!(view.is_in_place() && view.is_held());
    assert!(view.to_vec() == bytes[1000..2_500_000]);
    assert!(store.usage().unwrap().used > 0, "its blocks are kept");
    drop(view);
    assert_eq!(store.usage().unwrap().used, 0);
}

#[test]
fn a_cluster_without_datanodes_is_refused() {
    assert!(
        Store::embedded_with(ClusterConfig {
            datanodes: 0,
            ..ClusterConfig::default()
        })
        .is_err()
    );
}
