//! A whole cluster inside a process.

use crake_datapath::{Address, Runtime};

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
    /// Of the namenode; an address within the process is added to `listen`.
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
    namenode: Namenode,
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
        let mut namenode = config.namenode;
        namenode.listen.insert(0, Address::Local(name.clone()));
        let namenode = Namenode::start(runtime, namenode)?;
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
            namenode,
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
        self.namenode.listening().swap_remove(0)
    }

    /// The namenode.
    pub fn namenode(&self) -> &Namenode {
        &self.namenode
    }

    /// The datanodes.
    pub fn datanodes(&self) -> &[Datanode] {
        &self.datanodes
    }

    /// Stops all roles in good order, the datanodes last.
    pub async fn shutdown(&self) {
        self.namenode.shutdown().await;
        for datanode in &self.datanodes {
            datanode.shutdown().await;
        }
    }
}
