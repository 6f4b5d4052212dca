//! Messages read where they lie.

#![forbid(unsafe_code)]
