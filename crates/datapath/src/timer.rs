//! What shall happen when.
//!
//! A heap of four children per node that knows where each timer is, so a timer that is
//! cancelled leaves at once. Most timers are deadlines far in the future that never pass: they
//! enter and leave at the leaves, in a step or two. Unlike a wheel it is exact to the nanosecond and fires
//! equal times in the order in which they were set, which the simulator relies on.

use crate::slab::{Key, Slab};
use crate::time::Time;

const CHILDREN: usize = 4;

/// Names a timer that was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerId(Key);

pub(crate) struct Timers<A> {
    heap: Vec<Entry>,
    timers: Slab<Timer<A>>,
    sequence: u64,
}

struct Entry {
    at: Time,
    /// Orders timers of equal time.
    sequence: u64,
    key: Key,
}

struct Timer<A> {
    place: usize,
    action: A,
}

impl<A> Timers<A> {
    pub(crate) fn new() -> Timers<A> {
        Timers {
            heap: Vec::new(),
            timers: Slab::new(),
            sequence: 0,
        }
    }

    /// When the next timer is due.
    #[inline]
    pub(crate) fn next(&self) -> Option<Time> {
        self.heap.first().map(|entry| entry.at)
    }

    pub(crate) fn set(&mut self, at: Time, action: A) -> TimerId {
        let place = self.heap.len();
        let key = self.timers.insert(Timer { place, action });
        self.heap.push(Entry {
            at,
            sequence: self.sequence,
            key,
        });
        self.sequence += 1;
        self.rise(place);
        TimerId(key)
    }

    /// The action of a timer that has not fired, to be replaced.
    pub(crate) fn action_mut(&mut self, id: TimerId) -> Option<&mut A> {
        self.timers.get_mut(id.0).map(|timer| &mut timer.action)
    }

    /// Takes a timer out; `None` if it has fired or was cancelled.
    pub(crate) fn cancel(&mut self, id: TimerId) -> Option<A> {
        let timer = self.timers.remove(id.0)?;
        self.take_place(timer.place);
        Some(timer.action)
    }

    /// Takes out the first timer that is due at `now`.
    pub(crate) fn fire(&mut self, now: Time) -> Option<A> {
        let first = self.heap.first().filter(|entry| entry.at <= now)?;
        self.cancel(TimerId(first.key))
    }

    /// Takes out everything, in no order.
    pub(crate) fn clear(&mut self) -> Vec<A> {
        self.heap.clear();
        self.timers
            .drain()
            .into_iter()
            .map(|timer| timer.action)
            .collect()
    }

    fn take_place(&mut self, place: usize) {
        self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.note_place(place);
            self.rise(place);
            self.sink(place);
        }
    }

    fn earlier(&self, a: usize, b: usize) -> bool {
        let (a, b) = (&self.heap[a], &self.heap[b]);
        (a.at, a.sequence) < (b.at, b.sequence)
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if !self.earlier(place, parent) {
                break;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let first = place * CHILDREN + 1;
            let last = (first + CHILDREN).min(self.heap.len());
            let Some(least) = (first..last).reduce(|a, b| if self.earlier(b, a) { b } else { a }) else {
                return;
            };
            if !self.earlier(least, place) {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, a: usize, b: usize) {
        self.heap.swap(a, b);
        self.note_place(a);
        self.note_place(b);
    }

    fn note_place(&mut self, place: usize) {
        let key = self.heap[place].key;
        let timer = self.timers.get_mut(key).expect("a timer in the heap exists");
        timer.place = place;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn equal_times_fire_in_the_order_of_setting() {
        let mut timers = Timers::new();
        for n in 0..20 {
            timers.set(Time(7), n);
        }
        let fired: Vec<_> = std::iter::from_fn(|| timers.fire(Time(7))).collect();
        assert_eq!(fired, (0..20).collect::<Vec<_>>());
    }

    proptest! {
        /// Against an ordered map: the same timers leave in the same order, cancelled ones never.
        #[test]
        fn behaves_as_an_ordered_map(steps in prop::collection::vec((0u8..4, 0u64..50), 1..300)) {
            let mut timers = Timers::new();
            let mut model = BTreeMap::new();
            let mut ids = Vec::new();
            for (n, (kind, value)) in steps.into_iter().enumerate() {
                match kind {
                    0 | 1 => {
                        ids.push((timers.set(Time(value), n), (value, n)));
                        model.insert((value, n), n);
                    }
                    2 if !ids.is_empty() => {
                        let (id, key) = ids.swap_remove(value as usize % ids.len());
                        prop_assert_eq!(timers.cancel(id), model.remove(&key));
                    }
                    _ => {
                        let due = model.first_key_value().filter(|(key, _)| key.0 <= value).map(|(key, _)| *key);
                        prop_assert_eq!(timers.fire(Time(value)), due.map(|key| key.1));
                        if let Some(key) = due { model.remove(&key); }
                    }
                }
                prop_assert_eq!(timers.next().map(|t| t.0), model.first_key_value().map(|(key, _)| key.0));
            }
        }
    }
}
