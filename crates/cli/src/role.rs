//! What the servers have in common: they start, say that they serve, and end in good order.

use std::time::Duration;

use anyhow::{Context, Error, Result, anyhow};
use clap::Args;
use crake_datapath::{Address, Runtime};
use crake_server::datanode::persist::Reason;
use crake_server::namenode::log::LogError;
use crake_server::{LocalWrite, StartError};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::bench::pin;
use crate::config::{Config, DATANODE_LOCAL_WRITE, URL};
use crate::interrupt::{Doomed, Interrupt};

/// Where a server runs and for how long.
#[derive(Args, Debug)]
pub struct GuestArguments {
    /// The core to run on; of several threads, that of the first one [default: any]
    #[arg(long, value_name = "N")]
    core: Option<usize>,
    /// End when the process that started this one does
    #[arg(long, hide = true)]
    end_with_parent: bool,
}

impl GuestArguments {
    /// Does what is asked, for the thread of this number.
    pub fn apply(&self, thread: usize) -> Result<()> {
        if self.end_with_parent {
            set_parent_process_death_signal(Some(Signal::TERM)).context("binding to the parent's life")?;
        }
        self.core.map_or(Ok(()), |core| pin(core + thread))
    }
}

/// One or several servers on a runtime.
pub trait Role {
    /// Where they listen.
    fn listening(&self) -> Vec<Address>;

    /// Done when they serve.
    async fn ready(&self);

    /// Takes no more requests, answers those that are there.
    async fn shutdown(&self);

    /// Done when it cannot serve any more; the error says why.
    async fn failed(&self) -> Error {
        std::future::pending().await
    }
}

/// How this user's programs write to the datanodes of this process.
pub fn local_write(config: &Config) -> LocalWrite {
    match config.text(&DATANODE_LOCAL_WRITE) {
        "map" => LocalWrite::Map,
        _ => LocalWrite::Ring,
    }
}

/// How long answers may take once the end was asked for.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(3);

/// Starts a role, has it reported once it serves, and turns the runtime until a signal ends it.
pub fn serve<R: Role>(
    runtime: &Runtime,
    start: impl FnOnce() -> Result<R>,
    report: impl FnOnce(&R) -> Result<()>,
) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let role = start()?;
    let sockets = sockets(&interrupt, &role.listening());
    interrupt.move_to(runtime)?;
    runtime.block_on(async {
        let ready = interrupt.or(role.ready()).await;
        if ready.is_ok() {
            report(&role)?;
            if let Ok(failure) = interrupt.or(role.failed()).await {
                return Err(failure);
            }
        }
        let deadline = runtime.now() + SHUTDOWN_MAX;
        if runtime.timeout(deadline, role.shutdown()).await.is_err() {
            tracing::warn!("clients were cut off: their requests took too long");
        }
        Ok::<(), Error>(())
    })?;
    drop(role);
    // Drops the listeners, which removes their sockets.
    runtime.shutdown();
    drop(sockets);
    Ok(())
}

fn sockets(interrupt: &Interrupt, listening: &[Address]) -> Vec<Doomed> {
    let paths = listening.iter().filter_map(|address| match address {
        Address::Unix(path) | Address::Shm(path) => Some(interrupt.doom(path)),
        _ => None,
    });
    paths.collect()
}

/// What can be done about a datanode's directory.
fn advice_of(reason: &Reason) -> Option<&'static str> {
    match reason {
        Reason::Directory(crake_datapath::Error::Locked) => {
            Some("end the datanode that has it, or choose another directory with --persist DIR")
        }
        Reason::Size { .. } => {
            Some("give as much with --dram SIZE, or choose another directory with --persist DIR")
        }
        Reason::Name { .. } => Some("leave the name out, or choose another directory with --persist DIR"),
        Reason::Memory { .. } => {
            Some("choose how much memory to give with --dram SIZE, or a directory with more room")
        }
        Reason::Missing { .. } | Reason::Damaged { .. } => Some(
            "to give up the blocks that it had, remove the directory, or choose another one with --persist DIR",
        ),
        Reason::Foreign { .. } | Reason::Version { .. } | Reason::Directory(_) | Reason::File { .. } => {
            Some("choose another directory with --persist DIR")
        }
    }
}

/// Adds what can be done about it.
pub fn explain(error: StartError, flag: &str) -> Error {
    let advice = match &error {
        StartError::Listen {
            address: Address::Tcp(_),
            error: crake_datapath::Error::AddressInUse,
        } => Some(format!(
            "end the program that listens there, or choose another port with {flag} (0 takes any free one)"
        )),
        StartError::Listen {
            address: Address::Unix(_) | Address::Shm(_),
            error: crake_datapath::Error::AddressInUse,
        } => Some("end the program that listens there, or choose another path".into()),
        StartError::Listen {
            error: crake_datapath::Error::Unreachable,
            ..
        } => Some(format!(
            "this machine has no such address; choose one of its own with {flag}"
        )),
        StartError::Log(LogError::Directory {
            error: crake_datapath::Error::Locked,
            ..
        }) => Some("end the namenode that has it, or choose another directory with --log DIR".into()),
        StartError::Persist(error) => advice_of(&error.reason).map(str::to_owned),
        StartError::Tier(_) => Some("choose how much memory to give with --dram SIZE".into()),
        _ => None,
    };
    match advice {
        Some(advice) => anyhow!("{error}; {advice}"),
        None => error.into(),
    }
}

/// What stands in front of a command to have it use the cluster at `url`.
pub fn environment(url: &str) -> String {
    let is_default = [URL.default, "crake://127.0.0.1:9060"].contains(&url);
    if is_default {
        String::new()
    } else {
        format!("CRAKE_URL={url} ")
    }
}

/// Addresses as JSON lines have them.
pub fn texts(addresses: &[Address]) -> Vec<String> {
    addresses.iter().map(Address::to_string).collect()
}
