//! A page of a scan, looked at where it was received.

use std::iter::FusedIterator;

use crake_mem::Buf;
use crake_wire::WireError;

use super::Value;
use crate::protocol::scan::Entry;

/// A page of the keys of a table, with their values: what came in one message, and lies there.
///
/// To go through it costs no allocation and no copy. It may keep the receive buffer: who keeps thousands of pages copies what it wants of
/// them.
///
/// ```no_run
/// # async fn example(table: crake_store::Table) -> Result<(), crake_store::Error> {
/// let page = table.scan_page(crake_store::KeyRange::prefix(b"user-"), 0).await?;
/// for entry in &page {
///     println!("{:?} has {} bytes", entry.key, entry.value.len());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TablePage {
    /// Entries, each of which was checked.
    packed: Buf,
    len: usize,
    /// Where the last key is.
    last: (usize, usize),
    /// Values that lay in blocks, in the order of their entries; nothing in the place of one that was removed meanwhile.
    in_blocks: Box<[Option<Value>]>,
    more: bool,
}

/// A key of a page, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TableEntry<'p> {
    /// 1 to 255 bytes.
    pub key: &'p [u8],
    /// Its bytes.
    pub value: &'p [u8],
    /// Higher than that of any earlier value of the key.
    pub version: u64,
    /// When it was put, in nanoseconds since the Unix epoch by the namenode's clock.
    pub modified_ns: u64,
    /// When it will be removed, likewise; 0 if not by itself.
    pub expires_ns: u64,
}

impl TableEntry<'_> {
    /// A copy of the value.
    pub fn to_value(&self) -> Value {
        Value {
            version: self.version,
            modified_ns: self.modified_ns,
            expires_ns: self.expires_ns,
            data: Buf::copy_from_slice(self.value),
        }
    }
}

impl TablePage {
    /// Checks all entries. Those of the values in blocks are still to be given: gives their keys' number, too.
    pub(super) fn read(packed: Buf, more: bool) -> Result<(TablePage, usize), WireError> {
        let (mut len, mut in_blocks) = (0, 0);
        let mut last = &[][..];
        let mut rest = &packed[..];
        while let Some(entry) = Entry::read(&mut rest)? {
            len += 1;
            in_blocks += usize::from(entry.in_blocks);
            last = entry.key;
        }
        let last_start = last.as_ptr().addr().saturating_sub(packed.as_ptr().addr());
        let page = TablePage {
            last: (last_start, last.len()),
            packed,
            len,
            in_blocks: Box::default(),
            more,
        };
        Ok((page, in_blocks))
    }

    /// Its entries, one behind the other.
    pub(super) fn packed(&self) -> &[u8] {
        &self.packed
    }

    /// The keys whose values lie in blocks.
    pub(super) fn keys_in_blocks(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.packed[..];
        let next = move || Entry::read(&mut rest).expect("it was checked when it came");
        std::iter::from_fn(next)
            .filter(|entry| entry.in_blocks)
            .map(|entry| entry.key)
    }

    /// Gives the values of these keys.
    pub(super) fn set_in_blocks(&mut self, values: Vec<Option<Value>>) {
        self.len -= values.iter().filter(|value| value.is_none()).count();
        self.in_blocks = values.into();
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether there were more behind them when the page was made.
    pub fn more(&self) -> bool {
        self.more
    }

    /// The last key of the page, behind which the next page begins ([`KeyRange::behind`](super::KeyRange::behind)); nothing if the page
    /// never had one. Its value may be gone.
    pub fn last_key(&self) -> Option<&[u8]> {
        let (start, len) = self.last;
        (len > 0).then(|| &self.packed[start..start + len])
    }

    /// The keys in the order of the scan.
    pub fn iter(&self) -> TableEntries<'_> {
        self.entries_from(Position::default())
    }

    pub(super) fn entries_from(&self, position: Position) -> TableEntries<'_> {
        TableEntries {
            rest: &self.packed[position.at..],
            page: self,
            in_blocks: position.in_blocks,
        }
    }
}

impl<'p> IntoIterator for &'p TablePage {
    type Item = TableEntry<'p>;
    type IntoIter = TableEntries<'p>;

    #[inline]
    fn into_iter(self) -> TableEntries<'p> {
        self.iter()
    }
}

/// How far a page was gone through.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    at: usize,
    in_blocks: usize,
}

/// The keys of a page.
#[derive(Debug, Clone)]
pub struct TableEntries<'p> {
    page: &'p TablePage,
    rest: &'p [u8],
    /// Of the values that lay in blocks, those that were given.
    in_blocks: usize,
}

impl TableEntries<'_> {
    pub(super) fn position(&self) -> Position {
        Position {
            at: self.page.packed.len() - self.rest.len(),
            in_blocks: self.in_blocks,
        }
    }
}

impl<'p> Iterator for TableEntries<'p> {
    type Item = TableEntry<'p>;

    #[inline]
    fn next(&mut self) -> Option<TableEntry<'p>> {
        loop {
            let entry = Entry::read(&mut self.rest).expect("it was checked when it came")?;
            if !entry.in_blocks {
                return Some(TableEntry {
                    key: entry.key,
                    value: entry.value,
                    version: entry.version,
                    modified_ns: entry.modified_ns,
                    expires_ns: entry.expires_ns,
                });
            }
            let value = self.page.in_blocks.get(self.in_blocks);
            self.in_blocks += 1;
            if let Some(Some(value)) = value {
                return Some(TableEntry {
                    key: entry.key,
                    value: &value.data,
                    version: value.version,
                    modified_ns: value.modified_ns,
                    expires_ns: value.expires_ns,
                });
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.page.len))
    }
}

impl FusedIterator for TableEntries<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(entries: &[Entry<'_>]) -> Buf {
        let mut bytes = vec![0; 4096];
        let mut out = &mut bytes[..];
        for entry in entries {
            out = entry.write(out);
        }
        let left = out.len();
        bytes.truncate(4096 - left);
        Buf::from_vec(bytes)
    }

    fn entry<'a>(key: &'a [u8], value: &'a [u8]) -> Entry<'a> {
        Entry {
            key,
            value,
            version: 5,
            ..Entry::default()
        }
    }

    #[test]
    fn values_from_blocks_come_in_their_places_and_those_that_are_gone_do_not() {
        let in_blocks = |key| Entry {
            in_blocks: true,
            ..entry(key, b"")
        };
        let bytes = packed(&[
            in_blocks(b"a"),
            entry(b"b", b"2"),
            in_blocks(b"c"),
            in_blocks(b"d"),
        ]);
        let (mut page, count) = TablePage::read(bytes, true).unwrap();
        assert_eq!((page.len(), count), (4, 3));
        assert_eq!(page.keys_in_blocks().collect::<Vec<_>>(), [b"a", b"c", b"d"]);
        let large = entry(b"", b"large");
        let value = TableEntry {
            key: large.key,
            value: large.value,
            version: 6,
            modified_ns: 7,
            expires_ns: 8,
        };
        page.set_in_blocks(vec![None, Some(value.to_value()), None]);
        assert_eq!((page.len(), page.more()), (2, true));
        let found: Vec<_> = page
            .iter()
            .map(|entry| (entry.key, entry.value, entry.version))
            .collect();
        assert_eq!(found, [(&b"b"[..], &b"2"[..], 5), (b"c", b"large", 6)]);
        assert_eq!(page.last_key(), Some(&b"d"[..]));
        let mut entries = page.iter();
        entries.next();
        let rest = page.entries_from(entries.position());
        assert_eq!(rest.map(|entry| entry.key).collect::<Vec<_>>(), [b"c"]);
    }

    #[test]
    fn an_empty_page_has_no_last_key_and_a_cut_one_is_refused() {
        let (page, count) = TablePage::read(Buf::default(), false).unwrap();
        assert_eq!((page.len(), page.last_key(), count), (0, None, 0));
        let bytes = packed(&[entry(b"key", b"value")]);
        assert!(TablePage::read(bytes.slice(..bytes.len() - 1), false).is_err());
    }
}
