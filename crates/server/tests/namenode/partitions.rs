//! Several partitions behave as one namespace.

use std::collections::BTreeMap;

use crake_server::namenode::command::{Create, Errand, Home, Kind, NodeId, Now, Reply, SessionId};
use crake_server::namenode::log::{Journal, replay_all};
use crake_server::namenode::{Command, Config, Failure, Namespace};
use crake_store::protocol::{Referral, Which};
use proptest::prelude::*;

const SESSION: SessionId = SessionId(1);
const MS: u64 = 1_000_000;

/// Some partitions, what they have recorded, and a client that remembers nothing.
struct Cluster {
    partitions: Vec<Namespace>,
    journals: Vec<(Journal, Vec<u8>)>,
    now: Now,
}

/// Where a path has led: a partition, a directory there, and bytes of the path.
#[derive(Clone, Copy)]
struct At {
    partition: u16,
    base: NodeId,
    consumed: usize,
}

const START: At = At {
    partition: 0,
    base: NodeId::ROOT,
    consumed: 0,
};

fn config(partition: u16, partitions: u16) -> Config {
    Config {
        seed: u128::from(partition),
        incarnation: 100 + u64::from(partition),
        partition,
        partitions,
        ..Config::default()
    }
}

impl Cluster {
    fn new(count: u16) -> Cluster {
        let mut cluster = Cluster {
            partitions: Vec::new(),
            journals: Vec::new(),
            now: Now::default(),
        };
        for partition in 0..count {
            let mut namespace = Namespace::new(config(partition, count));
            let journal = Journal::new(0, usize::MAX);
            namespace.keep_journal(&journal);
            cluster.partitions.push(namespace);
            cluster.journals.push((journal, Vec::new()));
        }
        for (one, other) in (0..count).flat_map(|one| (0..count).map(move |other| (one, other))) {
            if one != other {
                cluster.meet(one, other, 100 + u64::from(other));
            }
        }
        cluster
    }

    fn meet(&mut self, one: u16, partition: u16, incarnation: u64) {
        let meet = Command::MeetPartner {
            partition,
            incarnation,
        };
        self.apply(one, &meet, |_| ()).unwrap();
    }

    fn apply<T>(
        &mut self,
        partition: u16,
        command: &Command<'_>,
        look: impl FnOnce(&Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        let now = self.now;
        let namespace = &mut self.partitions[usize::from(partition)];
        namespace.apply(now, SESSION, command).map(|reply| look(&reply))
    }

    fn referral(&mut self, partition: u16) -> Referral {
        let namespace = &mut self.partitions[usize::from(partition)];
        namespace.take_referral().expect("it was said where to go")
    }

    /// Does something with a path, wherever it leads. Says where, too.
    fn follow<T>(
        &mut self,
        path: &str,
        mut act: impl FnMut(&mut Cluster, At, &str) -> Result<T, Failure>,
    ) -> Result<(u16, T), Failure> {
        let mut at = START;
        for _ in 0..20 {
            match act(self, at, &path[at.consumed..]) {
                Err(Failure::Elsewhere) => {
                    let referral = self.referral(at.partition);
                    assert_eq!((referral.which, referral.level), (Which::First, 0));
                    assert_ne!(referral.partition, at.partition);
                    at = At {
                        partition: referral.partition,
                        base: NodeId(referral.node),
                        consumed: at.consumed + referral.consumed as usize,
                    };
                }
                Err(failure) => return Err(failure),
                Ok(outcome) => return Ok((at.partition, outcome)),
            }
        }
        panic!("{path} leads round in circles");
    }

    fn lookup(&mut self, path: &str) -> Result<(u16, NodeId, Kind), Failure> {
        let (partition, (id, kind)) = self.follow(path, |cluster, at, rest| {
            let lookup = Command::Lookup {
                base: at.base,
                path: rest,
                blocks: false,
            };
            cluster.apply(at.partition, &lookup, |reply| match reply {
                Reply::Node { node, .. } => (node.id, node.kind),
                other => panic!("{other:?}"),
            })
        })?;
        Ok((partition, id, kind))
    }

    fn create(&mut self, path: &str, request: Create<'_>) -> Result<(), Failure> {
        let mut at = START;
        for _ in 0..20 {
            let rest = &path[at.consumed..];
            let create = Create {
                base: at.base,
                path: rest,
                ..request
            };
            let made = self.apply(at.partition, &Command::Create(create), |_| ());
            if made != Err(Failure::Elsewhere) {
                return made;
            }
            let referral = self.referral(at.partition);
            let end = at.consumed + referral.consumed as usize;
            let mut base = NodeId(referral.node);
            if referral.level > 0 {
                let front = path[..end].trim_end_matches('/');
                let name = &front[front.rfind('/').map_or(0, |slash| slash + 1)..];
                let is_last = path[end..].trim_matches('/').is_empty();
                let home = Home {
                    partition: at.partition,
                    level: referral.level,
                };
                base = self.create_branch(
                    referral.partition,
                    home,
                    Create {
                        base,
                        path: name,
                        kind: if is_last { request.kind } else { Kind::Directory },
                        ..Create::default()
                    },
                )?;
                if is_last {
                    return Ok(());
                }
            }
            at = At {
                partition: referral.partition,
                base,
                consumed: end,
            };
        }
        panic!("{path} leads round in circles");
    }

    fn create_branch(&mut self, partition: u16, home: Home, request: Create<'_>) -> Result<NodeId, Failure> {
        let create = Command::Create(Create {
            branch: Some(home),
            ..request
        });
        let made = self.apply(partition, &create, |reply| match reply {
            Reply::Opened { node, .. } => node.id,
            other => panic!("{other:?}"),
        })?;
        self.deliver();
        Ok(made)
    }

    fn delete(&mut self, path: &str, recursive: bool) -> Result<(), Failure> {
        self.follow(path, |cluster, at, rest| {
            let delete = Command::Delete {
                base: at.base,
                path: rest,
                recursive,
            };
            cluster.apply(at.partition, &delete, |_| ())
        })?;
        self.deliver();
        Ok(())
    }

    /// As a client does it: both directories must be at one place.
    fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let (from_directory, from_name) = from.rsplit_once('/').unwrap();
        let (to_directory, to_name) = to.rsplit_once('/').unwrap();
        let (partition, from_base, _) = self.lookup(from_directory)?;
        let (other, to_base, _) = self.lookup(to_directory)?;
        if partition != other {
            return Err(Failure::CrossPartition);
        }
        let rename = Command::Rename {
            from_base,
            from: from_name,
            to_base,
            to: to_name,
            no_replace: false,
        };
        let mut renamed = self.apply(partition, &rename, |_| ());
        if renamed == Err(Failure::Busy) {
            self.now.mono_ns += 200 * MS;
            renamed = self.apply(partition, &rename, |_| ());
            assert_ne!(renamed, Err(Failure::Busy), "who waits for a lease comes in");
        }
        renamed?;
        self.deliver();
        Ok(())
    }

    /// Does all errands, each of them twice.
    fn deliver(&mut self) {
        let count = self.partitions.len() as u16;
        loop {
            let mut has_delivered = false;
            for (from, to) in (0..count).flat_map(|from| (0..count).map(move |to| (from, to))) {
                while let Some((id, errand)) = self.first_errand(from, to) {
                    let outcomes = [(); 2].map(|()| self.do_errand(from, to, id, &errand));
                    assert_eq!(outcomes[0], outcomes[1], "{errand:?}");
                    let is_done = outcomes[0].is_ok();
                    self.apply(from, &Command::ErrandDone { to, id, is_done }, |_| ())
                        .unwrap();
                    has_delivered = true;
                }
            }
            if !has_delivered {
                return;
            }
        }
    }

    fn first_errand(&self, from: u16, to: u16) -> Option<(u64, Errand)> {
        let (id, mut errands) = self.partitions[usize::from(from)].errands_to(to);
        Some((id, errands.next()?.clone()))
    }

    fn do_errand(&mut self, from: u16, to: u16, id: u64, errand: &Errand) -> Result<(), Failure> {
        let command = Command::DoErrand {
            partition: from,
            id,
            errand,
        };
        self.apply(to, &command, |_| ())
    }

    /// All paths with what is there.
    fn tree(&mut self) -> BTreeMap<String, Kind> {
        let (mut tree, mut left) = (BTreeMap::new(), vec![String::new()]);
        while let Some(path) = left.pop() {
            let (_, entries) = self
                .follow(&path, |cluster, at, rest| {
                    let list = Command::List {
                        base: at.base,
                        path: rest,
                        prefix: &[],
                        after: &[],
                        limit: 0,
                        blocks: false,
                    };
                    cluster.apply(at.partition, &list, |reply| match reply {
                        Reply::List { entries, more: false } => entries
                            .clone()
                            .map(|entry| (String::from_utf8(entry.name.to_vec()).unwrap(), entry.node.kind))
                            .collect::<Vec<_>>(),
                        other => panic!("{other:?}"),
                    })
                })
                .unwrap();
            for (name, kind) in entries {
                let path = format!("{path}/{name}");
                if kind.is_container() {
                    left.push(path.clone());
                }
                let found = self.lookup(&path).map(|(_, _, kind)| kind);
                assert_eq!(found, Ok(kind), "{path}");
                tree.insert(path, kind);
            }
        }
        tree
    }

    fn nodes(&mut self) -> u64 {
        let count = |cluster: &mut Cluster, partition| {
            let usage = |reply: &Reply<'_>| match reply {
                Reply::Usage { usage, .. } => usage.nodes,
                other => panic!("{other:?}"),
            };
            cluster.apply(partition, &Command::Usage, usage).unwrap()
        };
        (0..self.partitions.len() as u16)
            .map(|partition| count(self, partition))
            .sum()
    }

    /// Has everything removed that is to go by and by, and looks for contradictions.
    fn settle(&mut self) {
        for _ in 0..50 {
            self.now.mono_ns += 2 * MS;
            let now = self.now;
            self.partitions
                .iter_mut()
                .for_each(|partition| partition.advance(now));
            self.deliver();
        }
        for (namespace, (journal, records)) in self.partitions.iter().zip(&mut self.journals) {
            namespace.check().unwrap();
            journal.drain(|bytes| records.extend_from_slice(bytes));
        }
    }

    /// Each partition is the same when its records are done again, and when it is read from its snapshot.
    fn check_logs(&self) {
        for (namespace, (_, records)) in self.partitions.iter().zip(&self.journals) {
            let config = namespace_config(namespace, self.partitions.len() as u16, &self.partitions);
            let mut again = Namespace::new(config);
            replay_all(&mut again, records).unwrap();
            again.check().unwrap();
            let (mut saved, mut replayed) = (Vec::new(), Vec::new());
            namespace.save(&mut saved);
            again.save(&mut replayed);
            assert_eq!(saved, replayed);
            let loaded = Namespace::load(&saved, self.now).unwrap();
            loaded.check().unwrap();
        }
    }
}

fn namespace_config(namespace: &Namespace, count: u16, all: &[Namespace]) -> Config {
    let at = all
        .iter()
        .position(|other| std::ptr::eq(other, namespace))
        .unwrap();
    config(at as u16, count)
}

#[derive(Clone, Debug)]
enum Step {
    Create {
        path: String,
        kind: Kind,
        parents: bool,
        existing_ok: bool,
        spread: bool,
    },
    Rename {
        from: String,
        to: String,
    },
    Delete {
        path: String,
        recursive: bool,
    },
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5)
        .prop_map(|names| format!("/{}", names.join("/")))
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![5 => Just(Kind::Directory), 2 => Just(Kind::File), 1 => Just(Kind::Table)];
    prop_oneof![
        6 => (path(), kind, any::<[bool; 3]>()).prop_map(|(path, kind, [parents, existing_ok, spread])| {
            Step::Create { path, kind, parents, existing_ok, spread }
        }),
        2 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (path(), any::<bool>()).prop_map(|(path, recursive)| Step::Delete { path, recursive }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn several_partitions_are_one_namespace(
        count in 2..5_u16,
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let (mut many, mut one) = (Cluster::new(count), Cluster::new(1));
        for step in steps {
            let outcomes = match &step {
                Step::Create { path, kind, parents, existing_ok, spread } => {
                    let request = Create {
                        kind: *kind,
                        parents: *parents,
                        existing_ok: *existing_ok,
                        spread: *spread,
                        ..Create::default()
                    };
                    prop_assert_eq!(many.create(path, request), one.create(path, request), "{:?}", step);
                    (Ok(()), Ok(()))
                }
                Step::Rename { from, to } => match many.rename(from, to) {
                    Err(Failure::CrossPartition) => continue,
                    // What it would replace may be at another partition, so why it is refused may be another reason.
                    Err(_) => (Err(()), one.rename(from, to).map_err(|_| ())),
                    Ok(()) => (Ok(()), one.rename(from, to).map_err(|_| ())),
                },
                Step::Delete { path, recursive } => {
                    let deleted = (many.delete(path, *recursive), one.delete(path, *recursive));
                    prop_assert_eq!(deleted.0, deleted.1, "{:?}", step);
                    (Ok(()), Ok(()))
                }
            };
            prop_assert_eq!(outcomes.0, outcomes.1, "{:?}", step);
            many.settle();
            one.settle();
            prop_assert_eq!(many.tree(), one.tree(), "{:?}", step);
            prop_assert_eq!(many.nodes(), one.nodes(), "{:?}", step);
        }
        many.check_logs();
    }
}
