//! How a call ended, as a number that crosses the wire.

use std::fmt;

/// The outcome of a call: 0 is success, 1 to 99 belong to this crate, from 100 on to the service.
///
/// ```
/// use crake_rpc::{Fault, Status};
/// assert_eq!(Status::OVERLOADED.fault(), Fault::Resource);
/// assert!(Status::OVERLOADED.is_retryable());
/// assert!(Status(107).is_service());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Status(pub u16);

/// Who has to change something before the same call can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The request itself: sent again unchanged it fails again.
    Caller,
    /// The server or what it depends on.
    Server,
    /// Neither: something ran out, and may be there again later.
    Resource,
}

impl Status {
    /// The call succeeded; the message is the answer.
    pub const OK: Status = Status(0);
    /// The message could not be read.
    pub const BAD_REQUEST: Status = Status(1);
    /// The service has no such method.
    pub const UNKNOWN_METHOD: Status = Status(2);
    /// The request or what it asks for is over a limit.
    pub const TOO_LARGE: Status = Status(3);
    /// The server has no room for this call now.
    pub const OVERLOADED: Status = Status(4);
    /// The server failed in a way that is its own defect.
    pub const INTERNAL: Status = Status(5);
    /// The server is going away and did not run the call.
    pub const SHUTTING_DOWN: Status = Status(6);
    /// Something that the server needs does not answer; the call had no effect.
    pub const UNAVAILABLE: Status = Status(7);
    /// The caller may not do this.
    pub const UNAUTHORIZED: Status = Status(8);
    /// The call was cancelled by its caller before the answer was ready.
    pub const CANCELLED: Status = Status(9);

    /// The first code that belongs to the service.
    pub const SERVICE_FIRST: u16 = 100;

    /// Whether the call succeeded.
    #[must_use]
    pub const fn is_ok(self) -> bool {
        self.0 == 0
    }

    /// Whether the code was defined by the service and not by this crate.
    #[must_use]
    pub const fn is_service(self) -> bool {
        self.0 >= Status::SERVICE_FIRST
    }

    /// Who is at fault. Of a service's own code this crate knows only that the service understood the request and
    /// refused it, so it says `Caller`; the service's table of codes can say more.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Status::OVERLOADED => Fault::Resource,
            Status::INTERNAL | Status::SHUTTING_DOWN | Status::UNAVAILABLE => Fault::Server,
            _ => Fault::Caller,
        }
    }

    /// Whether the same call, sent again later or to another server, may succeed. Each of these codes says that the
    /// call did not run, so repeating it is safe for every method.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Status::OVERLOADED | Status::SHUTTING_DOWN | Status::UNAVAILABLE
        )
    }

    fn name(self) -> Option<&'static str> {
        Some(match self {
            Status::OK => "ok",
            Status::BAD_REQUEST => "bad request",
            Status::UNKNOWN_METHOD => "unknown method",
            Status::TOO_LARGE => "too large",
            Status::OVERLOADED => "overloaded",
            Status::INTERNAL => "internal error",
            Status::SHUTTING_DOWN => "shutting down",
            Status::UNAVAILABLE => "unavailable",
            Status::UNAUTHORIZED => "unauthorized",
            Status::CANCELLED => "cancelled",
            _ => return None,
        })
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retryable_status_never_blames_the_caller() {
        for code in 0..=u16::MAX {
            let status = Status(code);
            assert!(
                !status.is_retryable() || status.fault() != Fault::Caller,
                "{status}"
            );
        }
    }

    #[test]
    fn the_codes_keep_their_numbers() {
        let codes = [
            Status::OK,
            Status::BAD_REQUEST,
            Status::UNKNOWN_METHOD,
            Status::TOO_LARGE,
            Status::OVERLOADED,
            Status::INTERNAL,
            Status::SHUTTING_DOWN,
            Status::UNAVAILABLE,
            Status::UNAUTHORIZED,
            Status::CANCELLED,
        ];
        for (number, status) in codes.into_iter().enumerate() {
            assert_eq!(usize::from(status.0), number);
            assert!(status.name().is_some());
        }
        assert_eq!(Status(50).to_string(), "status 50");
        assert!(!Status(99).is_service() && Status(100).is_service());
    }
}
