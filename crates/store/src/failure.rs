//! What a failed call means: whether it may be sent again, and which [`Error`] it is.

use std::time::Duration;

use crake_datapath::{Runtime, Time};
use crake_rpc::{CallError, Status};

use crate::Error;
use crate::pending::Subject;
use crate::protocol::Code;

/// Whether a call that failed like this may be sent again.
///
/// A call that certainly did not run may always be; one that may have run only if twice is as good as once.
pub(crate) fn may_repeat(error: &CallError, repeatable: bool) -> bool {
    error.is_retryable() || is_busy(error) || repeatable && matches!(error, CallError::Lost { .. })
}

/// Whether the namenode asks to be asked again.
fn is_busy(error: &CallError) -> bool {
    matches!(error, CallError::Failed { status, .. } if status.0 == Code::Busy.number())
}

/// The error of a call to the namenode.
pub(crate) fn of_namenode(error: &CallError, peer: &str, subject: Subject<'_>) -> Error {
    let (status, detail) = match error {
        CallError::Failed { status, detail } => (status, detail),
        CallError::TooLarge => {
            let detail = "larger than a message may be".into();
            return Error::InvalidName {
                path: subject.to_text(),
                detail,
            };
        }
        other => return of_connection(other, peer),
    };
    match Code::from_number(status.0) {
        Some(code) => of_code(code, detail, subject),
        None => of_status(*status, detail, peer),
    }
}

/// The error of a call to a server that is not an answer of its service.
pub(crate) fn of_connection(error: &CallError, peer: &str) -> Error {
    let peer = Box::<str>::from(peer);
    match error {
        CallError::Failed { status, detail } => of_status(*status, detail, &peer),
        CallError::Lost { may_have_run } => Error::Unavailable {
            peer,
            may_have_run: *may_have_run,
            detail: "the connection was lost".into(),
        },
        CallError::TimedOut { may_have_run } => Error::TimedOut {
            peer,
            may_have_run: *may_have_run,
        },
        CallError::QueueFull => Error::Unavailable {
            peer,
            may_have_run: false,
            detail: "too many operations wait for their turn".into(),
        },
        other => Error::Protocol {
            peer,
            may_have_run: other.may_have_run(),
            detail: other.to_string().into(),
        },
    }
}

fn of_status(status: Status, detail: &str, peer: &str) -> Error {
    let peer = Box::<str>::from(peer);
    let detail = if detail.is_empty() {
        status.to_string()
    } else {
        format!("{status}: {detail}")
    };
    let detail = match status {
        // Clients ask for nothing else that a server of their own version does not know.
        Status::UNKNOWN_METHOD => format!("{detail}; it is of an older version"),
        _ => detail,
    };
    if status.is_retryable() {
        Error::Unavailable {
            peer,
            may_have_run: false,
            detail: detail.into(),
        }
    } else {
        Error::Protocol {
            peer,
            may_have_run: status == Status::INTERNAL,
            detail: detail.into(),
        }
    }
}

/// The error that a code of the namenode stands for.
pub(crate) fn of_code(code: Code, detail: &str, subject: Subject<'_>) -> Error {
    let path = subject.to_text();
    let detail = detail.into();
    match code {
        Code::NotFound => Error::NotFound { path },
        Code::AlreadyExists => Error::AlreadyExists { path },
        Code::NotADirectory => Error::NotADirectory { path },
        Code::IsADirectory => Error::IsADirectory { path },
        Code::NotEmpty => Error::NotEmpty { path },
        Code::WrongKind => Error::WrongKind { path, detail },
        Code::InvalidName | Code::TooLong => Error::InvalidName { path, detail },
        Code::Cycle => Error::Cycle { path },
        Code::LeaseHeld => Error::LeaseHeld { path },
        Code::LeaseLost => Error::LeaseLost { path },
        Code::VersionMismatch => Error::VersionMismatch { path },
        Code::NotANumber => Error::NotANumber { path },
        Code::Overflow => Error::Overflow { path },
        Code::NoSpace => Error::NoSpace { path, detail },
        Code::NoDatanodes => Error::NoSpace {
            path,
            detail: "no datanode is registered".into(),
        },
        Code::Full => Error::Full { path, detail },
        Code::Busy => Error::Busy { path, detail },
        Code::RootIsFixed => Error::RootIsFixed,
        Code::Sealed => Error::Sealed { path },
        Code::QuotaExceeded => Error::QuotaExceeded { path, detail },
        Code::JobEnded => Error::JobEnded { path },
        Code::NotOwner => Error::NotOwner { path },
        Code::JobDirectoryIsFixed => Error::JobDirectoryIsFixed { path },
        Code::TreeTooLarge => Error::TreeTooLarge { path },
        Code::LogFull => Error::LogFull { path },
        Code::BlockLost => Error::BlockLost {
            path,
            offset: 0,
            len: 0,
        },
        Code::CrossPartition => Error::CrossPartition { path },
        Code::Elsewhere
        | Code::NotRegistered
        | Code::Stale
        | Code::Forged
        | Code::OutOfRange
        | Code::Unwritten
        | Code::NoRight => Error::Protocol {
            peer: path,
            may_have_run: false,
            detail: format!("{} {detail}", code.name()).into(),
        },
    }
}

/// Growing pauses between attempts, with some randomness so that clients do not come in step.
pub(crate) struct Pause {
    runtime: Runtime,
    next: Duration,
}

const PAUSE_FIRST: Duration = Duration::from_millis(2);
const PAUSE_MAX: Duration = Duration::from_millis(500);

impl Pause {
    pub(crate) fn new(runtime: &Runtime) -> Pause {
        Pause {
            runtime: runtime.clone(),
            next: PAUSE_FIRST,
        }
    }

    /// Pauses; `false`, at once, if the deadline would be over before the pause is.
    pub(crate) async fn wait(&mut self, deadline: Time) -> bool {
        let jitter_ns = self.runtime.random() % (self.next.as_nanos() as u64 / 2);
        let until = self.runtime.now() + self.next + Duration::from_nanos(jitter_ns);
        if until >= deadline {
            return false;
        }
        self.next = (self.next * 2).min(PAUSE_MAX);
        self.runtime.sleep_until(until).await;
        true
    }
}
