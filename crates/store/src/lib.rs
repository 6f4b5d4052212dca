//! What a user links: names, node types, streams, key-value.
#![forbid(unsafe_code)]

pub mod protocol;
