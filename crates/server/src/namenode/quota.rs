//! What jobs have: nodes and bytes below their directories, counted as they come and go, and held below a quota.
//!
//! A node belongs to the job in whose directory it is. That is looked for from the node upwards, each time: nothing is kept
//! at nodes, so a rename within a job, or among nodes of no job, has nothing to do, and where there are no jobs nothing is looked for.
//! A rename across the border of a job counts what it moves, name by name, and is refused above [`MOVED_NODES_MAX`].

use crake_store::canary::{Canary, planted};

use super::blocks::Extent;
use super::command::Failure;
use super::jobs::JobId;
use super::namespace::{Namespace, ROOT};
use super::records::Place;
use super::sessions::PendingPut;
use super::slab::NONE;
use super::state::fields;

/// What one rename may move from a job to another, or out of one: some ten milliseconds of counting.
pub const MOVED_NODES_MAX: u64 = 100_000;

/// So many bytes and nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Amount {
    /// In blocks, and in small values.
    pub bytes: u64,
    /// Of any kind.
    pub nodes: u64,
}

fields!(Amount { bytes, nodes });

impl Amount {
    pub(super) const fn bytes(bytes: u64) -> Self {
        Self { bytes, nodes: 0 }
    }

    pub(super) const fn nodes(nodes: u64) -> Self {
        Self { bytes: 0, nodes }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            bytes: self.bytes.saturating_add(other.bytes),
            nodes: self.nodes.saturating_add(other.nodes),
        }
    }

    pub(super) fn minus(self, other: Self) -> Self {
        debug_assert!(self.bytes >= other.bytes && self.nodes >= other.nodes);
        Self {
            bytes: self.bytes.saturating_sub(other.bytes),
            nodes: self.nodes.saturating_sub(other.nodes),
        }
    }

    /// Whether a job may have so much; 0 of a quota is no limit.
    fn is_within(self, quota: Self) -> bool {
        let fits = |used: u64, quota: u64| quota == 0 || used <= quota;
        fits(self.bytes, quota.bytes) && fits(self.nodes, quota.nodes)
    }
}

/// Why a quota refuses something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverQuota {
    /// Whose.
    pub job: JobId,
    /// 0 is no limit.
    pub quota: Amount,
    /// What the job has.
    pub used: Amount,
    /// What it would have more.
    pub more: Amount,
}

/// Bytes that blocks may be taken for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    job: Option<u32>,
    pub(super) bytes: u64,
}

impl Namespace {
    /// The job in whose directory a node is; of a job's directory, that job.
    #[inline]
    pub(super) fn job_of(&self, index: u32) -> Option<u32> {
        if self.jobs.is_empty() {
            return None;
        }
        self.find_job_of(index)
    }

    /// Looks upwards: a job's directory is in that of all jobs, or, if it is being removed, in no directory.
    fn find_job_of(&self, index: u32) -> Option<u32> {
        let (mut below, mut at) = (NONE, index);
        loop {
            let parent = self.nodes.records.at(at).parent;
            if parent == ROOT {
                break;
            }
            (below, at) = (at, parent);
        }
        let directory = if at == self.jobs.parent { below } else { at };
        self.jobs.with_directory(directory)
    }

    /// Refuses what would bring a job above its quota: `less` of what it has in exchange for `more`.
    #[inline]
    pub(super) fn check_quota(
        &mut self,
        job: Option<u32>,
        less: Amount,
        more: Amount,
    ) -> Result<(), Failure> {
        match job {
            Some(number) => self.check_quota_of(number, less, more),
            None => Ok(()),
        }
    }

    fn check_quota_of(&mut self, number: u32, less: Amount, more: Amount) -> Result<(), Failure> {
        let job = &self.jobs.all[number];
        // Who has less than before may, also if it is above a quota.
        let grows = more.bytes > less.bytes || more.nodes > less.nodes;
        if !grows || job.used.minus(less).plus(more).is_within(job.quota) {
            return Ok(());
        }
        Err(self.over_quota(number, more))
    }

    fn over_quota(&mut self, number: u32, more: Amount) -> Failure {
        let job = &self.jobs.all[number];
        self.jobs.refused = Some(OverQuota {
            job: job.id,
            quota: job.quota,
            used: job.used,
            more,
        });
        Failure::QuotaExceeded
    }

    /// Bytes that a job may have more, if `freed` bytes go in exchange.
    #[inline]
    pub(super) fn room(&self, job: Option<u32>, freed: u64) -> Room {
        let bytes = job.map_or(u64::MAX, |number| {
            let job = &self.jobs.all[number];
            match job.quota.bytes {
                0 => u64::MAX,
                quota => quota.saturating_sub(job.used.bytes.saturating_sub(freed)),
            }
        });
        Room { job, bytes }
    }

    /// Why there is no room for a block of `bytes`.
    pub(super) fn no_room(&mut self, room: Room, bytes: u64) -> Failure {
        let number = room.job.expect("only a job's room ends");
        self.over_quota(number, Amount::bytes(bytes))
    }

    /// What the latest command was refused for, if it was by a quota.
    pub(super) fn quota_refusal(&mut self) -> Option<OverQuota> {
        self.jobs.refused.take()
    }

    // Counting.

    /// A job has more.
    #[inline]
    pub(super) fn charge(&mut self, job: Option<u32>, more: Amount) {
        if let Some(number) = job {
            let used = &mut self.jobs.all[number].used;
            *used = used.plus(more);
        }
    }

    /// A job has less.
    #[inline]
    pub(super) fn give_back(&mut self, job: Option<u32>, less: Amount) {
        if let Some(number) = job
            && !planted(Canary::SkipQuotaGiveBack)
        {
            let used = &mut self.jobs.all[number].used;
            *used = used.minus(less);
        }
    }

    /// A large value of so many bytes is on its way into a job. Says as what it is known there.
    pub(super) fn charge_put(&mut self, job: Option<u32>, bytes: u64) -> Option<(JobId, u64)> {
        let number = job?;
        self.charge(job, Amount { bytes, nodes: 1 });
        self.jobs.put_serial += 1;
        Some((self.jobs.all[number].id, self.jobs.put_serial))
    }

    /// It is held by this from now on.
    pub(super) fn note_put(&mut self, put: Option<(JobId, u64)>, hold: u64) {
        if let Some((number, serial)) = self.job_of_put(put) {
            self.jobs.all[number].puts.insert(serial, hold);
        }
    }

    /// It is not on its way any more.
    pub(super) fn give_back_put(&mut self, put: &PendingPut) {
        if let Some((number, serial)) = self.job_of_put(put.job) {
            self.jobs.all[number].puts.remove(&serial);
            self.give_back(Some(number), put_amount(put));
        }
    }

    fn job_of_put(&self, put: Option<(JobId, u64)>) -> Option<(u32, u64)> {
        let (id, serial) = put?;
        let number = self.jobs.find(id).expect("a job waits for the end of its puts");
        Some((number, serial))
    }

    /// What a node counts: itself and its bytes, not what is below it.
    pub(super) fn amount_of(&self, index: u32) -> Amount {
        let record = self.nodes.records.at(index);
        let bytes = match record.place {
            Place::Nowhere | Place::Sealed | Place::Elsewhere | Place::Spread => 0,
            Place::Tail | Place::Heap => record.size,
            Place::Blocks => block_bytes(&self.nodes.files[record.extra].extents),
        };
        Amount { bytes, nodes: 1 }
    }

    /// What a node and all below it count.
    ///
    /// # Errors
    /// [`Failure::TreeTooLarge`] if these are more than [`MOVED_NODES_MAX`].
    pub(super) fn amount_of_tree(&self, top: u32) -> Result<Amount, Failure> {
        let amount = self.amount_up_to(top, MOVED_NODES_MAX);
        amount.ok_or(Failure::TreeTooLarge)
    }

    /// The same, however many these are.
    pub(super) fn amount_of_all(&self, top: u32) -> Amount {
        let amount = self.amount_up_to(top, u64::MAX);
        amount.expect("there are not so many nodes")
    }

    /// Nothing if these are more nodes than `nodes_max`.
    fn amount_up_to(&self, top: u32, nodes_max: u64) -> Option<Amount> {
        let (mut left, mut sum) = (vec![top], Amount::default());
        while let Some(index) = left.pop() {
            sum = sum.plus(self.amount_of(index));
            let record = self.nodes.records.at(index);
            if !record.kind().is_container() {
                continue;
            }
            if sum.nodes + left.len() as u64 + record.size > nodes_max {
                return None;
            }
            self.nodes.visit(index, b"", b"", |_, child| {
                left.push(child);
                true
            });
        }
        Some(sum)
    }
}

/// What a large value on its way counts.
pub(super) fn put_amount(put: &PendingPut) -> Amount {
    Amount {
        bytes: block_bytes(&put.extents),
        nodes: 1,
    }
}

/// Bytes of the blocks, also those of them that are not used.
pub(super) fn block_bytes(extents: &[Extent]) -> u64 {
    extents.iter().map(|extent| extent.block.class.bytes()).sum()
}
