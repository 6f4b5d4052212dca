//! Roles that stop and start again, and clients that do not come back.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use common::{Fixture, TRANSPORTS, Transport, open_file, pattern, read_file, write_block, write_file};
use crake_datapath::{Address, Stream, Task};
use crake_mem::{Buf, Sga};
use crake_rpc::{CallOptions, Client};
use crake_server::{Datanode, DatanodeConfig, NamenodeConfig, Registration, StartError};
use crake_store::protocol::namenode::{
    LookupReplyView, LookupRequest, PublishRequest, RenewRequest, namenode as namenode_method,
};
use crake_store::{ConnectOptions, Error, Node, Store};

const MIB: usize = 1 << 20;

/// Short enough for a test, long enough for a machine that does other things.
fn impatient(namenode: &mut NamenodeConfig, _: &mut DatanodeConfig) {
    namenode.heartbeat_timeout = Duration::from_millis(300);
    namenode.lease = Duration::from_millis(300);
}

fn live(cluster: &Fixture) -> usize {
    cluster.namenode.as_ref().unwrap().status().datanodes
}

fn incarnation(datanode: &Datanode) -> (u64, u64) {
    match datanode.status().registration {
        Registration::Registered {
            incarnation,
            namenode,
            ..
        } => (incarnation, namenode),
        searching => panic!("{searching:?}"),
    }
}

#[test]
fn what_a_restarted_datanode_held_is_lost_and_says_so_and_the_rest_goes_on() {
    for transport in TRANSPORTS {
        let mut cluster = Fixture::with(transport, 2, impatient);
        let store = cluster.store();
        let bytes = pattern(6 * MIB, 1);
        cluster.run(async {
            write_file(&store, "/spread", &bytes).await.unwrap();
            write_file(&store, "/empty", b"").await.unwrap();
            store
                .make_table("/t", false)
                .await
                .unwrap()
                .put(b"k", b"inline")
                .await
                .unwrap();
        });
        let blocks: Vec<u64> = cluster
            .datanodes
            .iter()
            .map(|datanode| datanode.status().blocks)
            .collect();
        assert!(
            blocks.iter().all(|count| *count > 0),
            "the file lies on both datanodes: {blocks:?}"
        );

        let before = incarnation(&cluster.datanodes[0]).0;
        drop(cluster.datanodes.remove(0));
        cluster.settle();
        cluster.start_datanode(0);
        cluster.await_registrations();
        assert_ne!(incarnation(&cluster.datanodes[1]).0, before);

        cluster.run(async {
            let reader = store.open("/spread").await.unwrap().reader().unwrap();
            let (mut lost, mut read) = (0, 0);
            for at in (0..bytes.len()).step_by(4096) {
                match reader.read_to_vec(at as u64, 4096).await {
                    Ok(back) => {
                        assert!(
                            back == bytes[at..at + 4096],
                            "wrong bytes at {at} over {transport:?}"
                        );
                        read += 1;
                    }
                    Err(Error::BlockLost { path, offset, len }) => {
                        assert_eq!(&*path, "/spread");
                        let range = offset..offset + len;
                        assert!(range.contains(&(at as u64)), "{range:?} does not hold byte {at}");
                        lost += 1;
                    }
                    Err(other) => panic!("{other} over {transport:?}"),
                }
            }
            assert!(
                lost > 0 && read > 0,
                "{lost} lost, {read} read over {transport:?}"
            );
            assert_eq!(read_file(&store, "/empty").await.unwrap(), b"");
            let table = store.table("/t").await.unwrap();
            assert_eq!(&table.get(b"k").await.unwrap().unwrap()[..], b"inline");

            let again = pattern(6 * MIB, 2);
            write_file(&store, "/again", &again).await.unwrap();
            assert!(read_file(&store, "/again").await.unwrap() == again);
            store.delete("/spread", false).await.unwrap();
        });
        cluster.check();
    }
}

#[test]
fn a_datanode_that_is_gone_is_found_out_and_files_go_to_the_others() {
    let mut cluster = Fixture::with(Transport::Tcp, 2, impatient);
    let store = cluster.store();
    drop(cluster.datanodes.remove(0));
    cluster.until("one datanode is silent", || live(&cluster) == 1);
    cluster.run(async {
        let bytes = pattern(3 * MIB, 1);
        write_file(&store, "/f", &bytes).await.unwrap();
        assert!(read_file(&store, "/f").await.unwrap() == bytes);
    });
    cluster.check();
}

/// Stands between a datanode and its namenode.
struct Proxy {
    address: Address,
    links: Rc<RefCell<Vec<Task<()>>>>,
    _accepting: Task<()>,
}

impl Proxy {
    fn start(cluster: &Fixture) -> Proxy {
        let listener = cluster
            .runtime
            .listen(&"tcp://127.0.0.1:0".parse().unwrap())
            .unwrap();
        let address = listener.local_address().unwrap();
        let links = Rc::new(RefCell::new(Vec::new()));
        let (runtime, namenode, accepted) =
            (cluster.runtime.clone(), cluster.namenode_address(), links.clone());
        let accepting = cluster.runtime.spawn(async move {
            while let Ok(near) = listener.accept().await {
                let far = Rc::new(runtime.connect(&namenode).await.unwrap());
                let near = Rc::new(near);
                let both_ways = [(near.clone(), far.clone()), (far, near)];
                let links = both_ways.map(|(from, to)| runtime.spawn(pump(from, to)));
                accepted.borrow_mut().extend(links);
            }
        });
        Proxy {
            address,
            links,
            _accepting: accepting,
        }
    }

    /// Closes all connections. New ones are let through.
    fn break_connections(&self) {
        self.links.take();
    }
}

async fn pump(from: Rc<Stream>, to: Rc<Stream>) {
    while let Ok(bytes) = from.pop().await {
        if bytes.is_empty() || to.push(Sga::from(bytes)).await.is_err() {
            return;
        }
    }
}

#[test]
fn a_lost_connection_to_the_namenode_loses_no_block() {
    let mut cluster = Fixture::with(Transport::Tcp, 0, |namenode, _| {
        namenode.heartbeat_timeout = Duration::from_secs(1)
    });
    let proxy = Proxy::start(&cluster);
    let config = DatanodeConfig {
        namenode: vec![proxy.address.clone()],
        listen: vec!["tcp://127.0.0.1:0".parse().unwrap()],
        ..cluster.datanode_config.clone()
    };
    cluster
        .datanodes
        .push(Datanode::start(&cluster.runtime, config).unwrap());
    cluster.await_registrations();
    let before = incarnation(&cluster.datanodes[0]);
    let store = cluster.store();
    let bytes = pattern(2 * MIB, 1);
    cluster.run(write_file(&store, "/f", &bytes)).unwrap();

    proxy.break_connections();
    cluster.pause(Duration::from_millis(50));
    assert_eq!(live(&cluster), 1, "a lost connection is no death");
    cluster.until("the datanode has noticed", || {
        matches!(
            cluster.datanodes[0].status().registration,
            Registration::Searching { .. }
        )
    });
    cluster.await_registrations();
    assert_eq!(incarnation(&cluster.datanodes[0]), before, "it is the same life");
    assert!(cluster.run(read_file(&store, "/f")).unwrap() == bytes);
    cluster.check();
}

/// A message that nobody can read.
struct Garbage;

impl crake_wire::Encode for Garbage {
    fn encoded_len(&self) -> usize {
        5
    }

    fn encode(&self, out: &mut [u8]) {
        out.fill(0xff);
    }
}

#[test]
fn datanodes_register_again_with_a_namenode_that_lost_everything() {
    for transport in TRANSPORTS {
        let mut cluster = Fixture::with(transport, 2, impatient);
        let store = cluster.store();
        cluster
            .run(write_file(&store, "/f", &pattern(2 * MIB, 1)))
            .unwrap();
        let before: Vec<_> = cluster.datanodes.iter().map(incarnation).collect();
        cluster.stop_namenode();
        cluster.pause(Duration::from_millis(100));
        for datanode in &cluster.datanodes {
            assert!(
                datanode.status().written_bytes > 0,
                "it keeps its blocks while it looks for the namenode"
            );
        }
        cluster.start_namenode();
        cluster.until("both datanodes are back", || live(&cluster) == 2);
        for (datanode, before) in cluster.datanodes.iter().zip(before) {
            let after = incarnation(datanode);
            assert!(
                after.0 != before.0 && after.1 != before.1,
                "{before:?} {after:?} over {transport:?}"
            );
            assert_eq!(
                datanode.status().written_bytes,
                0,
                "blocks of before are nobody's"
            );
        }
        let store = cluster.store();
        cluster.run(async {
            assert!(!store.exists("/f").await.unwrap());
            let bytes = pattern(3 * MIB, 2);
            write_file(&store, "/g", &bytes).await.unwrap();
            assert!(read_file(&store, "/g").await.unwrap() == bytes);
        });
        cluster.check();
    }
}

/// In Crail it ended there, as if there were no more names.
#[test]
fn a_listing_that_breaks_off_is_an_error() {
    let mut cluster = Fixture::new(Transport::Tcp, 0);
    let options = ConnectOptions {
        deadline: Duration::from_millis(300),
        ..cluster.namenode_address().to_string().parse().unwrap()
    };
    let store = cluster
        .run(Store::connect_with(&cluster.runtime, options))
        .unwrap();
    // More than fit into one page of the wire.
    let count = 700;
    let mut listing = cluster.run(async {
        for number in 0..count {
            let name = format!("/d/{number:04}-{}", "x".repeat(200));
            store.make_dir(&name, true).await.unwrap();
        }
        let mut listing = store.list("/d");
        listing.next().await.unwrap().unwrap();
        listing
    });
    cluster.stop_namenode();
    let rest = async {
        let mut found = 1;
        while listing.next().await?.is_some() {
            found += 1;
        }
        Ok(found)
    };
    let ended: Result<u32, Error> = cluster.run(rest);
    assert!(matches!(ended, Err(Error::Unavailable { .. })), "{ended:?}");
}

#[test]
fn reads_are_served_while_the_namenode_is_away() {
    let mut cluster = Fixture::with(Transport::Tcp, 1, impatient);
    let namenode = cluster.client(&cluster.namenode_address(), 1);
    let datanode = cluster.datanode_client(0, 1);
    let file = cluster.run(open_file(&namenode, "/f", 100));
    cluster
        .run(write_block(&datanode, &file.handle, 0, b"still here"))
        .unwrap();
    cluster.stop_namenode();
    cluster.until("the datanode has noticed", || {
        matches!(
            cluster.datanodes[0].status().registration,
            Registration::Searching { .. }
        )
    });
    let bytes = cluster
        .run(common::read_block(&datanode, &file.handle, 0, 10))
        .unwrap();
    assert_eq!(bytes, b"still here");
}

#[test]
fn a_datanode_may_start_before_its_namenode() {
    let mut cluster = Fixture::with(Transport::Tcp, 0, impatient);
    cluster.stop_namenode();
    cluster.start_datanode(0);
    cluster.pause(Duration::from_millis(50));
    let Registration::Searching { error } = cluster.datanodes[0].status().registration else {
        panic!("there is no namenode");
    };
    let address = cluster.namenode_address().to_string();
    assert!(error.contains(&address), "{error}");
    cluster.start_namenode();
    cluster.await_registrations();
    assert_eq!(live(&cluster), 1);
}

#[test]
fn a_datanode_sent_to_something_else_says_what_is_wrong() {
    let cluster = Fixture::with(Transport::Tcp, 1, impatient);
    let lost = Datanode::start(
        &cluster.runtime,
        DatanodeConfig {
            namenode: cluster.datanodes[0].listening(),
            listen: vec!["tcp://127.0.0.1:0".parse().unwrap()],
            ..cluster.datanode_config.clone()
        },
    )
    .unwrap();
    cluster.until("it has tried", || {
        matches!(lost.status().registration, Registration::Searching { error } if error.contains("unknown method"))
    });
}

#[test]
fn a_port_in_use_and_a_configuration_that_does_not_fit_are_told_at_start() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let taken = cluster.datanodes[0].listening();
    let start = |change: &dyn Fn(&mut DatanodeConfig)| {
        let mut config = DatanodeConfig {
            namenode: vec![cluster.namenode_address()],
            listen: vec!["tcp://127.0.0.1:0".parse().unwrap()],
            ..cluster.datanode_config.clone()
        };
        change(&mut config);
        Datanode::start(&cluster.runtime, config).map(|_| ()).unwrap_err()
    };
    let error = start(&|config| config.listen = taken.clone());
    assert!(
        matches!(&error, StartError::Listen { address, .. } if *address == taken[0]),
        "{error}"
    );
    assert!(matches!(
        start(&|config| config.listen.clear()),
        StartError::Config(_)
    ));
    assert!(matches!(
        start(&|config| config.namenode.clear()),
        StartError::Config(_)
    ));
    assert!(matches!(
        start(&|config| config.dram_bytes = 5000),
        StartError::Tier(_)
    ));
}

#[test]
fn a_client_that_vanishes_leaves_the_file_at_its_published_size() {
    for transport in TRANSPORTS {
        let cluster = Fixture::with(transport, 1, impatient);
        let (namenode, datanode) = (
            cluster.client(&cluster.namenode_address(), 77),
            cluster.datanode_client(0, 77),
        );
        let store = cluster.store();
        cluster.run(async {
            let file = open_file(&namenode, "/f", 3 * MIB as u64).await;
            write_block(&datanode, &file.handle, 0, &pattern(100_000, 1))
                .await
                .unwrap();
            let publish = PublishRequest {
                node: file.node,
                lease: file.lease,
                size: 70_000,
                seal: false,
            };
            namenode
                .call(namenode_method::PUBLISH, &publish, CallOptions::new())
                .await
                .unwrap();
            assert!(matches!(store.append("/f").await, Err(Error::LeaseHeld { .. })));
            drop((namenode, datanode));

            let vanished = cluster.runtime.now();
            while store.lookup("/f").await.unwrap().open {
                assert!(
                    cluster.runtime.now() - vanished < Duration::from_secs(10),
                    "the lease does not end"
                );
                cluster.runtime.sleep(Duration::from_millis(10)).await;
            }
            assert!(read_file(&store, "/f").await.unwrap() == pattern(100_000, 1)[..70_000]);
            let writer = store.append("/f").await.unwrap();
            writer.write(Buf::from_vec(pattern(50_000, 2))).await.unwrap();
            writer.close().await.unwrap();
            let expected = [&pattern(100_000, 1)[..70_000], &pattern(50_000, 2)].concat();
            assert!(
                read_file(&store, "/f").await.unwrap() == expected,
                "over {transport:?}"
            );
        });
        cluster.check();
        assert_eq!(cluster.namenode.as_ref().unwrap().status().leases, 0);
    }
}

#[test]
fn a_client_that_renews_keeps_its_lease() {
    let cluster = Fixture::with(Transport::Tcp, 1, impatient);
    let namenode = cluster.client(&cluster.namenode_address(), 77);
    cluster.run(async {
        let file = open_file(&namenode, "/f", 100).await;
        for _ in 0..10 {
            cluster.runtime.sleep(Duration::from_millis(100)).await;
            namenode
                .call(namenode_method::RENEW, &RenewRequest {}, CallOptions::new())
                .await
                .unwrap();
        }
        let publish = PublishRequest {
            node: file.node,
            lease: file.lease,
            size: 0,
            seal: true,
        };
        namenode
            .call(namenode_method::PUBLISH, &publish, CallOptions::new())
            .await
            .unwrap();
    });
}

#[test]
fn a_client_that_never_reads_its_answers_harms_nobody() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            store.make_dir("/d", false).await.unwrap();
            for number in 0..300 {
                let name = format!("/d/{number:03}-{}", "x".repeat(200));
                store
                    .create(&name, Node::File)
                    .await
                    .unwrap()
                    .close()
                    .await
                    .unwrap();
            }
            let address = cluster.namenode_address();
            let deaf = common::raw::Raw::connect(&cluster.runtime, &address, 5).await;
            let list = crake_store::protocol::namenode::ListRequest {
                path: "d",
                ..Default::default()
            };
            for id in 0..200 {
                deaf.send(common::raw::request(id, namenode_method::LIST, &list, 0))
                    .await
                    .unwrap();
            }
            for _ in 0..100 {
                assert_eq!(store.lookup("/d").await.unwrap().size, 300, "over {transport:?}");
            }
        });
    }
}

#[test]
fn failures_say_what_they_are_about() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let namenode = cluster.client(&cluster.namenode_address(), 1);
    let detail = |client: &Client, request: LookupRequest<'_>| {
        let result = cluster.run(client.call(namenode_method::LOOKUP, &request, CallOptions::new()));
        result.map(|_| ()).unwrap_err().to_string()
    };
    let path = "a/b/c";
    assert!(
        detail(
            &namenode,
            LookupRequest {
                path,
                ..Default::default()
            }
        )
        .contains("not found: /a/b/c")
    );
    let error = detail(
        &namenode,
        LookupRequest {
            path,
            base: 1234,
            ..Default::default()
        },
    );
    assert!(error.contains("\"a/b/c\" below node 1234"), "{error}");
    let result = cluster.run(namenode.call(namenode_method::LOOKUP, &Garbage, CallOptions::new()));
    assert_eq!(result.unwrap_err().status(), Some(crake_rpc::Status::BAD_REQUEST));
    let reply = cluster
        .run(namenode.call(
            namenode_method::LOOKUP,
            &LookupRequest::default(),
            CallOptions::new(),
        ))
        .unwrap();
    assert_eq!(
        LookupReplyView::parse(&reply.message)
            .unwrap()
            .node()
            .unwrap()
            .unwrap()
            .id(),
        0
    );
}

#[test]
fn roles_stop_in_good_order() {
    for transport in TRANSPORTS {
        let mut cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        cluster.run(write_file(&store, "/f", &pattern(MIB, 1))).unwrap();
        for datanode in &cluster.datanodes {
            cluster.run(datanode.shutdown());
            assert_eq!(datanode.status().connections, 0);
        }
        let namenode = cluster.namenode.take().unwrap();
        cluster.run(namenode.shutdown());
        assert_eq!(namenode.status().connections, 0);
        let options = ConnectOptions::to(&cluster.namenode_address());
        let refused = cluster.run(Store::connect_with(&cluster.runtime, options));
        assert!(refused.is_err(), "nobody listens any more over {transport:?}");
    }
}
