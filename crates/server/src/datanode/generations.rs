//! Which life of each unit of the tier is the newest that was seen.

use std::ops::Range;

use super::published::Published;

/// How a handle's generation stands to those of its block's units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    /// A unit was issued anew since.
    Old,
    /// All units are in this generation.
    Current,
    /// No unit is in a newer one, and at least one is in an older one.
    New,
}

/// One generation for each 4 KiB unit; 0 where no handle was seen yet.
///
/// Blocks of all sizes share the table, so a unit keeps its history when the blocks around it are split or joined.
/// Generations only rise.
pub(crate) struct Generations {
    newest: Vec<u32>,
    published: Published,
}

impl Generations {
    /// A table of `units` units that were never issued. Memory is touched only where a unit is raised.
    pub(crate) fn new(units: usize, published: &Published) -> Generations {
        Generations {
            newest: vec![0; units],
            published: published.clone(),
        }
    }

    /// One that is known already, and published as it is.
    pub(crate) fn of(newest: Vec<u32>, published: &Published) -> Generations {
        Generations {
            newest,
            published: published.clone(),
        }
    }

    /// How `generation` stands to the newest ones of `units`.
    #[inline]
    pub(crate) fn age(&self, units: Range<usize>, generation: u32) -> Age {
        let units = &self.newest[units];
        // Both are whole passes without a branch inside, which compile to vector instructions.
        if units
            .iter()
            .fold(0, |differ, newest| differ | (newest ^ generation))
            == 0
        {
            Age::Current
        } else if units.iter().fold(0, |max, newest| *newest.max(&max)) <= generation {
            Age::New
        } else {
            Age::Old
        }
    }

    /// Raises `units` to `generation`, which the caller found to be newer than all of them.
    pub(crate) fn raise(&mut self, units: Range<usize>, generation: u32) {
        debug_assert_ne!(
            self.age(units.clone(), generation),
            Age::Old,
            "generations only rise"
        );
        self.newest[units.clone()].fill(generation);
        self.published.raise(units, generation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_remembers_its_newest_generation_in_blocks_of_any_size() {
        let mut table = Generations::new(32, &Published::new(32, false).unwrap());
        table.raise(0..16, 5);
        table.raise(3..4, 6);
        assert_eq!(table.age(0..3, 5), Age::Current);
        assert_eq!(table.age(0..16, 5), Age::Old);
        assert_eq!(table.age(0..16, 6), Age::New);
        assert_eq!(table.age(3..4, 6), Age::Current);
        assert_eq!(table.age(16..32, 0), Age::Current);
    }
}
