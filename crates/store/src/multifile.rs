//! Multifiles: parts that many write at the same time, read as one stream in the order of their names.

mod operation;
mod reader;

use std::fmt;
use std::rc::Rc;

use crate::Error;
use crate::buffered::BufferedReader;
use crate::file::File;
use crate::node::{Attributes, CreateOptions, Entry, Node};
use crate::operation::Create;
use crate::pending::Pending;
use crate::session::Session;

use operation::Seal;
pub(crate) use operation::{ListParts, Part};
pub use reader::{MultifileReader, Parts};

/// A multifile that was opened or made. Clones are the same.
///
/// Its parts are files: anyone may create some, each has one writer, and all may be written at the same time. When no more are to come,
/// [`Multifile::seal`] says so, and those who wait for all parts know which these are.
#[derive(Clone)]
pub struct Multifile {
    session: Rc<Session>,
    path: Rc<str>,
    id: u64,
}

impl Multifile {
    pub(crate) fn new(session: &Rc<Session>, path: &str, id: u64) -> Multifile {
        Multifile {
            session: session.clone(),
            path: path.into(),
            id,
        }
    }

    /// The path that it was opened by; it may have been renamed since.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Identifies it, whatever its path.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// A new part, to be written.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] for a name that is taken, [`Error::Sealed`] when no more parts are to come.
    pub async fn create(&self, name: &str, options: impl Into<CreateOptions>) -> Result<File, Error> {
        let options = options.into();
        let path = format!("{}/{name}", self.path.trim_end_matches('/'));
        if options.kind != Node::File || name.contains('/') {
            return Err(Error::WrongKind {
                path: path.into(),
                detail: "the parts of a multifile are files".into(),
            });
        }
        let partitions = self.session.partitions();
        let create = Create {
            base: partitions.start().base,
            path: &path,
            options,
        };
        Pending::start(&partitions.start_session(), create).await
    }

    /// Says that no more parts are to come. Those that are there may still be written.
    pub async fn seal(&self) -> Result<Attributes, Error> {
        let request = Seal {
            multifile: self.id,
            shown: &self.path,
        };
        Pending::start(&self.session, request).await
    }

    /// The parts in the order of their names, also those that are still written.
    pub async fn parts(&self) -> Result<Vec<Entry>, Error> {
        let mut parts = Vec::<Entry>::new();
        loop {
            let after = parts.last().map_or(String::new(), |last| last.name.clone());
            let page = Pending::start(&self.session, ListParts::after(self, &after)).await?;
            parts.extend(page.entries.into_iter().map(|part| part.entry));
            if !page.more {
                return Ok(parts);
            }
        }
    }

    /// The bytes of all parts as if they were one file: reads of any range, any number in flight.
    pub fn reader(&self, parts: Parts) -> MultifileReader {
        MultifileReader::new(self, parts)
    }

    /// A stream out of all parts through slices that are read ahead, `slices` of them in flight; 0 is as many as of a file.
    pub fn buffered_reader(&self, parts: Parts, slices: usize) -> BufferedReader {
        BufferedReader::of_parts(self.reader(parts), slices)
    }

    pub(crate) fn session(&self) -> &Rc<Session> {
        &self.session
    }

    pub(crate) fn shared_path(&self) -> &Rc<str> {
        &self.path
    }
}

impl fmt::Debug for Multifile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multifile")
            .field("path", &self.path)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
