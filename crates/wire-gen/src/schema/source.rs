//! Where a declaration stands in its file, and the comments around it.

use std::collections::HashMap;

use prost_types::FileDescriptorProto;
use prost_types::source_code_info::Location;

use crate::{Error, comment};

/// Field numbers of descriptor.proto, which the paths of source locations are made of.
pub(super) mod tag {
    pub const FILE_DEPENDENCY: i32 = 3;
    pub const FILE_MESSAGE: i32 = 4;
    pub const FILE_ENUM: i32 = 5;
    pub const FILE_SERVICE: i32 = 6;
    pub const FILE_EXTENSION: i32 = 7;
    pub const FILE_SYNTAX: i32 = 12;
    pub const MESSAGE_FIELD: i32 = 2;
    pub const MESSAGE_NESTED: i32 = 3;
    pub const MESSAGE_ENUM: i32 = 4;
    pub const MESSAGE_EXTENSION_RANGE: i32 = 5;
    pub const MESSAGE_EXTENSION: i32 = 6;
    pub const MESSAGE_ONEOF: i32 = 8;
    pub const ENUM_VALUE: i32 = 2;
    pub const SERVICE_METHOD: i32 = 2;
}

/// A file with an index of its source locations.
pub(super) struct Source<'d> {
    pub file: &'d FileDescriptorProto,
    locations: HashMap<&'d [i32], &'d Location>,
}

impl<'d> Source<'d> {
    pub(super) fn new(file: &'d FileDescriptorProto) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        Self {
            file,
            locations: locations
                .map(|location| (location.path.as_slice(), location))
                .collect(),
        }
    }

    pub(super) fn docs(&self, path: &[i32]) -> Vec<String> {
        comment::doc_lines(self.locations.get(path).copied())
    }

    pub(super) fn error(&self, path: &[i32], message: impl Into<String>) -> Error {
        let line = self
            .locations
            .get(path)
            .and_then(|location| location.span.first());
        Error::at(
            self.file.name(),
            line.and_then(|&line| u32::try_from(line + 1).ok()),
            message,
        )
    }
}

/// The path of the `index`-th declaration of kind `tag` within `parent`.
pub(super) fn within(parent: &[i32], tag: i32, index: usize) -> Vec<i32> {
    let index = i32::try_from(index).expect("protox refuses files that could hold so many");
    [parent, &[tag, index]].concat()
}
