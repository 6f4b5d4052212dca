//! Several partitions, the errands between them one by one, and a client that remembers nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crake_server::namenode::command::{
    Condition, Create, Errand, Home, Kind, NodeId, Now, Put, Reply, Scan, SessionId,
};
use crake_server::namenode::log::{Journal, replay_all};
use crake_server::namenode::{Command, Config, Failure, Namespace};
use crake_store::protocol::shards::shard_of;
use crake_store::protocol::{Referral, Which};

const SESSION: SessionId = SessionId(1);
pub const MS: u64 = 1_000_000;

/// Some partitions, what they have recorded, and a client that remembers nothing.
pub struct Cluster {
    pub partitions: Vec<Namespace>,
    journals: Vec<(Journal, Vec<u8>)>,
    pub now: Now,
    /// Whether partitions are started again while errands are done.
    pub restarts: bool,
    pub random: u64,
    /// What each errand was answered the first time.
    outcomes: BTreeMap<(u16, u16, u64), Result<NodeId, Failure>>,
    lives: u64,
}

/// The parts of a table: at which partition, and which node there.
pub type Shards = Vec<(u16, NodeId)>;

/// Where a path has led: a partition, a directory there, and bytes of the path.
#[derive(Clone, Copy)]
pub struct At {
    pub partition: u16,
    pub base: NodeId,
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
    pub fn new(count: u16) -> Cluster {
        let mut cluster = Cluster {
            partitions: Vec::new(),
            journals: Vec::new(),
            now: Now::default(),
            restarts: false,
            random: 1,
            outcomes: BTreeMap::new(),
            lives: 100,
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

    pub fn meet(&mut self, one: u16, partition: u16, incarnation: u64) {
        let meet = Command::MeetPartner {
            partition,
            incarnation,
        };
        self.apply(one, &meet, |_| ()).unwrap();
    }

    pub fn apply<T>(
        &mut self,
        partition: u16,
        command: &Command<'_>,
        look: impl FnOnce(&Reply<'_>) -> T,
    ) -> Result<T, Failure> {
        let now = self.now;
        let namespace = &mut self.partitions[usize::from(partition)];
        namespace.apply(now, SESSION, command).map(|reply| look(&reply))
    }

    pub fn referral(&mut self, partition: u16) -> Referral {
        let namespace = &mut self.partitions[usize::from(partition)];
        namespace.take_referral().expect("it was said where to go")
    }

    /// Does something with a path, wherever it leads. Says where, too.
    pub fn follow<T>(
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

    pub fn lookup(&mut self, path: &str) -> Result<(u16, NodeId, Kind), Failure> {
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

    pub fn create(&mut self, path: &str, request: Create<'_>) -> Result<(), Failure> {
        let mut at = START;
        for _ in 0..20 {
            let rest = &path[at.consumed..];
            let create = Create {
                base: at.base,
                path: rest,
                ..request
            };
            let made = self.apply(at.partition, &Command::Create(create), |_| ());
            if made == Err(Failure::Busy) {
                self.now.mono_ns += 200 * MS;
                continue;
            }
            self.deliver();
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

    /// Who is told to come again does so.
    pub fn delete(&mut self, path: &str, recursive: bool) -> Result<(), Failure> {
        for _ in 0..20 {
            let deleted = self.follow(path, |cluster, at, rest| {
                let delete = Command::Delete {
                    base: at.base,
                    path: rest,
                    recursive,
                };
                cluster.apply(at.partition, &delete, |_| ())
            });
            self.deliver();
            match deleted {
                Err(Failure::Busy) => self.now.mono_ns += 200 * MS,
                Err(Failure::NotEmpty) => {
                    let table = self.open(path).map_err(|_| Failure::NotEmpty)?;
                    return self.delete_if_empty(path, &table);
                }
                deleted => return deleted.map(|_| ()),
            }
        }
        panic!("who waits for a lease comes in: {path}");
    }

    /// As a client does it: only all shards together know whether a table is empty.
    fn delete_if_empty(&mut self, path: &str, table: &Shards) -> Result<(), Failure> {
        match self.keys_of(table).is_empty() {
            true => self.delete(path, true),
            false => Err(Failure::NotEmpty),
        }
    }

    /// Where the keys of a table are.
    pub fn open(&mut self, path: &str) -> Result<Shards, Failure> {
        let (home, (node, kind, shards)) = self.follow(path, |cluster, at, rest| {
            let open = Command::OpenTable {
                base: at.base,
                path: rest,
            };
            cluster.apply(at.partition, &open, |reply| match reply {
                Reply::Table { node, shards } => (node.id, node.kind, shards.to_vec()),
                other => panic!("{other:?}"),
            })
        })?;
        if kind != Kind::Table {
            return Err(Failure::WrongKind);
        }
        if shards.is_empty() {
            return Ok(vec![(home, node)]);
        }
        assert_eq!(
            (shards.len(), shards[usize::from(home)]),
            (self.partitions.len(), node)
        );
        Ok((0..).zip(shards).collect())
    }

    /// Does something with a key at the shard that has it; the others are asked before, and know that.
    fn with_key(
        &mut self,
        path: &str,
        key: &[u8],
        act: impl Fn(&mut Cluster, u16, NodeId) -> Result<i64, Failure>,
    ) -> Result<i64, Failure> {
        let shards = self.open(path)?;
        let owner = shard_of(key, shards.len() as u16);
        for &(partition, shard) in &shards {
            if shards.len() > 1 && partition != owner {
                assert_eq!(act(self, partition, shard), Err(Failure::Elsewhere));
                let referral = self.referral(partition);
                let home = (referral.partition, NodeId(referral.node));
                assert!(
                    home == shards[usize::from(owner)] || shards.contains(&home),
                    "{referral:?}"
                );
            }
        }
        let (partition, shard) = shards[usize::from(owner)];
        act(self, partition, shard)
    }

    pub fn put(
        &mut self,
        path: &str,
        key: &[u8],
        value: &[u8],
        condition: Condition,
    ) -> Result<i64, Failure> {
        self.with_key(path, key, |cluster, partition, table| {
            let put = Command::Put(Put {
                table,
                key,
                value,
                condition,
                ..Put::default()
            });
            cluster.apply(partition, &put, |_| 0)
        })
    }

    pub fn add(&mut self, path: &str, key: &[u8]) -> Result<i64, Failure> {
        self.with_key(path, key, |cluster, partition, table| {
            let add = Command::Add {
                table,
                path: "",
                key,
                delta: 1,
            };
            cluster.apply(partition, &add, |reply| match reply {
                Reply::Added { value, .. } => *value,
                other => panic!("{other:?}"),
            })
        })
    }

    pub fn remove(&mut self, path: &str, key: &[u8]) -> Result<i64, Failure> {
        self.with_key(path, key, |cluster, partition, table| {
            let remove = Command::Remove {
                table,
                path: "",
                key,
                condition: Condition::Always,
            };
            cluster.apply(partition, &remove, |reply| match reply {
                Reply::Removed { removed } => i64::from(*removed),
                other => panic!("{other:?}"),
            })
        })
    }

    pub fn get(&mut self, path: &str, key: &[u8]) -> Result<i64, Failure> {
        self.with_key(path, key, |cluster, partition, table| {
            let get = Command::Get { table, path: "", key };
            cluster.apply(partition, &get, |reply| match reply {
                Reply::Value(value) => value.inline_value.len() as i64 + i64::from(value.found),
                other => panic!("{other:?}"),
            })
        })
    }

    /// All keys of a table with their values, each of which is where it belongs.
    pub fn keys_of(&mut self, table: &Shards) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let mut keys = BTreeMap::new();
        for &(partition, shard) in table {
            let scan = Command::Scan(Scan {
                table: shard,
                ..Scan::default()
            });
            let found = self.apply(partition, &scan, |reply| match reply {
                Reply::Scan { entries, more: false } => entries
                    .clone()
                    .map(|entry| (entry.key.to_vec(), entry.value.inline_value.to_vec()))
                    .collect::<Vec<_>>(),
                other => panic!("{other:?}"),
            });
            for (key, value) in found.unwrap() {
                if table.len() > 1 {
                    assert_eq!(shard_of(&key, table.len() as u16), partition, "{key:?}");
                }
                assert_eq!(keys.insert(key, value), None);
            }
        }
        keys
    }

    /// Asks for a rename as a client does: where both directories are is found out once.
    pub fn ask_rename(&mut self, from: &str, to: &str) -> Result<Asked, Failure> {
        let (from_directory, from_name) = from.rsplit_once('/').unwrap();
        let (to_directory, to_name) = to.rsplit_once('/').unwrap();
        let (partition, from_base, _) = self.lookup(from_directory)?;
        let (other, to_base, _) = self.lookup(to_directory)?;
        Ok(Asked {
            from: (partition, from_base, from_name.to_owned()),
            to: (other, to_base, to_name.to_owned()),
        })
    }

    /// Begins it. Gives the number of the move if it goes on.
    pub fn begin_rename(&mut self, asked: &Asked) -> Result<Option<u64>, Failure> {
        let (partition, from_base, from) = &asked.from;
        let (other, to_base, to) = &asked.to;
        let rename = match partition == other {
            true => Command::Rename {
                from_base: *from_base,
                from,
                to_base: *to_base,
                to,
                no_replace: false,
            },
            false => Command::RenameTo {
                from_base: *from_base,
                from,
                partition: *other,
                directory: *to_base,
                name: to,
                no_replace: false,
            },
        };
        self.apply(*partition, &rename, |_| ())?;
        Ok(self.partitions[usize::from(*partition)].await_move())
    }

    /// A rename from begin to end; who is told to come again does so.
    pub fn rename(&mut self, from: &str, to: &str) -> Result<(), Failure> {
        let asked = self.ask_rename(from, to)?;
        for _ in 0..20 {
            match self.rename_once(&asked, (from, to)) {
                Err(Failure::Busy) => self.now.mono_ns += 200 * MS,
                outcome => return outcome,
            }
        }
        panic!("who waits for a lease or a turn comes in: {from} -> {to}");
    }

    fn rename_once(&mut self, asked: &Asked, (from, to): (&str, &str)) -> Result<(), Failure> {
        let Some(number) = self.begin_rename(asked)? else {
            self.deliver();
            return Ok(());
        };
        let partition = asked.from.0;
        let mut outcome = None;
        let seen = Ways::new((from, to));
        self.deliver_and(|cluster| {
            let ended = cluster.partitions[usize::from(partition)].take_ended_moves();
            outcome = outcome.or(ended.into_iter().find(|(ended, _)| *ended == number));
            seen.look(cluster);
        });
        let is_moved = seen.check();
        // Who was started again has forgotten who waited.
        match outcome {
            Some((_, refused)) => {
                assert_eq!(refused.is_none(), is_moved, "{from} -> {to}: {refused:?}");
                refused.map_or(Ok(()), Err)
            }
            None => is_moved.then_some(()).ok_or(Failure::Busy),
        }
    }

    /// Does all errands.
    pub fn deliver(&mut self) {
        self.deliver_and(|_| ());
    }

    /// Does all errands, and has somebody look after each step.
    pub fn deliver_and(&mut self, mut look: impl FnMut(&mut Cluster)) {
        look(self);
        while self.deliver_one() {
            look(self);
        }
    }

    /// Does one step of one errand: does it, or does it again, or takes note of what came of it; or has a partition start again. False if there are none.
    pub fn deliver_one(&mut self) -> bool {
        let count = self.partitions.len() as u16;
        let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to)));
        let waiting: Vec<_> = pairs
            .filter(|&(from, to)| self.first_errand(from, to).is_some())
            .collect();
        if waiting.is_empty() {
            return false;
        }
        let (from, to) = waiting[self.chance(waiting.len())];
        if self.restarts && self.chance(8) == 0 {
            let partition = self.chance(count.into());
            self.restart(partition as u16);
            return true;
        }
        let (id, errand) = self.first_errand(from, to).expect("it is one of those");
        let outcome = self.do_errand(from, to, id, &errand);
        if !self.partitions[usize::from(to)].has_heard(from, id) {
            assert_eq!(outcome, Err(Failure::Busy));
            self.now.mono_ns += 200 * MS;
            return true;
        }
        if let Some(before) = self.outcomes.insert((from, to, id), outcome) {
            assert_eq!(outcome, before, "{errand:?}");
        }
        if self.chance(2) == 0 {
            let done = Command::ErrandDone {
                to,
                id,
                refused: outcome.err(),
                node: outcome.unwrap_or_default(),
            };
            self.apply(from, &done, |_| ()).unwrap();
        }
        true
    }

    /// A number below `end`, the same in each run.
    pub fn chance(&mut self, end: usize) -> usize {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.random >> 33) as usize % end
    }

    pub fn first_errand(&self, from: u16, to: u16) -> Option<(u64, Errand)> {
        let (id, mut errands) = self.partitions[usize::from(from)].errands_to(to);
        Some((id, errands.next()?.clone()))
    }

    fn do_errand(&mut self, from: u16, to: u16, id: u64, errand: &Errand) -> Result<NodeId, Failure> {
        let command = Command::DoErrand {
            partition: from,
            id,
            errand,
        };
        self.apply(to, &command, |reply| match reply {
            Reply::Made { node } => *node,
            _ => NodeId::default(),
        })
    }

    /// A partition ends, and another process goes on with its log.
    pub fn restart(&mut self, partition: u16) {
        let at = usize::from(partition);
        let (journal, records) = &mut self.journals[at];
        journal.drain(|bytes| records.extend_from_slice(bytes));
        let mut again = Namespace::new(config(partition, self.partitions.len() as u16));
        replay_all(&mut again, records).unwrap();
        again.check().unwrap();
        let (mut saved, mut replayed) = (Vec::new(), Vec::new());
        self.partitions[at].save(&mut saved);
        again.save(&mut replayed);
        assert_eq!(saved, replayed);
        let mut loaded = Namespace::load(&saved, self.now).unwrap();
        loaded.check().unwrap();
        loaded.keep_journal(&self.journals[at].0);
        self.partitions[at] = loaded;
    }

    /// A partition ends, and one that knows of nothing begins in its place.
    pub fn begin_anew(&mut self, partition: u16) {
        let at = usize::from(partition);
        let count = self.partitions.len() as u16;
        self.lives += 1000;
        let incarnation = self.lives + u64::from(partition);
        let mut fresh = Namespace::new(Config {
            incarnation,
            ..config(partition, count)
        });
        let journal = Journal::new(0, usize::MAX);
        fresh.keep_journal(&journal);
        self.partitions[at] = fresh;
        self.journals[at] = (journal, Vec::new());
        self.outcomes
            .retain(|&(from, to, _), _| from != partition && to != partition);
        for other in (0..count).filter(|&other| other != partition) {
            let known = self.incarnation(other);
            self.meet(partition, other, known);
            self.meet(other, partition, incarnation);
        }
    }

    fn incarnation(&mut self, partition: u16) -> u64 {
        let usage = |reply: &Reply<'_>| match reply {
            Reply::Usage { usage, .. } => usage.incarnation,
            other => panic!("{other:?}"),
        };
        self.apply(partition, &Command::Usage, usage).unwrap()
    }

    /// Where a directory is, and its entries.
    pub fn list(&mut self, path: &str) -> Result<(u16, Vec<Listed>), Failure> {
        self.follow(path, |cluster, at, rest| {
            let list = Command::List {
                base: at.base,
                path: rest,
                prefix: &[],
                after: &[],
                limit: 0,
                blocks: false,
            };
            cluster.apply(at.partition, &list, |reply| match reply {
                Reply::List {
                    entries, more: false, ..
                } => entries
                    .clone()
                    .map(|entry| {
                        let name = String::from_utf8(entry.name.to_vec()).unwrap();
                        let elsewhere = entry.elsewhere.checked_sub(1).map(|partition| partition as u16);
                        (name, entry.node.kind, entry.node.id, elsewhere)
                    })
                    .collect(),
                other => panic!("{other:?}"),
            })
        })
    }

    /// All paths with what is there.
    pub fn tree(&mut self) -> BTreeMap<String, Kind> {
        let (mut tree, mut left) = (BTreeMap::new(), vec![String::new()]);
        while let Some(path) = left.pop() {
            let (_, entries) = self.list(&path).unwrap();
            for (name, kind, ..) in entries {
                let path = format!("{path}/{name}");
                if kind.is_container() && kind != Kind::Table {
                    left.push(path.clone());
                }
                let found = self.lookup(&path).map(|(_, _, kind)| kind);
                assert_eq!(found, Ok(kind), "{path}");
                tree.insert(path, kind);
            }
        }
        tree
    }

    /// The keys of all tables.
    pub fn tables(&mut self) -> BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> {
        let tables = self.tree().into_iter().filter(|(_, kind)| *kind == Kind::Table);
        let tables: Vec<String> = tables.map(|(path, _)| path).collect();
        let keys = tables.into_iter().map(|path| {
            let table = self.open(&path).unwrap();
            (path, self.keys_of(&table))
        });
        keys.collect()
    }

    pub fn nodes(&mut self) -> u64 {
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
    pub fn settle(&mut self) {
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
    pub fn check_logs(&mut self) {
        (0..self.partitions.len() as u16).for_each(|partition| self.restart(partition));
    }
}

/// A rename: of both names the partition, the directory there, and the name.
#[derive(Clone, Debug)]
pub struct Asked {
    pub from: (u16, NodeId, String),
    pub to: (u16, NodeId, String),
}

/// An entry of a list: name, kind, id, and the partition that has it, if that is another.
pub type Listed = (String, Kind, NodeId, Option<u16>);

/// What is found under a name: where, and what.
type Found = (u16, NodeId, Kind);

/// What somebody sees who looks at the two names of a node that is renamed, again and again.
pub struct Ways {
    names: [String; 2],
    seen: RefCell<Vec<[Seen; 2]>>,
    listed: RefCell<Vec<[Seen; 2]>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    This(Found),
    NotThere,
    /// Who asks is to come again.
    Nothing,
}

impl Ways {
    pub fn new((from, to): (&str, &str)) -> Ways {
        Ways {
            names: [from, to].map(str::to_owned),
            seen: RefCell::default(),
            listed: RefCell::default(),
        }
    }

    pub fn look(&self, cluster: &mut Cluster) {
        let [from, to] = &self.names;
        let seen = [from, to].map(|path| seen(cluster.lookup(path)));
        self.seen.borrow_mut().push(seen);
        let listed = [from, to].map(|path| listed(cluster, path));
        self.listed.borrow_mut().push(listed);
    }

    /// That at no time the node could be seen under both names, or under none, by one look after the other. Says whether it has the new one.
    pub fn check(&self) -> bool {
        let outcomes = [&self.seen, &self.listed].map(|seen| check_seen(&seen.borrow()));
        assert_eq!(outcomes[0], outcomes[1]);
        outcomes[0]
    }
}

fn seen(found: Result<Found, Failure>) -> Seen {
    match found {
        Ok(found) => Seen::This(found),
        Err(Failure::NotFound | Failure::NotADirectory) => Seen::NotThere,
        Err(Failure::Busy) => Seen::Nothing,
        Err(failure) => panic!("{failure}"),
    }
}

/// To what the entry of a name leads, by a list of its directory.
fn listed(cluster: &mut Cluster, path: &str) -> Seen {
    let (directory, name) = path.rsplit_once('/').unwrap();
    let found = cluster.list(directory).and_then(|(at, entries)| {
        let entry = entries.into_iter().find(|entry| entry.0 == name);
        let (_, kind, id, elsewhere) = entry.ok_or(Failure::NotFound)?;
        Ok((elsewhere.unwrap_or(at), id, kind))
    });
    seen(found)
}

fn check_seen(seen: &[[Seen; 2]]) -> bool {
    let [old, new] = *seen.last().expect("somebody has looked");
    let is_moved = old == Seen::NotThere;
    // The node is what one of the names leads to in the end: the new one if the old one leads nowhere.
    let node = if is_moved { new } else { old };
    assert!(matches!(node, Seen::This(_)) && old != new, "{seen:?}");
    let is_gone = |name: Seen| ![Seen::Nothing, node].contains(&name);
    for (at, [first_old, first_new]) in seen.iter().enumerate() {
        for [then_old, then_new] in &seen[at..] {
            let both = (*first_new, *then_old) == (node, node);
            let none = is_gone(*first_old) && is_gone(*then_new);
            assert!(!both && !none, "{seen:?}");
        }
    }
    is_moved
}
