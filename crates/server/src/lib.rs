//! The roles: namenode and datanode.

#![forbid(unsafe_code)]

pub mod namenode;
