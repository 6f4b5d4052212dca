//! Where a path leads, as far as that is known.

use std::ops::Range;

use crate::operation::relative;

/// Where the paths of an operation go on: each from a node, with what is behind the bytes that have led there.
#[derive(Debug, Clone)]
pub struct Way {
    pub(crate) first: Spot,
    /// Of what gives another name.
    pub(crate) second: Spot,
    /// The partition of the second one, if that is not the one that is asked.
    pub(crate) apart: Option<u16>,
    /// The operation is to make this.
    pub(crate) branch: Option<Box<Branch>>,
}

/// A place on the way along a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// The node that is reached.
    pub(crate) base: u64,
    /// Bytes of the path that have led there: whole names, or none.
    pub(crate) end: usize,
}

/// A container that has another home than the directory in which it is an entry.
#[derive(Debug, Clone)]
pub struct Branch {
    /// The partition of that directory, and its id there.
    pub(crate) of: u16,
    pub(crate) directory: u64,
    /// Where the branch's name is in the path.
    pub(crate) name: Range<usize>,
    /// How many names below the root it is.
    pub(crate) level: u32,
}

impl Way {
    /// From where paths start.
    pub(crate) fn from_start(base: u64) -> Way {
        let start = Spot { base, end: 0 };
        Way {
            first: start,
            second: start,
            apart: None,
            branch: None,
        }
    }
}

impl Spot {
    /// What is to be sent of the path.
    pub(crate) fn rest<'p>(&self, path: &'p str) -> &'p str {
        relative(&path[self.end..])
    }

    /// What of the path has led here, as it is remembered.
    pub(crate) fn led<'p>(&self, path: &'p str) -> &'p str {
        relative(&path[..self.end])
    }

    /// The end in the path of the names that the first `consumed` bytes of what was sent are; slashes behind them may be among these.
    /// `None` if these are not whole names.
    pub(crate) fn end_of(&self, path: &str, consumed: u32) -> Option<usize> {
        let rest = self.rest(path);
        let (led, behind) = rest.split_at_checked(usize::try_from(consumed).ok()?)?;
        let is_border = behind.is_empty() || led.ends_with('/') || behind.starts_with('/');
        let led = led.trim_end_matches('/');
        (is_border && !led.is_empty()).then_some(path.len() - rest.len() + led.len())
    }
}

/// Whether a path has names behind the first `end` bytes.
pub(crate) fn has_names_behind(path: &str, end: usize) -> bool {
    !path[end..].trim_matches('/').is_empty()
}

/// Where the name of a path is that ends at byte `end`.
pub(crate) fn name_until(path: &str, end: usize) -> Range<usize> {
    path[..end].rfind('/').map_or(0, |slash| slash + 1)..end
}

/// A path without its last name, and the bytes before that; `None` if there is no name.
pub(crate) fn directory_of(path: &str) -> Option<(&str, usize)> {
    let names = path.trim_end_matches('/');
    let name = name_until(path, names.len());
    let directory = names[..name.start].trim_end_matches('/');
    (!name.is_empty()).then_some((directory, name.start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_sent_behind_what_has_led_to_its_base() {
        let path = "/a/bc/d";
        let start = Way::from_start(7).first;
        assert_eq!((start.base, start.rest(path), start.led(path)), (7, "a/bc/d", ""));
        let end = start.end_of(path, 4).unwrap();
        assert!(has_names_behind(path, end));
        let spot = Spot { base: 8, end };
        assert_eq!((spot.rest(path), spot.led(path)), ("d", "a/bc"));
        let end = spot.end_of(path, 1).unwrap();
        assert!(!has_names_behind(path, end));
        assert_eq!(&path[name_until(path, end)], "d");
        let spot = Spot { base: 9, end };
        assert_eq!((spot.rest(path), spot.led(path)), ("", "a/bc/d"));
        assert_eq!(&path[name_until(path, 5)], "bc");
        assert_eq!(name_until("a/b", 1), 0..1);
    }

    #[test]
    fn only_whole_names_lead_somewhere() {
        let (path, start) = ("/aä//b/", Way::from_start(0).first);
        let ends = (0..10).map(|consumed| start.end_of(path, consumed));
        let none = None;
        // a, the two bytes of ä, two slashes, b, and a slash.
        let expected = [
            none,
            none,
            none,
            Some(4),
            Some(4),
            Some(4),
            Some(7),
            Some(7),
            none,
            none,
        ];
        assert_eq!(ends.collect::<Vec<_>>(), expected);
        assert_eq!(start.end_of(path, u32::MAX), None);
        assert!(!has_names_behind(path, 7));
        assert!(has_names_behind(path, 4));
    }

    #[test]
    fn the_last_name_is_in_a_directory() {
        assert_eq!(directory_of("/a/b/c"), Some(("/a/b", 5)));
        assert_eq!(directory_of("a//b//"), Some(("a", 3)));
        assert_eq!(directory_of("/a"), Some(("", 1)));
        assert_eq!(directory_of("a"), Some(("", 0)));
        assert_eq!(["", "/", "//"].map(directory_of), [None; 3]);
    }
}
