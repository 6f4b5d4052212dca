//! Echo of 64-byte frames through this crate, beside the same bytes through bare sockets (or bare pipes in shared memory) and through the datapath's
//! streams, one after the other in each repetition: `cargo bench -p crake-rpc --bench echo [tcp|unix|shm|local] [REPETITIONS]`.
//! `local` runs both sides in one thread without system calls: all that the crates themselves cost, countable by callgrind.
//!
//! The client runs on core 0, the server on core 1, both spin. With one call in flight the figure is the median round
//! trip, with 128 the nanoseconds per call; of a stream the nanoseconds per part, with as large a window as there is. Only ratios within a run mean anything on a shared machine.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU8;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;

use crake_datapath::{Address, Runtime, RuntimeConfig, Stream, Waiting};
use crake_mem::pipe::{self, Capacities};
use crake_mem::{Buf, HugePages, Region, Sga};
use crake_rpc::{
    CallOptions, Client, ClientConfig, Peer, Replies, Request, Server, ServerConfig, Service, StreamResponder,
};
use crake_wire::Encode;

const FRAME_BYTES: usize = 64;
const MESSAGE_BYTES: usize = FRAME_BYTES - 16;
const ROUND_TRIPS: usize = 20_000;
const STREAMED: usize = 500_000;
const IN_FLIGHT: usize = 128;

fn main() {
    let arguments = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with("--"));
    let arguments = arguments.collect::<Vec<_>>();
    let repetitions = arguments
        .iter()
        .find_map(|argument| argument.parse().ok())
        .unwrap_or(7);
    let transports = match arguments
        .iter()
        .find(|argument| ["tcp", "unix", "shm", "local"].contains(&argument.as_str()))
    {
        Some(transport) => vec![transport.as_str()],
        None => vec!["tcp", "unix", "shm"],
    };
    pin(0);
    for transport in transports {
        match transport {
            "local" => measure_local(repetitions),
            _ => measure(transport, repetitions),
        }
    }
}

fn measure(transport: &str, repetitions: usize) {
    let directory = tempfile::tempdir().expect("a directory");
    let path = |name: &str| directory.path().join(name).display().to_string();
    let mut rows = [const { Vec::new() }; 7];
    for repetition in 0..repetitions {
        let address = |name: &str| match transport {
            "tcp" => "tcp://127.0.0.1:0".to_owned(),
            _ => format!("{transport}://{}{repetition}", path(name)),
        };
        let [raw_one, raw_many] = bare(transport, &path(&format!("bare{repetition}")));
        let [stream_one, stream_many] = streams(&address("streams"));
        let [rpc_one, rpc_many, part] = calls(&address("rpc"));
        let figures = [
            raw_one,
            stream_one,
            rpc_one,
            raw_many,
            stream_many,
            rpc_many,
            part,
        ];
        for (row, figure) in rows.iter_mut().zip(figures) {
            row.push(figure);
        }
    }
    let [
        raw_one,
        stream_one,
        rpc_one,
        raw_many,
        stream_many,
        rpc_many,
        part,
    ] = rows.map(median);
    println!(
        "{transport}, medians of {repetitions}, ns:          bare   stream      rpc   rpc - stream  rpc / bare"
    );
    let row = |name, raw: f64, stream: f64, rpc: f64| {
        println!(
            "  {name}  {raw:>8.1} {stream:>8.1} {rpc:>8.1}       {:>8.1}    {:>8.2}",
            rpc - stream,
            rpc / raw
        );
    };
    row("1 in flight, round trip p50 ", raw_one, stream_one, rpc_one);
    row("128 in flight, per call     ", raw_many, stream_many, rpc_many);
    println!("  a part of a stream                              {part:>8.1}");
}

fn measure_local(repetitions: usize) {
    let mut rows = [const { Vec::new() }; 3];
    for _ in 0..repetitions {
        let runtime = runtime();
        let address = "local://echo".parse().expect("an address");
        let service = Rc::new(RefCell::new(Echo(runtime.clone())));
        let server = Server::bind(&runtime, &address, ServerConfig::default(), service).expect("a server");
        let figures = runtime.block_on(call_client(&runtime, &address));
        drop(server);
        rows.iter_mut()
            .zip(figures)
            .for_each(|(row, figure)| row.push(figure));
    }
    let [one, many, part] = rows.map(median);
    println!(
        "local, medians of {repetitions}, ns: 1 in flight {one:.1}, 128 in flight {many:.1} per call, {part:.1} per part of a stream"
    );
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn pin(core: usize) {
    let mut set = rustix::thread::CpuSet::new();
    set.set(core);
    // On a machine with one core everything shares it, and the figures say so.
    let _ = rustix::thread::sched_setaffinity(None, &set);
}

/// Runs `server` on core 1 until the flag is set, and `client` here; `server` sends where it listens.
fn with_server<A: Send + 'static, T>(
    server: impl FnOnce(mpsc::Sender<A>, Arc<AtomicBool>) + Send + 'static,
    client: impl FnOnce(A) -> T,
) -> T {
    let (sender, receiver) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let thread = thread::spawn(move || {
        pin(1);
        server(sender, stopped);
    });
    let result = client(receiver.recv().expect("the server listens"));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("the server ends");
    result
}

/// The tightest loop over sockets.
trait Socket: Read + Write {}
impl<S: Read + Write> Socket for S {}

/// What one direction of shared memory holds: as much as that of a stream.
const PIPES: Capacities = Capacities::equal(256 << 10);

/// One side of two pipes, with the interface of a socket that does not block.
struct Pipes {
    writer: pipe::Writer,
    reader: pipe::Reader,
}

impl Pipes {
    fn new((writer, reader): (pipe::Writer, pipe::Reader)) -> Pipes {
        Pipes { writer, reader }
    }
}

/// None is what a socket calls that it would block.
fn or_block(progress: Result<pipe::Progress, pipe::Broken>) -> std::io::Result<usize> {
    match progress.expect("the other side is sane").count {
        0 => Err(ErrorKind::WouldBlock.into()),
        count => Ok(count),
    }
}

impl Read for Pipes {
    fn read(&mut self, target: &mut [u8]) -> std::io::Result<usize> {
        or_block(self.reader.read_slice(target))
    }
}

impl Write for Pipes {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        or_block(self.writer.write_slice(bytes))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn bare(transport: &str, path: &str) -> [f64; 2] {
    if transport == "unix" {
        let (one, other) = UnixStream::pair().expect("a pair");
        one.set_nonblocking(true).expect("non-blocking");
        other.set_nonblocking(true).expect("non-blocking");
        let _ = path;
        return with_server(
            move |ready, stop| bare_echo(ready, other, &stop),
            |()| bare_client(one),
        );
    }
    if transport == "shm" {
        let memory = Region::memfd("bare", PIPES.len_bytes(), HugePages::Never).expect("memory");
        let file = memory
            .as_fd()
            .expect("a file")
            .try_clone_to_owned()
            .expect("a file");
        return with_server(
            move |ready, stop| {
                let memory = Region::map(file, PIPES.len_bytes()).expect("memory");
                bare_echo(ready, Pipes::new(PIPES.server_ends(&memory)), &stop);
            },
            |()| bare_client(Pipes::new(PIPES.client_ends(&memory))),
        );
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let one = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (other, _) = listener.accept().expect("a connection");
    for socket in [&one, &other] {
        socket.set_nonblocking(true).expect("non-blocking");
        socket.set_nodelay(true).expect("no delay");
    }
    with_server(
        move |ready, stop| bare_echo(ready, other, &stop),
        |()| bare_client(one),
    )
}

fn bare_echo(ready: mpsc::Sender<()>, mut socket: impl Socket, stop: &AtomicBool) {
    ready.send(()).expect("a client");
    let mut buffer = vec![0; 64 << 10];
    while !stop.load(Ordering::Relaxed) {
        let count = receive(&mut socket, &mut buffer);
        send(&mut socket, &buffer[..count]);
    }
}

fn receive(socket: &mut impl Socket, buffer: &mut [u8]) -> usize {
    match socket.read(buffer) {
        Ok(count) => count,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => panic!("{error}"),
    }
}

fn send(socket: &mut impl Socket, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn bare_client(mut socket: impl Socket) -> [f64; 2] {
    let mut buffer = vec![0; 64 << 10];
    let message = vec![7; IN_FLIGHT * FRAME_BYTES];
    let one = round_trips(|| {
        send(&mut socket, &message[..FRAME_BYTES]);
        let mut count = 0;
        while count < FRAME_BYTES {
            count += receive(&mut socket, &mut buffer);
        }
    });
    let start = Instant::now();
    let (mut sent, mut received) = (IN_FLIGHT, 0);
    send(&mut socket, &message);
    while received < STREAMED * FRAME_BYTES {
        received += receive(&mut socket, &mut buffer);
        let more = (received / FRAME_BYTES + IN_FLIGHT).min(STREAMED) - sent;
        send(&mut socket, &message[..more * FRAME_BYTES]);
        sent += more;
    }
    [one, per_call(start)]
}

fn round_trips(mut round_trip: impl FnMut()) -> f64 {
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        round_trip();
        times.push(start.elapsed().as_nanos() as f64);
    }
    median(times)
}

fn per_call(start: Instant) -> f64 {
    start.elapsed().as_nanos() as f64 / STREAMED as f64
}

fn runtime() -> Runtime {
    let config = RuntimeConfig {
        waiting: Waiting::Busy,
        ..RuntimeConfig::default()
    };
    Runtime::new(config).expect("a runtime")
}

/// The same over the datapath's streams.
fn streams(address: &str) -> [f64; 2] {
    let address: Address = address.parse().expect("an address");
    with_server(
        move |ready, stop| {
            let runtime = runtime();
            let listener = runtime.listen(&address).expect("a listener");
            ready
                .send(listener.local_address().expect("an address"))
                .expect("a client");
            let echo = runtime.spawn(async move {
                let stream = listener.accept().await.expect("a stream");
                loop {
                    match stream.pop().await {
                        Ok(bytes) if !bytes.is_empty() => stream.push(Sga::from(bytes)).await.expect("sent"),
                        _ => return,
                    }
                }
            });
            turn_until(&runtime, &stop);
            drop(echo);
        },
        |address| {
            let runtime = runtime();
            runtime.block_on(stream_client(&runtime, &address))
        },
    )
}

async fn stream_client(runtime: &Runtime, address: &Address) -> [f64; 2] {
    let stream = runtime.connect(address).await.expect("a stream");
    let message = Buf::from_vec(vec![7; IN_FLIGHT * FRAME_BYTES]);
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        push(&stream, message.slice(..FRAME_BYTES)).await;
        let mut count = 0;
        while count < FRAME_BYTES {
            count += stream.pop().await.expect("bytes").len();
        }
        times.push(start.elapsed().as_nanos() as f64);
    }
    let start = Instant::now();
    let (mut sent, mut received) = (IN_FLIGHT, 0);
    push(&stream, message.clone()).await;
    while received < STREAMED * FRAME_BYTES {
        received += stream.pop().await.expect("bytes").len();
        let more = (received / FRAME_BYTES + IN_FLIGHT).min(STREAMED) - sent;
        push(&stream, message.slice(..more * FRAME_BYTES)).await;
        sent += more;
    }
    [median(times), per_call(start)]
}

async fn push(stream: &Stream, bytes: Buf) {
    if !bytes.is_empty() {
        stream.push(Sga::from(bytes)).await.expect("sent");
    }
}

fn turn_until(runtime: &Runtime, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        runtime.turn();
    }
}

struct Bytes<'a>(&'a [u8]);

impl Encode for Bytes<'_> {
    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn encode(&self, out: &mut [u8]) {
        out.copy_from_slice(self.0);
    }
}

/// The method whose answer is [`STREAMED`] parts of the request.
const STREAM: u16 = 2;

struct Echo(Runtime);

impl Service for Echo {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            if request.head.method == STREAM {
                let stream = replies.stream(request);
                self.0
                    .spawn(send_parts(stream, request.message.to_vec()))
                    .detach();
            } else {
                replies.send(request, &Bytes(request.message));
            }
        }
    }
}

async fn send_parts(mut stream: StreamResponder, part: Vec<u8>) {
    for _ in 0..STREAMED {
        stream.send(&Bytes(&part)).await.expect("a client that reads");
    }
    stream.end();
}

/// The same as calls.
fn calls(address: &str) -> [f64; 3] {
    let address: Address = address.parse().expect("an address");
    with_server(
        move |ready, stop| {
            let runtime = runtime();
            let service = Rc::new(RefCell::new(Echo(runtime.clone())));
            let server =
                Server::bind(&runtime, &address, ServerConfig::default(), service).expect("a server");
            ready.send(server.local_address().clone()).expect("a client");
            turn_until(&runtime, &stop);
        },
        |address| {
            let runtime = runtime();
            runtime.block_on(call_client(&runtime, &address))
        },
    )
}

async fn call_client(runtime: &Runtime, address: &Address) -> [f64; 3] {
    let client = Client::connect(runtime, address, ClientConfig::default())
        .await
        .expect("a connection");
    let message = [7; MESSAGE_BYTES];
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        client
            .call(1, &Bytes(&message), CallOptions::new())
            .await
            .expect("an answer");
        times.push(start.elapsed().as_nanos() as f64);
    }
    let start = Instant::now();
    let mut under_way = VecDeque::with_capacity(IN_FLIGHT);
    for made in 0..STREAMED + IN_FLIGHT {
        if under_way.len() == IN_FLIGHT {
            let call: crake_rpc::Call = under_way.pop_front().expect("a call");
            call.await.expect("an answer");
        }
        if made < STREAMED {
            under_way.push_back(client.call(1, &Bytes(&message), CallOptions::new()));
        }
    }
    for call in under_way {
        call.await.expect("an answer");
    }
    let many = per_call(start);
    [median(times), many, per_part(&client).await]
}

async fn per_part(client: &Client) -> f64 {
    let start = Instant::now();
    let options = CallOptions::new().window(NonZeroU8::MAX);
    let mut stream = client.stream(STREAM, &Bytes(&[7; MESSAGE_BYTES]), options);
    while let Some(part) = stream.next().await {
        part.expect("a part");
    }
    per_call(start)
}
