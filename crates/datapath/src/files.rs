//! Files that are only appended to, in a directory that has one owner: what logs and their snapshots lie in.
//!
//! A [`Files`] is used from any thread, for to wait for a device is not for a loop: what may take long is done by a
//! [`Worker`](crate::Worker). `kernel` has them in a directory of the file system, `sim` in the simulated node's disk.

use std::sync::Arc;

use crate::error::Error;

/// The files of a directory. Nobody else has it as long as this lives.
pub trait Files: Send + Sync {
    /// The names of all files, in order.
    ///
    /// # Errors
    /// What the system says.
    fn names(&self) -> Result<Vec<String>, Error>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// There is no such file, or what the system says.
    fn read(&self, name: &str) -> Result<Vec<u8>, Error>;

    /// Makes a file in the place of any other, with room on the device for so many bytes. It is there after a crash of the machine once
    /// [`sync`](Self::sync) is done.
    ///
    /// # Errors
    /// [`Error::Full`]: there is no room; then there is no file either.
    fn create(&self, name: &str, reserve_bytes: u64) -> Result<Arc<dyn AppendFile>, Error>;

    /// A file that is there, to be appended to.
    ///
    /// # Errors
    /// There is no such file, or what the system says.
    fn open(&self, name: &str) -> Result<Arc<dyn AppendFile>, Error>;

    /// Gives a file another name, in the place of any other: as one step, also in a crash.
    ///
    /// # Errors
    /// What the system says.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;

    /// Removes a file.
    ///
    /// # Errors
    /// What the system says.
    fn remove(&self, name: &str) -> Result<(), Error>;

    /// Waits until the device has all names as they are. May take long.
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> Result<(), Error>;
}

/// A file that grows at its end.
pub trait AppendFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the system says.
    fn len_bytes(&self) -> Result<u64, Error>;

    /// Takes room on the device for so many bytes in all. Where the file system cannot do that, nothing happens.
    ///
    /// # Errors
    /// [`Error::Full`]: there is none.
    fn reserve(&self, len_bytes: u64) -> Result<(), Error>;

    /// Adds all of `bytes`. After a crash of the process they are there; after one of the machine, if [`sync`](Self::sync) was done.
    ///
    /// # Errors
    /// What the system says. Then some of the bytes may be there.
    fn append(&self, bytes: &[u8]) -> Result<(), Error>;

    /// Waits until the device has the first `len_bytes`. May take long.
    ///
    /// # Errors
    /// What the system says. Then nobody knows which of them it has.
    fn sync(&self, len_bytes: u64) -> Result<(), Error>;

    /// Cuts it, and gives back the room behind.
    ///
    /// # Errors
    /// What the system says.
    fn truncate(&self, len_bytes: u64) -> Result<(), Error>;
}
