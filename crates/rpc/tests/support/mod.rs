//! What the tests of calls share: a message of plain bytes, a service that does what it is told, and every transport.
#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig, Stream};
use crake_mem::{Buf, Extent, HugePages, Region, Sga};
use crake_rpc::{
    Client, ClientConfig, Head, Peer, Place, Refusal, Replies, Request, Responder, Server, ServerConfig,
    Service, Status, StreamResponder,
};
use crake_wire::{
    Beside, Encode, Gathered, Message, Payload, Plan, Present, Reader, Survey, WireError, Writer,
    payloads_bytes,
};

/// A message of plain bytes.
pub struct Bytes<'a>(pub &'a [u8]);

impl Encode for Bytes<'_> {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0);
    }
}

/// A message of a list of bytes that need not be copied, as it is compiled.
pub struct Parts<'a>(pub &'a [Payload<'a>]);

impl<'a> Parts<'a> {
    fn present(&self) -> Present<1> {
        Present::none().with::<1>(!self.0.is_empty())
    }

    pub fn read(frame: Gathered<'a>) -> Result<Vec<Payload<'a>>, WireError> {
        Reader::<1, Gathered<'a>>::parse(frame)?
            .list::<Payload<'a>, 1>()?
            .collect()
    }
}

impl Encode for Parts<'_> {
    const GATHERS: bool = true;

    fn encoded_len(&self) -> usize {
        self.present().head_bytes() + payloads_bytes(self.0)
    }

    fn encode(&self, out: &mut [u8]) {
        Writer::frame(out, self);
    }

    fn survey(&self, survey: &mut Survey<'_>) {
        survey.payloads(self.0);
    }

    fn encode_gathered(&self, out: &mut [u8], plan: Plan, beside: &mut Sga) {
        Writer::gathered(out, self, plan, beside);
    }
}

impl Message for Parts<'_> {
    fn write<B: Beside>(&self, writer: &mut Writer<'_, B>) {
        let mut head = writer.head(self.present());
        if !self.0.is_empty() {
            head.put(writer.payloads(self.0));
        }
    }
}

/// Answers with message and payload.
pub const ECHO: u16 = 1;
/// Keeps the responder in [`Served::later`].
pub const LATER: u16 = 2;
/// Fails with status 100 and the message as detail.
pub const FAIL: u16 = 3;
/// Gives no answer.
pub const FORGET: u16 = 4;
/// Receives the payload into [`Served::place`].
pub const PLACE: u16 = 5;
/// Does not want the payload.
pub const REFUSE: u16 = 6;
/// Promises an answer and breaks the promise.
pub const BREAK: u16 = 7;
/// Answers with as many bytes of payload as the message's first four bytes say.
pub const SEND: u16 = 8;
/// Answers with a message of as many bytes as the message's first four bytes say.
pub const TALK: u16 = 10;
/// Reads [`Parts`] and answers with the same ones.
pub const PARTS: u16 = 11;

/// Keeps the responder in [`Served::streams`].
pub const STREAM: u16 = 12;

/// What the service did and was given.
#[derive(Default)]
pub struct Served {
    pub later: Vec<Responder>,
    pub streams: Vec<StreamResponder>,
    pub place: Option<Extent>,
    pub calls: Vec<Head>,
    pub batches: Vec<usize>,
    pub placed: Vec<u8>,
    pub opened: Vec<Peer>,
    pub closed: Vec<u64>,
    pub refuse_role: Option<u8>,
}

impl Service for Served {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        self.batches.push(requests.len());
        for request in requests {
            self.calls.push(request.head);
            self.answer(request, replies);
        }
    }

    fn place(&mut self, _: &Peer, head: &Head, _: &[u8]) -> Place {
        match head.method {
            PLACE => Place::Into(self.place.clone().expect("the test named a place")),
            REFUSE => Place::Refuse(Status(101), "not here".to_owned()),
            _ => Place::Pool,
        }
    }

    fn opened(&mut self, peer: &Peer) -> Result<(), Refusal> {
        if self.refuse_role == Some(peer.role) {
            return Err(Refusal::new("wrong role"));
        }
        self.opened.push(peer.clone());
        Ok(())
    }

    fn closed(&mut self, peer: &Peer) {
        self.closed.push(peer.id);
    }
}

impl Served {
    fn answer(&mut self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let number = || u32::from_le_bytes(request.message[..4].try_into().expect("four bytes")) as usize;
        match request.head.method {
            ECHO => replies.send_with(request, &Bytes(request.message), request.payload.to_sga()),
            LATER => self.later.push(replies.later(request)),
            FAIL => replies.fail(
                request,
                Status(100),
                str::from_utf8(request.message).expect("text"),
            ),
            STREAM => self.streams.push(replies.stream(request)),
            FORGET => {}
            PLACE => {
                self.placed = request.payload.to_vec();
                replies.send(request, &Bytes(b"placed"));
            }
            BREAK => drop(replies.later(request)),
            SEND => replies.send_with(request, &Bytes(b"sent"), Buf::from_vec(pattern(number()))),
            TALK => replies.send(request, &Bytes(&pattern(number()))),
            PARTS => match Parts::read(request.frame()) {
                Ok(parts) => replies.send(request, &Parts(&parts)),
                Err(error) => replies.fail(request, Status::BAD_REQUEST, &error.to_string()),
            },
            _ => replies.fail(request, Status::UNKNOWN_METHOD, ""),
        }
    }
}

/// Bytes that differ from their neighbours.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

pub fn extent(len: usize) -> Extent {
    let region = Region::anonymous(len, HugePages::Never).expect("memory");
    region.extent(..len)
}

pub fn new_runtime() -> Runtime {
    Runtime::new(RuntimeConfig::default()).expect("a runtime")
}

/// A server with its runtime, and the service behind it.
pub struct World {
    pub runtime: Runtime,
    pub server: Server,
    pub served: Rc<RefCell<Served>>,
    _directory: tempfile::TempDir,
}

impl World {
    pub fn new(transport: &str, config: ServerConfig) -> World {
        let runtime = new_runtime();
        let directory = tempfile::tempdir().expect("a directory");
        let address = match transport {
            "local" => "local://test".to_owned(),
            "tcp" => "tcp://127.0.0.1:0".to_owned(),
            "unix" => format!("unix://{}", directory.path().join("socket").display()),
            _ => panic!("no transport {transport}"),
        };
        let served = Rc::new(RefCell::new(Served::default()));
        let address: Address = address.parse().expect("an address");
        let server = Server::bind(&runtime, &address, config, served.clone()).expect("a server");
        World {
            runtime,
            server,
            served,
            _directory: directory,
        }
    }

    pub async fn client(&self) -> Client {
        self.client_with(ClientConfig::default()).await
    }

    pub async fn client_with(&self, config: ClientConfig) -> Client {
        Client::connect(&self.runtime, self.server.local_address(), config)
            .await
            .expect("a connection")
    }

    pub async fn stream(&self) -> Stream {
        self.runtime
            .connect(self.server.local_address())
            .await
            .expect("a stream")
    }

    /// Runs a test's body; fails if it takes too long.
    pub fn run<T>(&self, body: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + Duration::from_secs(60);
        let result = self.runtime.block_on(self.runtime.timeout(deadline, body));
        result.expect("the test ends in time")
    }

    /// Lets tasks run until `condition` holds.
    pub async fn until(&self, mut condition: impl FnMut() -> bool) {
        while !condition() {
            self.runtime.sleep(Duration::from_micros(100)).await;
        }
    }
}

/// Runs `test` over each transport.
pub fn over_each_transport(test: impl Fn(&World)) {
    for transport in ["local", "tcp", "unix"] {
        println!("over {transport}");
        test(&World::new(transport, ServerConfig::default()));
    }
}

/// A frame as it is on the wire.
pub fn frame(kind: u8, id: u32, code: u16, message: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend((message.len() as u32).to_le_bytes());
    bytes.extend((payload.len() as u32).to_le_bytes());
    bytes.extend(id.to_le_bytes());
    bytes.extend(code.to_le_bytes());
    bytes.extend([kind, 0]);
    bytes.extend(message);
    bytes.extend(payload);
    bytes
}

pub fn hello_body(version_min: u16, version_max: u16, credits: u32) -> Vec<u8> {
    let mut body = b"CRAKERPC".to_vec();
    body.extend(version_min.to_le_bytes());
    body.extend(version_max.to_le_bytes());
    body.extend([0; 4]);
    body.extend(65_520u32.to_le_bytes());
    body.extend((4u32 << 20).to_le_bytes());
    body.extend(credits.to_le_bytes());
    body.extend([7; 16]);
    body
}

pub fn welcome_body(version: u16, credits: u32) -> Vec<u8> {
    let mut body = b"CRAKERPC".to_vec();
    body.extend(version.to_le_bytes());
    body.extend([0; 2]);
    body.extend(65_520u32.to_le_bytes());
    body.extend((4u32 << 20).to_le_bytes());
    body.extend(credits.to_le_bytes());
    body
}

pub fn hello() -> Vec<u8> {
    frame(0, 0, 0, &hello_body(1, 1, 256), &[])
}

pub async fn push(stream: &Stream, bytes: impl Into<Vec<u8>>) -> Result<(), crake_datapath::Error> {
    stream.push(Sga::from(Buf::from_vec(bytes.into()))).await
}

/// Reads frames off a bare stream.
pub struct FrameStream<'a> {
    pub stream: &'a Stream,
    pub bytes: Vec<u8>,
    /// All frames so far, as they came.
    pub read: Vec<u8>,
}

/// A frame off a bare stream.
#[derive(Debug, PartialEq, Eq)]
pub struct RawFrame {
    pub kind: u8,
    pub id: u32,
    pub code: u16,
    pub message: Vec<u8>,
}

impl<'a> FrameStream<'a> {
    pub fn new(stream: &'a Stream) -> FrameStream<'a> {
        FrameStream {
            stream,
            bytes: Vec::new(),
            read: Vec::new(),
        }
    }

    /// The next frame; `None` at the end of the stream, however that comes.
    pub async fn next(&mut self) -> Option<RawFrame> {
        let head = self.take(16).await?;
        let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
        let message = self.take(word(0) as usize).await?;
        self.take(word(4) as usize).await?;
        Some(RawFrame {
            kind: head[14],
            id: word(8),
            code: u16::from_le_bytes([head[12], head[13]]),
            message,
        })
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < count {
            let buf = self.stream.pop().await.ok()?;
            if buf.is_empty() {
                return None;
            }
            self.bytes.extend_from_slice(&buf);
        }
        let rest = self.bytes.split_off(count);
        self.read.extend_from_slice(&self.bytes);
        Some(std::mem::replace(&mut self.bytes, rest))
    }
}
