//! Bytes of a file looked at where they are, without a copy.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

use crake_datapath::{Task, Time};
use crake_mem::Pinned;

use crate::Error;
use crate::block::Block;
use crate::datanodes::Datanodes;
use crate::file::FileCore;
use crate::in_place::{MappedTier, Place};
use crate::operation::{PinFile, UnpinFile};
use crate::pending::Pending;
use crate::protocol::Handle;
use crate::reader::Reader;
use crate::session::{LeaseGuard, Session};
use crate::transfer::Holder;

/// A file whose bytes stay where they are for as long as this, or a [`View`] of it, lives: also when the file is removed or replaced
/// meanwhile. [`Reader::view`] makes one.
///
/// The namenode keeps the blocks for this client, which reminds it of that while its runtime turns. A client that does not for the time
/// of a lease (10 s) loses them, and [`View::is_held`] says so.
#[derive(Clone)]
pub struct FileView {
    core: Rc<FileCore>,
    pin: Rc<Pin>,
    size: u64,
}

/// Bytes of a range of a file, as slices in order.
///
/// Where its datanode is on this machine, and shares its memory with this process, a slice shows the bytes in the datanode's block. Else
/// it is a copy of them.
pub struct View {
    parts: Vec<Part>,
    len_bytes: u64,
    _pin: Rc<Pin>,
}

enum Part {
    InPlace {
        bytes: Pinned,
        tier: Rc<MappedTier>,
        /// In the datanode's blocks.
        range: Range<usize>,
        /// What it is made of.
        blocks: Vec<(Handle, Place)>,
    },
    Copied(Vec<u8>),
}

impl FileView {
    pub(crate) async fn of(core: &Rc<FileCore>) -> Result<FileView, Error> {
        let deadline = core.deadline();
        let pin = Pin::of(core, deadline).await?;
        Ok(FileView {
            core: core.clone(),
            pin,
            size: core.size(),
        })
    }

    /// Bytes that may be looked at.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range, fewer if the file ends. What it takes depends on how many blocks the range has, not on the file.
    ///
    /// # Errors
    /// [`Error::BlockLost`] if a datanode has gone with them, and what else may happen on the way to it.
    pub async fn range(&self, range: Range<u64>) -> Result<View, Error> {
        let deadline = self.core.deadline();
        let end = range.end.min(self.size);
        let mut parts = Vec::new();
        let mut at = range.start.min(end);
        let len_bytes = end - at;
        while at < end {
            let block = self.core.find(at, deadline).await?;
            let len = (block.end() - at).min(end - at) as usize;
            self.add(&mut parts, &block, at, len, deadline).await?;
            at += len as u64;
        }
        Ok(View {
            parts,
            len_bytes,
            _pin: self.pin.clone(),
        })
    }

    /// All bytes.
    ///
    /// # Errors
    /// As [`range`](Self::range).
    pub async fn all(&self) -> Result<View, Error> {
        self.range(0..self.size).await
    }

    async fn add(
        &self,
        parts: &mut Vec<Part>,
        block: &Block,
        at: u64,
        len: usize,
        deadline: Time,
    ) -> Result<(), Error> {
        let within = (at - block.offset) as u32;
        if let Some((tier, handle)) = self.tier_of(block, deadline).await
            && let Some(place) = tier.place(&handle, within, len)
            && add_in_place(parts, &tier, (handle, place), len)
        {
            return Ok(());
        }
        let reader = Reader::new(self.core.clone());
        parts.push(Part::Copied(reader.read_to_vec(at, len).await?));
        Ok(())
    }

    /// The memory that a block is in, if this process has mapped it; connects if needed.
    async fn tier_of(&self, block: &Block, deadline: Time) -> Option<(Rc<MappedTier>, Handle)> {
        let handle = *block.handles.first().filter(|_| !block.lost)?;
        let (session, datanode) = (self.core.session(), handle.datanode.get());
        let now = session.runtime().now();
        let tier = session.datanodes().tier(datanode, now);
        if tier.is_some() || session.datanodes().ready(datanode, now).is_some() {
            return Some((tier?, handle));
        }
        // What is wrong with it the copy will say.
        Datanodes::connected(session, datanode, deadline).await.ok()?;
        Some((session.datanodes().tier(datanode, now)?, handle))
    }
}

/// Adds bytes in place; blocks that lie side by side become one slice.
fn add_in_place(
    parts: &mut Vec<Part>,
    tier: &Rc<MappedTier>,
    (handle, place): (Handle, Place),
    len: usize,
) -> bool {
    let start = place.start();
    if let Some(Part::InPlace {
        bytes,
        tier: before,
        range,
        blocks,
    }) = parts.last_mut()
        && Rc::ptr_eq(before, tier)
        && range.end == start
        && let Some(joined) = tier.pinned(range.start..start + len)
    {
        *bytes = joined;
        range.end = start + len;
        blocks.push((handle, place));
        return true;
    }
    let range = start..start + len;
    let Some(bytes) = tier.pinned(range.clone()) else {
        return false;
    };
    parts.push(Part::InPlace {
        bytes,
        tier: tier.clone(),
        range,
        blocks: vec![(handle, place)],
    });
    true
}

impl View {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.len_bytes
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// The bytes. A slice is as long as blocks lie side by side.
    pub fn slices(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.parts.iter().map(|part| match part {
            Part::InPlace { bytes, .. } => &bytes[..],
            Part::Copied(bytes) => bytes,
        })
    }

    /// The bytes, if they are one slice.
    pub fn as_slice(&self) -> Option<&[u8]> {
        match self.slices().len() {
            0 => Some(&[]),
            1 => self.slices().next(),
            _ => None,
        }
    }

    /// A copy of the bytes.
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices().collect::<Vec<_>>().concat()
    }

    /// Whether no byte was copied.
    pub fn is_in_place(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::InPlace { .. }))
    }

    /// Whether the bytes are still those of the file. Not after this client was silent for longer than a lease, or the namenode or a
    /// datanode has begun anew, and somebody else was given a block: whoever cannot rule that out looks after the work is done.
    pub fn is_held(&self) -> bool {
        self.parts.iter().all(|part| match part {
            Part::InPlace { tier, blocks, .. } => blocks
                .iter()
                .all(|(handle, place)| tier.is_current(handle, place)),
            Part::Copied(_) => true,
        })
    }
}

impl fmt::Debug for FileView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileView")
            .field("path", self.core.path())
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("len", &self.len_bytes)
            .field("slices", &self.parts.len())
            .field("is_in_place", &self.is_in_place())
            .finish_non_exhaustive()
    }
}

/// The files that a session has pinned: each once, however many look at it.
#[derive(Default)]
pub(crate) struct Pins {
    by_node: RefCell<BTreeMap<u64, Weak<Pin>>>,
}

/// The namenode leaves the blocks of a file as they are. Dropped, it tells the namenode that it need not any more.
pub(crate) struct Pin {
    session: Rc<Session>,
    path: Rc<str>,
    node: u64,
    id: Cell<u64>,
    _guard: LeaseGuard,
}

impl Pin {
    /// Asks each time, also where the file is pinned already: a client that was silent for too long does not know that it is not any more.
    ///
    /// The question goes on when nobody waits for the answer: who gave up would not know what to unpin.
    async fn of(core: &Rc<FileCore>, deadline: Time) -> Result<Rc<Pin>, Error> {
        let asking = Pin::ask(core.clone(), deadline);
        Unattended(Some(core.session().runtime().spawn(asking))).await
    }

    async fn ask(core: Rc<FileCore>, deadline: Time) -> Result<Rc<Pin>, Error> {
        let (session, node) = (core.session(), core.id());
        let request = PinFile {
            path: core.path().clone(),
            node,
        };
        let now = session.runtime().now();
        // From before the answer on: the lease counts from when it was given.
        let guard = session.hold_lease();
        let (id, attributes) = Pending::start_within(session, request, deadline - now).await?;
        core.set_attributes(attributes);
        // Ids rise, and only the last one counts.
        if let Some(pin) = session.pins().find(node) {
            pin.id.set(pin.id.get().max(id));
            return Ok(pin);
        }
        let pin = Rc::new(Pin {
            session: session.clone(),
            path: core.path().clone(),
            node,
            id: Cell::new(id),
            _guard: guard,
        });
        let mut by_node = session.pins().by_node.borrow_mut();
        by_node.insert(node, Rc::downgrade(&pin));
        Ok(pin)
    }
}

/// A task that goes on when nobody waits for it any more.
struct Unattended<T>(Option<Task<T>>);

impl<T> Future for Unattended<T> {
    type Output = T;

    fn poll(mut self: std::pin::Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let task = self.0.as_mut().expect("it is there until it is dropped");
        std::pin::Pin::new(task).poll(context)
    }
}

impl<T> Drop for Unattended<T> {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.detach();
        }
    }
}

impl Pins {
    fn find(&self, node: u64) -> Option<Rc<Pin>> {
        self.by_node.borrow().get(&node)?.upgrade()
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.session.pins().by_node.borrow_mut().remove(&self.node);
        let request = UnpinFile {
            path: self.path.clone(),
            pin: self.id.get(),
        };
        let unpinned = Pending::start(&self.session, request);
        let task = async move {
            if let Err(error) = unpinned.await {
                tracing::debug!(%error, "a file could not be unpinned; it will be when this client is silent");
            }
        };
        self.session.runtime().spawn(task).detach();
    }
}
