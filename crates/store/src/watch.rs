//! Being told what happens to a node, without asking again and again.
//!
//! All watches of a store share one question that waits at the namenode. Its answer brings what happened; events are numbered, so an
//! answer that is lost brings them again.

mod operation;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use crate::Error;
use crate::node::{Attributes, Node};
use crate::pending::Pending;
use crate::session::Session;
use crate::signal::Signal;
use crate::table::Table;
use crate::together;

use operation::{AskEvents, BeginWatch, Begun, EndWatch, Told};

/// What can happen to a node that is watched, or to an entry of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Happened {
    /// An entry is there that was not: made, or moved here.
    Created,
    /// More of a file is visible.
    Grew,
    /// A file has no writer any more, or a multifile gets no more parts.
    Sealed,
    /// A key has a value, or another one.
    Put,
    /// The entry is no longer there under this name, or the node that is watched is no more.
    Deleted,
    /// Events may have been lost: there were too many, or the namenode was not reached for a while. What is watched may have changed
    /// in any way; it is time to look.
    Lost,
}

impl Happened {
    /// In lower case, as programs print it.
    pub fn name(self) -> &'static str {
        match self {
            Happened::Created => "created",
            Happened::Grew => "grew",
            Happened::Sealed => "sealed",
            Happened::Put => "put",
            Happened::Deleted => "deleted",
            Happened::Lost => "lost",
        }
    }
}

/// Something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub happened: Happened,
    /// To the entry of this name, a key's bytes in a table; empty: to the node that is watched.
    pub name: Vec<u8>,
    /// The node that it happened to; 0 with [`Happened::Lost`].
    pub node: u64,
    /// What that is.
    pub kind: Node,
    /// Its size then: bytes visible, or entries.
    pub size: u64,
    /// Of a key's value.
    pub version: u64,
}

impl Event {
    fn lost() -> Event {
        Event {
            happened: Happened::Lost,
            name: Vec::new(),
            node: 0,
            kind: Node::Directory,
            size: 0,
            version: 0,
        }
    }

    /// Whether it says that the node that is watched is no more.
    fn is_end(&self) -> bool {
        self.happened == Happened::Deleted && self.name.is_empty()
    }

    /// The name as text, with what is not UTF-8 replaced.
    pub fn name_lossy(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }
}

/// A node that is watched until this is dropped: a file that grows, or the entries of a directory, multifile or table.
///
/// Events arrive while the runtime turns, and wait here, [`Watch::QUEUE_MAX`] of them: if there are more, all are given up and one
/// [`Happened::Lost`] stands for them.
///
/// The keys of a table of a namespace with several partitions are watched at each of these. What happens to one key is told in order;
/// what happens to others in between may be told earlier or later.
pub struct Watch {
    core: Rc<WatchCore>,
    /// Of a table: its other parts.
    others: Vec<Rc<WatchCore>>,
    /// Which of all these has its turn to tell something.
    turn: usize,
}

struct WatchCore {
    session: Rc<Session>,
    path: Rc<str>,
    /// 0 while the namenode does not know of it.
    id: Cell<u64>,
    begun: Attributes,
    events: RefCell<VecDeque<Event>>,
    arrived: Signal,
    /// The node is no more: nothing comes after what has arrived.
    is_over: Cell<bool>,
}

impl Watch {
    /// Events that wait at most.
    pub const QUEUE_MAX: usize = 16 * 1024;

    pub(crate) async fn begin(session: &Rc<Session>, base: u64, path: &str) -> Result<Watch, Error> {
        let registering = Registering::begin(session);
        let Begun { watcher, id, node } = Pending::start(session, BeginWatch { base, path }).await?;
        let core = Rc::new(WatchCore {
            session: session.clone(),
            path: path.into(),
            id: Cell::new(id),
            begun: node,
            events: RefCell::default(),
            arrived: Signal::default(),
            is_over: Cell::new(false),
        });
        session.watches().set_watcher(watcher);
        session.watches().add(id, &core);
        session.watches().keep_asking(session);
        drop(registering);
        Ok(Watch {
            core,
            others: Vec::new(),
            turn: 0,
        })
    }

    /// Of a table with all its parts.
    pub(crate) async fn of_table(table: &Table) -> Result<Watch, Error> {
        let begin = |(session, id)| Box::pin(Watch::begin(session, id, ""));
        let home = table.home().number();
        let (first, others): (Vec<_>, Vec<_>) =
            table.parts().partition(|(session, _)| session.number() == home);
        let begun = together::all(first.into_iter().chain(others).map(begin).collect()).await;
        let begun = begun.into_iter().collect::<Result<Vec<_>, _>>()?;
        let mut cores = begun.into_iter().map(|watch| watch.core);
        Ok(Watch {
            core: cores.next().expect("a table has a home"),
            others: cores.collect(),
            turn: 0,
        })
    }

    /// The node as it was when the watch began. What happened after that is told.
    pub fn attributes(&self) -> Attributes {
        self.core.begun
    }

    /// The next event; waits for it. `None` after the node that is watched was deleted.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            if self.core.is_over.get() {
                return None;
            }
            match self.others.is_empty() {
                true => self.core.arrived.changed().await,
                false => self.any_arrived().await,
            }
        }
    }

    async fn any_arrived(&self) {
        let cores = std::iter::once(&self.core).chain(&self.others);
        let arrived = cores.map(|core| core.arrived.changed());
        any(&mut arrived.collect::<Vec<_>>()).await;
    }

    /// The next event if it has arrived.
    pub fn try_next(&mut self) -> Option<Event> {
        let count = 1 + self.others.len();
        for at in (self.turn..self.turn + count).map(|at| at % count) {
            let event = match at.checked_sub(1) {
                Some(other) => self.others[other].next_of_part(),
                // That the node is no more comes after all that has happened to it.
                None => self.core.next_unless(Event::is_end),
            };
            if event.is_some() {
                self.turn = at + 1;
                return event;
            }
        }
        self.core.next_unless(|_| false)
    }
}

/// Waits for any of these.
async fn any<F: Future + Unpin>(futures: &mut [F]) {
    poll_fn(|context| {
        let mut is_ready = false;
        for future in futures.iter_mut() {
            is_ready |= Pin::new(future).poll(context).is_ready();
        }
        match is_ready {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("path", &self.core.path)
            .field("node", &self.core.begun.id)
            .finish_non_exhaustive()
    }
}

impl WatchCore {
    fn next_unless(&self, is_to_stay: impl Fn(&Event) -> bool) -> Option<Event> {
        let mut events = self.events.borrow_mut();
        let is_next = events.front().is_some_and(|event| !is_to_stay(event));
        is_next.then(|| events.pop_front()).flatten()
    }

    /// The next event of a part of a table: that this part is no more is not of interest, for then the table is told not to be.
    fn next_of_part(&self) -> Option<Event> {
        let mut events = self.events.borrow_mut();
        let next = events.pop_front();
        next.filter(|event| !event.is_end())
    }

    fn push(&self, event: Event) {
        let mut events = self.events.borrow_mut();
        if event.is_end() {
            self.is_over.set(true);
        }
        if events.len() >= Watch::QUEUE_MAX || event.happened == Happened::Lost {
            events.clear();
            events.push_back(Event::lost());
        }
        if event.happened != Happened::Lost {
            events.push_back(event);
        }
        drop(events);
        self.arrived.notify();
    }

    fn end(&self) {
        self.push(Event {
            happened: Happened::Deleted,
            node: self.begun.id,
            kind: self.begun.kind,
            ..Event::lost()
        });
    }
}

impl Drop for WatchCore {
    fn drop(&mut self) {
        let (id, watches) = (self.id.get(), self.session.watches());
        watches.by_id.borrow_mut().remove(&id);
        watches.changed.notify();
        if self.is_over.get() || id == 0 {
            return;
        }
        let request = EndWatch {
            path: self.path.clone(),
            watch: id,
        };
        let ended = Pending::start(&self.session, request);
        let task = async move {
            if let Err(error) = ended.await {
                tracing::debug!(%error, "a watch could not be ended; it will be when this client asks no more");
            }
        };
        self.session.runtime().spawn(task).detach();
    }
}

/// All watches of a session.
#[derive(Default)]
pub(crate) struct Watches {
    by_id: RefCell<BTreeMap<u64, Weak<WatchCore>>>,
    /// Of which the namenode does not know, or no longer.
    unknown: RefCell<Vec<Weak<WatchCore>>>,
    /// What the namenode calls this client as one that watches: if it forgets it, or is another, the next number is another, too.
    watcher: Cell<u64>,
    /// Its events up to this one have arrived.
    sequence: Cell<u64>,
    is_asking: Cell<bool>,
    /// Told when a watch ends, or is not known any more.
    changed: Signal,
    /// Watches whose number is not known yet, and events that may be theirs.
    registering: Cell<usize>,
    early: RefCell<Vec<(u64, Event)>>,
}

/// So many events may arrive before the number of their watch.
const EARLY_MAX: usize = 4096;

impl Watches {
    /// Notes by what number this client is known. With another one, all watches of before are not.
    fn set_watcher(&self, watcher: u64) {
        if self.watcher.replace(watcher) != watcher {
            self.sequence.set(0);
            self.early.borrow_mut().clear();
            let known = std::mem::take(&mut *self.by_id.borrow_mut());
            known
                .values()
                .filter_map(Weak::upgrade)
                .for_each(|core| core.id.set(0));
            self.unknown.borrow_mut().extend(known.into_values());
            self.changed.notify();
        }
    }

    fn add(&self, id: u64, core: &Rc<WatchCore>) {
        core.id.set(id);
        self.by_id.borrow_mut().insert(id, Rc::downgrade(core));
        let early = std::mem::take(&mut *self.early.borrow_mut());
        let (mine, others): (Vec<_>, Vec<_>) = early.into_iter().partition(|(watch, _)| *watch == id);
        *self.early.borrow_mut() = others;
        mine.into_iter().for_each(|(_, event)| core.push(event));
    }

    fn keep_asking(&self, session: &Rc<Session>) {
        if !self.is_asking.replace(true) {
            session.runtime().spawn(ask(Rc::downgrade(session))).detach();
        }
    }

    /// Whether there is nothing to ask for.
    fn is_idle(&self) -> bool {
        self.unknown.borrow_mut().retain(|core| core.strong_count() > 0);
        self.by_id.borrow().is_empty() && self.unknown.borrow().is_empty()
    }

    fn find(&self, id: u64) -> Option<Rc<WatchCore>> {
        self.by_id.borrow().get(&id)?.upgrade()
    }

    fn all(&self) -> Vec<Rc<WatchCore>> {
        self.by_id.borrow().values().filter_map(Weak::upgrade).collect()
    }

    fn hand_out(&self, told: Told) {
        self.sequence.set(told.sequence);
        if told.lost {
            self.all().iter().for_each(|core| core.push(Event::lost()));
        }
        for (watch, event) in told.events {
            match self.find(watch) {
                Some(core) => core.push(event),
                None if self.registering.get() > 0 => self.keep_early(watch, event),
                None => {}
            }
        }
    }

    fn keep_early(&self, watch: u64, event: Event) {
        let mut early = self.early.borrow_mut();
        if early.len() < EARLY_MAX {
            return early.push((watch, event));
        }
        // One that says so for each watch is enough.
        early.retain(|(_, event)| event.happened == Happened::Lost);
        if !early.iter().any(|(other, _)| *other == watch) {
            early.push((watch, Event::lost()));
        }
    }
}

/// A watch is being registered: events with a number that is not known may be its.
struct Registering<'a>(&'a Watches);

impl Registering<'_> {
    fn begin(session: &Session) -> Registering<'_> {
        let watches = session.watches();
        watches.registering.set(watches.registering.get() + 1);
        Registering(watches)
    }
}

impl Drop for Registering<'_> {
    fn drop(&mut self) {
        let left = self.0.registering.get() - 1;
        self.0.registering.set(left);
        if left == 0 {
            self.0.early.borrow_mut().clear();
        }
    }
}

/// A question waits at the namenode for no longer than a third of this.
const QUESTION: Duration = Duration::from_secs(15);
/// Between a question that failed and the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Asks for events as long as something is watched.
async fn ask(session: Weak<Session>) {
    loop {
        let Some(session) = session.upgrade() else { return };
        let watches = session.watches();
        if watches.is_idle() {
            watches.is_asking.set(false);
            return;
        }
        begin_again(&session).await;
        let watcher = watches.watcher.get();
        let question = AskEvents {
            watcher,
            after: watches.sequence.get(),
        };
        let answer = Pending::start_within(&session, question, QUESTION);
        match unless_changed(watches, answer).await {
            None => {}
            Some(Ok(_)) if watches.watcher.get() != watcher => {}
            Some(Ok(told)) if told.is_unknown => watches.set_watcher(0),
            Some(Ok(told)) => watches.hand_out(told),
            Some(Err(error)) => {
                tracing::debug!(%error, "events could not be asked for");
                session.runtime().sleep(PAUSE).await;
            }
        }
    }
}

/// Waits for an answer unless what is watched becomes less meanwhile: then another question is to be asked, or none.
async fn unless_changed<T>(watches: &Watches, answer: impl Future<Output = T>) -> Option<T> {
    let (mut answer, mut changed) = (pin!(answer), pin!(watches.changed.changed()));
    poll_fn(|context| {
        if let Poll::Ready(answer) = answer.as_mut().poll(context) {
            return Poll::Ready(Some(answer));
        }
        let is_changed = changed.as_mut().poll(context).is_ready();
        if is_changed && (watches.is_idle() || !watches.unknown.borrow().is_empty()) {
            return Poll::Ready(None);
        }
        if is_changed {
            changed.set(watches.changed.changed());
            context.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

/// Begins the watches again that the namenode does not know: it is another one, or has not heard of this client for long.
async fn begin_again(session: &Rc<Session>) {
    let watches = session.watches();
    let unknown = watches.unknown.take();
    for core in unknown {
        let Some(core) = core.upgrade() else { continue };
        let registering = Registering::begin(session);
        let node = BeginWatch {
            base: core.begun.id,
            path: "",
        };
        match Pending::start(session, node).await {
            Ok(begun) => {
                watches.set_watcher(begun.watcher);
                core.push(Event::lost());
                watches.add(begun.id, &core);
            }
            Err(Error::NotFound { .. }) => core.end(),
            Err(error) => {
                tracing::debug!(%error, "a watch could not be begun again");
                watches.unknown.borrow_mut().push(Rc::downgrade(&core));
                session.runtime().sleep(PAUSE).await;
            }
        }
        drop(registering);
    }
}
