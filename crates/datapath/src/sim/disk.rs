//! The disk of a simulated node: what it has of each file, and what only the node's system has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::Error;
use crate::files::{AppendFile, Files};
use crate::random::Random;

/// Survives crashes of its node.
#[derive(Default)]
pub(super) struct Disk {
    /// As the system has them, by directory and name.
    files: BTreeMap<(String, String), Arc<Mutex<Content>>>,
    /// As the device has them: names only; what a file has of its bytes is its own.
    synced: BTreeMap<(String, String), Arc<Mutex<Content>>>,
    locked: Vec<String>,
    /// Handles of an earlier life reach nothing.
    life: u64,
    /// The append that reaches so many bytes from now on stops there.
    tear_after: Option<u64>,
    torn: bool,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many of them the device has.
    synced_len: usize,
}

impl Disk {
    /// Everything as the device has it, and of the rest some.
    pub(super) fn crash_machine(&mut self, random: &Random) {
        self.files = self.synced.clone();
        for content in self.files.values() {
            let mut content = lock(content);
            let unsynced = content.bytes.len() - content.synced_len;
            let kept = content.synced_len + random.below(unsynced as u64 + 1) as usize;
            content.bytes.truncate(kept);
            content.synced_len = kept;
        }
        self.crash_process();
    }

    /// Everything as the system has it.
    pub(super) fn crash_process(&mut self) {
        self.life += 1;
        self.locked.clear();
        self.tear_after = None;
        self.torn = false;
    }

    pub(super) fn tear_after(&mut self, bytes: u64) {
        self.tear_after = Some(bytes);
    }

    pub(super) fn is_torn(&self) -> bool {
        self.torn
    }
}

/// A directory of a disk.
pub(super) struct SimFiles {
    disk: Arc<Mutex<Disk>>,
    directory: String,
    life: u64,
}

impl SimFiles {
    pub(super) fn open(disk: &Arc<Mutex<Disk>>, directory: &str) -> Result<SimFiles, Error> {
        let mut there = lock(disk);
        if there.locked.iter().any(|locked| locked == directory) {
            return Err(Error::Locked);
        }
        there.locked.push(directory.into());
        Ok(SimFiles {
            disk: disk.clone(),
            directory: directory.into(),
            life: there.life,
        })
    }

    fn disk(&self) -> Result<MutexGuard<'_, Disk>, Error> {
        let disk = lock(&self.disk);
        (disk.life == self.life).then_some(disk).ok_or(Error::Closed)
    }

    fn key(&self, name: &str) -> (String, String) {
        (self.directory.clone(), name.into())
    }

    fn content(&self, name: &str) -> Result<Arc<Mutex<Content>>, Error> {
        let disk = self.disk()?;
        let content = disk.files.get(&self.key(name));
        content.cloned().ok_or(Error::Os(libc::ENOENT))
    }

    fn file(&self, content: Arc<Mutex<Content>>) -> Arc<dyn AppendFile> {
        Arc::new(SimFile {
            disk: self.disk.clone(),
            content,
            life: self.life,
        })
    }
}

impl Drop for SimFiles {
    fn drop(&mut self) {
        if let Ok(mut disk) = self.disk() {
            disk.locked.retain(|locked| *locked != self.directory);
        }
    }
}

impl Files for SimFiles {
    fn names(&self) -> Result<Vec<String>, Error> {
        let disk = self.disk()?;
        let mine = disk
            .files
            .keys()
            .filter(|(directory, _)| *directory == self.directory);
        Ok(mine.map(|(_, name)| name.clone()).collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, Error> {
        let content = self.content(name)?;
        let bytes = lock(&content).bytes.clone();
        Ok(bytes)
    }

    fn create(&self, name: &str, _: u64) -> Result<Arc<dyn AppendFile>, Error> {
        let content = Arc::<Mutex<Content>>::default();
        self.disk()?.files.insert(self.key(name), content.clone());
        Ok(self.file(content))
    }

    fn open(&self, name: &str) -> Result<Arc<dyn AppendFile>, Error> {
        Ok(self.file(self.content(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let content = self.content(from)?;
        let mut disk = self.disk()?;
        disk.files.remove(&self.key(from));
        disk.files.insert(self.key(to), content);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<(), Error> {
        self.disk()?.files.remove(&self.key(name));
        Ok(())
    }

    fn sync(&self) -> Result<(), Error> {
        let mut disk = self.disk()?;
        disk.synced = disk.files.clone();
        Ok(())
    }
}

struct SimFile {
    disk: Arc<Mutex<Disk>>,
    content: Arc<Mutex<Content>>,
    life: u64,
}

impl SimFile {
    fn live(&self) -> Result<MutexGuard<'_, Disk>, Error> {
        let disk = lock(&self.disk);
        (disk.life == self.life).then_some(disk).ok_or(Error::Closed)
    }
}

impl AppendFile for SimFile {
    fn len_bytes(&self) -> Result<u64, Error> {
        let _live = self.live()?;
        Ok(lock(&self.content).bytes.len() as u64)
    }

    fn reserve(&self, _: u64) -> Result<(), Error> {
        self.live().map(drop)
    }

    fn append(&self, bytes: &[u8]) -> Result<(), Error> {
        let mut disk = self.live()?;
        if disk.torn {
            return Err(Error::Os(libc::EIO));
        }
        let mut content = lock(&self.content);
        match disk.tear_after {
            Some(left) if left <= bytes.len() as u64 => {
                content.bytes.extend_from_slice(&bytes[..left as usize]);
                disk.torn = true;
                Err(Error::Os(libc::EIO))
            }
            left => {
                disk.tear_after = left.map(|left| left - bytes.len() as u64);
                content.bytes.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn sync(&self, len_bytes: u64) -> Result<(), Error> {
        let _live = self.live()?;
        let mut content = lock(&self.content);
        let len = (len_bytes as usize).min(content.bytes.len());
        content.synced_len = content.synced_len.max(len);
        Ok(())
    }

    fn truncate(&self, len_bytes: u64) -> Result<(), Error> {
        let _live = self.live()?;
        let mut content = lock(&self.content);
        content.bytes.truncate(len_bytes as usize);
        content.synced_len = content.synced_len.min(content.bytes.len());
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
