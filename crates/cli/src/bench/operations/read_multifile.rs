//! `read-multifile`: the parts of a multifile as one stream, from looking them up to their last bytes.

use anyhow::{Context, Result, ensure};
use crake_mem::{Extent, HugePages, Region};
use crake_store::{Error, Multifile, MultifileReader, Parts};

use super::make_file;
use crate::bench::client::{Client, FOLDER};
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Reads a part by each operation, from the first to the last, and then from the first again.
pub struct ReadMultifile {
    client: Client,
    multifile: Multifile,
    targets: Vec<Extent>,
    parts: u64,
    size: u64,
}

impl ReadMultifile {
    /// Of `count` parts of `size` bytes.
    pub fn new(client: Client, size: u64, count: u64) -> Result<ReadMultifile> {
        let path = format!("{FOLDER}/multifile");
        let made = client.runtime.block_on(async {
            let multifile = client.first().make_multifile(&path, true).await?;
            for number in 0..count {
                make_file(&client, &format!("{path}/part-{number:08}"), size).await?;
            }
            multifile.seal().await?;
            Ok::<_, Error>(multifile)
        });
        let region = Region::anonymous((size * client.in_flight) as usize, HugePages::Never)?;
        region.prefault()?;
        let target = |number: u64| region.extent((number * size) as usize..((number + 1) * size) as usize);
        Ok(ReadMultifile {
            multifile: made.context("making the multifile")?,
            targets: (0..client.in_flight).map(target).collect(),
            parts: count,
            size,
            client,
        })
    }
}

impl Operation for ReadMultifile {
    fn run(&mut self, operations: u64) -> Result<Run> {
        // Anew each time: to look the parts up belongs to it.
        let reader: MultifileReader = self.multifile.reader(Parts::All);
        let read = |_: &crake_store::Store, number: u64| {
            let target = &self.targets[number as usize % self.targets.len()];
            reader.read(number % self.parts * self.size, target.clone())
        };
        let mut read_bytes = 0;
        let run = self.client.run(operations, read, |count| read_bytes += count)?;
        ensure!(read_bytes as u64 == self.size * operations, "a read was short");
        Ok(run)
    }
}
