//! What is fuzzed (`docs/fuzzing.md`): functions of any bytes, which must not panic, and what was found to be worth keeping of such
//! bytes, which is replayed here.
//!
//! The crate `fuzz/`, which is no part of the workspace, is this file as a library, and libFuzzer.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

pub mod by_descriptor;
pub mod compiler;
pub mod gathered;
pub mod notation;
pub mod views;

#[cfg(test)]
mod replay;
mod schema;

#[path = "../dynamic/checks.rs"]
mod checks;
#[cfg(test)]
#[path = "../../../../fuzz/common/corpus.rs"]
mod corpus;
#[path = "../support/counting.rs"]
mod counting;
#[path = "../messages/read.rs"]
mod read;
#[path = "../messages/walk.rs"]
mod walk;

// What the other tests hold equal to the compiler's output.
#[allow(dead_code)]
mod every {
    include!("../golden/every.rs");
}
#[allow(dead_code)]
mod bulk {
    include!("../golden/bulk.rs");
}
#[allow(dead_code)]
mod example {
    include!("../golden/example.rs");
}
