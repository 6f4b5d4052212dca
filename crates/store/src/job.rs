//! Jobs: a directory with a quota that lives as long as who made it.

use std::fmt;
use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use crate::Error;
use crate::node::Attributes;
use crate::operation::relative;
use crate::pending::{Operation, Pending, Subject};
use crate::protocol::namenode::{self, namenode as method};
use crate::session::{LeaseGuard, Session};
use crate::stats::OperationKind;
use crate::store::Store;

/// What a job is to be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobOptions {
    /// For people; at most 255 bytes, may be empty.
    pub name: String,
    /// Bytes that may be below its directory: in blocks, which files take ahead of what is written, and in small values. 0 is
    /// no limit.
    pub quota_bytes: u64,
    /// Nodes that may be below its directory: directories, files, multifiles, tables and keys. 0 is no limit.
    pub quota_nodes: u64,
}

/// What the namenode knows of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobInfo {
    /// Never given to another job.
    pub id: u64,
    /// For people.
    pub name: String,
    /// The client that made it.
    pub owner: u128,
    /// 0 is no limit.
    pub quota_bytes: u64,
    /// 0 is no limit.
    pub quota_nodes: u64,
    /// Bytes below its directory, and in large values on their way there.
    pub used_bytes: u64,
    /// Nodes likewise.
    pub used_nodes: u64,
    /// In nanoseconds since the Unix epoch, by the namenode's clock.
    pub started_ns: u64,
    /// It has ended, and what was in its directory is being removed.
    pub ending: bool,
}

impl JobInfo {
    /// The path of its directory, from the root.
    pub fn directory(&self) -> String {
        directory(self.id)
    }

    fn read(view: Option<namenode::JobView<'_>>) -> Result<JobInfo, WireError> {
        let view = view.ok_or(WireError::Truncated)?;
        // Who sends another number of bytes has another idea of what a client is.
        let owner = view.owner()?.try_into().map_or(0, u128::from_le_bytes);
        Ok(JobInfo {
            id: view.id(),
            name: view.name()?.into(),
            owner,
            quota_bytes: view.quota_bytes(),
            quota_nodes: view.quota_nodes(),
            used_bytes: view.used_bytes(),
            used_nodes: view.used_nodes(),
            started_ns: view.started_ns(),
            ending: view.ending()?,
        })
    }
}

fn directory(id: u64) -> String {
    format!("/jobs/{id}")
}

/// A job of this client: a directory for what is to be gone when the job is.
///
/// It lives until it is ended, dropped, or until this client was silent for the time of a lease. Then all below its directory
/// goes; whoever writes there is told [`Error::JobEnded`]. Other clients may work in the directory as in any other.
pub struct Job {
    store: Store,
    id: u64,
    directory: Box<str>,
    /// Until it has ended.
    guard: Option<LeaseGuard>,
}

impl Job {
    pub(crate) async fn begin(store: &Store, options: JobOptions) -> Result<Job, Error> {
        let session = &store.first_session()?;
        if !session.options().base.is_empty() {
            return Err(Error::InvalidName {
                path: session.options().base.as_str().into(),
                detail: "jobs are below the root, where this store does not reach: connect without a path"
                    .into(),
            });
        }
        // From before it begins, so that no answer that is late costs its life.
        let guard = session.hold_lease();
        let begun = Pending::start(session, Begin { options: &options }).await?;
        Ok(Job {
            store: store.clone(),
            id: begun.id,
            directory: directory(begun.id).into(),
            guard: Some(guard),
        })
    }

    /// Never given to another job.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The path of its directory, which is there.
    pub fn directory(&self) -> &str {
        &self.directory
    }

    /// What is below its directory, and what may be. [`Error::NotFound`] once it has ended and nothing is left.
    pub async fn usage(&self) -> Result<JobInfo, Error> {
        let info = self.store.job_info(self.id).await?;
        match info.owner == self.store.client_id().0 {
            true => Ok(info),
            // A namenode that began anew has given the id again.
            false => Err(not_found(self.id)),
        }
    }

    /// Moves what is to outlive the job to a path outside of it that nothing has, with directories above it made if need be:
    /// from then on it does not count for the job. `path` starts at the job's directory.
    ///
    /// At most 100,000 nodes at once ([`Error::TreeTooLarge`]).
    pub async fn keep(&self, path: &str, to: &str) -> Result<Attributes, Error> {
        let parent = to.trim_end_matches('/').rsplit_once('/');
        if let Some((parent, _)) = parent
            && !relative(parent).is_empty()
        {
            self.store.make_dir(parent, true).await?;
        }
        let from = format!("{}/{}", self.directory, relative(path));
        self.store.rename_new(&from, to).await
    }

    /// Ends it: all below its directory goes. No path leads there any more when this returns; the memory is free within
    /// seconds.
    pub async fn end(mut self) -> Result<(), Error> {
        let end = self.ending();
        self.guard = None;
        match end.await {
            // Somebody has killed it, it was silent for too long, or the namenode began anew and has given the id again.
            Ok(_) | Err(Error::NotFound { .. } | Error::NotOwner { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn ending(&self) -> Pending<'static, EndJob> {
        let request = EndJob {
            id: self.id,
            kill: false,
        };
        // Paths start at the root, or it would not have begun: that is where jobs are.
        Pending::start(self.store.session(), request)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if self.guard.is_none() {
            return;
        }
        let (ending, id) = (self.ending(), self.id);
        let task = async move {
            if let Err(error) = ending.await {
                tracing::debug!(%error, id, "a job could not be ended; it will be when this client is silent");
            }
        };
        self.store.runtime().spawn(task).detach();
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Makes a job, with an empty directory.
    pub async fn job(&self, options: JobOptions) -> Result<Job, Error> {
        Job::begin(self, options).await
    }

    /// What is known of a job; [`Error::NotFound`] once it has ended and nothing of it is left.
    pub async fn job_info(&self, id: u64) -> Result<JobInfo, Error> {
        // Ids start at 1.
        let after = id.saturating_sub(1);
        let page = Pending::start(&self.first_session()?, ListJobs { after, limit: 1 }).await?;
        let found = page.jobs.into_iter().find(|job| job.id == id);
        found.ok_or_else(|| not_found(id))
    }

    /// All jobs of the cluster, in the order of their ids.
    pub async fn jobs(&self) -> Result<Vec<JobInfo>, Error> {
        let (mut jobs, mut after) = (Vec::new(), 0);
        loop {
            let page = Pending::start(&self.first_session()?, ListJobs { after, limit: 0 }).await?;
            let last = page.jobs.last().map(|job| job.id);
            jobs.extend(page.jobs);
            match last {
                Some(last) if page.more => after = last,
                _ => return Ok(jobs),
            }
        }
    }

    /// Ends a job, whoever has made it.
    pub async fn kill_job(&self, id: u64) -> Result<JobInfo, Error> {
        Pending::start(&self.first_session()?, EndJob { id, kill: true }).await
    }
}

fn not_found(id: u64) -> Error {
    Error::NotFound {
        path: Subject::Job(id).to_text(),
    }
}

/// A new job.
#[derive(Debug, Clone, Copy)]
struct Begin<'a> {
    options: &'a JobOptions,
}

impl Operation for Begin<'_> {
    operation!(JOB_CREATE, Other, repeatable: false, JobCreateRequest -> JobInfo);

    fn request(&self) -> Self::Request<'_> {
        namenode::JobCreateRequest {
            name: &self.options.name,
            quota_bytes: self.options.quota_bytes,
            quota_nodes: self.options.quota_nodes,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<JobInfo, WireError> {
        JobInfo::read(namenode::JobCreateReplyView::parse(message)?.job()?)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path("a new job below /jobs")
    }
}

/// A page of jobs.
#[derive(Debug, Clone, Copy)]
struct ListJobs {
    after: u64,
    limit: u32,
}

struct JobPage {
    jobs: Vec<JobInfo>,
    more: bool,
}

impl Operation for ListJobs {
    operation!(JOB_LIST, Other, repeatable: true, plain JobListRequest -> JobPage);

    fn request(&self) -> Self::Request<'_> {
        namenode::JobListRequest {
            after: self.after,
            limit: self.limit,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<JobPage, WireError> {
        let view = namenode::JobListReplyView::parse(message)?;
        let jobs = view.jobs()?.map(|job| JobInfo::read(Some(job?)));
        Ok(JobPage {
            jobs: jobs.collect::<Result<_, _>>()?,
            more: view.more()?,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// The end of a job.
///
/// Repeatable: one that is ending already stays as it is, and no other job has its id.
#[derive(Debug, Clone, Copy)]
struct EndJob {
    id: u64,
    kill: bool,
}

impl Operation for EndJob {
    operation!(JOB_END, Other, repeatable: true, plain JobEndRequest -> JobInfo);

    fn request(&self) -> Self::Request<'_> {
        namenode::JobEndRequest {
            job: self.id,
            kill: self.kill,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<JobInfo, WireError> {
        JobInfo::read(namenode::JobEndReplyView::parse(message)?.job()?)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Job(self.id)
    }
}
