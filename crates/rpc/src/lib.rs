//! Requests served in place, one loop per core.
//!
//! A [`Client`] holds one connection to a [`Server`] and any number of calls on it at once. A server shows a
//! [`Service`] all requests of one receive together, where they were received, and sends the answers together. A call may
//! carry bulk bytes beside its message, both ways, which are received straight into the place where they belong; its answer may come in parts
//! ([`Client::stream`]). Services declared in .proto files are served and called by [`typed`]. The bytes
//! on the wire are described in `docs/format/rpc.md`.
//!
//! It does not retry, reconnect, balance or find servers, and does not encrypt: that is for the layers around it.
//!
//! What holds:
//! - A call ends: with the answer, with a [`Status`] of the server, at its deadline, or with its connection; an error
//!   says whether the call may have run.
//! - Nothing that a peer sends is believed: who breaks a rule or a limit is told which and is disconnected, and no
//!   other connection notices.
//! - What a peer can make this side hold is bounded by the [`Limits`] of the connection; a client waits for credits, a
//!   server does not read from a client that does not read its answers.
//! - A client always reads while it writes, so two sides that send each other much cannot block each other.
//! - In steady state no call allocates.
//! - An idle connection holds no buffer.
//!
//! ```
//! use std::{cell::RefCell, rc::Rc};
//!
//! use crake_datapath::{Runtime, RuntimeConfig};
//! use crake_rpc::{CallOptions, Client, ClientConfig, Peer, Replies, Request, Server, ServerConfig, Service, Status};
//! use crake_wire::Encode;
//!
//! struct Bytes<'a>(&'a [u8]);
//!
//! impl Encode for Bytes<'_> {
//!     fn encoded_len(&self) -> usize {
//!         self.0.len()
//!     }
//!     fn encode(&self, out: &mut [u8]) {
//!         out.copy_from_slice(self.0);
//!     }
//! }
//!
//! struct Echo;
//!
//! impl Service for Echo {
//!     fn serve(&mut self, _: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>) {
//!         for request in requests {
//!             match request.head.method {
//!                 1 => replies.send(request, &Bytes(request.message)),
//!                 _ => replies.fail(request, Status::UNKNOWN_METHOD, ""),
//!             }
//!         }
//!     }
//! }
//!
//! let runtime = Runtime::new(RuntimeConfig::default())?;
//! let address = "local://echo".parse()?;
//! let server = Server::bind(&runtime, &address, ServerConfig::default(), Rc::new(RefCell::new(Echo)))?;
//! runtime.block_on(async {
//!     let client = Client::connect(&runtime, &address, ClientConfig::default()).await?;
//!     let reply = client.call(1, &Bytes(b"hello"), CallOptions::new()).await?;
//!     assert_eq!(&reply.message[..], b"hello");
//!     let error = client.call(2, &Bytes(b""), CallOptions::new()).await.unwrap_err();
//!     assert_eq!(error.status(), Some(Status::UNKNOWN_METHOD));
//!     drop(client);
//!     server.shutdown().await;
//!     Ok::<(), Box<dyn std::error::Error>>(())
//! })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

mod answers;
mod call;
mod client;
mod connection;
mod gate;
mod handshake;
mod header;
mod limits;
mod link;
mod outbox;
mod parts;
mod payload;
mod reader;
mod replies;
mod responder;
mod server;
mod service;
mod session;
mod slots;
mod status;
mod stream;
pub mod typed;
mod violation;

pub use call::{Call, CallError, CallOptions, Reply};
pub use client::{Client, ClientConfig, ConnectError};
pub use gate::Gate;
pub use handshake::{ClientId, Versions};
pub use limits::Limits;
pub use payload::Payload;
pub use replies::Replies;
pub use responder::{Permit, Responder, StreamError, StreamResponder};
pub use server::{Server, ServerConfig};
pub use service::{BATCH_MAX, Head, Peer, Place, Refusal, Request, Service};
pub use status::{Fault, Status};
pub use stream::ReplyStream;
pub use violation::{Reason, Violation};
