//! What a script has in its hands of a connection: the peer's end, places for payloads, and callers that wait.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use crake_datapath::{Op, Stream};
use crake_mem::{Buf, Extent, Region, Sga};

use crate::world::World;

/// The end of a connection that a script has.
pub struct Peer {
    /// None any more after it was closed.
    stream: Option<Stream>,
    pushes: Vec<Op<()>>,
    pop: RefCell<Option<Op<Buf>>>,
    pub is_reading: bool,
    /// Sends nothing any more.
    pub is_finished: bool,
    /// All that was sent, and is to be sent when there is room.
    pub sent: Vec<u8>,
    /// What is sent next, in one piece.
    pub pending: Vec<u8>,
    pub received: Vec<u8>,
    /// The other side has finished, or is gone.
    pub is_over: bool,
}

impl Peer {
    pub fn new(stream: Stream) -> Peer {
        Peer {
            stream: Some(stream),
            pushes: Vec::new(),
            pop: RefCell::default(),
            is_reading: true,
            is_finished: false,
            sent: Vec::new(),
            pending: Vec::new(),
            received: Vec::new(),
            is_over: false,
        }
    }

    /// Sends what is pending, and lets the world turn.
    pub fn cut(&mut self, world: &World) {
        let pending = std::mem::take(&mut self.pending);
        if let Some(stream) = self.stream.as_ref().filter(|_| !self.is_finished)
            && !pending.is_empty()
        {
            self.sent.extend_from_slice(&pending);
            self.pushes.push(stream.push(Sga::from(Buf::from_vec(pending))));
        }
        self.turn(world);
    }

    /// Lets the world turn, and reads what comes.
    pub fn turn(&mut self, world: &World) {
        world.settle();
        while self.is_reading && self.read() {
            world.settle();
        }
    }

    /// Reads what is there; false if nothing is.
    fn read(&mut self) -> bool {
        let Some(stream) = self.stream.as_ref().filter(|_| !self.is_over) else {
            return false;
        };
        let mut pop = self.pop.borrow_mut();
        let received = pop.get_or_insert_with(|| stream.pop()).try_wait();
        let Some(received) = received else { return false };
        *pop = None;
        match received {
            Ok(bytes) if !bytes.is_empty() => self.received.extend_from_slice(&bytes),
            _ => self.is_over = true,
        }
        true
    }

    pub fn finish(&mut self, world: &World) {
        self.cut(world);
        if let Some(stream) = &self.stream {
            let _ = stream.finish();
        }
        self.is_finished = true;
        self.turn(world);
    }

    pub fn close(&mut self) {
        self.pop.take();
        self.pushes.clear();
        self.stream = None;
    }

    pub fn is_closed(&self) -> bool {
        self.stream.is_none()
    }
}

/// A place, and something on both sides of it that nobody may write to.
pub struct Guarded {
    region: Rc<Region>,
    len: usize,
}

const GUARD_BYTES: usize = 32;
const GUARD: u8 = 0xee;

impl Guarded {
    pub fn new(len: usize) -> Guarded {
        let region = Region::allocated(len + 2 * GUARD_BYTES).unwrap();
        region.extent(..).fill(.., GUARD);
        Guarded { region, len }
    }

    pub fn extent(&self) -> Extent {
        self.region.extent(GUARD_BYTES..GUARD_BYTES + self.len)
    }

    pub fn assert_whole(&self) {
        let bytes = self.region.extent(..).to_vec();
        let sides = [&bytes[..GUARD_BYTES], &bytes[GUARD_BYTES + self.len..]];
        let is_whole = sides.concat().iter().all(|&byte| byte == GUARD);
        assert!(is_whole, "something was written outside of the place");
    }
}

/// Who waits for something, and looks again only when woken.
pub struct Waiter {
    woken: Arc<Woken>,
    waker: Waker,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Waiter {
    pub fn new() -> Waiter {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        Waiter {
            waker: Waker::from(woken.clone()),
            woken,
        }
    }

    /// Whether there is reason to look.
    pub fn take_woken(&self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed)
    }

    pub fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Looks again in any case.
    pub fn look(&self) {
        self.woken.0.store(true, Ordering::Relaxed);
    }

    pub fn waker(&self) -> &Waker {
        &self.waker
    }
}
