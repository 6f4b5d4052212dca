//! Messages whose bytes go out from where they lie.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use crake_mem::Buf;
use crake_rpc::{Call, CallError, CallOptions, ClientConfig, Limits, Status};
use crake_wire::Payload;
use support::*;

fn options() -> CallOptions {
    CallOptions::new()
}

/// Of each length one that is counted and one that is not.
fn both(lens: &[usize]) -> (Vec<Buf>, Vec<Vec<u8>>) {
    let bytes: Vec<Vec<u8>> = lens.iter().map(|&len| pattern(len)).collect();
    (
        bytes.iter().map(|bytes| Buf::copy_from_slice(bytes)).collect(),
        bytes,
    )
}

fn payloads<'a>((bufs, slices): &'a (Vec<Buf>, Vec<Vec<u8>>)) -> Vec<Payload<'a>> {
    let bufs = bufs.iter().map(Payload::from);
    bufs.zip(slices.iter().map(Payload::from))
        .flat_map(|(buf, slice)| [buf, slice])
        .collect()
}

async fn assert_echoed(call: Call, parts: &[Payload<'_>]) {
    let reply = call.await.unwrap();
    assert_eq!(Parts::read(reply.frame()).unwrap(), parts);
}

#[test]
fn fields_of_every_length_come_back() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for lens in [
                &[][..],
                &[0],
                &[1, 4095, 4096, 4097],
                &[70_000],
                &[5000, 1, 300_000, 20_000],
                &[1 << 20, 1000, 900_000],
                &[700; 40],
                &[5000; 100],
            ] {
                let sources = both(lens);
                let parts = payloads(&sources);
                assert_echoed(client.call(PARTS, &Parts(&parts), options()), &parts).await;
            }
        });
    });
}

#[test]
fn what_is_counted_is_neither_copied_nor_kept() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let buf = Buf::from_vec(pattern(100_000));
            for _ in 0..3 {
                let parts = [Payload::from(&buf), Payload::part(&buf, 10..50_000)];
                let call = client.call(PARTS, &Parts(&parts), options());
                assert_echoed(call, &parts).await;
            }
            // Its only owner again: nobody else could write to it.
            assert!(buf.try_mut().is_ok());
        });
    });
}

#[test]
fn calls_that_wait_for_credits_keep_what_they_point_at() {
    over_each_transport(|world| {
        world.run(async {
            let limits = Limits {
                credits: 2,
                ..Limits::default()
            };
            let config = ClientConfig {
                limits,
                ..ClientConfig::default()
            };
            let client = world.client_with(config).await;
            let sources: Vec<_> = (0..20).map(|n| both(&[n, n * 1000])).collect();
            let calls: Vec<_> = sources
                .iter()
                .map(|sources| client.call(PARTS, &Parts(&payloads(sources)), options()))
                .collect();
            for (call, sources) in calls.into_iter().zip(&sources) {
                assert_echoed(call, &payloads(sources)).await;
            }
        });
    });
}

#[test]
fn a_message_with_a_payload_of_its_own_is_copied() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let sources = both(&[10, 5000]);
            let parts = payloads(&sources);
            let with = options().payload(Buf::from_vec(pattern(9000)));
            let reply = client.call(ECHO, &Parts(&parts), with).await.unwrap();
            assert_eq!(reply.payload.to_vec(), pattern(9000));
            assert_eq!(Parts::read(reply.message[..].into()).unwrap(), parts);
        });
    });
}

#[test]
fn what_is_over_the_limits_is_refused_and_nothing_is_sent() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let large = Buf::from_vec(vec![1; 3 << 20]);
            let parts = [Payload::from(&large), Payload::from(&large)];
            let refused = client.call(PARTS, &Parts(&parts), options()).await;
            assert_eq!(refused.unwrap_err(), CallError::TooLarge);
            // Pointers alone, for which there is no other place.
            let many = vec![Payload::default(); 9000];
            let refused = client.call(PARTS, &Parts(&many), options()).await;
            assert_eq!(refused.unwrap_err(), CallError::TooLarge);
            assert!(world.served.borrow().calls.is_empty());
            // A pointer to what did not come.
            let parts = [Payload::from(&large)];
            let message = {
                use crake_wire::{Encode, Gatherer};
                let plan = Gatherer::default().plan(&Parts(&parts));
                let mut message = vec![0; plan.message_len()];
                Parts(&parts).encode_gathered(&mut message, plan, &mut Default::default());
                message
            };
            let refused = client.call(PARTS, &Bytes(&message), options()).await;
            assert_eq!(refused.unwrap_err().status(), Some(Status::BAD_REQUEST));
        });
    });
}
