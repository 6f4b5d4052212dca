//! `crake job`: work with a directory of its own, which goes when the work ends.

mod process;
mod run;
mod show;
mod top;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::config::Config;
use crate::output::Output;

/// Arguments of `crake job`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake job run --quota 10GiB -- ./sort.sh
  crake job ls
  crake job top
  crake job kill 7

A job has the directory /jobs/ID. What is in it goes when the job ends: when its command does, when it is killed, or
when nothing is heard of it for the time of a lease (10 s).")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What can be done with jobs.
#[derive(Subcommand, Debug)]
enum Command {
    /// Run a command as a job
    Run(run::Arguments),
    /// List jobs
    Ls,
    /// End jobs, whoever has them
    Kill(show::KillArguments),
    /// Watch what jobs have
    Top(top::Arguments),
    /// What `run` becomes the command by
    #[command(hide = true)]
    Exec(process::ExecArguments),
}

/// Does it.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    match &arguments.command {
        Command::Run(run) => run::run(run, config, output),
        Command::Ls => show::list(config, output),
        Command::Kill(kill) => show::kill(kill, config, output),
        Command::Top(top) => top::run(top, config, output),
        Command::Exec(exec) => process::become_command(exec),
    }
}
