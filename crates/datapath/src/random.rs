//! Randomness that a seed repeats.

use std::cell::Cell;

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). Not for secrets.
#[derive(Debug)]
pub(crate) struct Random {
    state: Cell<u64>,
}

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random {
            state: Cell::new(seed),
        }
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
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
