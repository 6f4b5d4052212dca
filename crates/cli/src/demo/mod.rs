//! `crake demo`: a real folder goes through a cluster and comes back, and every byte is compared.

mod folder;
mod job;
mod keys;
mod measure;
mod parts;
mod tree;

use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result};
use clap::Args;
use crake_datapath::{Runtime, RuntimeConfig};
use crake_server::LocalWrite;
use crake_store::Store;
use serde::Serialize;

use self::folder::Folder;
use self::measure::{Measured, Raw};
use crate::bench::{Cores, Durability, Transport, pin};
use crate::cluster::{Cluster, Wanted};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::paths;
use crate::size::Size;

/// Arguments of `crake demo`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake demo
  crake demo ~/photos
  crake demo --limit 100MiB --json
  crake demo --embedded

It starts a cluster of two datanodes in another process, reached through shared memory, or with --embedded one within
itself: no ports, no files. It stores the folder, lists it, reads it back and compares the checksum of every MiB, then
puts, gets and scans keys, has the parts of a multifile written by several clients at once and read as one stream, and last
runs a job with a quota. The first difference ends it with exit code 1, and the cluster ends with it.")]
pub struct Arguments {
    /// What to store [default: the Rust toolchain's own folder, else /usr/lib, else the current directory]
    dir: Option<PathBuf>,
    /// So much of it at most; less if the machine has not three times as much memory to spare
    #[arg(long, default_value = "1GiB", value_name = "SIZE")]
    limit: Size,
    /// Keys to put, get and scan
    #[arg(long, default_value = "100000", value_name = "N")]
    keys: u64,
    /// The cluster within this process, as it is anyway where there is only one core
    #[arg(long)]
    embedded: bool,
}

/// Datanodes of the cluster.
const DATANODES: u64 = 2;

/// The last row.
#[derive(Serialize)]
struct Summary<'a> {
    summary: bool,
    identical: bool,
    folder: &'a str,
    files: usize,
    directories: usize,
    bytes: u64,
    keys: u64,
    seconds: f64,
    paths: &'a [paths::Row],
    multifile: &'a parts::Shown,
    job: &'a job::Shown,
}

/// Runs it.
pub fn run(arguments: &Arguments, output: Output) -> Result<()> {
    let interrupt = Interrupt::catch()?;
    let runtime = Runtime::new(RuntimeConfig::default())?;
    let started = std::time::Instant::now();
    let folder = Rc::new(Folder::find(arguments.dir.clone(), arguments.limit.0)?);
    output.line(&format!(
        "{}: {} files with {}{}",
        folder.root.display(),
        folder.files.len(),
        Size(folder.bytes).rounded(),
        if folder.is_whole {
            ""
        } else {
            ", as much of it as the limit and the memory here allow"
        },
    ))?;
    let place = Place::choose(arguments)?;
    let prepared = prepare(&place, &runtime, &folder, output);
    let outcome = runtime.block_on(interrupt.or(async {
        // Not before a signal was looked for: what failed may have failed because of one.
        let (raw, cluster) = prepared?;
        let store = Store::connect(&runtime, &cluster.url()).await?;
        let paths = paths::of_all(&store).await?;
        output.line(&paths::line(&paths))?;
        let measured = steps(&store, &folder, arguments.keys, &raw, output).await?;
        let parts = parts::show(&store, &cluster.url(), output).await?;
        let job = job::show(&store, output).await?;
        cluster.check()?;
        drop(store);
        Ok::<_, anyhow::Error>((measured, raw, paths, parts, job))
    }));
    runtime.shutdown();
    let (measured, raw, paths, parts, job) = outcome??;
    measure::show(&measured, &raw, output)?;
    output.row(&Summary {
        summary: true,
        identical: true,
        folder: &folder.root.to_string_lossy(),
        files: folder.files.len(),
        directories: folder.directories.len(),
        bytes: folder.bytes,
        keys: arguments.keys,
        seconds: started.elapsed().as_secs_f64(),
        paths: &paths,
        multifile: &parts,
        job: &job,
    })?;
    output.line(&format!(
        "everything came back as it went: {} files, {} bytes, {} keys; {:.1} s in all",
        folder.files.len(),
        folder.bytes,
        arguments.keys,
        started.elapsed().as_secs_f64(),
    ))?;
    Ok(())
}

/// Where the cluster runs.
enum Place {
    /// In a process on one core, used from another.
    Process(Cores),
    /// Here.
    Embedded,
}

impl Place {
    /// Two processes that never sleep for long want a core each.
    fn choose(arguments: &Arguments) -> Result<Place> {
        match Cores::find() {
            Ok(cores) if !arguments.embedded => {
                pin(cores.client)?;
                Ok(Place::Process(cores))
            }
            _ => Ok(Place::Embedded),
        }
    }

    fn cores(&self) -> Option<Cores> {
        match *self {
            Place::Process(cores) => Some(cores),
            Place::Embedded => None,
        }
    }

    fn described(&self) -> &'static str {
        match self {
            Place::Process(_) => "in a process of its own",
            Place::Embedded => "within this process",
        }
    }

    fn start(&self, runtime: &Runtime, folder: &Folder) -> Result<Cluster> {
        let wanted = Wanted {
            transport: match self {
                Place::Process(_) => Transport::Shm,
                Place::Embedded => Transport::Embedded,
            },
            datanodes: DATANODES,
            dram: Size((folder.capacity() / DATANODES).next_multiple_of(1 << 20)),
            durability: Durability::None,
            local_write: LocalWrite::default(),
            core: self.cores().map(|cores| cores.server),
        };
        Cluster::start(wanted, runtime).with_context(|| format!("starting a cluster {}", self.described()))
    }
}

fn prepare(place: &Place, runtime: &Runtime, folder: &Folder, output: Output) -> Result<(Raw, Cluster)> {
    let raw = Raw::measure(place.cores())?;
    let cluster = place.start(runtime, folder)?;
    output.line(&format!(
        "a cluster {}: a namenode and {DATANODES} datanodes with {} of memory",
        place.described(),
        Size(folder.capacity()).rounded()
    ))?;
    Ok((raw, cluster))
}

async fn steps(
    store: &Store,
    folder: &Rc<Folder>,
    keys: u64,
    raw: &Raw,
    output: Output,
) -> Result<Vec<Measured>> {
    let mut measured = Vec::new();
    let mut add = |step: Measured| -> Result<()> {
        output.row(&step)?;
        measured.push(step);
        Ok(())
    };
    let (sums, put) = tree::put(store, folder, raw, output).await?;
    add(put)?;
    add(tree::list(store, folder, raw, output).await?)?;
    add(tree::get(store, folder, &Rc::new(sums), raw, output).await?)?;
    let table = store.make_table("/keys", false).await?;
    let runtime = store.runtime();
    add(keys::put(runtime, &table, keys, raw, output).await?)?;
    add(keys::get(runtime, &table, keys, raw, output).await?)?;
    add(keys::scan(&table, keys, raw, output).await?)?;
    Ok(measured)
}
