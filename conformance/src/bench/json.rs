//! The figures for machines: all samples, as JSON. Knows no server.

use super::measure::Sample;
use super::report::{Of, Row, cpu, wall};
use std::fmt::Write;

/// `notes`: what is said of the whole run, by name.
pub fn all(notes: &[(&str, String)], rows: &[Row]) -> String {
    let mut text = String::from("{\n");
    for (name, note) in notes {
        writeln!(text, "  {name:?}: {note:?},").expect("it takes all");
    }
    text.push_str("  \"rows\": [\n");
    for (at, row) in rows.iter().enumerate() {
        write!(
            text,
            "    {{\"history\": {:?}, \"commits\": {}, \"objects\": {}, \"pack\": {}, \
             \"operation\": {:?}, \"sides\": {{",
            row.history, row.commits, row.objects, row.pack, row.operation
        )
        .expect("it takes all");
        let sides: Vec<String> = row.sides.iter().map(side).collect();
        text.push_str(&sides.join(","));
        text.push_str(if at + 1 < rows.len() { "}},\n" } else { "}}\n" });
    }
    text + "  ]\n}\n"
}

fn side((kind, samples): &(crate::target::Kind, Vec<Sample>)) -> String {
    let list = |of: Of| {
        let numbers: Vec<String> =
            samples.iter().map(|sample| format!("{:.6}", of(sample))).collect();
        numbers.join(", ")
    };
    let name = format!("{kind:?}").to_lowercase();
    let mut text =
        format!("\n      {name:?}: {{\"wall\": [{}], \"cpu\": [{}]", list(wall), list(cpu));
    if let Some(cost) = samples.iter().rev().find_map(|sample| sample.cost) {
        for (name, value) in [
            ("memory", Some(cost.memory).filter(|memory| *memory > 0)),
            ("calls", cost.calls),
            ("rows_read", Some(cost.rows_read)),
            ("rows_written", Some(cost.rows_written)),
            ("bytes_sent", Some(cost.bytes_sent)),
            ("engine_us", Some(cost.engine.as_micros() as u64)),
        ] {
            if let Some(value) = value {
                write!(text, ", {name:?}: {value}").expect("it takes all");
            }
        }
    }
    text + "}"
}
