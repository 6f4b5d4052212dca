//! Finds the record of a name in a container: one hash table for all names of the namespace.

use crake_mem::prefetch_read;

/// The table is in segments: each doubles by itself up to so many slots, then there are more of them. So no command
/// waits for more than the growth of one segment, and the few that a small namespace needs stay in the cache.
const SEGMENT_SLOTS_MAX: usize = 4096;
const SEGMENT_SLOTS_MIN: usize = 64;

/// From so many entries a segment on, one more segment for each [`ENTRIES_PER_SPLIT`] that come, until there are twice as
/// many: the last one to be split is then not fuller than a segment may be.
const ENTRIES_BEFORE_SPLIT: usize = SEGMENT_SLOTS_MAX * 5 / 8;
const ENTRIES_PER_SPLIT: usize = SEGMENT_SLOTS_MAX / 16;

/// Maps tags to indexes of records. Two names may have one tag: who looks one up says which record it means.
///
/// Linear hashing (Litwin 1980): the segments are split in turn, and by their number everyone knows which have been.
#[derive(Debug)]
pub(super) struct Index {
    segments: Vec<Segment>,
    /// One less than a power of two: with these bits each segment has a number, and there is one for each number or for
    /// the number without its highest bit.
    mask: usize,
    len: usize,
}

/// Open addressing with linear probing. An entry has its tag in the high half and the record + 1 in the low half, 0 is
/// free; so growing and removing need no look at the records.
#[derive(Debug)]
struct Segment {
    slots: Box<[u64]>,
    used: usize,
}

impl Index {
    pub(super) fn new() -> Self {
        Self {
            segments: vec![Segment::new(SEGMENT_SLOTS_MIN)],
            mask: 0,
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn segment(&self, tag: u32) -> &Segment {
        &self.segments[self.place_of(tag)]
    }

    /// The high bits of a tag say which segment; the low ones say where in it.
    #[inline]
    fn place_of(&self, tag: u32) -> usize {
        let place = (tag >> 16) as usize & self.mask;
        if place < self.segments.len() {
            place
        } else {
            // It has not been split off yet.
            place & (self.mask >> 1)
        }
    }

    /// Brings what [`Self::find`] reads first into the cache.
    #[inline]
    pub(super) fn prefetch(&self, tag: u32) {
        let segment = self.segment(tag);
        prefetch_read(&segment.slots[segment.home(tag)]);
    }

    /// The first record with this tag that `is_meant`.
    #[inline]
    pub(super) fn find(&self, tag: u32, mut is_meant: impl FnMut(u32) -> bool) -> Option<u32> {
        let segment = self.segment(tag);
        let mut at = segment.home(tag);
        loop {
            let entry = segment.slots[at];
            if entry == 0 {
                return None;
            }
            if tag_of(entry) == tag && is_meant(record_of(entry)) {
                return Some(record_of(entry));
            }
            at = segment.after(at);
        }
    }

    pub(super) fn insert(&mut self, tag: u32, record: u32) {
        self.len += 1;
        let place = self.place_of(tag);
        self.segments[place].insert(u64::from(tag) << 32 | u64::from(record + 1));
        if self.is_split_due() {
            self.split_next();
        }
    }

    fn is_split_due(&self) -> bool {
        let count = self.segments.len();
        let before = 1 << count.ilog2();
        // With more of them each still grows by itself.
        count < 1 << 16 && self.len > before * ENTRIES_BEFORE_SPLIT + (count - before) * ENTRIES_PER_SPLIT
    }

    /// Gives the next segment in turn a twin, which takes the entries whose next bit is set.
    fn split_next(&mut self) {
        let count = self.segments.len();
        let next = count - (1 << count.ilog2());
        let entries = std::mem::replace(&mut self.segments[next], Segment::new(SEGMENT_SLOTS_MAX)).slots;
        self.segments.push(Segment::new(SEGMENT_SLOTS_MAX));
        self.mask = self.segments.len().next_power_of_two() - 1;
        for entry in entries {
            if entry != 0 {
                let place = self.place_of(tag_of(entry));
                self.segments[place].insert(entry);
            }
        }
    }

    /// Removes an entry, which must be there.
    pub(super) fn remove(&mut self, tag: u32, record: u32) {
        self.len -= 1;
        let place = self.place_of(tag);
        self.segments[place].remove(u64::from(tag) << 32 | u64::from(record + 1));
    }
}

impl Segment {
    fn new(slots: usize) -> Self {
        Self {
            slots: vec![0; slots].into(),
            used: 0,
        }
    }

    #[inline]
    fn home(&self, tag: u32) -> usize {
        tag as usize & (self.slots.len() - 1)
    }

    #[inline]
    fn after(&self, at: usize) -> usize {
        (at + 1) & (self.slots.len() - 1)
    }

    fn insert(&mut self, entry: u64) {
        // At most three quarters full: about two entries are looked at to find one.
        if (self.used + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.place(entry);
        self.used += 1;
    }

    fn grow(&mut self) {
        let larger = vec![0; self.slots.len() * 2].into();
        for entry in std::mem::replace(&mut self.slots, larger) {
            if entry != 0 {
                self.place(entry);
            }
        }
    }

    fn place(&mut self, entry: u64) {
        let mut at = self.home(tag_of(entry));
        while self.slots[at] != 0 {
            at = self.after(at);
        }
        self.slots[at] = entry;
    }

    /// Moves up what stands behind the hole and may, so that none is left between an entry and its home.
    fn remove(&mut self, entry: u64) {
        let mut hole = self.home(tag_of(entry));
        while self.slots[hole] != entry {
            assert!(self.slots[hole] != 0, "the entry is there");
            hole = self.after(hole);
        }
        let mut at = self.after(hole);
        while self.slots[at] != 0 {
            let home = self.home(tag_of(self.slots[at]));
            if self.distance(home, at) >= self.distance(hole, at) {
                self.slots[hole] = self.slots[at];
                hole = at;
            }
            at = self.after(at);
        }
        self.slots[hole] = 0;
        self.used -= 1;
    }

    fn distance(&self, from: usize, to: usize) -> usize {
        to.wrapping_sub(from) & (self.slots.len() - 1)
    }
}

#[inline]
fn tag_of(entry: u64) -> u32 {
    (entry >> 32) as u32
}

#[inline]
fn record_of(entry: u64) -> u32 {
    entry as u32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_inserted_and_not_removed() {
        let mut index = Index::new();
        // Few distinct low bits, so that runs are long and wrap around.
        let tag = |record: u32| (record % 3) << 24 | (record.wrapping_mul(0x9e37_79b9) >> 20 | 0xffc0);
        for round in 0..4_u32 {
            for record in 0..3000 {
                index.insert(tag(record), record);
            }
            for record in (0..3000).filter(|record| record % 4 != round) {
                index.remove(tag(record), record);
            }
            assert_eq!(index.len(), 750);
            for record in 0..3000 {
                let found = index.find(tag(record), |other| other == record);
                assert_eq!(found, (record % 4 == round).then_some(record));
            }
            for record in (0..3000).filter(|record| record % 4 == round) {
                index.remove(tag(record), record);
            }
        }
        assert_eq!(index.len(), 0);
        assert!(
            index
                .segments
                .iter()
                .all(|segment| segment.slots.iter().all(|&slot| slot == 0))
        );
    }

    #[test]
    fn segments_are_split_in_turn_and_none_is_large() {
        let mut index = Index::new();
        let tag =
            |record: u32| record.wrapping_mul(0x9e37_79b9) ^ record.wrapping_mul(0x85eb_ca6b).rotate_left(13);
        let mut segments_max = 1;
        for record in 0..100_000 {
            index.insert(tag(record), record);
            assert!(index.segments.len() <= segments_max + 1, "one at a time");
            segments_max = index.segments.len();
        }
        assert!((32..=64).contains(&segments_max), "{segments_max}");
        assert!(
            index
                .segments
                .iter()
                .all(|segment| segment.slots.len() <= SEGMENT_SLOTS_MAX)
        );
        for record in 0..100_000 {
            assert_eq!(index.find(tag(record), |other| other == record), Some(record));
        }
        (0..100_000).for_each(|record| index.remove(tag(record), record));
        assert!(index.segments.iter().all(|segment| segment.used == 0));
    }

    /// As names would have it whose hash is worth nothing.
    #[test]
    fn a_segment_that_no_split_helps_grows_by_itself() {
        let mut index = Index::new();
        let tag = |record: u32| record & 0xfff;
        (0..20_000).for_each(|record| index.insert(tag(record), record));
        assert!(index.segments.len() > 1);
        for record in (0..20_000).step_by(997) {
            assert_eq!(index.find(tag(record), |other| other == record), Some(record));
        }
    }

    #[test]
    fn one_tag_may_have_several_records() {
        let mut index = Index::new();
        for record in 0..10 {
            index.insert(7, record);
        }
        assert_eq!(index.find(7, |record| record == 9), Some(9));
        assert_eq!(index.find(7, |_| false), None);
        assert_eq!(index.find(8, |_| true), None);
        index.remove(7, 3);
        assert_eq!(index.find(7, |record| record == 3), None);
        assert_eq!(index.find(7, |record| record == 9), Some(9));
    }
}
