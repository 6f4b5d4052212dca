//! Answers that wait: nothing that is shown may be undone, so answers leave when what they show cannot be lost any more.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use crate::link::Signal;

/// Where all answers of a service wait for what it has promised: see [`Service::gate`](crate::Service::gate).
///
/// What is to be waited for has ascending numbers, such as lengths of a log. Answers of one connection keep their order.
#[derive(Default)]
pub struct Gate {
    needed: Cell<u64>,
    reached: Cell<u64>,
    /// Raised with each number that is reached.
    round: Cell<u64>,
    waiting: RefCell<Vec<Weak<Signal>>>,
}

impl Gate {
    /// An open one.
    #[must_use]
    pub fn new() -> Rc<Gate> {
        Rc::default()
    }

    /// Answers that have not been handed over wait from now on until `number` is reached; for ever, if it is [`u64::MAX`].
    pub fn need(&self, number: u64) {
        self.needed.set(self.needed.get().max(number));
    }

    /// Lets go the answers that waited for this number or a lower one.
    pub fn reach(&self, number: u64) {
        if number <= self.reached.get() {
            return;
        }
        self.reached.set(number);
        self.round.set(self.round.get() + 1);
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for signal in waiting.iter().filter_map(Weak::upgrade) {
            signal.raise();
        }
    }

    /// Whether answers leave at once.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.reached.get() >= self.needed.get()
    }

    pub(crate) fn needed(&self) -> u64 {
        self.needed.get()
    }

    pub(crate) fn reached(&self) -> u64 {
        self.reached.get()
    }

    /// Raises the signal when the next number is reached. `since` is for this: the same cell at each call.
    pub(crate) fn wait(&self, signal: &Rc<Signal>, since: &Cell<u64>) {
        let round = self.round.get() + 1;
        if since.replace(round) != round {
            self.waiting.borrow_mut().push(Rc::downgrade(signal));
        }
    }
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate")
            .field("needed", &self.needed)
            .field("reached", &self.reached)
            .finish_non_exhaustive()
    }
}
