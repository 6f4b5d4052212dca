//! Where the directories lead that lookups went through lately, so that most lookups look for one name only.

use crake_store::protocol::words::{is_same, mix};

use super::command::NodeId;
use super::names::find_last_slash;

/// With two slots each: as many directories, if lookups go through that many in turn, are nearly all known.
const SETS: usize = 1 << SET_BITS;
const SET_BITS: u32 = 12;
/// Bytes of a directory's path at most: with them a slot is one cache line.
const PATH_BYTES_MAX: usize = 47;

/// Paths of directories as they were asked for, each with its node. One that is here leads there until a container is
/// taken from its place: whoever does that calls [`Self::forget`]. No part of the state: without it all answers are the same.
pub(super) struct Shortcuts {
    /// By the hash of the path; none before the first is learnt.
    sets: Vec<Set>,
    /// What was learnt in an earlier one is forgotten.
    epoch: u32,
    is_empty: bool,
}

/// The one that was learnt last comes first.
type Set = [Slot; 2];

/// Free if the epoch is not the present one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Slot {
    base: u64,
    directory: u32,
    epoch: u32,
    path_len: u8,
    path: [u8; PATH_BYTES_MAX],
}

const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    /// The first epoch is 1.
    const FREE: Self = Self {
        base: 0,
        directory: 0,
        epoch: 0,
        path_len: 0,
        path: [0; PATH_BYTES_MAX],
    };

    #[inline]
    fn path(&self) -> &[u8] {
        &self.path[..usize::from(self.path_len)]
    }

    #[inline]
    fn holds(&self, epoch: u32, base: NodeId, path: &[u8]) -> bool {
        self.epoch == epoch && self.base == base.0 && is_same(self.path(), path)
    }
}

impl Shortcuts {
    pub(super) fn new() -> Self {
        Self {
            sets: Vec::new(),
            epoch: 1,
            is_empty: true,
        }
    }

    /// The directory in which the last name of `path` is to be looked for, and that name; nothing if it is not known.
    ///
    /// Inlined whatever the compiler thinks of its length: a call of its own spends a fifth of its instructions on registers.
    #[inline(always)]
    pub(super) fn find<'p>(&self, base: NodeId, path: &'p [u8]) -> Option<(u32, &'p [u8])> {
        let (path, name) = split(path)?;
        let set = self.sets.get(set_of(base, path))?;
        let slot = set.iter().find(|slot| slot.holds(self.epoch, base, path))?;
        Some((slot.directory, name))
    }

    /// The last name of `path` was found in `directory`.
    pub(super) fn learn(&mut self, base: NodeId, path: &[u8], directory: u32) {
        let Some((path, _)) = split(path).filter(|(path, _)| path.len() <= PATH_BYTES_MAX) else {
            return;
        };
        if self.sets.is_empty() {
            self.sets = vec![[Slot::FREE; 2]; SETS];
        }
        let set = &mut self.sets[set_of(base, path)];
        if set.iter().any(|slot| slot.holds(self.epoch, base, path)) {
            return;
        }
        let [first, second] = set;
        *second = *first;
        *first = Slot {
            base: base.0,
            directory,
            epoch: self.epoch,
            path_len: path.len() as u8,
            path: [0; PATH_BYTES_MAX],
        };
        first.path[..path.len()].copy_from_slice(path);
        self.is_empty = false;
    }

    /// A container is no longer where it was.
    pub(super) fn forget(&mut self) {
        if std::mem::replace(&mut self.is_empty, true) {
            return;
        }
        // What an epoch of the same number has left must not come back.
        if self.epoch == u32::MAX {
            self.sets.fill([Slot::FREE; 2]);
            self.epoch = 0;
        }
        self.epoch += 1;
    }

    /// All that is known: a base, the path of a directory from there, and where it leads.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &[u8], u32)> {
        let slots = self.sets.iter().flatten();
        let known = slots.filter(|slot| slot.epoch == self.epoch);
        known.map(|slot| (NodeId(slot.base), slot.path(), slot.directory))
    }
}

/// A path as that of its directory and its last name, if it has both. One that ends with a slash says more than a name.
#[inline]
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = find_last_slash(path)?;
    let (directory, name) = (&path[..slash], &path[slash + 1..]);
    (!directory.is_empty() && !name.is_empty()).then_some((directory, name))
}

/// Who makes paths collide gains nothing but slower lookups.
#[inline]
fn set_of(base: NodeId, directory: &[u8]) -> usize {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = mix(base.0 ^ directory.len() as u64, directory, ODD).wrapping_mul(ODD);
    (mixed >> (u64::BITS - SET_BITS)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: NodeId = NodeId(7);

    #[test]
    fn finds_what_was_learnt_until_it_is_forgotten() {
        let mut shortcuts = Shortcuts::new();
        assert_eq!(shortcuts.find(BASE, b"a/b/c"), None);
        shortcuts.learn(BASE, b"a/b/c", 3);
        assert_eq!(shortcuts.find(BASE, b"a/b/other"), Some((3, &b"other"[..])));
        assert_eq!(shortcuts.find(NodeId(8), b"a/b/c"), None);
        assert_eq!(shortcuts.find(BASE, b"a/b"), None);
        assert_eq!(shortcuts.iter().collect::<Vec<_>>(), [(BASE, &b"a/b"[..], 3)]);
        shortcuts.forget();
        assert_eq!(shortcuts.find(BASE, b"a/b/c"), None);
        assert_eq!(shortcuts.iter().count(), 0);
        shortcuts.learn(BASE, b"a/b/c", 4);
        assert_eq!(shortcuts.find(BASE, b"a/b/c"), Some((4, &b"c"[..])));
    }

    #[test]
    fn what_was_forgotten_does_not_come_back_when_epochs_begin_anew() {
        let mut shortcuts = Shortcuts::new();
        shortcuts.learn(BASE, b"a/c", 3);
        shortcuts.forget();
        shortcuts.epoch = u32::MAX;
        shortcuts.learn(BASE, b"b/c", 4);
        shortcuts.forget();
        assert_eq!(shortcuts.epoch, 1);
        assert_eq!(shortcuts.find(BASE, b"a/c"), None);
        assert_eq!(shortcuts.find(BASE, b"b/c"), None);
    }

    #[test]
    fn passes_over_what_has_no_directory_no_name_or_no_room() {
        let mut shortcuts = Shortcuts::new();
        let long = format!("{}/c", "a".repeat(PATH_BYTES_MAX + 1));
        for path in ["", "/", "c", "/c", "a/b/", &long] {
            shortcuts.learn(BASE, path.as_bytes(), 3);
            assert_eq!(shortcuts.find(BASE, path.as_bytes()), None, "{path:?}");
        }
        let longest = format!("{}/c", "a".repeat(PATH_BYTES_MAX));
        shortcuts.learn(BASE, longest.as_bytes(), 4);
        assert_eq!(shortcuts.find(BASE, longest.as_bytes()), Some((4, &b"c"[..])));
    }

    /// Names that count up, as those of benchmarks and jobs do, at the end of the path and in its midst.
    #[test]
    fn a_thousand_directories_are_nearly_all_known() {
        for path in [
            |number: u32| format!("d{number}/f"),
            |number| format!("bench/directory{number:04}/f"),
            |number| format!("job/{number}/shuffle/output/f"),
        ] {
            let mut shortcuts = Shortcuts::new();
            (0..1000).for_each(|number| shortcuts.learn(BASE, path(number).as_bytes(), number));
            let known = (0..1000)
                .filter(|&number| shortcuts.find(BASE, path(number).as_bytes()) == Some((number, &b"f"[..])));
            let known = known.count();
            assert!(known >= 980, "{known} of {}", path(0));
        }
    }
}
