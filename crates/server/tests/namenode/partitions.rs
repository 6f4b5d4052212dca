//! Several partitions behave as one namespace.

use crake_server::namenode::Failure;
use crake_server::namenode::command::{Create, Kind};
use proptest::prelude::*;

use crate::several::Cluster;

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
}

fn path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..5)
        .prop_map(|names| format!("/{}", names.join("/")))
}

fn step() -> impl Strategy<Value = Step> {
    let kind = prop_oneof![
        5 => Just(Kind::Directory),
        3 => Just(Kind::File),
        1 => Just(Kind::Table),
        1 => Just(Kind::Multifile),
    ];
    prop_oneof![
        6 => (path(), kind, any::<[bool; 4]>()).prop_map(|(path, kind, [parents, existing_ok, spread, replace])| {
            Step::Create { path, kind, parents, existing_ok, spread, replace }
        }),
        5 => (path(), path()).prop_map(|(from, to)| Step::Rename { from, to }),
        2 => (path(), any::<bool>()).prop_map(|(path, recursive)| Step::Delete { path, recursive }),
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
