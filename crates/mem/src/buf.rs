//! Buffers: written by one owner ([`BufMut`]), then read by any number ([`Buf`]).

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut, RangeBounds};
use std::ptr::NonNull;

use crate::copy::copy_slice;
use crate::header::{self, Header};
use crate::segment::Segment;

/// Read-only bytes with a count of their readers: clones and slices share the memory and do not copy.
///
/// The bytes never change. The count is not atomic, so a `Buf` stays on its thread:
///
/// ```compile_fail
/// fn is_send<T: Send>() {}
/// is_send::<crake_mem::Buf>();
/// ```
///
/// Any slice keeps the whole buffer in use; copy what is small and lives long.
#[derive(Clone, Default)]
#[repr(transparent)]
pub struct Buf(Segment); // A segment whose owner is not a region: its bytes stand still.

impl Buf {
    /// No bytes.
    #[inline]
    pub const fn new() -> Self {
        Self(Segment::empty())
    }

    /// Bytes that are part of the program: no count is kept.
    #[inline]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(Segment::from_static(bytes))
    }

    /// The bytes of a vector, without a copy. Allocates a count.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        BufMut::of_vec(bytes).freeze()
    }

    /// A copy of `bytes` in newly allocated memory.
    pub fn copy_from_slice(bytes: &[u8]) -> Self {
        Self::from_vec(bytes.to_vec())
    }

    /// A part of it: the same memory. A part without bytes counts all the same.
    ///
    /// # Panics
    ///
    /// If the range is not within `0..len`.
    #[inline]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Buf {
        Buf(self.0.slice(range))
    }

    /// Cuts off and returns the first `n` bytes; `self` keeps the rest.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Buf {
        Buf(self.0.split_to(n))
    }

    /// Cuts off and returns everything from `n` on; `self` keeps the first `n` bytes.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn split_off(&mut self, n: usize) -> Buf {
        Buf(self.0.split_off(n))
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    ///
    /// If `n > len`.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        self.0.advance(n);
    }

    /// Drops all but the first `n` bytes; does nothing if there are fewer.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        self.0.truncate(n);
    }

    /// The buffer to write to again, if nobody else reads it; else `self`, unchanged.
    ///
    /// What surrounds these bytes in the buffer becomes headroom and spare space. Bytes of the
    /// program ([`from_static`](Self::from_static), [`new`](Self::new)) are never writable.
    pub fn try_mut(self) -> Result<BufMut, Buf> {
        if self.0.header().is_none_or(|header| header.references() != 1) {
            return Err(self);
        }
        match self.0.into_parts() {
            (data, len_bytes, Some(header)) => Ok(BufMut {
                data,
                len_bytes,
                header,
            }),
            (_, _, None) => unreachable!("there was a header a moment ago"),
        }
    }

    /// # Safety
    ///
    /// The segment's bytes do not change while it lives.
    #[inline]
    pub(crate) unsafe fn from_segment(segment: Segment) -> Buf {
        Buf(segment)
    }

    #[inline]
    pub(crate) fn into_segment(self) -> Segment {
        self.0
    }
}

impl Deref for Buf {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: a segment's bytes are valid and initialised while it lives; those of a `Buf` do not change.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr(), self.0.len()) }
    }
}

impl AsRef<[u8]> for Buf {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl From<Vec<u8>> for Buf {
    fn from(bytes: Vec<u8>) -> Self {
        Self::from_vec(bytes)
    }
}

impl From<BufMut> for Buf {
    #[inline]
    fn from(buf: BufMut) -> Self {
        buf.freeze()
    }
}

impl PartialEq for Buf {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Buf {}

impl PartialEq<[u8]> for Buf {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl<const N: usize> PartialEq<[u8; N]> for Buf {
    fn eq(&self, other: &[u8; N]) -> bool {
        **self == *other
    }
}

impl fmt::Debug for Buf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_bytes("Buf", self, f)
    }
}

/// A buffer with one owner, who may write it.
///
/// Its bytes lie between headroom before them, for headers that are only known later, and spare space after them.
/// A buffer that is taken from a pool was used before: `put` and `spare_mut` show whatever it held then,
/// so overwrite what you send. It goes back to its pool when dropped.
pub struct BufMut {
    // The buffer is `header.base .. header.base + header.capacity_bytes`, initialised throughout;
    // `data .. data + len_bytes` lies within. This is the only reference on `header`.
    data: NonNull<u8>,
    len_bytes: usize,
    header: NonNull<Header>,
}

impl BufMut {
    /// An empty buffer of `capacity` zeroed bytes from the allocator, without headroom. For tests and cold paths.
    pub fn with_capacity(capacity: usize) -> Self {
        let mut buf = Self::of_vec(vec![0; capacity]);
        buf.len_bytes = 0;
        buf
    }

    /// The bytes of a vector, without a copy; what it has reserved is zeroed and becomes spare space. For tests and cold paths.
    pub fn from_vec(mut bytes: Vec<u8>) -> Self {
        let len_bytes = bytes.len();
        bytes.resize(bytes.capacity(), 0);
        let mut buf = Self::of_vec(bytes);
        buf.len_bytes = len_bytes;
        buf
    }

    fn of_vec(bytes: Vec<u8>) -> Self {
        let len_bytes = bytes.len();
        let header = Header::for_vec(bytes);
        // SAFETY: just made, with one reference, which is ours.
        let data = unsafe { header.as_ref() }.base();
        Self {
            data,
            len_bytes,
            header,
        }
    }

    /// Takes over the only reference on `header`.
    ///
    /// # Safety
    ///
    /// `header` has one reference, which the caller gives away; `headroom_bytes` is at most its capacity; all
    /// bytes of its memory are initialised and nobody else uses them.
    #[inline]
    pub(crate) unsafe fn from_header(header: NonNull<Header>, headroom_bytes: usize) -> Self {
        // SAFETY: alive, as the caller promises.
        let base = unsafe { header.as_ref() }.base();
        // SAFETY: at most the capacity, as the caller promises.
        let data = unsafe { base.add(headroom_bytes) };
        Self {
            data,
            len_bytes: 0,
            header,
        }
    }

    /// Number of bytes written.
    #[inline]
    pub fn len(&self) -> usize {
        self.len_bytes
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len_bytes == 0
    }

    /// How long it can become without using headroom, in bytes.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.header().capacity_bytes() - self.headroom()
    }

    /// How many bytes fit before the first.
    #[inline]
    pub fn headroom(&self) -> usize {
        self.data.as_ptr().addr() - self.header().base().as_ptr().addr()
    }

    /// How many bytes fit after the last.
    #[inline]
    pub fn spare(&self) -> usize {
        self.capacity() - self.len_bytes
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    ///
    /// If they do not fit into [`spare`](Self::spare).
    #[inline]
    pub fn push_slice(&mut self, bytes: &[u8]) {
        copy_slice(bytes, self.put(bytes.len()));
    }

    /// Appends `n` bytes and returns them to be overwritten: their contents are unspecified.
    ///
    /// # Panics
    ///
    /// If they do not fit into [`spare`](Self::spare).
    #[inline]
    pub fn put(&mut self, n: usize) -> &mut [u8] {
        let start = self.len_bytes;
        self.advance(n);
        &mut self[start..]
    }

    /// Puts `n` bytes before the first and returns them to be overwritten: their contents are unspecified.
    ///
    /// # Panics
    ///
    /// If they do not fit into [`headroom`](Self::headroom).
    #[inline]
    pub fn prepend(&mut self, n: usize) -> &mut [u8] {
        assert!(
            n <= self.headroom(),
            "prepend {n} bytes to headroom of {}",
            self.headroom()
        );
        // SAFETY: at least `n` bytes of the buffer lie before `data`.
        self.data = unsafe { self.data.sub(n) };
        self.len_bytes += n;
        &mut self[..n]
    }

    /// The space after the last byte, to be filled by something that then reports how much it filled
    /// ([`advance`](Self::advance)). Its contents are unspecified.
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let spare = self.spare();
        // SAFETY: `len_bytes` is within the buffer.
        let start = unsafe { self.data.add(self.len_bytes) };
        // SAFETY: the rest of the buffer: initialised, ours alone, and borrowed with `self`.
        unsafe { std::slice::from_raw_parts_mut(start.as_ptr(), spare) }
    }

    /// Appends the first `n` bytes of [`spare_mut`](Self::spare_mut) as they are.
    ///
    /// # Panics
    ///
    /// If there are fewer.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(
            n <= self.spare(),
            "{n} bytes into spare space of {}",
            self.spare()
        );
        self.len_bytes += n;
    }

    /// Sets the length, whatever it was. Bytes that become part of it are those that were in the buffer.
    ///
    /// # Panics
    ///
    /// If `len_bytes > capacity`.
    #[inline]
    pub fn set_len(&mut self, len_bytes: usize) {
        assert!(
            len_bytes <= self.capacity(),
            "length {len_bytes} of capacity {}",
            self.capacity()
        );
        self.len_bytes = len_bytes;
    }

    /// Drops all but the first `n` bytes; does nothing if there are fewer.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        self.len_bytes = self.len_bytes.min(n);
    }

    /// Makes it empty; headroom stays as it is.
    #[inline]
    pub fn clear(&mut self) {
        self.len_bytes = 0;
    }

    /// Ends writing: from now on anyone with a clone may read.
    #[inline]
    pub fn freeze(self) -> Buf {
        let this = ManuallyDrop::new(self);
        // SAFETY: the bytes are within the buffer and initialised, the reference is ours to give, and
        // without a `BufMut` nobody can write them.
        Buf(unsafe { Segment::from_parts(this.data, this.len_bytes, this.header) })
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: this buffer holds the reference, so the header is alive, and only its cells are ever written.
        unsafe { self.header.as_ref() }
    }
}

impl Drop for BufMut {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this buffer owns the reference, and is gone after this.
        unsafe { header::release(self.header) };
    }
}

impl Deref for BufMut {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        // SAFETY: within the buffer, initialised, and written only through `&mut self`.
        unsafe { std::slice::from_raw_parts(self.data.as_ptr(), self.len_bytes) }
    }
}

impl DerefMut for BufMut {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: within the buffer, initialised, and ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.data.as_ptr(), self.len_bytes) }
    }
}

impl AsRef<[u8]> for BufMut {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for BufMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_bytes("BufMut", self, f)
    }
}

/// Length and the first bytes: enough to recognise a message, and no megabytes in a log.
fn debug_bytes(name: &str, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const SHOWN_BYTES: usize = 32;
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let more = if bytes.len() > SHOWN_BYTES { "..." } else { "" };
    write!(
        f,
        "{name}({} bytes: b\"{}\"{more})",
        bytes.len(),
        shown.escape_ascii()
    )
}
