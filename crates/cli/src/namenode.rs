//! `crake namenode`: the keeper of names, in one partition or several.

mod layout;

use std::sync::mpsc;
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;
use crake_datapath::{Address, Runtime};
use crake_server::{Namenode, NamenodeConfig};
use serde::Serialize;

use crate::config::{
    Config, Flag, NAMENODE_ANSWERS, NAMENODE_CORES, NAMENODE_LISTEN, NAMENODE_PEERS, SHM, WAITING,
};
use crate::endpoint;
use crate::log::{self, Found};
use crate::notice::Notice;
use crate::output::Output;
use crate::race::{Runner, race};
use crate::role::{self, Role};
use crate::shm::Offer;
use layout::Layout;

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
    thread::scope(|scope| {
        let start = || {
            let others = (1..layout.listen.len()).map(|nth| {
                let (layout, guest) = (&layout, &arguments.guest);
                Other::start(|other| scope.spawn(move || other.run(config, layout, guest, nth)))
            });
            let others = others.collect::<Result<_>>()?;
            let first = start(&runtime, config, &layout, 0, &offer)?;
            Ok(Partitions { first, others })
        };
        role::serve(&runtime, start, |partitions| {
            report(partitions, &layout, &offer, output)
        })
    })
}

fn start(
    runtime: &Runtime,
    config: &Config,
    layout: &Layout,
    nth: usize,
    offer: &Offer<'_>,
) -> Result<Namenode> {
    let partition = layout.first + nth as u16;
    let is_alone = layout.all.is_empty();
    let log = log::wanted(config)?;
    let namenode = NamenodeConfig {
        listen: offer.add_to(layout.listen[nth].clone(), "namenode"),
        host: offer.host(),
        answers_bytes: config.size(&NAMENODE_ANSWERS).0,
        log: if is_alone {
            log
        } else {
            log.map(|log| log.of_partition(partition))
        },
        partition,
        partitions: layout.all.clone(),
        ..NamenodeConfig::default()
    };
    Namenode::start(runtime, namenode)
        .map_err(|error| role::explain(error, "--listen HOST:PORT"))
        .with_context(|| match is_alone {
            true => "starting the namenode".into(),
            false => format!("starting partition {partition} of the namenode"),
        })
}

/// All partitions of this process.
struct Partitions<'scope> {
    /// In this thread.
    first: Namenode,
    others: Vec<Other<'scope>>,
}

/// A partition in a thread of its own. Dropped, it ends.
struct Other<'scope> {
    notices: Notices,
    serves: Serves,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

/// What a partition's thread and the first one tell each other.
#[derive(Clone)]
struct Notices {
    stop: Notice<()>,
    failed: Notice<Error>,
    began: mpsc::Sender<Result<Serves>>,
}

/// What a partition says once it serves.
struct Serves {
    listening: Vec<Address>,
    found: Option<Found>,
}

impl<'scope> Other<'scope> {
    fn start(spawn: impl FnOnce(Notices) -> ScopedJoinHandle<'scope, ()>) -> Result<Other<'scope>> {
        let (began, begins) = mpsc::channel();
        let notices = Notices {
            stop: Notice::new(),
            failed: Notice::new(),
            began,
        };
        let thread = spawn(notices.clone());
        let serves = begins.recv().context("a partition's thread has ended")??;
        Ok(Other {
            notices,
            serves,
            thread: Some(thread),
        })
    }
}

impl Drop for Other<'_> {
    fn drop(&mut self) {
        self.notices.stop.tell(());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("a partition's thread has panicked");
        }
    }
}

impl Notices {
    /// Serves a partition until it is told to stop.
    fn run(self, config: &Config, layout: &Layout, guest: &role::GuestArguments, nth: usize) {
        if let Err(error) = self.serve(config, layout, guest, nth) {
            // Whoever does not listen any more has failed, too.
            let _ = self.began.send(Err(anyhow!("{error:#}")));
            self.failed.tell(error);
        }
    }

    fn serve(
        &self,
        config: &Config,
        layout: &Layout,
        guest: &role::GuestArguments,
        nth: usize,
    ) -> Result<()> {
        guest.apply(nth)?;
        let runtime = endpoint::runtime(config)?;
        let offer = Offer::new(&runtime, config);
        let namenode = start(&runtime, config, layout, nth, &offer)?;
        let serves = Serves {
            listening: namenode.listening(),
            found: Found::by(&namenode),
        };
        let _ = self.began.send(Ok(serves));
        let failed = runtime.block_on(async {
            let stop = async {
                self.stop.told().await;
                None
            };
            let failed = async { Some(namenode.failed().await) };
            let failed = race(vec![Box::pin(stop), Box::pin(failed)]).await;
            let deadline = runtime.now() + role::SHUTDOWN_MAX;
            // Whom it takes longer to answer is cut off.
            let _ = runtime.timeout(deadline, namenode.shutdown()).await;
            failed
        });
        drop(namenode);
        runtime.shutdown();
        failed.map_or(Ok(()), |error| Err(error.into()))
    }
}

fn report(partitions: &Partitions<'_>, layout: &Layout, offer: &Offer<'_>, output: Output) -> Result<()> {
    let listening = partitions.first.listening();
    let others = partitions.others.iter().map(|other| &other.serves);
    let found = others.clone().filter_map(|serves| serves.found.as_ref());
    let first = Found::by(&partitions.first);
    let row = Row {
        url: endpoint::url(&listening[0]),
        listen: role::texts(&partitions.listening()),
        partitions: match layout.all.len() {
            0 => Vec::new(),
            _ => (layout.first..).take(layout.listen.len()).collect(),
        },
        log: first.map(|first| found.fold(first, |sum, found| sum.and(found))),
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

impl Role for Partitions<'_> {
    fn listening(&self) -> Vec<Address> {
        let others = self.others.iter().flat_map(|other| &other.serves.listening);
        self.first.listening().iter().chain(others).cloned().collect()
    }

    async fn ready(&self) {}

    async fn shutdown(&self) {
        self.others.iter().for_each(|other| other.notices.stop.tell(()));
        self.first.shutdown().await;
    }

    async fn failed(&self) -> Error {
        let others = self.others.iter();
        let mut all: Vec<Runner<'_, Error>> = others
            .map(|other| Box::pin(other.notices.failed.told()) as Runner<'_, Error>)
            .collect();
        all.push(Box::pin(async { self.first.failed().await.into() }));
        race(all).await
    }
}
