//! A connection's stream with what is to be sent on it and what is being received: what both sides have in common.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use crake_datapath::{Address, Error, Held, Intake, Memory, Op, Runtime, Stream};
use crake_mem::{Buf, Extent, Pool, Sga};

use crate::gate::Gate;
use crate::header::{Header, Kind};
use crate::limits::FrameLimits;
use crate::outbox::Outbox;
use crate::reader::Straddle;
use crate::violation::Reason;

/// One side of a connection. A single task receives and flushes; anybody on the runtime may add frames.
pub(crate) struct Link {
    /// Gone when the link is closed, whoever still holds the link.
    stream: RefCell<Option<Stream>>,
    pub outbox: RefCell<Outbox>,
    /// What was flushed and not taken by the stream at once. Meanwhile the outbox grows.
    pushing: RefCell<Option<Op<()>>>,
    receiving: RefCell<Receiving>,
    /// What a receive takes at most: see [`Link::expect_head`].
    receive_max: Cell<usize>,
    pub signal: Rc<Signal>,
    /// Of a server whose answers may have to wait.
    gated: OnceCell<Gated>,
    /// Calls (on a client) or answers (on a server) that were put into the outbox, wrapping.
    counted: Cell<u32>,
    /// How many of these the stream was given.
    handed: Cell<u32>,
}

/// What waits at a gate.
struct Gated {
    gate: Rc<Gate>,
    /// In the order in which it goes out.
    held: RefCell<VecDeque<HeldBytes>>,
    /// For [`Gate::wait`].
    waits_since: Cell<u64>,
}

struct HeldBytes {
    /// What has to be reached.
    until: u64,
    /// The number of the last answer among them.
    counted: u32,
    bytes: Vec<u8>,
}

enum Receiving {
    Nothing,
    Pop(Op<Buf>),
    Into(Op<usize>),
}

/// The frame that a peer begins with.
pub(crate) struct FirstFrame {
    pub header: Header,
    pub message: Vec<u8>,
    /// Received behind it.
    pub rest: Buf,
}

/// Why there is none.
pub(crate) enum FirstFrameError {
    /// The stream ended or failed.
    Gone,
    /// The bytes are no frame of a handshake.
    Foreign,
}

impl From<Error> for FirstFrameError {
    fn from(_: Error) -> FirstFrameError {
        FirstFrameError::Gone
    }
}

/// What came.
pub(crate) enum Received {
    /// Bytes; none when the peer has finished.
    Bytes(Buf),
    /// So many bytes in the extent; less than it holds when the peer has finished.
    Placed(usize),
}

impl Link {
    pub(crate) fn new(stream: Stream, pool: &Pool, gather: crake_wire::Limits) -> Link {
        Link {
            stream: RefCell::new(Some(stream)),
            outbox: RefCell::new(Outbox::new(pool, gather)),
            pushing: RefCell::new(None),
            receiving: RefCell::new(Receiving::Nothing),
            receive_max: Cell::new(usize::MAX),
            signal: Rc::default(),
            gated: OnceCell::new(),
            counted: Cell::new(0),
            handed: Cell::new(0),
        }
    }

    /// Numbers a call or an answer that is being put into the outbox, from 1.
    #[inline]
    pub(crate) fn count(&self) -> u32 {
        let number = self.counted.get().wrapping_add(1);
        self.counted.set(number);
        number
    }

    /// The number of the last call or answer that the stream was given.
    #[inline]
    pub(crate) fn handed(&self) -> u32 {
        self.handed.get()
    }

    /// Has what is received shown to `intake` first. It is not kept alive.
    pub(crate) fn set_intake(&self, intake: Weak<dyn Intake>) {
        // A link that is closed receives nothing.
        let _ = self.with_stream(|stream| stream.set_intake(intake));
    }

    /// What the server shares; nothing once the link is closed.
    pub(crate) fn memory(&self) -> Option<Memory> {
        self.stream.borrow().as_ref().and_then(Stream::memory)
    }

    /// What the client still has of memory that the server shares for writing.
    pub(crate) fn held(&self) -> Option<Held> {
        self.stream.borrow().as_ref().and_then(Stream::held)
    }

    /// Whether the stream has not yet taken what it was given.
    #[inline]
    pub(crate) fn is_pushing(&self) -> bool {
        self.pushing.borrow().is_some()
    }

    /// Gives the outbox to the stream, unless an earlier part of it is still on its way.
    pub(crate) fn flush(&self) -> Result<(), Error> {
        if let Some(gated) = self.gated.get()
            && (!gated.gate.is_open() || self.is_holding())
        {
            return self.flush_gated(gated);
        }
        self.flush_open()
    }

    /// Has what is sent wait at a gate from now on.
    pub(crate) fn set_gate(&self, gate: Rc<Gate>) {
        let gated = Gated {
            gate,
            held: RefCell::default(),
            waits_since: Cell::new(0),
        };
        let is_first = self.gated.set(gated).is_ok();
        debug_assert!(is_first, "a link has one gate");
    }

    /// Whether something waits at the gate.
    pub(crate) fn is_holding(&self) -> bool {
        let gated = self.gated.get();
        gated.is_some_and(|gated| !gated.held.borrow().is_empty())
    }

    /// Puts the outbox behind what waits, and sends what waits no longer.
    #[cold]
    fn flush_gated(&self, gated: &Gated) -> Result<(), Error> {
        let mut held = gated.held.borrow_mut();
        if !self.outbox.borrow().is_empty() {
            let sga = self.outbox.borrow_mut().take();
            // Copied: what waits must not keep whole receive buffers.
            let mut bytes = vec![0; sga.len_bytes()];
            sga.copy_to(&mut bytes);
            held.push_back(HeldBytes {
                until: gated.gate.needed(),
                counted: self.counted.get(),
                bytes,
            });
        }
        if self.pushing.borrow().is_some() {
            return Ok(());
        }
        let reached = gated.gate.reached();
        let mut due = Sga::new();
        while let Some(part) = held.pop_front_if(|part| part.until <= reached) {
            self.handed.set(part.counted);
            due.push(Buf::from_vec(part.bytes));
        }
        if !held.is_empty() {
            gated.gate.wait(&self.signal, &gated.waits_since);
        }
        drop(held);
        match due.is_empty() {
            true => Ok(()),
            false => self.push(due),
        }
    }

    fn flush_open(&self) -> Result<(), Error> {
        if self.pushing.borrow().is_some() || self.outbox.borrow().is_empty() {
            return Ok(());
        }
        self.handed.set(self.counted.get());
        let mut outbox = self.outbox.borrow_mut();
        let mut count = 0;
        if let Some(only) = outbox.only() {
            count = self.with_stream(|stream| stream.push_now(only))??;
            if count == only.len() {
                outbox.clear();
                return Ok(());
            }
        }
        let mut rest = outbox.take();
        drop(outbox);
        rest.advance(count);
        self.push(rest)
    }

    fn push(&self, bytes: Sga) -> Result<(), Error> {
        let mut push = self.with_stream(|stream| stream.push(bytes))?;
        match push.try_wait() {
            Some(result) => result,
            None => {
                *self.pushing.borrow_mut() = Some(push);
                Ok(())
            }
        }
    }

    /// Sends; ready when the stream has taken everything.
    #[inline]
    pub(crate) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.flush()?;
            let mut pushing = self.pushing.borrow_mut();
            let Some(push) = pushing.as_mut() else {
                return Poll::Ready(Ok(()));
            };
            let result = ready!(Pin::new(push).poll(cx));
            *pushing = None;
            result?;
        }
    }

    /// The same; ready when nothing waits at the gate any more, either.
    pub(crate) fn poll_let_go(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.signal.listen(cx);
        match self.poll_sent(cx) {
            Poll::Ready(Ok(())) if self.is_holding() => Poll::Pending,
            sent => sent,
        }
    }

    /// Receives what comes next, into `vacant` if there is one. Pending at least once if there was something without
    /// waiting, so that a peer that never pauses does not keep this thread to itself.
    #[inline]
    pub(crate) fn poll_receive(
        &self,
        vacant: impl FnOnce() -> Option<Extent>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Received, Error>> {
        if !self.is_receiving() {
            match vacant() {
                Some(extent) => self.place(extent)?,
                None => *self.receiving.borrow_mut() = Receiving::Pop(self.pop()?),
            }
            if self.receiving.borrow().is_done() {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        let mut receiving = self.receiving.borrow_mut();
        let received = ready!(receiving.poll(cx));
        *receiving = Receiving::Nothing;
        Poll::Ready(received)
    }

    /// What comes next goes to `vacant`. Whoever waited to receive it otherwise waits for this.
    pub(crate) fn place(&self, vacant: Extent) -> Result<(), Error> {
        self.stop_receiving();
        let into = self.with_stream(|stream| stream.pop_into(vacant))?;
        *self.receiving.borrow_mut() = Receiving::Into(into);
        Ok(())
    }

    /// Tells how large a head came last before a large payload, if one came. As a rule the next one is like it: then it is received
    /// alone, and nothing of the payload behind it has to be copied to its place.
    #[inline]
    pub(crate) fn expect_head(&self, head_len: Option<usize>) {
        let len_max = head_len.unwrap_or(usize::MAX);
        if self.receive_max.replace(len_max) != len_max {
            // A link that is closed receives nothing.
            let _ = self.with_stream(|stream| stream.set_receive_max(len_max));
        }
    }

    /// Whether a receive is under way.
    pub(crate) fn is_receiving(&self) -> bool {
        !matches!(&*self.receiving.borrow(), Receiving::Nothing)
    }

    /// Receives the peer's first frame, and what came behind it.
    pub(crate) async fn first_frame(&self) -> Result<FirstFrame, FirstFrameError> {
        let mut straddle = Straddle::default();
        loop {
            let buf = self.pop()?.await?;
            if buf.is_empty() {
                return Err(FirstFrameError::Gone);
            }
            let mut input: &[u8] = &buf;
            // Who breaks a rule here speaks something else altogether.
            let frame = straddle
                .fill(&mut input, &FrameLimits::HANDSHAKE)
                .map_err(|_| FirstFrameError::Foreign)?;
            if let Some(frame) = frame {
                return Ok(FirstFrame {
                    header: frame.header,
                    message: frame.message.to_vec(),
                    rest: buf.slice(buf.len() - input.len()..),
                });
            }
        }
    }

    /// Adds a handshake frame.
    pub(crate) fn add_handshake(&self, kind: Kind, body: &[u8]) {
        let header = Header::new(kind, 0, 0, body.len());
        self.outbox.borrow_mut().frame_of_bytes(&header, body);
    }

    /// Stops to receive into an extent. Gives the number of bytes if that was just done; what else had come for it is
    /// received again as bytes.
    pub(crate) fn stop_placing(&self) -> Option<Result<usize, Error>> {
        let mut receiving = self.receiving.borrow_mut();
        let Receiving::Into(op) = &mut *receiving else {
            return None;
        };
        let done = op.try_wait();
        *receiving = Receiving::Nothing;
        done
    }

    /// Stops to receive; what had come is received again by who asks next.
    pub(crate) fn stop_receiving(&self) {
        *self.receiving.borrow_mut() = Receiving::Nothing;
    }

    /// Adds this side's last frame.
    pub(crate) fn add_farewell(&self, kind: Kind, id: u32, reason: &Reason) {
        let text = reason.text_bytes();
        let header = Header::new(kind, id, reason.code, text.len());
        self.outbox.borrow_mut().frame_of_bytes(&header, text);
    }

    /// Sends the last frame, then waits for the peer to close: to close with bytes unread could destroy the frame on its
    /// way. Gives up after `linger`.
    pub(crate) async fn say_farewell(
        &self,
        runtime: &Runtime,
        linger: Duration,
        kind: Kind,
        id: u32,
        reason: &Reason,
    ) {
        self.stop_receiving();
        self.add_farewell(kind, id, reason);
        let farewell = async {
            poll_fn(|cx| self.poll_let_go(cx)).await?;
            self.finish()?;
            while !self.pop()?.await?.is_empty() {}
            Ok::<(), Error>(())
        };
        let deadline = runtime.now() + linger;
        // The connection is over whether or not the peer listens.
        let _ = runtime.timeout(deadline, farewell).await;
    }

    /// Receives whatever comes next.
    pub(crate) fn pop(&self) -> Result<Op<Buf>, Error> {
        self.with_stream(Stream::pop)
    }

    /// Ends sending; receiving goes on.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        self.with_stream(Stream::finish)?
    }

    /// Where the peer is, if the transport knows.
    pub(crate) fn peer_address(&self) -> Option<Address> {
        self.with_stream(Stream::peer_address).ok()?.ok()
    }

    /// Closes both ways at once and lets go of all memory that was still to be sent.
    pub(crate) fn abort(&self) {
        self.stop_receiving();
        self.outbox.borrow_mut().clear();
        let stream = self.stream.borrow_mut().take();
        if let Some(stream) = stream {
            stream.abort();
        }
    }

    /// Closes both ways at once; what is in the outbox is dropped, what the stream was given it still sends.
    pub(crate) fn close(&self) {
        self.stop_receiving();
        self.outbox.borrow_mut().clear();
        let stream = self.stream.borrow_mut().take();
        drop(stream);
    }

    #[inline]
    fn with_stream<T>(&self, operation: impl FnOnce(&Stream) -> T) -> Result<T, Error> {
        let stream = self.stream.borrow();
        stream.as_ref().map(operation).ok_or(Error::Closed)
    }
}

impl Receiving {
    fn is_done(&self) -> bool {
        match self {
            Receiving::Nothing => false,
            Receiving::Pop(op) => op.is_done(),
            Receiving::Into(op) => op.is_done(),
        }
    }

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Received, Error>> {
        match self {
            Receiving::Nothing => Poll::Pending,
            Receiving::Pop(op) => Pin::new(op).poll(cx).map_ok(Received::Bytes),
            Receiving::Into(op) => Pin::new(op).poll(cx).map_ok(Received::Placed),
        }
    }
}

/// Wakes the connection's task, once however often it is raised before the task runs.
#[derive(Default)]
pub(crate) struct Signal {
    raised: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Signal {
    #[inline]
    pub(crate) fn raise(&self) {
        if self.raised.replace(true) {
            return;
        }
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    /// Called by the task when it runs: from now on it is woken again.
    #[inline]
    pub(crate) fn listen(&self, cx: &Context<'_>) {
        self.raised.set(false);
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }
}
