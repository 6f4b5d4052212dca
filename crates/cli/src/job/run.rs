//! `crake job run`: a command that is a job.

use std::ffi::{OsStr, OsString};
use std::process::ExitStatus;
use std::rc::Rc;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::{Runtime, RuntimeConfig};
use crake_store::{Error, Job, JobOptions, Store};
use serde::Serialize;

use super::process::{self, Process};
use crate::client;
use crate::config::{Config, URL};
use crate::exit::{Exited, Usage};
use crate::fs::RemotePath;
use crate::output::Output;
use crate::size::Size;

/// Arguments of `crake job run`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake job run -- ./sort.sh
  crake job run --name sort --quota 10GiB --nodes 100000 -- ./sort.sh
  crake job run --keep out=/results/today -- sh -c 'crake fs put result $CRAKE_JOB_DIR/out'

COMMAND has CRAKE_URL, CRAKE_JOB (the id) and CRAKE_JOB_DIR (the directory, /jobs/ID) in its environment. Signals are passed
on to it, and its exit code is this command's. When it ends, what is in the directory goes, but for what --keep says. If this
process is killed, COMMAND gets SIGTERM, and the directory goes within the time of a lease (10 s). If the job is
killed, COMMAND gets SIGTERM, too.")]
pub struct Arguments {
    /// What `crake job ls` shows [default: the command's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Bytes that may be in its directory at a time [default: no limit]
    #[arg(long, value_name = "SIZE")]
    quota: Option<Size>,
    /// Files, directories, tables and keys that may be in its directory at a time [default: no limit]
    #[arg(long, value_name = "N")]
    nodes: Option<u64>,
    /// Move PATH of its directory to TO if the command succeeds; may be repeated [default of TO: /kept/ID/PATH]
    #[arg(long, value_name = "PATH[=TO]")]
    keep: Vec<Keep>,
    /// Move what --keep says also if the command fails
    #[arg(long, requires = "keep")]
    keep_always: bool,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// What outlives a job, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Keep {
    path: RemotePath,
    to: Option<RemotePath>,
}

impl FromStr for Keep {
    type Err = Usage;

    fn from_str(typed: &str) -> Result<Keep, Usage> {
        let (path, to) = match typed.split_once('=') {
            Some((path, to)) => (path, Some(to.parse::<RemotePath>()?)),
            None => (typed, None),
        };
        let path = path.parse::<RemotePath>()?;
        let is_nothing = |path: &RemotePath| path.is_root();
        if is_nothing(&path) || to.as_ref().is_some_and(is_nothing) {
            return Err(Usage(format!("{typed}: name what is to be kept, and where")));
        }
        Ok(Keep { path, to })
    }
}

impl Keep {
    fn to(&self, job: u64) -> RemotePath {
        let default = || RemotePath::new(&format!("/kept/{job}{}", self.path));
        self.to.clone().unwrap_or_else(default)
    }
}

/// What is said of a job that has ended, with `--json`.
#[derive(Serialize)]
struct Row<'a> {
    job: u64,
    name: &'a str,
    exit_code: u8,
    kept: Vec<String>,
}

/// How often it is looked whether the job is still there.
const WATCH_EVERY: Duration = Duration::from_millis(500);

/// Runs a command as a job.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let outcome = runtime.block_on(async {
        let store = client::connect(&runtime, config).await?;
        run_job(&store, arguments, config.text(&URL), output).await
    });
    runtime.shutdown();
    outcome
}

async fn run_job(store: &Store, arguments: &Arguments, url: &str, output: Output) -> Result<()> {
    check_targets(store, arguments).await?;
    let name = arguments.name();
    let options = JobOptions {
        name: name.clone(),
        quota_bytes: arguments.quota.map_or(0, |size| size.0),
        quota_nodes: arguments.nodes.unwrap_or(0),
    };
    let job = Rc::new(store.job(options).await?);
    let outcome = run_command(store, &job, arguments, url, output).await;
    let kept = match &outcome {
        Ok(status) if status.success() || arguments.keep_always => keep(&job, arguments, output).await,
        _ => Ok(Vec::new()),
    };
    let id = job.id();
    // What it left is nobody's now. If the namenode cannot be told, the end of the lease does it.
    let ended = match Rc::into_inner(job) {
        Some(job) => job.end().await,
        None => Ok(()),
    };
    if let Err(error) = ended {
        output.note(format!("job {id}: {error}; it ends with its lease"));
    }
    let (code, kept) = (process::exit_code(outcome?), kept?);
    output.row(&Row {
        job: id,
        name: &name,
        exit_code: code,
        kept,
    })?;
    match code {
        0 => Ok(()),
        code => Err(Exited(code).into()),
    }
}

impl Arguments {
    fn name(&self) -> String {
        let program = || {
            self.command
                .first()
                .map(|program| program.to_string_lossy().into_owned())
        };
        let name = self.name.clone().or_else(program).unwrap_or_default();
        // Only a name that was chosen is worth an error when it is too long.
        match self.name {
            Some(_) => name,
            None => name
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .chars()
                .take(60)
                .collect(),
        }
    }
}

/// Refuses at once what could not be kept at the end.
async fn check_targets(store: &Store, arguments: &Arguments) -> Result<()> {
    for to in arguments.keep.iter().filter_map(|keep| keep.to.as_ref()) {
        if store.exists(to.as_str()).await? {
            let path = to.as_str().into();
            return Err(Error::AlreadyExists { path }).context("--keep replaces nothing");
        }
    }
    Ok(())
}

async fn run_command(
    store: &Store,
    job: &Rc<Job>,
    arguments: &Arguments,
    url: &str,
    output: Output,
) -> Result<ExitStatus> {
    let id = job.id().to_string();
    let variables = [
        ("CRAKE_URL", OsStr::new(url)),
        ("CRAKE_JOB", OsStr::new(&id)),
        ("CRAKE_JOB_DIR", OsStr::new(job.directory())),
    ];
    let mut process = Process::start(&arguments.command, &variables)?;
    process.wait(until_ended(store, job.id(), output)).await
}

/// Waits until a job has ended, and says so: somebody has killed it, or it could not be renewed for too long.
async fn until_ended(store: &Store, id: u64, output: Output) {
    loop {
        store.runtime().sleep(WATCH_EVERY).await;
        // Where the namenode is away, the lease decides.
        let is_there = match store.job_info(id).await {
            // A namenode that began anew has given the id to somebody else.
            Ok(info) => !info.ending && info.owner == store.client_id().0,
            Err(Error::NotFound { .. }) => false,
            Err(_) => true,
        };
        if !is_there {
            output.note(format!("job {id} has ended; its command gets SIGTERM"));
            return;
        }
    }
}

/// Moves what is to outlive the job; all of it, even if some cannot be moved.
async fn keep(job: &Job, arguments: &Arguments, output: Output) -> Result<Vec<String>> {
    let (mut kept, mut failure) = (Vec::new(), None);
    for keep in &arguments.keep {
        let to = keep.to(job.id());
        match job.keep(keep.path.as_str(), to.as_str()).await {
            Ok(_) => {
                output.note(format!("kept {to}"));
                kept.push(to.to_string());
            }
            Err(error) => {
                output.note(format!("{} could not be kept: {error}", keep.path));
                failure = Some(error);
            }
        }
    }
    match failure {
        None => Ok(kept),
        Some(_) => Err(crate::exit::Told.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_has_a_place() {
        let keep = |typed: &str| typed.parse::<Keep>();
        assert_eq!(keep("out/a").unwrap().to(7).as_str(), "/kept/7/out/a");
        assert_eq!(keep("out=/b/c").unwrap().to(7).as_str(), "/b/c");
        assert_eq!(keep("a=b=c").unwrap().to(7).as_str(), "/b=c");
        for typed in ["", "=/a", "a=", "/", "a=/", ".."] {
            assert!(keep(typed).is_err(), "{typed:?}");
        }
    }
}
