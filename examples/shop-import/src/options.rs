//! The command line.

use std::{ffi::OsString, path::PathBuf};

use lexopt::{Arg, ValueExt as _};

/// What `--help` prints.
pub const HELP: &str = "\
Imports the CDNOW purchase history into the shop's database, and checks that nothing was lost: by SQL, and by reading
every user with its orders and their lines through the cache, cold and warm.

Usage: shop-import [OPTIONS] FILE

FILE has the columns customer_id, date, quantity and amount, as examples/shop-import/data/cdnow.csv does. It goes in by
batches of whole customers, each in one transaction: all of a batch or nothing. An import that ended early goes on where
it was when it is started again, and nothing is imported twice. The database is migrated first.

Options:
      --batch N             lines of a batch, at least [default: 1000]
      --import-only         compare nothing with the file
      --verify-only         import nothing, only compare the database with the file
      --database-url URL    PostgreSQL [default: $DATABASE_URL]
      --redis-url URL       the cache [default: $REDIS_URL, or a store of this process]
  -h, --help                this text

Ctrl-C stops after the batch at hand; a second one at once.

Ends with 0 if the database and the cache have exactly what the file has, 1 if it has not, 2 if the command line is wrong, and 130 if it
was stopped.
";

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// To read [`HELP`].
    Help,
    /// To import or to verify.
    Run(Options),
}

/// What of its work is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// To import and to verify.
    All,
    /// To import.
    Import,
    /// To verify.
    Verify,
}

/// What to import from where to where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The history.
    pub file: PathBuf,
    /// How many lines a batch has at least.
    pub n_batch_lines: usize,
    /// What is to be done.
    pub work: Work,
    /// The database.
    pub database_url: String,
    /// The shared store of the cache, if there is one.
    pub redis_url: Option<String>,
}

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum UsageError {
    /// An unknown option, or a value that is missing or no text.
    #[error(transparent)]
    Option(#[from] lexopt::Error),
    /// A batch of no lines, or of something other than lines.
    #[error("--batch takes a whole number from 1 up, not {0:?}")]
    Batch(String),
    /// No file.
    #[error("the file to import is not named: --help says how")]
    NoFile,
    /// No database.
    #[error("the database is not named: give --database-url, or set DATABASE_URL")]
    NoDatabase,
}

/// Reads a command line, without the program's name. What it leaves open is taken from `variable`, the environment.
///
/// # Errors
/// It makes no sense, or leaves something open that the environment does not say.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Request, UsageError> {
    let mut file = None;
    let mut n_batch_lines = 1_000;
    let mut work = Work::All;
    let mut database_url = variable("DATABASE_URL");
    let mut redis_url = variable("REDIS_URL");
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Long("batch") => {
                let value = parser.value()?.string()?;
                n_batch_lines = value.parse().ok().filter(|n| *n > 0).ok_or(UsageError::Batch(value))?;
            }
            Arg::Long("import-only") if work != Work::Verify => work = Work::Import,
            Arg::Long("verify-only") if work != Work::Import => work = Work::Verify,
            Arg::Long("database-url") => database_url = Some(parser.value()?.string()?),
            Arg::Long("redis-url") => redis_url = Some(parser.value()?.string()?),
            Arg::Value(value) if file.is_none() => file = Some(value.into()),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Request::Run(Options {
        file: file.ok_or(UsageError::NoFile)?,
        n_batch_lines,
        work,
        database_url: database_url.ok_or(UsageError::NoDatabase)?,
        redis_url,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        let variable = |name: &str| (name == "DATABASE_URL").then(|| "postgres://env".to_owned());
        parse(line.split_whitespace().map(OsString::from), variable).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_is_all_it_takes() {
        let options = Options {
            file: "cdnow.csv".into(),
            n_batch_lines: 1_000,
            work: Work::All,
            database_url: "postgres://env".into(),
            redis_url: None,
        };
        assert_eq!(parsed("cdnow.csv"), Ok(Request::Run(options)));
    }

    #[test]
    fn options_go_before_the_environment() {
        let options = Options {
            file: "cdnow.csv".into(),
            n_batch_lines: 7,
            work: Work::Verify,
            database_url: "postgres://option".into(),
            redis_url: Some("redis://option".into()),
        };
        let line = "--batch=7 --verify-only cdnow.csv --database-url postgres://option --redis-url redis://option";
        assert_eq!(parsed(line), Ok(Request::Run(options)));
    }

    #[test]
    fn help_is_given_whatever_else_is_missing() {
        assert_eq!(parsed("--batch 7 --help"), Ok(Request::Help));
        assert_eq!(parsed("-h"), Ok(Request::Help));
    }

    #[test]
    fn a_line_that_makes_no_sense_is_told_why() {
        for (line, why) in [
            ("", "the file to import is not named: --help says how"),
            ("a.csv b.csv", "unexpected argument \"b.csv\""),
            ("a.csv --batch", "missing argument for option '--batch'"),
            ("a.csv --batch 0", "--batch takes a whole number from 1 up, not \"0\""),
            ("a.csv --batch many", "--batch takes a whole number from 1 up, not \"many\""),
            ("a.csv --dry-run", "invalid option '--dry-run'"),
            ("a.csv --import-only --verify-only", "invalid option '--verify-only'"),
        ] {
            assert_eq!(parsed(line), Err(why.to_owned()), "{line}");
        }
        let nowhere = parse([OsString::from("a.csv")], |_| None).unwrap_err();
        assert!(matches!(nowhere, UsageError::NoDatabase), "{nowhere}");
    }
}
