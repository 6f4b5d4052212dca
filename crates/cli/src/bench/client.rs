//! The clients of a benchmark: so many stores on one runtime, all on the client's core.

use anyhow::{Context, Result};
use crake_datapath::Runtime;
use crake_store::{Error, Store};

use super::stats::Run;
use super::window::keep_in_flight;
use crate::cluster::Cluster;

/// The directory that a benchmark works in. It makes it anew and removes it.
pub const FOLDER: &str = "/bench";

/// Clients, and how many operations each has in flight.
pub struct Client {
    /// The loop that turns them all.
    pub runtime: Runtime,
    /// One per client.
    pub stores: Vec<Store>,
    /// Of all clients together.
    pub in_flight: u64,
    /// Dropped after the stores.
    _cluster: Cluster,
}

impl Client {
    /// Connects `clients` stores, and makes an empty folder to work in.
    pub fn connect(runtime: Runtime, cluster: Cluster, clients: u64, in_flight: u64) -> Result<Client> {
        let url = cluster.url();
        let stores = runtime.block_on(async {
            let mut stores = Vec::new();
            for _ in 0..clients {
                stores.push(Store::connect(&runtime, &url).await?);
            }
            make_folder(&stores[0]).await?;
            Ok::<_, Error>(stores)
        });
        let stores = stores.with_context(|| format!("connecting to {url}"))?;
        Ok(Client {
            runtime,
            stores,
            in_flight: in_flight * clients,
            _cluster: cluster,
        })
    }

    /// The store that prepares what all use.
    pub fn first(&self) -> &Store {
        &self.stores[0]
    }

    /// Runs `operations`, the clients taking turns. `issue` starts the operation of a number; see [`keep_in_flight`].
    pub fn run<'s, F, T>(
        &'s self,
        operations: u64,
        mut issue: impl FnMut(&'s Store, u64) -> F,
        end: impl FnMut(T),
    ) -> Result<Run>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let mut stores = self.stores.iter().cycle();
        let issue = |number| issue(stores.next().expect("there is a client"), number);
        Ok(self
            .runtime
            .block_on(keep_in_flight(operations, self.in_flight, issue, end))?)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // What somebody else runs is left as it was; if that fails there is nobody to tell.
        let _ = self.runtime.block_on(self.stores[0].delete(FOLDER, true));
    }
}

async fn make_folder(store: &Store) -> Result<(), Error> {
    match store.delete(FOLDER, true).await {
        Ok(_) | Err(Error::NotFound { .. }) => {}
        Err(error) => return Err(error),
    }
    store.make_dir(FOLDER, true).await?;
    Ok(())
}
