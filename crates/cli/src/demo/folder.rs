//! The folder that is stored.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What is in it, as far as it is stored: regular files in the order of their paths, until there is enough.
pub struct Folder {
    /// Where it is.
    pub root: PathBuf,
    /// Paths of directories below it, those above first.
    pub directories: Vec<String>,
    /// Paths and lengths of files.
    pub files: Vec<(String, u64)>,
    /// Of all these files.
    pub bytes: u64,
    /// Of the blocks that they fill.
    blocks_bytes: u64,
    /// Whether nothing was left out for its size.
    pub is_whole: bool,
}

/// Room for what is in the namespace and on its way, beyond the files.
const SPARE_BYTES: u64 = 128 << 20;
/// What the memory of the machine is divided by, for the files and for the blocks that a cluster takes for them at start.
const PART_OF_MEMORY: u64 = 3;
const PART_OF_MEMORY_FOR_BLOCKS: u64 = 2;

impl Folder {
    /// The folder at `dir`, or one that most machines have; up to `limit` bytes of it, and up to a third of the memory that
    /// the machine can spare.
    pub fn find(dir: Option<PathBuf>, limit: u64) -> Result<Folder> {
        let root = match dir {
            Some(dir) => dir,
            None => usual_folder().context("no folder was found; name one: crake demo DIR")?,
        };
        let root = fs::canonicalize(&root).with_context(|| root.display().to_string())?;
        let spare = spare_memory();
        let limit = spare.map_or(limit, |spare| limit.min(spare / PART_OF_MEMORY));
        let capacity_max = spare.map_or(u64::MAX, |spare| spare / PART_OF_MEMORY_FOR_BLOCKS);
        let mut folder = Folder {
            root,
            directories: Vec::new(),
            files: Vec::new(),
            bytes: 0,
            blocks_bytes: 0,
            is_whole: true,
        };
        folder.walk(limit, capacity_max)?;
        if folder.files.is_empty() {
            bail!(
                "{}: no files with at most {limit} bytes in it",
                folder.root.display()
            );
        }
        Ok(folder)
    }

    /// Where a file or directory of it is on the disk.
    pub fn local(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// What the cluster needs to hold it.
    pub fn capacity(&self) -> u64 {
        self.blocks_bytes + SPARE_BYTES
    }

    fn walk(&mut self, limit: u64, capacity_max: u64) -> Result<()> {
        let mut todo = vec![String::new()];
        while let Some(directory) = todo.pop() {
            let entries = match entries(&self.local(&directory)) {
                Ok(entries) => entries,
                // What may not be read is no part of the demonstration.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied && !directory.is_empty() => {
                    continue;
                }
                Err(error) => {
                    return Err(error).with_context(|| self.local(&directory).display().to_string());
                }
            };
            if !directory.is_empty() {
                self.directories.push(directory.clone());
            }
            let mut below = Vec::new();
            for (name, kind) in entries {
                let path = match directory.as_str() {
                    "" => name,
                    directory => format!("{directory}/{name}"),
                };
                match kind {
                    Kind::Directory => below.push(path),
                    Kind::File(len)
                        if self.bytes + len <= limit
                            && self.capacity() + blocks_bytes(len) <= capacity_max =>
                    {
                        self.bytes += len;
                        self.blocks_bytes += blocks_bytes(len);
                        self.files.push((path, len));
                    }
                    Kind::File(_) => self.is_whole = false,
                }
            }
            todo.extend(below.into_iter().rev());
        }
        Ok(())
    }
}

/// A block is 4 KiB, 64 KiB or 1 MiB, and a file may need one more than its bytes fill.
fn blocks_bytes(len: u64) -> u64 {
    match len {
        0 => 0,
        1..=4096 => 4096,
        4097..=65_536 => 65_536,
        len => len.next_multiple_of(1 << 20) + (1 << 20),
    }
}

enum Kind {
    Directory,
    File(u64),
}

/// Directories and readable files whose names are UTF-8, in order.
fn entries(directory: &Path) -> io::Result<Vec<(String, Kind)>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            entries.push((name, Kind::Directory));
        } else if metadata.is_file() && fs::File::open(entry.path()).is_ok() {
            entries.push((name, Kind::File(metadata.len())));
        }
    }
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    Ok(entries)
}

fn usual_folder() -> Option<PathBuf> {
    let candidates = [rust_toolchain(), Some("/usr/lib".into()), env::current_dir().ok()];
    candidates.into_iter().flatten().find(|path| path.is_dir())
}

fn rust_toolchain() -> Option<PathBuf> {
    let asked = Command::new("rustc").args(["--print", "sysroot"]).output();
    if let Ok(answer) = asked
        && answer.status.success()
        && let Ok(path) = String::from_utf8(answer.stdout)
    {
        return Some(path.trim_end().into());
    }
    let homes = [
        env::var_os("RUSTUP_HOME").map(PathBuf::from),
        env::var_os("HOME").map(|home| PathBuf::from(home).join(".rustup")),
        env::var_os("CARGO_HOME").map(PathBuf::from),
        env::var_os("HOME").map(|home| PathBuf::from(home).join(".cargo")),
    ];
    homes.into_iter().flatten().find(|path| path.is_dir())
}

/// Bytes of memory that may be used without pushing anything out, as the kernel estimates them.
fn spare_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (path, len) in [("b/2", 10), ("b/1", 1000), ("a", 5), ("c/d/e", 0)] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, vec![1; len]).unwrap();
        }
        let root = folder.path().to_path_buf();
        (folder, root)
    }

    #[test]
    fn a_folder_is_walked_in_order_with_all_below() {
        let (_kept, root) = folder();
        let folder = Folder::find(Some(root), 1 << 20).unwrap();
        let names: Vec<_> = folder
            .files
            .iter()
            .map(|(name, len)| (name.as_str(), *len))
            .collect();
        assert_eq!(names, [("a", 5), ("b/1", 1000), ("b/2", 10), ("c/d/e", 0)]);
        assert_eq!(folder.directories, ["b", "c", "c/d"]);
        assert_eq!((folder.bytes, folder.is_whole), (1015, true));
        assert_eq!(folder.capacity(), 3 * 4096 + SPARE_BYTES);
    }

    #[test]
    fn what_passes_the_limit_is_left_out() {
        let (_kept, root) = folder();
        let folder = Folder::find(Some(root.clone()), 100).unwrap();
        assert_eq!(
            (folder.bytes, folder.files.len(), folder.is_whole),
            (15, 3, false)
        );
        assert!(Folder::find(Some(root.join("nothing")), 100).is_err());
    }

    #[test]
    fn spare_memory_is_known_here() {
        assert!(spare_memory().is_some_and(|bytes| bytes > 1 << 20));
    }
}
