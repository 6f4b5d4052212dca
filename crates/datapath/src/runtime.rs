//! The runtime of one thread: tasks, timers, clock and queues in one loop.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_task::Task;
use crake_mem::{Pool, PoolConfig};

use crate::address::Address;
use crate::driver::{Attention, Driver, Event, StreamDevice, Token};
use crate::error::Error;
use crate::executor::{Executor, MainWaker, Shared};
use crate::kernel::KernelDriver;
use crate::listener::{Listener, ListenerState};
use crate::local;
use crate::op::{Abandoned, Kind, Op, OpId, Ops, Outcome, Value};
use crate::random::Random;
use crate::slab::{Key, Slab};
use crate::stream::{Stream, StreamState};
use crate::time::{Time, WallTime};
use crate::timer::{TimerId, Timers};

/// How long a closed stream may take to send what was pushed before.
pub const LINGER: Duration = Duration::from_secs(5);

/// Devices that each turn asks directly. Each costs a system call per turn.
const HOT_MAX: usize = 16;

/// A device that received nothing for so long is not asked in each turn any more, unless it is the only one.
const HOT_FOR: Duration = Duration::from_micros(50);

/// What a thread does when it has nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Looks again and again for `spin`, then sleeps until something happens.
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
/// devices are asked in the order in which they reported. With a deterministic [`Driver`] a run repeats exactly.
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

    /// A runtime on another world; `local://` works in any. The configured seed, if there is one, is replaced.
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
        let main = core.take_main_waker();
        let waker = Waker::from(main.clone());
        let mut context = Context::from_waker(&waker);
        loop {
            if main.take_woken()
                && let Poll::Ready(result) = future.as_mut().poll(&mut context)
            {
                core.main_wakers.borrow_mut().push(main);
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

    /// Does as the waiting policy says after a turn in which nothing happened: returns at once while spinning, else sleeps
    /// until something happens or a timer is due. For loops that call [`turn`](Runtime::turn) themselves.
    pub fn idle(&self) {
        self.core.wait(|| false);
    }

    /// When the next timer is due.
    pub fn next_timer(&self) -> Option<Time> {
        self.core.timers.borrow().next()
    }

    /// The time at the start of this turn; outside of turns and of [`block_on`](Runtime::block_on), the clock's.
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
        let core = &self.core;
        let device = match address {
            Address::Local(name) => core.names.listen(name)?,
            _ => core.driver.listen(address)?,
        };
        let state = Rc::new(ListenerState::new(device));
        let key = core.ports.borrow_mut().insert(Port::Listener(state.clone()));
        let listener = Listener::new(core.clone(), state.clone());
        state.attach(key)?;
        Ok(listener)
    }

    /// Connects to an address.
    pub fn connect(&self, address: &Address) -> Op<Stream> {
        self.core.connect(address)
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
        let core = &self.core;
        Usage {
            tasks: core.executor.tasks(),
            operations: core.ops.len(),
            ports: core.ports.borrow().len(),
            buffers: core.pool.in_use(),
        }
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

/// What a timer does.
enum Action {
    Wake(Waker),
    /// The deadline of an operation.
    Expire(OpId),
    /// Ask a port again.
    Retry(Key),
    /// Stop lingering.
    GiveUp(Key),
}

/// Counts one level less when it goes, also when a task panics.
struct Inside<'a>(&'a Cell<u32>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[derive(Clone)]
enum Port {
    Stream(Rc<StreamState>),
    Listener(Rc<ListenerState>),
}

/// What all handles of a runtime share.
pub(crate) struct Core {
    executor: Executor,
    pub(crate) ops: Ops,
    pub(crate) pool: Pool,
    pub(crate) buffer_bytes: usize,
    timers: RefCell<Timers<Action>>,
    ports: RefCell<Slab<Port>>,
    /// Streams that each turn asks.
    hot: RefCell<Vec<Rc<StreamState>>>,
    /// Streams that found the pool empty.
    starved: RefCell<Vec<Key>>,
    events: RefCell<Vec<Event>>,
    /// Events of streams within this runtime.
    local_events: Rc<RefCell<Vec<Event>>>,
    names: Rc<local::Names>,
    main_wakers: RefCell<Vec<Arc<MainWaker>>>,
    waiting: Waiting,
    now: Cell<Time>,
    /// How many turns and calls of `block_on` are on the stack: in them `now` is fresh.
    inside: Cell<u32>,
    /// When something last happened.
    progress_at: Cell<Time>,
    random: Random,
    driver: Box<dyn Driver>,
}

/// The loop.
impl Core {
    fn new(config: &RuntimeConfig, seed: u64, driver: Box<dyn Driver>) -> Core {
        let local_events = Rc::new(RefCell::new(Vec::new()));
        let now = driver.now();
        Core {
            executor: Executor::new(driver.alarm()),
            ops: Ops::new(),
            pool: Pool::new(PoolConfig {
                buffer_bytes: config.buffer_bytes,
                headroom_bytes: config.headroom_bytes,
                buffers_max: config.buffers_max,
            }),
            buffer_bytes: config.buffer_bytes,
            timers: RefCell::new(Timers::new()),
            ports: RefCell::new(Slab::new()),
            hot: RefCell::new(Vec::new()),
            starved: RefCell::new(Vec::new()),
            events: RefCell::new(Vec::new()),
            names: local::Names::new(local_events.clone()),
            local_events,
            main_wakers: RefCell::new(Vec::new()),
            waiting: config.waiting,
            now: Cell::new(now),
            inside: Cell::new(0),
            progress_at: Cell::new(now),
            random: Random::new(seed),
            driver,
        }
    }

    /// From here on, until the guard goes, `now` is fresh.
    fn enter(&self) -> Inside<'_> {
        if self.inside.get() == 0 {
            self.now.set(self.driver.now());
        }
        self.inside.set(self.inside.get() + 1);
        Inside(&self.inside)
    }

    /// The clock is read before the devices are asked, and what a hot stream received is served before anything else
    /// is looked at, so that nothing stands between a receive and the task that waits for it.
    fn turn(self: &Rc<Core>) -> bool {
        let now = self.driver.now();
        self.now.set(now);
        self.inside.set(self.inside.get() + 1);
        let _inside = Inside(&self.inside);
        let mut progress = self.executor.take_remote();
        progress |= self.fire_timers(now);
        progress |= self.executor.run_ready();
        if self.poll_hot(now) {
            self.executor.run_ready();
            progress = true;
        }
        if self.poll_devices(now, progress) {
            self.executor.run_ready();
            progress = true;
        }
        if progress {
            self.progress_at.set(now);
        }
        progress
    }

    /// Looks at all devices, or leaves it for a later turn if hot streams keep this one busy.
    fn poll_devices(self: &Rc<Core>, now: Time, busy: bool) -> bool {
        let mut events = self.events.take();
        let attention = match (self.hot.borrow().is_empty(), busy) {
            (true, _) => Attention::Full,
            (false, false) => Attention::Spinning,
            (false, true) => Attention::Busy,
        };
        self.driver.poll(now, attention, &mut events);
        events.append(&mut self.local_events.borrow_mut());
        let mut progress = !events.is_empty();
        for event in events.drain(..) {
            self.dispatch(event);
        }
        self.events.replace(events);
        if !self.starved.borrow().is_empty() {
            progress |= self.feed_starved();
        }
        progress
    }

    /// Receives from the streams that were active lately, and sends where they were blocked.
    #[inline]
    fn poll_hot(self: &Rc<Core>, now: Time) -> bool {
        let mut progress = false;
        let mut index = 0;
        loop {
            let Some(stream) = self.hot.borrow().get(index).cloned() else {
                return progress;
            };
            let received = stream.wants_to_receive() && stream.receive(self);
            if stream.send_again(self) || received {
                stream.active_at.set(now);
                stream.note_hot_progress();
                progress = true;
            } else if now - stream.active_at.get() > HOT_FOR {
                self.cool(&stream);
            }
            index += usize::from(stream.is_hot.get());
        }
    }

    /// Stops to ask a stream in each turn, unless it is the only one.
    fn cool(self: &Rc<Core>, stream: &Rc<StreamState>) {
        if self.hot.borrow().len() == 1 {
            // Alone it stays; looking at its age again waits.
            stream.active_at.set(self.now.get());
            return;
        }
        self.hot.borrow_mut().retain(|other| !Rc::ptr_eq(other, stream));
        stream.is_hot.set(false);
        stream.watch(self);
    }

    /// Before a sleep: nobody will ask.
    fn watch_hot(self: &Rc<Core>) {
        let mut index = 0;
        loop {
            let Some(stream) = self.hot.borrow().get(index).cloned() else {
                return;
            };
            stream.watch(self);
            index += 1;
        }
    }

    fn heat(&self, stream: &Rc<StreamState>) {
        if self.waiting == Waiting::Sleep || !stream.can_be_hot() {
            return;
        }
        stream.active_at.set(self.now.get());
        let mut hot = self.hot.borrow_mut();
        if hot.len() < HOT_MAX && !stream.is_hot.replace(true) {
            hot.push(stream.clone());
        }
    }

    fn dispatch(self: &Rc<Core>, event: Event) {
        let port = self.ports.borrow().get(event.token.into()).cloned();
        match port {
            Some(Port::Stream(stream)) => {
                let progress = stream.on_event(self, event);
                if progress && event.readable {
                    self.heat(&stream);
                }
            }
            Some(Port::Listener(listener)) => {
                listener.on_event(self);
            }
            // It was closed after it had something to report.
            None => {}
        }
    }

    fn feed_starved(self: &Rc<Core>) -> bool {
        if self.pool.is_exhausted() {
            return false;
        }
        let starved = self.starved.take();
        for &key in &starved {
            self.dispatch(Event::readable(Token::from(key)));
        }
        true
    }

    fn fire_timers(self: &Rc<Core>, now: Time) -> bool {
        let mut progress = false;
        loop {
            let fired = self.timers.borrow_mut().fire(now);
            let Some(action) = fired else { return progress };
            progress = true;
            self.act(action);
        }
    }

    fn act(self: &Rc<Core>, action: Action) {
        match action {
            Action::Wake(waker) => waker.wake(),
            Action::Expire(op) => {
                self.ops.set_timer(op, None);
                self.expire(op);
            }
            Action::Retry(key) => match self.port(key) {
                Some(Port::Stream(stream)) => {
                    stream.connect(self);
                }
                Some(Port::Listener(listener)) => {
                    listener.retry(self);
                }
                None => {}
            },
            Action::GiveUp(key) => {
                if let Some(Port::Stream(stream)) = self.port(key) {
                    stream.give_up(self);
                }
            }
        }
    }

    /// After a turn without progress: spins on or sleeps, as the policy says.
    fn wait(self: &Rc<Core>, is_woken: impl Fn() -> bool) {
        match self.waiting {
            Waiting::Busy => return,
            Waiting::Adaptive { spin } if self.now.get() - self.progress_at.get() < spin => return,
            Waiting::Adaptive { .. } | Waiting::Sleep => {}
        }
        self.watch_hot();
        if self.has_more_to_do() {
            return;
        }
        if self.executor.fall_asleep() && !is_woken() {
            let until = self.timers.borrow().next();
            let mut events = self.events.take();
            self.driver.park(until, &mut events);
            self.events.replace(events);
        }
        self.executor.wake_up();
        // The main future may be polled before the next turn, and the spin begins anew.
        let now = self.driver.now();
        self.now.set(now);
        self.progress_at.set(now);
    }

    /// Whether another turn would find something that no device reports.
    fn has_more_to_do(&self) -> bool {
        !self.executor.is_idle()
            || !self.local_events.borrow().is_empty()
            || (!self.starved.borrow().is_empty() && !self.pool.is_exhausted())
    }

    fn take_main_waker(&self) -> Arc<MainWaker> {
        let cached = self.main_wakers.borrow_mut().pop();
        match cached {
            Some(main) => {
                main.arm();
                main
            }
            None => Arc::new(MainWaker::new(self.executor.shared().clone())),
        }
    }

    fn shutdown(self: &Rc<Core>) {
        self.executor.clear();
        let timers = self.timers.borrow_mut().clear();
        drop(timers);
        let ports = self.ports.borrow_mut().drain();
        for port in ports {
            match port {
                Port::Stream(stream) => stream.shut_down(self),
                Port::Listener(listener) => listener.close(self),
            }
        }
        self.hot.borrow_mut().clear();
    }
}

/// Ports: streams and listeners.
impl Core {
    fn port(&self, key: Key) -> Option<Port> {
        self.ports.borrow().get(key).cloned()
    }

    fn connect(self: &Rc<Core>, address: &Address) -> Op<Stream> {
        let device = match address {
            Address::Local(name) => self.names.connect(name),
            _ => self.driver.connect(address),
        };
        let stream = match device.and_then(|device| self.attach(device)) {
            Ok(stream) => stream,
            Err(error) => return Op::ready(Err(error)),
        };
        match stream.connected() {
            Poll::Ready(Ok(())) => Op::ready(Ok(Stream::new(self.clone(), stream))),
            Poll::Ready(Err(error)) => {
                stream.release(self);
                Op::ready(Err(error))
            }
            Poll::Pending => {
                let op = self.ops.start(Kind::Connect, stream.key());
                stream.set_connecting(op);
                self.retry_later(stream.key(), stream.retry_after());
                Op::waiting(self, op)
            }
        }
    }

    /// Makes a stream of an accepted device.
    pub(crate) fn adopt(self: &Rc<Core>, device: Box<dyn StreamDevice>) -> Result<Stream, Error> {
        self.attach(device).map(|state| Stream::new(self.clone(), state))
    }

    fn attach(&self, device: Box<dyn StreamDevice>) -> Result<Rc<StreamState>, Error> {
        let stream = Rc::new(StreamState::new(device));
        let key = self.ports.borrow_mut().insert(Port::Stream(stream.clone()));
        if let Err(error) = stream.attach(key) {
            self.release(key);
            return Err(error);
        }
        Ok(stream)
    }

    /// Asks a port again after `rest`.
    pub(crate) fn retry_later(&self, key: Key, rest: Option<Duration>) {
        if let Some(rest) = rest {
            self.timers
                .borrow_mut()
                .set(self.driver.now() + rest, Action::Retry(key));
        }
    }

    /// Serves a stream again when the pool has buffers.
    pub(crate) fn starve(&self, key: Key) {
        let mut starved = self.starved.borrow_mut();
        if !starved.contains(&key) {
            starved.push(key);
        }
    }

    /// Lets a closed stream send the rest.
    pub(crate) fn linger(&self, key: Key) {
        self.timers
            .borrow_mut()
            .set(self.driver.now() + LINGER, Action::GiveUp(key));
    }

    /// Forgets a port.
    pub(crate) fn release(&self, key: Key) {
        let port = self.ports.borrow_mut().remove(key);
        if let Some(Port::Stream(stream)) = &port
            && stream.is_hot.replace(false)
        {
            self.hot.borrow_mut().retain(|other| !Rc::ptr_eq(other, stream));
        }
        drop(port);
    }
}

/// Operations.
impl Core {
    #[inline]
    pub(crate) fn complete(&self, op: OpId, result: Result<Value, Error>) {
        if let Some(timer) = self.ops.complete(op, result) {
            self.cancel_timer(timer);
        }
    }

    fn cancel_timer(&self, timer: TimerId) {
        let action = self.timers.borrow_mut().cancel(timer);
        // A waker that is dropped may drop a task, which may come back here.
        drop(action);
    }

    pub(crate) fn set_deadline(self: &Rc<Core>, op: OpId, deadline: Time) {
        if self.ops.waiting(op).is_none() || deadline == Time::NEVER {
            return;
        }
        let timer = self.timers.borrow_mut().set(deadline, Action::Expire(op));
        if let Some(earlier) = self.ops.set_timer(op, Some(timer)) {
            self.cancel_timer(earlier);
        }
    }

    fn expire(self: &Rc<Core>, op: OpId) {
        if !self.stop(op, Error::TimedOut) {
            self.complete(op, Err(Error::TimedOut));
        }
    }

    /// Ends an operation that has not begun to change anything; false if it has.
    pub(crate) fn stop(self: &Rc<Core>, op: OpId, error: Error) -> bool {
        let Some((kind, key)) = self.ops.waiting(op) else {
            return false;
        };
        if !self.withdraw(kind, key, op) {
            return false;
        }
        self.complete(op, Err(error));
        true
    }

    fn withdraw(self: &Rc<Core>, kind: Kind, key: Key, op: OpId) -> bool {
        match (kind, self.port(key)) {
            (Kind::Push, Some(Port::Stream(stream))) => return stream.withdraw_push(op),
            (Kind::Pop, Some(Port::Stream(stream))) => stream.forget_pop(op),
            (Kind::Connect, Some(Port::Stream(stream))) => stream.close(self),
            (Kind::Accept, Some(Port::Listener(listener))) => listener.forget(op),
            // The port is gone and has ended its operations, or never had this one.
            _ => {}
        }
        true
    }

    /// An operation was dropped by its owner.
    pub(crate) fn abandon(self: &Rc<Core>, op: OpId) {
        let Some(Abandoned {
            kind,
            port,
            timer,
            result,
        }) = self.ops.abandon(op)
        else {
            return;
        };
        if let Some(timer) = timer {
            self.cancel_timer(timer);
        }
        match result {
            Some(Ok(value)) => self.give_back(port, value),
            Some(Err(_)) => {}
            None if kind == Kind::Push => {}
            None => {
                self.withdraw(kind, port, op);
            }
        }
    }

    /// Returns what nobody saw to where it came from.
    fn give_back(&self, key: Key, value: Value) {
        match (value, self.port(key)) {
            (Value::Buf(bytes, sequence), Some(Port::Stream(stream))) => {
                stream.unreceive(sequence, bytes);
            }
            (Value::BufMut(target, start, sequence), Some(Port::Stream(stream))) => {
                let received = target.freeze().slice(start..);
                stream.unreceive(sequence, received);
            }
            (Value::Stream(stream), Some(Port::Listener(listener))) => listener.unclaim(stream),
            (value, _) => drop(value),
        }
    }
}
