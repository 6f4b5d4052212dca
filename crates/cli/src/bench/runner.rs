//! Repetitions: the operation and the raw loop in turn, with the cores' distance measured around them.

use std::mem;

use anyhow::{Result, bail};

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

    /// Of views: whether they show the bytes where they are. Else they are copies.
    fn is_in_place(&self) -> Option<bool> {
        None
    }
}

/// The raw loop as an operation that may stand for a part of one exchange: small writes that travel in slices.
pub struct Exchanges {
    /// What exchanges.
    pub raw: RawLoop,
    /// How many operations one exchange stands for.
    pub operations_per_exchange: u64,
}

impl Operation for Exchanges {
    fn run(&mut self, operations: u64) -> Result<Run> {
        let exchanges = operations.div_ceil(self.operations_per_exchange);
        let run = self.raw.run(exchanges)?;
        Ok(Run {
            operations: exchanges * self.operations_per_exchange,
            ..run
        })
    }
}

/// What a ratio is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// p50 over raw p50: lower is better.
    Medians,
    /// Rate over raw rate: higher is better.
    Rates,
}

impl Compare {
    fn ratio(self, run: &Run, raw: &Run) -> f64 {
        match self {
            Compare::Medians => run.quantile_ns(0.5) as f64 / raw.quantile_ns(0.5).max(1) as f64,
            Compare::Rates => run.rate() / raw.rate(),
        }
    }
}

/// What an operation is measured beside.
pub enum Limit {
    /// The transport's loop, or another server.
    Loop(Box<dyn Operation>),
    /// Two ways to copy; the one that is faster in a repetition counts.
    Copies(Copies<Box<dyn Operation>>),
}

/// Something of each way to copy.
#[derive(Clone, Copy, Debug)]
pub struct Copies<T> {
    /// As the C library does it.
    pub memcpy: T,
    /// By stores that pass the caches.
    pub nontemporal: T,
}

/// What a limit gave in one repetition.
#[derive(Debug)]
pub struct Raw {
    /// The run that counts.
    pub run: Run,
    /// Of copies, what either way gave in operations a second.
    pub copy_rates: Option<Copies<f64>>,
}

impl Limit {
    fn run(&mut self, operations: u64) -> Result<Raw> {
        Ok(match self {
            Limit::Loop(raw) => warm_run(raw.as_mut(), operations)?.into(),
            Limit::Copies(copies) => {
                let memcpy = warm_run(copies.memcpy.as_mut(), operations)?;
                Raw::faster(memcpy, warm_run(copies.nontemporal.as_mut(), operations)?)
            }
        })
    }
}

impl Raw {
    fn faster(memcpy: Run, nontemporal: Run) -> Raw {
        let rates = Copies {
            memcpy: memcpy.rate(),
            nontemporal: nontemporal.rate(),
        };
        Raw {
            run: match rates.nontemporal > rates.memcpy {
                true => nontemporal,
                false => memcpy,
            },
            copy_rates: Some(rates),
        }
    }
}

impl From<Run> for Raw {
    fn from(run: Run) -> Raw {
        Raw {
            run,
            copy_rates: None,
        }
    }
}

/// One operation run and one raw run, while the cores stayed where they were.
#[derive(Debug)]
pub struct Repetition {
    /// Between the two cores.
    pub distance: Distance,
    /// Of the operation.
    pub run: Run,
    /// Of the raw loop.
    pub raw: Raw,
    /// As [`Compare`] says.
    pub ratio: f64,
}

impl Repetition {
    /// With its ratio.
    pub fn new(distance: Distance, run: Run, raw: Raw, compare: Compare) -> Repetition {
        let ratio = compare.ratio(&run, &raw.run);
        Repetition {
            distance,
            run,
            raw,
            ratio,
        }
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

/// Two things that are ready to run in turn.
pub struct Measurement {
    /// Where they run.
    pub cores: Cores,
    /// Operations of a repetition.
    pub count: u64,
    /// What the ratio is of.
    pub compare: Compare,
    /// What is measured.
    pub operation: Box<dyn Operation>,
    /// What it is measured beside.
    pub raw: Limit,
}

impl Measurement {
    /// Repeats until `wanted` good repetitions with the cores at the same distance are there; tells `each` of every good one.
    pub fn repeat(
        &mut self,
        wanted: u64,
        mut each: impl FnMut(&Repetition, u64) -> Result<()>,
    ) -> Result<Outcome> {
        let mut tally = Tally::default();
        for number in 1..=wanted * ATTEMPTS_PER_REPETITION {
            let Some(repetition) = self.attempt(number % 2 == 0)? else {
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

    /// One repetition, or none if the cores moved during it. Who runs first changes from one to the next.
    fn attempt(&mut self, raw_first: bool) -> Result<Option<Repetition>> {
        let (operation, raw, count) = (self.operation.as_mut(), &mut self.raw, self.count);
        let before = probe(self.cores)?;
        let (run, raw) = if raw_first {
            let raw = raw.run(count)?;
            (warm_run(operation, count)?, raw)
        } else {
            (warm_run(operation, count)?, raw.run(count)?)
        };
        let after = probe(self.cores)?;
        let stayed = before.is_near() == after.is_near();
        Ok(stayed.then(|| Repetition::new(before, run, raw, self.compare)))
    }
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
    use std::cell::Cell;
    use std::rc::Rc;
    use std::time::Duration;

    use super::super::arguments::Transport;
    use super::super::raw::Shape;
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
        Repetition::new(distance, run(10, 500), run(10, 500).into(), Compare::Medians)
    }

    #[test]
    fn medians_and_rates_are_compared_as_said() {
        let (operation, raw) = (run(50, 3000), run(100, 2000));
        assert!((Compare::Medians.ratio(&operation, &raw) - 1.5).abs() < 0.01);
        assert!((Compare::Rates.ratio(&operation, &raw) - 0.5).abs() < 0.01);
    }

    /// Ends at once and counts.
    struct Instant(Rc<Cell<u64>>);

    impl Operation for Instant {
        fn run(&mut self, operations: u64) -> Result<Run> {
            self.0.set(self.0.get() + operations);
            Ok(run(operations, 100))
        }
    }

    #[test]
    fn every_repetition_runs_both_and_warms_them_up() {
        let Ok(cores) = Cores::find() else {
            eprintln!("skipped: only one core");
            return;
        };
        let (operations, raw) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut measurement = Measurement {
            cores,
            count: 100,
            compare: Compare::Medians,
            operation: Box::new(Instant(operations.clone())),
            raw: Limit::Loop(Box::new(Instant(raw.clone()))),
        };
        let mut told = 0;
        let outcome = measurement.repeat(3, |_, _| {
            told += 1;
            Ok(())
        });
        let outcome = outcome.unwrap();
        assert_eq!(outcome.good.len(), 3);
        assert!(
            told >= 3 && outcome.dropped + 3 >= told,
            "{told} {}",
            outcome.dropped
        );
        assert_eq!(operations.get(), (outcome.dropped as u64 + 3) * 105);
        assert_eq!(raw.get(), operations.get());
    }

    #[test]
    fn both_ways_to_copy_run_and_the_faster_counts() {
        let (memcpy, nontemporal) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
        let mut limit = Limit::Copies(Copies {
            memcpy: Box::new(Instant(memcpy.clone())),
            nontemporal: Box::new(Instant(nontemporal.clone())),
        });
        assert!(limit.run(100).unwrap().copy_rates.is_some());
        assert_eq!((memcpy.get(), nontemporal.get()), (105, 105));
        for (memcpy, nontemporal) in [(70, 90), (90, 70)] {
            let raw = Raw::faster(run(memcpy, 1), run(nontemporal, 1));
            assert_eq!(raw.run.operations, 90);
            let rates = raw.copy_rates.unwrap();
            assert_eq!(
                (rates.memcpy, rates.nontemporal),
                (memcpy as f64, nontemporal as f64)
            );
        }
    }

    #[test]
    fn an_exchange_may_stand_for_many_operations() {
        let shape = Shape {
            request_bytes: 512,
            reply_bytes: 64,
            in_flight: 2,
        };
        let queue = RawLoop::start(Transport::Embedded, shape, Cores { client: 0, server: 0 }).unwrap();
        let mut exchanges = Exchanges {
            raw: queue,
            operations_per_exchange: 8,
        };
        assert_eq!(exchanges.run(17).unwrap().operations, 24);
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
