//! Jobs: a session's lease with a directory and a quota. When the session ends the job, or falls silent, all that is in
//! the directory goes.
//!
//! Here is who has a job and how it begins and ends; what it may have is in `quota`, how its tree goes in `removal`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::ops::Bound;

use super::command::{Failure, Happened, Kind, NodeId, Reply, SessionId};
use super::names::NAME_BYTES_MAX;
use super::namespace::{Namespace, ROOT};
use super::quota::{Amount, OverQuota};
use super::removal::Owner;
use super::sessions::Held;
use super::slab::{NONE, Slab};
use super::state::{Input, Malformed, State, choices, fields};

/// The directory of all jobs' directories, below the root.
pub(super) const JOBS_NAME: &[u8] = b"jobs";
/// Leases that ended with their job, of which it is known why they did.
const ENDED_LEASES_MAX: usize = 4096;
/// What a job takes on the wire beside its name, at most: its place in a list (8), its bitmap and slots (96), its owner
/// (16), padding (16).
const JOB_BYTES: usize = 136;

/// A job. Never used twice; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// [`super::Command::JobCreate`].
#[derive(Clone, Copy, Debug, Default)]
pub struct JobCreate<'a> {
    /// For people; at most 255 bytes, may be empty.
    pub name: &'a str,
    /// What may be below its directory; 0 is no limit.
    pub quota: Amount,
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Its owner holds it.
    Running,
    /// It has ended, and what it had is being removed.
    Ending,
}

/// What is known of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobInfo<'a> {
    /// Its identity.
    pub id: JobId,
    /// For people.
    pub name: &'a str,
    /// Who made it.
    pub owner: SessionId,
    /// Its directory, whose path is `/jobs/` and the id.
    pub directory: NodeId,
    /// What may be below its directory; 0 is no limit.
    pub quota: Amount,
    /// What is there, with large values on their way to it.
    pub used: Amount,
    /// Wall clock.
    pub started_ns: u64,
    /// Whether it has ended.
    pub state: JobState,
}

/// Some jobs, in the order of their ids.
#[derive(Clone)]
pub struct JobInfos<'a> {
    jobs: &'a Slab<Job>,
    numbers: std::slice::Iter<'a, u32>,
}

impl<'a> Iterator for JobInfos<'a> {
    type Item = JobInfo<'a>;

    fn next(&mut self) -> Option<JobInfo<'a>> {
        self.numbers.next().map(|&number| self.jobs[number].info())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.numbers.size_hint()
    }
}

impl ExactSizeIterator for JobInfos<'_> {}

impl fmt::Debug for JobInfos<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl Namespace {
    /// A job of this session, with an empty directory.
    pub(super) fn job_create(
        &mut self,
        session: SessionId,
        request: &JobCreate<'_>,
    ) -> Result<Reply<'_>, Failure> {
        if request.name.len() > NAME_BYTES_MAX {
            return Err(Failure::TooLong);
        }
        let parent = self.child(ROOT, JOBS_NAME);
        if parent.is_some_and(|index| self.kind(index) != Kind::Directory) {
            return Err(Failure::NotADirectory);
        }
        self.reserve_nodes(1 + usize::from(parent.is_none()))?;
        self.sessions.reserve(session)?;
        if self.jobs.all.len() >= self.config.jobs_max as usize {
            return Err(Failure::Full);
        }
        let parent = parent.unwrap_or_else(|| self.make(ROOT, JOBS_NAME, Kind::Directory));
        // It must not go while a job runs.
        self.live_for(parent, 0);
        let id = self.free_job_id(parent);
        let directory = self.make(parent, id.0.to_string().as_bytes(), Kind::Directory);
        let lease = self.sessions.hold(session, self.now.mono_ns, Held::Job(id));
        let number = self.jobs.insert(Job {
            id,
            name: request.name.into(),
            owner: session,
            lease,
            directory,
            directory_id: self.nodes.id(directory),
            quota: request.quota,
            used: Amount::default(),
            started_ns: self.now.wall_ns,
            state: JobState::Running,
            puts: BTreeMap::new(),
        });
        self.jobs.parent = parent;
        Ok(Reply::Job(self.jobs.all[number].info()))
    }

    /// The next id whose directory has a free name: somebody may have made other things there. Each is passed over once.
    fn free_job_id(&self, parent: u32) -> JobId {
        let is_free = |id: &u64| self.child(parent, id.to_string().as_bytes()).is_none();
        let mut ids = self.jobs.latest.0 + 1..;
        JobId(
            ids.find(is_free)
                .expect("a directory has fewer than 2^64 entries"),
        )
    }

    /// Jobs with ids above one: at most `limit`, and as many as a page holds.
    pub(super) fn job_list(&mut self, after: JobId, limit: u32) -> Reply<'_> {
        let limit = super::directory::page_limit(limit);
        let mut room = self.config.page_bytes_max as usize;
        let Jobs { all, by_id, page, .. } = &mut self.jobs;
        page.clear();
        let mut above = by_id.range((Bound::Excluded(after), Bound::Unbounded));
        let more = above.any(|(_, &number)| {
            let bytes = JOB_BYTES + all[number].name.len();
            if page.len() == limit || bytes > room {
                return true;
            }
            room -= bytes;
            page.push(number);
            false
        });
        Reply::Jobs {
            jobs: JobInfos {
                jobs: &self.jobs.all,
                numbers: self.jobs.page.iter(),
            },
            more,
        }
    }

    /// Ends a job, by its owner or, with `kill`, by anybody. One that is ending already stays as it is.
    pub(super) fn job_end(
        &mut self,
        session: SessionId,
        id: JobId,
        kill: bool,
    ) -> Result<Reply<'_>, Failure> {
        let number = self.jobs.find(id).ok_or(Failure::NotFound)?;
        let job = &self.jobs.all[number];
        if job.owner != session && !kill {
            return Err(Failure::NotOwner);
        }
        if job.state == JobState::Running {
            self.sessions.release(job.lease);
            self.end_job(id);
        }
        Ok(Reply::Job(self.jobs.all[number].info()))
    }

    /// A running job's lease has ended. From now on no path leads to what it has, and nobody may write there; it is
    /// removed by and by.
    pub(super) fn end_job(&mut self, id: JobId) {
        let number = self.jobs.find(id).expect("a job's lease ends with it");
        let job = &mut self.jobs.all[number];
        job.state = JobState::Ending;
        let directory = job.directory;
        self.jobs.running -= 1;
        self.tell(Happened::Deleted, directory);
        self.unlink(directory);
        self.doom(directory, Owner::EndedJob(number));
    }

    /// Refuses to move, remove or replace the directory of a running job, and that of all of them; and a shard without its table.
    pub(super) fn check_unfixed(&self, index: u32) -> Result<(), Failure> {
        self.check_no_shard(index)?;
        let jobs = &self.jobs;
        let is_fixed = jobs.running > 0 && (index == jobs.parent || jobs.by_directory.contains_key(&index));
        match is_fixed {
            true => Err(Failure::JobDirectoryIsFixed),
            false => Ok(()),
        }
    }
}

/// All jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    pub(super) all: Slab<Job>,
    by_id: BTreeMap<JobId, u32>,
    /// Numbers of jobs by the records of their directories, from begin until nothing of them is left. Only looked up, so the order does not matter.
    by_directory: HashMap<u32, u32, BuildHasherDefault<IndexHasher>>,
    /// Record of `/jobs`; of any node, or [`NONE`], while no job runs.
    pub(super) parent: u32,
    running: u32,
    latest: JobId,
    /// Of the latest large value on its way into a job.
    pub(super) put_serial: u64,
    /// The latest of them: an id is higher the later it was given.
    ended_leases: BTreeSet<u64>,
    /// What the latest reply borrows.
    page: Vec<u32>,
    /// Why the latest command was refused, if it was by a quota.
    pub(super) refused: Option<OverQuota>,
}

#[derive(Debug, Hash)]
pub(super) struct Job {
    pub(super) id: JobId,
    name: Box<str>,
    owner: SessionId,
    /// While it runs.
    lease: u64,
    pub(super) directory: u32,
    directory_id: NodeId,
    pub(super) quota: Amount,
    pub(super) used: Amount,
    started_ns: u64,
    pub(super) state: JobState,
    /// Large values on their way to it: serial number and hold.
    pub(super) puts: BTreeMap<u64, u64>,
}

choices!(JobState { Running, Ending });
fields!(Job {
    id,
    name,
    owner,
    lease,
    directory,
    directory_id,
    quota,
    used,
    started_ns,
    state,
    puts
});

impl State for Jobs {
    fn save(&self, out: &mut Vec<u8>) {
        self.all.save(out);
        (self.parent, self.latest).save(out);
        self.put_serial.save(out);
        self.ended_leases.save(out);
    }

    fn load(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let all = Slab::<Job>::load(input)?;
        let (parent, latest) = State::load(input)?;
        let running = all.iter().filter(|(_, job)| job.state == JobState::Running);
        Ok(Self {
            running: running.count() as u32,
            by_id: all.iter().map(|(number, job)| (job.id, number)).collect(),
            by_directory: all.iter().map(|(number, job)| (job.directory, number)).collect(),
            all,
            parent,
            latest,
            put_serial: State::load(input)?,
            ended_leases: State::load(input)?,
            ..Self::default()
        })
    }
}

impl Job {
    fn info(&self) -> JobInfo<'_> {
        JobInfo {
            id: self.id,
            name: &self.name,
            owner: self.owner,
            directory: self.directory_id,
            quota: self.quota,
            used: self.used,
            started_ns: self.started_ns,
            state: self.state,
        }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            all: Slab::default(),
            by_id: BTreeMap::new(),
            by_directory: HashMap::default(),
            parent: NONE,
            running: 0,
            latest: JobId(0),
            put_serial: 0,
            ended_leases: BTreeSet::new(),
            page: Vec::new(),
            refused: None,
        }
    }
}

impl Jobs {
    /// Ids go on this much above those before.
    pub(super) fn leave_gap(&mut self, gap: u32) {
        self.latest.0 += u64::from(gap);
    }

    /// Whether nothing of any job is here.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.by_directory.is_empty()
    }

    pub(super) fn running(&self) -> usize {
        self.running as usize
    }

    pub(super) fn find(&self, id: JobId) -> Option<u32> {
        self.by_id.get(&id).copied()
    }

    #[cfg(test)]
    pub(super) fn lease_of(&self, id: JobId) -> u64 {
        self.all[self.by_id[&id]].lease
    }

    /// The job with the directory that has this record.
    pub(super) fn with_directory(&self, index: u32) -> Option<u32> {
        self.by_directory.get(&index).copied()
    }

    fn insert(&mut self, job: Job) -> u32 {
        let (id, directory) = (job.id, job.directory);
        let number = self.all.insert(job);
        self.by_id.insert(id, number);
        self.by_directory.insert(directory, number);
        self.latest = id;
        self.running += 1;
        number
    }

    /// Nothing of a job is left.
    pub(super) fn forget(&mut self, number: u32) {
        let job = self.all.remove(number);
        self.by_id.remove(&job.id);
        self.by_directory.remove(&job.directory);
    }

    /// A lease, or a large value on its way, has ended because its job has.
    pub(super) fn note_ended(&mut self, lease: u64) {
        self.ended_leases.insert(lease);
        if self.ended_leases.len() > ENDED_LEASES_MAX {
            self.ended_leases.pop_first();
        }
    }

    /// Why a lease is not there.
    #[cold]
    pub(super) fn why_lost(&self, lease: u64, otherwise: Failure) -> Failure {
        match self.ended_leases.contains(&lease) {
            true => Failure::JobEnded,
            false => otherwise,
        }
    }

    pub(super) fn fingerprint(&self, state: &mut impl Hasher) {
        self.all.hash(state);
        (self.parent, self.running, self.latest, self.put_serial).hash(state);
        self.ended_leases.hash(state);
    }

    /// Checks that each job is found by its id and directory, and that as many run as are counted.
    pub(super) fn check(&self) -> Result<(), String> {
        let is_known = |number: u32, job: &Job| {
            self.find(job.id) == Some(number) && self.with_directory(job.directory) == Some(number)
        };
        if !self.all.iter().all(|(number, job)| is_known(number, job)) {
            return Err("a job that is not found by its id or directory".into());
        }
        let running = self.all.iter().filter(|(_, job)| job.state == JobState::Running);
        let counts = (self.by_id.len(), self.by_directory.len(), running.count());
        let expected = (self.all.len(), self.all.len(), self.running as usize);
        match counts == expected {
            true => Ok(()),
            false => Err(format!("jobs: {counts:?} instead of {expected:?}")),
        }
    }
}

/// Spreads indexes of records, which are small numbers that no client chooses.
#[derive(Debug, Default)]
struct IndexHasher(u64);

impl Hasher for IndexHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(u32::from(byte)));
    }

    fn write_u32(&mut self, index: u32) {
        self.0 = (self.0 ^ u64::from(index))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}
