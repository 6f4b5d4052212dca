//! `crake job ls` and `crake job kill`.

use anyhow::Result;
use clap::Args;
use comfy_table::Table;
use crake_store::JobInfo;
use serde::Serialize;

use crate::client;
use crate::config::Config;
use crate::exit::Told;
use crate::output::{self, Output};
use crate::size::Size;
use crate::wall;

/// Arguments of `crake job kill`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake job kill 7 8

What is in its directory goes, and who writes there is told. A command that `crake job run` has started gets SIGTERM.")]
pub struct KillArguments {
    /// Ids, as `crake job ls` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<u64>,
}

/// A job, with `--json`.
#[derive(Serialize)]
pub struct Row<'a> {
    job: u64,
    name: &'a str,
    state: &'static str,
    directory: String,
    used_bytes: u64,
    quota_bytes: Option<u64>,
    used_nodes: u64,
    quota_nodes: Option<u64>,
    started_ns: u64,
}

impl<'a> Row<'a> {
    /// What is known of it; without a limit, a quota is null.
    pub fn of(job: &'a JobInfo) -> Row<'a> {
        let limit = |quota: u64| (quota > 0).then_some(quota);
        Row {
            job: job.id,
            name: &job.name,
            state: state(job),
            directory: job.directory(),
            used_bytes: job.used_bytes,
            quota_bytes: limit(job.quota_bytes),
            used_nodes: job.used_nodes,
            quota_nodes: limit(job.quota_nodes),
            started_ns: job.started_ns,
        }
    }
}

/// One word for how far it is.
pub fn state(job: &JobInfo) -> &'static str {
    if job.ending { "ending" } else { "running" }
}

/// What of how much.
pub fn of_quota(used: String, quota: Option<String>) -> String {
    match quota {
        Some(quota) => format!("{used} of {quota}"),
        None => used,
    }
}

/// Bytes of a job as people read them.
pub fn bytes(job: &JobInfo) -> String {
    let quota = (job.quota_bytes > 0).then(|| Size(job.quota_bytes).rounded());
    of_quota(Size(job.used_bytes).rounded(), quota)
}

/// Nodes likewise.
pub fn nodes(job: &JobInfo) -> String {
    let quota = (job.quota_nodes > 0).then(|| job.quota_nodes.to_string());
    of_quota(job.used_nodes.to_string(), quota)
}

/// A name on one line, whatever it holds.
pub fn name(job: &JobInfo) -> String {
    job.name
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

/// Shows all jobs.
pub fn list(config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| {
        let jobs = client.store.jobs().await?;
        jobs.iter().try_for_each(|job| output.row(&Row::of(job)))?;
        Ok(output.table(&table(&jobs))?)
    })
}

fn table(jobs: &[JobInfo]) -> Table {
    let mut table = output::table(&[">id", "name", "state", ">bytes", ">nodes", "started"]);
    for job in jobs {
        table.add_row([
            job.id.to_string(),
            name(job),
            state(job).into(),
            bytes(job),
            nodes(job),
            wall::seconds(job.started_ns),
        ]);
    }
    table
}

/// Ends jobs. One that cannot be ended is told, and the others are.
pub fn kill(arguments: &KillArguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| {
        let mut failed = false;
        for &id in &arguments.ids {
            match client.store.kill_job(id).await {
                Ok(job) => output.row(&Row::of(&job))?,
                Err(error) => {
                    failed = true;
                    output.note(error.to_string());
                }
            }
        }
        if failed { Err(Told.into()) } else { Ok(()) }
    })
}
