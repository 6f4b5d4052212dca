//! Which keys of a table a scan gives.

/// Keys between bounds, in ascending or descending order. A bound that is empty bounds nothing; the default is all keys.
///
/// ```
/// use crake_store::KeyRange;
///
/// let of_may = KeyRange::prefix(b"2026-05-");
/// let the_latest_first = of_may.until(b"2026-05-20").reversed();
/// assert!(the_latest_first.reverse);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRange<'a> {
    /// Only keys that begin with this.
    pub prefix: &'a [u8],
    /// Only this key and those above it.
    pub from: &'a [u8],
    /// Only keys above this one.
    pub after: &'a [u8],
    /// Only keys below this one.
    pub until: &'a [u8],
    /// The highest key first.
    pub reverse: bool,
}

impl<'a> KeyRange<'a> {
    /// All keys, in ascending order.
    pub const ALL: KeyRange<'static> = KeyRange {
        prefix: &[],
        from: &[],
        after: &[],
        until: &[],
        reverse: false,
    };

    /// All keys that begin with this.
    pub fn prefix(prefix: &'a [u8]) -> KeyRange<'a> {
        KeyRange {
            prefix,
            ..KeyRange::ALL
        }
    }

    /// Of these, only this key and those above it.
    pub fn from(self, from: &'a [u8]) -> KeyRange<'a> {
        KeyRange { from, ..self }
    }

    /// Of these, only those above this one.
    pub fn after(self, after: &'a [u8]) -> KeyRange<'a> {
        KeyRange { after, ..self }
    }

    /// Of these, only those below this one.
    pub fn until(self, until: &'a [u8]) -> KeyRange<'a> {
        KeyRange { until, ..self }
    }

    /// The same in the other order.
    pub fn reversed(self) -> KeyRange<'a> {
        KeyRange {
            reverse: !self.reverse,
            ..self
        }
    }

    /// Of these, those that come behind a key: what is left when a page has ended with it.
    pub fn behind(self, last: &'a [u8]) -> KeyRange<'a> {
        match self.reverse {
            true => self.until(last),
            false => self.after(last),
        }
    }
}

/// The same, for who keeps it.
#[derive(Debug, Default)]
pub(super) struct OwnedRange {
    prefix: Vec<u8>,
    from: Vec<u8>,
    after: Vec<u8>,
    until: Vec<u8>,
    reverse: bool,
}

impl OwnedRange {
    pub(super) fn new(range: KeyRange<'_>) -> OwnedRange {
        OwnedRange {
            prefix: range.prefix.into(),
            from: range.from.into(),
            after: range.after.into(),
            until: range.until.into(),
            reverse: range.reverse,
        }
    }

    pub(super) fn range(&self) -> KeyRange<'_> {
        KeyRange {
            prefix: &self.prefix,
            from: &self.from,
            after: &self.after,
            until: &self.until,
            reverse: self.reverse,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_behind_the_last_key_in_either_order() {
        let range = KeyRange::prefix(b"k").from(b"ka").after(b"kb").until(b"kx");
        assert_eq!(range.behind(b"kd"), range.after(b"kd"));
        assert_eq!(range.reversed().behind(b"kd"), range.reversed().until(b"kd"));
        for range in [range, range.reversed()] {
            assert_eq!(OwnedRange::new(range).range(), range);
        }
    }
}
