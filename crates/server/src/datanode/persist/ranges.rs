//! The ranges of fragmented blocks, which the table has no room for.

use std::collections::BTreeMap;

use crake_store::protocol::tier::Span;

use super::ledger::{Ledger, Step};

/// Which slots of the ledger have ranges of which block.
#[derive(Debug)]
pub(super) struct Slots {
    by_head: BTreeMap<usize, Vec<usize>>,
    free: Vec<usize>,
    /// Slots from here on were never used.
    unused: usize,
    end: usize,
}

impl Slots {
    pub(super) fn new(end: usize) -> Slots {
        Slots {
            by_head: BTreeMap::new(),
            free: Vec::new(),
            unused: 0,
            end,
        }
    }

    /// Slots that had ranges of a block when the directory was opened, in the order of their ranges.
    pub(super) fn adopt(&mut self, head: usize, slots: Vec<usize>) {
        let last = slots.iter().max().map_or(0, |slot| slot + 1);
        self.unused = self.unused.max(last);
        self.by_head.insert(head, slots);
    }

    /// All were adopted that have ranges: the others below them are free.
    pub(super) fn adopted(&mut self) {
        let mut is_used = vec![false; self.unused];
        let used = self.by_head.values().flatten();
        used.for_each(|&slot| is_used[slot] = true);
        self.free = (0..self.unused).filter(|&slot| !is_used[slot]).collect();
    }

    fn take(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            assert!(self.unused < self.end, "there are as many slots as ranges");
            self.unused += 1;
            self.unused - 1
        })
    }
}

impl Ledger {
    /// These are all ranges of the block that begins with `head`, and cover those that it had before, or there are none any more.
    ///
    /// The ranges in the slots, taken together, cover what they covered before at any time, and never more than they will.
    pub(crate) fn set_ranges(&self, head: usize, ranges: &[Span]) {
        let mut slots = self.slots.borrow_mut();
        let mut of_head = slots.by_head.remove(&head).unwrap_or_default();
        let is_growing = ranges.len() > of_head.len();
        of_head.resize_with(of_head.len().max(ranges.len()), || slots.take());
        let put = |(slot, span): (&usize, &Span)| self.put_range(*slot, head, *span);
        // A range that moves to a later slot must be there before its own is written over, and the other way round.
        match is_growing {
            true => of_head.iter().zip(ranges).rev().for_each(put),
            false => of_head.iter().zip(ranges).for_each(put),
        }
        for slot in of_head.drain(ranges.len()..) {
            self.put_range(slot, head, Span::EMPTY);
            slots.free.push(slot);
        }
        if !of_head.is_empty() {
            slots.by_head.insert(head, of_head);
        }
    }

    fn put_range(&self, slot: usize, head: usize, span: Span) {
        let at = self.places.slot_at(slot);
        let is_there = self.ledger.load_u32(at) as usize == head && self.ledger.load_u64(at + 8) == span.0;
        if !is_there {
            let head = head as u32;
            self.take(&Step::Slot { slot, head, span });
        }
    }
}
