//! `crake up`: a namenode and its datanodes, guests of one runtime on one core. Of several partitions, each but the first has a core of its own.

use std::path::PathBuf;
use std::thread;

use anyhow::{Context, Error, Result};
use clap::Args;
use crake_datapath::{Address, Runtime};
use crake_server::{Datanode, DatanodeConfig, Dram, Memory};
use serde::Serialize;

use crate::config::{
    Config, DATANODE_DRAM, DATANODE_LISTEN, DATANODE_LOCAL_WRITE, Flag, NAMENODE_ANSWERS, NAMENODE_CORES,
    NAMENODE_LISTEN, SHM, UP_DATANODES, WAITING,
};
use crate::endpoint;
use crate::log::{self, Found};
use crate::namenode::layout::Layout;
use crate::namenode::partitions::{Partitions, Process};
use crate::output::Output;
use crate::persist::{self, Kept};
use crate::role::{self, Role};
use crate::shm::Offer;
use crate::size::Size;

/// Arguments of `crake up`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake up
  crake up --datanodes 2 --dram 4GiB
  crake up --cores 4                              four partitions of the namespace, each on a core, at ports 9060 to 9063
  crake up --listen 0.0.0.0:9060
  crake up --listen 127.0.0.1:0 --json            any free port; the line of JSON says which
  crake up --unix /tmp/crake.sock                 also at unix:///tmp/crake.sock
  crake up --shm off                              without shared memory
  crake up --local-write map                      this user's programs write into its memory by themselves

This user's programs on this machine are served through shared memory, wherever they find it: `crake fs stat` says so.
Everything that it holds is gone when it ends; with --log DIR all names and small values are there again, and with --persist DIR, too, what
was in the memory of its datanodes. Whoever reaches it may do everything in it: there is no login yet.
It takes its memory at start. Ctrl-C ends it in good order, a second one at once.")]
pub struct Arguments {
    /// Where the namenode listens, separated by commas [default: the setting namenode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Listen at a Unix socket, too
    #[arg(long, value_name = "PATH")]
    unix: Option<PathBuf>,
    /// Whether to offer shared memory to this user's programs on this machine [default: the setting shm]
    #[arg(long, value_name = "on|off")]
    shm: Option<String>,
    /// How this user's programs on this machine write: ring or map [default: the setting datanode.local_write]
    #[arg(long, value_name = "ring|map")]
    local_write: Option<String>,
    /// How many datanodes [default: the setting up.datanodes]
    #[arg(long, value_name = "N")]
    datanodes: Option<String>,
    /// Partitions of the namespace, each with a thread of its own; they listen at as many ports, counting up. The datanodes are with the first
    /// [default: the setting namenode.cores]
    #[arg(long, value_name = "N")]
    cores: Option<String>,
    /// Memory of each datanode [default: the setting datanode.dram]
    #[arg(long, value_name = "SIZE")]
    dram: Option<String>,
    /// Memory for answers that this user's programs on this machine find without asking [default: the setting namenode.answers]
    #[arg(long, value_name = "SIZE")]
    answers: Option<String>,
    /// What to do while there is nothing to do: adaptive, busy or sleep [default: the setting waiting]
    #[arg(long, value_name = "POLICY")]
    waiting: Option<String>,
    #[command(flatten)]
    log: log::LogArguments,
    #[command(flatten)]
    persist: persist::PersistArguments,
    #[command(flatten)]
    guest: role::GuestArguments,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            Flag::new("--listen", &NAMENODE_LISTEN, self.listen.as_ref()),
            Flag::new("--datanodes", &UP_DATANODES, self.datanodes.as_ref()),
            Flag::new("--cores", &NAMENODE_CORES, self.cores.as_ref()),
            Flag::new("--dram", &DATANODE_DRAM, self.dram.as_ref()),
            Flag::new("--shm", &SHM, self.shm.as_ref()),
            Flag::new("--answers", &NAMENODE_ANSWERS, self.answers.as_ref()),
            Flag::new("--local-write", &DATANODE_LOCAL_WRITE, self.local_write.as_ref()),
            Flag::new("--waiting", &WAITING, self.waiting.as_ref()),
        ];
        let more = self.log.flags().into_iter().chain([self.persist.flag()]);
        flags.into_iter().chain(more).flatten().collect()
    }

    fn listen(&self, config: &Config) -> Result<Vec<Address>> {
        let mut listen = endpoint::listen(config, &NAMENODE_LISTEN)?;
        if let Some(path) = &self.unix {
            let path = std::path::absolute(path).context("the path of the Unix socket")?;
            listen.push(Address::Unix(path));
        }
        Ok(listen)
    }
}

/// What is said once the cluster serves.
#[derive(Serialize)]
struct Row {
    url: String,
    namenode: Vec<String>,
    /// Numbers of the partitions of the namespace, if there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partitions: Vec<u16>,
    datanodes: Vec<Vec<String>>,
    dram_bytes: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

/// A cluster in one thread, and one more for each partition but the first.
struct Cluster<'scope> {
    // Clients lose the datanodes first, so that none is told of a namenode that does not know a block.
    datanodes: Vec<Datanode>,
    namenode: Partitions<'scope>,
}

/// Serves until a signal ends it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.guest.apply(0)?;
    let listen = arguments.listen(config)?;
    let layout = Layout::whole(config, listen.clone())?;
    let runtime = endpoint::runtime(config)?;
    let offer = Offer::new(&runtime, config);
    let process = Process {
        config,
        layout: &layout,
        guest: &arguments.guest,
    };
    thread::scope(|scope| {
        // Before anything listens: a client that came earlier would wait for as long as this takes.
        let start = || {
            let places = datanode_addresses(config, &listen, &offer)?;
            let memory = take_memory(&runtime, config, &places)?;
            let namenode = process.start(scope, &runtime, &offer)?;
            let places = places.into_iter().zip(memory);
            let datanodes = start_datanodes(&runtime, &offer, &namenode, places)?;
            Ok(Cluster { datanodes, namenode })
        };
        role::serve(&runtime, start, |cluster| {
            report(config, cluster, &layout, &offer, output)
        })
    })
}

/// Where each datanode listens.
fn datanode_addresses(config: &Config, listen: &[Address], offer: &Offer<'_>) -> Result<Vec<Vec<Address>>> {
    let first_port = endpoint::listen(config, &DATANODE_LISTEN)?
        .iter()
        .find_map(|address| match address {
            Address::Tcp(socket) => Some(socket.port()),
            _ => None,
        });
    let first_port = first_port.unwrap_or(crake_server::datanode::LISTEN_PORT);
    let addresses = |number| {
        let beside = endpoint::beside(listen, number, first_port)?;
        Ok(offer.add_to(beside, &datanode_name(number)))
    };
    (0..config.count(&UP_DATANODES) as usize).map(addresses).collect()
}

fn datanode_name(number: usize) -> String {
    format!("datanode{number}")
}

/// The memory of each datanode.
fn take_memory(runtime: &Runtime, config: &Config, places: &[Vec<Address>]) -> Result<Vec<Dram>> {
    let local_write = role::local_write(config);
    let len_bytes = config.size(&DATANODE_DRAM).0;
    let take = |(number, listen): (usize, &Vec<Address>)| {
        let name = datanode_name(number);
        let taken = match persist::wanted(config, Some(&name))? {
            Some(persist) => Dram::keep(runtime, &persist, len_bytes, &name, local_write),
            None => Dram::take(len_bytes, Memory::AtStart, local_write, listen),
        };
        taken
            .map_err(|error| role::explain(error, "--set datanode.listen=HOST:PORT"))
            .with_context(|| format!("starting datanode {number}"))
    };
    places.iter().enumerate().map(take).collect()
}

fn start_datanodes(
    runtime: &Runtime,
    offer: &Offer<'_>,
    namenode: &Partitions<'_>,
    datanodes: impl Iterator<Item = (Vec<Address>, Dram)>,
) -> Result<Vec<Datanode>> {
    let start = |(number, (listen, memory))| {
        let datanode = DatanodeConfig {
            namenode: namenode.root(),
            listen,
            host: offer.host(),
            name: datanode_name(number),
            ..DatanodeConfig::default()
        };
        Datanode::start_in(runtime, datanode, memory)
            .map_err(|error| role::explain(error, "--set datanode.listen=HOST:PORT"))
            .with_context(|| format!("starting datanode {number}"))
    };
    datanodes.enumerate().map(start).collect()
}

impl Role for Cluster<'_> {
    fn listening(&self) -> Vec<Address> {
        let datanodes = self.datanodes.iter().flat_map(Datanode::listening);
        self.namenode.listening().into_iter().chain(datanodes).collect()
    }

    async fn failed(&self) -> Error {
        self.namenode.failed().await
    }

    async fn ready(&self) {
        for datanode in &self.datanodes {
            datanode.registered().await;
        }
    }

    /// The datanodes first: otherwise each would tell that it lost its namenode.
    async fn shutdown(&self) {
        for datanode in &self.datanodes {
            datanode.shutdown().await;
        }
        self.namenode.shutdown().await;
    }
}

fn report(
    config: &Config,
    cluster: &Cluster<'_>,
    layout: &Layout,
    offer: &Offer<'_>,
    output: Output,
) -> Result<()> {
    let listening = cluster.namenode.root();
    let datanodes = &cluster.datanodes;
    let row = Row {
        url: endpoint::url(&listening[0]),
        namenode: role::texts(&cluster.namenode.listening()),
        partitions: layout.numbers(),
        datanodes: datanodes
            .iter()
            .map(|datanode| role::texts(datanode.advertised()))
            .collect(),
        dram_bytes: Size(config.size(&DATANODE_DRAM).0 * datanodes.len() as u64),
        log: cluster.namenode.found(),
        kept: Kept::by(datanodes),
    };
    output.row(&row)?;
    output.line(&format!(
        "{} datanode{} with {} in all{}, at {}. Try: {}crake fs ls -l /",
        datanodes.len(),
        if datanodes.len() == 1 { "" } else { "s" },
        row.dram_bytes,
        match row.partitions.len() {
            0 => String::new(),
            partitions => format!(" and {partitions} partitions"),
        },
        offer.described(&listening, endpoint::url),
        role::environment(&row.url),
    ))?;
    if let Some(found) = row.log {
        output.line(&found.described())?;
    }
    if let Some(kept) = row.kept {
        output.line(&kept.described())?;
    }
    Ok(())
}
