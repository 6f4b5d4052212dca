//! What happens at the limit of descriptors, which is the whole process's: one test, in parts. The other ends
//! of the idle streams are held by a second process, this test again.

use std::cell::Cell;
use std::io::Read;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crake_datapath::{Address, Error, Runtime, RuntimeConfig, Shared, Stream, Waiting};
use crake_mem::{Buf, HugePages, Region, Sga};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

const IDLE: usize = 10_000;

/// Set for the process that holds the idle streams' other ends: where to connect.
const HOLDER: &str = "CRAKE_TEST_HOLD_STREAMS_AT";

#[test]
fn many_streams_and_too_many() {
    if let Ok(address) = std::env::var(HOLDER) {
        return hold_streams(&address);
    }
    out_of_descriptors_streams_wait_to_be_accepted();
    too_few_descriptors_for_shared_memory_are_an_error();
    idle_streams_cost_an_active_one_little();
}

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig {
        waiting: Waiting::default(),
        ..RuntimeConfig::default()
    })
    .expect("a runtime")
}

fn limit_descriptors(current: u64) -> bool {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let raised = maximum.map(|maximum| maximum.max(current));
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(current),
            maximum: raised,
        },
    )
    .is_ok()
}

fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// With no descriptor left, accepting rests instead of spinning, and goes on when there is one.
fn out_of_descriptors_streams_wait_to_be_accepted() {
    let runtime = runtime();
    let listener = runtime
        .listen(&"tcp://127.0.0.1:0".parse().expect("address"))
        .expect("listen");
    let address = listener.local_address().expect("address");
    let near = runtime.wait(runtime.connect(&address), None).expect("connect");
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    assert!(limit_descriptors(3));
    let start = cpu_time();
    let mut accept = listener.accept();
    runtime.block_on(runtime.sleep(Duration::from_millis(300)));
    let used = cpu_time() - start;
    assert!(accept.try_wait().is_none(), "accepted without a descriptor");
    assert!(used < Duration::from_millis(60), "{used:?} of 300 ms: it spins");
    assert!(limit_descriptors(before));
    runtime
        .wait(accept, None)
        .expect("accepted once there are descriptors");
    drop(near);
}

/// Each side needs a socket, the server a file for the pipes, and the client gets that and one for each region: whatever fits of them,
/// nothing is left of what does not work.
fn too_few_descriptors_for_shared_memory_are_an_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let address = Address::Shm(directory.path().join("shm"));
    let runtime = runtime();
    let listener = runtime.listen(&address).expect("listen");
    let shared = ["one", "two"].map(|name| Region::memfd(name, 4096, HugePages::Never).expect("memory"));
    shared
        .iter()
        .for_each(|region| region.close_file().expect("sealed"));
    assert!(listener.share(&shared.map(|region| Shared::to_read(&region))));
    let serving = runtime.spawn(async move {
        while let Ok(stream) = listener.accept().await {
            let _ = stream.pop().await;
        }
    });
    let before = getrlimit(Resource::Nofile).current.expect("a limit");
    let open = open_descriptors();
    let mut outcomes = Vec::new();
    for spare in 0..8 {
        assert!(limit_descriptors(lowest_free_descriptor() + spare));
        let deadline = runtime.now_exact() + Duration::from_millis(100);
        let connected = runtime.block_on(runtime.timeout(deadline, runtime.connect(&address)));
        outcomes.push(match connected {
            Ok(Ok(stream)) => Ok(stream.memory().is_some()),
            Ok(Err(error)) => Err(error),
            // Nobody could accept.
            Err(_) => Err(Error::TimedOut),
        });
        assert!(limit_descriptors(before));
        runtime.block_on(runtime.sleep(Duration::from_millis(20)));
        assert_eq!(
            open_descriptors(),
            open,
            "{spare} spare descriptors: {outcomes:?}"
        );
    }
    assert!(
        outcomes
            .iter()
            .all(|outcome| matches!(outcome, Ok(true) | Err(Error::Exhausted | Error::TimedOut))),
        "{outcomes:?}"
    );
    assert!(
        outcomes[3..6]
            .iter()
            .all(|outcome| *outcome == Err(Error::Exhausted)),
        "{outcomes:?}"
    );
    assert_eq!(outcomes[7], Ok(true), "{outcomes:?}");
    drop(serving);
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("/proc").count()
}

fn lowest_free_descriptor() -> u64 {
    let free = std::fs::File::open("/dev/null").expect("a descriptor");
    std::os::fd::AsRawFd::as_raw_fd(&free) as u64
}

/// Holds them until its input ends.
fn hold_streams(address: &str) {
    assert!(limit_descriptors(IDLE as u64 + 100));
    let streams: Vec<TcpStream> = (0..IDLE)
        .map(|_| TcpStream::connect(address).expect("connect"))
        .collect();
    std::io::stdin().read_to_end(&mut Vec::new()).expect("input");
    drop(streams);
}

fn start_holder(address: &Address) -> Child {
    let address = address.to_string();
    Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "many_streams_and_too_many", "--nocapture"])
        .env(HOLDER, address.trim_start_matches("tcp://"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a second process")
}

fn idle_streams_cost_an_active_one_little() {
    if !limit_descriptors(IDLE as u64 + 2500) {
        eprintln!("SKIPPED: {IDLE} idle streams need as many descriptors, and the hard limit forbids");
        return;
    }
    let runtime = runtime();
    let listener = runtime
        .listen(&"tcp://127.0.0.1:0".parse().expect("address"))
        .expect("listen");
    let address = listener.local_address().expect("address");
    let accepted = Rc::new(Cell::new(0));
    runtime
        .spawn(accept_and_echo(runtime.clone(), listener, accepted.clone()))
        .detach();
    let active = connect(&runtime, &address);
    let alone = round_trip(&runtime, &active);

    let mut holder = start_holder(&address);
    let start = Instant::now();
    while accepted.get() < IDLE + 1 {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "{} accepted",
            accepted.get()
        );
        runtime.block_on(runtime.sleep(Duration::from_millis(1)));
    }
    assert_eq!(runtime.usage().buffers, 0, "idle streams hold buffers");
    let crowded = round_trip(&runtime, &active);
    println!("round trip within one thread: {alone:?} alone, {crowded:?} beside {IDLE} idle streams");
    assert!(
        crowded < alone * 2,
        "{crowded:?} beside {IDLE} idle streams, {alone:?} alone"
    );

    let streams: Vec<Stream> = (0..500).map(|_| connect(&runtime, &address)).collect();
    for stream in &streams {
        runtime
            .wait(stream.push(Sga::from(Buf::from_static(b"x"))), None)
            .expect("push");
        assert_eq!(runtime.wait(stream.pop(), None).expect("pop").len(), 1);
    }
    let cooled = round_trip(&runtime, &active);
    println!("{cooled:?} after 500 others were active once");
    assert!(
        cooled < alone * 2,
        "{cooled:?} after others were active, {alone:?} alone"
    );
    assert_eq!(runtime.usage().buffers, 0);

    drop((streams, active, holder.stdin.take()));
    assert!(holder.wait().expect("it ends").success());
    while runtime.usage().tasks > 1 {
        assert!(
            start.elapsed() < Duration::from_secs(120),
            "{:?}",
            runtime.usage()
        );
        runtime.block_on(runtime.sleep(Duration::from_millis(1)));
    }
    runtime.shutdown();
    assert_eq!(runtime.usage(), Default::default());
}

fn connect(runtime: &Runtime, address: &Address) -> Stream {
    runtime.wait(runtime.connect(address), None).expect("connect")
}

async fn accept_and_echo(runtime: Runtime, listener: crake_datapath::Listener, accepted: Rc<Cell<usize>>) {
    loop {
        let stream = listener.accept().await.expect("accept");
        accepted.set(accepted.get() + 1);
        runtime
            .spawn(async move {
                while let Ok(bytes) = stream.pop().await
                    && !bytes.is_empty()
                {
                    stream.push(Sga::from(bytes)).await.expect("push");
                }
            })
            .detach();
    }
}

/// The median of many.
fn round_trip(runtime: &Runtime, stream: &Stream) -> Duration {
    let mut times: Vec<Duration> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            runtime
                .wait(stream.push(Sga::from(Buf::from_static(b"ping"))), None)
                .expect("push");
            runtime.wait(stream.pop(), None).expect("pop");
            start.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}
