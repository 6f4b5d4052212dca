//! The log of a namenode: where it is to be, and what was found there.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use crake_server::Namenode;
use crake_server::namenode::log::{Durability, LogConfig};
use serde::Serialize;
use signal_hook::consts::SIGXFSZ;

use crate::config::{Config, Flag, NAMENODE_DURABILITY, NAMENODE_LOG, NAMENODE_LOG_SEGMENT, Origin};

/// Arguments of whoever runs a namenode.
#[derive(Args, Debug)]
pub struct LogArguments {
    /// Where the namenode keeps what must outlive it; it goes on from there [default: the setting namenode.log]
    #[arg(long, value_name = "DIR")]
    log: Option<String>,
    /// What an answered change survives: none, async (the end of the namenode) or sync (of its machine) [default: the setting
    /// namenode.durability]
    #[arg(long, value_name = "none|async|sync")]
    durability: Option<String>,
}

impl LogArguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> [Option<Flag>; 2] {
        [
            Flag::new("--log", &NAMENODE_LOG, self.log.as_ref()),
            Flag::new("--durability", &NAMENODE_DURABILITY, self.durability.as_ref()),
        ]
    }
}

/// Where the namenode of this process keeps its log, if it does.
pub fn wanted(config: &Config) -> Result<Option<LogConfig>> {
    let directory = config.text(&NAMENODE_LOG);
    let durability = match config.text(&NAMENODE_DURABILITY) {
        "none" => return Ok(None),
        "sync" => Durability::Sync,
        _ => Durability::Async,
    };
    if directory.is_empty() {
        if *config.origin(&NAMENODE_DURABILITY) == Origin::Default {
            return Ok(None);
        }
        bail!("nothing is durable without a log; say where it is to be with --log DIR");
    }
    // A limit on the size of files is an error like a full disk, and not the end.
    signal_hook::flag::register(SIGXFSZ, Arc::default()).context("taking a signal")?;
    Ok(Some(LogConfig {
        host: crake_store::this_host(),
        segment_bytes: config.size(&NAMENODE_LOG_SEGMENT).0,
        ..LogConfig::new(
            std::path::absolute(directory).context("the path of the log")?,
            durability,
        )
    }))
}

/// What a namenode found in its log.
#[derive(Serialize)]
pub struct Found {
    /// Nodes that are there, with the root.
    nodes: u64,
    /// Records that were done again.
    replayed: u64,
    /// Bytes at the end that were no whole record and were cut off.
    cut_bytes: u64,
    /// The machine was started anew since, and what was not synced before that may be missing.
    may_miss_some: bool,
}

impl Found {
    /// Nothing without a log.
    pub fn by(namenode: &Namenode) -> Option<Found> {
        let opened = namenode.opened()?;
        Some(Found {
            nodes: opened.nodes,
            replayed: opened.replayed,
            cut_bytes: opened.cut.as_ref().map_or(0, |&(_, bytes)| bytes),
            may_miss_some: opened.may_miss_some,
        })
    }

    /// What two partitions found, together.
    pub fn and(&self, other: &Found) -> Found {
        Found {
            nodes: self.nodes + other.nodes,
            replayed: self.replayed + other.replayed,
            cut_bytes: self.cut_bytes + other.cut_bytes,
            may_miss_some: self.may_miss_some || other.may_miss_some,
        }
    }

    /// For people.
    pub fn described(&self) -> String {
        let mut text = format!(
            "From the log: {} nodes, {} records done again.",
            self.nodes, self.replayed
        );
        if self.cut_bytes > 0 {
            text += &format!(
                " {} bytes at its end were not whole and are cut off.",
                self.cut_bytes
            );
        }
        if self.may_miss_some {
            text += " The machine was started anew: changes of the last moments before that may be missing.";
        }
        text
    }
}
