//! An error and where in a message it is.

use std::error::Error;
use std::fmt;

use prost_reflect::{FieldDescriptor, MapKey};

use super::path::Path;

/// What is wrong with a message, and in which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<R> {
    path: Path,
    reason: R,
}

impl<R: Copy> Located<R> {
    /// The field, from the outermost message on: `blocks[3].handle`, `files["a"].size`. Empty if it is the outermost message itself.
    #[must_use]
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// What is wrong there.
    #[must_use]
    pub fn reason(&self) -> R {
        self.reason
    }

    pub(super) fn outermost(reason: R) -> Self {
        Self {
            path: Path::default(),
            reason,
        }
    }

    pub(super) fn within_field(mut self, field: &FieldDescriptor) -> Self {
        self.path.within_field(field.name());
        self
    }

    pub(super) fn within_element(mut self, index: usize) -> Self {
        self.path.within_element(index);
        self
    }

    pub(super) fn within_entry(mut self, key: &MapKey) -> Self {
        self.path.within_entry(key.clone());
        self
    }
}

impl<R: fmt::Display> fmt::Display for Located<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.to_string();
        if path.is_empty() {
            self.reason.fmt(f)
        } else {
            write!(f, "{path}: {}", self.reason)
        }
    }
}

impl<R: fmt::Debug + fmt::Display> Error for Located<R> {}
