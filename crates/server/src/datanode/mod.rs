//! The datanode: gives memory to the cluster and serves the blocks in it.
//!
//! A payload is received straight into its block and a reply is sent straight from it, so an operation goes on after its
//! request was looked at, for as long as the peer takes. These rules keep such operations apart:
//!
//! 1. A request is served only with a handle that is signed for this life of this datanode, and whose generation is not
//!    below the newest seen for any unit of its block. A newer one becomes the newest at once, and what was written
//!    before is no longer readable by anybody.
//! 2. Bytes are written only where nothing is being received into or sent from. A write that finds its bytes busy waits
//!    in pool memory; whoever keeps it waiting for a second is cut off. So an older payload that is still arriving cannot land
//!    on a newer one, and a queued reply can be neither torn nor become somebody else's bytes.
//! 3. A payload goes straight into its block only if none of its bytes are written yet. One that overwrites is received
//!    into pool memory and copied when it is whole: if its connection dies half way, what was there is unharmed.
//! 4. Bytes count as written when the last one of their payload is there and the handle's generation is still the
//!    newest. Half a payload is not readable.
//! 5. Clients of this machine read blocks in place, without a request. They see generations and written ranges in a
//!    published table, which changes before bytes may be overwritten and after they are there.
//! 6. If they may write in place, they reserve the bytes first, which by rules 2 and 3 must be free, and say when they have landed, which
//!    by rule 4 makes them count. Cutting such a client off proves nothing: what it has reserved stays busy until it says otherwise or is
//!    known to be gone, and a write that waits for it fails after a while.

mod blocks;
mod flights;
mod generations;
pub mod persist;
mod published;
mod registration;
mod reservations;
mod role;
mod service;
mod tier;
mod waiting;
mod written;

pub use persist::PersistConfig;
pub use registration::Registration;
pub use role::{Datanode, DatanodeConfig, DatanodeStatus, Dram, LISTEN_PORT};
pub use tier::{LocalWrite, Memory, TierError};

/// Blocks begin at multiples of this.
const UNIT_BYTES: u64 = crake_store::protocol::Handle::UNIT_BYTES;
/// Sizes of blocks in units: 4 KiB, 64 KiB, 1 MiB.
const BLOCK_UNITS: [usize; 3] = [1, 16, 256];
