//! Buffered streams that are `Read`, `Write` and `Seek`.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use crake_mem::{Extent, Region};

use super::Waiter;
use crate::{Attributes, Error};

/// Reads a file through slices that are read ahead; see [`crate::BufferedReader`].
pub struct BufferedReader {
    reader: crate::BufferedReader,
    waiter: Waiter,
}

impl BufferedReader {
    pub(super) fn new(reader: crate::BufferedReader, waiter: Waiter) -> BufferedReader {
        BufferedReader { reader, waiter }
    }

    /// Bytes that may be read, as far as is known here.
    pub fn size(&self) -> u64 {
        self.reader.size()
    }
}

impl Read for BufferedReader {
    #[inline]
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.reader.try_read(out) {
            0 if !out.is_empty() => Ok(self.waiter.wait(self.reader.read(out))?),
            count => Ok(count),
        }
    }
}

impl Seek for BufferedReader {
    /// From the end means from the size that is known here.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(distance) => self.reader.size().checked_add_signed(distance),
            SeekFrom::Current(distance) => self.reader.position().checked_add_signed(distance),
        };
        let before_start = || io::Error::new(io::ErrorKind::InvalidInput, "a position before the start");
        self.reader.seek(target.ok_or_else(before_start)?);
        Ok(self.reader.position())
    }

    fn stream_position(&mut self) -> io::Result<u64> {
        Ok(self.reader.position())
    }
}

/// Reads a file while it is written; see [`crate::Follower`].
pub struct Follower {
    follower: crate::Follower,
    waiter: Waiter,
    /// Where the bytes come to before they are copied; made when there are some.
    slice: Option<Extent>,
    /// Of the slice: what was read and not given yet.
    left: Range<usize>,
}

/// Bytes that a follower reads at once.
const FOLLOWED_BYTES: usize = 256 << 10;

impl Follower {
    pub(super) fn new(follower: crate::Follower, waiter: Waiter) -> Follower {
        Follower {
            follower,
            waiter,
            slice: None,
            left: 0..0,
        }
    }

    /// What is known of the file.
    pub fn attributes(&self) -> Attributes {
        self.follower.attributes()
    }
}

impl Read for Follower {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        let slice = match self.slice.take() {
            Some(slice) => slice,
            None => Region::allocated(FOLLOWED_BYTES)
                .map_err(io::Error::other)?
                .extent(..FOLLOWED_BYTES),
        };
        let slice = self.slice.insert(slice);
        if self.left.is_empty() {
            let read = self.follower.read(slice.clone());
            self.left = 0..self.waiter.wait(read)?;
        }
        let count = out.len().min(self.left.len());
        slice.read(self.left.start, &mut out[..count]);
        self.left.start += count;
        Ok(count)
    }
}

/// Writes a file through slices that are written behind; see [`crate::BufferedWriter`].
///
/// [`BufferedWriter::close`] tells whether all went well. Dropping it closes it too, waits for that, and logs what fails.
pub struct BufferedWriter {
    /// Taken when it is closed.
    writer: Option<crate::BufferedWriter>,
    waiter: Waiter,
}

impl BufferedWriter {
    pub(super) fn new(writer: crate::BufferedWriter, waiter: Waiter) -> BufferedWriter {
        BufferedWriter {
            writer: Some(writer),
            waiter,
        }
    }

    /// Where the next byte goes.
    pub fn position(&self) -> u64 {
        self.writer.as_ref().map_or(0, crate::BufferedWriter::position)
    }

    /// Makes everything written so far visible to readers.
    pub fn publish(&mut self) -> Result<Attributes, Error> {
        let writer = self
            .writer
            .as_mut()
            .expect("a stream has its writer until it is closed");
        self.waiter.wait(writer.publish())
    }

    /// Publishes everything and gives up the right to write.
    pub fn close(mut self) -> Result<Attributes, Error> {
        let writer = self
            .writer
            .take()
            .expect("a stream has its writer until it is closed");
        self.waiter.wait(writer.close())
    }
}

impl Write for BufferedWriter {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let writer = self
            .writer
            .as_mut()
            .expect("a stream has its writer until it is closed");
        match writer.try_write(bytes) {
            0 => self.waiter.wait(writer.write(bytes))?,
            count => return Ok(count),
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let writer = self
            .writer
            .as_mut()
            .expect("a stream has its writer until it is closed");
        Ok(self.waiter.wait(writer.flush())?)
    }
}

impl Drop for BufferedWriter {
    fn drop(&mut self) {
        let Some(writer) = self.writer.take() else { return };
        // Waiting could meet the panic's cause again; the stream then closes if the runtime turns once more.
        if std::thread::panicking() {
            return;
        }
        if let Err(error) = self.waiter.wait(writer.close()) {
            tracing::warn!(%error, "a file that was dropped could not be closed");
        }
    }
}
