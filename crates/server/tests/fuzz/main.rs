//! What is fuzzed (`docs/fuzzing.md`): what a namenode reads of others, requests and its log, and what was found to be worth keeping of
//! that, which is replayed here.
//!
//! The crate `fuzz/`, which is no part of the workspace, has this file as a library.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

pub mod log;
pub mod namenode;

mod message;
#[cfg(test)]
mod replay;

#[cfg(test)]
#[path = "../../../../fuzz/common/corpus.rs"]
mod corpus;
#[path = "../../../../fuzz/common/script.rs"]
mod script;
#[path = "../../../../fuzz/common/world.rs"]
mod world;
