//! `put-key`: a value put in the place of another.

use anyhow::Result;
use crake_store::Table;

use super::bytes;
use super::get_key::{fill, make_tables};
use crate::bench::client::Client;
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Puts to keys that exist.
pub struct PutKey {
    client: Client,
    /// The same table, as each client has opened it.
    tables: Vec<Table>,
    keys: Names,
    value: Vec<u8>,
}

impl PutKey {
    /// Of `size` bytes, among `keys`.
    pub fn new(client: Client, keys: u64, size: u64) -> Result<PutKey> {
        let tables = make_tables(&client)?;
        let (keys, value) = (fill(&client, &tables[0], keys, size)?, bytes(size as usize));
        Ok(PutKey {
            client,
            tables,
            keys,
            value,
        })
    }
}

impl Operation for PutKey {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let mut turns = self.tables.iter().cycle().zip(self.keys.starting_at(0));
        let put = |_: &crake_store::Store, _| {
            let (table, key) = turns.next().expect("they go on for ever");
            table.put(key.as_bytes(), &self.value)
        };
        self.client.run(operations, put, drop)
    }
}
