//! Keeping the neighbours off the two cores while something is measured.
//!
//! Under Linux's autogroups, weight belongs to a session, not to a process, so `nice` does nothing against processes of
//! other sessions. Root may give a session of its own the weight of nice -19: then others get 2-10 % of a core instead of
//! half.
//!
//! A process in a session of its own no longer hears Ctrl-C. So the shielded benchmark is a child of the command
//! that was called, and dies with it.

use std::env;
use std::fs;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};
use rustix::process::{Signal, geteuid, set_parent_process_death_signal, setsid};

/// What tells a child that it is one.
pub const FLAG: &str = "--shielded";

const AUTOGROUP: &str = "/proc/self/autogroup";

/// Whether this process can be shielded at all.
pub fn is_possible() -> bool {
    geteuid().is_root() && fs::exists(AUTOGROUP).unwrap_or(false)
}

/// Runs this same command again as a child, with [`FLAG`] added, and waits for it.
pub fn rerun() -> Result<ExitStatus> {
    Command::new(env::current_exe().context("finding this program's file")?)
        .args(env::args_os().skip(1))
        .arg(FLAG)
        .status()
        .context("starting the shielded benchmark")
}

/// Makes this process, the child, a session of its own with the weight of nice -19.
pub fn raise() -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL)).context("binding to the parent's life")?;
    setsid().context("starting a session")?;
    fs::write(AUTOGROUP, "-19").with_context(|| format!("writing {AUTOGROUP}"))
}
