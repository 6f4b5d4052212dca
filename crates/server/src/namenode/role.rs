//! A namenode as a guest of a runtime.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use crake_datapath::{Address, Listener, Runtime, Shared, Task, Time};
use crake_rpc::{Server, ServerConfig};

use super::agreement::check_agreement;
use super::answers::Answers;
use super::command::Now;
use super::config::Config;
use super::log::LogError;
use super::log::{Failed, Keeper, Log, LogConfig, Opened, SEGMENT_BYTES_MIN};
use super::names::NAME_BYTES_MAX;
use super::namespace::Namespace;
use super::service::{Endpoint, NamenodeService, Partner, Site};
use crate::StartError;

/// The port that a namenode listens at unless told otherwise.
pub const LISTEN_PORT: u16 = 9060;

/// Shortest lease and heartbeat timeout: below this, what timers and a loaded machine do decides who is alive.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Partitions of a namespace, at most.
const PARTITIONS_MAX: usize = 1024;
/// What is due is looked for at least this often.
const LOOK_EVERY_MAX: Duration = Duration::from_secs(1);
/// And not more often than this, however much is due.
const LOOK_EVERY_MIN: Duration = Duration::from_millis(1);

/// Above the time after which clients look whether the namenode whose memory they read is still there.
const ANSWERS_OUTLIVE: Duration = Duration::from_millis(100);

/// What a namenode is started with.
#[derive(Debug, Clone)]
pub struct NamenodeConfig {
    /// Where to listen; at least one address. Port 0 takes a free one. Clients are told all of them.
    pub listen: Vec<Address>,
    /// The identity of the host that it is on, the same for all processes there, which may take its `unix://` and `shm://`
    /// addresses: see [`crake_store::this_host`]. At most 255 bytes; empty: clients that came another way stay with it.
    pub host: String,
    /// Nodes (directories, files, tables, values), at most; below 2^31.
    pub nodes_max: u32,
    /// Clients that hold leases, at most.
    pub sessions_max: u32,
    /// Leases and values on their way of one client, at most.
    pub leases_per_session_max: u32,
    /// Names of datanodes, at most.
    pub datanodes_max: u32,
    /// Bytes of the largest value that is kept in the namenode itself; at most 16 KiB.
    pub inline_value_max: u32,
    /// How long a client's leases live after its last sign of life; at least 10 ms.
    pub lease: Duration,
    /// How long a datanode may be silent; at least 10 ms. It sends a heartbeat five times in this time.
    pub heartbeat_timeout: Duration,
    /// Clients at each address, at most.
    pub connections_max: usize,
    /// Memory for answers that clients of this machine find without asking, where there can be such clients (`local://` and `shm://`
    /// addresses): about 200 bytes for each path that is looked up again and again. 0: none.
    pub answers_bytes: u64,
    /// Where it keeps what must outlive it. Without, a namenode that is started begins anew.
    pub log: Option<LogConfig>,
    /// Which partition of its namespace it is, from 0; see `docs/partitions.md`.
    pub partition: u16,
    /// Where each partition of the namespace is, by its number, this one among them; names of hosts are looked up by who connects. Empty: there is one.
    pub partitions: Vec<Vec<Address>>,
}

impl Default for NamenodeConfig {
    /// 100 M nodes, 65,536 sessions of 65,536 leases, 4,096 datanodes, values up to 1 KiB inline, leases of 10 s,
    /// datanodes silent for 5 s, 65,536 connections, 16 MiB of answers; no addresses, no log.
    fn default() -> NamenodeConfig {
        let namespace = Config::default();
        NamenodeConfig {
            listen: Vec::new(),
            host: String::new(),
            nodes_max: namespace.nodes_max,
            sessions_max: namespace.sessions_max,
            leases_per_session_max: namespace.leases_per_session_max,
            datanodes_max: namespace.datanodes_max,
            inline_value_max: namespace.inline_value_max,
            lease: Duration::from_nanos(namespace.lease_ns),
            heartbeat_timeout: Duration::from_nanos(namespace.heartbeat_timeout_ns),
            connections_max: 65_536,
            answers_bytes: 16 << 20,
            log: None,
            partition: 0,
            partitions: Vec::new(),
        }
    }
}

/// What a namenode is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamenodeStatus {
    /// Of this life of it.
    pub incarnation: u64,
    /// Clients and datanodes that are connected.
    pub connections: usize,
    /// Nodes, with the root.
    pub nodes: u64,
    /// Bytes of live datanodes.
    pub capacity_bytes: u64,
    /// Of these, in issued blocks.
    pub used_bytes: u64,
    /// Live datanodes.
    pub datanodes: usize,
    /// Clients that hold a lease or a pending put.
    pub sessions: u64,
    /// Leases and pending puts.
    pub leases: u64,
}

/// A running namenode. Dropped, it stops at once, and the namespace is gone.
pub struct Namenode {
    servers: Vec<Server>,
    service: Rc<RefCell<NamenodeService>>,
    opened: Option<Opened>,
    keeping: RefCell<Option<Task<Option<Failed>>>>,
    _expiring: Task<()>,
    _partners: Vec<Task<()>>,
}

impl Namenode {
    /// Listens and serves an empty namespace, or the one that its log has; to read that takes time in proportion to it.
    ///
    /// # Errors
    /// An address cannot be listened at, the configuration does not fit, or the log cannot be used.
    pub fn start(runtime: &Runtime, config: NamenodeConfig) -> Result<Namenode, StartError> {
        check(&config)?;
        let begun = runtime.now_exact();
        let fresh = namespace_config(runtime, &config);
        let (namespace, log, opened) = match &config.log {
            None => (Namespace::new(fresh), None, None),
            Some(log) => {
                let (log, namespace, opened) = open_log(runtime, log, fresh)?;
                (namespace, Some(log), Some(opened))
            }
        };
        let has_log = log.is_some();
        let mut service = NamenodeService::new(runtime, namespace, log);
        if let Some(answers) = answers(&config)? {
            service.share(answers);
        }
        let service = Rc::new(RefCell::new(service));
        let keeper = config.log.as_ref().map(|log| {
            let keeper = Keeper::new(runtime, Rc::downgrade(&service), log.durability);
            keeper.map_err(LogError::from)
        });
        let keeper = keeper.transpose()?;
        if has_log {
            outlast_answers(runtime, begun);
        }
        let servers = listen(runtime, &config, &service)?;
        let partners = partners(runtime, &config, &service);
        service.borrow_mut().set_site(Site {
            endpoints: servers.iter().filter_map(endpoint).collect(),
            host: config.host,
        });
        let every = config.lease.min(config.heartbeat_timeout).min(LOOK_EVERY_MAX);
        let expiring = runtime.spawn(expire(runtime.clone(), Rc::downgrade(&service), every));
        Ok(Namenode {
            servers,
            service,
            opened,
            keeping: RefCell::new(keeper.map(|keeper| runtime.spawn(keeper.run()))),
            _expiring: expiring,
            _partners: partners,
        })
    }

    /// What was found in its log.
    pub fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Done when the log cannot be written any more: nobody is answered then, and it is to be started again when the log can be. Never
    /// without a log.
    pub async fn failed(&self) -> Failed {
        poll_fn(|cx| {
            let mut keeping = self.keeping.borrow_mut();
            let Some(task) = keeping.as_mut() else {
                return Poll::Pending;
            };
            let Poll::Ready(failed) = Pin::new(task).poll(cx) else {
                return Poll::Pending;
            };
            *keeping = None;
            failed.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Where it listens, in the order of the configuration; with the ports that were chosen.
    pub fn listening(&self) -> Vec<Address> {
        self.servers
            .iter()
            .map(|server| server.local_address().clone())
            .collect()
    }

    /// What it is doing.
    pub fn status(&self) -> NamenodeStatus {
        let (usage, datanodes) = self.service.borrow_mut().usage();
        NamenodeStatus {
            incarnation: usage.incarnation,
            connections: self.servers.iter().map(Server::connections).sum(),
            nodes: usage.nodes,
            capacity_bytes: usage.capacity,
            used_bytes: usage.used,
            datanodes,
            sessions: usage.sessions,
            leases: usage.leases,
        }
    }

    /// Looks at everything for contradictions: blocks that belong to nobody or to two, counts that do not add up, answers
    /// that clients find and that are wrong, a log that gives another state. Takes time in proportion to the number of nodes; for tests and
    /// simulations.
    ///
    /// # Errors
    /// The first one that was found.
    pub fn check(&self) -> Result<(), String> {
        self.service.borrow_mut().check()
    }

    /// Stops in good order: takes no more requests and answers those that it has. The namespace is gone when the
    /// namenode is dropped.
    pub async fn shutdown(&self) {
        self.service.borrow_mut().end_waiting();
        for server in &self.servers {
            server.shutdown().await;
        }
    }
}

/// Looks for contradictions between the partitions of a namespace, all of them, by their numbers, when nothing is under way between
/// them: see [`check_agreement`].
///
/// # Errors
/// The first one that was found.
pub fn check_partitions(namenodes: &[&Namenode]) -> Result<(), String> {
    let services: Vec<_> = namenodes.iter().map(|one| one.service.borrow()).collect();
    let namespaces: Vec<&Namespace> = services.iter().map(|service| service.namespace()).collect();
    check_agreement(&namespaces)
}

impl fmt::Debug for Namenode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namenode")
            .field("listening", &self.listening())
            .finish_non_exhaustive()
    }
}

fn check(config: &NamenodeConfig) -> Result<(), StartError> {
    if config.listen.is_empty() {
        return Err(StartError::Config("a namenode needs an address to listen at"));
    }
    if config.host.len() > NAME_BYTES_MAX {
        return Err(StartError::Config("the identity of a host has at most 255 bytes"));
    }
    if config.lease < TIMEOUT_MIN || config.heartbeat_timeout < TIMEOUT_MIN {
        return Err(StartError::Config(
            "leases and heartbeat timeouts are at least 10 ms",
        ));
    }
    if config.inline_value_max > 16 * 1024 {
        return Err(StartError::Config("values in the namenode have at most 16 KiB"));
    }
    if config.nodes_max == 0 || config.nodes_max >= 1 << 31 {
        return Err(StartError::Config("a namenode has 1 to 2^31 - 1 nodes"));
    }
    let partitions = config.partitions.len().max(1);
    if usize::from(config.partition) >= partitions || partitions > PARTITIONS_MAX {
        return Err(StartError::Config(
            "a namespace has at most 1,024 partitions, and each has its place in the list",
        ));
    }
    if config.partitions.iter().any(Vec::is_empty) {
        return Err(StartError::Config("each partition has an address"));
    }
    let segment_bytes = config.log.as_ref().map(|log| log.segment_bytes);
    if segment_bytes.is_some_and(|bytes| bytes < SEGMENT_BYTES_MIN) {
        return Err(StartError::Config("a segment of a log has at least 4 MiB"));
    }
    Ok(())
}

fn open_log(
    runtime: &Runtime,
    config: &LogConfig,
    fresh: Config,
) -> Result<(Log, Namespace, Opened), LogError> {
    let files = runtime
        .files(&config.directory)
        .map_err(|error| LogError::Directory {
            directory: config.directory.clone(),
            error,
        })?;
    let cluster = u128::from(runtime.random()) << 64 | u128::from(runtime.random());
    let now = Now {
        mono_ns: runtime.now().0,
        wall_ns: runtime.wall().0,
    };
    Log::open(files, config, fresh, cluster, now)
}

/// Clients believe what they find in the memory of a namenode that has died until they look again. What is served now may change only after that.
fn outlast_answers(runtime: &Runtime, begun: Time) {
    let passed = runtime.now_exact() - begun;
    runtime.pause(ANSWERS_OUTLIVE.saturating_sub(passed));
}

fn namespace_config(runtime: &Runtime, config: &NamenodeConfig) -> Config {
    Config {
        seed: u128::from(runtime.random()) << 64 | u128::from(runtime.random()),
        incarnation: runtime.random() | 1,
        nodes_max: config.nodes_max,
        sessions_max: config.sessions_max,
        leases_per_session_max: config.leases_per_session_max,
        datanodes_max: config.datanodes_max,
        inline_value_max: config.inline_value_max,
        lease_ns: config.lease.as_nanos() as u64,
        heartbeat_timeout_ns: config.heartbeat_timeout.as_nanos() as u64,
        partition: config.partition,
        partitions: config.partitions.len().max(1) as u16,
        ..Config::default()
    }
}

fn listen(
    runtime: &Runtime,
    config: &NamenodeConfig,
    service: &Rc<RefCell<NamenodeService>>,
) -> Result<Vec<Server>, StartError> {
    let server_config = ServerConfig {
        connections_max: config.connections_max,
        ..ServerConfig::default()
    };
    let shared: Vec<_> = service.borrow().shared().iter().map(Shared::to_read).collect();
    let listen = config.listen.iter().map(|address| {
        let serve = |listener: Listener| {
            let shares = !shared.is_empty() && listener.share(&shared);
            let endpoint = Rc::new(RefCell::new(Endpoint::new(service, shares)));
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

/// Has the other partitions told what they are to do, and clients where they are.
fn partners(
    runtime: &Runtime,
    config: &NamenodeConfig,
    service: &Rc<RefCell<NamenodeService>>,
) -> Vec<Task<()>> {
    let all = || config.partitions.iter().zip(0_u16..);
    let text = |(addresses, _): (&Vec<Address>, u16)| {
        let addresses = addresses.iter().map(Address::to_string);
        addresses.collect::<Vec<_>>().join(",")
    };
    service.borrow_mut().set_partitions(all().map(text).collect());
    let others = all().filter(|&(_, partition)| partition != config.partition);
    let keep = |(addresses, partition): (&Vec<Address>, u16)| {
        let partner = Partner {
            partition,
            addresses: addresses.clone(),
        };
        let service = Rc::downgrade(service);
        runtime.spawn(NamenodeService::keep_partner(service, runtime.clone(), partner))
    };
    let mut tasks: Vec<_> = others.map(keep).collect();
    if tasks.is_empty() {
        return tasks;
    }
    let supply = NamenodeService::keep_supplied(Rc::downgrade(service), runtime.clone());
    tasks.push(runtime.spawn(supply));
    tasks
}

/// Room for the answers that clients of this machine find by themselves, unless there is to be none, or can be no such clients.
fn answers(config: &NamenodeConfig) -> Result<Option<Answers>, StartError> {
    let is_tcp = |address: &Address| matches!(address, Address::Tcp(_) | Address::Unix(_));
    if config.answers_bytes == 0 || config.listen.iter().all(is_tcp) {
        return Ok(None);
    }
    let in_file = config
        .listen
        .iter()
        .any(|address| matches!(address, Address::Shm(_)));
    Ok(Some(Answers::new(config.answers_bytes, in_file)?))
}

/// What clients are told of where it listens. Not the address that says "any": it means another machine to each.
fn endpoint(server: &Server) -> Option<String> {
    match server.local_address() {
        Address::Tcp(socket) if socket.ip().is_unspecified() => None,
        address => Some(address.to_string()),
    }
}

/// Has the service do what is due. Nothing that a request begins is due earlier than `every` after it, so to look that
/// often, and when the namespace says so, misses nothing.
async fn expire(runtime: Runtime, service: Weak<RefCell<NamenodeService>>, every: Duration) {
    loop {
        let Some(service) = service.upgrade() else { return };
        let next = service.borrow_mut().expire().map_or(Time::NEVER, Time);
        drop(service);
        let now = runtime.now();
        runtime
            .sleep_until(next.min(now + every).max(now + LOOK_EVERY_MIN))
            .await;
    }
}
