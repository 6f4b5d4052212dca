//! What a partition is told to free of what has leaked, and what comes of its answers.

#![allow(
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in functions marked as tests"
)]

use std::cell::RefCell;
use std::rc::Rc;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_rpc::{Head, Peer, Place, Replies, Request, Server, ServerConfig, Service, Status};
use crake_store::protocol::Code;
use crake_store::protocol::namenode::{self, namenode as method};
use crake_store::{ConnectOptions, Error, FreedBlocks, Store};

const INCARNATION: u64 = 9;
/// Two blocks of each slot are given out. The lower one has an owner.
const TAKEN: [u64; 4] = [0b11, 0, 0, 0];
const LEAKED: [u64; 4] = [0b10, 0, 0, 0];
/// Slots of a page.
const PAGE: u32 = 200;

/// How it answers who wants blocks freed.
#[derive(Clone, Copy)]
enum Frees {
    /// All that it is told.
    All,
    /// A request, and then the disk with its log is full.
    One,
    /// It is older than this request.
    Never,
}

/// A namenode with so many slots of which a block of 64 KiB has leaked.
struct Namenode {
    slots: u32,
    frees: Frees,
    /// The slots of each request to free blocks.
    told: Rc<RefCell<Vec<Vec<u32>>>>,
}

fn slot(number: u32) -> namenode::IssuedSlot<'static> {
    namenode::IssuedSlot {
        datanode: 1,
        epoch: 3,
        slot: number,
        generation: 1000 + number,
        block_bytes: 65536,
        taken: &TAKEN,
    }
}

impl Namenode {
    fn issued(&self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let from = namenode::IssuedRequestView::parse(request.message)
            .unwrap()
            .slot();
        let end = (from + PAGE).min(self.slots);
        let message = namenode::IssuedReply {
            incarnation: INCARNATION,
            slots: &(from..end).map(slot).collect::<Vec<_>>(),
            more: end < self.slots,
            datanode: 1,
            slot: end,
        };
        replies.send(request, &message);
    }

    fn owners(&self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let view = namenode::OwnersRequestView::parse(request.message).unwrap();
        let blocks = (0..self.slots).map(|slot| (1 << 32) + u64::from(slot) * 256);
        let owner = namenode::Owner {
            node: 1,
            name: b"f",
            blocks: &blocks.collect::<Vec<_>>(),
            ..Default::default()
        };
        let is_file = view.of().unwrap() == namenode::Owners::Nodes;
        let message = namenode::OwnersReply {
            owners: if is_file { &[owner] } else { &[] },
            ..Default::default()
        };
        replies.send(request, &message);
    }

    fn free(&self, request: &Request<'_>, replies: &mut Replies<'_>) {
        let view = namenode::FreeLeakedRequestView::parse(request.message).unwrap();
        assert_eq!(view.incarnation(), INCARNATION);
        let mut numbers = Vec::new();
        for told in view.slots().unwrap() {
            let (told, known) = (told.unwrap(), slot(told.unwrap().slot()));
            assert_eq!(
                (
                    told.datanode(),
                    told.epoch(),
                    told.generation(),
                    told.block_bytes()
                ),
                (known.datanode, known.epoch, known.generation, known.block_bytes)
            );
            assert!(told.taken().unwrap().eq(LEAKED));
            numbers.push(told.slot());
        }
        let mut all = self.told.borrow_mut();
        all.push(numbers);
        match self.frees {
            Frees::Never => {
                replies.fail(request, Status::UNKNOWN_METHOD, "a namenode has no method 42");
            }
            Frees::One if all.len() > 1 => replies.fail(request, Status(Code::LogFull.number()), ""),
            Frees::All | Frees::One => {
                let freed = all[all.len() - 1].len() as u64;
                let message = namenode::FreeLeakedReply {
                    freed: freed - 1,
                    freed_bytes: (freed - 1) * 65536,
                    changed: 1,
                    ..Default::default()
                };
                replies.send(request, &message);
            }
        }
    }
}

impl Service for Namenode {
    fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            match request.head.method {
                method::RENEW => replies.send(
                    request,
                    &namenode::RenewReply {
                        lease_ms: 10_000,
                        ..Default::default()
                    },
                ),
                method::ISSUED => self.issued(request, replies),
                method::OWNERS => self.owners(request, replies),
                method::FREE_LEAKED => self.free(request, replies),
                other => panic!("method {other} is not asked for"),
            }
        }
    }

    fn place(&mut self, _: &Peer, _: &Head, _: &[u8]) -> Place {
        Place::Refuse(Status::BAD_REQUEST, "no payload is expected".into())
    }
}

/// What came of freeing all that was found, and what the namenode was told.
fn freed(slots: u32, frees: Frees) -> (Result<FreedBlocks, Error>, Vec<Vec<u32>>) {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let address = Address::Local("namenode".into());
    let told = Rc::default();
    let namenode = Namenode {
        slots,
        frees,
        told: Rc::clone(&told),
    };
    let service = Rc::new(RefCell::new(namenode));
    let _server = Server::bind(&runtime, &address, ServerConfig::default(), service).unwrap();
    runtime.block_on(async {
        let store = Store::connect_with(&runtime, ConnectOptions::to(&address))
            .await
            .unwrap();
        let found = store.unnamed_blocks(10).await.unwrap();
        assert_eq!((found.held, found.leaked), (0, slots.into()));
        let freed = store.free_leaked(&found).await;
        (freed, told.take())
    })
}

#[test]
fn all_that_have_leaked_are_named_a_bounded_number_at_a_time() {
    for slots in [0, 1, 256, 257, 1000] {
        let (freed, told) = freed(slots, Frees::All);
        let requests = u64::from(slots.div_ceil(256));
        let expected = FreedBlocks {
            freed: u64::from(slots) - requests,
            freed_bytes: (u64::from(slots) - requests) * 65536,
            changed: requests,
            ..FreedBlocks::default()
        };
        assert_eq!(freed, Ok(expected));
        assert!(told.iter().all(|numbers| numbers.len() <= 256));
        let mut numbers = told.concat();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..slots), "each once");
    }
}

#[test]
fn a_namenode_that_does_not_know_how_is_told_as_older() {
    let (freed, _) = freed(3, Frees::Never);
    let error = freed.unwrap_err();
    assert!(!error.may_have_run(), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("unknown method: a namenode has no method 42; it is of an older version"),
        "{text}"
    );
}

#[test]
fn a_partition_that_fails_in_the_middle_is_told() {
    let (freed, told) = freed(300, Frees::One);
    assert!(matches!(freed, Err(Error::LogFull { .. })), "{freed:?}");
    assert_eq!(told.len(), 2);
}
