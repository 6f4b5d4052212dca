//! What is sent in one turn: frames that were built one behind the other where they are sent from, and between them what is sent
//! from where it lies.

use std::ops::Range;

use crake_mem::{Buf, BufMut, Pool, PoolConfig, Sga};

use super::frame::{HEADER_BYTES, Header};

/// Gathered bytes up to here are copied behind their message, as `crake-rpc` does it.
const COPIED_BYTES_MAX: usize = 1024;

/// Room for the longest message of any format.
const LARGE_BYTES: usize = 2 << 20;
/// As many as two sides can have under way.
const LARGE_BUFFERS: usize = 64;

/// Buffers that are used again and again, for messages of any length.
#[derive(Clone)]
pub struct Pools {
    small: Pool,
    large: Pool,
}

impl Pools {
    /// `small` is the runtime's.
    pub fn new(small: &Pool) -> Self {
        Self {
            small: small.clone(),
            large: Pool::new(PoolConfig {
                buffer_bytes: LARGE_BYTES,
                headroom_bytes: 0,
                buffers_max: LARGE_BUFFERS,
            }),
        }
    }

    /// An empty buffer with room for so many bytes.
    pub fn take(&self, len_bytes: usize) -> BufMut {
        let pool = match len_bytes <= self.small.config().buffer_bytes {
            true => &self.small,
            false => &self.large,
        };
        let pooled = pool.take().filter(|buffer| buffer.spare() >= len_bytes);
        pooled.unwrap_or_else(|| BufMut::with_capacity(len_bytes))
    }
}

/// What is built and not yet pushed.
pub struct Outbox {
    pools: Pools,
    /// Where the next frame goes.
    open: Option<BufMut>,
    /// What goes out from where it lies, and how many bytes of `open` go before it.
    beside: Vec<(usize, Sga)>,
    /// What goes out before these.
    sealed: Sga,
    /// Part of a buffer that was filled beforehand, which goes out behind all: it grows while what follows in it is added.
    prebuilt: Option<(Buf, Range<usize>)>,
    /// Bytes that were not taken.
    len_bytes: usize,
    /// Bytes that were ever added.
    pub added_bytes: u64,
}

impl Outbox {
    pub fn new(pools: Pools) -> Self {
        Self {
            pools,
            open: None,
            beside: Vec::new(),
            sealed: Sga::new(),
            prebuilt: None,
            len_bytes: 0,
            added_bytes: 0,
        }
    }

    /// Adds a frame. `fill` writes the message to the front of a place of `bytes_max` bytes, which hold anything, and says how
    /// long it is.
    #[inline]
    pub fn frame(&mut self, bytes_max: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        self.frame_before(0, bytes_max, fill);
    }

    /// The same, of a message behind which so many bytes follow by [`beside`](Self::beside).
    #[inline]
    pub fn frame_before(
        &mut self,
        beside_len: usize,
        bytes_max: usize,
        fill: impl FnOnce(&mut [u8]) -> usize,
    ) {
        self.put(bytes_max, |place| {
            let message_len = fill(place);
            Header {
                message_len,
                beside_len,
                padding: 0,
            }
        });
    }

    /// The same as [`frame`](Self::frame), of a message that has to be aligned where it is read.
    #[inline]
    pub fn aligned_frame(&mut self, bytes_max: usize, fill: impl FnOnce(&mut [u8]) -> usize) {
        self.put(bytes_max + HEADER_BYTES, |place| {
            let message_len = fill(&mut place[..bytes_max]);
            Header {
                message_len,
                beside_len: 0,
                padding: message_len.next_multiple_of(HEADER_BYTES) - message_len,
            }
        });
    }

    /// Adds the header of a message of which all parts are added one by one.
    pub fn header(&mut self, message_len: usize) {
        let header = Header {
            message_len,
            ..Header::default()
        };
        header.encode(self.room(HEADER_BYTES).put(HEADER_BYTES));
        self.count(HEADER_BYTES);
    }

    /// Adds bytes to the message, or behind it: short ones are copied.
    pub fn beside(&mut self, bytes: Sga) {
        let len = bytes.len_bytes();
        self.count(len);
        if len <= COPIED_BYTES_MAX {
            return bytes.copy_to(self.room(len).put(len));
        }
        let before = self.open.as_ref().map_or(0, |open| open.len());
        self.beside.push((before, bytes));
    }

    /// Adds bytes to the message.
    pub fn copy(&mut self, bytes: &[u8]) {
        self.room(bytes.len()).push_slice(bytes);
        self.count(bytes.len());
    }

    /// Adds whole frames that were built beforehand.
    pub fn prebuilt(&mut self, buf: &Buf, range: Range<usize>) {
        self.count(range.len());
        match &mut self.prebuilt {
            Some((_, built)) if built.end == range.start => built.end = range.end,
            _ => {
                self.seal();
                self.prebuilt = Some((buf.clone(), range));
            }
        }
    }

    /// A buffer with room for so many bytes, to be filled and then added.
    pub fn buffer(&self, len_bytes: usize) -> BufMut {
        self.pools.take(len_bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    pub fn len_bytes(&self) -> usize {
        self.len_bytes
    }

    /// All of it, to be pushed.
    pub fn take(&mut self) -> Sga {
        self.seal();
        self.len_bytes = 0;
        std::mem::take(&mut self.sealed)
    }

    /// Adds a header and what is behind it in the buffer.
    #[inline]
    fn put(&mut self, bytes_max: usize, fill: impl FnOnce(&mut [u8]) -> Header) {
        let open = self.room(HEADER_BYTES + bytes_max);
        let (head, place) = open.spare_mut().split_at_mut(HEADER_BYTES);
        let header = fill(&mut place[..bytes_max]);
        header.encode(head);
        let len = HEADER_BYTES + header.padded_len();
        open.advance(len);
        self.count(len);
    }

    fn count(&mut self, len_bytes: usize) {
        self.len_bytes += len_bytes;
        self.added_bytes += len_bytes as u64;
    }

    #[inline]
    fn room(&mut self, len_bytes: usize) -> &mut BufMut {
        if self.open.as_ref().is_none_or(|open| open.spare() < len_bytes) {
            self.renew(len_bytes);
        }
        self.open.as_mut().expect("there is one, with room")
    }

    #[cold]
    fn renew(&mut self, len_bytes: usize) {
        self.seal();
        self.open = Some(self.pools.take(len_bytes));
    }

    /// Closes what is open: its parts go out in turn with what lies elsewhere.
    fn seal(&mut self) {
        let mut rest = self.open.take().map(BufMut::freeze).unwrap_or_default();
        let mut taken = 0;
        for (before, bytes) in self.beside.drain(..) {
            self.sealed.push(rest.split_to(before - taken));
            self.sealed.append(bytes);
            taken = before;
        }
        self.sealed.push(rest);
        let prebuilt = self.prebuilt.take();
        self.sealed.extend(prebuilt.map(|(buf, range)| buf.slice(range)));
    }
}
