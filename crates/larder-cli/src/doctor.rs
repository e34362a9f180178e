//! `doctor`

mod folders;
mod output;

use std::{path::PathBuf, process::ExitCode};

use diesel::Connection as _;
use larder::{
    Models,
    doctor::{Doctor, Examined, Severity},
};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    options::{Builder, Common, Needs, UsageError, next, number},
    print,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    at_least: Severity,
    folder: Option<PathBuf>,
    few_rows: Option<u64>,
    reads: Option<u64>,
}

pub(crate) fn parse(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = Options { at_least: Severity::Advice, folder: None, few_rows: None, reads: None };
    while let Some(name) = next(&mut parser)? {
        match name.as_str() {
            "help" => return Ok(help(HELP)),
            "at-least" => options.at_least = severity(&mut parser)?,
            "write-migration" => options.folder = Some(parser.value()?.into()),
            "few-rows" => options.few_rows = Some(number("few-rows", &mut parser)?),
            "reads" => options.reads = Some(number("reads", &mut parser)?),
            name if common.take(name, &mut parser)? => {}
            name => return Err(Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Request::Run(common.build(Needs::Database)?, Command::Doctor(options)))
}

fn severity(parser: &mut Parser) -> Result<Severity, UsageError> {
    let given = parser.value()?.string()?;
    match given.as_str() {
        "advice" => Ok(Severity::Advice),
        "warning" => Ok(Severity::Warning),
        "error" => Ok(Severity::Error),
        _ => Err(UsageError::Value { option: "at-least", takes: "advice, warning or error", given }),
    }
}

pub(crate) fn run<DB: Examined>(
    models: &Models<DB>,
    common: &Common,
    options: &Options,
) -> Result<ExitCode, Complaint> {
    let mut connection = DB::Connection::establish(&common.database_url).map_err(|error| Complaint::of(&error))?;
    let mut doctor = Doctor::new(models);
    if let Some(n) = options.few_rows {
        doctor = doctor.few_rows(n);
    }
    if let Some(n) = options.reads {
        doctor = doctor.reads(n);
    }
    let report = doctor.examine(&mut connection).map_err(|error| Complaint::of(&error))?.at_least(options.at_least);
    let written = match &options.folder {
        Some(folder) => folders::write(folder, &report.migrations()).map_err(|error| Complaint::at(folder, &error))?,
        None => Vec::new(),
    };
    print(&if common.is_json { output::json(&report) } else { output::text(&report, &written) })?;
    Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const HELP: &str = "\
Looks whether the database has what the models declare, and an index for each way in which their rows are found.

Usage: doctor [OPTIONS]

Ends with 1 if anything is found. It reads the catalogue and asks for plans; it reads no rows and changes nothing.

Options:
      --at-least LEVEL      leaves out what is less: advice, warning or error [default: advice]
      --write-migration DIR writes what mends it into folders of DIR, as the diesel CLI runs them
      --few-rows N          how many rows of a key may be read to find or to sort some of them [default: 1000]
      --reads N             how often a table must have been read before its indexes count as unused [default: 1000]
";
