//! Where another partition goes on with a path: docs/partitions.md.

use std::fmt;
use std::str::FromStr;

/// The detail of [`Code::Elsewhere`](super::Code::Elsewhere): the first bytes of a path lead to a node of another partition.
///
/// As text it is its numbers in this order, in decimal digits, with a space between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Referral {
    /// Of which of the request's paths.
    pub which: Which,
    /// Who has the node.
    pub partition: u16,
    /// Its id there. If a branch is to be made: the id here of the directory in which it will be linked.
    pub node: u64,
    /// Bytes of the path that lead to it. If a branch is to be made: up to the end of its name.
    pub consumed: u32,
    /// So long this may be believed without asking again, in milliseconds from when the request was sent.
    pub lease_ms: u32,
    /// 0, unless there is no such node yet and it is to be made there, as a branch so many names below the root.
    pub level: u32,
}

/// One of the paths of a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Which {
    /// The only one, or that of what is renamed.
    #[default]
    First,
    /// The new one of what is renamed.
    Second,
}

impl fmt::Display for Referral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Referral {
            which,
            partition,
            node,
            consumed,
            lease_ms,
            level,
        } = *self;
        let which = which as u8;
        write!(f, "{which} {partition} {node} {consumed} {lease_ms} {level}")
    }
}

/// The text is not that of a referral.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a referral")]
pub struct NotAReferral;

impl FromStr for Referral {
    type Err = NotAReferral;

    fn from_str(text: &str) -> Result<Referral, NotAReferral> {
        let mut words = text.split(' ');
        let referral = Referral {
            which: match next::<u8>(&mut words)? {
                0 => Which::First,
                1 => Which::Second,
                _ => return Err(NotAReferral),
            },
            partition: next(&mut words)?,
            node: next(&mut words)?,
            consumed: next(&mut words)?,
            lease_ms: next(&mut words)?,
            level: next(&mut words)?,
        };
        words.next().is_none().then_some(referral).ok_or(NotAReferral)
    }
}

fn next<'a, T: FromStr>(words: &mut impl Iterator<Item = &'a str>) -> Result<T, NotAReferral> {
    words
        .next()
        .and_then(|word| word.parse().ok())
        .ok_or(NotAReferral)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_was_written_and_nothing_else_is() {
        let referral = Referral {
            which: Which::Second,
            partition: 3,
            node: u64::MAX,
            consumed: 17,
            lease_ms: 200,
            level: 0,
        };
        assert_eq!(referral.to_string(), "1 3 18446744073709551615 17 200 0");
        assert_eq!(referral.to_string().parse(), Ok(referral));
        for text in [
            "",
            "1 3 7 17 200",
            "1 3 7 17 200 0 0",
            "2 3 7 17 200 0",
            "1 65536 7 17 200 0",
            "1 3 7 17 200 -1",
            "not found",
        ] {
            assert_eq!(text.parse::<Referral>(), Err(NotAReferral), "{text}");
        }
    }
}
