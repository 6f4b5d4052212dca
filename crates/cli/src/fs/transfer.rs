//! Bytes between local files and the store: chunks, several of them in flight for each file.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _};
use std::rc::Rc;

use anyhow::{Context, Result, bail};
use crake_mem::{Buf, Extent, Region};
use crake_store::{
    Attributes, CreateOptions, Error, MultifileReader, Node, Parts, Read, Reader, Store, Write, Writer,
};

use super::crew::{Budget, Permit};

/// Bytes that move as one: the largest block.
pub const CHUNK_BYTES: usize = 1 << 20;
/// Chunks of one file in flight.
const CHUNKS_PER_FILE: usize = 8;
/// Chunks of all files in flight: what a command takes of the machine's memory, and a little more.
const CHUNKS_MAX: usize = 64;
/// Files in flight. Small ones are made of round trips, which overlap.
pub const FILES_IN_FLIGHT: usize = 64;

/// The memory that all files of a command share. Clones are the same.
#[derive(Clone)]
pub struct Chunks {
    budget: Rc<Budget>,
    /// Places to read into that are not in use.
    spare: Rc<RefCell<Vec<Extent>>>,
    /// Where a chunk stands still while it is written to a file.
    scratch: Rc<RefCell<Vec<u8>>>,
}

impl Chunks {
    /// Takes memory as it is needed.
    pub fn new() -> Chunks {
        Chunks {
            budget: Budget::new(CHUNKS_MAX),
            spare: Rc::default(),
            scratch: Rc::default(),
        }
    }

    async fn take(&self, len: usize) -> Result<Chunk> {
        let permit = self.budget.take().await;
        self.chunk(len, permit)
    }

    fn try_take(&self, len: usize) -> Result<Option<Chunk>> {
        let permit = self.budget.try_take();
        permit.map(|permit| self.chunk(len, permit)).transpose()
    }

    fn chunk(&self, len: usize, permit: Permit) -> Result<Chunk> {
        let spare = self.spare.borrow_mut().pop();
        let extent = match spare {
            Some(extent) => extent,
            None => Region::allocated(CHUNK_BYTES)
                .context("memory for a chunk of a file")?
                .extent(..),
        };
        Ok(Chunk {
            target: extent.slice(..len),
            extent,
            chunks: self.clone(),
            _permit: permit,
        })
    }
}

/// A place for bytes of the store.
struct Chunk {
    target: Extent,
    extent: Extent,
    chunks: Chunks,
    _permit: Permit,
}

impl Chunk {
    /// Hands the bytes on, from where they stand still.
    fn hand_on<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        let mut scratch = self.chunks.scratch.borrow_mut();
        scratch.resize(CHUNK_BYTES, 0);
        let bytes = &mut scratch[..self.target.len()];
        self.target.read(0, bytes);
        take(bytes)
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.chunks.spare.borrow_mut().push(self.extent.clone());
    }
}

/// Where a file that goes into the store comes from.
pub trait Source {
    /// The next bytes, at most a chunk of them; empty at the end.
    async fn next(&mut self) -> Result<Buf>;
}

/// A local file, from its start.
pub struct LocalFile {
    file: File,
    /// Bytes that are expected.
    rest: u64,
}

impl LocalFile {
    /// `len_bytes` is how long it seems to be; what counts is what is read.
    pub fn new(file: File, len_bytes: u64) -> LocalFile {
        LocalFile {
            file,
            rest: len_bytes,
        }
    }

    /// The next bytes, at most a chunk of them; empty at the end.
    pub fn read(&mut self) -> Result<Buf> {
        let expected = self.rest.min(CHUNK_BYTES as u64) as usize;
        let mut bytes = Vec::with_capacity(expected);
        read_up_to(&mut self.file, CHUNK_BYTES, &mut bytes)?;
        self.rest = self.rest.saturating_sub(bytes.len() as u64);
        Ok(Buf::from_vec(bytes))
    }
}

impl Source for LocalFile {
    async fn next(&mut self) -> Result<Buf> {
        self.read()
    }
}

/// Reads until `len` bytes are there or the file ends.
pub fn read_up_to(from: &mut impl io::Read, len: usize, bytes: &mut Vec<u8>) -> io::Result<()> {
    from.take(len as u64).read_to_end(bytes).map(drop)
}

/// Writes a whole file of the store, in the place of any other; gives what it is then. `seen` is shown the bytes as they go.
///
/// When it fails half-way, what was written is removed: a file that is shorter than its source must not look like it.
pub async fn store_file(
    store: &Store,
    chunks: &Chunks,
    path: &str,
    options: CreateOptions,
    source: &mut impl Source,
    seen: impl FnMut(&[u8]),
) -> Result<Attributes> {
    // What cannot be read is not begun.
    let first = source.next().await?;
    let writer = store.create(path, options.replace()).await?.writer()?;
    let written = write(&writer, chunks, first, source, seen).await;
    let closed = writer.close().await;
    let stored = written.and_then(|()| Ok(closed?));
    if stored.is_err() {
        // The error that counts is the one before. A namenode that is away shows nothing that was not published.
        let _ = store.delete(path, false).await;
    }
    stored
}

async fn write(
    writer: &Writer,
    chunks: &Chunks,
    first: Buf,
    source: &mut impl Source,
    mut seen: impl FnMut(&[u8]),
) -> Result<()> {
    let mut in_flight = VecDeque::with_capacity(CHUNKS_PER_FILE);
    let mut bytes = first;
    while !bytes.is_empty() {
        seen(&bytes);
        let permit = loop {
            // To wait for memory while holding some that others wait for would never end.
            match chunks.budget.try_take() {
                Some(permit) if in_flight.len() < CHUNKS_PER_FILE => break permit,
                _ => match in_flight.pop_front() {
                    Some((oldest, permit)) => {
                        finish(oldest, permit).await?;
                    }
                    None => break chunks.budget.take().await,
                },
            }
        };
        in_flight.push_back((writer.write(bytes), permit));
        bytes = source.next().await?;
    }
    Ok(writer.flush().await?)
}

async fn finish(write: Write, permit: Permit) -> Result<()> {
    write.await?;
    drop(permit);
    Ok(())
}

/// What can be read as a whole.
pub enum Whole {
    /// A file, as far as it was visible when it was opened.
    File(Reader),
    /// The parts of a multifile that were complete then.
    Parts {
        /// Reads them as one.
        reader: MultifileReader,
        /// Bytes of all of them.
        size: u64,
    },
}

impl Whole {
    /// Opens it: one round trip for a file.
    pub async fn open(store: &Store, path: &str) -> Result<Whole, Error> {
        let file = store.open(path).await?;
        if file.attributes().kind != Node::Multifile {
            return Ok(Whole::File(file.reader()?));
        }
        let reader = store.multifile(path).await?.reader(Parts::SealedSoFar);
        let size = reader.size().await?;
        Ok(Whole::Parts { reader, size })
    }

    fn size(&self) -> u64 {
        match self {
            Whole::File(reader) => reader.size(),
            Whole::Parts { size, .. } => *size,
        }
    }

    fn read(&self, offset: u64, target: Extent) -> Read {
        match self {
            Whole::File(reader) => reader.read(offset, target),
            Whole::Parts { reader, .. } => reader.read(offset, target),
        }
    }
}

/// Reads something of the store whole, several chunks ahead, and hands them on in order with their offsets.
pub async fn read_whole(
    reader: &Whole,
    chunks: &Chunks,
    path: &str,
    mut take: impl AsyncFnMut(u64, Take<'_>) -> Result<()>,
) -> Result<u64> {
    let size = reader.size();
    let (mut asked, mut done) = (0, 0);
    let mut in_flight = VecDeque::with_capacity(CHUNKS_PER_FILE);
    while done < size {
        while asked < size && in_flight.len() < CHUNKS_PER_FILE {
            let len = (size - asked).min(CHUNK_BYTES as u64) as usize;
            // To wait for memory while holding some that others wait for would never end.
            let chunk = match in_flight.is_empty() {
                true => chunks.take(len).await?,
                false => match chunks.try_take(len)? {
                    Some(chunk) => chunk,
                    None => break,
                },
            };
            in_flight.push_back((reader.read(asked, chunk.target.clone()), chunk));
            asked += len as u64;
        }
        let Some((read, chunk)) = in_flight.pop_front() else {
            break;
        };
        let len = read.await?;
        if len < chunk.target.len() {
            bail!("{path}: it was made shorter while it was read");
        }
        take(done, Take(&chunk)).await?;
        done += len as u64;
    }
    Ok(done)
}

/// A chunk that was read.
pub struct Take<'a>(&'a Chunk);

impl Take<'_> {
    /// How many bytes it has.
    pub fn len(&self) -> usize {
        self.0.target.len()
    }

    /// Shows its bytes.
    pub fn bytes<T>(&self, take: impl FnOnce(&[u8]) -> T) -> T {
        self.0.hand_on(take)
    }

    /// A copy of its bytes, for another thread.
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.target.to_vec()
    }
}
