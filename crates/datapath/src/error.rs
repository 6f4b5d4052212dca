//! What can go wrong with a queue, and whose fault it is.

use std::io;

use rustix::io::Errno;

/// Why an operation on a queue failed.
///
/// The variants differ in what a caller does next: reconnect (`Closed`, `Reset`), try elsewhere
/// (`Refused`, `Denied`, `NoSuchHost`, `Unreachable`), wait (`Exhausted`, `Full`, `Locked`, `TimedOut`), or mend the call (`Invalid`,
/// `AddressInUse`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This side closed the queue before the operation was done.
    #[error("the queue is closed on this side")]
    Closed,
    /// The peer, or the network on its behalf, broke the connection.
    #[error("the peer broke the connection")]
    Reset,
    /// The peer's machine answered that nobody listens at the address.
    #[error("nobody listens at the address")]
    Refused,
    /// Who listens at the address does not serve this user.
    #[error("who listens at the address does not serve this user")]
    Denied,
    /// Nobody knows the host's name, or nobody who knows it answers.
    #[error("no such host")]
    NoSuchHost,
    /// No way leads to the address.
    #[error("the address cannot be reached")]
    Unreachable,
    /// The deadline passed first.
    #[error("the deadline passed")]
    TimedOut,
    /// The operation was cancelled by its owner.
    #[error("cancelled")]
    Cancelled,
    /// Somebody else listens at the address.
    #[error("the address is in use")]
    AddressInUse,
    /// This process, or who listens at the address, is out of buffers, descriptors or memory for now.
    #[error("out of buffers, descriptors or memory")]
    Exhausted,
    /// The device, or what this user may have of it, is full.
    #[error("the disk is full")]
    Full,
    /// Another process, or another part of this one, has the directory.
    #[error("somebody else uses the directory")]
    Locked,
    /// The call makes no sense for this queue or address; the text says why.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The operating system said something else.
    #[error("operating system: {}", io::Error::from_raw_os_error(*.0))]
    Os(
        /// The `errno` value.
        i32,
    ),
}

/// Who has to change for an operation to succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The caller: its arguments, or that it closed or cancelled.
    Caller,
    /// The peer or the network between.
    Peer,
    /// This machine's resources or operating system.
    Resource,
}

impl Error {
    /// Who is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Error::Closed | Error::Cancelled | Error::Denied | Error::Invalid(_) => Fault::Caller,
            Error::Reset | Error::Refused | Error::NoSuchHost | Error::Unreachable | Error::TimedOut => {
                Fault::Peer
            }
            Error::AddressInUse | Error::Exhausted | Error::Full | Error::Locked | Error::Os(_) => {
                Fault::Resource
            }
        }
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Error {
        match errno {
            Errno::CONNRESET | Errno::PIPE | Errno::CONNABORTED | Errno::NOTCONN => Error::Reset,
            Errno::CONNREFUSED | Errno::NOENT => Error::Refused,
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::NETDOWN | Errno::ADDRNOTAVAIL => {
                Error::Unreachable
            }
            Errno::TIMEDOUT => Error::TimedOut,
            Errno::ADDRINUSE => Error::AddressInUse,
            Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM => Error::Exhausted,
            other => Error::Os(other.raw_os_error()),
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match error {
            Error::Os(errno) => return io::Error::from_raw_os_error(errno),
            Error::Closed => io::ErrorKind::NotConnected,
            Error::Reset => io::ErrorKind::ConnectionReset,
            Error::Denied => io::ErrorKind::PermissionDenied,
            Error::Refused => io::ErrorKind::ConnectionRefused,
            Error::NoSuchHost => io::ErrorKind::NotFound,
            Error::Unreachable => io::ErrorKind::HostUnreachable,
            Error::TimedOut => io::ErrorKind::TimedOut,
            Error::Cancelled => io::ErrorKind::Interrupted,
            Error::AddressInUse => io::ErrorKind::AddrInUse,
            Error::Exhausted => io::ErrorKind::OutOfMemory,
            Error::Full => io::ErrorKind::StorageFull,
            Error::Locked => io::ErrorKind::ResourceBusy,
            Error::Invalid(_) => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}
