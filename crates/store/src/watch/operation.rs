//! What a client asks of a namenode about events, one type per method.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::{Event, Happened};
use crate::node::{Attributes, Node};
use crate::operation::relative;
use crate::pending::{Operation, Subject};
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// A watch that has begun.
#[derive(Debug)]
pub struct Begun {
    /// By what the namenode knows this client as one that watches.
    pub(super) watcher: u64,
    pub(super) id: u64,
    pub(super) node: Attributes,
}

/// A node is to be watched.
///
/// Repeatable: a watch of which nobody knows costs the namenode little, and ends with this client.
#[derive(Debug, Clone, Copy)]
pub struct BeginWatch<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
}

impl Operation for BeginWatch<'_> {
    operation!(WATCH, Other, repeatable: true, WatchRequest -> Begun);

    fn request(&self) -> Self::Request<'_> {
        namenode::WatchRequest {
            base: self.base,
            path: relative(self.path),
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Begun, WireError> {
        let view = namenode::WatchReplyView::parse(message)?;
        Ok(Begun {
            watcher: view.watcher(),
            id: view.watch(),
            node: Attributes::read(session, view.node()?)?,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }
}

/// No more.
#[derive(Debug, Clone)]
pub struct EndWatch {
    pub(crate) path: Rc<str>,
    pub(crate) watch: u64,
}

impl Operation for EndWatch {
    operation!(UNWATCH, Other, repeatable: true, plain UnwatchRequest -> ());

    fn request(&self) -> Self::Request<'_> {
        namenode::UnwatchRequest { watch: self.watch }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<(), WireError> {
        namenode::UnwatchReplyView::parse(message).map(|_| ())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// What has happened?
#[derive(Debug, Clone, Copy)]
pub struct AskEvents {
    pub(crate) watcher: u64,
    pub(crate) after: u64,
}

/// The answer to that.
#[derive(Debug)]
pub struct Told {
    pub(crate) sequence: u64,
    pub(crate) lost: bool,
    pub(crate) is_unknown: bool,
    /// With the numbers of their watches.
    pub(crate) events: Vec<(u64, Event)>,
}

impl Operation for AskEvents {
    operation!(EVENTS, Events, repeatable: true, plain EventsRequest -> Told);

    fn request(&self) -> Self::Request<'_> {
        namenode::EventsRequest {
            watcher: self.watcher,
            after: self.after,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Told, WireError> {
        let view = namenode::EventsReplyView::parse(message)?;
        let mut events = Vec::with_capacity(view.events()?.len());
        for event in view.events()? {
            let event = event?;
            // What later namenodes tell beyond this can mean anything to who does not know it.
            if let Some(read) = read_event(&event)? {
                events.push((event.watch(), read));
            }
        }
        Ok(Told {
            sequence: view.sequence(),
            lost: view.lost()?,
            is_unknown: view.unknown()?,
            events,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

fn read_event(view: &namenode::EventView<'_>) -> Result<Option<Event>, WireError> {
    let happened = match view.happened()? {
        namenode::Happened::Nothing => return Ok(None),
        namenode::Happened::Created => Happened::Created,
        namenode::Happened::Grew => Happened::Grew,
        namenode::Happened::Sealed => Happened::Sealed,
        namenode::Happened::Put => Happened::Put,
        namenode::Happened::Deleted => Happened::Deleted,
    };
    Ok(Some(Event {
        happened,
        name: view.name()?.to_vec(),
        node: view.node(),
        kind: Node::from_wire(view.kind()?).ok_or(WireError::UnknownEnum(0))?,
        size: view.size(),
        version: view.version(),
    }))
}
