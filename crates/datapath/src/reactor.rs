//! What the handles of a runtime share, and the loop: tasks, timers, devices, operations.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

use crake_mem::{Pool, PoolConfig};

use crate::address::Address;
use crate::driver::{Attention, Driver, Event, StreamDevice, Token};
use crate::error::Error;
use crate::executor::{Executor, MainWaker};
use crate::listener::{Listener, ListenerState};
use crate::local;
use crate::op::{Abandoned, Kind, Op, OpId, Ops, Value};
use crate::random::Random;
use crate::runtime::{RuntimeConfig, Usage, Waiting};
use crate::slab::{Key, Slab};
use crate::stream::{Stream, StreamState};
use crate::time::Time;
use crate::timer::{TimerId, Timers};

/// Devices that each turn asks directly. Each costs a system call per turn.
const HOT_MAX: usize = 16;

/// An idle turn asks hot devices about so often: what else it does, the clock first of all, takes as long as several looks into shared memory, and
/// what arrives meanwhile waits.
const HOT_TRIES: usize = 16;

/// A device that received nothing for so long is not asked in each turn any more, unless it is the only one.
const HOT_FOR: Duration = Duration::from_micros(50);

/// Spins grow up to this many times what the policy says while sleeps prove too short to be worth it.
const PATIENCE_GROWTH_MAX: u32 = 4;

/// How long a closed stream may take to send what was pushed before.
pub const LINGER: Duration = Duration::from_secs(5);

/// What a timer does.
pub(crate) enum Action {
    Wake(Waker),
    /// The deadline of an operation.
    Expire(OpId),
    /// Ask a port again.
    Retry(Key),
    /// Stop lingering.
    GiveUp(Key),
}

/// Counts one level less when it goes, also when a task panics.
pub(crate) struct Inside<'a>(&'a Cell<u32>);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Takes the main future off its stack when it goes, also when that panics.
pub(crate) struct Main<'a>(&'a Core);

impl Drop for Main<'_> {
    fn drop(&mut self) {
        let ended = self.0.mains.borrow_mut().pop();
        self.0.main_wakers.borrow_mut().extend(ended);
    }
}

#[derive(Clone)]
enum Port {
    Stream(Rc<StreamState>),
    Listener(Rc<ListenerState>),
}

/// What all handles of a runtime share.
pub(crate) struct Core {
    pub(crate) executor: Executor,
    pub(crate) ops: Ops,
    pub(crate) pool: Pool,
    pub(crate) buffer_bytes: usize,
    pub(crate) timers: RefCell<Timers<Action>>,
    ports: RefCell<Slab<Port>>,
    /// Streams that each turn asks.
    hot: RefCell<Vec<Rc<StreamState>>>,
    /// Streams that found the pool empty.
    starved: RefCell<Vec<Key>>,
    events: RefCell<Vec<Event>>,
    /// Events of streams within this runtime.
    local_events: Rc<RefCell<Vec<Event>>>,
    names: Rc<local::Names>,
    /// Of the calls of `block_on` on the stack, the innermost last.
    pub(crate) mains: RefCell<Vec<Arc<MainWaker>>>,
    /// Kept to be used again.
    main_wakers: RefCell<Vec<Arc<MainWaker>>>,
    waiting: Waiting,
    pub(crate) now: Cell<Time>,
    /// How many turns and calls of `block_on` are on the stack: in them `now` is fresh.
    pub(crate) inside: Cell<u32>,
    /// When the last turn began.
    pub(crate) turned_at: Cell<Time>,
    /// When something last happened.
    progress_at: Cell<Time>,
    /// How long to spin: see [`Core::learn_patience`].
    patience: Cell<Duration>,
    pub(crate) random: Random,
    pub(crate) driver: Box<dyn Driver>,
}

/// The loop.
impl Core {
    pub(crate) fn new(config: &RuntimeConfig, seed: u64, driver: Box<dyn Driver>) -> Core {
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
            mains: RefCell::new(Vec::new()),
            main_wakers: RefCell::new(Vec::new()),
            waiting: config.waiting,
            now: Cell::new(now),
            inside: Cell::new(0),
            turned_at: Cell::new(now),
            progress_at: Cell::new(now),
            patience: Cell::new(match config.waiting {
                Waiting::Adaptive { spin } => spin,
                Waiting::Busy | Waiting::Sleep => Duration::ZERO,
            }),
            random: Random::new(seed),
            driver,
        }
    }

    /// From here on, until the guard goes, `now` is fresh.
    pub(crate) fn enter(&self) -> Inside<'_> {
        if self.inside.get() == 0 {
            self.now.set(self.driver.now());
        }
        self.inside.set(self.inside.get() + 1);
        Inside(&self.inside)
    }

    /// The clock is read before the devices are asked, and what a hot stream received is served before
    /// anything else
    /// is looked at, so that nothing stands between a receive and the task that waits for it.
    pub(crate) fn turn(self: &Rc<Core>) -> bool {
        let now = self.driver.now();
        self.now.set(now);
        self.turned_at.set(now);
        self.inside.set(self.inside.get() + 1);
        let _inside = Inside(&self.inside);
        let mut progress = self.executor.take_remote();
        progress |= self.fire_timers(now);
        progress |= self.run_ready();
        if self.poll_hot_repeatedly(now, progress) {
            self.run_ready();
            progress = true;
        }
        if self.poll_devices(now, progress) {
            self.run_ready();
            progress = true;
        }
        if progress {
            self.progress_at.set(now);
        }
        progress
    }

    /// The future of `block_on` comes before tasks that are woken after it: as a rule it waits for what one of them has just
    /// received, and has the next request to send before they receive on.
    fn run_ready(&self) -> bool {
        self.executor
            .run_ready(|| self.mains.borrow().last().is_some_and(|main| main.is_woken()))
    }

    /// Looks at all devices, or leaves it for a later turn if hot streams keep this one busy.
    fn poll_devices(self: &Rc<Core>, now: Time, busy: bool) -> bool {
        let attention = match (self.hot.borrow().is_empty(), busy) {
            (true, _) => Attention::Full,
            (false, false) => Attention::Spinning,
            (false, true) => Attention::Busy,
        };
        self.driver.poll(now, attention, &mut self.events.borrow_mut());
        let mut progress = !self.events.borrow().is_empty() || !self.local_events.borrow().is_empty();
        if progress {
            self.dispatch_all();
        }
        if !self.starved.borrow().is_empty() {
            progress |= self.feed_starved();
        }
        progress
    }

    /// Asks the hot streams until one has something: several times if they are few and there is nothing else to do, since the
    /// sooner they are asked again, the sooner an arrival is seen. Not those that report events, too: they look for what these are about each time.
    #[inline]
    fn poll_hot_repeatedly(self: &Rc<Core>, now: Time, busy: bool) -> bool {
        let hot = self.hot.borrow();
        let once = busy || hot.iter().any(|stream| stream.is_watched());
        let tries = if once { 1 } else { HOT_TRIES / hot.len().max(1) };
        drop(hot);
        (0..tries.max(1)).any(|_| self.poll_hot(now))
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
            let received = stream.wants_to_receive() && stream.receive_arrived(self);
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

    fn dispatch_all(self: &Rc<Core>) {
        let mut events = self.events.take();
        events.append(&mut self.local_events.borrow_mut());
        for event in events.drain(..) {
            self.dispatch(event);
        }
        self.events.replace(events);
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
    pub(crate) fn wait(self: &Rc<Core>, is_woken: impl Fn() -> bool) {
        match self.waiting {
            Waiting::Busy => return,
            Waiting::Adaptive { .. } if self.now.get() - self.progress_at.get() < self.patience.get() => {
                return;
            }
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
        let (fell_asleep, now) = (self.now.get(), self.driver.now());
        self.now.set(now);
        self.progress_at.set(now);
        self.learn_patience(now - fell_asleep);
    }

    /// A sleep that ended soon should have been a spin: waking up took longer than what was waited for, and made the peer
    /// wait, and sleep, in turn. So spins grow while sleeps are short, up to a bound, and shrink at the first long one.
    fn learn_patience(&self, slept: Duration) {
        let Waiting::Adaptive { spin } = self.waiting else {
            return;
        };
        let longest = spin * PATIENCE_GROWTH_MAX;
        let patience = match slept < longest {
            true => longest.min(self.patience.get() * 2),
            false => spin,
        };
        self.patience.set(patience);
    }

    /// Whether another turn would find something that no device reports.
    fn has_more_to_do(&self) -> bool {
        !self.executor.is_idle()
            || !self.local_events.borrow().is_empty()
            || (!self.starved.borrow().is_empty() && !self.pool.is_exhausted())
    }

    /// Makes a waker for the future that is now the main one, until the guard goes.
    pub(crate) fn enter_main(&self) -> (Arc<MainWaker>, Main<'_>) {
        let cached = self.main_wakers.borrow_mut().pop();
        let main = cached.unwrap_or_else(|| Arc::new(MainWaker::new(self.executor.shared().clone())));
        main.arm();
        self.mains.borrow_mut().push(main.clone());
        (main, Main(self))
    }

    pub(crate) fn shutdown(self: &Rc<Core>) {
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

    pub(crate) fn listen(self: &Rc<Core>, address: &Address) -> Result<Listener, Error> {
        let device = match address {
            Address::Local(name) => self.names.listen(name)?,
            _ => self.driver.listen(address)?,
        };
        let state = Rc::new(ListenerState::new(device));
        let key = self.ports.borrow_mut().insert(Port::Listener(state.clone()));
        let listener = Listener::new(self.clone(), state.clone());
        state.attach(key)?;
        Ok(listener)
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            tasks: self.executor.tasks(),
            operations: self.ops.len(),
            ports: self.ports.borrow().len(),
            buffers: self.pool.in_use(),
        }
    }

    pub(crate) fn connect(self: &Rc<Core>, address: &Address) -> Op<Stream> {
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

    pub(crate) fn cancel_timer(&self, timer: TimerId) {
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
