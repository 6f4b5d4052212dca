//! What one run of a loop yields: its rate and its latencies.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Latencies up to this are kept apart; longer ones count as this long.
const LATENCY_MAX: Duration = Duration::from_secs(60);

/// Three digits: two latencies that differ by 0.1 % are told apart.
const DIGITS: u8 = 3;

/// One run of `operations` operations.
#[derive(Clone, Debug)]
pub struct Run {
    /// How many there were.
    pub operations: u64,
    /// From the start of the first to the end of the last.
    pub elapsed: Duration,
    /// Of all operations when one is in flight, else of samples, in ns.
    pub latencies: Histogram<u64>,
}

impl Run {
    /// Operations a second.
    pub fn rate(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency in ns that this part (0 to 1) of the operations did not pass.
    pub fn quantile_ns(&self, part: f64) -> u64 {
        self.latencies.value_at_quantile(part)
    }
}

/// An empty histogram of latencies in ns.
pub fn latencies() -> Histogram<u64> {
    Histogram::new_with_max(duration_ns(LATENCY_MAX), DIGITS)
        .expect("3 digits up to a minute are within its limits")
}

/// Times a loop that has one or more operations in flight, at the cost of one clock read (22 ns) per sample.
///
/// The end of a sampled operation is the start of the next sample: the loop issues its next operation right after it
/// has taken note of an end. With one in flight, every operation is sampled; with more, about one in flight's worth.
#[derive(Debug)]
pub struct Stopwatch {
    start: Instant,
    sample_start: Instant,
    /// The operation whose end is waited for, counted from 1.
    sampled: u64,
    /// Operations that make one sample, which counts as their mean.
    together: u64,
    latencies: Histogram<u64>,
}

impl Stopwatch {
    /// Starts now; the first operation is the first sample.
    pub fn start() -> Stopwatch {
        Stopwatch::start_timing_together(1)
    }

    /// The same for a loop with one in flight whose operations are too short to be timed singly.
    pub fn start_timing_together(together: u64) -> Stopwatch {
        let latencies = latencies();
        let start = Instant::now();
        Stopwatch {
            start,
            sample_start: start,
            sampled: together,
            together,
            latencies,
        }
    }

    /// Notes that `ended` operations have ended and `issued` were issued.
    #[inline]
    pub fn note(&mut self, ended: u64, issued: u64) {
        if ended >= self.sampled {
            let now = Instant::now();
            self.latencies
                .saturating_record(duration_ns(now - self.sample_start) / self.together);
            self.sample_start = now;
            self.sampled = issued + self.together;
        }
    }

    /// The end of the last of `operations`.
    pub fn stop(self, operations: u64) -> Run {
        // A run too short for the clock counts as its shortest step, so that no rate is infinite.
        let elapsed = self.start.elapsed().max(Duration::from_nanos(1));
        Run {
            operations,
            elapsed,
            latencies: self.latencies,
        }
    }
}

fn duration_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The middle value, or the mean of the two middle ones. None of none.
pub fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let upper = values.len() / 2;
    match values.len() {
        0 => None,
        n if n % 2 == 1 => Some(values[upper]),
        _ => Some((values[upper - 1] + values[upper]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([]), None);
        assert_eq!(median([3.0]), Some(3.0));
        assert_eq!(median([9.0, 1.0, 5.0]), Some(5.0));
        assert_eq!(median([4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn one_in_flight_samples_every_operation() {
        let mut watch = Stopwatch::start();
        for operation in 1..=100 {
            watch.note(operation, operation);
        }
        let run = watch.stop(100);
        assert_eq!(run.latencies.len(), 100);
    }

    #[test]
    fn many_in_flight_sample_one_per_round() {
        let mut watch = Stopwatch::start();
        // Ten are always in flight, one ends at a time.
        for ended in 1..=1000 {
            watch.note(ended, ended - 1 + 10);
        }
        let run = watch.stop(1000);
        assert!(
            (95..=105).contains(&run.latencies.len()),
            "{}",
            run.latencies.len()
        );
    }

    #[test]
    fn a_sample_spans_the_time_until_its_operation_ends() {
        let mut watch = Stopwatch::start();
        watch.note(0, 1);
        std::thread::sleep(Duration::from_millis(5));
        watch.note(1, 1);
        let run = watch.stop(1);
        assert_eq!(run.latencies.len(), 1);
        assert!(run.quantile_ns(0.5) >= 5_000_000);
        assert!(run.rate() <= 200.0);
    }

    #[test]
    fn quantiles_are_exact_to_a_thousandth() {
        let mut latencies = latencies();
        (1..=1000).for_each(|us| latencies.record(us * 1000).unwrap());
        let run = Run {
            operations: 1000,
            elapsed: Duration::from_secs(2),
            latencies,
        };
        for (part, ns) in [(0.5, 500_000.0), (0.99, 990_000.0), (1.0, 1_000_000.0)] {
            assert!((run.quantile_ns(part) as f64 / ns - 1.0).abs() < 0.002, "{part}");
        }
        assert_eq!(run.rate(), 500.0);
    }

    #[test]
    fn a_latency_beyond_the_bound_is_not_lost() {
        let mut latencies = latencies();
        latencies.saturating_record(u64::MAX);
        assert_eq!(latencies.len(), 1);
    }
}
