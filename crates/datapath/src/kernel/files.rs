//! A directory of the file system.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::error::Error;
use crate::files::{AppendFile, Files};

/// Whoever has locked this file has the directory.
const LOCK: &str = "lock";

/// A directory, and the lock on it, which ends with the process at the latest.
pub(crate) struct Directory {
    path: PathBuf,
    directory: File,
    _lock: File,
}

impl Directory {
    /// Makes it if it is not there, for this user alone.
    pub(crate) fn open(path: &Path) -> Result<Directory, Error> {
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(of_io)?;
        let mut lock = OpenOptions::new();
        let lock = lock.create(true).truncate(false).write(true).mode(0o600);
        let lock = lock.open(path.join(LOCK)).map_err(of_io)?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => return Err(Error::Locked),
            Err(errno) => return Err(of_errno(errno)),
        }
        // Its own name is to outlive the machine, too, where this user may see to that.
        if let Some(Ok(above)) = path.parent().map(File::open) {
            above.sync_all().map_err(of_io)?;
        }
        Ok(Directory {
            directory: File::open(path).map_err(of_io)?,
            path: path.into(),
            _lock: lock,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn open_to_append(&self, name: &str, options: &mut OpenOptions) -> Result<PlainFile, Error> {
        let file = options.append(true).mode(0o600).open(self.path.join(name));
        file.map(|file| PlainFile { file }).map_err(of_io)
    }
}

impl Files for Directory {
    fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(of_io)? {
            let entry = entry.map_err(of_io)?;
            let is_file = entry.file_type().map_err(of_io)?.is_file();
            // Other names are not of this program's making.
            if let Some(name) = entry.file_name().to_str().filter(|name| is_file && *name != LOCK) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        fs::read(self.path.join(name)).map_err(of_io)
    }

    fn create(&self, name: &str, reserve_bytes: u64) -> Result<Arc<dyn AppendFile>, Error> {
        let made = self.open_to_append(name, OpenOptions::new().create(true));
        let filled = made.and_then(|file| {
            file.truncate(0)?;
            file.reserve(reserve_bytes)?;
            Ok(file)
        });
        match filled {
            Ok(file) => Ok(Arc::new(file)),
            Err(error) => {
                // Without room it is of no use. If it cannot be removed it is made anew the next time.
                let _ = self.remove(name);
                Err(error)
            }
        }
    }

    fn open(&self, name: &str) -> Result<Arc<dyn AppendFile>, Error> {
        Ok(Arc::new(self.open_to_append(name, &mut OpenOptions::new())?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        fs::rename(self.path.join(from), self.path.join(to)).map_err(of_io)
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        fs::remove_file(self.path.join(name)).map_err(of_io)
    }

    fn sync(&self) -> Result<(), Error> {
        self.directory.sync_all().map_err(of_io)
    }
}

struct PlainFile {
    file: File,
}

impl AppendFile for PlainFile {
    fn len_bytes(&self) -> Result<u64, Error> {
        self.file.metadata().map(|data| data.len()).map_err(of_io)
    }

    fn reserve(&self, len_bytes: u64) -> Result<(), Error> {
        if len_bytes == 0 {
            return Ok(());
        }
        // What lies behind the end of a file is not counted against this limit before it is written.
        if getrlimit(Resource::Fsize)
            .current
            .is_some_and(|limit| limit < len_bytes)
        {
            return Err(Error::Full);
        }
        match fallocate(&self.file, FallocateFlags::KEEP_SIZE, 0, len_bytes) {
            // Who has not got it reserves nothing, and may fail when it is written to.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            result => result.map_err(of_errno),
        }
    }

    fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        (&self.file).write_all(bytes).map_err(of_io)
    }

    fn sync(&self, _: u64) -> Result<(), Error> {
        self.file.sync_data().map_err(of_io)
    }

    fn truncate(&self, len_bytes: u64) -> Result<(), Error> {
        self.file.set_len(len_bytes).map_err(of_io)
    }
}

pub(super) fn of_io(error: io::Error) -> Error {
    of_errno(Errno::from_io_error(&error).unwrap_or(Errno::IO))
}

/// Not as of queues: there, a missing file is a place where nobody listens.
fn of_errno(errno: Errno) -> Error {
    match errno {
        Errno::NOSPC | Errno::DQUOT | Errno::FBIG => Error::Full,
        other => Error::Os(other.raw_os_error()),
    }
}
