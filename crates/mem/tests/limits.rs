//! Memory that is not to be had is an error, never a signal. In processes of their own, because limits hold for all of one.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![cfg(not(miri))]

use std::process::Command;

use crake_mem::{HugePages, Pool, PoolConfig, Region, RegionError, Window};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Set for the process in which a test runs by itself.
const ALONE: &str = "CRAKE_TEST_ALONE";

/// Runs the test of this name by itself in a process of its own. What the threads of other tests map and unmap while they begin and end, 64 MiB
/// and more each, would count as this test's.
fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(ALONE).is_some() {
        return test();
    }
    let this = std::env::current_exe().unwrap();
    let output = Command::new(this)
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// Holds a soft limit down until it is dropped.
struct Limited {
    resource: Resource,
    before: Rlimit,
}

impl Limited {
    fn to(resource: Resource, bytes: u64) -> Self {
        let before = getrlimit(resource);
        let limit = Rlimit {
            current: Some(bytes),
            maximum: before.maximum,
        };
        setrlimit(resource, limit).unwrap();
        Self { resource, before }
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
    alone("the_address_space_limit_is_an_error", || {
        let _limited = Limited::to(Resource::As, address_space_in_use() + (16 << 20));
        for pages in [HugePages::Never, HugePages::Try] {
            assert_refused(Region::anonymous(64 << 20, pages));
            assert_refused(Region::memfd("limited", 64 << 20, pages));
            assert!(Region::anonymous(4096, pages).is_ok());
        }
    });
}

fn assert_refused(region: Result<std::rc::Rc<Region>, RegionError>) {
    assert!(matches!(region, Err(RegionError::Refused { .. })), "{region:?}");
}

#[test]
fn a_file_that_there_are_no_addresses_for_is_not_mapped() {
    alone("a_file_that_there_are_no_addresses_for_is_not_mapped", || {
        const LEN_BYTES: usize = 64 << 20;
        let region = Region::memfd("shared", LEN_BYTES, HugePages::Try).unwrap();
        let file = || region.as_fd().unwrap().try_clone_to_owned().unwrap();
        let limited = Limited::to(Resource::As, address_space_in_use() + (16 << 20));
        assert_refused(Region::map(file(), LEN_BYTES));
        region.close_file().unwrap();
        assert!(matches!(
            Window::map(file(), LEN_BYTES),
            Err(RegionError::Refused { .. })
        ));
        drop(limited);
        assert!(Window::map(file(), LEN_BYTES).is_ok());
    });
}

#[test]
fn the_file_size_limit_is_an_error_and_not_sigxfsz() {
    alone("the_file_size_limit_is_an_error_and_not_sigxfsz", || {
        let _limited = Limited::to(Resource::Fsize, 1 << 20);
        for pages in [HugePages::Never, HugePages::Try] {
            let error = Region::memfd("limited", 4 << 20, pages).unwrap_err();
            assert!(error.to_string().starts_with("RLIMIT_FSIZE"), "{error}");
        }
        assert!(Region::memfd("limited", 1 << 20, HugePages::Never).is_ok());
    });
}

#[test]
fn a_pool_without_memory_pushes_back_and_recovers() {
    alone("a_pool_without_memory_pushes_back_and_recovers", || {
        let pool = Pool::new(PoolConfig {
            buffer_bytes: 1 << 20,
            headroom_bytes: 0,
            buffers_max: 1000,
        });
        let held = pool.take().unwrap();
        let mut taken = Vec::with_capacity(1000);
        let limited = Limited::to(Resource::As, address_space_in_use() + (32 << 20));
        while let Some(buffer) = pool.take() {
            taken.push(buffer);
        }
        assert!(taken.len() < 64, "{} buffers in 32 MiB", taken.len());
        assert!(!pool.is_exhausted());
        drop(limited);
        assert!(pool.take().is_some());
        drop((held, taken));
        assert_eq!(pool.in_use(), 0);
    });
}
