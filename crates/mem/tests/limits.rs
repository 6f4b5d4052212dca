//! Memory that is not to be had is an error, never a signal. In a process of its own, because limits hold for all of it.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![cfg(not(miri))]

use std::sync::{Mutex, MutexGuard};

use crake_mem::{HugePages, Pool, PoolConfig, Region, RegionError};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// One test at a time.
static LIMITS: Mutex<()> = Mutex::new(());

/// Holds a soft limit down until it is dropped.
struct Limited {
    resource: Resource,
    before: Rlimit,
    _alone: MutexGuard<'static, ()>,
}

impl Limited {
    /// `bytes` is asked for when no other test runs.
    fn to(resource: Resource, bytes: impl FnOnce() -> u64) -> Self {
        let alone = LIMITS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let before = getrlimit(resource);
        setrlimit(
            resource,
            Rlimit {
                current: Some(bytes()),
                maximum: before.maximum,
            },
        )
        .unwrap();
        Self {
            resource,
            before,
            _alone: alone,
        }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        setrlimit(self.resource, self.before).unwrap();
    }
}

fn address_space_in_use() -> u64 {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    pages * rustix::param::page_size() as u64
}

fn machine_bytes() -> usize {
    let meminfo = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .unwrap();
    total.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn more_than_the_machine_has_is_an_error() {
    let _alone = LIMITS.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let too_much = machine_bytes();
    for pages in [HugePages::Never, HugePages::Try] {
        let error = Region::memfd("too-much", too_much, pages).unwrap_err();
        assert!(
            matches!(error, RegionError::NoMemory { wanted_bytes, .. } if wanted_bytes == too_much as u64),
            "{error}"
        );
        // The addresses may be had; the memory may not.
        if let Ok(region) = Region::anonymous(too_much, pages) {
            assert!(matches!(region.prefault(), Err(RegionError::NoMemory { .. })));
        }
    }
}

#[test]
fn the_address_space_limit_is_an_error() {
    let _limited = Limited::to(Resource::As, || address_space_in_use() + (16 << 20));
    for pages in [HugePages::Never, HugePages::Try] {
        assert!(matches!(
            Region::anonymous(64 << 20, pages),
            Err(RegionError::Refused { .. })
        ));
        assert!(matches!(
            Region::memfd("limited", 64 << 20, pages),
            Err(RegionError::Refused { .. })
        ));
        assert!(Region::anonymous(4096, pages).is_ok());
    }
}

#[test]
fn the_file_size_limit_is_an_error_and_not_sigxfsz() {
    let _limited = Limited::to(Resource::Fsize, || 1 << 20);
    for pages in [HugePages::Never, HugePages::Try] {
        let error = Region::memfd("limited", 4 << 20, pages).unwrap_err();
        assert!(error.to_string().starts_with("RLIMIT_FSIZE"), "{error}");
    }
    assert!(Region::memfd("limited", 1 << 20, HugePages::Never).is_ok());
}

#[test]
fn a_pool_without_memory_pushes_back_and_recovers() {
    let pool = Pool::new(PoolConfig {
        buffer_bytes: 1 << 20,
        headroom_bytes: 0,
        buffers_max: 1000,
    });
    let held = pool.take().unwrap();
    let mut taken = Vec::with_capacity(1000);
    {
        let _limited = Limited::to(Resource::As, || address_space_in_use() + (32 << 20));
        while let Some(buffer) = pool.take() {
            taken.push(buffer);
        }
        assert!(taken.len() < 64, "{} buffers in 32 MiB", taken.len());
        assert!(!pool.is_exhausted());
    }
    assert!(pool.take().is_some());
    drop((held, taken));
    assert_eq!(pool.in_use(), 0);
}
