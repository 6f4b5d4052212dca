//! The roles: namenode and datanode.

#![forbid(unsafe_code)]

pub mod datanode;
pub mod mac;
pub mod namenode;
