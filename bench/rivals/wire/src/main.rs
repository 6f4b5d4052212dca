//! Crake's messages beside prost, flatbuffers, Cap'n Proto, rkyv and buffa, in memory: what it takes to make a message of what the
//! application has, and to read all of one that was received, with the checks that bytes of a stranger need.
//!
//!     crake-rival-wire [--json] [--repetitions N] [--shape TEXT] [--rival NAME]
//!
//! Each rival is used in its best way (`src/rivals`). All see the same data, and what they read of it is held equal before anything is
//! measured. Within a repetition they take turns; the median of the repetitions counts, of the processor's time.

mod case;
mod data;
mod rivals;
mod table;

use std::env;
use std::hint::black_box;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use case::Case;
use data::Set;
use rivals::{MISSING, RIVALS};
use rustix::time::{ClockId, clock_gettime};
use table::Row;

const SEED: u64 = 42;
const REPETITIONS: usize = 7;
/// How long a rival is measured at a time.
const TURN: Duration = Duration::from_millis(10);

fn main() -> Result<()> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    for missing in MISSING {
        eprintln!("left out: {missing}");
    }
    let mut rows = Vec::new();
    for set in data::sets(SEED) {
        if set.name.contains(&arguments.shape) {
            rows.extend(measure(&set, &arguments)?);
        }
    }
    ensure!(!rows.is_empty(), "no shape has {:?} in its name", arguments.shape);
    let names: Vec<&str> = arguments.rivals().map(|rival| rival.name).collect();
    if arguments.json {
        table::print_json(&names, &rows);
    } else {
        table::print_markdown(&names, &rows);
    }
    Ok(())
}

struct Arguments {
    json: bool,
    repetitions: usize,
    /// Part of the names of those that are measured.
    shape: String,
    /// The only one, for a profiler.
    rival: Option<String>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self {
            json: false,
            repetitions: REPETITIONS,
            shape: String::new(),
            rival: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word.as_str() {
                "--json" => arguments.json = true,
                "--repetitions" => arguments.repetitions = value()?.parse()?,
                "--shape" => arguments.shape = value()?,
                "--rival" => arguments.rival = Some(value()?),
                _ => {
                    bail!("usage: crake-rival-wire [--json] [--repetitions N] [--shape TEXT] [--rival NAME]")
                }
            }
        }
        ensure!(arguments.repetitions > 0, "there is at least one repetition");
        ensure!(arguments.rivals().next().is_some(), "there is no such rival here");
        Ok(arguments)
    }

    fn rivals(&self) -> impl Iterator<Item = &'static rivals::Rival> {
        let wanted = |rival: &&rivals::Rival| self.rival.as_ref().is_none_or(|name| name == rival.name);
        RIVALS.iter().filter(wanted)
    }
}

/// The rows of one shape.
fn measure(set: &Set, arguments: &Arguments) -> Result<Vec<Row>> {
    let mut cases: Vec<Box<dyn Case + '_>> = arguments.rivals().map(|rival| (rival.case)(set)).collect();
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
    let read = medians(&mut cases, arguments.repetitions, messages, |case| {
        black_box(case.read_all());
    });
    if set.first_only {
        return Ok(vec![row(table::FIRST, &read)]);
    }
    let build = medians(&mut cases, arguments.repetitions, messages, |case| {
        case.build_all()
    });
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

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    let middle = times.len() / 2;
    if times.len() % 2 == 1 {
        times[middle]
    } else {
        (times[middle - 1] + times[middle]) / 2.0
    }
}
