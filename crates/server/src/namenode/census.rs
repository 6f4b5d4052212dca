//! Which blocks are given out and who owns them, page by page: for who looks from outside whether each has an owner (`crake fsck`).
//!
//! A page is what is true at one moment, and the namespace changes between two of them. They can be compared all the same: a block that is
//! given out raises the generation of its slot, so the blocks of a slot that has the same one before and after are the same blocks; an owner keeps
//! its place among the nodes as long as it lives; and blocks pass from one owner to another only from a value on its way to a node, and from
//! a node to the views of it. Who asks for puts and views, then for nodes, then for puts and views again has seen the owner of each block
//! that had one all the time.

use super::blocks::Extent;
use super::command::NodeId;
use super::datanodes::Registry;
use super::namespace::Namespace;
use super::records::Place;
use super::sessions::Held;
use super::state::fields;

/// Slots of a page of what is given out, and of a request to free some of it.
pub const SLOTS_MAX: usize = 256;
/// Bytes of a page of [`Namespace::owners`], about: well below those of a message.
const PAGE_BYTES_MAX: usize = 32 * 1024;
/// What an owner takes of them without its name and blocks.
const OWNER_BYTES: usize = 64;
/// Slots, and nodes, that one page goes through, so that no other request waits for long.
const LOOKED_AT_MAX: u32 = 8192;

/// A slot of 1 MiB with blocks that are given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuedSlot {
    /// Its number.
    pub datanode: u32,
    /// The life of the datanode, as it is counted here.
    pub epoch: u32,
    /// Which of its slots.
    pub slot: u32,
    /// Of the latest block.
    pub generation: u32,
    /// The size of each.
    pub block_bytes: u32,
    /// A bit for each block that is given out, from the lowest on.
    pub taken: [u64; 4],
}

fields!(IssuedSlot {
    datanode,
    epoch,
    slot,
    generation,
    block_bytes,
    taken
});

/// Where a page of slots begins: at this slot of this datanode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SlotSpot {
    pub(super) datanode: u32,
    pub(super) slot: u32,
}

/// What may own blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owners {
    /// Files, and values of keys.
    Nodes,
    /// Values on their way into tables.
    Puts,
    /// Views of files that are no more.
    Views,
}

/// Where a page of owners begins: at this owner, after so many of its blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OwnerSpot {
    pub(super) owner: u64,
    pub(super) block: u32,
}

/// Whose some blocks are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owner<'a> {
    /// The file or value; of a value on its way, its table.
    pub(super) node: NodeId,
    /// It is being removed: nothing finds it any more.
    pub(super) is_going: bool,
    /// Its last name, or its key.
    pub(super) name: &'a [u8],
    /// The datanode of each in the upper half, its first unit in the lower one. Those of lives of datanodes that are over are left out.
    pub(super) blocks: Vec<u64>,
}

impl Namespace {
    /// Slots with blocks that this partition has given out, in order, and where the next page begins, if there is one.
    pub(super) fn issued(&self, from: SlotSpot) -> (Vec<IssuedSlot>, Option<SlotSpot>) {
        let mut page = Vec::new();
        let mut looked_at = 0;
        for (spot, issued) in self.registry.slots_from(from) {
            looked_at += 1;
            if page.len() >= SLOTS_MAX || looked_at > LOOKED_AT_MAX {
                return (page, Some(spot));
            }
            page.extend(issued);
        }
        (page, None)
    }

    /// Who owns blocks, and where the next page begins, if there is one.
    pub(super) fn owners(&self, of: Owners, from: OwnerSpot) -> (Vec<Owner<'_>>, Option<OwnerSpot>) {
        let mut page = Page {
            registry: &self.registry,
            owners: Vec::new(),
            bytes: 0,
        };
        let next = match of {
            Owners::Nodes => self.nodes_with_blocks(from, &mut page),
            Owners::Puts => self.puts_with_blocks(from, &mut page),
            Owners::Views => self.views_with_blocks(from, &mut page),
        };
        (page.owners, next)
    }

    fn nodes_with_blocks<'a>(&'a self, from: OwnerSpot, page: &mut Page<'a>) -> Option<OwnerSpot> {
        let first = u32::try_from(from.owner).unwrap_or(u32::MAX);
        let mut looked_at = 0;
        for (index, record) in self.nodes.records.places_from(first) {
            looked_at += 1;
            if looked_at > LOOKED_AT_MAX {
                return Some(OwnerSpot::at(index));
            }
            if record.kind.is_none() || record.place != Place::Blocks {
                continue;
            }
            let owner = Owner {
                node: self.nodes.id(index),
                is_going: self.owner_of_doomed(index).is_some(),
                name: self.nodes.name(index),
                blocks: Vec::new(),
            };
            let extents = &self.nodes.files[record.extra].extents;
            let begin = from.block_of(u64::from(index));
            if let Some(block) = page.add(owner, extents, begin) {
                return Some(OwnerSpot {
                    block,
                    ..OwnerSpot::at(index)
                });
            }
        }
        None
    }

    fn puts_with_blocks<'a>(&'a self, from: OwnerSpot, page: &mut Page<'a>) -> Option<OwnerSpot> {
        let holds = self.sessions.iter();
        for (hold, held) in holds.filter(|&(hold, _)| u64::from(hold) >= from.owner) {
            let Held::Put(put) = held else { continue };
            let owner = Owner {
                node: put.table,
                is_going: false,
                name: put.key.as_bytes(),
                blocks: Vec::new(),
            };
            let begin = from.block_of(u64::from(hold));
            if let Some(block) = page.add(owner, &put.extents, begin) {
                return Some(OwnerSpot {
                    block,
                    ..OwnerSpot::at(hold)
                });
            }
        }
        None
    }

    fn views_with_blocks<'a>(&'a self, from: OwnerSpot, page: &mut Page<'a>) -> Option<OwnerSpot> {
        for (node, extents) in self.pins.remains_from(NodeId(from.owner)) {
            let owner = Owner {
                node,
                is_going: false,
                name: b"",
                blocks: Vec::new(),
            };
            if let Some(block) = page.add(owner, extents, from.block_of(node.0)) {
                return Some(OwnerSpot { owner: node.0, block });
            }
        }
        None
    }
}

impl OwnerSpot {
    fn at(index: u32) -> OwnerSpot {
        OwnerSpot {
            owner: index.into(),
            block: 0,
        }
    }

    /// At which of its blocks this owner begins.
    fn block_of(&self, owner: u64) -> u32 {
        match self.owner == owner {
            true => self.block,
            false => 0,
        }
    }
}

/// A page that is being filled.
struct Page<'a> {
    registry: &'a Registry,
    owners: Vec<Owner<'a>>,
    bytes: usize,
}

impl<'a> Page<'a> {
    /// Adds an owner with its blocks from this one on; gives the first block for which there is no room.
    fn add(&mut self, mut owner: Owner<'a>, extents: &[Extent], begin: u32) -> Option<u32> {
        let left = PAGE_BYTES_MAX.saturating_sub(self.bytes + OWNER_BYTES + owner.name.len());
        let fits = left / size_of::<u64>();
        let rest = extents.get(begin as usize..).unwrap_or_default();
        if fits == 0 {
            return Some(begin);
        }
        let (taken, left) = rest.split_at(rest.len().min(fits));
        let here = taken
            .iter()
            .filter(|extent| self.registry.is_of_now(&extent.block));
        owner.blocks = here.map(|extent| extent.block.place()).collect();
        self.bytes += OWNER_BYTES + owner.name.len() + owner.blocks.len() * size_of::<u64>();
        if !owner.blocks.is_empty() {
            self.owners.push(owner);
        }
        (!left.is_empty()).then_some(begin + taken.len() as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::Class;
    use super::super::check::tests::full;
    use super::super::command::{Command, Create, Kind, Now, Reply, SessionId};
    use super::super::datanodes::Wish;
    use super::*;

    /// The name and the blocks of each owner, of all pages.
    fn all_owners(namespace: &Namespace, of: Owners) -> Vec<(Vec<u8>, Vec<u64>)> {
        let (mut found, mut from) = (Vec::new(), Some(OwnerSpot::default()));
        while let Some(spot) = from.take() {
            let (page, next) = namespace.owners(of, spot);
            let bytes = page.iter().map(|owner| OWNER_BYTES + 8 * owner.blocks.len());
            assert!(bytes.sum::<usize>() <= PAGE_BYTES_MAX);
            found.extend(page.into_iter().map(|owner| (owner.name.to_vec(), owner.blocks)));
            from = next;
        }
        found
    }

    /// Each block that is given out.
    fn all_issued(namespace: &Namespace) -> Vec<u64> {
        let (mut found, mut from) = (Vec::new(), Some(SlotSpot::default()));
        while let Some(spot) = from.take() {
            let (page, next) = namespace.issued(spot);
            for slot in page {
                let units = u64::from(slot.block_bytes / 4096);
                let is_taken = |bit: &u64| slot.taken[*bit as usize / 64] >> (bit % 64) & 1 == 1;
                let unit = u64::from(slot.slot) * 256;
                let first = u64::from(slot.datanode) << 32 | unit;
                found.extend((0..256).filter(is_taken).map(|bit| first + bit * units));
            }
            from = next;
        }
        found
    }

    fn all_owned(namespace: &Namespace) -> Vec<u64> {
        let of_all = [Owners::Nodes, Owners::Puts, Owners::Views].map(|of| all_owners(namespace, of));
        let blocks = of_all.into_iter().flatten().flat_map(|(_, blocks)| blocks);
        let mut blocks = blocks.collect::<Vec<_>>();
        blocks.sort_unstable();
        blocks
    }

    #[test]
    fn each_block_has_one_owner_and_a_leaked_one_has_none() {
        let mut namespace = full();
        let issued = all_issued(&namespace);
        assert!(issued.len() >= 4, "{issued:?}");
        assert_eq!(issued, all_owned(&namespace));
        let names = |of| all_owners(&namespace, of).into_iter().map(|owner| owner.0);
        assert_eq!(names(Owners::Puts).collect::<Vec<_>>(), [b"c"]);
        assert!(names(Owners::Nodes).any(|name| name == b"open"));
        let wish = Wish {
            class: Class::Small,
            storage_class: 0,
            location_class: 0,
            bytes_max: u64::MAX,
        };
        let leaked = namespace.registry.issue(wish).unwrap().place();
        let mut unowned = all_issued(&namespace);
        unowned.retain(|place| !all_owned(&namespace).contains(place));
        assert_eq!(unowned, [leaked]);
    }

    /// A file with more blocks than a page has room for, and more nodes than one looks at.
    #[test]
    fn pages_go_on_where_the_last_one_ended() {
        let mut namespace = full();
        let run = |namespace: &mut Namespace, command: Command<'_>| {
            let reply = namespace.apply(Now::default(), SessionId(1), &command).unwrap();
            let Reply::Opened { node, lease, .. } = reply else {
                panic!("{reply:?}")
            };
            (node.id, lease)
        };
        let datanode = super::super::command::Register {
            name: "large",
            incarnation: 2,
            capacity: 1 << 36,
            ..Default::default()
        };
        let register = Command::Register(datanode);
        namespace.apply(Now::default(), SessionId(2), &register).unwrap();
        for number in 0..LOOKED_AT_MAX {
            let path = &format!("/d/{number}");
            let create = Create {
                path,
                kind: Kind::Directory,
                ..Create::default()
            };
            run(&mut namespace, Command::Create(create));
        }
        let file = Create {
            path: "/d/huge",
            kind: Kind::File,
            ..Create::default()
        };
        let (node, lease) = run(&mut namespace, Command::Create(file));
        for offset in 0..5000_u64 {
            let allocate = Command::Allocate {
                node,
                lease,
                offset: offset << 20,
                want: 1 << 20,
            };
            namespace.apply(Now::default(), SessionId(1), &allocate).unwrap();
        }
        let owners = all_owners(&namespace, Owners::Nodes);
        let pages_of_huge = owners.iter().filter(|(name, _)| name == b"huge").count();
        assert!(pages_of_huge > 1, "{pages_of_huge}");
        let mut issued = all_issued(&namespace);
        issued.sort_unstable();
        assert!(issued.len() > 5000, "{}", issued.len());
        assert_eq!(issued, all_owned(&namespace));
    }
}
