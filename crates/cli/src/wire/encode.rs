//! `crake wire encode`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::Args;
use crake_wire_gen::dynamic::{self, DEPTH_MAX, text_depth};
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde::Serialize;

use super::hex;
use super::protos::TypeArguments;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake wire encode --proto store.proto --type store.Block block.json > block.bin
  echo '{\"offset\": 7}' | crake wire encode --proto store.proto --type store.Block --hex
  echo 'offset: 7' | crake wire encode --proto store.proto --type store.Block --text > block.bin

The bytes are those that compiled programs write. With --json they are hexadecimal digits in an object.")]
pub struct Arguments {
    #[command(flatten)]
    descriptor: TypeArguments,
    /// The message is given in Protobuf's text format instead of JSON
    #[arg(long)]
    text: bool,
    /// Print the bytes as lines of offset and hexadecimal digits
    #[arg(long)]
    hex: bool,
    /// File with one message; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

/// A message, with `--json`.
#[derive(Serialize)]
struct Row {
    bytes: usize,
    hex: String,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    let descriptor = arguments.descriptor.descriptor()?;
    let text =
        String::from_utf8(super::read(&arguments.file)?).context("a message in JSON or text is UTF-8")?;
    let message = if arguments.text {
        from_text(descriptor, &text)?
    } else {
        from_json(descriptor, &text)?
    };
    let bytes = dynamic::encode(&message)?;
    if output.is_json() {
        output.row(&Row {
            bytes: bytes.len(),
            hex: hex::digits(&bytes),
        })?;
    } else if arguments.hex {
        write!(io::stdout().lock(), "{}", hex::dump(&bytes))?;
    } else {
        io::stdout().lock().write_all(&bytes)?;
    }
    Ok(())
}

fn from_json(descriptor: MessageDescriptor, text: &str) -> Result<DynamicMessage> {
    let name = descriptor.full_name().to_owned();
    let mut parser = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(descriptor, &mut parser)
        .with_context(|| format!("the text is no `{name}`"))?;
    parser.end().context("more than one message")?;
    Ok(message)
}

fn from_text(descriptor: MessageDescriptor, text: &str) -> Result<DynamicMessage> {
    if text_depth(text) >= DEPTH_MAX {
        bail!("messages lie within each other too deep");
    }
    let name = descriptor.full_name().to_owned();
    DynamicMessage::parse_text_format(descriptor, text).with_context(|| format!("the text is no `{name}`"))
}
