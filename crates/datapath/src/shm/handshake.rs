//! How the memory gets from the server to the client.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

use crake_mem::pipe::{self, Capacities};
use crake_mem::{HugePages, Region, RegionError, Window};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::error::Error;
use crate::memory::{Memory, SHARED_MAX, Shared};

/// What one direction holds. Half a MiB for a connection, all of it taken when it is made.
const CAPACITY: usize = 256 << 10;

/// A server that shares much keeps data, of which clients have much to write. For each so many bytes of it one client has
/// [`pipe::WIDE_BYTES`] for what it sends: all of them together take a small part of what is shared.
const STORE_BYTES_FOR_WIDE: usize = 64 << 20;

/// A client takes no more than this from a server.
const CAPACITY_MAX: usize = 64 << 20;

const MAGIC: [u8; 8] = *b"CRAKESHM";
const VERSION: u16 = 4;
/// Of a welcome that shares nothing.
const WELCOME_BYTES: usize = 24;
/// For each shared region.
const REGION_BYTES: usize = 16;
const WELCOME_BYTES_MAX: usize = WELCOME_BYTES + REGION_BYTES * SHARED_MAX;

/// What a client may do with a region.
const TO_READ: u64 = 0;
const TO_WRITE: u64 = 1;

/// The client's answer: it has mapped the memory.
pub(super) const MAPPED: u8 = 1;

/// Wakes the other side.
pub(super) const WAKE: u8 = 2;

/// Both directions, as one side sees them.
pub(super) struct Pipes {
    pub(super) writer: pipe::Writer,
    pub(super) reader: pipe::Reader,
    region: Rc<Region>,
    /// As long as it is one of the server's wide ones.
    _wide: Option<Wide>,
}

/// One for each client of a server whose pipe is wide, and the server's own.
#[derive(Clone, Default)]
pub(super) struct Wide(Rc<()>);

impl Wide {
    /// One more, if there may be one beside so much that is shared.
    fn one_more(&self, shared: &[Shared]) -> Option<Wide> {
        let shared_bytes: usize = shared.iter().map(|shared| shared.region().len_bytes()).sum();
        let others = Rc::strong_count(&self.0) - 1;
        (others < shared_bytes / STORE_BYTES_FOR_WIDE).then(|| self.clone())
    }
}

impl Pipes {
    /// The memory of a new connection, seen from the server.
    fn new(capacities: Capacities, wide: Option<Wide>) -> Result<Pipes, Error> {
        let region =
            Region::memfd("crake-shm", capacities.len_bytes(), HugePages::Never).map_err(no_memory)?;
        let pipes = Pipes::of(capacities.server_ends(&region), region);
        Ok(Pipes { _wide: wide, ..pipes })
    }

    fn of((writer, reader): (pipe::Writer, pipe::Reader), region: Rc<Region>) -> Pipes {
        Pipes {
            writer,
            reader,
            region,
            _wide: None,
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

/// Makes the memory of a connection and hands it to the client, with the regions that are shared; what it is sent fits an idle
/// socket.
pub(super) fn welcome(socket: BorrowedFd<'_>, shared: &[Shared], wide: &Wide) -> Result<Pipes, Error> {
    let wide = wide.one_more(shared);
    let capacities = capacities(wide.is_some());
    let pipes = match Pipes::new(capacities, wide) {
        Ok(pipes) => pipes,
        Err(error) => {
            refuse(socket, Refusal::NoMemory);
            return Err(error);
        }
    };
    let regions = std::iter::once(&pipes.region).chain(shared.iter().map(Shared::region));
    let files = regions.map(|region| region.as_fd()).collect::<Option<Vec<_>>>();
    let files = files.ok_or(Error::Invalid("memory without a file"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1 + SHARED_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&files));
    let bytes = message(0, capacities, shared);
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match rustix::net::sendmsg(socket, &[IoSlice::new(&bytes)], &mut control, flags)? {
        sent if sent == bytes.len() => Ok(pipes),
        _ => Err(Error::Reset),
    }
}

/// What is shared is read in place, so that little comes back of it.
fn capacities(is_wide: bool) -> Capacities {
    Capacities {
        to_client: CAPACITY,
        to_server: if is_wide { pipe::WIDE_BYTES } else { CAPACITY },
    }
}

/// Tells a client why it is not served.
pub(super) fn refuse(socket: BorrowedFd<'_>, refusal: Refusal) {
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    // If it has gone it needs no answer.
    let _ = rustix::net::send(socket, &message(refusal as u16, Capacities::equal(0), &[]), flags);
}

fn message(status: u16, capacities: Capacities, shared: &[Shared]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(VERSION.to_le_bytes());
    bytes.extend(status.to_le_bytes());
    bytes.extend((shared.len() as u32).to_le_bytes());
    bytes.extend((capacities.to_client as u32).to_le_bytes());
    bytes.extend((capacities.to_server as u32).to_le_bytes());
    for shared in shared {
        bytes.extend((shared.region().len_bytes() as u64).to_le_bytes());
        let access = if shared.is_writable() { TO_WRITE } else { TO_READ };
        bytes.extend(access.to_le_bytes());
    }
    bytes
}

/// What a client has got.
pub(super) struct Welcome {
    pub(super) pipes: Pipes,
    /// What the server shares.
    pub(super) memory: Option<Memory>,
}

/// Takes the server's welcome, maps the memory, and says so.
pub(super) fn accept_welcome(socket: BorrowedFd<'_>) -> Poll<Result<Welcome, Error>> {
    let (bytes, files) = match receive(socket) {
        Ok(received) => received,
        Err(Errno::AGAIN) => return Poll::Pending,
        Err(errno) => return Poll::Ready(Err(errno.into())),
    };
    Poll::Ready(read(&bytes).and_then(|offer| accept(socket, &offer, files)))
}

/// The bytes that came at once, and the files with them.
fn receive(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let mut bytes = [0; WELCOME_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1 + SHARED_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT;
    let received = rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, flags)?;
    let files = control.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(files) => files.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    let files = files.collect();
    match received.flags.contains(ReturnFlags::CTRUNC) {
        // This process may have no more descriptors; those that fitted are closed here.
        true => Err(Errno::MFILE),
        false => Ok((bytes[..received.bytes].to_vec(), files)),
    }
}

/// What a welcome says.
#[derive(Debug, PartialEq, Eq)]
struct Offer {
    capacities: Capacities,
    /// The shared regions.
    shared: Vec<OfferedRegion>,
}

/// A region that a server shares, as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct OfferedRegion {
    len_bytes: usize,
    is_writable: bool,
}

impl OfferedRegion {
    fn read(bytes: &[u8]) -> Option<OfferedRegion> {
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        Some(OfferedRegion {
            len_bytes: usize::try_from(number(0)?).ok()?,
            is_writable: match number(8)? {
                TO_READ => false,
                TO_WRITE => true,
                _ => return None,
            },
        })
    }

    fn map(self, file: OwnedFd) -> Result<Rc<Window>, RegionError> {
        match self.is_writable {
            true => Window::map_writable(file, self.len_bytes),
            false => Window::map(file, self.len_bytes),
        }
    }
}

fn read(bytes: &[u8]) -> Result<Offer, Error> {
    if bytes.is_empty() {
        return Err(Error::Reset);
    }
    let (head, regions) = bytes.split_at(bytes.len().min(WELCOME_BYTES));
    let short = |at: usize| {
        let field = head.get(at..at + 2)?;
        Some(u16::from_le_bytes([field[0], field[1]]))
    };
    if head.get(..8) != Some(&MAGIC) || short(8) != Some(VERSION) {
        return Err(Error::Invalid(
            "who listens there does not speak this version of the shared memory protocol",
        ));
    }
    match short(10) {
        Some(0) => {
            offer(head, regions).ok_or(Error::Invalid("a welcome to shared memory that makes no sense"))
        }
        Some(status) if status == Refusal::OtherUser as u16 => Err(Error::Denied),
        Some(status) if status == Refusal::NoMemory as u16 => Err(Error::Exhausted),
        _ => Err(Error::Invalid("a welcome to shared memory that makes no sense")),
    }
}

fn offer(head: &[u8], regions: &[u8]) -> Option<Offer> {
    let number = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?) as usize);
    let count = number(12)?;
    let capacities = Capacities {
        to_client: number(16)?,
        to_server: number(20)?,
    };
    let fits = |capacity: usize| capacity.is_power_of_two() && (4096..=CAPACITY_MAX).contains(&capacity);
    let is_sound = fits(capacities.to_client)
        && fits(capacities.to_server)
        && count <= SHARED_MAX
        && regions.len() == REGION_BYTES * count;
    let shared = regions
        .chunks_exact(REGION_BYTES)
        .map(OfferedRegion::read)
        .collect::<Option<Vec<_>>>();
    Some(Offer {
        capacities,
        shared: shared.filter(|_| is_sound)?,
    })
}

fn accept(socket: BorrowedFd<'_>, offer: &Offer, files: Vec<OwnedFd>) -> Result<Welcome, Error> {
    if files.len() != 1 + offer.shared.len() {
        return Err(Error::Invalid("a welcome without memory"));
    }
    let mut files = files.into_iter();
    let file = files.next().ok_or(Error::Invalid("a welcome without memory"))?;
    let region = Region::map(file, offer.capacities.len_bytes()).map_err(no_memory)?;
    let pipes = Pipes::of(offer.capacities.client_ends(&region), region);
    // The server had mapped it before it handed it over.
    pipes.secure()?;
    // A server that has gone shows when its pipe is read.
    let _ = rustix::net::send(socket, &[MAPPED], SendFlags::NOSIGNAL | SendFlags::DONTWAIT);
    let memory = map_shared(files, &offer.shared);
    Ok(Welcome { pipes, memory })
}

/// Without it everything works, if slower: so it is no reason to give up the connection.
fn map_shared(files: impl Iterator<Item = OwnedFd>, regions: &[OfferedRegion]) -> Option<Memory> {
    let windows = files.zip(regions).map(|(file, region)| region.map(file));
    match windows.collect::<Result<Vec<_>, _>>() {
        Ok(windows) => (!windows.is_empty()).then(|| Memory::new(windows)),
        Err(error) => {
            tracing::warn!(%error, "what a server of this machine shares cannot be used in place");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use proptest::prelude::*;

    use super::*;

    const PAGES: Capacities = Capacities::equal(4096);

    #[test]
    fn bytes_are_those_of_the_format_text() {
        let text = "4352414b4553484d 0400 0000 02000000 00000400 00002000 0010000000000000 0000000000000000 \
                    0000100000000000 0100000000000000"
            .replace(' ', "");
        let region = |len_bytes| Region::anonymous(len_bytes, HugePages::Never).unwrap();
        let shared = [Shared::to_read(&region(4096)), Shared::to_write(&region(1 << 20))];
        let capacities = Capacities {
            to_client: 256 << 10,
            to_server: 2 << 20,
        };
        let bytes: String = message(0, capacities, &shared)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(bytes, text);
    }

    #[test]
    fn refusals_say_why() {
        let nothing_shared = Offer {
            capacities: PAGES,
            shared: Vec::new(),
        };
        assert_eq!(read(&message(0, PAGES, &[])), Ok(nothing_shared));
        assert_eq!(
            read(&message(Refusal::OtherUser as u16, PAGES, &[])),
            Err(Error::Denied)
        );
        assert_eq!(
            read(&message(Refusal::NoMemory as u16, PAGES, &[])),
            Err(Error::Exhausted)
        );
        assert_eq!(read(&[]), Err(Error::Reset));
        for capacity in [0, 1, 4095, 5000, CAPACITY_MAX * 2, u32::MAX as usize] {
            let (mut to_client, mut to_server) = (PAGES, PAGES);
            (to_client.to_client, to_server.to_server) = (capacity, capacity);
            for capacities in [to_client, to_server] {
                let read = read(&message(0, capacities, &[]));
                assert!(matches!(read, Err(Error::Invalid(_))), "{capacities:?}");
            }
        }
    }

    #[test]
    fn who_keeps_much_has_wide_pipes_of_some_clients() {
        let share = |len_bytes| Shared::to_read(&Region::anonymous(len_bytes, HugePages::Never).unwrap());
        let (few, many) = (share(4096), share(2 * STORE_BYTES_FOR_WIDE));
        let server = Wide::default();
        assert!(server.one_more(&[]).is_none());
        assert!(server.one_more(std::slice::from_ref(&few)).is_none());
        let shared = [few, many];
        let mut wide: Vec<Wide> = (0..2).map(|_| server.one_more(&shared).unwrap()).collect();
        assert!(server.one_more(&shared).is_none());
        wide.pop();
        assert!(server.one_more(&shared).is_some());
    }

    #[test]
    fn a_wide_pipe_is_one_as_long_as_it_is_there() {
        let shared = [Shared::to_read(
            &Region::memfd("store", STORE_BYTES_FOR_WIDE, HugePages::Never).unwrap(),
        )];
        let server = Wide::default();
        let welcomed = || {
            let (one, other) = UnixStream::pair().unwrap();
            let pipes = welcome(one.as_fd(), &shared, &server).unwrap();
            let mut bytes = [0; WELCOME_BYTES];
            (&other).read_exact(&mut bytes).unwrap();
            let to_server = u32::from_le_bytes(bytes[20..24].try_into().unwrap()) as usize;
            (pipes, to_server)
        };
        let (first, to_server) = welcomed();
        assert_eq!(to_server, pipe::WIDE_BYTES);
        assert_eq!(welcomed().1, CAPACITY);
        drop(first);
        assert_eq!(welcomed().1, pipe::WIDE_BYTES);
    }

    proptest! {
        #[test]
        fn what_follows_the_magic_is_checked(rest in proptest::collection::vec(any::<u8>(), 0..WELCOME_BYTES_MAX - 8), shared in 0u8..8, as_expected in any::<bool>()) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend(rest);
            if as_expected && bytes.len() >= 12 {
                bytes[8..12].copy_from_slice(&[4, 0, 0, 0]);
            }
            if as_expected && bytes.len() >= 16 {
                bytes[12..16].copy_from_slice(&[shared, 0, 0, 0]);
            }
            let number = |at: usize| bytes.get(at..at + 4).map(|field| u32::from_le_bytes(field.try_into().expect("4 bytes")) as usize);
            let capacities = (number(16), number(20));
            match read(&bytes) {
                Ok(read) => {
                    prop_assert!(bytes[8..12] == [4, 0, 0, 0] && read.shared.len() <= SHARED_MAX);
                    prop_assert_eq!(bytes.len(), WELCOME_BYTES + REGION_BYTES * read.shared.len());
                    let accesses = bytes[WELCOME_BYTES..].chunks_exact(REGION_BYTES).map(|region| region[8]);
                    prop_assert!(accesses.eq(read.shared.iter().map(|region| u8::from(region.is_writable))));
                    let Capacities { to_client, to_server } = read.capacities;
                    prop_assert_eq!(capacities, (Some(to_client), Some(to_server)));
                    prop_assert!(to_client.is_power_of_two() && to_server.is_power_of_two());
                }
                Err(error) => prop_assert!(matches!(error, Error::Invalid(_) | Error::Denied | Error::Exhausted)),
            }
        }

        #[test]
        fn what_is_shared_is_read_as_it_was_written(regions in proptest::collection::vec((1usize..1 << 20, any::<bool>()), 0..=SHARED_MAX)) {
            let share = |&(len_bytes, is_writable): &(usize, bool)| {
                let region = Region::anonymous(len_bytes, HugePages::Never).unwrap();
                if is_writable { Shared::to_write(&region) } else { Shared::to_read(&region) }
            };
            let offer = read(&message(0, PAGES, &regions.iter().map(share).collect::<Vec<_>>())).unwrap();
            let offered = offer.shared.iter().map(|region| (region.len_bytes, region.is_writable)).collect::<Vec<_>>();
            prop_assert_eq!(offered, regions);
        }

        #[test]
        fn an_access_that_is_not_known_is_refused(access in 2u64.., version in any::<u16>()) {
            let region = Region::anonymous(4096, HugePages::Never).unwrap();
            let mut bytes = message(0, PAGES, &[Shared::to_write(&region)]);
            prop_assert!(read(&bytes).is_ok());
            let mut other = bytes.clone();
            other[8..10].copy_from_slice(&version.to_le_bytes());
            prop_assert_eq!(read(&other).is_ok(), version == VERSION);
            bytes[WELCOME_BYTES + 8..].copy_from_slice(&access.to_le_bytes());
            prop_assert!(read(&bytes).is_err());
        }

        #[test]
        fn a_welcome_cut_short_is_none(len in 0..WELCOME_BYTES) {
            prop_assert!(read(&message(0, PAGES, &[])[..len]).is_err());
        }
    }
}
