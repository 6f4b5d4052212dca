//! Where things are in a ledger, and how they are checked (`docs/format/persist.md`).

/// The ledger's file.
pub(super) const LEDGER: &str = "ledger";
/// The table that clients of this machine see, too (`docs/format/tier.md`).
pub(super) const TABLE: &str = "table";
/// The tier.
pub(super) const BLOCKS: &str = "blocks";

/// The first bytes of a ledger, as a little-endian number: `CRAKELED`.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"CRAKELED");
/// Of this layout.
pub(super) const VERSION: u32 = 1;

/// Place of [`MAGIC`]; 0 while the directory is being made.
pub(super) const MAGIC_AT: usize = 0;
/// Place of [`VERSION`].
pub(super) const VERSION_AT: usize = 8;
/// What is checked of the head begins here, with the number of units.
pub(super) const UNITS_AT: usize = 16;
/// Place of the length of the datanode's name.
pub(super) const NAME_LEN_AT: usize = 24;
/// Place of the name.
pub(super) const NAME_AT: usize = 32;
/// Room for the name.
pub(super) const NAME_BYTES: usize = 256;
/// Place of the head's check.
pub(super) const HEAD_CHECK_AT: usize = NAME_AT + NAME_BYTES;

/// Place of the life: four numbers and their check, which is 0 while there is none.
pub(super) const LIFE_AT: usize = 512;
/// Numbers of a life.
pub(super) const LIFE_WORDS: usize = 4;
/// Place of the step that is under way: four numbers and their check.
pub(super) const STEP_AT: usize = 1024;
/// Numbers of a step.
pub(super) const STEP_WORDS: usize = 4;

/// The head of a ledger: a page.
pub(super) const HEAD_BYTES: usize = 4096;

/// Where things are in the ledger of a tier of so many units.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    pub(super) units: usize,
    /// How many ranges of fragmented blocks there is room for.
    pub(super) slots: usize,
}

impl Places {
    pub(super) fn new(units: usize) -> Places {
        Places {
            units,
            slots: crate::datanode::written::fragments_max(units),
        }
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.slot_at(self.slots)
    }

    /// The check of a unit: 8 bytes.
    #[inline]
    pub(super) fn check_at(&self, unit: usize) -> usize {
        HEAD_BYTES + 8 * unit
    }

    /// A range of a fragmented block: 4 bytes its first unit, 4 bytes a check, 8 bytes a span; all 0 if there is none.
    #[inline]
    pub(super) fn slot_at(&self, slot: usize) -> usize {
        HEAD_BYTES + 8 * self.units + 16 * slot
    }
}

/// Never 0, and another one for other numbers, but for a chance of 2^-63. It finds damage, not malice.
#[inline]
pub(super) fn check_of(words: &[u64]) -> u64 {
    let mix = |sum: u64, word: &u64| {
        let sum = (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum ^ (sum >> 32)
    };
    words.iter().fold(MAGIC, mix) | 1
}

/// Of a unit: 0 if it was never issued, as all is in a new directory.
#[inline]
pub(super) fn unit_check(unit: usize, generation: u32, span: u64) -> u64 {
    match (generation, span) {
        (0, 0) => 0,
        _ => check_of(&[unit as u64, u64::from(generation), span]),
    }
}

/// Of a range in a slot: 0 if there is none.
#[inline]
pub(super) fn slot_check(slot: usize, head: u32, span: u64) -> u32 {
    match span {
        0 => 0,
        span => check_of(&[slot as u64, u64::from(head), span]) as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_format_text() {
        let places = Places::new(256);
        assert_eq!(places.slots, 65_536 + 32);
        assert_eq!((places.check_at(0), places.check_at(3)), (4096, 4120));
        assert_eq!((places.slot_at(0), places.slot_at(1)), (6144, 6160));
        assert_eq!(places.len_bytes(), 6144 + 16 * 65_568);
        assert_eq!(HEAD_CHECK_AT, 288);
        assert_eq!(MAGIC.to_le_bytes(), *b"CRAKELED");
    }

    #[test]
    fn checks_are_those_of_the_format_text() {
        assert_eq!(unit_check(3, 7, 4096), 0x93a249eeb1e21613);
        assert_eq!(slot_check(1, 256, 4096), 0xdd18cd07);
        assert_eq!((unit_check(3, 0, 0), slot_check(1, 256, 0)), (0, 0));
    }

    #[test]
    fn one_changed_bit_is_another_check() {
        let words = [3, 7, 4096];
        let check = check_of(&words);
        for bit in 0..192 {
            let mut other = words;
            other[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(check_of(&other), check, "bit {bit}");
        }
    }
}
