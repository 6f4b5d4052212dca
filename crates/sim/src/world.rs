//! The cluster under test, and what befalls it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::sim::{Crash, Network, NodeId, SimConfig};
use crake_datapath::{Address, Random, Time};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::{Datanode, DatanodeConfig, LocalWrite, Memory, Namenode, NamenodeConfig, PersistConfig};

use crate::client::Client;
use crate::content::Tag;
use crate::counters::Counters;
use crate::keys::SharedKeys;
use crate::readers::SharedFiles;

/// The namenode's node.
const NAMENODE: NodeId = 1;
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
    verbose: bool,
    namenode: RefCell<Option<Namenode>>,
    datanodes: RefCell<BTreeMap<NodeId, Datanode>>,
    dead_datanodes: RefCell<Vec<NodeId>>,
    /// How often the namenode's machine was started.
    boots: Cell<u64>,
    /// And those of the datanodes, as far as they died.
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
        let world = World {
            network,
            random,
            shared: RefCell::default(),
            counters: Counters::default(),
            together: RefCell::default(),
            clients: RefCell::default(),
            verbose,
            namenode: RefCell::new(None),
            datanodes: RefCell::default(),
            dead_datanodes: RefCell::default(),
            boots: Cell::new(1),
            machine_crashes: RefCell::default(),
            crashes: Cell::new(0),
            datanode_deaths: Cell::new(0),
            disturbances: Cell::new(0),
            tags: Cell::new(0),
            violations: RefCell::default(),
            plan,
        };
        world.start_namenode();
        for number in 0..world.plan.datanodes {
            world.start_datanode(DATANODES + number);
        }
        Rc::new(world)
    }

    /// Where clients find the cluster.
    pub fn url(&self) -> String {
        namenode_address().to_string()
    }

    /// The node of a client.
    pub fn client_node(&self, number: u32) -> NodeId {
        CLIENTS + number
    }

    /// The namenode's own opinion of itself.
    pub fn with_namenode<T>(&self, look: impl FnOnce(&Namenode) -> T) -> T {
        look(
            self.namenode
                .borrow()
                .as_ref()
                .expect("the namenode runs to the end"),
        )
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

    fn notes(&self, what: &str) {
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
        self.restart_torn_namenode();
        match self.random.below(13) {
            11 => self.crash_namenode(),
            12 => self.tear_log(),
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

    fn break_connections(&self, a: NodeId, b: NodeId) {
        self.notes(&format!("fault: connections of nodes {a} and {b} break"));
        self.network.break_connections(a, b);
    }

    /// The connection of a node to the namenode breaks; it may connect again at once.
    pub fn cut_off(&self, node: NodeId) {
        self.break_connections(NAMENODE, node);
        self.disturbances.set(self.disturbances.get() + 1);
    }

    fn step_clock(&self, node: NodeId, seconds: i64) {
        self.notes(&format!("fault: the clock of node {node} steps by {seconds} s"));
        self.network.step_wall_clock(node, seconds);
    }

    fn slow(&self, node: NodeId, more: Duration) {
        self.notes(&format!("fault: messages of node {node} take {more:?} more"));
        self.network.slow(node, more);
    }

    /// The namenode dies within an append to its log, of which so many bytes are there.
    fn tear_log(&self) {
        if self.plan.log.is_some() {
            let bytes = self.random.below(2_000);
            self.notes(&format!("fault: the log takes {bytes} bytes more"));
            self.network.tear_append(NAMENODE, bytes);
        }
    }

    fn restart_torn_namenode(&self) {
        if self.network.is_torn(NAMENODE) {
            self.restart_namenode(Crash::Process);
        }
    }

    fn crash_namenode(&self) {
        match self.plan.log {
            None => {}
            // With the machine goes what the device was not waited for.
            Some(Durability::Async) => self.restart_namenode(Crash::Process),
            Some(Durability::Sync) => self.restart_namenode(self.any_crash()),
        }
    }

    fn restart_namenode(&self, crash: Crash) {
        self.notes(&format!("fault: the namenode dies ({crash:?}) and starts again"));
        self.network.crash(NAMENODE, crash);
        self.namenode.take();
        if crash == Crash::Machine {
            self.boots.set(self.boots.get() + 1);
            // Who reads its memory is on its machine, and finds that the one that it knew is gone.
            for node in self.nodes() {
                self.network.break_connections(NAMENODE, node);
            }
        }
        self.start_namenode();
    }

    /// Ends all faults.
    pub fn calm(&self) {
        self.notes("all faults end");
        self.restart_torn_namenode();
        self.network.tear_append(NAMENODE, u64::MAX);
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
        self.namenode.take();
        self.clients.borrow_mut().clear();
    }

    fn start_namenode(&self) {
        let config = NamenodeConfig {
            listen: vec![namenode_address()],
            lease: self.plan.lease,
            heartbeat_timeout: self.plan.heartbeat_timeout,
            // So little that answers are written over soon.
            answers_bytes: 64 << 10,
            log: self.plan.log.map(|durability| LogConfig {
                host: format!("boot {}", self.boots.get()),
                ..LogConfig::new("/log", durability)
            }),
            ..NamenodeConfig::default()
        };
        let namenode = Namenode::start(&self.network.runtime(NAMENODE), config);
        let namenode = namenode.unwrap_or_else(|error| panic!("the namenode does not start: {error}"));
        *self.namenode.borrow_mut() = Some(namenode);
    }

    fn start_datanode(&self, node: NodeId) {
        let boot = self.machine_crashes.borrow().get(&node).copied();
        let config = DatanodeConfig {
            namenode: vec![namenode_address()],
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
        match self.random.below(u64::from(self.plan.datanodes) + 1) as u32 {
            0 => NAMENODE,
            number => DATANODES + number - 1,
        }
    }

    fn any_node(&self) -> NodeId {
        *self.random.pick(&self.nodes())
    }

    fn nodes(&self) -> Vec<NodeId> {
        let datanodes = (0..self.plan.datanodes).map(|number| DATANODES + number);
        let clients = (0..self.plan.clients).map(|number| CLIENTS + number);
        [NAMENODE].into_iter().chain(datanodes).chain(clients).collect()
    }
}

fn namenode_address() -> Address {
    Address::Sim {
        node: NAMENODE,
        port: 9060,
    }
}
