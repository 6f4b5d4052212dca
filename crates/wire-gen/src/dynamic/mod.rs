//! Messages without generated code: their bytes to and from the `DynamicMessage`s of prost-reflect, by descriptors.
//!
//! For tools that meet a schema only when they run. A [`DynamicMessage`](prost_reflect::DynamicMessage) has forms of its own, proto3's JSON and text among
//! them; here is only how one lies in bytes, as `docs/format/wire.md` says. Programs that know their schema are better off with
//! generated code, which reads a message where it lies.
//!
//! ```
//! use crake_wire_gen::dynamic;
//! use prost_reflect::{DynamicMessage, Value};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("visit.proto"), "syntax = \"proto3\"; message Visit { uint32 count = 1; string path = 2; }")?;
//! let protos = crake_wire_gen::Config::new().file("visit.proto").include(folder.path()).load()?;
//! let visit = protos.message("Visit")?;
//! let mut message = DynamicMessage::new(visit.clone());
//! message.set_field_by_name("path", Value::String("/tmp".to_owned()));
//!
//! let bytes = dynamic::encode(&message)?;
//! assert_eq!(bytes.len(), 8 + 8 + 4); // bitmap, one slot, the path
//! assert_eq!(dynamic::decode(&visit, &bytes)?, message);
//!
//! // An error names the field that it is in.
//! let error = dynamic::decode(&visit, &bytes[..19]).unwrap_err();
//! assert_eq!(error.to_string(), "path: a field points beyond the end of the frame");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod circle;
mod decode;
mod encode;
mod fixed;
mod located;
mod path;
pub(crate) mod slot;
mod text;

use crake_wire::NESTING_MAX;
use prost_reflect::{FieldDescriptor, MessageDescriptor, Syntax};

pub use decode::{DecodeError, Malformed, decode};
pub use encode::{EncodeError, Unwritable, encode};
pub use located::Located;
pub use text::text_depth;

use crate::schema::FIELD_NUMBER_MAX;
use circle::Circles;

/// How many messages may lie within each other, the outermost one counted, whatever they are. (Of the messages of one circle fewer may:
/// [`NESTING_MAX`] levels.)
pub const DEPTH_MAX: usize = 256;

/// How deep a message lies.
#[derive(Debug, Clone, Copy)]
struct Depth {
    /// Of all messages, 1 for the outermost one.
    messages: usize,
    /// Of those of its circle, 0 for the outermost one.
    level: u32,
}

impl Depth {
    const OUTERMOST: Self = Self {
        messages: 1,
        level: 0,
    };

    /// Of an `inner` message in a field of an `outer` one; none if that is too deep.
    fn within(
        self,
        circles: &mut Circles,
        outer: &MessageDescriptor,
        inner: &MessageDescriptor,
    ) -> Option<Self> {
        let depth = Self {
            messages: self.messages + 1,
            level: if circles.close(outer, inner) {
                self.level + 1
            } else {
                0
            },
        };
        (depth.messages <= DEPTH_MAX && depth.level <= NESTING_MAX).then_some(depth)
    }
}

/// Why a fixed message is none by itself.
const FIXED_OUTERMOST: &str = "it is fixed, and lies in another message only";

/// What keeps a message of this type from lying in bytes at all, if anything does.
fn unsupported(message: &MessageDescriptor) -> Option<&'static str> {
    (message.parent_file().syntax() != Syntax::Proto3).then_some("its file is not proto3")
}

/// The same of a field.
fn unsupported_field(field: &FieldDescriptor) -> Option<&'static str> {
    (field.number() > FIELD_NUMBER_MAX).then_some("its number is higher than a bitmap reaches")
}
