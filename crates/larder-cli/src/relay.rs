//! `relay` and `lag`

use std::{fmt::Write as _, process::ExitCode, thread, time::Duration};

use diesel::pg::Pg;
use larder::{
    Models,
    relay::{Figures, Lag, Relay},
};
use lexopt::Parser;
use serde_json::json;

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    connect::{connect, database},
    options::{Builder, Common, Needs, UsageError, next, number, time},
    print,
    progress::Progress,
    stop::Stop,
};

/// How soon a signal ends a relay.
const TICK: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Options {
    once: bool,
    max_rows: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LagOptions {
    at_most: Option<Duration>,
}

pub(crate) fn parse(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = Options::default();
    while let Some(name) = next(&mut parser)? {
        match name.as_str() {
            "help" => return Ok(help(HELP)),
            "once" => options.once = true,
            "max-rows" => options.max_rows = Some(number("max-rows", &mut parser)?),
            name if common.take(name, &mut parser)? => {}
            name => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Request::Run(common.build(Needs::Both)?, Command::Relay(options)))
}

pub(crate) fn parse_lag(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = LagOptions::default();
    while let Some(name) = next(&mut parser)? {
        match name.as_str() {
            "help" => return Ok(help(LAG_HELP)),
            "at-most" => options.at_most = Some(time("at-most", &mut parser)?),
            name if common.take(name, &mut parser)? => {}
            name => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(Request::Run(common.build(Needs::Database)?, Command::Lag(options)))
}

pub(crate) fn run(models: &Models<Pg>, common: &Common, options: &Options) -> Result<ExitCode, Complaint> {
    let stop = Stop::on_signals()?;
    let (larder, warnings) = connect(common)?;
    let mut progress = Progress::new(common.is_quiet);
    for warning in warnings {
        progress.note(&format!("warning: redis: {warning}"));
    }
    let mut relay = Relay::builder(&larder).models(models.clone());
    if let Some(n_rows) = options.max_rows {
        relay = relay.max_rows(n_rows);
    }
    if options.once {
        let n_rows = relay.build().and_then(|relay| relay.run_once()).map_err(|error| Complaint::of(&error))?;
        let text = if common.is_json {
            format!("{}\n", json!({ "n_rows": n_rows }))
        } else {
            format!("{n_rows} rows relayed\n")
        };
        print(&text)?;
        return Ok(ExitCode::SUCCESS);
    }
    let relay = relay.start().map_err(|error| Complaint::of(&error))?;
    progress.note("relaying until Ctrl-C");
    while !stop.is_asked() {
        progress.tell(|| state(&relay.figures()));
        thread::park_timeout(TICK);
    }
    let figures = relay.stop();
    progress.end();
    print(&if common.is_json { json_of(&figures) } else { format!("{}\n", state(&figures)) })?;
    Ok(ExitCode::SUCCESS)
}

fn state(figures: &Figures) -> String {
    let mut text = format!("{} rows relayed, {} cells settled", figures.n_rows, figures.n_cells);
    if let (Some(median), Some(longest)) = (figures.lag_at(0.5), figures.longest) {
        // Writing to a string can't fail.
        let _ = write!(text, "; lag {} ms in the middle, {} ms at most", median.as_millis(), longest.as_millis());
    }
    text.push_str(if figures.is_leader { "; leads" } else { "; another relay leads, or none is needed" });
    text
}

fn json_of(figures: &Figures) -> String {
    let milliseconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64() * 1e3);
    let value = json!({
        "n_rows": figures.n_rows,
        "n_cells": figures.n_cells,
        "lag_p50_ms": milliseconds(figures.lag_at(0.5)),
        "lag_p99_ms": milliseconds(figures.lag_at(0.99)),
        "lag_longest_ms": milliseconds(figures.longest),
    });
    format!("{value}\n")
}

pub(crate) fn lag(common: &Common, options: &LagOptions) -> Result<ExitCode, Complaint> {
    let larder = larder::Larder::builder(database(common)?).build();
    let Lag { n_rows, oldest } = Relay::lag(&larder).map_err(|error| Complaint::of(&error))?;
    let text = if common.is_json {
        format!("{}\n", json!({ "n_rows": n_rows, "oldest_ms": oldest.map(|time| time.as_secs_f64() * 1e3) }))
    } else {
        let oldest = oldest.map_or_else(String::new, |time| format!(", the oldest for {} ms", time.as_millis()));
        format!("{n_rows} rows wait{oldest}\n")
    };
    print(&text)?;
    let is_late = options.at_most.is_some_and(|at_most| oldest.is_some_and(|oldest| oldest > at_most));
    Ok(if is_late { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

const HELP: &str = "\
Settles what waits in the outbox, until Ctrl-C.

Usage: relay [OPTIONS]

One relay leads, by an advisory lock, and others wait for it to go. It needs neither server to be up all the time, and loses nothing
however it ends. Ends with what it has done.

Options:
      --once                settles what waits now, and ends
      --max-rows N          how many rows may wait; more become one a model [default: 100000]
";

const LAG_HELP: &str = "\
Tells how many rows wait in the outbox, and for how long. Counts them.

Usage: lag [OPTIONS]

Options:
      --at-most TIME        ends with 1 if the oldest has waited for longer: 500ms, 30s, 5m
";
