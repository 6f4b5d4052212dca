//! Two pipes in memory that both sides of a raw loop map, one for each direction.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, Result};
use crake_mem::pipe::{self, Capacities};
use crake_mem::{HugePages, Region};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::exchange::Carrier;

/// What a direction holds: as much as that of a stream through shared memory.
const CAPACITIES: Capacities = Capacities::equal(256 << 10);

/// So many looks in vain are some milliseconds: then it is time to ask whether the other side still lives.
const LOOKS_PER_CHECK: u32 = 1 << 18;

/// One side's ends.
pub struct Pipes {
    writer: pipe::Writer,
    reader: pipe::Reader,
    /// Ends when the other side does.
    socket: OwnedFd,
    looks_in_vain: Cell<u32>,
}

impl Pipes {
    /// Memory for both.
    pub fn make() -> Result<Rc<Region>> {
        Region::memfd("crake-bench", CAPACITIES.len_bytes(), HugePages::Never)
            .context("shared memory for the raw loop")
    }

    /// The ends of the side that asks.
    pub fn of_client(memory: &Rc<Region>, socket: OwnedFd) -> Pipes {
        Pipes::new(CAPACITIES.client_ends(memory), socket)
    }

    /// The ends of the side that answers, in the file that the other one made.
    pub fn open(file: &Path, socket: OwnedFd) -> Result<Pipes> {
        let file = OpenOptions::new().read(true).write(true).open(file);
        let file = file.context("opening the memory of the raw loop")?;
        let memory = Region::map(file.into(), CAPACITIES.len_bytes())?;
        Ok(Pipes::new(CAPACITIES.server_ends(&memory), socket))
    }

    fn new((writer, reader): (pipe::Writer, pipe::Reader), socket: OwnedFd) -> Pipes {
        Pipes {
            writer,
            reader,
            socket,
            looks_in_vain: Cell::new(0),
        }
    }

    #[cold]
    fn check_peer(&self) -> io::Result<()> {
        match recv(&self.socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl Carrier for Pipes {
    #[inline]
    fn send_some(&self, buffer: &[u8], wanted: u64) -> io::Result<u64> {
        let count = buffer.len().min(wanted as usize);
        let written = self.writer.write_slice(&buffer[..count]);
        Ok(written.map_err(io::Error::other)?.count as u64)
    }

    #[inline]
    fn receive_some(&self, buffer: &mut [u8]) -> io::Result<u64> {
        let count = self.reader.read_slice(buffer).map_err(io::Error::other)?.count;
        if count > 0 {
            self.looks_in_vain.set(0);
        } else {
            self.looks_in_vain.set(self.looks_in_vain.get() + 1);
            if self.looks_in_vain.get() >= LOOKS_PER_CHECK {
                self.looks_in_vain.set(0);
                self.check_peer()?;
            }
        }
        Ok(count as u64)
    }
}
