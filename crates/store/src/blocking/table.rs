//! Tables, one call at a time.

use super::Waiter;
use crate::{Condition, Error, Page, Value};

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

    /// See [`crate::Table::scan_page`].
    pub fn scan_page(
        &self,
        prefix: &[u8],
        after: &[u8],
        limit: u32,
    ) -> Result<Page<(Vec<u8>, Value)>, Error> {
        self.waiter.wait(self.table.scan_page(prefix, after, limit))
    }

    /// All keys that start with `prefix` and are above `after`, with their values, in order.
    pub fn scan(&self, prefix: &[u8], after: &[u8]) -> Scan {
        Scan {
            scan: self.table.scan(prefix, after),
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
        self.waiter.wait(self.scan.next()).transpose()
    }
}
