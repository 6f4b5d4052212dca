//! `put-file`: whole files out of the caller's memory, as `crake fs put` stores them.

use anyhow::{Context, Result};
use crake_mem::Buf;
use crake_store::{Attributes, CreateOptions, Node, Store};

use super::bytes;
use crate::bench::client::{Client, FOLDER};
use crate::bench::runner::Operation;
use crate::bench::stats::Run;
use crate::bench::window::keep_in_flight;
use crate::fs::transfer::{CHUNK_BYTES, Chunks, Source, store_file};

/// Files created, written and sealed. They are removed when the clock has stopped.
pub struct PutFile {
    client: Client,
    data: Buf,
    chunks: Chunks,
    directory: String,
}

impl PutFile {
    /// Of `size` bytes each: always the same memory, in no cache again by its end if it is larger than those are.
    pub fn new(client: Client, size: u64) -> PutFile {
        PutFile {
            client,
            data: Buf::from_vec(bytes(size as usize)),
            chunks: Chunks::new(),
            directory: format!("{FOLDER}/put"),
        }
    }

    async fn put(&self, store: &Store, number: u64) -> Result<Attributes> {
        let path = format!("{}/file{number:09}", self.directory);
        let mut source = Memory(self.data.clone());
        store_file(
            store,
            &self.chunks,
            &path,
            CreateOptions::from(Node::File).size_hint(self.data.len() as u64),
            &mut source,
            |_| {},
        )
        .await
    }

    async fn run_in_directory(&self, operations: u64) -> Result<Run> {
        let store = self.client.first();
        store.make_dir(&self.directory, false).await?;
        let run = keep_in_flight(operations, 1, |number| self.put(store, number), drop).await?;
        store.delete(&self.directory, true).await?;
        Ok(run)
    }
}

impl Operation for PutFile {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let runtime = &self.client.runtime;
        runtime
            .block_on(self.run_in_directory(operations))
            .context("putting files")
    }
}

/// What is left of a file that lies in memory.
struct Memory(Buf);

impl Source for Memory {
    async fn next(&mut self) -> Result<Buf> {
        Ok(self.0.split_to(self.0.len().min(CHUNK_BYTES)))
    }
}
