//! iceoryx2's round trip between two processes, each on a core of its own and never asleep: what `crake bench rpc
//! --transport shm` is compared with.
//!
//! 64 bytes are published by one process and published back by the other, each sample loaned ahead as iceoryx2's own
//! benchmark does it. Every round trip is timed, as Crake's are. One line of JSON has the result.
//!
//! All that iceoryx2 keeps in files lies below ROOT, and its shared memory has names that begin with PREFIX: whoever kills
//! this can remove both.

use std::env;
use std::fmt::Debug;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    Config, FileName, LogLevel, Node, NodeBuilder, Path, SemanticString, ipc, set_log_level,
};
use iceoryx2::service::port_factory::publish_subscribe;
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_setaffinity};

const SIZE: usize = 64;
const ROUND_TRIPS: usize = 20_000;
/// Round trips before those that count.
const WARM_UP: usize = ROUND_TRIPS / 20;
/// How long the other process may take to be there, and how long a message waits for its answer until then.
const PATIENCE: Duration = Duration::from_secs(10);
const RESEND_AFTER: Duration = Duration::from_millis(1);

/// The number of a message that tells the other process to end.
const LAST: u64 = u64::MAX;

/// A number, which comes back, eight times.
type Message = [u64; SIZE / 8];
type Service = publish_subscribe::PortFactory<ipc::Service, Message, ()>;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    set_log_level(LogLevel::Error);
    match arguments[..] {
        ["pong", root, prefix, core] => pong(root, prefix, core),
        [root, prefix, core, peer_core] => ping(root, prefix, core, peer_core),
        _ => bail!("usage: crake-rival-iceoryx2 ROOT PREFIX CORE PEER_CORE"),
    }
}

fn ping(root: &str, prefix: &str, core: &str, peer_core: &str) -> Result<()> {
    pin(core)?;
    let ports = Ports::open(root, prefix, "ping", "pong")?;
    let mut peer = start_peer(root, prefix, peer_core)?;
    let next = ports.wait_for_peer()?;
    let next = next + ports.exchange(next, WARM_UP)?.len() as u64;
    let mut latencies = ports.exchange(next, ROUND_TRIPS)?;
    ports.send(LAST)?;
    let status = peer.wait()?;
    ensure!(status.success(), "the other process ended: {status}");
    latencies.sort_unstable();
    println!(
        r#"{{"size":{SIZE},"count":{ROUND_TRIPS},"p50_ns":{},"p99_ns":{}}}"#,
        latencies[ROUND_TRIPS / 2].as_nanos(),
        latencies[ROUND_TRIPS / 100 * 99].as_nanos()
    );
    Ok(())
}

fn start_peer(root: &str, prefix: &str, core: &str) -> Result<Child> {
    Command::new(env::current_exe()?)
        .args(["pong", root, prefix, core])
        .spawn()
        .context("starting the other process")
}

fn pong(root: &str, prefix: &str, core: &str) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    pin(core)?;
    let ports = Ports::open(root, prefix, "pong", "ping")?;
    loop {
        let reply = explain(ports.publisher.loan_uninit())?;
        let message = loop {
            if let Some(message) = ports.receive()? {
                break message;
            }
        };
        if message[0] == LAST {
            return Ok(());
        }
        explain(reply.write_payload(message).send())?;
    }
}

/// One side's ends. Dropped in this order.
struct Ports {
    publisher: Publisher<ipc::Service, Message, ()>,
    subscriber: Subscriber<ipc::Service, Message, ()>,
    _services: [Service; 2],
    _node: Node<ipc::Service>,
}

impl Ports {
    fn open(root: &str, prefix: &str, out: &str, back: &str) -> Result<Ports> {
        let mut config = Config::default();
        config.global.prefix = explain(FileName::new(prefix.as_bytes()))?;
        config.global.set_root_path(&explain(Path::new(root.as_bytes()))?);
        let node = explain(NodeBuilder::new().config(&config).create::<ipc::Service>())?;
        let (out, back) = (service(&node, out)?, service(&node, back)?);
        Ok(Ports {
            publisher: explain(out.publisher_builder().create())?,
            subscriber: explain(back.subscriber_builder().create())?,
            _services: [out, back],
            _node: node,
        })
    }

    /// Sends numbers until one comes back: what is published before both sides have found each other is lost. Gives the
    /// first one that was not sent.
    fn wait_for_peer(&self) -> Result<u64> {
        let deadline = Instant::now() + PATIENCE;
        for number in 0.. {
            ensure!(Instant::now() < deadline, "the other process does not answer");
            self.send(number)?;
            let soon = Instant::now() + RESEND_AFTER;
            while Instant::now() < soon {
                if self.receive()?.is_some_and(|message| message[0] == number) {
                    return Ok(number + 1);
                }
            }
        }
        bail!("there are no more numbers")
    }

    /// The time of each of `count` round trips.
    fn exchange(&self, first: u64, count: usize) -> Result<Vec<Duration>> {
        let mut latencies = Vec::with_capacity(count);
        let mut request = explain(self.publisher.loan_uninit())?;
        let mut started = Instant::now();
        for number in (first..).take(count) {
            explain(request.write_payload([number; SIZE / 8]).send())?;
            request = explain(self.publisher.loan_uninit())?;
            // What was sent again while the other side was waited for may come back late.
            while self.receive()?.is_none_or(|message| message[0] != number) {}
            let ended = Instant::now();
            latencies.push(ended - started);
            started = ended;
        }
        Ok(latencies)
    }

    fn send(&self, number: u64) -> Result<()> {
        explain(self.publisher.send_copy([number; SIZE / 8]))?;
        Ok(())
    }

    fn receive(&self) -> Result<Option<Message>> {
        Ok(explain(self.subscriber.receive())?.map(|sample| *sample))
    }
}

/// As iceoryx2's own benchmark sets it up.
fn service(node: &Node<ipc::Service>, name: &str) -> Result<Service> {
    let builder = node
        .service_builder(&explain(name.try_into())?)
        .publish_subscribe::<Message>()
        .max_publishers(1)
        .max_subscribers(1)
        .history_size(0)
        .subscriber_max_buffer_size(1)
        .enable_safe_overflow(true);
    explain(builder.open_or_create())
}

/// Binds this thread to a core.
fn pin(core: &str) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(core.parse().with_context(|| format!("{core} is no core"))?);
    sched_setaffinity(None, &only).with_context(|| format!("binding to core {core}"))
}

fn explain<T, E: Debug>(result: Result<T, E>) -> Result<T> {
    result.map_err(|error| anyhow!("iceoryx2: {error:?}"))
}
