//! `put-keys`: many values put by one request, in the place of others.

use anyhow::Result;
use crake_store::{PutEntry, Table};

use super::bytes;
use super::get_key::{fill, make_tables};
use crate::bench::client::Client;
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Keys of a request at most, and bytes of them all.
const KEYS_MAX: u64 = 128;
const REQUEST_BYTES_MAX: u64 = 48 << 10;
/// What a key takes in a request, beside its value.
const KEY_BYTES: u64 = 76;

/// How many values of so many bytes go into one request.
pub fn request_keys(keys: u64, size: u64) -> u64 {
    (REQUEST_BYTES_MAX / (KEY_BYTES + size))
        .min(KEYS_MAX)
        .min(keys)
        .max(1)
}

/// What such a request takes on the wire.
pub fn request_bytes(keys: u64, size: u64) -> u64 {
    request_keys(keys, size) * (KEY_BYTES + size)
}

/// Puts to keys that exist.
pub struct PutKeys {
    client: Client,
    tables: Vec<Table>,
    keys: Names,
    value: Vec<u8>,
    request: u64,
}

impl PutKeys {
    /// Of `size` bytes, among `keys`.
    pub fn new(client: Client, keys: u64, size: u64) -> Result<PutKeys> {
        let tables = make_tables(&client)?;
        Ok(PutKeys {
            keys: fill(&client, &tables[0], keys, size)?,
            value: bytes(size as usize),
            request: request_keys(keys, size),
            client,
            tables,
        })
    }
}

impl Operation for PutKeys {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let put = async |number: u64| {
            let table = &self.tables[number as usize % self.tables.len()];
            let entries: Vec<PutEntry<'_>> = (0..self.request)
                .map(|at| PutEntry {
                    key: self.keys.name(number * self.request + at).as_bytes(),
                    value: &self.value,
                    ..PutEntry::default()
                })
                .collect();
            let outcomes = table.multi_put(&entries).await;
            outcomes.into_iter().try_for_each(|outcome| outcome.map(drop))
        };
        self.client.run(operations, |_, number| put(number), drop)
    }
}
