//! `get-file`: the attributes of a path.

use anyhow::Result;

use super::make_files;
use crate::bench::client::{Client, FOLDER};
use crate::bench::names::Names;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Lookups of empty files in an order that is random and always the same.
pub struct GetFile {
    client: Client,
    names: Names,
    /// The name that the next run starts with: a run may be shorter than the names.
    next: u64,
}

impl GetFile {
    /// Among `files` in `directories`.
    pub fn new(client: Client, files: u64, directories: u64) -> Result<GetFile> {
        let directory = |number: u64| format!("{FOLDER}/directory{:06}", number % directories);
        client.runtime.block_on(async {
            for number in 0..directories {
                client.first().make_dir(&directory(number), true).await?;
            }
            Ok::<_, crake_store::Error>(())
        })?;
        let name = |number| format!("{}/file{number:09}", directory(number));
        make_files(&client, &Names::ordered(files, name), files)?;
        Ok(GetFile {
            client,
            names: Names::shuffled(files, name),
            next: 0,
        })
    }
}

impl Operation for GetFile {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let mut names = self.names.starting_at(self.next);
        self.next += operations;
        let mut name = || names.next().expect("they go on for ever");
        self.client.run(
            operations,
            |store: &crake_store::Store, _| store.lookup(name()),
            drop,
        )
    }
}
