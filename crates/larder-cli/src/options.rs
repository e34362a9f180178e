//! What several commands take.

use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt as _};

/// A command line that makes no sense.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsageError {
    #[error(transparent)]
    Option(#[from] lexopt::Error),
    #[error("there is no command {0:?}: --help tells which there are")]
    Command(String),
    #[error("there is no kind of migration {0:?}: migration --help tells which there are")]
    Kind(String),
    #[error("partitions can't {0:?}: partitions --help tells what it can")]
    PartitionWork(String),
    #[error("--{option} takes {takes}, not {given:?}")]
    Value { option: &'static str, takes: &'static str, given: String },
    #[error("the {what} is not named: give --{option}, or set {variable}")]
    Nowhere { what: &'static str, option: &'static str, variable: &'static str },
}

/// Where the rows and the cells are, and how to tell of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Common {
    pub(crate) database_url: String,
    /// Empty where it is not needed.
    pub(crate) redis_url: String,
    /// As the application has it; `None` is the default of both.
    pub(crate) namespace: Option<String>,
    pub(crate) is_json: bool,
    pub(crate) is_quiet: bool,
}

/// Which servers a command asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    Both,
    Database,
}

/// [`Common`] while a command line is read.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    database_url: Option<String>,
    redis_url: Option<String>,
    namespace: Option<String>,
    is_json: bool,
    is_quiet: bool,
}

impl Builder {
    pub(crate) fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        Self { database_url: variable("DATABASE_URL"), redis_url: variable("REDIS_URL"), ..Self::default() }
    }

    /// Takes an option: `false` if it is none of these.
    pub(crate) fn take(&mut self, name: &str, parser: &mut Parser) -> Result<bool, UsageError> {
        match name {
            "database-url" => self.database_url = Some(parser.value()?.string()?),
            "redis-url" => self.redis_url = Some(parser.value()?.string()?),
            "namespace" => self.namespace = Some(parser.value()?.string()?),
            "json" => self.is_json = true,
            "quiet" => self.is_quiet = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub(crate) fn build(self, needs: Needs) -> Result<Common, UsageError> {
        let nowhere = |what, option, variable| move || UsageError::Nowhere { what, option, variable };
        Ok(Common {
            database_url: self.database_url.ok_or_else(nowhere("database", "database-url", "DATABASE_URL"))?,
            redis_url: match needs {
                Needs::Both => self.redis_url.ok_or_else(nowhere("cache", "redis-url", "REDIS_URL"))?,
                Needs::Database => self.redis_url.unwrap_or_default(),
            },
            namespace: self.namespace,
            is_json: self.is_json,
            is_quiet: self.is_quiet,
        })
    }
}

/// The next option's name; `None` at the end of the line.
///
/// # Errors
/// A value without an option, or a short option other than `-h`, which is `help`.
pub(crate) fn next(parser: &mut Parser) -> Result<Option<String>, UsageError> {
    Ok(match parser.next()? {
        None => None,
        Some(Arg::Short('h')) => Some("help".to_owned()),
        Some(Arg::Long(name)) => Some(name.to_owned()),
        Some(other) => return Err(other.unexpected().into()),
    })
}

/// A whole number.
pub(crate) fn number<N: std::str::FromStr>(option: &'static str, parser: &mut Parser) -> Result<N, UsageError> {
    let given = parser.value()?.string()?;
    given.parse().map_err(|_| UsageError::Value { option, takes: "a whole number", given })
}

/// A time such as `500ms`, `30s`, `5m` or `1h`.
pub(crate) fn time(option: &'static str, parser: &mut Parser) -> Result<Duration, UsageError> {
    let given = parser.value()?.string()?;
    parse_time(&given).ok_or(UsageError::Value { option, takes: "a time such as 500ms, 30s, 5m or 1h", given })
}

fn parse_time(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at(text.find(|char: char| !char.is_ascii_digit())?);
    let number: u32 = digits.parse().ok()?;
    let unit = match unit {
        "ms" => Duration::from_millis(1),
        "s" => Duration::from_secs(1),
        "m" => Duration::from_secs(60),
        "h" => Duration::from_secs(3_600),
        _ => return None,
    };
    Some(unit * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let times = ["500ms", "30s", "5m", "1h", "0s"].map(parse_time);
        assert_eq!(times, [500, 30_000, 300_000, 3_600_000, 0].map(|time| Some(Duration::from_millis(time))));
        for text in ["", "5", "s", "-1s", "1.5s", "5 m", "1d", "99999999999s"] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
