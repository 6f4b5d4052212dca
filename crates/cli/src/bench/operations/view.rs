//! `view`: a file opened and looked at in place, anew each time.

use anyhow::{Context, Result, ensure};
use crake_store::{Error, Store};

use super::{bytes, make_file};
use crate::bench::client::{Client, FOLDER};
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Views of one file until the first byte is read: lookup, pin, range. Each is let go of before the next one begins.
pub struct View {
    client: Client,
    path: String,
    is_in_place: bool,
}

impl View {
    /// Of a file of `size` bytes.
    pub fn new(client: Client, size: u64) -> Result<View> {
        let path = format!("{FOLDER}/viewed");
        let viewed = client.runtime.block_on(async {
            make_file(&client, &path, size).await?;
            view(client.first(), &path).await
        });
        let is_in_place = viewed.context("making the file")?.is_in_place;
        Ok(View {
            client,
            path,
            is_in_place,
        })
    }
}

impl Operation for View {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let expected = Viewed {
            first: bytes(1).pop(),
            is_in_place: self.is_in_place,
        };
        let mut are_alike = true;
        let run = self.client.run(
            operations,
            |store, _| view(store, &self.path),
            |viewed| are_alike &= viewed == expected,
        )?;
        ensure!(
            are_alike,
            "a view had another first byte, or was a copy where others were not"
        );
        Ok(run)
    }

    fn is_in_place(&self) -> Option<bool> {
        Some(self.is_in_place)
    }
}

/// What a view gave.
#[derive(PartialEq, Eq)]
struct Viewed {
    first: Option<u8>,
    is_in_place: bool,
}

async fn view(store: &Store, path: &str) -> Result<Viewed, Error> {
    let file = store.open(path).await?;
    let view = file.reader()?.read_view(0..1).await?;
    Ok(Viewed {
        first: view.slices().flatten().copied().next(),
        is_in_place: view.is_in_place(),
    })
}
