//! The bitmap at the head of each message: which fields are there, and which slot is whose.

/// Bytes of a slot, and of a word of the bitmap.
pub(crate) const SLOT_BYTES: usize = 8;
/// Fields that one word of the bitmap tells of.
pub(crate) const FIELDS_PER_WORD: u32 = 63;
/// The bit that says that another word follows.
pub(crate) const MORE: u64 = 1 << FIELDS_PER_WORD;

/// Which fields of a message that is written are there, in `W` words, for field numbers up to `63 * W`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Present<const W: usize> {
    pub(crate) words: [u64; W],
}

impl<const W: usize> Present<W> {
    /// No field is there.
    #[inline]
    #[must_use]
    pub const fn none() -> Self {
        Self { words: [0; W] }
    }

    /// Says whether field number `FIELD` is there; to be said once for each field.
    #[inline]
    #[must_use]
    pub const fn with<const FIELD: u32>(mut self, there: bool) -> Self {
        self.words[const { word_of::<W>(FIELD) }] |= (there as u64) << const { bit_of(FIELD) };
        self
    }

    /// The bytes of the bitmap and the slots.
    #[inline]
    #[must_use]
    pub const fn head_bytes(&self) -> usize {
        (self.words_used() + self.slots()) * SLOT_BYTES
    }

    /// How many fields are there.
    #[inline]
    const fn slots(&self) -> usize {
        let (mut word, mut slots) = (0, 0);
        while word < W {
            slots += self.words[word].count_ones() as usize;
            word += 1;
        }
        slots
    }

    /// Words up to the last one that says anything; never 0.
    #[inline]
    pub(crate) const fn words_used(&self) -> usize {
        let mut used = W;
        while used > 1 && self.words[used - 1] == 0 {
            used -= 1;
        }
        used
    }
}

/// Which of the fields that a reader's schema knows are there. Bit 63 of each word is clear.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<const W: usize> {
    pub(crate) words: [u64; W],
}

impl<const W: usize> Known<W> {
    /// Whether field number `FIELD` is there.
    #[inline]
    pub(crate) fn has<const FIELD: u32>(&self) -> bool {
        self.words[const { word_of::<W>(FIELD) }] >> const { bit_of(FIELD) } & 1 == 1
    }

    /// How many fields are there whose numbers lie between two others.
    #[inline]
    pub(crate) fn count_between<const AFTER: u32, const BEFORE: u32>(&self) -> usize {
        let mut count = 0;
        if const { AFTER + 1 < BEFORE } {
            let between = const { fields_between::<W>(AFTER, BEFORE) };
            for (word, mask) in self.words.iter().zip(&between) {
                count += (word & mask).count_ones() as usize;
            }
        }
        count
    }

    /// The slot of field number `FIELD`, if it is there.
    #[inline]
    pub(crate) fn slot_of<const FIELD: u32>(&self) -> Option<usize> {
        let word = const { word_of::<W>(FIELD) };
        let bit = const { bit_of(FIELD) };
        if !self.has::<FIELD>() {
            return None;
        }
        let before: usize = self.words[..word]
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum();
        Some(before + ones_below(self.words[word], bit))
    }

    /// As [`slot_of`](Known::slot_of), for a field number that is found at run time.
    pub(crate) fn slot_at(&self, field: u32) -> Option<usize> {
        let word = ((field - 1) / FIELDS_PER_WORD) as usize;
        let below = (1 << bit_of(field)) - 1;
        if self.words.get(word)? >> bit_of(field) & 1 == 0 {
            return None;
        }
        let before: u32 = self.words[..word].iter().map(|word| word.count_ones()).sum();
        Some((before + (self.words[word] & below).count_ones()) as usize)
    }
}

/// The word that holds a field's bit.
const fn word_of<const W: usize>(field: u32) -> usize {
    assert!(field >= 1, "field numbers start at 1");
    let word = ((field - 1) / FIELDS_PER_WORD) as usize;
    assert!(word < W, "the bitmap has too few words for this field");
    word
}

/// The bits of the fields whose numbers lie between two others.
const fn fields_between<const W: usize>(after: u32, before: u32) -> [u64; W] {
    let mut words = [0; W];
    let mut field = after + 1;
    while field < before {
        words[word_of::<W>(field)] |= 1 << bit_of(field);
        field += 1;
    }
    words
}

/// A field's bit in its word.
const fn bit_of(field: u32) -> u32 {
    (field - 1) % FIELDS_PER_WORD
}

/// How many bits below `bit` are set. The x86-64 baseline has no instruction for this, and most fields have low
/// numbers, so these are answered from a table of sixteen 4-bit counts in one register.
#[inline]
fn ones_below(word: u64, bit: u32) -> usize {
    const COUNTS: u64 = 0x4332_3221_3221_2110;
    let below = word & ((1 << bit) - 1);
    let nibble = |at: u32| (COUNTS >> ((below >> at & 0xf) * 4) & 0xf) as usize;
    match bit {
        _ if cfg!(target_feature = "popcnt") => below.count_ones() as usize,
        0 => 0,
        1..=4 => nibble(0),
        5..=8 => nibble(0) + nibble(4),
        _ => below.count_ones() as usize,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_below_counts_ones() {
        for word in (0..1 << 12).chain([u64::MAX, MORE, 0xaaaa_aaaa_aaaa_aaaa, 0x0123_4567_89ab_cdef]) {
            for bit in 0..63 {
                let expected = (0..bit).filter(|bit| word >> bit & 1 == 1).count();
                assert_eq!(ones_below(word, bit), expected, "{word:#x} below {bit}");
            }
        }
    }

    #[test]
    fn a_field_finds_its_slot_past_absent_ones() {
        let present = Present::<2>::none()
            .with::<2>(true)
            .with::<5>(true)
            .with::<63>(true)
            .with::<64>(true);
        assert_eq!(present.words, [1 << 62 | 1 << 4 | 1 << 1, 1]);
        assert_eq!(present.head_bytes(), 8 * (2 + 4));
        let known = Known { words: present.words };
        assert_eq!(known.slot_of::<1>(), None);
        assert_eq!(known.slot_of::<2>(), Some(0));
        assert_eq!(known.slot_of::<5>(), Some(1));
        assert_eq!(known.slot_of::<63>(), Some(2));
        assert_eq!(known.slot_of::<64>(), Some(3));
        assert_eq!(known.slot_of::<65>(), None);
        let slots = [1, 2, 5, 63, 64, 65, 127].map(|field| known.slot_at(field));
        assert_eq!(slots, [None, Some(0), Some(1), Some(2), Some(3), None, None]);
    }

    #[test]
    fn words_that_say_nothing_at_the_end_are_not_counted() {
        assert_eq!(Present::<3>::none().head_bytes(), 8);
        assert_eq!(
            Present::<3>::none()
                .with::<1>(true)
                .with::<63>(false)
                .head_bytes(),
            8 + 8
        );
        assert_eq!(Present::<3>::none().with::<126>(true).head_bytes(), 16 + 8);
    }
}
