//! `scan-table`: a table's keys with their values, page by page.

use anyhow::{Result, ensure};
use crake_store::protocol::scan::HEAD_BYTES;
use crake_store::{KeyRange, Table};

use super::get_key::{fill, make_tables};
use crate::bench::client::Client;
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Keys of a page of the namenode, and bytes, at most.
const PAGE_KEYS_MAX: u64 = 512;
const PAGE_BYTES_MAX: u64 = 60 << 10;
/// What a key takes there, beside its value: see [`crake_store::protocol::scan`].
const KEY_BYTES: u64 = (HEAD_BYTES + "key000000000".len()) as u64;

/// How many keys a page has, of `keys` with values of so many bytes: all pages are alike.
pub fn page_keys(keys: u64, size: u64) -> u64 {
    let most = (PAGE_BYTES_MAX / (KEY_BYTES + size)).clamp(1, PAGE_KEYS_MAX);
    (keys / keys.div_ceil(most)).max(1)
}

/// What such a page takes on the wire.
pub fn scan_bytes(keys: u64, size: u64) -> u64 {
    page_keys(keys, size) * (KEY_BYTES + size)
}

/// Pages of one table, one after the other, and from the first again.
pub struct ScanTable {
    client: Client,
    /// The same table, as each client has opened it.
    tables: Vec<Table>,
    keys: Names,
    pages: u64,
    page: u64,
    size: usize,
}

impl ScanTable {
    /// Of `keys` with values of `size` bytes.
    pub fn new(client: Client, keys: u64, size: u64) -> Result<ScanTable> {
        let tables = make_tables(&client)?;
        fill(&client, &tables[0], keys, size)?;
        let page = page_keys(keys, size);
        Ok(ScanTable {
            client,
            tables,
            keys: Names::ordered(keys, |number| format!("key{number:09}")),
            pages: keys / page,
            page,
            size: size as usize,
        })
    }

    /// The keys of the page of a number, and of those behind it.
    fn range(&self, number: u64) -> KeyRange<'_> {
        match number % self.pages {
            0 => KeyRange::ALL,
            page => KeyRange::ALL.after(self.keys.name(page * self.page - 1).as_bytes()),
        }
    }
}

impl Operation for ScanTable {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let scan = |_: &crake_store::Store, number: u64| {
            let table = &self.tables[number as usize % self.tables.len()];
            table.scan_page(self.range(number), self.page as u32)
        };
        let (mut keys, mut value_bytes) = (0, 0);
        let run = self.client.run(operations, scan, |page| {
            keys += page.len() as u64;
            value_bytes += page.iter().map(|entry| entry.value.len()).sum::<usize>();
        })?;
        ensure!(keys == operations * self.page, "a page was short");
        ensure!(value_bytes == keys as usize * self.size, "a value was short");
        Ok(run)
    }
}
