//! What a namespace tells those who watch its nodes, and multifiles that get no more parts.

use super::command::{Failure, Happened, Kind, NodeId, Reply, SessionId};
use super::namespace::Namespace;
use super::records::Place;

impl Namespace {
    pub(super) fn watch(
        &mut self,
        session: SessionId,
        base: NodeId,
        path: &str,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        let node = self.attributes(index);
        let (watch, watcher) = self.watches.begin(session, node.id, self.now)?;
        Ok(Reply::Watched { watch, watcher, node })
    }

    pub(super) fn unwatch(&mut self, session: SessionId, watch: u64) -> Reply<'_> {
        self.watches.end(session, watch);
        Reply::Unwatched
    }

    pub(super) fn events(&mut self, session: SessionId, watcher: u64, after: u64) -> Reply<'_> {
        let session = (session, watcher);
        Reply::Events(self.watches.events(session, after, self.now.mono_ns))
    }

    /// Sessions whose events can be told, each once until there are new ones.
    pub(super) fn next_told(&mut self) -> Option<SessionId> {
        self.watches.next_ready()
    }

    /// A session waits for events: it is there, though it is silent.
    pub(super) fn keep_watcher(&mut self, session: SessionId) {
        self.watches.keep(session, self.now.mono_ns);
    }

    /// To be called when it has happened, or, of what is deleted, before.
    #[inline]
    pub(super) fn tell(&mut self, happened: Happened, index: u32) {
        if !self.watches.is_empty() {
            self.tell_watchers(happened, index);
        }
    }

    #[cold]
    fn tell_watchers(&mut self, happened: Happened, index: u32) {
        let about = self.attributes(index);
        // A branch is an entry at another partition, a shard none at all.
        if !self.is_apart(index) {
            let container = self.nodes.id(self.nodes.records.at(index).parent);
            self.watches
                .tell(container, self.nodes.name(index), happened, &about);
        }
        // Under another name, or gone: the former is not its own concern, and of the latter it is told by itself.
        if !matches!(happened, Happened::Created | Happened::Deleted) {
            self.watches.tell(about.id, &[], happened, &about);
        }
    }

    /// A node is about to be no more, whatever becomes of its record.
    #[inline]
    pub(super) fn tell_gone(&mut self, index: u32) {
        if !self.watches.is_empty() {
            let about = self.attributes(index);
            self.watches.gone(&about);
        }
    }

    pub(super) fn seal(&mut self, base: NodeId, path: &str) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        if self.kind(index) != Kind::Multifile {
            return Err(Failure::WrongKind);
        }
        if !self.is_sealed(index) {
            let wall_ns = self.now.wall_ns;
            let record = self.nodes.records.at_mut(index);
            record.place = Place::Sealed;
            record.modified_ns = wall_ns;
            self.tell(Happened::Sealed, index);
        }
        Ok(self.node_reply(index))
    }

    /// Whether no more entries may come into a container.
    pub(super) fn is_sealed(&self, index: u32) -> bool {
        self.nodes.records.at(index).place == Place::Sealed
    }

    /// Refuses a new entry of this kind where it must not be.
    pub(super) fn check_entry(&self, parent: u32, kind: Kind) -> Result<(), Failure> {
        if !self.kind(parent).accepts(kind) {
            return Err(Failure::WrongKind);
        }
        match self.is_sealed(parent) {
            true => Err(Failure::Sealed),
            false => Ok(()),
        }
    }
}
