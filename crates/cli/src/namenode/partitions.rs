//! The partitions of a namenode in one process: the first in the thread of the caller, each other one in its own.

use std::sync::mpsc;
use std::thread::{Scope, ScopedJoinHandle};

use anyhow::{Context, Error, Result, anyhow};
use crake_datapath::{Address, Runtime};
use crake_server::{Namenode, NamenodeConfig};

use super::layout::Layout;
use crate::config::{Config, NAMENODE_ANSWERS};
use crate::endpoint;
use crate::log::{self, Found};
use crate::notice::Notice;
use crate::race::{Runner, race};
use crate::role::{self, Role};
use crate::shm::Offer;

/// What the partitions of a process are started with.
#[derive(Clone, Copy)]
pub struct Process<'a> {
    pub config: &'a Config,
    pub layout: &'a Layout,
    pub guest: &'a role::GuestArguments,
}

impl<'a> Process<'a> {
    /// Starts all partitions of this process. They serve when this returns.
    pub fn start<'scope>(
        self,
        scope: &'scope Scope<'scope, 'a>,
        runtime: &Runtime,
        offer: &Offer<'_>,
    ) -> Result<Partitions<'scope>> {
        let others = (1..self.layout.listen.len())
            .map(|nth| Other::start(|notices| scope.spawn(move || notices.run(self, nth))));
        let others = others.collect::<Result<_>>()?;
        let first = self.start_one(runtime, 0, offer)?;
        Ok(Partitions { first, others })
    }

    fn start_one(&self, runtime: &Runtime, nth: usize, offer: &Offer<'_>) -> Result<Namenode> {
        let (config, layout) = (self.config, self.layout);
        let partition = layout.first + nth as u16;
        let is_alone = layout.all.is_empty();
        let log = log::wanted(config)?;
        let namenode = NamenodeConfig {
            listen: offer.add_to(layout.listen[nth].clone(), "namenode"),
            host: offer.host(),
            answers_bytes: config.size(&NAMENODE_ANSWERS).0,
            log: if is_alone {
                log
            } else {
                log.map(|log| log.of_partition(partition))
            },
            partition,
            partitions: layout.all.clone(),
            ..NamenodeConfig::default()
        };
        Namenode::start(runtime, namenode)
            .map_err(|error| role::explain(error, "--listen HOST:PORT"))
            .with_context(|| match is_alone {
                true => "starting the namenode".into(),
                false => format!("starting partition {partition} of the namenode"),
            })
    }
}

/// All partitions of this process, which serve. Dropped, they end.
pub struct Partitions<'scope> {
    /// In this thread.
    first: Namenode,
    others: Vec<Other<'scope>>,
}

impl Partitions<'_> {
    /// Where the first one listens.
    pub fn root(&self) -> Vec<Address> {
        self.first.listening()
    }

    /// What all of them have found in their logs.
    pub fn found(&self) -> Option<Found> {
        let first = Found::by(&self.first)?;
        let others = self.others.iter().filter_map(|other| other.serves.found.as_ref());
        Some(others.fold(first, |sum, found| sum.and(found)))
    }
}

/// A partition in a thread of its own. Dropped, it ends.
struct Other<'scope> {
    notices: Notices,
    serves: Serves,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

/// What a partition's thread and the first one tell each other.
#[derive(Clone)]
struct Notices {
    stop: Notice<()>,
    failed: Notice<Error>,
    began: mpsc::Sender<Result<Serves>>,
}

/// What a partition says once it serves.
struct Serves {
    listening: Vec<Address>,
    found: Option<Found>,
}

impl<'scope> Other<'scope> {
    fn start(spawn: impl FnOnce(Notices) -> ScopedJoinHandle<'scope, ()>) -> Result<Other<'scope>> {
        let (began, begins) = mpsc::channel();
        let notices = Notices {
            stop: Notice::new(),
            failed: Notice::new(),
            began,
        };
        let thread = spawn(notices.clone());
        let serves = begins.recv().context("a partition's thread has ended")??;
        Ok(Other {
            notices,
            serves,
            thread: Some(thread),
        })
    }
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        self.notices.stop.tell(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a partition's thread has panicked");
        }
    }
}

impl Notices {
    /// Serves a partition until it is told to stop.
    fn run(self, process: Process<'_>, nth: usize) {
        if let Err(error) = self.serve(process, nth) {
            // Whoever does not listen any more has failed, too.
            let _ = self.began.send(Err(anyhow!("{error:#}")));
            self.failed.tell(error);
        }
    }

    fn serve(&self, process: Process<'_>, nth: usize) -> Result<()> {
        process.guest.apply(nth)?;
        let runtime = endpoint::runtime(process.config)?;
        let offer = Offer::new(&runtime, process.config);
        let namenode = process.start_one(&runtime, nth, &offer)?;
        let serves = Serves {
            listening: namenode.listening(),
            found: Found::by(&namenode),
        };
        let _ = self.began.send(Ok(serves));
        let failed = runtime.block_on(async {
            let stop = async {
                self.stop.told().await;
                None
            };
            let failed = async { Some(namenode.failed().await) };
            let failed = race(vec![Box::pin(stop), Box::pin(failed)]).await;
            let deadline = runtime.now() + role::SHUTDOWN_MAX;
            // Whom it takes longer to answer is cut off.
            let _ = runtime.timeout(deadline, namenode.shutdown()).await;
            failed
        });
        drop(namenode);
        runtime.shutdown();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Role for Partitions<'_> {
    fn listening(&self) -> Vec<Address> {
        let others = self.others.iter().flat_map(|other| &other.serves.listening);
        self.first.listening().iter().chain(others).cloned().collect()
    }

    async fn ready(&self) {}

    async fn shutdown(&self) {
        self.others.iter().for_each(|other| other.notices.stop.tell(()));
        self.first.shutdown().await;
    }

    async fn failed(&self) -> Error {
        let others = self.others.iter();
        let mut all: Vec<Runner<'_, Error>> = others
            .map(|other| Box::pin(other.notices.failed.told()) as Runner<'_, Error>)
            .collect();
        all.push(Box::pin(async { self.first.failed().await.into() }));
        race(all).await
    }
}
