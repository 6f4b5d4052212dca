//! What a client remembers of who goes on with which paths.
//!
//! A look at it takes no allocation: the names of a path are mixed into a hash one by one, and at the end of each there is one place
//! to look at. There are no more places than can be remembered, so it is bounded by how it is made.

use crake_datapath::Time;

use crate::protocol::words::{is_same, mix};

/// So many are remembered. With paths as long as may be these are 16 MiB; with the usual ones less than one.
pub(crate) const REMEMBERED_MAX: usize = 4096;

/// What has the same hash may be at either of so many places.
const WAYS: usize = 2;

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Places for beginnings of which longer ones are remembered. Who shares one with another only loses a shortcut.
const FORKS: usize = 64 * u64::BITS as usize;

/// Beginnings of paths, all from where a store's paths start, and which nodes they lead to.
#[derive(Default)]
pub(crate) struct Referrals {
    /// None until something is remembered.
    places: Vec<Option<Remembered>>,
    /// A bit for each place of [`FORKS`].
    forks: Vec<u64>,
    /// The beginning that was found last, if no longer one is remembered; or nothing. Most paths go where the one before went.
    recent: String,
    /// Where it leads.
    recent_led: Option<Led>,
    /// Names in the longest beginning that was remembered.
    names_max: usize,
}

struct Remembered {
    hash: u64,
    prefix: Box<str>,
    led: Led,
}

/// Where a beginning of a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Led {
    pub(crate) partition: u16,
    /// Its id there.
    pub(crate) node: u64,
    /// Bytes of the beginning.
    pub(crate) len: usize,
    /// From then on it is not believed without asking.
    pub(crate) until: Time,
}

impl Referrals {
    /// The longest beginning of a path that is remembered: whole names of it, and believed at `now`.
    #[inline]
    pub(crate) fn find(&mut self, path: &str, now: Time) -> Option<Led> {
        match self.recent_led {
            Some(led) if now < led.until && begins_with(path, &self.recent) => Some(led),
            _ => self.find_longest(path, now),
        }
    }

    fn find_longest(&mut self, path: &str, now: Time) -> Option<Led> {
        let mut longest = None;
        for (hash, prefix) in prefixes(path).take(self.names_max) {
            if let Some(known) = self.known(hash, prefix)
                && now < known.led.until
            {
                longest = Some((hash, known.led));
            }
        }
        let (hash, led) = longest?;
        self.recent_led = None;
        if !self.is_fork(hash) {
            self.recent.clear();
            self.recent.push_str(&path[..led.len]);
            self.recent_led = Some(led);
        }
        Some(led)
    }

    /// Whether longer beginnings than this may be remembered.
    fn is_fork(&self, hash: u64) -> bool {
        let at = fork_of(hash);
        self.forks[at / 64] >> (at % 64) & 1 > 0
    }

    /// Until when exactly this beginning is believed.
    pub(crate) fn until(&self, prefix: &str) -> Option<Time> {
        let known = self.known(hash_of(prefix)?, prefix)?;
        Some(known.led.until)
    }

    /// Remembers that the beginning `prefix` of paths leads to a node of a partition, in the place of what it led to before.
    pub(crate) fn remember(&mut self, prefix: &str, (partition, node): (u16, u64), until: Time) {
        let Some(hash) = hash_of(prefix) else { return };
        if self.places.is_empty() {
            self.places.resize_with(REMEMBERED_MAX, || None);
            self.forks.resize(FORKS / 64, 0);
        }
        self.recent_led = None;
        self.names_max = self.names_max.max(prefixes(prefix).count());
        for (shorter, _) in prefixes(prefix).filter(|&(shorter, _)| shorter != hash) {
            let at = fork_of(shorter);
            self.forks[at / 64] |= 1 << (at % 64);
        }
        let led = Led {
            partition,
            node,
            len: prefix.len(),
            until,
        };
        let ways = &mut self.places[first_way(hash)..][..WAYS];
        let same = ways
            .iter()
            .position(|place| place.as_ref().is_some_and(|known| known.is(hash, prefix)));
        // Otherwise the place that is free, or the one that is believed for the shortest time.
        let soonest = (0..WAYS).min_by_key(|&way| ways[way].as_ref().map(|known| known.led.until));
        let Some(way) = same.or(soonest) else { return };
        ways[way] = Some(Remembered {
            hash,
            prefix: prefix.into(),
            led,
        });
    }

    pub(crate) fn forget(&mut self, prefix: &str) {
        self.recent_led = None;
        let Some(hash) = hash_of(prefix) else { return };
        if self.places.is_empty() {
            return;
        }
        for place in &mut self.places[first_way(hash)..][..WAYS] {
            if place.as_ref().is_some_and(|known| known.is(hash, prefix)) {
                *place = None;
            }
        }
    }

    fn known(&self, hash: u64, prefix: &str) -> Option<&Remembered> {
        let ways = self.places.get(first_way(hash)..)?.iter().take(WAYS);
        ways.flatten().find(|known| known.is(hash, prefix))
    }
}

impl Remembered {
    fn is(&self, hash: u64, prefix: &str) -> bool {
        self.hash == hash && *self.prefix == *prefix
    }
}

fn fork_of(hash: u64) -> usize {
    // Other bits than those by which places are chosen.
    (hash >> 32) as usize % FORKS
}

/// Whether whole names of a path are this beginning.
#[inline]
fn begins_with(path: &str, prefix: &str) -> bool {
    let (path, prefix) = (path.as_bytes(), prefix.as_bytes());
    match path.get(prefix.len()) {
        Some(b'/') => is_same(&path[..prefix.len()], prefix),
        Some(_) => false,
        None => path == prefix,
    }
}

fn first_way(hash: u64) -> usize {
    hash as usize % (REMEMBERED_MAX / WAYS) * WAYS
}

/// None of a path without names.
fn hash_of(prefix: &str) -> Option<u64> {
    prefixes(prefix).last().map(|(hash, _)| hash)
}

/// The beginnings of a path that end where a name ends, with their hashes, the shortest first.
fn prefixes(path: &str) -> impl Iterator<Item = (u64, &str)> {
    let (mut hash, mut from) = (ODD, 0);
    std::iter::from_fn(move || {
        let rest = path.get(from..).filter(|rest| !rest.is_empty())?;
        let end = from + rest.find('/').unwrap_or(rest.len());
        hash = mix(hash, &path.as_bytes()[from..end], ODD);
        from = end + 1;
        Some((hash, &path[..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Time = Time(1_000_000);

    fn later() -> Time {
        NOW + Duration::from_millis(200)
    }

    fn found(referrals: &mut Referrals, path: &str) -> Option<(u16, u64, usize)> {
        let led = referrals.find(path, NOW)?;
        Some((led.partition, led.node, led.len))
    }

    #[test]
    fn the_longest_beginning_that_ends_with_a_name_counts() {
        let mut referrals = Referrals::default();
        assert_eq!(found(&mut referrals, "a/b"), None);
        referrals.remember("a", (1, 10), later());
        referrals.remember("a/bc", (2, 20), later());
        for (path, expected) in [
            ("a", Some((1, 10, 1))),
            ("a/b", Some((1, 10, 1))),
            ("a/bc", Some((2, 20, 4))),
            ("a/bc/d/e", Some((2, 20, 4))),
            ("a/bcd", Some((1, 10, 1))),
            ("ab", None),
            ("b/a", None),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(found(&mut referrals, path), expected, "{path}");
        }
        referrals.remember("ä/ö", (3, 30), later());
        assert_eq!(found(&mut referrals, "ä/ö/ü"), Some((3, 30, 5)));
        assert_eq!(found(&mut referrals, "ä"), None);
    }

    #[test]
    fn nothing_is_believed_longer_than_its_lease() {
        let mut referrals = Referrals::default();
        referrals.remember("a", (1, 10), later());
        referrals.remember("a/b", (2, 20), NOW + Duration::from_millis(1));
        let mut find = |at: u64| {
            let led = referrals.find("a/b/c", NOW + Duration::from_micros(at))?;
            Some(led.partition)
        };
        assert_eq!(
            [0, 999, 1000, 199_999, 200_000].map(&mut find),
            [Some(2), Some(2), Some(1), Some(1), None]
        );
        assert_eq!(referrals.until("a"), Some(later()));
        assert_eq!(referrals.until("a/b/c"), None);
    }

    #[test]
    fn what_is_learnt_anew_replaces_and_what_is_forgotten_is_gone() {
        let mut referrals = Referrals::default();
        referrals.forget("a");
        for node in [10, 11] {
            referrals.remember("a", (1, node), later());
        }
        assert_eq!(found(&mut referrals, "a/b"), Some((1, 11, 1)));
        referrals.remember("a/b", (2, 20), later());
        referrals.forget("a/b");
        assert_eq!(found(&mut referrals, "a/b"), Some((1, 11, 1)));
        referrals.forget("a");
        referrals.forget("b");
        assert_eq!(found(&mut referrals, "a/b"), None);
    }

    /// What was found last is no shortcut past what leads further.
    #[test]
    fn the_longest_counts_whatever_was_found_before() {
        let mut referrals = Referrals::default();
        referrals.remember("a", (1, 10), later());
        for path in ["a/x", "a/b/c", "a"] {
            assert_eq!(found(&mut referrals, path), Some((1, 10, 1)), "{path}");
        }
        referrals.remember("a/b", (2, 20), later());
        for _ in 0..2 {
            for (path, expected) in [
                ("a/b/c", Some((2, 20, 3))),
                ("a/b", Some((2, 20, 3))),
                ("a/x", Some((1, 10, 1))),
                ("a/bc", Some((1, 10, 1))),
                ("ab/c", None),
            ] {
                assert_eq!(found(&mut referrals, path), expected, "{path}");
            }
        }
        referrals.forget("a/b");
        assert_eq!(found(&mut referrals, "a/b/c"), Some((1, 10, 1)));
        let before = Time(0);
        assert!(referrals.find("a/b/c", before).is_some());
        assert_eq!(referrals.find("a/b/c", later()), None);
    }

    #[test]
    fn it_is_bounded_and_what_lasts_longer_stays() {
        let mut referrals = Referrals::default();
        let name = |number| format!("directory{number}/{number}");
        let ever = Time(u64::MAX);
        referrals.remember("kept", (9, 9), ever);
        for number in 0..20 * REMEMBERED_MAX as u64 {
            referrals.remember(&name(number), (1, number), NOW + Duration::from_nanos(1 + number));
            let led = found(&mut referrals, &name(number));
            assert_eq!(led.map(|led| led.1), Some(number), "the last one is always there");
        }
        assert_eq!(referrals.places.iter().flatten().count(), REMEMBERED_MAX);
        assert_eq!(found(&mut referrals, "kept/a"), Some((9, 9, 4)));
    }
}
