//! `get-key`: the value of a key.

use anyhow::{Context, Result, ensure};
use crake_store::{Error, Table};

use super::{PREPARE_IN_FLIGHT, bytes};
use crate::bench::client::{Client, FOLDER};
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;
use crate::bench::window::keep_in_flight;

/// Gets in an order that is random and always the same.
pub struct GetKey {
    client: Client,
    /// The same table, as each client has opened it.
    tables: Vec<Table>,
    keys: Names,
    size: usize,
    next: u64,
}

impl GetKey {
    /// Of values of `size` bytes, among `keys`.
    pub fn new(client: Client, keys: u64, size: u64) -> Result<GetKey> {
        let tables = make_tables(&client)?;
        let keys = fill(&client, &tables[0], keys, size)?;
        Ok(GetKey {
            client,
            tables,
            keys,
            size: size as usize,
            next: 0,
        })
    }
}

impl Operation for GetKey {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let mut turns = self.tables.iter().cycle().zip(self.keys.starting_at(self.next));
        self.next += operations;
        let get = |_: &crake_store::Store, _| {
            let (table, key) = turns.next().expect("they go on for ever");
            table.get(key.as_bytes())
        };
        let mut got_bytes = 0;
        let run = self.client.run(operations, get, |value| {
            got_bytes += value.map_or(0, |value| value.len())
        })?;
        ensure!(
            got_bytes == self.size * operations as usize,
            "a value was missing or too short"
        );
        Ok(run)
    }
}

/// Makes the table, and opens it for each client.
pub fn make_tables(client: &Client) -> Result<Vec<Table>> {
    let path = format!("{FOLDER}/table");
    let made = client.runtime.block_on(async {
        client.first().make_table(&path, false).await?;
        let mut tables = Vec::new();
        for store in &client.stores {
            tables.push(store.table(&path).await?);
        }
        Ok::<_, Error>(tables)
    });
    made.context("making the table")
}

/// Puts a value of `size` bytes to each of `count` keys, and gives the keys, shuffled.
pub fn fill(client: &Client, table: &Table, count: u64, size: u64) -> Result<Names> {
    let keys = Names::shuffled(count, |number| format!("key{number:09}"));
    let value = bytes(size as usize);
    let put = |number| table.put(keys.name(number).as_bytes(), &value);
    let filled = client
        .runtime
        .block_on(keep_in_flight(count, PREPARE_IN_FLIGHT, put, drop));
    filled.context("filling the table")?;
    Ok(keys)
}
