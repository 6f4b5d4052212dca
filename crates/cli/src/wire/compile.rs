//! `crake wire compile`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use crake_wire_gen::Module;
use serde::Serialize;

use super::protos::Includes;
use crate::exit::Usage;
use crate::output::Output;

#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake wire compile store.proto > src/store.rs
  crake wire compile bulk.proto --gathered > src/bulk.rs
  crake wire compile --services key_value.proto > src/key_value.rs
  crake wire compile -I proto store.proto common.proto -o src/protocol --package-path common=crate::protocol::common

The text is what a build.rs gets from crake-wire-gen. It stands on the crate crake-wire, and with --services on crake-rpc.")]
pub struct Arguments {
    /// .proto files (proto3)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    includes: Includes,
    /// Folder to write PACKAGE.rs into, for each package of the files; - for standard output
    #[arg(short, long, value_name = "DIR", default_value = "-")]
    output: PathBuf,
    /// Rust path by which other packages find this one, as in common=crate::protocol::common; may be repeated
    #[arg(long, value_name = "PACKAGE=PATH", value_parser = package_path)]
    package_path: Vec<(String, String)>,
    /// Fields of bytes and strings that need not be copied into a message: for messages that carry bulk data
    #[arg(long)]
    gathered: bool,
    /// For each service a trait for who serves it and a struct for who calls it
    #[arg(long)]
    services: bool,
}

fn package_path(text: &str) -> Result<(String, String), String> {
    let (package, path) = text.split_once('=').ok_or("a package, `=`, and a Rust path")?;
    Ok((package.to_owned(), path.to_owned()))
}

/// A package, with `--json`.
#[derive(Serialize)]
struct Row<'a> {
    package: &'a str,
    /// Where the text was written to, or the text itself.
    file: Option<&'a Path>,
    text: Option<&'a str>,
}

pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    let mut config = arguments.includes.config(&arguments.files);
    for (package, path) in &arguments.package_path {
        config = config.package_path(package, path);
    }
    if arguments.gathered {
        config = config.gathered();
    }
    if arguments.services {
        config = config.services();
    }
    let modules = config.compile()?;
    if arguments.output == Path::new("-") {
        print(&modules, output)
    } else {
        write(&modules, &arguments.output, output)
    }
}

fn print(modules: &[Module], output: Output) -> Result<()> {
    let [module] = modules else {
        let packages: Vec<&str> = modules.iter().map(|module| module.package.as_str()).collect();
        return Err(Usage(format!(
            "the files are of several packages ({}): name a folder with -o",
            packages.join(", ")
        ))
        .into());
    };
    output.row(&Row {
        package: &module.package,
        file: None,
        text: Some(&module.text),
    })?;
    if !output.is_json() {
        io::stdout().lock().write_all(module.text.as_bytes())?;
    }
    Ok(())
}

fn write(modules: &[Module], folder: &Path, output: Output) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for module in modules {
        let path = folder.join(format!("{}.rs", module.package));
        fs::write(&path, &module.text).with_context(|| path.display().to_string())?;
        output.row(&Row {
            package: &module.package,
            file: Some(&path),
            text: None,
        })?;
    }
    Ok(())
}
