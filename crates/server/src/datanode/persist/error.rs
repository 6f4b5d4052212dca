//! Why a directory does not give its blocks.

use std::path::PathBuf;

use crake_datapath::Error;
use crake_mem::RegionError;

/// Why a datanode cannot keep its blocks in a directory. Nothing that was there has been changed.
#[derive(Debug, thiserror::Error)]
#[error("the datanode's directory {}: {reason}", directory.display())]
pub struct PersistError {
    /// Which.
    pub directory: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// What is wrong with a directory.
#[derive(Debug, thiserror::Error)]
pub enum Reason {
    /// It cannot be used; [`Error::Locked`] if another datanode has it.
    #[error("{0}")]
    Directory(Error),
    /// A file of it cannot be looked at, or not be removed.
    #[error("{file}: {error}")]
    File {
        /// Its name.
        file: &'static str,
        /// Why.
        error: Error,
    },
    /// There is no room for a file of it, or it cannot be mapped.
    #[error("{file}: {error}")]
    Memory {
        /// Its name.
        file: &'static str,
        /// Why.
        error: RegionError,
    },
    /// A file is missing.
    #[error("{file} is missing")]
    Missing {
        /// Its name.
        file: &'static str,
    },
    /// A file is not a datanode's.
    #[error("{file} is not that of a datanode")]
    Foreign {
        /// Its name.
        file: &'static str,
    },
    /// It was written by a program of another version.
    #[error("{file} has version {version} of the format, and this program knows version {known}")]
    Version {
        /// Its name.
        file: &'static str,
        /// What it says.
        version: u32,
        /// What is known here.
        known: u32,
    },
    /// It is that of a datanode with more memory, or less.
    #[error("it has a tier of {has_bytes} bytes, and {wanted_bytes} are to be given")]
    Size {
        /// What is there.
        has_bytes: u64,
        /// What was asked for.
        wanted_bytes: u64,
    },
    /// It is that of a datanode of another name.
    #[error("it is that of the datanode `{has}`, and this one is `{wanted}`")]
    Name {
        /// Whose it is.
        has: String,
        /// Who asked for it.
        wanted: String,
    },
    /// What is there is not what was written.
    #[error("{file} is damaged at byte {offset}: {what}")]
    Damaged {
        /// Its name.
        file: &'static str,
        /// Where.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}

impl Reason {
    pub(super) fn damaged(file: &'static str, offset: usize, what: &'static str) -> Reason {
        Reason::Damaged {
            file,
            offset: offset as u64,
            what,
        }
    }
}
