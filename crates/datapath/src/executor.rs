//! Tasks of one thread, run in the order in which they were woken.
//!
//! A task is an `async-task` cell. Waking it on its own thread puts it at the end of a plain queue; waking it
//! from another thread puts it into a locked inbox and, only if the owner sleeps, makes a system call.

use std::cell::{Cell, RefCell, UnsafeCell};
use std::collections::VecDeque;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use async_task::{Runnable, Task};

use crate::slab::{Key, Slab};

/// Wakes the owner out of its sleep; called from other threads.
pub type Alarm = Arc<dyn Fn() + Send + Sync>;

/// Runs this many tasks at most before devices and timers are looked at again, so that tasks
/// that wake each other for ever starve nobody.
const RUNS_MAX: usize = 256;

pub(crate) struct Executor {
    shared: Arc<Shared>,
    tasks: Rc<RefCell<Slab<Waker>>>,
}

/// What wakers on any thread reach.
pub(crate) struct Shared {
    owner: ThreadNumber,
    local: UnsafeCell<VecDeque<Runnable>>,
    inbox: Mutex<Inbox>,
    /// Something came from another thread since the owner last looked.
    called: AtomicBool,
    /// The owner is in, or about to enter, a sleep that only the alarm ends.
    sleeping: AtomicBool,
    alarm: Alarm,
}

struct Inbox {
    closed: bool,
    runnables: Vec<Runnable>,
}

// SAFETY: `local` is touched only by the thread whose number is `owner` (`Shared::local` checks);
// everything else in here is Sync by itself.
unsafe impl Sync for Shared {}
// SAFETY: as above. When the last reference goes on another thread `local` is empty, because
// `Executor::drop` emptied it on the owner's thread and nothing enters it after that.
unsafe impl Send for Shared {}

impl Executor {
    pub(crate) fn new(alarm: Alarm) -> Executor {
        let shared = Shared {
            owner: ThreadNumber::current(),
            local: UnsafeCell::new(VecDeque::with_capacity(64)),
            inbox: Mutex::new(Inbox {
                closed: false,
                runnables: Vec::new(),
            }),
            called: AtomicBool::new(false),
            sleeping: AtomicBool::new(false),
            alarm,
        };
        Executor {
            shared: Arc::new(shared),
            tasks: Rc::new(RefCell::new(Slab::new())),
        }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        let key = self.tasks.borrow_mut().insert(Waker::noop().clone());
        let future = Tracked {
            future,
            _entry: Entry {
                key,
                tasks: self.tasks.clone(),
            },
        };
        let shared = self.shared.clone();
        let schedule = move |runnable| shared.schedule(runnable);
        // SAFETY: the future may be !Send, so its Runnable must stay on this thread: `schedule` hands it
        // only to the owner, or leaks it once the owner is gone. Future and closure are 'static; the closure
        // holds an Arc of a Send + Sync type, so it is Send + Sync.
        let (runnable, task) = unsafe { async_task::spawn_unchecked(future, schedule) };
        if let Some(entry) = self.tasks.borrow_mut().get_mut(key) {
            *entry = runnable.waker();
        }
        runnable.schedule();
        task
    }

    /// How many tasks have not ended.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.borrow().len()
    }

    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        self.shared.with_local(|local| local.is_empty())
    }

    /// Runs what is ready, until something more urgent is; true if anything was ready.
    #[inline]
    pub(crate) fn run_ready(&self, is_urgent: impl Fn() -> bool) -> bool {
        for count in 0..RUNS_MAX {
            let Some(runnable) = self.shared.with_local(VecDeque::pop_front) else {
                return count > 0;
            };
            runnable.run();
            if is_urgent() {
                break;
            }
        }
        true
    }

    /// Moves what other threads woke into the ready queue; true if another thread called.
    #[inline]
    pub(crate) fn take_remote(&self) -> bool {
        if !self.shared.called.load(Ordering::Relaxed) {
            return false;
        }
        self.take_inbox()
    }

    #[cold]
    fn take_inbox(&self) -> bool {
        self.shared.called.store(false, Ordering::SeqCst);
        let arrived = mem::take(&mut self.shared.inbox().runnables);
        self.shared.with_local(|local| local.extend(arrived));
        true
    }

    /// Announces a sleep. False if another thread has called meanwhile, then there is none.
    pub(crate) fn fall_asleep(&self) -> bool {
        self.shared.sleeping.store(true, Ordering::SeqCst);
        if self.shared.called.load(Ordering::SeqCst) {
            self.wake_up();
            return false;
        }
        true
    }

    pub(crate) fn wake_up(&self) {
        self.shared.sleeping.store(false, Ordering::Relaxed);
    }

    /// Drops every task that has not ended.
    pub(crate) fn clear(&self) {
        loop {
            let wakers = self.tasks.borrow_mut().drain();
            for waker in wakers {
                waker.wake();
            }
            self.take_inbox();
            // A dropped future may wake others, so the queue is not borrowed while one is dropped.
            while let Some(runnable) = self.shared.with_local(VecDeque::pop_front) {
                drop(runnable);
            }
            if self.tasks.borrow().len() == 0 {
                return;
            }
        }
    }
}

impl Drop for Executor {
    fn drop(&mut self) {
        self.clear();
        let left = {
            let mut inbox = self.shared.inbox();
            inbox.closed = true;
            mem::take(&mut inbox.runnables)
        };
        drop(left);
        while let Some(runnable) = self.shared.with_local(VecDeque::pop_front) {
            drop(runnable);
        }
    }
}

impl Shared {
    #[inline]
    pub(crate) fn is_owner(&self) -> bool {
        self.owner == ThreadNumber::current()
    }

    /// `use_queue` must neither run nor drop a task: that could come back here.
    #[inline]
    fn with_local<R>(&self, use_queue: impl FnOnce(&mut VecDeque<Runnable>) -> R) -> R {
        assert!(
            self.is_owner(),
            "only the owner's thread may touch its ready queue"
        );
        // SAFETY: only the owner's thread gets here, and no closure passed in comes back here,
        // so this is the only reference.
        let local = unsafe { &mut *self.local.get() };
        use_queue(local)
    }

    #[inline]
    fn schedule(&self, runnable: Runnable) {
        if self.is_owner() {
            self.with_local(|local| local.push_back(runnable));
        } else {
            self.schedule_remote(runnable);
        }
    }

    #[cold]
    fn schedule_remote(&self, runnable: Runnable) {
        let mut inbox = self.inbox();
        if inbox.closed {
            // Its future must not be dropped on this thread, and its own thread runs no more.
            mem::forget(runnable);
            return;
        }
        inbox.runnables.push(runnable);
        drop(inbox);
        self.call();
    }

    /// Makes the owner take another turn, from any thread.
    pub(crate) fn call(&self) {
        self.called.store(true, Ordering::SeqCst);
        if self.sleeping.load(Ordering::SeqCst) {
            (self.alarm)();
        }
    }

    fn inbox(&self) -> std::sync::MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the future that `block_on` drives.
pub(crate) struct MainWaker {
    woken: AtomicBool,
    shared: Arc<Shared>,
}

impl MainWaker {
    pub(crate) fn new(shared: Arc<Shared>) -> MainWaker {
        MainWaker {
            woken: AtomicBool::new(true),
            shared,
        }
    }

    /// Woken, as a new one is: the future has to be polled once.
    pub(crate) fn arm(&self) {
        self.woken.store(true, Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn take_woken(&self) -> bool {
        // Two steps instead of one locked exchange: a wake between them is before the poll that follows,
        // which sees its cause.
        self.is_woken() && {
            self.woken.store(false, Ordering::Relaxed);
            std::sync::atomic::fence(Ordering::Acquire);
            true
        }
    }
}

impl Wake for MainWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    #[inline]
    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        if !self.shared.is_owner() {
            self.shared.call();
        }
    }
}

/// A task's future, which strikes itself off the list of tasks when it goes.
struct Tracked<F> {
    future: F,
    _entry: Entry,
}

struct Entry {
    key: Key,
    tasks: Rc<RefCell<Slab<Waker>>>,
}

impl<F: Future> Future for Tracked<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: `future` is pinned with `self`: nothing moves it out, and Tracked has no Drop of its own.
        let future = unsafe { self.map_unchecked_mut(|tracked| &mut tracked.future) };
        future.poll(context)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let waker = self.tasks.borrow_mut().remove(self.key);
        drop(waker);
    }
}

/// Tells threads apart in a few instructions. Never given twice.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ThreadNumber(u64);

impl ThreadNumber {
    #[inline]
    fn current() -> ThreadNumber {
        thread_local!(static NUMBER: Cell<u64> = const { Cell::new(0) });
        let number = NUMBER.get();
        if number != 0 {
            return ThreadNumber(number);
        }
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NUMBER.set(NEXT.fetch_add(1, Ordering::Relaxed));
        ThreadNumber(NUMBER.get())
    }
}
