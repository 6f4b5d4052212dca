//! A million frames that make no sense, at live servers, while a good client goes on.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::raw::{REQUEST, Raw, header, request};
use common::{Fixture, Transport, open_file, pattern, read_file, write_file};
use crake_datapath::{Address, Runtime};
use crake_mem::{Buf, Sga};
use crake_store::Store;
use crake_store::protocol::datanode::{self, datanode as datanode_method};
use crake_store::protocol::namenode::{self, namenode as namenode_method};
use crake_wire::Encode;

/// Frames in all.
const FRAMES: u64 = 1_000_000;
/// Sent at once over one connection; below the credits that a server gives.
const BATCH: usize = 64;
const ATTACKERS: u64 = 4;
const SEED: u64 = 0x5eed_cafe;

/// xorshift64*: the same frames in each run.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, len_max: usize) -> Vec<u8> {
        let len = self.below(len_max + 1);
        (0..len).map(|_| self.next() as u8).collect()
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Requests that are well formed, to be spoiled: method, message, whether a payload belongs to it.
struct Seeds {
    namenode: Vec<(u16, Vec<u8>)>,
    datanode: Vec<(u16, Vec<u8>)>,
}

impl Seeds {
    fn new(handle: &[u8]) -> Seeds {
        let path = "attacked/some/file";
        let namenode = vec![
            (
                namenode_method::ECHO,
                namenode::EchoRequest { data: b"echo" }.encode_to_vec(),
            ),
            (
                namenode_method::LOOKUP,
                namenode::LookupRequest {
                    path,
                    blocks: true,
                    base: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::CREATE,
                namenode::CreateRequest {
                    path,
                    kind: namenode::Kind::File,
                    parents: true,
                    replace: true,
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::LIST,
                namenode::ListRequest {
                    path: "attacked",
                    prefix: b"s",
                    after: b"a",
                    limit: 3,
                    base: 0,
                    blocks: true,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::OPEN_TABLE,
                namenode::OpenTableRequest { path, base: 0 }.encode_to_vec(),
            ),
            (
                namenode_method::RENAME,
                namenode::RenameRequest {
                    from: path,
                    to: "attacked/b",
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::DELETE,
                namenode::DeleteRequest {
                    path: "attacked/b",
                    recursive: true,
                    base: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::APPEND,
                namenode::AppendRequest { path, base: 0 }.encode_to_vec(),
            ),
            (
                namenode_method::ALLOCATE,
                namenode::AllocateRequest {
                    node: 3,
                    lease: 1,
                    offset: 0,
                    want: 1 << 20,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::BLOCKS,
                namenode::BlocksRequest {
                    node: 3,
                    offset: 1,
                    limit: 64,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::PUBLISH,
                namenode::PublishRequest {
                    node: 3,
                    lease: 1,
                    size: 10,
                    seal: true,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::PUT,
                namenode::PutRequest {
                    path: "attacked/t",
                    key: b"key",
                    value: b"value",
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::PUT_COMMIT,
                namenode::PutCommitRequest {
                    pending: 1,
                    abort: true,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::GET,
                namenode::GetRequest {
                    path: "attacked/t",
                    key: b"key",
                    table: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::MULTI_GET,
                namenode::MultiGetRequest {
                    path: "attacked/t",
                    keys: &[b"a", b"b", b"c"],
                    table: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::REMOVE,
                namenode::RemoveRequest {
                    path: "attacked/t",
                    key: b"key",
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::SCAN,
                namenode::ScanRequest {
                    path: "attacked/t",
                    limit: 10,
                    from: b"a",
                    until: b"z",
                    reverse: true,
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::SEAL,
                namenode::SealRequest {
                    path: "attacked",
                    base: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::WATCH,
                namenode::WatchRequest {
                    path: "attacked",
                    base: 0,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::UNWATCH,
                namenode::UnwatchRequest { watch: 1 }.encode_to_vec(),
            ),
            (
                namenode_method::EVENTS,
                namenode::EventsRequest { watcher: 1, after: 1 }.encode_to_vec(),
            ),
            (
                namenode_method::ADD,
                namenode::AddRequest {
                    table: 0,
                    path: "attacked/t",
                    key: b"number",
                    delta: -7,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::MULTI_PUT,
                namenode::MultiPutRequest {
                    table: 0,
                    path: "attacked/t",
                    items: &[namenode::PutItem {
                        key: b"key",
                        value: b"value",
                        ..Default::default()
                    }; 3],
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::SET_TTL,
                namenode::SetTtlRequest {
                    base: 0,
                    path: "attacked/t",
                    key: b"key",
                    ttl_ms: 10,
                }
                .encode_to_vec(),
            ),
            (namenode_method::USAGE, namenode::UsageRequest {}.encode_to_vec()),
            (
                namenode_method::DATANODES,
                namenode::DatanodesRequest { ids: &[1, 2] }.encode_to_vec(),
            ),
            (
                namenode_method::ISSUED,
                namenode::IssuedRequest { datanode: 1, slot: 1 }.encode_to_vec(),
            ),
            (
                namenode_method::OWNERS,
                namenode::OwnersRequest {
                    of: namenode::Owners::Nodes,
                    from: u64::MAX,
                    block: u32::MAX,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::TIES,
                namenode::TiesRequest {
                    of: namenode::Ties::Links,
                    from: u32::MAX,
                    partition: 1,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::REMOVE_TIE,
                namenode::RemoveTieRequest {
                    of: namenode::Ties::Shards,
                    node: 1 << 32 | 1,
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::FREE_LEAKED,
                namenode::FreeLeakedRequest {
                    incarnation: 1,
                    slots: &[namenode::IssuedSlot {
                        datanode: 1,
                        epoch: 1,
                        slot: 0,
                        generation: 1,
                        block_bytes: 4096,
                        taken: &[u64::MAX; 4],
                    }; 3],
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::REGISTER,
                namenode::RegisterRequest {
                    name: "evil",
                    incarnation: 1,
                    capacity: 1 << 40,
                    ..Default::default()
                }
                .encode_to_vec(),
            ),
            (
                namenode_method::HEARTBEAT,
                namenode::HeartbeatRequest {
                    datanode: 1,
                    incarnation: 1,
                }
                .encode_to_vec(),
            ),
        ];
        let datanode = vec![
            (
                datanode_method::WRITE,
                datanode::WriteRequest { handle, offset: 100 }.encode_to_vec(),
            ),
            (
                datanode_method::READ,
                datanode::ReadRequest {
                    handle,
                    offset: 0,
                    length: 50,
                }
                .encode_to_vec(),
            ),
            (
                datanode_method::RESERVE,
                datanode::ReserveRequest {
                    handle,
                    offset: 200,
                    length: 50,
                    reservation: 1,
                }
                .encode_to_vec(),
            ),
            (
                datanode_method::LANDED,
                datanode::LandedRequest {
                    reservation: 1,
                    given_up: false,
                }
                .encode_to_vec(),
            ),
            (
                datanode_method::STATUS,
                datanode::StatusRequest {}.encode_to_vec(),
            ),
        ];
        Seeds { namenode, datanode }
    }

    fn of(&self, is_namenode: bool) -> &[(u16, Vec<u8>)] {
        if is_namenode {
            &self.namenode
        } else {
            &self.datanode
        }
    }
}

/// A frame that keeps the framing: header and lengths are right, what is in it is not. The server answers it.
fn framed(dice: &mut Dice, seeds: &[(u16, Vec<u8>)], id: u32) -> Vec<u8> {
    let (mut method, mut message) = seeds[dice.below(seeds.len())].clone();
    match dice.below(8) {
        0 => message = dice.bytes(200),
        1 => message.truncate(dice.below(message.len() + 1)),
        2 => message.extend(dice.bytes(64)),
        // Sizes, counts and offsets are words.
        3 | 4 if message.len() >= 8 => {
            let at = dice.below(message.len() / 4) * 4;
            let word = match dice.below(3) {
                0 => u32::MAX,
                1 => dice.next() as u32,
                _ => message.len() as u32 - dice.below(8) as u32,
            };
            message[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }
        _ => {
            for _ in 0..1 + dice.below(4) {
                if !message.is_empty() {
                    let at = dice.below(message.len());
                    message[at] ^= 1 << dice.below(8);
                }
            }
        }
    }
    if dice.one_in(16) {
        method = dice.next() as u16;
    }
    let payload = if dice.one_in(4) {
        dice.bytes(300)
    } else {
        Vec::new()
    };
    let mut frame = header(message.len(), payload.len(), id, method, REQUEST);
    frame.extend(message);
    frame.extend(payload);
    frame
}

/// Bytes whose framing is wrong: the server closes the connection, or waits for the rest of a frame that never comes.
fn unframed(dice: &mut Dice, seeds: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let (method, message) = &seeds[dice.below(seeds.len())];
    let mut frame = header(message.len(), 0, 1, *method, REQUEST);
    frame.extend(message);
    match dice.below(6) {
        0 => frame = dice.bytes(400),
        1 => frame[..4].copy_from_slice(&(dice.next() as u32).to_le_bytes()),
        2 => frame[4..8].copy_from_slice(&(dice.next() as u32).to_le_bytes()),
        // Anything but a goodbye, after which nobody waits for answers.
        3 => frame[14] = [0, 1, 2, 4, 5, 7, 200][dice.below(7)],
        4 => frame[15] = dice.next() as u8 | 1,
        _ => frame.truncate(dice.below(frame.len())),
    }
    frame
}

/// Where to attack, and what with.
struct Attack {
    runtime: Runtime,
    namenode: Vec<Address>,
    datanode: Vec<Address>,
    seeds: Seeds,
    thrown: Cell<u64>,
    answered: Cell<u64>,
}

impl Attack {
    async fn run(self: Rc<Attack>, seed: u64) {
        let mut dice = Dice(seed | 1);
        while self.thrown.get() < FRAMES {
            let is_namenode = dice.one_in(2);
            let addresses = if is_namenode {
                &self.namenode
            } else {
                &self.datanode
            };
            let address = &addresses[dice.below(addresses.len())];
            if dice.one_in(3) && !matches!(address, Address::Tcp(_)) {
                self.break_framing(&mut dice, address, is_namenode).await;
            } else {
                self.keep_framing(&mut dice, address, is_namenode).await;
            }
        }
    }

    /// Many batches over one connection. Each frame is answered, and the connection stays.
    async fn keep_framing(&self, dice: &mut Dice, address: &Address, is_namenode: bool) {
        let mut raw = Raw::connect(&self.runtime, address, u128::from(dice.next())).await;
        for _ in 0..4 {
            let seeds = self.seeds.of(is_namenode);
            let frames = (0..BATCH).flat_map(|id| framed(dice, seeds, id as u32)).collect();
            raw.send(frames).await.unwrap();
            let mut answered = [false; BATCH];
            for _ in 0..BATCH {
                let answer = raw.answer().await.expect("a frame that is whole is answered");
                assert!(
                    !std::mem::replace(&mut answered[answer.id as usize], true),
                    "answered twice"
                );
            }
            self.thrown.set(self.thrown.get() + BATCH as u64);
            self.answered.set(self.answered.get() + BATCH as u64);
        }
    }

    /// One piece of nonsense per connection: before the handshake, or after some good frames.
    async fn break_framing(&self, dice: &mut Dice, address: &Address, is_namenode: bool) {
        let seeds = self.seeds.of(is_namenode);
        for _ in 0..64 {
            self.thrown.set(self.thrown.get() + 1);
            if dice.one_in(4) {
                let stream = self.runtime.connect(address).await.unwrap();
                let mut bytes = common::raw::hello(1, 9);
                let at = dice.below(bytes.len());
                match dice.below(3) {
                    0 => bytes = dice.bytes(100),
                    1 => bytes[at] ^= 1 << dice.below(8),
                    _ => bytes.truncate(at),
                }
                let _ = stream.push(Sga::from(Buf::from_vec(bytes))).await;
            } else {
                let mut raw = Raw::connect(&self.runtime, address, u128::from(dice.next())).await;
                let mut bytes = request(7, namenode_method::ECHO, &namenode::EchoRequest { data: b"x" }, 0);
                bytes.extend(unframed(dice, seeds));
                if raw.send(bytes).await.is_ok() {
                    let answer = raw.answer().await.expect("the good frame in front is answered");
                    assert_eq!(answer.id, 7);
                }
            }
        }
    }
}

/// Does what clients do until told to stop; every result is checked. Gives the number of rounds.
async fn good_client(runtime: Runtime, address: Address, stop: Rc<Cell<bool>>) -> u64 {
    let store = Store::attach(&runtime, &address).await.unwrap();
    store.make_dir("/good", true).await.unwrap();
    let table = store.make_table("/good/table", false).await.unwrap();
    let mut rounds = 0;
    while !stop.get() {
        let bytes = pattern(1 + (rounds as usize * 977) % 100_000, rounds);
        write_file(&store, "/good/file", &bytes).await.unwrap();
        assert!(
            read_file(&store, "/good/file").await.unwrap() == bytes,
            "round {rounds}"
        );
        table.put(b"key", &bytes[..bytes.len().min(500)]).await.unwrap();
        let value = table.get(b"key").await.unwrap().unwrap();
        assert!(value[..] == bytes[..bytes.len().min(500)]);
        let page = store.list_page("/good", "", "", 10).await.unwrap();
        assert_eq!(page.entries.len(), 2);
        store.delete("/good/file", false).await.unwrap();
        rounds += 1;
    }
    rounds
}

#[test]
fn malformed_frames_harm_nobody() {
    let dir = tempfile::TempDir::new().unwrap();
    let everywhere = |name: &str| {
        vec![
            Address::Local(format!("malformed-{name}")),
            Address::Unix(dir.path().join(name)),
            "tcp://127.0.0.1:0".parse().unwrap(),
        ]
    };
    let mut cluster = Fixture::with(Transport::Local, 0, |namenode, _| {
        namenode.listen = everywhere("namenode")
    });
    let config = crake_server::DatanodeConfig {
        namenode: vec![cluster.namenode_address()],
        listen: everywhere("datanode"),
        name: "attacked".into(),
        // Attackers take blocks, and keep them until their leases end: what is left must do for the good client on a slow machine, too.
        dram_bytes: 1024 * common::MIB,
        ..cluster.datanode_config.clone()
    };
    cluster
        .datanodes
        .push(crake_server::Datanode::start(&cluster.runtime, config).unwrap());
    cluster.await_registrations();
    let namenode = cluster.namenode.as_ref().unwrap().listening();
    let victim = cluster.client(&namenode[0], 1);
    let file = cluster.run(open_file(&victim, "/victim", 4096));
    let attack = Rc::new(Attack {
        runtime: cluster.runtime.clone(),
        namenode: namenode.clone(),
        datanode: cluster.datanodes[0].listening(),
        seeds: Seeds::new(&file.handle),
        thrown: Cell::new(0),
        answered: Cell::new(0),
    });

    let started = Instant::now();
    let stop = Rc::new(Cell::new(false));
    let good = cluster.runtime.spawn(good_client(
        cluster.runtime.clone(),
        namenode[2].clone(),
        stop.clone(),
    ));
    let attackers: Vec<_> = (0..ATTACKERS)
        .map(|number| cluster.runtime.spawn(attack.clone().run(SEED + (number << 32))))
        .collect();
    cluster.within(Duration::from_secs(300), async {
        for attacker in attackers {
            attacker.await;
        }
        stop.set(true);
    });
    let rounds = cluster.run(good);
    let (thrown, answered) = (attack.thrown.get(), attack.answered.get());
    eprintln!(
        "{thrown} frames thrown ({answered} in good framing), {rounds} rounds of a good client, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(thrown >= FRAMES && answered > thrown / 2);
    assert!(rounds > 20, "the good client got on: {rounds} rounds");
    cluster.until("all attackers are gone", || {
        cluster.datanodes[0].status().under_way == 0
    });
    cluster.check();
    assert_eq!(
        cluster.namenode.as_ref().unwrap().status().datanodes,
        1,
        "nobody registered who is none"
    );
    cluster.until("their buffers are back", || cluster.runtime.usage().buffers < 64);
}

/// The namenode compares paths as bytes, and must still tell what is no path from what is not there.
#[test]
fn reads_that_cannot_be_read_are_told_so_among_those_that_can() {
    let cluster = Fixture::with(Transport::Local, 0, |_, _| {});
    let address = cluster.namenode_address();
    let lookup = |path| namenode::LookupRequest {
        path,
        ..Default::default()
    };
    let with_id = |id: u32, message: &[u8], method: u16| {
        let mut frame = header(message.len(), 0, id, method, REQUEST);
        frame.extend(message);
        frame
    };
    let spoiled = |message: Vec<u8>| -> Vec<u8> {
        let spoil = |byte| if byte == b'?' { 0xff } else { byte };
        message.into_iter().map(spoil).collect()
    };
    let get = namenode::GetRequest {
        path: "t?",
        key: b"key",
        ..Default::default()
    };
    let bad_request = crake_rpc::Status::BAD_REQUEST.0;
    let not_found = crake_store::protocol::Code::NotFound.number();
    let expected = [0, bad_request, not_found, bad_request, bad_request, 0];
    let frames = [
        with_id(0, &lookup("").encode_to_vec(), namenode_method::LOOKUP),
        with_id(
            1,
            &spoiled(lookup("d/?").encode_to_vec()),
            namenode_method::LOOKUP,
        ),
        with_id(2, &lookup("d/f").encode_to_vec(), namenode_method::LOOKUP),
        with_id(3, &spoiled(get.encode_to_vec()), namenode_method::GET),
        with_id(4, &[0xff; 8], namenode_method::LOOKUP),
        with_id(5, &lookup("/").encode_to_vec(), namenode_method::LOOKUP),
    ];
    let statuses = cluster.run(async {
        let mut raw = Raw::connect(&cluster.runtime, &address, 7).await;
        raw.send(frames.concat()).await.unwrap();
        let mut statuses = [u16::MAX; 6];
        for _ in 0..expected.len() {
            let answer = raw.answer().await.unwrap();
            statuses[answer.id as usize] = answer.status;
        }
        statuses
    });
    assert_eq!(statuses, expected);
}
