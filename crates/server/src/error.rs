//! Why a role does not start.

use std::io;

use crake_datapath::{Address, Error};
use crake_mem::RegionError;

use crate::datanode::TierError;
use crate::datanode::persist::PersistError;
use crate::namenode::log::LogError;

/// Why a namenode, a datanode or a cluster did not start. Nothing of it is left.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration does not fit.
    #[error("{0}")]
    Config(&'static str),
    /// The datanode's memory is not to be had.
    #[error(transparent)]
    Tier(#[from] TierError),
    /// The namenode's memory for answers is not to be had.
    #[error("the memory for answers that clients find by themselves: {0}")]
    Answers(#[from] RegionError),
    /// This process cannot have a runtime: no descriptor is left.
    #[error("no runtime could be made: {0}")]
    Runtime(#[from] io::Error),
    /// The store of an embedded cluster did not connect.
    #[error(transparent)]
    Store(#[from] crake_store::Error),
    /// The datanode's directory cannot be used.
    #[error(transparent)]
    Persist(#[from] PersistError),
    /// The namenode's log cannot be used. Nothing of it was changed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An address cannot be listened at.
    #[error("cannot listen at {address}: {error}")]
    Listen {
        /// The address.
        address: Address,
        /// Why.
        error: Error,
    },
}
