//! The command of a job as a process: how it is started, told of signals, and how it ends.

use std::ffi::{OsStr, OsString};
use std::future::poll_fn;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::pin::pin;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::thread;

use anyhow::{Context, Result};
use clap::Args;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::{Handle, Signals};

use crate::exit::Exited;
use crate::output::Output;

/// What is passed on to the command.
const SIGNALS: [i32; 6] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2];

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
    arrived: Arc<Arrived>,
    /// Ends the thread that waits for signals.
    thread: Handle,
}

/// Signals that have arrived, and who waits for them.
#[derive(Default)]
struct Arrived {
    signals: Mutex<(Vec<i32>, Option<Waker>)>,
}

impl Process {
    /// Starts it with these variables. Signals are its from here on.
    pub fn start(command: &[OsString], variables: &[(&str, &OsStr)]) -> Result<Process> {
        let (arrived, thread) = catch_signals()?;
        let this = std::env::current_exe().context("finding this program's file")?;
        let child = Command::new(this)
            .args(["job", "exec", "--parent"])
            .arg(getpid().as_raw_nonzero().to_string())
            .arg("--")
            .args(command)
            .envs(variables.iter().copied())
            .spawn()
            .context("starting the command")?;
        Ok(Process {
            child,
            arrived,
            thread,
        })
    }

    /// Waits for its end and passes signals on. If its job has ended before that, it is asked to end.
    pub async fn wait(&mut self, job_ended: impl Future<Output = ()>) -> Result<ExitStatus> {
        let (mut job_ended, mut was_asked) = (pin!(job_ended), false);
        poll_fn(|context| {
            // First: its end may come right after it was looked for.
            let signals = self.arrived.take(context.waker());
            if let Some(status) = self.child.try_wait().context("waiting for the command")? {
                return Poll::Ready(Ok(status));
            }
            signals.into_iter().for_each(|signal| self.pass_on(signal));
            if !was_asked && job_ended.as_mut().poll(context).is_ready() {
                was_asked = true;
                self.tell(Signal::TERM);
            }
            Poll::Pending
        })
        .await
    }

    fn pass_on(&self, signal: i32) {
        // On a terminal Ctrl-C and Ctrl-\ go to the command by themselves.
        let is_its = matches!(signal, SIGINT | SIGQUIT) && io::IsTerminal::is_terminal(&io::stdin());
        let signal = Signal::from_named_raw(signal).filter(|signal| *signal != Signal::CHILD && !is_its);
        if let Some(signal) = signal {
            self.tell(signal);
        }
    }

    fn tell(&self, signal: Signal) {
        // It has ended if this fails.
        let _ = kill_process(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.thread.close();
    }
}

/// From here on signals wake who waits for them, that of the command's end among them.
fn catch_signals() -> Result<(Arc<Arrived>, Handle)> {
    let mut signals = Signals::new(SIGNALS.into_iter().chain([SIGCHLD])).context("catching signals")?;
    let (arrived, thread) = (Arc::<Arrived>::default(), signals.handle());
    let told = arrived.clone();
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || signals.forever().for_each(|signal| told.add(signal)))
        .context("starting the thread that waits for signals")?;
    Ok((arrived, thread))
}

impl Arrived {
    fn add(&self, signal: i32) {
        let mut state = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        state.0.push(signal);
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    /// Those that have arrived; the waker is told of the next one.
    fn take(&self, waker: &Waker) -> Vec<i32> {
        let mut state = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 = Some(waker.clone());
        std::mem::take(&mut state.0)
    }
}

/// The exit code by which shells tell how a command ended.
pub fn exit_code(status: ExitStatus) -> u8 {
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}
