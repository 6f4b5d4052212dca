//! What a runtime needs from the world: the seam between queues and devices.
//!
//! A [`Driver`] is non-blocking throughout. The runtime orders, gathers, times out and cancels operations; a
//! device
//! only moves bytes when asked, says [`Poll::Pending`] when it cannot, and then reports an
//! [`Event`] with its token once that may have changed. Reporting too often is harmless, not
//! reporting is a hang.

use std::marker::PhantomData;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crake_mem::{Buf, Extent, Pool, Segment};

use crate::address::Address;
use crate::error::Error;
use crate::executor::Alarm;
use crate::files::Files;
use crate::kept::KeptMemory;
use crate::memory::{Held, Memory, Shared};
use crate::slab::Key;
use crate::time::{Time, WallTime};

/// The world behind a [`Runtime`](crate::Runtime): its clocks and its network.
pub trait Driver {
    /// The clock, exact. Never goes back.
    fn now(&self) -> Time;

    /// The same as cheaply as it can be had: up to 10 ms ago.
    fn now_coarse(&self) -> Time {
        self.now()
    }

    /// The time of day.
    fn wall(&self) -> WallTime;

    /// Adds what devices have to report, without waiting. A driver whose look costs much may leave it out as
    /// far as
    /// `attention` lets it.
    fn poll(&self, now: Time, attention: Attention, events: &mut Vec<Event>);

    /// Waits until a device has something to report, the alarm rings, or `until` has come.
    /// `None` is for ever. May return early.
    fn park(&self, until: Option<Time>, events: &mut Vec<Event>);

    /// Ends a `park` from another thread.
    fn alarm(&self) -> Alarm;

    /// Listens. The returned device is then told its token.
    fn listen(&self, address: &Address) -> Result<Box<dyn ListenerDevice>, Error>;

    /// Starts to connect; [`StreamDevice::connected`] says how it went.
    fn connect(&self, address: &Address) -> Result<Box<dyn StreamDevice>, Error>;

    /// The files of a directory, which nobody else has meanwhile.
    fn files(&self, _directory: &Path) -> Result<Arc<dyn Files>, Error> {
        Err(Error::Invalid("there are no files here"))
    }

    /// The memory of a directory, which nobody else has meanwhile.
    fn kept_memory(&self, _directory: &Path) -> Result<Rc<dyn KeptMemory>, Error> {
        Err(Error::Invalid("no memory is kept here"))
    }

    /// Lets time pass.
    fn pause(&self, _duration: Duration) {}

    /// After how long work beside the loop is done where there is but one thread; `None`: it has a thread of its own.
    fn background_delay(&self) -> Option<Duration> {
        None
    }
}

/// How much depends on a look at all devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// Everything: the runtime has no other way to learn of anything.
    Full,
    /// The runtime asks some devices directly, as [`StreamDevice::is_polled`] allows, and just now they had
    /// nothing.
    Spinning,
    /// The same, and they keep it busy.
    Busy,
}

/// Names a device of a runtime in its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u64);

impl From<Key> for Token {
    fn from(key: Key) -> Token {
        Token(key.to_u64())
    }
}

impl From<Token> for Key {
    fn from(token: Token) -> Key {
        Key::from_u64(token.0)
    }
}

/// That a device may do now what it could not before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The device.
    pub token: Token,
    /// `receive` or `accept` may give something.
    pub readable: bool,
    /// `send` or `connected` may get on.
    pub writable: bool,
    /// The peer is gone or has finished sending: there is an end or an error to be received.
    pub hung_up: bool,
}

impl Event {
    /// Something arrived.
    pub fn readable(token: Token) -> Event {
        Event {
            token,
            readable: true,
            writable: false,
            hung_up: false,
        }
    }

    /// Room to send.
    pub fn writable(token: Token) -> Event {
        Event {
            token,
            readable: false,
            writable: true,
            hung_up: false,
        }
    }
}

/// The process at the other end of a Unix socket, when it connected or listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerProcess {
    /// Process id.
    pub pid: i32,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// One end of an ordered stream of bytes. Dropping it closes it.
pub trait StreamDevice {
    /// From now on events for this device carry `token`. Called once, before everything else.
    fn attach(&self, token: Token) -> Result<(), Error>;

    /// Whether the connection stands. Accepted devices always do.
    fn connected(&self) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    /// After how long `connected` must be asked again although no event came; `None` is never.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// Takes bytes from the front of `segments` (never empty in all) and says how many: at least
    /// one. A device that passes memory on keeps clones of the segments.
    fn send(&self, segments: &[Segment]) -> Poll<Result<usize, Error>>;

    /// The same for bytes that the device copies. Never for one that passes memory on.
    fn send_copied(&self, _bytes: &[u8]) -> Poll<Result<usize, Error>> {
        Poll::Pending
    }

    /// What has arrived, in a buffer that is taken from `pool` only when there is something;
    /// an empty one when the peer has finished. `Exhausted` if the pool has none. A device that copies takes at most
    /// `bytes_max`; one that passes memory on may give more.
    fn receive(&self, pool: &Pool, bytes_max: usize) -> Poll<Result<Buf, Error>>;

    /// Fills the front of `target` (never empty) and says with how many bytes: zero when the
    /// peer has finished.
    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>>;

    /// No more will be sent. Called once, with nothing left to send.
    fn finish(&self) -> Result<(), Error>;

    /// It is about to be dropped, and segments that it keeps clones of are to be given up: what the other
    /// end has not
    /// received yet does not arrive.
    fn abort(&self) {}

    /// Whether asking is as cheap as waiting for an event: the runtime then calls `receive`, and `send` if
    /// it was blocked, of
    /// such devices in each turn while they are active.
    fn is_polled(&self) -> bool {
        false
    }

    /// Whether a receive that was given less than it had room for has found all that there is, and will be told of more.
    fn short_means_empty(&self) -> bool {
        false
    }

    /// Whether events are needed. While a polled device is asked in each turn they only cost: then this is
    /// called with `false`. Called with `true` again, it reports at once what it had not.
    fn watch(&self, _wanted: bool) -> Result<(), Error> {
        Ok(())
    }

    /// The address of this end.
    fn local_address(&self) -> Result<Address, Error>;

    /// The address of the other end.
    fn peer_address(&self) -> Result<Address, Error>;

    /// The memory that the listener at the other end shares, if this end has been given it.
    fn memory(&self) -> Option<Memory> {
        None
    }

    /// What the other end still has of memory that this end's listener shares for writing; nothing if it was given none.
    fn held(&self) -> Option<Held> {
        None
    }

    /// The process at the other end, where the system knows.
    fn peer_process(&self) -> Result<PeerProcess, Error> {
        Err(Error::Invalid("only Unix sockets know the process of their peer"))
    }
}

/// A place where streams arrive. Dropping it stops listening.
pub trait ListenerDevice {
    /// From now on events for this device carry `token`. Called once, before everything else.
    fn attach(&self, token: Token) -> Result<(), Error>;

    /// The next stream. `Exhausted` makes the runtime try again a little later.
    fn accept(&self) -> Poll<Result<Box<dyn StreamDevice>, Error>>;

    /// Lets all that connect from now on use these regions; false if there is no way to them from where they connect.
    fn share(&self, _regions: &[Shared]) -> bool {
        false
    }

    /// The address, with the port that was chosen if port 0 was asked for.
    fn local_address(&self) -> Result<Address, Error>;
}

/// Memory to receive into.
pub struct Target<'a> {
    start: *mut u8,
    len_bytes: usize,
    memory: PhantomData<&'a mut [u8]>,
}

impl<'a> Target<'a> {
    /// The memory of an extent.
    pub fn extent(extent: &'a Extent) -> Target<'a> {
        Target {
            start: extent.as_mut_ptr(),
            len_bytes: extent.len(),
            memory: PhantomData,
        }
    }

    /// Plain memory.
    pub fn slice(slice: &'a mut [u8]) -> Target<'a> {
        Target {
            start: slice.as_mut_ptr(),
            len_bytes: slice.len(),
            memory: PhantomData,
        }
    }

    /// How much fits.
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether nothing fits.
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// Writes as much of `bytes` as fits to the front, leaves the rest of the memory as the
    /// target, and says how much it wrote.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        // SAFETY: the slice is readable for its length.
        unsafe { self.copy(bytes.as_ptr(), bytes.len()) }
    }

    /// The same with the bytes of a segment.
    pub fn write_segment(&mut self, segment: &Segment) -> usize {
        // SAFETY: a segment is readable for its length.
        unsafe { self.copy(segment.as_ptr(), segment.len()) }
    }

    /// # Safety
    ///
    /// `bytes` is readable for `len_bytes`.
    unsafe fn copy(&mut self, bytes: *const u8, len_bytes: usize) -> usize {
        let count = len_bytes.min(self.len_bytes);
        // SAFETY: `count` bytes are readable at `bytes`, as the caller promises, and writable at
        // `start`, which is valid for 'a. Extents are shared memory, so the two may overlap.
        unsafe { std::ptr::copy(bytes, self.start, count) };
        // SAFETY: `count` is within the target.
        self.start = unsafe { self.start.add(count) };
        self.len_bytes -= count;
        count
    }

    /// The first byte, for devices that hand it to the system: `len` bytes are writable.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start
    }
}
