//! A connection whose bytes a test makes itself (`docs/format/rpc.md`).

use crake_datapath::{Address, Error, Runtime, Stream};
use crake_mem::{Buf, Sga};
use crake_wire::Encode;

pub const REQUEST: u8 = 3;
const HELLO: u8 = 0;
const WELCOME: u8 = 1;
const REPLY: u8 = 4;

/// The frame's 16 bytes of header.
pub fn header(message_len: usize, payload_len: usize, id: u32, code: u16, kind: u8) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16);
    bytes.extend((message_len as u32).to_le_bytes());
    bytes.extend((payload_len as u32).to_le_bytes());
    bytes.extend(id.to_le_bytes());
    bytes.extend(code.to_le_bytes());
    bytes.extend([kind, 0]);
    bytes
}

/// Header and message of a request; the payload is to follow.
pub fn request(id: u32, method: u16, message: &impl Encode, payload_len: usize) -> Vec<u8> {
    let message = message.encode_to_vec();
    let mut frame = header(message.len(), payload_len, id, method, REQUEST);
    frame.extend(message);
    frame
}

/// The first frame of a client in this role.
pub fn hello(role: u8, client: u128) -> Vec<u8> {
    let mut body = b"CRAKERPC".to_vec();
    body.extend([1, 0, 1, 0, role, 0, 0, 0]);
    body.extend((64u32 * 1024 - 16).to_le_bytes());
    body.extend((4u32 << 20).to_le_bytes());
    body.extend(256u32.to_le_bytes());
    body.extend(client.to_le_bytes());
    let mut frame = header(body.len(), 0, 0, 0, HELLO);
    frame.extend(body);
    frame
}

/// A connection that was welcomed.
pub struct Raw {
    stream: Stream,
    received: Vec<u8>,
}

/// An answer.
pub struct Answer {
    pub id: u32,
    pub status: u16,
    pub payload: Vec<u8>,
}

impl Raw {
    pub async fn connect(runtime: &Runtime, address: &Address, client: u128) -> Raw {
        let stream = runtime.connect(address).await.unwrap();
        let mut raw = Raw {
            stream,
            received: Vec::new(),
        };
        raw.send(hello(1, client)).await.unwrap();
        let frame = raw.frame().await.unwrap();
        assert_eq!(
            frame[14],
            WELCOME,
            "refused: {}",
            String::from_utf8_lossy(&frame[16..])
        );
        raw
    }

    pub async fn send(&self, bytes: Vec<u8>) -> Result<(), Error> {
        self.stream.push(Sga::from(Buf::from_vec(bytes))).await
    }

    /// The next frame, whole; an error when the connection ends before that.
    async fn frame(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(len) = self.frame_len().filter(|len| *len <= self.received.len()) {
                return Ok(self.received.drain(..len).collect());
            }
            let bytes = self.stream.pop().await?;
            if bytes.is_empty() {
                return Err(Error::Closed);
            }
            self.received.extend_from_slice(&bytes);
        }
    }

    fn frame_len(&self) -> Option<usize> {
        let word =
            |at: usize| Some(u32::from_le_bytes(self.received.get(at..at + 4)?.try_into().ok()?) as usize);
        Some(16 + word(0)? + word(4)?)
    }

    pub async fn answer(&mut self) -> Result<Answer, Error> {
        let frame = self.frame().await?;
        if frame[14] != REPLY {
            return Err(Error::Closed);
        }
        let message_len = u32::from_le_bytes(frame[..4].try_into().unwrap()) as usize;
        Ok(Answer {
            id: u32::from_le_bytes(frame[8..12].try_into().unwrap()),
            status: u16::from_le_bytes(frame[12..14].try_into().unwrap()),
            payload: frame[16 + message_len..].to_vec(),
        })
    }
}
