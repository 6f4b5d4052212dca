//! What a datanode shares with clients of its machine, so that they read blocks in place (`docs/format/tier.md`).
//!
//! Two regions: a table of what every block is at this moment, and the blocks. A reader looks at the table, copies, and looks
//! again: if the block was issued anew meanwhile, what it copied may be somebody else's.

use std::ops::Range;

use super::Handle;

/// Key of the table among the shared regions.
pub const TABLE: usize = 0;
/// Key of the blocks.
pub const BLOCKS: usize = 1;

/// Ranges that one client may have reserved at once over a connection, to write them in place.
pub const RESERVATIONS_MAX: usize = 64;

/// The first bytes of the table, as a little-endian number: `CRAKETAB`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"CRAKETAB");
/// Of this layout.
pub const VERSION: u32 = 1;

/// Places in the head of the table.
pub const MAGIC_AT: usize = 0;
/// Place of [`VERSION`].
pub const VERSION_AT: usize = 8;
/// Place of the datanode's number.
pub const DATANODE_AT: usize = 12;
/// Place of its incarnation; 0 while it has none, or takes another.
pub const INCARNATION_AT: usize = 16;
/// Place of the number of units.
pub const UNITS_AT: usize = 24;

/// The head of the table: a page.
const HEAD_BYTES: usize = 4096;

/// Where things are in the table of a tier of so many units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    units: usize,
}

impl Layout {
    /// Of a tier of `units` units of [`Handle::UNIT_BYTES`].
    pub fn new(units: usize) -> Layout {
        Layout { units }
    }

    /// Size of the table.
    pub fn len_bytes(&self) -> usize {
        self.span_at(self.units)
    }

    /// Size of the blocks.
    pub fn blocks_bytes(&self) -> usize {
        self.units * Handle::UNIT_BYTES as usize
    }

    /// The newest generation of each of these units: 4 bytes each, side by side.
    #[inline]
    pub fn generations_at(&self, units: Range<usize>) -> Range<usize> {
        HEAD_BYTES + 4 * units.start..HEAD_BYTES + 4 * units.end
    }

    /// What is written of the block that begins with this unit: a [`Span`] of 8 bytes.
    #[inline]
    pub fn span_at(&self, unit: usize) -> usize {
        HEAD_BYTES + (4 * self.units).next_multiple_of(8) + 8 * unit
    }
}

/// The written bytes of a block from its start, if they are one range: `start << 32 | end`, or none, or not one range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span(pub u64);

impl Span {
    /// Nothing is written.
    pub const EMPTY: Span = Span(0);
    /// There are holes: ask the datanode. No range begins at `u32::MAX`.
    pub const FRAGMENTED: Span = Span(u64::MAX);

    /// Of one range.
    #[inline]
    pub fn of(range: Range<u32>) -> Span {
        Span(u64::from(range.start) << 32 | u64::from(range.end))
    }

    /// First written byte.
    #[inline]
    pub fn start(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// End of the written bytes.
    #[inline]
    pub fn end(self) -> u32 {
        self.0 as u32
    }

    /// Whether it says that all of `range`, which is not empty, is written.
    #[inline]
    pub fn covers(self, range: &Range<u32>) -> bool {
        self != Span::FRAGMENTED && self.start() <= range.start && range.end <= self.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_format_text() {
        let layout = Layout::new(256);
        assert_eq!(layout.generations_at(0..16), 4096..4160);
        assert_eq!(layout.span_at(0), 4096 + 1024);
        assert_eq!(layout.span_at(3), 4096 + 1024 + 24);
        assert_eq!(
            (layout.len_bytes(), layout.blocks_bytes()),
            (4096 + 12 * 256, 1 << 20)
        );
        assert_eq!(
            Layout::new(3).span_at(0) % 8,
            0,
            "numbers lie at multiples of their size"
        );
        assert_eq!(MAGIC.to_le_bytes(), *b"CRAKETAB");
    }

    #[test]
    fn a_span_covers_what_lies_in_it() {
        let span = Span::of(4096..8192);
        assert_eq!((span.start(), span.end()), (4096, 8192));
        assert!(span.covers(&(4096..8192)) && span.covers(&(5000..5001)));
        assert!(!span.covers(&(4095..4097)) && !span.covers(&(8191..8193)));
        assert!(!Span::EMPTY.covers(&(0..1)) && !Span::FRAGMENTED.covers(&(0..1)));
        assert!(!Span::FRAGMENTED.covers(&(u32::MAX - 1..u32::MAX)));
    }
}
