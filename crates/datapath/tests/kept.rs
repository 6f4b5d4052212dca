//! Memory that outlives who wrote it: in files, and in a simulated node.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::path::Path;

use crake_datapath::sim::{Crash, Network, SimConfig};
use crake_datapath::{Error, Runtime, RuntimeConfig};

/// The same of every backend.
fn keeps(runtime: &Runtime, directory: &Path) {
    let kept = runtime.kept_memory(directory).unwrap();
    assert_eq!(kept.len_bytes("a").unwrap(), None);
    let region = kept.region("a", 8192).unwrap();
    region.extent(..5).write(0, b"bytes");
    assert_eq!(kept.len_bytes("a").unwrap(), Some(8192));
    assert!(matches!(runtime.kept_memory(directory), Err(Error::Locked)));
    assert!(kept.region("a", 4096).is_err(), "it has another length");
    drop((kept, region));
    let kept = runtime.kept_memory(directory).unwrap();
    assert_eq!(kept.region("a", 8192).unwrap().extent(..5).to_vec(), b"bytes");
    kept.remove("a").unwrap();
    assert_eq!(kept.len_bytes("a").unwrap(), None);
    assert!(kept.remove("a").is_err());
    assert_eq!(kept.region("a", 4096).unwrap().extent(..5).to_vec(), [0; 5]);
}

#[test]
fn a_directory_keeps_memory() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    keeps(&runtime, &folder.path().join("below"));
}

#[test]
fn a_simulated_node_keeps_memory() {
    let network = Network::new(1, SimConfig::default());
    keeps(&network.runtime(1), Path::new("/kept"));
}

#[test]
fn a_simulated_process_leaves_its_memory_as_it_is_and_a_machine_some_of_it() {
    let network = Network::new(1, SimConfig::default());
    let directory = Path::new("/kept");
    let kept = network.runtime(1).kept_memory(directory).unwrap();
    let pages = 64;
    let region = kept.region("a", pages * 4096).unwrap();
    region.extent(..).fill(.., 7);
    network.crash(1, Crash::Process);
    assert!(matches!(kept.len_bytes("a"), Err(Error::Closed)), "it is dead");
    let kept = network.runtime(1).kept_memory(directory).unwrap();
    let again = kept.region("a", pages * 4096).unwrap();
    assert!(again.extent(..).to_vec().iter().all(|&byte| byte == 7));
    region.extent(..1).write(0, b"x");
    assert_eq!(again.extent(..1).to_vec(), b"x", "it is the same memory");
    network.crash(1, Crash::Machine);
    let kept = network.runtime(1).kept_memory(directory).unwrap();
    let bytes = kept.region("a", pages * 4096).unwrap().extent(..).to_vec();
    let left = bytes.chunks(4096).filter(|page| page[9] == 7).count();
    assert!((pages / 8..pages).contains(&left), "{left} pages are left");
}
