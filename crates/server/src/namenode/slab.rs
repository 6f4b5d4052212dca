//! Values at small numbers that are used again.

use std::hash::{Hash, Hasher};
use std::mem;

use super::state::{Input, Malformed, State};

/// No element.
pub(super) const NONE: u32 = u32::MAX;

/// A vector with holes; the last hole made is the first filled, so the same calls give the same numbers.
#[derive(Debug)]
pub(super) struct Slab<T> {
    slots: Vec<Slot<T>>,
    free_head: u32,
    len: u32,
}

#[derive(Debug, Hash)]
enum Slot<T> {
    Free { next: u32 },
    Taken(T),
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free_head: NONE,
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        self.len += 1;
        if self.free_head == NONE {
            self.slots.push(Slot::Taken(value));
            return (self.slots.len() - 1) as u32;
        }
        let index = self.free_head;
        match mem::replace(&mut self.slots[index as usize], Slot::Taken(value)) {
            Slot::Free { next } => self.free_head = next,
            Slot::Taken(_) => unreachable!("the free list has free slots only"),
        }
        index
    }

    pub(super) fn remove(&mut self, index: u32) -> T {
        let free = Slot::Free { next: self.free_head };
        match mem::replace(&mut self.slots[index as usize], free) {
            Slot::Taken(value) => {
                self.free_head = index;
                self.len -= 1;
                value
            }
            Slot::Free { .. } => unreachable!("removed twice"),
        }
    }

    pub(super) fn get(&self, index: u32) -> Option<&T> {
        match self.slots.get(index as usize) {
            Some(Slot::Taken(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut T> {
        match self.slots.get_mut(index as usize) {
            Some(Slot::Taken(value)) => Some(value),
            _ => None,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots
            .iter()
            .enumerate()
            .filter_map(|(index, slot)| match slot {
                Slot::Taken(value) => Some((index as u32, value)),
                Slot::Free { .. } => None,
            })
    }
}

impl<T: State> State for Slot<T> {
    fn save(&self, out: &mut Vec<u8>) {
        match self {
            Slot::Free { next } => {
                false.save(out);
                next.save(out);
            }
            Slot::Taken(value) => {
                true.save(out);
                value.save(out);
            }
        }
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        match bool::load(input)? {
            true => T::load(input).map(Slot::Taken),
            false => u32::load(input).map(|next| Slot::Free { next }),
        }
    }
}

impl<T: State> State for Slab<T> {
    fn save(&self, out: &mut Vec<u8>) {
        self.slots.save(out);
        self.free_head.save(out);
        self.len.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            slots: State::load(input)?,
            free_head: State::load(input)?,
            len: State::load(input)?,
        })
    }
}

/// For callers that hold a number which must be taken.
impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, index: u32) -> &T {
        self.get(index).expect("the slot is taken")
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, index: u32) -> &mut T {
        self.get_mut(index).expect("the slot is taken")
    }
}

impl<T: Hash> Hash for Slab<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.slots.hash(state);
        self.free_head.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_freed_number_is_used_first() {
        let mut slab = Slab::default();
        let numbers: Vec<u32> = (0..4).map(|value| slab.insert(value)).collect();
        assert_eq!(numbers, [0, 1, 2, 3]);
        assert_eq!(slab.remove(1), 1);
        assert_eq!(slab.remove(2), 2);
        assert_eq!(slab.get(1), None);
        assert_eq!((slab.insert(9), slab.insert(8), slab.insert(7)), (2, 1, 4));
        assert_eq!(slab.len(), 5);
        assert_eq!(
            slab.iter().map(|(_, value)| *value).collect::<Vec<_>>(),
            [0, 8, 9, 3, 7]
        );
    }

    #[test]
    #[should_panic(expected = "removed twice")]
    fn removing_twice_is_caught() {
        let mut slab = Slab::default();
        let index = slab.insert(());
        slab.remove(index);
        slab.remove(index);
    }
}
