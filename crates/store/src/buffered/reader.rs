//! The stream out of a file through slices that are read ahead.

use std::collections::VecDeque;
use std::rc::Rc;

use crake_mem::Extent;

use super::{TURN_BYTES, Turn};
use crate::Error;
use crate::multifile::MultifileReader;
use crate::reader::{Read, Reader};
use crate::session::Session;
use crate::transfer::Holder;

/// Reads ahead in slices, so that small reads cost a copy each; [`ConnectOptions::slices`] of them are being read, or read from.
///
/// [`ConnectOptions::slices`]: crate::ConnectOptions::slices
pub struct BufferedReader {
    source: Source,
    /// In use at a time.
    slices: usize,
    position: u64,
    current: Option<Slice>,
    /// At this position the runtime is due to turn.
    turn_at: u64,
    ahead: VecDeque<Ahead>,
}

/// What is read.
enum Source {
    File(Reader),
    Parts(MultifileReader),
}

impl Source {
    fn session(&self) -> &Rc<Session> {
        match self {
            Source::File(reader) => reader.core().session(),
            Source::Parts(reader) => reader.session(),
        }
    }

    fn path(&self) -> &str {
        match self {
            Source::File(reader) => reader.core().path(),
            Source::Parts(reader) => reader.path(),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Source::File(reader) => reader.size(),
            Source::Parts(reader) => reader.known_size(),
        }
    }

    fn is_growing(&self) -> bool {
        match self {
            Source::File(reader) => reader.is_growing(),
            Source::Parts(reader) => reader.is_growing(),
        }
    }

    fn read(&self, offset: u64, target: Extent) -> Read {
        match self {
            Source::File(reader) => reader.read(offset, target),
            Source::Parts(reader) => reader.read(offset, target),
        }
    }
}

/// A slice with bytes in it.
struct Slice {
    start: u64,
    len: usize,
    extent: Extent,
}

impl Slice {
    fn end(&self) -> u64 {
        self.start + self.len as u64
    }

    fn contains(&self, position: u64) -> bool {
        (self.start..self.end()).contains(&position)
    }
}

/// A slice that is being read.
struct Ahead {
    start: u64,
    extent: Extent,
    read: Read,
}

impl BufferedReader {
    pub(crate) fn new(reader: Reader) -> BufferedReader {
        BufferedReader::of(Source::File(reader), 0)
    }

    pub(crate) fn of_parts(reader: MultifileReader, slices: usize) -> BufferedReader {
        BufferedReader::of(Source::Parts(reader), slices)
    }

    fn of(source: Source, slices: usize) -> BufferedReader {
        let slices = match slices {
            0 => source.session().options().slices.max(1),
            slices => slices,
        };
        BufferedReader {
            source,
            slices,
            position: 0,
            current: None,
            turn_at: 0,
            ahead: VecDeque::new(),
        }
    }

    /// Where the next byte comes from.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Bytes that may be read, as far as is known here.
    pub fn size(&self) -> u64 {
        self.source.size()
    }

    /// Goes to a byte of the file, or beyond its end. What was read ahead is kept if it is of use there.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    /// Copies what is there without waiting, which may be nothing.
    #[inline]
    pub fn try_read(&mut self, out: &mut [u8]) -> usize {
        let Some(current) = &self.current else { return 0 };
        let end = self.turn_at.min(current.end());
        if self.position < current.start || self.position >= end {
            return 0;
        }
        let count = out.len().min((end - self.position) as usize);
        current
            .extent
            .read((self.position - current.start) as usize, &mut out[..count]);
        self.position += count as u64;
        count
    }

    /// Copies at least one byte into `out`, and as many as are at hand; 0 at the end of the file.
    #[inline]
    pub async fn read(&mut self, out: &mut [u8]) -> Result<usize, Error> {
        let count = self.try_read(out);
        if count > 0 || out.is_empty() || !self.more().await? {
            return Ok(count);
        }
        Ok(self.try_read(out))
    }

    /// Makes the byte at the position readable; `false` at the end of the file.
    async fn more(&mut self) -> Result<bool, Error> {
        let there = self
            .current
            .as_ref()
            .is_some_and(|current| current.contains(self.position));
        if there && !self.ahead.is_empty() {
            Turn::default().await;
        }
        let there = there || self.next_slice().await?;
        self.turn_at = self.position.saturating_add(TURN_BYTES as u64);
        Ok(there)
    }

    /// Makes the slice at the position the current one; `false` at the end of the file.
    async fn next_slice(&mut self) -> Result<bool, Error> {
        if let Some(passed) = self.current.take() {
            self.give_back(passed.extent);
        }
        self.drop_useless();
        self.read_ahead()?;
        // Taken from the queue only when it is there: whoever gives up waiting loses nothing.
        let Some(ahead) = self.ahead.front_mut() else {
            return Ok(false);
        };
        let outcome = (&mut ahead.read).await;
        let Ahead { start, extent, .. } = self.ahead.pop_front().expect("it was there");
        let len = match outcome {
            Ok(len) => len,
            Err(error) => {
                self.give_back(extent);
                return Err(error);
            }
        };
        self.current = Some(Slice { start, len, extent });
        self.read_ahead()?;
        Ok(self.position < start + len as u64)
    }

    /// Gives up what is being read but does not hold the position or follow it.
    fn drop_useless(&mut self) {
        let slice_bytes = self.slice_bytes();
        while let Some(front) = self.ahead.front() {
            if (front.start..front.start + slice_bytes).contains(&self.position) {
                return;
            }
            if let Some(Ahead { extent, read, .. }) = self.ahead.pop_front() {
                drop(read);
                self.give_back(extent);
            }
        }
    }

    /// Starts reads until all slices are in use or the file ends.
    fn read_ahead(&mut self) -> Result<(), Error> {
        let in_use = usize::from(self.current.is_some());
        while self.ahead.len() + in_use < self.slices {
            let start = self.next_start();
            if start >= self.size() && !(self.source.is_growing() && in_use + self.ahead.len() == 0) {
                return Ok(());
            }
            let extent = self.take_slice()?;
            let read = self.source.read(start, extent.clone());
            self.ahead.push_back(Ahead { start, extent, read });
        }
        Ok(())
    }

    /// Where the first byte is that no slice holds.
    fn next_start(&self) -> u64 {
        if let Some(last) = self.ahead.back() {
            return last.start + self.slice_bytes();
        }
        match &self.current {
            Some(current) => current.start + current.len as u64,
            None => self.position,
        }
    }

    fn slice_bytes(&self) -> u64 {
        self.source.session().options().slice_bytes as u64
    }

    fn take_slice(&self) -> Result<Extent, Error> {
        let session = self.source.session();
        session.slices().take_extent().map_err(|error| Error::Full {
            path: self.source.path().into(),
            detail: format!("this process has no memory for a slice: {error}").into(),
        })
    }

    fn give_back(&self, extent: Extent) {
        self.source.session().slices().give_back_extent(extent);
    }
}

impl Drop for BufferedReader {
    fn drop(&mut self) {
        if let Some(current) = self.current.take() {
            self.give_back(current.extent);
        }
        for Ahead { extent, read, .. } in std::mem::take(&mut self.ahead) {
            drop(read);
            self.give_back(extent);
        }
    }
}
