//! Answers the requests of clients and datanodes: turns messages into commands and replies into messages.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::rc::Rc;

use crake_datapath::Runtime;
use crake_mem::Region;
use crake_rpc::{BATCH_MAX, Head, Peer, Place, Replies, Request, Service, Status};
use crake_store::protocol::answers::Key;
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_store::protocol::role;
use crake_wire::{Encode, WireError};
use smallvec::SmallVec;

use super::answers::Answers;
use super::command::{
    Attributes, Block, Command, Create, Failure, KEYS_MAX, LeaseId, NodeId, Now, PendingId, Put, Register,
    Reply, SessionId, Usage, Value,
};
use super::namespace::Namespace;
use super::reads::{READS_MAX, Read, ReadReplies};
use super::translate;

/// What all endpoints of a namenode serve.
pub(crate) struct NamenodeService {
    namespace: Namespace,
    answers: Option<Answers>,
    runtime: Runtime,
    /// The wall clock less the runtime's, as it was when it was last looked at.
    wall_offset_ns: u64,
    /// Room for the text of a failure, so that a name that is not there costs no allocation.
    detail: String,
    site: Site,
}

/// Where a namenode is, as clients are told.
#[derive(Default)]
pub(crate) struct Site {
    pub(crate) endpoints: Vec<String>,
    pub(crate) host: String,
}

impl NamenodeService {
    pub(crate) fn new(runtime: &Runtime, namespace: Namespace) -> NamenodeService {
        let mut service = NamenodeService {
            namespace,
            answers: None,
            runtime: runtime.clone(),
            wall_offset_ns: 0,
            detail: String::new(),
            site: Site::default(),
        };
        service.look_at_wall_clock();
        service
    }

    /// What is known once it listens.
    pub(crate) fn set_site(&mut self, site: Site) {
        self.site = site;
    }

    /// Has answers written down where clients of this machine find them.
    pub(crate) fn share(&mut self, answers: Answers) {
        self.namespace.tell(&answers.changes());
        self.answers = Some(answers);
    }

    /// What clients of this machine may look at.
    pub(crate) fn shared(&self) -> Option<Rc<Region>> {
        Some(self.answers.as_ref()?.region().clone())
    }

    /// Looks for contradictions in the namespace, and for answers that clients find and that are wrong.
    pub(crate) fn check(&mut self) -> Result<(), String> {
        self.namespace.check()?;
        let now = self.now();
        self.namespace.advance(now);
        let (mut outcome, namespace) = (Ok(()), &mut self.namespace);
        if let Some(answers) = &mut self.answers {
            answers.each(|key, message| {
                if answer_again(namespace, now, key).as_deref() != Some(message) {
                    outcome = Err(format!(
                        "clients find another answer than they would be given: {key:?}"
                    ));
                }
            });
        }
        outcome
    }

    /// How full the namespace is, and how many datanodes are alive.
    pub(crate) fn usage(&mut self) -> (Usage, usize) {
        let reply = self
            .namespace
            .apply(self.now(), SessionId::default(), &Command::Usage);
        let Ok(Reply::Usage { usage, datanodes }) = reply else {
            wrong_reply()
        };
        (usage, datanodes.filter(|datanode| datanode.alive).count())
    }

    /// Does what is due, and says when something will be, at the earliest.
    pub(crate) fn expire(&mut self) -> Option<u64> {
        self.look_at_wall_clock();
        let now = self.now();
        self.namespace.advance(now);
        self.namespace.next_timeout()
    }

    /// The wall clock is not read for each request: it moves with the runtime's between two looks.
    fn look_at_wall_clock(&mut self) {
        self.wall_offset_ns = self.runtime.wall().0.wrapping_sub(self.runtime.now().0);
    }

    fn now(&self) -> Now {
        let mono_ns = self.runtime.now().0;
        Now {
            mono_ns,
            wall_ns: mono_ns.wrapping_add(self.wall_offset_ns),
        }
    }

    fn fail(&mut self, request: &Request<'_>, refused: Refused, replies: &mut Replies<'_>) {
        self.detail.clear();
        let status = match refused {
            Refused::Unreadable(error) => {
                let _ = write!(
                    self.detail,
                    "{} request: {error}",
                    method::name(request.head.method)
                );
                Status::BAD_REQUEST
            }
            Refused::UnknownMethod => {
                let _ = write!(self.detail, "a namenode has no method {}", request.head.method);
                Status::UNKNOWN_METHOD
            }
            Refused::NotADatanode => {
                self.detail.push_str("only a datanode does this");
                Status::UNAUTHORIZED
            }
            Refused::Denied(failure) => {
                let _ = write!(self.detail, "{failure}: {}", Subject(request));
                Status(failure.code().number())
            }
        };
        replies.fail(request, status, &self.detail);
    }
}

/// One address where a namenode listens.
pub(crate) struct Endpoint {
    service: Rc<RefCell<NamenodeService>>,
    /// Whether its clients find answers by themselves.
    shares: bool,
}

impl Endpoint {
    pub(crate) fn new(service: &Rc<RefCell<NamenodeService>>, shares: bool) -> Endpoint {
        Endpoint {
            service: service.clone(),
            shares,
        }
    }
}

impl Service for Endpoint {
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        self.service
            .borrow_mut()
            .serve(peer, requests, replies, self.shares);
    }

    fn place(&mut self, _: &Peer, _: &Head, _: &[u8]) -> Place {
        Place::Refuse(
            Status::BAD_REQUEST,
            "no method of a namenode takes a payload".into(),
        )
    }
}

impl NamenodeService {
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>, shares: bool) {
        let now = self.now();
        let mut caller = Caller {
            answers: self.answers.as_mut().filter(|_| shares),
            now,
            session: SessionId(peer.client.0),
            is_datanode: peer.role == role::DATANODE,
            namespace: &mut self.namespace,
            site: &self.site,
            refusals: Refusals::new(),
        };
        let mut rest = requests;
        while !rest.is_empty() {
            let reads = rest.iter().take_while(|request| is_read(request)).count();
            let (now, later) = rest.split_at(reads.max(1));
            match now {
                [request] if reads == 0 => caller.answer_one(request, replies),
                reads => caller.answer_reads(reads, replies),
            }
            rest = later;
        }
        for (request, refused) in caller.refusals {
            self.fail(request, refused, replies);
        }
    }
}

const _: () = assert!(BATCH_MAX <= READS_MAX);

/// Whether a request is one of those that are answered together: see [`Namespace::read_batch`].
#[inline]
fn is_read(request: &Request<'_>) -> bool {
    matches!(request.head.method, method::LOOKUP | method::GET)
}

/// Why a request is not answered.
enum Refused {
    Unreadable(WireError),
    UnknownMethod,
    /// By what it said when it connected.
    NotADatanode,
    Denied(Failure),
}

impl From<WireError> for Refused {
    fn from(error: WireError) -> Refused {
        Refused::Unreadable(error)
    }
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Refused {
        Refused::Denied(failure)
    }
}

type Answered = Result<(), Refused>;

/// One batch of requests of one client.
struct Caller<'n, 'r> {
    namespace: &'n mut Namespace,
    /// Where answers to who looks there are written down.
    answers: Option<&'n mut Answers>,
    site: &'n Site,
    now: Now,
    session: SessionId,
    is_datanode: bool,
    /// Told when the namespace is no longer borrowed.
    refusals: Refusals<'r>,
}

type Refusals<'r> = SmallVec<[(&'r Request<'r>, Refused); 4]>;

impl<'r> Caller<'_, 'r> {
    fn answer_one(&mut self, request: &'r Request<'r>, replies: &mut Replies<'_>) {
        if let Err(refused) = self.answer(request, replies) {
            self.refusals.push((request, refused));
        }
    }

    /// Answers requests that only read.
    #[inline]
    fn answer_reads(&mut self, requests: &'r [Request<'r>], replies: &mut Replies<'_>) {
        let reads = requests
            .iter()
            .map(|request| (request, read_of(request).unwrap_or(Read::NOWHERE)));
        let mut replies = ReadAnswers {
            replies,
            answers: self.answers.as_deref_mut(),
            refusals: &mut self.refusals,
        };
        self.namespace.read_batch(self.now, reads, &mut replies);
    }

    #[inline]
    fn answer(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        match request.head.method {
            method::PUT => self.put(request, replies),
            method::CREATE => self.create(request, replies),
            method::PUBLISH => self.publish(request, replies),
            method::ALLOCATE => self.allocate(request, replies),
            method::BLOCKS => self.blocks(request, replies),
            method::ECHO => echo(request, replies),
            _ => self.answer_rarer(request, replies),
        }
    }

    fn answer_rarer(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        match request.head.method {
            method::LIST => self.list(request, replies),
            method::RENAME => self.rename(request, replies),
            method::DELETE => self.delete(request, replies),
            method::APPEND => self.append(request, replies),
            method::PUT_COMMIT => self.put_commit(request, replies),
            method::PIN => self.pin(request, replies),
            method::UNPIN => self.unpin(request, replies),
            method::MULTI_GET => self.multi_get(request, replies),
            method::REMOVE => self.remove(request, replies),
            method::SCAN => self.scan(request, replies),
            method::RENEW => self.renew(request, replies),
            method::USAGE => self.usage(request, replies),
            method::DATANODES => self.datanodes(request, replies),
            method::REGISTER | method::HEARTBEAT if !self.is_datanode => Err(Refused::NotADatanode),
            method::REGISTER => self.register(request, replies),
            method::HEARTBEAT => self.heartbeat(request, replies),
            _ => Err(Refused::UnknownMethod),
        }
    }

    #[inline]
    fn apply<'a>(&'a mut self, command: &Command<'a>) -> Result<Reply<'a>, Failure> {
        self.namespace.apply(self.now, self.session, command)
    }

    fn create(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::CreateRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Create(Create {
            base: NodeId(asked.base()),
            path: asked.path()?,
            kind: translate::kind_of(asked.kind()?)?,
            parents: asked.parents()?,
            replace: asked.replace()?,
            existing_ok: asked.existing_ok()?,
            storage_class: asked.storage_class(),
            location_class: asked.location_class(),
            size_hint: asked.size_hint(),
        }))?;
        let Reply::Opened { node, lease, blocks } = reply else {
            wrong_reply()
        };
        let message = wire::CreateReply {
            node: Some(translate::attributes(&node)),
            lease: lease.0,
            blocks: &translate::blocks(blocks),
        };
        replies.send(request, &message);
        Ok(())
    }

    fn append(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::AppendRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Append {
            base: NodeId(asked.base()),
            path: asked.path()?,
        })?;
        let Reply::Opened { node, lease, blocks } = reply else {
            wrong_reply()
        };
        let message = wire::AppendReply {
            node: Some(translate::attributes(&node)),
            lease: lease.0,
            blocks: &translate::blocks(blocks),
        };
        replies.send(request, &message);
        Ok(())
    }

    fn list(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::ListRequestView::parse(request.message)?;
        let reply = self.apply(&Command::List {
            base: NodeId(asked.base()),
            path: asked.path()?,
            prefix: asked.prefix()?,
            after: asked.after()?,
            limit: asked.limit(),
        })?;
        let Reply::List { entries, more } = reply else {
            wrong_reply()
        };
        let entries = entries.map(|entry| wire::Entry {
            name: entry.name,
            node: Some(translate::attributes(&entry.node)),
        });
        let entries = entries.collect::<Vec<_>>();
        replies.send(
            request,
            &wire::ListReply {
                entries: &entries,
                more,
            },
        );
        Ok(())
    }

    fn rename(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::RenameRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Rename {
            from_base: NodeId(asked.from_base()),
            from: asked.from()?,
            to_base: NodeId(asked.to_base()),
            to: asked.to()?,
            no_replace: asked.no_replace()?,
        })?;
        let Reply::Node { node, .. } = reply else {
            wrong_reply()
        };
        let node = Some(translate::attributes(&node));
        replies.send(request, &wire::RenameReply { node });
        Ok(())
    }

    fn delete(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::DeleteRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Delete {
            base: NodeId(asked.base()),
            path: asked.path()?,
            recursive: asked.recursive()?,
        })?;
        let Reply::Deleted { nodes } = reply else {
            wrong_reply()
        };
        replies.send(request, &wire::DeleteReply { nodes });
        Ok(())
    }

    fn allocate(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::AllocateRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Allocate {
            node: NodeId(asked.node()),
            lease: LeaseId(asked.lease()),
            offset: asked.offset(),
            want: asked.want(),
        })?;
        let Reply::Blocks { blocks, .. } = reply else {
            wrong_reply()
        };
        let blocks = &translate::blocks(blocks);
        replies.send(request, &wire::AllocateReply { blocks });
        Ok(())
    }

    fn blocks(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::BlocksRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Blocks {
            node: NodeId(asked.node()),
            offset: asked.offset(),
            limit: asked.limit(),
        })?;
        let Reply::Blocks { node, blocks } = reply else {
            wrong_reply()
        };
        let message = wire::BlocksReply {
            node: Some(translate::attributes(&node)),
            blocks: &translate::blocks(blocks),
        };
        replies.send(request, &message);
        Ok(())
    }

    fn pin(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::PinRequestView::parse(request.message)?;
        let node = NodeId(asked.node());
        let Reply::Opened { node, lease, .. } = self.apply(&Command::Pin { node })? else {
            wrong_reply()
        };
        let message = wire::PinReply {
            node: Some(translate::attributes(&node)),
            pin: lease.0,
        };
        replies.send(request, &message);
        Ok(())
    }

    fn unpin(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::UnpinRequestView::parse(request.message)?;
        let pin = LeaseId(asked.pin());
        let Reply::Unpinned = self.apply(&Command::Unpin { pin })? else {
            wrong_reply()
        };
        replies.send(request, &wire::UnpinReply {});
        Ok(())
    }

    fn publish(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::PublishRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Publish {
            node: NodeId(asked.node()),
            lease: LeaseId(asked.lease()),
            size: asked.size(),
            seal: asked.seal()?,
        })?;
        let Reply::Node { node, .. } = reply else {
            wrong_reply()
        };
        let node = Some(translate::attributes(&node));
        replies.send(request, &wire::PublishReply { node });
        Ok(())
    }

    fn put(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::PutRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Put(Put {
            table: NodeId(asked.table()),
            path: asked.path()?,
            key: asked.key()?,
            value: asked.value()?,
            condition: translate::condition(asked.condition()?, asked.version()),
            large: asked.large()?,
            size: asked.size(),
        }))?;
        send_put(reply, request, replies);
        Ok(())
    }

    fn put_commit(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::PutCommitRequestView::parse(request.message)?;
        let reply = self.apply(&Command::PutCommit {
            pending: PendingId(asked.pending()),
            abort: asked.abort()?,
        })?;
        send_put(reply, request, replies);
        Ok(())
    }

    fn multi_get(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::MultiGetRequestView::parse(request.message)?;
        let keys = collect(asked.keys()?, KEYS_MAX)?;
        let reply = self.apply(&Command::MultiGet {
            table: NodeId(asked.table()),
            path: asked.path()?,
            keys: &keys,
        })?;
        let Reply::Values(values) = reply else {
            wrong_reply()
        };
        let blocks = values.clone().map(|value| translate::blocks(value.blocks));
        let blocks = blocks.collect::<Vec<_>>();
        let values = values
            .zip(&blocks)
            .map(|(value, blocks)| translate::value(&value, blocks));
        let values = values.collect::<Vec<_>>();
        replies.send(request, &wire::MultiGetReply { values: &values });
        Ok(())
    }

    fn remove(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::RemoveRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Remove {
            table: NodeId(asked.table()),
            path: asked.path()?,
            key: asked.key()?,
            condition: translate::condition(asked.condition()?, asked.version()),
        })?;
        let Reply::Removed { removed } = reply else {
            wrong_reply()
        };
        replies.send(request, &wire::RemoveReply { removed });
        Ok(())
    }

    fn scan(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::ScanRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Scan {
            table: NodeId(asked.table()),
            path: asked.path()?,
            prefix: asked.prefix()?,
            after: asked.after()?,
            limit: asked.limit(),
            keys_only: asked.keys_only()?,
        })?;
        let Reply::Scan { entries, more } = reply else {
            wrong_reply()
        };
        let blocks = entries.clone().map(|entry| translate::blocks(entry.value.blocks));
        let blocks = blocks.collect::<Vec<_>>();
        let entries = entries.zip(&blocks).map(|(entry, blocks)| wire::ScanEntry {
            key: entry.key,
            value: Some(translate::value(&entry.value, blocks)),
        });
        let entries = entries.collect::<Vec<_>>();
        replies.send(
            request,
            &wire::ScanReply {
                entries: &entries,
                more,
            },
        );
        Ok(())
    }

    fn renew(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        wire::RenewRequestView::parse(request.message)?;
        let Reply::Renewed {
            lease_ms,
            incarnation,
        } = self.apply(&Command::Renew)?
        else {
            wrong_reply()
        };
        let endpoints = self.site.endpoints.iter().map(String::as_str);
        let message = wire::RenewReply {
            lease_ms,
            incarnation,
            endpoints: &endpoints.collect::<SmallVec<[&str; 8]>>(),
            host: &self.site.host,
        };
        replies.send(request, &message);
        Ok(())
    }

    fn usage(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        wire::UsageRequestView::parse(request.message)?;
        let Reply::Usage { usage, datanodes } = self.apply(&Command::Usage)? else {
            wrong_reply()
        };
        with_datanodes(datanodes, |datanodes| {
            let message = wire::UsageReply {
                nodes: usage.nodes,
                capacity: usage.capacity,
                used: usage.used,
                datanodes,
                incarnation: usage.incarnation,
                sessions: usage.sessions,
                leases: usage.leases,
            };
            replies.send(request, &message);
        });
        Ok(())
    }

    fn datanodes(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::DatanodesRequestView::parse(request.message)?;
        let ids = asked.ids()?.collect::<SmallVec<[u32; 16]>>();
        let reply = self.apply(&Command::Datanodes { ids: &ids })?;
        let Reply::Datanodes(datanodes) = reply else {
            wrong_reply()
        };
        with_datanodes(datanodes, |datanodes| {
            replies.send(request, &wire::DatanodesReply { datanodes });
        });
        Ok(())
    }

    fn register(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::RegisterRequestView::parse(request.message)?;
        let endpoints = collect(asked.endpoints()?, super::command::ENDPOINTS_MAX)?;
        let reply = self.apply(&Command::Register(Register {
            name: asked.name()?,
            incarnation: asked.incarnation(),
            capacity: asked.capacity(),
            endpoints: &endpoints,
            host: asked.host()?,
            location_class: asked.location_class(),
            storage_class: asked.storage_class(),
            namenode: asked.namenode(),
        }))?;
        let Reply::Registered {
            datanode,
            secret,
            namenode,
            heartbeat_ms,
            reset,
        } = reply
        else {
            wrong_reply()
        };
        tracing::info!(datanode, name = asked.name()?, reset, "a datanode registers");
        let message = wire::RegisterReply {
            datanode,
            secret: if reset { &[] } else { &secret },
            namenode,
            heartbeat_ms,
            reset,
        };
        replies.send(request, &message);
        Ok(())
    }

    fn heartbeat(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::HeartbeatRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Heartbeat {
            datanode: asked.datanode(),
            incarnation: asked.incarnation(),
        })?;
        let Reply::Heartbeat { known } = reply else {
            wrong_reply()
        };
        replies.send(request, &wire::HeartbeatReply { known });
        Ok(())
    }
}

#[inline]
fn read_of<'r>(request: &Request<'r>) -> Result<Read<'r>, WireError> {
    if request.head.method == method::LOOKUP {
        let asked = wire::LookupRequestView::parse(request.message)?;
        return Ok(Read::Lookup {
            base: NodeId(asked.base()),
            path: asked.path_bytes()?,
            blocks: asked.blocks()?,
        });
    }
    let asked = wire::GetRequestView::parse(request.message)?;
    Ok(Read::Get {
        table: NodeId(asked.table()),
        path: asked.path_bytes()?,
        key: asked.key()?,
    })
}

/// What is wrong with the message of a read, if anything is: seen to only when it was refused.
fn check_read(request: &Request<'_>) -> Result<(), WireError> {
    match read_of(request)? {
        Read::Lookup { path, .. } | Read::Get { path, .. } => {
            str::from_utf8(path).map_err(|_| WireError::NotUtf8)?;
        }
    }
    Ok(())
}

/// Sends what reads find.
struct ReadAnswers<'c, 'r, 'a> {
    replies: &'c mut Replies<'a>,
    answers: Option<&'c mut Answers>,
    refusals: &'c mut Refusals<'r>,
}

impl<'r> ReadReplies<&'r Request<'r>> for ReadAnswers<'_, 'r, '_> {
    #[inline]
    fn node(&mut self, request: &'r Request<'r>, node: Attributes, blocks: &[Block], inline_value: &[u8]) {
        let message = wire::LookupReply {
            node: Some(translate::attributes(&node)),
            blocks: &translate::blocks(blocks),
            inline_value,
        };
        self.replies.send(request, &message);
        if let Some(answers) = &mut self.answers {
            note_node(answers, request, &node, blocks, inline_value);
        }
    }

    #[inline]
    fn value(&mut self, request: &'r Request<'r>, value: Value<'_>) {
        let blocks = translate::blocks(value.blocks);
        self.replies.send(request, &translate::value(&value, &blocks));
        if let Some(answers) = self.answers.as_mut().filter(|_| value.found) {
            note_value(answers, request, &value);
        }
    }

    #[cold]
    fn failure(&mut self, request: &'r Request<'r>, failure: Failure) {
        let refused = match check_read(request) {
            Ok(()) => Refused::Denied(failure),
            Err(error) => Refused::Unreadable(error),
        };
        self.refusals.push((request, refused));
    }
}

// Apart from the sending, so that a message is put together where it is sent from and nowhere else.
#[inline(never)]
fn note_node(
    answers: &mut Answers,
    request: &Request<'_>,
    node: &Attributes,
    blocks: &[Block],
    inline_value: &[u8],
) {
    if let Some(key) = key_of(request) {
        answers.given(&key, node.id.index(), || {
            lookup_message(node, blocks, inline_value)
        });
    }
}

#[inline(never)]
fn note_value(answers: &mut Answers, request: &Request<'_>, value: &Value<'_>) {
    if let Some(key) = key_of(request) {
        answers.given(&key, value.node.index(), || value_message(value));
    }
}

fn lookup_message(node: &Attributes, blocks: &[Block], inline_value: &[u8]) -> Vec<u8> {
    let message = wire::LookupReply {
        node: Some(translate::attributes(node)),
        blocks: &translate::blocks(blocks),
        inline_value,
    };
    message.encode_to_vec()
}

fn value_message(value: &Value<'_>) -> Vec<u8> {
    let blocks = translate::blocks(value.blocks);
    translate::value(value, &blocks).encode_to_vec()
}

/// By what clients find the answer to a read.
#[inline]
fn key_of<'r>(request: &Request<'r>) -> Option<Key<'r>> {
    let (flags, base, path, key): (_, _, _, &[u8]) = match read_of(request).ok()? {
        Read::Lookup { base, path, blocks } => (u16::from(blocks), base, path, &[]),
        Read::Get { table, path, key } => (0, table, path, key),
    };
    Some(Key {
        method: request.head.method,
        flags,
        base: base.0,
        path,
        key,
    })
}

/// The message that answers a read now; nothing if it is refused.
fn answer_again(namespace: &mut Namespace, now: Now, key: &Key<'_>) -> Option<Vec<u8>> {
    let (base, path) = (NodeId(key.base), str::from_utf8(key.path).ok()?);
    let command = match key.method {
        method::LOOKUP => Command::Lookup {
            base,
            path,
            blocks: key.flags != 0,
        },
        _ => Command::Get {
            table: base,
            path,
            key: key.key,
        },
    };
    match namespace.apply(now, SessionId::default(), &command).ok()? {
        Reply::Node {
            node,
            blocks,
            inline_value,
        } => Some(lookup_message(&node, blocks, inline_value)),
        Reply::Value(value) => Some(value_message(&value)),
        _ => wrong_reply(),
    }
}

#[inline]
fn echo(request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
    let data = wire::EchoRequestView::parse(request.message)?.data()?;
    replies.send(request, &wire::EchoReply { data });
    Ok(())
}

fn send_put(reply: Reply<'_>, request: &Request<'_>, replies: &mut Replies<'_>) {
    let Reply::Put {
        version,
        pending,
        blocks,
    } = reply
    else {
        wrong_reply()
    };
    let message = wire::PutReply {
        version,
        pending: pending.0,
        blocks: &translate::blocks(blocks),
    };
    replies.send(request, &message);
}

/// Makes messages of `datanodes`, which borrow their lists of endpoints for the length of the call.
fn with_datanodes(datanodes: super::command::Datanodes<'_>, send: impl FnOnce(&[wire::Datanode<'_>])) {
    let datanodes = datanodes.collect::<Vec<_>>();
    let endpoints = datanodes.iter().map(|datanode| {
        datanode
            .endpoints
            .iter()
            .map(|text| &**text)
            .collect::<Vec<&str>>()
    });
    let endpoints = endpoints.collect::<Vec<_>>();
    let messages = datanodes
        .iter()
        .zip(&endpoints)
        .map(|(datanode, texts)| translate::datanode(datanode, texts));
    send(&messages.collect::<Vec<_>>());
}

/// The elements of a list of a message, at most `max` of them: what is longer is refused before it is collected.
fn collect<T>(
    list: impl ExactSizeIterator<Item = Result<T, WireError>>,
    max: usize,
) -> Result<SmallVec<[T; 16]>, Refused> {
    if list.len() > max {
        return Err(Refused::Denied(Failure::TooLong));
    }
    Ok(list.collect::<Result<_, _>>()?)
}

/// The namespace answers each command with the reply that its documentation names.
fn wrong_reply() -> ! {
    unreachable!("a command has its own kind of reply")
}

/// What a request is about, for the text of its failure.
struct Subject<'a>(&'a Request<'a>);

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
            other => f.write_str(method::name(other)),
        })
    }
}
