//! End to end: messages are built, sent through one of Crake's queues, received by another thread, and read.
//!
//! All formats go through the same queue with the same header, as many of them in a push as fit into [`TURN_BYTES`], with the same number
//! under way. A message that arrives whole in a receive buffer is read there, whatever its format; of one that does not, what
//! has to be in one piece is received into a place of its length.

mod frame;
mod incoming;
mod outbox;
mod sink;
pub mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use crake_datapath::{Op, Runtime, Stream};
use crake_mem::{Buf, Pool, PoolConfig};
use rustix::thread::{CpuSet, sched_getaffinity};
use tempfile::TempDir;

use crate::data::{Kind, Set};
use crate::median;
use crate::rivals::{Rival, raw};
use frame::{HEADER_BYTES, Header};
pub use incoming::Reading;
pub use outbox::Outbox;
use outbox::Pools;
use sink::{Order, Sink, busy_runtime, pin};
use table::Row;

/// What is pushed at a time: somewhat less than a buffer, so that small messages go out as one segment.
const TURN_BYTES: usize = 56 << 10;
/// Messages under way at a time: as many as have so many bytes together, within bounds.
const WINDOW_BYTES: u64 = 1 << 20;
const WINDOW_MESSAGES: (u64, u64) = (4, 256);
/// How long a rival is measured at a time.
const TURN: Duration = Duration::from_millis(30);

/// Builds a message of a set, by its number, into what is to be sent.
pub type Build<'a> = Box<dyn FnMut(usize, &mut Outbox) + 'a>;

/// A kind of queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transport(&'static str);

/// All that there are between two processes of one machine.
pub const TRANSPORTS: [Transport; 3] = [Transport("shm"), Transport("unix"), Transport("tcp")];

impl Transport {
    pub fn name(self) -> &'static str {
        self.0
    }

    /// From how many bytes on a field goes out from where it lies. What is copied here lies in the caches and goes out with what is around
    /// it, so that copying pays for longer than where `crake bench wire` finds it, with data that does not.
    fn gather_min(self) -> usize {
        match self.0 {
            // A shorter segment would not be written past the caches where the other core is far.
            "shm" => 32 << 10,
            _ => 8 << 10,
        }
    }

    fn address(self, directory: &TempDir) -> String {
        match self.0 {
            "tcp" => "tcp://127.0.0.1:0".to_owned(),
            scheme => format!("{scheme}://{}/wire", directory.path().display()),
        }
    }
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub repetitions: usize,
    /// Instead of what is best for the queue.
    pub gather_min: Option<usize>,
}

/// What is measured over one kind of queue, from the first of these cores to the second.
pub fn measure(
    transport: Transport,
    [here, there]: [usize; 2],
    sets: &[&Set],
    rivals: &[&Rival],
    options: Options,
) -> Result<Vec<Row>> {
    let directory = TempDir::new().context("making a directory for the socket")?;
    let sink = Sink::start(transport.address(&directory).parse()?, there)?;
    pin(here)?;
    let runtime = busy_runtime()?;
    let stream = runtime.block_on(runtime.connect(&sink.address))?;
    let mut source = Source {
        pop: stream.pop(),
        pools: Pools::new(runtime.pool()),
        runtime: &runtime,
        stream: &stream,
        sink: &sink,
    };
    let rows = sets
        .iter()
        .map(|set| source.measure(transport, set, rivals, options))
        .collect::<Result<Vec<Row>>>();
    drop(source);
    drop(stream);
    match (rows, sink.stop()) {
        (Err(here), Err(there)) => bail!("{here:#}; at the other side: {there:#}"),
        (rows, stopped) => stopped.and(rows),
    }
}

/// A set's messages as they are sent, one frame after the other, each as one in which nothing has to be in one piece; and where each ends.
pub fn frames(mut build: Build<'_>, messages: usize) -> (Vec<u8>, Vec<usize>) {
    let pool = Pool::new(PoolConfig {
        buffer_bytes: 64 << 10,
        headroom_bytes: 0,
        buffers_max: 1,
    });
    let mut outbox = Outbox::new(Pools::new(&pool));
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for message in 0..messages {
        build(message, &mut outbox);
        let mut frame = outbox.take().concat();
        let beside_len = frame.len() - HEADER_BYTES;
        let header = Header {
            beside_len,
            ..Header::default()
        };
        header.encode(&mut frame);
        bytes.append(&mut frame);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

/// The first two that this process may use.
pub fn cores() -> Result<[usize; 2]> {
    let allowed = sched_getaffinity(None).context("asking which cores may be used")?;
    let mut allowed = (0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core));
    match (allowed.next(), allowed.next()) {
        (Some(here), Some(there)) => Ok([here, there]),
        _ => bail!("queues are measured between two cores, and this process may use only one"),
    }
}

/// The side that sends.
struct Source<'s> {
    runtime: &'s Runtime,
    stream: &'s Stream,
    sink: &'s Sink,
    pools: Pools,
    /// Of what the other side tells.
    pop: Op<Buf>,
}

/// A rival with the messages of one shape.
struct Case<'a> {
    build: Build<'a>,
    reading: fn(Kind) -> Reading,
    /// Runs through all messages that take a turn.
    passes: u64,
    /// Messages a second, of each repetition.
    rates: Vec<f64>,
    /// Of a message with its header, on average.
    frame_bytes: f64,
}

/// What one run gave.
struct Run {
    taken: Duration,
    sum: u64,
    sent_bytes: u64,
}

impl Source<'_> {
    fn measure(
        &mut self,
        transport: Transport,
        set: &Set,
        rivals: &[&Rival],
        options: Options,
    ) -> Result<Row> {
        let expected = (rivals.first().context("there is a rival")?.case)(set).read_all();
        let gather_min = options.gather_min.unwrap_or_else(|| transport.gather_min());
        let mut cases: Vec<Case<'_>> = rivals
            .iter()
            .map(|rival| Case::new((rival.build)(set, gather_min), rival.reading))
            .collect();
        cases.push(Case::new(raw::build(set), |_| Reading::Nothing));
        let last = cases.len() - 1;
        let window = self.calibrate(set, &mut cases, expected)?;
        for repetition in 0..options.repetitions {
            for turn in 0..cases.len() {
                // Each is the first once.
                let which = (turn + repetition) % cases.len();
                let case = &mut cases[which];
                let messages = case.passes * set.shape.len() as u64;
                let run = self.run(case, set, messages, window)?;
                let read = if which == last {
                    0
                } else {
                    expected.wrapping_mul(case.passes)
                };
                ensure!(
                    run.sum == read,
                    "{}: what was read is not what was sent",
                    set.name
                );
                case.rates.push(messages as f64 / run.taken.as_secs_f64());
            }
        }
        let raw = cases.pop().context("the last is the raw one")?;
        let ours = &cases[0];
        let ratio = |theirs: &Case<'_>| {
            let ratios = ours
                .rates
                .iter()
                .zip(&theirs.rates)
                .map(|(ours, theirs)| ours / theirs);
            median(ratios.collect())
        };
        Ok(Row {
            shape: set.name.clone(),
            transport: transport.name(),
            rates: cases.iter().map(|case| median(case.rates.clone())).collect(),
            ratios: cases.iter().map(ratio).collect(),
            frame_bytes: cases.iter().map(|case| case.frame_bytes).collect(),
            raw_ratio: ratio(&raw),
            raw_rate: median(raw.rates),
        })
    }

    /// Finds out for each rival how many runs through all messages take a turn, and holds what it reads equal to what was built. Gives the window.
    fn calibrate(&mut self, set: &Set, cases: &mut [Case<'_>], expected: u64) -> Result<u64> {
        let messages = set.shape.len() as u64;
        let (least, most) = WINDOW_MESSAGES;
        let mut window = least;
        let last = cases.len() - 1;
        for (which, case) in cases.iter_mut().enumerate() {
            let run = self.run(case, set, messages, window)?;
            ensure!(
                which == last || run.sum == expected,
                "{}: what was read is not what was sent",
                set.name
            );
            case.frame_bytes = run.sent_bytes as f64 / messages as f64;
            if which == 0 {
                window = (WINDOW_BYTES / (case.frame_bytes as u64).max(1)).clamp(least, most);
            }
            while case.passes < 1 << 20 {
                let run = self.run(case, set, case.passes * messages, window)?;
                if run.taken >= TURN / 2 {
                    let passes = case.passes as f64 * TURN.as_secs_f64() / run.taken.as_secs_f64();
                    case.passes = (passes.ceil() as u64).max(1);
                    break;
                }
                case.passes *= 2;
            }
        }
        Ok(window)
    }

    /// Sends so many messages and waits until all have been read.
    fn run(&mut self, case: &mut Case<'_>, set: &Set, messages: u64, window: u64) -> Result<Run> {
        let (reading, kind) = (case.reading, set.shape.kind());
        self.sink.order(Order {
            reading: Box::new(move || reading(kind)),
            messages,
        })?;
        let mut outbox = Outbox::new(self.pools.clone());
        let (mut built, mut told) = (0, Told::default());
        let mut pushing: Option<Op<()>> = None;
        let start = Instant::now();
        while told.messages < messages {
            let most = messages.min(told.messages + window);
            while built < most && outbox.len_bytes() < TURN_BYTES {
                (case.build)((built % set.shape.len() as u64) as usize, &mut outbox);
                built += 1;
            }
            if let Some(push) = &mut pushing
                && let Some(pushed) = push.try_wait()
            {
                pushed?;
                pushing = None;
            }
            if pushing.is_none() && !outbox.is_empty() {
                pushing = Some(self.stream.push(outbox.take()));
            }
            self.runtime.turn();
            if let Some(bytes) = self.pop.try_wait() {
                told.take(&bytes?)?;
                self.pop = self.stream.pop();
            }
        }
        let taken = start.elapsed();
        Ok(Run {
            taken,
            sum: self.sink.answer()?,
            sent_bytes: outbox.added_bytes,
        })
    }
}

impl<'a> Case<'a> {
    fn new(build: Build<'a>, reading: fn(Kind) -> Reading) -> Self {
        Self {
            build,
            reading,
            passes: 1,
            rates: Vec::new(),
            frame_bytes: 0.0,
        }
    }
}

/// What the other side has told.
#[derive(Default)]
struct Told {
    messages: u64,
    /// The front of a number that was cut.
    cut: Vec<u8>,
}

impl Told {
    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        ensure!(!bytes.is_empty(), "the receiver has gone");
        self.cut.extend_from_slice(bytes);
        let (numbers, rest) = self.cut.as_chunks();
        if let Some(last) = numbers.last() {
            self.messages = u64::from_le_bytes(*last);
        }
        let whole = self.cut.len() - rest.len();
        self.cut.drain(..whole);
        Ok(())
    }
}
