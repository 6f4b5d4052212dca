//! The roles of a cluster: the namenode, which knows names and blocks, and datanodes, which hold the bytes.
//!
//! A role is a guest of a [`Runtime`](crake_datapath::Runtime): [`Namenode::start`] and [`Datanode::start`] listen and spawn
//! tasks, and whoever turns the runtime serves. Several roles may share one; [`Cluster`] is all of them on one, within the
//! process, and [`Embedded`] a store that brings its cluster along.
//!
//! Not here: the client (`crake-store`), command lines, signals, log output. Nothing is kept over a restart of a
//! namenode without a [log](namenode::log), and nothing is copied to a second datanode.
//!
//! What always holds:
//!
//! * An operation that can run out of something takes it before it changes state.
//! * The namespace is a state machine without I/O ([`namenode::Namespace`]); its service only translates.
//! * A datanode shows a reader the bytes that were written with a handle of the same life of the same block, or an error:
//!   never another's bytes, never half a payload, never what was there before ([`datanode`] says how).
//! * A request allocates nothing, logs nothing and reads no clock; failures and registrations may.
//! * What a peer sends is checked before it is used, and ends at worst that peer's connection.
//!
//! ```
//! use crake_datapath::{Runtime, RuntimeConfig};
//! use crake_server::{Datanode, DatanodeConfig, Memory, Namenode, NamenodeConfig};
//! use crake_store::Store;
//!
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let listen = vec!["tcp://127.0.0.1:0".parse()?];
//! let namenode = Namenode::start(&runtime, NamenodeConfig { listen: listen.clone(), ..NamenodeConfig::default() })?;
//! let datanode = Datanode::start(
//!     &runtime,
//!     DatanodeConfig {
//!         namenode: namenode.listening(),
//!         listen,
//!         dram_bytes: 64 << 20,
//!         memory: Memory::OnDemand,
//!         ..DatanodeConfig::default()
//!     },
//! )?;
//! runtime.block_on(async {
//!     datanode.registered().await;
//!     let store = Store::attach(&runtime, &namenode.listening()[0]).await?;
//!     store.make_dir("/tmp", false).await?;
//!     assert!(store.exists("/tmp").await?);
//!     datanode.shutdown().await;
//!     namenode.shutdown().await;
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod datanode;
mod embedded;
mod error;
pub mod mac;
pub mod namenode;

pub use datanode::{
    Datanode, DatanodeConfig, DatanodeStatus, Dram, LocalWrite, Memory, PersistConfig, Registration,
};
pub use embedded::{Cluster, ClusterConfig, Embedded, EmbeddedOn};
pub use error::StartError;
pub use namenode::{Namenode, NamenodeConfig, NamenodeStatus, check_partitions};

/// README's example is run with the documentation's.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
