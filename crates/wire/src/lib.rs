//! Messages read where they lie.

#![forbid(unsafe_code)]

mod encode;
mod error;
mod layout;
mod list;
mod reader;
mod scalar;

pub use encode::{Encode, Head, Message, Writer, blobs_bytes, messages_bytes, scalars_bytes};
pub use error::WireError;
pub use layout::Present;
pub use list::{Element, List};
pub use reader::{Reader, View};
pub use scalar::{Raw, Scalar};
