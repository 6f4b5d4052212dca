//! What a user links: names, node types, streams, key-value.
//!
//! A [`Store`] is a client of one Crake cluster: it asks the namenode where things are, and moves bytes straight
//! between the caller's memory and the datanodes. It polls in the caller's own thread; [`blocking::Store`] is the same
//! for programs without a runtime.
//!
//! Not here: servers (`crake-server`, with a cluster inside the process), file system mounts and gateways.
//!
//! # Invariants
//!
//! * Bytes are not copied between the caller's buffers and the connection, except by the buffered streams.
//! * Nothing is published before all bytes below it are acknowledged.
//! * What is not safe to do twice is not sent twice: the error says whether it may have happened.
//! * Every operation ends by its deadline, with a result or an error that says who is at fault.
//! * Memory per stream and per connection has a limit.
//!
//! ```no_run
//! use crake_datapath::{Runtime, RuntimeConfig};
//! use crake_store::{Node, Store};
//!
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! runtime.block_on(async {
//!     let store = Store::connect(&runtime, "crake://localhost:9060").await?;
//!     let mut out = store.create("/tmp/greeting", Node::File).await?.buffered_writer()?;
//!     out.write(b"hello").await?;
//!     out.close().await?;
//!
//!     let reader = store.open("/tmp/greeting").await?.reader()?;
//!     assert_eq!(reader.read_to_vec(0, 100).await?, b"hello");
//!
//!     let users = store.make_table("/users", true).await?;
//!     users.put(b"alice", b"1").await?;
//!     assert_eq!(&users.get(b"alice").await?.expect("just put")[..], b"1");
//!     Ok::<(), crake_store::Error>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod answers;
mod background;
mod block;
pub mod blocking;
mod buffered;
pub mod canary;
mod check;
mod cluster;
mod datanodes;
mod deleting;
mod error;
mod failure;
mod file;
mod follow;
mod host;
mod in_place;
mod keep;
mod link;
mod list_page;
mod node;
#[macro_use]
mod operation;
mod census;
mod job;
mod multifile;
mod options;
mod partitions;
mod path;
mod pending;
pub mod protocol;
mod reader;
mod renaming;
mod session;
mod signal;
mod stats;
mod store;
mod table;
mod ties;
mod together;
mod transfer;
mod view;
mod watch;
mod writer;

pub use buffered::{BufferedReader, BufferedWriter};
pub use census::{FreedBlocks, Holder, UnnamedBlock, UnnamedBlocks};
pub use check::{Checked, Damage, Trouble};
pub use cluster::Usage;
pub use datanodes::Datanode;
pub use deleting::Deleting;
pub use error::Error;
pub use file::{File, Place};
pub use follow::Follower;
pub use host::this_host;
pub use job::{Job, JobInfo, JobOptions};
pub use list_page::ListPage;
pub use multifile::{Multifile, MultifileReader, Parts};
pub use node::{Attributes, CreateOptions, Entry, Node, Page};
pub use options::{ConnectOptions, DEFAULT_PORT, Transport};
pub use path::{Hindrance, PeerPath};
pub use pending::Pending;
pub use reader::{Read, Reader};
pub use renaming::Renaming;
pub use stats::{KindStats, OperationKind, Stats};
pub use store::{Listing, Store};
pub use table::{
    Condition, Get, KeyRange, Put, PutEntry, PutOptions, Scan, ScanPage, Table, TableEntries, TableEntry,
    TablePage, Value,
};
pub use ties::{BrokenTie, Mismatch};
pub use view::{FileView, View};
pub use watch::{Event, Happened, Watch};
pub use writer::{Write, Writer};
