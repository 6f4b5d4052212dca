//! The limit of what is read or written in place: one copy of memory that is in no cache, within this thread.
//!
//! The memory is like that of a datanode's tier, and as large as what the operation walks through. There are two ways to
//! copy, and which is faster depends on sizes, caches and neighbours: both run, and the faster counts.

use std::rc::Rc;

use anyhow::{Context, Result};
use crake_mem::{Extent, HugePages, Region, Window};

use crate::bench::arguments::Transport;
use crate::bench::names::shuffled;
use crate::bench::operations::Order;
use crate::bench::runner::Operation;
use crate::bench::stats::{Run, Stopwatch};

/// Smaller copies take about as long as reading the clock, so that many are timed together.
const TIMED_ALONE_MIN_BYTES: u64 = 4096;
const TIMED_TOGETHER: u64 = 16;

const PAGE_BYTES: u64 = 4096;

/// What is copied in the place of an operation's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Bytes of one copy.
    pub size: u64,
    /// Copies until the first one comes again.
    pub count: u64,
    /// Operations under way at a time.
    pub in_flight: u64,
    /// From where to where.
    pub course: Course,
}

/// From where to where a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// Out of a tier in this order, into one target for each operation in flight.
    Read(Order),
    /// From as much memory of the caller into a tier, from the first byte to the last.
    Write,
}

/// How bytes are copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As the C library does it.
    Memcpy,
    /// By stores that pass the caches.
    NonTemporal,
}

/// The memory of a walk, for both ways to copy.
pub struct Memory {
    walk: Walk,
    source: Rc<Window>,
    /// In the order in which they are copied.
    offsets: Vec<usize>,
    /// Taken in turn.
    targets: Vec<Extent>,
}

/// A loop that copies one way.
pub struct Copying {
    memory: Rc<Memory>,
    way: Way,
}

impl Walk {
    /// Takes the memory. All of it is present when this returns, where it is read from, too.
    pub fn memory(self, transport: Transport) -> Result<Rc<Memory>> {
        let Walk {
            size, count, course, ..
        } = self;
        let walked_bytes = size.checked_mul(count).context("more bytes than there can be")?;
        let (source, target, targets) = match course {
            Course::Read(_) => {
                let targets = self.in_flight.min(count);
                (
                    tier(transport, walked_bytes)?.1,
                    own(size * targets, HugePages::Never)?,
                    targets,
                )
            }
            Course::Write => {
                let source = Window::of(&own(walked_bytes, HugePages::Never)?);
                (source, tier(transport, walked_bytes)?.0, count)
            }
        };
        let numbers = match course {
            Course::Read(Order::Random) => shuffled(count),
            Course::Read(Order::Sequential) | Course::Write => (0..count).collect(),
        };
        let place = |number: u64| target.extent((number * size) as usize..((number + 1) * size) as usize);
        Ok(Rc::new(Memory {
            walk: self,
            source,
            offsets: numbers
                .into_iter()
                .map(|number| (number * size) as usize)
                .collect(),
            targets: (0..targets).map(place).collect(),
        }))
    }

    /// How many copies of one at a time make one sample.
    fn timed_together(&self, operations: u64) -> u64 {
        match self.size < TIMED_ALONE_MIN_BYTES && self.in_flight == 1 {
            true => TIMED_TOGETHER.min(operations),
            false => 1,
        }
    }
}

/// Memory like that of a datanode's tier: for who writes it, and for who reads it in place.
fn tier(transport: Transport, len_bytes: u64) -> Result<(Rc<Region>, Rc<Window>)> {
    let len_bytes = len_bytes.next_multiple_of(PAGE_BYTES);
    let region = match transport {
        Transport::Embedded => own(len_bytes, HugePages::Try)?,
        _ => shared(len_bytes)?,
    };
    let window = match region.as_fd() {
        Some(file) => Window::map(file.try_clone_to_owned()?, region.len_bytes())?,
        None => Window::of(&region),
    };
    for page in (0..region.len_bytes()).step_by(PAGE_BYTES as usize) {
        window.load_u32(page);
    }
    Ok((region, window))
}

/// Memory that other processes can map to read.
fn shared(len_bytes: u64) -> Result<Rc<Region>> {
    let region = Region::memfd("crake-bench", len_bytes as usize, HugePages::Try);
    let region = region.context("memory to copy")?;
    region.close_file()?;
    region.extent(..).fill(.., 1);
    Ok(region)
}

/// Memory of this process alone.
fn own(len_bytes: u64, pages: HugePages) -> Result<Rc<Region>> {
    let region = Region::anonymous(len_bytes as usize, pages).context("memory to copy")?;
    region.prefault().context("memory to copy")?;
    region.extent(..).fill(.., 1);
    Ok(region)
}

impl Copying {
    /// Ready to copy what lies there.
    pub fn new(memory: &Rc<Memory>, way: Way) -> Copying {
        Copying {
            memory: memory.clone(),
            way,
        }
    }

    #[inline(always)]
    fn run_with(&self, operations: u64, copy: impl Fn(&Window, usize, &Extent)) -> Run {
        let Memory { walk, source, .. } = &*self.memory;
        let places = self
            .memory
            .offsets
            .iter()
            .cycle()
            .zip(self.memory.targets.iter().cycle());
        let mut watch = Stopwatch::start_timing_together(walk.timed_together(operations));
        for (ended, (&offset, target)) in (1..=operations).zip(places) {
            copy(source, offset, target);
            watch.note(ended, ended + walk.in_flight - 1);
        }
        watch.stop(operations)
    }
}

impl Operation for Copying {
    fn run(&mut self, operations: u64) -> Result<Run> {
        Ok(match self.way {
            Way::Memcpy => self.run_with(operations, Window::copy_to),
            Way::NonTemporal => self.run_with(operations, Window::copy_to_streaming),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WALK: Walk = Walk {
        size: 1000,
        count: 10,
        in_flight: 1,
        course: Course::Read(Order::Sequential),
    };

    fn both_ways(walk: Walk, transport: Transport, mut check: impl FnMut(&Memory, Way)) {
        for way in [Way::Memcpy, Way::NonTemporal] {
            let memory = walk.memory(transport).unwrap();
            for target in &memory.targets {
                target.fill(.., 0);
            }
            assert_eq!(
                Copying::new(&memory, way).run(walk.count).unwrap().operations,
                walk.count
            );
            check(&memory, way);
        }
    }

    #[test]
    fn a_read_fills_a_target_for_each_in_flight() {
        for (transport, order, in_flight) in [
            (Transport::Shm, Order::Sequential, 1),
            (Transport::Shm, Order::Random, 3),
            (Transport::Embedded, Order::Random, 30),
        ] {
            let course = Course::Read(order);
            let walk = Walk {
                in_flight,
                course,
                ..WALK
            };
            both_ways(walk, transport, |memory, way| {
                assert_eq!(memory.targets.len() as u64, in_flight.min(10));
                for target in &memory.targets {
                    assert_eq!(target.to_vec(), [1; 1000], "{way:?} {walk:?}");
                }
                let mut offsets = memory.offsets.clone();
                assert_eq!(offsets.is_sorted(), order == Order::Sequential);
                offsets.sort_unstable();
                assert!(offsets.into_iter().eq((0..10).map(|number| number * 1000)));
            });
        }
    }

    #[test]
    fn a_write_fills_as_much_as_it_reads() {
        let walk = Walk {
            course: Course::Write,
            ..WALK
        };
        for transport in [Transport::Shm, Transport::Embedded] {
            both_ways(walk, transport, |memory, way| {
                let written: Vec<u8> = memory.targets.iter().flat_map(Extent::to_vec).collect();
                assert_eq!(written, [1; 10_000], "{way:?} {transport}");
                assert_eq!(memory.source.len_bytes(), 10_000);
            });
        }
    }

    #[test]
    fn only_short_copies_are_timed_together() {
        let samples = |walk: Walk| {
            let memory = walk.memory(Transport::Embedded).unwrap();
            Copying::new(&memory, Way::Memcpy)
                .run(32)
                .unwrap()
                .latencies
                .len()
        };
        assert_eq!(samples(WALK), 2);
        assert_eq!(samples(Walk { size: 4096, ..WALK }), 32);
        assert_eq!(samples(Walk { in_flight: 4, ..WALK }), 8);
    }

    #[test]
    fn more_than_memory_is_an_error() {
        let (size, count) = (1 << 30, 1 << 20);
        assert!(Walk { size, count, ..WALK }.memory(Transport::Shm).is_err());
        assert!(
            Walk {
                size,
                count: u64::MAX,
                ..WALK
            }
            .memory(Transport::Shm)
            .is_err()
        );
    }
}
