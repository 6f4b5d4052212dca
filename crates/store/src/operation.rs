//! What a client asks of a namenode, one type per method.

use std::rc::Rc;
use std::time::Duration;

use crake_mem::Buf;
use crake_wire::WireError;

use crate::block::{Blocks, read_blocks};
use crate::cluster::Usage;
use crate::datanodes::Datanode;
use crate::keep::keep;
use crate::list_page::Listed;
use crate::node::{Attributes, CreateOptions, Entry, Page, ttl_ms};
use crate::partitions::Way;
use crate::pending::{Operation, Subject};
use crate::protocol::Which;
use crate::protocol::answers::Key;
use crate::protocol::namenode::{self, namenode as method};
use crate::session::Session;
use crate::stats::OperationKind;

/// Paths go out without the slash in front: the base says where they start.
#[inline]
pub(crate) fn relative(path: &str) -> &str {
    path.strip_prefix('/').unwrap_or(path)
}

/// Declares that the operation is about a path, which other partitions may go on with.
macro_rules! led {
    () => {
        const IS_LED: bool = true;

        fn path(&self, which: Which) -> Option<&str> {
            (which == Which::First).then_some(self.path)
        }

        fn request_at(&self, way: &Way) -> Self::Request<'_> {
            let mut request = self.request();
            request.base = way.first.base;
            request.path = way.first.rest(self.path);
            request
        }
    };
}

/// Declares an operation's constants and what is the same for all.
macro_rules! operation {
    ($method:ident, $kind:ident, repeatable: $repeatable:literal, $request:ident -> $output:ty) => {
        const METHOD: u16 = method::$method;
        const KIND: OperationKind = OperationKind::$kind;
        const REPEATABLE: bool = $repeatable;
        type Request<'r>
            = namenode::$request<'r>
        where
            Self: 'r;
        type Output = $output;
    };
    ($method:ident, $kind:ident, repeatable: $repeatable:literal, plain $request:ident -> $output:ty) => {
        const METHOD: u16 = method::$method;
        const KIND: OperationKind = OperationKind::$kind;
        const REPEATABLE: bool = $repeatable;
        type Request<'r>
            = namenode::$request
        where
            Self: 'r;
        type Output = $output;
    };
}

/// Says nothing new, to measure the way there and back.
#[derive(Debug, Clone, Copy)]
pub struct Echo<'a> {
    pub(crate) data: &'a [u8],
}

impl Operation for Echo<'_> {
    operation!(ECHO, Other, repeatable: true, EchoRequest -> Buf);

    #[inline]
    fn request(&self) -> Self::Request<'_> {
        namenode::EchoRequest { data: self.data }
    }

    #[inline]
    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Buf, WireError> {
        let view = namenode::EchoReplyView::parse(message)?;
        Ok(keep(session, message, view.data()?))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// Attributes of a path.
#[derive(Debug, Clone, Copy)]
pub struct Lookup<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
}

impl Operation for Lookup<'_> {
    operation!(LOOKUP, Lookup, repeatable: true, LookupRequest -> Attributes);

    #[inline]
    fn request(&self) -> Self::Request<'_> {
        namenode::LookupRequest {
            base: self.base,
            path: relative(self.path),
            blocks: false,
        }
    }

    #[inline(always)]
    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Attributes, WireError> {
        self.read_found(session, message)
    }

    #[inline]
    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();

    #[inline]
    fn key(&self) -> Option<Key<'_>> {
        Some(lookup_key(self.base, relative(self.path), false))
    }

    fn key_at(&self, way: &Way) -> Option<Key<'_>> {
        Some(lookup_key(way.first.base, way.first.rest(self.path), false))
    }

    #[inline(always)]
    fn read_found(&self, session: &Rc<Session>, message: &[u8]) -> Result<Attributes, WireError> {
        Attributes::read(session, namenode::LookupReplyView::parse(message)?.node()?)
    }
}

#[inline]
fn lookup_key(base: u64, path: &str, blocks: bool) -> Key<'_> {
    Key {
        method: method::LOOKUP,
        flags: u16::from(blocks),
        base,
        path: path.as_bytes(),
        key: &[],
    }
}

/// Attributes of a path, and the first blocks if it is a file.
#[derive(Debug, Clone, Copy)]
pub struct Open<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
}

impl Operation for Open<'_> {
    operation!(LOOKUP, Lookup, repeatable: true, LookupRequest -> crate::File);

    fn request(&self) -> Self::Request<'_> {
        namenode::LookupRequest {
            base: self.base,
            path: relative(self.path),
            blocks: true,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<crate::File, WireError> {
        let view = namenode::LookupReplyView::parse(message)?;
        let attributes = Attributes::read(session, view.node()?)?;
        Ok(crate::File::opened(
            session,
            self.path,
            attributes,
            read_blocks(view.blocks()?)?,
        ))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();

    #[inline]
    fn key(&self) -> Option<Key<'_>> {
        Some(lookup_key(self.base, relative(self.path), true))
    }

    fn key_at(&self, way: &Way) -> Option<Key<'_>> {
        Some(lookup_key(way.first.base, way.first.rest(self.path), true))
    }
}

/// A new node.
#[derive(Debug, Clone, Copy)]
pub struct Create<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
    pub(crate) options: CreateOptions,
}

impl Operation for Create<'_> {
    operation!(CREATE, Create, repeatable: false, CreateRequest -> crate::File);

    #[inline]
    fn request(&self) -> Self::Request<'_> {
        namenode::CreateRequest {
            base: self.base,
            path: relative(self.path),
            kind: self.options.kind.to_wire(),
            parents: self.options.parents,
            replace: self.options.replace,
            existing_ok: self.options.existing_ok,
            storage_class: self.options.storage_class,
            location_class: self.options.location_class,
            size_hint: self.options.size_hint,
            ttl_ms: ttl_ms(self.options.ttl),
            branch_of: 0,
            level: 0,
            spread: self.options.spread,
        }
    }

    #[inline]
    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<crate::File, WireError> {
        let view = namenode::CreateReplyView::parse(message)?;
        let attributes = Attributes::read(session, view.node()?)?;
        let blocks = read_blocks(view.blocks()?)?;
        Ok(crate::File::created(
            session,
            self.path,
            attributes,
            view.lease(),
            blocks,
        ))
    }

    #[inline]
    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    const IS_LED: bool = true;

    fn path(&self, which: Which) -> Option<&str> {
        (which == Which::First).then_some(self.path)
    }

    fn request_at(&self, way: &Way) -> Self::Request<'_> {
        let request = namenode::CreateRequest {
            base: way.first.base,
            path: way.first.rest(self.path),
            ..self.request()
        };
        match &way.branch {
            None => request,
            Some(branch) => namenode::CreateRequest {
                base: branch.directory,
                path: &self.path[branch.name.clone()],
                branch_of: u32::from(branch.of) + 1,
                level: branch.level,
                ..request
            },
        }
    }

    fn creates(&self) -> Option<&CreateOptions> {
        Some(&self.options)
    }
}

/// The lease of a file that has no writer.
#[derive(Debug, Clone, Copy)]
pub struct Append<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
}

impl Operation for Append<'_> {
    operation!(APPEND, Append, repeatable: false, AppendRequest -> crate::File);

    fn request(&self) -> Self::Request<'_> {
        namenode::AppendRequest {
            base: self.base,
            path: relative(self.path),
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<crate::File, WireError> {
        let view = namenode::AppendReplyView::parse(message)?;
        let attributes = Attributes::read(session, view.node()?)?;
        let blocks = read_blocks(view.blocks()?)?;
        Ok(crate::File::created(
            session,
            self.path,
            attributes,
            view.lease(),
            blocks,
        ))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();
}

/// A page of a directory.
#[derive(Debug, Clone, Copy)]
pub struct List<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
    pub(crate) prefix: &'a [u8],
    pub(crate) after: &'a [u8],
    pub(crate) limit: u32,
}

impl Operation for List<'_> {
    operation!(LIST, List, repeatable: true, ListRequest -> Listed);

    fn request(&self) -> Self::Request<'_> {
        namenode::ListRequest {
            base: self.base,
            path: relative(self.path),
            prefix: self.prefix,
            after: self.after,
            limit: self.limit,
            blocks: false,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Listed, WireError> {
        let view = namenode::ListReplyView::parse(message)?;
        let entries = view
            .entries()?
            .map(|entry| read_entry(session, entry?))
            .collect::<Result<_, _>>()?;
        let page = Page {
            entries,
            more: view.more()?,
        };
        let shards = view.shards()?.collect();
        Ok(Listed { page, shards })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();
}

/// Of an entry that is at another partition only that, its id there and its kind are known.
pub(crate) fn read_entry(session: &Session, view: namenode::EntryView<'_>) -> Result<Entry, WireError> {
    let name = crake_mem::from_utf8(view.name()?).map_err(|_| WireError::NotUtf8)?;
    let attributes = Attributes::read(session, view.node()?)?;
    Ok(Entry {
        name: name.into(),
        attributes: elsewhere(attributes, view.elsewhere())?,
    })
}

/// Attributes of what may be at another partition, whose number and 1 is told then.
fn elsewhere(mut attributes: Attributes, partition: u32) -> Result<Attributes, WireError> {
    if let Some(partition) = partition.checked_sub(1) {
        attributes.partition = u16::try_from(partition).map_err(|_| WireError::UnknownEnum(0))?;
    }
    Ok(attributes)
}

/// Another name for a node.
#[derive(Debug, Clone, Copy)]
pub struct Rename<'a> {
    pub(crate) base: u64,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) no_replace: bool,
}

impl Operation for Rename<'_> {
    operation!(RENAME, Rename, repeatable: false, RenameRequest -> Attributes);

    fn request(&self) -> Self::Request<'_> {
        namenode::RenameRequest {
            from_base: self.base,
            from: relative(self.from),
            to_base: self.base,
            to: relative(self.to),
            no_replace: self.no_replace,
            to_partition: 0,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Attributes, WireError> {
        let view = namenode::RenameReplyView::parse(message)?;
        elsewhere(Attributes::read(session, view.node()?)?, view.elsewhere())
    }

    /// Both names, for each of them can be what is wrong.
    fn subject(&self) -> Subject<'_> {
        Subject::Move(self.from, self.to)
    }

    const IS_LED: bool = true;

    fn path(&self, which: Which) -> Option<&str> {
        Some(match which {
            Which::First => self.from,
            Which::Second => self.to,
        })
    }

    fn request_at(&self, way: &Way) -> Self::Request<'_> {
        namenode::RenameRequest {
            from_base: way.first.base,
            from: way.first.rest(self.from),
            to_base: way.second.base,
            to: way.second.rest(self.to),
            no_replace: self.no_replace,
            to_partition: way.apart.map_or(0, |partition| u32::from(partition) + 1),
        }
    }
}

/// Another end of a node, or none.
///
/// Repeatable: a second time moves the end by as little as lies between the two.
#[derive(Debug, Clone, Copy)]
pub struct SetTtl<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
    /// Of the table `base`, if it is not empty; `path` names it in errors then.
    pub(crate) key: &'a [u8],
    pub(crate) ttl: Option<Duration>,
}

impl Operation for SetTtl<'_> {
    operation!(SET_TTL, SetTtl, repeatable: true, SetTtlRequest -> Attributes);

    fn request(&self) -> Self::Request<'_> {
        namenode::SetTtlRequest {
            base: self.base,
            path: match self.key {
                [] => relative(self.path),
                _ => "",
            },
            key: self.key,
            ttl_ms: ttl_ms(self.ttl),
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Attributes, WireError> {
        Attributes::read(session, namenode::SetTtlReplyView::parse(message)?.node()?)
    }

    fn subject(&self) -> Subject<'_> {
        match self.key {
            [] => Subject::Path(self.path),
            key => Subject::Key(self.path, key),
        }
    }

    const IS_LED: bool = true;

    /// None of a key: that is where its table is.
    fn path(&self, which: Which) -> Option<&str> {
        (which == Which::First && self.key.is_empty()).then_some(self.path)
    }

    fn request_at(&self, way: &Way) -> Self::Request<'_> {
        namenode::SetTtlRequest {
            base: way.first.base,
            path: way.first.rest(self.path),
            ..self.request()
        }
    }
}

/// A node, or a tree of them, removed.
#[derive(Debug, Clone, Copy)]
pub struct Delete<'a> {
    pub(crate) base: u64,
    pub(crate) path: &'a str,
    pub(crate) recursive: bool,
}

impl Operation for Delete<'_> {
    operation!(DELETE, Delete, repeatable: false, DeleteRequest -> u64);

    fn request(&self) -> Self::Request<'_> {
        namenode::DeleteRequest {
            base: self.base,
            path: relative(self.path),
            recursive: self.recursive,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<u64, WireError> {
        Ok(namenode::DeleteReplyView::parse(message)?.nodes())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(self.path)
    }

    led!();
}

/// More blocks at the end of a file.
///
/// Repeatable: it names the capacity that it starts from, so a second one finds that moved on and gets no more blocks.
#[derive(Debug, Clone)]
pub struct Allocate {
    pub(crate) path: Rc<str>,
    pub(crate) node: u64,
    pub(crate) lease: u64,
    pub(crate) offset: u64,
    pub(crate) want_bytes: u64,
}

impl Operation for Allocate {
    operation!(ALLOCATE, Allocate, repeatable: true, plain AllocateRequest -> Blocks);

    fn request(&self) -> Self::Request<'_> {
        namenode::AllocateRequest {
            node: self.node,
            lease: self.lease,
            offset: self.offset,
            want: self.want_bytes,
        }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Blocks, WireError> {
        read_blocks(namenode::AllocateReplyView::parse(message)?.blocks()?)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// The blocks that hold a file from some byte on.
#[derive(Debug, Clone)]
pub struct FetchBlocks {
    pub(crate) path: Rc<str>,
    pub(crate) node: u64,
    pub(crate) offset: u64,
    pub(crate) limit: u32,
}

impl Operation for FetchBlocks {
    operation!(BLOCKS, Blocks, repeatable: true, plain BlocksRequest -> (Attributes, Blocks));

    fn request(&self) -> Self::Request<'_> {
        namenode::BlocksRequest {
            node: self.node,
            offset: self.offset,
            limit: self.limit,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<(Attributes, Blocks), WireError> {
        let view = namenode::BlocksReplyView::parse(message)?;
        Ok((
            Attributes::read(session, view.node()?)?,
            read_blocks(view.blocks()?)?,
        ))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// The bytes of a file kept where they are.
#[derive(Debug, Clone)]
pub struct PinFile {
    pub(crate) path: Rc<str>,
    pub(crate) node: u64,
}

impl Operation for PinFile {
    operation!(PIN, Other, repeatable: true, plain PinRequest -> (u64, Attributes));

    fn request(&self) -> Self::Request<'_> {
        namenode::PinRequest { node: self.node }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<(u64, Attributes), WireError> {
        let view = namenode::PinReplyView::parse(message)?;
        Ok((view.pin(), Attributes::read(session, view.node()?)?))
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// Ends that.
#[derive(Debug, Clone)]
pub struct UnpinFile {
    pub(crate) path: Rc<str>,
    pub(crate) pin: u64,
}

impl Operation for UnpinFile {
    operation!(UNPIN, Other, repeatable: true, plain UnpinRequest -> ());

    fn request(&self) -> Self::Request<'_> {
        namenode::UnpinRequest { pin: self.pin }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<(), WireError> {
        namenode::UnpinReplyView::parse(message).map(|_| ())
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// A size made visible, or a lease ended.
///
/// Repeatable: sizes only grow, and the writer checks what became of a seal that may have run.
#[derive(Debug, Clone)]
pub struct Publish {
    pub(crate) path: Rc<str>,
    pub(crate) node: u64,
    pub(crate) lease: u64,
    pub(crate) size: u64,
    pub(crate) seal: bool,
}

impl Operation for Publish {
    operation!(PUBLISH, Publish, repeatable: true, plain PublishRequest -> Attributes);

    fn request(&self) -> Self::Request<'_> {
        namenode::PublishRequest {
            node: self.node,
            lease: self.lease,
            size: self.size,
            seal: self.seal,
        }
    }

    fn read(&self, session: &Rc<Session>, message: &Buf) -> Result<Attributes, WireError> {
        Attributes::read(session, namenode::PublishReplyView::parse(message)?.node()?)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Path(&self.path)
    }
}

/// This client is still there.
#[derive(Debug, Clone, Copy)]
pub struct Renew;

/// What a namenode says of itself.
#[derive(Debug, Clone)]
pub struct Renewed {
    /// How long this client's leases last from now on.
    pub(crate) lease_ms: u64,
    pub(crate) incarnation: u64,
    /// Where else it is.
    pub(crate) endpoints: Vec<String>,
    pub(crate) host: String,
    /// Which partition it is.
    pub(crate) partition: u16,
    /// Where each partition is; none if there is one.
    pub(crate) partitions: Vec<String>,
}

impl Renewed {
    pub(crate) fn read(message: &[u8]) -> Result<Renewed, WireError> {
        let view = namenode::RenewReplyView::parse(message)?;
        Ok(Renewed {
            lease_ms: view.lease_ms(),
            incarnation: view.incarnation(),
            endpoints: view
                .endpoints()?
                .map(|it| it.map(str::to_owned))
                .collect::<Result<_, _>>()?,
            host: view.host()?.into(),
            // What no partition can be called is none of those that there are.
            partition: u16::try_from(view.partition()).unwrap_or(u16::MAX),
            partitions: view
                .partitions()?
                .map(|it| it.map(str::to_owned))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Operation for Renew {
    operation!(RENEW, Renew, repeatable: true, plain RenewRequest -> Renewed);

    fn request(&self) -> Self::Request<'_> {
        namenode::RenewRequest {}
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Renewed, WireError> {
        Renewed::read(message)
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// How full the cluster is.
#[derive(Debug, Clone, Copy)]
pub struct AskUsage;

impl Operation for AskUsage {
    operation!(USAGE, Other, repeatable: true, plain UsageRequest -> Usage);

    fn request(&self) -> Self::Request<'_> {
        namenode::UsageRequest {}
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Usage, WireError> {
        let view = namenode::UsageReplyView::parse(message)?;
        Ok(Usage {
            nodes: view.nodes(),
            capacity: view.capacity(),
            used: view.used(),
            datanodes: view
                .datanodes()?
                .map(|it| read_datanode(it?))
                .collect::<Result<_, _>>()?,
            incarnation: view.incarnation(),
            sessions: view.sessions(),
            leases: view.leases(),
        })
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

/// The datanodes with these numbers; all if there are none.
#[derive(Debug, Clone)]
pub struct ListDatanodes {
    pub(crate) ids: Vec<u32>,
}

impl Operation for ListDatanodes {
    operation!(DATANODES, Other, repeatable: true, DatanodesRequest -> Vec<Datanode>);

    fn request(&self) -> Self::Request<'_> {
        namenode::DatanodesRequest { ids: &self.ids }
    }

    fn read(&self, _: &Rc<Session>, message: &Buf) -> Result<Vec<Datanode>, WireError> {
        let view = namenode::DatanodesReplyView::parse(message)?;
        view.datanodes()?
            .map(|datanode| read_datanode(datanode?))
            .collect()
    }

    fn subject(&self) -> Subject<'_> {
        Subject::Cluster
    }
}

fn read_datanode(view: namenode::DatanodeView<'_>) -> Result<Datanode, WireError> {
    Ok(Datanode {
        id: view.id(),
        incarnation: view.incarnation(),
        endpoints: view
            .endpoints()?
            .map(|it| it.map(str::to_owned))
            .collect::<Result<_, _>>()?,
        location_class: view.location_class(),
        capacity: view.capacity(),
        used: view.used(),
        alive: view.alive()?,
        name: view.name()?.into(),
        host: view.host()?.into(),
    })
}
