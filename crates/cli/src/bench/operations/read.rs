//! `read-sequential` and `read-random`: bytes of a file, by the direct stream and by the buffered one.

use anyhow::{Context, Result, ensure};
use crake_mem::{Extent, HugePages, Region};
use crake_store::{Error, File, Reader};

use super::make_file;
use crate::bench::client::{Client, FOLDER};
use crate::bench::names::shuffled;
use crate::bench::runner::Operation;
use crate::bench::stats::{Run, Stopwatch};

/// In which order a file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first byte to the last, then from the first again.
    Sequential,
    /// Ranges in an order that is random and always the same.
    Random,
}

/// Reads by the direct stream into the caller's memory.
pub struct Read {
    client: Client,
    readers: Vec<Reader>,
    /// A target for each read in flight.
    targets: Vec<Extent>,
    offsets: Vec<u64>,
}

impl Read {
    /// Of `size` bytes each, in a file of `count` times that.
    pub fn new(client: Client, size: u64, count: u64, order: Order) -> Result<Read> {
        let files = open(&client, size * count)?;
        let readers = files.iter().map(File::reader).collect::<Result<_, _>>()?;
        let region = Region::anonymous((size * client.in_flight) as usize, HugePages::Never)?;
        region.prefault()?;
        let target = |number: u64| region.extent((number * size) as usize..((number + 1) * size) as usize);
        let numbers = match order {
            Order::Sequential => (0..count).collect(),
            Order::Random => shuffled(count),
        };
        Ok(Read {
            readers,
            targets: (0..client.in_flight).map(target).collect(),
            offsets: numbers.into_iter().map(|number| number * size).collect(),
            client,
        })
    }
}

impl Operation for Read {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let read = |_: &crake_store::Store, number: u64| {
            let reader = &self.readers[number as usize % self.readers.len()];
            let target = &self.targets[number as usize % self.targets.len()];
            reader.read(self.offsets[number as usize % self.offsets.len()], target.clone())
        };
        let mut read_bytes = 0;
        let run = self.client.run(operations, read, |count| read_bytes += count)?;
        ensure!(
            read_bytes == self.targets[0].len() * operations as usize,
            "a read was short"
        );
        Ok(run)
    }
}

/// Small reads by the buffered stream.
pub struct BufferedRead {
    client: Client,
    file: File,
    target: Vec<u8>,
}

/// Reads that are timed together: one is as short as reading the clock.
const TIMED_TOGETHER: u64 = 64;

impl BufferedRead {
    /// Of `size` bytes each, in a file of `count` times that, by the first client.
    pub fn new(client: Client, size: u64, count: u64) -> Result<BufferedRead> {
        let file = open(&client, size * count)?.swap_remove(0);
        Ok(BufferedRead {
            client,
            file,
            target: vec![0; size as usize],
        })
    }

    async fn run_in_file(&mut self, operations: u64) -> Result<Run, Error> {
        let mut reader = self.file.buffered_reader()?;
        let mut watch = Stopwatch::start_timing_together(TIMED_TOGETHER.min(operations));
        for ended in 1..=operations {
            let mut filled = 0;
            while filled < self.target.len() {
                match reader.read(&mut self.target[filled..]).await? {
                    0 => reader.seek(0),
                    count => filled += count,
                }
            }
            watch.note(ended, ended);
        }
        Ok(watch.stop(operations))
    }
}

impl Operation for BufferedRead {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let runtime = self.client.runtime.clone();
        runtime.block_on(self.run_in_file(operations)).context("reading")
    }
}

/// Makes the file and opens it for each client.
fn open(client: &Client, len: u64) -> Result<Vec<File>> {
    let path = format!("{FOLDER}/read");
    let opened = client.runtime.block_on(async {
        make_file(client, &path, len).await?;
        let mut files = Vec::new();
        for store in &client.stores {
            files.push(store.open(&path).await?);
        }
        Ok::<_, Error>(files)
    });
    opened.context("making the file")
}
