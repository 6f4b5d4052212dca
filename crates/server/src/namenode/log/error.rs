//! Why there is no log to go on with.

use std::io;
use std::path::PathBuf;

use crake_datapath::Error;

/// Why a log cannot be read or begun. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The directory cannot be used.
    #[error("the log's directory {}: {error}", directory.display())]
    Directory {
        /// Which.
        directory: PathBuf,
        /// Why; [`Error::Locked`] if another namenode has it.
        error: Error,
    },
    /// A file of it cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// Its name in the directory.
        file: String,
        /// Why.
        error: Error,
    },
    /// Bytes that had been written whole are not what was written.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// Its name in the directory.
        file: String,
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// A file is missing.
    #[error("records {from} to {to} of the log are missing: they belong before {file}")]
    Missing {
        /// The first of them.
        from: u64,
        /// The last.
        to: u64,
        /// What follows.
        file: String,
    },
    /// It was written by a later program.
    #[error("{file} has version {version} of the format, and this program knows version {known}")]
    Version {
        /// Its name in the directory.
        file: String,
        /// What it says.
        version: u32,
        /// What is known here.
        known: u32,
    },
    /// It is the log of another partition, or of a namespace of another number of them.
    #[error("this is the log of partition {partition} of {partitions}")]
    OtherPartition {
        /// Its number, from 0.
        partition: u16,
        /// How many there are.
        partitions: u16,
    },
    /// Files of two logs in one directory.
    #[error("{file} belongs to the log of another cluster than the files before it")]
    OtherCluster {
        /// The later one.
        file: String,
    },
    /// Doing a record again gives another result than the first time.
    #[error(
        "{file}, record {sequence} at byte {offset}: doing it again gives another result than the first time"
    )]
    Diverged {
        /// Its name in the directory.
        file: String,
        /// The record's number.
        sequence: u64,
        /// Where it is.
        offset: u64,
    },
    /// The system has no thread left to wait for the device.
    #[error("no thread for the log: {0}")]
    Thread(#[from] io::Error),
}

impl LogError {
    pub(super) fn file(file: &str, error: Error) -> LogError {
        LogError::File {
            file: file.into(),
            error,
        }
    }

    pub(super) fn damaged(file: &str, offset: usize, what: impl ToString) -> LogError {
        LogError::Damaged {
            file: file.into(),
            offset: offset as u64,
            what: what.to_string(),
        }
    }
}
