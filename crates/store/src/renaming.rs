//! A node that gets another name. What is at another partition than its name is looked up there afterwards.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use crake_datapath::Time;

use crate::Error;
use crate::node::Attributes;
use crate::operation::{Lookup, Rename};
use crate::pending::Pending;
use crate::session::Session;

/// A new name for a node, in flight: a future of the node's attributes.
#[must_use = "an operation that is dropped is cancelled"]
pub struct Renaming<'a> {
    deadline: Time,
    state: State<'a>,
}

enum State<'a> {
    Asking(Pending<'a, Rename<'a>>),
    LookingUp(Pin<Box<dyn Future<Output = Result<Attributes, Error>> + 'a>>),
}

impl<'a> Renaming<'a> {
    pub(crate) fn start(session: &Rc<Session>, request: Rename<'a>) -> Renaming<'a> {
        Renaming {
            deadline: session.deadline_of(session.runtime().now()),
            state: State::Asking(Pending::start(session, request)),
        }
    }
}

impl Future for Renaming<'_> {
    type Output = Result<Attributes, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let moved = match &mut self.state {
                State::Asking(pending) => ready!(Pin::new(pending).poll(context))?,
                State::LookingUp(found) => return found.as_mut().poll(context),
            };
            let State::Asking(asked) = &self.state else {
                continue;
            };
            if moved.partition == asked.session().number() {
                return Poll::Ready(Ok(moved));
            }
            let found = look_up(asked.session().clone(), moved, self.deadline);
            self.state = State::LookingUp(Box::pin(found));
        }
    }
}

/// What the partition knows of the node that has it. If that cannot be found out, it has the new name all the same.
async fn look_up(answered: Rc<Session>, moved: Attributes, deadline: Time) -> Result<Attributes, Error> {
    let Some(home) = answered.partitions().session(moved.partition) else {
        let what = "it names a partition that does not exist";
        return Err(Error::protocol(answered.peer(), what));
    };
    let request = Lookup {
        base: moved.id,
        path: "",
    };
    let limit = deadline - home.runtime().now();
    let found = Pending::start_within(&home, request, limit).await;
    Ok(found.unwrap_or(moved))
}
