//! Snapshots: the state after a record, so that the records before it need not be kept.
//!
//! One is made of the newest one and of the segments that are finished, by doing their records again, beside the loop that serves. It needs
//! memory for a second namespace, and holds nobody up.

use crake_datapath::Files;

use super::error::LogError;
use super::header::{Header, Names, SnapshotHeader, UNFINISHED, segment_name, snapshot_name};
use super::record::checksum_of;
use super::recover::{Part, Recovered, recover};

/// So much is written at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Makes a snapshot of all records before the segment whose first one is `before`, and then removes what is not needed any more. Gives the
/// number of the last record in it.
pub(super) fn make(files: &dyn Files, part: Part) -> Result<Option<u64>, LogError> {
    let Some(recovered) = recover(files, part)? else {
        return Ok(None);
    };
    if recovered.replayed > 0 {
        write(files, &recovered)?;
    }
    remove_older(files, recovered.sequence)?;
    Ok(Some(recovered.sequence))
}

fn write(files: &dyn Files, recovered: &Recovered) -> Result<(), LogError> {
    let mut body = Vec::new();
    recovered.namespace.save(&mut body);
    let now = recovered.namespace.now;
    let header = SnapshotHeader {
        cluster: recovered.identity.cluster,
        sequence: recovered.sequence,
        mono_ns: now.mono_ns,
        wall_ns: now.wall_ns,
        origin: recovered.identity.origin,
        body_len: body.len() as u64,
        body_sum: checksum_of(&body),
    };
    let name = snapshot_name(recovered.sequence);
    let len = SnapshotHeader::len() as u64 + header.body_len;
    let written = files.create(UNFINISHED, len).and_then(|file| {
        file.append(&header.encode())?;
        body.chunks(PIECE_BYTES)
            .try_for_each(|piece| file.append(piece))?;
        file.sync(len)?;
        files.rename(UNFINISHED, &name)?;
        files.sync()
    });
    written.map_err(|error| {
        // What there is of it would only take room. If it cannot be removed, the next one takes its place.
        let _ = files.remove(UNFINISHED);
        LogError::file(&name, error)
    })
}

/// Removes snapshots before this one, and segments that end with or before it.
fn remove_older(files: &dyn Files, sequence: u64) -> Result<(), LogError> {
    let names = files
        .names()
        .map_err(|error| LogError::file("the list of files", error))?;
    let names = Names::of(&names);
    let snapshots = names.snapshots.iter().filter(|&&other| other < sequence);
    let snapshots = snapshots.map(|&other| snapshot_name(other));
    // The end of a segment is where the next one begins.
    let segments = names.segments.windows(2).filter(|pair| pair[1] <= sequence + 1);
    let segments = segments.map(|pair| segment_name(pair[0]));
    for name in snapshots.chain(segments) {
        files
            .remove(&name)
            .map_err(|error| LogError::file(&name, error))?;
    }
    Ok(())
}
