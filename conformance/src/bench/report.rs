//! The figures for people and for machines: a table in Markdown, and JSON. Knows no server.

use super::measure::Sample;
use crate::target::Kind;
use std::fmt::Write;

/// An operation on a history: its samples by round, for each side.
pub struct Row {
    pub shape: String,
    pub objects: usize,
    pub operation: &'static str,
    pub sides: Vec<(Kind, Vec<Sample>)>,
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

impl Row {
    pub fn median_of(&self, side: usize, of: fn(&Sample) -> f64) -> f64 {
        self.sides.get(side).map_or(0.0, |(_, samples)| median(samples.iter().map(of).collect()))
    }

    /// The median of what a side took divided by what git took in the same round.
    fn ratio(&self, side: usize) -> Option<f64> {
        let (git, own) = (&self.sides.first()?.1, &self.sides.get(side)?.1);
        Some(median(git.iter().zip(own).map(|(git, own)| own.wall / git.wall).collect()))
    }

    /// A side's CPU time of all rounds divided by git's: one round is too short for the system's
    /// clock of hundredths of a second. Nothing if git's is too short even so.
    fn cpu_ratio(&self, side: usize) -> Option<f64> {
        let sum =
            |side: usize| -> Option<f64> { Some(self.sides.get(side)?.1.iter().map(cpu).sum()) };
        let (git, own) = (sum(0)?, sum(side)?);
        (git > 0.0).then(|| own / git)
    }

    fn mean_cpu(&self, side: usize) -> f64 {
        let samples =
            self.sides.get(side).map(|(_, samples)| samples.as_slice()).unwrap_or_default();
        samples.iter().map(cpu).sum::<f64>() / samples.len().max(1) as f64
    }

    fn line(&self) -> String {
        let mut line = format!("| {} | {} |", self.shape, self.operation);
        let bold =
            |ratio: Option<f64>| ratio.map_or(String::new(), |ratio| format!(" **{ratio:.2}**"));
        for side in 0..self.sides.len() {
            let ratio = (side > 0).then(|| self.ratio(side)).flatten();
            let time = milliseconds(self.median_of(side, wall));
            write!(line, " {time}{} |", bold(ratio)).expect("it takes all");
        }
        for side in 0..self.sides.len() {
            let ratio = (side > 0).then(|| self.cpu_ratio(side)).flatten();
            let time = milliseconds(self.mean_cpu(side));
            write!(line, " {time}{} |", bold(ratio)).expect("it takes all");
        }
        let native = self.sides.iter().find(|(kind, _)| *kind == Kind::Native);
        let last = native.and_then(|(_, samples)| samples.last()?.cost).unwrap_or_default();
        let memory = last.memory as f64 / f64::from(1 << 20);
        write!(
            line,
            " {} | {memory:.1} | {} | {} | {} | {} |",
            milliseconds(last.engine.as_secs_f64()),
            last.calls,
            last.rows_read,
            last.rows_written,
            last.bytes_sent
        )
        .expect("it takes all");
        line
    }
}

fn wall(sample: &Sample) -> f64 {
    sample.wall
}

fn cpu(sample: &Sample) -> f64 {
    sample.cpu
}

fn milliseconds(seconds: f64) -> String {
    let time = seconds * 1000.0;
    if time < 10.0 { format!("{time:.1}") } else { format!("{time:.0}") }
}

/// A table in Markdown. Times are in milliseconds; ratios, in bold, are to git.
pub fn table(rows: &[Row]) -> String {
    let mut text = String::from("| history | operation |");
    let kinds: Vec<Kind> =
        rows.first().map_or(vec![], |row| row.sides.iter().map(|(kind, _)| *kind).collect());
    for what in ["wall", "CPU"] {
        for kind in &kinds {
            let name = format!("{kind:?}").to_lowercase();
            write!(text, " {what}, {name} |").expect("it takes all");
        }
    }
    text.push_str(
        " of it the engine | memory, MiB | host calls | rows read | written | bytes sent |\n",
    );
    text.push_str("|---|---|");
    text.push_str(&"---:|".repeat(2 * kinds.len() + 6));
    text.push('\n');
    for row in rows {
        writeln!(text, "{}", row.line()).expect("it takes all");
    }
    text
}

/// All samples, for machines.
pub fn json(rows: &[Row]) -> String {
    let mut text = String::from("[\n");
    for (at, row) in rows.iter().enumerate() {
        write!(
            text,
            "  {{\"history\": \"{}\", \"objects\": {}, \"operation\": \"{}\", \"sides\": {{",
            row.shape, row.objects, row.operation
        )
        .expect("it takes all");
        for (at, (kind, samples)) in row.sides.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            let name = format!("{kind:?}").to_lowercase();
            write!(text, "{comma}\n    \"{name}\": {}", side(samples)).expect("it takes all");
        }
        text.push_str(if at + 1 < rows.len() { "}},\n" } else { "}}\n" });
    }
    text + "]\n"
}

fn side(samples: &[Sample]) -> String {
    let list = |of: fn(&Sample) -> f64| {
        let numbers: Vec<String> =
            samples.iter().map(|sample| format!("{:.5}", of(sample))).collect();
        numbers.join(", ")
    };
    let mut text = format!("{{\"wall\": [{}], \"cpu\": [{}]", list(wall), list(cpu));
    if let Some(cost) = samples.last().and_then(|sample| sample.cost) {
        write!(
            text,
            ", \"memory\": {}, \"calls\": {}, \"rows_read\": {}, \"rows_written\": {}, \
             \"bytes_sent\": {}",
            cost.memory, cost.calls, cost.rows_read, cost.rows_written, cost.bytes_sent
        )
        .expect("it takes all");
    }
    text + "}"
}
