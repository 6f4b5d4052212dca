//! What a stream costs over a bare loop on the same kind of socket: 64-byte messages echoed, one
//! at a time and 128 in flight, and 1 MiB at a time, over TCP loopback and Unix sockets.
//!
//! The server is on core 1, the client on core 0. Both kinds of each shape run in turn, so that
//! whatever else the machine does meets both; what is printed is the median of the repetitions,
//! and the ratio of the two. `cargo bench -p crake-datapath [-- REPETITIONS]`

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use crake_datapath::{Address, Runtime, RuntimeConfig, Stream, Waiting};
use crake_mem::{Buf, HugePages, Region, Sga};
use rustix::thread::{CpuSet, sched_setaffinity};

const MESSAGE: usize = 64;
const IN_FLIGHT: usize = 128;
const ROUND_TRIPS: usize = 20_000;
const ROUNDS: usize = 10_000;
const LARGE: usize = 1 << 20;
const LARGE_ROUNDS: usize = 300;

fn main() {
    let repetitions = std::env::args()
        .filter_map(|arg| arg.parse().ok())
        .next()
        .unwrap_or(7);
    shield();
    pin(0);
    println!(
        "{:<6} {:<12} {:>12} {:>12} {:>7}",
        "", "", "bare", "stream", "ratio"
    );
    for transport in [Transport::Tcp, Transport::Unix] {
        let mut ping_pong = (Vec::new(), Vec::new());
        let mut echo = (Vec::new(), Vec::new());
        let mut bulk = (Vec::new(), Vec::new());
        for _ in 0..repetitions {
            bare(transport, |client| {
                ping_pong.0.push(bare_ping_pong(client));
                echo.0.push(bare_echo(client));
                bulk.0.push(bare_bulk(client));
            });
            let [one, many, large] = streams(transport);
            ping_pong.1.push(one);
            echo.1.push(many);
            bulk.1.push(large);
        }
        report(transport, "round trip", "us", &mut ping_pong);
        report(transport, "128 echoed", "M/s", &mut echo);
        report(transport, "1 MiB echoed", "GB/s", &mut bulk);
    }
}

fn report(transport: Transport, what: &str, unit: &str, values: &mut (Vec<f64>, Vec<f64>)) {
    let (bare, ours) = (median(&mut values.0), median(&mut values.1));
    println!(
        "{transport:<6?} {what:<12} {bare:>7.3} {unit:<4} {ours:>7.3} {unit:<4} {:>7.3}",
        ours / bare
    );
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transport {
    Tcp,
    Unix,
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Keeps other programs off the cores: scheduling weight goes by session here, so `nice` alone does nothing.
fn shield() {
    let shielded = rustix::process::setsid().is_ok() && std::fs::write("/proc/self/autogroup", "-19").is_ok();
    if !shielded {
        eprintln!("not shielded from other programs (needs root and a session of its own)");
    }
}

fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    if let Err(error) = sched_setaffinity(None, &cores) {
        eprintln!("cannot stay on core {core}: {error}");
    }
}

fn socket_path() -> PathBuf {
    std::env::temp_dir().join(format!("crake-streams-{}", std::process::id()))
}

/// A socket that does not block.
trait Socket: Read + Write {}
impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// Runs `client` against an echo of bare sockets on the other core.
fn bare(transport: Transport, client: impl FnOnce(&mut dyn Socket)) {
    match transport {
        Transport::Tcp => {
            let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
            let address = listener.local_addr().expect("address");
            let server = thread::spawn(move || {
                let (mut socket, _) = listener.accept().expect("accept");
                socket.set_nodelay(true).expect("nodelay");
                socket.set_nonblocking(true).expect("non-blocking");
                serve_bare(&mut socket);
            });
            let mut socket = TcpStream::connect(address).expect("connect");
            socket.set_nodelay(true).expect("nodelay");
            socket.set_nonblocking(true).expect("non-blocking");
            client(&mut socket);
            drop(socket);
            server.join().expect("server");
        }
        Transport::Unix => {
            let path = socket_path();
            let listener = UnixListener::bind(&path).expect("listen");
            let server = thread::spawn(move || {
                let (mut socket, _) = listener.accept().expect("accept");
                socket.set_nonblocking(true).expect("non-blocking");
                serve_bare(&mut socket);
            });
            let mut socket = UnixStream::connect(&path).expect("connect");
            socket.set_nonblocking(true).expect("non-blocking");
            client(&mut socket);
            drop(socket);
            server.join().expect("server");
            std::fs::remove_file(path).expect("remove");
        }
    }
}

/// Echoes what a receive gives, whole.
fn serve_bare(socket: &mut impl Socket) {
    pin(1);
    let mut buffer = vec![0; 64 << 10];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => write_all(socket, &buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

fn write_all(socket: &mut (impl Socket + ?Sized), mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            // The client has closed with messages under way.
            Err(_) => return,
        }
    }
}

fn read_some(socket: &mut dyn Socket, buffer: &mut [u8]) -> usize {
    loop {
        match socket.read(buffer) {
            Ok(count) => return count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// The median round trip in microseconds.
fn bare_ping_pong(socket: &mut dyn Socket) -> f64 {
    let mut buffer = vec![0; 64 << 10];
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        write_all(socket, &[1; MESSAGE]);
        let mut received = 0;
        while received < MESSAGE {
            received += read_some(socket, &mut buffer);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    median(&mut times)
}

/// Million messages per second, sent 128 at once and anew when all have come back: from the median of these
/// rounds, since other
/// programs interrupt some.
fn bare_echo(socket: &mut dyn Socket) -> f64 {
    let mut buffer = vec![0; 64 << 10];
    let messages = vec![1; MESSAGE * IN_FLIGHT];
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        write_all(socket, &messages);
        let mut received = 0;
        while received < messages.len() {
            received += read_some(socket, &mut buffer);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    IN_FLIGHT as f64 / median(&mut times)
}

/// GB/s each way of 1 MiB that comes back whole before it is sent anew.
fn bare_bulk(socket: &mut dyn Socket) -> f64 {
    let (sent, mut received) = (vec![1; LARGE], vec![0; LARGE]);
    let mut times = Vec::with_capacity(LARGE_ROUNDS);
    for _ in 0..LARGE_ROUNDS {
        let start = Instant::now();
        let (mut out, mut back) = (0, 0);
        while back < LARGE {
            match socket.write(&sent[out..]) {
                Ok(count) => out += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            match socket.read(&mut received[back..]) {
                Ok(count) => back += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
        }
        times.push(start.elapsed().as_secs_f64());
    }
    LARGE as f64 / median(&mut times) / 1e9
}

/// The same three over streams.
fn streams(transport: Transport) -> [f64; 3] {
    let address = match transport {
        Transport::Tcp => "tcp://127.0.0.1:0".parse().expect("address"),
        Transport::Unix => Address::Unix(socket_path()),
    };
    let (send_address, receive_address) = std::sync::mpsc::channel();
    let server = thread::spawn(move || {
        pin(1);
        let runtime = runtime();
        let listener = runtime.listen(&address).expect("listen");
        send_address
            .send(listener.local_address().expect("address"))
            .expect("the client waits");
        runtime.block_on(async {
            let stream = listener.accept().await.expect("accept");
            serve(stream).await;
        });
    });
    let address = receive_address.recv().expect("the server listens");
    let runtime = runtime();
    let result = runtime.block_on(async {
        let stream = runtime.connect(&address).await.expect("connect");
        [ping_pong(&stream).await, echo(&stream).await, bulk(&stream).await]
    });
    drop(runtime);
    server.join().expect("server");
    result
}

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig {
        waiting: Waiting::default(),
        ..RuntimeConfig::default()
    })
    .expect("a runtime")
}

async fn serve(stream: Stream) {
    while let Ok(bytes) = stream.pop().await
        && !bytes.is_empty()
    {
        if stream.push(Sga::from(bytes)).await.is_err() {
            return;
        }
    }
}

async fn ping_pong(stream: &Stream) -> f64 {
    let message = Buf::from_vec(vec![1; MESSAGE]);
    let mut times = Vec::with_capacity(ROUND_TRIPS);
    for _ in 0..ROUND_TRIPS {
        let start = Instant::now();
        stream.push(Sga::from(message.clone())).await.expect("push");
        let mut received = 0;
        while received < MESSAGE {
            received += stream.pop().await.expect("pop").len();
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    median(&mut times)
}

async fn echo(stream: &Stream) -> f64 {
    let messages = Buf::from_vec(vec![1; MESSAGE * IN_FLIGHT]);
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        stream.push(Sga::from(messages.clone())).await.expect("push");
        let mut received = 0;
        while received < messages.len() {
            received += stream.pop().await.expect("pop").len();
        }
        times.push(start.elapsed().as_secs_f64() * 1e6);
    }
    IN_FLIGHT as f64 / median(&mut times)
}

async fn bulk(stream: &Stream) -> f64 {
    let sent = Buf::from_vec(vec![1; LARGE]);
    let target = Region::anonymous(LARGE, HugePages::Never)
        .expect("memory")
        .extent(..);
    let mut times = Vec::with_capacity(LARGE_ROUNDS);
    for _ in 0..LARGE_ROUNDS {
        let start = Instant::now();
        let push = stream.push(Sga::from(sent.clone()));
        assert_eq!(stream.pop_into(target.clone()).await, Ok(LARGE));
        push.await.expect("push");
        times.push(start.elapsed().as_secs_f64());
    }
    LARGE as f64 / median(&mut times) / 1e9
}
