//! `crake bench wire`: from how many bytes on a field of a message is better sent from where it lies than copied into it.
//!
//! The same messages go to the same server over two connections, one of which copies every field and one of which copies
//! none, in turn. What a field costs either way depends on the machine and on the queue.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use crake_datapath::{Address, Runtime, RuntimeConfig, Waiting};
use crake_mem::Buf;
use crake_rpc::{
    Call, CallOptions, Client, ClientConfig, Peer, Replies, Request, Server, ServerConfig, Service, Status,
};
use crake_wire::{Limits, Payload};
use serde::Serialize;

use super::arguments::{Arguments, Transport};
use super::cores::{Cores, pin};
use super::stats::median;
use crate::exit::Usage;
use crate::output::{self, Output, short_time};
use crate::size::Size;

#[allow(missing_docs, dead_code)]
mod messages {
    include!(concat!(env!("OUT_DIR"), "/crake.bench.rs"));
}
use messages::{Fields, FieldsView, Taken};

/// The sizes of a field.
const SIZES: [usize; 9] = [64, 128, 256, 512, 1024, 2048, 4096, 8192, 16_000];
/// Fields of a message: all of them together fit into one that is copied.
const FIELDS: usize = 4;
/// The application's data lies in so many buffers, each used in turn: more than the caches hold.
const SOURCES: usize = 2048;
const SOURCE_BYTES: usize = 32 << 10;
/// Messages under way at a time.
const IN_FLIGHT: usize = 16;
/// Messages of one run, unless it is told otherwise.
const MESSAGES: u64 = 2000;

#[derive(Clone, Copy)]
struct Runs {
    transport: Transport,
    repetitions: u64,
    messages: u64,
}

/// What a size gave.
#[derive(Serialize)]
struct Row {
    bench: &'static str,
    transport: Transport,
    /// Bytes of each field.
    size: usize,
    fields: usize,
    /// Of a message, there and acknowledged.
    copied_ns: f64,
    gathered_ns: f64,
    /// Below 1: better gathered.
    ratio: f64,
    repetitions: u64,
}

/// What follows from all of them.
#[derive(Serialize)]
struct Verdict {
    bench: &'static str,
    transport: Transport,
    /// Nothing if copying was better at each size.
    gather_min: Option<usize>,
    default: usize,
}

/// Runs it. The thread is on the client's core.
pub fn run(arguments: &Arguments, repetitions: u64, cores: Cores, output: Output) -> Result<()> {
    let directory = tempfile::tempdir().context("making a directory for the socket")?;
    let address = match arguments.transport {
        Transport::Tcp => "tcp://127.0.0.1:0".to_owned(),
        Transport::Unix => format!("unix://{}/wire", directory.path().display()),
        Transport::Shm => format!("shm://{}/wire", directory.path().display()),
        Transport::Embedded => {
            return Err(Usage("wire is measured between two threads: tcp, unix or shm".into()).into());
        }
    };
    let peer = Sink::start(address.parse()?, cores)?;
    let runs = Runs {
        transport: arguments.transport,
        repetitions,
        messages: arguments.count.unwrap_or(MESSAGES),
    };
    let rows = measure(&peer.address, runs, output);
    peer.stop()?;
    report(&rows?, arguments.transport, output)
}

fn report(rows: &[Row], transport: Transport, output: Output) -> Result<()> {
    let mut table = output::table(&[">field", ">copied", ">gathered", ">ratio"]);
    let time = |ns: f64| short_time(Duration::from_nanos(ns as u64));
    for row in rows {
        output.row(row)?;
        table.add_row([
            Size(row.size as u64).to_string(),
            time(row.copied_ns),
            time(row.gathered_ns),
            format!("{:.2}", row.ratio),
        ]);
    }
    output.table(&table)?;
    let verdict = Verdict {
        bench: "wire",
        transport,
        gather_min: gather_min(rows),
        default: Limits::GATHER_MIN,
    };
    output.row(&verdict)?;
    output.line(&match verdict.gather_min {
        Some(size) => format!(
            "gather_min over {transport}: {size} (default {})",
            verdict.default
        ),
        None => format!("gather_min over {transport}: copying was better up to the largest size"),
    })?;
    Ok(())
}

/// The size from which on gathering was never worse.
fn gather_min(rows: &[Row]) -> Option<usize> {
    let better = rows.iter().rev().take_while(|row| row.ratio <= 1.0);
    better.last().map(|row| row.size)
}

fn measure(address: &Address, runs: Runs, output: Output) -> Result<Vec<Row>> {
    let runtime = busy_runtime()?;
    let [copying, gathering] = [usize::MAX, 1].map(|gather_min| connect(&runtime, address, gather_min));
    let (copying, gathering) = (copying?, gathering?);
    let sources: Vec<Buf> = (0..SOURCES)
        .map(|at| Buf::from_vec(vec![at as u8; SOURCE_BYTES]))
        .collect();
    let progress = output.progress(runs.repetitions * SIZES.len() as u64, "messages");
    let mut times = vec![(Vec::new(), Vec::new()); SIZES.len()];
    for _ in 0..runs.repetitions {
        for (size, (copied, gathered)) in SIZES.iter().zip(&mut times) {
            copied.push(runtime.block_on(send(&copying, &sources, *size, runs.messages))?);
            gathered.push(runtime.block_on(send(&gathering, &sources, *size, runs.messages))?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    SIZES
        .iter()
        .zip(times)
        .map(|(&size, (copied, gathered))| {
            let ratios = copied
                .iter()
                .zip(&gathered)
                .map(|(copied, gathered)| gathered / copied);
            Ok(Row {
                bench: "wire",
                transport: runs.transport,
                size,
                fields: FIELDS,
                ratio: median(ratios).context("no repetition")?,
                copied_ns: median(copied.iter().copied()).context("no repetition")?,
                gathered_ns: median(gathered.iter().copied()).context("no repetition")?,
                repetitions: runs.repetitions,
            })
        })
        .collect()
}

fn connect(runtime: &Runtime, address: &Address, gather_min: usize) -> Result<Client> {
    let config = ClientConfig {
        gather: Limits {
            gather_min,
            ..Limits::default()
        },
        ..ClientConfig::default()
    };
    runtime
        .block_on(Client::connect(runtime, address, config))
        .context("connecting to the other thread")
}

/// Nanoseconds a message.
async fn send(client: &Client, sources: &[Buf], size: usize, messages: u64) -> Result<f64> {
    let mut calls: [Option<Call>; IN_FLIGHT] = [const { None }; IN_FLIGHT];
    let mut source = sources.iter().cycle();
    let start = Instant::now();
    for message in 0..messages + IN_FLIGHT as u64 {
        let slot = &mut calls[message as usize % IN_FLIGHT];
        if let Some(call) = slot.take() {
            call.await?;
        }
        if message < messages {
            let mut field = || {
                source
                    .next()
                    .map_or_else(Payload::default, |buf| Payload::part(buf, 0..size))
            };
            let fields = [(); FIELDS].map(|()| field());
            *slot = Some(client.call(1, &Fields { fields: &fields }, CallOptions::new()));
        }
    }
    Ok(start.elapsed().as_nanos() as f64 / messages as f64)
}

fn busy_runtime() -> Result<Runtime> {
    let config = RuntimeConfig {
        waiting: Waiting::Busy,
        ..RuntimeConfig::default()
    };
    Runtime::new(config).context("starting the runtime")
}

/// A thread on the server's core that takes messages, and asks of each field how long it is.
struct Sink {
    address: Address,
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Result<()>>,
}

impl Sink {
    fn start(address: Address, cores: Cores) -> Result<Sink> {
        let stop = Arc::new(AtomicBool::new(false));
        let (ready, address_of) = mpsc::channel();
        let stopped = stop.clone();
        let thread = thread::Builder::new().name("sink".into()).spawn(move || {
            pin(cores.server)?;
            let runtime = busy_runtime()?;
            let service = Rc::new(RefCell::new(Takes));
            let server = Server::bind(&runtime, &address, ServerConfig::default(), service)?;
            ready.send(server.local_address().clone())?;
            while !stopped.load(Ordering::Relaxed) {
                runtime.turn();
            }
            Ok(())
        })?;
        match address_of.recv() {
            Ok(address) => Ok(Sink {
                address,
                stop,
                thread,
            }),
            // It ended before it could say where it listens.
            Err(_) => match thread.join() {
                Ok(Err(error)) => Err(error),
                _ => bail!("the other thread ended"),
            },
        }
    }

    fn stop(self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread
            .join()
            .map_err(|_| anyhow!("the other thread panicked"))?
    }
}

struct Takes;

impl Service for Takes {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            match taken(request) {
                Ok(bytes) => replies.send(request, &Taken { bytes }),
                Err(error) => replies.fail(request, Status::BAD_REQUEST, &error.to_string()),
            }
        }
    }
}

fn taken(request: &Request<'_>) -> Result<u64, crake_wire::WireError> {
    let fields = FieldsView::parse_gathered(request.frame())?.fields()?;
    let lens = fields.map(|field| field.map(|field| field.len() as u64));
    lens.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_pays_from_where_it_was_never_worse() {
        let rows = |ratios: [f64; 4]| {
            let row = |(ratio, size)| Row {
                bench: "wire",
                transport: Transport::Unix,
                size,
                fields: FIELDS,
                copied_ns: 1.0,
                gathered_ns: ratio,
                ratio,
                repetitions: 7,
            };
            ratios
                .into_iter()
                .zip([64, 128, 256, 512])
                .map(row)
                .collect::<Vec<_>>()
        };
        assert_eq!(gather_min(&rows([1.2, 1.1, 1.0, 0.7])), Some(256));
        assert_eq!(gather_min(&rows([0.9, 1.1, 0.8, 0.7])), Some(256));
        assert_eq!(gather_min(&rows([0.9, 0.9, 0.8, 0.7])), Some(64));
        assert_eq!(gather_min(&rows([0.9, 0.9, 0.8, 1.1])), None);
    }
}
