//! The types of package `google.protobuf` that every user of Protobuf knows. `crake-wire` has them compiled.

/// The package.
pub(crate) const PACKAGE: &str = "google.protobuf";

/// Where its types are, unless the user says something else.
pub(crate) const RUST_PATH: &str = "::crake_wire::well_known";

/// The files that it has types of there.
const FILES: [&str; 7] = [
    "any",
    "duration",
    "empty",
    "field_mask",
    "struct",
    "timestamp",
    "wrappers",
];

/// Whether a file is one of Protobuf's own, of whose types `crake-wire` has none.
pub(crate) fn is_missing(file: &str) -> bool {
    let Some(own) = file.strip_prefix("google/protobuf/") else {
        return false;
    };
    own.strip_suffix(".proto")
        .is_none_or(|name| !FILES.contains(&name))
}
