use std::{fmt::Write as _, time::Duration};

use larder::verify::{Mismatch, Report};
use serde_json::{Value, json};

pub(super) fn text(report: &Report) -> String {
    let Report { n_found, n_rows, n_cells, n_values, n_vacant, n_in_doubt, .. } = report;
    let mut text = format!(
        "{n_found} cells found, {n_rows} rows drawn; {n_cells} cells looked at, of which {n_values} held a value that was compared, \
         {n_vacant} none, {n_in_doubt} were being written\n"
    );
    for (n, what) in [
        (report.n_changed, "changed meanwhile"),
        (report.n_keyless, "say that there is no row, and for which key can't be told"),
        (report.n_late, "differed, and did no more after the grace"),
        (report.n_skipped, "were left out because the store failed"),
    ] {
        if n > 0 {
            line(&mut text, format_args!("{n} {what}"));
        }
    }
    if !report.is_complete {
        line(&mut text, format_args!("ended before all was looked at"));
    }
    line(&mut text, format_args!("mismatches: {} (seed {})", report.mismatches.len(), report.seed));
    for Mismatch { key, difference, at_most_age, expires_in, healed, .. } in &report.mismatches {
        let age =
            at_most_age.map_or_else(|| "at an unknown time".to_owned(), |age| format!("at most {} ago", short(age)));
        let left = expires_in.map_or_else(String::new, |left| format!(", {} to live", short(left)));
        let healed = if *healed { ", emptied" } else { "" };
        line(&mut text, format_args!("  {difference:<10}  {key}  stored {age}{left}{healed}"));
    }
    text
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string can't fail.
    let _ = writeln!(text, "{line}");
}

/// A time to the second.
fn short(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3_600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// One object. Times are in milliseconds, and the seed is a string: it has more digits than many readers of JSON keep.
pub(super) fn json(report: &Report) -> String {
    let mismatches: Vec<Value> = report.mismatches.iter().map(mismatch).collect();
    let object = json!({
        "is_complete": report.is_complete,
        "seed": report.seed.to_string(),
        "n_found": report.n_found,
        "n_rows": report.n_rows,
        "n_cells": report.n_cells,
        "n_values": report.n_values,
        "n_vacant": report.n_vacant,
        "n_in_doubt": report.n_in_doubt,
        "n_changed": report.n_changed,
        "n_keyless": report.n_keyless,
        "n_late": report.n_late,
        "n_skipped": report.n_skipped,
        "mismatches": mismatches,
    });
    format!("{object}\n")
}

fn mismatch(mismatch: &Mismatch) -> Value {
    let milliseconds = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    json!({
        "key": mismatch.key.to_string(),
        "model": mismatch.model,
        "pattern": mismatch.pattern,
        "difference": mismatch.difference.to_string(),
        "at_most_age_ms": milliseconds(mismatch.at_most_age),
        "expires_in_ms": milliseconds(mismatch.expires_in),
        "healed": mismatch.healed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        let times = [0, 59, 60, 3_599, 3_600, 90_061].map(|seconds| short(Duration::from_secs(seconds)));
        assert_eq!(times, ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "25 h 1 min"]);
    }

    #[test]
    fn a_report_of_nothing_is_short() {
        let mut report = Report::default();
        report.seed = u64::MAX;
        assert_eq!(
            text(&report),
            "0 cells found, 0 rows drawn; 0 cells looked at, of which 0 held a value that was compared, 0 none, 0 were being written\n\
             ended before all was looked at\nmismatches: 0 (seed 18446744073709551615)\n"
        );
        let object: Value = serde_json::from_str(&json(&report)).unwrap();
        assert_eq!((&object["seed"], &object["mismatches"]), (&json!("18446744073709551615"), &json!([])));
    }
}
