//! `outbox` and `triggers`

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
};

use diesel::{Connection as _, PgConnection, pg::Pg};
use larder::{Models, outbox, triggers::Triggers};
use lexopt::{Parser, ValueExt as _};
use serde_json::json;

use crate::{
    command::{Command, Request, help},
    complaint::Complaint,
    options::{Builder, Common, Needs, UsageError, next, number},
    print,
};

/// What a migration is to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Outbox,
    Triggers,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Options {
    subject: Subject,
    is_down: bool,
    folder: Option<PathBuf>,
    triggers: TriggerOptions,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TriggerOptions {
    at_most: Option<u32>,
    outbox_schema: Option<String>,
}

pub(crate) fn parse(subject: Subject, mut parser: Parser, mut common: Builder) -> Result<Request, UsageError> {
    let mut options = Options { subject, is_down: false, folder: None, triggers: TriggerOptions::default() };
    let mut checks = false;
    while let Some(name) = next(&mut parser)? {
        match (name.as_str(), subject) {
            ("help", Subject::Outbox) => return Ok(help(OUTBOX_HELP)),
            ("help", Subject::Triggers) => return Ok(help(TRIGGERS_HELP)),
            ("down", _) => options.is_down = true,
            ("write", _) => options.folder = Some(parser.value()?.into()),
            ("check", Subject::Triggers) => checks = true,
            ("at-most", Subject::Triggers) => options.triggers.at_most = Some(number("at-most", &mut parser)?),
            ("outbox-schema", Subject::Triggers) => {
                options.triggers.outbox_schema = Some(parser.value()?.string()?);
            }
            (name, _) if common.take(name, &mut parser)? => {}
            (name, _) => return Err(lexopt::Arg::Long(name).unexpected().into()),
        }
    }
    Ok(if checks {
        Request::Run(common.build(Needs::Database)?, Command::CheckTriggers(options.triggers))
    } else {
        Request::Migration(options)
    })
}

fn triggers(models: &Models<Pg>, options: &TriggerOptions) -> Triggers {
    let mut triggers = Triggers::of(models.clone());
    if let Some(n_rows) = options.at_most {
        triggers = triggers.at_most(n_rows);
    }
    if let Some(schema) = &options.outbox_schema {
        triggers = triggers.outbox_schema(schema.as_str());
    }
    triggers
}

/// Prints a migration, or writes both its files.
pub(crate) fn run(models: &Models<Pg>, options: &Options) -> Result<ExitCode, Complaint> {
    let (up, down) = match options.subject {
        Subject::Outbox => (outbox::UP.to_owned(), outbox::DOWN.to_owned()),
        Subject::Triggers => {
            let triggers = triggers(models, &options.triggers);
            (triggers.up(), triggers.down())
        }
    };
    match &options.folder {
        Some(folder) => write(folder, &up, &down).map_err(|error| Complaint::at(folder, &error))?,
        None => print(if options.is_down { &down } else { &up })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the files as the diesel CLI has them. What is there already is not written over, but for a migration that is still empty.
fn write(folder: &Path, up: &str, down: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let files = [(folder.join("up.sql"), up), (folder.join("down.sql"), down)];
    for (path, _) in &files {
        let text = fs::read_to_string(path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(String::new()),
            _ => Err(error),
        })?;
        // The diesel CLI leaves a comment in a new one.
        if text.lines().any(|line| !line.trim().is_empty() && !line.trim_start().starts_with("--")) {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it has a migration already"));
        }
    }
    for (path, text) in files {
        fs::File::create(path)?.write_all(text.as_bytes())?;
    }
    Ok(())
}

/// Tells of triggers that would not tell of changes.
pub(crate) fn check(models: &Models<Pg>, common: &Common, options: &TriggerOptions) -> Result<ExitCode, Complaint> {
    let mut connection = PgConnection::establish(&common.database_url).map_err(|error| Complaint::of(&error))?;
    let gaps = triggers(models, options).check(&mut connection).map_err(|error| Complaint::of(&error))?;
    let text = if common.is_json {
        let gaps: Vec<_> = gaps
            .iter()
            .map(|gap| json!({ "model": gap.model, "trigger": gap.trigger, "gap": gap.to_string() }))
            .collect();
        format!("{}\n", json!({ "gaps": gaps }))
    } else if gaps.is_empty() {
        "every change is told of\n".to_owned()
    } else {
        gaps.iter().map(|gap| format!("{gap}\n")).collect()
    };
    print(&text)?;
    Ok(if gaps.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const OUTBOX_HELP: &str = "\
Prints the migration that makes the outbox.

Usage: outbox [OPTIONS]

Options:
      --down                prints the one that takes it away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
";

const TRIGGERS_HELP: &str = "\
Prints the migration that makes the triggers which tell of writes past larder.

Usage: triggers [OPTIONS]

Options:
      --down                prints the one that takes them away
      --write FOLDER        writes FOLDER/up.sql and FOLDER/down.sql instead, as `diesel migration generate` has made them
      --check               compares with what is in the database; ends with 1 if some change would not be told of
      --at-most N           how many rows a transaction tells of one by one [default: 10000]
      --outbox-schema NAME  where the outbox is [default: public]
";
