//! What a log needs that takes long: to sync it, and to make snapshots; beside the loop that serves.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Weak;
use std::task::Poll;
use std::time::Duration;

use crake_datapath::{Runtime, Worker};

use super::super::service::NamenodeService;
use super::writer::{Durability, Failed, Log};

/// With [`Durability::Async`], what is written goes to the device so long after it at the latest, if the device keeps up.
const SYNC_EVERY: Duration = Duration::from_millis(100);
/// From one snapshot to the next at least.
const SNAPSHOT_PAUSE: Duration = Duration::from_secs(1);
/// How often is looked whether a full disk has room again.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Takes care of the log of a service.
pub(in crate::namenode) struct Keeper {
    runtime: Runtime,
    service: Weak<RefCell<NamenodeService>>,
    durability: Durability,
    syncing: Worker,
    snapshots: Worker,
}

impl Keeper {
    pub(in crate::namenode) fn new(
        runtime: &Runtime,
        service: Weak<RefCell<NamenodeService>>,
        durability: Durability,
    ) -> io::Result<Keeper> {
        Ok(Keeper {
            runtime: runtime.clone(),
            service,
            durability,
            syncing: runtime.worker("crake-log-sync")?,
            snapshots: runtime.worker("crake-snapshot")?,
        })
    }

    /// Goes on until the log cannot be written any more, or its service is gone.
    pub(in crate::namenode) async fn run(self) -> Option<Failed> {
        let snapshots = self.make_snapshots();
        let mut snapshots = std::pin::pin!(snapshots);
        let syncing = self.sync();
        let mut syncing = std::pin::pin!(syncing);
        poll_fn(|cx| {
            // It is never done.
            let _ = snapshots.as_mut().poll(cx);
            syncing.as_mut().poll(cx)
        })
        .await
    }

    fn with_log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> Option<T> {
        let service = self.service.upgrade()?;
        let mut service = service.borrow_mut();
        service.log_mut().map(look)
    }

    async fn sync(&self) -> Option<Failed> {
        loop {
            self.news().await?;
            if let Some(failure) = self.with_log(|log| log.failure().cloned())? {
                return Some(failure);
            }
            if self.durability == Durability::Async {
                self.runtime.sleep(SYNC_EVERY).await;
            }
            while let Some(job) = self.with_log(Log::begin_sync)? {
                let upto = job.upto();
                let result = self.syncing.run(move || job.run()).await;
                self.with_log(|log| log.synced(upto, result))?;
                if self.durability == Durability::Async {
                    break;
                }
            }
        }
    }

    /// Waits until something was written. While the disk is full, looks now and then whether it still is.
    async fn news(&self) -> Option<()> {
        loop {
            let news = poll_fn(|cx| match self.with_log(|log| log.poll_news(cx)) {
                Some(poll) => poll.map(Some),
                None => Poll::Ready(None),
            });
            if !self.with_log(|log| log.is_full())? {
                return news.await;
            }
            let deadline = self.runtime.now() + LOOK_EVERY;
            if let Ok(news) = self.runtime.timeout(deadline, news).await {
                return news;
            }
            self.with_log(Log::make_room)?;
        }
    }

    /// A snapshot for each segment that is finished, if they are not finished faster than that. Never done.
    async fn make_snapshots(&self) {
        loop {
            // Looked at whenever something was written: `run` polls both.
            let job = poll_fn(|_| match self.with_log(Log::begin_snapshot).flatten() {
                Some(job) => Poll::Ready(job),
                None => Poll::Pending,
            });
            match self.snapshots.run(job.await).await {
                Ok(sequence) => tracing::info!(sequence, "the namespace is in a snapshot"),
                // The log is there all the same; there will be another one.
                Err(error) => tracing::warn!(%error, "no snapshot was made"),
            }
            self.runtime.sleep(SNAPSHOT_PAUSE).await;
        }
    }
}
