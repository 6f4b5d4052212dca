//! Where a queue is: an address chooses its backend.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;

/// An address to listen at or to connect to. The scheme names the backend.
///
/// ```
/// use crake_datapath::Address;
/// let address: Address = "tcp://[::1]:9060".parse()?;
/// assert_eq!(address.to_string(), "tcp://[::1]:9060");
/// # Ok::<(), crake_datapath::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Address {
    /// `tcp://1.2.3.4:9060`, `tcp://[::1]:9060`
    Tcp(SocketAddr),
    /// `tcp://store.example:9060`, without the scheme: a host's name that is looked up each time that somebody connects, for its
    /// addresses may change. Text is read as one only by [`named`](Address::named), and nobody listens at it.
    Host(String),
    /// `unix:///run/crake.sock`
    Unix(PathBuf),
    /// `shm:///run/crake.shm`: through shared memory, handed over by the Unix socket with this path.
    Shm(PathBuf),
    /// `local://name`: within one runtime.
    Local(String),
    /// `sim://3:9060`: a port of a node in the simulator.
    Sim {
        /// The node.
        node: u32,
        /// Its port.
        port: u16,
    },
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an address: expected tcp://IP:PORT, unix://PATH, shm://PATH, local://NAME or sim://NODE:PORT"
)]
pub struct AddressError {
    text: String,
}

impl Address {
    /// The addresses that a text stands for; host names in `tcp://host:port` are looked up,
    /// which may block for as long as the system's resolver takes. Never empty.
    pub fn resolve(text: &str) -> io::Result<Vec<Address>> {
        let parsed = text.parse::<Address>();
        let Some(host) = text.strip_prefix("tcp://").filter(|_| parsed.is_err()) else {
            let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
            return Ok(vec![parsed.map_err(invalid)?]);
        };
        let found: Vec<Address> = host.to_socket_addrs()?.map(Address::Tcp).collect();
        if found.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("`{host}` has no address"),
            ));
        }
        Ok(found)
    }

    /// The address that a text is, or the name of a host and a port, which is not looked up yet.
    pub fn named(text: &str) -> Result<Address, AddressError> {
        text.parse().or_else(|error| {
            let host = text.strip_prefix("tcp://").filter(|host| is_host(host));
            host.map(|host| Address::Host(host.to_owned())).ok_or(error)
        })
    }
}

/// Whether it is a name and a port, as far as that can be seen.
fn is_host(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    text.rsplit_once(':').is_some_and(|(name, port)| {
        !name.is_empty()
            && name.len() <= HOST_BYTES_MAX
            && name.chars().all(is_part)
            && port.parse::<u16>().is_ok()
    })
}

/// Of a host's name: RFC 1035, 2.3.4.
const HOST_BYTES_MAX: usize = 255;

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        let error = || AddressError {
            text: text.to_owned(),
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(error)?;
        match scheme {
            "tcp" => rest.parse().map(Address::Tcp).map_err(|_| error()),
            "unix" if !rest.is_empty() => Ok(Address::Unix(PathBuf::from(rest))),
            "shm" if !rest.is_empty() => Ok(Address::Shm(PathBuf::from(rest))),
            "local" if !rest.is_empty() => Ok(Address::Local(rest.to_owned())),
            "sim" => parse_sim(rest).ok_or_else(error),
            _ => Err(error()),
        }
    }
}

fn parse_sim(rest: &str) -> Option<Address> {
    let (node, port) = rest.split_once(':')?;
    Some(Address::Sim {
        node: node.parse().ok()?,
        port: port.parse().ok()?,
    })
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "tcp://{address}"),
            Address::Host(host) => write!(f, "tcp://{host}"),
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
            Address::Shm(path) => write!(f, "shm://{}", path.display()),
            Address::Local(name) => write!(f, "local://{name}"),
            Address::Sim { node, port } => write!(f, "sim://{node}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_come_back_as_they_went() {
        for text in [
            "tcp://1.2.3.4:9060",
            "tcp://[::1]:1",
            "unix:///run/x.sock",
            "shm:///run/x.shm",
            "local://name",
            "sim://3:9060",
        ] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn refuses_what_is_no_address() {
        for text in [
            "",
            "tcp://",
            "tcp://host:1",
            "1.2.3.4:5",
            "unix://",
            "shm://",
            "local://",
            "sim://1",
            "sim://-1:2",
            "sim://1:65536",
            "http://x",
            "tcp://1.2.3.4",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn names_stay_names_until_they_are_looked_up() {
        for text in ["tcp://localhost:80", "tcp://store-1.rack_2.example:9060"] {
            let named = Address::named(text).unwrap();
            assert!(matches!(named, Address::Host(_)), "{named:?}");
            assert_eq!(named.to_string(), text);
        }
        assert_eq!(Address::named("tcp://[::1]:80"), "tcp://[::1]:80".parse());
        for text in [
            "localhost:80",
            "tcp://host",
            "tcp://:80",
            "tcp://a b:80",
            "tcp://host:99999",
            "tcp://a,b:80",
        ] {
            assert!(Address::named(text).is_err(), "{text}");
        }
        assert!(Address::named(&format!("tcp://{}:80", "a".repeat(256))).is_err());
    }

    #[test]
    fn resolves_names_and_plain_addresses() {
        let localhost = Address::resolve("tcp://localhost:80").unwrap();
        assert!(
            localhost
                .iter()
                .all(|a| matches!(a, Address::Tcp(s) if s.ip().is_loopback()))
        );
        assert_eq!(
            Address::resolve("sim://1:2").unwrap(),
            [Address::Sim { node: 1, port: 2 }]
        );
        assert!(Address::resolve("nonsense").is_err());
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text in ".{0,40}") {
            let _ = text.parse::<Address>();
        }
    }
}
