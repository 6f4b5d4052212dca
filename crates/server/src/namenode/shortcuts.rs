//! Where the directories lead that lookups went through lately, so that most lookups look for one name only.

use super::command::NodeId;
use super::names::{find_last_slash, last_word};

const SLOTS: usize = 64;
/// Bytes of a directory's path at most: with them a slot is one cache line.
const PATH_BYTES_MAX: usize = 51;

/// Paths of directories as they were asked for, each with its node. One that is here leads there until a container is
/// taken from its place: whoever does that calls [`Self::forget`]. No part of the state: without it all answers are the same.
pub(super) struct Shortcuts {
    slots: Box<[Slot; SLOTS]>,
    is_empty: bool,
}

/// Free if the path is empty.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Slot {
    base: u64,
    directory: u32,
    path_len: u8,
    path: [u8; PATH_BYTES_MAX],
}

const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    const FREE: Self = Self {
        base: 0,
        directory: 0,
        path_len: 0,
        path: [0; PATH_BYTES_MAX],
    };

    #[inline]
    fn path(&self) -> &[u8] {
        &self.path[..usize::from(self.path_len)]
    }
}

impl Shortcuts {
    pub(super) fn new() -> Self {
        Self {
            slots: Box::new([Slot::FREE; SLOTS]),
            is_empty: true,
        }
    }

    /// The directory in which the last name of `path` is to be looked for, and that name; nothing if it is not known.
    #[inline]
    pub(super) fn find<'p>(&self, base: NodeId, path: &'p str) -> Option<(u32, &'p str)> {
        let (directory, name) = split(path)?;
        let slot = &self.slots[slot_of(directory)];
        let is_here = slot.base == base.0 && slot.path() == directory.as_bytes();
        is_here.then_some((slot.directory, name))
    }

    /// The last name of `path` was found in `directory`.
    pub(super) fn learn(&mut self, base: NodeId, path: &str, directory: u32) {
        let Some((path, _)) = split(path).filter(|(path, _)| path.len() <= PATH_BYTES_MAX) else {
            return;
        };
        let slot = &mut self.slots[slot_of(path)];
        slot.base = base.0;
        slot.directory = directory;
        slot.path_len = path.len() as u8;
        slot.path[..path.len()].copy_from_slice(path.as_bytes());
        self.is_empty = false;
    }

    /// A container is no longer where it was.
    pub(super) fn forget(&mut self) {
        if !std::mem::replace(&mut self.is_empty, true) {
            self.slots.fill(Slot::FREE);
        }
    }

    /// All that is known: a base, the path of a directory from there, and where it leads.
    pub(super) fn iter(&self) -> impl Iterator<Item = (NodeId, &str, u32)> {
        let used = self.slots.iter().filter(|slot| slot.path_len > 0);
        used.map(|slot| {
            let path = std::str::from_utf8(slot.path()).expect("it was a path");
            (NodeId(slot.base), path, slot.directory)
        })
    }
}

/// A path as that of its directory and its last name, if it has both. One that ends with a slash says more than a name.
#[inline]
fn split(path: &str) -> Option<(&str, &str)> {
    let slash = find_last_slash(path.as_bytes())?;
    let (directory, name) = (&path[..slash], &path[slash + 1..]);
    (!directory.is_empty() && !name.is_empty()).then_some((directory, name))
}

/// Neighbours differ at their ends. Who makes paths collide gains nothing but slower lookups.
#[inline]
fn slot_of(directory: &str) -> usize {
    let word = last_word(directory.as_bytes(), directory.as_bytes());
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

const _: () = assert!(SLOTS == 1 << (64 - 58));

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: NodeId = NodeId(7);

    #[test]
    fn finds_what_was_learnt_until_it_is_forgotten() {
        let mut shortcuts = Shortcuts::new();
        assert_eq!(shortcuts.find(BASE, "a/b/c"), None);
        shortcuts.learn(BASE, "a/b/c", 3);
        assert_eq!(shortcuts.find(BASE, "a/b/other"), Some((3, "other")));
        assert_eq!(shortcuts.find(NodeId(8), "a/b/c"), None);
        assert_eq!(shortcuts.find(BASE, "a/b"), None);
        assert_eq!(shortcuts.iter().collect::<Vec<_>>(), [(BASE, "a/b", 3)]);
        shortcuts.forget();
        assert_eq!(shortcuts.find(BASE, "a/b/c"), None);
        assert_eq!(shortcuts.iter().count(), 0);
    }

    #[test]
    fn passes_over_what_has_no_directory_no_name_or_no_room() {
        let mut shortcuts = Shortcuts::new();
        let long = format!("{}/c", "a".repeat(PATH_BYTES_MAX + 1));
        for path in ["", "/", "c", "/c", "a/b/", &long] {
            shortcuts.learn(BASE, path, 3);
            assert_eq!(shortcuts.find(BASE, path), None, "{path:?}");
        }
        let longest = format!("{}/c", "a".repeat(PATH_BYTES_MAX));
        shortcuts.learn(BASE, &longest, 4);
        assert_eq!(shortcuts.find(BASE, &longest), Some((4, "c")));
    }
}
