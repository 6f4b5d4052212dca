//! `crake up`: a namenode and its datanodes, guests of one runtime on one core.

use std::future;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::{Address, Runtime};
use crake_server::{Datanode, DatanodeConfig, Namenode, NamenodeConfig};
use serde::Serialize;

use crate::bench;
use crate::config::{Config, DATANODE_DRAM, DATANODE_LISTEN, Flag, NAMENODE_LISTEN, UP_DATANODES};
use crate::endpoint;
use crate::output::Output;
use crate::size::Size;

/// Arguments of `crake up`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake up
  crake up --datanodes 2 --dram 4GiB
  crake up --listen 0.0.0.0:9060
  crake up --listen 127.0.0.1:0,unix:///tmp/crake --json

Everything that it holds is gone when it ends. Whoever reaches it may do everything in it: there is no login yet.")]
pub struct Arguments {
    /// Where the namenode listens, separated by commas [default: the setting namenode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// How many datanodes [default: the setting up.datanodes]
    #[arg(long, value_name = "N")]
    datanodes: Option<String>,
    /// Memory of each datanode [default: the setting datanode.dram]
    #[arg(long, value_name = "SIZE")]
    dram: Option<String>,
    /// What a benchmark wants of a cluster that it starts
    #[command(flatten)]
    guest: bench::GuestArguments,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            Flag::new("--listen", &NAMENODE_LISTEN, self.listen.as_ref()),
            Flag::new("--datanodes", &UP_DATANODES, self.datanodes.as_ref()),
            Flag::new("--dram", &DATANODE_DRAM, self.dram.as_ref()),
        ];
        flags.into_iter().flatten().collect()
    }
}

/// What is said once the cluster serves.
#[derive(Serialize)]
struct Row {
    url: String,
    namenode: Vec<String>,
    datanodes: Vec<Vec<String>>,
    dram_bytes: Size,
}

/// Serves until it is killed.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.guest.apply()?;
    let runtime = endpoint::runtime(config)?;
    let namenode = NamenodeConfig {
        listen: endpoint::listen(config, &NAMENODE_LISTEN)?,
        ..NamenodeConfig::default()
    };
    let namenode = Namenode::start(&runtime, namenode).context("starting the namenode")?;
    let datanodes = start_datanodes(&runtime, config, &namenode)?;
    runtime.block_on(async {
        for datanode in &datanodes {
            datanode.registered().await;
        }
        report(config, &namenode, &datanodes, output)?;
        future::pending().await
    })
}

fn start_datanodes(runtime: &Runtime, config: &Config, namenode: &Namenode) -> Result<Vec<Datanode>> {
    let asked = endpoint::listen(config, &NAMENODE_LISTEN)?;
    let first_port = endpoint::listen(config, &DATANODE_LISTEN)?
        .iter()
        .find_map(|address| match address {
            Address::Tcp(socket) => Some(socket.port()),
            _ => None,
        });
    let start = |number| {
        let datanode = DatanodeConfig {
            namenode: namenode.listening(),
            listen: endpoint::beside(
                &asked,
                number,
                first_port.unwrap_or(crake_server::datanode::LISTEN_PORT),
            )?,
            name: format!("datanode{number}"),
            dram_bytes: config.size(&DATANODE_DRAM).0,
            ..DatanodeConfig::default()
        };
        Datanode::start(runtime, datanode).with_context(|| format!("starting datanode {number}"))
    };
    (0..config.count(&UP_DATANODES) as usize).map(start).collect()
}

fn report(config: &Config, namenode: &Namenode, datanodes: &[Datanode], output: Output) -> Result<()> {
    let texts = |addresses: &[Address]| addresses.iter().map(Address::to_string).collect::<Vec<_>>();
    let listening = namenode.listening();
    let row = Row {
        url: endpoint::url(&listening[0]),
        namenode: texts(&listening),
        datanodes: datanodes
            .iter()
            .map(|datanode| texts(datanode.advertised()))
            .collect(),
        dram_bytes: Size(config.size(&DATANODE_DRAM).0 * datanodes.len() as u64),
    };
    output.row(&row)?;
    output.line(&format!(
        "a cluster of {} datanode{} with {} serves at {}",
        datanodes.len(),
        if datanodes.len() == 1 { "" } else { "s" },
        row.dram_bytes,
        row.url,
    ))?;
    Ok(())
}
