//! Where a cluster is and how to talk to it: URLs and the options behind them.

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use crake_datapath::Address;

use crate::Error;

/// The namenode's port when a URL names none.
pub const DEFAULT_PORT: u16 = 9060;

/// What [`crate::Store::connect`] needs to know. All fields have defaults but the servers.
///
/// As a URL: `crake://host[:port][,host[:port]...][/base][?option=value&...]`, or an address of the datapath
/// (`tcp://host:port`, `unix:///path`, `shm:///path`, `local://name`, `sim://node:port`) with the same options behind it.
/// The options are `transport` (`auto`, `tcp`, `unix`, `shm`), `base`, `deadline` and `connect_deadline` (`500ms`, `10s`),
/// `in_flight`, `slice` and `inline` (sizes: `65536`, `512KiB`, `8MiB`).
///
/// ```
/// use crake_store::{ConnectOptions, Transport};
/// let options: ConnectOptions = "crake://10.0.0.1,10.0.0.2:9000/tmp/job?transport=tcp&deadline=2s".parse()?;
/// assert_eq!(options.servers, ["tcp://10.0.0.1:9060", "tcp://10.0.0.2:9000"]);
/// assert_eq!(options.base, "tmp/job");
/// assert_eq!(options.transport, Transport::Tcp);
/// # Ok::<(), crake_store::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectOptions {
    /// Addresses of the namenode, tried in this order. Host names are looked up when connecting.
    pub servers: Vec<String>,
    /// The directory that all paths start from; empty for the root. It must exist.
    pub base: String,
    /// What may carry the traffic.
    pub transport: Transport,
    /// How long an operation may take, all repetitions together.
    pub deadline: Duration,
    /// How long one attempt to connect may take.
    pub connect_deadline: Duration,
    /// Values up to this many bytes ride in the namenode's messages; the namenode has the last word.
    pub inline_bytes_max: usize,
    /// How many bytes one stream sends, or asks for, before the first of them are answered.
    pub in_flight_bytes_max: usize,
    /// Size of one slice of a buffered stream.
    pub slice_bytes: usize,
    /// How many slices a buffered stream has.
    pub slices: usize,
    /// A connection to a datanode that was not used for this long is closed.
    pub idle_close: Duration,
}

/// What may carry a client's traffic. Servers say where they listen and on which host they are; [`Store::paths`] says what
/// was taken.
///
/// The namenode is first reached at an address of [`ConnectOptions::servers`]. From there the connection moves to a better
/// endpoint of the same namenode, if the transport allows it.
///
/// [`Store::paths`]: crate::Store::paths
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// The best that works for each server: shared memory on the same host, else a Unix socket there, else TCP.
    #[default]
    Auto,
    /// Datanodes by TCP only. The namenode stays at the address that was given.
    Tcp,
    /// Datanodes by Unix sockets only. So is the namenode: a connection that begins by TCP moves, or fails and says why.
    Unix,
    /// Datanodes through shared memory only. So is the namenode: a connection that begins by TCP or at a Unix socket moves, or
    /// fails and says why.
    Shm,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Auto => "auto",
            Transport::Tcp => "tcp",
            Transport::Unix => "unix",
            Transport::Shm => "shm",
        })
    }
}

impl Default for ConnectOptions {
    fn default() -> ConnectOptions {
        ConnectOptions {
            servers: Vec::new(),
            base: String::new(),
            transport: Transport::Auto,
            deadline: Duration::from_secs(10),
            connect_deadline: Duration::from_secs(3),
            inline_bytes_max: 1024,
            in_flight_bytes_max: 8 << 20,
            slice_bytes: 512 << 10,
            slices: 2,
            idle_close: Duration::from_secs(60),
        }
    }
}

impl ConnectOptions {
    /// Default options for the namenode at `address`.
    pub fn to(address: &Address) -> ConnectOptions {
        ConnectOptions {
            servers: vec![address.to_string()],
            ..ConnectOptions::default()
        }
    }

    /// Looks the servers' names up, which may block for as long as the system's resolver takes.
    pub(crate) fn resolve(&self) -> Result<Vec<Address>, Error> {
        let mut addresses = Vec::new();
        for server in &self.servers {
            let found = Address::resolve(server).map_err(|error| not_resolved(server, &error))?;
            addresses.extend(found);
        }
        if addresses.is_empty() {
            return Err(bad_url("", "names no server"));
        }
        Ok(addresses)
    }
}

fn not_resolved(server: &str, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::InvalidInput => bad_url(server, error.to_string()),
        _ => bad_url(server, format!("no such host ({error})")),
    }
}

fn bad_url(url: &str, detail: impl Into<String>) -> Error {
    Error::BadUrl {
        url: url.into(),
        detail: detail.into().into(),
    }
}

impl FromStr for ConnectOptions {
    type Err = Error;

    fn from_str(url: &str) -> Result<ConnectOptions, Error> {
        let (location, query) = url.split_once('?').unwrap_or((url, ""));
        let mut options = ConnectOptions::default();
        place(location, &mut options).map_err(|detail| bad_url(url, detail))?;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            set(pair, &mut options).map_err(|detail| bad_url(url, detail))?;
        }
        Ok(options)
    }
}

/// Reads the part of a URL before the `?`.
fn place(location: &str, options: &mut ConnectOptions) -> Result<(), String> {
    let (scheme, rest) = location
        .split_once("://")
        .ok_or("expected a URL such as crake://localhost:9060")?;
    match scheme {
        "crake" | "tcp" => {
            let (hosts, base) = rest.split_once('/').unwrap_or((rest, ""));
            options.servers = hosts.split(',').map(server).collect::<Result<_, _>>()?;
            options.base = base.trim_matches('/').into();
        }
        "unix" | "shm" | "local" | "sim" => {
            let address = location.parse::<Address>().map_err(|error| error.to_string())?;
            options.servers = vec![address.to_string()];
        }
        other => {
            return Err(format!(
                "unknown scheme {other}, expected crake, tcp, unix, shm, local or sim"
            ));
        }
    }
    Ok(())
}

/// One `host`, `host:port`, `[v6]` or `[v6]:port` as an address that can be resolved.
fn server(host: &str) -> Result<String, String> {
    let after_v6 = host.rfind(']').map_or(0, |at| at + 1);
    let (name, port) = match host[after_v6..].rfind(':') {
        Some(at) => (&host[..after_v6 + at], Some(&host[after_v6 + at + 1..])),
        None => (host, None),
    };
    if name.is_empty() {
        return Err("a host name is missing".into());
    }
    if name.contains(':') && after_v6 == 0 {
        return Err(format!("an IPv6 address is written in brackets: [{host}]"));
    }
    let port = match port {
        None => DEFAULT_PORT,
        Some(port) => port.parse().map_err(|_| format!("`{port}` is not a port"))?,
    };
    Ok(format!("tcp://{name}:{port}"))
}

/// Reads one `option=value`.
fn set(pair: &str, options: &mut ConnectOptions) -> Result<(), String> {
    let (name, value) = pair
        .split_once('=')
        .ok_or_else(|| format!("`{pair}` is not option=value"))?;
    match name {
        "transport" => options.transport = transport(value)?,
        "base" => options.base = value.trim_matches('/').into(),
        "deadline" => options.deadline = duration(value)?,
        "connect_deadline" => options.connect_deadline = duration(value)?,
        "in_flight" => options.in_flight_bytes_max = size(value)?.max(1),
        "slice" => options.slice_bytes = size(value)?.max(1),
        "inline" => options.inline_bytes_max = size(value)?,
        other => return Err(format!("unknown option {other}")),
    }
    Ok(())
}

fn transport(value: &str) -> Result<Transport, String> {
    match value {
        "auto" => Ok(Transport::Auto),
        "tcp" => Ok(Transport::Tcp),
        "unix" => Ok(Transport::Unix),
        "shm" => Ok(Transport::Shm),
        other => Err(format!(
            "unknown transport {other}, expected auto, tcp, unix or shm"
        )),
    }
}

fn duration(value: &str) -> Result<Duration, String> {
    let wrong = || format!("`{value}` is not a duration such as 500ms or 10s");
    let (number, unit) = number_and_unit(value).ok_or_else(wrong)?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        _ => Err(wrong()),
    }
}

fn size(value: &str) -> Result<usize, String> {
    let wrong = || format!("`{value}` is not a size such as 65536, 512KiB or 8MiB");
    let (number, unit) = number_and_unit(value).ok_or_else(wrong)?;
    let shift = match unit {
        "" | "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        _ => return Err(wrong()),
    };
    let bytes = number.checked_mul(1 << shift).ok_or_else(wrong)?;
    usize::try_from(bytes).map_err(|_| wrong())
}

fn number_and_unit(value: &str) -> Option<(u64, &str)> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    Some((value[..end].parse().ok()?, &value[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(url: &str) -> ConnectOptions {
        url.parse().unwrap()
    }

    fn error(url: &str) -> String {
        url.parse::<ConnectOptions>().unwrap_err().to_string()
    }

    #[test]
    fn hosts_and_ports() {
        assert_eq!(parse("crake://localhost").servers, ["tcp://localhost:9060"]);
        assert_eq!(
            parse("crake://a:1,b,[::1],[::2]:5/x").servers,
            ["tcp://a:1", "tcp://b:9060", "tcp://[::1]:9060", "tcp://[::2]:5"]
        );
        assert_eq!(parse("tcp://10.0.0.1:77").servers, ["tcp://10.0.0.1:77"]);
        assert_eq!(
            parse("unix:///run/crake.sock?deadline=1s").servers,
            ["unix:///run/crake.sock"]
        );
        assert_eq!(parse("shm:///run/crake.shm").servers, ["shm:///run/crake.shm"]);
        assert_eq!(parse("local://here").servers, ["local://here"]);
        assert_eq!(parse("sim://3:9060").servers, ["sim://3:9060"]);
    }

    #[test]
    fn base_and_options() {
        let options = parse(
            "crake://h//a/b/?transport=unix&deadline=250ms&connect_deadline=2s&in_flight=1MiB&slice=64KiB&inline=0",
        );
        assert_eq!(options.base, "a/b");
        assert_eq!(options.transport, Transport::Unix);
        assert_eq!(options.deadline, Duration::from_millis(250));
        assert_eq!(options.connect_deadline, Duration::from_secs(2));
        assert_eq!(options.in_flight_bytes_max, 1 << 20);
        assert_eq!(options.slice_bytes, 65536);
        assert_eq!(options.inline_bytes_max, 0);
        assert_eq!(parse("unix:///s?base=/x").base, "x");
    }

    #[test]
    fn errors_name_the_url_and_the_mistake() {
        assert_eq!(
            error("localhost"),
            "localhost: expected a URL such as crake://localhost:9060"
        );
        assert_eq!(
            error("http://x"),
            "http://x: unknown scheme http, expected crake, tcp, unix, shm, local or sim"
        );
        assert_eq!(error("crake://h:99999"), "crake://h:99999: `99999` is not a port");
        assert_eq!(error("crake://"), "crake://: a host name is missing");
        assert_eq!(
            error("crake://::1"),
            "crake://::1: an IPv6 address is written in brackets: [::1]"
        );
        assert_eq!(
            error("crake://h?speed=9"),
            "crake://h?speed=9: unknown option speed"
        );
        assert!(error("crake://h?deadline=ten").contains("is not a duration"));
        assert!(error("crake://h?slice=99999999999GiB").contains("is not a size"));
    }

    #[test]
    fn names_that_do_not_exist_are_told_as_such() {
        let options = parse("crake://no-such-host.invalid");
        assert!(
            options
                .resolve()
                .unwrap_err()
                .to_string()
                .contains("no such host")
        );
        assert!(parse("crake://127.0.0.1").resolve().unwrap().len() == 1);
    }

    proptest! {
        #[test]
        fn any_text_gives_options_or_an_error(text in "(crake|tcp|unix|sim)?(://)?.{0,40}") {
            let _ = text.parse::<ConnectOptions>();
        }
    }
}
