//! Tables: keys and values.

mod check;
mod merge;
mod multi_put;
mod operation;
mod page;
mod range;
mod scan;
mod shard;

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::{Buf, Sga};

use crate::Error;
use crate::block::{Block, Blocks};
use crate::node::{Page, ttl_ms};
use crate::operation::{FetchBlocks, SetTtl};
use crate::pending::{Pending, Subject};
use crate::protocol::namenode;
use crate::protocol::shards::shard_of;
use crate::session::Session;
use crate::together;
use crate::transfer::{Bytes, Holder, Transfer, Tried};

pub use multi_put::PutEntry;
pub use operation::{Add, Found, LargeValue, Remove};
use operation::{GetValue, MultiGet, PutBegin, PutEnd, PutInline, ScanTable};
pub use page::{TableEntries, TableEntry, TablePage};
pub use range::KeyRange;
use scan::merge_pages;
pub use scan::{Scan, ScanPage};
use shard::Shard;
pub(crate) use shard::{check_kind, open};

/// A table: ordered keys of 1 to 255 bytes, each with a value, of up to 64 MiB, and its version.
///
/// Values up to [`inline_bytes_max`](crate::ConnectOptions::inline_bytes_max) travel in the namenode's messages: one
/// round trip. Larger ones lie in blocks, and appear in the table when all their bytes are there.
///
/// Where the namespace has several partitions, the keys are spread over them by their hash. What is done with one key is one round trip
/// to the partition that has it; scans merge what comes from all.
#[derive(Clone)]
pub struct Table {
    /// At the partition that has the table itself.
    first: Shard,
    /// All of them by the numbers of their partitions, if the keys are spread.
    shards: Option<Rc<[Shard]>>,
}

/// A value as it was at one time.
#[derive(Debug, Clone)]
pub struct Value {
    /// Higher than that of any earlier value of the key.
    pub version: u64,
    /// When it was put, in nanoseconds since the Unix epoch by the namenode's clock.
    pub modified_ns: u64,
    /// When it will be removed, likewise; 0 if not by itself.
    pub expires_ns: u64,
    /// Its bytes. They may lie in a receive buffer: who keeps thousands of small values copies them.
    pub data: Buf,
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.data
    }
}

/// When a put or a removal takes place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Condition {
    /// In any case.
    #[default]
    Always,
    /// Only if the key has no value.
    IfAbsent,
    /// Only if its value has this version.
    IfVersion(u64),
}

/// How a value is put. A [`Condition`] alone is one, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PutOptions {
    /// When to.
    pub condition: Condition,
    /// After which the value is removed, from when it appears; `None` for no end, whatever the value before had. It is counted in
    /// milliseconds.
    pub ttl: Option<Duration>,
}

impl From<Condition> for PutOptions {
    #[inline]
    fn from(condition: Condition) -> PutOptions {
        PutOptions { condition, ttl: None }
    }
}

impl Condition {
    #[inline]
    fn to_wire(self) -> (namenode::Condition, u64) {
        match self {
            Condition::Always => (namenode::Condition::Always, 0),
            Condition::IfAbsent => (namenode::Condition::IfAbsent, 0),
            Condition::IfVersion(version) => (namenode::Condition::IfVersion, version),
        }
    }
}

impl Table {
    /// One whose keys are all at one partition.
    pub(crate) fn new(session: &Rc<Session>, id: u64, path: &str) -> Table {
        let first = Shard {
            session: session.clone(),
            id,
            path: path.into(),
        };
        Table { first, shards: None }
    }

    /// Never used for another node.
    pub fn id(&self) -> u64 {
        self.first.id
    }

    /// The path that it was opened by; it may have been renamed since.
    pub fn path(&self) -> &str {
        &self.first.path
    }

    /// With the partition that has the table itself.
    pub(crate) fn home(&self) -> &Rc<Session> {
        &self.first.session
    }

    /// All parts.
    fn shards(&self) -> &[Shard] {
        match &self.shards {
            None => std::slice::from_ref(&self.first),
            Some(shards) => shards,
        }
    }

    /// The session and the id of each part.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (&Rc<Session>, u64)> {
        self.shards().iter().map(|shard| (&shard.session, shard.id))
    }

    /// Who has a key.
    #[inline]
    fn shard(&self, key: &[u8]) -> &Shard {
        match &self.shards {
            None => &self.first,
            Some(shards) => one_of(shards, key),
        }
    }

    /// Puts a value, in the place of any other; gives its version. Sent at once if it is small.
    #[inline]
    pub fn put<'a>(&'a self, key: &'a [u8], value: &'a [u8]) -> Put<'a> {
        self.put_when(key, value, Condition::Always)
    }

    /// Puts a value if the key has none; [`Error::AlreadyExists`] if it has.
    #[inline]
    pub fn put_if_absent<'a>(&'a self, key: &'a [u8], value: &'a [u8]) -> Put<'a> {
        self.put_when(key, value, Condition::IfAbsent)
    }

    /// Puts a value if the one there has this version; [`Error::VersionMismatch`] if not.
    #[inline]
    pub fn put_if_version<'a>(&'a self, key: &'a [u8], value: &'a [u8], version: u64) -> Put<'a> {
        self.put_when(key, value, Condition::IfVersion(version))
    }

    /// Puts a value under a condition, or with an end.
    #[inline]
    pub fn put_when<'a>(&'a self, key: &'a [u8], value: &'a [u8], options: impl Into<PutOptions>) -> Put<'a> {
        put_on(self.shard(key), key, value, options.into())
    }

    /// Puts a value from where it lies, without a copy on the way if it is large.
    pub fn put_from<'a>(
        &'a self,
        key: &'a [u8],
        value: impl Into<Sga>,
        options: impl Into<PutOptions>,
    ) -> Put<'a> {
        put_blocks(self.shard(key), key, value.into(), options.into())
    }

    /// Has a value removed when this time has passed from now on, or not by itself any more; see [`Store::set_ttl`](crate::Store::set_ttl).
    pub fn set_ttl<'a>(&'a self, key: &'a [u8], ttl: Option<Duration>) -> Pending<'a, SetTtl<'a>> {
        let shard = self.shard(key);
        Pending::start(
            &shard.session,
            SetTtl {
                base: shard.id,
                path: &shard.path,
                key,
                ttl,
            },
        )
    }

    /// The value of a key, `None` if it has none. Sent at once.
    #[inline]
    pub fn get<'a>(&'a self, key: &'a [u8]) -> Get<'a> {
        let table = self.shard(key);
        let operation = GetValue { table, key };
        Get {
            state: GetState::Asking(Pending::start(&table.session, operation)),
        }
    }

    /// The values of many keys, in their order. All partitions that have some of them are asked at the same time.
    pub async fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, Error> {
        let Some(shards) = &self.shards else {
            return self.first.multi_get(keys).await;
        };
        let mut parts = vec![Vec::new(); shards.len()];
        let places = keys.iter().map(|key| shard_index(key, shards.len()));
        let places = places.collect::<Vec<_>>();
        for (&key, &place) in keys.iter().zip(&places) {
            parts[place].push(key);
        }
        let asked = shards.iter().zip(&parts);
        let asked = asked.map(|(shard, keys)| Box::pin(shard.multi_get(keys)));
        let mut found = Vec::with_capacity(shards.len());
        for values in together::all(asked.collect()).await {
            found.push(values?.into_iter());
        }
        let mut value = |place: usize| found[place].next().expect("each of its keys has one");
        Ok(places.into_iter().map(&mut value).collect())
    }

    /// Removes a key; gives whether it had a value. Sent at once.
    pub fn remove<'a>(&'a self, key: &'a [u8]) -> Pending<'a, Remove<'a>> {
        self.remove_when(key, Condition::Always)
    }

    /// Removes a key under a condition.
    pub fn remove_when<'a>(&'a self, key: &'a [u8], condition: Condition) -> Pending<'a, Remove<'a>> {
        let shard = self.shard(key);
        Pending::start(
            &shard.session,
            Remove {
                table: shard,
                key,
                condition,
            },
        )
    }

    /// Adds to the number at a key; gives what it is then. That of an absent key is 0. Sent at once.
    ///
    /// A number is kept as text, decimal digits with a minus sign if it is below zero: a get shows it, a put sets it. Another value
    /// is [`Error::NotANumber`]; [`Error::Overflow`] if the sum does not fit. Either way it stays as it is. It is not sent again
    /// when its answer was lost: the error says that it may have run.
    pub fn add<'a>(&'a self, key: &'a [u8], delta: i64) -> Pending<'a, Add<'a>> {
        let shard = self.shard(key);
        Pending::start(
            &shard.session,
            Add {
                table: shard,
                key,
                delta,
            },
        )
    }

    /// One page of the keys of a range, with their values, in its order; 0 is the largest limit. The next page is that of
    /// the range [`KeyRange::behind`] the [last key](TablePage::last_key): so keys that are there all the time come exactly once,
    /// whatever others come and go between two pages.
    ///
    /// Sent at once.
    pub fn scan_page<'a>(&'a self, range: KeyRange<'a>, limit: u32) -> ScanPage<'a> {
        ScanPage::start(self, range, limit)
    }

    /// One page of the keys of a range, without values; 0 is the largest limit.
    pub async fn keys_page(&self, range: KeyRange<'_>, limit: u32) -> Result<Page<Vec<u8>>, Error> {
        let page = match &self.shards {
            None => self.first.ask_page(range, limit, true).await?.page,
            Some(shards) => merge_pages(shards, range, limit, true).await?.page,
        };
        Ok(Page {
            entries: page.iter().map(|entry| entry.key.into()).collect(),
            more: page.more(),
        })
    }

    /// All keys of a range, with their values, in its order. The first page is asked for at once, each other one when that before it
    /// has come.
    pub fn scan(&self, range: KeyRange<'_>) -> Scan {
        Scan::start(self, range)
    }
}

/// Which of several shards has a key. Apart, so that who has only one carries little of it along.
#[cold]
#[inline(never)]
fn one_of<'s>(shards: &'s [Shard], key: &[u8]) -> &'s Shard {
    &shards[shard_index(key, shards.len())]
}

/// Puts a value at the shard that has its key.
#[inline(always)]
fn put_on<'a>(shard: &'a Shard, key: &'a [u8], value: &'a [u8], options: PutOptions) -> Put<'a> {
    if value.len() <= shard.session.options().inline_bytes_max {
        let operation = PutInline {
            table: shard,
            key,
            value,
            condition: options.condition,
            ttl_ms: ttl_ms(options.ttl),
        };
        return Put {
            state: PutState::Inline(Pending::start(&shard.session, operation)),
        };
    }
    put_blocks(shard, key, Sga::from(Buf::copy_from_slice(value)), options)
}

fn put_blocks<'a>(shard: &'a Shard, key: &'a [u8], value: Sga, options: PutOptions) -> Put<'a> {
    Put {
        state: PutState::Large(Box::pin(put_large(shard, key, value, options))),
    }
}

/// Which of so many shards has a key.
#[inline]
fn shard_index(key: &[u8], shards: usize) -> usize {
    // A namespace has fewer partitions than that, and at least one.
    usize::from(shard_of(key, shards as u16))
}

impl Shard {
    /// The values of some of its keys, in their order.
    async fn multi_get(&self, keys: &[&[u8]]) -> Result<Vec<Option<Value>>, Error> {
        let mut values = Vec::with_capacity(keys.len());
        while values.len() < keys.len() {
            let rest = &keys[values.len()..];
            let batch = &rest[..rest.len().min(MULTI_GET_MAX)];
            let found = Pending::start(
                &self.session,
                MultiGet {
                    table: self,
                    keys: batch,
                },
            )
            .await?;
            if found.is_empty() || found.len() > batch.len() {
                return Err(Error::protocol(
                    self.session.peer(),
                    "it answered with a wrong number of values",
                ));
            }
            for (found, key) in found.into_iter().zip(batch) {
                values.push(fetch(self, key, found).await?);
            }
        }
        Ok(values)
    }

    fn ask_page<'a>(
        &'a self,
        range: KeyRange<'a>,
        limit: u32,
        keys_only: bool,
    ) -> Pending<'a, ScanTable<'a>> {
        let request = ScanTable {
            table: self,
            range,
            limit,
            keys_only,
        };
        Pending::start(&self.session, request)
    }

    fn key_error(&self, key: &[u8]) -> Box<str> {
        Subject::Key(&self.path, key).to_text()
    }
}

/// The most keys of one request.
const MULTI_GET_MAX: usize = 128;

/// A put in flight: a future of the value's version.
#[must_use = "an operation that is dropped is cancelled"]
pub struct Put<'a> {
    state: PutState<'a>,
}

enum PutState<'a> {
    Inline(Pending<'a, PutInline<'a>>),
    Large(Pin<Box<dyn Future<Output = Result<u64, Error>> + 'a>>),
}

impl Future for Put<'_> {
    type Output = Result<u64, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.state {
            PutState::Inline(pending) => Pin::new(pending).poll(context),
            PutState::Large(put) => put.as_mut().poll(context),
        }
    }
}

/// A get in flight: a future of the value.
#[must_use = "an operation that is dropped is cancelled"]
pub struct Get<'a> {
    state: GetState<'a>,
}

enum GetState<'a> {
    Asking(Pending<'a, GetValue<'a>>),
    Fetching(Pin<Box<dyn Future<Output = Result<Option<Value>, Error>> + 'a>>),
}

impl Future for Get<'_> {
    type Output = Result<Option<Value>, Error>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let (found, operation) = match &mut self.state {
                GetState::Asking(pending) => (
                    ready!(Pin::new(&mut *pending).poll(context))?,
                    pending.operation(),
                ),
                GetState::Fetching(value) => return value.as_mut().poll(context),
            };
            match found {
                Found::Nothing => return Poll::Ready(Ok(None)),
                Found::Inline(value) => return Poll::Ready(Ok(Some(value))),
                Found::Blocks(_) => {
                    let GetValue { table, key } = *operation;
                    self.state = GetState::Fetching(Box::pin(fetch(table, key, found)));
                }
            }
        }
    }
}

/// The value that was found; a large one is read from its blocks. When it was replaced meanwhile, the new one.
async fn fetch(table: &Shard, key: &[u8], mut found: Found) -> Result<Option<Value>, Error> {
    let deadline = table.session.runtime().now() + table.session.options().deadline;
    loop {
        let large = match found {
            Found::Nothing => return Ok(None),
            Found::Inline(value) => return Ok(Some(value)),
            Found::Blocks(large) => large,
        };
        match read_large(table, key, &large).await {
            // Its blocks were taken back: it was replaced or removed.
            Err(Error::BlockLost { .. } | Error::NotFound { .. })
                if table.session.runtime().now() < deadline =>
            {
                found = Pending::start(&table.session, GetValue { table, key }).await?;
                if let Found::Blocks(again) = &found
                    && again.version == large.version
                {
                    return Err(lost(table, key, &large));
                }
            }
            result => return result.map(Some),
        }
    }
}

fn lost(table: &Shard, key: &[u8], large: &LargeValue) -> Error {
    Error::BlockLost {
        path: table.key_error(key),
        offset: 0,
        len: large.size,
    }
}

/// The blocks of a value: a reply lists the first ones only.
async fn all_blocks(table: &Shard, key: &[u8], large: &LargeValue) -> Result<Blocks, Error> {
    let mut blocks = large.blocks.clone();
    loop {
        let covered = blocks.last().map_or(0, Block::end);
        if !is_whole(&blocks) {
            return Err(Error::protocol(
                table.session.peer(),
                "it listed too few blocks for a value",
            ));
        }
        if covered >= large.size {
            return Ok(blocks);
        }
        let rest = FetchBlocks {
            path: table.key_error(key).into(),
            node: large.node,
            offset: covered,
            limit: 0,
        };
        let (attributes, more) = Pending::start(&table.session, rest).await?;
        if attributes.version != large.version {
            return Err(lost(table, key, large));
        }
        if more.is_empty() {
            return Err(Error::protocol(
                table.session.peer(),
                "it listed too few blocks for a value",
            ));
        }
        blocks.extend(more);
    }
}

/// Whether blocks hold all bytes from the first one on.
fn is_whole(blocks: &[Block]) -> bool {
    let starts = blocks.iter().map(|block| block.offset);
    let ends = std::iter::once(0).chain(blocks.iter().map(Block::end));
    starts.zip(ends).all(|(start, end)| start == end)
}

async fn read_large(table: &Shard, key: &[u8], large: &LargeValue) -> Result<Value, Error> {
    let holder = ValueBlocks::new(table, key);
    let len = usize::try_from(large.size).unwrap_or(usize::MAX);
    let blocks = all_blocks(table, key, large).await?;
    let region = crake_mem::Region::allocated(len).map_err(|error| Error::Full {
        path: table.key_error(key),
        detail: format!("this process has no memory for {len} bytes: {error}").into(),
    })?;
    let target = region.extent(..len);
    let reads = blocks
        .iter()
        .filter(|block| block.offset < large.size)
        .map(|block| {
            let range = block.offset as usize..block.end().min(large.size) as usize;
            Transfer::start(
                &holder,
                block.clone(),
                block.offset,
                Bytes::Read(target.slice(range)),
            )
        })
        .collect::<Vec<_>>();
    for read in reads {
        read.await?;
    }
    let data = Buf::from_vec(target.to_vec());
    Ok(Value {
        version: large.version,
        modified_ns: large.modified_ns,
        expires_ns: large.expires_ns,
        data,
    })
}

/// Puts a value through blocks: takes them, fills them, and only then has the value appear.
async fn put_large(table: &Shard, key: &[u8], value: Sga, options: PutOptions) -> Result<u64, Error> {
    let size = value.len_bytes() as u64;
    let _kept = table.session.hold_lease();
    let begin = PutBegin {
        table,
        key,
        size,
        condition: options.condition,
        ttl_ms: ttl_ms(options.ttl),
    };
    let (pending, blocks) = Pending::start(&table.session, begin).await?;
    let end = |abort| PutEnd {
        table,
        key,
        pending,
        abort,
    };
    match fill(table, key, value, blocks).await {
        Ok(()) => match Pending::start(&table.session, end(false)).await {
            // Until it is given up it counts for what was to take it.
            Err(error) if !error.may_have_run() => {
                let _ = Pending::start(&table.session, end(true)).await;
                Err(error)
            }
            committed => committed,
        },
        Err(error) => {
            // The error is what went wrong before; blocks that are not given back here fall to the lease.
            let _ = Pending::start(&table.session, end(true)).await;
            Err(error)
        }
    }
}

async fn fill(table: &Shard, key: &[u8], mut value: Sga, blocks: Blocks) -> Result<(), Error> {
    let holder = ValueBlocks::new(table, key);
    let mut writes = Vec::with_capacity(blocks.len());
    for block in blocks {
        let len = (block.len_bytes as usize).min(value.len_bytes());
        if len > 0 {
            let offset = block.offset;
            let bytes = Bytes::Write(value.split_to(len));
            writes.push(Transfer::start(&holder, block, offset, bytes));
        }
    }
    if !value.is_empty() {
        return Err(Error::protocol(
            table.session.peer(),
            "it gave too few blocks for a value",
        ));
    }
    for write in writes {
        write.await?;
    }
    Ok(())
}

/// A large value as its transfers see it.
struct ValueBlocks {
    session: Rc<Session>,
    name: Box<str>,
}

impl ValueBlocks {
    fn new(table: &Shard, key: &[u8]) -> Rc<ValueBlocks> {
        Rc::new(ValueBlocks {
            session: table.session.clone(),
            name: table.key_error(key),
        })
    }
}

impl Holder for ValueBlocks {
    fn session(&self) -> &Rc<Session> {
        &self.session
    }

    fn name(&self) -> Box<str> {
        self.name.clone()
    }

    /// The blocks of a version never change: stale ones are lost, and whoever wants the value asks for it anew.
    async fn look_again(self: Rc<Self>, tried: Block, why: Tried, _: Time) -> Result<Block, Error> {
        Ok(Block {
            lost: why == Tried::Stale,
            ..tried
        })
    }
}
