//! The loop over a stream socket. Both sides only count bytes: a side may send what the other's bytes allow it to.
//!
//! What was tried to make it faster, on a machine whose two cores were near or far in turn, and did not:
//! - Two batches under way instead of one (each side sends at most half of what is in flight at a time): 0.55 of the rate
//!   over TCP, no more over Unix sockets. A send costs more than what the overlap saves.
//! - Waiting until 1, 2, 4 or 8 KiB may be sent: no difference, because what is in flight gathers in one batch by itself.
//! - `read` and `write` instead of `recv` and `send`; `MSG_DONTWAIT` on top of a non-blocking socket: no difference.
//! - One or four pauses after an empty receive: no faster.
//! - 1 MiB messages in pieces of 64, 128 or 256 KiB: 0.6 to 0.98 of the rate. Receiving them into 64 KiB that stay in the
//!   cache, or socket buffers of 1 MiB: no difference beyond the noise (0.98 to 1.07).
//! - Threads of one process instead of two processes were not tried: a shared table of files makes each call dearer.

use std::io;

use anyhow::{Context, Result};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::Shape;
use super::peer::{Order, Peer};
use crate::bench::cores::Cores;
use crate::bench::stats::{Run, Stopwatch};

/// Small messages gather in buffers of this size: more than 128 of 64 bytes, and it stays in the nearest caches.
const GATHER_BYTES: u64 = 64 << 10;

/// The side that asks.
pub struct Client {
    socket: OwnedFd,
    shape: Shape,
    buffers: Buffers,
    /// Ends when `socket` closes.
    _peer: Peer,
}

impl Client {
    /// Gives one end of `pair` to a peer on the server's core.
    pub fn start(pair: (OwnedFd, OwnedFd), shape: Shape, cores: Cores) -> Result<Client> {
        let (socket, theirs) = pair;
        let peer = Peer::start(theirs, cores.server)?;
        let buffers = Buffers::new(shape.request_bytes, shape.reply_bytes, shape.in_flight);
        Ok(Client {
            socket,
            shape,
            buffers,
            _peer: peer,
        })
    }

    /// Exchanges `operations` requests and replies.
    pub fn run(&mut self, operations: u64) -> Result<Run> {
        Order {
            shape: self.shape,
            operations,
        }
        .give(self.socket.as_fd())?;
        ask(self.socket.as_fd(), self.shape, operations, &mut self.buffers).context("in the raw loop")
    }
}

/// Where a side sends from and receives into. The bytes mean nothing.
pub struct Buffers {
    send: Vec<u8>,
    receive: Vec<u8>,
}

impl Buffers {
    /// For messages of these sizes. Every page is touched, so that the loop meets no page fault.
    pub fn new(sent_bytes: u64, received_bytes: u64, in_flight: u64) -> Buffers {
        let room = |message: u64| message.max(GATHER_BYTES.min(message.saturating_mul(in_flight)));
        Buffers {
            send: vec![1; room(sent_bytes) as usize],
            receive: vec![1; room(received_bytes) as usize],
        }
    }
}

/// The asking side of `operations` exchanges.
fn ask(socket: BorrowedFd<'_>, shape: Shape, operations: u64, buffers: &mut Buffers) -> io::Result<Run> {
    let replies_bytes = operations * shape.reply_bytes;
    let (mut sent, mut received) = (0, 0);
    let mut sendable = shape.in_flight.min(operations) * shape.request_bytes;
    let mut watch = Stopwatch::start();
    while received < replies_bytes {
        if sent < sendable {
            sent += send_some(socket, &buffers.send, sendable - sent)?;
        }
        let count = receive_some(socket, &mut buffers.receive)?;
        if count > 0 {
            received += count;
            let ended = received / shape.reply_bytes;
            watch.note(ended, sent.div_ceil(shape.request_bytes));
            sendable = (ended + shape.in_flight).min(operations) * shape.request_bytes;
        }
    }
    Ok(watch.stop(operations))
}

/// The answering side of `operations` exchanges.
pub fn answer(
    socket: BorrowedFd<'_>,
    shape: Shape,
    operations: u64,
    buffers: &mut Buffers,
) -> io::Result<()> {
    let requests_bytes = operations * shape.request_bytes;
    let replies_bytes = operations * shape.reply_bytes;
    let (mut sent, mut received, mut sendable) = (0, 0, 0);
    while sent < replies_bytes {
        if received < requests_bytes {
            let count = receive_some(socket, &mut buffers.receive)?;
            if count > 0 {
                received += count;
                sendable = received / shape.request_bytes * shape.reply_bytes;
            }
        }
        if sent < sendable {
            sent += send_some(socket, &buffers.send, sendable - sent)?;
        }
    }
    Ok(())
}

/// Sends up to `wanted` bytes in one call; 0 if the socket is full.
#[inline]
fn send_some(socket: BorrowedFd<'_>, buffer: &[u8], wanted: u64) -> io::Result<u64> {
    let count = buffer.len().min(wanted as usize);
    match send(socket, &buffer[..count], SendFlags::NOSIGNAL) {
        Ok(count) => Ok(count as u64),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// Receives what is there in one call; 0 if nothing is.
#[inline]
fn receive_some(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<u64> {
    match recv(socket, buffer, RecvFlags::empty()) {
        Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok((count, _)) => Ok(count as u64),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::super::peer::{tcp_pair, unix_pair};
    use super::*;

    fn exchange(pair: (OwnedFd, OwnedFd), shape: Shape, operations: u64) -> Run {
        let (ours, theirs) = pair;
        let mut buffers = Buffers::new(shape.request_bytes, shape.reply_bytes, shape.in_flight);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut buffers = Buffers::new(shape.reply_bytes, shape.request_bytes, shape.in_flight);
                answer(theirs.as_fd(), shape, operations, &mut buffers).unwrap();
                // The next receive says that nothing more came than was asked for.
                let rest = recv(&theirs, &mut [0; 1][..], RecvFlags::DONTWAIT);
                assert_eq!(rest.unwrap_err(), Errno::AGAIN);
            });
            let run = ask(ours.as_fd(), shape, operations, &mut buffers).unwrap();
            let rest = recv(&ours, &mut [0; 1][..], RecvFlags::DONTWAIT);
            assert!(matches!(rest, Err(Errno::AGAIN) | Ok((0, _))), "{rest:?}");
            run
        })
    }

    #[test]
    fn every_shape_ends_with_all_bytes_exchanged() {
        for (request_bytes, reply_bytes, in_flight, operations) in [
            (64, 64, 1, 5),
            (64, 64, 128, 300),
            (64, 64, 300, 100),
            (1 << 20, 64, 1, 4),
            (1 << 20, 64, 4, 9),
            (64, 1 << 20, 2, 9),
            (1 << 20, 1 << 20, 3, 5),
            (1, 7, 5, 31),
        ] {
            let shape = Shape {
                request_bytes,
                reply_bytes,
                in_flight,
            };
            for pair in [unix_pair().unwrap(), tcp_pair().unwrap()] {
                let run = exchange(pair, shape, operations);
                assert_eq!(run.operations, operations);
                assert!(!run.latencies.is_empty(), "{shape:?}");
            }
        }
    }

    #[test]
    fn one_in_flight_times_every_operation() {
        let shape = Shape {
            request_bytes: 64,
            reply_bytes: 64,
            in_flight: 1,
        };
        let run = exchange(unix_pair().unwrap(), shape, 10);
        assert_eq!(run.latencies.len(), 10);
    }

    #[test]
    fn a_peer_that_goes_away_is_an_error() {
        let (ours, theirs) = unix_pair().unwrap();
        drop(theirs);
        let shape = Shape {
            request_bytes: 64,
            reply_bytes: 64,
            in_flight: 1,
        };
        let mut buffers = Buffers::new(64, 64, 1);
        assert!(ask(ours.as_fd(), shape, 1, &mut buffers).is_err());
    }
}
