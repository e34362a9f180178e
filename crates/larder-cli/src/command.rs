//! The command line.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt as _};

use crate::{
    doctor,
    migration::{self, Subject},
    options::{Builder, Common, UsageError},
    partitions, relay, upkeep, verify,
};

/// What the user wants.
#[derive(Debug, PartialEq)]
pub(crate) enum Request {
    /// To read this.
    Help(String),
    /// To have a migration.
    Migration(migration::Options),
    Run(Common, Command),
}

/// What to do.
#[derive(Debug, PartialEq)]
pub(crate) enum Command {
    Verify(verify::Options),
    Relay(relay::Options),
    Lag(relay::LagOptions),
    CheckTriggers(migration::TriggerOptions),
    Upkeep(upkeep::Options),
    Doctor(doctor::Options),
    Partitions(partitions::Options),
}

/// Reads a command line, without the program's name. What it leaves open is taken from `variable`, the environment.
pub(crate) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Request, UsageError> {
    let mut parser = Parser::from_args(arguments);
    let name = match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(help(HELP)),
        Some(Arg::Value(name)) => name.string()?,
        Some(other) => return Err(other.unexpected().into()),
    };
    let common = Builder::of(variable);
    match name.as_str() {
        "help" => Ok(help(HELP)),
        "verify" => verify::parse(parser, common),
        "relay" => relay::parse(parser, common),
        "lag" => relay::parse_lag(parser, common),
        "upkeep" => upkeep::parse(parser, common),
        "doctor" => doctor::parse(parser, common),
        "partitions" => partitions::parse(parser, common),
        "migration" => migration::parse_kind(parser, common),
        "outbox" => migration::parse(Subject::Outbox, parser, common),
        "triggers" => migration::parse(Subject::Triggers, parser, common),
        _ => Err(UsageError::Command(name)),
    }
}

/// What `--help` prints.
pub(crate) fn help(text: &str) -> Request {
    Request::Help(format!("{text}{COMMON}"))
}

const HELP: &str = "\
Looks after the caches of larder, for the models that this program was made with.

Commands:
  verify                    compares what Redis serves with what PostgreSQL has
  upkeep                    compares columns that are maintained with what they should be, or computes them anew
  doctor                    looks whether the database has the columns and indexes that the models need
  relay                     settles what waits in the outbox, until Ctrl-C
  lag                       tells how many rows wait there, and for how long
  partitions                makes partitions ahead of the rows, takes old ones away, and tells of them
  migration                 prints a migration for what a feature needs; --help tells of which
  outbox                    the same as `migration outbox`
  triggers                  the same as `migration triggers`; checks them, too

COMMAND --help tells more of each.
";

const COMMON: &str = "
Options of every command:
      --database-url URL    PostgreSQL [default: $DATABASE_URL]
      --redis-url URL       Redis [default: $REDIS_URL]
      --namespace TEXT      what every key of the application's cells begins with [default: larder:]
      --json                the result as one JSON object
      --quiet               nothing on standard error but errors
  -h, --help                this text

Ends with 0 if all is well, 1 if something is wrong that was looked for, 2 if the command line makes no sense or something failed,
and 130 if it was stopped by Ctrl-C before anything wrong was found.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        let variable = |name: &str| (name == "DATABASE_URL").then(|| "postgres://env".to_owned());
        parse(line.split_whitespace().map(OsString::from), variable).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_asked_is_a_question_for_help() {
        for line in ["", "-h", "--help", "help"] {
            assert!(matches!(parsed(line), Ok(Request::Help(text)) if text.contains("Commands:")), "{line}");
        }
        assert!(matches!(parsed("verify --sample 7 -h"), Ok(Request::Help(text)) if text.contains("--sample")));
    }

    #[test]
    fn options_go_before_the_environment() {
        let common = Common {
            database_url: "postgres://env".into(),
            redis_url: "redis://r".into(),
            namespace: None,
            is_json: false,
            is_quiet: false,
        };
        assert_eq!(
            parsed("verify --redis-url redis://r"),
            Ok(Request::Run(common.clone(), Command::Verify(verify::Options::default())))
        );
        let common = Common {
            database_url: "postgres://d".into(),
            namespace: Some("shop:".into()),
            is_json: true,
            is_quiet: true,
            ..common
        };
        let line = "verify --json --quiet --database-url=postgres://d --redis-url redis://r --namespace shop:";
        assert_eq!(parsed(line), Ok(Request::Run(common, Command::Verify(verify::Options::default()))));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_told_why() {
        for (line, why) in [
            ("verfy", "there is no command \"verfy\": --help tells which there are"),
            ("--json verify", "invalid option '--json'"),
            ("verify", "the cache is not named: give --redis-url, or set REDIS_URL"),
            ("verify --redis-url", "missing argument for option '--redis-url'"),
            ("verify users", "unexpected argument \"users\""),
            ("verify --sample many", "--sample takes a whole number, not \"many\""),
            ("verify --grace 5", "--grace takes a time such as 500ms, 30s, 5m or 1h, not \"5\""),
            ("verify --fix", "invalid option '--fix'"),
            ("migration vue", "there is no kind of migration \"vue\": migration --help tells which there are"),
            ("migration outbox users", "unexpected argument \"users\""),
            ("outbox --check", "invalid option '--check'"),
            ("partitions walk", "partitions can't \"walk\": partitions --help tells what it can"),
            ("partitions run", "the cache is not named: give --redis-url, or set REDIS_URL"),
            ("partitions status --archive /tmp", "invalid option '--archive'"),
            ("relay --max-rows all", "--max-rows takes a whole number, not \"all\""),
            ("relay", "the cache is not named: give --redis-url, or set REDIS_URL"),
        ] {
            assert_eq!(parsed(line), Err(why.to_owned()), "{line}");
        }
        let nowhere = parse(["verify".into()], |_| None).unwrap_err().to_string();
        assert_eq!(nowhere, "the database is not named: give --database-url, or set DATABASE_URL");
    }
}
