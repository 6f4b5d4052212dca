//! The roles: namenode and datanode.

#![forbid(unsafe_code)]

pub mod datanode;
mod embedded;
mod error;
pub mod mac;
pub mod namenode;

pub use datanode::{Datanode, DatanodeConfig, DatanodeStatus, Memory, Registration};
pub use embedded::{Cluster, ClusterConfig, Embedded, EmbeddedOn};
pub use error::StartError;
pub use namenode::{Namenode, NamenodeConfig, NamenodeStatus};
