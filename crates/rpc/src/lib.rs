//! Requests served in place, one loop per core.

#![forbid(unsafe_code)]
