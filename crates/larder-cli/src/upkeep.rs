//! `upkeep`

use std::{fmt::Write as _, ops::ControlFlow, process::ExitCode};

use diesel::pg::Pg;
use larder::{
    Models,
    upkeep::{Difference, Progress as Far},
};
use lexopt::Parser;
use serde_json::{Value, json};

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    connect::connect,
    options::{Builder, Common, Needs, UsageError, next, number},
    print,
    progress::Progress,
    stop::{STOPPED, Stop},
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    at_most: Option<usize>,
    batch: Option<usize>,
    rebuild: bool,
}

pub(crate) fn parse(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = Options::default();
    while let Some(name) = next(&mut parser)? {
        match name.as_str() {
            "help" => return Ok(help(HELP)),
            "at-most" => options.at_most = Some(number("at-most", &mut parser)?),
            "batch" => options.batch = Some(number("batch", &mut parser)?),
            "rebuild" => options.rebuild = true,
            name if common.take(name, &mut parser)? => {}
            name => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Request::Run(common.build(Needs::Both)?, Command::Upkeep(options)))
}

pub(crate) fn run(models: &Models<Pg>, common: &Common, options: &Options) -> Result<ExitCode, Complaint> {
    let stop = Stop::on_signals()?;
    let (larder, _) = connect(common)?;
    let mut upkeep = larder.upkeep(models);
    if let Some(n) = options.at_most {
        upkeep = upkeep.at_most(n);
    }
    if let Some(n_rows) = options.batch {
        upkeep = upkeep.batch(n_rows);
    }
    if !options.rebuild {
        let differences = upkeep.check().map_err(|error| Complaint::of(&error))?;
        print(&if common.is_json { differences_as_json(&differences) } else { differences_as_text(&differences) })?;
        return Ok(if differences.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let mut progress = Progress::new(common.is_quiet);
    let done = upkeep.rebuild(|far| {
        progress.tell(|| format!("{} rows of {} computed, {} were wrong", far.n_rows, far.table, far.n_wrong));
        if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    progress.end();
    let Far { n_rows, n_wrong, is_complete, .. } = done.map_err(|error| Complaint::of(&error))?;
    print(&if common.is_json {
        format!("{}\n", json!({ "n_rows": n_rows, "n_wrong": n_wrong, "is_complete": is_complete }))
    } else {
        format!(
            "{n_rows} rows computed, {n_wrong} were wrong{}\n",
            if is_complete { "" } else { "; ended before all were" }
        )
    })?;
    Ok(if is_complete { ExitCode::SUCCESS } else { ExitCode::from(STOPPED) })
}

fn differences_as_text(differences: &[Difference]) -> String {
    if differences.is_empty() {
        return "every maintained column is right\n".to_owned();
    }
    differences.iter().fold(String::new(), |mut text, Difference { table, of, key, is, should_be, .. }| {
        let (is, should_be) = (told(is.as_deref()), told(should_be.as_deref()));
        // Writing to a string can't fail.
        let _ = writeln!(text, "{table} {key}, maintained by {of}: {is}, and should be {should_be}");
        text
    })
}

fn told(columns: Option<&str>) -> &str {
    columns.unwrap_or("no row")
}

fn differences_as_json(differences: &[Difference]) -> String {
    let parsed = |text: &String| serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::from(text.as_str()));
    let differences: Vec<_> = differences
        .iter()
        .map(|Difference { table, of, key, is, should_be, .. }| {
            let (is, should_be) = (is.as_ref().map(parsed), should_be.as_ref().map(parsed));
            json!({ "table": table, "of": of, "key": parsed(key), "is": is, "should_be": should_be })
        })
        .collect();
    format!("{}\n", json!({ "differences": differences }))
}

const HELP: &str = "\
Compares columns that models maintain in others with what they should be, or computes them anew.

Usage: upkeep [OPTIONS]

Ends with 1 if any is wrong. A write in flight is no difference: each relation is looked at in one statement, which reads its tables whole.

Options:
      --rebuild             computes all anew, some rows in a transaction each, while others go on writing
      --batch N             how many rows those are [default: 500]
      --at-most N           how many differences are told of each relation [default: 1000]
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_as_text_and_as_json() {
        let mut wrong = Difference::default();
        (wrong.table, wrong.of, wrong.key) = ("accounts", "purchases", "[7]".to_owned());
        wrong.should_be = Some("{\"n\": 1}".to_owned());
        let differences = [wrong];
        let told = "accounts [7], maintained by purchases: no row, and should be {\"n\": 1}\n";
        assert_eq!(differences_as_text(&differences), told);
        let object: Value = serde_json::from_str(&differences_as_json(&differences)).unwrap();
        let expected =
            json!({ "table": "accounts", "of": "purchases", "key": [7], "is": null, "should_be": { "n": 1 } });
        assert_eq!(object["differences"], json!([expected]));
    }
}
