//! Addresses to listen at, as people write them: `HOST:PORT`, `unix:///path`, `shm:///path`, several separated by commas.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use crake_datapath::{Address, Runtime, RuntimeConfig, Waiting};

use crate::config::{Config, Setting, WAITING};
use crate::exit::Usage;

/// The text of each address, with its scheme; host names are not looked up.
pub fn parse_all(text: &str) -> Result<Vec<String>, String> {
    text.split(',').map(|part| parse(part.trim())).collect()
}

fn parse(text: &str) -> Result<String, String> {
    let (scheme, rest) = text.split_once("://").unwrap_or(("tcp", text));
    match scheme {
        "unix" | "shm" if rest.starts_with('/') => Ok(text.into()),
        "tcp"
            if rest
                .rsplit_once(':')
                .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()) =>
        {
            Ok(format!("tcp://{rest}"))
        }
        _ => Err(format!(
            "`{text}` is no place to listen at; write HOST:PORT, unix:///PATH or shm:///PATH"
        )),
    }
}

/// The addresses of a setting of kind `Listen`. Of a host name with several addresses, the first.
pub fn listen(config: &Config, setting: &Setting) -> Result<Vec<Address>> {
    let texts = parse_all(config.text(setting)).map_err(Usage)?;
    texts.iter().map(|text| resolve(text)).collect()
}

/// The addresses of a setting of kind `Peers`: names of hosts stay names, for what they stand for may change.
pub fn peers(config: &Config, setting: &Setting) -> Result<Vec<Address>> {
    let texts = parse_all(config.text(setting)).map_err(Usage)?;
    let named = |text: &String| Address::named(text).map_err(|error| Usage(error.to_string()).into());
    texts.iter().map(named).collect()
}

fn resolve(text: &str) -> Result<Address> {
    let addresses = Address::resolve(text).with_context(|| format!("looking {text} up"))?;
    addresses
        .into_iter()
        .next()
        .with_context(|| format!("{text} has no address"))
}

/// Where the datanode of this number of `crake up` listens: beside the namenode, by the same kinds of transport. Ports count
/// up from `first_port`, but where the namenode takes any free port its datanodes do so too.
pub fn beside(namenode: &[Address], number: usize, first_port: u16) -> Result<Vec<Address>> {
    let beside_one = |address: &Address| match address {
        Address::Tcp(socket) => {
            let port = match socket.port() {
                0 => Some(0),
                _ => u16::try_from(number)
                    .ok()
                    .and_then(|number| first_port.checked_add(number)),
            };
            let port = port.ok_or_else(|| Usage("more datanodes than ports".into()))?;
            Ok(Address::Tcp(SocketAddr::new(socket.ip(), port)))
        }
        Address::Unix(path) => Ok(Address::Unix(numbered(path, number))),
        Address::Shm(path) => Ok(Address::Shm(numbered(path, number))),
        other => Err(Usage(format!("a datanode cannot listen beside {other}")).into()),
    };
    namenode.iter().map(beside_one).collect()
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(format!(".datanode{number}"));
    path.into()
}

/// The URL by which a client on this machine finds a namenode.
pub fn url(namenode: &Address) -> String {
    match namenode {
        Address::Tcp(socket) => format!("crake://{socket}"),
        Address::Host(host) => format!("crake://{host}"),
        other => other.to_string(),
    }
}

/// A runtime that waits as the settings say.
pub fn runtime(config: &Config) -> Result<Runtime> {
    let waiting = match config.text(&WAITING) {
        "busy" => Waiting::Busy,
        "sleep" => Waiting::Sleep,
        _ => Waiting::default(),
    };
    Runtime::new(RuntimeConfig {
        waiting,
        ..RuntimeConfig::default()
    })
    .context("starting the runtime")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<Address> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_host_and_port_is_tcp() {
        assert_eq!(parse_all("127.0.0.1:9060").unwrap(), ["tcp://127.0.0.1:9060"]);
        assert_eq!(
            parse_all("[::1]:1, unix:///run/x").unwrap(),
            ["tcp://[::1]:1", "unix:///run/x"]
        );
        assert_eq!(parse_all("tcp://name:80").unwrap(), ["tcp://name:80"]);
    }

    #[test]
    fn what_cannot_be_listened_at_is_refused() {
        for text in [
            "",
            "9060",
            ":9060",
            "host:port",
            "host:99999",
            "unix://relative",
            "local://x",
            "a:1,,b:1",
        ] {
            assert!(parse_all(text).is_err(), "{text}");
        }
    }

    #[test]
    fn datanodes_listen_beside_their_namenode() {
        let namenode = addresses(&["tcp://10.0.0.1:9060", "unix:///run/crake"]);
        let beside = |number| beside(&namenode, number, 50020).unwrap();
        assert_eq!(
            beside(0),
            addresses(&["tcp://10.0.0.1:50020", "unix:///run/crake.datanode0"])
        );
        assert_eq!(
            beside(2),
            addresses(&["tcp://10.0.0.1:50022", "unix:///run/crake.datanode2"])
        );
        assert_eq!(
            super::beside(&addresses(&["tcp://[::1]:0"]), 5, 50020).unwrap(),
            addresses(&["tcp://[::1]:0"])
        );
        assert!(super::beside(&namenode, 20_000, 50020).is_err());
    }

    #[test]
    fn a_url_names_the_namenode() {
        assert_eq!(url(&"tcp://[::1]:9060".parse().unwrap()), "crake://[::1]:9060");
        assert_eq!(url(&"unix:///run/x".parse().unwrap()), "unix:///run/x");
    }
}
