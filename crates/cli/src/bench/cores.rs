//! The two cores that a benchmark runs on: the client's, and the one of whoever answers it.

use anyhow::{Context, Result, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The first two cores that this process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cores {
    /// Where the client spins.
    pub client: usize,
    /// Where the server, or the other side of a raw loop, spins.
    pub server: usize,
}

impl Cores {
    /// Fails when there is only one: two spinning threads on one core measure the scheduler.
    pub fn find() -> Result<Cores> {
        let allowed = sched_getaffinity(None).context("asking which cores may be used")?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
        match (allowed.next(), allowed.next()) {
            (Some(client), Some(server)) => Ok(Cores { client, server }),
            _ => bail!("a benchmark needs two cores, and this process may use only one"),
        }
    }
}

/// Binds the calling thread to `core`.
pub fn pin(core: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    sched_setaffinity(None, &only).with_context(|| format!("binding a thread to core {core}"))
}
