//! Messages that can contain themselves, directly or by a circle of others.
//!
//! No schema says how deep these go, or how often one is reached. So what such a message points at lies within it, behind
//! its head, in the order of the fields and one thing behind the other (`docs/format/wire.md`, Circles). Then all of them
//! that can be reached are disjoint, and who walks them all takes a number of steps that the frame's length bounds. This is
//! checked for a message as a whole when it is asked for, tables of lists and maps included: whoever passes over an error,
//! or asks in another order, does not get around it.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use crate::layout::{MORE, SLOT_BYTES};
use crate::map::{ENTRY_BYTES, slots};
use crate::reader::{Reader, size_and_offset};
use crate::{Frame, InEntry, Key, List, Map, Raw, View, WireError};

/// How many levels below the outermost one messages of a circle may lie within each other, as Protobuf's readers have it.
pub const NESTING_MAX: u32 = 100;

/// One level deeper than `depth`, for who writes.
///
/// # Panics
///
/// When this is deeper than [`NESTING_MAX`]: nobody would read it.
#[must_use]
pub fn below(depth: u32) -> u32 {
    assert!(
        depth < NESTING_MAX,
        "messages lie within each other at most {NESTING_MAX} levels deep"
    );
    depth + 1
}

/// What a slot points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Elements of so many bytes; a string, bytes or message is as many elements of one byte as its size says.
    Packed(usize),
    /// A table of pointers to strings, bytes or messages.
    Table,
    /// A table of entries. Says whether keys, and values, are pointers.
    Map {
        /// Whether keys are strings.
        key: bool,
        /// Whether values are strings, bytes or messages.
        value: bool,
    },
}

/// The head of a message of a circle, and how deep it lies. All that it points at was checked, so it reads as any other.
#[derive(Debug, Clone, Copy)]
pub struct StrictReader<'a, const W: usize, F = &'a [u8]> {
    reader: Reader<'a, W, F>,
    depth: u32,
}

impl<'a, const W: usize, F: Frame<'a>> StrictReader<'a, W, F> {
    /// As [`View::parse`]. `fields` are those that are pointers, in the order of their numbers.
    pub fn parse(frame: F, fields: &[(u32, Shape)]) -> Result<Self, WireError> {
        let reader = Reader::parse(frame)?;
        check(&reader, 0, frame.head().len(), fields)?;
        Ok(Self { reader, depth: 0 })
    }

    /// As [`View::nested_at`].
    pub fn nested_at(frame: F, pointer: u64, depth: u32, fields: &[(u32, Shape)]) -> Result<Self, WireError> {
        if depth > NESTING_MAX {
            return Err(WireError::TooDeep);
        }
        let reader = Reader::nested(frame, pointer)?;
        let (size, start) = size_and_offset(pointer);
        check(&reader, start, start + size, fields)?;
        Ok(Self { reader, depth })
    }

    /// A nested message of the same circle.
    pub fn nested<V: View<'a, Frame = F>, const FIELD: u32>(&self) -> Result<Option<V>, WireError> {
        self.reader
            .slot::<FIELD>()
            .map(|pointer| V::nested_at(self.reader.frame, pointer, self.depth + 1))
            .transpose()
    }

    /// A list of messages of the same circle.
    pub fn nested_list<V, const FIELD: u32>(&self) -> Result<NestedList<'a, V>, WireError>
    where
        V: View<'a, Frame = F>,
    {
        Ok(NestedList {
            frame: self.reader.frame,
            pointers: self.reader.list::<u64, FIELD>()?,
            depth: self.depth + 1,
            read_as: PhantomData,
        })
    }

    /// A map whose values are messages of the same circle; empty when absent.
    pub fn nested_map<K, V, const FIELD: u32>(&self) -> Result<Map<'a, K, V, F>, WireError>
    where
        K: Key<'a, F>,
        V: InEntry<'a, F>,
    {
        Map::new(
            self.reader.frame,
            self.reader.slot_or_zero::<FIELD>(),
            self.depth + 1,
        )
    }
}

/// Fields that are not of the circle.
impl<'a, const W: usize, F> Deref for StrictReader<'a, W, F> {
    type Target = Reader<'a, W, F>;

    fn deref(&self) -> &Reader<'a, W, F> {
        &self.reader
    }
}

/// Whether all that a message points at lies between its head and its end, in order. What is empty lies nowhere.
fn check<'a, const W: usize, F: Frame<'a>>(
    reader: &Reader<'a, W, F>,
    start: usize,
    end: usize,
    fields: &[(u32, Shape)],
) -> Result<(), WireError> {
    let (units, _) = reader.frame.head()[start..end].as_chunks::<SLOT_BYTES>();
    let more = units
        .iter()
        .take_while(|word| u64::from_le_bytes(**word) & MORE != 0);
    let head_bytes = (more.count() + 1 + reader.slots.len()) * SLOT_BYTES;
    let mut free = Free {
        frame: reader.frame,
        start: start + head_bytes,
        end,
    };
    for (field, shape) in fields {
        if let Some(slot) = reader.known.slot_at(*field) {
            free.take_field(u64::from_le_bytes(reader.slots[slot]), *shape)?;
        }
    }
    Ok(())
}

/// What of a message nothing has pointed at so far.
struct Free<F> {
    frame: F,
    start: usize,
    end: usize,
}

impl<'a, F: Frame<'a>> Free<F> {
    fn take_field(&mut self, pointer: u64, shape: Shape) -> Result<(), WireError> {
        match shape {
            Shape::Packed(element_bytes) => {
                self.take(pointer, element_bytes)?;
            }
            Shape::Table => {
                for entry in <[u8; SLOT_BYTES]>::chunks(self.take(pointer, SLOT_BYTES)?) {
                    self.take(u64::from_le_bytes(*entry), 1)?;
                }
            }
            Shape::Map { key, value } => {
                for entry in Raw::chunks(self.take(pointer, ENTRY_BYTES)?) {
                    let slots = slots(entry);
                    for (slot, _) in [(slots.0, key), (slots.1, value)]
                        .iter()
                        .filter(|(_, points)| *points)
                    {
                        self.take(*slot, 1)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what a pointer tells of, and what lies before it.
    fn take(&mut self, pointer: u64, element_bytes: usize) -> Result<&'a [u8], WireError> {
        let (count, offset) = size_and_offset(pointer);
        // What was gathered is no message and no table: where it is read as one it is refused.
        if count == 0 || self.frame.is_beside(offset) {
            return Ok(&[]);
        }
        let size = count.checked_mul(element_bytes);
        let end = size
            .and_then(|size| offset.checked_add(size))
            .ok_or(WireError::OutOfFrame)?;
        let bytes = self.frame.head().get(offset..end).ok_or(WireError::OutOfFrame)?;
        if offset < self.start || end > self.end {
            return Err(WireError::NotNested);
        }
        self.start = end;
        Ok(bytes)
    }
}

/// A list of messages of a circle: as [`List`], and it knows how deep they lie.
pub struct NestedList<'a, V: View<'a>> {
    frame: V::Frame,
    pointers: List<'a, u64, V::Frame>,
    depth: u32,
    read_as: PhantomData<V>,
}

impl<'a, V: View<'a>> NestedList<'a, V> {
    /// Message `index` of those that are left.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<Result<V, WireError>> {
        self.pointers.get(index).map(|pointer| self.message(pointer))
    }

    /// Whether no message is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pointers.is_empty()
    }

    fn message(&self, pointer: u64) -> Result<V, WireError> {
        V::nested_at(self.frame, pointer, self.depth)
    }
}

impl<'a, V: View<'a>> Iterator for NestedList<'a, V> {
    type Item = Result<V, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pointers.next().map(|pointer| self.message(pointer))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.pointers.size_hint()
    }

    fn nth(&mut self, n: usize) -> Option<Self::Item> {
        self.pointers.nth(n).map(|pointer| self.message(pointer))
    }
}

impl<'a, V: View<'a>> DoubleEndedIterator for NestedList<'a, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.pointers.next_back().map(|pointer| self.message(pointer))
    }
}

impl<'a, V: View<'a>> ExactSizeIterator for NestedList<'a, V> {}

impl<'a, V: View<'a>> Clone for NestedList<'a, V> {
    fn clone(&self) -> Self {
        Self {
            pointers: self.pointers.clone(),
            ..*self
        }
    }
}

impl<'a, V: View<'a> + fmt::Debug> fmt::Debug for NestedList<'a, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
