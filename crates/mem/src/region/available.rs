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

/// A version of control groups: where its groups are, and their files.
struct Hierarchy {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` with what is used by files that nobody read lately: it is given back before anything fails.
    idle_files: &'static str,
}

/// Linux, admin-guide/cgroup-v2.
const UNIFIED: Hierarchy = Hierarchy {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    idle_files: "inactive_file ",
};

/// Linux, admin-guide/cgroup-v1/memory.
const MEMORY: Hierarchy = Hierarchy {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    idle_files: "total_inactive_file ",
};

/// The least that any group from this process's own up to the root has left, by the text of `/proc/self/cgroup` (cgroups(7)).
fn group_available_bytes(cgroup: &str) -> Option<u64> {
    let groups = cgroup.lines().filter_map(own_group);
    groups
        .filter_map(|(hierarchy, path)| hierarchy.available_bytes(path))
        .min()
}

/// A line's hierarchy, if it is one that limits memory, and the group's path within it.
fn own_group(line: &str) -> Option<(&'static Hierarchy, &str)> {
    let (_, rest) = line.split_once(':')?;
    let (controllers, path) = rest.split_once(":/")?;
    match controllers {
        "" => Some((&UNIFIED, path)),
        _ if controllers.split(',').any(|name| name == "memory") => Some((&MEMORY, path)),
        _ => None,
    }
}

impl Hierarchy {
    fn available_bytes(&self, path: &str) -> Option<u64> {
        let own = Path::new(self.root).join(path);
        own.ancestors()
            .take_while(|group| group.starts_with(self.root))
            .filter_map(|group| self.left_bytes(group))
            .min()
    }

    fn left_bytes(&self, group: &Path) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(group.join(name)).ok();
        // Not a number ("max") where there is no limit.
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        let (limit, used) = (number(self.limit)?, number(self.used)?);
        let stat = read("memory.stat").unwrap_or_default();
        let idle_files = stat.lines().find_map(|line| line.strip_prefix(self.idle_files));
        let idle_files = idle_files.and_then(|bytes| bytes.trim().parse::<u64>().ok());
        Some(limit.saturating_sub(used.saturating_sub(idle_files.unwrap_or(0))))
    }
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
        assert_eq!(UNIFIED.left_bytes(Path::new("/nonexistent")), None);
        assert_eq!(group_available_bytes("12:cpu,cpuacct:/group\nnonsense\n"), None);
    }

    #[test]
    fn a_process_is_in_a_group_of_either_version() {
        let of = |line| own_group(line).map(|(hierarchy, path)| (hierarchy.root, path));
        assert_eq!(of("0::/user/1"), Some((UNIFIED.root, "user/1")));
        assert_eq!(of("4:memory:/"), Some((MEMORY.root, "")));
        assert_eq!(of("4:hugetlb,memory:/a:b"), Some((MEMORY.root, "a:b")));
        assert_eq!(of("5:cpu:/a"), None);
    }

    #[test]
    fn a_group_has_left_what_its_limit_allows() {
        if cfg!(miri) {
            eprintln!("skipped: Miri has no files");
            return;
        }
        for (hierarchy, idle_files) in [(UNIFIED, "inactive_file"), (MEMORY, "total_inactive_file")] {
            let group = tempfile::tempdir().unwrap();
            let write = |name: &str, text: &str| fs::write(group.path().join(name), text).unwrap();
            let left = || hierarchy.left_bytes(group.path());
            write(hierarchy.limit, "1000\n");
            write(hierarchy.used, "400\n");
            assert_eq!(left(), Some(600));
            write("memory.stat", &format!("cache 300\n{idle_files} 150\n"));
            assert_eq!(left(), Some(750));
            write(hierarchy.used, "2000\n");
            assert_eq!(left(), Some(0));
            write(hierarchy.limit, "max\n");
            assert_eq!(left(), None);
        }
    }
}
