//! The entries of a container in the order of their names' bytes.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use super::names::Name;
use super::state::fields;

/// Names and the indexes of their records. Empty, it holds no memory.
#[derive(Debug, Default, Hash)]
pub(super) struct Children {
    tree: BTreeMap<Name, u32>,
}

fields!(Children { tree });

impl Children {
    pub(super) fn len(&self) -> usize {
        self.tree.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Adds a name that is not there.
    pub(super) fn insert(&mut self, name: &[u8], index: u32) {
        let before = self.tree.insert(Name::new(name), index);
        debug_assert_eq!(before, None);
    }

    pub(super) fn remove(&mut self, name: &[u8]) -> Option<u32> {
        self.tree.remove(name)
    }

    /// The indexes alone, in the order of the names, from either end, between a bound and a name that is no longer meant.
    pub(super) fn indexes_between(
        &self,
        lower: Bound<&[u8]>,
        upper: Option<&[u8]>,
    ) -> impl DoubleEndedIterator<Item = u32> {
        let (Bound::Included(lowest) | Bound::Excluded(lowest)) = lower else {
            unreachable!("a lower bound is a name, if only the empty one");
        };
        // The tree panics where nothing can be in between.
        let is_empty = upper.is_some_and(|upper| upper <= lowest);
        let bounds = match is_empty {
            true => (Bound::Included(lowest), Bound::Excluded(lowest)),
            false => (lower, upper.map_or(Bound::Unbounded, Bound::Excluded)),
        };
        self.tree.range::<[u8], _>(bounds).map(|(_, &index)| index)
    }

    /// In order, from a bound on.
    pub(super) fn range<'a>(&'a self, from: Bound<&'a [u8]>) -> impl Iterator<Item = (&'a [u8], u32)> {
        self.tree
            .range::<[u8], _>((from, Bound::Unbounded))
            .map(|(name, &index)| (name.as_bytes(), index))
    }
}

impl IntoIterator for Children {
    type Item = (Name, u32);
    type IntoIter = btree_map::IntoIter<Name, u32>;

    fn into_iter(self) -> Self::IntoIter {
        self.tree.into_iter()
    }
}
