//! `partitions`

mod output;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use diesel::pg::Pg;
use larder::{
    Larder, Models,
    partitions::{Expired, Keeper},
};
use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    connect::{connect, database},
    options::{Builder, Common, Needs, UsageError, next, time},
    print,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    work: Work,
    lock_timeout: Option<Duration>,
    hold_at_most: Option<Duration>,
    expired: Option<Expired>,
    expire_at_most: Option<usize>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Work {
    Status,
    Plan,
    Run,
    Give { model: String, value: String },
}

pub(crate) fn parse(mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let work = match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(help(HELP)),
        Some(Arg::Value(work)) => work.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let work = match work.as_str() {
        "status" => Work::Status,
        "run" => Work::Run,
        "give" => {
            let Some(model) = positional(&mut parser)? else { return Ok(help(HELP)) };
            let Some(value) = positional(&mut parser)? else { return Ok(help(HELP)) };
            Work::Give { model, value }
        }
        _ => return Err(UsageError::PartitionWork(work)),
    };
    let mut options = Options { work, lock_timeout: None, hold_at_most: None, expired: None, expire_at_most: None };
    while let Some(name) = next(&mut parser)? {
        match (name.as_str(), &options.work) {
            ("help", _) => return Ok(help(HELP)),
            ("dry-run", Work::Run) => options.work = Work::Plan,
            ("archive", Work::Run | Work::Plan) => {
                options.expired = Some(Expired::Archive(PathBuf::from(parser.value()?)));
            }
            ("detach", Work::Run | Work::Plan) => options.expired = Some(Expired::Detach),
            ("expire-at-most", Work::Run | Work::Plan) => options.expire_at_most = Some(parser.value()?.parse()?),
            ("lock-timeout", _) => options.lock_timeout = Some(time("lock-timeout", &mut parser)?),
            ("hold-at-most", _) => options.hold_at_most = Some(time("hold-at-most", &mut parser)?),
            (name, _) if common.take(name, &mut parser)? => {}
            (name, _) => return Err(Arg::Long(name).unexpected().into()),
        }
    }
    // Rows that go are in cells, which have to be emptied.
    let needs = if options.work == Work::Run { Needs::Both } else { Needs::Database };
    Ok(Request::Run(common.build(needs)?, Command::Partitions(options)))
}

/// A word that is no option: `None` where help is asked for.
fn positional(parser: &mut Parser) -> Result<Option<String>, UsageError> {
    match parser.next()? {
        Some(Arg::Value(word)) => Ok(Some(word.string()?)),
        Some(Arg::Short('h') | Arg::Long("help")) => Ok(None),
        Some(other) => Err(other.unexpected().into()),
        None => Err(lexopt::Error::MissingValue { option: None }.into()),
    }
}

pub(crate) fn run(models: &Models<Pg>, common: &Common, options: &Options) -> Result<ExitCode, Complaint> {
    let larder = match options.work {
        Work::Run => connect(common)?.0,
        _ => Larder::builder(database(common)?).build(),
    };
    let mut keeper = Keeper::of(&larder, models);
    if let Some(time) = options.lock_timeout {
        keeper = keeper.lock_timeout(time);
    }
    if let Some(time) = options.hold_at_most {
        keeper = keeper.hold_at_most(time);
    }
    if let Some(expired) = &options.expired {
        keeper = keeper.expired(expired.clone());
    }
    if let Some(n) = options.expire_at_most {
        keeper = keeper.expire_at_most(n);
    }
    let report = match &options.work {
        Work::Status => {
            let status = keeper.status().map_err(|error| Complaint::of(&error))?;
            let text = if common.is_json { output::json_of_status(&status) } else { output::text_of_status(&status) };
            print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        Work::Plan => {
            let plans = keeper.plan().map_err(|error| Complaint::of(&error))?;
            let text = if common.is_json { output::json_of_plans(&plans) } else { output::text_of_plans(&plans) };
            print(&text)?;
            return Ok(ExitCode::SUCCESS);
        }
        Work::Run => keeper.run_once(),
        Work::Give { model, value } => keeper.give_partition(model, value).map_err(|error| Complaint::of(&error))?,
    };
    print(&if common.is_json { output::json_of_report(&report) } else { output::text_of_report(&report) })?;
    // A run leaves it to the keeper that is there, and a value that nobody gives a partition has none.
    let is_left = matches!(options.work, Work::Give { .. }) && !report.elsewhere.is_empty();
    Ok(if report.failures.is_empty() && !is_left { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const HELP: &str = "\
Looks after the partitions of models that say how their tables are cut.

Usage: partitions run [OPTIONS]
       partitions status
       partitions give NAME VALUE

  run                       makes partitions ahead, moves rows out of default partitions, and takes old partitions away; ends with 1 if some
                            of it could not be done: what it has begun is ended by the next run
  status                    tells of all partitions, their rows as of their last VACUUM or ANALYZE, and their size
  give                      gives one value of a table that is cut by values a partition of its own; ends with 1 if another keeper is at work
                            on the table. A value that begins with a dash stands after --

Options of run:
      --dry-run             tells what it would do, and does nothing
      --archive FOLDER      writes partitions to files there before they are dropped
      --detach              leaves them as tables of their own
      --expire-at-most N    how many partitions of numbers may go at once; if there are more, none does [default: 10]
      --lock-timeout TIME   how long it waits for a lock, and others behind it [default: 200ms]
      --hold-at-most TIME   how long it keeps others waiting [default: 2s]
";
