//! Writing: a message knows its length, and fills a place of that length front to back in one pass.

use std::{mem, slice};

use crake_mem::Sga;

use crate::gather::{Beside, Gathering, Plan, Survey};
use crate::layout::{MORE, Present, SLOT_BYTES};
use crate::{Payload, Raw, Scalar};

/// A message that can be written.
pub trait Encode {
    /// Whether fields of it can go out from where they lie: else all of them are copied, and nothing need be planned.
    const GATHERS: bool = false;

    /// The bytes that [`encode`](Encode::encode) writes.
    ///
    /// # Panics
    ///
    /// When messages that can contain themselves lie within each other more than [`NESTING_MAX`](crate::NESTING_MAX)
    /// levels deep.
    fn encoded_len(&self) -> usize;

    /// Writes the message.
    ///
    /// # Panics
    ///
    /// When `out` is not exactly [`encoded_len`](Encode::encoded_len) bytes long, or longer than `u32::MAX` bytes (what
    /// an offset can reach), and when that panics. With the right length nothing here can fail.
    fn encode(&self, out: &mut [u8]);

    /// Shows every field that need not be copied, in the order in which they are written.
    #[inline]
    fn survey(&self, survey: &mut Survey<'_>) {
        let _ = survey;
    }

    /// Writes the message, but for what the plan takes out of it: that is appended to `beside`, and is to be sent behind the
    /// message. A plan holds for the message that it was made of ([`Gatherer::plan`](crate::Gatherer::plan)).
    ///
    /// # Panics
    ///
    /// When `out` is not exactly [`message_len`](Plan::message_len) bytes long, or the frame is longer than `u32::MAX` bytes.
    fn encode_gathered(&self, out: &mut [u8], plan: Plan, beside: &mut Sga) {
        let _ = (plan, beside);
        self.encode(out);
    }

    /// The message in a fresh vector: for tests and paths that are seldom taken.
    fn encode_to_vec(&self) -> Vec<u8> {
        let mut out = vec![0; self.encoded_len()];
        self.encode(&mut out);
        out
    }
}

impl<T: Encode + ?Sized> Encode for &T {
    const GATHERS: bool = T::GATHERS;

    #[inline]
    fn encoded_len(&self) -> usize {
        T::encoded_len(self)
    }

    #[inline]
    fn encode(&self, out: &mut [u8]) {
        T::encode(self, out);
    }

    #[inline]
    fn survey(&self, survey: &mut Survey<'_>) {
        T::survey(self, survey);
    }

    #[inline]
    fn encode_gathered(&self, out: &mut [u8], plan: Plan, beside: &mut Sga) {
        T::encode_gathered(self, out, plan, beside);
    }
}

/// A message that can lie inside another one. `wire-gen` writes the implementations.
pub trait Message: Encode {
    /// Writes the message, head first, where `writer` stands: [`encoded_len`](Encode::encoded_len) bytes.
    fn write<B: Beside>(&self, writer: &mut Writer<'_, B>);
}

impl<T: Message + ?Sized> Message for &T {
    #[inline]
    fn write<B: Beside>(&self, writer: &mut Writer<'_, B>) {
        T::write(self, writer);
    }
}

/// Hands out the bytes of a frame from front to back.
///
/// Each method that appends payload returns what goes into the slot (or table entry) that points at it.
#[derive(Debug)]
pub struct Writer<'o, B = ()> {
    rest: &'o mut [u8],
    /// Where `rest` starts, from the start of the outermost message. `rest` ends within reach of a `u32`.
    pub(crate) offset: usize,
    beside: B,
}

impl<'o> Writer<'o> {
    /// Writes the outermost message, `out` being its whole frame.
    ///
    /// # Panics
    ///
    /// As [`Encode::encode`] says.
    // Always: it is little around `write`, which says for itself whether it is put where it is called.
    #[inline(always)]
    pub fn frame<M: Message + ?Sized>(out: &'o mut [u8], message: &M) {
        assert!(
            u32::try_from(out.len()).is_ok(),
            "a message has at most u32::MAX bytes"
        );
        let mut writer = Writer {
            rest: out,
            offset: 0,
            beside: (),
        };
        message.write(&mut writer);
        assert!(writer.rest.is_empty(), "the place is longer than the message");
    }

    /// Writes the outermost message, `out` being its own place in the frame.
    ///
    /// # Panics
    ///
    /// As [`Encode::encode_gathered`] says.
    #[inline]
    pub fn gathered<M: Message + ?Sized>(out: &'o mut [u8], message: &M, plan: Plan, beside: &mut Sga) {
        if plan.is_empty() {
            return Self::frame(out, message);
        }
        let mut gathering = Gathering::new(plan, out.len(), beside);
        let mut writer = Writer {
            rest: out,
            offset: 0,
            beside: &mut gathering,
        };
        message.write(&mut writer);
        assert!(writer.rest.is_empty(), "the place is longer than the message");
        gathering.finish();
    }
}

impl<'o, B: Beside> Writer<'o, B> {
    /// Writes the bitmap and reserves a slot for each field that is there.
    #[inline]
    pub fn head<const W: usize>(&mut self, present: Present<W>) -> Head<'o> {
        let (bitmap, slots) = self
            .take(present.head_bytes())
            .split_at_mut(present.words_used() * SLOT_BYTES);
        let words = Raw::chunks_mut(bitmap);
        let last = words.len() - 1;
        for (index, word) in words.iter_mut().enumerate() {
            let more = if index < last { MORE } else { 0 };
            *word = (present.words[index] | more).to_le_bytes();
        }
        Head {
            slots: Raw::chunks_mut(slots).iter_mut(),
        }
    }

    /// Appends a string or bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) -> u64 {
        let slot = pointer(bytes.len(), self.offset);
        crake_mem::copy_slice(bytes, self.take(bytes.len()));
        slot
    }

    /// Appends bytes that need not be copied.
    #[inline]
    pub fn payload<'p>(&mut self, bytes: impl Into<Payload<'p>>) -> u64 {
        let bytes = bytes.into();
        match self.beside.take(&bytes) {
            Some(offset) => pointer(bytes.len(), offset),
            None => self.bytes_with(bytes.len(), |out| bytes.copy_to(out)),
        }
    }

    /// Appends a list of such: a table, then what it points at.
    #[inline]
    pub fn payloads<'p, P: Copy + Into<Payload<'p>>>(&mut self, values: &[P]) -> u64 {
        self.table(values, |writer, value| writer.payload(*value))
    }

    /// Appends so many bytes, which `fill` is to put together where they lie.
    #[inline]
    pub fn bytes_with(&mut self, len_bytes: usize, fill: impl FnOnce(&mut [u8])) -> u64 {
        let slot = pointer(len_bytes, self.offset);
        fill(self.take(len_bytes));
        slot
    }

    /// Appends a nested message.
    #[inline]
    pub fn message<M: Message>(&mut self, message: &M) -> u64 {
        self.message_with(|writer| message.write(writer))
    }

    /// Appends a nested message, which `write` is to write.
    #[inline(always)]
    pub fn message_with(&mut self, write: impl FnOnce(&mut Self)) -> u64 {
        let start = self.offset;
        write(self);
        pointer(self.offset - start, start)
    }

    /// Appends a packed list of scalars.
    #[inline]
    pub fn scalars<T: Scalar>(&mut self, values: &[T]) -> u64 {
        let slot = pointer(values.len(), self.offset);
        let table = T::Raw::chunks_mut(self.take(scalars_bytes(values)));
        for (element, value) in table.iter_mut().zip(values) {
            *element = value.to_raw();
        }
        slot
    }

    /// Appends a list of strings or bytes: a table, then what it points at.
    #[inline]
    pub fn blobs<T: AsRef<[u8]>>(&mut self, values: &[T]) -> u64 {
        self.table(values, |writer, value| writer.bytes(value.as_ref()))
    }

    /// Appends a list of messages: a table, then the messages.
    #[inline]
    pub fn messages<M: Message>(&mut self, values: &[M]) -> u64 {
        self.table(values, |writer, value| writer.message(value))
    }

    /// Appends a list of what takes a pointer each: a table, then what `append` appends for each value.
    #[inline]
    pub fn table<T>(&mut self, values: &[T], append: impl Fn(&mut Self, &T) -> u64) -> u64 {
        let slot = pointer(values.len(), self.offset);
        let table: &mut [[u8; SLOT_BYTES]] = Raw::chunks_mut(self.take(values.len() * SLOT_BYTES));
        for (entry, value) in table.iter_mut().zip(values) {
            *entry = append(self, value).to_le_bytes();
        }
        slot
    }

    /// The next `len_bytes` of the frame.
    #[inline]
    pub(crate) fn take(&mut self, len_bytes: usize) -> &'o mut [u8] {
        let whole = mem::take(&mut self.rest);
        let (taken, rest) = whole
            .split_at_mut_checked(len_bytes)
            .expect("the place is shorter than the message");
        self.rest = rest;
        self.offset += len_bytes;
        taken
    }
}

/// The slots of a message that is being written.
#[derive(Debug)]
pub struct Head<'o> {
    slots: slice::IterMut<'o, [u8; SLOT_BYTES]>,
}

impl Head<'_> {
    /// Fills the next slot with a scalar. Fields come in the order of their numbers.
    ///
    /// # Panics
    ///
    /// As [`put`](Head::put).
    #[inline]
    pub fn put_scalar<T: Scalar>(&mut self, value: T) {
        self.put(value.to_slot());
    }

    /// Fills the next slot. Fields come in the order of their numbers.
    ///
    /// # Panics
    ///
    /// When the bitmap announced fewer fields.
    #[inline]
    pub fn put(&mut self, slot: u64) {
        *self.slots.next().expect("the bitmap announced this field") = slot.to_le_bytes();
    }
}

/// A slot, or an entry of a table, that points at payload. Both parts are below the frame's length, which fits a `u32`.
#[inline]
pub(crate) fn pointer(size_or_count: usize, offset: usize) -> u64 {
    size_or_count as u64 | (offset as u64) << 32
}

/// The payload of a list of scalars, in bytes.
#[inline]
#[must_use]
pub fn scalars_bytes<T: Scalar>(values: &[T]) -> usize {
    size_of::<T::Raw>() * values.len()
}

/// The payload of a list of strings or bytes, in bytes.
#[inline]
#[must_use]
pub fn blobs_bytes<T: AsRef<[u8]>>(values: &[T]) -> usize {
    table_bytes(values, |value| value.as_ref().len())
}

/// The payload of a list of bytes or texts that need not be copied, in bytes.
#[inline]
#[must_use]
pub fn payloads_bytes<'p, P: Copy + Into<Payload<'p>>>(values: &[P]) -> usize {
    table_bytes(values, |value| (*value).into().len())
}

/// The payload of a list of messages, in bytes.
#[inline]
#[must_use]
pub fn messages_bytes<M: Message>(values: &[M]) -> usize {
    table_bytes(values, M::encoded_len)
}

/// The payload of a list of what takes a pointer each, in bytes; `payload` says what one takes besides.
#[inline(always)]
pub fn table_bytes<T>(values: &[T], payload: impl Fn(&T) -> usize) -> usize {
    values.iter().map(|value| SLOT_BYTES + payload(value)).sum()
}
