//! The one binary, `crake`.

fn main() {}
