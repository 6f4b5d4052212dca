//! A multifile: several clients write its parts at the same time, and one reads them meanwhile as one stream.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use crake_mem::Buf;
use crake_store::{Multifile, Node, Parts, Store};
use serde::Serialize;

use crate::output::{Output, short_time};
use crate::size::Size;

const PATH: &str = "/parts";
const WRITERS: usize = 4;
const PARTS: usize = 16;
/// More than a few blocks of the middle size, and no multiple of one.
const PART_BYTES: usize = 300_000;
const PIECE_BYTES: usize = 40_000;
/// How long all of it may take on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Serialize)]
pub struct Shown {
    writers: usize,
    parts: usize,
    bytes: usize,
    seconds: f64,
}

/// Writes the parts, each client those of every so many numbers, and compares what a reader gets that began before the first was there.
pub async fn show(store: &Store, url: &str, output: Output) -> Result<Shown> {
    let runtime = store.runtime();
    let started = Instant::now();
    let multifile = store.make_multifile(PATH, false).await?;
    let compared = runtime.spawn(compare(multifile.clone()));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let own = Store::connect(runtime, url).await?;
        writers.push(runtime.spawn(async move {
            for number in (writer..PARTS).step_by(WRITERS) {
                write(&own, number).await?;
            }
            Ok::<_, anyhow::Error>(())
        }));
    }
    for writer in writers {
        writer.await.context("writing parts of a multifile")?;
    }
    multifile.seal().await?;
    let bytes = runtime
        .timeout(runtime.now() + TIME_MAX, compared)
        .await
        .ok()
        .context("a multifile that is sealed is read to its end")??;
    let elapsed = started.elapsed();
    store.delete(PATH, true).await?;
    output.line(&format!(
        "a multifile of {PARTS} parts by {WRITERS} writers at once: {} came as one stream in the order of their names, in {}",
        Size(bytes as u64).rounded(),
        short_time(elapsed),
    ))?;
    Ok(Shown {
        writers: WRITERS,
        parts: PARTS,
        bytes,
        seconds: elapsed.as_secs_f64(),
    })
}

async fn write(store: &Store, number: usize) -> Result<()> {
    let path = format!("{PATH}/part-{number:04}");
    let writer = store.create(&path, Node::File).await?.writer()?;
    let part: Vec<u8> = (0..PART_BYTES).map(|at| byte(number, at)).collect();
    for piece in part.chunks(PIECE_BYTES) {
        // One piece after the other, so that the writers take turns.
        writer.write(Buf::copy_from_slice(piece)).await?;
    }
    writer.close().await?;
    Ok(())
}

/// Reads all parts and compares them; gives their bytes.
async fn compare(multifile: Multifile) -> Result<usize> {
    let mut reader = multifile.buffered_reader(Parts::All, 0);
    let mut room = vec![0; PIECE_BYTES];
    let mut at = 0;
    loop {
        let count = reader.read(&mut room).await.context("reading a multifile")?;
        for &found in &room[..count] {
            let (number, offset) = (at / PART_BYTES, at % PART_BYTES);
            ensure!(
                found == byte(number, offset),
                "{PATH}: differs at byte {at}, in part {number}"
            );
            at += 1;
        }
        if count == 0 {
            break;
        }
    }
    ensure!(
        at == PARTS * PART_BYTES,
        "{PATH}: ends at byte {at} of {}",
        PARTS * PART_BYTES
    );
    Ok(at)
}

/// No two parts are alike, nor are two places of one nearby.
fn byte(number: usize, at: usize) -> u8 {
    (at / 251 + at * 7 + number * 31) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_differ() {
        for number in 1..PARTS {
            assert!((0..1000).any(|at| byte(number, at) != byte(0, at)), "{number}");
        }
    }
}
