//! Streams within one runtime: segments pass from one end to the other by reference.
//!
//! A pair is bounded: an end that is not read takes no more, so that a slow reader holds back
//! its writer as it does over a network.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::task::Poll;

use crake_mem::{Buf, Pool, Segment};

use crate::address::Address;
use crate::driver::{Event, ListenerDevice, StreamDevice, Target, Token};
use crate::error::Error;
use crate::memory::{Held, Memory, Shared};

/// What one direction of a pair holds at most: bytes, and segments.
const BYTES_MAX: usize = 1 << 20;
const SEGMENTS_MAX: usize = 1024;

/// Streams that wait to be accepted at one name.
const BACKLOG_MAX: usize = 1024;

/// The names that are listened at in one runtime.
pub(crate) struct Names {
    listeners: RefCell<BTreeMap<String, Rc<Backlog>>>,
    events: Events,
}

type Events = Rc<RefCell<Vec<Event>>>;

impl Names {
    pub(crate) fn new(events: Events) -> Rc<Names> {
        Rc::new(Names {
            listeners: RefCell::new(BTreeMap::new()),
            events,
        })
    }

    pub(crate) fn listen(self: &Rc<Names>, name: &str) -> Result<Box<dyn ListenerDevice>, Error> {
        let mut listeners = self.listeners.borrow_mut();
        if listeners.contains_key(name) {
            return Err(Error::AddressInUse);
        }
        let backlog = Rc::new(Backlog::default());
        listeners.insert(name.to_owned(), backlog.clone());
        Ok(Box::new(LocalListener {
            name: name.to_owned(),
            names: self.clone(),
            backlog,
        }))
    }

    pub(crate) fn connect(&self, name: &str) -> Result<Box<dyn StreamDevice>, Error> {
        let backlog = self.listeners.borrow().get(name).cloned().ok_or(Error::Refused)?;
        if backlog.arrived.borrow().len() >= BACKLOG_MAX {
            return Err(Error::Refused);
        }
        let (mut near, mut far) = pair(&self.events, name);
        if let Some(memory) = &*backlog.memory.borrow() {
            let tie: Rc<dyn Any> = Rc::new(());
            let seen = Rc::downgrade(&tie);
            if backlog.is_writable.get() {
                far.sharing = Some(Box::new(Sharing::Server(Held::by_neighbour(seen.clone()))));
            }
            near.sharing = Some(Box::new(Sharing::Client {
                memory: memory.clone().tied_to(seen),
                _tie: tie,
            }));
        }
        backlog.arrived.borrow_mut().push_back(far);
        if let Some(token) = backlog.token.get() {
            self.events.borrow_mut().push(Event::readable(token));
        }
        Ok(Box::new(near))
    }
}

#[derive(Default)]
struct Backlog {
    arrived: RefCell<VecDeque<LocalStream>>,
    token: Cell<Option<Token>>,
    memory: RefCell<Option<Memory>>,
    /// Whether some of it may be written.
    is_writable: Cell<bool>,
}

struct LocalListener {
    name: String,
    names: Rc<Names>,
    backlog: Rc<Backlog>,
}

impl ListenerDevice for LocalListener {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.backlog.token.set(Some(token));
        Ok(())
    }

    fn accept(&self) -> Poll<Result<Box<dyn StreamDevice>, Error>> {
        match self.backlog.arrived.borrow_mut().pop_front() {
            Some(stream) => Poll::Ready(Ok(Box::new(stream))),
            None => Poll::Pending,
        }
    }

    fn share(&self, regions: &[Shared]) -> bool {
        self.backlog.memory.replace(Some(Memory::of_shared(regions)));
        self.backlog
            .is_writable
            .set(regions.iter().any(Shared::is_writable));
        true
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(Address::Local(self.name.clone()))
    }
}

impl Drop for LocalListener {
    fn drop(&mut self) {
        let backlog = self.names.listeners.borrow_mut().remove(&self.name);
        // Streams in it break as they drop, which may post events.
        drop(backlog);
    }
}

fn pair(events: &Events, name: &str) -> (LocalStream, LocalStream) {
    let (there, back) = (Rc::new(Pipe::default()), Rc::new(Pipe::default()));
    let end = |outgoing: &Rc<Pipe>, incoming: &Rc<Pipe>| LocalStream {
        name: name.to_owned(),
        outgoing: outgoing.clone(),
        incoming: incoming.clone(),
        events: events.clone(),
        sharing: None,
    };
    (end(&there, &back), end(&back, &there))
}

/// One direction.
#[derive(Default)]
struct Pipe {
    segments: RefCell<VecDeque<Segment>>,
    len_bytes: Cell<usize>,
    end: Cell<End>,
    reader: Cell<Option<Token>>,
    writer: Cell<Option<Token>>,
    /// The writer was told to wait.
    writer_waits: Cell<bool>,
    reader_gone: Cell<bool>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Finished,
    /// The writer was dropped without finishing, or with bytes unread on its side.
    Broken,
}

impl Pipe {
    fn room(&self) -> usize {
        if self.segments.borrow().len() >= SEGMENTS_MAX {
            return 0;
        }
        BYTES_MAX - self.len_bytes.get()
    }

    fn append(&self, segment: Segment) {
        self.len_bytes.set(self.len_bytes.get() + segment.len());
        self.segments.borrow_mut().push_back(segment);
    }

    /// Ends a direction, unless it has an end already.
    fn finish(&self, end: End) {
        if self.end.get() == End::Open {
            self.end.set(end);
        }
    }
}

struct LocalStream {
    name: String,
    outgoing: Rc<Pipe>,
    incoming: Rc<Pipe>,
    events: Events,
    /// If memory is shared: boxed, for most streams have none.
    sharing: Option<Box<Sharing>>,
}

/// What an end has of memory that is shared.
enum Sharing {
    /// And what its holds keep, too.
    Client {
        memory: Memory,
        _tie: Rc<dyn Any>,
    },
    Server(Held),
}

impl LocalStream {
    fn post(&self, token: Option<Token>, event: impl FnOnce(Token) -> Event) {
        // An end that is not attached yet asks by itself when it is.
        if let Some(token) = token {
            self.events.borrow_mut().push(event(token));
        }
    }

    /// Looks at the front of what arrived; what `take` leaves stays.
    fn take_front<T>(&self, take: impl FnOnce(&mut Segment) -> T) -> Poll<Result<Option<T>, Error>> {
        let mut segments = self.incoming.segments.borrow_mut();
        let Some(front) = segments.front_mut() else {
            return match self.incoming.end.get() {
                End::Open => Poll::Pending,
                End::Finished => Poll::Ready(Ok(None)),
                End::Broken => Poll::Ready(Err(Error::Reset)),
            };
        };
        let before = front.len();
        let taken = take(front);
        let rest = front.len();
        if rest == 0 {
            segments.pop_front();
        }
        drop(segments);
        self.incoming
            .len_bytes
            .set(self.incoming.len_bytes.get() - (before - rest));
        if self.incoming.writer_waits.replace(false) {
            self.post(self.incoming.writer.get(), Event::writable);
        }
        Poll::Ready(Ok(Some(taken)))
    }
}

impl StreamDevice for LocalStream {
    fn attach(&self, token: Token) -> Result<(), Error> {
        self.incoming.reader.set(Some(token));
        self.outgoing.writer.set(Some(token));
        Ok(())
    }

    fn send(&self, segments: &[Segment]) -> Poll<Result<usize, Error>> {
        if self.outgoing.reader_gone.get() {
            return Poll::Ready(Err(Error::Reset));
        }
        let mut sent = 0;
        for segment in segments {
            let count = segment.len().min(self.outgoing.room());
            if count == 0 {
                break;
            }
            self.outgoing.append(segment.slice(..count));
            sent += count;
        }
        if sent == 0 {
            self.outgoing.writer_waits.set(true);
            return Poll::Pending;
        }
        self.post(self.outgoing.reader.get(), Event::readable);
        Poll::Ready(Ok(sent))
    }

    fn receive(&self, _pool: &Pool, _bytes_max: usize) -> Poll<Result<Buf, Error>> {
        let taken = self.take_front(|front| {
            let len_bytes = front.len();
            front.split_to(len_bytes).to_buf()
        });
        taken.map_ok(|bytes| bytes.unwrap_or(Buf::from_static(&[])))
    }

    fn receive_into(&self, target: &mut Target<'_>) -> Poll<Result<usize, Error>> {
        let taken = self.take_front(|front| {
            let count = target.write_segment(front);
            front.advance(count);
            count
        });
        taken.map_ok(|count| count.unwrap_or(0))
    }

    fn finish(&self) -> Result<(), Error> {
        self.outgoing.finish(End::Finished);
        self.post(self.outgoing.reader.get(), Event::readable);
        Ok(())
    }

    fn abort(&self) {
        let undelivered = std::mem::take(&mut *self.outgoing.segments.borrow_mut());
        self.outgoing.len_bytes.set(0);
        // Even if it was finished: its end did not arrive.
        self.outgoing.end.set(End::Broken);
        drop(undelivered);
    }

    fn memory(&self) -> Option<Memory> {
        match self.sharing.as_deref() {
            Some(Sharing::Client { memory, .. }) => Some(memory.clone()),
            _ => None,
        }
    }

    fn held(&self) -> Option<Held> {
        match self.sharing.as_deref() {
            Some(Sharing::Server(held)) => Some(held.clone()),
            _ => None,
        }
    }

    fn local_address(&self) -> Result<Address, Error> {
        Ok(Address::Local(self.name.clone()))
    }

    fn peer_address(&self) -> Result<Address, Error> {
        Ok(Address::Local(self.name.clone()))
    }
}

impl Drop for LocalStream {
    /// As TCP does: closing finishes, but with bytes unread it breaks the connection.
    fn drop(&mut self) {
        let unread = std::mem::take(&mut *self.incoming.segments.borrow_mut());
        self.incoming.reader_gone.set(true);
        self.outgoing.finish(if unread.is_empty() {
            End::Finished
        } else {
            End::Broken
        });
        let hung_up = |token| Event {
            token,
            readable: true,
            writable: true,
            hung_up: true,
        };
        self.post(self.outgoing.reader.get(), hung_up);
    }
}
