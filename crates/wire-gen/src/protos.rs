//! What .proto files declare, as descriptors.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use prost_reflect::{DescriptorPool, EnumDescriptor, FileDescriptor, MessageDescriptor};

use crate::Error;

/// Parsed .proto files with all that they import, made by [`Config::load`](crate::Config::load).
#[derive(Debug, Clone)]
pub struct Protos {
    pool: DescriptorPool,
    /// The names of those that were given, not only imported.
    given: Vec<String>,
    /// From names to where they were found.
    paths: BTreeMap<String, PathBuf>,
}

/// A line of a .proto file. Displays as `file:line`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The path of the file, as it was found.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

impl Protos {
    pub(crate) fn new(parsed: &protox::Compiler) -> Self {
        let given = parsed.files().filter(|file| !file.is_import());
        let paths = parsed
            .files()
            .filter_map(|file| Some((file.name().to_owned(), file.path()?.to_owned())));
        Self {
            pool: parsed.descriptor_pool(),
            given: given.map(|file| file.name().to_owned()).collect(),
            paths: paths.collect(),
        }
    }

    /// The message of this full name, `crake.namenode.Block` for example.
    ///
    /// # Errors
    ///
    /// When there is none; says which there are.
    pub fn message(&self, full_name: &str) -> Result<MessageDescriptor, Error> {
        let message = self.pool.get_message_by_name(full_name.trim_start_matches('.'));
        let message = message.filter(|message| !message.is_map_entry());
        message.ok_or_else(|| {
            Error::new(format!(
                "there is no message `{full_name}`{}",
                self.which_there_are()
            ))
        })
    }

    fn which_there_are(&self) -> String {
        let names: Vec<String> = self
            .messages()
            .map(|message| message.full_name().to_owned())
            .collect();
        if names.is_empty() {
            ": the files declare none".to_owned()
        } else {
            format!("; there are {}", names.join(", "))
        }
    }

    /// All descriptors, those of imported files among them.
    #[must_use]
    pub fn pool(&self) -> &DescriptorPool {
        &self.pool
    }

    /// The files that were given, in the order of their names.
    pub fn files(&self) -> impl Iterator<Item = FileDescriptor> {
        self.pool.files().filter(|file| self.is_given(file))
    }

    /// The messages that these declare, one within another among them.
    pub fn messages(&self) -> impl Iterator<Item = MessageDescriptor> {
        let messages = self.pool.all_messages().filter(|message| !message.is_map_entry());
        messages.filter(|message| self.is_given(&message.parent_file()))
    }

    /// The enums that these declare, one within a message among them.
    pub fn enums(&self) -> impl Iterator<Item = EnumDescriptor> {
        self.pool
            .all_enums()
            .filter(|declared| self.is_given(&declared.parent_file()))
    }

    fn is_given(&self, file: &FileDescriptor) -> bool {
        self.given.iter().any(|given| given == file.name())
    }

    /// Where a declaration stands, by its path as descriptors have it.
    pub(crate) fn place(&self, file: &FileDescriptor, path: &[i32]) -> Place {
        let locations = file.file_descriptor_proto().source_code_info.as_ref();
        let location = locations
            .into_iter()
            .flat_map(|info| &info.location)
            .find(|location| location.path == path);
        let line = location
            .and_then(|location| location.span.first())
            .and_then(|&line| u32::try_from(line + 1).ok());
        let name = file.name();
        Place {
            file: self.paths.get(name).map_or_else(|| name.into(), PathBuf::clone),
            line: line.unwrap_or(1),
        }
    }
}
