//! The bytes on the wire are those that `docs/format/rpc.md` prints.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use crake_mem::Buf;
use crake_rpc::{CallOptions, Client, ClientConfig, ClientId, ServerConfig, Status};
use support::*;

const TEXT: &str = include_str!("../../../docs/format/rpc.md");

/// The bytes of the code block that follows `before` in the text.
fn printed(before: &str) -> Vec<u8> {
    let (_, after) = TEXT.split_once(before).expect("the text has the block");
    let lines = after.lines().skip_while(|line| !line.starts_with("    "));
    let digits = lines
        .take_while(|line| line.starts_with("    "))
        .flat_map(str::chars);
    let digits = digits.filter_map(|digit| digit.to_digit(16)).collect::<Vec<_>>();
    digits
        .chunks(2)
        .map(|pair| (pair[0] << 4 | pair[1]) as u8)
        .collect()
}

fn client_bytes() -> Vec<u8> {
    printed("Client, with its handshake:")
}

fn server_bytes() -> Vec<u8> {
    printed("\nServer:\n")
}

#[test]
fn bytes_are_those_of_the_format_text() {
    a_client_sends_the_printed_bytes();
    a_server_sends_the_printed_bytes();
}

fn a_client_sends_the_printed_bytes() {
    let runtime = new_runtime();
    let listener = runtime.listen(&"tcp://127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_address().unwrap();
    let server = runtime.spawn(async move {
        let stream = listener.accept().await.unwrap();
        let mut frames = FrameStream::new(&stream);
        let mut sent = server_bytes();
        let rest = sent.split_off(40);
        frames.next().await.unwrap();
        push(&stream, sent).await.unwrap();
        frames.next().await.unwrap();
        let (first, second) = rest.split_at(22);
        push(&stream, first).await.unwrap();
        frames.next().await.unwrap();
        push(&stream, second).await.unwrap();
        frames.read
    });
    let sent = runtime.block_on(async {
        let config = ClientConfig {
            client: ClientId(7),
            ..ClientConfig::default()
        };
        let client = Client::connect(&runtime, &address, config).await.unwrap();
        let payload = CallOptions::new().payload(Buf::from_static(b"data"));
        let reply = client.call(1, &Bytes(b"hi"), payload).await.unwrap();
        assert_eq!(
            (&reply.message[..], &reply.payload.to_vec()[..]),
            (&b"hi"[..], &b"data"[..])
        );
        let error = client.call(9, &Bytes(b""), CallOptions::new()).await.unwrap_err();
        assert_eq!(error.status(), Some(Status::UNKNOWN_METHOD));
        server.await
    });
    assert_eq!(sent, client_bytes());
}

fn a_server_sends_the_printed_bytes() {
    let world = World::new("tcp", ServerConfig::default());
    let sent = world.run(async {
        let stream = world.stream().await;
        let mut frames = FrameStream::new(&stream);
        push(&stream, client_bytes()).await.unwrap();
        for _ in 0..3 {
            frames.next().await.unwrap();
        }
        frames.read
    });
    assert_eq!(sent, server_bytes());
}
