//! What may be asked of a namespace, what it answers, and how it refuses.
//!
//! These mirror the messages of `namenode.proto` field by field, without depending on generated code: a command borrows
//! from the request's buffer, a reply from the namespace. Nothing here allocates.

use std::fmt;

use crake_store::protocol::Code;

use super::nodes::{BlockSpan, Nodes};

pub use super::jobs::{JobCreate, JobId, JobInfo, JobInfos, JobState};
pub use super::quota::{Amount, MOVED_NODES_MAX, OverQuota};

/// The identity of a client process; its leases live and die together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u128);

/// A node, for as long as it exists: index in the low, generation in the high 32 bits. Never used twice. 0 is the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u64);

impl NodeId {
    /// The root directory, which is always there.
    pub const ROOT: Self = Self(0);

    pub(super) fn new(index: u32, generation: u32) -> Self {
        Self(u64::from(generation) << 32 | u64::from(index))
    }

    pub(super) fn index(self) -> u32 {
        self.0 as u32
    }

    pub(super) fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// The right to write one file. Never used twice; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// A large value that is being written and not yet visible. Never used twice; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingId(pub u64);

/// The time, as the caller read it. `mono_ns` decides about leases and heartbeats, `wall_ns` is only recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Nanoseconds of a clock that never goes back.
    pub mono_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub wall_ns: u64,
}

/// What a node is. The numbers are those of the protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Ordered names, each a node of any kind but a key's value.
    #[default]
    Directory = 1,
    /// A growing sequence of bytes.
    File = 2,
    /// A bag of files, written in parallel and read as one.
    Multifile = 3,
    /// Keys and their values.
    Table = 4,
    /// The value of a key in a table.
    KeyValue = 5,
}

impl Kind {
    /// Whether nodes of this kind have children.
    pub fn is_container(self) -> bool {
        matches!(self, Self::Directory | Self::Multifile | Self::Table)
    }

    /// Whether `child` may be created in, or moved into, a container of this kind.
    pub(super) fn accepts(self, child: Self) -> bool {
        match self {
            Self::Directory => child != Self::KeyValue,
            Self::Multifile => child == Self::File,
            Self::Table | Self::File | Self::KeyValue => false,
        }
    }
}

impl TryFrom<i32> for Kind {
    type Error = Failure;

    fn try_from(number: i32) -> Result<Self, Failure> {
        Ok(match number {
            1 => Self::Directory,
            2 => Self::File,
            3 => Self::Multifile,
            4 => Self::Table,
            5 => Self::KeyValue,
            _ => return Err(Failure::WrongKind),
        })
    }
}

/// When a put or a remove takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Condition {
    /// Always; the last one wins.
    #[default]
    Always,
    /// Only if the key is not there.
    IfAbsent,
    /// Only if the key's version is this one; 0 is the version of an absent key.
    IfVersion(u64),
}

/// What may be asked. Where there is a `base` and a `path`, the path starts from that node, and an empty one is that
/// node itself.
#[derive(Clone, Copy, Debug)]
pub enum Command<'a> {
    /// The attributes of a node. [`Reply::Node`].
    Lookup {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// Also the first blocks, or the inline value.
        blocks: bool,
    },
    /// A new node. [`Reply::Opened`]; a file is open for writing by this session, a container has no lease.
    Create(Create<'a>),
    /// A page of a container's entries in the order of their names' bytes. [`Reply::List`].
    List {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// Only names that begin with this.
        prefix: &'a [u8],
        /// Only names above this one; empty for all.
        after: &'a [u8],
        /// Entries at most; 0 means as many as a page may have.
        limit: u32,
        /// Also the first blocks of each file.
        blocks: bool,
    },
    /// Moves a node as rename(2) does. [`Reply::Node`].
    Rename {
        /// Where `from` starts.
        from_base: NodeId,
        /// The node to move.
        from: &'a str,
        /// Where `to` starts.
        to_base: NodeId,
        /// Its new path.
        to: &'a str,
        /// Fail if something is there already.
        no_replace: bool,
    },
    /// Removes a node. [`Reply::Deleted`].
    Delete {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// And all below it; without this, a container that is not empty stays.
        recursive: bool,
    },
    /// Takes the write lease of a file that has no writer. [`Reply::Opened`], with the last block if it has room.
    Append {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
    },
    /// More blocks at the end of an open file. [`Reply::Blocks`].
    Allocate {
        /// The file.
        node: NodeId,
        /// Its lease.
        lease: LeaseId,
        /// The file's capacity as the writer knows it. If the file has more (an answer was lost), those blocks come again.
        offset: u64,
        /// Bytes at hand.
        want: u64,
    },
    /// The blocks below a file's published size, from the one that holds `offset`. Of a pinned file also when it is no more.
    /// [`Reply::Blocks`].
    Blocks {
        /// A file, or a key's value.
        node: NodeId,
        /// A byte of it.
        offset: u64,
        /// Blocks at most; 0 means as many as a reply may have.
        limit: u32,
    },
    /// Makes what was written visible. [`Reply::Node`].
    Publish {
        /// The file.
        node: NodeId,
        /// Its lease.
        lease: LeaseId,
        /// Bytes written from the start without a gap. A smaller one than before changes nothing.
        size: u64,
        /// Ends the lease.
        seal: bool,
    },
    /// Keeps the bytes of a file, or of a key's value, where they are for as long as this session lives and does not unpin it,
    /// whatever becomes of the file. Asked again it is sure of it, or hears that it is not so. [`Reply::Opened`], without blocks.
    Pin {
        /// The file.
        node: NodeId,
    },
    /// Ends that. Nothing happens if there is no such pin. [`Reply::Unpinned`].
    Unpin {
        /// Of [`Reply::Opened`].
        pin: LeaseId,
    },
    /// No parts are added to a multifile any more; those that are there may still be written, and removed. [`Reply::Node`].
    Seal {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
    },
    /// Has this session told what happens to a node and to its entries, as long as it asks for events. [`Reply::Watched`].
    Watch {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
    },
    /// Ends that. [`Reply::Unwatched`].
    Unwatch {
        /// Of [`Reply::Watched`].
        watch: u64,
    },
    /// What happened to what this session watches. [`Reply::Events`], also when there are none.
    Events {
        /// Of [`Reply::Watched`].
        watcher: u64,
        /// Events up to this one have arrived.
        after: u64,
    },
    /// Sets a key. [`Reply::Put`].
    Put(Put<'a>),
    /// Sets keys to small values in their order, each for itself. [`Reply::Outcomes`].
    MultiPut {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// At most [`KEYS_MAX`].
        items: &'a [PutItem<'a>],
    },
    /// Makes a large value visible, or gives it up. [`Reply::Put`].
    PutCommit {
        /// Of [`Reply::Put`].
        pending: PendingId,
        /// Gives it up.
        abort: bool,
    },
    /// The value of a key. [`Reply::Value`], also when there is none.
    Get {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// 1 to 255 bytes.
        key: &'a [u8],
    },
    /// The values of some keys. [`Reply::Values`]: as many as fit, in the order of the keys.
    MultiGet {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// At most [`KEYS_MAX`].
        keys: &'a [&'a [u8]],
    },
    /// Removes a key. [`Reply::Removed`].
    Remove {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// 1 to 255 bytes.
        key: &'a [u8],
        /// When to.
        condition: Condition,
    },
    /// A page of keys with their values, in the order of the keys' bytes, or against it. [`Reply::Scan`].
    Scan(Scan<'a>),
    /// Adds to the number at a key, 0 if it is absent. [`Reply::Added`].
    Add {
        /// Where `path` starts.
        table: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// 1 to 255 bytes.
        key: &'a [u8],
        /// What to add.
        delta: i64,
    },
    /// Has a node, with all below it, removed after some time from now on, or not any more. [`Reply::Node`].
    SetTtl {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
        /// Of the table at `path`; empty for the node at `path` itself.
        key: &'a [u8],
        /// Nanoseconds; 0 for no end.
        ttl_ns: u64,
    },
    /// Keeps this session's leases. [`Reply::Renewed`].
    Renew,
    /// How full it is. [`Reply::Usage`].
    Usage,
    /// Where datanodes are. [`Reply::Datanodes`].
    Datanodes {
        /// These; empty for all. Unknown ones are left out.
        ids: &'a [u32],
    },
    /// A datanode gives its memory. [`Reply::Registered`].
    Register(Register<'a>),
    /// A datanode is alive. [`Reply::Heartbeat`].
    Heartbeat {
        /// Of [`Reply::Registered`].
        datanode: u32,
        /// The one that it registered with.
        incarnation: u64,
    },
    /// A new job, which lives as long as this session does. [`Reply::Job`].
    JobCreate(JobCreate<'a>),
    /// A page of all jobs in the order of their ids. [`Reply::Jobs`].
    JobList {
        /// Only jobs above this one; 0 for all.
        after: JobId,
        /// Jobs at most; 0 means as many as a page may have.
        limit: u32,
    },
    /// Ends a job: what is in its directory goes. [`Reply::Job`], also of one that is ending already.
    JobEnd {
        /// Which.
        job: JobId,
        /// Also one of another session.
        kill: bool,
    },
}

/// [`Command::Create`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Create<'a> {
    /// Where `path` starts.
    pub base: NodeId,
    /// Names joined by `/`.
    pub path: &'a str,
    /// Anything but a key's value.
    pub kind: Kind,
    /// Make missing directories.
    pub parents: bool,
    /// A file takes the place of a file.
    pub replace: bool,
    /// A container of the same kind may be there already.
    pub existing_ok: bool,
    /// The tier to begin with; 0 is DRAM. At most 255.
    pub storage_class: u32,
    /// The host to prefer; 0 is any.
    pub location_class: u64,
    /// Bytes to be written, if known: their first blocks come with the reply.
    pub size_hint: u64,
    /// Nanoseconds after which the new node is removed, with all below it; 0 for no end.
    pub ttl_ns: u64,
}

/// [`Command::Put`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Put<'a> {
    /// Where `path` starts.
    pub table: NodeId,
    /// Names joined by `/`.
    pub path: &'a str,
    /// 1 to 255 bytes.
    pub key: &'a [u8],
    /// The value, if it is not a large one.
    pub value: &'a [u8],
    /// When to; that of a large value is checked when it is committed.
    pub condition: Condition,
    /// The value goes to blocks, which the reply has; [`Command::PutCommit`] ends it.
    pub large: bool,
    /// Bytes of a large value.
    pub size: u64,
    /// Nanoseconds after which the value is removed, from when it appears; 0 for no end, whatever the one before had.
    pub ttl_ns: u64,
}

/// A key of [`Command::MultiPut`], and its new value.
#[derive(Clone, Copy, Debug, Default)]
pub struct PutItem<'a> {
    /// 1 to 255 bytes.
    pub key: &'a [u8],
    /// The value, which is no large one.
    pub value: &'a [u8],
    /// When to.
    pub condition: Condition,
    /// As that of [`Put`].
    pub ttl_ns: u64,
}

/// [`Command::Scan`]: the keys within all bounds that are not empty.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scan<'a> {
    /// Where `path` starts.
    pub table: NodeId,
    /// Names joined by `/`.
    pub path: &'a str,
    /// Only keys that begin with this.
    pub prefix: &'a [u8],
    /// Only this key and those above it.
    pub from: &'a [u8],
    /// Only keys above this one.
    pub after: &'a [u8],
    /// Only keys below this one.
    pub until: &'a [u8],
    /// The highest key first.
    pub reverse: bool,
    /// Entries at most; 0 means as many as a page may have.
    pub limit: u32,
    /// Without inline values and blocks.
    pub keys_only: bool,
}

/// [`Command::Register`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Register<'a> {
    /// Stable over restarts. 1 to 255 bytes.
    pub name: &'a str,
    /// Of the datanode: another one, other memory.
    pub incarnation: u64,
    /// Bytes.
    pub capacity: u64,
    /// Addresses, best first. At most [`ENDPOINTS_MAX`] of at most 255 bytes.
    pub endpoints: &'a [&'a str],
    /// The identity of the host that it is on; at most 255 bytes, empty is unknown.
    pub host: &'a str,
    /// The host that it is on, as far as placement is concerned; 0 is unknown.
    pub location_class: u64,
    /// Its tier; 0 is DRAM.
    pub storage_class: u32,
    /// The incarnation of the namenode that its blocks belong to, 0 if it has none.
    pub namenode: u64,
}

/// Keys of one [`Command::MultiGet`] or [`Command::MultiPut`] at most.
pub const KEYS_MAX: usize = 128;
/// Entries of one page at most.
pub const PAGE_MAX: usize = 512;
/// Blocks of one reply at most.
pub const BLOCKS_MAX: usize = 64;
/// Addresses of one datanode at most.
pub const ENDPOINTS_MAX: usize = 8;

/// What is known of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Its identity.
    pub id: NodeId,
    /// What it is.
    pub kind: Kind,
    /// Bytes published; entries of a container.
    pub size: u64,
    /// Wall clock.
    pub modified_ns: u64,
    /// Wall clock.
    pub created_ns: u64,
    /// Of a key's value, from 1.
    pub version: u64,
    /// The tier asked for.
    pub storage_class: u32,
    /// The host asked for.
    pub location_class: u64,
    /// Copies of each block.
    pub replicas: u32,
    /// A writer holds its lease.
    pub open: bool,
    /// Bytes in its blocks.
    pub capacity: u64,
    /// When it will be removed, by the wall clock; 0 if not by itself. What it is below may go earlier.
    pub expires_ns: u64,
}

/// Bytes of a block handle (docs/format/handle.md).
pub const HANDLE_BYTES: usize = 48;

/// A block of a file, and the handle to read or write it with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// First byte of the file that it holds.
    pub offset: u64,
    /// Bytes of the file that it can hold.
    pub length: u32,
    /// Its datanode is silent, or came back without its memory.
    pub lost: bool,
    pub(super) handle: Option<[u8; HANDLE_BYTES]>,
}

impl Block {
    /// One handle per replica, joined; empty if its memory is gone for good.
    pub fn handles(&self) -> &[u8] {
        self.handle.as_ref().map_or(&[], |handle| handle)
    }
}

/// The value of a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Value<'a> {
    /// Whether there is one; without, the rest is 0.
    pub found: bool,
    /// From 1, higher with each put in this table.
    pub version: u64,
    /// Bytes.
    pub size: u64,
    /// The value, if it is in the namenode.
    pub inline_value: &'a [u8],
    /// The first blocks, if not; [`Command::Blocks`] of `node` has the rest.
    pub blocks: &'a [Block],
    /// Wall clock.
    pub modified_ns: u64,
    /// Identity of this very value if it has blocks: another value is another node.
    pub node: NodeId,
    /// When it will be removed, by the wall clock; 0 if not by itself.
    pub expires_ns: u64,
}

/// A name in a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The name's bytes; UTF-8 except in tables.
    pub name: &'a [u8],
    /// Its node.
    pub node: Attributes,
    /// Its first blocks, if they were asked for; [`Command::Blocks`] has the rest.
    pub blocks: &'a [Block],
}

/// What can happen to a node. The numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Happened {
    /// An entry is there that was not.
    Created = 1,
    /// More of a file is visible.
    Grew = 2,
    /// A file has no writer any more, or a multifile gets no more parts.
    Sealed = 3,
    /// A key has a value, or another one.
    Put = 4,
    /// The node that is watched, or an entry, is no longer there under this name.
    Deleted = 5,
}

/// Something happened to what is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Higher than that of any earlier one of this session.
    pub sequence: u64,
    /// Of [`Reply::Watched`].
    pub watch: u64,
    /// What.
    pub happened: Happened,
    /// To the entry of this name; empty: to the node itself.
    pub name: &'a [u8],
    /// The node that it happened to, as it was then.
    pub node: Attributes,
}

/// [`Reply::Events`].
#[derive(Clone, Debug, Default)]
pub struct EventList<'a> {
    /// All up to this are told with it.
    pub sequence: u64,
    /// Some are not among them, for there were too many.
    pub lost: bool,
    /// Without, this session was forgotten, or is another watcher now.
    pub is_known: bool,
    /// In order.
    pub events: super::watches::Events<'a>,
}

impl EventList<'_> {
    /// Whether there is anything to tell.
    pub fn has_news(&self) -> bool {
        self.lost || !self.is_known || self.events.len() > 0
    }
}

/// A key of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanEntry<'a> {
    /// 1 to 255 bytes.
    pub key: &'a [u8],
    /// Its value.
    pub value: Value<'a>,
}

/// A datanode, as a client needs it to reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datanode<'a> {
    /// The number in its handles.
    pub id: u32,
    /// The incarnation in its handles.
    pub incarnation: u64,
    /// Addresses, best first.
    pub endpoints: &'a [Box<str>],
    /// The identity of the host that it is on.
    pub host: &'a str,
    /// The host that it is on, as far as placement is concerned.
    pub location_class: u64,
    /// Bytes.
    pub capacity: u64,
    /// Bytes in issued blocks.
    pub used: u64,
    /// Heard of within the heartbeat timeout.
    pub alive: bool,
    /// For people.
    pub name: &'a str,
}

/// How full a namespace is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nodes, with the root.
    pub nodes: u64,
    /// Bytes of live datanodes.
    pub capacity: u64,
    /// Bytes in issued blocks of live datanodes.
    pub used: u64,
    /// Of the namenode.
    pub incarnation: u64,
    /// Sessions that hold a lease, a pending put, a pin or a job.
    pub sessions: u64,
    /// Leases, pending puts, pins and jobs.
    pub leases: u64,
}

/// What is answered. Borrows from the namespace, until the next command.
#[derive(Clone, Debug)]
pub enum Reply<'a> {
    /// To lookup (with blocks or value, if asked for), rename and publish.
    Node {
        /// The node.
        node: Attributes,
        /// Its first blocks.
        blocks: &'a [Block],
        /// The value of a key that is kept here.
        inline_value: &'a [u8],
    },
    /// To create, append and pin.
    Opened {
        /// The node.
        node: Attributes,
        /// Of a file: write it with this. Or the pin.
        lease: LeaseId,
        /// Where to write.
        blocks: &'a [Block],
    },
    /// To list.
    List {
        /// The page.
        entries: Entries<'a>,
        /// There are others after the last of these.
        more: bool,
    },
    /// To unpin.
    Unpinned,
    /// To watch.
    Watched {
        /// Never used twice.
        watch: u64,
        /// This session as one that watches: another number if it was forgotten.
        watcher: u64,
        /// The node as it is when the watch begins.
        node: Attributes,
    },
    /// To unwatch.
    Unwatched,
    /// To events.
    Events(EventList<'a>),
    /// To delete.
    Deleted {
        /// Nodes removed.
        nodes: u64,
    },
    /// To allocate and blocks.
    Blocks {
        /// The node.
        node: Attributes,
        /// In order, without gaps.
        blocks: &'a [Block],
    },
    /// To put and commit.
    Put {
        /// Of the value; 0 if it is pending or was given up.
        version: u64,
        /// Of a large value.
        pending: PendingId,
        /// Where to write it.
        blocks: &'a [Block],
    },
    /// To multi-put: the version of each value, or why it was refused.
    Outcomes(&'a [Result<u64, Failure>]),
    /// To add.
    Added {
        /// The number now.
        value: i64,
        /// Of the key's value.
        version: u64,
    },
    /// To get.
    Value(Value<'a>),
    /// To multi-get.
    Values(Values<'a>),
    /// To remove.
    Removed {
        /// It was there.
        removed: bool,
    },
    /// To scan.
    Scan {
        /// The page.
        entries: ScanEntries<'a>,
        /// There are others after the last of these.
        more: bool,
    },
    /// To renew.
    Renewed {
        /// How long leases live without another renewal.
        lease_ms: u64,
        /// Of the namenode.
        incarnation: u64,
    },
    /// To usage.
    Usage {
        /// The sums.
        usage: Usage,
        /// And each datanode.
        datanodes: Datanodes<'a>,
    },
    /// To datanodes.
    Datanodes(Datanodes<'a>),
    /// To register.
    Registered {
        /// Its number.
        datanode: u32,
        /// The key of its handles' MAC.
        secret: [u8; 16],
        /// Incarnation of this namenode.
        namenode: u64,
        /// How often to send heartbeats.
        heartbeat_ms: u32,
        /// Its blocks are not known here: begin a new incarnation and register again. The other fields are 0.
        reset: bool,
    },
    /// To heartbeat.
    Heartbeat {
        /// If not, register again.
        known: bool,
    },
    /// To job-create and job-end.
    Job(JobInfo<'a>),
    /// To job-list.
    Jobs {
        /// The page.
        jobs: JobInfos<'a>,
        /// There are others after the last of these.
        more: bool,
    },
}

/// An element of a page of values: a record, if the key is there, and where its blocks are in the reply's blocks.
#[derive(Clone, Debug, Default)]
pub(super) struct PageItem {
    pub(super) record: Option<u32>,
    pub(super) blocks: BlockSpan,
}

/// The entries of a page of a listing.
#[derive(Clone)]
pub struct Entries<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) blocks: &'a [Block],
    pub(super) page: std::slice::Iter<'a, PageItem>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let item = self.page.next()?;
        let index = item.record.expect("a listing's page has nodes only");
        Some(Entry {
            name: self.nodes.name(index),
            node: self.nodes.attributes(index),
            blocks: item.blocks.of(self.blocks),
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.page.size_hint()
    }
}

impl ExactSizeIterator for Entries<'_> {}

/// The values of a multi-get.
#[derive(Clone)]
pub struct Values<'a> {
    pub(super) nodes: &'a Nodes,
    pub(super) blocks: &'a [Block],
    pub(super) page: std::slice::Iter<'a, PageItem>,
}

impl<'a> Iterator for Values<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        let item = self.page.next()?;
        Some(item.record.map_or(Value::default(), |index| {
            self.nodes.value(index, item.blocks.of(self.blocks))
        }))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.page.size_hint()
    }
}

impl ExactSizeIterator for Values<'_> {}

/// The entries of a page of a scan.
#[derive(Clone)]
pub struct ScanEntries<'a> {
    pub(super) values: Values<'a>,
    pub(super) keys_only: bool,
}

impl ScanEntries<'_> {
    /// Whether any of the values has.
    pub(super) fn has_blocks(&self) -> bool {
        !self.values.blocks.is_empty()
    }
}

impl<'a> Iterator for ScanEntries<'a> {
    type Item = ScanEntry<'a>;

    fn next(&mut self) -> Option<ScanEntry<'a>> {
        let index = self
            .values
            .page
            .as_slice()
            .first()?
            .record
            .expect("a scan's page has keys only");
        let mut value = self.values.next()?;
        if self.keys_only {
            value.inline_value = &[];
        }
        Some(ScanEntry {
            key: self.values.nodes.name(index),
            value,
        })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.values.size_hint()
    }
}

impl ExactSizeIterator for ScanEntries<'_> {}

/// Some datanodes, or all.
#[derive(Clone)]
pub struct Datanodes<'a> {
    pub(super) registry: &'a super::datanodes::Registry,
    pub(super) ids: DatanodeIds<'a>,
}

#[derive(Clone, Debug)]
pub(super) enum DatanodeIds<'a> {
    All(std::ops::Range<u32>),
    These(std::slice::Iter<'a, u32>),
}

impl<'a> Iterator for Datanodes<'a> {
    type Item = Datanode<'a>;

    fn next(&mut self) -> Option<Datanode<'a>> {
        loop {
            let id = match &mut self.ids {
                DatanodeIds::All(range) => range.next()?,
                DatanodeIds::These(ids) => *ids.next()?,
            };
            if let Some(datanode) = self.registry.describe(id) {
                return Some(datanode);
            }
        }
    }
}

/// Shows what is in a page, not the namespace that it borrows.
macro_rules! debug_as_list {
    ($($page:ident),+) => {
        $(impl fmt::Debug for $page<'_> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.clone()).finish()
            }
        })+
    };
}

debug_as_list!(Entries, Values, ScanEntries, Datanodes);

/// Why a command was refused. Whatever the reason, it changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[repr(u16)]
pub enum Failure {
    /// No such node, or it is no more.
    #[error("not found")]
    NotFound = 100,
    /// Something is there already.
    #[error("already exists")]
    AlreadyExists = 101,
    /// A name on the way, or the target, is not a container.
    #[error("not a directory")]
    NotADirectory = 102,
    /// The target is a container.
    #[error("is a directory")]
    IsADirectory = 103,
    /// The container has entries.
    #[error("not empty")]
    NotEmpty = 104,
    /// Nodes of this kind cannot do that, or not there.
    #[error("wrong kind of node")]
    WrongKind = 105,
    /// Empty, ".", "..", or with a '/' or NUL in it.
    #[error("invalid name")]
    InvalidName = 106,
    /// A container cannot move into itself.
    #[error("would make a cycle")]
    Cycle = 107,
    /// Somebody is writing this file.
    #[error("another writer holds the lease")]
    LeaseHeld = 108,
    /// It ran out, was ended, or is another's.
    #[error("lease lost")]
    LeaseLost = 109,
    /// The key has another version.
    #[error("version mismatch")]
    VersionMismatch = 110,
    /// Live datanodes have no room.
    #[error("no space")]
    NoSpace = 111,
    /// No datanode is alive.
    #[error("no datanodes")]
    NoDatanodes = 112,
    /// A limit of this namenode is reached: nodes, sessions, leases or datanodes.
    #[error("a limit of the namenode is reached")]
    Full = 114,
    /// A name, path, value, size or count above what is allowed.
    #[error("too long")]
    TooLong = 116,
    /// The root can neither be moved nor removed nor replaced.
    #[error("the root is fixed")]
    RootIsFixed = 117,
    /// The disk with the namenode's log is full: nothing can be changed until there is room.
    #[error("the disk with the namenode's log is full")]
    LogFull = 118,
    /// A multifile that gets no more parts.
    #[error("sealed")]
    Sealed = 120,
    /// Its job may not have so much; [`OverQuota`] has the numbers.
    #[error("quota exceeded")]
    QuotaExceeded = 130,
    /// The lease ended with the job in whose directory the file was.
    #[error("the job has ended")]
    JobEnded = 131,
    /// The job is another client's.
    #[error("another client's job")]
    NotOwner = 132,
    /// While a job runs, its directory can neither be moved nor removed nor replaced, and `/jobs` neither.
    #[error("the directory of a running job is fixed")]
    JobDirectoryIsFixed = 133,
    /// More than [`MOVED_NODES_MAX`] nodes would come into, or out of, a job at once.
    #[error("too many nodes to move across the border of a job at once")]
    TreeTooLarge = 134,
    /// The value is not a number as [`Command::Add`] writes it.
    #[error("not a number")]
    NotANumber = 121,
    /// The number would be above or below what 64 bits hold.
    #[error("the number would be too large")]
    Overflow = 122,
    /// Too much of what is due must be passed over; most of it is removed within a second.
    #[error("too much is being removed there")]
    Busy = 123,
}

impl Failure {
    /// Its number in the protocol.
    pub fn code(self) -> Code {
        Code::from_number(self as u16).expect("the protocol has each of these")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_code_of_its_name() {
        use Failure::*;
        let all = [
            NotFound,
            AlreadyExists,
            NotADirectory,
            IsADirectory,
            NotEmpty,
            WrongKind,
            InvalidName,
            Cycle,
            LeaseHeld,
            LeaseLost,
            VersionMismatch,
            NoSpace,
            NoDatanodes,
            Full,
            TooLong,
            RootIsFixed,
            LogFull,
            Sealed,
            QuotaExceeded,
            JobEnded,
            NotOwner,
            JobDirectoryIsFixed,
            TreeTooLarge,
            NotANumber,
            Overflow,
            Busy,
        ];
        for failure in all {
            assert_eq!(failure.code().name(), format!("{failure:?}"));
        }
    }
}
