//! Scans: a page by itself, and all pages one after the other. Where the keys are spread, pages of all shards are merged.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::merge::{Cursor, merge};
use super::operation::{ScanOn, ScanTable, Scanned};
use super::page::{Position, TableEntry, TablePage};
use super::range::OwnedRange;
use super::shard::Shard;
use super::{KeyRange, Table, Value, fetch};
use crate::Error;
use crate::pending::Pending;

/// A page of a scan in flight: a future of its keys and values.
#[must_use = "an operation that is dropped is cancelled"]
pub struct ScanPage<'a> {
    table: &'a Table,
    state: State<'a>,
}

enum State<'a> {
    Asking(Pending<'a, ScanTable<'a>>),
    Merging(Merging<'a>),
    Fetching(Pin<Box<dyn Future<Output = Result<TablePage, Error>> + 'a>>),
}

type Merging<'a> = Pin<Box<dyn Future<Output = Result<Scanned, Error>> + 'a>>;

impl<'a> ScanPage<'a> {
    pub(super) fn start(table: &'a Table, range: KeyRange<'a>, limit: u32) -> ScanPage<'a> {
        let state = match &table.shards {
            None => State::Asking(table.first.ask_page(range, limit, false)),
            Some(shards) => State::Merging(Box::pin(merge_pages(shards, range, limit, false))),
        };
        ScanPage { table, state }
    }
}

impl Future for ScanPage<'_> {
    type Output = Result<TablePage, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let scanned = match &mut self.state {
                State::Asking(pending) => ready!(Pin::new(pending).poll(context))?,
                State::Merging(merging) => ready!(merging.as_mut().poll(context))?,
                State::Fetching(page) => return page.as_mut().poll(context),
            };
            if scanned.in_blocks.is_empty() {
                return Poll::Ready(Ok(scanned.page));
            }
            self.state = State::Fetching(Box::pin(with_values(self.table, scanned)));
        }
    }
}

/// One page of what all shards have of a range. They are asked at once.
pub(super) fn merge_pages<'a>(
    shards: &'a [Shard],
    range: KeyRange<'a>,
    limit: u32,
    keys_only: bool,
) -> impl Future<Output = Result<Scanned, Error>> + 'a {
    let asked = shards.iter().map(|shard| shard.ask_page(range, limit, keys_only));
    let asked = asked.collect::<Vec<_>>();
    async move {
        let mut cursors = Vec::with_capacity(asked.len());
        for page in asked {
            cursors.push(Cursor::new(page.await?));
        }
        let limit = match limit {
            0 => usize::MAX,
            limit => limit as usize,
        };
        let merged = merge(&mut cursors, (limit, range.reverse), &mut Vec::new());
        let is_sound = |scanned: &Scanned| !scanned.page.more() || scanned.page.last_key().is_some();
        merged
            .ok()
            .filter(is_sound)
            .ok_or_else(|| out_of_order(&shards[0]))
    }
}

fn out_of_order(shard: &Shard) -> Error {
    let what = "the partitions gave keys of a table out of order";
    Error::protocol(shard.session.peer(), what)
}

/// A page with the values that lie in blocks. One that was removed after the page was made is not in it.
async fn with_values(table: &Table, scanned: Scanned) -> Result<TablePage, Error> {
    let Scanned { mut page, in_blocks } = scanned;
    let mut values = Vec::with_capacity(in_blocks.len());
    for (key, found) in page.keys_in_blocks().zip(in_blocks) {
        values.push(fetch(table.shard(key), key, found).await?);
    }
    page.set_in_blocks(values);
    Ok(page)
}

/// A scan under way. It ends after an error.
pub struct Scan {
    table: Table,
    page: TablePage,
    position: Position,
    pages: Pages,
}

/// Where the pages of a scan come from.
enum Pages {
    One(ShardPages),
    /// One page of each shard is at hand, and the next one under way.
    Merged {
        shards: Vec<(ShardPages, Cursor)>,
        reverse: bool,
        /// The last key that was given.
        last: Vec<u8>,
    },
}

/// The pages of one shard, one after the other.
struct ShardPages {
    shard: Shard,
    /// The page that is asked for.
    coming: Option<Pending<'static, ScanOn>>,
    /// What that one and those behind it are of.
    range: Rc<OwnedRange>,
}

impl Scan {
    pub(super) fn start(table: &Table, range: KeyRange<'_>) -> Scan {
        let start = |shard: &Shard| ShardPages::start(shard, range);
        let pages = match &table.shards {
            None => Pages::One(start(&table.first)),
            Some(shards) => Pages::Merged {
                shards: shards
                    .iter()
                    .map(|shard| (start(shard), Cursor::default()))
                    .collect(),
                reverse: range.reverse,
                last: Vec::new(),
            },
        };
        Scan {
            table: table.clone(),
            page: TablePage::default(),
            position: Position::default(),
            pages,
        }
    }

    /// The next key and its value, where they were received; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<TableEntry<'_>>, Error> {
        while self.page.entries_from(self.position).next().is_none() {
            match self.next_page().await? {
                Some(page) => (self.page, self.position) = (page, Position::default()),
                None => return Ok(None),
            }
        }
        let mut entries = self.page.entries_from(self.position);
        let entry = entries.next();
        self.position = entries.position();
        Ok(entry)
    }

    /// The same as a copy.
    pub(crate) async fn next_entry(&mut self) -> Result<Option<(Vec<u8>, Value)>, Error> {
        let entry = self.next().await?;
        Ok(entry.map(|entry| (entry.key.into(), entry.to_value())))
    }

    /// The next page of which nothing was given so far; nothing at the end. It may be empty.
    pub async fn next_page(&mut self) -> Result<Option<TablePage>, Error> {
        let scanned = match &mut self.pages {
            Pages::One(pages) => pages.next().await,
            Pages::Merged { .. } => self.pages.next_merged().await,
        };
        let scanned = match scanned {
            Ok(Some(scanned)) => scanned,
            Ok(None) => return Ok(None),
            Err(error) => {
                self.pages.end();
                return Err(error);
            }
        };
        match scanned.in_blocks.is_empty() {
            true => Ok(Some(scanned.page)),
            false => with_values(&self.table, scanned).await.map(Some),
        }
    }
}

impl Pages {
    /// What comes next of all shards, up to where one of them has to be asked again.
    async fn next_merged(&mut self) -> Result<Option<Scanned>, Error> {
        let Pages::Merged {
            shards,
            reverse,
            last,
        } = self
        else {
            return Ok(None);
        };
        for (pages, cursor) in shards.iter_mut() {
            while cursor.is_over() {
                let Some(scanned) = pages.next().await? else {
                    *cursor = Cursor::default();
                    break;
                };
                *cursor = Cursor::new(scanned);
            }
        }
        let cursors = shards.iter_mut().map(|(_, cursor)| std::mem::take(cursor));
        let mut cursors = cursors.collect::<Vec<_>>();
        if cursors.iter().all(Cursor::is_over) {
            return Ok(None);
        }
        let merged = merge(&mut cursors, (usize::MAX, *reverse), last);
        for ((_, place), cursor) in shards.iter_mut().zip(cursors) {
            *place = cursor;
        }
        match merged {
            Ok(scanned) => Ok(Some(scanned)),
            Err(_) => Err(out_of_order(&shards[0].0.shard)),
        }
    }

    /// Nothing comes any more.
    fn end(&mut self) {
        match self {
            Pages::One(pages) => pages.coming = None,
            Pages::Merged { shards, .. } => shards.clear(),
        }
    }
}

impl ShardPages {
    fn start(shard: &Shard, range: KeyRange<'_>) -> ShardPages {
        let mut pages = ShardPages {
            shard: shard.clone(),
            coming: None,
            range: Rc::new(OwnedRange::new(range)),
        };
        pages.ask();
        pages
    }

    fn ask(&mut self) {
        let next = ScanOn {
            table: self.shard.clone(),
            range: self.range.clone(),
        };
        self.coming = Some(Pending::start(&self.shard.session, next));
    }

    /// The page that was asked for, if one was; asks for the next one.
    async fn next(&mut self) -> Result<Option<Scanned>, Error> {
        let Some(coming) = &mut self.coming else {
            return Ok(None);
        };
        let scanned = coming.await;
        self.coming = None;
        let scanned = scanned?;
        if let Some(last) = scanned.page.last_key().filter(|_| scanned.page.more()) {
            self.range = Rc::new(OwnedRange::new(self.range.range().behind(last)));
            self.ask();
        }
        Ok(Some(scanned))
    }
}
