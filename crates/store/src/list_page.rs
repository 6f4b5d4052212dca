//! A page of a listing. Entries that are at other partitions are looked up there, and those of a table are asked for at all of them.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crake_datapath::Time;

use crate::Error;
use crate::node::{Entry, Page};
use crate::operation::{List, Lookup};
use crate::pending::Pending;
use crate::session::Session;
use crate::together;

/// What one partition lists.
#[derive(Debug)]
pub struct Listed {
    pub(crate) page: Page<Entry>,
    /// Of a table whose keys are spread: the ids of its parts.
    pub(crate) shards: Vec<u64>,
}

/// A page of a container's entries in flight: a future of it.
#[must_use = "an operation that is dropped is cancelled"]
pub struct ListPage<'a> {
    /// What is asked for, and when it must have ended.
    request: List<'a>,
    deadline: Time,
    session: Rc<Session>,
    state: State<'a>,
}

enum State<'a> {
    Asking(Pending<'a, List<'a>>),
    LookingUp(Pin<Box<dyn Future<Output = Result<Page<Entry>, Error>> + 'a>>),
}

impl<'a> ListPage<'a> {
    pub(crate) fn start(session: &Rc<Session>, request: List<'a>) -> ListPage<'a> {
        ListPage {
            request,
            deadline: session.deadline_of(session.runtime().now()),
            session: session.clone(),
            state: State::Asking(Pending::start(session, request)),
        }
    }
}

impl Future for ListPage<'_> {
    type Output = Result<Page<Entry>, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let Listed { page, shards } = match &mut self.state {
                State::Asking(pending) => ready!(Pin::new(pending).poll(context))?,
                State::LookingUp(page) => return page.as_mut().poll(context),
            };
            if !self.session.is_one_of_many() {
                return Poll::Ready(Ok(page));
            }
            let State::Asking(asked) = &self.state else {
                continue;
            };
            let (start, answered) = (self.session.clone(), asked.session().clone());
            if !shards.is_empty() {
                let whole = join(answered, self.request, page, shards, self.deadline);
                self.state = State::LookingUp(Box::pin(whole));
                continue;
            }
            let whole = look_up(start, answered, self.request, page, self.deadline);
            self.state = State::LookingUp(Box::pin(whole));
        }
    }
}

/// The entries of a page of a table, whose home has answered with its own, and of all other shards.
async fn join(
    home: Rc<Session>,
    request: List<'_>,
    page: Page<Entry>,
    shards: Vec<u64>,
    deadline: Time,
) -> Result<Page<Entry>, Error> {
    let partitions = home.partitions().all();
    if partitions.len() != shards.len() {
        let what = "it names other parts of a table than there can be";
        return Err(Error::protocol(home.peer(), what));
    }
    let others = partitions.iter().zip(shards);
    let others = others.filter(|(session, _)| session.number() != home.number());
    let asked = others.map(|(session, base)| {
        let request = List {
            base,
            path: "",
            ..request
        };
        let limit = deadline - session.runtime().now();
        Pending::start_within(session, request, limit)
    });
    let mut pages = vec![page];
    for listed in together::all(asked.collect()).await {
        pages.push(listed.map_err(|error| error.about(request.path))?.page);
    }
    // Beyond the end of a page that has more behind it, it is not known what comes.
    let ends = pages.iter().filter(|page| page.more);
    let end = ends
        .filter_map(|page| page.entries.last())
        .map(|last| last.name.clone());
    let end = end.min();
    let more = pages.iter().any(|page| page.more);
    let mut entries: Vec<Entry> = pages.into_iter().flat_map(|page| page.entries).collect();
    entries.sort_by(|one, other| one.name.cmp(&other.name));
    let count = entries.len();
    entries.retain(|entry| end.as_ref().is_none_or(|end| entry.name <= *end));
    if request.limit > 0 {
        entries.truncate(request.limit as usize);
    }
    let more = more || entries.len() < count;
    Ok(Page { entries, more })
}

/// Entries that are looked up at a time: as many as a page has at most.
const AT_A_TIME: usize = 512;

/// The page without those of its entries that are not there any more. If there are more, it has a last one that is there, by whose
/// name the next page is found.
async fn look_up(
    start: Rc<Session>,
    mut answered: Rc<Session>,
    request: List<'_>,
    mut page: Page<Entry>,
    deadline: Time,
) -> Result<Page<Entry>, Error> {
    let mut entries = Vec::with_capacity(page.entries.len());
    loop {
        let last = page.entries.last().map(|entry| entry.name.clone());
        for part in page.entries.chunks(AT_A_TIME) {
            entries.extend(look_up_part(&answered, part, deadline).await?);
        }
        let missing = (request.limit as usize).saturating_sub(entries.len());
        let is_full = request.limit > 0 && missing == 0;
        match last {
            Some(last)
                if page.more
                    && !is_full
                    && entries.last().map(|entry: &Entry| &entry.name) != Some(&last) =>
            {
                let next = List {
                    after: last.as_bytes(),
                    limit: missing as u32,
                    ..request
                };
                let limit = deadline - start.runtime().now();
                let mut asked = Pending::start_within(&start, next, limit);
                page = (&mut asked).await?.page;
                answered = asked.session().clone();
            }
            _ => {
                return Ok(Page {
                    entries,
                    more: page.more,
                });
            }
        }
    }
}

/// Those entries of `answered` that are there, with what their partitions know of them.
async fn look_up_part(
    answered: &Rc<Session>,
    entries: &[Entry],
    deadline: Time,
) -> Result<Vec<Entry>, Error> {
    let mut asked = Vec::new();
    for entry in entries {
        let (partition, id) = (entry.attributes.partition, entry.attributes.id);
        if partition == answered.number() {
            asked.push(None);
            continue;
        }
        let Some(home) = answered.partitions().session(partition) else {
            let what = "it lists an entry of a partition that does not exist";
            return Err(Error::protocol(answered.peer(), what));
        };
        let request = Lookup { base: id, path: "" };
        let limit = deadline - home.runtime().now();
        asked.push(Some(Pending::start_within(&home, request, limit)));
    }
    let mut found = Vec::with_capacity(entries.len());
    for (entry, asked) in entries.iter().zip(asked) {
        let attributes = match asked {
            None => entry.attributes,
            Some(asked) => match asked.await {
                Ok(attributes) => attributes,
                Err(Error::NotFound { .. }) => continue,
                Err(error) => return Err(error),
            },
        };
        found.push(Entry {
            name: entry.name.clone(),
            attributes,
        });
    }
    Ok(found)
}
