//! Tables, one call at a time.

use std::time::Duration;

use super::Waiter;
use crate::{Attributes, Condition, Error, KeyRange, Page, PutEntry, PutOptions, TablePage, Value};

/// A table; see [`crate::Table`], whose methods these are.
#[derive(Clone)]
pub struct Table {
    table: crate::Table,
    waiter: Waiter,
}

impl Table {
    pub(super) fn new(table: crate::Table, waiter: Waiter) -> Table {
        Table { table, waiter }
    }

    /// The same table, to have operations in flight.
    pub fn asynchronous(&self) -> &crate::Table {
        &self.table
    }

    /// See [`crate::Table::attributes`].
    pub fn attributes(&self) -> Result<Attributes, Error> {
        self.waiter.wait(self.table.attributes())
    }

    /// See [`crate::Table::put`].
    pub fn put(&self, key: &[u8], value: &[u8]) -> Result<u64, Error> {
        self.waiter.wait(self.table.put(key, value))
    }

    /// See [`crate::Table::put_if_absent`].
    pub fn put_if_absent(&self, key: &[u8], value: &[u8]) -> Result<u64, Error> {
        self.waiter.wait(self.table.put_if_absent(key, value))
    }

    /// See [`crate::Table::put_if_version`].
    pub fn put_if_version(&self, key: &[u8], value: &[u8], version: u64) -> Result<u64, Error> {
        self.waiter.wait(self.table.put_if_version(key, value, version))
    }

    /// See [`crate::Table::put_when`].
    pub fn put_when(&self, key: &[u8], value: &[u8], options: impl Into<PutOptions>) -> Result<u64, Error> {
        self.waiter.wait(self.table.put_when(key, value, options))
    }

    /// See [`crate::Table::set_ttl`].
    pub fn set_ttl(&self, key: &[u8], ttl: Option<Duration>) -> Result<Attributes, Error> {
        self.waiter.wait(self.table.set_ttl(key, ttl))
    }

    /// See [`crate::Table::multi_put`].
    pub fn multi_put(&self, entries: &[PutEntry<'_>]) -> Vec<Result<u64, Error>> {
        let put = async { Ok::<_, Error>(self.table.multi_put(entries).await) };
        match self.waiter.wait(put) {
            Ok(outcomes) => outcomes,
            Err(error) => entries.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    /// See [`crate::Table::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Value>, Error> {
        self.waiter.wait(self.table.get(key))
    }

    /// See [`crate::Table::multi_get`].
    pub fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, Error> {
        self.waiter.wait(self.table.multi_get(keys))
    }

    /// See [`crate::Table::remove`].
    pub fn remove(&self, key: &[u8]) -> Result<bool, Error> {
        self.waiter.wait(self.table.remove(key))
    }

    /// See [`crate::Table::remove_when`].
    pub fn remove_when(&self, key: &[u8], condition: Condition) -> Result<bool, Error> {
        self.waiter.wait(self.table.remove_when(key, condition))
    }

    /// See [`crate::Table::add`].
    pub fn add(&self, key: &[u8], delta: i64) -> Result<i64, Error> {
        self.waiter.wait(self.table.add(key, delta))
    }

    /// See [`crate::Table::scan_page`].
    pub fn scan_page(&self, range: KeyRange<'_>, limit: u32) -> Result<TablePage, Error> {
        self.waiter.wait(self.table.scan_page(range, limit))
    }

    /// See [`crate::Table::keys_page`].
    pub fn keys_page(&self, range: KeyRange<'_>, limit: u32) -> Result<Page<Vec<u8>>, Error> {
        self.waiter.wait(self.table.keys_page(range, limit))
    }

    /// All keys of a range, with their values, in its order.
    pub fn scan(&self, range: KeyRange<'_>) -> Scan {
        Scan {
            scan: self.table.scan(range),
            waiter: self.waiter.clone(),
        }
    }
}

/// A scan under way. Ends after an error.
pub struct Scan {
    scan: crate::Scan,
    waiter: Waiter,
}

impl Iterator for Scan {
    type Item = Result<(Vec<u8>, Value), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.waiter.wait(self.scan.next_entry()).transpose()
    }
}
