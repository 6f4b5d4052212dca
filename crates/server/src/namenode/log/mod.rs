//! The namenode's log: what changed its namespace, so that it is there again after a restart (`docs/format/log.md`).
//!
//! A [`Journal`] takes down each command that changed something, and each change that time brought about, as records. The log appends
//! these to a file before any answer leaves that shows what they did; with [`Durability::Sync`] the answers wait until the device has them. When
//! the namenode starts, they are done again, from the newest snapshot on.

mod command;
mod error;
mod header;
mod journal;
mod keeper;
mod outcome;
mod partners;
mod record;
mod recover;
mod replay;
mod snapshot;
#[cfg(test)]
mod tests;
mod writer;

pub(in crate::namenode) use command::Event;
pub use error::LogError;
pub use journal::Journal;
pub(in crate::namenode) use keeper::Keeper;
pub use replay::{ReplayError, replay_all};
pub(crate) use writer::boot_of;
pub use writer::{Durability, Failed, LogConfig, Opened, Unwritten};
pub(in crate::namenode) use writer::{Log, SEGMENT_BYTES_MIN};
