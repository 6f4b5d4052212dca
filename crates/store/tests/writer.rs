//! What a writer does with blocks, acknowledgements and failures.

mod fake;

use std::time::Duration;

use crake_mem::{Buf, Sga};
use crake_store::protocol::Code;
use crake_store::protocol::namenode::namenode as method;
use crake_store::{ConnectOptions, Error, Node};
use fake::{Asked, Fake, Instead, Role, pattern};

fn writes(fake: &Fake) -> Vec<(u32, u32, usize)> {
    let asked = fake.asked();
    let of = |asked: &Asked| match asked {
        Asked::Write { block, offset, bytes } => Some((*block, *offset, bytes.len())),
        _ => None,
    };
    asked.iter().filter_map(of).collect()
}

#[test]
fn a_write_is_split_at_the_borders_of_blocks() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(250))).await.unwrap();
        writer.write(Buf::from_vec(pattern(60))).await.unwrap();
        assert_eq!(writer.close().await.unwrap().size, 310);
    });
    assert_eq!(
        writes(&fake),
        [(1, 0, 100), (2, 0, 100), (3, 0, 50), (3, 50, 50), (4, 0, 10)]
    );
    assert_eq!(fake.state().file_bytes(), [pattern(250), pattern(60)].concat());
}

#[test]
fn pieces_handed_in_together_go_out_together() {
    let fake = Fake::new(1000);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        for at in 0..10 {
            drop(writer.write(Buf::from_vec(vec![at; 10])));
        }
        writer.close().await.unwrap();
    });
    assert_eq!(writes(&fake), [(1, 0, 100)]);
    let expected: Vec<u8> = (0..10).flat_map(|at| [at; 10]).collect();
    assert_eq!(fake.state().file_bytes(), expected);
}

#[test]
fn the_next_block_is_asked_for_while_the_last_one_is_written() {
    let fake = Fake::new(1000);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        fake.state().hold_writes = true;
        let first = writer.write(Buf::from_vec(pattern(800)));
        fake.until("the next block was asked for", |state| {
            state.asked.contains(&Asked::Allocate {
                offset: 1000,
                want: 800,
            })
        })
        .await;
        assert!(first.try_wait().is_none(), "the first write is still on its way");
        fake.state().hold_writes = false;
        fake.release();
        first.await.unwrap();
        writer.write(Buf::from_vec(pattern(800))).await.unwrap();
        writer.close().await.unwrap();
    });
}

#[test]
fn a_small_file_takes_one_block() {
    let fake = Fake::new(4096);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(100))).await.unwrap();
        writer.close().await.unwrap();
    });
    assert_eq!(fake.state().next_block, 1);
}

#[test]
fn nothing_is_published_before_it_is_acknowledged() {
    let fake = Fake::new(1000);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        fake.state().hold_writes = true;
        drop(writer.write(Buf::from_vec(pattern(1500))));
        let mut publish = std::pin::pin!(writer.publish());
        let deadline = fake.runtime.now_exact() + Duration::from_millis(30);
        assert!(fake.runtime.timeout(deadline, publish.as_mut()).await.is_err());
        assert_eq!(fake.state().held.len(), 2, "both parts were written");
        assert_eq!(
            fake.count(&Asked::Publish {
                size: 1500,
                seal: false
            }),
            0
        );
        fake.release();
        assert_eq!(publish.await.unwrap().size, 1500);
    });
}

#[test]
fn no_more_is_in_flight_than_the_limit() {
    let fake = Fake::new(100);
    let options = ConnectOptions {
        in_flight_bytes_max: 250,
        ..fake.options()
    };
    fake.run_with(options, async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        fake.state().hold_writes = true;
        let write = writer.write(Buf::from_vec(pattern(1000)));
        while write.try_wait().is_none() {
            fake.until("a part arrives", |state| !state.held.is_empty()).await;
            fake.settle().await;
            fake.release();
            fake.settle().await;
        }
        writer.close().await.unwrap();
    });
    // A part begins below the limit, so one of them passes it.
    assert_eq!(fake.state().outstanding_write_bytes_max, 300);
    assert_eq!(fake.state().file_bytes(), pattern(1000));
}

#[test]
fn when_space_runs_out_what_fits_is_published() {
    let fake = Fake::new(100);
    fake.state().blocks_left = 3;
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        let fits = writer.write(Buf::from_vec(pattern(250)));
        let passes = writer.write(Buf::from_vec(pattern(100)));
        fits.await.unwrap();
        assert!(matches!(passes.await, Err(Error::NoSpace { .. })));
        assert!(matches!(
            writer.write(Buf::from_vec(pattern(1))).await,
            Err(Error::NoSpace { .. })
        ));
        assert!(matches!(writer.close().await, Err(Error::NoSpace { .. })));
    });
    assert_eq!(
        fake.count(&Asked::Publish {
            size: 300,
            seal: true
        }),
        1
    );
    assert_eq!(fake.state().file_bytes(), [pattern(250), pattern(50)].concat());
}

#[test]
fn space_that_runs_out_ahead_of_need_is_no_error() {
    let fake = Fake::new(100);
    fake.state().blocks_left = 1;
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(80))).await.unwrap();
        fake.until("the second block was asked for", |state| {
            state.asked.contains(&Asked::Allocate {
                offset: 100,
                want: 80,
            })
        })
        .await;
        writer.write(Buf::from_vec(pattern(20))).await.unwrap();
        fake.state().blocks_left = 1;
        writer.write(Buf::from_vec(pattern(20))).await.unwrap();
        assert_eq!(writer.close().await.unwrap().size, 120);
    });
}

#[test]
fn blocks_that_do_not_follow_the_last_one_are_not_asked_for_for_ever() {
    let fake = Fake::new(100);
    fake.state().misplaced_by = 100;
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        let error = writer.write(Buf::from_vec(pattern(10))).await.unwrap_err();
        assert!(
            matches!(&error, Error::Protocol { peer, .. } if peer.starts_with("namenode")),
            "{error}"
        );
    });
    assert_eq!(fake.count(&Asked::Allocate { offset: 0, want: 10 }), 1);
    assert!(writes(&fake).is_empty());
}

#[test]
fn a_write_is_sent_again_after_a_lost_connection() {
    let fake = Fake::new(1000);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(10))).await.unwrap();
        fake.state().hold_writes = true;
        let write = writer.write(Buf::from_vec(pattern(20)));
        fake.until("the write arrives", |state| !state.held.is_empty())
            .await;
        fake.state().hold_writes = false;
        fake.cut_off(&fake.datanode);
        write.await.unwrap();
        writer.close().await.unwrap();
        assert_eq!(store.stats().repeats, 1);
    });
    assert_eq!(writes(&fake), [(1, 0, 10), (1, 10, 20), (1, 10, 20)]);
}

#[test]
fn a_datanode_that_began_anew_has_lost_what_was_written() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(50))).await.unwrap();
        writer.publish().await.unwrap();
        fake.state().incarnation = 2;
        let lost = writer.write(Buf::from_vec(pattern(50))).await.unwrap_err();
        assert_eq!(
            lost,
            Error::BlockLost {
                path: "/f".into(),
                offset: 50,
                len: 50
            }
        );
        assert_eq!(writer.close().await.unwrap_err(), lost);
    });
    assert_eq!(fake.count(&Asked::Publish { size: 50, seal: true }), 1);
}

#[test]
fn a_failed_part_spoils_what_is_behind_it_and_nothing_in_front() {
    let fake = Fake::new(100);
    fake.instead(Role::Datanode, 1, Instead::Hold);
    fake.instead(Role::Datanode, 1, Instead::Fail(Code::NoRight));
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        let front = writer.write(Buf::from_vec(pattern(100)));
        let failed = writer.write(Buf::from_vec(pattern(100)));
        let behind = writer.write(Buf::from_vec(pattern(100)));
        assert!(matches!(failed.await, Err(Error::Protocol { .. })));
        assert!(behind.await.is_err());
        assert!(front.try_wait().is_none());
        fake.release();
        front.await.unwrap();
        assert!(writer.close().await.is_err());
    });
    assert_eq!(
        fake.count(&Asked::Publish {
            size: 100,
            seal: true
        }),
        1
    );
}

#[test]
fn a_seal_whose_answer_is_lost_counts_when_the_file_is_as_it_should_be() {
    let fake = Fake::new(1000);
    fake.instead(Role::Namenode, method::PUBLISH, Instead::ActAndHold);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(Buf::from_vec(pattern(10))).await.unwrap();
        let mut close = std::pin::pin!(writer.close());
        let cut = async {
            fake.until("the seal arrives", |state| !state.held.is_empty())
                .await;
            fake.cut_off(&fake.namenode);
        };
        let closed = async { close.as_mut().await.unwrap() };
        let (attributes, ()) = join(closed, cut).await;
        assert_eq!((attributes.size, attributes.open), (10, false));
    });
    assert_eq!(fake.count(&Asked::Publish { size: 10, seal: true }), 2);
}

#[test]
fn a_dropped_writer_closes_in_the_background() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        drop(writer.write(Buf::from_vec(pattern(250))));
        drop(writer);
        fake.until("it is sealed", |state| !state.file.as_ref().unwrap().open)
            .await;
        drop(store.create("/f", Node::File).await.unwrap());
        fake.until("it is sealed", |state| !state.file.as_ref().unwrap().open)
            .await;
    });
    assert_eq!(
        fake.count(&Asked::Publish {
            size: 250,
            seal: true
        }),
        1
    );
    assert_eq!(fake.count(&Asked::Publish { size: 0, seal: true }), 1);
}

#[test]
fn a_file_has_one_writer() {
    let fake = Fake::new(100);
    fake.run(async |store| {
        let file = store.create("/f", Node::File).await.unwrap();
        let writer = file.writer().unwrap();
        assert_eq!(
            file.writer().err(),
            Some(Error::NotWritable { path: "/f".into() })
        );
        writer.close().await.unwrap();
        let read_only = store.open("/f").await.unwrap();
        assert_eq!(
            read_only.writer().err(),
            Some(Error::NotWritable { path: "/f".into() })
        );
    });
}

#[test]
fn leases_are_renewed_three_times_while_a_file_is_open_and_not_after() {
    let fake = Fake::new(100);
    fake.state().lease_ms = 90;
    let renewals = || fake.count(&Asked::Namenode(method::RENEW));
    fake.run(async |store| {
        let file = store.create("/f", Node::File).await.unwrap();
        let before = renewals();
        fake.runtime.sleep(Duration::from_millis(200)).await;
        assert!(
            (4..=7).contains(&(renewals() - before)),
            "{}",
            renewals() - before
        );
        file.close().await.unwrap();
        fake.runtime.sleep(Duration::from_millis(60)).await;
        let after = renewals();
        fake.runtime.sleep(Duration::from_millis(150)).await;
        assert_eq!(renewals(), after);
    });
}

#[test]
fn a_buffered_writer_takes_pieces_of_any_size() {
    let fake = Fake::new(1 << 12);
    let options = ConnectOptions {
        slice_bytes: 1000,
        ..fake.options()
    };
    let bytes = pattern(50_000);
    fake.run_with(options, async |store| {
        let mut writer = store
            .create("/f", Node::File)
            .await
            .unwrap()
            .buffered_writer()
            .unwrap();
        let (mut rest, mut len) = (&bytes[..], 0);
        while !rest.is_empty() {
            len = (len * 7 + 13) % 2500;
            let (piece, others) = rest.split_at(len.min(rest.len()));
            writer.write(piece).await.unwrap();
            rest = others;
            assert_eq!(writer.position(), (bytes.len() - rest.len()) as u64);
        }
        assert_eq!(writer.close().await.unwrap().size, 50_000);
    });
    assert_eq!(fake.state().file_bytes(), bytes);
}

#[test]
fn a_buffered_writer_has_no_more_slices_than_it_may() {
    let fake = Fake::new(1 << 20);
    let options = ConnectOptions {
        slice_bytes: 128,
        slices: 2,
        ..fake.options()
    };
    fake.run_with(options, async |store| {
        let mut writer = store
            .create("/f", Node::File)
            .await
            .unwrap()
            .buffered_writer()
            .unwrap();
        fake.state().hold_writes = true;
        writer.write(&pattern(256)).await.unwrap();
        let third = pattern(1);
        {
            let mut write = std::pin::pin!(writer.write(&third));
            let deadline = fake.runtime.now_exact() + Duration::from_millis(30);
            assert!(fake.runtime.timeout(deadline, write.as_mut()).await.is_err());
            fake.state().hold_writes = false;
            fake.release();
            write.await.unwrap();
        }
        writer.close().await.unwrap();
    });
    assert_eq!(fake.state().outstanding_write_bytes_max, 256);
}

#[test]
fn flushed_bytes_are_acknowledged_and_published_ones_visible() {
    let fake = Fake::new(1000);
    fake.run(async |store| {
        let mut writer = store
            .create("/f", Node::File)
            .await
            .unwrap()
            .buffered_writer()
            .unwrap();
        writer.write(b"abc").await.unwrap();
        assert!(writes(&fake).is_empty());
        writer.flush().await.unwrap();
        assert_eq!(writes(&fake), [(1, 0, 3)]);
        assert_eq!(fake.state().file.as_ref().unwrap().size, 0);
        writer.write(b"de").await.unwrap();
        assert_eq!(writer.publish().await.unwrap().size, 5);
        drop(writer);
        fake.until("it is sealed", |state| !state.file.as_ref().unwrap().open)
            .await;
    });
    assert_eq!(fake.state().file_bytes(), b"abcde");
}

#[test]
fn lists_of_many_segments_are_written_in_order() {
    let fake = Fake::new(64);
    let list: Sga = (0..100).map(|at| Buf::from_vec(vec![at; 7])).collect();
    let expected = list.concat();
    fake.run(async |store| {
        let writer = store.create("/f", Node::File).await.unwrap().writer().unwrap();
        writer.write(list).await.unwrap();
        writer.close().await.unwrap();
    });
    assert_eq!(fake.state().file_bytes(), expected);
}

/// Both futures, side by side.
async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (std::pin::pin!(a), std::pin::pin!(b));
    let (mut first, mut second) = (None, None);
    std::future::poll_fn(move |context| {
        use std::task::Poll;
        if first.is_none()
            && let Poll::Ready(value) = a.as_mut().poll(context)
        {
            first = Some(value);
        }
        if second.is_none()
            && let Poll::Ready(value) = b.as_mut().poll(context)
        {
            second = Some(value);
        }
        match (first.take(), second.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (first, second) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
