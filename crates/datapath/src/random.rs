//! Randomness that a seed repeats.

use std::cell::Cell;
use std::time::Duration;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Not for secrets.
#[derive(Debug)]
pub struct Random {
    state: Cell<u64>,
}

impl Random {
    /// The sequence that follows from `seed`.
    pub fn new(seed: u64) -> Random {
        Random {
            state: Cell::new(seed),
        }
    }

    /// The next number.
    pub fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`. The bias of the remainder does not matter for the small ranges that are asked
    /// for.
    ///
    /// # Panics
    /// If `end` is zero.
    pub fn below(&self, end: u64) -> u64 {
        assert!(end > 0, "no number is below zero");
        self.next() % end
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// A duration from `shortest` to `longest`.
    pub fn duration(&self, shortest: Duration, longest: Duration) -> Duration {
        let spread_ns = longest.saturating_sub(shortest).as_nanos() as u64;
        shortest + Duration::from_nanos(self.below(spread_ns + 1))
    }

    /// One of the items.
    ///
    /// # Panics
    /// If there are none.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    /// The first outputs of the published generator for seed 1234567.
    #[test]
    fn gives_the_published_sequence() {
        let random = Random::new(1234567);
        let first = [random.next(), random.next(), random.next()];
        assert_eq!(
            first,
            [6457827717110365317, 3203168211198807973, 9817491932198370423]
        );
    }
}
