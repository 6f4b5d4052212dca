//! A whole cluster in one thread, from one seed: the namenode, datanodes and clients that are shipped, on virtual time
//! and a network that misbehaves.
//!
//! Clients write, read, rename, list and put while connections break, machines die and clocks step; each compares what
//! it gets with a model. What is simulated, and what is not, is told in `docs/simulator.md`.
//!
//! # Invariants
//!
//! * A run follows from its seed and its canary alone: it reads no clock, no file and no environment.
//! * A run that broke a rule says so in [`Outcome::violations`]; it never just logs it.
//!
//! ```
//! let outcome = crake_sim::run(1, crake_sim::Options::default());
//! assert_eq!(outcome.violations, [""; 0]);
//! ```

#![forbid(unsafe_code)]

mod audit;
mod client;
mod content;
mod counters;
mod files;
mod jobs;
mod keys;
mod leaks;
mod model;
mod moves;
mod namenodes;
mod readers;
mod run;
mod tables;
mod timed;
mod watchers;
mod world;

pub use crake_store::canary::Canary;
pub use run::{Options, Outcome, check, hunt, run};
