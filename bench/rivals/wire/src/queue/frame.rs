//! How messages of all formats lie on a queue: 16 bytes of lengths, the message, and behind it what was gathered.

/// Of a header. A message that has to be aligned is, if it is padded to this, where the receive buffer begins with a frame.
pub const HEADER_BYTES: usize = 16;

/// u32 bytes of the message, u32 bytes of what is gathered behind it, u32 bytes of padding behind the message, u32 zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Bytes that have to be in one piece to be read.
    pub message_len: usize,
    /// Bytes behind it, in any pieces.
    pub beside_len: usize,
    /// Bytes behind the message that mean nothing; then nothing is gathered.
    pub padding: usize,
}

impl Header {
    pub fn encode(self, out: &mut [u8]) {
        let number = |len: usize| u32::try_from(len).expect("messages are short").to_le_bytes();
        out[..4].copy_from_slice(&number(self.message_len));
        out[4..8].copy_from_slice(&number(self.beside_len));
        out[8..12].copy_from_slice(&number(self.padding));
        out[12..HEADER_BYTES].fill(0);
    }

    /// # Panics
    ///
    /// If there are fewer than 16 bytes.
    pub fn decode(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = bytes[at..at + 4].try_into().expect("4 bytes");
            u32::from_le_bytes(bytes) as usize
        };
        Self {
            message_len: number(0),
            beside_len: number(4),
            padding: number(8),
        }
    }

    /// Of the message and the padding behind it.
    pub fn padded_len(self) -> usize {
        self.message_len + self.padding
    }

    /// Of all that follows the header.
    pub fn body_len(self) -> usize {
        self.padded_len() + self.beside_len
    }
}
