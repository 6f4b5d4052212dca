//! A whole cluster inside a process.

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_store::{Store, blocking};

use crate::datanode::{Datanode, DatanodeConfig, Memory};
use crate::error::StartError;
use crate::namenode::{Namenode, NamenodeConfig};

/// What an embedded cluster is started with.
#[derive(Debug, Clone)]
pub struct ClusterConfig {
    /// Datanodes, at least 1.
    pub datanodes: usize,
    /// Of each datanode; `namenode`, `listen` and `name` are filled in.
    pub datanode: DatanodeConfig,
    /// Partitions of the namespace, at least 1. Here, they share one core.
    pub partitions: u16,
    /// Of each namenode; an address within the process is added to `listen` of the first one, the others listen at such addresses only.
    pub namenode: NamenodeConfig,
}

impl Default for ClusterConfig {
    /// One datanode of 1 GiB, which is taken from the machine as it is filled.
    fn default() -> ClusterConfig {
        ClusterConfig {
            datanodes: 1,
            datanode: DatanodeConfig {
                memory: Memory::OnDemand,
                ..DatanodeConfig::default()
            },
            partitions: 1,
            namenode: NamenodeConfig::default(),
        }
    }
}

/// A namenode and its datanodes on one runtime, reached over `local://` addresses: no ports, no files. Everything in
/// it is gone when it is dropped.
///
/// ```
/// use crake_datapath::{Runtime, RuntimeConfig};
/// use crake_server::{Cluster, ClusterConfig};
///
/// let runtime = Runtime::new(RuntimeConfig::default())?;
/// let cluster = Cluster::start(&runtime, ClusterConfig { datanodes: 2, ..ClusterConfig::default() })?;
/// runtime.block_on(cluster.ready());
/// assert_eq!(cluster.namenode().status().datanodes, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    // Clients lose the datanodes first, so that none is told of a namenode that does not know a block.
    datanodes: Vec<Datanode>,
    namenodes: Vec<Namenode>,
}

impl Cluster {
    /// Starts all roles. They know each other when [`ready`](Self::ready) is done.
    ///
    /// # Errors
    /// What [`Namenode::start`] and [`Datanode::start`] fail with.
    pub fn start(runtime: &Runtime, config: ClusterConfig) -> Result<Cluster, StartError> {
        if config.datanodes == 0 {
            return Err(StartError::Config("a cluster needs a datanode"));
        }
        let name = format!("crake-{:016x}", runtime.random());
        let namenodes = start_namenodes(runtime, &name, config.partitions, &config.namenode)?;
        let datanodes = (0..config.datanodes).map(|number| {
            let own = DatanodeConfig {
                namenode: vec![Address::Local(name.clone())],
                listen: vec![Address::Local(format!("{name}-{number}"))],
                name: format!("embedded-{number}"),
                ..config.datanode.clone()
            };
            Datanode::start(runtime, own)
        });
        Ok(Cluster {
            datanodes: datanodes.collect::<Result<_, _>>()?,
            namenodes,
        })
    }

    /// Done when the namenode knows all datanodes.
    pub async fn ready(&self) {
        for datanode in &self.datanodes {
            datanode.registered().await;
        }
    }

    /// Where clients on the same runtime find the namenode.
    pub fn address(&self) -> Address {
        self.namenode().listening().swap_remove(0)
    }

    /// A client of it, on the same runtime. It is served as long as this cluster lives.
    ///
    /// # Errors
    /// As [`Store::attach`].
    pub async fn store(&self, runtime: &Runtime) -> Result<Store, crake_store::Error> {
        Store::attach(runtime, &self.address()).await
    }

    /// The namenode; of several, that of the root.
    pub fn namenode(&self) -> &Namenode {
        &self.namenodes[0]
    }

    /// The namenodes of all partitions.
    pub fn namenodes(&self) -> &[Namenode] {
        &self.namenodes
    }

    /// The datanodes.
    pub fn datanodes(&self) -> &[Datanode] {
        &self.datanodes
    }

    /// Stops all roles in good order, the datanodes last.
    pub async fn shutdown(&self) {
        for namenode in &self.namenodes {
            namenode.shutdown().await;
        }
        for datanode in &self.datanodes {
            datanode.shutdown().await;
        }
    }
}

fn start_namenodes(
    runtime: &Runtime,
    name: &str,
    partitions: u16,
    config: &NamenodeConfig,
) -> Result<Vec<Namenode>, StartError> {
    if partitions == 0 {
        return Err(StartError::Config("a namespace needs a partition"));
    }
    let address = |partition: u16| match partition {
        0 => Address::Local(name.into()),
        partition => Address::Local(format!("{name}-partition{partition}")),
    };
    let all = (0..partitions).map(|partition| vec![address(partition)]);
    let all = all.collect::<Vec<_>>();
    let start = |partition: u16| {
        let mut own = config.clone();
        if partition > 0 {
            own.listen.clear();
        }
        own.listen.insert(0, address(partition));
        if partitions > 1 {
            own.partition = partition;
            own.partitions.clone_from(&all);
            own.log = own.log.map(|log| log.of_partition(partition));
        }
        Namenode::start(runtime, own)
    };
    (0..partitions).map(start).collect()
}

/// A store with a cluster of its own inside the process, which ends when the last handle of the store is dropped.
///
/// ```
/// use std::io::{Read, Write};
/// use crake_server::Embedded;
/// use crake_store::{Node, blocking::Store};
///
/// let store = Store::embedded()?;
/// let mut out = store.create("/a", Node::File)?.writer()?;
/// out.write_all(b"hello")?;
/// out.close()?;
/// let mut text = String::new();
/// store.open("/a")?.reader()?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Embedded: Sized {
    /// Starts a cluster of one datanode of 1 GiB, which takes memory as it is filled, and a store for it.
    ///
    /// # Errors
    /// As [`embedded_with`](Self::embedded_with).
    fn embedded() -> Result<Self, StartError> {
        Self::embedded_with(ClusterConfig::default())
    }

    /// Starts a cluster and a store for it.
    ///
    /// # Errors
    /// The machine has no memory for it, or the configuration does not fit.
    fn embedded_with(config: ClusterConfig) -> Result<Self, StartError>;
}

impl Embedded for blocking::Store {
    fn embedded_with(config: ClusterConfig) -> Result<Self, StartError> {
        let runtime = Runtime::new(RuntimeConfig::default())?;
        let (store, cluster) = runtime.block_on(Store::embedded_on(&runtime, config))?;
        let home = Home {
            cluster: Some(cluster),
            runtime,
        };
        Ok(blocking::Store::keeping(store, home))
    }
}

/// The same for a store on a runtime that exists already.
///
/// ```
/// use crake_datapath::{Runtime, RuntimeConfig};
/// use crake_server::{ClusterConfig, EmbeddedOn};
/// use crake_store::Store;
///
/// let runtime = Runtime::new(RuntimeConfig::default())?;
/// runtime.block_on(async {
///     let (store, _cluster) = Store::embedded_on(&runtime, ClusterConfig::default()).await?;
///     let table = store.make_table("/users", false).await?;
///     table.put(b"alice", b"1").await?;
///     assert_eq!(&table.get(b"alice").await?.expect("just put")[..], b"1");
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait EmbeddedOn: Sized {
    /// Starts a cluster on `runtime` and a store for it. The store is served as long as the cluster is kept.
    ///
    /// # Errors
    /// The machine has no memory for it, or the configuration does not fit.
    fn embedded_on(
        runtime: &Runtime,
        config: ClusterConfig,
    ) -> impl Future<Output = Result<(Self, Cluster), StartError>>;
}

impl EmbeddedOn for Store {
    async fn embedded_on(runtime: &Runtime, config: ClusterConfig) -> Result<(Store, Cluster), StartError> {
        let cluster = Cluster::start(runtime, config)?;
        cluster.ready().await;
        let store = cluster.store(runtime).await?;
        Ok((store, cluster))
    }
}

/// A cluster with the runtime that nobody else turns: when it goes, so do all tasks.
struct Home {
    cluster: Option<Cluster>,
    runtime: Runtime,
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.cluster.take());
        self.runtime.shutdown();
    }
}
