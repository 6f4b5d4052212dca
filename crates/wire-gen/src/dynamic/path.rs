//! Where in a message something is wrong.

use std::fmt;

use prost_reflect::MapKey;

/// The way from the outermost message to a field: `blocks[3].handle`. It is put together when an error is handed
/// outwards, so that what is right pays nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// The innermost step first.
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Element(usize),
    Entry(MapKey),
}

impl Path {
    pub(super) fn within_field(&mut self, name: &str) {
        self.steps.push(Step::Field(name.to_owned()));
    }

    pub(super) fn within_element(&mut self, index: usize) {
        self.steps.push(Step::Element(index));
    }

    pub(super) fn within_entry(&mut self, key: MapKey) {
        self.steps.push(Step::Entry(key));
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, step) in self.steps.iter().rev().enumerate() {
            match step {
                Step::Field(name) if index == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Element(index) => write!(f, "[{index}]")?,
                Step::Entry(MapKey::String(key)) => write!(f, "[{key:?}]")?,
                Step::Entry(MapKey::Bool(key)) => write!(f, "[{key}]")?,
                Step::Entry(MapKey::I32(key)) => write!(f, "[{key}]")?,
                Step::Entry(MapKey::I64(key)) => write!(f, "[{key}]")?,
                Step::Entry(MapKey::U32(key)) => write!(f, "[{key}]")?,
                Step::Entry(MapKey::U64(key)) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_read_from_the_outside() {
        let mut path = Path::default();
        assert_eq!(path.to_string(), "");
        path.within_field("handle");
        path.within_element(3);
        path.within_field("blocks");
        path.within_entry(MapKey::String("a\n".to_owned()));
        path.within_field("files");
        assert_eq!(path.to_string(), "files[\"a\\n\"].blocks[3].handle");
    }
}
