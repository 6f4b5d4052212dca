//! `crake datanode`: memory for a cluster.

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::{Address, Runtime};
use crake_server::{Datanode, DatanodeConfig};
use crake_store::{ConnectOptions, Error, Store, Transport};
use serde::Serialize;

use crate::config::{Config, DATANODE_DRAM, DATANODE_LISTEN, DATANODE_LOCAL_WRITE, Flag, SHM, URL, WAITING};
use crate::endpoint;
use crate::output::Output;
use crate::persist::{self, Kept};
use crate::role::{self, Role};
use crate::shm::Offer;
use crate::size::Size;

/// Arguments of `crake datanode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake datanode --namenode crake://10.0.0.1:9060 --listen 0.0.0.0:50020 --dram 64GiB
  crake datanode --listen 127.0.0.1:0 --name spare
  crake datanode --persist /dev/shm/crake           has its blocks again after a restart

It takes its memory at start, and what it holds is gone when it ends; with --persist DIR it is there again when it is started again with
that directory, also after a kill -9. It waits for a namenode that is not there yet.")]
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
    /// Whether to offer shared memory to this user's programs on this machine [default: the setting shm]
    #[arg(long, value_name = "on|off")]
    shm: Option<String>,
    /// How this user's programs on this machine write: ring or map [default: the setting datanode.local_write]
    #[arg(long, value_name = "ring|map")]
    local_write: Option<String>,
    /// What to do while there is nothing to do: adaptive, busy or sleep [default: the setting waiting]
    #[arg(long, value_name = "POLICY")]
    waiting: Option<String>,
    #[command(flatten)]
    persist: persist::PersistArguments,
    #[command(flatten)]
    guest: role::GuestArguments,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            Flag::new("--namenode", &URL, self.namenode.as_ref()),
            Flag::new("--listen", &DATANODE_LISTEN, self.listen.as_ref()),
            Flag::new("--dram", &DATANODE_DRAM, self.dram.as_ref()),
            Flag::new("--shm", &SHM, self.shm.as_ref()),
            Flag::new("--local-write", &DATANODE_LOCAL_WRITE, self.local_write.as_ref()),
            Flag::new("--waiting", &WAITING, self.waiting.as_ref()),
        ];
        flags.into_iter().chain([self.persist.flag()]).flatten().collect()
    }
}

#[derive(Serialize)]
struct Row {
    namenode: Vec<String>,
    listen: Vec<String>,
    advertised: Vec<String>,
    dram_bytes: Size,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<Kept>,
}

/// Serves until a signal ends it; says so when the namenode knows it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.guest.apply(0)?;
    let runtime = endpoint::runtime(config)?;
    let namenode = namenode_addresses(config)?;
    refuse_what_is_no_namenode(&runtime, config, output)?;
    let offer = Offer::new(&runtime, config);
    let datanode = DatanodeConfig {
        namenode: namenode.clone(),
        listen: offer.add_to(endpoint::listen(config, &DATANODE_LISTEN)?, "datanode"),
        host: offer.host(),
        name: arguments.name.clone().unwrap_or_default(),
        dram_bytes: config.size(&DATANODE_DRAM).0,
        local_write: role::local_write(config),
        persist: persist::wanted(config, None)?,
        ..DatanodeConfig::default()
    };
    let start = || {
        Datanode::start(&runtime, datanode)
            .map_err(|error| role::explain(error, "--listen HOST:PORT"))
            .context("starting the datanode")
    };
    role::serve(&runtime, start, |datanode| {
        report(config, (&namenode, datanode), &offer, output)
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

/// A datanode tries for ever, which is right for a namenode that is away and wrong for a mistake in its address.
fn refuse_what_is_no_namenode(runtime: &Runtime, config: &Config, output: Output) -> Result<()> {
    let options = ConnectOptions {
        // Names and heartbeats are few: they stay where the URL says.
        transport: Transport::Tcp,
        ..config.text(&URL).parse()?
    };
    match runtime.block_on(Store::connect_with(runtime, options)) {
        Ok(_) => Ok(()),
        Err(error @ (Error::Unavailable { .. } | Error::TimedOut { .. })) => {
            output.note(format!("{error}; waiting for it"));
            Ok(())
        }
        Err(error) => Err(error).context("there is no namenode to register at"),
    }
}

fn report(
    config: &Config,
    (namenode, datanode): (&[Address], &Datanode),
    offer: &Offer<'_>,
    output: Output,
) -> Result<()> {
    let row = Row {
        namenode: role::texts(namenode),
        listen: role::texts(&datanode.listening()),
        advertised: role::texts(datanode.advertised()),
        dram_bytes: config.size(&DATANODE_DRAM),
        kept: Kept::by([datanode]),
    };
    output.row(&row)?;
    output.line(&format!(
        "a datanode gives {} at {} to {}",
        row.dram_bytes,
        offer.described(datanode.advertised(), Address::to_string),
        config.text(&URL),
    ))?;
    if let Some(kept) = row.kept {
        output.line(&kept.described())?;
    }
    Ok(())
}

impl Role for Datanode {
    fn listening(&self) -> Vec<Address> {
        Datanode::listening(self)
    }

    async fn ready(&self) {
        self.registered().await;
    }

    async fn shutdown(&self) {
        Datanode::shutdown(self).await;
    }
}
