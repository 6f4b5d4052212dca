//! `crake datanode`: memory for a cluster.

use std::future;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::Address;
use crake_server::{Datanode, DatanodeConfig};
use crake_store::ConnectOptions;
use serde::Serialize;

use crate::config::{Config, DATANODE_DRAM, DATANODE_LISTEN, Flag, URL};
use crate::endpoint;
use crate::output::Output;
use crate::size::Size;

/// Arguments of `crake datanode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake datanode --namenode crake://10.0.0.1:9060 --listen 0.0.0.0:50020 --dram 64GiB
  crake datanode --listen 127.0.0.1:0 --name spare")]
pub struct Arguments {
    /// The namenode to register at [default: the setting url]
    #[arg(long, value_name = "URL")]
    namenode: Option<String>,
    /// Where to listen, best first, separated by commas [default: the setting datanode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Memory to give, in whole MiB [default: the setting datanode.dram]
    #[arg(long, value_name = "SIZE")]
    dram: Option<String>,
    /// A name that it keeps over restarts [default: its first address]
    #[arg(long)]
    name: Option<String>,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            Flag::new("--namenode", &URL, self.namenode.as_ref()),
            Flag::new("--listen", &DATANODE_LISTEN, self.listen.as_ref()),
            Flag::new("--dram", &DATANODE_DRAM, self.dram.as_ref()),
        ];
        flags.into_iter().flatten().collect()
    }
}

#[derive(Serialize)]
struct Row {
    namenode: Vec<String>,
    listen: Vec<String>,
    advertised: Vec<String>,
    dram_bytes: Size,
}

/// Serves until it is killed; says so when the namenode knows it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    let runtime = endpoint::runtime(config)?;
    let namenode = namenode_addresses(config)?;
    let datanode = DatanodeConfig {
        namenode: namenode.clone(),
        listen: endpoint::listen(config, &DATANODE_LISTEN)?,
        name: arguments.name.clone().unwrap_or_default(),
        dram_bytes: config.size(&DATANODE_DRAM).0,
        ..DatanodeConfig::default()
    };
    let datanode = Datanode::start(&runtime, datanode).context("starting the datanode")?;
    output.note(format!("registering at {}", config.text(&URL)));
    runtime.block_on(async {
        datanode.registered().await;
        report(config, &namenode, &datanode, output)?;
        future::pending().await
    })
}

fn namenode_addresses(config: &Config) -> Result<Vec<Address>> {
    let options: ConnectOptions = config.text(&URL).parse()?;
    let mut addresses = Vec::new();
    for server in &options.servers {
        addresses.extend(Address::resolve(server).with_context(|| format!("looking {server} up"))?);
    }
    Ok(addresses)
}

fn report(config: &Config, namenode: &[Address], datanode: &Datanode, output: Output) -> Result<()> {
    let texts = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>();
    let row = Row {
        namenode: texts(namenode),
        listen: texts(&datanode.listening()),
        advertised: texts(datanode.advertised()),
        dram_bytes: config.size(&DATANODE_DRAM),
    };
    output.row(&row)?;
    output.line(&format!(
        "a datanode gives {} at {}",
        row.dram_bytes,
        row.advertised.join(" ")
    ))?;
    Ok(())
}
