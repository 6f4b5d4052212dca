//! The requests of one client, one method each: message to command, reply to message.

use crake_rpc::{Replies, Request};
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_store::protocol::role;
use crake_wire::{Encode, WireError};
use smallvec::SmallVec;

use super::given::{ReadAnswers, read_of};
use super::partners::Partners;
use super::supply::Supply;
use super::told::{Waiting, send_events};
use super::{Answered, Refused, Site, wrong_reply};
use crate::namenode::answers::Answers;
use crate::namenode::command::{
    Command, Create, Datanodes, ENDPOINTS_MAX, Failure, Home, KEYS_MAX, Kind, LeaseId, NodeId, Now,
    PendingId, Put, PutItem, Register, Reply, SessionId,
};
use crate::namenode::namespace::Namespace;
use crate::namenode::reads::Read;
use crate::namenode::translate;

/// One batch of requests of one client.
pub(super) struct Caller<'n, 'r> {
    pub(super) namespace: &'n mut Namespace,
    /// Where answers to who looks there are written down.
    pub(super) answers: Option<&'n mut Answers>,
    pub(super) site: &'n Site,
    pub(super) waiting: &'n mut Waiting,
    pub(super) now: Now,
    pub(super) session: SessionId,
    /// What the peer said that it is.
    pub(super) role: u8,
    pub(super) partners: &'n mut Partners,
    pub(super) supply: &'n mut Supply,
    /// Told when the namespace is no longer borrowed.
    pub(super) refusals: Refusals<'r>,
}

pub(super) type Refusals<'r> = SmallVec<[(&'r Request<'r>, Refused); 4]>;

impl<'r> Caller<'_, 'r> {
    pub(super) fn answer_one(&mut self, request: &'r Request<'r>, replies: &mut Replies<'_>) {
        if let Err(refused) = self.answer(request, replies) {
            if self.set_aside(request, &refused, replies) {
                return;
            }
            let refused = self.with_quota(refused);
            let refused = self.with_referral(refused);
            self.refusals.push((request, refused));
        }
    }

    /// Answers requests that only read.
    #[inline]
    pub(super) fn answer_reads(&mut self, requests: &'r [Request<'r>], replies: &mut Replies<'_>) {
        let reads = requests
            .iter()
            .map(|request| (request, read_of(request).unwrap_or(Read::NOWHERE)));
        let mut replies = ReadAnswers {
            replies,
            // What this very batch has changed may still be undone, and clients would find it.
            answers: self
                .answers
                .as_deref_mut()
                .filter(|_| self.namespace.journal.is_empty()),
            refusals: &mut self.refusals,
        };
        self.namespace.read_batch(self.now, reads, &mut replies);
    }

    #[inline]
    pub(super) fn answer(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
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
            method::SEAL => self.seal(request, replies),
            method::WATCH => self.watch(request, replies),
            method::UNWATCH => self.unwatch(request, replies),
            method::EVENTS => self.events(request, replies),
            method::MULTI_GET => self.multi_get(request, replies),
            method::REMOVE => self.remove(request, replies),
            method::ADD => self.add(request, replies),
            method::MULTI_PUT => self.multi_put(request, replies),
            method::SET_TTL => self.set_ttl(request, replies),
            method::SCAN => self.scan(request, replies),
            method::OPEN_TABLE => self.open_table(request, replies),
            method::RENEW => self.renew(request, replies),
            method::USAGE => self.usage(request, replies),
            method::DATANODES => self.datanodes(request, replies),
            method::ISSUED => self.issued(request, replies),
            method::OWNERS => self.owners(request, replies),
            method::FREE_LEAKED => self.free_leaked(request, replies),
            method::TIES => self.ties(request, replies),
            method::REMOVE_TIE => self.remove_tie(request, replies),
            method::REGISTER | method::HEARTBEAT if self.role != role::DATANODE => Err(Refused::NotADatanode),
            method::REGISTER if self.namespace.config.partition != 0 => Err(Refused::NotForDatanodes),
            method::REGISTER => self.register(request, replies),
            method::HEARTBEAT => self.heartbeat(request, replies),
            method::JOB_CREATE => self.job_create(request, replies),
            method::JOB_LIST => self.job_list(request, replies),
            method::JOB_END => self.job_end(request, replies),
            method::ERRANDS | method::MEMBERS | method::BORROW | method::GIVE_BACK | method::RECALL
                if self.role != role::NAMENODE =>
            {
                Err(Refused::NotAPartition)
            }
            method::ERRANDS => self.errands(request, replies),
            method::MEMBERS => self.members(request, replies),
            method::BORROW => self.borrow(request, replies),
            method::GIVE_BACK => self.give_back(request, replies),
            method::RECALL => self.recall(request, replies),
            _ => Err(Refused::UnknownMethod),
        }
    }

    #[inline]
    pub(super) fn apply<'a>(&'a mut self, command: &Command<'a>) -> Result<Reply<'a>, Failure> {
        self.namespace.apply(self.now, self.session, command)
    }

    fn create(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let is_alone = self.namespace.is_alone();
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
            ttl_ns: translate::ttl_ns(asked.ttl_ms())?,
            branch: home_of(&asked)?,
            spread: asked.spread()?,
        }))?;
        let Reply::Opened { node, lease, blocks } = reply else {
            wrong_reply()
        };
        let blocks = translate::blocks(blocks);
        let message = wire::CreateReply {
            node: Some(translate::attributes(&node)),
            lease: lease.0,
            blocks: &blocks,
        };
        if is_alone {
            replies.send(request, &message);
            return Ok(());
        }
        let message = message.encode_to_vec();
        let table = (node.kind == Kind::Table).then_some(node.id);
        drop(blocks);
        self.send_or_park(request, replies, message, table);
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
            blocks: asked.blocks()?,
        })?;
        let Reply::List {
            entries,
            shards,
            more,
        } = reply
        else {
            wrong_reply()
        };
        let blocks = entries.clone().map(|entry| translate::blocks(entry.blocks));
        let blocks = blocks.collect::<Vec<_>>();
        let entries = entries.zip(&blocks).map(|(entry, blocks)| wire::Entry {
            name: entry.name,
            node: Some(translate::attributes(&entry.node)),
            blocks,
            elsewhere: entry.elsewhere,
        });
        let entries = entries.collect::<Vec<_>>();
        replies.send(
            request,
            &wire::ListReply {
                entries: &entries,
                more,
                shards: &ids_of(shards),
            },
        );
        Ok(())
    }

    fn open_table(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::OpenTableRequestView::parse(request.message)?;
        let reply = self.apply(&Command::OpenTable {
            base: NodeId(asked.base()),
            path: asked.path()?,
        })?;
        let Reply::Table { node, shards } = reply else {
            wrong_reply()
        };
        let message = wire::OpenTableReply {
            node: Some(translate::attributes(&node)),
            shards: &ids_of(shards),
        };
        replies.send(request, &message);
        Ok(())
    }

    fn rename(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let is_alone = self.namespace.is_alone();
        let asked = wire::RenameRequestView::parse(request.message)?;
        let command = rename_of(&asked)?;
        let reply = self.apply(&command)?;
        let Reply::Node { node, .. } = reply else {
            wrong_reply()
        };
        let link = self.namespace.branches.link_at(node.id.index());
        let mut node = translate::attributes(&node);
        let elsewhere = link.map_or(0, |link| {
            node.id = link.branch.0;
            link.elsewhere()
        });
        let message = wire::RenameReply {
            node: Some(node),
            elsewhere,
        };
        match is_alone {
            true => replies.send(request, &message),
            false => self.send_or_park_move(request, replies, message.encode_to_vec()),
        }
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
        let message = wire::DeleteReply { nodes }.encode_to_vec();
        self.send_or_park(request, replies, message, None);
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

    fn seal(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::SealRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Seal {
            base: NodeId(asked.base()),
            path: asked.path()?,
        })?;
        let Reply::Node { node, .. } = reply else {
            wrong_reply()
        };
        let node = Some(translate::attributes(&node));
        replies.send(request, &wire::SealReply { node });
        Ok(())
    }

    fn watch(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::WatchRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Watch {
            base: NodeId(asked.base()),
            path: asked.path()?,
        })?;
        let Reply::Watched { watch, watcher, node } = reply else {
            wrong_reply()
        };
        let message = wire::WatchReply {
            watch,
            node: Some(translate::attributes(&node)),
            watcher,
        };
        replies.send(request, &message);
        Ok(())
    }

    fn unwatch(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let watch = wire::UnwatchRequestView::parse(request.message)?.watch();
        let Reply::Unwatched = self.apply(&Command::Unwatch { watch })? else {
            wrong_reply()
        };
        replies.send(request, &wire::UnwatchReply {});
        Ok(())
    }

    /// Answers with what has happened, or when something does.
    fn events(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::EventsRequestView::parse(request.message)?;
        let (watcher, after) = (asked.watcher(), asked.after());
        let session = self.session;
        // A client that asks again has given up what it asked before.
        self.waiting.end(session, after);
        let Reply::Events(list) = self.apply(&Command::Events { watcher, after })? else {
            wrong_reply()
        };
        if list.has_news() {
            send_events(list, |message| replies.send(request, message));
        } else {
            let (now_ns, later) = (self.now.mono_ns, replies.later(request));
            self.waiting.add(session, (watcher, after), now_ns, later);
        }
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
            ttl_ns: translate::ttl_ns(asked.ttl_ms())?,
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

    fn multi_put(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::MultiPutRequestView::parse(request.message)?;
        let items = collect(asked.items()?.map(put_item), KEYS_MAX)?;
        let reply = self.apply(&Command::MultiPut {
            table: NodeId(asked.table()),
            path: asked.path()?,
            items: &items,
        })?;
        let Reply::Outcomes(outcomes) = reply else {
            wrong_reply()
        };
        let outcomes = outcomes.iter().map(translate::outcome).collect::<Vec<_>>();
        replies.send(request, &wire::MultiPutReply { outcomes: &outcomes });
        Ok(())
    }

    fn set_ttl(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::SetTtlRequestView::parse(request.message)?;
        let reply = self.apply(&Command::SetTtl {
            base: NodeId(asked.base()),
            path: asked.path()?,
            key: asked.key()?,
            ttl_ns: translate::ttl_ns(asked.ttl_ms())?,
        })?;
        let Reply::Node { node, .. } = reply else {
            wrong_reply()
        };
        let node = Some(translate::attributes(&node));
        replies.send(request, &wire::SetTtlReply { node });
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
        let blocks = translate::all_blocks(values.clone());
        let mut rest = &blocks[..];
        let values = values.map(|value| translate::value_with_first(&value, &mut rest));
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

    fn add(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::AddRequestView::parse(request.message)?;
        let reply = self.apply(&Command::Add {
            table: NodeId(asked.table()),
            path: asked.path()?,
            key: asked.key()?,
            delta: asked.delta(),
        })?;
        let Reply::Added { value, version } = reply else {
            wrong_reply()
        };
        replies.send(request, &wire::AddReply { value, version });
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
        let partitions = self.partners.map.iter().map(String::as_str);
        let message = wire::RenewReply {
            lease_ms,
            incarnation,
            endpoints: &endpoints.collect::<SmallVec<[&str; 8]>>(),
            host: &self.site.host,
            partition: u32::from(self.namespace.config.partition),
            partitions: &partitions.collect::<SmallVec<[&str; 8]>>(),
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
        let endpoints = collect(asked.endpoints()?, ENDPOINTS_MAX)?;
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

fn ids_of(nodes: &[NodeId]) -> SmallVec<[u64; 8]> {
    nodes.iter().map(|node| node.0).collect()
}

#[inline]
fn echo(request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
    let data = wire::EchoRequestView::parse(request.message)?.data()?;
    replies.send(request, &wire::EchoReply { data });
    Ok(())
}

fn put_item<'a>(item: Result<wire::PutItemView<'a>, WireError>) -> Result<PutItem<'a>, Refused> {
    let item = item?;
    Ok(PutItem {
        key: item.key()?,
        value: item.value()?,
        condition: translate::condition(item.condition()?, item.version()),
        ttl_ns: translate::ttl_ns(item.ttl_ms())?,
    })
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
fn with_datanodes(datanodes: Datanodes<'_>, send: impl FnOnce(&[wire::Datanode<'_>])) {
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
pub(super) fn collect<T, E>(
    list: impl ExactSizeIterator<Item = Result<T, E>>,
    max: usize,
) -> Result<SmallVec<[T; 16]>, Refused>
where
    Refused: From<E>,
{
    if list.len() > max {
        return Err(Refused::Denied(Failure::TooLong));
    }
    Ok(list.collect::<Result<_, _>>()?)
}

fn rename_of<'a>(asked: &wire::RenameRequestView<'a>) -> Result<Command<'a>, Refused> {
    let from_base = NodeId(asked.from_base());
    let (from, to) = (asked.from()?, asked.to()?);
    let no_replace = asked.no_replace()?;
    Ok(match asked.to_partition().checked_sub(1) {
        None => Command::Rename {
            from_base,
            from,
            to_base: NodeId(asked.to_base()),
            to,
            no_replace,
        },
        Some(partition) => Command::RenameTo {
            from_base,
            from,
            partition: u16::try_from(partition).map_err(|_| Failure::NotFound)?,
            directory: NodeId(asked.to_base()),
            name: to,
            no_replace,
        },
    })
}

/// Where the directory of a new container is, if that is said to be another partition.
fn home_of(asked: &wire::CreateRequestView<'_>) -> Result<Option<Home>, Refused> {
    let Some(partition) = asked.branch_of().checked_sub(1) else {
        return Ok(None);
    };
    let partition = u16::try_from(partition).map_err(|_| Failure::NotFound)?;
    Ok(Some(Home {
        partition,
        level: asked.level(),
    }))
}
