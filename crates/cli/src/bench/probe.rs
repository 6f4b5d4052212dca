//! How far apart two cores are just now.
//!
//! A virtual machine's host moves its cores: the time that a cache line takes to the other core and back is sometimes 70-130 ns
//! and sometimes 420-510 ns, and everything that crosses cores changes with it. So a repetition counts only if the
//! cores were equally far apart before and after it, and says which it was.

use std::hint;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::cores::{Cores, pin};

/// Round trips at or below this are `near`. Nothing was ever seen between 130 and 420 ns.
const NEAR_MAX: Duration = Duration::from_nanos(200);

const BATCHES: u32 = 41;
const BATCH_ROUND_TRIPS: u32 = 100;

/// How long a cache line takes from the client's core to the server's and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distance {
    /// Median round trip.
    pub round_trip: Duration,
}

impl Distance {
    /// Whether the cores share a cache, as far as the time tells.
    pub fn is_near(self) -> bool {
        self.round_trip <= NEAR_MAX
    }
}

/// A counter that has its cache line, and the neighbour that the prefetcher fetches with it, to itself.
#[repr(align(128))]
#[derive(Default)]
struct Line(AtomicU32);

/// Measures the distance. The calling thread must be on the client's core; one on the server's core is started and joined.
pub fn probe(cores: Cores) -> Result<Distance> {
    let (there, back) = (Line::default(), Line::default());
    thread::scope(|scope| {
        let answering = scope.spawn(|| {
            pin(cores.server)?;
            answer(&there, &back);
            anyhow::Ok(())
        });
        // Without an answer from the other side the ping would spin for ever.
        while there_is_no_answer(&there, &back) {
            if answering.is_finished() {
                break;
            }
        }
        let distance = if answering.is_finished() {
            None
        } else {
            Some(ping(&there, &back))
        };
        answering
            .join()
            .map_err(|_| anyhow!("the probe's other thread panicked"))??;
        distance.context("the probe's other thread ended early")
    })
}

/// The first ping, which waits for the other thread to start.
fn there_is_no_answer(there: &Line, back: &Line) -> bool {
    there.0.store(1, Ordering::Release);
    back.0.load(Ordering::Acquire) != 1
}

fn ping(there: &Line, back: &Line) -> Distance {
    let mut batches: Vec<Duration> = (0..BATCHES).map(|batch| ping_batch(there, back, batch)).collect();
    there.0.store(0, Ordering::Release);
    batches.sort_unstable();
    Distance {
        round_trip: batches[batches.len() / 2] / BATCH_ROUND_TRIPS,
    }
}

fn ping_batch(there: &Line, back: &Line, batch: u32) -> Duration {
    let first = batch * BATCH_ROUND_TRIPS + 2;
    let start = Instant::now();
    for number in first..first + BATCH_ROUND_TRIPS {
        there.0.store(number, Ordering::Release);
        // Spinning without a pause: the pause alone is half a near round trip.
        while back.0.load(Ordering::Acquire) != number {}
    }
    start.elapsed()
}

/// Sends every number back until a zero comes after the first.
fn answer(there: &Line, back: &Line) {
    let mut last = 0;
    loop {
        let number = there.0.load(Ordering::Acquire);
        if number == last {
            hint::black_box(());
            continue;
        }
        if number == 0 {
            return;
        }
        back.0.store(number, Ordering::Release);
        last = number;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_ends_at_200_ns() {
        assert!(
            Distance {
                round_trip: Duration::from_nanos(200)
            }
            .is_near()
        );
        assert!(
            !Distance {
                round_trip: Duration::from_nanos(201)
            }
            .is_near()
        );
    }

    #[test]
    fn a_round_trip_takes_some_time_and_not_much() {
        let Ok(cores) = Cores::find() else {
            eprintln!("skipped: only one core");
            return;
        };
        pin(cores.client).unwrap();
        let distance = probe(cores).unwrap();
        assert!(distance.round_trip > Duration::from_nanos(10), "{distance:?}");
        assert!(distance.round_trip < Duration::from_millis(10), "{distance:?}");
    }
}
