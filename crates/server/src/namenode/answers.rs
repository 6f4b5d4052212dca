//! What clients of this machine find without asking: answers that were given before, and whether they still hold
//! (`docs/format/answers.md`).
//!
//! No part of the state: without it all answers are the same.

use std::rc::Rc;

use crake_mem::{Extent, HugePages, Region, RegionError, Window};
use crake_store::protocol::answers::{
    ENTRY_BYTES_MAX, ENTRY_HEAD_BYTES, EPOCH_AT, Entry, EntryHead, HEAD_AT, Key, LINE_BYTES, LINES_AT,
    Layout, MAGIC, MAGIC_AT, VERSION, VERSION_AT, has_names,
};
use zerocopy::{FromBytes, IntoBytes};

/// What has changed since an answer was given. Clones are the same. Where nothing is shared it does nothing.
#[derive(Clone, Default)]
pub(super) struct Changes {
    shared: Option<Rc<Shared>>,
}

struct Shared {
    region: Rc<Region>,
    window: Rc<Window>,
    layout: Layout,
}

impl Changes {
    /// No answer about the node with this index, given before, holds any more. To be called before anybody is told of the change.
    #[inline]
    pub(super) fn of_node(&self, index: u32) {
        if let Some(shared) = &self.shared {
            shared.raise(shared.layout.change_at(index));
        }
    }

    /// No answer that was given before holds any more.
    pub(super) fn of_everything(&self) {
        if let Some(shared) = &self.shared {
            shared.raise(EPOCH_AT);
        }
    }
}

impl Shared {
    #[inline]
    fn raise(&self, at: usize) {
        self.region.store_u64(at, self.window.load_u64(at) + 1);
    }
}

/// The answers, where clients find them.
pub(super) struct Answers {
    shared: Rc<Shared>,
    whole: Extent,
    /// Where the next one goes, in lines since the first.
    head: u64,
    /// The last two that were asked for, by place in the index: only what is asked again is worth writing down.
    asked: Vec<[u32; 2]>,
    /// The last entry that was looked at.
    copy: Box<[u8; ENTRY_BYTES_MAX]>,
}

impl Answers {
    /// Room for about `bytes` of answers; in a file if other processes are to map it.
    pub(super) fn new(bytes: u64, in_file: bool) -> Result<Answers, RegionError> {
        let layout = Layout::of_bytes(bytes);
        let region = match in_file {
            true => Region::memfd("crake-answers", layout.len_bytes(), HugePages::Never)?,
            false => Region::anonymous(layout.len_bytes(), HugePages::Never)?,
        };
        region.close_file()?;
        region.store_u32(VERSION_AT, VERSION);
        region.store_u64(LINES_AT, layout.lines());
        region.store_u64(MAGIC_AT, MAGIC);
        let places = (layout.ring_at(0) - layout.places_at(0)) / 16;
        Ok(Answers {
            whole: region.extent(..),
            shared: Rc::new(Shared {
                window: Window::of(&region),
                region,
                layout,
            }),
            head: 0,
            asked: vec![[0; 2]; places],
            copy: Box::new([0; ENTRY_BYTES_MAX]),
        })
    }

    pub(super) fn region(&self) -> &Rc<Region> {
        &self.shared.region
    }

    /// Who changes something says so here.
    pub(super) fn changes(&self) -> Changes {
        Changes {
            shared: Some(self.shared.clone()),
        }
    }

    /// An answer about a node was given; `message` makes it again if it is to be written down: when it is asked for the second time, as
    /// far as is remembered. Nothing if it may end to hold without being changed.
    #[inline]
    pub(super) fn given(&mut self, key: &Key<'_>, node: u32, message: impl FnOnce() -> Option<Vec<u8>>) {
        let hash = key.hash();
        let place = hash as usize & (self.asked.len() - 1);
        let (mark, asked) = ((hash >> 32) as u32, &mut self.asked[place]);
        if !asked.contains(&mark) {
            *asked = [mark, asked[0]];
        } else if !self.is_there(hash, key)
            && let Some(message) = message()
        {
            self.write(hash, key, node, &message);
        }
    }

    /// Whether there is such an answer that holds. Who asks all the same does not look, or cannot.
    fn is_there(&mut self, hash: u64, key: &Key<'_>) -> bool {
        self.entries(hash).into_iter().any(|entry| {
            let is_it = |head: &EntryHead| head.message_of(hash, key).is_some();
            entry.may_be(hash)
                && self
                    .read(entry)
                    .is_some_and(|head| is_it(&head) && self.holds(&head))
                && has_names(&*self.copy, key)
        })
    }

    fn entries(&self, hash: u64) -> [Entry; 2] {
        let at = self.shared.layout.places_at(hash);
        [at, at + 8].map(|at| Entry(self.shared.window.load_u64(at)))
    }

    /// Copies an entry, if it was not written over, and gives its head.
    fn read(&mut self, entry: Entry) -> Option<EntryHead> {
        let layout = &self.shared.layout;
        if entry == Entry(0) || self.head - entry.position() > layout.lines() {
            return None;
        }
        let at = layout.ring_at(entry.position());
        self.shared.window.copy_out(at, &mut self.copy[..]);
        EntryHead::read_from_bytes(&self.copy[..ENTRY_HEAD_BYTES]).ok()
    }

    fn holds(&self, head: &EntryHead) -> bool {
        let (window, layout) = (&self.shared.window, &self.shared.layout);
        head.epoch.get() == window.load_u64(EPOCH_AT)
            && head.change.get() == window.load_u64(layout.change_at(head.node.get()))
    }

    /// In this order: what is written over counts as such before it is, and an entry is found when it is there.
    fn write(&mut self, hash: u64, key: &Key<'_>, node: u32, message: &[u8]) {
        let len = ENTRY_HEAD_BYTES + key.path.len() + key.key.len() + message.len();
        if len > ENTRY_BYTES_MAX {
            return;
        }
        let (region, window, layout) = (&self.shared.region, &self.shared.window, &self.shared.layout);
        let head = EntryHead {
            hash: hash.into(),
            epoch: window.load_u64(EPOCH_AT).into(),
            change: window.load_u64(layout.change_at(node)).into(),
            node: node.into(),
            method: key.method.into(),
            flags: key.flags.into(),
            base: key.base.into(),
            path_len: (key.path.len() as u16).into(),
            key_len: (key.key.len() as u16).into(),
            message_len: (message.len() as u32).into(),
        };
        let position = start(self.head, len.div_ceil(LINE_BYTES) as u64, layout.lines());
        self.head = position + len.div_ceil(LINE_BYTES) as u64;
        region.store_u64(HEAD_AT, self.head);
        region.order_stores();
        let mut at = layout.ring_at(position);
        for part in [head.as_bytes(), key.path, key.key, message] {
            self.whole.write(at, part);
            at += part.len();
        }
        let place = layout.places_at(hash);
        // Of two that share a place the older one goes, or the same one that no longer holds.
        let first = Entry(window.load_u64(place));
        if !first.may_be(hash) {
            region.store_u64(place + 8, first.0);
        }
        region.store_u64(place, Entry::new(position, hash).0);
    }

    /// All that hold: the key's method, flags, base, path and key, and the message.
    pub(super) fn each(&mut self, mut found: impl FnMut(&Key<'_>, &[u8])) {
        for place in 0..self.asked.len() as u64 {
            for entry in self.entries(place) {
                let Some(head) = self.read(entry).filter(|head| self.holds(head)) else {
                    continue;
                };
                let bytes = &self.copy;
                let names = ENTRY_HEAD_BYTES + usize::from(head.path_len.get());
                let message = names + usize::from(head.key_len.get());
                let key = Key {
                    method: head.method.get(),
                    flags: head.flags.get(),
                    base: head.base.get(),
                    path: &bytes[ENTRY_HEAD_BYTES..names],
                    key: &bytes[names..message],
                };
                found(&key, &bytes[message..message + head.message_len.get() as usize]);
            }
        }
    }
}

/// Where so many lines go: not over the end of the ring.
fn start(head: u64, lines: u64, ring: u64) -> u64 {
    match head % ring + lines > ring {
        true => head.next_multiple_of(ring),
        false => head,
    }
}
