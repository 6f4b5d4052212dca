//! The simulated network: what a test holds in its hand.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::PoisonError;
use std::time::Duration;

use super::device::NodeDriver;
use super::state::{Place, State};
use crate::runtime::{Runtime, RuntimeConfig};
use crate::time::{Time, WallTime};

/// Names a machine of the simulation, as in `sim://3:9060`.
pub type NodeId = u32;

/// How the simulated network behaves when nothing is wrong.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Shortest and longest time that a piece of data travels. Pieces of one connection keep their order.
    pub delay: (Duration, Duration),
    /// In how many of 1,000 cases something that is sent arrives in two pieces or more.
    pub cut_per_mille: u64,
    /// Bytes that may be under way to, or unread by, one end of a connection.
    pub window_bytes: usize,
    /// Connections that may wait to be accepted at a port.
    pub backlog: usize,
    /// Wall clock at the start, in nanoseconds since the Unix epoch.
    pub wall_start: WallTime,
    /// How many buffers each runtime's pool may have.
    pub buffers_max: usize,
    /// In how many of 1,000 cases a client is on the machine of the server that it connects to, and reads what that shares.
    pub shared_per_mille: u64,
    /// How long others may act between two steps of a read of shared memory, at most.
    pub step_max: Duration,
}

impl Default for SimConfig {
    fn default() -> SimConfig {
        SimConfig {
            delay: (Duration::from_micros(5), Duration::from_micros(500)),
            cut_per_mille: 200,
            window_bytes: 256 << 10,
            backlog: 128,
            wall_start: WallTime(1_700_000_000_000_000_000),
            buffers_max: 1_024,
            shared_per_mille: 500,
            step_max: Duration::from_millis(50),
        }
    }
}

/// How a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// The process ends: its system resets all connections, and the peers see that.
    Process,
    /// The machine ends: peers that wait see nothing, those that send get a reset once the node
    /// is back, and nothing before.
    Machine,
}

/// Nodes, their runtimes, the network between them, and its faults.
///
/// ```
/// use crake_datapath::{Address, sim::{Network, SimConfig}};
/// let network = Network::new(42, SimConfig::default());
/// let (server, client) = (network.runtime(1), network.runtime(2));
/// let address = Address::Sim { node: 1, port: 7 };
/// let listener = server.listen(&address).unwrap();
/// let echo = server.spawn(async move {
///     let stream = listener.accept().await.unwrap();
///     let bytes = stream.pop().await.unwrap();
///     stream.push(bytes.into()).await.unwrap();
/// });
/// let answer = client.spawn({
///     let client = client.clone();
///     async move {
///         let stream = client.connect(&address).await.unwrap();
///         stream.push(crake_mem::Buf::from_vec(b"hello".to_vec()).into()).await.unwrap();
///         stream.pop().await.unwrap().to_vec()
///     }
/// });
/// network.run();
/// assert!(echo.is_finished() && answer.is_finished());
/// ```
pub struct Network {
    state: Rc<RefCell<State>>,
    runtimes: RefCell<BTreeMap<NodeId, Runtime>>,
}

impl Network {
    /// A network without nodes. All chance in it follows from `seed`.
    pub fn new(seed: u64, config: SimConfig) -> Network {
        Network {
            state: Rc::new(RefCell::new(State::new(seed, config))),
            runtimes: RefCell::default(),
        }
    }

    /// Starts the node, or starts it anew after a crash: its runtime.
    ///
    /// # Panics
    /// If the node is running.
    pub fn runtime(&self, node: NodeId) -> Runtime {
        let (place, seed, buffers_max) = {
            let mut state = self.state.borrow_mut();
            let wall_start = state.config.wall_start;
            let entry = state.nodes.entry(node).or_default();
            assert!(!entry.alive, "node {node} is running");
            entry.alive = true;
            entry.incarnation += 1;
            if entry.incarnation == 1 {
                entry.wall_offset_ns = wall_start.0;
            }
            let place = Place {
                node,
                incarnation: entry.incarnation,
            };
            (place, state.random.next(), state.config.buffers_max)
        };
        let driver = NodeDriver {
            state: self.state.clone(),
            place,
        };
        let config = RuntimeConfig {
            buffers_max,
            ..RuntimeConfig::default()
        };
        let runtime = Runtime::with_driver(config, seed, Box::new(driver));
        self.runtimes.borrow_mut().insert(node, runtime.clone());
        runtime
    }

    /// Virtual time since the start.
    pub fn now(&self) -> Time {
        self.state.borrow().now
    }

    /// What a node's clock on the wall shows.
    pub fn wall(&self, node: NodeId) -> WallTime {
        self.state.borrow().wall(node)
    }

    /// A hash of all that has happened on the network: equal for equal runs.
    pub fn trace(&self) -> u64 {
        self.state.borrow().trace()
    }

    /// Turns each node once, in an order drawn from the seed; if none had anything to do, moves time to when something
    /// happens next. False when nothing ever will.
    pub fn step(&self) -> bool {
        self.step_within(Time::NEVER)
    }

    /// Steps until nothing happens any more.
    pub fn run(&self) {
        while self.step() {}
    }

    /// Steps until `until`, and leaves the clock there.
    pub fn run_until(&self, until: Time) {
        while self.step_within(until) {}
        let mut state = self.state.borrow_mut();
        state.now = state.now.max(until);
    }

    /// Steps until `done` says so; false if nothing happened any more, or `until` came, before it did.
    pub fn run_until_done(&self, until: Time, mut done: impl FnMut() -> bool) -> bool {
        while !done() {
            if !self.step_within(until) {
                return done();
            }
        }
        true
    }

    fn step_within(&self, until: Time) -> bool {
        if self.turn_all() {
            return true;
        }
        let Some(next) = self.next_time().filter(|next| *next <= until) else {
            return false;
        };
        let mut state = self.state.borrow_mut();
        state.now = state.now.max(next);
        state.happen();
        true
    }

    fn turn_all(&self) -> bool {
        let mut progress = false;
        for node in self.shuffled_nodes() {
            let runtime = self.runtimes.borrow().get(&node).cloned();
            progress |= runtime.is_some_and(|runtime| runtime.turn());
        }
        progress
    }

    fn shuffled_nodes(&self) -> Vec<NodeId> {
        let mut nodes: Vec<NodeId> = self.runtimes.borrow().keys().copied().collect();
        let state = self.state.borrow_mut();
        for end in (1..nodes.len()).rev() {
            let other = state.random.below(end as u64 + 1) as usize;
            nodes.swap(end, other);
        }
        nodes
    }

    fn next_time(&self) -> Option<Time> {
        let timers = self
            .runtimes
            .borrow()
            .values()
            .filter_map(Runtime::next_timer)
            .min();
        [timers, self.state.borrow().next_happening()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Kills the node: its tasks are dropped where they are.
    pub fn crash(&self, node: NodeId, crash: Crash) {
        if crash == Crash::Process {
            self.state
                .borrow_mut()
                .reset(|connection| connection.has_node(node));
        }
        self.state.borrow_mut().kill(node);
        {
            let mut state = self.state.borrow_mut();
            let disk = state.disk(node);
            let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
            let State { nodes, random, .. } = &mut *state;
            let kept = &mut nodes.entry(node).or_default().kept;
            match crash {
                Crash::Process => {
                    disk.crash_process();
                    kept.crash_process();
                }
                Crash::Machine => {
                    disk.crash_machine(random);
                    kept.crash_machine(random);
                }
            }
        }
        // What tasks do while they are dropped reaches devices of a node that is dead.
        if let Some(runtime) = self.runtimes.borrow_mut().remove(&node) {
            runtime.shutdown();
        }
    }

    /// From now on the node's files take so many bytes more; what is appended then is cut there, and nothing is taken after it.
    pub fn tear_append(&self, node: NodeId, after_bytes: u64) {
        let disk = self.state.borrow_mut().disk(node);
        disk.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .tear_after(after_bytes);
    }

    /// Whether that has happened, since the node was started last.
    pub fn is_torn(&self, node: NodeId) -> bool {
        let disk = self.state.borrow_mut().disk(node);
        disk.lock().unwrap_or_else(PoisonError::into_inner).is_torn()
    }

    /// Nothing arrives between the two nodes until [`heal`](Network::heal); it is not lost, as TCP would send it again.
    pub fn partition(&self, a: NodeId, b: NodeId) {
        self.state.borrow_mut().partition(a, b);
    }

    /// Ends a partition: what was held arrives now.
    pub fn heal(&self, a: NodeId, b: NodeId) {
        self.state.borrow_mut().heal(a, b);
    }

    /// Ends all partitions.
    pub fn heal_all(&self) {
        let partitions = self.state.borrow().partitions();
        for (a, b) in partitions {
            self.heal(a, b);
        }
    }

    /// Breaks the connections between two nodes; what was under way is lost.
    pub fn break_connections(&self, a: NodeId, b: NodeId) {
        self.state
            .borrow_mut()
            .reset(|connection| connection.is_between(a, b));
    }

    /// Steps the node's clock on the wall. The monotonic clock goes on as it did.
    pub fn step_wall_clock(&self, node: NodeId, seconds: i64) {
        let mut state = self.state.borrow_mut();
        state.note(14);
        if let Some(node) = state.nodes.get_mut(&node) {
            node.wall_offset_ns = node
                .wall_offset_ns
                .saturating_add_signed(seconds.saturating_mul(1_000_000_000));
        }
    }

    /// From now on everything that is sent to the node takes this much longer.
    pub fn slow(&self, node: NodeId, more: Duration) {
        let mut state = self.state.borrow_mut();
        if let Some(node) = state.nodes.get_mut(&node) {
            node.slowness = more;
        }
    }
}

impl Drop for Network {
    /// Tasks hold their runtime, which holds its tasks.
    fn drop(&mut self) {
        for runtime in self.runtimes.take().into_values() {
            runtime.shutdown();
        }
    }
}
