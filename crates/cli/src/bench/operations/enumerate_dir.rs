//! `enumerate-dir`: a directory's entries, page by page.

use anyhow::{Result, ensure};

use super::make_files;
use crate::bench::client::{Client, FOLDER};
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Entries of a page: so many fit a message of the namenode, which is 60 KiB at most.
const PAGE_ENTRIES: u64 = 256;

/// What an entry of a page takes on the wire, near enough: bitmap, slots and name of a file that is empty.
const ENTRY_BYTES: u64 = 120;

/// What the page of a directory of so many entries takes on the wire.
pub fn page_bytes(entries: u64) -> u64 {
    entries.clamp(1, PAGE_ENTRIES) * ENTRY_BYTES
}

/// Pages of one directory, one after the other, and from the first again.
pub struct EnumerateDir {
    client: Client,
    directory: String,
    names: Vec<String>,
    /// Entries of a page.
    page: u64,
}

impl EnumerateDir {
    /// Of a directory of `entries` empty files.
    pub fn new(client: Client, entries: u64) -> Result<EnumerateDir> {
        let directory = format!("{FOLDER}/listed");
        client
            .runtime
            .block_on(client.first().make_dir(&directory, false))?;
        let name = |number: u64| format!("file{number:09}");
        make_files(
            &client,
            &Names::ordered(entries, |number| format!("{directory}/{}", name(number))),
            entries,
        )?;
        let names = (0..entries).map(name).collect();
        Ok(EnumerateDir {
            client,
            directory,
            names,
            page: entries.min(PAGE_ENTRIES),
        })
    }

    /// The name that the page of a number comes after; none for the first page.
    fn after(&self, number: u64) -> &str {
        let pages = self.names.len() as u64 / self.page;
        match number % pages {
            0 => "",
            page => &self.names[(page * self.page) as usize - 1],
        }
    }
}

impl Operation for EnumerateDir {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let mut entries = 0;
        let list = |store: &crake_store::Store, number| {
            store.list_page(&self.directory, "", self.after(number), self.page as u32)
        };
        let run = self
            .client
            .run(operations, list, |page| entries += page.entries.len() as u64)?;
        ensure!(entries == operations * self.page, "a page was short");
        Ok(run)
    }
}
