//! The namenode of one partition.

mod blocks;
mod check;
mod children;
pub mod command;
mod config;
mod datanodes;
mod directory;
mod file;
mod index;
mod names;
mod namespace;
mod nodes;
mod reads;
mod records;
mod role;
mod service;
mod sessions;
mod slab;
mod table;
mod translate;

pub use command::{Command, Failure, Now, Reply, SessionId};
pub use config::Config;
pub use names::{NAME_BYTES_MAX, PATH_BYTES_MAX};
pub use namespace::Namespace;
pub use reads::Read;
pub use role::{LISTEN_PORT, Namenode, NamenodeConfig, NamenodeStatus};
