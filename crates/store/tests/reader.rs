//! What a reader does with blocks that are known, unknown, moved and lost.

mod fake;

use crake_mem::{Extent, HugePages, Region};
use crake_store::protocol::Code;
use crake_store::{ConnectOptions, Error, Transport};
use fake::{Asked, Fake, Instead, Role, pattern};

const READ: u16 = 2;

fn target(len: usize) -> Extent {
    Region::anonymous(len, HugePages::Never)
        .expect("a little memory")
        .extent(..len)
}

fn reads(fake: &Fake) -> Vec<(u32, u32, u32)> {
    let asked = fake.asked();
    let of = |asked: &Asked| match asked {
        Asked::Read { block, offset, len } => Some((*block, *offset, *len)),
        _ => None,
    };
    asked.iter().filter_map(of).collect()
}

#[test]
fn a_read_is_split_at_the_borders_of_blocks_and_lands_in_the_target() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(350));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let target = target(300);
        assert_eq!(reader.read(50, target.slice(10..210)).await.unwrap(), 200);
        assert_eq!(target.slice(10..210).to_vec(), pattern(350)[50..250]);
        assert_eq!(target.slice(..10).to_vec(), [0; 10]);
        assert_eq!(target.slice(210..).to_vec(), [0; 90]);
    });
    assert_eq!(reads(&fake), [(1, 50, 50), (2, 0, 100), (3, 0, 50)]);
}

#[test]
fn the_end_of_the_file_ends_a_read() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(150));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        assert_eq!(reader.read(120, target(100)).await.unwrap(), 30);
        assert_eq!(reader.read(150, target(100)).await.unwrap(), 0);
        assert_eq!(reader.read(u64::MAX, target(100)).await.unwrap(), 0);
        assert_eq!(
            reader.read_to_vec(140, 1 << 40).await.unwrap(),
            pattern(150)[140..]
        );
    });
}

#[test]
fn one_round_trip_opens_a_small_file_and_one_reads_it() {
    let fake = Fake::new(4096);
    fake.put_file(&pattern(100));
    fake.run(async |store| {
        store
            .open("/f")
            .await
            .unwrap()
            .reader()
            .unwrap()
            .read_to_vec(0, 100)
            .await
            .unwrap();
        fake.state().asked.clear();
        store
            .open("/f")
            .await
            .unwrap()
            .reader()
            .unwrap()
            .read_to_vec(0, 100)
            .await
            .unwrap();
    });
    assert_eq!(fake.asked().len(), 2);
}

#[test]
fn blocks_are_looked_up_ahead_of_a_sequential_reader() {
    let fake = Fake::new(100);
    fake.state().page = 4;
    fake.put_file(&pattern(2000));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        fake.state().hold_reads = true;
        let first = reader.read(0, target(100));
        fake.until("the blocks behind the known ones are asked for", |state| {
            state.asked.contains(&Asked::Blocks { offset: 400 })
        })
        .await;
        drop(first);
        fake.state().hold_reads = false;
        let mut bytes = Vec::new();
        while bytes.len() < 2000 {
            bytes.extend(reader.read_to_vec(bytes.len() as u64, 100).await.unwrap());
        }
        assert_eq!(bytes, pattern(2000));
    });
    let lookups = fake
        .asked()
        .iter()
        .filter(|asked| matches!(asked, Asked::Blocks { .. }))
        .count();
    assert_eq!(
        lookups, 4,
        "each of the 16 blocks behind the first page is looked up once"
    );
}

#[test]
fn many_reads_of_unknown_places_are_in_flight_together() {
    let fake = Fake::new(100);
    fake.state().page = 1;
    fake.put_file(&pattern(3000));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let starts = (0..29_u64).rev().map(|at| at * 100 + 50);
        let reads: Vec<_> = starts
            .map(|start| {
                let target = target(100);
                (start as usize, target.clone(), reader.read(start, target))
            })
            .collect();
        for (start, target, read) in reads {
            assert_eq!(read.await.unwrap(), 100);
            assert_eq!(target.to_vec(), pattern(3000)[start..start + 100]);
        }
    });
}

#[test]
fn a_block_that_moved_is_looked_up_once_more() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        fake.state().incarnation = 2;
        assert_eq!(reader.read_to_vec(0, 100).await.unwrap(), pattern(100));
        assert_eq!(fake.count(&Asked::Blocks { offset: 0 }), 1);
        // A second refusal in a row is believed.
        for _ in 0..2 {
            fake.instead(Role::Datanode, READ, Instead::Fail(Code::Stale));
        }
        let lost = Error::BlockLost {
            path: "/f".into(),
            offset: 0,
            len: 100,
        };
        assert_eq!(reader.read_to_vec(0, 100).await.unwrap_err(), lost);
    });
}

#[test]
fn a_file_that_was_deleted_is_told_as_such() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        fake.state().file = None;
        fake.state().incarnation = 2;
        assert_eq!(
            reader.read_to_vec(0, 10).await.unwrap_err(),
            Error::NotFound { path: "/f".into() }
        );
    });
}

#[test]
fn lost_blocks_name_the_file_and_the_range_and_the_rest_is_readable() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(300));
    fake.run(async |store| {
        let sound = store.open("/f").await.unwrap().reader().unwrap();
        fake.state().blocks_lost = true;
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let error = reader.read(150, target(20)).await.unwrap_err();
        assert_eq!(
            error,
            Error::BlockLost {
                path: "/f".into(),
                offset: 150,
                len: 20
            }
        );
        assert_eq!(sound.read_to_vec(0, 300).await.unwrap(), pattern(300));
    });
}

#[test]
fn a_silent_datanode_is_given_up_when_the_namenode_says_that_it_is_gone() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.instead(Role::Datanode, READ, Instead::Hold);
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let read = reader.read(0, target(100));
        fake.until("the read arrives", |state| !state.held.is_empty())
            .await;
        fake.state().blocks_lost = true;
        let before = fake.runtime.now_exact();
        let error = read.await.unwrap_err();
        assert_eq!(
            error,
            Error::BlockLost {
                path: "/f".into(),
                offset: 0,
                len: 100
            }
        );
        let waited = fake.runtime.now_exact() - before;
        assert!(waited < fake.options().deadline, "{waited:?}");
    });
}

#[test]
fn a_datanode_that_cannot_be_reached_ends_the_read_by_its_deadline() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.state().datanode_alive = false;
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let before = fake.runtime.now_exact();
        let error = reader.read(0, target(100)).await.unwrap_err();
        assert!(
            matches!(&error, Error::Unavailable { peer, .. } if &**peer == "datanode 1"),
            "{error}"
        );
        assert!(fake.runtime.now_exact() - before <= fake.options().deadline);
    });
}

#[test]
fn an_endpoint_of_a_kind_that_was_excluded_is_not_used() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    let options = ConnectOptions {
        transport: Transport::Tcp,
        deadline: std::time::Duration::from_millis(200),
        ..fake.options()
    };
    fake.run_with(options, async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let error = reader.read(0, target(100)).await.unwrap_err().to_string();
        assert!(error.contains("no endpoint that this client may use"), "{error}");
    });
}

#[test]
fn a_read_is_repeated_after_a_lost_connection() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.instead(Role::Datanode, READ, Instead::Hold);
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let target = target(100);
        let read = reader.read(0, target.clone());
        fake.until("the read arrives", |state| !state.held.is_empty())
            .await;
        fake.cut_off(&fake.datanode);
        assert_eq!(read.await.unwrap(), 100);
        assert_eq!(target.to_vec(), pattern(100));
    });
}

#[test]
fn readers_follow_a_file_as_it_grows() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(50));
    fake.state().file.as_mut().unwrap().open = true;
    fake.run(async |store| {
        let file = store.open("/f").await.unwrap();
        let reader = file.reader().unwrap();
        let mut buffered = file.buffered_reader().unwrap();
        let mut out = [0; 500];
        assert_eq!(buffered.read(&mut out).await.unwrap(), 50);
        assert_eq!(buffered.read(&mut out).await.unwrap(), 0);
        assert_eq!(reader.read(50, target(10)).await.unwrap(), 0);

        fake.put_file(&pattern(350));
        fake.state().file.as_mut().unwrap().open = true;
        assert_eq!(reader.read_to_vec(0, 500).await.unwrap(), pattern(350));
        let mut rest = Vec::<u8>::new();
        while rest.len() < 300 {
            let count = buffered.read(&mut out).await.unwrap();
            assert!(count > 0);
            rest.extend(&out[..count]);
        }
        assert_eq!(rest, pattern(350)[50..]);

        // Sealed: the end is the end, and nobody is asked.
        fake.state().file.as_mut().unwrap().open = false;
        file.refresh().await.unwrap();
        fake.state().asked.clear();
        assert_eq!(buffered.read(&mut out).await.unwrap(), 0);
        assert!(fake.asked().is_empty());
    });
}

#[test]
fn a_buffered_reader_reads_ahead_and_may_jump() {
    let fake = Fake::new(1000);
    let bytes = pattern(10_000);
    fake.put_file(&bytes);
    let options = ConnectOptions {
        slice_bytes: 512,
        slices: 3,
        ..fake.options()
    };
    fake.run_with(options, async |store| {
        let mut reader = store.open("/f").await.unwrap().buffered_reader().unwrap();
        let mut out = [0; 10];
        assert_eq!(reader.read(&mut out).await.unwrap(), 10);
        fake.settle().await;
        let ahead: u32 = reads(&fake).iter().map(|(_, _, len)| len).sum();
        assert_eq!(ahead, 3 * 512, "one slice to read from and two ahead");

        let mut seed = 7_u64;
        for _ in 0..300 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let (jump, len) = ((seed >> 33) % 12_000, (seed >> 20) as usize % 700);
            if seed.is_multiple_of(3) {
                reader.seek(jump);
            }
            let at = reader.position() as usize;
            let mut out = vec![0; len];
            let count = reader.read(&mut out).await.unwrap();
            assert!(count > 0 || len == 0 || at >= bytes.len(), "{len} at {at}");
            assert_eq!(out[..count], bytes[at.min(bytes.len())..][..count]);
            assert_eq!(reader.position(), (at + count) as u64);
        }
    });
}

#[test]
fn a_read_that_is_given_up_does_not_write_its_target_any_more() {
    let fake = Fake::new(100);
    fake.put_file(&pattern(100));
    fake.instead(Role::Datanode, READ, Instead::Hold);
    fake.run(async |store| {
        let reader = store.open("/f").await.unwrap().reader().unwrap();
        let target = target(100);
        let read = reader.read(0, target.clone());
        fake.until("the read arrives", |state| !state.held.is_empty())
            .await;
        drop(read);
        fake.release();
        fake.settle().await;
        assert_eq!(target.to_vec(), [0; 100]);
        assert_eq!(reader.read_to_vec(0, 100).await.unwrap(), pattern(100));
    });
}
