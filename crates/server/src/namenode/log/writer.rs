//! The log that is being written.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crake_datapath::{AppendFile, Error, Files};
use crake_rpc::Gate;
use crake_store::canary::{Canary, planted};

use super::super::command::Now;
use super::super::config::Config;
use super::super::namespace::Namespace;
use super::error::LogError;
use super::header::{Header, Names, SegmentHeader, UNFINISHED, segment_name};
use super::journal::Journal;
use super::record::checksum_of;
use super::recover::{Identity, Part, Recovered, Torn, recover};
use super::snapshot;

/// What a change of the namespace survives once it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process: it is handed to the operating system first.
    Async,
    /// The end of the machine: the device has it first.
    Sync,
}

/// Where a namenode's log is, and what for.
#[derive(Debug, Clone)]
pub struct LogConfig {
    /// Made if it is not there. Nobody else may use it meanwhile.
    pub directory: PathBuf,
    /// What a change survives.
    pub durability: Durability,
    /// The identity of this host since it was started last, as [`crake_store::this_host`] gives it: by it a namenode knows whether what was
    /// not synced may be missing. Empty is unknown.
    pub host: String,
    /// Bytes of a segment; at least 4 MiB. With each one that is full comes a snapshot.
    pub segment_bytes: u64,
}

impl LogConfig {
    /// Segments of 64 MiB in this directory.
    pub fn new(directory: impl Into<PathBuf>, durability: Durability) -> LogConfig {
        LogConfig {
            directory: directory.into(),
            durability,
            host: String::new(),
            segment_bytes: 64 << 20,
        }
    }

    /// The same in a directory of its own below this one, for one of several partitions.
    #[must_use]
    pub fn of_partition(self, partition: u16) -> LogConfig {
        LogConfig {
            directory: self.directory.join(format!("partition{partition}")),
            ..self
        }
    }
}

/// The smallest segment: it has room for what commands leave to events, and for a batch of the longest commands.
pub(in crate::namenode) const SEGMENT_BYTES_MIN: u64 = 4 << 20;
/// With less room than this in a segment the next one is begun.
const ROOM_LOW_BYTES: u64 = 2 << 20;

/// When so many records had to be done again, a snapshot spares the next start that.
const REPLAYED_MANY: u64 = 10_000;

/// What was found when a log was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Records that were done again.
    pub replayed: u64,
    /// Nodes that are there, with the root.
    pub nodes: u64,
    /// Bytes at the end that were no whole record, and the file that they were cut off; nothing that was answered was in them, unless the
    /// machine has crashed and answers did not wait for the device.
    pub cut: Option<(String, u64)>,
    /// The machine has crashed and answers did not wait for the device: changes of the last moments before may be missing.
    pub may_miss_some: bool,
}

/// Appends what a journal takes down.
pub(in crate::namenode) struct Log {
    files: Arc<dyn Files>,
    journal: Journal,
    gate: Rc<Gate>,
    identity: Identity,
    durability: Durability,
    boot: u64,
    segment_bytes: u64,
    segment: Segment,
    /// Finished, and perhaps not synced.
    finished: Vec<Segment>,
    /// Segments were begun since the directory was synced.
    has_new_names: bool,
    /// The last record that is in a file.
    written: u64,
    /// The last one that is on the device.
    synced: u64,
    /// Why nothing is answered any more.
    failure: Option<Failed>,
    is_full: bool,
    /// The first record of the open segment when a snapshot was made last.
    snapshot_before: u64,
    waiting: RefCell<Option<Waker>>,
    /// Of the wait for something to do.
    has_news: Cell<bool>,
}

/// Why a namenode cannot go on with its log: whoever has changed something was not answered, and nobody will be any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failed {
    /// It could not be written.
    #[error("the log cannot be written: {0}")]
    Unwritten(#[from] Unwritten),
    /// It is an older copy: what it has lost, another partition knows of, and ids would be given twice.
    #[error(
        "the log is older than what partition {partition} knows of it: start it with the one that it had, or without any, as a partition that was lost"
    )]
    Older {
        /// Who knows.
        partition: u16,
    },
}

/// A file of a log that could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {error}")]
pub struct Unwritten {
    file: String,
    error: Error,
}

struct Segment {
    name: String,
    file: Arc<dyn AppendFile>,
    len: u64,
    first: u64,
}

/// What is to be synced, by who may wait.
pub(in crate::namenode) struct SyncJob {
    files: Arc<dyn Files>,
    finished: Vec<(String, Arc<dyn AppendFile>, u64)>,
    open: (String, Arc<dyn AppendFile>, u64),
    has_new_names: bool,
    /// The last record that is synced then.
    upto: u64,
}

impl Log {
    /// Opens the log of a namespace with this configuration, or begins it, and gives the namespace that it has. What a crash has left behind the
    /// last whole record is cut. May take long.
    pub(in crate::namenode) fn open(
        files: Arc<dyn Files>,
        config: &LogConfig,
        fresh: Config,
        cluster: u128,
        now: Now,
    ) -> Result<(Log, Namespace, Opened), LogError> {
        let boot = boot_of(&config.host);
        let part = Part {
            before: u64::MAX,
            boot,
        };
        let recovered = recover(&*files, part)?.unwrap_or_else(|| Recovered {
            namespace: Namespace::new(fresh),
            identity: Identity {
                cluster,
                origin: fresh,
            },
            sequence: 0,
            replayed: 0,
            torn: None,
            last: None,
        });
        let Config {
            partition,
            partitions,
            ..
        } = recovered.namespace.config;
        if (partition, partitions) != (fresh.partition, fresh.partitions) {
            return Err(LogError::OtherPartition {
                partition,
                partitions,
            });
        }
        // Where the host has been started since, or may have been, what was not waited for may be missing.
        let is_whole = recovered
            .last
            .is_none_or(|(last, is_sync)| is_sync || (last == boot && boot != 0));
        let opened = Opened {
            replayed: recovered.replayed,
            nodes: u64::from(recovered.namespace.nodes.records.len()),
            cut: recovered
                .torn
                .as_ref()
                .map(|torn| (torn.file.clone(), torn.cut_bytes)),
            may_miss_some: !is_whole,
        };
        if let Some(torn) = &recovered.torn {
            cut(&*files, torn)?;
        }
        sync_all(&*files)?;
        let (mut log, mut namespace) = Log::begin(files, config, boot, recovered)?;
        namespace.keep_journal(&log.journal);
        namespace.go_on(now, &fresh, is_whole);
        log.commit();
        let job = log.sync_job();
        let synced = job.run();
        log.synced(job.upto, synced);
        match &log.failure {
            Some(Failed::Unwritten(failure)) => Err(LogError::file(&failure.file, failure.error.clone())),
            // Nobody was met yet who could know of another.
            Some(Failed::Older { .. }) | None => Ok((log, namespace, opened)),
        }
    }

    fn begin(
        files: Arc<dyn Files>,
        config: &LogConfig,
        boot: u64,
        recovered: Recovered,
    ) -> Result<(Log, Namespace), LogError> {
        let header = SegmentHeader {
            cluster: recovered.identity.cluster,
            first: recovered.sequence + 1,
            boot,
            is_sync: config.durability == Durability::Sync,
            origin: recovered.identity.origin,
        };
        let segment = Segment::create(&*files, &header, config.segment_bytes)
            .map_err(|failed| LogError::file(&failed.file, failed.error))?;
        // Of a snapshot that was being written. It is in nobody's way if it stays.
        let _ = files.remove(UNFINISHED);
        let journal = Journal::new(recovered.sequence, 0);
        let log = Log {
            files,
            gate: Gate::new(),
            identity: recovered.identity,
            durability: config.durability,
            boot,
            segment_bytes: config.segment_bytes,
            finished: Vec::new(),
            has_new_names: true,
            written: recovered.sequence,
            synced: recovered.sequence,
            failure: None,
            is_full: false,
            // Many short lives would otherwise leave many records, and no segment that is full.
            snapshot_before: if recovered.replayed < REPLAYED_MANY {
                segment.first
            } else {
                0
            },
            waiting: RefCell::default(),
            has_news: Cell::new(false),
            journal,
            segment,
        };
        log.journal.set_room(log.room());
        Ok((log, recovered.namespace))
    }

    /// The names of its files.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<String> {
        self.files.names().unwrap()
    }

    /// Where answers wait.
    pub(in crate::namenode) fn gate(&self) -> Rc<Gate> {
        self.gate.clone()
    }

    /// Whether all that has happened may be shown to anybody.
    #[inline]
    pub(in crate::namenode) fn is_settled(&self) -> bool {
        self.journal.is_empty() && self.gate.is_open()
    }

    pub(in crate::namenode) fn failure(&self) -> Option<&Failed> {
        self.failure.as_ref()
    }

    /// Whether changes are refused, as the disk is full.
    pub(in crate::namenode) fn is_full(&self) -> bool {
        self.is_full
    }

    /// Appends what has happened, before anybody is told of it.
    #[inline]
    pub(in crate::namenode) fn commit(&mut self) {
        if !self.journal.is_empty() {
            self.append();
        }
    }

    fn append(&mut self) {
        let (segment, has_failed) = (&mut self.segment, self.failure.is_some());
        let result = self.journal.drain(|bytes| {
            // Behind what may be half a record nothing may follow.
            if has_failed {
                return Ok(());
            }
            segment.len += bytes.len() as u64;
            segment.file.append(bytes)
        });
        if has_failed {
            return;
        }
        if let Some(Err(error)) = result {
            let file = self.segment.name.clone();
            return self.fail(Unwritten { file, error }.into());
        }
        self.written = self.journal.sequence();
        if self.durability == Durability::Sync && !planted(Canary::ReplyBeforeSync) {
            self.gate.need(self.written);
        }
        self.make_room();
        self.tell();
    }

    /// Another partition knows of more than it has.
    pub(in crate::namenode) fn be_behind(&mut self, partition: u16) {
        if self.failure.is_none() {
            self.fail(Failed::Older { partition });
        }
    }

    /// Nothing is shown any more: there would be no trace of it.
    fn fail(&mut self, failure: Failed) {
        tracing::error!(%failure, "nothing is answered any more");
        self.gate.need(u64::MAX);
        self.journal.set_room(0);
        self.failure.get_or_insert(failure);
        self.tell();
    }

    fn room(&self) -> usize {
        self.segment_bytes.saturating_sub(self.segment.len) as usize
    }

    /// Begins the next segment in good time. While there is no room for one, what is left of this one is used up.
    pub(in crate::namenode) fn make_room(&mut self) {
        if self.failure.is_some() {
            return;
        }
        if self.room() as u64 >= ROOM_LOW_BYTES {
            return;
        }
        let header = SegmentHeader {
            cluster: self.identity.cluster,
            first: self.written + 1,
            boot: self.boot,
            is_sync: self.durability == Durability::Sync,
            origin: self.identity.origin,
        };
        match Segment::create(&*self.files, &header, self.segment_bytes) {
            Ok(segment) => {
                self.finished.push(std::mem::replace(&mut self.segment, segment));
                self.has_new_names = true;
                if std::mem::take(&mut self.is_full) {
                    tracing::info!("there is room for the log again");
                }
            }
            Err(failed) => {
                if !std::mem::replace(&mut self.is_full, true) {
                    tracing::error!(%failed, "no room for the log: changes will be refused");
                }
            }
        }
        self.journal.set_room(self.room());
    }

    /// Reads all of the log and compares what it gives with what there is. For tests and simulations.
    pub(in crate::namenode) fn check(&mut self, namespace: &Namespace) -> Result<(), String> {
        self.commit();
        if self.failure.is_some() {
            return Ok(());
        }
        let part = Part {
            before: u64::MAX,
            boot: self.boot,
        };
        let recovered = recover(&*self.files, part).map_err(|error| error.to_string())?;
        let recovered = recovered.ok_or("the log is gone")?;
        let (mut there, mut logged) = (Vec::new(), Vec::new());
        namespace.save(&mut there);
        recovered.namespace.save(&mut logged);
        (there == logged)
            .then_some(())
            .ok_or("the log gives another state than there is".into())
    }

    /// Wakes who does what takes long.
    fn tell(&self) {
        self.has_news.set(true);
        if let Some(waker) = self.waiting.borrow_mut().take() {
            waker.wake();
        }
    }

    /// Done when something was appended since the last time.
    pub(in crate::namenode) fn poll_news(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_news.replace(false) {
            return Poll::Ready(());
        }
        *self.waiting.borrow_mut() = Some(cx.waker().clone());
        Poll::Pending
    }

    /// What is to be synced now, if there is anything.
    pub(in crate::namenode) fn begin_sync(&mut self) -> Option<SyncJob> {
        let is_due = self.failure.is_none() && self.synced < self.written;
        is_due.then(|| self.sync_job())
    }

    fn sync_job(&mut self) -> SyncJob {
        let part = |segment: &Segment| (segment.name.clone(), segment.file.clone(), segment.len);
        SyncJob {
            files: self.files.clone(),
            finished: self.finished.drain(..).map(|segment| part(&segment)).collect(),
            open: part(&self.segment),
            has_new_names: std::mem::take(&mut self.has_new_names),
            upto: self.written,
        }
    }

    /// The records up to this one are on the device, or nobody knows.
    pub(in crate::namenode) fn synced(&mut self, upto: u64, result: Result<(), Unwritten>) {
        match result {
            Ok(()) => {
                self.synced = upto;
                self.journal.set_durable(upto);
                self.gate.reach(upto);
            }
            // To sync again would say that all is well, and it is not: Linux tells of a failed write once.
            Err(failure) => self.fail(failure.into()),
        }
    }

    /// A snapshot to be made by who may wait, if a segment was finished since the last one.
    pub(in crate::namenode) fn begin_snapshot(
        &mut self,
    ) -> Option<impl FnOnce() -> Result<Option<u64>, LogError> + Send + use<>> {
        if self.failure.is_some() || self.snapshot_before == self.segment.first {
            return None;
        }
        self.snapshot_before = self.segment.first;
        let (files, part) = (
            self.files.clone(),
            Part {
                before: self.segment.first,
                boot: self.boot,
            },
        );
        Some(move || snapshot::make(&*files, part))
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // What nobody was told of may be lost, and what was asked to be on the device is there. The rest the system writes.
        self.commit();
    }
}

impl Segment {
    fn create(files: &dyn Files, header: &SegmentHeader, reserve_bytes: u64) -> Result<Segment, Unwritten> {
        let name = segment_name(header.first);
        let bytes = header.encode();
        let created = files.create(&name, reserve_bytes).and_then(|file| {
            file.append(&bytes)?;
            Ok(file)
        });
        match created {
            Ok(file) => Ok(Segment {
                name,
                file,
                len: bytes.len() as u64,
                first: header.first,
            }),
            Err(error) => Err(Unwritten { file: name, error }),
        }
    }
}

impl SyncJob {
    /// The last record that is synced by it.
    pub(in crate::namenode) fn upto(&self) -> u64 {
        self.upto
    }

    /// Waits for the device.
    pub(in crate::namenode) fn run(&self) -> Result<(), Unwritten> {
        let failed = |file: &str, error: Error| Unwritten {
            file: file.into(),
            error,
        };
        for (name, file, len) in &self.finished {
            // Gives back the room behind it.
            let synced = file.sync(*len).and_then(|()| file.truncate(*len));
            synced.map_err(|error| failed(name, error))?;
        }
        let (name, file, len) = &self.open;
        file.sync(*len).map_err(|error| failed(name, error))?;
        if self.has_new_names {
            self.files.sync().map_err(|error| failed(name, error))?;
        }
        Ok(())
    }
}

/// Cuts what is not whole, so that what comes next does not follow on it.
fn cut(files: &dyn Files, torn: &Torn) -> Result<(), LogError> {
    tracing::warn!(file = torn.file, bytes = torn.cut_bytes, later = ?torn.later, "the end of the log is cut off");
    let removed = torn.later.iter().rev().try_for_each(|name| files.remove(name));
    let cut = removed.and_then(|()| match torn.whole_bytes {
        0 => files.remove(&torn.file),
        whole => {
            let file = files.open(&torn.file)?;
            file.truncate(whole)?;
            file.sync(whole)
        }
    });
    let cut = cut.and_then(|()| files.sync());
    cut.map_err(|error| LogError::file(&torn.file, error))
}

/// Waits until the device has what an earlier process has written and not waited for: what comes next follows on it.
fn sync_all(files: &dyn Files) -> Result<(), LogError> {
    let names = files
        .names()
        .map_err(|error| LogError::file("the list of files", error))?;
    for name in Names::of(&names).segments.into_iter().map(segment_name) {
        let synced = files.open(&name).and_then(|file| file.sync(file.len_bytes()?));
        synced.map_err(|error| LogError::file(&name, error))?;
    }
    files
        .sync()
        .map_err(|error| LogError::file("the list of files", error))
}

/// A number for a host's identity; 0 if it is not known.
pub(crate) fn boot_of(host: &str) -> u64 {
    match host {
        "" => 0,
        host => u64::from(checksum_of(host.as_bytes())) << 32 | host.len() as u64 | 1,
    }
}
