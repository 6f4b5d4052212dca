//! A machine in a time of its own, in which one input after the other is played.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::cell::RefCell;
use std::time::Duration;

use crake_datapath::sim::{Network, SimConfig};
use crake_datapath::{Address, LINGER, Op, Outcome, Runtime, Usage};

pub const ADDRESS: Address = Address::Sim { node: 1, port: 7 };

/// A piece travels for so long.
const DELAY: Duration = Duration::from_micros(1);
/// By then all is done that does not wait for something.
const SETTLE: Duration = Duration::from_micros(40);
/// Of all that a connection's both sides have.
const BUFFERS_MAX: usize = 8;
/// What goes on for longer goes on for ever.
const STEPS_MAX: u32 = 20_000;

pub struct World {
    network: Network,
    pub runtime: Runtime,
    /// Bytes under way that nobody has read, at most, in each direction.
    window_bytes: usize,
}

thread_local! {
    /// Those of inputs before, in which nothing is left: to make one takes longer than most inputs.
    static IDLE: RefCell<Vec<World>> = const { RefCell::new(Vec::new()) };
}

impl World {
    pub fn new(window_bytes: usize) -> World {
        let idle = IDLE.with_borrow_mut(|idle| {
            let at = idle.iter().position(|world| world.window_bytes == window_bytes);
            at.map(|at| idle.swap_remove(at))
        });
        idle.unwrap_or_else(|| World::fresh(window_bytes))
    }

    /// Says that nothing of the connection is left, and keeps the world for the next one.
    pub fn put_away(self) {
        self.pass(LINGER);
        let usage = self.runtime.usage();
        assert_eq!(usage, Usage::default(), "something is left");
        IDLE.with_borrow_mut(|idle| idle.push(self));
    }

    /// One in which nothing has been, not even chance.
    pub fn fresh(window_bytes: usize) -> World {
        let config = SimConfig {
            delay: (DELAY, DELAY),
            // Scripts cut by themselves.
            cut_per_mille: 0,
            window_bytes,
            buffers_max: BUFFERS_MAX,
            shared_per_mille: 0,
            ..SimConfig::default()
        };
        let network = Network::new(1, config);
        World {
            runtime: network.runtime(1),
            network,
            window_bytes,
        }
    }

    /// Whether nothing can be received, because all buffers are in use.
    pub fn is_exhausted(&self) -> bool {
        self.runtime.usage().buffers == BUFFERS_MAX
    }

    /// Lets everything happen that can happen now.
    pub fn settle(&self) {
        self.pass(SETTLE);
    }

    pub fn pass(&self, time: Duration) {
        let until = self.network.now() + time;
        let mut steps = 0;
        let mut is_enough = || {
            steps += 1;
            steps > STEPS_MAX
        };
        let is_endless = self.network.run_until_done(until, &mut is_enough);
        assert!(!is_endless, "something goes on without end");
        self.network.run_until(until);
    }

    /// Passes time until it is there.
    pub fn wait<T: Outcome>(&self, mut op: Op<T>) -> T {
        self.settle();
        op.try_wait().expect("nothing stands in its way").unwrap()
    }
}
