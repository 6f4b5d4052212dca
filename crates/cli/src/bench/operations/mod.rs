//! What can be measured of a cluster, one file per operation.

mod create_file;
mod enumerate_dir;
mod get_file;
mod get_key;
mod put_file;
mod put_key;
mod put_keys;
mod read;
mod read_multifile;
mod rpc;
mod scan_table;
mod view;
mod write;

use anyhow::{Context, Result};
use crake_store::{Error, Node};

pub use self::create_file::CreateFile;
pub use self::enumerate_dir::{EnumerateDir, page_bytes};
pub use self::get_file::GetFile;
pub use self::get_key::GetKey;
pub use self::put_file::PutFile;
pub use self::put_key::PutKey;
pub use self::put_keys::{PutKeys, request_bytes, request_keys};
pub use self::read::{BufferedRead, Order, Read};
pub use self::read_multifile::ReadMultifile;
pub use self::rpc::Rpc;
pub use self::scan_table::{ScanTable, page_keys, scan_bytes};
pub use self::view::View;
pub use self::write::{BufferedWrite, Write};

use super::client::Client;
use super::names::Names;
use super::window::keep_in_flight;

/// Operations in flight while something is prepared.
const PREPARE_IN_FLIGHT: u64 = 64;

/// Makes empty files of these names.
fn make_files(client: &Client, names: &Names, count: u64) -> Result<()> {
    let create = |number| client.first().create(names.name(number), Node::File);
    let made = client
        .runtime
        .block_on(keep_in_flight(count, PREPARE_IN_FLIGHT, create, drop));
    made.context("making the files")?;
    Ok(())
}

/// Bytes that are not all the same.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at * 31 + at / 256) as u8).collect()
}

/// Makes a file with `count` bytes in it.
async fn make_file(client: &Client, path: &str, count: u64) -> Result<(), Error> {
    const PIECE_BYTES: u64 = 1 << 20;
    let piece = crake_mem::Buf::from_vec(bytes(PIECE_BYTES as usize));
    let writer = client.first().create(path, Node::File).await?.writer()?;
    let mut left = count;
    while left > 0 {
        let part = left.min(PIECE_BYTES);
        writer.write(piece.slice(..part as usize)).await?;
        left -= part;
    }
    writer.close().await?;
    Ok(())
}
