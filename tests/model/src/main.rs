//! Searches every case, or some, and prints a table: `cargo xtask model --help`.
#![allow(clippy::print_stdout, reason = "a program that talks to whoever runs it")]

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
    time::Instant,
};

use lexopt::prelude::*;
use model::{
    cases::{self, Case},
    run,
};

struct Arguments {
    filters: Vec<String>,
    traces: bool,
}

fn main() -> ExitCode {
    let arguments = match parse(lexopt::Parser::from_env()) {
        Ok(arguments) => arguments,
        Err(error) => {
            eprintln!("model: {error}");
            return ExitCode::from(2);
        }
    };
    let all = cases::all();
    if let Some(filter) = arguments.filters.iter().find(|filter| !all.iter().any(|case| case.name.contains(*filter))) {
        eprintln!("model: no case has {filter:?} in its name; they are");
        all.iter().for_each(|case| eprintln!("    {}", case.name));
        return ExitCode::from(2);
    }
    let is_wanted =
        |case: &Case| arguments.filters.is_empty() || arguments.filters.iter().any(|f| case.name.contains(f));
    let wanted: Vec<Case> = all.into_iter().filter(is_wanted).collect();
    if search(&wanted, arguments.traces) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut parser: lexopt::Parser) -> Result<Arguments, lexopt::Error> {
    let mut arguments = Arguments { filters: Vec::new(), traces: false };
    while let Some(argument) = parser.next()? {
        match argument {
            Long("trace") => arguments.traces = true,
            Value(filter) => arguments.filters.push(filter.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(arguments)
}

/// Prints a line for each case as soon as it is searched, and says whether all are as expected.
fn search(wanted: &[Case], traces: bool) -> bool {
    println!("{:<72} {:<24} {:>11} {:>8}", "case", "verdict", "states", "seconds");
    let (mut n_states, mut n_done, mut n_surprises) = (0, 0, 0);
    let start = Instant::now();
    let is_watched = io::stderr().is_terminal();
    run::each(
        wanted,
        |_| usize::MAX,
        |case, outcome| {
            let seconds = outcome.time.as_secs_f64();
            println!("{:<72} {:<24} {:>11} {seconds:>8.1}", case.name, outcome.verdict, outcome.n_states);
            if outcome.verdict != case.expected {
                println!("    SURPRISE: expected {}", case.expected);
                n_surprises += 1;
            }
            if traces || outcome.verdict != case.expected {
                for (finding, trace) in &outcome.traces {
                    println!("    a shortest way to {finding:?}:\n{trace}");
                }
            }
            n_states += outcome.n_states;
            n_done += 1;
            if is_watched {
                eprint!("{n_done} of {} cases\r", wanted.len());
            }
        },
    );
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{:<72} {:<24} {n_states:>11} {seconds:>8.1}",
        format!("{} cases", wanted.len()),
        format!("{n_surprises} surprises")
    );
    n_surprises == 0
}
