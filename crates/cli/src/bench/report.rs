//! What a benchmark prints: a row per repetition and one for all of them.

use std::time::Duration;

use anyhow::{Context, Result};
use comfy_table::Table;
use serde::Serialize;

use super::arguments::{Durability, Transport};
use super::runner::{Compare, Copies, Outcome, Repetition};
use super::stats::{Run, median};
use crate::output::{short, short_time, table};
use crate::paths;
use crate::size::Size;

/// What a measurement is of, as its rows repeat it.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// The type on the command line.
    pub bench: &'static str,
    /// What carried the traffic.
    pub transport: Transport,
    /// Bytes of one operation, or of the file that it looks at.
    pub size: Size,
    /// Bytes that one operation moves.
    #[serde(skip)]
    pub moved_bytes: u64,
    /// Keys of one operation, where it has many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// Operations in flight, of each client.
    pub in_flight: u64,
    /// Clients.
    pub clients: u64,
    /// Through a buffered stream.
    pub buffered: bool,
    /// What changes survive in the cluster that was started for it.
    pub durability: Durability,
    /// Operations in a repetition.
    pub count: u64,
    /// Whether other processes were kept off the cores.
    pub shielded: bool,
    /// Of views: whether they show the bytes where they are. Else they are copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_place: Option<bool>,
    /// What stands in the fields that start with `raw_`.
    pub against: &'static str,
    /// How the clients reach each server; empty without a cluster.
    pub paths: Vec<paths::Row>,
}

impl Subject {
    /// Of a buffered stream, and of several in flight, rates say more than times.
    pub fn compare(&self) -> Compare {
        match self.in_flight * self.clients {
            1 if !self.buffered => Compare::Medians,
            _ => Compare::Rates,
        }
    }
}

/// A row of `--json`. Rates are per second; the raw loop's fields start with `raw_`.
#[derive(Debug, Serialize)]
pub struct Row {
    #[serde(flatten)]
    subject: Subject,
    ops_per_s: f64,
    bytes_per_s: f64,
    /// Where one operation has many keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    keys_per_s: Option<f64>,
    p50_ns: u64,
    p99_ns: u64,
    p999_ns: u64,
    max_ns: u64,
    raw_ops_per_s: f64,
    raw_bytes_per_s: f64,
    raw_p50_ns: u64,
    raw_p99_ns: u64,
    #[serde(flatten)]
    copies: Option<CopiedBytes>,
    /// `p50_ns / raw_p50_ns` when one operation is in flight (lower is better), else `rate_ratio`.
    ratio: f64,
    /// `ops_per_s / raw_ops_per_s` (higher is better).
    rate_ratio: f64,
    /// Whether the two cores were near each other.
    near: bool,
    /// A cache line's way to the other core and back.
    line_ns: u64,
    #[serde(flatten)]
    part: Part,
}

/// Of either way to copy, where that is the raw loop; the faster in each repetition stands in its other fields.
#[derive(Clone, Copy, Debug, Serialize)]
struct CopiedBytes {
    raw_memcpy_bytes_per_s: f64,
    raw_nontemporal_bytes_per_s: f64,
}

impl CopiedBytes {
    fn of(rates: Copies<f64>, size: f64) -> CopiedBytes {
        CopiedBytes {
            raw_memcpy_bytes_per_s: rates.memcpy * size,
            raw_nontemporal_bytes_per_s: rates.nontemporal * size,
        }
    }

    /// As people read them.
    fn ways(&self) -> [(&'static str, f64); 2] {
        [
            ("  by memcpy", self.raw_memcpy_bytes_per_s),
            ("  past the caches", self.raw_nontemporal_bytes_per_s),
        ]
    }
}

/// Which part of the measurement a row stands for.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Part {
    Repetition {
        /// Counted from 1.
        repetition: u64,
    },
    Summary {
        summary: bool,
        /// Good repetitions that the row is the median of.
        repetitions: usize,
        /// Repetitions that do not count, because the cores moved or were as far apart as in fewer repetitions.
        dropped: usize,
    },
}

/// The row of one repetition.
pub fn repetition_row(subject: &Subject, repetition: &Repetition, number: u64) -> Row {
    row(subject, repetition, Part::Repetition { repetition: number })
}

/// The row of all good repetitions: medians of rates, p50s and ratios; p99, p99.9 and max over all their operations.
pub fn summary_row(subject: &Subject, outcome: &Outcome) -> Result<Row> {
    let good = &outcome.good;
    let over = |value: fn(&Repetition) -> f64| median(good.iter().map(value)).context("no good repetition");
    let run = merged(good.iter().map(|r| &r.run))?;
    let raw = merged(good.iter().map(|r| &r.raw.run))?;
    let first = good.first().context("no good repetition")?;
    let part = Part::Summary {
        summary: true,
        repetitions: good.len(),
        dropped: outcome.dropped,
    };
    let medians = Row {
        ops_per_s: over(|r| r.run.rate())?,
        p50_ns: over(|r| r.run.quantile_ns(0.5) as f64)? as u64,
        raw_ops_per_s: over(|r| r.raw.run.rate())?,
        raw_p50_ns: over(|r| r.raw.run.quantile_ns(0.5) as f64)? as u64,
        ratio: over(|r| r.ratio)?,
        rate_ratio: over(|r| r.run.rate() / r.raw.run.rate())?,
        line_ns: over(|r| ns(r.distance.round_trip) as f64)? as u64,
        p99_ns: run.quantile_ns(0.99),
        p999_ns: run.quantile_ns(0.999),
        max_ns: run.latencies.max(),
        raw_p99_ns: raw.quantile_ns(0.99),
        ..row(subject, first, part)
    };
    let moved = subject.moved_bytes as f64;
    let copied =
        |rate: fn(Copies<f64>) -> f64| median(good.iter().filter_map(|r| r.raw.copy_rates).map(rate));
    let rates = copied(|rates| rates.memcpy).zip(copied(|rates| rates.nontemporal));
    let rates = rates.map(|(memcpy, nontemporal)| Copies { memcpy, nontemporal });
    Ok(Row {
        copies: rates.map(|rates| CopiedBytes::of(rates, moved)),
        bytes_per_s: medians.ops_per_s * moved,
        keys_per_s: subject.keys.map(|keys| medians.ops_per_s * keys as f64),
        raw_bytes_per_s: medians.raw_ops_per_s * moved,
        ..medians
    })
}

fn row(subject: &Subject, repetition: &Repetition, part: Part) -> Row {
    let (run, raw) = (&repetition.run, &repetition.raw.run);
    let moved = subject.moved_bytes as f64;
    Row {
        subject: subject.clone(),
        ops_per_s: run.rate(),
        bytes_per_s: run.rate() * moved,
        keys_per_s: subject.keys.map(|keys| run.rate() * keys as f64),
        p50_ns: run.quantile_ns(0.5),
        p99_ns: run.quantile_ns(0.99),
        p999_ns: run.quantile_ns(0.999),
        max_ns: run.latencies.max(),
        raw_ops_per_s: raw.rate(),
        raw_bytes_per_s: raw.rate() * moved,
        raw_p50_ns: raw.quantile_ns(0.5),
        raw_p99_ns: raw.quantile_ns(0.99),
        copies: repetition
            .raw
            .copy_rates
            .map(|rates| CopiedBytes::of(rates, moved)),
        ratio: repetition.ratio,
        rate_ratio: run.rate() / raw.rate(),
        near: repetition.distance.is_near(),
        line_ns: ns(repetition.distance.round_trip),
        part,
    }
}

fn merged<'a>(runs: impl Iterator<Item = &'a Run>) -> Result<Run> {
    let mut sum: Option<Run> = None;
    for run in runs {
        match &mut sum {
            None => sum = Some(run.clone()),
            Some(sum) => {
                sum.operations += run.operations;
                sum.elapsed += run.elapsed;
                sum.latencies.add(&run.latencies).context("adding latencies up")?;
            }
        }
    }
    sum.context("no good repetition")
}

fn ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The same for people: the operation and the raw loop under one another, and then either way to copy if it copies.
pub fn summary_table(row: &Row) -> Table {
    let mut lines = table(&["", ">ops/s", ">bytes/s", ">p50", ">p99", ">p99.9", ">max"]);
    let time = |ns| short_time(Duration::from_nanos(ns));
    lines.add_row([
        row.subject.bench.into(),
        short(row.ops_per_s),
        short(row.bytes_per_s),
        time(row.p50_ns),
        time(row.p99_ns),
        time(row.p999_ns),
        time(row.max_ns),
    ]);
    lines.add_row([
        row.subject.against.into(),
        short(row.raw_ops_per_s),
        short(row.raw_bytes_per_s),
        time(row.raw_p50_ns),
        time(row.raw_p99_ns),
        String::new(),
        String::new(),
    ]);
    for (way, bytes_per_s) in row.copies.iter().flat_map(CopiedBytes::ways) {
        lines.add_row([
            way.into(),
            short(bytes_per_s / row.subject.moved_bytes as f64),
            short(bytes_per_s),
        ]);
    }
    lines
}

/// What the table was measured with, and the ratio.
pub fn summary_line(subject: &Subject, row: &Row, outcome: &Outcome) -> String {
    let what = match subject.compare() {
        Compare::Medians => "p50 to raw p50 (lower is better)",
        Compare::Rates => "rate to raw rate (higher is better)",
    };
    let paths = match &*subject.paths {
        [] => String::new(),
        paths => format!("\n{}", paths::line(paths)),
    };
    let keys = row.keys_per_s.map_or_else(String::new, |rate| {
        let keys = subject.keys.unwrap_or_default();
        format!("\n{} keys/s, {keys} in each operation", short(rate))
    });
    format!(
        "{} of {}{}{} over {}, {} in flight: ratio {:.3}, {what}\n\
         median of {} repetitions of {} operations, {} dropped; cores {} ({} ns); {}{keys}{paths}",
        subject.bench,
        subject.size,
        if subject.buffered { " buffered" } else { "" },
        match subject.in_place {
            None => "",
            Some(true) => " in place",
            Some(false) => " by a copy",
        },
        subject.transport,
        subject.in_flight * subject.clients,
        row.ratio,
        outcome.good.len(),
        subject.count,
        outcome.dropped,
        if row.near { "near" } else { "far" },
        row.line_ns,
        if subject.shielded {
            "shielded"
        } else {
            "not shielded"
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::probe::Distance;
    use super::super::stats::latencies;
    use super::*;

    fn run(ns: u64) -> Run {
        let mut latencies = latencies();
        latencies.record_n(ns, 100).unwrap();
        Run {
            operations: 100,
            elapsed: Duration::from_nanos(100 * ns),
            latencies,
        }
    }

    fn repetition(ns: u64, raw_ns: u64) -> Repetition {
        let distance = Distance {
            round_trip: Duration::from_nanos(100),
        };
        Repetition::new(distance, run(ns), run(raw_ns).into(), Compare::Medians)
    }

    fn subject() -> Subject {
        Subject {
            bench: "raw",
            transport: Transport::Unix,
            size: Size(64),
            moved_bytes: 64,
            keys: None,
            in_flight: 1,
            clients: 1,
            buffered: false,
            durability: Durability::None,
            count: 100,
            shielded: false,
            in_place: None,
            against: "raw loop",
            paths: Vec::new(),
        }
    }

    #[test]
    fn a_row_has_every_field_that_readers_rely_on() {
        let row = serde_json::to_value(repetition_row(&subject(), &repetition(2000, 1000), 3)).unwrap();
        for field in [
            "bench",
            "transport",
            "size",
            "in_flight",
            "ops_per_s",
            "bytes_per_s",
            "p50_ns",
            "p99_ns",
            "p999_ns",
            "max_ns",
            "raw_ops_per_s",
            "raw_p50_ns",
            "ratio",
            "near",
        ] {
            assert!(!row[field].is_null(), "{field}");
        }
        assert_eq!(row["transport"], "unix");
        assert!(row["raw_memcpy_bytes_per_s"].is_null());
        assert_eq!(row["repetition"], 3);
        assert_eq!(row["near"], true);
        assert!((row["ratio"].as_f64().unwrap() - 2.0).abs() < 0.01);
        assert!((row["ops_per_s"].as_f64().unwrap() - 500_000.0).abs() < 1.0);
        assert!((row["bytes_per_s"].as_f64().unwrap() - 32_000_000.0).abs() < 100.0);
    }

    #[test]
    fn the_summary_is_the_median_and_counts_what_was_dropped() {
        let good = vec![
            repetition(1000, 1000),
            repetition(9000, 1000),
            repetition(3000, 2000),
        ];
        let outcome = Outcome { good, dropped: 2 };
        let row = summary_row(&subject(), &outcome).unwrap();
        assert!((row.ratio - 1.5).abs() < 0.01, "{}", row.ratio);
        assert!((2_990..3_010).contains(&row.p50_ns), "{}", row.p50_ns);
        assert!((8_990..9_010).contains(&row.max_ns), "{}", row.max_ns);
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(
            (&json["summary"], &json["repetitions"], &json["dropped"]),
            (&true.into(), &3.into(), &2.into())
        );
        let line = summary_line(&subject(), &row, &outcome);
        assert!(line.contains("ratio 1.5"), "{line}");
    }

    #[test]
    fn copies_have_a_figure_for_either_way() {
        let repetition = |memcpy, nontemporal| {
            let mut repetition = repetition(1000, 1000);
            repetition.raw.copy_rates = Some(Copies { memcpy, nontemporal });
            repetition
        };
        let good = vec![
            repetition(3.0, 10.0),
            repetition(1.0, 30.0),
            repetition(2.0, 20.0),
        ];
        let first = serde_json::to_value(repetition_row(&subject(), &good[0], 1)).unwrap();
        assert_eq!(first["raw_memcpy_bytes_per_s"], 3.0 * 64.0);
        assert_eq!(first["raw_nontemporal_bytes_per_s"], 10.0 * 64.0);
        let row = summary_row(&subject(), &Outcome { good, dropped: 0 }).unwrap();
        let json = serde_json::to_value(&row).unwrap();
        assert_eq!(json["raw_memcpy_bytes_per_s"], 2.0 * 64.0);
        assert_eq!(json["raw_nontemporal_bytes_per_s"], 20.0 * 64.0);
        let table = summary_table(&row).to_string();
        assert!(table.contains("by memcpy") && table.contains("1.28 k"), "{table}");
    }

    #[test]
    fn nothing_good_is_an_error() {
        assert!(
            summary_row(
                &subject(),
                &Outcome {
                    good: vec![],
                    dropped: 9
                }
            )
            .is_err()
        );
    }
}
