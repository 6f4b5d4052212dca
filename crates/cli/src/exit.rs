//! Exit codes: 0 done, 1 failed, 2 wrong usage, 130 and 143 ended by a signal.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Error, Result};
use rustix::process::Signal;
use thiserror::Error;

use crate::config::ConfigError;
use crate::interrupt::Interrupted;

/// A mistake in how the command was called, beyond what the argument parser can see.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// Something failed and was told about already: only the exit code is left to say it.
#[derive(Debug, Error)]
#[error("failed, as was said")]
pub struct Told;

/// A command that was run for the user ended with this code, which is that of this process, too.
#[derive(Debug, Error)]
#[error("exit code {0}")]
pub struct Exited(pub u8);

impl Exited {
    /// As shells count.
    pub fn by(signal: Signal) -> Exited {
        Exited(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX))
    }
}

/// Reports a failure on stderr and gives the code to exit with.
pub fn code(result: Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    let is_told = error.is::<Told>() || error.is::<Exited>();
    if !is_told && !is_closed_pipe(&error) {
        // A closed stderr leaves the exit code as the only word.
        let _ = writeln!(io::stderr().lock(), "crake: {error:#}");
    }
    ExitCode::from(number(&error))
}

fn number(error: &Error) -> u8 {
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return interrupted.exit_code();
    }
    if let Some(exited) = error.downcast_ref::<Exited>() {
        return exited.0;
    }
    let is_usage = error.is::<Usage>() || error.is::<ConfigError>();
    if is_usage { 2 } else { 1 }
}

/// The reader of our output has gone (`crake ... | head`): there is nobody to tell.
fn is_closed_pipe(error: &Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn usage_is_two_and_the_rest_is_one() {
        assert_eq!(number(&anyhow!("lost")), 1);
        assert_eq!(number(&Told.into()), 1);
        assert_eq!(number(&Usage("no".into()).into()), 2);
        assert_eq!(number(&ConfigError::NotAnAssignment("x".into()).into()), 2);
        let wrapped = Err::<(), _>(Usage("no".into())).context("while reading");
        assert_eq!(number(&wrapped.unwrap_err()), 2);
    }
}
