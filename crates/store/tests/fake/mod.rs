//! A namenode and a datanode that do what a test tells them, and remember what they were asked.
//!
//! For what a real cluster cannot be made to do at will: hold an answer back, lose a connection in between, give blocks
//! of four bytes. How clients and real servers get on is tested in `crates/server/tests`.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(
    clippy::unwrap_used,
    reason = "this is test code, which clippy sees only in functions marked as tests"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_mem::{Buf, Sga};
use crake_rpc::{Peer, Replies, Request, Responder, Server, ServerConfig, Service, Status};
use crake_store::protocol::namenode::{self, namenode as method};
use crake_store::protocol::{Code, Handle, datanode};
use crake_store::{ConnectOptions, Store};
use zerocopy::IntoBytes;

/// What a server was asked, in the order of its arrival at either of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    Namenode(u16),
    Publish { size: u64, seal: bool },
    Allocate { offset: u64, want: u64 },
    Blocks { offset: u64 },
    Write { block: u32, offset: u32, bytes: Vec<u8> },
    Read { block: u32, offset: u32, len: u32 },
}

/// What a server does with its next request of a method, instead of the usual.
#[derive(Debug, Clone)]
pub enum Instead {
    Fail(Code),
    Overloaded,
    /// Answers when the test says so.
    Hold,
    /// Acts, and holds the answer back.
    ActAndHold,
}

pub struct Fake {
    pub runtime: Runtime,
    pub state: Rc<RefCell<State>>,
    pub namenode: Server,
    pub datanode: Server,
    pub address: Address,
}

#[derive(Default)]
pub struct State {
    pub asked: Vec<Asked>,
    pub instead: BTreeMap<(Role, u16), VecDeque<Instead>>,
    /// Held back answers, with the connection that waits for them.
    pub held: VecDeque<(u64, Responder)>,
    /// All writes to the datanode are held back.
    pub hold_writes: bool,
    pub hold_reads: bool,
    pub outstanding_write_bytes: usize,
    pub outstanding_write_bytes_max: usize,
    pub block_bytes: u32,
    /// How many more blocks there are.
    pub blocks_left: usize,
    /// The file at any path; `None`: there is none.
    pub file: Option<File>,
    pub next_block: u32,
    /// What was written, by block.
    pub stored: BTreeMap<u32, Vec<u8>>,
    /// The datanode knows the handles of this incarnation only.
    pub incarnation: u64,
    pub blocks_lost: bool,
    pub datanode_alive: bool,
    /// At most so many blocks in a reply.
    pub page: usize,
    pub values: BTreeMap<Vec<u8>, (u64, Vec<u8>)>,
    pub pending: BTreeMap<u64, (Vec<u8>, u64, Vec<u32>)>,
    pub large: BTreeMap<Vec<u8>, (u64, u64, Vec<u32>)>,
    pub lease_ms: u64,
    /// Blocks are allotted so far from where they belong.
    pub misplaced_by: u64,
}

#[derive(Debug, Clone, Default)]
pub struct File {
    pub size: u64,
    pub open: bool,
    pub blocks: Vec<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Namenode,
    Datanode,
}

impl Fake {
    pub fn new(block_bytes: u32) -> Fake {
        let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
        let state = Rc::new(RefCell::new(State {
            block_bytes,
            blocks_left: 1 << 20,
            incarnation: 1,
            datanode_alive: true,
            page: 64,
            lease_ms: 10_000,
            ..State::default()
        }));
        let address = Address::Local("namenode".into());
        let bind = |address: &Address, role| {
            let service = Rc::new(RefCell::new(Fakes {
                role,
                state: state.clone(),
            }));
            Server::bind(&runtime, address, ServerConfig::default(), service).unwrap()
        };
        let namenode = bind(&address, Role::Namenode);
        let datanode = bind(&Address::Local("datanode".into()), Role::Datanode);
        Fake {
            runtime,
            state,
            namenode,
            datanode,
            address,
        }
    }

    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            deadline: Duration::from_secs(3),
            ..ConnectOptions::to(&self.address)
        }
    }

    /// Runs a test with a store that is connected, and fails if it takes long.
    pub fn run<T>(&self, test: impl AsyncFnOnce(Store) -> T) -> T {
        self.run_with(self.options(), test)
    }

    pub fn run_with<T>(&self, options: ConnectOptions, test: impl AsyncFnOnce(Store) -> T) -> T {
        self.runtime.block_on(async {
            let store = Store::connect_with(&self.runtime, options).await.unwrap();
            let deadline = self.runtime.now_exact() + Duration::from_secs(20);
            let ended = self.runtime.timeout(deadline, test(store)).await;
            ended.expect("the test ends in time")
        })
    }

    pub fn state(&self) -> std::cell::RefMut<'_, State> {
        self.state.borrow_mut()
    }

    pub fn instead(&self, role: Role, method: u16, instead: Instead) {
        self.state()
            .instead
            .entry((role, method))
            .or_default()
            .push_back(instead);
    }

    /// A sealed file with these bytes.
    pub fn put_file(&self, bytes: &[u8]) {
        let mut state = self.state();
        let block_bytes = state.block_bytes as usize;
        let blocks = bytes
            .chunks(block_bytes)
            .map(|chunk| state.store(chunk))
            .collect();
        state.file = Some(File {
            size: bytes.len() as u64,
            open: false,
            blocks,
        });
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, holds: impl Fn(&State) -> bool) {
        let deadline = self.runtime.now_exact() + Duration::from_secs(5);
        while !holds(&self.state.borrow()) {
            assert!(
                self.runtime.now() < deadline,
                "waited in vain: {what}; {:?}",
                self.state().asked
            );
            self.pause().await;
        }
    }

    /// Lets everything happen that can.
    pub async fn settle(&self) {
        for _ in 0..5 {
            self.pause().await;
        }
    }

    async fn pause(&self) {
        self.runtime.sleep(Duration::from_millis(1)).await;
    }

    /// Answers the writes and reads that were held back.
    pub fn release(&self) {
        let held = std::mem::take(&mut self.state().held);
        self.state().outstanding_write_bytes = 0;
        for (_, responder) in held {
            responder.send(&datanode::WriteReply {});
        }
    }

    /// Breaks the connections whose answers are held back.
    pub fn cut_off(&self, server: &Server) {
        let held = std::mem::take(&mut self.state().held);
        for (connection, responder) in held {
            server.cut_off(connection);
            drop(responder);
        }
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.state().asked.clone()
    }

    pub fn count(&self, wanted: &Asked) -> usize {
        self.state().asked.iter().filter(|asked| *asked == wanted).count()
    }
}

impl State {
    fn store(&mut self, bytes: &[u8]) -> u32 {
        self.next_block += 1;
        self.stored.insert(self.next_block, bytes.to_vec());
        self.next_block
    }

    fn handle(&self, block: u32) -> Handle {
        Handle {
            incarnation: self.incarnation.into(),
            datanode: 1.into(),
            unit: block.into(),
            len_bytes: self.block_bytes.into(),
            generation: 1.into(),
            rights: 3.into(),
            reserved: 0.into(),
            mac0: 0.into(),
            mac1: 0.into(),
        }
    }

    /// Takes blocks for `want` bytes as far as there are some.
    fn allot(&mut self, want: u64) -> Vec<u32> {
        let count = (want.div_ceil(u64::from(self.block_bytes)) as usize).min(self.blocks_left);
        self.blocks_left -= count;
        (0..count)
            .map(|_| {
                self.next_block += 1;
                self.next_block
            })
            .collect()
    }

    fn attributes(&self) -> namenode::Attributes {
        let file = self.file.clone().unwrap_or_default();
        namenode::Attributes {
            id: 7,
            kind: namenode::Kind::File,
            size: file.size,
            open: file.open,
            ..Default::default()
        }
    }

    pub fn file_bytes(&self) -> Vec<u8> {
        let file = self.file.as_ref().unwrap();
        let mut bytes = Vec::new();
        for block in &file.blocks {
            bytes.extend(self.stored.get(block).into_iter().flatten());
        }
        bytes.truncate(file.size as usize);
        bytes
    }
}

struct Fakes {
    role: Role,
    state: Rc<RefCell<State>>,
}

impl Service for Fakes {
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
        for request in requests {
            let mut state = self.state.borrow_mut();
            let instead = state
                .instead
                .get_mut(&(self.role, request.head.method))
                .and_then(VecDeque::pop_front);
            match (&instead, self.role) {
                (Some(Instead::Fail(code)), _) => {
                    note(&mut state, self.role, request);
                    replies.fail(request, Status((*code).into()), "");
                }
                (Some(Instead::Overloaded), _) => {
                    note(&mut state, self.role, request);
                    replies.fail(request, Status::OVERLOADED, "");
                }
                (Some(Instead::Hold), _) => {
                    note(&mut state, self.role, request);
                    state.held.push_back((peer.id, replies.later(request)));
                }
                (Some(Instead::ActAndHold), _) => {
                    // Acts as if it answered, to nobody.
                    state.held.push_back((peer.id, replies.later(request)));
                    match self.role {
                        Role::Namenode => serve_namenode(&mut state, request, None),
                        Role::Datanode => serve_datanode(&mut state, peer, request, None),
                    }
                }
                (None, Role::Namenode) => serve_namenode(&mut state, request, Some(replies)),
                (None, Role::Datanode) => serve_datanode(&mut state, peer, request, Some(replies)),
            }
        }
    }
}

fn note(state: &mut State, role: Role, request: &Request<'_>) {
    if role == Role::Namenode {
        state.asked.push(Asked::Namenode(request.head.method));
    }
}

fn blocks_of<'h>(
    state: &State,
    blocks: &[u32],
    first: u64,
    handles: &'h mut Vec<Handle>,
) -> Vec<namenode::Block<'h>> {
    handles.extend(blocks.iter().map(|&block| state.handle(block)));
    let length = state.block_bytes;
    handles
        .iter()
        .enumerate()
        .map(|(nth, handle)| namenode::Block {
            offset: first + nth as u64 * u64::from(length),
            length,
            handles: handle.as_bytes(),
            lost: state.blocks_lost,
        })
        .collect()
}

fn serve_namenode(state: &mut State, request: &Request<'_>, replies: Option<&mut Replies<'_>>) {
    let message = request.message;
    macro_rules! answer {
        ($message:expr) => {
            if let Some(replies) = replies {
                replies.send(request, &$message);
            }
        };
    }
    macro_rules! fail {
        ($code:ident) => {
            if let Some(replies) = replies {
                replies.fail(request, Status(Code::$code.into()), "");
            }
        };
    }
    let mut handles = Vec::new();
    let block_bytes = u64::from(state.block_bytes);
    match request.head.method {
        method::ALLOCATE => {
            let view = namenode::AllocateRequestView::parse(message).unwrap();
            let (offset, want) = (view.offset(), view.want());
            state.asked.push(Asked::Allocate { offset, want });
            let have = state.file.as_ref().unwrap().blocks.len() as u64 * block_bytes;
            if offset == have {
                let new = state.allot(want);
                if new.is_empty() {
                    return fail!(NoSpace);
                }
                state.file.as_mut().unwrap().blocks.extend(new);
            }
            let blocks = state.file.as_ref().unwrap().blocks[(offset / block_bytes) as usize..].to_vec();
            let first = offset / block_bytes * block_bytes + state.misplaced_by;
            let blocks = blocks_of(state, &blocks, first, &mut handles);
            answer!(namenode::AllocateReply { blocks: &blocks });
        }
        method::PUBLISH => {
            let view = namenode::PublishRequestView::parse(message).unwrap();
            let (size, seal) = (view.size(), view.seal().unwrap());
            state.asked.push(Asked::Publish { size, seal });
            let file = state.file.as_mut().unwrap();
            if !file.open {
                return fail!(LeaseLost);
            }
            file.size = file.size.max(size);
            file.open = !seal;
            answer!(namenode::PublishReply {
                node: Some(state.attributes())
            });
        }
        method::BLOCKS => {
            let view = namenode::BlocksRequestView::parse(message).unwrap();
            let offset = view.offset();
            state.asked.push(Asked::Blocks { offset });
            let Some(file) = state.file.clone() else {
                return fail!(NotFound);
            };
            let first = ((offset / block_bytes) as usize).min(file.blocks.len());
            let end = (first + state.page).min(file.blocks.len());
            let blocks = blocks_of(
                state,
                &file.blocks[first..end],
                first as u64 * block_bytes,
                &mut handles,
            );
            answer!(namenode::BlocksReply {
                node: Some(state.attributes()),
                blocks: &blocks
            });
        }
        other => {
            state.asked.push(Asked::Namenode(other));
            match other {
                method::RENEW => answer!(namenode::RenewReply {
                    lease_ms: state.lease_ms,
                    ..Default::default()
                }),
                method::ECHO => {
                    let data = namenode::EchoRequestView::parse(message).unwrap().data().unwrap();
                    answer!(namenode::EchoReply { data });
                }
                method::LOOKUP => {
                    let Some(file) = state.file.clone() else {
                        return fail!(NotFound);
                    };
                    let page = file.blocks.len().min(state.page);
                    let blocks = blocks_of(state, &file.blocks[..page], 0, &mut handles);
                    let node = Some(state.attributes());
                    answer!(namenode::LookupReply {
                        node,
                        blocks: &blocks,
                        inline_value: b""
                    });
                }
                method::CREATE => {
                    let view = namenode::CreateRequestView::parse(message).unwrap();
                    let is_file = view.kind().unwrap() == namenode::Kind::File;
                    if is_file {
                        state.file = Some(File {
                            open: true,
                            ..File::default()
                        });
                    }
                    let kind = view.kind().unwrap();
                    let node = Some(namenode::Attributes {
                        kind,
                        ..state.attributes()
                    });
                    answer!(namenode::CreateReply {
                        node,
                        lease: u64::from(is_file),
                        blocks: &[]
                    });
                }
                method::DELETE => {
                    state.file = None;
                    answer!(namenode::DeleteReply { nodes: 1 });
                }
                method::DATANODES => {
                    let endpoints = ["rdma://nowhere", "local://datanode"];
                    let known = namenode::Datanode {
                        id: 1,
                        incarnation: state.incarnation,
                        endpoints: &endpoints,
                        alive: state.datanode_alive,
                        ..Default::default()
                    };
                    answer!(namenode::DatanodesReply { datanodes: &[known] });
                }
                method::PUT => {
                    let view = namenode::PutRequestView::parse(message).unwrap();
                    let key = view.key().unwrap().to_vec();
                    if view.large().unwrap() {
                        let new = state.allot(view.size());
                        state.pending.insert(1, (key, view.size(), new.clone()));
                        let blocks = blocks_of(state, &new, 0, &mut handles);
                        answer!(namenode::PutReply {
                            version: 0,
                            pending: 1,
                            blocks: &blocks
                        });
                    } else {
                        let version = state.values.get(&key).map_or(0, |(version, _)| *version) + 1;
                        state
                            .values
                            .insert(key, (version, view.value().unwrap().to_vec()));
                        answer!(namenode::PutReply {
                            version,
                            ..Default::default()
                        });
                    }
                }
                method::PUT_COMMIT => {
                    let view = namenode::PutCommitRequestView::parse(message).unwrap();
                    if let Some((key, size, blocks)) = state.pending.remove(&view.pending())
                        && !view.abort().unwrap()
                    {
                        state.large.insert(key, (1, size, blocks));
                    }
                    answer!(namenode::PutReply {
                        version: 1,
                        ..Default::default()
                    });
                }
                method::GET => {
                    let view = namenode::GetRequestView::parse(message).unwrap();
                    let key = view.key().unwrap();
                    if let Some((version, size, blocks)) = state.large.get(key).cloned() {
                        let blocks = blocks_of(state, &blocks, 0, &mut handles);
                        answer!(namenode::Value {
                            found: true,
                            version,
                            size,
                            blocks: &blocks,
                            ..Default::default()
                        });
                    } else {
                        let value = state.values.get(key);
                        let (version, bytes) = value.cloned().unwrap_or_default();
                        answer!(namenode::Value {
                            found: value.is_some(),
                            version,
                            size: bytes.len() as u64,
                            inline_value: &bytes,
                            ..Default::default()
                        });
                    }
                }
                _ => {
                    if let Some(replies) = replies {
                        replies.fail(request, Status::UNKNOWN_METHOD, "");
                    }
                }
            }
        }
    }
}

fn serve_datanode(state: &mut State, peer: &Peer, request: &Request<'_>, replies: Option<&mut Replies<'_>>) {
    let fail = |replies: Option<&mut Replies<'_>>, code: Code| {
        if let Some(replies) = replies {
            replies.fail(request, Status(code.into()), "");
        }
    };
    match request.head.method {
        datanode::datanode::WRITE => {
            let view = datanode::WriteRequestView::parse(request.message).unwrap();
            let handle = *Handle::parse(view.handle().unwrap()).unwrap();
            let (block, offset) = (handle.unit.get(), view.offset());
            let bytes = request.payload.to_vec();
            state.asked.push(Asked::Write {
                block,
                offset,
                bytes: bytes.clone(),
            });
            if handle.incarnation.get() != state.incarnation {
                return fail(replies, Code::Stale);
            }
            assert!(
                offset as usize + bytes.len() <= state.block_bytes as usize,
                "a write leaves its block"
            );
            let stored = state.stored.entry(block).or_default();
            stored.resize(stored.len().max(offset as usize + bytes.len()), 0);
            stored[offset as usize..][..bytes.len()].copy_from_slice(&bytes);
            state.outstanding_write_bytes += bytes.len();
            state.outstanding_write_bytes_max = state
                .outstanding_write_bytes_max
                .max(state.outstanding_write_bytes);
            let Some(replies) = replies else { return };
            if state.hold_writes {
                state.held.push_back((peer.id, replies.later(request)));
            } else {
                state.outstanding_write_bytes -= bytes.len();
                replies.send(request, &datanode::WriteReply {});
            }
        }
        datanode::datanode::READ => {
            let view = datanode::ReadRequestView::parse(request.message).unwrap();
            let handle = *Handle::parse(view.handle().unwrap()).unwrap();
            let (block, offset, len) = (handle.unit.get(), view.offset(), view.length());
            state.asked.push(Asked::Read { block, offset, len });
            if handle.incarnation.get() != state.incarnation {
                return fail(replies, Code::Stale);
            }
            let range = offset as usize..(offset + len) as usize;
            let Some(bytes) = state.stored.get(&block).and_then(|stored| stored.get(range)) else {
                return fail(replies, Code::Unwritten);
            };
            let payload = Sga::from(Buf::copy_from_slice(bytes));
            let Some(replies) = replies else { return };
            if state.hold_reads {
                let (connection, responder) = (peer.id, replies.later(request));
                state.held.push_back((connection, responder));
            } else {
                replies.send_with(request, &datanode::ReadReply {}, payload);
            }
        }
        _ => {
            if let Some(replies) = replies {
                replies.fail(request, Status::UNKNOWN_METHOD, "");
            }
        }
    }
}

/// Bytes that differ from place to place.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[1])
        .collect()
}
