//! The process on the other side of a raw loop.
//!
//! It gets its end of the connection as its standard input. An order of 32 bytes says what to exchange; the peer answers one
//! byte when it is about to spin, exchanges, and sleeps until the next order. It ends when the connection does.

use std::env;
use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use crake_mem::Region;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio, read, write};
use rustix::net::sockopt::set_tcp_congestion;

use super::Shape;
use super::exchange::{Buffers, answer};
use super::pipes::Pipes;
use crate::bench::cores::pin;

const READY: u8 = 0x52;

/// Arguments of the hidden command `crake bench-peer`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// The core to spin on
    #[arg(long)]
    core: usize,
    /// The memory to exchange through, instead of the connection
    #[arg(long, value_name = "FILE")]
    memory: Option<PathBuf>,
}

/// Serves orders from standard input until it ends.
pub fn run(arguments: &Arguments) -> Result<()> {
    pin(arguments.core)?;
    let stdin = rustix::stdio::stdin();
    ioctl_fionbio(stdin, true).context("standard input must be a socket")?;
    let pipes = match &arguments.memory {
        Some(file) => Some(Pipes::open(file, stdin.try_clone_to_owned()?)?),
        None => None,
    };
    while let Some(order) = Order::take(stdin)? {
        let Shape {
            request_bytes,
            reply_bytes,
            in_flight,
        } = order.shape;
        let mut buffers = Buffers::new(reply_bytes, request_bytes, in_flight);
        put(stdin, &[READY])?;
        match &pipes {
            Some(pipes) => answer(pipes, order.shape, order.operations, &mut buffers)?,
            None => answer(&stdin, order.shape, order.operations, &mut buffers)?,
        }
    }
    Ok(())
}

/// A running peer. It ends by itself when our end of the connection closes, or here when this is dropped.
pub struct Peer {
    child: Child,
}

impl Peer {
    /// Starts this program again as the peer with `socket` as its standard input; `memory` stays open until it has opened it.
    pub fn start(socket: OwnedFd, core: usize, memory: Option<&Region>) -> Result<Peer> {
        let file = memory.and_then(Region::as_fd);
        let path = |file: BorrowedFd<'_>| format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd());
        let child = Command::new(env::current_exe().context("finding this program's file")?)
            .args(["bench-peer", "--core", &core.to_string()])
            .args(file.iter().flat_map(|file| ["--memory".to_owned(), path(*file)]))
            .stdin(Stdio::from(socket))
            .stdout(Stdio::null())
            .spawn()
            .context("starting the other side of the raw loop")?;
        Ok(Peer { child })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It holds nothing that needs an orderly end. Both calls fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What to exchange next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// The traffic.
    pub shape: Shape,
    /// How many exchanges.
    pub operations: u64,
}

impl Order {
    const BYTES: usize = 32;

    /// Sends the order and waits until the peer spins.
    pub fn give(self, socket: BorrowedFd<'_>) -> Result<()> {
        put(socket, &self.to_bytes())?;
        let mut ready = [0];
        let whole = take(socket, &mut ready)?;
        ensure!(whole && ready[0] == READY, "the other side of the raw loop ended");
        Ok(())
    }

    /// Waits for an order. None at the connection's end.
    fn take(socket: BorrowedFd<'_>) -> Result<Option<Order>> {
        let mut bytes = [0; Order::BYTES];
        if !take(socket, &mut bytes)? {
            return Ok(None);
        }
        let order = Order::from_bytes(&bytes);
        ensure!(
            order.shape.request_bytes > 0 && order.shape.reply_bytes > 0,
            "an order of empty messages"
        );
        Ok(Some(order))
    }

    fn to_bytes(self) -> [u8; Order::BYTES] {
        let Shape {
            request_bytes,
            reply_bytes,
            in_flight,
        } = self.shape;
        let mut bytes = [0; Order::BYTES];
        for (field, value) in
            bytes
                .chunks_exact_mut(8)
                .zip([request_bytes, reply_bytes, in_flight, self.operations])
        {
            field.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; Order::BYTES]) -> Order {
        let field = |index: usize| {
            let mut value = [0; 8];
            value.copy_from_slice(&bytes[index * 8..][..8]);
            u64::from_le_bytes(value)
        };
        let shape = Shape {
            request_bytes: field(0),
            reply_bytes: field(1),
            in_flight: field(2),
        };
        Order {
            shape,
            operations: field(3),
        }
    }
}

/// Both ends of a new TCP connection over loopback, as the kernel backend sets them up: not blocking, sending at once, not
/// paced.
pub fn tcp_pair() -> Result<(OwnedFd, OwnedFd)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening on loopback")?;
    let ours = TcpStream::connect(listener.local_addr()?).context("connecting over loopback")?;
    let (theirs, address) = listener.accept().context("accepting over loopback")?;
    ensure!(
        address == ours.local_addr()?,
        "a stranger connected to the raw loop"
    );
    for end in [&ours, &theirs] {
        end.set_nodelay(true)?;
        end.set_nonblocking(true)?;
        // As the kernel backend does on loopback. If the system does not allow it, its own choice stands for both.
        let _ = set_tcp_congestion(end, "reno");
    }
    Ok((ours.into(), theirs.into()))
}

/// Both ends of a new Unix stream connection, not blocking.
pub fn unix_pair() -> Result<(OwnedFd, OwnedFd)> {
    let (ours, theirs) = UnixStream::pair().context("making a pair of Unix sockets")?;
    for end in [&ours, &theirs] {
        end.set_nonblocking(true)?;
    }
    Ok((ours.into(), theirs.into()))
}

/// Sends all of a few bytes, which always fit an idle socket.
fn put(socket: BorrowedFd<'_>, bytes: &[u8]) -> Result<()> {
    let count = write(socket, bytes).context("talking to the other side of the raw loop")?;
    ensure!(count == bytes.len(), "an idle socket was full");
    Ok(())
}

/// Receives all of `bytes`, sleeping; false if the connection ended before the first.
fn take(socket: BorrowedFd<'_>, bytes: &mut [u8]) -> io::Result<bool> {
    let mut filled = 0;
    while filled < bytes.len() {
        match read(socket, &mut bytes[filled..]) {
            Ok(0) if filled == 0 => return Ok(false),
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => filled += count,
            Err(Errno::AGAIN) => sleep_until_readable(socket)?,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(true)
}

fn sleep_until_readable(socket: BorrowedFd<'_>) -> io::Result<()> {
    let mut sockets = [PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)];
    match poll(&mut sockets, None) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_arrives_as_it_was_given() {
        let shape = Shape {
            request_bytes: 64,
            reply_bytes: 1 << 20,
            in_flight: 128,
        };
        let order = Order {
            shape,
            operations: u64::MAX,
        };
        assert_eq!(Order::from_bytes(&order.to_bytes()), order);
        let (ours, theirs) = unix_pair().unwrap();
        put(ours.as_fd(), &order.to_bytes()).unwrap();
        assert_eq!(Order::take(theirs.as_fd()).unwrap(), Some(order));
        drop(ours);
        assert_eq!(Order::take(theirs.as_fd()).unwrap(), None);
    }

    #[test]
    fn half_an_order_and_an_empty_one_are_errors() {
        let (ours, theirs) = unix_pair().unwrap();
        put(ours.as_fd(), &[0; Order::BYTES]).unwrap();
        assert!(Order::take(theirs.as_fd()).is_err());
        put(ours.as_fd(), &[1; 5]).unwrap();
        drop(ours);
        assert!(Order::take(theirs.as_fd()).is_err());
    }
}
