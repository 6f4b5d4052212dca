//! What a command says: results on stdout, everything else on stderr.
//!
//! With `--json` each result is one JSON object on a line of its own; without it, tables and plain lines for people.
//! Progress bars appear only where stderr is a terminal.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Where a command writes, and in which form.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
}

impl Output {
    /// JSON lines if `json`, else text for people.
    pub fn new(json: bool) -> Output {
        Output { json }
    }

    /// Whether results are JSON lines.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Writes one result as a line of JSON. Does nothing without `--json`.
    pub fn row(self, row: &impl Serialize) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        let mut line = serde_json::to_vec(row).map_err(io::Error::other)?;
        line.push(b'\n');
        let mut stdout = io::stdout().lock();
        stdout.write_all(&line)?;
        stdout.flush()
    }

    /// Writes a table. Does nothing with `--json`.
    pub fn table(self, table: &Table) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(io::stdout().lock(), "{table}")
    }

    /// Writes a line, or several. Does nothing with `--json`.
    pub fn line(self, text: &str) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Says something to the person at the terminal. It never mixes with results. A closed stderr is no reason to stop.
    pub fn note(self, text: impl AsRef<str>) {
        let _ = writeln!(io::stderr().lock(), "crake: {}", text.as_ref());
    }

    /// A line that says what is being done, without an end in sight; hidden unless stderr is a terminal.
    pub fn activity(self, what: &'static str) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style = ProgressStyle::with_template("{spinner} {prefix} {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style).with_prefix(what)
    }

    /// A bar that counts to `steps`; hidden unless stderr is a terminal.
    pub fn progress(self, steps: u64, what: impl Into<Cow<'static, str>>) -> ProgressBar {
        if self.json || !io::stderr().is_terminal() {
            return ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        }
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(steps).with_style(style).with_message(what)
    }
}

/// A table with these column heads; heads that start with `>` are columns of numbers, aligned right.
pub fn table(heads: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(heads.iter().map(|head| Cell::new(head.trim_start_matches('>'))));
    for (column, head) in heads.iter().enumerate() {
        if let Some(column) = table.column_mut(column).filter(|_| head.starts_with('>')) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A rate or a count with three significant digits: `11.4 M`, `812 k`, `95.2`.
pub fn short(number: f64) -> String {
    let (scaled, unit) = match number {
        n if n >= 999.5e6 => (n / 1e9, " G"),
        n if n >= 999.5e3 => (n / 1e6, " M"),
        n if n >= 999.5 => (n / 1e3, " k"),
        n => (n, ""),
    };
    let decimals = match scaled {
        s if s >= 99.95 => 0,
        s if s >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.decimals$}{unit}")
}

/// A time with three significant digits: `410 ns`, `7.94 us`, `1.20 ms`.
pub fn short_time(time: Duration) -> String {
    let ns = time.as_nanos() as f64;
    match ns {
        n if n < 999.5 => format!("{n:.0} ns"),
        n if n < 999.5e3 => format!("{} us", short(n / 1e3)),
        n if n < 999.5e6 => format!("{} ms", short(n / 1e6)),
        n => format!("{} s", short(n / 1e9)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        for (number, text) in [
            (0.0, "0.00"),
            (1.25, "1.25"),
            (95.24, "95.2"),
            (812_300.0, "812 k"),
            (999_700.0, "1.00 M"),
            (11_400_000.0, "11.4 M"),
            (4.5e9, "4.50 G"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    #[test]
    fn times_choose_their_unit() {
        for (ns, text) in [
            (410, "410 ns"),
            (7_940, "7.94 us"),
            (1_200_000, "1.20 ms"),
            (2_500_000_000, "2.50 s"),
        ] {
            assert_eq!(short_time(Duration::from_nanos(ns)), text);
        }
    }

    #[test]
    fn a_column_of_numbers_is_aligned_right() {
        let mut table = table(&["name", ">size"]);
        table.add_row(["a", "1"]);
        table.add_row(["b", "1000"]);
        assert!(table.to_string().contains("   1 "), "{table}");
    }
}
