//! The direct stream out of a file.

use std::future::Future;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use smallvec::SmallVec;

use crake_datapath::Runtime;
use crake_mem::{Extent, Region};

use crate::Error;
use crate::background::Background;
use crate::file::FileCore;
use crate::follow::Follower;
use crate::node::Attributes;
use crate::transfer::{Bytes, Holder, Transfer, read_at_once};
use crate::view::{FileView, View};

/// Reads any range of a file into the caller's memory, any number of reads in flight.
///
/// Bytes go from the connection straight into the target. Blocks are looked up ahead of a sequential reader.
#[derive(Clone)]
pub struct Reader {
    core: Rc<FileCore>,
}

impl Reader {
    pub(crate) fn new(core: Rc<FileCore>) -> Reader {
        Reader { core }
    }

    pub(crate) fn core(&self) -> &Rc<FileCore> {
        &self.core
    }

    /// Whether the file had a writer when the namenode was asked last.
    pub fn is_growing(&self) -> bool {
        self.core.attributes().open
    }

    /// Bytes that may be read, as far as is known here.
    pub fn size(&self) -> u64 {
        self.core.size()
    }

    /// Asks the namenode how far the file has grown.
    pub async fn refresh(&self) -> Result<Attributes, Error> {
        self.core.refresh(self.core.deadline()).await
    }

    /// Reads from byte `offset` on until `target` is full or the file ends; gives the number of bytes read. Starts at once.
    ///
    /// Beyond the size that is known here it asks the namenode first if the file had a writer when last seen.
    pub fn read(&self, offset: u64, target: impl Into<Extent>) -> Read {
        Read::start(&self.core, offset, target.into())
    }

    /// A stream out of the file from byte `position` on that waits for what is still to be written.
    pub fn follow(&self, position: u64) -> Follower {
        Follower::new(self.clone(), position)
    }

    /// The file as it is now, to be looked at in place: what it shows stands still whatever becomes of the file. One round trip.
    pub async fn view(&self) -> Result<FileView, Error> {
        FileView::of(&self.core).await
    }

    /// The bytes of a range in place, fewer if the file ends: without a copy if its datanode is on this machine.
    pub async fn read_view(&self, range: Range<u64>) -> Result<View, Error> {
        self.view().await?.range(range).await
    }

    /// The bytes of a range, fewer if the file ends.
    pub async fn read_to_vec(&self, offset: u64, len: usize) -> Result<Vec<u8>, Error> {
        let len = match self.core.attributes().open {
            true => len,
            false => usize::try_from(self.size().saturating_sub(offset)).map_or(len, |rest| rest.min(len)),
        };
        if len == 0 {
            return Ok(Vec::new());
        }
        let target = target(len, &self.core)?;
        let count = self.read(offset, target.clone()).await?;
        Ok(target.slice(..count).to_vec())
    }
}

/// Memory to read into.
pub(crate) fn target(len: usize, core: &FileCore) -> Result<Extent, Error> {
    let region = Region::allocated(len).map_err(|error| Error::Full {
        path: (**core.path()).into(),
        detail: format!("this process has no memory for {len} bytes: {error}").into(),
    })?;
    Ok(region.extent(..len))
}

/// A read in flight: a future of the number of bytes read.
///
/// Dropping it gives it up; the target is not written after that.
#[must_use = "a read that is dropped is given up"]
pub struct Read {
    /// What is under way.
    parts: SmallVec<[Part; 1]>,
    done_bytes: usize,
    /// Whether the runtime is to turn before the caller goes on.
    rests: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and a box for it an allocation per read"
)]
enum Part {
    /// A range of one known block.
    Direct {
        transfer: Transfer<FileCore>,
        len: usize,
    },
    /// The rest, of which the blocks or the size are not known yet.
    Rest(Background<Result<usize, Error>>),
}

impl Read {
    /// Of no bytes, to add some to.
    pub(crate) fn nothing() -> Read {
        Read {
            parts: SmallVec::new(),
            done_bytes: 0,
            rests: false,
        }
    }

    /// Reads more, of any file: bytes from `offset` on, all of which are below its size.
    pub(crate) fn add(&mut self, core: &Rc<FileCore>, offset: u64, target: Extent) {
        let direct = self.start_known_blocks(core, offset, &target);
        if direct < target.len() {
            let rest = read_rest(core.clone(), offset + direct as u64, target.slice(direct..));
            self.add_rest(core.session().runtime(), rest);
        }
    }

    /// And what another future reads.
    pub(crate) fn add_rest(
        &mut self,
        runtime: &Runtime,
        rest: impl Future<Output = Result<usize, Error>> + 'static,
    ) {
        self.parts.push(Part::Rest(Background::start(runtime, rest)));
    }

    fn start(core: &Rc<FileCore>, offset: u64, target: Extent) -> Read {
        let mut read = Read::nothing();
        let known = core.size().saturating_sub(offset).min(target.len() as u64) as usize;
        let direct = match known == target.len() {
            true => read.start_known_blocks(core, offset, &target),
            false => read.start_known_blocks(core, offset, &target.slice(..known)),
        };
        let at = offset + direct as u64;
        if direct < known || known < target.len() && core.attributes().open {
            let rest = read_rest(core.clone(), at, target.slice(direct..));
            read.add_rest(core.session().runtime(), rest);
        } else {
            look_ahead(core, at);
        }
        read
    }

    /// The last one, which is nearly always the only one, where it is: to move it costs more than the rest of a poll.
    #[inline]
    fn drop_part(&mut self, at: usize) {
        let last = self.parts.len() - 1;
        if at < last {
            self.parts.swap(at, last);
        }
        self.parts.truncate(last);
    }

    /// Starts what lies in known blocks, up to the first that is not; gives the number of bytes.
    fn start_known_blocks(&mut self, core: &Rc<FileCore>, offset: u64, target: &Extent) -> usize {
        let mut done = 0;
        while done < target.len() {
            match self.start_block(core, offset + done as u64, target.slice(done..)) {
                Some(len) => done += len,
                None => break,
            }
        }
        done
    }

    /// Starts what lies in the block with byte `at`, or reads it at once where it lies; gives the number of bytes. `None` if the block is not known.
    #[inline]
    fn start_block(&mut self, core: &Rc<FileCore>, at: u64, target: Extent) -> Option<usize> {
        let blocks = core.blocks();
        let block = blocks.find(at)?;
        let len = (block.end() - at).min(target.len() as u64) as usize;
        let target = if len < target.len() {
            target.slice(..len)
        } else {
            target
        };
        let (session, within) = (core.session(), (at - block.offset) as u32);
        match read_at_once(session, block, within, &target, session.runtime().now()) {
            Some(rests) => {
                self.done_bytes += len;
                self.rests |= rests;
            }
            None => {
                let block = block.clone();
                drop(blocks);
                let transfer = Transfer::start(core, block, at, Bytes::Read(target));
                self.parts.push(Part::Direct { transfer, len });
            }
        }
        Some(len)
    }
}

/// So far ahead of a reader its blocks are to be known.
const LOOK_AHEAD_BYTES: u64 = 8 << 20;

fn look_ahead(core: &Rc<FileCore>, at: u64) {
    let limit = core.size().min(at.saturating_add(LOOK_AHEAD_BYTES));
    let known = core.known_until(at, limit);
    if known < limit {
        core.prefetch(known);
    }
}

/// Finds out what is not known about the rest of a read, and reads it.
async fn read_rest(core: Rc<FileCore>, offset: u64, target: Extent) -> Result<usize, Error> {
    let deadline = core.deadline();
    if core.attributes().open && offset.saturating_add(target.len() as u64) > core.size() {
        core.fetch(offset, deadline).await?;
    }
    let len = core.size().saturating_sub(offset).min(target.len() as u64) as usize;
    if len == 0 {
        return Ok(0);
    }
    let mut done = 0;
    let mut parts = Read::nothing();
    while done < len {
        core.find(offset + done as u64, deadline).await?;
        done += parts.start_known_blocks(&core, offset + done as u64, &target.slice(done..len));
    }
    look_ahead(&core, offset + len as u64);
    parts.await
}

impl Future for Read {
    type Output = Result<usize, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let read = &mut *self;
        let mut at = 0;
        while at < read.parts.len() {
            let ended = match &mut read.parts[at] {
                Part::Direct { transfer, len } => Pin::new(transfer)
                    .poll(context)
                    .map(|result| result.map(|()| *len)),
                Part::Rest(rest) => Pin::new(rest).poll(context),
            };
            match ended {
                Poll::Pending => at += 1,
                Poll::Ready(Ok(bytes)) => {
                    read.done_bytes += bytes;
                    read.drop_part(at);
                }
                Poll::Ready(Err(error)) => {
                    read.parts.clear();
                    return Poll::Ready(Err(error));
                }
            }
        }
        if !read.parts.is_empty() {
            return Poll::Pending;
        }
        if mem::take(&mut read.rests) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Ok(read.done_bytes))
    }
}
