//! The runtime of one thread: tasks, timers, clock and queues in one loop.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_task::Task;
use crake_mem::Pool;

use crate::address::Address;
use crate::driver::Driver;
use crate::error::Error;
use crate::executor::Shared;
use crate::files::Files;
use crate::kept::KeptMemory;
use crate::kernel::KernelDriver;
use crate::listener::Listener;
use crate::op::{Op, Outcome};
use crate::reactor::{Action, Core};
use crate::stream::Stream;
use crate::time::{Time, WallTime};
use crate::timer::TimerId;
use crate::worker::Worker;

/// What a thread does when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Looks again and again for `spin`, then sleeps until something happens. While sleeps turn out to be shorter than
    /// what waking up costs, it spins up to four times as long.
    Adaptive {
        /// How long nothing has to happen before it sleeps.
        spin: Duration,
    },
    /// Never sleeps: least latency, one core in full.
    Busy,
    /// Sleeps at once: least use of the core.
    Sleep,
}

impl Default for Waiting {
    fn default() -> Waiting {
        Waiting::Adaptive {
            spin: Duration::from_micros(50),
        }
    }
}

/// What a [`Runtime`] is made with.
#[derive(Clone, Debug)]
pub struct RuntimeConfig {
    /// What to do when there is nothing to do.
    pub waiting: Waiting,
    /// Where randomness begins; `None` asks the system.
    pub seed: Option<u64>,
    /// Size of a receive buffer.
    pub buffer_bytes: usize,
    /// Room before the bytes of a receive buffer.
    pub headroom_bytes: usize,
    /// The most receive buffers in use at once. When all are, streams wait.
    pub buffers_max: usize,
}

impl Default for RuntimeConfig {
    fn default() -> RuntimeConfig {
        RuntimeConfig {
            waiting: Waiting::default(),
            seed: None,
            buffer_bytes: 64 << 10,
            headroom_bytes: 0,
            buffers_max: 4096,
        }
    }
}

/// The loop of one thread. Clones are the same runtime.
///
/// Tasks run in the order in which they were woken; timers fire in the order of their times;
/// devices are asked in the order in which they reported. With a deterministic [`Driver`] a run repeats
/// exactly.
#[derive(Clone)]
pub struct Runtime {
    core: Rc<Core>,
}

impl Runtime {
    /// A runtime on this machine's kernel: `tcp://`, `unix://` and `local://`.
    pub fn new(config: RuntimeConfig) -> io::Result<Runtime> {
        let seed = match config.seed {
            Some(seed) => seed,
            None => system_seed()?,
        };
        let driver = KernelDriver::new()?;
        Ok(Runtime::with_driver(config, seed, Box::new(driver)))
    }

    /// A runtime on another world; `local://` works in any. The configured seed, if there is one, is
    /// replaced.
    pub fn with_driver(config: RuntimeConfig, seed: u64, driver: Box<dyn Driver>) -> Runtime {
        Runtime {
            core: Rc::new(Core::new(&config, seed, driver)),
        }
    }

    /// Runs a future as a task of this runtime. Dropping the `Task` cancels it; `detach()` lets it run.
    pub fn spawn<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> Task<T> {
        self.core.executor.spawn(future)
    }

    /// Turns the runtime until `future` is done, and waits as the policy says when there is
    /// nothing to do. May be called within a task, which then blocks only itself and its caller.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let core = &self.core;
        let _inside = core.enter();
        let mut future = pin!(future);
        let (main, _main) = core.enter_main();
        let waker = Waker::from(main.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if main.take_woken()
                && let Poll::Ready(result) = future.as_mut().poll(&mut context)
            {
                return result;
            }
            if !self.turn() && !main.is_woken() {
                core.wait(|| main.is_woken());
            }
        }
    }

    /// Runs what is ready, fires timers and asks the devices once; true if anything happened.
    pub fn turn(&self) -> bool {
        self.core.turn()
    }

    /// Does as the waiting policy says after a turn in which nothing happened: returns at once while
    /// spinning, else sleeps
    /// until something happens or a timer is due. For loops that call [`turn`](Runtime::turn) themselves.
    pub fn idle(&self) {
        self.core.wait(|| false);
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Time> {
        self.core.timers.borrow().next()
    }

    /// The time at the start of this turn; outside of turns and of [`block_on`](Runtime::block_on), the
    /// clock's.
    pub fn now(&self) -> Time {
        if self.core.inside.get() == 0 {
            self.now_exact()
        } else {
            self.core.now.get()
        }
    }

    /// The time, read from the clock.
    pub fn now_exact(&self) -> Time {
        self.core.driver.now()
    }

    /// How long ago the last turn began, up to 10 ms more or less: how old what is known of streams may be. Cheaper than to read the
    /// clock.
    #[inline]
    pub fn since_turn(&self) -> Duration {
        self.core.driver.now_coarse() - self.core.turned_at.get()
    }

    /// The time of day.
    pub fn wall(&self) -> WallTime {
        self.core.driver.wall()
    }

    /// Done after `duration`, counted from now on.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        self.sleep_until(self.core.driver.now() + duration)
    }

    /// Done at `at`.
    pub fn sleep_until(&self, at: Time) -> Sleep {
        Sleep {
            core: self.core.clone(),
            at,
            timer: None,
        }
    }

    /// The result of `future`, or [`Elapsed`] if it is not there by `deadline`; then it is dropped.
    pub async fn timeout<T>(&self, deadline: Time, future: impl Future<Output = T>) -> Result<T, Elapsed> {
        let mut future = pin!(future);
        let mut sleep = self.sleep_until(deadline);
        std::future::poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(result));
            }
            Pin::new(&mut sleep).poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// The next number of the seeded sequence.
    pub fn random(&self) -> u64 {
        self.core.random.next()
    }

    /// The pool of receive buffers.
    pub fn pool(&self) -> &Pool {
        &self.core.pool
    }

    /// A handle for other threads.
    pub fn remote(&self) -> Remote {
        Remote {
            shared: self.core.executor.shared().clone(),
        }
    }

    /// Listens at an address.
    pub fn listen(&self, address: &Address) -> Result<Listener, Error> {
        self.core.listen(address)
    }

    /// Connects to an address.
    pub fn connect(&self, address: &Address) -> Op<Stream> {
        self.core.connect(address)
    }

    /// The files of a directory, which is made if it is not there. Nobody else has it as long as they live.
    ///
    /// # Errors
    /// [`Error::Locked`]: somebody has it. Or what the system says.
    pub fn files(&self, directory: &Path) -> Result<Arc<dyn Files>, Error> {
        self.core.driver.files(directory)
    }

    /// The memory of a directory, which is made if it is not there. Nobody else has it as long as it lives.
    ///
    /// # Errors
    /// [`Error::Locked`]: somebody has it. Or what the system says.
    pub fn kept_memory(&self, directory: &Path) -> Result<Rc<dyn KeptMemory>, Error> {
        self.core.driver.kept_memory(directory)
    }

    /// Somebody who does what may wait for a device.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn worker(&self, name: &str) -> io::Result<Worker> {
        Worker::new(self, name, self.core.driver.background_delay().is_none())
    }

    /// Does nothing for so long, and nobody on this thread does. Not in a simulation, where nobody would notice.
    pub fn pause(&self, duration: Duration) {
        self.core.driver.pause(duration);
    }

    /// How long work in the background takes where it has no thread of its own.
    pub(crate) fn background_delay(&self) -> Duration {
        self.core.driver.background_delay().unwrap_or_default()
    }

    /// Turns the runtime until `op` is done; [`Error::TimedOut`] at the deadline.
    pub fn wait<T: Outcome>(&self, op: Op<T>, deadline: Option<Time>) -> Result<T, Error> {
        self.block_on(with_deadline(op, deadline))
    }

    /// Turns the runtime until one of `ops` is done and says which, the first if several are.
    /// `None` at the deadline; then all of them go on.
    ///
    /// # Panics
    /// If `ops` is empty, or the result of one of them was given out before.
    pub fn wait_any<T: Outcome>(
        &self,
        ops: &mut [Op<T>],
        deadline: Option<Time>,
    ) -> Option<(usize, Result<T, Error>)> {
        assert!(!ops.is_empty(), "nothing to wait for");
        let first_done = std::future::poll_fn(|context| {
            let mut polled = ops.iter_mut().map(|op| Pin::new(op).poll(context)).enumerate();
            match polled.find(|(_, poll)| poll.is_ready()) {
                Some((index, Poll::Ready(result))) => Poll::Ready((index, result)),
                _ => Poll::Pending,
            }
        });
        let deadline = deadline.unwrap_or(Time::NEVER);
        self.block_on(self.timeout(deadline, first_done)).ok()
    }

    /// Turns the runtime until all of `ops` are done; those that are not by the deadline time out.
    pub fn wait_all<T: Outcome>(&self, ops: Vec<Op<T>>, deadline: Option<Time>) -> Vec<Result<T, Error>> {
        ops.into_iter().map(|op| self.wait(op, deadline)).collect()
    }

    /// Drops all tasks, and closes all streams and listeners. Tasks often hold their runtime,
    /// so a runtime with tasks that never end must be shut down to be freed.
    pub fn shutdown(&self) {
        self.core.shutdown();
    }

    /// What is alive in this runtime, for tests and metrics.
    pub fn usage(&self) -> Usage {
        self.core.usage()
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("now", &self.now())
            .field("usage", &self.usage())
            .finish()
    }
}

/// What is alive in a runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Operations that are not done, or whose result was not taken.
    pub operations: usize,
    /// Streams and listeners, also those that linger.
    pub ports: usize,
    /// Receive buffers in use.
    pub buffers: usize,
}

fn with_deadline<T: Outcome>(op: Op<T>, deadline: Option<Time>) -> Op<T> {
    match deadline {
        Some(deadline) => op.deadline(deadline),
        None => op,
    }
}

fn system_seed() -> io::Result<u64> {
    let mut bytes = [0; 8];
    rustix::rand::getrandom(&mut bytes[..], rustix::rand::GetRandomFlags::empty())?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Wakes a runtime from any thread.
#[derive(Clone)]
pub struct Remote {
    shared: Arc<Shared>,
}

impl Remote {
    /// Makes the runtime take a turn, out of its sleep if need be.
    pub fn wake(&self) {
        self.shared.call();
    }
}

/// The deadline passed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the deadline passed")]
pub struct Elapsed;

/// Done at a point in time.
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    core: Rc<Core>,
    at: Time,
    timer: Option<TimerId>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.core.now.get() >= self.at {
            return Poll::Ready(());
        }
        if self.at == Time::NEVER {
            return Poll::Pending;
        }
        let waker = context.waker();
        let core = self.core.clone();
        let mut timers = core.timers.borrow_mut();
        let set = self.timer.and_then(|timer| timers.action_mut(timer));
        match set {
            Some(Action::Wake(old)) if old.will_wake(waker) => {}
            Some(action) => *action = Action::Wake(waker.clone()),
            None => self.timer = Some(timers.set(self.at, Action::Wake(waker.clone()))),
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            self.core.cancel_timer(timer);
        }
    }
}
