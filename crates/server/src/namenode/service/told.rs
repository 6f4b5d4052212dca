//! Clients that wait to be told what happens to the nodes that they watch.

use std::collections::BTreeMap;

use crake_rpc::{Responder, Status};
use crake_store::protocol::namenode as wire;

use super::wrong_reply;
use crate::namenode::command::{Command, EventList, Happened, Now, Reply, SessionId};
use crate::namenode::namespace::Namespace;
use crate::namenode::translate;

/// A client that waits so long is answered that nothing happened: so it sees whether this namenode is still there.
const WAIT_MAX_NS: u64 = 5_000_000_000;

/// One question of each client that waits.
#[derive(Default)]
pub(super) struct Waiting {
    questions: BTreeMap<SessionId, Question>,
    is_closed: bool,
}

struct Question {
    watcher: u64,
    after: u64,
    since_ns: u64,
    responder: Responder,
}

impl Waiting {
    /// Answers a question when there is something to tell.
    pub(super) fn add(
        &mut self,
        session: SessionId,
        (watcher, after): (u64, u64),
        now_ns: u64,
        responder: Responder,
    ) {
        if self.is_closed {
            return refuse(responder);
        }
        let question = Question {
            watcher,
            after,
            since_ns: now_ns,
            responder,
        };
        self.questions.insert(session, question);
    }

    /// Answers the question of a session, if it has one, that nothing happened.
    pub(super) fn end(&mut self, session: SessionId, sequence: u64) {
        if let Some(question) = self.questions.remove(&session) {
            question.responder.send(&nothing(sequence));
        }
    }

    /// Something happened that a session is to be told, if it waits.
    pub(super) fn tell(&mut self, namespace: &mut Namespace, now: Now, session: SessionId) {
        let Some(question) = self.questions.remove(&session) else {
            return;
        };
        let (watcher, after) = (question.watcher, question.after);
        let command = Command::Events { watcher, after };
        let Ok(Reply::Events(list)) = namespace.apply(now, session, &command) else {
            wrong_reply()
        };
        send_events(list, |message| question.responder.send(message));
    }

    /// Lets go of clients that are gone, answers those that have waited long, and notes that the others are there.
    pub(super) fn look(&mut self, namespace: &mut Namespace, now: Now) {
        let is_over = |_: &SessionId, question: &mut Question| {
            question.responder.is_cancelled() || question.since_ns.saturating_add(WAIT_MAX_NS) <= now.mono_ns
        };
        for (session, question) in self.questions.extract_if(.., is_over) {
            namespace.keep_watcher(session);
            question.responder.send(&nothing(question.after));
        }
        for session in self.questions.keys() {
            namespace.keep_watcher(*session);
        }
    }

    /// Answers all, and whoever asks from now on, that this namenode goes.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        for (_, question) in std::mem::take(&mut self.questions) {
            refuse(question.responder);
        }
    }
}

fn refuse(responder: Responder) {
    responder.fail(Status::SHUTTING_DOWN, "");
}

fn nothing(sequence: u64) -> wire::EventsReply<'static> {
    wire::EventsReply {
        sequence,
        ..wire::EventsReply::default()
    }
}

/// Has a list of events sent as a message.
pub(super) fn send_events(list: EventList<'_>, send: impl FnOnce(&wire::EventsReply<'_>)) {
    let events = list.events.map(|event| wire::Event {
        sequence: event.sequence,
        watch: event.watch,
        happened: happened(event.happened),
        name: event.name,
        node: event.node.id.0,
        kind: translate::kind(event.node.kind),
        size: event.node.size,
        version: event.node.version,
    });
    let message = wire::EventsReply {
        events: &events.collect::<Vec<_>>(),
        lost: list.lost,
        unknown: !list.is_known,
        sequence: list.sequence,
    };
    send(&message);
}

fn happened(happened: Happened) -> wire::Happened {
    match happened {
        Happened::Created => wire::Happened::Created,
        Happened::Grew => wire::Happened::Grew,
        Happened::Sealed => wire::Happened::Sealed,
        Happened::Put => wire::Happened::Put,
        Happened::Deleted => wire::Happened::Deleted,
    }
}
