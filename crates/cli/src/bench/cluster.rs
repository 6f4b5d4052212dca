//! The cluster under a benchmark: one that runs already, one in a process of its own, or one within this process.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use crake_datapath::Runtime;
use crake_server::{Cluster as Embedded, ClusterConfig, DatanodeConfig};
use crake_store::Store;
use rustix::process::getpid;
use serde::Deserialize;

use super::arguments::Transport;
use super::cores::Cores;
use crate::paths;
use crate::size::Size;

/// A cluster that a benchmark may use. One that was started for it ends when this is dropped.
pub enum Cluster {
    /// Somebody else's.
    Running {
        /// Where it is.
        url: String,
    },
    /// A process of `crake up` on the server's core.
    Process(Process),
    /// Guests of the client's own runtime.
    Embedded(Box<Embedded>),
}

impl Cluster {
    /// One at this URL, whoever runs it.
    pub fn running(url: &str) -> Cluster {
        Cluster::Running { url: url.into() }
    }

    /// A new one with so much memory.
    pub fn start(transport: Transport, dram: Size, cores: Cores, runtime: &Runtime) -> Result<Cluster> {
        match transport {
            Transport::Tcp => {
                Process::start(transport, "127.0.0.1:0", None, dram, cores).map(Cluster::Process)
            }
            Transport::Unix | Transport::Shm => {
                let path = env::temp_dir().join(format!("crake-bench-{}.sock", getpid().as_raw_nonzero()));
                let listen = format!("{transport}://{}", path.display());
                Process::start(transport, &listen, Some(path), dram, cores).map(Cluster::Process)
            }
            Transport::Embedded => {
                let datanode = DatanodeConfig {
                    dram_bytes: dram.0,
                    ..DatanodeConfig::default()
                };
                let cluster = Embedded::start(
                    runtime,
                    ClusterConfig {
                        datanode,
                        ..ClusterConfig::default()
                    },
                )
                .context("starting a cluster within this process")?;
                runtime.block_on(cluster.ready());
                Ok(Cluster::Embedded(Box::new(cluster)))
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

    /// Where clients find it.
    pub fn url(&self) -> String {
        match self {
            Cluster::Running { url } => url.clone(),
            Cluster::Process(process) => process.url.clone(),
            Cluster::Embedded(cluster) => cluster.address().to_string(),
        }
    }
}

/// A running `crake up`.
pub struct Process {
    child: Child,
    url: String,
    /// Where it has its sockets, to remove what it leaves.
    socket: Option<PathBuf>,
}

/// What `crake up --json` says once it serves.
#[derive(Deserialize)]
struct Serves {
    url: String,
}

impl Process {
    /// Listens at one address, so that nothing but what is to be measured can be taken.
    fn start(
        transport: Transport,
        listen: &str,
        socket: Option<PathBuf>,
        dram: Size,
        cores: Cores,
    ) -> Result<Process> {
        let child = Command::new(env::current_exe().context("finding this program's file")?)
            .args([
                "up",
                "--json",
                "--listen",
                listen,
                "--shm",
                "off",
                "--datanodes",
                "1",
                "--dram",
                &dram.to_string(),
            ])
            .args(["--end-with-parent", "--core", &cores.server.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting a cluster")?;
        let mut process = Process {
            child,
            url: String::new(),
            socket,
        };
        let url = process.wait_until_it_serves()?;
        process.url = format!("{url}?transport={transport}");
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
        for path in self
            .socket
            .iter()
            .flat_map(|path| [path.clone(), path.with_extension("sock.datanode0")])
        {
            let _ = std::fs::remove_file(path);
        }
    }
}
