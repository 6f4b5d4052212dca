//! Renames from partition to partition, with everything that can come in between.

use crake_server::namenode::command::{Create, Errand, JobCreate, Kind, NodeId, Reply};
use crake_server::namenode::{Command, Failure};
use proptest::prelude::*;

use crate::several::{Cluster, MS, Ways};

/// A directory of the root at each partition.
fn directories(cluster: &mut Cluster, count: u16) -> Vec<String> {
    let mut found = vec![None; usize::from(count)];
    for number in 0.. {
        let path = format!("/d{number}");
        make(cluster, &path, Kind::Directory);
        let (partition, ..) = cluster.lookup(&path).unwrap();
        found[usize::from(partition)].get_or_insert(path);
        if found.iter().all(Option::is_some) {
            return found.into_iter().flatten().collect();
        }
    }
    unreachable!("names are spread over all")
}

fn make(cluster: &mut Cluster, path: &str, kind: Kind) {
    let request = Create {
        kind,
        ..Create::default()
    };
    cluster.create(path, request).unwrap();
}

/// Nobody waits for a lease any more.
fn pause(cluster: &mut Cluster) {
    cluster.now.mono_ns += 2000 * MS;
}

/// A rename that is begun; its number.
fn begin(cluster: &mut Cluster, from: &str, to: &str) -> u64 {
    let asked = cluster.ask_rename(from, to).unwrap();
    pause(cluster);
    let number = cluster.begin_rename(&asked).unwrap();
    number.expect("it is not done at once")
}

fn ended(cluster: &mut Cluster, partition: u16, number: u64) -> Option<Option<Failure>> {
    let ended = cluster.partitions[usize::from(partition)].take_ended_moves();
    let mine = ended.into_iter().find(|(ended, _)| *ended == number);
    mine.map(|(_, refused)| refused)
}

/// A file that is at partition 0, and has its name at partition 1.
fn linked_file(cluster: &mut Cluster, directories: &[String]) -> String {
    let (from, to) = (format!("{}/f", directories[0]), format!("{}/f", directories[1]));
    make(cluster, &from, Kind::File);
    pause(cluster);
    cluster.rename(&from, &to).unwrap();
    pause(cluster);
    to
}

#[test]
fn a_file_keeps_its_home_and_comes_back_as_an_ordinary_entry() {
    let mut cluster = Cluster::new(4);
    let at = directories(&mut cluster, 4);
    let nodes = cluster.nodes();
    let file = linked_file(&mut cluster, &at);
    let (home, id, kind) = cluster.lookup(&file).unwrap();
    assert_eq!((home, kind), (0, Kind::File));
    // From partition to partition, and within one.
    for to in [&at[2], &at[3], &at[1]].map(|directory| format!("{directory}/f")) {
        let from = cluster
            .tree()
            .into_keys()
            .find(|path| path.ends_with("/f"))
            .unwrap();
        pause(&mut cluster);
        cluster.rename(&from, &to).unwrap();
        assert_eq!(cluster.lookup(&to), Ok((0, id, Kind::File)));
        assert_eq!(cluster.lookup(&from), Err(Failure::NotFound));
        pause(&mut cluster);
    }
    cluster.rename(&file, &format!("{}/g", at[1])).unwrap();
    pause(&mut cluster);
    let home = format!("{}/g", at[0]);
    cluster.rename(&format!("{}/g", at[1]), &home).unwrap();
    let (_, entries) = cluster.list(&at[0]).unwrap();
    assert_eq!(entries, [("g".to_owned(), Kind::File, id, None)]);
    assert_eq!(cluster.nodes(), nodes + 1);
    cluster.settle();
    cluster.check_logs();
}

#[test]
fn what_replaces_a_file_elsewhere_has_its_name_alone() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let nodes = cluster.nodes();
    let file = linked_file(&mut cluster, &at);
    // By a new file.
    let request = Create {
        kind: Kind::File,
        ..Create::default()
    };
    assert_eq!(cluster.create(&file, request), Err(Failure::AlreadyExists));
    let request = Create {
        replace: true,
        ..request
    };
    let (home, base, _) = cluster.lookup(&file).unwrap();
    let at_home = Command::Create(Create { base, ..request });
    assert_eq!(cluster.apply(home, &at_home, |_| ()), Err(Failure::NotFound));
    cluster.create(&file, request).unwrap();
    let (home, ..) = cluster.lookup(&file).unwrap();
    assert_eq!(home, 1);
    cluster.settle();
    assert_eq!(cluster.nodes(), nodes + 1, "the one before is gone at its home");
    // By a rename within the partition, and by one from elsewhere.
    for source in [&at[1], &at[2]] {
        cluster.delete(&file, false).unwrap();
        linked_file(&mut cluster, &at);
        let source = format!("{source}/other");
        make(&mut cluster, &source, Kind::File);
        let (home, id, _) = cluster.lookup(&source).unwrap();
        pause(&mut cluster);
        cluster.rename(&source, &file).unwrap();
        assert_eq!(cluster.lookup(&file), Ok((home, id, Kind::File)));
        cluster.settle();
        assert_eq!(cluster.nodes(), nodes + 1);
    }
    cluster.check_logs();
}

#[test]
fn a_file_elsewhere_goes_when_it_is_deleted_or_due_or_its_directory_goes() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let nodes = cluster.nodes();
    let file = linked_file(&mut cluster, &at);
    cluster.delete(&file, false).unwrap();
    assert_eq!(cluster.lookup(&file), Err(Failure::NotFound));
    assert_eq!(cluster.nodes(), nodes);

    let file = linked_file(&mut cluster, &at);
    let (home, id, _) = cluster.lookup(&file).unwrap();
    let due = Command::SetTtl {
        base: id,
        path: "",
        key: b"",
        ttl_ns: 5 * MS,
    };
    cluster.apply(home, &due, |_| ()).unwrap();
    assert!(cluster.lookup(&file).is_ok());
    cluster.now.mono_ns += 6 * MS;
    assert_eq!(cluster.lookup(&file), Err(Failure::NotFound));
    cluster.settle();
    assert_eq!(cluster.list(&at[1]).unwrap().1, []);
    assert_eq!(cluster.nodes(), nodes);

    linked_file(&mut cluster, &at);
    assert_eq!(cluster.delete(&at[1], false), Err(Failure::NotEmpty));
    cluster.delete(&at[1], true).unwrap();
    cluster.settle();
    assert_eq!(cluster.nodes(), nodes - 1, "the directory and the file");
    cluster.check_logs();
}

#[test]
fn a_link_to_a_file_is_no_directory() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let file = linked_file(&mut cluster, &at);
    assert_eq!(cluster.lookup(&format!("{file}/")), Err(Failure::NotADirectory));
    assert_eq!(cluster.lookup(&format!("{file}/x")), Err(Failure::NotADirectory));
    let request = Create {
        kind: Kind::Directory,
        existing_ok: true,
        ..Create::default()
    };
    assert_eq!(cluster.create(&file, request), Err(Failure::AlreadyExists));
    let request = Create {
        parents: true,
        ..request
    };
    assert_eq!(
        cluster.create(&format!("{file}/x"), request),
        Err(Failure::NotADirectory)
    );
}

/// While it is not known what comes of a rename, nobody can do anything with the old name, or with what it is in.
#[test]
fn who_needs_what_moves_is_told_to_come_again() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    for kind in [Kind::File, Kind::Directory] {
        let (from, to) = (format!("{}/x", at[1]), format!("{}/x", at[2]));
        make(&mut cluster, &from, kind);
        let number = begin(&mut cluster, &from, &to);
        let busy = |outcome: Result<(), Failure>| assert_eq!(outcome, Err(Failure::Busy));
        busy(cluster.lookup(&from).map(|_| ()));
        busy(cluster.lookup(&format!("{from}/below")).map(|_| ()));
        busy(cluster.list(&at[1]).map(|_| ()));
        let (partition, base, _) = cluster.lookup(&at[1]).unwrap();
        let commands = [
            Command::Delete {
                base,
                path: "x",
                recursive: true,
            },
            Command::Delete {
                base,
                path: "",
                recursive: true,
            },
            Command::Rename {
                from_base: base,
                from: "x",
                to_base: base,
                to: "x",
                no_replace: false,
            },
            Command::Rename {
                from_base: base,
                from: "x",
                to_base: base,
                to: "y",
                no_replace: false,
            },
            Command::Create(Create {
                base,
                path: "x",
                kind: Kind::File,
                replace: true,
                ..Create::default()
            }),
            Command::Create(Create {
                base,
                path: "x/below",
                kind: Kind::File,
                ..Create::default()
            }),
            Command::SetTtl {
                base,
                path: "x",
                key: b"",
                ttl_ns: 1,
            },
        ];
        for command in commands {
            busy(cluster.apply(partition, &command, |_| ()));
        }
        // Others go on.
        make(&mut cluster, &format!("{}/y", at[1]), Kind::File);
        cluster.delete(&format!("{}/y", at[1]), false).unwrap();
        assert_eq!(ended(&mut cluster, 1, number), Some(None));
        assert_eq!(cluster.lookup(&from), Err(Failure::NotFound));
        cluster.lookup(&to).unwrap();
        cluster.delete(&to, true).unwrap();
    }
    cluster.settle();
    cluster.check_logs();
}

#[test]
fn a_refused_rename_leaves_everything_as_it_was() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let to = format!("{}/x", at[2]);
    make(&mut cluster, &format!("{}/f", at[1]), Kind::File);
    make(&mut cluster, &format!("{}/d", at[1]), Kind::Directory);
    make(&mut cluster, &to, Kind::Table);
    pause(&mut cluster);
    let (before, nodes) = (cluster.tree(), cluster.nodes());
    for (name, expected) in [("f", Failure::IsADirectory), ("d", Failure::WrongKind)] {
        let from = format!("{}/{name}", at[1]);
        let found = cluster.lookup(&from).unwrap();
        assert_eq!(cluster.rename(&from, &to), Err(expected));
        assert_eq!(
            cluster.rename(&from, &format!("{to}/{name}")),
            Err(Failure::WrongKind)
        );
        assert_eq!(cluster.lookup(&from), Ok(found));
        // The directory goes after the client has found it.
        let gone = format!("{}/gone", at[2]);
        make(&mut cluster, &gone, Kind::Directory);
        let asked = cluster.ask_rename(&from, &format!("{gone}/x")).unwrap();
        cluster.delete(&gone, false).unwrap();
        pause(&mut cluster);
        let number = cluster.begin_rename(&asked).unwrap().unwrap();
        cluster.deliver();
        assert_eq!(ended(&mut cluster, 1, number), Some(Some(Failure::NotFound)));
        assert_eq!(cluster.lookup(&from), Ok(found));
        pause(&mut cluster);
    }
    assert_eq!((cluster.tree(), cluster.nodes()), (before, nodes));
    cluster.settle();
    cluster.check_logs();
}

/// What was refused is refused again when it is asked again, though it could be done by then.
#[test]
fn an_errand_that_was_refused_stays_refused() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    // So deep that what is made stays with its directory.
    let directory = format!("{}/deeper", at[2]);
    make(&mut cluster, &directory, Kind::Directory);
    let (at_new, base, _) = cluster.lookup(&directory).unwrap();
    let at_old = (at_new + 1) % 3;
    let (from, to) = (format!("{}/x", at[usize::from(at_old)]), format!("{directory}/x"));
    make(&mut cluster, &from, Kind::File);
    make(&mut cluster, &to, Kind::Directory);
    begin(&mut cluster, &from, &to);
    let (id, errand) = cluster.first_errand(at_old, at_new).unwrap();
    let command = Command::DoErrand {
        partition: at_old,
        id,
        errand: &errand,
    };
    assert_eq!(
        cluster.apply(at_new, &command, |_| ()),
        Err(Failure::IsADirectory)
    );
    let delete = Command::Delete {
        base,
        path: "x",
        recursive: false,
    };
    cluster.apply(at_new, &delete, |_| ()).unwrap();
    cluster.restart(at_new);
    assert_eq!(
        cluster.apply(at_new, &command, |_| ()),
        Err(Failure::IsADirectory)
    );
    cluster.settle();
    assert!(cluster.lookup(&from).is_ok());
}

#[test]
fn what_is_said_of_moves_that_there_are_not_changes_nothing() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let from = format!("{}/x", at[1]);
    make(&mut cluster, &from, Kind::Directory);
    let to = format!("{}/x", at[2]);
    let number = begin(&mut cluster, &from, &to);
    let node = NodeId(77 << 32 | 5);
    let strays = [
        Errand::Moved {
            branch: node,
            refused: None,
        },
        Errand::Traced {
            number: 99,
            refused: None,
        },
        // It waits for its turn, and not for this.
        Errand::Traced {
            number,
            refused: None,
        },
        Errand::Unlock { number },
        Errand::Drop { branch: node },
        Errand::Unlink { branch: node },
    ];
    for (at, errand) in strays.iter().enumerate() {
        let command = Command::DoErrand {
            partition: 0,
            id: 1000 + at as u64,
            errand,
        };
        let before = cluster.list("/");
        cluster.apply(1, &command, |_| ()).unwrap();
        assert_eq!(cluster.list("/"), before);
        assert_eq!(ended(&mut cluster, 1, number), None);
        assert_eq!(cluster.lookup(&from).map(|_| ()), Err(Failure::Busy));
    }
}

#[test]
fn of_two_containers_that_go_below_each_other_one_does() {
    for random in 0..200 {
        let mut cluster = Cluster::new(3);
        let at = directories(&mut cluster, 3);
        cluster.random = random;
        cluster.restarts = random % 2 == 1;
        let (one, other) = (format!("{}/one", at[1]), format!("{}/other", at[2]));
        make(&mut cluster, &one, Kind::Directory);
        make(&mut cluster, &other, Kind::Directory);
        let nodes = cluster.nodes();
        let asked = [
            cluster.ask_rename(&one, &format!("{other}/x")).unwrap(),
            cluster.ask_rename(&other, &format!("{one}/y")).unwrap(),
        ];
        pause(&mut cluster);
        cluster.begin_rename(&asked[0]).unwrap();
        for _ in 0..random % 5 {
            cluster.deliver_one();
        }
        let second = cluster.begin_rename(&asked[1]);
        assert!(second.is_ok() || second == Err(Failure::Busy), "{second:?}");
        cluster.settle();
        let tree = cluster.tree();
        assert_eq!(tree.len() as u64 + 1, cluster.nodes(), "{tree:?}");
        assert_eq!(cluster.nodes(), nodes);
        let moved = tree
            .keys()
            .filter(|path| path.ends_with("/x") || path.ends_with("/y"));
        assert!(moved.count() <= 1, "{tree:?}");
        cluster.check_logs();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Renames of containers, all at the same time: what there is is there afterwards, and can be reached.
    #[test]
    fn renames_at_the_same_time_lose_nothing(
        renames in prop::collection::vec((0..9_usize, 0..9_usize, 0..6_usize), 1..40),
        random in any::<u64>(),
        restarts in any::<bool>(),
    ) {
        let mut cluster = Cluster::new(3);
        let at = directories(&mut cluster, 3);
        for directory in &at {
            for name in ["x", "y"] {
                make(&mut cluster, &format!("{directory}/{name}"), Kind::Directory);
                make(&mut cluster, &format!("{directory}/{name}/file"), Kind::File);
            }
        }
        let nodes = cluster.nodes();
        cluster.random = random;
        cluster.restarts = restarts;
        for (number, (from, to, steps)) in renames.into_iter().enumerate() {
            for _ in 0..steps {
                cluster.deliver_one();
            }
            pause(&mut cluster);
            // Whatever can be found now.
            let mut found = Vec::new();
            for path in ["/", &at[0], &at[1], &at[2]] {
                let entries = cluster.list(path.trim_end_matches('/'));
                found.extend(entries.into_iter().flat_map(|(_, entries)| entries).map(|entry| {
                    format!("{}/{}", path.trim_end_matches('/'), entry.0)
                }));
            }
            if found.is_empty() {
                continue;
            }
            let (from, to) = (&found[from % found.len()], &found[to % found.len()]);
            let Ok(asked) = cluster.ask_rename(from, &format!("{to}/n{number}")) else { continue };
            pause(&mut cluster);
            let _ = cluster.begin_rename(&asked);
        }
        cluster.settle();
        let tree = cluster.tree();
        prop_assert_eq!(tree.len() as u64 + 1, nodes, "{:?}", tree);
        prop_assert_eq!(cluster.nodes(), nodes);
        cluster.check_logs();
    }

    /// One of the partitions ends in the middle, and another one that knows of nothing begins in its place. What was at the others goes on; nothing is stuck.
    #[test]
    fn a_partition_that_begins_anew_in_the_middle_leaves_nothing_stuck(
        kind in prop::sample::select(vec![Kind::File, Kind::Directory]),
        home in 1..4_usize,
        lost in 1..4_u16,
        steps in 0..12_usize,
        random in any::<u64>(),
    ) {
        let mut cluster = Cluster::new(4);
        let at = directories(&mut cluster, 4);
        let (from, to) = (format!("{}/x", at[1]), format!("{}/x", at[2]));
        make(&mut cluster, &format!("{}/x", at[home]), kind);
        pause(&mut cluster);
        if home != 1 {
            cluster.rename(&format!("{}/x", at[home]), &from).unwrap();
            pause(&mut cluster);
        }
        let home = cluster.lookup(&from).unwrap().0;
        cluster.random = random;
        begin(&mut cluster, &from, &to);
        for _ in 0..steps {
            cluster.deliver_one();
        }
        cluster.begin_anew(lost);
        cluster.settle();
        let found = [&from, &to].map(|path| cluster.lookup(path).is_ok());
        let expected: &[_] = match lost {
            lost if lost == home => &[[false, false]],
            // The old name is gone with its directory, and the node, unless it had the new one.
            1 => &[[false, false], [false, true]],
            // The new name is gone with its directory: the node, too, if it had it.
            _ if lost == 2 => &[[false, false], [true, false]],
            // It has nothing of all that; a container that has not yet heard that it may be there stays, to be moved again.
            _ => match kind {
                Kind::File => &[[false, true]],
                _ => &[[false, true], [true, false]],
            },
        };
        prop_assert!(expected.contains(&found), "{:?}", found);
        // Nothing is left of what nobody can find.
        let tree = cluster.tree();
        prop_assert_eq!(cluster.nodes(), tree.len() as u64 + 1, "{:?}", tree);
        // It is another turn.
        if lost != 3 {
            make(&mut cluster, &format!("{}/z", at[3]), Kind::Directory);
            pause(&mut cluster);
            cluster.rename(&format!("{}/z", at[3]), "/z").unwrap();
        }
    }
}

/// What is due while it moves goes, whatever comes of the move.
#[test]
fn what_is_due_in_the_middle_goes() {
    for random in 0..100 {
        let mut cluster = Cluster::new(4);
        let at = directories(&mut cluster, 4);
        let nodes = cluster.nodes();
        let from = match random % 2 {
            0 => linked_file(&mut cluster, &at),
            _ => {
                let path = format!("{}/f", at[1]);
                make(&mut cluster, &path, Kind::File);
                path
            }
        };
        let (home, id, _) = cluster.lookup(&from).unwrap();
        cluster.random = random;
        let to = format!("{}/f", at[2]);
        begin(&mut cluster, &from, &to);
        let due = Command::SetTtl {
            base: id,
            path: "",
            key: b"",
            ttl_ns: 1,
        };
        cluster.apply(home, &due, |_| ()).unwrap();
        for _ in 0..random % 7 {
            cluster.deliver_one();
        }
        cluster.settle();
        assert_eq!(
            [&from, &to].map(|path| cluster.lookup(path)),
            [Err(Failure::NotFound); 2]
        );
        assert_eq!(cluster.nodes(), nodes);
        cluster.check_logs();
    }
}

#[test]
fn what_leaves_a_job_is_not_counted_there_and_nothing_comes_in_from_elsewhere() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let job = Command::JobCreate(JobCreate {
        name: "job",
        ..JobCreate::default()
    });
    let job = cluster
        .apply(0, &job, |reply| match reply {
            Reply::Job(job) => job.id,
            other => panic!("{other:?}"),
        })
        .unwrap();
    let directory = format!("/jobs/{}", job.0);
    let used = |cluster: &mut Cluster| {
        let list = Command::JobList {
            after: Default::default(),
            limit: 0,
        };
        let used = |reply: &Reply<'_>| match reply {
            Reply::Jobs { jobs, .. } => jobs.clone().map(|job| job.used.nodes).sum::<u64>(),
            other => panic!("{other:?}"),
        };
        cluster.apply(0, &list, used).unwrap()
    };
    for name in ["tree", "tree/below", "other", "third"] {
        make(&mut cluster, &format!("{directory}/{name}"), Kind::Directory);
    }
    assert_eq!(used(&mut cluster), 4);
    // Refused: it is in the job again.
    make(&mut cluster, &format!("{}/taken", at[1]), Kind::Table);
    pause(&mut cluster);
    let refused = cluster.rename(&format!("{directory}/tree"), &format!("{}/taken", at[1]));
    assert_eq!(refused, Err(Failure::WrongKind));
    assert_eq!(used(&mut cluster), 4);
    pause(&mut cluster);
    cluster
        .rename(&format!("{directory}/tree"), &format!("{}/out", at[1]))
        .unwrap();
    assert_eq!(used(&mut cluster), 2);
    cluster.lookup(&format!("{}/out/below", at[1])).unwrap();
    pause(&mut cluster);
    let back = cluster.rename(&format!("{}/out", at[1]), &format!("{directory}/back"));
    assert_eq!(back, Err(Failure::CrossPartition));
    assert_eq!(
        cluster.rename(&format!("{}/out", at[1]), &format!("{directory}/other")),
        Err(Failure::CrossPartition)
    );
    // The job ends while something is on its way out of it.
    begin(
        &mut cluster,
        &format!("{directory}/other"),
        &format!("{}/late", at[1]),
    );
    let end = Command::JobEnd { job, kill: false };
    cluster.apply(0, &end, |_| ()).unwrap();
    cluster.settle();
    assert_eq!(used(&mut cluster), 0);
    let tree = cluster.tree();
    assert_eq!(cluster.nodes(), tree.len() as u64 + 1, "{tree:?}");
    cluster.check_logs();
}

#[test]
fn both_directories_are_told() {
    let mut cluster = Cluster::new(3);
    let at = directories(&mut cluster, 3);
    let (from, to) = (format!("{}/x", at[1]), format!("{}/y", at[2]));
    make(&mut cluster, &from, Kind::File);
    let mut watchers = Vec::new();
    for path in [&at[1], &at[2]] {
        let (partition, base, _) = cluster.lookup(path).unwrap();
        let watch = Command::Watch { base, path: "" };
        let watched = |reply: &Reply<'_>| match reply {
            Reply::Watched { watcher, .. } => *watcher,
            other => panic!("{other:?}"),
        };
        let watcher = cluster.apply(partition, &watch, watched).unwrap();
        watchers.push((partition, watcher));
    }
    cluster.rename(&from, &to).unwrap();
    let told = watchers.into_iter().flat_map(|(partition, watcher)| {
        let events = Command::Events { watcher, after: 0 };
        let told = |reply: &Reply<'_>| match reply {
            Reply::Events(list) => list
                .events
                .clone()
                .map(|event| format!("{:?} {}", event.happened, event.name.escape_ascii()))
                .collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        cluster.apply(partition, &events, told).unwrap()
    });
    assert_eq!(told.collect::<Vec<_>>(), ["Deleted x", "Created y"]);
}

/// The same by one who looks at the names, whatever the node is and wherever it is at home.
#[test]
fn nobody_sees_two_names_or_none() {
    for random in 0..100_u64 {
        for (home, kind) in [
            (1, Kind::File),
            (1, Kind::Directory),
            (2, Kind::File),
            (3, Kind::Directory),
        ] {
            let mut cluster = Cluster::new(4);
            let at = directories(&mut cluster, 4);
            let (from, to) = (format!("{}/x", at[1]), format!("{}/y", at[2]));
            let made = format!("{}/m", at[home]);
            make(&mut cluster, &made, kind);
            pause(&mut cluster);
            cluster.rename(&made, &from).unwrap();
            if random % 3 == 0 {
                make(&mut cluster, &to, kind);
            }
            cluster.random = random;
            cluster.restarts = random % 2 == 0;
            begin(&mut cluster, &from, &to);
            let seen = Ways::new((&from, &to));
            cluster.deliver_and(|cluster| seen.look(cluster));
            assert!(seen.check());
        }
    }
}
