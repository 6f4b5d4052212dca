//! Sockets as stream and listener devices.

use std::cell::Cell;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use crake_mem::{Buf, Pool, Segment};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, Shutdown, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType,
    ipproto, sockopt,
};

use super::poller::Poller;
use crate::address::Address;
use crate::driver::{ListenerDevice, PeerProcess, StreamDevice, Target, Token};
use crate::error::Error;

/// Connections that the kernel keeps until they are accepted; it lowers this to
/// `net.core.somaxconn`.
const BACKLOG: i32 = 4096;

/// How long to wait before connecting again to a Unix socket whose backlog is full: the kernel does not tell
/// when it is not.
const BACKLOG_REST: Duration = Duration::from_millis(1);

/// Segments of one `sendmsg`: `UIO_MAXIOV`.
const SEGMENTS_MAX: usize = 1024;

pub(crate) struct SocketStream {
    socket: OwnedFd,
    poller: Rc<Poller>,
    state: Cell<State>,
    token: Cell<Token>,
    /// Where to connect again, while the backlog of a Unix socket is full.
    pending: Cell<Option<Box<SocketAddrUnix>>>,
    arrivals: Arrivals,
}

/// Guesses how much a receive will find.
///
/// A receive that gets all that it asked for ends there; one that asked for more looks once more, which takes another few
/// dozen nanoseconds. So after an empty receive the next one asks for as much as the last arrival brought, and the one
/// after that for all that there is. Only while the runtime asks in each turn: otherwise a receive that was filled would have
/// to be followed by another at once.
struct Arrivals {
    is_guessing: Cell<bool>,
    was_empty: Cell<bool>,
    last_bytes: Cell<usize>,
}

impl Arrivals {
    fn new() -> Arrivals {
        Arrivals {
            is_guessing: Cell::new(false),
            was_empty: Cell::new(false),
            last_bytes: Cell::new(usize::MAX),
        }
    }

    /// What to ask for.
    #[inline]
    fn expected(&self) -> usize {
        match self.is_guessing.get() && self.was_empty.get() {
            true => self.last_bytes.get(),
            false => usize::MAX,
        }
    }

    #[inline]
    fn note(&self, received: &Result<usize, Errno>) {
        match *received {
            Ok(count) if self.was_empty.replace(false) => self.last_bytes.set(count.max(1)),
            // There was more than was asked for.
            Ok(count) => self.last_bytes.set(self.last_bytes.get().saturating_add(count)),
            Err(_) => self.was_empty.set(true),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    BacklogFull,
    Connected,
}

impl SocketStream {
    pub(crate) fn connect(address: &Address, poller: &Rc<Poller>) -> Result<SocketStream, Error> {
        let (socket, unix) = match address {
            Address::Tcp(address) => (tcp_socket(address)?, None),
            Address::Unix(path) => (new_socket(AddressFamily::UNIX)?, Some(unix_address(path)?)),
            _ => return Err(Error::Invalid("not an address of the kernel")),
        };
        let result = match (address, &unix) {
            (Address::Tcp(address), _) => rustix::net::connect(&socket, address),
            (_, Some(unix)) => rustix::net::connect(&socket, unix),
            _ => return Err(Error::Invalid("not an address of the kernel")),
        };
        let state = match result {
            Ok(()) => State::Connected,
            Err(Errno::INPROGRESS | Errno::INTR) => State::Connecting,
            Err(Errno::AGAIN) => State::BacklogFull,
            Err(errno) => return Err(errno.into()),
        };
        let stream = SocketStream::new(socket, poller, state);
        stream
            .pending
            .set(unix.filter(|_| state == State::BacklogFull).map(Box::new));
        Ok(stream)
    }

    fn new(socket: OwnedFd, poller: &Rc<Poller>, state: State) -> SocketStream {
        SocketStream {
            socket,
            poller: poller.clone(),
            state: Cell::new(state),
            token: Cell::new(Token(0)),
            pending: Cell::new(None),
            arrivals: Arrivals::new(),
        }
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn connect_again(&self) -> Poll<Result<(), Error>> {
        let Some(address) = self.pending.take() else {
            return Poll::Ready(Ok(()));
        };
        match rustix::net::connect(&self.socket, &*address) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(Errno::AGAIN) => {
                self.pending.set(Some(address));
                Poll::Pending
            }
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }

    /// How a connection that was in progress went; known once it has an error or a peer.
    fn connection_result(&self) -> Poll<Result<(), Error>> {
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => {}
            Ok(Err(errno)) | Err(errno) => return Poll::Ready(Err(errno.into())),
        }
        match rustix::net::getpeername(&self.socket) {
            Ok(Some(_)) => Poll::Ready(Ok(())),
            Ok(None) | Err(Errno::NOTCONN) => Poll::Pending,
            Err(errno) => Poll::Ready(Err(errno.into())),
        }
    }
}

impl StreamDevice for SocketStream {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.token.set(token);
        self.watch(true)
    }

    /// Each packet that arrives for a socket in the set costs its sender a call into epoll.
    fn watch(&self, wanted: bool) -> Result<(), Error> {
        self.arrivals.is_guessing.set(!wanted);
        if wanted {
            self.poller.add(&self.socket, self.token.get())
        } else {
            self.poller.remove(&self.socket)
        }
    }

    fn connected(&self) -> Poll<Result<(), Error>> {
        let result = match self.state.get() {
            State::Connected => Poll::Ready(Ok(())),
            State::Connecting => self.connection_result(),
            State::BacklogFull => self.connect_again(),
        };
        if result == Poll::Ready(Ok(())) {
            self.state.set(State::Connected);
        }
        result
    }

    fn retry_after(&self) -> Option<Duration> {
        (self.state.get() == State::BacklogFull).then_some(BACKLOG_REST)
    }

    #[inline]
    fn send(&self, segments: &[Segment]) -> Poll<Result<usize, Error>> {
        let sent = match segments {
            [one] => send_one(&self.socket, one),
            many => send_many(&self.socket, many),
        };
        into_poll(sent)
    }

    #[inline]
    fn send_copied(&self, bytes: &[u8]) -> Poll<Result<usize, Error>> {
        into_poll(rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL))
    }

    #[inline]
    fn receive(&self, pool: &Pool, bytes_max: usize) -> Poll<Result<Buf, Error>> {
        let Some(mut buffer) = pool.take() else {
            return Poll::Ready(Err(Error::Exhausted));
        };
        let spare = buffer.spare_mut();
        let len_max = spare.len().min(bytes_max).min(self.arrivals.expected());
        let received = rustix::net::recv(&self.socket, &mut spare[..len_max], RecvFlags::empty());
        let received = received.map(|(count, _)| count);
        self.arrivals.note(&received);
        into_poll(received).map_ok(|count| {
            buffer.advance(count);
            buffer.freeze()
        })
    }

    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        let (start, len_bytes) = (target.as_mut_ptr(), target.len());
        // SAFETY: `start` is writable for `len_bytes`, as Target promises. No reference is made of it, since
        // others may see the memory of an extent.
        let count = unsafe {
            libc::syscall(
                libc::SYS_recvfrom,
                self.socket.as_raw_fd(),
                start,
                len_bytes,
                0,
                std::ptr::null_mut::<libc::sockaddr>(),
                std::ptr::null_mut::<libc::socklen_t>(),
            )
        };
        into_poll(checked(count))
    }

    fn finish(&self) -> Result<(), Error> {
        Ok(rustix::net::shutdown(&self.socket, Shutdown::Write)?)
    }

    fn is_polled(&self) -> bool {
        true
    }

    fn short_means_empty(&self) -> bool {
        true
    }

    fn local_address(&self) -> Result<Address, Error> {
        from_socket_address(rustix::net::getsockname(&self.socket)?)
    }

    fn peer_address(&self) -> Result<Address, Error> {
        match rustix::net::getpeername(&self.socket)? {
            Some(address) => from_socket_address(address),
            None => Err(Error::Reset),
        }
    }

    fn peer_process(&self) -> Result<PeerProcess, Error> {
        if !matches!(self.local_address()?, Address::Unix(_)) {
            return Err(Error::Invalid("only Unix sockets know the process of their peer"));
        }
        let credentials = sockopt::socket_peercred(&self.socket)?;
        Ok(PeerProcess {
            pid: credentials.pid.as_raw_nonzero().get(),
            uid: credentials.uid.as_raw(),
            gid: credentials.gid.as_raw(),
        })
    }
}

#[inline]
fn send_one(socket: &OwnedFd, segment: &Segment) -> Result<usize, Errno> {
    // SAFETY: a segment is readable for its length while it lives. No reference is made of it, since its
    // bytes may change.
    let count = unsafe {
        libc::syscall(
            libc::SYS_sendto,
            socket.as_raw_fd(),
            segment.as_ptr(),
            segment.len(),
            libc::MSG_NOSIGNAL,
            std::ptr::null::<libc::sockaddr>(),
            0,
        )
    };
    checked(count)
}

/// Few segments take few bytes of stack to be set up.
fn send_many(socket: &OwnedFd, segments: &[Segment]) -> Result<usize, Errno> {
    if segments.len() <= 16 {
        send_up_to::<16>(socket, segments)
    } else {
        send_up_to::<SEGMENTS_MAX>(socket, segments)
    }
}

fn send_up_to<const MAX: usize>(socket: &OwnedFd, segments: &[Segment]) -> Result<usize, Errno> {
    let mut vector = [libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 0,
    }; MAX];
    let count = segments.len().min(MAX);
    for (entry, segment) in vector.iter_mut().zip(segments) {
        *entry = libc::iovec {
            iov_base: segment.as_ptr().cast_mut().cast(),
            iov_len: segment.len(),
        };
    }
    // SAFETY: all-zero is a valid msghdr: no name, no vector, no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vector.as_mut_ptr();
    message.msg_iovlen = count as _;
    // SAFETY: the vector has `count` entries, each of a segment that is readable while it lives;
    // sendmsg writes nothing.
    let count = unsafe {
        libc::syscall(
            libc::SYS_sendmsg,
            socket.as_raw_fd(),
            &raw const message,
            libc::MSG_NOSIGNAL,
        )
    };
    checked(count)
}

/// The result of a call that was made by its number: the C library's own functions are points at which a thread may be
/// cancelled, which costs each call two locked instructions.
#[inline]
fn checked(count: libc::c_long) -> Result<usize, Errno> {
    usize::try_from(count).map_err(|_| {
        let errno = std::io::Error::last_os_error();
        Errno::from_io_error(&errno).unwrap_or(Errno::IO)
    })
}

#[inline]
fn into_poll(result: Result<usize, Errno>) -> Poll<Result<usize, Error>> {
    match result {
        Ok(count) => Poll::Ready(Ok(count)),
        // A call that was interrupted did nothing; asking again soon is what EAGAIN leads to, but only
        // EAGAIN is followed by an
        // event. Calls on sockets that do not block are not interrupted.
        Err(Errno::AGAIN) => Poll::Pending,
        Err(errno) => Poll::Ready(Err(errno.into())),
    }
}

pub(crate) struct SocketListener {
    socket: OwnedFd,
    poller: Rc<Poller>,
    file: Option<SocketFile>,
}

impl SocketListener {
    pub(crate) fn listen(address: &Address, poller: &Rc<Poller>) -> Result<SocketListener, Error> {
        let (socket, file) = match address {
            Address::Tcp(address) => (listen_tcp(address)?, None),
            Address::Unix(path) => {
                let (socket, file) = listen_unix(path)?;
                (socket, Some(file))
            }
            _ => return Err(Error::Invalid("not an address of the kernel")),
        };
        Ok(SocketListener {
            socket,
            poller: poller.clone(),
            file,
        })
    }

    /// The next socket that arrives.
    pub(crate) fn accept_socket(&self) -> Poll<Result<SocketStream, Error>> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        loop {
            let (socket, peer) = match rustix::net::acceptfrom_with(&self.socket, flags) {
                Ok(accepted) => accepted,
                Err(Errno::AGAIN) => return Poll::Pending,
                Err(errno) if concerns_one_peer(errno) => continue,
                Err(errno) => return Poll::Ready(Err(errno.into())),
            };
            // It fails for a peer that has gone; the next may still be there.
            if self.file.is_none() && sockopt::set_tcp_nodelay(&socket, true).is_err() {
                continue;
            }
            if let Some(Ok(peer)) = peer.map(SocketAddr::try_from) {
                tune_loopback(&socket, &peer);
            }
            return Poll::Ready(Ok(SocketStream::new(socket, &self.poller, State::Connected)));
        }
    }
}

impl ListenerDevice for SocketListener {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.poller.add(&self.socket, token)
    }

    fn accept(&self) -> Poll<Result<Box<dyn StreamDevice>, Error>> {
        let stream = ready!(self.accept_socket())?;
        Poll::Ready(Ok(Box::new(stream)))
    }

    fn local_address(&self) -> Result<Address, Error> {
        match &self.file {
            Some(file) => Ok(Address::Unix(file.path.clone())),
            None => from_socket_address(rustix::net::getsockname(&self.socket)?),
        }
    }
}

/// Errors of `accept` that are those of the connection that would have been accepted: accept(2), "Error
/// handling".
fn concerns_one_peer(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::CONNABORTED
            | Errno::INTR
            | Errno::NETDOWN
            | Errno::PROTO
            | Errno::NOPROTOOPT
            | Errno::HOSTDOWN
            | Errno::NONET
            | Errno::HOSTUNREACH
            | Errno::OPNOTSUPP
            | Errno::NETUNREACH
    )
}

fn new_socket(family: AddressFamily) -> Result<OwnedFd, Error> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    Ok(rustix::net::socket_with(family, SocketType::STREAM, flags, None)?)
}

fn tcp_socket(address: &SocketAddr) -> Result<OwnedFd, Error> {
    let family = if address.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    tune_loopback(&socket, address);
    Ok(socket)
}

/// Within this machine there is no congestion to control: what paces its packets (BBR does) only makes the receiver wait,
/// to about half the rate. Every kernel has Reno, which does not pace.
fn tune_loopback(socket: &OwnedFd, peer: &SocketAddr) {
    if peer.ip().to_canonical().is_loopback() {
        // If the system does not allow it, its own choice stands.
        let _ = sockopt::set_tcp_congestion(socket, "reno");
    }
}

fn listen_tcp(address: &SocketAddr) -> Result<OwnedFd, Error> {
    let socket = tcp_socket(address)?;
    // Lets a restarted server listen while connections of the old one fade; does not let two listen.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, address)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket)
}

fn listen_unix(path: &Path) -> Result<(OwnedFd, SocketFile), Error> {
    let address = unix_address(path)?;
    let socket = new_socket(AddressFamily::UNIX)?;
    match rustix::net::bind(&socket, &address) {
        Ok(()) => {}
        Err(Errno::ADDRINUSE) => {
            remove_stale(path, &address)?;
            rustix::net::bind(&socket, &address)?;
        }
        Err(Errno::NOENT) => return Err(Error::Invalid("the directory of the socket is missing")),
        Err(errno) => return Err(errno.into()),
    }
    let file = SocketFile::new(path)?;
    rustix::net::listen(&socket, BACKLOG)?;
    Ok((socket, file))
}

/// Removes a socket's file that a dead process left. A file that is no socket, or a socket where somebody
/// answers, stays.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), Error> {
    let status = rustix::fs::lstat(path)?;
    if !rustix::fs::FileType::from_raw_mode(status.st_mode).is_socket() {
        return Err(Error::AddressInUse);
    }
    let probe = new_socket(AddressFamily::UNIX)?;
    match rustix::net::connect(&probe, address) {
        Err(Errno::CONNREFUSED) => Ok(rustix::fs::unlink(path)?),
        _ => Err(Error::AddressInUse),
    }
}

fn unix_address(path: &Path) -> Result<SocketAddrUnix, Error> {
    let fits = path.as_os_str().as_bytes().len() < 108;
    match SocketAddrUnix::new(path) {
        Ok(address) if fits => Ok(address),
        _ => Err(Error::Invalid("the path of a Unix socket has at most 107 bytes")),
    }
}

/// The file of a listening Unix socket; removed with it, unless another took its place.
struct SocketFile {
    path: PathBuf,
    inode: (u64, u64),
}

impl SocketFile {
    fn new(path: &Path) -> Result<SocketFile, Error> {
        Ok(SocketFile {
            path: path.to_owned(),
            inode: inode(path)?,
        })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if inode(&self.path) == Ok(self.inode) {
            // Somebody else removed it in between, which is as well.
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

fn inode(path: &Path) -> Result<(u64, u64), Errno> {
    let status = rustix::fs::lstat(path)?;
    Ok((status.st_dev, status.st_ino))
}

fn from_socket_address(address: SocketAddrAny) -> Result<Address, Error> {
    if address.address_family() == AddressFamily::UNIX {
        let unix = SocketAddrUnix::try_from(address)?;
        let path = unix.path_bytes().unwrap_or_default();
        return Ok(Address::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(path))));
    }
    Ok(Address::Tcp(SocketAddr::try_from(address)?))
}
