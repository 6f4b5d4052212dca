//! What is received: messages are read where they arrived, or in the place that they were received into because they have to be in
//! one piece and were not.

use std::mem;

use anyhow::{Context, Result};
use bytes::Bytes;
use crake_mem::{Buf, BufMut};
use crake_wire::{Gathered, WireError};
use rkyv::util::AlignedVec;
use send_wrapper::SendWrapper;

use super::frame::{HEADER_BYTES, Header};
use super::outbox::Pools;

/// From so many bytes on that are still missing, a receive straight to where they belong takes less time than a copy: as in
/// `crake-rpc`.
const LARGE_BYTES: usize = 16 << 10;

/// How a format reads its messages; gives the sum of what it read.
pub enum Reading {
    /// In one piece, and what was gathered beside it.
    Gathered(for<'a> fn(Gathered<'a>) -> Result<u64, WireError>),
    /// In one piece.
    Whole(fn(&[u8]) -> u64),
    /// In one piece at a multiple of 16: copied once more where it is not.
    Aligned(fn(&[u8]) -> u64),
    /// In one piece, of which fields may be kept.
    Shared(Box<dyn FnMut(Bytes) -> u64>),
    /// Not at all.
    Nothing,
}

/// One side's state between two receives.
pub struct Incoming {
    pools: Pools,
    pub reading: Reading,
    pub messages: u64,
    /// Of all that was read.
    pub sum: u64,
    /// The front of a header that was cut.
    cut: Vec<u8>,
    /// Of a frame that is not whole.
    partial: Option<Partial>,
    /// Where what has to be aligned and is not is copied to.
    aligned: AlignedVec,
}

/// A frame of which only the front has come.
struct Partial {
    header: Header,
    message: Message,
    beside: Landing,
}

enum Message {
    /// In a place that ends where it will end.
    Partial(BufMut),
    /// That place is being received into.
    Away,
    Whole(Buf),
}

/// What is gathered, as it arrives.
#[derive(Default)]
struct Landing {
    missing: usize,
    is_dropped: bool,
    bufs: Vec<Buf>,
    tail: Option<BufMut>,
}

/// A receive buffer, with what reads it.
struct Arrived<'b> {
    buf: &'b Buf,
    /// The same, as those need it who keep parts of it.
    shared: Option<Bytes>,
    at: usize,
}

impl Incoming {
    pub fn new(pools: Pools, reading: Reading) -> Self {
        Self {
            pools,
            reading,
            messages: 0,
            sum: 0,
            cut: Vec::with_capacity(HEADER_BYTES),
            partial: None,
            aligned: AlignedVec::new(),
        }
    }

    /// Takes what came.
    pub fn take(&mut self, buf: &Buf) -> Result<()> {
        let mut arrived = Arrived {
            buf,
            shared: matches!(self.reading, Reading::Shared(_)).then(|| shared(buf.clone())),
            at: 0,
        };
        self.go_on(&mut arrived)?;
        while self.partial.is_none()
            && let Some(header) = self.next_header(&mut arrived)
        {
            if arrived.left() < header.body_len() {
                self.begin(header, &mut arrived)?;
            } else {
                self.read_here(header, &mut arrived)?;
            }
        }
        Ok(())
    }

    /// The place of a message of which much is missing, to be filled by a receive of its own and then given to
    /// [`filled`](Self::filled).
    pub fn vacant(&mut self) -> Option<BufMut> {
        let message = &mut self.partial.as_mut()?.message;
        if !matches!(message, Message::Partial(place) if place.spare() >= LARGE_BYTES) {
            return None;
        }
        match mem::replace(message, Message::Away) {
            Message::Partial(place) => Some(place),
            Message::Away | Message::Whole(_) => None,
        }
    }

    /// Takes that place back, filled.
    pub fn filled(&mut self, place: BufMut) -> Result<()> {
        let partial = self
            .partial
            .as_mut()
            .context("no message has its place elsewhere")?;
        partial.message = Message::Partial(place);
        let nothing = Buf::new();
        self.go_on(&mut Arrived {
            buf: &nothing,
            shared: None,
            at: 0,
        })
    }

    /// The next header, or none if it is not whole yet.
    fn next_header(&mut self, arrived: &mut Arrived<'_>) -> Option<Header> {
        if self.cut.is_empty()
            && let Some(bytes) = arrived.buf.get(arrived.at..arrived.at + HEADER_BYTES)
        {
            arrived.at += HEADER_BYTES;
            return Some(Header::decode(bytes));
        }
        let rest = arrived.next(HEADER_BYTES - self.cut.len());
        self.cut.extend_from_slice(rest);
        let header = (self.cut.len() == HEADER_BYTES).then(|| Header::decode(&self.cut));
        if header.is_some() {
            self.cut.clear();
        }
        header
    }

    /// All of the frame is there.
    fn read_here(&mut self, header: Header, arrived: &mut Arrived<'_>) -> Result<()> {
        let start = arrived.at;
        let message = start..start + header.message_len;
        arrived.at = start + header.body_len();
        self.messages += 1;
        let read = match &mut self.reading {
            Reading::Whole(read) => read(&arrived.buf[message]),
            Reading::Aligned(read) => read(aligned(&arrived.buf[message], &mut self.aligned)),
            Reading::Gathered(read) if header.beside_len == 0 => read(arrived.buf[message].into())?,
            Reading::Gathered(read) => {
                let beside = [arrived.buf.slice(message.end..arrived.at)];
                read(Gathered::with_len(
                    &arrived.buf[message],
                    &beside,
                    header.beside_len,
                ))?
            }
            Reading::Shared(read) => {
                let shared = arrived.shared.as_ref().context("it is made for all buffers")?;
                read(shared.slice(message))
            }
            Reading::Nothing => 0,
        };
        self.sum = self.sum.wrapping_add(read);
        Ok(())
    }

    /// The front of the frame is there.
    fn begin(&mut self, header: Header, arrived: &mut Arrived<'_>) -> Result<()> {
        let message = if arrived.left() >= header.padded_len() {
            let start = arrived.at;
            arrived.at += header.padded_len();
            Message::Whole(arrived.buf.slice(start..start + header.message_len))
        } else {
            Message::Partial(self.place(header.padded_len()))
        };
        let beside = Landing {
            missing: header.beside_len,
            is_dropped: matches!(self.reading, Reading::Nothing),
            ..Landing::default()
        };
        self.partial = Some(Partial {
            header,
            message,
            beside,
        });
        self.go_on(arrived)
    }

    /// A place whose spare room is just that of the message: nothing behind it is received into it.
    fn place(&self, len: usize) -> BufMut {
        let mut place = self.pools.take(len);
        place.advance(place.spare() - len);
        place
    }

    /// Adds what came to the frame that is not whole, and reads it when it is.
    fn go_on(&mut self, arrived: &mut Arrived<'_>) -> Result<()> {
        let Some(mut partial) = self.partial.take() else {
            return Ok(());
        };
        partial.message = partial.message.go_on(partial.header, arrived);
        match partial.message {
            Message::Whole(message) => {
                partial.beside.take(arrived, &self.pools);
                if partial.beside.missing == 0 {
                    return self.read_landed(partial.header, message, partial.beside);
                }
                partial.message = Message::Whole(message);
            }
            Message::Partial(_) | Message::Away => {}
        }
        self.partial = Some(partial);
        Ok(())
    }

    fn read_landed(&mut self, header: Header, message: Buf, beside: Landing) -> Result<()> {
        self.messages += 1;
        let read = match &mut self.reading {
            Reading::Whole(read) => read(&message),
            Reading::Aligned(read) => read(aligned(&message, &mut self.aligned)),
            Reading::Gathered(read) => {
                let beside = beside.finish();
                read(Gathered::with_len(&message, &beside, header.beside_len))?
            }
            Reading::Shared(read) => read(shared(message)),
            Reading::Nothing => 0,
        };
        self.sum = self.sum.wrapping_add(read);
        Ok(())
    }
}

impl<'b> Arrived<'b> {
    fn left(&self) -> usize {
        self.buf.len() - self.at
    }

    /// The next bytes, as many as there are of so many.
    fn next(&mut self, len_max: usize) -> &'b [u8] {
        let start = self.at;
        self.at += len_max.min(self.left());
        &self.buf[start..self.at]
    }
}

impl Message {
    fn go_on(self, header: Header, arrived: &mut Arrived<'_>) -> Self {
        let Message::Partial(mut place) = self else {
            return self;
        };
        place.push_slice(arrived.next(place.spare()));
        if place.spare() > 0 {
            return Message::Partial(place);
        }
        let start = place.len() - header.padded_len();
        Message::Whole(place.freeze().slice(start..start + header.message_len))
    }
}

impl Landing {
    /// A piece that is a good part of its receive buffer is kept as it is; small ones are copied together, as in `crake-rpc`.
    fn take(&mut self, arrived: &mut Arrived<'_>, pools: &Pools) {
        let start = arrived.at;
        let taken = arrived.next(self.missing);
        self.missing -= taken.len();
        let is_all = self.missing == 0 && self.bufs.is_empty() && self.tail.is_none();
        if taken.is_empty() || self.is_dropped {
        } else if is_all || taken.len() >= LARGE_BYTES {
            self.bufs.extend(self.tail.take().map(BufMut::freeze));
            self.bufs.push(arrived.buf.slice(start..arrived.at));
        } else {
            self.copy(taken, pools);
        }
    }

    fn copy(&mut self, mut piece: &[u8], pools: &Pools) {
        while !piece.is_empty() {
            let tail = self.tail.get_or_insert_with(|| pools.take(LARGE_BYTES));
            let (fits, rest) = piece.split_at(piece.len().min(tail.spare()));
            tail.push_slice(fits);
            piece = rest;
            if tail.spare() == 0 {
                self.bufs.extend(self.tail.take().map(BufMut::freeze));
            }
        }
    }

    fn finish(mut self) -> Vec<Buf> {
        self.bufs.extend(self.tail.take().map(BufMut::freeze));
        self.bufs
    }
}

fn aligned<'b>(bytes: &'b [u8], copy: &'b mut AlignedVec) -> &'b [u8] {
    if bytes.as_ptr().addr().is_multiple_of(<AlignedVec>::ALIGNMENT) {
        return bytes;
    }
    copy.clear();
    copy.extend_from_slice(bytes);
    copy
}

/// A buffer as counted bytes that may be kept, without a copy. Those may go to other threads, which a buffer of a pool may not: so it looks
/// at each use on which thread it is.
fn shared(buf: Buf) -> Bytes {
    struct Held(SendWrapper<Buf>);

    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    Bytes::from_owner(Held(SendWrapper::new(buf)))
}

#[cfg(test)]
mod tests {
    use crake_mem::{PoolConfig, Sga};

    use super::super::outbox::Outbox;
    use super::*;

    const LENS: [usize; 6] = [1, 16, 300, 5000, 40_000, 70_000];

    fn pools() -> Pools {
        Pools::new(&crake_mem::Pool::new(PoolConfig {
            buffer_bytes: 64 << 10,
            headroom_bytes: 0,
            buffers_max: 8,
        }))
    }

    fn message(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
    }

    /// Depends on each byte and on its place.
    fn digest(bytes: &[u8]) -> u64 {
        bytes.iter().fold(1, |sum: u64, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
        })
    }

    fn gathered(frame: Gathered<'_>) -> Result<u64, WireError> {
        use crake_wire::Frame;
        let len = frame.head().len();
        // A slot that points at the 2,000 bytes behind the message.
        let beside = frame.bytes(2000 | (len as u64) << 32)?;
        Ok(digest(frame.head()).wrapping_add(digest(&beside.to_vec())))
    }

    /// Receives `sent` in pieces of so many bytes; what has a place of its own is received there.
    fn receive(sent: &[u8], piece_len: usize, reading: Reading) -> u64 {
        let mut incoming = Incoming::new(pools(), reading);
        let mut rest = sent;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(piece_len.min(rest.len()));
            rest = after;
            incoming.take(&Buf::copy_from_slice(piece)).unwrap();
            while let Some(mut place) = incoming.vacant() {
                let (placed, after) = rest.split_at(place.spare());
                place.push_slice(placed);
                rest = after;
                incoming.filled(place).unwrap();
            }
        }
        assert!(incoming.partial.is_none() && incoming.cut.is_empty());
        assert_eq!(incoming.messages, LENS.len() as u64);
        incoming.sum
    }

    #[test]
    fn messages_are_the_same_however_they_arrive() {
        let sum = |extra: u64| {
            LENS.iter().fold(0u64, |sum, &len| {
                sum.wrapping_add(digest(&message(len))).wrapping_add(extra)
            })
        };
        let mut outbox = Outbox::new(pools());
        let mut sent = |add: &dyn Fn(&mut Outbox, &[u8])| {
            LENS.iter().for_each(|&len| add(&mut outbox, &message(len)));
            outbox.take().concat()
        };
        let fill = |bytes: &[u8], out: &mut [u8]| {
            out[..bytes.len()].copy_from_slice(bytes);
            bytes.len()
        };
        let whole = sent(&|outbox, bytes| outbox.frame(bytes.len() + 9, |out| fill(bytes, out)));
        let aligned = sent(&|outbox, bytes| outbox.aligned_frame(bytes.len(), |out| fill(bytes, out)));
        let behind = message(2000);
        let beside = sent(&|outbox, bytes| {
            outbox.frame_before(behind.len(), bytes.len(), |out| fill(bytes, out));
            outbox.beside(Sga::from(Buf::copy_from_slice(&behind)));
        });
        for piece_len in [1, 7, 16, 17, 100, 4096, 20_000, 65_536, usize::MAX] {
            assert_eq!(receive(&whole, piece_len, Reading::Whole(digest)), sum(0));
            let shared = Reading::Shared(Box::new(|bytes| digest(&bytes)));
            assert_eq!(receive(&whole, piece_len, shared), sum(0));
            let is_aligned = |bytes: &[u8]| {
                assert!(bytes.as_ptr().addr().is_multiple_of(16));
                digest(bytes)
            };
            assert_eq!(receive(&aligned, piece_len, Reading::Aligned(is_aligned)), sum(0));
            let with_beside = receive(&beside, piece_len, Reading::Gathered(gathered));
            assert_eq!(with_beside, sum(digest(&behind)));
            assert_eq!(receive(&beside, piece_len, Reading::Nothing), 0);
        }
    }
}
