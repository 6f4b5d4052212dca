//! What a client asks of a namenode about multifiles, one type per method.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::Multifile;
use crate::block::{Blocks, read_blocks};
use crate::node::{Attributes, Entry, Page};
use crate::operation::read_entry;
use crate::pending::{Operation, Subject};
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// No more parts.
#[derive(Debug, Clone, Copy)]
pub struct Seal<'a> {
    pub(super) multifile: u64,
    pub(super) shown: &'a str,
}

impl Operation for Seal<'_> {
    operation!(SEAL, Other, repeatable: true, SealRequest -> Attributes);

    fn request(&self) -> Self::Request<'_> {
        namenode::SealRequest {
            base: self.multifile,
            path: "",
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Attributes, WireError> {
        Attributes::read(session, namenode::SealReplyView::parse(message)?.node()?)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.shown)
    }
}

/// A page of parts, with their first blocks: all that is needed to read them.
#[derive(Debug, Clone, Copy)]
pub struct ListParts<'a> {
    multifile: u64,
    after: &'a str,
    shown: &'a str,
}

impl<'a> ListParts<'a> {
    pub(crate) fn after(multifile: &'a Multifile, after: &'a str) -> ListParts<'a> {
        ListParts {
            multifile: multifile.id,
            after,
            shown: &multifile.path,
        }
    }
}

/// A part of a multifile.
#[derive(Debug)]
pub struct Part {
    pub(crate) entry: Entry,
    pub(crate) blocks: Blocks,
}

impl Operation for ListParts<'_> {
    operation!(LIST, List, repeatable: true, ListRequest -> Page<Part>);

    fn request(&self) -> Self::Request<'_> {
        namenode::ListRequest {
            base: self.multifile,
            path: "",
            prefix: &[],
            after: self.after.as_bytes(),
            limit: 0,
            blocks: true,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Page<Part>, WireError> {
        let view = namenode::ListReplyView::parse(message)?;
        let mut entries = Vec::with_capacity(view.entries()?.len());
        for entry in view.entries()? {
            let entry = entry?;
            entries.push(Part {
                blocks: read_blocks(entry.blocks()?)?,
                entry: read_entry(session, entry)?,
            });
        }
        Ok(Page {
            entries,
            more: view.more()?,
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.shown)
    }
}
