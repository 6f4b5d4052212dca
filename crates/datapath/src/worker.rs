//! Work that may wait for a device, beside a loop that must not.

use std::future::poll_fn;
use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

use crate::runtime::Runtime;

type Job = Box<dyn FnOnce() + Send>;

/// Does one thing after the other, on a thread of its own; in a simulation, on the only one there is, a while later.
///
/// Dropped, it ends what it is doing and nothing else.
pub struct Worker {
    runtime: Runtime,
    thread: Option<Thread>,
}

struct Thread {
    /// Gone when the worker is dropped: then the thread ends.
    jobs: Option<Sender<Job>>,
    handle: Option<JoinHandle<()>>,
}

/// What came of a job, and who waits for it.
struct Outcome<T> {
    result: Option<T>,
    waker: Option<Waker>,
}

impl Worker {
    pub(crate) fn new(runtime: &Runtime, name: &str, has_thread: bool) -> io::Result<Worker> {
        Ok(Worker {
            runtime: runtime.clone(),
            thread: has_thread.then(|| Thread::start(name)).transpose()?,
        })
    }

    /// Has a job done, and gives what came of it. Dropped before that, the job is done all the same once it has begun.
    ///
    /// # Panics
    /// If the job does.
    pub async fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> T {
        let Some(thread) = &self.thread else {
            self.runtime.sleep(self.runtime.background_delay()).await;
            return job();
        };
        let outcome = Arc::new(Mutex::new(Outcome {
            result: None,
            waker: None,
        }));
        let told = outcome.clone();
        thread.begin(Box::new(move || {
            let result = job();
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.result = Some(result);
            if let Some(waker) = told.waker.take() {
                waker.wake();
            }
        }));
        poll_fn(|cx| {
            let mut outcome = outcome.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome.result.take() {
                Some(result) => Poll::Ready(result),
                None => {
                    outcome.waker = Some(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Thread {
    fn start(name: &str) -> io::Result<Thread> {
        let (jobs, to_do) = channel::<Job>();
        let work = move || to_do.into_iter().for_each(|job| job());
        let handle = std::thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Thread {
            jobs: Some(jobs),
            handle: Some(handle),
        })
    }

    fn begin(&self, job: Job) {
        let jobs = self.jobs.as_ref().expect("it is there until the drop");
        assert!(jobs.send(job).is_ok(), "a job of this worker has panicked");
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(handle) = self.handle.take() {
            // One that panicked has said so.
            let _ = handle.join();
        }
    }
}
