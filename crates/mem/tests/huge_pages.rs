//! Regions on huge pages. In a process of its own, because reserved ones are the whole machine's.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]
#![cfg(not(miri))]

use std::fs;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard};

use crake_mem::{Extent, HugePages, Region, Window};
use rustix::fs::{FallocateFlags, SealFlags};
use rustix::io::Errno;

const HUGE_PAGE_BYTES: usize = 2 << 20;
const MIB: usize = 1 << 20;

/// One test at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn pages(which: &str) -> usize {
    let file = format!("/sys/kernel/mm/hugepages/hugepages-2048kB/{which}_hugepages");
    let text = fs::read_to_string(file).unwrap_or_default();
    text.trim().parse().unwrap_or(0)
}

fn set_reserved(count: usize) -> bool {
    fs::write(
        "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
        count.to_string(),
    )
    .is_ok()
}

/// Pages that the machine keeps for who asks for huge ones, beside those that it kept before, until this is dropped.
struct Reserved {
    count: usize,
}

impl Reserved {
    fn new(count: usize) -> Option<Self> {
        let before = pages("free");
        let reserved = set_reserved(pages("nr") + count).then_some(Self { count });
        let enough = reserved.filter(|_| before == 0 && pages("free") == count);
        if enough.is_none() {
            eprintln!("SKIPPED: {count} huge pages, and no others, cannot be reserved here");
        }
        enough
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        set_reserved(pages("nr") - self.count);
    }
}

fn file(region: &Region) -> OwnedFd {
    region.as_fd().unwrap().try_clone_to_owned().unwrap()
}

/// Bytes around the place that are mapped as huge pages, as `/proc/self/smaps` has them.
fn mapped_huge_bytes(place: *const u8) -> usize {
    let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
    let contains = |line: &&str| {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let number = |text| usize::from_str_radix(text, 16).ok();
        let range = range.and_then(|(start, end)| Some(number(start)?..number(end)?));
        range.is_some_and(|range| range.contains(&place.addr()))
    };
    let lines = smaps.lines().skip_while(|line| !contains(line)).skip(1);
    let field = |line: &str| {
        let kilobytes = line.strip_prefix("ShmemPmdMapped:")?;
        kilobytes.trim().trim_end_matches(" kB").parse::<usize>().ok()
    };
    lines.filter_map(field).next().unwrap() * 1024
}

fn copied(window: &Window, at: usize, len: usize) -> Vec<u8> {
    let target = Region::allocated(len).unwrap().extent(..);
    window.copy_to(at, &target);
    target.to_vec()
}

/// What a datanode and its clients rely on, whatever the pages.
fn check_shared(region: &Region, all: &Extent) {
    let len_bytes = region.len_bytes();
    let fd = region.as_fd().unwrap();
    region.prefault().unwrap();
    region.close_file().unwrap();
    let seals = rustix::fs::fcntl_get_seals(fd).unwrap();
    assert!(seals.contains(SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE | SealFlags::SEAL));
    assert!(rustix::fs::fstat(fd).unwrap().st_size as usize >= len_bytes);
    assert_eq!(rustix::fs::ftruncate(fd, 0), Err(Errno::PERM));
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    assert_eq!(
        rustix::fs::fallocate(fd, hole, 0, HUGE_PAGE_BYTES as u64),
        Err(Errno::PERM)
    );
    assert!(
        Region::map(file(region), len_bytes).is_err(),
        "mapped to write by another"
    );

    let window = Window::map(file(region), len_bytes).unwrap();
    all.write(0, b"first");
    all.write(len_bytes - 4, b"last");
    assert_eq!(copied(&window, 0, 5), b"first");
    assert_eq!(copied(&window, len_bytes - 4, 4), b"last");
}

#[test]
fn reserved_pages_are_shared_and_sealed_like_others() {
    let _alone = alone();
    // None is left over for whoever maps the file.
    let Some(_reserved) = Reserved::new(2) else { return };
    let region = Region::memfd("reserved", 3 * MIB, HugePages::Try).unwrap();
    assert!(region.huge());
    assert_eq!(pages("free"), 0);
    let fd = region.as_fd().unwrap();
    assert_eq!(
        rustix::fs::fstat(fd).unwrap().st_size as usize,
        2 * HUGE_PAGE_BYTES,
        "whole pages"
    );
    let same = Region::map(file(&region), 3 * MIB).unwrap();
    same.extent(..).write(100, b"seen");
    assert_eq!(region.extent(100..104).to_vec(), b"seen");
    check_shared(&region, &region.extent(..));
    drop((region, same));
    assert_eq!(pages("free"), 2, "given back");
}

#[test]
fn too_few_reserved_pages_are_left_alone() {
    let _alone = alone();
    let Some(_reserved) = Reserved::new(2) else { return };
    let region = Region::memfd("reserved", 5 * MIB, HugePages::Try).unwrap();
    assert_eq!(pages("free"), 2);
    assert_eq!(
        rustix::fs::fstat(region.as_fd().unwrap()).unwrap().st_size as usize,
        5 * MIB
    );
    region.extent(..).fill(.., 7);
    check_shared(&region, &region.extent(..));
}

#[test]
fn private_memory_takes_reserved_pages_whole_or_not_at_all() {
    let _alone = alone();
    let Some(_reserved) = Reserved::new(2) else { return };
    let region = Region::anonymous(3 * MIB, HugePages::Try).unwrap();
    assert!(region.huge());
    assert_eq!(pages("free"), 0);
    region.prefault().unwrap();
    drop(region);
    let region = Region::anonymous(5 * MIB, HugePages::Try).unwrap();
    assert_eq!(pages("free"), 2);
    region.extent(..).fill(.., 7);
}

/// The end that does not fill a huge page has small ones.
#[test]
fn shared_memory_is_made_of_huge_pages_without_any_reserved() {
    let _alone = alone();
    let len_bytes = 5 * MIB;
    let region = Region::memfd("transparent", len_bytes, HugePages::Try).unwrap();
    let allocated = rustix::fs::fstat(region.as_fd().unwrap()).unwrap().st_blocks as usize * 512;
    check_shared(&region, &region.extent(..));
    if !region.huge() || pages("free") > 0 {
        eprintln!("SKIPPED: this kernel makes no huge pages when asked, or has reserved ones");
        return;
    }
    let base = region.extent(..).as_mut_ptr();
    assert_eq!(mapped_huge_bytes(base), 2 * HUGE_PAGE_BYTES);
    assert_eq!(allocated, len_bytes, "no more than asked for");

    let window = Window::map(file(&region), len_bytes).unwrap();
    assert_eq!(copied(&window, 0, 5), b"first");
    assert_eq!(copied(&window, 3 * MIB, 1), [0]);
    // SAFETY: nobody writes there while this test looks where it lies.
    let place = unsafe { window.pinned(0..1) };
    assert_eq!(
        mapped_huge_bytes(place.as_ptr()),
        2 * HUGE_PAGE_BYTES,
        "the reader's"
    );
}

#[test]
fn a_file_of_small_pages_stays_one_if_nobody_wants_huge_ones() {
    let _alone = alone();
    let region = Region::memfd("small", 4 * MIB, HugePages::Never).unwrap();
    assert!(!region.huge());
    check_shared(&region, &region.extent(..));
    assert_eq!(mapped_huge_bytes(region.extent(..).as_mut_ptr()), 0);
}
