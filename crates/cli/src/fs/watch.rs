//! `crake fs watch`.

use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::Args;
use crake_store::{Event, Happened};
use serde::Serialize;

use super::ls::printable;
use super::path::RemotePath;
use crate::client;
use crate::config::Config;
use crate::output::Output;

/// Arguments of `crake fs watch`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs watch /data                        what comes, grows and goes in /data
  crake fs watch /data/log --json             how a file grows
  crake fs watch /data -n 1 -t 60             waits for the next thing to happen, for a minute at most

Each line is what happened (created, grew, sealed, put, deleted, lost), the size then, and the name of the entry, without which
it is what is watched itself. Directories below are not watched with it. It ends when what is watched is deleted.
`lost` means that more may have happened than is told: the namenode was away, or there was too much of it.")]
pub struct Arguments {
    /// End after so many events
    #[arg(short = 'n', long, value_name = "EVENTS", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after so many seconds without an event, which is a failure
    #[arg(short, long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    timeout: Option<u64>,
    /// A directory, multifile, table or file
    path: RemotePath,
}

#[derive(Serialize)]
struct Row<'a> {
    path: &'a str,
    happened: &'static str,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    size: u64,
    version: u64,
    node: u64,
}

/// Prints what happens.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| {
        let path = &arguments.path;
        let mut watch = client.store.watch(path.as_str()).await?;
        let mut left = arguments.count.unwrap_or(u64::MAX);
        while left > 0 {
            let event = match arguments.timeout {
                None => watch.next().await,
                Some(seconds) => {
                    let deadline = client.runtime().now_exact() + Duration::from_secs(seconds);
                    let next = client.runtime().timeout(deadline, watch.next()).await;
                    next.map_err(|_| anyhow!("{path}: nothing happened for {seconds} s"))?
                }
            };
            let Some(event) = event else { break };
            show(path, &event, output)?;
            left -= 1;
        }
        Ok(())
    })
}

fn show(path: &RemotePath, event: &Event, output: Output) -> Result<()> {
    let name = event.name_lossy();
    output.row(&Row {
        path: path.as_str(),
        happened: event.happened.name(),
        name: &name,
        kind: (event.happened != Happened::Lost).then(|| event.kind.name()),
        size: event.size,
        version: event.version,
        node: event.node,
    })?;
    let line = format!(
        "{:<8}{:>12}  {}",
        event.happened.name(),
        event.size,
        printable(&name)
    );
    Ok(output.line(line.trim_end())?)
}
