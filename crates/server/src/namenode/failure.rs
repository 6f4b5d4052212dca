//! How a namespace refuses.

use crake_store::protocol::Code;

use super::state::{Input, Malformed, State};

/// Why a command was refused. Whatever the reason, it changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u16)]
pub enum Failure {
    /// No such node, or it is no more.
    #[error("not found")]
    NotFound = 100,
    /// Something is there already.
    #[error("already exists")]
    AlreadyExists = 101,
    /// A name on the way, or the target, is not a container.
    #[error("not a directory")]
    NotADirectory = 102,
    /// The target is a container.
    #[error("is a directory")]
    IsADirectory = 103,
    /// The container has entries.
    #[error("not empty")]
    NotEmpty = 104,
    /// Nodes of this kind cannot do that, or not there.
    #[error("wrong kind of node")]
    WrongKind = 105,
    /// Empty, ".", "..", or with a '/' or NUL in it.
    #[error("invalid name")]
    InvalidName = 106,
    /// A container cannot move into itself.
    #[error("would make a cycle")]
    Cycle = 107,
    /// Somebody is writing this file.
    #[error("another writer holds the lease")]
    LeaseHeld = 108,
    /// It ran out, was ended, or is another's.
    #[error("lease lost")]
    LeaseLost = 109,
    /// The key has another version.
    #[error("version mismatch")]
    VersionMismatch = 110,
    /// Live datanodes have no room.
    #[error("no space")]
    NoSpace = 111,
    /// No datanode is alive.
    #[error("no datanodes")]
    NoDatanodes = 112,
    /// A limit of this namenode is reached: nodes, sessions, leases or datanodes.
    #[error("a limit of the namenode is reached")]
    Full = 114,
    /// A name, path, value, size or count above what is allowed.
    #[error("too long")]
    TooLong = 116,
    /// The root can neither be moved nor removed nor replaced.
    #[error("the root is fixed")]
    RootIsFixed = 117,
    /// The disk with the namenode's log is full: nothing can be changed until there is room.
    #[error("the disk with the namenode's log is full")]
    LogFull = 118,
    /// A multifile that gets no more parts.
    #[error("sealed")]
    Sealed = 120,
    /// Its job may not have so much; [`super::command::OverQuota`] has the numbers.
    #[error("quota exceeded")]
    QuotaExceeded = 130,
    /// The lease ended with the job in whose directory the file was.
    #[error("the job has ended")]
    JobEnded = 131,
    /// The job is another client's.
    #[error("another client's job")]
    NotOwner = 132,
    /// While a job runs, its directory can neither be moved nor removed nor replaced, and `/jobs` neither.
    #[error("the directory of a running job is fixed")]
    JobDirectoryIsFixed = 133,
    /// More than [`super::command::MOVED_NODES_MAX`] nodes would come into, or out of, a job at once.
    #[error("too many nodes to move across the border of a job at once")]
    TreeTooLarge = 134,
    /// Another partition has that: [`super::Namespace::take_referral`] says which.
    #[error("another partition has that")]
    Elsewhere = 140,
    /// What is at another partition cannot be there: docs/partitions.md.
    #[error("what is at another partition cannot be there")]
    CrossPartition = 141,
    /// The value is not a number as [`super::Command::Add`] writes it.
    #[error("not a number")]
    NotANumber = 121,
    /// The number would be above or below what 64 bits hold.
    #[error("the number would be too large")]
    Overflow = 122,
    /// Something is under way there that ends by itself: asked again soon, it is answered.
    #[error("something is under way there")]
    Busy = 123,
}

impl Failure {
    /// All there are.
    const ALL: [Failure; 28] = {
        use Failure::*;
        [
            NotFound,
            AlreadyExists,
            NotADirectory,
            IsADirectory,
            NotEmpty,
            WrongKind,
            InvalidName,
            Cycle,
            LeaseHeld,
            LeaseLost,
            VersionMismatch,
            NoSpace,
            NoDatanodes,
            Full,
            TooLong,
            RootIsFixed,
            LogFull,
            Sealed,
            QuotaExceeded,
            JobEnded,
            NotOwner,
            JobDirectoryIsFixed,
            TreeTooLarge,
            Elsewhere,
            CrossPartition,
            NotANumber,
            Overflow,
            Busy,
        ]
    };

    /// Its number in the protocol.
    pub fn code(self) -> Code {
        Code::from_number(self as u16).expect("the protocol has each of these")
    }

    /// That of a number in the protocol, if a namespace refuses with it.
    pub(super) fn from_number(number: u16) -> Option<Failure> {
        Failure::ALL.into_iter().find(|failure| *failure as u16 == number)
    }
}

impl State for Failure {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u16).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let known = Failure::from_number(u16::load(input)?);
        known.ok_or(Malformed("a reason to refuse that is none"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_code_of_its_name() {
        for failure in Failure::ALL {
            assert_eq!(failure.code().name(), format!("{failure:?}"));
            assert_eq!(Failure::from_number(failure.code().number()), Some(failure));
        }
    }
}
