//! A cluster to test with: each role on its own, on one runtime, over any transport.

// Each test binary uses its own part of this.
#![allow(dead_code)]
#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

pub mod raw;

use std::path::PathBuf;
use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_mem::{Buf, Sga};
use crake_rpc::{CallError, CallOptions, Client, ClientConfig, ClientId, Reply};
use crake_server::{Datanode, DatanodeConfig, Memory, Namenode, NamenodeConfig, Registration};
use crake_store::protocol::datanode::{ReadRequest, WriteRequest, datanode as datanode_method};
use crake_store::protocol::namenode::{
    AllocateReplyView, AllocateRequest, CreateReplyView, CreateRequest, Kind, namenode as namenode_method,
};
use crake_store::protocol::{Handle, role};
use crake_store::{Node, Store};
use tempfile::TempDir;

pub const MIB: u64 = 1 << 20;

/// How the parts of a cluster reach each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Local,
    Tcp,
    Unix,
    Shm,
}

pub const TRANSPORTS: [Transport; 4] = [Transport::Local, Transport::Tcp, Transport::Unix, Transport::Shm];

/// A namenode with datanodes; any of them may be stopped and started again.
pub struct Fixture {
    pub runtime: Runtime,
    pub transport: Transport,
    pub namenode_config: NamenodeConfig,
    pub datanode_config: DatanodeConfig,
    pub namenode: Option<Namenode>,
    pub datanodes: Vec<Datanode>,
    dir: TempDir,
}

impl Fixture {
    /// With datanodes of 64 MiB each.
    pub fn new(transport: Transport, datanodes: usize) -> Fixture {
        Fixture::with(transport, datanodes, |_, _| ())
    }

    pub fn with(
        transport: Transport,
        datanodes: usize,
        change: impl FnOnce(&mut NamenodeConfig, &mut DatanodeConfig),
    ) -> Fixture {
        let mut namenode_config = NamenodeConfig::default();
        let mut datanode_config = DatanodeConfig {
            dram_bytes: 64 * MIB,
            // Only what is there at start can be shared with other processes.
            memory: match transport {
                Transport::Shm => Memory::AtStart,
                _ => Memory::OnDemand,
            },
            ..DatanodeConfig::default()
        };
        change(&mut namenode_config, &mut datanode_config);
        let mut fixture = Fixture {
            runtime: Runtime::new(RuntimeConfig::default()).unwrap(),
            transport,
            namenode_config,
            datanode_config,
            namenode: None,
            datanodes: Vec::new(),
            dir: TempDir::new().unwrap(),
        };
        fixture.start_namenode();
        (0..datanodes).for_each(|number| {
            fixture.start_datanode(number);
        });
        fixture.await_registrations();
        fixture
    }

    fn address(&self, name: &str) -> Address {
        match self.transport {
            Transport::Local => Address::Local(name.into()),
            Transport::Tcp => "tcp://127.0.0.1:0".parse().unwrap(),
            Transport::Unix => Address::Unix(self.socket(name)),
            Transport::Shm => Address::Shm(self.socket(name)),
        }
    }

    fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Where the namenode is, and will be when it is started again.
    pub fn namenode_address(&self) -> Address {
        self.namenode_config.listen[0].clone()
    }

    pub fn start_namenode(&mut self) {
        if self.namenode_config.listen.is_empty() {
            self.namenode_config.listen = vec![self.address("namenode")];
        }
        let namenode = Namenode::start(&self.runtime, self.namenode_config.clone()).unwrap();
        self.namenode_config.listen = namenode.listening();
        self.namenode = Some(namenode);
    }

    pub fn stop_namenode(&mut self) {
        self.namenode = None;
        self.settle();
    }

    /// Starts a datanode behind those that run.
    pub fn start_datanode(&mut self, number: usize) -> &Datanode {
        let config = DatanodeConfig {
            namenode: vec![self.namenode_address()],
            listen: vec![self.address(&format!("datanode-{number}"))],
            name: format!("datanode-{number}"),
            ..self.datanode_config.clone()
        };
        self.datanodes
            .push(Datanode::start(&self.runtime, config).unwrap());
        self.datanodes.last().unwrap()
    }

    pub fn await_registrations(&self) {
        for datanode in &self.datanodes {
            self.within(Duration::from_secs(10), datanode.registered());
        }
    }

    /// Lets tasks that were dropped or woken run.
    pub fn settle(&self) {
        self.pause(Duration::from_millis(2));
    }

    pub fn pause(&self, duration: Duration) {
        self.runtime.block_on(self.runtime.sleep(duration));
    }

    /// Turns until `done`.
    pub fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = self.runtime.now_exact() + Duration::from_secs(20);
        while !done() {
            assert!(self.runtime.now_exact() < deadline, "in vain: {what}");
            self.pause(Duration::from_millis(1));
        }
    }

    pub fn within<T>(&self, duration: Duration, future: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + duration;
        let result = self.runtime.block_on(self.runtime.timeout(deadline, future));
        result.expect("it ends in time")
    }

    /// Runs a client's part of a test, which may take a minute.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.within(Duration::from_secs(60), future)
    }

    pub fn store(&self) -> Store {
        self.run(Store::attach(&self.runtime, &self.namenode_address()))
            .unwrap()
    }

    /// A client that speaks the protocol by itself.
    pub fn client(&self, address: &Address, id: u128) -> Client {
        let config = ClientConfig {
            client: ClientId(id),
            role: role::CLIENT,
            ..ClientConfig::default()
        };
        self.run(Client::connect(&self.runtime, address, config)).unwrap()
    }

    pub fn datanode_client(&self, number: usize, id: u128) -> Client {
        self.client(&self.datanodes[number].listening()[0], id)
    }

    /// Checks the namespace, and that nothing is under way on the datanodes.
    pub fn check(&self) {
        self.namenode.as_ref().unwrap().check().unwrap();
        for datanode in &self.datanodes {
            assert!(matches!(
                datanode.status().registration,
                Registration::Registered { .. }
            ));
        }
    }
}

/// Bytes that are different at each place and for each seed.
pub fn pattern(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Creates a file, writes it in pieces and seals it.
pub async fn write_file(store: &Store, path: &str, bytes: &[u8]) -> Result<(), crake_store::Error> {
    let writer = store.create(path, Node::File).await?.writer()?;
    for piece in bytes.chunks(1 << 20) {
        // The close waits for all of them and tells what failed.
        drop(writer.write(Buf::copy_from_slice(piece)));
    }
    writer.close().await.map(|_| ())
}

pub async fn read_file(store: &Store, path: &str) -> Result<Vec<u8>, crake_store::Error> {
    let reader = store.open(path).await?.reader()?;
    let len = reader.size() as usize;
    reader.read_to_vec(0, len).await
}

/// A file that is open for writing, by the bare protocol: its node, its lease and the handle of its first block.
pub struct OpenFile {
    pub node: u64,
    pub lease: u64,
    pub handle: Vec<u8>,
    pub length: u32,
}

/// Creates a file and allocates a block for `want` bytes.
pub async fn open_file(namenode: &Client, path: &str, want: u64) -> OpenFile {
    let create = CreateRequest {
        path,
        kind: Kind::File,
        ..CreateRequest::default()
    };
    let reply = namenode
        .call(namenode_method::CREATE, &create, CallOptions::new())
        .await
        .unwrap();
    let reply = CreateReplyView::parse(&reply.message).unwrap();
    let (node, lease) = (reply.node().unwrap().unwrap().id(), reply.lease());
    let allocate = AllocateRequest {
        node,
        lease,
        offset: 0,
        want,
    };
    let reply = namenode
        .call(namenode_method::ALLOCATE, &allocate, CallOptions::new())
        .await
        .unwrap();
    let reply = AllocateReplyView::parse(&reply.message).unwrap();
    let block = reply.blocks().unwrap().next().unwrap().unwrap();
    OpenFile {
        node,
        lease,
        handle: block.handles().unwrap()[..Handle::BYTES].to_vec(),
        length: block.length(),
    }
}

pub async fn write_block(
    client: &Client,
    handle: &[u8],
    offset: u32,
    bytes: &[u8],
) -> Result<Reply, CallError> {
    let payload = Sga::from(Buf::copy_from_slice(bytes));
    let options = CallOptions::new().payload(payload);
    client
        .call(datanode_method::WRITE, &WriteRequest { handle, offset }, options)
        .await
}

pub async fn read_block(
    client: &Client,
    handle: &[u8],
    offset: u32,
    length: u32,
) -> Result<Vec<u8>, CallError> {
    let request = ReadRequest {
        handle,
        offset,
        length,
    };
    let reply = client
        .call(datanode_method::READ, &request, CallOptions::new())
        .await?;
    Ok(reply.payload.to_vec())
}
