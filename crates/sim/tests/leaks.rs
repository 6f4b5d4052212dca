//! Blocks that a planted bug has had leak are found and freed, in a cluster that serves. No such bug is in what is shipped, so this can be tried here alone.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use crake_datapath::{Runtime, RuntimeConfig};
use crake_mem::Buf;
use crake_server::{Cluster, ClusterConfig, Namenode};
use crake_sim::Canary;
use crake_store::canary::plant;
use crake_store::{FreedBlocks, Holder, Node, Store};

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

async fn put(store: &Store, path: &str, size: usize) {
    let writer = store.create(path, Node::File).await.unwrap().writer().unwrap();
    writer.write(Buf::copy_from_slice(&vec![7; size])).await.unwrap();
    writer.close().await.unwrap();
}

async fn has_bytes(store: &Store, path: &str, size: usize) -> bool {
    let file = store.open(path).await.unwrap();
    let bytes = file.reader().unwrap().read_to_vec(0, size).await.unwrap();
    bytes == vec![7; size]
}

fn check(cluster: &Cluster) -> Result<(), String> {
    cluster.namenodes().iter().try_for_each(Namenode::check)
}

/// Makes files in eight directories and deletes them: their blocks leak.
async fn leak(store: &Store, sizes: &[usize]) {
    for name in NAMES {
        store.make_dir(&format!("/{name}"), true).await.unwrap();
        for (number, &size) in sizes.iter().enumerate() {
            let path = format!("/{name}/{number}");
            put(store, &path, size).await;
            plant(Some(Canary::KeepBlocks));
            store.delete(&path, false).await.unwrap();
            plant(None);
        }
    }
}

fn in_cluster(partitions: u16, test: impl AsyncFnOnce(Store, &Cluster)) {
    let runtime = Runtime::new(RuntimeConfig::default()).unwrap();
    let config = ClusterConfig {
        partitions,
        ..ClusterConfig::default()
    };
    let cluster = Cluster::start(&runtime, config).unwrap();
    runtime.block_on(async {
        cluster.ready().await;
        let store = Store::attach(&runtime, &cluster.address()).await.unwrap();
        test(store, &cluster).await;
    });
}

fn frees_all(partitions: u16) {
    in_cluster(partitions, async |store, cluster| {
        put(&store, "/kept", 300_000).await;
        let used = store.usage().await.unwrap().used;
        leak(&store, &[3_000, 70_000, 3_000_000]).await;
        check(cluster).unwrap_err();
        let leaked = store.usage().await.unwrap().used - used;
        // Fewer are listed than there are, and all are freed.
        let found = store.unnamed_blocks(2).await.unwrap();
        assert_eq!((found.leaked_bytes, found.held), (leaked, 0));
        assert!(found.leaked > 2 && found.unlisted() > 0, "{found:?}");
        assert!(found.blocks.iter().all(|block| block.holder == Holder::Nobody));
        let everything = FreedBlocks {
            freed: found.leaked,
            freed_bytes: leaked,
            ..FreedBlocks::default()
        };
        assert_eq!(store.free_leaked(&found).await.unwrap(), everything);
        assert_eq!(store.usage().await.unwrap().used, used);
        check(cluster).unwrap();
        let found_again = store.unnamed_blocks(2).await.unwrap();
        assert_eq!((found_again.leaked, found_again.held), (0, 0));
        // Who has found the same comes too late.
        let nothing = FreedBlocks {
            absent: found.leaked,
            ..FreedBlocks::default()
        };
        assert_eq!(store.free_leaked(&found).await.unwrap(), nothing);
        assert!(has_bytes(&store, "/kept", 300_000).await);
    });
}

#[test]
fn what_has_leaked_is_freed() {
    frees_all(1);
}

#[test]
fn what_has_leaked_is_freed_at_each_partition() {
    frees_all(3);
}

/// What has leaked is freed by somebody else, and given out again, before it was to be freed: it has another owner now.
#[test]
fn what_is_given_out_again_meanwhile_is_left_alone() {
    in_cluster(1, async |store, cluster| {
        leak(&store, &[3_000_000]).await;
        let found = store.unnamed_blocks(0).await.unwrap();
        store.free_leaked(&found).await.unwrap();
        let sizes = [3_000_000; 8];
        for (number, size) in sizes.iter().enumerate() {
            put(&store, &format!("/new{number}"), *size).await;
        }
        let freed = store.free_leaked(&found).await.unwrap();
        assert_eq!((freed.freed, freed.owned), (0, 0), "{freed:?}");
        assert!(freed.changed > 0, "{freed:?}");
        check(cluster).unwrap();
        for (number, size) in sizes.iter().enumerate() {
            assert!(has_bytes(&store, &format!("/new{number}"), *size).await);
        }
    });
}
