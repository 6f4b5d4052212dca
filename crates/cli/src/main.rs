//! The one binary, `crake`.

#![forbid(unsafe_code)]

fn main() {}
