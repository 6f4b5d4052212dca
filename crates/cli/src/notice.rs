//! Something that one thread tells a task of another, once.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

/// Clones are the same notice.
pub struct Notice<T> {
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    value: Option<T>,
    waiting: Option<Waker>,
}

impl<T> Notice<T> {
    /// Nothing is told yet.
    pub fn new() -> Notice<T> {
        let state = State {
            value: None,
            waiting: None,
        };
        Notice {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Tells it; the first one counts.
    pub fn tell(&self, value: T) {
        let mut state = self.lock();
        state.value.get_or_insert(value);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// Done when it is told, and takes it. One task waits at a time.
    pub async fn told(&self) -> T {
        poll_fn(|context| {
            let mut state = self.lock();
            match state.value.take() {
                Some(value) => Poll::Ready(value),
                None => {
                    state.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Notice<T> {
    fn clone(&self) -> Notice<T> {
        Notice {
            state: self.state.clone(),
        }
    }
}
