//! Random commands among jobs with quotas: that each is counted right, and has no more than it may.

use crake_server::namenode::command::{
    Amount, Create, JobCreate, JobId, Kind, LeaseId, NodeId, PendingId, Put,
};
use crake_server::namenode::{Command, Failure, Namespace, Now, Reply, SessionId};
use proptest::prelude::*;

use crate::world::{MIB, ROOT, SECOND, World};

#[derive(Clone, Debug)]
enum Step {
    Begin {
        session: u8,
        bytes: u64,
        nodes: u64,
    },
    End {
        job: usize,
        session: u8,
        kill: bool,
    },
    Make {
        place: Place,
        kind: Kind,
        hint: u64,
        replace: bool,
    },
    Write {
        opened: usize,
        want: u64,
        seal: bool,
    },
    Put {
        place: Place,
        key: u8,
        len: usize,
    },
    PutLarge {
        place: Place,
        key: u8,
        size: u64,
    },
    Commit {
        pending: usize,
        abort: bool,
    },
    Rename {
        from: Place,
        to: Place,
    },
    Delete {
        place: Place,
    },
    Pass {
        ms: u64,
    },
}

/// A path: in a job's directory or beside them, and up to two names.
type Place = (usize, Vec<u8>);

fn place() -> impl Strategy<Value = Place> {
    (0..4_usize, prop::collection::vec(0..3_u8, 1..3))
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![2 => Just(Kind::Directory), 3 => Just(Kind::File), 2 => Just(Kind::Table)];
    let size = || prop_oneof![Just(0), 1..9000_u64, Just(100_000), Just(2 * MIB)];
    prop_oneof![
        2 => (0..2_u8, prop_oneof![Just(0), 1..200_000_u64], prop_oneof![Just(0), 1..8_u64])
            .prop_map(|(session, bytes, nodes)| Step::Begin { session, bytes, nodes }),
        1 => (0..4_usize, 0..2_u8, any::<bool>())
            .prop_map(|(job, session, kill)| Step::End { job, session, kill }),
        6 => (place(), kind, size(), any::<bool>())
            .prop_map(|(place, kind, hint, replace)| Step::Make { place, kind, hint, replace }),
        4 => (0..6_usize, size(), any::<bool>())
            .prop_map(|(opened, want, seal)| Step::Write { opened, want, seal }),
        4 => (place(), 0..3_u8, prop_oneof![0..70_usize, Just(300)])
            .prop_map(|(place, key, len)| Step::Put { place, key, len }),
        3 => (place(), 0..3_u8, size()).prop_map(|(place, key, size)| Step::PutLarge { place, key, size }),
        3 => (0..4_usize, any::<bool>()).prop_map(|(pending, abort)| Step::Commit { pending, abort }),
        5 => (place(), place()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => place().prop_map(|place| Step::Delete { place }),
        2 => prop_oneof![Just(1), Just(100), Just(6000)].prop_map(|ms| Step::Pass { ms }),
    ]
}

/// A namespace with what was opened there, the latest last.
struct Play {
    namespace: Namespace,
    now: Now,
    jobs: Vec<JobId>,
    opened: Vec<(NodeId, LeaseId, u64)>,
    pending: Vec<PendingId>,
}

impl Play {
    fn path(&self, (job, names): &Place) -> String {
        let names = names.iter().map(|&name| char::from(b'a' + name));
        let top = match self.jobs.get(*job) {
            Some(job) => format!("/jobs/{}", job.0),
            None => String::new(),
        };
        names.fold(top, |path, name| format!("{path}/{name}"))
    }

    fn run<T>(&mut self, session: u8, command: Command<'_>, take: impl FnOnce(Reply<'_>) -> T) -> Option<T> {
        let session = SessionId(u128::from(session) + 1);
        self.namespace.apply(self.now, session, &Command::Renew).unwrap();
        let before = self.namespace.fingerprint();
        let result = self.namespace.apply(self.now, session, &command).map(take);
        if let Err(failure) = &result {
            // A large value for which there was not enough room has used up generations of blocks, which its record says.
            let may_have_used_up =
                *failure == Failure::NoSpace && matches!(&command, Command::Put(put) if put.large);
            assert!(
                may_have_used_up || self.namespace.fingerprint() == before,
                "{command:?}: {failure} and changed something"
            );
        }
        result.ok()
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Begin {
                session,
                bytes,
                nodes,
            } => self.begin(*session, *bytes, *nodes),
            Step::End { job, session, kill } => {
                let job = self.jobs.get(*job).copied().unwrap_or_default();
                self.run(*session, Command::JobEnd { job, kill: *kill }, |_| ());
            }
            Step::Make {
                place,
                kind,
                hint,
                replace,
            } => self.make(place, *kind, *hint, *replace),
            Step::Write { opened, want, seal } => self.write(*opened, *want, *seal),
            Step::Put { place, key, len } => self.put(place, &[*key], &vec![1; *len]),
            Step::PutLarge { place, key, size } => self.put_large(place, &[*key], *size),
            Step::Commit { pending, abort } => {
                if let Some(&pending) = self.pending.iter().rev().nth(*pending) {
                    let abort = *abort;
                    self.run(0, Command::PutCommit { pending, abort }, |_| ());
                }
            }
            Step::Rename { from, to } => self.rename(from, to),
            Step::Delete { place } => {
                let path = &self.path(place);
                let (base, recursive) = (ROOT, true);
                let command = Command::Delete {
                    base,
                    path,
                    recursive,
                };
                self.run(0, command, |_| ());
            }
            Step::Pass { ms } => self.pass(*ms),
        }
    }

    fn begin(&mut self, session: u8, bytes: u64, nodes: u64) {
        let request = JobCreate {
            name: "",
            quota: Amount { bytes, nodes },
        };
        let job = self.run(session, Command::JobCreate(request), |reply| match reply {
            Reply::Job(info) => info.id,
            other => panic!("{other:?}"),
        });
        self.jobs.insert(0, job.expect("there are few"));
        self.jobs.truncate(3);
    }

    fn make(&mut self, place: &Place, kind: Kind, size_hint: u64, replace: bool) {
        let create = Create {
            path: &self.path(place),
            kind,
            parents: true,
            replace,
            size_hint,
            ..Create::default()
        };
        let opened = self.run(0, Command::Create(create), |reply| match reply {
            Reply::Opened { node, lease, .. } => (node.id, lease, node.capacity),
            other => panic!("{other:?}"),
        });
        self.opened.extend(opened.filter(|opened| opened.1 != LeaseId(0)));
    }

    fn put(&mut self, place: &Place, key: &[u8], value: &[u8]) {
        let put = Put {
            path: &self.path(place),
            key,
            value,
            ..Put::default()
        };
        self.run(0, Command::Put(put), |_| ());
    }

    fn put_large(&mut self, place: &Place, key: &[u8], size: u64) {
        let put = Put {
            path: &self.path(place),
            key,
            size,
            large: true,
            ..Put::default()
        };
        let pending = self.run(0, Command::Put(put), |reply| match reply {
            Reply::Put { pending, .. } => pending,
            other => panic!("{other:?}"),
        });
        self.pending.extend(pending);
    }

    fn rename(&mut self, from: &Place, to: &Place) {
        let command = Command::Rename {
            from_base: ROOT,
            from: &self.path(from),
            to_base: ROOT,
            to: &self.path(to),
            no_replace: false,
        };
        self.run(0, command, |_| ());
    }

    fn pass(&mut self, ms: u64) {
        self.now.mono_ns += ms * 1_000_000;
        self.namespace.advance(self.now);
        let (datanode, incarnation) = (1, 1);
        let alive = Command::Heartbeat {
            datanode,
            incarnation,
        };
        self.run(1, alive, |_| ());
    }

    fn write(&mut self, opened: usize, want: u64, seal: bool) {
        let Some(&(node, lease, offset)) = self.opened.iter().rev().nth(opened) else {
            return;
        };
        let command = Command::Allocate {
            node,
            lease,
            offset,
            want,
        };
        let capacity = self.run(0, command, |reply| match reply {
            Reply::Blocks { node, .. } => node.capacity,
            other => panic!("{other:?}"),
        });
        let capacity = capacity.unwrap_or(offset);
        let place = self.opened.len() - 1 - opened;
        self.opened[place].2 = capacity;
        let command = Command::Publish {
            node,
            lease,
            size: capacity / 2,
            seal,
        };
        self.run(0, command, |_| ());
    }

    /// That nobody has more than it may, and that the namespace counts as it should.
    fn check(&mut self) {
        self.namespace.check().unwrap();
        let command = Command::JobList {
            after: JobId(0),
            limit: 0,
        };
        self.run(1, command, |reply| {
            let Reply::Jobs { jobs, .. } = reply else {
                unreachable!()
            };
            for job in jobs {
                let fits = |used, quota| quota == 0 || used <= quota;
                assert!(
                    fits(job.used.bytes, job.quota.bytes) && fits(job.used.nodes, job.quota.nodes),
                    "{job:?}"
                );
            }
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn no_job_has_more_than_it_may_and_each_is_counted_right(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::with_memory(8);
        world.now.mono_ns = 1;
        let mut play = Play {
            namespace: world.namespace,
            now: world.now,
            jobs: Vec::new(),
            opened: Vec::new(),
            pending: Vec::new(),
        };
        for step in &steps {
            play.step(step);
            play.check();
        }
        // Nothing of it is left but what was beside the jobs.
        play.now.mono_ns += 20 * SECOND;
        play.namespace.advance(play.now);
        play.now.mono_ns += SECOND;
        play.namespace.advance(play.now);
        play.namespace.check().unwrap();
        play.run(1, Command::JobList { after: JobId(0), limit: 0 }, |reply| {
            assert!(matches!(reply, Reply::Jobs { jobs, more: false } if jobs.len() == 0));
        });
    }
}
