//! `write`: bytes appended to a file, by the direct stream and by the buffered one.

use anyhow::{Context, Result};
use crake_mem::Buf;
use crake_store::{Error, Node, Store, Writer};

use super::bytes;
use crate::bench::client::{Client, FOLDER};
use crate::bench::runner::Operation;
use crate::bench::stats::{Run, Stopwatch};
use crate::bench::window::keep_in_flight;

/// Writes by the direct stream; each ends when it is acknowledged. The file is published and removed when the clock has
/// stopped.
pub struct Write {
    client: Client,
    data: Buf,
}

impl Write {
    /// Of `size` bytes each; every client has a file of its own.
    pub fn new(client: Client, size: u64) -> Write {
        Write {
            client,
            data: Buf::from_vec(bytes(size as usize)),
        }
    }

    async fn run_in_files(&self, operations: u64) -> Result<Run, Error> {
        let mut writers = Vec::new();
        for (store, number) in self.client.stores.iter().zip(0..) {
            writers.push(create(store, number).await?);
        }
        let write = |number: u64| writers[number as usize % writers.len()].write(self.data.clone());
        let run = keep_in_flight(operations, self.client.in_flight, write, drop).await?;
        for (writer, number) in writers.into_iter().zip(0..) {
            writer.close().await?;
            self.client.first().delete(&path(number), false).await?;
        }
        Ok(run)
    }
}

impl Operation for Write {
    fn run(&mut self, operations: u64) -> Result<Run> {
        self.client
            .runtime
            .block_on(self.run_in_files(operations))
            .context("writing")
    }
}

/// Small writes by the buffered stream. What is timed ends when all bytes are acknowledged.
pub struct BufferedWrite {
    client: Client,
    data: Vec<u8>,
}

/// Writes that are timed together: one is as short as reading the clock.
const TIMED_TOGETHER: u64 = 64;

impl BufferedWrite {
    /// Of `size` bytes each, by the first client.
    pub fn new(client: Client, size: u64) -> BufferedWrite {
        BufferedWrite {
            client,
            data: bytes(size as usize),
        }
    }

    async fn run_in_file(&self, operations: u64) -> Result<Run, Error> {
        let store = self.client.first();
        let mut writer = store.create(&path(0), Node::File).await?.buffered_writer()?;
        let mut watch = Stopwatch::start_timing_together(TIMED_TOGETHER.min(operations));
        for ended in 1..=operations {
            writer.write(&self.data).await?;
            watch.note(ended, ended);
        }
        writer.flush().await?;
        let run = watch.stop(operations);
        writer.close().await?;
        store.delete(&path(0), false).await?;
        Ok(run)
    }
}

impl Operation for BufferedWrite {
    fn run(&mut self, operations: u64) -> Result<Run> {
        self.client
            .runtime
            .block_on(self.run_in_file(operations))
            .context("writing")
    }
}

fn path(number: u64) -> String {
    format!("{FOLDER}/written{number:04}")
}

async fn create(store: &Store, number: u64) -> Result<Writer, Error> {
    store.create(&path(number), Node::File).await?.writer()
}
