//! What requests and blocks cost in memory, by a counting allocator.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Fixture, MIB, TRANSPORTS, open_file};
use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_mem::{Buf, HugePages, Region, Sga};
use crake_rpc::{CallOptions, Client, ClientConfig, Peer, Replies, Request, Server, ServerConfig, Service};
use crake_server::mac::Signer;
use crake_server::{Datanode, DatanodeConfig, Memory};
use crake_store::Table;
use crake_store::protocol::Handle;
use crake_store::protocol::datanode::{ReadRequest, WriteRequest, datanode as datanode_method};
use crake_store::protocol::namenode::{
    GetRequest, HeartbeatReply, LookupRequest, PutRequest, RegisterReply, RegisterRequestView,
    namenode as method,
};
use crake_wire::Encode;
use zerocopy::{FromZeros, IntoBytes};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(size: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    LIVE_BYTES.fetch_add(size, Ordering::Relaxed);
}

// SAFETY: every request is passed on to the system allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// One test, because the counters are the process's: the harness must not run another beside it.
#[test]
fn requests_do_not_allocate_and_tables_of_blocks_are_small() {
    for transport in TRANSPORTS {
        requests_do_not_allocate(&Fixture::new(transport, 1));
    }
    tables_of_blocks_are_small();
}

const REQUESTS: usize = 2_000;

fn requests_do_not_allocate(cluster: &Fixture) {
    let namenode = cluster.client(&cluster.namenode_address(), 1);
    let datanode = cluster.datanode_client(0, 1);
    let file = cluster.run(open_file(&namenode, "/f", MIB));
    let handle = &file.handle[..];
    let store = cluster.store();
    let table = cluster.run(store.make_table("/t", false)).unwrap();
    let target = Region::anonymous(64 << 10, HugePages::Never).unwrap().extent(..);
    let payload = Buf::from_vec(vec![7; 64 << 10]);

    let lookup = LookupRequest {
        path: "f",
        blocks: true,
        base: 0,
    };
    let put = PutRequest {
        path: "t",
        key: b"key",
        value: &[1; 64],
        ..Default::default()
    };
    let get = GetRequest {
        path: "t",
        key: b"key",
        table: 0,
    };
    let read = ReadRequest {
        handle,
        offset: 0,
        length: 64 << 10,
    };
    let write = WriteRequest { handle, offset: 0 };
    let small = || CallOptions::new();
    let into = || CallOptions::new().into(target.clone());
    let with = |len: usize| CallOptions::new().payload(Sga::from(payload.slice(..len)));

    let name = |what: &str| format!("{what} over {:?}", cluster.transport);
    no_allocation(
        cluster,
        &name("lookup"),
        &namenode,
        method::LOOKUP,
        &lookup,
        small,
    );
    no_allocation(cluster, &name("put"), &namenode, method::PUT, &put, small);
    no_allocation(cluster, &name("get"), &namenode, method::GET, &get, small);
    let small_write = WriteRequest { handle, offset: 0 };
    no_allocation(
        cluster,
        &name("write of 100 B"),
        &datanode,
        datanode_method::WRITE,
        &small_write,
        || with(100),
    );
    // The first one fills the block; the others overwrite it, from pool memory.
    no_allocation(
        cluster,
        &name("write of 4 KiB"),
        &datanode,
        datanode_method::WRITE,
        &write,
        || with(4096),
    );
    cluster
        .run(datanode.call(datanode_method::WRITE, &write, with(64 << 10)))
        .unwrap();
    no_allocation(
        cluster,
        &name("read of 64 KiB"),
        &datanode,
        datanode_method::READ,
        &read,
        into,
    );
    writes_in_place_do_not_allocate(cluster, &namenode, &datanode, &payload);
    gets_of_a_store_do_not_allocate(cluster, &table);
}

fn no_allocation(
    cluster: &Fixture,
    what: &str,
    client: &Client,
    method: u16,
    message: &impl Encode,
    options: impl Fn() -> CallOptions,
) {
    let calls = |count: usize| {
        cluster.run(async {
            for _ in 0..count {
                client.call(method, message, options()).await.unwrap();
            }
        });
    };
    calls(200);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    calls(REQUESTS);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    // The wait itself, and a wheel or a table that grows once.
    eprintln!("{what}: {allocations} allocations in {REQUESTS}");
    assert!(
        allocations < REQUESTS / 50,
        "{what}: {allocations} allocations in {REQUESTS}"
    );
}

/// Of the namenode of this machine they are no requests after the first ones: what is kept of an answer is copied then.
fn gets_of_a_store_do_not_allocate(cluster: &Fixture, table: &Table) {
    cluster.run(table.put(b"key", &[5; 1024])).unwrap();
    let gets = |count: usize| {
        cluster.run(async {
            for _ in 0..count {
                let value = table.get(b"key").await.unwrap().unwrap();
                assert_eq!(value.data, [5; 1024]);
            }
        });
    };
    gets(200);
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    gets(REQUESTS);
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
    eprintln!(
        "gets of a store over {:?}: {allocations} allocations in {REQUESTS}",
        cluster.transport
    );
    assert!(
        allocations < REQUESTS / 50,
        "{allocations} allocations in {REQUESTS}"
    );
}

/// Each write goes to bytes that were not written before, so it is received in its place.
fn writes_in_place_do_not_allocate(cluster: &Fixture, namenode: &Client, datanode: &Client, payload: &Buf) {
    const LEN: usize = 16 << 10;
    let files = (0..8).map(|number| cluster.run(open_file(namenode, &format!("/in-place-{number}"), MIB)));
    let files = files.collect::<Vec<_>>();
    let write = |handle: &[u8], at: usize| {
        let write = WriteRequest {
            handle,
            offset: (at * LEN) as u32,
        };
        let options = CallOptions::new().payload(Sga::from(payload.slice(..LEN)));
        cluster
            .run(datanode.call(datanode_method::WRITE, &write, options))
            .unwrap();
    };
    let per_block = MIB as usize / LEN;
    (0..per_block).for_each(|at| write(&files[0].handle, at));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for file in &files[1..] {
        (0..per_block).for_each(|at| write(&file.handle, at));
    }
    let (allocations, writes) = (
        ALLOCATIONS.load(Ordering::Relaxed) - before,
        per_block * (files.len() - 1),
    );
    eprintln!(
        "writes in place over {:?}: {allocations} allocations in {writes}",
        cluster.transport
    );
    assert!(allocations < writes / 20, "{allocations} allocations in {writes}");
}

const SECRET: [u8; 16] = *b"not a secret at ";
const DATANODE: u32 = 1;

/// Registers a datanode and nothing else: so this test can make handles for all of its blocks.
#[derive(Default)]
struct FakeNamenode {
    incarnation: u64,
}

impl Service for FakeNamenode {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            if request.head.method == method::REGISTER {
                self.incarnation = RegisterRequestView::parse(request.message).unwrap().incarnation();
                let reply = RegisterReply {
                    datanode: DATANODE,
                    secret: &SECRET,
                    namenode: 1,
                    heartbeat_ms: 1000,
                    reset: false,
                };
                replies.send(request, &reply);
            } else {
                replies.send(request, &HeartbeatReply { known: true });
            }
        }
    }
}

/// A tier whose every unit is a block of its own, each with two ranges as long as the tables take them.
fn tables_of_blocks_are_small() {
    const TIER_BYTES: u64 = 256 << 20;
    const UNITS: u32 = (TIER_BYTES / Handle::UNIT_BYTES) as u32;
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let address = Address::Local("namenode".into());
    let namenode = Rc::new(RefCell::new(FakeNamenode::default()));
    let _server = Server::bind(&runtime, &address, ServerConfig::default(), namenode.clone()).unwrap();
    let before = LIVE_BYTES.load(Ordering::Relaxed);
    let config = DatanodeConfig {
        namenode: vec![address],
        listen: vec![Address::Local("datanode".into())],
        dram_bytes: TIER_BYTES,
        memory: Memory::OnDemand,
        ..DatanodeConfig::default()
    };
    let datanode = Datanode::start(&runtime, config).unwrap();
    runtime.block_on(datanode.registered());
    let client = runtime
        .block_on(Client::connect(
            &runtime,
            &datanode.listening()[0],
            ClientConfig::default(),
        ))
        .unwrap();
    let incarnation = namenode.borrow().incarnation;

    let mut refused = 0;
    for offset in [0, 2] {
        runtime.block_on(async {
            for batch in (0..UNITS).collect::<Vec<_>>().chunks(128) {
                let calls = batch.iter().map(|unit| {
                    let handle = handle(*unit, incarnation);
                    let write = WriteRequest {
                        handle: handle.as_bytes(),
                        offset,
                    };
                    client.call(
                        datanode_method::WRITE,
                        &write,
                        CallOptions::new().payload(Buf::from_static(b"x")),
                    )
                });
                for call in calls.collect::<Vec<_>>() {
                    refused += u32::from(call.await.is_err());
                }
            }
        });
    }
    assert_eq!(datanode.status().blocks, u64::from(UNITS));
    assert!(
        refused > 0 && refused < UNITS,
        "some fragments are kept, and not all"
    );
    let overhead = LIVE_BYTES.load(Ordering::Relaxed) - before;
    eprintln!(
        "{overhead} bytes of tables for a tier of {TIER_BYTES}: {:.2} %",
        overhead as f64 / TIER_BYTES as f64 * 100.0
    );
    // The promise is 1 % and 64 MiB; the fragments that even the smallest tier may have are a part of these.
    assert!((overhead as u64) < TIER_BYTES / 100 + 8 * MIB, "{overhead} bytes");
}

fn handle(unit: u32, incarnation: u64) -> Handle {
    let mut handle = Handle::new_zeroed();
    handle.incarnation.set(incarnation);
    handle.datanode.set(DATANODE);
    handle.unit.set(unit);
    handle.len_bytes.set(4096);
    handle.generation.set(1);
    handle.rights.set(Handle::READ | Handle::WRITE);
    Signer::new(&SECRET).sign(&mut handle);
    handle
}
