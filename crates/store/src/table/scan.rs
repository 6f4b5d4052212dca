//! Scans: a page by itself, and all pages one after the other.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::operation::{ScanOn, ScanTable, Scanned};
use super::page::{Position, TableEntry, TablePage};
use super::range::OwnedRange;
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
    Fetching(Pin<Box<dyn Future<Output = Result<TablePage, Error>> + 'a>>),
}

impl<'a> ScanPage<'a> {
    pub(super) fn new(table: &'a Table, asking: Pending<'a, ScanTable<'a>>) -> ScanPage<'a> {
        ScanPage {
            table,
            state: State::Asking(asking),
        }
    }
}

impl Future for ScanPage<'_> {
    type Output = Result<TablePage, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let scanned = match &mut self.state {
                State::Asking(pending) => ready!(Pin::new(pending).poll(context))?,
                State::Fetching(page) => return page.as_mut().poll(context),
            };
            if scanned.in_blocks.is_empty() {
                return Poll::Ready(Ok(scanned.page));
            }
            self.state = State::Fetching(Box::pin(with_values(self.table, scanned)));
        }
    }
}

/// A page with the values that lie in blocks. One that was removed after the page was made is not in it.
async fn with_values(table: &Table, scanned: Scanned) -> Result<TablePage, Error> {
    let Scanned { mut page, in_blocks } = scanned;
    let mut values = Vec::with_capacity(in_blocks.len());
    for (key, found) in page.keys_in_blocks().zip(in_blocks) {
        values.push(fetch(table, key, found).await?);
    }
    page.set_in_blocks(values);
    Ok(page)
}

/// A scan under way. It ends after an error.
pub struct Scan {
    table: Table,
    page: TablePage,
    position: Position,
    /// The page after that.
    coming: Option<Pending<'static, ScanOn>>,
    /// What that one and those behind it are of.
    range: Rc<OwnedRange>,
}

impl Scan {
    pub(super) fn start(table: &Table, range: KeyRange<'_>) -> Scan {
        let mut scan = Scan {
            table: table.clone(),
            page: TablePage::default(),
            position: Position::default(),
            coming: None,
            range: Rc::new(OwnedRange::new(range)),
        };
        scan.ask();
        scan
    }

    fn ask(&mut self) {
        let next = ScanOn {
            table: self.table.clone(),
            range: self.range.clone(),
        };
        self.coming = Some(Pending::start(&self.table.session, next));
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
        match scanned.in_blocks.is_empty() {
            true => Ok(Some(scanned.page)),
            false => with_values(&self.table, scanned).await.map(Some),
        }
    }
}
