//! `verify`

mod output;

use std::{ops::ControlFlow, process::ExitCode, time::Duration};

use diesel::pg::Pg;
use larder::{Models, verify::Report};
use lexopt::Parser;

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    connect::connect,
    options::{Builder, Common, Needs, UsageError, next, number, time},
    print,
    progress::Progress,
    stop::{STOPPED, Stop},
};

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    sample: Option<usize>,
    rate: Option<u32>,
    at_most: Option<Duration>,
    grace: Option<Duration>,
    seed: Option<u64>,
    heal: bool,
}

pub(crate) fn parse(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = Options::default();
    while let Some(name) = next(&mut parser)? {
        match name.as_str() {
            "help" => return Ok(help(HELP)),
            "sample" => options.sample = Some(number("sample", &mut parser)?),
            "rate" => options.rate = Some(number("rate", &mut parser)?),
            "at-most" => options.at_most = Some(time("at-most", &mut parser)?),
            "grace" => options.grace = Some(time("grace", &mut parser)?),
            "seed" => options.seed = Some(number("seed", &mut parser)?),
            "heal" => options.heal = true,
            name if common.take(name, &mut parser)? => {}
            name => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Request::Run(common.build(Needs::Both)?, Command::Verify(options)))
}

pub(crate) fn run(models: &Models<Pg>, common: &Common, options: &Options) -> Result<ExitCode, Complaint> {
    let stop = Stop::on_signals()?;
    let (larder, warnings) = connect(common)?;
    let mut progress = Progress::new(common.is_quiet);
    for warning in warnings {
        progress.note(&format!("warning: redis: {warning}"));
    }
    let mut verify = larder.verify(models).heal(options.heal);
    if let Some(n) = options.sample {
        verify = verify.sample(n);
    }
    if let Some(cells_per_second) = options.rate {
        verify = verify.rate(cells_per_second);
    }
    if let Some(time) = options.at_most {
        verify = verify.at_most(time);
    }
    if let Some(time) = options.grace {
        verify = verify.grace(time);
    }
    if let Some(seed) = options.seed {
        verify = verify.seed(seed);
    }
    let report = verify.progress(|report| watch(&mut progress, &stop, report)).run();
    progress.end();
    let report = report.map_err(|error| Complaint::of(&error))?;
    if report.n_found == 0 && report.is_complete {
        progress.note("note: no cell of these models was found: is the namespace that of the application?");
    }
    print(&if common.is_json { output::json(&report) } else { output::text(&report) })?;
    Ok(if !report.mismatches.is_empty() {
        ExitCode::FAILURE
    } else if stop.is_asked() {
        ExitCode::from(STOPPED)
    } else {
        ExitCode::SUCCESS
    })
}

fn watch(progress: &mut Progress, stop: &Stop, report: &Report) -> ControlFlow<()> {
    progress.tell(|| {
        let (n_found, n_cells, n_wrong) = (report.n_found, report.n_cells, report.mismatches.len());
        format!("{n_found} cells found, {n_cells} looked at, {n_wrong} wrong")
    });
    if stop.is_asked() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
}

const HELP: &str = "\
Compares what Redis serves with what PostgreSQL has.

Usage: verify [OPTIONS]

Looks at cells that are found in Redis, and at those of rows that are drawn from the tables. A write in flight is no mismatch: only what
was certainly served while the database said something else is told. It walks over all keys of the Redis server, and sends a statement
for each 512 cells (64 lists).

Options:
      --sample N            how many cells, and how many rows, of each model [default: 1000]
      --rate N              how many cells a second at most [default: as many as can be]
      --at-most TIME        how long it may take: 30s, 5m, 1h [default: as long as it takes]
      --grace TIME          how old a difference must be to count; where others write and a relay tells of it [default: 0s]
      --seed N              draws what a run with that seed has drawn
      --heal                empties the cells that are wrong
";
