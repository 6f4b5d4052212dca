//! The limit of a transport: the same shape of traffic as an operation's, by the tightest loop that we can write.
//!
//! Over sockets, the other side is a process of its own on the server's core. Both sides call the kernel and do nothing else.
//! Through shared memory they copy into and out of two pipes, and do nothing else.
//! Embedded, there is nothing to cross: the loop queues, calls and copies in one thread.
//! What is read or written in place crosses nothing either: the limit is one copy of its bytes.

mod copy;
mod exchange;
mod memory;
mod peer;
mod pipes;

use anyhow::Result;

pub use self::copy::{Copying, Course, Walk, Way};
pub use self::peer::{Arguments as PeerArguments, run as run_peer};
use super::arguments::Transport;
use super::cores::Cores;
use super::runner::Operation;
use super::stats::Run;

/// What a request or a reply without a payload takes on the wire, near enough: the smallest message measured.
pub const MESSAGE_BYTES: u64 = 64;

/// The traffic of an operation: a request of so many bytes, then a reply of so many, with so many under way.
///
/// A write is a large request with a small reply (its acknowledgement), a read the reverse, an echo two small messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// From the client.
    pub request_bytes: u64,
    /// From the server.
    pub reply_bytes: u64,
    /// Requests whose reply is not yet there.
    pub in_flight: u64,
}

/// Operations a second of the loop within one thread.
pub fn rate_within_a_thread(shape: Shape, operations: u64) -> Result<f64> {
    Ok(memory::Queue::new(shape)?.run(operations)?.rate())
}

/// A raw loop that is ready to run.
pub enum RawLoop {
    /// With another process: over a socket, or through memory that both map.
    Exchange(exchange::Client),
    /// Within this thread.
    Memory(memory::Queue),
}

impl RawLoop {
    /// Makes it ready; the other side, if there is one, sleeps while the loop does not run.
    pub fn start(transport: Transport, shape: Shape, cores: Cores) -> Result<RawLoop> {
        Ok(match transport {
            Transport::Tcp => RawLoop::Exchange(exchange::Client::start(peer::tcp_pair()?, shape, cores)?),
            Transport::Unix => RawLoop::Exchange(exchange::Client::start(peer::unix_pair()?, shape, cores)?),
            Transport::Shm => RawLoop::Exchange(exchange::Client::start_in_memory(shape, cores)?),
            Transport::Embedded => RawLoop::Memory(memory::Queue::new(shape)?),
        })
    }
}

impl Operation for RawLoop {
    fn run(&mut self, operations: u64) -> Result<Run> {
        match self {
            RawLoop::Exchange(client) => client.run(operations),
            RawLoop::Memory(queue) => queue.run(operations),
        }
    }
}
