//! The cluster under a benchmark or a demonstration: one that runs already, one in a process of its own, or one within this
//! process.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use crake_datapath::Runtime;
use crake_server::namenode::log::{self, LogConfig};
use crake_server::{Cluster as Embedded, ClusterConfig, DatanodeConfig, LocalWrite, NamenodeConfig};
use crake_store::Store;
use rustix::process::getpid;
use serde::Deserialize;
use tempfile::TempDir;

use crate::bench::{Durability, Transport};
use crate::paths;
use crate::size::Size;

/// A cluster to use. One that was started for that ends when this is dropped.
pub enum Cluster {
    /// Somebody else's.
    Running {
        /// Where it is.
        url: String,
    },
    /// A process of `crake up`.
    Process(Process),
    /// Guests of the client's own runtime.
    Embedded {
        /// The servers.
        servers: Box<Embedded>,
        /// Removed after their end.
        _log: Option<TempDir>,
    },
}

/// A cluster to start.
pub struct Wanted {
    /// The only way to it.
    pub transport: Transport,
    /// How many.
    pub datanodes: u64,
    /// Memory of each, taken at start.
    pub dram: Size,
    /// How clients that share memory with them write.
    pub local_write: LocalWrite,
    /// What changes survive: if anything, it has a log, which goes with it.
    pub durability: Durability,
    /// Where its process runs, if it has one of its own and is to stay on one core.
    pub core: Option<usize>,
}

impl Cluster {
    /// One at this URL, whoever runs it.
    pub fn running(url: &str) -> Cluster {
        Cluster::Running { url: url.into() }
    }

    /// A new one, which serves when this returns.
    pub fn start(wanted: Wanted, runtime: &Runtime) -> Result<Cluster> {
        match wanted.transport {
            Transport::Tcp => Process::start(&wanted, "127.0.0.1:0", None).map(Cluster::Process),
            Transport::Unix | Transport::Shm => {
                let path = env::temp_dir().join(format!("crake-own-{}.sock", getpid().as_raw_nonzero()));
                let listen = format!("{}://{}", wanted.transport, path.display());
                Process::start(&wanted, &listen, Some(path)).map(Cluster::Process)
            }
            Transport::Embedded => {
                let log = log_directory(wanted.durability)?;
                let durability = match wanted.durability {
                    Durability::Sync => log::Durability::Sync,
                    Durability::None | Durability::Async => log::Durability::Async,
                };
                let namenode = NamenodeConfig {
                    log: log
                        .as_ref()
                        .map(|directory| LogConfig::new(directory.path(), durability)),
                    ..NamenodeConfig::default()
                };
                let datanode = DatanodeConfig {
                    dram_bytes: wanted.dram.0,
                    local_write: wanted.local_write,
                    ..DatanodeConfig::default()
                };
                let servers = Embedded::start(
                    runtime,
                    ClusterConfig {
                        datanodes: wanted.datanodes as usize,
                        datanode,
                        namenode,
                        ..ClusterConfig::default()
                    },
                )
                .context("starting a cluster within this process")?;
                runtime.block_on(servers.ready());
                Ok(Cluster::Embedded {
                    servers: Box::new(servers),
                    _log: log,
                })
            }
        }
    }

    /// How clients reach each server. Looked at by a store of its own: a connection that is there and not used would be
    /// measured, too.
    pub fn paths(&self, runtime: &Runtime) -> Result<Vec<paths::Row>> {
        let url = self.url();
        let found = runtime.block_on(async {
            let store = Store::connect(runtime, &url).await?;
            paths::of_all(&store).await
        });
        found.with_context(|| format!("connecting to {url}"))
    }

    /// Fails if the namenode contradicts itself, as far as that can be seen from here.
    pub fn check(&self) -> Result<()> {
        match self {
            Cluster::Embedded { servers, .. } => servers
                .namenode()
                .check()
                .map_err(anyhow::Error::msg)
                .context("the namenode contradicts itself"),
            Cluster::Running { .. } | Cluster::Process(_) => Ok(()),
        }
    }

    /// Where clients find it.
    pub fn url(&self) -> String {
        match self {
            Cluster::Running { url } => url.clone(),
            Cluster::Process(process) => process.url.clone(),
            Cluster::Embedded { servers, .. } => servers.address().to_string(),
        }
    }
}

/// A running `crake up`.
pub struct Process {
    child: Child,
    url: String,
    /// Where it has its sockets, to remove what it leaves.
    sockets: Vec<PathBuf>,
    /// Removed after its end.
    _log: Option<TempDir>,
}

/// What `crake up --json` says once it serves.
#[derive(Deserialize)]
struct Serves {
    url: String,
}

impl Process {
    /// Listens at one address, so that nothing but what is to be measured can be taken.
    fn start(wanted: &Wanted, listen: &str, socket: Option<PathBuf>) -> Result<Process> {
        let local_write = match wanted.local_write {
            LocalWrite::Ring => "ring",
            LocalWrite::Map => "map",
        };
        let log = log_directory(wanted.durability)?;
        let log_arguments = log
            .iter()
            .flat_map(|log| [OsStr::new("--log"), log.path().as_os_str()]);
        let child = Command::new(env::current_exe().context("finding this program's file")?)
            .args([
                "up",
                "--json",
                "--listen",
                listen,
                "--shm",
                "off",
                "--datanodes",
                &wanted.datanodes.to_string(),
                "--dram",
                &wanted.dram.to_string(),
                "--local-write",
                local_write,
            ])
            .args(log_arguments)
            // Also if there is to be none: the log of the settings is that of another cluster.
            .args(["--durability", &wanted.durability.to_string()])
            .arg("--end-with-parent")
            .args(
                wanted
                    .core
                    .iter()
                    .flat_map(|core| ["--core".into(), core.to_string()]),
            )
            // Ctrl-C ends it through this process, which still has something to ask it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a cluster")?;
        let mut process = Process {
            child,
            url: String::new(),
            sockets: socket.map_or_else(Vec::new, |path| sockets(path, wanted.datanodes)),
            _log: log,
        };
        let url = process.wait_until_it_serves()?;
        process.url = format!("{url}?transport={}", wanted.transport);
        Ok(process)
    }

    fn wait_until_it_serves(&mut self) -> Result<String> {
        let stdout = self.child.stdout.take().context("it has a pipe for its output")?;
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .context("waiting for the cluster")?;
        if line.is_empty() {
            bail!("the cluster did not start: {}", self.child.wait()?);
        }
        let serves: Serves = serde_json::from_str(&line).context("reading what the cluster says")?;
        Ok(serves.url)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It keeps nothing that needs an orderly end. Both calls fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for path in &self.sockets {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// A new directory for the log of a cluster, if it is to have one.
fn log_directory(durability: Durability) -> Result<Option<TempDir>> {
    if durability == Durability::None {
        return Ok(None);
    }
    let made = TempDir::with_prefix("crake-own-log-");
    made.map(Some).context("making a directory for the log")
}

/// Those of a namenode at `path` and of its datanodes.
fn sockets(path: PathBuf, datanodes: u64) -> Vec<PathBuf> {
    let beside = (0..datanodes).map(|number| path.with_extension(format!("sock.datanode{number}")));
    beside.chain([path.clone()]).collect()
}
