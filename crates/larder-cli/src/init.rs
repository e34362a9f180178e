//! `larder init`: models for the tables of a database that is there already.

mod files;
mod names;
mod options;
mod plan;
mod read;
mod schema;
mod summary;
mod types;
mod write;

use std::{
    ffi::OsString,
    io::{self, Write as _},
    process::ExitCode,
};

pub(crate) use self::options::Options;
use self::plan::Plan;
use crate::{complaint::Complaint, end, print, secrets::Secrets};

/// Does what a command line says, without the program's name.
pub(crate) fn main(
    arguments: impl IntoIterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) -> ExitCode {
    let done = match options::parse(arguments, variable) {
        Ok(None) => print(HELP).map(|()| ExitCode::SUCCESS),
        Ok(Some(options)) => {
            let secrets = Secrets::of([&options.database_url]);
            run(&options).map_err(|complaint| complaint.without(&secrets))
        }
        Err(error) => Err(Complaint::of(&error)),
    };
    end(done)
}

fn run(options: &Options) -> Result<ExitCode, Complaint> {
    let schema = read::read(options)?;
    let plan = Plan::of(&schema);
    if plan.models.is_empty() {
        summary::tell(&plan.notes);
        return Err(Complaint::from("there is nothing to make a model of"));
    }
    let files = write::files(&plan, options.schema_module.as_deref());
    let paths = files::paths(&options.out, &files)?;
    if !options.is_dry {
        files::write(&paths, options.overwrites)?;
    }
    summary::tell(&plan.notes);
    print(&summary::summary(&plan, options, &paths))?;
    // What was left out is no failure; the notes say what to look at.
    io::stderr().flush().map_err(|error| Complaint::of(&error))?;
    Ok(ExitCode::SUCCESS)
}

const HELP: &str = "\
larder init: writes models for the tables of a database that is there already.

  larder init --database-url postgres://localhost/shop --out src/models

Reads the tables, and writes a module with a file for each: the row with its repository, what is inserted, what may change; relations
made of foreign keys, and finders made of indexes. Columns and indexes that become nothing are told of, and why.

      --database-url URL    where the tables are [default: $DATABASE_URL]
      --out DIR             the module's folder; the module itself is the file beside it, DIR.rs [default: src/models]
      --schema NAME         a schema to read, instead of the first in the search path; may be repeated
      --table NAME          only this table; may be repeated
      --exclude NAME        not this table; may be repeated
      --schema-module PATH  use the `table!`s that are there, such as crate::schema by the diesel CLI, and write none
      --overwrite           replace files that are there
      --dry-run             write nothing, and tell what would be written
  -h, --help                this text

Ends with 0 if the models are written, and with 2 if they are not.
";
