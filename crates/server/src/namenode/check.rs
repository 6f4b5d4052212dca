//! Whether a namespace is sound, and whether two are the same: for tests and the simulator.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use siphasher::sip::SipHasher13;

use super::blocks::Issued;
use super::command::{Failure, JobState, Kind};
use super::names::PathNames;
use super::namespace::{Namespace, ROOT};
use super::nodes::{Container, FileData};
use super::quota::{Amount, put_amount};
use super::records::{Place, Record, TAIL_BYTES};
use super::sessions::Held;
use super::slab::NONE;

impl Namespace {
    /// Looks at everything: that each node is in its container and in the index under its name, each block has one owner
    /// or is free, each lease has its file, each count is right. Takes time in proportion to all there is.
    ///
    /// # Errors
    /// What was found to be wrong first.
    pub fn check(&self) -> Result<(), String> {
        let mut census = Census::default();
        for (index, record) in self.nodes.records.iter() {
            self.check_node(index, record, &mut census)
                .map_err(|what| format!("node {index} ({record:?}): {what}"))?;
        }
        self.check_shortcuts()?;
        self.check_branches()?;
        self.check_moves()?;
        self.check_shards()?;
        let exists = |index| self.nodes.records.at(index).kind.is_some();
        self.nodes.deadlines.check(exists)?;
        self.check_counts(&census)?;
        self.check_holds(&mut census)?;
        self.check_jobs(std::mem::take(&mut census.used))?;
        self.sessions.check()?;
        self.registry.check(&census.blocks)
    }

    fn check_node(&self, index: u32, record: &Record, census: &mut Census) -> Result<(), String> {
        let name = self.nodes.name(index);
        let is_doomed = self.removals.is_top(index);
        let is_apart = is_doomed || self.is_apart(index);
        if let Some(job) = self
            .job_charged(index)
            .filter(|&job| self.jobs.all[job].directory != index)
        {
            let used = census.used.entry(job).or_default();
            *used = used.plus(self.amount_of(index));
        }
        census.long_names += usize::from(name.len() > TAIL_BYTES);
        if index == ROOT {
            expect(
                record.kind() == Kind::Directory && record.parent == ROOT && name.is_empty(),
                "is not a root",
            )?;
        } else if is_apart {
            expect(
                record.parent == ROOT && self.entry(ROOT, name) != Some(index),
                "is being removed, or a branch or shard, and has a name",
            )?;
        } else {
            let parent = self.nodes.records.at(record.parent);
            let accepts = match record.kind() {
                Kind::KeyValue => parent.kind == Some(Kind::Table),
                kind => parent.kind.is_some_and(|parent| parent.accepts(kind)),
            };
            expect(accepts, "is in a container that does not take its kind")?;
            expect(
                self.entry(record.parent, name) == Some(index),
                "is not in the index",
            )?;
            expect(self.reaches_root(index), "cannot be reached from the root")?;
        }
        if record.kind().is_container() {
            self.check_container(index, record, census)
        } else {
            self.check_bytes(index, record, census)
        }
    }

    fn check_shortcuts(&self) -> Result<(), String> {
        self.shortcuts.iter().try_for_each(|(base, path, directory)| {
            let walked = self.start(base).and_then(|start| {
                PathNames::new(path)?
                    .try_fold(start, |at, name| self.child(at, name).ok_or(Failure::NotFound))
            });
            expect(
                walked == Ok(directory),
                "a shortcut leads elsewhere than its path",
            )
        })
    }

    fn reaches_root(&self, mut index: u32) -> bool {
        for _ in 0..self.nodes.records.len() {
            if index == ROOT {
                return true;
            }
            index = self.nodes.records.at(index).parent;
        }
        false
    }

    fn check_container(&self, index: u32, record: &Record, census: &mut Census) -> Result<(), String> {
        let is_sealed = record.place == Place::Sealed && record.kind == Some(Kind::Multifile);
        let is_spread = record.place == Place::Spread && record.kind == Some(Kind::Table);
        expect(
            is_sealed || is_spread || matches!(record.place, Place::Nowhere | Place::Elsewhere),
            "is a container with bytes",
        )?;
        if record.extra == NONE {
            return expect(record.size == 0, "counts entries and has none");
        }
        census.containers += 1;
        let Container { children, version } = &self.nodes.containers[record.extra];
        expect(
            children.len() as u64 == record.size,
            "counts other entries than it has",
        )?;
        expect(
            !children.is_empty() || *version > 0,
            "has children's memory and no children",
        )?;
        for (name, child) in children.range(std::ops::Bound::Unbounded) {
            expect(
                self.nodes.is_entry(child, index, name),
                "has an entry that is not its child",
            )?;
            let child = self.nodes.records.at(child);
            let is_new = child.kind == Some(Kind::KeyValue) && child.location_or_version > *version;
            expect(!is_new, "has a key with a version that was not given yet")?;
        }
        Ok(())
    }

    fn check_bytes(&self, index: u32, record: &Record, census: &mut Census) -> Result<(), String> {
        match record.place {
            Place::Nowhere => expect(record.size == 0 && record.extra == NONE, "has bytes nowhere"),
            Place::Tail => expect(
                record.name_room() + record.size as usize <= TAIL_BYTES,
                "overflows its record",
            ),
            Place::Heap => {
                census.values += 1;
                expect(
                    self.nodes.values[record.extra].len() as u64 == record.size,
                    "has a value of another size",
                )
            }
            Place::Blocks => {
                census.files += 1;
                self.check_file(index, record, &self.nodes.files[record.extra], census)
            }
            Place::Sealed => expect(false, "is sealed as only a multifile can be"),
            Place::Elsewhere => expect(
                record.size == 0 && record.extra == NONE && record.kind() == Kind::File,
                "is elsewhere and has bytes here",
            ),
            Place::Spread => expect(false, "is spread as only a table can be"),
        }
    }

    fn check_file(
        &self,
        index: u32,
        record: &Record,
        file: &FileData,
        census: &mut Census,
    ) -> Result<(), String> {
        let mut end = 0;
        for extent in &file.extents {
            expect(
                extent.offset == end && extent.length > 0,
                "has a gap between blocks",
            )?;
            end += u64::from(extent.length);
            census.blocks.push(extent.block.clone());
        }
        expect(record.size <= end, "has published more than it has")?;
        if file.writer == NONE {
            let last = file.extents.last();
            let is_tight =
                last.is_some_and(|last| last.offset < record.size) || record.kind() == Kind::KeyValue;
            return expect(is_tight, "has blocks without bytes and no writer");
        }
        census.writers += 1;
        let held = self
            .sessions
            .iter()
            .find(|&(hold, _)| hold == file.writer)
            .map(|(_, held)| held);
        let is_mine = matches!(held, Some(Held::Writer(node)) if *node == self.nodes.id(index));
        expect(
            is_mine && record.kind() == Kind::File,
            "has a writer that does not hold it",
        )
    }

    fn check_counts(&self, census: &Census) -> Result<(), String> {
        let counted = [census.containers, census.files, census.values, census.long_names];
        let nodes = &self.nodes;
        let stored = [
            nodes.containers.len(),
            nodes.files.len(),
            nodes.values.len(),
            nodes.long_names.len(),
        ];
        expect(
            counted == stored,
            "containers, files, values or long names that no node has",
        )?;
        let apart = self.removals.tops() + self.branches.branches() + self.shards.shards();
        expect(
            self.index.len() + apart + 1 == nodes.records.len() as usize,
            "the index has other names than there are nodes",
        )?;
        let entries: u64 = nodes
            .containers
            .iter()
            .map(|(_, container)| container.children.len() as u64)
            .sum();
        expect(
            entries + apart as u64 + 1 == u64::from(nodes.records.len()),
            "containers have other entries than there are nodes",
        )
    }

    fn check_holds(&self, census: &mut Census) -> Result<(), String> {
        let (mut writers, mut pins, mut jobs) = (0, 0, 0);
        for (_, held) in self.sessions.iter() {
            match held {
                Held::Writer(_) => writers += 1,
                Held::Pin(..) => pins += 1,
                Held::Put(put) => {
                    if let Some(job) = put.job.and_then(|(job, _)| self.jobs.find(job)) {
                        let used = census.used.entry(job).or_default();
                        *used = used.plus(put_amount(put));
                    }
                    let blocks = put.extents.iter().map(|extent| extent.block.clone());
                    census.blocks.extend(blocks);
                }
                Held::Job(job) => {
                    let job = self.jobs.find(*job).map(|number| &self.jobs.all[number]);
                    let runs = job.is_some_and(|job| job.state == JobState::Running);
                    expect(runs, "a lease of a job that does not run")?;
                    jobs += 1;
                }
            }
        }
        expect(writers == census.writers, "a lease that no file has")?;
        expect(self.jobs.running() == jobs, "a job that runs and nobody holds")?;
        expect(self.pins.iter().count() == pins, "a pin that nobody holds")?;
        let is_held = |(node, session, hold)| matches!(self.sessions.held(hold, session), Some(Held::Pin(file, by)) if (*file, *by) == (node, session));
        expect(self.pins.iter().all(is_held), "a pin of another session")?;
        census
            .blocks
            .extend(self.pins.extents().map(|extent| extent.block.clone()));
        expect(self.taken.is_empty(), "blocks that were taken for nobody")
    }

    /// That each job is counted to have what it has.
    fn check_jobs(&self, mut used: BTreeMap<u32, Amount>) -> Result<(), String> {
        for (number, job) in self.jobs.all.iter() {
            let counted = used.remove(&number).unwrap_or_default();
            if counted != job.used {
                return Err(format!(
                    "job {:?} is counted to have {:?} and has {counted:?}",
                    job.id, job.used
                ));
            }
            let is_doomed = self.removals.is_top(job.directory);
            expect(
                is_doomed == (job.state == JobState::Ending),
                "a job that ends and is not removed, or is removed and runs",
            )?;
        }
        self.jobs.check()
    }

    /// A number that is the same for namespaces in the same state, and most likely another for others.
    pub fn fingerprint(&self) -> u64 {
        let mut state = SipHasher13::new();
        for (index, record) in self.nodes.records.iter() {
            (index, record).hash(&mut state);
        }
        self.nodes.containers.hash(&mut state);
        self.nodes.files.hash(&mut state);
        self.nodes.values.hash(&mut state);
        self.nodes.long_names.hash(&mut state);
        self.registry.fingerprint(&mut state);
        self.sessions.fingerprint(&mut state);
        self.pins.hash(&mut state);
        self.jobs.fingerprint(&mut state);
        self.removals.hash(&mut state);
        self.branches.hash(&mut state);
        self.shards.hash(&mut state);
        self.errands.hash(&mut state);
        self.moves.hash(&mut state);
        (&self.lending, &self.borrowing).hash(&mut state);
        self.nodes.deadlines.hash(&mut state);
        (self.now.mono_ns, self.now.wall_ns).hash(&mut state);
        state.finish()
    }
}

/// What was found at the nodes.
#[derive(Default)]
struct Census {
    blocks: Vec<Issued>,
    containers: usize,
    files: usize,
    values: usize,
    long_names: usize,
    writers: usize,
    /// By the jobs' numbers.
    used: BTreeMap<u32, Amount>,
}

fn expect(holds: bool, what: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what.into()) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::command::{
        Command, Create, JobCreate, JobId, NodeId, Now, Put, Register, Reply, SessionId,
    };
    use super::super::config::Config;
    use super::super::datanodes::Wish;
    use super::super::{blocks::Class, slab::NONE};
    use super::*;

    /// One of everything: /d/open with blocks, /d/sealed, /t with a small, a larger and a large value, a job with a file.
    pub(in crate::namenode) fn full() -> Namespace {
        let mut namespace = Namespace::new(Config::default());
        let run = |namespace: &mut Namespace, command: Command<'_>| match namespace
            .apply(Now::default(), SessionId(1), &command)
            .unwrap()
        {
            Reply::Opened { node, lease, .. } => (node.id, lease.0),
            Reply::Put { pending, .. } => (NodeId::ROOT, pending.0),
            _ => (NodeId::ROOT, 0),
        };
        let register = Register {
            name: "d",
            incarnation: 1,
            capacity: 1 << 24,
            ..Register::default()
        };
        run(&mut namespace, Command::Register(register));
        let file = Create {
            path: "/d/open",
            kind: Kind::File,
            parents: true,
            size_hint: 5000,
            ..Create::default()
        };
        run(&mut namespace, Command::Create(file));
        let (node, lease) = run(
            &mut namespace,
            Command::Create(Create {
                path: "/d/sealed",
                ..file
            }),
        );
        let lease = super::super::command::LeaseId(lease);
        run(
            &mut namespace,
            Command::Publish {
                node,
                lease,
                size: 5000,
                seal: true,
            },
        );
        run(
            &mut namespace,
            Command::Create(Create {
                path: "/t",
                kind: Kind::Table,
                ..Create::default()
            }),
        );
        for (key, len) in [(b"a", 1), (b"b", 500)] {
            let put = Put {
                path: "/t",
                key,
                value: &vec![0; len],
                ..Put::default()
            };
            run(&mut namespace, Command::Put(put));
        }
        let large = Put {
            path: "/t",
            key: b"c",
            large: true,
            size: 10,
            ..Put::default()
        };
        run(&mut namespace, Command::Put(large));
        run(&mut namespace, Command::JobCreate(JobCreate::default()));
        let in_job = Create {
            path: "/jobs/1/f",
            ..file
        };
        run(&mut namespace, Command::Create(in_job));
        namespace
    }

    fn index_of(namespace: &Namespace, path: &str) -> u32 {
        namespace.resolve(NodeId::ROOT, path).unwrap()
    }

    #[test]
    fn a_sound_namespace_is_found_sound() {
        assert_eq!(full().check(), Ok(()));
    }

    #[test]
    fn each_kind_of_damage_is_found() {
        type Damage = fn(&mut Namespace);
        let damages: [(&str, Damage); 15] = [
            ("a node in another container", |namespace| {
                let (node, table) = (index_of(namespace, "/d/open"), index_of(namespace, "/t"));
                namespace.nodes.records.at_mut(node).parent = table;
            }),
            ("a name that is not in the index", |namespace| {
                let (parent, node) = (index_of(namespace, "/d"), index_of(namespace, "/d/open"));
                namespace
                    .index
                    .remove(namespace.hasher.tag(parent, b"open"), node);
            }),
            ("a name in the index that nobody has", |namespace| {
                namespace.index.insert(7, 1)
            }),
            ("a child that is missing", |namespace| {
                let parent = index_of(namespace, "/d");
                namespace.nodes.container_mut(parent).children.remove(b"sealed");
            }),
            ("a wrong count of entries", |namespace| {
                namespace.nodes.records.at_mut(ROOT).size += 1
            }),
            ("a block without an owner", |namespace| {
                let wish = Wish {
                    class: Class::Small,
                    storage_class: 0,
                    location_class: 0,
                    bytes_max: u64::MAX,
                };
                namespace.registry.issue(wish).unwrap();
            }),
            ("a block that was freed under its owner", |namespace| {
                let node = index_of(namespace, "/d/sealed");
                let block = namespace.nodes.file(node).unwrap().extents[0].block.clone();
                namespace.registry.release(&block);
            }),
            ("a block with two owners", |namespace| {
                let (from, to) = (index_of(namespace, "/d/sealed"), index_of(namespace, "/d/open"));
                let block = namespace.nodes.file(from).unwrap().extents[0].block.clone();
                super::super::file::file_data_mut(&mut namespace.nodes, to).extents[0].block = block;
            }),
            ("more published than there is", |namespace| {
                let node = index_of(namespace, "/d/open");
                namespace.nodes.records.at_mut(node).size = 1 << 30;
            }),
            ("a lease that its file does not know", |namespace| {
                let node = index_of(namespace, "/d/open");
                super::super::file::file_data_mut(&mut namespace.nodes, node).writer = NONE;
            }),
            ("a version from the future", |namespace| {
                let node = index_of(namespace, "/t/a");
                namespace.nodes.records.at_mut(node).location_or_version = 99;
            }),
            ("a table that is spread and nobody knows where", |namespace| {
                let table = index_of(namespace, "/t");
                namespace.nodes.records.at_mut(table).place = Place::Spread;
            }),
            ("a value that no key has", |namespace| {
                namespace.nodes.values.insert(Box::default());
            }),
            ("a job that is counted to have more than it has", |namespace| {
                let job = namespace.jobs.find(JobId(1)).unwrap();
                namespace.jobs.all[job].used.bytes += 1;
            }),
            ("a job that runs and has no lease", |namespace| {
                let lease = namespace.jobs.lease_of(JobId(1));
                namespace.sessions.release(lease);
            }),
        ];
        for (what, damage) in damages {
            let mut namespace = full();
            damage(&mut namespace);
            assert!(namespace.check().is_err(), "{what} is not found");
        }
    }

    #[test]
    fn another_state_has_another_fingerprint() {
        let (mut namespace, same) = (full(), full());
        assert_eq!(namespace.fingerprint(), same.fingerprint());
        let command = Command::Delete {
            base: NodeId::ROOT,
            path: "/d/open",
            recursive: false,
        };
        namespace.apply(Now::default(), SessionId(1), &command).unwrap();
        assert_ne!(namespace.fingerprint(), same.fingerprint());
    }
}
