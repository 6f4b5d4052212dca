//! Paths in the store, as people write them.

use crate::exit::Usage;

/// A path in the store: `/a/b`, or `/` for the root, without `.`, `..` and doubled slashes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemotePath {
    text: String,
}

impl RemotePath {
    /// Reads what was typed. A leading slash may be left out; `..` goes up and not beyond the root.
    pub fn new(typed: &str) -> RemotePath {
        let mut names = Vec::new();
        for name in typed.split('/') {
            match name {
                "" | "." => {}
                ".." => drop(names.pop()),
                name => names.push(name),
            }
        }
        RemotePath {
            text: format!("/{}", names.join("/")),
        }
    }

    /// As the store takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether this is the root.
    pub fn is_root(&self) -> bool {
        self.text == "/"
    }

    /// The last name; empty for the root.
    pub fn name(&self) -> &str {
        self.text.rsplit('/').next().unwrap_or_default()
    }

    /// The path of an entry of this directory. An empty name is the directory itself.
    pub fn join(&self, name: &str) -> RemotePath {
        let text = match (name, self.is_root()) {
            ("", _) => self.text.clone(),
            (name, true) => format!("/{name}"),
            (name, false) => format!("{}/{name}", self.text),
        };
        RemotePath { text }
    }
}

impl std::fmt::Display for RemotePath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::str::FromStr for RemotePath {
    type Err = Usage;

    /// An empty path is a slip (an unset variable), not the root.
    fn from_str(typed: &str) -> Result<RemotePath, Usage> {
        if typed.is_empty() {
            return Err(Usage("an empty path; the root is /".into()));
        }
        Ok(RemotePath::new(typed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_plain() {
        for (typed, plain) in [
            ("/", "/"),
            ("a", "/a"),
            ("//a///b/", "/a/b"),
            ("/a/./b/../c", "/a/c"),
            ("../..", "/"),
            ("/..a/b..", "/..a/b.."),
        ] {
            assert_eq!(RemotePath::new(typed).as_str(), plain, "{typed}");
        }
        assert!("".parse::<RemotePath>().is_err());
    }

    #[test]
    fn names_and_entries() {
        let path = RemotePath::new("/a/b");
        assert_eq!(path.name(), "b");
        assert_eq!(path.join("c").as_str(), "/a/b/c");
        assert_eq!(path.join("").as_str(), "/a/b");
        assert_eq!(RemotePath::new("/").join("c").as_str(), "/c");
        assert_eq!(RemotePath::new("/").name(), "");
    }
}
