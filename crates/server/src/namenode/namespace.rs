//! The state machine: one command at a time, and what is common to all of them.

use crake_store::canary::{Canary, planted};

use super::answers::Changes;
use super::blocks::Extent;
use super::borrowing::Borrowing;
use super::branches::Branches;
use super::command::{
    Attributes, Block, Command, DatanodeIds, Datanodes, Failure, Happened, Kind, LeaseId, NodeId, Now,
    PageItem, Reply, SessionId, Usage,
};
use super::config::Config;
use super::datanodes::{Limits, Registry};
use super::errands::Errands;
use super::index::Index;
use super::jobs::Jobs;
use super::lending::Lending;
use super::log::{Event, Journal};
use super::moves::Moves;
use super::names::{NameHasher, PathNames, check_name, end_of};
use super::nodes::Nodes;
use super::pins::Pins;
use super::quota::{Amount, block_bytes};
use super::records::Place;
use super::referrals::Referrals;
use super::removal::Removals;
use super::sessions::{Held, Sessions};
use super::shards::Shards;
use super::shortcuts::Shortcuts;
use super::slab::NONE;
use super::watches::Watches;

/// Index of the root's record, which is made first.
pub(super) const ROOT: u32 = 0;

/// The namespace of one partition, with the blocks of its files and the datanodes that have them.
///
/// It opens no socket, reads no clock and draws no randomness: the same commands at the same times give the same replies
/// and the same state. A command that fails has changed nothing: what can run out is taken before anything is changed.
pub struct Namespace {
    pub(super) config: Config,
    pub(super) now: Now,
    pub(super) nodes: Nodes,
    pub(super) index: Index,
    pub(super) shortcuts: Shortcuts,
    pub(super) hasher: NameHasher,
    pub(super) changes: Changes,
    pub(super) journal: Journal,
    pub(super) registry: Registry,
    pub(super) sessions: Sessions,
    pub(super) pins: Pins,
    pub(super) watches: Watches,
    pub(super) jobs: Jobs,
    pub(super) removals: Removals,
    pub(super) branches: Branches,
    pub(super) shards: Shards,
    pub(super) errands: Errands,
    pub(super) moves: Moves,
    pub(super) referrals: Referrals,
    pub(super) lending: Lending,
    pub(super) borrowing: Borrowing,
    /// Whether anything is due, or being removed: what is found may be that, or below it.
    pub(super) leftovers: bool,
    /// Blocks taken by the present command, until they have an owner.
    pub(super) taken: Vec<Extent>,
    /// What the latest reply borrows.
    pub(super) blocks: Vec<Block>,
    pub(super) page: Vec<PageItem>,
    pub(super) outcomes: Vec<Result<u64, Failure>>,
    pub(super) member_page: Vec<u32>,
}

/// Where a path leads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target<'a> {
    /// The container of the last name that was looked for. Of the root: itself.
    pub(super) parent: u32,
    /// That name; empty if the path has none and means the node that it starts from.
    pub(super) name: &'a [u8],
    /// What has this name.
    pub(super) node: Option<u32>,
    /// Names behind it, if there is none.
    pub(super) rest: PathNames<'a>,
}

impl Namespace {
    /// An empty namespace: a root without entries, and no datanodes.
    ///
    /// # Panics
    /// If the limits contradict each other (see the fields of [`Config`]).
    pub fn new(config: Config) -> Self {
        assert!(config.is_sound(), "limits that contradict each other");
        let mut nodes = Nodes::new();
        let root = nodes.records.insert(Kind::Directory);
        debug_assert_eq!((root, nodes.id(root)), (ROOT, NodeId::ROOT));
        nodes.records.at_mut(root).parent = ROOT;
        Self {
            now: Now::default(),
            nodes,
            index: Index::new(),
            shortcuts: Shortcuts::new(),
            hasher: NameHasher::new(config.seed),
            changes: Changes::default(),
            journal: Journal::default(),
            registry: Registry::new(Limits {
                datanodes_max: config.datanodes_max,
                heartbeat_timeout_ns: config.heartbeat_timeout_ns,
                namenode: config.incarnation,
                seed: config.seed,
                partition: config.partition,
            }),
            sessions: Sessions::new(&config),
            pins: Pins::default(),
            watches: Watches::new(config.watches()),
            jobs: Jobs::default(),
            removals: Removals::default(),
            branches: Branches::default(),
            shards: Shards::default(),
            errands: Errands::default(),
            moves: Moves::default(),
            referrals: Referrals::default(),
            lending: Lending::default(),
            borrowing: Borrowing::default(),
            leftovers: false,
            taken: Vec::new(),
            blocks: Vec::new(),
            page: Vec::new(),
            outcomes: Vec::new(),
            member_page: Vec::new(),
            config,
        }
    }

    /// Has all changes told from now on, for who keeps answers.
    pub(super) fn set_changes(&mut self, changes: &Changes) {
        self.changes = changes.clone();
        self.nodes.records.changes = changes.clone();
        self.registry.changes = changes.clone();
    }

    /// Does what a session asks, after everything that was due before `now`.
    pub fn apply<'a>(
        &'a mut self,
        now: Now,
        session: SessionId,
        command: &Command<'a>,
    ) -> Result<Reply<'a>, Failure> {
        self.advance(now);
        // What time or a replay has set off, nobody waits for.
        self.errands.forget_awaited();
        self.moves.forget_latest();
        let noted = self.journal.begin(self.now, session, command)?;
        let result = self.execute(session, command);
        if let Some(noted) = noted {
            noted.settle(&result);
        }
        result
    }

    /// Does what a session asks, at the present time.
    pub(super) fn execute<'a>(
        &'a mut self,
        session: SessionId,
        command: &Command<'a>,
    ) -> Result<Reply<'a>, Failure> {
        match *command {
            Command::Lookup { base, path, blocks } => self.lookup(base, path, blocks),
            Command::List {
                base,
                path,
                prefix,
                after,
                limit,
                blocks,
            } => self.list((base, path), (prefix, after), limit, blocks),
            Command::Blocks { node, offset, limit } => self.blocks_of(node, offset, limit),
            Command::OpenTable { base, path } => self.open_table(base, path),
            Command::Get { table, path, key } => self.get(table, path, key),
            Command::MultiGet { table, path, keys } => self.multi_get(table, path, keys),
            Command::Watch { base, path } => self.watch(session, base, path),
            Command::Unwatch { watch } => Ok(self.unwatch(session, watch)),
            Command::Events { watcher, after } => Ok(self.events(session, watcher, after)),
            Command::Scan(ref request) => self.scan(request),
            Command::Usage => Ok(self.usage()),
            Command::Datanodes { ids } => Ok(Reply::Datanodes(self.datanodes(ids))),
            Command::Register(request) => self.registry.register(self.now.mono_ns, &request),
            Command::Heartbeat {
                datanode,
                incarnation,
            } => Ok(self.heartbeat(datanode, incarnation)),
            Command::JobList { after, limit } => Ok(self.job_list(after, limit)),
            Command::DoErrand {
                partition,
                id,
                errand,
            } => self.do_errand(partition, id, errand),
            Command::ErrandDone {
                to,
                id,
                refused,
                node,
            } => Ok(self.errand_done(to, id, refused, node)),
            Command::MeetPartner {
                partition,
                incarnation,
            } => Ok(self.meet_partner(partition, incarnation)),
            Command::BorrowerBegan { .. }
            | Command::Members { .. }
            | Command::Lend(_)
            | Command::TakeBack { .. } => Ok(self.apply_lending(command)),
            Command::MembersChanged { .. }
            | Command::Borrowed { .. }
            | Command::GiveBack { .. }
            | Command::GivenBack { .. } => self.apply_borrowing(command),
            _ => self.apply_write(session, command),
        }
    }

    /// The commands that are a session's sign of life.
    fn apply_write<'a>(
        &'a mut self,
        session: SessionId,
        command: &Command<'a>,
    ) -> Result<Reply<'a>, Failure> {
        self.sessions.renew(session, self.now.mono_ns);
        match *command {
            Command::Create(ref request) => self.create(session, request),
            Command::Rename {
                from_base,
                from,
                to_base,
                to,
                no_replace,
            } => self.rename((from_base, from), (to_base, to), no_replace),
            Command::RenameTo {
                from_base,
                from,
                partition,
                directory,
                name,
                no_replace,
            } => self.rename_to((from_base, from), partition, (directory, name), no_replace),
            Command::Delete {
                base,
                path,
                recursive,
            } => self.delete(base, path, recursive),
            Command::Append { base, path } => self.append(session, base, path),
            Command::Allocate {
                node,
                lease,
                offset,
                want,
            } => self.allocate(session, (node, lease), offset, want),
            Command::Publish {
                node,
                lease,
                size,
                seal,
            } => self.publish(session, (node, lease), size, seal),
            Command::Pin { node } => self.pin(session, node),
            Command::Unpin { pin } => Ok(self.unpin(session, pin)),
            Command::Seal { base, path } => self.seal(base, path),
            Command::Put(ref request) => self.put(session, request),
            Command::MultiPut { table, path, items } => self.multi_put(table, path, items),
            Command::PutCommit { pending, abort } => self.put_commit(session, pending, abort),
            Command::Remove {
                table,
                path,
                key,
                condition,
            } => self.remove_key(table, path, key, condition),
            Command::Add {
                table,
                path,
                key,
                delta,
            } => self.add(table, path, key, delta),
            Command::SetTtl {
                base,
                path,
                key,
                ttl_ns,
            } => self.set_ttl(base, path, key, ttl_ns),
            Command::Renew => Ok(Reply::Renewed {
                lease_ms: self.config.lease_ns / 1_000_000,
                incarnation: self.config.incarnation,
            }),
            Command::JobCreate(ref request) => self.job_create(session, request),
            Command::JobEnd { job, kill } => self.job_end(session, job, kill),
            Command::FreeLeaked { incarnation, slots } => self.free_leaked(incarnation, slots),
            Command::RemoveTie { of, node } => self.remove_tie(of, node),
            _ => unreachable!("apply has the others"),
        }
    }

    /// Does what is due: ends the leases of silent sessions, finds silent datanodes, and removes, bit by bit, nodes whose time has come
    /// and what is left of jobs that have ended. Time does not go back: an earlier `now` counts as the latest one.
    pub fn advance(&mut self, now: Now) {
        self.now.mono_ns = self.now.mono_ns.max(now.mono_ns);
        self.now.wall_ns = now.wall_ns;
        let (now, journal) = (self.now, &self.journal);
        self.registry
            .expire(now.mono_ns, |id| journal.event(now, Event::DatanodeSilent(id)));
        self.watches.expire(now.mono_ns);
        while let Some(silent) = self.sessions.silent(now.mono_ns) {
            let event = Event::SessionEnded(silent);
            if !self.journal.event(now, event) {
                // There is no room for it; what is due is not to be found all the same.
                return self.look_at_time();
            }
            self.happen(event).expect("it was found just now");
        }
        self.remove_due();
    }

    /// A datanode's sign of life. One that was silent is not there again before that is taken down.
    fn heartbeat(&mut self, datanode: u32, incarnation: u64) -> Reply<'static> {
        let is_back = self.registry.is_silent(datanode, incarnation);
        if is_back && !self.journal.event(self.now, Event::DatanodeHeard(datanode)) {
            return Reply::Heartbeat { known: true };
        }
        Reply::Heartbeat {
            known: self.registry.heartbeat(self.now.mono_ns, datanode, incarnation),
        }
    }

    /// When [`Self::advance`] has something to do, if nothing comes before: nanoseconds of [`Now::mono_ns`].
    pub fn next_timeout(&self) -> Option<u64> {
        let timeouts = [
            self.sessions.next_timeout_ns(),
            self.registry.quiet_until_ns(),
            self.next_expiry_ns(),
        ];
        timeouts.into_iter().flatten().min()
    }

    pub(super) fn give_up(&mut self, held: Held) {
        match held {
            Held::Writer(node) => {
                let index = self
                    .nodes
                    .records
                    .find(node)
                    .expect("a file's lease ends with it");
                self.expire_writer(index);
            }
            Held::Put(put) => {
                self.give_back_put(&put);
                put.extents
                    .iter()
                    .for_each(|extent| self.registry.release(&extent.block));
            }
            Held::Pin(node, session) => self.drop_pin(node, session),
            Held::Job(job) => self.end_job(job),
        }
    }

    fn usage(&self) -> Reply<'_> {
        let (capacity, used) = self.registry.capacity_and_used();
        let usage = Usage {
            nodes: self.own_nodes(),
            capacity,
            used,
            incarnation: self.config.incarnation,
            sessions: self.sessions.sessions() as u64,
            leases: self.sessions.holds() as u64,
        };
        Reply::Usage {
            usage,
            datanodes: self.datanodes(&[]),
        }
    }

    fn datanodes<'a>(&'a self, ids: &'a [u32]) -> Datanodes<'a> {
        let ids = if ids.is_empty() {
            DatanodeIds::All(1..self.registry.end())
        } else {
            DatanodeIds::These(ids.iter())
        };
        Datanodes {
            registry: &self.registry,
            ids,
        }
    }

    /// Refuses if there may not be so many nodes more.
    pub(super) fn reserve_nodes(&self, count: usize) -> Result<(), Failure> {
        let taken = u64::from(self.nodes.records.len()) + u64::from(self.sessions.puts());
        let fits = taken + count as u64 <= u64::from(self.config.nodes_max);
        fits.then_some(()).ok_or(Failure::Full)
    }

    // Paths.

    #[inline]
    pub(super) fn start(&self, base: NodeId) -> Result<u32, Failure> {
        if base != NodeId::ROOT {
            let node = self.find_node(base).filter(|&node| !self.is_link(node));
            return node.ok_or(Failure::NotFound);
        }
        match self.config.partition {
            0 => Ok(ROOT),
            _ => Err(self.refer_to_root()),
        }
    }

    /// Where to look for which names: all of them from the base on, or the last one if its directory is known.
    #[inline]
    pub(super) fn set_out<'p>(&self, base: NodeId, path: &'p [u8]) -> Result<(u32, PathNames<'p>), Failure> {
        if !self.leftovers
            && let Some((directory, name)) = self.shortcuts.find(base, path)
        {
            return Ok((directory, PathNames::one(name)));
        }
        Ok((self.start(base)?, PathNames::new(path)?))
    }

    /// The entry of a container that has this name, and is not due.
    #[inline]
    pub(super) fn child(&self, parent: u32, name: &[u8]) -> Option<u32> {
        let entry = self.entry(parent, name)?;
        (!self.leftovers || !self.nodes.deadlines.is_due(entry)).then_some(entry)
    }

    /// The same whether it is due or not.
    #[inline]
    pub(super) fn entry(&self, parent: u32, name: &[u8]) -> Option<u32> {
        self.index.find(self.hasher.tag(parent, name), |record| {
            self.nodes.is_entry(record, parent, name)
        })
    }

    #[inline]
    pub(super) fn kind(&self, index: u32) -> Kind {
        self.nodes.records.at(index).kind()
    }

    /// The node that a path means.
    pub(super) fn resolve(&self, base: NodeId, path: &str) -> Result<u32, Failure> {
        let (mut at, names) = self.set_out(base, path.as_bytes())?;
        for name in names {
            at = self.child(at, name).ok_or_else(|| self.why_missing(at, name))?;
            if self.is_link(at) {
                // Behind a link the slashes at the end are not seen any more.
                self.check_trailing_slash(at, path)?;
                return Err(self.refer(at, end_of(path, name)));
            }
        }
        self.check_trailing_slash(at, path)?;
        Ok(at)
    }

    /// Why there is no entry `name` at `parent`. What could be no name is found here, after all lookups that succeed.
    #[cold]
    pub(super) fn why_missing(&self, parent: u32, name: &[u8]) -> Failure {
        if !self.kind(parent).is_container() {
            return Failure::NotADirectory;
        }
        check_name(name).err().unwrap_or(Failure::NotFound)
    }

    /// A path that ends with a slash means a container.
    #[inline]
    pub(super) fn check_trailing_slash(&self, index: u32, path: &str) -> Result<(), Failure> {
        if path.ends_with('/') && !self.kind(index).is_container() {
            return Err(Failure::NotADirectory);
        }
        Ok(())
    }

    /// As far as a path leads; it may lead to a link, but not through one.
    pub(super) fn walk<'p>(&self, base: NodeId, path: &'p str) -> Result<Target<'p>, Failure> {
        let (start, mut names) = self.set_out(base, path.as_bytes())?;
        let (mut parent, mut name, mut node) = (self.nodes.records.at(start).parent, &[][..], start);
        while let Some(next) = names.next() {
            if self.is_link(node) {
                return Err(self.refer(node, end_of(path, name)));
            }
            (parent, name) = (node, next);
            node = match self.child(parent, name) {
                Some(child) => child,
                None => match self.why_missing(parent, name) {
                    Failure::NotFound => {
                        return Ok(Target {
                            parent,
                            name,
                            node: None,
                            rest: names,
                        });
                    }
                    failure => return Err(failure),
                },
            };
        }
        Ok(Target {
            parent,
            name,
            node: Some(node),
            rest: names,
        })
    }

    // Making and unmaking.

    /// Makes a node and gives it a name that is free in a container.
    pub(super) fn make(&mut self, parent: u32, name: &[u8], kind: Kind) -> u32 {
        let index = self.nodes.records.insert(kind);
        let wall_ns = self.now.wall_ns;
        let record = self.nodes.records.at_mut(index);
        record.created_ns = wall_ns;
        record.modified_ns = wall_ns;
        self.link(parent, name, index);
        // Of a key more is to be told when it has its value.
        if kind != Kind::KeyValue {
            self.tell(Happened::Created, index);
        }
        self.charge(self.job_of(parent), Amount::nodes(1));
        index
    }

    /// Puts a node that has no name into a container, under a name that is free there.
    pub(super) fn link(&mut self, parent: u32, name: &[u8], index: u32) {
        if self.leftovers
            && let Some(due) = self.entry(parent, name)
        {
            self.expire_node(due);
        }
        self.nodes.set_name(index, name);
        self.nodes.records.at_mut(index).parent = parent;
        self.index.insert(self.hasher.tag(parent, name), index);
        self.nodes.add_child(parent, name, index);
        self.nodes.records.at_mut(parent).modified_ns = self.now.wall_ns;
    }

    /// Takes a node out of its container.
    pub(super) fn unlink(&mut self, index: u32) {
        if self.kind(index).is_container() {
            self.forget_ways();
        }
        if self.branches.is_branch(index) && self.unlink_branch(index) {
            return;
        }
        let parent = self.nodes.records.at(index).parent;
        self.index
            .remove(self.hasher.tag(parent, self.nodes.name(index)), index);
        self.nodes.remove_child(parent, index);
        self.nodes.records.at_mut(parent).modified_ns = self.now.wall_ns;
    }

    /// Frees a node that is in no container, and all below it; counts them.
    pub(super) fn free_tree(&mut self, top: u32) -> u64 {
        let (mut left, mut freed) = (vec![top], Amount::default());
        let job = self.job_of(top);
        while let Some(index) = left.pop() {
            for (name, child) in self.nodes.take_children(index) {
                self.index.remove(self.hasher.tag(index, name.as_bytes()), child);
                left.push(child);
            }
            self.tell_gone(index);
            let bytes = self.strip(index);
            self.nodes.remove(index);
            freed = freed.plus(Amount { bytes, nodes: 1 });
        }
        self.give_back(job, freed);
        freed.nodes
    }

    /// Frees what a file or value holds: its bytes and its lease.
    pub(super) fn empty(&mut self, index: u32) {
        let bytes = self.strip(index);
        self.give_back(self.job_of(index), Amount::bytes(bytes));
    }

    /// The same, and says how many bytes that were, without giving them back to its job.
    pub(super) fn strip(&mut self, index: u32) -> u64 {
        let record = self.nodes.records.at_mut(index);
        let (extra, mut bytes) = (record.extra, record.size);
        match std::mem::replace(&mut record.place, Place::Nowhere) {
            Place::Nowhere | Place::Sealed => return 0,
            Place::Elsewhere => {
                self.release_link(index);
                return 0;
            }
            Place::Spread => {
                self.release_shards(index);
                return 0;
            }
            Place::Tail => {}
            Place::Heap => drop(self.nodes.values.remove(extra)),
            Place::Blocks => {
                let size = record.size;
                let file = self.nodes.files.remove(extra);
                bytes = block_bytes(&file.extents);
                if file.writer != NONE {
                    self.sessions.release_at(file.writer);
                }
                let unpinned = self.pins.keep(self.nodes.id(index), size, file.extents);
                if let Some(extents) = unpinned
                    && !planted(Canary::KeepBlocks)
                {
                    extents
                        .iter()
                        .for_each(|extent| self.registry.release(&extent.block));
                }
            }
        }
        let record = self.nodes.records.at_mut(index);
        record.extra = NONE;
        record.size = 0;
        bytes
    }

    /// Puts another node, empty and of the same kind, in the place of a file or value.
    pub(super) fn supersede(&mut self, index: u32) -> u32 {
        self.tell_gone(index);
        self.empty(index);
        let (wall_ns, generation) = (self.now.wall_ns, self.nodes.records.at(index).generation);
        let next = (generation < u32::MAX).then(|| self.nodes.records.generation_after(generation));
        let record = self.nodes.records.at_mut(index);
        if let Some(next) = next {
            // The same record under another id: neither the container nor the index notices.
            record.generation = next;
            record.created_ns = wall_ns;
            record.modified_ns = wall_ns;
            let parent = record.parent;
            self.nodes.records.at_mut(parent).modified_ns = wall_ns;
            return index;
        }
        let (parent, kind, name) = (record.parent, record.kind(), self.nodes.name(index).to_vec());
        self.unlink(index);
        self.nodes.remove(index);
        self.give_back(self.job_of(parent), Amount::nodes(1));
        self.make(parent, &name, kind)
    }

    #[inline]
    pub(super) fn attributes(&self, index: u32) -> Attributes {
        self.nodes.attributes(index)
    }

    /// The answer to who opened, or would have opened, a node; its blocks are the reply's.
    pub(super) fn opened(&self, index: u32, lease: LeaseId) -> Reply<'_> {
        Reply::Opened {
            node: self.attributes(index),
            lease,
            blocks: &self.blocks,
        }
    }
}
