//! What calls and connections cost in memory, by a counting allocator.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crake_mem::Buf;
use crake_rpc::{
    Call, CallOptions, Client, ClientConfig, Peer, Place, Replies, Request, Server, ServerConfig, Service,
};
use support::*;

/// Counts what the system allocator is asked for.
struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every request is passed on to the system allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        LIVE_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Echoes, and receives payloads into one place, without allocating itself.
struct Plain {
    place: crake_mem::Extent,
}

impl Service for Plain {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            replies.send(request, &Bytes(request.message));
        }
    }

    fn place(&mut self, _: &Peer, _: &crake_rpc::Head, _: &[u8]) -> Place {
        Place::Into(self.place.clone())
    }
}

/// One test, because the counters are the process's: the harness must not run another beside it.
#[test]
fn calls_do_not_allocate_and_idle_connections_are_small() {
    for transport in ["local", "tcp", "unix"] {
        let count = allocations_of_calls(transport);
        println!("{transport}: {count} allocations in 128,000 calls");
        assert_eq!(count, 0, "over {transport}");
    }
    let bytes = bytes_of_a_connection();
    println!("{bytes} bytes of heap for both ends of an idle local connection");
    // Of these the datapath's streams are about 1,700, the client 950 and the server 1,100; a receive buffer would be 65,536.
    assert!(bytes < 4736, "{bytes} bytes");
}

fn allocations_of_calls(transport: &str) -> usize {
    let runtime = new_runtime();
    let directory = tempfile::tempdir().unwrap();
    let address = match transport {
        "local" => "local://memory".to_owned(),
        "tcp" => "tcp://127.0.0.1:0".to_owned(),
        _ => format!("unix://{}", directory.path().join("socket").display()),
    };
    let service = Rc::new(RefCell::new(Plain {
        place: extent(1 << 20),
    }));
    let server = Server::bind(
        &runtime,
        &address.parse().unwrap(),
        ServerConfig::default(),
        service,
    )
    .unwrap();
    runtime.block_on(async {
        let client = Client::connect(&runtime, server.local_address(), ClientConfig::default())
            .await
            .unwrap();
        let payload = Buf::from_vec(pattern(100_000));
        let mut calls = Vec::with_capacity(128);
        for _ in 0..50 {
            batch(&client, &mut calls, &payload).await;
        }
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..1000 {
            batch(&client, &mut calls, &payload).await;
        }
        ALLOCATIONS.load(Ordering::Relaxed) - before
    })
}

/// 127 small calls, and one with a payload that is received into its place.
async fn batch(client: &Client, calls: &mut Vec<Call>, payload: &Buf) {
    calls.extend((0..127).map(|_| client.call(1, &Bytes(&[7; 48]), CallOptions::new())));
    calls.push(client.call(1, &Bytes(&[7; 48]), CallOptions::new().payload(payload.clone())));
    for call in calls.drain(..) {
        call.await.unwrap();
    }
}

fn bytes_of_a_connection() -> usize {
    const CONNECTIONS: usize = 10_000;
    let runtime = new_runtime();
    let service = Rc::new(RefCell::new(Plain { place: extent(4096) }));
    let address = "local://idle".parse().unwrap();
    let server = Server::bind(&runtime, &address, ServerConfig::default(), service).unwrap();
    runtime.block_on(async {
        let mut clients = Vec::with_capacity(CONNECTIONS);
        // What the first costs is there once for all.
        clients.push(
            Client::connect(&runtime, &address, ClientConfig::default())
                .await
                .unwrap(),
        );
        let before = LIVE_BYTES.load(Ordering::Relaxed);
        while clients.len() < CONNECTIONS {
            clients.push(
                Client::connect(&runtime, &address, ClientConfig::default())
                    .await
                    .unwrap(),
            );
        }
        // The last connection's tasks have yet to begin.
        runtime.sleep(std::time::Duration::from_millis(5)).await;
        assert_eq!(server.connections(), CONNECTIONS);
        assert_eq!(runtime.pool().in_use(), 0, "an idle connection holds no buffer");
        let bytes = (LIVE_BYTES.load(Ordering::Relaxed) - before) / CONNECTIONS;
        // They still work.
        for client in clients.iter().step_by(1000) {
            client.call(1, &Bytes(b""), CallOptions::new()).await.unwrap();
        }
        bytes
    })
}
