//! Whether the system gives transparent huge pages to memory that is advised for them.

use std::fs;

/// Kinds of memory with a switch of their own (Linux, admin-guide/mm/transhuge).
#[derive(Clone, Copy)]
pub(super) enum Transparent {
    /// Private anonymous memory.
    Anonymous,
    /// Shared memory and memfds.
    Shared,
}

impl Transparent {
    /// Where the switches cannot be read there are no such pages.
    pub(super) fn is_enabled(self) -> bool {
        let (file, on): (_, &[&str]) = match self {
            Self::Anonymous => ("enabled", &["always", "madvise"]),
            Self::Shared => ("shmem_enabled", &["always", "within_size", "advise", "force"]),
        };
        let read = |directory: &str| {
            fs::read_to_string(format!("/sys/kernel/mm/transparent_hugepage/{directory}{file}"))
        };
        let all_sizes = read("").unwrap_or_default();
        // On newer kernels each size of pages has a switch of its own, which may follow the old one.
        let this_size = read("hugepages-2048kB/").unwrap_or_else(|_| "[inherit]".to_owned());
        let chosen = match chosen(&this_size) {
            Some("inherit") => chosen(&all_sizes),
            own => own,
        };
        chosen.is_some_and(|word| on.contains(&word))
    }
}

/// The word in brackets, as in `always [madvise] never`.
fn chosen(switch: &str) -> Option<&str> {
    let (_, rest) = switch.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_in_brackets_is_chosen() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen("[inherit]"), Some("inherit"));
        assert_eq!(chosen("nothing"), None);
    }
}
