//! What a client asks of a namenode about tables, one type per method.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::multi_put::Told;
use super::page::TablePage;
use super::range::OwnedRange;
use super::shard::Shard;
use super::{Condition, KeyRange, Value};
use crate::block::{Blocks, read_blocks};
use crate::keep::{keep, keep_copy};
use crate::pending::{Operation, Subject};
use crate::protocol::answers::Key;
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// A small value put.
#[derive(Clone)]
pub struct PutInline<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    pub(super) condition: Condition,
    pub(super) ttl_ms: u64,
}

impl Operation for PutInline<'_> {
    operation!(PUT, Put, repeatable: false, PutRequest -> u64);

    #[inline]
    fn request(&self) -> Self::Request<'_> {
        let (condition, version) = self.condition.to_wire();
        namenode::PutRequest {
            table: self.table.id,
            key: self.key,
            value: self.value,
            condition,
            version,
            ttl_ms: self.ttl_ms,
            ..Default::default()
        }
    }

    #[inline]
    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<u64, WireError> {
        Ok(namenode::PutReplyView::parse(message)?.version())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// Several small values put.
#[derive(Clone)]
pub struct MultiPut<'a> {
    pub(super) table: &'a Shard,
    pub(super) items: &'a [namenode::PutItem<'a>],
}

impl Operation for MultiPut<'_> {
    operation!(MULTI_PUT, MultiPut, repeatable: false, MultiPutRequest -> Vec<Told>);

    fn request(&self) -> Self::Request<'_> {
        namenode::MultiPutRequest {
            table: self.table.id,
            path: "",
            items: self.items,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Vec<Told>, WireError> {
        let outcomes = namenode::MultiPutReplyView::parse(message)?.outcomes()?;
        let told = |outcome: namenode::PutOutcomeView<'_>| Told {
            version: outcome.version(),
            status: outcome.status(),
        };
        outcomes.map(|outcome| outcome.map(told)).collect()
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.table.path)
    }
}

/// Blocks for a large value.
#[derive(Clone)]
pub struct PutBegin<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
    pub(super) size: u64,
    pub(super) condition: Condition,
    pub(super) ttl_ms: u64,
}

impl Operation for PutBegin<'_> {
    operation!(PUT, Put, repeatable: false, PutRequest -> (u64, Blocks));

    fn request(&self) -> Self::Request<'_> {
        let (condition, version) = self.condition.to_wire();
        namenode::PutRequest {
            table: self.table.id,
            key: self.key,
            condition,
            version,
            large: true,
            size: self.size,
            ttl_ms: self.ttl_ms,
            ..Default::default()
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<(u64, Blocks), WireError> {
        let view = namenode::PutReplyView::parse(message)?;
        Ok((view.pending(), read_blocks(view.blocks()?)?))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// A large value appears, or its blocks are given back.
#[derive(Clone)]
pub struct PutEnd<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
    pub(super) pending: u64,
    pub(super) abort: bool,
}

impl Operation for PutEnd<'_> {
    operation!(PUT_COMMIT, Put, repeatable: false, plain PutCommitRequest -> u64);

    fn request(&self) -> Self::Request<'_> {
        namenode::PutCommitRequest {
            pending: self.pending,
            abort: self.abort,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<u64, WireError> {
        Ok(namenode::PutReplyView::parse(message)?.version())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// The value of a key.
#[derive(Clone)]
pub struct GetValue<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
}

impl Operation for GetValue<'_> {
    operation!(GET, Get, repeatable: true, GetRequest -> Found);

    #[inline]
    fn request(&self) -> Self::Request<'_> {
        namenode::GetRequest {
            table: self.table.id,
            path: "",
            key: self.key,
        }
    }

    #[inline]
    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Found, WireError> {
        let keep = |value: &[u8]| keep(session, message, value);
        Found::read(namenode::ValueView::parse(message)?, keep)
    }

    #[inline(always)]
    fn read_found(&self, session: &Rc<Session>, message: &[u8]) -> Result<Found, WireError> {
        let keep = |value: &[u8]| keep_copy(session, value);
        Found::read(namenode::ValueView::parse(message)?, keep)
    }

    #[inline]
    fn key(&self) -> Option<Key<'_>> {
        Some(Key {
            method: method::GET,
            flags: 0,
            base: self.table.id,
            path: &[],
            key: self.key,
        })
    }

    #[inline]
    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// The values of several keys: of the first ones, as many as fit a message.
#[derive(Clone)]
pub struct MultiGet<'a> {
    pub(super) table: &'a Shard,
    pub(super) keys: &'a [&'a [u8]],
}

impl Operation for MultiGet<'_> {
    operation!(MULTI_GET, MultiGet, repeatable: true, MultiGetRequest -> Vec<Found>);

    fn request(&self) -> Self::Request<'_> {
        namenode::MultiGetRequest {
            table: self.table.id,
            path: "",
            keys: self.keys,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Vec<Found>, WireError> {
        let values = namenode::MultiGetReplyView::parse(message)?.values()?;
        let keep = |value: &[u8]| keep(session, message, value);
        values.map(|value| Found::read(value?, keep)).collect()
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.table.path)
    }
}

/// A value removed.
#[derive(Clone)]
pub struct Remove<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
    pub(super) condition: Condition,
}

impl Operation for Remove<'_> {
    operation!(REMOVE, Remove, repeatable: false, RemoveRequest -> bool);

    fn request(&self) -> Self::Request<'_> {
        let (condition, version) = self.condition.to_wire();
        namenode::RemoveRequest {
            table: self.table.id,
            path: "",
            key: self.key,
            condition,
            version,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<bool, WireError> {
        namenode::RemoveReplyView::parse(message)?.removed()
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// A number added to.
#[derive(Clone)]
pub struct Add<'a> {
    pub(super) table: &'a Shard,
    pub(super) key: &'a [u8],
    pub(super) delta: i64,
}

impl Operation for Add<'_> {
    operation!(ADD, Add, repeatable: false, AddRequest -> i64);

    fn request(&self) -> Self::Request<'_> {
        namenode::AddRequest {
            table: self.table.id,
            path: "",
            key: self.key,
            delta: self.delta,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<i64, WireError> {
        Ok(namenode::AddReplyView::parse(message)?.value())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Key(&self.table.path, self.key)
    }
}

/// A page of keys.
#[derive(Clone)]
pub struct ScanTable<'a> {
    pub(super) table: &'a Shard,
    pub(super) range: KeyRange<'a>,
    pub(super) limit: u32,
    pub(super) keys_only: bool,
}

impl Operation for ScanTable<'_> {
    operation!(SCAN, Scan, repeatable: true, ScanRequest -> Scanned);

    fn request(&self) -> Self::Request<'_> {
        scan_request(self.table, self.range, self.limit, self.keys_only)
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Scanned, WireError> {
        Scanned::read(session, message)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.table.path)
    }
}

/// The next page of a scan that goes on by itself.
#[derive(Clone)]
pub struct ScanOn {
    pub(super) table: Shard,
    pub(super) range: Rc<OwnedRange>,
}

impl Operation for ScanOn {
    operation!(SCAN, Scan, repeatable: true, ScanRequest -> Scanned);

    fn request(&self) -> Self::Request<'_> {
        scan_request(&self.table, self.range.range(), 0, false)
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Scanned, WireError> {
        Scanned::read(session, message)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.table.path)
    }
}

fn scan_request<'r>(
    table: &Shard,
    range: KeyRange<'r>,
    limit: u32,
    keys_only: bool,
) -> namenode::ScanRequest<'r> {
    namenode::ScanRequest {
        table: table.id,
        path: "",
        prefix: range.prefix,
        after: range.after,
        limit,
        keys_only,
        from: range.from,
        until: range.until,
        reverse: range.reverse,
    }
}

/// A page as it came: values that lie in blocks are still to be read.
#[derive(Debug)]
pub struct Scanned {
    pub(super) page: TablePage,
    /// One for each key of the page whose value lies in blocks.
    pub(super) in_blocks: Vec<Found>,
}

impl Scanned {
    fn read(session: &Session, message: &Buf) -> Result<Scanned, WireError> {
        let view = namenode::ScanReplyView::parse(message)?;
        let entries = keep(session, message, view.entries()?);
        let (page, in_blocks) = TablePage::read(entries, view.more()?)?;
        let values = view.in_blocks()?;
        if values.len() != in_blocks {
            return Err(WireError::Truncated);
        }
        let keep = |value: &[u8]| keep(session, message, value);
        let values = values.map(|value| Found::read(value?, keep));
        Ok(Scanned {
            page,
            in_blocks: values.collect::<Result<_, _>>()?,
        })
    }
}

/// What the namenode says about a key.
#[derive(Debug)]
pub enum Found {
    /// It has no value.
    Nothing,
    /// A small one.
    Inline(Value),
    /// A large one.
    Blocks(Box<LargeValue>),
}

/// Where a large value is.
#[derive(Debug, Clone)]
pub struct LargeValue {
    pub(super) node: u64,
    pub(super) version: u64,
    pub(super) modified_ns: u64,
    pub(super) expires_ns: u64,
    pub(super) size: u64,
    pub(super) blocks: Blocks,
}

impl Found {
    /// `keep` makes a buffer of a small value, which lies in the message.
    #[inline(always)]
    fn read(view: namenode::ValueView<'_>, keep: impl FnOnce(&[u8]) -> Buf) -> Result<Found, WireError> {
        if !view.found()? {
            return Ok(Found::Nothing);
        }
        let (version, modified_ns, expires_ns) = (view.version(), view.modified_ns(), view.expires_ns());
        let blocks = view.blocks()?;
        if blocks.is_empty() {
            let data = keep(view.inline_value()?);
            return Ok(Found::Inline(Value {
                version,
                modified_ns,
                expires_ns,
                data,
            }));
        }
        let blocks = read_blocks(blocks)?;
        Ok(Found::Blocks(Box::new(LargeValue {
            node: view.node(),
            version,
            modified_ns,
            expires_ns,
            size: view.size(),
            blocks,
        })))
    }
}
