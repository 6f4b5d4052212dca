//! The partitions of the namenode: each on a machine of its own, where it dies and comes back with its log, perhaps at another address.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crake_datapath::Address;
use crake_datapath::sim::{Crash, NodeId};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::{Namenode, NamenodeConfig, check_partitions};

use crate::world::World;

/// Partitions are counted from here; below the datanodes.
const NAMENODES: NodeId = 1;
/// The partition that moves goes from one of these to the other.
const PORTS: [u16; 2] = [9060, 9061];

/// All partitions, by their numbers.
pub struct Namenodes {
    all: Vec<Partition>,
}

struct Partition {
    node: NodeId,
    running: RefCell<Option<Namenode>>,
    /// Where it listens, or will when it is there again.
    port: Cell<u16>,
    /// Where it knows all to be, since it was started.
    map: RefCell<Vec<Vec<Address>>>,
    /// How often its machine was started.
    boots: Cell<u64>,
}

impl Namenodes {
    /// None of them runs.
    pub fn new(partitions: u16) -> Namenodes {
        let partition = |number| Partition {
            node: NAMENODES + NodeId::from(number),
            running: RefCell::new(None),
            port: Cell::new(PORTS[0]),
            map: RefCell::default(),
            boots: Cell::new(1),
        };
        Namenodes {
            all: (0..partitions).map(partition).collect(),
        }
    }

    /// The nodes that they are on.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.all.iter().map(|partition| partition.node)
    }

    /// Where each of them is.
    fn addresses(&self) -> Vec<Vec<Address>> {
        let address = |partition: &Partition| vec![partition.address()];
        self.all.iter().map(address).collect()
    }

    fn numbers(&self, wanted: impl Fn(&Partition) -> bool) -> Vec<u16> {
        let numbered = self.all.iter().zip(0..);
        let wanted = numbered.filter(|(partition, _)| wanted(partition));
        wanted.map(|(_, number)| number).collect()
    }

    fn at(&self, number: u16) -> &Partition {
        &self.all[usize::from(number)]
    }

    /// Drops all of them.
    pub fn stop(&self) {
        for partition in &self.all {
            partition.running.take();
        }
    }
}

impl Partition {
    fn address(&self) -> Address {
        Address::Sim {
            node: self.node,
            port: self.port.get(),
        }
    }

    fn is_running(&self) -> bool {
        self.running.borrow().is_some()
    }
}

impl World {
    /// Where clients find the cluster: at the first partition, or at any of them.
    pub fn servers(&self) -> Vec<String> {
        let addresses = self.namenodes.addresses();
        let named = match self.random.chance(500) {
            true => &addresses[..1],
            false => &addresses[..],
        };
        named.iter().flatten().map(Address::to_string).collect()
    }

    /// Where datanodes look for the first partition: it may be at either.
    pub(crate) fn addresses_for_datanodes(&self) -> Vec<Address> {
        let node = self.namenodes.at(0).node;
        let ports = match self.namenodes.all.len() {
            1 => &PORTS[..1],
            _ => &PORTS[..],
        };
        ports.iter().map(|&port| Address::Sim { node, port }).collect()
    }

    /// What the partitions say of themselves, and of each other. All of them run.
    pub fn check_namenodes(&self) -> Result<(), String> {
        let running: Vec<_> = self
            .namenodes
            .all
            .iter()
            .map(|one| one.running.borrow())
            .collect();
        let running = running
            .iter()
            .map(|one| one.as_ref().expect("all run at the end"));
        let running: Vec<&Namenode> = running.collect();
        for (namenode, number) in running.iter().zip(0..) {
            namenode
                .check()
                .map_err(|what| format!("partition {number} is not sound: {what}"))?;
        }
        check_partitions(&running)
    }

    /// The connections of a node to all partitions break; it may connect again at once.
    pub fn cut_off(&self, node: NodeId) {
        for namenode in self.namenodes.nodes() {
            self.break_connections(namenode, node);
        }
        self.note_disturbance();
    }

    pub(crate) fn start_namenodes(self: &Rc<World>) {
        for number in self.namenodes.numbers(|_| true) {
            self.start_namenode(number);
        }
    }

    fn start_namenode(&self, number: u16) {
        let partition = self.namenodes.at(number);
        let map = match self.namenodes.all.len() {
            1 => Vec::new(),
            _ => self.namenodes.addresses(),
        };
        let config = NamenodeConfig {
            listen: vec![partition.address()],
            lease: self.plan.lease,
            heartbeat_timeout: self.plan.heartbeat_timeout,
            // So little that answers are written over soon.
            answers_bytes: 64 << 10,
            log: self.plan.log.map(|durability| LogConfig {
                host: format!("boot {}", partition.boots.get()),
                ..LogConfig::new("/log", durability)
            }),
            partition: number,
            partitions: map.clone(),
            ..NamenodeConfig::default()
        };
        let namenode = Namenode::start(&self.network.runtime(partition.node), config);
        let namenode = namenode.unwrap_or_else(|error| panic!("partition {number} does not start: {error}"));
        partition.map.replace(map);
        partition.running.replace(Some(namenode));
    }

    /// A partition dies within an append to its log, of which so many bytes are there.
    pub(crate) fn tear_log(&self) {
        let partition = self.namenodes.at(self.any_partition());
        if self.plan.log.is_some() && partition.is_running() {
            let node = partition.node;
            let bytes = self.random.below(2_000);
            self.notes(&format!("fault: the log of node {node} takes {bytes} bytes more"));
            self.network.tear_append(node, bytes);
        }
    }

    pub(crate) fn restart_torn_namenodes(&self) {
        let torn = |one: &Partition| one.is_running() && self.network.is_torn(one.node);
        for number in self.namenodes.numbers(torn) {
            self.restart_namenode(number, Crash::Process);
        }
    }

    /// A partition dies and starts again, perhaps at another address: the others are told of that when they start again, too, one after the
    /// other. Without a log none dies: it would lose what it has.
    pub(crate) fn crash_namenode(&self) {
        let Some(crash) = self.crash_of_namenode() else {
            return;
        };
        let number = self.any_partition();
        self.kill_namenode(number, crash);
        if self.plan.moving == Some(number) && self.random.chance(300) {
            let port = &self.namenodes.at(number).port;
            let other = PORTS.into_iter().find(|&other| other != port.get());
            port.set(other.expect("there are two"));
        }
        self.bring_back(number);
    }

    /// A partition dies and stays away.
    pub(crate) fn stop_namenode(&self) {
        if let Some(crash) = self.crash_of_namenode() {
            self.kill_namenode(self.any_partition(), crash);
        }
    }

    /// A partition starts again that is away; otherwise one that does not know where the others are.
    pub(crate) fn revive_namenode(&self) {
        let away = self.namenodes.numbers(|one| !one.is_running());
        let stale = self.stale_namenodes();
        if !away.is_empty() {
            self.bring_back(*self.random.pick(&away));
        } else if !stale.is_empty() {
            self.restart_namenode(*self.random.pick(&stale), Crash::Process);
        }
    }

    /// All are there, whole, and know where the others are.
    pub(crate) fn calm_namenodes(&self) {
        self.restart_torn_namenodes();
        for node in self.namenodes.nodes() {
            self.network.tear_append(node, u64::MAX);
        }
        for number in self.namenodes.numbers(|one| !one.is_running()) {
            self.bring_back(number);
        }
        for number in self.stale_namenodes() {
            self.restart_namenode(number, Crash::Process);
        }
    }

    fn stale_namenodes(&self) -> Vec<u16> {
        let addresses = self.namenodes.addresses();
        let is_stale = |one: &Partition| one.is_running() && *one.map.borrow() != addresses;
        match self.namenodes.all.len() {
            1 => Vec::new(),
            _ => self.namenodes.numbers(is_stale),
        }
    }

    /// How a partition may die and have everything when it comes back.
    fn crash_of_namenode(&self) -> Option<Crash> {
        match self.plan.log? {
            // With the machine goes what the device was not waited for.
            Durability::Async => Some(Crash::Process),
            Durability::Sync => Some(self.any_crash()),
        }
    }

    fn restart_namenode(&self, number: u16, crash: Crash) {
        self.kill_namenode(number, crash);
        self.bring_back(number);
    }

    fn kill_namenode(&self, number: u16, crash: Crash) {
        let partition = self.namenodes.at(number);
        if !partition.is_running() {
            return;
        }
        self.notes(&format!("fault: partition {number} dies ({crash:?})"));
        self.network.crash(partition.node, crash);
        partition.running.take();
        if crash == Crash::Machine {
            partition.boots.set(partition.boots.get() + 1);
            // Who reads its memory is on its machine, and finds that the one that it knew is gone.
            for node in self.nodes() {
                self.network.break_connections(partition.node, node);
            }
        }
    }

    fn bring_back(&self, number: u16) {
        let partition = self.namenodes.at(number);
        self.notes(&format!(
            "partition {number} starts again at {}",
            partition.address()
        ));
        self.start_namenode(number);
    }

    fn any_partition(&self) -> u16 {
        self.random.below(self.namenodes.all.len() as u64) as u16
    }
}
