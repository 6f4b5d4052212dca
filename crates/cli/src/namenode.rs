//! `crake namenode`: the keeper of names.

use std::future;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::Address;
use crake_server::{Namenode, NamenodeConfig};
use serde::Serialize;

use crate::config::{Config, Flag, NAMENODE_LISTEN};
use crate::endpoint;
use crate::output::Output;

/// Arguments of `crake namenode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake namenode
  crake namenode --listen 10.0.0.1:9060,unix:///run/crake.sock

The namespace is gone when it ends. Whoever reaches it may do everything in it: there is no login yet.")]
pub struct Arguments {
    /// Where to listen, separated by commas [default: the setting namenode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        Flag::new("--listen", &NAMENODE_LISTEN, self.listen.as_ref())
            .into_iter()
            .collect()
    }
}

#[derive(Serialize)]
struct Row {
    url: String,
    listen: Vec<String>,
}

/// Serves until it is killed.
pub fn run(config: &Config, output: Output) -> Result<()> {
    let runtime = endpoint::runtime(config)?;
    let listen = endpoint::listen(config, &NAMENODE_LISTEN)?;
    let namenode = Namenode::start(
        &runtime,
        NamenodeConfig {
            listen,
            ..NamenodeConfig::default()
        },
    )
    .context("starting the namenode")?;
    let listening = namenode.listening();
    let row = Row {
        url: endpoint::url(&listening[0]),
        listen: listening.iter().map(Address::to_string).collect(),
    };
    output.row(&row)?;
    output.line(&format!("a namenode serves at {}", row.url))?;
    runtime.block_on(future::pending())
}
