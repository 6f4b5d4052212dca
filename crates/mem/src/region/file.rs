//! Files of the file system as memory: which of them can be relied on.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FallocateFlags, FileType, Mode, OFlags, StatFs};
use rustix::io::Errno;

use super::RegionError;

/// statfs(2): files that lie in memory alone.
const TMPFS_MAGIC: u64 = 0x0102_1994;
/// The unit in which a file's room is counted (stat(3type)).
const STAT_BLOCK_BYTES: u64 = 512;

/// Whether a file lies in memory and nowhere else.
pub(super) fn is_in_memory(fd: &OwnedFd) -> Result<bool, RegionError> {
    let system: StatFs = rustix::fs::fstatfs(fd).map_err(RegionError::refused("fstatfs"))?;
    Ok(system.f_type as u64 == TMPFS_MAGIC)
}

/// What a file of `len_bytes` still has to be given.
pub(super) fn missing_bytes(fd: &OwnedFd, len_bytes: usize) -> Result<usize, RegionError> {
    let stat = rustix::fs::fstat(fd).map_err(RegionError::refused("fstat"))?;
    let taken_bytes = (stat.st_blocks as u64).saturating_mul(STAT_BLOCK_BYTES);
    Ok((len_bytes as u64).saturating_sub(taken_bytes) as usize)
}

/// Makes a new file so long, with room for all of it: an error here instead of a signal at some access. One that is there must have this length.
pub(super) fn take_room(fd: &OwnedFd, len_bytes: usize) -> Result<(), RegionError> {
    let stat = rustix::fs::fstat(fd).map_err(RegionError::refused("fstat"))?;
    if stat.st_size != 0 && stat.st_size as u64 != len_bytes as u64 {
        return Err(RegionError::refused("mapping a file of another length")(
            Errno::INVAL,
        ));
    }
    rustix::fs::fallocate(fd, FallocateFlags::empty(), 0, len_bytes as u64)
        .map_err(RegionError::refused("fallocate"))
}

/// Whether it is a file of this user that nobody else may change, opened to read only. It has no seals: that it is not cut short is up to this user
/// alone.
pub(super) fn is_own_to_read(fd: &OwnedFd, len_bytes: usize) -> bool {
    let (Ok(stat), Ok(flags)) = (rustix::fs::fstat(fd), rustix::fs::fcntl_getfl(fd.as_fd())) else {
        return false;
    };
    let others = Mode::RWXG | Mode::RWXO;
    FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile
        // A memfd has no name, and has seals for this.
        && stat.st_nlink > 0
        && stat.st_uid == rustix::process::geteuid().as_raw()
        && !Mode::from_raw_mode(stat.st_mode).intersects(others)
        && flags & OFlags::ACCMODE == OFlags::RDONLY
        && u64::try_from(stat.st_size).is_ok_and(|file_bytes| file_bytes >= len_bytes as u64)
}
