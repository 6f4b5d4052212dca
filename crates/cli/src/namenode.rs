//! `crake namenode`: the keeper of names, in one partition or several.

pub mod layout;
pub mod partitions;

use std::thread;

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use crate::config::{
    Config, Flag, NAMENODE_ANSWERS, NAMENODE_CORES, NAMENODE_LISTEN, NAMENODE_PEERS, SHM, WAITING,
};
use crate::endpoint;
use crate::log::{self, Found};
use crate::output::Output;
use crate::role::{self, Role};
use crate::shm::Offer;
use layout::Layout;
use partitions::{Partitions, Process};

/// Arguments of `crake namenode`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake namenode
  crake namenode --listen 10.0.0.1:9060,unix:///run/crake.sock
  crake namenode --log /var/lib/crake                      goes on after a restart
  crake namenode --log /var/lib/crake --durability sync    also after a power failure
  crake namenode --cores 4                                 four partitions, at ports 9060 to 9063
  crake namenode --listen 10.0.0.1:9060 --peers 10.0.0.1:9060,10.0.0.2:9060
                                                           one of two machines; the other is started alike
  crake namenode --listen 10.0.0.1:9060 --peers one.example:9060,two.example:9060
                                                           the same by name: looked up again for each new connection

Without a log the namespace is gone when it ends. Whoever reaches it may do everything in it: there is no login yet.")]
pub struct Arguments {
    /// Where to listen, separated by commas [default: the setting namenode.listen]
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Partitions of the namespace in this process, each with a thread of its own; they listen at as many ports, counting up
    /// [default: the setting namenode.cores]
    #[arg(long, value_name = "N")]
    cores: Option<String>,
    /// Where all processes of this namespace are, this one among them, in the same order at each and with as many cores
    /// [default: the setting namenode.peers]
    #[arg(long, value_name = "HOST:PORT,...")]
    peers: Option<String>,
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
            Flag::new("--cores", &NAMENODE_CORES, self.cores.as_ref()),
            Flag::new("--peers", &NAMENODE_PEERS, self.peers.as_ref()),
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
    /// Numbers of the partitions here, if there are several in the namespace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    partitions: Vec<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<Found>,
}

/// Serves until a signal ends it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    arguments.guest.apply(0)?;
    let layout = Layout::of(config)?;
    let runtime = endpoint::runtime(config)?;
    let offer = Offer::new(&runtime, config);
    let process = Process {
        config,
        layout: &layout,
        guest: &arguments.guest,
    };
    thread::scope(|scope| {
        let start = || process.start(scope, &runtime, &offer);
        role::serve(&runtime, start, |partitions| {
            report(partitions, &layout, &offer, output)
        })
    })
}

fn report(partitions: &Partitions<'_>, layout: &Layout, offer: &Offer<'_>, output: Output) -> Result<()> {
    let listening = partitions.root();
    let row = Row {
        url: endpoint::url(&listening[0]),
        listen: role::texts(&partitions.listening()),
        partitions: layout.numbers(),
        log: partitions.found(),
    };
    output.row(&row)?;
    let what = match (layout.listen.len(), layout.all.len()) {
        (_, 0) => "a namenode".into(),
        (here, all) if here == all => format!("a namenode with {here} partitions"),
        (here, all) => format!("{here} of {all} partitions of a namenode"),
    };
    let root = layout
        .all
        .first()
        .map_or_else(|| row.url.clone(), |root| endpoint::url(&root[0]));
    output.line(&format!(
        "{what} at {}. Give it memory: crake datanode --namenode {root}",
        offer.described(&listening, endpoint::url),
    ))?;
    if let Some(found) = &row.log {
        output.line(&found.described())?;
    }
    Ok(())
}
