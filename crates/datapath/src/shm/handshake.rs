//! How the memory gets from the server to the client.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

use crake_mem::{HugePages, Region, pipe};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags,
};

use crate::error::Error;

/// What one direction holds. Half a MiB for a connection, all of it taken when it is made.
const CAPACITY: usize = 256 << 10;

/// A client takes no more than this from a server.
const CAPACITY_MAX: u64 = 64 << 20;

const MAGIC: [u8; 8] = *b"CRAKESHM";
const VERSION: u16 = 1;
const WELCOME_BYTES: usize = 24;

/// The client's answer: it has mapped the memory.
pub(super) const MAPPED: u8 = 1;

/// Wakes the other side.
pub(super) const WAKE: u8 = 2;

/// Both directions, as one side sees them.
pub(super) struct Pipes {
    pub(super) writer: pipe::Writer,
    pub(super) reader: pipe::Reader,
    region: Rc<Region>,
}

impl Pipes {
    /// The memory of a new connection, seen from the server.
    fn new() -> Result<Pipes, Error> {
        let len_bytes = pipe::both_ways_len_bytes(CAPACITY);
        let region = Region::memfd("crake-shm", len_bytes, HugePages::Never).map_err(no_memory)?;
        Ok(Pipes::of(pipe::server_ends(&region), region))
    }

    fn of((writer, reader): (pipe::Writer, pipe::Reader), region: Rc<Region>) -> Pipes {
        Pipes {
            writer,
            reader,
            region,
        }
    }

    /// Both sides have mapped it: from now on neither can take pages out of it. Those that are missing are put back.
    pub(super) fn secure(&self) -> Result<(), Error> {
        self.region.close_file().map_err(no_memory)?;
        self.region.prefault().map_err(no_memory)
    }
}

fn no_memory(error: crake_mem::RegionError) -> Error {
    tracing::warn!(%error, "no shared memory for a connection");
    Error::Exhausted
}

/// Why a server does not serve a client. Never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Refusal {
    OtherUser = 1,
    NoMemory = 2,
}

/// Makes the memory of a connection and hands it to the client; what it is sent fits an idle socket.
pub(super) fn welcome(socket: BorrowedFd<'_>) -> Result<Pipes, Error> {
    let pipes = match Pipes::new() {
        Ok(pipes) => pipes,
        Err(error) => {
            refuse(socket, Refusal::NoMemory);
            return Err(error);
        }
    };
    let file = pipes
        .region
        .as_fd()
        .ok_or(Error::Invalid("memory without a file"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [file];
    control.push(SendAncillaryMessage::ScmRights(&files));
    let bytes = message(0, CAPACITY as u64);
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags)? {
        WELCOME_BYTES => Ok(pipes),
        _ => Err(Error::Reset),
    }
}

/// Tells a client why it is not served.
pub(super) fn refuse(socket: BorrowedFd<'_>, refusal: Refusal) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    // If it has gone it needs no answer.
    let _ = rustix::net::send(socket, &message(refusal as u16, 0), flags);
}

fn message(status: u16, capacity: u64) -> [u8; WELCOME_BYTES] {
    let mut bytes = [0; WELCOME_BYTES];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
    bytes[10..12].copy_from_slice(&status.to_le_bytes());
    bytes[16..].copy_from_slice(&capacity.to_le_bytes());
    bytes
}

/// Takes the server's welcome, maps the memory, and says so.
pub(super) fn accept_welcome(socket: BorrowedFd<'_>) -> Poll<Result<Pipes, Error>> {
    let (bytes, file) = match receive(socket) {
        Ok(received) => received,
        Err(Errno::AGAIN) => return Poll::Pending,
        Err(errno) => return Poll::Ready(Err(errno.into())),
    };
    Poll::Ready(read(&bytes).and_then(|capacity| map(socket, capacity, file)))
}

/// The bytes that came at once, and the file with them.
fn receive(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Option<OwnedFd>), Errno> {
    let mut bytes = [0; WELCOME_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let mut files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    Ok((bytes[..received.bytes].to_vec(), files.next()))
}

/// The capacity of each pipe, if this is a welcome.
fn read(bytes: &[u8]) -> Result<usize, Error> {
    if bytes.is_empty() {
        return Err(Error::Reset);
    }
    let field = |at: usize| {
        bytes
            .get(at..at + 2)
            .map(|field| u16::from_le_bytes([field[0], field[1]]))
    };
    let capacity = bytes
        .get(16..)
        .and_then(|field| field.try_into().ok())
        .map(u64::from_le_bytes);
    if bytes.get(..8) != Some(&MAGIC) || field(8) != Some(VERSION) {
        return Err(Error::Invalid(
            "who listens there does not speak this version of the shared memory protocol",
        ));
    }
    match (field(10), capacity) {
        (Some(0), Some(capacity))
            if capacity.is_power_of_two() && (4096..=CAPACITY_MAX).contains(&capacity) =>
        {
            Ok(capacity as usize)
        }
        (Some(status), _) if status == Refusal::OtherUser as u16 => Err(Error::Denied),
        (Some(status), _) if status == Refusal::NoMemory as u16 => Err(Error::Exhausted),
        _ => Err(Error::Invalid("a welcome to shared memory that makes no sense")),
    }
}

fn map(socket: BorrowedFd<'_>, capacity: usize, file: Option<OwnedFd>) -> Result<Pipes, Error> {
    let file = file.ok_or(Error::Invalid("a welcome without memory"))?;
    let region = Region::map(file, pipe::both_ways_len_bytes(capacity)).map_err(no_memory)?;
    let pipes = Pipes::of(pipe::client_ends(&region), region);
    // The server had mapped it before it handed it over.
    pipes.secure()?;
    // A server that has gone shows when its pipe is read.
    let _ = rustix::net::send(socket, &[MAPPED], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    Ok(pipes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bytes_are_those_of_the_format_text() {
        let text = "4352414b4553484d 0100 0000 00000000 0000040000000000".replace(' ', "");
        let bytes: String = message(0, 256 << 10)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(bytes, text);
    }

    #[test]
    fn refusals_say_why() {
        assert_eq!(read(&message(0, 4096)), Ok(4096));
        assert_eq!(read(&message(Refusal::OtherUser as u16, 0)), Err(Error::Denied));
        assert_eq!(read(&message(Refusal::NoMemory as u16, 0)), Err(Error::Exhausted));
        assert_eq!(read(&[]), Err(Error::Reset));
        for capacity in [0, 1, 4095, 5000, CAPACITY_MAX * 2, u64::MAX] {
            assert!(
                matches!(read(&message(0, capacity)), Err(Error::Invalid(_))),
                "{capacity}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_follows_the_magic_is_checked(rest in proptest::collection::vec(any::<u8>(), 0..24), as_expected in any::<bool>()) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(rest);
            if as_expected && bytes.len() >= 12 {
                bytes[8..12].copy_from_slice(&[1, 0, 0, 0]);
            }
            let capacity = bytes.get(16..24).map(|field| u64::from_le_bytes(field.try_into().expect("8 bytes")));
            match read(&bytes) {
                Ok(read) => {
                    prop_assert!(bytes.len() == WELCOME_BYTES && bytes[8..12] == [1, 0, 0, 0]);
                    prop_assert!(capacity == Some(read as u64) && read.is_power_of_two());
                }
                Err(error) => prop_assert!(matches!(error, Error::Invalid(_) | Error::Denied | Error::Exhausted)),
            }
        }

        #[test]
        fn a_welcome_cut_short_is_none(len in 0..WELCOME_BYTES) {
            prop_assert!(read(&message(0, 4096)[..len]).is_err());
        }
    }
}
