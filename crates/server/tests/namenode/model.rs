//! Random commands against a model that is as simple as can be, and that the same commands give the same.

use std::collections::BTreeMap;

use crake_server::namenode::command::{
    Condition, Create, Kind, LeaseId, NodeId, Now, Put, Register, SessionId,
};
use crake_server::namenode::log::{Journal, replay_all};
use crake_server::namenode::{Command, Config, Failure, Namespace, Reply};
use proptest::prelude::*;

use crate::world::{MIB, ROOT, SECOND};

/// A command of the names "a", "b", "c", up to three deep.
#[derive(Clone, Debug)]
enum Step {
    Create {
        path: Path,
        kind: Kind,
        parents: bool,
        replace: bool,
        existing_ok: bool,
        hint: u64,
    },
    Rename {
        from: Path,
        to: Path,
        no_replace: bool,
    },
    Delete {
        path: Path,
        recursive: bool,
    },
    Append {
        path: Path,
        session: u8,
    },
    Write {
        opened: usize,
        want: u64,
        publish: u64,
        seal: bool,
    },
    Put {
        path: Path,
        key: u8,
        len: usize,
        condition: Condition,
    },
    PutLarge {
        path: Path,
        key: u8,
        size: u64,
        condition: Condition,
        abort: bool,
    },
    Remove {
        path: Path,
        key: u8,
    },
    Pin {
        opened: usize,
        session: u8,
    },
    Unpin {
        pin: usize,
    },
    Pass {
        tenths: u64,
    },
    Restart,
    Heartbeat,
}

type Path = Vec<u8>;

fn path() -> impl Strategy<Value = Path> {
    prop::collection::vec(0..3_u8, 1..4)
}

fn condition() -> impl Strategy<Value = Condition> {
    prop_oneof![
        4 => Just(Condition::Always),
        1 => Just(Condition::IfAbsent),
        1 => (0..5_u64).prop_map(Condition::IfVersion),
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![3 => Just(Kind::Directory), 4 => Just(Kind::File), 1 => Just(Kind::Multifile), 2 => Just(Kind::Table)]
}

fn step() -> impl Strategy<Value = Step> {
    let size = prop_oneof![Just(0), 1..5000_u64, Just(100_000), Just(2 * MIB)];
    prop_oneof![
        6 => (path(), kind(), any::<[bool; 3]>(), size.clone()).prop_map(|(path, kind, flags, hint)| {
            Step::Create { path, kind, parents: flags[0], replace: flags[1], existing_ok: flags[2], hint }
        }),
        4 => (path(), path(), prop::bool::weighted(0.2))
            .prop_map(|(from, to, no_replace)| Step::Rename { from, to, no_replace }),
        2 => (path(), any::<bool>()).prop_map(|(path, recursive)| Step::Delete { path, recursive }),
        2 => (path(), 0..2_u8).prop_map(|(path, session)| Step::Append { path, session }),
        4 => (0..8_usize, size.clone(), size.clone(), any::<bool>())
            .prop_map(|(opened, want, publish, seal)| Step::Write { opened, want, publish, seal }),
        4 => (path(), 0..3_u8, prop_oneof![0..70_usize, Just(200)], condition())
            .prop_map(|(path, key, len, condition)| Step::Put { path, key, len, condition }),
        2 => (path(), 0..3_u8, size, condition(), prop::bool::weighted(0.3)).prop_map(
            |(path, key, size, condition, abort)| Step::PutLarge { path, key, size, condition, abort }
        ),
        2 => (path(), 0..3_u8).prop_map(|(path, key)| Step::Remove { path, key }),
        3 => (0..8_usize, 0..2_u8).prop_map(|(opened, session)| Step::Pin { opened, session }),
        2 => (0..8_usize).prop_map(|pin| Step::Unpin { pin }),
        1 => (0..60_u64).prop_map(|tenths| Step::Pass { tenths }),
        1 => Just(Step::Restart),
        2 => Just(Step::Heartbeat),
    ]
}

/// What is at each path: its kind, and of a key its version and length.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    nodes: BTreeMap<Path, (Kind, u64, u64)>,
    /// Highest version of the table at a path.
    versions: BTreeMap<Path, u64>,
}

impl Model {
    fn kind(&self, path: &[u8]) -> Option<Kind> {
        if path.is_empty() {
            Some(Kind::Directory)
        } else {
            self.nodes.get(path).map(|node| node.0)
        }
    }

    /// The failure of a walk to the container of a path, as far as that container must be there.
    fn walk(&self, path: &[u8], parents: bool) -> Result<(), Failure> {
        for len in 0..path.len() {
            match self.kind(&path[..len]) {
                Some(kind) if kind.is_container() => {}
                Some(_) => return Err(Failure::NotADirectory),
                None if parents => return Ok(()),
                None => return Err(Failure::NotFound),
            }
        }
        Ok(())
    }

    fn resolve(&self, path: &[u8]) -> Result<Kind, Failure> {
        self.walk(path, false)?;
        self.kind(path).ok_or(Failure::NotFound)
    }

    fn accepts(&self, parent: &[u8], kind: Kind) -> bool {
        match self.kind(parent) {
            Some(Kind::Directory) => kind != Kind::KeyValue,
            Some(Kind::Multifile) => kind == Kind::File,
            _ => false,
        }
    }

    fn has_entries(&self, path: &[u8]) -> bool {
        self.nodes
            .keys()
            .any(|other| other.len() > path.len() && other.starts_with(path))
    }

    fn create(
        &mut self,
        path: &[u8],
        kind: Kind,
        [parents, replace, existing_ok]: [bool; 3],
    ) -> Result<(), Failure> {
        self.walk(path, parents)?;
        match self.kind(path) {
            Some(there) if kind.is_container() && existing_ok && there == kind => return Ok(()),
            Some(_) if kind != Kind::File || !replace => return Err(Failure::AlreadyExists),
            Some(Kind::File) => return Ok(()),
            Some(Kind::KeyValue) => return Err(Failure::WrongKind),
            Some(_) => return Err(Failure::IsADirectory),
            None => {}
        }
        let first = (1..=path.len())
            .find(|&len| self.kind(&path[..len]).is_none())
            .unwrap();
        let first_kind = if first == path.len() {
            kind
        } else {
            Kind::Directory
        };
        if !self.accepts(&path[..first - 1], first_kind) {
            return Err(Failure::WrongKind);
        }
        for len in first..path.len() {
            self.nodes.insert(path[..len].to_vec(), (Kind::Directory, 0, 0));
        }
        self.nodes.insert(path.to_vec(), (kind, 0, 0));
        Ok(())
    }

    fn rename(&mut self, from: &[u8], to: &[u8], no_replace: bool) -> Result<(), Failure> {
        let kind = self.resolve(from)?;
        self.walk(to, false)?;
        let target = self.kind(to);
        if from == to && !no_replace {
            return Ok(());
        }
        if kind == Kind::KeyValue {
            return Err(Failure::WrongKind);
        }
        if target.is_some() && no_replace {
            return Err(Failure::AlreadyExists);
        }
        if kind.is_container() && to[..to.len() - 1].starts_with(from) {
            return Err(Failure::Cycle);
        }
        match target {
            Some(there) if !kind.is_container() && there.is_container() => return Err(Failure::IsADirectory),
            Some(there) if kind.is_container() && !there.is_container() => {
                return Err(Failure::NotADirectory);
            }
            Some(there) if there.is_container() && self.has_entries(to) => return Err(Failure::NotEmpty),
            Some(there) if there != kind => return Err(Failure::WrongKind),
            None if !self.accepts(&to[..to.len() - 1], kind) => return Err(Failure::WrongKind),
            _ => {}
        }
        self.forget(to);
        let moved: Vec<Path> = self
            .nodes
            .keys()
            .filter(|path| path.starts_with(from))
            .cloned()
            .collect();
        for path in moved {
            let new = [to, &path[from.len()..]].concat();
            let node = self.nodes.remove(&path).unwrap();
            self.nodes.insert(new.clone(), node);
            if let Some(version) = self.versions.remove(&path) {
                self.versions.insert(new, version);
            }
        }
        Ok(())
    }

    fn forget(&mut self, top: &[u8]) -> u64 {
        let before = self.nodes.len();
        self.nodes.retain(|path, _| !path.starts_with(top));
        self.versions.retain(|path, _| !path.starts_with(top));
        (before - self.nodes.len()) as u64
    }

    fn delete(&mut self, path: &[u8], recursive: bool) -> Result<u64, Failure> {
        self.resolve(path)?;
        if self.has_entries(path) && !recursive {
            return Err(Failure::NotEmpty);
        }
        Ok(self.forget(path))
    }

    fn check_condition(&self, table: &[u8], key: u8, condition: Condition) -> Result<Path, Failure> {
        let path = [table, &[key]].concat();
        let version = self.nodes.get(&path).map_or(0, |node| node.1);
        match condition {
            Condition::IfAbsent if version > 0 => Err(Failure::AlreadyExists),
            Condition::IfVersion(expected) if expected != version => Err(Failure::VersionMismatch),
            _ => Ok(path),
        }
    }

    fn table(&self, table: &[u8]) -> Result<(), Failure> {
        if self.resolve(table)? == Kind::Table {
            Ok(())
        } else {
            Err(Failure::WrongKind)
        }
    }

    fn put(&mut self, table: &[u8], key: u8, len: u64, condition: Condition) -> Result<u64, Failure> {
        self.table(table)?;
        let path = self.check_condition(table, key, condition)?;
        let version = self.versions.entry(table.to_vec()).or_insert(0);
        *version += 1;
        self.nodes.insert(path, (Kind::KeyValue, *version, len));
        Ok(*version)
    }
}

/// The namespace beside its model.
struct Pair {
    namespace: Namespace,
    model: Model,
    now: Now,
    incarnation: u64,
    /// Files that were opened, with their capacity.
    opened: Vec<(SessionId, NodeId, LeaseId, u64)>,
    /// Of these, and of some that have ended.
    pins: Vec<(SessionId, LeaseId)>,
    /// What was answered, for comparison.
    log: Vec<String>,
    journal: Journal,
}

const SESSION: SessionId = SessionId(1);

fn text(path: &[u8]) -> String {
    path.iter()
        .flat_map(|&name| ['/', (b'a' + name) as char])
        .collect()
}

fn config() -> Config {
    Config {
        seed: 3,
        nodes_max: 40,
        leases_per_session_max: 6,
        ..Config::default()
    }
}

fn saved(namespace: &Namespace) -> Vec<u8> {
    let mut bytes = Vec::new();
    namespace.save(&mut bytes);
    bytes
}

impl Pair {
    fn new() -> Self {
        let mut namespace = Namespace::new(config());
        let journal = Journal::new(0, usize::MAX);
        namespace.keep_journal(&journal);
        let mut pair = Self {
            namespace,
            journal,
            model: Model::default(),
            now: Now {
                mono_ns: 0,
                wall_ns: 77 * SECOND,
            },
            incarnation: 0,
            pins: Vec::new(),
            opened: Vec::new(),
            log: Vec::new(),
        };
        pair.restart();
        pair
    }

    /// The other datanode stays.
    fn restart(&mut self) {
        self.incarnation += 1;
        for (name, incarnation) in [("a", self.incarnation), ("b", 1)] {
            let request = Register {
                name,
                incarnation,
                capacity: 3 * MIB,
                ..Register::default()
            };
            self.apply(SESSION, &Command::Register(request), |_| ()).unwrap();
        }
    }

    fn apply<T>(
        &mut self,
        session: SessionId,
        command: &Command<'_>,
        take: impl FnOnce(Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        let mut text = String::new();
        let result = self.namespace.apply(self.now, session, command).map(|reply| {
            text = format!("{reply:?}");
            take(reply)
        });
        self.log
            .push(format!("{command:?}: {text} {:?}", result.as_ref().err()));
        self.namespace
            .check()
            .unwrap_or_else(|what| panic!("{what} after {command:?}"));
        result
    }

    /// Limits and blocks are not modelled: where one may be the reason, the namespace says whether it was.
    fn step(&mut self, step: &Step) {
        let may_run_out = [Failure::Full, Failure::NoSpace, Failure::NoDatanodes];
        let before = self.model.clone();
        let (expected, actual) = self.both(step);
        match actual {
            Err(failure) if may_run_out.contains(&failure) => self.model = before,
            _ => assert_eq!(actual, expected, "{step:?}"),
        }
        if actual.is_err() {
            self.assert_same_as_model();
        }
    }

    /// Runs a step on both: what the model and what the namespace answers.
    fn both(&mut self, step: &Step) -> (Result<u64, Failure>, Result<u64, Failure>) {
        match *step {
            Step::Create {
                ref path,
                kind,
                parents,
                replace,
                existing_ok,
                hint,
            } => {
                let expected = self
                    .model
                    .create(path, kind, [parents, replace, existing_ok])
                    .map(|()| 0);
                let path = &text(path);
                let size_hint = hint;
                let request = Create {
                    path,
                    kind,
                    parents,
                    replace,
                    existing_ok,
                    size_hint,
                    ..Create::default()
                };
                (expected, self.open(SESSION, &Command::Create(request)))
            }
            Step::Rename {
                ref from,
                ref to,
                no_replace,
            } => {
                let expected = self.model.rename(from, to, no_replace).map(|()| 0);
                let (from, to) = (&text(from)[..], &text(to)[..]);
                let command = Command::Rename {
                    from_base: ROOT,
                    from,
                    to_base: ROOT,
                    to,
                    no_replace,
                };
                (expected, self.apply(SESSION, &command, |_| 0))
            }
            Step::Delete { ref path, recursive } => {
                let expected = self.model.delete(path, recursive);
                let command = Command::Delete {
                    base: ROOT,
                    path: &text(path),
                    recursive,
                };
                (expected, self.apply(SESSION, &command, count_of))
            }
            Step::Put {
                ref path,
                key,
                len,
                condition,
            } => {
                let expected = self.model.put(path, key, len as u64, condition);
                let (path, key, value) = (&text(path)[..], &[b'a' + key][..], &vec![key; len][..]);
                let put = Put {
                    path,
                    key,
                    value,
                    condition,
                    ..Put::default()
                };
                (expected, self.apply(SESSION, &Command::Put(put), count_of))
            }
            Step::PutLarge {
                ref path,
                key,
                size,
                condition,
                abort,
            } => self.put_large(path, key, size, condition, abort),
            Step::Remove { ref path, key } => {
                let expected = self
                    .model
                    .table(path)
                    .map(|()| u64::from(self.model.nodes.remove(&[&path[..], &[key]].concat()).is_some()));
                let (path, key) = (&text(path)[..], &[b'a' + key][..]);
                let command = Command::Remove {
                    table: ROOT,
                    path,
                    key,
                    condition: Condition::Always,
                };
                (expected, self.apply(SESSION, &command, count_of))
            }
            ref other => {
                self.act(other);
                (Ok(0), Ok(0))
            }
        }
    }

    fn put_large(
        &mut self,
        table: &Path,
        key: u8,
        size: u64,
        condition: Condition,
        abort: bool,
    ) -> (Result<u64, Failure>, Result<u64, Failure>) {
        let expected = match abort {
            true => self.model.table(table).map(|()| 0),
            false => self.model.put(table, key, size, condition),
        };
        let (path, key) = (&text(table)[..], &[b'a' + key][..]);
        let put = Command::Put(Put {
            path,
            key,
            large: true,
            size,
            condition,
            ..Put::default()
        });
        let pending = self.apply(SESSION, &put, |reply| match reply {
            Reply::Put { pending, .. } => pending,
            other => panic!("{other:?}"),
        });
        let actual = pending.and_then(|pending| {
            let result = self.apply(SESSION, &Command::PutCommit { pending, abort }, count_of);
            if result.is_err() {
                self.apply(SESSION, &Command::PutCommit { pending, abort: true }, |_| ())
                    .unwrap();
            }
            result
        });
        (expected, actual)
    }

    fn open(&mut self, session: SessionId, command: &Command<'_>) -> Result<u64, Failure> {
        let opened = self.apply(session, command, |reply| match reply {
            Reply::Opened { node, lease, .. } => (session, node.id, lease, node.capacity),
            other => panic!("{other:?}"),
        })?;
        if opened.2 != LeaseId(0) {
            self.opened.push(opened);
        }
        Ok(0)
    }

    /// What the model does not know of; that nothing is broken is checked after each command.
    fn act(&mut self, step: &Step) {
        match *step {
            Step::Append { ref path, session } => {
                let command = Command::Append {
                    base: ROOT,
                    path: &text(path),
                };
                let _ = self.open(SessionId(session.into()), &command);
            }
            Step::Write {
                opened,
                want,
                publish,
                seal,
            } if !self.opened.is_empty() => {
                let at = opened % self.opened.len();
                let (session, node, lease, offset) = self.opened[at];
                let _ = self
                    .apply(
                        session,
                        &Command::Allocate {
                            node,
                            lease,
                            offset,
                            want,
                        },
                        |_| (),
                    )
                    .is_ok();
                let published = Command::Publish {
                    node,
                    lease,
                    size: publish,
                    seal,
                };
                if let Ok(capacity) = self.apply(session, &published, capacity_of) {
                    self.opened[at].3 = capacity;
                }
            }
            Step::Pin { opened, session } if !self.opened.is_empty() => {
                let node = self.opened[opened % self.opened.len()].1;
                let session = SessionId(session.into());
                let pin = self.apply(session, &Command::Pin { node }, |reply| match reply {
                    Reply::Opened { lease, .. } => lease,
                    other => panic!("{other:?}"),
                });
                self.pins.extend(pin.map(|pin| (session, pin)));
            }
            Step::Unpin { pin } if !self.pins.is_empty() => {
                let at = pin % self.pins.len();
                let (session, pin) = self.pins[at];
                self.apply(session, &Command::Unpin { pin }, |_| ()).unwrap();
            }
            Step::Pass { tenths } => self.now.mono_ns += tenths * SECOND / 10,
            Step::Restart => self.restart(),
            Step::Heartbeat => {
                self.apply(
                    SESSION,
                    &Command::Heartbeat {
                        datanode: 2,
                        incarnation: 1,
                    },
                    |_| (),
                )
                .unwrap();
            }
            _ => {}
        }
    }

    fn assert_same_as_model(&mut self) {
        let mut seen = BTreeMap::new();
        self.collect(&mut Vec::new(), &mut seen);
        assert_eq!(seen, self.model.nodes);
    }

    fn collect(&mut self, path: &mut Path, seen: &mut BTreeMap<Path, (Kind, u64, u64)>) {
        let command = Command::List {
            base: ROOT,
            path: &text(path),
            prefix: b"",
            after: b"",
            limit: 0,
            blocks: false,
        };
        let Ok(Reply::List {
            entries, more: false, ..
        }) = self.namespace.apply(self.now, SESSION, &command)
        else {
            panic!("{path:?} cannot be listed")
        };
        let entries: Vec<_> = entries.map(|entry| (entry.name[0] - b'a', entry.node)).collect();
        for (name, node) in entries {
            path.push(name);
            let is_key = node.kind == Kind::KeyValue;
            seen.insert(
                path.clone(),
                (node.kind, node.version, if is_key { node.size } else { 0 }),
            );
            if node.kind.is_container() {
                self.collect(path, seen);
            }
            path.pop();
        }
    }

    /// Deletes all, lets all leases end: nothing may be left.
    fn end(&mut self) {
        self.assert_same_as_model();
        let tops: Vec<Path> = self
            .model
            .nodes
            .keys()
            .filter(|path| path.len() == 1)
            .cloned()
            .collect();
        for path in tops {
            let command = Command::Delete {
                base: ROOT,
                path: &text(&path),
                recursive: true,
            };
            self.apply(SESSION, &command, |_| ()).unwrap();
        }
        self.now.mono_ns += 10 * SECOND;
        self.restart();
        let usage = self.apply(SESSION, &Command::Usage, |reply| match reply {
            Reply::Usage { usage, .. } => usage,
            other => panic!("{other:?}"),
        });
        let usage = usage.unwrap();
        assert_eq!(
            (usage.nodes, usage.used, usage.leases, usage.sessions),
            (1, 0, 0, 0)
        );
    }
}

fn count_of(reply: Reply<'_>) -> u64 {
    match reply {
        Reply::Deleted { nodes } => nodes,
        Reply::Put { version, .. } => version,
        Reply::Removed { removed } => removed.into(),
        other => panic!("{other:?}"),
    }
}

fn capacity_of(reply: Reply<'_>) -> u64 {
    match reply {
        Reply::Node { node, .. } => node.capacity,
        other => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_commands_do_what_the_model_says(steps in prop::collection::vec(step(), 1..80)) {
        let mut pair = Pair::new();
        steps.iter().for_each(|step| pair.step(step));
        pair.end();
    }

    #[test]
    fn the_same_commands_give_the_same_replies_and_the_same_state(steps in prop::collection::vec(step(), 1..60)) {
        let (mut first, mut second) = (Pair::new(), Pair::new());
        for step in &steps {
            first.step(step);
            second.step(step);
        }
        prop_assert_eq!(first.log, second.log);
        prop_assert_eq!(first.namespace.fingerprint(), second.namespace.fingerprint());
    }

    /// Also from what was saved on the way, and after that is read again.
    #[test]
    fn the_records_of_random_commands_give_the_same_state(
        steps in prop::collection::vec(step(), 1..80),
        saved_after in 0..80_usize,
    ) {
        let mut pair = Pair::new();
        let mut records = Vec::new();
        let mut middle = None;
        for (at, step) in steps.iter().enumerate() {
            pair.step(step);
            pair.journal.drain(|bytes| records.extend_from_slice(bytes));
            if at == saved_after {
                middle = Some((saved(&pair.namespace), records.len()));
            }
        }
        pair.namespace.advance(pair.now);
        pair.journal.drain(|bytes| records.extend_from_slice(bytes));
        let mut replayed = Namespace::new(config());
        prop_assert_eq!(replay_all(&mut replayed, &records), Ok(()));
        prop_assert_eq!(replayed.check(), Ok(()));
        prop_assert!(saved(&replayed) == saved(&pair.namespace), "another state");
        if let Some((bytes, from)) = middle {
            let mut loaded = Namespace::load(&bytes, Now::default()).unwrap();
            prop_assert_eq!(loaded.check(), Ok(()));
            prop_assert!(saved(&loaded) == bytes, "another state after reading");
            prop_assert_eq!(replay_all(&mut loaded, &records[from..]), Ok(()));
            prop_assert!(saved(&loaded) == saved(&pair.namespace), "another state from the middle");
        }
    }
}
