//! Files that are appended to, of the kernel and of a simulated node; and workers.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use crake_datapath::sim::{Crash, Network, SimConfig};
use crake_datapath::{Error, Runtime, RuntimeConfig};

/// What holds for the files of any backend, in a directory that is not there yet.
fn conforms(runtime: &Runtime, directory: &Path) {
    let files = runtime.files(directory).unwrap();
    assert_eq!(files.names().unwrap(), [""; 0]);
    assert!(matches!(files.read("a"), Err(Error::Os(_))) && files.open("a").is_err());

    let a = files.create("a", 1 << 20).unwrap();
    assert_eq!(a.len_bytes().unwrap(), 0, "what is reserved is not there");
    a.append(b"hello ").unwrap();
    a.append(b"world").unwrap();
    a.sync(11).unwrap();
    assert_eq!(
        (a.len_bytes().unwrap(), files.read("a").unwrap()),
        (11, b"hello world".to_vec())
    );
    files.open("a").unwrap().append(b"!").unwrap();
    assert_eq!(files.read("a").unwrap(), b"hello world!");
    a.truncate(5).unwrap();
    a.append(b"+").unwrap();
    assert_eq!(files.read("a").unwrap(), b"hello+", "it goes on where it was cut");

    files.create("b", 0).unwrap().append(b"other").unwrap();
    files.rename("a", "b").unwrap();
    files.sync().unwrap();
    assert_eq!(
        (files.names().unwrap(), files.read("b").unwrap()),
        (vec!["b".to_owned()], b"hello+".to_vec())
    );
    assert_eq!(
        files.create("b", 0).unwrap().len_bytes().unwrap(),
        0,
        "a new one in its place"
    );
    files.remove("b").unwrap();
    assert_eq!(files.names().unwrap(), [""; 0]);

    assert_eq!(runtime.files(directory).err(), Some(Error::Locked));
    drop(files);
    runtime.files(directory).unwrap();
}

#[test]
fn files_of_the_kernel_conform() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    conforms(&runtime, &folder.path().join("new/directory"));
}

#[test]
fn files_of_a_simulated_node_conform() {
    let network = Network::new(1, SimConfig::default());
    conforms(&network.runtime(1), Path::new("/new/directory"));
}

#[test]
fn a_machine_that_dies_keeps_what_was_synced_and_a_process_all() {
    let network = Network::new(7, SimConfig::default());
    let mut lost = 0;
    for round in 0..30 {
        let name = format!("file-{round}");
        {
            let files = network.runtime(1).files(Path::new("/d")).unwrap();
            let file = files.create(&name, 0).unwrap();
            file.append(&[1; 100]).unwrap();
            file.sync(60).unwrap();
            files.sync().unwrap();
            // Its name is on the device, or nothing.
            files
                .create(&format!("{name}-unsynced"), 0)
                .unwrap()
                .append(b"x")
                .unwrap();
        }
        let crash = if round % 2 == 0 {
            Crash::Machine
        } else {
            Crash::Process
        };
        network.crash(1, crash);
        let runtime = network.runtime(1);
        let files = runtime.files(Path::new("/d")).unwrap();
        let len = files.read(&name).unwrap().len();
        let has_other = files.names().unwrap().contains(&format!("{name}-unsynced"));
        match crash {
            Crash::Process => assert!(len == 100 && has_other),
            Crash::Machine => assert!((60..=100).contains(&len) && !has_other),
        }
        lost += usize::from(len < 100);
        drop(files);
        network.crash(1, Crash::Process);
    }
    assert!(lost > 5, "as a rule some of it is lost");
}

#[test]
fn an_append_stops_where_it_is_told_to() {
    let network = Network::new(7, SimConfig::default());
    let runtime = network.runtime(1);
    let files = runtime.files(Path::new("/d")).unwrap();
    let file = files.create("f", 0).unwrap();
    network.tear_append(1, 15);
    file.append(&[1; 10]).unwrap();
    assert!(!network.is_torn(1));
    file.append(&[2; 10]).unwrap_err();
    assert!(network.is_torn(1));
    file.append(&[3; 10]).unwrap_err();
    assert_eq!(files.read("f").unwrap(), [[1; 10].as_slice(), &[2; 5]].concat());
    network.crash(1, Crash::Process);
    assert_eq!(
        files.read("f").err(),
        Some(Error::Closed),
        "handles of before reach nothing"
    );
}

#[test]
fn a_worker_does_one_job_after_the_other_beside_the_loop() {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let worker = runtime.worker("test").unwrap();
    let (begun, own) = (runtime.now_exact(), thread::current().id());
    let results = runtime.block_on(async {
        let slow = worker.run(move || {
            thread::sleep(Duration::from_millis(100));
            thread::current().id() != own
        });
        let mut slow = std::pin::pin!(slow);
        let waited = runtime
            .timeout(begun + Duration::from_millis(10), slow.as_mut())
            .await;
        assert!(waited.is_err(), "the loop goes on meanwhile");
        (slow.await, worker.run(|| 7).await)
    });
    assert_eq!(results, (true, 7));
    // Dropped, a job that has begun is done.
    let (tell, told) = std::sync::mpsc::channel();
    let begin = worker.run(move || tell.send(()).unwrap());
    assert!(
        runtime
            .block_on(runtime.timeout(runtime.now_exact(), begin))
            .is_err()
            || told.try_recv().is_ok()
    );
    drop(worker);
}

#[test]
fn a_simulated_worker_takes_its_time() {
    let network = Network::new(3, SimConfig::default());
    let runtime = network.runtime(1);
    let worker = runtime.worker("test").unwrap();
    let job = runtime.spawn(async move { worker.run(|| 7).await });
    let begun = network.now();
    network.run();
    assert!(job.is_finished() && network.now() > begun);
}
