//! `crake bench`: an operation measured beside the raw limit of the transport under it.
//!
//! On shared machines a ratio counts and an absolute time does not, and even a ratio needs care. So operation and raw loop
//! run in turn on the same two cores; the cores' distance is measured around each turn, and turns during which it changed
//! are dropped; what is reported is the median over at least seven turns.

mod arguments;
mod client;
mod cores;
mod kind;
mod names;
mod operations;
mod probe;
mod raw;
mod redis;
mod report;
mod runner;
mod shield;
mod stats;
mod window;
mod wire;

use std::process;

use anyhow::{Result, anyhow};
use crake_datapath::Runtime;

pub use self::arguments::{Arguments, Durability, Transport};
use self::client::Client;
pub use self::cores::{Cores, pin};
use self::kind::{Kind, Plan};
use self::raw::{Copying, RawLoop, Way};
pub use self::raw::{PeerArguments, Shape};
use self::redis::Redis;
use self::report::Subject;
use self::runner::{Copies, Exchanges, Limit, Measurement, Operation};
use crate::cluster::{Cluster, Wanted};
use crate::config::{BENCH_REPETITIONS, Config, Origin, URL};
use crate::endpoint;
use crate::exit::Usage;
use crate::output::Output;
use crate::paths;
use crate::role;
use crate::size::Size;

/// Runs a benchmark; as root in a child that is shielded from the neighbours.
pub fn run(arguments: &Arguments, config: &Config, output: Output) -> Result<()> {
    let plan = match arguments.kind {
        Kind::Wire => None,
        _ => Some(Plan::new(arguments)?),
    };
    if !arguments.shielded && shield::is_possible() {
        let status = shield::rerun()?;
        process::exit(status.code().unwrap_or(1));
    }
    let shielded = is_shielded(arguments, output);
    let cores = Cores::find()?;
    pin(cores.client)?;
    match plan {
        Some(plan) => measure(&plan, arguments, config, output, cores, shielded),
        None => wire::run(arguments, repetitions(arguments, config), cores, output),
    }
}

fn repetitions(arguments: &Arguments, config: &Config) -> u64 {
    arguments
        .repetitions
        .unwrap_or_else(|| config.count(&BENCH_REPETITIONS))
}

/// Exchanges a second of the raw loop: between two cores, on the first of which this thread is, through shared memory, or
/// within this thread.
pub fn raw_rate(cores: Option<Cores>, shape: Shape, operations: u64) -> Result<f64> {
    match cores {
        Some(cores) => {
            let mut raw = RawLoop::start(Transport::Shm, shape, cores)?;
            Ok(raw.run(operations)?.rate())
        }
        None => raw::rate_within_a_thread(shape, operations),
    }
}

/// The other side of a raw loop.
pub fn peer(arguments: &PeerArguments) -> Result<()> {
    raw::run_peer(arguments)
}

fn is_shielded(arguments: &Arguments, output: Output) -> bool {
    let raised = if arguments.shielded {
        shield::raise()
    } else {
        Err(anyhow!("it takes root"))
    };
    if let Err(error) = &raised {
        output.note(format!(
            "not shielded from other processes ({error:#}): look at ratios of medians only"
        ));
    }
    raised.is_ok()
}

fn measure(
    plan: &Plan,
    arguments: &Arguments,
    config: &Config,
    output: Output,
    cores: Cores,
    shielded: bool,
) -> Result<()> {
    let runtime = endpoint::runtime(config)?;
    let cluster = cluster(plan, arguments, config, cores, &runtime)?;
    let paths = match &cluster {
        Some(cluster) => cluster.paths(&runtime)?,
        None => Vec::new(),
    };
    let transport = transport(arguments, config, &paths, output)?;
    let operation = match cluster {
        Some(cluster) => {
            let client = Client::connect(runtime, cluster, arguments.clients, plan.in_flight)?;
            plan.operation(client, arguments)?
        }
        None => raw_alone(plan, transport, cores)?,
    };
    let subject = Subject {
        bench: plan.kind.name(),
        transport,
        size: plan.size,
        moved_bytes: plan.moved_bytes(),
        keys: plan.keys,
        in_flight: plan.in_flight,
        clients: arguments.clients,
        buffered: plan.buffered,
        durability: arguments.durability,
        count: plan.count,
        shielded,
        in_place: operation.is_in_place(),
        against: match (&arguments.against, plan.walk(transport)) {
            (Some(_), _) => "redis",
            (None, Some(_)) => "raw copy",
            (None, None) => "raw loop",
        },
        paths,
    };
    let mut measurement = Measurement {
        cores,
        count: plan.count,
        compare: subject.compare(),
        operation,
        raw: beside(plan, arguments, transport, cores)?,
    };
    let wanted = repetitions(arguments, config);
    let bar = output.progress(wanted, subject.bench);
    let outcome = measurement.repeat(wanted, |repetition, number| {
        bar.inc(1);
        Ok(output.row(&report::repetition_row(&subject, repetition, number))?)
    })?;
    bar.finish_and_clear();
    let summary = report::summary_row(&subject, &outcome)?;
    output.row(&summary)?;
    output.table(&report::summary_table(&summary))?;
    output.line(&report::summary_line(&subject, &summary, &outcome))?;
    Ok(())
}

/// The URL of a cluster that runs already, if there is one. Only the flag counts: nobody's cluster is loaded because of
/// a variable in the environment.
fn running(config: &Config) -> Option<&str> {
    matches!(config.origin(&URL), Origin::Flag(_)).then(|| config.text(&URL))
}

/// What carries the traffic: of a running cluster, what the connection to its namenode took.
fn transport(
    arguments: &Arguments,
    config: &Config,
    paths: &[paths::Row],
    output: Output,
) -> Result<Transport> {
    if running(config).is_none() || arguments.kind == Kind::Raw {
        return Ok(arguments.transport);
    }
    output.note(
        "the raw loop runs on this machine: its ratio means something only if the cluster runs here too",
    );
    match paths.first().and_then(paths::Row::transport) {
        Some("unix") => Ok(Transport::Unix),
        Some("shm") => Ok(Transport::Shm),
        Some(_) => Ok(Transport::Tcp),
        None => Err(anyhow!("the connection to the namenode was lost")),
    }
}

/// What the operation is measured beside.
fn beside(plan: &Plan, arguments: &Arguments, transport: Transport, cores: Cores) -> Result<Limit> {
    if let Some(url) = &arguments.against {
        let in_flight = plan.in_flight * arguments.clients;
        let redis = Redis::start(url, plan.kind, arguments.files, plan.size.0, in_flight)?;
        return Ok(Limit::Loop(Box::new(redis)));
    }
    if let Some(walk) = plan.walk(transport) {
        let memory = walk.memory(transport)?;
        return Ok(Limit::Copies(Copies {
            memcpy: Box::new(Copying::new(&memory, Way::Memcpy)),
            nontemporal: Box::new(Copying::new(&memory, Way::NonTemporal)),
        }));
    }
    Ok(Limit::Loop(Box::new(Exchanges {
        raw: RawLoop::start(transport, plan.shape, cores)?,
        operations_per_exchange: plan.operations_per_exchange,
    })))
}

/// The raw loop where it is what is measured.
fn raw_alone(plan: &Plan, transport: Transport, cores: Cores) -> Result<Box<dyn Operation>> {
    Ok(match plan.walk(transport) {
        Some(walk) => Box::new(Copying::new(&walk.memory(transport)?, Way::Memcpy)),
        None => Box::new(RawLoop::start(transport, plan.shape, cores)?),
    })
}

/// What is measured; nothing for the raw loop.
fn cluster(
    plan: &Plan,
    arguments: &Arguments,
    config: &Config,
    cores: Cores,
    runtime: &Runtime,
) -> Result<Option<Cluster>> {
    if plan.kind == Kind::Raw {
        return Ok(None);
    }
    let cluster = match running(config) {
        Some(_) if arguments.durability != Durability::None => {
            let what = "--durability is of a cluster that bench starts, and --url names one that runs";
            return Err(Usage(what.into()).into());
        }
        Some(url) => Cluster::running(url),
        None => {
            let wanted = Wanted {
                transport: arguments.transport,
                datanodes: 1,
                dram: dram(plan, arguments),
                local_write: role::local_write(config),
                durability: arguments.durability,
                core: Some(cores.server),
            };
            Cluster::start(wanted, runtime)?
        }
    };
    Ok(Some(cluster))
}

/// Memory for the cluster: twice what lies in it, in whole MiB, for blocks are larger than what they hold.
fn dram(plan: &Plan, arguments: &Arguments) -> Size {
    const LEAST: u64 = 256 << 20;
    let bytes = plan.stored_bytes(arguments.files).saturating_mul(2).max(LEAST);
    Size(bytes.next_multiple_of(1 << 20))
}
