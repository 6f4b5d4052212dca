//! Partitions of one namespace share the memory of its datanodes: a full cluster is full everywhere, and never in one partition only.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::time::Duration;

use crake_datapath::{Address, Runtime, RuntimeConfig};
use crake_rpc::{CallError, CallOptions, Client, ClientConfig, ClientId, Reply, Status};
use crake_server::datanode::{Datanode, DatanodeConfig, Memory};
use crake_server::namenode::log::{Durability, LogConfig};
use crake_server::namenode::{Namenode, NamenodeConfig};
use crake_store::protocol::namenode::{
    CreateReplyView, CreateRequest, DeleteRequest, Kind, PutReplyView, PutRequest, RecallRequest,
    RegisterRequest, namenode as method,
};
use crake_store::protocol::shards::shard_of;
use crake_store::protocol::{Code, Handle, role};
use crake_wire::Encode;
use tempfile::TempDir;

use common::{MIB, pattern, read_block, write_block};

const DATANODES: usize = 2;
const SLOTS: u64 = 24;

/// Partitions, datanodes, and one client of each partition.
struct Cluster {
    runtime: Runtime,
    name: String,
    partitions: u16,
    namenodes: Vec<Option<Namenode>>,
    datanodes: Vec<Option<Datanode>>,
    clients: Vec<Option<Client>>,
    /// In which each makes its files.
    homes: Vec<u64>,
    logs: Option<TempDir>,
}

impl Cluster {
    fn new(name: &str, partitions: u16) -> Cluster {
        Cluster::with_logs(name, partitions, None)
    }

    fn with_logs(name: &str, partitions: u16, logs: Option<TempDir>) -> Cluster {
        let mut cluster = Cluster {
            runtime: Runtime::new(RuntimeConfig::default()).unwrap(),
            name: name.into(),
            partitions,
            namenodes: (0..partitions).map(|_| None).collect(),
            datanodes: (0..DATANODES).map(|_| None).collect(),
            clients: vec![None; partitions.into()],
            homes: vec![0; partitions.into()],
            logs,
        };
        (0..partitions).for_each(|partition| cluster.start(partition));
        (0..DATANODES).for_each(|datanode| cluster.start_datanode(datanode));
        (0..partitions).for_each(|partition| cluster.settle_in(partition));
        cluster
    }

    fn address(&self, partition: u16) -> Address {
        Address::Local(format!("{}-{partition}", self.name))
    }

    fn start(&mut self, partition: u16) {
        let all = (0..self.partitions).map(|partition| vec![self.address(partition)]);
        let config = NamenodeConfig {
            listen: vec![self.address(partition)],
            partition,
            partitions: all.collect(),
            heartbeat_timeout: Duration::from_millis(500),
            ..NamenodeConfig::default()
        };
        let log = self.logs.as_ref().map(|logs| {
            let log = LogConfig::new(logs.path(), Durability::Sync);
            log.of_partition(partition)
        });
        let config = NamenodeConfig { log, ..config };
        let place = usize::from(partition);
        self.namenodes[place] = Some(Namenode::start(&self.runtime, config).unwrap());
    }

    fn stop(&mut self, partition: u16) {
        self.clients[usize::from(partition)] = None;
        self.namenodes[usize::from(partition)] = None;
        self.pause(2);
    }

    fn start_datanode(&mut self, number: usize) {
        let config = DatanodeConfig {
            namenode: vec![self.address(0)],
            listen: vec![Address::Local(format!("{}-d{number}", self.name))],
            name: format!("d{number}"),
            dram_bytes: SLOTS * MIB,
            memory: Memory::OnDemand,
            ..DatanodeConfig::default()
        };
        let datanode = Datanode::start(&self.runtime, config).unwrap();
        self.run(datanode.registered());
        self.datanodes[number] = Some(datanode);
    }

    /// Connects to a partition, and makes its directory, which is an entry of the root.
    fn settle_in(&mut self, partition: u16) {
        let place = usize::from(partition);
        let client = self.connect(&self.address(partition), role::CLIENT, 10 + u128::from(partition));
        self.clients[place] = Some(client);
        if partition == 0 {
            return;
        }
        let name = format!("home-{partition}-{}", self.runtime.random());
        let reply = self.call(
            partition,
            method::CREATE,
            &CreateRequest {
                path: &name,
                kind: Kind::Directory,
                branch_of: 1,
                // What is below it is no branch by itself.
                level: 2,
                ..CreateRequest::default()
            },
        );
        let reply = reply.unwrap();
        let reply = CreateReplyView::parse(&reply.message).unwrap();
        self.homes[place] = reply.node().unwrap().unwrap().id();
    }

    fn connect(&self, address: &Address, role: u8, id: u128) -> Client {
        let config = ClientConfig {
            client: ClientId(id),
            role,
            ..ClientConfig::default()
        };
        self.run(Client::connect(&self.runtime, address, config)).unwrap()
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let deadline = self.runtime.now_exact() + Duration::from_secs(30);
        let result = self.runtime.block_on(self.runtime.timeout(deadline, future));
        result.expect("it ends in time")
    }

    fn pause(&self, milliseconds: u64) {
        self.runtime
            .block_on(self.runtime.sleep(Duration::from_millis(milliseconds)));
    }

    fn call(&self, partition: u16, method: u16, message: &impl Encode) -> Result<Reply, CallError> {
        let client = self.clients[usize::from(partition)].as_ref().unwrap();
        self.run(client.call(method, message, CallOptions::new()))
    }

    /// Makes a file with blocks for so many bytes, and gives the handles of these; nothing if there is no room.
    fn make(&self, partition: u16, name: &str, size: u64) -> Option<Vec<Vec<u8>>> {
        let request = CreateRequest {
            base: self.homes[usize::from(partition)],
            path: name,
            kind: Kind::File,
            size_hint: size,
            ..CreateRequest::default()
        };
        match self.call(partition, method::CREATE, &request) {
            Ok(reply) => {
                let reply = CreateReplyView::parse(&reply.message).unwrap();
                let blocks = reply.blocks().unwrap();
                let handles = blocks.map(|block| block.unwrap().handles().unwrap().to_vec());
                Some(handles.collect())
            }
            Err(error) => {
                assert_eq!(error.status(), Some(Status(Code::NoSpace.number())), "{error}");
                None
            }
        }
    }

    fn delete(&self, partition: u16, name: &str) {
        let request = DeleteRequest {
            base: self.homes[usize::from(partition)],
            path: name,
            ..DeleteRequest::default()
        };
        self.call(partition, method::DELETE, &request).unwrap();
    }

    /// Makes files of one slot until there is no room; says how many.
    fn fill(&self, partition: u16, prefix: &str) -> u64 {
        let files =
            (0..).take_while(|number| self.make(partition, &format!("{prefix}{number}"), MIB).is_some());
        files.count() as u64
    }

    fn empty(&self, partition: u16, prefix: &str, count: u64) {
        (0..count).for_each(|number| self.delete(partition, &format!("{prefix}{number}")));
    }

    fn check(&self) {
        for namenode in self.namenodes.iter().flatten() {
            namenode.check().unwrap();
        }
    }

    /// Bytes that partitions have, and of these in blocks.
    fn space(&self) -> (u64, u64) {
        let status = self.namenodes.iter().flatten().map(Namenode::status);
        status.fold((0, 0), |(capacity, used), status| {
            (capacity + status.capacity_bytes, used + status.used_bytes)
        })
    }

    fn until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = self.runtime.now_exact() + Duration::from_secs(20);
        while !done() {
            assert!(self.runtime.now_exact() < deadline, "in vain: {what}");
            self.pause(5);
        }
    }
}

const ALL: u64 = DATANODES as u64 * SLOTS;

#[test]
fn each_partition_can_use_all_that_others_do_not() {
    let cluster = Cluster::new("all", 3);
    for round in 0..2 {
        for partition in [1, 0, 2] {
            let prefix = format!("{round}-");
            assert_eq!(cluster.fill(partition, &prefix), ALL, "partition {partition}");
            cluster.check();
            assert_eq!(cluster.space(), (ALL * MIB, ALL * MIB));
            cluster.empty(partition, &prefix, ALL);
        }
    }
}

#[test]
fn a_full_cluster_is_full_everywhere() {
    let cluster = Cluster::new("full", 3);
    assert_eq!(cluster.fill(1, "f"), ALL);
    for partition in 0..3 {
        assert_eq!(cluster.make(partition, "more", MIB), None);
    }
    // What becomes free in one is there for another at once.
    for (from, to, name) in [(1, 2, "f0"), (2, 0, "a"), (0, 1, "b")] {
        cluster.delete(from, name);
        let next = match to {
            2 => "a",
            0 => "b",
            _ => "c",
        };
        assert!(cluster.make(to, next, MIB).is_some(), "from {from} to {to}");
        for partition in 0..3 {
            assert_eq!(cluster.make(partition, "more", MIB), None);
        }
    }
    cluster.check();
}

/// More than a partition is lent at a time: it asks until it has enough, or there is no more.
#[test]
fn a_large_value_waits_until_all_its_blocks_are_there() {
    let cluster = Cluster::new("large", 3);
    let table = CreateRequest {
        base: cluster.homes[2],
        path: "t",
        kind: Kind::Table,
        ..CreateRequest::default()
    };
    cluster.call(2, method::CREATE, &table).unwrap();
    // Keys that are at this partition.
    let keys = (0..).map(|number| format!("key{number}").into_bytes());
    let keys: Vec<_> = keys.filter(|key| shard_of(key, 3) == 2).take(3).collect();
    let put = |at: usize, slots: u64| PutRequest {
        table: cluster.homes[2],
        path: "t",
        key: &keys[at],
        large: true,
        size: slots * MIB,
        ..PutRequest::default()
    };
    let reply = cluster.call(2, method::PUT, &put(0, 40)).unwrap();
    let reply = PutReplyView::parse(&reply.message).unwrap();
    assert_eq!(reply.blocks().unwrap().len(), 40);
    let refused = cluster.call(2, method::PUT, &put(1, 9)).unwrap_err();
    assert_eq!(refused.status(), Some(Status(Code::NoSpace.number())));
    assert!(cluster.call(2, method::PUT, &put(2, 8)).is_ok());
    cluster.check();
}

#[test]
fn datanodes_take_the_handles_of_each_partition() {
    let cluster = Cluster::new("handles", 3);
    let mut written = Vec::new();
    for (partition, number) in (0..3).flat_map(|partition| (0..6).map(move |number| (partition, number))) {
        let handles = cluster.make(partition, &format!("f{number}"), 4096).unwrap();
        let handle = Handle::parse(&handles[0]).unwrap();
        let datanode = Address::Local(format!("handles-d{}", handle.datanode.get() - 1));
        let client = cluster.connect(&datanode, role::CLIENT, 99);
        let bytes = pattern(4096, partition as u64 * 100 + number);
        cluster.run(write_block(&client, &handles[0], 0, &bytes)).unwrap();
        written.push((client, handles, bytes));
    }
    for (client, handles, bytes) in written {
        let read = cluster.run(read_block(&client, &handles[0], 0, 4096)).unwrap();
        assert!(read == bytes, "other bytes than were written");
    }
}

#[test]
fn a_datanode_that_begins_anew_is_used_anew_by_all() {
    let mut cluster = Cluster::new("anew", 3);
    assert_eq!(cluster.fill(1, "f"), ALL);
    cluster.datanodes[0] = None;
    cluster.pause(2);
    cluster.start_datanode(0);
    // Its old blocks are lost; nothing of it is in use.
    let half = SLOTS;
    cluster.until("the other partition hears of it", || {
        cluster.space().1 == half * MIB
    });
    assert_eq!(cluster.fill(2, "g"), half);
    assert_eq!(cluster.make(1, "more", MIB), None);
    cluster.empty(1, "f", ALL);
    assert_eq!(cluster.fill(0, "h"), half);
    cluster.check();
}

#[test]
fn what_a_lost_partition_had_borrowed_comes_back() {
    let mut cluster = Cluster::new("lost", 3);
    assert_eq!(cluster.fill(1, "f"), ALL);
    cluster.stop(1);
    // Nobody knows whether it comes back: what it had stays its.
    assert_eq!(cluster.make(2, "early", MIB), None);
    cluster.start(1);
    cluster.until("it has said that it has begun", || {
        cluster.space() == (ALL * MIB, 0)
    });
    assert_eq!(cluster.fill(2, "g"), ALL);
    cluster.settle_in(1);
    assert_eq!(cluster.make(1, "late", MIB), None);
    cluster.empty(2, "g", ALL);
    assert_eq!(cluster.fill(1, "h"), ALL);
    cluster.check();
}

#[test]
fn with_logs_all_come_back_with_what_they_had() {
    let mut cluster = Cluster::with_logs("logs", 3, Some(TempDir::new().unwrap()));
    let some = ALL / 2;
    for number in 0..some {
        assert!(cluster.make(1, &format!("f{number}"), MIB).is_some());
    }
    for partition in [1, 0, 2, 0] {
        cluster.stop(partition);
        cluster.start(partition);
        let address = cluster.address(partition);
        let client = cluster.connect(&address, role::CLIENT, 10 + u128::from(partition));
        cluster.clients[usize::from(partition)] = Some(client);
        cluster.check();
    }
    (0..DATANODES).for_each(|number| {
        let datanode = cluster.datanodes[number].as_ref().unwrap();
        cluster.run(datanode.registered());
    });
    assert_eq!(cluster.fill(2, "g"), ALL - some);
    assert_eq!(cluster.space(), (ALL * MIB, ALL * MIB));
    cluster.empty(1, "f", some);
    assert_eq!(cluster.fill(0, "h"), some);
    cluster.check();
}

#[test]
fn only_partitions_lend_and_datanodes_register_with_the_first() {
    let cluster = Cluster::new("roles", 2);
    let recall = RecallRequest {
        wanted: 1,
        sequence: 0,
    };
    let refused = cluster.call(1, method::RECALL, &recall).unwrap_err();
    assert_eq!(refused.status(), Some(Status::UNAUTHORIZED));
    let datanode = cluster.connect(&cluster.address(1), role::DATANODE, 5);
    let register = RegisterRequest {
        name: "d9",
        incarnation: 9,
        capacity: MIB,
        ..RegisterRequest::default()
    };
    let refused = cluster
        .run(datanode.call(method::REGISTER, &register, CallOptions::new()))
        .unwrap_err();
    assert_eq!(refused.status(), Some(Status::UNAUTHORIZED));
    assert!(refused.to_string().contains("partition 0"), "{refused}");
}
