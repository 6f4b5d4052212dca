//! Crake and those it is measured beside, each in the way that is best for it.

#![allow(
    clippy::ptr_arg,
    reason = "a function for messages that are vectors takes what holds them"
)]

mod buffa;
#[cfg(has_capnp)]
mod capnp;
mod crake;
mod flatbuffers;
mod prost;
pub mod raw;
mod rkyv;

use crate::data::{Kind, Set};
use crate::memory::case::Case;
use crate::queue::{Build, Reading};

/// A format.
pub struct Rival {
    pub name: &'static str,
    /// Its case of a set, in memory.
    pub case: for<'a> fn(&'a Set) -> Box<dyn Case + 'a>,
    /// What builds a set's messages for a queue, for which it is best to send fields of so many bytes from where they lie.
    pub build: for<'a> fn(&'a Set, usize) -> Build<'a>,
    /// What reads such messages where they were received.
    pub reading: fn(Kind) -> Reading,
}

/// Crake is the first.
pub const RIVALS: &[Rival] = &[
    Rival {
        name: "crake",
        case: crake::case_of,
        build: crake::build,
        reading: crake::reading,
    },
    Rival {
        name: "prost",
        case: prost::case_of,
        build: prost::build,
        reading: prost::reading,
    },
    Rival {
        name: "flatbuffers",
        case: flatbuffers::case_of,
        build: flatbuffers::build,
        reading: flatbuffers::reading,
    },
    #[cfg(has_capnp)]
    Rival {
        name: "capnp",
        case: capnp::case_of,
        build: capnp::build,
        reading: capnp::reading,
    },
    Rival {
        name: "rkyv",
        case: rkyv::case_of,
        build: rkyv::build,
        reading: rkyv::reading,
    },
    Rival {
        name: "buffa",
        case: buffa::case_of,
        build: buffa::build,
        reading: buffa::reading,
    },
];

/// What is not here, and why.
pub const MISSING: &[&str] = &[
    #[cfg(not(has_capnp))]
    "capnp: its compiler was not found when this was built (Debian: capnproto)",
];

/// Why no reader fails.
const BUILT_HERE: &str = "it was built by its own writer";
