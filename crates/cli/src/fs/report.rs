//! What a command over many files says: each failure on stderr as it happens, a row per file, a summary.

use std::cell::Cell;
use std::fmt::Display;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Error, Result};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::client::is_hopeless;
use crate::exit::Told;
use crate::output::{Output, short};
use crate::size::Size;

/// Counts and tells. Clones are the same.
#[derive(Clone)]
pub struct Report {
    shared: Rc<Shared>,
}

struct Shared {
    output: Output,
    bar: ProgressBar,
    started: Instant,
    files: Cell<u64>,
    directories: Cell<u64>,
    bytes: Cell<u64>,
    skipped: Cell<u64>,
    failed: Cell<u64>,
    hopeless: Cell<bool>,
    broken_pipe: Cell<bool>,
}

/// One file that was copied.
#[derive(Serialize)]
struct Copied<'a> {
    from: &'a str,
    to: &'a str,
    bytes: u64,
}

/// The last row.
#[derive(Serialize)]
struct Summary {
    summary: bool,
    files: u64,
    directories: u64,
    bytes: u64,
    skipped: u64,
    failed: u64,
    seconds: f64,
}

impl Report {
    /// Nothing happened so far. `doing` stands before the progress.
    pub fn new(output: Output, doing: &'static str) -> Report {
        Report::with_bar(output, output.activity(doing))
    }

    fn with_bar(output: Output, bar: ProgressBar) -> Report {
        Report {
            shared: Rc::new(Shared {
                output,
                bar,
                started: Instant::now(),
                files: Cell::new(0),
                directories: Cell::new(0),
                bytes: Cell::new(0),
                skipped: Cell::new(0),
                failed: Cell::new(0),
                hopeless: Cell::new(false),
                broken_pipe: Cell::new(false),
            }),
        }
    }

    /// Without progress, for commands that print something else.
    pub fn quiet(output: Output) -> Report {
        Report::with_bar(output, ProgressBar::hidden())
    }

    /// Something failed. Gives whether the rest will fail as well.
    pub fn fail(&self, error: &Error) -> bool {
        let shared = &self.shared;
        let hopeless = is_hopeless(error);
        shared.failed.set(shared.failed.get() + 1);
        // What was under way fails with the same words.
        if !shared.hopeless.replace(shared.hopeless.get() || hopeless) || !hopeless {
            self.say(format!("{error:#}"));
        }
        hopeless
    }

    /// Something was left out on purpose.
    pub fn skip(&self, why: impl Display) {
        self.shared.skipped.set(self.shared.skipped.get() + 1);
        self.say(format!("{why}"));
    }

    fn say(&self, text: String) {
        let shared = &self.shared;
        shared.bar.suspend(|| shared.output.note(text));
    }

    /// Bytes went by.
    pub fn moved(&self, bytes: u64) {
        self.shared.bytes.set(self.shared.bytes.get() + bytes);
        self.show();
    }

    /// A directory was made.
    pub fn directory(&self) {
        self.shared.directories.set(self.shared.directories.get() + 1);
    }

    /// A file is there.
    pub fn file(&self, from: &str, to: &str, bytes: u64) {
        let shared = &self.shared;
        shared.files.set(shared.files.get() + 1);
        if shared.output.row(&Copied { from, to, bytes }).is_err() {
            shared.broken_pipe.set(true);
        }
        self.show();
    }

    fn show(&self) {
        let shared = &self.shared;
        if shared.bar.is_hidden() {
            return;
        }
        let (files, bytes) = (shared.files.get(), shared.bytes.get());
        let rate = bytes as f64 / shared.started.elapsed().as_secs_f64().max(1e-3);
        shared.bar.set_message(format!(
            "{files} files, {}, {}B/s",
            Size(bytes).rounded(),
            short(rate)
        ));
    }

    /// The last word: a summary row, and an error if anything failed.
    pub fn finish(&self) -> Result<()> {
        let shared = &self.shared;
        shared.bar.finish_and_clear();
        let summary = Summary {
            summary: true,
            files: shared.files.get(),
            directories: shared.directories.get(),
            bytes: shared.bytes.get(),
            skipped: shared.skipped.get(),
            failed: shared.failed.get(),
            seconds: shared.started.elapsed().as_secs_f64(),
        };
        shared.output.row(&summary)?;
        self.outcome()
    }

    /// An error if anything failed.
    pub fn outcome(&self) -> Result<()> {
        self.shared.bar.finish_and_clear();
        if self.shared.failed.get() > 0 || self.shared.broken_pipe.get() {
            return Err(Told.into());
        }
        Ok(())
    }
}
