//! Standard input and output beside a runtime: each has a thread of its own, so that a pipe that stands still stops
//! neither timers nor Ctrl-C.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use anyhow::{Context, Result};
use crake_mem::Buf;

use crate::fs::transfer::{CHUNK_BYTES, Source, read_up_to};

/// Chunks between the thread and the runtime.
const CHUNKS_MAX: usize = 4;

/// Chunks on their way from one side to the other, one of which is a thread and the other a runtime.
struct Lane {
    state: Mutex<State>,
    /// For the thread: something was taken, brought, or ended.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Vec<u8>>,
    /// Nothing more is brought.
    ended: bool,
    /// The thread has ended: nothing is taken or brought by it any more.
    gone: bool,
    error: Option<io::Error>,
    waiting: Option<Waker>,
}

impl Lane {
    fn new() -> Arc<Lane> {
        Arc::new(Lane {
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state as the thread does, and tells the runtime.
    fn tell_runtime(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        if let Some(waker) = state.waiting.take() {
            waker.wake();
        }
    }

    /// Has the thread wait until `ready`.
    fn wait(&self, ready: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let state = self.state();
        self.changed
            .wait_while(state, |state| !ready(state))
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the runtime wait until `ready` gives something.
    async fn wait_async<T>(&self, mut ready: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = self.state();
            match ready(&mut state) {
                Some(result) => {
                    self.changed.notify_one();
                    Poll::Ready(result)
                }
                None => {
                    state.waiting = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

/// Standard input, in chunks.
pub struct Stdin {
    lane: Arc<Lane>,
}

impl Stdin {
    /// Begins to read.
    pub fn open() -> Result<Stdin> {
        let lane = Lane::new();
        let brought = lane.clone();
        thread::Builder::new()
            .name("stdin".into())
            .spawn(move || bring(&brought))
            .context("starting the thread that reads standard input")?;
        Ok(Stdin { lane })
    }
}

fn bring(lane: &Lane) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut bytes = Vec::new();
        let read = read_up_to(&mut stdin, CHUNK_BYTES, &mut bytes);
        let is_end = read.is_err() || bytes.is_empty();
        let _room = lane.wait(|state| state.chunks.len() < CHUNKS_MAX);
        drop(_room);
        lane.tell_runtime(|state| {
            state.error = read.err();
            state.ended = is_end;
            if !bytes.is_empty() {
                state.chunks.push_back(bytes);
            }
        });
        if is_end {
            return;
        }
    }
}

impl Source for Stdin {
    async fn next(&mut self) -> Result<Buf> {
        let chunk = self.lane.wait_async(|state| match state.chunks.pop_front() {
            Some(chunk) => Some(Ok(chunk)),
            None => state
                .ended
                .then(|| state.error.take().map_or(Ok(Vec::new()), Err)),
        });
        chunk.await.map(Buf::from_vec).context("standard input")
    }
}

/// Standard output, in chunks.
pub struct Stdout {
    lane: Arc<Lane>,
}

impl Stdout {
    /// Begins to write what comes.
    pub fn open() -> Result<Stdout> {
        let lane = Lane::new();
        let taken = lane.clone();
        thread::Builder::new()
            .name("stdout".into())
            .spawn(move || {
                let error = take(&taken).err();
                taken.tell_runtime(|state| {
                    state.error = error;
                    state.gone = true;
                });
            })
            .context("starting the thread that writes standard output")?;
        Ok(Stdout { lane })
    }

    /// Hands bytes on, when there is room.
    pub async fn write(&self, bytes: Vec<u8>) -> io::Result<()> {
        let mut bytes = Some(bytes);
        self.lane
            .wait_async(|state| {
                if state.gone {
                    return Some(Err(gone(state)));
                }
                if state.chunks.len() >= CHUNKS_MAX {
                    return None;
                }
                state.chunks.extend(bytes.take());
                Some(Ok(()))
            })
            .await
    }

    /// Waits until all is written.
    pub async fn close(self) -> io::Result<()> {
        self.lane
            .wait_async(|state| {
                state.ended = true;
                self.lane.changed.notify_one();
                state.gone.then(|| state.error.take().map_or(Ok(()), Err))
            })
            .await
    }
}

fn gone(state: &mut State) -> io::Error {
    state
        .error
        .take()
        .unwrap_or_else(|| io::ErrorKind::BrokenPipe.into())
}

fn take(lane: &Lane) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    loop {
        let chunk = lane
            .wait(|state| state.ended || !state.chunks.is_empty())
            .chunks
            .pop_front();
        let Some(chunk) = chunk else {
            return stdout.flush();
        };
        lane.tell_runtime(|_| ());
        stdout.write_all(&chunk)?;
    }
}
