//! Many jobs at once, in one thread.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use crake_datapath::{Runtime, Task};

/// Jobs and the workers that do them. A job may add further jobs.
///
/// The last one added is done first: a tree is walked down before it is walked along, so that few jobs wait however large
/// the tree is.
pub struct Crew<J> {
    jobs: RefCell<Vec<J>>,
    busy: Cell<usize>,
    stopped: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

impl<J: 'static> Crew<J> {
    /// Does `first`, and all that comes of it, with so many workers. Done when no job is left; dropped, the workers are
    /// cancelled.
    pub async fn work<F>(
        runtime: &Runtime,
        workers: usize,
        first: Vec<J>,
        work: impl Fn(Rc<Crew<J>>, J) -> F + 'static,
    ) where
        F: Future<Output = ()> + 'static,
    {
        let crew = Rc::new(Crew {
            jobs: RefCell::new(first),
            busy: Cell::new(0),
            stopped: Cell::new(false),
            waiting: RefCell::default(),
        });
        crew.jobs.borrow_mut().reverse();
        let work = Rc::new(work);
        let workers: Vec<Task<()>> = (0..workers)
            .map(|_| {
                let (crew, work) = (crew.clone(), work.clone());
                runtime.spawn(async move {
                    while let Some(job) = crew.next().await {
                        work(crew.clone(), job).await;
                        crew.done();
                    }
                })
            })
            .collect();
        for worker in workers {
            worker.await;
        }
    }

    /// Adds a job.
    pub fn add(&self, job: J) {
        if !self.stopped.get() {
            self.jobs.borrow_mut().push(job);
            if let Some(waker) = self.waiting.borrow_mut().pop() {
                waker.wake();
            }
        }
    }

    /// Forgets the jobs that nobody has begun, and takes no more.
    pub fn stop(&self) {
        self.stopped.set(true);
        self.jobs.borrow_mut().clear();
        self.wake_all();
    }

    /// The next job; `None` when there is none and none can come.
    async fn next(&self) -> Option<J> {
        poll_fn(|context| {
            if let Some(job) = self.jobs.borrow_mut().pop() {
                self.busy.set(self.busy.get() + 1);
                return Poll::Ready(Some(job));
            }
            if self.busy.get() == 0 {
                return Poll::Ready(None);
            }
            self.waiting.borrow_mut().push(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    fn done(&self) {
        self.busy.set(self.busy.get() - 1);
        if self.busy.get() == 0 && self.jobs.borrow().is_empty() {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        self.waiting.take().into_iter().for_each(Waker::wake);
    }
}

/// So much of something that all workers share.
pub struct Budget {
    left: Cell<usize>,
    waiting: RefCell<Vec<Waker>>,
}

impl Budget {
    /// `units` to give out.
    pub fn new(units: usize) -> Rc<Budget> {
        Rc::new(Budget {
            left: Cell::new(units),
            waiting: RefCell::default(),
        })
    }

    /// One unit, when there is one.
    pub async fn take(self: &Rc<Self>) -> Permit {
        poll_fn(|context| match self.try_take() {
            Some(permit) => Poll::Ready(permit),
            None => {
                self.waiting.borrow_mut().push(context.waker().clone());
                Poll::Pending
            }
        })
        .await
    }

    /// One unit, if there is one now.
    pub fn try_take(self: &Rc<Self>) -> Option<Permit> {
        let left = self.left.get().checked_sub(1)?;
        self.left.set(left);
        Some(Permit { budget: self.clone() })
    }
}

/// One unit of a [`Budget`], given back when this is dropped.
pub struct Permit {
    budget: Rc<Budget>,
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.budget.left.set(self.budget.left.get() + 1);
        // All of them: one that was given up meanwhile would swallow the wake of another.
        self.budget.waiting.take().into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use crake_datapath::RuntimeConfig;

    use super::*;

    fn runtime() -> Runtime {
        Runtime::new(RuntimeConfig::default()).unwrap()
    }

    #[test]
    fn jobs_of_jobs_are_all_done() {
        let runtime = runtime();
        let sum = Rc::new(Cell::new(0));
        let (total, other) = (sum.clone(), runtime.clone());
        runtime.block_on(Crew::work(&runtime, 4, vec![5_u32, 3], move |crew, job| {
            let (total, runtime) = (total.clone(), other.clone());
            async move {
                runtime.sleep(std::time::Duration::from_micros(1)).await;
                total.set(total.get() + 1);
                if job > 0 {
                    crew.add(job - 1);
                }
            }
        }));
        assert_eq!(sum.get(), 6 + 4);
    }

    #[test]
    fn a_stopped_crew_does_no_more() {
        let runtime = runtime();
        let count = Rc::new(Cell::new(0));
        let counted = count.clone();
        runtime.block_on(Crew::work(&runtime, 1, vec![1, 2, 3], move |crew, job| {
            counted.set(counted.get() + 1);
            async move {
                if job == 2 {
                    crew.stop();
                    crew.add(9);
                }
            }
        }));
        assert_eq!(count.get(), 2);
    }

    #[test]
    fn a_budget_is_never_exceeded() {
        let runtime = runtime();
        let budget = Budget::new(2);
        let (most, now) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let (seen, clock) = (most.clone(), runtime.clone());
        runtime.block_on(Crew::work(&runtime, 8, vec![(); 20], move |_, ()| {
            let (budget, most, now, clock) = (budget.clone(), seen.clone(), now.clone(), clock.clone());
            async move {
                let _permit = budget.take().await;
                now.set(now.get() + 1);
                most.set(most.get().max(now.get()));
                clock.sleep(std::time::Duration::from_micros(1)).await;
                now.set(now.get() - 1);
            }
        }));
        assert_eq!(most.get(), 2);
    }
}
