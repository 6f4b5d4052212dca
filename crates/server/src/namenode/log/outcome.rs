//! A hash of what a command was answered. Who does the same commands again compares, and so notices if the state is another one.

use crake_store::protocol::words::{fold, mix};

use super::super::command::{Attributes, Block, Failure, FreedLeaks, JobInfo, JobState, Loan, Reply};

/// Odd, with as many ones as zeros: each bit of what is multiplied reaches many others.
const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

/// Of an answer to a command that changes something.
pub(super) fn of(result: &Result<Reply<'_>, Failure>) -> u32 {
    let state = match result {
        Err(failure) => numbers(1, &[*failure as u64]),
        Ok(reply) => of_reply(reply),
    };
    (state >> 32) as u32 ^ state as u32
}

fn of_reply(reply: &Reply<'_>) -> u64 {
    match *reply {
        Reply::Node { ref node, .. } => attributes(2, node),
        Reply::Opened {
            ref node,
            lease,
            blocks,
        } => numbers(handles(attributes(3, node), blocks), &[lease.0]),
        Reply::Unpinned => 4,
        Reply::Deleted { nodes } => numbers(5, &[nodes]),
        Reply::Blocks { ref node, blocks } => handles(attributes(6, node), blocks),
        Reply::Put {
            version,
            pending,
            blocks,
        } => handles(numbers(7, &[version, pending.0]), blocks),
        Reply::Removed { removed } => numbers(8, &[removed.into()]),
        Reply::Registered {
            datanode,
            ref secret,
            namenode,
            ..
        } => mix(numbers(9, &[datanode.into(), namenode]), secret, FACTOR),
        Reply::Job(ref job) => {
            let JobInfo {
                id,
                directory,
                used,
                started_ns,
                state,
                ..
            } = *job;
            let is_running = u64::from(state == JobState::Running);
            numbers(
                10,
                &[id.0, directory.0, used.bytes, used.nodes, started_ns, is_running],
            )
        }
        Reply::Outcomes(outcomes) => outcomes.iter().fold(11, |state, outcome| match outcome {
            Ok(version) => numbers(state, &[0, *version]),
            Err(failure) => numbers(state, &[1, *failure as u64]),
        }),
        Reply::Done => 13,
        Reply::Made { node } => numbers(16, &[node.0]),
        Reply::Added { value, version } => numbers(12, &[value as u64, version]),
        Reply::Settled { changed } => numbers(13, &[changed.into()]),
        Reply::Lent { lender, known, loans } => slots(numbers(14, &[lender, known.into()]), loans),
        Reply::Returning { lender, loans } => slots(numbers(15, &[lender]), loans),
        Reply::FreedLeaks(FreedLeaks {
            freed,
            freed_bytes,
            absent,
            changed,
            owned,
        }) => numbers(17, &[freed, freed_bytes, absent, changed, owned]),
        // To reads, and to signs of life.
        Reply::List { .. }
        | Reply::Table { .. }
        | Reply::Value(_)
        | Reply::Values(_)
        | Reply::Scan { .. }
        | Reply::Jobs { .. }
        | Reply::Watched { .. }
        | Reply::Unwatched
        | Reply::Events(_)
        | Reply::Renewed { .. }
        | Reply::Usage { .. }
        | Reply::Datanodes(_)
        | Reply::Members { .. }
        | Reply::Heartbeat { .. } => 0,
    }
}

fn numbers(state: u64, numbers: &[u64]) -> u64 {
    numbers.iter().fold(state, |state, number| {
        fold(state ^ number, FACTOR) ^ number.rotate_left(17)
    })
}

fn attributes(state: u64, node: &Attributes) -> u64 {
    let Attributes {
        id,
        size,
        modified_ns,
        created_ns,
        version,
        open,
        capacity,
        expires_ns,
        ..
    } = *node;
    numbers(
        state,
        &[
            id.0,
            size,
            modified_ns,
            created_ns,
            version,
            open.into(),
            capacity,
            expires_ns,
        ],
    )
}

fn slots(state: u64, loans: &[Loan]) -> u64 {
    loans.iter().fold(state, |state, loan| {
        let Loan {
            datanode,
            epoch,
            slot,
            generation,
        } = *loan;
        let (life, slot) = ([datanode, epoch], [slot, generation]);
        let [life, slot] = [life, slot].map(|[high, low]| u64::from(high) << 32 | u64::from(low));
        numbers(state, &[life, slot])
    })
}

fn handles(state: u64, blocks: &[Block]) -> u64 {
    blocks.iter().fold(state, |state, block| {
        mix(
            numbers(state, &[block.offset, block.length.into()]),
            block.handles(),
            FACTOR,
        )
    })
}
