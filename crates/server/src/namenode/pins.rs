//! Files whose bytes are being looked at in place, and the blocks of those that are no more.
//!
//! A session that pins a file may look at its blocks without asking anybody. So when the file is removed or replaced, its blocks
//! stay as they are until the last session has let go of it, or has fallen silent; only then they can be somebody else's.

use std::collections::BTreeMap;

use crake_store::canary::{Canary, planted};

use super::blocks::Extent;
use super::command::{Attributes, Failure, Kind, LeaseId, NodeId, Reply, SessionId};
use super::namespace::Namespace;
use super::sessions::Held;
use super::state::fields;

impl Namespace {
    /// Keeps the blocks of a file as they are for a session. A session pins a file once: when it asks again, as one does whose
    /// answer was lost, or who wants to be sure, the pin has another id, and the id before means nothing any more. It may ask again after the
    /// file is no more.
    pub(super) fn pin(&mut self, session: SessionId, node: NodeId) -> Result<Reply<'_>, Failure> {
        let before = self.pins.hold(node, session);
        let attributes = self.pinnable(node, before.is_some())?;
        match before {
            Some(before) => drop(self.sessions.release(before)),
            None => self.sessions.reserve(session)?,
        }
        let pin = self
            .sessions
            .hold(session, self.now.mono_ns, Held::Pin(node, session));
        self.pins.insert(node, session, pin);
        Ok(Reply::Opened {
            node: attributes,
            lease: LeaseId(pin),
            // Who opened it has the first blocks, and may ask for the others whenever it needs them.
            blocks: &[],
        })
    }

    /// What is known of a file, or, for who has pinned it already, of what is left of it.
    fn pinnable(&self, node: NodeId, is_pinned: bool) -> Result<Attributes, Failure> {
        let buried = || self.buried_pinned(node).filter(|_| is_pinned);
        match self.find_node(node).or_else(buried) {
            Some(index) if self.kind(index).is_container() => Err(Failure::IsADirectory),
            Some(index) => Ok(self.attributes(index)),
            None => {
                let remains = self.pins.remains(node).filter(|_| is_pinned);
                remains.map(|(attributes, _)| attributes).ok_or(Failure::NotFound)
            }
        }
    }

    /// Ends a pin, if it is there.
    pub(super) fn unpin(&mut self, session: SessionId, pin: LeaseId) -> Reply<'_> {
        if let Some(&Held::Pin(node, _)) = self.sessions.held(pin.0, session) {
            self.sessions.release(pin.0);
            self.drop_pin(node, session);
        }
        Reply::Unpinned
    }

    /// A session's pin of a file has ended.
    pub(super) fn drop_pin(&mut self, node: NodeId, session: SessionId) {
        let free = self.pins.remove(node, session);
        free.iter()
            .for_each(|extent| self.registry.release(&extent.block));
    }
}

/// The files that sessions have pinned.
#[derive(Debug, Default, Hash)]
pub(super) struct Pins {
    files: BTreeMap<NodeId, Pinned>,
}

#[derive(Debug, Default, Hash)]
struct Pinned {
    /// The hold of each session that has pinned it.
    holds: BTreeMap<SessionId, u64>,
    /// Size and blocks, once the file is no more.
    remains: Option<(u64, Vec<Extent>)>,
}

fields!(Pins { files });
fields!(Pinned { holds, remains });

impl Pins {
    /// The hold by which a session has pinned a file.
    pub(super) fn hold(&self, node: NodeId, session: SessionId) -> Option<u64> {
        self.files.get(&node)?.holds.get(&session).copied()
    }

    /// Whether anybody has pinned a file.
    pub(super) fn is_pinned(&self, node: NodeId) -> bool {
        self.files.contains_key(&node)
    }

    /// A session has pinned a file by this hold, in the place of its hold before.
    pub(super) fn insert(&mut self, node: NodeId, session: SessionId, hold: u64) {
        self.files.entry(node).or_default().holds.insert(session, hold);
    }

    /// A session has let go of a file. Gives the blocks that are free now.
    pub(super) fn remove(&mut self, node: NodeId, session: SessionId) -> Vec<Extent> {
        let Some(pinned) = self.files.get_mut(&node) else {
            return Vec::new();
        };
        pinned.holds.remove(&session);
        if !pinned.holds.is_empty() {
            return Vec::new();
        }
        let gone = self.files.remove(&node);
        gone.and_then(|gone| gone.remains)
            .map_or_else(Vec::new, |(_, extents)| extents)
    }

    /// A file is no more. Keeps its blocks if it is pinned, or else gives them back.
    pub(super) fn keep<E>(&mut self, node: NodeId, size: u64, extents: E) -> Option<E>
    where
        E: IntoIterator<Item = Extent>,
    {
        // As a rule nothing is.
        if self.files.is_empty() || planted(Canary::ForgetPins) {
            return Some(extents);
        }
        match self.files.get_mut(&node) {
            Some(pinned) => {
                pinned.remains = Some((size, extents.into_iter().collect()));
                None
            }
            None => Some(extents),
        }
    }

    /// What is left of a file that is no more: what is known of it, and its blocks.
    pub(super) fn remains(&self, node: NodeId) -> Option<(Attributes, &[Extent])> {
        let (size, extents) = self.files.get(&node)?.remains.as_ref()?;
        let attributes = Attributes {
            id: node,
            size: *size,
            kind: Kind::File,
            replicas: 1,
            ..Attributes::default()
        };
        Some((attributes, extents))
    }

    /// The files from this one on that are no more, with their blocks.
    pub(super) fn remains_from(&self, first: NodeId) -> impl Iterator<Item = (NodeId, &[Extent])> {
        self.files.range(first..).filter_map(|(node, pinned)| {
            let (_, extents) = pinned.remains.as_ref()?;
            Some((*node, extents.as_slice()))
        })
    }

    /// All blocks of files that are no more.
    pub(super) fn extents(&self) -> impl Iterator<Item = &Extent> {
        let remains = self.files.values().filter_map(|pinned| pinned.remains.as_ref());
        remains.flat_map(|(_, extents)| extents)
    }

    /// Each pin: file, session, hold.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, SessionId, u64)> {
        self.files.iter().flat_map(|(node, pinned)| {
            let holds = pinned.holds.iter();
            holds.map(|(session, hold)| (*node, *session, *hold))
        })
    }
}
