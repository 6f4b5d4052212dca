//! What one client may expect of a table that only it writes, and all clients of the table that they share.

use std::collections::BTreeMap;

use crate::content::{self, Tag};

/// A value that somebody tried to put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Whose bytes.
    pub tag: Tag,
    /// How many.
    pub len: usize,
}

impl Written {
    /// The value's bytes.
    pub fn bytes(self) -> Vec<u8> {
        content::bytes(self.tag, 0, self.len)
    }

    /// Whether these are its bytes.
    pub fn is(self, found: &[u8]) -> bool {
        found.len() == self.len && content::verify(self.tag, 0, found).is_ok()
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownKey {
    /// It is not there.
    Absent,
    /// It has this value.
    Value {
        /// The bytes.
        written: Written,
        /// The version that the put was answered with.
        version: u64,
        /// Datanode crashes counted before the put.
        crashes_before: u64,
    },
    /// Something may or may not have been done to it, and may still be.
    Tainted,
}

/// The keys of one client's own table.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    known: BTreeMap<Vec<u8>, KnownKey>,
    tried: BTreeMap<Vec<u8>, Vec<Written>>,
    version_max: BTreeMap<Vec<u8>, u64>,
}

impl Keys {
    /// What is known of a key.
    pub fn known(&self, key: &[u8]) -> KnownKey {
        self.known.get(key).copied().unwrap_or(KnownKey::Absent)
    }

    /// A put of this value is about to be tried.
    pub fn try_put(&mut self, key: &[u8], written: Written) {
        self.tried.entry(key.to_vec()).or_default().push(written);
        self.taint(key);
    }

    /// Nothing is known of the key any more.
    pub fn taint(&mut self, key: &[u8]) {
        self.known.insert(key.to_vec(), KnownKey::Tainted);
    }

    /// The key is as it was.
    pub fn restore(&mut self, key: &[u8], known: KnownKey) {
        self.known.insert(key.to_vec(), known);
    }

    /// A put was answered. Versions of a key only grow. One that was tainted before stays so: what tainted it may
    /// still arrive.
    pub fn put(&mut self, key: &[u8], before: KnownKey, now: KnownKey) -> Result<(), String> {
        let KnownKey::Value { version, .. } = now else {
            return Ok(());
        };
        if before != KnownKey::Tainted {
            self.known.insert(key.to_vec(), now);
        }
        let before = self.version_max.insert(key.to_vec(), version).unwrap_or(0);
        match version > before {
            true => Ok(()),
            false => Err(format!(
                "version of key {} went from {before} to {version}",
                key.escape_ascii()
            )),
        }
    }

    /// A removal was answered.
    pub fn remove(&mut self, key: &[u8]) {
        self.known.insert(key.to_vec(), KnownKey::Absent);
    }

    /// Checks what a get, or a scan, gave for the key.
    pub fn check(&self, key: &[u8], found: Option<(&[u8], u64)>) -> Result<(), String> {
        let name = key.escape_ascii();
        match (self.known(key), found) {
            (KnownKey::Absent, None) | (KnownKey::Tainted, None) => Ok(()),
            (KnownKey::Absent, Some(_)) => Err(format!("key {name} is there and should not be")),
            (KnownKey::Value { .. }, None) => Err(format!("key {name} is not there")),
            (KnownKey::Value { written, version, .. }, Some((bytes, found_version))) => {
                match written.is(bytes) && version == found_version {
                    true => Ok(()),
                    false => Err(format!(
                        "key {name} has other bytes, or version {found_version} for {version}"
                    )),
                }
            }
            (KnownKey::Tainted, Some((bytes, _))) => match self.was_tried(key, bytes) {
                true => Ok(()),
                false => Err(format!("key {name} has bytes that were never put there")),
            },
        }
    }

    fn was_tried(&self, key: &[u8], bytes: &[u8]) -> bool {
        self.tried
            .get(key)
            .is_some_and(|tried| tried.iter().any(|written| written.is(bytes)))
    }

    /// Checks the keys of a whole scan: in order, once each, none missing, none invented.
    pub fn check_scan(&self, scanned: &[Vec<u8>]) -> Result<(), String> {
        if let Some(pair) = scanned.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!("scan is out of order or repeats: {pair:?}"));
        }
        for key in scanned {
            if self.known(key) == KnownKey::Absent {
                return Err(format!("scan has key {}, which is not there", key.escape_ascii()));
            }
        }
        let missing = self.known.iter().find(|(key, known)| {
            matches!(known, KnownKey::Value { .. }) && scanned.binary_search(key).is_err()
        });
        match missing {
            Some((key, _)) => Err(format!("scan misses key {}", key.escape_ascii())),
            None => Ok(()),
        }
    }

    /// The keys of which this is true, in order.
    pub fn keys(&self, wanted: impl Fn(KnownKey) -> bool) -> Vec<Vec<u8>> {
        let wanted = self.known.iter().filter(|(_, known)| wanted(**known));
        wanted.map(|(key, _)| key.clone()).collect()
    }
}

/// The table that all clients write: what was ever tried on each key, and the newest version that anybody saw.
#[derive(Debug, Default)]
pub struct SharedKeys {
    tried: BTreeMap<Vec<u8>, Vec<Written>>,
    seen: BTreeMap<Vec<u8>, (u64, Written)>,
}

impl SharedKeys {
    /// A put of this value is about to be tried.
    pub fn try_put(&mut self, key: &[u8], written: Written) {
        self.tried.entry(key.to_vec()).or_default().push(written);
    }

    /// The newest version that anybody has seen: a get that begins now must not give an older one.
    pub fn version_seen(&self, key: &[u8]) -> u64 {
        self.seen.get(key).map_or(0, |(version, _)| *version)
    }

    /// A put was answered with this version.
    pub fn put(&mut self, key: &[u8], written: Written, version: u64) -> Result<(), String> {
        self.observe(key, written, version)
    }

    /// A get that began when `version_before` was the newest gave these bytes.
    pub fn check(
        &mut self,
        key: &[u8],
        bytes: &[u8],
        version: u64,
        version_before: u64,
    ) -> Result<(), String> {
        let name = key.escape_ascii().to_string();
        if version < version_before {
            return Err(format!(
                "shared key {name} went back from version {version_before} to {version}"
            ));
        }
        let tried = self.tried.get(key).into_iter().flatten();
        let Some(written) = tried.copied().find(|written| written.is(bytes)) else {
            return Err(format!("shared key {name} has bytes that were never put there"));
        };
        self.observe(key, written, version)
    }

    fn observe(&mut self, key: &[u8], written: Written, version: u64) -> Result<(), String> {
        match self.seen.get(key) {
            // Short values may be alike by chance, so bytes are compared and not tags.
            Some(&(seen, other)) if seen == version && !other.is(&written.bytes()) => Err(format!(
                "shared key {} has two values of version {version}",
                key.escape_ascii()
            )),
            Some(&(seen, _)) if seen >= version => Ok(()),
            _ => {
                self.seen.insert(key.to_vec(), (version, written));
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(tag: u64) -> Written {
        Written {
            tag: Tag(tag),
            len: 20,
        }
    }

    fn value(tag: u64, version: u64) -> KnownKey {
        KnownKey::Value {
            written: written(tag),
            version,
            crashes_before: 0,
        }
    }

    #[test]
    fn a_key_must_have_what_was_put_last() {
        let mut keys = Keys::default();
        keys.try_put(b"k", written(1));
        keys.put(b"k", KnownKey::Absent, value(1, 1)).unwrap();
        assert_eq!(keys.check(b"k", Some((&written(1).bytes(), 1))), Ok(()));
        assert!(keys.check(b"k", Some((&written(2).bytes(), 1))).is_err());
        assert!(keys.check(b"k", Some((&written(1).bytes(), 2))).is_err());
        assert!(keys.check(b"k", None).is_err());
        assert!(
            keys.put(b"k", KnownKey::Absent, value(3, 1)).is_err(),
            "versions grow"
        );
    }

    #[test]
    fn a_tainted_key_may_be_absent_or_have_what_was_tried() {
        let mut keys = Keys::default();
        keys.try_put(b"k", written(1));
        assert_eq!(keys.check(b"k", None), Ok(()));
        assert_eq!(keys.check(b"k", Some((&written(1).bytes(), 9))), Ok(()));
        assert!(keys.check(b"k", Some((&written(2).bytes(), 9))).is_err());
    }

    #[test]
    fn a_scan_that_misses_repeats_or_invents_is_refused() {
        let mut keys = Keys::default();
        keys.put(b"a", KnownKey::Absent, value(1, 1)).unwrap();
        keys.taint(b"b");
        let scan = |names: &[&str]| {
            names
                .iter()
                .map(|name| name.as_bytes().to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys.check_scan(&scan(&["a"])), Ok(()));
        assert_eq!(keys.check_scan(&scan(&["a", "b"])), Ok(()));
        assert!(keys.check_scan(&scan(&[])).is_err());
        assert!(keys.check_scan(&scan(&["a", "a"])).is_err());
        assert!(keys.check_scan(&scan(&["a", "c"])).is_err());
    }

    #[test]
    fn a_shared_key_never_goes_back() {
        let mut keys = SharedKeys::default();
        keys.try_put(b"k", written(1));
        keys.try_put(b"k", written(2));
        keys.put(b"k", written(1), 1).unwrap();
        keys.put(b"k", written(2), 2).unwrap();
        assert!(keys.check(b"k", &written(1).bytes(), 1, 2).is_err());
        assert!(keys.check(b"k", &written(2).bytes(), 2, 2).is_ok());
        assert!(keys.check(b"k", &written(1).bytes(), 2, 2).is_err());
        assert!(keys.check(b"k", &written(3).bytes(), 3, 2).is_err());
    }
}
