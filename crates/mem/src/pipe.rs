//! Bytes from one process to another through memory that both map, in order.
//!
//! A pipe is bounded and goes one way: one writer, one reader. Neither waits: each says how far it got, and whether the
//! other side has to be woken, which is done by other means.
//!
//! The other side is not believed. Each side keeps its own index to itself and only publishes copies; the other's index is
//! checked whenever it is read, and one that cannot be is [`Broken`]. Bytes are copied out before anyone looks at them, so
//! that they cannot change between a check and a use. What a hostile peer can do is to send nonsense, as over any network.
//!
//! ```
//! use crake_mem::{HugePages, Region, pipe};
//!
//! let memory = Region::memfd("example", pipe::len_bytes(4096), HugePages::Never)?.extent(..);
//! let (writer, reader) = (pipe::Writer::new(memory.clone()), pipe::Reader::new(memory));
//! assert_eq!(writer.write_slice(b"bytes").unwrap().count, 5);
//! let mut received = [0; 8];
//! assert_eq!(reader.read_slice(&mut received).unwrap().count, 5);
//! assert_eq!(&received[..5], b"bytes");
//! # Ok::<(), crake_mem::RegionError>(())
//! ```

mod control;
mod distance;

use std::cell::Cell;
use std::mem;
use std::ptr::{self, NonNull};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::buf::BufMut;
use crate::copy::{copy_anywhere, copy_pieces, copy_streaming};
use crate::extent::Extent;
use crate::region::Region;
use crate::segment::Segment;
use control::Control;

pub use control::End;
pub use distance::Distance;

/// What the two sides publish, before the bytes. A page, so that the bytes begin with one.
const CONTROL_BYTES: usize = 4096;

/// What is published at once: the other side copies the first part of much while the rest is still being written.
const PART_BYTES: usize = 32 << 10;

/// The capacity of a pipe for much. What a writer overwrites it has to fetch from the core that read it, unless that core's second level cache has
/// lost it meanwhile, as it has of a pipe this wide: with cores that are near each other more than twice the bytes go through it in the same time.
pub const WIDE_BYTES: usize = 2 << 20;

/// From this size on what is read at once goes past the caches, and what is written at once to a reader that is far away: see [`Writer::set_apart_from`].
const BULK_BYTES: usize = 32 << 10;

/// The same of what is written to a reader that is near, through a pipe that is not wide.
const NEAR_BULK_BYTES: usize = 128 << 10;

/// A shorter segment goes through the caches whatever is written with it: to wait for stores that pass them costs more than it has.
const APART_BYTES_MIN: usize = 1 << 10;

const _: () = assert!(size_of::<Control>() <= CONTROL_BYTES);

/// A way to copy.
type Copy = unsafe fn(*const u8, *mut u8, usize);

/// Past the caches.
///
/// # Safety
///
/// As of [`ptr::copy`].
unsafe fn copy_apart(from: *const u8, to: *mut u8, len_bytes: usize) {
    match from.addr().abs_diff(to.addr()) < len_bytes {
        // SAFETY: the caller promises the same.
        true => unsafe { ptr::copy(from, to, len_bytes) },
        // SAFETY: the caller promises that both are valid, and they are apart.
        false => unsafe { copy_streaming(from, to, len_bytes) },
    }
}

/// Whether segments that are written together are so much that it matters which way they are copied.
pub fn is_much(segments: &[Segment]) -> bool {
    len_of(segments) >= BULK_BYTES
}

fn len_of(segments: &[Segment]) -> usize {
    segments.iter().map(|segment| segment.len()).sum()
}

/// How much memory a pipe of `capacity` takes.
pub const fn len_bytes(capacity: usize) -> usize {
    CONTROL_BYTES + capacity
}

/// Of two pipes in one memory, one for each direction: first that to the client. Each is at least a page, so that both start with one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacities {
    /// Of what the server writes.
    pub to_client: usize,
    /// Of what the client writes.
    pub to_server: usize,
}

impl Capacities {
    /// The same both ways.
    pub const fn equal(capacity: usize) -> Capacities {
        Capacities {
            to_client: capacity,
            to_server: capacity,
        }
    }

    /// How much memory both pipes take.
    pub const fn len_bytes(self) -> usize {
        len_bytes(self.to_client) + len_bytes(self.to_server)
    }

    /// The ends of a server, in memory of this length. See [`Writer::new`] and [`Reader::new`].
    pub fn server_ends(self, memory: &Rc<Region>) -> (Writer, Reader) {
        let (to_client, to_server) = self.parts(memory);
        (Writer::new(to_client), Reader::new(to_server))
    }

    /// The ends of its client in the same memory.
    pub fn client_ends(self, memory: &Rc<Region>) -> (Writer, Reader) {
        let (to_client, to_server) = self.parts(memory);
        (Writer::new(to_server), Reader::new(to_client))
    }

    fn parts(self, memory: &Rc<Region>) -> (Extent, Extent) {
        let end = len_bytes(self.to_client);
        (memory.extent(..end), memory.extent(end..self.len_bytes()))
    }
}

/// The other side published what it cannot have: it is broken or hostile, and the pipe is of no use any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the other side of a pipe published an impossible index")]
pub struct Broken;

/// How far a call got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that were copied.
    pub count: usize,
    /// The other side sleeps, or is about to, and must be woken.
    pub wake: bool,
}

/// The end that bytes go into.
pub struct Writer {
    memory: Memory,
    /// Bytes written since the start, of which `control.writer.index` is the published copy.
    tail: Cell<u64>,
    /// The reader's index when we last had to look.
    head_seen: Cell<u64>,
    apart_from: Cell<usize>,
}

/// The end that bytes come out of.
pub struct Reader {
    memory: Memory,
    /// Bytes read since the start, of which `control.reader.index` is the published copy.
    head: Cell<u64>,
    /// The writer's index when we last had to look.
    tail_seen: Cell<u64>,
}

/// The memory of a pipe as this process has mapped it.
struct Memory {
    /// Keeps the mapping.
    _extent: Extent,
    control: NonNull<Control>,
    bytes: NonNull<u8>,
    /// A power of two.
    capacity: usize,
}

impl Memory {
    fn new(extent: Extent) -> Memory {
        let capacity = extent.len().saturating_sub(CONTROL_BYTES);
        assert!(capacity.is_power_of_two(), "a pipe's capacity is a power of two");
        let start = extent.start();
        assert!(start.cast::<Control>().is_aligned(), "a pipe starts with a page");
        Memory {
            control: start.cast(),
            // SAFETY: the extent is longer than the control part.
            bytes: unsafe { start.add(CONTROL_BYTES) },
            capacity,
            _extent: extent,
        }
    }

    #[inline]
    fn control(&self) -> &Control {
        // SAFETY: the extent keeps the mapping, it was checked to be large and aligned enough, and everything in a `Control`
        // is atomic and valid whatever its bits, also while another process writes it.
        unsafe { self.control.as_ref() }
    }

    /// Where the byte of this index is, and how many follow it before the end of the memory.
    #[inline]
    fn place(&self, index: u64) -> (*mut u8, usize) {
        let offset = index as usize & (self.capacity - 1);
        // SAFETY: the offset is less than the capacity, and so many bytes follow the control part.
        (unsafe { self.bytes.as_ptr().add(offset) }, self.capacity - offset)
    }

    /// How far `to` is ahead of `from`: never more than fits.
    #[inline]
    fn distance(&self, from: u64, to: u64) -> Result<usize, Broken> {
        match to.wrapping_sub(from) {
            distance if distance <= self.capacity as u64 => Ok(distance as usize),
            _ => Err(Broken),
        }
    }
}

impl Writer {
    /// Over memory of [`len_bytes`] that is zeroed, or that only this writer's reader has used. There must be no other writer.
    ///
    /// # Panics
    ///
    /// If its length is not that of a power of two, or it does not start with a page.
    pub fn new(memory: Extent) -> Writer {
        Writer {
            memory: Memory::new(memory),
            tail: Cell::new(0),
            head_seen: Cell::new(0),
            apart_from: Cell::new(usize::MAX),
        }
    }

    /// How long the cache line with the reader's index takes to come here, by this clock; `None` if the reader has not written there since we last
    /// looked, so that the line had not to come from its core.
    #[inline]
    pub fn line_time(&self, clock: impl Fn() -> Instant) -> Option<Duration> {
        let start = clock();
        let head = self.memory.control().reader.index();
        let took = clock().saturating_duration_since(start);
        (self.head_seen.replace(head) != head).then_some(took)
    }

    /// From how many bytes on what is written at once goes past the caches, as [`Distance::apart_from`] advises: a reader that shares no cache with us
    /// gets it sooner out of memory than out of ours, and we need not first fetch what it has of the place. At first nothing does.
    #[inline]
    pub fn set_apart_from(&self, len_bytes: usize) {
        self.apart_from.set(len_bytes);
    }

    /// Bytes that can be written and not yet read.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.memory.capacity
    }

    /// Bytes that would be taken now.
    #[inline]
    pub fn room(&self) -> Result<usize, Broken> {
        self.head_seen.set(self.memory.control().reader.index());
        self.room_seen()
    }

    #[inline]
    fn room_seen(&self) -> Result<usize, Broken> {
        let used = self.memory.distance(self.head_seen.get(), self.tail.get())?;
        Ok(self.memory.capacity - used)
    }

    /// Takes what fits of `bytes`.
    #[inline]
    pub fn write_slice(&self, bytes: &[u8]) -> Result<Progress, Broken> {
        // SAFETY: a slice is readable for its length.
        unsafe { self.write_by(copy_anywhere, bytes.as_ptr(), bytes.len()) }
    }

    /// Takes what fits of `segments`, from the front; if they are much together, in the way that suits the reader's distance. Small ones are
    /// published together: a reader that got them one by one would put them together again.
    pub fn write(&self, segments: &[Segment]) -> Result<Progress, Broken> {
        let is_apart = len_of(segments) >= self.apart_from.get();
        let mut all = Progress::default();
        let mut unpublished = 0;
        for segment in segments {
            let copy = match is_apart && segment.len() >= APART_BYTES_MIN {
                true => copy_apart,
                false => copy_anywhere,
            };
            // SAFETY: a segment is readable for its length while it lives.
            let one = unsafe { self.write_parts(copy, segment.as_ptr(), segment.len(), &mut unpublished) }?;
            all.count += one.count;
            all.wake |= one.wake;
            if one.count < segment.len() {
                break;
            }
        }
        all.wake |= self.publish(unpublished);
        Ok(all)
    }

    /// # Safety
    ///
    /// As of [`Writer::write_parts`].
    #[inline]
    unsafe fn write_by(&self, copy: Copy, bytes: *const u8, len_bytes: usize) -> Result<Progress, Broken> {
        let mut unpublished = 0;
        // SAFETY: the caller promises the same.
        let mut all = unsafe { self.write_parts(copy, bytes, len_bytes, &mut unpublished) }?;
        all.wake |= self.publish(unpublished);
        Ok(all)
    }

    /// Publishes each whole part, and leaves how much of one there is besides in `unpublished`.
    ///
    /// # Safety
    ///
    /// `len_bytes` bytes are readable at `bytes`. They may lie in a region and change meanwhile. `copy` asks for no more than [`ptr::copy`].
    #[inline]
    unsafe fn write_parts(
        &self,
        copy: Copy,
        bytes: *const u8,
        len_bytes: usize,
        unpublished: &mut usize,
    ) -> Result<Progress, Broken> {
        let mut all = Progress::default();
        while all.count < len_bytes {
            let wanted = (len_bytes - all.count).min(PART_BYTES - *unpublished);
            let mut room = self.room_seen()?;
            if room < wanted {
                room = self.room()?;
            }
            let count = wanted.min(room);
            if count == 0 {
                break;
            }
            // SAFETY: `all.count` is less than `len_bytes`.
            let rest = unsafe { bytes.add(all.count) };
            // SAFETY: `all.count + count` is at most `len_bytes`, and `count` at most the room.
            unsafe { self.copy_in(copy, rest, count) };
            all.count += count;
            self.tail.set(self.tail.get().wrapping_add(count as u64));
            *unpublished += count;
            if *unpublished == PART_BYTES {
                all.wake |= self.publish(mem::take(unpublished));
            }
        }
        Ok(all)
    }

    /// Shows the reader what was written, if that is anything; true if it must be woken.
    #[inline]
    fn publish(&self, unpublished: usize) -> bool {
        unpublished > 0 && self.memory.control().writer.advance(self.tail.get())
    }

    /// # Safety
    ///
    /// `count` bytes are readable at `bytes`, and there is room for so many; `copy` asks for no more than [`ptr::copy`].
    #[inline]
    unsafe fn copy_in(&self, copy: Copy, bytes: *const u8, count: usize) {
        let (place, until_end) = self.memory.place(self.tail.get());
        let first = count.min(until_end);
        // SAFETY: as the caller promises, and `first` bytes follow the place. `copy` allows the source to be in the same mapping.
        unsafe { copy(bytes, place, first) };
        if first < count {
            // SAFETY: less than `count`.
            let rest = unsafe { bytes.add(first) };
            // SAFETY: what is left is less than the capacity.
            unsafe { copy(rest, self.memory.bytes.as_ptr(), count - first) };
        }
    }

    /// Says that no more comes, and how it ended; true if the reader must be woken. Only the first call counts.
    pub fn end(&self, end: End) -> bool {
        self.memory.control().writer.end(end)
    }

    /// From now on the reader says once that this side is to be woken when there is more room. Look at [`room`](Self::room)
    /// again after this: it may have come before.
    pub fn ask_to_be_woken(&self) {
        self.memory.control().reader.ask();
    }
}

impl Reader {
    /// Over memory of [`len_bytes`] that is zeroed, or that only this reader's writer has used. There must be no other reader.
    ///
    /// # Panics
    ///
    /// If its length is not that of a power of two, or it does not start with a page.
    pub fn new(memory: Extent) -> Reader {
        Reader {
            memory: Memory::new(memory),
            head: Cell::new(0),
            tail_seen: Cell::new(0),
        }
    }

    /// Bytes that can be read now.
    #[inline]
    pub fn available(&self) -> Result<usize, Broken> {
        if self.tail_seen.get() == self.head.get() {
            self.tail_seen.set(self.memory.control().writer.index());
        }
        self.memory.distance(self.head.get(), self.tail_seen.get())
    }

    /// Fills the front of `target`.
    #[inline]
    pub fn read_slice(&self, target: &mut [u8]) -> Result<Progress, Broken> {
        // SAFETY: a slice is writable for its length.
        unsafe { self.read_by(copy_pieces, target.as_mut_ptr(), target.len()) }
    }

    /// Fills the spare room of `target`, up to `bytes_max`.
    #[inline]
    pub fn read_buf(&self, target: &mut BufMut, bytes_max: usize) -> Result<Progress, Broken> {
        let spare = target.spare_mut();
        let len_bytes = spare.len().min(bytes_max);
        let progress = self.read_slice(&mut spare[..len_bytes])?;
        target.advance(progress.count);
        Ok(progress)
    }

    /// Fills the front of the memory at `target`. Much goes there past the caches: it is a place to keep bytes, not one to look at them.
    ///
    /// # Safety
    ///
    /// `len_bytes` bytes at `target` are writable. They may lie in a region.
    #[inline]
    pub unsafe fn read_to(&self, target: *mut u8, len_bytes: usize) -> Result<Progress, Broken> {
        let copy = match len_bytes >= BULK_BYTES {
            true => copy_apart,
            false => copy_pieces,
        };
        // SAFETY: the caller promises the same.
        unsafe { self.read_by(copy, target, len_bytes) }
    }

    /// # Safety
    ///
    /// `len_bytes` bytes at `target` are writable; `copy` asks for no more than [`ptr::copy`].
    #[inline]
    unsafe fn read_by(&self, copy: Copy, target: *mut u8, len_bytes: usize) -> Result<Progress, Broken> {
        let mut all = Progress::default();
        while all.count < len_bytes {
            let count = self.available()?.min(len_bytes - all.count).min(PART_BYTES);
            if count == 0 {
                break;
            }
            // SAFETY: `all.count` is less than `len_bytes`.
            let rest = unsafe { target.add(all.count) };
            // SAFETY: `all.count + count` is at most `len_bytes`, and `count` at most what is available.
            unsafe { self.copy_out(copy, rest, count) };
            all.count += count;
            self.head.set(self.head.get().wrapping_add(count as u64));
            all.wake |= self.memory.control().reader.advance(self.head.get());
        }
        Ok(all)
    }

    /// # Safety
    ///
    /// `count` bytes are writable at `target`, and so many are available.
    #[inline]
    unsafe fn copy_out(&self, copy: Copy, target: *mut u8, count: usize) {
        let (place, until_end) = self.memory.place(self.head.get());
        let first = count.min(until_end);
        // SAFETY: as the caller promises, and `first` bytes follow the place. `copy` allows the target to be in the same mapping.
        unsafe { copy(place, target, first) };
        if first < count {
            // SAFETY: less than `count`.
            let rest = unsafe { target.add(first) };
            // SAFETY: what is left is less than the capacity.
            unsafe { copy(self.memory.bytes.as_ptr(), rest, count - first) };
        }
    }

    /// How the writer ended, if it did. What it wrote before may still be to be read: look at
    /// [`available`](Self::available) after this.
    #[inline]
    pub fn ended(&self) -> Option<End> {
        self.memory.control().writer.ended()
    }

    /// From now on the writer says once that this side is to be woken when there is something. Look at
    /// [`available`](Self::available) and [`ended`](Self::ended) again after this: it may have come before.
    pub fn ask_to_be_woken(&self) {
        self.memory.control().writer.ask();
    }
}

#[cfg(all(test, not(loom), not(miri)))]
mod tests {
    use proptest::prelude::*;
    use std::collections::VecDeque;

    use super::*;
    use crate::HugePages;

    fn pipe(capacity: usize) -> (Writer, Reader) {
        let memory = Region::memfd("pipe", len_bytes(capacity), HugePages::Never)
            .expect("a memfd")
            .extent(..);
        (Writer::new(memory.clone()), Reader::new(memory))
    }

    proptest! {
        /// Any mixture of reads and writes, beside a queue that cannot be wrong.
        #[test]
        fn bytes_come_out_as_they_went_in(steps in proptest::collection::vec((any::<bool>(), 0usize..300), 0..200)) {
            let (writer, reader) = pipe(256);
            let mut model = VecDeque::new();
            let mut next = 0u8;
            for (writes, len) in steps {
                if writes {
                    let bytes: Vec<u8> = (0..len).map(|at| next.wrapping_add(at as u8)).collect();
                    let room = 256 - model.len();
                    prop_assert_eq!(writer.room(), Ok(room));
                    let count = writer.write_slice(&bytes).unwrap().count;
                    prop_assert_eq!(count, len.min(room));
                    model.extend(&bytes[..count]);
                    next = next.wrapping_add(count as u8);
                } else {
                    let mut bytes = vec![0; len];
                    let count = reader.read_slice(&mut bytes).unwrap().count;
                    prop_assert_eq!(count, len.min(model.len()));
                    let expected: Vec<u8> = model.drain(..count).collect();
                    prop_assert_eq!(&bytes[..count], &expected[..]);
                }
            }
        }

        /// Whatever the other side writes where it can, nothing is read or written elsewhere.
        #[test]
        fn no_index_of_the_other_side_is_believed(index in prop_oneof![any::<u64>(), 0u64..150], sleeping in any::<u32>(), ended in any::<u32>()) {
            let (writer, reader) = pipe(64);
            writer.write_slice(b"before").unwrap();
            for side in [&writer.memory.control().writer, &writer.memory.control().reader] {
                side.scribble(index, sleeping, ended);
            }
            let fits = |distance: u64| distance <= 64;
            prop_assert_eq!(reader.available().is_ok(), fits(index));
            prop_assert_eq!(writer.room().is_ok(), fits(6u64.wrapping_sub(index)));
            let mut bytes = [0; 100];
            prop_assert!(reader.read_slice(&mut bytes).is_ok_and(|read| read.count <= 64) || !fits(index));
            prop_assert!(writer.write_slice(&bytes).map_or(true, |written| written.count <= 64));
            let _ = (reader.ended(), writer.end(End::Broken));
        }
    }

    #[test]
    fn much_that_goes_past_the_caches_comes_out_as_it_went_in() {
        let bytes: Vec<u8> = (0..3 * BULK_BYTES + 77).map(|at| (at % 251) as u8).collect();
        let region = Region::allocated(bytes.len()).unwrap();
        region.extent(..).write(0, &bytes);
        let (writer, reader) = pipe(2 * BULK_BYTES);
        writer.set_apart_from(BULK_BYTES);
        let (mut rest, mut received) = (region.extent(..).segment(), Vec::new());
        while received.len() < bytes.len() {
            let written = writer.write(std::slice::from_ref(&rest)).unwrap().count;
            rest = rest.slice(written..);
            // The next bulk begins elsewhere in the memory.
            let mut part = vec![0; BULK_BYTES + 1001];
            let count = reader.read_slice(&mut part).unwrap().count;
            received.extend_from_slice(&part[..count]);
        }
        assert!(received == bytes);
    }

    #[test]
    fn a_list_of_short_and_long_past_the_caches_comes_out_as_it_went_in() {
        let lens = [
            16,
            APART_BYTES_MIN - 1,
            APART_BYTES_MIN,
            3001,
            70,
            BULK_BYTES,
            2048,
        ];
        let bytes: Vec<u8> = (0..lens.iter().sum()).map(|at| (at % 251) as u8).collect();
        let region = Region::allocated(bytes.len()).unwrap();
        region.extent(..).write(0, &bytes);
        let whole = region.extent(..).segment();
        let mut end = 0;
        let segments = lens.map(|len| {
            end += len;
            whole.slice(end - len..end)
        });
        assert!(is_much(&segments) && !is_much(&segments[..5]));
        let (writer, reader) = pipe(2 * BULK_BYTES);
        writer.set_apart_from(BULK_BYTES);
        for _ in 0..5 {
            assert_eq!(writer.write(&segments).unwrap().count, bytes.len());
            // The next list begins elsewhere in the memory.
            let mut received = vec![0; bytes.len()];
            assert_eq!(reader.read_slice(&mut received).unwrap().count, bytes.len());
            assert!(received == bytes);
        }
    }

    #[test]
    fn only_a_line_that_came_from_the_reader_has_a_time() {
        let (writer, reader) = pipe(4096);
        let (start, ticks) = (Instant::now(), Cell::new(0));
        let clock = || start + Duration::from_nanos(60 * ticks.replace(ticks.get() + 1));
        assert_eq!(writer.line_time(clock), None);
        writer.write_slice(b"bytes").unwrap();
        assert_eq!(writer.line_time(clock), None);
        reader.read_slice(&mut [0; 5]).unwrap();
        assert_eq!(writer.line_time(clock), Some(Duration::from_nanos(60)));
        assert_eq!(writer.line_time(clock), None);
        assert_eq!(writer.room(), Ok(4096));
    }

    #[test]
    fn who_asks_is_woken_once() {
        let (writer, reader) = pipe(64);
        assert!(!writer.write_slice(b"nobody sleeps").unwrap().wake);
        reader.ask_to_be_woken();
        assert!(writer.write_slice(b"1").unwrap().wake);
        assert!(!writer.write_slice(b"2").unwrap().wake);
        writer.write_slice(&[0; 64]).unwrap();
        writer.ask_to_be_woken();
        assert!(reader.read_slice(&mut [0; 10]).unwrap().wake);
        assert!(!reader.read_slice(&mut [0; 10]).unwrap().wake);
        reader.ask_to_be_woken();
        assert!(writer.end(End::Finished));
    }

    #[test]
    fn both_ways_the_ends_meet() {
        let capacities = Capacities {
            to_client: 4096,
            to_server: 8192,
        };
        let memory = Region::memfd("pipes", capacities.len_bytes(), HugePages::Never).unwrap();
        let (client, server) = (capacities.client_ends(&memory), capacities.server_ends(&memory));
        assert_eq!((client.0.capacity(), server.0.capacity()), (8192, 4096));
        client.0.write_slice(b"request").unwrap();
        server.0.write_slice(b"an answer").unwrap();
        let mut bytes = [0; 64];
        assert_eq!(server.1.read_slice(&mut bytes).unwrap().count, 7);
        assert_eq!(&bytes[..7], b"request");
        assert_eq!(client.1.read_slice(&mut bytes).unwrap().count, 9);
        assert_eq!(&bytes[..9], b"an answer");
    }

    #[test]
    fn the_first_end_counts() {
        let (writer, reader) = pipe(64);
        assert_eq!(reader.ended(), None);
        writer.end(End::Finished);
        writer.end(End::Broken);
        assert_eq!(reader.ended(), Some(End::Finished));
    }

    #[test]
    fn two_threads_pass_much_through_little() {
        let region = Region::memfd("pipe", len_bytes(4096), HugePages::Never).unwrap();
        let fd = region.as_fd().unwrap().try_clone_to_owned().unwrap();
        const COUNT: u64 = 200_000;
        let thread = std::thread::spawn(move || {
            let writer = Writer::new(Region::map(fd, len_bytes(4096)).unwrap().extent(..));
            for number in 0..COUNT {
                let bytes = number.to_le_bytes();
                let mut sent = 0;
                while sent < 8 {
                    sent += writer.write_slice(&bytes[sent..]).unwrap().count;
                    std::thread::yield_now();
                }
            }
            writer.end(End::Finished);
        });
        let reader = Reader::new(region.extent(..));
        let mut received = Vec::new();
        loop {
            let ended = reader.ended();
            let mut bytes = [0; 1000];
            let count = reader.read_slice(&mut bytes).unwrap().count;
            received.extend_from_slice(&bytes[..count]);
            if count == 0 && ended.is_some() {
                break;
            }
            std::thread::yield_now();
        }
        thread.join().unwrap();
        let (numbers, rest) = received.as_chunks::<8>();
        assert!(rest.is_empty());
        assert!(
            numbers
                .iter()
                .map(|bytes| u64::from_le_bytes(*bytes))
                .eq(0..COUNT)
        );
    }
}
