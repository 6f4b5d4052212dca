//! Numbers that all clients add to: what they may be at any time.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crake_store::Error;

use crate::client::{Life, is_transient};

const COUNTERS: u64 = 3;

/// What is known of all counters. Only positive numbers are added.
#[derive(Debug, Default)]
pub struct Counters {
    counters: RefCell<BTreeMap<Vec<u8>, Counter>>,
}

#[derive(Debug, Default)]
struct Counter {
    /// Added for sure.
    least: i64,
    /// Added for sure, or in doubt, or on its way.
    most: i64,
    /// What adding was answered with.
    answers: BTreeSet<i64>,
}

impl Counters {
    /// Something is about to be added; gives what the number is at least.
    fn begin(&self, key: &[u8], delta: i64) -> i64 {
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry(key.to_vec()).or_default();
        counter.most += delta;
        counter.least
    }

    /// It was certainly not added.
    fn refused(&self, key: &[u8], delta: i64) {
        if let Some(counter) = self.counters.borrow_mut().get_mut(key) {
            counter.most -= delta;
        }
    }

    /// It was added when the number was `least_before` at least, and this came of it.
    fn added(&self, key: &[u8], delta: i64, least_before: i64, value: i64) -> Result<(), String> {
        self.check(key, least_before + delta, value)?;
        let mut counters = self.counters.borrow_mut();
        let counter = counters.entry(key.to_vec()).or_default();
        counter.least += delta;
        match counter.answers.insert(value) {
            true => Ok(()),
            false => Err(format!("two additions to {} gave {value}", key.escape_ascii())),
        }
    }

    /// A number was seen that was `least` at least.
    fn check(&self, key: &[u8], least: i64, value: i64) -> Result<(), String> {
        let most = self.most(key);
        match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!(
                "{} is {value}, and should be {least} to {most}",
                key.escape_ascii()
            )),
        }
    }

    fn least(&self, key: &[u8]) -> i64 {
        self.counters.borrow().get(key).map_or(0, |counter| counter.least)
    }

    fn most(&self, key: &[u8]) -> i64 {
        self.counters.borrow().get(key).map_or(0, |counter| counter.most)
    }
}

impl Life {
    /// Adds to a counter of everybody.
    pub(crate) async fn add(&self) {
        let key = self.any_counter();
        let delta = 1 + self.world.random.below(1_000) as i64;
        self.client
            .does(format!("adding {delta} to {}", key.escape_ascii()));
        let counters = &self.world.counters;
        let least = counters.begin(&key, delta);
        match self.shared.add(&key, delta).await {
            Ok(value) => {
                if let Err(what) = counters.added(&key, delta, least, value) {
                    self.world.violate(what);
                }
            }
            Err(error) => {
                self.client.notes(&error);
                if !error.may_have_run() {
                    counters.refused(&key, delta);
                }
                self.allow_counter_error(&key, &error);
            }
        }
    }

    /// Looks at a counter of everybody.
    pub(crate) async fn look_at_counter(&self) {
        let key = self.any_counter();
        self.client.does(format!("looking at {}", key.escape_ascii()));
        let least = self.world.counters.least(&key);
        match self.shared.get(&key).await {
            Ok(found) => {
                let number = found
                    .as_ref()
                    .map_or(Some(0), |value| str::from_utf8(value).ok()?.parse().ok());
                let checked = number
                    .ok_or_else(|| format!("{} is no number", key.escape_ascii()))
                    .and_then(|number| self.world.counters.check(&key, least, number));
                if let Err(what) = checked {
                    self.world.violate(what);
                }
            }
            Err(error) => self.allow_counter_error(&key, &error),
        }
    }

    fn allow_counter_error(&self, key: &[u8], error: &Error) {
        if !is_transient(error) {
            self.world.violate(format!("{}: {error}", key.escape_ascii()));
        }
    }

    fn any_counter(&self) -> Vec<u8> {
        format!("counter-{}", self.world.random.below(COUNTERS)).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_between_what_is_sure_and_what_may_be() {
        let counters = Counters::default();
        let least = counters.begin(b"c", 5);
        assert_eq!(counters.added(b"c", 5, least, 5), Ok(()));
        let least = counters.begin(b"c", 2);
        assert!(counters.check(b"c", least, 4).is_err(), "something is lost");
        assert!(counters.check(b"c", least, 8).is_err(), "something came twice");
        assert!(counters.check(b"c", least, 5).is_ok() && counters.check(b"c", least, 7).is_ok());
        counters.refused(b"c", 2);
        assert!(counters.check(b"c", least, 7).is_err());
    }

    #[test]
    fn two_additions_never_have_one_answer() {
        let counters = Counters::default();
        let (first, second) = (counters.begin(b"c", 5), counters.begin(b"c", 5));
        assert_eq!(counters.added(b"c", 5, first, 5), Ok(()));
        assert!(counters.added(b"c", 5, second, 5).is_err());
    }
}
