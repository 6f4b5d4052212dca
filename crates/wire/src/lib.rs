//! Messages read where they lie.
//!
//! A message is a bitmap that says which fields are there, a slot for each of them, and the bytes that slots point at
//! (`docs/format/wire.md` has the format byte by byte). Writing it is one pass over a buffer of known length; reading it
//! is a count of bits and a bounds check for each field that is asked for, with no step of decoding before.
//!
//! Messages are declared in .proto files, and `crake-wire-gen` writes the Rust: for each message `Foo` a struct `Foo`
//! that borrows what it points at and implements [`Encode`], and a struct `FooView` over received bytes that implements
//! [`View`]. This crate is what those stand on. It does no I/O, knows no frames (`crake-rpc` does) and checks no meaning:
//! that a size is sane or a name allowed is for the service to say.
//!
//! What is large need not be copied into a message: a field that is a [`Payload`] or a [`Text`] goes out from where it lies if the
//! [`Gatherer`] of the queue says so ([`Encode::encode_gathered`]), and is read where it arrives ([`Gathered`]).
//!
//! A message whose fields are numbers and never change can be [`Fixed`]: a struct that is written and read as a whole, and in
//! lists one after the other.
//!
//! What always holds:
//! - No bytes make a reader panic, allocate, or give out a byte that is not in the frame. Each length, offset and count is
//!   checked before it is used.
//! - Writing into a place of [`encoded_len`](Encode::encoded_len) bytes cannot fail, and equal messages are equal bytes, as far as nothing is gathered.
//! - Fields that a reader does not know are passed over.
//! - Messages that can contain themselves are read in a number of steps that their bytes bound ([`StrictReader`]).
//!
//! What `wire-gen` writes looks like this, for a message with a number and a string:
//!
//! ```
//! use crake_wire::{Beside, Encode, Message, Present, Reader, WireError, Writer};
//!
//! struct Visit<'a> {
//!     count: u32,
//!     path: &'a str,
//! }
//!
//! impl Visit<'_> {
//!     fn present(&self) -> Present<1> {
//!         Present::none().with::<1>(self.count != 0).with::<2>(!self.path.is_empty())
//!     }
//! }
//!
//! impl Encode for Visit<'_> {
//!     fn encoded_len(&self) -> usize {
//!         self.present().head_bytes() + self.path.len()
//!     }
//!     fn encode(&self, out: &mut [u8]) {
//!         Writer::frame(out, self);
//!     }
//! }
//!
//! impl Message for Visit<'_> {
//!     fn write<B: Beside>(&self, writer: &mut Writer<'_, B>) {
//!         let mut head = writer.head(self.present());
//!         if self.count != 0 {
//!             head.put_scalar(self.count);
//!         }
//!         if !self.path.is_empty() {
//!             head.put(writer.bytes(self.path.as_bytes()));
//!         }
//!     }
//! }
//!
//! let frame = Visit { count: 0, path: "/tmp" }.encode_to_vec();
//! assert_eq!(frame.len(), 8 + 8 + 4); // bitmap, one slot, the path; the count is default and takes nothing
//!
//! let reader = Reader::<1>::parse(&frame)?;
//! assert_eq!(reader.scalar::<u32, 1>(), 0);
//! assert_eq!(reader.string::<2>()?, "/tmp");
//!
//! // Cut short, it is refused where it is read.
//! assert_eq!(Reader::<1>::parse(&frame[..19])?.string::<2>(), Err(WireError::OutOfFrame));
//! assert_eq!(Reader::<1>::parse(&frame[..12]).unwrap_err(), WireError::Truncated);
//! # Ok::<(), WireError>(())
//! ```

#![forbid(unsafe_code)]

/// What goes out behind a message, see [`Encode::encode_gathered`].
pub use crake_mem::Sga;

mod encode;
mod error;
mod fixed;
mod frame;
mod gather;
mod layout;
mod list;
mod map;
mod message_type;
mod nested;
mod payload;
mod reader;
mod scalar;
pub mod well_known;

// The compiled text names this crate by its full path.
extern crate self as crake_wire;

pub use encode::{
    Encode, Head, Message, Writer, blobs_bytes, messages_bytes, payloads_bytes, scalars_bytes, table_bytes,
};
pub use error::WireError;
pub use fixed::{Fixed, fixed_bytes, fixed_field, put_fixed_field};
pub use frame::{Frame, Gathered};
pub use gather::{Beside, Gatherer, Limits, Plan, Survey};
pub use layout::Present;
pub use list::{Element, List};
pub use map::{InEntry, Key, Map, map_bytes};
pub use message_type::MessageType;
pub use nested::{NESTING_MAX, NestedList, Shape, StrictReader, below};
pub use payload::{Payload, Pieces, Text};
pub use reader::{Fields, Reader, View};
pub use scalar::{Raw, Scalar};
