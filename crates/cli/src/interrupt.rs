//! Ctrl-C and SIGTERM.
//!
//! The first signal asks the command to end in good order; a second one ends the process at once. Files that must not
//! outlive the process (a partial download, a socket) are removed either way.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use crake_datapath::Runtime;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};
use thiserror::Error;

/// A command that a signal ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("interrupted")]
pub struct Interrupted {
    signal: i32,
}

impl Interrupted {
    /// As shells count: 130 for Ctrl-C, 143 for SIGTERM.
    pub fn exit_code(self) -> u8 {
        u8::try_from(128 + self.signal).unwrap_or(u8::MAX)
    }
}

/// How often a process without a thread for signals looks for them.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The signals of this process, caught.
#[derive(Clone)]
pub struct Interrupt {
    state: Arc<Mutex<State>>,
    /// Ends the thread that waits for signals.
    thread: Option<Handle>,
}

#[derive(Default)]
struct State {
    arrived: Option<Interrupted>,
    waiting: Option<Waker>,
    /// What a second signal has to remove before it ends the process.
    doomed: BTreeSet<PathBuf>,
}

impl Interrupt {
    /// Catches signals from here on, in a thread that sleeps until one arrives.
    pub fn catch() -> Result<Interrupt> {
        let mut signals = signals()?;
        let interrupt = Interrupt {
            state: Arc::default(),
            thread: Some(signals.handle()),
        };
        let watched = interrupt.clone();
        thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    watched.arrive(Interrupted { signal });
                }
            })
            .context("starting the thread that waits for signals")?;
        Ok(interrupt)
    }

    /// From here on looks for signals in a task of `runtime`, and has no thread: with a second thread in the process the
    /// kernel counts the users of a file in each call, which costs a server about a twentieth of its time.
    pub fn move_to(&self, runtime: &Runtime) -> Result<()> {
        let mut signals = signals()?;
        if let Some(thread) = &self.thread {
            thread.close();
        }
        let (watched, clock) = (self.clone(), runtime.clone());
        let look = async move {
            loop {
                for signal in signals.pending() {
                    watched.arrive(Interrupted { signal });
                }
                clock.sleep(LOOK_EVERY).await;
            }
        };
        runtime.spawn(look).detach();
        Ok(())
    }

    fn arrive(&self, interrupted: Interrupted) {
        let mut state = self.state();
        if state.arrived.is_some() {
            for path in &state.doomed {
                // It may be gone already, and nobody is left to tell.
                let _ = std::fs::remove_file(path);
            }
            process::exit(interrupted.exit_code().into());
        }
        state.arrived = Some(interrupted);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    fn poll_arrived(&self, context: &mut Context<'_>) -> Poll<Interrupted> {
        let mut state = self.state();
        match state.arrived {
            Some(interrupted) => Poll::Ready(interrupted),
            None => {
                state.waiting = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The result of `work`, unless a signal arrives first: then `work` is dropped.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Result<T, Interrupted> {
        let mut work = pin!(work);
        poll_fn(|context| {
            if let Poll::Ready(interrupted) = self.poll_arrived(context) {
                return Poll::Ready(Err(interrupted));
            }
            work.as_mut().poll(context).map(Ok)
        })
        .await
    }

    /// Has a second signal remove this file, as long as the guard lives. The guard itself removes nothing.
    pub fn doom(&self, path: &Path) -> Doomed {
        self.state().doomed.insert(path.into());
        Doomed {
            interrupt: self.clone(),
            path: path.into(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn signals() -> Result<Signals> {
    Signals::new([SIGINT, SIGTERM]).context("catching signals")
}

/// A file that a second signal removes.
#[must_use = "dropped, the file is spared"]
pub struct Doomed {
    interrupt: Interrupt,
    path: PathBuf,
}

impl Drop for Doomed {
    fn drop(&mut self) {
        self.interrupt.state().doomed.remove(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet() -> Interrupt {
        Interrupt {
            state: Arc::default(),
            thread: None,
        }
    }

    #[test]
    fn a_signal_drops_the_work_and_wakes_its_waiter() {
        let interrupt = quiet();
        let mut context = Context::from_waker(Waker::noop());
        let mut work = pin!(interrupt.or(std::future::pending::<()>()));
        assert!(work.as_mut().poll(&mut context).is_pending());
        assert!(interrupt.state().waiting.is_some());
        interrupt.arrive(Interrupted { signal: SIGINT });
        let ended = work.as_mut().poll(&mut context);
        assert_eq!(ended, Poll::Ready(Err(Interrupted { signal: SIGINT })));
    }

    #[test]
    fn exit_codes_are_those_of_shells() {
        assert_eq!(Interrupted { signal: SIGINT }.exit_code(), 130);
        assert_eq!(Interrupted { signal: SIGTERM }.exit_code(), 143);
    }

    #[test]
    fn a_doomed_file_is_spared_when_its_guard_goes() {
        let interrupt = quiet();
        let guard = interrupt.doom(Path::new("/x"));
        assert_eq!(interrupt.state().doomed.len(), 1);
        drop(guard);
        assert!(interrupt.state().doomed.is_empty());
    }
}
