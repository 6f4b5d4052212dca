//! The namenode of one partition: names, the blocks that their bytes are in, and who may write them.
//!
//! [`Namespace`] is the namenode: a state machine that takes commands and the time and gives replies. It does no I/O, so
//! it can be logged, replayed and simulated. The service only translates between the wire and [`Command`] and [`Reply`].
//! Without a [`log`] nothing survives its end, and there is one copy of each block.
//!
//! What always holds, and is checked by [`Namespace::check`]: a command that fails has changed nothing; a block has one
//! owner, or is free; the id of a node, lease or pending value never comes twice; neither does a version of a key.
//!
//! ```
//! use crake_server::namenode::command::{Create, Kind, NodeId};
//! use crake_server::namenode::{Command, Config, Failure, Namespace, Now, Reply, SessionId};
//!
//! let mut namespace = Namespace::new(Config::default());
//! let (now, session) = (Now::default(), SessionId(7));
//! let create = Create { path: "/logs/today", kind: Kind::File, parents: true, ..Create::default() };
//! let Reply::Opened { node, lease, .. } = namespace.apply(now, session, &Command::Create(create))? else {
//!     unreachable!("create opens")
//! };
//! let seal = Command::Publish { node: node.id, lease, size: 0, seal: true };
//! namespace.apply(now, session, &seal)?;
//! let lookup = Command::Lookup { base: NodeId::ROOT, path: "/logs/today", blocks: false };
//! assert!(matches!(namespace.apply(now, session, &lookup)?, Reply::Node { node, .. } if !node.open));
//! # Ok::<(), Failure>(())
//! ```

mod agreement;
mod answers;
mod blocks;
mod borrowing;
mod branches;
mod census;
mod check;
mod children;
pub mod command;
mod config;
mod counter;
mod datanodes;
mod directory;
mod errands;
mod expiry;
mod failure;
mod file;
mod index;
mod jobs;
mod leaks;
mod lending;
pub mod log;
mod moves;
mod names;
mod namespace;
mod nodes;
mod pins;
mod quota;
mod reads;
mod records;
mod referrals;
mod removal;
mod reply;
mod role;
mod scan;
mod service;
mod sessions;
mod shards;
mod shortcuts;
mod slab;
mod state;
mod table;
mod ties;
mod translate;
mod trunks;
mod watches;
mod watching;

pub use agreement::check_agreement;
pub use command::{Command, Failure, Now, Reply, SessionId};
pub use config::Config;
pub use expiry::Stay;
pub use lending::check_loans;
pub use names::{NAME_BYTES_MAX, PATH_BYTES_MAX};
pub use namespace::Namespace;
pub use reads::{READS_MAX, Read, ReadReplies};
pub use role::{LISTEN_PORT, Namenode, NamenodeConfig, NamenodeStatus, check_partitions};
