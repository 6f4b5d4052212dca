//! A node that is removed. Whether a table is empty whose keys are at several partitions, its home does not know: its shards are asked.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crate::Error;
use crate::node::Node;
use crate::operation::Delete;
use crate::pending::Pending;
use crate::session::Session;
use crate::table;

/// A removal in flight: a future of how many nodes were removed, as far as the partition knows that has the name.
#[must_use = "an operation that is dropped is cancelled"]
pub struct Deleting<'a> {
    session: Rc<Session>,
    request: Delete<'a>,
    state: State<'a>,
}

enum State<'a> {
    Asking(Pending<'a, Delete<'a>>),
    Emptying(Pin<Box<dyn Future<Output = Result<u64, Error>> + 'a>>),
}

impl<'a> Deleting<'a> {
    pub(crate) fn start(session: &Rc<Session>, request: Delete<'a>) -> Deleting<'a> {
        Deleting {
            session: session.clone(),
            request,
            state: State::Asking(Pending::start(session, request)),
        }
    }
}

impl Future for Deleting<'_> {
    type Output = Result<u64, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let outcome = match &mut self.state {
                State::Asking(pending) => ready!(Pin::new(pending).poll(context)),
                State::Emptying(deleted) => return deleted.as_mut().poll(context),
            };
            match outcome {
                Err(Error::NotEmpty { path }) if self.session.is_one_of_many() && !self.request.recursive => {
                    let deleted = delete_if_empty(self.session.clone(), self.request, path);
                    self.state = State::Emptying(Box::pin(deleted));
                }
                outcome => return Poll::Ready(outcome),
            }
        }
    }
}

/// Removes a table without keys. A key that is put between the look and the removal goes with it.
async fn delete_if_empty(session: Rc<Session>, request: Delete<'_>, path: Box<str>) -> Result<u64, Error> {
    let found = table::open(&session, (request.base, request.path), request.path).await;
    let table = match found {
        Ok((_, table)) => table,
        Err(Error::WrongKind { .. }) => return Err(Error::NotEmpty { path }),
        Err(error) => return Err(error),
    };
    let attributes = table.attributes().await?;
    debug_assert_eq!(attributes.kind, Node::Table);
    if attributes.size > 0 {
        return Err(Error::NotEmpty { path });
    }
    // This very table, and not what may have its path meanwhile.
    let this = Delete {
        base: attributes.id,
        path: "",
        recursive: true,
    };
    let deleted = Pending::start(table.home(), this).await;
    deleted.map_err(|error| error.about(request.path))
}
