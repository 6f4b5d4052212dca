//! Which bytes of each block were written since the block was issued.
//!
//! Nearly every block is written from one end to the other, so one range per block lies in a flat table. A block that
//! is written in pieces out of order has its ranges in a map until they have grown together.

use std::collections::BTreeMap;
use std::ops::Range;

use crake_store::protocol::tier::Span;

use super::UNIT_BYTES;
use super::published::Published;

/// Ranges that one block may have at once. A writer with more holes than this must fill some first.
pub(super) const RANGES_MAX: usize = 256;
/// Ranges of fragmented blocks that even the smallest tier may have.
const FRAGMENTS_MIN: usize = 64 * 1024;
/// A larger tier may have one for this many units. One costs at most about 80 bytes (a block of two ranges with its
/// node in the map), which is 0.25 % of the units' bytes.
const UNITS_PER_FRAGMENT: usize = 8;

/// The tables are full: the write would leave one more hole than they have room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooFragmented;

/// One span for each unit, of the block that begins with it, and what others see of them.
struct Spans {
    own: Vec<u64>,
    published: Published,
}

impl Spans {
    #[inline]
    fn of(&self, unit: usize) -> Span {
        Span(self.own[unit])
    }

    #[inline]
    fn set(&mut self, unit: usize, span: Span) {
        self.own[unit] = span.0;
        self.published.set_span(unit, span);
    }
}

/// The exact written ranges of all blocks. A block is known by its first unit.
pub(crate) struct Written {
    spans: Spans,
    fragments: BTreeMap<usize, Vec<Span>>,
    fragments_len: usize,
    fragments_max: usize,
    bytes: u64,
    blocks: u64,
}

impl Written {
    /// A table for `units` units, nothing written. Memory is touched only where bytes are written.
    pub(crate) fn new(units: usize, published: &Published) -> Written {
        Written {
            spans: Spans {
                own: vec![0; units],
                published: published.clone(),
            },
            fragments: BTreeMap::new(),
            fragments_len: 0,
            fragments_max: fragments_max(units),
            bytes: 0,
            blocks: 0,
        }
    }

    /// One that is known already, and published as it is: the span of each unit, and the ranges of blocks that have several.
    pub(crate) fn of(own: Vec<u64>, fragments: BTreeMap<usize, Vec<Span>>, published: &Published) -> Written {
        let single = own.iter().map(|&span| Span(span));
        let single = single.filter(|span| *span != Span::EMPTY && *span != Span::FRAGMENTED);
        let ranges = single.clone().chain(fragments.values().flatten().copied());
        Written {
            blocks: (single.clone().count() + fragments.len()) as u64,
            bytes: ranges.map(len).sum(),
            fragments_len: fragments.values().map(Vec::len).sum(),
            fragments_max: fragments_max(own.len()),
            fragments,
            spans: Spans {
                published: published.clone(),
                own,
            },
        }
    }

    /// Bytes written in all blocks.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Blocks with bytes in them.
    pub(crate) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// Whether all bytes of `range` are written.
    #[inline]
    pub(crate) fn covers(&self, head: usize, range: Range<u32>) -> bool {
        let holds = |span: Span| span.start() <= range.start && range.end <= span.end();
        match self.spans.of(head) {
            Span::FRAGMENTED => range.is_empty() || self.fragments_of(head).iter().any(|span| holds(*span)),
            span => range.is_empty() || holds(span),
        }
    }

    /// Whether any byte of `range` is written.
    #[inline]
    pub(crate) fn touches(&self, head: usize, range: Range<u32>) -> bool {
        let meets = |span: Span| span.start() < range.end && range.start < span.end();
        match self.spans.of(head) {
            Span::FRAGMENTED => self.fragments_of(head).iter().any(|span| meets(*span)),
            span => meets(span),
        }
    }

    /// Whether [`insert`](Self::insert) of `range` would find room.
    pub(crate) fn has_room(&self, head: usize, range: Range<u32>) -> bool {
        let span = Span::of(range);
        let ranges = match self.spans.of(head) {
            Span::EMPTY => return true,
            Span::FRAGMENTED => self.fragments_of(head),
            single => return joins(single, span) || self.fragments_len + 2 <= self.fragments_max,
        };
        ranges.iter().any(|other| joins(*other, span))
            || (ranges.len() < RANGES_MAX && self.fragments_len < self.fragments_max)
    }

    /// Adds `range`, which is not empty, to what is written of the block; it may overlap what was there.
    pub(crate) fn insert(&mut self, head: usize, range: Range<u32>) -> Result<(), TooFragmented> {
        debug_assert!(range.start < range.end);
        if !self.has_room(head, range.clone()) {
            return Err(TooFragmented);
        }
        let span = Span::of(range);
        match self.spans.of(head) {
            Span::EMPTY => {
                self.spans.set(head, span);
                self.blocks += 1;
                self.bytes += len(span);
            }
            Span::FRAGMENTED => self.insert_fragment(head, span),
            single if joins(single, span) => {
                let joined = join(single, span);
                self.spans.set(head, joined);
                self.bytes += len(joined) - len(single);
            }
            single => {
                self.fragments.insert(head, vec![single]);
                self.fragments_len += 1;
                self.insert_fragment(head, span);
                self.spans.set(head, Span::FRAGMENTED);
            }
        }
        Ok(())
    }

    /// Forgets what was written in the block of these units, in smaller blocks inside it, and in a larger block
    /// around it: when a unit is issued anew, none of these exist any longer.
    pub(crate) fn forget(&mut self, units: Range<usize>) {
        for head in heads_around(&units) {
            let reach = (units.start - head) as u64 * UNIT_BYTES;
            if self.last_byte_end(head) > reach {
                self.forget_head(head);
            }
        }
        for head in units {
            self.forget_head(head);
        }
    }

    /// All written ranges of the block that begins with `head`.
    #[cfg(test)]
    pub(super) fn ranges(&self, head: usize) -> Vec<Range<u32>> {
        let ranges = match self.spans.of(head) {
            Span::EMPTY => Vec::new(),
            Span::FRAGMENTED => self.fragments_of(head).to_vec(),
            single => vec![single],
        };
        ranges.iter().map(|span| span.start()..span.end()).collect()
    }

    fn forget_head(&mut self, head: usize) {
        let span = self.spans.of(head);
        if span == Span::EMPTY {
            return;
        }
        self.spans.set(head, Span::EMPTY);
        match span {
            Span::FRAGMENTED => {
                self.spans.published.set_ranges(head, &[]);
                let ranges = self.fragments.remove(&head).unwrap_or_default();
                self.fragments_len -= ranges.len();
                self.bytes -= ranges.iter().map(|span| len(*span)).sum::<u64>();
            }
            span => self.bytes -= len(span),
        }
        self.blocks -= 1;
    }

    fn last_byte_end(&self, head: usize) -> u64 {
        let last = match self.spans.of(head) {
            Span::FRAGMENTED => self.fragments_of(head).last().copied().unwrap_or_default(),
            span => span,
        };
        u64::from(last.end())
    }

    fn fragments_of(&self, head: usize) -> &[Span] {
        self.fragments.get(&head).map_or(&[], Vec::as_slice)
    }

    /// Joins `span` with the ranges that it overlaps or meets, and goes back to the flat table when one is left.
    fn insert_fragment(&mut self, head: usize, span: Span) {
        let ranges = self
            .fragments
            .get_mut(&head)
            .expect("a fragmented block has its ranges in the map");
        let first = ranges.partition_point(|other| other.end() < span.start());
        let beyond = ranges.partition_point(|other| other.start() <= span.end());
        let joined = ranges[first..beyond]
            .iter()
            .fold(span, |all, other| join(all, *other));
        self.bytes += len(joined) - ranges[first..beyond].iter().map(|span| len(*span)).sum::<u64>();
        self.fragments_len += 1;
        self.fragments_len -= beyond - first;
        ranges.splice(first..beyond, [joined]);
        self.spans.published.set_ranges(head, ranges);
        if ranges.len() == 1 {
            self.spans.set(head, joined);
            self.spans.published.set_ranges(head, &[]);
            self.fragments.remove(&head);
            self.fragments_len -= 1;
        }
    }
}

/// Ranges of fragmented blocks that a tier of `units` units may have.
pub(super) fn fragments_max(units: usize) -> usize {
    FRAGMENTS_MIN + units / UNITS_PER_FRAGMENT
}

/// First units of the larger blocks that the block of `units` could lie inside.
fn heads_around(units: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
    let (start, len) = (units.start, units.len());
    super::BLOCK_UNITS
        .into_iter()
        .filter(move |size| *size > len)
        .map(move |size| start / size * size)
        .filter(move |head| *head < start)
}

fn len(span: Span) -> u64 {
    u64::from(span.end() - span.start())
}

/// Whether the two overlap or meet, so that together they are one range.
pub(super) fn joins(one: Span, other: Span) -> bool {
    one.start() <= other.end() && other.start() <= one.end()
}

pub(super) fn join(one: Span, other: Span) -> Span {
    Span::of(one.start().min(other.start())..one.end().max(other.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(units: usize) -> Written {
        Written::new(units, &Published::new(units, false).unwrap())
    }

    #[test]
    fn a_block_written_in_order_has_one_range() {
        let mut written = self::written(256);
        for at in (0..1 << 20).step_by(4096) {
            written.insert(0, at..at + 4096).unwrap();
        }
        assert!(written.covers(0, 0..1 << 20));
        assert!(written.fragments.is_empty());
        assert_eq!((written.bytes(), written.blocks()), (1 << 20, 1));
    }

    #[test]
    fn holes_are_not_covered_until_they_are_filled() {
        let mut written = self::written(256);
        written.insert(0, 0..10).unwrap();
        written.insert(0, 20..30).unwrap();
        assert!(written.covers(0, 20..30) && !written.covers(0, 5..25) && !written.covers(0, 10..20));
        assert!(written.touches(0, 5..25) && !written.touches(0, 10..20));
        written.insert(0, 10..20).unwrap();
        assert!(written.covers(0, 0..30));
        assert_eq!((written.fragments.len(), written.fragments_len), (0, 0));
    }

    #[test]
    fn nothing_is_covered_in_a_fresh_block_but_the_empty_range() {
        let written = self::written(1);
        assert!(!written.covers(0, 0..1) && written.covers(0, 0..0) && written.covers(0, 7..7));
        assert!(!written.touches(0, 0..4096));
    }

    #[test]
    fn forgetting_reaches_the_blocks_inside_and_around() {
        let mut written = self::written(512);
        written.insert(256, 0..4096).unwrap();
        written.insert(259, 0..5).unwrap();
        written.forget(256..512);
        assert_eq!((written.bytes(), written.blocks()), (0, 0));

        written.insert(256, 0..1 << 20).unwrap();
        written.forget(300..301);
        assert!(!written.covers(256, 0..1), "the block around unit 300 is gone");
        assert_eq!((written.bytes(), written.blocks()), (0, 0));
    }

    #[test]
    fn forgetting_spares_a_neighbour_in_front() {
        let mut written = self::written(512);
        written.insert(256, 0..4096).unwrap();
        written.forget(257..258);
        assert!(
            written.covers(256, 0..4096),
            "a 4 KiB block ends where the next one begins"
        );
    }

    #[test]
    fn a_block_may_have_so_many_holes_and_no_more() {
        let mut written = self::written(256);
        let at = |hole: usize| (hole as u32 * 10)..(hole as u32 * 10 + 5);
        (0..RANGES_MAX).for_each(|hole| written.insert(0, at(hole)).unwrap());
        assert_eq!(written.insert(0, at(RANGES_MAX)), Err(TooFragmented));
        written.insert(0, 5..10).unwrap();
        written.insert(0, at(RANGES_MAX)).unwrap();
    }

    #[test]
    fn all_blocks_together_may_have_so_many_fragments() {
        let mut written = self::written(1 << 20);
        let blocks = written.fragments_max / 2;
        for head in 0..=blocks {
            written.insert(head, 0..1).unwrap();
        }
        for head in 0..blocks {
            written.insert(head, 2..3).unwrap();
        }
        assert_eq!(written.insert(blocks, 2..3), Err(TooFragmented));
        assert!(written.insert(blocks, 1..3).is_ok(), "what joins needs no room");
        written.forget(0..1);
        assert!(
            written.insert(blocks, 4..5).is_ok(),
            "what is forgotten makes room"
        );
    }

    proptest! {
        #[test]
        fn equals_a_map_of_bytes(writes in prop::collection::vec((0u32..200, 1u32..40, prop::bool::weighted(0.05)), 1..120)) {
            let mut written = self::written(16);
            let mut model = [false; 256];
            for (at, len, forget) in writes {
                if forget {
                    written.forget(0..16);
                    model = [false; 256];
                }
                written.insert(0, at..at + len).unwrap();
                model[at as usize..(at + len) as usize].fill(true);
                prop_assert_eq!(written.bytes(), model.iter().filter(|byte| **byte).count() as u64);
                prop_assert_eq!(written.blocks(), 1);
            }
            for at in 0..250usize {
                for end in at + 1..250 {
                    prop_assert_eq!(written.covers(0, at as u32..end as u32), model[at..end].iter().all(|byte| *byte));
                    prop_assert_eq!(written.touches(0, at as u32..end as u32), model[at..end].iter().any(|byte| *byte));
                }
            }
        }
    }
}
