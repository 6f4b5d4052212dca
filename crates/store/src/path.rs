//! Which way leads to each server, and why not a better one.
//!
//! A server says where it listens and on which host it is. From that, and from what the caller allows, a [`Choice`]
//! follows: the addresses worth trying, best first. What is tried in vain is remembered as a [`Hindrance`].

use std::fmt;
use std::io;

use crake_datapath::Address;
use crake_rpc::{CallError, ConnectError};
use crake_wire::WireError;

use crate::Transport;

/// Of one server, so many addresses count: each may have to be tried.
const ENDPOINTS_MAX: usize = 8;

/// How a store reaches a server that it has a connection to.
///
/// Its text is that of a line for people: `namenode by tcp://10.0.0.1:9060 (not shm: other host)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerPath {
    /// The number of the datanode; `None` for the namenode.
    pub datanode: Option<u32>,
    /// Where the connection goes.
    pub address: Address,
    /// Why it does not go through shared memory; `None` if it does, or does not leave the process.
    pub hindrance: Option<Hindrance>,
    /// Which partition of the namenode it is; 0 of a datanode, or if there is one.
    pub partition: u16,
}

impl PeerPath {
    /// The server, without its address.
    #[must_use]
    pub fn peer(&self) -> String {
        match (self.datanode, self.partition) {
            (None, 0) => "namenode".into(),
            (None, partition) => format!("namenode (partition {partition})"),
            (Some(id), _) => format!("datanode {id}"),
        }
    }

    /// What carries the bytes, as addresses begin: `tcp`, `unix`, `shm`, `local` (within the process) or `sim`.
    #[must_use]
    pub fn transport(&self) -> &'static str {
        match self.address {
            Address::Tcp(_) | Address::Host(_) => "tcp",
            Address::Unix(_) => "unix",
            Address::Shm(_) => "shm",
            Address::Local(_) => "local",
            Address::Sim { .. } => "sim",
            _ => "other",
        }
    }
}

impl fmt::Display for PeerPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Address::Local(_) => write!(f, "{} in process", self.peer())?,
            _ => write!(f, "{} by {}", self.peer(), self.address)?,
        }
        match &self.hindrance {
            Some(hindrance) => write!(f, " (not shm: {hindrance})"),
            None => Ok(()),
        }
    }
}

/// Why a connection does not go through shared memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Hindrance {
    /// The caller chose another transport: [`ConnectOptions::transport`](crate::ConnectOptions::transport).
    #[error("disabled")]
    Disabled,
    /// The server is on another host, or does not say on which.
    #[error("other host")]
    OtherHost,
    /// The server belongs to another user of this host.
    #[error("other user")]
    OtherUser,
    /// The server is on this host and offers none.
    #[error("not offered")]
    NotOffered,
    /// It was tried in vain: the address, and what was seen there.
    #[error("failed, {0}")]
    Failed(Box<str>),
}

/// Why an address does not lead to the server that was looked for.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Missed {
    #[error(transparent)]
    NotConnected(#[from] ConnectError),
    #[error("it does not say who it is: {0}")]
    Silent(#[from] CallError),
    #[error("it does not say who it is: {0}")]
    Unreadable(#[from] WireError),
    /// A path means something else in another container, and may have another owner after a while.
    #[error("another server answers there")]
    Stranger,
}

impl Missed {
    fn hindrance(&self, address: &Address) -> Hindrance {
        match self {
            Missed::NotConnected(ConnectError::Transport(error))
                if io::Error::from(error.clone()).kind() == io::ErrorKind::PermissionDenied =>
            {
                Hindrance::OtherUser
            }
            other => Hindrance::Failed(format!("{address}: {other}").into()),
        }
    }
}

/// Where a server is, seen from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Site {
    Here,
    Elsewhere,
    /// It did not say.
    Unknown,
}

/// The addresses of a server that are worth trying, best first.
#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) addresses: Vec<Address>,
    transport: Transport,
    /// Why there is none of the kind that is wanted, if there is none.
    pub(crate) lack: Hindrance,
}

impl Choice {
    /// Of the endpoints of a server at `site`; `namenode` is where the namenode is reached.
    ///
    /// Of a server that does not say where it is, those of the same kind as the namenode's come first, and sockets of this
    /// host count only if the namenode is on it: a path means something else on every host.
    pub(crate) fn of(endpoints: &[String], site: Site, namenode: &Address, transport: Transport) -> Choice {
        let offered = endpoints
            .iter()
            .take(ENDPOINTS_MAX)
            .filter_map(|endpoint| endpoint.parse::<Address>().ok())
            .collect::<Vec<_>>();
        let wanted = |address: &Address| match transport {
            Transport::Unix => matches!(address, Address::Unix(_)),
            _ => matches!(address, Address::Shm(_)),
        };
        let lack = match (transport, site) {
            (Transport::Tcp, _) => Hindrance::Disabled,
            (_, Site::Elsewhere) => Hindrance::OtherHost,
            _ if offered.iter().any(wanted) => Hindrance::OtherHost,
            _ => Hindrance::NotOffered,
        };
        let mut addresses = offered;
        addresses.retain(|address| permits(transport, address) && is_reachable(address, site, namenode));
        match site {
            Site::Unknown => addresses.sort_by_key(|address| !is_same_kind(address, namenode)),
            _ => addresses.sort_by_key(rank),
        }
        Choice {
            addresses,
            transport,
            lack,
        }
    }

    /// What keeps a connection to `address` from going through shared memory, when these were tried before in vain.
    pub(crate) fn hindrance(&self, address: &Address, tried: &[(Address, Missed)]) -> Option<Hindrance> {
        if is_best(address) {
            return None;
        }
        if !permits_shm(self.transport) {
            return Some(Hindrance::Disabled);
        }
        let failure = better_that_failed(address, tried);
        Some(failure.unwrap_or_else(|| self.lack.clone()))
    }
}

/// What came of the best way that was tried before, if it is better than the one to `address`.
pub(crate) fn better_that_failed(address: &Address, tried: &[(Address, Missed)]) -> Option<Hindrance> {
    let better = tried.iter().filter(|(other, _)| rank(other) < rank(address));
    better
        .min_by_key(|(other, _)| rank(other))
        .map(|(other, missed)| missed.hindrance(other))
}

/// The lower the better. Addresses of one process or one simulation have no better ones beside them.
pub(crate) fn rank(address: &Address) -> u32 {
    match address {
        Address::Unix(_) => 1,
        Address::Tcp(_) | Address::Host(_) => 2,
        _ => 0,
    }
}

pub(crate) fn is_best(address: &Address) -> bool {
    rank(address) == 0
}

pub(crate) fn permits(transport: Transport, address: &Address) -> bool {
    match transport {
        Transport::Auto => true,
        Transport::Tcp => matches!(address, Address::Tcp(_) | Address::Host(_)),
        Transport::Unix => matches!(address, Address::Unix(_)),
        Transport::Shm => matches!(address, Address::Shm(_)),
    }
}

pub(crate) fn permits_shm(transport: Transport) -> bool {
    matches!(transport, Transport::Auto | Transport::Shm)
}

pub(crate) fn is_reachable(address: &Address, site: Site, namenode: &Address) -> bool {
    match (address, site) {
        (Address::Unix(_) | Address::Shm(_), Site::Here) => true,
        (Address::Unix(_) | Address::Shm(_), Site::Elsewhere) => false,
        _ => !is_local(address) || is_local(namenode) || is_loopback(namenode),
    }
}

fn is_local(address: &Address) -> bool {
    matches!(address, Address::Unix(_) | Address::Shm(_) | Address::Local(_))
}

fn is_loopback(address: &Address) -> bool {
    matches!(address, Address::Tcp(socket) if socket.ip().is_loopback())
}

fn is_same_kind(left: &Address, right: &Address) -> bool {
    let is_tcp = |address: &Address| matches!(address, Address::Tcp(_) | Address::Host(_));
    is_tcp(left) && is_tcp(right) || std::mem::discriminant(left) == std::mem::discriminant(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crake_datapath::Error;

    fn address(text: &str) -> Address {
        text.parse().unwrap()
    }

    fn choice(endpoints: &[&str], site: Site, namenode: &str, transport: Transport) -> Choice {
        let endpoints = endpoints.iter().map(|text| text.to_string()).collect::<Vec<_>>();
        Choice::of(&endpoints, site, &address(namenode), transport)
    }

    fn order(endpoints: &[&str], site: Site, namenode: &str, transport: Transport) -> Vec<String> {
        let choice = choice(endpoints, site, namenode, transport);
        choice.addresses.iter().map(Address::to_string).collect()
    }

    const BOTH: &[&str] = &["unix:///run/d.sock", "tcp://10.0.0.2:50020"];
    const ALL: &[&str] = &[
        "tcp://10.0.0.2:1",
        "unix:///d.sock",
        "shm:///d.shm",
        "tcp://10.0.1.2:1",
    ];

    #[test]
    fn on_this_host_shared_memory_comes_first_and_then_sockets_of_the_host() {
        for namenode in ["tcp://10.0.0.1:9060", "unix:///n", "shm:///n"] {
            let best_first = [ALL[2], ALL[1], ALL[0], ALL[3]];
            assert_eq!(order(ALL, Site::Here, namenode, Transport::Auto), best_first);
        }
    }

    #[test]
    fn of_another_host_only_its_ports_are_tried() {
        for namenode in ["tcp://127.0.0.1:9060", "unix:///n", "shm:///n"] {
            let ports = [ALL[0], ALL[3]];
            assert_eq!(order(ALL, Site::Elsewhere, namenode, Transport::Auto), ports);
            assert!(order(ALL, Site::Elsewhere, namenode, Transport::Shm).is_empty());
        }
    }

    #[test]
    fn of_an_unknown_host_the_kind_of_the_namenodes_connection_comes_first() {
        let order = |namenode| order(BOTH, Site::Unknown, namenode, Transport::Auto);
        assert_eq!(order("unix:///run/n.sock"), [BOTH[0], BOTH[1]]);
        assert_eq!(order("tcp://127.0.0.1:9060"), [BOTH[1], BOTH[0]]);
        assert_eq!(order("tcp://10.0.0.1:9060"), [BOTH[1]]);
    }

    #[test]
    fn what_is_within_a_process_is_for_that_process() {
        let order = |namenode| order(&["local://d"], Site::Unknown, namenode, Transport::Auto);
        assert!(order("tcp://10.0.0.1:9060").is_empty());
        assert_eq!(order("local://n"), ["local://d"]);
    }

    #[test]
    fn the_callers_choice_is_kept_to() {
        for site in [Site::Here, Site::Unknown] {
            let order = |endpoints, transport| order(endpoints, site, "tcp://127.0.0.1:9060", transport);
            assert_eq!(order(BOTH, Transport::Unix), [BOTH[0]]);
            assert_eq!(order(BOTH, Transport::Tcp), [BOTH[1]]);
            assert!(order(BOTH, Transport::Shm).is_empty());
            assert_eq!(order(ALL, Transport::Shm), [ALL[2]]);
            assert_eq!(order(ALL, Transport::Tcp), [ALL[0], ALL[3]]);
        }
        assert!(
            order(
                &["shm:///run/d"],
                Site::Unknown,
                "tcp://10.0.0.1:9060",
                Transport::Auto
            )
            .is_empty()
        );
    }

    #[test]
    fn endpoints_of_kinds_unknown_here_are_passed_over() {
        let endpoints = &["rdma://x", "tcp://10.0.0.2:1"];
        for site in [Site::Here, Site::Elsewhere, Site::Unknown] {
            assert_eq!(
                order(endpoints, site, "tcp://10.0.0.1:1", Transport::Auto),
                ["tcp://10.0.0.2:1"]
            );
        }
    }

    #[test]
    fn a_server_cannot_have_a_client_try_without_end() {
        let many = ["tcp://10.0.0.2:1"; 1000];
        let tried = order(&many, Site::Here, "tcp://10.0.0.1:1", Transport::Auto);
        assert_eq!(tried.len(), ENDPOINTS_MAX);
    }

    #[test]
    fn a_hindrance_says_why_it_is_not_shared_memory() {
        let tcp = address(ALL[0]);
        let of = |endpoints, site, transport| {
            choice(endpoints, site, "tcp://10.0.0.1:1", transport).hindrance(&tcp, &[])
        };
        assert_eq!(of(ALL, Site::Here, Transport::Tcp), Some(Hindrance::Disabled));
        assert_eq!(of(BOTH, Site::Here, Transport::Auto), Some(Hindrance::NotOffered));
        for endpoints in [ALL, BOTH] {
            assert_eq!(
                of(endpoints, Site::Elsewhere, Transport::Auto),
                Some(Hindrance::OtherHost)
            );
        }
        assert_eq!(
            of(ALL, Site::Unknown, Transport::Auto),
            Some(Hindrance::OtherHost)
        );
        let shm = choice(ALL, Site::Here, "tcp://10.0.0.1:1", Transport::Auto);
        assert_eq!(shm.hindrance(&address(ALL[2]), &[]), None);
    }

    #[test]
    fn of_what_was_tried_in_vain_the_best_way_counts() {
        let choice = choice(ALL, Site::Here, "tcp://10.0.0.1:1", Transport::Auto);
        let missed = |error| Missed::NotConnected(ConnectError::Transport(error));
        let after = |shm, unix| {
            let tried = [(address(ALL[2]), missed(shm)), (address(ALL[1]), missed(unix))];
            choice.hindrance(&address(ALL[0]), &tried).unwrap().to_string()
        };
        assert_eq!(
            after(Error::Refused, Error::Denied),
            "failed, shm:///d.shm: cannot connect: nobody listens at the address"
        );
        assert_eq!(after(Error::Denied, Error::Refused), "other user");
        // EACCES: a socket in another user's directory.
        assert_eq!(after(Error::Os(13), Error::Refused), "other user");
        let another_port = [(address(ALL[3]), missed(Error::Refused))];
        assert_eq!(
            choice.hindrance(&address(ALL[0]), &another_port),
            Some(Hindrance::OtherHost),
            "a failure of the same kind hinders nothing"
        );
    }

    #[test]
    fn texts_are_lines_for_people() {
        let path = |text, hindrance| PeerPath {
            datanode: Some(3),
            address: address(text),
            hindrance,
            partition: 0,
        };
        assert_eq!(path("shm:///d", None).to_string(), "datanode 3 by shm:///d");
        assert_eq!(path("local://d", None).to_string(), "datanode 3 in process");
        assert_eq!(
            path("tcp://10.0.0.2:1", Some(Hindrance::OtherHost)).to_string(),
            "datanode 3 by tcp://10.0.0.2:1 (not shm: other host)"
        );
        let namenode = |partition| PeerPath {
            datanode: None,
            address: address("shm:///n"),
            hindrance: None,
            partition,
        };
        assert_eq!(namenode(0).to_string(), "namenode by shm:///n");
        assert_eq!(namenode(2).to_string(), "namenode (partition 2) by shm:///n");
    }
}
