//! `crake bench`: an operation measured beside the raw limit of the transport under it.
//!
//! On shared machines a ratio counts and an absolute time does not, and even a ratio needs care. So operation and raw loop
//! run in turn on the same two cores; the cores' distance is measured around each turn, and turns during which it changed
//! are dropped; what is reported is the median over at least seven turns.

mod cores;
mod probe;
mod raw;
mod report;
mod runner;
mod shield;
mod stats;

use std::fmt;
use std::process;

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;

use self::cores::{Cores, pin};
pub use self::raw::PeerArguments;
use self::raw::{MESSAGE_BYTES, RawLoop, Shape};
use crate::config::{BENCH_REPETITIONS, Config};
use crate::exit::Usage;
use crate::output::Output;
use crate::size::Size;

/// The largest operation.
const SIZE_MAX: Size = Size(1 << 30);

/// The flag that tells a child of `shield` that it is one.
const SHIELDED_FLAG: &str = "--shielded";

/// Arguments of `crake bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake bench raw --transport unix                one message at a time: round trip time
  crake bench raw --transport tcp -b 128          128 in flight: messages a second
  crake bench raw --shape write -s 1MiB --json    one-way stream, acknowledged per MiB

With one operation in flight the ratio is p50 over the raw loop's p50 (lower is better), with more it is rate over
raw rate (higher is better). Run as root, it keeps other processes off the two cores; it says so if it cannot.")]
pub struct Arguments {
    /// What to measure
    #[arg(value_name = "TYPE")]
    kind: Kind,
    /// What carries the traffic
    #[arg(long, default_value = "tcp")]
    transport: Transport,
    /// Bytes of one operation
    #[arg(short, long, default_value = "64", value_name = "SIZE")]
    size: Size,
    /// Operations in one repetition [default: about a tenth of a second's worth]
    #[arg(short = 'k', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Operations in flight, each client
    #[arg(short = 'b', long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=65_536))]
    in_flight: u64,
    /// Clients, all on one core; the raw loop has as many operations in flight as all of them
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1024))]
    clients: u64,
    /// Good repetitions wanted [default: the setting bench.repetitions]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    repetitions: Option<u64>,
    /// Direction of the bytes, for `raw`
    #[arg(long, default_value = "echo")]
    shape: Direction,
    #[arg(long = SHIELDED_FLAG.trim_start_matches('-'), hide = true)]
    shielded: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The raw loop itself, beside itself: the transport's limit, and by its ratio how steady this machine is
    Raw,
}

/// What carries the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP over loopback
    Tcp,
    /// A Unix stream socket
    Unix,
    /// Nothing: client and server are in one process
    Embedded,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
            Transport::Embedded => "embedded",
        })
    }
}

/// Where the bytes of an operation flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Direction {
    /// There and back
    Echo,
    /// To the server, which acknowledges in 64 bytes
    Write,
    /// From the server, asked for in 64 bytes
    Read,
}

impl Direction {
    fn shape(self, size: Size, in_flight: u64) -> Shape {
        let (request_bytes, reply_bytes) = match self {
            Direction::Echo => (size.0, size.0),
            Direction::Write => (size.0, MESSAGE_BYTES),
            Direction::Read => (MESSAGE_BYTES, size.0),
        };
        Shape {
            request_bytes,
            reply_bytes,
            in_flight,
        }
    }
}

/// What a measurement is of, as its rows repeat it.
#[derive(Clone, Debug)]
pub struct Load {
    bench: &'static str,
    transport: Transport,
    size: Size,
    in_flight: u64,
    clients: u64,
    count: u64,
    shielded: bool,
}

/// Runs a benchmark; as root in a child that is shielded from the neighbours.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    if !(Size(1)..=SIZE_MAX).contains(&arguments.size) {
        return Err(Usage(format!("--size must be from 1 to {SIZE_MAX}")).into());
    }
    if !arguments.shielded && shield::is_possible() {
        let status = shield::rerun(SHIELDED_FLAG)?;
        process::exit(status.code().unwrap_or(1));
    }
    let shielded = is_shielded(arguments, output);
    let cores = Cores::find()?;
    pin(cores.client)?;
    measure(arguments, config, output, cores, shielded)
}

/// The other side of a raw loop.
pub fn peer(arguments: &PeerArguments) -> Result<()> {
    raw::run_peer(arguments)
}

fn is_shielded(arguments: &Arguments, output: Output) -> bool {
    let raised = if arguments.shielded {
        shield::raise()
    } else {
        Err(anyhow::anyhow!("it takes root"))
    };
    if let Err(error) = &raised {
        output.note(format!(
            "not shielded from other processes ({error:#}): look at ratios of medians only"
        ));
    }
    raised.is_ok()
}

fn measure(
    arguments: &Arguments,
    config: &Config,
    output: Output,
    cores: Cores,
    shielded: bool,
) -> Result<()> {
    let shape = arguments
        .shape
        .shape(arguments.size, arguments.in_flight * arguments.clients);
    let load = Load {
        bench: "raw",
        transport: arguments.transport,
        size: arguments.size,
        in_flight: arguments.in_flight,
        clients: arguments.clients,
        count: arguments.count.unwrap_or_else(|| default_count(shape)),
        shielded,
    };
    let wanted = arguments
        .repetitions
        .unwrap_or_else(|| config.count(&BENCH_REPETITIONS));
    let mut raw = RawLoop::start(load.transport, shape, cores)?;
    let mut operation = match arguments.kind {
        Kind::Raw => RawLoop::start(load.transport, shape, cores)?,
    };
    let bar = output.progress(wanted, "repetitions");
    let outcome = runner::repeat(
        &load,
        cores,
        wanted,
        &mut operation,
        &mut raw,
        |repetition, number| {
            bar.inc(1);
            Ok(output.row(&report::repetition_row(&load, repetition, number))?)
        },
    )?;
    bar.finish_and_clear();
    let summary = report::summary_row(&load, &outcome)?;
    output.row(&summary)?;
    output.table(&report::summary_table(&summary))?;
    output.line(&report::summary_line(&summary))?;
    Ok(())
}

/// Operations that take about a tenth of a second: some 20,000 round trips, or a million when they overlap, but not more than
/// half a GiB.
fn default_count(shape: Shape) -> u64 {
    let exchange_bytes = shape.request_bytes + shape.reply_bytes;
    let most = if shape.in_flight == 1 { 20_000 } else { 1_000_000 };
    ((512 << 20) / exchange_bytes).clamp(shape.in_flight.max(16), most.max(shape.in_flight))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(size: u64, in_flight: u64) -> u64 {
        default_count(Direction::Write.shape(Size(size), in_flight))
    }

    #[test]
    fn the_default_count_is_bounded_by_operations_and_by_bytes() {
        assert_eq!(count(64, 1), 20_000);
        assert_eq!(count(64, 128), 1_000_000);
        assert_eq!(count(1 << 20, 1), 511);
        assert_eq!(count(1 << 30, 1), 16);
        assert_eq!(count(1 << 30, 64), 64);
    }

    #[test]
    fn directions_say_which_side_sends_the_bytes() {
        let shape = |direction: Direction| {
            let shape = direction.shape(Size(1000), 2);
            (shape.request_bytes, shape.reply_bytes, shape.in_flight)
        };
        assert_eq!(shape(Direction::Echo), (1000, 1000, 2));
        assert_eq!(shape(Direction::Write), (1000, 64, 2));
        assert_eq!(shape(Direction::Read), (64, 1000, 2));
    }
}
