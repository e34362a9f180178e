use std::time::Duration;

use lexopt::prelude::*;
use storm::{
    scenario::{self, Scenario},
    worker::Work,
};

/// What the program is asked to do.
#[derive(Debug)]
pub(crate) enum Errand {
    Help,
    List,
    Run(Options),
    Work(Work),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) scenarios: Vec<&'static Scenario>,
    pub(crate) time: Option<Duration>,
    pub(crate) n_operations: Option<u64>,
    pub(crate) n_workers: usize,
    pub(crate) seed: u64,
}

pub(crate) fn parse(mut parser: lexopt::Parser) -> Result<Errand, lexopt::Error> {
    let mut options =
        Options { scenarios: Vec::new(), time: None, n_operations: None, n_workers: 4, seed: fastrand::u64(..1 << 32) };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Errand::Help),
            Long("list") => return Ok(Errand::List),
            Long("minutes") => {
                let minutes: f64 = parser.value()?.parse()?;
                options.time = Some(Duration::try_from_secs_f64(minutes * 60.0).map_err(|error| error.to_string())?);
            }
            Long("operations") => options.n_operations = Some(parser.value()?.parse()?),
            Long("workers") => {
                options.n_workers = parser.value()?.parse_with(|text| match text.parse() {
                    Ok(n @ 1..=64) => Ok(n),
                    _ => Err("from 1 to 64"),
                })?
            }
            Long("seed") => options.seed = parser.value()?.parse()?,
            Value(name) if name == Work::WORD && options.scenarios.is_empty() => {
                let arguments = parser.raw_args()?.map(|argument| argument.string()).collect::<Result<_, _>>()?;
                return Ok(Errand::Work(Work::from_arguments(arguments).ok_or("these are no orders for a worker")?));
            }
            Value(name) => {
                let name = name.string()?;
                let found = scenario::named(&name);
                options.scenarios.push(found.ok_or_else(|| format!("there is no scenario {name:?}: see --list"))?);
            }
            other => return Err(other.unexpected()),
        }
    }
    if options.scenarios.is_empty() {
        options.scenarios.extend(scenario::ALL);
    }
    Ok(Errand::Run(options))
}

pub(crate) const HELP: &str = "\
Several processes read and write through larder while everything under them is broken on purpose; an oracle judges what they saw.

    cargo xtask storm [SCENARIO]... [--minutes N] [--operations N] [--workers N] [--seed S]
    cargo xtask storm --list

SCENARIO       which ones, by name; all where none is named
--minutes N    how long in all, shared evenly among the scenarios; 10 seconds each where neither this nor --operations is given
--operations N how many operations in all, at least, shared evenly; with --minutes, both are reached
--workers N    how many processes read and write, with two threads each (default: 4)
--seed S       what load and faults are drawn from; processes run at their own pace, so the same seed is not the same history
--list         says what each scenario breaks

Servers are private and go with the run. Each scenario prints a line, and fails when it is out of its bound; then the history of what
the workers did is kept, and the line says where.
";
