//! The requests about jobs, and what a client is told whom a quota refuses.

use std::fmt::Write as _;

use crake_rpc::{Replies, Request};
use crake_store::protocol::namenode as wire;

use super::caller::Caller;
use super::{Answered, Refused, wrong_reply};
use crate::namenode::command::{
    Amount, Command, Failure, JobCreate, JobId, JobInfo, JobState, OverQuota, Reply,
};

impl Caller<'_, '_> {
    pub(super) fn job_create(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::JobCreateRequestView::parse(request.message)?;
        let reply = self.apply(&Command::JobCreate(JobCreate {
            name: asked.name()?,
            quota: Amount {
                bytes: asked.quota_bytes(),
                nodes: asked.quota_nodes(),
            },
        }))?;
        let Reply::Job(info) = reply else { wrong_reply() };
        let owner = info.owner.0.to_le_bytes();
        let job = Some(message(&info, &owner));
        replies.send(request, &wire::JobCreateReply { job });
        Ok(())
    }

    pub(super) fn job_list(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::JobListRequestView::parse(request.message)?;
        let reply = self.apply(&Command::JobList {
            after: JobId(asked.after()),
            limit: asked.limit(),
        })?;
        let Reply::Jobs { jobs, more } = reply else {
            wrong_reply()
        };
        let owners: Vec<_> = jobs.clone().map(|info| info.owner.0.to_le_bytes()).collect();
        let jobs: Vec<_> = jobs
            .zip(&owners)
            .map(|(info, owner)| message(&info, owner))
            .collect();
        replies.send(request, &wire::JobListReply { jobs: &jobs, more });
        Ok(())
    }

    pub(super) fn job_end(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::JobEndRequestView::parse(request.message)?;
        let reply = self.apply(&Command::JobEnd {
            job: JobId(asked.job()),
            kill: asked.kill()?,
        })?;
        let Reply::Job(info) = reply else { wrong_reply() };
        let owner = info.owner.0.to_le_bytes();
        let job = Some(message(&info, &owner));
        replies.send(request, &wire::JobEndReply { job });
        Ok(())
    }

    /// A refusal by a quota, with its numbers, as long as they are known.
    #[cold]
    pub(super) fn with_quota(&mut self, refused: Refused) -> Refused {
        match (&refused, self.namespace.quota_refusal()) {
            (Refused::Denied(Failure::QuotaExceeded), Some(over)) => Refused::OverQuota(over),
            _ => refused,
        }
    }
}

fn message<'a>(job: &JobInfo<'a>, owner: &'a [u8; 16]) -> wire::Job<'a> {
    wire::Job {
        id: job.id.0,
        name: job.name,
        owner,
        directory: job.directory.0,
        quota_bytes: job.quota.bytes,
        quota_nodes: job.quota.nodes,
        used_bytes: job.used.bytes,
        used_nodes: job.used.nodes,
        started_ns: job.started_ns,
        ending: job.state == JobState::Ending,
    }
}

/// Says which job, what its quota is, and what of it is in use.
pub(super) fn tell_over_quota(text: &mut String, over: &OverQuota) {
    let OverQuota {
        job,
        quota,
        used,
        more,
    } = over;
    let _ = write!(text, "job {} uses", job.0);
    let mut joint = "";
    for (unit, quota, used, more) in [
        ("bytes", quota.bytes, used.bytes, more.bytes),
        ("nodes", quota.nodes, used.nodes, more.nodes),
    ] {
        if quota > 0 {
            let _ = write!(
                text,
                "{joint} {used} of {quota} {unit}, {more} more were asked for"
            );
            joint = ";";
        }
    }
}
