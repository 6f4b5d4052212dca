//! Reading what a directory says of its blocks. Nothing of it is believed before it has been checked.

use std::collections::BTreeMap;

use crake_store::protocol::tier::Span;

use super::error::Reason;
use super::layout::{LEDGER, TABLE, slot_check, unit_check};
use super::ledger::{Ledger, Life};
use super::ranges::Slots;
use super::store::Found;
use crate::datanode::UNIT_BYTES;
use crate::datanode::written::{RANGES_MAX, join, joins};

/// Bytes of the largest block.
const BLOCK_MAX_BYTES: u64 = super::super::BLOCK_UNITS[2] as u64 * UNIT_BYTES;

/// What a datanode goes on with.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) life: Life,
    /// The newest generation of each unit.
    pub(crate) generations: Vec<u32>,
    /// What is written of the block that begins with each unit.
    pub(crate) spans: Vec<u64>,
    /// In order, with holes between them; of each fragmented block.
    pub(crate) fragments: BTreeMap<usize, Vec<Span>>,
}

impl Recovered {
    /// Its blocks and bytes, counted.
    pub(crate) fn found(&self) -> Found {
        let single = self.spans.iter().map(|&span| Span(span));
        let single = single.filter(|span| *span != Span::EMPTY && *span != Span::FRAGMENTED);
        let ranges = single.clone().chain(self.fragments.values().flatten().copied());
        Found::Kept {
            blocks: (single.count() + self.fragments.len()) as u64,
            bytes: ranges.map(|span| u64::from(span.end() - span.start())).sum(),
        }
    }
}

impl Ledger {
    /// Finishes the step that was under way, and reads everything.
    pub(super) fn recover(&self, life: Life) -> Result<Recovered, Reason> {
        if let Some(step) = self.last_step() {
            self.apply(&step);
        }
        let mut recovered = Recovered {
            life,
            generations: Vec::with_capacity(self.places.units),
            spans: Vec::with_capacity(self.places.units),
            fragments: BTreeMap::new(),
        };
        for unit in 0..self.places.units {
            let (generation, span) = self.read_unit(unit)?;
            recovered.generations.push(generation);
            recovered.spans.push(span.0);
        }
        self.read_ranges(&mut recovered)?;
        self.close_fragments(&mut recovered)?;
        Ok(recovered)
    }

    fn read_unit(&self, unit: usize) -> Result<(u32, Span), Reason> {
        let generation_at = self.layout.generations_at(unit..unit).start;
        let span_at = self.layout.span_at(unit);
        let generation = self.table.load_u32(generation_at);
        let span = Span(self.table.load_u64(span_at));
        let check_at = self.places.check_at(unit);
        if self.ledger.load_u64(check_at) != unit_check(unit, generation, span.0) {
            let what = "the check of a unit is not that of the table";
            return Err(Reason::damaged(LEDGER, check_at, what));
        }
        let is_one = span != Span::EMPTY && span != Span::FRAGMENTED;
        if is_one && !self.is_sound(unit, span) {
            return Err(Reason::damaged(TABLE, span_at, "a range that no block has"));
        }
        if span != Span::EMPTY && generation == 0 {
            let what = "a block that was never issued has bytes";
            return Err(Reason::damaged(TABLE, generation_at, what));
        }
        Ok((generation, span))
    }

    /// Whether a block that begins with this unit can have such a range.
    fn is_sound(&self, head: usize, span: Span) -> bool {
        let tier_bytes = (self.places.units - head) as u64 * UNIT_BYTES;
        span.start() < span.end() && u64::from(span.end()) <= BLOCK_MAX_BYTES.min(tier_bytes)
    }

    /// The ranges of fragmented blocks. What is left of blocks that are not, which the process had no time to remove, is removed.
    fn read_ranges(&self, recovered: &mut Recovered) -> Result<(), Reason> {
        let mut found = BTreeMap::<usize, Vec<(Span, usize)>>::new();
        for slot in 0..self.places.slots {
            if let Some((head, span)) = self.read_range(slot)? {
                found.entry(head).or_default().push((span, slot));
            }
        }
        let mut slots = Slots::new(self.places.slots);
        for (head, ranges) in &mut found {
            ranges.sort_unstable_by_key(|(span, _)| span.start());
            slots.adopt(*head, ranges.iter().map(|(_, slot)| *slot).collect());
        }
        slots.adopted();
        self.slots.replace(slots);
        for (head, ranges) in found {
            let is_fragmented = recovered.spans[head] == Span::FRAGMENTED.0;
            let joined = match is_fragmented {
                true => joined(ranges.iter().map(|(span, _)| *span)),
                false => Vec::new(),
            };
            self.set_ranges(head, &joined);
            if is_fragmented {
                recovered.fragments.insert(head, joined);
            }
        }
        Ok(())
    }

    fn read_range(&self, slot: usize) -> Result<Option<(usize, Span)>, Reason> {
        let at = self.places.slot_at(slot);
        let head = self.ledger.load_u32(at);
        let span = Span(self.ledger.load_u64(at + 8));
        if self.ledger.load_u32(at + 4) != slot_check(slot, head, span.0) {
            return Err(Reason::damaged(LEDGER, at, "the check of a range is wrong"));
        }
        if span == Span::EMPTY {
            return Ok(None);
        }
        let head = head as usize;
        match head < self.places.units && self.is_sound(head, span) {
            true => Ok(Some((head, span))),
            false => Err(Reason::damaged(LEDGER, at, "a range that no block has")),
        }
    }

    /// Blocks whose ranges have grown together, which the process had no time to say.
    fn close_fragments(&self, recovered: &mut Recovered) -> Result<(), Reason> {
        for (head, span) in recovered.spans.iter_mut().enumerate() {
            if *span != Span::FRAGMENTED.0 {
                continue;
            }
            let span_at = self.layout.span_at(head);
            let ranges = recovered.fragments.get(&head).map_or(&[][..], Vec::as_slice);
            match *ranges {
                [] => {
                    let what = "a block of several ranges has none in the ledger";
                    return Err(Reason::damaged(TABLE, span_at, what));
                }
                [single] => {
                    self.set_span(head, single);
                    self.set_ranges(head, &[]);
                    recovered.fragments.remove(&head);
                    *span = single.0;
                }
                ref several if several.len() > RANGES_MAX => {
                    let what = "a block has more ranges than there may be";
                    return Err(Reason::damaged(TABLE, span_at, what));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The same bytes in as few ranges as there may be, of ranges in the order of their starts.
fn joined(ranges: impl Iterator<Item = Span>) -> Vec<Span> {
    let mut joined = Vec::<Span>::new();
    for span in ranges {
        match joined.last_mut() {
            Some(last) if joins(*last, span) => *last = join(*last, span),
            _ => joined.push(span),
        }
    }
    joined
}
