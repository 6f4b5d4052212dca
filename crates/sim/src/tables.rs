//! What a client does with keys and values, and what must come of it.

use std::cell::RefMut;

use crake_store::{Condition, Error, KeyRange, PutEntry, Value};

use crate::client::{Life, is_transient};
use crate::keys::{Keys, KnownKey, Written};

/// Sizes around the inline limit and the size classes.
const SIZES: [usize; 8] = [0, 1, 64, 1_024, 1_025, 5_000, 70_000, 300_000];
const SHARED_KEYS: u64 = 4;

impl Life {
    pub(crate) fn keys(&self) -> RefMut<'_, Keys> {
        self.client.keys.borrow_mut()
    }

    /// Puts a value, under some condition.
    pub(crate) async fn put(&self) {
        let key = self.any_key();
        let known = self.client.keys.borrow().known(&key);
        let (condition, expected) = self.any_condition(known);
        self.client
            .does(format!("putting {} {condition:?}", key.escape_ascii()));
        let written = self.new_value();
        let crashes_before = self.world.crashes();
        self.keys().try_put(&key, written);
        match self.own.put_when(&key, &written.bytes(), condition).await {
            Ok(version) => {
                if expected == Some(false) {
                    self.world.violate(format!(
                        "put of {} went well under {condition:?}",
                        key.escape_ascii()
                    ));
                }
                let now = KnownKey::Value {
                    written,
                    version,
                    crashes_before,
                };
                if let Err(what) = self.keys().put(&key, known, now) {
                    self.world.violate(what);
                }
            }
            Err(error) => self.settle_key(&key, known, &error, expected != Some(true)),
        }
    }

    /// Puts several values at once, each under a condition of its own.
    pub(crate) async fn multi_put(&self) {
        let mut keys: Vec<Vec<u8>> = (0..1 + self.world.random.below(8))
            .map(|_| self.any_key())
            .collect();
        keys.sort();
        keys.dedup();
        self.client.does(format!("putting {} keys", keys.len()));
        let crashes_before = self.world.crashes();
        let puts: Vec<_> = keys
            .iter()
            .map(|key| {
                let known = self.client.keys.borrow().known(key);
                let (condition, expected) = self.any_condition(known);
                let written = self.new_value();
                self.keys().try_put(key, written);
                (known, condition, expected, written, written.bytes())
            })
            .collect();
        let entries: Vec<PutEntry<'_>> = keys
            .iter()
            .zip(&puts)
            .map(|(key, (_, condition, _, _, value))| PutEntry {
                key,
                value,
                condition: *condition,
                ttl: None,
            })
            .collect();
        let outcomes = self.own.multi_put(&entries).await;
        for ((key, outcome), (known, _, expected, written, _)) in keys.iter().zip(outcomes).zip(puts) {
            match outcome {
                Ok(version) => {
                    if expected == Some(false) {
                        self.world
                            .violate(format!("one put of several, {}, went well", key.escape_ascii()));
                    }
                    let now = KnownKey::Value {
                        written,
                        version,
                        crashes_before,
                    };
                    if let Err(what) = self.keys().put(key, known, now) {
                        self.world.violate(what);
                    }
                }
                Err(error) => self.settle_key(key, known, &error, expected != Some(true)),
            }
        }
    }

    /// Gets a value, some again and again: from the second time on it may be found in the namenode's memory.
    pub(crate) async fn get(&self) {
        let key = self.any_key();
        for _ in 0..self.any_times() {
            self.get_once(&key).await;
        }
    }

    async fn get_once(&self, key: &[u8]) {
        self.client.does(format!("getting {}", key.escape_ascii()));
        match self.own.get(key).await {
            Ok(found) => self.check_key(key, found.as_ref()),
            Err(Error::BlockLost { .. }) if self.world.is_disturbed() => {}
            Err(error) if is_transient(&error) => {}
            Err(error) => self
                .world
                .violate(format!("getting {}: {error}", key.escape_ascii())),
        }
    }

    /// Removes a key.
    pub(crate) async fn remove(&self) {
        let key = self.any_key();
        self.client.does(format!("removing {}", key.escape_ascii()));
        let known = self.client.keys.borrow().known(&key);
        self.keys().taint(&key);
        match self.own.remove(&key).await {
            Ok(removed) => {
                let expected = match known {
                    KnownKey::Absent => Some(false),
                    KnownKey::Value { .. } => Some(true),
                    KnownKey::Tainted => None,
                };
                if expected.is_some_and(|expected| expected != removed) {
                    self.world.violate(format!(
                        "removing {}: {removed}, known {known:?}",
                        key.escape_ascii()
                    ));
                }
                // A put that failed in doubt may still arrive.
                if known != KnownKey::Tainted {
                    self.keys().remove(&key);
                }
            }
            Err(error) => self.settle_key(&key, known, &error, false),
        }
    }

    /// Scans the whole table, in either order: its keys in small pages, or all with their values.
    pub(crate) async fn scan(&self) {
        let range = KeyRange {
            reverse: self.world.random.chance(500),
            ..KeyRange::ALL
        };
        let scanned = match self.world.random.chance(500) {
            true => self.scan_keys(range).await,
            false => self.scan_values(range).await,
        };
        let Some(mut keys) = scanned else { return };
        if range.reverse {
            keys.reverse();
        }
        if let Err(what) = self.client.keys.borrow().check_scan(&keys) {
            self.world.violate(what);
        }
    }

    /// The keys that a scan gave; nothing if it could not be ended.
    async fn scan_keys(&self, range: KeyRange<'_>) -> Option<Vec<Vec<u8>>> {
        self.client.does("scanning");
        let mut keys: Vec<Vec<u8>> = Vec::new();
        let limit = 1 + self.world.random.below(6) as u32;
        loop {
            let last = keys.last().cloned().unwrap_or_default();
            match self.own.keys_page(range.behind(&last), limit).await {
                Ok(page) => {
                    keys.extend(page.entries);
                    if !page.more {
                        return Some(keys);
                    }
                }
                Err(error) => return self.scan_failed(&error),
            }
        }
    }

    /// The same, when all values were right.
    async fn scan_values(&self, range: KeyRange<'_>) -> Option<Vec<Vec<u8>>> {
        self.client.does("scanning with values");
        let mut keys = Vec::new();
        let mut scan = self.own.scan(range);
        loop {
            match scan.next().await {
                Ok(Some(entry)) => {
                    self.check_key(entry.key, Some(&entry.to_value()));
                    keys.push(entry.key.to_vec());
                }
                Ok(None) => return Some(keys),
                Err(error) => return self.scan_failed(&error),
            }
        }
    }

    fn scan_failed<T>(&self, error: &Error) -> Option<T> {
        let is_allowed = match error {
            Error::BlockLost { .. } => self.world.is_disturbed(),
            error => is_transient(error),
        };
        if !is_allowed {
            self.world.violate(format!("scanning: {error}"));
        }
        None
    }

    /// Puts a value where others put theirs.
    pub(crate) async fn put_shared(&self) {
        let key = self.any_shared_key();
        self.client.does(format!("putting shared {}", key.escape_ascii()));
        let written = self.new_value();
        self.world.shared.borrow_mut().try_put(&key, written);
        match self.shared.put(&key, &written.bytes()).await {
            Ok(version) => {
                if let Err(what) = self.world.shared.borrow_mut().put(&key, written, version) {
                    self.world.violate(what);
                }
            }
            Err(error) => self.allow_shared_error(&key, &error),
        }
    }

    /// Gets a value that anybody may have put.
    pub(crate) async fn get_shared(&self) {
        let key = self.any_shared_key();
        for _ in 0..self.any_times() {
            self.get_shared_once(&key).await;
        }
    }

    async fn get_shared_once(&self, key: &[u8]) {
        self.client.does(format!("getting shared {}", key.escape_ascii()));
        let version_before = self.world.shared.borrow().version_seen(key);
        match self.shared.get(key).await {
            Ok(None) if version_before == 0 => {}
            Ok(None) => self
                .world
                .violate(format!("shared key {} is gone", key.escape_ascii())),
            Ok(Some(value)) => {
                let checked =
                    self.world
                        .shared
                        .borrow_mut()
                        .check(key, &value.data, value.version, version_before);
                if let Err(what) = checked {
                    self.world.violate(what);
                }
            }
            Err(error) => self.allow_shared_error(key, &error),
        }
    }

    fn allow_shared_error(&self, key: &[u8], error: &Error) {
        self.client.notes(error);
        let lost =
            matches!(error, Error::BlockLost { .. } | Error::LeaseLost { .. }) && self.world.is_disturbed();
        if !lost && !is_transient(error) {
            self.world
                .violate(format!("shared key {}: {error}", key.escape_ascii()));
        }
    }

    fn check_key(&self, key: &[u8], found: Option<&Value>) {
        let found = found.map(|value| (&value.data[..], value.version));
        if let Err(what) = self.client.keys.borrow().check(key, found) {
            self.world.violate(what);
        }
    }

    /// After an error: the key is as it was if the operation surely did not happen, and stays tainted otherwise.
    fn settle_key(&self, key: &[u8], known: KnownKey, error: &Error, may_be_refused: bool) {
        self.client.notes(error);
        if !error.may_have_run() {
            self.keys().restore(key, known);
        }
        let allowed = match error {
            Error::AlreadyExists { .. } | Error::VersionMismatch { .. } => may_be_refused,
            Error::LeaseLost { .. } | Error::BlockLost { .. } => self.world.is_disturbed(),
            error => is_transient(error),
        };
        if !allowed {
            self.world
                .violate(format!("key {}, known {known:?}: {error}", key.escape_ascii()));
        }
    }

    /// A condition, and whether it holds, if that is known.
    fn any_condition(&self, known: KnownKey) -> (Condition, Option<bool>) {
        let version = match known {
            KnownKey::Value { version, .. } => version,
            KnownKey::Absent | KnownKey::Tainted => 0,
        };
        let holds = |holds: bool| (known != KnownKey::Tainted).then_some(holds);
        match self.world.random.below(4) {
            0 => (Condition::IfAbsent, holds(known == KnownKey::Absent)),
            1 if version > 0 => (Condition::IfVersion(version), holds(true)),
            2 => (Condition::IfVersion(version + 1_000_000), holds(false)),
            _ => (Condition::Always, Some(true)),
        }
    }

    pub(crate) fn new_value(&self) -> Written {
        Written {
            tag: self.world.new_tag(),
            len: *self.world.random.pick(&SIZES),
        }
    }

    /// A key that was used, or one that was not.
    fn any_key(&self) -> Vec<u8> {
        let tainted = self.world.random.chance(100);
        let used = self
            .client
            .keys
            .borrow()
            .keys(|known| tainted == (known == KnownKey::Tainted));
        if !used.is_empty() && self.world.random.chance(700) {
            return self.world.random.pick(&used).clone();
        }
        self.client.names.set(self.client.names.get() + 1);
        format!("key-{:03}", self.client.names.get()).into_bytes()
    }

    fn any_shared_key(&self) -> Vec<u8> {
        format!("key-{:02}", self.world.random.below(SHARED_KEYS)).into_bytes()
    }
}
