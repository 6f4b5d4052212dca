//! The suite for streams through shared memory, and what only they do.

use std::future::Future;
use std::io::{BufRead, BufReader, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crake_datapath::{Address, Error, Runtime, RuntimeConfig, Shared, Stream, Waiting};
use crake_mem::pipe::{self, Capacities};
use crake_mem::{Buf, Extent, HugePages, Region, Sga};
use rustix::fs::FallocateFlags;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};

#[macro_use]
mod conformance;

/// Both ends in one runtime.
struct Shm {
    runtime: Runtime,
    directory: tempfile::TempDir,
    names: std::cell::Cell<u32>,
}

impl conformance::World for Shm {
    fn client(&self) -> &Runtime {
        &self.runtime
    }

    fn server(&self) -> &Runtime {
        &self.runtime
    }

    fn address(&self) -> Address {
        self.names.set(self.names.get() + 1);
        Address::Shm(self.directory.path().join(self.names.get().to_string()))
    }

    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.runtime.block_on(future)
    }
}

conformance!(|config| Shm {
    runtime: Runtime::new(config).expect("a runtime"),
    directory: tempfile::tempdir().expect("a directory"),
    names: Default::default(),
});

fn runtime(waiting: Waiting) -> Runtime {
    Runtime::new(RuntimeConfig {
        waiting,
        ..RuntimeConfig::default()
    })
    .expect("a runtime")
}

fn socket(directory: &tempfile::TempDir) -> Address {
    Address::Shm(directory.path().join("shm"))
}

/// Echoes on a thread of its own until its clients have gone.
fn serve(address: Address, waiting: Waiting, clients: usize) -> thread::JoinHandle<()> {
    let (ready, is_ready) = mpsc::channel();
    let thread = thread::spawn(move || {
        let runtime = runtime(waiting);
        let listener = runtime.listen(&address).expect("listen");
        ready.send(()).expect("a client");
        runtime.block_on(async {
            let mut echoes = Vec::new();
            for _ in 0..clients {
                let stream = listener.accept().await.expect("accept");
                echoes.push(runtime.spawn(async move {
                    while let Ok(bytes) = stream.pop().await {
                        if bytes.is_empty() || stream.push(Sga::from(bytes)).await.is_err() {
                            break;
                        }
                    }
                }));
            }
            for echo in echoes {
                echo.await;
            }
        });
        runtime.shutdown();
    });
    is_ready.recv().expect("the server listens");
    thread
}

async fn exchange(stream: &Stream, bytes: &[u8]) {
    // It may be more than both directions hold, so that some of it must come back before all of it has left.
    let push = stream.push(Sga::from(Buf::copy_from_slice(bytes)));
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        let more = stream.pop().await.expect("pop");
        assert!(!more.is_empty(), "the echo ended");
        received.extend_from_slice(&more);
    }
    push.await.expect("push");
    assert!(received == bytes);
}

/// Sleepers are woken, whoever sleeps and however long the pauses are.
#[test]
fn no_wake_is_lost_between_two_threads() {
    let adaptive = Waiting::Adaptive {
        spin: Duration::from_micros(5),
    };
    for (ours, theirs) in [
        (Waiting::Sleep, Waiting::Sleep),
        (Waiting::Sleep, Waiting::Busy),
        (adaptive, adaptive),
        (adaptive, Waiting::Sleep),
        (Waiting::default(), Waiting::default()),
    ] {
        let directory = tempfile::tempdir().expect("a directory");
        let address = socket(&directory);
        let server = serve(address.clone(), theirs, 1);
        let runtime = runtime(ours);
        runtime.block_on(async {
            let stream = runtime.connect(&address).await.expect("connect");
            for round in 0..2_000u64 {
                exchange(&stream, &round.to_le_bytes()).await;
                if round % 50 == 0 {
                    runtime.sleep(Duration::from_micros(round % 300)).await;
                }
            }
            // More than fits, both ways at once.
            let much: Vec<u8> = (0..3 << 20).map(|at: u32| at as u8).collect();
            exchange(&stream, &much).await;
        });
        server.join().expect("the server ends when its client has gone");
    }
}

/// While both sides of a connection sleep.
#[test]
fn an_idle_connection_uses_no_core() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let server = serve(address.clone(), Waiting::default(), 1);
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let stream = runtime.connect(&address).await.expect("connect");
        exchange(&stream, b"before").await;
        runtime.sleep(Duration::from_millis(50)).await;
        let used = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        let before = used();
        runtime.sleep(Duration::from_millis(500)).await;
        let after = used();
        let nanoseconds = (after.tv_sec - before.tv_sec) * 1_000_000_000 + (after.tv_nsec - before.tv_nsec);
        assert!(nanoseconds < 25_000_000, "{nanoseconds} ns of half a second");
        exchange(&stream, b"after").await;
    });
    server.join().expect("the server ends");
}

/// A bare client that does as the handshake says and then what it likes.
struct Hostile {
    socket: UnixStream,
    memory: Rc<Region>,
    capacities: Capacities,
}

impl Hostile {
    fn connect(address: &Address) -> Hostile {
        let socket = UnixStream::connect(path(address)).expect("connect");
        let mut bytes = [0; 24];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::net::recvmsg(
            &socket,
            &mut [IoSliceMut::new(&mut bytes)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        );
        assert_eq!(received.expect("a welcome").bytes, 24);
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        let capacity =
            |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().expect("4 bytes")) as usize;
        let capacities = Capacities {
            to_client: capacity(16),
            to_server: capacity(20),
        };
        let memory = Region::map(file.expect("a file"), capacities.len_bytes()).expect("map");
        Hostile {
            socket,
            memory,
            capacities,
        }
    }

    fn send(&self, bytes: &[u8]) {
        rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL).expect("send");
    }

    /// What it writes to, where it publishes first.
    fn outgoing(&self) -> Extent {
        self.memory.extent(pipe::len_bytes(self.capacities.to_client)..)
    }

    fn file(&self) -> BorrowedFd<'_> {
        self.memory.as_fd().expect("a file")
    }
}

fn path(address: &Address) -> &std::path::Path {
    match address {
        Address::Shm(path) => path,
        other => panic!("{other} is not shared memory"),
    }
}

/// What a server's pop comes to under `attack`; after that it must serve a good client as ever.
fn pop_under(attack: impl FnOnce(&Address)) -> Result<usize, Error> {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let (sender, receiver) = mpsc::channel();
    let served = address.clone();
    let server = thread::spawn(move || {
        let runtime = runtime(Waiting::default());
        let listener = runtime.listen(&served).expect("listen");
        sender.send(Ok(0)).expect("a test");
        runtime.block_on(async {
            let stream = listener.accept().await.expect("accept");
            let popped = runtime
                .timeout(runtime.now() + Duration::from_secs(20), stream.pop())
                .await
                .expect("the pop ends");
            sender.send(popped.map(|bytes| bytes.len())).expect("a test");
            let good = listener.accept().await.expect("accept");
            let bytes = good.pop().await.expect("pop");
            good.push(Sga::from(bytes)).await.expect("push");
            good.pop().await.expect("the end");
        });
        runtime.shutdown();
    });
    receiver.recv().expect("the server listens").expect("it does");
    attack(&address);
    let popped = receiver
        .recv_timeout(Duration::from_secs(30))
        .expect("the pop ended");
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let stream = runtime.connect(&address).await.expect("connect");
        exchange(&stream, b"still here").await;
    });
    server.join().expect("the server ends");
    popped
}

#[test]
fn a_client_that_goes_before_it_has_mapped_breaks_nothing() {
    let broken = pop_under(|address| drop(Hostile::connect(address)));
    assert_eq!(broken, Err(Error::Reset));
    let silent = pop_under(|address| {
        let client = Hostile::connect(address);
        client.send(b"\x00 what is this? \xff");
    });
    assert_eq!(silent, Err(Error::Reset));
}

#[test]
fn an_index_that_cannot_be_ends_the_connection() {
    for index in [u64::MAX, 1 << 40, (256 << 10) + 1] {
        let popped = pop_under(|address| {
            let client = Hostile::connect(address);
            client.outgoing().write(0, &index.to_le_bytes());
            client.send(&[1]);
            thread::sleep(Duration::from_millis(5));
        });
        assert_eq!(popped, Err(Error::Reset), "{index}");
    }
}

#[test]
fn random_bytes_all_over_the_memory_end_the_connection_or_are_received() {
    for seed in 0..20u64 {
        let popped = pop_under(|address| {
            let client = Hostile::connect(address);
            client.send(&[1]);
            let mut state = seed;
            let whole = client.memory.extent(..);
            for at in (0..whole.len()).step_by(8) {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                whole.write(at, &(state ^ state >> 29).to_le_bytes());
            }
            client.send(&[2]);
        });
        assert!(
            popped.as_ref().is_ok_and(|&count| count <= 256 << 10) || popped == Err(Error::Reset),
            "{popped:?}"
        );
    }
}

/// A file that became shorter, or lost its pages, would kill who touches it.
#[test]
fn memory_cannot_be_taken_away() {
    let popped = pop_under(|address| {
        let client = Hostile::connect(address);
        let len_bytes = client.memory.len_bytes() as u64;
        let take_pages = || {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            rustix::fs::fallocate(client.file(), flags, 0, len_bytes)
        };
        assert!(rustix::fs::ftruncate(client.file(), 0).is_err(), "made shorter");
        // Before both have mapped it this goes, and is made good.
        take_pages().expect("nobody forbids it yet");
        client.send(&[1]);
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        while take_pages().is_ok() {
            assert!(
                std::time::Instant::now() < deadline,
                "pages can be taken out for ever"
            );
            thread::sleep(Duration::from_millis(1));
        }
        // From here on it behaves.
        let (writer, _) = client.capacities.client_ends(&client.memory);
        assert_eq!(writer.write_slice(b"bytes").expect("room").count, 5);
        client.send(&[2]);
        thread::sleep(Duration::from_millis(20));
    });
    assert_eq!(popped, Ok(5));
}

/// A region that others may read, and one that they may write, of a page each.
fn shared() -> [Shared; 2] {
    let made = |name| Region::memfd(name, 4096, HugePages::Never).expect("memory");
    let (closed, open) = (made("closed"), made("open"));
    closed.close_file().expect("a file");
    open.open_file().expect("a file");
    [Shared::to_read(&closed), Shared::to_write(&open)]
}

#[test]
fn what_is_shared_for_writing_is_held_until_the_other_side_lets_go() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = runtime(Waiting::default());
    let places = [socket(&directory), Address::Local("held".into())];
    for address in places {
        runtime.block_on(async {
            let listener = runtime.listen(&address).expect("listen");
            let regions = shared();
            assert!(listener.share(&regions));
            let accepting = listener.accept();
            let client = runtime.connect(&address).await.expect("connect");
            let server = accepting.await.expect("accept");
            exchange_within(&client, &server).await;
            let held = server.held().expect("it has memory");
            assert!(client.held().is_none() && server.memory().is_none());
            let memory = client.memory().expect("what is shared");
            let windows = [0, 1].map(|key| memory.window(key).expect("a region").clone());
            assert_eq!(
                windows.each_ref().map(|window| window.is_writable()),
                [false, true]
            );
            windows[1].write_segment(7, &Buf::from_static(b"bytes").into());
            assert_eq!(regions[1].region().extent(7..12).to_vec(), b"bytes");

            // The server closes its end, and knows nothing.
            let hold = memory.hold().expect("a stream that is open");
            drop(server);
            assert!(client.pop().await.is_ok_and(|bytes| bytes.is_empty()));
            assert!(!held.is_over());
            drop(client);
            runtime.sleep(Duration::from_millis(5)).await;
            assert!(!held.is_over(), "it may be writing at {address}");
            drop(hold);
            assert!(held.is_over() && memory.hold().is_none(), "{address}");
        });
    }
}

#[test]
fn a_client_that_lets_go_is_seen_to_whatever_else_it_keeps() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let listener = runtime.listen(&address).expect("listen");
        listener.share(&shared());
        let accepting = listener.accept();
        let client = runtime.connect(&address).await.expect("connect");
        let server = accepting.await.expect("accept");
        exchange_within(&client, &server).await;
        let held = server.held().expect("it has memory");
        let memory = client.memory().expect("what is shared");
        assert!(!held.is_over());
        drop(client);
        assert!(server.pop().await.is_ok_and(|bytes| bytes.is_empty()));
        assert!(held.is_over(), "memory alone holds nothing");
        assert!(memory.hold().is_none() && memory.window(1).is_some());
    });
}

#[test]
fn what_is_shared_to_be_read_alone_is_held_by_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let listener = runtime.listen(&address).expect("listen");
        listener.share(&shared()[..1]);
        let accepting = listener.accept();
        let client = runtime.connect(&address).await.expect("connect");
        let server = accepting.await.expect("accept");
        exchange_within(&client, &server).await;
        assert!(server.held().is_none() && client.memory().is_some());
    });
}

/// A region whose seals are not those of what is offered: the connection serves, and nothing is mapped.
#[test]
fn a_region_that_is_not_what_it_should_be_is_not_mapped() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let runtime = runtime(Waiting::default());
    let [closed, open] = shared();
    for wrong in [Shared::to_write(closed.region()), Shared::to_read(open.region())] {
        runtime.block_on(async {
            let listener = runtime.listen(&address).expect("listen");
            listener.share(&[wrong]);
            let accepting = listener.accept();
            let client = runtime.connect(&address).await.expect("connect");
            let server = accepting.await.expect("accept");
            exchange_within(&client, &server).await;
            assert!(client.memory().is_none());
        });
    }
}

/// Bytes there and back, in one runtime.
async fn exchange_within(client: &Stream, server: &Stream) {
    client
        .push(Sga::from(Buf::from_static(b"there")))
        .await
        .expect("push");
    assert_eq!(&server.pop().await.expect("pop")[..], b"there");
    server
        .push(Sga::from(Buf::from_static(b"back")))
        .await
        .expect("push");
    assert_eq!(&client.pop().await.expect("pop")[..], b"back");
}

/// The clients are processes, killed wherever they are.
#[test]
fn killed_clients_are_seen_to_be_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    const CLIENTS: u64 = 60;
    let server = serve(address.clone(), Waiting::default(), CLIENTS as usize);
    for number in 0..CLIENTS {
        let mut client = std::process::Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "exchanges_until_it_is_killed", "--nocapture"])
            .env("CRAKE_TEST_SHM", path(&address))
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("a client");
        let mut said = BufReader::new(client.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("connected") {
            line.clear();
            assert!(said.read_line(&mut line).expect("a line") > 0, "the client ended");
        }
        thread::sleep(Duration::from_micros(number * 37));
        client.kill().expect("kill");
        client.wait().expect("wait");
    }
    // It ends when it has seen all of them end.
    let start = std::time::Instant::now();
    server.join().expect("the server");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// No test of its own: what the one above starts and kills.
#[test]
fn exchanges_until_it_is_killed() {
    let Some(path) = std::env::var_os("CRAKE_TEST_SHM") else {
        return;
    };
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let stream = runtime
            .connect(&Address::Shm(path.into()))
            .await
            .expect("connect");
        println!("connected");
        let bytes: Vec<u8> = (0..300_000u32).map(|at| at as u8).collect();
        for round in 0.. {
            exchange(&stream, &bytes[..1 << (round % 19)]).await;
        }
    });
}

#[test]
fn another_user_is_refused() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can become another user");
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(directory.path(), everyone).expect("permissions");
    let address = socket(&directory);
    let server = serve(address.clone(), Waiting::default(), 1);
    let everyone = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(path(&address), everyone).expect("permissions");
    let asked = address.clone();
    let refused = thread::spawn(move || {
        let nobody = rustix::process::Uid::from_raw(65534);
        // Of this thread alone.
        rustix::thread::set_thread_res_uid(nobody, nobody, nobody).expect("another user");
        let runtime = runtime(Waiting::default());
        runtime.block_on(async { runtime.connect(&asked).await.err() })
    });
    assert_eq!(refused.join().expect("a thread"), Some(Error::Denied));
    let runtime = runtime(Waiting::default());
    runtime.block_on(async {
        let stream = runtime.connect(&address).await.expect("connect");
        exchange(&stream, b"ours").await;
    });
    server.join().expect("the server ends");
}

#[test]
fn who_speaks_something_else_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = socket(&directory);
    let listener = std::os::unix::net::UnixListener::bind(path(&address)).expect("bind");
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("accept");
        socket.write_all(b"HTTP/1.1 400 Bad Request").expect("write");
    });
    let runtime = runtime(Waiting::default());
    let error = runtime.block_on(async { runtime.connect(&address).await.err() });
    assert!(matches!(error, Some(Error::Invalid(_))), "{error:?}");
    server.join().expect("the server");
}
