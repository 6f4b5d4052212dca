//! Compiler from .proto files to Rust over crake-wire.
#![forbid(unsafe_code)]

#![forbid(unsafe_code)]
