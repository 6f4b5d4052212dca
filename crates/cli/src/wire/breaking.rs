//! `crake wire breaking`.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use crake_wire_gen::{Break, breaking};
use serde::Serialize;

use super::protos::Includes;
use crate::exit::Told;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake wire breaking old/store.proto store.proto
  crake wire breaking old/proto proto          all .proto files in two folders
  git show main:store.proto > /tmp/store.proto && crake wire breaking /tmp/store.proto store.proto

Exit code 1 if something breaks; each line says where, what, and whom it breaks. What is fine is not told: docs/format/wire.md, \"Changing a
schema\", has both.")]
pub struct Arguments {
    /// What programs of before were compiled from: a .proto file, or a folder of them
    old: PathBuf,
    /// What programs of after are compiled from
    new: PathBuf,
    #[command(flatten)]
    includes: Includes,
}

/// Something that breaks, with `--json`.
#[derive(Serialize)]
struct Row<'a> {
    file: &'a Path,
    line: u32,
    rule: &'static str,
    what: &'a str,
    why: &'static str,
}

impl<'a> Row<'a> {
    fn of(told: &'a Break) -> Row<'a> {
        Row {
            file: &told.place.file,
            line: told.place.line,
            rule: told.rule.name(),
            what: &told.what,
            why: told.why,
        }
    }
}

pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    let old = arguments.includes.version(&arguments.old)?;
    let new = arguments.includes.version(&arguments.new)?;
    let breaks = breaking(&old, &new);
    for told in &breaks {
        output.row(&Row::of(told))?;
        output.line(&told.to_string())?;
    }
    if breaks.is_empty() {
        Ok(())
    } else {
        Err(Told.into())
    }
}
