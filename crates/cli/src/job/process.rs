//! The command of a job as a process: how it is started, told of signals, and how it ends.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::Runtime;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::exit::Exited;
use crate::output::Output;

/// What is passed on to the command.
const SIGNALS: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];
/// How often it is looked for signals and for the command's end.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Arguments of the step between `crake job run` and its command.
#[derive(Args, Debug)]
pub struct ExecArguments {
    /// The process whose end is to be told to the command
    #[arg(long)]
    parent: i32,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Becomes the command, in this very process, which has SIGTERM when its parent is killed: what asks for that is kept by exec.
pub fn become_command(arguments: &ExecArguments) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::TERM)).context("binding to the parent's life")?;
    // Its end before that would have gone unnoticed.
    let parent = getppid().map(Pid::as_raw_nonzero).map(i32::from);
    if parent != Some(arguments.parent) {
        return Err(Exited::by(Signal::TERM).into());
    }
    let (program, rest) = arguments.command.split_first().context("no command")?;
    let error = Command::new(program).args(rest).exec();
    let code = if error.kind() == io::ErrorKind::NotFound {
        127
    } else {
        126
    };
    Output::new(false).note(format!("{}: {error}", program.to_string_lossy()));
    Err(Exited(code).into())
}

/// A command that runs.
pub struct Process {
    child: Child,
    signals: Signals,
}

impl Process {
    /// Starts it with these variables. Signals are its from here on.
    pub fn start(command: &[OsString], variables: &[(&str, &OsStr)]) -> Result<Process> {
        let signals = Signals::new(SIGNALS).context("catching signals")?;
        let this = std::env::current_exe().context("finding this program's file")?;
        let child = Command::new(this)
            .args(["job", "exec", "--parent"])
            .arg(getpid().as_raw_nonzero().to_string())
            .arg("--")
            .args(command)
            .envs(variables.iter().copied())
            .spawn()
            .context("starting the command")?;
        Ok(Process { child, signals })
    }

    /// Waits for its end and passes signals on, or gives up `until` something holds: then it is asked to end.
    pub async fn wait(&mut self, runtime: &Runtime, until: impl Fn() -> bool) -> Result<ExitStatus> {
        let mut asked = false;
        loop {
            if let Some(status) = self.child.try_wait().context("waiting for the command")? {
                return Ok(status);
            }
            for signal in self.signals.pending().collect::<Vec<_>>() {
                // On a terminal Ctrl-C and Ctrl-\ go to the command by themselves.
                let is_its = matches!(signal, SIGINT | SIGQUIT) && io::IsTerminal::is_terminal(&io::stdin());
                if !is_its && let Some(signal) = Signal::from_named_raw(signal) {
                    self.tell(signal);
                }
            }
            if !asked && until() {
                asked = true;
                self.tell(Signal::TERM);
            }
            runtime.sleep(LOOK_EVERY).await;
        }
    }

    fn tell(&self, signal: Signal) {
        // It has ended if this fails.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

/// The exit code by which shells tell how a command ended.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
