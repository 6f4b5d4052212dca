//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::config::{self, Config, ConfigError, Flag, URL};
use crate::{bench, datanode, demo, fs, fsck, job, kv, namenode, up, wire};

/// Crake, a distributed store for data that lives only as long as the work that needs it.
#[derive(Parser, Debug)]
#[command(
    name = "crake",
    version,
    arg_required_else_help = true,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage.
Environment: CRAKE_CONFIG, CRAKE_URL and the others that `crake config --print` shows; CRAKE_LOG chooses log lines."
)]
pub struct Arguments {
    /// What every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that stand before or after any command.
#[derive(Args, Debug)]
pub struct Global {
    /// Settings file (TOML)
    #[arg(long, global = true, env = "CRAKE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The cluster to talk to, as crake://HOST:PORT (environment: CRAKE_URL)
    #[arg(long, global = true)]
    url: Option<String>,
    /// One more setting; may be repeated
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Results as one JSON object per line
    #[arg(long, global = true)]
    pub json: bool,
}

impl Arguments {
    /// The settings, with this command line as their last layer.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let global = &self.global;
        let mut flags = global
            .set
            .iter()
            .map(|text| Flag::assignment(text))
            .collect::<Result<Vec<_>, _>>()?;
        flags.extend(Flag::new("--url", &URL, global.url.as_ref()));
        flags.extend(self.command.flags());
        // Names and values that are not UTF-8 cannot be settings.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Config::load(global.config.as_deref(), environment, flags)
    }
}

/// What `crake` can do.
#[derive(Subcommand, Debug)]
pub enum Command {
    /// Measure an operation beside the limit of the transport under it
    Bench(bench::Arguments),
    /// The other side of a raw loop, started by `bench`
    #[command(hide = true)]
    BenchPeer(bench::PeerArguments),
    /// Show settings
    Config(config::print::Arguments),
    /// Give memory to a cluster
    Datanode(datanode::Arguments),
    /// Store a real folder, read it back, compare every byte, and show what was measured
    Demo(demo::Arguments),
    /// Work with files
    Fs(fs::Arguments),
    /// Look whether the bytes of all files and values are there
    Fsck(fsck::Arguments),
    /// Run commands with a directory that goes when they end
    Job(job::Arguments),
    /// Work with keys and values
    Kv(kv::Arguments),
    /// Keep the names of a cluster
    Namenode(namenode::Arguments),
    /// Run a whole cluster on this machine
    Up(up::Arguments),
    /// Work with messages and .proto files
    Wire(wire::Arguments),
}

impl Command {
    fn flags(&self) -> Vec<Flag> {
        match self {
            Command::Up(up) => up.flags(),
            Command::Namenode(namenode) => namenode.flags(),
            Command::Datanode(datanode) => datanode.flags(),
            Command::Bench(bench) => bench.flags(),
            Command::Fsck(fsck) => fsck.flags(),
            Command::Demo(_)
            | Command::Fs(_)
            | Command::Job(_)
            | Command::Kv(_)
            | Command::BenchPeer(_)
            | Command::Wire(_)
            | Command::Config(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_shown_command_has_examples() {
        for command in Arguments::command()
            .get_subcommands()
            .filter(|c| !c.is_hide_set())
        {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(help.contains("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn flags_may_follow_the_command() {
        let arguments =
            Arguments::try_parse_from(["crake", "config", "--print", "--url", "crake://a:1", "--json"])
                .unwrap();
        assert!(arguments.global.json);
        assert_eq!(arguments.config().unwrap().text(&URL), "crake://a:1");
    }
}
