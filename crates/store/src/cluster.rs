//! The cluster as a whole.

use crate::datanodes::Datanode;

/// How full the cluster is, and who is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Nodes in the namespace.
    pub nodes: u64,
    /// Bytes of all live datanodes.
    pub capacity: u64,
    /// Bytes of them in use.
    pub used: u64,
    /// All datanodes that the namenode knows.
    pub datanodes: Vec<Datanode>,
    /// Life of the namenode.
    pub incarnation: u64,
    /// Clients that it knows.
    pub sessions: u64,
    /// Files that are being written.
    pub leases: u64,
}
