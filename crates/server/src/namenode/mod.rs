//! The namenode of one partition.

mod blocks;
pub mod command;
mod config;
mod datanodes;
mod names;
mod nodes;
mod records;
mod sessions;
mod slab;

pub use command::{Command, Failure, Reply};
pub use config::Config;
pub use names::{NAME_BYTES_MAX, PATH_BYTES_MAX};
