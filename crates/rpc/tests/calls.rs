//! Calls between a client and a server that keep to the rules, over every transport.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use crake_datapath::Time;
use crake_mem::Buf;
use crake_rpc::{
    Call, CallError, CallOptions, Client, ClientConfig, ClientId, ConnectError, Limits, Payload, Reason,
    ServerConfig, Status,
};
use support::*;

fn options() -> CallOptions {
    CallOptions::new()
}

fn number(n: usize) -> [u8; 4] {
    (n as u32).to_le_bytes()
}

#[test]
fn an_echo_comes_back_with_its_payload() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for payload_len in [0, 1, 1000, 5000, 100_000, 4 << 20] {
                let payload = pattern(payload_len);
                let with = options().payload(Buf::copy_from_slice(&payload));
                let reply = client.call(ECHO, &Bytes(b"message"), with).await.unwrap();
                assert_eq!(&reply.message[..], b"message");
                assert_eq!(reply.payload.len_bytes(), payload_len);
                assert_eq!(reply.payload.to_vec(), payload);
            }
        });
    });
}

#[test]
fn messages_of_every_length_survive_the_ends_of_receives() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let lens = (0..300).map(|n| n * 219 % 65_521).chain([65_520]);
            let messages = lens.map(pattern).collect::<Vec<_>>();
            for some in messages.chunks(150) {
                let calls = some
                    .iter()
                    .map(|message| client.call(ECHO, &Bytes(message), options()));
                let calls = calls.collect::<Vec<_>>();
                for (call, message) in calls.into_iter().zip(some) {
                    assert_eq!(call.await.unwrap().message[..], message[..]);
                }
            }
        });
    });
}

#[test]
fn calls_of_one_turn_reach_the_service_together_and_in_order() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let calls = (100..300)
                .map(|n| client.call(n, &Bytes(b""), options()))
                .collect::<Vec<_>>();
            for call in calls {
                assert_eq!(call.await.unwrap_err().status(), Some(Status::UNKNOWN_METHOD));
            }
            let served = world.served.borrow();
            let methods = served.calls.iter().map(|head| head.method).collect::<Vec<_>>();
            assert_eq!(methods, (100..300).collect::<Vec<_>>());
            assert_eq!(served.batches, [64, 64, 64, 8]);
        });
    });
}

#[test]
fn failures_carry_status_and_detail() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let fail =
                async |method, message: &[u8]| match client.call(method, &Bytes(message), options()).await {
                    Err(CallError::Failed { status, detail }) => (status, detail.into_string()),
                    other => panic!("{other:?}"),
                };
            assert_eq!(fail(FAIL, b"because").await, (Status(100), "because".to_owned()));
            assert_eq!(fail(99, b"").await, (Status::UNKNOWN_METHOD, String::new()));
            assert_eq!(fail(FORGET, b"").await.0, Status::INTERNAL);
            assert_eq!(fail(BREAK, b"").await.0, Status::INTERNAL);
            assert_eq!(fail(TALK, &65_521u32.to_le_bytes()).await.0, Status::TOO_LARGE);
            assert!(client.is_connected());
        });
    });
}

#[test]
fn payloads_land_where_both_sides_say() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for len in [1, 1500, 70_000, 3 << 20] {
                let block = extent(4 << 20);
                world.served.borrow_mut().place = Some(block.clone());
                let with = options().payload(Buf::from_vec(pattern(len)));
                client.call(PLACE, &Bytes(b"write"), with).await.unwrap();
                assert_eq!(block.slice(..len).to_vec(), pattern(len));
                assert_eq!(world.served.borrow().placed, pattern(len));

                let into = extent(len + 10);
                let with = options().into(into.clone());
                let reply = client.call(SEND, &Bytes(&number(len)), with).await.unwrap();
                let Payload::Placed(placed) = &reply.payload else {
                    panic!("{:?}", reply.payload)
                };
                assert_eq!(placed.len(), len);
                assert_eq!(into.slice(..len).to_vec(), pattern(len));
                assert_eq!(into.slice(len..).to_vec(), [0; 10]);
            }
        });
    });
}

#[test]
fn a_refused_payload_is_passed_over() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            for len in [1, 100_000] {
                let with = options().payload(Buf::from_vec(pattern(len)));
                let refused = client.call(REFUSE, &Bytes(b""), with);
                let echo = client.call(ECHO, &Bytes(b"after"), options());
                assert_eq!(refused.await.unwrap_err().status(), Some(Status(101)));
                assert_eq!(&echo.await.unwrap().message[..], b"after");
            }
            world.served.borrow_mut().place = Some(extent(10));
            let with = options().payload(Buf::from_vec(pattern(11)));
            let error = client.call(PLACE, &Bytes(b""), with).await.unwrap_err();
            assert_eq!(error.status(), Some(Status::INTERNAL), "the place is too short");
        });
    });
}

#[test]
fn large_payloads_both_ways_at_once_do_not_block_each_other() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let payload = Buf::from_vec(pattern(4 << 20));
            let call = |_| client.call(ECHO, &Bytes(b""), options().payload(payload.clone()));
            let calls = (0..8).map(call).collect::<Vec<_>>();
            for call in calls {
                let reply = call.await.unwrap();
                assert!(reply.payload.to_vec() == payload[..]);
            }
        });
    });
}

#[test]
fn a_call_ends_at_its_deadline_and_the_server_is_told() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            // As a timeout counts: from the start of this turn, which may be a while ago on a busy machine.
            let start = world.runtime.now();
            let timeout = Duration::from_millis(20);
            let error = client
                .call(LATER, &Bytes(b""), options().timeout(timeout))
                .await
                .unwrap_err();
            assert_eq!(error, CallError::TimedOut { may_have_run: true });
            assert!(!error.is_retryable());
            assert!(world.runtime.now_exact() - start >= timeout);
            world
                .until(|| world.served.borrow().later[0].is_cancelled())
                .await;
            // The late answer harms nobody.
            let responder = world.served.borrow_mut().later.remove(0);
            responder.send(&Bytes(b"late"));
            let reply = client.call(ECHO, &Bytes(b"next"), options()).await.unwrap();
            assert_eq!(&reply.message[..], b"next");
        });
    });
}

#[test]
fn deadlines_need_not_come_in_order() {
    let world = World::new("local", ServerConfig::default());
    world.run(async {
        let client = world.client().await;
        let after = |ms| client.call(LATER, &Bytes(b""), options().timeout(Duration::from_millis(ms)));
        let never = client.call(LATER, &Bytes(b""), options().deadline(Time::NEVER));
        let (late, early) = (after(60), after(10));
        let start = world.runtime.now();
        assert!(early.await.is_err());
        let between = world.runtime.now_exact();
        assert!(between - start < Duration::from_millis(50));
        assert!(late.await.is_err());
        assert!(world.runtime.now_exact() - start >= Duration::from_millis(60));
        world.served.borrow_mut().later.remove(0).send(&Bytes(b"at last"));
        assert_eq!(&never.await.unwrap().message[..], b"at last");
    });
}

#[test]
fn a_dropped_call_is_cancelled_at_the_server() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let call = client.call(LATER, &Bytes(b""), options());
            world.until(|| world.served.borrow().later.len() == 1).await;
            assert!(!world.served.borrow().later[0].is_cancelled());
            drop(call);
            world
                .until(|| world.served.borrow().later[0].is_cancelled())
                .await;
            world.served.borrow_mut().later.clear();
            assert!(client.call(ECHO, &Bytes(b""), options()).await.is_ok());
        });
    });
}

#[test]
fn nothing_is_written_to_the_place_of_a_dropped_call() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let len = 4 << 20;
            for wait_us in [0, 50, 200, 500, 1000, 2000, 4000] {
                let into = extent(len);
                let mut call = client.call(SEND, &Bytes(&number(len)), options().into(into.clone()));
                world.runtime.sleep(Duration::from_micros(wait_us)).await;
                if call.try_wait().is_some() {
                    continue;
                }
                drop(call);
                into.fill(.., 0xee);
                assert!(client.call(ECHO, &Bytes(b""), options()).await.is_ok());
                assert!(into.to_vec().iter().all(|byte| *byte == 0xee));
            }
        });
    });
}

#[test]
fn credits_bound_what_is_outstanding_and_the_rest_waits_in_order() {
    over_each_transport(|world| {
        world.run(async {
            let limits = Limits {
                credits: 4,
                ..Limits::default()
            };
            let config = ClientConfig {
                limits,
                queue_max: 3,
                ..ClientConfig::default()
            };
            let client = world.client_with(config).await;
            assert_eq!(client.limits().credits, 4);
            let mut calls = (0..7)
                .map(|_| client.call(LATER, &Bytes(b""), options()))
                .collect::<Vec<_>>();
            let full = client.call(LATER, &Bytes(b""), options()).await.unwrap_err();
            assert_eq!(full, CallError::QueueFull);
            world.until(|| world.served.borrow().later.len() == 4).await;
            world.runtime.sleep(Duration::from_millis(5)).await;
            assert_eq!(world.served.borrow().later.len(), 4);
            // A call that leaves the queue makes room, and is never sent.
            drop(calls.remove(5));
            let last = client.call(ECHO, &Bytes(b"last"), options());
            for call in calls {
                world.until(|| !world.served.borrow().later.is_empty()).await;
                world.served.borrow_mut().later.remove(0).send(&Bytes(b"done"));
                call.await.unwrap();
            }
            assert_eq!(&last.await.unwrap().message[..], b"last");
            assert_eq!(world.served.borrow().calls.len(), 7);
        });
    });
}

#[test]
fn a_call_that_times_out_in_the_queue_did_not_run() {
    let world = World::new("local", ServerConfig::default());
    world.run(async {
        let limits = Limits {
            credits: 1,
            ..Limits::default()
        };
        let client = world
            .client_with(ClientConfig {
                limits,
                ..ClientConfig::default()
            })
            .await;
        let first = client.call(LATER, &Bytes(b""), options());
        let timeout = options().timeout(Duration::from_millis(5));
        let queued = client.call(ECHO, &Bytes(b""), timeout).await.unwrap_err();
        assert_eq!(queued, CallError::TimedOut { may_have_run: false });
        assert!(queued.is_retryable());
        world.until(|| !world.served.borrow().later.is_empty()).await;
        world.served.borrow_mut().later.remove(0).send(&Bytes(b""));
        first.await.unwrap();
        assert!(client.call(ECHO, &Bytes(b""), options()).await.is_ok());
        assert_eq!(world.served.borrow().calls.len(), 2);
    });
}

#[test]
fn answers_may_come_later_and_in_any_order() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let calls = (0..10)
                .map(|_| client.call(LATER, &Bytes(b""), options()))
                .collect::<Vec<_>>();
            world.until(|| world.served.borrow().later.len() == 10).await;
            let responders = std::mem::take(&mut world.served.borrow_mut().later);
            for (n, responder) in responders.into_iter().enumerate().rev() {
                match n {
                    3 => drop(responder),
                    4 => responder.fail(Status(120), "four"),
                    5 => responder.send_with(&Bytes(b"5"), Buf::from_vec(pattern(9000))),
                    _ => responder.send(&Bytes(n.to_string().as_bytes())),
                }
            }
            for (n, call) in calls.into_iter().enumerate() {
                match (n, call.await) {
                    (3, Err(error)) => assert_eq!(error.status(), Some(Status::INTERNAL)),
                    (4, Err(error)) => assert_eq!(error.to_string(), "status 120: four"),
                    (5, Ok(reply)) => assert_eq!(reply.payload.to_vec(), pattern(9000)),
                    (_, reply) => assert_eq!(reply.unwrap().message[..], *n.to_string().as_bytes()),
                }
            }
        });
    });
}

#[test]
fn a_lost_connection_fails_its_calls_and_says_which_may_have_run() {
    over_each_transport(|world| {
        world.run(async {
            let limits = Limits {
                credits: 2,
                ..Limits::default()
            };
            let client = world
                .client_with(ClientConfig {
                    limits,
                    ..ClientConfig::default()
                })
                .await;
            let calls: Vec<Call> = (0..3)
                .map(|_| client.call(LATER, &Bytes(b""), options()))
                .collect();
            world.until(|| world.served.borrow().later.len() == 2).await;
            client.close();
            let errors = [true, true, false].map(|may_have_run| CallError::Lost { may_have_run });
            for (call, error) in calls.into_iter().zip(errors) {
                assert_eq!(call.await.unwrap_err(), error);
            }
            let after = client.call(ECHO, &Bytes(b""), options()).await.unwrap_err();
            assert_eq!(after, CallError::Lost { may_have_run: false });
            assert!(!client.is_connected());
            world.until(|| world.served.borrow().closed.len() == 1).await;
            assert!(
                world
                    .served
                    .borrow()
                    .later
                    .iter()
                    .all(|responder| responder.is_cancelled())
            );
            // An answer to nobody is dropped.
            let responders = std::mem::take(&mut world.served.borrow_mut().later);
            responders
                .into_iter()
                .for_each(|responder| responder.send(&Bytes(b"")));
        });
    });
}

#[test]
fn a_server_that_vanishes_fails_calls_at_once() {
    for transport in ["local", "tcp", "unix"] {
        let world = World::new(transport, ServerConfig::default());
        let World {
            runtime,
            server,
            served,
            ..
        } = &world;
        let address = server.local_address().clone();
        let (client, call) = world.run(async {
            let client = Client::connect(runtime, &address, ClientConfig::default())
                .await
                .unwrap();
            let call = client.call(LATER, &Bytes(b""), options());
            world.until(|| served.borrow().later.len() == 1).await;
            (client, call)
        });
        let World {
            runtime,
            server,
            served,
            ..
        } = world;
        drop(server);
        let deadline = runtime.now_exact() + Duration::from_secs(10);
        let ended = runtime
            .block_on(runtime.timeout(deadline, call))
            .expect("at once");
        assert_eq!(ended.unwrap_err(), CallError::Lost { may_have_run: true });
        assert_eq!(served.borrow().closed, [1]);
        let unsent = runtime.block_on(client.call(ECHO, &Bytes(b""), options()));
        assert_eq!(unsent.unwrap_err(), CallError::Lost { may_have_run: false });
        let refused = runtime.block_on(Client::connect(&runtime, &address, ClientConfig::default()));
        assert!(matches!(refused, Err(ConnectError::Transport(_))), "{refused:?}");
    }
}

#[test]
fn shutdown_answers_what_was_read_and_says_what_was_not() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let owed = client.call(LATER, &Bytes(b""), options());
            world.until(|| world.served.borrow().later.len() == 1).await;
            let shutdown = world.server.shutdown();
            let mut shutdown = std::pin::pin!(shutdown);
            let soon = world.runtime.now_exact() + Duration::from_millis(10);
            assert!(
                world.runtime.timeout(soon, shutdown.as_mut()).await.is_err(),
                "an answer is owed"
            );
            // Sent to a server that reads no more.
            let unread = client.call(ECHO, &Bytes(b""), options());
            client.flush();
            world.served.borrow_mut().later.remove(0).send(&Bytes(b"paid"));
            assert_eq!(&owed.await.unwrap().message[..], b"paid");
            assert_eq!(unread.await.unwrap_err(), CallError::Lost { may_have_run: false });
            shutdown.await;
            assert_eq!(world.server.connections(), 0);
            assert_eq!(world.served.borrow().calls.len(), 1);
            let again = Client::connect(
                &world.runtime,
                world.server.local_address(),
                ClientConfig::default(),
            )
            .await;
            assert!(matches!(again, Err(ConnectError::Transport(_))), "{again:?}");
        });
    });
}

/// Woken or not.
#[derive(Default)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn all_who_wait_for_a_shutdown_are_told_of_its_end() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let owed = client.call(LATER, &Bytes(b""), options());
            world.until(|| world.served.borrow().later.len() == 1).await;
            let mut shutdowns = [0, 1].map(|_| (Box::pin(world.server.shutdown()), Arc::<Flag>::default()));
            for (shutdown, flag) in &mut shutdowns {
                let waker = Waker::from(flag.clone());
                assert!(
                    shutdown
                        .as_mut()
                        .poll(&mut Context::from_waker(&waker))
                        .is_pending()
                );
            }
            world.served.borrow_mut().later.remove(0).send(&Bytes(b"paid"));
            assert_eq!(&owed.await.unwrap().message[..], b"paid");
            world
                .until(|| shutdowns.iter().all(|(_, flag)| flag.0.load(Ordering::Relaxed)))
                .await;
            for (shutdown, _) in shutdowns {
                shutdown.await;
            }
        });
    });
}

#[test]
fn the_service_learns_who_comes_and_goes_and_may_refuse() {
    over_each_transport(|world| {
        world.run(async {
            world.served.borrow_mut().refuse_role = Some(9);
            let config = ClientConfig {
                client: ClientId(77),
                role: 3,
                ..ClientConfig::default()
            };
            let client = world.client_with(config).await;
            let opened = world.served.borrow().opened.clone();
            assert_eq!((opened[0].client, opened[0].role), (ClientId(77), 3));
            let config = ClientConfig { role: 9, ..config };
            let refused = Client::connect(&world.runtime, world.server.local_address(), config).await;
            let Err(ConnectError::Refused(reason)) = refused else {
                panic!("{refused:?}")
            };
            assert_eq!(
                (reason.code, reason.text.as_str()),
                (Reason::NOT_WELCOME, "wrong role")
            );
            drop(client);
            world.until(|| world.server.connections() == 0).await;
            assert_eq!(world.served.borrow().closed, [opened[0].id]);
        });
    });
}

#[test]
fn clients_over_the_limit_are_refused() {
    let config = ServerConfig {
        connections_max: 2,
        ..ServerConfig::default()
    };
    for transport in ["local", "tcp", "unix"] {
        let world = World::new(transport, config);
        world.run(async {
            let clients = [world.client().await, world.client().await];
            let third = Client::connect(
                &world.runtime,
                world.server.local_address(),
                ClientConfig::default(),
            )
            .await;
            let Err(ConnectError::Refused(reason)) = third else {
                panic!("{third:?}")
            };
            assert_eq!(reason.code, Reason::TOO_MANY_CONNECTIONS);
            drop(clients);
            world.until(|| world.server.connections() == 0).await;
            world.client().await;
        });
    }
}

#[test]
fn what_is_over_a_limit_is_not_sent() {
    let limits = Limits {
        message_max: 1024,
        payload_max: 100,
        ..Limits::default()
    };
    let world = World::new(
        "local",
        ServerConfig {
            limits,
            ..ServerConfig::default()
        },
    );
    world.run(async {
        let client = world.client().await;
        assert_eq!(client.limits(), limits);
        let too_large = client
            .call(ECHO, &Bytes(&[0; 1025]), options())
            .await
            .unwrap_err();
        assert_eq!(too_large, CallError::TooLarge);
        let with = options().payload(Buf::from_vec(vec![0; 101]));
        assert_eq!(
            client.call(ECHO, &Bytes(b""), with).await.unwrap_err(),
            CallError::TooLarge
        );
        // The server keeps to the limits, too.
        let error = client
            .call(SEND, &Bytes(&number(101)), options())
            .await
            .unwrap_err();
        assert_eq!(error.status(), Some(Status::TOO_LARGE));
        assert!(client.call(SEND, &Bytes(&number(100)), options()).await.is_ok());
    });
}

#[test]
fn calls_of_several_tasks_share_a_connection() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let tasks = (0..50u32).map(|task| {
                let client = client.clone();
                world.runtime.spawn(async move {
                    for n in 0..20 {
                        let message = (task * 1000 + n).to_le_bytes();
                        let reply = client.call(ECHO, &Bytes(&message), options()).await.unwrap();
                        assert_eq!(reply.message[..], message);
                    }
                })
            });
            for task in tasks.collect::<Vec<_>>() {
                task.await;
            }
        });
    });
}

#[test]
fn the_connection_closes_with_its_last_client_or_call() {
    over_each_transport(|world| {
        world.run(async {
            let client = world.client().await;
            let call = client.call(LATER, &Bytes(b""), options());
            drop(client);
            world.until(|| world.served.borrow().later.len() == 1).await;
            world.served.borrow_mut().later.remove(0).send(&Bytes(b"still"));
            assert_eq!(&call.await.unwrap().message[..], b"still");
            world.until(|| world.server.connections() == 0).await;
        });
    });
}
