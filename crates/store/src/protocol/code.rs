//! Status codes of the namenode's and the datanode's services.
//!
//! Codes below 100 belong to the RPC layer ([`crake_rpc::Status`]); those of the namenode start at 100, those of the
//! datanode at 200. A number is never given a second meaning.

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal),+ $(,)?) => {
        /// Why a namenode or a datanode did not do what it was asked.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $name = $number),+
        }

        impl Code {
            /// All codes, in ascending order.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The code of a number, `None` if there is none.
            pub const fn from_number(number: u16) -> Option<Code> {
                match number {
                    $($number => Some(Code::$name),)+
                    _ => None,
                }
            }

            /// The code's name as it is written in the documentation.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Code::$name => stringify!($name)),+
                }
            }
        }
    };
}

codes! {
    /// Nothing has this name, or the node of this id is gone.
    NotFound = 100,
    /// The name is taken, and replacing was not asked for or is not possible.
    AlreadyExists = 101,
    /// A name on the way is not a container.
    NotADirectory = 102,
    /// The operation needs something else than a container.
    IsADirectory = 103,
    /// A container with entries is deleted, or replaced, without `recursive`.
    NotEmpty = 104,
    /// The node is of another kind than the operation works on.
    WrongKind = 105,
    /// A name or key that is not allowed.
    InvalidName = 106,
    /// A directory would come to lie below itself.
    Cycle = 107,
    /// Another writer has the file.
    LeaseHeld = 108,
    /// The lease ran out, or the file was deleted or sealed under it.
    LeaseLost = 109,
    /// The value's version is not the one that the caller expects.
    VersionMismatch = 110,
    /// No tier that the file may use has room.
    NoSpace = 111,
    /// No datanode has registered.
    NoDatanodes = 112,
    /// The datanode that held the bytes is gone.
    BlockLost = 113,
    /// A limit of the namenode (nodes, leases, sessions) is reached.
    Full = 114,
    /// A datanode that the namenode does not know must register first.
    NotRegistered = 115,
    /// A name, path or value is longer than allowed.
    TooLong = 116,
    /// The root can be neither renamed nor deleted.
    RootIsFixed = 117,
    /// The disk with the namenode's log is full: it can be read, and not be changed.
    LogFull = 118,
    /// A multifile that gets no more parts.
    Sealed = 120,
    /// The value is not a number.
    NotANumber = 121,
    /// A number would leave the range of 64 bits.
    Overflow = 122,
    /// Something is under way there that ends by itself, as a rename or a removal; asked again soon, it is answered.
    Busy = 123,
    /// The job in whose directory this would be may not have so much.
    QuotaExceeded = 130,
    /// The lease ended with the job in whose directory the file was.
    JobEnded = 131,
    /// The job is another client's.
    NotOwner = 132,
    /// The directory of a running job can be neither renamed nor deleted.
    JobDirectoryIsFixed = 133,
    /// Too many nodes would move across the border of a job at once.
    TreeTooLarge = 134,
    /// Another partition has that; the detail says which: see [`Referral`](super::Referral).
    Elsewhere = 140,
    /// What is at another partition cannot be there.
    CrossPartition = 141,

    /// The handle is of an earlier life of its block or of its datanode.
    Stale = 200,
    /// The handle was not made by this datanode's namenode.
    Forged = 201,
    /// The range leaves the block.
    OutOfRange = 202,
    /// Bytes that were not written since the block was issued.
    Unwritten = 203,
    /// The handle does not give the right to do this.
    NoRight = 204,
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl From<Code> for u16 {
    fn from(code: Code) -> u16 {
        code.number()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_gives_its_code_back_and_no_other_does() {
        let known = (0..=u16::MAX).filter_map(Code::from_number).collect::<Vec<_>>();
        assert_eq!(known, Code::ALL);
        assert!(
            Code::ALL
                .iter()
                .all(|code| Code::from_number(code.number()) == Some(*code))
        );
    }

    #[test]
    fn numbers_are_those_of_the_protocol() {
        assert_eq!(Code::NotFound.number(), 100);
        assert_eq!(Code::RootIsFixed.number(), 117);
        assert_eq!(Code::Overflow.number(), 122);
        assert_eq!(Code::Stale.number(), 200);
        assert_eq!(Code::NoRight.number(), 204);
    }
}
