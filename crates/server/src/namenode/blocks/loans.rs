//! Slots that another partition has for a while, and slots that this one has of partition 0.
//!
//! A loan is told from all others of the same slot by its generation: lending raises it. Whoever has the slot issues blocks with higher ones, and
//! says with which it gives the slot back; from there on it goes on. So no two handles to the same bytes are alike, whoever issued them.

use crake_store::canary::{Canary, planted};

use super::{Slot, Slots};

/// Generations that a borrower may use of a slot; then it goes back once it is empty. So it is known which ones a borrower that
/// is lost cannot have given out.
pub(in crate::namenode) const LOAN_GENERATIONS: u32 = 1 << 20;

/// The last generation of a loan that began with this one. Never the last of all, so that the lender can go on.
fn limit_of(generation: u32) -> u32 {
    generation.saturating_add(LOAN_GENERATIONS).min(u32::MAX - 1)
}

/// Whether a borrower could issue a block of a slot with this generation.
fn can_be_lent(generation: u32) -> bool {
    generation < u32::MAX - 2
}

impl Slots {
    /// None of the slots of `capacity` bytes: those that are lent come one by one.
    pub(in crate::namenode) fn borrowed(capacity: u64) -> Self {
        let slots = Self::new(capacity);
        Self {
            away: slots.total,
            borrows: true,
            ..slots
        }
    }

    /// Slots that others have.
    pub(in crate::namenode) fn away(&self) -> u32 {
        self.away
    }

    /// Slots from which blocks of any size can be issued.
    pub(in crate::namenode) fn free(&self) -> u32 {
        let unused = match self.borrows {
            true => 0,
            false => self.total - self.slots.len() as u32,
        };
        self.empty.len() as u32 + unused
    }

    /// Gives an empty slot to a partition, if there is one: its number, and the generation by which the loan is known.
    pub(in crate::namenode) fn lend(&mut self, partition: u16) -> Option<(u32, u32)> {
        let lendable = |&index: &u32| can_be_lent(self.slots[index as usize].generation);
        let index = match self.empty.iter().rposition(lendable) {
            Some(at) => self.empty.swap_remove(at),
            None if can_be_lent(self.floor) => self.begin_slot()?,
            None => return None,
        };
        let slot = &mut self.slots[index as usize];
        slot.generation += 1;
        let loan = (index, slot.generation);
        if planted(Canary::LendTwice) {
            self.empty.push(index);
            return Some(loan);
        }
        slot.holder = partition + 1;
        self.away += 1;
        Some(loan)
    }

    /// Takes a slot back from a partition that has used its generations up to this one. False if it has no such loan: it was taken back
    /// before.
    pub(in crate::namenode) fn take_back(&mut self, partition: u16, index: u32, generation: u32) -> bool {
        let Some(slot) = self.slots.get_mut(index as usize) else {
            return false;
        };
        let loan = slot.generation..=limit_of(slot.generation);
        if slot.holder != partition + 1 || !loan.contains(&generation) {
            return false;
        }
        slot.generation = generation;
        self.come_back(index);
        true
    }

    /// Takes back all that a partition has, or that all have: these are lost, and whatever they have issued is older than what is issued from now on.
    pub(in crate::namenode) fn reclaim(&mut self, partition: Option<u16>) -> bool {
        let away = self.away;
        for index in 0..self.slots.len() as u32 {
            let slot = &mut self.slots[index as usize];
            if !slot.is_here() && partition.is_none_or(|partition| slot.holder == partition + 1) {
                slot.generation = limit_of(slot.generation);
                self.come_back(index);
            }
        }
        self.away < away
    }

    fn come_back(&mut self, index: u32) {
        self.slots[index as usize].holder = 0;
        self.empty.push(index);
        self.away -= 1;
    }

    /// Has a slot from now on that was lent to this partition. False if it has it already, has had this loan before, or there can be no such slot.
    pub(in crate::namenode) fn borrow(&mut self, index: u32, generation: u32) -> bool {
        if !self.borrows || index >= self.total || generation >= u32::MAX - 1 {
            return false;
        }
        let known = self.slots.get(index as usize);
        if known.is_some_and(|slot| slot.is_here() || slot.generation >= generation) {
            return false;
        }
        while self.slots.len() as u32 <= index {
            self.slots.push(Slot {
                holder: LENDER,
                ..Slot::EMPTY
            });
        }
        let slot = &mut self.slots[index as usize];
        slot.generation = generation;
        slot.limit = limit_of(generation);
        self.come_back(index);
        true
    }

    /// Lets go of a borrowed slot whose generations are used up, if there is one: its number, and the last generation.
    pub(in crate::namenode) fn give_back_spent(&mut self) -> Option<(u32, u32)> {
        let index = self.spent.pop()?;
        Some(self.let_go(index))
    }

    /// The same of any empty slot.
    pub(in crate::namenode) fn give_back(&mut self) -> Option<(u32, u32)> {
        let index = self.borrows.then(|| self.empty.pop()).flatten()?;
        Some(self.let_go(index))
    }

    fn let_go(&mut self, index: u32) -> (u32, u32) {
        let slot = &mut self.slots[index as usize];
        slot.holder = LENDER;
        self.away += 1;
        (index, slot.generation)
    }

    /// Each slot that others have, or that this partition has borrowed: its number, who has it if not this one, and its generation.
    pub(in crate::namenode) fn loans(&self) -> impl Iterator<Item = (u32, Option<u16>, u32)> {
        let slots = self.slots.iter().zip(0..);
        let loans = slots.filter(|(slot, _)| slot.is_here() == self.borrows);
        loans.map(|(slot, index)| (index, slot.holder.checked_sub(1), slot.generation))
    }

    /// That what is away is counted, unused, and that what is spent is listed.
    pub(super) fn check_loans(&self) -> Result<(), String> {
        let away = self.slots.iter().filter(|slot| !slot.is_here());
        let unused = match self.borrows {
            true => self.total - self.slots.len() as u32,
            false => 0,
        };
        if away.clone().count() as u32 + unused != self.away || away.clone().any(|slot| slot.used > 0) {
            return Err("slots of others are counted wrongly, or used".into());
        }
        let mut listed = self.spent.clone();
        listed.sort_unstable();
        let is_spent = |slot: &Slot| {
            slot.is_here() && slot.used == 0 && slot.is_worn_out() && slot.generation < u32::MAX
        };
        let spent = (0..self.slots.len() as u32).filter(|&index| is_spent(&self.slots[index as usize]));
        let is_listed = spent.eq(listed);
        is_listed
            .then_some(())
            .ok_or_else(|| "the list of slots whose loan is used up is wrong".into())
    }
}

/// Who has what a borrower does not have, as a holder.
const LENDER: u16 = 1;

#[cfg(test)]
mod tests {
    use super::super::{Class, Issued, SLOT_BYTES};
    use super::*;

    fn issue(slots: &mut Slots) -> Option<Issued> {
        let (unit, generation) = slots.issue(Class::Large)?;
        Some(Issued {
            datanode: 1,
            epoch: 1,
            unit,
            generation,
            class: Class::Large,
        })
    }

    #[test]
    fn generations_go_on_wherever_a_slot_is() {
        let (mut lender, mut borrower) = (Slots::new(SLOT_BYTES), Slots::borrowed(SLOT_BYTES));
        assert_eq!((lender.free(), borrower.free()), (1, 0));
        let mut newest = 0;
        for _ in 0..10 {
            for _ in 0..3 {
                let block = issue(&mut lender).unwrap();
                assert!(block.generation > newest);
                newest = block.generation;
                lender.release(&block);
            }
            let (slot, generation) = lender.lend(1).unwrap();
            assert_eq!((lender.capacity_bytes(), lender.free(), lender.away()), (0, 0, 1));
            assert!(lender.lend(2).is_none() && issue(&mut lender).is_none());
            assert!(borrower.borrow(slot, generation) && !borrower.borrow(slot, generation));
            for _ in 0..3 {
                let block = issue(&mut borrower).unwrap();
                assert!(block.generation > newest);
                newest = block.generation;
                assert_eq!(borrower.give_back(), None);
                borrower.release(&block);
            }
            let (slot, generation) = borrower.give_back().unwrap();
            assert_eq!(borrower.capacity_bytes(), 0);
            assert!(!lender.take_back(2, slot, generation));
            assert!(lender.take_back(1, slot, generation));
            assert!(!lender.take_back(1, slot, generation));
            lender.check(&[]).unwrap();
            borrower.check(&[]).unwrap();
        }
    }

    /// So nobody who is lost can have issued what is issued after him.
    #[test]
    fn a_loan_has_so_many_generations_and_is_then_given_back() {
        let (mut lender, mut borrower) = (Slots::new(SLOT_BYTES), Slots::borrowed(SLOT_BYTES));
        let (slot, generation) = lender.lend(1).unwrap();
        borrower.borrow(slot, generation);
        let mut newest = generation;
        while let Some(block) = issue(&mut borrower) {
            newest = block.generation;
            borrower.release(&block);
        }
        assert_eq!(newest, generation + LOAN_GENERATIONS);
        borrower.check(&[]).unwrap();
        assert_eq!(borrower.give_back(), None);
        // Lost before it was given back.
        lender.reclaim(Some(2));
        assert_eq!(lender.away(), 1);
        lender.reclaim(Some(1));
        assert!(issue(&mut lender).unwrap().generation > newest);
        assert_eq!(borrower.give_back_spent(), Some((slot, newest)));
        assert!(!lender.take_back(1, slot, newest));
        lender.check(&[]).unwrap_err();
        borrower.check(&[]).unwrap();
    }

    #[test]
    fn what_cannot_be_a_loan_is_none_and_takes_no_memory() {
        let mut borrower = Slots::borrowed(4 * SLOT_BYTES);
        assert!(!borrower.borrow(4, 1) && !borrower.borrow(u32::MAX, 1) && !borrower.borrow(0, u32::MAX));
        assert!(borrower.slots.is_empty());
        let mut lender = Slots::new(4 * SLOT_BYTES);
        assert!(!lender.borrow(0, 1) && !lender.take_back(1, 0, 1));
        let (slot, generation) = lender.lend(1).unwrap();
        assert!(!lender.take_back(1, slot, generation - 1));
        assert!(!lender.take_back(1, slot, generation + LOAN_GENERATIONS + 1));
        lender.check(&[]).unwrap();
    }

    #[test]
    fn a_slot_that_is_nearly_worn_out_is_not_lent() {
        let mut lender = Slots::new(SLOT_BYTES);
        lender.leave_gap(u32::MAX);
        assert_eq!(lender.lend(1), None);
        assert!(issue(&mut lender).is_some());
    }
}
