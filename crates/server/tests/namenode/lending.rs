//! Partition 0 lends slots, others use them: three namespaces, datanodes that come, go and begin new lives, and answers that are lost or late.

use std::collections::BTreeMap;

use crake_server::namenode::command::{
    Create, Home, Kind, LOANS_MAX, Lend, Loan, MEMBERS_MAX, MemberNews, NodeId, Register,
};
use crake_server::namenode::log::{Journal, replay_all};
use crake_server::namenode::{Command, Config, Failure, Namespace, Reply, check_loans};
use crake_store::protocol::Handle;
use proptest::prelude::*;

use crate::world::{A, B, MIB, ROOT, SECOND, World};

const PARTITIONS: usize = 3;
const DATANODES: u64 = 3;
const SLOTS: u64 = 6;

/// Something that was answered and not yet listened to.
#[derive(Clone, Debug)]
enum Letter {
    Lent(u64, u64, Vec<Loan>),
    Taken(u64, Vec<Loan>),
}

struct Cluster {
    worlds: Vec<World>,
    /// What each was when its journal began, and the journal.
    journals: Vec<(Vec<u8>, Journal)>,
    /// The directory in which a partition makes its files.
    homes: Vec<NodeId>,
    /// Incarnations of datanodes.
    lives: Vec<u64>,
    answering: Vec<bool>,
    incarnations: u64,
    letters: Vec<Vec<Letter>>,
    /// Of each file that was written and not removed: partition, name, and the 4 KiB units of a life of a datanode that are its.
    files: BTreeMap<(usize, String), Vec<(u64, u32)>>,
    owners: BTreeMap<(u64, u32), (usize, String)>,
    /// The highest generation that was ever given out for a unit.
    newest: BTreeMap<(u64, u32), u32>,
    names: u32,
}

/// A partition, and the directory in which it makes its files.
fn world(partition: usize, incarnation: u64) -> (World, NodeId) {
    let mut world = World::with(Config {
        incarnation,
        partition: partition as u16,
        partitions: PARTITIONS as u16,
        ..Config::default()
    });
    if partition == 0 {
        return (world, ROOT);
    }
    let branch = Create {
        path: "d",
        branch: Some(Home {
            partition: 0,
            level: 1,
        }),
        ..Create::default()
    };
    let home = world.create(branch).unwrap().node.id;
    (world, home)
}

fn saved(world: &World) -> Vec<u8> {
    let mut bytes = Vec::new();
    world.namespace.save(&mut bytes);
    bytes
}

impl Cluster {
    fn new() -> Cluster {
        let worlds = (0..PARTITIONS).map(|number| world(number, 1 + number as u64));
        let (worlds, homes): (Vec<World>, Vec<NodeId>) = worlds.unzip();
        let mut cluster = Cluster {
            journals: worlds
                .iter()
                .map(|world| (saved(world), Journal::default()))
                .collect(),
            worlds,
            homes,
            lives: vec![0; DATANODES as usize],
            answering: vec![true; DATANODES as usize],
            incarnations: 100,
            letters: vec![Vec::new(); PARTITIONS],
            files: BTreeMap::new(),
            owners: BTreeMap::new(),
            newest: BTreeMap::new(),
            names: 0,
        };
        (0..PARTITIONS).for_each(|partition| cluster.begin_journal(partition));
        (0..DATANODES as usize).for_each(|datanode| cluster.register(datanode, true));
        cluster
    }

    fn check(&self) {
        let namespaces: Vec<&Namespace> = self.worlds.iter().map(|world| &world.namespace).collect();
        check_loans(&namespaces).unwrap();
    }

    fn next_incarnation(&mut self) -> u64 {
        self.incarnations += 1;
        self.incarnations
    }

    fn register(&mut self, datanode: usize, begins: bool) {
        if begins {
            self.lives[datanode] = self.next_incarnation();
        }
        self.answering[datanode] = true;
        let (name, endpoint) = (format!("d{datanode}"), format!("tcp://10.0.0.{datanode}:1"));
        let request = Register {
            name: &name,
            incarnation: self.lives[datanode],
            capacity: SLOTS * MIB,
            endpoints: &[&endpoint],
            storage_class: datanode as u32 % 2,
            ..Register::default()
        };
        self.worlds[0].register_with(request);
    }

    /// Time passes; datanodes that answer send heartbeats.
    fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.worlds.iter_mut().for_each(|world| world.pass(SECOND));
            let mut known = Vec::new();
            let take = |reply: Reply<'_>| match reply {
                Reply::Datanodes(datanodes) => {
                    known.extend(datanodes.map(|datanode| (datanode.id, datanode.incarnation)));
                }
                other => panic!("{other:?}"),
            };
            self.worlds[0]
                .run(A, Command::Datanodes { ids: &[] }, take)
                .unwrap();
            for (id, incarnation) in known {
                let number = self.lives.iter().position(|&life| life == incarnation);
                if number.is_some_and(|number| self.answering[number]) {
                    self.worlds[0].heartbeat(id, incarnation);
                }
            }
        }
    }

    fn settled(&mut self, partition: usize, command: Command<'_>) -> bool {
        let take = |reply: Reply<'_>| match reply {
            Reply::Settled { changed } => changed,
            other => panic!("{other:?}"),
        };
        self.worlds[partition].run(B, command, take).unwrap()
    }

    /// A partition asks for news of datanodes until there are none.
    fn hear(&mut self, partition: usize) {
        loop {
            let borrower = &self.worlds[partition].namespace;
            let (incarnation, after) = (
                borrower.lending_incarnation(),
                borrower.next_lend(0, false, 0).known,
            );
            let partition_number = partition as u16;
            self.settled(
                0,
                Command::BorrowerBegan {
                    partition: partition_number,
                    incarnation,
                },
            );
            let (lender, borrower) = self.worlds.split_at_mut(partition);
            let now = lender[0].now;
            let reply = lender[0]
                .namespace
                .apply(now, B, &Command::Members { after })
                .unwrap();
            let Reply::Members {
                lender,
                version,
                members,
            } = reply
            else {
                panic!("{reply:?}")
            };
            let members: Vec<MemberNews<'_>> = members.collect();
            assert!(members.len() <= MEMBERS_MAX);
            let command = Command::MembersChanged {
                lender,
                version,
                members: &members,
            };
            let take = |reply: Reply<'_>| matches!(reply, Reply::Settled { changed: true });
            if !borrower[0].run(B, command, take).unwrap() {
                return;
            }
        }
    }

    /// A partition asks for slots; the answer waits for [`Self::deliver`].
    fn ask(&mut self, partition: usize, wanted: u32) -> usize {
        let request: Lend = self.worlds[partition].namespace.next_lend(0, false, wanted);
        let sequence = request.sequence;
        let take = |reply: Reply<'_>| match reply {
            Reply::Lent { lender, loans, .. } => (lender, loans.to_vec()),
            other => panic!("{other:?}"),
        };
        let (lender, loans) = self.worlds[0].run(B, Command::Lend(request), take).unwrap();
        assert!(loans.len() <= LOANS_MAX.min(wanted.max(1) as usize * LOANS_MAX));
        let count = loans.len();
        if count > 0 {
            self.letters[partition].push(Letter::Lent(lender, sequence, loans));
        }
        count
    }

    /// A partition lets go of slots; that partition 0 has them back, it hears by [`Self::deliver`].
    fn give_back(&mut self, partition: usize, wanted: u32, lost: bool) {
        let take = |reply: Reply<'_>| match reply {
            Reply::Returning { lender, loans } => (lender, loans.to_vec()),
            other => panic!("{other:?}"),
        };
        let (lender, loans) = self.worlds[partition]
            .run(B, Command::GiveBack { wanted }, take)
            .unwrap();
        if !lost && !loans.is_empty() {
            self.take_back(partition, lender, &loans);
            self.letters[partition].push(Letter::Taken(lender, loans));
        }
    }

    fn take_back(&mut self, partition: usize, lender: u64, loans: &[Loan]) {
        let partition = partition as u16;
        self.settled(
            0,
            Command::TakeBack {
                partition,
                lender,
                loans,
            },
        );
    }

    /// A partition listens to an answer, the latest or an older one, which may come again.
    fn deliver(&mut self, partition: usize, which: usize, again: bool) {
        let count = self.letters[partition].len();
        if count == 0 {
            return;
        }
        let letter = match again {
            true => self.letters[partition][which % count].clone(),
            false => self.letters[partition].remove(which % count),
        };
        match letter {
            Letter::Lent(lender, sequence, loans) => {
                let loans = &loans;
                self.settled(
                    partition,
                    Command::Borrowed {
                        lender,
                        sequence,
                        loans,
                    },
                );
            }
            Letter::Taken(lender, loans) => {
                // The news that these are back may itself have been late.
                self.take_back(partition, lender, &loans);
                let loans = &loans;
                self.settled(partition, Command::GivenBack { lender, loans });
            }
        }
    }

    /// Writes a file of so many bytes, and says whether there was room.
    fn write(&mut self, partition: usize, size: u64) -> bool {
        self.names += 1;
        let name = format!("f{}", self.names);
        let base = self.homes[partition];
        let create = Create {
            base,
            path: &name,
            kind: Kind::File,
            size_hint: size,
            ..Create::default()
        };
        let opened = match self.worlds[partition].create(create) {
            Ok(opened) => opened,
            Err(Failure::NoSpace | Failure::NoDatanodes) => return false,
            Err(failure) => panic!("{failure}"),
        };
        let size = opened.blocks.iter().map(|block| u64::from(block.length)).sum();
        self.worlds[partition].publish(&opened, size, true).unwrap();
        let mut units = Vec::new();
        for block in &opened.blocks {
            let handle = Handle::parse(block.handles()).unwrap();
            let (life, generation) = (handle.incarnation.get(), handle.generation.get());
            let (first, count) = (handle.unit.get(), handle.len_bytes.get() / 4096);
            units.extend((first..first + count).map(|unit| ((life, unit), generation)));
        }
        for (unit, generation) in &units {
            let newest = self.newest.insert(*unit, *generation);
            assert!(
                newest < Some(*generation),
                "{unit:?} is given out with a generation of before"
            );
            let other = self.owners.insert(*unit, (partition, name.clone()));
            assert_eq!(other, None, "{unit:?} is given out twice");
        }
        let units = units.into_iter().map(|(unit, _)| unit).collect();
        self.files.insert((partition, name), units);
        true
    }

    fn delete(&mut self, partition: usize, which: usize) {
        let files = self
            .files
            .range((partition, String::new())..(partition + 1, String::new()));
        let names: Vec<String> = files.map(|((_, name), _)| name.clone()).collect();
        let Some(name) = names.get(which % names.len().max(1)).cloned() else {
            return;
        };
        let command = Command::Delete {
            base: self.homes[partition],
            path: &name,
            recursive: false,
        };
        self.worlds[partition].run(A, command, |_| ()).unwrap();
        self.forget(&(partition, name));
    }

    fn forget(&mut self, file: &(usize, String)) {
        for unit in self.files.remove(file).into_iter().flatten() {
            self.owners.remove(&unit);
        }
    }

    fn delete_all(&mut self) {
        let files: Vec<_> = self.files.keys().cloned().collect();
        for (partition, _) in files {
            self.delete(partition, 0);
        }
    }

    /// A partition is lost with all that it knew, and begins empty. With partition 0 its datanodes begin anew.
    fn lose(&mut self, partition: usize) {
        let (incarnation, now) = (self.next_incarnation(), self.worlds[partition].now);
        (self.worlds[partition], self.homes[partition]) = world(partition, incarnation);
        self.worlds[partition].now = now;
        self.begin_journal(partition);
        let lost = |file: &&(usize, String)| file.0 == partition;
        let files: Vec<_> = self.files.keys().filter(lost).cloned().collect();
        files.iter().for_each(|file| self.forget(file));
        // What it has said may still arrive; what it was told does not.
        self.letters[partition].retain(|letter| matches!(letter, Letter::Taken(..)));
        if partition == 0 {
            (0..DATANODES as usize).for_each(|datanode| self.register(datanode, true));
        }
    }

    /// What is done from now on is taken down.
    fn begin_journal(&mut self, partition: usize) {
        let journal = Journal::new(0, usize::MAX);
        let world = &mut self.worlds[partition];
        world.namespace.keep_journal(&journal);
        self.journals[partition] = (saved(world), journal);
    }

    /// A partition is stopped, and goes on from what it had saved and what it has done since then.
    fn reload(&mut self, partition: usize) {
        let (base, journal) = &self.journals[partition];
        let world = &mut self.worlds[partition];
        let expected = saved(world);
        world.namespace = Namespace::load(base, world.now).unwrap();
        let records = journal.drain(<[u8]>::to_vec).unwrap_or_default();
        replay_all(&mut world.namespace, &records).unwrap();
        assert!(saved(world) == expected, "another state");
        self.begin_journal(partition);
    }

    /// All partitions hear of everything, and all that is on its way arrives.
    fn settle(&mut self) {
        (0..DATANODES as usize).for_each(|datanode| self.register(datanode, false));
        for partition in 1..PARTITIONS {
            self.hear(partition);
            while !self.letters[partition].is_empty() {
                self.deliver(partition, 0, false);
            }
            // What was lent and not heard of is said again. What no space is left for, is no loan.
            if self.ask(partition, 0) > 0 {
                self.deliver(partition, 0, false);
            }
            self.return_all(partition, 0);
        }
        self.check();
    }

    fn return_all(&mut self, partition: usize, wanted: u32) {
        self.give_back(partition, wanted, false);
        while !self.letters[partition].is_empty() {
            self.deliver(partition, 0, false);
        }
    }

    fn capacity(&mut self) -> u64 {
        self.worlds.iter_mut().map(|world| world.space().0).sum()
    }

    /// One partition fills the cluster, whose other partitions are empty.
    fn fill(&mut self, partition: usize) -> u64 {
        for other in (1..PARTITIONS).filter(|&other| other != partition) {
            self.return_all(other, u32::MAX);
        }
        if partition == 0 {
            self.return_all(1, u32::MAX);
        }
        let mut slots = 0;
        loop {
            while self.write(partition, MIB) {
                slots += 1;
            }
            if partition == 0 || self.ask(partition, u32::MAX) == 0 {
                return slots;
            }
            self.deliver(partition, 0, false);
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Register(usize, bool),
    Silence(usize),
    Pass(u64),
    Hear(usize),
    Ask(usize, u32),
    GiveBack(usize, u32, bool),
    Deliver(usize, usize, bool),
    Write(usize, u64),
    Delete(usize, usize),
    Lose(usize),
    Reload(usize),
}

/// Whoever says that it is a partition may ask for them.
#[test]
fn the_partition_that_lends_has_no_slots_to_give_back() {
    let (mut world, _) = world(0, 1);
    let back = world.run(B, Command::GiveBack { wanted: 7 }, |reply| match reply {
        Reply::Returning { lender, loans } => (lender, loans.len()),
        other => panic!("{other:?}"),
    });
    assert_eq!(back, Ok((0, 0)));
}

fn step() -> impl Strategy<Value = Step> {
    let datanode = 0..DATANODES as usize;
    let borrower = 1..PARTITIONS;
    let any = 0..PARTITIONS;
    let size = prop_oneof![Just(4096), Just(200_000), Just(MIB), Just(3 * MIB)];
    prop_oneof![
        2 => (datanode.clone(), prop::bool::weighted(0.3)).prop_map(|(datanode, begins)| Step::Register(datanode, begins)),
        1 => datanode.prop_map(Step::Silence),
        2 => (1..4_u64).prop_map(Step::Pass),
        6 => borrower.clone().prop_map(Step::Hear),
        8 => (borrower.clone(), 1..6_u32).prop_map(|(partition, wanted)| Step::Ask(partition, wanted)),
        4 => (borrower.clone(), 0..6_u32, prop::bool::weighted(0.3))
            .prop_map(|(partition, wanted, lost)| Step::GiveBack(partition, wanted, lost)),
        10 => (borrower, 0..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(partition, which, again)| Step::Deliver(partition, which, again)),
        10 => (any.clone(), size).prop_map(|(partition, size)| Step::Write(partition, size)),
        6 => (any.clone(), 0..8_usize).prop_map(|(partition, which)| Step::Delete(partition, which)),
        1 => any.clone().prop_map(Step::Lose),
        2 => any.prop_map(Step::Reload),
    ]
}

impl Cluster {
    fn take(&mut self, step: &Step) {
        match *step {
            // A datanode that lives may not register as what it is no more: its namenode may be another.
            Step::Register(datanode, begins) => self.register(datanode, begins),
            Step::Silence(datanode) => self.answering[datanode] = false,
            Step::Pass(seconds) => self.pass(seconds),
            Step::Hear(partition) => self.hear(partition),
            Step::Ask(partition, wanted) => drop(self.ask(partition, wanted)),
            Step::GiveBack(partition, wanted, lost) => self.give_back(partition, wanted, lost),
            Step::Deliver(partition, which, again) => self.deliver(partition, which, again),
            Step::Write(partition, size) => drop(self.write(partition, size)),
            Step::Delete(partition, which) => self.delete(partition, which),
            Step::Lose(partition) => self.lose(partition),
            Step::Reload(partition) => self.reload(partition),
        }
        self.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_slot_has_two_owners_and_none_is_lost(steps in prop::collection::vec(step(), 1..120)) {
        let mut cluster = Cluster::new();
        for step in &steps {
            cluster.take(step);
        }
        cluster.settle();
        let all = DATANODES * SLOTS;
        prop_assert_eq!(cluster.capacity(), all * MIB);
        for partition in 0..PARTITIONS {
            cluster.delete_all();
            prop_assert_eq!(cluster.fill(partition), all, "partition {} cannot use all", partition);
            cluster.check();
        }
    }
}
