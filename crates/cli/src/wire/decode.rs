//! `crake wire decode`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use crake_wire_gen::dynamic;
use prost_reflect::DynamicMessage;
use prost_reflect::text_format::FormatOptions;
use serde::Deserialize;
use serde_json::Value;

use super::hex;
use super::protos::TypeArguments;
use crate::exit::Usage;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake wire decode --proto store.proto --type store.Block block.bin
  crake wire decode --proto store.proto --type store.Block --text < block.bin
  echo '01 00 00 00 00 00 00 00  07 00 00 00 00 00 00 00' | crake wire decode --proto store.proto --type store.Block --hex

JSON is that of Protobuf, on several lines, or on one with --json. Its keys are sorted, so equal messages are equal text. A field of the message that
the .proto file does not declare is left out.")]
pub struct Arguments {
    #[command(flatten)]
    descriptor: TypeArguments,
    /// Show Protobuf's text format instead of JSON
    #[arg(long)]
    text: bool,
    /// The message is given as hexadecimal digits, or as what `encode --hex` prints
    #[arg(long)]
    hex: bool,
    /// File with the bytes of one message; - for standard input
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    if arguments.text && output.is_json() {
        return Err(Usage("--text and --json exclude each other".to_owned()).into());
    }
    let descriptor = arguments.descriptor.descriptor()?;
    let bytes = bytes(&arguments.file, arguments.hex)?;
    let message = dynamic::decode(&descriptor, &bytes)
        .with_context(|| format!("the bytes are no `{}`", descriptor.full_name()))?;
    let text = if arguments.text {
        message.to_text_format_with_options(&FormatOptions::new().pretty(true))
    } else if output.is_json() {
        json(&message)?.to_string()
    } else {
        format!("{:#}", json(&message)?)
    };
    writeln!(io::stdout().lock(), "{text}")?;
    Ok(())
}

fn bytes(file: &Path, is_hex: bool) -> Result<Vec<u8>> {
    let bytes = super::read(file)?;
    if !is_hex {
        return Ok(bytes);
    }
    let text = String::from_utf8(bytes).context("hexadecimal digits are text")?;
    hex::parse(&text)
}

/// Goes by the text, for two reasons: a map's entries come in no order, which those of a `Value` do; and a `float` is shown with its own digits,
/// not with those of the `double` that it would become.
fn json(message: &DynamicMessage) -> Result<Value> {
    let text = serde_json::to_vec(message).context("the message has no JSON")?;
    let mut parser = serde_json::Deserializer::from_slice(&text);
    // A message was read no deeper than it may be.
    parser.disable_recursion_limit();
    Value::deserialize(&mut parser).context("the message has no JSON")
}
