//! A server's connection: handshake, requests in, answers out.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use arrayvec::ArrayVec;
use crake_datapath::{Error, Intake, Runtime};
use crake_mem::{Buf, Extent};

use crate::answers::Answers;
use crate::handshake::{Hello, Versions};
use crate::header::{HEADER_BYTES, Kind};
use crate::limits::FrameLimits;
use crate::link::{FirstFrameError, Link, Received};
use crate::payload::{Landing, Payload};
use crate::reader::{Frame, Straddle, take_frame, take_plain_frame};
use crate::replies::Replies;
use crate::server::Registry;
use crate::service::{BATCH_MAX, Head, Peer, Place, Request, Service};
use crate::status::Status;
use crate::violation::{Reason, Violation};

/// Why a session is over.
#[derive(Debug)]
enum End {
    /// The client finished, said goodbye, or broke the stream.
    Gone,
    /// The server shuts down.
    Shutdown,
    /// The client did what it may not.
    Rejected(Reason),
}

impl From<Error> for End {
    fn from(_: Error) -> End {
        End::Gone
    }
}

impl From<Violation> for End {
    fn from(violation: Violation) -> End {
        End::Rejected(violation.into())
    }
}

impl From<FirstFrameError> for End {
    fn from(error: FirstFrameError) -> End {
        match error {
            FirstFrameError::Gone => End::Gone,
            FirstFrameError::Foreign => Violation::WrongMagic.into(),
        }
    }
}

/// Serves one client to the end.
pub(crate) async fn serve<S: Service>(
    runtime: Runtime,
    registry: Rc<Registry>,
    service: Rc<RefCell<S>>,
    answers: Rc<Answers>,
    id: u64,
) {
    let guard = Guard {
        registry: &registry,
        answers: &answers,
        id,
    };
    // In a box, so that an idle connection does not keep the room that its handshake needed.
    let handshake = Box::pin(handshake(&runtime, &registry, &service, &answers, id));
    match handshake.await {
        Ok((peer, rest)) => {
            let seat = Rc::new(Seat::new(Session {
                runtime,
                visit: Visit { service, peer },
                registry: registry.clone(),
                limits: answers.limits.get().into(),
                answers: answers.clone(),
                inbound: Inbound::default(),
                requests_read: 0,
                is_over: false,
                ended: None,
            }));
            answers.link.set_intake(Rc::downgrade(&seat) as Weak<dyn Intake>);
            let end = seat.run(rest).await;
            // In a box for the same reason.
            Box::pin(seat.end(end)).await;
        }
        Err(end) => Box::pin(refuse(&runtime, &registry, &answers, id, end)).await,
    }
    drop(guard);
}

/// Tells a client that did not get past the handshake why.
async fn refuse(runtime: &Runtime, registry: &Registry, answers: &Answers, id: u64, end: End) {
    let reason = match end {
        End::Gone => return,
        End::Shutdown => Reason::new(Reason::SHUTTING_DOWN, "the server is shutting down"),
        End::Rejected(reason) => reason,
    };
    tracing::debug!(connection = id, %reason, "refused a client");
    answers
        .link
        .say_farewell(runtime, registry.config.linger, Kind::Refuse, 0, &reason)
        .await;
}

/// Learns who the client is and tells it the limits.
async fn handshake<S: Service>(
    runtime: &Runtime,
    registry: &Registry,
    service: &Rc<RefCell<S>>,
    answers: &Answers,
    id: u64,
) -> Result<(Peer, Buf), End> {
    let link = &answers.link;
    let deadline = runtime.now() + registry.config.handshake_timeout;
    let first = unless_closing(registry, link, link.first_frame());
    let first = runtime.timeout(deadline, first).await;
    let first = first
        .map_err(|_| Violation::HandshakeTimeout)?
        .ok_or(End::Shutdown)??;
    if first.header.kind != Kind::Hello {
        return Err(Violation::UnexpectedFrame.into());
    }
    let hello = Hello::decode(&first.message)?;
    let welcome = hello.answer(Versions::OURS, registry.config.limits.clamped())?;
    let peer = Peer {
        id,
        client: hello.client,
        role: hello.role,
        address: link.peer_address(),
        held: link.held(),
    };
    let opened = service.borrow_mut().opened(&peer);
    opened.map_err(|refusal| End::Rejected(refusal.into()))?;
    answers.limits.set(welcome.limits);
    if let Some(gate) = service.borrow().gate() {
        link.set_gate(gate);
    }
    link.add_handshake(Kind::Welcome, &welcome.encode());
    Ok((peer, first.rest))
}

/// The future's result, or `None` when the server begins to close.
async fn unless_closing<T>(registry: &Registry, link: &Link, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| {
        link.signal.listen(cx);
        if registry.is_closing.get() {
            return Poll::Ready(None);
        }
        future.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Takes the session out of the server's books, however it ends.
struct Guard<'a> {
    registry: &'a Rc<Registry>,
    answers: &'a Rc<Answers>,
    id: u64,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.answers.end();
        self.answers.link.close();
        self.registry.remove(self.id);
    }
}

/// A client that the service has welcomed; tells the service when it is gone.
struct Visit<S: Service> {
    service: Rc<RefCell<S>>,
    peer: Peer,
}

impl<S: Service> Drop for Visit<S> {
    fn drop(&mut self) {
        // Borrowed only if the service itself drops the server.
        if let Ok(mut service) = self.service.try_borrow_mut() {
            service.closed(&self.peer);
        }
    }
}

struct Session<S: Service> {
    runtime: Runtime,
    registry: Rc<Registry>,
    visit: Visit<S>,
    answers: Rc<Answers>,
    limits: FrameLimits,
    inbound: Inbound,
    /// Wraps.
    requests_read: u32,
    /// Nothing is served any more.
    is_over: bool,
    /// Why, until the task has been told.
    ended: Option<End>,
}

#[derive(Default)]
struct Inbound {
    straddle: Straddle,
    arriving: Option<Arriving>,
    /// Memory for the next [`Arriving::message`].
    spare: Vec<u8>,
    /// Length of the head before the payload that came last, if that is a large one with a place.
    large_head: Option<usize>,
}

/// A request whose payload has not come whole.
struct Arriving {
    head: Head,
    message: Vec<u8>,
    landing: Landing,
    refusal: Option<(Status, String)>,
}

type Batch<'m> = ArrayVec<Request<'m>, BATCH_MAX>;

/// A session where both its stream and its task find it.
///
/// What the stream receives it serves at once, in place; the task does what has to wait: payloads, clients that do not read,
/// answers that come later, the end.
struct Seat<S: Service> {
    session: RefCell<Session<S>>,
    answers: Rc<Answers>,
}

impl<S: Service> Intake for Seat<S> {
    fn take(&self, bytes: Buf) -> Option<Buf> {
        match self.session.try_borrow_mut() {
            Ok(mut session) if session.may_serve() => session.serve_in_place(&bytes),
            _ => return Some(bytes),
        }
        None
    }
}

impl<S: Service> Seat<S> {
    fn new(session: Session<S>) -> Seat<S> {
        Seat {
            answers: session.answers.clone(),
            session: RefCell::new(session),
        }
    }

    /// The session's task, until the session has to end.
    async fn run(&self, rest: Buf) -> End {
        let result = self.session.borrow_mut().receive(&rest);
        // It is a part of a receive buffer, also when it is empty.
        drop(rest);
        if let Err(end) = result {
            return end;
        }
        loop {
            let received = match poll_fn(|cx| self.session.borrow_mut().poll_received(cx)).await {
                Ok(received) => received,
                Err(end) => return end,
            };
            if let Err(end) = self.session.borrow_mut().on_received(received) {
                return end;
            }
        }
    }

    /// The session's last words.
    async fn end(&self, end: End) {
        let link = &self.answers.link;
        link.stop_receiving();
        self.session.borrow_mut().stop();
        let reason = match end {
            End::Gone => return,
            End::Shutdown => {
                // They wait for grants, and nothing is received any more.
                self.answers.break_off_streams();
                self.drain().await;
                Reason::new(Reason::SHUTTING_DOWN, "the server is shutting down")
            }
            End::Rejected(reason) => {
                let session = self.session.borrow();
                let peer = &session.visit.peer;
                tracing::warn!(connection = peer.id, client = %peer.client, %reason, "a client broke the protocol");
                reason
            }
        };
        // Nothing follows on them, even if they have to wait.
        self.answers.end();
        let (runtime, linger, requests_read) = self.session.borrow().farewell();
        link.say_farewell(&runtime, linger, Kind::Goodbye, requests_read, &reason)
            .await;
    }

    /// Waits until all requests that were read are answered and the answers have left, or the stream broke.
    async fn drain(&self) {
        let answers = &self.answers;
        poll_fn(|cx| match answers.link.poll_let_go(cx) {
            Poll::Ready(Ok(())) if answers.deferred() > 0 => Poll::Pending,
            sent => sent,
        })
        .await
        .unwrap_or_default();
    }
}

impl<S: Service> Session<S> {
    /// Whether requests may be served as they come. While answers of before are not on their way they may not: a client
    /// that does not read is not read from.
    #[inline]
    fn may_serve(&self) -> bool {
        !self.is_over && !self.registry.is_closing.get() && !self.answers.link.is_pushing()
    }

    /// Serves what came and sends the answers, and wakes the task for what is left to do.
    #[inline]
    fn serve_in_place(&mut self, bytes: &Buf) {
        let received = self.receive(bytes);
        let link = &self.answers.link;
        let sent = link.flush();
        let vacant = self.inbound.vacant();
        let needs_task = vacant.is_some() || link.is_pushing();
        let placed = vacant.map_or(Ok(()), |vacant| link.place(vacant));
        self.ended = received.err().or(sent.and(placed).err().map(End::from));
        self.is_over = self.ended.is_some();
        if self.is_over || needs_task {
            link.signal.raise();
        }
    }

    fn on_received(&mut self, received: Received) -> Result<(), End> {
        match received {
            Received::Bytes(buf) if buf.is_empty() => Err(End::Gone),
            Received::Bytes(buf) => self.receive(&buf),
            Received::Placed(count) => self.receive_placed(count),
        }
    }

    /// Sends answers and waits for what comes next. While answers of before are not on their way nothing is
    /// received.
    fn poll_received(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, End>> {
        let link = &self.answers.link;
        link.signal.listen(cx);
        if let Some(end) = self.ended.take() {
            return Poll::Ready(Err(end));
        }
        if self.registry.is_closing.get() {
            return Poll::Ready(Err(End::Shutdown));
        }
        let sent = link.poll_sent(cx)?;
        self.answers.offer_room();
        if sent.is_pending() && !link.is_receiving() {
            return Poll::Pending;
        }
        let received = ready!(link.poll_receive(|| self.inbound.vacant(), cx));
        Poll::Ready(received.map_err(End::from))
    }

    fn stop(&mut self) {
        self.is_over = true;
        // An extent that the service gave is not written to any more.
        self.inbound = Inbound::default();
    }

    /// What the last words need.
    fn farewell(&self) -> (Runtime, Duration, u32) {
        (
            self.runtime.clone(),
            self.registry.config.linger,
            self.requests_read,
        )
    }
}

/// Requests.
impl<S: Service> Session<S> {
    fn receive(&mut self, buf: &Buf) -> Result<(), End> {
        let mut input: &[u8] = buf;
        if self.inbound.arriving.is_none() {
            self.inbound.large_head = None;
        }
        self.continue_arriving(buf, &mut input);
        if !self.inbound.straddle.is_empty() {
            self.join(buf, &mut input)?;
        }
        self.receive_whole(buf, &mut input)?;
        self.answers.link.expect_head(self.inbound.large_head);
        Ok(())
    }

    /// Completes and serves the frame that the last receive cut.
    fn join(&mut self, buf: &Buf, input: &mut &[u8]) -> Result<(), End> {
        let mut straddle = std::mem::take(&mut self.inbound.straddle);
        let mut result = Ok(());
        if let Some(frame) = straddle.fill(input, &self.limits)? {
            let mut batch = Batch::new();
            result = self.on_frame(frame, buf, input, &mut batch);
            self.serve(&mut batch);
            drop(batch);
            straddle.clear();
        }
        self.inbound.straddle = straddle;
        result
    }

    /// Serves the frames that lie whole in a receive, and keeps what is left over.
    fn receive_whole(&mut self, buf: &Buf, input: &mut &[u8]) -> Result<(), End> {
        let mut batch = Batch::new();
        let mut result = Ok(());
        while result.is_ok() && self.inbound.arriving.is_none() {
            result = self.receive_plain(input, &mut batch);
            if result.is_err() || input.is_empty() {
                break;
            }
            match take_frame(input, &self.limits) {
                Ok(Some(frame)) => result = self.on_frame(frame, buf, input, &mut batch),
                Ok(None) => {
                    self.inbound.straddle.keep(input);
                    break;
                }
                Err(violation) => result = Err(violation.into()),
            }
        }
        // What came before a violation is served.
        self.serve(&mut batch);
        result
    }

    /// Takes the requests in front that have no payload: as a rule all that came.
    fn receive_plain<'m>(&mut self, input: &mut &'m [u8], batch: &mut Batch<'m>) -> Result<(), End> {
        while let Some(frame) = take_plain_frame(input, Kind::Request, &self.limits) {
            self.count_request()?;
            let head = Head {
                id: frame.header.id,
                method: frame.header.code,
                payload_len: 0,
                window: 0,
            };
            self.add(head, frame.message, Payload::None, batch);
        }
        Ok(())
    }

    fn on_frame<'m>(
        &mut self,
        frame: Frame<'m>,
        buf: &Buf,
        input: &mut &[u8],
        batch: &mut Batch<'m>,
    ) -> Result<(), End> {
        let header = &frame.header;
        match header.kind {
            Kind::Request => {
                self.count_request()?;
                let head = Head {
                    id: header.id,
                    method: header.code,
                    payload_len: header.payload_len,
                    window: header.window,
                };
                match head.payload_len {
                    0 => self.add(head, frame.message, Payload::None, batch),
                    _ => self.on_payload(head, frame.message, buf, input, batch),
                }
                Ok(())
            }
            Kind::Cancel => {
                // The request may be in the batch.
                self.serve(batch);
                self.answers.cancel(header.id);
                Ok(())
            }
            Kind::Grant => {
                // The same.
                self.serve(batch);
                self.answers.grant(header.id, header.code);
                Ok(())
            }
            Kind::Goodbye => Err(End::Gone),
            _ => Err(Violation::UnexpectedFrame.into()),
        }
    }

    /// A client has a credit back only when it has the answer, so a request whose answer was not even given to the
    /// stream still holds one.
    #[inline]
    fn count_request(&mut self) -> Result<(), Violation> {
        self.requests_read = self.requests_read.wrapping_add(1);
        let outstanding = self.requests_read.wrapping_sub(self.answers.link.handed());
        match outstanding <= self.answers.limits.get().credits {
            true => Ok(()),
            false => Err(Violation::CreditsExceeded),
        }
    }

    #[inline]
    fn add<'m>(&mut self, head: Head, message: &'m [u8], payload: Payload, batch: &mut Batch<'m>) {
        if batch.is_full() {
            self.serve_full(batch);
        }
        batch.push(Request {
            head,
            message,
            payload,
            index: batch.len() as u8,
        });
    }

    #[inline(never)]
    fn serve_full(&mut self, batch: &mut Batch<'_>) {
        self.serve(batch);
        let link = &self.answers.link;
        let is_heavy = link.outbox.borrow().is_heavy();
        if !is_heavy {
            // The client can work on these answers while the next ones are made. An error shows when the session
            // sends next.
            let _ = link.flush();
        }
    }

    /// Begins to receive a payload; it may be there whole.
    fn on_payload<'m>(
        &mut self,
        head: Head,
        message: &'m [u8],
        buf: &Buf,
        input: &mut &[u8],
        batch: &mut Batch<'m>,
    ) {
        self.serve(batch);
        let (mut landing, refusal) = self.place(&head, message);
        self.inbound.large_head = landing.is_large().then_some(HEADER_BYTES + message.len());
        landing.take(buf, input);
        if !landing.is_complete() {
            let mut kept = std::mem::take(&mut self.inbound.spare);
            kept.extend_from_slice(message);
            self.inbound.arriving = Some(Arriving {
                head,
                message: kept,
                landing,
                refusal,
            });
            return;
        }
        match refusal {
            Some((status, detail)) => self.answers.fail(head.id, status, &detail),
            None => self.add(head, message, landing.finish(), batch),
        }
    }

    fn place(&mut self, head: &Head, message: &[u8]) -> (Landing, Option<(Status, String)>) {
        let len = head.payload_len as usize;
        let place = self
            .visit
            .service
            .borrow_mut()
            .place(&self.visit.peer, head, message);
        match place {
            Place::Pool => (Landing::in_pool(self.runtime.pool(), len), None),
            Place::Into(extent) if extent.len() >= len => (Landing::in_extent(&extent, len), None),
            Place::Into(_) => {
                let detail = "the service gave a place that is too short".to_owned();
                (Landing::nowhere(len), Some((Status::INTERNAL, detail)))
            }
            Place::Refuse(status, detail) => (Landing::nowhere(len), Some((status, detail))),
        }
    }

    fn continue_arriving(&mut self, buf: &Buf, input: &mut &[u8]) {
        if let Some(arriving) = &mut self.inbound.arriving {
            arriving.landing.take(buf, input);
            self.finish_arriving();
        }
    }

    fn receive_placed(&mut self, count: usize) -> Result<(), End> {
        if let Some(arriving) = &mut self.inbound.arriving {
            arriving.landing.filled(count);
        }
        match self.finish_arriving() {
            true => Ok(()),
            // The stream ended before the place was full.
            false => Err(End::Gone),
        }
    }

    /// Serves the request whose payload was arriving if it is whole now.
    fn finish_arriving(&mut self) -> bool {
        let Some(arriving) = self
            .inbound
            .arriving
            .take_if(|arriving| arriving.landing.is_complete())
        else {
            return false;
        };
        let Arriving {
            head,
            mut message,
            landing,
            refusal,
        } = arriving;
        match refusal {
            Some((status, detail)) => self.answers.fail(head.id, status, &detail),
            None => {
                let mut batch = Batch::new();
                self.add(head, &message, landing.finish(), &mut batch);
                self.serve(&mut batch);
            }
        }
        message.clear();
        message.shrink_to(KEPT_MESSAGE_BYTES_MAX);
        self.inbound.spare = message;
        true
    }

    /// Lets the service answer the batch, and empties it.
    fn serve(&mut self, batch: &mut Batch<'_>) {
        if batch.is_empty() {
            return;
        }
        let mut replies = Replies::new(&self.answers);
        let mut service = self.visit.service.borrow_mut();
        service.serve(&self.visit.peer, batch, &mut replies);
        drop(service);
        replies.complete(batch);
        empty(batch);
    }
}

/// Drops the requests. Not by `clear`, which calls a function for each; nearly all hold nothing.
fn empty(batch: &mut Batch<'_>) {
    while let Some(request) = batch.pop() {
        match request.payload {
            Payload::None => std::mem::forget(request),
            _ => drop(request),
        }
    }
}

/// Memory for the message of an arriving request is kept for the next one up to this size.
const KEPT_MESSAGE_BYTES_MAX: usize = 256;

impl Inbound {
    fn vacant(&self) -> Option<Extent> {
        self.arriving.as_ref()?.landing.vacant()
    }
}
