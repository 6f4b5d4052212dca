//! The epoll set, and the eventfd in it by which other threads end a sleep.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};

use crate::driver::{Event, Token};
use crate::error::Error;
use crate::executor::Alarm;

/// Events taken at once.
const EVENTS_MAX: usize = 256;

/// The eventfd's own number; no token reaches it, since the slab would need 2^32 ports.
const ALARM: u64 = u64::MAX;

pub(crate) struct Poller {
    epoll: OwnedFd,
    /// What devices know without the kernel.
    reported: RefCell<Vec<Event>>,
    alarm: Arc<OwnedFd>,
    raw_events: RefCell<Vec<epoll::Event>>,
}

impl Poller {
    pub(super) fn new() -> io::Result<Poller> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let alarm = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            &epoll,
            &alarm,
            epoll::EventData::new_u64(ALARM),
            epoll::EventFlags::IN,
        )?;
        Ok(Poller {
            epoll,
            reported: RefCell::new(Vec::new()),
            alarm: Arc::new(alarm),
            raw_events: RefCell::new(Vec::with_capacity(EVENTS_MAX)),
        })
    }

    pub(super) fn alarm(&self) -> Alarm {
        let alarm = self.alarm.clone();
        Arc::new(move || {
            // It fails only when the count is full, and then the sleeper is awake.
            let _ = rustix::io::write(&*alarm, &1u64.to_ne_bytes());
        })
    }

    /// Reports changes of `socket` under `token` until it is closed.
    pub(super) fn add(&self, socket: impl AsFd, token: Token) -> Result<(), Error> {
        let flags =
            epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::RDHUP | epoll::EventFlags::ET;
        Ok(epoll::add(
            &self.epoll,
            socket,
            epoll::EventData::new_u64(token.0),
            flags,
        )?)
    }

    /// Reports no more of `socket`.
    pub(crate) fn remove(&self, socket: impl AsFd) -> Result<(), Error> {
        Ok(epoll::delete(&self.epoll, socket)?)
    }

    /// Adds an event to what the next wait finds.
    pub(crate) fn report(&self, event: Event) {
        self.reported.borrow_mut().push(event);
    }

    /// Adds what there is; waits for it up to `timeout`, for ever if `None`.
    pub(super) fn wait(&self, timeout: Option<Duration>, events: &mut Vec<Event>) {
        let mut reported = self.reported.borrow_mut();
        let timeout = if reported.is_empty() {
            timeout
        } else {
            Some(Duration::ZERO)
        };
        events.append(&mut reported);
        drop(reported);
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().min(1 << 40) as i64,
            tv_nsec: i64::from(timeout.subsec_nanos()),
        });
        let mut raw_events = self.raw_events.borrow_mut();
        raw_events.clear();
        let spare = rustix::buffer::spare_capacity(&mut raw_events);
        // An interrupted wait is one that ended early.
        if epoll::wait(&self.epoll, spare, timeout.as_ref()).is_err() {
            return;
        }
        for raw in raw_events.iter() {
            match raw.data.u64() {
                ALARM => self.silence(),
                token => events.push(translate(Token(token), raw.flags)),
            }
        }
    }

    fn silence(&self) {
        let mut count = [0; 8];
        // It fails only when another wait has read it.
        let _ = rustix::io::read(&*self.alarm, &mut count);
    }
}

fn translate(token: Token, flags: epoll::EventFlags) -> Event {
    let hung_up = epoll::EventFlags::RDHUP | epoll::EventFlags::HUP | epoll::EventFlags::ERR;
    Event {
        token,
        readable: flags.contains(epoll::EventFlags::IN),
        writable: flags.contains(epoll::EventFlags::OUT),
        hung_up: flags.intersects(hung_up),
    }
}
