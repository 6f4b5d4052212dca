//! Crake's messages beside prost, flatbuffers, Cap'n Proto, rkyv and buffa. `--help` says what there is.
//!
//! Each rival is used in its best way (`src/rivals`). All see the same data, and what they read of it is held equal before anything is
//! measured. Within a repetition they take turns; the median of the repetitions counts.

mod data;
mod memory;
mod queue;
mod rivals;

use std::env;

use anyhow::{Context, Result, bail, ensure};

use data::Set;
use queue::{Options, TRANSPORTS, Transport};
use rivals::{MISSING, RIVALS, Rival};

const SEED: u64 = 42;
const REPETITIONS: usize = 7;

const HELP: &str = "\
usage: crake-rival-wire [memory|queues] [options]

  memory               making and reading messages in memory, in time of the processor
  queues               the same from one thread to another through Crake's queues
                       (without either word: both)

  --shape TEXT         only shapes with this in their names
  --rival NAME         only this one: for a profiler
  --transport NAME     only over shm, unix or tcp
  --gather-min BYTES   over queues, Crake's fields of so many bytes and more are sent from where they lie
  --repetitions N      of which the median is taken (7)
  --json               a line of JSON for each row, instead of Markdown
  --help               this";

fn main() -> Result<()> {
    let arguments = Arguments::parse(env::args().skip(1))?;
    if arguments.help {
        println!("{HELP}");
        return Ok(());
    }
    for missing in MISSING {
        eprintln!("left out: {missing}");
    }
    let sets = data::sets(SEED);
    let sets: Vec<&Set> = sets
        .iter()
        .filter(|set| set.name.contains(&arguments.shape))
        .collect();
    ensure!(!sets.is_empty(), "no shape has {:?} in its name", arguments.shape);
    if arguments.part != Some(Part::Queues) {
        in_memory(&sets, &arguments)?;
    }
    if arguments.part.is_none() && !arguments.json {
        println!();
    }
    if arguments.part != Some(Part::Memory) {
        over_queues(&sets, &arguments)?;
    }
    Ok(())
}

fn in_memory(sets: &[&Set], arguments: &Arguments) -> Result<()> {
    let rivals = arguments.rivals();
    let mut rows = Vec::new();
    for set in sets {
        rows.extend(memory::measure(set, &rivals, arguments.repetitions)?);
    }
    let names: Vec<&str> = rivals.iter().map(|rival| rival.name).collect();
    match arguments.json {
        true => memory::table::print_json(&names, &rows),
        false => memory::table::print_markdown(&names, &rows),
    }
    Ok(())
}

fn over_queues(sets: &[&Set], arguments: &Arguments) -> Result<()> {
    let rivals = arguments.rivals();
    // A message of which only the first field is read is sent as any other.
    let sets: Vec<&Set> = sets.iter().copied().filter(|set| !set.first_only).collect();
    let options = Options {
        repetitions: arguments.repetitions,
        gather_min: arguments.gather_min,
    };
    let (cores, mut rows) = (queue::cores()?, Vec::new());
    for transport in arguments.transports() {
        rows.extend(queue::measure(transport, cores, &sets, &rivals, options)?);
    }
    let names: Vec<&str> = rivals.iter().map(|rival| rival.name).collect();
    match arguments.json {
        true => queue::table::print_json(&names, &rows),
        false => queue::table::print_markdown(&names, &rows),
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Memory,
    Queues,
}

struct Arguments {
    help: bool,
    /// The only one.
    part: Option<Part>,
    json: bool,
    repetitions: usize,
    /// Part of the names of those that are measured.
    shape: String,
    /// The only one.
    rival: Option<String>,
    /// The only one.
    transport: Option<String>,
    /// Instead of what is best for each queue.
    gather_min: Option<usize>,
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut arguments = Self {
            help: false,
            part: None,
            json: false,
            repetitions: REPETITIONS,
            shape: String::new(),
            rival: None,
            transport: None,
            gather_min: None,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} takes a value"));
            match word.as_str() {
                "memory" => arguments.part = Some(Part::Memory),
                "queues" => arguments.part = Some(Part::Queues),
                "--help" | "-h" => arguments.help = true,
                "--json" => arguments.json = true,
                "--repetitions" => arguments.repetitions = value()?.parse()?,
                "--shape" => arguments.shape = value()?,
                "--rival" => arguments.rival = Some(value()?),
                "--transport" => arguments.transport = Some(value()?),
                "--gather-min" => arguments.gather_min = Some(value()?.parse()?),
                _ => bail!("{word:?} is not known\n\n{HELP}"),
            }
        }
        ensure!(arguments.repetitions > 0, "there is at least one repetition");
        ensure!(!arguments.rivals().is_empty(), "there is no such rival here");
        ensure!(
            !arguments.transports().is_empty(),
            "there is no such transport here"
        );
        Ok(arguments)
    }

    fn rivals(&self) -> Vec<&'static Rival> {
        let wanted = |rival: &&Rival| self.rival.as_ref().is_none_or(|name| name == rival.name);
        RIVALS.iter().filter(wanted).collect()
    }

    fn transports(&self) -> Vec<Transport> {
        let wanted = |transport: &Transport| {
            self.transport
                .as_ref()
                .is_none_or(|name| name == transport.name())
        };
        TRANSPORTS.into_iter().filter(wanted).collect()
    }
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
