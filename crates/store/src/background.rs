//! Futures that go on whether their owner polls them or not, and end the moment their owner lets go of them.
//!
//! A task of the runtime alone will not do: cancelling one drops its future only when the executor comes to it, and
//! until then a read that its owner has given up could still write to memory that the owner uses again.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crake_datapath::{Runtime, Task};

/// The owner's side: a future of the result.
pub(crate) struct Background<T> {
    slot: Rc<Slot<T>>,
    /// Runs the future; cancelled with its owner.
    _task: Task<()>,
}

struct Slot<T> {
    /// Taken when it is done, or given up.
    future: RefCell<Option<Pin<Box<dyn Future<Output = T>>>>>,
    result: Cell<Option<T>>,
    owner: Cell<Option<Waker>>,
}

impl<T: 'static> Background<T> {
    /// Starts a future: it runs when the runtime turns next.
    pub(crate) fn start(runtime: &Runtime, future: impl Future<Output = T> + 'static) -> Background<T> {
        let slot = Rc::new(Slot {
            future: RefCell::new(Some(Box::pin(future))),
            result: Cell::new(None),
            owner: Cell::new(None),
        });
        let driven = slot.clone();
        let task = runtime.spawn(std::future::poll_fn(move |context| driven.drive(context)));
        Background { slot, _task: task }
    }
}

impl<T> Slot<T> {
    fn drive(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut future = self.future.borrow_mut();
        let Some(running) = future.as_mut() else {
            return Poll::Ready(());
        };
        let Poll::Ready(result) = running.as_mut().poll(context) else {
            return Poll::Pending;
        };
        *future = None;
        drop(future);
        self.result.set(Some(result));
        if let Some(owner) = self.owner.take() {
            owner.wake();
        }
        Poll::Ready(())
    }
}

impl<T> Future for Background<T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        if let Some(result) = self.slot.result.take() {
            return Poll::Ready(result);
        }
        self.slot.owner.set(Some(context.waker().clone()));
        Poll::Pending
    }
}

impl<T> Drop for Background<T> {
    fn drop(&mut self) {
        // Only the future itself can have borrowed its place, and a future that drops its owner while it runs is
        // dropped by the task that runs it.
        let given_up = self
            .slot
            .future
            .try_borrow_mut()
            .ok()
            .and_then(|mut future| future.take());
        drop(given_up);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crake_datapath::RuntimeConfig;

    /// Tells when it is dropped.
    struct Witness(Rc<Cell<bool>>);

    impl Drop for Witness {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }

    #[test]
    fn goes_on_without_being_polled() {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let ran = Rc::new(Cell::new(false));
        let seen = ran.clone();
        let background = Background::start(&runtime, async move {
            seen.set(true);
            7
        });
        runtime.turn();
        assert!(ran.get());
        assert_eq!(runtime.block_on(background), 7);
    }

    #[test]
    fn ends_at_once_when_it_is_let_go_of() {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let dropped = Rc::new(Cell::new(false));
        let witness = Witness(dropped.clone());
        let background = Background::start(&runtime, async move {
            std::future::pending::<()>().await;
            drop(witness);
        });
        runtime.turn();
        assert!(!dropped.get());
        drop(background);
        assert!(dropped.get());
        runtime.turn();
        assert_eq!(runtime.usage().tasks, 0);
    }
}
