//! Several partitions behave as one namespace.

use crake_server::namenode::command::{Condition, Create, Home, JobCreate, Kind, NodeId, Reply, Scan, Ties};
use crake_server::namenode::{Command, Failure};
use proptest::prelude::*;

use crate::several::{Cluster, MS, Shards};

#[derive(Clone, Debug)]
enum Step {
    Create {
        path: String,
        kind: Kind,
        parents: bool,
        existing_ok: bool,
        spread: bool,
        replace: bool,
    },
    Rename {
        from: String,
        to: String,
    },
    Delete {
        path: String,
        recursive: bool,
    },
    Put {
        path: String,
        key: u8,
        len: usize,
        if_absent: bool,
    },
    Add {
        path: String,
        key: u8,
    },
    Remove {
        path: String,
        key: u8,
    },
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5)
        .prop_map(|names| format!("/{}", names.join("/")))
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..12_u8;
    let kind = prop_oneof![
        5 => Just(Kind::Directory),
        3 => Just(Kind::File),
        3 => Just(Kind::Table),
        1 => Just(Kind::Multifile),
    ];
    prop_oneof![
        6 => (path(), kind, any::<[bool; 4]>()).prop_map(|(path, kind, [parents, existing_ok, spread, replace])| {
            Step::Create { path, kind, parents, existing_ok, spread, replace }
        }),
        5 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (path(), any::<bool>()).prop_map(|(path, recursive)| Step::Delete { path, recursive }),
        4 => (path(), key(), 0..200_usize, any::<bool>())
            .prop_map(|(path, key, len, if_absent)| Step::Put { path, key, len, if_absent }),
        1 => (path(), key()).prop_map(|(path, key)| Step::Add { path, key }),
        2 => (path(), key()).prop_map(|(path, key)| Step::Remove { path, key }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn several_partitions_are_one_namespace(
        count in 2..5_u16,
        steps in prop::collection::vec(step(), 1..60),
        random in any::<u64>(),
        restarts in any::<bool>(),
    ) {
        let (mut many, mut one) = (Cluster::new(count), Cluster::new(1));
        many.random = random;
        many.restarts = restarts;
        for step in steps {
            let outcomes = match &step {
                Step::Create { path, kind, parents, existing_ok, spread, replace } => {
                    let request = Create {
                        kind: *kind,
                        parents: *parents,
                        existing_ok: *existing_ok,
                        spread: *spread,
                        replace: *replace,
                        ..Create::default()
                    };
                    prop_assert_eq!(many.create(path, request), one.create(path, request), "{:?}", step);
                    (Ok(()), Ok(()))
                }
                // Whether a table is empty that would be replaced, its home does not know.
                Step::Rename { to, .. } if many.open(to).is_ok() => continue,
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
                Step::Put { path, key, len, if_absent } => {
                    let condition = if *if_absent { Condition::IfAbsent } else { Condition::Always };
                    let (key, value) = (&[*key][..], &vec![b'v'; *len][..]);
                    let put = [&mut many, &mut one].map(|all| all.put(path, key, value, condition));
                    prop_assert_eq!(put[0], put[1], "{:?}", step);
                    let got = [&mut many, &mut one].map(|all| all.get(path, key));
                    prop_assert_eq!(got[0], got[1], "{:?}", step);
                    (Ok(()), Ok(()))
                }
                Step::Add { path, key } => {
                    let added = [&mut many, &mut one].map(|all| all.add(path, &[*key]));
                    prop_assert_eq!(added[0], added[1], "{:?}", step);
                    (Ok(()), Ok(()))
                }
                Step::Remove { path, key } => {
                    let removed = [&mut many, &mut one].map(|all| all.remove(path, &[*key]));
                    prop_assert_eq!(removed[0], removed[1], "{:?}", step);
                    (Ok(()), Ok(()))
                }
            };
            prop_assert_eq!(outcomes.0, outcomes.1, "{:?}", step);
            many.settle();
            one.settle();
            prop_assert_eq!(many.tree(), one.tree(), "{:?}", step);
            prop_assert_eq!(many.tables(), one.tables(), "{:?}", step);
            prop_assert_eq!(many.nodes(), one.nodes(), "{:?}", step);
        }
        many.check_logs();
    }
}

const TABLE: Create<'static> = Create {
    base: NodeId::ROOT,
    path: "",
    kind: Kind::Table,
    parents: false,
    replace: false,
    existing_ok: false,
    storage_class: 0,
    location_class: 0,
    size_hint: 0,
    ttl_ns: 0,
    branch: None,
    spread: false,
};

/// A table with a key at each of three partitions, and where it is.
fn spread() -> (Cluster, Shards) {
    let mut cluster = Cluster::new(3);
    let table = Create {
        kind: Kind::Table,
        ..Create::default()
    };
    cluster.create("/t", table).unwrap();
    let shards = cluster.open("/t").unwrap();
    assert_eq!(shards.len(), 3);
    for key in 0..30 {
        cluster.put("/t", &[key], b"value", Condition::Always).unwrap();
    }
    for &(partition, _) in &shards {
        assert!(!cluster.keys_of(&vec![shards[usize::from(partition)]]).is_empty());
    }
    (cluster, shards)
}

fn scan(cluster: &mut Cluster, (partition, table): (u16, NodeId)) -> Result<usize, Failure> {
    let scan = Command::Scan(Scan {
        table,
        ..Scan::default()
    });
    cluster.apply(partition, &scan, |reply| match reply {
        Reply::Scan { entries, .. } => entries.len(),
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_table_that_is_due_goes_with_all_its_shards() {
    let (mut cluster, shards) = spread();
    let (home, base) = cluster.lookup("/t").map(|(home, id, _)| (home, id)).unwrap();
    let ttl = Command::SetTtl {
        base,
        path: "",
        key: b"",
        ttl_ns: 10 * MS,
    };
    cluster.apply(home, &ttl, |_| ()).unwrap();
    cluster.now.mono_ns += 10 * MS;
    cluster.settle();
    for shard in shards {
        assert_eq!(scan(&mut cluster, shard), Err(Failure::NotFound));
    }
    assert_eq!(cluster.nodes(), 1);
    cluster.check_logs();
}

#[test]
fn a_table_that_has_lost_a_shard_is_gone_as_a_whole() {
    for lost in 0..3 {
        let (mut cluster, shards) = spread();
        cluster.begin_anew(lost);
        cluster.settle();
        for &shard in &shards {
            assert_eq!(
                scan(&mut cluster, shard),
                Err(Failure::NotFound),
                "without {lost}"
            );
        }
        assert_eq!(cluster.lookup("/t"), Err(Failure::NotFound));
        assert_eq!(cluster.nodes(), 1);
        cluster.create("/t", TABLE).unwrap();
        cluster.put("/t", b"key", b"value", Condition::Always).unwrap();
        cluster.settle();
    }
}

/// Also one that moves, and one whose name is at another partition than its home.
#[test]
fn a_table_keeps_its_keys_when_it_gets_another_name() {
    let (mut cluster, shards) = spread();
    for number in 0..12 {
        let directory = format!("/d{number}");
        let request = Create {
            kind: Kind::Directory,
            ..Create::default()
        };
        cluster.create(&directory, request).unwrap();
        let from = if number == 0 {
            "/t".to_owned()
        } else {
            format!("/d{}/t", number - 1)
        };
        cluster.rename(&from, &format!("{directory}/t")).unwrap();
        let now = cluster.open(&format!("{directory}/t")).unwrap();
        assert_eq!(now, shards);
        assert_eq!(cluster.keys_of(&now).len(), 30);
    }
    cluster.settle();
    cluster.delete("/d11/t", true).unwrap();
    for shard in shards {
        assert_eq!(scan(&mut cluster, shard), Err(Failure::NotFound));
    }
    cluster.settle();
    assert_eq!(cluster.nodes(), 13);
    cluster.check_logs();
}

/// While a shard is still to be made, the table is named and not to be used; after a while it is given up.
#[test]
fn a_table_that_does_not_get_all_its_shards_is_given_up() {
    let mut cluster = Cluster::new(3);
    let home = Home {
        partition: 0,
        level: 1,
    };
    let table = Create {
        base: NodeId(0),
        path: "t",
        kind: Kind::Table,
        branch: Some(home),
        ttl_ns: 0,
        ..Create::default()
    };
    let made = cluster.apply(1, &Command::Create(table), |reply| match reply {
        Reply::Opened { node, .. } => node.id,
        other => panic!("{other:?}"),
    });
    let base = made.unwrap();
    let open = Command::OpenTable { base, path: "" };
    assert_eq!(cluster.apply(1, &open, |_| ()), Err(Failure::Busy));
    let again = Command::Create(Create {
        base,
        path: "",
        kind: Kind::Table,
        existing_ok: true,
        ..Create::default()
    });
    assert_eq!(cluster.apply(1, &again, |_| ()), Err(Failure::Busy));
    cluster.now.mono_ns += 2_000 * MS;
    cluster.partitions[1].advance(cluster.now);
    assert_eq!(cluster.apply(1, &open, |_| ()), Err(Failure::NotFound));
    // What was asked for meanwhile is done and undone.
    cluster.settle();
    assert_eq!(cluster.nodes(), 1);
    cluster.check_logs();
}

#[test]
fn a_shard_goes_only_with_its_table() {
    let (mut cluster, shards) = spread();
    let home = cluster.lookup("/t").unwrap().0;
    for &(partition, shard) in shards.iter().filter(|&&(partition, _)| partition != home) {
        let delete = Command::Delete {
            base: shard,
            path: "",
            recursive: true,
        };
        let rename = Command::Rename {
            from_base: shard,
            from: "",
            to_base: NodeId::ROOT,
            to: "u",
            no_replace: false,
        };
        let ttl = Command::SetTtl {
            base: shard,
            path: "",
            key: b"",
            ttl_ns: MS,
        };
        for command in [delete, rename, ttl] {
            assert_eq!(
                cluster.apply(partition, &command, |_| ()),
                Err(Failure::Elsewhere),
                "{command:?}"
            );
        }
    }
    cluster.settle();
    assert_eq!(cluster.keys_of(&shards).len(), 30);
}

/// Removes all there are of these, wherever they are. Gives how many.
fn remove_ties(cluster: &mut Cluster, of: Ties) -> usize {
    let mut removed = 0;
    // No record has been used twice, so ids are their numbers.
    for (partition, node) in (0..3).flat_map(|partition| (1..100).map(move |node| (partition, NodeId(node))))
    {
        let remove = Command::RemoveTie { of, node };
        while let Err(Failure::Busy) = cluster.apply(partition, &remove, |_| removed += 1) {
            cluster.now.mono_ns += 200 * MS;
        }
        cluster.deliver();
    }
    cluster.settle();
    removed
}

#[test]
fn either_side_of_a_branch_goes_by_its_id_and_the_other_one_with_it() {
    for of in [Ties::Branches, Ties::Links] {
        let mut cluster = Cluster::new(3);
        let names: Vec<_> = (b'a'..=b'h').map(|name| format!("/{}", name as char)).collect();
        for name in &names {
            cluster.create(name, Create::default()).unwrap();
            cluster.create(&format!("{name}/in"), Create::default()).unwrap();
        }
        let is_away = |cluster: &mut Cluster, path: &String| cluster.lookup(path).unwrap().0 > 0;
        let away: Vec<_> = names.iter().map(|name| is_away(&mut cluster, name)).collect();
        assert!(away.contains(&true) && away.contains(&false));
        // Those on the second level, too.
        assert!(remove_ties(&mut cluster, of) > away.iter().filter(|&&away| away).count());
        for (name, away) in names.iter().zip(away) {
            assert_eq!(
                cluster.lookup(name).err(),
                away.then_some(Failure::NotFound),
                "{name}"
            );
        }
        assert_eq!(remove_ties(&mut cluster, of), 0);
        cluster.check_logs();
    }
}

#[test]
fn keys_go_by_the_id_of_what_has_them() {
    let (mut cluster, shards) = spread();
    let home = cluster.lookup("/t").unwrap().0;
    assert_eq!(remove_ties(&mut cluster, Ties::Shards), 2);
    for shard in shards {
        let is_there = shard.0 == home;
        assert_eq!(scan(&mut cluster, shard).is_ok(), is_there, "{shard:?}");
    }
    cluster.delete("/t", true).unwrap();
    cluster.settle();
    assert_eq!(cluster.nodes(), 1);
    cluster.check_logs();
}

#[test]
fn only_what_is_one_is_removed_as_a_side_of_something() {
    let (mut cluster, shards) = spread();
    cluster.create("/t2", Create::default()).unwrap();
    for of in [Ties::Tables, Ties::Branches, Ties::Links, Ties::Shards] {
        for node in [NodeId::ROOT, NodeId(99), NodeId(1 << 32 | 1)] {
            let refused = cluster.apply(0, &Command::RemoveTie { of, node }, |_| ());
            let failure = if node == NodeId::ROOT && of == Ties::Tables {
                Failure::WrongKind
            } else {
                Failure::NotFound
            };
            assert_eq!(refused, Err(failure), "{of:?} {node:?}");
        }
    }
    let (home, table, _) = cluster.lookup("/t").unwrap();
    let whole = Command::RemoveTie {
        of: Ties::Tables,
        node: table,
    };
    assert_eq!(cluster.apply(home, &whole, |_| ()), Err(Failure::WrongKind));
    let as_keys = Command::RemoveTie {
        of: Ties::Shards,
        node: table,
    };
    assert_eq!(cluster.apply(home, &as_keys, |_| ()), Err(Failure::NotFound));
    cluster.settle();
    assert_eq!(cluster.keys_of(&shards).len(), 30);
    cluster.check_logs();
}

#[test]
fn tables_of_jobs_are_whole() {
    let mut cluster = Cluster::new(3);
    let job = Command::JobCreate(JobCreate {
        name: "",
        quota: Default::default(),
    });
    cluster.apply(0, &job, |_| ()).unwrap();
    let table = Create {
        kind: Kind::Table,
        ..Create::default()
    };
    cluster.create("/jobs/1/t", table).unwrap();
    assert_eq!(cluster.open("/jobs/1/t").unwrap().len(), 1);
    for key in 0..10 {
        cluster.put("/jobs/1/t", &[key], b"", Condition::Always).unwrap();
    }
    // One whose keys are counted nowhere does not come in.
    cluster.create("/u", table).unwrap();
    let renamed = cluster.rename("/u", "/jobs/1/u");
    assert_eq!(renamed, Err(Failure::CrossPartition));
    cluster.settle();
}
