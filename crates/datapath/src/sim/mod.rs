//! The simulated world: many runtimes in one thread, virtual time, and a network that misbehaves from a seed.
//!
//! [`Network`] makes a [`Runtime`](crate::Runtime) for each node and turns them. Time passes only when nobody has
//! anything to do. Everything that could differ between two runs (delays, how a message is cut into pieces, whose turn
//! it is, whether a broken connection still gives what had arrived) follows from the seed, so the same seed and the
//! same program give the same [`Network::trace`].

mod connection;
mod device;
mod disk;
mod kept;
mod network;
mod state;

pub use network::{Crash, Network, NodeId, SimConfig};
