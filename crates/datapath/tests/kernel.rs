//! The suite for sockets of the kernel, and what only they do.

use std::future::Future;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use crake_datapath::{Address, Error, Runtime, RuntimeConfig, Waiting};
use crake_mem::{Buf, Sga};

#[macro_use]
mod conformance;

/// Both ends in one runtime.
struct Kernel {
    runtime: Runtime,
    family: Family,
    directory: tempfile::TempDir,
    names: std::cell::Cell<u32>,
}

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
    Unix,
}

impl Kernel {
    fn new(config: RuntimeConfig, family: Family) -> Kernel {
        Kernel {
            runtime: Runtime::new(config).expect("a runtime"),
            family,
            directory: tempfile::tempdir().expect("a directory"),
            names: Default::default(),
        }
    }
}

impl conformance::World for Kernel {
    fn client(&self) -> &Runtime {
        &self.runtime
    }

    fn server(&self) -> &Runtime {
        &self.runtime
    }

    fn address(&self) -> Address {
        self.names.set(self.names.get() + 1);
        match self.family {
            Family::V4 => Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
            Family::V6 => Address::Tcp(SocketAddr::from((Ipv6Addr::LOCALHOST, 0))),
            Family::Unix => Address::Unix(self.directory.path().join(self.names.get().to_string())),
        }
    }

    fn run<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> T {
        self.runtime.block_on(future)
    }
}

mod tcp_v4 {
    conformance!(|config| crate::Kernel::new(config, crate::Family::V4));
}

mod tcp_v6 {
    conformance!(|config| crate::Kernel::new(config, crate::Family::V6));
}

mod unix {
    conformance!(|config| crate::Kernel::new(config, crate::Family::Unix));
}

fn runtime(waiting: Waiting) -> Runtime {
    Runtime::new(RuntimeConfig {
        waiting,
        ..RuntimeConfig::default()
    })
    .expect("a runtime")
}

const POLICIES: [Waiting; 3] = [
    Waiting::Adaptive {
        spin: Duration::from_micros(50),
    },
    Waiting::Busy,
    Waiting::Sleep,
];

/// A future that another thread completes.
#[derive(Clone, Default)]
struct Signal(Arc<Mutex<(bool, Option<Waker>)>>);

impl Signal {
    fn set(&self) {
        let waker = {
            let mut state = self.0.lock().expect("no panic");
            state.0 = true;
            state.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Future for Signal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.lock().expect("no panic");
        if state.0 {
            return Poll::Ready(());
        }
        state.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

#[test]
fn another_thread_wakes_tasks_and_the_main_future() {
    for waiting in POLICIES {
        let runtime = runtime(waiting);
        for rest in [Duration::ZERO, Duration::from_millis(5)] {
            let (for_task, for_main) = (Signal::default(), Signal::default());
            let task = runtime.spawn(for_task.clone());
            let thread = thread::spawn({
                let for_main = for_main.clone();
                move || {
                    thread::sleep(rest);
                    for_task.set();
                    thread::sleep(rest);
                    for_main.set();
                }
            });
            runtime.block_on(async move {
                task.await;
                for_main.await;
            });
            thread.join().expect("no panic");
        }
    }
}

/// Many wakes from several threads while the owner goes to sleep and wakes up: none is lost.
#[test]
fn no_wake_of_another_thread_is_lost() {
    let runtime = runtime(Waiting::Sleep);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let signals: Vec<Signal> = (0..500).map(|_| Signal::default()).collect();
            let tasks: Vec<_> = signals
                .iter()
                .map(|signal| runtime.spawn(signal.clone()))
                .collect();
            let thread = thread::spawn(move || {
                for signal in signals {
                    signal.set();
                    std::hint::spin_loop();
                }
            });
            (thread, tasks)
        })
        .collect();
    for (thread, tasks) in threads {
        runtime.block_on(async {
            for task in tasks {
                task.await;
            }
        });
        thread.join().expect("no panic");
    }
}

#[test]
fn remote_ends_a_sleep() {
    let runtime = runtime(Waiting::Sleep);
    runtime.turn();
    let remote = runtime.remote();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        remote.wake();
    });
    // Without the wake this would be for ever.
    runtime.idle();
    assert!(runtime.turn());
    thread.join().expect("no panic");
}

/// A waker that outlives its runtime, on another thread, neither runs nor drops the future there.
#[test]
fn wakers_outlive_their_runtime() {
    let runtime = runtime(Waiting::Sleep);
    let signal = Signal::default();
    let not_send = std::rc::Rc::new(());
    let alive = std::rc::Rc::downgrade(&not_send);
    let task = runtime.spawn({
        let signal = signal.clone();
        async move {
            signal.await;
            drop(not_send);
        }
    });
    runtime.turn();
    task.detach();
    drop(runtime);
    assert!(alive.upgrade().is_none(), "the runtime drops its tasks");
    thread::spawn(move || signal.set()).join().expect("no panic");
}

#[test]
fn blocks_within_a_task() {
    let runtime = runtime(Waiting::default());
    let (outer, inner) = (runtime.clone(), runtime.clone());
    let listener = runtime
        .listen(&"tcp://127.0.0.1:0".parse().expect("address"))
        .expect("listen");
    let address = listener.local_address().expect("address");
    let accept = runtime.spawn(async move {
        let stream = listener.accept().await.expect("accept");
        stream
            .push(Sga::from(Buf::from_static(b"x")))
            .await
            .expect("push");
        stream
    });
    let task = runtime.spawn(async move {
        let stream = inner.wait(inner.connect(&address), None).expect("connect");
        inner.block_on(async { inner.sleep(Duration::from_millis(1)).await });
        inner.wait(stream.pop(), None).expect("pop").len()
    });
    assert_eq!(outer.block_on(task), 1);
    drop(runtime.block_on(accept));
}

#[test]
fn waits_for_any_and_for_all() {
    let runtime = runtime(Waiting::Sleep);
    let listener = runtime
        .listen(&"local://here".parse().expect("address"))
        .expect("listen");
    let connect = || {
        let near = runtime.connect(&"local://here".parse().expect("address"));
        let far = runtime.wait(listener.accept(), None).expect("accept");
        (runtime.wait(near, None).expect("connect"), far)
    };
    let (first, second) = (connect(), connect());
    let mut pops = vec![first.1.pop(), second.1.pop()];
    let soon = || Some(runtime.now_exact() + Duration::from_millis(2));
    assert!(runtime.wait_any(&mut pops, soon()).is_none());
    runtime
        .wait(second.0.push(Sga::from(Buf::from_static(b"2"))), None)
        .expect("push");
    let (index, result) = runtime.wait_any(&mut pops, soon()).expect("in time");
    assert_eq!((index, &result.expect("pop")[..]), (1, &b"2"[..]));
    pops.pop();
    runtime
        .wait(first.0.push(Sga::from(Buf::from_static(b"1"))), None)
        .expect("push");
    pops.push(second.1.pop());
    let results = runtime.wait_all(pops, soon());
    assert_eq!(&results[0].as_ref().expect("pop")[..], b"1");
    assert_eq!(results[1].as_ref().err(), Some(&Error::TimedOut));
    assert_eq!(runtime.wait(first.1.pop(), soon()).err(), Some(Error::TimedOut));
}

/// Two threads, each policy: what one round trip needs is there without the other's help.
#[test]
fn policies_wait_for_what_comes() {
    for waiting in POLICIES {
        let (send, receive) = std::sync::mpsc::channel();
        let server = thread::spawn(move || {
            let runtime = runtime(waiting);
            let listener = runtime
                .listen(&"tcp://[::1]:0".parse().expect("address"))
                .expect("listen");
            send.send(listener.local_address().expect("address"))
                .expect("the client waits");
            let stream = runtime.wait(listener.accept(), None).expect("accept");
            loop {
                let bytes = runtime.wait(stream.pop(), None).expect("pop");
                if bytes.is_empty() {
                    return;
                }
                runtime.wait(stream.push(Sga::from(bytes)), None).expect("push");
            }
        });
        let address = receive.recv().expect("the server listens");
        let runtime = runtime(waiting);
        let stream = runtime.wait(runtime.connect(&address), None).expect("connect");
        for round in 0..50u8 {
            // Long enough for the other side to fall asleep now and then.
            thread::sleep(Duration::from_micros(u64::from(round % 4) * 100));
            runtime
                .wait(stream.push(Sga::from(Buf::from_vec(vec![round]))), None)
                .expect("push");
            assert_eq!(runtime.wait(stream.pop(), None).expect("pop")[..], [round]);
        }
        drop(stream);
        server.join().expect("no panic");
    }
}

#[test]
fn an_idle_adaptive_runtime_leaves_the_core_alone() {
    let runtime = runtime(Waiting::default());
    let listener = runtime
        .listen(&"tcp://127.0.0.1:0".parse().expect("address"))
        .expect("listen");
    let address = listener.local_address().expect("address");
    let near = runtime.connect(&address);
    let far = runtime.wait(listener.accept(), None).expect("accept");
    let near = runtime.wait(near, None).expect("connect");
    // The stream was active, and somebody waits for more.
    runtime
        .wait(near.push(Sga::from(Buf::from_static(b"x"))), None)
        .expect("push");
    runtime.wait(far.pop(), None).expect("pop");
    let waiting = (near.pop(), far.pop(), listener.accept());
    let cpu_time = || {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    };
    let before = cpu_time();
    runtime.block_on(runtime.sleep(Duration::from_secs(2)));
    let used = cpu_time() - before;
    assert!(used < Duration::from_millis(20), "{used:?} of two seconds");
    drop(waiting);
}

#[test]
fn a_unix_socket_knows_the_process_of_its_peer() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = runtime(Waiting::default());
    let listener = runtime
        .listen(&Address::Unix(directory.path().join("s")))
        .expect("listen");
    let near = runtime.connect(&listener.local_address().expect("address"));
    let far = runtime.wait(listener.accept(), None).expect("accept");
    let near = runtime.wait(near, None).expect("connect");
    for end in [&near, &far] {
        let process = end.peer_process().expect("known");
        assert_eq!(process.pid, std::process::id() as i32);
        assert_eq!(process.uid, rustix::process::getuid().as_raw());
    }
}

#[test]
fn the_file_of_a_unix_socket_comes_and_goes() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("socket");
    let address = Address::Unix(path.clone());
    let runtime = runtime(Waiting::default());
    let listener = runtime.listen(&address).expect("listen");
    assert!(path.exists());
    drop(listener);
    assert!(!path.exists(), "removed with the listener");

    // What a killed server leaves: a socket's file where nobody answers.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("bind"));
    assert!(path.exists());
    let listener = runtime.listen(&address).expect("a stale one is replaced");
    assert_eq!(runtime.listen(&address).err(), Some(Error::AddressInUse));
    drop(listener);

    std::fs::write(&path, "precious").expect("write");
    assert_eq!(runtime.listen(&address).err(), Some(Error::AddressInUse));
    assert_eq!(std::fs::read(&path).expect("read"), b"precious");

    // One listener's end does not remove the file of its successor.
    std::fs::remove_file(&path).expect("remove");
    let old = runtime.listen(&address).expect("listen");
    std::fs::remove_file(&path).expect("remove");
    let new = runtime.listen(&address).expect("listen");
    drop(old);
    assert!(path.exists());
    drop(new);
}

#[test]
fn impossible_addresses_are_refused() {
    let runtime = runtime(Waiting::default());
    let long = Address::Unix(format!("/tmp/{}", "x".repeat(120)).into());
    for address in [long, Address::Sim { node: 1, port: 1 }] {
        assert!(matches!(runtime.listen(&address), Err(Error::Invalid(_))));
        assert!(matches!(
            runtime.wait(runtime.connect(&address), None),
            Err(Error::Invalid(_))
        ));
    }
    let missing = Address::Unix("/nowhere/at/all".into());
    assert!(matches!(runtime.listen(&missing), Err(Error::Invalid(_))));
    assert_eq!(
        runtime.wait(runtime.connect(&missing), None).err(),
        Some(Error::Refused)
    );
    let foreign: Address = "tcp://203.0.113.1:1".parse().expect("address");
    assert_eq!(runtime.listen(&foreign).err(), Some(Error::Unreachable));
    assert_eq!(runtime.usage(), Default::default());
}

/// A full backlog of a Unix socket has no event when it drains: connecting is tried again.
#[test]
fn connects_when_a_full_backlog_drains() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = runtime(Waiting::default());
    let path = directory.path().join("s");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("bind");
    rustix::net::listen(&listener, 1).expect("a backlog of one");
    let address = Address::Unix(path);
    let connects: Vec<_> = (0..6).map(|_| runtime.connect(&address)).collect();
    assert!(
        connects.iter().any(|connect| !connect.is_done()),
        "the backlog has room for all"
    );
    let accepts = thread::spawn(move || {
        (0..6)
            .map(|_| listener.accept().expect("accept").0)
            .collect::<Vec<_>>()
    });
    for connect in connects {
        runtime.wait(connect, None).expect("connect");
    }
    accepts.join().expect("no panic");
}

/// Deadlines are counted from `now`, also by callers that turn the runtime only now and then.
#[test]
fn now_is_fresh_wherever_it_is_asked() {
    let runtime = runtime(Waiting::default());
    runtime.turn();
    let rest = Duration::from_millis(10);
    for _ in 0..2 {
        let before = runtime.now();
        thread::sleep(rest);
        assert!(runtime.now() - before >= rest, "outside");
        thread::sleep(rest);
        let (start, inside) = (runtime.now_exact(), runtime.block_on(async { runtime.now() }));
        assert!(inside >= start, "at the start of block_on");
    }
    let start = runtime.now_exact();
    let (waker, signal) = (Signal::default(), Signal::default());
    let thread = thread::spawn({
        let (waker, signal) = (waker.clone(), signal.clone());
        move || {
            thread::sleep(rest);
            waker.set();
            signal.set();
        }
    });
    let woken = runtime.block_on(async {
        waker.await;
        runtime.now()
    });
    assert!(woken - start >= rest, "after a sleep");
    thread.join().expect("no panic");
}
