//! What was measured, as Markdown or as a line of JSON for each row, and the bars.

pub const BUILD: &str = "build";
pub const READ: &str = "read all";
pub const BOTH: &str = "both";
pub const FIRST: &str = "first field";

/// Nanoseconds a message, in the order of the rivals.
pub struct Row {
    pub shape: String,
    pub operation: &'static str,
    pub ns: Vec<f64>,
}

impl Row {
    /// Theirs over ours: above 1, we are ahead.
    fn ratio(&self, rival: usize) -> f64 {
        self.ns[rival] / self.ns[0]
    }
}

pub fn print_json(names: &[&str], rows: &[Row]) {
    for row in rows {
        let ns: Vec<String> = names
            .iter()
            .zip(&row.ns)
            .map(|(name, ns)| format!(r#""{name}_ns":{ns:.1}"#))
            .collect();
        println!(
            r#"{{"shape":"{}","operation":"{}",{}}}"#,
            row.shape,
            row.operation,
            ns.join(",")
        );
    }
}

pub fn print_markdown(names: &[&str], rows: &[Row]) {
    println!("| shape | | {} |", names.join(" | "));
    println!("|---|---|{}", "---:|".repeat(names.len()));
    for row in rows {
        let cells: Vec<String> = (0..names.len()).map(|rival| cell(row, rival)).collect();
        println!("| {} | {} | {} |", row.shape, row.operation, cells.join(" | "));
    }
    println!("\n| bar | met | where not |\n|---|---|---|");
    for rival in ["prost", "flatbuffers", "capnp"] {
        bar(
            &format!("ahead of {rival} on every shape"),
            names,
            rows,
            BOTH,
            |row, names| Some(row.ratio(position(names, rival)?) > 1.0),
        );
    }
    bar(
        "within 1.2 times rkyv, checked",
        names,
        rows,
        BOTH,
        |row, names| Some(row.ratio(position(names, "rkyv")?) * 1.2 >= 1.0),
    );
    bar("first field below 20 ns", names, rows, FIRST, |row, _| {
        Some(row.ns[0] < 20.0)
    });
}

fn cell(row: &Row, rival: usize) -> String {
    let ns = row.ns[rival];
    let time = if ns < 100.0 {
        format!("{ns:.1} ns")
    } else {
        format!("{ns:.0} ns")
    };
    if rival == 0 {
        time
    } else {
        format!("{time} ({:.2})", row.ratio(rival))
    }
}

fn position(names: &[&str], rival: &str) -> Option<usize> {
    names.iter().position(|name| *name == rival)
}

/// A line on one bar, which each row of an operation meets or does not; nothing of one that cannot be told here.
fn bar(
    what: &str,
    names: &[&str],
    rows: &[Row],
    operation: &str,
    met: impl Fn(&Row, &[&str]) -> Option<bool>,
) {
    let mut looked_at = rows.iter().filter(|row| row.operation == operation).peekable();
    if names.first() != Some(&"crake") || looked_at.peek().is_none() {
        return;
    }
    let mut missed = Vec::new();
    for row in looked_at {
        match met(row, names) {
            Some(true) => {}
            Some(false) => missed.push(row.shape.as_str()),
            None => return println!("| {what} | not measured: it is not here | |"),
        }
    }
    let answer = if missed.is_empty() { "yes" } else { "**no**" };
    println!("| {what} | {answer} | {} |", missed.join("; "));
}
