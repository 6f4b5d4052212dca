//! Compiler from .proto files to Rust over crake-wire.
