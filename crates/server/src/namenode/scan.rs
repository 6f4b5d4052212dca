//! Scans: pages of a table's keys, between two keys, in either direction.

use std::ops::Bound;

use arrayvec::ArrayVec;
use crake_mem::prefetch_read;
use crake_store::canary::{Canary, planted};
use crake_store::protocol::scan::{EXPIRES_BYTES, HEAD_BYTES, Head, put};

use super::command::{Failure, PageItem, Reply, Scan, ScanEntries, Values};
use super::directory::page_limit;
use super::expiry::{Deadlines, Passed};
use super::names::NAME_BYTES_MAX;
use super::namespace::Namespace;
use super::nodes::{BlockSpan, Nodes, name_of};
use super::records::{Place, Record};

impl Namespace {
    pub(super) fn scan(&mut self, request: &Scan<'_>) -> Result<Reply<'_>, Failure> {
        let table = self.table(request.table, request.path)?;
        let more = self.collect_keys(table, request)?;
        let (fitting, packed_bytes) = self.fit_page(request.keys_only);
        let more = more || fitting < self.page.len();
        self.page.truncate(fitting);
        let values = Values {
            nodes: &self.nodes,
            blocks: &self.blocks,
            page: self.page.iter(),
        };
        Ok(Reply::Scan {
            entries: ScanEntries {
                values,
                keys_only: request.keys_only,
                packed_bytes,
            },
            more,
        })
    }

    /// Fills the page with the records of keys; says whether there are others.
    fn collect_keys(&mut self, table: u32, request: &Scan<'_>) -> Result<bool, Failure> {
        self.page.clear();
        let (page, nodes) = (&mut self.page, &self.nodes);
        let Some(container) = nodes.containers.get(nodes.records.at(table).extra) else {
            return Ok(false);
        };
        // No key is as long.
        if request.prefix.len() > NAME_BYTES_MAX {
            return Ok(false);
        }
        let end = prefix_end(request.prefix);
        let upper = upper_bound(request, end.as_deref());
        let keys = container.children.indexes_between(lower_bound(request), upper);
        let limit = page_limit(request.limit);
        let skipped = usize::from(planted(Canary::ReverseScanSkips) && !request.until.is_empty());
        let due = self.leftovers.then_some(&nodes.deadlines);
        match request.reverse {
            true => take_keys(page, keys.rev().skip(skipped), limit, nodes, due),
            false => take_keys(page, keys, limit, nodes, due),
        }
    }

    /// Says how many keys of the page go into one message with their values, and how many bytes their entries take there.
    fn fit_page(&mut self, keys_only: bool) -> (usize, usize) {
        self.blocks.clear();
        let mut room = self.config.page_bytes_max as usize;
        let mut packed_bytes = 0;
        let is_plain = is_plain(&self.nodes, keys_only);
        for at in 0..self.page.len() {
            let index = self.page[at].record.expect("a scan's page has keys only");
            let (bytes, beside) = match self.nodes.records.at(index).named_value() {
                Some(both) if is_plain => (HEAD_BYTES + both.len(), 0),
                _ => self.entry_bytes(at, index, keys_only),
            };
            if bytes + beside > room {
                return (at, packed_bytes);
            }
            room -= bytes + beside;
            packed_bytes += bytes;
        }
        (self.page.len(), packed_bytes)
    }

    /// What an entry of the page takes, by itself and, if its value lies in blocks, beside the entries.
    fn entry_bytes(&mut self, at: usize, index: u32, keys_only: bool) -> (usize, usize) {
        let record = self.nodes.records.at(index);
        let value = match record.place {
            Place::Tail | Place::Heap if !keys_only => record.size as usize,
            _ => 0,
        };
        let mut bytes = HEAD_BYTES + usize::from(record.name_len) + value;
        let is_in_blocks = record.place == Place::Blocks;
        if self.nodes.deadlines.wall_ns(index) > 0 {
            bytes += EXPIRES_BYTES;
        }
        let mut beside = 0;
        if is_in_blocks && !keys_only {
            self.page[at] = self.page_item(Some(index), true);
            beside = self.value_bytes(&self.page[at]);
        }
        (bytes, beside)
    }
}

/// Whether a small value, which lies in its key's record, is an entry as it lies there: values are asked for, and nothing has an end.
fn is_plain(nodes: &Nodes, keys_only: bool) -> bool {
    !keys_only && nodes.deadlines.is_empty()
}

impl ScanEntries<'_> {
    /// Writes them as they go over the wire.
    ///
    /// # Panics
    ///
    /// If `out` has not [`ScanEntries::packed_bytes`].
    pub(super) fn write(&self, mut out: &mut [u8]) {
        let Values { nodes, page, .. } = &self.values;
        let is_plain = is_plain(nodes, self.keys_only);
        for item in page.as_slice() {
            let index = item.record.expect("a scan's page has keys only");
            let record = nodes.records.at(index);
            out = match record.named_value() {
                Some(both) if is_plain => write_plain(record, both.len(), out),
                _ => self.write_entry(item, index, out),
            };
        }
        assert!(out.is_empty(), "the entries are as long as they were said to be");
    }

    fn write_entry<'o>(&self, item: &PageItem, index: u32, out: &'o mut [u8]) -> &'o mut [u8] {
        let nodes = self.values.nodes;
        let record = nodes.records.at(index);
        let value = match self.keys_only {
            true => &[],
            false => nodes.inline_value(index),
        };
        let head = Head {
            key_len: record.name_len,
            value_len: u32::try_from(value.len()).expect("a value of a page fits its message"),
            version: record.location_or_version,
            modified_ns: record.modified_ns,
            expires_ns: nodes.deadlines.wall_ns(index),
            in_blocks: item.blocks != BlockSpan::default(),
        };
        put(put(head.write(out), name_of(record, &nodes.long_names)), value)
    }
}

/// Writes the entry of a key whose value lies behind it, and has no end.
#[inline(always)]
fn write_plain<'o>(record: &Record, named_value_bytes: usize, out: &'o mut [u8]) -> &'o mut [u8] {
    let head = Head {
        key_len: record.name_len,
        value_len: record.size as u32,
        version: record.location_or_version,
        modified_ns: record.modified_ns,
        expires_ns: 0,
        in_blocks: false,
    };
    put_tail(head.write(out), record, named_value_bytes)
}

/// Copies the beginning of a record's tail to the front of `out`; gives what is left of that.
///
/// # Panics
///
/// If it does not fit.
#[inline(always)]
fn put_tail<'o>(out: &'o mut [u8], record: &Record, len_bytes: usize) -> &'o mut [u8] {
    let Some(place) = out.first_chunk_mut() else {
        return put(out, &record.tail[..len_bytes]);
    };
    // Of a length that is known now it is no call. The entry behind this one lies on what is too much.
    *place = record.tail;
    &mut out[len_bytes..]
}

/// Fills a page with the records of keys, but for those that are due, if there are such; says whether there are others.
fn take_keys(
    page: &mut Vec<PageItem>,
    keys: impl Iterator<Item = u32>,
    limit: usize,
    nodes: &Nodes,
    due: Option<&Deadlines>,
) -> Result<bool, Failure> {
    let mut passed = Passed::default();
    for key in keys {
        if due.is_some_and(|deadlines| deadlines.is_due(key)) {
            if passed.one_more() {
                continue;
            }
            break;
        }
        if page.len() == limit {
            return Ok(true);
        }
        let record = nodes.records.at(key);
        prefetch_read(record);
        // Most of a name, and a value behind it, are in the second line.
        prefetch_read(&record.tail[16..]);
        page.push(PageItem {
            record: Some(key),
            blocks: BlockSpan::default(),
        });
    }
    passed.outcome().map(|()| false)
}

/// The highest of the bounds from below. The empty one is below all keys.
fn lower_bound<'a>(request: &Scan<'a>) -> Bound<&'a [u8]> {
    let included = request.from.max(request.prefix);
    match request.after {
        after if !after.is_empty() && after >= included => Bound::Excluded(after),
        _ => Bound::Included(included),
    }
}

/// The lowest of the bounds from above, none of which is meant itself.
fn upper_bound<'a>(request: &Scan<'a>, prefix_end: Option<&'a [u8]>) -> Option<&'a [u8]> {
    let until = (!request.until.is_empty()).then_some(request.until);
    until.into_iter().chain(prefix_end).min()
}

/// The first name above all that begin with `prefix`, of [`NAME_BYTES_MAX`] at most; nothing if there are none above.
fn prefix_end(prefix: &[u8]) -> Option<ArrayVec<u8, NAME_BYTES_MAX>> {
    let last = prefix.iter().rposition(|&byte| byte != 0xff)?;
    let mut end: ArrayVec<u8, NAME_BYTES_MAX> = prefix[..=last].iter().copied().collect();
    end[last] += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_below_the_first_name_without_it() {
        let end = |prefix: &[u8]| prefix_end(prefix).map(|end| end.to_vec());
        assert_eq!(end(b""), None);
        assert_eq!(end(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(end(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(end(b"\xff"), None);
        assert_eq!(end(&[7; NAME_BYTES_MAX]).unwrap().last(), Some(&8));
    }

    #[test]
    fn the_narrowest_bounds_count() {
        let request = Scan {
            prefix: b"k",
            from: b"ka",
            after: b"kb",
            until: b"m",
            ..Scan::default()
        };
        assert_eq!(lower_bound(&request), Bound::Excluded(&b"kb"[..]));
        assert_eq!(upper_bound(&request, Some(b"l")), Some(&b"l"[..]));
        let request = Scan {
            after: b"a",
            until: b"kc",
            ..request
        };
        assert_eq!(lower_bound(&request), Bound::Included(&b"ka"[..]));
        assert_eq!(upper_bound(&request, Some(b"l")), Some(&b"kc"[..]));
        assert_eq!(upper_bound(&Scan::default(), None), None);
    }
}
