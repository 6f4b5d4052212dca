//! `crake fs`: files of a cluster with the commands that people know from files.

pub mod crew;
mod edit;
mod get;
mod look;
mod ls;
mod path;
mod put;
mod report;
pub mod transfer;
mod watch;

use anyhow::Result;
use clap::{Args, Subcommand};

pub use self::ls::printable;
pub use self::path::RemotePath;
use crate::config::Config;
use crate::output::Output;

/// Arguments of `crake fs`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake fs mkdir /data
  crake fs put -r results /data
  crake fs ls -lh /data/results
  crake fs get -r /data/results /tmp

Paths in the store begin at the root, or at the directory that the URL names. A failure is told and the rest is done;
the exit code is 1 then.")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with files.
#[derive(Subcommand, Debug)]
enum Command {
    /// Print files
    Cat(get::CatArguments),
    /// Say how many bytes are below a path
    Du(look::DuArguments),
    /// Fetch files and directories
    Get(get::GetArguments),
    /// List directories
    Ls(ls::Arguments),
    /// Make directories
    Mkdir(edit::MkdirArguments),
    /// Move or rename
    Mv(edit::MvArguments),
    /// Store files and directories
    Put(put::Arguments),
    /// Remove
    Rm(edit::RmArguments),
    /// Say that a multifile gets no more parts
    Seal(edit::SealArguments),
    /// Say all that is known about a path
    Stat(look::StatArguments),
    /// Draw a directory with all below it
    Tree(look::TreeArguments),
    /// Have something removed after some time
    Ttl(edit::TtlArguments),
    /// Print what happens to a file, or in a directory, as it happens
    Watch(watch::Arguments),
}

/// Does it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    match &arguments.command {
        Command::Cat(cat) => get::cat(cat, config, output),
        Command::Du(du) => look::du(du, config, output),
        Command::Get(get) => get::get(get, config, output),
        Command::Ls(ls) => ls::run(ls, config, output),
        Command::Mkdir(mkdir) => edit::mkdir(mkdir, config, output),
        Command::Mv(mv) => edit::mv(mv, config, output),
        Command::Put(put) => put::run(put, config, output),
        Command::Rm(rm) => edit::rm(rm, config, output),
        Command::Seal(seal) => edit::seal(seal, config, output),
        Command::Stat(stat) => look::stat(stat, config, output),
        Command::Tree(tree) => look::tree(tree, config, output),
        Command::Ttl(ttl) => edit::ttl(ttl, config, output),
        Command::Watch(watch) => watch::run(watch, config, output),
    }
}
