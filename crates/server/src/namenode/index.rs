//! Finds the record of a name in a container: one hash table for all names of the namespace.

use crake_mem::prefetch_read;

/// The table is in 256 parts that grow each by itself, so no command waits for more than a part's growth.
const SEGMENTS: usize = 256;
const SEGMENT_SLOTS_MIN: usize = 8;

/// Maps tags to indexes of records. Two names may have one tag: who looks one up says which record it means.
#[derive(Debug)]
pub(super) struct Index {
    segments: Vec<Segment>,
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
            segments: (0..SEGMENTS).map(|_| Segment::new(SEGMENT_SLOTS_MIN)).collect(),
            len: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    fn segment(&self, tag: u32) -> &Segment {
        &self.segments[tag as usize >> 24]
    }

    fn segment_mut(&mut self, tag: u32) -> &mut Segment {
        &mut self.segments[tag as usize >> 24]
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
        self.segment_mut(tag)
            .insert(u64::from(tag) << 32 | u64::from(record + 1));
    }

    /// Removes an entry, which must be there.
    pub(super) fn remove(&mut self, tag: u32, record: u32) {
        self.len -= 1;
        self.segment_mut(tag)
            .remove(u64::from(tag) << 32 | u64::from(record + 1));
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
