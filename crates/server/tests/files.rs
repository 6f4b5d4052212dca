//! Files, tables and names through a whole cluster, over each transport.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use common::{Fixture, TRANSPORTS, pattern, read_file, write_file};
use crake_store::{Error, KeyRange, Node};

const MIB: usize = 1 << 20;
const KIB_64: usize = 64 << 10;

#[test]
fn files_of_all_sizes_come_back_as_they_went() {
    let sizes = [
        0,
        1,
        4095,
        4096,
        4097,
        KIB_64 - 1,
        KIB_64,
        KIB_64 + 1,
        MIB - 1,
        MIB,
        MIB + 1,
        10 * MIB,
    ];
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        cluster.run(async {
            for size in sizes {
                let bytes = pattern(size, size as u64);
                let path = format!("/file-{size}");
                write_file(&store, &path, &bytes).await.unwrap();
                assert_eq!(store.lookup(&path).await.unwrap().size, size as u64);
                let back = read_file(&store, &path).await.unwrap();
                assert!(back == bytes, "{size} bytes over {transport:?} are not the same");
            }
        });
        cluster.check();
        let written: u64 = cluster
            .datanodes
            .iter()
            .map(|datanode| datanode.status().written_bytes)
            .sum();
        assert_eq!(written, sizes.iter().sum::<usize>() as u64, "{transport:?}");
    }
}

#[test]
fn any_range_can_be_read() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 2);
        let store = cluster.store();
        let bytes = pattern(3 * MIB + 17, 5);
        cluster.run(async {
            write_file(&store, "/f", &bytes).await.unwrap();
            let reader = store.open("/f").await.unwrap().reader().unwrap();
            for (offset, len) in [
                (0, 1),
                (MIB - 1, 2),
                (MIB, MIB),
                (1, 3 * MIB),
                (3 * MIB + 16, 1),
                (3 * MIB + 17, 5),
            ] {
                let end = (offset + len).min(bytes.len());
                let back = reader.read_to_vec(offset as u64, len).await.unwrap();
                assert!(back == bytes[offset..end], "{len} at {offset} over {transport:?}");
            }
        });
    }
}

#[test]
fn tables_keep_small_and_large_values() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            let table = store.make_table("/t", true).await.unwrap();
            let sizes = [0, 1, 64, 1024, 1025, 4096, 100_000];
            for size in sizes {
                let key = format!("key-{size:06}");
                table.put(key.as_bytes(), &pattern(size, 1)).await.unwrap();
                table.put(key.as_bytes(), &pattern(size, 2)).await.unwrap();
            }
            for size in sizes {
                let value = table
                    .get(format!("key-{size:06}").as_bytes())
                    .await
                    .unwrap()
                    .unwrap();
                assert!(
                    value[..] == pattern(size, 2),
                    "value of {size} over {transport:?}: the last put wins"
                );
            }
            assert!(table.get(b"nobody").await.unwrap().is_none());
            let mut keys = Vec::new();
            let mut scan = table.scan(KeyRange::prefix(b"key-"));
            while let Some(entry) = scan.next().await.unwrap() {
                let size: usize = std::str::from_utf8(&entry.key[4..]).unwrap().parse().unwrap();
                assert!(
                    entry.value == pattern(size, 2),
                    "value of {size} over {transport:?}"
                );
                keys.push(entry.key.to_vec());
            }
            assert_eq!(keys.len(), sizes.len());
            assert!(keys.is_sorted());
            let range = KeyRange::prefix(b"key-")
                .from(&keys[1])
                .until(keys.last().unwrap());
            let mut scan = table.scan(range.reversed());
            for key in keys[1..keys.len() - 1].iter().rev() {
                assert_eq!(scan.next().await.unwrap().unwrap().key, key);
            }
            assert!(scan.next().await.unwrap().is_none());
            assert!(table.remove(b"key-000064").await.unwrap());
            assert!(table.get(b"key-000064").await.unwrap().is_none());
        });
        cluster.check();
    }
}

#[test]
fn names_can_be_listed_moved_and_deleted() {
    for transport in TRANSPORTS {
        let cluster = Fixture::new(transport, 1);
        let store = cluster.store();
        cluster.run(async {
            store.make_dir("/a/b", true).await.unwrap();
            // More than fit into one page of the wire.
            for number in 0..700 {
                let name = format!("/a/b/{number:04}-{}", "x".repeat(200));
                store
                    .create(&name, Node::File)
                    .await
                    .unwrap()
                    .close()
                    .await
                    .unwrap();
            }
            let mut listing = store.list("/a/b");
            let mut names = Vec::new();
            while let Some(entry) = listing.next().await.unwrap() {
                names.push(entry.name.to_string());
            }
            assert_eq!(names.len(), 700);
            assert!(names.is_sorted());

            write_file(&store, "/a/x", b"moved").await.unwrap();
            store.rename("/a/x", "/a/b/x").await.unwrap();
            assert_eq!(read_file(&store, "/a/b/x").await.unwrap(), b"moved");
            assert!(matches!(store.lookup("/a/x").await, Err(Error::NotFound { .. })));
            assert!(matches!(
                store.rename("/a", "/a/b/c").await,
                Err(Error::Cycle { .. })
            ));

            assert!(matches!(
                store.delete("/a", false).await,
                Err(Error::NotEmpty { .. })
            ));
            store.delete("/a", true).await.unwrap();
            assert!(!store.exists("/a/b/x").await.unwrap());
        });
        cluster.check();
        assert_eq!(
            cluster.namenode.as_ref().unwrap().status().used_bytes,
            0,
            "deleted files hold no block"
        );
    }
}

#[test]
fn a_namenode_and_its_datanodes_listen_at_several_addresses() {
    let dir = tempfile::TempDir::new().unwrap();
    let unix = |name: &str| crake_datapath::Address::Unix(dir.path().join(name));
    let cluster = Fixture::with(common::Transport::Tcp, 0, |namenode, _| {
        namenode.listen = vec![
            "tcp://127.0.0.1:0".parse().unwrap(),
            unix("n"),
            "tcp://[::1]:0".parse().unwrap(),
        ];
    });
    let addresses = cluster.namenode.as_ref().unwrap().listening();
    let datanode = crake_server::Datanode::start(
        &cluster.runtime,
        crake_server::DatanodeConfig {
            namenode: vec![addresses[1].clone()],
            listen: vec![unix("d"), "tcp://127.0.0.1:0".parse().unwrap()],
            ..cluster.datanode_config.clone()
        },
    )
    .unwrap();
    cluster.run(datanode.registered());
    for (number, address) in addresses.iter().enumerate() {
        cluster.run(async {
            let store = crake_store::Store::attach(&cluster.runtime, address)
                .await
                .unwrap();
            let path = format!("/{number}");
            write_file(&store, &path, &pattern(100_000, 1)).await.unwrap();
            assert!(read_file(&store, &path).await.unwrap() == pattern(100_000, 1));
        });
    }
}
