//! How far apart the two sides of a pipe are just now.

use std::cell::Cell;
use std::time::Duration;

use super::{BULK_BYTES, NEAR_BULK_BYTES, WIDE_BYTES};

/// A line that takes longer comes from a core that shares no cache with this one: 50 to 70 ns and 150 to 190 were seen, the reading of a clock included.
const NEAR_MAX: Duration = Duration::from_nanos(110);

/// As many more lines must tell otherwise before that is believed: one that was held up by something else tells nothing.
const SURE: i8 = 4;

/// Whether the reader is far away, as most of the last lines that came from it tell ([`Writer::line_time`](super::Writer::line_time)). A virtual
/// machine's host moves its cores, so that this changes now and then.
#[derive(Debug, Default)]
pub struct Distance {
    /// From `-SURE`, near, to `SURE`, far.
    leaning: Cell<i8>,
    is_far: Cell<bool>,
}

impl Distance {
    /// Counts a line in.
    #[inline]
    pub fn note(&self, line: Duration) {
        let step = if line > NEAR_MAX { 1 } else { -1 };
        let leaning = (self.leaning.get() + step).clamp(-SURE, SURE);
        self.leaning.set(leaning);
        if leaning.abs() == SURE {
            self.is_far.set(leaning > 0);
        }
    }

    /// False as long as nothing is known.
    #[inline]
    pub fn is_far(&self) -> bool {
        self.is_far.get()
    }

    /// From how many bytes on a pipe of this capacity is better written past the caches: what [`Writer::set_apart_from`](super::Writer::set_apart_from)
    /// is told. A list as long as half of a narrow pipe fetches all it writes over from the reader's core, however near that is.
    #[inline]
    pub fn apart_from(&self, capacity: usize) -> usize {
        match (self.is_far.get(), capacity >= WIDE_BYTES) {
            (true, _) => BULK_BYTES,
            (false, false) => NEAR_BULK_BYTES,
            (false, true) => usize::MAX,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn noted(distance: &Distance, lines: &[u64]) -> bool {
        let lines = lines.iter().copied().map(Duration::from_nanos);
        lines.for_each(|line| distance.note(line));
        distance.is_far()
    }

    #[test]
    fn several_lines_must_say_so() {
        let distance = Distance::default();
        assert!(!distance.is_far());
        assert!(!noted(&distance, &[250, 250, 250]));
        assert!(noted(&distance, &[250]));
        assert!(noted(&distance, &[50; 7]));
        assert!(!noted(&distance, &[50]));
    }

    #[test]
    fn the_farther_and_the_narrower_the_sooner_past_the_caches() {
        let distance = Distance::default();
        assert_eq!(distance.apart_from(WIDE_BYTES), usize::MAX);
        assert_eq!(distance.apart_from(WIDE_BYTES / 2), NEAR_BULK_BYTES);
        assert!(noted(&distance, &[250; 4]));
        assert_eq!(distance.apart_from(WIDE_BYTES), BULK_BYTES);
        assert_eq!(distance.apart_from(4096), BULK_BYTES);
    }

    #[test]
    fn a_line_that_was_held_up_changes_nothing() {
        let distance = Distance::default();
        for _ in 0..100 {
            assert!(!noted(&distance, &[50, 50, 50, 1_000_000]));
        }
    }
}
