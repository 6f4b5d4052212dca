//! The datanode: gives memory to the cluster and serves the blocks in it.

mod blocks;
mod flights;
mod generations;
mod registration;
mod role;
mod service;
mod tier;
mod waiting;
mod written;

pub use registration::Registration;
pub use role::{Datanode, DatanodeConfig, DatanodeStatus, LISTEN_PORT};
pub use tier::{Memory, TierError};

/// Blocks begin at multiples of this.
const UNIT_BYTES: u64 = crake_store::protocol::Handle::UNIT_BYTES;
/// Sizes of blocks in units: 4 KiB, 64 KiB, 1 MiB.
const BLOCK_UNITS: [usize; 3] = [1, 16, 256];
