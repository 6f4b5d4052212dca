//! One-sided memory: what a server lets its clients read without asking it.

use std::fmt;
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use crake_mem::{Pinned, Region, Window};

use crate::runtime::Runtime;

/// Regions that one listener shares, at most.
pub(crate) const SHARED_MAX: usize = 4;

/// A pause is one of so many lengths, each half of that before it.
const STEP_SCALES: u64 = 6;

/// The regions that the server at the other end of a stream shares, as it gave them to
/// [`Listener::share`](crate::Listener::share). They stay readable for as long as this is kept, also when the server has gone.
///
/// The server knows nothing of a read, and writes when it likes: how a reader finds out that what it copied is whole is between
/// the two.
#[derive(Clone)]
pub struct Memory {
    windows: Rc<[Rc<Window>]>,
    step_max: Option<Duration>,
}

impl Memory {
    pub(crate) fn new(windows: Vec<Rc<Window>>) -> Memory {
        Memory {
            windows: windows.into(),
            step_max: None,
        }
    }

    /// Regions of this process.
    pub(crate) fn of_regions(regions: &[Rc<Region>]) -> Memory {
        Memory::new(regions.iter().map(Window::of).collect())
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
    /// How it is asked is between the two. A server is a process of this very user, or this process itself: one that does not keep
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
    /// In a simulation nothing else runs while a thread copies. So that what can happen between two loads of a real processor
    /// can happen there, a reader waits up to this long between them.
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
