//! Containers: create, list, rename, delete.

use std::ops::Bound;

use crake_mem::prefetch_read;
use crake_store::canary::{Canary, planted};

use super::command::{
    Create, Entries, Failure, Happened, Kind, LeaseId, NodeId, PAGE_MAX, PageItem, Reply, SessionId,
};
use super::errands::ErrandName;
use super::expiry::Passed;
use super::file::FIRST_BLOCKS;
use super::moves::Destination;
use super::names::{Name, check_name, end_of};
use super::namespace::{Namespace, ROOT, Target};
use super::nodes::{BlockSpan, Container, Nodes, name_of};
use super::quota::{Amount, Room};
use super::slab::NONE;
use super::table::BLOCK_BYTES;

/// What an entry of a listing takes on the wire beside its name, at most: its place in the list (8), its bitmap and
/// slots (24), the attributes' bitmap and slots (104), padding of the name (8).
const ENTRY_BYTES: usize = 144;

impl Namespace {
    pub(super) fn create(&mut self, session: SessionId, request: &Create<'_>) -> Result<Reply<'_>, Failure> {
        self.blocks.clear();
        if request.kind == Kind::KeyValue {
            return Err(Failure::WrongKind);
        }
        let directory = request.branch.map(|home| home.partition);
        if let Some(home) = request.branch
            && directory != Some(self.config.partition)
        {
            return self.create_branch(request, home);
        }
        if request.storage_class > u32::from(u8::MAX) {
            return Err(Failure::TooLong);
        }
        let target = self.walk(request.base, request.path)?;
        if let Some(index) = target.node {
            if self.is_link(index) && (self.kind(index).is_container() || self.is_withheld(index)) {
                return Err(self.refer(index, end_of(request.path, target.name)));
            }
            return self.create_over(session, request, index);
        }
        let kinds = self.check_new_names(request, &target)?;
        if request.branch.is_none()
            && let Some(home) = self.home_of_first(request, &target)
        {
            let consumed = end_of(request.path, target.name);
            return Err(self.refer_home(home, target.parent, consumed));
        }
        self.reserve_nodes(kinds)?;
        let job = self.job_of(target.parent);
        self.check_quota(job, Amount::default(), Amount::nodes(kinds as u64))?;
        let is_to_spread = self.is_to_spread(request.kind, &target);
        if is_to_spread {
            self.reserve_shards()?;
        }
        self.reserve_writer(session, request, self.room(job, 0))?;
        let (mut parent, mut name) = (target.parent, target.name);
        for next in target.rest {
            parent = self.make(parent, name, Kind::Directory);
            name = next;
        }
        let index = self.make(parent, name, request.kind);
        if is_to_spread {
            self.spread(index, request);
        }
        Ok(self.open_new(session, request, index))
    }

    /// How many nodes have to be made; refuses names that must not be.
    fn check_new_names(&self, request: &Create<'_>, target: &Target<'_>) -> Result<usize, Failure> {
        let mut count = 1;
        for name in target.rest {
            if !request.parents {
                return Err(Failure::NotFound);
            }
            check_name(name)?;
            count += 1;
        }
        let first = if count == 1 { request.kind } else { Kind::Directory };
        self.check_entry(target.parent, first)?;
        if request.path.ends_with('/') && !request.kind.is_container() {
            return Err(Failure::IsADirectory);
        }
        Ok(count)
    }

    fn create_over(
        &mut self,
        session: SessionId,
        request: &Create<'_>,
        index: u32,
    ) -> Result<Reply<'_>, Failure> {
        let there = self.kind(index);
        self.check_made(index)?;
        if request.existing_ok && request.kind.is_container() && there == request.kind {
            return Ok(self.opened(index, LeaseId(0)));
        }
        if !request.replace || request.kind.is_container() {
            return Err(Failure::AlreadyExists);
        }
        match there {
            Kind::File => self.check_trailing_slash(index, request.path)?,
            Kind::KeyValue => return Err(Failure::WrongKind),
            Kind::Directory | Kind::Multifile | Kind::Table => return Err(Failure::IsADirectory),
        }
        if self.branches.is_branch(index) {
            // Its name is elsewhere, and what takes it is made there.
            return Err(Failure::NotFound);
        }
        self.await_referrals_to(index)?;
        let job = self.job_of(index);
        let freed = job.map_or(0, |_| self.amount_of(index).bytes);
        self.reserve_writer(session, request, self.room(job, freed))?;
        self.tell(Happened::Deleted, index);
        let index = self.supersede(index);
        self.tell(Happened::Created, index);
        Ok(self.open_new(session, request, index))
    }

    /// Takes what a new file needs: a lease, and the first blocks if its size is known.
    fn reserve_writer(
        &mut self,
        session: SessionId,
        request: &Create<'_>,
        room: Room,
    ) -> Result<(), Failure> {
        if request.kind != Kind::File {
            return Ok(());
        }
        self.sessions.reserve(session)?;
        if request.size_hint > 0 {
            let class = (request.storage_class, request.location_class);
            self.take_blocks(class, 0, request.size_hint, room)?;
        }
        Ok(())
    }

    fn open_new(&mut self, session: SessionId, request: &Create<'_>, index: u32) -> Reply<'_> {
        let record = self.nodes.records.at_mut(index);
        record.storage_class = request.storage_class as u8;
        record.location_or_version = request.location_class;
        self.begin_life(index, request.ttl_ns);
        let lease = if request.kind == Kind::File {
            self.begin_writing(session, index)
        } else {
            LeaseId(0)
        };
        self.opened(index, lease)
    }

    pub(super) fn list(
        &mut self,
        (base, path): (NodeId, &str),
        (prefix, after): (&[u8], &[u8]),
        limit: u32,
        with_blocks: bool,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        if !self.kind(index).is_container() {
            return Err(Failure::NotADirectory);
        }
        let mut more = self.collect_entries(index, prefix, after, page_limit(limit))?;
        if !self.moves.is_empty() && self.page_has_moving() {
            return Err(Failure::Busy);
        }
        self.blocks.clear();
        if with_blocks {
            more |= self.collect_first_blocks();
        }
        Ok(Reply::List {
            entries: Entries {
                nodes: &self.nodes,
                branches: &self.branches,
                blocks: &self.blocks,
                page: self.page.iter(),
            },
            shards: self.shards.of_table(index)?,
            more,
        })
    }

    fn page_has_moving(&self) -> bool {
        let mut records = self.page.iter().filter_map(|item| item.record);
        records.any(|record| self.is_withheld(record))
    }

    /// Fills the page with a container's entries; says whether there are others.
    fn collect_entries(
        &mut self,
        index: u32,
        prefix: &[u8],
        after: &[u8],
        limit: usize,
    ) -> Result<bool, Failure> {
        self.page.clear();
        let mut room = self.config.page_bytes_max as usize;
        let (page, nodes, leftovers) = (&mut self.page, &self.nodes, self.leftovers);
        let mut passed = Passed::default();
        let more = nodes.visit(index, prefix, after, |name, child| {
            if leftovers && nodes.deadlines.is_due(child) {
                return passed.one_more();
            }
            let bytes = ENTRY_BYTES + name.len();
            if page.len() == limit || bytes > room {
                return false;
            }
            room -= bytes;
            prefetch_read(nodes.records.at(child));
            page.push(PageItem {
                record: Some(child),
                blocks: BlockSpan::default(),
            });
            true
        });
        passed.outcome().map(|()| more)
    }

    /// Adds the first blocks of the files of a page, and cuts the page where there is no more room; says whether it did.
    fn collect_first_blocks(&mut self) -> bool {
        let mut room = self.config.page_bytes_max as usize;
        for at in 0..self.page.len() {
            let record = self.page[at].record.expect("a listing's page has nodes only");
            let blocks = self.collect_blocks(record, 0, FIRST_BLOCKS);
            let count = (blocks.end - blocks.start) as usize;
            let bytes = ENTRY_BYTES + self.nodes.name(record).len() + count * BLOCK_BYTES;
            if bytes > room {
                self.page.truncate(at);
                return true;
            }
            room -= bytes;
            self.page[at].blocks = blocks;
        }
        false
    }

    pub(super) fn rename(
        &mut self,
        from: (NodeId, &str),
        to: (NodeId, &str),
        no_replace: bool,
    ) -> Result<Reply<'_>, Failure> {
        let index = self.walk(from.0, from.1)?.node.ok_or(Failure::NotFound)?;
        self.check_trailing_slash(index, from.1)?;
        let target = self.walk(to.0, to.1).map_err(|failure| self.of_second(failure))?;
        if index == ROOT || target.node == Some(ROOT) {
            return Err(Failure::RootIsFixed);
        }
        if !target.rest.is_empty() {
            return Err(Failure::NotFound);
        }
        if self.moves.is_moving(index) {
            return Err(Failure::Busy);
        }
        if target.node == Some(index) && !no_replace {
            return Ok(self.node_reply(index));
        }
        self.check_move(index, &target, to.1, no_replace)?;
        let name = match target.node {
            // The name stays that of the record when the path has none of its own.
            Some(replaced) => self.nodes.name(replaced).to_vec(),
            None => target.name.to_vec(),
        };
        self.check_links(index, &target)?;
        if self.changes_trunk(index, target.parent) {
            let destination = Destination {
                partition: self.config.partition,
                directory: self.nodes.id(target.parent),
                name: ErrandName::new(&name),
                replace: !no_replace,
            };
            return self.begin_move(index, destination);
        }
        self.await_referrals(index)?;
        if let Some(replaced) = target.node {
            self.await_referrals_to(replaced)?;
        }
        let (from, to) = (self.job_of(index), self.job_of(target.parent));
        let moved = self.check_crossing(index, (from, to), target.node)?;
        if let Some(replaced) = target.node {
            self.replace(replaced);
        }
        self.tell(Happened::Deleted, index);
        self.unlink(index);
        self.link(target.parent, &name, index);
        self.tell(Happened::Created, index);
        self.give_back(from, moved);
        self.charge(to, moved);
        Ok(self.node_reply(index))
    }

    fn check_move(&self, index: u32, target: &Target<'_>, to: &str, no_replace: bool) -> Result<(), Failure> {
        self.check_mover(index, to)?;
        let kind = self.kind(index);
        if target.node.is_some() && no_replace {
            return Err(Failure::AlreadyExists);
        }
        if kind.is_container() && self.is_within(target.parent, index) {
            return Err(Failure::Cycle);
        }
        self.check_unfixed(index)?;
        match target.node {
            Some(replaced) => self
                .check_unfixed(replaced)
                .and_then(|()| self.check_replaced(kind, replaced)),
            None => self.check_entry(target.parent, kind),
        }
    }

    /// Whether a node may have a new path as far as that can be said without looking there.
    pub(super) fn check_mover(&self, index: u32, to: &str) -> Result<(), Failure> {
        let kind = self.kind(index);
        if kind == Kind::KeyValue {
            return Err(Failure::WrongKind);
        }
        if to.ends_with('/') && !kind.is_container() {
            return Err(Failure::NotADirectory);
        }
        Ok(())
    }

    /// What a move brings from one job, or none, to another; refused if that may not have it.
    pub(super) fn check_crossing(
        &mut self,
        index: u32,
        (from, to): (Option<u32>, Option<u32>),
        replaced: Option<u32>,
    ) -> Result<Amount, Failure> {
        if from == to {
            return Ok(Amount::default());
        }
        let moved = self.amount_of_tree(index)?;
        let replaced = replaced.map_or(Amount::default(), |index| self.amount_of(index));
        self.check_quota(to, replaced, moved)?;
        Ok(moved)
    }

    /// Whether a node of this kind may take the place of another.
    pub(super) fn check_replaced(&self, kind: Kind, replaced: u32) -> Result<(), Failure> {
        if self.moves.is_moving(replaced) {
            return Err(Failure::Busy);
        }
        let there = self.kind(replaced);
        match (kind.is_container(), there.is_container()) {
            (false, true) => Err(Failure::IsADirectory),
            (true, false) => Err(Failure::NotADirectory),
            // Whether it is empty is not known here.
            (true, true) if kind == there && self.is_link(replaced) => Err(Failure::CrossPartition),
            // Nor is it of a table that has keys elsewhere, but what that is.
            (true, true) if kind != there && self.is_spread(replaced) => Err(Failure::WrongKind),
            (true, true) if !self.is_vacant(replaced)? => Err(Failure::NotEmpty),
            _ if kind != there => Err(Failure::WrongKind),
            _ => Ok(()),
        }
    }

    /// Whether `index` is `top`, or somewhere below it.
    pub(super) fn is_within(&self, mut index: u32, top: u32) -> bool {
        while index != top && index != ROOT {
            index = self.nodes.records.at(index).parent;
        }
        index == top
    }

    pub(super) fn delete(&mut self, base: NodeId, path: &str, recursive: bool) -> Result<Reply<'_>, Failure> {
        let index = self.resolve(base, path)?;
        if index == ROOT {
            return Err(Failure::RootIsFixed);
        }
        self.check_unfixed(index)?;
        self.check_settled(index)?;
        self.check_still(index)?;
        if !recursive && self.kind(index).is_container() && !self.is_vacant(index)? {
            return Err(Failure::NotEmpty);
        }
        // What is below it at other partitions goes later than this is answered, and nobody is to find it by the old way.
        if recursive {
            self.await_referrals(index)?;
        }
        self.tell(Happened::Deleted, index);
        self.unlink(index);
        Ok(Reply::Deleted {
            nodes: self.free_tree(index),
        })
    }

    #[inline]
    pub(super) fn node_reply(&self, index: u32) -> Reply<'_> {
        Reply::Node {
            node: self.attributes(index),
            blocks: &[],
            inline_value: &[],
        }
    }
}

/// Entries of a page that was asked for with this limit.
pub(super) fn page_limit(limit: u32) -> usize {
    match limit as usize {
        0 => PAGE_MAX,
        limit => limit.min(PAGE_MAX),
    }
}

impl Nodes {
    pub(super) fn container_mut(&mut self, index: u32) -> &mut Container {
        let record = self.records.at_mut(index);
        if record.extra == NONE {
            record.extra = self.containers.insert(Container::default());
        }
        &mut self.containers[record.extra]
    }

    pub(super) fn add_child(&mut self, parent: u32, name: &[u8], index: u32) {
        self.container_mut(parent).children.insert(name, index);
        self.records.at_mut(parent).size += 1;
    }

    pub(super) fn remove_child(&mut self, parent: u32, index: u32) {
        let extra = self.records.at(parent).extra;
        let name = name_of(self.records.at(index), &self.long_names);
        let container = &mut self.containers[extra];
        let removed = container.children.remove(name);
        debug_assert_eq!(removed, Some(index));
        let is_bare = container.children.is_empty() && container.version == 0;
        let record = self.records.at_mut(parent);
        record.size -= 1;
        if is_bare {
            record.extra = NONE;
            self.containers.remove(extra);
        }
    }

    /// The first entry of a container, if this is one and has any.
    pub(super) fn first_child(&self, index: u32) -> Option<u32> {
        let record = self.records.at(index);
        let container = match record.kind().is_container() {
            true => self.containers.get(record.extra)?,
            false => return None,
        };
        let first = container.children.range(Bound::Unbounded).next();
        first.map(|(_, child)| child)
    }

    /// Takes away what a container has beyond its record; of another kind of node, nothing.
    pub(super) fn take_children(&mut self, index: u32) -> impl Iterator<Item = (Name, u32)> + use<> {
        let record = self.records.at_mut(index);
        let container = match record.kind().is_container() && record.extra != NONE {
            true => {
                record.size = 0;
                self.containers.remove(std::mem::replace(&mut record.extra, NONE))
            }
            false => Container::default(),
        };
        container.children.into_iter()
    }

    /// Shows the entries with a prefix and above a name in their order, until `visitor` has enough; says whether it had.
    pub(super) fn visit(
        &self,
        index: u32,
        prefix: &[u8],
        after: &[u8],
        mut visitor: impl FnMut(&[u8], u32) -> bool,
    ) -> bool {
        let Some(container) = self.containers.get(self.records.at(index).extra) else {
            return false;
        };
        let from = if after.is_empty() || after < prefix {
            Bound::Included(prefix)
        } else {
            Bound::Excluded(after)
        };
        let skipped = usize::from(planted(Canary::ListSkips) && !after.is_empty());
        let mut entries = container
            .children
            .range(from)
            .skip(skipped)
            .take_while(|(name, _)| name.starts_with(prefix));
        entries.any(|(name, child)| !visitor(name, child))
    }
}
