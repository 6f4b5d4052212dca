//! What a partition has of the others, page by page: for who looks from outside whether both sides agree (`crake fsck`).
//!
//! For tests, in which all partitions are at hand, [`super::check_agreement`] does that.

use super::command::{Failure, Happened, Kind, NodeId, Reply};
use super::namespace::Namespace;
use super::state::{Input, Malformed, State};

/// Bytes of a page, about: well below those of a message.
const PAGE_BYTES_MAX: usize = 32 * 1024;
/// What a tie takes of them without its name.
const TIE_BYTES: usize = 80;

/// What of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Nodes here whose entries are at other partitions.
    Branches,
    /// Entries here whose nodes are at other partitions.
    Links,
    /// Tables here whose keys are at other partitions, too: one for each of these.
    Tables,
    /// The keys here of tables of other partitions.
    Shards,
}

impl State for Ties {
    fn save(&self, out: &mut Vec<u8>) {
        (*self as u8).save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let all = [Ties::Branches, Ties::Links, Ties::Tables, Ties::Shards];
        let at = usize::from(u8::load(input)?);
        all.get(at).copied().ok_or(Malformed("there are no such ties"))
    }
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

/// Where a page begins: at this record, and of its ties at those with partitions from this one on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TieSpot {
    pub(super) record: u32,
    pub(super) partition: u16,
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
    /// Ties in order, and where the next page begins, if there is one.
    pub(super) fn ties(&self, of: Ties, from: TieSpot) -> (Vec<Tie<'_>>, Option<TieSpot>) {
        let first = from.record;
        match of {
            Ties::Branches => page(self.branches.branches_from(first).map(|(index, branch)| {
                let is_changing = !branch.is_linked || branch.moving.is_some();
                (index, self.tie(index, branch.partition, None, is_changing))
            })),
            Ties::Links => page(
                self.branches
                    .links_from(first)
                    .map(|(index, link)| (index, self.tie(index, link.partition, Some(link.branch), false))),
            ),
            Ties::Tables => {
                let tables = self.shards.tables_from(first);
                let ties = tables.flat_map(|(index, shards)| self.ties_of_table(index, shards));
                page(ties.skip_while(|(index, tie)| *index == first && tie.partition < from.partition))
            }
            Ties::Shards => page(
                self.shards
                    .shards_from(first)
                    .map(|(index, origin)| (index, self.tie(index, origin.home, Some(origin.table), false))),
            ),
        }
    }

    fn ties_of_table<'a>(&'a self, index: u32, shards: &'a [NodeId]) -> impl Iterator<Item = (u32, Tie<'a>)> {
        let others = shards.iter().copied().zip(0..);
        let others = others.filter(|&(_, partition)| partition != self.config.partition);
        others.map(move |(shard, partition)| {
            let shard = super::shards::is_known(shard).then_some(shard);
            (index, self.tie(index, partition, shard, shard.is_none()))
        })
    }

    /// Removes something that hangs on another partition, and what it leads to, if that is there after all.
    pub(super) fn remove_tie(&mut self, of: Ties, node: NodeId) -> Result<Reply<'_>, Failure> {
        let index = self.find_node(node).ok_or(Failure::NotFound)?;
        match of {
            Ties::Branches if self.branches.is_branch(index) => self.delete(node, "", true),
            Ties::Links if self.is_link(index) => self.delete_link(index),
            Ties::Shards if self.shards.is_shard(index) => self.delete_shard(index),
            Ties::Tables => Err(Failure::WrongKind),
            _ => Err(Failure::NotFound),
        }
    }

    fn delete_link(&mut self, entry: u32) -> Result<Reply<'_>, Failure> {
        self.check_unfixed(entry)?;
        self.check_still(entry)?;
        self.await_referrals(entry)?;
        self.tell(Happened::Deleted, entry);
        self.unlink(entry);
        Ok(Reply::Deleted {
            nodes: self.free_tree(entry),
        })
    }

    /// Its keys are not found from now on, and go by and by.
    fn delete_shard(&mut self, index: u32) -> Result<Reply<'_>, Failure> {
        let keys = self.attributes(index).size;
        self.remove_shard(index);
        Ok(Reply::Deleted { nodes: keys + 1 })
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
        self.config.others().map(|partition| {
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

/// As many of them as fit, each with its record.
fn page<'a>(all: impl Iterator<Item = (u32, Tie<'a>)>) -> (Vec<Tie<'a>>, Option<TieSpot>) {
    let (mut ties, mut bytes) = (Vec::new(), 0);
    for (record, tie) in all {
        if bytes > PAGE_BYTES_MAX {
            let partition = tie.partition;
            return (ties, Some(TieSpot { record, partition }));
        }
        bytes += TIE_BYTES + tie.name.len();
        ties.push(tie);
    }
    (ties, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tie(partition: u16, name: &[u8]) -> Tie<'_> {
        Tie {
            node: NodeId(9),
            kind: Kind::Table,
            name,
            partition,
            other: None,
            is_changing: false,
        }
    }

    /// A table with a long name has more ties than one message holds.
    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let name = [b'n'; 255];
        let all = || (0..1024).map(|partition| (7, tie(partition, &name)));
        let (first, next) = page(all());
        let next = next.unwrap();
        assert!(first.len() < 200 && next.record == 7);
        assert_eq!(usize::from(next.partition), first.len());
        let rest = all().skip_while(|(_, tie)| tie.partition < next.partition);
        assert_eq!(page(rest).0[0].partition, next.partition);
        assert_eq!(page(all().take(3)).1, None);
    }
}
