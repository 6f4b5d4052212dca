//! TCP and Unix sockets of the Linux kernel, and the epoll set by which everything of this machine wakes a runtime.
//!
//! Sockets do not block. While a stream is active the runtime receives from it directly, which costs one system call
//! where epoll would cost two, and soon it leaves the edge-triggered epoll set, in which each arrival costs its sender
//! something; the set is looked at only every few microseconds, for the others. Before the runtime sleeps all are back in the set.

mod files;
mod kept;
mod poller;
mod socket;

use std::cell::Cell;
use std::io;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::ClockId;

use crate::address::Address;
use crate::driver::{Attention, Driver, Event, ListenerDevice, StreamDevice};
use crate::error::Error;
use crate::executor::Alarm;
use crate::files::Files;
use crate::kept::KeptMemory;
use crate::shm::{ShmListener, ShmStream};
use crate::time::{Time, WallTime};

pub(crate) use poller::Poller;
pub(crate) use socket::{SocketListener, SocketStream};

/// How often the epoll set is looked at while streams are asked directly and have nothing: the time that another stream
/// may have to wait.
const LOOK_EVERY: Duration = Duration::from_micros(15);

/// The same while they do have something: then a look delays an answer.
const LOOK_EVERY_BUSY: Duration = Duration::from_micros(50);

pub(crate) struct KernelDriver {
    start: Instant,
    /// The same by the clock that [`Instant`] reads.
    start_ns: u64,
    poller: Rc<Poller>,
    looked_at: Cell<Time>,
}

impl KernelDriver {
    pub(crate) fn new() -> io::Result<KernelDriver> {
        Ok(KernelDriver {
            start: Instant::now(),
            start_ns: nanos_of(ClockId::Monotonic),
            poller: Rc::new(Poller::new()?),
            looked_at: Cell::new(Time(0)),
        })
    }
}

impl Driver for KernelDriver {
    #[inline]
    fn now(&self) -> Time {
        let elapsed = self.start.elapsed();
        Time(elapsed.as_secs() * 1_000_000_000 + u64::from(elapsed.subsec_nanos()))
    }

    #[inline]
    fn now_coarse(&self) -> Time {
        Time(nanos_of(ClockId::MonotonicCoarse).saturating_sub(self.start_ns))
    }

    fn wall(&self) -> WallTime {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        WallTime(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
    }

    #[inline]
    fn poll(&self, now: Time, attention: Attention, events: &mut Vec<Event>) {
        let rest = match attention {
            Attention::Full => Duration::ZERO,
            Attention::Spinning => LOOK_EVERY,
            Attention::Busy => LOOK_EVERY_BUSY,
        };
        if now - self.looked_at.get() < rest {
            return;
        }
        self.looked_at.set(now);
        self.poller.wait(Some(Duration::ZERO), events);
    }

    fn park(&self, until: Option<Time>, events: &mut Vec<Event>) {
        let timeout = until.map(|until| until - self.now());
        self.poller.wait(timeout, events);
    }

    fn alarm(&self) -> Alarm {
        self.poller.alarm()
    }

    fn listen(&self, address: &Address) -> Result<Box<dyn ListenerDevice>, Error> {
        match address {
            Address::Shm(path) => Ok(Box::new(ShmListener::listen(path, &self.poller)?)),
            _ => Ok(Box::new(SocketListener::listen(address, &self.poller)?)),
        }
    }

    fn connect(&self, address: &Address) -> Result<Box<dyn StreamDevice>, Error> {
        match address {
            Address::Shm(path) => Ok(Box::new(ShmStream::connect(path, &self.poller)?)),
            _ => Ok(Box::new(SocketStream::connect(address, &self.poller)?)),
        }
    }

    fn pause(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn files(&self, directory: &Path) -> Result<Arc<dyn Files>, Error> {
        Ok(Arc::new(files::Directory::open(directory)?))
    }

    fn kept_memory(&self, directory: &Path) -> Result<Rc<dyn KeptMemory>, Error> {
        Ok(Rc::new(kept::KeptDirectory::open(directory)?))
    }
}

/// The coarse one is a number that the kernel notes at each tick: a quarter of the time that it takes to read the other.
#[inline]
fn nanos_of(clock: ClockId) -> u64 {
    let time = rustix::time::clock_gettime(clock);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
