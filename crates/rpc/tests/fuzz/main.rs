//! What is fuzzed (`docs/fuzzing.md`): both sides of a connection against a peer that sends anything, which must not harm them, and
//! what was found to be worth keeping of such peers, which is replayed here.
//!
//! The crate `fuzz/`, which is no part of the workspace, has this file as a library.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

pub mod client;
pub mod server;

mod frames;
mod hands;
#[cfg(test)]
mod replay;

#[cfg(test)]
#[path = "../../../../fuzz/common/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/common/script.rs"]
mod script;
#[path = "../support/mod.rs"]
mod support;
#[path = "../../../../fuzz/common/world.rs"]
mod world;
