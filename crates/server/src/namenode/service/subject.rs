//! What a request is about, for the text of its failure.

use std::fmt;

use crake_rpc::Request;
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_wire::WireError;

/// What a request is about, for the text of its failure.
pub(super) struct Subject<'a>(pub(super) &'a Request<'a>);

impl fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The request was read before it failed, so an error here is not the caller's.
        self.write(f).unwrap_or(Ok(()))
    }
}

impl Subject<'_> {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> Result<fmt::Result, WireError> {
        let message = self.0.message;
        let path = |f: &mut fmt::Formatter<'_>, base: u64, path: &str| match base {
            0 => write!(f, "/{path}"),
            base => write!(f, "{path:?} below node {base}"),
        };
        Ok(match self.0.head.method {
            method::LOOKUP => {
                let asked = wire::LookupRequestView::parse(message)?;
                path(f, asked.base(), asked.path()?)
            }
            method::CREATE => {
                let asked = wire::CreateRequestView::parse(message)?;
                path(f, asked.base(), asked.path()?)
            }
            method::LIST => {
                let asked = wire::ListRequestView::parse(message)?;
                path(f, asked.base(), asked.path()?)
            }
            method::DELETE => {
                let asked = wire::DeleteRequestView::parse(message)?;
                path(f, asked.base(), asked.path()?)
            }
            method::APPEND => {
                let asked = wire::AppendRequestView::parse(message)?;
                path(f, asked.base(), asked.path()?)
            }
            method::RENAME => {
                let asked = wire::RenameRequestView::parse(message)?;
                path(f, asked.from_base(), asked.from()?).and_then(|()| {
                    f.write_str(" to ")?;
                    path(f, asked.to_base(), asked.to().unwrap_or_default())
                })
            }
            method::ALLOCATE => write!(f, "node {}", wire::AllocateRequestView::parse(message)?.node()),
            method::BLOCKS => write!(f, "node {}", wire::BlocksRequestView::parse(message)?.node()),
            method::PUBLISH => write!(f, "node {}", wire::PublishRequestView::parse(message)?.node()),
            method::REGISTER => write!(
                f,
                "datanode {:?}",
                wire::RegisterRequestView::parse(message)?.name()?
            ),
            method::JOB_END => write!(f, "job {}", wire::JobEndRequestView::parse(message)?.job()),
            other => f.write_str(method::name(other)),
        })
    }
}
