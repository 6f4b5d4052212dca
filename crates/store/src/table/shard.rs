//! The part of a table that one partition has, and how a table is found with all its parts.

use std::rc::Rc;

use crake_mem::Buf;
use crake_wire::WireError;

use super::Table;
use crate::Error;
use crate::node::{Attributes, Node};
use crate::operation::{Lookup, relative};
use crate::partitions::Way;
use crate::pending::{Operation, Pending, Subject};
use crate::protocol::Which;
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;
use crate::together;

/// The keys of a table that are at one partition: all of them, if they are not spread.
#[derive(Clone)]
pub struct Shard {
    pub(super) session: Rc<Session>,
    pub(super) id: u64,
    /// The table's, as it was opened by.
    pub(super) path: Rc<str>,
}

/// A table, and where its keys are.
#[derive(Debug, Clone, Copy)]
pub struct OpenTable<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
}

/// What was said of that.
#[derive(Debug)]
pub struct Opened {
    node: Attributes,
    /// None if they are all there.
    shards: Vec<u64>,
}

impl Operation for OpenTable<'_> {
    operation!(OPEN_TABLE, Lookup, repeatable: true, OpenTableRequest -> Opened);

    fn request(&self) -> Self::Request<'_> {
        namenode::OpenTableRequest {
            base: self.base,
            path: relative(self.path),
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Opened, WireError> {
        let view = namenode::OpenTableReplyView::parse(message)?;
        Ok(Opened {
            node: Attributes::read(session, view.node()?)?,
            shards: view.shards()?.collect(),
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();
}

/// Opens a table of a namespace with several partitions: by a path from `base` on. Errors name it by `name`.
pub(crate) async fn open(
    session: &Rc<Session>,
    (base, path): (u64, &str),
    name: &str,
) -> Result<(Attributes, Table), Error> {
    let mut asked = Pending::start(session, OpenTable { base, path });
    let opened = (&mut asked).await.map_err(|error| error.about(name))?;
    let home = asked.session();
    check_kind(&opened.node, Node::Table, name)?;
    let first = Shard {
        session: home.clone(),
        id: opened.node.id,
        path: name.into(),
    };
    let shards = match opened.shards.is_empty() {
        true => None,
        false => Some(shards(&first, &opened.shards)?),
    };
    Ok((opened.node, Table { first, shards }))
}

/// The parts of a table by their partitions, as its home names them.
pub(crate) fn shards(first: &Shard, ids: &[u64]) -> Result<Rc<[Shard]>, Error> {
    let home = &first.session;
    let all = home.partitions().all();
    if all.len() != ids.len() || ids.get(usize::from(home.number())) != Some(&first.id) {
        let what = "it names other parts of a table than there can be";
        return Err(Error::protocol(home.peer(), what));
    }
    let shard = |(session, &id): (Rc<Session>, &u64)| Shard {
        session,
        id,
        path: first.path.clone(),
    };
    Ok(all.into_iter().zip(ids).map(shard).collect())
}

/// Refuses what is of another kind.
pub(crate) fn check_kind(attributes: &Attributes, kind: Node, path: &str) -> Result<(), Error> {
    if attributes.kind == kind {
        return Ok(());
    }
    let detail = format!("a {}, not a {}", attributes.kind.name(), kind.name());
    Err(Error::WrongKind {
        path: path.into(),
        detail: detail.into(),
    })
}

impl Shard {
    fn look_up(&self) -> Pending<'static, Lookup<'static>> {
        Pending::start(
            &self.session,
            Lookup {
                base: self.id,
                path: "",
            },
        )
    }
}

impl Table {
    /// What is known of the table; its size is the number of its keys, wherever they are.
    pub async fn attributes(&self) -> Result<Attributes, Error> {
        let home = self.first.look_up();
        let others = self.shards().iter().filter(|shard| !self.is_home(shard));
        let others = others.map(Shard::look_up).collect();
        let about = |error: Error| error.about(&self.first.path);
        let mut sum = home.await.map_err(about)?;
        for shard in together::all(others).await {
            let shard = shard.map_err(about)?;
            sum.size += shard.size;
            sum.modified_ns = sum.modified_ns.max(shard.modified_ns);
        }
        Ok(sum)
    }

    fn is_home(&self, shard: &Shard) -> bool {
        shard.session.number() == self.first.session.number()
    }
}
