//! Scans: pages of a table's keys, between two keys, in either direction.

use std::ops::Bound;

use arrayvec::ArrayVec;
use crake_mem::prefetch_read;
use crake_store::canary::{Canary, planted};
use crake_store::protocol::scan::{EXPIRES_BYTES, HEAD_BYTES, Head, put};

use super::command::{Failure, PageItem, Reply, Scan, ScanEntries, Values};
use super::directory::page_limit;
use super::expiry::Passed;
use super::names::NAME_BYTES_MAX;
use super::namespace::Namespace;
use super::nodes::{BlockSpan, name_of};
use super::records::Place;

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
        let mut keys = container
            .children
            .between(lower_bound(request), upper)
            .map(|(_, key)| key);
        let limit = page_limit(request.limit);
        let skipped = usize::from(planted(Canary::ReverseScanSkips) && !request.until.is_empty());
        let leftovers = self.leftovers;
        let mut passed = Passed::default();
        // Given whether a key is the last one to look at.
        let mut take = |key| {
            if leftovers && nodes.deadlines.is_due(key) {
                return !passed.one_more();
            }
            let is_full = page.len() == limit;
            if !is_full {
                let record = nodes.records.at(key);
                prefetch_read(record);
                // Most of a name, and a value behind it, are in the second line.
                prefetch_read(&record.tail[16..]);
                page.push(PageItem {
                    record: Some(key),
                    blocks: BlockSpan::default(),
                });
            }
            is_full
        };
        let more = match request.reverse {
            true => keys.rev().skip(skipped).any(&mut take),
            false => keys.any(&mut take),
        };
        passed.outcome().map(|()| more)
    }

    /// Says how many keys of the page go into one message with their values, and how many bytes their entries take there.
    fn fit_page(&mut self, keys_only: bool) -> (usize, usize) {
        self.blocks.clear();
        let mut room = self.config.page_bytes_max as usize;
        let mut packed_bytes = 0;
        for at in 0..self.page.len() {
            let index = self.page[at].record.expect("a scan's page has keys only");
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
            if bytes + beside > room {
                return (at, packed_bytes);
            }
            room -= bytes + beside;
            packed_bytes += bytes;
        }
        (self.page.len(), packed_bytes)
    }
}

impl ScanEntries<'_> {
    /// Writes them as they go over the wire.
    ///
    /// # Panics
    ///
    /// If `out` has not [`ScanEntries::packed_bytes`].
    pub(super) fn write(&self, mut out: &mut [u8]) {
        let Values { nodes, page, .. } = &self.values;
        for item in page.as_slice() {
            let index = item.record.expect("a scan's page has keys only");
            let record = nodes.records.at(index);
            let head = |value_len: usize| Head {
                key_len: record.name_len,
                value_len: u32::try_from(value_len).expect("a value of a page fits its message"),
                version: record.location_or_version,
                modified_ns: record.modified_ns,
                expires_ns: nodes.deadlines.wall_ns(index),
                in_blocks: item.blocks != BlockSpan::default(),
            };
            out = match record.named_value() {
                // One copy is cheaper than two.
                Some(both) if !self.keys_only => {
                    let value_len = both.len() - usize::from(record.name_len);
                    put(head(value_len).write(out), both)
                }
                _ => {
                    let value = if self.keys_only {
                        &[]
                    } else {
                        nodes.inline_value(index)
                    };
                    let out = head(value.len()).write(out);
                    put(put(out, name_of(record, &nodes.long_names)), value)
                }
            };
        }
        assert!(out.is_empty(), "the entries are as long as they were said to be");
    }
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
