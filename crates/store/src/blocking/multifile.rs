//! Multifiles, one call at a time.

use super::{BufferedReader, File, Waiter};
use crate::{Attributes, CreateOptions, Entry, Error, Parts};

/// Files that are written in parallel and read as one stream; see [`crate::Multifile`].
#[derive(Clone, Debug)]
pub struct Multifile {
    multifile: crate::Multifile,
    waiter: Waiter,
}

impl Multifile {
    pub(super) fn new(multifile: crate::Multifile, waiter: Waiter) -> Multifile {
        Multifile { multifile, waiter }
    }

    /// See [`crate::Multifile::create`].
    pub fn create(&self, name: &str, options: impl Into<CreateOptions>) -> Result<File, Error> {
        let file = self.waiter.wait(self.multifile.create(name, options))?;
        Ok(File {
            file,
            waiter: self.waiter.clone(),
        })
    }

    /// See [`crate::Multifile::seal`].
    pub fn seal(&self) -> Result<Attributes, Error> {
        self.waiter.wait(self.multifile.seal())
    }

    /// See [`crate::Multifile::parts`].
    pub fn parts(&self) -> Result<Vec<Entry>, Error> {
        self.waiter.wait(self.multifile.parts())
    }

    /// The bytes of all parts, in the order of their names, as one buffered stream.
    pub fn reader(&self, parts: Parts) -> BufferedReader {
        let reader = self.multifile.buffered_reader(parts, 0);
        BufferedReader::new(reader, self.waiter.clone())
    }

    /// The same multifile, to have operations in flight.
    pub fn asynchronous(&self) -> &crate::Multifile {
        &self.multifile
    }
}
