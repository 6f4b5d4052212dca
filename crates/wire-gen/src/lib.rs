//! Compiles .proto files (proto3) to Rust over `crake-wire`.
//!
//! For each message `Foo` the output has a struct `Foo`, which borrows what it points at and can be encoded, and a
//! struct `FooView`, which reads received bytes where they lie. Each enum becomes a Rust enum, aliases of its values are
//! constants. A `oneof body` becomes an enum `FooBody`, and `FooBodyView` where it is read. A map is a slice of pairs,
//! read as a `Map`. A message with `option (crake.fixed) = true;` is a struct of numbers, which is read and written as a whole.
//! A message that contains itself, by others perhaps, holds itself by
//! reference. Each service becomes a module of method numbers and, with [`Config::services`], the two ends of it over `crake-rpc`. Comments become documentation. `docs/format/wire.md` says
//! what the bytes are.
//!
//! From a `build.rs`:
//!
//! ```no_run
//! fn main() -> Result<(), crake_wire_gen::Error> {
//!     // Writes $OUT_DIR/crake.namenode.rs, named after the file's package; the crate takes it in with
//!     // include!(concat!(env!("OUT_DIR"), "/crake.namenode.rs"));
//!     crake_wire_gen::Config::new().file("proto/namenode.proto").include("proto").compile_to_out_dir()
//! }
//! ```
//!
//! What the format does not carry is refused with an error that names the file, the line and what to use instead: proto2,
//! editions, groups, extensions, streams of requests, and field numbers above [`FIELD_NUMBER_MAX`].
//!
//! For tools that meet a schema only when they run there is [`dynamic`], the same bytes by descriptors; and [`breaking()`] tells
//! what a change of a schema would break.
//!
//! It is not a plugin for `protoc` (the parser is `protox`), and it does not read Protobuf's own wire format.

#![forbid(unsafe_code)]

mod breaking;
mod comment;
mod compile;
pub mod dynamic;
mod emit;
mod error;
mod fixed;
mod name;
mod protos;
mod resolve;
mod schema;

pub use breaking::{Break, Rule, breaking};
pub use compile::{Config, Module, compile};
pub use error::Error;
pub use protos::{Place, Protos};
pub use schema::FIELD_NUMBER_MAX;
