//! A whole cluster in one thread from one seed.

#![forbid(unsafe_code)]

fn main() {}
