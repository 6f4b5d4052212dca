//! Peers that break the rules: each loses its own connection, is told why, and nobody else notices.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crake_datapath::{Address, Runtime, Stream};
use crake_mem::Sga;
use crake_rpc::{
    CallError, CallOptions, Client, ClientConfig, ConnectError, Limits, Payload, Reason, ServerConfig,
    Violation,
};
use support::*;

const HELLO: u8 = 0;
const WELCOME: u8 = 1;
const REFUSE: u8 = 2;
const REQUEST: u8 = 3;
const REPLY: u8 = 4;
const CANCEL: u8 = 5;
const GOODBYE: u8 = 6;
const PART: u8 = 7;
const GRANT: u8 = 8;

fn windowed(kind: u8, window: u8) -> Vec<u8> {
    let mut bytes = frame(kind, 1, 0, b"", b"");
    bytes[15] = window;
    bytes
}

/// What the server says last to a client that sends `bytes` behind its hello, and how many requests it had read.
async fn last_words(world: &World, bytes: &[u8]) -> RawFrame {
    let stream = world.stream().await;
    let mut sent = hello();
    sent.extend(bytes);
    push(&stream, sent).await.unwrap();
    let mut frames = FrameStream::new(&stream);
    assert_eq!(frames.next().await.unwrap().kind, WELCOME);
    let mut last = None;
    while let Some(frame) = frames.next().await {
        last = Some(frame);
    }
    last.expect("the server says why")
}

fn assert_violation(frame: &RawFrame, kind: u8, violation: Violation) {
    assert_eq!((frame.kind, frame.code), (kind, violation as u16), "{frame:?}");
    assert_eq!(frame.message, violation.text().as_bytes());
}

#[test]
fn a_client_that_breaks_a_rule_is_told_which() {
    let header = |at: usize, byte: u8| {
        let mut bytes = frame(REQUEST, 1, ECHO, b"", b"");
        bytes[at] = byte;
        bytes
    };
    let cases = [
        (header(14, 9), Violation::UnknownKind),
        (header(3, 1), Violation::MessageTooLong),
        (header(7, 1), Violation::PayloadTooLong),
        (frame(CANCEL, 1, 0, b"", b"x"), Violation::UnexpectedPayload),
        (frame(GRANT, 1, 1, b"", b"x"), Violation::UnexpectedPayload),
        (windowed(CANCEL, 1), Violation::UnexpectedWindow),
        (frame(REPLY, 1, 0, b"", b""), Violation::UnexpectedFrame),
        (frame(PART, 1, 0, b"", b""), Violation::UnexpectedFrame),
        (frame(WELCOME, 1, 0, b"", b""), Violation::UnexpectedFrame),
        (hello(), Violation::UnexpectedFrame),
    ];
    over_each_transport(|world| {
        world.run(async {
            let witness = world.client().await;
            for (bytes, violation) in &cases {
                let mut after_a_call = frame(REQUEST, 9, ECHO, b"served", b"");
                after_a_call.extend(bytes);
                let last = last_words(world, &after_a_call).await;
                assert_violation(&last, GOODBYE, *violation);
                assert_eq!(last.id, 1, "one request was read before it");
                assert!(witness.call(ECHO, &Bytes(b""), CallOptions::new()).await.is_ok());
            }
            world.until(|| world.server.connections() == 1).await;
        });
    });
}

#[test]
fn more_requests_than_credits_end_the_connection() {
    over_each_transport(|world| {
        world.run(async {
            let requests = |count| {
                (0..count)
                    .flat_map(|id| frame(REQUEST, id, LATER, b"", b""))
                    .collect::<Vec<_>>()
            };
            let last = last_words(world, &requests(257)).await;
            assert_violation(&last, GOODBYE, Violation::CreditsExceeded);
            assert_eq!(world.served.borrow().later.len(), 256);
        });
    });
}

#[test]
fn a_client_that_does_not_introduce_itself_is_refused() {
    let body = |min, max, credits| frame(HELLO, 0, 0, &hello_body(min, max, credits), b"");
    let cases: [(&[u8], Violation); 8] = [
        (&body(2, 9, 256), Violation::UnknownVersion),
        (&body(0, 0, 256), Violation::UnknownVersion),
        (&body(1, 1, 0), Violation::MalformedHandshake),
        (
            &frame(HELLO, 0, 0, b"CRAKERPC", b""),
            Violation::MalformedHandshake,
        ),
        (&frame(HELLO, 0, 0, &[7; 44], b""), Violation::WrongMagic),
        (&frame(REQUEST, 1, ECHO, b"", b""), Violation::UnexpectedFrame),
        (
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            Violation::WrongMagic,
        ),
        (&[0xff; 16], Violation::WrongMagic),
    ];
    over_each_transport(|world| {
        world.run(async {
            for (bytes, violation) in &cases {
                let stream = world.stream().await;
                push(&stream, *bytes).await.unwrap();
                let mut frames = FrameStream::new(&stream);
                assert_violation(&frames.next().await.unwrap(), REFUSE, *violation);
                assert_eq!(frames.next().await, None);
            }
            world.client().await;
            assert_eq!(world.served.borrow().opened.len(), 1);
        });
    });
}

#[test]
fn a_client_of_a_later_version_that_still_speaks_ours_is_welcome() {
    let world = World::new("tcp", ServerConfig::default());
    world.run(async {
        let stream = world.stream().await;
        let mut body = hello_body(1, 5, 10);
        body.extend([9; 100]);
        push(&stream, frame(HELLO, 0, 0, &body, b"")).await.unwrap();
        let welcome = FrameStream::new(&stream).next().await.unwrap();
        assert_eq!((welcome.kind, welcome.message), (WELCOME, welcome_body(1, 10)));
    });
}

#[test]
fn a_client_that_says_nothing_is_shown_out() {
    let config = ServerConfig {
        handshake_timeout: Duration::from_millis(30),
        linger: Duration::from_millis(30),
        ..ServerConfig::default()
    };
    for transport in ["local", "tcp", "unix"] {
        let world = World::new(transport, config);
        world.run(async {
            let silent = world.stream().await;
            let half = world.stream().await;
            push(&half, &hello()[..20]).await.unwrap();
            for stream in [&silent, &half] {
                let refused = FrameStream::new(stream).next().await.unwrap();
                assert_violation(&refused, REFUSE, Violation::HandshakeTimeout);
            }
            // Neither reads to the end nor closes; the server does not wait for ever.
            world.until(|| world.server.connections() == 0).await;
        });
    }
}

#[test]
fn half_a_frame_is_waited_for_and_forgotten_when_its_client_goes() {
    over_each_transport(|world| {
        world.run(async {
            let in_use = world.runtime.pool().in_use();
            let mut streams = Vec::new();
            for cut in [1, 15, 16, 17, 5000] {
                let stream = world.stream().await;
                push(&stream, hello()).await.unwrap();
                FrameStream::new(&stream).next().await.unwrap();
                let request = frame(REQUEST, 1, ECHO, &[1; 6000], b"");
                push(&stream, &request[..cut]).await.unwrap();
                streams.push(stream);
            }
            assert!(
                world
                    .client()
                    .await
                    .call(ECHO, &Bytes(b""), CallOptions::new())
                    .await
                    .is_ok()
            );
            world.until(|| world.runtime.pool().in_use() <= in_use).await;
            assert_eq!(world.served.borrow().calls.len(), 1);
            streams.clear();
            world.until(|| world.server.connections() == 0).await;
        });
    });
}

#[test]
fn a_payload_that_never_comes_holds_no_buffer_and_is_not_served() {
    over_each_transport(|world| {
        world.run(async {
            world.served.borrow_mut().place = Some(extent(1 << 20));
            for method in [ECHO, PLACE] {
                let stream = world.stream().await;
                push(&stream, hello()).await.unwrap();
                FrameStream::new(&stream).next().await.unwrap();
                let request = frame(REQUEST, 1, method, b"", &[1; 100_000]);
                push(&stream, &request[..20_000]).await.unwrap();
                assert!(
                    world
                        .client()
                        .await
                        .call(ECHO, &Bytes(b""), CallOptions::new())
                        .await
                        .is_ok()
                );
                drop(stream);
                world.until(|| world.server.connections() == 0).await;
            }
            assert!(
                world
                    .served
                    .borrow()
                    .calls
                    .iter()
                    .all(|head| head.payload_len == 0)
            );
        });
    });
}

#[test]
fn a_client_that_does_not_read_is_not_read_from() {
    over_each_transport(|world| {
        world.run(async {
            let witness = world.client().await;
            let stream = world.stream().await;
            push(&stream, hello()).await.unwrap();
            let mut frames = FrameStream::new(&stream);
            frames.next().await.unwrap();
            // 40 answers of 1 MiB each are more than socket buffers hold.
            let requests = (0..40).map(|id| frame(REQUEST, id, SEND, &(1u32 << 20).to_le_bytes(), b""));
            for request in requests {
                push(&stream, request).await.unwrap();
                world.runtime.sleep(Duration::from_micros(100)).await;
            }
            let served = || world.served.borrow().calls.len();
            let before = served();
            assert!(before < 30, "{before} of 40 requests were served to nobody");
            assert!(witness.call(ECHO, &Bytes(b""), CallOptions::new()).await.is_ok());
            for id in 0..40 {
                let reply = frames.next().await.unwrap();
                assert_eq!((reply.kind, reply.id, reply.code), (REPLY, id, 0));
            }
            assert_eq!(served(), 41);
        });
    });
}

#[test]
fn a_hundred_thousand_malformed_frames_harm_nobody() {
    for transport in ["local", "tcp"] {
        let config = ServerConfig {
            linger: Duration::from_millis(10),
            ..ServerConfig::default()
        };
        let world = World::new(transport, config);
        world.run(async {
            let witness = world.client().await;
            let mut random = Random(0x9e37_79b9_7f4a_7c15);
            let mut frames = 0u32;
            while frames < 100_000 {
                let stream = world.stream().await;
                if random.below(8) > 0 {
                    let _ = push(&stream, hello()).await;
                }
                // Up to fifty to one connection: most are dead after the first, and must stay dead.
                let mut bytes = Vec::new();
                for _ in 0..50 {
                    bytes.extend(malformed(&mut random));
                    frames += 1;
                }
                let _ = push(&stream, bytes).await;
                if frames.is_multiple_of(2000) {
                    let message = frames.to_le_bytes();
                    let reply = witness
                        .call(ECHO, &Bytes(&message), CallOptions::new())
                        .await
                        .unwrap();
                    assert_eq!(reply.message[..], message);
                }
            }
            world.until(|| world.server.connections() == 1).await;
            assert_eq!(
                world.served.borrow().opened.len(),
                world.served.borrow().closed.len() + 1
            );
        });
    }
}

/// A frame with one thing wrong, or nothing but noise.
fn malformed(random: &mut Random) -> Vec<u8> {
    let message = vec![3; random.below(60)];
    // Methods that no service has, so that whatever is served is refused.
    let mut bytes = frame(REQUEST, random.next() as u32, 1000, &message, b"");
    match random.below(6) {
        0 => bytes[14] = 7 + random.below(249) as u8,
        1 => bytes[15] = 1 + random.below(255) as u8,
        2 => bytes[3] = 1 + random.below(255) as u8,
        3 => bytes[7] = 1 + random.below(255) as u8,
        4 => bytes[14] = [0, 1, 2, 4][random.below(4)],
        _ => bytes.iter_mut().for_each(|byte| *byte = random.next() as u8),
    }
    bytes
}

/// xorshift64: the same noise in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 16) as usize % bound
    }
}

/// A server that lies: runs `script` on the first connection and `client` against it.
fn against<T>(
    script: impl AsyncFnOnce(Runtime, Stream) + 'static,
    client: impl AsyncFnOnce(Runtime, Address) -> T,
) -> T {
    let runtime = new_runtime();
    let listener = runtime.listen(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_address().unwrap();
    let inside = runtime.clone();
    let liar = runtime.spawn(async move {
        let stream = listener.accept().await.unwrap();
        script(inside, stream).await;
    });
    let deadline = runtime.now_exact() + Duration::from_secs(30);
    let test = async {
        let result = client(runtime.clone(), address).await;
        liar.await;
        result
    };
    runtime
        .block_on(runtime.timeout(deadline, test))
        .expect("the test ends in time")
}

/// Welcomes the client, waits for its first request, sends `answer` to it, and gives what the client says last.
fn answered(
    answer: impl Fn(u32) -> Vec<u8> + 'static,
    options: CallOptions,
) -> (CallError, Option<RawFrame>) {
    let last = Rc::new(RefCell::new(None));
    let said = last.clone();
    let script = async move |_: Runtime, stream: Stream| {
        let mut frames = FrameStream::new(&stream);
        frames.next().await.unwrap();
        push(&stream, frame(WELCOME, 0, 0, &welcome_body(1, 256), b""))
            .await
            .unwrap();
        let request = frames.next().await.unwrap();
        // The client need not read to the end.
        let _ = push(&stream, answer(request.id)).await;
        while let Some(frame) = frames.next().await {
            *said.borrow_mut() = Some(frame);
        }
    };
    let error = against(script, async |runtime, address| {
        let client = Client::connect(&runtime, &address, ClientConfig::default())
            .await
            .unwrap();
        let error = client.call(ECHO, &Bytes(b""), options).await.unwrap_err();
        while client.is_connected() {
            runtime.sleep(Duration::from_micros(100)).await;
        }
        error
    });
    let last = last.borrow_mut().take();
    (error, last)
}

#[test]
fn a_server_that_breaks_a_rule_is_told_which_and_not_believed() {
    type Answer = fn(u32) -> Vec<u8>;
    let cases: [(Answer, Violation); 10] = [
        (|id| frame(REPLY, id ^ 1, 0, b"", b""), Violation::UnknownReply),
        (
            |id| frame(REPLY, id | 1 << 16, 0, b"", b""),
            Violation::UnknownReply,
        ),
        (|id| frame(REQUEST, id, 0, b"", b""), Violation::UnexpectedFrame),
        (|id| frame(9, id, 0, b"", b""), Violation::UnknownKind),
        (|id| frame(GRANT, id, 1, b"", b""), Violation::UnexpectedFrame),
        (|id| frame(PART, id, 0, b"", b""), Violation::UngrantedPart),
        (|id| frame(PART, id ^ 1, 0, b"", b""), Violation::UnknownReply),
        (
            |id| frame(REPLY, id, 0, &[0; 65_521], b""),
            Violation::MessageTooLong,
        ),
        (
            |id| frame(REPLY, id, 0, b"", &vec![0; (4 << 20) + 1]),
            Violation::PayloadTooLong,
        ),
        (|id| frame(REPLY, id, 0, b"", &[0; 9]), Violation::PayloadTooLong),
    ];
    for (answer, violation) in cases {
        let (error, last) = answered(answer, CallOptions::new().into(extent(8)));
        assert_eq!(error, CallError::Protocol(violation));
        assert!(!error.is_retryable() && error.may_have_run());
        assert_violation(&last.expect("the client says why"), GOODBYE, violation);
    }
}

#[test]
fn an_answer_that_comes_twice_is_a_violation() {
    let script = async |_: Runtime, stream: Stream| {
        let mut frames = FrameStream::new(&stream);
        frames.next().await.unwrap();
        push(&stream, frame(WELCOME, 0, 0, &welcome_body(1, 256), b""))
            .await
            .unwrap();
        let request = frames.next().await.unwrap();
        push(&stream, frame(REPLY, request.id, 0, b"", b"").repeat(2))
            .await
            .unwrap();
        while let Some(frame) = frames.next().await {
            if frame.kind == GOODBYE {
                assert_violation(&frame, GOODBYE, Violation::UnknownReply);
            }
        }
    };
    against(script, async |runtime, address| {
        let client = Client::connect(&runtime, &address, ClientConfig::default())
            .await
            .unwrap();
        let other = client.call(ECHO, &Bytes(b""), CallOptions::new());
        let reply = other.await.unwrap();
        assert!(matches!(reply.payload, Payload::None));
        while client.is_connected() {
            runtime.sleep(Duration::from_micros(100)).await;
        }
    });
}

#[test]
fn a_goodbye_says_which_calls_did_not_run() {
    let script = async |_: Runtime, stream: Stream| {
        let mut frames = FrameStream::new(&stream);
        frames.next().await.unwrap();
        push(&stream, frame(WELCOME, 0, 0, &welcome_body(1, 256), b""))
            .await
            .unwrap();
        for _ in 0..3 {
            frames.next().await.unwrap();
        }
        push(&stream, frame(GOODBYE, 2, Reason::SHUTTING_DOWN, b"bye", b""))
            .await
            .unwrap();
        while frames.next().await.is_some() {}
    };
    against(script, async |runtime, address| {
        let client = Client::connect(&runtime, &address, ClientConfig::default())
            .await
            .unwrap();
        let calls = [(); 3].map(|()| client.call(ECHO, &Bytes(b""), CallOptions::new()));
        for (call, may_have_run) in calls.into_iter().zip([true, true, false]) {
            assert_eq!(call.await.unwrap_err(), CallError::Lost { may_have_run });
        }
    });
}

fn connecting_to(script: impl AsyncFnOnce(Runtime, Stream) + 'static) -> ConnectError {
    against(script, async |runtime, address| {
        let config = ClientConfig {
            connect_timeout: Duration::from_millis(100),
            ..ClientConfig::default()
        };
        Client::connect(&runtime, &address, config).await.unwrap_err()
    })
}

fn said(bytes: Vec<u8>) -> ConnectError {
    connecting_to(async move |_: Runtime, stream: Stream| {
        push(&stream, bytes).await.unwrap();
        while stream.pop().await.is_ok_and(|bytes| !bytes.is_empty()) {}
    })
}

#[test]
fn a_handshake_that_fails_says_how() {
    let welcome = |version, credits| frame(WELCOME, 0, 0, &welcome_body(version, credits), b"");
    let protocol = ConnectError::Protocol;
    assert_eq!(said(welcome(2, 256)), protocol(Violation::UnknownVersion));
    assert_eq!(said(welcome(1, 257)), protocol(Violation::MalformedHandshake));
    assert_eq!(said(welcome(1, 0)), protocol(Violation::MalformedHandshake));
    assert_eq!(
        said(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()),
        protocol(Violation::WrongMagic)
    );
    assert_eq!(said(hello()), protocol(Violation::UnexpectedFrame));
    let refused = said(frame(REFUSE, 0, 2, b"no common protocol version", b""));
    assert_eq!(
        refused.to_string(),
        "the server refused the connection: no common protocol version (code 2)"
    );
    assert!(!refused.is_retryable());
    let silent = connecting_to(async |runtime: Runtime, stream: Stream| {
        runtime.sleep(Duration::from_millis(200)).await;
        drop(stream);
    });
    assert_eq!(silent, ConnectError::TimedOut);
    let gone = connecting_to(async |_: Runtime, stream: Stream| drop(stream));
    assert!(matches!(gone, ConnectError::Transport(_)), "{gone:?}");
    assert!(gone.is_retryable());
}

#[test]
fn a_lost_connection_is_noticed_while_the_client_is_blocked() {
    let script = async |runtime: Runtime, stream: Stream| {
        let mut frames = FrameStream::new(&stream);
        frames.next().await.unwrap();
        push(&stream, frame(WELCOME, 0, 0, &welcome_body(1, 256), b""))
            .await
            .unwrap();
        // Reads nothing more, so that the client's payload cannot leave.
        runtime.sleep(Duration::from_millis(50)).await;
        drop(stream);
    };
    against(script, async |runtime, address| {
        let client = Client::connect(&runtime, &address, ClientConfig::default())
            .await
            .unwrap();
        let payload: Sga = (0..16)
            .map(|_| crake_mem::Buf::from_vec(vec![1; 256 << 10]))
            .collect();
        let calls =
            (0..8).map(|_| client.call(ECHO, &Bytes(b""), CallOptions::new().payload(clone(&payload))));
        let calls = calls.collect::<Vec<_>>();
        client.flush();
        // Behind a push that is stuck.
        let unsent = client.call(ECHO, &Bytes(b""), CallOptions::new());
        for call in calls {
            assert_eq!(call.await.unwrap_err(), CallError::Lost { may_have_run: true });
        }
        assert_eq!(unsent.await.unwrap_err(), CallError::Lost { may_have_run: false });
    });
}

fn clone(sga: &Sga) -> Sga {
    sga.segments().iter().cloned().collect()
}

#[test]
fn the_smaller_limits_hold_for_both_sides() {
    let limits = Limits {
        message_max: 2048,
        payload_max: 3000,
        credits: 7,
    };
    let world = World::new(
        "tcp",
        ServerConfig {
            limits,
            ..ServerConfig::default()
        },
    );
    world.run(async {
        assert_eq!(world.client().await.limits(), limits);
        let request = frame(REQUEST, 1, ECHO, &[0; 2049], b"");
        assert_violation(
            &last_words(&world, &request).await,
            GOODBYE,
            Violation::MessageTooLong,
        );
        let request = frame(REQUEST, 1, ECHO, b"", &[0; 3001]);
        assert_violation(
            &last_words(&world, &request).await,
            GOODBYE,
            Violation::PayloadTooLong,
        );
    });
}
