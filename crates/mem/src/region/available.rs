//! How much memory the machine, and this process's control group, have left.

use std::fs;
use std::path::Path;

use super::RegionError;

/// Left alone, as a part of what is available: the estimate is rough, and a machine filled to the last page
/// kills processes.
const MARGIN_PART: u64 = 32;

/// Fails if `len_bytes` more are not to be had. The kernel would promise them all the same and then
/// kill some process when the pages are touched. Where the estimate cannot be read, anything goes.
pub(super) fn check_available(len_bytes: usize) -> Result<(), RegionError> {
    let wanted_bytes = len_bytes as u64;
    match available_bytes() {
        Some(available_bytes) if wanted_bytes > available_bytes - available_bytes / MARGIN_PART => {
            Err(RegionError::NoMemory {
                wanted_bytes,
                available_bytes,
            })
        }
        _ => Ok(()),
    }
}

fn available_bytes() -> Option<u64> {
    if cfg!(miri) {
        return None; // It has no files.
    }
    let machine = machine_available_bytes(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|text| group_available_bytes(&text));
    Some(group.map_or(machine, |group| group.min(machine)))
}

/// `MemAvailable` and `SwapFree` of `/proc/meminfo` (proc_meminfo(5)), which are in units of 1,024 bytes.
fn machine_available_bytes(meminfo: &str) -> Option<u64> {
    let field = |name: &str| -> Option<u64> {
        let value = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().strip_suffix("kB")?.trim().parse().ok()
    };
    let kilobytes = field("MemAvailable:")? + field("SwapFree:").unwrap_or(0);
    Some(kilobytes * 1024)
}

/// The least that any group from this process's own up to the root has left (cgroup v2, `memory.max`).
fn group_available_bytes(cgroup: &str) -> Option<u64> {
    let path = cgroup.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let own = root.join(path);
    own.ancestors()
        .take_while(|group| group.starts_with(root))
        .filter_map(group_left_bytes)
        .min()
}

fn group_left_bytes(group: &Path) -> Option<u64> {
    let read = |name: &str| {
        fs::read_to_string(group.join(name))
            .ok()?
            .trim()
            .parse::<u64>()
            .ok()
    };
    // Not a number ("max") where there is no limit.
    let limit = read("memory.max")?;
    Some(limit.saturating_sub(read("memory.current")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_includes_free_swap() {
        let meminfo = "MemTotal:       9 kB\nMemFree: 1 kB\nMemAvailable:      5 kB\nSwapTotal: 3 kB\nSwapFree:       2 kB\n";
        assert_eq!(machine_available_bytes(meminfo), Some(7 * 1024));
        assert_eq!(
            machine_available_bytes("MemAvailable:      5 kB\n"),
            Some(5 * 1024)
        );
        assert_eq!(machine_available_bytes("MemTotal:       9 kB\n"), None);
    }

    #[test]
    fn a_group_without_a_limit_does_not_count() {
        assert_eq!(group_left_bytes(Path::new("/nonexistent")), None);
        assert_eq!(group_available_bytes("12:memory:/v1\n"), None);
    }

    #[test]
    fn a_group_has_left_what_its_limit_allows() {
        if cfg!(miri) {
            eprintln!("skipped: Miri has no files");
            return;
        }
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
        write("memory.max", "1000\n");
        write("memory.current", "400\n");
        assert_eq!(group_left_bytes(group.path()), Some(600));
        write("memory.current", "2000\n");
        assert_eq!(group_left_bytes(group.path()), Some(0));
        write("memory.max", "max\n");
        assert_eq!(group_left_bytes(group.path()), None);
    }
}
