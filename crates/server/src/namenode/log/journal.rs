//! What has happened and is not yet in the log: records in memory, in the order in which they happened.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::super::command::{Command, Failure, Now, Reply, SessionId};
use super::super::config::Config;
use super::command::{self, Event};
use super::outcome;
use super::record::{self, HEAD_BYTES, Head};

/// Room that commands leave, so that what time brings about can be recorded when the disk is full.
const EVENTS_BYTES: usize = 1 << 20;
/// What a record of an event takes at most.
const EVENT_BYTES_MAX: usize = 256;

/// Takes down what changes a namespace. Clones are the same. A namespace that nobody logs has one that does nothing.
#[derive(Clone, Default)]
pub struct Journal {
    shared: Option<Rc<Shared>>,
}

struct Shared {
    /// Whole records.
    bytes: RefCell<Vec<u8>>,
    /// Of the last record.
    sequence: Cell<u64>,
    /// For the head of each record.
    durable: Cell<u64>,
    /// So many bytes may be in `bytes`: there is a place for them in the log.
    room: Cell<usize>,
    /// The command of now has changed what nobody sees, and will be refused.
    stirred: Cell<bool>,
}

impl Journal {
    /// An empty one, with so much room; the first record follows on record `sequence`.
    pub fn new(sequence: u64, room: usize) -> Journal {
        Journal {
            shared: Some(Rc::new(Shared {
                bytes: RefCell::default(),
                sequence: Cell::new(sequence),
                durable: Cell::new(0),
                room: Cell::new(room),
                stirred: Cell::new(false),
            })),
        }
    }

    /// Whether nothing waits for the log.
    #[inline]
    pub fn is_empty(&self) -> bool {
        let shared = self.shared.as_ref();
        shared.is_none_or(|shared| shared.bytes.borrow().is_empty())
    }

    /// Number of the last record, taken over by the log or not.
    pub fn sequence(&self) -> u64 {
        self.shared.as_ref().map_or(0, |shared| shared.sequence.get())
    }

    /// Hands all records over and forgets them.
    pub fn drain<T>(&self, take: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let shared = self.shared.as_ref()?;
        let mut bytes = shared.bytes.borrow_mut();
        if bytes.is_empty() {
            return None;
        }
        shared.room.set(shared.room.get().saturating_sub(bytes.len()));
        let taken = take(&bytes);
        bytes.clear();
        Some(taken)
    }

    /// So much may be recorded from now on.
    pub fn set_room(&self, room: usize) {
        if let Some(shared) = &self.shared {
            shared.room.set(room);
        }
    }

    /// The records up to this one are on the device.
    pub(super) fn set_durable(&self, durable: u64) {
        if let Some(shared) = &self.shared {
            shared.durable.set(durable);
        }
    }

    /// Something was changed that nobody sees, by a command that is going to be refused: who does it again must do that, too.
    pub(in crate::namenode) fn stir(&self) {
        if let Some(shared) = &self.shared {
            shared.stirred.set(true);
        }
    }

    /// Takes down a command, before it is carried out, if it is one that may change something.
    ///
    /// # Errors
    /// [`Failure::LogFull`]: there is no room for it.
    #[inline]
    pub(in crate::namenode) fn begin(
        &self,
        now: Now,
        session: SessionId,
        command: &Command<'_>,
    ) -> Result<Option<Noted>, Failure> {
        match &self.shared {
            None => Ok(None),
            Some(shared) => begin(shared, now, session, command),
        }
    }

    /// Takes down what time has brought about; false if there is no room for that, and then it must not happen yet.
    #[must_use]
    pub(in crate::namenode) fn event(&self, now: Now, event: Event) -> bool {
        let Some(shared) = &self.shared else { return true };
        if shared.bytes.borrow().len() + EVENT_BYTES_MAX > shared.room.get() {
            return false;
        }
        shared.add(now, |out| command::save_event(event, out));
        true
    }

    /// Takes down with which limits it goes on.
    pub(in crate::namenode) fn limits(&self, now: Now, config: &Config) {
        if let Some(shared) = &self.shared {
            shared.add(now, |out| command::save_limits(config, out));
        }
    }
}

fn begin(
    shared: &Rc<Shared>,
    now: Now,
    session: SessionId,
    command: &Command<'_>,
) -> Result<Option<Noted>, Failure> {
    let mut bytes = shared.bytes.borrow_mut();
    let start = bytes.len();
    bytes.resize(start + HEAD_BYTES, 0);
    let Some(kind) = command::save_command(session, command, &mut bytes) else {
        bytes.truncate(start);
        return Ok(None);
    };
    if bytes.len() + EVENTS_BYTES > shared.room.get() {
        bytes.truncate(start);
        return Err(Failure::LogFull);
    }
    drop(bytes);
    shared.stirred.set(false);
    Ok(Some(Noted {
        shared: shared.clone(),
        now,
        start,
        kind,
    }))
}

impl Shared {
    fn add(&self, now: Now, save: impl FnOnce(&mut Vec<u8>) -> u16) {
        let start = self.bytes.borrow().len();
        let mut bytes = self.bytes.borrow_mut();
        bytes.resize(start + HEAD_BYTES, 0);
        let kind = save(&mut bytes);
        drop(bytes);
        self.finish(now, start, kind, 0);
    }

    fn finish(&self, now: Now, start: usize, kind: u16, outcome: u32) {
        self.sequence.set(self.sequence.get() + 1);
        let head = Head {
            sequence: self.sequence.get(),
            now,
            durable: self.durable.get(),
            outcome,
            kind,
        };
        record::finish(&head, start, &mut self.bytes.borrow_mut());
    }
}

/// A command that was taken down and is being carried out.
#[must_use = "without its outcome it is no record"]
pub(in crate::namenode) struct Noted {
    shared: Rc<Shared>,
    now: Now,
    start: usize,
    kind: u16,
}

impl Noted {
    /// The command is done: it stays, or is struck out if it has changed nothing.
    pub(in crate::namenode) fn settle(self, result: &Result<Reply<'_>, Failure>) {
        let has_changed = match result {
            Ok(Reply::Registered { reset, .. }) => !reset,
            Ok(Reply::Settled { changed }) => *changed,
            Ok(Reply::FreedLeaks(leaks)) => leaks.freed > 0,
            Ok(Reply::Lent { loans, .. } | Reply::Returning { loans, .. }) => !loans.is_empty(),
            Ok(_) => true,
            Err(_) => self.shared.stirred.get(),
        };
        if has_changed {
            self.shared
                .finish(self.now, self.start, self.kind, outcome::of(result));
        } else {
            self.shared.bytes.borrow_mut().truncate(self.start);
        }
    }
}
