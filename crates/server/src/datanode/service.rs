//! Answers the requests of clients.

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::time::Duration;

use crake_datapath::{Held, Runtime};
use crake_rpc::{Head, Payload, Peer, Place, Replies, Request, Service, Status};
use crake_store::protocol::datanode::{
    CheckReply, CheckRequestView, LandedReply, LandedRequestView, ReadReply, ReadRequestView, ReserveReply,
    ReserveRequestView, StatusReply, WriteReply, WriteRequestView, datanode as method,
};
use crake_store::protocol::{CHECK_HANDLES_MAX, Code, Handle};
use crake_wire::WireError;

use super::blocks::{Access, Blocks, Identity, Refusal};
use super::waiting::{Waiting, Write};

/// How often waiting writes are looked at while nothing else happens.
const RETRY_EVERY: Duration = Duration::from_millis(2);

/// How often it is asked of clients that were cut off whether they are gone, while nobody waits for that.
const SWEEP_EVERY: Duration = Duration::from_millis(50);

/// Cuts off a connection, given its number as [`Endpoint`] makes it.
pub(crate) type CutOff = Rc<dyn Fn(u64)>;

/// What all endpoints of a datanode serve.
pub(crate) struct DatanodeService {
    blocks: Blocks,
    waiting: Waiting,
    runtime: Runtime,
    itself: Weak<RefCell<DatanodeService>>,
    cut_off: CutOff,
    /// Whether a task looks after clients that were cut off.
    is_sweeping: bool,
}

impl DatanodeService {
    pub(crate) fn new(runtime: &Runtime, blocks: Blocks) -> Rc<RefCell<DatanodeService>> {
        Rc::new_cyclic(|itself| {
            RefCell::new(DatanodeService {
                blocks,
                waiting: Waiting::default(),
                runtime: runtime.clone(),
                itself: itself.clone(),
                cut_off: Rc::new(|_| ()),
                is_sweeping: false,
            })
        })
    }

    /// How connections are cut off. Must be set before the first request.
    pub(crate) fn set_cut_off(&mut self, cut_off: CutOff) {
        self.cut_off = cut_off;
    }

    pub(crate) fn blocks_mut(&mut self) -> &mut Blocks {
        &mut self.blocks
    }

    pub(crate) fn identify(&mut self, identity: Identity) {
        self.blocks.identify(identity);
    }

    /// `None`: the payload goes to pool memory, and to its place when it is whole.
    fn place(
        &mut self,
        connection: u64,
        head: &Head,
        message: &[u8],
    ) -> Result<Option<crake_mem::Extent>, Failure> {
        if head.method != method::WRITE {
            return Err(Failure::Message("only a write has a payload"));
        }
        let access = self.write_access(message, head.payload_len)?;
        if !self.blocks.may_land(&access)? || self.waiting.any_in(&access.bytes()) {
            return Ok(None);
        }
        Ok(Some(self.blocks.land(connection, head.id, access)))
    }

    fn serve(
        &mut self,
        connection: u64,
        held: Option<&Held>,
        requests: &[Request<'_>],
        replies: &mut Replies<'_>,
    ) {
        self.retry_waiting();
        for request in requests {
            let result = match request.head.method {
                method::READ => self.read(connection, request, replies),
                method::WRITE => self.write(connection, request, replies),
                method::RESERVE => self.reserve(connection, held, request, replies),
                method::LANDED => self.landed(connection, request, replies),
                method::CHECK => self.check(request, replies),
                method::STATUS => {
                    replies.send(request, &self.status());
                    Ok(())
                }
                _ => Err(Failure::UnknownMethod),
            };
            if let Err(failure) = result {
                let (status, detail) = self.explain(failure);
                replies.fail(request, status, &detail);
            }
        }
    }

    fn read(
        &mut self,
        connection: u64,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Result<(), Failure> {
        let read = ReadRequestView::parse(request.message)?;
        let access = self
            .blocks
            .access(read.handle()?, Handle::READ, read.offset(), read.length())?;
        let bytes = self.blocks.read(connection, &access)?;
        replies.send_with(request, &ReadReply {}, bytes);
        Ok(())
    }

    fn write(
        &mut self,
        connection: u64,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Result<(), Failure> {
        if let Payload::Placed(_) = request.payload {
            let landed = self.blocks.landed(connection, request.head.id);
            landed.ok_or(Failure::Message("a payload came for no request"))??;
            replies.send(request, &WriteReply {});
            return Ok(());
        }
        let access = self.write_access(request.message, request.head.payload_len)?;
        let payload = request.payload.to_sga();
        let is_behind = self.waiting.any_in(&access.bytes());
        if !is_behind && self.blocks.store(&access, &payload)? {
            replies.send(request, &WriteReply {});
            return Ok(());
        }
        if self.waiting.is_full() {
            return Err(Failure::Busy);
        }
        self.wait(Write {
            access,
            payload,
            responder: replies.later(request),
            since: self.runtime.now(),
        });
        Ok(())
    }

    fn reserve(
        &mut self,
        connection: u64,
        held: Option<&Held>,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Result<(), Failure> {
        let held = held.ok_or(Failure::Message("this connection has no memory to write to"))?;
        let reserve = ReserveRequestView::parse(request.message)?;
        let (offset, length) = (reserve.offset(), reserve.length());
        let access = self
            .blocks
            .access(reserve.handle()?, Handle::WRITE, offset, length)?;
        if self.waiting.any_in(&access.bytes()) {
            return Err(Refusal::NotFree.into());
        }
        self.blocks
            .reserve(connection, reserve.reservation(), held, access)?;
        replies.send(request, &ReserveReply {});
        Ok(())
    }

    fn landed(
        &mut self,
        connection: u64,
        request: &Request<'_>,
        replies: &mut Replies<'_>,
    ) -> Result<(), Failure> {
        let landed = LandedRequestView::parse(request.message)?;
        let result = self
            .blocks
            .reservation_ended(connection, landed.reservation(), !landed.given_up()?);
        // Somebody may have waited for it.
        self.retry_waiting();
        result?;
        replies.send(request, &LandedReply {});
        Ok(())
    }

    /// Looks, and changes nothing that a read would not.
    fn check(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) -> Result<(), Failure> {
        let check = CheckRequestView::parse(request.message)?;
        let (handles, lengths) = (check.handles()?, check.lengths()?);
        let count = lengths.len();
        if count > CHECK_HANDLES_MAX || handles.len() != count * Handle::BYTES {
            return Err(Failure::Message(
                "a length for each handle, and at most 512 of them",
            ));
        }
        let mut codes = Vec::with_capacity(count);
        for (handle, len) in handles.chunks_exact(Handle::BYTES).zip(lengths) {
            codes.push(match self.blocks.check(handle, len) {
                Ok(()) => 0,
                Err(Refusal::Denied(code)) => u32::from(code.number()),
                Err(refusal) => return Err(refusal.into()),
            });
        }
        replies.send(request, &CheckReply { codes: &codes });
        Ok(())
    }

    fn write_access(&mut self, message: &[u8], payload_len: u32) -> Result<Access, Failure> {
        let write = WriteRequestView::parse(message)?;
        Ok(self
            .blocks
            .access(write.handle()?, Handle::WRITE, write.offset(), payload_len)?)
    }

    fn status(&self) -> StatusReply {
        let (blocks, written) = self.blocks.written();
        let identity = self.blocks.identity();
        StatusReply {
            datanode: identity.map_or(0, |identity| identity.datanode),
            incarnation: identity.map_or(0, |identity| identity.incarnation),
            capacity: self.blocks.len_bytes(),
            blocks,
            written,
        }
    }

    fn closed(&mut self, connection: u64) {
        self.blocks.closed(connection);
        self.retry_waiting();
        if self.blocks.has_closed_reservers() && !self.is_sweeping {
            self.is_sweeping = true;
            let swept = sweep_reservations(self.runtime.clone(), self.itself.clone());
            self.runtime.spawn(swept).detach();
        }
    }

    /// Keeps a write until its bytes are free. The first one starts a task that looks after all of them.
    fn wait(&mut self, write: Write) {
        if self.waiting.is_empty() {
            let attended = attend_waiting(self.runtime.clone(), self.itself.clone());
            self.runtime.spawn(attended).detach();
        }
        self.waiting.push(write);
    }

    fn retry_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let mut refused = Vec::new();
        let now = self.runtime.now();
        self.waiting
            .retry(now, &mut self.blocks, |responder, result| match result {
                Ok(()) => responder.send(&WriteReply {}),
                Err(refusal) => refused.push((responder, refusal)),
            });
        for (responder, refusal) in refused {
            let (status, detail) = self.explain(refusal.into());
            responder.fail(status, &detail);
        }
    }

    /// The connections that have kept a write waiting for too long.
    fn overdue(&mut self) -> Vec<u64> {
        let mut connections = Vec::new();
        let now = self.runtime.now();
        self.waiting
            .overdue(now, &mut self.blocks, |connection| connections.push(connection));
        connections.sort_unstable();
        connections.dedup();
        connections
    }

    fn explain(&self, failure: Failure) -> (Status, String) {
        let who = self.blocks.identity().map_or(0, |identity| identity.datanode);
        match failure {
            Failure::Unreadable(error) => (Status::BAD_REQUEST, format!("datanode {who}: {error}")),
            Failure::Message(what) => (Status::BAD_REQUEST, format!("datanode {who}: {what}")),
            Failure::UnknownMethod => (
                Status::UNKNOWN_METHOD,
                format!("datanode {who} has no such method"),
            ),
            Failure::Busy => (
                Status::OVERLOADED,
                format!("datanode {who}: too many writes wait for bytes in use"),
            ),
            Failure::Refused(Refusal::Unregistered) => (
                Status::UNAVAILABLE,
                "the datanode is not registered with a namenode yet".into(),
            ),
            Failure::Refused(Refusal::TooFragmented) => (
                Status::OVERLOADED,
                format!("datanode {who}: too many holes between written ranges"),
            ),
            Failure::Refused(Refusal::NotFree) => (
                Status::OVERLOADED,
                format!("datanode {who}: these bytes are in use, or written already"),
            ),
            Failure::Refused(Refusal::TooManyReservations) => (
                Status::OVERLOADED,
                format!("datanode {who}: too many reservations"),
            ),
            Failure::Refused(Refusal::ReservationExists) => (
                Status::BAD_REQUEST,
                format!("datanode {who}: there is a reservation of this number"),
            ),
            Failure::Refused(Refusal::NoReservation) => (
                Status::BAD_REQUEST,
                format!("datanode {who}: there is no reservation of this number"),
            ),
            Failure::Refused(Refusal::Held) => (
                Status::OVERLOADED,
                format!("datanode {who}: a process that does not answer may still be writing these bytes"),
            ),
            Failure::Refused(Refusal::Denied(code)) => (
                Status(code.number()),
                format!("datanode {who}: {}", meaning(code)),
            ),
        }
    }
}

fn meaning(code: Code) -> &'static str {
    match code {
        Code::Stale => "the handle is of an earlier life of its block or of this datanode",
        Code::Forged => "the handle was not signed for this datanode",
        Code::OutOfRange => "the range leaves the block",
        Code::Unwritten => "not all of these bytes were written",
        Code::NoRight => "the handle does not give this right",
        other => other.name(),
    }
}

/// Looks after waiting writes until there are none: puts them into place when their bytes become free, and cuts
/// off those who keep them busy for too long.
async fn attend_waiting(runtime: Runtime, service: Weak<RefCell<DatanodeService>>) {
    loop {
        runtime.sleep(RETRY_EVERY).await;
        let Some(service) = service.upgrade() else { return };
        service.borrow_mut().blocks.sweep();
        service.borrow_mut().retry_waiting();
        if service.borrow().waiting.is_empty() {
            return;
        }
        let overdue = service.borrow_mut().overdue();
        let cut_off = service.borrow().cut_off.clone();
        for connection in overdue {
            tracing::info!(
                connection,
                "cut off: it kept bytes of a block busy that somebody else waits to write"
            );
            cut_off(connection);
        }
    }
}

/// Looks after clients that are cut off and may still be writing, until there are none.
async fn sweep_reservations(runtime: Runtime, service: Weak<RefCell<DatanodeService>>) {
    loop {
        runtime.sleep(SWEEP_EVERY).await;
        let Some(service) = service.upgrade() else { return };
        let mut service = service.borrow_mut();
        service.blocks.sweep();
        service.is_sweeping = service.blocks.has_closed_reservers();
        if !service.is_sweeping {
            return;
        }
    }
}

/// Why a request fails.
enum Failure {
    Unreadable(WireError),
    Message(&'static str),
    UnknownMethod,
    Busy,
    Refused(Refusal),
}

impl From<WireError> for Failure {
    fn from(error: WireError) -> Failure {
        Failure::Unreadable(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

/// One endpoint of a datanode. Endpoints number their connections each for itself; here they become different.
pub(crate) struct Endpoint {
    service: Rc<RefCell<DatanodeService>>,
    number: u64,
}

impl Endpoint {
    const NUMBER_SHIFT: u32 = 56;

    pub(crate) fn new(service: &Rc<RefCell<DatanodeService>>, number: u8) -> Endpoint {
        Endpoint {
            service: service.clone(),
            number: u64::from(number),
        }
    }

    /// The number of the endpoint, and that of the connection at it.
    pub(crate) fn split(connection: u64) -> (usize, u64) {
        let number = connection >> Endpoint::NUMBER_SHIFT;
        (number as usize, connection ^ number << Endpoint::NUMBER_SHIFT)
    }

    fn connection(&self, peer: &Peer) -> u64 {
        self.number << Endpoint::NUMBER_SHIFT | peer.id
    }
}

impl Service for Endpoint {
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        self.service
            .borrow_mut()
            .serve(self.connection(peer), peer.held.as_ref(), requests, replies);
    }

    fn place(&mut self, peer: &Peer, head: &Head, message: &[u8]) -> Place {
        let mut service = self.service.borrow_mut();
        match service.place(self.connection(peer), head, message) {
            Ok(Some(extent)) => Place::Into(extent),
            Ok(None) => Place::Pool,
            Err(failure) => {
                let (status, detail) = service.explain(failure);
                Place::Refuse(status, detail)
            }
        }
    }

    fn closed(&mut self, peer: &Peer) {
        self.service.borrow_mut().closed(self.connection(peer));
    }
}
