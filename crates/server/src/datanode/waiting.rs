//! Writes whose bytes were busy when they were whole.

use std::ops::Range;
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::Sga;
use crake_rpc::Responder;

use super::blocks::{Access, Blocks, Refusal};

/// Writes that may wait at once. Each holds its payload in pool memory.
const WAITING_MAX: usize = 1024;
/// How long a write waits before those who hold its bytes are cut off: far above what a live connection takes for a few
/// payloads on a loaded machine, far below a client's deadline. Who is cut off by mistake connects again and repeats.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// How long a write waits for bytes that somebody may be writing who cannot be cut off from them: long enough for a live client to see that its
/// connection is gone, and let go.
const HELD_MAX: Duration = Duration::from_secs(2);

/// A whole payload that could not be put into its place yet.
pub(crate) struct Write {
    pub(crate) access: Access,
    pub(crate) payload: Sga,
    pub(crate) responder: Responder,
    pub(crate) since: Time,
}

/// Waiting writes in the order in which they came. Two that overlap are done in that order.
#[derive(Default)]
pub(crate) struct Waiting {
    writes: Vec<Write>,
}

impl Waiting {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.writes.len() >= WAITING_MAX
    }

    /// Whether a write waits for any of `bytes`.
    pub(crate) fn any_in(&self, bytes: &Range<u64>) -> bool {
        self.writes
            .iter()
            .any(|write| overlap(&write.access.bytes(), bytes))
    }

    pub(crate) fn push(&mut self, write: Write) {
        debug_assert!(!self.is_full());
        self.writes.push(write);
    }

    /// Does what can be done now, and hands each result to `done`.
    pub(crate) fn retry(
        &mut self,
        now: Time,
        blocks: &mut Blocks,
        mut done: impl FnMut(Responder, Result<(), Refusal>),
    ) {
        let mut at = 0;
        while at < self.writes.len() {
            let (earlier, rest) = self.writes.split_at(at);
            let write = &rest[0];
            let bytes = write.access.bytes();
            let behind = earlier
                .iter()
                .any(|earlier| overlap(&earlier.access.bytes(), &bytes));
            let result = if behind {
                Ok(false)
            } else {
                blocks.store(&write.access, &write.payload)
            };
            let is_overdue = now - write.since >= HELD_MAX;
            let result = match result {
                Ok(false) if is_overdue && blocks.is_held(&write.access) => Err(Refusal::Held),
                result => result,
            };
            if let Ok(false) = result {
                at += 1;
            } else {
                done(self.writes.remove(at).responder, result.map(|_| ()));
            }
        }
    }

    /// Calls `found` with each connection that has kept a write waiting for longer than [`PATIENCE`].
    pub(crate) fn overdue(&self, now: Time, blocks: &mut Blocks, mut found: impl FnMut(u64)) {
        for write in self.writes.iter().filter(|write| now - write.since >= PATIENCE) {
            blocks.holders(&write.access, &mut found);
        }
    }
}

fn overlap(one: &Range<u64>, other: &Range<u64>) -> bool {
    one.start < other.end && other.start < one.end
}
