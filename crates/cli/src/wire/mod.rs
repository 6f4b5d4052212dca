//! `crake wire`: messages and the .proto files that declare them. It talks to no cluster.

mod breaking;
mod compile;
mod decode;
mod encode;
mod hex;
mod protos;

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};

use crate::output::Output;

/// Arguments of `crake wire`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake wire compile store.proto -o src/protocol
  crake wire decode --proto store.proto --type store.Block block.bin
  echo '{\"offset\": 7}' | crake wire encode --proto store.proto --type store.Block --hex
  crake wire breaking old/store.proto store.proto

docs/wire.md has more about messages, docs/format/wire.md has their bytes. No cluster is asked.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with messages.
#[derive(Subcommand, Debug)]
enum Command {
    /// Tell what would stop programs of before and after a change of .proto files from understanding each other
    Breaking(breaking::Arguments),
    /// Compile .proto files to Rust
    Compile(compile::Arguments),
    /// Show a message
    Decode(decode::Arguments),
    /// Make a message
    Encode(encode::Arguments),
}

/// Does it.
pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    match &arguments.command {
        Command::Breaking(breaking) => breaking::run(breaking, output),
        Command::Compile(compile) => compile::run(compile, output),
        Command::Decode(decode) => decode::run(decode, output),
        Command::Encode(encode) => encode::run(encode, output),
    }
}

/// All of a file, or of standard input if it is `-`.
fn read(path: &Path) -> Result<Vec<u8>> {
    if path != Path::new("-") {
        return std::fs::read(path).with_context(|| path.display().to_string());
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .read_to_end(&mut bytes)
        .context("standard input")?;
    Ok(bytes)
}
