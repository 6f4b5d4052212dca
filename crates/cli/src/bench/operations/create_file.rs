//! `create-file`: an empty file with the right to write it.

use anyhow::Result;
use crake_store::Node;

use crate::bench::client::{Client, FOLDER};
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Creations in one directory. The files are sealed and removed when the clock has stopped.
pub struct CreateFile {
    client: Client,
    names: Names,
    directory: String,
}

impl CreateFile {
    /// Up to `count` at a time.
    pub fn new(client: Client, count: u64) -> Result<CreateFile> {
        let directory = format!("{FOLDER}/created");
        let names = Names::ordered(count, |number| format!("{directory}/file{number:09}"));
        Ok(CreateFile {
            client,
            names,
            directory,
        })
    }
}

impl Operation for CreateFile {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let store = self.client.first();
        self.client
            .runtime
            .block_on(store.make_dir(&self.directory, false))?;
        let mut files = Vec::with_capacity(operations as usize);
        let create = |store: &crake_store::Store, number| store.create(self.names.name(number), Node::File);
        let run = self.client.run(operations, create, |file| files.push(file))?;
        self.client.runtime.block_on(async {
            for file in files {
                file.close().await?;
            }
            store.delete(&self.directory, true).await
        })?;
        Ok(run)
    }
}
