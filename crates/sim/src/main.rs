//! The command around the simulator: which seeds, which canary, and how to tell what was found.

#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use clap::{CommandFactory, Parser, error::ErrorKind};
use crake_sim::{Canary, Options, check, hunt};
use indicatif::{ProgressBar, ProgressStyle};

/// Runs simulated Crake clusters under faults and checks everything they do against a model.
#[derive(Parser)]
#[command(name = "crake-sim", version, after_help = EXAMPLES)]
struct Arguments {
    /// How many seeds to run [default: 100, with --verbose 1].
    #[arg(long, value_name = "N", conflicts_with = "verbose", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
    /// The first seed.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Plant a known bug, or each in turn, and run until it is found; `help` lists them.
    #[arg(long, value_name = "NAME|all|help")]
    canary: Option<String>,
    /// Print one JSON object per result.
    #[arg(long)]
    json: bool,
    /// Print faults and operations of one seed with their virtual times, to stderr.
    #[arg(long)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  crake-sim --seeds 200                       200 clusters; the first that fails is printed
  crake-sim --seed 4711 --verbose             what happens in one of them
  crake-sim --canary list-skips --seeds 200   must find the planted bug
  crake-sim --canary all --seeds 200          must find every one

Exit codes: 0 as it should be, 1 a rule was broken (or a canary not found), 2 wrong usage.";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let canaries = match arguments.canary.as_deref() {
        None => return run_seeds(&arguments),
        Some("help") => {
            print_canaries();
            return ExitCode::SUCCESS;
        }
        Some("all") => Canary::ALL.to_vec(),
        Some(name) => match name.parse() {
            Ok(canary) => vec![canary],
            Err(error) => wrong_usage(format!("{error}; `--canary help` lists them")),
        },
    };
    // All are hunted, whether the first is found or not.
    let missed = canaries
        .into_iter()
        .filter(|&canary| !hunt_canary(&arguments, canary));
    match missed.count() {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn wrong_usage(what: String) -> ! {
    Arguments::command().error(ErrorKind::InvalidValue, what).exit()
}

fn print_canaries() {
    for canary in Canary::ALL {
        print(format_args!("{canary:<24}{}", canary.explanation()));
    }
}

/// Runs all seeds up to the first that fails.
fn run_seeds(arguments: &Arguments) -> ExitCode {
    let started = Instant::now();
    let seeds = arguments.seeds();
    let options = Options {
        verbose: arguments.verbose,
        canary: None,
    };
    let progress = progress(seeds);
    let mut failed = None;
    for seed in arguments.seed..arguments.seed.saturating_add(seeds) {
        if let Err(violations) = check(seed, options) {
            failed = Some((seed, violations));
            break;
        }
        progress.inc(1);
    }
    let passed = progress.position();
    progress.finish_and_clear();
    let seconds = started.elapsed().as_secs_f64();
    if arguments.json {
        print(serde_json::json!({
            "first_seed": arguments.seed,
            "seeds": seeds,
            "passed": passed,
            "seconds": seconds,
            "failed": failed.as_ref().map(|(seed, _)| seed),
            "violations": failed.as_ref().map_or(&[][..], |(_, violations)| violations),
        }));
    } else if failed.is_none() {
        print(format_args!("{passed} seeds passed in {seconds:.1} s"));
    }
    let Some((seed, violations)) = failed else {
        return ExitCode::SUCCESS;
    };
    eprintln!("seed {seed} failed:\n{}", violations.join("\n"));
    eprintln!("repeat it with: cargo run --release -p crake-sim -- --seed {seed} --verbose");
    ExitCode::FAILURE
}

/// Whether a canary is found.
fn hunt_canary(arguments: &Arguments, canary: Canary) -> bool {
    let seeds = arguments.seeds();
    let progress = progress(seeds);
    let options = Options {
        verbose: arguments.verbose,
        canary: Some(canary),
    };
    let range = arguments.seed..arguments.seed.saturating_add(seeds);
    let found = hunt(range.inspect(|_| progress.inc(1)), options);
    progress.finish_and_clear();
    if arguments.json {
        print(serde_json::json!({
            "canary": canary.to_string(),
            "found": found.is_some(),
            "seed": found.as_ref().map(|(seed, _)| seed),
            "violations": found.as_ref().map_or(&[][..], |(_, violations)| violations),
        }));
    } else {
        match &found {
            Some((seed, violations)) => print(format_args!(
                "{canary}: found with seed {seed}: {}",
                violations.first().map_or("", String::as_str)
            )),
            None => print(format_args!("{canary}: not found within {seeds} seeds")),
        }
    }
    found.is_some()
}

impl Arguments {
    fn seeds(&self) -> u64 {
        self.seeds.unwrap_or(if self.verbose { 1 } else { 100 })
    }
}

/// Shows itself on a terminal only.
fn progress(seeds: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} seeds, {eta} left");
    ProgressBar::new(seeds).with_style(style.expect("the template is sound"))
}

/// A line on stdout. Whoever has closed it does not want it.
fn print(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
