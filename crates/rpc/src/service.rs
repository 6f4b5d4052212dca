//! What a server runs: the trait, and what it is shown of a request.

use std::rc::Rc;

use crake_datapath::{Address, Held};
use crake_mem::Extent;
use crake_wire::Gathered;

use crate::gate::Gate;
use crate::handshake::ClientId;
use crate::payload::Payload;
use crate::replies::Replies;
use crate::status::Status;
use crate::violation::Reason;

/// Answers requests in place, on the thread that received them.
///
/// The server borrows the service mutably for the length of each of these calls, so it must not be borrowed across an
/// `await` elsewhere.
pub trait Service: 'static {
    /// Answers requests of one peer that were received together, in order: at least one, at most [`BATCH_MAX`]. Each is
    /// to be answered, at once or by a [`Responder`](crate::Responder); one that is not fails with
    /// [`Status::INTERNAL`]. The answers of all requests of a receive go out together.
    fn serve(&mut self, peer: &Peer, requests: &[Request<'_>], replies: &mut Replies<'_>);

    /// Says where the payload of a request goes. Called when head and message are there and before the payload is; all
    /// earlier requests of the same peer were served before.
    fn place(&mut self, peer: &Peer, head: &Head, message: &[u8]) -> Place {
        let _ = (peer, head, message);
        Place::Pool
    }

    /// Where answers wait, if they may have to. It stays the same one.
    fn gate(&self) -> Option<Rc<Gate>> {
        None
    }

    /// A client has introduced itself.
    ///
    /// # Errors
    /// Why it may not stay: it is told, and the connection is closed. Then `closed` is not called.
    fn opened(&mut self, peer: &Peer) -> Result<(), Refusal> {
        let _ = peer;
        Ok(())
    }

    /// The connection of a client that was welcome is over.
    fn closed(&mut self, peer: &Peer) {
        let _ = peer;
    }
}

/// Most requests that [`Service::serve`] gets at once.
pub const BATCH_MAX: usize = 64;

/// A client, as one connection knows it.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Number of the connection, never used twice by a server.
    pub id: u64,
    /// Who the client says that it is.
    pub client: ClientId,
    /// What the client says that it is: the service's to interpret.
    pub role: u8,
    /// Where it is, if the transport knows.
    pub address: Option<Address>,
    /// What it still has of memory that the server's listener shares for writing; nothing if it was given none.
    pub held: Option<Held>,
}

/// What a request's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The client's number for the call.
    pub id: u32,
    /// What is to be done: the service's to interpret.
    pub method: u16,
    /// Length of the payload in bytes.
    pub payload_len: u32,
    /// How many parts of an answer the caller takes before it grants more; 0 if it wants one answer.
    pub window: u8,
}

/// A request to be answered.
#[derive(Debug)]
pub struct Request<'a> {
    /// What its header says.
    pub head: Head,
    /// The message, where it was received.
    pub message: &'a [u8],
    /// The bytes beside it, whole.
    pub payload: Payload,
    /// Its place in the batch.
    pub(crate) index: u8,
}

impl Request<'_> {
    /// The message with what its sender gathered: for views of messages whose bytes were not all copied.
    #[inline]
    #[must_use]
    pub fn frame(&self) -> Gathered<'_> {
        self.payload.frame(self.message)
    }
}

/// Where a request's payload goes.
#[derive(Debug)]
pub enum Place {
    /// Into receive buffers.
    Pool,
    /// Into the front of this extent, which must be long enough, with no copy between where the transport can do that.
    /// The bytes arrive over time; a client that goes away leaves it filled in part, and `serve` is not called.
    Into(Extent),
    /// Nowhere: it is read and dropped, and the call fails with this status and text. `serve` is not called.
    Refuse(Status, String),
}

/// Why a service does not want a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For people; the client is told with [`Reason::NOT_WELCOME`].
    pub text: String,
}

impl Refusal {
    /// With this text.
    pub fn new(text: impl Into<String>) -> Refusal {
        Refusal { text: text.into() }
    }
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Reason {
        Reason::new(Reason::NOT_WELCOME, refusal.text)
    }
}
