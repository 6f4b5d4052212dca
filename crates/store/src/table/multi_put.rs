//! Many values put by one request.

use std::time::Duration;

use super::shard::Shard;
use super::{Condition, PutOptions, Table, put_on, shard_index};
use crate::Error;
use crate::failure;
use crate::node::ttl_ms;
use crate::pending::{Pending, Subject};
use crate::protocol::Code;
use crate::protocol::namenode;
use crate::together;

use super::operation::MultiPut;

/// A value to put.
#[derive(Debug, Clone, Copy, Default)]
pub struct PutEntry<'a> {
    /// 1 to 255 bytes.
    pub key: &'a [u8],
    /// Of any size that a table takes.
    pub value: &'a [u8],
    /// When to.
    pub condition: Condition,
    /// As that of [`PutOptions`].
    pub ttl: Option<Duration>,
}

impl PutEntry<'_> {
    fn options(&self) -> PutOptions {
        PutOptions {
            condition: self.condition,
            ttl: self.ttl,
        }
    }
}

/// The most values of one request.
const ENTRIES_MAX: usize = 128;
/// The most bytes of one request: a message of the namenode has 64 KiB.
const REQUEST_BYTES_MAX: usize = 48 << 10;
/// What a value takes in a request beside key and value.
const ENTRY_BYTES: usize = 64;

impl Table {
    /// Puts many values, in their order, each under its own condition; gives what came of each: its version, or why it was not
    /// put. Small ones go together, up to 128 in one request; large ones by themselves, as [`Table::put_when`] does.
    ///
    /// One that is refused keeps no other from being put. When an answer is lost, what it would have told of says that it may have
    /// been put; nothing is sent again. Each value appears as a whole. Those of one request appear together. Where the keys are
    /// spread over several partitions, all of these are asked at the same time, and only the values of one key are put in their order.
    pub async fn multi_put(&self, entries: &[PutEntry<'_>]) -> Vec<Result<u64, Error>> {
        let Some(shards) = &self.shards else {
            return self.first.multi_put(entries).await;
        };
        let places = entries.iter().map(|entry| shard_index(entry.key, shards.len()));
        let places = places.collect::<Vec<_>>();
        let mut parts = vec![Vec::new(); shards.len()];
        for (entry, &place) in entries.iter().zip(&places) {
            parts[place].push(*entry);
        }
        let asked = shards.iter().zip(&parts);
        let asked = asked.map(|(shard, entries)| Box::pin(shard.multi_put(entries)));
        let outcomes = together::all(asked.collect()).await;
        let mut outcomes: Vec<_> = outcomes.into_iter().map(Vec::into_iter).collect();
        let outcome = |place: usize| outcomes[place].next().expect("each value has an outcome");
        places.into_iter().map(outcome).collect()
    }
}

impl Shard {
    async fn multi_put(&self, entries: &[PutEntry<'_>]) -> Vec<Result<u64, Error>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        while let [first, ..] = &entries[outcomes.len()..] {
            let rest = &entries[outcomes.len()..];
            match self.fitting(rest) {
                0 => outcomes.push(put_on(self, first.key, first.value, first.options()).await),
                count => self.put_together(&rest[..count], &mut outcomes).await,
            }
        }
        outcomes
    }

    /// How many of the first entries go into one request. None if the first one is too large for it.
    fn fitting(&self, entries: &[PutEntry<'_>]) -> usize {
        let inline_max = self.session.options().inline_bytes_max;
        let mut room = REQUEST_BYTES_MAX;
        let fits = |entry: &&PutEntry<'_>| {
            let bytes = ENTRY_BYTES + entry.key.len() + entry.value.len();
            let fits = entry.value.len() <= inline_max && bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        };
        entries.iter().take(ENTRIES_MAX).take_while(fits).count()
    }

    async fn put_together(&self, entries: &[PutEntry<'_>], outcomes: &mut Vec<Result<u64, Error>>) {
        let items: Vec<namenode::PutItem<'_>> = entries.iter().map(to_wire).collect();
        let request = MultiPut {
            table: self,
            items: &items,
        };
        match Pending::start(&self.session, request).await {
            Ok(told) if told.len() == entries.len() => {
                let each = told.into_iter().zip(entries);
                outcomes.extend(each.map(|(told, entry)| self.outcome(told, entry.key)));
            }
            Ok(_) => {
                let error =
                    Error::protocol(self.session.peer(), "it answered with a wrong number of outcomes");
                outcomes.extend(entries.iter().map(|_| Err(error.clone())));
            }
            Err(error) => outcomes.extend(entries.iter().map(|_| Err(error.clone()))),
        }
    }

    /// What was told of one of them.
    fn outcome(&self, told: Told, key: &[u8]) -> Result<u64, Error> {
        match told.status {
            0 => Ok(told.version),
            status => {
                let code = u16::try_from(status).ok().and_then(Code::from_number);
                let subject = Subject::Key(&self.path, key);
                Err(match code {
                    Some(code) => failure::of_code(code, "", subject),
                    None => Error::protocol(
                        self.session.peer(),
                        format_args!("it refused {} by an unknown status {status}", subject.to_text()),
                    ),
                })
            }
        }
    }
}

fn to_wire<'a>(entry: &PutEntry<'a>) -> namenode::PutItem<'a> {
    let (condition, version) = entry.condition.to_wire();
    namenode::PutItem {
        key: entry.key,
        value: entry.value,
        condition,
        version,
        ttl_ms: ttl_ms(entry.ttl),
    }
}

/// What the namenode says of one value.
#[derive(Debug, Clone, Copy)]
pub struct Told {
    pub(super) version: u64,
    /// 0, or the number of a [`Code`].
    pub(super) status: u32,
}
