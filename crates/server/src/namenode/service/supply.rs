//! Seeing to it that a partition has slots for its blocks: a reserve, what is told of datanodes, and requests that wait until slots have come
//! from elsewhere (docs/partitions.md, Blocks).

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Poll, Waker};
use std::time::Duration;

use crake_datapath::Runtime;
use crake_mem::Buf;
use crake_rpc::{CallOptions, Replies, Request, Responder, Status};
use crake_store::protocol::namenode::{self as wire, namenode as method};
use crake_wire::Encode;

use super::caller::{Caller, Refusals};
use super::lending::{loan_messages, read_loans, read_member};
use super::partners::Made;
use super::{NamenodeService, Refused, wrong_reply};
use crate::namenode::command::{Command, Failure, LOANS_MAX, Loan, MEMBERS_MAX, Now, Reply, SessionId};
use crate::namenode::log::Log;
use crate::namenode::namespace::Namespace;

/// So often a partition asks what has become of the datanodes.
const HEAR_EVERY_NS: u64 = 200_000_000;
/// After a call that failed, or that brought nothing, only those who wait ask again earlier.
const REST_NS: u64 = 200_000_000;
/// A partition whose slots were asked back lives from hand to mouth for so long.
const REST_AFTER_RECALL_NS: u64 = 1_000_000_000;
/// Somebody waits: partition 0 may have to ask all others.
const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// One that does not answer holds up those who wait for a moment only.
const RECALL_TIMEOUT: Duration = Duration::from_millis(500);
const PAUSE_FOR_LOG: Duration = Duration::from_millis(1);
/// A partition may just be starting: those who wait are told that there is no room only when so many attempts to reach one were in vain.
const ATTEMPTS_MAX: u32 = 20;
const PAUSE_FOR_PARTNER: Duration = Duration::from_millis(50);
/// Nothing is to be done before this without somebody waking.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Slots of a tier that a partition wants to have empty: doubles when somebody had to wait, and halves as time passes.
const RESERVE_MIN: u32 = 4;
const RESERVE_MAX: u32 = 256;
const RESERVE_HALVES_AFTER_NS: u64 = 10_000_000_000;
/// After so many blocks the reserve is looked at.
const BLOCKS_BETWEEN_LOOKS: usize = 16;

/// Requests that wait at once, at most.
const HELD_MAX: usize = 1024;
/// So often those who wait are served again in vain, while there is more to come.
const ROUNDS_MAX: u32 = 32;
const SLOT_BYTES: u64 = 1 << 20;

/// What a service knows of its slots.
#[derive(Default)]
pub(super) struct Supply {
    /// Requests for which there was no room.
    held: Vec<Held>,
    /// The first of these, for which others are being asked now.
    in_round: usize,
    round: Round,
    waker: Option<Waker>,
    is_awake: bool,
    is_closed: bool,
    heard_ns: u64,
    rest_until_ns: u64,
    return_after_ns: u64,
    reserve: u32,
    reserve_ns: u64,
    looked_at: usize,
}

struct Held {
    session: SessionId,
    role: u8,
    method: u16,
    message: Vec<u8>,
    responder: Responder,
}

/// What was done for those who wait.
#[derive(Default)]
struct Round {
    /// Partition 0 has been asked for its datanodes.
    has_heard: bool,
    /// At partition 0: the next partition to be asked.
    next: u16,
    calls: u32,
    /// So often a partition was not reached.
    failed: u32,
    is_pausing: bool,
}

/// What came of a call.
enum Answer {
    Message(Buf),
    /// There is nothing to be had.
    Refused,
    /// Nobody was reached.
    Away,
}

/// A call to another partition.
enum Work {
    Hear(Vec<u8>),
    Borrow {
        sequence: u64,
        urgent: bool,
        message: Vec<u8>,
    },
    GiveBack {
        lender: u64,
        loans: Vec<Loan>,
    },
    Recall {
        partition: u16,
        message: Vec<u8>,
    },
    /// Nothing yet.
    Pause(Duration),
}

impl Supply {
    /// Whether somebody waits.
    pub(super) fn is_pressed(&self) -> bool {
        !self.held.is_empty()
    }

    /// Others need what is empty here.
    pub(super) fn recalled(&mut self, now_ns: u64) {
        self.rest_until_ns = now_ns + REST_AFTER_RECALL_NS;
    }

    /// Has the reserve looked at when enough blocks were issued.
    #[inline]
    pub(super) fn look(&mut self, namespace: &Namespace) {
        if namespace.config.partition == 0 {
            return;
        }
        let turn = namespace.registry.turn();
        if turn.wrapping_sub(self.looked_at) >= BLOCKS_BETWEEN_LOOKS {
            self.looked_at = turn;
            self.wake();
        }
    }

    /// Nobody waits any more.
    pub(super) fn close(&mut self) {
        self.is_closed = true;
        for held in std::mem::take(&mut self.held) {
            held.responder.fail(Status::SHUTTING_DOWN, "");
        }
        self.wake();
    }

    fn wake(&mut self) {
        self.is_awake = true;
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Slots that would help those who wait.
    fn wanted(&self) -> u32 {
        let wanted = self.held.iter().map(|held| wanted_by(held.method, &held.message));
        wanted.sum::<u64>().clamp(1, LOANS_MAX as u64) as u32
    }
}

/// Slots for what a request asks for. It was read before it was refused.
fn wanted_by(asked: u16, message: &[u8]) -> u64 {
    let bytes = match asked {
        method::CREATE => wire::CreateRequestView::parse(message).map(|asked| asked.size_hint()),
        method::ALLOCATE => wire::AllocateRequestView::parse(message).map(|asked| asked.want()),
        method::PUT => wire::PutRequestView::parse(message).map(|asked| asked.size()),
        method::BORROW => {
            let asked = wire::BorrowRequestView::parse(message);
            return asked.map_or(1, |asked| u64::from(asked.wanted()));
        }
        _ => Ok(0),
    };
    bytes.unwrap_or(0).min(LOANS_MAX as u64 * SLOT_BYTES) / SLOT_BYTES + 1
}

impl Caller<'_, '_> {
    /// Keeps a request for which there was no room until others were asked for theirs; false if that is of no use.
    #[cold]
    pub(super) fn set_aside(
        &mut self,
        request: &Request<'_>,
        refused: &Refused,
        replies: &mut Replies<'_>,
    ) -> bool {
        let is_short = matches!(refused, Refused::Denied(Failure::NoSpace | Failure::NoDatanodes));
        if !is_short || self.namespace.is_alone() {
            return false;
        }
        let has_lent = self.namespace.config.partition != 0 || self.namespace.registry.slots_away() > 0;
        if !has_lent || self.supply.is_closed || self.supply.held.len() >= HELD_MAX {
            return false;
        }
        self.supply.held.push(Held {
            session: self.session,
            role: self.role,
            method: request.head.method,
            message: request.message.to_vec(),
            responder: replies.later(request),
        });
        self.supply.wake();
        true
    }
}

impl NamenodeService {
    /// Sees to it that there are slots, as long as this is not dropped.
    pub(crate) async fn keep_supplied(service: Weak<RefCell<NamenodeService>>, runtime: Runtime) {
        loop {
            let Some(this) = service.upgrade() else { return };
            let work = this.borrow_mut().next_work();
            let client = this.borrow().partners.client(work.as_ref().map_or(0, Work::to));
            drop(this);
            let answer = match (&work, client) {
                (None, _) => {
                    wait(&service, &runtime).await;
                    continue;
                }
                (Some(Work::Pause(pause)), _) => {
                    runtime.sleep(*pause).await;
                    continue;
                }
                (Some(_), None) => Answer::Away,
                (Some(work), Some(client)) => {
                    let (method, message, timeout) = work.call(&service);
                    let options = CallOptions::new().timeout(timeout);
                    match client.call(method, &Made(&message), options).await {
                        Ok(reply) => Answer::Message(reply.message),
                        Err(error) if error.status().is_some() => Answer::Refused,
                        Err(_) => Answer::Away,
                    }
                }
            };
            let (Some(this), Some(work)) = (service.upgrade(), work) else {
                return;
            };
            this.borrow_mut().note_answer(&work, &answer);
        }
    }

    /// What is to be done first.
    fn next_work(&mut self) -> Option<Work> {
        let now = self.now();
        self.supply.held.retain(|held| !held.responder.is_cancelled());
        self.supply.in_round = self.supply.in_round.min(self.supply.held.len());
        if self.supply.is_pressed() && self.supply.in_round == 0 {
            self.supply.in_round = self.supply.held.len();
            self.supply.round = Round::default();
        }
        if std::mem::take(&mut self.supply.round.is_pausing) {
            return Some(Work::Pause(PAUSE_FOR_PARTNER));
        }
        match self.namespace.config.partition {
            0 => self.next_recall(),
            _ => self.next_of_borrower(now),
        }
    }

    /// Partition 0 asks the others one after the other.
    fn next_recall(&mut self) -> Option<Work> {
        if self.supply.in_round == 0 {
            return None;
        }
        self.supply.round.next += 1;
        if self.supply.round.next >= self.namespace.config.partitions {
            self.serve_held_again(true);
            // Who came meanwhile begins another round.
            return self.supply.is_pressed().then_some(Work::Pause(PAUSE_FOR_LOG));
        }
        let partition = self.supply.round.next;
        let message = wire::RecallRequest {
            wanted: self.supply.wanted(),
            sequence: self.namespace.lending.sequence(partition),
        };
        Some(Work::Recall {
            partition,
            message: message.encode_to_vec(),
        })
    }

    fn next_of_borrower(&mut self, now: Now) -> Option<Work> {
        if self.supply.in_round > 0 {
            return Some(match self.supply.round.has_heard {
                false => self.hear(),
                true => self.ask(0, false, self.supply.wanted(), true),
            });
        }
        if !self.namespace.borrowing.returning.is_empty() && now.mono_ns >= self.supply.return_after_ns {
            return Some(self.give_back());
        }
        if now.mono_ns >= self.supply.heard_ns.saturating_add(HEAR_EVERY_NS) {
            return Some(self.hear());
        }
        if now.mono_ns < self.supply.rest_until_ns {
            return None;
        }
        self.look_after_reserve(now)
    }

    fn look_after_reserve(&mut self, now: Now) -> Option<Work> {
        let supply = &mut self.supply;
        if now.mono_ns >= supply.reserve_ns.saturating_add(RESERVE_HALVES_AFTER_NS) {
            supply.reserve /= 2;
            supply.reserve_ns = now.mono_ns;
        }
        supply.reserve = supply.reserve.clamp(RESERVE_MIN, RESERVE_MAX);
        let reserve = u64::from(supply.reserve);
        let classes = self.namespace.registry.free_by_class();
        let low = classes.iter().find(|&&(_, free)| free < reserve / 2);
        if let Some(&(class, free)) = low {
            return Some(self.ask(class, true, (reserve - free) as u32, false));
        }
        // Of what is not needed others may make more.
        let spare = classes.iter().map(|&(_, free)| free.saturating_sub(4 * reserve));
        let spare = spare.sum::<u64>().min(LOANS_MAX as u64) as u32;
        if spare == 0 || !self.namespace.borrowing.returning.is_empty() {
            return None;
        }
        self.apply_own(&Command::GiveBack { wanted: spare });
        self.commit();
        Some(self.give_back())
    }

    fn hear(&self) -> Work {
        let after = self.namespace.next_lend(0, false, 0).known;
        let message = wire::MembersRequest {
            partition: u32::from(self.namespace.config.partition),
            incarnation: self.namespace.lending_incarnation(),
            after,
        };
        Work::Hear(message.encode_to_vec())
    }

    /// Asks for the next loan when the one before, and what was told of its datanodes, cannot be lost any more: it would not be told again.
    fn ask(&self, storage_class: u32, only: bool, wanted: u32, urgent: bool) -> Work {
        if !self.is_settled() {
            return Work::Pause(PAUSE_FOR_LOG);
        }
        let lend = self.namespace.next_lend(storage_class, only, wanted);
        let message = wire::BorrowRequest {
            partition: u32::from(lend.partition),
            incarnation: lend.incarnation,
            lender: lend.lender,
            sequence: lend.sequence,
            known: lend.known,
            storage_class,
            only,
            wanted,
            urgent,
        };
        Work::Borrow {
            sequence: lend.sequence,
            urgent,
            message: message.encode_to_vec(),
        }
    }

    /// What was given back must not be used here after a crash.
    fn give_back(&self) -> Work {
        match self.is_settled() {
            false => Work::Pause(PAUSE_FOR_LOG),
            true => Work::GiveBack {
                lender: self.namespace.borrowing.lender,
                loans: self.namespace.borrowing.returning.clone(),
            },
        }
    }

    /// Whether all that this partition has heard and done would be there after a crash.
    fn is_settled(&self) -> bool {
        self.log.as_ref().is_none_or(Log::is_settled)
    }

    /// What came of a call.
    fn note_answer(&mut self, work: &Work, answer: &Answer) {
        let has_brought = match answer {
            Answer::Message(message) => self.note_message(work, message).unwrap_or(false),
            Answer::Refused => false,
            Answer::Away => self.note_away(),
        };
        if !has_brought {
            self.rest(work);
        }
        self.tell();
        self.commit();
    }

    /// Whether those who wait should go on waiting for a partition.
    fn note_away(&mut self) -> bool {
        let round = &mut self.supply.round;
        if self.supply.in_round == 0 || round.failed >= ATTEMPTS_MAX {
            return false;
        }
        round.failed += 1;
        round.is_pausing = true;
        round.next = round.next.saturating_sub(1);
        true
    }

    /// Whether an answer has brought anything.
    fn note_message(&mut self, work: &Work, message: &[u8]) -> Result<bool, Refused> {
        match work {
            Work::Hear(_) => self.note_members(message),
            Work::Borrow { sequence, urgent, .. } => self.note_loans(*sequence, *urgent, message),
            Work::GiveBack { lender, loans } => {
                self.apply_own(&Command::GivenBack {
                    lender: *lender,
                    loans,
                });
                Ok(true)
            }
            Work::Recall { partition, .. } => self.note_returned(*partition, message),
            Work::Pause(_) => Ok(true),
        }
    }

    /// Nothing came: who waits for it is told so, unless others can still be asked.
    fn rest(&mut self, work: &Work) {
        let now = self.now();
        match work {
            Work::Hear(_) => self.supply.heard_ns = now.mono_ns,
            Work::Borrow { .. } => self.supply.rest_until_ns = now.mono_ns + REST_NS,
            Work::GiveBack { .. } => self.supply.return_after_ns = now.mono_ns + REST_NS,
            Work::Recall { .. } | Work::Pause(_) => return,
        }
        if !matches!(work, Work::GiveBack { .. }) {
            self.serve_held_again(true);
        }
    }

    /// Partition 0 has told of datanodes.
    fn note_members(&mut self, message: &[u8]) -> Result<bool, Refused> {
        let reply = wire::MembersReplyView::parse(message)?;
        let members = reply
            .members()?
            .take(MEMBERS_MAX)
            .map(|member| read_member(member?));
        let members = members.collect::<Result<Vec<_>, Refused>>()?;
        let changed = self.apply_own(&Command::MembersChanged {
            lender: reply.lender(),
            version: reply.version(),
            members: &members,
        });
        if !changed {
            // That was all.
            self.supply.heard_ns = self.now().mono_ns;
            self.supply.round.has_heard = true;
        }
        Ok(true)
    }

    /// Partition 0 has lent; false if nothing.
    fn note_loans(&mut self, sequence: u64, urgent: bool, message: &[u8]) -> Result<bool, Refused> {
        let reply = wire::BorrowReplyView::parse(message)?;
        let loans = read_loans(reply.loans()?)?;
        let round = &mut self.supply.round;
        round.calls += 1;
        let is_over = round.calls > ROUNDS_MAX;
        if !reply.known()? {
            round.has_heard = false;
            self.supply.heard_ns = 0;
            return Ok(!is_over);
        }
        if loans.is_empty() {
            return Ok(false);
        }
        self.apply_own(&Command::Borrowed {
            lender: reply.lender(),
            sequence,
            loans: &loans,
        });
        if urgent {
            self.supply.reserve = (self.supply.reserve * 2).clamp(RESERVE_MIN, RESERVE_MAX);
            self.supply.reserve_ns = self.now().mono_ns;
            self.serve_held_again(is_over);
        }
        Ok(true)
    }

    /// A partition has let go of slots.
    fn note_returned(&mut self, partition: u16, message: &[u8]) -> Result<bool, Refused> {
        let reply = wire::RecallReplyView::parse(message)?;
        let loans = read_loans(reply.loans()?)?;
        let has_come = self.apply_own(&Command::TakeBack {
            partition,
            lender: reply.lender(),
            loans: &loans,
        });
        if has_come {
            self.serve_held_again(false);
        } else if reply.late()? {
            // What was lent to it just now it cannot give back yet.
            self.note_away();
        }
        Ok(true)
    }

    /// Whether something has changed by what another partition said. With a full log nothing does.
    fn apply_own(&mut self, command: &Command<'_>) -> bool {
        let now = self.now();
        match self.namespace.apply(now, SessionId::default(), command) {
            Ok(Reply::Settled { changed }) => changed,
            Ok(Reply::Returning { .. }) => true,
            Ok(_) => wrong_reply(),
            Err(_) => false,
        }
    }

    /// Serves those who wait again. If this is the last time, those of this round are told whatever comes.
    fn serve_held_again(&mut self, is_last: bool) {
        let in_round = std::mem::take(&mut self.supply.in_round);
        for (held, at) in std::mem::take(&mut self.supply.held).into_iter().zip(0..) {
            let is_last = is_last && at < in_round;
            let (who, message) = ((held.session, held.role), held.message);
            held.responder
                .serve_again(held.method, &message, |request, replies| {
                    self.serve_held(request, replies, who, is_last);
                });
            if at < in_round {
                self.supply.in_round = self.supply.held.len();
            }
        }
    }

    fn serve_held(
        &mut self,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
        (session, role): (SessionId, u8),
        is_last: bool,
    ) {
        let mut caller = Caller {
            answers: None,
            now: self.now(),
            session,
            role,
            namespace: &mut self.namespace,
            site: &self.site,
            waiting: &mut self.waiting,
            partners: &mut self.partners,
            supply: &mut self.supply,
            refusals: Refusals::new(),
        };
        let Err(refused) = caller.answer(request, replies) else {
            return;
        };
        if !is_last && caller.set_aside(request, &refused, replies) {
            return;
        }
        let refused = caller.with_quota(refused);
        let refused = caller.with_referral(refused);
        self.fail(request, refused, replies);
    }
}

impl Work {
    fn to(&self) -> u16 {
        match self {
            Work::Recall { partition, .. } => *partition,
            _ => 0,
        }
    }

    /// Method, message and how long it may take.
    fn call(&self, service: &Weak<RefCell<NamenodeService>>) -> (u16, Vec<u8>, Duration) {
        match self {
            Work::Hear(message) => (method::MEMBERS, message.clone(), CALL_TIMEOUT),
            Work::Borrow { message, .. } => (method::BORROW, message.clone(), CALL_TIMEOUT),
            Work::GiveBack { lender, loans } => {
                let partition = service
                    .upgrade()
                    .map_or(0, |service| service.borrow().namespace.config.partition);
                let message = wire::GiveBackRequest {
                    partition: u32::from(partition),
                    lender: *lender,
                    loans: &loan_messages(loans),
                };
                (method::GIVE_BACK, message.encode_to_vec(), CALL_TIMEOUT)
            }
            Work::Recall { message, .. } => (method::RECALL, message.clone(), RECALL_TIMEOUT),
            Work::Pause(_) => unreachable!("it is no call"),
        }
    }
}

/// Until somebody wakes, or it is time to look.
async fn wait(service: &Weak<RefCell<NamenodeService>>, runtime: &Runtime) {
    let woken = poll_fn(|context| {
        let Some(service) = service.upgrade() else {
            return Poll::Ready(());
        };
        let supply = &mut service.borrow_mut().supply;
        if std::mem::take(&mut supply.is_awake) {
            return Poll::Ready(());
        }
        supply.waker = Some(context.waker().clone());
        Poll::Pending
    });
    let _ = runtime.timeout(runtime.now() + LOOK_EVERY, woken).await;
}
