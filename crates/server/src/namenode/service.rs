//! Answers the requests of clients and datanodes: turns messages into commands and replies into messages.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use crake_datapath::Runtime;
use crake_mem::Region;
use crake_rpc::{BATCH_MAX, Gate, Head, Peer, Place, Replies, Request, Service, Status};
use crake_store::canary::{Canary, planted};
use crake_store::protocol::Referral;
use crake_store::protocol::namenode::namenode as method;
use crake_wire::WireError;

use super::answers::Answers;
use super::command::{Command, Failure, Now, OverQuota, Reply, SessionId, Usage};
use super::log::Log;
use super::namespace::Namespace;
use super::reads::READS_MAX;
use caller::{Caller, Refusals};
use given::{answer_again, is_read};
pub(crate) use partners::Partner;
use partners::Partners;
use subject::Subject;
use supply::Supply;
use told::Waiting;

mod caller;
mod census;
mod given;
mod jobs;
mod lending;
mod partners;
mod scanned;
mod subject;
mod supply;
mod told;

/// What all endpoints of a namenode serve.
pub(crate) struct NamenodeService {
    namespace: Namespace,
    answers: Option<Answers>,
    /// Where what has changed is written down before anybody is answered.
    log: Option<Log>,
    runtime: Runtime,
    /// The namespace's clock less the runtime's: it goes on over restarts.
    mono_offset_ns: u64,
    /// The wall clock less the runtime's, as it was when it was last looked at.
    wall_offset_ns: u64,
    /// Room for the text of a failure, so that a name that is not there costs no allocation.
    detail: String,
    site: Site,
    /// Clients that wait to be told what happens.
    waiting: Waiting,
    /// The other partitions.
    partners: Partners,
    /// Slots for blocks, which the partitions lend each other.
    supply: Supply,
}

/// Where a namenode is, as clients are told.
#[derive(Default)]
pub(crate) struct Site {
    pub(crate) endpoints: Vec<String>,
    pub(crate) host: String,
}

impl NamenodeService {
    pub(crate) fn new(runtime: &Runtime, namespace: Namespace, log: Option<Log>) -> NamenodeService {
        let mut service = NamenodeService {
            mono_offset_ns: namespace.now.mono_ns.saturating_sub(runtime.now().0),
            namespace,
            answers: None,
            log,
            runtime: runtime.clone(),
            wall_offset_ns: 0,
            detail: String::new(),
            site: Site::default(),
            waiting: Waiting::default(),
            partners: Partners::default(),
            supply: Supply::default(),
        };
        service.look_at_wall_clock();
        service
    }

    /// What it serves.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The log, if there is one.
    pub(crate) fn log_mut(&mut self) -> Option<&mut Log> {
        self.log.as_mut()
    }

    /// What has happened is in the log before anybody hears of it.
    #[inline]
    fn commit(&mut self) {
        if let Some(log) = &mut self.log {
            log.commit();
        }
    }

    /// Another partition knows more of this one than its log has.
    #[cold]
    fn be_behind(&mut self, partition: u16) {
        if let Some(log) = &mut self.log {
            log.be_behind(partition);
        }
    }

    /// Where each partition of the namespace is, for clients.
    pub(crate) fn set_partitions(&mut self, map: Vec<String>) {
        self.partners.map = map;
    }

    /// What is known once it listens.
    pub(crate) fn set_site(&mut self, site: Site) {
        self.site = site;
    }

    /// Has answers written down where clients of this machine find them.
    pub(crate) fn share(&mut self, answers: Answers) {
        self.namespace.set_changes(&answers.changes());
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
        if let Some(log) = &mut self.log {
            log.check(&self.namespace)?;
        }
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
        self.waiting.look(&mut self.namespace, now);
        self.partners.look(&self.namespace);
        self.settle_moves();
        self.tell();
        self.commit();
        let next = self.namespace.next_timeout();
        next.map(|at_ns| at_ns.saturating_sub(self.mono_offset_ns))
    }

    /// Answers those whose renames have ended.
    fn settle_moves(&mut self) {
        let ended = self.namespace.take_ended_moves();
        self.partners.settle_moves(ended);
    }

    /// Tells those who wait for it what has happened.
    fn tell(&mut self) {
        while let Some(session) = self.namespace.next_told() {
            let now = self.now();
            self.waiting.tell(&mut self.namespace, now, session);
        }
    }

    /// Nobody is told anything any more.
    pub(crate) fn end_waiting(&mut self) {
        self.waiting.close();
        self.partners.close();
        self.supply.close();
    }

    /// The wall clock is not read for each request: it moves with the runtime's between two looks.
    fn look_at_wall_clock(&mut self) {
        self.wall_offset_ns = self.runtime.wall().0.wrapping_sub(self.runtime.now().0);
    }

    fn now(&self) -> Now {
        let runtime_ns = self.runtime.now().0;
        Now {
            mono_ns: runtime_ns + self.mono_offset_ns,
            wall_ns: runtime_ns.wrapping_add(self.wall_offset_ns),
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
            Refused::NotAPartition => {
                self.detail
                    .push_str("only another partition of the namespace does this");
                Status::UNAUTHORIZED
            }
            Refused::NotForDatanodes => {
                self.detail.push_str("datanodes register with partition 0");
                Status::UNAUTHORIZED
            }
            Refused::Referred(referral) => {
                let _ = write!(self.detail, "{referral}");
                Status(Failure::Elsewhere.code().number())
            }
            Refused::Denied(failure) => {
                let _ = write!(self.detail, "{failure}: {}", Subject(request));
                Status(failure.code().number())
            }
            Refused::OverQuota(over) => {
                jobs::tell_over_quota(&mut self.detail, &over);
                Status(Failure::QuotaExceeded.code().number())
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

    fn gate(&self) -> Option<Rc<Gate>> {
        self.service.borrow().log.as_ref().map(Log::gate)
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
        // Clients must not find what may still be undone.
        let is_settled = self.log.as_ref().is_none_or(Log::is_settled);
        let mut caller = Caller {
            answers: self.answers.as_mut().filter(|_| shares && is_settled),
            now,
            session: SessionId(peer.client.0),
            role: peer.role,
            namespace: &mut self.namespace,
            site: &self.site,
            waiting: &mut self.waiting,
            partners: &mut self.partners,
            supply: &mut self.supply,
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
        if !planted(Canary::ReplyBeforeLogRecord) {
            self.commit();
        }
        if let Some(partition) = self.partners.take_ahead() {
            self.be_behind(partition);
        }
        self.settle_moves();
        self.tell();
        if self.namespace.errands.take_news() {
            self.partners.wake();
        }
        self.supply.look(&self.namespace);
    }
}

const _: () = assert!(BATCH_MAX <= READS_MAX);

/// Why a request is not answered.
enum Refused {
    Unreadable(WireError),
    UnknownMethod,
    /// By what it said when it connected.
    NotADatanode,
    NotAPartition,
    /// Datanodes register with partition 0.
    NotForDatanodes,
    Denied(Failure),
    /// Another partition goes on with that.
    Referred(Referral),
    /// The same, by the quota of a job.
    OverQuota(OverQuota),
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

/// The namespace answers each command with the reply that its documentation names.
fn wrong_reply() -> ! {
    unreachable!("a command has its own kind of reply")
}
