//! The other partitions of a namespace: errands there and from there, and who waits for them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crake_datapath::{Address, Runtime};
use crake_rpc::{
    CallError, CallOptions, Client, ClientConfig, ClientId, ConnectError, Replies, Request, Responder, Status,
};
use crake_store::protocol::Code;
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_store::protocol::role;
use crake_wire::{Encode, WireError};

use super::caller::Caller;
use super::{Answered, NamenodeService, Refused, wrong_reply};
use crate::namenode::command::{
    Command, Destination, Errand, ErrandName, Failure, NodeId, Reply, SessionId, Trace,
};
use crate::namenode::errands::ERRANDS_MAX;
use crate::namenode::namespace::Namespace;
use crate::namenode::translate;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// So often a partition is looked for that has nothing to do: to see that it is another one.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Between attempts: doubles from the first to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// While the log is on its way to the device.
const PAUSE_FOR_LOG: Duration = Duration::from_millis(1);
/// Why a table is not made.
const NOT_ALL_THERE: &str = "not all partitions of the namespace have done their part in time";
/// Bytes of the names in the errands of one request.
const NAMES_BYTES_MAX: usize = 16 * 1024;

/// A partition, as the others reach it.
#[derive(Clone, Debug)]
pub(crate) struct Partner {
    pub(crate) partition: u16,
    pub(crate) addresses: Vec<Address>,
}

/// What a service knows of the partitions of its namespace.
#[derive(Default)]
pub(super) struct Partners {
    /// Where each partition is, as clients are told; empty if there is one.
    pub(super) map: Vec<String>,
    /// Answers that wait for errands, by numbers of their own.
    parked: BTreeMap<u64, Parked>,
    parked_ever: u64,
    /// Which of them waits for which errand.
    waiting: BTreeMap<(u16, u64), u64>,
    /// Answers that wait for the end of a rename, by its number.
    moving: BTreeMap<u64, Parked>,
    tasks: Vec<Waker>,
    /// Connections to those that are attended, or were last.
    clients: BTreeMap<u16, Client>,
    /// One that knows more of this partition than its log has.
    ahead: Option<u16>,
}

struct Parked {
    responder: Responder,
    message: Vec<u8>,
    /// Errands that are not done yet.
    left: usize,
    /// The answer says that this table was made: that it was is not sure before all is done.
    table: Option<NodeId>,
}

impl Parked {
    fn settle(self, refused: Option<Failure>) {
        match refused {
            None => self.responder.send(&Made(self.message)),
            Some(failure) => self.fail(failure.code(), failure.code().name()),
        }
    }

    fn fail(self, code: Code, detail: &str) {
        self.responder.fail(Status(code.number()), detail);
    }
}

/// A message that was made before.
pub(super) struct Made<B>(pub(super) B);

impl<B: AsRef<[u8]>> Encode for Made<B> {
    fn encoded_len(&self) -> usize {
        self.0.as_ref().len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0.as_ref());
    }
}

impl Partners {
    /// Holds an answer back until errands are done.
    fn park(&mut self, errands: BTreeMap<u16, u64>, parked: Parked) {
        let number = self.parked_ever;
        self.parked_ever += 1;
        self.waiting
            .extend(errands.into_iter().map(|errand| (errand, number)));
        self.parked.insert(number, parked);
    }

    fn settle(&mut self, errand: (u16, u64), refused: Option<Failure>, namespace: &Namespace) {
        let Some(number) = self.waiting.remove(&errand) else {
            return;
        };
        let Some(parked) = self.parked.get_mut(&number) else {
            return;
        };
        parked.left -= 1;
        let is_over = parked.left == 0 || refused.is_some();
        if let Some(parked) = is_over.then(|| self.parked.remove(&number)).flatten() {
            match parked.table.is_none_or(|table| namespace.is_made(table)) || refused.is_some() {
                true => parked.settle(refused),
                false => parked.fail(Code::Busy, NOT_ALL_THERE),
            }
        }
    }

    /// The same for renames that have ended.
    pub(super) fn settle_moves(&mut self, ended: Vec<(u64, Option<Failure>)>) {
        for (number, refused) in ended {
            if let Some(parked) = self.moving.remove(&number) {
                parked.settle(refused);
            }
        }
    }

    /// A connection to a partition, if there has been one.
    pub(super) fn client(&self, to: u16) -> Option<Client> {
        self.clients.get(&to).cloned()
    }

    /// Nobody is answered any more about errands to a partition: what they were about is gone.
    fn lose(&mut self, partition: u16) {
        for (_, number) in self.waiting.extract_if(.., |&(to, _), _| to == partition) {
            if let Some(parked) = self.parked.remove(&number) {
                parked.fail(Code::NotFound, "the other partition of the namespace began anew");
            }
        }
    }

    /// Lets go of those whom nobody waits for any more, and says so to who waits for nothing.
    pub(super) fn look(&mut self, namespace: &Namespace) {
        self.parked.retain(|_, parked| !parked.responder.is_cancelled());
        self.moving.retain(|_, parked| !parked.responder.is_cancelled());
        let is_given_up = |parked: &Parked| {
            let table = parked.table;
            table.is_some_and(|table| namespace.is_given_up(table))
        };
        for (_, parked) in self.parked.extract_if(.., |_, parked| is_given_up(parked)) {
            parked.fail(Code::Busy, NOT_ALL_THERE);
        }
    }

    pub(super) fn close(&mut self) {
        let parked = std::mem::take(&mut self.parked).into_values();
        let moving = std::mem::take(&mut self.moving).into_values();
        for parked in parked.chain(moving) {
            parked.responder.fail(Status::SHUTTING_DOWN, "");
        }
    }

    #[inline]
    pub(super) fn take_ahead(&mut self) -> Option<u16> {
        self.ahead.take()
    }

    /// There are errands, or there is nobody any more.
    pub(super) fn wake(&mut self) {
        self.tasks.drain(..).for_each(Waker::wake);
    }
}

impl Caller<'_, '_> {
    /// Sends an answer, or has it wait for what the command that it is to has set off at other partitions. `table` is what it says to be made.
    pub(super) fn send_or_park(
        &mut self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
        message: Vec<u8>,
        table: Option<NodeId>,
    ) {
        let errands = self.namespace.errands.take_awaited();
        if errands.is_empty() {
            return replies.send(request, &Made(message));
        }
        let parked = Parked {
            responder: replies.later(request),
            message,
            left: errands.len(),
            table,
        };
        self.partners.park(errands, parked);
    }

    /// The same of a rename, which waits for its end.
    pub(super) fn send_or_park_move(
        &mut self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
        message: Vec<u8>,
    ) {
        let Some(number) = self.namespace.await_move() else {
            return replies.send(request, &Made(message));
        };
        let parked = Parked {
            responder: replies.later(request),
            message,
            left: 0,
            table: None,
        };
        self.partners.moving.insert(number, parked);
    }

    /// Says where another partition goes on.
    pub(super) fn with_referral(&mut self, refused: Refused) -> Refused {
        match (refused, self.namespace.take_referral()) {
            (Refused::Denied(Failure::Elsewhere), Some(referral)) => Refused::Referred(referral),
            (refused, _) => refused,
        }
    }

    /// Does the errands of another partition.
    pub(super) fn errands(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Answered {
        let asked = wire::ErrandsRequestView::parse(request.message)?;
        let config = &self.namespace.config;
        let (mine, count) = (config.incarnation, u32::from(config.partitions));
        let own = config.partition;
        let partition = u16::try_from(asked.partition())
            .ok()
            .filter(|&partition| u32::from(partition) < count && partition != config.partition)
            .ok_or(Failure::NotFound)?;
        let (mut outcomes, mut nodes) = (Vec::new(), Vec::new());
        let known = self.namespace.errands.incarnation(partition);
        if ![0, known].contains(&asked.incarnation()) {
            self.apply(&Command::MeetPartner {
                partition,
                incarnation: asked.incarnation(),
            })?;
        }
        if asked.known() == mine {
            if self.namespace.errands.is_behind(partition, asked.done()) {
                self.partners.ahead = Some(partition);
                return Err(Failure::NotFound.into());
            }
            for (errand, id) in asked.errands()?.zip(asked.first()..).take(ERRANDS_MAX) {
                let errand = &read_errand(errand?, own)?;
                let done = self.apply(&Command::DoErrand {
                    partition,
                    id,
                    errand,
                });
                if let Ok(Reply::Made { node }) = done {
                    nodes.push(node.0);
                } else {
                    nodes.push(0);
                }
                let refused = done.err();
                // It is neither done nor refused: to be asked again later, and all behind it.
                if !self.namespace.has_heard(partition, id) {
                    break;
                }
                outcomes.push(code_of(refused));
            }
        }
        let message = wire::ErrandsReply {
            incarnation: mine,
            outcomes: &outcomes,
            nodes: &nodes[..outcomes.len()],
            heard: self.namespace.errands.heard(partition),
        };
        replies.send(request, &message);
        Ok(())
    }
}

/// What is asked of partition `own`.
fn read_errand(view: wire::ErrandView<'_>, own: u16) -> Result<Errand, Refused> {
    let branch = NodeId(view.branch());
    let number = view.number();
    Ok(match view.errand()? {
        wire::ErrandKind::Link => Errand::Link {
            destination: read_destination(&view, own)?,
            kind: translate::kind_of(view.kind()?)?,
            branch,
        },
        wire::ErrandKind::Unlink => Errand::Unlink { branch },
        wire::ErrandKind::Drop => Errand::Drop { branch },
        wire::ErrandKind::Move => Errand::Move {
            branch,
            destination: read_destination(&view, partition_of(view.to())?)?,
        },
        wire::ErrandKind::Moved => Errand::Moved {
            branch,
            refused: refusal_of(view.code()),
        },
        wire::ErrandKind::Lock => Errand::Lock { number },
        wire::ErrandKind::Unlock => Errand::Unlock { number },
        wire::ErrandKind::Trace => Errand::Trace(Trace {
            origin: partition_of(view.origin())?,
            number,
            home: partition_of(view.to())?,
            node: branch,
            link_of: view.link_of().checked_sub(1).map(partition_of).transpose()?,
            from: NodeId(view.directory()),
            hops: view.hops(),
        }),
        wire::ErrandKind::Traced => Errand::Traced {
            number,
            refused: refusal_of(view.code()),
        },
        wire::ErrandKind::Shard => Errand::Shard {
            table: branch,
            storage_class: view.storage_class(),
            location_class: view.location_class(),
        },
        wire::ErrandKind::DropShard => Errand::DropShard { table: branch },
        wire::ErrandKind::ErrandNone => return Err(Refused::Denied(Failure::WrongKind)),
    })
}

fn read_destination(view: &wire::ErrandView<'_>, partition: u16) -> Result<Destination, Refused> {
    Ok(Destination {
        partition,
        directory: NodeId(view.directory()),
        name: ErrandName::new(view.name()?),
        replace: view.replace()?,
    })
}

/// A number of a partition, which may be one that there is not.
fn partition_of(number: u32) -> Result<u16, Refused> {
    u16::try_from(number).map_err(|_| Refused::Denied(Failure::NotFound))
}

/// Why something was refused, by its code; 0: it was not. What refuses for a reason that is not known here has it there already.
fn refusal_of(code: u32) -> Option<Failure> {
    let number = u16::try_from(code).unwrap_or(u16::MAX);
    (code != 0).then(|| Failure::from_number(number).unwrap_or(Failure::AlreadyExists))
}

fn code_of(refused: Option<Failure>) -> u32 {
    refused.map_or(0, |failure| u32::from(failure.code().number()))
}

fn errand_message(errand: &Errand) -> wire::Errand<'_> {
    let of_branch = |errand, branch: NodeId| wire::Errand {
        errand,
        branch: branch.0,
        ..wire::Errand::default()
    };
    let of_move = |errand, number| wire::Errand {
        errand,
        number,
        ..wire::Errand::default()
    };
    match *errand {
        Errand::Link {
            ref destination,
            kind,
            branch,
        } => wire::Errand {
            kind: translate::kind(kind),
            ..with_destination(of_branch(wire::ErrandKind::Link, branch), destination)
        },
        Errand::Unlink { branch } => of_branch(wire::ErrandKind::Unlink, branch),
        Errand::Drop { branch } => of_branch(wire::ErrandKind::Drop, branch),
        Errand::Move {
            branch,
            ref destination,
        } => with_destination(of_branch(wire::ErrandKind::Move, branch), destination),
        Errand::Moved { branch, refused } => wire::Errand {
            code: code_of(refused),
            ..of_branch(wire::ErrandKind::Moved, branch)
        },
        Errand::Lock { number } => of_move(wire::ErrandKind::Lock, number),
        Errand::Unlock { number } => of_move(wire::ErrandKind::Unlock, number),
        Errand::Trace(ref trace) => trace_message(trace),
        Errand::Traced { number, refused } => wire::Errand {
            code: code_of(refused),
            ..of_move(wire::ErrandKind::Traced, number)
        },
        Errand::Shard {
            table,
            storage_class,
            location_class,
        } => wire::Errand {
            storage_class,
            location_class,
            ..of_branch(wire::ErrandKind::Shard, table)
        },
        Errand::DropShard { table } => of_branch(wire::ErrandKind::DropShard, table),
    }
}

fn with_destination<'a>(message: wire::Errand<'a>, destination: &'a Destination) -> wire::Errand<'a> {
    wire::Errand {
        to: u32::from(destination.partition),
        directory: destination.directory.0,
        name: destination.name.as_bytes(),
        replace: destination.replace,
        ..message
    }
}

fn trace_message(trace: &Trace) -> wire::Errand<'_> {
    let Trace {
        origin,
        number,
        home,
        node,
        link_of,
        from,
        hops,
    } = *trace;
    wire::Errand {
        errand: wire::ErrandKind::Trace,
        branch: node.0,
        directory: from.0,
        to: u32::from(home),
        number,
        origin: u32::from(origin),
        link_of: link_of.map_or(0, |partition| u32::from(partition) + 1),
        hops,
        ..wire::Errand::default()
    }
}

/// The first words with a partition in this life of the process: whether it has done what this one has never asked for.
struct Meeting {
    to: u16,
    /// The last errand to it before this life.
    sent: u64,
    is_over: bool,
}

/// Errands on their way to a partition.
struct Batch {
    first: u64,
    count: usize,
    message: Vec<u8>,
}

impl NamenodeService {
    /// Tells a partition what it is to do, as long as this is not dropped.
    pub(crate) async fn keep_partner(
        service: Weak<RefCell<NamenodeService>>,
        runtime: Runtime,
        partner: Partner,
    ) {
        let id = ClientId(u128::from(runtime.random()) << 64 | u128::from(runtime.random()));
        let mut pause = PAUSE_FIRST;
        let Some(mut met) = service
            .upgrade()
            .map(|service| service.borrow().meeting(partner.partition))
        else {
            return;
        };
        for at in (0..partner.addresses.len()).cycle() {
            let address = &partner.addresses[at];
            let Err(ended) = attend(&service, &runtime, (address, id), &mut met, &mut pause).await;
            let Ended::Failed(error) = ended else { return };
            tracing::debug!(partition = partner.partition, %address, %error, "another partition is away");
            runtime.sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    fn meeting(&self, to: u16) -> Meeting {
        Meeting {
            to,
            sent: self.namespace.errands.sent(to).0,
            is_over: false,
        }
    }

    /// The first errands to a partition, if what they follow from cannot be lost any more; without any, or before it was met, only a greeting.
    fn batch(&self, met: &Meeting) -> Option<Batch> {
        let to = met.to;
        if !self
            .log
            .as_ref()
            .is_none_or(crate::namenode::log::Log::is_settled)
        {
            return None;
        }
        let namespace = &self.namespace;
        let (first, errands) = namespace.errands_to(to);
        let known = namespace.errands.incarnation(to);
        let mut room = NAMES_BYTES_MAX;
        let errands = errands.take(ERRANDS_MAX).take_while(|errand| {
            let bytes = match errand {
                Errand::Link { destination, .. } | Errand::Move { destination, .. } => {
                    destination.name.as_bytes().len()
                }
                _ => 0,
            };
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits && known != 0 && met.is_over
        });
        let errands: Vec<_> = errands.map(errand_message).collect();
        let message = wire::ErrandsRequest {
            partition: u32::from(namespace.config.partition),
            incarnation: namespace.config.incarnation,
            known,
            first,
            errands: &errands,
            done: namespace.errands.sent(to).1,
        };
        Some(Batch {
            first,
            count: errands.len(),
            message: message.encode_to_vec(),
        })
    }

    /// Takes note of what came of a batch.
    fn note_outcomes(&mut self, met: &mut Meeting, batch: &Batch, message: &[u8]) -> Result<(), WireError> {
        let (to, reply) = (met.to, wire::ErrandsReplyView::parse(message)?);
        if !met.is_over && reply.heard() > met.sent {
            self.be_behind(to);
            return Ok(());
        }
        met.is_over = true;
        let (now, nobody) = (self.now(), SessionId::default());
        let (known, incarnation) = (self.namespace.errands.incarnation(to), reply.incarnation());
        if incarnation != known && incarnation != 0 {
            let meet = Command::MeetPartner {
                partition: to,
                incarnation,
            };
            // If the log is full it is met a little later.
            if self.namespace.apply(now, nobody, &meet).is_ok() && known != 0 {
                self.partners.lose(to);
            }
        } else {
            let outcomes = reply.outcomes()?.zip(batch.first..).take(batch.count);
            let nodes = reply.nodes()?.chain(std::iter::repeat(0));
            for ((outcome, id), node) in outcomes.zip(nodes) {
                let refused = refusal_of(outcome);
                let done = Command::ErrandDone {
                    to,
                    id,
                    refused,
                    node: NodeId(node),
                };
                match self.namespace.apply(now, nobody, &done) {
                    Ok(Reply::Done) => {}
                    Ok(_) => wrong_reply(),
                    Err(_) => break,
                }
                self.partners.settle((to, id), refused, &self.namespace);
            }
        }
        self.settle_moves();
        self.tell();
        self.commit();
        Ok(())
    }

    fn has_errands(&self, to: u16) -> bool {
        self.namespace.errands_to(to).1.next().is_some()
    }

    fn poll_errands(&mut self, to: u16, context: &mut Context<'_>) -> Poll<()> {
        if self.has_errands(to) {
            return Poll::Ready(());
        }
        let tasks = &mut self.partners.tasks;
        if !tasks.iter().any(|task| task.will_wake(context.waker())) {
            tasks.push(context.waker().clone());
        }
        Poll::Pending
    }
}

/// Why a partition is not attended any more.
enum Ended {
    Failed(Box<dyn std::error::Error>),
    /// The service is gone.
    Over,
}

impl From<CallError> for Ended {
    fn from(error: CallError) -> Ended {
        Ended::Failed(error.into())
    }
}

impl From<ConnectError> for Ended {
    fn from(error: ConnectError) -> Ended {
        Ended::Failed(error.into())
    }
}

impl From<WireError> for Ended {
    fn from(error: WireError) -> Ended {
        Ended::Failed(error.into())
    }
}

async fn attend(
    service: &Weak<RefCell<NamenodeService>>,
    runtime: &Runtime,
    (address, id): (&Address, ClientId),
    met: &mut Meeting,
    pause: &mut Duration,
) -> Result<Infallible, Ended> {
    let config = ClientConfig {
        client: id,
        role: role::NAMENODE,
        connect_timeout: CONNECT_TIMEOUT,
        call_timeout: CALL_TIMEOUT,
        ..ClientConfig::default()
    };
    let to = met.to;
    let client = Client::connect(runtime, address, config).await?;
    let service = || -> Result<Rc<RefCell<NamenodeService>>, Ended> { service.upgrade().ok_or(Ended::Over) };
    service()?
        .borrow_mut()
        .partners
        .clients
        .insert(to, client.clone());
    loop {
        let batch = service()?.borrow().batch(met);
        let Some(batch) = batch else {
            runtime.sleep(PAUSE_FOR_LOG).await;
            continue;
        };
        let request = Made(&batch.message);
        let reply = client.call(method::ERRANDS, &request, CallOptions::new()).await?;
        service()?
            .borrow_mut()
            .note_outcomes(met, &batch, &reply.message)?;
        *pause = PAUSE_FIRST;
        let is_stuck = batch.count > 0 && {
            let service = service()?;
            let service = service.borrow();
            service.namespace.errands_to(to).0 == batch.first
        };
        if is_stuck {
            runtime.sleep(PAUSE_FOR_LOG).await;
        }
        let news = poll_fn(|context| match service() {
            Ok(service) => service.borrow_mut().poll_errands(to, context),
            Err(_) => Poll::Ready(()),
        });
        // Late or not: who is there is greeted.
        let _ = runtime.timeout(runtime.now() + LOOK_EVERY, news).await;
    }
}
