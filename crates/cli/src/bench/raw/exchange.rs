//! The loop over a stream socket, or over pipes in shared memory. Both sides only count bytes: a side may send what the
//! other's bytes allow it to.
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
use super::peer::{Order, Peer, unix_pair};
use super::pipes::Pipes;
use crate::bench::cores::Cores;
use crate::bench::stats::{Run, Stopwatch};

/// Small messages gather in buffers of this size: more than 128 of 64 bytes, and it stays in the nearest caches.
const GATHER_BYTES: u64 = 64 << 10;

/// What carries the bytes. No call waits; 0 says that it would.
pub trait Carrier {
    /// Sends up to `wanted` bytes in one call.
    fn send_some(&self, buffer: &[u8], wanted: u64) -> io::Result<u64>;
    /// Receives what is there in one call.
    fn receive_some(&self, buffer: &mut [u8]) -> io::Result<u64>;
}

/// The side that asks.
pub struct Client {
    /// If the bytes do not go over the socket.
    pipes: Option<Pipes>,
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
        Client::with_peer(socket, None, Peer::start(theirs, cores.server, None)?, shape)
    }

    /// The same with memory in place of the connection, which then only gives the orders.
    pub fn start_in_memory(shape: Shape, cores: Cores) -> Result<Client> {
        let (socket, theirs) = unix_pair()?;
        let memory = Pipes::make()?;
        let peer = Peer::start(theirs, cores.server, Some(&memory))?;
        let pipes = Pipes::of_client(&memory, socket.try_clone()?);
        Client::with_peer(socket, Some(pipes), peer, shape)
    }

    fn with_peer(socket: OwnedFd, pipes: Option<Pipes>, peer: Peer, shape: Shape) -> Result<Client> {
        let buffers = Buffers::new(shape.request_bytes, shape.reply_bytes, shape.in_flight);
        Ok(Client {
            pipes,
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
        let run = match &self.pipes {
            Some(pipes) => ask(pipes, self.shape, operations, &mut self.buffers),
            None => ask(&self.socket.as_fd(), self.shape, operations, &mut self.buffers),
        };
        run.context("in the raw loop")
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
fn ask(carrier: &impl Carrier, shape: Shape, operations: u64, buffers: &mut Buffers) -> io::Result<Run> {
    let replies_bytes = operations * shape.reply_bytes;
    let (mut sent, mut received) = (0, 0);
    let mut sendable = shape.in_flight.min(operations) * shape.request_bytes;
    let mut watch = Stopwatch::start();
    while received < replies_bytes {
        if sent < sendable {
            sent += carrier.send_some(&buffers.send, sendable - sent)?;
        }
        let count = carrier.receive_some(&mut buffers.receive)?;
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
    carrier: &impl Carrier,
    shape: Shape,
    operations: u64,
    buffers: &mut Buffers,
) -> io::Result<()> {
    let requests_bytes = operations * shape.request_bytes;
    let replies_bytes = operations * shape.reply_bytes;
    let (mut sent, mut received, mut sendable) = (0, 0, 0);
    while sent < replies_bytes {
        if received < requests_bytes {
            let count = carrier.receive_some(&mut buffers.receive)?;
            if count > 0 {
                received += count;
                sendable = received / shape.request_bytes * shape.reply_bytes;
            }
        }
        if sent < sendable {
            sent += carrier.send_some(&buffers.send, sendable - sent)?;
        }
    }
    Ok(())
}

impl Carrier for BorrowedFd<'_> {
    #[inline]
    fn send_some(&self, buffer: &[u8], wanted: u64) -> io::Result<u64> {
        let count = buffer.len().min(wanted as usize);
        match send(self, &buffer[..count], SendFlags::NOSIGNAL) {
            Ok(count) => Ok(count as u64),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    #[inline]
    fn receive_some(&self, buffer: &mut [u8]) -> io::Result<u64> {
        match recv(self, buffer, RecvFlags::empty()) {
            Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((count, _)) => Ok(count as u64),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use rustix::fd::AsRawFd;

    use super::super::peer::{tcp_pair, unix_pair};
    use super::*;

    fn exchange(pair: (OwnedFd, OwnedFd), shape: Shape, operations: u64) -> Run {
        let (ours, theirs) = pair;
        let mut buffers = Buffers::new(shape.request_bytes, shape.reply_bytes, shape.in_flight);
        thread::scope(|scope| {
            scope.spawn(move || {
                let mut buffers = Buffers::new(shape.reply_bytes, shape.request_bytes, shape.in_flight);
                answer(&theirs.as_fd(), shape, operations, &mut buffers).unwrap();
                // The next receive says that nothing more came than was asked for.
                let rest = recv(&theirs, &mut [0; 1][..], RecvFlags::DONTWAIT);
                assert_eq!(rest.unwrap_err(), Errno::AGAIN);
            });
            let run = ask(&ours.as_fd(), shape, operations, &mut buffers).unwrap();
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
    fn pipes_carry_every_shape_and_tell_when_the_other_side_goes() {
        for (request_bytes, reply_bytes, in_flight, operations) in [
            (64, 64, 1, 5),
            (64, 64, 128, 300),
            (1 << 20, 64, 4, 9),
            (64, 1 << 20, 2, 9),
            (1, 7, 5, 31),
        ] {
            let shape = Shape {
                request_bytes,
                reply_bytes,
                in_flight,
            };
            let (ours, theirs) = unix_pair().unwrap();
            let memory = Pipes::make().unwrap();
            let file = format!("/proc/self/fd/{}", memory.as_fd().unwrap().as_raw_fd());
            let pipes = Pipes::of_client(&memory, ours);
            let mut buffers = Buffers::new(request_bytes, reply_bytes, in_flight);
            thread::scope(|scope| {
                scope.spawn(move || {
                    let pipes = Pipes::open(file.as_ref(), theirs).unwrap();
                    let mut buffers = Buffers::new(reply_bytes, request_bytes, in_flight);
                    answer(&pipes, shape, operations, &mut buffers).unwrap();
                });
                let run = ask(&pipes, shape, operations, &mut buffers).unwrap();
                assert_eq!(run.operations, operations);
            });
            assert!(ask(&pipes, shape, 1, &mut buffers).is_err());
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
        assert!(ask(&ours.as_fd(), shape, 1, &mut buffers).is_err());
    }
}
