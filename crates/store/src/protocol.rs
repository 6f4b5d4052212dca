//! What goes over the wire between clients, namenodes and datanodes: the messages of `proto/*.proto`, the status
//! codes of their services, the block handle, and the memory that they share.

pub mod answers;
pub mod code;
pub mod handle;
mod referral;
pub mod scan;
pub mod shards;
pub mod tier;
pub mod words;

/// What a peer says that it is when it connects.
pub mod role {
    /// Reads and writes.
    pub const CLIENT: u8 = 1;
    /// Registers with a namenode and keeps blocks.
    pub const DATANODE: u8 = 2;
    /// A partition of a namespace, at another one.
    pub const NAMENODE: u8 = 3;
}

/// Handles that a datanode looks at in one request.
pub const CHECK_HANDLES_MAX: usize = 512;

/// What a client may ask of a datanode: `proto/datanode.proto`, compiled.
pub mod datanode {
    include!(concat!(env!("OUT_DIR"), "/crake.datanode.rs"));
}

/// What a client, and a datanode, may ask of a namenode: `proto/namenode.proto`, compiled.
pub mod namenode {
    include!(concat!(env!("OUT_DIR"), "/crake.namenode.rs"));
}

pub use code::Code;
pub use handle::Handle;
pub use referral::{Referral, Which};
