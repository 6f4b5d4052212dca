//! Pages of all shards of a table as if they were of one.

use crake_mem::Buf;
use crake_wire::WireError;

use super::operation::{Found, Scanned};
use super::page::TablePage;
use crate::protocol::scan::{EXPIRES_BYTES, Entry, HEAD_BYTES};

/// A page of one shard that is being gone through.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    page: TablePage,
    /// Bytes of it that were gone through.
    at: usize,
    in_blocks: std::vec::IntoIter<Found>,
}

impl Cursor {
    pub(super) fn new(scanned: Scanned) -> Cursor {
        Cursor {
            page: scanned.page,
            at: 0,
            in_blocks: scanned.in_blocks.into_iter(),
        }
    }

    /// The entry that comes next, and the bytes of it.
    fn next(&self) -> Option<(Entry<'_>, usize)> {
        let packed = &self.page.packed()[self.at..];
        let mut rest = packed;
        let entry = Entry::read(&mut rest).expect("it was checked when it came")?;
        Some((entry, packed.len() - rest.len()))
    }

    /// Whether all of the page was gone through.
    pub(super) fn is_over(&self) -> bool {
        self.at == self.page.packed().len()
    }
}

/// The entries that come next in all of these, at most so many: up to where one of them ends that has more behind it. `last` is the
/// key before them, and is the last one of them afterwards; empty if there is none.
///
/// # Errors
///
/// If keys are not in the order of the scan, or come twice: a shard has given what is not its.
pub(super) fn merge(
    cursors: &mut [Cursor],
    (limit, reverse): (usize, bool),
    last: &mut Vec<u8>,
) -> Result<Scanned, WireError> {
    let (mut packed, mut in_blocks, mut len) = (Vec::new(), Vec::new(), 0);
    while len < limit
        && !cursors
            .iter()
            .any(|cursor| cursor.is_over() && cursor.page.more())
    {
        let Some(cursor) = first(cursors, reverse) else {
            break;
        };
        let (entry, len_bytes) = cursor.next().expect("it is the first of those that have one");
        let is_behind = match reverse {
            true => entry.key < &last[..],
            false => entry.key > &last[..],
        };
        if !is_behind && !last.is_empty() {
            return Err(WireError::OutOfFrame);
        }
        last.clear();
        last.extend_from_slice(entry.key);
        push(&mut packed, &entry);
        let is_in_blocks = entry.in_blocks;
        cursor.at += len_bytes;
        len += 1;
        if is_in_blocks {
            in_blocks.push(cursor.in_blocks.next().ok_or(WireError::Truncated)?);
        }
    }
    let more = cursors
        .iter()
        .any(|cursor| !cursor.is_over() || cursor.page.more());
    let (page, _) = TablePage::read(Buf::from_vec(packed), more)?;
    Ok(Scanned { page, in_blocks })
}

/// The one whose next key comes first.
fn first(cursors: &mut [Cursor], reverse: bool) -> Option<&mut Cursor> {
    let keys = cursors
        .iter()
        .enumerate()
        .filter_map(|(at, cursor)| Some((cursor.next()?.0.key, at)));
    let (_, at) = match reverse {
        true => keys.max_by_key(|&(key, _)| key)?,
        false => keys.min_by_key(|&(key, _)| key)?,
    };
    Some(&mut cursors[at])
}

fn push(packed: &mut Vec<u8>, entry: &Entry<'_>) {
    let expires = if entry.expires_ns > 0 { EXPIRES_BYTES } else { 0 };
    let start = packed.len();
    packed.resize(
        start + HEAD_BYTES + expires + entry.key.len() + entry.value.len(),
        0,
    );
    entry.write(&mut packed[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor(keys: &[&str], more: bool) -> Cursor {
        let mut packed = Vec::new();
        for key in keys {
            let entry = Entry {
                key: key.as_bytes(),
                value: b"v",
                version: 1,
                expires_ns: u64::from(key.len() > 1),
                ..Entry::default()
            };
            push(&mut packed, &entry);
        }
        let (page, _) = TablePage::read(Buf::from_vec(packed), more).unwrap();
        Cursor::new(Scanned {
            page,
            in_blocks: Vec::new(),
        })
    }

    fn keys(scanned: &Scanned) -> Vec<&str> {
        let keys = scanned
            .page
            .iter()
            .map(|entry| str::from_utf8(entry.key).unwrap());
        keys.collect()
    }

    #[test]
    fn pages_are_merged_up_to_where_one_ends_that_has_more() {
        let mut cursors = [cursor(&["a", "cc", "e"], true), cursor(&["b", "f", "g"], false)];
        let mut last = Vec::new();
        let merged = merge(&mut cursors, (512, false), &mut last).unwrap();
        assert_eq!(keys(&merged), ["a", "b", "cc", "e"]);
        assert!(merged.page.more());
        assert_eq!((&last[..], merged.page.last_key()), (&b"e"[..], Some(&b"e"[..])));
        cursors[0] = cursor(&["h"], false);
        let merged = merge(&mut cursors, (512, false), &mut last).unwrap();
        assert_eq!((keys(&merged), merged.page.more()), (vec!["f", "g", "h"], false));
        let merged = merge(&mut cursors, (512, false), &mut last).unwrap();
        assert!(merged.page.is_empty() && !merged.page.more());
    }

    #[test]
    fn the_other_way_round_and_with_a_limit() {
        let mut cursors = [cursor(&["e", "cc", "a"], false), cursor(&["g", "b"], false)];
        let mut last = Vec::new();
        let merged = merge(&mut cursors, (3, true), &mut last).unwrap();
        assert_eq!((keys(&merged), merged.page.more()), (vec!["g", "e", "cc"], true));
        let merged = merge(&mut cursors, (3, true), &mut last).unwrap();
        assert_eq!((keys(&merged), merged.page.more()), (vec!["b", "a"], false));
    }

    #[test]
    fn keys_out_of_order_and_keys_of_two_are_refused() {
        for (one, other) in [(&["b", "a"][..], &["c"][..]), (&["a"], &["a"])] {
            let mut cursors = [cursor(one, false), cursor(other, false)];
            assert!(merge(&mut cursors, (512, false), &mut Vec::new()).is_err());
        }
        // Also those that were given before.
        let mut cursors = [cursor(&["c"], false)];
        assert!(merge(&mut cursors, (512, false), &mut b"d".to_vec()).is_err());
    }
}
