//! `crake namenode`: the keeper of names.

use anyhow::{Context, Error, Result};
use clap::Args;
use crake_datapath::Address;
use crake_server::{Namenode, NamenodeConfig};
use serde::Serialize;

use crate::config::{Config, Flag, NAMENODE_ANSWERS, NAMENODE_LISTEN, SHM, WAITING};
use crate::endpoint;
use crate::log::{self, Found};
use crate::output::Output;
use crate::role::{self, Role};
use crate::shm::Offer;

/// Arguments of `crake namenode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake namenode
  crake namenode --listen 10.0.0.1:9060,unix:///run/crake.sock
  crake namenode --log /var/lib/crake                      goes on after a restart
  crake namenode --log /var/lib/crake --durability sync    also after a power failure

Without a log the namespace is gone when it ends. Whoever reaches it may do everything in it: there is no login yet.")]
pub struct Arguments {
    /// Where to listen, separated by commas [default: the setting namenode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Whether to offer shared memory to this user's programs on this machine [default: the setting shm]
    #[arg(long, value_name = "on|off")]
    shm: Option<String>,
    /// Memory for answers that this user's programs on this machine find without asking [default: the setting namenode.answers]
    #[arg(long, value_name = "SIZE")]
    answers: Option<String>,
    /// What to do while there is nothing to do: adaptive, busy or sleep [default: the setting waiting]
    #[arg(long, value_name = "POLICY")]
    waiting: Option<String>,
    #[command(flatten)]
    log: log::LogArguments,
    #[command(flatten)]
    guest: role::GuestArguments,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        let flags = [
            Flag::new("--listen", &NAMENODE_LISTEN, self.listen.as_ref()),
            Flag::new("--shm", &SHM, self.shm.as_ref()),
            Flag::new("--answers", &NAMENODE_ANSWERS, self.answers.as_ref()),
            Flag::new("--waiting", &WAITING, self.waiting.as_ref()),
        ];
        flags.into_iter().chain(self.log.flags()).flatten().collect()
    }
}

#[derive(Serialize)]
struct Row {
    url: String,
    listen: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Found>,
}

/// Serves until a signal ends it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.guest.apply()?;
    let runtime = endpoint::runtime(config)?;
    let offer = Offer::new(&runtime, config);
    let namenode = NamenodeConfig {
        listen: offer.add_to(endpoint::listen(config, &NAMENODE_LISTEN)?, "namenode"),
        host: offer.host(),
        answers_bytes: config.size(&NAMENODE_ANSWERS).0,
        log: log::wanted(config)?,
        ..NamenodeConfig::default()
    };
    let start = || {
        Namenode::start(&runtime, namenode)
            .map_err(|error| role::explain(error, "--listen HOST:PORT"))
            .context("starting the namenode")
    };
    role::serve(&runtime, start, |namenode| report(namenode, &offer, output))
}

fn report(namenode: &Namenode, offer: &Offer<'_>, output: Output) -> Result<()> {
    let listening = namenode.listening();
    let row = Row {
        url: endpoint::url(&listening[0]),
        listen: role::texts(&listening),
        log: Found::by(namenode),
    };
    output.row(&row)?;
    output.line(&format!(
        "a namenode at {}. Give it memory: crake datanode --namenode {}",
        offer.described(&listening, endpoint::url),
        row.url
    ))?;
    if let Some(found) = row.log {
        output.line(&found.described())?;
    }
    Ok(())
}

impl Role for Namenode {
    fn listening(&self) -> Vec<Address> {
        Namenode::listening(self)
    }

    async fn ready(&self) {}

    async fn shutdown(&self) {
        Namenode::shutdown(self).await;
    }

    async fn failed(&self) -> Error {
        Namenode::failed(self).await.into()
    }
}
