//! A client command: one connection to a cluster, one thread, and Ctrl-C at any time.

use std::time::Duration;

use anyhow::Result;
use crake_datapath::{Runtime, RuntimeConfig};
use crake_store::{Error, Store};

use crate::config::{Config, Origin, URL};
use crate::interrupt::{Interrupt, Interrupted};

/// What a command works with. Clones are the same.
#[derive(Clone)]
pub struct Client {
    /// The cluster.
    pub store: Store,
    /// The signals.
    pub interrupt: Interrupt,
}

impl Client {
    /// The runtime under the store.
    pub fn runtime(&self) -> &Runtime {
        self.store.runtime()
    }
}

/// How long tidying up may take after a signal.
const TIDY_MAX: Duration = Duration::from_secs(1);

/// Connects, and does `work` unless a signal ends it; `tidy` follows either way, for at most a second after a signal.
pub fn run(config: &Config, work: impl AsyncFnOnce(Client) -> Result<()>) -> Result<()> {
    run_and_tidy(config, work, async |_| ())
}

/// As [`run`], with something to do when a signal has ended the work. It has a second for that.
pub fn run_and_tidy(
    config: &Config,
    work: impl AsyncFnOnce(Client) -> Result<()>,
    tidy: impl AsyncFnOnce(Client),
) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let outcome = runtime.block_on(async {
        let store = interrupt.or(connect(&runtime, config)).await??;
        let client = Client {
            store,
            interrupt: interrupt.clone(),
        };
        match interrupt.or(work(client.clone())).await {
            Ok(outcome) => outcome,
            Err(interrupted) => {
                let deadline = runtime.now_exact() + TIDY_MAX;
                let _ = runtime.timeout(deadline, tidy(client)).await;
                Err(interrupted.into())
            }
        }
    });
    // Drops what the work has left, and with it partial files.
    runtime.shutdown();
    outcome
}

/// Connects to the cluster of the settings. When nobody is there, and nobody chose the address, says how to have one.
pub async fn connect(runtime: &Runtime, config: &Config) -> Result<Store> {
    let url = config.text(&URL);
    match Store::connect(runtime, url).await {
        Ok(store) => Ok(store),
        Err(error @ Error::Unavailable { .. }) if matches!(config.origin(&URL), Origin::Default) => {
            anyhow::bail!("{error}; start a cluster with `crake up`, or name one with --url or CRAKE_URL")
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether a failure ends a command of many parts: the other parts would fail the same way, each after its deadline.
pub fn is_hopeless(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        Some(
            Error::Unavailable { peer, .. } | Error::TimedOut { peer, .. } | Error::Refused { peer, .. },
        ) => peer.starts_with("namenode"),
        _ => error.is::<Interrupted>(),
    }
}
