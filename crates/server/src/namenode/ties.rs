//! What a partition has of the others, page by page: for who looks from outside whether both sides agree (`crake fsck`).
//!
//! For tests, in which all partitions are at hand, [`super::check_agreement`] does that.

use super::command::{Failure, Happened, Kind, NodeId, Reply};
use super::namespace::Namespace;

/// Bytes of a page, about: well below those of a message.
const PAGE_BYTES_MAX: usize = 32 * 1024;
/// What a tie takes of them without its name.
const TIE_BYTES: usize = 64;

/// What of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ties {
    /// Nodes here whose entries are at other partitions.
    Branches,
    /// Entries here whose nodes are at other partitions.
    Links,
    /// Tables here whose keys are at other partitions, too: one for each of these.
    Tables,
    /// The keys here of tables of other partitions.
    Shards,
}

/// Something here that hangs on something at another partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tie<'a> {
    pub(super) node: NodeId,
    pub(super) kind: Kind,
    /// Its name, or its last one; of a shard none.
    pub(super) name: &'a [u8],
    /// The other partition; this one while a node moves.
    pub(super) partition: u16,
    /// What it hangs on there, if that is known here: of a branch it is not.
    pub(super) other: Option<NodeId>,
    /// The other side may know nothing of it yet, or not any more.
    pub(super) is_changing: bool,
}

/// Another partition as this one knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Partner {
    pub(super) partition: u16,
    /// The life of it, 0 if it was not met yet.
    pub(super) incarnation: u64,
    /// Which of all that this one ever had to tell it are yet to be told, the first and the last; 0 if none.
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Namespace {
    /// Ties from the one of this record on, and where the next page begins, if there is one.
    pub(super) fn ties(&self, of: Ties, from: u32) -> (Vec<Tie<'_>>, Option<u32>) {
        match of {
            Ties::Branches => page(self.branches.branches_from(from).map(|(index, branch)| {
                let is_changing = !branch.is_linked || branch.moving.is_some();
                (index, [self.tie(index, branch.partition, None, is_changing)])
            })),
            Ties::Links => {
                page(self.branches.links_from(from).map(|(index, link)| {
                    (index, [self.tie(index, link.partition, Some(link.branch), false)])
                }))
            }
            Ties::Tables => page(self.shards.tables_from(from).map(|(index, shards)| {
                let others = shards.iter().copied().zip(0..);
                let others = others.filter(|&(_, partition)| partition != self.config.partition);
                let ties = others.map(move |(shard, partition)| {
                    let shard = super::shards::is_known(shard).then_some(shard);
                    self.tie(index, partition, shard, shard.is_none())
                });
                (index, ties)
            })),
            Ties::Shards => {
                page(self.shards.shards_from(from).map(|(index, origin)| {
                    (index, [self.tie(index, origin.home, Some(origin.table), false)])
                }))
            }
        }
    }

    /// An entry that leads to another partition, by its own id, which only who has asked for ties knows.
    pub(super) fn find_link(&self, id: NodeId) -> Option<u32> {
        self.find_node(id).filter(|&index| self.is_link(index))
    }

    /// Removes it, and what it leads to, if that is there after all.
    pub(super) fn delete_link(&mut self, entry: u32) -> Result<Reply<'_>, Failure> {
        self.check_unfixed(entry)?;
        self.check_still(entry)?;
        self.await_referrals(entry)?;
        self.tell(Happened::Deleted, entry);
        self.unlink(entry);
        Ok(Reply::Deleted {
            nodes: self.free_tree(entry),
        })
    }

    fn tie(&self, index: u32, partition: u16, other: Option<NodeId>, is_changing: bool) -> Tie<'_> {
        Tie {
            node: self.nodes.id(index),
            kind: self.kind(index),
            name: self.nodes.name(index),
            partition,
            other,
            is_changing,
        }
    }

    /// All other partitions.
    pub(super) fn partners(&self) -> impl Iterator<Item = Partner> {
        let others = (0..self.config.partitions).filter(|&partition| partition != self.config.partition);
        others.map(|partition| {
            let (first, last) = self.errands.untold(partition).unwrap_or_default();
            Partner {
                partition,
                incarnation: self.errands.incarnation(partition),
                first,
                last,
            }
        })
    }
}

/// Of records that come in order, each with its ties, as many as fit.
fn page<'a, T: IntoIterator<Item = Tie<'a>>>(
    records: impl Iterator<Item = (u32, T)>,
) -> (Vec<Tie<'a>>, Option<u32>) {
    let (mut ties, mut bytes) = (Vec::new(), 0);
    for (index, of_record) in records {
        if bytes > PAGE_BYTES_MAX {
            return (ties, Some(index));
        }
        let count = ties.len();
        ties.extend(of_record);
        bytes += ties[count..]
            .iter()
            .map(|tie| TIE_BYTES + tie.name.len())
            .sum::<usize>();
    }
    (ties, None)
}
