//! Waking everyone who waits for a change.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

/// Something changed that several tasks may wait for. What changed is elsewhere; waiters look again.
#[derive(Default)]
pub(crate) struct Signal {
    changes: Cell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Signal {
    /// Wakes all who wait now, in the order in which they came.
    pub(crate) fn notify(&self) {
        self.changes.set(self.changes.get() + 1);
        // A waker may run code that waits again, so the list is not borrowed while waking.
        let mut woken = self.waiting.take();
        woken.drain(..).for_each(Waker::wake);
        let mut waiting = self.waiting.borrow_mut();
        if waiting.capacity() < woken.capacity() && waiting.is_empty() {
            *waiting = woken;
        }
    }

    /// Has the task of `context` woken at the next change.
    pub(crate) fn watch(&self, context: &mut Context<'_>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            waiting.push(context.waker().clone());
        }
    }

    /// Is done at the first change after this call.
    pub(crate) fn changed(&self) -> Changed<'_> {
        Changed {
            signal: self,
            seen: self.changes.get(),
        }
    }
}

/// See [`Signal::changed`].
pub(crate) struct Changed<'a> {
    signal: &'a Signal,
    seen: u64,
}

impl Future for Changed<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.signal.changes.get() != self.seen {
            return Poll::Ready(());
        }
        self.signal.watch(context);
        Poll::Pending
    }
}

/// Something that is done once at a time: who comes meanwhile waits for its end.
#[derive(Default)]
pub(crate) struct OnceAtATime {
    under_way: Cell<bool>,
    ended: Signal,
}

impl OnceAtATime {
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way.get()
    }

    /// Is under way until the guard is dropped, also if it is given up.
    pub(crate) fn begin(&self) -> UnderWay<'_> {
        self.under_way.set(true);
        UnderWay(self)
    }

    /// Is done when what is under way has ended.
    pub(crate) fn ended(&self) -> Changed<'_> {
        self.ended.changed()
    }
}

/// See [`OnceAtATime::begin`].
pub(crate) struct UnderWay<'a>(&'a OnceAtATime);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.set(false);
        self.0.ended.notify();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn all_waiters_are_woken_once_per_change() {
        let (signal, first, second) = (
            Signal::default(),
            Arc::<Count>::default(),
            Arc::<Count>::default(),
        );
        for count in [&first, &second, &first] {
            signal.watch(&mut Context::from_waker(&Waker::from(count.clone())));
        }
        signal.notify();
        signal.notify();
        assert_eq!(
            (first.0.load(Ordering::Relaxed), second.0.load(Ordering::Relaxed)),
            (1, 1)
        );
    }

    #[test]
    fn a_change_before_the_first_poll_is_not_missed() {
        let signal = Signal::default();
        let mut changed = signal.changed();
        let mut context = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut changed).poll(&mut context).is_pending());
        signal.notify();
        assert!(Pin::new(&mut changed).poll(&mut context).is_ready());
    }
}
