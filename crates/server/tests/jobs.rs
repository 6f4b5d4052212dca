//! Jobs through a whole cluster: quotas, ends of all kinds, and that nothing is left.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{Fixture, MIB, TRANSPORTS, Transport, pattern, read_file, write_file};
use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::Buf;
use crake_store::{Error, Job, JobOptions, Node, Store, blocking};

const LEASE: Duration = Duration::from_millis(500);

fn quota(bytes: u64, nodes: u64) -> JobOptions {
    JobOptions {
        name: "a test".into(),
        quota_bytes: bytes,
        quota_nodes: nodes,
    }
}

fn with_short_lease(transport: Transport) -> Fixture {
    Fixture::with(transport, 2, |namenode, _| namenode.lease = LEASE)
}

/// Until nothing but `/jobs` is left, and no block is taken.
fn await_nothing(cluster: &Fixture) {
    let namenode = cluster.namenode.as_ref().unwrap();
    cluster.until("everything is given back", || {
        let status = namenode.status();
        (status.nodes, status.used_bytes, status.leases) == (2, 0, 0)
    });
    cluster.check();
}

async fn room_of(job: &Job) -> (u64, u64) {
    let info = job.usage().await.unwrap();
    (info.used_bytes, info.used_nodes)
}

#[test]
fn what_is_above_the_quota_is_refused_and_the_rest_stays_readable() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        let (bytes, small) = (pattern(6 * MIB as usize, 1), pattern(3000, 2));
        cluster.run(async {
            let job = store.job(quota(4 * MIB, 3)).await.unwrap();
            let at = |name: &str| format!("{}/{name}", job.directory());
            write_file(&store, &at("small"), &small).await.unwrap();
            assert_eq!(room_of(&job).await, (4096, 1));
            let error = write_file(&store, &at("large"), &bytes).await.unwrap_err();
            let said = error.to_string();
            assert!(matches!(error, Error::QuotaExceeded { .. }), "{said}");
            let numbers = format!("job {} uses", job.id());
            assert!(
                said.contains(&numbers) && said.contains("of 4194304 bytes"),
                "{said}"
            );
            // The quota is full to the last block that fits, and what is in front of the failure was published.
            let there = read_file(&store, &at("large")).await.unwrap();
            assert!(
                there.len() >= 3 * MIB as usize && bytes.starts_with(&there),
                "{}",
                there.len()
            );
            assert!(read_file(&store, &at("small")).await.unwrap() == small);
            // Beside the job there is room.
            write_file(&store, "/beside", &bytes).await.unwrap();
            store.delete("/beside", false).await.unwrap();
            // And in it, when something goes.
            store.delete(&at("large"), false).await.unwrap();
            write_file(&store, &at("second"), &bytes[..3 * MIB as usize])
                .await
                .unwrap();
            store.make_dir(&at("d"), false).await.unwrap();
            let error = store.create(&at("fourth"), Node::File).await.unwrap_err();
            assert!(
                error.to_string().contains("uses 3 of 3 nodes")
                    || error.to_string().contains("; 3 of 3 nodes"),
                "{error}"
            );
            job.end().await.unwrap();
        });
        await_nothing(&cluster);
    }
}

#[test]
fn values_of_all_sizes_count_and_are_given_back() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = cluster.store();
    cluster.run(async {
        let job = store.job(quota(MIB, 0)).await.unwrap();
        let table = store
            .make_table(&format!("{}/t", job.directory()), false)
            .await
            .unwrap();
        table.put(b"small", &[1; 100]).await.unwrap();
        table.put(b"large", &vec![1; 500_000]).await.unwrap();
        let (bytes, nodes) = room_of(&job).await;
        assert_eq!((bytes, nodes), (524_388, 3));
        let error = table.put(b"other", &vec![1; 600_000]).await.unwrap_err();
        assert!(matches!(error, Error::QuotaExceeded { .. }), "{error}");
        // A commit that is refused keeps nothing, either.
        let error = table
            .put_if_absent(b"large", &vec![1; 500_000])
            .await
            .unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        assert_eq!(room_of(&job).await, (bytes, nodes));
        table.remove(b"large").await.unwrap();
        assert_eq!(room_of(&job).await, (100, 2));
        job.end().await.unwrap();
    });
    await_nothing(&cluster);
}

#[test]
fn a_job_that_is_dropped_ends_and_what_was_kept_stays() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        let bytes = pattern(100_000, 3);
        cluster.run(async {
            let job = store.job(JobOptions::default()).await.unwrap();
            let at = |name: &str| format!("{}/{name}", job.directory());
            store.make_dir(&at("out/deep"), true).await.unwrap();
            write_file(&store, &at("out/deep/f"), &bytes).await.unwrap();
            write_file(&store, &at("scratch"), &bytes).await.unwrap();
            let before = room_of(&job).await;
            job.keep("out", "/kept/here/out").await.unwrap();
            let after = room_of(&job).await;
            assert_eq!((before.0 - after.0, before.1 - after.1), (131_072, 3));
            // Nothing is replaced.
            let error = job.keep("scratch", "/kept/here").await.unwrap_err();
            assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
            // A name that was found before is not found when the job is gone.
            let scratch = at("scratch");
            for _ in 0..4 {
                store.lookup(&scratch).await.unwrap();
            }
            drop(job);
            while store.exists(&scratch).await.unwrap() {
                cluster.runtime.sleep(Duration::from_millis(1)).await;
            }
            assert!(read_file(&store, "/kept/here/out/deep/f").await.unwrap() == bytes);
            store.delete("/kept", true).await.unwrap();
        });
        await_nothing(&cluster);
    }
}

#[test]
fn writers_of_a_job_that_is_killed_are_told_so() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let (owner, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        let job = owner.job(JobOptions::default()).await.unwrap();
        let path = format!("{}/f", job.directory());
        let writer = other.create(&path, Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::copy_from_slice(&[7; 1000])).await.unwrap();
        writer.publish().await.unwrap();
        let killed = other.kill_job(job.id()).await.unwrap();
        assert_eq!((killed.id, killed.name.as_str()), (job.id(), ""));
        assert!(killed.ending && killed.used_nodes == 1);
        let error = writer.publish().await.unwrap_err();
        assert!(matches!(error, Error::JobEnded { .. }), "{error}");
        let error = writer.close().await.unwrap_err();
        assert!(matches!(error, Error::JobEnded { .. }), "{error}");
        let error = other.kill_job(job.id() + 1).await.unwrap_err();
        assert_eq!(error.to_string(), format!("job {}: not found", job.id() + 1));
        while job.usage().await.is_ok() {
            cluster.runtime.sleep(Duration::from_millis(1)).await;
        }
        // Ended is ended.
        job.end().await.unwrap();
    });
    await_nothing(&cluster);
}

#[test]
fn a_job_outlives_its_lease_only_as_long_as_its_owner_is_there() {
    let cluster = with_short_lease(Transport::Tcp);
    let address = cluster.namenode_address();
    let (said, heard) = mpsc::channel();
    let owner = thread::spawn(move || {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let store = runtime.block_on(Store::attach(&runtime, &address)).unwrap();
        let job = runtime.block_on(store.job(JobOptions::default())).unwrap();
        let path = format!("{}/f", job.directory());
        runtime
            .block_on(write_file(&store, &path, &pattern(3 * MIB as usize, 1)))
            .unwrap();
        // It does nothing but be there for four leases. Then it is stopped, as by a debugger.
        runtime.block_on(runtime.sleep(4 * LEASE));
        said.send((path, Instant::now())).unwrap();
        thread::sleep(6 * LEASE);
        let error = runtime.block_on(job.usage()).unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }), "{error}");
        runtime.block_on(job.end()).unwrap();
        runtime.shutdown();
    });
    let store = cluster.store();
    let mut heard_of = None;
    cluster.until("the owner is stopped", || {
        heard_of = heard.try_recv().ok();
        heard_of.is_some()
    });
    let (path, stopped) = heard_of.unwrap();
    assert!(cluster.run(store.exists(&path)).unwrap(), "it was renewed");
    await_nothing(&cluster);
    let took = stopped.elapsed();
    assert!(took < LEASE + Duration::from_secs(2), "{took:?}");
    assert!(!cluster.run(store.exists(&path)).unwrap());
    cluster.until("the owner is done", || owner.is_finished());
    owner.join().unwrap();
}

#[test]
fn a_thousand_jobs_at_once() {
    let cluster = Fixture::new(Transport::Unix, 2);
    let stores = [cluster.store(), cluster.store()];
    cluster.run(async {
        let mut jobs = Vec::new();
        let begun: Vec<_> = (0..1000)
            .map(|number| {
                let store = stores[number % 2].clone();
                cluster.runtime.spawn(async move {
                    let job = store.job(quota(8192, 1)).await.unwrap();
                    let path = format!("{}/f", job.directory());
                    write_file(&store, &path, &pattern(5000, number as u64))
                        .await
                        .unwrap();
                    let refused = store.create(&format!("{path}2"), Node::Directory).await;
                    assert!(matches!(refused, Err(Error::QuotaExceeded { .. })));
                    job
                })
            })
            .collect();
        for task in begun {
            jobs.push(task.await);
        }
        let listed = stores[0].jobs().await.unwrap();
        assert_eq!(listed.len(), 1000);
        assert!(listed.is_sorted_by_key(|job| job.id));
        assert!(
            listed
                .iter()
                .all(|job| (job.used_bytes, job.used_nodes) == (8192, 1))
        );
        for (number, job) in jobs.into_iter().enumerate() {
            match number % 3 {
                0 => job.end().await.unwrap(),
                1 => drop(stores[0].kill_job(job.id()).await.unwrap()),
                _ => drop(job),
            }
        }
    });
    await_nothing(&cluster);
    assert_eq!(cluster.run(stores[1].jobs()).unwrap(), []);
}

#[test]
fn a_large_tree_does_not_stop_others_while_it_goes() {
    const FILES: usize = 50_000;
    let cluster = Fixture::new(Transport::Local, 1);
    let (owner, other) = (cluster.store(), cluster.store());
    cluster.run(async {
        let job = owner.job(JobOptions::default()).await.unwrap();
        for directory in 0..FILES / 1000 {
            let paths: Vec<_> = (0..1000)
                .map(|name| format!("{}/{directory}/{name}", job.directory()))
                .collect();
            let options = crake_store::CreateOptions {
                parents: true,
                ..Node::Directory.into()
            };
            let made: Vec<_> = paths.iter().map(|path| owner.create(path, options)).collect();
            for made in made {
                made.await.unwrap();
            }
        }
        other.make_dir("/other", false).await.unwrap();
        job.end().await.unwrap();
        let nodes_then = other.usage().await.unwrap().nodes;
        assert!(
            nodes_then > FILES as u64 / 2,
            "{nodes_then}: it is removed by and by"
        );
        other.lookup("/other").await.unwrap();
        other.delete("/other", false).await.unwrap();
    });
    await_nothing(&cluster);
}

#[test]
fn a_program_without_a_runtime_has_jobs_too() {
    let cluster = Fixture::new(Transport::Local, 1);
    let store = blocking::Store::over(cluster.store());
    let job = store.job(quota(0, 5)).unwrap();
    store.make_dir(&format!("{}/d", job.directory()), false).unwrap();
    assert_eq!(job.usage().unwrap().used_nodes, 1);
    job.keep("d", "/d").unwrap();
    assert_eq!(store.jobs().unwrap().len(), 1);
    job.end().unwrap();
    drop(store.job(JobOptions::default()).unwrap());
    let third = store.job(JobOptions::default()).unwrap();
    assert_eq!(store.kill_job(third.id()).unwrap().id, third.id());
    drop(third);
    store.delete("/d", false).unwrap();
    await_nothing(&cluster);
}

#[test]
fn a_store_below_a_directory_has_no_jobs_and_says_why() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let store = cluster.store();
    cluster.run(async {
        store.make_dir("/team", false).await.unwrap();
        let url = format!(
            "crake://{}/team",
            cluster
                .namenode_address()
                .to_string()
                .trim_start_matches("tcp://")
        );
        let below = Store::connect(&cluster.runtime, &url).await.unwrap();
        let error = below.job(JobOptions::default()).await.unwrap_err();
        assert!(error.to_string().contains("connect without a path"), "{error}");
        assert_eq!(below.jobs().await.unwrap(), []);
    });
}
