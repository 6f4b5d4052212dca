//! The namespace from outside: each rule by its name, each known defect of earlier systems, and random commands against
//! a simple model.

// In tests, what goes wrong should be loud.
#![allow(clippy::unwrap_used)]

mod blocks;
mod counters;
mod datanodes;
mod files;
mod job_model;
mod jobs;
mod leases;
mod lending;
mod memory;
mod model;
mod moves;
mod multi_put;
mod names;
mod partitions;
mod pins;
mod reads;
mod rename;
mod replay;
mod scans;
mod several;
mod tables;
mod tree;
mod ttl;
mod watches;
mod world;
