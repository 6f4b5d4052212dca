//! The one binary, `crake`.
#![forbid(unsafe_code)]

mod arguments;
mod bench;
mod client;
mod cluster;
mod config;
mod datanode;
mod demo;
mod endpoint;
mod exit;
mod fs;
mod fsck;
mod interrupt;
mod job;
mod kv;
mod log;
mod namenode;
mod notice;
mod output;
mod paths;
mod persist;
mod race;
mod role;
mod shm;
mod size;
mod stdio;
mod ttl;
mod up;
mod wall;
mod wire;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    start_log();
    exit::code(run(&arguments))
}

fn run(arguments: &Arguments) -> Result<()> {
    let config = arguments.config()?;
    let output = Output::new(arguments.global.json);
    match &arguments.command {
        Command::Bench(bench) => bench::run(bench, &config, output),
        Command::BenchPeer(peer) => bench::peer(peer),
        Command::Config(_) => config::print::run(&config, output),
        Command::Datanode(datanode) => datanode::run(datanode, &config, output),
        Command::Fs(fs) => fs::run(fs, &config, output),
        Command::Fsck(fsck) => fsck::run(fsck, &config, output),
        Command::Demo(demo) => demo::run(demo, output),
        Command::Job(job) => job::run(job, &config, output),
        Command::Kv(kv) => kv::run(kv, &config, output),
        Command::Namenode(namenode) => namenode::run(namenode, &config, output),
        Command::Up(up) => up::run(up, &config, output),
        Command::Wire(wire) => wire::run(wire, output),
    }
}

/// Log lines go to stderr; `CRAKE_LOG` chooses which, as in `CRAKE_LOG=crake_rpc=debug`.
fn start_log() {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("CRAKE_LOG")
        .with_default_directive(tracing::Level::WARN.into())
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
}
