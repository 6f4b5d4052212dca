//! `crake config --print`: every setting with its value and where it comes from.

use anyhow::Result;
use clap::Args;
use serde::Serialize;

use super::{Config, SETTINGS, variable};
use crate::output::{Output, table};

/// Arguments of `crake config`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake config --print
  CRAKE_URL=crake://storage:9060 crake config --print
  crake --config cluster.toml --set bench.repetitions=21 config --print --json")]
pub struct Arguments {
    /// Print every setting, its value, where the value comes from, and the environment variable that changes it
    #[arg(long, required = true)]
    print: bool,
}

#[derive(Serialize)]
struct Row<'a> {
    key: &'a str,
    value: &'a str,
    origin: String,
    variable: String,
    help: &'a str,
}

/// Prints `config`.
pub fn run(config: &Config, output: Output) -> Result<()> {
    let mut lines = table(&["setting", "value", "origin", "variable", "what it is"]);
    for setting in SETTINGS {
        let row = Row {
            key: setting.key,
            value: config.text(setting),
            origin: config.origin(setting).to_string(),
            variable: variable(setting.key),
            help: setting.help,
        };
        output.row(&row)?;
        lines.add_row([row.key, row.value, &row.origin, &row.variable, row.help]);
    }
    output.table(&lines)?;
    Ok(())
}
