//! In memory: what it takes to make a message of what the application has, up to bytes that could be sent, and to read all of one that
//! was received.

pub mod case;
pub mod table;

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use crate::data::Set;
use crate::median;
use crate::rivals::Rival;
use case::Case;
use table::Row;

/// How long a rival is measured at a time.
const TURN: Duration = Duration::from_millis(10);

/// The rows of one shape.
pub fn measure(set: &Set, rivals: &[&Rival], repetitions: usize) -> Result<Vec<Row>> {
    let mut cases: Vec<Box<dyn Case + '_>> = rivals.iter().map(|rival| (rival.case)(set)).collect();
    let sums: Vec<u64> = cases.iter_mut().map(|case| case.read_all()).collect();
    ensure!(
        sums.iter().all(|sum| *sum == sums[0]),
        "{}: not all read the same: {sums:?}",
        set.name
    );
    let row = |operation, ns: &[f64]| Row {
        shape: set.name.clone(),
        operation,
        ns: ns.to_vec(),
    };
    let messages = set.shape.len() as f64;
    let read = medians(&mut cases, repetitions, messages, |case| {
        black_box(case.read_all());
    });
    if set.first_only {
        return Ok(vec![row(table::FIRST, &read)]);
    }
    let build = medians(&mut cases, repetitions, messages, |case| case.build_all());
    let both: Vec<f64> = build
        .iter()
        .zip(&read)
        .map(|(build, read)| build + read)
        .collect();
    Ok(vec![
        row(table::BUILD, &build),
        row(table::READ, &read),
        row(table::BOTH, &both),
    ])
}

/// Nanoseconds a message, of each case.
fn medians(
    cases: &mut [Box<dyn Case + '_>],
    repetitions: usize,
    messages: f64,
    pass: impl Fn(&mut dyn Case),
) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(repetitions); cases.len()];
    for repetition in 0..repetitions {
        for turn in 0..cases.len() {
            // Each is the first once.
            let rival = (turn + repetition) % cases.len();
            times[rival].push(turn_of(&mut *cases[rival], &pass) / messages);
        }
    }
    times.into_iter().map(median).collect()
}

/// Nanoseconds a pass, after some that warm the caches and tell how many there are to be between two looks at the clock, which is
/// a system call.
fn turn_of(case: &mut dyn Case, pass: impl Fn(&mut dyn Case)) -> f64 {
    let mut passes = 1;
    loop {
        let started = cpu_time();
        for _ in 0..passes {
            pass(case);
        }
        let taken = cpu_time() - started;
        if taken >= TURN {
            return taken.as_nanos() as f64 / f64::from(passes);
        }
        passes *= 2;
    }
}

/// What this thread has had of a processor: who else runs here does not count, but for what it does to the caches.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).expect("below a second"),
    )
}
