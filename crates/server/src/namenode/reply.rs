//! What a namespace answers. Borrows from it; nothing here allocates.

use std::fmt;

use super::branches::Branches;
use super::command::{
    Failure, FreedLeaks, JobInfo, JobInfos, Kind, LeaseId, Loan, MemberNews, NodeId, PendingId,
};
use super::nodes::{BlockSpan, Nodes};
use super::records::Place;

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
    /// The first blocks, if not; [`super::Command::Blocks`] of `node` has the rest.
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
    /// Its first blocks, if they were asked for; [`super::Command::Blocks`] has the rest.
    pub blocks: &'a [Block],
    /// The number of its partition and 1, if that is another; `node` has its id there, and its kind, then.
    pub elsewhere: u32,
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
        /// Of a table whose keys are spread: as of [`Reply::Table`].
        shards: &'a [NodeId],
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
    /// To open-table.
    Table {
        /// The node.
        node: Attributes,
        /// Where its keys are, if they are spread: the id of its shard at each partition.
        shards: &'a [NodeId],
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
    /// To free-leaked.
    FreedLeaks(FreedLeaks),
    /// To errands, and what is said of them.
    Done,
    /// To an errand that makes something: its id here.
    Made {
        /// The same however often it is asked for.
        node: NodeId,
    },
    /// To job-list.
    Jobs {
        /// The page.
        jobs: JobInfos<'a>,
        /// There are others after the last of these.
        more: bool,
    },
    /// To what partitions tell each other.
    Settled {
        /// It was news.
        changed: bool,
    },
    /// To members.
    Members {
        /// Who partition 0 is: another number, another life of it, that knows of no loans.
        lender: u64,
        /// All changes up to this one are told with these.
        version: u64,
        /// In the order in which they changed, at most [`super::command::MEMBERS_MAX`].
        members: Members<'a>,
    },
    /// To lend.
    Lent {
        /// Who partition 0 is.
        lender: u64,
        /// If not, tell first that it has begun.
        known: bool,
        /// None if there are none to be had now.
        loans: &'a [Loan],
    },
    /// To give-back.
    Returning {
        /// To whom: another life of partition 0 has never lent them.
        lender: u64,
        /// All that it has not confirmed yet.
        loans: &'a [Loan],
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
    pub(super) branches: &'a Branches,
    pub(super) blocks: &'a [Block],
    pub(super) page: std::slice::Iter<'a, PageItem>,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let item = self.page.next()?;
        let index = item.record.expect("a listing's page has nodes only");
        let mut node = self.nodes.attributes(index);
        let mut elsewhere = 0;
        if self.nodes.records.at(index).place == Place::Elsewhere
            && let Some(link) = self.branches.link_at(index)
        {
            node.id = link.branch;
            elsewhere = link.elsewhere();
        }
        Some(Entry {
            name: self.nodes.name(index),
            node,
            blocks: item.blocks.of(self.blocks),
            elsewhere,
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
    pub(super) packed_bytes: usize,
}

impl ScanEntries<'_> {
    /// Bytes of all of them on the wire: see [`crake_store::protocol::scan`].
    pub(super) fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    /// Whether any of the values has.
    pub(super) fn has_blocks(&self) -> bool {
        !self.values.blocks.is_empty()
    }
}

impl<'a> Iterator for ScanEntries<'a> {
    type Item = ScanEntry<'a>;

    #[inline]
    fn next(&mut self) -> Option<ScanEntry<'a>> {
        let Values { nodes, blocks, page } = &mut self.values;
        let item = page.next()?;
        let index = item.record.expect("a scan's page has keys only");
        let mut value = nodes.value(index, item.blocks.of(blocks));
        if self.keys_only {
            value.inline_value = &[];
        }
        Some(ScanEntry {
            key: nodes.name(index),
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

/// Datanodes as other partitions are told of them.
#[derive(Clone)]
pub struct Members<'a> {
    pub(super) registry: &'a super::datanodes::Registry,
    pub(super) ids: std::slice::Iter<'a, u32>,
}

impl<'a> Iterator for Members<'a> {
    type Item = MemberNews<'a>;

    fn next(&mut self) -> Option<MemberNews<'a>> {
        let news = self.registry.news(*self.ids.next()?);
        Some(news.expect("a page has datanodes that are there").1)
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

debug_as_list!(Entries, Values, ScanEntries, Datanodes, Members);
