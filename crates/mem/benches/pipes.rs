//! Much through a pipe, from one core to another: by copies through the caches and past them, through a narrow pipe and a wide one.
//!
//! `cargo bench -p crake-mem --bench pipes`. Which is faster depends on the distance of the two cores, which the host of a virtual machine changes: the
//! columns "line" and "far" have what the writer sees of it.

use std::slice;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crake_mem::{HugePages, Region, pipe};
use rustix::thread::{CpuSet, sched_setaffinity};

const CAPACITIES: [usize; 2] = [256 << 10, pipe::WIDE_BYTES];
/// More than the caches hold.
const WALKED_BYTES: usize = 64 << 20;
const BULK_BYTES: usize = 1 << 20;

fn main() {
    // `cargo test --all-targets` runs benches too, to see that they work: one round is enough for that.
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let (rounds, walks) = if is_bench { (8, 4) } else { (1, 1) };
    println!(
        "{:>8} {:>8} {:>8} {:>8} {:>5}",
        "KiB", "copies", "GB/s", "line", "far"
    );
    for capacity in (0..rounds).flat_map(|_| CAPACITIES) {
        for is_streaming in [false, true] {
            run(capacity, walks, is_streaming);
        }
    }
}

fn run(capacity: usize, walks: usize, is_streaming: bool) {
    let memory = Region::memfd("bench", pipe::len_bytes(capacity), HugePages::Never).expect("memory");
    let same = memory
        .as_fd()
        .expect("a memfd")
        .try_clone_to_owned()
        .expect("a descriptor");
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            pin(1);
            read(
                Region::map(same, pipe::len_bytes(capacity))
                    .expect("memory")
                    .extent(..),
                &is_done,
            );
        });
        pin(0);
        write(pipe::Writer::new(memory.extent(..)), walks, is_streaming);
        is_done.store(true, Ordering::Release);
    });
}

fn read(memory: crake_mem::Extent, is_done: &AtomicBool) {
    let reader = pipe::Reader::new(memory);
    let target = Region::anonymous(WALKED_BYTES, HugePages::Try).expect("memory");
    target.prefault().expect("memory");
    let target = target.extent(..);
    let mut at = 0;
    while !is_done.load(Ordering::Relaxed) {
        let rest = BULK_BYTES - at % BULK_BYTES;
        let place = target.slice(at..at + rest);
        // SAFETY: the extent is writable for its length.
        at += unsafe { reader.read_to(place.as_mut_ptr(), rest) }
            .expect("a sound writer")
            .count;
        at %= WALKED_BYTES;
    }
}

fn write(writer: pipe::Writer, walks: usize, is_streaming: bool) {
    let source = Region::anonymous(WALKED_BYTES, HugePages::Try)
        .expect("memory")
        .extent(..);
    source.fill(.., 1);
    let (distance, mut lines) = (pipe::Distance::default(), Vec::new());
    writer.set_apart_from(if is_streaming { BULK_BYTES } else { usize::MAX });
    // The reader gets its memory first.
    while writer.write_slice(&[1]).expect("a sound reader").count > 0
        && writer.room() != Ok(writer.capacity())
    {}
    let start = Instant::now();
    for bulk in (0..walks).flat_map(|_| (0..WALKED_BYTES).step_by(BULK_BYTES)) {
        let mut rest = source.slice(bulk..bulk + BULK_BYTES).segment();
        while !rest.is_empty() {
            if let Some(line) = writer.line_time(Instant::now) {
                distance.note(line);
                lines.push(line);
            }
            let progress = writer.write(slice::from_ref(&rest)).expect("a sound reader");
            rest = rest.slice(progress.count..);
        }
    }
    let rate = (walks * WALKED_BYTES) as f64 / start.elapsed().as_nanos() as f64;
    lines.sort_unstable();
    let line = lines.get(lines.len() / 2).copied().unwrap_or(Duration::ZERO);
    let copies = if is_streaming { "past" } else { "through" };
    println!(
        "{:>8} {copies:>8} {rate:>8.2} {:>5} ns {:>5}",
        writer.capacity() >> 10,
        line.as_nanos(),
        distance.is_far()
    );
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    // With one core it is slow, and not wrong.
    let _ = sched_setaffinity(None, &cores);
}
