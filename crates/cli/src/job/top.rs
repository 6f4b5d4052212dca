//! `crake job top`: what jobs have, and how fast that changes.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use comfy_table::Table;
use crake_store::JobInfo;
use serde::Serialize;

use super::show::{self, Row};
use crate::client;
use crate::config::Config;
use crate::output::{self, Output, short};

/// Arguments of `crake job top`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake job top
  crake job top --every 0.2
  crake job top --once --json

Rates are what a job has more, or less, than one interval ago, a second. Those with the most bytes are first.")]
pub struct Arguments {
    /// Show one interval and end
    #[arg(long)]
    once: bool,
    /// Seconds from one look to the next, at least 0.05
    #[arg(long, default_value = "1", value_name = "SECONDS", value_parser = seconds)]
    every: Duration,
}

fn seconds(typed: &str) -> Result<Duration, String> {
    let every = typed
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    every
        .filter(|every| *every >= Duration::from_millis(50) && *every <= Duration::from_secs(86_400))
        .ok_or_else(|| "seconds, from 0.05 to 86400".into())
}

/// A job, with `--json`.
#[derive(Serialize)]
struct TopRow<'a> {
    #[serde(flatten)]
    job: Row<'a>,
    bytes_per_second: f64,
    nodes_per_second: f64,
}

/// What jobs had at a time.
struct Look {
    at: Instant,
    jobs: Vec<JobInfo>,
}

/// A job beside what it had before, a second.
struct Line<'a> {
    job: &'a JobInfo,
    bytes_per_second: f64,
    nodes_per_second: f64,
}

/// Shows them until a signal ends it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    client::run(config, async |client| {
        let look = async || {
            let jobs = client.store.jobs().await?;
            let at = Instant::now();
            Ok::<_, anyhow::Error>(Look { at, jobs })
        };
        let mut before = look().await?;
        loop {
            client.runtime().sleep(arguments.every).await;
            let now = look().await?;
            show(&lines(&before, &now), arguments.once, output)?;
            if arguments.once {
                return Ok(());
            }
            before = now;
        }
    })
}

fn lines<'a>(before: &Look, now: &'a Look) -> Vec<Line<'a>> {
    let seconds = (now.at - before.at).as_secs_f64().max(f64::EPSILON);
    let had: BTreeMap<u64, &JobInfo> = before.jobs.iter().map(|job| (job.id, job)).collect();
    let rate = |now: u64, before: Option<u64>| (now as f64 - before.unwrap_or(0) as f64) / seconds;
    let line = |job: &'a JobInfo| {
        let had = had.get(&job.id);
        Line {
            job,
            bytes_per_second: rate(job.used_bytes, had.map(|had| had.used_bytes)),
            nodes_per_second: rate(job.used_nodes, had.map(|had| had.used_nodes)),
        }
    };
    let mut lines: Vec<_> = now.jobs.iter().map(line).collect();
    lines.sort_by_key(|line| (std::cmp::Reverse(line.job.used_bytes), line.job.id));
    lines
}

fn show(lines: &[Line<'_>], once: bool, output: Output) -> Result<()> {
    for line in lines {
        output.row(&TopRow {
            job: Row::of(line.job),
            bytes_per_second: line.bytes_per_second,
            nodes_per_second: line.nodes_per_second,
        })?;
    }
    if !once && !output.is_json() && io::stdout().is_terminal() {
        // To the upper left corner, and away with what was there.
        write!(io::stdout().lock(), "\x1b[H\x1b[J")?;
    }
    Ok(output.table(&table(lines))?)
}

fn table(lines: &[Line<'_>]) -> Table {
    let mut table = output::table(&[">id", "name", "state", ">bytes", ">bytes/s", ">nodes", ">nodes/s"]);
    for line in lines {
        table.add_row([
            line.job.id.to_string(),
            show::name(line.job),
            show::state(line.job).into(),
            show::bytes(line.job),
            signed(line.bytes_per_second),
            show::nodes(line.job),
            signed(line.nodes_per_second),
        ]);
    }
    table
}

/// A rate with its sign.
fn signed(rate: f64) -> String {
    match rate {
        0.0 => "0".into(),
        rate if rate < 0.0 => format!("-{}", short(-rate)),
        rate => format!("+{}", short(rate)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: u64, used_bytes: u64, used_nodes: u64) -> JobInfo {
        JobInfo {
            id,
            name: String::new(),
            owner: 1,
            quota_bytes: 0,
            quota_nodes: 0,
            used_bytes,
            used_nodes,
            started_ns: 0,
            ending: false,
        }
    }

    #[test]
    fn rates_are_per_second_and_the_largest_job_is_first() {
        let at = Instant::now();
        let before = Look {
            at,
            jobs: vec![job(1, 1000, 5), job(2, 10, 1)],
        };
        let now = Look {
            at: at + Duration::from_millis(500),
            jobs: vec![job(1, 500, 5), job(3, 500, 1), job(4, 2000, 2)],
        };
        let rates: Vec<_> = lines(&before, &now)
            .iter()
            .map(|line| (line.job.id, line.bytes_per_second, line.nodes_per_second))
            .collect();
        assert_eq!(rates, [(4, 4000.0, 4.0), (1, -1000.0, 0.0), (3, 1000.0, 2.0)]);
        assert_eq!(signed(-1234.0), "-1.23 k");
    }

    #[test]
    fn intervals_are_sensible() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for typed in ["0", "-1", "x", "nan", "1e9"] {
            assert!(seconds(typed).is_err(), "{typed}");
        }
    }
}
