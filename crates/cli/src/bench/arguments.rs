//! The command line of `crake bench`.

use std::fmt;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::kind::Kind;
use super::shield;
use crate::config::{DATANODE_LOCAL_WRITE, Flag};
use crate::size::Size;

/// Arguments of `crake bench`.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  crake bench raw --transport unix                    the limit itself: one message there and back at a time
  crake bench raw --transport shm --shape copy -s 1MiB    the limit of reads in place: by memcpy and by other stores
  crake bench get-file --transport unix               lookups, one at a time, beside it
  crake bench get-file-async -b 128 --files 1000000 --directories 1000
  crake bench write -s 1MiB --json                    a stream into a file
  crake bench read-sequential -s 1KiB --buffered      small reads through a buffered stream
  crake bench view --transport shm                    a file of 100MiB looked at in place, opened anew each time
  crake bench put-file --transport shm -s 1GiB
  crake bench create-file-async --transport embedded --durability async    what a log costs, beside --durability none
  crake bench wire --transport unix                   from what size on a field of a message is better not copied
  crake bench rpc --url 'crake://localhost:9060?transport=tcp'   a cluster that runs already, over TCP

It starts a cluster of its own on one core and works from another, unless --url is given. Beside each operation
runs the same shape of traffic as a tight loop on bare sockets, or on bare pipes in shared memory; beside reads and
writes of files through shm a tight loop of copies. With one operation in flight the ratio is p50 over the
loop's p50 (lower is better), else rate over the loop's rate (higher is better). Run as root, it keeps other processes
off the two cores; it says so if it cannot.")]
pub struct Arguments {
    /// What to measure
    #[arg(value_name = "TYPE")]
    pub kind: Kind,
    /// What carries the traffic; to a cluster that runs already, what its URL leads to and allows
    #[arg(long, default_value = "tcp")]
    pub transport: Transport,
    /// How the cluster that it starts lets writes through shm go: ring or map [default: the setting datanode.local_write]
    #[arg(long, value_name = "ring|map")]
    pub local_write: Option<String>,
    /// What an answered change survives in the cluster that it starts, which then has a log in a directory for temporary files: none,
    /// async (the end of the namenode) or sync (of its machine)
    #[arg(long, default_value = "none")]
    pub durability: Durability,
    /// Bytes of one operation, or of the file that is viewed [default: 1MiB for reads and writes, 100MiB for put-file and view, else 64]
    #[arg(short, long, value_name = "SIZE")]
    pub size: Option<Size>,
    /// Operations in one repetition [default: about a tenth of a second's worth]
    #[arg(short = 'k', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Operations in flight, each client [default: 1; of -async types 128, or 8 if they read or write]
    #[arg(short = 'b', long, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    pub in_flight: Option<u64>,
    /// Clients, all on one core; the raw loop has as many operations in flight as all of them
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1024))]
    pub clients: u64,
    /// Read or write through a buffered stream
    #[arg(long)]
    pub buffered: bool,
    /// Files, keys or entries that there are
    #[arg(long, default_value = "1000", value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub files: u64,
    /// Directories that the files of get-file are in
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub directories: u64,
    /// A server to measure beside, instead of the raw loop: redis://HOST:PORT or redis+unix:///PATH, for the types of keys
    #[arg(long, value_name = "URL")]
    pub against: Option<String>,
    /// Good repetitions wanted [default: the setting bench.repetitions]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub repetitions: Option<u64>,
    /// Direction of the bytes of `raw`
    #[arg(long, default_value = "echo")]
    pub shape: Direction,
    /// Whether this is the child that is shielded
    #[arg(long = shield::FLAG.trim_start_matches('-'), hide = true)]
    pub shielded: bool,
}

impl Arguments {
    /// The settings that these flags give.
    pub fn flags(&self) -> Vec<Flag> {
        Flag::new("--local-write", &DATANODE_LOCAL_WRITE, self.local_write.as_ref())
            .into_iter()
            .collect()
    }
}

/// What carries the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP over loopback
    Tcp,
    /// A Unix stream socket
    Unix,
    /// Memory that both processes map
    Shm,
    /// Nothing: client and server are in one process
    Embedded,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
            Transport::Shm => "shm",
            Transport::Embedded => "embedded",
        })
    }
}

/// What an answered change survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Nothing: there is no log
    None,
    /// The end of the namenode
    Async,
    /// That of its machine
    Sync,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Durability::None => "none",
            Durability::Async => "async",
            Durability::Sync => "sync",
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
    /// Out of memory as large as all operations together, within one thread: by memcpy, beside the better of it and of stores that pass
    /// the caches
    Copy,
}
