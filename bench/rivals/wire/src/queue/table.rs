//! What was measured over queues, as Markdown or as a line of JSON for each row, and the bars.

/// One shape over one kind of queue. Lists are in the order of the rivals.
pub struct Row {
    pub shape: String,
    pub transport: &'static str,
    /// Messages a second.
    pub rates: Vec<f64>,
    /// Ours over theirs, the median of what each repetition gave: above 1, we are ahead.
    pub ratios: Vec<f64>,
    /// Of a message with its header, on average.
    pub frame_bytes: Vec<f64>,
    /// Messages a second that the queue moves when nobody builds and reads them.
    pub raw_rate: f64,
    /// Ours over that.
    pub raw_ratio: f64,
}

impl Row {
    /// Ours over the fastest of the others.
    fn ratio_to_best(&self) -> Option<f64> {
        self.ratios[1..].iter().copied().min_by(f64::total_cmp)
    }

    /// In millions a second.
    fn bytes_rate(&self, rival: usize) -> f64 {
        self.rates[rival] * self.frame_bytes[rival] / 1e6
    }
}

pub fn print_json(names: &[&str], rows: &[Row]) {
    for row in rows {
        let rivals: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(rival, name)| {
                format!(
                    r#""{name}_per_s":{:.1},"{name}_ratio":{:.3},"{name}_mb_per_s":{:.1},"{name}_frame_bytes":{:.1}"#,
                    row.rates[rival],
                    row.ratios[rival],
                    row.bytes_rate(rival),
                    row.frame_bytes[rival],
                )
            })
            .collect();
        println!(
            r#"{{"shape":"{}","transport":"{}",{},"raw_per_s":{:.1},"raw_ratio":{:.3}}}"#,
            row.shape,
            row.transport,
            rivals.join(","),
            row.raw_rate,
            row.raw_ratio,
        );
    }
}

pub fn print_markdown(names: &[&str], rows: &[Row]) {
    println!("| shape | queue | {} | raw |", names.join(" | "));
    println!("|---|---|{}---:|", "---:|".repeat(names.len()));
    for row in rows {
        let cells: Vec<String> = (0..names.len()).map(|rival| cell(row, rival)).collect();
        println!(
            "| {} | {} | {} | {} ({:.2}) |",
            row.shape,
            row.transport,
            cells.join(" | "),
            rate(row.raw_rate),
            row.raw_ratio,
        );
    }
    if names.first() != Some(&"crake") || names.len() < 2 {
        return;
    }
    println!("\n| bar | met | where not |\n|---|---|---|");
    bar(
        "1.5 times the best of the others where a field has 1 KiB or more",
        rows,
        is_large,
        |row| row.ratio_to_best().map(|ratio| (ratio, 1.5)),
    );
    let prost = names.iter().position(|name| *name == "prost");
    bar("2 times prost there", rows, is_large, |row| {
        prost.map(|prost| (row.ratios[prost], 2.0))
    });
    bar(
        "ahead of all at the shapes of Google and Twitter",
        rows,
        is_small,
        |row| row.ratio_to_best().map(|ratio| (ratio, 1.0)),
    );
}

fn is_large(row: &Row) -> bool {
    row.shape.starts_with("CDN") || row.shape.contains("1 KiB")
}

fn is_small(row: &Row) -> bool {
    row.shape.starts_with("Google") || row.shape.starts_with("Twitter")
}

fn cell(row: &Row, rival: usize) -> String {
    match rival {
        0 => format!("{}, {} MB/s", rate(row.rates[0]), row.bytes_rate(0).round()),
        _ => format!("{} ({:.2})", rate(row.rates[rival]), row.ratios[rival]),
    }
}

fn rate(per_s: f64) -> String {
    match per_s {
        1e6.. => format!("{:.2} M/s", per_s / 1e6),
        1e5.. => format!("{:.0} k/s", per_s / 1e3),
        _ => format!("{:.1} k/s", per_s / 1e3),
    }
}

/// A line on one bar, with each row that it is about and that misses it.
fn bar(
    what: &str,
    rows: &[Row],
    is_about: impl Fn(&Row) -> bool,
    ratio: impl Fn(&Row) -> Option<(f64, f64)>,
) {
    let looked_at: Vec<_> = rows
        .iter()
        .filter(|row| is_about(row))
        .filter_map(|row| Some((row, ratio(row)?)))
        .collect();
    if looked_at.is_empty() {
        return;
    }
    let missed: Vec<String> = looked_at
        .iter()
        .filter(|(_, (ratio, wanted))| ratio < wanted)
        .map(|(row, (ratio, _))| {
            let Row {
                shape,
                transport,
                raw_ratio,
                ..
            } = row;
            format!("{shape} over {transport} ({ratio:.2}, and {raw_ratio:.2} of raw)")
        })
        .collect();
    let answer = if missed.is_empty() { "yes" } else { "**no**" };
    println!("| {what} | {answer} | {} |", missed.join("; "));
}
