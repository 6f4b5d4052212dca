//! What one client may expect of the part of the namespace that only it writes.
//!
//! A call that failed without saying that it did not run leaves its names *tainted*: it may still run later, so nothing
//! more is claimed of them than that their bytes are bytes that were once written there. Everything else is exact.

use std::collections::{BTreeMap, BTreeSet};

use crate::content::{self, Mismatch, Tag};

/// A stretch of a file: the bytes of `tag` from the stretch's first byte on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stretch {
    start: u64,
    tag: Tag,
}

/// A file as its writer knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileModel {
    /// Names this file and no other, whatever becomes of its path.
    pub created: Tag,
    stretches: Vec<Stretch>,
    /// Bytes that were published and acknowledged: they must be there.
    pub size_min: u64,
    /// Bytes that may be there.
    pub size_max: u64,
    /// Datanode crashes counted when its first byte was written: a later crash may have taken blocks.
    pub crashes_before: u64,
}

impl FileModel {
    /// An empty file, made after `crashes_before` datanode crashes.
    pub fn new(created: Tag, crashes_before: u64) -> FileModel {
        FileModel {
            created,
            stretches: Vec::new(),
            size_min: 0,
            size_max: 0,
            crashes_before,
        }
    }

    /// Bytes of `tag` will be written from `start` on.
    pub fn begin_stretch(&mut self, start: u64, tag: Tag) {
        self.stretches.retain(|stretch| stretch.start < start);
        self.stretches.push(Stretch { start, tag });
    }

    /// Compares `found` with what was written from `offset` on.
    pub fn verify(&self, offset: u64, found: &[u8]) -> Result<(), Mismatch> {
        let end = offset + found.len() as u64;
        for (index, stretch) in self.stretches.iter().enumerate() {
            let stretch_end = self.stretches.get(index + 1).map_or(u64::MAX, |next| next.start);
            let (from, to) = (offset.max(stretch.start), end.min(stretch_end));
            if from < to {
                let part = &found[(from - offset) as usize..(to - offset) as usize];
                content::verify(stretch.tag, from, part)?;
            }
        }
        Ok(())
    }

    /// Whether a size that was observed can be.
    pub fn allows_size(&self, size: u64) -> bool {
        (self.size_min..=self.size_max).contains(&size)
    }
}

/// What is known of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// A directory.
    Directory,
    /// A file.
    File(FileModel),
    /// Something that a call may or may not have done; it may be absent, or anything.
    Tainted,
}

/// The names under one client's own directory. Paths are relative to it, `a` or `a/b`.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<String, Known>,
}

impl Tree {
    /// What is known of `path`; `None`: it is not there.
    pub fn known(&self, path: &str) -> Option<&Known> {
        self.nodes.get(path)
    }

    /// The file at `path`, if it is known to be one.
    pub fn file_mut(&mut self, path: &str) -> Option<&mut FileModel> {
        match self.nodes.get_mut(path) {
            Some(Known::File(file)) => Some(file),
            _ => None,
        }
    }

    /// The file that is known to be at `path`.
    pub fn file(&self, path: &str) -> Option<&FileModel> {
        match self.nodes.get(path) {
            Some(Known::File(file)) => Some(file),
            _ => None,
        }
    }

    /// The file that was created as this one, wherever it is now.
    pub fn file_created(&self, created: Tag) -> Option<&FileModel> {
        let mut files = self.nodes.values().filter_map(|known| match known {
            Known::File(file) => Some(file),
            _ => None,
        });
        files.find(|file| file.created == created)
    }

    /// Puts `known` at `path`.
    pub fn set(&mut self, path: &str, known: Known) {
        self.nodes.insert(path.to_owned(), known);
    }

    /// Removes `path` and all below it.
    pub fn remove(&mut self, path: &str) {
        for path in self.subtree(path) {
            self.nodes.remove(&path);
        }
    }

    /// Moves `from` and all below it to `to`, in place of what was there.
    pub fn rename(&mut self, from: &str, to: &str) {
        if from == to {
            return;
        }
        self.remove(to);
        for path in self.subtree(from) {
            let known = self.nodes.remove(&path).expect("listed a line above");
            self.nodes.insert(format!("{to}{}", &path[from.len()..]), known);
        }
    }

    /// Nothing is known any more of `path` and of all below it.
    pub fn taint(&mut self, path: &str) {
        for path in self.subtree(path) {
            self.nodes.insert(path, Known::Tainted);
        }
        self.nodes.insert(path.to_owned(), Known::Tainted);
    }

    /// Paths that satisfy `wanted`, in order.
    pub fn paths(&self, wanted: impl Fn(&Known) -> bool) -> Vec<String> {
        let wanted = self.nodes.iter().filter(|(_, known)| wanted(known));
        wanted.map(|(path, _)| path.clone()).collect()
    }

    /// Whether anything, even tainted, may lie below `path`.
    pub fn has_children(&self, path: &str) -> bool {
        self.subtree(path).len() > 1
    }

    /// Whether something tainted is at `path` or below it.
    pub fn tainted_within(&self, path: &str) -> bool {
        self.subtree(path)
            .iter()
            .any(|path| self.nodes[path] == Known::Tainted)
    }

    /// Compares a whole listing of the directory `path` (empty: the client's own) with what must and may be in it.
    pub fn check_listing(&self, path: &str, listed: &[String]) -> Result<(), String> {
        if let Some(pair) = listed.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(format!(
                "listing of `{path}` is out of order or repeats: {pair:?}"
            ));
        }
        let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
        for (name, known) in self.children(path) {
            if *known != Known::Tainted && !listed.contains(name) {
                return Err(format!("listing of `{path}` misses `{name}`"));
            }
        }
        let may_be: BTreeSet<&str> = self.children(path).map(|(name, _)| name).collect();
        match listed.difference(&may_be).next() {
            Some(name) => Err(format!("listing of `{path}` has `{name}`, which is not there")),
            None => Ok(()),
        }
    }

    fn children<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a Known)> {
        self.nodes.iter().filter_map(move |(node, known)| {
            let rest = if path.is_empty() {
                node
            } else {
                node.strip_prefix(path)?.strip_prefix('/')?
            };
            (!rest.contains('/')).then_some((rest, known))
        })
    }

    fn subtree(&self, path: &str) -> Vec<String> {
        let within = |node: &&String| {
            node.strip_prefix(path)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        self.nodes.keys().filter(within).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Known {
        Known::File(FileModel::new(Tag(0), 0))
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn rename_takes_the_subtree_along_and_replaces_the_target() {
        let mut tree = Tree::default();
        for (path, known) in [
            ("a", Known::Directory),
            ("a/f", file()),
            ("ab", file()),
            ("b", Known::Directory),
        ] {
            tree.set(path, known);
        }
        tree.rename("a", "b");
        assert_eq!(tree.paths(|_| true), ["ab", "b", "b/f"]);
    }

    #[test]
    fn a_listing_that_misses_repeats_or_invents_a_name_is_refused() {
        let mut tree = Tree::default();
        tree.set("a", file());
        tree.set("b", Known::Tainted);
        tree.set("d", Known::Directory);
        tree.set("d/x", file());
        assert_eq!(tree.check_listing("", &names(&["a", "d"])), Ok(()));
        assert_eq!(tree.check_listing("", &names(&["a", "b", "d"])), Ok(()));
        assert_eq!(tree.check_listing("d", &names(&["x"])), Ok(()));
        assert!(tree.check_listing("", &names(&["a"])).is_err());
        assert!(tree.check_listing("", &names(&["a", "a", "d"])).is_err());
        assert!(tree.check_listing("", &names(&["a", "c", "d"])).is_err());
    }

    #[test]
    fn an_appended_stretch_has_its_own_tag() {
        let mut model = FileModel::new(Tag(0), 0);
        model.begin_stretch(0, Tag(1));
        model.begin_stretch(10, Tag(2));
        let mut whole = content::bytes(Tag(1), 0, 10);
        whole.extend(content::bytes(Tag(2), 10, 10));
        assert_eq!(model.verify(0, &whole), Ok(()));
        assert_eq!(model.verify(5, &whole[5..15]), Ok(()));
        assert!(model.verify(0, &content::bytes(Tag(1), 0, 20)).is_err());
    }

    #[test]
    fn taint_reaches_everything_below() {
        let mut tree = Tree::default();
        tree.set("a", Known::Directory);
        tree.set("a/f", file());
        tree.taint("a");
        assert!(tree.tainted_within("a"));
        assert_eq!(tree.known("a/f"), Some(&Known::Tainted));
        assert_eq!(tree.check_listing("", &[]), Ok(()));
    }
}
