//! A whole cluster in one thread, from one seed: the namenode, datanodes and clients that are shipped, on virtual time
//! and a network that misbehaves.
//!
//! Clients write, read, rename, list and put while connections break, machines die and clocks step; each compares what
//! it gets with a model. A run that fails is printed with the command that repeats it.

#![forbid(unsafe_code)]

mod audit;
mod client;
mod content;
mod files;
mod keys;
mod model;
mod run;
mod tables;
mod world;

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use crate::run::{Outcome, run};

/// Runs a simulated Crake cluster under faults and checks everything it does against a model.
#[derive(Parser)]
#[command(name = "crake-sim", version)]
struct Arguments {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// One seed in this many is run twice, and must leave the same trace.
const REPEAT_EVERY: u64 = 20;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let started = Instant::now();
    for seed in arguments.seed..arguments.seed.saturating_add(arguments.seeds) {
        let outcome = run(seed);
        if let Some(failure) = failure(seed, &outcome) {
            eprintln!(
                "seed {seed} failed after {:?} of virtual time:\n{failure}",
                outcome.duration
            );
            eprintln!("repeat it with: cargo run --release -p crake-sim -- --seeds 1 --seed {seed}");
            return ExitCode::FAILURE;
        }
    }
    println!(
        "{} seeds passed in {:.1} s",
        arguments.seeds,
        started.elapsed().as_secs_f64()
    );
    ExitCode::SUCCESS
}

/// What was wrong with a run.
fn failure(seed: u64, outcome: &Outcome) -> Option<String> {
    if !outcome.violations.is_empty() {
        return Some(outcome.violations.join("\n"));
    }
    if seed % REPEAT_EVERY == 0 {
        let again = run(seed).trace;
        if again != outcome.trace {
            return Some(format!(
                "two runs left the traces {:016x} and {again:016x}",
                outcome.trace
            ));
        }
    }
    None
}
