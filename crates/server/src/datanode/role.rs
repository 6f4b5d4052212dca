//! A datanode as a guest of a runtime.

use std::cell::RefCell;
use std::fmt;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::rc::Rc;

use crake_datapath::{Address, Listener, Runtime, Shared, Task};
use crake_rpc::{Server, ServerConfig};

use super::blocks::Blocks;
use super::persist::{Found, PersistConfig};
use super::registration::{Profile, Registrar, Registration, Standing};
use super::service::{DatanodeService, Endpoint};
use super::tier::{LocalWrite, Memory, Tier};
use crate::StartError;
use crate::namenode::NAME_BYTES_MAX;

/// The port that a datanode listens at unless told otherwise.
pub const LISTEN_PORT: u16 = 50020;

/// Endpoints that a namenode takes of one datanode.
const ENDPOINTS_MAX: usize = crate::namenode::command::ENDPOINTS_MAX;

/// What a datanode is started with.
#[derive(Debug, Clone)]
pub struct DatanodeConfig {
    /// Where the namenode is: its addresses, tried in turn. At least one.
    pub namenode: Vec<Address>,
    /// Where to listen: 1 to 8 addresses, among those of a kind best first. Port 0 takes a free one.
    pub listen: Vec<Address>,
    /// Where clients reach it; empty: where it listens. An unspecified IP address (`0.0.0.0`) is replaced by
    /// the one that this machine uses towards the namenode.
    pub advertise: Vec<Address>,
    /// For people, and to be recognised after a restart: different for each datanode of a cluster. Empty: the
    /// first address that it advertises.
    pub name: String,
    /// Bytes of DRAM to give: a multiple of 1 MiB, at most 16 TiB.
    pub dram_bytes: u64,
    /// When this memory is taken from the machine.
    pub memory: Memory,
    /// How clients of this user on this machine write.
    pub local_write: LocalWrite,
    /// Where the blocks are to outlive this process; `None`: they go with it. Then `memory` does not count, and `local_write` must be
    /// [`LocalWrite::Ring`].
    pub persist: Option<PersistConfig>,
    /// The identity of the host that it is on, the same for all processes there, which may take its `unix://` and `shm://`
    /// addresses: see [`crake_store::this_host`]. At most 255 bytes; empty is unknown.
    pub host: String,
    /// The host that it is on, for clients that prefer one; 0 is unknown.
    pub location_class: u64,
    /// The tier that its memory counts as; 0 is DRAM.
    pub storage_class: u32,
    /// Clients at each address, at most.
    pub connections_max: usize,
}

impl Default for DatanodeConfig {
    /// 1 GiB taken at start, 65,536 connections; no addresses.
    fn default() -> DatanodeConfig {
        DatanodeConfig {
            namenode: Vec::new(),
            listen: Vec::new(),
            advertise: Vec::new(),
            name: String::new(),
            dram_bytes: 1 << 30,
            memory: Memory::AtStart,
            local_write: LocalWrite::Ring,
            persist: None,
            host: String::new(),
            location_class: 0,
            storage_class: 0,
            connections_max: 65_536,
        }
    }
}

/// What a datanode is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatanodeStatus {
    /// How it stands with its namenode.
    pub registration: Registration,
    /// Bytes that it gives.
    pub capacity_bytes: u64,
    /// Blocks with bytes in them.
    pub blocks: u64,
    /// These bytes.
    pub written_bytes: u64,
    /// Clients that are connected.
    pub connections: usize,
    /// Payloads that are being received into blocks or sent from them.
    pub under_way: usize,
}

/// Memory for a datanode that is to start in a moment.
///
/// Taking gigabytes may take seconds on a machine that has to find them, and nothing else runs in this thread
/// meanwhile: whoever starts several roles takes the memory before the first of them listens.
#[derive(Debug)]
pub struct Dram(Tier);

impl Dram {
    /// Takes `len_bytes`, a multiple of 1 MiB, for a datanode that is to listen at these addresses.
    ///
    /// # Errors
    /// The memory is not there.
    pub fn take(
        len_bytes: u64,
        memory: Memory,
        local_write: LocalWrite,
        listen: &[Address],
    ) -> Result<Dram, StartError> {
        let is_shared = listen.iter().any(|address| matches!(address, Address::Shm(_)));
        let memory = match memory {
            Memory::AtStart if is_shared => Memory::AtStartShared,
            other => other,
        };
        Ok(Dram(Tier::new(len_bytes, memory, local_write)?))
    }

    /// The same in a directory, in which what is written outlives this process: with the blocks of the datanode that had it before, whose name this one
    /// has then. `name`, if it is not empty, must be that; a new directory takes it, or one of its own.
    ///
    /// # Errors
    /// There is no room; `local_write` is not [`LocalWrite::Ring`]; another datanode has the directory, or it is that of one of another size or name; what is there is damaged.
    pub fn keep(
        runtime: &Runtime,
        config: &PersistConfig,
        len_bytes: u64,
        name: &str,
        local_write: LocalWrite,
    ) -> Result<Dram, StartError> {
        if local_write == LocalWrite::Map {
            return Err(StartError::Config(
                "a datanode that keeps its blocks cannot let clients write them by themselves: choose local_write ring",
            ));
        }
        if name.len() > NAME_BYTES_MAX {
            return Err(StartError::Config("the name of a datanode has at most 255 bytes"));
        }
        Ok(Dram(Tier::keep(runtime, config, len_bytes, name)?))
    }
}

/// A running datanode. Dropped, it stops at once: what it holds is gone, its clients are disconnected.
pub struct Datanode {
    // Before the servers: a datanode that does not listen any more must not register.
    registering: RefCell<Option<Task<()>>>,
    servers: Rc<Vec<Server>>,
    service: Rc<RefCell<DatanodeService>>,
    standing: Rc<Standing>,
    advertised: Vec<Address>,
    found: Option<Found>,
}

impl Datanode {
    /// Takes the memory, listens, and begins to register; [`registered`](Self::registered) says when that is done.
    ///
    /// # Errors
    /// The memory is not there, an address cannot be listened at, or the configuration does not fit.
    pub fn start(runtime: &Runtime, config: DatanodeConfig) -> Result<Datanode, StartError> {
        check(&config)?;
        let dram = match &config.persist {
            Some(persist) => Dram::keep(
                runtime,
                persist,
                config.dram_bytes,
                &config.name,
                config.local_write,
            )?,
            None => Dram::take(
                config.dram_bytes,
                config.memory,
                config.local_write,
                &config.listen,
            )?,
        };
        Datanode::start_in(runtime, config, dram)
    }

    /// The same in memory that was taken before: `dram_bytes`, `memory`, `local_write` and `persist` of the configuration do not count.
    ///
    /// # Errors
    /// An address cannot be listened at, or the configuration does not fit.
    pub fn start_in(runtime: &Runtime, config: DatanodeConfig, dram: Dram) -> Result<Datanode, StartError> {
        check(&config)?;
        let capacity_bytes = dram.0.len_bytes();
        let kept = dram.0.kept().map(|(name, found)| (name.to_owned(), found));
        let recovered = dram.0.life();
        let blocks = Blocks::new(dram.0);
        let shared = blocks.shared();
        let service = DatanodeService::new(runtime, blocks);
        let servers = Rc::new(listen(runtime, &config, &service, &shared)?);
        let cutting = Rc::downgrade(&servers);
        service.borrow_mut().set_cut_off(Rc::new(move |connection| {
            let (endpoint, connection) = Endpoint::split(connection);
            if let Some(server) = cutting
                .upgrade()
                .as_ref()
                .and_then(|servers| servers.get(endpoint))
            {
                server.cut_off(connection);
            }
        }));
        let advertised = advertised(&config, &servers);
        let endpoints = advertised.iter().map(Address::to_string).collect::<Vec<_>>();
        let profile = Profile {
            name: match &kept {
                Some((name, _)) => name.clone(),
                None if config.name.is_empty() => endpoints[0].clone(),
                None => config.name,
            },
            capacity_bytes,
            endpoints,
            host: config.host,
            location_class: config.location_class,
            storage_class: config.storage_class,
        };
        let standing = Standing::new();
        let life = recovered.map(|life| (life.incarnation, life.namenode));
        let registrar = Registrar::new(runtime, config.namenode, profile, life, &service, &standing);
        let registering = runtime.spawn(registrar.run());
        Ok(Datanode {
            registering: RefCell::new(Some(registering)),
            servers,
            service,
            standing,
            advertised,
            found: kept.map(|(_, found)| found),
        })
    }

    /// What was in its directory when it started; `None` if it keeps nothing.
    pub fn found(&self) -> Option<Found> {
        self.found
    }

    /// Done when the namenode knows this datanode.
    pub async fn registered(&self) {
        self.standing.registered().await;
    }

    /// Where it listens, in the order of the configuration; with the ports that were chosen.
    pub fn listening(&self) -> Vec<Address> {
        self.servers
            .iter()
            .map(|server| server.local_address().clone())
            .collect()
    }

    /// Where clients are told that it is.
    pub fn advertised(&self) -> &[Address] {
        &self.advertised
    }

    /// What it is doing.
    pub fn status(&self) -> DatanodeStatus {
        let mut service = self.service.borrow_mut();
        let blocks = service.blocks_mut();
        let (count, written_bytes) = blocks.written();
        DatanodeStatus {
            registration: self.standing.registration(),
            capacity_bytes: blocks.len_bytes(),
            blocks: count,
            written_bytes,
            connections: self.servers.iter().map(Server::connections).sum(),
            under_way: blocks.under_way(),
        }
    }

    /// Stops in good order: sends no more heartbeats, takes no more requests, answers those that it has. What it holds
    /// is gone when it is dropped.
    pub async fn shutdown(&self) {
        drop(self.registering.take());
        for server in self.servers.iter() {
            server.shutdown().await;
        }
    }
}

impl fmt::Debug for Datanode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datanode")
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}

fn check(config: &DatanodeConfig) -> Result<(), StartError> {
    if config.namenode.is_empty() {
        return Err(StartError::Config("a datanode needs the address of a namenode"));
    }
    if config.listen.is_empty() {
        return Err(StartError::Config("a datanode needs an address to listen at"));
    }
    if config.listen.len() > ENDPOINTS_MAX || config.advertise.len() > ENDPOINTS_MAX {
        return Err(StartError::Config("a datanode has at most 8 addresses"));
    }
    if config.host.len() > NAME_BYTES_MAX {
        return Err(StartError::Config("the identity of a host has at most 255 bytes"));
    }
    Ok(())
}

fn listen(
    runtime: &Runtime,
    config: &DatanodeConfig,
    service: &Rc<RefCell<DatanodeService>>,
    shared: &[Shared],
) -> Result<Vec<Server>, StartError> {
    let server_config = ServerConfig {
        connections_max: config.connections_max,
        ..ServerConfig::default()
    };
    let listen = config.listen.iter().zip(0..).map(|(address, number)| {
        let endpoint = Rc::new(RefCell::new(Endpoint::new(service, number)));
        let serve = |listener: Listener| {
            // Over other transports, and from memory that is not in a file, blocks are read by request.
            listener.share(shared);
            Server::serve(runtime, listener, server_config, endpoint)
        };
        let served = runtime.listen(address).and_then(serve);
        served.map_err(|error| StartError::Listen {
            address: address.clone(),
            error,
        })
    });
    listen.collect()
}

fn advertised(config: &DatanodeConfig, servers: &[Server]) -> Vec<Address> {
    if !config.advertise.is_empty() {
        return config.advertise.clone();
    }
    let listening = servers.iter().map(|server| server.local_address().clone());
    listening
        .map(|address| reachable(address, &config.namenode))
        .collect()
}

/// An address that others can use: one that says "any" becomes that of the interface towards the namenode.
fn reachable(address: Address, namenode: &[Address]) -> Address {
    match address {
        Address::Tcp(socket) if socket.ip().is_unspecified() => {
            let towards = namenode.iter().find_map(|address| match address {
                Address::Tcp(socket) => Some(*socket),
                _ => None,
            });
            let ip = towards.and_then(own_ip).unwrap_or(IpAddr::from([127, 0, 0, 1]));
            Address::Tcp(SocketAddr::new(ip, socket.port()))
        }
        other => other,
    }
}

/// The address that this machine would send from. A datagram socket that is connected asks the routing table and sends
/// nothing.
fn own_ip(towards: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr = if towards.is_ipv4() {
        [0, 0, 0, 0].into()
    } else {
        [0u16; 8].into()
    };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect(towards).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_becomes_one_that_others_reach() {
        let namenode = ["tcp://127.0.0.1:9060".parse().unwrap()];
        let any = reachable("tcp://0.0.0.0:50020".parse().unwrap(), &namenode);
        assert_eq!(any.to_string(), "tcp://127.0.0.1:50020");
        let fixed = "tcp://10.1.2.3:50020".parse::<Address>().unwrap();
        assert_eq!(reachable(fixed.clone(), &namenode), fixed);
    }
}
