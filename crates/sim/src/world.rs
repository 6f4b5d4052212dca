//! The cluster under test, and what befalls it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::sim::{Crash, Network, NodeId, SimConfig};
use crake_datapath::{Address, Random, Time};
use crake_server::namenode::log::Durability;
use crake_server::{Datanode, DatanodeConfig, LocalWrite, Memory, PersistConfig};

use crate::client::Client;
use crate::content::Tag;
use crate::counters::Counters;
use crate::keys::SharedKeys;
use crate::namenodes::Namenodes;
use crate::readers::SharedFiles;

/// Datanodes are counted from here.
const DATANODES: NodeId = 10;
/// Clients are counted from here.
const CLIENTS: NodeId = 100;

/// What one run is about; all of it follows from the seed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Datanodes.
    pub datanodes: u32,
    /// Clients that write and read.
    pub clients: u32,
    /// Bytes of each datanode: little, so that the tier is full now and then.
    pub dram_bytes: u64,
    /// How long a silent client keeps its leases.
    pub lease: Duration,
    /// How long a datanode may be silent.
    pub heartbeat_timeout: Duration,
    /// Operations of each client.
    pub operations: u32,
    /// Shortest and longest time between two faults.
    pub fault_gap: (Duration, Duration),
    /// How clients on the machine of a datanode write.
    pub local_write: LocalWrite,
    /// Partitions of the namespace.
    pub partitions: u16,
    /// Which of them comes back at another address now and then. All others are where they were, so that whoever knows all can find it.
    pub moving: Option<u16>,
    /// Whether the namenode has a log, and may die, and what its answers survive.
    pub log: Option<Durability>,
    /// The network when nothing is wrong.
    pub network: SimConfig,
    /// Whether datanodes keep their blocks when their process dies.
    pub persist: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(random: &Random) -> Plan {
        let cut_per_mille = *random.pick(&[0, 50, 500]);
        let delay_max = *random.pick(&[20, 200, 5_000]);
        let local_write = *random.pick(&[LocalWrite::Ring, LocalWrite::Map]);
        let partitions = *random.pick(&[1, 1, 2, 3]);
        Plan {
            datanodes: 1 + random.below(3) as u32,
            clients: 2 + random.below(3) as u32,
            dram_bytes: (2 + random.below(7)) << 20,
            lease: Duration::from_millis(500 + random.below(2_000)),
            heartbeat_timeout: Duration::from_millis(300 + random.below(1_200)),
            operations: 50 + random.below(80) as u32,
            fault_gap: (
                Duration::from_millis(1),
                Duration::from_millis(*random.pick(&[30, 300, 1_500])),
            ),
            local_write,
            partitions,
            moving: (partitions > 1).then(|| random.below(u64::from(partitions)) as u16),
            log: *random.pick(&[None, Some(Durability::Async), Some(Durability::Sync)]),
            network: SimConfig {
                delay: (Duration::from_micros(5), Duration::from_micros(delay_max)),
                cut_per_mille,
                shared_per_mille: *random.pick(&[500, 900]),
                ..SimConfig::default()
            },
            persist: local_write == LocalWrite::Ring && random.below(3) > 0,
        }
    }
}

/// All that one run consists of.
pub struct World {
    /// The network, and the time.
    pub network: Network,
    /// What this run is about.
    pub plan: Plan,
    /// Chooses operations and faults.
    pub random: Random,
    /// The table that all clients write.
    pub shared: RefCell<SharedKeys>,
    /// What all clients know of the numbers that they add to.
    pub counters: Counters,
    /// The files that all clients write.
    pub together: RefCell<SharedFiles>,
    /// All clients, so that each can read what another wrote.
    pub clients: RefCell<Vec<Rc<Client>>>,
    /// The partitions of the namenode.
    pub(crate) namenodes: Namenodes,
    verbose: bool,
    datanodes: RefCell<BTreeMap<NodeId, Datanode>>,
    dead_datanodes: RefCell<Vec<NodeId>>,
    /// How often the machines of datanodes died.
    machine_crashes: RefCell<BTreeMap<NodeId, u64>>,
    crashes: Cell<u64>,
    datanode_deaths: Cell<u64>,
    disturbances: Cell<u64>,
    tags: Cell<u64>,
    violations: RefCell<Vec<String>>,
}

impl World {
    /// Starts the cluster of a seed.
    pub fn new(seed: u64, verbose: bool) -> Rc<World> {
        let random = Random::new(seed);
        let plan = Plan::of(&random);
        let network = Network::new(random.next(), plan.network.clone());
        let world = Rc::new(World {
            network,
            random,
            shared: RefCell::default(),
            counters: Counters::default(),
            together: RefCell::default(),
            clients: RefCell::default(),
            namenodes: Namenodes::new(plan.partitions),
            verbose,
            datanodes: RefCell::default(),
            dead_datanodes: RefCell::default(),
            machine_crashes: RefCell::default(),
            crashes: Cell::new(0),
            datanode_deaths: Cell::new(0),
            disturbances: Cell::new(0),
            tags: Cell::new(0),
            violations: RefCell::default(),
            plan,
        });
        world.start_namenodes();
        for number in 0..world.plan.datanodes {
            world.start_datanode(DATANODES + number);
        }
        world
    }

    /// The node of a client.
    pub fn client_node(&self, number: u32) -> NodeId {
        CLIENTS + number
    }

    /// A tag that nobody has used.
    pub fn new_tag(&self) -> Tag {
        self.tags.set(self.tags.get() + 1);
        Tag(self.tags.get())
    }

    /// Datanodes that died so far and took their blocks with them.
    pub fn crashes(&self) -> u64 {
        self.crashes.get()
    }

    /// Datanodes that died so far, be it that they kept their blocks.
    pub fn datanode_deaths(&self) -> u64 {
        self.datanode_deaths.get()
    }

    /// Whether the namenode may, for a while, take a datanode for dead, rightly or not.
    pub fn is_disturbed(&self) -> bool {
        self.disturbances.get() > 0
    }

    /// Whether somebody wants to read what happens.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    pub(crate) fn notes(&self, what: &str) {
        if self.verbose {
            eprintln!("{:>14.6?} {what}", self.network.now() - Time(0));
        }
    }

    /// Something happened that must never happen.
    pub fn violate(&self, what: String) {
        self.notes(&format!("VIOLATION: {what}"));
        self.violations
            .borrow_mut()
            .push(format!("at {:?}: {what}", self.network.now() - Time(0)));
    }

    /// What happened that must never happen.
    pub fn violations(&self) -> Vec<String> {
        self.violations.borrow().clone()
    }

    /// Lets a fault happen, or ends one.
    pub fn fault(&self) {
        self.restart_torn_namenodes();
        match self.random.below(15) {
            11 => self.crash_namenode(),
            12 => self.tear_log(),
            13 => self.stop_namenode(),
            14 => self.revive_namenode(),
            0 => self.crash_datanode(),
            10 => self.restart_datanode(),
            1 | 2 => self.revive_datanode(),
            3 => self.partition(self.any_server(), self.any_node()),
            4 | 5 => self.heal(),
            6 | 7 => self.break_connections(self.any_server(), self.any_node()),
            8 => self.step_clock(self.any_node(), self.random.below(7_200) as i64 - 3_600),
            _ => self.slow(
                self.any_node(),
                self.random.duration(Duration::ZERO, Duration::from_millis(20)),
            ),
        }
        self.note_disturbance();
    }

    pub(crate) fn note_disturbance(&self) {
        self.disturbances.set(self.disturbances.get() + 1);
    }

    fn partition(&self, a: NodeId, b: NodeId) {
        self.notes(&format!("fault: nodes {a} and {b} do not reach each other"));
        self.network.partition(a, b);
    }

    fn heal(&self) {
        self.notes("fault: all partitions end");
        self.network.heal_all();
    }

    pub(crate) fn break_connections(&self, a: NodeId, b: NodeId) {
        self.notes(&format!("fault: connections of nodes {a} and {b} break"));
        self.network.break_connections(a, b);
    }

    fn step_clock(&self, node: NodeId, seconds: i64) {
        self.notes(&format!("fault: the clock of node {node} steps by {seconds} s"));
        self.network.step_wall_clock(node, seconds);
    }

    fn slow(&self, node: NodeId, more: Duration) {
        self.notes(&format!("fault: messages of node {node} take {more:?} more"));
        self.network.slow(node, more);
    }

    /// Ends all faults.
    pub fn calm(&self) {
        self.notes("all faults end");
        self.calm_namenodes();
        self.network.heal_all();
        for node in self.nodes() {
            self.network.slow(node, Duration::ZERO);
        }
        while !self.dead_datanodes.borrow().is_empty() {
            self.revive_datanode();
        }
    }

    /// Drops the servers; the network says what is left of them.
    pub fn stop_servers(&self) {
        self.datanodes.borrow_mut().clear();
        self.namenodes.stop();
        self.clients.borrow_mut().clear();
    }

    fn start_datanode(&self, node: NodeId) {
        let boot = self.machine_crashes.borrow().get(&node).copied();
        let config = DatanodeConfig {
            namenode: self.addresses_for_datanodes(),
            listen: vec![Address::Sim { node, port: 50020 }],
            name: format!("datanode-{node}"),
            dram_bytes: self.plan.dram_bytes,
            memory: Memory::OnDemand,
            local_write: self.plan.local_write,
            persist: self.plan.persist.then(|| PersistConfig {
                directory: "/blocks".into(),
                host: format!("boot {}", boot.unwrap_or_default()),
            }),
            ..DatanodeConfig::default()
        };
        let datanode = Datanode::start(&self.network.runtime(node), config);
        let datanode = datanode.unwrap_or_else(|error| panic!("datanode {node} does not start: {error}"));
        self.datanodes.borrow_mut().insert(node, datanode);
    }

    fn crash_datanode(&self) {
        let alive: Vec<NodeId> = self.datanodes.borrow().keys().copied().collect();
        let Some(&node) = (!alive.is_empty()).then(|| self.random.pick(&alive)) else {
            return;
        };
        let crash = self.any_crash();
        self.notes(&format!("fault: datanode {node} dies ({crash:?})"));
        self.datanode_deaths.set(self.datanode_deaths.get() + 1);
        if !self.plan.persist || crash == Crash::Machine {
            self.crashes.set(self.crashes.get() + 1);
        }
        if crash == Crash::Machine {
            *self.machine_crashes.borrow_mut().entry(node).or_default() += 1;
        }
        self.network.crash(node, crash);
        self.datanodes.borrow_mut().remove(&node);
        self.dead_datanodes.borrow_mut().push(node);
    }

    /// So short that clients still have everything of its earlier life in mind.
    fn restart_datanode(&self) {
        self.crash_datanode();
        self.revive_datanode();
    }

    fn revive_datanode(&self) {
        if let Some(node) = self.dead_datanodes.borrow_mut().pop() {
            self.notes(&format!("datanode {node} starts again"));
            self.start_datanode(node);
        }
    }

    /// How a node may die.
    pub fn any_crash(&self) -> Crash {
        *self.random.pick(&[Crash::Process, Crash::Machine])
    }

    fn any_server(&self) -> NodeId {
        let servers = self.namenodes.nodes().chain(self.datanode_nodes());
        *self.random.pick(&servers.collect::<Vec<_>>())
    }

    fn any_node(&self) -> NodeId {
        *self.random.pick(&self.nodes())
    }

    /// All nodes, whether they run or not.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        let clients = (0..self.plan.clients).map(|number| CLIENTS + number);
        let servers = self.namenodes.nodes().chain(self.datanode_nodes());
        servers.chain(clients).collect()
    }

    fn datanode_nodes(&self) -> impl Iterator<Item = NodeId> {
        (0..self.plan.datanodes).map(|number| DATANODES + number)
    }
}
