//! The conformance suite on the simulated network: between two nodes, and within one.

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crake_datapath::sim::{Network, NodeId, SimConfig};
use crake_datapath::{Address, Runtime, RuntimeConfig};

#[macro_use]
mod conformance;

/// Virtual time in which whatever a test does must be over.
const LIMIT: Duration = Duration::from_secs(600);

struct Sim {
    network: Network,
    client: Runtime,
    server: Runtime,
    server_node: NodeId,
    ports: Cell<u16>,
}

impl Sim {
    fn new(config: RuntimeConfig, nodes: NodeId) -> Sim {
        let chance = SimConfig {
            buffers_max: config.buffers_max,
            ..SimConfig::default()
        };
        let network = Network::new(config.seed.unwrap_or(0), chance);
        let client = network.runtime(1);
        let server = match nodes {
            1 => client.clone(),
            node => network.runtime(node),
        };
        Sim {
            network,
            client,
            server,
            server_node: nodes,
            ports: Cell::new(0),
        }
    }
}

impl conformance::World for Sim {
    fn client(&self) -> &Runtime {
        &self.client
    }

    fn server(&self) -> &Runtime {
        &self.server
    }

    fn address(&self) -> Address {
        self.ports.set(self.ports.get() + 1);
        Address::Sim {
            node: self.server_node,
            port: self.ports.get(),
        }
    }

    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        // Not a task: the suite counts those.
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(flag.clone());
        let deadline = self.network.now() + LIMIT;
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return output;
            }
            let woken = self
                .network
                .run_until_done(deadline, || flag.0.swap(false, Ordering::Relaxed));
            assert!(woken, "it does not end");
        }
    }
}

/// Whether the future was woken.
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

mod two_nodes {
    conformance!(|config| crate::Sim::new(config, 2));
}

mod one_node {
    conformance!(|config| crate::Sim::new(config, 1));
}
