//! A job: a directory with a quota that goes when its owner ends it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use crake_store::{Error, JobOptions, Node, Store};
use serde::Serialize;

use crate::output::{Output, short_time};
use crate::size::Size;

const QUOTA_BYTES: u64 = 256 << 10;
/// Of the file that fits.
const FITS_BYTES: usize = 100 << 10;
/// How long its removal may take on a busy machine.
const REMOVAL_MAX: Duration = Duration::from_secs(10);

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Shown {
    quota_bytes: u64,
    /// Asked for beyond the quota, and refused.
    refused_bytes: u64,
    /// From the end of the job until its blocks were free.
    removed_seconds: f64,
}

/// Writes below and above a quota, ends the job, and looks whether anything is left.
pub async fn show(store: &Store, output: Output) -> Result<Shown> {
    let before = store.usage().await?;
    let options = JobOptions {
        name: "demo".into(),
        quota_bytes: QUOTA_BYTES,
        ..JobOptions::default()
    };
    let job = store.job(options).await.context("beginning a job")?;
    let directory = job.directory().to_owned();
    write(store, &format!("{directory}/fits"), FITS_BYTES).await?;
    let refused_bytes = QUOTA_BYTES;
    let refused = write(store, &format!("{directory}/too large"), refused_bytes as usize).await;
    let Err(Error::QuotaExceeded { .. }) = refused else {
        anyhow::bail!("{refused_bytes} bytes above the quota of {directory}: {refused:?}");
    };
    let fits = store.lookup(&format!("{directory}/fits")).await?;
    ensure!(
        fits.size == FITS_BYTES as u64,
        "{directory}/fits has {} bytes",
        fits.size
    );
    let ended = Instant::now();
    job.end().await.context("ending a job")?;
    ensure!(
        !store.exists(&directory).await?,
        "{directory} is there after its job's end"
    );
    while store.usage().await?.used > before.used {
        ensure!(
            ended.elapsed() < REMOVAL_MAX,
            "blocks of {directory} are not given back"
        );
        store.runtime().sleep(Duration::from_millis(1)).await;
    }
    let removed = ended.elapsed();
    output.line(&format!(
        "a job with a quota of {}: {} more were refused, and nothing of it was left {} after its end",
        Size(QUOTA_BYTES).rounded(),
        Size(refused_bytes).rounded(),
        short_time(removed),
    ))?;
    Ok(Shown {
        quota_bytes: QUOTA_BYTES,
        refused_bytes,
        removed_seconds: removed.as_secs_f64(),
    })
}

async fn write(store: &Store, path: &str, len: usize) -> Result<(), Error> {
    let writer = store.create(path, Node::File).await?.writer()?;
    // The close waits for it and tells what failed.
    drop(writer.write(crake_mem::Buf::from_vec(vec![7; len])));
    writer.close().await.map(drop)
}
