//! Scans: pages of a table's keys, between two keys, in either direction.

use std::ops::Bound;

use arrayvec::ArrayVec;
use crake_mem::prefetch_read;
use crake_store::canary::{Canary, planted};

use super::command::{Failure, PageItem, Reply, Scan, ScanEntries, Values};
use super::directory::page_limit;
use super::expiry::Passed;
use super::names::NAME_BYTES_MAX;
use super::namespace::Namespace;
use super::nodes::BlockSpan;
use super::table::VALUE_BYTES;

/// What a key takes on the wire beside its value: place in a list (8), bitmap and slots (24), padding (8).
const KEY_BYTES: usize = 40;

impl Namespace {
    pub(super) fn scan(&mut self, request: &Scan<'_>) -> Result<Reply<'_>, Failure> {
        let table = self.table(request.table, request.path)?;
        let more = self.collect_keys(table, request)?;
        let fitting = self.fit_page(request.keys_only);
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

    /// Adds their values to as many keys of the page as go into one message, and says how many these are.
    fn fit_page(&mut self, keys_only: bool) -> usize {
        self.blocks.clear();
        let mut room = self.config.page_bytes_max as usize;
        for at in 0..self.page.len() {
            let item = self.page_item(self.page[at].record, !keys_only);
            let index = item.record.expect("a scan's page has keys only");
            let value = match keys_only {
                true => VALUE_BYTES,
                false => self.value_bytes(&item),
            };
            let bytes = KEY_BYTES + self.nodes.name(index).len() + value;
            if bytes > room {
                return at;
            }
            room -= bytes;
            self.page[at] = item;
        }
        self.page.len()
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
