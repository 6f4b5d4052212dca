//! `rpc`: bytes to the namenode and back, and nothing else.

use anyhow::Result;

use super::bytes;
use crate::bench::client::Client;
use crate::bench::runner::Operation;
use crate::bench::stats::Run;

/// Echoes.
pub struct Rpc {
    client: Client,
    data: Vec<u8>,
}

impl Rpc {
    /// Of `size` bytes each way.
    pub fn new(client: Client, size: u64) -> Rpc {
        Rpc {
            client,
            data: bytes(size as usize),
        }
    }
}

impl Operation for Rpc {
    fn run(&mut self, operations: u64) -> Result<Run> {
        self.client
            .run(operations, |store, _| store.echo(&self.data), drop)
    }
}
