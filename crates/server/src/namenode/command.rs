//! What may be asked of a namespace, what it answers ([`Reply`]), and how it refuses ([`Failure`]).
//!
//! These mirror the messages of `namenode.proto` field by field, without depending on generated code: a command borrows
//! from the request's buffer, a reply from the namespace. Nothing here allocates.

pub use super::borrowing::MemberNews;
pub use super::branches::Home;
pub use super::census::{IssuedSlot, SLOTS_MAX};
pub use super::errands::{Errand, ErrandName, Trace};
pub use super::failure::Failure;
pub use super::jobs::{JobCreate, JobId, JobInfo, JobInfos, JobState};
pub use super::leaks::FreedLeaks;
pub use super::lending::{LOANS_MAX, Lend, Loan, MEMBERS_MAX};
pub use super::moves::Destination;
pub use super::quota::{Amount, MOVED_NODES_MAX, OverQuota};
pub use super::reply::*;
pub use super::ties::Ties;

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
    /// The same, to a directory of another partition. [`Reply::Node`], of a node that may yet be on its way:
    /// [`Namespace::await_move`](super::Namespace::await_move) says so.
    RenameTo {
        /// Where `from` starts.
        from_base: NodeId,
        /// The node to move.
        from: &'a str,
        /// Whose directory it is.
        partition: u16,
        /// Its id there.
        directory: NodeId,
        /// The new name; there may be slashes behind it.
        name: &'a str,
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
    /// A table, and where its keys are; any other node as it is. [`Reply::Table`].
    OpenTable {
        /// Where `path` starts.
        base: NodeId,
        /// Names joined by `/`.
        path: &'a str,
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
    /// Frees those of the named blocks that nobody owns. [`Reply::FreedLeaks`].
    FreeLeaked {
        /// Of the namenode that has given them out.
        incarnation: u64,
        /// At most [`SLOTS_MAX`]: what was given out of each when it was looked at, without the blocks that are not meant.
        slots: &'a [IssuedSlot],
    },
    /// Removes what hangs on another partition, as if that had told so. [`Reply::Deleted`].
    RemoveTie {
        /// Which side of it is here; not a table.
        of: Ties,
        /// Its id: of the branch, the entry or the shard.
        node: NodeId,
    },
    /// Does what another partition asks for; what was done before is not done again. [`Reply::Done`], or [`Reply::Made`] of a shard.
    DoErrand {
        /// Which asks.
        partition: u16,
        /// Its number among all errands from there, from 1.
        id: u64,
        /// What to do.
        errand: &'a Errand,
    },
    /// What came of the first errand to another partition. [`Reply::Done`].
    ErrandDone {
        /// To which.
        to: u16,
        /// Its number.
        id: u64,
        /// Why it was refused, if it was.
        refused: Option<Failure>,
        /// What was made there; 0 if nothing was.
        node: NodeId,
    },
    /// Another partition is in this life: what hangs on another one that it had is gone. [`Reply::Done`].
    MeetPartner {
        /// Which.
        partition: u16,
        /// Of this life of it; not 0.
        incarnation: u64,
    },
    /// At partition 0: another one is there, in this life of it. What an earlier life of it had borrowed is taken back. [`Reply::Settled`].
    BorrowerBegan {
        /// Which.
        partition: u16,
        /// Of [`Namespace::lending_incarnation`](super::Namespace::lending_incarnation) there.
        incarnation: u64,
    },
    /// At partition 0: datanodes that have changed. [`Reply::Members`].
    Members {
        /// Since this version.
        after: u64,
    },
    /// At partition 0: another one needs slots. [`Reply::Lent`].
    Lend(Lend),
    /// At partition 0: another one gives slots back. What was taken back before is left as it is. [`Reply::Settled`].
    TakeBack {
        /// Which.
        partition: u16,
        /// Who has lent them: of [`Reply::Returning`].
        lender: u64,
        /// At most [`LOANS_MAX`], with the last generations that were issued there.
        loans: &'a [Loan],
    },
    /// At another one: what partition 0 has told of datanodes. [`Reply::Settled`].
    MembersChanged {
        /// Of [`Reply::Members`].
        lender: u64,
        /// All changes up to this one are told.
        version: u64,
        /// At most [`MEMBERS_MAX`].
        members: &'a [MemberNews<'a>],
    },
    /// At another one: slots that partition 0 has lent. [`Reply::Settled`].
    Borrowed {
        /// Of [`Reply::Lent`].
        lender: u64,
        /// Of [`Lend`].
        sequence: u64,
        /// At most [`LOANS_MAX`].
        loans: &'a [Loan],
    },
    /// At another one: lets go of slots that are empty. [`Reply::Returning`].
    GiveBack {
        /// So many, beside those that are of no use here.
        wanted: u32,
    },
    /// At another one: partition 0 has these back. [`Reply::Settled`].
    GivenBack {
        /// To whom.
        lender: u64,
        /// Of [`Reply::Returning`].
        loans: &'a [Loan],
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
    /// Where its directory is, if that is not here: `base` is the directory's id there, and `path` a name.
    pub branch: Option<Home>,
    /// Of several partitions, any may be its home, however deep it is.
    pub spread: bool,
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
