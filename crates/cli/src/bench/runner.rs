//! Repetitions: the operation and the raw loop in turn, with the cores' distance measured around them.

use std::mem;

use anyhow::{Result, bail};

use super::Load;
use super::cores::Cores;
use super::probe::{Distance, probe};
use super::raw::RawLoop;
use super::stats::Run;

/// Attempts allowed for each good repetition wanted, before the machine is called too unsteady.
const ATTEMPTS_PER_REPETITION: u64 = 6;

/// A run is preceded by this part of itself, which is not counted.
const WARM_UP_PART: u64 = 20;

/// Something that is measured beside a raw loop.
pub trait Operation {
    /// Runs `operations` of them and times them.
    fn run(&mut self, operations: u64) -> Result<Run>;
}

/// One operation run and one raw run, while the cores stayed where they were.
#[derive(Debug)]
pub struct Repetition {
    /// Between the two cores.
    pub distance: Distance,
    /// Of the operation.
    pub run: Run,
    /// Of the raw loop.
    pub raw: Run,
    /// See [`ratio`].
    pub ratio: f64,
}

impl Repetition {
    /// With the ratio that fits the number in flight.
    pub fn new(distance: Distance, run: Run, raw: Run, in_flight: u64) -> Repetition {
        let ratio = ratio(&run, &raw, in_flight);
        Repetition {
            distance,
            run,
            raw,
            ratio,
        }
    }
}

/// With one in flight, p50 over raw p50: lower is better. With more, rate over raw rate: higher is better.
fn ratio(run: &Run, raw: &Run, in_flight: u64) -> f64 {
    match in_flight {
        1 => run.quantile_ns(0.5) as f64 / raw.quantile_ns(0.5).max(1) as f64,
        _ => run.rate() / raw.rate(),
    }
}

/// What all repetitions together gave.
#[derive(Debug)]
pub struct Outcome {
    /// Those that count, all with cores equally far apart.
    pub good: Vec<Repetition>,
    /// How many do not count.
    pub dropped: usize,
}

/// Repeats until `wanted` good repetitions with the cores at the same distance are there; tells `each` of every one.
pub fn repeat(
    load: &Load,
    cores: Cores,
    wanted: u64,
    operation: &mut dyn Operation,
    raw: &mut RawLoop,
    mut each: impl FnMut(&Repetition, u64) -> Result<()>,
) -> Result<Outcome> {
    let mut tally = Tally::default();
    let mut raw_first = false;
    for number in 1..=wanted * ATTEMPTS_PER_REPETITION {
        raw_first = !raw_first;
        let Some(repetition) = attempt(load, cores, operation, raw, raw_first)? else {
            tally.moved += 1;
            continue;
        };
        each(&repetition, number)?;
        if tally.add(repetition) >= wanted {
            return Ok(tally.outcome());
        }
    }
    bail!(
        "the machine is too unsteady: {} repetitions with near cores, {} with far ones, {} during which they moved",
        tally.near.len(),
        tally.far.len(),
        tally.moved,
    )
}

/// One repetition, or none if the cores moved during it.
fn attempt(
    load: &Load,
    cores: Cores,
    operation: &mut dyn Operation,
    raw: &mut RawLoop,
    raw_first: bool,
) -> Result<Option<Repetition>> {
    let before = probe(cores)?;
    let mut raw_run = None;
    if raw_first {
        raw_run = Some(warm_run(raw, load.count)?);
    }
    let run = warm_run(operation, load.count)?;
    let raw_run = match raw_run {
        Some(raw_run) => raw_run,
        None => warm_run(raw, load.count)?,
    };
    let after = probe(cores)?;
    let stayed = before.is_near() == after.is_near();
    Ok(stayed.then(|| Repetition::new(before, run, raw_run, load.in_flight * load.clients)))
}

/// A run that starts with everything awake and in the caches, because a shorter one came just before.
fn warm_run(operation: &mut dyn Operation, operations: u64) -> Result<Run> {
    operation.run(operations.div_ceil(WARM_UP_PART))?;
    operation.run(operations)
}

/// Repetitions by the distance of the cores.
#[derive(Default)]
struct Tally {
    near: Vec<Repetition>,
    far: Vec<Repetition>,
    moved: usize,
}

impl Tally {
    /// How many of its kind there are now.
    fn add(&mut self, repetition: Repetition) -> u64 {
        let kind = if repetition.distance.is_near() {
            &mut self.near
        } else {
            &mut self.far
        };
        kind.push(repetition);
        kind.len() as u64
    }

    /// The kind with more repetitions; the others do not count.
    fn outcome(mut self) -> Outcome {
        if self.far.len() > self.near.len() {
            mem::swap(&mut self.far, &mut self.near);
        }
        Outcome {
            good: self.near,
            dropped: self.far.len() + self.moved,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::stats::latencies;
    use super::*;

    fn run(operations: u64, ns: u64) -> Run {
        let mut latencies = latencies();
        latencies.record_n(ns, operations).unwrap();
        Run {
            operations,
            elapsed: Duration::from_secs(1),
            latencies,
        }
    }

    fn repetition(line_ns: u64) -> Repetition {
        let distance = Distance {
            round_trip: Duration::from_nanos(line_ns),
        };
        Repetition::new(distance, run(10, 500), run(10, 500), 1)
    }

    #[test]
    fn one_in_flight_compares_medians_and_more_compare_rates() {
        let (operation, raw) = (run(50, 3000), run(100, 2000));
        assert!((ratio(&operation, &raw, 1) - 1.5).abs() < 0.01);
        assert!((ratio(&operation, &raw, 128) - 0.5).abs() < 0.01);
    }

    #[test]
    fn only_the_more_frequent_distance_counts() {
        let mut tally = Tally {
            moved: 4,
            ..Tally::default()
        };
        assert_eq!(tally.add(repetition(100)), 1);
        assert_eq!(tally.add(repetition(450)), 1);
        assert_eq!(tally.add(repetition(460)), 2);
        let outcome = tally.outcome();
        assert_eq!((outcome.good.len(), outcome.dropped), (2, 5));
        assert!(outcome.good.iter().all(|r| !r.distance.is_near()));
    }
}
