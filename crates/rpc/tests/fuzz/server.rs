//! A server against a client that sends anything.
//!
//! Input: a byte that chooses the limits and how the connection begins, and a [`Script`] of what the client and the service do. What
//! the client has sent is read a second time, by [`frames`](crate::frames): the server must have read the same.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::LINGER;
use crake_mem::{Buf, Sga};
use crake_rpc::{
    CallOptions, Client, ClientConfig, Gate, Head, Limits, Peer, Place, Reason, Refusal, Replies, Request,
    Responder, Server, ServerConfig, Service, Status, StreamResponder, Violation,
};

use crate::frames::{self, Frame, Lengths};
use crate::hands::{Guarded, Peer as Attacker, Waiter};
use crate::script::Script;
use crate::support::{Bytes, Parts, extent, frame, hello_body, pattern};
use crate::world::{ADDRESS, World};

/// A place for payloads; one that is longer does not fit.
const PLACE_BYTES: usize = 40_000;
const PAYLOAD_MAX: u32 = 64_000;
const MESSAGE_MAX: u32 = 4_096;
/// The witness's.
const ROLE_WELCOME: u8 = 9;

mod method {
    pub const ECHO: u16 = 0;
    pub const LATER: u16 = 1;
    pub const FAIL: u16 = 2;
    pub const FORGET: u16 = 3;
    pub const PLACE: u16 = 4;
    pub const REFUSE: u16 = 5;
    pub const STREAM: u16 = 6;
    pub const SEND: u16 = 7;
    pub const BREAK: u16 = 8;
    pub const AGAIN: u16 = 9;
    pub const PARTS: u16 = 10;
    pub const COUNT: u16 = 12;
}

/// Plays a script against a server, which must tell its client what it does wrong, serve what came before that and nothing else, and
/// have nothing of it left in the end.
pub fn run(input: &[u8]) {
    let mut script = Script::new(input);
    let flags = script.byte();
    let world = World::new(if flags & 8 == 0 { 256 << 10 } else { 2_000 });
    let limits = Limits {
        message_max: MESSAGE_MAX,
        payload_max: PAYLOAD_MAX,
        credits: if flags & 16 == 0 { 256 } else { 3 },
    };
    let mut play = Play::begin(world, limits, flags & 4 > 0);
    play.greet(flags, &mut script);
    while let Some(step) = script.step() {
        play.step(step, &mut script);
    }
    play.end();
}

struct Play {
    world: World,
    server: Rc<Server>,
    limits: Limits,
    host: Rc<RefCell<Host>>,
    attacker: Attacker,
    /// How long the connection has lasted, without the moments in between.
    slept: Duration,
    /// The server may have ended the connection for a reason that is not in what was sent, or its last words may not have got through.
    is_disturbed: bool,
    is_shut_down: bool,
}

/// The service, which does as the method of a request says.
#[derive(Default)]
struct Host {
    gate: Option<Rc<Gate>>,
    place: Option<Guarded>,
    served: Vec<Seen>,
    later: Vec<Responder>,
    streams: Vec<StreamResponder>,
    opened: Vec<u64>,
    closed: Vec<u64>,
}

/// A request, as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    head: Head,
    message: Vec<u8>,
    payload: Vec<u8>,
}

impl Service for Host {
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            if peer.role == ROLE_WELCOME {
                replies.send(request, &Bytes(request.message));
                continue;
            }
            self.served.push(Seen {
                head: request.head,
                message: request.message.to_vec(),
                payload: request.payload.to_vec(),
            });
            self.answer(request, replies);
        }
    }

    fn place(&mut self, _: &Peer, head: &Head, _: &[u8]) -> Place {
        match head.method {
            method::PLACE => Place::Into(self.place.as_ref().unwrap().extent()),
            method::REFUSE => Place::Refuse(Status(101), "not here".to_owned()),
            _ => Place::Pool,
        }
    }

    fn gate(&self) -> Option<Rc<Gate>> {
        self.gate.clone()
    }

    fn opened(&mut self, peer: &Peer) -> Result<(), Refusal> {
        if peer.role == 13 {
            return Err(Refusal::new("x".repeat(2000)));
        }
        self.opened.push(peer.id);
        Ok(())
    }

    fn closed(&mut self, peer: &Peer) {
        self.closed.push(peer.id);
    }
}

impl Host {
    fn answer(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let len = request.message.len() * 997;
        match request.head.method {
            method::ECHO | method::PLACE | method::REFUSE => {
                replies.send_with(request, &Bytes(request.message), request.payload.to_sga());
            }
            method::LATER => self.later.push(replies.later(request)),
            method::FAIL => replies.fail(request, Status(len as u16), &"é".repeat(len)),
            method::FORGET => {}
            method::STREAM => self.streams.push(replies.stream(request)),
            method::SEND => replies.send_with(request, &Bytes(b"sent"), Buf::from_vec(pattern(len))),
            method::BREAK => drop(replies.later(request)),
            method::AGAIN => again(replies.later(request), request.message),
            method::PARTS => match Parts::read(request.frame()) {
                Ok(parts) => replies.send(request, &Parts(&parts)),
                Err(error) => replies.fail(request, Status::BAD_REQUEST, &error.to_string()),
            },
            _ => replies.fail(request, Status::UNKNOWN_METHOD, ""),
        }
    }
}

fn again(responder: Responder, message: &[u8]) {
    responder.serve_again(method::ECHO, message, |request, replies| {
        if message.len().is_multiple_of(2) {
            replies.send(request, &Bytes(request.message));
        }
    });
}

/// What the client does, and the service, and the world.
impl Play {
    fn begin(world: World, limits: Limits, is_gated: bool) -> Play {
        let host = Rc::new(RefCell::new(Host {
            gate: is_gated.then(Gate::new),
            place: Some(Guarded::new(PLACE_BYTES)),
            ..Host::default()
        }));
        let config = ServerConfig {
            limits,
            ..ServerConfig::default()
        };
        let server = Server::bind(&world.runtime, &ADDRESS, config, host.clone()).unwrap();
        let stream = world.wait(world.runtime.connect(&ADDRESS));
        Play {
            attacker: Attacker::new(stream),
            server: Rc::new(server),
            limits,
            host,
            slept: Duration::ZERO,
            is_disturbed: false,
            is_shut_down: false,
            world,
        }
    }

    fn greet(&mut self, flags: u8, script: &mut Script<'_>) {
        let mut body = hello_body(1, 1, 256);
        match flags % 4 {
            0 | 1 => {}
            2 => {
                // Some of its fields are others.
                for _ in 0..script.byte() % 4 {
                    let at = usize::from(script.byte()) % body.len();
                    body[at] = script.byte();
                }
                let len = usize::from(script.byte());
                body.resize(if len > 60 { body.len() } else { len }, 7);
            }
            _ => return,
        }
        self.attacker.pending = frame(frames::HELLO, 0, 0, &body, b"");
    }

    fn step(&mut self, step: u8, script: &mut Script<'_>) {
        match step % 16 {
            0..4 => self.request(script),
            4 => {
                let frame = frame(frames::CANCEL, id(script), script.short(), b"", b"");
                self.attacker.pending.extend(frame);
            }
            5 => {
                let frame = frame(frames::GRANT, id(script), script.short(), b"", b"");
                self.attacker.pending.extend(frame);
            }
            6 => {
                let header = script.bytes(frames::HEADER_BYTES);
                self.attacker.pending.extend_from_slice(header);
            }
            7 => {
                let len = usize::from(script.byte());
                self.attacker.pending.extend_from_slice(script.bytes(len));
            }
            // Of what is pending the front alone.
            8 => {
                let at = script.len().min(self.attacker.pending.len());
                let rest = self.attacker.pending.split_off(at);
                self.attacker.cut(&self.world);
                self.attacker.pending = rest;
            }
            9 => self.attacker.cut(&self.world),
            10 => self.answer_later(script),
            11 => self.send_part(script),
            12 => self.turn_gate(script.byte()),
            13 => {
                self.attacker.is_reading = script.byte().is_multiple_of(2);
                self.attacker.turn(&self.world);
            }
            14 => self.sleep(Duration::from_millis(u64::from(script.byte()) * 50)),
            _ => self.break_off(script.byte()),
        }
    }

    fn request(&mut self, script: &mut Script<'_>) {
        let (id, method) = (id(script), u16::from(script.byte()) % method::COUNT);
        let window = script.byte();
        let message_len = script.len().min(MESSAGE_MAX as usize + 1);
        let payload_len = match script.byte() {
            0..128 => 0,
            _ => script.len(),
        };
        // Messages have to say something to some methods.
        let mut message = script.bytes(message_len).to_vec();
        message.resize(message_len, 1);
        let mut bytes = frame(frames::REQUEST, id, method, &message, &pattern(payload_len));
        bytes[15] = window;
        self.attacker.pending.extend(bytes);
    }

    fn answer_later(&mut self, script: &mut Script<'_>) {
        let mut host = self.host.borrow_mut();
        let Some(at) = usize::from(script.byte()).checked_rem(host.later.len()) else {
            return;
        };
        let responder = host.later.swap_remove(at);
        drop(host);
        let len = script.len();
        match script.byte() % 4 {
            0 => responder.send(&Bytes(&pattern(len))),
            1 => responder.send_with(&Bytes(b"later"), Sga::from(extent(len + 1))),
            2 => responder.fail(Status(len as u16), "later"),
            _ => again(responder, &pattern(len.min(100))),
        }
        self.attacker.turn(&self.world);
    }

    fn send_part(&mut self, script: &mut Script<'_>) {
        let mut host = self.host.borrow_mut();
        let Some(at) = usize::from(script.byte()).checked_rem(host.streams.len()) else {
            return;
        };
        let mut stream = host.streams.swap_remove(at);
        let len = script.len();
        match script.byte() % 8 {
            0 => stream.end(),
            1 => stream.fail(Status(len as u16), "no more"),
            2 => drop(stream),
            count => {
                let part = pattern(len);
                for _ in 0..count {
                    // If there is no room for it now, it is not sent.
                    let room = std::pin::pin!(stream.reserve());
                    let waiter = Waiter::new();
                    let mut cx = std::task::Context::from_waker(waiter.waker());
                    if let std::task::Poll::Ready(Ok(room)) = room.poll(&mut cx) {
                        let _ = room.send(&Bytes(&part));
                    }
                }
                host.streams.push(stream);
            }
        }
        drop(host);
        self.attacker.turn(&self.world);
    }

    fn turn_gate(&mut self, number: u8) {
        let gate = self.host.borrow().gate.clone();
        let Some(gate) = gate else { return };
        match number % 2 {
            0 => gate.need(number.into()),
            _ => gate.reach(number.into()),
        }
        self.attacker.turn(&self.world);
    }

    fn sleep(&mut self, time: Duration) {
        self.slept += time;
        let gate = self.host.borrow().gate.clone();
        let is_shut = gate.is_some_and(|gate| !gate.is_open());
        // Last words are waited for no longer than a second.
        self.is_disturbed |= is_shut || !self.attacker.is_reading;
        self.world.pass(time);
        self.attacker.turn(&self.world);
    }

    fn break_off(&mut self, how: u8) {
        match how % 16 {
            0 => self.attacker.finish(&self.world),
            1 => {
                self.is_disturbed = true;
                self.attacker.close();
            }
            2 => {
                self.is_disturbed = true;
                let opened = self.host.borrow().opened.first().copied();
                self.server.cut_off(opened.unwrap_or_default());
            }
            3 if !self.is_shut_down => {
                self.is_disturbed = true;
                self.is_shut_down = true;
                let server = self.server.clone();
                let task = async move { server.shutdown().await };
                self.world.runtime.spawn(task).detach();
            }
            _ => return,
        }
        self.attacker.turn(&self.world);
    }
}

fn id(script: &mut Script<'_>) -> u32 {
    match script.byte() {
        255 => u32::MAX,
        few => u32::from(few % 6),
    }
}

/// What has to be so.
impl Play {
    fn end(mut self) {
        self.give_what_is_owed();
        if !self.attacker.is_closed() {
            self.check_answers();
        }
        self.attacker.close();
        // Who has closed sends what was pushed before for so long, and reads nothing; and the server waits for its own last words.
        self.world.pass(LINGER + Duration::from_secs(3));
        assert_eq!(self.server.connections(), 0);
        self.check_nothing_is_left();
    }

    /// Each request is answered, and each answer is let go and read.
    fn give_what_is_owed(&mut self) {
        self.attacker.cut(&self.world);
        self.attacker.is_reading = true;
        // Requests may have waited for that.
        self.attacker.turn(&self.world);
        let gate = self.host.borrow().gate.clone();
        // Answers may be on their way to the gate, and requests behind them.
        loop {
            if let Some(gate) = &gate {
                gate.reach(u64::MAX);
            }
            let mut host = self.host.borrow_mut();
            let later = std::mem::take(&mut host.later);
            let streams = std::mem::take(&mut host.streams);
            drop(host);
            let were_none = later.is_empty() && streams.is_empty();
            drop((later, streams));
            self.attacker.turn(&self.world);
            let host = self.host.borrow();
            if were_none && host.later.is_empty() && host.streams.is_empty() {
                return;
            }
        }
    }

    fn check_answers(&self) {
        let model = Model::read(&self.attacker.sent, self.limits);
        let answers = frames::all_of(&self.attacker.received, model.lengths);
        self.check_served(&model, &answers);
        check_counts(&model, &answers);
        if self.is_disturbed {
            return;
        }
        match (&model.end, answers.last()) {
            (_, Some(last))
                if last.code == Violation::HandshakeTimeout as u16 && last.kind == frames::REFUSE =>
            {
                assert!(self.slept >= Duration::from_secs(10), "it has not had its time");
            }
            (_, Some(last))
                if last.code == Violation::CreditsExceeded as u16 && last.kind == frames::GOODBYE =>
            {
                assert!(model.requests.len() > model.credits as usize);
            }
            (Some((kind, code)), Some(last)) => {
                assert_eq!((last.kind, last.code), (*kind, *code), "{last:?}");
                let read = if *kind == frames::GOODBYE {
                    model.requests.len()
                } else {
                    0
                };
                assert_eq!(last.id as usize, read, "so many requests were read");
            }
            (Some(end), None) => panic!("it was not told of {end:?}"),
            (None, last) => {
                let is_over = last.is_some_and(|last| [frames::REFUSE, frames::GOODBYE].contains(&last.kind));
                assert!(!is_over, "it has done nothing wrong: {last:?}");
                assert!(self.attacker.is_finished || model.has_left || !self.attacker.is_over);
            }
        }
    }

    /// The requests that were read are those that were sent.
    fn check_served(&self, model: &Model, answers: &[Frame]) {
        let host = self.host.borrow();
        let is_whole = |request: &&Frame| {
            let len = request.payload_len;
            let is_refused =
                request.code == method::REFUSE || request.code == method::PLACE && len > PLACE_BYTES;
            request.is_whole() && !(len > 0 && is_refused)
        };
        let expected: Vec<Seen> = model.requests.iter().filter(is_whole).map(seen).collect();
        let count = host.served.len().min(expected.len());
        assert_eq!(host.served[..], expected[..count], "another request was served");
        let has_credits = model.requests.len() <= model.credits as usize;
        let is_welcome = answers.first().is_some_and(|first| first.kind == frames::WELCOME);
        if !self.is_disturbed && has_credits && is_welcome {
            assert_eq!(count, expected.len(), "a request was not served");
        }
    }

    fn check_nothing_is_left(self) {
        let host = self.host.borrow();
        assert_eq!(host.opened, host.closed);
        host.place.as_ref().unwrap().assert_whole();
        drop(host);
        if !self.is_shut_down {
            self.hear_a_witness();
        }
        assert!(self.host.borrow().later.is_empty());
        drop(self.server);
        self.world.put_away();
    }

    /// Another client notices nothing.
    fn hear_a_witness(&self) {
        let runtime = self.world.runtime.clone();
        let witness = self.world.runtime.spawn(async move {
            let config = ClientConfig {
                role: ROLE_WELCOME,
                ..ClientConfig::default()
            };
            let client = Client::connect(&runtime, &ADDRESS, config).await.unwrap();
            let reply = client.call(method::ECHO, &Bytes(b"well?"), CallOptions::new());
            let reply = reply.await.unwrap();
            assert_eq!(reply.message[..], *b"well?");
        });
        self.world.settle();
        assert!(witness.is_finished(), "a well-behaved client has no answer");
    }
}

fn seen(request: &Frame) -> Seen {
    Seen {
        head: Head {
            id: request.id,
            method: request.code,
            payload_len: request.payload_len as u32,
            window: request.window,
        },
        message: request.message.clone(),
        payload: request.payload.clone(),
    }
}

/// No request has more answers than one, nor more parts than it was granted.
fn check_counts(model: &Model, answers: &[Frame]) {
    let mut owed: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for request in &model.requests {
        let (replies, parts) = owed.entry(request.id).or_default();
        *replies += 1;
        *parts += u64::from(request.window);
    }
    for grant in &model.grants {
        owed.entry(grant.id).or_default().1 += u64::from(grant.code);
    }
    for answer in answers {
        let (replies, parts) = owed.entry(answer.id).or_default();
        let left = match answer.kind {
            frames::REPLY => replies,
            frames::PART => parts,
            _ => continue,
        };
        *left = left.checked_sub(1).expect("nobody has asked for so much");
    }
    let goodbye = answers.iter().position(|answer| answer.kind == frames::GOODBYE);
    assert!(
        goodbye.is_none_or(|at| at + 1 == answers.len()),
        "it says more after its goodbye"
    );
}

/// What the text of the format makes of the bytes of a client.
struct Model {
    lengths: Lengths,
    credits: u32,
    /// Their heads have come whole.
    requests: Vec<Frame>,
    grants: Vec<Frame>,
    /// Kind and reason of the server's last frame.
    end: Option<(u8, u16)>,
    /// It said goodbye.
    has_left: bool,
}

impl Model {
    fn read(mut sent: &[u8], ours: Limits) -> Model {
        let mut model = Model {
            lengths: Lengths::HANDSHAKE,
            credits: ours.credits,
            requests: Vec::new(),
            grants: Vec::new(),
            end: None,
            has_left: false,
        };
        match model.greet(&mut sent, ours) {
            Ok(true) => {
                if let Err(violation) = model.go_on(&mut sent) {
                    model.end = Some((frames::GOODBYE, violation as u16));
                }
            }
            Ok(false) => {}
            Err(code) => model.end = Some((frames::REFUSE, code)),
        }
        model
    }

    /// Whether it is welcome; else why not, or not yet.
    fn greet(&mut self, sent: &mut &[u8], ours: Limits) -> Result<bool, u16> {
        let first = frames::take(sent, Lengths::HANDSHAKE).map_err(|_| Violation::WrongMagic as u16)?;
        let Some(hello) = first else { return Ok(false) };
        let violation = if hello.kind != frames::HELLO {
            Violation::UnexpectedFrame
        } else if !hello.message.starts_with(b"CRAKERPC") {
            Violation::WrongMagic
        } else if hello.message.len() < 44 {
            Violation::MalformedHandshake
        } else {
            return self.agree(&hello.message, ours);
        };
        Err(violation as u16)
    }

    fn agree(&mut self, hello: &[u8], ours: Limits) -> Result<bool, u16> {
        let short = |at: usize| u16::from_le_bytes([hello[at], hello[at + 1]]);
        let word = |at: usize| u32::from_le_bytes(hello[at..at + 4].try_into().unwrap());
        let (message_max, payload_max, credits) = (word(16), word(20), word(24));
        if !(short(8)..=short(10)).contains(&1) {
            return Err(Violation::UnknownVersion as u16);
        }
        if !(1024..=65_520).contains(&message_max) || !(1..=32_768).contains(&credits) {
            return Err(Violation::MalformedHandshake as u16);
        }
        if hello[12] == 13 {
            return Err(Reason::NOT_WELCOME);
        }
        self.credits = ours.credits.min(credits);
        self.lengths = Lengths {
            message_max: ours.message_max.min(message_max),
            payload_max: ours.payload_max.min(payload_max),
        };
        Ok(true)
    }

    fn go_on(&mut self, sent: &mut &[u8]) -> Result<(), Violation> {
        while let Some(frame) = frames::take(sent, self.lengths)? {
            match frame.kind {
                frames::REQUEST => self.requests.push(frame),
                frames::GRANT => self.grants.push(frame),
                frames::CANCEL => {}
                frames::GOODBYE => {
                    self.has_left = true;
                    break;
                }
                _ => return Err(Violation::UnexpectedFrame),
            }
        }
        Ok(())
    }
}
