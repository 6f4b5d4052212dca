//! Requests served in place, one loop per core.
