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
mod rkyv;

use crate::case::Case;
use crate::data::Set;

/// A format, and what makes its case of a set.
pub struct Rival {
    pub name: &'static str,
    pub case: for<'a> fn(&'a Set) -> Box<dyn Case + 'a>,
}

/// Crake is the first.
pub const RIVALS: &[Rival] = &[
    Rival {
        name: "crake",
        case: crake::case_of,
    },
    Rival {
        name: "prost",
        case: prost::case_of,
    },
    Rival {
        name: "flatbuffers",
        case: flatbuffers::case_of,
    },
    #[cfg(has_capnp)]
    Rival {
        name: "capnp",
        case: capnp::case_of,
    },
    Rival {
        name: "rkyv",
        case: rkyv::case_of,
    },
    Rival {
        name: "buffa",
        case: buffa::case_of,
    },
];

/// What is not here, and why.
pub const MISSING: &[&str] = &[
    #[cfg(not(has_capnp))]
    "capnp: its compiler was not found when this was built (Debian: capnproto)",
];

/// Why no reader fails.
const BUILT_HERE: &str = "it was built by its own writer";
