//! The format as its text says it (`docs/format/rpc.md`), apart from the code that is tested.

use crake_rpc::Violation;

pub const HELLO: u8 = 0;
pub const WELCOME: u8 = 1;
pub const REFUSE: u8 = 2;
pub const REQUEST: u8 = 3;
pub const REPLY: u8 = 4;
pub const CANCEL: u8 = 5;
pub const GOODBYE: u8 = 6;
pub const PART: u8 = 7;
pub const GRANT: u8 = 8;

pub const HEADER_BYTES: usize = 16;

/// A frame, or the front of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub id: u32,
    pub code: u16,
    pub kind: u8,
    pub window: u8,
    pub message: Vec<u8>,
    /// As much as there is of it.
    pub payload: Vec<u8>,
    pub payload_len: usize,
}

impl Frame {
    pub fn is_whole(&self) -> bool {
        self.payload.len() == self.payload_len
    }
}

/// The longest message and the longest payload.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    pub message_max: u32,
    pub payload_max: u32,
}

impl Lengths {
    /// Before a handshake is done.
    pub const HANDSHAKE: Lengths = Lengths {
        message_max: 1024,
        payload_max: 0,
    };
}

/// The frame at the front of `input`, if its header and message are there; its payload may be cut.
pub fn take(input: &mut &[u8], lengths: Lengths) -> Result<Option<Frame>, Violation> {
    let Some((header, rest)) = input.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(None);
    };
    let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
    let (message_len, payload_len) = (word(0), word(4));
    let (kind, window) = (header[14], header[15]);
    if kind > GRANT {
        return Err(Violation::UnknownKind);
    }
    if window > 0 && kind != REQUEST {
        return Err(Violation::UnexpectedWindow);
    }
    if payload_len > 0 && ![REQUEST, REPLY, PART].contains(&kind) {
        return Err(Violation::UnexpectedPayload);
    }
    if message_len > lengths.message_max {
        return Err(Violation::MessageTooLong);
    }
    if payload_len > lengths.payload_max {
        return Err(Violation::PayloadTooLong);
    }
    let Some((message, rest)) = rest.split_at_checked(message_len as usize) else {
        return Ok(None);
    };
    let payload_len = payload_len as usize;
    let (payload, rest) = rest.split_at(payload_len.min(rest.len()));
    *input = rest;
    Ok(Some(Frame {
        id: word(8),
        code: u16::from_le_bytes([header[12], header[13]]),
        kind,
        window,
        message: message.to_vec(),
        payload: payload.to_vec(),
        payload_len,
    }))
}

/// All frames that a well-behaved side has sent; a frame that is not whole at the end is left out.
pub fn all_of(mut sent: &[u8], lengths: Lengths) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(frame) = take(&mut sent, lengths).expect("what is sent keeps to the format") {
        if frame.is_whole() {
            frames.push(frame);
        }
    }
    frames
}
