//! Blocks in use that no name leads to, and who has them: what `crake fsck` tells of beside what is lost.
//!
//! A partition is asked which blocks it has given out, then for all owners of blocks, then for the blocks again. Everything may change meanwhile, so only
//! slots are judged from which nothing was given out in between: their generation says so. A block that was given out there before and after is the
//! same block, and has had an owner all the time, or never.
//!
//! Those of nobody can be freed. The partition looks at all owners again before it does, for what is said here it does not believe.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::Error;
use crate::pending::Pending;
use crate::session::Session;
use crate::store::Store;

pub(crate) mod operation;

use operation::{AskIssued, AskOwners, FreeLeaked, Of, Owner};

/// Units of a handle in a slot of 1 MiB.
const UNITS_PER_SLOT: u32 = 256;
const UNIT_BYTES: u32 = 4096;
/// Slots of one request to free blocks: as many as it may have.
const FREED_SLOTS_MAX: usize = 256;

/// Who has a block that no name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A value on its way into a table: it gets its name, or goes with the lease of who puts it.
    Put {
        /// Node id of the table.
        table: u64,
        /// Whose value it is to be.
        key: Vec<u8>,
    },
    /// Views of a file that is no more: they end with the last client that looks at it.
    View {
        /// Node id that the file had.
        node: u64,
    },
    /// A file or value that is being removed.
    Removal {
        /// Its node id.
        node: u64,
        /// Its last name, or its key.
        name: Vec<u8>,
    },
    /// Nobody, and nobody will free it: it has leaked. [`Store::free_leaked`] does.
    Nobody,
}

/// A block in use that no name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnnamedBlock {
    /// The partition of the namespace that has given it out.
    pub partition: u16,
    /// Whose memory it is.
    pub datanode: u32,
    /// In which of the datanode's slots of 1 MiB.
    pub slot: u32,
    /// Its first unit of 4 KiB in the datanode's tier, as in its handle.
    pub unit: u32,
    /// How large it is.
    pub len_bytes: u32,
    /// Who has it.
    pub holder: Holder,
}

/// The blocks in use that no name leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnnamedBlocks {
    /// The first of them, those of nobody before the others, else by partition, datanode and unit.
    pub blocks: Vec<UnnamedBlock>,
    /// How many there are of which somebody lets go, with those that are not listed.
    pub held: u64,
    /// Bytes of these.
    pub held_bytes: u64,
    /// How many have leaked, with those that are not listed.
    pub leaked: u64,
    /// Bytes of these.
    pub leaked_bytes: u64,
    /// Where all are that have leaked.
    leaks: Vec<Leaks>,
}

/// The blocks of a partition that have leaked.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Leaks {
    partition: u16,
    /// Of the namenode that has given them out.
    incarnation: u64,
    /// Of what was given out of each slot, only what has leaked.
    slots: Slots,
}

/// What became of blocks that had leaked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FreedBlocks {
    /// How many are free now.
    pub freed: u64,
    /// Bytes of these.
    pub freed_bytes: u64,
    /// How many were free already: somebody else has had them freed.
    pub absent: u64,
    /// How many were left as they are, because blocks were given out of their slots since they were found, or their namenode or datanode has begun anew.
    pub changed: u64,
    /// How many were left as they are, because they have an owner: what should not happen.
    pub owned: u64,
}

impl FreedBlocks {
    fn add(&mut self, other: FreedBlocks) {
        self.freed += other.freed;
        self.freed_bytes += other.freed_bytes;
        self.absent += other.absent;
        self.changed += other.changed;
        self.owned += other.owned;
    }
}

impl UnnamedBlocks {
    /// How many are not listed.
    pub fn unlisted(&self) -> u64 {
        self.held + self.leaked - self.blocks.len() as u64
    }
}

impl Store {
    /// Looks for blocks in use that no name leads to, and lists at most `listed_max` of them. Takes time and requests in proportion to all blocks; clients may go on
    /// meanwhile. Memory: some 200 bytes for each MiB of the cluster that is in use.
    ///
    /// # Errors
    /// A partition does not answer, or has begun anew meanwhile.
    pub async fn unnamed_blocks(&self, listed_max: usize) -> Result<UnnamedBlocks, Error> {
        let mut found = UnnamedBlocks::default();
        for session in self.session().partitions().all() {
            of_partition(&session, listed_max, &mut found).await?;
        }
        found.blocks.sort_by_key(|block| block.holder != Holder::Nobody);
        found.blocks.truncate(listed_max);
        Ok(found)
    }

    /// Frees all that have leaked among these, listed or not. Each partition finds out by itself whether they are still those that were found, and nobody's: that
    /// takes it time in proportion to all blocks, for each 256 MiB of slots that blocks have leaked of.
    ///
    /// # Errors
    /// A partition does not answer, or cannot write its log. What was freed until then stays so.
    pub async fn free_leaked(&self, found: &UnnamedBlocks) -> Result<FreedBlocks, Error> {
        let mut freed = FreedBlocks::default();
        for session in self.session().partitions().all() {
            let number = session.number();
            for leaks in found.leaks.iter().filter(|leaks| leaks.partition == number) {
                free_of(&session, leaks, &mut freed).await?;
            }
        }
        Ok(freed)
    }
}

/// For the simulator.
#[cfg(feature = "canary")]
impl Store {
    /// Says of all blocks that they have leaked, which a namenode must not believe.
    pub async fn accuse_all(&self) -> Result<FreedBlocks, Error> {
        let mut freed = FreedBlocks::default();
        for session in self.session().partitions().all() {
            let (incarnation, slots) = issued(&session).await?;
            let partition = session.number();
            let leaks = Leaks {
                partition,
                incarnation,
                slots,
            };
            free_of(&session, &leaks, &mut freed).await?;
        }
        Ok(freed)
    }
}

async fn free_of(session: &Rc<Session>, leaks: &Leaks, freed: &mut FreedBlocks) -> Result<(), Error> {
    let slots = leaks.slots.iter().map(operation::message_of);
    for slots in slots.collect::<Vec<_>>().chunks(FREED_SLOTS_MAX) {
        let request = FreeLeaked {
            incarnation: leaks.incarnation,
            slots,
        };
        freed.add(Pending::start(session, request).await?);
    }
    Ok(())
}

async fn of_partition(
    session: &Rc<Session>,
    listed_max: usize,
    found: &mut UnnamedBlocks,
) -> Result<(), Error> {
    let (incarnation, before) = issued(session).await?;
    let mut census = Census::new(session.number(), incarnation, before);
    // What is on its way to a node, or from a node to a view, is met on one side of the nodes or the other.
    for of in [Of::Puts, Of::Views, Of::Nodes, Of::Puts, Of::Views] {
        let mut from = Some((0, 0));
        while let Some((owner, block)) = from.take() {
            let request = AskOwners { of, owner, block };
            let (owners, next) = Pending::start(session, request).await?;
            for owner in owners {
                census.meet(of, owner);
            }
            from = next;
        }
    }
    let (again, after) = issued(session).await?;
    if again != incarnation {
        return Err(Error::Unavailable {
            peer: (*session.peer()).into(),
            may_have_run: false,
            detail: "it has begun anew while its blocks were looked at".into(),
        });
    }
    census.end(&after, listed_max, found);
    Ok(())
}

/// All slots with blocks of a partition, and which life of it has said so.
async fn issued(session: &Rc<Session>) -> Result<(u64, Slots), Error> {
    let mut slots = Slots::new();
    let mut request = AskIssued::default();
    loop {
        let page = Pending::start(session, request).await?;
        slots.extend(page.slots);
        match page.next {
            Some(next) => request = next,
            None => return Ok((page.incarnation, slots)),
        }
    }
}

/// By datanode and number.
type Slots = BTreeMap<(u32, u32), IssuedSlot>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IssuedSlot {
    epoch: u32,
    generation: u32,
    units_per_block: u32,
    taken: [u64; 4],
}

/// What is known of the blocks of one partition.
struct Census {
    partition: u16,
    incarnation: u64,
    before: Slots,
    owned: BTreeMap<(u32, u32), Owned>,
    /// Of the first blocks with an owner that no name leads to, by datanode and unit.
    holders: BTreeMap<(u32, u32), Holder>,
}

/// The blocks of a slot that have been met with an owner.
#[derive(Debug, Clone, Copy, Default)]
struct Owned {
    all: [u64; 4],
    /// Those among them that no name leads to.
    unnamed: [u64; 4],
}

/// More of them are only counted: a large tree that is being removed has many.
const HOLDERS_MAX: usize = 100_000;

impl Census {
    fn new(partition: u16, incarnation: u64, before: Slots) -> Census {
        Census {
            partition,
            incarnation,
            before,
            owned: BTreeMap::new(),
            holders: BTreeMap::new(),
        }
    }

    fn meet(&mut self, of: Of, owner: Owner) {
        let holder = match of {
            Of::Nodes => owner.going.then_some(Holder::Removal {
                node: owner.node,
                name: owner.name,
            }),
            Of::Puts => Some(Holder::Put {
                table: owner.node,
                key: owner.name,
            }),
            Of::Views => Some(Holder::View { node: owner.node }),
        };
        for place in owner.blocks {
            self.own((place >> 32) as u32, place as u32, holder.as_ref());
        }
    }

    fn own(&mut self, datanode: u32, unit: u32, holder: Option<&Holder>) {
        let slot = (datanode, unit / UNITS_PER_SLOT);
        // What is given out only now is not looked at.
        let Some(known) = self.before.get(&slot) else {
            return;
        };
        let bit = known.bit_of(unit);
        let owned = self.owned.entry(slot).or_default();
        set(&mut owned.all, bit, true);
        set(&mut owned.unnamed, bit, holder.is_some());
        let place = (datanode, unit);
        match holder {
            None => {
                self.holders.remove(&place);
            }
            Some(holder) => {
                if self.holders.len() < HOLDERS_MAX || self.holders.contains_key(&place) {
                    self.holders.insert(place, holder.clone());
                }
            }
        }
    }

    /// Judges the slots that are as they were.
    fn end(mut self, after: &Slots, listed_max: usize, found: &mut UnnamedBlocks) {
        let mut leaks = Slots::new();
        for (&(datanode, slot), now) in after {
            let before = self.before.get(&(datanode, slot)).copied();
            let Some(before) = before.filter(|before| now.is_like(before)) else {
                continue;
            };
            let owned = self.owned.get(&(datanode, slot)).copied().unwrap_or_default();
            let taken = std::array::from_fn(|word| before.taken[word] & now.taken[word] & !owned.all[word]);
            if taken != [0; 4] {
                leaks.insert((datanode, slot), IssuedSlot { taken, ..before });
            }
            for bit in 0..UNITS_PER_SLOT / before.units_per_block {
                let was_there = is_set(&before.taken, bit) && is_set(&now.taken, bit);
                let is_named = is_set(&owned.all, bit) && !is_set(&owned.unnamed, bit);
                if !was_there || is_named {
                    continue;
                }
                let unit = slot * UNITS_PER_SLOT + bit * before.units_per_block;
                let holder = match is_set(&owned.all, bit) {
                    false => Some(Holder::Nobody),
                    true => self.holders.remove(&(datanode, unit)),
                };
                let len_bytes = before.units_per_block * UNIT_BYTES;
                let block = holder.map(|holder| UnnamedBlock {
                    partition: self.partition,
                    datanode,
                    slot,
                    unit,
                    len_bytes,
                    holder,
                });
                found.add(block, len_bytes, listed_max);
            }
        }
        if !leaks.is_empty() {
            found.leaks.push(Leaks {
                partition: self.partition,
                incarnation: self.incarnation,
                slots: leaks,
            });
        }
    }
}

impl IssuedSlot {
    /// Whether nothing was given out between one and the other.
    fn is_like(&self, other: &IssuedSlot) -> bool {
        (self.epoch, self.generation, self.units_per_block)
            == (other.epoch, other.generation, other.units_per_block)
    }

    fn bit_of(&self, unit: u32) -> u32 {
        unit % UNITS_PER_SLOT / self.units_per_block
    }
}

impl UnnamedBlocks {
    /// Counts one, and lists it if it is known and there is room: those that have leaked have their own.
    fn add(&mut self, block: Option<UnnamedBlock>, len_bytes: u32, listed_max: usize) {
        let is_leaked = block.as_ref().is_some_and(|block| block.holder == Holder::Nobody);
        let (count, bytes) = match is_leaked {
            true => (&mut self.leaked, &mut self.leaked_bytes),
            false => (&mut self.held, &mut self.held_bytes),
        };
        *count += 1;
        *bytes += u64::from(len_bytes);
        if *count <= listed_max as u64 {
            self.blocks.extend(block);
        }
    }
}

fn set(bits: &mut [u64; 4], bit: u32, is_set: bool) {
    let word = &mut bits[bit as usize / 64];
    let mask = 1 << (bit % 64);
    *word = if is_set { *word | mask } else { *word & !mask };
}

fn is_set(bits: &[u64; 4], bit: u32) -> bool {
    bits[bit as usize / 64] & 1 << (bit % 64) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: (u32, u32) = (1, 2);

    /// Slot 2 of datanode 1, whose blocks of 64 KiB with these bits are given out.
    fn slots(generation: u32, taken: u64) -> Slots {
        let slot = IssuedSlot {
            epoch: 1,
            generation,
            units_per_block: 16,
            taken: [taken, 0, 0, 0],
        };
        Slots::from([(SLOT, slot)])
    }

    fn owner(node: u64, bits: &[u64]) -> Owner {
        let place = |bit: &u64| 1 << 32 | (2 * 256 + bit * 16);
        Owner {
            node,
            going: false,
            name: b"key".to_vec(),
            blocks: bits.iter().map(place).collect(),
        }
    }

    fn judged(census: Census, after: &Slots, listed_max: usize) -> UnnamedBlocks {
        let mut found = UnnamedBlocks::default();
        census.end(after, listed_max, &mut found);
        found
    }

    fn units(found: &UnnamedBlocks) -> Vec<(u32, &Holder)> {
        found
            .blocks
            .iter()
            .map(|block| (block.unit, &block.holder))
            .collect()
    }

    #[test]
    fn what_has_an_owner_has_not_leaked() {
        let mut census = Census::new(3, 7, slots(9, 0b11111));
        census.meet(Of::Puts, owner(5, &[1]));
        census.meet(Of::Views, owner(6, &[2]));
        census.meet(Of::Nodes, owner(7, &[0]));
        census.meet(
            Of::Nodes,
            Owner {
                going: true,
                ..owner(8, &[3])
            },
        );
        let found = judged(census, &slots(9, 0b11111), 100);
        let (key, name) = (b"key".to_vec(), b"key".to_vec());
        let expected = [
            (2 * 256 + 16, &Holder::Put { table: 5, key }),
            (2 * 256 + 32, &Holder::View { node: 6 }),
            (2 * 256 + 48, &Holder::Removal { node: 8, name }),
            (2 * 256 + 64, &Holder::Nobody),
        ];
        assert_eq!(units(&found), expected);
        assert_eq!(
            (found.held, found.held_bytes, found.leaked, found.leaked_bytes),
            (3, 3 * 65536, 1, 65536)
        );
        let block = &found.blocks[3];
        assert_eq!((block.partition, block.datanode, block.slot), (3, 1, 2));
        assert_eq!((block.len_bytes, found.unlisted()), (65536, 0));
        let leaks = Leaks {
            partition: 3,
            incarnation: 7,
            slots: slots(9, 0b10000),
        };
        assert_eq!(found.leaks, [leaks]);
    }

    #[test]
    fn what_comes_and_goes_meanwhile_is_not_judged() {
        // Freed before the end, and given out after the beginning.
        let freed = judged(Census::new(0, 7, slots(9, 0b11)), &slots(9, 0b01), 100);
        assert_eq!((freed.leaked, units(&freed)), (1, vec![(512, &Holder::Nobody)]));
        for after in [slots(10, 0b11), Slots::new()] {
            let found = judged(Census::new(0, 7, slots(9, 0b11)), &after, 100);
            assert_eq!(found, UnnamedBlocks::default());
        }
        assert_eq!(
            judged(Census::new(0, 7, Slots::new()), &slots(9, 0b11), 100),
            UnnamedBlocks::default()
        );
    }

    /// A value that got its name has one, and a file that lost it has none: in the order in which they are met.
    #[test]
    fn what_passes_to_another_owner_is_the_last_ones() {
        let mut census = Census::new(0, 7, slots(9, 0b11));
        census.meet(Of::Puts, owner(5, &[0]));
        census.meet(Of::Nodes, owner(6, &[0, 1]));
        census.meet(Of::Views, owner(6, &[1]));
        let found = judged(census, &slots(9, 0b11), 100);
        assert_eq!(units(&found), [(512 + 16, &Holder::View { node: 6 })]);
    }

    #[test]
    fn a_long_list_is_cut_and_counted() {
        let mut census = Census::new(0, 7, slots(9, 0xffff));
        census.meet(Of::Views, owner(6, &[0, 1, 2, 3, 4]));
        let found = judged(census, &slots(9, 0xffff), 3);
        assert_eq!((found.held, found.leaked), (5, 11));
        assert_eq!((found.blocks.len(), found.unlisted()), (6, 10));
        // To be freed are all of them.
        assert_eq!(found.leaks[0].slots, slots(9, 0xffe0));
    }
}
