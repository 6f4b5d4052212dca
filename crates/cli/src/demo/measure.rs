//! What was measured, beside what the transport could have done at best.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

use crate::bench::{Cores, Shape, raw_rate};
use crate::output::{Output, short, table};

/// Milliseconds on an idle machine, and not minutes on one that lets the two processes run in turn only.
const RAW_MESSAGES: u64 = 400_000;

/// Limits of the transport, measured in this run: messages through it, and bytes by memcpy.
pub struct Raw {
    /// Whether the messages go from one process to another.
    is_between_processes: bool,
    messages_per_s: f64,
    bytes_per_s: f64,
}

/// The traffic that a step cannot do without.
pub struct Traffic {
    /// Requests with their replies.
    pub messages: u64,
    /// Bytes that have to get across, once.
    pub bytes: u64,
}

impl Raw {
    /// Takes a fraction of a second. With cores, messages go from one process to another.
    pub fn measure(cores: Option<Cores>) -> Result<Raw> {
        let message = Shape {
            request_bytes: 64,
            reply_bytes: 64,
            in_flight: 128,
        };
        // The queue holds 64 MiB: more than caches do, as a store does.
        let chunk = Shape {
            request_bytes: 1 << 20,
            reply_bytes: 64,
            in_flight: 64,
        };
        Ok(Raw {
            is_between_processes: cores.is_some(),
            messages_per_s: raw_rate(cores, message, RAW_MESSAGES)?,
            bytes_per_s: raw_rate(None, chunk, 2048)? * chunk.request_bytes as f64,
        })
    }

    fn time(&self, traffic: &Traffic) -> Duration {
        let seconds = traffic.messages as f64 / self.messages_per_s + traffic.bytes as f64 / self.bytes_per_s;
        Duration::from_secs_f64(seconds)
    }
}

/// A step and what came of it.
#[derive(Debug, Serialize)]
pub struct Measured {
    step: &'static str,
    what: &'static str,
    count: u64,
    bytes: u64,
    seconds: f64,
    per_s: f64,
    bytes_per_s: f64,
    raw_seconds: f64,
    raw_per_s: f64,
    raw_bytes_per_s: f64,
    ratio: f64,
}

/// The time of a step, without what is done beside the store: reading local files, checksums, comparisons.
pub struct Stopwatch {
    started: Instant,
    aside: Cell<Duration>,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch {
            started: Instant::now(),
            aside: Cell::default(),
        }
    }

    /// Does something that does not count.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = act();
        self.aside.set(self.aside.get() + started.elapsed());
        result
    }

    /// Ends the step, with the traffic that it could not do without.
    pub fn stop(
        &self,
        step: &'static str,
        what: &'static str,
        (count, bytes): (u64, u64),
        raw: &Raw,
        traffic: Traffic,
    ) -> Measured {
        let seconds = self
            .started
            .elapsed()
            .saturating_sub(self.aside.get())
            .as_secs_f64();
        let raw_seconds = raw.time(&traffic).as_secs_f64();
        Measured {
            step,
            what,
            count,
            bytes,
            seconds,
            per_s: count as f64 / seconds,
            bytes_per_s: bytes as f64 / seconds,
            raw_seconds,
            raw_per_s: count as f64 / raw_seconds,
            raw_bytes_per_s: bytes as f64 / raw_seconds,
            ratio: raw_seconds / seconds,
        }
    }
}

/// Shows all steps.
pub fn show(steps: &[Measured], raw: &Raw, output: Output) -> Result<()> {
    let mut rows = table(&[
        "step",
        ">count",
        ">time",
        ">rate",
        ">bytes/s",
        ">raw rate",
        ">raw bytes/s",
        ">of raw",
    ]);
    for step in steps {
        let bytes = |rate: f64| {
            if step.bytes == 0 {
                "-".into()
            } else {
                format!("{}B/s", spaced(rate))
            }
        };
        rows.add_row([
            step.step.to_owned(),
            format!("{} {}", step.count, step.what),
            format!("{:.2} s", step.seconds),
            format!("{}{}/s", spaced(step.per_s), step.what),
            bytes(step.bytes_per_s),
            format!("{}{}/s", spaced(step.raw_per_s), step.what),
            bytes(step.raw_bytes_per_s),
            format!("{:.3}", step.ratio),
        ]);
    }
    output.table(&rows)?;
    let way = match raw.is_between_processes {
        true => "pipes between two processes",
        false => "a queue in memory",
    };
    output.line(&format!(
        "raw: as many messages through {way} and one copy of the bytes, by the tightest loops, measured in this run.
Reading the local files, checksums and comparisons are not in the times."
    ))?;
    Ok(())
}

fn spaced(rate: f64) -> String {
    let text = short(rate);
    if text.contains(' ') {
        text
    } else {
        format!("{text} ")
    }
}
