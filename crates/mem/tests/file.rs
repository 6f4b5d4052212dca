//! Regions in files of the file system.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![cfg(not(miri))]

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crake_mem::{HugePages, Region, RegionError, Window};
use tempfile::TempDir;

/// On a device, and in memory if there is such a file system.
fn folders() -> Vec<TempDir> {
    let in_memory = tempfile::Builder::new()
        .prefix("crake-test-")
        .tempdir_in("/dev/shm");
    [Ok(tempfile::tempdir().unwrap()), in_memory]
        .into_iter()
        .flatten()
        .collect()
}

fn open(path: &Path) -> OwnedFd {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.mode(0o600).open(path).unwrap().into()
}

fn region(path: &Path, len_bytes: usize) -> Result<Rc<Region>, RegionError> {
    let fd = open(path);
    Region::file(&fd, File::open(path).unwrap().into(), len_bytes)
}

fn window(path: &Path, len_bytes: usize) -> Result<Rc<Window>, RegionError> {
    Window::map(File::open(path).unwrap().into(), len_bytes)
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join("file")
}

#[test]
fn what_was_written_is_there_again() {
    for folder in folders() {
        let path = file(&folder);
        let first = region(&path, 3 << 20).unwrap();
        first.extent(..5).write(0, b"first");
        first.extent((3 << 20) - 4..).write(0, b"last");
        first.store_u64(64, 7);
        drop(first);
        let second = region(&path, 3 << 20).unwrap();
        assert_eq!(second.extent(..5).to_vec(), b"first");
        assert_eq!(second.extent((3 << 20) - 4..).to_vec(), b"last");
        assert_eq!((second.load_u64(64), second.load_u32(64)), (7, 7));
    }
}

#[test]
fn all_room_is_taken_when_it_is_made() {
    for folder in folders() {
        let path = file(&folder);
        let _region = region(&path, 3 << 20).unwrap();
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= 3 << 20);
    }
}

#[test]
fn another_length_and_none_are_refused() {
    for folder in folders() {
        let path = file(&folder);
        assert!(matches!(region(&path, 0), Err(RegionError::Empty)));
        region(&path, 8192).unwrap();
        for len_bytes in [4096, 12_288] {
            assert!(matches!(
                region(&path, len_bytes),
                Err(RegionError::Refused { .. })
            ));
        }
        assert_eq!(fs::metadata(&path).unwrap().len(), 8192);
    }
}

#[test]
fn more_than_there_is_is_an_error() {
    for folder in folders() {
        // 2^60 bytes are on no machine.
        assert!(region(&file(&folder), 1 << 60).is_err());
    }
}

#[test]
fn others_see_what_is_written_and_cannot_write() {
    for folder in folders() {
        let path = file(&folder);
        let region = region(&path, 8192).unwrap();
        let fd = region.as_fd().unwrap().try_clone_to_owned().unwrap();
        let window = Window::map(fd, 8192).unwrap();
        region.store_u64(8, 9);
        assert_eq!(window.load_u64(8), 9);
        let fd = region.as_fd().unwrap().try_clone_to_owned().unwrap();
        assert!(Window::map_writable(fd, 8192).is_err());
        assert!(rustix::io::pwrite(region.as_fd().unwrap(), b"x", 0).is_err());
    }
}

/// Whoever may write a file may cut it short.
#[test]
fn files_that_others_may_change_are_not_mapped() {
    for folder in folders() {
        let path = file(&folder);
        let _region = region(&path, 8192).unwrap();
        assert!(window(&path, 8192).is_ok());
        assert!(window(&path, 8193).is_err(), "it is shorter");
        assert!(
            Window::map(open(&path), 8192).is_err(),
            "it is open to be written"
        );
        fs::set_permissions(&path, Permissions::from_mode(0o620)).unwrap();
        assert!(window(&path, 8192).is_err());
    }
    // A memfd has seals for that, and needs them still.
    let unsealed = Region::memfd("unsealed", 8192, HugePages::Never).unwrap();
    let fd = unsealed.as_fd().unwrap().try_clone_to_owned().unwrap();
    assert!(Window::map(fd, 8192).is_err());
}
