//! The command line of `larder init`.

use std::{ffi::OsString, path::PathBuf};

use lexopt::{Arg, Parser, ValueExt as _};

use crate::options::UsageError;

/// What the user wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) database_url: String,
    pub(crate) out: PathBuf,
    pub(crate) schemas: Vec<String>,
    pub(crate) tables: Vec<String>,
    pub(crate) excluded: Vec<String>,
    pub(crate) schema_module: Option<String>,
    pub(crate) overwrites: bool,
    pub(crate) is_dry: bool,
}

/// Reads a command line, without the program's name; `None` is a question for help.
pub(super) fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Options>, UsageError> {
    let mut parser = Parser::from_args(arguments);
    match parser.next()? {
        None | Some(Arg::Short('h') | Arg::Long("help")) => return Ok(None),
        Some(Arg::Value(name)) if name == "help" => return Ok(None),
        Some(Arg::Value(name)) if name == "init" => {}
        Some(Arg::Value(name)) => return Err(UsageError::Command(name.string()?)),
        Some(other) => return Err(other.unexpected().into()),
    }
    let mut database_url = variable("DATABASE_URL");
    let mut options = Options {
        database_url: String::new(),
        out: PathBuf::from("src/models"),
        schemas: Vec::new(),
        tables: Vec::new(),
        excluded: Vec::new(),
        schema_module: None,
        overwrites: false,
        is_dry: false,
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            Arg::Long("database-url") => database_url = Some(parser.value()?.string()?),
            Arg::Long("out") => options.out = parser.value()?.into(),
            Arg::Long("schema") => options.schemas.push(parser.value()?.string()?),
            Arg::Long("table") => options.tables.push(parser.value()?.string()?),
            Arg::Long("exclude") => options.excluded.push(parser.value()?.string()?),
            Arg::Long("schema-module") => {
                let given = parser.value()?.string()?;
                // It stands in `use` as it is.
                let is_path = given
                    .strip_prefix("crate::")
                    .is_some_and(|path| path.split("::").all(|word| syn::parse_str::<syn::Ident>(word).is_ok()));
                if !is_path {
                    let takes = "a path such as crate::schema";
                    return Err(UsageError::Value { option: "schema-module", takes, given });
                }
                options.schema_module = Some(given);
            }
            Arg::Long("overwrite") => options.overwrites = true,
            Arg::Long("dry-run") => options.is_dry = true,
            other => return Err(other.unexpected().into()),
        }
    }
    options.database_url = database_url.filter(|url| !url.is_empty()).ok_or(UsageError::Nowhere {
        what: "database",
        option: "database-url",
        variable: "DATABASE_URL",
    })?;
    Ok(Some(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Option<Options>, String> {
        let variable = |name: &str| (name == "DATABASE_URL").then(|| "postgres://env".to_owned());
        parse(line.split_whitespace().map(OsString::from), variable).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_asked_is_a_question_for_help() {
        for line in ["", "--help", "help", "init --help", "init --table users -h"] {
            assert_eq!(parsed(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_left_open_has_a_default() {
        let options = parsed("init --table users --table orders --exclude x --overwrite").unwrap().unwrap();
        assert_eq!(options.database_url, "postgres://env");
        assert_eq!(options.out, PathBuf::from("src/models"));
        assert_eq!((options.tables, options.excluded), (vec!["users".into(), "orders".into()], vec!["x".into()]));
        assert!(options.overwrites && !options.is_dry);
    }

    #[test]
    fn a_line_that_makes_no_sense_is_told_why() {
        for (line, why) in [
            ("innit", "there is no command \"innit\": --help tells which there are"),
            ("init --tables users", "invalid option '--tables'"),
            ("init users", "unexpected argument \"users\""),
            ("init --schema-module ../schema", "--schema-module takes a path such as crate::schema, not \"../schema\""),
        ] {
            assert_eq!(parsed(line), Err(why.to_owned()), "{line}");
        }
        let nowhere = parse(["init".into()], |_| None).unwrap_err().to_string();
        assert_eq!(nowhere, "the database is not named: give --database-url, or set DATABASE_URL");
    }
}
