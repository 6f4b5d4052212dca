//! The simulated network: what it promises, and each of its faults.

#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::sim::{Crash, Network, SimConfig};
use crake_datapath::{Address, Error, Runtime, Stream, Time};
use crake_mem::{Buf, Sga};

const SERVER: u32 = 1;
const CLIENT: u32 = 2;
const ADDRESS: Address = Address::Sim {
    node: SERVER,
    port: 7,
};

fn pattern(len_bytes: usize) -> Vec<u8> {
    (0..len_bytes).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// A node that sends back all it receives.
fn start_echo(runtime: &Runtime) {
    let listener = runtime.listen(&ADDRESS).unwrap();
    let spawner = runtime.clone();
    let accept = async move {
        while let Ok(stream) = listener.accept().await {
            spawner.spawn(echo(stream)).detach();
        }
    };
    runtime.spawn(accept).detach();
}

async fn echo(stream: Stream) -> Result<(), Error> {
    loop {
        let bytes = stream.pop().await?;
        if bytes.is_empty() {
            return stream.finish();
        }
        stream.push(Sga::from(bytes)).await?;
    }
}

/// Sends `bytes` and receives as many.
async fn exchange(stream: &Stream, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    let len_bytes = bytes.len();
    let push = stream.push(Sga::from(Buf::from_vec(bytes)));
    let mut received = Vec::new();
    while received.len() < len_bytes {
        let piece = stream.pop().await?;
        if piece.is_empty() {
            return Err(Error::Reset);
        }
        received.extend_from_slice(&piece);
    }
    push.await?;
    Ok(received)
}

/// What a task gave, once it has ended.
type Outcome<T> = Rc<RefCell<Option<T>>>;

/// Starts something on a node whose outcome is looked at later.
fn start<T: 'static>(runtime: &Runtime, future: impl Future<Output = T> + 'static) -> Outcome<T> {
    let outcome = Rc::new(RefCell::new(None));
    let slot = outcome.clone();
    let task = runtime.spawn(async move { *slot.borrow_mut() = Some(future.await) });
    task.detach();
    outcome
}

fn connect_and_exchange(client: &Runtime, len_bytes: usize) -> Outcome<Result<Vec<u8>, Error>> {
    let runtime = client.clone();
    start(client, async move {
        let stream = runtime.connect(&ADDRESS).await?;
        exchange(&stream, pattern(len_bytes)).await
    })
}

#[test]
fn bytes_arrive_whole_and_in_order_however_they_are_cut() {
    for seed in 0..50 {
        let config = SimConfig {
            cut_per_mille: 700,
            window_bytes: 4_096,
            ..SimConfig::default()
        };
        let network = Network::new(seed, config);
        start_echo(&network.runtime(SERVER));
        let outcome = connect_and_exchange(&network.runtime(CLIENT), 40_000);
        network.run();
        assert_eq!(outcome.take(), Some(Ok(pattern(40_000))), "seed {seed}");
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace = |seed| {
        let network = Network::new(seed, SimConfig::default());
        start_echo(&network.runtime(SERVER));
        let outcome = connect_and_exchange(&network.runtime(CLIENT), 10_000);
        network.run();
        assert!(outcome.take().unwrap().is_ok());
        (network.trace(), network.now())
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}

#[test]
fn nobody_listening_is_refused() {
    let network = Network::new(3, SimConfig::default());
    network.runtime(SERVER);
    let outcome = connect_and_exchange(&network.runtime(CLIENT), 1);
    network.run();
    assert_eq!(outcome.take(), Some(Err(Error::Refused)));
}

#[test]
fn a_second_listener_at_a_port_is_told_so() {
    let network = Network::new(3, SimConfig::default());
    let server = network.runtime(SERVER);
    let _first = server.listen(&ADDRESS).unwrap();
    assert_eq!(server.listen(&ADDRESS).err(), Some(Error::AddressInUse));
}

#[test]
fn a_partition_holds_bytes_until_it_heals() {
    let network = Network::new(4, SimConfig::default());
    start_echo(&network.runtime(SERVER));
    let client = network.runtime(CLIENT);
    network.partition(SERVER, CLIENT);
    let outcome = connect_and_exchange(&client, 1_000);
    network.run_until(Time(0) + Duration::from_secs(10));
    assert_eq!(*outcome.borrow(), None);
    network.heal(SERVER, CLIENT);
    network.run();
    assert_eq!(outcome.take(), Some(Ok(pattern(1_000))));
    assert!(network.now() >= Time(0) + Duration::from_secs(10));
}

/// A client that has exchanged something and then waits for more.
fn waiting_client(network: &Network) -> Outcome<Result<Buf, Error>> {
    let client = network.runtime(CLIENT);
    let runtime = client.clone();
    let outcome = start(&client, async move {
        let stream = runtime.connect(&ADDRESS).await?;
        exchange(&stream, pattern(100)).await?;
        stream.pop().await
    });
    network.run();
    assert_eq!(*outcome.borrow(), None, "it waits");
    outcome
}

#[test]
fn a_broken_connection_is_seen_by_who_waits() {
    let network = Network::new(5, SimConfig::default());
    start_echo(&network.runtime(SERVER));
    let outcome = waiting_client(&network);
    network.break_connections(CLIENT, SERVER);
    network.run();
    assert_eq!(outcome.take(), Some(Err(Error::Reset)));
}

#[test]
fn a_process_that_dies_resets_its_connections() {
    let network = Network::new(6, SimConfig::default());
    start_echo(&network.runtime(SERVER));
    let outcome = waiting_client(&network);
    network.crash(SERVER, Crash::Process);
    network.run();
    assert_eq!(outcome.take(), Some(Err(Error::Reset)));
}

#[test]
fn a_machine_that_dies_is_silent_until_it_is_sent_something_and_back() {
    let network = Network::new(7, SimConfig::default());
    start_echo(&network.runtime(SERVER));
    let client = network.runtime(CLIENT);
    let stream = Rc::new(RefCell::new(None));
    let (runtime, slot) = (client.clone(), stream.clone());
    let connected = start(&client, async move {
        *slot.borrow_mut() = Some(Rc::new(runtime.connect(&ADDRESS).await.unwrap()));
    });
    network.run();
    assert_eq!(connected.take(), Some(()));
    network.crash(SERVER, Crash::Machine);
    let stream: Rc<Stream> = stream.take().unwrap();
    let waiting = stream.clone();
    let outcome = start(&client, async move { waiting.pop().await });
    network.run();
    assert_eq!(*outcome.borrow(), None, "nothing tells of the death");
    start_echo(&network.runtime(SERVER));
    let push = stream.push(Sga::from(Buf::from_vec(pattern(10))));
    network.run();
    assert_eq!(outcome.take(), Some(Err(Error::Reset)));
    drop(push);
}

#[test]
fn a_slow_reader_holds_up_the_writer_and_no_more() {
    let config = SimConfig {
        window_bytes: 1_000,
        ..SimConfig::default()
    };
    let network = Network::new(8, config);
    let server = network.runtime(SERVER);
    let listener = server.listen(&ADDRESS).unwrap();
    let accepted = start(&server, async move { listener.accept().await });
    let client = network.runtime(CLIENT);
    let runtime = client.clone();
    let sent = start(&client, async move {
        let stream = runtime.connect(&ADDRESS).await?;
        stream.push(Sga::from(Buf::from_vec(pattern(1_500)))).await?;
        Ok::<Stream, Error>(stream)
    });
    network.run();
    assert!(sent.borrow().is_none(), "the window is full");
    let stream = accepted.take().unwrap().unwrap();
    let received = start(&server, async move {
        let mut bytes = Vec::new();
        while bytes.len() < 1_500 {
            bytes.extend_from_slice(&stream.pop().await.unwrap());
        }
        bytes
    });
    network.run();
    assert!(sent.take().unwrap().is_ok());
    assert_eq!(received.take(), Some(pattern(1_500)));
}

#[test]
fn the_wall_clock_steps_and_the_other_clock_does_not() {
    let network = Network::new(9, SimConfig::default());
    let runtime = network.runtime(SERVER);
    let (time, wall) = (network.now(), runtime.wall());
    network.step_wall_clock(SERVER, -3_600);
    assert_eq!(runtime.wall().0, wall.0 - 3_600_000_000_000);
    assert_eq!(network.now(), time);
}

#[test]
fn a_crash_drops_tasks_and_devices() {
    let network = Network::new(10, SimConfig::default());
    let server = network.runtime(SERVER);
    start_echo(&server);
    let _client = waiting_client(&network);
    network.crash(SERVER, Crash::Process);
    let usage = server.usage();
    assert_eq!(
        (usage.tasks, usage.operations, usage.buffers),
        (0, 0, 0),
        "{usage:?}"
    );
    start_echo(&network.runtime(SERVER));
}
