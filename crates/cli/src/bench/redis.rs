//! Redis in the place of the raw loop: the same keys and values, asked for by the tightest client that we can write.
//!
//! The client never sleeps, sends all that it may in one call and counts the bytes of the replies, as the raw loop
//! does. What it asks is checked once before it is timed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::{Errno, ioctl_fionbio};
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::kind::Kind;
use super::runner::Operation;
use super::stats::{Run, Stopwatch};

/// How long a server may take to connect and to answer what is not timed.
const PATIENCE: Duration = Duration::from_secs(5);
/// Where replies are received, of whatever size they are.
const RECEIVE_BYTES: usize = 256 << 10;

/// A connection to a Redis server that holds the keys.
pub struct Redis {
    socket: OwnedFd,
    /// All requests in a row, one per key.
    requests: Vec<u8>,
    /// Bytes of one of them.
    request_bytes: usize,
    /// Bytes of one reply.
    reply_bytes: usize,
    in_flight: u64,
    /// The key that the next run starts with.
    next: u64,
    receive: Vec<u8>,
}

impl Redis {
    /// Connects to `redis://HOST:PORT` or `redis+unix:///PATH`, sets `keys` keys to values of `size` bytes, and asks for one
    /// of them.
    pub fn start(url: &str, kind: Kind, keys: u64, size: u64, in_flight: u64) -> Result<Redis> {
        if let Some(place) = url.strip_prefix("redis://") {
            Redis::over(connect_tcp(url, place)?, kind, keys, size, in_flight)
        } else if let Some(path) = url
            .strip_prefix("redis+unix://")
            .filter(|path| path.starts_with('/'))
        {
            Redis::over(connect_unix(url, path)?, kind, keys, size, in_flight)
        } else {
            bail!("{url}: expected redis://HOST:PORT or redis+unix:///PATH")
        }
    }

    fn over<S>(mut socket: S, kind: Kind, keys: u64, size: u64, in_flight: u64) -> Result<Redis>
    where
        S: Read + Write + Into<OwnedFd>,
    {
        let command: fn(u64, &[u8]) -> Vec<u8> = match kind {
            Kind::GetKey | Kind::GetKeyAsync => |number, _| get(number),
            Kind::PutKey => set,
            _ => bail!("--against a Redis goes with get-key, get-key-async and put-key"),
        };
        let value = vec![b'v'; size as usize];
        for number in 0..keys {
            ask(&mut socket, &set(number, &value), b"+OK\r\n")?;
        }
        let reply = match kind {
            Kind::PutKey => b"+OK\r\n".to_vec(),
            _ => [format!("${size}\r\n").as_bytes(), &value, b"\r\n"].concat(),
        };
        ask(&mut socket, &command(0, &value), &reply)?;
        let socket = socket.into();
        ioctl_fionbio(&socket, true)?;
        let requests: Vec<u8> = (0..keys).flat_map(|number| command(number, &value)).collect();
        Ok(Redis {
            socket,
            request_bytes: requests.len() / keys as usize,
            requests,
            reply_bytes: reply.len(),
            in_flight,
            next: 0,
            receive: vec![0; RECEIVE_BYTES],
        })
    }

    fn send_some(&mut self, wanted: u64) -> Result<u64> {
        let start = (self.next % self.requests.len() as u64) as usize;
        let end = self.requests.len().min(start + wanted as usize);
        match send(
            self.socket.as_fd(),
            &self.requests[start..end],
            SendFlags::NOSIGNAL,
        ) {
            Ok(count) => {
                self.next += count as u64;
                Ok(count as u64)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn receive_some(&mut self) -> Result<u64> {
        match recv(self.socket.as_fd(), &mut self.receive[..], RecvFlags::empty()) {
            Ok((0, _)) => bail!("redis closed the connection"),
            Ok((count, _)) => Ok(count as u64),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl Operation for Redis {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let (request_bytes, reply_bytes) = (self.request_bytes as u64, self.reply_bytes as u64);
        let (mut sent, mut received) = (0, 0);
        let mut sendable = self.in_flight.min(operations) * request_bytes;
        let mut watch = Stopwatch::start();
        while received < operations * reply_bytes {
            if sent < sendable {
                sent += self.send_some(sendable - sent)?;
            }
            let count = self.receive_some()?;
            if count > 0 {
                received += count;
                let ended = received / reply_bytes;
                watch.note(ended, sent.div_ceil(request_bytes));
                sendable = (ended + self.in_flight).min(operations) * request_bytes;
            }
        }
        Ok(watch.stop(operations))
    }
}

fn connect_tcp(url: &str, place: &str) -> Result<TcpStream> {
    let addresses: Vec<SocketAddr> = place.to_socket_addrs().with_context(|| url.to_owned())?.collect();
    let address = addresses.first().with_context(|| format!("{url}: no address"))?;
    let socket =
        TcpStream::connect_timeout(address, PATIENCE).with_context(|| format!("no redis at {url}"))?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

fn connect_unix(url: &str, path: &str) -> Result<UnixStream> {
    let socket = UnixStream::connect(path).with_context(|| format!("no redis at {url}"))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Asks and compares the whole reply.
fn ask(socket: &mut (impl Read + Write), request: &[u8], expected: &[u8]) -> Result<()> {
    socket.write_all(request)?;
    let mut reply = vec![0; expected.len()];
    socket.read_exact(&mut reply).context("waiting for redis")?;
    ensure!(
        reply == expected,
        "redis answered {}",
        reply[..reply.len().min(80)].escape_ascii()
    );
    Ok(())
}

fn get(number: u64) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n$12\r\n{}\r\n", key(number)).into_bytes()
}

fn set(number: u64, value: &[u8]) -> Vec<u8> {
    let head = format!(
        "*3\r\n$3\r\nSET\r\n$12\r\n{}\r\n${}\r\n",
        key(number),
        value.len()
    );
    [head.as_bytes(), value, b"\r\n"].concat()
}

/// Twelve bytes for any number that there is memory for.
fn key(number: u64) -> String {
    format!("key{number:09}")
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::unix::net::UnixListener;
    use std::thread;

    use super::*;

    #[test]
    fn all_requests_of_a_kind_have_the_same_length() {
        assert_eq!(get(0).len(), get(999_999_999).len());
        assert_eq!(get(7), b"*2\r\n$3\r\nGET\r\n$12\r\nkey000000007\r\n");
        assert_eq!(
            set(7, b"abc"),
            b"*3\r\n$3\r\nSET\r\n$12\r\nkey000000007\r\n$3\r\nabc\r\n"
        );
    }

    /// A server's first reply, whatever it is asked.
    fn answer(mut socket: impl Read + Write) {
        assert!(socket.read(&mut [0; 256]).unwrap() > 0);
        socket.write_all(b"HTTP/1.0 400 Bad Request\r\n").unwrap();
    }

    fn refusal(url: &str, kind: Kind) -> String {
        format!("{:#}", Redis::start(url, kind, 1, 8, 1).err().unwrap())
    }

    #[test]
    fn what_is_no_redis_is_said_to_be_none() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let unix = UnixListener::bind(&path).unwrap();
        let urls = [
            format!("redis://{}", tcp.local_addr().unwrap()),
            format!("redis+unix://{}", path.display()),
        ];
        let server = thread::spawn(move || {
            answer(tcp.accept().unwrap().0);
            answer(unix.accept().unwrap().0);
        });
        for url in urls {
            let error = refusal(&url, Kind::GetKey);
            assert!(error.contains("HTTP/"), "{error}");
        }
        server.join().unwrap();
    }

    #[test]
    fn a_url_is_of_a_host_or_of_a_path() {
        for url in ["redis+unix://relative", "http://127.0.0.1:1", "/path"] {
            let error = refusal(url, Kind::GetKey);
            assert!(error.contains("expected"), "{error}");
        }
        let error = refusal("redis+unix:///nowhere/redis", Kind::GetKey);
        assert!(error.contains("no redis at"), "{error}");
    }

    #[test]
    fn other_types_have_no_counterpart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let error = refusal(&format!("redis+unix://{}", path.display()), Kind::Write);
        assert!(error.contains("get-key"), "{error}");
    }
}
