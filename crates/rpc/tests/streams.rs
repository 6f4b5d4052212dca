//! Answers in parts: what both sides see, whoever is slow, leaves or lies.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::cell::Cell;
use std::num::NonZeroU8;
use std::rc::Rc;
use std::time::Duration;

use crake_mem::Buf;
use crake_rpc::{
    CallError, CallOptions, Client, ClientConfig, Limits, ReplyStream, Status, StreamError, StreamResponder,
};
use crake_wire::Payload;
use support::*;

const REPLY: u8 = 4;
const PART: u8 = 7;
const GRANT: u8 = 8;

fn options(window: u8) -> CallOptions {
    CallOptions::new().window(NonZeroU8::new(window).unwrap())
}

/// A stream that the service was asked for, and the service's end of it.
async fn opened(world: &World, client: &Client, options: CallOptions) -> (ReplyStream, StreamResponder) {
    let stream = client.stream(STREAM, &Bytes(b""), options);
    client.flush();
    world.until(|| !world.served.borrow().streams.is_empty()).await;
    let responder = world.served.borrow_mut().streams.remove(0);
    (stream, responder)
}

/// Sends parts of the lengths until the stream is over. Gives how many were sent, as they are.
fn sending(world: &World, mut responder: StreamResponder, lens: Vec<usize>) -> Rc<Cell<usize>> {
    let sent = Rc::new(Cell::new(0));
    let count = sent.clone();
    let task = async move {
        for len in lens {
            if responder.send(&Bytes(&pattern(len))).await.is_err() {
                return;
            }
            count.set(count.get() + 1);
        }
        responder.end();
    };
    world.runtime.spawn(task).detach();
    sent
}

/// The messages of what is still to come, and the error at the end.
async fn rest(stream: &mut ReplyStream) -> (Vec<Buf>, Option<CallError>) {
    let mut messages = Vec::new();
    loop {
        match stream.next().await {
            Some(Ok(part)) => messages.push(part.message),
            Some(Err(error)) => {
                assert!(stream.next().await.is_none(), "an error is the last");
                return (messages, Some(error));
            }
            None => return (messages, None),
        }
    }
}

fn failed(status: Status, detail: &str) -> Option<CallError> {
    Some(CallError::Failed {
        status,
        detail: detail.into(),
    })
}

#[test]
fn parts_of_every_length_come_in_order_whatever_the_window() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for window in [1, 2, 3, 16, 255] {
                for lens in [
                    vec![],
                    vec![5],
                    (0..600).collect(),
                    vec![65_520; 40],
                    (0..100).map(|at| at % 7 * 9000).collect(),
                ] {
                    let (mut stream, responder) = opened(world, &client, options(window)).await;
                    sending(world, responder, lens.clone());
                    let (messages, error) = rest(&mut stream).await;
                    assert_eq!(error, None);
                    let expected: Vec<Buf> = lens.iter().map(|&len| Buf::from_vec(pattern(len))).collect();
                    assert!(messages == expected, "window {window}, {} parts", lens.len());
                    assert!(stream.next().await.is_none(), "the end stays the end");
                }
            }
            let reply = client.call(ECHO, &Bytes(b"after"), CallOptions::new()).await;
            assert_eq!(&reply.unwrap().message[..], b"after");
        });
    });
}

#[test]
fn parts_carry_what_their_messages_gather() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let (mut stream, mut responder) = opened(world, &client, options(2)).await;
            let bufs: Vec<Buf> = [300_000, 10, 5000].map(|len| Buf::from_vec(pattern(len))).into();
            let task = async move {
                for buf in &bufs {
                    responder
                        .send(&Parts(&[Payload::from(buf), Payload::from(buf)]))
                        .await
                        .unwrap();
                }
                responder.end();
            };
            world.runtime.spawn(task).detach();
            for len in [300_000, 10, 5000] {
                let part = stream.next().await.unwrap().unwrap();
                assert_eq!(
                    part.payload.is_empty(),
                    len == 10,
                    "large bytes lie beside the message"
                );
                let expected = pattern(len);
                let expected = Payload::from(&expected);
                assert_eq!(Parts::read(part.frame()).unwrap(), [expected; 2]);
            }
            assert!(stream.next().await.is_none());
        });
    });
}

#[test]
fn a_caller_that_takes_nothing_has_the_server_wait() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let (mut stream, responder) = opened(world, &client, options(8)).await;
            let sent = sending(world, responder, vec![100; 1000]);
            world.until(|| sent.get() == 8).await;
            world.runtime.sleep(Duration::from_millis(20)).await;
            assert_eq!(sent.get(), 8);
            for _ in 0..3 {
                stream.next().await.unwrap().unwrap();
            }
            world.runtime.sleep(Duration::from_millis(20)).await;
            assert_eq!(sent.get(), 8, "more is granted when half of them were taken");
            stream.next().await.unwrap().unwrap();
            world.until(|| sent.get() == 12).await;
            let other = client.call(ECHO, &Bytes(b"meanwhile"), CallOptions::new()).await;
            assert_eq!(&other.unwrap().message[..], b"meanwhile");
            assert_eq!(rest(&mut stream).await.0.len(), 996);
        });
    });
}

#[test]
fn a_stream_that_is_dropped_is_cancelled_and_gives_its_credit_back() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for round in 0..2 * client.limits().credits {
                let (mut stream, mut responder) = opened(world, &client, options(4)).await;
                if round % 2 == 0 {
                    responder.send(&Bytes(b"part")).await.unwrap();
                    stream.next().await.unwrap().unwrap();
                }
                drop(stream);
                let cancelled = async { while responder.send(&Bytes(b"to nobody")).await.is_ok() {} };
                cancelled.await;
                assert!(responder.is_cancelled());
                assert_eq!(responder.reserve().await.err(), Some(StreamError::Cancelled));
            }
            assert!(client.call(ECHO, &Bytes(b""), CallOptions::new()).await.is_ok());
        });
    });
}

#[test]
fn a_failure_comes_behind_the_parts_that_were_sent() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let (mut stream, mut responder) = opened(world, &client, options(4)).await;
            responder.send(&Bytes(b"part")).await.unwrap();
            responder.fail(Status(100), "no more");
            let (messages, error) = rest(&mut stream).await;
            assert_eq!((messages.len(), error), (1, failed(Status(100), "no more")));

            let (mut stream, mut responder) = opened(world, &client, options(4)).await;
            responder.send(&Bytes(b"part")).await.unwrap();
            drop(responder);
            let (messages, error) = rest(&mut stream).await;
            let detail = "the service dropped the request";
            assert_eq!((messages.len(), error), (1, failed(Status::INTERNAL, detail)));

            let (mut stream, mut responder) = opened(world, &client, options(4)).await;
            responder.send(&Bytes(b"part")).await.unwrap();
            assert_eq!(
                responder.send(&Bytes(&[0; 65_521])).await,
                Err(StreamError::TooLarge)
            );
            assert_eq!(responder.send(&Bytes(b"")).await, Err(StreamError::Cancelled));
            let (messages, error) = rest(&mut stream).await;
            let detail = "a part of the answer is over a limit";
            assert_eq!((messages.len(), error), (1, failed(Status::TOO_LARGE, detail)));
        });
    });
}

#[test]
fn a_stream_of_one_answer_and_an_answer_of_a_stream() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let mut stream = client.stream(ECHO, &Bytes(b"one"), options(4));
            let (messages, error) = rest(&mut stream).await;
            assert_eq!((messages, error), (vec![Buf::from_static(b"one")], None));

            let mut stream = client.stream(FAIL, &Bytes(b"why"), options(4));
            assert_eq!(rest(&mut stream).await.1, failed(Status(100), "why"));

            let error = client.call(STREAM, &Bytes(b""), options(4)).await.unwrap_err();
            assert_eq!(error.status(), Some(Status::BAD_REQUEST));
            let mut responder = world.served.borrow_mut().streams.remove(0);
            assert!(responder.is_cancelled());
            assert_eq!(responder.send(&Bytes(b"")).await, Err(StreamError::Cancelled));
        });
    });
}

#[test]
fn a_timeout_is_for_each_part_and_a_deadline_for_all_of_them() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let timeout = Duration::from_millis(300);
            let (mut stream, mut responder) = opened(world, &client, options(4).timeout(timeout)).await;
            for _ in 0..5 {
                world.runtime.sleep(timeout / 2).await;
                responder.send(&Bytes(b"in time")).await.unwrap();
                stream.next().await.unwrap().unwrap();
            }
            responder.send(&Bytes(b"not taken")).await.unwrap();
            world.runtime.sleep(timeout * 3).await;
            assert!(
                stream.next().await.unwrap().is_ok(),
                "it is the caller who is late"
            );
            let timed_out = CallError::TimedOut { may_have_run: true };
            assert_eq!(stream.next().await.unwrap().err(), Some(timed_out.clone()));
            assert!(stream.next().await.is_none());
            world.until(|| responder.is_cancelled()).await;
            drop(responder);

            let deadline = world.runtime.now_exact() + timeout;
            let (mut stream, responder) = opened(world, &client, options(4).deadline(deadline)).await;
            let sent = sending(world, responder, vec![10; 1000]);
            world.runtime.sleep(timeout * 2).await;
            assert_eq!(sent.get(), 4);
            let (messages, error) = rest(&mut stream).await;
            assert_eq!(
                (messages.len(), error),
                (4, Some(timed_out)),
                "what came is given first"
            );
            assert!(client.call(ECHO, &Bytes(b""), CallOptions::new()).await.is_ok());
        });
    });
}

#[test]
fn a_stream_waits_for_a_credit_as_a_call_does() {
    over_each_transport(|world| {
        world.run(async {
            let limits = Limits {
                credits: 1,
                ..Limits::default()
            };
            let config = ClientConfig {
                limits,
                ..ClientConfig::default()
            };
            let client = world.client_with(config).await;
            let (mut first, responder) = opened(world, &client, options(2)).await;
            let mut second = client.stream(STREAM, &Bytes(b""), options(2));
            sending(world, responder, vec![1; 50]);
            assert_eq!(rest(&mut first).await.0.len(), 50);
            world.until(|| world.served.borrow().streams.len() == 1).await;
            let responder = world.served.borrow_mut().streams.remove(0);
            sending(world, responder, vec![1; 7]);
            assert_eq!(rest(&mut second).await.0.len(), 7);
        });
    });
}

#[test]
fn the_end_of_a_connection_is_the_end_of_its_streams() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let (mut stream, mut responder) = opened(world, &client, options(4)).await;
            responder.send(&Bytes(b"part")).await.unwrap();
            world.runtime.sleep(Duration::from_millis(5)).await;
            client.close();
            let (messages, error) = rest(&mut stream).await;
            let lost = CallError::Lost { may_have_run: true };
            assert_eq!((messages.len(), error), (1, Some(lost.clone())));
            world.until(|| responder.is_cancelled()).await;
            assert_eq!(responder.send(&Bytes(b"")).await, Err(StreamError::Cancelled));

            // A server that goes away does not wait for streams, whose grants it does not read any more.
            let client = world.client().await;
            let (mut stream, responder) = opened(world, &client, options(4)).await;
            sending(world, responder, vec![10; 1000]);
            stream.next().await.unwrap().unwrap();
            world.server.shutdown().await;
            let (messages, error) = rest(&mut stream).await;
            assert!((3..5).contains(&messages.len()), "{}", messages.len());
            assert_eq!(error, Some(lost));
        });
    });
}

/// Asks for a stream by hand and grants as much as a frame can say.
async fn greedy(world: &World) -> (crake_datapath::Stream, StreamResponder) {
    let stream = world.stream().await;
    let mut request = frame(3, 1, STREAM, b"", b"");
    request[15] = 255;
    let grants = frame(GRANT, 1, u16::MAX, b"", b"").repeat(3);
    push(&stream, [hello(), request, grants].concat()).await.unwrap();
    world.until(|| !world.served.borrow().streams.is_empty()).await;
    let responder = world.served.borrow_mut().streams.remove(0);
    (stream, responder)
}

#[test]
fn what_a_caller_grants_and_does_not_read_piles_up_nowhere() {
    over_each_transport(|world| {
        world.run(async {
            let (stream, responder) = greedy(world).await;
            let sent = sending(world, responder, vec![60_000; 2000]);
            let mut before = usize::MAX;
            while before != sent.get() {
                before = sent.get();
                world.runtime.sleep(Duration::from_millis(50)).await;
            }
            assert!(
                before < 400,
                "{before} parts of 60,000 bytes were made for nobody"
            );
            let mut frames = FrameStream::new(&stream);
            frames.next().await.unwrap();
            for _ in 0..2000 {
                assert_eq!(frames.next().await.unwrap().kind, PART);
                frames.read.clear();
            }
            assert_eq!(frames.next().await.unwrap().kind, REPLY);
        });
    });
}

#[test]
fn a_grant_to_nobody_means_nothing() {
    over_each_transport(|world| {
        world.run(async {
            let stream = world.stream().await;
            let request = frame(3, 2, ECHO, b"hi", b"");
            push(&stream, [hello(), frame(GRANT, 7, 9, b"", b""), request].concat())
                .await
                .unwrap();
            let mut frames = FrameStream::new(&stream);
            frames.next().await.unwrap();
            let reply = frames.next().await.unwrap();
            assert_eq!((reply.kind, reply.message), (REPLY, b"hi".to_vec()));
        });
    });
}

#[test]
fn many_streams_and_calls_share_a_connection_whatever_each_does() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let mut tasks = Vec::new();
            for number in 0..200_usize {
                let window = (number % 20 + 1) as u8;
                let (mut stream, responder) = opened(world, &client, options(window)).await;
                let parts = number * 7 % 90;
                sending(world, responder, vec![number * 10; parts]);
                let (runtime, client) = (world.runtime.clone(), client.clone());
                tasks.push(world.runtime.spawn(async move {
                    let leaves_at = if number % 3 == 0 { parts / 2 } else { usize::MAX };
                    let mut count = 0;
                    while count < leaves_at
                        && let Some(part) = stream.next().await
                    {
                        assert!(part.unwrap().message[..] == pattern(number * 10));
                        count += 1;
                        if number % 5 == 0 {
                            runtime.sleep(Duration::from_micros(50)).await;
                        }
                        if number % 7 == 0 {
                            let reply = client
                                .call(ECHO, &Bytes(&[number as u8]), CallOptions::new())
                                .await;
                            assert_eq!(reply.unwrap().message[..], [number as u8]);
                        }
                    }
                    assert!(count == parts.min(leaves_at), "{count} of {parts} parts");
                }));
            }
            for task in tasks {
                task.await;
            }
            // Every credit is back.
            let calls: Vec<_> = (0..client.limits().credits)
                .map(|_| client.call(ECHO, &Bytes(b""), CallOptions::new()))
                .collect();
            for call in calls {
                call.await.unwrap();
            }
        });
    });
}
