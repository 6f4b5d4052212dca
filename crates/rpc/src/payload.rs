//! Bulk bytes beside a message, and how they come to lie where they belong.

use std::slice;

use crake_mem::{Buf, BufMut, Extent, Pool, Sga};
use crake_wire::Gathered;
use smallvec::SmallVec;

/// The bytes beside a message, as they were received.
#[derive(Debug, Default)]
pub enum Payload {
    /// None came.
    #[default]
    None,
    /// They lie in one receive buffer.
    Buf(Buf),
    /// They lie in several.
    Bufs {
        /// In this order.
        bufs: Vec<Buf>,
        /// How many bytes they hold.
        len_bytes: usize,
    },
    /// They are in the place that was named for them.
    Placed(Extent),
}

impl Payload {
    /// Number of bytes.
    #[must_use]
    pub fn len_bytes(&self) -> usize {
        match self {
            Payload::None => 0,
            Payload::Buf(buf) => buf.len(),
            Payload::Bufs { len_bytes, .. } => *len_bytes,
            Payload::Placed(extent) => extent.len(),
        }
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len_bytes() == 0
    }

    /// The receive buffers that they lie in: none if they are in the place that was named for them.
    #[must_use]
    pub fn bufs(&self) -> &[Buf] {
        match self {
            Payload::None | Payload::Placed(_) => &[],
            Payload::Buf(buf) => slice::from_ref(buf),
            Payload::Bufs { bufs, .. } => bufs,
        }
    }

    /// A message that was received with these bytes, to be read.
    #[inline]
    pub(crate) fn frame<'a>(&'a self, message: &'a [u8]) -> Gathered<'a> {
        match self {
            Payload::None | Payload::Placed(_) => Gathered::from(message),
            _ => Gathered::with_len(message, self.bufs(), self.len_bytes()),
        }
    }

    /// The same bytes as something to send; no copy.
    #[must_use]
    pub fn to_sga(&self) -> Sga {
        match self {
            Payload::None => Sga::new(),
            Payload::Buf(buf) => Sga::from(buf.clone()),
            Payload::Bufs { bufs, .. } => bufs.iter().cloned().collect(),
            Payload::Placed(extent) => Sga::from(extent.clone()),
        }
    }

    /// A copy of the bytes.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.to_sga().concat()
    }
}

/// A call into the kernel takes as long as copying about so much.
const LARGE_BYTES: usize = 16 << 10;

/// A payload that is being received.
#[derive(Debug)]
pub(crate) struct Landing {
    target: Target,
    missing: usize,
}

#[derive(Debug)]
enum Target {
    Bufs(Gathering),
    Extent { extent: Extent, filled: usize },
    Nowhere,
}

impl Landing {
    /// Into buffers of `pool`.
    pub(crate) fn in_pool(pool: &Pool, len: usize) -> Landing {
        Landing {
            target: Target::Bufs(Gathering::new(pool)),
            missing: len,
        }
    }

    /// Into the first `len` bytes of `extent`.
    ///
    /// # Panics
    /// If it is shorter.
    pub(crate) fn in_extent(extent: &Extent, len: usize) -> Landing {
        Landing {
            target: Target::Extent {
                extent: extent.slice(..len),
                filled: 0,
            },
            missing: len,
        }
    }

    /// Read and dropped.
    pub(crate) fn nowhere(len: usize) -> Landing {
        Landing {
            target: Target::Nowhere,
            missing: len,
        }
    }

    /// Drops what is still to come. Nothing is written to the extent any more.
    pub(crate) fn abandon(&mut self) {
        self.target = Target::Nowhere;
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.missing == 0
    }

    /// Whether it has a place and so much is still to come that a receive of its own costs less than a copy.
    pub(crate) fn is_large(&self) -> bool {
        self.missing >= LARGE_BYTES && matches!(self.target, Target::Extent { .. })
    }

    /// Takes what belongs to the payload from the front of `input`, which is the end of `buf`.
    pub(crate) fn take(&mut self, buf: &Buf, input: &mut &[u8]) {
        let start = buf.len() - input.len();
        let (taken, rest) = input.split_at(self.missing.min(input.len()));
        *input = rest;
        self.missing -= taken.len();
        match &mut self.target {
            Target::Bufs(bufs) => bufs.add(buf.slice(start..start + taken.len()), self.missing == 0),
            Target::Extent { extent, filled } => {
                extent.write(*filled, taken);
                *filled += taken.len();
            }
            Target::Nowhere => {}
        }
    }

    /// The part of the extent that is still to be filled, for a receive straight into it.
    pub(crate) fn vacant(&self) -> Option<Extent> {
        match &self.target {
            Target::Extent { extent, filled } if self.missing > 0 => Some(extent.slice(*filled..)),
            _ => None,
        }
    }

    /// Notes that `count` bytes were received into [`Landing::vacant`].
    pub(crate) fn filled(&mut self, count: usize) {
        debug_assert!(count <= self.missing);
        self.missing -= count;
        if let Target::Extent { filled, .. } = &mut self.target {
            *filled += count;
        }
    }

    /// The payload, whole.
    pub(crate) fn finish(self) -> Payload {
        debug_assert!(self.is_complete());
        match self.target {
            Target::Bufs(bufs) => bufs.finish(),
            Target::Extent { extent, .. } => Payload::Placed(extent),
            Target::Nowhere => Payload::None,
        }
    }
}

/// Received pieces of a payload. A piece that fills a good part of its receive buffer is kept as it is; small ones are
/// copied together, so that a peer that sends byte by byte does not make us hold a buffer for each.
#[derive(Debug)]
struct Gathering {
    pool: Pool,
    /// Mostly one: then no list is allocated.
    whole: SmallVec<[Buf; 1]>,
    tail: Option<BufMut>,
}

impl Gathering {
    fn new(pool: &Pool) -> Gathering {
        Gathering {
            pool: pool.clone(),
            whole: SmallVec::new(),
            tail: None,
        }
    }

    fn add(&mut self, piece: Buf, last: bool) {
        let alone = last && self.whole.is_empty() && self.tail.is_none();
        if alone || piece.len() >= self.pool.config().buffer_bytes / 4 {
            self.seal_tail();
            self.whole.push(piece);
        } else {
            self.copy(&piece);
        }
    }

    fn copy(&mut self, mut piece: &[u8]) {
        while !piece.is_empty() {
            let tail = self.tail.get_or_insert_with(|| take_buffer(&self.pool));
            let (fits, rest) = piece.split_at(piece.len().min(tail.spare()));
            tail.push_slice(fits);
            piece = rest;
            if tail.spare() == 0 {
                self.seal_tail();
            }
        }
    }

    fn seal_tail(&mut self) {
        self.whole.extend(self.tail.take().map(BufMut::freeze));
    }

    fn finish(mut self) -> Payload {
        self.seal_tail();
        match self.whole.len() {
            0 => Payload::None,
            1 => self.whole.pop().map_or(Payload::None, Payload::Buf),
            _ => Payload::Bufs {
                len_bytes: self.whole.iter().map(|buf| buf.len()).sum(),
                bufs: self.whole.into_vec(),
            },
        }
    }
}

/// A buffer to write to. When the pool is used up it comes from the heap: who calls this holds a bounded number of
/// bytes per connection, and must not fail half-way.
pub(crate) fn take_buffer(pool: &Pool) -> BufMut {
    pool.take()
        .unwrap_or_else(|| BufMut::with_capacity(pool.config().buffer_bytes))
}
