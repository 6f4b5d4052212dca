//! Jobs, one call at a time.

use super::{Store, Waiter};
use crate::{Attributes, Error, JobInfo, JobOptions};

/// A job; see [`crate::Job`], whose methods these are.
///
/// The namenode is reminded of it by calls of its store, whichever they are: a program that makes none for the time of a lease (10 s) may
/// lose it. Who computes for longer keeps an asynchronous store with the job in a thread that waits for its end.
#[derive(Debug)]
pub struct Job {
    /// Until it has ended.
    job: Option<crate::Job>,
    waiter: Waiter,
}

impl Job {
    /// See [`crate::Job::id`].
    pub fn id(&self) -> u64 {
        self.job().id()
    }

    /// See [`crate::Job::directory`].
    pub fn directory(&self) -> &str {
        self.job().directory()
    }

    /// See [`crate::Job::usage`].
    pub fn usage(&self) -> Result<JobInfo, Error> {
        self.waiter.wait(self.job().usage())
    }

    /// See [`crate::Job::keep`].
    pub fn keep(&self, path: &str, to: &str) -> Result<Attributes, Error> {
        self.waiter.wait(self.job().keep(path, to))
    }

    /// See [`crate::Job::end`].
    pub fn end(mut self) -> Result<(), Error> {
        let job = self.job.take().expect("it is there until it has ended");
        self.waiter.wait(job.end())
    }

    fn job(&self) -> &crate::Job {
        self.job.as_ref().expect("it is there until it has ended")
    }
}

impl Drop for Job {
    /// Ends it, as nobody may turn the runtime afterwards.
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            // Where that does not succeed, the end of the lease does it.
            let _ = self.waiter.wait(job.end());
        }
    }
}

impl Store {
    /// See [`crate::Store::job`].
    pub fn job(&self, options: JobOptions) -> Result<Job, Error> {
        Ok(Job {
            job: Some(self.wait(self.store.job(options))?),
            waiter: self.waiter.clone(),
        })
    }

    /// See [`crate::Store::jobs`].
    pub fn jobs(&self) -> Result<Vec<JobInfo>, Error> {
        self.wait(self.store.jobs())
    }

    /// See [`crate::Store::kill_job`].
    pub fn kill_job(&self, id: u64) -> Result<JobInfo, Error> {
        self.wait(self.store.kill_job(id))
    }
}
