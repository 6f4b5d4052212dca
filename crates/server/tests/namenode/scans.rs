//! Scans between bounds, in both directions, page by page while keys come and go.

use std::collections::BTreeSet;

use crake_server::namenode::command::{Condition, Kind, Scan};
use crake_store::protocol::scan::HEAD_BYTES;
use proptest::prelude::*;

use crate::world::World;

use Condition::Always;

fn table(keys: &[&str]) -> World {
    let mut world = World::new();
    world.make("/t", Kind::Table).unwrap();
    for key in keys {
        world.put(key.as_bytes(), b"v", Always).unwrap();
    }
    world
}

fn keys(world: &mut World, scan: Scan<'_>) -> Vec<String> {
    let (page, more) = world.scan_with(scan);
    assert!(!more);
    page.into_iter().map(|(key, _)| key).collect()
}

#[test]
fn bounds_include_and_leave_out_what_they_say() {
    let mut world = table(&["a", "b", "ba", "bb", "c"]);
    let all = Scan::default();
    let cases = [
        (Scan { from: b"b", ..all }, &["b", "ba", "bb", "c"][..]),
        (Scan { after: b"b", ..all }, &["ba", "bb", "c"]),
        (Scan { until: b"bb", ..all }, &["a", "b", "ba"]),
        (
            Scan {
                from: b"b",
                until: b"bb",
                ..all
            },
            &["b", "ba"],
        ),
        (
            Scan {
                prefix: b"b",
                from: b"ba",
                ..all
            },
            &["ba", "bb"],
        ),
        (
            Scan {
                prefix: b"b",
                until: b"c",
                ..all
            },
            &["b", "ba", "bb"],
        ),
        (
            Scan {
                prefix: b"b",
                from: b"a",
                after: b"b",
                until: b"bb",
                ..all
            },
            &["ba"],
        ),
        (Scan { from: b"aa", ..all }, &["b", "ba", "bb", "c"]),
        (all, &["a", "b", "ba", "bb", "c"]),
    ];
    for (scan, expected) in cases {
        assert_eq!(keys(&mut world, scan), expected, "{scan:?}");
        let reverse = Scan {
            reverse: true,
            ..scan
        };
        let mut seen = keys(&mut world, reverse);
        seen.reverse();
        assert_eq!(seen, expected, "{reverse:?}");
    }
}

#[test]
fn bounds_that_leave_nothing_or_make_no_sense_give_nothing() {
    let mut world = table(&["a", "b"]);
    let long = [b'a'; 300];
    let all = Scan::default();
    for scan in [
        Scan {
            from: b"b",
            until: b"a",
            ..all
        },
        Scan {
            from: b"b",
            until: b"b",
            ..all
        },
        Scan {
            after: b"a",
            until: b"a",
            ..all
        },
        Scan {
            after: b"c",
            until: b"a",
            ..all
        },
        Scan {
            prefix: b"b",
            until: b"a",
            ..all
        },
        Scan {
            prefix: b"a",
            from: b"b",
            ..all
        },
        Scan { prefix: b"x", ..all },
        Scan { prefix: &long, ..all },
        Scan {
            prefix: &[0xff; 255],
            ..all
        },
        Scan {
            from: &[0xff; 300],
            ..all
        },
    ] {
        for reverse in [false, true] {
            assert_eq!(keys(&mut world, Scan { reverse, ..scan }), [""; 0], "{scan:?}");
        }
    }
    let scan = Scan {
        from: &long,
        until: &[0xff; 300],
        ..all
    };
    assert_eq!(keys(&mut world, scan), ["b"]);
}

#[test]
fn an_empty_table_has_no_pages() {
    let mut world = table(&[]);
    for reverse in [false, true] {
        let scan = Scan {
            reverse,
            ..Scan::default()
        };
        assert_eq!(keys(&mut world, scan), [""; 0]);
    }
}

#[test]
fn a_descending_page_fits_a_message_and_says_that_there_are_more() {
    let mut world = table(&[]);
    for number in 0..300 {
        world
            .put(format!("{number:05}").as_bytes(), &[7; 700], Always)
            .unwrap();
    }
    let (mut seen, mut until) = (Vec::new(), String::new());
    loop {
        let scan = Scan {
            until: until.as_bytes(),
            reverse: true,
            ..Scan::default()
        };
        let (page, more) = world.scan_with(scan);
        assert!(!page.is_empty() && page.len() * (HEAD_BYTES + 5 + 700) <= 60 * 1024);
        seen.extend(page.into_iter().map(|(key, _)| key));
        until.clone_from(seen.last().unwrap());
        if !more {
            break;
        }
    }
    let expected: Vec<String> = (0..300).rev().map(|number| format!("{number:05}")).collect();
    assert_eq!(seen, expected);
}

/// What happens to the table between two pages.
#[derive(Clone, Debug)]
enum Change {
    Put(Vec<u8>),
    Remove(Vec<u8>),
}

/// Of few bytes, so that bounds and keys meet; the highest byte is where prefixes end.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0_u8), Just(b'a'), Just(b'b'), Just(0xff)], 1..4)
}

fn bound() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![2 => Just(Vec::new()), 3 => key()]
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![key().prop_map(Change::Put), key().prop_map(Change::Remove)]
}

#[derive(Clone, Debug)]
struct Range {
    prefix: Vec<u8>,
    from: Vec<u8>,
    after: Vec<u8>,
    until: Vec<u8>,
    reverse: bool,
}

impl Range {
    fn scan(&self) -> Scan<'_> {
        Scan {
            prefix: &self.prefix,
            from: &self.from,
            after: &self.after,
            until: &self.until,
            reverse: self.reverse,
            ..Scan::default()
        }
    }

    fn has(&self, key: &[u8]) -> bool {
        key.starts_with(&self.prefix)
            && key >= &self.from[..]
            && (self.after.is_empty() || key > &self.after[..])
            && (self.until.is_empty() || key < &self.until[..])
    }

    fn go_behind(&mut self, last: &[u8]) {
        match self.reverse {
            true => self.until = last.to_vec(),
            false => self.after = last.to_vec(),
        }
    }
}

fn range() -> impl Strategy<Value = Range> {
    (bound(), bound(), bound(), bound(), any::<bool>()).prop_map(|(prefix, from, after, until, reverse)| {
        Range {
            prefix,
            from,
            after,
            until,
            reverse,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Keys that are there from the first page to the last come exactly once, those that never are do not, and all come in order.
    #[test]
    fn pages_neither_skip_nor_repeat_while_keys_change(
        first in prop::collection::btree_set(key(), 0..30),
        asked in range(),
        limit in 1..5_u32,
        changes in prop::collection::vec(prop::collection::vec(change(), 0..4), 40),
    ) {
        let mut world = table(&[]);
        for key in &first {
            world.put(key, b"v", Always).unwrap();
        }
        let mut present = first.clone();
        let (mut always, mut ever) = (first.clone(), first);
        let (mut rest, mut seen) = (asked.clone(), Vec::new());
        for between in changes {
            let scan = Scan { limit, keys_only: true, ..rest.scan() };
            let (page, more) = world.scan_bytes(scan);
            let mut expected: Vec<&Vec<u8>> = present.iter().filter(|key| rest.has(key)).collect();
            if asked.reverse {
                expected.reverse();
            }
            prop_assert_eq!(more, expected.len() > limit as usize);
            expected.truncate(limit as usize);
            prop_assert_eq!(page.iter().collect::<Vec<_>>(), expected);
            seen.extend(page);
            if !more {
                break;
            }
            rest.go_behind(seen.last().unwrap());
            for change in between {
                match change {
                    Change::Put(key) => {
                        world.put(&key, b"w", Always).unwrap();
                        ever.insert(key.clone());
                        present.insert(key);
                    }
                    Change::Remove(key) => {
                        world.remove(&key, Always).unwrap();
                        always.remove(&key);
                        present.remove(&key);
                    }
                }
            }
        }
        if asked.reverse {
            seen.reverse();
        }
        prop_assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "in order, and none twice");
        let seen: BTreeSet<Vec<u8>> = seen.into_iter().collect();
        prop_assert!(always.iter().filter(|key| asked.has(key)).all(|key| seen.contains(key)));
        prop_assert!(seen.iter().all(|key| ever.contains(key) && asked.has(key)));
    }
}
