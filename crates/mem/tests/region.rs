//! What the kernel really did for a region.
#![allow(clippy::unwrap_used, reason = "the helpers of tests are tests")]

use crake_mem::{Extent, HugePages, Region, RegionError};

/// Miri has neither memfds nor `/proc`.
fn skipped_under_miri() -> bool {
    if cfg!(miri) {
        eprintln!("skipped: Miri has no mappings");
    }
    cfg!(miri)
}

/// Bytes present in memory of the mapping that contains the extent, as `/proc/self/smaps` has them.
fn resident_bytes(place: &Extent) -> usize {
    let wanted = place.as_mut_ptr().addr();
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = smaps.lines();
    lines
        .find(|line| contains(line, wanted))
        .expect("the extent is mapped");
    let rss = lines
        .find_map(|line| line.strip_prefix("Rss:"))
        .expect("every mapping has this line");
    rss.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

fn contains(line: &str, address: usize) -> bool {
    let Some((start, rest)) = line.split_once('-') else {
        return false;
    };
    let end = rest.split(' ').next().unwrap_or("");
    let (Ok(start), Ok(end)) = (usize::from_str_radix(start, 16), usize::from_str_radix(end, 16)) else {
        return false;
    };
    (start..end).contains(&address)
}

#[test]
fn no_bytes_are_refused() {
    assert!(matches!(
        Region::anonymous(0, HugePages::Try),
        Err(RegionError::Empty)
    ));
    assert!(matches!(
        Region::memfd("empty", 0, HugePages::Try),
        Err(RegionError::Empty)
    ));
}

#[test]
fn more_than_an_address_space_is_refused() {
    if skipped_under_miri() {
        return;
    }
    for pages in [HugePages::Never, HugePages::Try] {
        for len_bytes in [usize::MAX, usize::MAX / 2, 1 << 50] {
            assert!(Region::anonymous(len_bytes, pages).is_err());
            assert!(Region::memfd("vast", len_bytes, pages).is_err());
        }
    }
}

#[test]
fn anonymous_memory_is_zeroed_and_writable_to_the_last_byte() {
    for (len_bytes, pages) in [
        (1, HugePages::Never),
        (5000, HugePages::Try),
        (5 << 20, HugePages::Try),
    ] {
        let region = Region::anonymous(len_bytes, pages).unwrap();
        let last = region.extent(len_bytes - 1..);
        assert_eq!((region.len_bytes(), last.to_vec()), (len_bytes, vec![0]));
        last.write(0, &[5]);
        assert_eq!(last.to_vec(), [5]);
        assert!(region.as_fd().is_none());
    }
}

#[test]
fn allocated_memory_is_a_region_like_others() {
    assert!(matches!(Region::allocated(0), Err(RegionError::Empty)));
    assert!(Region::allocated(usize::MAX).is_err());
    for len_bytes in [1, 5000, 1 << 20] {
        let region = Region::allocated(len_bytes).unwrap();
        let all = region.extent(..);
        assert!(all.to_vec().iter().all(|&byte| byte == 0));
        all.fill(.., 3);
        region.prefault().unwrap();
        let sent = all.segment();
        drop((all, region));
        assert_eq!(sent.to_vec(), vec![3; len_bytes]);
    }
}

#[test]
fn prefault_makes_memory_present() {
    if skipped_under_miri() {
        return;
    }
    let len_bytes = 8 << 20;
    for pages in [HugePages::Never, HugePages::Try] {
        let region = Region::anonymous(len_bytes, pages).unwrap();
        region.prefault().unwrap();
        assert!(resident_bytes(&region.extent(..)) >= len_bytes, "{region:?}");
    }
}

#[test]
fn a_memfd_of_any_length_can_be_made_present() {
    if skipped_under_miri() {
        return;
    }
    for len_bytes in [1, 4097, 3 << 20] {
        let region = Region::memfd("crake-test", len_bytes, HugePages::Try).unwrap();
        region.prefault().unwrap();
        region.extent(len_bytes - 1..).write(0, b"x");
    }
}

#[test]
fn a_memfd_is_all_there_and_cannot_shrink() {
    if skipped_under_miri() {
        return;
    }
    for (len_bytes, pages) in [(10_000, HugePages::Never), (4 << 20, HugePages::Try)] {
        let region = Region::memfd("crake-test", len_bytes, pages).unwrap();
        let fd = region.as_fd().unwrap();
        let stat = rustix::fs::fstat(fd).unwrap();
        assert!(
            stat.st_blocks * 512 >= len_bytes as i64,
            "{} blocks",
            stat.st_blocks
        );
        assert!(rustix::fs::ftruncate(fd, 0).is_err());
        assert!(rustix::fs::ftruncate(fd, 1 << 30).is_err());
        assert!(rustix::fs::fcntl_add_seals(fd, rustix::fs::SealFlags::WRITE).is_err());
    }
}

#[test]
fn a_memfd_s_bytes_are_those_of_its_file() {
    if skipped_under_miri() {
        return;
    }
    let region = Region::memfd("crake-test", 10_000, HugePages::Never).unwrap();
    let fd = region.as_fd().unwrap();
    region.extent(9_000..).write(0, b"shared");
    let mut bytes = [0; 6];
    assert_eq!(rustix::io::pread(fd, &mut bytes, 9_000), Ok(6));
    assert_eq!(&bytes, b"shared");
    assert_eq!(rustix::io::pwrite(fd, b"other way", 100), Ok(9));
    assert_eq!(region.extent(100..109).to_vec(), b"other way");
}

#[test]
fn the_kernel_writes_into_an_extent() {
    if skipped_under_miri() {
        return;
    }
    let region = Region::memfd("crake-test", 4096, HugePages::Never).unwrap();
    let (place, sent) = (region.extent(..8), region.extent(..8).segment());
    rustix::io::pwrite(region.as_fd().unwrap(), b"received", 0).unwrap();
    assert_eq!(
        (sent.to_vec(), place.to_vec()),
        (b"received".to_vec(), b"received".to_vec())
    );
}

#[test]
fn a_region_is_unmapped_with_its_last_handle() {
    if skipped_under_miri() {
        return;
    }
    let region = Region::memfd("crake-unmapped", 1 << 20, HugePages::Never).unwrap();
    let segment = region.extent(..1).segment();
    drop(region);
    assert!(
        std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .contains("crake-unmapped")
    );
    let last = segment.clone();
    drop(segment);
    assert!(
        std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .contains("crake-unmapped")
    );
    drop(last);
    assert!(
        !std::fs::read_to_string("/proc/self/maps")
            .unwrap()
            .contains("crake-unmapped")
    );
}
