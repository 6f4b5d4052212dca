//! Files: what is known of one here, and the ways into it.

use std::cell::{Cell, Ref, RefCell};
use std::fmt;
use std::rc::Rc;

use crake_datapath::Time;

use crate::Error;
use crate::block::{Block, BlockMap, Blocks};
use crate::buffered::{BufferedReader, BufferedWriter};
use crate::node::{Attributes, Node};
use crate::operation::{FetchBlocks, Publish};
use crate::pending::Pending;
use crate::reader::Reader;
use crate::session::{LeaseGuard, Session};
use crate::signal::OnceAtATime;
use crate::transfer::{Holder, Tried};
use crate::writer::Writer;

/// A node that was opened or created. Of a file it gives readers, and one writer if it was created, or opened to append.
///
/// Dropping one that was created and never written seals it, in the background; so does dropping its writer.
pub struct File {
    core: Rc<FileCore>,
    lease: RefCell<Option<Lease>>,
}

/// A block of a file, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// First byte of the file that it holds.
    pub offset: u64,
    /// Bytes that it can hold.
    pub len_bytes: u32,
    /// Whether its datanodes are gone.
    pub lost: bool,
    /// Numbers of its datanodes, one per replica.
    pub datanodes: Vec<u32>,
}

impl Place {
    fn of(block: &Block) -> Place {
        Place {
            offset: block.offset,
            len_bytes: block.len_bytes,
            lost: block.lost,
            datanodes: block.handles.iter().map(|handle| handle.datanode.get()).collect(),
        }
    }
}

/// The right to write a file, and where that starts.
pub(crate) struct Lease {
    pub id: u64,
    /// The blocks at the end of the file that have room.
    pub blocks: Blocks,
    pub guard: LeaseGuard,
}

/// What all handles and streams of a file share.
pub(crate) struct FileCore {
    session: Rc<Session>,
    path: Rc<str>,
    attributes: Cell<Attributes>,
    blocks: RefCell<BlockMap>,
    fetching: OnceAtATime,
}

impl File {
    pub(crate) fn opened(session: &Rc<Session>, path: &str, attributes: Attributes, blocks: Blocks) -> File {
        File {
            core: FileCore::new(session, path, attributes, blocks),
            lease: RefCell::new(None),
        }
    }

    /// With a lease of 0 there is nothing to write: a container.
    pub(crate) fn created(
        session: &Rc<Session>,
        path: &str,
        attributes: Attributes,
        lease: u64,
        blocks: Blocks,
    ) -> File {
        let lease = (lease != 0).then(|| Lease {
            id: lease,
            blocks,
            guard: session.hold_lease(),
        });
        File {
            core: FileCore::new(session, path, attributes, Blocks::new()),
            lease: RefCell::new(lease),
        }
    }

    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.core.session
    }

    /// What the namenode said last.
    pub fn attributes(&self) -> Attributes {
        self.core.attributes.get()
    }

    /// The path that it was opened by; it may have been renamed since.
    pub fn path(&self) -> &str {
        &self.core.path
    }

    /// Asks the namenode anew, as a reader does that follows a growing file.
    pub async fn refresh(&self) -> Result<Attributes, Error> {
        self.core.refresh(self.core.deadline()).await
    }

    /// A direct stream out of the file: reads of any range, any number in flight.
    pub fn reader(&self) -> Result<Reader, Error> {
        match self.attributes().kind {
            Node::File | Node::KeyValue => Ok(Reader::new(self.core.clone())),
            _ => Err(Error::IsADirectory {
                path: self.path().into(),
            }),
        }
    }

    /// The direct stream into the file: appends, any number in flight. There is one.
    pub fn writer(&self) -> Result<Writer, Error> {
        if self.attributes().is_container() {
            return Err(Error::IsADirectory {
                path: self.path().into(),
            });
        }
        let lease = self.lease.borrow_mut().take();
        let lease = lease.ok_or_else(|| Error::NotWritable {
            path: self.path().into(),
        })?;
        Ok(Writer::new(self.core.clone(), lease))
    }

    /// A stream out of the file through slices that are read ahead.
    pub fn buffered_reader(&self) -> Result<BufferedReader, Error> {
        Ok(BufferedReader::new(self.reader()?))
    }

    /// The stream into the file through slices that are written behind.
    pub fn buffered_writer(&self) -> Result<BufferedWriter, Error> {
        Ok(BufferedWriter::new(&self.core.session, self.writer()?))
    }

    /// Where the bytes of the file lie: its blocks in order, with their datanodes.
    pub async fn places(&self) -> Result<Vec<Place>, Error> {
        let mut places = Vec::new();
        let mut offset = 0;
        loop {
            let request = FetchBlocks {
                path: self.core.path.clone(),
                node: self.core.id(),
                offset,
                limit: FETCH_BLOCKS,
            };
            let (attributes, blocks) = Pending::start(&self.core.session, request).await?;
            let Some(last) = blocks.last() else {
                return Ok(places);
            };
            offset = last.end();
            places.extend(blocks.iter().map(Place::of));
            if offset >= attributes.capacity {
                return Ok(places);
            }
        }
    }

    /// Ends the right to write that nothing was written with, and waits for that.
    pub async fn close(self) -> Result<Attributes, Error> {
        let lease = self.lease.borrow_mut().take();
        match lease {
            Some(lease) => Pending::start(&self.core.session, self.core.seal(lease.id)).await,
            None => Ok(self.attributes()),
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.get_mut().take() {
            let sealed = Pending::start(&self.core.session, self.core.seal(lease.id));
            let task = async move {
                if let Err(error) = sealed.await {
                    tracing::warn!(%error, "a file that was dropped could not be sealed");
                }
                drop(lease);
            };
            self.core.session.runtime().spawn(task).detach();
        }
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path())
            .field("attributes", &self.attributes())
            .finish_non_exhaustive()
    }
}

/// Blocks fetched at once: the most that the namenode gives.
const FETCH_BLOCKS: u32 = 64;

impl FileCore {
    pub(crate) fn new(
        session: &Rc<Session>,
        path: &str,
        attributes: Attributes,
        blocks: Blocks,
    ) -> Rc<FileCore> {
        let mut map = BlockMap::default();
        map.insert(blocks, attributes.size);
        Rc::new(FileCore {
            session: session.clone(),
            path: path.into(),
            attributes: Cell::new(attributes),
            blocks: RefCell::new(map),
            fetching: OnceAtATime::default(),
        })
    }

    pub(crate) fn path(&self) -> &Rc<str> {
        &self.path
    }

    pub(crate) fn id(&self) -> u64 {
        self.attributes.get().id
    }

    /// Bytes that may be read, as far as is known here.
    pub(crate) fn size(&self) -> u64 {
        self.attributes.get().size
    }

    pub(crate) fn attributes(&self) -> Attributes {
        self.attributes.get()
    }

    pub(crate) fn set_attributes(&self, attributes: Attributes) {
        self.attributes.set(attributes);
    }

    pub(crate) fn deadline(&self) -> Time {
        self.session.runtime().now() + self.session.options().deadline
    }

    /// The blocks that are known here.
    pub(crate) fn blocks(&self) -> Ref<'_, BlockMap> {
        self.blocks.borrow()
    }

    /// The block that holds a byte, if it is known here.
    pub(crate) fn block(&self, offset: u64) -> Option<Block> {
        self.blocks.borrow().find(offset).cloned()
    }

    /// Where what is known from `offset` on ends, looking no further than `limit`.
    pub(crate) fn known_until(&self, offset: u64, limit: u64) -> u64 {
        self.blocks.borrow().known_until(offset, limit)
    }

    /// The block that holds a byte below the file's size; asks the namenode if it is not known here.
    pub(crate) async fn find(&self, offset: u64, deadline: Time) -> Result<Block, Error> {
        loop {
            if let Some(block) = self.block(offset) {
                return Ok(block);
            }
            if self.fetching.is_under_way() {
                self.fetching.ended().await;
                continue;
            }
            self.fetch(offset, deadline).await?;
            return self.block(offset).ok_or_else(|| self.cut_off(offset));
        }
    }

    /// Bytes below the size that no block holds: the file was replaced by a shorter one, or the namenode errs.
    fn cut_off(&self, offset: u64) -> Error {
        if offset >= self.size() {
            return Error::not_found(&self.path);
        }
        Error::protocol(
            self.session.peer(),
            format!("{}: no block holds byte {offset}", self.path),
        )
    }

    /// Learns the blocks from `offset` on, and the attributes. One fetch of a file is under way at a time.
    pub(crate) async fn fetch(&self, offset: u64, deadline: Time) -> Result<(), Error> {
        let _under_way = self.fetching.begin();
        let limit = deadline - self.session.runtime().now();
        let request = FetchBlocks {
            path: self.path.clone(),
            node: self.id(),
            offset,
            limit: FETCH_BLOCKS,
        };
        let (attributes, blocks) = Pending::start_within(&self.session, request, limit).await?;
        self.attributes.set(attributes);
        self.blocks.borrow_mut().insert(blocks, attributes.size);
        Ok(())
    }

    /// Has the blocks from `offset` on fetched in the background, unless some are being fetched.
    pub(crate) fn prefetch(self: &Rc<Self>, offset: u64) {
        if !self.fetching.is_under_way() {
            let core = self.clone();
            let task = async move {
                // Whoever needs the blocks meets the error again.
                let _ = core.fetch(offset, core.deadline()).await;
            };
            self.session.runtime().spawn(task).detach();
        }
    }

    pub(crate) async fn refresh(&self, deadline: Time) -> Result<Attributes, Error> {
        self.fetch(self.size(), deadline).await?;
        Ok(self.attributes.get())
    }

    fn seal(&self, lease: u64) -> Publish {
        Publish {
            path: self.path.clone(),
            node: self.id(),
            lease,
            size: self.size(),
            seal: true,
        }
    }
}

/// As a reader sees its file.
impl Holder for FileCore {
    fn session(&self) -> &Rc<Session> {
        &self.session
    }

    fn name(&self) -> Box<str> {
        (*self.path).into()
    }

    async fn look_again(self: Rc<Self>, tried: Block, _: Tried, deadline: Time) -> Result<Block, Error> {
        self.blocks.borrow_mut().forget(tried.offset);
        self.find(tried.offset, deadline).await
    }
}
