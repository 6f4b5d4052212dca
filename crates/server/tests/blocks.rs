//! What a datanode does with handles that are wrong and with payloads that meet.

#![allow(clippy::unwrap_used, reason = "what fails here is a failed test")]

mod common;

use std::time::Duration;

use common::raw::{Raw, request};
use common::{Fixture, MIB, OpenFile, TRANSPORTS, Transport, open_file, pattern, read_block, write_block};
use crake_rpc::{CallError, CallOptions, Client};
use crake_store::protocol::datanode::{
    CheckReplyView, CheckRequest, ReadRequest, StatusReplyView, StatusRequest, WriteRequest,
    datanode as method,
};
use crake_store::protocol::namenode::{CreateReplyView, CreateRequest, Kind, namenode as namenode_method};
use crake_store::protocol::{Code, Handle};

const BLOCK: usize = MIB as usize;

fn code(result: Result<impl Sized, CallError>) -> Code {
    let Err(error) = result else {
        panic!("it was granted")
    };
    let status = error.status().unwrap_or_else(|| panic!("{error}"));
    Code::from_number(status.0).unwrap_or_else(|| panic!("{error}"))
}

fn namenode(cluster: &Fixture, id: u128) -> Client {
    cluster.client(&cluster.namenode_address(), id)
}

/// A cluster that has one block: whoever creates a file after the last one was deleted gets it again.
fn one_block(transport: Transport) -> Fixture {
    Fixture::with(transport, 1, |_, datanode| datanode.dram_bytes = MIB)
}

/// Deletes `old` and gives its block to `new`.
async fn reissue(cluster: &Fixture, namenode: &Client, old: &str, new: &str) -> OpenFile {
    let store = crake_store::Store::attach(&cluster.runtime, &cluster.namenode_address())
        .await
        .unwrap();
    store.delete(old, false).await.unwrap();
    open_file(namenode, new, MIB).await
}

#[test]
fn forged_stale_and_out_of_range_handles_are_refused_and_do_no_harm() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            assert_eq!(file.length as u64, MIB);
            write_block(&datanode, &file.handle, 0, b"good").await.unwrap();

            for bit in 0..Handle::BYTES * 8 {
                let mut forged = file.handle.clone();
                forged[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(
                    code(write_block(&datanode, &forged, 0, b"evil").await),
                    Code::Forged,
                    "bit {bit}"
                );
                assert_eq!(
                    code(read_block(&datanode, &forged, 0, 4).await),
                    Code::Forged,
                    "bit {bit}"
                );
            }
            for forged in [
                vec![],
                vec![0; 47],
                vec![0; 48],
                [&file.handle[..], &[0]].concat(),
            ] {
                assert_eq!(code(read_block(&datanode, &forged, 0, 4).await), Code::Forged);
            }
            for (offset, len) in [
                (0, BLOCK as u32 + 1),
                (BLOCK as u32, 1),
                (u32::MAX, 1),
                (2, u32::MAX),
            ] {
                assert_eq!(
                    code(read_block(&datanode, &file.handle, offset, len).await),
                    Code::OutOfRange
                );
            }
            for (offset, len) in [(BLOCK - 1, 2), (u32::MAX as usize, 1), (1, BLOCK)] {
                let result = write_block(&datanode, &file.handle, offset as u32, &vec![1; len]).await;
                assert_eq!(code(result), Code::OutOfRange);
            }
            assert_eq!(
                code(read_block(&datanode, &file.handle, 0, 5).await),
                Code::Unwritten
            );
            assert_eq!(read_block(&datanode, &file.handle, 0, 4).await.unwrap(), b"good");

            let newer = reissue(&cluster, &namenode, "/f", "/g").await;
            assert_eq!(
                read_block(&datanode, &file.handle, 0, 4).await.unwrap(),
                b"good",
                "nobody has the block yet"
            );
            assert_eq!(
                code(read_block(&datanode, &newer.handle, 0, 4).await),
                Code::Unwritten
            );
            assert_eq!(code(read_block(&datanode, &file.handle, 0, 4).await), Code::Stale);
            assert_eq!(
                code(write_block(&datanode, &file.handle, 0, b"evil").await),
                Code::Stale
            );
            assert_eq!(
                code(write_block(&datanode, &file.handle, 0, &vec![6; BLOCK]).await),
                Code::Stale
            );
        });
    }
}

#[test]
fn a_reader_s_handle_does_not_write() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let store = cluster.store();
    let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
    cluster.run(async {
        common::write_file(&store, "/f", b"read only").await.unwrap();
        let lookup = crake_store::protocol::namenode::LookupRequest {
            path: "f",
            blocks: true,
            ..Default::default()
        };
        let reply = namenode
            .call(namenode_method::LOOKUP, &lookup, CallOptions::new())
            .await
            .unwrap();
        let reply = crake_store::protocol::namenode::LookupReplyView::parse(&reply.message).unwrap();
        let handle = reply
            .blocks()
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .handles()
            .unwrap();
        assert_eq!(read_block(&datanode, handle, 0, 9).await.unwrap(), b"read only");
        assert_eq!(code(write_block(&datanode, handle, 0, b"x").await), Code::NoRight);
        assert_eq!(
            code(write_block(&datanode, handle, 0, &[0; 4096]).await),
            Code::NoRight
        );
    });
}

#[test]
fn half_a_payload_is_not_readable_and_its_block_can_be_written_again() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        let address = cluster.datanodes[0].listening()[0].clone();
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            let write = WriteRequest {
                handle: &file.handle,
                offset: 0,
            };
            let half = Raw::connect(&cluster.runtime, &address, 2).await;
            half.send(request(1, method::WRITE, &write, BLOCK)).await.unwrap();
            half.send(vec![7; BLOCK / 2]).await.unwrap();
            cluster.runtime.sleep(Duration::from_millis(5)).await;
            assert_eq!(cluster.datanodes[0].status().under_way, 1, "{transport:?}");
            assert_eq!(
                code(read_block(&datanode, &file.handle, 0, 1).await),
                Code::Unwritten
            );
            drop(half);
            cluster.runtime.sleep(Duration::from_millis(5)).await;
            assert_eq!(cluster.datanodes[0].status().under_way, 0, "{transport:?}");
            assert_eq!(
                code(read_block(&datanode, &file.handle, 0, 1).await),
                Code::Unwritten
            );

            let whole = pattern(BLOCK, 3);
            write_block(&datanode, &file.handle, 0, &whole).await.unwrap();
            assert!(
                read_block(&datanode, &file.handle, 0, BLOCK as u32)
                    .await
                    .unwrap()
                    == whole
            );
        });
    }
}

#[test]
fn half_an_overwriting_payload_leaves_what_was_there() {
    let cluster = one_block(Transport::Tcp);
    let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
    let address = cluster.datanodes[0].listening()[0].clone();
    cluster.run(async {
        let file = open_file(&namenode, "/f", MIB).await;
        let first = pattern(BLOCK, 1);
        write_block(&datanode, &file.handle, 0, &first).await.unwrap();
        let write = WriteRequest {
            handle: &file.handle,
            offset: 0,
        };
        let half = Raw::connect(&cluster.runtime, &address, 2).await;
        half.send(request(1, method::WRITE, &write, BLOCK)).await.unwrap();
        half.send(vec![7; BLOCK / 2]).await.unwrap();
        cluster.runtime.sleep(Duration::from_millis(5)).await;
        assert!(
            read_block(&datanode, &file.handle, 0, BLOCK as u32)
                .await
                .unwrap()
                == first
        );
        drop(half);
        cluster.runtime.sleep(Duration::from_millis(5)).await;
        assert!(
            read_block(&datanode, &file.handle, 0, BLOCK as u32)
                .await
                .unwrap()
                == first
        );
        let second = pattern(BLOCK, 2);
        write_block(&datanode, &file.handle, 0, &second).await.unwrap();
        assert!(
            read_block(&datanode, &file.handle, 0, BLOCK as u32)
                .await
                .unwrap()
                == second
        );
    });
}

/// What `crake fsck` asks: nothing is read, and no handle is believed.
#[test]
fn a_datanode_says_which_bytes_it_has() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            write_block(&datanode, &file.handle, 0, &pattern(5000, 1))
                .await
                .unwrap();
            let check = async |handles: &[u8], lengths: &[u32]| {
                let request = CheckRequest { handles, lengths };
                let reply = datanode.call(method::CHECK, &request, CallOptions::new()).await?;
                let codes = CheckReplyView::parse(&reply.message).unwrap().codes().unwrap();
                Ok::<Vec<u32>, CallError>(codes.collect())
            };
            let mut forged = file.handle.to_vec();
            forged[20] ^= 1;
            let all = [&file.handle[..], &file.handle, &forged, &file.handle].concat();
            let codes =
                [Code::Unwritten, Code::Forged, Code::OutOfRange].map(|code| u32::from(code.number()));
            assert_eq!(
                check(&all, &[5000, 5001, 1, u32::MAX]).await.unwrap(),
                [0, codes[0], codes[1], codes[2]]
            );
            assert!(check(&[], &[]).await.unwrap().is_empty());
            // A handle without a length, half a handle, and too many.
            for (handles, lengths) in [
                (file.handle.to_vec(), vec![]),
                (file.handle[..20].to_vec(), vec![1]),
                (file.handle.repeat(513), vec![1; 513]),
            ] {
                assert!(matches!(
                    check(&handles, &lengths).await,
                    Err(CallError::Failed { .. })
                ));
            }
        });
    }
}

#[test]
fn a_payload_that_stops_arriving_gives_way_to_the_block_s_next_owner() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        let address = cluster.datanodes[0].listening()[0].clone();
        cluster.run(async {
            let old = open_file(&namenode, "/old", MIB).await;
            let write = WriteRequest {
                handle: &old.handle,
                offset: 0,
            };
            let mut stuck = Raw::connect(&cluster.runtime, &address, 2).await;
            stuck
                .send(request(1, method::WRITE, &write, BLOCK))
                .await
                .unwrap();
            stuck.send(vec![7; BLOCK / 2]).await.unwrap();
            cluster.runtime.sleep(Duration::from_millis(5)).await;

            let new = reissue(&cluster, &namenode, "/old", "/new").await;
            let bytes = pattern(BLOCK, 4);
            write_block(&datanode, &new.handle, 0, &bytes).await.unwrap();
            // The rest of the old payload: its connection is gone, and none of it may land.
            let _ = stuck.send(vec![7; BLOCK / 2]).await;
            assert!(stuck.answer().await.is_err(), "{transport:?}");
            cluster.runtime.sleep(Duration::from_millis(5)).await;
            let back = read_block(&datanode, &new.handle, 0, BLOCK as u32).await.unwrap();
            assert!(
                back == bytes,
                "an older payload landed on a newer one over {transport:?}"
            );
        });
    }
}

#[test]
fn a_payload_that_arrives_late_is_refused_and_the_next_owner_s_is_kept() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        let address = cluster.datanodes[0].listening()[0].clone();
        cluster.run(async {
            let old = open_file(&namenode, "/old", MIB).await;
            let write = WriteRequest {
                handle: &old.handle,
                offset: 0,
            };
            let mut late = Raw::connect(&cluster.runtime, &address, 2).await;
            late.send(request(1, method::WRITE, &write, BLOCK)).await.unwrap();
            late.send(vec![7; BLOCK / 2]).await.unwrap();
            cluster.runtime.sleep(Duration::from_millis(5)).await;

            let new = reissue(&cluster, &namenode, "/old", "/new").await;
            let bytes = pattern(BLOCK, 4);
            let newer = write_block(&datanode, &new.handle, 0, &bytes);
            let older = async {
                cluster.runtime.sleep(Duration::from_millis(20)).await;
                late.send(vec![7; BLOCK / 2]).await.unwrap();
                late.answer().await.unwrap().status
            };
            let (newer, older) = both(newer, older).await;
            newer.unwrap();
            assert_eq!(Code::from_number(older), Some(Code::Stale), "{transport:?}");
            assert!(
                read_block(&datanode, &new.handle, 0, BLOCK as u32).await.unwrap() == bytes,
                "{transport:?}"
            );
        });
    }
}

#[test]
fn a_reader_that_does_not_read_never_gets_the_next_owner_s_bytes() {
    const READS: u32 = 16;
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        let address = cluster.datanodes[0].listening()[0].clone();
        cluster.run(async {
            let old = open_file(&namenode, "/old", MIB).await;
            let old_bytes = pattern(BLOCK, 1);
            write_block(&datanode, &old.handle, 0, &old_bytes).await.unwrap();
            let mut slow = Raw::connect(&cluster.runtime, &address, 2).await;
            let read = ReadRequest {
                handle: &old.handle,
                offset: 0,
                length: BLOCK as u32,
            };
            for id in 0..READS {
                slow.send(request(id, method::READ, &read, 0)).await.unwrap();
            }
            cluster.runtime.sleep(Duration::from_millis(5)).await;
            let queued = cluster.datanodes[0].status().under_way;
            assert!(
                queued > 0,
                "the replies do not fit into the sockets of {transport:?}"
            );

            let new = reissue(&cluster, &namenode, "/old", "/new").await;
            let new_bytes = pattern(BLOCK, 2);
            write_block(&datanode, &new.handle, 0, &new_bytes).await.unwrap();

            let mut whole = 0;
            while let Ok(answer) = slow.answer().await {
                if answer.status == 0 {
                    assert!(
                        answer.payload == old_bytes,
                        "answer {} over {transport:?} is torn",
                        answer.id
                    );
                    whole += 1;
                } else {
                    assert_eq!(Code::from_number(answer.status), Some(Code::Stale));
                }
            }
            assert!(whole < READS, "the reader was cut off");
            assert!(read_block(&datanode, &new.handle, 0, BLOCK as u32).await.unwrap() == new_bytes);
        });
    }
}

#[test]
fn a_reader_that_reads_is_not_cut_off_by_the_next_owner() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
        let reader = cluster.datanode_client(0, 2);
        cluster.run(async {
            let old = open_file(&namenode, "/old", MIB).await;
            let old_bytes = pattern(BLOCK, 1);
            write_block(&datanode, &old.handle, 0, &old_bytes).await.unwrap();
            let read = ReadRequest {
                handle: &old.handle,
                offset: 0,
                length: BLOCK as u32,
            };
            let reads = (0..32)
                .map(|_| reader.call(method::READ, &read, CallOptions::new()))
                .collect::<Vec<_>>();
            let new = reissue(&cluster, &namenode, "/old", "/new").await;
            let new_bytes = pattern(BLOCK, 2);
            let write = write_block(&datanode, &new.handle, 0, &new_bytes);
            let reading = async {
                for read in reads {
                    match read.await {
                        Ok(reply) => assert!(reply.payload.to_vec() == old_bytes, "torn over {transport:?}"),
                        failed => assert_eq!(code(failed), Code::Stale),
                    }
                }
            };
            both(write, reading).await.0.unwrap();
            assert!(reader.is_connected(), "{transport:?}");
            assert!(read_block(&datanode, &new.handle, 0, BLOCK as u32).await.unwrap() == new_bytes);
        });
    }
}

#[test]
fn two_writers_of_one_block_leave_the_bytes_of_one_or_the_other() {
    for transport in TRANSPORTS {
        let cluster = one_block(transport);
        let namenode = namenode(&cluster, 1);
        let (one, other) = (cluster.datanode_client(0, 1), cluster.datanode_client(0, 2));
        cluster.run(async {
            let file = open_file(&namenode, "/f", MIB).await;
            for round in 0..20 {
                let (ones, others) = (pattern(BLOCK, 2 * round), pattern(BLOCK, 2 * round + 1));
                let written = both(
                    write_block(&one, &file.handle, 0, &ones),
                    write_block(&other, &file.handle, 0, &others),
                );
                let (first, second) = written.await;
                first.unwrap();
                second.unwrap();
                let back = read_block(&one, &file.handle, 0, BLOCK as u32).await.unwrap();
                assert!(
                    back == ones || back == others,
                    "mixed bytes in round {round} over {transport:?}"
                );
            }
        });
    }
}

#[test]
fn a_full_tier_says_so_and_keeps_what_it_has() {
    for transport in TRANSPORTS {
        let cluster = Fixture::with(transport, 2, |_, datanode| datanode.dram_bytes = 2 * MIB);
        let store = cluster.store();
        cluster.run(async {
            let bytes = pattern(6 * BLOCK, 1);
            let error = common::write_file(&store, "/too-much", &bytes).await.unwrap_err();
            assert!(matches!(error, crake_store::Error::NoSpace { .. }), "{error}");
            let kept = common::read_file(&store, "/too-much").await.unwrap();
            assert!(
                kept == bytes[..4 * BLOCK],
                "{} bytes over {transport:?}",
                kept.len()
            );
            let error = common::write_file(&store, "/more", b"x").await.unwrap_err();
            assert!(matches!(error, crake_store::Error::NoSpace { .. }), "{error}");
            store.delete("/too-much", false).await.unwrap();
            common::write_file(&store, "/fits", &bytes[..BLOCK])
                .await
                .unwrap();
            assert!(common::read_file(&store, "/fits").await.unwrap() == bytes[..BLOCK]);
        });
        cluster.check();
    }
}

#[test]
fn a_datanode_tells_its_state_and_takes_payloads_for_nothing_but_writes() {
    let cluster = Fixture::new(Transport::Tcp, 1);
    let (namenode, datanode) = (namenode(&cluster, 1), cluster.datanode_client(0, 1));
    cluster.run(async {
        let file = open_file(&namenode, "/f", 5).await;
        write_block(&datanode, &file.handle, 0, b"hello").await.unwrap();
        let reply = datanode
            .call(method::STATUS, &StatusRequest {}, CallOptions::new())
            .await
            .unwrap();
        let status = StatusReplyView::parse(&reply.message).unwrap();
        assert_eq!(
            (status.blocks(), status.written(), status.capacity()),
            (1, 5, 64 * MIB)
        );

        let options = || CallOptions::new().payload(crake_mem::Buf::from_static(b"payload"));
        let read = ReadRequest {
            handle: &file.handle,
            offset: 0,
            length: 5,
        };
        let error = datanode.call(method::READ, &read, options()).await.unwrap_err();
        assert_eq!(error.status(), Some(crake_rpc::Status::BAD_REQUEST));
        let create = CreateRequest {
            path: "x",
            kind: Kind::File,
            ..CreateRequest::default()
        };
        let error = namenode
            .call(namenode_method::CREATE, &create, options())
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(crake_rpc::Status::BAD_REQUEST));
        let error = datanode.call(99, &read, CallOptions::new()).await.unwrap_err();
        assert_eq!(error.status(), Some(crake_rpc::Status::UNKNOWN_METHOD));
        let reply = namenode
            .call(namenode_method::CREATE, &create, CallOptions::new())
            .await
            .unwrap();
        assert!(CreateReplyView::parse(&reply.message).unwrap().lease() != 0);
    });
}

async fn both<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> (A, B) {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    let (mut a, mut b) = (None, None);
    std::future::poll_fn(|cx| {
        if a.is_none()
            && let std::task::Poll::Ready(result) = one.as_mut().poll(cx)
        {
            a = Some(result);
        }
        if b.is_none()
            && let std::task::Poll::Ready(result) = other.as_mut().poll(cx)
        {
            b = Some(result);
        }
        if a.is_some() && b.is_some() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    (a.unwrap(), b.unwrap())
}
