//! Blocks of three sizes, cut out of a datanode's slots of 1 MiB and merged back when a slot is empty.

use super::slab::NONE;
use super::state::{choices, fields};

mod loans;

pub(super) use loans::LOAN_GENERATIONS;

/// The size of a slot, and of the largest blocks.
pub(super) const SLOT_BYTES: u64 = 1 << 20;
/// Of the smallest blocks, and of what a handle counts in.
pub(super) const UNIT_BYTES: u64 = 4096;
const UNITS_PER_SLOT: u32 = (SLOT_BYTES / UNIT_BYTES) as u32;

/// The size of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub(super) enum Class {
    /// 4 KiB.
    Small,
    /// 64 KiB.
    Medium,
    /// 1 MiB.
    Large,
}

impl Class {
    pub(super) fn bytes(self) -> u64 {
        UNIT_BYTES << (4 * self as u32)
    }

    /// The class of blocks of this size, if there is one.
    pub(super) fn of_bytes(bytes: u64) -> Option<Self> {
        [Self::Small, Self::Medium, Self::Large]
            .into_iter()
            .find(|class| class.bytes() == bytes)
    }

    fn units(self) -> u32 {
        (self.bytes() / UNIT_BYTES) as u32
    }

    fn per_slot(self) -> u32 {
        UNITS_PER_SLOT / self.units()
    }

    /// What the next block of a file should be that has `capacity` bytes and wants `want` more.
    ///
    /// A class is skipped when more than eight of its blocks would be needed, or when the file has sixteen of them
    /// already. So at most half of a block stays empty if `want` is all that comes, and a file has few small blocks
    /// however it grows: at most sixteen of each size, then 1 MiB at a time.
    pub(super) fn fitting(capacity: u64, want: u64) -> Self {
        [Self::Small, Self::Medium]
            .into_iter()
            .find(|class| want <= 8 * class.bytes() && capacity < 16 * class.bytes())
            .unwrap_or(Self::Large)
    }

    /// This, or the largest that is smaller and has no more bytes; the smallest if there is none.
    pub(super) fn within(self, bytes: u64) -> Self {
        [Self::Large, Self::Medium]
            .into_iter()
            .find(|class| *class <= self && class.bytes() <= bytes)
            .unwrap_or(Self::Small)
    }

    /// What to take when blocks of this class have run out: the next best first.
    pub(super) fn with_substitutes(self) -> [Self; 3] {
        match self {
            Self::Small => [Self::Small, Self::Medium, Self::Large],
            Self::Medium => [Self::Medium, Self::Small, Self::Large],
            Self::Large => [Self::Large, Self::Medium, Self::Small],
        }
    }
}

/// A block of a file: where its bytes are in the file, and where they are in the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Extent {
    /// First byte of the file that it holds.
    pub(super) offset: u64,
    /// Bytes of the file that it holds: its class' size, less if the rest is not to be used any more.
    pub(super) length: u32,
    pub(super) block: Issued,
}

/// A block while it is somebody's. Not `Clone` without need: there is one owner, who gives it back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Issued {
    pub(super) datanode: u32,
    /// Which life of the datanode it belongs to.
    pub(super) epoch: u32,
    pub(super) unit: u32,
    pub(super) generation: u32,
    pub(super) class: Class,
}

impl Issued {
    /// Where it is in the cluster: the datanode in the upper half, the first unit in the lower one.
    pub(super) fn place(&self) -> u64 {
        u64::from(self.datanode) << 32 | u64::from(self.unit)
    }

    /// In which of the datanode's slots it is.
    pub(super) fn slot(&self) -> u32 {
        self.unit / UNITS_PER_SLOT
    }

    /// Which of the blocks of its slot it is.
    pub(super) fn number(&self) -> u32 {
        self.unit % UNITS_PER_SLOT / self.class.units()
    }

    /// The first unit of a block by these.
    pub(super) fn unit_of(slot: u32, number: u32, class: Class) -> u32 {
        slot * UNITS_PER_SLOT + number * class.units()
    }
}

/// The memory of one life of a datanode.
#[derive(Debug, Default, Hash)]
pub(super) struct Slots {
    /// Those that were ever used; the vector grows with use, not with what a datanode claims to have.
    slots: Vec<Slot>,
    total: u32,
    /// Empty slots that were used before.
    empty: Vec<u32>,
    /// Slots of each class with free blocks: first of a list. Large ones have none: an issued slot is full.
    partial: [u32; 2],
    used_bytes: u64,
    /// Generations of slots that were never used begin above this.
    floor: u32,
    /// Of all slots, those that another partition has.
    away: u32,
    /// Those that were never used here are another partition's, too.
    borrows: bool,
    /// Empty slots whose loan allows no more generations.
    spent: Vec<u32>,
}

/// What is given out of a slot.
#[derive(Clone, Copy, Debug)]
pub(super) struct SlotUse {
    pub(super) generation: u32,
    pub(super) class: Class,
    pub(super) taken: [u64; 4],
}

#[derive(Debug, Hash)]
struct Slot {
    /// Raised with each block issued from here, so that no two handles to the same bytes are alike.
    generation: u32,
    /// In the list of partial slots.
    previous: u32,
    next: u32,
    used: u16,
    /// While it is not empty.
    class: Class,
    taken: [u64; 4],
    /// The number of the partition that has it, and 1; 0: this one.
    holder: u16,
    /// The last generation that may be issued here.
    limit: u32,
}

choices!(Class { Small, Medium, Large });
fields!(Issued {
    datanode,
    epoch,
    unit,
    generation,
    class
});
fields!(Extent {
    offset,
    length,
    block
});
fields!(Slots {
    slots,
    total,
    empty,
    partial,
    used_bytes,
    floor,
    away,
    borrows,
    spent
});
fields!(Slot {
    generation,
    previous,
    next,
    used,
    class,
    taken,
    holder,
    limit
});

impl Slot {
    const EMPTY: Self = Self {
        generation: 0,
        previous: NONE,
        next: NONE,
        used: 0,
        class: Class::Large,
        taken: [0; 4],
        holder: 0,
        limit: u32::MAX,
    };

    fn is_full(&self) -> bool {
        u32::from(self.used) == self.class.per_slot()
    }

    /// Generations are used up: no block of it can be issued again.
    fn is_worn_out(&self) -> bool {
        self.generation >= self.limit
    }

    fn is_here(&self) -> bool {
        self.holder == 0
    }

    fn take_lowest(&mut self) -> u32 {
        let word = self
            .taken
            .iter()
            .position(|&word| word != u64::MAX)
            .expect("the slot is not full");
        let bit = self.taken[word].trailing_ones();
        self.taken[word] |= 1 << bit;
        word as u32 * 64 + bit
    }

    fn has(&self, block: u32) -> bool {
        self.taken[block as usize / 64] & 1 << (block % 64) != 0
    }

    fn give_back(&mut self, block: u32) {
        self.taken[block as usize / 64] &= !(1 << (block % 64));
    }
}

impl Slots {
    /// All slots of `capacity` bytes, empty.
    pub(super) fn new(capacity: u64) -> Self {
        // A handle counts 4 KiB units in 32 bits: what is above 16 TiB cannot be named.
        let total = (capacity / SLOT_BYTES).min(u64::from(u32::MAX / UNITS_PER_SLOT)) as u32;
        Self {
            total,
            partial: [NONE; 2],
            ..Self::default()
        }
    }

    pub(super) fn capacity_bytes(&self) -> u64 {
        u64::from(self.total - self.away) * SLOT_BYTES
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// The slots from this one on that were ever used, with what is given out of each: its generation, the size of its blocks, and a bit for each
    /// of them; `None` of an empty one.
    pub(super) fn issued_from(&self, first: u32) -> impl Iterator<Item = (u32, Option<SlotUse>)> {
        let slots = self.slots.iter().enumerate().skip(first as usize);
        slots.map(|(index, slot)| {
            let index = index as u32;
            let in_use = (slot.used > 0).then_some(SlotUse {
                generation: slot.generation,
                class: slot.class,
                taken: slot.taken,
            });
            (index, in_use)
        })
    }

    /// A bit for each block that is given out of a slot, if it is as it was: blocks of this class, and none issued since the one with this
    /// generation. What is given out then has been given out ever since.
    pub(super) fn taken_since(&self, index: u32, generation: u32, class: Class) -> Option<[u64; 4]> {
        let slot = self.slots.get(index as usize)?;
        let is_same = slot.generation == generation && (slot.used == 0 || slot.class == class);
        is_same.then_some(slot.taken)
    }

    /// A block of this class: its first unit and its generation.
    pub(super) fn issue(&mut self, class: Class) -> Option<(u32, u32)> {
        let index = match class {
            Class::Large => NONE,
            Class::Small | Class::Medium => self.partial[class as usize],
        };
        let index = if index == NONE {
            self.open_empty(class)?
        } else {
            index
        };
        let slot = &mut self.slots[index as usize];
        slot.generation += 1;
        slot.used += 1;
        let block = slot.take_lowest();
        let generation = slot.generation;
        if slot.is_full() || slot.is_worn_out() {
            self.unlink(index);
        }
        self.used_bytes += class.bytes();
        Some((Issued::unit_of(index, block, class), generation))
    }

    fn open_empty(&mut self, class: Class) -> Option<u32> {
        let index = match self.empty.pop() {
            Some(index) => index,
            None => self.begin_slot()?,
        };
        self.slots[index as usize].class = class;
        self.link(index);
        Some(index)
    }

    /// A slot that was never used, if there is one.
    fn begin_slot(&mut self) -> Option<u32> {
        if self.borrows || self.slots.len() as u32 >= self.total {
            return None;
        }
        self.slots.push(Slot {
            generation: self.floor,
            ..Slot::EMPTY
        });
        Some(self.slots.len() as u32 - 1)
    }

    /// Takes a block back. It must have been issued, and not taken back since.
    pub(super) fn release(&mut self, block: &Issued) {
        let (index, number) = (block.slot(), block.number());
        let slot = &mut self.slots[index as usize];
        assert!(
            slot.class == block.class && slot.has(number),
            "the block was issued"
        );
        let was_listed = !slot.is_full() && !slot.is_worn_out();
        slot.give_back(number);
        slot.used -= 1;
        let (empty, worn_out) = (slot.used == 0, slot.is_worn_out());
        let is_spent = slot.generation < u32::MAX;
        self.used_bytes -= block.class.bytes();
        match (worn_out, empty, was_listed) {
            (true, true, _) if is_spent => self.spent.push(index),
            (true, _, _) | (false, false, true) => {}
            (false, false, false) => self.link(index),
            (false, true, listed) => {
                if listed {
                    self.unlink(index);
                }
                self.empty.push(index);
            }
        }
    }

    /// All blocks issued from now on have generations this much above those before, as far as there are such: who has lost
    /// count 4,000 times begins to run out.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.floor = raised(self.floor, gap);
        for slot in &mut self.slots {
            // One that is worn out stays so.
            slot.generation = slot.generation.max(raised(slot.generation, gap));
        }
    }

    /// Puts a slot in front of its class' list.
    fn link(&mut self, index: u32) {
        let class = self.slots[index as usize].class;
        let Some(head) = self.partial.get_mut(class as usize) else {
            return;
        };
        let next = std::mem::replace(head, index);
        self.slots[index as usize].previous = NONE;
        self.slots[index as usize].next = next;
        if next != NONE {
            self.slots[next as usize].previous = index;
        }
    }

    fn unlink(&mut self, index: u32) {
        let slot = &self.slots[index as usize];
        let (class, previous, next) = (slot.class, slot.previous, slot.next);
        let Some(head) = self.partial.get_mut(class as usize) else {
            return;
        };
        if previous == NONE {
            *head = next;
        } else {
            self.slots[previous as usize].next = next;
        }
        if next != NONE {
            self.slots[next as usize].previous = previous;
        }
    }

    /// Checks that exactly the blocks of `owned` are issued, each once, and that every other byte can be issued.
    pub(super) fn check(&self, owned: &[&Issued]) -> Result<(), String> {
        let mut taken = vec![[0_u64; 4]; self.slots.len()];
        let mut bytes = 0;
        for block in owned {
            let (slot, number) = (block.slot() as usize, block.number());
            if self.slots[slot].class != block.class || self.slots[slot].generation < block.generation {
                return Err(format!("{block:?} is in a slot of another class or time"));
            }
            let word = &mut taken[slot][number as usize / 64];
            if *word & 1 << (number % 64) != 0 {
                return Err(format!("{block:?} has two owners"));
            }
            *word |= 1 << (number % 64);
            bytes += block.class.bytes();
        }
        if bytes != self.used_bytes {
            return Err(format!(
                "{bytes} bytes are owned, {} are counted",
                self.used_bytes
            ));
        }
        for (index, (slot, taken)) in self.slots.iter().zip(&taken).enumerate() {
            if slot.taken != *taken
                || u32::from(slot.used) != taken.iter().map(|word| word.count_ones()).sum()
            {
                return Err(format!("slot {index} has issued blocks that nobody owns"));
            }
        }
        self.check_lists()
    }

    fn check_lists(&self) -> Result<(), String> {
        let mut listed: Vec<u32> = self.empty.clone();
        for head in self.partial {
            let mut at = head;
            while at != NONE {
                listed.push(at);
                at = self.slots[at as usize].next;
            }
        }
        listed.sort_unstable();
        let usable = |slot: &Slot| slot.is_here() && !slot.is_full() && !slot.is_worn_out();
        let expected: Vec<u32> = (0..self.slots.len() as u32)
            .filter(|&index| usable(&self.slots[index as usize]))
            .collect();
        (listed == expected)
            .then_some(())
            .ok_or_else(|| String::from("the lists of slots with room are wrong"))?;
        self.check_loans()
    }
}

/// Never the last generation: no slot is worn out by a gap.
fn raised(generation: u32, gap: u32) -> u32 {
    generation.saturating_add(gap).min(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issue(slots: &mut Slots, class: Class) -> Option<Issued> {
        let (unit, generation) = slots.issue(class)?;
        Some(Issued {
            datanode: 1,
            epoch: 1,
            unit,
            generation,
            class,
        })
    }

    fn check(slots: &Slots, owned: &[Issued]) {
        slots.check(&owned.iter().collect::<Vec<_>>()).unwrap();
    }

    #[test]
    fn small_blocks_share_a_slot_and_merge_back() {
        let mut slots = Slots::new(2 * SLOT_BYTES);
        let mut small: Vec<Issued> = (0..256)
            .map(|_| issue(&mut slots, Class::Small).unwrap())
            .collect();
        check(&slots, &small);
        assert_eq!(slots.used_bytes(), SLOT_BYTES);
        let medium = issue(&mut slots, Class::Medium).unwrap();
        assert!(issue(&mut slots, Class::Large).is_none() && issue(&mut slots, Class::Small).is_none());
        while let Some(block) = small.pop() {
            assert!(issue(&mut slots, Class::Large).is_none());
            slots.release(&block);
        }
        let large = issue(&mut slots, Class::Large).unwrap();
        check(&slots, &[medium, large]);
    }

    #[test]
    fn no_bytes_are_issued_twice_with_the_same_generation() {
        let mut slots = Slots::new(SLOT_BYTES);
        let mut seen = std::collections::BTreeSet::new();
        for round in 0..30 {
            let class = [Class::Small, Class::Medium, Class::Large][round % 3];
            let blocks: Vec<Issued> = std::iter::from_fn(|| issue(&mut slots, class)).collect();
            assert_eq!(blocks.len() as u32, class.per_slot());
            for block in &blocks {
                for unit in block.unit..block.unit + class.units() {
                    assert!(seen.insert((unit, block.generation)));
                }
                assert!(
                    seen.range((block.unit, 0)..(block.unit + 1, 0))
                        .all(|&(_, old)| old <= block.generation)
                );
            }
            check(&slots, &blocks);
            blocks.iter().for_each(|block| slots.release(block));
        }
        assert_eq!(slots.used_bytes(), 0);
    }

    #[test]
    fn a_slot_whose_generations_are_used_up_retires() {
        let mut slots = Slots::new(2 * SLOT_BYTES);
        let first = issue(&mut slots, Class::Small).unwrap();
        slots.slots[0].generation = u32::MAX - 1;
        let last = issue(&mut slots, Class::Small).unwrap();
        assert_eq!(last.generation, u32::MAX);
        let elsewhere = issue(&mut slots, Class::Small).unwrap();
        assert_eq!((elsewhere.unit, elsewhere.generation), (UNITS_PER_SLOT, 1));
        slots.release(&first);
        slots.release(&last);
        slots.release(&elsewhere);
        check(&slots, &[]);
        assert_eq!(issue(&mut slots, Class::Large).unwrap().unit, UNITS_PER_SLOT);
        assert!(issue(&mut slots, Class::Large).is_none());
    }

    #[test]
    fn a_claim_of_much_memory_takes_none_here() {
        let mut slots = Slots::new(u64::MAX);
        assert_eq!(
            slots.capacity_bytes() / UNIT_BYTES,
            u64::from(u32::MAX / UNITS_PER_SLOT * UNITS_PER_SLOT)
        );
        assert!(slots.issue(Class::Large).is_some());
        assert_eq!(slots.slots.capacity().min(64), slots.slots.capacity());
    }

    #[test]
    fn few_small_blocks_however_a_file_grows() {
        for step in [1, 100, 4096, 5000, 40_000, 70_000, 300_000, 600_000] {
            let (mut capacity, mut blocks) = (0, 0);
            while capacity < 64 * SLOT_BYTES {
                capacity += Class::fitting(capacity, step).bytes();
                blocks += 1;
            }
            assert!(blocks <= 16 + 16 + 64, "{blocks} blocks in steps of {step}");
        }
    }

    #[test]
    fn at_most_half_of_what_is_issued_stays_empty() {
        for size in (1..3 * SLOT_BYTES).step_by(997) {
            let mut capacity = 0;
            while capacity < size {
                capacity += Class::fitting(capacity, size - capacity).bytes();
            }
            assert!(capacity < 2 * size.max(UNIT_BYTES), "{capacity} bytes for {size}");
        }
    }
}
