//! One-sided memory: what a server lets its clients read, and perhaps write, by themselves.

use std::any::Any;
use std::fmt;
use std::ops::Range;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_mem::{Pinned, Region, Window};
use rustix::event::{PollFd, PollFlags, Timespec};

use crate::kernel::SocketStream;
use crate::runtime::Runtime;

/// Regions that one listener shares, at most.
pub(crate) const SHARED_MAX: usize = 4;

/// A pause is one of so many lengths, each half of that before it.
const STEP_SCALES: u64 = 6;

/// A region that a server shares, and what its clients may do with it.
#[derive(Clone, Debug)]
pub struct Shared {
    region: Rc<Region>,
    is_writable: bool,
}

impl Shared {
    /// To be read. Through shared memory it must be a memfd that was closed ([`Region::close_file`]).
    pub fn to_read(region: &Rc<Region>) -> Shared {
        Shared {
            region: region.clone(),
            is_writable: false,
        }
    }

    /// To be read and written. Through shared memory it must be a memfd that was left open ([`Region::open_file`]).
    pub fn to_write(region: &Rc<Region>) -> Shared {
        Shared {
            region: region.clone(),
            is_writable: true,
        }
    }

    /// The region.
    pub fn region(&self) -> &Rc<Region> {
        &self.region
    }

    /// Whether it may be written.
    pub fn is_writable(&self) -> bool {
        self.is_writable
    }

    /// As who is in this process sees it.
    fn window(&self) -> Rc<Window> {
        match self.is_writable {
            true => Window::writable_of(&self.region),
            false => Window::of(&self.region),
        }
    }
}

/// The regions that the server at the other end of a stream shares, as it gave them to
/// [`Listener::share`](crate::Listener::share). They stay readable for as long as this is kept, also when the server has gone.
///
/// The server knows nothing of a read, and writes when it likes: how a reader finds out that what it copied is whole is between
/// the two. So is where a client may write, in regions that are shared for that; but who writes keeps a [`Hold`] meanwhile.
#[derive(Clone)]
pub struct Memory {
    windows: Rc<[Rc<Window>]>,
    step_max: Option<Duration>,
    /// What the stream has, and a hold keeps.
    tie: Option<Weak<dyn Any>>,
}

impl Memory {
    pub(crate) fn new(windows: Vec<Rc<Window>>) -> Memory {
        Memory {
            windows: windows.into(),
            step_max: None,
            tie: None,
        }
    }

    /// Regions of this process.
    pub(crate) fn of_shared(shared: &[Shared]) -> Memory {
        Memory::new(shared.iter().map(Shared::window).collect())
    }

    /// The same, with holds on what the stream has.
    pub(crate) fn tied_to(self, tie: Weak<dyn Any>) -> Memory {
        Memory {
            tie: Some(tie),
            ..self
        }
    }

    /// To be had before the server is asked where to write, and kept until nothing is written any more; `None` if the stream that this
    /// memory came over has ended at this side, and nobody has another.
    pub fn hold(&self) -> Option<Hold> {
        self.tie.as_ref()?.upgrade().map(|tie| Hold { _tie: tie })
    }

    /// The same in a simulation, where others may act between any two steps of a read.
    pub(crate) fn stepwise(self, step_max: Duration) -> Memory {
        Memory {
            step_max: Some(step_max),
            ..self
        }
    }

    /// A region, by its place in the list that the server shares.
    #[inline]
    pub fn window(&self, key: usize) -> Option<&Rc<Window>> {
        self.windows.get(key)
    }

    /// Bytes of a region in place. To be used for what the server has been asked to leave as it is, and has agreed to, for as long
    /// as they are looked at; `None` if there is no such range.
    ///
    /// How it is asked is between the two. A server, and whoever else may write there, is a process of this very user, or this process itself: one that does not keep
    /// to what it promised can do worse than to change these bytes.
    pub fn pinned(&self, key: usize, range: Range<usize>) -> Option<Pinned> {
        let window = self.window(key)?;
        let is_inside = range.start <= range.end && range.end <= window.len_bytes();
        // SAFETY: the server has promised to let these bytes stand still, as the caller was told to have it do; that it keeps its promise is
        // the premise under which a process shares memory with another of its user.
        is_inside.then(|| unsafe { window.pinned(range) })
    }

    /// How long a step of an access may take at most, as long as others see it. `None`: an access takes its time in this thread,
    /// and others act meanwhile as they do.
    ///
    /// In a simulation nothing else runs while a thread copies. So that what can happen between two loads or stores of a real processor
    /// can happen there, who reads or writes waits up to this long between them.
    #[inline]
    pub fn step_max(&self) -> Option<Duration> {
        self.step_max
    }

    /// Waits between two steps of an access, for a short while or a long one, where others act only then.
    pub async fn pause(&self, runtime: &Runtime) {
        if let Some(step_max) = self.step_max {
            let nanos = (step_max.as_nanos() as u64) >> (runtime.random() % STEP_SCALES);
            runtime.sleep(Duration::from_nanos(nanos)).await;
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.windows.iter()).finish()
    }
}

/// That this process may be writing to memory that a server shares. As long as it exists the server can see that
/// ([`Held::is_over`]), also when the stream is closed.
pub struct Hold {
    _tie: Rc<dyn Any>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hold")
    }
}

/// What a server sees of the [`Hold`]s at the other end of a stream, also after it has closed its own: over a socket that was closed no byte
/// arrives any more, but who has mapped memory may go on to write it.
#[derive(Clone)]
pub struct Held {
    by: By,
}

#[derive(Clone)]
enum By {
    /// Somebody in this process.
    Neighbour(Weak<dyn Any>),
    /// A process, which has this socket's other end for as long.
    Process(Rc<SocketStream>),
}

impl Held {
    pub(crate) fn by_neighbour(tie: Weak<dyn Any>) -> Held {
        Held {
            by: By::Neighbour(tie),
        }
    }

    pub(crate) fn by_process(socket: &Rc<SocketStream>) -> Held {
        Held {
            by: By::Process(socket.clone()),
        }
    }

    /// Whether the other side has closed its end and has no hold on the memory any more, or is dead. Then it writes nothing
    /// any more. A system call if it is a process.
    ///
    /// A process has a socket open until all its threads have ended: the kernel closes it after the last of them has left for good, and no
    /// instruction of the process runs after that (`docs/format/shm.md`).
    pub fn is_over(&self) -> bool {
        match &self.by {
            By::Neighbour(tie) => tie.strong_count() == 0,
            By::Process(socket) => has_hung_up(socket),
        }
    }
}

fn has_hung_up(socket: &SocketStream) -> bool {
    let socket = socket.as_fd();
    let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::empty())];
    let at_once = Timespec::default();
    // When the call fails nothing is known.
    rustix::event::poll(&mut polled, Some(&at_once)).is_ok() && polled[0].revents().contains(PollFlags::HUP)
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("is_over", &self.is_over()).finish()
    }
}
