//! A client, with calls and streams under way, against a server that sends anything.
//!
//! Input: a byte that chooses the limits and how the connection begins, and a [`Script`] of what callers and the server do. What the
//! server has sent is read a second time, by [`frames`](crate::frames): no caller may be told anything else.

use std::future::Future;
use std::num::NonZeroU8;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crake_datapath::{LINGER, Task};
use crake_mem::Buf;
use crake_rpc::{
    Call, CallError, CallOptions, Client, ClientConfig, ConnectError, Limits, Reply, ReplyStream, Violation,
};

use crate::frames::{self, Frame, Lengths};
use crate::hands::{Guarded, Peer as Attacker, Waiter};
use crate::script::Script;
use crate::support::{Bytes, frame, pattern, welcome_body};
use crate::world::{ADDRESS, World};

const MESSAGE_MAX: u32 = 4_096;
const PAYLOAD_MAX: u32 = 64_000;
/// Calls of all kinds, at most.
const CALLS_MAX: usize = 40;

/// Plays a script against a client, whose calls must end, with what was answered to them or an error, and write nowhere but where
/// they may; and nothing of it is left in the end.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let flags = script.byte();
    let world = World::new(if flags & 8 == 0 { 256 << 10 } else { 2_000 });
    let credits = if flags & 16 == 0 { 256 } else { 2 };
    let mut play = Play::begin(world, credits);
    play.greet(flags, &mut script);
    while let Some(step) = script.step() {
        play.step(step, &mut script);
    }
    play.end();
}

struct Play {
    world: World,
    attacker: Attacker,
    connecting: Option<Task<Result<Client, ConnectError>>>,
    client: Option<Client>,
    calls: Vec<Calling>,
    credits: u32,
    /// The client may have had its own reason to end the connection, or its last words may not have got through.
    is_disturbed: bool,
}

/// A call, and what became of it.
struct Calling {
    /// The first bytes of its message.
    number: u32,
    pending: Pending,
    waiter: Waiter,
    /// Looks when all is over, and not before.
    is_late: bool,
    place: Option<Guarded>,
    /// What was in the place when the call ended.
    seen: Vec<u8>,
    /// The parts of a stream, or the one answer.
    replies: Vec<(Vec<u8>, Vec<u8>)>,
    error: Option<CallError>,
}

enum Pending {
    Call(Call),
    Stream(ReplyStream),
    /// The caller has let go of it.
    Dropped,
    Ended,
}

/// What callers, the server and the world do.
impl Play {
    fn begin(world: World, credits: u32) -> Play {
        let listener = world.runtime.listen(&ADDRESS).unwrap();
        let config = ClientConfig {
            limits: Limits {
                message_max: MESSAGE_MAX,
                payload_max: PAYLOAD_MAX,
                credits,
            },
            queue_max: 4,
            ..ClientConfig::default()
        };
        let runtime = world.runtime.clone();
        let connecting = async move { Client::connect(&runtime, &ADDRESS, config).await };
        let connecting = world.runtime.spawn(connecting);
        let stream = world.wait(listener.accept());
        Play {
            attacker: Attacker::new(stream),
            connecting: Some(connecting),
            client: None,
            calls: Vec::new(),
            credits,
            is_disturbed: false,
            world,
        }
    }

    fn greet(&mut self, flags: u8, script: &mut Script<'_>) {
        let mut body = welcome_body(1, self.credits);
        body[12..16].copy_from_slice(&MESSAGE_MAX.to_le_bytes());
        body[16..20].copy_from_slice(&PAYLOAD_MAX.to_le_bytes());
        match flags % 4 {
            0 | 1 => {}
            2 => {
                for _ in 0..script.byte() % 4 {
                    let at = usize::from(script.byte()) % body.len();
                    body[at] = script.byte();
                }
                let len = usize::from(script.byte());
                body.resize(if len > 60 { body.len() } else { len }, 7);
            }
            _ => return,
        }
        self.attacker.pending = frame(frames::WELCOME, 0, 0, &body, b"");
        self.cut();
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..3 => self.call(script),
            3 => self.open_stream(script),
            4 | 5 => self.answer(frames::REPLY, script),
            6 => self.answer(frames::PART, script),
            7 => {
                let read = u32::from(script.byte()) % 8;
                let bytes = frame(frames::GOODBYE, read, script.short(), b"bye", b"");
                self.attacker.pending.extend(bytes);
            }
            8 => {
                let header = script.bytes(frames::HEADER_BYTES);
                self.attacker.pending.extend_from_slice(header);
            }
            9 => {
                let len = usize::from(script.byte());
                self.attacker.pending.extend_from_slice(script.bytes(len));
            }
            // Of what is pending the front alone.
            10 => {
                let at = script.len().min(self.attacker.pending.len());
                let rest = self.attacker.pending.split_off(at);
                self.cut();
                self.attacker.pending = rest;
            }
            11 => self.cut(),
            12 => self.take_parts(script),
            13 => self.let_go(script),
            14 => {
                self.is_disturbed |= !self.attacker.is_reading;
                self.world
                    .pass(Duration::from_millis(u64::from(script.byte()) * 25));
                self.turn();
            }
            _ => self.break_off(script.byte()),
        }
    }

    fn cut(&mut self) {
        self.attacker.cut(&self.world);
        self.turn();
    }

    fn turn(&mut self) {
        self.attacker.turn(&self.world);
        if let Some(connecting) = &mut self.connecting
            && let Poll::Ready(result) = Pin::new(connecting).poll(&mut Context::from_waker(Waker::noop()))
        {
            self.connecting = None;
            self.client = result.ok();
        }
        for calling in &mut self.calls {
            if !calling.is_late {
                calling.look();
            }
        }
    }

    fn call(&mut self, script: &mut Script<'_>) {
        let Some(client) = self.client.as_ref().filter(|_| self.calls.len() < CALLS_MAX) else {
            return;
        };
        let what = script.byte();
        let (number, message) = self.message(script);
        let mut options = CallOptions::new();
        if what & 1 > 0 {
            options = options.payload(Buf::from_vec(pattern(script.len())));
        }
        let place = (what & 2 > 0).then(|| Guarded::new(script.len().max(1)));
        if let Some(place) = &place {
            options = options.into(place.extent());
        }
        if what & 4 > 0 {
            options = options.timeout(Duration::from_millis(u64::from(script.byte()) * 10));
        }
        let call = client.call(what.into(), &Bytes(&message), options);
        self.add(number, Pending::Call(call), what & 8 > 0, place);
    }

    fn open_stream(&mut self, script: &mut Script<'_>) {
        let Some(client) = self.client.as_ref().filter(|_| self.calls.len() < CALLS_MAX) else {
            return;
        };
        let what = script.byte();
        let (number, message) = self.message(script);
        let mut options = CallOptions::new();
        if let Some(window) = NonZeroU8::new(script.byte() % 5) {
            options = options.window(window);
        }
        if what & 4 > 0 {
            options = options.timeout(Duration::from_millis(u64::from(script.byte()) * 10));
        }
        let stream = client.stream(what.into(), &Bytes(&message), options);
        self.add(number, Pending::Stream(stream), true, None);
    }

    /// A message by which the server's side knows the call again.
    fn message(&self, script: &mut Script<'_>) -> (u32, Vec<u8>) {
        let number = self.calls.len() as u32;
        let mut message = number.to_le_bytes().to_vec();
        message.extend(pattern(script.len()));
        (number, message)
    }

    fn add(&mut self, number: u32, pending: Pending, is_late: bool, place: Option<Guarded>) {
        self.calls.push(Calling {
            number,
            pending,
            waiter: Waiter::new(),
            is_late,
            place,
            seen: Vec::new(),
            replies: Vec::new(),
            error: None,
        });
        self.turn();
    }

    /// Answers one of the requests that the server has seen, once more perhaps.
    fn answer(&mut self, kind: u8, script: &mut Script<'_>) {
        let requests = requests(&self.attacker.received);
        let Some(at) = usize::from(script.byte()).checked_rem(requests.len()) else {
            return;
        };
        let status = match script.byte() {
            0..200 => 0,
            status => u16::from(status),
        };
        let message = pattern(script.len());
        let payload = match script.byte() {
            0..128 => Vec::new(),
            _ => pattern(script.len()),
        };
        let bytes = frame(kind, requests[at].id, status, &message, &payload);
        self.attacker.pending.extend(bytes);
    }

    fn take_parts(&mut self, script: &mut Script<'_>) {
        let Some(at) = usize::from(script.byte()).checked_rem(self.calls.len()) else {
            return;
        };
        for _ in 0..script.byte() % 8 {
            self.calls[at].look();
        }
        self.turn();
    }

    fn let_go(&mut self, script: &mut Script<'_>) {
        match script.byte() {
            255 => {
                self.is_disturbed = true;
                self.client = None;
            }
            254 => {
                self.is_disturbed = true;
                if let Some(client) = &self.client {
                    client.close();
                }
            }
            253 => {
                if let Some(client) = &self.client {
                    client.flush();
                }
            }
            at => {
                if let Some(at) = usize::from(at).checked_rem(self.calls.len()) {
                    self.calls[at].let_go();
                }
            }
        }
        self.turn();
    }

    fn break_off(&mut self, how: u8) {
        match how % 16 {
            0 => self.attacker.finish(&self.world),
            1 => {
                self.is_disturbed = true;
                self.attacker.close();
            }
            2..8 => self.attacker.is_reading = how.is_multiple_of(2),
            _ => return,
        }
        self.turn();
    }
}

impl Calling {
    /// Takes what is there, if it was told that there is something.
    fn look(&mut self) {
        if !self.waiter.take_woken() {
            return;
        }
        let waker = self.waiter.waker().clone();
        let mut cx = Context::from_waker(&waker);
        let next = match &mut self.pending {
            Pending::Call(call) => Pin::new(call).poll(&mut cx).map(Some),
            Pending::Stream(stream) => stream.poll_next(&mut cx),
            Pending::Dropped | Pending::Ended => return,
        };
        match next {
            Poll::Pending => return,
            Poll::Ready(Some(Ok(reply))) => self.replies.push(bytes_of(&reply)),
            Poll::Ready(Some(Err(error))) => self.error = Some(error),
            Poll::Ready(None) => self.ended(),
        }
        if matches!(self.pending, Pending::Call(_)) {
            self.ended();
        }
        // There may be more.
        self.waiter.look();
    }

    /// Takes all that is there; says whether it has looked.
    fn take(&mut self) -> bool {
        let mut has_looked = false;
        while self.is_under_way() && self.waiter.is_woken() {
            self.look();
            has_looked = true;
        }
        has_looked
    }

    fn ended(&mut self) {
        self.pending = Pending::Ended;
        self.seen = self.placed();
    }

    fn let_go(&mut self) {
        if !matches!(self.pending, Pending::Ended) {
            self.pending = Pending::Dropped;
            self.seen = self.placed();
        }
    }

    fn placed(&self) -> Vec<u8> {
        let place = self.place.as_ref();
        place.map(|place| place.extent().to_vec()).unwrap_or_default()
    }
}

fn bytes_of(reply: &Reply) -> (Vec<u8>, Vec<u8>) {
    (reply.message.to_vec(), reply.payload.to_vec())
}

/// The requests among the frames that a client has sent whole.
fn requests(received: &[u8]) -> Vec<Frame> {
    let mut frames = frames::all_of(received, LENGTHS);
    frames.retain(|frame| frame.kind == frames::REQUEST);
    frames
}

/// Of the client: what is agreed is not more.
const LENGTHS: Lengths = Lengths {
    message_max: MESSAGE_MAX,
    payload_max: PAYLOAD_MAX,
};

/// What has to be so.
impl Play {
    fn end(mut self) {
        self.cut();
        self.attacker.is_reading = true;
        self.turn();
        // A client that has noticed something says so now.
        self.world.pass(Duration::from_millis(1));
        self.turn();
        // Without a receive buffer it cannot notice more.
        self.take_all();
        self.check_last_words();
        self.attacker.close();
        if self.world.is_exhausted() {
            // It goes on sending for so long what nobody has a buffer for, and reads nothing.
            self.world.pass(LINGER);
        }
        self.turn();
        assert!(
            self.connecting.is_none(),
            "it waits for a connection that is gone"
        );
        self.take_all();
        for calling in &self.calls {
            assert!(!calling.is_under_way(), "call {} does not end", calling.number);
        }
        self.check_frames();
        for calling in &self.calls {
            self.check_call(calling);
        }
        drop((self.client, self.calls));
        self.world.put_away();
    }

    /// Takes what there is for all calls. While nobody takes what came it keeps its receive buffers, and without one nothing more
    /// comes, not even the end.
    fn take_all(&mut self) {
        while self.calls.iter_mut().map(Calling::take).max() == Some(true) {
            self.turn();
        }
    }

    /// Who breaks a rule of the frames is told so.
    fn check_last_words(&self) {
        let is_connected = self.client.is_some();
        // With all buffers full of what is still to be sent, the server can read none of it: both have one pool.
        if self.is_disturbed || self.attacker.is_closed() || !is_connected || self.world.is_exhausted() {
            return;
        }
        let (_, violation) = said(&self.attacker.sent);
        let Some(violation) = violation else { return };
        let sent = frames::all_of(&self.attacker.received, LENGTHS);
        let last = sent.last().expect("its hello");
        // Or of something else before it, that is not in the frames alone.
        let others = [
            Violation::UnknownReply,
            Violation::UngrantedPart,
            Violation::PayloadTooLong,
        ];
        let is_one = [violation]
            .iter()
            .chain(&others)
            .any(|one| *one as u16 == last.code);
        assert!(
            last.kind == frames::GOODBYE && is_one,
            "{violation:?}, and it says {last:?}"
        );
    }

    /// What the client has sent keeps to the rules.
    fn check_frames(&self) {
        let sent = frames::all_of(&self.attacker.received, LENGTHS);
        let Some((hello, rest)) = sent.split_first() else {
            return;
        };
        assert_eq!(hello.kind, frames::HELLO);
        let goodbye = rest.iter().position(|frame| frame.kind == frames::GOODBYE);
        assert!(
            goodbye.is_none_or(|at| at + 1 == rest.len()),
            "it says more after its goodbye"
        );
        let count = |frames: &[Frame], kind| frames.iter().filter(|frame| frame.kind == kind).count();
        let (said, _) = said(&self.attacker.sent);
        let (requests, replies) = (count(rest, frames::REQUEST), count(&said, frames::REPLY));
        assert!(
            requests <= self.credits as usize + replies,
            "{requests} requests with {} credits and {replies} replies",
            self.credits
        );
        for grant in rest.iter().filter(|frame| frame.kind == frames::GRANT) {
            let of_call = |frame: &&Frame| frame.kind == frames::GRANT && frame.id == grant.id;
            let granted: usize = rest
                .iter()
                .filter(of_call)
                .map(|frame| usize::from(frame.code))
                .sum();
            let calling = self.by_id(rest, grant.id);
            assert!(
                granted <= calling.replies.len(),
                "{granted} parts granted that were not taken"
            );
        }
        for cancel in rest.iter().filter(|frame| frame.kind == frames::CANCEL) {
            let calling = self.by_id(rest, cancel.id);
            let is_timed_out = matches!(calling.error, Some(CallError::TimedOut { .. }));
            let is_given_up = is_timed_out || matches!(calling.pending, Pending::Dropped);
            assert!(is_given_up, "call {} was cancelled by nobody", calling.number);
        }
    }

    /// The call with this id, of which there is a request.
    fn by_id(&self, sent: &[Frame], id: u32) -> &Calling {
        let request = sent
            .iter()
            .find(|frame| frame.kind == frames::REQUEST && frame.id == id);
        let message = &request.expect("it has asked for it").message;
        let number = u32::from_le_bytes(message[..4].try_into().unwrap());
        &self.calls[number as usize]
    }

    /// It was told what was said to it.
    fn check_call(&self, calling: &Calling) {
        if let Some(place) = &calling.place {
            place.assert_whole();
            assert!(
                calling.seen == calling.placed(),
                "its place was written to after it had ended"
            );
        }
        let number = calling.number.to_le_bytes();
        let requests = requests(&self.attacker.received);
        let request = requests
            .iter()
            .find(|request| request.message.starts_with(&number));
        let (mut said, _) = said(&self.attacker.sent);
        said.retain(|frame| request.is_some_and(|request| request.id == frame.id));
        let reply = said.iter().position(|frame| frame.kind == frames::REPLY);
        said.truncate(reply.map_or(said.len(), |at| at + 1));
        let is_given = |frame: &&Frame| match frame.kind {
            frames::PART => true,
            _ => frame.kind == frames::REPLY && frame.code == 0,
        };
        let mut given = said.iter().filter(is_given);
        for reply in &calling.replies {
            let frame = given.next().expect("it was told what nobody has said");
            assert!(
                *reply == (frame.message.clone(), frame.payload.clone()),
                "it was told something else than was said"
            );
        }
        if let Some(CallError::Failed { status, .. }) = &calling.error {
            let last = said.last().map(|frame| (frame.kind, frame.code));
            assert_eq!(last, Some((frames::REPLY, status.0)));
        }
    }
}

impl Calling {
    fn is_under_way(&self) -> bool {
        matches!(self.pending, Pending::Call(_) | Pending::Stream(_))
    }
}

/// What a server has said after its welcome, in whole frames, and which rule of the frames it breaks then.
fn said(mut sent: &[u8]) -> (Vec<Frame>, Option<Violation>) {
    let mut frames = Vec::new();
    let welcome = frames::take(&mut sent, Lengths::HANDSHAKE);
    let Ok(Some(_)) = welcome else {
        return (frames, None);
    };
    loop {
        match frames::take(&mut sent, LENGTHS) {
            Ok(Some(frame)) if !frame.is_whole() => return (frames, None),
            Ok(Some(frame)) => match frame.kind {
                frames::REPLY | frames::PART => frames.push(frame),
                frames::GOODBYE => return (frames, None),
                _ => return (frames, Some(Violation::UnexpectedFrame)),
            },
            Ok(None) => return (frames, None),
            Err(violation) => return (frames, Some(violation)),
        }
    }
}
