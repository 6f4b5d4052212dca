//! Memory in files of a directory.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

use crake_mem::{Region, RegionError};

use super::files::{Directory, of_io};
use crate::error::Error;
use crate::kept::KeptMemory;

/// A directory whose files are mapped.
pub(crate) struct KeptDirectory {
    directory: Directory,
}

impl KeptDirectory {
    /// Makes it if it is not there, for this user alone.
    pub(crate) fn open(path: &Path) -> Result<KeptDirectory, Error> {
        let directory = Directory::open(path)?;
        Ok(KeptDirectory { directory })
    }
}

impl KeptMemory for KeptDirectory {
    fn len_bytes(&self, name: &str) -> Result<Option<u64>, Error> {
        match fs::symlink_metadata(self.directory.path().join(name)) {
            Ok(data) if data.is_file() => Ok(Some(data.len())),
            Ok(_) => Err(Error::Invalid("it is not a file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(of_io(error)),
        }
    }

    fn region(&self, name: &str, len_bytes: usize) -> Result<Rc<Region>, RegionError> {
        let path = self.directory.path().join(name);
        let refused = |source| RegionError::Refused { call: "open", source };
        let mut options = OpenOptions::new();
        let options = options.create(true).truncate(false).read(true).write(true);
        let file = options.mode(0o600).open(&path).map_err(refused)?;
        // A descriptor that cannot be made to write by whoever is handed it.
        let to_share = OpenOptions::new().read(true).open(&path).map_err(refused)?;
        Region::file(&file.into(), to_share.into(), len_bytes)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        fs::remove_file(self.directory.path().join(name)).map_err(of_io)
    }
}
