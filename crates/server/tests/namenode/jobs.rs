//! Jobs: what they may have, who may end them, and what is left.

use crake_server::namenode::command::{
    Amount, Create, JobCreate, JobId, JobInfo, JobState, Kind, LeaseId, MOVED_NODES_MAX, NodeId, PendingId,
    Put, PutItem,
};
use crake_server::namenode::{Command, Config, Failure, Reply, SessionId};

use crate::world::{A, B, MIB, Opened, SECOND, World, lengths};

const KIB: u64 = 1024;

/// What a test looks at of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Job {
    id: JobId,
    name: String,
    used: Amount,
    state: JobState,
}

impl Job {
    fn of(info: &JobInfo<'_>) -> Job {
        Job {
            id: info.id,
            name: info.name.into(),
            used: info.used,
            state: info.state,
        }
    }
}

fn amount(bytes: u64, nodes: u64) -> Amount {
    Amount { bytes, nodes }
}

impl World {
    fn job(&mut self, session: SessionId, bytes: u64, nodes: u64) -> Result<JobId, Failure> {
        let request = JobCreate {
            name: "a job",
            quota: amount(bytes, nodes),
        };
        self.run(session, Command::JobCreate(request), job_of)
            .map(|job| job.id)
    }

    fn end(&mut self, session: SessionId, job: JobId, kill: bool) -> Result<Job, Failure> {
        self.run(session, Command::JobEnd { job, kill }, job_of)
    }

    fn jobs(&mut self) -> Vec<Job> {
        let command = Command::JobList {
            after: JobId(0),
            limit: 0,
        };
        self.run(B, command, |reply| match reply {
            Reply::Jobs { jobs, more: false } => jobs.map(|info| Job::of(&info)).collect(),
            other => panic!("{other:?}"),
        })
        .unwrap()
    }

    fn use_of(&mut self, id: JobId) -> Amount {
        let jobs = self.jobs();
        jobs.iter().find(|job| job.id == id).expect("it is there").used
    }

    /// Renews nobody, so that leases run out; datanodes are alive.
    fn pass_quietly(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.pass(SECOND);
            let (datanode, incarnation) = (1, 1);
            let command = Command::Heartbeat {
                datanode,
                incarnation,
            };
            self.namespace.apply(self.now, B, &command).unwrap();
        }
    }

    fn put_value(&mut self, path: &str, key: &[u8], len: usize) -> Result<u64, Failure> {
        let put = Put {
            path,
            key,
            value: &vec![7; len],
            ..Put::default()
        };
        self.run(A, Command::Put(put), version_of)
    }

    fn put_large_at(&mut self, path: &str, key: &[u8], size: u64) -> Result<PendingId, Failure> {
        let put = Put {
            path,
            key,
            size,
            large: true,
            ..Put::default()
        };
        self.run(A, Command::Put(put), |reply| match reply {
            Reply::Put { pending, .. } => pending,
            other => panic!("{other:?}"),
        })
    }

    fn create_hinted(&mut self, path: &str, size_hint: u64, replace: bool) -> Result<Opened, Failure> {
        self.create(Create {
            path,
            kind: Kind::File,
            parents: true,
            replace,
            size_hint,
            ..Create::default()
        })
    }
}

fn job_of(reply: Reply<'_>) -> Job {
    match reply {
        Reply::Job(info) => Job::of(&info),
        other => panic!("{other:?}"),
    }
}

fn version_of(reply: Reply<'_>) -> u64 {
    match reply {
        Reply::Put { version, .. } => version,
        other => panic!("{other:?}"),
    }
}

fn path(job: JobId, rest: &str) -> String {
    format!("/jobs/{}{rest}", job.0)
}

#[test]
fn a_job_lives_as_long_as_its_session() {
    let mut world = World::with_memory(8);
    let (mine, other) = (world.job(A, 0, 0).unwrap(), world.job(B, 0, 0).unwrap());
    assert_ne!(mine, other);
    world.written(&path(mine, "/f"), 100);
    for _ in 0..5 {
        world.pass_quietly(6);
        world.namespace.apply(world.now, A, &Command::Renew).unwrap();
    }
    assert_eq!(world.jobs().len(), 1, "the other owner was silent");
    assert_eq!(world.names("/jobs"), [mine.0.to_string()]);
    assert!(world.used() > 0);
    world.pass_quietly(10);
    world.pass(SECOND);
    assert_eq!(world.jobs(), []);
    assert_eq!(world.names("/jobs"), [""; 0]);
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
}

#[test]
fn all_below_the_directory_counts_and_what_goes_is_given_back() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 0, 0).unwrap();
    world.directory(&path(job, "/d"));
    world.written(&path(job, "/d/f"), 5000);
    assert_eq!(world.use_of(job), amount(8 * KIB, 2));
    let open = world.file(&path(job, "/open"));
    world.allocate(&open, 0, 3 * MIB).unwrap();
    assert_eq!(world.use_of(job), amount(3 * MIB + 8 * KIB, 3));
    world.publish(&open, 1, true).unwrap();
    assert_eq!(
        world.use_of(job),
        amount(MIB + 8 * KIB, 3),
        "what is not used goes back"
    );
    world.make(&path(job, "/t"), Kind::Table).unwrap();
    world.put_value(&path(job, "/t"), b"k", 10).unwrap();
    world.put_value(&path(job, "/t"), b"l", 500).unwrap();
    assert_eq!(world.use_of(job), amount(MIB + 8 * KIB + 510, 6));
    world.put_value(&path(job, "/t"), b"l", 20).unwrap();
    assert_eq!(world.use_of(job), amount(MIB + 8 * KIB + 30, 6));
    world.delete(&path(job, "/t"), true).unwrap();
    world.delete(&path(job, "/open"), false).unwrap();
    assert_eq!(world.use_of(job), amount(8 * KIB, 2));
    world.create_hinted(&path(job, "/d/f"), 0, true).unwrap();
    assert_eq!(world.use_of(job), amount(0, 2));
    world.written("/outside", 5000);
    assert_eq!(world.use_of(job), amount(0, 2));
}

#[test]
fn a_file_fills_its_quota_to_the_last_block_and_stays_readable() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 100 * KIB, 0).unwrap();
    let file = world.file(&path(job, "/f"));
    let blocks = world.allocate(&file, 0, MIB).unwrap();
    assert_eq!(
        blocks.iter().map(|block| u64::from(block.length)).sum::<u64>(),
        100 * KIB
    );
    assert_eq!(lengths(&blocks)[0], 64 * KIB);
    assert_eq!(world.allocate(&file, 100 * KIB, 1), Err(Failure::QuotaExceeded));
    world.publish(&file, 100 * KIB, true).unwrap();
    assert_eq!(world.first_blocks(&path(job, "/f")).len(), blocks.len());
    assert_eq!(world.use_of(job), amount(100 * KIB, 1));
    // Somebody else's file is not of this job.
    world.written("/other", MIB);
    world.delete(&path(job, "/f"), false).unwrap();
    world.written(&path(job, "/g"), 100 * KIB);
}

#[test]
fn an_operation_above_the_quota_is_refused_and_says_whose() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 10 * KIB, 4).unwrap();
    world.make(&path(job, "/t"), Kind::Table).unwrap();
    let many = path(job, "/a/b/c/d");
    let request = Create {
        path: &many,
        kind: Kind::Directory,
        parents: true,
        ..Create::default()
    };
    assert_eq!(world.create(request).unwrap_err(), Failure::QuotaExceeded);
    assert_eq!(world.put_value(&path(job, "/t"), b"k", 1024), Ok(1));
    assert_eq!(world.use_of(job), amount(KIB, 2));
    // Blocks for 9 KiB are 12 KiB.
    assert_eq!(
        world
            .create_hinted(&path(job, "/f"), 9 * KIB, false)
            .unwrap()
            .blocks
            .len(),
        2
    );
    assert_eq!(world.use_of(job), amount(9 * KIB, 3));
    assert_eq!(world.put_value(&path(job, "/t"), b"l", 1024), Ok(2));
    assert_eq!(
        world.put_value(&path(job, "/t"), b"k", 1024),
        Ok(3),
        "in the place of as much"
    );
    assert_eq!(
        world.put_value(&path(job, "/t"), b"m", 0),
        Err(Failure::QuotaExceeded)
    );
    let put = world.put_large_at(&path(job, "/t"), b"k", 1);
    assert_eq!(put.unwrap_err(), Failure::QuotaExceeded);
    assert_eq!(
        world.make(&path(job, "/g"), Kind::File).unwrap_err(),
        Failure::QuotaExceeded
    );
    world.delete(&path(job, "/t/l"), false).unwrap();
    assert_eq!(world.use_of(job), amount(9 * KIB, 3));
    assert_eq!(
        world.create_hinted(&path(job, "/g"), 1, false).unwrap_err(),
        Failure::QuotaExceeded
    );
    world.file(&path(job, "/g"));
}

#[test]
fn a_file_may_be_replaced_by_one_that_needs_its_room() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 64 * KIB, 1).unwrap();
    world.written(&path(job, "/f"), 64 * KIB);
    let again = world.create_hinted(&path(job, "/f"), 64 * KIB, true).unwrap();
    assert_eq!(lengths(&again.blocks), [64 * KIB]);
    assert_eq!(world.use_of(job), amount(64 * KIB, 1));
}

#[test]
fn a_large_value_on_its_way_counts_for_its_job() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 128 * KIB, 0).unwrap();
    let table = path(job, "/t");
    world.make(&table, Kind::Table).unwrap();
    let pending = world.put_large_at(&table, b"k", 60 * KIB).unwrap();
    assert_eq!(world.use_of(job), amount(64 * KIB, 2));
    world.commit(pending, true).unwrap();
    assert_eq!(world.use_of(job), amount(0, 1));
    for _ in 0..3 {
        let pending = world.put_large_at(&table, b"k", 60 * KIB).unwrap();
        world.commit(pending, false).unwrap();
        assert_eq!(world.use_of(job), amount(64 * KIB, 2));
    }
    // It would be there twice until it is committed.
    let refused = world.put_large_at(&table, b"k", 128 * KIB);
    assert_eq!(refused.unwrap_err(), Failure::QuotaExceeded);
    // A table that leaves the job takes with it what is to be committed.
    let pending = world.put_large_at(&table, b"l", 60 * KIB).unwrap();
    world.rename(&table, "/t").unwrap();
    assert_eq!(world.use_of(job), amount(64 * KIB, 1));
    world.commit(pending, false).unwrap();
    assert_eq!(world.use_of(job), amount(0, 0));
    // One that comes brings it, if there is room.
    let pending = world.put_large_at("/t", b"m", 60 * KIB).unwrap();
    world.rename("/t", &table).unwrap();
    assert_eq!(world.use_of(job), amount(128 * KIB, 3));
    assert_eq!(world.commit(pending, false), Err(Failure::QuotaExceeded));
    world.delete(&path(job, "/t/k"), false).unwrap();
    world.commit(pending, false).unwrap();
    assert_eq!(world.use_of(job), amount(128 * KIB, 3));
}

#[test]
fn a_rename_takes_the_use_along_if_there_is_room() {
    let mut world = World::with_memory(16);
    let (one, two) = (world.job(A, 0, 0).unwrap(), world.job(B, 8 * KIB, 3).unwrap());
    world.directory(&path(one, "/d"));
    world.written(&path(one, "/d/f"), 4096);
    world.written(&path(one, "/d/g"), 4096);
    assert_eq!(world.use_of(one), amount(8 * KIB, 3));
    world.rename(&path(one, "/d"), &path(one, "/e")).unwrap();
    assert_eq!(world.use_of(one), amount(8 * KIB, 3));
    world.rename(&path(one, "/e"), &path(two, "/e")).unwrap();
    assert_eq!(
        (world.use_of(one), world.use_of(two)),
        (amount(0, 0), amount(8 * KIB, 3))
    );
    world.written("/h", 1);
    assert_eq!(world.rename("/h", &path(two, "/h")), Err(Failure::QuotaExceeded));
    assert_eq!(
        world.rename("/h", &path(two, "/e/f")).map(|node| node.size),
        Ok(1),
        "in its place"
    );
    world.rename(&path(two, "/e"), "/kept").unwrap();
    assert_eq!(world.use_of(two), amount(0, 0));
    // What was kept is there when both are gone.
    world.end(A, one, false).unwrap();
    world.end(B, two, false).unwrap();
    world.pass(SECOND);
    assert_eq!(world.names("/kept"), ["f", "g"]);
    assert_eq!((world.jobs(), world.used()), (vec![], 8 * KIB));
}

#[test]
fn an_open_file_counts_where_it_is() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 0, 0).unwrap();
    let file = world.file(&path(job, "/f"));
    world.allocate(&file, 0, MIB).unwrap();
    world.rename(&path(job, "/f"), "/f").unwrap();
    assert_eq!(world.use_of(job), amount(0, 0));
    world.allocate(&file, MIB, MIB).unwrap();
    assert_eq!(world.use_of(job), amount(0, 0));
    world.rename("/f", &path(job, "/g")).unwrap();
    assert_eq!(world.use_of(job), amount(2 * MIB, 1));
    world.publish(&file, 1, true).unwrap();
    assert_eq!(world.use_of(job), amount(MIB, 1));
}

/// Without checks after each command, which look at all nodes.
fn quietly(world: &mut World, command: Command<'_>) -> Result<(), Failure> {
    world.namespace.apply(world.now, A, &command).map(drop)
}

fn make_many(world: &mut World, directory: &str, count: u64) {
    for number in 0..count {
        let create = Create {
            path: &format!("{directory}/{number}"),
            kind: Kind::Directory,
            parents: true,
            ..Create::default()
        };
        quietly(world, Command::Create(create)).unwrap();
    }
}

#[test]
fn a_rename_across_the_border_of_a_job_counts_no_more_than_it_may() {
    let mut world = World::new();
    let job = world.job(A, 0, 0).unwrap();
    make_many(&mut world, &path(job, "/d"), MOVED_NODES_MAX - 1);
    assert_eq!(world.use_of(job).nodes, MOVED_NODES_MAX);
    world.rename(&path(job, "/d"), "/d").unwrap();
    assert_eq!(world.use_of(job).nodes, 0);
    world.directory("/d/one more");
    assert_eq!(world.rename("/d", &path(job, "/d")), Err(Failure::TreeTooLarge));
    world.rename("/d", "/e").unwrap();
}

#[test]
fn what_a_job_had_is_gone_at_once_and_freed_by_and_by() {
    let mut world = World::with_memory(64);
    let (job, other) = (world.job(A, 0, 0).unwrap(), world.job(A, 0, 0).unwrap());
    make_many(&mut world, &path(job, "/d/e"), 3000);
    world.written(&path(job, "/z"), MIB);
    let directory = world.lookup(&path(job, "/d")).unwrap().id;
    assert_eq!(world.usage(|usage| usage.nodes), 3000 + 7);
    let ended = world.end(A, job, false).unwrap();
    assert_eq!((ended.state, ended.used), (JobState::Ending, amount(MIB, 3003)));
    assert_eq!(world.names("/jobs"), [other.0.to_string()]);
    assert_eq!(world.lookup_from(directory, "e/1"), Err(Failure::NotFound));
    assert_eq!(world.lookup_from(directory, ""), Err(Failure::NotFound));
    let mut left = vec![world.usage(|usage| usage.nodes)];
    while world.jobs().len() > 1 {
        world.pass(SECOND / 1000);
        left.push(world.usage(|usage| usage.nodes));
        assert!(left.is_sorted_by(|before, after| before > after), "{left:?}");
    }
    let most = left.windows(2).map(|pair| pair[0] - pair[1]).max();
    assert!(most > Some(900) && most <= Some(1024), "{left:?}");
    assert_eq!((world.usage(|usage| usage.nodes), world.used()), (3, 0));
    assert_eq!(world.end(A, job, false).unwrap_err(), Failure::NotFound);
    // Nothing is due any more but the datanode's heartbeat.
    assert!(world.namespace.next_timeout() > Some(world.now.mono_ns + SECOND));
}

#[test]
fn writers_of_an_ended_job_are_told_so_before_and_after_the_removal() {
    let mut world = World::with_memory(64);
    let job = world.job(A, 0, 0).unwrap();
    make_many(&mut world, &path(job, "/a"), 2000);
    let file = world.file(&path(job, "/f"));
    world.allocate(&file, 0, 100).unwrap();
    world.make(&path(job, "/t"), Kind::Table).unwrap();
    let pending = world.put_large_at(&path(job, "/t"), b"k", 100).unwrap();
    world.end(A, job, false).unwrap();
    for round in 0..2 {
        assert_eq!(
            world.allocate(&file, 4096, 1),
            Err(Failure::JobEnded),
            "round {round}"
        );
        assert_eq!(world.publish(&file, 1, true), Err(Failure::JobEnded));
        assert_eq!(world.commit(pending, false), Err(Failure::JobEnded));
        for _ in 0..10 {
            world.pass(SECOND / 1000);
        }
    }
    assert_eq!((world.used(), world.usage(|usage| usage.leases)), (0, 0));
    assert_eq!(world.publish(&file, 1, true), Err(Failure::JobEnded));
    let unknown = Opened {
        lease: LeaseId(file.lease.0 + 1),
        ..file
    };
    assert_eq!(world.publish(&unknown, 1, true), Err(Failure::NotFound));
}

#[test]
fn a_pin_keeps_the_bytes_of_an_ended_job() {
    let mut world = World::with_memory(8);
    let job = world.job(A, 0, 0).unwrap();
    let node = world.written(&path(job, "/f"), 5000).id;
    let pin = world.open(B, Command::Pin { node }).unwrap();
    world.end(A, job, false).unwrap();
    world.pass(SECOND);
    assert_eq!(world.jobs(), []);
    assert_eq!(
        (world.used(), world.blocks(node, 0, 0).unwrap().len()),
        (8 * KIB, 2)
    );
    world.run(B, Command::Unpin { pin: pin.lease }, |_| ()).unwrap();
    assert_eq!(world.used(), 0);
}

#[test]
fn a_job_is_ended_by_its_owner_or_killed_by_anybody() {
    let mut world = World::new();
    let job = world.job(A, 0, 0).unwrap();
    assert_eq!(world.end(B, job, false), Err(Failure::NotOwner));
    make_many(&mut world, &path(job, "/d"), 2000);
    world.end(B, job, true).unwrap();
    assert_eq!(world.end(A, job, false).unwrap().state, JobState::Ending);
    assert_eq!(world.end(B, job, false), Err(Failure::NotOwner));
    (0..5).for_each(|_| world.pass(SECOND / 1000));
    assert_eq!(world.end(B, job, true), Err(Failure::NotFound));
    assert_eq!(world.usage(|usage| (usage.sessions, usage.leases)).1, 0);
}

#[test]
fn the_directories_of_running_jobs_stay_where_they_are() {
    let mut world = World::new();
    let job = world.job(A, 0, 0).unwrap();
    let directory = path(job, "");
    for target in ["/jobs", &directory] {
        assert_eq!(world.delete(target, true), Err(Failure::JobDirectoryIsFixed));
        assert_eq!(
            world.rename(target, "/elsewhere"),
            Err(Failure::JobDirectoryIsFixed)
        );
    }
    world.directory("/d");
    assert_eq!(world.rename("/d", &directory), Err(Failure::JobDirectoryIsFixed));
    world.directory("/jobs/mine");
    world.delete("/jobs/mine", false).unwrap();
    world.end(A, job, false).unwrap();
    world.delete("/jobs", true).unwrap();
    world.pass(SECOND);
    // Where they were is no place for the next.
    let next = world.job(A, 0, 0).unwrap();
    assert!(next > job);
    world.directory(&path(next, "/d"));
    assert_eq!(world.use_of(next), amount(0, 1));
}

#[test]
fn ids_whose_names_are_taken_are_passed_over() {
    let mut world = World::new();
    world.directory("/jobs");
    world.directory("/jobs/1");
    world.file("/jobs/3");
    let ids = [world.job(A, 0, 0).unwrap(), world.job(A, 0, 0).unwrap()];
    assert_eq!(ids, [JobId(2), JobId(4)]);
    world.delete("/jobs/1", false).unwrap();
    assert_eq!(world.job(A, 0, 0), Ok(JobId(5)));
}

#[test]
fn a_file_in_the_way_and_limits_refuse_a_job() {
    let config = Config {
        jobs_max: 2,
        nodes_max: 5,
        leases_per_session_max: 2,
        ..Config::default()
    };
    let mut world = World::with(config);
    world.file("/jobs");
    assert_eq!(world.job(A, 0, 0), Err(Failure::NotADirectory));
    world.delete("/jobs", false).unwrap();
    world.job(A, 0, 0).unwrap();
    world.job(A, 0, 0).unwrap();
    assert_eq!(world.job(A, 0, 0), Err(Failure::Full), "leases of a session");
    assert_eq!(world.job(B, 0, 0), Err(Failure::Full), "jobs");
    let long = "n".repeat(256);
    let request = JobCreate {
        name: &long,
        quota: Amount::default(),
    };
    assert_eq!(
        world.run(B, Command::JobCreate(request), job_of),
        Err(Failure::TooLong)
    );
}

#[test]
fn a_thousand_jobs_are_listed_in_pages_and_end_together() {
    let mut world = World::with_memory(16);
    for _ in 0..1000 {
        let request = JobCreate::default();
        quietly(&mut world, Command::JobCreate(request)).unwrap();
    }
    let (mut after, mut seen) = (JobId(0), 0);
    loop {
        let command = Command::JobList { after, limit: 0 };
        let (jobs, more) = world
            .run(B, command, |reply| match reply {
                Reply::Jobs { jobs, more } => (jobs.map(|info| info.id).collect::<Vec<_>>(), more),
                other => panic!("{other:?}"),
            })
            .unwrap();
        assert!(jobs.is_sorted() && jobs[0] > after, "in order");
        seen += jobs.len();
        after = *jobs.last().unwrap();
        if !more {
            break;
        }
    }
    assert_eq!(seen, 1000);
    for job in 1..=1000 {
        world.written(&path(JobId(job), "/f"), 100);
    }
    world.pass_quietly(11);
    world.pass(SECOND);
    assert_eq!(
        (world.jobs(), world.used(), world.names("/jobs").len()),
        (vec![], 0, 0)
    );
}

#[test]
fn what_ends_by_itself_is_given_back_to_the_job_and_counters_count() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 0, 0).unwrap();
    let in_job = |path, kind, ttl_ns| Create {
        path,
        kind,
        ttl_ns,
        size_hint: u64::from(kind == Kind::File),
        ..Create::default()
    };
    world
        .create(in_job("/jobs/1/d", Kind::Directory, SECOND))
        .unwrap();
    world.create(in_job("/jobs/1/d/f", Kind::File, 0)).unwrap();
    world.create(in_job("/jobs/1/g", Kind::File, SECOND)).unwrap();
    world.create(in_job("/jobs/1/t", Kind::Table, 0)).unwrap();
    let add = Command::Add {
        table: crate::world::ROOT,
        path: "/jobs/1/t",
        key: b"k",
        delta: 12345,
    };
    world.run(A, add, |_| ()).unwrap();
    assert_eq!(world.use_of(job), amount(2 * 4096 + 5, 5));
    world.pass(SECOND);
    assert_eq!(world.use_of(job), amount(5, 2));
    let fixed = Command::SetTtl {
        base: crate::world::ROOT,
        path: "/jobs/1",
        key: b"",
        ttl_ns: SECOND,
    };
    assert_eq!(world.run(A, fixed, |_| ()), Err(Failure::JobDirectoryIsFixed));
}

#[test]
fn a_job_ends_also_while_what_it_has_is_due() {
    let mut world = World::with_memory(16);
    let job = world.job(A, 0, 0).unwrap();
    for number in 0..3_000 {
        let create = Create {
            path: &format!("/jobs/1/d{}/f{number}", number % 10),
            kind: Kind::Directory,
            parents: true,
            ttl_ns: SECOND,
            ..Create::default()
        };
        world
            .namespace
            .apply(world.now, A, &Command::Create(create))
            .unwrap();
    }
    world.end(A, job, false).unwrap();
    for _ in 0..20 {
        world.pass(SECOND / 4);
    }
    assert_eq!(world.jobs(), []);
    assert!(world.usage(|usage| usage.nodes) <= 2);
    assert_eq!(
        world
            .namespace
            .next_timeout()
            .filter(|&at| at <= world.now.mono_ns),
        None
    );
}

#[test]
fn counters_and_many_puts_count_against_the_quota() {
    let mut world = World::with_memory(4);
    world.job(A, 10, 3).unwrap();
    world.make("/jobs/1/t", Kind::Table).unwrap();
    let add = |world: &mut World, key: &[u8], delta| {
        let path = "/jobs/1/t";
        let table = NodeId::ROOT;
        let command = Command::Add {
            table,
            path,
            key,
            delta,
        };
        world.run(A, command, |reply| match reply {
            Reply::Added { value, .. } => value,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(add(&mut world, b"a", 99_999), Ok(99_999));
    // Six digits and five more are above ten bytes.
    assert_eq!(add(&mut world, b"a", 1), Ok(100_000));
    assert_eq!(add(&mut world, b"b", 10_000), Err(Failure::QuotaExceeded));
    assert_eq!(add(&mut world, b"b", 1_000), Ok(1_000));
    assert_eq!(add(&mut world, b"b", 9_000), Err(Failure::QuotaExceeded));
    assert_eq!(add(&mut world, b"c", 0), Err(Failure::QuotaExceeded));
    let item = |key, value| PutItem {
        key,
        value,
        ..PutItem::default()
    };
    let items = [item(b"a", b"1"), item(b"c", b""), item(b"b", b"123456789")];
    let command = Command::MultiPut {
        table: NodeId::ROOT,
        path: "/jobs/1/t",
        items: &items,
    };
    let outcomes = world.run(A, command, |reply| match reply {
        Reply::Outcomes(outcomes) => outcomes.iter().map(|outcome| outcome.err()).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    });
    // The second would be a fourth node; the third has the room that the first one gave back.
    assert_eq!(outcomes, Ok(vec![None, Some(Failure::QuotaExceeded), None]));
}
