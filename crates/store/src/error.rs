//! What can go wrong, told by what the caller can do about it.

use std::io;

/// Why an operation did not succeed.
///
/// Each variant is one thing that a caller may want to treat on its own, and says who is at fault: the caller (names,
/// kinds, leases), the cluster's resources (space, lost blocks), or a peer (not reachable, silent, or talking nonsense).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing has this name, or it was deleted meanwhile.
    #[error("{path}: not found")]
    NotFound {
        /// What was asked for.
        path: Box<str>,
    },
    /// The name is taken.
    #[error("{path}: already exists")]
    AlreadyExists {
        /// What was to be made.
        path: Box<str>,
    },
    /// A name on the way is not a container.
    #[error("{path}: not a directory")]
    NotADirectory {
        /// What was asked for.
        path: Box<str>,
    },
    /// The operation works on a file, and this is a container.
    #[error("{path}: is a directory")]
    IsADirectory {
        /// What was asked for.
        path: Box<str>,
    },
    /// A container with entries, and the operation was not recursive.
    #[error("{path}: directory not empty")]
    NotEmpty {
        /// What was to be deleted or replaced.
        path: Box<str>,
    },
    /// The node is of another kind than the operation works on.
    #[error("{path}: wrong kind of node{}", because(detail))]
    WrongKind {
        /// What was asked for.
        path: Box<str>,
        /// The server's words, may be empty.
        detail: Box<str>,
    },
    /// A name, path, key or value that is not allowed.
    #[error("{path}: not allowed{}", because(detail))]
    InvalidName {
        /// As the caller gave it.
        path: Box<str>,
        /// What is wrong with it, may be empty.
        detail: Box<str>,
    },
    /// A directory would come to lie below itself.
    #[error("{path}: a directory cannot be moved below itself")]
    Cycle {
        /// What was to be renamed.
        path: Box<str>,
    },
    /// The root can be neither renamed nor deleted.
    #[error("the root can be neither renamed nor deleted")]
    RootIsFixed,
    /// Another writer has the file; when it closes, or falls silent, the file is free.
    #[error("{path}: another writer has it open")]
    LeaseHeld {
        /// The file.
        path: Box<str>,
    },
    /// This writer was silent for too long, or its file was deleted. What it published stays.
    #[error("{path}: the write lease was lost")]
    LeaseLost {
        /// The file.
        path: Box<str>,
    },
    /// This handle of the file has no lease to write it, or gave it to a writer already.
    #[error("{path}: not open for writing")]
    NotWritable {
        /// The file.
        path: Box<str>,
    },
    /// A multifile that gets no more parts.
    #[error("{path}: the multifile is sealed and gets no more parts")]
    Sealed {
        /// The part.
        path: Box<str>,
    },
    /// The value's version is not the one that the caller expected.
    #[error("{path}: the value has another version")]
    VersionMismatch {
        /// Table and key.
        path: Box<str>,
    },
    /// The value to add to is not a number: decimal digits, with a minus sign if it is below zero.
    #[error("{path}: the value is not a number")]
    NotANumber {
        /// Table and key.
        path: Box<str>,
    },
    /// The number would be above or below what 64 bits hold. It stays as it is.
    #[error("{path}: the number would be too large")]
    Overflow {
        /// Table and key.
        path: Box<str>,
    },
    /// No tier that the file may use has room. What was written before stays readable.
    #[error("{path}: no space left in the cluster{}", because(detail))]
    NoSpace {
        /// What was being written.
        path: Box<str>,
        /// The server's words, may be empty.
        detail: Box<str>,
    },
    /// A limit of the namenode (nodes, leases, sessions) is reached.
    #[error("{path}: a limit of the namenode is reached{}", because(detail))]
    Full {
        /// What was to be made.
        path: Box<str>,
        /// Which limit, may be empty.
        detail: Box<str>,
    },
    /// The namenode is busy with another change of this place, which ends by itself: a rename on its way, a removal, a partition that
    /// begins. Nothing was done. The client has asked again until the deadline of the operation.
    #[error(
        "{path}: the namenode is busy with another change of it{}; nothing was done, try again later",
        because(detail)
    )]
    Busy {
        /// What was asked for, or to be changed.
        path: Box<str>,
        /// The server's words, may be empty.
        detail: Box<str>,
    },
    /// The job in whose directory this would be may not have so much. What it has stays readable, and what is deleted there makes room.
    #[error("{path}: quota exceeded{}", because(detail))]
    QuotaExceeded {
        /// What was being made or written.
        path: Box<str>,
        /// The job, its quota and its use.
        detail: Box<str>,
    },
    /// The job in whose directory this was written has ended, and the file with it.
    #[error("{path}: its job has ended")]
    JobEnded {
        /// The file, or table and key.
        path: Box<str>,
    },
    /// The job is another client's, which alone may end it without killing it.
    #[error("{path}: another client's job")]
    NotOwner {
        /// The job.
        path: Box<str>,
    },
    /// While a job runs, its directory can be neither renamed nor deleted, and `/jobs` neither.
    #[error("{path}: the directory of a running job can be neither renamed nor deleted")]
    JobDirectoryIsFixed {
        /// What was to be renamed, replaced or deleted.
        path: Box<str>,
    },
    /// More than 100,000 nodes would be moved into a job, or out of one; move the parts one by one.
    #[error("{path}: too many nodes to move into or out of a job at once")]
    TreeTooLarge {
        /// What was to be renamed.
        path: Box<str>,
    },
    /// What is at one partition of the namespace cannot be where it would have to be: copy, and delete what was copied (docs/partitions.md).
    #[error("{path}: what is at another partition of the namespace cannot be there; copy it")]
    CrossPartition {
        /// What was to be renamed.
        path: Box<str>,
    },
    /// The disk with the namenode's log is full: until there is room, everything can be read and nothing be changed.
    #[error("{path}: the disk with the namenode's log is full")]
    LogFull {
        /// What was to be changed.
        path: Box<str>,
    },
    /// The datanodes that held these bytes are gone, and the bytes with them.
    #[error("{path}: bytes {offset} to {} are lost with their datanode", offset + len)]
    BlockLost {
        /// The file, or table and key.
        path: Box<str>,
        /// First byte lost.
        offset: u64,
        /// How many of them, from there.
        len: u64,
    },
    /// A server cannot be reached, or the connection to it broke.
    #[error("{peer} is not available: {detail}{}", doubt(*may_have_run))]
    Unavailable {
        /// Role and address.
        peer: Box<str>,
        /// Whether the operation may have happened all the same.
        may_have_run: bool,
        /// What was seen of it.
        detail: Box<str>,
    },
    /// The operation's deadline passed.
    #[error("{peer} did not answer in time{}", doubt(*may_have_run))]
    TimedOut {
        /// Role and address.
        peer: Box<str>,
        /// Whether the operation may have happened all the same.
        may_have_run: bool,
    },
    /// What listens at this address is not a Crake server of this version and role.
    #[error("{peer} refused the connection: {detail}")]
    Refused {
        /// Role and address.
        peer: Box<str>,
        /// What it said, or what was wrong with what it said.
        detail: Box<str>,
    },
    /// A server answered with an error of its own or with something that makes no sense.
    #[error("{peer} failed: {detail}{}", doubt(*may_have_run))]
    Protocol {
        /// Role and address.
        peer: Box<str>,
        /// Whether the operation may have happened all the same.
        may_have_run: bool,
        /// What was wrong with it.
        detail: Box<str>,
    },
    /// A URL that cannot be used.
    #[error("{url}: {detail}")]
    BadUrl {
        /// As the caller gave it.
        url: Box<str>,
        /// What is wrong with it.
        detail: Box<str>,
    },
}

fn because(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(" ({detail})")
    }
}

fn doubt(may_have_run: bool) -> &'static str {
    if may_have_run {
        "; the operation may have happened"
    } else {
        ""
    }
}

impl Error {
    /// Whether the same call can succeed later without anything else being changed.
    ///
    /// If [`Error::may_have_run`] holds as well, repeating it may do it twice.
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Error::LeaseHeld { .. }
                | Error::NoSpace { .. }
                | Error::Full { .. }
                | Error::Busy { .. }
                | Error::LogFull { .. }
                | Error::Unavailable { .. }
                | Error::TimedOut { .. }
        )
    }

    /// Whether the operation may have happened although it failed here. All other errors say that it did not.
    pub fn may_have_run(&self) -> bool {
        match self {
            Error::Unavailable { may_have_run, .. }
            | Error::TimedOut { may_have_run, .. }
            | Error::Protocol { may_have_run, .. } => *may_have_run,
            _ => false,
        }
    }

    pub(crate) fn not_found(path: &str) -> Error {
        Error::NotFound { path: path.into() }
    }

    /// The same of a node that was asked for by its id.
    pub(crate) fn about(self, path: &str) -> Error {
        match self {
            Error::NotFound { .. } => Error::not_found(path),
            other => other,
        }
    }

    pub(crate) fn protocol(peer: impl std::fmt::Display, what: impl std::fmt::Display) -> Error {
        Error::Protocol {
            peer: peer.to_string().into(),
            may_have_run: true,
            detail: what.to_string().into(),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        io::Error::new(io_kind(&error), error)
    }
}

fn io_kind(error: &Error) -> io::ErrorKind {
    use io::ErrorKind;
    match error {
        Error::NotFound { .. } => ErrorKind::NotFound,
        Error::AlreadyExists { .. } => ErrorKind::AlreadyExists,
        Error::NotADirectory { .. } => ErrorKind::NotADirectory,
        Error::IsADirectory { .. } => ErrorKind::IsADirectory,
        Error::NotEmpty { .. } => ErrorKind::DirectoryNotEmpty,
        Error::WrongKind { .. } | Error::Cycle { .. } | Error::RootIsFixed => ErrorKind::InvalidInput,
        Error::InvalidName { .. } | Error::BadUrl { .. } => ErrorKind::InvalidInput,
        Error::LeaseHeld { .. } | Error::Busy { .. } => ErrorKind::ResourceBusy,
        Error::LeaseLost { .. } | Error::NotWritable { .. } | Error::Sealed { .. } => {
            ErrorKind::PermissionDenied
        }
        Error::VersionMismatch { .. } | Error::BlockLost { .. } => ErrorKind::Other,
        Error::NotANumber { .. } | Error::Overflow { .. } => ErrorKind::InvalidInput,
        Error::NoSpace { .. } | Error::Full { .. } | Error::LogFull { .. } => ErrorKind::StorageFull,
        Error::QuotaExceeded { .. } => ErrorKind::QuotaExceeded,
        Error::JobEnded { .. } | Error::NotOwner { .. } => ErrorKind::PermissionDenied,
        Error::JobDirectoryIsFixed { .. } | Error::TreeTooLarge { .. } => ErrorKind::InvalidInput,
        Error::CrossPartition { .. } => ErrorKind::CrossesDevices,
        Error::Unavailable { .. } => ErrorKind::NotConnected,
        Error::TimedOut { .. } => ErrorKind::TimedOut,
        Error::Refused { .. } => ErrorKind::ConnectionRefused,
        Error::Protocol { .. } => ErrorKind::InvalidData,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_what_and_where() {
        let lost = Error::BlockLost {
            path: "/a".into(),
            offset: 4096,
            len: 100,
        };
        assert_eq!(
            lost.to_string(),
            "/a: bytes 4096 to 4196 are lost with their datanode"
        );
        let away = Error::Unavailable {
            peer: "namenode tcp://127.0.0.1:9060".into(),
            may_have_run: true,
            detail: "connection reset".into(),
        };
        assert_eq!(
            away.to_string(),
            "namenode tcp://127.0.0.1:9060 is not available: connection reset; the operation may have happened"
        );
        let full = Error::NoSpace {
            path: "/a".into(),
            detail: "".into(),
        };
        assert_eq!(full.to_string(), "/a: no space left in the cluster");
        let busy = Error::Busy {
            path: "/a".into(),
            detail: "".into(),
        };
        assert_eq!(
            busy.to_string(),
            "/a: the namenode is busy with another change of it; nothing was done, try again later"
        );
    }

    #[test]
    fn only_a_silent_or_broken_peer_leaves_doubt() {
        assert!(!Error::not_found("/a").may_have_run());
        assert!(
            Error::TimedOut {
                peer: "x".into(),
                may_have_run: true
            }
            .may_have_run()
        );
        assert!(
            !Error::TimedOut {
                peer: "x".into(),
                may_have_run: false
            }
            .may_have_run()
        );
    }

    #[test]
    fn what_passes_by_itself_is_worth_another_attempt() {
        let (path, detail) = (Box::<str>::from("/a"), Box::<str>::from(""));
        let busy = Error::Busy { path, detail };
        assert!(busy.is_retryable() && !busy.may_have_run());
        assert_eq!(io::Error::from(busy).kind(), io::ErrorKind::ResourceBusy);
        assert!(!Error::not_found("/a").is_retryable());
    }

    #[test]
    fn streams_see_the_kind_and_the_cause() {
        let error = io::Error::from(Error::not_found("/a"));
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert_eq!(error.downcast::<Error>().unwrap(), Error::not_found("/a"));
    }
}
