//! Counters: keys whose values are numbers that are added to.
//!
//! A number is text, as people and other stores write it: decimal digits without zeros in front, a minus sign if it is below
//! zero, nothing else. So a get shows it, and a put sets it.

use std::fmt::Write;

use arrayvec::ArrayString;

use super::command::{Failure, Happened, NodeId, Reply};
use super::names::check_key;
use super::namespace::Namespace;

/// Bytes of the longest number, `-9223372036854775808`.
const TEXT_BYTES_MAX: usize = 20;

impl Namespace {
    /// Adds to the number at a key; that of an absent key is 0.
    pub(super) fn add(
        &mut self,
        base: NodeId,
        path: &str,
        key: &[u8],
        delta: i64,
    ) -> Result<Reply<'_>, Failure> {
        let table = self.table(base, path)?;
        check_key(key)?;
        let node = self.key_node(table, key)?;
        let before = match node {
            Some(index) => number_of(self.nodes.inline_value(index)).ok_or(Failure::NotANumber)?,
            None => 0,
        };
        let value = before.checked_add(delta).ok_or(Failure::Overflow)?;
        if node.is_none() {
            self.reserve_nodes(1)?;
        }
        let text = text_of(value);
        self.check_value_quota(table, node, text.len() as u64)?;
        let (index, version) = self.node_for_value(table, key, node);
        self.set_inline_value(index, text.as_bytes());
        self.tell(Happened::Put, index);
        Ok(Reply::Added { value, version })
    }
}

fn text_of(number: i64) -> ArrayString<TEXT_BYTES_MAX> {
    let mut text = ArrayString::new();
    write!(text, "{number}").expect("no number has more digits");
    text
}

/// The number that a value is, if it is written as [`text_of`] writes it.
fn number_of(value: &[u8]) -> Option<i64> {
    let text = str::from_utf8(value).ok()?;
    let number = text.parse().ok()?;
    (*text_of(number) == *text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_one_way_only() {
        for number in [0, 1, -1, 10, i64::MAX, i64::MIN] {
            assert_eq!(number_of(number.to_string().as_bytes()), Some(number));
        }
        for value in [
            &b""[..],
            b"-",
            b"-0",
            b"+1",
            b"01",
            b" 1",
            b"1 ",
            b"1.0",
            b"0x1",
            b"one",
            b"\xff",
            b"9223372036854775808",
            b"-9223372036854775809",
            &[b'1'; 100],
        ] {
            assert_eq!(number_of(value), None, "{}", value.escape_ascii());
        }
    }
}
