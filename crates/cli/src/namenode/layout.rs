//! Which partitions this process has, and where all of them are.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use crake_datapath::Address;

use crate::config::{Config, NAMENODE_CORES, NAMENODE_LISTEN, NAMENODE_PEERS};
use crate::endpoint;
use crate::exit::Usage;

/// The partitions of this process and of its namespace.
#[derive(Debug, PartialEq, Eq)]
pub struct Layout {
    /// Number of the first partition here; the others follow it.
    pub first: u16,
    /// Where each partition of this process listens.
    pub listen: Vec<Vec<Address>>,
    /// Where each partition of the namespace is; empty if there is one.
    pub all: Vec<Vec<Address>>,
}

impl Layout {
    /// As the settings want it.
    pub fn of(config: &Config) -> Result<Layout> {
        let listen = endpoint::listen(config, &NAMENODE_LISTEN)?;
        if config.text(&NAMENODE_PEERS).is_empty() {
            return Layout::whole(config, listen);
        }
        let cores = cores(config)?;
        let peers = endpoint::peers(config, &NAMENODE_PEERS)?;
        Layout::among(&peers, cores, with_ports(&listen, cores)?)
    }

    /// All partitions of a namespace, the first of which listens there.
    pub fn whole(config: &Config, listen: Vec<Address>) -> Result<Layout> {
        match cores(config)? {
            1 => Ok(Layout {
                first: 0,
                listen: vec![listen],
                all: Vec::new(),
            }),
            cores => Layout::alone(with_ports(&listen, cores)?),
        }
    }

    /// Numbers of the partitions here, if there are several in the namespace.
    pub fn numbers(&self) -> Vec<u16> {
        match self.all.len() {
            0 => Vec::new(),
            _ => (self.first..).take(self.listen.len()).collect(),
        }
    }

    /// The only process of its namespace.
    fn alone(listen: Vec<Vec<Address>>) -> Result<Layout> {
        let is_any =
            |address: &Address| matches!(address, Address::Tcp(socket) if socket.ip().is_unspecified());
        if listen.iter().flatten().any(is_any) {
            let why = "clients of several partitions cannot be sent to \"any address\": listen at one of this machine, or \
                       say to `crake namenode` with --peers HOST:PORT where they reach it";
            return Err(Usage(why.into()).into());
        }
        Ok(Layout {
            first: 0,
            all: listen.clone(),
            listen,
        })
    }

    /// One of several processes, all of which have as many partitions.
    fn among(peers: &[Address], cores: u16, listen: Vec<Vec<Address>>) -> Result<Layout> {
        let at = own_place(peers, &listen[0])?;
        let mut all = Vec::new();
        for peer in peers {
            for addresses in with_ports(std::slice::from_ref(peer), cores)? {
                all.push(addresses);
            }
        }
        Ok(Layout {
            first: at as u16 * cores,
            listen,
            all,
        })
    }
}

/// Which of the peers this process is.
fn own_place(peers: &[Address], own: &[Address]) -> Result<usize> {
    let port = own.iter().find_map(port_of_any);
    let is_own =
        |peer: &Address| own.contains(peer) || (port.is_some() && port == port_of(peer) && is_here(peer));
    let (mut found, mut unknown) = (Vec::new(), String::new());
    for (at, peer) in peers.iter().enumerate() {
        match addresses_of(peer) {
            Ok(addresses) if addresses.iter().any(is_own) => found.push(at),
            Ok(_) => {}
            // Another machine's name may be known later; that of this one must be now.
            Err(error) => unknown += &format!("; {peer} is not known: {error}"),
        }
    }
    match found[..] {
        [at] => {
            if !unknown.is_empty() {
                tracing::warn!("of --peers{unknown}; it is looked for until it is");
            }
            Ok(at)
        }
        _ => Err(Usage(format!(
            "{} of the addresses in --peers lead here, of which one must be that of --listen{unknown}",
            found.len()
        ))
        .into()),
    }
}

/// What a peer's name stands for now.
fn addresses_of(peer: &Address) -> std::io::Result<Vec<Address>> {
    match peer {
        Address::Host(_) => Address::resolve(&peer.to_string()),
        other => Ok(vec![other.clone()]),
    }
}

fn cores(config: &Config) -> Result<u16> {
    let cores = config.count(&NAMENODE_CORES);
    Ok(u16::try_from(cores).map_err(|_| Usage("more cores than a machine has".into()))?)
}

/// The port of an address that stands for all of a machine.
fn port_of_any(address: &Address) -> Option<u16> {
    match address {
        Address::Tcp(socket) if socket.ip().is_unspecified() => Some(socket.port()),
        _ => None,
    }
}

fn port_of(address: &Address) -> Option<u16> {
    match address {
        Address::Tcp(socket) => Some(socket.port()),
        _ => None,
    }
}

/// Whether an address is one of this machine.
fn is_here(address: &Address) -> bool {
    match address {
        Address::Tcp(socket) => TcpListener::bind(SocketAddr::new(socket.ip(), 0)).is_ok(),
        _ => true,
    }
}

/// Where each of so many partitions listens: ports count up, sockets get a number. Any free port becomes one that is free now.
fn with_ports(first: &[Address], cores: u16) -> Result<Vec<Vec<Address>>> {
    // All are held until all are found, so that none is found twice.
    let mut held = Vec::new();
    let mut at = |address: &Address, number: u16| match address {
        Address::Tcp(socket) if socket.port() == 0 => {
            let listener =
                TcpListener::bind(socket).with_context(|| format!("looking for a free port at {address}"))?;
            let free = listener.local_addr()?;
            held.push(listener);
            Ok(Address::Tcp(free))
        }
        Address::Tcp(socket) => {
            let port = socket.port().checked_add(number);
            let port = port.ok_or_else(|| Usage("more cores than ports".into()))?;
            Ok(Address::Tcp(SocketAddr::new(socket.ip(), port)))
        }
        Address::Host(host) => {
            let (name, port) = host.rsplit_once(':').expect("a named address has a port");
            let port = port.parse::<u16>().ok().and_then(|port| port.checked_add(number));
            let port = port.ok_or_else(|| Usage("more cores than ports".into()))?;
            Ok(Address::Host(format!("{name}:{port}")))
        }
        Address::Unix(path) => Ok(Address::Unix(numbered(path, number))),
        Address::Shm(path) => Ok(Address::Shm(numbered(path, number))),
        other => Err(Usage(format!("several partitions cannot listen at {other}")).into()),
    };
    let partition = |number| first.iter().map(|address| at(address, number)).collect();
    (0..cores).map(partition).collect()
}

fn numbered(path: &Path, number: u16) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    if number > 0 {
        path.push(format!(".partition{number}"));
    }
    path.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn ports_count_up_and_free_ones_are_different() {
        let listen = with_ports(&addresses(&["tcp://127.0.0.1:9060", "unix:///run/x"]), 3).unwrap();
        assert_eq!(listen[0], addresses(&["tcp://127.0.0.1:9060", "unix:///run/x"]));
        assert_eq!(
            listen[2],
            addresses(&["tcp://127.0.0.1:9062", "unix:///run/x.partition2"])
        );
        let free = with_ports(&addresses(&["tcp://127.0.0.1:0"]), 3).unwrap();
        let ports: std::collections::BTreeSet<_> = free.iter().map(|one| port_of(&one[0]).unwrap()).collect();
        assert!(ports.len() == 3 && !ports.contains(&0));
        assert!(with_ports(&addresses(&["tcp://127.0.0.1:65535"]), 2).is_err());
    }

    #[test]
    fn a_process_finds_itself_among_its_peers() {
        let peers = addresses(&["tcp://127.0.0.1:9060", "tcp://127.0.0.1:9070"]);
        let own = with_ports(&addresses(&["tcp://127.0.0.1:9070"]), 2).unwrap();
        let layout = Layout::among(&peers, 2, own).unwrap();
        assert_eq!(layout.first, 2);
        assert_eq!(layout.all.len(), 4);
        assert_eq!(layout.all[3], addresses(&["tcp://127.0.0.1:9071"]));
        let any = with_ports(&addresses(&["tcp://0.0.0.0:9060"]), 2).unwrap();
        assert_eq!(Layout::among(&peers, 2, any.clone()).unwrap().first, 0);
        assert!(Layout::alone(any).is_err());
        // By the name of a host, which stays one; what is not known does not hinder who knows himself.
        let names = ["tcp://no-such-host.invalid:9060", "tcp://localhost:9070"];
        let named = names.map(|text| Address::named(text).unwrap());
        let own = with_ports(&addresses(&["tcp://127.0.0.1:9070"]), 2).unwrap();
        let layout = Layout::among(&named, 2, own).unwrap();
        assert_eq!(
            (layout.first, &layout.all[3]),
            (2, &vec![Address::Host("localhost:9071".into())])
        );
        let other = with_ports(&addresses(&["tcp://127.0.0.1:9060"]), 2).unwrap();
        let why = Layout::among(&named, 2, other).unwrap_err().to_string();
        assert!(why.contains("no-such-host.invalid:9060 is not known"), "{why}");
        let stranger = with_ports(&addresses(&["tcp://127.0.0.1:9080"]), 2).unwrap();
        assert!(Layout::among(&peers, 2, stranger).is_err());
    }
}
