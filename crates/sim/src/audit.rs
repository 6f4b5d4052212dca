//! The end of a run: all faults are over, and everything must be as the clients know it; then everything is deleted,
//! and nothing may be left.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::Runtime;
use crake_store::{Checked, Error, KeyRange, Store, Table, Trouble, Value};

use crate::client::{Client, GROWING_DIRECTORY, SHARED_DIRECTORY, SHARED_TABLE, connect};
use crate::keys::KnownKey;
use crate::model::{FileModel, Known};
use crate::world::World;

/// So long may it take until what was deleted is gone everywhere, and what is given back has arrived.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// Compares the cluster with what its clients know, and deletes all.
pub async fn audit(world: Rc<World>, clients: Vec<Rc<Client>>, runtime: Runtime) {
    let store = connect(&world, &runtime).await;
    // Leases of clients that died run out; datanodes that were away are taken back.
    runtime
        .sleep(world.plan.lease + world.plan.heartbeat_timeout * 2 + Duration::from_secs(1))
        .await;
    let audit = Audit { world: &world, store };
    for client in &clients {
        audit.directory(client, "").await;
        audit.table(client).await;
    }
    audit.jobs().await;
    audit.nothing_unnamed().await;
    audit.delete_all(&clients).await;
}

struct Audit<'a> {
    world: &'a World,
    store: Store,
}

impl Audit<'_> {
    /// Lists a directory and all known below it, and reads each file.
    async fn directory(&self, client: &Client, name: &str) {
        let path = client.path(name);
        let mut listing = self.store.list(&path);
        let mut names = Vec::new();
        loop {
            match listing.next().await {
                Ok(Some(entry)) => names.push(entry.name),
                Ok(None) => break,
                Err(error) => return self.world.violate(format!("audit: listing {path}: {error}")),
            }
        }
        if let Err(what) = client.tree.borrow().check_listing(name, &names) {
            self.world.violate(format!("audit: {what}"));
        }
        for entry in names {
            let below = if name.is_empty() {
                entry
            } else {
                format!("{name}/{entry}")
            };
            let known = client.tree.borrow().known(&below).cloned();
            match known {
                Some(Known::Directory) => Box::pin(self.directory(client, &below)).await,
                Some(Known::File(file)) => self.file(&client.path(&below), &file).await,
                Some(Known::Tainted) | None => {}
            }
        }
    }

    async fn file(&self, path: &str, model: &FileModel) {
        let read = async {
            let file = self.store.open(path).await?;
            let attributes = file.attributes();
            let checked = file.check().await?;
            let bytes = file.reader()?.read_to_vec(0, attributes.size as usize).await;
            self.compare(path, &checked, bytes.as_ref().err());
            Ok((attributes, bytes?))
        };
        match read.await {
            Ok((attributes, _)) if attributes.open => {
                self.world.violate(format!("audit: {path} is still open"));
            }
            Ok((attributes, bytes)) => {
                if !model.allows_size(attributes.size) || bytes.len() as u64 != attributes.size {
                    let (size, min, max) = (attributes.size, model.size_min, model.size_max);
                    self.world.violate(format!(
                        "audit: {path} has size {size}, {} read, {min}-{max} known",
                        bytes.len()
                    ));
                } else if let Err(mismatch) = model.verify(0, &bytes) {
                    self.world
                        .violate(format!("audit: {path} has wrong bytes: {mismatch:?}"));
                }
            }
            Err(error) => self.allow_loss(path, &error, model.crashes_before),
        }
    }

    async fn table(&self, client: &Client) {
        let table = match self.store.table(&client.table()).await {
            Ok(table) => table,
            Err(error) => return self.world.violate(format!("audit: {}: {error}", client.table())),
        };
        let mut scanned: Vec<Vec<u8>> = Vec::new();
        loop {
            let after = scanned.last().cloned().unwrap_or_default();
            match table.keys_page(KeyRange::ALL.after(&after), 0).await {
                Ok(page) => {
                    scanned.extend(page.entries);
                    if !page.more {
                        break;
                    }
                }
                Err(error) => {
                    return self
                        .world
                        .violate(format!("audit: scanning {}: {error}", client.table()));
                }
            }
        }
        if let Err(what) = client.keys.borrow().check_scan(&scanned) {
            self.world.violate(format!("audit: {what}"));
        }
        let damaged = match self.damaged_values(&table).await {
            Ok(damaged) => damaged,
            Err(error) => {
                return self
                    .world
                    .violate(format!("audit: checking {}: {error}", client.table()));
            }
        };
        let keys = client.keys.borrow().keys(|_| true);
        for key in keys {
            let found = table.get(&key).await;
            let checked = damaged.get(&key).cloned().unwrap_or_default();
            self.compare(&client.table(), &checked, found.as_ref().err());
            self.value(client, &key, found);
        }
    }

    /// The values of which a check says that something is wrong, by their keys.
    async fn damaged_values(&self, table: &Table) -> Result<BTreeMap<Vec<u8>, Checked>, Error> {
        let (mut damaged, mut after) = (BTreeMap::new(), Some(Vec::new()));
        while let Some(key) = after.take() {
            let (values, last) = table.check_page(&key).await?;
            damaged.extend(
                values
                    .into_iter()
                    .filter(|(_, checked)| !checked.damages.is_empty()),
            );
            after = last;
        }
        Ok(damaged)
    }

    /// A check finds what cannot be read, and nothing else. When all datanodes are back, what they do not have is lost.
    fn compare(&self, path: &str, checked: &Checked, error: Option<&Error>) {
        let is_lost = matches!(error, Some(Error::BlockLost { .. }));
        let agrees = is_lost != checked.damages.is_empty();
        let is_for_good = checked
            .damages
            .iter()
            .all(|damage| damage.trouble == Trouble::Lost);
        if !agrees || !is_for_good || checked.open {
            self.world.violate(format!(
                "audit: {path}: a check finds {checked:?}, and reading it gives {error:?}"
            ));
        }
    }

    /// No block has leaked, and of views and values on their way none is left.
    async fn nothing_unnamed(&self) {
        let runtime = self.store.runtime().clone();
        let deadline = runtime.now() + GONE_WITHIN;
        loop {
            let left = match self.store.unnamed_blocks(10).await {
                Ok(unnamed) if unnamed.leaked > 0 => format!("blocks that nobody has: {unnamed:?}"),
                Ok(unnamed) if unnamed.held > 0 => format!("blocks without a name: {unnamed:?}"),
                Ok(_) => return,
                Err(error) => format!("looking for blocks without a name: {error}"),
            };
            if runtime.now() >= deadline {
                return self.world.violate(format!("audit: {left}"));
            }
            runtime.sleep(Duration::from_millis(200)).await;
        }
    }

    fn value(&self, client: &Client, key: &[u8], found: Result<Option<Value>, Error>) {
        let keys = client.keys.borrow();
        match (found, keys.known(key)) {
            (Ok(found), _) => {
                let found = found.as_ref().map(|value| (&value.data[..], value.version));
                if let Err(what) = keys.check(key, found) {
                    self.world.violate(format!("audit: {what}"));
                }
            }
            (Err(error), KnownKey::Value { crashes_before, .. }) => {
                self.allow_loss(&client.table(), &error, crashes_before);
            }
            (Err(error), _) => self.allow_loss(&client.table(), &error, 0),
        }
    }

    /// Bytes may be lost if a datanode died after they were written, and at no other time.
    fn allow_loss(&self, path: &str, error: &Error, crashes_before: u64) {
        let lost = matches!(error, Error::BlockLost { .. }) && self.world.crashes() > crashes_before;
        if !lost {
            self.world.violate(format!("audit: {path}: {error}"));
        }
    }

    /// Of no job is anything left: the clients have ended theirs, and the leases of those that died have run out.
    async fn jobs(&self) {
        match self.store.jobs().await {
            Ok(jobs) if jobs.is_empty() => {}
            other => self
                .world
                .violate(format!("audit: jobs that are left: {other:?}")),
        }
        match self.store.list_page("/jobs", "", "", 0).await {
            Ok(page) if page.entries.is_empty() => {
                if let Err(error) = self.store.delete("/jobs", false).await {
                    self.world.violate(format!("audit: deleting /jobs: {error}"));
                }
            }
            Err(Error::NotFound { .. }) => {}
            other => self.world.violate(format!("audit: left of jobs: {other:?}")),
        }
    }

    async fn delete_all(&self, clients: &[Rc<Client>]) {
        let own = clients
            .iter()
            .flat_map(|client| [client.directory(), client.table()]);
        let common = [SHARED_TABLE, SHARED_DIRECTORY, GROWING_DIRECTORY].map(str::to_owned);
        let moved = clients.iter().map(|client| client.moving_directory());
        for path in moved {
            match self.store.delete(&path, true).await {
                Ok(_) | Err(Error::NotFound { .. }) => {}
                Err(error) => self.world.violate(format!("audit: deleting {path}: {error}")),
            }
        }
        for path in own.chain(common) {
            if let Err(error) = self.store.delete(&path, true).await {
                self.world.violate(format!("audit: deleting {path}: {error}"));
            }
        }
        self.nothing_left().await;
    }

    /// What is below what was deleted goes by and by, at each partition.
    async fn nothing_left(&self) {
        let runtime = self.store.runtime().clone();
        let deadline = runtime.now() + GONE_WITHIN;
        let plan = &self.world.plan;
        let capacity = u64::from(plan.datanodes) * plan.dram_bytes;
        loop {
            let left = match self.store.usage().await {
                Ok(usage) if usage.used > 0 || usage.nodes > 1 || usage.leases > 0 => {
                    format!("all is deleted, and this is left: {usage:?}")
                }
                Ok(usage) if usage.capacity != capacity => {
                    format!("of {capacity} bytes there are {}", usage.capacity)
                }
                Ok(_) => return,
                Err(error) => format!("usage: {error}"),
            };
            if runtime.now() >= deadline {
                return self.world.violate(format!("audit: {left}"));
            }
            runtime.sleep(Duration::from_millis(200)).await;
        }
    }
}
