//! What a client does with jobs, and what must come of it: no job has more than its quota, each has what its owner made there, and
//! of one that has ended nothing is found.

use std::collections::BTreeMap;

use crake_mem::Buf;
use crake_store::{CreateOptions, Error, Job, JobInfo, JobOptions, Node, Table, Writer};

use crate::client::{Life, is_transient};
use crate::content::{self, Tag};
use crate::model::{FileModel, Known};

/// Quotas, around the size classes; 0 is none.
const QUOTAS: [u64; 6] = [0, 4_096, 70_000, 200_000, 1_048_576, 1_200_000];
const SIZES: [usize; 7] = [0, 1, 4_096, 65_537, 200_000, 1_048_577, 1_300_000];
/// Of values that the namenode keeps.
const VALUES: [usize; 4] = [0, 10, 100, 1_024];
/// The smallest block: with less room nothing can be allotted.
const BLOCK_BYTES: u64 = 4_096;

/// A job that this client owns, with what it knows of it.
struct Work {
    job: Job,
    quota: JobOptions,
    table: Table,
    /// By path in its directory. A key's is `t/` and the key.
    items: BTreeMap<String, Item>,
    /// Something failed that may have happened: what counts is not known exactly any more.
    doubtful: bool,
    made: u32,
}

/// A file, or a value if it has no tag.
#[derive(Clone, Debug)]
struct Item {
    bytes: u64,
    file: Option<FileModel>,
}

/// The job is no more.
struct Gone;

type Step = Result<(), Gone>;

impl Life {
    /// A job from its begin to its end, or until this client dies.
    pub(crate) async fn work_in_job(&self) {
        self.client.does("beginning a job");
        let random = &self.world.random;
        let quota = JobOptions {
            name: format!("of client {}", self.client.number),
            quota_bytes: *random.pick(&QUOTAS),
            quota_nodes: *random.pick(&[0, 0, 2, 5]),
        };
        let job = match self.store.job(quota.clone()).await {
            Ok(job) => job,
            Err(error) if is_transient(&error) => return,
            Err(error) => return self.world.violate(format!("beginning a job: {error}")),
        };
        let (id, directory) = (job.id(), job.directory().to_owned());
        let table = match self.store.make_table(&format!("{directory}/t"), false).await {
            Ok(table) => table,
            Err(error) => return self.expect_gone_or_transient(id, &error).await,
        };
        let mut work = Work {
            job,
            quota,
            table,
            items: BTreeMap::new(),
            doubtful: false,
            made: 0,
        };
        for _ in 0..2 + random.below(8) {
            if self.step(&mut work).await.is_err() || self.check_use(&mut work).await.is_err() {
                return self.expect_ended(id, &directory).await;
            }
        }
        self.end(work).await;
    }

    async fn step(&self, work: &mut Work) -> Step {
        match self.world.random.below(10) {
            0..=3 => self.write_in_job(work).await,
            4 | 5 => self.put_in_job(work).await,
            6 => self.keep_from_job(work).await,
            7 => self.bring(work).await,
            8 => self.read_in_job(work).await,
            _ => self.delete_in_job(work).await,
        }
    }

    /// What failed was not for the quota. The job may have ended if this client was not heard of.
    fn failed(&self, work: &mut Work, what: &str, error: &Error) -> Step {
        self.client.notes(error);
        work.doubtful |= error.may_have_run();
        match error {
            error if is_transient(error) => Ok(()),
            Error::NotFound { .. } | Error::JobEnded { .. } | Error::LeaseLost { .. }
                if self.world.is_disturbed() =>
            {
                Err(Gone)
            }
            Error::BlockLost { .. } if self.world.is_disturbed() => Ok(()),
            error => {
                self.world.violate(format!("{what} in {:?}: {error}", work.job));
                Ok(())
            }
        }
    }

    /// A quota has refused that `bytes` and a node come to what is there.
    fn refused(&self, work: &Work, what: &str, bytes: u64, nodes: u64) {
        let (used, quota) = (work.used(), &work.quota);
        let exceeds = |more: u64, quota: u64| quota > 0 && more > quota;
        let is_right =
            exceeds(used.0 + bytes, quota.quota_bytes) || exceeds(used.1 + nodes, quota.quota_nodes);
        if !is_right && !work.doubtful {
            let job = &work.job;
            self.world
                .violate(format!("{what} in {job:?}: refused at {used:?} of {quota:?}"));
        }
    }

    async fn write_in_job(&self, work: &mut Work) -> Step {
        let name = work.new_name("f");
        let path = work.path(&name);
        self.client.does(format!("writing {path}"));
        let len = *self.world.random.pick(&SIZES);
        let mut options = CreateOptions::from(Node::File);
        options.size_hint = match self.world.random.chance(300) {
            true => len as u64,
            false => 0,
        };
        let made = self.store.create(&path, options).await;
        match made.and_then(|file| file.writer()) {
            Ok(writer) => self.fill_in_job(work, name, writer, len).await,
            Err(Error::QuotaExceeded { .. }) => {
                // What is written comes with a block at once.
                let least = if options.size_hint > 0 { BLOCK_BYTES } else { 0 };
                self.refused(work, "creating", least, 1);
                Ok(())
            }
            Err(error) => self.failed(work, "creating", &error),
        }
    }

    async fn fill_in_job(&self, work: &mut Work, name: String, writer: Writer, len: usize) -> Step {
        let mut model = FileModel::new(self.world.new_tag(), self.world.crashes());
        let tag: Tag = self.world.new_tag();
        model.begin_stretch(0, tag);
        model.size_max = len as u64;
        let mut at = 0;
        while at < len {
            let piece = (len - at).min(1 + self.world.random.below(150_000) as usize);
            drop(writer.write(Buf::from_vec(content::bytes(tag, at as u64, piece))));
            at += piece;
        }
        let closed = writer.close().await;
        let path = work.path(&name);
        let attributes = match closed {
            Ok(attributes) => attributes,
            Err(Error::QuotaExceeded { .. }) => {
                self.refused(work, "writing", len as u64 + BLOCK_BYTES, 1);
                match self.store.lookup(&path).await {
                    Ok(attributes) if !attributes.open => attributes,
                    found => {
                        work.doubtful = true;
                        return found
                            .map_or_else(|error| self.failed(work, "looking up", &error), |_| Ok(()));
                    }
                }
            }
            Err(error) => {
                // The name is there, whatever became of the bytes.
                work.doubtful = true;
                return self.failed(work, "writing", &error);
            }
        };
        model.size_min = attributes.size;
        if !model.allows_size(attributes.size) {
            self.world.violate(format!("{path} has size {}", attributes.size));
        }
        let item = Item {
            bytes: attributes.capacity,
            file: Some(model),
        };
        work.items.insert(name, item);
        Ok(())
    }

    async fn put_in_job(&self, work: &mut Work) -> Step {
        let key = format!("k{}", self.world.random.below(3));
        let name = format!("t/{key}");
        self.client.does(format!("putting {}", work.path(&name)));
        let len = *self.world.random.pick(&VALUES);
        let value = content::bytes(self.world.new_tag(), 0, len);
        match work.table.put(key.as_bytes(), &value).await {
            Ok(_) => {
                let item = Item {
                    bytes: len as u64,
                    file: None,
                };
                work.items.insert(name, item);
                Ok(())
            }
            Err(Error::QuotaExceeded { .. }) => {
                let before = work.items.get(&name);
                let (bytes, nodes) = (before.map_or(0, |item| item.bytes), u64::from(before.is_none()));
                self.refused(work, "putting", (len as u64).saturating_sub(bytes), nodes);
                Ok(())
            }
            Err(error) => self.failed(work, "putting", &error),
        }
    }

    /// Moves a file out of the job, into this client's own directory.
    async fn keep_from_job(&self, work: &mut Work) -> Step {
        let Some(name) = self.any_item(work, |item| item.file.is_some()) else {
            return Ok(());
        };
        self.client.names.set(self.client.names.get() + 1);
        let to = format!("n{:03}", self.client.names.get());
        self.client.does(format!("keeping {} as {to}", work.path(&name)));
        let item = work.items.remove(&name).expect("it was just chosen");
        self.tree().taint(&to);
        match work.job.keep(&name, &self.client.path(&to)).await {
            Ok(_) => {
                let file = item.file.expect("it was just chosen");
                self.tree().set(&to, Known::File(file));
                Ok(())
            }
            Err(error) => {
                if !error.may_have_run() {
                    self.tree().remove(&to);
                    work.items.insert(name, item);
                }
                self.failed(work, "keeping", &error)
            }
        }
    }

    /// Moves a file of this client's own directory into the job.
    async fn bring(&self, work: &mut Work) -> Step {
        let files = self
            .client
            .tree
            .borrow()
            .paths(|known| matches!(known, Known::File(_)));
        if files.is_empty() || work.doubtful {
            return Ok(());
        }
        let (from, name) = (self.world.random.pick(&files).clone(), work.new_name("b"));
        let to = work.path(&name);
        self.client.does(format!("bringing {from} as {to}"));
        let file = self.client.tree.borrow().file(&from).cloned();
        self.tree().taint(&from);
        match self.store.rename(&self.client.path(&from), &to).await {
            Ok(_) => {
                self.tree().remove(&from);
                self.brought(work, name, file).await
            }
            Err(error) => {
                if !error.may_have_run() {
                    self.tree()
                        .set(&from, Known::File(file.expect("it was just chosen")));
                }
                let is_limited = work.quota.quota_bytes + work.quota.quota_nodes > 0;
                match error {
                    Error::QuotaExceeded { .. } if is_limited => Ok(()),
                    // What is at another partition, or a branch of its own, cannot come into a job.
                    error if self.is_across(&error) => Ok(()),
                    error => self.failed(work, "bringing", &error),
                }
            }
        }
    }

    /// Of a file whose writer was cut off only the namenode knows how large its last block is; and it may be cut off still.
    async fn brought(&self, work: &mut Work, name: String, file: Option<FileModel>) -> Step {
        let path = work.path(&name);
        let found = match self.store.lookup(&path).await {
            Ok(attributes) if !attributes.open => work.job.usage().await.map(|info| (attributes, info)),
            Ok(_) => {
                work.doubtful = true;
                return Ok(());
            }
            Err(error) => Err(error),
        };
        match found {
            Ok((attributes, info)) => {
                let bytes = info.used_bytes.saturating_sub(work.used().0);
                if bytes < attributes.capacity || bytes > attributes.capacity + (1 << 20) {
                    let capacity = attributes.capacity;
                    self.world
                        .violate(format!("{path} has {capacity} and counts {bytes}"));
                }
                work.items.insert(name, Item { bytes, file });
                Ok(())
            }
            Err(error) => {
                work.doubtful = true;
                self.failed(work, "looking at what was brought", &error)
            }
        }
    }

    async fn read_in_job(&self, work: &mut Work) -> Step {
        let Some(name) = self.any_item(work, |item| item.file.is_some()) else {
            return Ok(());
        };
        let path = work.path(&name);
        self.client.does(format!("reading {path}"));
        let read = async {
            let file = self.store.open(&path).await?;
            let size = file.attributes().size;
            Ok((size, file.reader()?.read_to_vec(0, size as usize).await?))
        };
        let (size, bytes) = match read.await {
            Ok(read) => read,
            Err(error) => return self.failed(work, "reading", &error),
        };
        let model = work.items[&name].file.as_ref().expect("it was just chosen");
        if !model.allows_size(size) || model.verify(0, &bytes).is_err() {
            self.world
                .violate(format!("{path} has wrong bytes, or {size} of them"));
        }
        Ok(())
    }

    async fn delete_in_job(&self, work: &mut Work) -> Step {
        let Some(name) = self.any_item(work, |_| true) else {
            return Ok(());
        };
        let path = work.path(&name);
        self.client.does(format!("deleting {path}"));
        match self.store.delete(&path, false).await {
            Ok(_) => {
                work.items.remove(&name);
                Ok(())
            }
            Err(error) => {
                // What may be gone is not asked for again: that nothing is found means that the job has ended.
                if error.may_have_run() {
                    work.items.remove(&name);
                }
                self.failed(work, "deleting", &error)
            }
        }
    }

    /// That the namenode counts what there is, and nobody has more than it may.
    async fn check_use(&self, work: &mut Work) -> Step {
        self.client.does(format!("looking at the use of {:?}", work.job));
        let info = match work.job.usage().await {
            Ok(info) if info.ending => return Err(Gone),
            Ok(info) => info,
            Err(error) => return self.failed(work, "its use", &error),
        };
        let (used, counted) = (work.used(), (info.used_bytes, info.used_nodes));
        if !work.doubtful && used != counted {
            self.world.violate(format!(
                "job {} has {used:?} and is counted to have {counted:?}",
                info.id
            ));
        }
        if exceeds(&info) {
            self.world.violate(format!("more than it may have: {info:?}"));
        }
        Ok(())
    }

    /// Ends a job in one of the ways there are.
    async fn end(&self, work: Work) {
        let (id, directory) = (work.job.id(), work.job.directory().to_owned());
        self.client.does(format!("ending job {id}"));
        let ended = match self.world.random.below(3) {
            0 => work.job.end().await,
            1 => self.store.kill_job(id).await.map(|_| ()),
            // It is told in the background, or the end of the lease does it.
            _ => return drop(work),
        };
        match ended {
            Ok(()) => self.expect_ended(id, &directory).await,
            Err(error) => self.expect_gone_or_transient(id, &error).await,
        }
    }

    async fn expect_gone_or_transient(&self, id: u64, error: &Error) {
        let is_gone = matches!(error, Error::NotFound { .. }) && self.world.is_disturbed();
        // The table of a job that may have no nodes is not in it.
        if !is_transient(error) && !is_gone {
            self.world.violate(format!("job {id}: {error}"));
        }
    }

    /// Nothing of a job that has ended is found.
    async fn expect_ended(&self, id: u64, directory: &str) {
        self.client.does(format!("looking whether job {id} has ended"));
        match self.store.lookup(directory).await {
            Err(Error::NotFound { .. }) => {}
            Err(error) if is_transient(&error) => {}
            found => self
                .world
                .violate(format!("{directory} of an ended job: {found:?}")),
        }
        match self.store.job_info(id).await {
            Ok(info) if info.ending => {}
            Err(Error::NotFound { .. }) => {}
            Err(error) if is_transient(&error) => {}
            found => self.world.violate(format!("an ended job: {found:?}")),
        }
    }

    fn any_item(&self, work: &Work, wanted: impl Fn(&Item) -> bool) -> Option<String> {
        let wanted = work.items.iter().filter(|(_, item)| wanted(item));
        let names: Vec<_> = wanted.map(|(name, _)| name.clone()).collect();
        (!names.is_empty()).then(|| self.world.random.pick(&names).clone())
    }
}

impl Work {
    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.job.directory())
    }

    fn new_name(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}{}", self.made)
    }

    /// Bytes and nodes, with the table.
    fn used(&self) -> (u64, u64) {
        let bytes = self.items.values().map(|item| item.bytes).sum();
        (bytes, self.items.len() as u64 + 1)
    }
}

fn exceeds(info: &JobInfo) -> bool {
    let exceeds = |used: u64, quota: u64| quota > 0 && used > quota;
    exceeds(info.used_bytes, info.quota_bytes) || exceeds(info.used_nodes, info.quota_nodes)
}
